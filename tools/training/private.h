/* What the files of a training share. */
#ifndef TLEG_TOOLS_TRAINING_PRIVATE_H
#define TLEG_TOOLS_TRAINING_PRIVATE_H

#include "base/progress.h"
#include "base/report.h"
#include "data/feed.h"
#include "pictures/resize.h"
#include "ranks.h"
#include "recording.h"
#include "teacher_command.h"
#include "training.h"
#include <stdio.h>
#include <tleg/generate.h>

enum { COMPUTED_TEXT = 64, RECIPE_TEXT = 320, RATE_TEXT = 96, SEED_TEXT = 24 };

/* How pictures are made and judged, with all defaults settled. */
struct recipe {
    bool shaped, mixed; /* augment is used; mix is */
    tleg_augment_options augment;
    tleg_mix_options mix;
    double flip, smoothing, alpha;
    int32_t repeats;
    int32_t views; /* epochs that are drawn, and then repeated; 0: each anew */
    uint64_t seed; /* of order, augmentation and mixes */
};
bool training_has_teacher(const struct training_options *options);
void training_recipe(const struct training_options *options, const tleg_config *config, struct recipe *recipe);
void training_describe(const struct recipe *recipe, bool kept, char text[RECIPE_TEXT]);

/* Sums over images since the last line of the log, and over ranks. */
struct tally {
    double loss, labels, teacher, in_place, correct, images;
    double started; /* milliseconds */
    int32_t depth;  /* of the last pass */
};

struct score {
    int32_t depth;
    double points; /* right answers; of a generator, of each image the share of its noise that was told */
    int64_t images;
};

/* The best of the epochs that were validated, the last of them where several are equal. */
struct best {
    char *path; /* of its file, where that is not -o's */
    double share;
    int64_t step;  /* -1: none yet */
    uint64_t file; /* digest of its size and both ends */
};

/* Of at most one kind: a model, a program, what was recorded of one, or logits that come with the pictures. */
struct teacher {
    struct source source;
    tleg_context *context;
    tleg_session *session;
    tleg_generator *generator; /* in place of the session, where noise is learned */
    float *images;             /* as the teacher wants them; NULL when they are the student's */
    struct resize *resize;     /* NULL when they have the student's size */
    double scale[3], shift[3]; /* of its channels */
    struct teacher_command *command;
    struct recording *recording; /* that is being made, or learned from */
    float *logits;               /* (batch, classes): the last answer */
    float *judged;               /* its features for the pictures that validate, as far as it was asked */
    size_t judged_count;
    char error[TEACHER_ERROR];
    bool stopped; /* there is no answer, since a signal asks us to end */
};

enum { LOG_DIGEST = 20 };

/* The file of --log, as far as it is written. */
struct log_file {
    int file;     /* -1: none */
    bool regular; /* not a pipe or device */
    int64_t bytes;
    uint64_t digest; /* of them */
};

/* What a checkpoint says of it. */
struct log_mark {
    int64_t bytes;
    const char *digest; /* NULL: nothing */
};

/* Digests of what the bits of a run follow from, and no option names. */
struct origin {
    uint64_t pictures, judged; /* what the files hold that are learned from, and validated with */
    uint64_t teacher;          /* a model's numbers, a program's command and name, stored logits */
    uint64_t start;            /* what is learned on from, as its file holds it */
    bool start_known;          /* false where its file is one that the run writes over */
};

