/* A list of a graph's parts to an ONNX file. */
#include "fuzz/graph_listing.h"

#include "fuzz/target.h"
#include "tensor/tensor.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 1024, WORDS = 16, MOST_NUMBERS = 1 << 14 };

/* ---- protobuf ---- */

struct message {
    uint8_t *data;
    size_t length, room;
};

static void put(struct message *to, const void *data, size_t length) {
    if (to->room - to->length < length) {
        to->room = 2 * (to->room + length);
        to->data = realloc(to->data, to->room);
        fuzz_need(to->data != NULL);
    }
    if (length)
        memcpy(to->data + to->length, data, length);
    to->length += length;
}

static void varint(struct message *to, uint64_t value) {
    for (; value > 127; value >>= 7)
        put(to, &(uint8_t){(uint8_t)(value | 128)}, 1);
    put(to, &(uint8_t){(uint8_t)value}, 1);
}

static void put_integer(struct message *to, unsigned field, int64_t value) {
    varint(to, field << 3);
    varint(to, (uint64_t)value);
}

static void put_bytes(struct message *to, unsigned field, const void *data, size_t length) {
    varint(to, field << 3 | 2);
    varint(to, length);
    put(to, data, length);
}

static void put_text(struct message *to, unsigned field, const char *text) {
    put_bytes(to, field, text, strlen(text));
}

/* Adds a message and empties it. */
static void put_message(struct message *to, unsigned field, struct message *from) {
    put_bytes(to, field, from->data, from->length);
    from->length = 0;
}

/* ---- lines ---- */

static int split(char *line, char *words[WORDS]) {
    int count = 0;
    for (char *word = line; word && count < WORDS; count++) {
        words[count] = word;
        word = strchr(word, ' ');
        if (word)
            *word++ = '\0';
    }
    for (int k = count; k < WORDS; k++)
        words[k] = (char *)(uintptr_t) "";
    return count;
}

/* The next of the texts between commas, or NULL. */
static char *next(char **list) {
    char *at = *list, *comma = at ? strchr(at, ',') : NULL;
    if (!at || !*at || strcmp(at, ".") == 0)
        return NULL;
    if (comma)
        *comma = '\0';
    *list = comma ? comma + 1 : NULL;
    return at;
}

static void put_names(struct message *node, unsigned field, char *list) {
    for (char *name; (name = next(&list)) != NULL;)
        put_text(node, field, strcmp(name, "-") == 0 ? "" : name);
}

/* ---- tensors ---- */

static void put_number(struct message *to, long type, double value) {
    const float real = (float)value;
    const int64_t whole = value > -9e15 && value < 9e15 ? (int64_t)value : value > 0 ? INT64_MAX : INT64_MIN;
    uint16_t half = 0;
    tleg_convert_from_f32(type == 10 ? TLEG_F16 : TLEG_BF16, &real, &half, 1);
    const uint8_t truth = value != 0;
    if (type == 7)
        put(to, &whole, sizeof whole);
    else if (type == 11)
        put(to, &value, sizeof value);
    else if (type == 10 || type == 16)
        put(to, &half, sizeof half);
    else if (type == 9 || type == 2 || type == 3)
        put(to, &truth, 1);
    else
        put(to, &real, sizeof real);
}

/* NAME TYPE SHAPE NUMBERS; what no number is given for is small, and differs from place to place. */
static void make_tensor(struct message *tensor, char **words) {
    struct message numbers = {0};
    const long type = strtol(words[1], NULL, 10);
    char *shape = words[2], *values = words[3];
    uint64_t count = 1;
    for (char *side; (side = next(&shape)) != NULL;) {
        const long long size = strtoll(side, NULL, 10);
        put_integer(tensor, 1, size);
        count = size < 0 || size > MOST_NUMBERS ? MOST_NUMBERS : count * (uint64_t)size;
        count = count > MOST_NUMBERS ? MOST_NUMBERS : count;
    }
    for (uint64_t k = 0; k < count; k++) {
        const char *value = next(&values);
        put_number(&numbers, type, value ? strtod(value, NULL) : (double)(k * 7 % 11) / 16 - 0.25);
    }
    put_integer(tensor, 2, type);
    put_text(tensor, 8, words[0]);
    put_message(tensor, 9, &numbers);
    free(numbers.data);
}

