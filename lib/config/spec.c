/* The names and shapes of what is outside the blocks, as timm and the learngene's authors write them; sites.c has the blocks'.
 */
#include "config/spec.h"
#include "tensor/tensor.h"
#include <stdio.h>
#include <string.h>

struct tleg_extent tleg_config_pixels(const tleg_config *config) {
    return (struct tleg_extent){config->image_size, config->image_width ? config->image_width : config->image_size};
}

struct tleg_extent tleg_config_patch(const tleg_config *config) {
    return (struct tleg_extent){config->patch_size, config->patch_width ? config->patch_width : config->patch_size};
}

struct tleg_extent tleg_config_grid(const tleg_config *config) {
    const struct tleg_extent pixels = tleg_config_pixels(config), patch = tleg_config_patch(config);
    return (struct tleg_extent){pixels.height / patch.height, pixels.width / patch.width};
}

void tleg_config_set_pixels(tleg_config *config, struct tleg_extent pixels) {
    config->image_size = pixels.height;
    config->image_width = pixels.width == pixels.height ? 0 : pixels.width;
}

const char *tleg_extent_text(struct tleg_extent extent, char text[TLEG_EXTENT_TEXT]) {
    if (extent.height == extent.width)
        snprintf(text, TLEG_EXTENT_TEXT, "%d", (int)extent.height);
    else
        snprintf(text, TLEG_EXTENT_TEXT, "%dx%d", (int)extent.height, (int)extent.width);
    return text;
}

struct tleg_resampling tleg_config_resampling(const tleg_config *from, const tleg_config *to, tleg_position_filter filter) {
    return (struct tleg_resampling){.prefix = tleg_config_placed(from),
                                    .dim = from->dim,
                                    .from = tleg_config_grid(from),
                                    .to = tleg_config_grid(to),
                                    .antialias = filter == TLEG_POSITION_FILTER_ANTIALIAS};
}

int64_t tleg_config_patches(const tleg_config *config) {
    return tleg_extent_area(tleg_config_grid(config));
}

int64_t tleg_config_patch_numbers(const tleg_config *config) {
    return config->channels * tleg_extent_area(tleg_config_patch(config));
}

int64_t tleg_config_image(const tleg_config *config) {
    return config->channels * tleg_extent_area(tleg_config_pixels(config));
}

tleg_mlp_kind tleg_config_usual_mlp(const tleg_config *config) {
    return config->gated ? TLEG_MLP_SILU : tleg_config_draws(config) ? TLEG_MLP_GELU_TANH : TLEG_MLP_GELU;
}

enum tleg_activation tleg_config_activation(const tleg_config *config) {
    static const enum tleg_activation activations[] = {[0] = TLEG_ACTIVATION_GELU, /* a block alone has no word */
                                                       [TLEG_MLP_GELU] = TLEG_ACTIVATION_GELU,
                                                       [TLEG_MLP_QUICK_GELU] = TLEG_ACTIVATION_QUICK_GELU,
                                                       [TLEG_MLP_GELU_TANH] = TLEG_ACTIVATION_GELU_TANH,
                                                       [TLEG_MLP_SILU] = TLEG_ACTIVATION_SILU,
                                                       [TLEG_MLP_RELU] = TLEG_ACTIVATION_RELU};
    return activations[config->mlp];
}

int64_t tleg_config_fc1(const tleg_config *config) {
    return config->gated ? 2 * (int64_t)config->hidden : config->hidden;
}

int32_t tleg_config_attention_dim(const tleg_config *config) {
    return config->attention_dim ? config->attention_dim : config->dim;
}

int32_t tleg_config_head(const tleg_config *config) {
    return tleg_config_attention_dim(config) / config->heads;
}

int64_t tleg_config_qk_width(const tleg_config *config) {
    return config->qk_norm == TLEG_QK_NORM_HEAD ? tleg_config_head(config)
           : config->qk_norm                    ? tleg_config_attention_dim(config)
                                                : 0;
}

int32_t tleg_config_pool_heads(const tleg_config *config) {
    return config->pool_heads ? config->pool_heads : config->heads;
}

int32_t tleg_config_pool_hidden(const tleg_config *config) {
    return config->pool_hidden ? config->pool_hidden : config->hidden;
}

int32_t tleg_config_prefix(const tleg_config *config) {
    return config->class_token + config->distillation_token + config->registers;
}

int32_t tleg_config_placed(const tleg_config *config) {
    return tleg_config_prefix(config) - config->unplaced;
}

int64_t tleg_config_tokens(const tleg_config *config) {
    return tleg_config_prefix(config) + tleg_config_patches(config);
}

