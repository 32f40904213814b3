/* Files of named tensors (safetensors, PyTorch's zip files): strict readers, and a writer of safetensors that never leaves half
 * a file. Knows no ViT. */
#ifndef TLEG_LIB_FORMAT_H
#define TLEG_LIB_FORMAT_H

#include "tensor/tensor.h"
#include <tleg/file.h>

struct tleg_piece;
struct tleg_entry {        /* one tensor of a file */
    const char *name;      /* NUL-terminated UTF-8, unescaped */
    const char *type_name; /* as the file gives it: "F32", "F8_E4M3" */
    int32_t dtype;         /* 0: a type of the format that the library does not have; its raw bytes can be read */
    int32_t rank;
    int64_t shape[TLEG_MAX_RANK];
    uint64_t offset; /* of its bytes, from the start of the data section */
    uint64_t bytes;
    size_t part;            /* which file holds them, when an index names several */
    const int64_t *strides; /* NULL: they lie in rows. Else elements from neighbour to neighbour along each axis; what is
                               read is gathered, and `bytes` are those of the whole */
    const struct tleg_piece *pieces; /* of a derived file: what the tensor is made of, end to end */
    size_t piece_count;
};
struct tleg_pair { /* one metadata entry */
    const char *key, *value;
};

/* ---- reader (file.c; the header in header_read.c, an index of several files in shards.c) ---- */
enum tleg_opened_from { TLEG_FROM_PATH, TLEG_FROM_MEMORY, TLEG_FROM_FILE };
/* 0, or one of TLEG_POSITION_FILTER_*; ARGUMENT begins with `what`. */
tleg_status tleg_position_filter_check(tleg_context *context, const char *what, tleg_position_filter filter);
/* The host's options, or the defaults where it gives none. Flags are refused unless there is a path, a key where the file is
 * open already. */
tleg_status tleg_open_options_read(tleg_context *context, const tleg_open_options *host, enum tleg_opened_from from,
                                   tleg_open_options *own);
/* The same for what has names of its own alone, learngenes and tensors. */
tleg_status tleg_own_options_read(tleg_context *context, const tleg_open_options *host, enum tleg_opened_from from,
                                  tleg_open_options *own);
/* As tleg_file_open and tleg_file_parse, with options that tleg_open_options_read has checked. */
tleg_status tleg_file_open_path(tleg_context *context, const char *path, const tleg_open_options *own, tleg_file **file);
tleg_status tleg_file_open_memory(tleg_context *context, const void *data, size_t size, const tleg_open_options *own,
                                  tleg_file **file);
const char *tleg_file_label(const tleg_file *file);                                  /* the path, or "(memory)": for errors */
int64_t tleg_file_entries(const tleg_file *file, const struct tleg_entry **entries); /* in data order */
const struct tleg_entry *tleg_file_find(const tleg_file *file, const char *name);    /* NULL when there is none */
/* The same file, in which the names that begin with `prefix` are known by their rest. FORMAT when that is another's name. */
tleg_status tleg_file_view(tleg_context *context, const tleg_file *file, const char *prefix, tleg_file **view);

/* ---- a file whose tensors are made of another's (derived.c) ---- */
enum tleg_piece_order {
    TLEG_PIECE_PLAIN,
    TLEG_PIECE_TURNED, /* a whole matrix, transposed */
    TLEG_PIECE_PATCHES /* a whole matrix (D, P*P*C) over patches whose channels come last, as a convolution (D, C, P, P) */
};
struct tleg_piece {
    const struct tleg_entry *source; /* of the file below; NULL: `numbers`, or zeros */
    bool own;                        /* the source is a view of the maker's, not among the file's entries: it is copied */
    enum tleg_piece_order order;
    int32_t channels;      /* C, of PATCHES */
    uint64_t first, count; /* the elements of the source that it is, in the source's order; of a whole one 0 and all */
    const float *numbers;  /* `count` of them, which are copied; NULL: none */
};
struct tleg_made { /* a tensor of the derived file: its pieces end to end, as many elements as its shape has */
    const char *name;
    int32_t rank;
    int64_t shape[TLEG_MAX_RANK];
    const struct tleg_piece *pieces;
    size_t piece_count; /* at least 1 */
};
struct tleg_derivation {
    const struct tleg_made *made;
    size_t count;
    const struct tleg_pair *pairs; /* all its metadata */
    size_t pair_count;
};
struct tleg_piece tleg_piece_whole(const struct tleg_entry *entry);
/* A file under the same label that is read as any other, and keeps `file` open. Of pieces of one type a tensor has that type,
 * of several f32, for which all must be floating-point numbers. A tensor that is made of more than one whole piece needs a type
 * that the library has. Copies what it needs of its arguments. FORMAT names a tensor or key that is there twice. */
