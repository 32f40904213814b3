/* Where a graph begins: its images, and how large they are where it leaves that open. */
#include "graph/private.h"

#include <math.h>
#include <string.h>

static bool is_type(const struct walk *walk, const struct tleg_graph_node *node, const char *type) {
    return strcmp(tleg_walk_text(walk, node->type), type) == 0;
}

/* The kernel of the first Conv of the images: (dim, channels, height, width); or NULL. */
static const struct constant *find_kernel(const struct walk *walk) {
    for (size_t k = 0; k < walk->graph->node_count; k++) {
        const struct tleg_graph_node *node = &walk->graph->nodes[k];
        if (walk->walked[k] || !is_type(walk, node, "Conv") || node->input_count < 2)
            continue;
        const struct value *weight = &walk->values[walk->graph->uses[node->inputs + 1]];
        const struct constant *own = weight->what == CONSTANT ? tleg_constant_get(walk, weight->weight) : NULL;
        const bool patches = own && own->rank == 4 && own->shape[2] > 0 && own->shape[2] <= MOST_PIXELS && own->shape[3] > 0 &&
                             own->shape[3] <= MOST_PIXELS;
        return patches ? own : NULL;
    }
    return NULL;
}

/* The side of the square grid that a table of positions is for, (1, rows, dim), (rows, dim), (1, dim, side, side) or (1, side,
 * side, dim), with up to two rows of tokens before it; 0: it is none. A matrix of a square number of rows is not `added`. */
static int64_t grid_of(const struct constant *table, int64_t dim, bool added) {
    const int32_t rank = table->rank;
    const int64_t *shape = table->shape;
    if (rank == 4 && shape[0] == 1 && shape[2] == shape[1 + 2 * (shape[1] == dim)] && (shape[1] == dim || shape[3] == dim))
        return shape[2] <= 512 ? shape[2] : 0;
    if (rank < 2 || rank > 3 || (rank == 3 && shape[0] != 1) || shape[rank - 1] != dim)
        return 0;
    const int64_t side = tleg_size_root(shape[rank - 2]), more = shape[rank - 2] - side * side;
    return side <= 512 && (more == 1 || (more <= 2 && (rank == 3 || added))) ? side : 0;
}

/* By what the graph scales positions, whatever the images' size is: a factor that was computed when it was written. */
static double scale_of(struct walk *walk, const struct tleg_graph_node *node) {
    const struct value *in =
        is_type(walk, node, "Resize") && node->input_count > 2 ? &walk->values[walk->graph->uses[node->inputs + 2]] : NULL;
    struct constant own = in && in->what == CONSTANT ? *tleg_constant_get(walk, in->weight) : (struct constant){0};
    return tleg_constant_count(&own) == 4 && tleg_constant_load(walk, &own) ? tleg_constant_at(&own, 2) : 1;
}

/* The largest grid among the tables that nodes of images read, other than by a matrix. */
static int64_t find_grid(struct walk *walk, int64_t dim) {
    int64_t best = 0;
    double scale = 1;
    for (size_t k = 0; k < walk->graph->node_count; k++) {
        const struct tleg_graph_node *node = &walk->graph->nodes[k];
        if (walk->walked[k] || is_type(walk, node, "MatMul") || is_type(walk, node, "Gemm"))
            continue;
        const bool added = is_type(walk, node, "Add");
        for (uint32_t i = 0; i < node->input_count; i++) {
            const struct value *in = &walk->values[walk->graph->uses[node->inputs + i]];
            const int64_t side = in->what == CONSTANT ? grid_of(tleg_constant_get(walk, in->weight), dim, added) : 0;
            best = side > best && side > 1 ? side : best;
        }
        scale = scale == 1 ? scale_of(walk, node) : scale;
    }
    return scale > 0 && scale < 64 ? (int64_t)((double)best * scale) : 0;
}

static tleg_status refuse(const struct walk *walk, const char *what) {
    return tleg_fail(walk->context, TLEG_ERROR_UNSUPPORTED, "%s: an ONNX graph that is not read: %s",
                     tleg_file_label(walk->file), what);
}

static tleg_status find_images(const struct walk *walk, const struct tleg_graph_input **images) {
    *images = NULL;
    for (size_t k = 0; k < walk->graph->input_count; k++) {
        const struct tleg_graph_input *input = &walk->graph->inputs[k];
        if (!input->value || walk->values[input->value].what == CONSTANT)
            continue;
        if (*images)
            return refuse(walk, "expected one input, images, found several");
        *images = input;
    }
    return *images && (*images)->rank == 4
               ? TLEG_OK
               : refuse(walk, "expected one input of four dimensions, images (batch, channels, height, width)");
}

