/* The block handle: its formula in double, the same bits whoever computes, a workspace of exactly the
 * promised bytes, what is refused and how it is said, and memory that runs out. */
#include "support/reference_forward.h"
#include <pthread.h>
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

/* ---- a block of random weights ---- */

enum { NORM1_W, NORM1_B, QKV_W, QKV_B, PROJ_W, PROJ_B, NORM2_W, NORM2_B, FC1_W, FC1_B, FC2_W, FC2_B, WEIGHTS };
static const char *const weight_names[WEIGHTS] = {"norm1.weight",     "norm1.bias",     "attn.qkv.weight", "attn.qkv.bias",
                                                  "attn.proj.weight", "attn.proj.bias", "norm2.weight",    "norm2.bias",
                                                  "mlp.fc1.weight",   "mlp.fc1.bias",   "mlp.fc2.weight",  "mlp.fc2.bias"};

struct weights {
    int64_t dim, hidden, width; /* of all heads together */
    int32_t heads;
    double eps;
    tleg_tensor *w[WEIGHTS]; /* the qkv bias may be NULL */
};

/* A weight's shape: rows, and columns or 0. */
static void weight_shape(const struct weights *weights, int which, int64_t shape[2]) {
    int64_t d = weights->dim, h = weights->hidden, a = weights->width;
    const int64_t shapes[WEIGHTS][2] = {{d, 0}, {d, 0}, {3 * a, d}, {3 * a, 0}, {d, a}, {d, 0},
                                        {d, 0}, {d, 0}, {h, d},     {h, 0},     {d, h}, {d, 0}};
    shape[0] = shapes[which][0];
    shape[1] = shapes[which][1];
}

static void weights_open_wide(struct weights *weights, int64_t dim, int64_t hidden, int64_t width, int32_t heads, double eps,
                              bool qkv_bias) {
    *weights = (struct weights){.dim = dim, .hidden = hidden, .width = width, .heads = heads, .eps = eps};
    for (int i = 0; i < WEIGHTS; i++) {
        int64_t shape[2];
        weight_shape(weights, i, shape);
        bool norm = i == NORM1_W || i == NORM2_W, matrix = shape[1] > 0;
        float *values = support_values((uint64_t)i + 1, (size_t)(shape[0] * (matrix ? shape[1] : 1)),
                                       matrix ? 1.5 / sqrt((double)shape[1]) : 0.5, norm ? 1 : 0);
        weights->w[i] = support_wrap(plain, values, matrix ? 2 : 1, shape[0], shape[1], 0, 0);
    }
    if (!qkv_bias) {
        tleg_tensor_free(weights->w[QKV_B]);
        weights->w[QKV_B] = NULL;
    }
}

static void weights_open(struct weights *weights, int64_t dim, int64_t hidden, int32_t heads, double eps, bool qkv_bias) {
    weights_open_wide(weights, dim, hidden, dim, heads, eps, qkv_bias);
}

static void weights_close(struct weights *weights) {
    for (int i = 0; i < WEIGHTS; i++) {
        tleg_tensor_free(weights->w[i]);
    }
}

static tleg_block_options options_of(const struct weights *weights) {
    tleg_tensor *const *w = weights->w;
    return (tleg_block_options){.struct_size = sizeof(tleg_block_options),
                                .heads = weights->heads,
                                .eps = weights->eps,
                                .norm1_weight = w[NORM1_W],
                                .norm1_bias = w[NORM1_B],
                                .qkv_weight = w[QKV_W],
                                .qkv_bias = w[QKV_B],
                                .proj_weight = w[PROJ_W],
                                .proj_bias = w[PROJ_B],
                                .norm2_weight = w[NORM2_W],
                                .norm2_bias = w[NORM2_B],
                                .fc1_weight = w[FC1_W],
                                .fc1_bias = w[FC1_B],
                                .fc2_weight = w[FC2_W],
                                .fc2_bias = w[FC2_B]};
}

