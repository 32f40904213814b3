/* Every operation's gradients against central differences of its formula in double, at every level; what is written and what is
 * added; gradients that nobody wants; the same bits whoever computes; workspaces to the byte. */
#include "support/reference_backward.h"

static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;
static tleg_context *plain; /* for what does not depend on the level */

static int prepare(void **state) {
    (void)state;
    backend_count = support_backends(backends);
    return tleg_context_create(NULL, &plain) != TLEG_OK;
}

static int clean(void **state) {
    (void)state;
    tleg_context_free(plain);
    return 0;
}

/* ---- the gradients themselves ---- */

static void check_gradient(const struct problem *p, int index, const double *wanted, const char *backend) {
    const struct argument *a = &p->argument[index];
    const float *found = support_data(a->gradient);
    double far = 0, norm = 0;
    for (size_t i = 0; i < a->count; i++) {
        far += ((double)found[i] - wanted[i]) * ((double)found[i] - wanted[i]);
        norm += wanted[i] * wanted[i];
    }
    if (!(sqrt(far) <= 2e-4 * sqrt(norm) + 1e-6)) { /* a norm of one row of one number has no slope */
        fail_msg("%s at %s, dim %d: gradient %d is %.1e off a norm of %.1e", op_names[p->op], backend, (int)p->s.dim, index,
                 sqrt(far), sqrt(norm));
    }
}

static void check_problem(const struct problem *p) {
    double *wanted[MAX_ARGUMENTS] = {NULL}, formula = problem_weighted_sum(p);
    for (int i = 0; i < p->arguments; i++) {
        wanted[i] = p->argument[i].gradient != NULL ? slope_gradient(p, &p->argument[i]) : NULL;
    }
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 2);
        double loss = formula;
        problem_reset(p);
        OK(context, problem_run(context, p, ALL, &loss));
        assert_true(fabs(loss - formula) <= 1e-6 * (1 + fabs(formula)));
        for (int i = 0; i < p->arguments; i++) {
            if (wanted[i] != NULL) {
                check_gradient(p, i, wanted[i], backends[b].name);
            }
        }
        tleg_context_free(context);
    }
    for (int i = 0; i < p->arguments; i++) {
        free(wanted[i]);
    }
}

static void gradients_are_central_differences(void **state) {
    (void)state;
    for (size_t i = 0; i < SMALL; i++) {
        for (enum op op = 0; op < OPS; op++) {
            if (op == POOL && small[i].prefix >= small[i].tokens) {
                continue;
            }
            for (int with_bias = 0; with_bias < 2; with_bias++) {
                struct problem p;
                problem_open(&p, plain, op, &small[i], with_bias);
                check_problem(&p);
                problem_close(&p);
            }
        }
    }
}

/* Where there are too many numbers for that: the slope along a random direction. */
static void check_slope(const struct problem *p, int index, double slope, const double *direction, const char *backend) {
    const float *found = support_data(p->argument[index].gradient);
    double sum = 0, norm = 0;
    for (size_t i = 0; i < p->argument[index].count; i++) {
        sum += (double)found[i] * direction[i];
        norm += (double)found[i] * (double)found[i];
    }
    if (!(fabs(sum - slope) <= 2e-4 * sqrt(norm) + 1e-6)) {
        fail_msg("%s at %s, tokens %d: along gradient %d the slope is %.9g, expected %.9g", op_names[p->op], backend,
                 (int)p->s.tokens, index, sum, slope);
    }
}

static void large_gradients_have_the_slopes_of_their_formulas(void **state) {
    (void)state;
    for (size_t n = 0; n < LARGE * OPS; n++) {
        struct problem p;
        problem_open(&p, plain, n % OPS, &large[n / OPS], true);
        double *direction[MAX_ARGUMENTS] = {NULL}, slope[MAX_ARGUMENTS];
        for (int i = 0; i < p.arguments; i++) {
            const struct argument *a = &p.argument[i];
            float *values = support_values(70 + (uint64_t)i, a->count, 1.7, 0);
            direction[i] = support_doubles(a->count);
            for (size_t k = 0; k < a->count; k++) {
                direction[i][k] = (double)values[k];
            }
            free(values);
            slope[i] = a->gradient != NULL ? slope_by(&p, a->at, a->count, direction[i]) : 0;
        }
        for (int32_t b = 0; b < backend_count; b++) {
            tleg_context *context = support_context(&backends[b], 1);
            double loss;
            problem_reset(&p);
            OK(context, problem_run(context, &p, ALL, &loss));
            for (int i = 0; i < p.arguments; i++) {
                if (p.argument[i].gradient != NULL) {
                    check_slope(&p, i, slope[i], direction[i], backends[b].name);
                }
            }
            tleg_context_free(context);
        }
        for (int i = 0; i < p.arguments; i++) {
            free(direction[i]);
        }
        problem_close(&p);
    }
}

/* ---- forward of the operations that have no suite of their own ---- */

