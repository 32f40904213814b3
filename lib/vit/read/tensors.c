/* The tensors of a file, held against the configuration that they are said to have. */
#include "vit/read/private.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- one tensor ---- */

bool tleg_read_has(const struct tleg_config_reader *reader, const char *name) {
    return tleg_file_find(reader->file, name) != NULL;
}

bool tleg_read_any(const struct tleg_config_reader *reader, const char *prefix, const char *part, const char **name) {
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(reader->file, &entries);
    const size_t length = strlen(prefix);
    for (int64_t k = 0; k < count; k++)
        if (strncmp(entries[k].name, prefix, length) == 0 && (!part || strstr(entries[k].name + length, part))) {
            *name = entries[k].name;
            return true;
        }
    return false;
}

/* A name that ends with "." and `name`, from the entry at *from on, which moves past it: what a wrapper such as DataParallel
 * makes of it. */
static const char *next_wrapped(const struct tleg_config_reader *reader, const char *name, int64_t *from) {
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(reader->file, &entries);
    const size_t length = strlen(name);
    while (*from < count) {
        const char *whole = entries[(*from)++].name, *end = whole + strlen(whole);
        if ((size_t)(end - whole) > length + 1 && end[-(ptrdiff_t)length - 1] == '.' && strcmp(end - length, name) == 0)
            return whole;
    }
    return NULL;
}

static bool is_outer_name(const char *name) {
    static const int32_t ends[][2] = {{TLEG_POOL_MEAN, TLEG_NORM_BEFORE_POOL},
                                      {TLEG_POOL_MEAN, TLEG_NORM_AFTER_POOL},
                                      {TLEG_POOL_ATTENTION, TLEG_NORM_BEFORE_POOL},
                                      {0, 0}}; /* a generator */
    for (int k = 0; k < 4 * TLEG_SLOTS; k++) {
        const tleg_config any = {.image_size = 1,
                                 .patch_size = 1,
                                 .class_token = 1,
                                 .distillation_token = 1,
                                 .registers = 1,
                                 .channels = 3,
                                 .norm_before = 1,
                                 .patch_norm = 1,
                                 .representation = 1,
                                 .pool = ends[k / TLEG_SLOTS][0],
                                 .norm = ends[k / TLEG_SLOTS][1],
                                 .kind = k / TLEG_SLOTS == 3 ? TLEG_KIND_DIT : TLEG_KIND_VIT};
        struct tleg_spec spec;
        tleg_outer_spec(&any, (enum tleg_slot)(k % TLEG_SLOTS), &spec);
        if (strcmp(name, spec.name) == 0)
            return true;
    }
    return false;
}

/* Whether a name ends as those of a block's tensors do: .weight, .bias or .gamma, and what tells a segment's tensors apart. */
static bool has_proper_end(const char *name) {
    static const char *const ends[] = {"", "_base", "_ilayer"};
    const char *end = strrchr(name, '.');
    static const char *const parts[] = {".weight", ".bias", ".gamma"};
    size_t part = 0;
    while (end && part < sizeof parts / sizeof *parts && strncmp(end, parts[part], strlen(parts[part])) != 0)
        part++;
    if (!end || part == sizeof parts / sizeof *parts)
        return false;
    end += strlen(parts[part]);
    for (size_t k = 0; k < sizeof ends / sizeof *ends; k++)
        if (strcmp(end, ends[k]) == 0)
            return true;
    if (strncmp(end, "_basis", 6) != 0 || end[6] == '\0')
        return false;
    for (end += 6; *end >= '0' && *end <= '9'; end++)
        continue;
    return *end == '\0';
}

/* Whether a name is one that learngenes or models have, so that it is not taken for a misspelling of another. */
static bool is_proper_name(const char *name) {
    if (strncmp(name, "blocks.", 7) == 0 && has_proper_end(name))
        for (int site = 0; site < TLEG_SITES; site++)
            if (strstr(name, tleg_site_name((enum tleg_site)site)))
                return true;
    return is_outer_name(name);
}

