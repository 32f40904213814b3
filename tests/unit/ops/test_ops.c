/* The public operations against their formulas in double, at every level of this machine: odd sizes, optional arguments, what
 * is refused and how it is said, the same bits whoever computes, and memory that runs out. */
#include "support/reference_forward.h"
#include <stdio.h>
#include <string.h>
#include <tleg/dlpack.h>

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

/* ---- one call of any operation ---- */

enum op { LAYERNORM, LINEAR, GELU, MLP, ATTENTION, OPS };
static const char *const op_names[OPS] = {"layernorm", "linear", "gelu", "mlp", "attention"};

/* x (batch, tokens, in) to y (batch, tokens, out), and the operation's other arguments. */
struct call {
    enum op op;
    int64_t batch, tokens, in, out, hidden;
    int32_t heads;
    double eps;
    tleg_tensor *x, *y, *weight, *bias, *weight2, *bias2;
};

static tleg_tensor *random_tensor(uint64_t seed, int32_t rank, int64_t a, int64_t b, int64_t c, double scale, double offset) {
    int64_t count = a * (rank > 1 ? b : 1) * (rank > 2 ? c : 1);
    return support_wrap(plain, support_values(seed, (size_t)count, scale, offset), rank, a, b, c, 0);
}

/* dim: of the token; `with_bias` is looked at where a bias is optional. */
static void call_open(struct call *call, enum op op, int64_t batch, int64_t tokens, int64_t dim, int64_t hidden, int32_t heads,
                      bool with_bias) {
    *call = (struct call){.op = op, .batch = batch, .tokens = tokens, .in = dim, .out = dim, .hidden = hidden, .heads = heads};
    double spread = 1 / sqrt((double)dim);
    if (op == LAYERNORM) {
        call->eps = 1e-5;
        call->weight = random_tensor(2, 1, dim, 0, 0, 1, 1);
        call->bias = random_tensor(3, 1, dim, 0, 0, 1, 0);
    } else if (op == LINEAR) {
        call->out = hidden;
        call->weight = random_tensor(2, 2, hidden, dim, 0, spread, 0);
        call->bias = with_bias ? random_tensor(3, 1, hidden, 0, 0, 1, 0) : NULL;
    } else if (op == MLP) {
        call->weight = random_tensor(2, 2, hidden, dim, 0, 2 * spread, 0);
        call->weight2 = random_tensor(3, 2, dim, hidden, 0, 1 / sqrt((double)hidden), 0);
        call->bias = with_bias ? random_tensor(4, 1, hidden, 0, 0, 1, 0) : NULL;
        call->bias2 = with_bias ? random_tensor(5, 1, dim, 0, 0, 1, 0) : NULL;
    } else if (op == ATTENTION) {
        call->in = 3 * dim;
    }
    call->x = random_tensor(1, 3, batch, tokens, call->in, 3, 0.5);
    call->y = random_tensor(9, 3, batch, tokens, call->out, 1, 0); /* garbage */
}

static void call_close(struct call *call) {
    tleg_tensor *tensors[] = {call->x, call->y, call->weight, call->bias, call->weight2, call->bias2};
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        tleg_tensor_free(tensors[i]);
    }
}

static tleg_status call_run(tleg_context *context, const struct call *call, const tleg_tensor *x, tleg_tensor *y) {
    switch (call->op) {
    case LAYERNORM:
        return tleg_layernorm_forward(context, x, call->weight, call->bias, call->eps, y);
    case LINEAR:
        return tleg_linear_forward(context, x, call->weight, call->bias, y);
    case GELU:
        return tleg_gelu_forward(context, x, y);
    case MLP:
        return tleg_mlp_forward(context, x, call->weight, call->bias, call->weight2, call->bias2, y);
    default:
        return tleg_attention_forward(context, x, call->heads, y);
    }
}

