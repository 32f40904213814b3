/* What has been learned so far: validated at each depth, and written. */
#include "base/interrupt.h"
#include "private.h"

#include <stdlib.h>

enum { LARGEST_BATCH = 64 };

/* What is learned, as a source that sessions can be made over: the moving average where one is kept. */
static int take_learned(struct desk *desk, struct source *learned) {
    int32_t average = desk->wishes->ema > 0;
    *learned = (struct source){.path = desk->wishes->out, .config = {.struct_size = sizeof learned->config}};
    tleg_status status = desk->source.gene ? tleg_trainer_copy_learngene(desk->context, desk->trainer, average, &learned->gene)
                                           : tleg_trainer_copy_model(desk->context, desk->trainer, average, &learned->model);
    if (status == TLEG_OK)
        status = learned->gene ? tleg_learngene_get_info(learned->gene, &learned->config)
                               : tleg_model_get_info(learned->model, &learned->config);
    return status == TLEG_OK ? EXIT_DONE : tool_fail_context(desk->call, desk->context);
}

int training_write(struct desk *desk) {
    struct source learned;
    if (!training_first(desk))
        return EXIT_DONE;
    int code = take_learned(desk, &learned);
    progress_clear(&desk->progress);
    if (code == EXIT_DONE && (learned.gene ? tleg_learngene_save(desk->context, learned.gene, desk->wishes->out)
                                           : tleg_model_save(desk->context, learned.model, desk->wishes->out)) != TLEG_OK)
        code = tool_fail_context(desk->call, desk->context);
    source_close(&learned);
    return code;
}

/* The place of the largest logit, the first of equals. */
static int64_t best_of(const float *logits, int32_t classes) {
    int64_t best = 0;
    for (int32_t i = 1; i < classes; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

static int score_unit(struct desk *desk, const struct source *learned, tleg_session *session, const struct feed_unit *unit,
                      float *logits) {
    int32_t classes = learned->config.classes;
    for (int32_t d = 0; d < desk->depth_count; d++) {
        if ((learned->gene && tleg_session_set_depth(session, desk->depths[d]) != TLEG_OK) ||
            tleg_session_run(session, unit->images, (int64_t)unit->count, logits, NULL) != TLEG_OK)
            return tool_fail(desk->call, "validation: %s", tleg_session_get_error(session));
        for (size_t i = 0; i < unit->count; i++)
            desk->scores[d].correct += best_of(logits + i * (size_t)classes, classes) == unit->labels[i];
        desk->scores[d].images += (int64_t)unit->count;
    }
    return EXIT_DONE;
}

static int score_all(struct desk *desk, const struct source *learned, tleg_session *session, struct feed *feed, float *logits) {
    const struct feed_unit *unit;
    int code = EXIT_DONE;
    while (code == EXIT_DONE && (unit = feed_next(feed)) != NULL) {
        if (interrupt_signal())
            return EXIT_INTERRUPTED;
        code = unit->error ? tool_fail(desk->call, "%s", unit->error) : score_unit(desk, learned, session, unit, logits);
    }
    return code;
}

static struct feed *start_feed(struct desk *desk) {
    size_t count = desk->judged.count;
    const struct feed_plan plan = {.part = &desk->judged,
                                   .config = &desk->source.config,
                                   .repeats = 1,
                                   .batch = LARGEST_BATCH,
                                   .ranks = 1,
                                   .end = (int64_t)((count + LARGEST_BATCH - 1) / LARGEST_BATCH),
                                   .loaders = desk->wishes->loaders};
    return feed_start(desk->call, &plan);
}

static int judge(struct desk *desk, struct source *learned) {
    const struct form form = {.depth = learned->gene ? desk->depths[0] : 0};
    tleg_session *session = NULL;
    struct feed *feed = NULL;
    float *logits = malloc(LARGEST_BATCH * (size_t)learned->config.classes * sizeof *logits);
    int code = logits ? source_take_form(desk->call, desk->context, &form, learned) : tool_fail_memory(desk->call);
    if (code == EXIT_DONE)
        code = source_session(desk->call, desk->context, learned, LARGEST_BATCH, &session);
    if (code == EXIT_DONE && (feed = start_feed(desk)) == NULL)
        code = EXIT_FAILED;
    if (code == EXIT_DONE)
        code = score_all(desk, learned, session, feed, logits);
    feed_stop(feed);
    tleg_session_free(session);
    free(logits);
    return code;
}

int training_judge(struct desk *desk) {
    struct source learned;
    if (!desk->judged.count || !training_first(desk))
        return EXIT_DONE;
    for (int32_t d = 0; d < desk->depth_count; d++)
        desk->scores[d] = (struct score){.depth = desk->depths[d]};
    int code = take_learned(desk, &learned);
    if (code == EXIT_DONE)
        code = judge(desk, &learned);
    source_close(&learned);
    return code;
}
