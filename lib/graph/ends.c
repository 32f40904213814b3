/* What a graph gives: the output that is taken, and how it is read from the stream. */
#include "graph/private.h"

#include <string.h>

/* Which output is taken first; 0: nothing that the library computes. A representation layer without a head comes last: of the
 * tokens that it reads, where they are given too, the library's own features are those of a file of the same weights. */
enum rank { USELESS, REPRESENTED, SEQUENCE, FEATURES, LOGITS };

bool tleg_is_represented(const struct walk *walk, const struct value *value) {
    if (value->what != FUNCTION || !tleg_is_matrix(&walk->values[value->of]))
        return false;
    return tleg_is_read_out(&walk->values[walk->values[value->of].of]) && tleg_samples_are_tanh(walk, value);
}

static bool is_head(const struct walk *walk, const struct value *value) {
    const struct value *read = &walk->values[value->of];
    return tleg_is_matrix(value) && (tleg_is_read_out(read) || tleg_is_represented(walk, read));
}

static enum rank rank_of(const struct walk *walk, const struct value *value) {
    if (value->what == SUM && value->factor > 0.499 && value->factor < 0.501) {
        const enum rank first = rank_of(walk, &walk->values[value->of]), second = rank_of(walk, &walk->values[value->other]);
        return first == second && first >= FEATURES ? first : USELESS;
    }
    if (value->what == MADE)
        return rank_of(walk, &walk->values[value->of]);
    if (tleg_is_represented(walk, value))
        return REPRESENTED;
    if (tleg_is_read_out(value))
        return FEATURES;
    if (value->what == NORM)
        return value->count == 0 ? SEQUENCE : USELESS;
    return is_head(walk, value) ? LOGITS : USELESS;
}

/* ---- what is made of an answer, and left off ---- */

bool tleg_is_answer(const struct walk *walk, const struct value *value) {
    return rank_of(walk, value) >= FEATURES && tleg_is_feature(value);
}

void tleg_make_answer(const struct walk *walk, const struct value *of, const char *how, struct value *out) {
    *out = (struct value){.what = MADE,
                          .of = of->what == MADE ? of->of : tleg_value_number(walk, of),
                          .factor = 1,
                          .expected = how,
                          .layout = of->layout};
}

/* ArgMax, TopK, LpNormalization; ReduceL2 and a Clip of it, by which an answer may be divided. */
const char *tleg_node_answer(struct walk *walk, struct value *out) {
    static const struct {
        const char *type, *how;
        int64_t axis; /* where the node says nothing */
    } ways[] = {{"ArgMax", "place of the largest", 0}, {"TopK", "largest", -1}, {"LpNormalization", "direction", -1}};
    const char *type = tleg_walk_text(walk, walk->node->type);
    const struct value *in = tleg_walk_in(walk, 0);
    int64_t axes[MOST_INTEGERS];
    *out = *in;
    if (in->what == LENGTH)
        return NULL;
    if (!tleg_is_answer(walk, in))
        return "logits, or features after the last block";
    const int32_t rank = in->layout.rank;
    if (strcmp(type, "ReduceL2") == 0 && tleg_walk_integers(walk, "axes", 1, axes) == 1 &&
        tleg_walk_dimension(axes[0], rank) == rank - 1) {
        tleg_make_answer(walk, in, "length", out);
        out->what = LENGTH;
        return NULL;
    }
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++)
        if (strcmp(type, ways[k].type) == 0 &&
            tleg_walk_dimension(tleg_walk_integer(walk, "axis", ways[k].axis), rank) == rank - 1 &&
            tleg_walk_integer(walk, "p", 2) == 2) {
            tleg_make_answer(walk, in, ways[k].how, out);
            return NULL;
        }
    return "a node along the last dimension";
}

/* ---- which output ---- */

static const char *name_of(const struct walk *walk, uint32_t output) {
    return tleg_walk_text(walk, walk->graph->value_names[output]);
}

