/* libtleg: status codes, versions, processor levels and the context.
 *
 * Every function of the library that can fail returns a tleg_status and hands its
 * results back through its last pointers, which it sets to NULL (or 0) on failure; a
 * struct that is to be filled is left as it was, unless its contract says otherwise.
 * A call that takes a struct answers TLEG_ERROR_UNSUPPORTED, whatever its contract lists,
 * where the struct asks for what only a newer library may know: a member behind those of
 * this one or a reserved one that is not 0, or a bit of `flags` without a meaning here. A
 * number that is none of the enumerators here is TLEG_ERROR_ARGUMENT, where no contract
 * says otherwise; the text says what was expected and what was found.
 * A pointer argument that a contract does not call optional must not be NULL: a NULL
 * there is reported as TLEG_ERROR_ARGUMENT.
 *
 * Nothing in this library prints, exits, aborts, installs handlers, reads the
 * environment or starts threads that the host did not ask for. A call that succeeds
 * leaves errno as it was. No call needs more than 64 KiB of stack. */
#ifndef TLEG_CORE_H
#define TLEG_CORE_H

#include <stddef.h>
#include <stdint.h>

#if defined(TLEG_STATIC)
#define TLEG_API
#elif defined(_WIN32)
#if defined(TLEG_BUILD)
#define TLEG_API __declspec(dllexport)
#else
#define TLEG_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define TLEG_API __attribute__((visibility("default")))
#else
#define TLEG_API
#endif

#if defined(_WIN32)
#define TLEG_CALL __cdecl
#else
#define TLEG_CALL
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of these headers: major * 1000000 + minor * 1000 + patch. */
#define TLEG_VERSION_MAJOR 0
#define TLEG_VERSION_MINOR 2
#define TLEG_VERSION_PATCH 0
#define TLEG_VERSION (TLEG_VERSION_MAJOR * 1000000 + TLEG_VERSION_MINOR * 1000 + TLEG_VERSION_PATCH)

/* Constants are enumerators, and the type that an argument or a member has in C is a typedef of int32_t beside them. The first
 * enumerator of each list is negative, so that every compiler and every binding generator takes the list for signed; but not of
 * lists whose values are added up (TLEG_PART_*, and the flags TLEG_OPEN_*, TLEG_SAVE_* and TLEG_ASSUMED_*). */

/* What a call came to. The numbers never change; a value that this header does not
 * know is a failure. */
typedef int32_t tleg_status;
enum {
    TLEG_STATUS_SIGNED = -1, /* no call returns it */
    TLEG_OK = 0,
    TLEG_ERROR_ARGUMENT = 1,    /* a NULL, a size or an option that the contract forbids */
    TLEG_ERROR_MEMORY = 2,      /* the allocator gave nothing, or a size does not fit in memory */
    TLEG_ERROR_IO = 3,          /* the system refused to open, read or write a file */
    TLEG_ERROR_FORMAT = 4,      /* a file or buffer is not what it should be */
    TLEG_ERROR_UNSUPPORTED = 5, /* well-formed, but not for this build, processor or version */
    TLEG_ERROR_CANCELLED = 6,   /* stopped on request */
    TLEG_ERROR_NUMERIC = 7,     /* a result is not a finite number */
    TLEG_ERROR_STATE = 8,       /* the handle cannot do this now */
    TLEG_ERROR_NOT_FOUND = 9    /* nothing has this name: no such file, tensor or parameter */
};

/* Limits of this version; a later one may raise them. */
enum {
    TLEG_MAX_SIGNED = -1,
    TLEG_MAX_RANK = 8,     /* dimensions of a tensor; this one is part of tleg_tensor_info and stays */
    TLEG_MAX_DEPTH = 1024, /* layers of a model */
    TLEG_MAX_WORKERS = 256 /* threads of a context */
};

