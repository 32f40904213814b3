/* Files of named tensors (safetensors, PyTorch's .pth, ONNX), for what is neither a learngene nor a model: images to
 * run, stored logits, features. Learngenes and models have their own calls, with the same
 * strict reader below them; each reads an open tleg_file too, wherever its bytes come from.
 *
 * A file handle never changes: any number of threads may read it. Only the header is held
 * in memory; a tensor is read when it is asked for.
 *
 * Paths are bytes as the system takes them on POSIX, and UTF-8 on Windows. In the library's texts
 * whatever is not UTF-8 stands as \xNN. */
#ifndef TLEG_FILE_H
#define TLEG_FILE_H

#include <tleg/config.h>
#include <tleg/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tleg_file tleg_file;

/* ---- opening ---- */

/* Flags of tleg_open_options. */
enum {
    TLEG_OPEN_MAP = 1 /* map the file instead of reading it; if another program shortens the
                         file meanwhile, the host is killed by a signal. For paths alone */
};

struct tleg_preparation_options; /* image.h */

/* How a file, a learngene, a model or an expander is opened. Zero the struct, set struct_size, then what you want
 * otherwise; a NULL in its place means every default. */
typedef struct tleg_open_options {
    uint32_t struct_size; /* sizeof(tleg_open_options) */
    uint32_t flags;       /* TLEG_OPEN_* */
    int32_t heads;        /* attention heads, where a learngene's or model's file does not say how many: 0, or a divisor of its
                             dim. A value that contradicts the file is an error, as is any but 0 for a tleg_file */
    tleg_dtype dtype;     /* of a model's weights, to which they are rounded (a number that F16 does not hold is NUMERIC); 0: as
                             the file has them, as for all else */

    /* Which set of weights of a PyTorch file: the key of the dictionary that holds it ("teacher", "model_ema"), or several from
     * the outside in with dots between them. NULL: the library chooses (tleg_file_open). NOT_FOUND when there is no such key or
     * it holds no weights; ARGUMENT for other files, and for a file that is open already. */
    const char *key;
    /* How a model's file names its parts, where the library does not recognise it, or such parts alone: lines "old -> new",
     * where new is a name of timm's, or "nothing" for what the answers do not depend on; docs/checkpoints.md has the language.
     * What they leave is read as its family's. NULL: a layout that the library knows, or timm's. ARGUMENT for learngenes and
     * tensors. FORMAT names the line, or the tensor that does not fit. Needed only until the call returns. */
    const char *names;
    /* What neither names nor shapes of a learngene or model say, where its file does not: what stands between the MLP's two
     * matrices (TLEG_MLP_*; 0: GELU), and the norms' eps (0: 1e-6 of timm's models, 1e-5 of the learngene's authors). A value
     * that contradicts the file (the library's own say it, an exact GELU by saying nothing) is ARGUMENT, as is any but 0 for a
     * tleg_file. */
    double eps;
    tleg_mlp_kind activation;
    /* How `pictures` of another size have the position embedding resampled: TLEG_POSITION_FILTER_* (BICUBIC); what is
     * neither is ARGUMENT. */
    tleg_position_filter position_filter;

    /* What a learngene or a model is to know of pictures in place of what its file says, and what it then says when it is
     * saved: each member that is not 0, a mean where there is a std. image_size and image_width: those of a learngene's or
     * model's input; the position embedding is resampled (an expander is asked by its own options); but where a file does not
     * say how large its pictures are, and its position embedding has as many rows as these have patches, they say what it was
     * learned with, and nothing is resampled. channels: 0. NULL: as the file says. Borrowed until the call returns. */
    const struct tleg_preparation_options *pictures;
    const void *reserved_pointer; /* NULL */
} tleg_open_options;

/* Opens `path` and checks its whole header: the format's own rules (no holes, no
 * overlap, no duplicate names, no trailing bytes).
 * PyTorch's zip files (torch.save since 1.6: .pth, .pt, .bin) open as well, without PyTorch: nothing in one is run, whatever
 * its pickle would call. The tensors of one dictionary are the file's, those of dictionaries in it with a dot between the
 * names; there is no metadata. That dictionary is the first of "model", "state_dict", "model_state_dict", "module",
 * "model_state", "net", "network", "teacher", "target_encoder", "student", "encoder", "model_ema", "ema", "state_dict_ema" and
 * "ema_state_dict" that holds tensors; else the outermost, or the only one in it that holds any; `options` may name another
 * (key). Where several hold some, the choice is logged. Modules that were saved whole and the parameters of TorchScript are
 * read too. Optimisers, schedulers and what is neither a tensor nor a dictionary are passed over. UNSUPPORTED, with its name: a
 * tensor that is sparse, quantized or of a class of its own, or that is there twice in different dictionaries; big-endian
 * numbers; compressed archives. An index of several files ({"weight_map": {"tensor": "file beside it", ...}}) opens as one
 * file, which holds the tensors that it names.
 * ONNX files open too, without a protobuf library, in a build with training: their initializers are the tensors, their metadata
 * the file's, and tleg_model_read makes a model of what the graph computes (docs/checkpoints.md). Tensors that lie in other
 * files are found beside a file that is opened by its path. A folder opens as the model in it: model.safetensors or its index,
 * open_clip_model.safetensors, pytorch_model.bin or its index, or model.onnx. What stands beside it (config.json,
 * processor_config.json and preprocessor_config.json, or open_clip_config.json) becomes metadata, each text under its own name,
 * unless the file has keys of this library; also where `path` is the file itself under one of those names. tleg_model_read
 * takes what they say. IO for a folder without one of them, FORMAT for one with two models. A tensor of a type that safetensors
 * knows and the library does not (BOOL, F8_E4M3, ...) does not stop the file from being opened: it is listed, and reading it is
 * UNSUPPORTED. `options` may be NULL. Errors: ARGUMENT, NOT_FOUND (there is no such file), IO, FORMAT (which names the tensor
 * or key; also what the file is instead, such as a picture or a checkpoint of an older PyTorch), UNSUPPORTED (more than
 * TLEG_MAX_RANK dimensions), MEMORY.
 */
