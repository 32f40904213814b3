/* The depth for a budget: the deepest that was learned, the best by scores, and the milliseconds that both go by. */
#include "learngene/cost.h"
#include "support/suite_context.h"
#include <math.h>
#include <pthread.h>
#include <string.h>

static void says(const char *text) {
    if (!strstr(tleg_context_get_error(context), text)) {
        print_error("expected \"%s\" in: %s\n", text, tleg_context_get_error(context));
        fail();
    }
}

/* An expander of a file that says these depths and scores. */
static tleg_expander *expander_with(const char *name, const int32_t *depths, int32_t count, const tleg_scores *scores) {
    const tleg_save_options options = {.struct_size = sizeof options, .depth_count = count, .depths = depths, .scores = scores};
    tleg_learngene *gene = support_gene(context, name);
    tleg_expander *expander = NULL;
    OK(context, tleg_learngene_save(context, gene, support_scratch("gene"), &options));
    OK(context, tleg_expander_open(context, support_scratch("gene"), NULL, NULL, &expander));
    tleg_learngene_free(gene);
    return expander;
}

static tleg_cost cost_of(const tleg_expander *expander, int32_t depth) {
    tleg_cost cost = {.struct_size = sizeof cost};
    OK(context, tleg_expander_get_cost(context, expander, depth, 1, 0, &cost));
    return cost;
}

static int32_t deepest(const tleg_expander *expander, const tleg_budget *budget) {
    int32_t depth = 0;
    OK(context, tleg_expander_get_deepest(context, expander, budget, &depth));
    return depth;
}

/* ---- the deepest ---- */

static void the_deepest_was_learned(void **state) {
    (void)state;
    static const int32_t learned[] = {3, 4, 5, 9};
    tleg_expander *expander = expander_with("mean", learned, 4, NULL);
    tleg_budget budget = {.struct_size = sizeof budget, .bytes = UINT64_C(1) << 40};
    int32_t depth = 7;
    assert_int_equal(deepest(expander, &budget), 9);
    budget.bytes = cost_of(expander, 8).bytes_peak; /* eight would fit, and were not learned */
    assert_int_equal(deepest(expander, &budget), 5);
    budget.any_depth = 1;
    assert_int_equal(deepest(expander, &budget), 8);
    budget.any_depth = 0;
    budget.bytes = cost_of(expander, 2).bytes_peak;
    assert_int_equal(tleg_expander_get_deepest(context, expander, &budget, &depth), TLEG_ERROR_UNSUPPORTED);
    assert_int_equal(depth, 0);
    says("3 layers, the least that was learned");
    budget.any_depth = 1;
    assert_int_equal(deepest(expander, &budget), 2);
    tleg_expander_free(expander);
}

static void where_nothing_is_known_the_deepest_is_any(void **state) {
    (void)state;
    tleg_expander *expander = expander_with("mean", NULL, 0, NULL);
    const tleg_budget budget = {.struct_size = sizeof budget, .bytes = UINT64_C(1) << 40};
    assert_int_equal(deepest(expander, &budget), TLEG_MAX_DEPTH);
    tleg_expander_free(expander);
}

/* A schedule of several segments cannot give what its file claims. */
static void depths_that_the_schedule_cannot_give_are_no_answers(void **state) {
    (void)state;
    static const int32_t learned[] = {1, 9}, scored[] = {1, 9};
    static const double shares[] = {0.9, 0.5};
    const tleg_scores scores = {.struct_size = sizeof scores, .count = 2, .depths = scored, .scores = shares};
    tleg_expander *expander = expander_with("schedule", learned, 2, &scores);
    const tleg_budget budget = {.struct_size = sizeof budget, .bytes = UINT64_C(1) << 40};
    tleg_best best = {.struct_size = sizeof best};
    int32_t depth = 0;
    OK(context, tleg_expander_get_best(context, expander, &budget, &best));
    assert_int_equal(best.depth, 9);
    assert_int_equal(best.fitting, 1);
    tleg_expander_free(expander);
    expander = expander_with("schedule", learned, 1, &scores); /* 1 alone */
    assert_int_equal(tleg_expander_get_deepest(context, expander, &budget, &depth), TLEG_ERROR_UNSUPPORTED);
    says("no depth that was learned can be given: the deepest is 1, and the schedule has ");
    assert_int_equal(tleg_expander_get_best(context, expander, &budget, &best), TLEG_ERROR_STATE);
    tleg_expander_free(expander);
}