static double *call_formula(const struct call *call) {
    size_t rows = (size_t)(call->batch * call->tokens), in = (size_t)call->in, out = (size_t)call->out;
    double *x = reference_widen(call->x), *y = support_doubles(rows * out);
    double *weight = reference_widen(call->weight), *bias = reference_widen(call->bias);
    double *weight2 = reference_widen(call->weight2), *bias2 = reference_widen(call->bias2);
    if (call->op == LAYERNORM) {
        reference_layernorm(rows, in, x, weight, bias, call->eps, y);
    } else if (call->op == LINEAR) {
        reference_linear(rows, out, in, x, weight, bias, y);
    } else if (call->op == GELU) {
        reference_gelu(rows * in, x);
        memcpy(y, x, rows * in * sizeof *y);
    } else if (call->op == MLP) {
        reference_mlp(rows, in, (size_t)call->hidden, x, weight, bias, weight2, bias2, y);
    } else {
        reference_attention((size_t)call->batch, (size_t)call->tokens, out, (size_t)call->heads, x, y);
    }
    double *all[] = {x, weight, bias, weight2, bias2};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]);
    }
    return y;
}

static size_t out_count(const struct call *call) {
    return (size_t)(call->batch * call->tokens * call->out);
}

/* ---- what comes out ---- */

static void check_formula(const struct call *call, double limit) {
    double *wanted = call_formula(call);
    size_t in = (size_t)(call->batch * call->tokens * call->in);
    float *before = malloc(in * sizeof *before);
    assert_non_null(before);
    memcpy(before, support_data(call->x), in * sizeof *before);
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        OK(context, call_run(context, call, call->x, call->y));
        double far = reference_distance(support_data(call->y), wanted, out_count(call));
        if (!(far < limit)) {
            fail_msg("%s at %s, batch %d, tokens %d, in %d, out %d, hidden %d, heads %d: %.1e from the formula",
                     op_names[call->op], backends[b].name, (int)call->batch, (int)call->tokens, (int)call->in, (int)call->out,
                     (int)call->hidden, call->heads, far);
        }
        assert_memory_equal(before, support_data(call->x), in * sizeof *before); /* an input stays */
        tleg_context_free(context);
    }
    free(before);
    free(wanted);
}

/* Batch, tokens, dim, hidden, heads: one of each, primes, around the tiles' sizes, a real one. */
static const int64_t sizes[][5] = {
    {1, 1, 1, 1, 1},   {1, 1, 20, 7, 5},    {5, 1, 20, 80, 5},   {1, 7, 13, 3, 13},   {5, 17, 20, 80, 5},   {2, 14, 16, 32, 2},
    {3, 5, 31, 33, 1}, {1, 6, 48, 192, 3},  {1, 15, 33, 65, 11}, {5, 10, 64, 31, 4},  {1, 65, 36, 17, 2},   {1, 197, 24, 96, 3},
    {2, 1, 130, 1, 2}, {1, 129, 6, 259, 1}, {4, 3, 257, 16, 1},  {1, 33, 96, 100, 1}, {1, 16, 192, 192, 3}, {5, 2, 8, 15, 8},
};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void open_size(struct call *call, enum op op, size_t i, bool with_bias) {
    call_open(call, op, sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3], (int32_t)sizes[i][4], with_bias);
}

static void every_operation_is_its_formula_at_any_size(void **state) {
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        for (enum op op = 0; op < OPS; op++) {
            for (int with_bias = 0; with_bias < 2; with_bias++) {
                struct call call;
                open_size(&call, op, i, with_bias);
                check_formula(&call, 3e-6);
                call_close(&call);
            }
        }
    }
}

