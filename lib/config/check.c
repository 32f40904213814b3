/* A host's configuration: checked member by member, defaults filled in. */
#include "config/schedule.h"
#include "format/format.h"
#include <math.h>
#include <string.h>

static tleg_status in_range(tleg_context *context, const char *member, int32_t value, int32_t least, int32_t most) {
    if (value >= least && value <= most)
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.%s: expected %d to %d, found %d", member, (int)least, (int)most,
                     (int)value);
}

/* What a later version may make of a configuration. */
static tleg_status check_later(tleg_context *context, tleg_config *c) {
    if (c->kind == 0)
        c->kind = TLEG_KIND_VIT;
    if (c->kind != TLEG_KIND_VIT && c->kind != TLEG_KIND_DIT)
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                         "tleg_config.kind: expected TLEG_KIND_VIT or TLEG_KIND_DIT, found %d, of a newer libtleg",
                         (int)c->kind);
    if (c->channels == 0)
        c->channels = 3;
    if (tleg_config_draws(c) ? c->channels < 1 || c->channels > TLEG_MAX_CHANNELS : c->channels != 1 && c->channels != 3)
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "tleg_config.channels: this version expects %s, found %d",
                         tleg_config_draws(c) ? "1 to " TLEG_LIMIT_TEXT(TLEG_MAX_CHANNELS) : "1 or 3", (int)c->channels);
    return tleg_check_reserved(context, "tleg_config.reserved", c->reserved == NULL);
}

/* A new learngene is f32. The other outputs describe what was read, and are not looked at. */
static tleg_status check_dtype(tleg_context *context, const tleg_config *c) {
    if (c->dtype == 0 || c->dtype == TLEG_F32)
        return TLEG_OK;
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.dtype: expected 0 or TLEG_F32, found %d", (int)c->dtype);
}

static tleg_status check_side(tleg_context *context, const char *member, int32_t pixels, int32_t patch) {
    if (pixels % patch != 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.%s: expected a multiple of the patch, %d, found %d", member,
                         (int)patch, (int)pixels);
    if (pixels / patch > TLEG_MAX_GRID)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.%s: expected at most %d patches a side, found %d", member,
                         TLEG_MAX_GRID, (int)(pixels / patch));
    return TLEG_OK;
}

/* Sizes that are in range. A width that says nothing new becomes 0. */
static tleg_status check_grid(tleg_context *context, tleg_config *c) {
    const struct tleg_extent pixels = tleg_config_pixels(c), patch = tleg_config_patch(c);
    c->image_width = pixels.width == pixels.height ? 0 : pixels.width;
    c->patch_width = patch.width == patch.height ? 0 : patch.width;
    if (tleg_config_draws(c) && (c->image_width || c->patch_width))
        return tleg_fail(
            context, TLEG_ERROR_UNSUPPORTED, "tleg_config.%s: a generator's images and patches are square, found a width of %d",
            c->image_width ? "image_width" : "patch_width", (int)(c->image_width ? c->image_width : c->patch_width));
    const tleg_status status = check_side(context, "image_size", pixels.height, patch.height);
    return status == TLEG_OK ? check_side(context, c->image_width ? "image_width" : "image_size", pixels.width, patch.width)
                             : status;
}

tleg_status tleg_config_resize(tleg_context *context, const char *what, int32_t height, int32_t width, tleg_config *config) {
    const struct tleg_extent patch = tleg_config_patch(config), pixels = {height, width ? width : height};
    char of_patch[TLEG_EXTENT_TEXT], found[TLEG_EXTENT_TEXT];
    if (height == 0 && width == 0)
        return TLEG_OK;
    if (height == 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: expected a height beside the width, %d, found 0", what, (int)width);
    if (height < 1 || height > TLEG_MAX_IMAGE || height % patch.height != 0 || height / patch.height > TLEG_MAX_GRID ||
        pixels.width < 1 || pixels.width > TLEG_MAX_IMAGE || pixels.width % patch.width != 0 ||
        pixels.width / patch.width > TLEG_MAX_GRID)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "%s: expected 0 or a multiple of the patch, %s, at most %d and %d patches a side, found %s", what,
                         tleg_extent_text(patch, of_patch), TLEG_MAX_IMAGE, TLEG_MAX_GRID, tleg_extent_text(pixels, found));
    if (tleg_config_draws(config) && pixels.height != pixels.width)
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "%s: a generator's images are square, found %s", what,
                         tleg_extent_text(pixels, found));
    tleg_config_set_pixels(config, pixels);
    return TLEG_OK;
}

