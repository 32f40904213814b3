/* The ground floor: memory, errors, numbers, processor levels, threads, random numbers. */
#ifndef TLEG_LIB_CORE_H
#define TLEG_LIB_CORE_H

#include <float.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <tleg/core.h>

#include "core/struct_sizes.h"

/* Results have promised bits, and what is not a number is found by comparing. */
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ > 0) || defined(__ASSOCIATIVE_MATH__) ||  \
    defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)
#error "libtleg does not build with -ffast-math, -Ofast or a part of them: take that out of the flags"
#endif
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16 /* of 16 bits alone: a float stays one */
#error "libtleg does not build for the x87 unit: for x86 add -msse2 -mfpmath=sse"
#endif

/* gcc 12 for AArch64 makes wrong code of -Os: an expanded model with NaN in it. Right without this pass, at every level. */
#if defined(__aarch64__) && defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE_SIZE__)
#pragma GCC optimize("no-ivopts")
#endif

#if defined(__GNUC__)
#define TLEG_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define TLEG_PRINTF(text, first)
#endif

enum { TLEG_ALIGN = 64 }; /* of every buffer: a cache line, and an AVX-512 register */

/* Whether a build has training, and backward passes with it. Where it has not, tables of functions have NULL for those, and the
 * linker leaves out what no table names. */
#ifndef TLEG_TRAIN
#define TLEG_TRAIN 1
#endif
#define TLEG_BACKWARD(function) (TLEG_TRAIN ? (function) : NULL)

/* ---- counts, 0 or more ---- */
static inline int64_t tleg_ceil_div(int64_t count, int64_t unit) { /* unit > 0 */
    return (count + unit - 1) / unit;
}
/* Rows and columns: of a picture or a patch in pixels, of a grid in patches. */
struct tleg_extent {
    int32_t height, width;
};
static inline int64_t tleg_extent_area(struct tleg_extent extent) {
    return (int64_t)extent.height * extent.width;
}
static inline bool tleg_extent_same(struct tleg_extent a, struct tleg_extent b) {
    return a.height == b.height && a.width == b.width;
}
static inline int64_t tleg_min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- checked sizes (size.c) ---- */
/* *out = a * b or a + b; false when that does not fit. */
bool tleg_size_mul(size_t a, size_t b, size_t *out);
bool tleg_size_add(size_t a, size_t b, size_t *out);
/* Rounds up to a multiple of TLEG_ALIGN; SIZE_MAX stays SIZE_MAX. */
size_t tleg_size_align(size_t size);
/* The product of `rank` non-negative sizes; false on overflow or a negative size. */
bool tleg_size_product(const int64_t *shape, int32_t rank, size_t *out);
/* Whether the sizes, none below 0, have a product of at most 2^40 even without those of 0: then sums of many of them, and
 * products of all in any order, fit 64 bits. */
bool tleg_size_countable(const int64_t *shape, int32_t rank);
/* The largest number whose square is not above `number`, at most 65536; 0 where that is below 1. */
int64_t tleg_size_root(int64_t number);
/* Whether a number above 0 is a square, and its side. */
bool tleg_size_is_square(int64_t number, int64_t *side);

/* ---- memory (alloc.c) ---- */
struct tleg_allocator {
    tleg_alloc_fn alloc;
    tleg_release_fn release;
    void *host;
};
extern const struct tleg_allocator tleg_default_allocator;
/* Aligned to TLEG_ALIGN; NULL on failure. A size of 0 gives 1 byte. */
void *tleg_alloc(const struct tleg_allocator *allocator, size_t size);
/* The same, zeroed. */
void *tleg_alloc_zero(const struct tleg_allocator *allocator, size_t size);
/* `size` is what tleg_alloc got. NULL is allowed. */
void tleg_release(const struct tleg_allocator *allocator, void *memory, size_t size);

/* ---- UTF-8 (utf8.c) ---- */
/* The length in bytes, 1 to 4, of the UTF-8 character at the start of text[0..length); 0 when it is none. */
size_t tleg_utf8_step(const unsigned char *text, size_t length);
bool tleg_utf8_valid(const char *text);

/* ---- errors (error.c) ---- */
struct tleg_error {
    tleg_status status;
    int32_t os_error; /* the system's number for it, or 0 */
    char text[1016];  /* UTF-8, of which whole characters when it was longer; what was none (a path may hold any bytes)
                        stands as \xNN */
};
/* Copies as many whole UTF-8 characters as `bytes` bytes hold, a final 0 among them. */
void tleg_text_cut(const char *text, char *out, size_t bytes);
/* Writes the text, unless error is NULL, and returns `status`. Format integers and texts alone: "%f" would follow the host's
 * locale. */
tleg_status tleg_error_set(struct tleg_error *error, tleg_status status, const char *format, ...) TLEG_PRINTF(3, 4);

