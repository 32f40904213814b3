/* The graph of a Vision Transformer in ONNX's operators (opset 17), the batch being dynamic. */
#include "onnx/private.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Fields of NodeProto and AttributeProto. */
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_FLOAT = 2, ATTRIBUTE_INTEGER = 3, ATTRIBUTE_INTEGERS = 8, ATTRIBUTE_TYPE = 20 };
enum { KIND_FLOAT = 1, KIND_INTEGER = 2, KIND_INTEGERS = 7 }; /* AttributeProto.AttributeType */

struct attribute {
    const char *name;
    int kind; /* 0: none */
    float real;
    int32_t count;
    int64_t integers[6];
};
enum { MOST_INPUTS = 4, MOST_OUTPUTS = 3, MOST_ATTRIBUTES = 2 };
struct node {
    const char *type;
    const char *in[MOST_INPUTS], *out[MOST_OUTPUTS];
    struct attribute attributes[MOST_ATTRIBUTES];
};

static struct attribute integer(const char *name, int64_t value) {
    return (struct attribute){.name = name, .kind = KIND_INTEGER, .integers = {value}};
}

/* Through `room`, a message that is free. */
static void put_attribute(struct tleg_message *to, const struct attribute *attribute, struct tleg_message *room) {
    struct tleg_message *message = tleg_message_start(room);
    tleg_put_text(message, ATTRIBUTE_NAME, attribute->name);
    if (attribute->kind == KIND_FLOAT)
        tleg_put_float(message, ATTRIBUTE_FLOAT, attribute->real);
    if (attribute->kind == KIND_INTEGER)
        tleg_put_integer(message, ATTRIBUTE_INTEGER, attribute->integers[0]);
    for (int32_t k = 0; attribute->kind == KIND_INTEGERS && k < attribute->count; k++)
        tleg_put_integer(message, ATTRIBUTE_INTEGERS, attribute->integers[k]);
    tleg_put_integer(message, ATTRIBUTE_TYPE, attribute->kind);
    tleg_put_message(to, NODE_ATTRIBUTE, message);
}

/* A node goes by the name of its first output. */
static void put(struct tleg_onnx_graph *graph, const struct node *node) {
    struct tleg_message *message = tleg_message_start(&graph->part[0]);
    for (int k = 0; k < MOST_INPUTS && node->in[k]; k++)
        tleg_put_text(message, NODE_INPUT, node->in[k]);
    for (int k = 0; k < MOST_OUTPUTS && node->out[k]; k++)
        tleg_put_text(message, NODE_OUTPUT, node->out[k]);
    tleg_put_text(message, NODE_NAME, node->out[0]);
    tleg_put_text(message, NODE_TYPE, node->type);
    for (int k = 0; k < MOST_ATTRIBUTES && node->attributes[k].kind; k++)
        put_attribute(message, &node->attributes[k], &graph->part[1]);
    tleg_put_message(&graph->nodes, GRAPH_NODE, message);
}

/* ---- small constants ---- */

static void constant(struct tleg_onnx_graph *graph, const char *name, int32_t type, int32_t rank, int64_t count,
                     const void *data, size_t bytes) {
    struct tleg_message *message = tleg_message_start(&graph->part[0]);
    if (rank > 0)
        tleg_put_integer(message, TENSOR_SHAPE, count);
    tleg_put_integer(message, TENSOR_TYPE, type);
    tleg_put_text(message, TENSOR_NAME, name);
    tleg_put_bytes(message, TENSOR_BYTES, data, bytes);
    tleg_put_message(&graph->nodes, GRAPH_INITIALIZER, message);
}

static void integers(struct tleg_onnx_graph *graph, const char *name, int64_t count, const int64_t *values) {
    constant(graph, name, TLEG_ONNX_INT64, 1, count, values, (size_t)count * sizeof *values);
}

/* A single number, of the type that is computed. */
static void number(struct tleg_onnx_graph *graph, const char *name, double value) {
    const float real = (float)value;
    uint16_t half;
    tleg_convert_from_f32(TLEG_F16, &real, &half, 1);
    if (graph->type == TLEG_ONNX_FLOAT16)
        constant(graph, name, graph->type, 0, 1, &half, sizeof half);
    else
        constant(graph, name, graph->type, 0, 1, &real, sizeof real);
}

/* Of each of a head's numbers that which is turned with it. */
static void put_partners(struct tleg_onnx_graph *graph, int64_t head) {
    struct tleg_message *message = tleg_message_start(&graph->part[0]);
    tleg_put_integer(message, TENSOR_SHAPE, head);
    tleg_put_integer(message, TENSOR_TYPE, TLEG_ONNX_INT64);
    tleg_put_text(message, TENSOR_NAME, "rotary.partners");
    tleg_put_head(message, TENSOR_BYTES, (uint64_t)head * sizeof(int64_t));
    for (int64_t k = 0; k < head; k++) {
        const int64_t partner = graph->config->rotary_halves ? (k + head / 2) % head : k ^ 1;
        tleg_put_raw(message, &partner, sizeof partner);
    }
    tleg_put_message(&graph->nodes, GRAPH_INITIALIZER, message);
}