/* ---- nodes ---- */

static void put_attribute(struct message *node, char *text, const struct message *tensor) {
    struct message attribute = {0};
    char *value = strchr(text, '=');
    if (!value)
        return;
    *value++ = '\0';
    put_text(&attribute, 1, text);
    const size_t length = strlen(value);
    if (*value == '"') {
        put_bytes(&attribute, 4, value + 1, length > 2 ? length - 2 : 0);
    } else if (*value == '#') {
        put_bytes(&attribute, 5, tensor->data, tensor->length);
    } else if (length && value[length - 1] == 'f') {
        const float real = strtof(value, NULL);
        varint(&attribute, 2 << 3 | 5);
        put(&attribute, &real, sizeof real);
    } else if (strchr(value, ',')) {
        for (char *number; (number = next(&value)) != NULL;)
            if (*number)
                put_integer(&attribute, 8, strtoll(number, NULL, 10));
    } else {
        put_integer(&attribute, 3, strtoll(value, NULL, 10));
    }
    put_message(node, 5, &attribute);
    free(attribute.data);
}

/* An input or output: {name, type {tensor {f32, shape {sizes}}}}. */
static void put_value(struct message *graph, unsigned field, const char *name, char *sizes) {
    struct message parts[5] = {{0}};
    for (char *size; (size = next(&sizes)) != NULL;) {
        put_integer(&parts[0], 1, strtoll(size, NULL, 10));
        put_message(&parts[1], 1, &parts[0]);
    }
    put_integer(&parts[2], 1, 1);
    put_message(&parts[2], 2, &parts[1]);
    put_message(&parts[3], 1, &parts[2]);
    put_text(&parts[4], 1, name);
    put_message(&parts[4], 2, &parts[3]);
    put_message(graph, field, &parts[4]);
    for (int k = 0; k < 5; k++)
        free(parts[k].data);
}

/* ---- the whole ---- */

struct making {
    struct message model, graph, part, tensor; /* tensor: the last that was made, for an attribute */
};

static void take_line(struct making *making, char *line) {
    char *words[WORDS];
    const int count = split(line, words);
    if (strcmp(words[0], "@") == 0 || strcmp(words[0], "!") == 0) {
        put_value(&making->graph, words[0][0] == '@' ? 11 : 12, words[1], words[2]);
    } else if (strcmp(words[0], "%") == 0) {
        put_text(&making->part, 1, words[1]);
        put_text(&making->part, 2, words[2]);
        put_message(&making->model, 14, &making->part);
    } else if (strcmp(words[0], "#") == 0) {
        making->tensor.length = 0;
        make_tensor(&making->tensor, words + 1);
        if (strcmp(words[1], ".") != 0)
            put_bytes(&making->graph, 5, making->tensor.data, making->tensor.length);
    } else if (*words[0]) {
        put_names(&making->part, 1, words[2]);
        put_names(&making->part, 2, words[1]);
        char *domain = strrchr(words[0], '.');
        if (domain)
            *domain = '\0';
        put_text(&making->part, 4, domain ? domain + 1 : words[0]);
        if (domain)
            put_text(&making->part, 7, words[0]);
        for (int k = 3; k < count; k++)
            put_attribute(&making->part, words[k], &making->tensor);
        put_message(&making->graph, 1, &making->part);
    }
}

uint8_t *fuzz_graph(const uint8_t *data, size_t size, size_t *bytes) {
    struct making making = {{0}, {0}, {0}, {0}};
    char line[LINE];
    put_integer(&making.model, 1, 8);
    put_text(&making.model, 2, "listing");
    put_integer(&making.part, 2, 17);
    put_message(&making.model, 8, &making.part);
    for (size_t at = 0, length = 0; at <= size; at++) {
        if (at < size && data[at] != '\n' && data[at] != '\0') {
            if (length < LINE - 1)
                line[length++] = (char)data[at];
            continue;
        }
        line[length] = '\0';
        length = 0;
        take_line(&making, line);
    }
    put_message(&making.model, 7, &making.graph);
    free(making.graph.data);
    free(making.part.data);
    free(making.tensor.data);
    *bytes = making.model.length;
    return making.model.data;
}
