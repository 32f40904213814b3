/* The order in which nodes are walked: those of constants alone first, by which the images' size is known where the graph
 * leaves it open; then each after those that give what it reads. Tools that change a graph put new nodes at its end. */
#include "graph/private.h"

#include <string.h>

static bool reads_constants(const struct walk *walk) {
    for (uint32_t k = 0; k < walk->node->input_count; k++) {
        const struct value *in = tleg_walk_in(walk, k);
        if (in && in->what != CONSTANT)
            return false;
    }
    return walk->node->input_count > 0 || strcmp(tleg_walk_text(walk, walk->node->type), "Constant") == 0;
}

void tleg_walk_constants(struct walk *walk) {
    walk->walked = tleg_walk_keep(walk, walk->graph->node_count + 1);
    for (size_t k = 0; k < walk->graph->node_count && walk->status == TLEG_OK; k++) {
        walk->node = &walk->graph->nodes[k];
        if (reads_constants(walk))
            tleg_walk_step(walk, k);
    }
}

/* Nodes on the way to one that all of them wait for, each with the input that it is at. */
struct order {
    uint32_t *givers; /* of each value: one more than its node, or 0 */
    uint32_t *path, *next;
    bool *entered;
};

/* One more than the node that gives an input and was not entered yet; 0: there is none left. */
static uint32_t find_giver(const struct walk *walk, const struct order *order, uint32_t *next) {
    while (*next < walk->node->input_count) {
        const uint32_t number = tleg_walk_in_number(walk, (*next)++), giver = order->givers[number];
        if (number && giver && walk->values[number].what == NOTHING && !order->entered[giver - 1])
            return giver;
    }
    return 0;
}

static void walk_to(struct walk *walk, const struct order *order, uint32_t target) {
    size_t depth = 0;
    order->path[depth++] = target;
    while (depth > 0 && walk->status == TLEG_OK) {
        const uint32_t at = order->path[depth - 1];
        order->entered[at] = true;
        walk->node = &walk->graph->nodes[at];
        const uint32_t giver = find_giver(walk, order, &order->next[at]);
        if (giver) {
            order->path[depth++] = giver - 1;
            continue;
        }
        tleg_walk_step(walk, at);
        depth--;
    }
}

void tleg_walk_rest(struct walk *walk) {
    const size_t count = walk->graph->node_count;
    const struct order order = {.givers = tleg_walk_keep(walk, walk->graph->value_count * sizeof *order.givers),
                                .path = tleg_walk_keep(walk, (count + 1) * sizeof *order.path),
                                .next = tleg_walk_keep(walk, (count + 1) * sizeof *order.next),
                                .entered = tleg_walk_keep(walk, (count + 1) * sizeof *order.entered)};
    for (size_t k = 0; k < count && walk->status == TLEG_OK; k++) {
        walk->node = &walk->graph->nodes[k];
        order.entered[k] = walk->walked[k];
        for (uint32_t i = 0; i < walk->node->output_count; i++)
            order.givers[walk->graph->uses[walk->node->outputs + i]] = (uint32_t)k + 1;
    }
    for (size_t k = 0; k < count && walk->status == TLEG_OK; k++)
        if (!order.entered[k])
            walk_to(walk, &order, (uint32_t)k);
}
