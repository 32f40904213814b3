/* The weights that a graph computes with, under the library's names, and what it does with them as keys. */
#include "graph/private.h"

#include "config/limits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <tleg/config.h>

enum { NAME = 64, TEXT = 64, PART = 32, PER_BLOCK = 22, OUTSIDE = 32, PIECES = 3 };
enum {
    HEADS,
    EPS,
    ACTIVATION,
    POOL,
    BRANCH_NORM,
    NORM_PLACE,
    POOL_HEADS,
    IMAGE_SIZE,
    ROTARY,
    ROTARY_BASE,
    ROTARY_PAIRS,
    ROTARY_ORDER,
    ROTARY_GRID,
    ROTARY_OFFSET,
    MEAN,
    STD,
    KEYS
};
static const char *const keys[KEYS] = {"tleg.heads",       "tleg.eps",           "tleg.activation",   "tleg.pool",
                                       "tleg.branch_norm", "tleg.norm",          "tleg.pool_heads",   "tleg.image_size",
                                       "tleg.rotary",      "tleg.rotary_base",   "tleg.rotary_pairs", "tleg.rotary_order",
                                       "tleg.rotary_grid", "tleg.rotary_offset", "tleg.mean",         "tleg.std"};

struct made {
    char name[NAME];
    struct tleg_entry entries[PIECES]; /* views */
    int64_t strides[PIECES][TLEG_MAX_RANK];
    struct tleg_piece pieces[PIECES];
};
/* Half a block: attention's or the MLP's. */
struct half {
    const struct value *sum;  /* STREAM */
    const struct value *norm; /* of the sum, or NULL */
};
struct weights {
    struct walk *walk;
    struct tleg_made *list;
    struct made *made;
    size_t count, room;
    struct half *halves; /* the first block's first */
    size_t half_count;
    const struct value *embed, *before; /* before: the NORM between it and the blocks, or NULL */
    int64_t dim, heads;
    int64_t grid[2];             /* rows and columns of patches */
    const struct value *rotated; /* the first block's queries, or NULL: there are no rotary positions */
    struct tleg_angles angles;
    double eps;
    int32_t activation;
    bool qk_norm;
    bool rms;               /* norms are RMSNorms */
    char texts[KEYS][TEXT]; /* empty: the graph says nothing of it */
};

static tleg_status fail(const struct weights *w, tleg_status status, const char *what, int64_t block) {
    if (block < 0)
        return tleg_fail(w->walk->context, status, "%s: an ONNX graph that is not computed: %s", tleg_file_label(w->walk->file),
                         what);
    return tleg_fail(w->walk->context, status, "%s: an ONNX graph that is not computed: block %lld: %s",
                     tleg_file_label(w->walk->file), (long long)block, what);
}

/* ---- the blocks ---- */

/* The half that ends with `value`, and, given back, what it begins with; NULL: there is none. */
static const struct value *take_half(const struct walk *walk, const struct value *value, struct half *half) {
    half->norm = value->what == NORM ? value : NULL;
    half->sum = half->norm ? &walk->values[value->of] : value;
    return half->sum->what == STREAM ? &walk->values[half->sum->of] : NULL;
}

/* Lists the chain of halves that ends with `value`. */
static tleg_status list_halves(struct weights *w, const struct value *value) {
    static const char norms[] = "expected the last block's own norm, and one more at most, before what is read out";
    const struct value *at = value, *before;
    for (struct half half; (before = take_half(w->walk, at, &half)) != NULL; at = before) {
        const bool sum = half.sum->placed == NORM_OF_SUM;
        if (half.norm ? !sum || half.norm->mean_before : sum)
            return fail(w, TLEG_ERROR_UNSUPPORTED, norms, -1);
        w->half_count++;
    }
    w->before = at->what == NORM ? at : NULL;
    if (at->what == NORM)
        at = &w->walk->values[at->of];
    w->embed = at;
    if (at->what == NORM)
        return fail(w, TLEG_ERROR_UNSUPPORTED, norms, -1);
    if (at->what != EMBED || (w->before && (w->before->count || w->before->mean)))
        return fail(w, TLEG_ERROR_UNSUPPORTED, "expected blocks that begin with a patch embedding", -1);
    if (w->half_count == 0 || w->half_count % 2 != 0)
        return fail(w, TLEG_ERROR_UNSUPPORTED, "expected blocks of attention and an MLP", -1);
    w->halves = tleg_walk_keep(w->walk, w->half_count * sizeof *w->halves);
    for (size_t k = w->half_count; w->halves && k-- > 0;)
        value = take_half(w->walk, value, &w->halves[k]);
    return w->walk->status;
}