/* Element types of tensors and of stored weights. */
typedef int32_t tleg_dtype;
enum {
    TLEG_DTYPE_SIGNED = -1,
    TLEG_F32 = 1,
    TLEG_F16 = 2,
    TLEG_BF16 = 3,
    TLEG_F64 = 4,
    TLEG_I64 = 5,
    TLEG_I32 = 6,
    TLEG_U8 = 7
};

/* Processor levels: which instructions the kernels use. */
typedef int32_t tleg_level;
enum {
    TLEG_LEVEL_SIGNED = -1,
    TLEG_LEVEL_BEST = 0, /* the best that this build and this machine have */
    TLEG_LEVEL_PORTABLE = 1,
    TLEG_LEVEL_AVX2 = 2,
    TLEG_LEVEL_AVX512 = 3,
    TLEG_LEVEL_AVX512BF16 = 4,
    TLEG_LEVEL_AMX = 5, /* Linux grants its tiles to a process for good: a context that may use them (BEST may) asks for them,
                           and one of level BEST goes on without if they are refused */
    TLEG_LEVEL_NEON = 6
};

/* Who multiplies matrices. */
typedef int32_t tleg_gemm_kind;
enum {
    TLEG_GEMM_SIGNED = -1,
    TLEG_GEMM_AUTO = 0, /* our kernels; the BLAS that the host hands over where level BEST finds portable kernels alone */
    TLEG_GEMM_OWN = 1,  /* our kernels */
    TLEG_GEMM_BLAS = 2  /* the BLAS that the host hands over, or else the one that this build links: TLEG_ERROR_UNSUPPORTED
                           where there is neither. Each of its calls takes one lock of the whole process */
};

/* What a host hands in to be called. A callback returns: it must not throw, longjmp or unwind through the library. It may not
 * use the handle whose call it serves; alloc, release and parallel may not call any function of the library. Each gets the
 * pointer that was given with it, first. It stays callable until the last handle made with the context (tensors lent out
 * through DLPack, and clones of the context, among them) is gone, whatever was freed before. */
typedef void *(TLEG_CALL *tleg_alloc_fn)(void *host, size_t size, size_t align);
typedef void(TLEG_CALL *tleg_release_fn)(void *host, void *memory, size_t size, size_t align);
typedef void(TLEG_CALL *tleg_task_fn)(void *arg, int32_t task); /* the library's own */
typedef tleg_status(TLEG_CALL *tleg_parallel_fn)(void *host, int32_t tasks, tleg_task_fn fn, void *arg);
typedef void(TLEG_CALL *tleg_log_fn)(void *host, const char *text);
/* cblas_sgemm: C = alpha * op(A) op(B) + beta * C in f32, of a BLAS whose integers have 32 bits (LP64; every BLAS that does not
 * say otherwise). `order` and the transpositions are CBLAS's numbers: the library asks for order 101 (row-major), transpose_a
 * 111 (A as it is), transpose_b 112 (B transposed), alpha 1 and beta 0, with m, n, k and the leading dimensions of 1 or more.
 * It gets no pointer of the host's, so that cblas_sgemm itself can be given. */
typedef void(TLEG_CALL *tleg_sgemm_fn)(int32_t order, int32_t transpose_a, int32_t transpose_b, int32_t m, int32_t n, int32_t k,
                                       float alpha, const float *a, int32_t lda, const float *b, int32_t ldb, float beta,
                                       float *c, int32_t ldc);
/* The same of a BLAS whose integers have 64 bits (ILP64: MKL's ilp64 layer, OpenBLAS with INTERFACE64, as NumPy brings it). */
typedef void(TLEG_CALL *tleg_sgemm64_fn)(int32_t order, int32_t transpose_a, int32_t transpose_b, int64_t m, int64_t n,
                                         int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
                                         float beta, float *c, int64_t ldc);
/* Tells a host once that what it lent is not needed any more. */
typedef void(TLEG_CALL *tleg_done_fn)(void *host);

