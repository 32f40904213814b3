/* The walk through a graph's nodes: each gives its outputs a meaning. */
#include "graph/private.h"

#include <string.h>

/* ---- what a node says ---- */

uint32_t tleg_walk_in_number(const struct walk *walk, uint32_t index) {
    return index < walk->node->input_count ? walk->graph->uses[walk->node->inputs + index] : 0;
}

const struct value *tleg_walk_in(const struct walk *walk, uint32_t index) {
    const uint32_t number = tleg_walk_in_number(walk, index);
    return number ? &walk->values[number] : NULL;
}

const struct tleg_graph_attribute *tleg_walk_attribute(const struct walk *walk, const char *name) {
    for (uint32_t k = 0; name && k < walk->node->attribute_count; k++) {
        const struct tleg_graph_attribute *attribute = &walk->graph->attributes[walk->node->attributes + k];
        if (strcmp(tleg_walk_text(walk, attribute->name), name) == 0)
            return attribute;
    }
    return NULL;
}

int64_t tleg_walk_integer(const struct walk *walk, const char *name, int64_t other) {
    const struct tleg_graph_attribute *attribute = tleg_walk_attribute(walk, name);
    return attribute ? attribute->integer : other;
}

double tleg_walk_real(const struct walk *walk, const char *name, double other) {
    const struct tleg_graph_attribute *attribute = tleg_walk_attribute(walk, name);
    return attribute ? attribute->real : other;
}

int tleg_walk_integers(struct walk *walk, const char *name, uint32_t index, int64_t values[MOST_INTEGERS]) {
    const struct tleg_graph_attribute *attribute = tleg_walk_attribute(walk, name);
    if (attribute && attribute->count <= MOST_INTEGERS) {
        for (uint32_t k = 0; k < attribute->count; k++)
            values[k] = walk->graph->integers[attribute->integers + k];
        return (int)attribute->count;
    }
    const struct value *in = name && index == 0 ? NULL : tleg_walk_in(walk, index);
    return tleg_is_constant(in) ? tleg_constant_integers(walk, in->weight, values) : -1;
}

int32_t tleg_walk_dimension(int64_t axis, int32_t rank) {
    axis += axis < 0 ? rank : 0;
    return axis >= 0 && axis < rank ? (int32_t)axis : -1;
}

void tleg_value_constant(struct walk *walk, const struct constant *constant, struct value *out) {
    *out = (struct value){.what = CONSTANT, .factor = 1, .weight = tleg_constant_add(walk, constant)};
}

/* ---- nodes by their type ---- */

