/* A session: one thread's scratch memory for running a model, planned once. No call of
 * tleg_session_run allocates.
 *
 * One thread at a time may use a session (tleg_session_cancel excepted); many sessions may
 * share one model or expander, and nothing locks. Results are the same, to the bit, at any
 * number of threads, at any batch size, and elastic or materialised, at one processor level. */
#ifndef TLEG_SESSION_H
#define TLEG_SESSION_H

#include <tleg/expander.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tleg_session tleg_session;

typedef struct tleg_session_options {
    uint32_t struct_size; /* sizeof(tleg_session_options) */
    int32_t batch;        /* images computed at once (1); a larger run goes through in parts */
} tleg_session_options;

/* A session over a model. `options` may be NULL. Threads and pool are the context's.
 * Errors: ARGUMENT, MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_session_create(tleg_context *context, const tleg_model *model,
                                                   const tleg_session_options *options, tleg_session **session);

/* An elastic session: layers are formed from the learngene's tensors as they run, so that weight
 * memory does not grow with depth, and the depth may be changed between runs.
 * Errors: ARGUMENT (depth), NUMERIC (a layer of this depth has a number too large for the expander's F16: the text names its
 * tensor), MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_session_create_elastic(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                                           const tleg_session_options *options, tleg_session **session);

/* The bytes that such a session would allocate, exactly; for an elastic one they are the same at every depth. Errors: ARGUMENT,
 * MEMORY (the size does not fit in memory). */
TLEG_API tleg_status TLEG_CALL tleg_session_get_memory(tleg_context *context, const tleg_model *model,
                                                       const tleg_session_options *options, uint64_t *bytes);
TLEG_API tleg_status TLEG_CALL tleg_session_get_elastic_memory(tleg_context *context, const tleg_expander *expander,
                                                               const tleg_session_options *options, uint64_t *bytes);

/* What a session is, and how many floats it takes and gives for each image. */
typedef struct tleg_session_info {
    uint32_t struct_size; /* sizeof(tleg_session_info), set by the caller */
    int32_t elastic;      /* 1: made by tleg_session_create_elastic */
    int32_t depth;        /* of the next run */
    int32_t least_depth;  /* what tleg_session_set_depth takes; both are depth for a session over a model */
    int32_t most_depth;
    int32_t batch;           /* images computed at once */
    uint64_t image_floats;   /* channels * height * width */
    uint64_t logit_floats;   /* classes */
    uint64_t feature_floats; /* what the head reads: dim, twice that with TLEG_POOL_CLS_MEAN, or tleg_config.representation */
    uint64_t bytes;          /* what the session holds */
} tleg_session_info;

/* Fills *info up to info->struct_size. `context` may be NULL: there is no text then. Errors: ARGUMENT. */
TLEG_API tleg_status TLEG_CALL tleg_session_get_info(tleg_context *context, const tleg_session *session,
                                                     tleg_session_info *info);

/* Changes the depth of an elastic session for the runs that follow; costs no reload.
 * Errors: ARGUMENT (depth), NUMERIC (as at creation), STATE (a session over a model). The former depth stays. */
TLEG_API tleg_status TLEG_CALL tleg_session_set_depth(tleg_session *session, int32_t depth);

/* Runs `batch` >= 1 prepared images. Each pointer comes with the count of floats that lie there; tleg_session_get_info tells
 * how many an image needs. Pointers are aligned to 4.
 *   images    (batch, channels, height, width), f32, R G B, normalised with the model's mean and std
 *   logits    (batch, classes), or NULL and 0 if not wanted
 *   features  (batch, feature_floats): what the head reads, or NULL and 0; with two heads, the mean of both inputs
 * Errors: ARGUMENT (also a count that is too small: the text says what is needed), CANCELLED, and what the context's parallel
 * returned (outputs are undefined after both). A NaN in one image stays in its rows.
 *
 *     tleg_session_run(session, 1, image, 3 * 224 * 224, logits, classes, NULL, 0); */
TLEG_API tleg_status TLEG_CALL tleg_session_run(tleg_session *session, int64_t batch, const float *images, size_t image_floats,
                                                float *logits, size_t logit_floats, float *features, size_t feature_floats);

/* The text of the last call on this session that failed, "" if none did. Valid until its next call. */
TLEG_API const char *TLEG_CALL tleg_session_get_error(const tleg_session *session);

/* Stops the run in progress, which then returns CANCELLED; it looks once a layer and part of a batch. Does nothing on a session
 * that is not running: tleg_session_run forgets earlier calls when it begins. Any thread, but not while or after the session is
 * freed. */
TLEG_API void TLEG_CALL tleg_session_cancel(tleg_session *session);

/* Frees the session: any thread, when no other call uses it. NULL is allowed. */
TLEG_API void TLEG_CALL tleg_session_free(tleg_session *session);

#ifdef __cplusplus
}
#endif

#endif