/* Whether a network's own name stands beside what is under a prefix, or is there with it and without it. A head may stand there
 * alone: a wrapper's, behind the network. */
static bool is_beside(const struct tleg_config_reader *reader, const char *prefix, size_t length, const char *name) {
    char other[2 * TLEG_WHAT_TEXT];
    snprintf(other, sizeof other, "%.*s%.*s", (int)length, prefix, TLEG_WHAT_TEXT - 1, name);
    return is_proper_name(name) || tleg_read_has(reader, other);
}

/* What learngenes and models have: of classifiers, and of generators. */
static const char inners[2][24] = {"patch_embed.proj.weight", "x_embedder.proj.weight"};

static bool is_inner(const char *name) {
    return strcmp(name, inners[0]) == 0 || strcmp(name, inners[1]) == 0;
}

/* What stands before `inner`, when that is there once and no other of its names is bare: with "model." and "model_ema.", or one
 * name without, nothing says which is meant. False when there is no such prefix. */
static bool find_prefix(const struct tleg_config_reader *reader, const char *inner, char prefix[TLEG_WHAT_TEXT]) {
    int64_t from = 0;
    const char *wrapped = next_wrapped(reader, inner, &from);
    if (!wrapped || strlen(wrapped) >= TLEG_WHAT_TEXT || next_wrapped(reader, inner, &from))
        return false;
    const size_t length = strlen(wrapped) - strlen(inner);
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(reader->file, &entries);
    for (int64_t k = 0; k < count; k++)
        if (is_beside(reader, wrapped, length, entries[k].name))
            return false;
    memcpy(prefix, wrapped, length);
    prefix[length] = '\0';
    return true;
}

tleg_status tleg_config_unwrap(tleg_context *context, const tleg_file *file, tleg_file **bare) {
    const struct tleg_config_reader reader = {.context = context, .file = file, .label = tleg_file_label(file)};
    char prefix[TLEG_WHAT_TEXT] = "";
    if (find_prefix(&reader, inners[0], prefix) || find_prefix(&reader, inners[1], prefix))
        tleg_log(context, "%s: names begin with \"%s\": read without it", reader.label, prefix);
    return tleg_file_view(context, file, prefix, bare);
}

#define ONE_OF_SEVERAL "by its name this is one of several files: give their index (.index.json), which stands beside them"

static tleg_status fail_prefix(const struct tleg_config_reader *reader, const char *name, const char *wrapped) {
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                     "%s: missing tensor \"%s\"; found \"%s\": take \"%.*s\" off the names in this file", reader->label, name,
                     wrapped, (int)(strlen(wrapped) - strlen(name)), wrapped);
}

/* A network under a prefix that cannot be taken off: `other` is there under another one, or a name without any. */
static tleg_status fail_wrapped(const struct tleg_config_reader *reader, const char *name, const char *wrapped,
                                const char *other) {
    const int prefix = (int)(strlen(wrapped) - strlen(name));
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(reader->file, &entries);
    if (other)
        return tleg_fail(
            reader->context, TLEG_ERROR_FORMAT,
            "%s: missing tensor \"%s\"; found \"%s\" and \"%s\": leave out one by rules for names, such as \"%.*s -> "
            "nothing\"",
            reader->label, name, wrapped, other, (int)(strlen(other) - strlen(name)) - 1, other);
    for (int64_t k = 0; k < count; k++)
        if (is_beside(reader, wrapped, (size_t)prefix, entries[k].name))
            return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                             "%s: missing tensor \"%s\"; found \"%s\", and \"%s\" without \"%.*s\": leave out by rules for "
                             "names what the answers do not depend on, such as \"%.*s -> nothing\"",
                             reader->label, name, wrapped, entries[k].name, prefix, wrapped, (int)strcspn(entries[k].name, "."),
                             entries[k].name);
    return fail_prefix(reader, name, wrapped);
}