/* A vector, a matrix, tokens, images of tokens: only the last axis counts, and what comes before it may be empty. */
static void leading_axes_are_rows_whatever_their_number(void **state) {
    (void)state;
    for (enum op op = 0; op < ATTENTION; op++) {
        struct call call;
        call_open(&call, op, 2, 6, 20, 9, 1, true);
        int64_t in = call.in, out = call.out;
        OK(plain, call_run(plain, &call, call.x, call.y));
        static const int64_t leading[][3] = {{2, 2, 3}, {12, 1, 0}, {12, 0, 0}, {1, 0, 0}};
        static const int32_t ranks[] = {4, 3, 2, 1};
        for (size_t i = 0; i < 4; i++) {
            int64_t shape[TLEG_MAX_RANK] = {leading[i][0], leading[i][1], leading[i][2], 0};
            float *y = support_values(8, out_count(&call), 1, 0);
            tleg_tensor *flat_x = NULL, *flat_y = NULL;
            shape[ranks[i] - 1] = in;
            OK(plain, tleg_tensor_wrap(plain, TLEG_F32, ranks[i], shape, support_data(call.x), NULL, NULL, &flat_x));
            shape[ranks[i] - 1] = out;
            OK(plain, tleg_tensor_wrap(plain, TLEG_F32, ranks[i], shape, y, free, y, &flat_y));
            OK(plain, call_run(plain, &call, flat_x, flat_y));
            size_t bytes = (ranks[i] == 1 ? (size_t)out : out_count(&call)) * sizeof *y;
            assert_memory_equal(y, support_data(call.y), bytes);
            tleg_tensor_free(flat_x);
            tleg_tensor_free(flat_y);
        }
        tleg_tensor *none_x = random_tensor(1, 2, 0, in, 0, 1, 0), *none_y = random_tensor(1, 2, 0, out, 0, 1, 0);
        OK(plain, call_run(plain, &call, none_x, none_y));
        tleg_tensor_free(none_x);
        tleg_tensor_free(none_y);
        call_close(&call);
    }
}

static void no_images_and_no_tokens_are_no_work(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        tleg_tensor *qkv = random_tensor(1, 3, i ? 0 : 2, i ? 2 : 0, 12, 1, 0);
        tleg_tensor *y = random_tensor(1, 3, i ? 0 : 2, i ? 2 : 0, 4, 1, 0);
        OK(plain, tleg_attention_forward(plain, qkv, 2, y));
        tleg_tensor_free(qkv);
        tleg_tensor_free(y);
    }
}

/* What a mean much larger than the spread costs is the rounding of x itself, not the square of it. */
static void layernorm_holds_its_digits_far_from_zero(void **state) {
    (void)state;
    static const double offsets[] = {0, 100, -3000}, epsilons[] = {1e-6, 0, 0.5};
    for (int i = 0; i < 3; i++) {
        struct call call;
        call_open(&call, LAYERNORM, 1, 7, 197, 0, 0, true);
        tleg_tensor_free(call.x);
        call.x = random_tensor(7, 3, 1, 7, 197, 1, offsets[i]);
        call.eps = epsilons[i];
        check_formula(&call, 3e-6 * (1 + fabs(offsets[i]) / 10));
        call_close(&call);
    }
}

static void a_constant_row_normalises_to_the_bias(void **state) {
    (void)state;
    struct call call;
    call_open(&call, LAYERNORM, 1, 1, 37, 0, 0, true);
    for (int i = 0; i < 37; i++) {
        support_data(call.x)[i] = 4;
    }
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        OK(context, call_run(context, &call, call.x, call.y));
        assert_memory_equal(support_data(call.y), support_data(call.bias), 37 * sizeof(float));
        tleg_context_free(context);
    }
    call_close(&call);
}

