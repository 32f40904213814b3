/* How large pictures are, and the grid of their patches: what a position embedding's rows and tleg.image_size say together. */
#include "image/picture.h"
#include "vit/read/private.h"

/* How many of the tokens before the patches have no row among `rows`, and the patches' grid: `wanted`, or where that is empty
 * a square; empty where nothing fits. A square may have a row for each token; or for all but the registers (DINOv2); or for
 * none (DeiT III, timm's no_embed_class). */
static struct tleg_extent find_grid(const tleg_config *c, int64_t rows, struct tleg_extent wanted, int32_t *unplaced) {
    const int32_t prefix = tleg_config_prefix(c), ways[] = {0, c->registers, prefix};
    const int64_t left = prefix + tleg_extent_area(wanted) - rows;
    *unplaced = 0;
    if (wanted.height > 0) {
        *unplaced = left >= 0 && left <= prefix ? (int32_t)left : 0;
        return left == *unplaced ? wanted : (struct tleg_extent){0};
    }
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        int64_t side;
        *unplaced = ways[k];
        if (tleg_size_is_square(rows - prefix + ways[k], &side) && side <= TLEG_MAX_GRID)
            return (struct tleg_extent){(int32_t)side, (int32_t)side};
    }
    *unplaced = 0;
    return (struct tleg_extent){0};
}

/* The patches of a picture; empty where they do not fill it, or are too many. */
static struct tleg_extent grid_of(const tleg_config *c, struct tleg_extent pixels, bool whole) {
    const struct tleg_extent patch = tleg_config_patch(c), grid = {pixels.height / patch.height, pixels.width / patch.width};
    const bool left = pixels.height % patch.height != 0 || pixels.width % patch.width != 0;
    return !(whole && left) && grid.height <= TLEG_MAX_GRID && grid.width <= TLEG_MAX_GRID ? grid : (struct tleg_extent){0};
}

/* Without a position embedding a key alone says how large pictures are. */
static tleg_status read_image_key(struct tleg_config_reader *reader) {
    tleg_config *c = reader->c;
    char patch[TLEG_EXTENT_TEXT], pixels[TLEG_EXTENT_TEXT];
    struct tleg_extent given = {0};
    bool found;
    const tleg_status status = tleg_read_extent(reader, "tleg.image_size", &found, &given);
    c->no_positions = !reader->computed;
    c->unplaced = tleg_config_prefix(c);
    if (status != TLEG_OK)
        return status;
    tleg_config_set_pixels(c, given);
    if (found && grid_of(c, given, true).height > 0)
        return TLEG_OK;
    return tleg_fail(
        reader->context, TLEG_ERROR_FORMAT,
        "%s: tleg.image_size: without pos_embed, expected a multiple of the patch, %s, and at most %d patches a side, "
        "found %s",
        reader->label, tleg_extent_text(tleg_config_patch(c), patch), TLEG_MAX_GRID, tleg_extent_text(given, pixels));
}

tleg_preparation_options tleg_read_asked_pictures(const struct tleg_config_reader *reader) {
    tleg_preparation_options asked;
    if (!reader->asked->pictures || tleg_options_read(reader->context, "tleg_preparation_options", reader->asked->pictures,
                                                      &asked, sizeof asked, TLEG_LEAST_PREPARATION_OPTIONS) != TLEG_OK)
        return (tleg_preparation_options){0};
    return asked;
}

/* What the host says of pictures, for a file that says nothing of them; empty where it does not fit the rows or is not said. */
static struct tleg_extent asked_grid(const struct tleg_config_reader *reader, int64_t rows, int32_t *unplaced) {
    const tleg_preparation_options asked = tleg_read_asked_pictures(reader);
    if (asked.image_size < 1 || asked.image_width < 0)
        return (struct tleg_extent){0};
    const struct tleg_extent pixels = {asked.image_size, asked.image_width ? asked.image_width : asked.image_size};
    const tleg_config *c = reader->c;
    struct tleg_extent grid = grid_of(c, pixels, true);
    if (grid.height > 0)
        grid = find_grid(c, rows, grid, unplaced);
    /* a guess: tokens are left out as in models that there are, and no others */
    const bool usual = *unplaced == 0 || *unplaced == c->registers || *unplaced == tleg_config_prefix(c);
    return usual ? grid : (struct tleg_extent){0};
}

/* The grid where the file does not say it: what the host says where that has as many patches, for then it is what was learned
 * and not another size; else a square, as it is in the library's own files, which say what is none. */
static struct tleg_extent guess_grid(const struct tleg_config_reader *reader, int64_t rows, int32_t *unplaced) {
    int32_t of_square, of_host = 0;
    const struct tleg_extent none = {0}, square = find_grid(reader->c, rows, none, &of_square);
    const struct tleg_extent host = asked_grid(reader, rows, &of_host);
    const bool own = square.height > 0 && tleg_file_get_metadata(reader->file, "tleg.kind"), told = host.height > 0 && !own;
    *unplaced = told ? of_host : of_square;
    if (told && square.height > 0 && !tleg_extent_same(host, square))
        tleg_log(
            reader->context,
            "%s: its positions are taken as those of %d x %d patches, as the size that was asked for has as many; a square "
            "of %d x %d would be as many rows (tleg.image_size by rules for names says which)",
            reader->label, (int)host.height, (int)host.width, (int)square.height, (int)square.width);
    return told ? host : square;
}