static tleg_status fail_missing(const struct tleg_config_reader *reader, const char *name) {
    if (tleg_file_is_shard(reader->file))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: missing tensor \"%s\"; " ONE_OF_SEVERAL, reader->label, name);
    int64_t from = 0;
    const char *wrapped = next_wrapped(reader, name, &from);
    const bool head = strcmp(name, "head.bias") == 0;
    if (wrapped && is_inner(name))
        return fail_wrapped(reader, name, wrapped, next_wrapped(reader, name, &from));
    if ((head || strcmp(name, "patch_embed.proj.bias") == 0) && !tleg_file_get_metadata(reader->file, "tleg.kind"))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: missing tensor \"%s\"; a model that has none says \"tleg.%s_bias = no\" in rules for names",
                         reader->label, name, head ? "head" : "patch");
    if (wrapped)
        return fail_prefix(reader, name, wrapped);
    const char *near = tleg_file_nearest(reader->file, name);
    if (near && !is_proper_name(near))
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: missing tensor \"%s\"; did you mean \"%s\"?", reader->label,
                         name, near);
    return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: missing tensor \"%s\"", reader->label, name);
}

static tleg_status check_type(const struct tleg_config_reader *reader, const struct tleg_entry *entry) {
    if (tleg_dtype_is_real(entry->dtype))
        return TLEG_OK;
    return tleg_fail(reader->context, entry->dtype ? TLEG_ERROR_FORMAT : TLEG_ERROR_UNSUPPORTED,
                     "%s: tensor \"%s\": expected type F32, F16, BF16 or F64, found %s", reader->label, entry->name,
                     entry->type_name);
}

tleg_status tleg_read_need(const struct tleg_config_reader *reader, const char *name, int32_t rank,
                           const struct tleg_entry **found) {
    const struct tleg_entry *entry = tleg_file_find(reader->file, name);
    if (!entry)
        return fail_missing(reader, name);
    const tleg_status status = check_type(reader, entry);
    if (status != TLEG_OK)
        return status;
    bool good = entry->rank == rank;
    for (int32_t k = 0; good && k < rank; k++)
        good = entry->shape[k] > 0;
    if (!good) {
        char text[TLEG_SHAPE_TEXT];
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT,
                         "%s: tensor \"%s\": expected %d dimensions above 0, found shape %s", reader->label, name, (int)rank,
                         tleg_shape_text(entry->rank, entry->shape, text));
    }
    *found = entry;
    return TLEG_OK;
}

/* ---- what is not a plain ViT ---- */

/* Parameters of other architectures that would change what the model computes: passing over them in silence gives wrong
 * answers. Parts of names, as timm, BEiT, EVA and DINO write them. */
static const char *const foreign[] = {
    ".gamma_1", ".gamma_2",   "register_tokens", "storage_tokens",        "rel_pos", "relative_position_bias_table", ".q_bias",
    ".v_bias",  ".attn.gate", ".lora_",          "patch_embed.backbone.", "rope."};

/* Of attention pooling and representation layers there are many kinds, and one of each is computed. */
static bool is_foreign(const char *name) {
    if ((strstr(name, "attn_pool.") || strstr(name, "pre_logits.")) && !is_outer_name(name))
        return true;
    size_t k = 0;
    while (k < sizeof foreign / sizeof *foreign && !strstr(name, foreign[k]))
        k++;
    return k < sizeof foreign / sizeof *foreign;
}

tleg_status tleg_read_plain(struct tleg_config_reader *reader) {
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(reader->file, &entries);
    for (int64_t i = 0; i < count; i++)
        if (is_foreign(entries[i].name))
            return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED,
                             "%s: tensor \"%s\": expected a plain ViT, found a part that this library does not compute",
                             reader->label, entries[i].name);
    return TLEG_OK;
}