static int64_t rows_of(const struct walk *walk, uint32_t constant) {
    const struct constant *own = tleg_constant_get(walk, constant);
    return tleg_constant_count(own) / own->shape[own->rank - 1];
}

static int64_t columns_of(const struct walk *walk, uint32_t constant) {
    const struct constant *own = tleg_constant_get(walk, constant);
    return own->shape[own->rank - 1];
}

/* ---- pieces ---- */

/* Numbers made here, as f32. */
static bool lend_numbers(struct weights *w, uint32_t constant, struct tleg_piece *piece) {
    struct constant own = *tleg_constant_get(w->walk, constant);
    const int64_t count = tleg_constant_count(&own);
    float *numbers = tleg_constant_load(w->walk, &own) ? tleg_walk_keep(w->walk, ((size_t)count + 1) * sizeof *numbers) : NULL;
    for (int64_t k = 0; numbers && k < count; k++)
        numbers[k] = (float)tleg_constant_at(&own, k);
    *piece = (struct tleg_piece){.numbers = numbers, .count = (uint64_t)count};
    return numbers != NULL;
}

static bool lies_in_rows(const struct constant *own) {
    int64_t step = 1;
    for (int32_t k = own->rank; k-- > 0; step *= own->shape[k])
        if (own->shape[k] > 1 && own->strides[k] != step)
            return false;
    return true;
}

/* Whether it is the whole of the file's matrix, turned. */
static bool is_turned(const struct constant *own) {
    const struct tleg_entry *entry = &own->tensor->entry;
    return own->rank == 2 && entry->rank == 2 && own->offset == 0 && own->strides[0] == 1 && own->strides[1] == own->shape[0] &&
           own->shape[0] == entry->shape[1] && own->shape[1] == entry->shape[0];
}

static bool repeats(const struct constant *own) {
    bool found = false;
    for (int32_t k = 0; k < own->rank; k++)
        found = found || (own->shape[k] > 1 && own->strides[k] <= 0);
    return found;
}

/* A piece of the file's own bytes where they will do. */
static bool lend(struct weights *w, uint32_t constant, struct made *made, int32_t k) {
    const struct constant *own = tleg_constant_get(w->walk, constant);
    struct tleg_entry *entry = &made->entries[k];
    if (own->numbers || own->tensor->count > 0 || repeats(own))
        return lend_numbers(w, constant, &made->pieces[k]);
    *entry = own->tensor->entry;
    made->pieces[k] = (struct tleg_piece){.source = entry, .own = true, .count = (uint64_t)tleg_constant_count(own)};
    if (is_turned(own)) {
        made->pieces[k].order = TLEG_PIECE_TURNED;
        return true;
    }
    const uint64_t width = entry->dtype ? tleg_dtype_size(entry->dtype) : 1;
    entry->offset += (uint64_t)own->offset * width;
    entry->bytes = made->pieces[k].count * width;
    entry->rank = own->rank;
    memcpy(entry->shape, own->shape, sizeof entry->shape);
    memcpy(made->strides[k], own->strides, sizeof own->strides);
    entry->strides = lies_in_rows(own) ? NULL : made->strides[k];
    return true;
}

static struct made *begin(struct weights *w, const char *name, int32_t rank, const int64_t *shape) {
    struct made *made = &w->made[w->count];
    struct tleg_made *item = &w->list[w->count++];
    snprintf(made->name, sizeof made->name, "%s", name);
    *item = (struct tleg_made){.name = made->name, .rank = rank, .pieces = made->pieces, .piece_count = 1};
    memcpy(item->shape, shape, (size_t)rank * sizeof *shape);
    return made;
}

/* One constant, or `count` zeros, or ones, where it is 0. */
static bool add(struct weights *w, const char *name, int32_t rank, const int64_t *shape, uint32_t constant, float other) {
    struct made *made = begin(w, name, rank, shape);
    size_t count = 0;
    if (constant)
        return lend(w, constant, made, 0);
    tleg_size_product(shape, rank, &count);
    made->pieces[0] = (struct tleg_piece){.count = count};
    if (other == 0)
        return true;
    float *numbers = tleg_walk_keep(w->walk, (count + 1) * sizeof *numbers);
    for (size_t k = 0; numbers && k < count; k++)
        numbers[k] = other;
    made->pieces[0].numbers = numbers;
    return numbers != NULL;
}

/* ---- parts ---- */

