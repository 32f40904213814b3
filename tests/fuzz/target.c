#define _GNU_SOURCE /* memfd_create */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_HELD = 256 << 20, /* bytes; what a small input may ask for stays far below */
    MOST_DATA = 1 << 20,
    LENGTH_BYTES = 8
};
/* What one input may add to the most that the process has ever held, and take of the processor; decoders and sanitizers count
 * in too, and inputs are of kilobytes. */
enum { MOST_RESIDENT = 384 << 10 /* KiB */, MOST_SECONDS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static double seconds(void) {
    struct timespec now;
    fuzz_need(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static long resident(void) {
    struct rusage usage;
    fuzz_need(getrusage(RUSAGE_SELF, &usage) == 0);
    return usage.ru_maxrss;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const double start = seconds();
    const long before = resident();
    const int result = fuzz_input(data, size);
    fuzz_need(seconds() - start < MOST_SECONDS);
    fuzz_need(resident() - before < MOST_RESIDENT);
    return result;
}

void fuzz_need(bool kept) {
    if (!kept)
        abort();
}

static void *TLEG_CALL host_alloc(void *arg, size_t size, size_t align) {
    struct fuzz_host *host = arg;
    void *memory = NULL;
    host->calls++;
    fuzz_need(size > 0);
    if (host->calls == host->refused || size > MOST_HELD - host->held)
        return NULL;
    if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size) != 0)
        return NULL;
    host->held += size;
    return memory;
}

static void TLEG_CALL host_release(void *arg, void *memory, size_t size, size_t align) {
    struct fuzz_host *host = arg;
    (void)align;
    fuzz_need(memory != NULL && size <= host->held);
    host->held -= size;
    free(memory);
}

tleg_context *fuzz_begin(struct fuzz_host *host) {
    const size_t refused = host->refused;
    *host = (struct fuzz_host){0};
    const tleg_context_options options = {
        .struct_size = sizeof options, .alloc = host_alloc, .release = host_release, .alloc_host = host};
    tleg_context *context;
    fuzz_need(tleg_context_create(&options, &context) == TLEG_OK);
    host->calls = 0;
    host->refused = refused;
    return context;
}

void fuzz_end(tleg_context *context, const struct fuzz_host *host) {
    tleg_context_free(context);
    fuzz_need(host->held == 0);
}

void fuzz_need_error(const tleg_context *context, tleg_status status) {
    fuzz_need(status == TLEG_OK || tleg_context_get_error(context)[0] != '\0');
    fuzz_need(status != TLEG_ERROR_STATE && status != TLEG_ERROR_CANCELLED && status != TLEG_ERROR_IO);
}

/* The largest number before a ']' that data of MOST_DATA bytes can have. */
static size_t data_wanted(const uint8_t *text, size_t size) {
    size_t largest = 0, number = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            number = number > MOST_DATA ? number : 10 * number + (size_t)(text[i] - '0');
            continue;
        }
        if (text[i] == ']' && number > largest && number <= MOST_DATA)
            largest = number;
        number = 0;
    }
    return largest;
}

void fuzz_fill(uint8_t *out, size_t count, const uint8_t *data, size_t size) {
    for (size_t at = 0; at < count; at += size)
        memcpy(out + at, data, count - at < size ? count - at : size);
}

uint8_t *fuzz_safetensors(const uint8_t *data, size_t size, size_t *bytes) {
    const bool header = size > 0 && data[0] == '{';
    const size_t before = header ? LENGTH_BYTES : 0, behind = header ? data_wanted(data, size) : 0;
    uint8_t *file = malloc(before + size + behind + 1);
    fuzz_need(file != NULL);
    for (size_t i = 0; i < before; i++)
        file[i] = (uint8_t)((uint64_t)size >> 8 * i);
    if (size > 0)
        memcpy(file + before, data, size);
    fuzz_fill(file + before + size, behind, data, size);
    *bytes = before + size + behind;
    return realloc(file, *bytes ? *bytes : 1); /* exactly the bytes: reading past them is seen */
}

const char *fuzz_path(const uint8_t *data, size_t size) {
    static char path[64];
    static int file = -1;
    if (file < 0) {
        file = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    fuzz_need(file >= 0 && ftruncate(file, 0) == 0);
    fuzz_need(pwrite(file, data, size, 0) == (ssize_t)size);
    return path;
}

static char scratch[64];

static void remove_scratch(void) {
    unlink(scratch);
}

const char *fuzz_scratch(void) {
    if (scratch[0])
        return scratch;
    snprintf(scratch, sizeof scratch, "%s/tleg-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    const int file = mkstemp(scratch);
    fuzz_need(file >= 0);
    close(file);
    atexit(remove_scratch);
    return scratch;
}