/* Each value against the formula by itself: in the tail, where 1 + erf cancels, to a share of the least that matters in f32. */
static void gelu_is_exact_from_tail_to_tail(void **state) {
    (void)state;
    enum { COUNT = 40001 };
    struct call call;
    call_open(&call, GELU, 1, 1, COUNT, 0, 0, true);
    for (int i = 0; i < COUNT; i++) {
        support_data(call.x)[i] = (float)(i - COUNT / 2) / 1600;
    }
    double *wanted = call_formula(&call);
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        OK(context, call_run(context, &call, call.x, call.y));
        for (int i = 0; i < COUNT; i++) {
            double far = fabs((double)support_data(call.y)[i] - wanted[i]);
            if (!(far <= 5e-7 * fabs(wanted[i]) + 5e-7)) {
                fail_msg("gelu(%g) at %s is %.9g, expected %.9g", (double)support_data(call.x)[i], backends[b].name,
                         (double)support_data(call.y)[i], wanted[i]);
            }
        }
        tleg_context_free(context);
    }
    free(wanted);
    call_close(&call);
}

/* Scores of some thousands: exp of any of them overflows, and the answer is still a mean of v. */
static void attention_survives_scores_that_exp_does_not(void **state) {
    (void)state;
    struct call call;
    call_open(&call, ATTENTION, 2, 9, 12, 0, 3, true);
    for (size_t i = 0; i < (size_t)(2 * 9 * 36); i++) {
        support_data(call.x)[i] *= i % 36 < 24 ? 40 : 1; /* q and k */
    }
    check_formula(&call, 1e-4);
    call_close(&call);
}

/* ---- the same bits ---- */

static float *bits_of(const struct call *call) {
    float *copy = malloc(out_count(call) * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, support_data(call->y), out_count(call) * sizeof *copy);
    return copy;
}

static void bits_do_not_depend_on_the_number_of_threads(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *contexts[] = {support_context(&backends[b], 1), support_context(&backends[b], 2),
                                    support_context(&backends[b], 3)};
        for (size_t i = 0; i < SIZES; i++) {
            for (enum op op = 0; op < OPS; op++) {
                struct call call;
                open_size(&call, op, i, true);
                OK(contexts[0], call_run(contexts[0], &call, call.x, call.y));
                float *first = bits_of(&call);
                for (int w = 1; w < 3; w++) {
                    memset(support_data(call.y), 0xff, out_count(&call) * sizeof(float));
                    OK(contexts[w], call_run(contexts[w], &call, call.x, call.y));
                    if (memcmp(first, support_data(call.y), out_count(&call) * sizeof(float)) != 0) {
                        fail_msg("%s at %s, size %d: other bits with %d threads", op_names[op], backends[b].name, (int)i,
                                 w + 1);
                    }
                }
                free(first);
                call_close(&call);
            }
        }
        for (int w = 0; w < 3; w++) {
            tleg_context_free(contexts[w]);
        }
    }
}

/* Image 3 of five gives the bits that it gives alone: a server may batch as it likes. */
static void bits_do_not_depend_on_the_other_images(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        if (backends[b].gemm == TLEG_GEMM_BLAS) {
            continue; /* it may sum in another order at another number of rows */
        }
        tleg_context *context = support_context(&backends[b], 1);
        for (enum op op = 0; op < OPS; op++) {
            struct call call;
            call_open(&call, op, 5, 7, 20, 33, 5, true);
            OK(context, call_run(context, &call, call.x, call.y));
            int64_t in[] = {1, 7, call.in}, out[] = {1, 7, call.out};
            size_t count = (size_t)(7 * call.out);
            float *y = support_values(8, count, 1, 0);
            tleg_tensor *one_x = NULL, *one_y = NULL;
            OK(context, tleg_tensor_wrap(context, TLEG_F32, 3, in, support_data(call.x) + 3 * 7 * call.in, NULL, NULL, &one_x));
            OK(context, tleg_tensor_wrap(context, TLEG_F32, 3, out, y, free, y, &one_y));
            OK(context, call_run(context, &call, one_x, one_y));
            if (memcmp(y, support_data(call.y) + 3 * 7 * call.out, count * sizeof *y) != 0) {
                fail_msg("%s at %s: an image alone gives other bits", op_names[op], backends[b].name);
            }
            tleg_tensor_free(one_x);
            tleg_tensor_free(one_y);
            call_close(&call);
        }
        tleg_context_free(context);
    }
}