/* ---- all of them ---- */

struct check {
    const struct tleg_config_reader *reader;
    const struct tleg_entry *entries;
    unsigned char *used; /* one for each entry */
    int32_t half;        /* F16 or BF16 while every tensor is of it, else F32 */
    bool first;          /* no tensor was seen yet */
};

/* Keep f16 or bf16 only if every tensor has that type; otherwise widen to f32. */
static void see_type(struct check *check, int32_t dtype) {
    const bool half = dtype != TLEG_F32 && tleg_dtype_is_of_weights(dtype);
    check->half = half && (check->first || dtype == check->half) ? dtype : TLEG_F32;
    check->first = false;
}

static tleg_status check_tensor(struct check *check, const char *name, const struct tleg_spec *spec) {
    const struct tleg_config_reader *reader = check->reader;
    const struct tleg_entry *entry = tleg_file_find(reader->file, name);
    if (!entry)
        return fail_missing(reader, name);
    const tleg_status status = check_type(reader, entry);
    if (status != TLEG_OK)
        return status;
    if (entry->rank != spec->rank || memcmp(entry->shape, spec->shape, (size_t)spec->rank * sizeof *spec->shape) != 0) {
        char expected[TLEG_SHAPE_TEXT], found[TLEG_SHAPE_TEXT];
        return tleg_fail(reader->context, TLEG_ERROR_FORMAT, "%s: tensor \"%s\": expected shape %s, found %s", reader->label,
                         name, tleg_shape_text(spec->rank, spec->shape, expected),
                         tleg_shape_text(entry->rank, entry->shape, found));
    }
    check->used[entry - check->entries] = 1;
    reader->c->parameters += tleg_spec_count(spec);
    see_type(check, entry->dtype);
    return TLEG_OK;
}

static tleg_status check_gene_tensor(void *arg, const struct tleg_gene_place *place, const struct tleg_spec *spec) {
    (void)place;
    return check_tensor(arg, spec->name, spec);
}

static tleg_status check_outer(struct check *check) {
    tleg_status status = TLEG_OK;
    for (int slot = 0; status == TLEG_OK && slot < TLEG_SLOTS; slot++) {
        struct tleg_spec spec;
        tleg_outer_spec(check->reader->c, (enum tleg_slot)slot, &spec);
        const bool computed = slot == TLEG_SLOT_POS_EMBED && check->reader->computed;
        if (computed)
            check->reader->c->parameters += tleg_spec_count(&spec);
        if (!spec.name[0] || computed)
            continue;
        status = check_tensor(check, spec.name, &spec);
    }
    return status;
}

static tleg_status check_layer(struct check *check, int32_t layer) {
    tleg_status status = TLEG_OK;
    struct tleg_parameter parameter = {0};
    while (status == TLEG_OK && tleg_each_parameter(check->reader->c, &parameter)) {
        tleg_layer_name(layer, parameter.site, parameter.bias, parameter.spec.name);
        status = check_tensor(check, parameter.spec.name, &parameter.spec);
    }
    return status;
}

static tleg_status check_all(struct check *check) {
    tleg_config *c = check->reader->c;
    c->parameters = 0;
    c->dtype = TLEG_F32;
    if (check->reader->gene)
        return tleg_gene_each(c, &check->reader->schedule, check_gene_tensor, check);
    tleg_status status = check_outer(check);
    for (int32_t layer = 0; status == TLEG_OK && layer < c->depth; layer++)
        status = check_layer(check, layer);
    c->dtype = check->half;
    if (status == TLEG_OK && tleg_file_is_shard(check->reader->file)) /* who knows how many layers the others hold */
        return tleg_fail(check->reader->context, TLEG_ERROR_FORMAT, "%s: found %d layer(s); " ONE_OF_SEVERAL,
                         check->reader->label, (int)c->depth);
    return status;
}