static tleg_status refuse(const struct walk *walk, uint32_t output) {
    const struct value *value = &walk->values[output];
    if (value->what == BAD && value->node) {
        const struct tleg_graph_node *node = &walk->graph->nodes[value->node - 1];
        return tleg_fail(walk->context, TLEG_ERROR_UNSUPPORTED,
                         "%s: an ONNX graph that is not computed: node %u of %llu, %s%s%s \"%s\": expected %s",
                         tleg_file_label(walk->file), (unsigned)value->node, (unsigned long long)walk->graph->node_count,
                         tleg_walk_text(walk, node->domain), *tleg_walk_text(walk, node->domain) ? "." : "",
                         tleg_walk_text(walk, node->type), tleg_walk_text(walk, node->name), value->expected);
    }
    return tleg_fail(walk->context, TLEG_ERROR_UNSUPPORTED,
                     "%s: an ONNX graph that is not computed: output \"%s\": expected a head's logits, or features after "
                     "the last block, of one token or of all patches together",
                     tleg_file_label(walk->file), name_of(walk, output));
}

/* How many branches were added before an output was read. */
static uint32_t depth_of(const struct walk *walk, const struct value *value) {
    while (value->what == MADE || value->what == SUM || value->what == LINEAR || value->what == FUNCTION || value->what == NORM)
        value = &walk->values[value->of];
    return value->what == POOLED ? UINT32_MAX : value->halves;
}

/* Outputs that say less, that are read earlier, or that do not fit, are left; one of the name "logits" must fit. */
static tleg_status choose(const struct walk *walk, uint32_t *chosen) {
    const struct tleg_graph *graph = walk->graph;
    enum rank best = USELESS;
    uint32_t deepest = 0;
    *chosen = 0;
    for (size_t k = 0; k < graph->output_count; k++) {
        const enum rank rank = rank_of(walk, &walk->values[graph->outputs[k]]);
        if (rank == USELESS && strcmp(name_of(walk, graph->outputs[k]), "logits") == 0)
            return refuse(walk, graph->outputs[k]);
        const uint32_t depth = depth_of(walk, &walk->values[graph->outputs[k]]);
        if (rank > best || (rank == best && depth > deepest)) {
            best = rank;
            deepest = depth;
            *chosen = graph->outputs[k];
        }
    }
    if (best == USELESS)
        return refuse(walk, graph->output_count ? graph->outputs[0] : 0);
    for (size_t k = 0; k < graph->output_count; k++)
        if (rank_of(walk, &walk->values[graph->outputs[k]]) == USELESS)
            tleg_log(walk->context, "%s: the output \"%s\" is not computed; what is read is \"%s\"",
                     tleg_file_label(walk->file), name_of(walk, graph->outputs[k]), name_of(walk, *chosen));
    return TLEG_OK;
}

static void take(const struct walk *walk, const struct value *value, struct readout *readout) {
    const bool head = value->what == LINEAR;
    const struct value *features = head ? &walk->values[value->of] : value;
    readout->logits[readout->count] = head ? value : NULL;
    if (features->what == FUNCTION) {
        readout->represented = &walk->values[features->of];
        features = &walk->values[readout->represented->of];
    }
    if (features->what == POOLED) {
        readout->pooled = features;
        const struct value *mixed = &walk->values[walk->values[features->of].of];
        features = &walk->values[walk->values[mixed->other].of]; /* which its keys are made of */
    }
    readout->features[readout->count++] = features;
}

tleg_status tleg_graph_readout(struct walk *walk, struct readout *readout) {
    uint32_t chosen;
    *readout = (struct readout){0};
    const tleg_status status = choose(walk, &chosen);
    if (status != TLEG_OK)
        return status;
    const struct value *value = &walk->values[chosen];
    if (value->what == MADE) {
        const char *read = rank_of(walk, value) == LOGITS ? "logits" : "features";
        tleg_log(walk->context, "%s: the output \"%s\" is the %s of %s; the %s are what is read", tleg_file_label(walk->file),
                 name_of(walk, chosen), value->expected, read, read);
    }
    if (value->what == MADE)
        value = &walk->values[value->of];
    if (value->what == SUM) {
        take(walk, &walk->values[value->of], readout);
        take(walk, &walk->values[value->other], readout);
        if (readout->features[0]->first > readout->features[1]->first) { /* the class token's comes first */
            const struct readout own = *readout;
            for (int k = 0; k < 2; k++) {
                readout->logits[k] = own.logits[1 - k];
                readout->features[k] = own.features[1 - k];
            }
        }
    } else {
        take(walk, value, readout);
    }
    return TLEG_OK;
}