int64_t tleg_config_drawn(const tleg_config *config) {
    return (int64_t)config->channels * (1 + config->learned_sigma);
}

int64_t tleg_config_outputs(const tleg_config *config) {
    return tleg_config_draws(config) ? tleg_config_drawn(config) * tleg_extent_area(tleg_config_pixels(config))
                                     : config->classes;
}

int64_t tleg_config_label_rows(const tleg_config *config) {
    return (int64_t)config->classes + !config->no_null_label;
}

int64_t tleg_config_first_pooled(const tleg_config *config) {
    const bool all = config->pool == TLEG_POOL_MEAN_ALL || config->pool == TLEG_POOL_ATTENTION;
    return all ? 0 : tleg_config_prefix(config);
}

int64_t tleg_config_pooled(const tleg_config *config) {
    return config->pool == TLEG_POOL_CLS_MEAN ? 2 * (int64_t)config->dim : config->dim;
}

int64_t tleg_config_features(const tleg_config *config) {
    return config->representation ? config->representation : tleg_config_pooled(config);
}

int tleg_config_readouts(const tleg_config *config) {
    return config->distillation_token ? 2 : 1;
}

uint64_t tleg_slot_stream(enum tleg_slot slot) {
    static const uint64_t streams[TLEG_SLOTS] = {[TLEG_SLOT_CLS_TOKEN] = 0,
                                                 [TLEG_SLOT_DIST_TOKEN] = 1,
                                                 [TLEG_SLOT_POS_EMBED] = 2,
                                                 [TLEG_SLOT_PATCH_WEIGHT] = 3,
                                                 [TLEG_SLOT_PATCH_BIAS] = 4,
                                                 [TLEG_SLOT_NORM_WEIGHT] = 5,
                                                 [TLEG_SLOT_NORM_BIAS] = 6,
                                                 [TLEG_SLOT_HEAD_WEIGHT] = 7,
                                                 [TLEG_SLOT_HEAD_BIAS] = 8,
                                                 [TLEG_SLOT_HEAD_DIST_WEIGHT] = 9,
                                                 [TLEG_SLOT_HEAD_DIST_BIAS] = 10,
                                                 [TLEG_SLOT_REG_TOKEN] = 11,
                                                 [TLEG_SLOT_PRE_WEIGHT] = 12,
                                                 [TLEG_SLOT_PRE_BIAS] = 13,
                                                 [TLEG_SLOT_PATCH_NORM_WEIGHT] = 46,
                                                 [TLEG_SLOT_PATCH_NORM_BIAS] = 47,
                                                 [TLEG_SLOT_REPRESENTATION_WEIGHT] = 60,
                                                 [TLEG_SLOT_REPRESENTATION_BIAS] = 61};
    if (slot >= TLEG_SLOT_TIME_IN_WEIGHT && slot <= TLEG_SLOT_LABELS)
        return 48 + (uint64_t)(slot - TLEG_SLOT_TIME_IN_WEIGHT);
    if (slot >= TLEG_SLOT_LAST_MODULATION_WEIGHT && slot <= TLEG_SLOT_LAST_BIAS)
        return 56 + (uint64_t)(slot - TLEG_SLOT_LAST_MODULATION_WEIGHT);
    if (slot >= TLEG_SLOT_POOL_LATENT && slot <= TLEG_SLOT_POOL_LAST)
        return 14 + (uint64_t)(slot - TLEG_SLOT_POOL_LATENT);
    return streams[slot];
}

static void set(struct tleg_spec *spec, const char *name, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d) {
    const int64_t shape[4] = {a, b, c, d};
    memcpy(spec->name, name, strlen(name) + 1); /* short, and copied for each of a model's tensors many times */
    spec->rank = rank;
    memcpy(spec->shape, shape, sizeof shape);
}

static void set_none(struct tleg_spec *spec) {
    memset(spec, 0, sizeof *spec);
}

