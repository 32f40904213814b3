/* What is trained: the parameters of a learngene or of a model, as one list over one array. */
#include "train/private.h"

#include <math.h>
#include <string.h>

static void count_one(struct tleg_params *params, const struct tleg_spec *spec) {
    params->count++;
    params->floats += tleg_param_floats(tleg_spec_count(spec)); /* the source holds as many: no overflow */
}

void tleg_params_measure(const tleg_learngene *gene, const tleg_model *model, struct tleg_params *params) {
    *params = (struct tleg_params){.gene = gene, .model = model};
    for (int64_t i = 0; gene && i < gene->tensor_count; i++)
        count_one(params, &gene->tensors[i].spec);
    for (int64_t i = 0; model && i < tleg_model_count(model); i++) {
        struct tleg_model_entry entry;
        tleg_model_entry(model, i, &entry);
        count_one(params, &entry.spec);
    }
    for (int site = 0; site < TLEG_SITES; site++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): without a gene there is a model */
        params->segments[site] = gene ? gene->segment_count[site] : model->config.c.depth;
        params->total += params->segments[site];
    }
}

/* DeiT decays no vectors, no position embedding and no tokens; the learngene's authors let the distillation token decay. */
static bool decays(const struct tleg_spec *spec, enum tleg_slot slot, bool is_gene) {
    if (spec->rank == 1 || slot == TLEG_SLOT_POS_EMBED || slot == TLEG_SLOT_CLS_TOKEN || slot == TLEG_SLOT_REG_TOKEN ||
        slot == TLEG_SLOT_POOL_LATENT)
        return false;
    return slot != TLEG_SLOT_DIST_TOKEN || is_gene;
}

/* ---- what learns, and how fast ---- */

static tleg_part part_of(enum tleg_site site, enum tleg_slot slot) {
    static const tleg_part sites[TLEG_SITES] = {[TLEG_SITE_NORM1] = TLEG_PART_NORM1,
                                                [TLEG_SITE_NORM2] = TLEG_PART_NORM2,
                                                [TLEG_SITE_QKV] = TLEG_PART_QKV,
                                                [TLEG_SITE_PROJ] = TLEG_PART_PROJ,
                                                [TLEG_SITE_FC1] = TLEG_PART_FC1,
                                                [TLEG_SITE_FC2] = TLEG_PART_FC2,
                                                [TLEG_SITE_LS1] = TLEG_PART_LS1,
                                                [TLEG_SITE_LS2] = TLEG_PART_LS2,
                                                [TLEG_SITE_ATTENTION_NORM] = TLEG_PART_NORM1,
                                                [TLEG_SITE_MLP_NORM] = TLEG_PART_NORM2,
                                                [TLEG_SITE_MODULATION] = TLEG_PART_MODULATION,
                                                [TLEG_SITE_Q_NORM] = TLEG_PART_NORM1,
                                                [TLEG_SITE_K_NORM] = TLEG_PART_NORM1};
    if (site != TLEG_SITE_NONE)
        return sites[site];
    if (slot >= TLEG_SLOT_POOL_LATENT && slot <= TLEG_SLOT_POOL_LAST)
        return TLEG_PART_NORM;
    if (slot >= TLEG_SLOT_LAST_MODULATION_WEIGHT && slot <= TLEG_SLOT_LAST_BIAS)
        return TLEG_PART_HEAD;
    switch (slot) {
    case TLEG_SLOT_NORM_WEIGHT:
    case TLEG_SLOT_NORM_BIAS:
        return TLEG_PART_NORM;
    case TLEG_SLOT_REPRESENTATION_WEIGHT:
    case TLEG_SLOT_REPRESENTATION_BIAS:
    case TLEG_SLOT_HEAD_WEIGHT:
    case TLEG_SLOT_HEAD_BIAS:
    case TLEG_SLOT_HEAD_DIST_WEIGHT:
    case TLEG_SLOT_HEAD_DIST_BIAS:
        return TLEG_PART_HEAD;
    default:
        return TLEG_PART_EMBEDDING;
    }
}

/* Parts of the blocks that the network has. */
static tleg_part block_parts(const tleg_config *net) {
    tleg_part parts = 0;
    for (int site = 0; site < TLEG_SITES; site++)
        if (tleg_site_is_present(net, site))
            parts |= part_of(site, TLEG_SLOT_NONE);
    return parts;
}

bool tleg_params_learn(const tleg_config *net, const tleg_trainer_options *options) {
    tleg_part parts = TLEG_PART_EMBEDDING | TLEG_PART_HEAD | block_parts(net), frozen = options->freeze;
    if (!net->no_norm || tleg_config_has_attention_pool(net))
        parts |= TLEG_PART_NORM;
    if (options->frozen_layers > 0 && options->frozen_layers >= net->depth)
        frozen |= TLEG_PART_EMBEDDING | TLEG_PART_BLOCKS;
    return (parts & ~frozen) != 0;
}

bool tleg_is_frozen(const tleg_trainer *trainer, enum tleg_site site, enum tleg_slot slot, int32_t layer) {
    const tleg_trainer_options *o = &trainer->options;
    const tleg_part part = part_of(site, slot);
    if (o->freeze & part)
        return true;
    return site != TLEG_SITE_NONE ? layer < o->frozen_layers : o->frozen_layers > 0 && part == TLEG_PART_EMBEDDING;
}

/* How many times layer_decay counts: timm's groups. */
static int32_t decays_of(const tleg_trainer *trainer, enum tleg_site site, enum tleg_slot slot, int32_t layer) {
    const tleg_config *net = &trainer->layout.net;
    const tleg_part part = part_of(site, slot);
    if (site != TLEG_SITE_NONE)
        return net->depth - layer;
    if (part == TLEG_PART_EMBEDDING)
        return net->depth + 1;
    return part == TLEG_PART_NORM && net->norm == TLEG_NORM_BEFORE_POOL && slot < TLEG_SLOT_POOL_LATENT ? 1 : 0;
}

