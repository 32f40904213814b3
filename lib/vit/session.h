/* The session handle: one block of memory, laid out by tleg_plan_make, the handle at its start. */
#ifndef TLEG_LIB_VIT_SESSION_H
#define TLEG_LIB_VIT_SESSION_H

#include "vit/vit.h"

struct tleg_session {
    struct tleg_error error;
    struct tleg_allocator allocator;
    atomic_int cancel;
    struct tleg_network network;
    void *owner;
    void (*release)(void *owner);
    int32_t depth;
    struct tleg_plan plan;
    struct tleg_exec exec;
    struct tleg_team_outcome outcome; /* of the run in progress */
    float *x;                         /* (B, N, D) */
    float *activations;               /* of a block */
    float *pooled;                    /* (heads, B, D): what each head reads */
    float *logits;                    /* (B, C) of the second head */
    float *vectors;                   /* of the layer that runs */
    void *state;                      /* of the depth */
};

/* One chunk of at most plan.shape.batch images through the network; false when cancelled (network.c). */
bool tleg_network_run(struct tleg_session *session, const float *images, int64_t batch, float *logits, float *features);

#endif