static tleg_status create(tleg_context *context, const struct weights *weights, tleg_block **block) {
    tleg_block_options options = options_of(weights);
    return tleg_block_create(context, &options, block);
}

static tleg_tensor *tokens_of(uint64_t seed, int64_t batch, int64_t tokens, int64_t dim) {
    return support_wrap(plain, support_values(seed, (size_t)(batch * tokens * dim), 2, 0.3), 3, batch, tokens, dim, 0);
}

/* Runs a block in a workspace of exactly the bytes that it asks for; what lies behind them is looked at afterwards, by the
 * sanitizers and here. */
static void run(tleg_context *context, const tleg_block *block, const tleg_tensor *x, tleg_tensor *y) {
    enum { GUARD = 64 };
    tleg_tensor_info info = {.struct_size = sizeof info};
    uint64_t bytes = 0;
    void *memory = NULL;
    OK(context, tleg_tensor_get_info(context, x, &info));
    OK(context, tleg_block_get_memory(context, block, info.shape[0], info.shape[1], &bytes));
    assert_int_equal(posix_memalign(&memory, 64, bytes), 0);
    memset(memory, 0xff, bytes); /* NaN: what is read before it is written shows */
    OK(context, tleg_block_forward(context, block, x, y, memory, bytes));
    free(memory);
    assert_int_equal(posix_memalign(&memory, 64, bytes + GUARD), 0);
    memset(memory, 0xa5, bytes + GUARD);
    OK(context, tleg_block_forward(context, block, x, y, memory, bytes));
    for (int i = 0; i < GUARD; i++) {
        assert_int_equal(((unsigned char *)memory)[bytes + (unsigned)i], 0xa5);
    }
    free(memory);
}

/* ---- what comes out ---- */

static double *formula(const struct weights *weights, const tleg_tensor *input, size_t batch, size_t tokens) {
    size_t dim = (size_t)weights->dim;
    double *x = reference_widen(input), *y = support_doubles(batch * tokens * dim), *w[WEIGHTS];
    for (int i = 0; i < WEIGHTS; i++) {
        w[i] = reference_widen(weights->w[i]);
    }
    reference_block(batch, tokens, dim, (size_t)weights->width, (size_t)weights->heads, (size_t)weights->hidden, x, w,
                    weights->eps > 0 ? weights->eps : 1e-5, y);
    for (int i = 0; i < WEIGHTS; i++) {
        free(w[i]);
    }
    free(x);
    return y;
}

/* Batch, tokens, dim, hidden, heads, whether eps is given and qkv has a bias, the width of attention (0: dim). */
static const struct {
    int64_t batch, tokens, dim, hidden;
    int32_t heads;
    double eps;
    bool qkv_bias;
    int64_t width;
} sizes[] = {{1, 1, 4, 1, 1, 0, true, 0},        {1, 1, 20, 80, 5, 1e-6, false, 0},  {5, 1, 20, 33, 1, 0, true, 0},
             {1, 17, 20, 80, 5, 0, true, 0},     {5, 17, 20, 80, 5, 1e-6, true, 0},  {2, 7, 13, 26, 13, 0, false, 0},
             {1, 65, 36, 144, 3, 0, true, 0},    {5, 10, 33, 17, 11, 1e-3, true, 0}, {1, 197, 16, 64, 1, 0, true, 0},
             {3, 50, 96, 384, 3, 1e-6, true, 0}, {2, 3, 131, 7, 1, 0, false, 0},     {5, 17, 20, 33, 5, 0, true, 45},
             {2, 65, 36, 144, 3, 0, false, 12},  {3, 9, 13, 26, 2, 0, true, 128}};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void open_size(struct weights *weights, size_t i) {
    weights_open_wide(weights, sizes[i].dim, sizes[i].hidden, sizes[i].width ? sizes[i].width : sizes[i].dim, sizes[i].heads,
                      sizes[i].eps, sizes[i].qkv_bias);
}