static bool is_part(const char *end) {
    return strcmp(end, ".weight") == 0 || strcmp(end, ".bias") == 0 || strcmp(end, ".gamma") == 0;
}

bool tleg_read_is_of_site(const char *name) {
    for (int site = 0; site < TLEG_SITES; site++) {
        const char *key = tleg_site_name((enum tleg_site)site);
        const size_t length = strlen(key);
        if (name[0] == '.' && strncmp(name + 1, key, length) == 0 && is_part(name + 1 + length))
            return true;
    }
    return false;
}

static const char *skip_digits(const char *name) {
    while (*name >= '0' && *name <= '9')
        name++;
    return name;
}

/* Whether `name`, after "blocks.block.", is "SITE.weight", "SITE.instances.0.weight_base" or another of a segment's. */
static bool is_of_segment(const char *name) {
    static const char instances[] = ".instances.";
    for (int site = 0; site < TLEG_SITES; site++) {
        const char *key = tleg_site_name((enum tleg_site)site), *rest = name + strlen(key);
        if (strncmp(name, key, strlen(key)) != 0)
            continue;
        if (strncmp(rest, instances, sizeof instances - 1) == 0)
            rest = skip_digits(rest + sizeof instances - 1);
        if (*rest == '.' && strrchr(rest, '.') == rest && has_proper_end(rest))
            return true;
    }
    return false;
}

/* What profilers (thop) leave in each part of a network: it counts, and takes no part in what is computed. */
static bool is_counter(const char *name) {
    const char *end = strrchr(name, '.');
    return end && (strcmp(end, ".total_ops") == 0 || strcmp(end, ".total_params") == 0);
}

/* Whether a name that the configuration does not have stands among the blocks and may be passed over there: a model's layers in
 * a learngene's file, a learngene's segments in a model's, and counters. Any other would change what is computed. */
static bool may_stand_in_blocks(const struct tleg_config_reader *reader, const char *name) {
    static const char gene[] = "blocks.block.", any[] = "blocks.";
    const char *rest = name + sizeof any - 1;
    if (is_counter(name))
        return true;
    if (!reader->gene)
        return strncmp(name, gene, sizeof gene - 1) == 0 && is_of_segment(name + sizeof gene - 1);
    return skip_digits(rest) > rest && tleg_read_is_of_site(skip_digits(rest));
}

static tleg_status refuse_strangers(const struct check *check, int64_t count) {
    const struct tleg_config_reader *reader = check->reader;
    for (int64_t k = 0; k < count; k++) {
        const char *name = check->entries[k].name;
        if (!check->used[k] && strncmp(name, "blocks.", 7) == 0 && !may_stand_in_blocks(reader, name))
            return tleg_fail(reader->context, TLEG_ERROR_UNSUPPORTED,
                             "%s: tensor \"%s\" among the blocks is unknown to this version of libtleg: it may be of another "
                             "architecture, or for a newer libtleg",
                             reader->label, name);
    }
    return TLEG_OK;
}

tleg_status tleg_read_tensors(const struct tleg_config_reader *reader, const char ***ignored, size_t *bytes) {
    struct check check = {.reader = reader, .half = TLEG_F32, .first = true};
    const int64_t count = tleg_file_entries(reader->file, &check.entries);
    *ignored = NULL;
    *bytes = 0;
    reader->c->ignored_count = 0;
    check.used = tleg_alloc_zero(&reader->context->allocator, (size_t)count);
    if (!check.used)
        return tleg_fail_memory(reader->context, "a list of tensors", (size_t)count);
    tleg_status status = check_all(&check);
    if (status == TLEG_OK)
        status = refuse_strangers(&check, count);
    if (status == TLEG_OK)
        status = tleg_read_leftover(reader, check.entries, check.used, count, ignored, bytes);
    tleg_release(&reader->context->allocator, check.used, (size_t)count);
    return status;
}
