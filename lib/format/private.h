/* What the files of this room share among themselves. */
#ifndef TLEG_LIB_FORMAT_PRIVATE_H
#define TLEG_LIB_FORMAT_PRIVATE_H

#include "core/os.h"
#include "format/format.h"

/* ---- json_check.c ---- */
enum { TLEG_JSON_DEPTH = 32 }; /* of arrays and objects within each other */
struct tleg_json_fault {
    size_t at; /* byte of the text */
    const char *reason;
};
/* Whether text[0..length) is one JSON value and nothing else; *tokens counts its values and keys. */
bool tleg_json_check(const char *text, size_t length, size_t *tokens, struct tleg_json_fault *fault);

/* ---- json.c ---- */
/* As tleg_json_parse, without an error text: FORMAT fills *fault. */
tleg_status tleg_json_scan(const struct tleg_allocator *allocator, const char *text, size_t length, struct tleg_json *json,
                           struct tleg_json_fault *fault);

/* ---- array.c: arrays that grow ---- */
struct tleg_array {
    void *items;
    size_t count, room;
};
/* Room for another item of `width` bytes; NULL when memory is wanting. */
void *tleg_array_add(const struct tleg_allocator *allocator, struct tleg_array *array, size_t width);
void tleg_array_free(const struct tleg_allocator *allocator, struct tleg_array *array, size_t width);

/* ---- stored_type.c: the element types that safetensors defines ---- */
struct tleg_stored_type {
    const char *name;
    uint32_t bits; /* of an element */
    int32_t dtype; /* 0: none of the library's */
};
const struct tleg_stored_type *tleg_stored_type_find(const char *name); /* NULL when unknown */

/* ---- the handle (file.c) ---- */
#define TLEG_FILE_META "__metadata__"
enum { TLEG_FILE_HEADER_LIMIT = 100000000 }; /* bytes of JSON: the format's own limit */
struct tleg_file {
    atomic_int references;
    struct tleg_allocator allocator;
    char *label;
    size_t label_bytes;
    tleg_os_file handle;         /* TLEG_OS_NO_FILE: in memory */
    const unsigned char *memory; /* mapped, or the host's; NULL: read from handle */
    bool mapped;
    tleg_source host;                  /* read NULL: none */
    uint64_t size;                     /* of the whole file */
    uint64_t data_start;               /* where the data section begins */
    uint64_t header_bytes;             /* of what was read to know its tensors */
    struct tleg_entry *entries;        /* in data order */
    const struct tleg_entry **by_name; /* the same, sorted by name */
    struct tleg_pair *pairs;
    const struct tleg_pair **by_key;
    size_t entry_count, pair_count;
    void *block; /* one allocation that holds the four arrays and the texts */
    size_t block_bytes;
    struct tleg_file **parts; /* of an index: the files that hold the tensors and the texts; of a derived file the one below;
                               * of an ONNX file those beside it, from 1 on: 0 is NULL, the file itself */
    size_t part_count, part_bytes;
    bool several;           /* it is an index */
    bool same;              /* it is the one below with other metadata */
    struct tleg_onnx *onnx; /* of an ONNX file: its graph, and the texts of entries and pairs */
};
/* An empty one; `label` is copied. */
tleg_status tleg_file_make(tleg_context *context, const char *label, struct tleg_file **file);
/* As tleg_file_open, of one file: an index is refused. */
tleg_status tleg_file_open_one(tleg_context *context, const char *path, uint32_t flags, struct tleg_file **file);

/* As tleg_file_open of a file, without what stands beside it. */
tleg_status tleg_file_open_plain(tleg_context *context, const char *path, uint32_t flags, const char *key,
                                 struct tleg_file **file);

/* ---- folder.c ---- */
/* As tleg_file_open: a folder too, and with the texts that stand beside a model under its authors' name for it. */
tleg_status tleg_folder_open(tleg_context *context, const char *path, uint32_t flags, const char *key, struct tleg_file **file);