static void a_block_is_its_formula_at_any_size(void **state) {
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        struct weights weights;
        int64_t batch = sizes[i].batch, tokens = sizes[i].tokens, dim = sizes[i].dim;
        open_size(&weights, i);
        tleg_tensor *x = tokens_of(30, batch, tokens, dim);
        double *wanted = formula(&weights, x, (size_t)batch, (size_t)tokens);
        for (int32_t b = 0; b < backend_count; b++) {
            tleg_context *context = support_context(&backends[b], 1);
            tleg_block *block = NULL;
            tleg_tensor *y = tokens_of(31, batch, tokens, dim);
            OK(context, create(context, &weights, &block));
            run(context, block, x, y);
            double far = reference_distance(support_data(y), wanted, (size_t)(batch * tokens * dim));
            if (!(far < 5e-6)) {
                fail_msg("size %d at %s: %.1e from the formula", (int)i, backends[b].name, far);
            }
            tleg_tensor_free(y);
            tleg_block_free(block);
            tleg_context_free(context);
        }
        free(wanted);
        tleg_tensor_free(x);
        weights_close(&weights);
    }
}

static void bits_do_not_depend_on_threads_batch_or_place(void **state) {
    (void)state;
    for (size_t i = 0; i < SIZES * (size_t)backend_count; i++) {
        const struct backend *backend = &backends[i / SIZES];
        int64_t batch = sizes[i % SIZES].batch, tokens = sizes[i % SIZES].tokens, dim = sizes[i % SIZES].dim;
        size_t bytes = (size_t)(batch * tokens * dim) * sizeof(float);
        struct weights weights;
        open_size(&weights, i % SIZES);
        tleg_tensor *x = tokens_of(30, batch, tokens, dim), *first = tokens_of(31, batch, tokens, dim);
        for (int32_t workers = 1; workers <= 3; workers++) {
            tleg_context *context = support_context(backend, workers);
            tleg_block *block = NULL;
            tleg_tensor *y = tokens_of(32, batch, tokens, dim), *one_x = NULL, *one_y = NULL;
            OK(context, create(context, &weights, &block));
            run(context, block, x, workers == 1 ? first : y);
            assert_true(workers == 1 || memcmp(support_data(first), support_data(y), bytes) == 0);
            if (backend->gemm != TLEG_GEMM_BLAS) { /* the last image alone; a BLAS may sum in another order */
                size_t image = bytes / (size_t)batch, offset = (size_t)((batch - 1) * tokens * dim);
                int64_t shape[] = {1, tokens, dim};
                OK(context, tleg_tensor_wrap(context, TLEG_F32, 3, shape, support_data(x) + offset, NULL, NULL, &one_x));
                OK(context, tleg_tensor_wrap(context, TLEG_F32, 3, shape, support_data(y), NULL, NULL, &one_y));
                run(context, block, one_x, one_y);
                assert_memory_equal(support_data(first) + offset, support_data(y), image);
                tleg_tensor_free(one_x);
                tleg_tensor_free(one_y);
            }
            /* over its input: once, for it changes that */
            uint64_t need = 0;
            void *memory = NULL;
            memcpy(support_data(y), support_data(x), bytes);
            OK(context, tleg_block_get_memory(context, block, batch, tokens, &need));
            assert_int_equal(posix_memalign(&memory, 64, need), 0);
            OK(context, tleg_block_forward(context, block, y, y, memory, need));
            assert_memory_equal(support_data(first), support_data(y), bytes);
            free(memory);
            tleg_tensor_free(y);
            tleg_block_free(block);
            tleg_context_free(context);
        }
        tleg_tensor_free(first);
        tleg_tensor_free(x);
        weights_close(&weights);
    }
}

