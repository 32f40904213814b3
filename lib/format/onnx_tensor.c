/* Tensors of an ONNX file: where their numbers lie, in the file or beside it, and what they are. */
#include "format/onnx.h"

#include <limits.h>
#include <string.h>

/* Fields of TensorProto. */
enum {
    SHAPE = 1,
    TYPE = 2,
    FLOATS = 4,
    INT32S = 5,
    TEXTS = 6,
    INT64S = 7,
    NAME = 8,
    RAW = 9,
    DOUBLES = 10,
    UINT64S = 11,
    EXTERNAL = 13,
    WHERE = 14
};
enum {
    MOST_TENSORS = 1 << 17, /* of a graph, those of its attributes too */
    MOST_PLACES = 1024,     /* files beside it: each is looked for among those before it, and is held open */
    MOST_COPIES = 16        /* bytes of tensors for each of the files: they may lie in the same bytes */
};

struct tensor {
    struct tleg_graph_tensor made;
    uint32_t name;
    bool external;
    uint32_t place; /* texts, of external numbers */
    uint64_t offset, length;
    bool has_length;
};

static const char *type_name(int32_t type) {
    static const char *const names[] = {
        [1] = "F32",  [2] = "U8",   [3] = "I8",   [4] = "U16",  [5] = "I16",  [6] = "I32",  [7] = "I64",
        [9] = "BOOL", [10] = "F16", [11] = "F64", [12] = "U32", [13] = "U64", [14] = "C64", [16] = "BF16"};
    return type > 0 && (size_t)type < sizeof names / sizeof *names ? names[type] : NULL;
}

static tleg_status fail(const struct tleg_onnx_reader *reader, const struct tensor *tensor, tleg_status status,
                        const char *what) {
    return tleg_fail(reader->wire.context, status, "%s: tensor '%s': %s", reader->file->label,
                     tleg_onnx_at(reader, tensor->name), what);
}

/* ---- fields ---- */

static tleg_status take_side(const struct tleg_onnx_reader *reader, struct tensor *tensor, uint64_t side) {
    struct tleg_entry *entry = &tensor->made.entry;
    if (entry->rank == TLEG_MAX_RANK)
        return fail(reader, tensor, TLEG_ERROR_UNSUPPORTED, "more than 8 dimensions");
    if (side > INT64_MAX)
        return fail(reader, tensor, TLEG_ERROR_FORMAT, "a dimension is below 0");
    entry->shape[entry->rank++] = (int64_t)side;
    return TLEG_OK;
}

static tleg_status take_shape(struct tleg_onnx_reader *reader, struct tensor *tensor, const struct tleg_field *field) {
    struct tleg_span left = field->span;
    tleg_status status = TLEG_OK;
    if (field->kind != TLEG_WIRE_BYTES)
        return take_side(reader, tensor, field->value);
    while (left.at < left.end && status == TLEG_OK) {
        uint64_t side;
        status = tleg_wire_varint(&reader->wire, &left, &side);
        if (status == TLEG_OK)
            status = take_side(reader, tensor, side);
    }
    return status;
}

static bool parse_count(const char *text, uint64_t *value) {
    *value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (*value > (UINT64_MAX - 9) / 10)
            return false;
        *value = *value * 10 + (uint64_t)(*text - '0');
    }
    return *text == '\0';
}

/* One of "location", "offset", "length" and its value; a checksum is passed over. */
static tleg_status take_external(struct tleg_onnx_reader *reader, struct tensor *tensor, struct tleg_span message) {
    uint32_t pair[2];
    const tleg_status status = tleg_onnx_pair(reader, message, pair);
    if (status != TLEG_OK)
        return status;
    const char *key = tleg_onnx_at(reader, pair[0]), *value = tleg_onnx_at(reader, pair[1]);
    bool good = true;
    if (strcmp(key, "location") == 0)
        tensor->place = pair[1];
    else if (strcmp(key, "offset") == 0)
        good = parse_count(value, &tensor->offset);
    else if (strcmp(key, "length") == 0)
        good = tensor->has_length = parse_count(value, &tensor->length);
    return good ? TLEG_OK : fail(reader, tensor, TLEG_ERROR_FORMAT, "external data: expected a whole number for its place");
}

