/* What the suites of the kernels' gradients share: every level that this machine has, scratch of the size that was told and
 * full of NaN, and gradients with two places to go. */
#ifndef TLEG_TESTS_GRADIENTS_H
#define TLEG_TESTS_GRADIENTS_H

#include "kernels/kernels.h"
#include "support/support.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 3 };

static const struct tleg_kernels *tables[MAX_BACKENDS];
static int table_count;
static struct tleg_team *team;
static struct tleg_random numbers;

/* Exactly as many as asked for: a sanitizer sees one that is too many. */
static inline float *floats(int64_t count) {
    float *x = malloc((size_t)(count ? count : 1) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)tleg_random_normal(&numbers, 4);
    return x;
}

static inline float *copy_of(const float *x, int64_t count) {
    float *copy = floats(count);
    memcpy(copy, x, (size_t)count * sizeof *x);
    return copy;
}

static inline double *doubles(int64_t count) {
    double *x = calloc((size_t)(count > 0 ? count : 1), sizeof *x);
    assert_non_null(x);
    return x;
}

static inline int64_t any(int64_t most) {
    return 1 + (int64_t)(tleg_random_next(&numbers) % (uint64_t)most);
}

static inline struct tleg_exec exec_make(const struct tleg_kernels *kernels, struct tleg_scratch need, int32_t lanes) {
    assert_true(need.shared % TLEG_ALIGN == 0 && need.lane % TLEG_ALIGN == 0);
    struct tleg_exec exec = {
        .kernels = kernels, .blas = {.sgemm = support_sgemm}, .team = team, .lanes = lanes, .lane_bytes = need.lane};
    exec.shared = need.shared ? aligned_alloc(TLEG_ALIGN, need.shared) : NULL;
    exec.lane = need.lane ? aligned_alloc(TLEG_ALIGN, need.lane * (size_t)lanes) : NULL;
    if (exec.shared) /* NaN: what is read before it is written must not pass unseen */
        memset(exec.shared, 0xFF, need.shared);
    if (exec.lane)
        memset(exec.lane, 0xFF, need.lane * (size_t)lanes);
    return exec;
}

static inline void exec_free(struct tleg_exec *exec) {
    free(exec->shared);
    free(exec->lane);
}

static inline void assert_near(const float *got, const double *want, int64_t count, double tolerance, const char *what) {
    for (int64_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - want[i]) <= tolerance * (1 + fabs(want[i]))))
            fail_msg("%s: element %d is %.9g, expected %.9g", what, (int)i, (double)got[i], want[i]);
}

static inline void assert_same_bits(const float *a, const float *b, int64_t count, const char *what) {
    if (memcmp(a, b, (size_t)count * sizeof *a) != 0)
        fail_msg("%s: bits differ", what);
}

static inline double gelu_of(double x) {
    return x * 0.5 * erfc(-x / sqrt(2));
}

static inline double gelu_slope_of(double x) {
    return 0.5 * erfc(-x / sqrt(2)) + x * exp(-x * x / 2) / sqrt(2 * acos(-1));
}

/* ---- gradients with several places to go ---- */

struct places {
    int64_t count;
    float *before[TLEG_MAX_BASIS];
    struct tleg_gradient gradient;
};

/* As many places as the i-th product, say, has. */
static inline int32_t places_of(int i) {
    static const int32_t counts[] = {1, 2, 3, 4, 16};
    return counts[i % 5];
}

static inline struct places places_make(int64_t count, int32_t places) {
    struct places p = {.count = count, .gradient.count = places};
    for (int32_t j = 0; j < places; j++) {
        p.gradient.tensor[j] = floats(count);
        p.gradient.c[j] = j == 0 ? 1 : (j % 2 ? 0.375F : -0.75F) / (float)j;
        p.before[j] = copy_of(p.gradient.tensor[j], count);
    }
    return p;
}

/* Back to what was there before. */
static inline void places_reset(struct places *p) {
    for (int32_t j = 0; j < p->gradient.count; j++)
        memcpy(p->gradient.tensor[j], p->before[j], (size_t)p->count * sizeof *p->before[j]);
}

/* Place j has c[j] * t more than before. */
static inline void places_check(const struct places *p, const double *t, double tolerance, const char *what) {
    double *want = doubles(p->count);
    for (int32_t j = 0; j < p->gradient.count; j++) {
        for (int64_t i = 0; i < p->count; i++)
            want[i] = (double)p->before[j][i] + (double)p->gradient.c[j] * t[i];
        assert_near(p->gradient.tensor[j], want, p->count, tolerance, what);
    }
    free(want);
}

static inline void places_same(const struct places *a, const struct places *b, const char *what) {
    for (int32_t j = 0; j < a->gradient.count; j++)
        assert_same_bits(a->gradient.tensor[j], b->gradient.tensor[j], a->count, what);
}

/* The same as before the gradient was added. */
static inline struct places places_twin(const struct places *p) {
    struct places twin = *p;
    for (int32_t j = 0; j < p->gradient.count; j++) {
        twin.gradient.tensor[j] = copy_of(p->before[j], p->count);
        twin.before[j] = copy_of(p->before[j], p->count);
    }
    return twin;
}

static inline void places_free(struct places *p) {
    for (int32_t j = 0; j < p->gradient.count; j++) {
        free(p->gradient.tensor[j]);
        free(p->before[j]);
    }
}

static inline int setup(void **state) {
    (void)state;
    tleg_random_seed(&numbers, 11, 0);
    tleg_context_options options = {.struct_size = sizeof options, .workers = LANES};
    if (tleg_team_create(NULL, &tleg_default_allocator, &options, &team) != TLEG_OK)
        return -1;
    struct backend backends[MAX_BACKENDS];
    table_count = support_backends(backends);
    for (int i = 0; i < table_count; i++) {
        printf("%s\n", backends[i].name);
        tables[i] = tleg_kernels_find(backends[i].level, backends[i].gemm);
    }
    return 0;
}

static inline int teardown(void **state) {
    (void)state;
    tleg_team_free(team);
    return 0;
}

#endif
