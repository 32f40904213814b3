/* The expander: a learngene packed once for this processor, ready to give a model of any
 * depth in one pass over memory, or to run without one (tleg_session_create_elastic).
 *
 * An expander never changes after creation: any number of threads may use it. It keeps
 * what it needs: the learngene may be freed. */
#ifndef TLEG_EXPANDER_H
#define TLEG_EXPANDER_H

#include <tleg/learngene.h>
#include <tleg/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tleg_expander tleg_expander;

typedef struct tleg_expander_options {
    uint32_t struct_size; /* sizeof(tleg_expander_options) */
    tleg_dtype dtype;     /* element type of the expanded weights: TLEG_F32 (default), TLEG_F16, TLEG_BF16. At a level that
                             multiplies bf16 (TLEG_LEVEL_AVX512BF16, TLEG_LEVEL_AMX) a pass of BF16 weights rounds what it
                             multiplies, attention's parts too, and sums in f32; other levels, and F16, widen the weights and
                             compute     in f32 */
    tleg_norm_place norm; /* TLEG_NORM_*; 0: as learned. AFTER_POOL is the published descendants' form: the mean
                             first, then fc_norm, eps 1e-6. A model that reads its class token keeps its norm's
                             place and name; only eps becomes 1e-6 */
    int32_t image_size;   /* 0: as learned; else a multiple of the patch: the position embedding is resampled
                             (bicubic, a = -0.75, no antialiasing, prefix tokens kept) */
    int32_t classes;      /* 0: as learned; another number: a fresh head, without labels */
    int32_t compute; /* how a pass computes with these weights: 0, as dtype says above; anything else is UNSUPPORTED today */
    uint64_t seed;   /* of a fresh head */
} tleg_expander_options;

/* What a depth costs, a materialised model and its session. Today every layer costs the same, so that two straight lines say it
 * for every depth: bytes(depth) = bytes_fixed + depth * bytes_per_layer, exactly; ms(depth) likewise, for a whole batch, as
 * measured. Should layers ever differ, `bytes` and `ms` stay exact and the lines become the nearest that lie above. */
typedef struct tleg_cost {
    uint32_t struct_size; /* sizeof(tleg_cost) */
    int32_t least_depth;  /* the schedule's number of segments; 1 without one */
    uint64_t bytes;       /* of the depth that was asked for */
    uint64_t bytes_fixed;
    uint64_t bytes_per_layer;
    double ms; /* of that depth; 0 when not measured, as are the two below */
    double ms_fixed;
    double ms_per_layer;
} tleg_cost;

typedef struct tleg_budget {
    uint32_t struct_size; /* sizeof(tleg_budget) */
    int32_t batch;        /* images at once; 0 means 1 */
    uint64_t bytes;       /* 0: no limit */
    double milliseconds;  /* of one run of the batch; 0: no limit */
} tleg_budget;

/* Packs a learngene for the context's processor level. `options` may be NULL.
 * Errors: ARGUMENT (an option out of range), UNSUPPORTED (an option this library does not know), MEMORY,
 * CANCELLED (the context's progress said so). */
TLEG_API tleg_status TLEG_CALL tleg_expander_create(tleg_context *context, const tleg_learngene *gene,
                                                    const tleg_expander_options *options, tleg_expander **expander);

/* The same straight from a learngene's file, each tensor packed as it is read: never more in memory than the
 * expander and a small piece of the file. `opening` and `options` may be NULL.
 * Errors: those of tleg_learngene_open and of tleg_expander_create. */
TLEG_API tleg_status TLEG_CALL tleg_expander_open(tleg_context *context, const char *path, const tleg_open_options *opening,
                                                  const tleg_expander_options *options, tleg_expander **expander);

/* The same from `size` bytes in memory, which are not needed afterwards. */
TLEG_API tleg_status TLEG_CALL tleg_expander_parse(tleg_context *context, const void *data, size_t size,
                                                   const tleg_open_options *opening, const tleg_expander_options *options,
                                                   tleg_expander **expander);

/* The same from an open file: of a path, of memory or of a host's source. The handle may be freed afterwards.
 * Errors: those of tleg_expander_open, and what a source's read returned. */
TLEG_API tleg_status TLEG_CALL tleg_expander_read(tleg_context *context, const tleg_file *file,
                                                  const tleg_open_options *opening, const tleg_expander_options *options,
                                                  tleg_expander **expander);

/* What its models look like (depth 0): the options applied. Fills *config up to its struct_size; its pointers live as long as
 * the expander. `context` may be NULL: there is no text then. Errors: ARGUMENT. */
TLEG_API tleg_status TLEG_CALL tleg_expander_get_info(tleg_context *context, const tleg_expander *expander,
                                                      tleg_config *config);

/* The name of a class, UTF-8; NULL past the end, or without names. Lives as long as the expander. */
TLEG_API const char *TLEG_CALL tleg_expander_get_label(const tleg_expander *expander, int32_t index);

/* Bytes that the expander holds; 0 for NULL. */
TLEG_API uint64_t TLEG_CALL tleg_expander_get_memory(const tleg_expander *expander);

/* A model of `depth` layers, least_depth to TLEG_MAX_DEPTH. Errors: ARGUMENT (depth), MEMORY, CANCELLED (the context's
 * progress said so).
 *
 *     tleg_expander_expand(context, expander, 12, &model); */
TLEG_API tleg_status TLEG_CALL tleg_expander_expand(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                                    tleg_model **model);

/* The depths that the expander can give: as many layers as the schedule has segments (1 without one), and TLEG_MAX_DEPTH.
 * Either pointer may be NULL. Errors: ARGUMENT. */
TLEG_API tleg_status TLEG_CALL tleg_expander_get_depths(tleg_context *context, const tleg_expander *expander, int32_t *least,
                                                        int32_t *most);

/* What `depth` layers (0: the least) cost at `batch` images on this context's threads; the milliseconds are measured (two
 * short elastic runs, medians) when `measure` is not 0. Errors: ARGUMENT, MEMORY, CANCELLED (the context's progress said so).
 */
TLEG_API tleg_status TLEG_CALL tleg_expander_get_cost(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                                      int32_t batch, int32_t measure, tleg_cost *cost);

/* The deepest model that keeps within the budget, at most 1024 layers. *depth is 0 on failure.
 * Errors: ARGUMENT (also a budget without any limit), UNSUPPORTED (not even the shallowest fits;
 * the text says what that would take), MEMORY, CANCELLED (the context's progress said so). */
TLEG_API tleg_status TLEG_CALL tleg_expander_get_deepest(tleg_context *context, const tleg_expander *expander,
                                                         const tleg_budget *budget, int32_t *depth);

/* Drops the caller's reference. NULL is allowed. Any thread. */
TLEG_API void TLEG_CALL tleg_expander_free(tleg_expander *expander);

#ifdef __cplusplus
}
#endif

#endif