static void put_pool_constants(struct tleg_onnx_graph *graph) {
    const tleg_config *c = graph->config;
    const int64_t heads = tleg_config_pool_heads(c), head = c->dim / heads;
    integers(graph, "attn_pool.to_heads", 4, (const int64_t[]){0, 0, heads, head});
    integers(graph, "attn_pool.from_heads", 2, (const int64_t[]){0, c->dim});
    integers(graph, "attn_pool.halves", 2, (const int64_t[]){c->dim, c->dim});
    number(graph, "attn_pool.scale", 1 / sqrt((double)head));
}

static void put_pixel_constants(struct tleg_onnx_graph *graph) {
    const tleg_config *c = graph->config;
    const struct tleg_extent grid = tleg_config_grid(c), patch = tleg_config_patch(c);
    const int64_t pixels = tleg_config_patch_numbers(c);
    integers(graph, "pixels.apart", 6, (const int64_t[]){0, c->channels, grid.height, patch.height, grid.width, patch.width});
    integers(graph, "pixels.to_rows", 3, (const int64_t[]){0, tleg_config_patches(c), pixels});
    integers(graph, "pixels.count", 1, &pixels);
    integers(graph, "pixels.to_matrix", 2, (const int64_t[]){c->dim, pixels});
    number(graph, "pixels.one", 1);
}

static void put_constants(struct tleg_onnx_graph *graph) {
    const tleg_config *c = graph->config;
    const int64_t dim = c->dim, attention = tleg_config_attention_dim(c), head = tleg_config_head(c);
    const float eps = (float)c->eps;
    if (c->pixel_norm)
        put_pixel_constants(graph);
    else
        integers(graph, "to_rows", 3, (const int64_t[]){0, dim, -1});
    integers(graph, "to_heads", 4, (const int64_t[]){0, 0, c->heads, head});
    integers(graph, "from_heads", 3, (const int64_t[]){0, 0, attention});
    integers(graph, "thirds", 3, (const int64_t[]){attention, attention, attention});
    if (c->gated)
        integers(graph, "halves", 2, (const int64_t[]){c->hidden, c->hidden});
    number(graph, "scale", 1 / sqrt((double)head));
    if (c->mlp == TLEG_MLP_GELU || c->mlp == TLEG_MLP_GELU_TANH || tleg_config_readouts(c) > 1 || c->pool == TLEG_POOL_MEAN_MAX)
        number(graph, "half", 0.5);
    if (c->rms)
        constant(graph, "eps", TLEG_ONNX_FLOAT, 0, 1, &eps, sizeof eps);
    if (c->rotary)
        put_partners(graph, head);
    if (tleg_config_has_attention_pool(c))
        put_pool_constants(graph);
    if (tleg_config_prefix(c))
        integers(graph, "ones", 2, (const int64_t[]){1, 1});
    if (c->pool != TLEG_POOL_CLS && tleg_config_first_pooled(c) > 0) {
        integers(graph, "first_patch", 1, (const int64_t[]){tleg_config_prefix(c)});
        integers(graph, "end", 1, (const int64_t[]){INT64_MAX});
        integers(graph, "token_axis", 1, (const int64_t[]){1});
    }
    const bool token_read = c->pool == TLEG_POOL_CLS || c->pool == TLEG_POOL_CLS_MEAN;
    for (int64_t token = 0; token_read && token < tleg_config_readouts(c); token++)
        constant(graph, token ? "second" : "first", TLEG_ONNX_INT64, 0, 1, &token, sizeof token);
    if (c->mlp == TLEG_MLP_GELU) {
        number(graph, "root_half", sqrt(0.5));
        number(graph, "one", 1);
    } else if (c->mlp == TLEG_MLP_QUICK_GELU) {
        number(graph, "steepness", 1.702);
    } else if (c->mlp == TLEG_MLP_GELU_TANH) {
        number(graph, "linear", sqrt(2 / acos(-1.0)));
        number(graph, "cubic", 0.044715 * sqrt(2 / acos(-1.0)));
        number(graph, "one", 1);
    }
}

/* ---- parts ---- */

enum { VALUE_TEXT = TLEG_NAME_TEXT };

/* "blocks.3.PART" */
static const char *in_block(int32_t layer, const char *part, char out[VALUE_TEXT]) {
    snprintf(out, VALUE_TEXT, "blocks.%d.%s", (int)layer, part);
    return out;
}

/* "PREFIX.PART", both far shorter than there is room for */
static const char *named(const char *prefix, const char *part, char out[VALUE_TEXT]) {
    snprintf(out, VALUE_TEXT, "%.64s.%.24s", prefix, part);
    return out;
}

