/* The loop of a training: steps, epochs, and what begins and ends it. */
#include "private.h"

#include "base/context.h"
#include "base/interrupt.h"
#include "base/measure.h"
#include "source/depths.h"
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- one step ---- */

int training_fail(struct state *state, const char *format, ...) {
    char text[TEACHER_ERROR + 256];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    progress_clear(&state->progress);
    if (!state->checkpoint)
        return tool_fail(state->call, "%s", text);
    if (state->saved >= 0)
        return tool_fail(state->call, "%s; %s holds step %" PRId64, text, state->checkpoint, state->saved);
    return tool_fail(state->call, "%s; no checkpoint was written yet", text);
}

static int stop(struct state *state) {
    int64_t step = tleg_trainer_get_steps(state->trainer);
    int code = training_save(state);
    if (code != EXIT_DONE || !training_first(state))
        return code == EXIT_DONE ? EXIT_INTERRUPTED : code;
    tool_fail(state->call, "stopped by %s after step %" PRId64 " of %" PRId64 "; %s holds it, --resume continues",
              interrupt_name(), step, state->total, state->checkpoint);
    return EXIT_INTERRUPTED;
}

void training_save_between(struct state *state) {
    int64_t step = tleg_trainer_get_steps(state->trainer);
    progress_clear(&state->progress);
    if (state->ranks.count == 1 && step > 0 && step > state->saved)
        training_save(state);
}

/* Before a step has drawn anything at random; `first`: the step's first batch. */
static void save_before_step(struct state *state, bool first) {
    if (first)
        training_save_between(state);
}

/* What is to be written cannot be, which is said by now: a checkpoint, which lies elsewhere perhaps, keeps the steps. */
static int keep_steps(struct state *state, int code) {
    const int64_t before = state->saved;
    training_save_between(state);
    if (state->saved > before && training_first(state))
        tool_note(state->call, "%s holds step %" PRId64 ": --resume continues", state->checkpoint, state->saved);
    return code;
}

static int fail_teacher(struct state *state, bool first) {
    const struct teacher *teacher = &state->teacher;
    int64_t step = tleg_trainer_get_steps(state->trainer);
    const bool stopped = state->ranks.count == 1 && teacher->stopped;
    progress_clear(&state->progress);
    if (first && stopped)
        return stop(state);
    save_before_step(state, first);
    training_fail(state, "step %" PRId64 ": %s", step + 1, teacher->error);
    return stopped ? EXIT_INTERRUPTED : EXIT_FAILED;
}

int training_fail_picture(struct state *state, const struct feed_unit *unit, bool judged) {
    if (unit->want)
        return training_fail(state, "%s", unit->want);
    return training_fail(state, "%s%s", unit->error,
                         state->options->skip_bad ? " (it was read when the run began)"
                         : judged                 ? " (--skip-bad continues without such files)"
                                                  : " (a run that begins anew with --skip-bad leaves such files out)");
}

/* Forward and backward over one unit; its loss is added to sums. */
static int learn_unit(struct state *state, const struct feed_unit *unit, struct tally *sums) {
    tleg_train_loss loss = {.struct_size = sizeof loss};
    const float *taught;
    if (unit->error) {
        save_before_step(state, sums->images == 0);
        return training_fail_picture(state, unit, false);
    }
    if (!training_ask_teacher(state, unit, &taught))
        return fail_teacher(state, sums->images == 0);
    const tleg_train_batch batch = {.struct_size = sizeof batch,
                                    .size = (int32_t)unit->count,
                                    .images = unit->images,
                                    .labels = unit->targets || state->set.features ? NULL : unit->labels,
                                    .targets = state->set.features ? NULL : unit->targets,
                                    .teacher_logits = taught,
                                    .share = 1.0 / state->options->accumulate};
    if (tleg_trainer_backward(state->trainer, &batch, &loss) != TLEG_OK) {
        const char *teacher = training_draws(state) ? state->teacher.error : "";
        return training_fail(state, "%s%s%s", tleg_trainer_get_error(state->trainer), *teacher ? ": " : "", teacher);
    }
    double n = (double)unit->count;
    sums->loss += n * loss.total;
    sums->labels += n * loss.labels;
    sums->teacher += n * loss.teacher;
    sums->in_place += n * loss.in_place;
    sums->correct += (double)loss.correct;
    sums->images += n;
    sums->depth = loss.depth;
    return EXIT_DONE;
}