/* ---- the best ---- */

static const int32_t scored[] = {2, 4, 6, 8, 12, 16};
static const double shares[] = {0.70, 0.845, 0.85, 0.86, 0.86, 0.80};

static tleg_scores table(int64_t images) {
    return (tleg_scores){
        .struct_size = sizeof(tleg_scores), .count = 6, .images = images, .depths = scored, .scores = shares, .on = "val"};
}

static void best_is(const tleg_expander *expander, const tleg_budget *budget, int32_t depth, int32_t cheapest,
                    int32_t fitting) {
    tleg_best best = {.struct_size = sizeof best};
    OK(context, tleg_expander_get_best(context, expander, budget, &best));
    assert_int_equal(best.depth, depth);
    assert_int_equal(best.cheapest, cheapest);
    assert_int_equal(best.fitting, fitting);
    for (int k = 0; k < 6; k++) {
        assert_true(scored[k] != depth || best.score == shares[k]);
        assert_true(scored[k] != cheapest || best.cheapest_score == shares[k]);
    }
}

/* What the file scored at depths that were not learned is no answer, unless the host says so or has measured itself. */
static void the_best_was_learned(void **state) {
    (void)state;
    static const int32_t learned[] = {4, 6};
    const tleg_scores scores = table(0);
    tleg_expander *expander = expander_with("mean", learned, 2, &scores);
    tleg_budget budget = {.struct_size = sizeof budget};
    tleg_best best = {.struct_size = sizeof best};
    best_is(expander, &budget, 6, 6, 2);
    budget.bytes = cost_of(expander, 2).bytes_peak;
    assert_int_equal(tleg_expander_get_best(context, expander, &budget, &best), TLEG_ERROR_UNSUPPORTED);
    says("4 layers, the least that was learned and has a score, take ");
    assert_null(strstr(tleg_context_get_error(context), "microseconds")); /* nothing was measured */
    budget.any_depth = 1;
    best_is(expander, &budget, 2, 2, 1);
    budget.any_depth = 0;
    budget.scores = &scores;
    best_is(expander, &budget, 2, 2, 1);
    tleg_expander_free(expander);
}

/* sqrt(0.86 * 0.14 / n): 0.0049 of 5000 images, 0.0110 of 1000, 0.0155 of 500. */
static void the_best_fits_and_the_cheapest_is_within_a_standard_error(void **state) {
    (void)state;
    tleg_scores scores = table(1000);
    tleg_expander *expander = expander_with("mean", NULL, 0, &scores);
    tleg_budget budget = {.struct_size = sizeof budget};
    best_is(expander, &budget, 8, 6, 6); /* the file's; of the two of 0.86 the shallower */
    scores = table(5000);
    budget.scores = &scores; /* the host's come first */
    best_is(expander, &budget, 8, 8, 6);
    scores = table(500);
    best_is(expander, &budget, 8, 4, 6);
    scores = table(0); /* how many images is unknown: no error is known */
    best_is(expander, &budget, 8, 8, 6);
    scores = table(1000);
    budget.bytes = cost_of(expander, 6).bytes_peak;
    best_is(expander, &budget, 6, 4, 3);
    budget.bytes--;
    best_is(expander, &budget, 4, 4, 2);
    budget.holding = TLEG_HOLDING_STORED; /* without the expander more fits */
    budget.bytes = cost_of(expander, 6).bytes;
    best_is(expander, &budget, 6, 4, 3);
    tleg_best best = {.struct_size = sizeof best};
    OK(context, tleg_expander_get_best(context, expander, &budget, &best));
    assert_true(fabs(best.standard_error - 0.011292) < 1e-6); /* of 0.85 in 1000 */
    tleg_expander_free(expander);
}