/* A context holds the host's choices (allocator, threads, processor level) and the text
 * of the last error. One thread at a time may use it: make one for each thread, or, where they
 * are to share worker threads, a clone for each (tleg_context_clone; cheap). Handles made with a context do
 * not need it afterwards.
 *
 * Handles of all kinds: free them in any order, on any thread, once, and not while another call uses the same handle (a
 * tleg_session_cancel is such a call). A handle that others were made from may go first. */
typedef struct tleg_context tleg_context;

/* Asked again and again while a call opens, reads, packs, expands, saves, measures, linearizes or trains: `what` is the kind of
 * work in a static word ("open", "read", "pack", "expand", "save", "measure", "linearize", "train"), `done` of `total` is how
 * far it is, in a unit of the work's own (bytes, layers, images). 0 goes on; anything else stops the call, which leaves nothing
 * behind and fails with TLEG_ERROR_CANCELLED. Asked at the beginning (done 0), then every few milliseconds where the work can
 * be cut that fine, and at the end (done == total), when the answer is too late. On the thread that made the call; it returns,
 * does not throw or jump out of the library, and does not use the context, nor the trainer. */
typedef int32_t(TLEG_CALL *tleg_progress_fn)(void *host, const char *what, uint64_t done, uint64_t total);

/* Options of tleg_context_create. Zero the struct, set struct_size, then what you want
 * otherwise. Members that your header does not know yet stay zero: that means default. */
typedef struct tleg_context_options {
    uint32_t struct_size; /* sizeof(tleg_context_options) */
    tleg_level level;     /* TLEG_LEVEL_*; a level that the machine lacks is TLEG_ERROR_UNSUPPORTED */
    int32_t workers;      /* threads that compute, the caller's among them: 0 or 1 means the
                             caller alone, at most TLEG_MAX_WORKERS; the library starts workers - 1,
                             and none in a build without threads */
    tleg_gemm_kind gemm;  /* TLEG_GEMM_* */
    uint64_t error_text_bytes;

    /* Where tleg_context_create says why it failed: text, cut to error_text_bytes with its final 0; "" on success. NULL and 0:
     * nowhere. */
    char *error_text;

    /* Memory: both or neither. alloc returns `size` bytes (never 0) aligned to `align` (a power of
     * two), or NULL; release gets the same size and align. They may be called from any
     * thread that uses, or frees, a handle of this context. Default: the C library's, but
     * blocks of 2 MiB on are mappings of their own, whose whole 2 MiB are advised to be huge pages. */
    tleg_alloc_fn alloc;
    tleg_release_fn release;
    void *alloc_host; /* handed to both */

    /* The host's own thread pool: calls fn(arg, task) once for each task 0..tasks-1, on any
     * threads, at once or in turn, and returns TLEG_OK when all have ended. tasks is at most `workers`, which must be given
     * (1: the pool is never asked). Sessions that run at the same time call it at the same time. With it the library starts no
     * threads. A pool that cannot run all tasks ends those that it began and returns another status: the call that needed it
     * fails with that one, or with TLEG_ERROR_STATE where the pool says TLEG_OK but left tasks out. */
    tleg_parallel_fn parallel;
    void *parallel_host;

    /* Notes that are not errors, such as a tensor that a file holds and the library ignores.
     * Called on the thread that made the call; the text is valid until log returns. */
    tleg_log_fn log;
    void *log_host;

    /* How far long work is, and whether it is to go on. Default: nobody is asked. */
    tleg_progress_fn progress;
    void *progress_host;

    /* The host's own BLAS, for TLEG_GEMM_BLAS and TLEG_GEMM_AUTO: one of the two, by the width of its integers.
     *
     *     options.sgemm = (tleg_sgemm_fn)cblas_sgemm; // its enumerations have the size of int32_t
     *
     * Called on any thread that computes with a handle of this context, or with one that was made from it, never by two threads
     * of the process at once: each call takes one lock, whichever BLAS it goes to. Its threads are the host's to set. Same bits
     * for any `workers` are not promised with it, nor a fork while it runs; nor right numbers where the host calls a BLAS that
     * allows one caller alone (OpenBLAS's serial build) at the same time. OpenBLAS's OpenMP build may wait for ever where two
     * threads whose OpenMP numbers of threads differ multiply at the same time: a host that does so gives its threads OpenMP's
     * default, which the library's own threads have. Default: the BLAS that this build links (-DTLEG_BLAS=link), or none. */
    tleg_sgemm_fn sgemm;
    tleg_sgemm64_fn sgemm64;
} tleg_context_options;