static void layernorm_and_gelu_may_write_over_their_input(void **state) {
    (void)state;
    static const enum op in_place[] = {LAYERNORM, GELU};
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 1);
        for (size_t i = 0; i < SIZES * 2; i++) {
            struct call call;
            open_size(&call, in_place[i % 2], i / 2, true);
            OK(context, call_run(context, &call, call.x, call.y));
            OK(context, call_run(context, &call, call.x, call.x));
            assert_memory_equal(support_data(call.x), support_data(call.y), out_count(&call) * sizeof(float));
            call_close(&call);
        }
        tleg_context_free(context);
    }
}

/* One image with a NaN: the others' numbers are what they were, and the NaN does not get lost. */
static void a_nan_stays_in_its_image(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        tleg_context *context = support_context(&backends[b], 2);
        for (enum op op = 0; op < OPS; op++) {
            struct call call;
            call_open(&call, op, 3, 5, 20, 33, 5, true);
            OK(context, call_run(context, &call, call.x, call.y));
            float *before = bits_of(&call), *after = support_data(call.y);
            support_data(call.x)[call.tokens * call.in + 1] = NAN;
            OK(context, call_run(context, &call, call.x, call.y));
            size_t image = (size_t)(call.tokens * call.out);
            int lost = 0;
            for (size_t i = 0; i < image; i++) {
                lost += isnan(after[image + i]) ? 1 : 0;
            }
            if (lost == 0 || memcmp(before, after, image * sizeof *before) != 0 ||
                memcmp(before + 2 * image, after + 2 * image, image * sizeof *before) != 0) {
                fail_msg("%s at %s: a NaN in one image is lost, or changes another", op_names[op], backends[b].name);
            }
            free(before);
            call_close(&call);
        }
        tleg_context_free(context);
    }
}

/* ---- what is refused ---- */

/* Swaps *slot for a tensor of this type and shape, and asks for a refusal whose text holds both parts. */
static void refuse(struct call *call, tleg_tensor **slot, int32_t dtype, int32_t rank, const int64_t *shape, const char *found,
                   const char *expected) {
    tleg_tensor *right = *slot;
    *slot = NULL;
    OK(plain, tleg_tensor_create(plain, dtype, rank, shape, slot));
    assert_int_equal(call_run(plain, call, call->x, call->y), TLEG_ERROR_ARGUMENT);
    const char *text = tleg_context_get_error(plain);
    if (strstr(text, op_names[call->op]) == NULL || strstr(text, found) == NULL || strstr(text, expected) == NULL) {
        fail_msg("\"%s\" does not say %s, \"%s\" and \"%s\"", text, op_names[call->op], found, expected);
    }
    tleg_tensor_free(*slot);
    *slot = right;
}
#define SHAPE(...)                                                                                                             \
    (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]) {                                               \
        __VA_ARGS__                                                                                                            \
    }