/* What is told of noise or of features is no share of right answers: the best alone is the answer. */
static void what_is_told_has_no_standard_error(void **state) {
    (void)state;
    tleg_scores scores = table(500);
    tleg_expander *answers = expander_with("mean", NULL, 0, &scores), *draws = expander_with("draw-pixels", NULL, 0, &scores);
    tleg_budget budget = {.struct_size = sizeof budget};
    tleg_best best = {.struct_size = sizeof best};
    best_is(answers, &budget, 8, 4, 6);
    best_is(draws, &budget, 8, 8, 6);
    OK(context, tleg_expander_get_best(context, draws, &budget, &best));
    assert_true(best.standard_error == 0);
    scores.on = TLEG_SCORES_ON_FEATURES;
    budget.scores = &scores;
    best_is(answers, &budget, 8, 8, 6);
    OK(context, tleg_expander_get_best(context, answers, &budget, &best));
    assert_true(best.standard_error == 0);
    tleg_expander_free(answers);
    tleg_expander_free(draws);
}

/* An elastic session takes the same bytes at every depth: all fit or none. */
static void elastic_budgets_count_the_expander(void **state) {
    (void)state;
    const tleg_scores scores = table(1000);
    tleg_expander *expander = expander_with("mean", NULL, 0, &scores);
    tleg_budget budget = {.struct_size = sizeof budget, .holding = TLEG_HOLDING_ELASTIC};
    tleg_best best = {.struct_size = sizeof best};
    budget.bytes = cost_of(expander, 0).bytes_elastic;
    assert_true(budget.bytes > tleg_expander_get_memory(expander));
    best_is(expander, &budget, 8, 6, 6);
    budget.bytes--;
    assert_int_equal(tleg_expander_get_best(context, expander, &budget, &best), TLEG_ERROR_UNSUPPORTED);
    assert_int_equal(best.depth + best.cheapest + best.fitting, 0);
    says("2 layers, the least with a score");
    tleg_expander_free(expander);
}

/* Milliseconds are those of a whole answer: what many classes cost is in the part that does not grow with depth. */
static void the_heads_time_is_counted(void **state) {
    (void)state;
    double ms[2];
    for (int i = 0; i < 2; i++) {
        const tleg_config config = {
            .struct_size = sizeof config, .image_size = 8, .patch_size = 4, .dim = 64, .heads = 2, .classes = i ? 50000 : 10};
        tleg_learngene *gene = NULL;
        tleg_expander *expander = NULL;
        tleg_cost cost = {.struct_size = sizeof cost};
        OK(context, tleg_learngene_create(context, &config, 1, &gene));
        OK(context, tleg_expander_create(context, gene, NULL, &expander));
        OK(context, tleg_expander_get_cost(context, expander, 0, 1, 1, &cost));
        ms[i] = cost.ms_fixed;
        tleg_expander_free(expander);
        tleg_learngene_free(gene);
    }
    assert_true(ms[1] > 3 * ms[0]); /* 3.2 million products beside some 30 thousand */
}

static void without_scores_there_is_no_best(void **state) {
    (void)state;
    static const double bad[] = {0.1, 0.2, 0.3, NAN, 0.5, 0.6};
    tleg_scores scores = {.struct_size = sizeof scores};
    tleg_expander *expander = expander_with("mean", NULL, 0, NULL);
    tleg_budget budget = {.struct_size = sizeof budget};
    tleg_best best = {.struct_size = sizeof best};
    assert_int_equal(tleg_expander_get_best(context, expander, &budget, &best), TLEG_ERROR_STATE);
    budget.scores = &scores; /* empty */
    assert_int_equal(tleg_expander_get_best(context, expander, &budget, &best), TLEG_ERROR_STATE);
    says("no scores");
    scores = table(10);
    scores.scores = bad;
    assert_int_equal(tleg_expander_get_best(context, expander, &budget, &best), TLEG_ERROR_ARGUMENT);
    says("tleg_budget.scores");
    tleg_expander_free(expander);
}

/* ---- milliseconds ---- */