TLEG_API tleg_status TLEG_CALL tleg_file_open(tleg_context *context, const char *path, const tleg_open_options *options,
                                              tleg_file **file);

/* The same over `size` bytes in memory, which must stay valid and unchanged until the handle is freed. An index is refused. */
TLEG_API tleg_status TLEG_CALL tleg_file_parse(tleg_context *context, const void *data, size_t size, tleg_file **file);

/* Reads the bytes [offset, offset + bytes) into `out`, all of them; bytes is at least 1, and the range lies within the source's
 * size. Returns TLEG_OK, or the status with which the library's call is to fail (TLEG_ERROR_IO, TLEG_ERROR_CANCELLED, ...; what
 * is not one of the library's becomes TLEG_ERROR_IO). */
typedef tleg_status(TLEG_CALL *tleg_read_fn)(void *host, uint64_t offset, size_t bytes, void *out);

/* Where the bytes of a file come from when it is neither a path nor in memory: an asset of an application, a member of an
 * archive, an encrypted store, a server. */
typedef struct tleg_source {
    uint32_t struct_size;                 /* sizeof(tleg_source) */
    uint32_t flags;                       /* 0 */
    uint64_t size;                        /* of the file in bytes */
    tleg_read_fn read;                    /* needed */
    void(TLEG_CALL *release)(void *host); /* may be NULL */
    void *host;                           /* handed to both */
    const char *name;                     /* for error texts; copied; NULL: "(source)" */
} tleg_source;

/* The same from a host's source. The header is read first, then each tensor when it is asked for, from its beginning to its end
 * in pieces of at most 1 MiB; of a PyTorch file the directory at its end comes first. A call of the library reads one piece at
 * a time, on the thread that made the call; threads that use the handle at the same time read at the same time. `source` itself
 * is needed only until the call returns. release is called once, with the handle's last user, on the thread of that; not when
 * this call fails. The functions are the host's: they return, and do not throw or jump out of the library; read uses neither
 * this handle nor the context of the call that reads. An index of several files is refused: a source cannot lead to the files
 * beside it. Errors: those of tleg_file_open, and what read returned.
 *
 *     tleg_source source = {.struct_size = sizeof source, .size = asset_length(a), .read = read_asset, .host = a};
 *     tleg_file_open_source(context, &source, &file);
 *     tleg_learngene_read(context, file, NULL, &gene); */
TLEG_API tleg_status TLEG_CALL tleg_file_open_source(tleg_context *context, const tleg_source *source, tleg_file **file);

/* ---- what it holds ---- */

/* The number of tensors; 0 for NULL. */
TLEG_API int64_t TLEG_CALL tleg_file_get_tensor_count(const tleg_file *file);

/* The name of the tensor at `index`, in the order of the data; NULL past the end. Lives as long as the handle. */
TLEG_API const char *TLEG_CALL tleg_file_get_tensor_name(const tleg_file *file, int64_t index);

/* The text of a metadata key, or NULL. Lives as long as the handle. */
TLEG_API const char *TLEG_CALL tleg_file_get_metadata(const tleg_file *file, const char *key);

/* The metadata key at `index`, in the order of the file; NULL past the end. Lives as long as the handle. */
TLEG_API const char *TLEG_CALL tleg_file_get_metadata_key(const tleg_file *file, int64_t index);

/* Element type and shape of a tensor, without reading it (info->data is NULL; info->dtype is 0 for
 * a type that is none of TLEG_F32...). `context` may be NULL: there is no text then.
 * Errors: ARGUMENT, NOT_FOUND (no such name; the text names the likeliest one). */
TLEG_API tleg_status TLEG_CALL tleg_file_get_tensor_info(tleg_context *context, const tleg_file *file, const char *name,
                                                         tleg_tensor_info *info);