static void two(struct tleg_onnx_graph *graph, const char *type, const char *a, const char *b, const char *out) {
    put(graph, &(struct node){.type = type, .in = {a, b}, .out = {out}});
}

/* out = x W^T + bias; the weight is stored transposed. */
static void linear(struct tleg_onnx_graph *graph, const char *x, const char *name, bool has_bias, const char *out) {
    char weight[VALUE_TEXT + 8], bias[VALUE_TEXT + 8], product[VALUE_TEXT + 16];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    snprintf(product, sizeof product, "%s.product", name);
    two(graph, "MatMul", x, weight, has_bias ? product : out);
    if (has_bias)
        two(graph, "Add", product, bias, out);
}

static void turn(struct tleg_onnx_graph *graph, const char *x, int32_t count, int64_t a, int64_t b, int64_t c, int64_t d,
                 const char *out) {
    put(graph,
        &(struct node){.type = "Transpose",
                       .in = {x},
                       .out = {out},
                       .attributes = {{.name = "perm", .kind = KIND_INTEGERS, .count = count, .integers = {a, b, c, d}}}});
}

static void cast(struct tleg_onnx_graph *graph, const char *x, int32_t type, const char *out) {
    put(graph, &(struct node){.type = "Cast", .in = {x}, .out = {out}, .attributes = {integer("to", type)}});
}

static void fold(struct tleg_onnx_graph *graph, const char *type, const char *x, int64_t axis, bool keep, const char *out) {
    const struct attribute axes = {.name = "axes", .kind = KIND_INTEGERS, .count = 1, .integers = {axis}};
    put(graph, &(struct node){.type = type, .in = {x}, .out = {out}, .attributes = {axes, integer("keepdims", keep)}});
}

static void mean(struct tleg_onnx_graph *graph, const char *x, int64_t axis, bool keep, const char *out) {
    fold(graph, "ReduceMean", x, axis, keep, out);
}

/* x / sqrt(mean(x^2) + eps) * weight; the root is that of f32, whose squares fit. */
static void rms_norm(struct tleg_onnx_graph *graph, const char *x, const char *name, const char *out) {
    static const char *const parts[] = {"wide", "squares", "mean", "shifted", "root", "quotient", "narrow", "weight"};
    enum { WIDE, SQUARES, MEAN, SHIFTED, ROOT, QUOTIENT, NARROW, WEIGHT, COUNT };
    const bool half = graph->type == TLEG_ONNX_FLOAT16;
    char text[COUNT][VALUE_TEXT];
    for (int k = 0; k < COUNT; k++)
        named(k == WEIGHT ? name : out, parts[k], text[k]); /* one norm may stand before two heads */
    if (half)
        cast(graph, x, TLEG_ONNX_FLOAT, text[WIDE]);
    const char *wide = half ? text[WIDE] : x;
    two(graph, "Mul", wide, wide, text[SQUARES]);
    mean(graph, text[SQUARES], -1, true, text[MEAN]);
    two(graph, "Add", text[MEAN], "eps", text[SHIFTED]);
    put(graph, &(struct node){.type = "Sqrt", .in = {text[SHIFTED]}, .out = {text[ROOT]}});
    two(graph, "Div", wide, text[ROOT], text[QUOTIENT]);
    if (half)
        cast(graph, text[QUOTIENT], graph->type, text[NARROW]);
    two(graph, "Mul", text[half ? NARROW : QUOTIENT], text[WEIGHT], out);
}

static void put_norm(struct tleg_onnx_graph *graph, const char *x, const char *name, const char *out) {
    char weight[VALUE_TEXT + 8], bias[VALUE_TEXT + 8];
    if (graph->config->rms) {
        rms_norm(graph, x, name, out);
        return;
    }
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias, sizeof bias, "%s.bias", name);
    put(graph, &(struct node){.type = "LayerNormalization",
                              .in = {x, weight, bias},
                              .out = {out},
                              .attributes = {integer("axis", -1),
                                             {.name = "epsilon", .kind = KIND_FLOAT, .real = (float)graph->config->eps}}});
}

/* images (B, C, height, width) -> out (B, P, D) */
static void convolve(struct tleg_onnx_graph *graph, const char *images, const char *out) {
    const tleg_config *c = graph->config;
    const struct tleg_extent patch = tleg_config_patch(c);
    put(graph,
        &(struct node){
            .type = "Conv",
            .in = {images, "patch_embed.proj.weight", c->no_patch_bias ? NULL : "patch_embed.proj.bias"},
            .out = {"patches"},
            .attributes = {{.name = "strides", .kind = KIND_INTEGERS, .count = 2, .integers = {patch.height, patch.width}}}});
    two(graph, "Reshape", "patches", "to_rows", "patches.columns");
    turn(graph, "patches.columns", 3, 0, 2, 1, 0, out);
}

