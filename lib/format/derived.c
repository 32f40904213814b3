/* A derived file: tensors that are made of an open file's when they are read, under names of their own. */
#include "format/private.h"

#include <string.h>

static struct tleg_file *share(const struct tleg_file *file) {
    struct tleg_file *shared = (struct tleg_file *)(uintptr_t)file; /* the count is all that changes */
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

/* ---- what it is made of ---- */

static tleg_status share_below(tleg_context *context, const struct tleg_file *file, struct tleg_file *derived) {
    derived->several = file->several;
    derived->part_bytes = sizeof *derived->parts;
    derived->parts = tleg_alloc(&derived->allocator, derived->part_bytes);
    if (!derived->parts)
        return tleg_fail_memory(context, derived->label, derived->part_bytes);
    derived->parts[0] = share(file);
    derived->part_count = 1;
    return TLEG_OK;
}

/* What the block holds beside the arrays: pieces, views of the maker's, strides, numbers, then texts. */
struct room {
    size_t pieces, views, strides, numbers, texts;
    size_t bytes;
};

static void measure_piece(const struct tleg_piece *piece, struct room *room) {
    room->pieces++;
    if (piece->source && piece->own) {
        room->views++;
        room->strides += piece->source->strides ? (size_t)piece->source->rank : 0;
    }
    room->numbers += piece->numbers ? (size_t)piece->count : 0;
}

/* Everything counted is in memory, or was measured. */
static bool measure(const struct tleg_derivation *from, struct room *room) {
    *room = (struct room){0};
    for (size_t i = 0; i < from->count; i++) {
        for (size_t k = 0; k < from->made[i].piece_count; k++)
            measure_piece(&from->made[i].pieces[k], room);
        room->texts += strlen(from->made[i].name) + 1;
    }
    for (size_t i = 0; i < from->pair_count; i++)
        room->texts += strlen(from->pairs[i].key) + strlen(from->pairs[i].value) + 2;
    const size_t counts[] = {room->pieces, room->views, room->strides, room->numbers, room->texts};
    const size_t widths[] = {sizeof(struct tleg_piece), sizeof(struct tleg_entry), sizeof(int64_t), sizeof(float), 1};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        size_t bytes;
        if (!tleg_size_mul(counts[k], widths[k], &bytes) || !tleg_size_add(room->bytes, bytes, &room->bytes))
            return false;
    }
    return true;
}

/* Where the next of each goes; the widest come first, so that all are aligned. */
struct filling {
    struct tleg_piece *pieces;
    struct tleg_entry *views;
    int64_t *strides;
    float *numbers;
    char *texts;
};

static void lay_out(const struct room *room, char *memory, struct filling *filling) {
    filling->pieces = (void *)memory;
    filling->views = (void *)(filling->pieces + room->pieces);
    filling->strides = (void *)(filling->views + room->views);
    filling->numbers = (void *)(filling->strides + room->strides);
    filling->texts = (void *)(filling->numbers + room->numbers);
}

static const char *copy_text(const char *text, char **texts) {
    const size_t bytes = strlen(text) + 1;
    char *copy = memcpy(*texts, text, bytes);
    *texts += bytes;
    return copy;
}

/* The pieces' own type where they have one, else f32, to which each is widened. */
static void take_type(const struct tleg_made *made, struct tleg_entry *entry) {
    const struct tleg_entry *first = NULL;
    bool one = true;
    for (size_t k = 0; k < made->piece_count; k++) {
        const struct tleg_entry *source = made->pieces[k].source;
        first = first ? first : source;
        one = one && !made->pieces[k].numbers && (!source || source->dtype == first->dtype);
    }
    entry->dtype = first && one ? first->dtype : TLEG_F32;
    entry->type_name = first && one ? first->type_name : "F32";
}

/* A piece, with copies of what its maker lends. */
static void take_piece(const struct tleg_piece *piece, struct filling *filling) {
    struct tleg_piece *own = filling->pieces++;
    *own = *piece;
    if (piece->source && piece->own) {
        struct tleg_entry *view = filling->views++;
        *view = *piece->source;
        if (view->strides) {
            view->strides = memcpy(filling->strides, view->strides, (size_t)view->rank * sizeof *view->strides);
            filling->strides += view->rank;
        }
        own->source = view;
    }
    if (piece->numbers) {
        own->numbers = memcpy(filling->numbers, piece->numbers, (size_t)piece->count * sizeof *piece->numbers);
        filling->numbers += piece->count;
    }
}

static void take_made(const struct tleg_made *made, struct filling *filling, struct tleg_entry *entry) {
    *entry = (struct tleg_entry){.name = copy_text(made->name, &filling->texts), .rank = made->rank};
    memcpy(entry->shape, made->shape, sizeof entry->shape);
    take_type(made, entry);
    uint64_t count = 0;
    for (size_t k = 0; k < made->piece_count; k++)
        count += made->pieces[k].count;
    const struct tleg_piece *alone = made->pieces;
    entry->bytes = entry->dtype != 0 ? count * tleg_dtype_size(entry->dtype) : alone->source->bytes;
    entry->pieces = filling->pieces;
    entry->piece_count = made->piece_count;
    for (size_t k = 0; k < made->piece_count; k++)
        take_piece(&made->pieces[k], filling);
}