/* Sums over ranks, and into what the next line of the log says. Whether any rank got a signal. */
static bool gather(struct state *state, const struct tally *sums) {
    double values[] = {sums->loss,    sums->labels, sums->teacher,          sums->in_place,
                       sums->correct, sums->images, interrupt_signal() != 0};
    ranks_sum_few(&state->ranks, values, 7);
    struct tally *tally = &state->tally;
    tally->loss += values[0];
    tally->labels += values[1];
    tally->teacher += values[2];
    tally->in_place += values[3];
    tally->correct += values[4];
    tally->images += values[5];
    tally->depth = sums->depth;
    state->epoch.loss += values[0];
    state->epoch.correct += values[4];
    state->epoch.images += values[5];
    return values[6] > 0;
}

static int learn_step(struct state *state, struct feed *feed) {
    struct tally sums = {0};
    double rate = 0;
    int code = training_find_rate(state, tleg_trainer_get_steps(state->trainer), &rate);
    for (int32_t k = 0; k < state->options->accumulate && code == EXIT_DONE; k++)
        code = learn_unit(state, feed_next(feed), &sums);
    if (code != EXIT_DONE)
        return code;
    if (tleg_trainer_update(state->trainer, rate) != TLEG_OK)
        return training_fail(state, "%s", tleg_trainer_get_error(state->trainer));
    bool stopped = gather(state, &sums);
    int64_t step = tleg_trainer_get_steps(state->trainer);
    code = training_say_step(state, step, rate);
    if (code != EXIT_DONE)
        return keep_steps(state, code);
    if (stopped)
        return stop(state);
    if (state->options->checkpoint_every && step % state->options->checkpoint_every == 0 && step % state->steps_an_epoch)
        return training_save(state);
    return EXIT_DONE;
}

/* ---- one epoch ---- */

struct feed *training_start_feed(const struct state *state, int32_t epoch, int64_t first) {
    const struct training_options *options = state->options;
    const struct feed_plan plan = {.part = &state->learned,
                                   .config = &state->source.config,
                                   .augment = state->recipe.shaped ? &state->recipe.augment : NULL,
                                   .flip = state->recipe.flip,
                                   .mix = state->recipe.mixed ? &state->recipe.mix : NULL,
                                   .logits = state->logits,
                                   .shuffle = true,
                                   .repeats = state->recipe.repeats,
                                   .seed = state->recipe.seed,
                                   .epoch = state->recipe.views ? epoch % state->recipe.views : epoch,
                                   .batch = (size_t)options->batch,
                                   .rank = state->ranks.rank,
                                   .ranks = state->ranks.count,
                                   .first = first,
                                   .end = state->steps_an_epoch * options->accumulate,
                                   .loaders = options->loaders};
    return feed_start(state->call, &plan);
}

static int learn_epoch(struct state *state, int32_t epoch) {
    int64_t end = (epoch + 1) * state->steps_an_epoch;
    int64_t first = tleg_trainer_get_steps(state->trainer) - epoch * state->steps_an_epoch;
    int code = EXIT_DONE;
    struct feed *feed = training_start_feed(state, epoch, first * state->options->accumulate);
    if (!feed)
        return EXIT_FAILED;
    while (code == EXIT_DONE && tleg_trainer_get_steps(state->trainer) < (end < state->total ? end : state->total))
        code = learn_step(state, feed);
    feed_stop(feed);
    return code;
}

/* Whether any rank got a signal. */
static bool is_stopped(const struct state *state) {
    double came = interrupt_signal() != 0;
    ranks_sum_few(&state->ranks, &came, 1);
    return came > 0;
}

