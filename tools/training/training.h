/* What `tleg distill` and `tleg tune` share: everything but what they start from. */
#ifndef TLEG_TOOLS_TRAINING_H
#define TLEG_TOOLS_TRAINING_H

#include "data/dataset.h"
#include "source/source.h"
#include <tleg/train.h>

enum { TRAINING_DEPTHS = 32 };
enum recipe_kind { RECIPE_AUTO, RECIPE_DEIT, RECIPE_SHORT };
enum augment { AUGMENT_DEIT, AUGMENT_LIGHT, AUGMENT_NONE };
enum keep { KEEP_BOTH, KEEP_BEST, KEEP_LAST };
extern const struct choice training_teacher_means[], training_augments[], training_dtypes[], training_keeps[],
    training_optimisers[], training_recipes[];

/* Numbers below 0, a batch of 0 and a rate of 0: not given. */
struct training_options {
    const char *data, *val, *out, *log, *checkpoint, *val_depths;
    const char *teacher, *teacher_command, *teacher_logits, *record, *recorded, *data_seed, *class_weights, *freeze;
    double teacher_timeout; /* seconds */
    int32_t val_every, loaders, epochs, views, batch, accumulate, warmup, warmup_steps, decay_epochs, repeats, teacher_depth;
    int32_t log_every, checkpoint_every, limit_steps, teacher_mean, augment, dtype, keep, recipe, optimiser, freeze_layers,
        patience;
    uint64_t cache, seed;
    bool val_default;  /* --val-every was not asked for: it may be left out */
    bool only_teacher; /* no other file is opened: what the call says of one is said of it */
    bool skip_bad, exif, ema_fixed, other_teacher, teacher_features, lr_absolute, resume, recompute, nesterov;
    double lr, lr_end, weight_decay, smoothing, alpha, tau, clip, ema, drop_path, momentum, layer_decay;
    double label_drop; /* of generators */
    double latent_scale;
    double crop_scale, flip, rand_augment, jitter, erase, mixup, cutmix;
    struct pictures pictures;
};

#define TRAINING_DEFAULTS                                                                                                      \
    {                                                                                                                          \
        .loaders = 1, .augment = -1, .accumulate = 1, .warmup = -1, .warmup_steps = -1, .decay_epochs = -1, .repeats = 0,      \
        .log_every = 50, .cache = 1u << 30, .lr_end = -1, .weight_decay = -1, .smoothing = -1, .alpha = -1, .tau = 1,          \
        .label_drop = -1, .momentum = -1, .ema = -1, .teacher_timeout = 600, .drop_path = -1, .crop_scale = -1, .flip = -1,    \
        .rand_augment = -1, .jitter = -1, .erase = -1, .mixup = -1, .cutmix = -1, .pictures = PICTURES_NONE                    \
    }

/* Those that say what the pictures are, and who teaches; and the others. */
#define RECORDING_OPTIONS(o)                                                                                                   \
    {"--data", OPTION_TEXT, &(o).data, 0, 0, NULL}, {"--val-every", OPTION_COUNT, &(o).val_every, 2, INT32_MAX, NULL},         \
        {"--cache", OPTION_SIZE, &(o).cache, 0, 0, NULL}, {"--loaders", OPTION_COUNT, &(o).loaders, 1, 64, NULL},              \
        {"--skip-bad", OPTION_FLAG, &(o).skip_bad, 0, 0, NULL}, {"--exif", OPTION_FLAG, &(o).exif, 0, 0, NULL},                \
        {"--teacher", OPTION_TEXT, &(o).teacher, 0, 0, NULL},                                                                  \
        {"--teacher-depth", OPTION_COUNT, &(o).teacher_depth, 1, TLEG_MAX_DEPTH, NULL},                                        \
        {"--teacher-features", OPTION_FLAG, &(o).teacher_features, 0, 0, NULL},                                                \
        {"--teacher-command", OPTION_TEXT, &(o).teacher_command, 0, 0, NULL},                                                  \
        {"--teacher-timeout", OPTION_REAL, &(o).teacher_timeout, 0, 0, NULL},                                                  \
        {"--epochs", OPTION_COUNT, &(o).epochs, 1, 1000000, NULL}, {"--batch", OPTION_COUNT, &(o).batch, 1, MOST_BATCH, NULL}, \
        {"--augment", OPTION_CHOICE, &(o).augment, 0, 0, training_augments},                                                   \
        {"--crop-scale", OPTION_REAL, &(o).crop_scale, 0, 0, NULL}, {"--flip", OPTION_AMOUNT, &(o).flip, 0, 0, NULL},          \
        {"--rand-augment", OPTION_AMOUNT, &(o).rand_augment, 0, 0, NULL},                                                      \
        {"--jitter", OPTION_AMOUNT, &(o).jitter, 0, 0, NULL}, {"--erase", OPTION_AMOUNT, &(o).erase, 0, 0, NULL},              \
        {"--mixup", OPTION_AMOUNT, &(o).mixup, 0, 0, NULL}, {"--cutmix", OPTION_AMOUNT, &(o).cutmix, 0, 0, NULL},              \
        {"--repeats", OPTION_COUNT, &(o).repeats, 1, 1000, NULL}, {"--seed", OPTION_SEED, &(o).seed, 0, 0, NULL},              \
        {"--recipe", OPTION_CHOICE, &(o).recipe, 0, 0, training_recipes},                                                      \
        {"--data-seed", OPTION_TEXT, &(o).data_seed, 0, 0, NULL}, {"--resume", OPTION_FLAG, &(o).resume, 0, 0, NULL},          \
        PICTURES_OPTIONS((o).pictures), {                                                                                      \
        "-o", OPTION_TEXT, &(o).out, 0, 0, NULL                                                                                \
    }

