/* How long depths take, on this machine. Other work only ever lengthens a run, and a short one often escapes it: so many short
 * runs are taken, at two depths in turn, and the least of each counts. Where one thread computes, its own clock tells how long
 * it ran, so that a run which others interrupted counts as well; no run may escape a machine that is busy. */
#include "core/os.h"
#include "learngene/cost.h"

#include <math.h>

/* Rounds of so many milliseconds, with one turn at least: 200 ms in all where a run is short. */
enum { ROUNDS = 10, TURNS_MOST = 200, TURNS = ROUNDS * TURNS_MOST, LAYERS_BETWEEN = 6 };
static const double round_ms = 20;

static double now_ms(void) {
    return (double)tleg_os_nanoseconds() * 1e-6;
}

static double ran_ms(bool alone) {
    return alone ? (double)tleg_os_thread_nanoseconds() * 1e-6 : now_ms();
}

static void sort(double *t, int32_t count) {
    for (int32_t i = 1; i < count; i++) {
        const double value = t[i];
        int32_t j = i;
        for (; j > 0 && t[j - 1] > value; j--)
            t[j] = t[j - 1];
        t[j] = value;
    }
}

void tleg_runs_begin(struct tleg_runs *runs) {
    runs->least[0] = runs->least[1] = HUGE_VAL;
}

void tleg_runs_add(struct tleg_runs *runs, int which, int32_t turn, double ms, double of_processor) {
    runs->ms[which][turn] = ms;
    runs->least[which] = fmin(runs->least[which], of_processor);
}

void tleg_timing_fit(struct tleg_runs *runs, int32_t turns, struct tleg_timing *timing) {
    const int32_t *depth = runs->depth;
    const double *least = runs->least;
    *timing = (struct tleg_timing){.runs = turns};
    for (int i = 0; i < 2; i++) {
        sort(runs->ms[i], turns);
        if (least[i] > 0)
            timing->spread = fmax(timing->spread, runs->ms[i][turns / 2] / least[i] - 1);
    }
    if (depth[1] > depth[0])
        timing->per_layer = fmax((least[1] - least[0]) / (depth[1] - depth[0]), 0);
    timing->fixed = fmax(least[0] - depth[0] * timing->per_layer, 0);
}

/* What the runs work with; all arrays lie in one memory. */
struct measuring {
    tleg_session *session[TLEG_FORMS][2]; /* of each depth; NULL where a form is not wanted */
    enum tleg_form form;                  /* that runs */
    struct tleg_runs runs;                /* of at most TURNS turns */
    int64_t batch;
    size_t floats; /* of all images */
    bool alone;    /* one thread computes */
    float *images;
    float *out; /* logits, or what a generator tells; NULL: features alone */
    size_t bytes;
};

static tleg_status run_once(struct measuring *m, int which, int32_t turn) {
    const double start = now_ms(), ran = ran_ms(m->alone);
    const struct tleg_run run = {.images = m->images, .out = m->out, .batch = m->batch};
    const tleg_status status = tleg_session_go(m->session[m->form][which], &run);
    const double of_processor = ran_ms(m->alone) - ran;
    tleg_runs_add(&m->runs, which, turn, now_ms() - start, of_processor);
    return status;
}

/* A turn: both depths. A host is asked after each run of a round's first turn, so that it is asked soon where runs are long. */
static tleg_status take_turn(tleg_context *context, struct measuring *m, int32_t turn, bool asks) {
    tleg_status status = TLEG_OK;
    for (int i = 0; i < 2 && status == TLEG_OK; i++) {
        status = run_once(m, i, turn);
        if (status == TLEG_OK && asks)
            status = tleg_work_step(context, 1);
    }
    return status;
}

static tleg_status take_turns(tleg_context *context, struct measuring *m, int32_t *turns) {
    tleg_status status = take_turn(context, m, 0, true); /* warms up: the first round overwrites it */
    *turns = 0;
    for (int round = 0; round < ROUNDS && status == TLEG_OK; round++) {
        const double start = now_ms();
        const int32_t first = *turns;
        do {
            status = take_turn(context, m, *turns, *turns == first);
            ++*turns;
        } while (status == TLEG_OK && now_ms() - start < round_ms && *turns < first + TURNS_MOST);
    }
    return status;
}