static void a_hosts_own_milliseconds_are_taken(void **state) {
    (void)state;
    tleg_expander *expander = expander_with("mean", NULL, 0, NULL);
    tleg_cost cost = {.struct_size = sizeof cost, .ms_fixed = 1, .ms_per_layer = 0.5, .batch = 4};
    tleg_budget budget = {.struct_size = sizeof budget, .batch = 4, .milliseconds = 7.2, .cost = &cost};
    assert_int_equal(deepest(expander, &budget), 12);
    budget.margin = 0.2; /* 1.2 * (1 + 10 * 0.5) is 7.2 */
    budget.milliseconds = 7.2000001;
    assert_int_equal(deepest(expander, &budget), 10);
    budget.margin = 0;
    cost.ms_per_layer = 0;
    assert_int_equal(deepest(expander, &budget), TLEG_MAX_DEPTH);
    const tleg_cost wrong[] = {{.struct_size = sizeof cost},
                               {.struct_size = sizeof cost, .ms_fixed = -1, .ms_per_layer = 2},
                               {.struct_size = sizeof cost, .ms_fixed = NAN, .ms_per_layer = 1},
                               {.struct_size = sizeof cost, .ms_fixed = 1, .ms_per_layer = INFINITY},
                               {.struct_size = sizeof cost, .ms_fixed = 1, .ms_per_layer = 1, .batch = 1},
                               {.struct_size = 12}};
    static const char *const words[] = {"found 0", "below 0", "not finite", "not finite", "batches of 1", "struct_size is 12"};
    int32_t depth = 0;
    for (int k = 0; k < 6; k++) {
        budget.cost = &wrong[k];
        assert_int_equal(tleg_expander_get_deepest(context, expander, &budget, &depth), TLEG_ERROR_ARGUMENT);
        says(words[k]);
    }
    const tleg_cost eternal = {.struct_size = sizeof cost, .ms_fixed = 1e30};
    budget.cost = &eternal;
    assert_int_equal(tleg_expander_get_deepest(context, expander, &budget, &depth), TLEG_ERROR_UNSUPPORTED);
    says("bytes and 1000000000000000000 microseconds");
    tleg_expander_free(expander);
}

/* A budget's milliseconds are those of what its holding runs. */
static void each_holding_has_its_own_milliseconds(void **state) {
    (void)state;
    tleg_expander *expander = expander_with("mean", NULL, 0, NULL);
    const tleg_cost cost = {
        .struct_size = sizeof cost, .ms_fixed = 1, .ms_per_layer = 0.5, .ms_elastic_fixed = 1, .ms_elastic_per_layer = 1};
    tleg_budget budget = {.struct_size = sizeof budget, .milliseconds = 7.2, .cost = &cost};
    assert_int_equal(deepest(expander, &budget), 12);
    budget.holding = TLEG_HOLDING_STORED;
    assert_int_equal(deepest(expander, &budget), 12);
    budget.holding = TLEG_HOLDING_ELASTIC;
    assert_int_equal(deepest(expander, &budget), 6);
    const tleg_cost expanded = {.struct_size = sizeof cost, .ms_fixed = 1, .ms_per_layer = 0.5};
    int32_t depth = 0;
    budget.cost = &expanded;
    assert_int_equal(tleg_expander_get_deepest(context, expander, &budget, &depth), TLEG_ERROR_ARGUMENT);
    says("ms_elastic_fixed and ms_elastic_per_layer, found 0");
    tleg_expander_free(expander);
}

/* With many tensors an elastic session forms its layers for longer than they multiply; a materialised model has them. */
static void forming_layers_takes_its_time(void **state) {
    (void)state;
    const tleg_config config = {.struct_size = sizeof config,
                                .image_size = 8,
                                .patch_size = 4,
                                .dim = 128,
                                .heads = 2,
                                .classes = 10,
                                .schedule =
                                    "{\"qkv\":[[7,\"cosine\",16]],\"fc1\":[[7,\"cosine\",16]],\"fc2\":[[7,\"cosine\",16]]}"};
    tleg_learngene *gene = NULL;
    tleg_expander *expander = NULL;
    tleg_cost cost = {.struct_size = sizeof cost};
    OK(context, tleg_learngene_create(context, &config, 1, &gene));
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    OK(context, tleg_expander_get_cost(context, expander, 0, 1, 1, &cost));
    assert_true(cost.ms_per_layer > 0 && cost.ms_elastic_per_layer > 1.5 * cost.ms_per_layer);
    tleg_expander_free(expander);
    tleg_learngene_free(gene);
}

