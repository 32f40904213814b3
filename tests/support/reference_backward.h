/* Operations as plain loops in double over arguments in double, so that central differences give the gradient by each. */
#ifndef TLEG_TESTS_REFERENCE_BACKWARD_H
#define TLEG_TESTS_REFERENCE_BACKWARD_H

#include "support/reference_forward.h"
#include <string.h>

/* ---- a problem: an operation, its arguments, and a gradient that comes in ---- */

enum op { LAYERNORM, LINEAR, GELU, MLP, ATTENTION, PATCH, TOKENS, POOL, LABELS, SOFT, DISTILL, BLOCK, OPS };
static const char *const op_names[OPS] = {"layernorm", "linear", "gelu",   "mlp",  "attention",    "patch embedding",
                                          "tokens",    "pool",   "labels", "soft", "distillation", "block"};

/* batch, tokens, dim, hidden, heads; image = side of the images, patch = side of a patch, prefix tokens, classes = dim */
struct sizes {
    int64_t batch, tokens, dim, hidden, heads, image, patch, prefix;
    int64_t wide, across; /* widths of images and of patches that are not square; 0: they are */
};

enum { MAX_ARGUMENTS = 13 };
struct argument {
    int32_t rank;
    int64_t shape[4];
    size_t count;
    bool fixed; /* no gradient by it */
    tleg_tensor *value, *gradient;
    double *at; /* the same numbers */
};
struct problem {
    enum op op;
    struct sizes s;
    bool with_bias;
    int arguments;
    struct argument argument[MAX_ARGUMENTS];
    int32_t out_rank;
    int64_t out_shape[3];
    size_t outs;
    tleg_tensor *dy, *labels;
    double eps, tau, smoothing;
};

static inline size_t product_of(int32_t rank, const int64_t *shape) {
    size_t count = 1;
    for (int32_t i = 0; i < rank; i++) {
        count *= (size_t)shape[i];
    }
    return count;
}

/* ---- formulas ---- */

static inline void reference_patches(const struct sizes *s, const double *images, const double *w, const double *bias,
                                     double *y) {
    const int64_t high = s->patch, across = s->across ? s->across : high, wide = s->wide ? s->wide : s->image;
    const int64_t columns = wide / across, count = s->image / high * columns;
    for (int64_t b = 0; b < s->batch; b++) {
        for (int64_t p = 0; p < count; p++) {
            for (int64_t d = 0; d < s->dim; d++) {
                double sum = bias != NULL ? bias[d] : 0;
                for (int64_t i = 0; i < 3 * high * across; i++) {
                    int64_t channel = i / (high * across), row = p / columns * high + i / across % high;
                    int64_t column = p % columns * across + i % across;
                    sum += images[((b * 3 + channel) * s->image + row) * wide + column] * w[d * 3 * high * across + i];
                }
                y[(b * count + p) * s->dim + d] = sum;
            }
        }
    }
}

static inline void reference_tokens(const struct sizes *s, const double *patches, const double *tokens, const double *pos,
                                    double *y) {
    int64_t all = s->prefix + s->tokens, dim = s->dim;
    for (int64_t b = 0; b < s->batch; b++) {
        for (int64_t i = 0; i < all * dim; i++) {
            double own = i < s->prefix * dim ? tokens[i] : patches[b * s->tokens * dim + i - s->prefix * dim];
            y[b * all * dim + i] = own + pos[i];
        }
    }
}

static inline void reference_pool(const struct sizes *s, const double *x, double *y) {
    for (int64_t b = 0; b < s->batch; b++) {
        for (int64_t i = 0; i < s->dim; i++) {
            double sum = 0;
            for (int64_t r = s->prefix; r < s->tokens; r++) {
                sum += x[(b * s->tokens + r) * s->dim + i];
            }
            y[b * s->dim + i] = sum / (double)(s->tokens - s->prefix);
        }
    }
}

static inline double reference_log_softmax(size_t classes, const double *z, double tau, size_t c) {
    double sum = 0;
    for (size_t k = 0; k < classes; k++) {
        sum += exp((z[k] - z[c]) / tau);
    }
    return -log(sum);
}

/* q: a row of targets for each row of logits; -sum q log softmax, the mean over the rows */
static inline double reference_entropy(size_t rows, size_t classes, const double *logits, const double *q) {
    double loss = 0;
    for (size_t i = 0; i < rows * classes; i++) {
        loss -= q[i] * reference_log_softmax(classes, logits + i / classes * classes, 1, i % classes) / (double)rows;
    }
    return loss;
}

