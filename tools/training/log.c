/* What a training says: to people, to machines (--json), and to its log. */
#include "private.h"

#include "base/latent_scale.h"
#include "base/measure.h"
#include "base/options.h"
#include "base/place.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Into the log, and with --json to standard output too. Frees the report. */
static int emit(struct state *state, struct report *report) {
    char *line = report_line(report);
    if (!line)
        return tool_fail_memory(state->call);
    if (state->call->json) {
        progress_clear(&state->progress);
        puts(line);
        fflush(stdout);
    }
    bool written = training_write_log(state, line);
    int error = errno;
    free(line);
    return written ? EXIT_DONE : tool_fail(state->call, "%s: %s", state->options->log, strerror(error));
}

/* ---- the start ---- */

/* The decay in the last step. */
static double last_decay(const struct state *state) {
    const double t = (double)state->total, most = (1 + t) / (10 + t);
    return !state->options->ema_fixed && most < state->options->ema ? most : state->options->ema;
}

static void print_average(const struct state *state) {
    printf("average: decay %g", state->options->ema);
    if (state->options->ema_fixed)
        printf(" from the first step on\n");
    else
        printf(", at most (1 + t) / (10 + t) in step t: %.6g in the last\n", last_decay(state));
}

/* bf16 that the processor does not multiply is f32. */
static void note_dtype(const struct state *state, const char *computed) {
    if (state->options->dtype == TLEG_BF16 && tleg_trainer_get_dtype(state->trainer) != TLEG_BF16)
        tool_note(state->call, "--dtype bf16: the processor, or --level or --gemm, does not multiply bf16: computed in %s",
                  computed);
}

enum { DATA_TEXT = 96 };

/* What is held of pictures, or what latents are like. */
static const char *describe_data(const struct state *state, char text[DATA_TEXT]) {
    const struct latents *latents = &state->set.latents;
    char part[LATENT_SCALE_TEXT];
    if (training_has_latents(state))
        snprintf(text, DATA_TEXT, "latents of %d x %d x %d numbers, times %s", (int)latents->channels, (int)latents->height,
                 (int)latents->width, latent_scale_text(latents->scale, part));
    else
        snprintf(text, DATA_TEXT, "%s of pixels held in memory", report_bytes(state->set.held + state->other.held, part));
    return text;
}

static void print_start(const struct state *state, const char *recipe, uint64_t bytes) {
    const struct training_options *options = state->options;
    int64_t step = (int64_t)options->batch * options->accumulate, left = (int64_t)state->learned.count % step;
    char held[DATA_TEXT], memory[24], warmup[RATE_TEXT], curve[RATE_TEXT], teacher[TEACHER_ERROR], choice[RECIPE_TEXT];
    char learning[RECIPE_TEXT], weights[RECIPE_TEXT], computed[COMPUTED_TEXT], counts[DATASET_COUNTS];
    training_describe_learning(state, learning);
    training_describe_teacher(state, teacher);
    training_describe_warmup(state, warmup);
    training_describe_curve(state, curve);
    training_describe_computed(state, computed);
    tool_line("data: %s: %zu images%s%s to learn from, %zu to validate with; %s", options->data, state->learned.count,
              state->set.features ? "" : " of ", state->set.features ? "" : dataset_counts(&state->set, counts),
              state->judged.count, describe_data(state, held));
    training_describe_choice(state, choice);
    printf("recipe: %s\npictures: %s\n", choice, recipe);
    if (*teacher)
        tool_line("teacher: %s%s", teacher, state->set.features ? ", its features" : "");
    printf("steps: %" PRId64 " an epoch of %" PRId64 " images", state->steps_an_epoch, step);
    if (left)
        printf(" (%" PRId64 " image%s left over, others each time)", left, left == 1 ? " is" : "s are");
    printf(", %" PRId64 " in %d epoch%s\n", state->steps_an_epoch * options->epochs, (int)options->epochs,
           tool_plural(options->epochs));
    if (options->lr_absolute)
        printf("learning rate: %g, whatever the batch (--lr-absolute)", options->lr);
    else
        printf("learning rate: %g given, times %" PRId64 "/512 images of a step = %g", options->lr, step, state->rate.peak);
    if (state->rate.warmup || state->rate.warmup_steps)
        printf("; from %g over %s of warm-up", training_first_rate(state), warmup);
    printf("; then %s\noptimiser: %s\n", curve, learning);
    if (state->class_weights) {
        training_describe_class_weights(state, weights);
        tool_line("class weights: %s", weights);
    }
    if (options->ema > 0)
        print_average(state);
    printf("computed: %s\nmemory: %s for the trainer\n", computed, report_bytes(bytes, memory));
    if (state->saved >= 0)
        tool_line("resumed: %s, step %" PRId64 " of %" PRId64, state->checkpoint, state->saved, state->total);
    fflush(stdout);
}