/* The version of the library that is running, in the form of TLEG_VERSION. Any thread. */
TLEG_API uint32_t TLEG_CALL tleg_version(void);

/* What this build consists of, for reports: "libtleg 0.2.0; levels portable avx2 avx512 avx512bf16 amx; blas none; threads;
 * files; mappings; train". For people: the parts may change. Never NULL; the text is static. Any thread. */
TLEG_API const char *TLEG_CALL tleg_build_info(void);

/* A status in a word, for example "FORMAT"; "UNKNOWN" for a value not listed. Never NULL;
 * the text is static. Any thread. */
TLEG_API const char *TLEG_CALL tleg_status_name(tleg_status status);

/* The levels that this build can use on this machine, in rising order: index 0 is the
 * portable one. Returns the TLEG_LEVEL_* at `index` and sets *name (may be NULL) to its
 * static name, such as "avx2"; past the end returns 0 and sets *name to NULL. Any thread.
 *
 *     for (int32_t i = 0; (level = tleg_cpu_level(i, &name)) != 0; i++) puts(name); */
TLEG_API tleg_level TLEG_CALL tleg_cpu_level(int32_t index, const char **name);

/* The static name of a TLEG_LEVEL_*, such as "avx2", whether this build and this machine have it or not; NULL for any other
 * number, TLEG_LEVEL_BEST among them: the names are those of 1, 2, ... up to the first NULL. Any thread. */
TLEG_API const char *TLEG_CALL tleg_level_name(tleg_level level);

/* Makes a context. `options` may be NULL: every default.
 * Errors: ARGUMENT (struct_size, workers out of range, a pool without workers, one of alloc and release
 * alone, one of error_text and error_text_bytes alone, both of sgemm and sgemm64), UNSUPPORTED (level, gemm, or a non-zero
 * option that this library does not know), MEMORY (also: a thread could not be started). The text goes to options->error_text;
 * with a wrong struct_size there is none.
 */
TLEG_API tleg_status TLEG_CALL tleg_context_create(const tleg_context_options *options, tleg_context **context);

/* Another context with the same allocator, worker threads or pool, BLAS, level, log and progress (which is called on the thread
 * that uses the clone, with the same host), and with an error text of its own: for another thread of the host. Where both
 * compute at once, one has the worker threads and the other computes alone. `context` is only read: several threads may clone
 * one at once. Errors: ARGUMENT, MEMORY. */
TLEG_API tleg_status TLEG_CALL tleg_context_clone(const tleg_context *context, tleg_context **clone);

/* The text of the last call on this context that FAILED: what failed, in which file or tensor, what was expected and what was
 * found. A call that succeeds leaves it as it is: look at it only right after a call that returned a status other than
 * TLEG_OK. "" when none has failed. UTF-8. Valid until the next call with the same context. NULL context: a static text. */
TLEG_API const char *TLEG_CALL tleg_context_get_error(const tleg_context *context);

/* The system's own number (errno) for the same failure, where it was one of IO or NOT_FOUND and the system gave one; else 0.
 * 0 for a NULL context. */
TLEG_API int32_t TLEG_CALL tleg_context_get_os_error(const tleg_context *context);

/* The level whose kernels this context uses: TLEG_LEVEL_*, and its name if `name` is not NULL.
 * 0 for a NULL context. */
TLEG_API tleg_level TLEG_CALL tleg_context_get_level(const tleg_context *context, const char **name);

/* Drops the caller's reference. Handles made with the context stay good, and so do its clones. NULL is allowed. */
TLEG_API void TLEG_CALL tleg_context_free(tleg_context *context);

#ifdef __cplusplus
}
#endif

#endif
