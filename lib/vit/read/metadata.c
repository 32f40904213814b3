/* A configuration as the metadata of a file: every key explicit, in an order that never changes. */
#include "config/learned.h"
#include "vit/read/private.h"
#include <string.h>

enum { MOST_PAIRS = 32 };

/* Pairs under way: texts are only measured while text.out is NULL. */
struct builder {
    struct tleg_text text;
    struct tleg_pair pairs[MOST_PAIRS];
    int64_t count;
};

static void begin(struct builder *builder, const char *key) {
    const char *out = builder->text.out;
    builder->pairs[builder->count++] = (struct tleg_pair){key, out ? out + builder->text.length : NULL};
}

static void end(struct builder *builder) {
    tleg_text_byte(&builder->text, '\0');
}

static void add_text(struct builder *builder, const char *key, const char *value) {
    begin(builder, key);
    tleg_text_put(&builder->text, value);
    end(builder);
}

static void add_integer(struct builder *builder, const char *key, int32_t value) {
    begin(builder, key);
    tleg_text_integer(&builder->text, value);
    end(builder);
}

/* Numbers with commas between them. */
static void add_numbers(struct builder *builder, const char *key, const double *values, int count) {
    begin(builder, key);
    for (int k = 0; k < count; k++) {
        char number[TLEG_NUMBER_TEXT];
        tleg_number_format(values[k], number);
        tleg_text_put(&builder->text, k ? "," : "");
        tleg_text_put(&builder->text, number);
    }
    end(builder);
}

static void add_labels(struct builder *builder, const tleg_config *config) {
    begin(builder, "tleg.labels");
    for (int32_t k = 0; k < config->label_count; k++) {
        tleg_text_put(&builder->text, k ? ", " : "[");
        tleg_text_string(&builder->text, config->labels[k]);
    }
    tleg_text_put(&builder->text, "]");
    end(builder);
}

static void add_rotary(struct builder *builder, const tleg_config *config) {
    add_text(builder, "tleg.rotary", tleg_rotary_words[config->rotary - 1]);
    add_numbers(builder, "tleg.rotary_base", &config->rotary_base, 1);
    add_text(builder, "tleg.rotary_pairs", config->rotary_halves ? "halves" : "neighbours");
    add_text(builder, "tleg.rotary_order", config->rotary_x_first ? "xy" : "yx");
    if (config->rotary_grid)
        add_integer(builder, "tleg.rotary_grid", config->rotary_grid);
    if (config->rotary_offset)
        add_integer(builder, "tleg.rotary_offset", config->rotary_offset);
}

/* What older versions take to be as in DeiT, and would compute wrongly: they refuse a word in tleg.needs. */
static void add_needs(struct builder *builder, const tleg_config *config) {
    const bool activation = config->mlp != (tleg_config_draws(config) ? TLEG_MLP_GELU_TANH : TLEG_MLP_GELU);
    if (activation || config->gated)
        add_text(builder, "tleg.activation", tleg_mlp_words[config->mlp - 1]);
    if (config->norm_after)
        add_text(builder, "tleg.branch_norm", tleg_branch_norm_words[config->norm_after]);
    if (config->rotary)
        add_rotary(builder, config);
    if (config->pool_heads)
        add_integer(builder, "tleg.pool_heads", config->pool_heads);
    if (config->pixel_norm)
        add_text(builder, "tleg.pixel_norm", "yes");
    const bool needed[TLEG_NEEDS] = {[TLEG_NEED_ACTIVATION] = activation,
                                     [TLEG_NEED_BRANCH_NORM] = config->norm_after != 0,
                                     [TLEG_NEED_ROTARY] = config->rotary != 0,
                                     [TLEG_NEED_POOL_HEADS] = config->pool_heads != 0,
                                     [TLEG_NEED_PIXEL_NORM] = config->pixel_norm};
    const char *before = "[\"";
    for (int k = 0; k < TLEG_NEEDS; k++) {
        if (!needed[k])
            continue;
        if (*before == '[')
            begin(builder, "tleg.needs");
        tleg_text_put(&builder->text, before);
        tleg_text_put(&builder->text, tleg_need_words[k]);
        before = "\", \"";
    }
    if (*before != '[') {
        tleg_text_put(&builder->text, "\"]");
        end(builder);
    }
}