/* Validates, writes what was learned, and then says in a checkpoint that it is done. */
static int end_epoch(struct state *state, int32_t epoch, double seconds) {
    int code = training_judge(state);
    if (code != EXIT_DONE && code != EXIT_INTERRUPTED)
        return keep_steps(state, code);
    if (is_stopped(state))
        return stop(state);
    code = training_write(state);
    if (code == EXIT_DONE)
        code = training_say_epoch(state, epoch, seconds);
    if (code != EXIT_DONE)
        return keep_steps(state, code);
    state->validated = epoch;
    state->epoch = (struct tally){0};
    training_note_improvement(state, epoch);
    if (!training_is_patient(state))
        state->total = tleg_trainer_get_steps(state->trainer);
    return training_save(state);
}

static void start_progress(struct state *state) {
    state->tally.started = measure_ms();
    state->resumed = tleg_trainer_get_steps(state->trainer);
    progress_start(&state->progress, state->call->verb->name,
                   (state->total - state->resumed) * state->options->batch * state->options->accumulate);
    state->progress.shown = state->progress.shown && training_first(state);
    state->lines = !state->progress.shown || !isatty(1);
}

/* From the trainer's step to the last one. A resumed run may begin where an epoch has ended but was not validated. */
static int learn_epochs(struct state *state) {
    double began = state->tally.started;
    int code = EXIT_DONE;
    while (code == EXIT_DONE) {
        int64_t step = tleg_trainer_get_steps(state->trainer);
        int32_t epoch = (int32_t)(step / state->steps_an_epoch);
        if (step % state->steps_an_epoch == 0 && epoch > state->validated) {
            double ended = measure_ms();
            code = end_epoch(state, epoch, (ended - began) / 1e3);
            began = measure_ms();
            state->tally.started += began - ended; /* the interval goes on; validation is not in its speed */
        }
        if (step >= state->total || !training_is_patient(state)) /* a resumed run may have lost its patience before */
            break;
        if (code == EXIT_DONE)
            code = learn_epoch(state, epoch);
    }
    return code;
}

/* What is written is validated, also where the last step ends no epoch, or a resumed run has nothing left to learn. */
static int judge_end(struct state *state, int64_t step) {
    if (state->scored == step)
        return EXIT_DONE;
    const int code = training_judge(state);
    return code == EXIT_INTERRUPTED ? stop(state) : code == EXIT_DONE ? code : keep_steps(state, code);
}

static int learn(struct state *state) {
    int code = training_judge_start(state);
    start_progress(state);
    if (code == EXIT_DONE)
        code = is_stopped(state) ? stop(state) : learn_epochs(state);
    progress_clear(&state->progress);
    int64_t step = tleg_trainer_get_steps(state->trainer);
    const int64_t best = state->best.step;
    if (code == EXIT_DONE)
        code = judge_end(state, step);
    if (code == EXIT_DONE && (code = training_write(state)) != EXIT_DONE)
        code = keep_steps(state, code);
    if (code == EXIT_DONE && (state->saved < step || state->best.step != best))
        code = training_save(state);
    interrupt_watch(""); /* nothing is left to be stopped */
    return code == EXIT_DONE ? training_say_end(state, step) : code;
}

/* ---- the trainer ---- */

static tleg_trainer_options options_of(struct state *state) {
    const struct training_options *options = state->options;
    const struct training_target *target = state->target;
    int32_t freeze = 0;
    if (options->freeze)
        (void)training_read_freeze(state->call, options->freeze, &freeze); /* it was read before */
    return (tleg_trainer_options){.struct_size = sizeof(tleg_trainer_options),
                                  .batch = options->batch / state->ranks.count,
                                  .depth_mode = state->source.gene ? target->depth_mode : 0,
                                  .depth_least = state->source.gene ? target->depth_least : 0,
                                  .depth_most = state->source.gene ? target->depth_most : 0,
                                  .checkpoint = options->recompute,
                                  .dtype = options->dtype,
                                  .alpha = state->recipe.alpha,
                                  .tau = options->tau,
                                  .in_place = state->source.gene ? target->in_place : 0,
                                  .smoothing = state->recipe.smoothing,
                                  .weight_decay = options->weight_decay > 0    ? options->weight_decay
                                                  : options->weight_decay == 0 ? -1
                                                                               : 0,
                                  .clip = options->clip,
                                  .optimiser = options->optimiser,
                                  .nesterov = options->nesterov,
                                  .freeze = freeze,
                                  .frozen_layers = options->freeze_layers,
                                  .layer_decay = options->layer_decay,
                                  .class_weights = state->class_weights,
                                  .momentum = options->momentum == 0  ? -1
                                              : options->momentum > 0 ? options->momentum
                                                                      : 0,
                                  .drop_path = options->drop_path >= 0 ? options->drop_path : target->drop_path,
                                  .ema = options->ema,
                                  .ema_warmup = options->ema > 0 && !options->ema_fixed,
                                  .label_drop = training_label_drop(state),
                                  .noise_teacher = state->teacher.generator ? training_teach_noise : NULL,
                                  .noise_teacher_host = state,
                                  .teacher_mean = options->teacher_mean,
                                  .teacher_loss = options->teacher_features ? TLEG_TEACHER_LOSS_SQUARES : 0,
                                  .rank = state->ranks.rank,
                                  .seed = options->seed,
                                  .all_reduce = state->ranks.count > 1 ? ranks_sum : NULL,
                                  .all_reduce_host = &state->ranks,
                                  .ranks = state->ranks.count};
}

