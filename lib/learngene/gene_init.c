/* A fresh learngene. Each tensor has a random stream of its own, so that its bits depend on the seed and its place alone. */
#include "learngene/gene.h"
#include "vit/weights/weights.h"
#include <math.h>

static void fill(const struct tleg_gene_tensor *tensor, float value) {
    for (size_t i = 0; i < tensor->count; i++)
        tensor->data[i] = value;
}

/* normal(0, 0.02) cut at +-2, which is 100 standard deviations: timm's trunc_normal_ */
static void fill_normal(const struct tleg_gene_tensor *tensor, struct tleg_random *random) {
    for (size_t i = 0; i < tensor->count; i++)
        tensor->data[i] = (float)(0.02 * tleg_random_normal(random, 100));
}

/* uniform in +-1/sqrt(C P Q): PyTorch's default for a convolution of C channels and a P x Q kernel */
static void fill_uniform(const struct tleg_gene_tensor *tensor, const tleg_config *config, struct tleg_random *random) {
    const double bound = 1 / sqrt((double)tleg_config_patch_numbers(config));
    for (size_t i = 0; i < tensor->count; i++)
        tensor->data[i] = (float)((2 * tleg_random_uniform(random) - 1) * bound);
}

/* The patches' rows of the position embedding (1, placed tokens + patches, D): a quarter each for sine and cosine, sin(x +
 * pi/2), of column and row. Waves of 6 patches and longer tell the places of a small grid apart, and 0.7 is about the size of
 * what a fresh patch embedding gives. */
static void fill_waves(const struct tleg_gene_tensor *tensor, const tleg_config *config) {
    static const double quarter_turn = 1.57079632679489661923;
    const int32_t columns = tleg_config_grid(config).width, waves = config->dim / 4;
    const int64_t patches = tleg_config_patches(config);
    float *out = tensor->data + tensor->count - (size_t)patches * (size_t)config->dim;
    for (int32_t patch = 0; patch < patches; patch++)
        for (int32_t part = 0; part < 4; part++) {
            const int32_t place = part < 2 ? patch % columns : patch / columns;
            for (int32_t i = 0; i < waves; i++)
                *out++ = (float)(0.7 * sin(place * pow(100, -(double)i / waves) + part % 2 * quarter_turn));
        }
}

/* Of attention pooling: norms 1, biases 0, all else as tokens and heads. */
static void init_pool(const struct tleg_gene_tensor *tensor, struct tleg_random *random) {
    const enum tleg_slot slot = tensor->place.slot;
    if (slot == TLEG_SLOT_POOL_LATENT || tensor->spec.rank == 2)
        fill_normal(tensor, random);
    else
        fill(tensor, slot == TLEG_SLOT_POOL_NORM_WEIGHT ? 1 : 0);
}

/* The patches' places as DiT's authors have them: sines, then cosines of the column, then likewise of the row. */
static void fill_places(const struct tleg_gene_tensor *tensor, const tleg_config *config) {
    static const double log_longest = 9.21034037197618273608; /* log 10000 */
    const int32_t columns = tleg_config_grid(config).width, waves = config->dim / 4;
    float *out = tensor->data;
    for (int32_t patch = 0; patch < tleg_config_patches(config); patch++)
        for (int32_t part = 0; part < 4; part++) {
            const int32_t place = part < 2 ? patch % columns : patch / columns;
            for (int32_t i = 0; i < waves; i++) {
                const double turn = place * tleg_portable_exp(-log_longest * i / waves);
                *out++ = (float)(part % 2 == 0 ? tleg_portable_sin(turn) : tleg_portable_cos(turn));
            }
        }
}

/* Of a generator: what the last layer gives, and how it is modulated, begin as 0 (adaLN-Zero: each block is the identity). */
static void init_drawing(const struct tleg_gene_tensor *tensor, const tleg_config *config, struct tleg_random *random) {
    switch (tensor->place.slot) {
    case TLEG_SLOT_POS_EMBED:
        fill_places(tensor, config);
        break;
    case TLEG_SLOT_PATCH_WEIGHT:
    case TLEG_SLOT_PATCH_BIAS:
        fill_uniform(tensor, config, random);
        break;
    case TLEG_SLOT_TIME_IN_WEIGHT:
    case TLEG_SLOT_TIME_OUT_WEIGHT:
    case TLEG_SLOT_LABELS:
        fill_normal(tensor, random);
        break;
    default:
        fill(tensor, 0);
    }
}

