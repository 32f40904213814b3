/* Whether what a graph computes is a Vision Transformer of the library's: its blocks, all of one configuration, and its ends.
 */
#include "graph/network.h"

#include <tleg/config.h>

tleg_status tleg_network_refuse(const struct network *net, const char *expected, int64_t block) {
    if (block < 0)
        return tleg_fail(net->walk->context, TLEG_ERROR_UNSUPPORTED, "%s: an ONNX graph that is not computed: %s",
                         tleg_file_label(net->walk->file), expected);
    return tleg_fail(net->walk->context, TLEG_ERROR_UNSUPPORTED, "%s: an ONNX graph that is not computed: block %lld: %s",
                     tleg_file_label(net->walk->file), (long long)block, expected);
}

/* ---- the blocks ---- */

/* The half that ends with `value`, and, given back, what it begins with; NULL: there is none. */
static const struct value *take_half(const struct walk *walk, const struct value *value, struct half *half) {
    half->norm = value->what == NORM ? value : NULL;
    half->sum = half->norm ? &walk->values[value->of] : value;
    return half->sum->what == STREAM ? &walk->values[half->sum->of] : NULL;
}

/* Lists the chain of halves that ends with `value`. */
static tleg_status list_halves(struct network *net, const struct value *value) {
    static const char norms[] = "expected the last block's own norm, and one more at most, before what is read out";
    const struct value *at = value, *before;
    for (struct half half; (before = take_half(net->walk, at, &half)) != NULL; at = before) {
        const bool sum = half.sum->placed == NORM_OF_SUM;
        if (half.norm ? !sum || half.norm->mean_before : sum)
            return tleg_network_refuse(net, norms, -1);
        net->half_count++;
    }
    net->before = at->what == NORM ? at : NULL;
    if (at->what == NORM)
        at = &net->walk->values[at->of];
    net->embed = at;
    if (at->what == NORM)
        return tleg_network_refuse(net, norms, -1);
    if (at->what != EMBED || (net->before && (net->before->count || net->before->mean)))
        return tleg_network_refuse(net, "expected blocks that begin with a patch embedding", -1);
    if (net->half_count == 0 || net->half_count % 2 != 0)
        return tleg_network_refuse(net, "expected blocks of attention and an MLP", -1);
    net->halves = tleg_walk_keep(net->walk, net->half_count * sizeof *net->halves);
    for (size_t k = net->half_count; net->halves && k-- > 0;)
        value = take_half(net->walk, value, &net->halves[k]);
    return net->walk->status;
}

int64_t tleg_matrix_rows(const struct walk *walk, uint32_t constant) {
    const struct constant *own = tleg_constant_get(walk, constant);
    return tleg_constant_count(own) / own->shape[own->rank - 1];
}

int64_t tleg_matrix_columns(const struct walk *walk, uint32_t constant) {
    const struct constant *own = tleg_constant_get(walk, constant);
    return own->shape[own->rank - 1];
}

void tleg_network_qkv(const struct walk *walk, const struct value *mixed, const struct value *qkv[3]) {
    qkv[0] = &walk->values[mixed->of];
    qkv[1] = &walk->values[mixed->other];
    qkv[2] = &walk->values[mixed->third];
}

int64_t tleg_network_prefix(const struct network *net) {
    int64_t rows = 0;
    for (uint32_t k = 0; k < net->embed->prefix_count; k++)
        rows += tleg_constant_get(net->walk, net->embed->prefix[k])->shape[0];
    return rows;
}

void tleg_network_branches(const struct network *net, int64_t block, struct branch branches[2]) {
    for (int k = 0; k < 2; k++) {
        const struct half *half = &net->halves[2 * block + k];
        struct branch *branch = &branches[k];
        tleg_branch_of(net->walk, &net->walk->values[half->sum->other], branch);
        if (!branch->norm)
            branch->norm = half->norm ? half->norm : branch->from;
    }
}

/* What all blocks have in common. */
struct kind {
    int64_t heads, attention, hidden;
    int32_t activation;
    bool gated, inner[2];
};

static struct kind kind_of(const struct network *net, const struct branch branches[2], const struct value *q) {
    const struct value *first = branches[1].first;
    const int64_t attention = tleg_matrix_rows(net->walk, q->weight);
    return (struct kind){.heads = attention / tleg_layout_size(&q->layout, q->layout.rank - 1),
                         .attention = attention,
                         .hidden = tleg_matrix_rows(net->walk, first->weight),
                         .activation = tleg_samples_activation(net->walk, branches[1].function),
                         .gated = branches[1].gate != NULL,
                         .inner = {branches[0].inner != NULL, branches[1].inner != NULL}};
}

