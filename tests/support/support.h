/* What the suites share: the ways of computing that this machine has, the golden cases, numbers and files. */
#ifndef TLEG_TESTS_SUPPORT_H
#define TLEG_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* after the headers that it needs */
#include <cmocka.h>
#include <tleg/augment.h>
#include <tleg/generate.h>
#include <tleg/linearize.h>
#include <tleg/onnx.h>
#include <tleg/tleg.h>
#include <tleg/train.h>

#include "support/counter.h"
#include "support/sgemm.h"
#include "support/skip.h"

#include "support/open_with.h"

/* ---- ways of computing ---- */
/* One processor level with our own kernels, or the BLAS of support_sgemm. */
struct backend {
    int32_t level, gemm;
    const char *name;
};
enum { MAX_BACKENDS = 8 };
/* Those of this build on this machine; when the environment variable TLEG_TEST_LEVELS is set, those of them that it names
 * ("portable,avx2"). */
int32_t support_backends(struct backend backends[MAX_BACKENDS]);
/* A context of its own for a backend; the test fails if there is none. */
tleg_context *support_context(const struct backend *backend, int32_t workers);

/* A program's argument chooses tests by a pattern: test_golden 'logits*'. One that matches none fails. */
void support_filter(int argc, char **argv);
bool support_is_matched(const struct CMUnitTest *tests, size_t count);
#undef cmocka_run_group_tests
#define cmocka_run_group_tests(tests, setup, teardown)                                                                         \
    (support_is_matched(tests, sizeof(tests) / sizeof *(tests)) ? cmocka_run_group_tests_name(#tests, tests, setup, teardown)  \
                                                                : 1)

/* tleg_session_run with arrays of just the size that the batch needs. */
tleg_status support_run(tleg_session *session, const float *images, int64_t batch, float *logits, float *features);

/* A picture prepared, or augmented, as a configuration says, into an array of just the size. */
tleg_status support_preparation(tleg_context *context, const tleg_config *config, tleg_preparation **preparation);
tleg_status support_prepare(tleg_context *context, const tleg_image *image, const tleg_config *config, float *out);
tleg_status support_augment(tleg_context *context, const tleg_image *image, const tleg_config *config,
                            const tleg_augment_options *options, uint64_t seed, float *out);
/* tleg_augment_mix with arrays of just the size. */
tleg_status support_mix(tleg_context *context, const tleg_mix_options *options, uint64_t seed, int64_t batch, int32_t size,
                        float *images, const int64_t *labels, float *targets);

/* Fails the test with the context's error text unless `call` is TLEG_OK. */
#define OK(context, call) support_ok(call, #call, tleg_context_get_error(context), __FILE__, __LINE__)
#define OK_SESSION(session, call) support_ok(call, #call, tleg_session_get_error(session), __FILE__, __LINE__)
void support_ok(tleg_status status, const char *call, const char *text, const char *file, int line);

/* ---- golden cases: tests/golden, written by tests/fixtures/make.sh ---- */
struct golden {
    char name[40], gene[40];
    int32_t images; /* their size, which names the file */
    int32_t depth, timm, image, half;
};
enum { MAX_GOLDEN = 64, GOLDEN_BATCH = 5, GOLDEN_CLASSES = 5 };
int32_t support_golden(struct golden cases[MAX_GOLDEN]);
/* tests/golden/NAME + ending; in a static buffer of which four rotate. */
const char *support_path(const char *name, const char *ending);
tleg_learngene *support_gene(tleg_context *context, const char *gene);
tleg_expander *support_expander(tleg_context *context, const struct golden *golden, int32_t dtype);
/* The case's images (5, 3, size, size). Free with tleg_tensor_free; *data points into it. */
tleg_tensor *support_images(tleg_context *context, int32_t size, const float **data);
tleg_tensor *support_tensor(tleg_context *context, const char *path, const char *name, const float **data, size_t *count);
/* The width of a case's features. */
int32_t support_dim(const tleg_expander *expander, tleg_context *context);

/* ---- numbers and tensors ---- */
/* Values in (-scale, scale) plus an offset, from a seed. Memory of malloc, exactly so many: one too far is seen by sanitizers.
 */
float *support_values(uint64_t seed, size_t count, double scale, double offset);
/* Zeros, of malloc. */
double *support_doubles(size_t count);
/* A tensor of f32 that owns `values`, which came from malloc. Four axes at most; the sizes past `rank` are not looked at. */
tleg_tensor *support_wrap(tleg_context *context, float *values, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d);
float *support_data(const tleg_tensor *tensor);
uint64_t support_fnv(const void *data, size_t bytes);                  /* FNV-1a */
double support_relative(const float *a, const float *b, size_t count); /* |a - b| / |b| */

/* A scratch directory of this process under TMPDIR, or /tmp; NAME in it (static buffer, four rotate). */
const char *support_scratch(const char *name);
/* Removes it with what was written there: a teardown of cmocka's, whose state it does not look at. Returns 0. */
int support_clean(void **state);
/* A whole file in memory of malloc. */
unsigned char *support_read_file(const char *path, size_t *bytes);

#endif