static const char *part_of(int64_t block, const char *part, char name[NAME]) {
    if (block < 0)
        snprintf(name, NAME, "%s", part);
    else
        snprintf(name, NAME, "blocks.%lld.%s", (long long)block, part);
    return name;
}

static bool add_norm(struct weights *w, int64_t block, const char *part, const struct value *norm) {
    char name[NAME], full[PART];
    const int64_t width = norm->mean == BY_CLS_MEAN ? w->dim : tleg_layout_size(&norm->layout, norm->layout.rank - 1);
    snprintf(full, sizeof full, "%s.weight", part);
    if (!add(w, part_of(block, full, name), 1, &width, norm->weight, 1))
        return false;
    if (w->rms)
        return true;
    snprintf(full, sizeof full, "%s.bias", part);
    return add(w, part_of(block, full, name), 1, &width, norm->bias, 0);
}

/* A matrix; without a bias its tensor is of zeros, or, with `optional`, not there. */
static bool add_linear(struct weights *w, int64_t block, const char *part, const struct value *linear, bool optional) {
    char name[NAME], full[PART];
    const int64_t shape[] = {rows_of(w->walk, linear->weight), columns_of(w->walk, linear->weight)};
    snprintf(full, sizeof full, "%s.weight", part);
    if (!add(w, part_of(block, full, name), 2, shape, linear->weight, 0))
        return false;
    snprintf(full, sizeof full, "%s.bias", part);
    return (optional && !linear->bias) || add(w, part_of(block, full, name), 1, shape, linear->bias, 0);
}

static bool add_gate(struct weights *w, int64_t block, const char *part, const struct value *linear, bool any) {
    char name[NAME];
    return !any || add(w, part_of(block, part, name), 1, &w->dim, linear->gate, 1);
}

/* Several of as many rows each as one matrix: queries, keys and values; what is gated and its gate. */
static bool add_joined(struct weights *w, int64_t block, const char *part, const struct value *const *linear, int32_t count,
                       bool biases) {
    char name[NAME], full[PART];
    const int64_t rows = rows_of(w->walk, linear[0]->weight);
    const int64_t shape[] = {count * rows, columns_of(w->walk, linear[0]->weight)};
    snprintf(full, sizeof full, "%s.weight", part);
    struct made *made = begin(w, part_of(block, full, name), 2, shape);
    w->list[w->count - 1].piece_count = (size_t)count;
    for (int32_t k = 0; k < count; k++)
        if (!lend(w, linear[k]->weight, made, k))
            return false;
    if (!biases)
        return true;
    snprintf(full, sizeof full, "%s.bias", part);
    made = begin(w, part_of(block, full, name), 1, shape);
    w->list[w->count - 1].piece_count = (size_t)count;
    for (int32_t k = 0; k < count; k++) {
        made->pieces[k] = (struct tleg_piece){.count = (uint64_t)rows};
        if (linear[k]->bias && !lend(w, linear[k]->bias, made, k))
            return false;
    }
    return true;
}

static void find_qkv(const struct walk *walk, const struct value *mixed, const struct value *qkv[3]) {
    qkv[0] = &walk->values[mixed->of];
    qkv[1] = &walk->values[mixed->other];
    qkv[2] = &walk->values[mixed->third];
}

/* ---- one configuration for all blocks ---- */

/* Tokens before the patches. */
static int64_t prefix_of(const struct weights *w) {
    int64_t rows = 0;
    for (uint32_t k = 0; k < w->embed->prefix_count; k++)
        rows += tleg_constant_get(w->walk, w->embed->prefix[k])->shape[0];
    return rows;
}

static bool has_gates(const struct weights *w) {
    bool any = false;
    for (size_t k = 0; k < w->half_count; k++)
        any = any || w->walk->values[w->halves[k].sum->other].gate;
    return any;
}

/* Of a block: attention's branch, and the MLP's, with their norms wherever they stand. */
static void find_branches(const struct weights *w, int64_t block, struct branch branches[2]) {
    for (int k = 0; k < 2; k++) {
        const struct half *half = &w->halves[2 * block + k];
        struct branch *branch = &branches[k];
        tleg_branch_of(w->walk, &w->walk->values[half->sum->other], branch);
        if (!branch->norm)
            branch->norm = half->norm ? half->norm : branch->from;
    }
}

static bool has_biases(const struct weights *w) {
    bool any = false;
    for (size_t k = 0; k < w->half_count / 2; k++) {
        const struct value *qkv[3];
        struct branch branches[2];
        find_branches(w, (int64_t)k, branches);
        find_qkv(w->walk, branches[0].mixed, qkv);
        any = any || qkv[0]->bias || qkv[1]->bias || qkv[2]->bias;
    }
    return any;
}