static void a_wrong_shape_is_told_with_what_was_expected(void **state) {
    (void)state;
    struct call call;
    call_open(&call, LAYERNORM, 2, 3, 20, 0, 0, true);
    refuse(&call, &call.weight, TLEG_F32, SHAPE(19), "weight is F32 [19]", "expected F32 [20]");
    refuse(&call, &call.bias, TLEG_F32, SHAPE(20, 1), "bias is F32 [20, 1]", "expected F32 [20]");
    refuse(&call, &call.y, TLEG_F32, SHAPE(2, 3, 21), "y is F32 [2, 3, 21]", "expected F32 [2, 3, 20]");
    refuse(&call, &call.y, TLEG_F32, SHAPE(6, 20), "y is F32 [6, 20]", "expected F32 [2, 3, 20]");
    refuse(&call, &call.x, TLEG_F32, 0, NULL, "x is F32 []", "expected F32 [..., D]");
    refuse(&call, &call.x, TLEG_F32, SHAPE(2, 0), "x is F32 [2, 0]", "expected F32 [..., D]");
    call_close(&call);
    call_open(&call, LINEAR, 2, 3, 20, 7, 0, true);
    refuse(&call, &call.weight, TLEG_F32, SHAPE(20, 7), "weight is F32 [20, 7]", "expected F32 [out, 20]");
    refuse(&call, &call.weight, TLEG_F32, SHAPE(0, 20), "weight is F32 [0, 20]", "expected F32 [out, 20]");
    refuse(&call, &call.weight, TLEG_F32, SHAPE(140), "weight is F32 [140]", "expected F32 [out, 20]");
    refuse(&call, &call.bias, TLEG_F32, SHAPE(20), "bias is F32 [20]", "expected F32 [7]");
    refuse(&call, &call.y, TLEG_F32, SHAPE(2, 3, 20), "y is F32 [2, 3, 20]", "expected F32 [2, 3, 7]");
    call_close(&call);
    call_open(&call, GELU, 2, 3, 20, 0, 0, true);
    refuse(&call, &call.y, TLEG_F32, SHAPE(2, 20, 3), "y is F32 [2, 20, 3]", "expected F32 [2, 3, 20]");
    call_close(&call);
    call_open(&call, MLP, 2, 3, 20, 7, 0, true);
    refuse(&call, &call.weight, TLEG_F32, SHAPE(7, 21), "fc1 is F32 [7, 21]", "expected F32 [out, 20]");
    refuse(&call, &call.weight2, TLEG_F32, SHAPE(7, 20), "fc2 is F32 [7, 20]", "expected F32 [20, 7]");
    refuse(&call, &call.bias, TLEG_F32, SHAPE(20), "fc1_bias is F32 [20]", "expected F32 [7]");
    refuse(&call, &call.bias2, TLEG_F32, SHAPE(7), "fc2_bias is F32 [7]", "expected F32 [20]");
    refuse(&call, &call.y, TLEG_F32, SHAPE(2, 3, 7), "y is F32 [2, 3, 7]", "expected F32 [2, 3, 20]");
    call_close(&call);
    call_open(&call, ATTENTION, 2, 3, 20, 0, 5, true);
    refuse(&call, &call.x, TLEG_F32, SHAPE(6, 60), "rank 2", "[B, N, 3 * D]");
    refuse(&call, &call.x, TLEG_F32, SHAPE(2, 3, 61), "last axis 61", "[B, N, 3 * D]");
    refuse(&call, &call.x, TLEG_F32, SHAPE(2, 3, 63), "heads 5", "divide D");
    refuse(&call, &call.y, TLEG_F32, SHAPE(2, 3, 60), "y is F32 [2, 3, 60]", "expected F32 [2, 3, 20]");
    static const int32_t wrong_heads[] = {0, -1, 3, 40, INT32_MIN, INT32_MAX};
    for (int i = 0; i < 6; i++) {
        call.heads = wrong_heads[i];
        assert_int_equal(call_run(plain, &call, call.x, call.y), TLEG_ERROR_ARGUMENT);
        char found[32];
        snprintf(found, sizeof found, "heads %d", wrong_heads[i]);
        assert_non_null(strstr(tleg_context_get_error(plain), found));
    }
    call_close(&call);
}

