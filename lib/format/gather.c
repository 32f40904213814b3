/* Tensors whose elements do not lie in rows, such as a transposed matrix of PyTorch's: the part of the file that what is asked
 * for is spread over is read at once, then gathered. */
#include "format/private.h"

#include <string.h>

enum { CHUNK = 4096 }; /* elements that wait for their conversion */

struct spread {
    const struct tleg_entry *entry;
    size_t width;               /* bytes of an element */
    uint64_t low;               /* the place of the first byte at `bytes`, in elements after the tensor's first */
    const unsigned char *bytes; /* in memory, or read into `own` */
    struct tleg_allocator allocator;
    void *own;
    size_t own_bytes;
};

/* The place of an element along each axis. */
static void unravel(const struct tleg_entry *entry, uint64_t element, uint64_t place[TLEG_MAX_RANK]) {
    for (int32_t i = entry->rank; i-- > 0; element /= (uint64_t)entry->shape[i])
        place[i] = element % (uint64_t)entry->shape[i];
}

/* How far elements [first, first + count) are spread: [*low, *high], counted in elements after the tensor's first. */
static void find_spread(const struct tleg_entry *entry, uint64_t first, uint64_t count, uint64_t *low, uint64_t *high) {
    uint64_t from[TLEG_MAX_RANK], to[TLEG_MAX_RANK];
    bool whole = false; /* an axis before differs: all of this one is asked for, as far as we know */
    unravel(entry, first, from);
    unravel(entry, first + count - 1, to);
    *low = *high = 0;
    for (int32_t i = 0; i < entry->rank; i++) {
        const uint64_t stride = (uint64_t)entry->strides[i];
        *low += whole ? 0 : from[i] * stride;
        *high += (whole ? (uint64_t)entry->shape[i] - 1 : to[i]) * stride;
        whole |= from[i] != to[i];
    }
}

/* Elements [first, first + count), at least one, as they are spread. spread_close is right after a failure too. */
static tleg_status spread_open(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, uint64_t first,
                               uint64_t count, struct spread *spread) {
    uint64_t high;
    *spread = (struct spread){.entry = entry, .allocator = context->allocator};
    spread->width = tleg_stored_type_find(entry->type_name)->bits / 8;
    find_spread(entry, first, count, &spread->low, &high);
    const uint64_t at = file->data_start + entry->offset + spread->low * spread->width;
    const uint64_t bytes = (high - spread->low + 1) * spread->width;
    if (file->memory) {
        spread->bytes = file->memory + at;
        return tleg_work_step(context, count * spread->width);
    }
    size_t got;
    spread->own_bytes = bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes;
    spread->own = tleg_alloc(&spread->allocator, spread->own_bytes);
    if (!spread->own)
        return tleg_fail_memory(context, file->label, spread->own_bytes);
    spread->bytes = spread->own;
    const tleg_status status = tleg_source_read(context, file, at, spread->own_bytes, spread->own, &got);
    if (status == TLEG_OK && got < spread->own_bytes)
        return tleg_fail(context, TLEG_ERROR_IO, "%s: tensor '%s': the file was truncated after it was opened", file->label,
                         entry->name);
    return status;
}

static void spread_close(struct spread *spread) {
    tleg_release(&spread->allocator, spread->own, spread->own_bytes);
}

/* Elements [first, first + count) of those that were opened, one after the other. */
static void gather(const struct spread *spread, uint64_t first, size_t count, unsigned char *out) {
    const struct tleg_entry *entry = spread->entry;
    const int32_t last = entry->rank - 1;
    const size_t width = spread->width, step = (size_t)entry->strides[last] * width;
    while (count > 0) {
        uint64_t place[TLEG_MAX_RANK], at = 0;
        unravel(entry, first, place);
        for (int32_t i = 0; i < entry->rank; i++)
            at += place[i] * (uint64_t)entry->strides[i];
        const uint64_t left = (uint64_t)entry->shape[last] - place[last];
        const size_t run = left < count ? (size_t)left : count;
        const unsigned char *from = spread->bytes + (at - spread->low) * width;
        for (size_t k = 0; k < run; k++, from += step, out += width)
            memcpy(out, from, width);
        first += run;
        count -= run;
    }
}

tleg_status tleg_gather_bytes(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, uint64_t first,
                              size_t bytes, void *out) {
    const size_t width = tleg_stored_type_find(entry->type_name)->bits / 8;
    if (first % width != 0 || bytes % width != 0)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: tensor '%s' does not lie in rows: whole elements can be read",
                         file->label, entry->name);
    if (bytes == 0)
        return TLEG_OK;
    struct spread spread;
    const tleg_status status = spread_open(context, file, entry, first / width, bytes / width, &spread);
    if (status == TLEG_OK)
        gather(&spread, first / width, bytes / width, out);
    spread_close(&spread);
    return status;
}

tleg_status tleg_gather_part(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, size_t first,
                             size_t count, float *out) {
    if (entry->dtype == TLEG_F32)
        return tleg_gather_bytes(context, file, entry, (uint64_t)first * sizeof *out, count * sizeof *out, out);
    if (count == 0)
        return TLEG_OK;
    _Alignas(TLEG_ALIGN) unsigned char chunk[CHUNK * sizeof(double)];
    struct spread spread;
    const tleg_status status = spread_open(context, file, entry, first, count, &spread);
    for (size_t done = 0; done < count && status == TLEG_OK; done += CHUNK) {
        const size_t part = count - done < CHUNK ? count - done : CHUNK;
        gather(&spread, first + done, part, chunk);
        tleg_convert_to_f32(entry->dtype, chunk, out + done, part);
    }
    spread_close(&spread);
    return status;
}