static bool same_kind(const struct kind *a, const struct kind *b) {
    return a->heads == b->heads && a->attention == b->attention && a->hidden == b->hidden && a->activation == b->activation &&
           a->gated == b->gated && a->inner[0] == b->inner[0] && a->inner[1] == b->inner[1];
}

/* Whether a norm, if it is there, is as all others are. */
static bool is_alike(const struct network *net, const struct value *norm) {
    return !norm || (norm->eps == net->eps && norm->rms == net->rms);
}

static tleg_status check_block(struct network *net, int64_t block, struct kind *common) {
    const struct walk *walk = net->walk;
    const struct value *qkv[3];
    struct branch branches[2];
    tleg_network_branches(net, block, branches);
    tleg_network_qkv(walk, branches[0].mixed, qkv);
    const struct kind kind = kind_of(net, branches, qkv[0]);
    if (block == 0) {
        *common = kind;
        net->heads = kind.heads;
        net->activation = kind.activation;
        net->eps = branches[0].norm->eps;
        net->rms = branches[0].norm->rms;
        net->qk_norm = qkv[0]->norm != NULL;
        net->rotated = qkv[0]->what == ROTATED ? qkv[0] : NULL;
        if (net->rotated && (net->grid[0] != net->grid[1] ||
                             !tleg_angles_find(net->walk, net->rotated, tleg_network_prefix(net), net->grid[0], &net->angles)))
            return tleg_network_refuse(
                net, "expected rotary positions that follow from a base and the patches' places in a square", 0);
    }
    for (int k = 0; k < 3; k++)
        if (tleg_matrix_rows(walk, qkv[k]->weight) != kind.attention || tleg_matrix_columns(walk, qkv[k]->weight) != net->dim)
            return tleg_network_refuse(net, "expected queries, keys and values of one width", block);
    for (int k = 0; k < 2; k++)
        if ((qkv[k]->norm != NULL) != net->qk_norm || !is_alike(net, qkv[k]->norm))
            return tleg_network_refuse(net, "expected the norms of queries and keys of block 0", block);
    for (int k = 0; k < 2; k++)
        if ((qkv[k]->what == ROTATED) != (net->rotated != NULL) ||
            (net->rotated &&
             !tleg_angles_same(net->walk, net->rotated, qkv[k], tleg_network_prefix(net), net->grid[0], &net->angles)))
            return tleg_network_refuse(net, "expected the rotary positions of block 0's queries", block);
    if (!same_kind(&kind, common))
        return tleg_network_refuse(net, "expected the heads, width, activation and norms of block 0", block);
    for (int k = 0; k < 2; k++)
        if (!is_alike(net, branches[k].norm) || !is_alike(net, branches[k].inner))
            return tleg_network_refuse(net, "expected the kind and eps of block 0's first norm", block);
    return TLEG_OK;
}

/* ---- ends ---- */

/* Which of the library's ways to read out this is; 0: none. */
static int32_t pool_of(const struct network *net) {
    const struct readout *readout = net->readout;
    const struct value *first = readout->features[0], *second = readout->features[1];
    const int64_t prefix = tleg_network_prefix(net);
    static const int32_t pools[] = {
        [BY_MEAN] = TLEG_POOL_MEAN, [BY_MAX] = TLEG_POOL_MAX, [BY_SUM] = 0, [BY_MEAN_MAX] = TLEG_POOL_MEAN_MAX};
    const bool patches = first->first == prefix && first->count == net->grid[0] * net->grid[1];
    if (readout->count == 2)
        return first->count == 1 && first->first == 0 && second->count == 1 && second->first == 1 && prefix >= 2 ? TLEG_POOL_CLS
                                                                                                                 : 0;
    if (readout->pooled) {
        return first->count == 0 || (patches && prefix == 0) ? TLEG_POOL_ATTENTION : patches ? TLEG_POOL_PATCH_ATTENTION : 0;
    }
    const int by = first->mean ? first->mean : first->mean_before;
    if (by == BY_CLS_MEAN)
        return patches && prefix > 0 ? TLEG_POOL_CLS_MEAN : 0;
    if (by && first->count == 0 && prefix > 0)
        return by == BY_MEAN ? TLEG_POOL_MEAN_ALL : 0;
    if (by)
        return patches || first->count == 0 ? pools[by] : 0;
    if (first->count == 0)
        return prefix > 0 ? TLEG_POOL_CLS : TLEG_POOL_MEAN;
    return first->first == 0 && first->count == 1 && prefix > 0 ? TLEG_POOL_CLS : 0;
}

/* The norm after the blocks, not the last block's own; NULL: there is none. */
static const struct value *final_norm(const struct walk *walk, const struct value *features) {
    const struct value *of = features && features->what == NORM ? &walk->values[features->of] : NULL;
    return of && (of->what != STREAM || of->placed != NORM_OF_SUM) ? features : NULL;
}

