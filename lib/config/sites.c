/* The parts of a block whose weights may differ from layer to layer, a row each. Names, shapes, parameters, the layout of a
 * layer, gradients and the segments of a learngene follow from this table; a new part is a row here, a name in enum tleg_site,
 * and its use in lib/vit/pass. */
#include "config/spec.h"
#include <stdio.h>

static int64_t dim(const tleg_config *config) {
    return config->dim;
}

static int64_t attention(const tleg_config *config) {
    return tleg_config_attention_dim(config);
}

static int64_t three_attentions(const tleg_config *config) {
    return 3 * attention(config);
}

static int64_t hidden(const tleg_config *config) {
    return config->hidden;
}

static bool has_layer_scale(const tleg_config *config) {
    return config->layer_scale;
}

static bool has_attention_norm(const tleg_config *config) {
    return config->attention_norm;
}

static bool has_mlp_norm(const tleg_config *config) {
    return config->mlp_norm;
}

static bool has_qk_norm(const tleg_config *config) {
    return config->qk_norm;
}

static int64_t six_dims(const tleg_config *config) {
    return 6 * (int64_t)config->dim;
}

static bool has_norms(const tleg_config *config) {
    return !tleg_config_draws(config);
}

static bool has_qkv_bias(const tleg_config *config) {
    return !config->no_qkv_bias;
}

static bool has_norm_bias(const tleg_config *config) {
    return !config->rms;
}

static bool has_proj_bias(const tleg_config *config) {
    return !config->no_proj_bias;
}

static bool has_mlp_bias(const tleg_config *config) {
    return !config->no_mlp_bias;
}

struct row {
    const char *key, *name; /* in a schedule, and in the names of tensors */
    enum tleg_site_kind kind;
    int64_t (*rows)(const tleg_config *config);    /* of a matrix; of vectors their length */
    int64_t (*columns)(const tleg_config *config); /* of a matrix */
    bool (*has_bias)(const tleg_config *config);   /* NULL: always; not for gates, which have none */
    bool (*present)(const tleg_config *config);    /* NULL: always */
};

static const struct row sites[TLEG_SITES] = {
    [TLEG_SITE_NORM1] = {"norm1", "norm1", TLEG_SITE_KIND_NORM, dim, NULL, has_norm_bias, has_norms},
    [TLEG_SITE_NORM2] = {"norm2", "norm2", TLEG_SITE_KIND_NORM, dim, NULL, has_norm_bias, has_norms},
    [TLEG_SITE_QKV] = {"qkv", "attn.qkv", TLEG_SITE_KIND_MATRIX, three_attentions, dim, has_qkv_bias, NULL},
    [TLEG_SITE_PROJ] = {"proj", "attn.proj", TLEG_SITE_KIND_MATRIX, dim, attention, has_proj_bias, NULL},
    [TLEG_SITE_FC1] = {"fc1", "mlp.fc1", TLEG_SITE_KIND_MATRIX, tleg_config_fc1, dim, has_mlp_bias, NULL},
    [TLEG_SITE_FC2] = {"fc2", "mlp.fc2", TLEG_SITE_KIND_MATRIX, dim, hidden, has_mlp_bias, NULL},
    [TLEG_SITE_LS1] = {"ls1", "ls1", TLEG_SITE_KIND_GATE, dim, NULL, NULL, has_layer_scale},
    [TLEG_SITE_LS2] = {"ls2", "ls2", TLEG_SITE_KIND_GATE, dim, NULL, NULL, has_layer_scale},
    [TLEG_SITE_ATTENTION_NORM] = {"attn_norm", "attn.norm", TLEG_SITE_KIND_NORM, attention, NULL, has_norm_bias,
                                  has_attention_norm},
    [TLEG_SITE_MLP_NORM] = {"mlp_norm", "mlp.norm", TLEG_SITE_KIND_NORM, hidden, NULL, has_norm_bias, has_mlp_norm},
    [TLEG_SITE_MODULATION] = {"modulation", "adaLN_modulation.1", TLEG_SITE_KIND_MATRIX, six_dims, dim, NULL,
                              tleg_config_draws},
    [TLEG_SITE_Q_NORM] = {"q_norm", "attn.q_norm", TLEG_SITE_KIND_NORM, tleg_config_qk_width, NULL, has_norm_bias, has_qk_norm},
    [TLEG_SITE_K_NORM] = {"k_norm", "attn.k_norm", TLEG_SITE_KIND_NORM, tleg_config_qk_width, NULL, has_norm_bias, has_qk_norm},
};

