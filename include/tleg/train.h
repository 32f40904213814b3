/* Training: learn a gene's tensors, or tune one descendant's weights. Hand-written backward passes, AdamW, Muon
 * or SGD, the recipe of DeiT. Not part of <tleg/tleg.h>. EXPERIMENTAL: what this header declares may change in any version.
 *
 * A trainer, like a session, serves one thread at a time; it computes on its context's threads. The same seed gives the same
 * bits, at any number of threads, at one processor level.
 *
 * Numbers whose zero means a default can be asked to be zero by a negative number. */
#ifndef TLEG_TRAIN_H
#define TLEG_TRAIN_H

#include <tleg/expander.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tleg_trainer tleg_trainer;

/* How the depth of a step is chosen, where parameters come from a learngene. */
typedef int32_t tleg_depth_mode;
enum {
    TLEG_DEPTH_SIGNED = -1,
    TLEG_DEPTH_FIXED = 1,   /* depth_least in every step: the paper's way */
    TLEG_DEPTH_RANDOM = 2,  /* drawn anew each step, uniformly from depth_least..depth_most */
    TLEG_DEPTH_SANDWICH = 3 /* the deepest, the shallowest and a random depth in every step; their mean loss counts. With
                               in_place the deepest teaches the other two */
};

/* What a step makes of the gradients g, after clipping, with the rate r and the weight decay w of a parameter p. */
typedef int32_t tleg_optimiser;
enum {
    TLEG_OPTIMISER_SIGNED = -1,
    TLEG_OPTIMISER_ADAMW = 1, /* as torch.optim.AdamW */
    /* The blocks' matrices as torch.optim.Muon with adjust_lr_fn="match_rms_adamw", all else by AdamW:
     *   b = momentum b + (1 - momentum) g;  u = (1 - momentum) g + momentum b
     *   p = (1 - r w) p - 0.2 sqrt(max(rows, columns)) r o
     * where o is u with all singular values moved near 1, by five Newton-Schulz steps. Their products round their factors to
     * bf16 where the blocks' products do (`dtype`); all else is f32 (PyTorch: all bf16). Each tensor of a learngene's basis is
     * a matrix of its own, and so are q, k and v. AdamW's rates and decays carry over. */
    TLEG_OPTIMISER_MUON = 2,
    /* As torch.optim.SGD, whose decay is coupled: b = momentum b + g + w p;  p -= r b, or r (g + w p + momentum b) with
     * nesterov. No second moments are held. Rates are some ten times AdamW's and more. */
    TLEG_OPTIMISER_SGD = 3
};

/* Parts of a network, to be added up. */
typedef int32_t tleg_part;
enum {
    TLEG_PART_EMBEDDING = 1, /* of patches and positions, with the tokens before them and the norm before the blocks; of a
                                generator also of times and labels */
    TLEG_PART_NORM1 = 2,     /* of every block, in a learngene every tensor of its basis; biases too. Where attention has norms
                                inside, these with it */
    TLEG_PART_NORM2 = 4,     /* and the MLP's likewise */
    TLEG_PART_QKV = 8,
    TLEG_PART_PROJ = 16,
    TLEG_PART_FC1 = 32,
    TLEG_PART_FC2 = 64,
    TLEG_PART_NORM = 128, /* the last one, and attention pooling after it */
    TLEG_PART_HEAD = 256, /* both, with a distillation token; a generator's last layer */
    TLEG_PART_LS1 = 512,  /* LayerScale's factors */
    TLEG_PART_LS2 = 1024,
    TLEG_PART_MODULATION = 2048, /* of a generator's blocks */
    TLEG_PART_BLOCKS = 3710,     /* all nine of the blocks */
    TLEG_PART_BACKBONE = 3839    /* all but the head */
};

/* What the teacher's DIVERGENCE is the mean over; SQUARES are always the mean over both. */
typedef int32_t tleg_teacher_mean;
enum {
    TLEG_TEACHER_MEAN_SIGNED = -1,
    TLEG_TEACHER_MEAN_OVER_LOGITS = 1, /* images and classes, as DeiT has it: with many classes it weighs next to nothing beside
                                          the labels' loss, so that alpha between 0 and 1 is nearly 0 */
    TLEG_TEACHER_MEAN_OVER_IMAGES = 2  /* images, as Hinton and others have it: as large as the labels' loss */
};

