/* A model's file in ONNX's format: a graph, then the weights, read from the model one by one as they are written. */
#include "onnx/private.h"
#include "vit/read/read.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Fields of ModelProto, OperatorSetIdProto and StringStringEntryProto. */
enum {
    MODEL_VERSION = 1,
    MODEL_PRODUCER = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_METADATA = 14
};
enum { OPSET_VERSION = 2, PAIR_KEY = 1, PAIR_VALUE = 2 };
enum { FORMAT_VERSION = 8, OPSET = 17 }; /* both of ONNX 1.12 */

struct export {
    tleg_context *context;
    const tleg_model *model;
    int32_t dtype; /* TLEG_F32 or TLEG_F16 */
    struct tleg_onnx_weight *weights;
    int64_t count;
    size_t weight_bytes;
    float *scratch; /* three times `largest` floats: packed, row-major, as it is written */
    size_t largest;
    struct tleg_message tensor, head; /* what comes before a weight's numbers, while it is made */
    struct tleg_replacement *file;
    uint64_t at, length; /* of the file */
};

/* ---- which weights there are ---- */

static void copy_shape(struct tleg_onnx_weight *weight, int32_t rank, const int64_t shape[4]) {
    weight->rank = rank;
    memcpy(weight->shape, shape, sizeof weight->shape);
}

/* (1, rows, columns) */
static void add_made(struct export *x, const char *name, enum tleg_onnx_form form, int64_t rows, int64_t columns) {
    struct tleg_onnx_weight *weight = &x->weights[x->count++];
    *weight = (struct tleg_onnx_weight){.form = form};
    snprintf(weight->name, sizeof weight->name, "%s", name);
    copy_shape(weight, 3, (const int64_t[4]){1, rows, columns, 0});
}

/* Tokens and positions go as "tokens" and "places". */
static bool is_plain(const struct tleg_model_entry *entry) {
    return entry->layer >= 0 || (entry->slot != TLEG_SLOT_CLS_TOKEN && entry->slot != TLEG_SLOT_DIST_TOKEN &&
                                 entry->slot != TLEG_SLOT_REG_TOKEN && entry->slot != TLEG_SLOT_POS_EMBED);
}

static void add_entry(struct export *x, const struct tleg_model_entry *entry) {
    struct tleg_onnx_weight *weight = &x->weights[x->count++];
    const bool pool = entry->slot >= TLEG_SLOT_POOL_LATENT && entry->slot <= TLEG_SLOT_POOL_LAST;
    const bool matrix = (entry->layer >= 0 || pool) && entry->spec.rank == 2;
    *weight = (struct tleg_onnx_weight){.form = matrix ? TLEG_ONNX_TRANSPOSED : TLEG_ONNX_PLAIN, .entry = *entry};
    snprintf(weight->name, sizeof weight->name, "%s", entry->name);
    copy_shape(weight, entry->spec.rank, entry->spec.shape);
    if (matrix) {
        weight->shape[0] = entry->spec.shape[1];
        weight->shape[1] = entry->spec.shape[0];
    }
}

static tleg_status list_weights(struct export *x) {
    const tleg_config *c = &x->model->config.c;
    const int64_t tensors = tleg_model_count(x->model), head = tleg_config_head(c);
    if (!tleg_size_mul((size_t)tensors + 4, sizeof *x->weights, &x->weight_bytes))
        return tleg_fail_memory(x->context, "a list of weights", SIZE_MAX);
    x->weights = tleg_alloc(&x->context->allocator, x->weight_bytes);
    if (!x->weights)
        return tleg_fail_memory(x->context, "a list of weights", x->weight_bytes);
    if (tleg_config_prefix(c))
        add_made(x, "tokens", TLEG_ONNX_TOKENS, tleg_config_prefix(c), c->dim);
    if (!c->no_positions)
        add_made(x, "places", TLEG_ONNX_PLACES, tleg_config_patches(c), c->dim);
    if (c->rotary) {
        add_made(x, "rotary.cosines", TLEG_ONNX_COSINES, tleg_config_tokens(c), head);
        add_made(x, "rotary.sines", TLEG_ONNX_SINES, tleg_config_tokens(c), head);
    }
    for (int64_t i = 0; i < tensors; i++) {
        struct tleg_model_entry entry;
        tleg_model_entry(x->model, i, &entry);
        if (is_plain(&entry))
            add_entry(x, &entry);
    }
    return TLEG_OK;
}