static tleg_status fill(tleg_context *context, const struct tleg_derivation *from, struct tleg_file *derived) {
    struct room room;
    struct filling filling;
    if (!measure(from, &room))
        return tleg_fail_memory(context, derived->label, SIZE_MAX);
    char *memory;
    derived->entry_count = from->count;
    derived->pair_count = from->pair_count;
    tleg_status status = tleg_file_make_block(context, derived, room.bytes, &memory);
    if (status != TLEG_OK)
        return status;
    lay_out(&room, memory, &filling);
    for (size_t i = 0; i < from->count; i++)
        take_made(&from->made[i], &filling, &derived->entries[i]);
    for (size_t i = 0; i < from->pair_count; i++) {
        derived->pairs[i].key = copy_text(from->pairs[i].key, &filling.texts);
        derived->pairs[i].value = copy_text(from->pairs[i].value, &filling.texts);
        derived->by_key[i] = &derived->pairs[i];
    }
    return tleg_file_index_names(context, derived);
}

tleg_status tleg_file_derive(tleg_context *context, const tleg_file *file, const struct tleg_derivation *from,
                             tleg_file **out) {
    *out = NULL;
    struct tleg_file *derived;
    tleg_status status = tleg_file_make(context, file->label, &derived);
    if (status != TLEG_OK)
        return status;
    status = share_below(context, file, derived);
    if (status == TLEG_OK)
        status = fill(context, from, derived);
    if (status == TLEG_OK)
        *out = derived;
    else
        tleg_file_free(derived);
    return status;
}

/* ---- every tensor as it is ---- */

struct tleg_piece tleg_piece_whole(const struct tleg_entry *entry) {
    uint64_t count = 1;
    for (int32_t k = 0; k < entry->rank; k++)
        count *= (uint64_t)entry->shape[k];
    return (struct tleg_piece){.source = entry, .count = count};
}

/* Each tensor as it is, those whose names begin with `prefix` under their rest. */
static tleg_status derive_all(tleg_context *context, const tleg_file *file, const char *prefix, const struct tleg_pair *pairs,
                              size_t pair_count, tleg_file **out) {
    const size_t length = strlen(prefix), each = sizeof(struct tleg_made) + sizeof(struct tleg_piece);
    size_t bytes;
    if (!tleg_size_mul(file->entry_count + 1, each, &bytes))
        return tleg_fail_memory(context, file->label, SIZE_MAX);
    struct tleg_made *made = tleg_alloc(&context->allocator, bytes);
    if (!made)
        return tleg_fail_memory(context, file->label, bytes);
    struct tleg_piece *pieces = (void *)(made + file->entry_count);
    for (size_t i = 0; i < file->entry_count; i++) {
        const struct tleg_entry *entry = &file->entries[i];
        const bool with = strncmp(entry->name, prefix, length) == 0;
        pieces[i] = tleg_piece_whole(entry);
        made[i] = (struct tleg_made){entry->name + (with ? length : 0), entry->rank, {0}, &pieces[i], 1};
        memcpy(made[i].shape, entry->shape, sizeof made[i].shape);
    }
    const struct tleg_derivation from = {made, file->entry_count, pairs, pair_count};
    tleg_status status = tleg_file_derive(context, file, &from, out);
    tleg_release(&context->allocator, made, bytes);
    return status;
}

tleg_status tleg_file_view(tleg_context *context, const tleg_file *file, const char *prefix, tleg_file **out) {
    *out = NULL;
    if (*prefix)
        return derive_all(context, file, prefix, file->pairs, file->pair_count, out);
    *out = share(file);
    return TLEG_OK;
}

tleg_status tleg_file_with_pairs(tleg_context *context, const tleg_file *file, const struct tleg_pair *pairs, size_t count,
                                 tleg_file **derived) {
    *derived = NULL;
    const tleg_status status = derive_all(context, file, "", pairs, count, derived);
    if (status == TLEG_OK)
        (*derived)->same = true;
    return status;
}

/* ---- reading ---- */

struct reading {
    tleg_context *context;
    const tleg_file *below; /* the file that the pieces are of */
    bool widen;             /* to f32; else as it is stored */
    size_t width;           /* bytes of an element in `out` */
};

/* Elements [first, first + count) of a tensor of the file below, in its own order. */
static tleg_status fetch(const struct reading *reading, const struct tleg_entry *source, uint64_t first, size_t count,
                         void *out) {
    if (reading->widen)
        return tleg_file_read_part(reading->context, reading->below, source, (size_t)first, count, out);
    return tleg_file_read_bytes(reading->context, reading->below, source, first * reading->width, count * reading->width, out);
}

