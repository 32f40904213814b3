/* The trainer from inside. Everything lies in one memory, laid out by tleg_trainer_layout, so that the query is exact. */
#ifndef TLEG_LIB_TRAIN_PRIVATE_H
#define TLEG_LIB_TRAIN_PRIVATE_H

#include "learngene/expander.h"
#include "learngene/gene.h"
#include <tleg/train.h>

/* ---- parameters (params.c) ---- */
/* Values, gradients, moments and average are arrays of one order, `floats` long; each parameter begins on a multiple of
 * TLEG_PARAM_FLOATS. */
enum { TLEG_PARAM_FLOATS = 16 };
static inline size_t tleg_param_floats(size_t count) { /* what `count` numbers take */
    return (count + TLEG_PARAM_FLOATS - 1) / TLEG_PARAM_FLOATS * TLEG_PARAM_FLOATS;
}
struct tleg_param {
    char name[TLEG_NAME_TEXT];
    int32_t rank;
    int64_t shape[4];
    size_t at, count;
    bool decay;
    double rate;      /* what it learns at, as a share of the step's; 0: frozen */
    int32_t matrices; /* of a block's weight: those below one another, which Muon takes one by one; else 0 */
};
/* q, k and v lie below one another, and so do the six parts of a modulation. */
static inline int32_t tleg_site_matrices(enum tleg_site site) {
    return tleg_site_is_vector(site) ? 0 : site == TLEG_SITE_QKV ? 3 : site == TLEG_SITE_MODULATION ? 6 : 1;
}
enum { TLEG_NOT_THERE = -1 };
/* Where a segment's numbers are in those arrays, or TLEG_NOT_THERE. A model is taken as a learngene whose every layer is a
 * shared segment of its own, so that both are trained by the same code. */
struct tleg_train_segment {
    enum tleg_curve curve;
    int32_t tensors;
    int64_t weight, bias; /* the first of so many; the next begins at the next multiple of TLEG_PARAM_FLOATS after it */
};
struct tleg_params {
    const tleg_learngene *gene; /* the source, while it is read: one of the two */
    const tleg_model *model;
    int64_t count;
    size_t floats;
    int32_t segments[TLEG_SITES]; /* of each site */
    int32_t total;                /* segments of all sites */
};
/* Whether options leave any part of a network to learn. */
bool tleg_params_learn(const tleg_config *net, const tleg_trainer_options *options);
/* Whether what a block's site, or else a slot, holds stays as it is. */
bool tleg_is_frozen(const tleg_trainer *trainer, enum tleg_site site, enum tleg_slot slot, int32_t layer);
void tleg_params_measure(const tleg_learngene *gene, const tleg_model *model, struct tleg_params *params);
/* Of an array laid out like the parameters: the name of the first with a number that is not finite; NULL: all are. */
const char *tleg_params_find_odd(const tleg_trainer *trainer, const float *values);

/* ---- layout (layout.c) ---- */
/* The matrices outside the blocks. */
enum {
    TLEG_TRAIN_PATCH,
    TLEG_TRAIN_HEAD,
    TLEG_TRAIN_DIST,
    TLEG_TRAIN_REPRESENTATION,
    TLEG_TRAIN_TIME_IN, /* of a generator, and the next three */
    TLEG_TRAIN_TIME_OUT,
    TLEG_TRAIN_LAST_MODULATION,
    TLEG_TRAIN_LAST,
    TLEG_TRAIN_POOL, /* in the order of enum tleg_pool_matrix */
    TLEG_TRAIN_OUTER = TLEG_TRAIN_POOL + TLEG_POOL_MATRICES
};
/* Whether the way back goes through it: no gradient goes on to images, and none to the waves of a time. */
static inline bool tleg_train_turns(int which) {
    return which != TLEG_TRAIN_PATCH && which != TLEG_TRAIN_TIME_IN;
}
enum tleg_slot tleg_train_slot(int which); /* its weight's */
struct tleg_muon_layout {                  /* in bytes: what muon.c needs during a step */
    size_t memory;                         /* of the workers, one after another */
    int32_t workers;                       /* lanes that have one */
    size_t bytes;                          /* of a worker; the others are offsets in it */
    size_t x, next, gram, factor, rounded, packed, shared, lane;
};
struct tleg_trainer_layout {
    struct tleg_params params;
    tleg_config net;                  /* the network that runs; its texts are the source's */
    struct tleg_block_shape shape;    /* of a slice: the images that go through the network at once */
    struct tleg_layer_layout packed;  /* of a layer's packed matrices */
    struct tleg_turned_layout turned; /* of those for the way back */
    int32_t depth_most, least_depth;
    bool resampled; /* the network's image size is not the parameters' */
    /* offsets in bytes */
    size_t outer[TLEG_TRAIN_OUTER], outer_turned[TLEG_TRAIN_OUTER];
    size_t list, segments, lengths, now, values, gradient, moment1, moment2, average, formed, layers, turned_layers, pos, dpos,
        angles, inputs, kept, last, d, activations, pooled, gathered, dpooled, logits, dlogits, teacher, deepest, scales,
        shared, lane, lane_bytes, class_weights, condition, noise, noised, times, labels; /* the last five of a generator */
    struct tleg_muon_layout muon;
    size_t bytes;
};
tleg_status tleg_trainer_lay_out(tleg_context *context, const tleg_learngene *gene, const tleg_model *model,
                                 const tleg_trainer_options *options, struct tleg_trainer_layout *layout);