static tleg_status check_sizes(tleg_context *context, tleg_config *c) {
    if (c->hidden == 0 && c->dim > 0 && c->dim <= TLEG_MAX_DIM)
        c->hidden = 4 * c->dim;
    const struct {
        const char *member;
        int32_t value, least, most;
    } ranges[] = {
        {"image_size", c->image_size, 1, TLEG_MAX_IMAGE},
        {"patch_size", c->patch_size, 1, TLEG_MAX_IMAGE},
        {"image_width", c->image_width, 0, TLEG_MAX_IMAGE},
        {"patch_width", c->patch_width, 0, TLEG_MAX_IMAGE},
        {"dim", c->dim, 1, TLEG_MAX_DIM},
        {"heads", c->heads, 1, TLEG_MAX_DIM},
        {"attention_dim", c->attention_dim, 0, TLEG_MAX_DIM},
        {"hidden", c->hidden, 1, TLEG_MAX_HIDDEN},
        {"classes", c->classes, 1, TLEG_MAX_CLASSES},
        {"depth", c->depth, 0, TLEG_MAX_DEPTH},
        {"class_token", c->class_token, 0, 1},
        {"distillation_token", c->distillation_token, 0, 1},
        {"registers", c->registers, 0, TLEG_MAX_REGISTERS},
        {"no_qkv_bias", c->no_qkv_bias, 0, 1},
        {"layer_scale", c->layer_scale, 0, 1},
        {"norm_before", c->norm_before, 0, 1},
        {"no_patch_bias", c->no_patch_bias, 0, 1},
        {"no_head_bias", c->no_head_bias, 0, 1},
        {"norm_after", c->norm_after, 0, 2},
        {"gated", c->gated, 0, 1},
        {"attention_norm", c->attention_norm, 0, 1},
        {"mlp_norm", c->mlp_norm, 0, 1},
        {"qk_norm", c->qk_norm, 0, TLEG_QK_NORM_TOKEN},
        {"pixel_norm", c->pixel_norm, 0, 1},
        {"learned_sigma", c->learned_sigma, 0, tleg_config_draws(c)},
        {"no_null_label", c->no_null_label, 0, tleg_config_draws(c)},
        {"no_positions", c->no_positions, 0, 1},
        {"rotary_halves", c->rotary_halves, 0, 1},
        {"rotary_x_first", c->rotary_x_first, 0, 1},
        {"rotary_grid", c->rotary_grid, 0, TLEG_MAX_GRID},
        {"rotary_offset", c->rotary_offset, 0, 1},
        {"pool_heads", c->pool_heads, 0, TLEG_MAX_DIM},
        {"pool_hidden", c->pool_hidden, 0, TLEG_MAX_HIDDEN},
        {"rms", c->rms, 0, 1},
        {"no_norm", c->no_norm, 0, 1},
        {"patch_norm", c->patch_norm, 0, 1},
        {"no_proj_bias", c->no_proj_bias, 0, 1},
        {"no_mlp_bias", c->no_mlp_bias, 0, 1},
        {"representation", c->representation, 0, TLEG_MAX_HIDDEN},
    };
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
        const tleg_status status = in_range(context, ranges[k].member, ranges[k].value, ranges[k].least, ranges[k].most);
        if (status != TLEG_OK)
            return status;
    }
    const tleg_status status = check_grid(context, c);
    if (status != TLEG_OK)
        return status;
    if (c->attention_dim == c->dim)
        c->attention_dim = 0;
    if (tleg_config_attention_dim(c) % c->heads != 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.heads: expected a divisor of the %s, %d, found %d",
                         c->attention_dim ? "attention_dim" : "dim", (int)tleg_config_attention_dim(c), (int)c->heads);
    return TLEG_OK;
}