static json_t *class_weights_of(const struct state *state) {
    json_t *weights = json_array();
    for (int32_t c = 0; c < state->set.class_count; c++)
        json_array_append_new(weights, json_real(state->class_weights[c]));
    return weights;
}

int training_say_start(struct state *state) {
    const struct training_options *options = state->options;
    char recipe[RECIPE_TEXT], curve[RATE_TEXT], teacher[TEACHER_ERROR], computed[COMPUTED_TEXT];
    uint64_t bytes = state->memory;
    if (!training_first(state))
        return EXIT_DONE;
    training_describe(&state->recipe, false, recipe);
    training_describe_teacher(state, teacher);
    training_describe_curve(state, curve);
    training_describe_computed(state, computed);
    note_dtype(state, computed);
    if (!state->call->json)
        print_start(state, recipe, bytes);
    char *out = options->log ? place_from(options->log, options->out) : strdup(options->out); /* the log is known by it */
    struct report report = report_start();
    report_text(&report, "verb", state->call->verb->name);
    report_text(&report, "data", options->data);
    report_text(&report, "output", out);
    report_integer(&report, "images", (int64_t)state->learned.count);
    report_integer(&report, "val_images", (int64_t)state->judged.count);
    report_integer(&report, state->set.features ? "features" : "classes", state->set.class_count);
    if (training_has_latents(state))
        report_real(&report, "latent_scale", state->set.latents.scale);
    report_text(&report, "recipe", options->recipe == RECIPE_SHORT ? "short" : "deit");
    report_text(&report, "pictures", recipe);
    if (*teacher)
        report_text(&report, "taught_by", teacher);
    report_integer(&report, "epochs", options->epochs);
    report_integer(&report, "steps_per_epoch", state->steps_an_epoch);
    report_integer(&report, "images_per_step", (int64_t)options->batch * options->accumulate);
    report_real(&report, "lr_given", options->lr);
    report_real(&report, "lr_peak", state->rate.peak);
    report_integer(&report, "warmup_epochs", state->rate.warmup);
    report_integer(&report, "warmup_steps", state->rate.warmup_steps);
    report_text(&report, "schedule", curve);
    report_text(&report, "optimiser",
                options->optimiser ? option_choice_name(training_optimisers, options->optimiser) : "adamw");
    if (options->freeze)
        report_text(&report, "freeze", options->freeze);
    if (options->freeze_layers)
        report_integer(&report, "freeze_layers", options->freeze_layers);
    if (options->layer_decay > 0)
        report_real(&report, "layer_decay", options->layer_decay);
    if (state->class_weights)
        report_add(&report, "class_weights", class_weights_of(state));
    report_text(&report, "dtype", tool_dtype_name(tleg_trainer_get_dtype(state->trainer)));
    report_text(&report, "dtype_asked", tool_dtype_name(options->dtype ? options->dtype : TLEG_F32));
    report_text(&report, "computed", computed);
    if (options->ema > 0) {
        report_real(&report, "ema", options->ema);
        report_real(&report, "ema_last", last_decay(state));
    }
    report_add(&report, "seed", report_seed(options->seed));
    report_size(&report, "bytes", bytes);
    report_integer(&report, "first_step", tleg_trainer_get_steps(state->trainer));
    free(out);
    return emit(state, &report);
}

/* ---- steps ---- */

/* What a validation measures. */
static const char *measure_of(const struct state *state) {
    return source_score_name(&state->source.config, state->options->teacher_features ? TLEG_SCORES_ON_FEATURES : "");
}

enum { TOP1_TEXT = 32 };

/* Right answers among those that were learned from; nothing where there are none. */
static const char *top1_text(const struct state *state, const struct tally *mean, const char *before, char text[TOP1_TEXT]) {
    text[0] = '\0';
    if (!training_tells(state))
        snprintf(text, TOP1_TEXT, "%stop-1 %.2f %%%s", before, 100 * mean->correct, *before ? "" : "  ");
    return text;
}

