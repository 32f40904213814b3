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
    struct tleg_entry *entries;        /* in data order */
    const struct tleg_entry **by_name; /* the same, sorted by name */
    struct tleg_pair *pairs;
    const struct tleg_pair **by_key;
    size_t entry_count, pair_count;
    void *block; /* one allocation that holds the four arrays and the texts */
    size_t block_bytes;
    struct tleg_file **parts; /* of an index: the files that hold the tensors and the texts; of a derived file the one below */
    size_t part_count, part_bytes;
    bool several; /* it is an index */
};
/* An empty one; `label` is copied. */
tleg_status tleg_file_make(tleg_context *context, const char *label, struct tleg_file **file);
/* As tleg_file_open, of one file: an index is refused. */
tleg_status tleg_file_open_one(tleg_context *context, const char *path, uint32_t flags, struct tleg_file **file);

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