/* How a teacher's answer is learned from. */
typedef int32_t tleg_teacher_loss;
enum {
    TLEG_TEACHER_LOSS_SIGNED = -1,
    TLEG_TEACHER_LOSS_DIVERGENCE =
        1,                        /* of logits: tau^2 * sum KL(softmax(teacher / tau) || softmax(student / tau)) / (B * C) */
    TLEG_TEACHER_LOSS_SQUARES = 2 /* of any numbers, features above all, which the head learns to tell: the mean of
                                     (student - teacher)^2. No label judges such outputs: alpha must be 1. in_place is likewise
                                     the mean of (deepest - shallower)^2. Whoever gives the teacher's numbers sees to it that
                                     they are of about unit spread */
};

/* The logits (batch, classes) of a teacher for images (batch, channels, height, width), image_floats numbers in all. Each
 * must be written: they are NaN before, and the pass fails with NUMERIC where one stays so. */
typedef tleg_status(TLEG_CALL *tleg_teacher_fn)(void *host, int64_t batch, const float *images, size_t image_floats,
                                                int32_t classes, float *logits);
/* The same for a generator: the noise (batch, channels, image_size, image_size) that a teacher tells in images that are noised,
 * at their times and with their labels (the null label where it was dropped). */
typedef tleg_status(TLEG_CALL *tleg_noise_teacher_fn)(void *host, int64_t batch, const float *noised, size_t image_floats,
                                                      const int64_t *times, const int64_t *labels, float *noise);
/* Sums `count` values over all ranks of a data-parallel run, in place, with the same result on each. */
typedef tleg_status(TLEG_CALL *tleg_all_reduce_fn)(void *host, float *values, size_t count);

