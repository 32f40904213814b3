/* What a graph does beside its weights, as a file's keys. */
#include "graph/network.h"

#include "config/limits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TEXT = 64 };
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
    PIXEL_NORM,
    MEAN,
    STD,
    KEYS
};
static const char *const names[KEYS] = {
    "tleg.heads",       "tleg.eps",           "tleg.activation", "tleg.pool",        "tleg.branch_norm",  "tleg.norm",
    "tleg.pool_heads",  "tleg.image_size",    "tleg.rotary",     "tleg.rotary_base", "tleg.rotary_pairs", "tleg.rotary_order",
    "tleg.rotary_grid", "tleg.rotary_offset", "tleg.pixel_norm", "tleg.mean",        "tleg.std"};

struct keys {
    const struct network *net;
    char texts[KEYS][TEXT]; /* empty: the graph says nothing of it */
};

static void put_word(struct keys *keys, int key, const char *word) {
    snprintf(keys->texts[key], sizeof keys->texts[key], "%s", word);
}

static void put_integer(struct keys *keys, int key, int64_t number) {
    snprintf(keys->texts[key], sizeof keys->texts[key], "%lld", (long long)number);
}

static void fill_rotary(struct keys *keys) {
    const struct tleg_angles *a = &keys->net->angles;
    put_word(keys, ROTARY, keys->net->rotated ? tleg_rotary_words[a->rotary - 1] : "none");
    if (!keys->net->rotated)
        return;
    if (a->base > 0)
        tleg_number_format(a->base, keys->texts[ROTARY_BASE]);
    put_word(keys, ROTARY_PAIRS, a->halves ? "halves" : "neighbours");
    put_word(keys, ROTARY_ORDER, a->x_first ? "xy" : "yx");
    put_integer(keys, ROTARY_GRID, a->grid);
    put_integer(keys, ROTARY_OFFSET, a->offset);
}

/* Height and width; and whether the rows of a position embedding say it as well. */
static void fill_size(struct keys *keys) {
    const int64_t *sides = keys->net->walk->sides;
    snprintf(keys->texts[IMAGE_SIZE], sizeof keys->texts[IMAGE_SIZE], sides[0] == sides[1] ? "%lld" : "%lldx%lld",
             (long long)sides[0], (long long)sides[1]);
}

static bool is_size_clear(const struct network *net) {
    const struct constant *kernel = tleg_constant_get(net->walk, net->embed->weight);
    bool whole = true;
    for (int k = 0; k < 2; k++)
        whole = whole && net->grid[k] * kernel->shape[2 + k] == net->walk->sides[k];
    return whole && !net->rotated && net->grid[0] == net->grid[1] &&
           tleg_network_prefix(net) <= 2; /* 9 rows: of 3 x 3, or 5 and 2 x 2 */
}

static void fill_texts(struct keys *keys) {
    const struct network *net = keys->net;
    put_integer(keys, HEADS, net->heads);
    tleg_number_format(net->eps, keys->texts[EPS]);
    put_word(keys, ACTIVATION, tleg_mlp_words[net->activation - 1]);
    put_word(keys, BRANCH_NORM, tleg_branch_norm_words[net->halves[0].sum->placed]);
    put_word(keys, POOL, tleg_pool_words[net->pool - 1]);
    if (!net->norm)
        put_word(keys, NORM_PLACE, "none");
    if (net->readout->pooled) {
        const struct pool p = tleg_pool_parts(net->walk, net->readout->pooled);
        put_integer(keys, POOL_HEADS, net->dim / tleg_layout_size(&p.v->layout, p.v->layout.rank - 1));
    }
    put_word(keys, PIXEL_NORM, net->embed->norm ? "yes" : "no");
    fill_rotary(keys);
    fill_size(keys);
    if (net->walk->white) {
        put_word(keys, MEAN, "0,0,0");
        put_word(keys, STD, net->walk->white == 1 ? "1,1,1" : "0.003921568627,0.003921568627,0.003921568627");
    }
}

/* Whether a key says what is so without it. */
static bool is_usual(const struct keys *keys, int key) {
    const struct network *net = keys->net;
    switch (key) {
    case POOL_HEADS:
        return strcmp(keys->texts[key], keys->texts[HEADS]) == 0;
    case ROTARY:
        return !net->rotated;
    case PIXEL_NORM:
        return !net->embed->norm;
    case IMAGE_SIZE:
        return is_size_clear(net);
    case ROTARY_GRID:
        return net->angles.grid == net->grid[0];
    case ROTARY_OFFSET:
        return net->angles.offset == 0;
    default:
        return false;
    }
}

/* Whether a key of the file says what the graph does. */
static bool agrees(const struct keys *keys, int key, const char *text) {
    const struct network *net = keys->net;
    double value;
    if (key == EPS)
        return tleg_number_parse(text, strlen(text), &value) && (float)value == (float)net->eps;
    if (key == ROTARY_BASE)
        return tleg_number_parse(text, strlen(text), &value) && fabs(value - net->angles.base) <= 1e-3 * net->angles.base;
    if (key == ROTARY_GRID && strcmp(text, "own") == 0)
        return is_usual(keys, key);
    if (key == POOL && tleg_network_prefix(net) == 0) /* all tokens are patches */
        text = strcmp(text, "patch_attention") == 0 ? "attention" : strcmp(text, "mean_all") == 0 ? "mean" : text;
    return strcmp(text, keys->texts[key]) == 0;
}

tleg_status tleg_network_pairs(const struct network *net, struct tleg_pair **pairs, size_t *count) {
    const struct tleg_pair *own;
    struct walk *walk = net->walk;
    const int64_t known = tleg_file_pairs(walk->asked, &own);
    struct keys *keys = tleg_walk_keep(walk, sizeof *keys);
    struct tleg_pair *list = tleg_walk_keep(walk, ((size_t)known + KEYS) * sizeof *list);
    *pairs = list;
    *count = (size_t)known;
    if (!keys || !list)
        return walk->status;
    *keys = (struct keys){.net = net};
    fill_texts(keys);
    if (known)
        memcpy(list, own, (size_t)known * sizeof *own);
    for (int k = 0; k < KEYS; k++) {
        const char *text = tleg_file_get_metadata(walk->asked, names[k]);
        if (!*keys->texts[k] || (!text && is_usual(keys, k)))
            continue;
        if (!text)
            list[(*count)++] = (struct tleg_pair){names[k], keys->texts[k]};
        else if (!agrees(keys, k, text))
            return tleg_fail(walk->context, TLEG_ERROR_FORMAT, "%s: %s: expected \"%s\" as the graph says, found \"%s\"",
                             tleg_file_label(walk->file), names[k], keys->texts[k], text);
    }
    return TLEG_OK;
}
