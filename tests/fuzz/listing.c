/* A safetensors file from a list of its tensors. */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DATA = 1 << 18, LENGTH_BYTES = 8 };

struct listing {
    uint8_t *bytes; /* of the file: length, header, data */
    size_t size, room;
    size_t data; /* bytes that the tensors so far take */
};

static void put(struct listing *listing, const char *text, size_t length) {
    if (listing->size + length > listing->room) {
        listing->room = 2 * (listing->size + length);
        listing->bytes = realloc(listing->bytes, listing->room);
        fuzz_need(listing->bytes != NULL);
    }
    memcpy(listing->bytes + listing->size, text, length);
    listing->size += length;
}

static void put_text(struct listing *listing, const char *text) {
    put(listing, text, strlen(text));
}

/* As a JSON string. */
static void put_string(struct listing *listing, const uint8_t *text, size_t length) {
    put_text(listing, "\"");
    for (size_t i = 0; i < length; i++) {
        char escaped[8];
        if (text[i] >= ' ' && text[i] != '"' && text[i] != '\\')
            put(listing, (const char *)text + i, 1);
        else
            put(listing, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", text[i]));
    }
    put_text(listing, "\"");
}

static const uint8_t *find(const uint8_t *from, const uint8_t *end, int byte) {
    const uint8_t *at = from < end ? memchr(from, byte, (size_t)(end - from)) : NULL;
    return at ? at : end;
}

static size_t type_bytes(const uint8_t *type, size_t length) {
    if (length >= 2 && memcmp(type + length - 2, "64", 2) == 0)
        return 8;
    if (length >= 2 && memcmp(type + length - 2, "32", 2) == 0)
        return 4;
    return length >= 2 && memcmp(type + length - 2, "16", 2) == 0 ? 2 : 1;
}

/* "2,3" after "[": written as it is, with the product of its numbers; MOST_DATA at most. */
static size_t put_shape(struct listing *listing, const uint8_t *at, const uint8_t *end) {
    size_t product = 1, number = 0;
    put(listing, (const char *)at, (size_t)(end - at));
    for (; at <= end; at++) {
        if (at < end && *at >= '0' && *at <= '9') {
            number = number > MOST_DATA ? number : 10 * number + (size_t)(*at - '0');
        } else {
            product = number == 0 || product <= MOST_DATA / number ? product * number : MOST_DATA;
            number = 0;
        }
    }
    return product;
}

/* "NAME TYPE 2,3" */
static void put_tensor(struct listing *listing, const uint8_t *line, const uint8_t *end) {
    char offsets[96];
    const uint8_t *type = find(line, end, ' '), *shape = find(type + (type < end), end, ' ');
    const uint8_t *type_at = type + (type < end), *shape_at = shape + (shape < end);
    put_string(listing, line, (size_t)(type - line));
    put_text(listing, ":{\"dtype\":");
    put_string(listing, type_at, (size_t)(shape - type_at));
    put_text(listing, ",\"shape\":[");
    size_t bytes = shape_at < end ? put_shape(listing, shape_at, end) : 1;
    bytes *= type_bytes(type_at, (size_t)(shape - type_at));
    snprintf(offsets, sizeof offsets, "],\"data_offsets\":[%zu,%zu]}", listing->data, listing->data + bytes);
    put_text(listing, offsets);
    listing->data += bytes;
}

static bool is_pair(const uint8_t *line, const uint8_t *end) {
    return find(line, end, '=') < find(line, end, ' ');
}

/* All lines of one kind, with commas between them. */
static void put_lines(struct listing *listing, const uint8_t *data, const uint8_t *end, bool pairs) {
    bool first = true;
    for (const uint8_t *line = data, *stop; line < end && listing->data < MOST_DATA; line = stop + 1) {
        stop = find(line, end, '\n');
        if (stop == line || is_pair(line, stop) != pairs)
            continue;
        if (!first)
            put_text(listing, ",");
        first = false;
        if (!pairs) {
            put_tensor(listing, line, stop);
            continue;
        }
        const uint8_t *value = find(line, stop, '=');
        put_string(listing, line, (size_t)(value - line));
        put_text(listing, ":");
        put_string(listing, value + 1, (size_t)(stop - value - 1));
    }
}

uint8_t *fuzz_listing(const uint8_t *data, size_t size, size_t *bytes) {
    struct listing listing = {0};
    put(&listing, "\0\0\0\0\0\0\0\0", LENGTH_BYTES);
    put_text(&listing, "{\"__metadata__\":{");
    put_lines(&listing, data, data + size, true);
    put_text(&listing, "},");
    put_lines(&listing, data, data + size, false);
    put_text(&listing, "}");
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        listing.bytes[i] = (uint8_t)((uint64_t)(listing.size - LENGTH_BYTES) >> 8 * i);
    if (listing.data > MOST_DATA)
        listing.data = 0; /* the header is refused for what it claims */
    *bytes = listing.size + listing.data;
    listing.bytes = realloc(listing.bytes, *bytes);
    fuzz_need(listing.bytes != NULL);
    fuzz_fill(listing.bytes + listing.size, listing.data, data, size);
    return listing.bytes;
}