static int make_trainer(struct state *state) {
    const tleg_trainer_options options = options_of(state);
    const struct source *source = &state->source;
    tleg_status status = source->gene
                             ? tleg_trainer_get_memory(state->context, source->gene, &options, &state->memory)
                             : tleg_trainer_get_memory_for_model(state->context, source->model, &options, &state->memory);
    if (status == TLEG_OK)
        status = source->gene ? tleg_trainer_create(state->context, source->gene, &options, &state->trainer)
                              : tleg_trainer_create_for_model(state->context, source->model, &options, &state->trainer);
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(state->call, state->context);
}

/* Of a learngene: those asked for, else the ends and the middle of what is learned. A model has one depth. */
static void settle_depths(struct state *state) {
    int32_t least = state->target->depth_least, most = state->target->depth_most;
    if (state->source.model) {
        state->depths[state->depth_count++] = state->source.config.depth;
    } else if (state->options->val_depths) {
        depths_list(state->options->val_depths, state->depths, TRAINING_DEPTHS, &state->depth_count);
    } else {
        int32_t all[] = {least, (least + most) / 2, most};
        for (int i = 0; i < 3; i++)
            if (i == 0 || all[i] > state->depths[state->depth_count - 1])
                state->depths[state->depth_count++] = all[i];
    }
}

/* A schedule of several segments has no model of fewer layers. */
static int check_val_depths(struct state *state) {
    tleg_expander *expander = NULL;
    int32_t least = 0, most = 0, first = state->depths[0];
    if (!state->options->val_depths || !state->source.gene)
        return EXIT_DONE;
    tleg_status status = tleg_expander_create(state->context, state->source.gene, NULL, &expander);
    if (status == TLEG_OK)
        status = tleg_expander_get_depths(state->context, expander, &least, &most);
    tleg_expander_free(expander);
    if (status != TLEG_OK)
        return tool_fail_context(state->call, state->context);
    return first >= least
               ? EXIT_DONE
               : tool_misuse(state->call, "--val-depths: depth is %d, expected %d or more: the schedule has so many segments",
                             (int)first, (int)least);
}

static int settle(struct state *state) {
    const struct training_options *options = state->options;
    int64_t step = (int64_t)options->batch * options->accumulate;
    training_recipe(options, &state->source.config, &state->recipe);
    settle_depths(state);
    state->steps_an_epoch = (int64_t)state->learned.count / step;
    state->total = state->steps_an_epoch * options->epochs;
    if (options->limit_steps && options->limit_steps < state->total)
        state->total = options->limit_steps;
    state->saved = state->scored = state->best.step = state->sound[0] = state->sound[1] = -1;
    state->improved_share = -HUGE_VAL;
    state->began = -1;
    if (state->recipe.alpha == 1 && !training_has_teacher(options))
        return tool_misuse(state->call, "--alpha 1 leaves out the labels, and there is no teacher");
    int code = check_val_depths(state);
    if (code == EXIT_DONE)
        code = training_check_drawing(state);
    if (code == EXIT_DONE)
        code = training_check_effect(state);
    if (code == EXIT_DONE)
        code = training_check_layers(state);
    if (code == EXIT_DONE)
        code = training_weigh_classes(state);
    if (code == EXIT_DONE)
        training_warn_of_heads(state);
    return code == EXIT_DONE ? training_settle_rate(state) : code;
}