static tleg_status run_forward(tleg_context *context, const struct problem *p, tleg_tensor *y) {
    const struct argument *a = p->argument;
    if (p->op == PATCH) {
        return tleg_patch_embed_forward(context, a[0].value, a[1].value, a[2].value, y);
    }
    return p->op == TOKENS ? tleg_tokens_forward(context, a[0].value, a[1].value, a[2].value, y)
                           : tleg_mean_pool_forward(context, a[0].value, (int32_t)p->s.prefix, y);
}

static void embedding_tokens_and_pooling_are_their_formulas(void **state) {
    (void)state;
    for (size_t n = 0; n < (SMALL + LARGE) * 2; n++) {
        for (enum op op = PATCH; op <= POOL; op++) {
            const struct sizes *s = n / 2 < SMALL ? &small[n / 2] : &large[n / 2 - SMALL];
            if (op == POOL && s->prefix >= s->tokens) {
                continue;
            }
            struct problem p;
            problem_open(&p, plain, op, s, n % 2);
            double *wanted = support_doubles(p.outs);
            problem_forward(&p, wanted);
            tleg_tensor *y = support_wrap(plain, support_values(3, p.outs, 1e9, 0), p.out_rank, p.out_shape[0], p.out_shape[1],
                                          p.out_shape[2], 0);
            for (int32_t b = 0; b < backend_count; b++) {
                tleg_context *context = support_context(&backends[b], 2);
                OK(context, run_forward(context, &p, y));
                double far = reference_distance(support_data(y), wanted, p.outs);
                if (!(far < 3e-6)) {
                    fail_msg("%s at %s: %.1e from the formula", op_names[op], backends[b].name, far);
                }
                tleg_context_free(context);
            }
            tleg_tensor_free(y);
            free(wanted);
            problem_close(&p);
        }
    }
}

/* ---- written, added, not wanted ---- */

static void data_gradients_are_written_and_weight_gradients_added(void **state) {
    (void)state;
    for (enum op op = 0; op < OPS; op++) {
        struct problem p;
        double loss;
        problem_open(&p, plain, op, &small[2], true);
        problem_reset(&p);
        OK(plain, problem_run(plain, &p, ALL, &loss));
        float *first[MAX_ARGUMENTS] = {NULL};
        for (int i = 0; i < p.arguments; i++) {
            first[i] = p.argument[i].gradient != NULL ? gradient_copy(&p.argument[i]) : NULL;
        }
        OK(plain, problem_run(plain, &p, ALL, &loss));
        for (int i = 0; i < p.arguments; i++) {
            const struct argument *a = &p.argument[i];
            for (size_t k = 0; k < a->count && first[i] != NULL; k++) {
                float wanted = i == 0 ? first[i][k] : 2 * first[i][k], found = support_data(a->gradient)[k];
                if (!(fabsf(found - wanted) <= (i == 0 ? 0 : 1e-6F * (1 + fabsf(wanted))))) {
                    fail_msg("%s: gradient %d after two calls", op_names[op], i);
                }
            }
            free(first[i]);
        }
        problem_close(&p);
    }
}

/* Each alone has the bits that it has among all, and where nothing is wanted nothing happens. */
static void a_gradient_that_is_not_wanted_changes_no_other(void **state) {
    (void)state;
    for (enum op op = 0; op < OPS; op++) {
        struct problem p;
        double loss;
        problem_open(&p, plain, op, &small[2], true);
        problem_reset(&p);
        OK(plain, problem_run(plain, &p, ALL, &loss));
        float *all[MAX_ARGUMENTS] = {NULL};
        for (int i = 0; i < p.arguments; i++) {
            all[i] = p.argument[i].gradient != NULL ? gradient_copy(&p.argument[i]) : NULL;
        }
        bool needed = op == GELU || op == ATTENTION || op == POOL;
        assert_int_equal(problem_run(plain, &p, 0, &loss), needed ? TLEG_ERROR_ARGUMENT : TLEG_OK);
        for (int i = 0; i < p.arguments; i++) {
            if (all[i] == NULL) {
                continue;
            }
            problem_reset(&p);
            OK(plain, problem_run(plain, &p, 1u << i, &loss));
            if (memcmp(all[i], support_data(p.argument[i].gradient), p.argument[i].count * sizeof(float)) != 0) {
                fail_msg("%s: gradient %d alone has other bits", op_names[op], i);
            }
            free(all[i]);
        }
        problem_close(&p);
    }
}

/* dx over dy where the contract says so; GELU's over x as well. */
static void a_gradient_may_take_the_place_of_the_one_that_came(void **state) {
    (void)state;
    static const enum op in_place[] = {LAYERNORM, GELU, BLOCK};
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 2);
        for (size_t n = 0; n < 3 * LARGE; n++) {
            struct problem p;
            double loss;
            problem_open(&p, context, in_place[n % 3], &large[n / 3], true);
            OK(context, problem_run(context, &p, ALL, &loss));
            float *wanted = gradient_copy(&p.argument[0]);
            tleg_tensor *g[MAX_ARGUMENTS] = {p.dy};
            OK(context, problem_run_into(context, &p, g, &loss));
            assert_memory_equal(wanted, support_data(p.dy), p.outs * sizeof(float));
            problem_close(&p);
            if (in_place[n % 3] == GELU) {
                problem_open(&p, context, GELU, &large[n / 3], true);
                g[0] = p.argument[0].value;
                OK(context, problem_run_into(context, &p, g, &loss));
                assert_memory_equal(wanted, support_data(g[0]), p.outs * sizeof(float));
                problem_close(&p);
            }
            free(wanted);
        }
        tleg_context_free(context);
    }
}