/* The same, of patches whose pixels have been normed, by the kernel as a matrix. */
static void multiply_pixels(struct tleg_onnx_graph *graph, const char *images, const char *out) {
    const bool bias = !graph->config->no_patch_bias;
    two(graph, "Reshape", images, "pixels.apart", "pixels");
    put(graph,
        &(struct node){.type = "Transpose",
                       .in = {"pixels"},
                       .out = {"pixels.patches"},
                       .attributes = {{.name = "perm", .kind = KIND_INTEGERS, .count = 6, .integers = {0, 2, 4, 1, 3, 5}}}});
    two(graph, "Reshape", "pixels.patches", "pixels.to_rows", "pixels.rows");
    two(graph, "Expand", "pixels.one", "pixels.count", "pixels.ones");
    put(graph, &(struct node){.type = "LayerNormalization",
                              .in = {"pixels.rows", "pixels.ones"},
                              .out = {"pixels.normed"},
                              .attributes = {integer("axis", -1),
                                             {.name = "epsilon", .kind = KIND_FLOAT, .real = (float)graph->config->eps}}});
    two(graph, "Reshape", "patch_embed.proj.weight", "pixels.to_matrix", "pixels.matrix");
    turn(graph, "pixels.matrix", 2, 1, 0, 0, 0, "pixels.turned");
    two(graph, "MatMul", "pixels.normed", "pixels.turned", bias ? "patches" : out);
    if (bias)
        two(graph, "Add", "patches", "patch_embed.proj.bias", out);
}

/* images (B, C, height, width) -> patches (B, P, D); what they are called */
static const char *embed_patches(struct tleg_onnx_graph *graph) {
    const tleg_config *c = graph->config;
    const bool half = graph->type == TLEG_ONNX_FLOAT16;
    const char *x = "patches.rows", *images = half ? "images.half" : "images";
    if (half)
        cast(graph, "images", graph->type, images);
    if (c->pixel_norm)
        multiply_pixels(graph, images, x);
    else
        convolve(graph, images, x);
    if (c->patch_norm)
        put_norm(graph, x, "patch_embed.norm", "patches.normed");
    x = c->patch_norm ? "patches.normed" : x;
    if (!c->no_positions)
        two(graph, "Add", x, "places", "patches.placed");
    return c->no_positions ? x : "patches.placed";
}

/* images (B, C, height, width) -> what the first block reads (B, N, D) */
static const char *embed(struct tleg_onnx_graph *graph) {
    const char *x = embed_patches(graph);
    if (tleg_config_prefix(graph->config)) {
        put(graph,
            &(struct node){
                .type = "Shape", .in = {"images"}, .out = {"batch"}, .attributes = {integer("start", 0), integer("end", 1)}});
        put(graph, &(struct node){
                       .type = "Concat", .in = {"batch", "ones"}, .out = {"batch.shape"}, .attributes = {integer("axis", 0)}});
        two(graph, "Expand", "tokens", "batch.shape", "tokens.batch");
        put(graph, &(struct node){
                       .type = "Concat", .in = {"tokens.batch", x}, .out = {"sequence"}, .attributes = {integer("axis", 1)}});
        x = "sequence";
    }
    if (graph->config->norm_before)
        put_norm(graph, x, "norm_pre", "embedded");
    return graph->config->norm_before ? "embedded" : x;
}

/* GELU(x) = x (1 + erf(x / sqrt(2))) / 2, or (1 + tanh u) in its place, u = linear x + cubic x^3 */
static void gelu(struct tleg_onnx_graph *graph, const char *x, const char *name, const char *out) {
    char text[6][VALUE_TEXT + 16];
    static const char *const parts[] = {"inner", "curve", "shifted", "times", "square", "slope"};
    for (int k = 0; k < 6; k++)
        snprintf(text[k], sizeof text[k], "%s.%s", name, parts[k]);
    if (graph->config->mlp == TLEG_MLP_GELU) {
        two(graph, "Mul", x, "root_half", text[0]);
    } else {
        char cube[VALUE_TEXT + 16];
        snprintf(cube, sizeof cube, "%s.cube", name);
        two(graph, "Mul", x, x, text[4]);
        two(graph, "Mul", text[4], "cubic", cube);
        two(graph, "Add", cube, "linear", text[5]);
        two(graph, "Mul", x, text[5], text[0]);
    }
    put(graph, &(struct node){.type = graph->config->mlp == TLEG_MLP_GELU ? "Erf" : "Tanh", .in = {text[0]}, .out = {text[1]}});
    two(graph, "Add", text[1], "one", text[2]);
    two(graph, "Mul", x, text[2], text[3]);
    two(graph, "Mul", text[3], "half", out);
}