static tleg_status check_positions(tleg_context *context, tleg_config *c) {
    if (c->positions == 0)
        c->positions = TLEG_POSITIONS_NORMAL;
    const tleg_status status = in_range(context, "positions", c->positions, TLEG_POSITIONS_NORMAL, TLEG_POSITIONS_SINCOS);
    if (status == TLEG_OK && c->positions == TLEG_POSITIONS_SINCOS && c->dim % 4 != 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_config.dim: expected a multiple of 4 for TLEG_POSITIONS_SINCOS, found %d", (int)c->dim);
    return status;
}

static tleg_status check_pictures(tleg_context *context, tleg_config *c) {
    if (c->interpolation == 0)
        c->interpolation = TLEG_INTERPOLATION_BICUBIC;
    if (c->fit == 0)
        c->fit = TLEG_FIT_CROP;
    const tleg_status status =
        in_range(context, "interpolation", c->interpolation, TLEG_INTERPOLATION_BICUBIC, TLEG_INTERPOLATION_BOX);
    return status == TLEG_OK ? in_range(context, "fit", c->fit, TLEG_FIT_CROP, TLEG_FIT_SQUASH_FLOOR) : status;
}

static tleg_status check_number(tleg_context *context, const char *member, double value, bool good, const char *expected) {
    return isfinite(value) && good ? TLEG_OK : tleg_fail_number(context, member, expected, value);
}

static tleg_status check_rotary(tleg_context *context, tleg_config *c) {
    tleg_status status = in_range(context, "rotary", c->rotary, 0, TLEG_ROTARY_CENTRED);
    if (status == TLEG_OK && c->rotary && tleg_config_head(c) % 4 != 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_config.heads: expected heads of a multiple of 4 numbers for rotary positions, found %d",
                         (int)tleg_config_head(c));
    if (c->rotary && c->rotary_base == 0)
        c->rotary_base = tleg_default_rotary_base(c->rotary);
    if (status == TLEG_OK && c->rotary)
        status = check_number(context, "tleg_config.rotary_base", c->rotary_base,
                              c->rotary_base > 1 && c->rotary_base <= TLEG_MOST_ROTARY_BASE,
                              "more than 1, at most " TLEG_LIMIT_TEXT(TLEG_MOST_ROTARY_BASE));
    if (status == TLEG_OK && c->no_positions && !c->rotary)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_config.no_positions: expected 0 without rotary positions, found 1");
    if (c->no_positions)
        c->unplaced = tleg_config_prefix(c);
    if (!c->rotary) { /* no file keeps what says nothing */
        c->rotary_halves = c->rotary_x_first = c->rotary_grid = c->rotary_offset = 0;
        c->rotary_base = 0;
    }
    if (c->rotary == TLEG_ROTARY_CENTRED)
        c->rotary_grid = c->rotary_offset = 0;
    return status;
}

/* Attention pooling has the blocks' heads where it has none of its own; without it what is said of it is dropped. */
static tleg_status check_pool_heads(tleg_context *context, tleg_config *c) {
    const bool pools = tleg_config_has_attention_pool(c), counts = c->pool_heads || pools;
    if (!counts || c->dim % tleg_config_pool_heads(c) == 0) {
        c->pool_heads = pools ? c->pool_heads : 0;
        c->pool_hidden = pools ? c->pool_hidden : 0;
        return TLEG_OK;
    }
    return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.pool_heads: expected a divisor of the dim, %d, found %d",
                     (int)c->dim, (int)tleg_config_pool_heads(c));
}

static tleg_status check_tokens(tleg_context *context, const tleg_config *c) {
    if (c->distillation_token && !c->class_token)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_config.distillation_token: expected 0 without a class token, found 1");
    return in_range(context, "unplaced", c->unplaced, 0, tleg_config_prefix(c));
}

static tleg_status check_mlp(tleg_context *context, tleg_config *c) {
    if (c->norm_after && c->layer_scale)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.layer_scale: expected 0 with norm_after, found 1");
    if (c->mlp == 0)
        c->mlp = tleg_config_usual_mlp(c);
    return in_range(context, "mlp", c->mlp, TLEG_MLP_GELU, TLEG_MLP_RELU);
}