/* ---- their numbers ---- */

static size_t count_of(const struct tleg_onnx_weight *weight) {
    size_t count = 0;
    tleg_size_product(weight->shape, weight->rank, &count);
    return count;
}

/* (n, k) to (k, n) */
static void transpose(int64_t n, int64_t k, const float *in, float *out) {
    for (int64_t row = 0; row < n; row++)
        for (int64_t column = 0; column < k; column++)
            out[column * n + row] = in[row * k + column];
}

/* Rotary positions (N, d): tokens before the patches are turned by 0; the first of a pair has its sine with a minus. */
static void fill_angles(const struct export *x, bool sines, float *out) {
    const tleg_config *c = &x->model->config.c;
    const struct tleg_extent grid = tleg_config_grid(c);
    const int32_t prefix = tleg_config_prefix(c), head = tleg_config_head(c), pairs = head / 2;
    for (int32_t row = 0; row < tleg_config_tokens(c); row++)
        for (int32_t k = 0; k < head; k++) {
            const int32_t pair = c->rotary_halves ? k % pairs : k / 2, patch = row < prefix ? 0 : row - prefix;
            const bool second = c->rotary_halves ? k >= pairs : k % 2, column = (pair >= pairs / 2) != (c->rotary_x_first != 0);
            const float *angles =
                x->model->outer.angles + (column ? grid.height + patch % grid.width : patch / grid.width) * pairs;
            const float found = row < prefix ? (float)!sines : angles[pair % (pairs / 2) + (sines ? pairs / 2 : 0)];
            out[(int64_t)row * head + k] = sines && !second ? -found : found;
        }
}

/* Where they lie, as f32. */
static const float *numbers_of(const struct export *x, const struct tleg_onnx_weight *weight) {
    float *packed = x->scratch, *plain = packed + x->largest, *turned = plain + x->largest;
    const tleg_config *c = &x->model->config.c;
    switch (weight->form) {
    case TLEG_ONNX_TOKENS:
        tleg_embed_tokens(c, &x->model->outer, plain);
        return plain;
    case TLEG_ONNX_PLACES:
        return x->model->outer.pos + (size_t)tleg_config_placed(c) * (size_t)c->dim;
    case TLEG_ONNX_COSINES:
    case TLEG_ONNX_SINES:
        fill_angles(x, weight->form == TLEG_ONNX_SINES, plain);
        return plain;
    case TLEG_ONNX_TRANSPOSED:
        tleg_model_get(x->model, &weight->entry, packed, plain);
        transpose(weight->shape[1], weight->shape[0], plain, turned);
        return turned;
    case TLEG_ONNX_PLAIN:
    default:
        tleg_model_get(x->model, &weight->entry, packed, plain);
        return plain;
    }
}

static tleg_status make_scratch(struct export *x) {
    size_t bytes;
    x->largest = tleg_model_scratch(x->model);
    for (int64_t i = 0; i < x->count; i++)
        x->largest = count_of(&x->weights[i]) > x->largest ? count_of(&x->weights[i]) : x->largest;
    if (!tleg_size_mul(x->largest, 3 * sizeof(float), &bytes))
        return tleg_fail_memory(x->context, "a model's numbers", SIZE_MAX);
    x->scratch = tleg_alloc(&x->context->allocator, bytes);
    return x->scratch ? TLEG_OK : tleg_fail_memory(x->context, "a model's numbers", bytes);
}

/* ---- messages ---- */

static uint64_t bytes_of(const struct export *x, const struct tleg_onnx_weight *weight) {
    return (uint64_t)count_of(weight) * tleg_dtype_size(x->dtype);
}

/* All of its TensorProto but the numbers, which come last. */
static void describe(const struct export *x, const struct tleg_onnx_weight *weight, struct tleg_message *message) {
    for (int32_t k = 0; k < weight->rank; k++)
        tleg_put_integer(message, TENSOR_SHAPE, weight->shape[k]);
    tleg_put_integer(message, TENSOR_TYPE, x->dtype == TLEG_F16 ? TLEG_ONNX_FLOAT16 : TLEG_ONNX_FLOAT);
    tleg_put_text(message, TENSOR_NAME, weight->name);
    tleg_put_head(message, TENSOR_BYTES, bytes_of(x, weight));
}

