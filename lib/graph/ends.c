/* What a graph gives: the output that is taken, and how it is read from the stream. */
#include "graph/private.h"

#include <string.h>

/* How much an output says; 0: nothing that the library computes. */
enum rank { USELESS, SEQUENCE, FEATURES, LOGITS };

static bool is_head(const struct walk *walk, const struct value *value) {
    return value->what == LINEAR && !value->gate && !value->norm && value->factor == 1 &&
           tleg_is_read_out(&walk->values[value->of]);
}

static enum rank rank_of(const struct walk *walk, const struct value *value) {
    if (value->what == SUM && value->factor > 0.499 && value->factor < 0.501) {
        const enum rank first = rank_of(walk, &walk->values[value->of]), second = rank_of(walk, &walk->values[value->other]);
        return first == second && first >= FEATURES ? first : USELESS;
    }
    if (value->what == CHANCES)
        return rank_of(walk, &walk->values[value->of]);
    if (tleg_is_read_out(value))
        return FEATURES;
    if (value->what == NORM)
        return value->count == 0 ? SEQUENCE : USELESS;
    return is_head(walk, value) ? LOGITS : USELESS;
}

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
                     "the last block",
                     tleg_file_label(walk->file), name_of(walk, output));
}

/* Outputs that say less, or that do not fit, are left; one of the name "logits" must fit. */
static tleg_status choose(const struct walk *walk, uint32_t *chosen) {
    const struct tleg_graph *graph = walk->graph;
    enum rank best = USELESS;
    *chosen = 0;
    for (size_t k = 0; k < graph->output_count; k++) {
        const enum rank rank = rank_of(walk, &walk->values[graph->outputs[k]]);
        if (rank == USELESS && strcmp(name_of(walk, graph->outputs[k]), "logits") == 0)
            return refuse(walk, graph->outputs[k]);
        if (rank > best) {
            best = rank;
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
    if (value->what == CHANCES) {
        tleg_log(walk->context, "%s: the output \"%s\" is the softmax of logits; the logits are what is read",
                 tleg_file_label(walk->file), name_of(walk, chosen));
        value = &walk->values[value->of];
    }
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
