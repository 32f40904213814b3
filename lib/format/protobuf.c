/* Reading protobuf's wire format: a field is its number and kind in a varint, then a varint, four or eight bytes, or a length
 * and so many bytes (protobuf.dev/programming-guides/encoding). Fields are read through a window, so that what is passed over,
 * such as weights, is not read at all. */
#include "format/onnx.h"

#include <string.h>

static tleg_status cut_short(const struct tleg_wire *wire, uint64_t at) {
    return tleg_fail(wire->context, TLEG_ERROR_FORMAT,
                     "%s: damaged or truncated, or not an ONNX file: what begins at byte %llu ends after what holds it",
                     wire->file->label, (unsigned long long)at);
}

/* The bytes at `at`, of which at least one is in the file; *count are there. */
static tleg_status look(struct tleg_wire *wire, uint64_t at, const unsigned char **bytes, size_t *count) {
    if (at < wire->start || at - wire->start >= wire->length) {
        const uint64_t left = wire->file->size - at;
        const size_t wanted = left < sizeof wire->window ? (size_t)left : sizeof wire->window;
        const tleg_status status = tleg_source_read(wire->context, wire->file, at, wanted, wire->window, &wire->length);
        wire->start = at;
        if (status != TLEG_OK || wire->length == 0)
            return status != TLEG_OK
                       ? status
                       : tleg_fail(wire->context, TLEG_ERROR_IO, "%s was truncated while it was read", wire->file->label);
    }
    *bytes = wire->window + (at - wire->start);
    *count = wire->length - (size_t)(at - wire->start);
    return TLEG_OK;
}

tleg_status tleg_wire_varint(struct tleg_wire *wire, struct tleg_span *left, uint64_t *value) {
    const uint64_t at = left->at;
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const unsigned char *bytes = NULL;
        size_t count = 0;
        if (left->at >= left->end)
            return cut_short(wire, at);
        const tleg_status status = look(wire, left->at, &bytes, &count);
        if (status != TLEG_OK)
            return status;
        left->at++;
        *value |= (uint64_t)(*bytes & 127) << shift;
        if (*bytes < 128)
            return TLEG_OK;
    }
    return tleg_fail(wire->context, TLEG_ERROR_FORMAT, "%s: damaged, or not an ONNX file: the number at byte %llu is too long",
                     wire->file->label, (unsigned long long)at);
}

tleg_status tleg_wire_copy(struct tleg_wire *wire, struct tleg_span span, void *out) {
    unsigned char *to = out;
    while (span.at < span.end) {
        const unsigned char *bytes = NULL;
        size_t count = 0;
        const tleg_status status = look(wire, span.at, &bytes, &count);
        if (status != TLEG_OK)
            return status;
        const size_t part = count < tleg_span_bytes(span) ? count : (size_t)tleg_span_bytes(span);
        memcpy(to, bytes, part);
        to += part;
        span.at += part;
    }
    return TLEG_OK;
}

/* A number of 4 or 8 bytes, the lowest first. */
static tleg_status fixed(struct tleg_wire *wire, struct tleg_span *left, size_t width, uint64_t *value) {
    unsigned char bytes[8];
    if (tleg_span_bytes(*left) < width)
        return cut_short(wire, left->at);
    const tleg_status status = tleg_wire_copy(wire, (struct tleg_span){left->at, left->at + width}, bytes);
    left->at += width;
    *value = 0;
    for (size_t k = width; status == TLEG_OK && k-- > 0;)
        *value = *value << 8 | bytes[k];
    return status;
}

static tleg_status take_bytes(struct tleg_wire *wire, struct tleg_span *left, struct tleg_field *field) {
    const uint64_t at = left->at;
    const tleg_status status = tleg_wire_varint(wire, left, &field->value);
    if (status != TLEG_OK)
        return status;
    if (field->value > tleg_span_bytes(*left))
        return cut_short(wire, at);
    field->span = (struct tleg_span){left->at, left->at + field->value};
    left->at = field->span.end;
    return TLEG_OK;
}

tleg_status tleg_wire_next(struct tleg_wire *wire, struct tleg_span *left, struct tleg_field *field) {
    const uint64_t at = left->at;
    uint64_t key;
    *field = (struct tleg_field){0};
    const tleg_status status = tleg_wire_varint(wire, left, &key);
    if (status != TLEG_OK)
        return status;
    field->kind = (int32_t)(key & 7);
    field->number = (int32_t)(key >> 3 & 0x1fffffff);
    if (field->number > 0 && key >> 32 == 0)
        switch (field->kind) {
        case TLEG_WIRE_VARINT:
            return tleg_wire_varint(wire, left, &field->value);
        case TLEG_WIRE_FIXED64:
            return fixed(wire, left, 8, &field->value);
        case TLEG_WIRE_FIXED32:
            return fixed(wire, left, 4, &field->value);
        case TLEG_WIRE_BYTES:
            return take_bytes(wire, left, field);
        default:
            break;
        }
    return tleg_fail(wire->context, TLEG_ERROR_FORMAT, "%s: damaged, or not an ONNX file: no field begins at byte %llu",
                     wire->file->label, (unsigned long long)at);
}