/* All that is settled before anybody learns: the data, what is learned, and who teaches. */
static int prepare(struct state *state, training_begin *begin, const void *verb) {
    int code = training_find_plan(state);
    if (code == EXIT_DONE)
        code = training_open_data(state);
    if (code == EXIT_DONE)
        code = training_open_features(state);
    if (code == EXIT_DONE)
        code = begin(state->call, state->context, &state->set, &state->source, verb);
    if (state->knew >= 0) /* what is begun with may be written over by now */
        state->source.knows = state->knew;
    if (code == EXIT_DONE)
        code = training_spare_start(state);
    if (code == EXIT_DONE)
        code = training_check_latents(state);
    if (code == EXIT_DONE)
        code = training_take_recorded(state);
    if (code == EXIT_DONE)
        code = training_split_data(state);
    if (code == EXIT_DONE)
        code = settle(state);
    if (code == EXIT_DONE)
        code = training_read_logits(state);
    interrupt_watch(state->checkpoint ? "this step will be finished and a checkpoint written"
                                      : "this batch will be finished and the recording kept");
    if (code == EXIT_DONE)
        code = training_open_teacher(state);
    return code;
}

static int train(struct state *state) {
    int code = training_find_room(state);
    if (code == EXIT_DONE)
        code = make_trainer(state);
    if (code == EXIT_DONE)
        code = training_find_origin(state);
    if (code == EXIT_DONE)
        code = state->options->record ? training_take_up_recording(state, state->options->record) : EXIT_DONE;
    if (code == EXIT_DONE)
        code = training_find_checkpoint(state);
    if (code == EXIT_DONE && state->options->record)
        code = training_begin_recording(state, state->options->record);
    if (code == EXIT_DONE)
        code = training_say_start(state);
    if (code == EXIT_DONE)
        code = learn(state);
    if (code == EXIT_DONE)
        training_end_recording(state);
    return code;
}

static void clear(struct state *state) {
    training_close_log(state);
    tleg_trainer_free(state->trainer);
    training_close_teacher(state->call, &state->teacher);
    source_close(&state->source);
    part_free(&state->learned);
    part_free(&state->judged);
    dataset_close(&state->set);
    dataset_close(&state->other);
    free(state->logits);
    free(state->class_weights);
    free(state->own_checkpoint);
    free(state->best.path);
    tleg_context_free(state->context);
}

static int run(const struct invocation *call, const struct training_options *options, const struct training_target *target,
               training_begin *begin, const void *verb, bool learns) {
    struct state *state = calloc(1, sizeof *state);
    if (!state)
        return tool_fail_memory(call);
    state->call = call;
    state->log.file = -1;
    state->settled = *options;
    state->options = &state->settled;
    state->target = target;
    int code = ranks_start(call, &state->ranks);
    state->context = code == EXIT_DONE ? tool_context(call) : NULL;
    code = !state->context ? EXIT_FAILED : learns ? training_name_files(state) : EXIT_DONE;
    if (code == EXIT_DONE)
        code = training_try_files(state);
    if (code == EXIT_DONE)
        code = prepare(state, begin, verb);
    if (code == EXIT_DONE)
        code = learns ? train(state) : training_record_all(state);
    struct ranks ranks = state->ranks;
    clear(state);
    free(state);
    ranks_end(&ranks, code != EXIT_DONE && code != EXIT_INTERRUPTED, code);
    return code == EXIT_INTERRUPTED ? interrupt_code() : code;
}

int training_run(const struct invocation *call, const struct training_options *options, const struct training_target *target,
                 training_begin *begin, const void *verb) {
    return run(call, options, target, begin, verb, true);
}

int training_record(const struct invocation *call, const struct training_options *options, training_begin *begin,
                    const void *verb) {
    const struct training_target target = {0};
    return run(call, options, &target, begin, verb, false);
}