/* What all blocks have in common. */
struct kind {
    int64_t heads, attention, hidden;
    int32_t activation;
    bool gated, inner[2];
};

static struct kind kind_of(const struct weights *w, const struct branch branches[2], const struct value *q) {
    const struct value *first = branches[1].first;
    const int64_t attention = rows_of(w->walk, q->weight);
    return (struct kind){.heads = attention / tleg_layout_size(&q->layout, q->layout.rank - 1),
                         .attention = attention,
                         .hidden = rows_of(w->walk, first->weight),
                         .activation = tleg_samples_activation(w->walk, branches[1].function),
                         .gated = branches[1].gate != NULL,
                         .inner = {branches[0].inner != NULL, branches[1].inner != NULL}};
}

static bool same_kind(const struct kind *a, const struct kind *b) {
    return a->heads == b->heads && a->attention == b->attention && a->hidden == b->hidden && a->activation == b->activation &&
           a->gated == b->gated && a->inner[0] == b->inner[0] && a->inner[1] == b->inner[1];
}

/* Whether a norm, if it is there, is as all others are. */
static bool is_alike(const struct weights *w, const struct value *norm) {
    return !norm || (norm->eps == w->eps && norm->rms == w->rms);
}

static tleg_status check_block(struct weights *w, int64_t block, struct kind *common) {
    const struct walk *walk = w->walk;
    const struct value *qkv[3];
    struct branch branches[2];
    find_branches(w, block, branches);
    find_qkv(walk, branches[0].mixed, qkv);
    const struct kind kind = kind_of(w, branches, qkv[0]);
    if (block == 0) {
        *common = kind;
        w->heads = kind.heads;
        w->activation = kind.activation;
        w->eps = branches[0].norm->eps;
        w->rms = branches[0].norm->rms;
        w->qk_norm = qkv[0]->norm != NULL;
        w->rotated = qkv[0]->what == ROTATED ? qkv[0] : NULL;
        if (w->rotated &&
            (w->grid[0] != w->grid[1] || !tleg_angles_find(w->walk, w->rotated, prefix_of(w), w->grid[0], &w->angles)))
            return fail(w, TLEG_ERROR_UNSUPPORTED,
                        "expected rotary positions that follow from a base and the patches' places in a square", 0);
    }
    for (int k = 0; k < 3; k++)
        if (rows_of(walk, qkv[k]->weight) != kind.attention || columns_of(walk, qkv[k]->weight) != w->dim)
            return fail(w, TLEG_ERROR_UNSUPPORTED, "expected queries, keys and values of one width", block);
    for (int k = 0; k < 2; k++)
        if ((qkv[k]->norm != NULL) != w->qk_norm || !is_alike(w, qkv[k]->norm))
            return fail(w, TLEG_ERROR_UNSUPPORTED, "expected the norms of queries and keys of block 0", block);
    for (int k = 0; k < 2; k++)
        if ((qkv[k]->what == ROTATED) != (w->rotated != NULL) ||
            (w->rotated && !tleg_angles_same(w->walk, w->rotated, qkv[k], prefix_of(w), w->grid[0], &w->angles)))
            return fail(w, TLEG_ERROR_UNSUPPORTED, "expected the rotary positions of block 0's queries", block);
    if (!same_kind(&kind, common))
        return fail(w, TLEG_ERROR_UNSUPPORTED, "expected the heads, width, activation and norms of block 0", block);
    for (int k = 0; k < 2; k++)
        if (!is_alike(w, branches[k].norm) || !is_alike(w, branches[k].inner))
            return fail(w, TLEG_ERROR_UNSUPPORTED, "expected the kind and eps of block 0's first norm", block);
    return TLEG_OK;
}

static bool add_inner(struct weights *w, int64_t block, const char *part, const struct value *norm) {
    return !norm || add_norm(w, block, part, norm);
}

static bool add_fc1(struct weights *w, int64_t block, const struct branch *mlp) {
    const struct value *const both[] = {mlp->first, mlp->gate};
    return mlp->gate ? add_joined(w, block, "mlp.fc1", both, 2, true) : add_linear(w, block, "mlp.fc1", mlp->first, false);
}