static void activation(struct tleg_onnx_graph *graph, const char *x, const char *name, const char *out) {
    char steep[VALUE_TEXT + 16], share[VALUE_TEXT + 16];
    const tleg_mlp_kind mlp = graph->config->mlp;
    snprintf(steep, sizeof steep, "%s.steep", name);
    snprintf(share, sizeof share, "%s.share", name);
    if (mlp == TLEG_MLP_GELU || mlp == TLEG_MLP_GELU_TANH) {
        gelu(graph, x, name, out);
    } else if (mlp == TLEG_MLP_RELU) {
        put(graph, &(struct node){.type = "Relu", .in = {x}, .out = {out}});
    } else { /* x sigmoid(s x) */
        if (mlp == TLEG_MLP_QUICK_GELU)
            two(graph, "Mul", x, "steepness", steep);
        put(graph, &(struct node){.type = "Sigmoid", .in = {mlp == TLEG_MLP_QUICK_GELU ? steep : x}, .out = {share}});
        two(graph, "Mul", x, share, out);
    }
}

/* out = x + ls * branch */
static void join(struct tleg_onnx_graph *graph, int32_t layer, const char *x, const char *branch, const char *gate,
                 const char *out) {
    char factors[VALUE_TEXT], scaled[VALUE_TEXT];
    in_block(layer, gate, factors);
    snprintf(scaled, sizeof scaled, "blocks.%d.%s.scaled", (int)layer, strcmp(gate, "ls1.gamma") == 0 ? "ls1" : "ls2");
    if (graph->config->layer_scale)
        two(graph, "Mul", branch, factors, scaled);
    two(graph, "Add", x, graph->config->layer_scale ? scaled : branch, out);
}

/* Queries or keys x (B, h, N, d), each patch's turned by its place: x cos + partners sin, the sines with the sign of what is
 * turned; tokens before the patches stay as they are. */
static void rotate(struct tleg_onnx_graph *graph, const char *x, const char *name, const char *out) {
    char partners[VALUE_TEXT], along[VALUE_TEXT], across[VALUE_TEXT];
    put(graph, &(struct node){.type = "Gather",
                              .in = {x, "rotary.partners"},
                              .out = {named(name, "partners", partners)},
                              .attributes = {integer("axis", -1)}});
    two(graph, "Mul", x, "rotary.cosines", named(name, "along", along));
    two(graph, "Mul", partners, "rotary.sines", named(name, "across", across));
    two(graph, "Add", along, across, out);
}

enum { Q, K, V, KINDS };

/* What attention reads: q, k and v (B, N, D), those from `first` on split of `whole` (B, N, their widths). */
static void split(struct tleg_onnx_graph *graph, const char *whole, int first, const char *sizes,
                  char flat[KINDS][VALUE_TEXT]) {
    struct node node = {.type = "Split", .in = {whole, sizes}, .attributes = {integer("axis", -1)}};
    for (int k = first; k < KINDS; k++)
        node.out[k - first] = flat[k];
    put(graph, &node);
}

/* softmax(q k^T / sqrt(d)) v of every head; q, k and v (B, N, D), each of its own N -> rows (B, N of q, h, d); constants of the
 * heads begin with `shapes`. */
static void attention(struct tleg_onnx_graph *graph, const char *prefix, const char *shapes, char flat[KINDS][VALUE_TEXT],
                      bool rotary, const char *out) {
    static const char *const steps[] = {"q.scaled", "scores", "shares", "mixed", "rows", "k.columns"};
    enum { SCALED, SCORES, SHARES, MIXED, ROWS, COLUMNS, STEPS };
    char apart[VALUE_TEXT], heads[KINDS][VALUE_TEXT], turned[VALUE_TEXT], text[STEPS][VALUE_TEXT], to_heads[VALUE_TEXT],
        from_heads[VALUE_TEXT], scale[VALUE_TEXT];
    snprintf(to_heads, sizeof to_heads, "%sto_heads", shapes);
    snprintf(from_heads, sizeof from_heads, "%sfrom_heads", shapes);
    snprintf(scale, sizeof scale, "%sscale", shapes);
    for (int k = 0; k < STEPS; k++)
        named(prefix, steps[k], text[k]);
    for (int k = 0; k < KINDS; k++) {
        two(graph, "Reshape", flat[k], to_heads, named(flat[k], "apart", apart));
        named(flat[k], "heads", heads[k]);
        if (k == K && !rotary)
            turn(graph, apart, 4, 0, 2, 3, 1, heads[k]);
        else
            turn(graph, apart, 4, 0, 2, 1, 3, heads[k]);
        if (k == V || !rotary)
            continue;
        rotate(graph, heads[k], flat[k], named(flat[k], "turned", turned));
        memcpy(heads[k], turned, sizeof turned);
    }
    if (rotary)
        turn(graph, heads[K], 4, 0, 1, 3, 2, text[COLUMNS]);
    two(graph, "Mul", heads[Q], scale, text[SCALED]);
    two(graph, "MatMul", text[SCALED], rotary ? text[COLUMNS] : heads[K], text[SCORES]);
    put(graph,
        &(struct node){.type = "Softmax", .in = {text[SCORES]}, .out = {text[SHARES]}, .attributes = {integer("axis", -1)}});
    two(graph, "MatMul", text[SHARES], heads[V], text[MIXED]);
    turn(graph, text[MIXED], 4, 0, 2, 1, 3, text[ROWS]);
    two(graph, "Reshape", text[ROWS], from_heads, out);
}