static void build(struct builder *builder, const tleg_config *config, bool gene) {
    add_text(builder, "format", "pt"); /* other people's readers ask for it */
    const bool draws = tleg_config_draws(config);
    add_text(builder, "tleg.kind", draws ? (gene ? "dit_learngene" : "dit") : gene ? "learngene" : "vit");
    char text[TLEG_EXTENT_TEXT];
    add_text(builder, "tleg.image_size", tleg_extent_text(tleg_config_pixels(config), text));
    add_text(builder, "tleg.patch_size", tleg_extent_text(tleg_config_patch(config), text));
    add_integer(builder, "tleg.heads", config->heads);
    /* before a token is taken or after it is the same to a norm: its name stays norm.* */
    if (!draws)
        add_text(builder, "tleg.norm",
                 config->no_norm                        ? "none"
                 : config->norm == TLEG_NORM_AFTER_POOL ? "after_pool"
                                                        : "before_pool");
    add_numbers(builder, "tleg.eps", &config->eps, 1);
    if (!draws)
        add_text(builder, "tleg.pool", tleg_pool_words[config->pool - 1]);
    if (config->no_patch_bias && !config->norm_before)
        add_text(builder, "tleg.patch_bias", "no");
    if (config->no_head_bias && !config->norm_before)
        add_text(builder, "tleg.head_bias", "no");
    if (config->no_null_label)
        add_text(builder, "tleg.null_label", "no");
    add_numbers(builder, "tleg.mean", config->mean, 3);
    add_numbers(builder, "tleg.std", config->std, 3);
    add_numbers(builder, "tleg.crop", &config->crop, 1);
    add_needs(builder, config);
    if (config->interpolation != TLEG_INTERPOLATION_BICUBIC) /* 0.1 knew no others, and has no key for it */
        add_text(builder, "tleg.interpolation", tleg_interpolation_words[config->interpolation - 1]);
    if (config->fit != TLEG_FIT_CROP)
        add_text(builder, "tleg.fit", tleg_fit_words[config->fit - 1]);
    if (config->label_count)
        add_labels(builder, config);
    if (gene && config->schedule && *config->schedule)
        add_text(builder, "tleg.schedule", config->schedule);
    if (config->depth_count) {
        begin(builder, "tleg.depths");
        tleg_depths_text(config->depths, config->depth_count, &builder->text);
        end(builder);
    }
    if (config->scores) {
        begin(builder, "tleg.scores");
        tleg_scores_text(config->scores, &builder->text);
        end(builder);
    }
}

/* ---- with what a file said besides, and what the host adds ---- */

static bool host_has(const tleg_save_options *options, const char *key) {
    for (int64_t k = 0; k < options->pairs; k++)
        if (strcmp(options->keys_and_values[2 * k], key) == 0)
            return true;
    return false;
}

static tleg_status check_host(tleg_context *context, const tleg_save_options *options) {
    for (int64_t k = 0; k < options->pairs; k++)
        if (strncmp(options->keys_and_values[2 * k], "tleg.", 5) == 0)
            return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                             "tleg_save_options.keys_and_values: \"%s\": keys that begin with \"tleg.\" are the library's own",
                             options->keys_and_values[2 * k]);
    return TLEG_OK;
}

/* What a host knows better than the handle. `scores` is room for a table. */
static tleg_status take_learned(tleg_context *context, const tleg_save_options *options, tleg_scores *scores,
                                tleg_config *config) {
    tleg_status status = tleg_depths_check(context, "tleg_save_options.depths", options->depths, options->depth_count);
    if (status == TLEG_OK)
        status = tleg_scores_read(context, "tleg_save_options.scores", options->scores, scores);
    if (status == TLEG_OK && options->depth_count) {
        config->depths = options->depths;
        config->depth_count = options->depth_count;
    }
    if (status == TLEG_OK && options->scores)
        config->scores = scores->count ? scores : NULL;
    return status;
}

/* Adds those of `pairs` that the host does not replace. */
static void add_kept(struct tleg_metadata *metadata, const struct tleg_pair *pairs, int64_t count,
                     const tleg_save_options *options) {
    for (int64_t k = 0; k < count; k++)
        if (!host_has(options, pairs[k].key))
            metadata->pairs[metadata->count++] = pairs[k];
}

tleg_status tleg_config_metadata(tleg_context *context, const struct tleg_vit_config *config, bool gene,
                                 const tleg_save_options *options, struct tleg_metadata *metadata) {
    memset(metadata, 0, sizeof *metadata);
    tleg_config c = config->c;
    tleg_scores scores;
    tleg_status status = check_host(context, options);
    if (status == TLEG_OK)
        status = take_learned(context, options, &scores, &c);
    if (status != TLEG_OK)
        return status;
    struct builder measure = {0}, write = {0};
    build(&measure, &c, gene);
    size_t list, bytes;
    if (!tleg_size_mul((size_t)measure.count + (size_t)config->pair_count + (size_t)options->pairs, sizeof(struct tleg_pair),
                       &list) ||
        !tleg_size_add(list, measure.text.length, &bytes))
        return tleg_fail_memory(context, "a file's metadata", SIZE_MAX);
    void *memory = tleg_alloc(&context->allocator, bytes);
    if (!memory)
        return tleg_fail_memory(context, "a file's metadata", bytes);
    *metadata = (struct tleg_metadata){.allocator = context->allocator, .pairs = memory, .memory = memory, .bytes = bytes};
    write.text.out = (char *)memory + list;
    build(&write, &c, gene);
    add_kept(metadata, write.pairs, write.count, options);
    add_kept(metadata, config->pairs, config->pair_count, options);
    for (int64_t k = 0; k < options->pairs; k++)
        metadata->pairs[metadata->count++] =
            (struct tleg_pair){options->keys_and_values[2 * k], options->keys_and_values[2 * k + 1]};
    return TLEG_OK;
}

void tleg_metadata_free(struct tleg_metadata *metadata) {
    tleg_release(&metadata->allocator, metadata->memory, metadata->bytes);
    memset(metadata, 0, sizeof *metadata);
}