typedef struct tleg_trainer_options {
    uint32_t struct_size;       /* sizeof(tleg_trainer_options) */
    int32_t batch;              /* needed: images computed at once; the most in one tleg_trainer_backward */
    tleg_depth_mode depth_mode; /* TLEG_DEPTH_* (FIXED); for a learngene */
    int32_t depth_least;        /* needed for a learngene */
    int32_t depth_most;         /* needed for RANDOM and SANDWICH */
    int32_t checkpoint; /* 1: keep only each block's input and compute it again in the backward pass, and form each layer's
                           weights again whenever they are wanted: less memory, more time */
    int32_t
        norm; /* TLEG_NORM_* of the network that runs, as in tleg_expander_options; for a learngene, which keeps its own (0) */
    int32_t image_size; /* of the network that runs, likewise (0: as learned); image_width below */
    double alpha; /* weight of the teacher's loss against the labels' (0: no teacher is asked); with 1 labels are not needed.
                     With a distillation token labels judge the head of the class token alone and the teacher that of the other,
                     as in DeiT: with 0 or 1 nobody teaches one of them, and answers are the mean of both */
    double tau;   /* temperature of the teacher's loss (1) */
    double smoothing;    /* of labels given as numbers (0) */
    double weight_decay; /* (0.05; of SGD, whose decay is coupled, 5e-4); never on vectors, pos_embed, cls_token, reg_token, the
                            query of attention pooling and, in a model, dist_token. Negative: 0 */
    double beta1, beta2; /* (0.9, 0.999); negative: 0 */
    double epsilon;      /* of AdamW (1e-8) */
    double clip;         /* largest norm of all gradients together; 0: none */
    double drop_path;    /* stochastic depth: the last block's rate, linear from 0 over the blocks (0) */
    double ema;          /* decay of the moving average of the parameters, such as 0.999; 0: none. It is of f32: at 0.99996 what
                            moves by less than 0.15 % of itself stands still in it */
    uint64_t seed;       /* of depths and dropped paths; of a generator also of noise, times and dropped labels */

    /* The callbacks, noise_teacher below too, run on the thread that called the trainer; what they are handed is theirs until
     * they return. They may not use the trainer: its calls give TLEG_ERROR_STATE then. A status other than TLEG_OK stops the
     * call with it: gradients are then undefined until tleg_trainer_forget. teacher is asked once a call of
     * tleg_trainer_backward, for the images of this very call, after augmentation; not when a batch brings its own logits, or
     * when alpha is 0. all_reduce is called once in tleg_trainer_update, which then divides by `ranks`. */
    tleg_teacher_fn teacher;
    void *teacher_host;
    tleg_all_reduce_fn all_reduce;
    void *all_reduce_host;
    int32_t ranks; /* (1); more need all_reduce */
    /* What the blocks multiply: TLEG_F32 (0 too); or TLEG_BF16, mixed precision: both factors of the blocks' products, forward
     * and back, are rounded to bf16, sums are f32, and so is all else: parameters, gradients, moments, activations, norms,
     * softmax, embedding, heads and losses. Levels that do not multiply bf16 themselves, and cblas, train in f32 then. */
    int32_t dtype;
    /* In-place distillation, with TLEG_DEPTH_SANDWICH (0: none): the deepest pass of a step learns from labels and teacher as
     * ever, and its logits, taken as constants, teach the two shallower ones: their loss is
     * in_place * sum KL(deepest || shallower) / B + (1 - in_place) * (the loss against labels and teacher). */
    double in_place;
    tleg_optimiser optimiser; /* TLEG_OPTIMISER_* (ADAMW) */
    int32_t nesterov;         /* 1: yes, -1: no (of MUON yes, where o is made of b otherwise; of SGD no) */
    double momentum;          /* of MUON (0.95) and SGD (0.9); negative: 0 */
    /* What does not learn keeps its numbers to the bit: it has no gradient (all zero), does not decay, and counts in no norm. A
     * pass goes back only as far as something learns. */
    tleg_part freeze;      /* TLEG_PART_* together (0: none) */
    int32_t frozen_layers; /* of a model: the embedding and so many blocks from the first on (0) */
    /* Of a model, in (0, 1] (1): the last block learns at layer_decay times the rate, the one before at its square, and so on,
     * the embedding at its power of depth + 1. Heads, and the last norm where it comes after pooling, learn at the full rate; a
     * norm before it goes with the last block. As timm's param_groups_layer_decay, but that register tokens (there with the
     * head) and a norm before the blocks (there with the last) go with the embedding. */
    double layer_decay;
    int32_t rank; /* of this process, 0 to ranks - 1 (0): each drops paths of its own, and noises its images with noise of its
                     own, at the same depths */
    tleg_teacher_mean teacher_mean; /* TLEG_TEACHER_MEAN_* (OVER_LOGITS) */
    /* 1: the average's decay is at most (1 + t) / (10 + t) in step t, counted from 1, so that it spans a ninth of the steps
     * done until `ema` is reached, and the first weights fade in a run of any length. 0: `ema` from the first step on, of which
     * ema^steps is the share of the first weights. */
    int32_t ema_warmup;
    tleg_teacher_loss teacher_loss; /* TLEG_TEACHER_LOSS_* (DIVERGENCE) */
    /* NULL; or (classes) numbers, finite, not negative and not all 0, which are copied: the labels' loss is
     * -sum w_c q_c log p_c / sum w_c t_c, over the classes and images of a call of tleg_trainer_backward. q is the targets'
     * row, or the label with its smoothing; t is the row, or the label alone. With labels that is torch's
     * CrossEntropyLoss(weight, label_smoothing); with targets torch divides by the number of images. A call whose images all
     * weigh 0 has a loss of 0. The teacher's loss and in_place's are not weighted. */
    const double *class_weights;
    const void *reserved; /* NULL */
    /* Of a generator, which learns to tell the noise in an image: its loss is the mean of (noise - told)^2 over all numbers of
     * all images, and alpha's part the same against the noise_teacher's. in_place is against the deepest pass'. tau, teacher,
     * smoothing and class_weights are not its, and pos_embed stays as it is, though it has a gradient. Mixed precision leaves
     * the gradient of the modulation's weights in f32. */
    double label_drop;                   /* share of images whose label becomes the null label, for guidance later (0) */
    tleg_noise_teacher_fn noise_teacher; /* asked once a call of tleg_trainer_backward, unless alpha is 0 */
    void *noise_teacher_host;
    int32_t image_width;                  /* with an image_size, as in tleg_expander_options (0: image_size) */
    tleg_position_filter position_filter; /* likewise: TLEG_POSITION_FILTER_* (BICUBIC) */
} tleg_trainer_options;

/* Some images of a step. Zero it, set struct_size and what there is. */
typedef struct tleg_train_batch {
    uint32_t struct_size;        /* sizeof(tleg_train_batch) */
    int32_t size;                /* images, 1 to the trainer's batch */
    double share;                /* of the step's gradient (1): 1/n for each of n calls accumulates their mean */
    const float *images;         /* (size, channels, height, width), prepared */
    const int64_t *labels;       /* (size), 0..classes-1, or NULL */
    const float *targets;        /* (size, classes), rows that sum to 1, in place of labels (mixup); or NULL */
    const float *teacher_logits; /* (size, classes), or NULL: the trainer's teacher is asked */
    /* Of a generator, whose labels may be the null label too (NULL: all are): the time of each image (size), 0 to 999, and what
     * is added to it (size, channels, image_size, image_size); NULL: drawn from the trainer's random numbers, times evenly. */
    const int64_t *times;
    const float *noise;
} tleg_train_batch;

