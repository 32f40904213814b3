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
    struct tleg_exec exec = {.kernels = kernels, .team = team, .lanes = lanes, .lane_bytes = need.lane};
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

/* ---- gradients with two places to go ---- */

struct places {
    int64_t count;
    float *base, *ilayer, *base_before, *ilayer_before;
    struct tleg_gradient gradient;
};

static inline struct places places_make(int64_t count, bool ilayer) {
    struct places p = {.count = count, .base = floats(count)};
    p.base_before = copy_of(p.base, count);
    p.ilayer = ilayer ? floats(count) : NULL;
    p.ilayer_before = ilayer ? copy_of(p.ilayer, count) : NULL;
    p.gradient = (struct tleg_gradient){.base = p.base, .ilayer = p.ilayer, .c = 0.375F};
    return p;
}

/* Back to what was there before. */
static inline void places_reset(struct places *p) {
    memcpy(p->base, p->base_before, (size_t)p->count * sizeof *p->base);
    if (p->ilayer)
        memcpy(p->ilayer, p->ilayer_before, (size_t)p->count * sizeof *p->ilayer);
}

/* base has t more than before, ilayer c * t. */
static inline void places_check(const struct places *p, const double *t, double tolerance, const char *what) {
    double *want = doubles(p->count);
    for (int64_t i = 0; i < p->count; i++)
        want[i] = (double)p->base_before[i] + t[i];
    assert_near(p->base, want, p->count, tolerance, what);
    for (int64_t i = 0; p->ilayer && i < p->count; i++)
        want[i] = (double)p->ilayer_before[i] + (double)p->gradient.c * t[i];
    if (p->ilayer)
        assert_near(p->ilayer, want, p->count, tolerance, what);
    free(want);
}

static inline void places_same(const struct places *a, const struct places *b, const char *what) {
    assert_same_bits(a->base, b->base, a->count, what);
    if (a->ilayer)
        assert_same_bits(a->ilayer, b->ilayer, a->count, what);
}

/* The same as before the gradient was added. */
static inline struct places places_twin(const struct places *p) {
    struct places twin = *p;
    twin.base = copy_of(p->base_before, p->count);
    twin.base_before = copy_of(p->base_before, p->count);
    if (p->ilayer) {
        twin.ilayer = copy_of(p->ilayer_before, p->count);
        twin.ilayer_before = copy_of(p->ilayer_before, p->count);
    }
    twin.gradient.base = twin.base;
    twin.gradient.ilayer = twin.ilayer;
    return twin;
}

static inline void places_free(struct places *p) {
    free(p->base);
    free(p->ilayer);
    free(p->base_before);
    free(p->ilayer_before);
}

static inline int setup(void **state) {
    (void)state;
    tleg_random_seed(&numbers, 11, 0);
    tleg_context_options options = {.struct_size = sizeof options, .workers = LANES};
    if (tleg_team_create(&tleg_default_allocator, &options, &team) != TLEG_OK)
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