TLEG_API const char *TLEG_CALL tleg_site_key(int32_t site) {
    return site >= 0 && site < TLEG_SITES ? sites[site].key : NULL;
}

TLEG_API const char *TLEG_CALL tleg_site_name(int32_t site) {
    return site >= 0 && site < TLEG_SITES ? sites[site].name : NULL;
}

/* As timm calls a gate's factors. */
static const char *part_name(enum tleg_site site, bool bias) {
    if (sites[site].kind == TLEG_SITE_KIND_GATE)
        return "gamma";
    return bias ? "bias" : "weight";
}

enum tleg_site_kind tleg_site_kind(enum tleg_site site) {
    return sites[site].kind;
}

bool tleg_site_is_present(const tleg_config *config, enum tleg_site site) {
    return !sites[site].present || sites[site].present(config);
}

bool tleg_site_matrix(const tleg_config *config, enum tleg_site site, int64_t *n, int64_t *k) {
    const struct row *row = &sites[site];
    if (row->kind != TLEG_SITE_KIND_MATRIX || !tleg_site_is_present(config, site))
        return false;
    *n = row->rows(config);
    *k = row->columns(config);
    return true;
}

void tleg_site_spec(const tleg_config *config, enum tleg_site site, bool bias, struct tleg_spec *spec) {
    const struct row *row = &sites[site];
    *spec = (struct tleg_spec){0};
    if (!tleg_site_is_present(config, site))
        return;
    if (bias && (row->kind == TLEG_SITE_KIND_GATE || (row->has_bias && !row->has_bias(config))))
        return;
    const bool matrix = row->kind == TLEG_SITE_KIND_MATRIX && !bias;
    snprintf(spec->name, sizeof spec->name, "%s.%s", row->name, part_name(site, bias));
    spec->rank = matrix ? 2 : 1;
    spec->shape[0] = row->rows(config);
    spec->shape[1] = matrix ? row->columns(config) : 0;
}

bool tleg_each_parameter(const tleg_config *config, struct tleg_parameter *parameter) {
    while (parameter->next < 2 * TLEG_SITES) {
        parameter->site = (enum tleg_site)(parameter->next / 2);
        parameter->bias = parameter->next++ % 2;
        tleg_site_spec(config, parameter->site, parameter->bias, &parameter->spec);
        parameter->count = tleg_spec_count(&parameter->spec);
        if (parameter->count)
            return true;
    }
    return false;
}

void tleg_layer_name(int32_t layer, enum tleg_site site, bool bias, char name[TLEG_NAME_TEXT]) {
    snprintf(name, TLEG_NAME_TEXT, "blocks.%d.%s.%s", (int)layer, tleg_site_name(site), part_name(site, bias));
}

void tleg_segment_name(enum tleg_site site, int32_t segment, bool bias, const struct tleg_span *span, int32_t tensor,
                       char name[TLEG_NAME_TEXT]) {
    char end[16] = ""; /* the longest is _basis15 */
    if (tleg_span_is_line(span))
        snprintf(end, sizeof end, "%s", tensor == 0 ? "_base" : "_ilayer");
    else if (tleg_span_tensors(span) > 1)
        snprintf(end, sizeof end, "_basis%d", (int)tensor);
    snprintf(name, TLEG_NAME_TEXT, "blocks.block.%s.instances.%d.%s%s", tleg_site_name(site), (int)segment,
             part_name(site, bias), end);
}