static void set_pool(const tleg_config *config, enum tleg_slot slot, struct tleg_spec *spec) {
    static const char *const names[] = {"attn_pool.q", "attn_pool.kv", "attn_pool.proj", "attn_pool.mlp.fc1",
                                        "attn_pool.mlp.fc2"};
    const int64_t dim = config->dim, hidden = tleg_config_pool_hidden(config);
    const int64_t sizes[][2] = {{dim, dim}, {2 * dim, dim}, {dim, dim}, {hidden, dim}, {dim, hidden}};
    const int place = slot - TLEG_SLOT_POOL_Q_WEIGHT, matrix = place / 2;
    if (slot == TLEG_SLOT_POOL_LATENT)
        set(spec, "attn_pool.latent", 3, 1, 1, dim, 0);
    else if (place < 0)
        set(spec, slot == TLEG_SLOT_POOL_NORM_WEIGHT ? "attn_pool.norm.weight" : "attn_pool.norm.bias", 1, dim, 0, 0, 0);
    else if (place % 2 == 0)
        set(spec, names[matrix], 2, sizes[matrix][0], sizes[matrix][1], 0, 0);
    else
        set(spec, names[matrix], 1, sizes[matrix][0], 0, 0, 0);
    const size_t length = strlen(spec->name);
    if (place >= 0)
        snprintf(spec->name + length, sizeof spec->name - length, "%s", place % 2 == 0 ? ".weight" : ".bias");
}

