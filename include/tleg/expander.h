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
                             compute in f32. F16 holds numbers up to 65504: a larger one is NUMERIC, never an infinity */
    tleg_norm_place norm; /* TLEG_NORM_*; 0: as learned. AFTER_POOL is the published descendants' form: the mean
                             first, then fc_norm, eps 1e-6. A model that reads its class token keeps its norm's
                             place and name; only eps becomes 1e-6 */
    int32_t image_size;   /* 0: as learned; else a multiple of the patch: the position embedding is resampled */
    int32_t classes;      /* 0: as learned; another number: a fresh head, without labels */
    int32_t compute; /* how a pass computes with these weights: 0, as dtype says above; anything else is UNSUPPORTED today */
    uint64_t seed;   /* of a fresh head */

    int32_t image_width;                  /* with an image_size, of pictures that are not square (0: image_size) */
    tleg_position_filter position_filter; /* how positions are resampled: TLEG_POSITION_FILTER_* (BICUBIC) */
} tleg_expander_options;

/* What a depth costs, a materialised model and its session. Today every layer costs the same, so that two straight lines say it
 * for every depth: bytes(depth) = bytes_fixed + depth * bytes_per_layer, exactly; ms(depth) likewise, for a whole batch, as
 * measured. Should layers ever differ, `bytes` and `ms` stay exact and the lines become the nearest that lie above.
 *
 * Milliseconds are the least of many runs, what the machine can do while nothing else wants it. On one thread they are by that
 * thread's own clock, and hold on a busy machine too; several threads need as many cores that are free now and then, and where
 * other work never leaves them they are too long. `spread` says how much longer a run in the middle took by the wall's clock,
 * and so what to expect beside the work that was there meanwhile: many times as long where that work went first. */
typedef struct tleg_cost {
    uint32_t struct_size; /* sizeof(tleg_cost) */
    int32_t least_depth;  /* the schedule's number of segments; 1 without one */
    uint64_t bytes;       /* of the depth that was asked for */
    uint64_t bytes_fixed;
    uint64_t bytes_per_layer;
    double ms; /* a materialised model's, of that depth; 0 when not measured, as are the two below */
    double ms_fixed;
    double ms_per_layer;
    uint64_t bytes_peak;    /* of that depth: the most that is held at once by a host that has the expander, expands a model,
                               frees the expander and makes a session */
    uint64_t bytes_elastic; /* of an elastic session and the expander that it needs: the same at every depth */
    double spread;          /* how far the middle run lay above the least, as a share of that: 0.1 is a tenth */
    int32_t batch;          /* the images at once that all of this is for */
    int32_t runs;           /* of each of two depths that were measured; 0: none */
    uint64_t parameters;    /* numbers that a model of that depth holds */
    double ms_elastic;      /* an elastic session's, of that depth: it forms each layer anew, the longer the more tensors a
                               segment has; 0 when not measured, as are the two below */
    double ms_elastic_fixed;
    double ms_elastic_per_layer;
} tleg_cost;

/* What is held and run, and so what a budget limits, once it is made. Opening a file takes more for as long as it lasts: its
 * header, labels included, and room for pieces of a matrix, which grows with the width and is twice as much for BF16 and F16:
 * 0.2 MB for a small gene in F32, 0.8 for one of dim 768 in BF16, 1.5 with 20,000 labels. */
typedef int32_t tleg_holding;
enum {
    TLEG_HOLDING_SIGNED = -1,
    TLEG_HOLDING_EXPANDED = 0, /* a model that is expanded here: tleg_cost.bytes_peak, the expander's included */
    TLEG_HOLDING_ELASTIC = 1,  /* an elastic session and its expander: tleg_cost.bytes_elastic */
    TLEG_HOLDING_STORED = 2 /* a model that was expanded before and lies in a file: tleg_cost.bytes, the expander's left out */
};

typedef struct tleg_budget {
    uint32_t struct_size;  /* sizeof(tleg_budget) */
    int32_t batch;         /* images at once; 0 means 1 */
    uint64_t bytes;        /* 0: no limit */
    double milliseconds;   /* of one run of the batch, finite; 0: no limit */
    double margin;         /* 0 to 1e6: milliseconds count (1 + margin) times what was measured; tleg_cost.spread is one */
    tleg_holding holding;  /* TLEG_HOLDING_* (EXPANDED) */
    int32_t any_depth;     /* 1: depths that were not learned are answers too */
    const tleg_cost *cost; /* milliseconds measured earlier, of what this holding runs: nothing is measured (NULL). With this
                              batch, of an expander of the same network, element type and image, on as many threads, at this
                              level, on a machine like this: bytes_fixed, bytes_per_layer and bytes_elastic, where they are
                              not 0, are compared, and others refused (ARGUMENT): also after an update of the library,
                              or where the file has other texts (labels, metadata, scores), which count in the first
                              and the last. Measure anew then, or leave these two 0 */
    const tleg_scores *scores; /* for tleg_expander_get_best, in place of the file's (NULL) */
} tleg_budget;

/* The best depth for a budget. */
typedef struct tleg_best {
    uint32_t struct_size;  /* sizeof(tleg_best) */
    int32_t depth;         /* of the best score that fits; of equal ones the shallowest */
    double score;          /* of that depth */
    double standard_error; /* of that score: sqrt(score * (1 - score) / images); 0 where the number of images is unknown, and of
                              scores that are not shares of right answers (a generator's, TLEG_SCORES_ON_FEATURES) */
    int32_t cheapest;      /* the shallowest that fits and scores no less than score - standard_error: `depth` itself with 0 */
    int32_t fitting;       /* how many scored depths fit */
    double cheapest_score;
} tleg_best;