/* Reads a tensor as it is stored. Errors: ARGUMENT, NOT_FOUND (no such name), UNSUPPORTED (an element type that is none
 * of TLEG_F32...), IO (also a file truncated meanwhile), MEMORY, CANCELLED (the context's progress said so), and what a
 * source's read returned. */
TLEG_API tleg_status TLEG_CALL tleg_file_read_tensor(tleg_context *context, const tleg_file *file, const char *name,
                                                     tleg_tensor **tensor);

/* Reads `count` numbers of a tensor of floating-point numbers (TLEG_F32, TLEG_F16, TLEG_BF16, TLEG_F64), from the one at
 * `first` on, in the order of its rows, into `floats` as f32; nothing else of the tensor is read or held, but where it does not
 * lie in rows (a transposed tensor of PyTorch's): there all of the file that the numbers are spread over, up to the whole
 * tensor. For data that need not fit in memory. Errors: ARGUMENT (also numbers that are not the tensor's: the text says how
 * many it has; count is at least 1), FORMAT (a tensor of integers), and those of tleg_file_read_tensor. `floats` is undefined
 * after an error.
 *
 *     tleg_file_read_floats(context, file, "images", row * each, each, image); */
TLEG_API tleg_status TLEG_CALL tleg_file_read_floats(tleg_context *context, const tleg_file *file, const char *name,
                                                     uint64_t first, size_t count, float *floats);

/* ---- saving ---- */

/* Flags of tleg_save_options. */
enum {
    TLEG_SAVE_NO_SYNC = 1 /* do not wait until the file is on the disk: a crash of the system soon after may leave an empty or
                             half file in place of the former one. For paths alone */
};

/* How a file, a learngene or a model is written. Zero the struct, set struct_size, then what you want otherwise; a NULL in
 * its place means every default. */
typedef struct tleg_save_options {
    uint32_t struct_size;               /* sizeof(tleg_save_options) */
    uint32_t flags;                     /* TLEG_SAVE_* */
    tleg_dtype dtype;                   /* of the stored numbers; 0: the call's default */
    int32_t reserved;                   /* 0 */
    int64_t pairs;                      /* metadata entries of the host's own, such as "license" and "author" */
    const char *const *keys_and_values; /* 2 * pairs texts, UTF-8: key, value, key, value; NULL when pairs is 0 */
    const void *reserved_pointer;       /* NULL */

    /* Of a learngene or a model, where a host knows more than the handle: the depths at which it was learned, rising, each 1 to
     * TLEG_MAX_DEPTH; and what depths scored. 0 and NULL: as the handle has them; a table of count 0: no scores. */
    int32_t depth_count;
    int32_t reserved2; /* 0 */
    const int32_t *depths;
    const tleg_scores *scores;
} tleg_save_options;

/* Takes the next `bytes`, at least 1, of a file, from its first to its last without a gap. Returns TLEG_OK, or the status with
 * which the library's call is to fail (what is not one of the library's becomes TLEG_ERROR_IO). `data` is valid until it
 * returns. Called on the thread that made the call; it returns, does not throw or jump out of the library, and does not use the
 * context. */
typedef tleg_status(TLEG_CALL *tleg_write_fn)(void *host, const void *data, size_t bytes);

/* Writes `count` tensors under `names`, each in its own element type (options->dtype must be 0), and the metadata entries of
 * `options`, which may be NULL. Written beside `path`, flushed, then renamed: a crash or a full disk
 * leaves a former file whole. A symbolic link is followed. A former file's mode and access list are kept, its owner and group
 * where the process may give files away (where it may not set the group or the list, the group gets what everybody has); who
 * could not read it cannot read the new one while it is written either. Other hard links and extended attributes are not kept.
 * `path` must be a regular file, or none yet. A limit on the size of files (RLIMIT_FSIZE) is IO, "File too large"; SIGXFSZ is
 * kept from the host's handlers meanwhile, in this thread. A crash of the process leaves `.tleg-PID-N.tmp` beside `path`; while
 * one is written it is locked (flock), so that whoever gets its lock may remove it. Errors: ARGUMENT (also a name or key that
 * is twice there or is not UTF-8), UNSUPPORTED (options->dtype), NOT_FOUND (there is no such folder), IO, MEMORY, CANCELLED
 * (the context's progress said so). */
TLEG_API tleg_status TLEG_CALL tleg_file_save(tleg_context *context, const char *path, int64_t count, const char *const *names,
                                              const tleg_tensor *const *tensors, const tleg_save_options *options);

/* The same bytes through a host's function, in order: into memory, a socket, an archive. When the call fails, what has been
 * written is to be thrown away. Errors: as above, and what `write` returned; flags are ARGUMENT. */
TLEG_API tleg_status TLEG_CALL tleg_file_write(tleg_context *context, tleg_write_fn write, void *host, int64_t count,
                                               const char *const *names, const tleg_tensor *const *tensors,
                                               const tleg_save_options *options);

/* Drops the caller's reference. NULL is allowed. Any thread. */
TLEG_API void TLEG_CALL tleg_file_free(tleg_file *file);

#ifdef __cplusplus
}
#endif

#endif
