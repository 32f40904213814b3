#include "private.h"

#include "base/interrupt.h"
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- one step ---- */

static int fail_trainer(struct desk *desk) {
    const char *teacher = desk->teacher.error, *text = tleg_trainer_get_error(desk->trainer);
    progress_clear(&desk->progress);
    if (desk->saved >= 0)
        return tool_fail(desk->call, "%s%s%s; %s holds step %" PRId64, text, *teacher ? ": " : "", teacher, desk->checkpoint,
                         desk->saved);
    return tool_fail(desk->call, "%s%s%s; no checkpoint was written yet", text, *teacher ? ": " : "", teacher);
}

/* Forward and backward over one unit; its loss is added to sums. */
static int learn_unit(struct desk *desk, const struct feed_unit *unit, struct tally *sums) {
    tleg_train_loss loss = {.struct_size = sizeof loss};
    if (unit->error) {
        progress_clear(&desk->progress);
        return tool_fail(desk->call, "%s%s", unit->error,
                         desk->wishes->skip_bad ? "" : " (--skip-bad goes on without such files)");
    }
    const tleg_train_batch batch = {.struct_size = sizeof batch,
                                    .size = (int32_t)unit->count,
                                    .images = unit->images,
                                    .labels = unit->targets ? NULL : unit->labels,
                                    .targets = unit->targets,
                                    .teacher_logits = unit->logits,
                                    .share = 1.0 / desk->wishes->accumulate};
    if (tleg_trainer_backward(desk->trainer, &batch, &loss) != TLEG_OK)
        return fail_trainer(desk);
    double n = (double)unit->count;
    sums->loss += n * loss.total;
    sums->labels += n * loss.labels;
    sums->teacher += n * loss.teacher;
    sums->correct += (double)loss.correct;
    sums->images += n;
    sums->depth = loss.depth;
    return EXIT_DONE;
}

/* Sums over ranks, and into what the next line of the log says. Whether any rank got a signal. */
static bool gather(struct desk *desk, const struct tally *sums) {
    double values[] = {sums->loss, sums->labels, sums->teacher, sums->correct, sums->images, interrupt_signal() != 0};
    ranks_sum_few(&desk->ranks, values, 6);
    struct tally *tally = &desk->tally;
    tally->loss += values[0];
    tally->labels += values[1];
    tally->teacher += values[2];
    tally->correct += values[3];
    tally->images += values[4];
    tally->depth = sums->depth;
    return values[5] > 0;
}

static int stop(struct desk *desk) {
    int64_t step = tleg_trainer_get_steps(desk->trainer);
    int code = training_save(desk);
    if (code != EXIT_DONE || !training_first(desk))
        return code == EXIT_DONE ? EXIT_INTERRUPTED : code;
    const char *name = interrupt_signal() == SIGTERM ? "SIGTERM" : "SIGINT";
    tool_fail(desk->call, "stopped by %s after step %" PRId64 " of %" PRId64 "; %s holds it, --resume goes on", name, step,
              desk->total, desk->checkpoint);
    return EXIT_INTERRUPTED;
}

static int learn_step(struct desk *desk, struct feed *feed, double rate) {
    struct tally sums = {0};
    int code = EXIT_DONE;
    for (int32_t k = 0; k < desk->wishes->accumulate && code == EXIT_DONE; k++)
        code = learn_unit(desk, feed_next(feed), &sums);
    if (code != EXIT_DONE)
        return code;
    if (tleg_trainer_update(desk->trainer, rate) != TLEG_OK)
        return fail_trainer(desk);
    bool stopped = gather(desk, &sums);
    int64_t step = tleg_trainer_get_steps(desk->trainer);
    code = training_say_step(desk, step, rate);
    if (code != EXIT_DONE)
        return code;
    if (stopped)
        return stop(desk);
    if (desk->wishes->checkpoint_every && step % desk->wishes->checkpoint_every == 0 && step % desk->steps_an_epoch)
        return training_save(desk);
    return EXIT_DONE;
}

/* ---- one epoch ---- */

static int find_rate(struct desk *desk, int32_t epoch, double *rate) {
    const struct training_wishes *w = desk->wishes;
    const tleg_train_rate recipe = {.struct_size = sizeof recipe,
                                    .epochs = w->epochs,
                                    .warmup = w->warmup >= 0 ? w->warmup : desk->target->warmup,
                                    .peak = desk->peak};
    if (tleg_train_rate_of_epoch(&recipe, epoch, rate) != TLEG_OK)
        return tool_fail(desk->call, "no learning rate for epoch %d of %d with %d of warm-up", (int)epoch, (int)w->epochs,
                         (int)recipe.warmup);
    return EXIT_DONE;
}