/* ---- the handle ---- */
struct tleg_trainer {
    struct tleg_error error;
    struct tleg_allocator allocator;
    struct tleg_exec exec;
    struct tleg_team_outcome outcome; /* of the call in progress */
    const struct tleg_ends *ends;     /* what is before the blocks and after them */
    tleg_trainer_options options;     /* every default filled in */
    struct tleg_vit_config config;    /* of the parameters' source */
    struct tleg_trainer_layout layout;
    tleg_progress_fn progress; /* the context's */
    void *progress_host;
    uint64_t done, total; /* images of the pass in progress, of every depth that it runs */
    bool is_gene;
    bool busy;      /* a call computes, or asks a callback */
    bool undefined; /* gradients: until they are forgotten */
    bool torn;      /* a step was made for a part of the parameters alone: until a state is loaded */
    struct tleg_param *list;
    struct tleg_train_segment *segments[TLEG_SITES];
    int32_t *lengths[TLEG_SITES]; /* as learned */
    int32_t *now;                 /* at the depth that runs, site after site */
    int64_t outer[TLEG_SLOTS];    /* where a tensor outside the blocks is, or TLEG_NOT_THERE */
    float *values, *gradient, *moment1;
    float *moment2, *average; /* NULL: none is kept */
    int32_t first_layer;      /* into which a pass goes back; TLEG_MAX_DEPTH: into none */
    bool embedding_learns;
    int32_t depth; /* drawn for this step */
    int64_t steps;
    struct tleg_random random;
};

static inline float *tleg_trainer_at(const tleg_trainer *trainer, size_t offset) {
    return (float *)(void *)((char *)(uintptr_t)trainer + offset);
}
void tleg_params_place(tleg_trainer *trainer, const tleg_learngene *gene, const tleg_model *model, float *scratch);

/* ---- the weights of a pass (weights.c) ---- */
/* Forms and packs what is outside the blocks and, unless checkpointing forms each where it is wanted, every layer at this
 * depth. */
void tleg_train_form(tleg_trainer *trainer, int32_t depth);
struct tleg_train_layer {
    struct tleg_layer layer;
    struct tleg_weight turned[TLEG_SITES];
    struct tleg_layer_gradient gradient;
};
/* Valid until the next call. */
void tleg_train_layer(const tleg_trainer *trainer, int32_t layer, struct tleg_train_layer *out);
/* What is outside the blocks, f32, at the image size that runs; and where its gradients go. */
struct tleg_train_outer {
    struct tleg_outer_weights weights;
    struct tleg_outer_turned turned;
    struct tleg_outer_gradient gradient;
};
void tleg_train_outer(const tleg_trainer *trainer, struct tleg_train_outer *out);
/* The gradients by the places of tokens and patches, which a pass sums over all images first: zeroed before it, and handed on
 * to the parameters after it. */
void tleg_train_places_start(tleg_trainer *trainer);
void tleg_train_places_end(tleg_trainer *trainer);

/* ---- one pass (pass.c) ---- */
/* Tells the host's progress how far the pass is: CANCELLED when it says stop before the end. */
tleg_status tleg_trainer_go_on(tleg_trainer *trainer);
/* Of a step's passes with in-place distillation, the deepest hands its logits to the shallower ones. */
enum tleg_pass_part { TLEG_PASS_ALONE, TLEG_PASS_TEACHES, TLEG_PASS_FOLLOWS };
struct tleg_pass {
    int32_t depth;
    double share; /* of the step's gradient */
    enum tleg_pass_part part;
};
/* Forward and backward: adds share * gradient, and to *loss. */
tleg_status tleg_trainer_pass(tleg_trainer *trainer, const tleg_train_batch *batch, const struct tleg_pass *pass,
                              tleg_train_loss *loss);
const float *tleg_train_value(const tleg_trainer *trainer, enum tleg_slot slot); /* NULL: not there */
/* Some of a batch's images, which go through the network together. */
struct tleg_slice {
    tleg_train_batch batch; /* its images alone */
    int64_t first;          /* of them, in the whole batch */
    double part;            /* of the whole batch */
    double weight;          /* of the whole batch's labels; without class weights nobody asks */
    const struct tleg_pass *pass;
    struct tleg_block_shape shape;
};
static inline int tleg_trainer_heads(const tleg_trainer *trainer) {
    return tleg_config_readouts(&trainer->layout.net);
}
/* (B, D) and (B, C) of one head */
static inline float *tleg_trainer_head(const tleg_trainer *trainer, size_t offset, int head, int64_t batch, int64_t width) {
    return tleg_trainer_at(trainer, offset) + head * batch * width;
}