tleg_status tleg_file_derive(tleg_context *context, const tleg_file *file, const struct tleg_derivation *from,
                             tleg_file **derived);

/* The same tensors with other metadata. */
tleg_status tleg_file_with_pairs(tleg_context *context, const tleg_file *file, const struct tleg_pair *pairs, size_t count,
                                 tleg_file **derived);

/* The bytes of all its tensors. */
uint64_t tleg_file_bytes(const tleg_file *file);
/* Whether the file's name says that it is one of several ("x-00001-of-00002.safetensors"), opened without their index. */
bool tleg_file_is_shard(const tleg_file *file);
int64_t tleg_file_pairs(const tleg_file *file, const struct tleg_pair **pairs);
/* The name in the file that is most like `name` (edit distance), or NULL when none is near. */
const char *tleg_file_nearest(const tleg_file *file, const char *name);
/* The raw bytes [first, first + bytes) of a tensor; IO when the file has shrunk or cannot be read. */
tleg_status tleg_file_read_bytes(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, uint64_t first,
                                 size_t bytes, void *out);
/* A whole tensor as f32 (F32, F16, BF16, F64), through a small buffer on the stack; FORMAT when it is an integer tensor,
 * UNSUPPORTED when its dtype is 0. */
tleg_status tleg_file_read_f32(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, float *out);
/* Its elements [first, first + count), which it has. */
tleg_status tleg_file_read_part(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, size_t first,
                                size_t count, float *out);

/* ---- the graph of an ONNX file (onnx.c), as it stands there ---- */
/* Texts are offsets into one text, lists begin at an index and have a count. A value is what a node takes or gives, numbered
 * from 1 by its name; 0 is an input that is left out. */
struct tleg_graph_attribute {
    uint32_t name, text; /* text 0: it has none */
    double real;
    int64_t integer;
    uint32_t integers, count;
    uint32_t tensor; /* one more than its index; 0: none */
};
struct tleg_graph_node {
    uint32_t type, name, domain;
    uint32_t inputs, input_count, outputs, output_count; /* in `uses` */
    uint32_t attributes, attribute_count;
};
struct tleg_graph_tensor { /* constant numbers */
    uint32_t value;        /* 0: an attribute's */
    int32_t type;          /* TensorProto.DataType */
    struct tleg_entry entry;
    uint32_t integers, count; /* numbers, or f16's and bf16's bits, that are not stored as bytes; count 0: `entry` has them */
};
struct tleg_graph_input {
    uint32_t value;
    int32_t rank;                 /* -1: not said */
    int64_t shape[TLEG_MAX_RANK]; /* 0: open */
};
struct tleg_graph {
    struct tleg_allocator allocator;
    const char *text;
    const uint32_t *uses, *value_names, *outputs;
    const int64_t *integers;
    const struct tleg_graph_node *nodes;
    const struct tleg_graph_attribute *attributes;
    const struct tleg_graph_tensor *tensors;
    const struct tleg_graph_input *inputs;
    size_t value_count, output_count, node_count, tensor_count, input_count;
    int64_t opset;
    uint64_t file_bytes;
};
/* NULL for a file of another format. *holder is the file that its tensors are read from: `file`, or what is below one with
 * other metadata. */
const struct tleg_graph *tleg_file_graph(const tleg_file *file, const tleg_file **holder);

/* ---- text.c ---- */
/* Sorts in place (heapsort: no memory, no recursion). Items are at most TLEG_SORT_WIDTH bytes wide. */
enum { TLEG_SORT_WIDTH = 160 };
_Static_assert(sizeof(struct tleg_entry) <= TLEG_SORT_WIDTH, "entries are sorted");
void tleg_sort(void *items, size_t count, size_t width, int (*compare)(const void *a, const void *b));
/* For arrays of `const char *`. */
int tleg_compare_texts(const void *a, const void *b);

/* ---- JSON of small texts: tleg.labels, tleg.schedule (json.c) ---- */
/* A strict JSON reader over jsmn's tokens, for the header and for metadata values. */
struct tleg_json {
    const char *text;
    size_t length;
    void *tokens; /* jsmntok_t[count] */
    size_t count, token_bytes;
    struct tleg_allocator allocator;
};
/* FORMAT with `what` in the text when it is no JSON; MEMORY. */
tleg_status tleg_json_parse(tleg_context *context, const char *what, const char *text, size_t length, struct tleg_json *json);
void tleg_json_free(struct tleg_json *json);
enum tleg_json_kind {
    TLEG_JSON_NONE,
    TLEG_JSON_OBJECT,
    TLEG_JSON_ARRAY,
    TLEG_JSON_STRING,
    TLEG_JSON_NUMBER,
    TLEG_JSON_TRUE,
    TLEG_JSON_FALSE,
    TLEG_JSON_NULL
};
enum tleg_json_kind tleg_json_kind(const struct tleg_json *json, size_t token);
size_t tleg_json_size(const struct tleg_json *json, size_t token); /* members of an object, elements of an array */
/* The token after `token` and all that it holds: walk an array from token+1, an object key, value, key, value ... */
size_t tleg_json_next(const struct tleg_json *json, size_t token);
/* A string unescaped to UTF-8 with a NUL (embedded NUL refused) into out[capacity]; its length, or SIZE_MAX when it does
 * not fit or is not a string. The unescaped text is never longer than the escaped one. */
