/* The depth for a budget: the deepest that was learned, or the best by scores. */
#include "config/learned.h"
#include "learngene/cost.h"

#include <math.h>
#include <string.h>

/* A budget, and what depths cost: asked of one depth after the other. */
struct question {
    const tleg_expander *expander;
    tleg_budget budget;
    tleg_cost cost; /* of the depth asked last */
    bool learned;   /* depths that were learned alone */
};

static tleg_status check_budget(tleg_context *context, const tleg_budget *budget) {
    if (!(budget->milliseconds >= 0 && isfinite(budget->milliseconds)))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_budget.milliseconds: expected a time above 0, or 0 for no limit; found a number below 0 or not "
                         "finite");
    if (!(budget->margin >= 0 && budget->margin <= 1e6))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_budget.margin: expected a share from 0 to 1000000, found another");
    if (budget->holding < TLEG_HOLDING_EXPANDED || budget->holding > TLEG_HOLDING_STORED)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_budget.holding: expected one of TLEG_HOLDING_*, found %d",
                         (int)budget->holding);
    if (budget->any_depth < 0 || budget->any_depth > 1)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_budget.any_depth: expected 0 or 1, found %d",
                         (int)budget->any_depth);
    return TLEG_OK;
}

static enum tleg_form form_of(const tleg_budget *budget) {
    return budget->holding == TLEG_HOLDING_ELASTIC ? TLEG_FORM_ELASTIC : TLEG_FORM_EXPANDED;
}

static bool same_where_given(uint64_t given, uint64_t own) {
    return given == 0 || given == own;
}

/* The milliseconds that the host has measured; bytes are counted anew, and tell a cost of something else. */
static tleg_status take_cost(tleg_context *context, const tleg_budget *budget, tleg_cost *cost) {
    tleg_cost host = {0};
    tleg_status status = tleg_options_read(context, "tleg_budget.cost", budget->cost, &host, sizeof host, TLEG_LEAST_COST);
    if (status != TLEG_OK)
        return status;
    const bool elastic = form_of(budget) == TLEG_FORM_ELASTIC;
    const double fixed = elastic ? host.ms_elastic_fixed : host.ms_fixed,
                 per_layer = elastic ? host.ms_elastic_per_layer : host.ms_per_layer;
    const bool finite = fixed >= 0 && per_layer >= 0 && fixed + per_layer <= 1e30;
    if (!finite || !(fixed + per_layer > 0))
        return tleg_fail(context, TLEG_ERROR_ARGUMENT,
                         "tleg_budget.cost: expected milliseconds that were measured, %s, found %s",
                         elastic ? "ms_elastic_fixed and ms_elastic_per_layer" : "ms_fixed and ms_per_layer",
                         finite ? "0" : "numbers below 0 or not finite");
    if (host.batch != 0 && host.batch != cost->batch)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_budget.cost: measured with batches of %d, the budget is for %d",
                         (int)host.batch, (int)cost->batch);
    if (!same_where_given(host.bytes_fixed, cost->bytes_fixed) ||
        !same_where_given(host.bytes_per_layer, cost->bytes_per_layer) ||
        !same_where_given(host.bytes_elastic, cost->bytes_elastic))
        return tleg_fail(
            context, TLEG_ERROR_ARGUMENT,
            "tleg_budget.cost: expected what was measured of this expander on as many threads, found a cost of "
            "%llu, %llu and %llu bytes (fixed, per layer, elastic) where this is %llu, %llu and %llu: measure anew",
            (unsigned long long)host.bytes_fixed, (unsigned long long)host.bytes_per_layer,
            (unsigned long long)host.bytes_elastic, (unsigned long long)cost->bytes_fixed,
            (unsigned long long)cost->bytes_per_layer, (unsigned long long)cost->bytes_elastic);
    cost->ms_fixed = host.ms_fixed;
    cost->ms_per_layer = host.ms_per_layer;
    cost->ms_elastic_fixed = host.ms_elastic_fixed;
    cost->ms_elastic_per_layer = host.ms_elastic_per_layer;
    return TLEG_OK;
}

static tleg_status ask(tleg_context *context, const tleg_expander *expander, const tleg_budget *budget,
                       struct question *question) {
    tleg_budget *own = &question->budget;
    *question = (struct question){.expander = expander};
    tleg_status status = tleg_options_read(context, "tleg_budget", budget, own, sizeof *own, TLEG_LEAST_BUDGET);
    if (status == TLEG_OK)
        status = check_budget(context, own);
    const bool timed = own->milliseconds > 0;
    bool wanted[TLEG_FORMS] = {false, false};
    wanted[form_of(own)] = timed && !own->cost;
    if (status == TLEG_OK)
        status = tleg_cost_make(context, expander, own->batch, wanted, &question->cost);
    if (status == TLEG_OK && timed && own->cost)
        status = take_cost(context, own, &question->cost);
    question->learned = expander->config.c.depth_count > 0 && !own->any_depth;
    return status;
}

static uint64_t held(const struct question *question) {
    switch (question->budget.holding) {
    case TLEG_HOLDING_ELASTIC:
        return question->cost.bytes_elastic;
    case TLEG_HOLDING_STORED:
        return question->cost.bytes;
    default:
        return question->cost.bytes_peak;
    }
}

static double expected_ms(const struct question *question) {
    const bool elastic = form_of(&question->budget) == TLEG_FORM_ELASTIC;
    return (elastic ? question->cost.ms_elastic : question->cost.ms) * (1 + question->budget.margin);
}

static bool fits(struct question *question, int32_t depth) {
    const tleg_budget *budget = &question->budget;
    tleg_cost_set_depth(question->expander, depth, &question->cost);
    return (budget->bytes == 0 || held(question) <= budget->bytes) &&
           (budget->milliseconds == 0 || expected_ms(question) <= budget->milliseconds);
}