static const struct known_operator operators[] = {{"Add", tleg_node_binary},
                                                  {"And", tleg_node_binary},
                                                  {"ArgMax", tleg_node_answer},
                                                  {"Attention", tleg_node_attention},
                                                  {"Cast", tleg_node_cast},
                                                  {"CastLike", tleg_node_cast},
                                                  {"Ceil", tleg_node_unary},
                                                  {"Clip", tleg_node_answer},
                                                  {"Concat", tleg_node_concat},
                                                  {"Constant", tleg_node_constant},
                                                  {"ConstantOfShape", tleg_node_fill},
                                                  {"Conv", tleg_node_conv},
                                                  {"Cos", tleg_node_unary},
                                                  {"Div", tleg_node_binary},
                                                  {"Dropout", tleg_node_pass},
                                                  {"Equal", tleg_node_binary},
                                                  {"Erf", tleg_node_unary},
                                                  {"Exp", tleg_node_unary},
                                                  {"Expand", tleg_node_expand},
                                                  {"Flatten", tleg_node_reshape},
                                                  {"Floor", tleg_node_unary},
                                                  {"Gather", tleg_node_gather},
                                                  {"Gelu", tleg_node_gelu},
                                                  {"Gemm", tleg_node_gemm},
                                                  {"Greater", tleg_node_binary},
                                                  {"GreaterOrEqual", tleg_node_binary},
                                                  {"Identity", tleg_node_pass},
                                                  {"IsNaN", tleg_node_unary},
                                                  {"LayerNormalization", tleg_node_norm},
                                                  {"Less", tleg_node_binary},
                                                  {"LessOrEqual", tleg_node_binary},
                                                  {"LogSoftmax", tleg_node_softmax},
                                                  {"LpNormalization", tleg_node_answer},
                                                  {"MatMul", tleg_node_matmul},
                                                  {"Max", tleg_node_binary},
                                                  {"Min", tleg_node_binary},
                                                  {"Mod", tleg_node_binary},
                                                  {"Mul", tleg_node_binary},
                                                  {"Neg", tleg_node_unary},
                                                  {"Not", tleg_node_unary},
                                                  {"Or", tleg_node_binary},
                                                  {"Pow", tleg_node_binary},
                                                  {"RMSNormalization", tleg_node_norm},
                                                  {"Range", tleg_node_range},
                                                  {"Reciprocal", tleg_node_unary},
                                                  {"ReduceL2", tleg_node_answer},
                                                  {"ReduceMax", tleg_node_mean},
                                                  {"ReduceMean", tleg_node_mean},
                                                  {"Relu", tleg_node_unary},
                                                  {"Reshape", tleg_node_reshape},
                                                  {"Resize", tleg_node_resize},
                                                  {"Round", tleg_node_unary},
                                                  {"Shape", tleg_node_shape},
                                                  {"Sigmoid", tleg_node_unary},
                                                  {"SimplifiedLayerNormalization", tleg_node_norm},
                                                  {"Sin", tleg_node_unary},
                                                  {"Size", tleg_node_shape},
                                                  {"Slice", tleg_node_slice},
                                                  {"Softmax", tleg_node_softmax},
                                                  {"Sqrt", tleg_node_unary},
                                                  {"Squeeze", tleg_node_reshape},
                                                  {"Sub", tleg_node_binary},
                                                  {"Tanh", tleg_node_unary},
                                                  {"Tile", tleg_node_tile},
                                                  {"TopK", tleg_node_answer},
                                                  {"Transpose", tleg_node_transpose},
                                                  {"Unsqueeze", tleg_node_reshape},
                                                  {"Where", tleg_node_where}};

handler *tleg_find_operator(const struct known_operator *table, size_t count, const char *type) {
    for (size_t k = 0; k < count; k++)
        if (strcmp(table[k].type, type) == 0)
            return table[k].node;
    return NULL;
}

static handler *find_handler(const struct walk *walk) {
    const char *type = tleg_walk_text(walk, walk->node->type), *domain = tleg_walk_text(walk, walk->node->domain);
    if (strcmp(domain, "com.microsoft") == 0)
        return tleg_find_fused(type);
    if (*domain && strcmp(domain, "ai.onnx") != 0)
        return NULL;
    return tleg_find_operator(operators, sizeof operators / sizeof *operators, type);
}

/* The first input without a meaning, or NULL. */
static const struct value *find_bad(const struct walk *walk) {
    for (uint32_t k = 0; k < walk->node->input_count; k++) {
        const struct value *in = tleg_walk_in(walk, k);
        if (in && (in->what == BAD || in->what == NOTHING))
            return in;
    }
    return NULL;
}

static void set_bad(struct walk *walk, uint32_t node, const char *expected) {
    for (uint32_t k = 0; k < walk->node->output_count; k++) {
        struct value *out = &walk->values[walk->graph->uses[walk->node->outputs + k]];
        if (out != walk->values && out->what == NOTHING)
            *out = (struct value){.what = BAD, .node = node, .expected = expected};
    }
}

/* Whether an output is new: each value is made once. */
static bool is_fresh(const struct walk *walk) {
    for (uint32_t k = 0; k < walk->node->output_count; k++) {
        const uint32_t number = walk->graph->uses[walk->node->outputs + k];
        if (number && walk->values[number].what != NOTHING)
            return false;
    }
    return walk->node->output_count > 0;
}

/* What a node that is not known says of its graph. */
static const char *expected_of(const struct walk *walk) {
    static const char *const quantized[] = {"Quant", "NBits", "Integer", "QLinear"};
    const char *type = tleg_walk_text(walk, walk->node->type);
    if (strcmp(tleg_walk_text(walk, walk->node->domain), "com.microsoft.nchwc") == 0)
        return "weights that do not lie as one machine wants them: save the graph at ONNX Runtime's level \"extended\" or "
               "below";
    for (size_t k = 0; k < sizeof quantized / sizeof *quantized; k++)
        if (strstr(type, quantized[k]))
            return "weights that are not quantized: take the file in f32 or f16";
    return "a node of a Vision Transformer";
}