/* What a Diffusion Transformer has, under its authors' names. */
static void set_generator(const tleg_config *config, enum tleg_slot slot, struct tleg_spec *spec) {
    const int64_t dim = config->dim, patch = config->patch_size;
    const int64_t rows = tleg_config_drawn(config) * patch * patch;
    switch (slot) {
    case TLEG_SLOT_POS_EMBED:
        set(spec, "pos_embed", 3, 1, tleg_config_patches(config), dim, 0);
        break;
    case TLEG_SLOT_PATCH_WEIGHT:
        set(spec, "x_embedder.proj.weight", 4, dim, config->channels, patch, patch);
        break;
    case TLEG_SLOT_PATCH_BIAS:
        set(spec, "x_embedder.proj.bias", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_TIME_IN_WEIGHT:
        set(spec, "t_embedder.mlp.0.weight", 2, dim, 2 * TLEG_TIME_WAVES, 0, 0);
        break;
    case TLEG_SLOT_TIME_IN_BIAS:
        set(spec, "t_embedder.mlp.0.bias", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_TIME_OUT_WEIGHT:
        set(spec, "t_embedder.mlp.2.weight", 2, dim, dim, 0, 0);
        break;
    case TLEG_SLOT_TIME_OUT_BIAS:
        set(spec, "t_embedder.mlp.2.bias", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_LABELS:
        set(spec, "y_embedder.embedding_table.weight", 2, tleg_config_label_rows(config), dim, 0, 0);
        break;
    case TLEG_SLOT_LAST_MODULATION_WEIGHT:
        set(spec, "final_layer.adaLN_modulation.1.weight", 2, 2 * dim, dim, 0, 0);
        break;
    case TLEG_SLOT_LAST_MODULATION_BIAS:
        set(spec, "final_layer.adaLN_modulation.1.bias", 1, 2 * dim, 0, 0, 0);
        break;
    case TLEG_SLOT_LAST_WEIGHT:
        set(spec, "final_layer.linear.weight", 2, rows, dim, 0, 0);
        break;
    case TLEG_SLOT_LAST_BIAS:
        set(spec, "final_layer.linear.bias", 1, rows, 0, 0, 0);
        break;
    default:
        break;
    }
}

void tleg_outer_spec(const tleg_config *config, enum tleg_slot slot, struct tleg_spec *spec) {
    const int64_t dim = config->dim, classes = config->classes;
    const struct tleg_extent patch = tleg_config_patch(config);
    const bool after = config->norm == TLEG_NORM_AFTER_POOL;
    set_none(spec);
    if (tleg_config_draws(config)) {
        set_generator(config, slot, spec);
        return;
    }
    if (slot >= TLEG_SLOT_POOL_LATENT && slot <= TLEG_SLOT_POOL_LAST) {
        if (tleg_config_has_attention_pool(config) && !(slot == TLEG_SLOT_POOL_NORM_BIAS && config->rms))
            set_pool(config, slot, spec);
        return;
    }
    switch (slot) {
    case TLEG_SLOT_CLS_TOKEN:
        if (config->class_token)
            set(spec, "cls_token", 3, 1, 1, dim, 0);
        break;
    case TLEG_SLOT_DIST_TOKEN:
        if (config->distillation_token)
            set(spec, "dist_token", 3, 1, 1, dim, 0);
        break;
    case TLEG_SLOT_REG_TOKEN:
        if (config->registers)
            set(spec, "reg_token", 3, 1, config->registers, dim, 0);
        break;
    case TLEG_SLOT_POS_EMBED:
        if (!config->no_positions)
            set(spec, "pos_embed", 3, 1, tleg_config_placed(config) + tleg_config_patches(config), dim, 0);
        break;
    case TLEG_SLOT_PATCH_WEIGHT:
        set(spec, "patch_embed.proj.weight", 4, dim, config->channels, patch.height, patch.width);
        break;
    case TLEG_SLOT_PATCH_BIAS:
        if (!config->no_patch_bias)
            set(spec, "patch_embed.proj.bias", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_PATCH_NORM_WEIGHT:
        if (config->patch_norm)
            set(spec, "patch_embed.norm.weight", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_PATCH_NORM_BIAS:
        if (config->patch_norm && !config->rms)
            set(spec, "patch_embed.norm.bias", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_PRE_WEIGHT:
        if (config->norm_before)
            set(spec, "norm_pre.weight", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_PRE_BIAS:
        if (config->norm_before && !config->rms)
            set(spec, "norm_pre.bias", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_NORM_WEIGHT:
        if (!config->no_norm)
            set(spec, after ? "fc_norm.weight" : "norm.weight", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_NORM_BIAS:
        if (!config->no_norm && !config->rms)
            set(spec, after ? "fc_norm.bias" : "norm.bias", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_REPRESENTATION_WEIGHT:
        if (config->representation)
            set(spec, "pre_logits.weight", 2, config->representation, tleg_config_pooled(config), 0, 0);
        break;
    case TLEG_SLOT_REPRESENTATION_BIAS:
        if (config->representation)
            set(spec, "pre_logits.bias", 1, config->representation, 0, 0, 0);
        break;
    case TLEG_SLOT_HEAD_WEIGHT:
        if (classes)
            set(spec, "head.weight", 2, classes, tleg_config_features(config), 0, 0);
        break;
    case TLEG_SLOT_HEAD_BIAS:
        if (classes && !config->no_head_bias)
            set(spec, "head.bias", 1, classes, 0, 0, 0);
        break;
    case TLEG_SLOT_HEAD_DIST_WEIGHT:
        if (classes && config->distillation_token)
            set(spec, "head_dist.weight", 2, classes, dim, 0, 0);
        break;
    case TLEG_SLOT_HEAD_DIST_BIAS:
        if (classes && config->distillation_token && !config->no_head_bias)
            set(spec, "head_dist.bias", 1, classes, 0, 0, 0);
        break;
    case TLEG_SLOT_NONE:
    default:
        break;
    }
}

bool tleg_slot_matrix(const tleg_config *config, enum tleg_slot slot, int64_t *n, int64_t *k) {
    struct tleg_spec spec;
    const bool pool =
        slot >= TLEG_SLOT_POOL_Q_WEIGHT && slot <= TLEG_SLOT_POOL_LAST && (slot - TLEG_SLOT_POOL_Q_WEIGHT) % 2 == 0;
    const bool generator = slot == TLEG_SLOT_TIME_IN_WEIGHT || slot == TLEG_SLOT_TIME_OUT_WEIGHT ||
                           slot == TLEG_SLOT_LAST_MODULATION_WEIGHT || slot == TLEG_SLOT_LAST_WEIGHT;
    if (!pool && !generator && slot != TLEG_SLOT_PATCH_WEIGHT && slot != TLEG_SLOT_REPRESENTATION_WEIGHT &&
        slot != TLEG_SLOT_HEAD_WEIGHT && slot != TLEG_SLOT_HEAD_DIST_WEIGHT)
        return false;
    tleg_outer_spec(config, slot, &spec);
    const size_t count = tleg_spec_count(&spec);
    if (count == 0)
        return false;
    *n = spec.shape[0];
    *k = (int64_t)count / *n;
    return true;
}

size_t tleg_spec_count(const struct tleg_spec *spec) {
    size_t count = 0;
    if (spec->name[0] == '\0' || !tleg_size_product(spec->shape, spec->rank, &count))
        return 0;
    return count;
}

tleg_status tleg_spec_info(tleg_context *context, const struct tleg_spec *spec, tleg_dtype dtype, tleg_tensor_info *info) {
    tleg_tensor_info own = {
        .dtype = dtype, .rank = spec->rank, .bytes = (uint64_t)tleg_spec_count(spec) * tleg_dtype_size(dtype)};
    memcpy(own.shape, spec->shape, sizeof spec->shape);
    return tleg_info_write(context, "tleg_tensor_info", &own, sizeof own, info, TLEG_LEAST_TENSOR_INFO);
}

uint64_t tleg_outer_numbers(const tleg_config *config) {
    uint64_t numbers = 0;
    struct tleg_spec spec;
    for (int slot = 0; slot < TLEG_SLOTS; slot++) {
        tleg_outer_spec(config, (enum tleg_slot)slot, &spec);
        numbers += tleg_spec_count(&spec);
    }
    return numbers;
}
