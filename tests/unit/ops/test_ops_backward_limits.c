/* What the operations' gradients refuse, and how it is said; numbers at the edge of what exp takes; memory that runs out. */
#include "support/reference_backward.h"
#include <tleg/dlpack.h>

static tleg_context *plain;

static int prepare(void **state) {
    (void)state;
    return tleg_context_create(NULL, &plain) != TLEG_OK;
}

static int clean(void **state) {
    (void)state;
    tleg_context_free(plain);
    return 0;
}

/* ---- what is refused ---- */

static void refused(const struct problem *p, tleg_status status, const char *part) {
    if (status != TLEG_ERROR_ARGUMENT || strstr(tleg_context_get_error(plain), part) == NULL) {
        fail_msg("%s: %s, \"%s\", expected a refusal with \"%s\"", op_names[p->op], tleg_status_name(status),
                 tleg_context_get_error(plain), part);
    }
}

/* Whether the call looks at an argument's value: that of a last bias has no part in any gradient. */
static bool is_asked(enum op op, int argument) {
    switch (op) {
    case LAYERNORM:
    case LINEAR:
    case PATCH:
        return argument != 2;
    case MLP:
        return argument != 4;
    case BLOCK: /* its weights were looked at when it was made */
        return argument == 0;
    default:
        return op != TOKENS && op != POOL;
    }
}

/* Every tensor in turn of another type, of another shape, and, where the library writes, lent read-only. */
static void wrong_tensors_are_refused(void **state) {
    (void)state;
    for (enum op op = 0; op < OPS; op++) {
        struct problem p;
        double loss;
        problem_open(&p, plain, op, &small[2], true);
        tleg_tensor *half = NULL, *odd = NULL;
        const int64_t shape[] = {3, 5, 11, 1, 1};
        OK(plain, tleg_tensor_create(plain, TLEG_F16, 3, shape, &half));
        OK(plain, tleg_tensor_create(plain, TLEG_F32, 5, shape, &odd));
        tleg_tensor **slots[2 * MAX_ARGUMENTS + 1] = {&p.dy};
        int count = 1;
        for (int i = 0; i < p.arguments; i++) {
            slots[count++] = &p.argument[i].gradient;
            if (is_asked(op, i)) {
                slots[count++] = &p.argument[i].value;
            }
        }
        for (int i = 0; i < count; i++) {
            tleg_tensor *right = *slots[i];
            if (right != NULL) {
                *slots[i] = half;
                refused(&p, problem_run(plain, &p, ALL, &loss), "F16 [3, 5, 11]");
                *slots[i] = odd;
                refused(&p, problem_run(plain, &p, ALL, &loss), "expected");
                *slots[i] = right;
            }
        }
        OK(plain, problem_run(plain, &p, ALL, &loss));
        tleg_tensor_free(half);
        tleg_tensor_free(odd);
        problem_close(&p);
    }
}

static void gradients_lent_read_only_are_refused(void **state) {
    (void)state;
    for (enum op op = 0; op < OPS; op++) {
        struct problem p;
        double loss;
        problem_open(&p, plain, op, &small[2], true);
        for (int i = 0; i < p.arguments; i++) {
            tleg_tensor *right = p.argument[i].gradient, *lent = NULL;
            if (right == NULL) {
                continue;
            }
            DLManagedTensorVersioned *managed = NULL;
            OK(plain, tleg_tensor_to_dlpack(plain, right, &managed));
            managed->flags |= DLPACK_FLAG_BITMASK_READ_ONLY;
            OK(plain, tleg_tensor_from_dlpack(plain, managed, &lent));
            p.argument[i].gradient = lent;
            refused(&p, problem_run(plain, &p, ALL, &loss), "read-only");
            p.argument[i].gradient = right;
            tleg_tensor_free(lent);
        }
        problem_close(&p);
    }
}

static void numbers_out_of_range_are_refused(void **state) {
    (void)state;
    struct problem p;
    double loss = 7;
    problem_open(&p, plain, LAYERNORM, &small[2], true);
    p.eps = -1;
    refused(&p, problem_run(plain, &p, ALL, &loss), "eps");
    p.eps = NAN;
    refused(&p, problem_run(plain, &p, ALL, &loss), "eps");
    problem_close(&p);
    problem_open(&p, plain, ATTENTION, &small[2], true);
    p.s.heads = 5;
    refused(&p, problem_run(plain, &p, ALL, &loss), "heads 5");
    problem_close(&p);
    problem_open(&p, plain, POOL, &small[2], true);
    p.s.prefix = 5;
    refused(&p, problem_run(plain, &p, ALL, &loss), "the prefix is 5, expected 0 to 4");
    p.s.prefix = -1;
    refused(&p, problem_run(plain, &p, ALL, &loss), "the prefix is -1");
    problem_close(&p);
    problem_open(&p, plain, LABELS, &small[2], true);
    tleg_tensor_info info = {.struct_size = sizeof info};
    OK(plain, tleg_tensor_get_info(plain, p.labels, &info));
    ((int64_t *)info.data)[2] = 12;
    refused(&p, problem_run(plain, &p, ALL, &loss), "class 12 in row 2, expected 0 to 11");
    assert_true(loss == 0);
    ((int64_t *)info.data)[2] = -1;
    refused(&p, problem_run(plain, &p, ALL, &loss), "class -1 in row 2");
    ((int64_t *)info.data)[2] = 11;
    OK(plain, problem_run(plain, &p, ALL, &loss));
    p.smoothing = 1.5;
    refused(&p, problem_run(plain, &p, ALL, &loss), "smoothing");
    p.smoothing = NAN;
    refused(&p, problem_run(plain, &p, ALL, &loss), "smoothing");
    problem_close(&p);
    problem_open(&p, plain, SOFT, &small[2], true);
    refused(&p, tleg_cross_entropy(plain, p.argument[0].value, p.argument[1].value, 0.1, &loss, NULL), "smoothing");
    problem_close(&p);
    static const double taus[] = {0, -1, NAN, INFINITY};
    problem_open(&p, plain, DISTILL, &small[2], true);
    for (int i = 0; i < 4; i++) {
        p.tau = taus[i];
        refused(&p, problem_run(plain, &p, ALL, &loss), "tau");
    }
    problem_close(&p);
    struct sizes odd = small[2];
    odd.patch = 4; /* of 9 */
    problem_open(&p, plain, PATCH, &odd, true);
    refused(&p, problem_run(plain, &p, ALL, &loss), "P divides 9");
    problem_close(&p);
}