struct state {
    const struct invocation *call;
    const struct training_options *options; /* &settled */
    struct training_options settled;        /* with what was not given filled in by the recipe */
    const struct training_target *target;
    struct ranks ranks;
    tleg_context *context;
    struct dataset set, other; /* other: --val's */
    struct part learned, judged;
    struct source source; /* what is learned, as it was at first */
    tleg_trainer *trainer;
    struct recipe recipe;
    double *class_weights; /* (set.class_count), or NULL */
    struct teacher teacher;
    struct origin origin;
    char recorded_seed[SEED_TEXT];                /* settled.data_seed, where --recorded's file says it */
    float *logits;                                /* (set.count, classes): stored ones */
    int32_t depths[TRAINING_DEPTHS], depth_count; /* of the validation */
    int32_t planned;               /* epochs of the run as it began, which the defaults follow; --resume may make it longer */
    int32_t knew;                  /* whether it began with the classes known, by the checkpoint; -1: there is none yet */
    const char *checkpoint;        /* NULL where nothing is learned */
    char *own_checkpoint;          /* where the call gives none */
    int64_t steps_an_epoch, total; /* steps */
    int32_t validated;             /* epochs */
    int32_t improved;              /* the epoch that scored better than all before it */
    double improved_share;         /* what it scored; -HUGE_VAL: none has */
    int64_t saved;                 /* the step that the checkpoint holds; -1: none yet */
    int64_t resumed;               /* the step (of a recording, the batch) that this run began with */
    uint64_t memory;               /* bytes of the trainer */
    tleg_train_rate rate;          /* the schedule */
    struct progress progress;
    bool lines; /* a line for each interval, since nobody sees a bar */
    struct log_file log;
    struct tally tally, last; /* last: of the interval before */
    struct tally epoch;       /* of the steps of this one; loss, correct and images alone */
    struct best best;
    double began; /* what it scored before the first step; below 0: that is not known */
    struct score scores[TRAINING_DEPTHS];
    int64_t scored;   /* the step whose weights they are of; -1: none yet */
    int64_t sound[2]; /* the last step after which weights, and their average, were seen to compute; -1: none yet */
};

static inline double training_share(const struct score *score) {
    return score->images ? score->points / (double)score->images : 0;
}

static inline bool training_first(const struct state *state) {
    return state->ranks.rank == 0;
}

/* ---- the loop (training.c) ---- */
/* A failure in the middle of the run, and what is left of it. EXIT_FAILED. */
__attribute__((format(printf, 2, 3))) int training_fail(struct state *state, const char *format, ...);
struct feed *training_start_feed(const struct state *state, int32_t epoch, int64_t first); /* from this unit on */
int training_fail_picture(struct state *state, const struct feed_unit *unit, bool judged); /* of those that validate, or not */

/* ---- files (files.c): exit codes ---- */
int training_name_files(struct state *state);
int training_try_files(const struct state *state);
int training_spare_start(const struct state *state); /* once it is known what is begun with */
int training_find_room(const struct state *state);   /* once it is known how large they will be */

/* ---- the recipe (recipe.c) ---- */
void training_choose_recipe(struct state *state); /* once it is known how many pictures there are */
void training_describe_choice(const struct state *state, char text[RECIPE_TEXT]);

/* ---- what learns (learning.c): exit codes ---- */
int training_check_optimiser(const struct invocation *call, const struct training_options *options);
int training_read_freeze(const struct invocation *call, const char *text, int32_t *freeze); /* TLEG_PART_* */
int training_check_effect(const struct state *state);
int training_check_layers(const struct state *state);
void training_warn_of_heads(const struct state *state);
void training_describe_learning(const struct state *state, char text[RECIPE_TEXT]);

/* ---- class weights (class_weights.c) ---- */
int training_weigh_classes(struct state *state); /* fills class_weights; an exit code */
void training_describe_class_weights(const struct state *state, char text[RECIPE_TEXT]);

/* ---- the learning rate (rate.c) ---- */
int training_settle_rate(struct state *state); /* once the steps of an epoch are known */
int training_find_rate(const struct state *state, int64_t step, double *rate);
double training_first_rate(const struct state *state);
void training_describe_warmup(const struct state *state, char text[RATE_TEXT]);   /* "5 epochs", "500 steps" */
void training_describe_curve(const struct state *state, char text[RATE_TEXT]);    /* what follows it */
void training_describe_schedule(const struct state *state, char text[RATE_TEXT]); /* what no --resume may change */
/* Whether a run that was to take so many epochs, and has done so many steps, may go on by the rate that is asked for now. */
int training_change_length(const struct state *state, int32_t epochs, int32_t decay, int64_t steps);

