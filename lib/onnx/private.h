/* ONNX files from inside: protobuf messages, the graph of a Vision Transformer, and its weights. */
#ifndef TLEG_LIB_ONNX_PRIVATE_H
#define TLEG_LIB_ONNX_PRIVATE_H

#include "vit/handle/handle.h"
#include <tleg/onnx.h>

/* ---- protobuf (protobuf.c): what is written, in memory that grows ---- */
struct tleg_message {
    const struct tleg_allocator *allocator;
    unsigned char *data;
    size_t length, room;
    bool full; /* memory was wanting: nothing is added any more */
};
void tleg_message_free(struct tleg_message *message);
/* Begins anew in the same memory. */
static inline struct tleg_message *tleg_message_start(struct tleg_message *message) {
    message->length = 0;
    return message;
}
/* A field of a message: a whole number, a float, a text, bytes, or another message. */
void tleg_put_integer(struct tleg_message *to, int field, int64_t value);
void tleg_put_float(struct tleg_message *to, int field, float value);
void tleg_put_text(struct tleg_message *to, int field, const char *text);
void tleg_put_bytes(struct tleg_message *to, int field, const void *data, size_t length);
void tleg_put_message(struct tleg_message *to, int field, const struct tleg_message *message);
/* What comes before `length` bytes of a field that are written apart. */
void tleg_put_head(struct tleg_message *to, int field, uint64_t length);
void tleg_put_raw(struct tleg_message *to, const void *data, size_t length);

/* ---- fields of GraphProto and TensorProto ---- */
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { TENSOR_SHAPE = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_BYTES = 9 };

/* ---- weights (export.c): initializers whose numbers are read when they are written ---- */
enum tleg_onnx_form {
    TLEG_ONNX_PLAIN,      /* as the model's file has it */
    TLEG_ONNX_TRANSPOSED, /* a matrix (n, k) as (k, n): of y = x W^T the right side of MatMul */
    TLEG_ONNX_TOKENS,     /* (1, prefix, D): the tokens before the patches, with their places added */
    TLEG_ONNX_PLACES,     /* (1, patches, D): the position embedding's rows for the patches */
    TLEG_ONNX_COSINES,    /* (1, N, d): of rotary positions, for each number of a head */
    TLEG_ONNX_SINES
};
struct tleg_onnx_weight {
    char name[TLEG_NAME_TEXT];
    enum tleg_onnx_form form;
    struct tleg_model_entry entry; /* of the model's tensor, where it is one */
    int32_t rank;
    int64_t shape[4];
};

/* ---- the graph (graph.c) ---- */
enum { TLEG_ONNX_FLOAT = 1, TLEG_ONNX_INT64 = 7, TLEG_ONNX_FLOAT16 = 10 }; /* TensorProto.DataType */
enum { TLEG_ONNX_NESTED = 5 };
struct tleg_onnx_graph {
    const tleg_config *config;
    int32_t type;              /* of weights and what is computed */
    struct tleg_message nodes; /* with small constants, inputs and outputs: all of a GraphProto but the weights */
    struct tleg_message part[TLEG_ONNX_NESTED]; /* messages within each other, while they are made */
};
/* Everything of the graph but the weights, which it names as the model does, "tokens", "places",
 * "rotary.cosines" and "rotary.sines" besides. */
void tleg_onnx_graph(struct tleg_onnx_graph *graph);

#endif