static struct feed *start_feed(struct desk *desk, int32_t epoch) {
    const struct training_wishes *w = desk->wishes;
    int64_t first = tleg_trainer_get_steps(desk->trainer) - epoch * desk->steps_an_epoch;
    const struct feed_plan plan = {.part = &desk->learned,
                                   .config = &desk->source.config,
                                   .augment = desk->recipe.shaped ? &desk->recipe.augment : NULL,
                                   .flip = desk->recipe.flip,
                                   .mix = desk->recipe.mixed ? &desk->recipe.mix : NULL,
                                   .logits = desk->logits,
                                   .shuffle = true,
                                   .repeats = desk->recipe.repeats,
                                   .seed = w->seed,
                                   .epoch = epoch,
                                   .batch = (size_t)w->batch,
                                   .rank = desk->ranks.rank,
                                   .ranks = desk->ranks.count,
                                   .first = first * w->accumulate,
                                   .end = desk->steps_an_epoch * w->accumulate,
                                   .loaders = w->loaders};
    return feed_start(desk->call, &plan);
}

static int learn_epoch(struct desk *desk, int32_t epoch) {
    int64_t end = (epoch + 1) * desk->steps_an_epoch;
    double rate = 0;
    int code = find_rate(desk, epoch, &rate);
    struct feed *feed = code == EXIT_DONE ? start_feed(desk, epoch) : NULL;
    if (!feed)
        return EXIT_FAILED;
    while (code == EXIT_DONE && tleg_trainer_get_steps(desk->trainer) < (end < desk->total ? end : desk->total))
        code = learn_step(desk, feed, rate);
    feed_stop(feed);
    return code;
}

/* Whether any rank got a signal. */
static bool is_stopped(const struct desk *desk) {
    double came = interrupt_signal() != 0;
    ranks_sum_few(&desk->ranks, &came, 1);
    return came > 0;
}

/* Validates, writes what was learned, and then says in a checkpoint that it is done. */
static int end_epoch(struct desk *desk, int32_t epoch, double seconds) {
    int code = training_judge(desk);
    if (code != EXIT_DONE && code != EXIT_INTERRUPTED)
        return code;
    if (is_stopped(desk))
        return stop(desk);
    code = training_write(desk);
    if (code == EXIT_DONE)
        code = training_say_epoch(desk, epoch, seconds);
    desk->validated = epoch;
    return code == EXIT_DONE ? training_save(desk) : code;
}

static int learn(struct desk *desk) {
    int code = EXIT_DONE;
    double began = tool_clock();
    desk->tally.started = began;
    desk->resumed = tleg_trainer_get_steps(desk->trainer);
    progress_start(&desk->progress, desk->call->verb->name,
                   (desk->total - desk->resumed) * desk->wishes->batch * desk->wishes->accumulate);
    desk->progress.shown = desk->progress.shown && training_first(desk);
    desk->lines = !desk->progress.shown || !isatty(1);
    for (;;) {
        int64_t step = tleg_trainer_get_steps(desk->trainer);
        int32_t epoch = (int32_t)(step / desk->steps_an_epoch);
        if (step % desk->steps_an_epoch == 0 && epoch > desk->validated) {
            double ended = tool_clock();
            code = end_epoch(desk, epoch, (ended - began) / 1e3);
            began = tool_clock();
            desk->tally.started += began - ended; /* the interval goes on; validation is not in its speed */
        }
        if (code != EXIT_DONE || step >= desk->total)
            break;
        code = learn_epoch(desk, epoch);
        if (code != EXIT_DONE)
            break;
    }
    progress_clear(&desk->progress);
    int64_t step = tleg_trainer_get_steps(desk->trainer);
    if (code == EXIT_DONE)
        code = training_write(desk);
    if (code == EXIT_DONE && desk->saved < step)
        code = training_save(desk);
    return code == EXIT_DONE ? training_say_end(desk, step) : code;
}

/* ---- the trainer ---- */

static tleg_trainer_options options_of(struct desk *desk) {
    const struct training_wishes *w = desk->wishes;
    const struct training_target *target = desk->target;
    return (tleg_trainer_options){.struct_size = sizeof(tleg_trainer_options),
                                  .batch = w->batch / desk->ranks.count,
                                  .depth_mode = desk->source.gene ? target->depth_mode : 0,
                                  .depth_least = desk->source.gene ? target->depth_least : 0,
                                  .depth_most = desk->source.gene ? target->depth_most : 0,
                                  .checkpoint = w->recompute,
                                  .dtype = w->dtype,
                                  .alpha = desk->recipe.alpha,
                                  .tau = w->tau,
                                  .smoothing = desk->recipe.smoothing,
                                  .weight_decay = w->weight_decay > 0    ? w->weight_decay
                                                  : w->weight_decay == 0 ? -1
                                                                         : 0,
                                  .clip = w->clip,
                                  .drop_path = w->drop_path >= 0 ? w->drop_path : target->drop_path,
                                  .ema = w->ema,
                                  .seed = w->seed,
                                  .teacher = w->teacher ? training_ask_teacher : NULL,
                                  .teacher_host = &desk->teacher,
                                  .all_reduce = desk->ranks.count > 1 ? ranks_sum : NULL,
                                  .all_reduce_host = &desk->ranks,
                                  .ranks = desk->ranks.count};
}