/* Another network, element type, image or number of threads takes other bytes. */
static void a_cost_of_something_else_is_refused(void **state) {
    (void)state;
    const tleg_expander_options other[] = {{.struct_size = sizeof other[0], .dtype = TLEG_BF16},
                                           {.struct_size = sizeof other[0], .image_size = 12}};
    const tleg_context_options threads = {.struct_size = sizeof threads, .workers = 3};
    tleg_learngene *gene = support_gene(context, "mean");
    tleg_expander *expander;
    tleg_context *three;
    tleg_cost cost = {.struct_size = sizeof cost};
    tleg_budget budget = {.struct_size = sizeof budget, .milliseconds = 1e9, .cost = &cost};
    int32_t depth = 0;
    OK(context, tleg_expander_create(context, gene, NULL, &expander));
    OK(context, tleg_context_create(&threads, &three));
    OK(context, tleg_expander_get_cost(context, expander, 0, 1, 0, &cost));
    cost.ms_fixed = 1;
    assert_int_equal(deepest(expander, &budget), TLEG_MAX_DEPTH);
    assert_int_equal(tleg_expander_get_deepest(three, expander, &budget, &depth), TLEG_ERROR_ARGUMENT);
    tleg_expander_free(expander);
    for (int k = 0; k < 2; k++) {
        OK(context, tleg_expander_create(context, gene, &other[k], &expander));
        assert_int_equal(tleg_expander_get_deepest(context, expander, &budget, &depth), TLEG_ERROR_ARGUMENT);
        says("tleg_budget.cost: expected what was measured of this expander");
        tleg_expander_free(expander);
    }
    tleg_context_free(three);
    tleg_learngene_free(gene);
}

/* Milliseconds do not depend on what a file says of itself, but bytes do. */
static void a_cost_from_before_the_scores_is_taken_without_its_bytes(void **state) {
    (void)state;
    const tleg_scores scores = table(10);
    tleg_expander *before = expander_with("mean", NULL, 0, NULL), *after = expander_with("mean", NULL, 0, &scores);
    tleg_cost cost = cost_of(before, 0);
    const tleg_budget budget = {.struct_size = sizeof budget, .milliseconds = 7.2, .cost = &cost};
    int32_t depth = 0;
    cost.ms_fixed = 1;
    cost.ms_per_layer = 0.5;
    assert_int_equal(deepest(before, &budget), 12);
    assert_int_equal(tleg_expander_get_deepest(context, after, &budget, &depth), TLEG_ERROR_ARGUMENT);
    says("measure anew");
    cost.bytes_fixed = cost.bytes_elastic = 0;
    assert_int_equal(deepest(after, &budget), 12);
    tleg_expander_free(before);
    tleg_expander_free(after);
}

static void wrong_budgets_are_refused(void **state) {
    (void)state;
    const tleg_budget wrong[] = {{.struct_size = sizeof wrong[0], .bytes = 1, .holding = 3},
                                 {.struct_size = sizeof wrong[0], .bytes = 1, .holding = -1},
                                 {.struct_size = sizeof wrong[0], .bytes = 1, .any_depth = 2},
                                 {.struct_size = sizeof wrong[0], .bytes = 1, .margin = -0.1},
                                 {.struct_size = sizeof wrong[0], .bytes = 1, .margin = NAN},
                                 {.struct_size = sizeof wrong[0], .bytes = 1, .margin = INFINITY},
                                 {.struct_size = sizeof wrong[0], .bytes = 1, .milliseconds = -1},
                                 {.struct_size = sizeof wrong[0], .bytes = 1, .milliseconds = NAN},
                                 {.struct_size = sizeof wrong[0], .bytes = 1, .milliseconds = INFINITY},
                                 {.struct_size = sizeof wrong[0], .bytes = 1, .milliseconds = -INFINITY},
                                 {.struct_size = sizeof wrong[0], .bytes = 1, .batch = -1}};
    static const char *const words[] = {"holding",      "holding",      "any_depth",    "margin",       "margin", "margin",
                                        "milliseconds", "milliseconds", "milliseconds", "milliseconds", "batch"};
    const tleg_scores scores = table(10);
    tleg_expander *expander = expander_with("mean", NULL, 0, &scores);
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        int32_t depth = 0;
        tleg_best best = {.struct_size = sizeof best};
        assert_int_equal(tleg_expander_get_deepest(context, expander, &wrong[k], &depth), TLEG_ERROR_ARGUMENT);
        says(words[k]);
        assert_int_equal(tleg_expander_get_best(context, expander, &wrong[k], &best), TLEG_ERROR_ARGUMENT);
        says(words[k]);
    }
    tleg_expander_free(expander);
}

/* ---- the least of many runs, on a machine that is made up ---- */