static void another_element_type_is_refused_by_name(void **state) {
    (void)state;
    static const int32_t dtypes[] = {TLEG_F16, TLEG_BF16, TLEG_F64, TLEG_I64, TLEG_I32, TLEG_U8};
    static const char *const names[] = {"F16", "BF16", "F64", "I64", "I32", "U8"};
    for (enum op op = 0; op < OPS; op++) {
        struct call call;
        call_open(&call, op, 2, 3, 20, 7, 5, true);
        tleg_tensor **slots[] = {&call.x, &call.y, &call.weight, &call.bias, &call.weight2, &call.bias2};
        for (size_t s = 0; s < sizeof slots / sizeof slots[0]; s++) {
            for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0] && *slots[s] != NULL; d++) {
                tleg_tensor_info info = {.struct_size = sizeof info};
                OK(plain, tleg_tensor_get_info(plain, *slots[s], &info));
                refuse(&call, slots[s], dtypes[d], info.rank, info.shape, names[d], "expected F32");
            }
        }
        call_close(&call);
    }
}

static void layernorm_takes_no_eps_below_zero(void **state) {
    (void)state;
    struct call call;
    call_open(&call, LAYERNORM, 1, 2, 4, 0, 0, true);
    static const double wrong[] = {-1e-9, -INFINITY, NAN};
    for (int i = 0; i < 3; i++) {
        call.eps = wrong[i];
        assert_int_equal(call_run(plain, &call, call.x, call.y), TLEG_ERROR_ARGUMENT);
        assert_non_null(strstr(tleg_context_get_error(plain), "eps"));
    }
    call_close(&call);
}

static void TLEG_CALL delete_nothing(DLManagedTensorVersioned *managed) {
    (void)managed;
}

/* Another program's memory, lent read-only: good to read, refused as an output, and not a byte of it changes. */
static void what_is_lent_read_only_is_read_and_not_written(void **state) {
    (void)state;
    for (enum op op = 0; op < OPS; op++) {
        struct call call;
        call_open(&call, op, 2, 3, 20, 7, 5, true);
        int64_t in[] = {2, 3, call.in}, out[] = {2, 3, call.out};
        DLManagedTensorVersioned lent[] = {
            {.version = {1, 0}, .deleter = delete_nothing, .flags = DLPACK_FLAG_BITMASK_READ_ONLY},
            {.version = {1, 0}, .deleter = delete_nothing, .flags = DLPACK_FLAG_BITMASK_READ_ONLY}};
        lent[0].dl_tensor = (DLTensor){support_data(call.x), {kDLCPU, 0}, 3, {kDLFloat, 32, 1}, in, NULL, 0};
        lent[1].dl_tensor = (DLTensor){support_data(call.y), {kDLCPU, 0}, 3, {kDLFloat, 32, 1}, out, NULL, 0};
        tleg_tensor *x = NULL, *y = NULL;
        OK(plain, tleg_tensor_from_dlpack(plain, &lent[0], &x));
        OK(plain, tleg_tensor_from_dlpack(plain, &lent[1], &y));
        float *before = bits_of(&call);
        assert_int_equal(call_run(plain, &call, x, y), TLEG_ERROR_ARGUMENT);
        assert_non_null(strstr(tleg_context_get_error(plain), "read-only"));
        assert_memory_equal(before, support_data(call.y), out_count(&call) * sizeof *before);
        OK(plain, call_run(plain, &call, x, call.y));
        assert_memory_not_equal(before, support_data(call.y), out_count(&call) * sizeof *before);
        free(before);
        tleg_tensor_free(x);
        tleg_tensor_free(y);
        call_close(&call);
    }
}

/* ---- memory ---- */

/* As many images as a tensor holds, of nothing: nothing is to be done, and at once. */
static void images_without_tokens_take_no_time(void **state) {
    (void)state;
    const int64_t many = (int64_t)1 << 62, images[] = {many, 0, 0}, none[] = {0, 0};
    tleg_tensor *patches = NULL, *positions = NULL, *y = NULL;
    OK(plain, tleg_tensor_create(plain, TLEG_F32, 3, images, &patches));
    OK(plain, tleg_tensor_create(plain, TLEG_F32, 2, none, &positions));
    OK(plain, tleg_tensor_create(plain, TLEG_F32, 3, images, &y));
    OK(plain, tleg_tokens_forward(plain, patches, NULL, positions, y));
    OK(plain, tleg_tokens_backward(plain, y, patches, NULL, positions));
    tleg_tensor_free(patches);
    tleg_tensor_free(positions);
    tleg_tensor_free(y);
}