/* What a generator has not: tokens, LayerScale, pooling and a head. */
static tleg_status check_drawing(tleg_context *context, const tleg_config *c) {
    const struct {
        const char *member;
        int32_t value;
    } none[] = {{"attention_dim", c->attention_dim},
                {"class_token", c->class_token},
                {"registers", c->registers},
                {"pool", c->pool},
                {"norm", c->norm},
                {"layer_scale", c->layer_scale},
                {"norm_before", c->norm_before},
                {"no_patch_bias", c->no_patch_bias},
                {"no_head_bias", c->no_head_bias},
                {"norm_after", c->norm_after},
                {"gated", c->gated},
                {"attention_norm", c->attention_norm},
                {"mlp_norm", c->mlp_norm},
                {"qk_norm", c->qk_norm},
                {"pixel_norm", c->pixel_norm},
                {"no_positions", c->no_positions},
                {"rotary", c->rotary},
                {"rms", c->rms},
                {"no_norm", c->no_norm},
                {"patch_norm", c->patch_norm},
                {"no_proj_bias", c->no_proj_bias},
                {"no_mlp_bias", c->no_mlp_bias},
                {"representation", c->representation}};
    for (size_t k = 0; k < sizeof none / sizeof *none; k++)
        if (none[k].value != 0)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.%s: expected 0 for TLEG_KIND_DIT, found %d",
                             none[k].member, (int)none[k].value);
    if (c->dim % 4 != 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.dim: expected a multiple of 4 for TLEG_KIND_DIT, found %d",
                         (int)c->dim);
    return TLEG_OK;
}

static tleg_status check_head(tleg_context *context, tleg_config *c) {
    if (tleg_config_draws(c))
        return check_drawing(context, c);
    if (c->pool == 0)
        c->pool = c->class_token ? TLEG_POOL_CLS : TLEG_POOL_MEAN;
    if (c->norm == 0)
        c->norm = TLEG_NORM_BEFORE_POOL;
    tleg_status status = in_range(context, "pool", c->pool, TLEG_POOL_MEAN, TLEG_POOL_MEAN_ALL);
    if (status == TLEG_OK)
        status = in_range(context, "norm", c->norm, TLEG_NORM_BEFORE_POOL, TLEG_NORM_AFTER_POOL);
    if (status != TLEG_OK)
        return status;
    if ((c->pool == TLEG_POOL_CLS || c->pool == TLEG_POOL_CLS_MEAN) && !c->class_token)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.pool: \"%s\" needs a class token, found none",
                         tleg_pool_words[c->pool - 1]);
    if (c->pool != TLEG_POOL_CLS && c->distillation_token)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_config.pool: a distillation token needs TLEG_POOL_CLS, found \"%s\"",
                         tleg_pool_words[c->pool - 1]);
    if (c->representation && c->distillation_token)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_config.representation: expected 0 with a distillation token, found %d", (int)c->representation);
    if (!tleg_config_reduces(c))
        c->norm = TLEG_NORM_BEFORE_POOL; /* of one token the same numbers; attention pooling reads normed ones */
    return TLEG_OK;
}

static tleg_status check_numbers(tleg_context *context, tleg_config *c) {
    if (c->eps == 0)
        c->eps = tleg_config_draws(c) ? 1e-6 : 1e-5;
    if (c->crop == 0)
        c->crop = tleg_default_crop(tleg_config_pixels(c));
    if (tleg_config_draws(c))
        tleg_fill_plain_colours(c->mean, c->std);
    tleg_fill_colours(c->channels, c->mean, c->std);
    tleg_status status = check_number(context, "tleg_config.eps", c->eps, c->eps > 0 && c->eps <= 1, "more than 0, at most 1");
    if (status == TLEG_OK)
        status = check_number(context, "tleg_config.crop", c->crop, c->crop > 0 && c->crop <= 1, "more than 0, at most 1");
    for (int k = 0; status == TLEG_OK && k < 3; k++)
        status = check_number(context, "tleg_config.mean", c->mean[k], fabs(c->mean[k]) <= TLEG_MOST_COLOUR,
                              "-" TLEG_LIMIT_TEXT(TLEG_MOST_COLOUR) " to " TLEG_LIMIT_TEXT(TLEG_MOST_COLOUR));
    for (int k = 0; status == TLEG_OK && k < 3; k++)
        status = check_number(context, "tleg_config.std", c->std[k], c->std[k] > 0 && c->std[k] <= TLEG_MOST_COLOUR,
                              "numbers above 0, at most " TLEG_LIMIT_TEXT(TLEG_MOST_COLOUR));
    return status;
}

