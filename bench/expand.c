/* Expanding base to 12 layers, against what the machine's memory can do: bytes read (base and ilayer, once) plus bytes written,
 * over time. Warm: into memory that was touched before, from an allocator that keeps what it gets back. Cold: into fresh pages,
 * from the library's own allocator. Three yardsticks, in the same run: the C library's copy, the fastest copy that we know
 * (tools/base/peaks.c), and, since six bytes of seven are written, the fastest filling, which a core cannot pass however it
 * reads. Medians; prints one JSON object a line.
 *
 *     bench/bench_expand [threads] [level] */
#include "base/peaks.h"
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tleg/tleg.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { REPEATS = 15, DEPTH = 12, DIM = 768, KEPT = 64, MOST_THREADS = 16 };

static void check(tleg_status status, const char *text) {
    if (status) {
        fprintf(stderr, "bench_expand: %s: %s\n", tleg_status_name(status), text);
        exit(1);
    }
}

/* ---- an allocator that keeps blocks of the sizes it has seen ---- */

static struct kept {
    void *memory;
    size_t size;
    bool used;
} kept[KEPT];

static void *TLEG_CALL keep_alloc(void *host, size_t size, size_t align) {
    (void)host, (void)align;
    struct kept *empty = NULL;
    for (int i = 0; i < KEPT; i++) {
        if (kept[i].memory && !kept[i].used && kept[i].size == size) {
            kept[i].used = true;
            return kept[i].memory;
        }
        if (!kept[i].memory)
            empty = &kept[i];
    }
    void *memory = tleg_alloc(&tleg_default_allocator, size);
    if (empty && memory)
        *empty = (struct kept){memset(memory, 0, size), size, true};
    return memory;
}

static void TLEG_CALL keep_release(void *host, void *memory, size_t size, size_t align) {
    (void)host, (void)align;
    for (int i = 0; i < KEPT; i++)
        if (kept[i].memory == memory) {
            kept[i].used = false;
            return;
        }
    tleg_release(&tleg_default_allocator, memory, size);
}

/* ---- yardsticks: each thread on memory of its own, GB/s of all together ---- */
enum { COUNT = 1 << 24 }; /* floats that a thread copies or fills: beyond its caches */
static float *from[MOST_THREADS], *to[MOST_THREADS];
static int32_t level;

static void *copy(void *thread) {
    const int32_t t = *(int32_t *)thread;
    memcpy(to[t], from[t], COUNT * sizeof(float));
    return NULL;
}

static void *fill(void *thread) {
    float *x = to[*(int32_t *)thread];
#if defined(__SSE2__)
    for (size_t i = 0; i < COUNT; i += 4)
        _mm_stream_ps(x + i, _mm_set1_ps(1));
    _mm_sfence();
#else
    memset(x, 1, COUNT * sizeof(float));
#endif
    return NULL;
}

/* Seconds until all threads have run fn. */
static double together(int32_t threads, void *(*fn)(void *thread)) {
    pthread_t others[MOST_THREADS];
    int32_t number[MOST_THREADS];
    const double start = measure_seconds();
    for (int32_t t = 0; t < threads; t++) {
        number[t] = t;
        if (t > 0 && pthread_create(&others[t], NULL, fn, &number[t]))
            abort();
    }
    fn(&number[0]);
    for (int32_t t = 1; t < threads; t++)
        pthread_join(others[t], NULL);
    return measure_seconds() - start;
}

static double best_copy[MOST_THREADS];

static void *find_best(void *thread) {
    best_copy[*(int32_t *)thread] = peak_copy(level);
    return NULL;
}

/* ---- measuring ---- */

/* Bytes that an expansion must read and write: the blocks' matrices. */
static double traffic(int32_t dtype) {
    const double weights = 12.0 * DIM * DIM, element = dtype == TLEG_F32 ? sizeof(float) : sizeof(uint16_t);
    return weights * (2 * sizeof(float) + DEPTH * element);
}