/* The norms of queries and keys, where the block has them; of each head's numbers, they stay (B, N, heads, d). */
static void norm_heads(struct tleg_onnx_graph *graph, int32_t layer, char flat[KINDS][VALUE_TEXT]) {
    char name[VALUE_TEXT], apart[VALUE_TEXT], normed[VALUE_TEXT];
    for (int k = Q; k <= K && graph->config->qk_norm; k++) {
        const bool heads = graph->config->qk_norm == TLEG_QK_NORM_HEAD;
        if (heads)
            two(graph, "Reshape", flat[k], "to_heads", named(flat[k], "unnormed", apart));
        put_norm(graph, heads ? apart : flat[k], in_block(layer, k == Q ? "attn.q_norm" : "attn.k_norm", name),
                 named(flat[k], "normed", normed));
        memcpy(flat[k], normed, sizeof normed);
    }
}

/* qkv (B, N, 3A) -> (B, N, A) */
static void block_attention(struct tleg_onnx_graph *graph, int32_t layer, const char *qkv, const char *out) {
    char prefix[VALUE_TEXT], flat[KINDS][VALUE_TEXT];
    static const char *const parts[] = {"attn.q", "attn.k", "attn.v"};
    for (int k = 0; k < KINDS; k++)
        in_block(layer, parts[k], flat[k]);
    split(graph, qkv, Q, "thirds", flat);
    norm_heads(graph, layer, flat);
    attention(graph, in_block(layer, "attn", prefix), "", flat, graph->config->rotary != 0, out);
}

enum block_part { NORM1, QKV, MIXED, MIXED_NORM, PROJ, MIDDLE, NORM2, FC1, GATE, VALUE, ACT, GATED, HIDDEN_NORM, FC2, PARTS };
struct block {
    int32_t layer;
    char name[PARTS][VALUE_TEXT], value[PARTS][VALUE_TEXT]; /* of a part, and of what it gives */
};

/* A norm of what `from` gave, if it is there; the part that gives what is read then. */
static enum block_part normed(struct tleg_onnx_graph *graph, struct block *b, bool present, enum block_part from,
                              enum block_part norm) {
    if (present)
        put_norm(graph, b->value[from], b->name[norm], b->value[norm]);
    return present ? norm : from;
}

/* act(fc1(x)), or act(the first half of it) times the second; the part that gives it */
static enum block_part hidden(struct tleg_onnx_graph *graph, struct block *b, const char *x) {
    const bool gated = graph->config->gated;
    linear(graph, x, b->name[FC1], !graph->config->no_mlp_bias, b->value[FC1]);
    if (gated)
        put(graph, &(struct node){.type = "Split",
                                  .in = {b->value[FC1], "halves"},
                                  .out = {b->value[GATE], b->value[VALUE]},
                                  .attributes = {integer("axis", -1)}});
    activation(graph, b->value[gated ? GATE : FC1], b->name[ACT], b->value[ACT]);
    if (gated)
        two(graph, "Mul", b->value[ACT], b->value[VALUE], b->value[GATED]);
    return gated ? GATED : ACT;
}

/* out = x and its branch, which `from` gave, with the norm of the branch or of the sum where the model has it */
static void end_half(struct tleg_onnx_graph *graph, struct block *b, const char *x, enum block_part from, enum block_part norm,
                     const char *gate, const char *out) {
    const bool sums = graph->config->norm_after == 2;
    char sum[VALUE_TEXT + sizeof ".sum"];
    snprintf(sum, sizeof sum, "%s.sum", b->name[norm]);
    join(graph, b->layer, x, b->value[normed(graph, b, graph->config->norm_after == 1, from, norm)], gate, sums ? sum : out);
    if (sums)
        put_norm(graph, sum, b->name[norm], out);
}