/* ---- source.c: where its bytes come from ---- */
/* Opens the file that the label names and learns its size; UNSUPPORTED in a build without files, or without mappings. */
tleg_status tleg_source_open(tleg_context *context, struct tleg_file *file, bool mapped);
/* [at, at + bytes) of the file, a step of the context's work; *done is less than bytes where a file of the system's has become
 * shorter. */
tleg_status tleg_source_read(tleg_context *context, const struct tleg_file *file, uint64_t at, size_t bytes, void *out,
                             size_t *done);
void tleg_source_close(struct tleg_file *file);

/* ---- derived.c ---- */
/* Elements [first, first + count) of an entry with pieces, widened; and whole elements of it as its type has them. */
tleg_status tleg_derived_read_f32(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, uint64_t first,
                                  size_t count, float *out);
tleg_status tleg_derived_read_bytes(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry,
                                    uint64_t first, size_t bytes, void *out);

/* ---- header_read.c ---- */
/* Fills the file's entries and pairs from its header's JSON; file->size and file->data_start are set. */
tleg_status tleg_header_read(tleg_context *context, struct tleg_file *file, const char *text, size_t length);

/* Makes the block of file->entry_count entries, file->pair_count pairs and `room` bytes of texts, which begin at *texts. */
tleg_status tleg_file_make_block(tleg_context *context, struct tleg_file *file, size_t room, char **texts);
/* Fills by_name and sorts it and by_key; FORMAT names what is there twice. */
tleg_status tleg_file_index_names(tleg_context *context, const struct tleg_file *file);

/* ---- shards.c ---- */
/* Fills the file from the text of an index and the files that it names, which lie beside it. */
tleg_status tleg_shards_read(tleg_context *context, struct tleg_file *file, const char *text, size_t length, uint32_t flags);

/* ---- sniff.c ---- */
/* In plain words what the first bytes of a file that is not a safetensors file look like ("it is a PNG picture"); NULL when
 * they look like nothing known. The text is static. */
const char *tleg_sniff(const unsigned char *start, size_t length);
/* Whether they begin an index of several files. */
bool tleg_sniff_index(const unsigned char *start, size_t length);

/* ---- gather.c: tensors that do not lie in rows (entry->strides); `file` is the one that holds the tensor ---- */
/* As tleg_file_read_bytes, of whole elements. */
tleg_status tleg_gather_bytes(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, uint64_t first,
                              size_t bytes, void *out);
/* As tleg_file_read_part. */
tleg_status tleg_gather_part(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, size_t first,
                             size_t count, float *out);

/* ---- zip.c: the directory of a zip archive ---- */
struct tleg_zip_member {
    const char *name; /* not terminated */
    size_t length;
    uint64_t at, size, packed; /* where its bytes begin in the file; how many they are, unpacked and as they lie there */
    uint64_t header;           /* where it begins */
    bool plain;                /* it lies there as it is: neither compressed nor encrypted */
};
struct tleg_zip {
    struct tleg_allocator allocator;
    unsigned char *directory; /* as the file has it: the names lie there */
    size_t directory_bytes;
    struct tleg_zip_member *members; /* sorted by name */
    size_t count, member_bytes;
};
/* FORMAT names the member that overlaps another, is there twice, or lies elsewhere or is of another size than the directory
 * says. */
tleg_status tleg_zip_open(tleg_context *context, const struct tleg_file *file, struct tleg_zip *zip);
void tleg_zip_close(struct tleg_zip *zip);
const struct tleg_zip_member *tleg_zip_find(const struct tleg_zip *zip, const char *name, size_t length); /* NULL: none */
/* [at, at + bytes) of the file, all of it. */
tleg_status tleg_zip_read(tleg_context *context, const struct tleg_file *file, uint64_t at, size_t bytes, void *out);