struct pool tleg_pool_parts(const struct walk *walk, const struct value *pooled) {
    const struct value *values = walk->values;
    struct pool pool = {.o = &values[pooled->of], .fc2 = &values[pooled->other]};
    pool.mixed = &values[pool.o->of];
    pool.q = &values[pool.mixed->of];
    pool.k = &values[pool.mixed->other];
    pool.v = &values[pool.mixed->third];
    pool.function = &values[pool.fc2->of];
    pool.fc1 = &values[pool.function->of];
    pool.norm = &values[pool.fc1->of];
    return pool;
}

static tleg_status check_pool(const struct network *net, const struct value *pooled) {
    const struct pool p = tleg_pool_parts(net->walk, pooled);
    const struct value *const square[] = {p.k, p.v, p.o, p.q};
    bool good = is_alike(net, p.norm) && tleg_samples_activation(net->walk, p.function) == net->activation;
    for (int k = 0; k < (p.mixed->weight ? 3 : 4); k++)
        good = good && tleg_matrix_rows(net->walk, square[k]->weight) == net->dim &&
               tleg_matrix_columns(net->walk, square[k]->weight) == net->dim;
    return good && tleg_matrix_rows(net->walk, p.fc2->weight) == net->dim
               ? TLEG_OK
               : tleg_network_refuse(net, "expected attention pooling as wide as a token, with the blocks' activation and eps",
                                     -1);
}

static bool same_numbers(const struct network *net, uint32_t a, uint32_t b) {
    if (!a || !b)
        return a == b;
    struct constant one = *tleg_constant_get(net->walk, a), other = *tleg_constant_get(net->walk, b);
    const int64_t count = tleg_constant_count(&one);
    bool same =
        count == tleg_constant_count(&other) && tleg_constant_load(net->walk, &one) && tleg_constant_load(net->walk, &other);
    for (int64_t k = 0; same && k < count; k++)
        same = tleg_constant_at(&one, k) == tleg_constant_at(&other, k);
    return same;
}

/* Whether both heads read tokens of one sequence, after the same norms. */
static bool same_sequence(const struct network *net, const struct value *a, const struct value *b) {
    for (; a->what == NORM && b->what == NORM && a->id != b->id; a = &net->walk->values[a->of], b = &net->walk->values[b->of])
        if (!same_numbers(net, a->weight, b->weight) || !same_numbers(net, a->bias, b->bias) || a->eps != b->eps ||
            a->rms != b->rms)
            return false;
    return a->id == b->id;
}

static tleg_status check_ends(const struct network *net) {
    const struct readout *readout = net->readout;
    const struct value *first = readout->features[0], *second = readout->features[1];
    if (net->pool == 0)
        return tleg_network_refuse(net, "expected features of the class token, or the mean of the patches", -1);
    const struct value *patches = net->embed->other ? &net->walk->values[net->embed->other] : NULL,
                       *pixels = net->embed->norm; /* which is never an RMSNorm */
    if (!is_alike(net, net->norm) || !is_alike(net, final_norm(net->walk, second)) || !is_alike(net, net->before) ||
        !is_alike(net, patches) || (pixels && pixels->eps != net->eps))
        return tleg_network_refuse(net, "expected the same eps in every norm, all of one kind", -1);
    if (readout->represented && second)
        return tleg_network_refuse(net, "expected one head where it has a representation layer", -1);
    if (readout->pooled)
        return check_pool(net, readout->pooled);
    if (second && !same_sequence(net, first, second))
        return tleg_network_refuse(net, "expected one sequence and one final norm for both heads", -1);
    return TLEG_OK;
}

/* ---- the whole ---- */

tleg_status tleg_network_find(struct walk *walk, const struct readout *readout, struct network *net) {
    struct kind common = {0};
    const struct value *features = readout->features[0], *norm = final_norm(walk, features);
    *net = (struct network){.walk = walk, .readout = readout, .norm = norm};
    tleg_status status = list_halves(net, norm ? &walk->values[norm->of] : features);
    if (status != TLEG_OK)
        return status;
    const struct constant *kernel = tleg_constant_get(walk, net->embed->weight);
    net->dim = kernel->shape[0];
    for (int k = 0; k < 2; k++)
        net->grid[k] = walk->sides[k] / kernel->shape[2 + k];
    net->pool = pool_of(net);
    for (size_t k = 0; k < net->half_count / 2 && status == TLEG_OK; k++)
        status = check_block(net, (int64_t)k, &common);
    return status == TLEG_OK ? check_ends(net) : status;
}