static double rate_of(const tleg_trainer *trainer, enum tleg_site site, enum tleg_slot slot, int32_t layer) {
    const bool fixed = slot == TLEG_SLOT_POS_EMBED && tleg_config_draws(&trainer->layout.net); /* DiT's sines and cosines */
    double rate = fixed || tleg_is_frozen(trainer, site, slot, layer) ? 0 : 1;
    if (trainer->options.layer_decay < 1)
        for (int32_t k = decays_of(trainer, site, slot, layer); k > 0; k--)
            rate *= trainer->options.layer_decay;
    return rate;
}

/* How far a pass goes back. */
static void find_first(tleg_trainer *trainer) {
    const tleg_trainer_options *o = &trainer->options;
    trainer->embedding_learns = !tleg_is_frozen(trainer, TLEG_SITE_NONE, TLEG_SLOT_POS_EMBED, 0);
    const bool blocks_learn = block_parts(&trainer->layout.net) & ~o->freeze;
    trainer->first_layer = trainer->embedding_learns ? 0 : blocks_learn ? o->frozen_layers : TLEG_MAX_DEPTH;
}

/* ---- the list ---- */

static struct tleg_param *add(tleg_trainer *trainer, int64_t index, size_t *at, const char *name, const struct tleg_spec *spec,
                              enum tleg_slot slot, enum tleg_site site, int32_t layer) {
    struct tleg_param *param = &trainer->list[index];
    *param = (struct tleg_param){.rank = spec->rank, .at = *at, .count = tleg_spec_count(spec)};
    param->decay = decays(spec, slot, trainer->is_gene);
    param->rate = rate_of(trainer, site, slot, layer);
    param->matrices = site == TLEG_SITE_NONE || spec->rank == 1 ? 0 : tleg_site_matrices(site);
    size_t length = strlen(name);
    memcpy(param->name, name, length < TLEG_NAME_TEXT ? length : TLEG_NAME_TEXT - 1);
    memcpy(param->shape, spec->shape, sizeof param->shape);
    *at += tleg_param_floats(param->count);
    return param;
}

static int64_t *slot_of(struct tleg_train_segment *segment, bool bias) {
    return bias ? &segment->bias : &segment->weight;
}

static void place_gene(tleg_trainer *trainer, const tleg_learngene *gene) {
    size_t at = 0;
    for (int64_t i = 0; i < gene->tensor_count; i++) {
        const struct tleg_gene_tensor *tensor = &gene->tensors[i];
        const struct tleg_gene_place *place = &tensor->place;
        struct tleg_param *param = add(trainer, i, &at, tensor->spec.name, &tensor->spec, place->slot, place->site, 0);
        memcpy(trainer->values + param->at, tensor->data, tensor->count * sizeof(float));
        if (place->slot != TLEG_SLOT_NONE)
            trainer->outer[place->slot] = (int64_t)param->at;
        else if (place->tensor == 0)
            *slot_of(&trainer->segments[place->site][place->segment], place->bias) = (int64_t)param->at;
    }
}

static void place_model(tleg_trainer *trainer, const tleg_model *model, float *scratch) {
    size_t at = 0;
    for (int64_t i = 0; i < tleg_model_count(model); i++) {
        struct tleg_model_entry entry;
        tleg_model_entry(model, i, &entry);
        const bool outside = entry.layer < 0;
        struct tleg_param *param = add(trainer, i, &at, entry.name, &entry.spec, outside ? entry.slot : TLEG_SLOT_NONE,
                                       outside ? TLEG_SITE_NONE : entry.site, entry.layer);
        tleg_model_get(model, &entry, scratch, trainer->values + param->at);
        if (entry.layer < 0)
            trainer->outer[entry.slot] = (int64_t)param->at;
        else
            *slot_of(&trainer->segments[entry.site][entry.layer], entry.bias) = (int64_t)param->at;
    }
}

void tleg_params_place(tleg_trainer *trainer, const tleg_learngene *gene, const tleg_model *model, float *scratch) {
    static const struct tleg_segment one = {.layers = 1, .curve = TLEG_CURVE_POWER, .tensors = 1}; /* a model's layer */
    for (int slot = 0; slot < TLEG_SLOTS; slot++)
        trainer->outer[slot] = TLEG_NOT_THERE;
    for (int site = 0; site < TLEG_SITES; site++)
        for (int32_t k = 0; k < trainer->layout.params.segments[site]; k++) {
            const struct tleg_segment *from = gene ? &gene->segments[site][k] : &one;
            trainer->segments[site][k] = (struct tleg_train_segment){
                .curve = from->curve, .tensors = from->tensors, .weight = TLEG_NOT_THERE, .bias = TLEG_NOT_THERE};
            trainer->lengths[site][k] = from->layers;
        }
    find_first(trainer);
    if (gene)
        place_gene(trainer, gene);
    else
        place_model(trainer, model, scratch);
}

const float *tleg_train_value(const tleg_trainer *trainer, enum tleg_slot slot) {
    return trainer->outer[slot] < 0 ? NULL : trainer->values + trainer->outer[slot];
}

const char *tleg_params_find_odd(const tleg_trainer *trainer, const float *values) {
    for (int64_t i = 0; i < trainer->layout.params.count; i++) {
        const struct tleg_param *param = &trainer->list[i];
        for (size_t k = 0; k < param->count; k++)
            if (!isfinite(values[param->at + k]))
                return param->name;
    }
    return NULL;
}