static void no_eps_means_1e_5(void **state) {
    (void)state;
    enum { BYTES = 3 * 20 * sizeof(float) };
    static const double eps[] = {0, 1e-5, 1e-6};
    tleg_tensor *x = tokens_of(1, 1, 3, 20), *y[3];
    for (int i = 0; i < 60; i++) {
        support_data(x)[i] /= 200; /* a variance in which eps counts */
    }
    for (int i = 0; i < 3; i++) {
        struct weights weights;
        tleg_block *block = NULL;
        y[i] = tokens_of(2, 1, 3, 20);
        weights_open(&weights, 20, 30, 5, eps[i], true);
        OK(plain, create(plain, &weights, &block));
        run(plain, block, x, y[i]);
        tleg_block_free(block);
        weights_close(&weights);
    }
    assert_memory_equal(support_data(y[0]), support_data(y[1]), BYTES);
    assert_memory_not_equal(support_data(y[0]), support_data(y[2]), BYTES);
    for (int i = 0; i < 3; i++) {
        tleg_tensor_free(y[i]);
    }
    tleg_tensor_free(x);
}

/* ---- sharing ---- */

struct thread {
    const tleg_block *block;
    const tleg_tensor *x;
    const float *right;
    size_t bytes;
    bool good;
};

static void *run_alone(void *argument) {
    struct thread *t = argument;
    tleg_context *context = NULL;
    tleg_tensor *y = NULL;
    tleg_tensor_info info = {.struct_size = sizeof info};
    uint64_t bytes = 0;
    void *memory = NULL;
    t->good = tleg_context_create(NULL, &context) == TLEG_OK && tleg_tensor_get_info(context, t->x, &info) == TLEG_OK &&
              tleg_tensor_create(context, TLEG_F32, info.rank, info.shape, &y) == TLEG_OK &&
              tleg_block_get_memory(context, t->block, info.shape[0], info.shape[1], &bytes) == TLEG_OK &&
              posix_memalign(&memory, 64, bytes) == 0;
    for (int i = 0; t->good && i < 20; i++) {
        t->good = tleg_block_forward(context, t->block, t->x, y, memory, bytes) == TLEG_OK &&
                  tleg_tensor_get_info(context, y, &info) == TLEG_OK && memcmp(info.data, t->right, t->bytes) == 0;
    }
    free(memory);
    tleg_tensor_free(y);
    tleg_context_free(context);
    return NULL;
}