static double one(tleg_context *context, const tleg_expander *expander) {
    tleg_model *model;
    double start = measure_seconds();
    check(tleg_expander_expand(context, expander, DEPTH, &model), tleg_context_get_error(context));
    double seconds = measure_seconds() - start;
    tleg_model_free(model);
    return seconds;
}

/* Yardsticks and expansions in turn, so that a machine whose speed drifts does so for all. */
static void report(tleg_context *context, const tleg_learngene *gene, int32_t dtype, int32_t threads, bool warm) {
    const tleg_expander_options options = {.struct_size = sizeof options, .dtype = dtype};
    tleg_expander *expander;
    double copies[REPEATS], fills[REPEATS], seconds[REPEATS], best = 0;
    check(tleg_expander_create(context, gene, &options, &expander), tleg_context_get_error(context));
    one(context, expander);
    for (int r = 0; r < REPEATS; r++) {
        copies[r] = together(threads, copy);
        fills[r] = together(threads, fill);
        seconds[r] = one(context, expander);
    }
    together(threads, find_best);
    for (int32_t t = 0; t < threads; t++)
        best += best_copy[t];
    const double bytes = COUNT * sizeof(float) * (double)threads, taken = measure_median(seconds, REPEATS);
    const double rate = traffic(dtype) / taken / 1e9, library = 2e-9 * bytes / measure_median(copies, REPEATS);
    printf("{\"dtype\": \"%s\", \"memory\": \"%s\", \"threads\": %d, \"ms\": %.2f, \"gb_per_s\": %.1f, "
           "\"copy_gb_per_s\": %.1f, \"copy_share\": %.2f, \"best_copy_gb_per_s\": %.1f, \"best_copy_share\": %.2f, "
           "\"fill_gb_per_s\": %.1f}\n",
           dtype == TLEG_F32 ? "f32" : "bf16", warm ? "warm" : "cold", threads, 1e3 * taken, rate, library, rate / library,
           best, rate / best, 1e-9 * bytes / measure_median(fills, REPEATS));
    tleg_expander_free(expander);
}

int main(int argc, char **argv) {
    const int32_t threads = argc > 1 ? atoi(argv[1]) : 1;
    level = bench_level(argc > 2 ? argv[2] : NULL);
    if (threads < 1 || threads > MOST_THREADS || !level) {
        fprintf(stderr, "usage: bench_expand [threads] [level]\n");
        return 2;
    }
    for (int32_t t = 0; t < threads; t++) { /* of the library's own allocator: in huge pages, as its weights are */
        from[t] = tleg_alloc(&tleg_default_allocator, COUNT * sizeof(float));
        to[t] = tleg_alloc(&tleg_default_allocator, COUNT * sizeof(float));
        if (!from[t] || !to[t])
            check(TLEG_ERROR_MEMORY, "to copy");
        memset(from[t], 1, COUNT * sizeof(float));
        memset(to[t], 1, COUNT * sizeof(float));
    }
    const tleg_config config = {
        .struct_size = sizeof config, .image_size = 224, .patch_size = 16, .dim = DIM, .heads = 12, .classes = 1000};
    for (int warm = 1; warm >= 0; warm--) {
        tleg_context_options own = {.struct_size = sizeof own, .level = level, .workers = threads};
        tleg_context *context;
        tleg_learngene *gene;
        if (warm) {
            own.alloc = keep_alloc;
            own.release = keep_release;
        }
        check(tleg_context_create(&own, &context), "no context");
        check(tleg_learngene_create(context, &config, 1, &gene), tleg_context_get_error(context));
        report(context, gene, TLEG_F32, threads, warm);
        report(context, gene, TLEG_BF16, threads, warm);
        tleg_learngene_free(gene);
        tleg_context_free(context);
    }
    for (int32_t t = 0; t < threads; t++) {
        tleg_release(&tleg_default_allocator, from[t], COUNT * sizeof(float));
        tleg_release(&tleg_default_allocator, to[t], COUNT * sizeof(float));
    }
    return 0;
}