/* Packs a learngene for the context's processor level. `options` may be NULL.
 * Errors: ARGUMENT (an option out of range), UNSUPPORTED (an option this library does not know), NUMERIC (a tensor outside the
 * blocks has a number too large for F16: the text names it), MEMORY, CANCELLED (the context's progress said so). */
TLEG_API tleg_status TLEG_CALL tleg_expander_create(tleg_context *context, const tleg_learngene *gene,
                                                    const tleg_expander_options *options, tleg_expander **expander);

/* The same straight from a learngene's file, each tensor packed as it is read: never more in memory than the
 * expander and a small piece of the file (of a tensor that does not lie in rows, as a transposed one of PyTorch's, the whole).
 * `opening` and `options` may be NULL.
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

/* What its models look like, the options applied: depth 0, no schedule, and as parameters the learngene's numbers. Fills
 * *config up to its struct_size; its pointers live as long as the expander. `context` may be NULL: there is no text then.
 * Errors: ARGUMENT. */
TLEG_API tleg_status TLEG_CALL tleg_expander_get_info(tleg_context *context, const tleg_expander *expander,
                                                      tleg_config *config);

/* The name of a class, UTF-8; NULL past the end, or without names. Lives as long as the expander. */
TLEG_API const char *TLEG_CALL tleg_expander_get_label(const tleg_expander *expander, int32_t index);

/* Bytes that the expander holds; 0 for NULL. */
TLEG_API uint64_t TLEG_CALL tleg_expander_get_memory(const tleg_expander *expander);

/* A model of `depth` layers, least_depth to TLEG_MAX_DEPTH. Errors: ARGUMENT (depth), NUMERIC (a layer has a number too large
 * for F16: the text names its tensor), MEMORY, CANCELLED (the context's progress said so), and what the context's parallel
 * returned.
 *
 *     tleg_expander_expand(context, expander, 12, &model); */
TLEG_API tleg_status TLEG_CALL tleg_expander_expand(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                                    tleg_model **model);

/* The depths that the expander can give: as many layers as the schedule has segments (1 without one), and TLEG_MAX_DEPTH.
 * Either pointer may be NULL, and so may `context`: there is no text then. Errors: ARGUMENT. */
TLEG_API tleg_status TLEG_CALL tleg_expander_get_depths(tleg_context *context, const tleg_expander *expander, int32_t *least,
                                                        int32_t *most);

/* What `depth` layers (0: the least) cost at `batch` images on this context's threads. With `measure` not 0 milliseconds are
 * measured, of a materialised model and then of an elastic session, in some 200 ms each: runs at two depths in turn, at least
 * ten times, of which the least counts. The model has six layers more than the least depth, and is held for as long as that
 * takes. A budget with milliseconds measures what its holding runs alone. Errors: ARGUMENT, MEMORY; where it measures also
 * NUMERIC (as tleg_expander_expand), CANCELLED (the context's progress said so), and what the context's parallel returned.
 *
 * A host measures once, keeps the struct, and hands it in again (tleg_budget.cost). */
TLEG_API tleg_status TLEG_CALL tleg_expander_get_cost(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                                      int32_t batch, int32_t measure, tleg_cost *cost);

/* The deepest model that keeps within the budget, of the depths that were learned (tleg_config.depths). Where the file does not
 * say which those are, or any_depth is 1, it is the deepest at all, which may well score less than a shallower one: at most
 * TLEG_MAX_DEPTH. tleg_expander_get_best answers by scores. Weights are not looked at: one too large for F16 is found by
 * tleg_expander_expand, or where milliseconds are measured. *depth is 0 on failure.
 * Errors: ARGUMENT (also a budget without any limit), UNSUPPORTED (not even the shallowest fits;
 * the text says what that would take), and those of tleg_expander_get_cost. */
TLEG_API tleg_status TLEG_CALL tleg_expander_get_deepest(tleg_context *context, const tleg_expander *expander,
                                                         const tleg_budget *budget, int32_t *depth);

/* The best depth that keeps within the budget, which need not have a limit: by the budget's scores, or by those of the file
 * (tleg_config.scores). Depths with a score are the only candidates: nothing is guessed between them. Of the file's scores
 * those of depths that were learned, as tleg_expander_get_deepest has it; all with any_depth, and all that a host gives. *best
 * is filled up to its struct_size; 0 on failure.
 * Errors: ARGUMENT, STATE (neither has scores of such depths), UNSUPPORTED (not even the shallowest of them fits; the text says
 * what that would take), and those of tleg_expander_get_cost.
 *
 *     tleg_budget budget = {.struct_size = sizeof budget, .bytes = 20 << 20, .milliseconds = 5};
 *     tleg_best best = {.struct_size = sizeof best};
 *     if (tleg_expander_get_best(context, expander, &budget, &best) == TLEG_OK)
 *         tleg_expander_expand(context, expander, best.cheapest, &model); */
TLEG_API tleg_status TLEG_CALL tleg_expander_get_best(tleg_context *context, const tleg_expander *expander,
                                                      const tleg_budget *budget, tleg_best *best);

/* Drops the caller's reference. NULL is allowed. Any thread. */
TLEG_API void TLEG_CALL tleg_expander_free(tleg_expander *expander);

#ifdef __cplusplus
}
#endif

#endif