static int make_trainer(struct desk *desk) {
    const tleg_trainer_options options = options_of(desk);
    const struct source *source = &desk->source;
    if (tleg_trainer_get_memory(desk->context, source->gene, source->model, &options, &desk->memory) != TLEG_OK ||
        tleg_trainer_create(desk->context, source->gene, source->model, &options, &desk->trainer) != TLEG_OK)
        return tool_fail_context(desk->call, desk->context);
    return EXIT_DONE;
}

/* Of a learngene: those asked for, else the ends and the middle of what is learned. A model has one depth. */
static void settle_depths(struct desk *desk) {
    int32_t least = desk->target->depth_least, most = desk->target->depth_most;
    if (desk->source.model) {
        desk->depths[desk->depth_count++] = desk->source.config.depth;
    } else if (desk->wishes->val_depths) {
        training_list_depths(desk->wishes->val_depths, desk->depths, &desk->depth_count);
    } else {
        int32_t all[] = {least, (least + most) / 2, most};
        for (int i = 0; i < 3; i++)
            if (i == 0 || all[i] > desk->depths[desk->depth_count - 1])
                desk->depths[desk->depth_count++] = all[i];
    }
}

static int settle(struct desk *desk) {
    const struct training_wishes *w = desk->wishes;
    int64_t step = (int64_t)w->batch * w->accumulate;
    training_recipe(w, &desk->source.config, &desk->recipe);
    settle_depths(desk);
    desk->steps_an_epoch = (int64_t)desk->learned.count / step;
    desk->total = desk->steps_an_epoch * w->epochs;
    if (w->limit_steps && w->limit_steps < desk->total)
        desk->total = w->limit_steps;
    desk->peak = w->lr_absolute ? w->lr : w->lr * (double)step / 512;
    desk->saved = -1;
    if (desk->recipe.alpha < 1 || w->teacher || w->teacher_logits)
        return EXIT_DONE;
    return tool_misuse(desk->call, "--alpha 1 leaves the labels out, and there is no teacher");
}

static int name_checkpoint(struct desk *desk) {
    size_t length = strlen(desk->wishes->out) + sizeof ".checkpoint";
    desk->checkpoint = desk->wishes->checkpoint;
    if (desk->checkpoint)
        return EXIT_DONE;
    desk->own_checkpoint = malloc(length);
    if (!desk->own_checkpoint)
        return tool_fail_memory(desk->call);
    snprintf(desk->own_checkpoint, length, "%s.checkpoint", desk->wishes->out);
    desk->checkpoint = desk->own_checkpoint;
    return EXIT_DONE;
}

static int run(struct desk *desk, training_begin *begin, const void *verb) {
    int code = name_checkpoint(desk);
    if (code == EXIT_DONE)
        code = training_open_data(desk);
    if (code == EXIT_DONE)
        code = begin(desk->call, desk->context, &desk->set, &desk->source, verb);
    if (code == EXIT_DONE)
        code = training_split_data(desk);
    if (code == EXIT_DONE)
        code = settle(desk);
    if (code == EXIT_DONE)
        code = training_read_logits(desk);
    if (code == EXIT_DONE)
        code = training_open_teacher(desk);
    if (code == EXIT_DONE)
        code = make_trainer(desk);
    if (code == EXIT_DONE)
        code = training_find_checkpoint(desk);
    if (code == EXIT_DONE)
        code = training_say_start(desk);
    if (code != EXIT_DONE)
        return code;
    interrupt_watch();
    return learn(desk);
}

static void clear(struct desk *desk) {
    if (desk->log)
        fclose(desk->log);
    tleg_trainer_free(desk->trainer);
    training_close_teacher(&desk->teacher);
    source_close(&desk->source);
    part_free(&desk->learned);
    part_free(&desk->judged);
    dataset_close(&desk->set);
    dataset_close(&desk->other);
    free(desk->logits);
    free(desk->own_checkpoint);
    tleg_context_free(desk->context);
}

int training_run(const struct call *call, const struct training_wishes *wishes, const struct training_target *target,
                 training_begin *begin, const void *verb) {
    struct desk *desk = calloc(1, sizeof *desk);
    if (!desk)
        return tool_fail_memory(call);
    desk->call = call;
    desk->wishes = wishes;
    desk->target = target;
    int code = ranks_start(call, &desk->ranks);
    desk->context = code == EXIT_DONE ? tool_context(call) : NULL;
    code = desk->context ? run(desk, begin, verb) : EXIT_FAILED;
    struct ranks ranks = desk->ranks;
    clear(desk);
    free(desk);
    ranks_end(&ranks, code != EXIT_DONE && code != EXIT_INTERRUPTED, code);
    return code;
}