static void tokens_that_cannot_be_counted_are_refused(void **state) {
    (void)state;
    const int64_t images[] = {0, INT64_MAX, 0}, many[] = {INT64_MAX, 0}, one[] = {1, 0};
    tleg_tensor *patches = NULL, *tokens = NULL, *positions = NULL;
    OK(plain, tleg_tensor_create(plain, TLEG_F32, 3, images, &patches));
    OK(plain, tleg_tensor_create(plain, TLEG_F32, 2, many, &tokens));
    OK(plain, tleg_tensor_create(plain, TLEG_F32, 2, one, &positions));
    assert_int_equal(tleg_tokens_forward(plain, patches, tokens, positions, patches), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(plain), "are too many"));
    tleg_tensor_free(patches);
    tleg_tensor_free(tokens);
    tleg_tensor_free(positions);
}

static void each_allocation_may_fail_and_nothing_is_left(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        for (enum op op = 0; op < OPS; op++) {
            struct counter counter;
            support_counter(&counter);
            tleg_context_options options = support_counted(&counter);
            options.level = backends[b].level;
            options.gemm = backends[b].gemm;
            options.workers = 2;
            tleg_context *context = NULL;
            assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
            struct call call;
            call_open(&call, op, 2, 9, 20, 33, 5, true);
            long long live = atomic_load(&counter.live), start = atomic_load(&counter.calls);
            OK(context, call_run(context, &call, call.x, call.y));
            float *right = bits_of(&call);
            long long calls = atomic_load(&counter.calls) - start;
            assert_true(calls > 0 || op == LAYERNORM || op == GELU); /* the others need scratch */
            for (long long k = 1; k <= calls; k++) {
                atomic_store(&counter.fail_at, atomic_load(&counter.calls) + k);
                assert_int_equal(call_run(context, &call, call.x, call.y), TLEG_ERROR_MEMORY);
                assert_non_null(strstr(tleg_context_get_error(context), op_names[op]));
                assert_int_equal(atomic_load(&counter.live), live);
            }
            atomic_store(&counter.fail_at, 0);
            OK(context, call_run(context, &call, call.x, call.y)); /* and the context is as good as before */
            assert_memory_equal(right, support_data(call.y), out_count(&call) * sizeof *right);
            free(right);
            call_close(&call);
            tleg_context_free(context);
            assert_int_equal(atomic_load(&counter.live), 0);
            assert_int_equal(atomic_load(&counter.wrong), 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_its_formula_at_any_size),
        cmocka_unit_test(leading_axes_are_rows_whatever_their_number),
        cmocka_unit_test(no_images_and_no_tokens_are_no_work),
        cmocka_unit_test(layernorm_holds_its_digits_far_from_zero),
        cmocka_unit_test(a_constant_row_normalises_to_the_bias),
        cmocka_unit_test(gelu_is_exact_from_tail_to_tail),
        cmocka_unit_test(attention_survives_scores_that_exp_does_not),
        cmocka_unit_test(bits_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(bits_do_not_depend_on_the_other_images),
        cmocka_unit_test(layernorm_and_gelu_may_write_over_their_input),
        cmocka_unit_test(a_nan_stays_in_its_image),
        cmocka_unit_test(a_wrong_shape_is_told_with_what_was_expected),
        cmocka_unit_test(another_element_type_is_refused_by_name),
        cmocka_unit_test(layernorm_takes_no_eps_below_zero),
        cmocka_unit_test(what_is_lent_read_only_is_read_and_not_written),
        cmocka_unit_test(images_without_tokens_take_no_time),
        cmocka_unit_test(tokens_that_cannot_be_counted_are_refused),
        cmocka_unit_test(each_allocation_may_fail_and_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