size_t tleg_json_string(const struct tleg_json *json, size_t token, char *out, size_t capacity);
bool tleg_json_integer(const struct tleg_json *json, size_t token, int64_t *value);
/* A token as it is written (a string without its quotes), `length` bytes without a NUL. */
const char *tleg_json_source(const struct tleg_json *json, size_t token, size_t *length);

/* ---- a whole file at once (safetensors_write.c) ---- */
struct tleg_write_entry {
    const char *name;
    int32_t dtype, rank;
    int64_t shape[TLEG_MAX_RANK];
};
struct tleg_saving {
    const char *path;
    tleg_write_fn write; /* NULL: to the path */
    void *host;
    uint32_t flags; /* TLEG_SAVE_* */
    const struct tleg_write_entry *entries;
    const struct tleg_pair *pairs;
    int64_t count, pair_count;
    /* The whole of the tensor entries[index], row-major, in its element type; asked for once each. */
    tleg_status (*numbers)(tleg_context *context, void *arg, int64_t index, const void **data);
    void *arg;
};
tleg_status tleg_file_write_all(tleg_context *context, const struct tleg_saving *saving);
/* The host's options, or the defaults where it gives none. Flags are refused unless there is a path. */
tleg_status tleg_save_options_read(tleg_context *context, const tleg_save_options *host, bool path, tleg_save_options *own);

/* ---- writer (safetensors_write.c; the header in header_write.c) ---- */
enum { TLEG_WRITE_PIECE = 1 << 20 }; /* bytes between two questions to the host whether to go on */
/* ARGUMENT for a key that is there twice, or a text that is NULL or not UTF-8. */
tleg_status tleg_pairs_check(tleg_context *context, const struct tleg_pair *pairs, int64_t count);
/* The host is told of a "save" from a writer's creation until it is committed, or one of these calls fails. */
struct tleg_writer;
/* Begins a file that will replace `path` as a whole (tleg_replacement_create's rules and errors) and writes the header.
 * Tensors whose size is a multiple of 64 are laid first, each kind in the order given; the data section starts on a multiple
 * of 64. Copies what it needs of its arguments. ARGUMENT for a name or key that is there twice, not UTF-8, or __metadata__. */
tleg_status tleg_writer_create(tleg_context *context, const char *path, const struct tleg_write_entry *entries, int64_t count,
                               const struct tleg_pair *pairs, int64_t pair_count, struct tleg_writer **writer);
/* The whole of the tensor entries[index], row-major, in its element type; each exactly once, in any order. */
tleg_status tleg_writer_put(tleg_context *context, struct tleg_writer *writer, int64_t index, const void *data);
/* Flushes to disk and renames onto the path. STATE when a tensor is missing. */
tleg_status tleg_writer_commit(tleg_context *context, struct tleg_writer *writer);
/* Removes the temporary file unless it was committed. NULL is allowed. */
void tleg_writer_free(struct tleg_writer *writer);

/* ---- replace.c: a file that takes the place of another as a whole ---- */
struct tleg_replacement;
/* Makes a temporary file beside `path`, or beside what it points to when it is a symbolic link. IO for a target that exists and
 * is not a regular file (so /dev/stdout, /dev/null) or may not be written; UNSUPPORTED in a build without files. A file that is
 * replaced hands on its mode and, as far as this process may, owner, group and access list; other hard links and attributes are
 * not kept. */
tleg_status tleg_replacement_create(tleg_context *context, const char *path, struct tleg_replacement **replacement);
const char *tleg_replacement_label(const struct tleg_replacement *replacement); /* the target's path: for errors */
tleg_status tleg_replacement_write(tleg_context *context, struct tleg_replacement *replacement, uint64_t at, size_t bytes,
                                   const void *data);
/* Flushes to disk, with `sync`, and renames onto the target; STATE the second time. */
tleg_status tleg_replacement_commit(tleg_context *context, struct tleg_replacement *replacement, bool sync);
/* Removes the temporary file unless it was committed. NULL is allowed. */
void tleg_replacement_free(struct tleg_replacement *replacement);

#endif
