/* Loads a BLAS when a call asks for it, never before: OpenBLAS, loaded, starts a thread for each further processor and takes
 * 128 MiB of address space for each. Where those are not to be had it spins, hangs at exit or kills the process, whatever was
 * computed. So what it will take is tried first, and it is loaded by name (the SONAME of what the build found) only if that is
 * there. */
#include "blas.h"

#include <stdio.h>
#include <string.h>

#ifdef TLEG_BLAS_SONAME

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

bool blas_is_known(void) {
    return true;
}

/* ---- room ---- */

enum { MOST_THREADS = 256 };
static const size_t room_of_thread = (size_t)160 << 20; /* OpenBLAS's buffer, and some stack */

struct rehearsal {
    pthread_mutex_t lock;
    int32_t threads;
    pthread_t thread[MOST_THREADS];
    void *room[MOST_THREADS];
};

static void *wait_for_all(void *argument) {
    struct rehearsal *rehearsal = argument;
    pthread_mutex_lock(&rehearsal->lock);
    pthread_mutex_unlock(&rehearsal->lock);
    return NULL;
}

/* Whether the system gives so many threads at once, the caller among them, and room for each. */
static bool rehearse(int32_t threads) {
    struct rehearsal rehearsal = {.lock = PTHREAD_MUTEX_INITIALIZER};
    bool good = true;
    int32_t rooms = 0;
    pthread_mutex_lock(&rehearsal.lock);
    for (; good && rooms < threads; rooms++) {
        void *room = mmap(NULL, room_of_thread, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        good = room != MAP_FAILED;
        rehearsal.room[rooms] = good ? room : NULL;
        if (good && rooms > 0) {
            good = pthread_create(&rehearsal.thread[rehearsal.threads], NULL, wait_for_all, &rehearsal) == 0;
            rehearsal.threads += good;
        }
    }
    pthread_mutex_unlock(&rehearsal.lock);
    for (int32_t i = 0; i < rehearsal.threads; i++)
        pthread_join(rehearsal.thread[i], NULL);
    for (int32_t i = 0; i < rooms; i++)
        if (rehearsal.room[i])
            munmap(rehearsal.room[i], room_of_thread);
    return good;
}

/* ---- the library ---- */

/* As many threads as the call asks for: what each BLAS reads as it is loaded, unless the caller's environment says so. Returns
 * the most that one of them may start. */
static int32_t set_threads(int32_t threads) {
    static const char *const names[] = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "BLIS_NUM_THREADS"};
    int32_t most = threads;
    char text[16];
    snprintf(text, sizeof text, "%d", (int)threads);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *said = getenv(names[i]);
        const long count = said ? strtol(said, NULL, 10) : 0;
        if (count > most)
            most = count < MOST_THREADS ? (int32_t)count : MOST_THREADS;
        setenv(names[i], text, 0);
    }
    return most;
}

/* One product: it makes a BLAS take all that it needs now, and tells whether its integers have the size that we think. */
static bool multiplies(tleg_sgemm_fn sgemm) {
    enum { N = 160, NUMBERS = N * N };
    float *a = malloc(3 * NUMBERS * sizeof *a);
    if (!a)
        return false;
    float *b = a + NUMBERS, *c = b + NUMBERS;
    for (int i = 0; i < NUMBERS; i++) {
        a[i] = (float)(i % 7);
        b[i] = (float)(i % 5);
        c[i] = -1;
    }
    sgemm(101, 111, 112, N, N, N, 1, a, N, b, N, 0, c, N);
    bool good = true;
    for (int row = 0; row < N; row += N / 4)
        for (int column = 0; column < N; column++) {
            float sum = 0; /* of small whole numbers: exact in any order */
            for (int k = 0; k < N; k++)
                sum += a[row * N + k] * b[column * N + k];
            good = good && c[row * N + column] == sum;
        }
    free(a);
    return good;
}

static tleg_sgemm_fn load(int32_t threads, char why[BLAS_TEXT]) {
    if (!rehearse(set_threads(threads))) {
        snprintf(why, BLAS_TEXT,
                 TLEG_BLAS_SONAME " needs %zu MiB of address space for each thread, and the system refuses that, or the "
                                  "threads (ulimit -v, ulimit -u)",
                 room_of_thread >> 20);
        return NULL;
    }
    void *library = dlopen(TLEG_BLAS_SONAME, RTLD_NOW | RTLD_LOCAL);
    void *found = library ? dlsym(library, "cblas_sgemm") : NULL;
    if (!found) {
        const char *error = dlerror();
        snprintf(why, BLAS_TEXT, "%s", error ? error : TLEG_BLAS_SONAME " has no cblas_sgemm");
        return NULL;
    }
    tleg_sgemm_fn sgemm;
    memcpy(&sgemm, &found, sizeof sgemm);
    if (multiplies(sgemm))
        return sgemm;
    snprintf(why, BLAS_TEXT, TLEG_BLAS_SONAME " multiplies wrongly, or is out of memory");
    return NULL;
}

bool blas_offer(tleg_context_options *options, char why[BLAS_TEXT]) {
    static tleg_sgemm_fn loaded;
    if (!loaded)
        loaded = load(options->workers > 1 ? options->workers : 1, why);
    options->sgemm = loaded;
    return loaded != NULL;
}

#else

static bool is_linked(void) {
    const tleg_context_options options = {.struct_size = sizeof options, .gemm = TLEG_GEMM_BLAS};
    tleg_context *context = NULL;
    const bool linked = tleg_context_create(&options, &context) == TLEG_OK;
    tleg_context_free(context);
    return linked;
}

bool blas_is_known(void) {
    return is_linked();
}

bool blas_offer(tleg_context_options *options, char why[BLAS_TEXT]) {
    (void)options;
    snprintf(why, BLAS_TEXT, "this build knows no BLAS (CMake: -DTLEG_BLAS=auto)");
    return is_linked();
}

#endif