static tleg_status make_room(tleg_context *context, const tleg_expander *e, struct measuring *m) {
    const size_t image = (size_t)tleg_config_image(&e->config.c), outputs = (size_t)tleg_config_outputs(&e->config.c);
    size_t end = 0;
    if (!tleg_size_mul(image, (size_t)m->batch, &m->floats))
        return tleg_fail_memory(context, "images to measure with", SIZE_MAX);
    const size_t ms = tleg_place(&end, 2 * TURNS, sizeof(double)), images = tleg_place(&end, m->floats, sizeof(float)),
                 out = tleg_place_rows(&end, (size_t)m->batch, outputs);
    char *memory = end == SIZE_MAX ? NULL : tleg_alloc_zero(&context->allocator, end);
    if (!memory)
        return tleg_fail_memory(context, "images to measure with", end);
    m->runs.ms[0] = (double *)(void *)(memory + ms);
    m->runs.ms[1] = m->runs.ms[0] + TURNS;
    m->images = (float *)(void *)(memory + images);
    m->out = outputs ? (float *)(void *)(memory + out) : NULL;
    m->bytes = end;
    return TLEG_OK;
}

/* A model of a few layers, without a word to the host, who is told of one work alone. */
static tleg_status expand_quietly(tleg_context *context, const tleg_expander *e, int32_t depth, tleg_model **model) {
    const tleg_progress_fn progress = context->progress;
    context->progress = NULL;
    const tleg_status status = tleg_expander_expand(context, e, depth, model);
    context->progress = progress;
    return status;
}

/* Sessions of both depths. A materialised model is expanded once: the shallower session runs its first layers. */
static tleg_status open_sessions(tleg_context *context, const tleg_expander *e, enum tleg_form form, struct measuring *m) {
    const tleg_session_options options = {.struct_size = sizeof options, .batch = (int32_t)m->batch};
    tleg_session **session = m->session[form];
    tleg_model *model = NULL;
    tleg_status status = form == TLEG_FORM_EXPANDED ? expand_quietly(context, e, m->runs.depth[1], &model) : TLEG_OK;
    for (int i = 0; i < 2 && status == TLEG_OK; i++)
        status = model ? tleg_session_over_first(context, model, m->runs.depth[i], &options, &session[i])
                       : tleg_session_over_expander(context, e, m->runs.depth[i], &options, &session[i]);
    tleg_model_free(model);
    return status;
}

static tleg_status open_all(tleg_context *context, const tleg_expander *e, const bool wanted[TLEG_FORMS], struct measuring *m) {
    tleg_status status = TLEG_OK;
    for (int form = 0; form < TLEG_FORMS && status == TLEG_OK; form++)
        if (wanted[form])
            status = open_sessions(context, e, (enum tleg_form)form, m);
    return status;
}

static void close_all(struct measuring *m) {
    for (int form = 0; form < TLEG_FORMS; form++)
        for (int i = 0; i < 2; i++)
            tleg_session_free(m->session[form][i]);
}

static tleg_status measure_form(tleg_context *context, struct measuring *m, struct tleg_timing *timing) {
    int32_t turns = 0;
    tleg_runs_begin(&m->runs);
    const tleg_status status = take_turns(context, m, &turns);
    if (status == TLEG_OK)
        tleg_timing_fit(&m->runs, turns, timing);
    for (int i = 0; i < 2; i++) /* a host that stops the work leaves no text in a session */
        if (status != TLEG_OK && *tleg_session_get_error(m->session[m->form][i]))
            return tleg_fail(context, status, "%s", tleg_session_get_error(m->session[m->form][i]));
    return status;
}

static tleg_status measure_all(tleg_context *context, const bool wanted[TLEG_FORMS], struct measuring *m,
                               struct tleg_timing timing[TLEG_FORMS]) {
    const uint64_t forms = (uint64_t)wanted[TLEG_FORM_EXPANDED] + wanted[TLEG_FORM_ELASTIC];
    tleg_status status = tleg_work_begin(context, "measure", forms * 2 * (ROUNDS + 1));
    for (int form = 0; form < TLEG_FORMS && status == TLEG_OK; form++) {
        m->form = (enum tleg_form)form;
        if (wanted[form])
            status = measure_form(context, m, &timing[form]);
    }
    return tleg_work_end(context, status);
}

tleg_status tleg_expander_measure(tleg_context *context, const tleg_expander *e, int32_t batch, const bool wanted[TLEG_FORMS],
                                  struct tleg_timing timing[TLEG_FORMS]) {
    const int32_t deeper = e->least_depth + LAYERS_BETWEEN;
    struct measuring m = {.runs.depth = {e->least_depth, deeper < TLEG_MAX_DEPTH ? deeper : TLEG_MAX_DEPTH},
                          .batch = batch,
                          .alone = tleg_team_lanes(context->team) == 1};
    tleg_status status = make_room(context, e, &m);
    if (status != TLEG_OK)
        return status;
    status = open_all(context, e, wanted, &m);
    if (status == TLEG_OK)
        status = measure_all(context, wanted, &m, timing);
    close_all(&m);
    tleg_release(&context->allocator, m.runs.ms[0], m.bytes);
    return status;
}