static struct tally means_of(const struct tally *sums) {
    double n = sums->images > 0 ? sums->images : 1;
    return (struct tally){.loss = sums->loss / n,
                          .labels = sums->labels / n,
                          .teacher = sums->teacher / n,
                          .in_place = sums->in_place / n,
                          .correct = sums->correct / n,
                          .images = sums->images,
                          .depth = sums->depth};
}

static int say_interval(struct state *state, int64_t step, double rate) {
    char top1[TOP1_TEXT];
    struct tally mean = means_of(&state->tally);
    double now = measure_ms(), seconds = (now - state->tally.started) / 1e3;
    double speed = seconds > 0 ? mean.images / seconds : 0;
    double left = speed > 0 ? (double)(state->total - step) * state->options->batch * state->options->accumulate / speed : 0;
    int64_t epoch = (step - 1) / state->steps_an_epoch + 1;
    state->last = mean;
    state->tally = (struct tally){.started = now};
    if (state->lines && !state->call->json) {
        printf("step %" PRId64 "/%" PRId64 "  epoch %" PRId64 "  depth %d  loss %.4f  %slr %.3g  %.0f images/s  %.0f s left\n",
               step, state->total, epoch, (int)mean.depth, mean.loss, top1_text(state, &mean, "", top1), rate, speed, left);
        fflush(stdout);
    }
    struct report report = report_start();
    report_integer(&report, "step", step);
    report_integer(&report, "epoch", epoch);
    report_real(&report, "loss", mean.loss);
    report_real(&report, "labels", mean.labels);
    report_real(&report, "teacher", mean.teacher);
    if (state->target->in_place > 0)
        report_real(&report, "in_place", mean.in_place);
    if (!training_tells(state))
        report_real(&report, "accuracy", mean.correct);
    report_real(&report, "lr", rate);
    report_real(&report, "images_per_s", speed);
    report_integer(&report, "depth", mean.depth);
    return emit(state, &report);
}

int training_say_step(struct state *state, int64_t step, double rate) {
    char text[96], top1[TOP1_TEXT];
    if (!training_first(state))
        return EXIT_DONE;
    struct tally mean = means_of(&state->tally);
    int64_t epoch = (step - 1) / state->steps_an_epoch;
    snprintf(text, sizeof text, "epoch %" PRId64 "/%d  loss %.3f  %s", epoch + 1, (int)state->options->epochs, mean.loss,
             top1_text(state, &mean, "", top1));
    progress_step(&state->progress, (step - state->resumed) * state->options->batch * state->options->accumulate, text);
    if (step % state->options->log_every && step < state->total)
        return EXIT_DONE;
    return say_interval(state, step, rate);
}

/* ---- epochs, and the end ---- */

static bool is_best(const struct state *state) {
    return state->options->keep != KEEP_LAST && state->best.step >= 0 && state->best.step == state->scored;
}

/* What -o holds after an epoch that is not the best is an earlier one, where the best is all that is kept. */
static bool is_written(const struct state *state) {
    return state->options->keep != KEEP_BEST || state->best.step < 0 || is_best(state);
}

static void print_scores(const struct state *state) {
    printf("validation %s %.2f %%", measure_of(state), 100 * training_mean_share(state));
    for (int32_t d = 0; d < state->depth_count && state->depth_count > 1; d++)
        printf("%sdepth %d %.2f%s", d ? ", " : " (", (int)state->scores[d].depth, 100 * training_share(&state->scores[d]),
               d + 1 == state->depth_count ? ")" : "");
}

static void print_epoch(const struct state *state, int32_t epoch, double seconds) {
    char top1[TOP1_TEXT];
    struct tally mean = means_of(&state->epoch);
    printf("epoch %d/%d: ", (int)epoch, (int)state->options->epochs);
    if (state->judged.count) {
        print_scores(state);
        printf("%s; ", is_best(state) ? ", the best so far" : "");
    }
    printf("training loss %.4f%s; %.1f s", mean.loss, top1_text(state, &mean, ", ", top1), seconds);
    if (is_written(state))
        tool_line(", %s written", state->options->out);
    else
        putchar('\n');
    fflush(stdout);
}

