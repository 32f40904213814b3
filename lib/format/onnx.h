/* ONNX files between protobuf.c, which reads fields, onnx.c, which reads models and graphs, and onnx_tensor.c. */
#ifndef TLEG_LIB_FORMAT_ONNX_H
#define TLEG_LIB_FORMAT_ONNX_H

#include "format/private.h"

/* ---- protobuf (protobuf.c): fields of messages, read where they lie ---- */
enum { TLEG_WIRE_VARINT = 0, TLEG_WIRE_FIXED64 = 1, TLEG_WIRE_BYTES = 2, TLEG_WIRE_FIXED32 = 5 };
struct tleg_wire {
    tleg_context *context;
    const struct tleg_file *file;
    uint64_t start; /* of what the window holds */
    size_t length;
    unsigned char window[4096];
};
struct tleg_span { /* of the file: a message, a text, bytes */
    uint64_t at, end;
};
struct tleg_field {
    int32_t number, kind;
    uint64_t value;        /* of a number, its bits */
    struct tleg_span span; /* of BYTES */
};
/* Takes the field at the beginning of what is left of a message; FORMAT when it is none, or ends after the message. */
tleg_status tleg_wire_next(struct tleg_wire *wire, struct tleg_span *left, struct tleg_field *field);
/* Takes a number at the beginning of packed ones. */
tleg_status tleg_wire_varint(struct tleg_wire *wire, struct tleg_span *left, uint64_t *value);
tleg_status tleg_wire_copy(struct tleg_wire *wire, struct tleg_span span, void *out);
static inline uint64_t tleg_span_bytes(struct tleg_span span) {
    return span.end - span.at;
}

/* ---- what is read of a model (onnx.c) ---- */
struct tleg_onnx {
    struct tleg_graph graph;
    struct tleg_array text, uses, value_names, outputs, integers, nodes, attributes, tensors, inputs;
    struct tleg_array pairs; /* of uint32_t: key and value, texts */
};
struct tleg_onnx_reader {
    struct tleg_wire wire;
    struct tleg_file *file;
    struct tleg_onnx *onnx;
    bool alone;
    struct tleg_array places; /* of uint32_t: the names of files beside this one, texts; part 0 is the file itself */
};
/* A text of the file into the model's, where it begins at *text; an empty one is 0. */
tleg_status tleg_onnx_text(struct tleg_onnx_reader *reader, struct tleg_span span, uint32_t *text);
static inline const char *tleg_onnx_at(const struct tleg_onnx_reader *reader, uint32_t text) {
    return (const char *)reader->onnx->text.items + text;
}
/* Adds to one of the model's arrays of uint32_t. MEMORY. */
tleg_status tleg_onnx_index(struct tleg_onnx_reader *reader, struct tleg_array *array, uint32_t value);
/* Adds the whole numbers of a field, packed or one. */
tleg_status tleg_onnx_integers(struct tleg_onnx_reader *reader, const struct tleg_field *field);
/* UNSUPPORTED: there are more of `what` than in any model. */
tleg_status tleg_onnx_too_many(const struct tleg_onnx_reader *reader, const char *what);
/* Two texts of a message {1: key, 2: value}. */
tleg_status tleg_onnx_pair(struct tleg_onnx_reader *reader, struct tleg_span message, uint32_t pair[2]);

/* ---- onnx_tensor.c ---- */
/* Adds a TensorProto; its value is a text, the name, until names are numbered. */
tleg_status tleg_onnx_tensor(struct tleg_onnx_reader *reader, struct tleg_span message);
/* Opens the files beside this one in which tensors lie, as parts of it. */
tleg_status tleg_onnx_open_places(struct tleg_onnx_reader *reader);

#endif