/* ---- lists of words (list.c) ---- */
/* Words that stand in one text with a blank between them: as an array of pointers they would cost five times as much. Whether
 * the first `length` bytes of `word` are one of them; and whether `text` begins with one. */
bool tleg_list_has(const char *list, const char *word, size_t length);
bool tleg_list_begins(const char *list, const char *text);

/* ---- numbers as text, the same in every locale (number.c) ---- */
enum { TLEG_NUMBER_TEXT = 32 };
/* The shortest text that reads back as `value`, as Python's repr writes it: "1e-05", "0.875", "1.0". Returns its length. */
size_t tleg_number_format(double value, char text[TLEG_NUMBER_TEXT]);
/* Reads a whole decimal number, correctly rounded; false unless all of text[0..length) is one finite number. */
bool tleg_number_parse(const char *text, size_t length, double *value);

/* ---- functions that give the same bits on every machine (portable.c), to about 1e-16 ---- */
double tleg_portable_log(double x); /* of a normal number above 0 */
double tleg_portable_exp(double x); /* 0 below -708, infinite above 709 */
double tleg_portable_sin(double x); /* |x| < 10000 */
double tleg_portable_cos(double x);

/* ---- random numbers (random.c): the same on every machine ---- */
struct tleg_random {
    uint64_t state[4]; /* xoshiro256** seeded by splitmix64 */
};
void tleg_random_seed(struct tleg_random *random, uint64_t seed, uint64_t stream);
uint64_t tleg_random_next(struct tleg_random *random);
double tleg_random_uniform(struct tleg_random *random); /* [0, 1) */
/* Standard normal cut at +-limit (by rejection). libm's log, sqrt and cos differ between systems in the last bit, so
 * it uses +, -, *, / and sqrt alone. */
double tleg_random_normal(struct tleg_random *random, double limit);

/* ---- processor levels (cpu.c) ---- */
/* Which a build has beyond the portable one: all of its processor's, unless it says -DTLEG_BUILD_AVX512=0 and so on. */
#if defined(__x86_64__) /* 32-bit programs have no kernels of ours beyond the portable ones */
#define TLEG_X86 1
#else
#define TLEG_X86 0
#endif
#define TLEG_BUILD_PORTABLE 1
#ifndef TLEG_BUILD_AVX2
#define TLEG_BUILD_AVX2 TLEG_X86
#endif
#ifndef TLEG_BUILD_AVX512
#define TLEG_BUILD_AVX512 TLEG_X86
#endif
#ifndef TLEG_BUILD_AVX512BF16
#define TLEG_BUILD_AVX512BF16 TLEG_X86
#endif
#ifndef TLEG_BUILD_AMX
#define TLEG_BUILD_AMX TLEG_X86
#endif
#ifndef TLEG_BUILD_NEON
#if defined(__aarch64__)
#define TLEG_BUILD_NEON 1
#else
#define TLEG_BUILD_NEON 0
#endif
#endif
/* What the processor announces (cpuid) and the operating system enables (XCR0). All zero where there is no cpuid. */
struct tleg_cpu_words {
    uint32_t leaf1_ecx, leaf7_ebx, leaf7_edx, leaf7_1_eax;
    uint64_t xcr0;
};
void tleg_cpu_read(struct tleg_cpu_words *words);
/* Whether a machine with these words supports a level. */
bool tleg_cpu_words_have(const struct tleg_cpu_words *words, int32_t level);
/* Whether the processor and the operating system of this machine both support a level. */
bool tleg_cpu_has(int32_t level);
/* Whether this build has kernels for a level, this machine supports it and the system lets this process use it: for AMX, whose
 * use it grants whole processes, this asks it to. */
bool tleg_level_usable(int32_t level);
/* The best level for which this build has kernels, on a machine with these words; on this one. */
int32_t tleg_level_best_of(const struct tleg_cpu_words *words);
int32_t tleg_level_best(void);
/* Whether a level is another one or adds to it, in one step or several: what has amx has avx2. */
bool tleg_level_includes(int32_t level, int32_t other);

/* ---- worker team (team.c) ---- */
/* A team of threads, or a host's pool, shared by reference. fn(arg, lane) is called for each lane 0..lanes-1. A team that
 * is busy with another caller, or was made before a fork, runs all lanes on the calling thread, in rising order. */
struct tleg_team;
tleg_status tleg_team_create(struct tleg_error *error, const struct tleg_allocator *allocator,
                             const tleg_context_options *options, struct tleg_team **team);
