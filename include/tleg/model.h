/* A model: a Vision Transformer of fixed depth, its weights packed for this processor.
 * It never changes after creation: any number of threads may use it, each through a
 * session of its own. */
#ifndef TLEG_MODEL_H
#define TLEG_MODEL_H

#include <tleg/config.h>
#include <tleg/file.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tleg_model tleg_model;

/* Reads a model file under timm's names (a path as file.h says); `options` may be NULL. What stands before every name
 * ("module.", "model.") is taken off, and said to the context's log. A file whose tensors are all F16 or all BF16 stays in that
 * type; any other becomes f32. Errors: ARGUMENT, NOT_FOUND (there is no such file), IO, FORMAT (what was expected and what was
 * found; also a learngene instead of a model), UNSUPPORTED (element type; a file that needs a newer libtleg, as tleg.needs or a
 * tensor among the blocks says that is unknown; another architecture), NUMERIC (options->dtype is F16 and a number is too large
 * for it: the text names its tensor), MEMORY, CANCELLED (the context's progress said so).
 * Of other programs' files UNSUPPORTED also names a tensor outside the blocks on which the answers may depend: options->names
 * says what it is, or "nothing". Those on which they do not are listed in tleg_config.ignored, unknown keys said to the log. */
TLEG_API tleg_status TLEG_CALL tleg_model_open(tleg_context *context, const char *path, const tleg_open_options *options,
                                               tleg_model **model);

/* The same from `size` bytes in memory, which are not needed afterwards. */
TLEG_API tleg_status TLEG_CALL tleg_model_parse(tleg_context *context, const void *data, size_t size,
                                                const tleg_open_options *options, tleg_model **model);

/* The same from an open file: of a path, of memory or of a host's source. The handle may be freed afterwards.
 * Errors: those of tleg_model_open, and what a source's read returned. */
TLEG_API tleg_status TLEG_CALL tleg_model_read(tleg_context *context, const tleg_file *file, const tleg_open_options *options,
                                               tleg_model **model);

/* Writes the model under timm's names, every tensor in the type of options->dtype (f32, bf16, f16; 0: the model's), to which
 * numbers are rounded to nearest, ties to even. `options` may be NULL: depths, scores, pairs and flags are as for
 * tleg_learngene_save, and what the model's file, or its learngene's, said beside "tleg.*" and "format" is written again. An
 * f32 file is the same, byte for byte, on every machine. A former file stays whole until the new one is. Errors: ARGUMENT,
 * UNSUPPORTED (dtype), NOT_FOUND (there is no such folder), IO, MEMORY, NUMERIC (a number that f16 does not hold), CANCELLED
 * (the context's progress said so). */
TLEG_API tleg_status TLEG_CALL tleg_model_save(tleg_context *context, const tleg_model *model, const char *path,
                                               const tleg_save_options *options);

/* The same bytes through a host's function, in order (see tleg_write_fn). Errors: as above, and what `write` returned. */
TLEG_API tleg_status TLEG_CALL tleg_model_write(tleg_context *context, const tleg_model *model, tleg_write_fn write, void *host,
                                                const tleg_save_options *options);

/* What the model's file, or its learngene's, said beside the keys of the library ("tleg.*") and "format": the text of a key, or
 * NULL; and the key at `index`, NULL past the end. Lives as long as the handle. */
TLEG_API const char *TLEG_CALL tleg_model_get_metadata(const tleg_model *model, const char *key);
TLEG_API const char *TLEG_CALL tleg_model_get_metadata_key(const tleg_model *model, int64_t index);

/* Fills *config up to its struct_size; `context` may be NULL: there is no text then. Errors: ARGUMENT. */
TLEG_API tleg_status TLEG_CALL tleg_model_get_info(tleg_context *context, const tleg_model *model, tleg_config *config);

/* The name of a class, UTF-8; NULL past the end, or without names. Lives as long as the handle. */
TLEG_API const char *TLEG_CALL tleg_model_get_label(const tleg_model *model, int32_t index);

/* Bytes that the model holds; 0 for NULL. */
TLEG_API uint64_t TLEG_CALL tleg_model_get_memory(const tleg_model *model);

/* The number of tensors; 0 for NULL. */
TLEG_API int64_t TLEG_CALL tleg_model_get_tensor_count(const tleg_model *model);

/* Element type (the model's element type) and shape of a tensor, without a copy (info->data is NULL). `context` may be NULL.
 * Errors: ARGUMENT, NOT_FOUND (no such name). */
TLEG_API tleg_status TLEG_CALL tleg_model_get_tensor_info(tleg_context *context, const tleg_model *model, const char *name,
                                                          tleg_tensor_info *info);

/* The name of the tensor at `index`, as in a file; NULL past the end. Lives as long as the handle. */
TLEG_API const char *TLEG_CALL tleg_model_get_tensor_name(const tleg_model *model, int64_t index);

/* A copy of a tensor, row-major, in the model's element type. Errors: ARGUMENT, NOT_FOUND (no such name), MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_model_copy_tensor(tleg_context *context, const tleg_model *model, const char *name,
                                                      tleg_tensor **tensor);

/* Drops the caller's reference. NULL is allowed. Any thread. */
TLEG_API void TLEG_CALL tleg_model_free(tleg_model *model);

#ifdef __cplusplus
}
#endif

#endif