tleg_status tleg_walk_images(struct walk *walk) {
    const struct tleg_graph_input *images;
    const struct constant *kernel = find_kernel(walk);
    int32_t axes[] = {AXIS_BATCH, AXIS_CHANNEL, AXIS_Y, AXIS_X};
    const tleg_status status = find_images(walk, &images);
    if (status != TLEG_OK)
        return status;
    int64_t shape[4];
    memcpy(shape, images->shape, sizeof shape);
    shape[0] = shape[0] ? shape[0] : OPEN_BATCH;
    if (kernel && shape[1] != kernel->shape[1] && shape[3] == kernel->shape[1]) { /* channels last */
        axes[1] = AXIS_Y;
        axes[2] = AXIS_X;
        axes[3] = AXIS_CHANNEL;
    }
    const int64_t grid = kernel ? find_grid(walk, kernel->shape[0]) : 0;
    for (int k = 1; k < 4; k++)
        if (kernel && !shape[k])
            shape[k] = axes[k] == AXIS_CHANNEL ? kernel->shape[1] : grid * kernel->shape[axes[k] == AXIS_Y ? 2 : 3];
    for (int k = 1; k < 4; k++)
        if (shape[0] > MOST_SIDE || shape[k] < 1 || shape[k] > MOST_PIXELS)
            return refuse(walk, kernel ? "expected images whose height and width are given, or follow from a table of positions"
                                       : "expected images whose height and width are given, or a convolution of them whose "
                                         "weights are not quantized");
    struct value *value = &walk->values[images->value];
    *value = (struct value){.what = IMAGES, .id = images->value, .factor = 1, .layout = {.rank = 4}};
    for (int32_t k = 0; k < 4; k++) {
        const struct atom atom = {axes[k], (int32_t)shape[k], 1};
        tleg_layout_replace(&value->layout, k, &atom, 1, false, &value->layout);
        if (axes[k] >= AXIS_Y)
            walk->sides[axes[k] - AXIS_Y] = shape[k];
    }
    return TLEG_OK;
}

/* ---- preparation ---- */

uint32_t tleg_fold_pair(struct walk *walk, const char *type, uint32_t constant, double other, uint32_t by) {
    struct value a = {.what = CONSTANT, .weight = constant}, b = {.what = CONSTANT, .weight = by}, out = {0};
    struct constant made;
    double *number = constant ? NULL : tleg_constant_make(walk, false, 0, NULL, &made);
    if (number) {
        *number = other;
        a.weight = tleg_constant_add(walk, &made);
    }
    if (walk->status == TLEG_OK)
        tleg_fold_binary(walk, type, &a, &b, &out);
    return out.weight;
}

const char *tleg_prepare(struct walk *walk, const char *type, const struct value *images, uint32_t constant,
                         struct value *out) {
    static const int32_t channels[] = {AXIS_CHANNEL, -1};
    const bool factor = strcmp(type, "Mul") == 0 || strcmp(type, "Div") == 0;
    uint32_t vector;
    if (images->norm || (!factor && strcmp(type, "Add") != 0 && strcmp(type, "Sub") != 0) ||
        !tleg_constant_align(walk, constant, &images->layout, channels, &vector))
        return "images with a number for each channel added, or times one";
    *out = *images;
    out->id = 0;
    if (factor)
        out->weight = tleg_fold_pair(walk, type, images->weight, 1, vector);
    if (!factor || images->bias)
        out->bias = tleg_fold_pair(walk, type, images->bias, 0, vector);
    return NULL;
}

/* Images of bytes have small factors. */
static int32_t find_white(struct walk *walk, uint32_t factors) {
    struct constant own = factors ? *tleg_constant_get(walk, factors) : (struct constant){0};
    return factors && tleg_constant_load(walk, &own) && fabs(tleg_constant_at(&own, 0)) < 0.1 ? 255 : 1;
}

/* What a kernel gives of a number for each channel (of them all in each place), added to the bias. */
static uint32_t sum_channels(struct walk *walk, struct constant kernel, struct constant numbers, uint32_t bias) {
    struct constant made;
    const int64_t area = kernel.shape[2] * kernel.shape[3], channels = kernel.shape[1], one = tleg_constant_count(&numbers);
    double *sums = tleg_constant_load(walk, &kernel) && tleg_constant_load(walk, &numbers)
                       ? tleg_constant_make(walk, false, 1, kernel.shape, &made)
                       : NULL;
    if (!sums)
        return 0;
    for (int64_t d = 0; d < kernel.shape[0]; d++)
        for (int64_t k = 0; k < channels * area; k++)
            sums[d] += tleg_constant_at(&kernel, d * channels * area + k) * tleg_constant_at(&numbers, one == 1 ? 0 : k / area);
    const uint32_t sum = tleg_constant_add(walk, &made);
    return bias ? tleg_fold_pair(walk, "Add", bias, 0, sum) : sum;
}

void tleg_unprepare(struct walk *walk, const struct value *images, uint32_t *kernel, uint32_t *bias) {
    if (!images->weight && !images->bias)
        return;
    walk->white = find_white(walk, images->weight);
    if (images->bias)
        *bias = sum_channels(walk, *tleg_constant_get(walk, *kernel), *tleg_constant_get(walk, images->bias), *bias);
    if (!images->weight)
        return;
    struct constant factors = *tleg_constant_get(walk, images->weight);
    const int64_t count = tleg_constant_count(&factors), stride = count > 1 ? factors.strides[0] : 0;
    factors.rank = 4;
    for (int k = 0; k < 4; k++) {
        factors.shape[k] = k == 1 ? count : 1;
        factors.strides[k] = k == 1 ? stride : 0;
    }
    *kernel = tleg_fold_pair(walk, "Mul", *kernel, 1, tleg_constant_add(walk, &factors));
}