/* A processor that another thread wants too: it has us for `slice` milliseconds and the other for as long; what a run takes
 * jitters by up to 3 % besides. */
struct machine {
    double now, slice;
    struct tleg_random random;
};

static double run_on(struct machine *machine, double work) {
    const double start = machine->now, cycle = 2 * machine->slice;
    work *= 1 + 0.03 * tleg_random_uniform(&machine->random);
    while (work > 0) {
        const double at = fmod(machine->now, cycle), ours = machine->slice - at;
        if (machine->slice > 0 && ours <= 0) {
            machine->now += cycle - at;
            continue;
        }
        const double step = machine->slice > 0 && ours < work ? ours : work;
        machine->now += step;
        work -= step;
    }
    return machine->now - start;
}

enum { TIMES = 2000 };
static void measure_on(struct machine *machine, double fixed, double layer, struct tleg_timing *timing) {
    static double first[TIMES], second[TIMES];
    struct tleg_runs runs = {.depth = {1, 7}, .ms = {first, second}};
    int32_t turn = 0;
    tleg_runs_begin(&runs);
    for (const double end = machine->now + 200; machine->now < end && turn < TIMES; turn++)
        for (int i = 0; i < 2; i++) {
            const double ms = run_on(machine, fixed + runs.depth[i] * layer);
            tleg_runs_add(&runs, i, turn, ms, ms);
        }
    tleg_timing_fit(&runs, turn, timing);
}

/* Whatever the other thread does, a budget for twelve layers gives twelve, or at most one more or less. */
static void times_hold_while_another_thread_burns_the_processor(void **state) {
    (void)state;
    static const double slices[] = {0, 1, 4, 10}, layers[] = {0.02, 0.1, 0.6};
    for (int s = 0; s < 4; s++)
        for (int l = 0; l < 3; l++) {
            int32_t least = TLEG_MAX_DEPTH, most = 0;
            const double layer = layers[l], fixed = 2 * layer, budget = fixed + 12.5 * layer;
            if (slices[s] > 0 && fixed + 7 * layer > slices[s])
                continue; /* no run is ever alone */
            for (uint64_t seed = 0; seed < 50; seed++) {
                struct machine machine = {.slice = slices[s]};
                struct tleg_timing timing;
                tleg_random_seed(&machine.random, seed, 0);
                machine.now = 20 * tleg_random_uniform(&machine.random);
                measure_on(&machine, fixed, layer, &timing);
                const int32_t found = (int32_t)((budget - timing.fixed) / timing.per_layer);
                least = found < least ? found : least;
                most = found > most ? found : most;
                assert_true(timing.runs > 1 && timing.spread >= 0);
                assert_true(timing.spread < 0.04 || slices[s] > 0);
            }
            assert_true(least >= 11 && most <= 13 && most - least <= 1);
        }
}

static void odd_times_give_no_nonsense(void **state) {
    (void)state;
    double shallow[3] = {5, 4, 6}, deep[3] = {3, 2, 9}; /* the deeper one was quicker */
    struct tleg_runs runs = {.depth = {1, 7}, .ms = {shallow, deep}, .least = {4, 2}};
    struct tleg_timing timing;
    tleg_timing_fit(&runs, 3, &timing);
    assert_true(timing.per_layer == 0 && timing.fixed == 4);
    assert_true(fabs(timing.spread - 0.5) < 1e-12); /* 3 over 2, which is more than 5 over 4 */
    runs.depth[0] = runs.depth[1] = TLEG_MAX_DEPTH; /* nothing deeper can be run */
    tleg_timing_fit(&runs, 3, &timing);
    assert_true(timing.per_layer == 0 && timing.fixed == 4 && timing.runs == 3);
}