static tleg_status check_labels(tleg_context *context, const tleg_config *c) {
    if (c->label_count == 0)
        return TLEG_OK;
    if (c->label_count != c->classes)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_config.label_count: expected 0 or as many as classes, %d, found %d", (int)c->classes,
                         (int)c->label_count);
    if (!c->labels)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.labels: expected %d names, found NULL",
                         (int)c->label_count);
    for (int32_t k = 0; k < c->label_count; k++) {
        if (!c->labels[k])
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.labels[%d]: expected a name, found NULL", (int)k);
        if (!tleg_utf8_valid(c->labels[k]))
            return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.labels[%d]: expected UTF-8, found other bytes", (int)k);
    }
    return TLEG_OK;
}

/* Copies the host's texts, the schedule in the form in which it is saved. */
static tleg_status take_texts(tleg_context *context, const struct tleg_schedule *schedule, struct tleg_vit_config *config) {
    size_t bytes;
    char *text;
    tleg_status status = tleg_schedule_write(context, schedule, &text, &bytes);
    const struct tleg_config_texts texts = {.labels = config->c.labels, .schedule = text, .label_count = config->c.label_count};
    if (status == TLEG_OK)
        status = tleg_config_set_texts(context, config, &texts);
    tleg_release(&context->allocator, text, bytes);
    return status;
}

static tleg_status check_texts(tleg_context *context, struct tleg_vit_config *config) {
    tleg_status status = check_labels(context, &config->c);
    if (status != TLEG_OK)
        return status;
    struct tleg_schedule schedule;
    status = tleg_schedule_parse(context, "tleg_config.schedule", config->c.schedule, &schedule);
    if (status == TLEG_ERROR_FORMAT || status == TLEG_ERROR_UNSUPPORTED) /* what is wrong in a file is here a wrong argument */
        status = context->error.status = TLEG_ERROR_ARGUMENT;
    if (status != TLEG_OK)
        return status;
    tleg_schedule_drop_absent(&schedule, &config->c);
    status = take_texts(context, &schedule, config);
    tleg_schedule_free(&schedule);
    return status;
}

tleg_status tleg_config_check(tleg_context *context, const tleg_config *host, struct tleg_vit_config *config) {
    memset(config, 0, sizeof *config);
    config->allocator = context->allocator;
    tleg_status status = tleg_options_read(context, "tleg_config", host, &config->c, sizeof config->c, TLEG_LEAST_CONFIG);
    if (status == TLEG_OK)
        status = check_later(context, &config->c);
    if (status == TLEG_OK)
        status = check_dtype(context, &config->c);
    if (status == TLEG_OK)
        status = check_sizes(context, &config->c);
    if (status == TLEG_OK)
        status = check_rotary(context, &config->c);
    if (status == TLEG_OK)
        status = check_tokens(context, &config->c);
    if (status == TLEG_OK)
        status = check_positions(context, &config->c);
    if (status == TLEG_OK)
        status = check_mlp(context, &config->c);
    if (status == TLEG_OK)
        status = check_head(context, &config->c);
    if (status == TLEG_OK)
        status = check_pool_heads(context, &config->c);
    if (status == TLEG_OK)
        status = check_numbers(context, &config->c);
    if (status == TLEG_OK)
        status = check_pictures(context, &config->c);
    if (status == TLEG_OK)
        status = check_texts(context, config);
    if (status != TLEG_OK) {
        memset(config, 0, sizeof *config);
        return status;
    }
    config->c.struct_size = sizeof config->c;
    config->c.dtype = TLEG_F32;
    config->c.parameters = 0;
    config->c.assumed = 0;
    return TLEG_OK;
}