static inline double reference_distill(size_t rows, size_t classes, const double *student, const double *teacher, double tau) {
    double loss = 0;
    for (size_t i = 0; i < rows * classes; i++) {
        size_t row = i / classes * classes, c = i % classes;
        double s = reference_log_softmax(classes, student + row, tau, c),
               t = reference_log_softmax(classes, teacher + row, tau, c);
        loss += tau * tau * exp(t) * (t - s) / (double)(rows * classes);
    }
    return loss;
}

static inline double reference_labels(const struct problem *p, const double *logits) {
    size_t rows = (size_t)p->s.batch, classes = (size_t)p->s.dim;
    double *q = support_doubles(rows * classes);
    tleg_tensor_info info = {.struct_size = sizeof info};
    assert_int_equal(tleg_tensor_get_info(NULL, p->labels, &info), TLEG_OK);
    for (size_t i = 0; i < rows * classes; i++) {
        q[i] = p->smoothing / (double)classes;
        q[i] += ((const int64_t *)info.data)[i / classes] == (int64_t)(i % classes) ? 1 - p->smoothing : 0;
    }
    double loss = reference_entropy(rows, classes, logits, q);
    free(q);
    return loss;
}

/* The operation's output from the arguments in double. */
static inline void problem_forward(const struct problem *p, double *y) {
    const struct sizes *s = &p->s;
    double *a[MAX_ARGUMENTS];
    for (int i = 0; i < MAX_ARGUMENTS; i++) {
        a[i] = p->argument[i].at;
    }
    size_t rows = (size_t)(s->batch * s->tokens), dim = (size_t)s->dim, hidden = (size_t)s->hidden;
    switch (p->op) {
    case LAYERNORM:
        reference_layernorm(rows, dim, a[0], a[1], a[2], p->eps, y);
        break;
    case LINEAR:
        reference_linear(rows, hidden, dim, a[0], a[1], a[2], y);
        break;
    case GELU:
        memcpy(y, a[0], rows * dim * sizeof *y);
        reference_gelu(rows * dim, y);
        break;
    case MLP:
        reference_mlp(rows, dim, hidden, a[0], a[1], a[2], a[3], a[4], y);
        break;
    case ATTENTION:
        reference_attention((size_t)s->batch, (size_t)s->tokens, dim, (size_t)s->heads, a[0], y);
        break;
    case PATCH:
        reference_patches(s, a[0], a[1], a[2], y);
        break;
    case TOKENS:
        reference_tokens(s, a[0], a[1], a[2], y);
        break;
    case POOL:
        reference_pool(s, a[0], y);
        break;
    case LABELS:
        *y = reference_labels(p, a[0]);
        break;
    case SOFT:
        *y = reference_entropy((size_t)s->batch, dim, a[0], a[1]);
        break;
    case DISTILL:
        *y = reference_distill((size_t)s->batch, dim, a[0], a[1], p->tau);
        break;
    default:
        reference_block((size_t)s->batch, (size_t)s->tokens, dim, dim, (size_t)s->heads, hidden, a[0], a + 1, p->eps, y);
    }
}

/* sum of dy * y: the loss whose gradients are asked for */
static inline double problem_weighted_sum(const struct problem *p) {
    double *y = support_doubles(p->outs), sum = 0;
    problem_forward(p, y);
    for (size_t i = 0; i < p->outs; i++) {
        sum += y[i] * (p->dy != NULL ? (double)support_data(p->dy)[i] : 1);
    }
    free(y);
    return sum;
}

/* ---- central differences: (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h, exact to h^4 ---- */

static inline double slope_by(const struct problem *p, double *at, size_t count, const double *direction) {
    const double h = 1e-3, steps[] = {1, -1, 2, -2}, weights[] = {8, -8, -1, 1};
    double *kept = support_doubles(count), sum = 0;
    memcpy(kept, at, count * sizeof *at);
    for (int k = 0; k < 4; k++) {
        for (size_t i = 0; i < count; i++) {
            at[i] = kept[i] + steps[k] * h * direction[i];
        }
        sum += weights[k] * problem_weighted_sum(p);
    }
    memcpy(at, kept, count * sizeof *at);
    free(kept);
    return sum / (12 * h);
}

/* The whole gradient by one argument. Free with free(). */
static inline double *slope_gradient(const struct problem *p, const struct argument *a) {
    double *gradient = support_doubles(a->count), one = 1;
    for (size_t i = 0; i < a->count; i++) {
        gradient[i] = slope_by(p, a->at + i, 1, &one);
    }
    return gradient;
}

