/* The learngene: two sets of block weights, base and ilayer, and all that is inherited
 * unchanged (patch embedding, position embedding, final norm, head). Layer l of an
 * L-layer model is base + (l-1)/L * ilayer.
 *
 * A schedule says otherwise, site by site (tleg_config.schedule; tleg.schedule in a file), as JSON:
 *     {"qkv":[[4,true],[2,false]],"fc1":[[6,"chebyshev",4]]}
 * A site's layers are cut into segments, and another depth is shared among them in proportion. [4,true] are 4 layers of a base
 * and an ilayer, [2,false] 2 layers of the same weights, and [6,"chebyshev",4] 6 layers of 4 tensors: layer i of n, counted
 * from 0, is t_0 + f_1 t_1 + f_2 t_2 + ..., from left to right, each product and each sum rounded to f32. With x = i/n, f_k is
 * x^k ("power"), T_k(x) ("chebyshev") or cos(pi k (i + 1/2) / n) ("cosine"), in double, then rounded to f32. There may be 2 to
 * 16 tensors; "power" with 2 is what true means, and is written so. A segment of one layer has one tensor. In a file they are
 * called weight; or weight_base and weight_ilayer; or weight_basis0, weight_basis1 and so on; likewise bias.
 *
 * A learngene never changes after creation: any number of threads may use it. */
#ifndef TLEG_LEARNGENE_H
#define TLEG_LEARNGENE_H

#include <tleg/config.h>
#include <tleg/file.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tleg_learngene tleg_learngene;

/* A fresh learngene, initialised as the paper does: normal(0, 0.02) cut at +-2 for base and
 * ilayer of linear layers, biases 0, norms 1 with ilayer 0, patch embedding uniform. The third
 * and later tensors of a segment are as its ilayer. Positions are normal(0, 0.02) too; or, with TLEG_POSITIONS_SINCOS, those of
 * the patches are 0.7 times sin(x w_i), cos(x w_i), sin(y w_i), cos(y w_i), column x and row y counted from 0,
 * w_i = 100^(-i/n) for i below n = dim/4. The same seed gives the same bits on every machine.
 * Errors: ARGUMENT (names the member), UNSUPPORTED (a kind, a number of channels or a shape that this library does not know),
 * MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_learngene_create(tleg_context *context, const tleg_config *config, uint64_t seed,
                                                     tleg_learngene **gene);

/* Reads a learngene file (a path as file.h says); `options` may be NULL. Weights of F16, BF16 and F64 become f32.
 * What stands before every name ("module.", "model.") is taken off, and said to the context's log.
 * Errors: ARGUMENT, NOT_FOUND (there is no such file), IO, FORMAT (what was expected and what was found: a missing or misshapen
 * tensor, a bad key, a model instead of a learngene), UNSUPPORTED (element type; a file that needs a newer libtleg, as
 * tleg.needs or a tensor among the blocks says that is unknown; another architecture), MEMORY, CANCELLED (the context's
 * progress said so). Unknown tensors outside the blocks are listed in tleg_config.ignored, unknown keys said to the log. */
TLEG_API tleg_status TLEG_CALL tleg_learngene_open(tleg_context *context, const char *path, const tleg_open_options *options,
                                                   tleg_learngene **gene);

/* The same from `size` bytes in memory, which are not needed afterwards. */
TLEG_API tleg_status TLEG_CALL tleg_learngene_parse(tleg_context *context, const void *data, size_t size,
                                                    const tleg_open_options *options, tleg_learngene **gene);

/* The same from an open file: of a path, of memory or of a host's source. The handle may be freed afterwards.
 * Errors: those of tleg_learngene_open, and what a source's read returned. */
TLEG_API tleg_status TLEG_CALL tleg_learngene_read(tleg_context *context, const tleg_file *file,
                                                   const tleg_open_options *options, tleg_learngene **gene);

/* Writes the learngene. options (may be NULL): dtype TLEG_F32 (default), TLEG_F16 or TLEG_BF16, to which numbers are rounded;
 * the depths that were learned and their scores, where a host knows more than the handle; pairs beside the library's own keys,
 * where a "tleg." key is ARGUMENT and one that the learngene was opened with is replaced. What its file said beside "tleg.*"
 * and "format" is written again. A file without options is the same, byte for byte, on every machine. A former file stays whole
 * until the new one is. Errors: ARGUMENT, UNSUPPORTED (dtype), NUMERIC (a number too large for F16; the text names the tensor),
 * NOT_FOUND (there is no such folder), IO, MEMORY, CANCELLED (the context's progress said so).
 *
 *     const char *pairs[] = {"license", "MIT"};
 *     tleg_save_options options = {.struct_size = sizeof options, .dtype = TLEG_F16, .pairs = 1, .keys_and_values = pairs};
 *     tleg_learngene_save(context, gene, "small.safetensors", &options); */
TLEG_API tleg_status TLEG_CALL tleg_learngene_save(tleg_context *context, const tleg_learngene *gene, const char *path,
                                                   const tleg_save_options *options);

/* The same bytes through a host's function, in order (see tleg_write_fn). Errors: as above, and what `write` returned. */
TLEG_API tleg_status TLEG_CALL tleg_learngene_write(tleg_context *context, const tleg_learngene *gene, tleg_write_fn write,
                                                    void *host, const tleg_save_options *options);

/* What the learngene's file said beside the keys of the library ("tleg.*") and "format": the text of a key, or NULL; and the
 * key at `index`, NULL past the end. Models that are expanded from it carry it on. Lives as long as the handle. */
TLEG_API const char *TLEG_CALL tleg_learngene_get_metadata(const tleg_learngene *gene, const char *key);
TLEG_API const char *TLEG_CALL tleg_learngene_get_metadata_key(const tleg_learngene *gene, int64_t index);

/* Fills *config up to its struct_size; `context` may be NULL: there is no text then. Errors: ARGUMENT. */
TLEG_API tleg_status TLEG_CALL tleg_learngene_get_info(tleg_context *context, const tleg_learngene *gene, tleg_config *config);

/* The name of a class, UTF-8; NULL past the end, or without names. Lives as long as the handle. */
TLEG_API const char *TLEG_CALL tleg_learngene_get_label(const tleg_learngene *gene, int32_t index);

/* Bytes that the learngene holds; 0 for NULL. */
TLEG_API uint64_t TLEG_CALL tleg_learngene_get_memory(const tleg_learngene *gene);

/* The number of tensors; 0 for NULL. */
TLEG_API int64_t TLEG_CALL tleg_learngene_get_tensor_count(const tleg_learngene *gene);

/* Element type (f32) and shape of a tensor, without a copy (info->data is NULL). `context` may be NULL.
 * Errors: ARGUMENT, NOT_FOUND (no such name). */
TLEG_API tleg_status TLEG_CALL tleg_learngene_get_tensor_info(tleg_context *context, const tleg_learngene *gene,
                                                              const char *name, tleg_tensor_info *info);

/* The name of the tensor at `index`, as in the file; NULL past the end. Lives as long as the handle. */
TLEG_API const char *TLEG_CALL tleg_learngene_get_tensor_name(const tleg_learngene *gene, int64_t index);

/* A copy of a tensor, f32, row-major. Errors: ARGUMENT, NOT_FOUND (no such name), MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_learngene_copy_tensor(tleg_context *context, const tleg_learngene *gene, const char *name,
                                                          tleg_tensor **tensor);

/* Drops the caller's reference. NULL is allowed. Any thread. */
TLEG_API void TLEG_CALL tleg_learngene_free(tleg_learngene *gene);

#ifdef __cplusplus
}
#endif

#endif