/* ---- the same bits ---- */

static void bits_do_not_depend_on_the_number_of_threads(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *contexts[] = {support_context(&backends[b], 1), support_context(&backends[b], 2),
                                    support_context(&backends[b], 3)};
        for (size_t n = 0; n < LARGE * OPS; n++) {
            struct problem p;
            float *first[MAX_ARGUMENTS] = {NULL};
            problem_open(&p, plain, n % OPS, &large[n / OPS], true);
            for (int w = 0; w < 3; w++) {
                double loss;
                problem_reset(&p);
                OK(contexts[w], problem_run(contexts[w], &p, ALL, &loss));
                for (int i = 0; i < p.arguments; i++) {
                    const struct argument *a = &p.argument[i];
                    if (a->gradient != NULL && w == 0) {
                        first[i] = gradient_copy(a);
                    } else if (a->gradient != NULL &&
                               memcmp(first[i], support_data(a->gradient), a->count * sizeof(float)) != 0) {
                        fail_msg("%s at %s: gradient %d has other bits with %d threads", op_names[p.op], backends[b].name, i,
                                 w + 1);
                    }
                }
            }
            for (int i = 0; i < p.arguments; i++) {
                free(first[i]);
            }
            problem_close(&p);
        }
        for (int w = 0; w < 3; w++) {
            tleg_context_free(contexts[w]);
        }
    }
}

/* A NaN in one image reaches that image's gradient and the weights', no other image's, and is no error. */
static void a_nan_goes_through(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 2);
        for (enum op op = 0; op < OPS; op++) {
            struct problem p;
            double loss = 0;
            problem_open(&p, context, op, &small[2], true);
            problem_reset(&p);
            OK(context, problem_run(context, &p, ALL, &loss));
            float *before = gradient_copy(&p.argument[0]), *after = support_data(p.argument[0].gradient);
            size_t image = p.argument[0].count / 3; /* three images */
            const tleg_tensor *spoiled = p.dy != NULL ? p.dy : p.argument[0].value;
            support_data(spoiled)[(p.dy != NULL ? p.outs : p.argument[0].count) / 3 * 2 - 1] = NAN; /* of the second */
            problem_reset(&p);
            OK(context, problem_run(context, &p, ALL, &loss));
            int lost = 0;
            for (size_t i = image; i < 2 * image; i++) {
                lost += isnan(after[i]) ? 1 : 0;
            }
            if (lost == 0 || memcmp(before, after, image * sizeof *before) != 0 ||
                memcmp(before + 2 * image, after + 2 * image, image * sizeof *before) != 0) {
                fail_msg("%s at %s: a NaN is lost, or reaches another image", op_names[op], backends[b].name);
            }
            for (int i = 1; i < p.arguments; i++) {
                const struct argument *a = &p.argument[i];
                int found = 0;
                for (size_t k = 0; k < a->count && a->gradient != NULL; k++) {
                    found += isnan(support_data(a->gradient)[k]) ? 1 : 0;
                }
                bool reached = a->gradient == NULL || found > 0 || (op == TOKENS && i == 1);
                if (!reached) { /* tokens are not patches: theirs is the last row's */
                    fail_msg("%s at %s: the NaN does not reach gradient %d", op_names[op], backends[b].name, i);
                }
            }
            assert_true(p.dy != NULL || isnan(loss));
            free(before);
            problem_close(&p);
        }
        tleg_context_free(context);
    }
}

static void nothing_gives_nothing(void **state) {
    (void)state;
    struct sizes none = small[2];
    none.batch = 0;
    for (enum op op = 0; op < BLOCK; op++) {
        struct problem p;
        double loss = 7;
        problem_open(&p, plain, op, &none, true);
        problem_reset(&p);
        bool refused = op >= LABELS; /* a mean over no rows is no number */
        assert_int_equal(problem_run(plain, &p, ALL, &loss), refused ? TLEG_ERROR_ARGUMENT : TLEG_OK);
        for (int i = 1; i < p.arguments; i++) {
            const struct argument *a = &p.argument[i];
            for (size_t k = 0; k < a->count && a->gradient != NULL; k++) {
                assert_true(support_data(a->gradient)[k] == 0);
            }
        }
        problem_close(&p);
    }
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_central_differences),
        cmocka_unit_test(large_gradients_have_the_slopes_of_their_formulas),
        cmocka_unit_test(embedding_tokens_and_pooling_are_their_formulas),
        cmocka_unit_test(data_gradients_are_written_and_weight_gradients_added),
        cmocka_unit_test(a_gradient_that_is_not_wanted_changes_no_other),
        cmocka_unit_test(a_gradient_may_take_the_place_of_the_one_that_came),
        cmocka_unit_test(bits_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(a_nan_goes_through),
        cmocka_unit_test(nothing_gives_nothing),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
