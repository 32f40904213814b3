/* What a training says: to people, to machines (--json), and to its log. */
#include "private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int training_open_log(struct desk *desk, int64_t bytes) {
    const char *path = desk->wishes->log;
    if (!path || !training_first(desk))
        return EXIT_DONE;
    desk->log = fopen(path, bytes == 0 ? "w" : "a");
    if (!desk->log)
        return tool_fail(desk->call, "%s: %s", path, strerror(errno));
    /* lines of steps that will be done once more */
    if (bytes > 0 && fseeko(desk->log, 0, SEEK_END) == 0 && ftello(desk->log) > bytes &&
        ftruncate(fileno(desk->log), bytes) != 0)
        return tool_fail(desk->call, "%s: %s", path, strerror(errno));
    return EXIT_DONE;
}

int64_t training_log_bytes(struct desk *desk) {
    return desk->log && fseeko(desk->log, 0, SEEK_END) == 0 ? (int64_t)ftello(desk->log) : 0;
}

/* Into the log, and with --json to standard output too. Frees the report. */
static int emit(struct desk *desk, struct report *report) {
    char *line = report_line(report);
    if (!line)
        return tool_fail_memory(desk->call);
    if (desk->call->json) {
        progress_clear(&desk->progress);
        puts(line);
        fflush(stdout);
    }
    bool lost = desk->log && (fprintf(desk->log, "%s\n", line) < 0 || fflush(desk->log) != 0);
    free(line);
    return lost ? tool_fail(desk->call, "%s: %s", desk->wishes->log, strerror(errno)) : EXIT_DONE;
}

/* ---- the start ---- */

static void print_start(const struct desk *desk, const char *recipe, uint64_t bytes) {
    const struct training_wishes *w = desk->wishes;
    int64_t step = (int64_t)w->batch * w->accumulate;
    int32_t warmup = w->warmup >= 0 ? w->warmup : desk->target->warmup;
    char held[24], memory[24];
    printf("data: %s: %zu images of %d classes to learn from, %zu to validate with; %s of pixels held in memory\n", w->data,
           desk->learned.count, (int)desk->set.class_count, desk->judged.count,
           report_bytes(desk->set.held + desk->other.held, held));
    printf("pictures: %s\n", recipe);
    printf("steps: %" PRId64 " an epoch of %" PRId64 " images", desk->steps_an_epoch, step);
    if ((int64_t)desk->learned.count % step)
        printf(" (%" PRId64 " images are left over, others each time)", (int64_t)desk->learned.count % step);
    printf(", %" PRId64 " in %d epochs\n", desk->steps_an_epoch * w->epochs, (int)w->epochs);
    if (w->lr_absolute)
        printf("learning rate: %g as given (--lr-absolute)", w->lr);
    else
        printf("learning rate: %g given, times %" PRId64 "/512 images of a step = %g", w->lr, step, desk->peak);
    if (warmup)
        printf("; from 1e-06 over %d epoch%s of warm-up", (int)warmup, warmup == 1 ? "" : "s");
    printf("; then a cosine to 1e-05%s\nmemory: %s for the trainer\n",
           warmup >= w->epochs ? " (not reached: the epochs end before)" : "", report_bytes(bytes, memory));
    if (desk->saved >= 0)
        printf("resumed: %s, step %" PRId64 " of %" PRId64 "\n", desk->checkpoint, desk->saved, desk->total);
    fflush(stdout);
}

int training_say_start(struct desk *desk) {
    const struct training_wishes *w = desk->wishes;
    char recipe[RECIPE_TEXT];
    uint64_t bytes = desk->memory;
    if (!training_first(desk))
        return EXIT_DONE;
    training_describe(&desk->recipe, recipe);
    if (!desk->call->json)
        print_start(desk, recipe, bytes);
    struct report report = report_start();
    report_text(&report, "verb", desk->call->verb->name);
    report_text(&report, "data", w->data);
    report_integer(&report, "images", (int64_t)desk->learned.count);
    report_integer(&report, "val_images", (int64_t)desk->judged.count);
    report_integer(&report, "classes", desk->set.class_count);
    report_text(&report, "pictures", recipe);
    report_integer(&report, "epochs", w->epochs);
    report_integer(&report, "steps_per_epoch", desk->steps_an_epoch);
    report_integer(&report, "images_per_step", (int64_t)w->batch * w->accumulate);
    report_real(&report, "lr_given", w->lr);
    report_real(&report, "lr_peak", desk->peak);
    report_integer(&report, "warmup_epochs", w->warmup >= 0 ? w->warmup : desk->target->warmup);
    report_text(&report, "dtype", tool_dtype_name(w->dtype ? w->dtype : TLEG_F32));
    report_size(&report, "seed", w->seed);
    report_size(&report, "bytes", bytes);
    report_integer(&report, "first_step", tleg_trainer_get_steps(desk->trainer));
    return emit(desk, &report);
}

/* ---- steps ---- */