/* ---- data (data.c): exit codes ---- */
int training_open_data(struct state *state);
int training_split_data(struct state *state); /* after the classes have their numbers */
int training_read_logits(struct state *state);

/* ---- teacher (teacher.c) ---- */
int training_open_teacher(struct state *state);
void training_close_teacher(const struct invocation *call, struct teacher *teacher);
const char *training_teacher_kind(const struct training_options *options); /* as a checkpoint names it */
/* As the call names it; NULL: there is none. */
const char *training_teacher_name(const struct training_options *options);
/* For people: also what a program calls itself. "" without one. */
void training_describe_teacher(const struct state *state, char text[TEACHER_ERROR]);
/* The teacher's logits (count, classes) for pictures about to be learned from; NULL without a teacher, or where its loss has no
 * weight. False with the reason in state->teacher.error. */
bool training_ask_teacher(struct state *state, const struct feed_unit *unit, const float **logits);

/* Opens the model that teaches, before anybody knows what it teaches. An exit code. */
int training_open_model(struct state *state);
/* Its features (count, classes) for images as the student sees them, whitened. False likewise. */
bool training_ask_features(struct state *state, const float *images, size_t count, float *features);

/* ---- a teacher's features (features.c) ---- */
/* Whether the head learns to tell numbers, not classes. */
static inline bool training_tells(const struct state *state) {
    return state->options->teacher_features || source_draws(&state->source.config);
}
int training_open_features(struct state *state); /* the data then count features, in place of classes; an exit code */
void training_whiten(float *features, size_t images, size_t count);
/* Fills scores as training_judge does; told (batch, classes) is scratch. */
int training_judge_features(struct state *state, const struct source *learned, tleg_session *session, struct feed *feed,
                            float *told);

/* ---- recorded teachers (recorded.c) ---- */
int training_open_recording(struct state *state); /* --recorded's file */
int training_open_recorded(struct state *state);  /* and whether it is of this run */
/* Pictures, batches and their order as that file has them, as far as no option says it; before the recipe is chosen. */
int training_take_recorded(struct state *state);
/* The settings of the recording that this run makes, or would. */
json_t *training_describe_recording(const struct state *state);
int32_t training_recorded_epochs(const struct state *state); /* that are in it */
/* Whether settings are of this run; exactly: to go on with its recording, whose length may be another. An exit code. */
int training_compare_recording(const struct state *state, const char *path, const json_t *settings, bool exactly);

/* ---- recording (record.c) ---- */
int training_spare_recording(const struct state *state, const char *path); /* refuses to write over one */
/* What was recorded so far, if a resumed run finds some: it is learned from as it stands, so that the run has the same bits. */
int training_take_up_recording(struct state *state, const char *path);
/* As many batches as the checkpoint has learned from. An exit code. */
int training_need_recorded(const struct state *state, const char *path, int64_t batches);
int training_begin_recording(struct state *state, const char *path); /* or goes on with what was taken up */
void training_end_recording(const struct state *state);              /* says what is still to be recorded */
int training_keep_recording(struct state *state);                    /* on the disk, before a checkpoint says so */
int training_record_all(struct state *state);                        /* without learning */

/* Of the first block of a recording that is being made or learned from. False: there is none yet. */
bool training_digest_recording(const struct state *state, uint64_t *digest);

/* ---- what the bits follow from beside the options (origin.c) ---- */
int training_find_origin(struct state *state);  /* once there is a teacher */
int training_find_teacher(struct state *state); /* of these the digest of the teacher alone */
void training_describe_computed(const struct state *state, char text[COMPUTED_TEXT]); /* "bf16 at level avx512bf16" */
bool training_can_compute(const char *text);                                          /* on this machine, by --level */

/* ---- what a run must agree in with its checkpoint (settings.c) ---- */
enum { MOST_PAIRS = 80, PAIR_TEXT = RECIPE_TEXT };

struct pairs {
    int64_t count;
    const char *keys[MOST_PAIRS];
    char values[MOST_PAIRS][PAIR_TEXT];
};