/* Makes x->head: the field of the graph that holds it, up to its numbers. */
static void make_head(struct export *x, const struct tleg_onnx_weight *weight) {
    describe(x, weight, tleg_message_start(&x->tensor));
    tleg_message_start(&x->head);
    tleg_put_head(&x->head, GRAPH_INITIALIZER, x->tensor.length + bytes_of(x, weight));
    tleg_put_raw(&x->head, x->tensor.data, x->tensor.length);
    x->head.full = x->head.full || x->tensor.full;
}

/* The graph's length with the weights. */
static tleg_status measure(struct export *x, const struct tleg_message *nodes) {
    x->length = nodes->length;
    for (int64_t i = 0; i < x->count; i++) {
        make_head(x, &x->weights[i]);
        x->length += x->head.length + bytes_of(x, &x->weights[i]);
    }
    return nodes->full || x->head.full ? tleg_fail_memory(x->context, "an ONNX file", nodes->length) : TLEG_OK;
}

/* Everything that comes before the graph. */
static void put_start(const struct tleg_metadata *metadata, uint64_t graph, struct tleg_message *out) {
    struct tleg_message inner = {.allocator = out->allocator};
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", TLEG_VERSION_MAJOR, TLEG_VERSION_MINOR, TLEG_VERSION_PATCH);
    tleg_put_integer(out, MODEL_VERSION, FORMAT_VERSION);
    tleg_put_text(out, MODEL_PRODUCER, "libtleg");
    tleg_put_text(out, MODEL_PRODUCER_VERSION, version);
    tleg_put_integer(&inner, OPSET_VERSION, OPSET);
    tleg_put_message(out, MODEL_OPSET, &inner);
    for (int64_t k = 0; k < metadata->count; k++) {
        tleg_message_start(&inner);
        tleg_put_text(&inner, PAIR_KEY, metadata->pairs[k].key);
        tleg_put_text(&inner, PAIR_VALUE, metadata->pairs[k].value);
        tleg_put_message(out, MODEL_METADATA, &inner);
    }
    tleg_message_free(&inner);
    tleg_put_head(out, MODEL_GRAPH, graph);
}

/* The graph's length becomes the file's. */
static tleg_status make_start(struct export *x, const struct tleg_save_options *options, struct tleg_message *out) {
    struct tleg_metadata metadata;
    tleg_status status = tleg_config_metadata(x->context, &x->model->config, false, options, &metadata);
    if (status != TLEG_OK)
        return status;
    status = tleg_pairs_check(x->context, metadata.pairs, metadata.count);
    if (status == TLEG_OK)
        put_start(&metadata, x->length, out);
    tleg_metadata_free(&metadata);
    x->length += out->length;
    if (status == TLEG_OK && x->length > INT32_MAX)
        return tleg_fail(x->context, TLEG_ERROR_UNSUPPORTED,
                         "an ONNX file of %llu bytes: protobuf holds less than 2 GiB; f16 takes half of that of f32",
                         (unsigned long long)x->length);
    return status;
}

/* ---- writing ---- */

static tleg_status append(struct export *x, const void *data, size_t bytes) {
    tleg_status status = TLEG_OK;
    for (size_t done = 0; done < bytes && status == TLEG_OK; done += TLEG_WRITE_PIECE) {
        const size_t piece = bytes - done < TLEG_WRITE_PIECE ? bytes - done : TLEG_WRITE_PIECE;
        status = tleg_replacement_write(x->context, x->file, x->at + done, piece, (const char *)data + done);
        if (status == TLEG_OK)
            status = tleg_work_step(x->context, piece);
    }
    x->at += bytes;
    return status;
}

static tleg_status append_message(struct export *x, const struct tleg_message *message) {
    return message->full ? tleg_fail_memory(x->context, "an ONNX file", message->length)
                         : append(x, message->data, message->length);
}