struct tleg_team *tleg_team_share(struct tleg_team *team);
void tleg_team_free(struct tleg_team *team);
int32_t tleg_team_lanes(const struct tleg_team *team); /* workers, at least 1 */
/* What came of it: only a host's pool can fail, and then the results are void. */
struct tleg_team_outcome {
    tleg_status status;
    int32_t ran, lanes;
};
struct tleg_team_outcome tleg_team_run(struct tleg_team *team, int32_t lanes, void (*fn)(void *arg, int32_t lane), void *arg);
/* Its status, and a text for a failure. */
tleg_status tleg_team_report(struct tleg_error *error, const struct tleg_team_outcome *outcome);

/* ---- a BLAS (blas.c) ---- */
struct tleg_blas { /* one of them, or neither */
    tleg_sgemm_fn sgemm;
    tleg_sgemm64_fn sgemm64;
};
static inline bool tleg_blas_is_there(const struct tleg_blas *blas) {
    return blas->sgemm || blas->sgemm64;
}
/* What the build links, where it does (TLEG_BLAS=link). */
extern const struct tleg_blas tleg_blas_linked;

/* ---- context (context.c) ---- */
struct tleg_kernels; /* lib/kernels */
struct tleg_context {
    struct tleg_allocator allocator;
    struct tleg_error error;
    struct tleg_team *team;
    int32_t level; /* as asked for: TLEG_LEVEL_BEST stays 0 */
    int32_t gemm;
    struct tleg_blas blas;
    const struct tleg_kernels *kernels; /* as tleg_kernels_of chose them; NULL before its first call */
    tleg_log_fn log;
    void *log_host;
    tleg_progress_fn progress;
    void *progress_host;
    struct tleg_work {    /* what a call of the host's is at, for progress */
        const char *what; /* NULL: nothing that takes long */
        uint64_t done, total;
    } work;
    struct tleg_team_outcome outcome; /* of the call in progress */
};
/* Where a call that computes on the context's threads hears of a pool that fails; nothing is wrong yet. */
struct tleg_team_outcome *tleg_context_begin(tleg_context *context);
/* Sets the context's error and returns `status`; NULL context is allowed. */
tleg_status tleg_fail(tleg_context *context, tleg_status status, const char *format, ...) TLEG_PRINTF(3, 4);
/* The system refused something with this errno: NOT_FOUND where nothing has the name, IO otherwise. */
tleg_status tleg_fail_system(tleg_context *context, int number, const char *format, ...) TLEG_PRINTF(3, 4);
/* Out of memory while `what` was made: text and TLEG_ERROR_MEMORY. */
tleg_status tleg_fail_memory(tleg_context *context, const char *what, size_t bytes);
/* "MEMBER: expected EXPECTED, found FOUND" as an error of an argument, the number in every locale alike. */
tleg_status tleg_fail_number(tleg_context *context, const char *member, const char *expected, double found);
void tleg_log(const tleg_context *context, const char *format, ...) TLEG_PRINTF(2, 3);

/* ---- progress of long work (work.c), on the thread that made the call ---- */
/* Each asks the host's progress, if it has any: CANCELLED, with a text, when it says stop. `what` is one of core.h's words. */
tleg_status tleg_work_begin(tleg_context *context, const char *what, uint64_t total);
/* Another `count` is done. Nothing without work that was begun. */
tleg_status tleg_work_step(tleg_context *context, uint64_t count);
/* The end of what was begun, with `status`, which it returns; on TLEG_OK the host is told that all is done. */
tleg_status tleg_work_end(tleg_context *context, tleg_status status);
/* What a host's function returned: itself where it is TLEG_OK or a failure that core.h lists, else IO. */
tleg_status tleg_host_status(tleg_status status);

/* ---- option structs (struct.c) ---- */
/* Copies a host's option struct into the library's own (zeroed beyond the host's size). UNSUPPORTED when the host's is
 * longer and its unknown tail is not zero, ARGUMENT when it is NULL, shorter than `least` or no multiple of 8. `name` is for
 * the error, which may be NULL. */
tleg_status tleg_struct_read(struct tleg_error *error, const char *name, const void *host, void *own, size_t own_size,
                             size_t least);
/* Copies the library's filled struct out, up to the host's struct_size (its first member, kept). ARGUMENT as above. */
tleg_status tleg_struct_write(struct tleg_error *error, const char *name, const void *own, size_t own_size, void *host,
                              size_t least);
/* The same with a context's error; the context may be NULL. */
tleg_status tleg_options_read(tleg_context *context, const char *name, const void *host, void *own, size_t own_size,
                              size_t least);
/* UNSUPPORTED unless `zero`: what a host sets here must wait for a version that gives it a meaning. */
tleg_status tleg_check_reserved(tleg_context *context, const char *member, bool zero);
/* UNSUPPORTED where flags are set that are not among the known. */
tleg_status tleg_check_flags(tleg_context *context, const char *member, uint32_t flags, uint32_t known);
tleg_status tleg_info_write(tleg_context *context, const char *name, const void *own, size_t own_size, void *host,
                            size_t least);

#endif
