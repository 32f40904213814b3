/* Writing protobuf's wire format: a field is its number and kind in a varint, then a varint, four bytes, or a length and so
 * many bytes (protobuf.dev/programming-guides/encoding). */
#include "onnx/private.h"

#include <string.h>

enum { VARINT = 0, BYTES = 2, FIXED32 = 5, LEAST_ROOM = 4096 };

static void grow(struct tleg_message *to, size_t bytes) {
    size_t room = to->room > LEAST_ROOM ? to->room : LEAST_ROOM, wanted;
    if (!tleg_size_add(to->length, bytes, &wanted)) {
        to->full = true;
        return;
    }
    while (room < wanted)
        if (!tleg_size_mul(room, 2, &room)) {
            to->full = true;
            return;
        }
    unsigned char *data = tleg_alloc(to->allocator, room);
    if (!data) {
        to->full = true;
        return;
    }
    if (to->length)
        memcpy(data, to->data, to->length);
    tleg_release(to->allocator, to->data, to->room);
    to->data = data;
    to->room = room;
}

void tleg_put_raw(struct tleg_message *to, const void *data, size_t bytes) {
    if (!to->full && to->room - to->length < bytes)
        grow(to, bytes);
    if (to->full || bytes == 0)
        return;
    memcpy(to->data + to->length, data, bytes);
    to->length += bytes;
}

static void varint(struct tleg_message *to, uint64_t value) {
    unsigned char bytes[10];
    size_t count = 0;
    for (; value > 127; value >>= 7)
        bytes[count++] = (unsigned char)(value | 128);
    bytes[count++] = (unsigned char)value;
    tleg_put_raw(to, bytes, count);
}

static void key(struct tleg_message *to, int field, int kind) {
    varint(to, (uint64_t)field << 3 | (unsigned)kind);
}

void tleg_put_integer(struct tleg_message *to, int field, int64_t value) {
    key(to, field, VARINT);
    varint(to, (uint64_t)value);
}

void tleg_put_float(struct tleg_message *to, int field, float value) {
    key(to, field, FIXED32);
    tleg_put_raw(to, &value, sizeof value);
}

void tleg_put_head(struct tleg_message *to, int field, uint64_t length) {
    key(to, field, BYTES);
    varint(to, length);
}

void tleg_put_bytes(struct tleg_message *to, int field, const void *data, size_t length) {
    tleg_put_head(to, field, length);
    tleg_put_raw(to, data, length);
}

void tleg_put_text(struct tleg_message *to, int field, const char *text) {
    tleg_put_bytes(to, field, text, strlen(text));
}

void tleg_put_message(struct tleg_message *to, int field, const struct tleg_message *message) {
    to->full = to->full || message->full;
    tleg_put_bytes(to, field, message->data, message->length);
}

void tleg_message_free(struct tleg_message *message) {
    tleg_release(message->allocator, message->data, message->room);
    message->data = NULL;
    message->length = message->room = 0;
}