typedef struct tleg_train_loss {
    uint32_t struct_size; /* sizeof(tleg_train_loss) */
    int32_t depth;        /* of the pass; with SANDWICH, the random one */
    double total;         /* alpha * teacher + (1 - alpha) * labels, and in_place's part; the mean of all passes */
    double labels;        /* cross-entropy; 0 when there are no labels. Of a generator: mean (noise - told)^2 */
    double teacher;       /* as teacher_loss says, and teacher_mean; 0 without a teacher */
    int64_t correct;      /* images whose largest logit is the label (or the largest target); of the random depth with
                        SANDWICH; 0 without either */
    double
        in_place; /* sum KL(deepest || shallower) / B, or the squares', the mean of the shallower passes; 0 without in_place */
} tleg_train_loss;

/* A trainer over a learngene's parameters, or over a model's (f32); neither is changed or needed afterwards. Errors: ARGUMENT
 * (names the member), UNSUPPORTED (an option this library does not know), MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_trainer_create(tleg_context *context, const tleg_learngene *gene,
                                                   const tleg_trainer_options *options, tleg_trainer **trainer);
TLEG_API tleg_status TLEG_CALL tleg_trainer_create_for_model(tleg_context *context, const tleg_model *model,
                                                             const tleg_trainer_options *options, tleg_trainer **trainer);

/* The bytes that creating such a trainer allocates, exactly; no step allocates. Errors: as tleg_trainer_create. */
TLEG_API tleg_status TLEG_CALL tleg_trainer_get_memory(tleg_context *context, const tleg_learngene *gene,
                                                       const tleg_trainer_options *options, uint64_t *bytes);
TLEG_API tleg_status TLEG_CALL tleg_trainer_get_memory_for_model(tleg_context *context, const tleg_model *model,
                                                                 const tleg_trainer_options *options, uint64_t *bytes);

/* One forward and backward pass: adds share * d loss / d parameter to the gradients. *loss (may be NULL) is filled; after
 * a failure its numbers mean nothing.
 * Errors: ARGUMENT (also: a label out of range, no labels where alpha < 1, no teacher where alpha > 0), NUMERIC (a loss that is
 * not finite: the text names the step and the part of the loss), CANCELLED (the context's progress, told of the images that are
 * done), and what the teacher or the context's parallel returned. Gradients are undefined after all but ARGUMENT, until
 * tleg_trainer_forget. */
TLEG_API tleg_status TLEG_CALL tleg_trainer_backward(tleg_trainer *trainer, const tleg_train_batch *batch,
                                                     tleg_train_loss *loss);

/* Ends a step: all-reduce, clipping, the optimiser with this learning rate, moving average; gradients become zero.
 * Errors: ARGUMENT (a rate below 0 or not finite), STATE (gradients are undefined, since a call failed), NUMERIC (a gradient's
 * norm is not finite: nothing is changed), and what all_reduce or the context's parallel returned. Where the parallel fails
 * before the optimiser begins, no parameter is changed, and the call may be made again (after an all_reduce gradients are
 * undefined); where it fails within, a part of the parameters has moved: from then on what computes with them, saves or hands
 * them out gives STATE, until tleg_trainer_load. */
TLEG_API tleg_status TLEG_CALL tleg_trainer_update(tleg_trainer *trainer, double learning_rate);

/* Makes all gradients zero and draws the step's depth anew. NULL is allowed. */
TLEG_API void TLEG_CALL tleg_trainer_forget(tleg_trainer *trainer);

/* What the blocks multiply, as the options' dtype says where the context's level does so: TLEG_BF16 or TLEG_F32. 0 for NULL. */
TLEG_API tleg_dtype TLEG_CALL tleg_trainer_get_dtype(const tleg_trainer *trainer);

/* Steps done. 0 for NULL. */
TLEG_API int64_t TLEG_CALL tleg_trainer_get_steps(const tleg_trainer *trainer);

/* A copy of a gradient, under the parameter's own name, f32, row-major. Errors: ARGUMENT, NOT_FOUND (no such
 * parameter), STATE (from a callback), MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_trainer_copy_gradient(tleg_context *context, const tleg_trainer *trainer, const char *name,
                                                          tleg_tensor **tensor);

/* The name of the parameter at `index`, in file order; NULL past the end. */
TLEG_API const char *TLEG_CALL tleg_trainer_get_parameter_name(const tleg_trainer *trainer, int64_t index);

