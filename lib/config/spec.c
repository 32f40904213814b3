/* The names and shapes of a Vision Transformer's tensors, as timm and the learngene's authors write them. */
#include "config/spec.h"
#include <stdio.h>
#include <string.h>

static const struct {
    const char *key, *name;
} sites[TLEG_SITES] = {
    [TLEG_SITE_NORM1] = {"norm1", "norm1"},   [TLEG_SITE_NORM2] = {"norm2", "norm2"}, [TLEG_SITE_QKV] = {"qkv", "attn.qkv"},
    [TLEG_SITE_PROJ] = {"proj", "attn.proj"}, [TLEG_SITE_FC1] = {"fc1", "mlp.fc1"},   [TLEG_SITE_FC2] = {"fc2", "mlp.fc2"},
};

const char *tleg_site_key(enum tleg_site site) {
    return sites[site].key;
}

const char *tleg_site_name(enum tleg_site site) {
    return sites[site].name;
}

int32_t tleg_config_grid(const tleg_config *config) {
    return config->image_size / config->patch_size;
}

int64_t tleg_config_patch_width(const tleg_config *config) {
    return 3 * (int64_t)config->patch_size * config->patch_size;
}

enum tleg_activation tleg_config_activation(const tleg_config *config) {
    (void)config; /* every file that can be read has this one */
    return TLEG_ACTIVATION_GELU;
}

int64_t tleg_config_tokens(const tleg_config *config) {
    const int64_t grid = tleg_config_grid(config);
    return config->prefix + grid * grid;
}

int tleg_config_readouts(const tleg_config *config) {
    return config->prefix == 2 ? 2 : 1;
}

static void set(struct tleg_spec *spec, const char *name, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d) {
    const int64_t shape[4] = {a, b, c, d};
    snprintf(spec->name, sizeof spec->name, "%s", name);
    spec->rank = rank;
    memcpy(spec->shape, shape, sizeof shape);
}

static void set_none(struct tleg_spec *spec) {
    memset(spec, 0, sizeof *spec);
}

void tleg_outer_spec(const tleg_config *config, enum tleg_slot slot, struct tleg_spec *spec) {
    const int64_t dim = config->dim, classes = config->classes, patch = config->patch_size;
    const bool mean_first = config->pool == TLEG_POOL_MEAN && config->norm == TLEG_NORM_AFTER_POOL;
    set_none(spec);
    switch (slot) {
    case TLEG_SLOT_CLS_TOKEN:
        if (config->prefix >= 1)
            set(spec, "cls_token", 3, 1, 1, dim, 0);
        break;
    case TLEG_SLOT_DIST_TOKEN:
        if (config->prefix >= 2)
            set(spec, "dist_token", 3, 1, 1, dim, 0);
        break;
    case TLEG_SLOT_POS_EMBED:
        set(spec, "pos_embed", 3, 1, tleg_config_tokens(config), dim, 0);
        break;
    case TLEG_SLOT_PATCH_WEIGHT:
        set(spec, "patch_embed.proj.weight", 4, dim, 3, patch, patch);
        break;
    case TLEG_SLOT_PATCH_BIAS:
        set(spec, "patch_embed.proj.bias", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_NORM_WEIGHT:
        set(spec, mean_first ? "fc_norm.weight" : "norm.weight", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_NORM_BIAS:
        set(spec, mean_first ? "fc_norm.bias" : "norm.bias", 1, dim, 0, 0, 0);
        break;
    case TLEG_SLOT_HEAD_WEIGHT:
        set(spec, "head.weight", 2, classes, dim, 0, 0);
        break;
    case TLEG_SLOT_HEAD_BIAS:
        set(spec, "head.bias", 1, classes, 0, 0, 0);
        break;
    case TLEG_SLOT_HEAD_DIST_WEIGHT:
        if (config->prefix >= 2)
            set(spec, "head_dist.weight", 2, classes, dim, 0, 0);
        break;
    case TLEG_SLOT_HEAD_DIST_BIAS:
        if (config->prefix >= 2)
            set(spec, "head_dist.bias", 1, classes, 0, 0, 0);
        break;
    case TLEG_SLOT_NONE:
    default:
        break;
    }
}

void tleg_site_spec(const tleg_config *config, enum tleg_site site, bool bias, struct tleg_spec *spec) {
    const int64_t dim = config->dim, hidden = config->hidden;
    /* out is the number of rows of the weight and the length of the bias; in is 0 for a norm */
    int64_t out = dim, in = 0;
    switch (site) {
    case TLEG_SITE_QKV:
        out = 3 * dim, in = dim;
        break;
    case TLEG_SITE_PROJ:
        in = dim;
        break;
    case TLEG_SITE_FC1:
        out = hidden, in = dim;
        break;
    case TLEG_SITE_FC2:
        in = hidden;
        break;
    case TLEG_SITE_NORM1:
    case TLEG_SITE_NORM2:
    case TLEG_SITE_NONE:
    case TLEG_SITES:
        break;
    }
    set_none(spec);
    if (bias && site == TLEG_SITE_QKV && config->no_qkv_bias)
        return;
    char name[TLEG_NAME_TEXT];
    snprintf(name, sizeof name, "%s.%s", tleg_site_name(site), bias ? "bias" : "weight");
    set(spec, name, bias || in == 0 ? 1 : 2, out, bias ? 0 : in, 0, 0);
}

size_t tleg_spec_count(const struct tleg_spec *spec) {
    size_t count = 0;
    if (spec->name[0] == '\0' || !tleg_size_product(spec->shape, spec->rank, &count))
        return 0;
    return count;
}

void tleg_layer_name(int32_t layer, enum tleg_site site, bool bias, char name[TLEG_NAME_TEXT]) {
    snprintf(name, TLEG_NAME_TEXT, "blocks.%d.%s.%s", (int)layer, tleg_site_name(site), bias ? "bias" : "weight");
}

void tleg_segment_name(enum tleg_site site, int32_t segment, bool bias, int part, char name[TLEG_NAME_TEXT]) {
    static const char *const parts[3] = {"", "_base", "_ilayer"};
    snprintf(name, TLEG_NAME_TEXT, "blocks.block.%s.instances.%d.%s%s", tleg_site_name(site), (int)segment,
             bias ? "bias" : "weight", parts[part]);
}
