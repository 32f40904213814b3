/* The weights that a graph computes with, under the library's names. */
#include "graph/network.h"

#include <stdio.h>
#include <string.h>

enum { NAME = 64, PART = 32, PER_BLOCK = 22, OUTSIDE = 32, PIECES = 3 };
struct made {
    char name[NAME];
    struct tleg_entry entries[PIECES]; /* views */
    int64_t strides[PIECES][TLEG_MAX_RANK];
    struct tleg_piece pieces[PIECES];
};
struct weights {
    const struct network *net;
    struct walk *walk;
    struct tleg_made *list;
    struct made *made;
    size_t count;
};

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
    const int64_t width = norm->mean == BY_CLS_MEAN ? w->net->dim : tleg_layout_size(&norm->layout, norm->layout.rank - 1);
    snprintf(full, sizeof full, "%s.weight", part);
    if (!add(w, part_of(block, full, name), 1, &width, norm->weight, 1))
        return false;
    if (w->net->rms)
        return true;
    snprintf(full, sizeof full, "%s.bias", part);
    return add(w, part_of(block, full, name), 1, &width, norm->bias, 0);
}

/* A matrix; without a bias its tensor is of zeros, or, with `optional`, not there. */
static bool add_linear(struct weights *w, int64_t block, const char *part, const struct value *linear, bool optional) {
    char name[NAME], full[PART];
    const int64_t shape[] = {tleg_matrix_rows(w->walk, linear->weight), tleg_matrix_columns(w->walk, linear->weight)};
    snprintf(full, sizeof full, "%s.weight", part);
    if (!add(w, part_of(block, full, name), 2, shape, linear->weight, 0))
        return false;
    snprintf(full, sizeof full, "%s.bias", part);
    return (optional && !linear->bias) || add(w, part_of(block, full, name), 1, shape, linear->bias, 0);
}

static bool add_gate(struct weights *w, int64_t block, const char *part, const struct value *linear, bool any) {
    char name[NAME];
    return !any || add(w, part_of(block, part, name), 1, &w->net->dim, linear->gate, 1);
}