static bool add_block(struct weights *w, int64_t block, bool gates, bool biases) {
    const struct value *qkv[3];
    struct branch branches[2];
    find_branches(w, block, branches);
    find_qkv(w->walk, branches[0].mixed, qkv);
    return add_norm(w, block, "norm1", branches[0].norm) && add_joined(w, block, "attn.qkv", qkv, 3, biases) &&
           add_inner(w, block, "attn.q_norm", qkv[0]->norm) && add_inner(w, block, "attn.k_norm", qkv[1]->norm) &&
           add_inner(w, block, "attn.norm", branches[0].inner) &&
           add_linear(w, block, "attn.proj", branches[0].linear, false) &&
           add_gate(w, block, "ls1.gamma", branches[0].linear, gates) && add_norm(w, block, "norm2", branches[1].norm) &&
           add_fc1(w, block, &branches[1]) && add_inner(w, block, "mlp.norm", branches[1].inner) &&
           add_linear(w, block, "mlp.fc2", branches[1].linear, false) &&
           add_gate(w, block, "ls2.gamma", branches[1].linear, gates);
}

/* ---- tokens ---- */

/* Rows [first, first + count) of the tokens before the patches, which lie in constants of their own. */
static bool add_tokens(struct weights *w, const char *name, int64_t first, int64_t count) {
    const int64_t shape[] = {1, count, w->dim};
    struct made *made = begin(w, name, 3, shape);
    struct tleg_made *item = &w->list[w->count - 1];
    item->piece_count = 0;
    for (uint32_t k = 0; k < w->embed->prefix_count && count > 0; k++) {
        const struct constant *own = tleg_constant_get(w->walk, w->embed->prefix[k]);
        const int64_t left = own->shape[0] - first, part = left < count ? left : count;
        if (left <= 0) {
            first = -left;
            continue;
        }
        struct constant rows = *own;
        rows.offset += first * rows.strides[0];
        rows.shape[0] = part;
        const uint32_t piece = tleg_constant_add(w->walk, &rows);
        if (item->piece_count == PIECES || !piece || !lend(w, piece, made, (int32_t)item->piece_count))
            return false;
        item->piece_count++;
        count -= part;
        first = 0;
    }
    return count == 0;
}

static bool add_embed(struct weights *w, bool distilled) {
    const int64_t prefix = prefix_of(w), own = prefix > 0 ? 1 + distilled : 0;
    const struct constant *kernel = tleg_constant_get(w->walk, w->embed->weight);
    const int64_t shape[] = {1, w->grid[0] * w->grid[1], w->dim};
    return add(w, "patch_embed.proj.weight", 4, kernel->shape, w->embed->weight, 0) &&
           ((!w->embed->bias && w->before) || add(w, "patch_embed.proj.bias", 1, &w->dim, w->embed->bias, 0)) &&
           (!w->embed->other || add_norm(w, -1, "patch_embed.norm", &w->walk->values[w->embed->other])) &&
           (prefix == 0 || add_tokens(w, "cls_token", 0, 1)) && (!distilled || add_tokens(w, "dist_token", 1, 1)) &&
           (prefix == own || add_tokens(w, "reg_token", own, prefix - own)) &&
           ((w->rotated && !w->embed->places) || add(w, "pos_embed", 3, shape, w->embed->places, 0));
}

/* ---- ends ---- */

/* Which of the library's ways to read out this is; 0: none. */
static int32_t pool_of(const struct weights *w, const struct readout *readout) {
    const struct value *first = readout->features[0], *second = readout->features[1];
    const int64_t prefix = prefix_of(w);
    static const int32_t pools[] = {
        [BY_MEAN] = TLEG_POOL_MEAN, [BY_MAX] = TLEG_POOL_MAX, [BY_SUM] = 0, [BY_MEAN_MAX] = TLEG_POOL_MEAN_MAX};
    const bool patches = first->first == prefix && first->count == w->grid[0] * w->grid[1];
    if (readout->count == 2)
        return first->count == 1 && first->first == 0 && second->count == 1 && second->first == 1 && prefix >= 2 ? TLEG_POOL_CLS
                                                                                                                 : 0;
    if (readout->pooled) {
        return first->count == 0 || (patches && prefix == 0) ? TLEG_POOL_ATTENTION : patches ? TLEG_POOL_PATCH_ATTENTION : 0;
    }
    const int by = first->mean ? first->mean : first->mean_before;
    if (by == BY_CLS_MEAN)
        return patches && prefix > 0 ? TLEG_POOL_CLS_MEAN : 0;
    if (by)
        return patches || (first->count == 0 && prefix == 0) ? pools[by] : 0;
    if (first->count == 0)
        return prefix > 0 ? TLEG_POOL_CLS : TLEG_POOL_MEAN;
    return first->first == 0 && first->count == 1 && prefix > 0 ? TLEG_POOL_CLS : 0;
}