static void init_outer(const struct tleg_gene_tensor *tensor, const tleg_config *config, tleg_positions positions,
                       struct tleg_random *random) {
    const enum tleg_slot slot = tensor->place.slot;
    if (tleg_config_draws(config)) {
        init_drawing(tensor, config, random);
        return;
    }
    if (slot >= TLEG_SLOT_POOL_LATENT && slot <= TLEG_SLOT_POOL_LAST) {
        init_pool(tensor, random);
        return;
    }
    switch (slot) {
    case TLEG_SLOT_PATCH_WEIGHT:
    case TLEG_SLOT_PATCH_BIAS:
        fill_uniform(tensor, config, random);
        break;
    case TLEG_SLOT_PATCH_NORM_WEIGHT:
    case TLEG_SLOT_PRE_WEIGHT:
    case TLEG_SLOT_NORM_WEIGHT:
        fill(tensor, 1);
        break;
    case TLEG_SLOT_PATCH_NORM_BIAS:
    case TLEG_SLOT_PRE_BIAS:
    case TLEG_SLOT_NORM_BIAS:
    case TLEG_SLOT_REPRESENTATION_BIAS:
    case TLEG_SLOT_HEAD_BIAS:
    case TLEG_SLOT_HEAD_DIST_BIAS:
        fill(tensor, 0);
        break;
    case TLEG_SLOT_POS_EMBED:
        fill_normal(tensor, random);
        if (positions == TLEG_POSITIONS_SINCOS)
            fill_waves(tensor, config);
        break;
    default: /* tokens, the representation layer, heads */
        fill_normal(tensor, random);
    }
}

/* What LayerScale begins with: that of CaiT's authors for up to 18 layers. */
static const float fresh_gate = 0.1F;

static void init_site(const struct tleg_gene_tensor *tensor, struct tleg_random *random) {
    const struct tleg_gene_place *place = &tensor->place;
    if (place->bias || place->site == TLEG_SITE_MODULATION || (place->tensor > 0 && tleg_site_is_vector(place->site)))
        fill(tensor, 0);
    else if (tleg_site_is_vector(place->site))
        fill(tensor, tleg_site_kind(place->site) == TLEG_SITE_KIND_GATE ? fresh_gate : 1);
    else
        fill_normal(tensor, random);
}

/* Distinct for every place; never renumbered, or seeds would mean other learngenes. Of a segment's tensors the first two have
 * the same streams whatever their number, a single one has its own, and the third and later are numbered apart. */
static uint64_t stream_of(const struct tleg_gene_place *place) {
    if (place->slot != TLEG_SLOT_NONE)
        return tleg_slot_stream(place->slot);
    const uint64_t row = ((uint64_t)place->site * TLEG_MAX_DEPTH + (uint64_t)place->segment) * 2 + place->bias;
    if (place->tensor >= 2)
        return ((uint64_t)1 << 32) + row * TLEG_MAX_BASIS + (uint64_t)place->tensor;
    return 64 + row * 3 + (place->tensors == 1 ? 0 : 1 + (uint64_t)place->tensor);
}

static void init(const tleg_learngene *gene, tleg_positions positions, uint64_t seed) {
    for (int64_t k = 0; k < gene->tensor_count; k++) {
        const struct tleg_gene_tensor *tensor = &gene->tensors[k];
        struct tleg_random random;
        tleg_random_seed(&random, seed, stream_of(&tensor->place));
        if (tensor->place.slot != TLEG_SLOT_NONE)
            init_outer(tensor, &gene->config.c, positions, &random);
        else
            init_site(tensor, &random);
    }
}

tleg_status TLEG_CALL tleg_learngene_create(tleg_context *context, const tleg_config *config, uint64_t seed,
                                            tleg_learngene **gene) {
    if (gene)
        *gene = NULL;
    if (!context || !config || !gene)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_learngene_create: a pointer is NULL");
    struct tleg_vit_config checked;
    tleg_status status = tleg_config_check(context, config, &checked);
    if (status != TLEG_OK)
        return status;
    if (checked.c.depth != 0) {
        status = tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_config.depth: expected 0 for a learngene, found %d",
                           (int)checked.c.depth);
        tleg_config_free(&checked);
        return status;
    }
    const tleg_positions positions = checked.c.positions;
    checked.c.positions = 0; /* how it began, which no learngene says */
    status = tleg_learngene_make(context, &checked, NULL, gene);
    if (status == TLEG_OK)
        init(*gene, positions, seed);
    return status;
}