/* Numbers that lie as bytes, all in one piece. */
static tleg_status take_bytes(const struct tleg_onnx_reader *reader, struct tensor *tensor, const struct tleg_field *field) {
    struct tleg_entry *entry = &tensor->made.entry;
    if (field->kind != TLEG_WIRE_BYTES || (entry->bytes > 0 && tleg_span_bytes(field->span) > 0))
        return fail(reader, tensor, TLEG_ERROR_UNSUPPORTED, "its numbers lie in several pieces: save the model anew with onnx");
    if (tleg_span_bytes(field->span) == 0)
        return TLEG_OK;
    entry->offset = field->span.at;
    entry->bytes = tleg_span_bytes(field->span);
    return TLEG_OK;
}

static tleg_status take_field(struct tleg_onnx_reader *reader, struct tensor *tensor, const struct tleg_field *field) {
    const bool bytes = field->kind == TLEG_WIRE_BYTES;
    switch (field->number) {
    case SHAPE:
        return take_shape(reader, tensor, field);
    case TYPE:
        tensor->made.type = field->value < 64 ? (int32_t)field->value : 0;
        return TLEG_OK;
    case NAME:
        return bytes ? tleg_onnx_text(reader, field->span, &tensor->name) : TLEG_OK;
    case FLOATS:
    case DOUBLES:
    case RAW:
        return take_bytes(reader, tensor, field);
    case INT32S:
    case INT64S:
    case UINT64S:
        return tleg_onnx_integers(reader, field);
    case EXTERNAL:
        return bytes ? take_external(reader, tensor, field->span) : TLEG_OK;
    case WHERE:
        tensor->external = field->value == 1;
        return TLEG_OK;
    default:
        return TLEG_OK;
    }
}

/* ---- the whole ---- */

/* A place is a text among those of the reader; part 0 is the file itself. */
static tleg_status find_place(struct tleg_onnx_reader *reader, struct tensor *tensor) {
    const uint32_t *places = reader->places.items;
    size_t k = 0;
    if (tensor->place == 0)
        return fail(reader, tensor, TLEG_ERROR_FORMAT, "external data: no location is given");
    if (reader->alone)
        return tleg_fail(reader->wire.context, TLEG_ERROR_UNSUPPORTED,
                         "%s: tensor '%s' lies in another file, '%s': open the model by its path, with that file beside it",
                         reader->file->label, tleg_onnx_at(reader, tensor->name), tleg_onnx_at(reader, tensor->place));
    while (k < reader->places.count && strcmp(tleg_onnx_at(reader, places[k]), tleg_onnx_at(reader, tensor->place)) != 0)
        k++;
    if (k == MOST_PLACES)
        return tleg_onnx_too_many(reader, "files beside it");
    tensor->made.entry.part = k + 1;
    tensor->made.entry.offset = tensor->offset;
    tensor->made.entry.bytes = tensor->length;
    return k < reader->places.count ? TLEG_OK : tleg_onnx_index(reader, &reader->places, tensor->place);
}

static tleg_status check_numbers(struct tleg_onnx_reader *reader, struct tensor *tensor) {
    struct tleg_entry *entry = &tensor->made.entry;
    const struct tleg_stored_type *type = entry->type_name ? tleg_stored_type_find(entry->type_name) : NULL;
    size_t count, bytes;
    if (!type)
        return tleg_fail(reader->wire.context, TLEG_ERROR_UNSUPPORTED,
                         "%s: tensor '%s' is of ONNX's element type %d, which is not read", reader->file->label,
                         tleg_onnx_at(reader, tensor->name), (int)tensor->made.type);
    entry->dtype = type->dtype;
    if (!tleg_size_countable(entry->shape, entry->rank) || !tleg_size_product(entry->shape, entry->rank, &count) ||
        !tleg_size_mul(count, type->bits / 8, &bytes))
        return fail(reader, tensor, TLEG_ERROR_FORMAT, "too large");
    if (tensor->external && !tensor->has_length)
        entry->bytes = bytes;
    const bool right = tensor->made.count > 0 ? tensor->made.count == count && entry->bytes == 0 : entry->bytes == bytes;
    entry->bytes = bytes;
    return right ? TLEG_OK : fail(reader, tensor, TLEG_ERROR_FORMAT, "its shape needs another number of bytes than it has");
}