/* Several of as many rows each as one matrix: queries, keys and values; what is gated and its gate. */
static bool add_joined(struct weights *w, int64_t block, const char *part, const struct value *const *linear, int32_t count,
                       bool biases) {
    char name[NAME], full[PART];
    const int64_t rows = tleg_matrix_rows(w->walk, linear[0]->weight);
    const int64_t shape[] = {count * rows, tleg_matrix_columns(w->walk, linear[0]->weight)};
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

static bool has_gates(const struct network *net) {
    bool any = false;
    for (size_t k = 0; k < net->half_count; k++)
        any = any || net->walk->values[net->halves[k].sum->other].gate;
    return any;
}

static bool has_biases(const struct network *net) {
    bool any = false;
    for (size_t k = 0; k < net->half_count / 2; k++) {
        const struct value *qkv[3];
        struct branch branches[2];
        tleg_network_branches(net, (int64_t)k, branches);
        tleg_network_qkv(net->walk, branches[0].mixed, qkv);
        any = any || qkv[0]->bias || qkv[1]->bias || qkv[2]->bias;
    }
    return any;
}

/* ---- blocks ---- */

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
    tleg_network_branches(w->net, block, branches);
    tleg_network_qkv(w->walk, branches[0].mixed, qkv);
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
    const int64_t shape[] = {1, count, w->net->dim};
    struct made *made = begin(w, name, 3, shape);
    struct tleg_made *item = &w->list[w->count - 1];
    item->piece_count = 0;
    for (uint32_t k = 0; k < w->net->embed->prefix_count && count > 0; k++) {
        const struct constant *own = tleg_constant_get(w->walk, w->net->embed->prefix[k]);
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

/* Whether a bias that the graph has not got is missing in the file's network too, rather than zeros. */
static bool lacks(const struct weights *w, const char *key) {
    const char *text = tleg_file_get_metadata(w->walk->asked, key);
    return w->net->before || (text && *text == 'n'); /* no, not yes */
}

static bool add_embed(struct weights *w, bool distilled) {
    const struct network *net = w->net;
    const struct value *embed = net->embed;
    const int64_t prefix = tleg_network_prefix(net), own = prefix > 0 ? 1 + distilled : 0;
    const int64_t shape[] = {1, net->grid[0] * net->grid[1], net->dim};
    return add(w, "patch_embed.proj.weight", 4, tleg_constant_get(w->walk, embed->weight)->shape, embed->weight, 0) &&
           ((!embed->bias && lacks(w, "tleg.patch_bias")) || add(w, "patch_embed.proj.bias", 1, &net->dim, embed->bias, 0)) &&
           (!embed->other || add_norm(w, -1, "patch_embed.norm", &w->walk->values[embed->other])) &&
           (prefix == 0 || add_tokens(w, "cls_token", 0, 1)) && (!distilled || add_tokens(w, "dist_token", 1, 1)) &&
           (prefix == own || add_tokens(w, "reg_token", own, prefix - own)) &&
           ((net->rotated && !embed->places) || add(w, "pos_embed", 3, shape, embed->places, 0));
}

/* ---- ends ---- */

/* The query's features alone: it may be repeated for each image. */
static uint32_t latent_of(const struct pool *p, struct walk *walk) {
    struct constant own = *tleg_constant_get(walk, walk->values[p->q->of].weight);
    own.shape[0] = own.shape[own.rank - 1];
    own.strides[0] = own.strides[own.rank - 1];
    own.rank = 1;
    return tleg_constant_add(walk, &own);
}

static bool add_pool(struct weights *w, const struct value *pooled) {
    const struct pool p = tleg_pool_parts(w->walk, pooled);
    const struct value *const kv[] = {p.k, p.v};
    const int64_t square[] = {w->net->dim, w->net->dim}, row[] = {1, 1, w->net->dim};
    const uint32_t latent = p.mixed->weight ? 0 : latent_of(&p, w->walk);
    return add(w, "attn_pool.latent", 3, row, latent, 0) &&
           add(w, "attn_pool.q.weight", 2, square, latent ? p.q->weight : 0, 0) &&
           add(w, "attn_pool.q.bias", 1, &w->net->dim, latent ? p.q->bias : p.mixed->weight, 0) &&
           add_joined(w, -1, "attn_pool.kv", kv, 2, true) && add_linear(w, -1, "attn_pool.proj", p.o, false) &&
           add_norm(w, -1, "attn_pool.norm", p.norm) && add_linear(w, -1, "attn_pool.mlp.fc1", p.fc1, false) &&
           add_linear(w, -1, "attn_pool.mlp.fc2", p.fc2, false);
}

static bool add_ends(struct weights *w) {
    const struct network *net = w->net;
    const struct readout *readout = net->readout;
    const struct value *norm = net->norm, *head = readout->logits[0];
    const char *place = tleg_file_get_metadata(w->walk->asked, "tleg.norm");
    const bool after = norm && (norm->mean_before || (norm->count == 1 && place && strcmp(place, "after_pool") == 0)),
               bare = lacks(w, "tleg.head_bias");
    return (!net->before || add_norm(w, -1, "norm_pre", net->before)) &&
           (!norm || add_norm(w, -1, after ? "fc_norm" : "norm", norm)) && (!readout->pooled || add_pool(w, readout->pooled)) &&
           (!readout->represented || add_linear(w, -1, "pre_logits", readout->represented, false)) &&
           (!head || add_linear(w, -1, "head", head, bare)) &&
           (!readout->logits[1] || add_linear(w, -1, "head_dist", readout->logits[1], lacks(w, "tleg.head_bias")));
}

/* ---- the whole ---- */

static bool add_all(struct weights *w) {
    const struct network *net = w->net;
    const bool gates = has_gates(net), biases = has_biases(net);
    bool good = add_embed(w, net->readout->count == 2) && add_ends(w);
    for (size_t k = 0; k < net->half_count / 2 && good; k++)
        good = add_block(w, (int64_t)k, gates, biases);
    return good;
}

/* The tensors that the library has for it, under its names; the list lives as long as the walk. */
static tleg_status list_tensors(const struct network *net, struct tleg_made **list, size_t *count) {
    struct weights w = {.net = net, .walk = net->walk};
    const size_t room = net->half_count / 2 * PER_BLOCK + OUTSIDE;
    w.list = tleg_walk_keep(w.walk, room * sizeof *w.list);
    w.made = tleg_walk_keep(w.walk, room * sizeof *w.made);
    const bool good = w.list && w.made && add_all(&w);
    *list = w.list;
    *count = w.count;
    if (good || w.walk->status != TLEG_OK)
        return w.walk->status;
    return tleg_network_refuse(net, "expected tokens before the patches in fewer parts", -1);
}

tleg_status tleg_graph_derive(struct walk *walk, const struct readout *readout, tleg_file **named) {
    struct network net;
    struct tleg_derivation from = {0};
    struct tleg_made *tensors = NULL;
    struct tleg_pair *pairs = NULL;
    tleg_status status = tleg_network_find(walk, readout, &net);
    if (status == TLEG_OK)
        status = list_tensors(&net, &tensors, &from.count);
    if (status == TLEG_OK)
        status = tleg_network_pairs(&net, &pairs, &from.pair_count);
    from.made = tensors, from.pairs = pairs;
    return status == TLEG_OK ? tleg_file_derive(walk->context, walk->file, &from, named) : status;
}