/* ---- pickle.c: what a pickle says, nothing of it run ---- */
enum { TLEG_PICKLE_LIMIT = 1 << 26 }; /* bytes */
enum tleg_pickle_kind {
    TLEG_PICKLE_OTHER,    /* None, a truth, a float, bytes, an integer of more than 64 bits */
    TLEG_PICKLE_NUMBER,   /* an integer */
    TLEG_PICKLE_TEXT,     /* UTF-8, or what claims to be */
    TLEG_PICKLE_LIST,     /* a set, too */
    TLEG_PICKLE_TUPLE,    /* a frozenset, too */
    TLEG_PICKLE_DICT,     /* items with keys */
    TLEG_PICKLE_NAME,     /* a class or a function */
    TLEG_PICKLE_CALL,     /* what would come of a call: callable, arguments, and what was put into it afterwards */
    TLEG_PICKLE_REFERENCE /* to something outside of the pickle; `arguments` say to what */
};
struct tleg_pickle_value {
    uint8_t kind;
    uint8_t seen, sought; /* for who walks through the values: 0 at first */
    uint32_t first, last; /* items: 0 when it has none */
    uint32_t state;       /* of a call: the value that its result was set to */
    union {
        int64_t number;
        struct {
            uint32_t at, length;
        } text;
        struct {
            uint32_t module, name; /* texts */
        } name;
        struct {
            uint32_t callable, arguments;
        } call;
    } as;
};
struct tleg_pickle_item {
    uint32_t key, value, next; /* key 0: none; next 0: the last */
};
struct tleg_pickle {
    struct tleg_allocator allocator;
    const char *text; /* the pickle, in which the texts lie; borrowed */
    struct tleg_array values, items;
    uint32_t root;
};
/* `text` stays until the pickle is freed. FORMAT says what is wrong at which byte. */
tleg_status tleg_pickle_read(tleg_context *context, const char *label, const struct tleg_allocator *allocator,
                             const unsigned char *text, size_t length, struct tleg_pickle *pickle);
void tleg_pickle_free(struct tleg_pickle *pickle);
const struct tleg_pickle_value *tleg_pickle_get(const struct tleg_pickle *pickle, uint32_t value);
const struct tleg_pickle_item *tleg_pickle_get_item(const struct tleg_pickle *pickle, uint32_t item);
/* The value at `index` of a tuple or list; 0 (None) past its end. */
uint32_t tleg_pickle_element(const struct tleg_pickle *pickle, uint32_t value, size_t index);
bool tleg_pickle_is_text(const struct tleg_pickle *pickle, uint32_t value, const char *text);

/* ---- torch.c: PyTorch's zip files ---- */
/* Fills the file from the archive that it is; key NULL: the library chooses among its sets of weights. */
tleg_status tleg_torch_read(tleg_context *context, struct tleg_file *file, const char *key);

/* ---- onnx.c: ONNX files ---- */
/* Whether start[0..length) begins one. */
bool tleg_onnx_begins(const unsigned char *start, size_t length);
/* Fills the file's entries, pairs and graph. `alone`: no files beside it are opened for tensors that lie there. */
tleg_status tleg_onnx_read(tleg_context *context, struct tleg_file *file, bool alone);
void tleg_onnx_free(const struct tleg_allocator *allocator, struct tleg_onnx *onnx);
const struct tleg_graph *tleg_onnx_graph_of(const struct tleg_onnx *onnx);

/* ---- header_write.c ---- */
struct tleg_header_text {
    char *text; /* the length in 8 bytes, then the JSON, padded to a multiple of TLEG_ALIGN */
    size_t bytes;
};
/* begins[i] is where entries[i] begins in the data section. */
tleg_status tleg_header_write(tleg_context *context, const char *path, const struct tleg_write_entry *entries, size_t count,
                              const uint64_t *begins, const struct tleg_pair *pairs, size_t pair_count,
                              struct tleg_header_text *header);

#endif