/* A block keeps the level it was made at, outlives its context and its tensors, and serves any number of threads at once. */
static void a_block_is_shared_by_threads_and_keeps_its_level(void **state) {
    (void)state;
    enum { THREADS = 8, BATCH = 2, TOKENS = 9, DIM = 20 };
    for (int32_t b = 0; b < backend_count; b++) {
        struct weights weights;
        tleg_block *block = NULL;
        tleg_context *context = support_context(&backends[b], 1);
        tleg_tensor *x = tokens_of(30, BATCH, TOKENS, DIM), *y = tokens_of(31, BATCH, TOKENS, DIM);
        weights_open(&weights, DIM, 50, 5, 0, true);
        OK(context, create(context, &weights, &block));
        weights_close(&weights);
        run(context, block, x, y);
        tleg_context_free(context);
        pthread_t threads[THREADS];
        struct thread each[THREADS];
        for (int i = 0; i < THREADS; i++) {
            each[i] = (struct thread){block, x, support_data(y), BATCH * TOKENS * DIM * sizeof(float), false};
            assert_int_equal(pthread_create(&threads[i], NULL, run_alone, &each[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            assert_true(each[i].good);
        }
        tleg_block_free(block);
        tleg_tensor_free(x);
        tleg_tensor_free(y);
    }
}

/* ---- what is refused ---- */

static void says(const char *part) {
    if (strstr(tleg_context_get_error(plain), part) == NULL) {
        fail_msg("\"%s\" does not hold \"%s\"", tleg_context_get_error(plain), part);
    }
}

/* Each tensor in turn with one row too many, one axis too many, as f64, and missing. */
static void a_wrong_tensor_is_named_with_what_was_expected(void **state) {
    (void)state;
    struct weights weights;
    weights_open(&weights, 20, 30, 5, 0, true);
    for (int i = 0; i < WEIGHTS; i++) {
        tleg_tensor *right = weights.w[i];
        bool gives_size = i == PROJ_W || i == FC1_W; /* another shape of these is another block: others are then wrong */
        int64_t shape[2];
        weight_shape(&weights, i, shape);
        int32_t rank = shape[1] > 0 ? 2 : 1;
        const int64_t shapes[][3] = {
            {shape[0] + 1, shape[1], 0}, {shape[0], rank == 2 ? shape[1] : 1, 1}, {shape[0], shape[1], 0}};
        const int32_t ranks[] = {rank, rank + 1, rank}, dtypes[] = {TLEG_F32, TLEG_F32, TLEG_F64};
        for (int wrong = 0; wrong < 4; wrong++) {
            weights.w[i] = NULL;
            if (wrong < 3) {
                OK(plain, tleg_tensor_create(plain, dtypes[wrong], ranks[wrong], shapes[wrong], &weights.w[i]));
            }
            if (wrong < 3 || i != QKV_B) {
                tleg_block *block = (tleg_block *)&weights;
                assert_int_equal(create(plain, &weights, &block), TLEG_ERROR_ARGUMENT);
                assert_null(block);
                if (wrong == 2 || !gives_size) {
                    says(weight_names[i]);
                }
                if (wrong < 3 && !gives_size) {
                    char expected[64];
                    snprintf(expected, sizeof expected, rank == 2 ? "expected F32 [%d, %d]" : "expected F32 [%d]",
                             (int)shape[0], (int)shape[1]);
                    says(expected);
                }
            }
            tleg_tensor_free(weights.w[i]);
        }
        weights.w[i] = right;
    }
    weights_close(&weights);
}

static void heads_and_eps_are_looked_at(void **state) {
    (void)state;
    struct weights weights;
    tleg_block *block = NULL;
    weights_open(&weights, 20, 30, 5, 0, true);
    static const int32_t heads[] = {0, -1, 3, 40, INT32_MIN, INT32_MAX};
    for (int i = 0; i < 6; i++) {
        char found[32];
        weights.heads = heads[i];
        assert_int_equal(create(plain, &weights, &block), TLEG_ERROR_ARGUMENT);
        snprintf(found, sizeof found, "heads is %d", heads[i]);
        says(found);
        says("20");
    }
    weights.heads = 5;
    static const double eps[] = {-1e-6, 1, INFINITY, NAN};
    for (int i = 0; i < 4; i++) {
        weights.eps = eps[i];
        assert_int_equal(create(plain, &weights, &block), TLEG_ERROR_ARGUMENT);
        says("eps");
    }
    weights_close(&weights);
}

/* A block of dim 20, tensors of all wrong kinds beside it. */
static void forward_takes_its_own_width_and_one_shape_for_both(void **state) {
    (void)state;
    struct weights weights;
    tleg_block *block = NULL;
    uint64_t bytes = 0;
    void *memory = NULL;
    weights_open(&weights, 20, 30, 5, 0, true);
    OK(plain, create(plain, &weights, &block));
    OK(plain, tleg_block_get_memory(plain, block, 2, 3, &bytes));
    assert_int_equal(posix_memalign(&memory, 64, bytes + 64), 0);
    tleg_tensor *x = tokens_of(1, 2, 3, 20), *y = tokens_of(2, 2, 3, 20);
    static const struct {
        int32_t dtype, rank;
        int64_t shape[4];
        const char *found;
    } wrong[] = {{TLEG_F32, 3, {2, 3, 21, 0}, "F32 [2, 3, 21]"},
                 {TLEG_F32, 2, {6, 20, 0, 0}, "F32 [6, 20]"},
                 {TLEG_F32, 4, {1, 2, 3, 20}, "F32 [1, 2, 3, 20]"},
                 {TLEG_F16, 3, {2, 3, 20, 0}, "F16 [2, 3, 20]"},
                 {TLEG_F64, 3, {2, 3, 20, 0}, "F64 [2, 3, 20]"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        tleg_tensor *other = NULL;
        OK(plain, tleg_tensor_create(plain, wrong[i].dtype, wrong[i].rank, wrong[i].shape, &other));
        for (int output = 0; output < 2; output++) {
            assert_int_equal(tleg_block_forward(plain, block, output ? x : other, output ? other : y, memory, bytes),
                             TLEG_ERROR_ARGUMENT);
            says(output ? "y is" : "x is");
            says(wrong[i].found);
            says("expected F32 [B, N, 20]");
        }
        tleg_tensor_free(other);
    }
    tleg_tensor *longer = tokens_of(3, 2, 4, 20), *none = NULL;
    assert_int_equal(tleg_block_forward(plain, block, x, longer, memory, bytes), TLEG_ERROR_ARGUMENT);
    says("y is F32 [2, 4, 20]");
    OK(plain, tleg_tensor_create(plain, TLEG_F32, 3, (const int64_t[]){0, 3, 20}, &none));
    assert_int_equal(tleg_block_forward(plain, block, none, none, memory, bytes), TLEG_ERROR_ARGUMENT);
    says("batch is 0");
    /* too small by one byte: told with the bytes, and y is as it was */
    float *before = support_values(2, 2 * 3 * 20, 2, 0.3);
    char expected[32];
    snprintf(expected, sizeof expected, "expected %llu", (unsigned long long)bytes);
    assert_int_equal(tleg_block_forward(plain, block, x, y, memory, bytes - 1), TLEG_ERROR_ARGUMENT);
    says(expected);
    assert_memory_equal(before, support_data(y), 2 * 3 * 20 * sizeof *before);
    OK(plain, tleg_block_forward(plain, block, x, y, memory, bytes));
    /* at any address, within the bytes that were told: the same bits */
    float *once = malloc(2 * 3 * 20 * sizeof *once);
    char *anywhere = malloc((size_t)bytes + 64);
    assert_true(once && anywhere);
    memcpy(once, support_data(y), 2 * 3 * 20 * sizeof *once);
    for (size_t past = 0; past < 64; past += 7) {
        memset(anywhere, 0x5a, (size_t)bytes + 64);
        OK(plain, tleg_block_forward(plain, block, x, y, anywhere + past, bytes));
        assert_memory_equal(once, support_data(y), 2 * 3 * 20 * sizeof *once);
        for (size_t i = 0; i < 64; i++) {
            assert_int_equal(i < past ? anywhere[i] : anywhere[(size_t)bytes + i], 0x5a);
        }
    }
    free(anywhere);
    free(once);
    assert_memory_not_equal(before, support_data(y), 2 * 3 * 20 * sizeof *before);
    free(before);
    free(memory);
    tleg_tensor *tensors[] = {x, y, longer, none};
    for (size_t i = 0; i < 4; i++) {
        tleg_tensor_free(tensors[i]);
    }
    tleg_block_free(block);
    weights_close(&weights);
}

static void TLEG_CALL delete_nothing(DLManagedTensorVersioned *managed) {
    (void)managed;
}

static void what_is_lent_read_only_is_no_output(void **state) {
    (void)state;
    struct weights weights;
    tleg_block *block = NULL;
    weights_open(&weights, 20, 30, 5, 0, true);
    OK(plain, create(plain, &weights, &block));
    tleg_tensor *x = tokens_of(1, 1, 2, 20), *y = tokens_of(2, 1, 2, 20), *lent = NULL;
    int64_t shape[] = {1, 2, 20};
    DLManagedTensorVersioned managed = {.version = {1, 0}, .deleter = delete_nothing, .flags = DLPACK_FLAG_BITMASK_READ_ONLY};
    managed.dl_tensor = (DLTensor){support_data(x), {kDLCPU, 0}, 3, {kDLFloat, 32, 1}, shape, NULL, 0};
    OK(plain, tleg_tensor_from_dlpack(plain, &managed, &lent));
    uint64_t bytes = 0;
    void *memory = NULL;
    OK(plain, tleg_block_get_memory(plain, block, 1, 2, &bytes));
    assert_int_equal(posix_memalign(&memory, 64, bytes), 0);
    float *before = support_values(1, 2 * 20, 2, 0.3);
    assert_int_equal(tleg_block_forward(plain, block, y, lent, memory, bytes), TLEG_ERROR_ARGUMENT);
    says("read-only");
    assert_int_equal(tleg_block_forward(plain, block, lent, lent, memory, bytes), TLEG_ERROR_ARGUMENT);
    assert_memory_equal(before, support_data(x), 2 * 20 * sizeof *before);
    OK(plain, tleg_block_forward(plain, block, lent, y, memory, bytes));
    free(before);
    free(memory);
    tleg_tensor_free(lent);
    tleg_tensor_free(x);
    tleg_tensor_free(y);
    tleg_block_free(block);
    weights_close(&weights);
}

static void sizes_that_cannot_be_are_refused_and_give_no_bytes(void **state) {
    (void)state;
    struct weights weights;
    tleg_block *block = NULL;
    weights_open(&weights, 20, 30, 5, 0, true);
    OK(plain, create(plain, &weights, &block));
    static const int64_t wrong[][2] = {{0, 1},         {1, 0},         {-1, 3},       {INT64_MAX, INT64_MAX},
                                       {1, INT64_MAX}, {INT64_MIN, 1}, {65536, 65536}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t bytes = 7;
        assert_int_equal(tleg_block_get_memory(plain, block, wrong[i][0], wrong[i][1], &bytes), TLEG_ERROR_ARGUMENT);
        assert_int_equal(bytes, 0);
        says("batch is");
    }
    tleg_block_free(block);
    weights_close(&weights);
}

/* ---- memory ---- */

static void each_allocation_may_fail_and_a_run_makes_none(void **state) {
    (void)state;
    for (int32_t b = 0; b < backend_count; b++) {
        struct counter counter;
        struct weights weights;
        support_counter(&counter);
        tleg_context_options options = support_counted(&counter);
        options.level = backends[b].level;
        options.gemm = backends[b].gemm;
        options.workers = 2;
        tleg_context *context = NULL;
        tleg_block *block = NULL;
        assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
        weights_open(&weights, 20, 30, 5, 0, true);
        long long live = atomic_load(&counter.live), start = atomic_load(&counter.calls);
        OK(context, create(context, &weights, &block));
        long long calls = atomic_load(&counter.calls) - start;
        assert_true(calls > 0);
        tleg_tensor *x = tokens_of(1, 2, 9, 20), *y = tokens_of(2, 2, 9, 20);
        start = atomic_load(&counter.calls);
        run(context, block, x, y);
        assert_int_equal(atomic_load(&counter.calls), start);
        tleg_block_free(block);
        assert_int_equal(atomic_load(&counter.live), live);
        for (long long k = 1; k <= calls; k++) {
            atomic_store(&counter.fail_at, atomic_load(&counter.calls) + k);
            block = (tleg_block *)&weights;
            assert_int_equal(create(context, &weights, &block), TLEG_ERROR_MEMORY);
            assert_null(block);
            assert_non_null(strstr(tleg_context_get_error(context), "block"));
            assert_int_equal(atomic_load(&counter.live), live);
        }
        weights_close(&weights);
        tleg_tensor_free(x);
        tleg_tensor_free(y);
        tleg_context_free(context);
        assert_int_equal(atomic_load(&counter.live), 0);
        assert_int_equal(atomic_load(&counter.wrong), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_its_formula_at_any_size),
        cmocka_unit_test(bits_do_not_depend_on_threads_batch_or_place),
        cmocka_unit_test(no_eps_means_1e_5),
        cmocka_unit_test(a_block_is_shared_by_threads_and_keeps_its_level),
        cmocka_unit_test(a_wrong_tensor_is_named_with_what_was_expected),
        cmocka_unit_test(heads_and_eps_are_looked_at),
        cmocka_unit_test(forward_takes_its_own_width_and_one_shape_for_both),
        cmocka_unit_test(what_is_lent_read_only_is_no_output),
        cmocka_unit_test(sizes_that_cannot_be_are_refused_and_give_no_bytes),
        cmocka_unit_test(each_allocation_may_fail_and_a_run_makes_none),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