/* `which` is what this depth is the least of. */
static tleg_status fail_none(tleg_context *context, struct question *question, int32_t depth, const char *which) {
    tleg_cost_set_depth(question->expander, depth, &question->cost);
    const double microseconds = fmin(expected_ms(question) * 1e3, 1e18); /* a host's own may be more than an integer holds */
    const unsigned long long bytes = held(question);
    if (!(question->budget.milliseconds > 0)) /* nothing was measured */
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "no depth fits: %d layers, the least%s, take %llu bytes", (int)depth,
                         which, bytes);
    return tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                     "no depth fits: %d layers, the least%s, take %llu bytes and %lld microseconds", (int)depth, which, bytes,
                     (long long)microseconds);
}

/* Whether the depth may be an answer at all. */
static bool is_candidate(const struct question *question, int32_t depth) {
    const tleg_config *config = &question->expander->config.c;
    return depth >= question->expander->least_depth &&
           (!question->learned || tleg_depth_find(config->depths, config->depth_count, depth) >= 0);
}

/* ---- the deepest ---- */

TLEG_API tleg_status TLEG_CALL tleg_expander_get_deepest(tleg_context *context, const tleg_expander *expander,
                                                         const tleg_budget *budget, int32_t *depth) {
    if (depth)
        *depth = 0;
    if (!context || !expander || !budget || !depth)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_get_deepest: a pointer is NULL");
    struct question question;
    const tleg_status status = ask(context, expander, budget, &question);
    if (status != TLEG_OK)
        return status;
    if (question.budget.bytes == 0 && question.budget.milliseconds == 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "budget: give bytes, milliseconds above 0, or both");
    const tleg_config *config = &expander->config.c;
    const int32_t most = question.learned ? config->depths[config->depth_count - 1] : TLEG_MAX_DEPTH;
    int32_t least = 0;
    for (int32_t d = most; d >= expander->least_depth; d--) {
        if (!is_candidate(&question, d))
            continue;
        least = d;
        if (fits(&question, d)) {
            *depth = d;
            return TLEG_OK;
        }
    }
    if (question.learned && least == 0)
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED,
                         "no depth that was learned can be given: the deepest is %d, and the schedule has %d segments",
                         (int)most, (int)expander->least_depth);
    return fail_none(context, &question, least ? least : expander->least_depth, question.learned ? " that was learned" : "");
}

/* ---- the best ---- */

/* Right answers among the images, for which a standard error is known, rather than a share of what is told of a target. */
static bool are_right_answers(const tleg_config *config, const tleg_scores *scores) {
    return config->kind != TLEG_KIND_DIT && strcmp(scores->on, TLEG_SCORES_ON_FEATURES) != 0;
}

/* The scored depths that may be answers and fit, shallowest first. */
static void choose(struct question *question, const tleg_scores *scores, tleg_best *best) {
    for (int32_t k = 0; k < scores->count; k++) {
        if (!is_candidate(question, scores->depths[k]) || !fits(question, scores->depths[k]))
            continue;
        best->fitting++;
        if (best->depth == 0 || scores->scores[k] > best->score) {
            best->depth = scores->depths[k];
            best->score = scores->scores[k];
        }
    }
    if (scores->images > 0 && are_right_answers(&question->expander->config.c, scores))
        best->standard_error = sqrt(best->score * (1 - best->score) / (double)scores->images);
    for (int32_t k = 0; k < scores->count && best->fitting > 0 && best->cheapest == 0; k++) {
        const int32_t depth = scores->depths[k];
        if (!is_candidate(question, depth) || scores->scores[k] < best->score - best->standard_error || !fits(question, depth))
            continue;
        best->cheapest = depth;
        best->cheapest_score = scores->scores[k];
    }
}

static tleg_status get_best(tleg_context *context, const tleg_expander *expander, const tleg_budget *budget, tleg_best *best) {
    struct question question;
    tleg_scores scores;
    tleg_status status = ask(context, expander, budget, &question);
    if (status == TLEG_OK)
        status = tleg_scores_read(context, "tleg_budget.scores",
                                  question.budget.scores ? question.budget.scores : expander->config.c.scores, &scores);
    if (status != TLEG_OK)
        return status;
    question.learned = question.learned && !question.budget.scores; /* a host's own are of the depths that it means */
    int32_t least = 0;
    while (least < scores.count && !is_candidate(&question, scores.depths[least]))
        least++;
    if (least == scores.count)
        return tleg_fail(context, TLEG_ERROR_STATE,
                         "no scores to choose a depth by: expected some in the budget or in the file, found none of a depth "
                         "that this learngene %s",
                         question.learned ? "was learned at" : "gives");
    choose(&question, &scores, best);
    return best->fitting > 0 ? TLEG_OK
                             : fail_none(context, &question, scores.depths[least],
                                         question.learned ? " that was learned and has a score" : " with a score");
}

TLEG_API tleg_status TLEG_CALL tleg_expander_get_best(tleg_context *context, const tleg_expander *expander,
                                                      const tleg_budget *budget, tleg_best *best) {
    tleg_best own = {.struct_size = sizeof own};
    tleg_status status = tleg_info_write(context, "tleg_best", &own, sizeof own, best, TLEG_LEAST_BEST); /* zeros */
    if (!context || !expander || !budget || !best)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "tleg_expander_get_best: a pointer is NULL");
    if (status == TLEG_OK)
        status = get_best(context, expander, budget, &own);
    return status == TLEG_OK ? tleg_info_write(context, "tleg_best", &own, sizeof own, best, TLEG_LEAST_BEST) : status;
}