/* ---- making problems ---- */

static inline void problem_argument(struct problem *p, tleg_context *context, bool there, double scale, double offset,
                                    int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d) {
    int index = p->arguments++;
    struct argument *to = &p->argument[index];
    *to = (struct argument){.rank = rank, .shape = {a, b, c, d}};
    if (!there) {
        return;
    }
    to->count = product_of(rank, to->shape);
    float *values = support_values((uint64_t)index + 1, to->count, scale, offset);
    to->at = support_doubles(to->count);
    for (size_t i = 0; i < to->count; i++) {
        to->at[i] = (double)values[i];
    }
    to->value = support_wrap(context, values, rank, a, b, c, d);
}

static inline void problem_linear(struct problem *p, tleg_context *context, int64_t n, int64_t k, bool bias) {
    problem_argument(p, context, true, 1.5 / sqrt((double)k), 0, 2, n, k, 0, 0);
    problem_argument(p, context, bias, 0.5, 0, 1, n, 0, 0, 0);
}

static inline void problem_norm(struct problem *p, tleg_context *context, int64_t dim) {
    problem_argument(p, context, true, 0.5, 1, 1, dim, 0, 0, 0);
    problem_argument(p, context, true, 0.5, 0, 1, dim, 0, 0, 0);
}

static inline void problem_block(struct problem *p, tleg_context *context) {
    const struct sizes *s = &p->s;
    problem_norm(p, context, s->dim);
    problem_linear(p, context, 3 * s->dim, s->dim, p->with_bias);
    problem_linear(p, context, s->dim, s->dim, true);
    problem_norm(p, context, s->dim);
    problem_linear(p, context, s->hidden, s->dim, true);
    problem_linear(p, context, s->dim, s->hidden, true);
}

/* Rows of targets that sum to 1. */
static inline void problem_targets(struct problem *p) {
    struct argument *q = &p->argument[1];
    size_t classes = (size_t)p->s.dim;
    for (size_t r = 0; r < (size_t)p->s.batch; r++) {
        double sum = 0;
        for (size_t c = 0; c < classes; c++) {
            sum += fabs(q->at[r * classes + c]);
        }
        for (size_t c = 0; c < classes; c++) {
            float share = (float)(fabs(q->at[r * classes + c]) / sum);
            support_data(q->value)[r * classes + c] = share;
            q->at[r * classes + c] = (double)share;
        }
    }
}

static inline void problem_loss(struct problem *p, tleg_context *context) {
    int64_t batch = p->s.batch, classes = p->s.dim, *labels = malloc((size_t)(batch + 1) * sizeof *labels);
    assert_non_null(labels);
    problem_argument(p, context, true, 3, 0, 2, batch, classes, 0, 0);
    problem_argument(p, context, p->op != LABELS, 3, 0, 2, batch, classes, 0, 0);
    p->argument[1].fixed = true;
    for (int64_t r = 0; r < batch; r++) {
        labels[r] = (r * 7 + 1) % classes;
    }
    OK(context, tleg_tensor_wrap(context, TLEG_I64, 1, &batch, labels, free, labels, &p->labels));
    p->out_rank = 0;
    if (p->op == SOFT) {
        problem_targets(p);
    }
}

static inline void problem_out(struct problem *p, int32_t rank, int64_t a, int64_t b, int64_t c) {
    p->out_rank = rank;
    p->out_shape[0] = a;
    p->out_shape[1] = b;
    p->out_shape[2] = c;
}

static inline void problem_arguments(struct problem *p, tleg_context *context) {
    const struct sizes *s = &p->s;
    const int64_t wide = s->wide ? s->wide : s->image, across = s->across ? s->across : s->patch;
    problem_out(p, 3, s->batch, s->tokens, s->dim);
    if (p->op == PATCH) {
        problem_argument(p, context, true, 2, 0, 4, s->batch, 3, s->image, wide);
        problem_argument(p, context, true, 0.3, 0, 4, s->dim, 3, s->patch, across);
        problem_argument(p, context, p->with_bias, 0.5, 0, 1, s->dim, 0, 0, 0);
        problem_out(p, 3, s->batch, s->image / s->patch * (wide / across), s->dim);
        return;
    }
    problem_argument(p, context, true, 2, 0.3, 3, s->batch, s->tokens, p->op == ATTENTION ? 3 * s->dim : s->dim, 0);
    if (p->op == LAYERNORM) {
        problem_norm(p, context, s->dim);
    } else if (p->op == LINEAR) {
        problem_linear(p, context, s->hidden, s->dim, p->with_bias);
        problem_out(p, 3, s->batch, s->tokens, s->hidden);
    } else if (p->op == MLP) {
        problem_linear(p, context, s->hidden, s->dim, p->with_bias);
        problem_linear(p, context, s->dim, s->hidden, p->with_bias);
    } else if (p->op == TOKENS) {
        problem_argument(p, context, s->prefix > 0, 1, 0, 2, s->prefix, s->dim, 0, 0);
        problem_argument(p, context, true, 1, 0, 2, s->prefix + s->tokens, s->dim, 0, 0);
        problem_out(p, 3, s->batch, s->prefix + s->tokens, s->dim);
    } else if (p->op == POOL) {
        problem_out(p, 2, s->batch, s->dim, 0);
    } else if (p->op == BLOCK) {
        problem_block(p, context);
    }
}