static void block(struct tleg_onnx_graph *graph, int32_t layer, const char *x, const char *out) {
    static const char *const parts[] = {"norm1",   "attn.qkv", "attn.out",  "attn.norm", "attn.proj", "middle",   "norm2",
                                        "mlp.fc1", "mlp.gate", "mlp.value", "mlp.act",   "mlp.gated", "mlp.norm", "mlp.fc2"};
    const tleg_config *c = graph->config;
    const bool before = c->norm_after == 0;
    struct block b = {.layer = layer};
    for (int k = 0; k < PARTS; k++) {
        in_block(layer, parts[k], b.name[k]);
        snprintf(b.value[k], sizeof b.value[k], "blocks.%d.%s.y", (int)layer, parts[k]);
    }
    if (before)
        put_norm(graph, x, b.name[NORM1], b.value[NORM1]);
    linear(graph, before ? b.value[NORM1] : x, b.name[QKV], !c->no_qkv_bias, b.value[QKV]);
    block_attention(graph, layer, b.value[QKV], b.value[MIXED]);
    linear(graph, b.value[normed(graph, &b, c->attention_norm, MIXED, MIXED_NORM)], b.name[PROJ], !c->no_proj_bias,
           b.value[PROJ]);
    end_half(graph, &b, x, PROJ, NORM1, "ls1.gamma", b.value[MIDDLE]);
    const enum block_part read = normed(graph, &b, before, MIDDLE, NORM2), made = hidden(graph, &b, b.value[read]);
    linear(graph, b.value[normed(graph, &b, c->mlp_norm, made, HIDDEN_NORM)], b.name[FC2], !c->no_mlp_bias, b.value[FC2]);
    end_half(graph, &b, b.value[MIDDLE], FC2, NORM2, "ls2.gamma", out);
}

/* What one learned query reads of x (B, N, D), o, and o + mlp(norm(o)): `out` (B, D) */
static void attention_pool(struct tleg_onnx_graph *graph, const char *x, const char *out) {
    char flat[KINDS][VALUE_TEXT] = {"attn_pool.q.y", "attn_pool.k", "attn_pool.v"};
    linear(graph, "attn_pool.latent", "attn_pool.q", true, flat[Q]);
    linear(graph, x, "attn_pool.kv", true, "attn_pool.kv.y");
    split(graph, "attn_pool.kv.y", K, "attn_pool.halves", flat);
    attention(graph, "attn_pool", "attn_pool.", flat, false, "attn_pool.out");
    linear(graph, "attn_pool.out", "attn_pool.proj", true, "attn_pool.proj.y");
    put_norm(graph, "attn_pool.proj.y", "attn_pool.norm", "attn_pool.norm.y");
    linear(graph, "attn_pool.norm.y", "attn_pool.mlp.fc1", true, "attn_pool.mlp.fc1.y");
    activation(graph, "attn_pool.mlp.fc1.y", "attn_pool.mlp.act", "attn_pool.mlp.act.y");
    linear(graph, "attn_pool.mlp.act.y", "attn_pool.mlp.fc2", true, "attn_pool.mlp.fc2.y");
    two(graph, "Add", "attn_pool.proj.y", "attn_pool.mlp.fc2.y", out);
}

/* x (B, N, D) -> its patches alone */
static const char *patches_of(struct tleg_onnx_graph *graph, const char *x) {
    put(graph, &(struct node){.type = "Slice", .in = {x, "first_patch", "end", "token_axis"}, .out = {"pooled.rows"}});
    return "pooled.rows";
}

static void gather(struct tleg_onnx_graph *graph, const char *x, const char *token, const char *out) {
    put(graph, &(struct node){.type = "Gather", .in = {x, token}, .out = {out}, .attributes = {integer("axis", 1)}});
}

/* patches (B, P, D) -> one row each, `out` (B, D) */
static void reduce(struct tleg_onnx_graph *graph, const char *patches, const char *out) {
    const tleg_pool_kind pool = graph->config->pool;
    const bool both = pool == TLEG_POOL_MEAN_MAX;
    if (pool != TLEG_POOL_MAX)
        mean(graph, patches, 1, false, both ? "pooled.means" : out);
    if (both || pool == TLEG_POOL_MAX)
        fold(graph, "ReduceMax", patches, 1, false, both ? "pooled.largest" : out);
    if (both)
        two(graph, "Add", "pooled.means", "pooled.largest", "pooled.sum");
    if (both)
        two(graph, "Mul", "pooled.sum", "half", out);
}

/* x (B, N, D) -> what a head reads, `out` (B, D) or (B, 2D) */
static void pool(struct tleg_onnx_graph *graph, const char *x, int which, const char *out) {
    const tleg_config *c = graph->config;
    const bool before = c->norm == TLEG_NORM_BEFORE_POOL && !c->no_norm, after = !before && !c->no_norm;
    const char *const token = c->no_norm ? out : which ? "token.second" : "token.first";
    if (c->pool == TLEG_POOL_CLS) {
        gather(graph, x, which ? "second" : "first", token);
        if (!c->no_norm)
            put_norm(graph, token, after ? "fc_norm" : "norm", out);
        return;
    }
    const bool joined = c->pool == TLEG_POOL_CLS_MEAN;
    if (tleg_config_first_pooled(c) > 0 && !joined)
        x = patches_of(graph, x);
    if (before)
        put_norm(graph, x, "norm", "pooled.normed");
    x = before ? "pooled.normed" : x;
    if (tleg_config_has_attention_pool(c))
        attention_pool(graph, x, out);
    else
        reduce(graph, joined ? patches_of(graph, x) : x, after || joined ? "pooled.mean" : out);
    if (joined) {
        gather(graph, x, "first", "token.first");
        put(graph,
            &(struct node){
                .type = "Concat", .in = {"token.first", "pooled.mean"}, .out = {out}, .attributes = {integer("axis", -1)}});
    }
    if (after)
        put_norm(graph, "pooled.mean", "fc_norm", out);
}