static tleg_status write_weight(struct export *x, const struct tleg_onnx_weight *weight) {
    make_head(x, weight);
    const tleg_status status = append_message(x, &x->head);
    if (status != TLEG_OK)
        return status;
    const float *numbers = numbers_of(x, weight);
    const size_t count = count_of(weight);
    if (x->dtype == TLEG_F32)
        return append(x, numbers, count * sizeof(float));
    const tleg_status range = tleg_check_range(x->context, TLEG_F16, weight->name, 0, numbers, count);
    if (range != TLEG_OK)
        return range;
    tleg_convert_from_f32(TLEG_F16, numbers, x->scratch, count); /* what was packed is not needed any more */
    return append(x, x->scratch, count * sizeof(uint16_t));
}

static tleg_status write_file(struct export *x, const char *path, const tleg_save_options *options,
                              const struct tleg_message *nodes, const struct tleg_message *start) {
    tleg_status status = tleg_replacement_create(x->context, path, &x->file);
    if (status == TLEG_OK)
        status = tleg_work_begin(x->context, "save", x->length);
    if (status == TLEG_OK)
        status = append_message(x, start);
    if (status == TLEG_OK)
        status = append_message(x, nodes);
    for (int64_t i = 0; i < x->count && status == TLEG_OK; i++)
        status = write_weight(x, &x->weights[i]);
    if (status == TLEG_OK)
        status = tleg_replacement_commit(x->context, x->file, !(options->flags & TLEG_SAVE_NO_SYNC));
    tleg_replacement_free(x->file);
    return tleg_work_end(x->context, status);
}

static tleg_status export_model(struct export *x, const char *path, const tleg_save_options *options) {
    const struct tleg_allocator *allocator = &x->context->allocator;
    struct tleg_onnx_graph graph = {.config = &x->model->config.c,
                                    .type = x->dtype == TLEG_F16 ? TLEG_ONNX_FLOAT16 : TLEG_ONNX_FLOAT,
                                    .nodes = {.allocator = allocator}};
    struct tleg_message start = {.allocator = allocator};
    tleg_status status = list_weights(x);
    if (status == TLEG_OK)
        status = make_scratch(x);
    if (status == TLEG_OK) {
        tleg_onnx_graph(&graph);
        status = measure(x, &graph.nodes);
    }
    if (status == TLEG_OK)
        status = make_start(x, options, &start);
    if (status == TLEG_OK)
        status = write_file(x, path, options, &graph.nodes, &start);
    struct tleg_message *const made[] = {&start, &graph.nodes, &x->tensor, &x->head};
    for (size_t k = 0; k < sizeof made / sizeof *made; k++)
        tleg_message_free(made[k]);
    tleg_release(allocator, x->scratch, 3 * x->largest * sizeof(float));
    tleg_release(allocator, x->weights, x->weight_bytes);
    return status;
}

TLEG_API tleg_status TLEG_CALL tleg_model_export_onnx(tleg_context *context, const tleg_model *model, const char *path,
                                                      const tleg_save_options *options) {
    if (!context || !model || !path)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_model_export_onnx: a pointer is NULL");
    tleg_save_options own;
    const tleg_status status = tleg_save_options_read(context, options, true, &own);
    if (status != TLEG_OK)
        return status;
    if (own.dtype != 0 && own.dtype != TLEG_F32 && own.dtype != TLEG_F16)
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                         "tleg_save_options.dtype: an ONNX file is of F32 or F16: expected 0 or one of them, found %d",
                         (int)own.dtype);
    const tleg_config *c = &model->config.c;
    if (tleg_config_draws(c))
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                         "an ONNX file: expected a classifier, found a generator (a Diffusion Transformer), which this version "
                         "knows no way to write");
    if (c->pixel_norm && tleg_config_patches(c) * tleg_config_patch_numbers(c) != tleg_config_image(c))
        return tleg_fail(
            context, TLEG_ERROR_UNSUPPORTED,
            "an ONNX file: expected pictures of whole patches where pixels are normed, found some pixels left over");
    const struct tleg_message empty = {.allocator = &context->allocator};
    struct export x = {
        .context = context, .model = model, .dtype = own.dtype ? own.dtype : TLEG_F32, .tensor = empty, .head = empty};
    return export_model(&x, path, &own);
}