enum { COLUMN = 2048 }; /* elements of a column that are read at once */

/* Of the transposed matrix: element i of it, in row i / rows, is source[i % rows][i / rows]. A few of its rows at a time are
 * columns of the source that lie side by side. */
static tleg_status read_turned(const struct reading *reading, const struct tleg_piece *piece, uint64_t first, size_t count,
                               unsigned char *out) {
    _Alignas(TLEG_ALIGN) unsigned char run[COLUMN * sizeof(double)];
    const struct tleg_entry *source = piece->source;
    const uint64_t rows = (uint64_t)source->shape[0], columns = (uint64_t)source->shape[1];
    const uint64_t end = (first + count - 1) / rows + 1;
    tleg_status status = TLEG_OK;
    for (uint64_t column = first / rows; column < end; column += COLUMN) {
        const size_t width = (size_t)(end - column < COLUMN ? end - column : COLUMN);
        for (uint64_t row = 0; row < rows && status == TLEG_OK; row++) {
            status = fetch(reading, source, row * columns + column, width, run);
            for (size_t k = 0; k < width && status == TLEG_OK; k++) {
                const uint64_t at = (column + k) * rows + row;
                if (at >= first && at - first < count)
                    memcpy(out + (at - first) * reading->width, run + k * reading->width, reading->width);
            }
        }
    }
    return status;
}

/* A linear layer over patches, (D, P*P*C) with the channels last, as the convolution (D, C, P*P). */
static tleg_status read_patches(const struct reading *reading, const struct tleg_piece *piece, uint64_t first, size_t count,
                                unsigned char *out) {
    const struct tleg_entry *source = piece->source;
    const uint64_t length = (uint64_t)source->shape[1], channels = (uint64_t)piece->channels, pixels = length / channels;
    const size_t bytes = (size_t)length * reading->width;
    unsigned char *row = tleg_alloc(&reading->context->allocator, bytes);
    if (!row)
        return tleg_fail_memory(reading->context, source->name, bytes);
    tleg_status status = TLEG_OK;
    for (uint64_t k = first; k < first + count && status == TLEG_OK; k++) {
        const uint64_t at = k % length;
        if (k == first || at == 0)
            status = fetch(reading, source, k - at, (size_t)length, row);
        if (status == TLEG_OK)
            memcpy(out + (k - first) * reading->width, row + (at % pixels * channels + at / pixels) * reading->width,
                   reading->width);
    }
    tleg_release(&reading->context->allocator, row, bytes);
    return status;
}

static tleg_status read_piece(const struct reading *reading, const struct tleg_piece *piece, uint64_t first, size_t count,
                              unsigned char *out) {
    if (piece->numbers) { /* such a tensor is f32 */
        memcpy(out, piece->numbers + first, count * sizeof *piece->numbers);
        return tleg_work_step(reading->context, count * reading->width);
    }
    if (!piece->source) {
        memset(out, 0, count * reading->width);
        return tleg_work_step(reading->context, count * reading->width);
    }
    switch (piece->order) {
    case TLEG_PIECE_TURNED:
        return read_turned(reading, piece, first, count, out);
    case TLEG_PIECE_PATCHES:
        return read_patches(reading, piece, first, count, out);
    default:
        return fetch(reading, piece->source, piece->first + first, count, out);
    }
}

/* Elements [first, first + count), which the tensor has. */
static tleg_status read_pieces(const struct reading *reading, const struct tleg_entry *entry, uint64_t first, size_t count,
                               unsigned char *out) {
    tleg_status status = TLEG_OK;
    for (size_t k = 0; k < entry->piece_count && count > 0 && status == TLEG_OK; k++) {
        const struct tleg_piece *piece = &entry->pieces[k];
        if (first >= piece->count) {
            first -= piece->count;
            continue;
        }
        const size_t part = piece->count - first < count ? (size_t)(piece->count - first) : count;
        status = read_piece(reading, piece, first, part, out);
        out += part * reading->width;
        count -= part;
        first = 0;
    }
    return status;
}

tleg_status tleg_derived_read_f32(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry, uint64_t first,
                                  size_t count, float *out) {
    const struct reading reading = {context, file->parts[0], true, sizeof(float)};
    return read_pieces(&reading, entry, first, count, (unsigned char *)out);
}

tleg_status tleg_derived_read_bytes(tleg_context *context, const tleg_file *file, const struct tleg_entry *entry,
                                    uint64_t first, size_t bytes, void *out) {
    if (entry->dtype == 0) /* a type of which only the bytes are known is one whole piece */
        return tleg_file_read_bytes(context, file->parts[0], entry->pieces->source, first, bytes, out);
    const size_t width = tleg_dtype_size(entry->dtype);
    const struct reading reading = {context, file->parts[0], entry->dtype == TLEG_F32, width};
    return read_pieces(&reading, entry, first / width, bytes / width, out);
}