/* Gradients by what is not there are not asked for; those that are begin as garbage where they are written, as 0 where they are
 * added to. */
static inline void problem_open(struct problem *p, tleg_context *context, enum op op, const struct sizes *sizes,
                                bool with_bias) {
    *p = (struct problem){.op = op, .s = *sizes, .with_bias = with_bias, .eps = 1e-3, .tau = 2.5, .smoothing = 0.1};
    if (op >= LABELS && op <= DISTILL) {
        problem_loss(p, context);
    } else {
        problem_arguments(p, context);
    }
    p->outs = product_of(p->out_rank, p->out_shape);
    if (p->out_rank > 0) {
        p->dy = support_wrap(context, support_values(99, p->outs, 1, 0), p->out_rank, p->out_shape[0], p->out_shape[1],
                             p->out_shape[2], 0);
    }
    for (int i = 0; i < p->arguments; i++) {
        struct argument *a = &p->argument[i];
        if (a->value != NULL && !a->fixed) {
            float *values = support_values(50, a->count, i == 0 ? 1e9 : 0, 0);
            a->gradient = support_wrap(context, values, a->rank, a->shape[0], a->shape[1], a->shape[2], a->shape[3]);
        }
    }
}

static inline void problem_close(struct problem *p) {
    for (int i = 0; i < p->arguments; i++) {
        tleg_tensor_free(p->argument[i].value);
        tleg_tensor_free(p->argument[i].gradient);
        free(p->argument[i].at);
    }
    tleg_tensor_free(p->dy);
    tleg_tensor_free(p->labels);
}

/* ---- one call of any operation ---- */

static inline tleg_status problem_run_block(tleg_context *context, const struct problem *p, tleg_tensor *const *g) {
    const struct argument *a = p->argument;
    tleg_block_options options = {.struct_size = sizeof options,
                                  .heads = (int32_t)p->s.heads,
                                  .eps = p->eps,
                                  .norm1_weight = a[1].value,
                                  .norm1_bias = a[2].value,
                                  .qkv_weight = a[3].value,
                                  .qkv_bias = a[4].value,
                                  .proj_weight = a[5].value,
                                  .proj_bias = a[6].value,
                                  .norm2_weight = a[7].value,
                                  .norm2_bias = a[8].value,
                                  .fc1_weight = a[9].value,
                                  .fc1_bias = a[10].value,
                                  .fc2_weight = a[11].value,
                                  .fc2_bias = a[12].value};
    tleg_block_gradients gradients = {.struct_size = sizeof gradients,
                                      .norm1_weight = g[1],
                                      .norm1_bias = g[2],
                                      .qkv_weight = g[3],
                                      .qkv_bias = g[4],
                                      .proj_weight = g[5],
                                      .proj_bias = g[6],
                                      .norm2_weight = g[7],
                                      .norm2_bias = g[8],
                                      .fc1_weight = g[9],
                                      .fc1_bias = g[10],
                                      .fc2_weight = g[11],
                                      .fc2_bias = g[12]};
    tleg_block *block = NULL;
    tleg_status status = tleg_block_create(context, &options, &block);
    if (status) {
        return status;
    }
    uint64_t bytes = 0;
    OK(context, tleg_block_get_backward_memory(context, block, p->s.batch, p->s.tokens, &bytes));
    void *workspace = malloc((size_t)bytes); /* so many and no more: a sanitizer sees the next */
    assert_non_null(workspace);
    memset(workspace, 0xff, (size_t)bytes);
    status = tleg_block_backward(context, block, a[0].value, p->dy, g[0], &gradients, workspace, bytes);
    free(workspace);
    tleg_block_free(block);
    return status;
}

