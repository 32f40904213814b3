/* What the fuzz targets share. A target answers any bytes without a fault, and abort()s where a promise does not hold. */
#ifndef TLEG_TESTS_FUZZ_TARGET_H
#define TLEG_TESTS_FUZZ_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tleg/core.h>

/* The target: what the fuzzers call measures it (target.c). Returns 0. */
int fuzz_input(const uint8_t *data, size_t size);

/* Aborts, which every fuzzer takes for a finding, when a promise was not kept. */
void fuzz_need(bool kept);

/* The allocator of a target's context: it counts, has an end, and may refuse one call. */
struct fuzz_host {
    size_t held;    /* bytes that were not released */
    size_t calls;   /* of alloc, so far */
    size_t refused; /* the call that gets nothing, counted from 1; 0: none does */
};
tleg_context *fuzz_begin(struct fuzz_host *host);
/* Frees the context and needs that nothing is held any more. */
void fuzz_end(tleg_context *context, const struct fuzz_host *host);
/* A failure came with its text, and one for lack of memory only where memory was refused. */
void fuzz_need_error(const tleg_context *context, tleg_status status);

/* The bytes as a safetensors file, in memory that the caller frees. Bytes that begin with '{' are a header alone: the length
 * goes before it, and as much data behind it as its largest offset asks for (1 MiB at most), so that a fuzzer that changes the
 * header does not have to change two other places with it. Others are taken as they are. */
uint8_t *fuzz_safetensors(const uint8_t *data, size_t size, size_t *bytes);

/* Fills memory with the bytes of the input, which serve as numbers of all sizes. */
void fuzz_fill(uint8_t *out, size_t count, const uint8_t *data, size_t size);

/* A whole and sound file from a list of its tensors, a line each: "NAME TYPE 2,3", or "KEY=VALUE" for metadata. So a fuzzer
 * that changes a shape need not change the offsets of all that follows. `size` is not 0; the caller frees the memory. */
uint8_t *fuzz_listing(const uint8_t *data, size_t size, size_t *bytes);

/* A path under which the bytes can be opened, for what reads files alone; it holds until the next call. */
const char *fuzz_path(const uint8_t *data, size_t size);

/* A path that can be written to, in memory where the system has such a place; the file is gone when the process ends well. */
const char *fuzz_scratch(void);

#endif