tleg_status tleg_onnx_tensor(struct tleg_onnx_reader *reader, struct tleg_span left) {
    struct tensor tensor = {.made = {.integers = (uint32_t)reader->onnx->integers.count}};
    tleg_status status = reader->onnx->tensors.count < MOST_TENSORS ? TLEG_OK : tleg_onnx_too_many(reader, "tensors");
    while (left.at < left.end && status == TLEG_OK) {
        struct tleg_field field;
        status = tleg_wire_next(&reader->wire, &left, &field);
        if (status == TLEG_OK)
            status = take_field(reader, &tensor, &field);
    }
    if (status != TLEG_OK)
        return status;
    tensor.made.value = tensor.name;
    tensor.made.count = (uint32_t)reader->onnx->integers.count - tensor.made.integers;
    tensor.made.entry.type_name = type_name(tensor.made.type);
    if (tensor.external)
        status = find_place(reader, &tensor);
    if (status == TLEG_OK)
        status = check_numbers(reader, &tensor);
    if (status != TLEG_OK)
        return status;
    struct tleg_graph_tensor *made = tleg_array_add(&reader->file->allocator, &reader->onnx->tensors, sizeof *made);
    if (!made)
        return tleg_fail_memory(reader->wire.context, reader->file->label, sizeof *made);
    *made = tensor.made;
    return TLEG_OK;
}

/* ---- files beside it ---- */

/* A name of a file beside it, and nowhere else. */
static bool is_plain_name(const char *name) {
    return !strchr(name, '/') && !strchr(name, '\\') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static tleg_status open_part(const struct tleg_onnx_reader *reader, const char *name, struct tleg_file **part) {
    tleg_context *context = reader->wire.context;
    const char *label = reader->file->label, *slash = strrchr(label, '/');
    const size_t folder = slash ? (size_t)(slash + 1 - label) : 0, length = strlen(name) + 1;
    char *path = tleg_alloc(&context->allocator, folder + length);
    if (!path)
        return tleg_fail_memory(context, label, folder + length);
    memcpy(path, label, folder);
    memcpy(path + folder, name, length);
    tleg_status status = tleg_file_make(context, path, part);
    if (status == TLEG_OK)
        status = tleg_source_open(context, *part, reader->file->mapped);
    tleg_release(&context->allocator, path, folder + length);
    return status;
}

/* Whether each tensor lies in its part, and they all in not much more than the parts. */
static tleg_status check_places(const struct tleg_onnx_reader *reader) {
    const struct tleg_file *file = reader->file;
    const struct tleg_graph_tensor *tensors = reader->onnx->tensors.items;
    uint64_t size = file->size, bytes = 0;
    for (size_t k = 1; k < file->part_count; k++)
        size += file->parts[k]->size;
    for (size_t k = 0; k < reader->onnx->tensors.count; k++) {
        const struct tleg_entry *entry = &tensors[k].entry;
        const struct tleg_file *part = entry->part > 0 ? file->parts[entry->part] : file;
        bytes += entry->bytes / MOST_COPIES;
        if (tensors[k].count == 0 && (entry->offset > part->size || entry->bytes > part->size - entry->offset))
            return tleg_fail(reader->wire.context, TLEG_ERROR_FORMAT, "%s: tensor '%s' ends after the end of '%s'", file->label,
                             tleg_onnx_at(reader, tensors[k].value), part->label);
    }
    return bytes <= size
               ? TLEG_OK
               : tleg_fail(reader->wire.context, TLEG_ERROR_FORMAT,
                           "%s: its tensors have more than %d times the bytes of its files", file->label, MOST_COPIES);
}

tleg_status tleg_onnx_open_places(struct tleg_onnx_reader *reader) {
    struct tleg_file *file = reader->file;
    const uint32_t *places = reader->places.items;
    const size_t bytes = (reader->places.count + 1) * sizeof *file->parts;
    if (reader->places.count == 0)
        return check_places(reader);
    file->parts = tleg_alloc_zero(&file->allocator, bytes);
    if (!file->parts)
        return tleg_fail_memory(reader->wire.context, file->label, bytes);
    file->part_bytes = bytes;
    file->part_count = 1;
    tleg_status status = TLEG_OK;
    for (size_t k = 0; k < reader->places.count && status == TLEG_OK; k++) {
        const char *name = tleg_onnx_at(reader, places[k]);
        if (!is_plain_name(name))
            return tleg_fail(reader->wire.context, TLEG_ERROR_FORMAT,
                             "%s: external data: expected the name of a file beside it, found '%s'", file->label, name);
        status = open_part(reader, name, &file->parts[file->part_count++]);
    }
    return status == TLEG_OK ? check_places(reader) : status;
}