static inline tleg_status problem_run_into(tleg_context *context, const struct problem *p, tleg_tensor *const *g,
                                           double *loss) {
    const struct argument *a = p->argument;
    switch (p->op) {
    case LAYERNORM:
        return tleg_layernorm_backward(context, a[0].value, a[1].value, p->eps, p->dy, g[0], g[1], g[2]);
    case LINEAR:
        return tleg_linear_backward(context, a[0].value, a[1].value, p->dy, g[0], g[1], g[2]);
    case GELU:
        return tleg_gelu_backward(context, a[0].value, p->dy, g[0]);
    case MLP:
        return tleg_mlp_backward(context, a[0].value, a[1].value, a[2].value, a[3].value, p->dy, g[0], g[1], g[2], g[3], g[4]);
    case ATTENTION:
        return tleg_attention_backward(context, a[0].value, (int32_t)p->s.heads, p->dy, g[0]);
    case PATCH:
        return tleg_patch_embed_backward(context, a[0].value, a[1].value, p->dy, g[0], g[1], g[2]);
    case TOKENS:
        return tleg_tokens_backward(context, p->dy, g[0], g[1], g[2]);
    case POOL:
        return tleg_mean_pool_backward(context, p->dy, (int32_t)p->s.prefix, g[0]);
    case LABELS:
        return tleg_cross_entropy(context, a[0].value, p->labels, p->smoothing, loss, g[0]);
    case SOFT:
        return tleg_cross_entropy(context, a[0].value, a[1].value, 0, loss, g[0]);
    case DISTILL:
        return tleg_distillation(context, a[0].value, a[1].value, p->tau, loss, g[0]);
    default:
        return problem_run_block(context, p, g);
    }
}

/* The gradients whose bit is set in `wanted`. */
static inline tleg_status problem_run(tleg_context *context, const struct problem *p, unsigned wanted, double *loss) {
    tleg_tensor *g[MAX_ARGUMENTS];
    for (int i = 0; i < MAX_ARGUMENTS; i++) {
        g[i] = wanted >> i & 1 ? p->argument[i].gradient : NULL;
    }
    return problem_run_into(context, p, g, loss);
}
enum { ALL = (1 << MAX_ARGUMENTS) - 1 };

static inline void problem_reset(const struct problem *p) {
    for (int i = 0; i < p->arguments; i++) {
        const struct argument *a = &p->argument[i];
        if (a->gradient != NULL) {
            memset(support_data(a->gradient), i == 0 ? 0xff : 0, a->count * sizeof(float));
        }
    }
}

static inline float *gradient_copy(const struct argument *a) {
    float *copy = malloc(a->count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, support_data(a->gradient), a->count * sizeof *copy);
    return copy;
}

/* ---- sizes: one of each, primes, around the tiles', a real one ---- */

static const struct sizes small[] = {
    {.batch = 1, .tokens = 1, .dim = 1, .hidden = 1, .heads = 1, .image = 1, .patch = 1, .prefix = 0},
    {.batch = 2, .tokens = 3, .dim = 5, .hidden = 7, .heads = 1, .image = 6, .patch = 2, .prefix = 1},
    {.batch = 3, .tokens = 5, .dim = 12, .hidden = 17, .heads = 3, .image = 9, .patch = 3, .prefix = 2},
    {.batch = 1, .tokens = 17, .dim = 8, .hidden = 33, .heads = 8, .image = 8, .patch = 8, .prefix = 1},
    {.batch = 2, .tokens = 4, .dim = 6, .hidden = 5, .heads = 2, .image = 6, .patch = 2, .prefix = 1, .wide = 20, .across = 5},
    {.batch = 5, .tokens = 2, .dim = 18, .hidden = 3, .heads = 2, .image = 5, .patch = 1, .prefix = 0},
};
static const struct sizes large[] = {
    {.batch = 2, .tokens = 65, .dim = 36, .hidden = 130, .heads = 2, .image = 32, .patch = 4, .prefix = 1},
    {.batch = 5, .tokens = 33, .dim = 64, .hidden = 31, .heads = 4, .image = 28, .patch = 7, .prefix = 2},
    {.batch = 1, .tokens = 197, .dim = 48, .hidden = 96, .heads = 3, .image = 56, .patch = 14, .prefix = 0},
    {.batch = 7, .tokens = 160, .dim = 24, .hidden = 40, .heads = 1, .image = 12, .patch = 3, .prefix = 1},
};
enum { SMALL = sizeof small / sizeof small[0], LARGE = sizeof large / sizeof large[0] };

#endif