/* What has been learned so far, as a new handle; average 1: the moving average. Once a step was made, it knows the depths of
 * this training (tleg_config.depths) and no scores: tleg_save_options takes those that a host measures. Errors: ARGUMENT, STATE
 * (the other kind, no average is kept, or from a callback), NUMERIC (a number of it is not finite: the text names the step and
 * the parameter), MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_trainer_copy_learngene(tleg_context *context, const tleg_trainer *trainer, int32_t average,
                                                           tleg_learngene **gene);
TLEG_API tleg_status TLEG_CALL tleg_trainer_copy_model(tleg_context *context, const tleg_trainer *trainer, int32_t average,
                                                       tleg_model **model);

/* Writes everything that a later run needs to go on bit for bit: parameters, moments, average, steps, random state; and the
 * host's own pairs (keys_and_values holds 2 * pairs texts), which tleg_file_get_metadata reads back. Call it between steps. A
 * former file stays whole until the new one is. Errors: ARGUMENT, NUMERIC (a number is not finite: nothing is written),
 * NOT_FOUND (there is no such folder), STATE (from a callback), IO, MEMORY, CANCELLED (the context's progress said so). */
TLEG_API tleg_status TLEG_CALL tleg_trainer_save(tleg_context *context, const tleg_trainer *trainer, const char *path,
                                                 int64_t pairs, const char *const *keys_and_values);

/* Takes such a file up again, in a trainer made with the same kind, shape and options. Nothing changes on failure.
 * Errors: ARGUMENT, NOT_FOUND (there is no such file), STATE (from a callback), IO, FORMAT (another configuration, or numbers
 * that no step leaves: the text says which), MEMORY, CANCELLED (the context's progress said so). */
TLEG_API tleg_status TLEG_CALL tleg_trainer_load(tleg_context *context, tleg_trainer *trainer, const char *path);

/* The text of the last call without a context on this trainer that failed; the others report on their context. */
TLEG_API const char *TLEG_CALL tleg_trainer_get_error(const tleg_trainer *trainer);

/* NULL is allowed. */
TLEG_API void TLEG_CALL tleg_trainer_free(tleg_trainer *trainer);

/* ---- the learning rate ---- */

/* How the rate goes on after the warm-up. */
typedef int32_t tleg_rate_curve;
enum {
    TLEG_RATE_SIGNED = -1,
    TLEG_RATE_COSINE = 1,  /* falls from the first epoch to the last, as in DeiT's recipe */
    TLEG_RATE_CONSTANT = 2 /* stays at its peak, and falls in a straight line over the last epochs (`decay`): a run may be made
                              longer as long as it has not begun to fall */
};

typedef struct tleg_train_rate {
    uint32_t struct_size;  /* sizeof(tleg_train_rate) */
    int32_t epochs;        /* needed: E */
    int32_t warmup;        /* epochs of warm-up: W (0) */
    tleg_rate_curve curve; /* TLEG_RATE_* (COSINE) */
    double peak;           /* needed: lr, the largest rate */
    double start;          /* of the warm-up (1e-6, or the peak if that is less); negative: 0 */
    double end;            /* of the fall (1e-5, or the peak if that is less); negative: 0 */
    int32_t decay;         /* epochs of CONSTANT's fall: D (0) */
    int32_t warmup_steps;  /* the warm-up in steps, in place of `warmup`: W = warmup_steps / steps */
    int64_t steps;         /* of an epoch: needed for tleg_train_rate_of_step, and for warmup_steps */
} tleg_train_rate;

/* The rate of an epoch, as DeiT's recipe sets it: epochs 0 and 1 use r(0), then e uses r(e - 1), where
 *   r(t) = start + t (peak - start) / W                       for t < W, and then
 *   r(t) = end + (peak - end) (1 + cos(pi t / E)) / 2         COSINE
 *   r(t) = peak                                               CONSTANT, until E - D are over; then
 *   r(t) = end + (peak - end) (E - t) / D
 * and r(t) = end from E on. Errors: ARGUMENT (also: a start or an end above the peak, W + D above E), UNSUPPORTED (an option
 * this library does not know). `context` may be NULL: there is no text then. */
TLEG_API tleg_status TLEG_CALL tleg_train_rate_of_epoch(tleg_context *context, const tleg_train_rate *rate, int32_t epoch,
                                                        double *learning_rate);

/* The rate of the step after `step` others, 0 for the first: r(step / steps). Errors: likewise. */
TLEG_API tleg_status TLEG_CALL tleg_train_rate_of_step(tleg_context *context, const tleg_train_rate *rate, int64_t step,
                                                       double *learning_rate);

#ifdef __cplusplus
}
#endif

#endif