static struct tally means_of(const struct tally *sums) {
    double n = sums->images > 0 ? sums->images : 1;
    return (struct tally){.loss = sums->loss / n,
                          .labels = sums->labels / n,
                          .teacher = sums->teacher / n,
                          .correct = sums->correct / n,
                          .images = sums->images,
                          .depth = sums->depth};
}

static int say_interval(struct desk *desk, int64_t step, double rate) {
    struct tally mean = means_of(&desk->tally);
    double now = tool_clock(), seconds = (now - desk->tally.started) / 1e3;
    double speed = seconds > 0 ? mean.images / seconds : 0;
    double left = speed > 0 ? (double)(desk->total - step) * desk->wishes->batch * desk->wishes->accumulate / speed : 0;
    int64_t epoch = (step - 1) / desk->steps_an_epoch + 1;
    desk->last = mean;
    desk->tally = (struct tally){.started = now};
    if (desk->lines && !desk->call->json) {
        printf("step %" PRId64 "/%" PRId64 "  epoch %" PRId64 "  depth %d  loss %.4f  top-1 %.2f %%  lr %.3g  %.0f images/s  "
               "%.0f s left\n",
               step, desk->total, epoch, (int)mean.depth, mean.loss, 100 * mean.correct, rate, speed, left);
        fflush(stdout);
    }
    struct report report = report_start();
    report_integer(&report, "step", step);
    report_integer(&report, "epoch", epoch);
    report_real(&report, "loss", mean.loss);
    report_real(&report, "labels", mean.labels);
    report_real(&report, "teacher", mean.teacher);
    report_real(&report, "accuracy", mean.correct);
    report_real(&report, "lr", rate);
    report_real(&report, "images_per_s", speed);
    report_integer(&report, "depth", mean.depth);
    return emit(desk, &report);
}

int training_say_step(struct desk *desk, int64_t step, double rate) {
    char text[96];
    if (!training_first(desk))
        return EXIT_DONE;
    struct tally mean = means_of(&desk->tally);
    int64_t epoch = (step - 1) / desk->steps_an_epoch;
    snprintf(text, sizeof text, "epoch %" PRId64 "/%d  loss %.3f  top-1 %.1f %%", epoch + 1, (int)desk->wishes->epochs,
             mean.loss, 100 * mean.correct);
    progress_step(&desk->progress, (step - desk->resumed) * desk->wishes->batch * desk->wishes->accumulate, text);
    if (step % desk->wishes->log_every && step < desk->total)
        return EXIT_DONE;
    return say_interval(desk, step, rate);
}

/* ---- epochs, and the end ---- */

static double share(const struct score *score) {
    return score->images ? (double)score->correct / (double)score->images : 0;
}

/* Over the depths of the validation. */
static double mean_share(const struct desk *desk) {
    double sum = 0;
    for (int32_t d = 0; d < desk->depth_count; d++)
        sum += share(&desk->scores[d]);
    return sum / desk->depth_count;
}

static void print_epoch(const struct desk *desk, int32_t epoch, double seconds) {
    printf("epoch %d/%d: ", (int)epoch, (int)desk->wishes->epochs);
    if (desk->judged.count) {
        printf("validation top-1 %.2f %% ", 100 * mean_share(desk));
        for (int32_t d = 0; d < desk->depth_count && desk->depth_count > 1; d++)
            printf("%sdepth %d %.2f%s", d ? ", " : "(", (int)desk->scores[d].depth, 100 * share(&desk->scores[d]),
                   d + 1 == desk->depth_count ? ") " : "");
    }
    printf("%.1f s, %s written\n", seconds, desk->wishes->out);
    fflush(stdout);
}

int training_say_epoch(struct desk *desk, int32_t epoch, double seconds) {
    if (!training_first(desk))
        return EXIT_DONE;
    progress_clear(&desk->progress);
    if (!desk->call->json)
        print_epoch(desk, epoch, seconds);
    struct report report = report_start();
    report_integer(&report, "epoch", epoch);
    if (desk->judged.count) {
        json_t *depths = json_object();
        for (int32_t d = 0; d < desk->depth_count; d++) {
            char key[16];
            snprintf(key, sizeof key, "%d", (int)desk->scores[d].depth);
            json_object_set_new(depths, key, json_real(share(&desk->scores[d])));
        }
        report_real(&report, "val_top1", mean_share(desk));
        report_add(&report, "val_top1_by_depth", depths);
        report_integer(&report, "val_images", (int64_t)desk->judged.count);
    }
    report_real(&report, "seconds", seconds);
    return emit(desk, &report);
}

int training_say_end(struct desk *desk, int64_t step) {
    if (!training_first(desk))
        return EXIT_DONE;
    progress_clear(&desk->progress);
    if (!desk->call->json) {
        printf("%s: %s after %" PRId64 " steps\n", desk->wishes->out, desk->source.gene ? "the learngene" : "the model", step);
        return EXIT_DONE;
    }
    struct report report = report_start();
    report_text(&report, "file", desk->wishes->out);
    report_integer(&report, "steps", step);
    report_real(&report, "loss", desk->last.loss);
    if (desk->judged.count && desk->validated)
        report_real(&report, "val_top1", mean_share(desk));
    return report_print(desk->call, &report);
}