__attribute__((format(printf, 3, 4))) void training_add_pair(struct pairs *pairs, const char *key, const char *format, ...);
void training_add_settings(const struct state *state, struct pairs *pairs);
/* Names the first setting that differs, in the words of the call. An exit code. */
int training_compare_settings(const struct state *state, const tleg_file *file);

/* ---- checkpoints (state.c) ---- */
int training_find_plan(struct state *state);       /* what the defaults follow when a run is resumed */
int training_find_checkpoint(struct state *state); /* resumes, or makes sure that none is lost */
int training_save(struct state *state);
/* What the trainer has learned, if no checkpoint holds it yet; between two steps, when something else fails. */
void training_save_between(struct state *state);

/* ---- validation and results (judge.c) ---- */
int training_judge(struct state *state);               /* fills scores; EXIT_INTERRUPTED when a signal came */
int training_judge_start(struct state *state);         /* before the first step, what knows the classes already; and says it */
double training_mean_share(const struct state *state); /* of the scores: right answers, over the depths of the validation */
bool training_is_patient(struct state *state);         /* whether the validation may still get better; ranks agree */
void training_note_improvement(struct state *state, int32_t epoch);
uint64_t training_digest_best(const struct state *state); /* of the best epoch's file, as it lies there; 0: none is kept */
int training_write(struct state *state);                  /* -o, and the best epoch's */
/* The next unit of the pictures that validate, NULL after the last; EXIT_INTERRUPTED when a signal came. */
enum { TRAINING_JUDGED_BATCH = 64 }; /* images of a unit at most */
int training_next_judged(struct state *state, struct feed *feed, const struct feed_unit **unit);
/* Adds the share of each image's numbers (images, count) that is told: the first `count` of told (images, told_count). */
int training_score_told(struct state *state, size_t images, size_t count, const float *numbers, const float *told,
                        size_t told_count, struct score *score);

/* What is learned, or its moving average, as a source that sessions can be made over. */
int training_take_learned(struct state *state, bool average, struct source *learned);

/* ---- weights that blew up (sound.c) ---- */
/* An error where what would be written no longer answers with finite numbers. */
int training_check_sound(struct state *state, bool average);

/* ---- generators, which learn to tell noise (drawing.c) ---- */
static inline bool training_draws(const struct state *state) {
    return source_draws(&state->source.config);
}
int training_check_drawing(const struct state *state);        /* refuses options that are for classifiers; or for generators */
void training_fill_drawing(struct training_options *options); /* what holds where options do not say */
double training_label_drop(const struct state *state);
/* Fills scores as training_judge does: from the noise that is told in validation images, at times and with noise that are the
 * same each time. */
int training_judge_noise(struct state *state, struct source *learned, struct feed *feed);
/* A tleg_noise_teacher_fn; host is the state. */
tleg_status TLEG_CALL training_teach_noise(void *host, int64_t batch, const float *noised, size_t image_floats,
                                           const int64_t *times, const int64_t *labels, float *noise);

/* ---- latents (latents.c): exit codes ---- */
static inline bool training_has_latents(const struct state *state) {
    return state->set.latents.file != NULL;
}
int training_check_latents(struct state *state);       /* data, network and options together; settles the scale */
int training_check_other_latents(struct state *state); /* --val's */
int training_note_spread(const struct state *state);   /* says where it is far from 1 */

/* ---- the log's file (log_file.c) ---- */
/* former: of the checkpoint that the run goes on from; NULL: it begins anew. A log of another run is refused. */
int training_open_log(struct state *state, const struct log_mark *former);
bool training_write_log(struct state *state, const char *line); /* false with errno, and without a part of the line */
int training_keep_log(const struct state *state);               /* on the disk, before a checkpoint says so */
void training_close_log(struct state *state);
const char *training_log_digest(uint64_t sum, char text[LOG_DIGEST]); /* as a checkpoint holds it */

/* ---- what is said (log.c) ---- */
int training_say_start(struct state *state);
int training_say_began(struct state *state); /* what it scores before the first step */
int training_say_step(struct state *state, int64_t step, double rate);
int training_say_epoch(struct state *state, int32_t epoch, double seconds);
int training_say_end(struct state *state, int64_t step);

#endif