static json_t *scores_by_depth(const struct state *state) {
    json_t *depths = json_object();
    for (int32_t d = 0; d < state->depth_count; d++) {
        char key[16];
        snprintf(key, sizeof key, "%d", (int)state->scores[d].depth);
        json_object_set_new(depths, key, json_real(training_share(&state->scores[d])));
    }
    return depths;
}

int training_say_began(struct state *state) {
    if (!state->call->json) {
        printf("before the first step: ");
        print_scores(state);
        putchar('\n');
    }
    struct report report = report_start();
    report_real(&report, "began_val_top1", state->began);
    report_add(&report, "began_val_top1_by_depth", scores_by_depth(state));
    return emit(state, &report);
}

int training_say_epoch(struct state *state, int32_t epoch, double seconds) {
    struct tally mean = means_of(&state->epoch);
    if (!training_first(state))
        return EXIT_DONE;
    progress_clear(&state->progress);
    if (!state->call->json)
        print_epoch(state, epoch, seconds);
    struct report report = report_start();
    report_integer(&report, "epoch", epoch);
    report_real(&report, "train_loss", mean.loss);
    if (!training_tells(state))
        report_real(&report, "train_top1", mean.correct);
    if (state->judged.count) {
        report_real(&report, training_tells(state) ? "val_told" : "val_top1", training_mean_share(state));
        report_add(&report, training_tells(state) ? "val_told_by_depth" : "val_top1_by_depth", scores_by_depth(state));
        report_integer(&report, "val_images", (int64_t)state->judged.count);
        report_add(&report, "best", json_boolean(is_best(state)));
    }
    report_real(&report, "seconds", seconds);
    return emit(state, &report);
}

/* Where the best epoch is; NULL where none was kept. */
static const char *best_file(const struct state *state) {
    int32_t keep = state->options->keep;
    return state->best.step < 0 || keep == KEEP_LAST ? NULL : keep == KEEP_BEST ? state->options->out : state->best.path;
}

static bool has_lost_patience(const struct state *state) {
    const struct training_options *options = state->options;
    return options->patience && state->judged.count && state->validated < options->epochs &&
           state->validated - state->improved >= options->patience;
}

/* The score of what is left to take: the best epoch's, or the last one's. */
static bool is_worse_than_it_began(const struct state *state) {
    const double share = best_file(state) ? state->best.share : training_mean_share(state);
    return state->judged.count && state->began >= 0 && share < state->began;
}

static void print_end(const struct state *state, int64_t step) {
    const char *what = state->source.gene ? "learngene" : "model", *best = best_file(state);
    if (has_lost_patience(state))
        printf("stopped after epoch %d of %d: no better validation for %d epoch%s (--patience)\n", (int)state->validated,
               (int)state->options->epochs, (int)state->options->patience, tool_plural(state->options->patience));
    if (best != state->options->out)
        tool_line("%s: the %s after %" PRId64 " step%s", state->options->out, what, step, tool_plural(step));
    if (best)
        tool_line("%s: the best %s, of step %" PRId64 " of %" PRId64 ", validation %s %.2f %%", best, what, state->best.step,
                  step, measure_of(state), 100 * state->best.share);
    if (is_worse_than_it_began(state))
        tool_note(state->call,
                  "what it began with is better: validation top-1 %.2f %% before the first step; keep that, learn from more "
                  "pictures, or more slowly (--lr %.2g)",
                  100 * state->began, state->options->lr / 10);
}

int training_say_end(struct state *state, int64_t step) {
    if (!training_first(state))
        return EXIT_DONE;
    progress_clear(&state->progress);
    if (!state->call->json) {
        print_end(state, step);
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", state->options->out);
    report_integer(&report, "steps", step);
    report_add(&report, "out_of_patience", json_boolean(has_lost_patience(state)));
    report_add(&report, "loss", state->last.images > 0 ? json_real(state->last.loss) : json_null()); /* no step was left */
    if (state->judged.count && state->validated)
        report_real(&report, training_tells(state) ? "val_told" : "val_top1", training_mean_share(state));
    if (state->began >= 0)
        report_real(&report, "began_val_top1", state->began);
    if (best_file(state)) {
        report_text(&report, "best_file", best_file(state));
        report_integer(&report, "best_step", state->best.step);
        report_real(&report, training_tells(state) ? "best_val_told" : "best_val_top1", state->best.share);
    }
    return report_print(state->call, &report);
}
