/* The header of a file to be written: always the same bytes for the same tensors and metadata. */
#include "format/private.h"

#include <string.h>

/* Counts while `out` is NULL, writes when it is not: the same code does both. */
struct sink {
    char *out;
    size_t length;
};

static void put(struct sink *sink, const char *bytes, size_t length) {
    if (sink->out)
        memcpy(sink->out + sink->length, bytes, length);
    sink->length += length;
}

static void put_text(struct sink *sink, const char *text) {
    put(sink, text, strlen(text));
}

static void put_number(struct sink *sink, uint64_t value) {
    char digits[20];
    size_t first = sizeof digits;
    do
        digits[--first] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    put(sink, digits + first, sizeof digits - first);
}

/* A JSON string: UTF-8 stays as it is, control characters become \u00XX. */
static void put_string(struct sink *sink, const char *text) {
    put(sink, "\"", 1);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20) {
            char escape[6] = {'\\', 'u', '0', '0', (char)('0' + c / 16), "0123456789abcdef"[c % 16]};
            put(sink, escape, sizeof escape);
        } else {
            if (c == '"' || c == '\\')
                put(sink, "\\", 1);
            put(sink, text, 1);
        }
    }
    put(sink, "\"", 1);
}

/* A member's key; a comma before it unless it is the first after '{'. */
static void put_key(struct sink *sink, const char *key, bool first) {
    if (!first)
        put(sink, ",", 1);
    put_string(sink, key);
    put(sink, ":", 1);
}

static void put_metadata(struct sink *sink, const struct tleg_pair *pairs, size_t count) {
    put_key(sink, TLEG_FILE_META, true);
    put(sink, "{", 1);
    for (size_t i = 0; i < count; i++) {
        put_key(sink, pairs[i].key, i == 0);
        put_string(sink, pairs[i].value);
    }
    put(sink, "}", 1);
}

static void put_entry(struct sink *sink, const struct tleg_write_entry *entry, uint64_t begin) {
    uint64_t bytes = tleg_dtype_size(entry->dtype);
    put_text(sink, "{\"dtype\":\"");
    put_text(sink, tleg_dtype_name(entry->dtype));
    put_text(sink, "\",\"shape\":[");
    for (int32_t i = 0; i < entry->rank; i++) {
        bytes *= (uint64_t)entry->shape[i];
        if (i > 0)
            put(sink, ",", 1);
        put_number(sink, (uint64_t)entry->shape[i]);
    }
    put_text(sink, "],\"data_offsets\":[");
    put_number(sink, begin);
    put(sink, ",", 1);
    put_number(sink, begin + bytes);
    put_text(sink, "]}");
}

static void put_header(struct sink *sink, const struct tleg_write_entry *entries, size_t count, const uint64_t *begins,
                       const struct tleg_pair *pairs, size_t pair_count) {
    put(sink, "{", 1);
    if (pair_count > 0)
        put_metadata(sink, pairs, pair_count);
    for (size_t i = 0; i < count; i++) {
        put_key(sink, entries[i].name, i == 0 && pair_count == 0);
        put_entry(sink, &entries[i], begins[i]);
    }
    put(sink, "}", 1);
}

tleg_status tleg_header_write(tleg_context *context, const char *path, const struct tleg_write_entry *entries, size_t count,
                              const uint64_t *begins, const struct tleg_pair *pairs, size_t pair_count,
                              struct tleg_header_text *header) {
    struct sink sink = {NULL, sizeof(uint64_t)};
    put_header(&sink, entries, count, begins, pairs, pair_count);
    header->bytes = tleg_size_align(sink.length);
    uint64_t length = header->bytes - sizeof length;
    if (length > TLEG_FILE_HEADER_LIMIT)
        return tleg_fail(context, TLEG_ERROR_ARGUMENT, "%s: the header would be %llu bytes long; the format's limit is %d",
                         path, (unsigned long long)length, TLEG_FILE_HEADER_LIMIT);
    header->text = tleg_alloc(&context->allocator, header->bytes);
    if (!header->text)
        return tleg_fail_memory(context, path, header->bytes);
    memset(header->text, ' ', header->bytes);
    for (size_t i = 0; i < sizeof length; i++)
        header->text[i] = (char)(length >> 8 * i & 0xff);
    sink = (struct sink){header->text, sizeof length};
    put_header(&sink, entries, count, begins, pairs, pair_count);
    return TLEG_OK;
}