static void read_out(struct tleg_onnx_graph *graph, const char *features, const char *weight, const char *bias,
                     const char *out) {
    put(graph,
        &(struct node){.type = "Gemm", .in = {features, weight, bias}, .out = {out}, .attributes = {integer("transB", 1)}});
}

/* The mean of what both heads read, or say. */
static void average(struct tleg_onnx_graph *graph, const char *a, const char *b, const char *sum, const char *out) {
    two(graph, "Add", a, b, sum);
    two(graph, "Mul", sum, "half", out);
}

static void put_ends(struct tleg_onnx_graph *graph, const char *x) {
    const tleg_config *c = graph->config;
    const bool half = graph->type == TLEG_ONNX_FLOAT16, both = tleg_config_readouts(c) > 1;
    const char *features = half ? "features.half" : "features", *logits = half ? "logits.half" : "logits";
    pool(graph, x, 0, c->representation ? "pooled" : both ? "features.first" : features);
    if (c->representation) {
        read_out(graph, "pooled", "pre_logits.weight", "pre_logits.bias", "represented");
        put(graph, &(struct node){.type = "Tanh", .in = {"represented"}, .out = {features}});
    }
    if (both) {
        pool(graph, x, 1, "features.second");
        average(graph, "features.first", "features.second", "features.sum", features);
    }
    if (c->classes)
        read_out(graph, both ? "features.first" : features, "head.weight", c->no_head_bias ? NULL : "head.bias",
                 both ? "logits.first" : logits);
    if (c->classes && both) {
        read_out(graph, "features.second", "head_dist.weight", c->no_head_bias ? NULL : "head_dist.bias", "logits.second");
        average(graph, "logits.first", "logits.second", "logits.sum", logits);
    }
    if (half)
        cast(graph, features, TLEG_ONNX_FLOAT, "features");
    if (half && c->classes)
        cast(graph, logits, TLEG_ONNX_FLOAT, "logits");
}

/* ---- inputs and outputs ---- */

/* f32 ("batch", and `count` sizes). */
static void put_value(struct tleg_onnx_graph *graph, int field, const char *name, int32_t count, const int64_t *sizes) {
    enum { VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1, TENSOR_ELEMENT = 1, TENSOR_DIMS = 2, DIM = 1, SIZE = 1, WORD = 2 };
    struct tleg_message *dims = tleg_message_start(&graph->part[0]), *tensor = tleg_message_start(&graph->part[1]),
                        *type = tleg_message_start(&graph->part[2]), *value = tleg_message_start(&graph->part[3]);
    for (int32_t k = -1; k < count; k++) {
        struct tleg_message *dim = tleg_message_start(&graph->part[4]);
        if (k < 0)
            tleg_put_text(dim, WORD, "batch");
        else
            tleg_put_integer(dim, SIZE, sizes[k]);
        tleg_put_message(dims, DIM, dim);
    }
    tleg_put_integer(tensor, TENSOR_ELEMENT, TLEG_ONNX_FLOAT);
    tleg_put_message(tensor, TENSOR_DIMS, dims);
    tleg_put_message(type, TYPE_TENSOR, tensor);
    tleg_put_text(value, VALUE_NAME, name);
    tleg_put_message(value, VALUE_TYPE, type);
    tleg_put_message(&graph->nodes, field, value);
}

void tleg_onnx_graph(struct tleg_onnx_graph *graph) {
    const tleg_config *c = graph->config;
    const struct tleg_extent pixels = tleg_config_pixels(c);
    const int64_t image[] = {c->channels, pixels.height, pixels.width}, classes = c->classes,
                  features = tleg_config_features(c);
    char x[VALUE_TEXT], next[VALUE_TEXT];
    for (int k = 0; k < TLEG_ONNX_NESTED; k++)
        graph->part[k].allocator = graph->nodes.allocator;
    tleg_put_text(&graph->nodes, GRAPH_NAME, "vision_transformer");
    put_constants(graph);
    snprintf(x, sizeof x, "%s", embed(graph));
    for (int32_t layer = 0; layer < c->depth; layer++) {
        in_block(layer, "out", next);
        block(graph, layer, x, next);
        memcpy(x, next, sizeof x);
    }
    put_ends(graph, x);
    put_value(graph, GRAPH_INPUT, "images", 3, image);
    if (c->classes)
        put_value(graph, GRAPH_OUTPUT, "logits", 1, &classes);
    put_value(graph, GRAPH_OUTPUT, "features", 1, &features);
    for (int k = 0; k < TLEG_ONNX_NESTED; k++)
        tleg_message_free(&graph->part[k]);
}