static const char *run(struct walk *walk) {
    const bool split = strcmp(tleg_walk_text(walk, walk->node->type), "Split") == 0;
    handler *node = split ? NULL : find_handler(walk);
    if (!split && !node)
        return expected_of(walk);
    if (node != tleg_node_constant && !tleg_walk_in(walk, 0))
        return "an input";
    if (split)
        return tleg_node_split(walk);
    const uint32_t number = walk->graph->uses[walk->node->outputs];
    struct value made = {0};
    const char *expected = node(walk, &made);
    made.id = made.id ? made.id : number;
    if (!expected && number)
        walk->values[number] = made;
    return expected;
}

void tleg_walk_step(struct walk *walk, size_t index) {
    walk->node = &walk->graph->nodes[index];
    walk->walked[index] = true;
    if (!is_fresh(walk)) {
        walk->status = tleg_fail(walk->context, TLEG_ERROR_FORMAT, "%s: damaged: node %llu gives what there is already",
                                 tleg_file_label(walk->file), (unsigned long long)index + 1);
        return;
    }
    const struct value *bad = find_bad(walk);
    if (bad && bad->what == BAD) {
        const struct value origin = *bad;
        set_bad(walk, origin.node, origin.expected);
        return;
    }
    const char *expected = bad ? "inputs that other nodes give" : run(walk);
    if (expected)
        set_bad(walk, (uint32_t)index + 1, expected);
}

/* ---- where it begins ---- */

static void set_tensors(struct walk *walk) {
    for (size_t k = 0; k < walk->graph->tensor_count; k++) {
        const struct tleg_graph_tensor *tensor = &walk->graph->tensors[k];
        struct constant made;
        tleg_constant_of(tensor, &made);
        if (tensor->value) {
            tleg_value_constant(walk, &made, &walk->values[tensor->value]);
            walk->values[tensor->value].id = tensor->value;
        }
    }
}

/* ---- the whole ---- */

static tleg_status walk_through(struct walk *walk, tleg_file **named) {
    struct readout readout;
    walk->spare = walk->graph->value_count;
    walk->values = tleg_walk_keep(walk, (walk->spare + tleg_count_fused(walk)) * sizeof *walk->values);
    if (walk->status == TLEG_OK)
        set_tensors(walk);
    if (walk->status == TLEG_OK)
        tleg_walk_constants(walk);
    if (walk->status == TLEG_OK)
        walk->status = tleg_walk_images(walk);
    if (walk->status == TLEG_OK)
        tleg_walk_rest(walk);
    if (walk->status == TLEG_OK)
        walk->status = tleg_graph_readout(walk, &readout);
    return walk->status == TLEG_OK ? tleg_graph_derive(walk, &readout, named) : walk->status;
}

static bool has_half(const struct tleg_graph *graph) {
    bool found = false;
    for (size_t k = 0; k < graph->tensor_count; k++)
        found = found || graph->tensors[k].entry.dtype == TLEG_F16 || graph->tensors[k].entry.dtype == TLEG_BF16;
    return found;
}

tleg_status tleg_graph_read(tleg_context *context, const tleg_file *file, tleg_file **named) {
    struct walk walk = {.context = context, .asked = file, .allocator = context->allocator};
    *named = NULL;
    walk.graph = tleg_file_graph(file, &walk.file);
    if (!walk.graph)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: not an ONNX file", tleg_file_label(file));
    walk.numbers_left = 2 * walk.graph->file_bytes + 65536;
    walk.tolerance = has_half(walk.graph) ? 4e-3 : 1e-5;
    const tleg_status status = walk_through(&walk, named);
    while (walk.memory) {
        struct block_memory *next = walk.memory->next;
        tleg_release(&walk.allocator, walk.memory, walk.memory->bytes);
        walk.memory = next;
    }
    return status;
}