/* The norm after the blocks, not the last block's own; NULL: there is none. */
static const struct value *final_norm(const struct walk *walk, const struct value *features) {
    const struct value *of = features && features->what == NORM ? &walk->values[features->of] : NULL;
    return of && (of->what != STREAM || of->placed != NORM_OF_SUM) ? features : NULL;
}

/* The parts of attention pooling. */
struct pool {
    const struct value *o, *mixed, *q, *k, *v, *norm, *fc1, *fc2, *function;
};

static struct pool parts_of_pool(const struct walk *walk, const struct value *pooled) {
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

/* The query's features alone: it may be repeated for each image. */
static uint32_t latent_of(const struct pool *p, struct walk *walk) {
    struct constant own = *tleg_constant_get(walk, walk->values[p->q->of].weight);
    own.shape[0] = own.shape[own.rank - 1];
    own.strides[0] = own.strides[own.rank - 1];
    own.rank = 1;
    return tleg_constant_add(walk, &own);
}

static bool add_pool(struct weights *w, const struct value *pooled) {
    const struct pool p = parts_of_pool(w->walk, pooled);
    const struct value *const kv[] = {p.k, p.v};
    const int64_t square[] = {w->dim, w->dim}, row[] = {1, 1, w->dim};
    const uint32_t latent = p.mixed->weight ? 0 : latent_of(&p, w->walk);
    return add(w, "attn_pool.latent", 3, row, latent, 0) &&
           add(w, "attn_pool.q.weight", 2, square, latent ? p.q->weight : 0, 0) &&
           add(w, "attn_pool.q.bias", 1, &w->dim, latent ? p.q->bias : p.mixed->weight, 0) &&
           add_joined(w, -1, "attn_pool.kv", kv, 2, true) && add_linear(w, -1, "attn_pool.proj", p.o, false) &&
           add_norm(w, -1, "attn_pool.norm", p.norm) && add_linear(w, -1, "attn_pool.mlp.fc1", p.fc1, false) &&
           add_linear(w, -1, "attn_pool.mlp.fc2", p.fc2, false);
}

static tleg_status check_pool(const struct weights *w, const struct value *pooled) {
    const struct pool p = parts_of_pool(w->walk, pooled);
    const struct value *const square[] = {p.k, p.v, p.o, p.q};
    bool good = is_alike(w, p.norm) && tleg_samples_activation(w->walk, p.function) == w->activation;
    for (int k = 0; k < (p.mixed->weight ? 3 : 4); k++)
        good = good && rows_of(w->walk, square[k]->weight) == w->dim && columns_of(w->walk, square[k]->weight) == w->dim;
    return good && rows_of(w->walk, p.fc2->weight) == w->dim
               ? TLEG_OK
               : fail(w, TLEG_ERROR_UNSUPPORTED,
                      "expected attention pooling as wide as a token, with the blocks' activation "
                      "and eps",
                      -1);
}

static bool add_ends(struct weights *w, const struct readout *readout) {
    const struct value *norm = final_norm(w->walk, readout->features[0]), *head = readout->logits[0];
    const char *place = tleg_file_get_metadata(w->walk->asked, keys[NORM_PLACE]);
    const bool after = norm && (norm->mean_before || (norm->count == 1 && place && strcmp(place, "after_pool") == 0));
    return (!w->before || add_norm(w, -1, "norm_pre", w->before)) &&
           (!norm || add_norm(w, -1, after ? "fc_norm" : "norm", norm)) && (!readout->pooled || add_pool(w, readout->pooled)) &&
           (!readout->represented || add_linear(w, -1, "pre_logits", readout->represented, false)) &&
           (!head || add_linear(w, -1, "head", head, w->before != NULL)) &&
           (!readout->logits[1] || add_linear(w, -1, "head_dist", readout->logits[1], false));
}

static bool same_numbers(const struct weights *w, uint32_t a, uint32_t b) {
    if (!a || !b)
        return a == b;
    struct constant one = *tleg_constant_get(w->walk, a), other = *tleg_constant_get(w->walk, b);
    const int64_t count = tleg_constant_count(&one);
    bool same =
        count == tleg_constant_count(&other) && tleg_constant_load(w->walk, &one) && tleg_constant_load(w->walk, &other);
    for (int64_t k = 0; same && k < count; k++)
        same = tleg_constant_at(&one, k) == tleg_constant_at(&other, k);
    return same;
}

/* Whether both heads read tokens of one sequence, after the same norms. */
static bool same_sequence(const struct weights *w, const struct value *a, const struct value *b) {
    for (; a->what == NORM && b->what == NORM && a->id != b->id; a = &w->walk->values[a->of], b = &w->walk->values[b->of])
        if (!same_numbers(w, a->weight, b->weight) || !same_numbers(w, a->bias, b->bias) || a->eps != b->eps ||
            a->rms != b->rms)
            return false;
    return a->id == b->id;
}

static tleg_status check_ends(const struct weights *w, const struct readout *readout, int32_t pool) {
    const struct value *first = readout->features[0], *second = readout->features[1];
    if (pool == 0)
        return fail(w, TLEG_ERROR_UNSUPPORTED, "expected features of the class token, or the mean of the patches", -1);
    const struct value *patches = w->embed->other ? &w->walk->values[w->embed->other] : NULL;
    if (!is_alike(w, final_norm(w->walk, first)) || !is_alike(w, final_norm(w->walk, second)) || !is_alike(w, w->before) ||
        !is_alike(w, patches))
        return fail(w, TLEG_ERROR_UNSUPPORTED, "expected the same eps in every norm, all of one kind", -1);
    if (readout->represented && second)
        return fail(w, TLEG_ERROR_UNSUPPORTED, "expected one head where it has a representation layer", -1);
    if (readout->pooled)
        return check_pool(w, readout->pooled);
    if (second && !same_sequence(w, first, second))
        return fail(w, TLEG_ERROR_UNSUPPORTED, "expected one sequence and one final norm for both heads", -1);
    return TLEG_OK;
}

/* ---- keys ---- */

static void put_word(struct weights *w, int key, const char *word) {
    snprintf(w->texts[key], sizeof w->texts[key], "%s", word);
}

static void put_integer(struct weights *w, int key, int64_t number) {
    snprintf(w->texts[key], sizeof w->texts[key], "%lld", (long long)number);
}

static void fill_rotary(struct weights *w) {
    const struct tleg_angles *a = &w->angles;
    put_word(w, ROTARY, w->rotated ? tleg_rotary_words[a->rotary - 1] : "none");
    if (!w->rotated)
        return;
    if (a->base > 0)
        tleg_number_format(a->base, w->texts[ROTARY_BASE]);
    put_word(w, ROTARY_PAIRS, a->halves ? "halves" : "neighbours");
    put_word(w, ROTARY_ORDER, a->x_first ? "xy" : "yx");
    put_integer(w, ROTARY_GRID, a->grid);
    put_integer(w, ROTARY_OFFSET, a->offset);
}

/* Height and width; and whether the rows of a position embedding say it as well. */
static void fill_size(struct weights *w) {
    const int64_t *sides = w->walk->sides;
    snprintf(w->texts[IMAGE_SIZE], sizeof w->texts[IMAGE_SIZE], sides[0] == sides[1] ? "%lld" : "%lldx%lld",
             (long long)sides[0], (long long)sides[1]);
}

static bool is_size_clear(const struct weights *w) {
    const struct constant *kernel = tleg_constant_get(w->walk, w->embed->weight);
    bool whole = true;
    for (int k = 0; k < 2; k++)
        whole = whole && w->grid[k] * kernel->shape[2 + k] == w->walk->sides[k];
    return whole && !w->rotated && w->grid[0] == w->grid[1] && prefix_of(w) <= 2; /* 9 rows: of 3 x 3, or 5 and 2 x 2 */
}

static void fill_texts(struct weights *w, const struct readout *readout, int32_t pool) {
    put_integer(w, HEADS, w->heads);
    tleg_number_format(w->eps, w->texts[EPS]);
    put_word(w, ACTIVATION, tleg_mlp_words[w->activation - 1]);
    put_word(w, BRANCH_NORM, tleg_branch_norm_words[w->halves[0].sum->placed]);
    put_word(w, POOL, tleg_pool_words[pool - 1]);
    if (!final_norm(w->walk, readout->features[0]))
        put_word(w, NORM_PLACE, "none");
    if (readout->pooled) {
        const struct pool p = parts_of_pool(w->walk, readout->pooled);
        put_integer(w, POOL_HEADS, w->dim / tleg_layout_size(&p.v->layout, p.v->layout.rank - 1));
    }
    fill_rotary(w);
    fill_size(w);
    if (w->walk->white) {
        put_word(w, MEAN, "0,0,0");
        put_word(w, STD, w->walk->white == 1 ? "1,1,1" : "0.003921568627,0.003921568627,0.003921568627");
    }
}

/* Whether a key says what is so without it. */
static bool is_usual(const struct weights *w, int key) {
    switch (key) {
    case POOL_HEADS:
        return strcmp(w->texts[key], w->texts[HEADS]) == 0;
    case ROTARY:
        return !w->rotated;
    case IMAGE_SIZE:
        return is_size_clear(w);
    case ROTARY_GRID:
        return w->angles.grid == w->grid[0];
    case ROTARY_OFFSET:
        return w->angles.offset == 0;
    default:
        return false;
    }
}

/* Whether a key of the file says what the graph does. */
static bool agrees(const struct weights *w, int key, const char *text) {
    double value;
    if (key == EPS)
        return tleg_number_parse(text, strlen(text), &value) && (float)value == (float)w->eps;
    if (key == ROTARY_BASE)
        return tleg_number_parse(text, strlen(text), &value) && fabs(value - w->angles.base) <= 1e-3 * w->angles.base;
    if (key == ROTARY_GRID && strcmp(text, "own") == 0)
        return is_usual(w, key);
    return strcmp(text, w->texts[key]) == 0;
}

/* The file's own pairs, then what they do not say. */
static tleg_status list_pairs(struct weights *w, struct tleg_pair **out, size_t *count) {
    const struct tleg_pair *own;
    const int64_t pairs = tleg_file_pairs(w->walk->asked, &own);
    *count = (size_t)pairs;
    *out = tleg_walk_keep(w->walk, ((size_t)pairs + KEYS) * sizeof **out);
    if (!*out)
        return w->walk->status;
    if (pairs)
        memcpy(*out, own, (size_t)pairs * sizeof *own);
    for (int k = 0; k < KEYS; k++) {
        const char *text = tleg_file_get_metadata(w->walk->asked, keys[k]);
        if (!*w->texts[k])
            continue;
        if (!text && is_usual(w, k))
            continue;
        if (!text)
            (*out)[(*count)++] = (struct tleg_pair){keys[k], w->texts[k]};
        else if (!agrees(w, k, text))
            return tleg_fail(w->walk->context, TLEG_ERROR_FORMAT, "%s: %s: expected \"%s\" as the graph says, found \"%s\"",
                             tleg_file_label(w->walk->file), keys[k], w->texts[k], text);
    }
    return TLEG_OK;
}

/* ---- the whole ---- */

static tleg_status make_lists(struct weights *w) {
    w->room = w->half_count / 2 * PER_BLOCK + OUTSIDE;
    w->list = tleg_walk_keep(w->walk, w->room * sizeof *w->list);
    w->made = tleg_walk_keep(w->walk, w->room * sizeof *w->made);
    return w->walk->status;
}

static tleg_status add_all(struct weights *w, const struct readout *readout) {
    const bool gates = has_gates(w), biases = has_biases(w);
    bool good = add_embed(w, readout->count == 2) && add_ends(w, readout);
    for (size_t k = 0; k < w->half_count / 2 && good; k++)
        good = add_block(w, (int64_t)k, gates, biases);
    if (good || w->walk->status != TLEG_OK)
        return w->walk->status;
    return fail(w, TLEG_ERROR_UNSUPPORTED, "expected tokens before the patches in fewer parts", -1);
}

tleg_status tleg_graph_derive(struct walk *walk, const struct readout *readout, tleg_file **named) {
    struct weights w = {.walk = walk};
    struct tleg_pair *pairs = NULL;
    struct kind common = {0};
    size_t pair_count = 0;
    const struct value *norm = final_norm(walk, readout->features[0]);
    tleg_status status = list_halves(&w, norm ? &walk->values[norm->of] : readout->features[0]);
    if (status != TLEG_OK)
        return status;
    const struct constant *kernel = tleg_constant_get(walk, w.embed->weight);
    for (int k = 0; k < 2; k++)
        w.grid[k] = walk->sides[k] / kernel->shape[2 + k];
    const int32_t pool = pool_of(&w, readout);
    w.dim = kernel->shape[0];
    for (size_t k = 0; k < w.half_count / 2 && status == TLEG_OK; k++)
        status = check_block(&w, (int64_t)k, &common);
    if (status == TLEG_OK)
        status = check_ends(&w, readout, pool);
    if (status == TLEG_OK)
        status = make_lists(&w);
    if (status == TLEG_OK)
        status = add_all(&w, readout);
    if (status != TLEG_OK)
        return status;
    fill_texts(&w, readout, pool);
    status = list_pairs(&w, &pairs, &pair_count);
    const struct tleg_derivation from = {w.list, w.count, pairs, pair_count};
    return status == TLEG_OK ? tleg_file_derive(walk->context, walk->file, &from, named) : status;
}
