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

/* An elastic session: layers are formed from base and ilayer as they run, so that weight
 * memory does not grow with depth, and the depth may be changed between runs.
 * Errors: ARGUMENT (depth), MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_session_create_elastic(tleg_context *context, const tleg_expander *expander, int32_t depth,
                                                           const tleg_session_options *options, tleg_session **session);

/* The bytes that creating a session would allocate, exactly. One of model and expander is NULL. Errors: ARGUMENT, MEMORY
 * (the size does not fit in memory). */
TLEG_API tleg_status TLEG_CALL tleg_session_get_memory(tleg_context *context, const tleg_model *model,
                                                       const tleg_expander *expander, const tleg_session_options *options,
                                                       uint64_t *bytes);

/* Changes the depth of an elastic session for the runs that follow; costs no reload.
 * Errors: ARGUMENT (depth; the former one stays), STATE (a session over a model). */
TLEG_API tleg_status TLEG_CALL tleg_session_set_depth(tleg_session *session, int32_t depth);

/* Runs `batch` >= 1 prepared images.
 *   images    (batch, 3, image_size, image_size), f32, R G B, normalised with the model's mean and std
 *   logits    (batch, classes), or NULL if not wanted
 *   features  (batch, dim): what the head reads, or NULL; with two heads, the mean of both inputs
 * Errors: ARGUMENT, CANCELLED (outputs are then undefined). A NaN in one image stays in its rows. */
TLEG_API tleg_status TLEG_CALL tleg_session_run(tleg_session *session, const float *images, int64_t batch, float *logits,
                                                float *features);

/* The text of the last call on this session that failed, "" if none did. Valid until its next call. */
TLEG_API const char *TLEG_CALL tleg_session_get_error(const tleg_session *session);

/* Stops the run in progress, or else the next one, which then returns CANCELLED; one call stops one run. Any thread. */
TLEG_API void TLEG_CALL tleg_session_cancel(tleg_session *session);

/* Frees the session. NULL is allowed. */
TLEG_API void TLEG_CALL tleg_session_free(tleg_session *session);

#ifdef __cplusplus
}
#endif

#endif