#define TRAINING_OPTIONS(o)                                                                                                    \
    RECORDING_OPTIONS(o), {"--val", OPTION_TEXT, &(o).val, 0, 0, NULL},                                                        \
        {"--val-depths", OPTION_TEXT, &(o).val_depths, 0, 0, NULL},                                                            \
        {"--teacher-logits", OPTION_TEXT, &(o).teacher_logits, 0, 0, NULL},                                                    \
        {"--record", OPTION_TEXT, &(o).record, 0, 0, NULL}, {"--recorded", OPTION_TEXT, &(o).recorded, 0, 0, NULL},            \
        {"--keep", OPTION_CHOICE, &(o).keep, 0, 0, training_keeps}, {"--views", OPTION_COUNT, &(o).views, 1, 1000000, NULL},   \
        {"--latent-scale", OPTION_REAL, &(o).latent_scale, 0, 0, NULL},                                                        \
        {"--label-drop", OPTION_AMOUNT, &(o).label_drop, 0, 0, NULL}, {"--alpha", OPTION_AMOUNT, &(o).alpha, 0, 0, NULL},      \
        {"--tau", OPTION_REAL, &(o).tau, 0, 0, NULL}, {"--accumulate", OPTION_COUNT, &(o).accumulate, 1, 65536, NULL},         \
        {"--lr", OPTION_REAL, &(o).lr, 0, 0, NULL}, {"--lr-absolute", OPTION_FLAG, &(o).lr_absolute, 0, 0, NULL},              \
        {"--lr-end", OPTION_AMOUNT, &(o).lr_end, 0, 0, NULL}, {"--warmup", OPTION_COUNT, &(o).warmup, 0, 1000000, NULL},       \
        {"--warmup-steps", OPTION_COUNT, &(o).warmup_steps, 0, INT32_MAX, NULL},                                               \
        {"--decay-epochs", OPTION_COUNT, &(o).decay_epochs, 0, 1000000, NULL},                                                 \
        {"--optimiser", OPTION_CHOICE, &(o).optimiser, 0, 0, training_optimisers},                                             \
        {"--momentum", OPTION_AMOUNT, &(o).momentum, 0, 0, NULL}, {"--nesterov", OPTION_FLAG, &(o).nesterov, 0, 0, NULL},      \
        {"--class-weights", OPTION_TEXT, &(o).class_weights, 0, 0, NULL}, {"--freeze", OPTION_TEXT, &(o).freeze, 0, 0, NULL},  \
        {"--freeze-layers", OPTION_COUNT, &(o).freeze_layers, 0, TLEG_MAX_DEPTH, NULL},                                        \
        {"--layer-decay", OPTION_REAL, &(o).layer_decay, 0, 0, NULL},                                                          \
        {"--patience", OPTION_COUNT, &(o).patience, 1, 1000000, NULL},                                                         \
        {"--weight-decay", OPTION_AMOUNT, &(o).weight_decay, 0, 0, NULL},                                                      \
        {"--smoothing", OPTION_AMOUNT, &(o).smoothing, 0, 0, NULL}, {"--clip", OPTION_REAL, &(o).clip, 0, 0, NULL},            \
        {"--ema", OPTION_AMOUNT, &(o).ema, 0, 0, NULL}, {"--other-teacher", OPTION_FLAG, &(o).other_teacher, 0, 0, NULL},      \
        {"--ema-fixed", OPTION_FLAG, &(o).ema_fixed, 0, 0, NULL},                                                              \
        {"--teacher-mean", OPTION_CHOICE, &(o).teacher_mean, 0, 0, training_teacher_means},                                    \
        {"--drop-path", OPTION_AMOUNT, &(o).drop_path, 0, 0, NULL}, {"--recompute", OPTION_FLAG, &(o).recompute, 0, 0, NULL},  \
        {"--dtype", OPTION_CHOICE, &(o).dtype, 0, 0, training_dtypes}, {"--log", OPTION_TEXT, &(o).log, 0, 0, NULL},           \
        {"--log-every", OPTION_COUNT, &(o).log_every, 1, INT32_MAX, NULL},                                                     \
        {"--checkpoint", OPTION_TEXT, &(o).checkpoint, 0, 0, NULL},                                                            \
        {"--checkpoint-every", OPTION_COUNT, &(o).checkpoint_every, 1, INT32_MAX, NULL}, {                                     \
        "--limit-steps", OPTION_COUNT, &(o).limit_steps, 1, INT32_MAX, NULL                                                    \
    }

/* Their lines in the help of a verb that trains learngenes, of one that trains a model, and of one that records. */
extern const char *const training_help[], *const tuning_help[], *const recording_help[];

/* What is learned, at which depths. */
struct training_target {
    int32_t depth_mode, depth_least, depth_most; /* of a learngene, as in tleg_trainer_options */
    double in_place;                             /* likewise */
    double drop_path;                            /* where the call does not say */
    int32_t warmup;                              /* likewise, in epochs */
};

/* Refuses what does not go together. False with the exit code. */
bool training_settle(const struct invocation *call, const struct training_options *options, int *code);

/* Prepares what is to be learned, once the classes are known: fills source, with its labels those of the set, whose numbers it
 * may change (dataset_match). Returns an exit code. */
typedef int training_begin(const struct invocation *call, tleg_context *context, struct dataset *set, struct source *source,
                           const void *verb);

/* The whole training. Returns an exit code. */
int training_run(const struct invocation *call, const struct training_options *options, const struct training_target *target,
                 training_begin *begin, const void *verb);

/* Records the teacher alone, into options->out. begin says for which images, and for which classes. */
int training_record(const struct invocation *call, const struct training_options *options, training_begin *begin,
                    const void *verb);

#endif