/* ---- how it is judged (judge.c) ---- */
/* Puts the teacher's logits into the batch, unless it has them; NULL when alpha is 0. */
tleg_status tleg_trainer_ask(tleg_trainer *trainer, tleg_train_batch *batch);
/* What the class weights make of a batch's labels, or targets, together. */
double tleg_trainer_weigh(const tleg_trainer *trainer, const tleg_train_batch *batch);
/* Losses of a slice, and their gradients by the logits. */
tleg_status tleg_trainer_judge_answers(tleg_trainer *trainer, const struct tleg_slice *slice, tleg_train_loss *loss);
/* NUMERIC where a loss is not: the text names what it is against, and `why` ends it. */
tleg_status tleg_trainer_check_loss(tleg_trainer *trainer, double loss, const char *against, const char *why);
struct tleg_judged {
    double labels, teacher, deepest; /* losses against each */
};
/* Weighs a slice's losses into the whole. */
void tleg_trainer_add_loss(const tleg_trainer *trainer, const struct tleg_slice *slice, const struct tleg_judged *judged,
                           tleg_train_loss *loss);
double tleg_trainer_in_place(const tleg_trainer *trainer,
                             const struct tleg_slice *slice); /* the deepest's weight in its loss */

/* ---- what a generator learns (drawing.c) ---- */
/* Noises a batch's images, as the batch or the step's random numbers say, and drops labels; asks the teacher. */
tleg_status tleg_trainer_noise(tleg_trainer *trainer, const tleg_train_batch *batch);
/* The images of a pass under way, from `first` on. */
struct tleg_drawing {
    const float *noised;
    struct tleg_asked asked;
    int64_t first;
};
struct tleg_drawing tleg_trainer_drawing(const tleg_trainer *trainer, int64_t first);
/* The loss of a slice's outputs, and its gradient by them. */
tleg_status tleg_trainer_judge_noise(tleg_trainer *trainer, const struct tleg_drawing *drawing, const struct tleg_slice *slice,
                                     tleg_train_loss *loss);

/* ---- the step (optimiser.c) ---- */
tleg_status tleg_trainer_apply(tleg_trainer *trainer, double learning_rate);
struct tleg_step {
    const tleg_trainer *trainer;
    double number; /* 1 for the first */
    double rate;
    float scale; /* of the gradients: clipping and ranks */
};
static inline double tleg_step_rate(const struct tleg_step *step, const struct tleg_param *param) {
    return step->rate * param->rate;
}
static inline float tleg_step_decay(const struct tleg_step *step, const struct tleg_param *param) { /* what a number keeps */
    return param->decay ? (float)(1 - tleg_step_rate(step, param) * step->trainer->options.weight_decay) : 1;
}
/* The moving average follows the values [at, at + count). */
void tleg_train_average(const tleg_trainer *trainer, size_t at, size_t count);

/* Items of work of an optimiser that takes each number by itself: their count; where one begins in the arrays, and how long it
 * is. */
enum { TLEG_STEP_CHUNK = 8192 };

static inline int64_t tleg_step_chunks(const struct tleg_param *param) {
    return (int64_t)((param->count + TLEG_STEP_CHUNK - 1) / TLEG_STEP_CHUNK);
}

static inline size_t tleg_step_chunk(const struct tleg_param *param, int64_t item, size_t *count) {
    const size_t begin = (size_t)item * TLEG_STEP_CHUNK, left = param->count - begin;
    *count = left < TLEG_STEP_CHUNK ? left : TLEG_STEP_CHUNK;
    return param->at + begin;
}

/* Optimisers, a file each: a parameter's values and moments after the step; Muon's, of all that it takes. */
void tleg_adamw(const struct tleg_step *step, const struct tleg_param *param);
void tleg_sgd(const struct tleg_step *step, const struct tleg_param *param);
void tleg_muon(const struct tleg_step *step);
static inline int32_t tleg_muon_matrices(const struct tleg_param *param) { /* 0: it is not Muon's */
    return param->rate > 0 ? param->matrices : 0;
}
void tleg_muon_place(const struct tleg_kernels *kernels, const tleg_config *net, int32_t dtype, int32_t lanes,
                     struct tleg_muon_layout *layout, size_t *end);
void tleg_trainer_draw(tleg_trainer *trainer); /* the depth of the next step */
/* STATE while a callback of its own runs. */
tleg_status tleg_trainer_check_idle(tleg_context *context, const tleg_trainer *trainer);
tleg_status tleg_trainer_check_whole(tleg_context *context, const tleg_trainer *trainer); /* idle, and not torn */
bool tleg_trainer_pool_failed(const tleg_trainer *trainer);                               /* in the call in progress */

#endif