/* `rows` do not fit what tleg.image_size says. */
static tleg_status refuse_rows(const struct tleg_config_reader *reader, struct tleg_extent pixels, int64_t rows) {
    tleg_config *c = reader->c;
    char patch[TLEG_EXTENT_TEXT], text[TLEG_EXTENT_TEXT];
    tleg_config_set_pixels(c, pixels);
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                     "%s: tensor \"pos_embed\": expected %lld rows (%d tokens, and patches of %s for tleg.image_size %s), "
                     "found %lld",
                     reader->label, (long long)tleg_config_tokens(c), (int)tleg_config_prefix(c),
                     tleg_extent_text(tleg_config_patch(c), patch), tleg_extent_text(pixels, text), (long long)rows);
}

/* The grid of a pos_embed of so many rows, and how large pictures are. Pixels that are left over when patches are cut out of
 * them belong to no patch. */
static tleg_status read_grid(struct tleg_config_reader *reader, int64_t rows, struct tleg_extent *grid,
                             struct tleg_extent *pixels) {
    tleg_config *c = reader->c;
    const struct tleg_extent patch = tleg_config_patch(c);
    bool found;
    const tleg_status status = tleg_read_extent(reader, "tleg.image_size", &found, pixels);
    if (status != TLEG_OK)
        return status;
    const struct tleg_extent wanted = found ? grid_of(c, *pixels, tleg_config_draws(c)) : (struct tleg_extent){0};
    *grid = !found               ? guess_grid(reader, rows, &c->unplaced)
            : wanted.height == 0 ? wanted
                                 : find_grid(c, rows, wanted, &c->unplaced);
    if (grid->height == 0 && found)
        return refuse_rows(reader, *pixels, rows);
    if (!found)
        *pixels = (struct tleg_extent){grid->height * patch.height, grid->width * patch.width};
    if (tleg_config_draws(c) && grid->height != grid->width)
        return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED,
                         "%s: tleg.image_size: a generator's images are square, found %d x %d patches", reader->label,
                         (int)grid->height, (int)grid->width);
    return TLEG_OK;
}

/* Whether positions are SimpleViT's, which are computed where a model does not hold them. */
static tleg_status read_computed(struct tleg_config_reader *reader) {
    static const char *const words[] = {"sincos", NULL};
    int32_t word;
    const tleg_status status = tleg_read_word(reader, "tleg.positions", words, &word);
    reader->computed = word && !reader->gene && !tleg_config_draws(reader->c) && !tleg_read_has(reader, "pos_embed");
    if (status == TLEG_OK && reader->computed && (reader->c->dim % 4 != 0 || reader->c->dim < 8))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tleg.positions: expected a dim of a multiple of 4, at least 8, found %d", reader->label,
                         (int)reader->c->dim);
    return status;
}

/* Nothing in the file is as large as the positions that are computed for it. */
static tleg_status check_places(const struct tleg_config_reader *reader) {
    enum { MOST = 256 }; /* patches a side */
    const struct tleg_extent grid = tleg_config_grid(reader->c);
    if (grid.height <= MOST && grid.width <= MOST)
        return TLEG_OK;
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                     "%s: tleg.image_size: expected at most %d patches a side where positions are computed, found %d x %d",
                     reader->label, MOST, (int)grid.height, (int)grid.width);
}

/* pos_embed (1, placed tokens + patches, D) */
tleg_status tleg_read_image(struct tleg_config_reader *reader) {
    tleg_config *c = reader->c;
    const struct tleg_entry *entry;
    struct tleg_extent grid = {0}, pixels = {0};
    const bool placeless = tleg_read_rotary(reader) && !tleg_read_has(reader, "pos_embed");
    tleg_status status = read_computed(reader);
    if (status == TLEG_OK && (placeless || reader->computed)) {
        status = read_image_key(reader);
        return status == TLEG_OK && reader->computed ? check_places(reader) : status;
    }
    if (status == TLEG_OK)
        status = tleg_read_need(reader, "pos_embed", 3, &entry);
    if (status == TLEG_OK)
        status = read_grid(reader, entry->shape[1], &grid, &pixels);
    if (status != TLEG_OK)
        return status;
    if (grid.height == 0 || pixels.height > TLEG_MAX_IMAGE || pixels.width > TLEG_MAX_IMAGE)
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tensor \"pos_embed\": expected %d rows for tokens and a square number for patches, at most %d a "
                         "side and %d pixels, found %lld rows; for pictures that are not square say their height and width "
                         "(image_size and image_width of tleg_open_options; tleg convert --image 224x128)",
                         reader->label, (int)tleg_config_prefix(c), TLEG_MAX_GRID, TLEG_MAX_IMAGE, (long long)entry->shape[1]);
    tleg_config_set_pixels(c, pixels);
    return TLEG_OK;
}