/* A class that softmax gives no chance at all: the loss and the gradient are what the limit says, not NaN. */
static void losses_survive_logits_that_exp_does_not(void **state) {
    (void)state;
    float z[] = {1000, -1000, 0, -1e30F, 1e30F, 0}, q[] = {0, 0, 0, 0, 0, 0};
    int64_t shape[] = {2, 3}, labels[] = {1, 1};
    tleg_tensor *logits = NULL, *targets = NULL, *gradient = NULL;
    OK(plain, tleg_tensor_wrap(plain, TLEG_F32, 2, shape, z, NULL, NULL, &logits));
    OK(plain, tleg_tensor_wrap(plain, TLEG_I64, 1, shape, labels, NULL, NULL, &targets));
    OK(plain, tleg_tensor_wrap(plain, TLEG_F32, 2, shape, q, NULL, NULL, &gradient));
    double loss;
    OK(plain, tleg_cross_entropy(plain, logits, targets, 0, &loss, gradient));
    assert_true(fabs(loss - 1000) < 1e-9); /* (2000 + 0) / 2 */
    static const float wanted[] = {0.5F, -0.5F, 0, 0, 0, 0};
    assert_memory_equal(q, wanted, sizeof q);
    OK(plain, tleg_distillation(plain, logits, logits, 1, &loss, gradient));
    assert_true(loss == 0);
    tleg_tensor_free(logits);
    tleg_tensor_free(targets);
    tleg_tensor_free(gradient);
}

/* ---- memory ---- */

static void each_allocation_may_fail_and_a_block_makes_none(void **state) {
    (void)state;
    for (enum op op = 0; op < BLOCK; op++) {
        bool done = false;
        struct problem p;
        problem_open(&p, plain, op, &small[2], true);
        for (long long k = 1; !done; k++) {
            struct counter counter;
            support_counter(&counter);
            tleg_context_options options = support_counted(&counter);
            options.workers = 2;
            tleg_context *context = NULL;
            assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
            long long start = atomic_load(&counter.calls), live = atomic_load(&counter.live);
            atomic_store(&counter.fail_at, start + k);
            double loss;
            tleg_status status = problem_run(context, &p, ALL, &loss);
            done = atomic_load(&counter.calls) < start + k;
            assert_int_equal(status, done ? TLEG_OK : TLEG_ERROR_MEMORY);
            assert_true(done || strlen(tleg_context_get_error(context)) > 0);
            assert_int_equal(atomic_load(&counter.live), live);
            tleg_context_free(context);
            assert_int_equal(atomic_load(&counter.live), 0);
            assert_int_equal(atomic_load(&counter.wrong), 0);
        }
        problem_close(&p);
    }
    struct counter counter;
    support_counter(&counter);
    tleg_context_options options = support_counted(&counter);
    options.workers = 3;
    tleg_context *context = NULL;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    struct problem p;
    double loss;
    problem_open(&p, plain, BLOCK, &large[0], true);
    OK(context, problem_run(context, &p, ALL, &loss));
    long long calls = atomic_load(&counter.calls);
    OK(context, problem_run(context, &p, ALL, &loss));
    assert_int_equal(atomic_load(&counter.calls) - calls, 2); /* the block's creation */
    problem_close(&p);
    tleg_context_free(context);
}

static void a_block_without_a_qkv_bias_has_no_gradient_for_it(void **state) {
    (void)state;
    struct problem p;
    problem_open(&p, plain, BLOCK, &small[2], false);
    tleg_tensor *g[MAX_ARGUMENTS] = {NULL};
    g[4] = support_wrap(plain, support_values(1, 36, 1, 0), 1, 36, 0, 0, 0);
    refused(&p, problem_run_block(plain, &p, g), "attn.qkv.bias");
    tleg_tensor_free(g[4]);
    problem_close(&p);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_tensors_are_refused),
        cmocka_unit_test(gradients_lent_read_only_are_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(losses_survive_logits_that_exp_does_not),
        cmocka_unit_test(each_allocation_may_fail_and_a_block_makes_none),
        cmocka_unit_test(a_block_without_a_qkv_bias_has_no_gradient_for_it),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