/* Where both forms run, the one that is less sure is told; where one runs, it alone. */
static void a_cost_is_as_sure_as_its_less_sure_form(void **state) {
    (void)state;
    static const struct tleg_timing none = {0}, calm = {1, 2, 0.25, 40}, rough = {3, 4, 0.5, 20};
    static const struct {
        const struct tleg_timing *expanded, *elastic;
        double spread;
        int32_t runs;
    } costs[] = {{&calm, &rough, 0.5, 20}, {&rough, &calm, 0.5, 20}, {&calm, &none, 0.25, 40}, {&none, &rough, 0.5, 20}};
    for (size_t k = 0; k < sizeof costs / sizeof *costs; k++) {
        const struct tleg_timing timing[TLEG_FORMS] = {
            [TLEG_FORM_EXPANDED] = *costs[k].expanded, [TLEG_FORM_ELASTIC] = *costs[k].elastic};
        tleg_cost cost;
        tleg_cost_take_timings(timing, &cost);
        assert_true(cost.ms_fixed == costs[k].expanded->fixed && cost.ms_per_layer == costs[k].expanded->per_layer);
        assert_true(cost.ms_elastic_fixed == costs[k].elastic->fixed);
        assert_true(cost.ms_elastic_per_layer == costs[k].elastic->per_layer);
        assert_true(cost.spread == costs[k].spread);
        assert_int_equal(cost.runs, costs[k].runs);
    }
}

/* ---- and on this one ---- */

static atomic_int burning;
static void *burn(void *nothing) {
    for (uint64_t i = 0; atomic_load_explicit(&burning, memory_order_relaxed); i++)
        atomic_signal_fence(memory_order_seq_cst);
    return nothing;
}

/* Loosely: this machine may be busy with anything. What must hold exactly is tried above. */
static void depths_for_a_time_stay_near_each_other(void **state) {
    (void)state;
    tleg_expander *expander = expander_with("mean", NULL, 0, NULL);
    tleg_cost cost = {.struct_size = sizeof cost};
    pthread_t threads[2];
    OK(context, tleg_expander_get_cost(context, expander, 12, 1, 1, &cost));
    assert_true(cost.ms > 0 && cost.ms_per_layer > 0 && cost.runs >= 10 && cost.spread >= 0);
    assert_true(fabs(cost.ms - (cost.ms_fixed + 12 * cost.ms_per_layer)) <= 1e-9 * cost.ms);
    assert_true(cost.ms_elastic > 0 && cost.ms_elastic_per_layer > 0);
    assert_true(fabs(cost.ms_elastic - (cost.ms_elastic_fixed + 12 * cost.ms_elastic_per_layer)) <= 1e-9 * cost.ms_elastic);
    const tleg_budget budget = {.struct_size = sizeof budget, .milliseconds = cost.ms};
    int32_t least = TLEG_MAX_DEPTH, most = 0;
    atomic_store(&burning, 1);
    for (int k = 0; k < 2; k++)
        assert_int_equal(pthread_create(&threads[k], NULL, burn, NULL), 0);
    for (int k = 0; k < 4; k++) {
        const int32_t depth = deepest(expander, &budget);
        least = depth < least ? depth : least;
        most = depth > most ? depth : most;
    }
    atomic_store(&burning, 0);
    for (int k = 0; k < 2; k++)
        pthread_join(threads[k], NULL);
    if (most > least + 1)
        print_message("depths from %d to %d\n", (int)least, (int)most);
    assert_true(most <= 2 * least);
    tleg_expander_free(expander);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_deepest_was_learned),
        cmocka_unit_test(where_nothing_is_known_the_deepest_is_any),
        cmocka_unit_test(depths_that_the_schedule_cannot_give_are_no_answers),
        cmocka_unit_test(the_best_was_learned),
        cmocka_unit_test(the_best_fits_and_the_cheapest_is_within_a_standard_error),
        cmocka_unit_test(what_is_told_has_no_standard_error),
        cmocka_unit_test(elastic_budgets_count_the_expander),
        cmocka_unit_test(the_heads_time_is_counted),
        cmocka_unit_test(without_scores_there_is_no_best),
        cmocka_unit_test(a_hosts_own_milliseconds_are_taken),
        cmocka_unit_test(each_holding_has_its_own_milliseconds),
        cmocka_unit_test(forming_layers_takes_its_time),
        cmocka_unit_test(a_cost_of_something_else_is_refused),
        cmocka_unit_test(a_cost_from_before_the_scores_is_taken_without_its_bytes),
        cmocka_unit_test(wrong_budgets_are_refused),
        cmocka_unit_test(times_hold_while_another_thread_burns_the_processor),
        cmocka_unit_test(odd_times_give_no_nonsense),
        cmocka_unit_test(a_cost_is_as_sure_as_its_less_sure_form),
        cmocka_unit_test(depths_for_a_time_stay_near_each_other),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
