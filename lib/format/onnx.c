/* ONNX files: a ModelProto whose graph's initializers are the entries of the file, and whose metadata its pairs. The graph is
 * kept as it stands; what it computes is for who asks (lib/graph). Messages within each other are read by one function each, so
 * that no file makes the reader go deeper; graphs within nodes are passed over. */
#include "format/onnx.h"

#include <limits.h>
#include <string.h>

enum { MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_METADATA = 14 };
enum { GRAPH_NODE = 1, GRAPH_TENSOR = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12, GRAPH_SPARSE = 15 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_TYPE = 4, NODE_ATTRIBUTE = 5, NODE_DOMAIN = 7 };
enum {
    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_REAL = 2,
    ATTRIBUTE_INTEGER = 3,
    ATTRIBUTE_TEXT = 4,
    ATTRIBUTE_TENSOR = 5,
    ATTRIBUTE_INTEGERS = 8
};
enum {
    MOST_TEXT = 1 << 26,
    MOST_NODES = 1 << 16,
    MOST_USES = 1 << 18,
    MOST_ENDS = 1 << 10
}; /* of one graph; those of models have some thousand */

/* ---- what is collected ---- */

static tleg_status no_memory(const struct tleg_onnx_reader *reader, size_t bytes) {
    return tleg_fail_memory(reader->wire.context, reader->file->label, bytes);
}

tleg_status tleg_onnx_too_many(const struct tleg_onnx_reader *reader, const char *what) {
    return tleg_fail(reader->wire.context, TLEG_ERROR_UNSUPPORTED, "%s: an ONNX graph of more %s than any model's",
                     reader->file->label, what);
}

static void *add(struct tleg_onnx_reader *reader, struct tleg_array *array, size_t width) {
    return tleg_array_add(&reader->file->allocator, array, width);
}

tleg_status tleg_onnx_text(struct tleg_onnx_reader *reader, struct tleg_span span, uint32_t *text) {
    struct tleg_array *all = &reader->onnx->text;
    const uint64_t length = tleg_span_bytes(span);
    *text = 0;
    if (length == 0)
        return TLEG_OK;
    if (length >= MOST_TEXT - all->count)
        return tleg_onnx_too_many(reader, "text");
    const size_t at = all->count, bytes = (size_t)length + 1;
    for (size_t k = 0; k < bytes; k++)
        if (!add(reader, all, 1))
            return no_memory(reader, bytes);
    char *copy = (char *)all->items + at;
    const tleg_status status = tleg_wire_copy(&reader->wire, span, copy);
    if (status != TLEG_OK)
        return status;
    copy[length] = '\0';
    if (memchr(copy, 0, (size_t)length) || !tleg_utf8_valid(copy))
        return tleg_fail(reader->wire.context, TLEG_ERROR_FORMAT,
                         "%s: damaged, or not an ONNX file: the text at byte %llu is not UTF-8, or holds a NUL character",
                         reader->file->label, (unsigned long long)span.at);
    *text = (uint32_t)at;
    return TLEG_OK;
}

tleg_status tleg_onnx_index(struct tleg_onnx_reader *reader, struct tleg_array *array, uint32_t value) {
    uint32_t *place = add(reader, array, sizeof *place);
    if (!place)
        return no_memory(reader, sizeof *place);
    *place = value;
    return TLEG_OK;
}

static tleg_status add_integer(struct tleg_onnx_reader *reader, int64_t value) {
    int64_t *place = reader->onnx->integers.count < UINT32_MAX ? add(reader, &reader->onnx->integers, sizeof *place) : NULL;
    if (!place)
        return no_memory(reader, sizeof *place);
    *place = value;
    return TLEG_OK;
}

tleg_status tleg_onnx_integers(struct tleg_onnx_reader *reader, const struct tleg_field *field) {
    struct tleg_span left = field->span;
    tleg_status status = TLEG_OK;
    if (field->kind != TLEG_WIRE_BYTES)
        return add_integer(reader, (int64_t)field->value);
    while (left.at < left.end && status == TLEG_OK) {
        uint64_t value;
        status = tleg_wire_varint(&reader->wire, &left, &value);
        if (status == TLEG_OK)
            status = add_integer(reader, (int64_t)value);
    }
    return status;
}

tleg_status tleg_onnx_pair(struct tleg_onnx_reader *reader, struct tleg_span left, uint32_t pair[2]) {
    tleg_status status = TLEG_OK;
    pair[0] = pair[1] = 0;
    while (left.at < left.end && status == TLEG_OK) {
        struct tleg_field field;
        status = tleg_wire_next(&reader->wire, &left, &field);
        if (status == TLEG_OK && field.kind == TLEG_WIRE_BYTES && (field.number == 1 || field.number == 2))
            status = tleg_onnx_text(reader, field.span, &pair[field.number - 1]);
    }
    return status;
}

/* ---- nodes ---- */

static double real_of(uint64_t bits) {
    const uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

static tleg_status take_attribute_field(struct tleg_onnx_reader *reader, const struct tleg_field *field,
                                        struct tleg_graph_attribute *attribute) {
    const bool bytes = field->kind == TLEG_WIRE_BYTES;
    switch (field->number) {
    case ATTRIBUTE_NAME:
        return bytes ? tleg_onnx_text(reader, field->span, &attribute->name) : TLEG_OK;
    case ATTRIBUTE_TEXT:
        return bytes ? tleg_onnx_text(reader, field->span, &attribute->text) : TLEG_OK;
    case ATTRIBUTE_REAL:
        attribute->real = real_of(field->value);
        return TLEG_OK;
    case ATTRIBUTE_INTEGER:
        attribute->integer = (int64_t)field->value;
        return TLEG_OK;
    case ATTRIBUTE_INTEGERS:
        return tleg_onnx_integers(reader, field);
    default:
        return TLEG_OK;
    }
}

/* A tensor's numbers come among the integers as well: it is read after the attribute's own. */
static tleg_status take_attribute(struct tleg_onnx_reader *reader, struct tleg_span left) {
    struct tleg_graph_attribute own = {.integers = (uint32_t)reader->onnx->integers.count};
    struct tleg_span tensor = {0};
    tleg_status status = TLEG_OK;
    while (left.at < left.end && status == TLEG_OK) {
        struct tleg_field field;
        status = tleg_wire_next(&reader->wire, &left, &field);
        if (status == TLEG_OK && field.number == ATTRIBUTE_TENSOR && field.kind == TLEG_WIRE_BYTES)
            tensor = field.span;
        else if (status == TLEG_OK)
            status = take_attribute_field(reader, &field, &own);
    }
    own.count = (uint32_t)reader->onnx->integers.count - own.integers;
    if (status == TLEG_OK && tensor.end > 0) {
        status = tleg_onnx_tensor(reader, tensor);
        own.tensor = (uint32_t)reader->onnx->tensors.count;
    }
    if (status != TLEG_OK)
        return status;
    if (own.tensor)
        ((struct tleg_graph_tensor *)reader->onnx->tensors.items)[own.tensor - 1].value = 0;
    struct tleg_graph_attribute *attribute = add(reader, &reader->onnx->attributes, sizeof *attribute);
    if (!attribute)
        return no_memory(reader, sizeof *attribute);
    *attribute = own;
    return TLEG_OK;
}

/* Its inputs or its outputs, in the order in which they stand. */
static tleg_status take_uses(struct tleg_onnx_reader *reader, struct tleg_span left, int number, uint32_t *first,
                             uint32_t *count) {
    struct tleg_array *uses = &reader->onnx->uses;
    tleg_status status = TLEG_OK;
    *first = (uint32_t)uses->count;
    while (left.at < left.end && status == TLEG_OK) {
        struct tleg_field field;
        uint32_t text;
        status = tleg_wire_next(&reader->wire, &left, &field);
        if (status != TLEG_OK || field.number != number || field.kind != TLEG_WIRE_BYTES)
            continue;
        status = uses->count < MOST_USES ? tleg_onnx_text(reader, field.span, &text) : tleg_onnx_too_many(reader, "values");
        if (status == TLEG_OK)
            status = tleg_onnx_index(reader, uses, text);
    }
    *count = (uint32_t)uses->count - *first;
    return status;
}

static tleg_status take_node_field(struct tleg_onnx_reader *reader, const struct tleg_field *field,
                                   struct tleg_graph_node *node) {
    if (field->kind != TLEG_WIRE_BYTES)
        return TLEG_OK;
    switch (field->number) {
    case NODE_NAME:
        return tleg_onnx_text(reader, field->span, &node->name);
    case NODE_TYPE:
        return tleg_onnx_text(reader, field->span, &node->type);
    case NODE_DOMAIN:
        return tleg_onnx_text(reader, field->span, &node->domain);
    case NODE_ATTRIBUTE:
        return take_attribute(reader, field->span);
    default:
        return TLEG_OK;
    }
}

static tleg_status take_node(struct tleg_onnx_reader *reader, struct tleg_span message) {
    struct tleg_graph_node own = {.attributes = (uint32_t)reader->onnx->attributes.count};
    struct tleg_span left = message;
    if (reader->onnx->nodes.count == MOST_NODES)
        return tleg_onnx_too_many(reader, "nodes");
    tleg_status status = take_uses(reader, message, NODE_INPUT, &own.inputs, &own.input_count);
    if (status == TLEG_OK)
        status = take_uses(reader, message, NODE_OUTPUT, &own.outputs, &own.output_count);
    while (left.at < left.end && status == TLEG_OK) {
        struct tleg_field field;
        status = tleg_wire_next(&reader->wire, &left, &field);
        if (status == TLEG_OK)
            status = take_node_field(reader, &field, &own);
    }
    own.attribute_count = (uint32_t)reader->onnx->attributes.count - own.attributes;
    struct tleg_graph_node *node = status == TLEG_OK ? add(reader, &reader->onnx->nodes, sizeof *node) : NULL;
    if (!node)
        return status != TLEG_OK ? status : no_memory(reader, sizeof *node);
    *node = own;
    return TLEG_OK;
}

/* ---- inputs and outputs ---- */

/* The first field `number` of a message, of bytes; empty when it has none. */
static tleg_status enter(struct tleg_onnx_reader *reader, struct tleg_span left, int number, struct tleg_span *found) {
    tleg_status status = TLEG_OK;
    *found = (struct tleg_span){0};
    while (left.at < left.end && status == TLEG_OK && found->end == 0) {
        struct tleg_field field;
        status = tleg_wire_next(&reader->wire, &left, &field);
        if (status == TLEG_OK && field.number == number && field.kind == TLEG_WIRE_BYTES)
            *found = field.span;
    }
    return status;
}

/* A Dimension {1: size, 2: a name for one that is open}. */
static tleg_status take_dimension(struct tleg_onnx_reader *reader, struct tleg_span left, struct tleg_graph_input *input) {
    tleg_status status = TLEG_OK;
    int64_t size = 0;
    while (left.at < left.end && status == TLEG_OK) {
        struct tleg_field field;
        status = tleg_wire_next(&reader->wire, &left, &field);
        if (status == TLEG_OK && field.number == 1 && field.kind == TLEG_WIRE_VARINT)
            size = field.value <= INT32_MAX ? (int64_t)field.value : 0;
    }
    if (input->rank == TLEG_MAX_RANK)
        return tleg_fail(reader->wire.context, TLEG_ERROR_UNSUPPORTED, "%s: an input has more than %d dimensions",
                         reader->file->label, TLEG_MAX_RANK);
    input->shape[input->rank++] = size;
    return status;
}

/* A ValueInfoProto {1: name, 2: type {1: tensor {2: shape {1: dimensions}}}}. */
static tleg_status take_value(struct tleg_onnx_reader *reader, struct tleg_span message, struct tleg_graph_input *input) {
    struct tleg_span name, type, tensor, shape;
    *input = (struct tleg_graph_input){.rank = -1};
    tleg_status status = enter(reader, message, 1, &name);
    if (status == TLEG_OK)
        status = tleg_onnx_text(reader, name, &input->value);
    if (status == TLEG_OK)
        status = enter(reader, message, 2, &type);
    if (status == TLEG_OK)
        status = enter(reader, type, 1, &tensor);
    if (status == TLEG_OK)
        status = enter(reader, tensor, 2, &shape);
    if (status == TLEG_OK && shape.end > 0)
        input->rank = 0;
    while (status == TLEG_OK && shape.at < shape.end) {
        struct tleg_field field;
        status = tleg_wire_next(&reader->wire, &shape, &field);
        if (status == TLEG_OK && field.number == 1 && field.kind == TLEG_WIRE_BYTES)
            status = take_dimension(reader, field.span, input);
    }
    return status;
}

static tleg_status take_input(struct tleg_onnx_reader *reader, struct tleg_span message) {
    struct tleg_graph_input own, *input;
    const tleg_status status = take_value(reader, message, &own);
    if (status != TLEG_OK)
        return status;
    if (reader->onnx->inputs.count == MOST_ENDS)
        return tleg_onnx_too_many(reader, "inputs");
    input = add(reader, &reader->onnx->inputs, sizeof *input);
    if (!input)
        return no_memory(reader, sizeof *input);
    *input = own;
    return TLEG_OK;
}

static tleg_status take_output(struct tleg_onnx_reader *reader, struct tleg_span message) {
    struct tleg_graph_input output;
    const tleg_status status = take_value(reader, message, &output);
    if (status == TLEG_OK && reader->onnx->outputs.count == MOST_ENDS)
        return tleg_onnx_too_many(reader, "outputs");
    return status == TLEG_OK ? tleg_onnx_index(reader, &reader->onnx->outputs, output.value) : status;
}

/* ---- graph and model ---- */

static tleg_status take_graph(struct tleg_onnx_reader *reader, struct tleg_span left) {
    tleg_status status = TLEG_OK;
    while (left.at < left.end && status == TLEG_OK) {
        struct tleg_field field;
        status = tleg_wire_next(&reader->wire, &left, &field);
        if (status != TLEG_OK || field.kind != TLEG_WIRE_BYTES)
            continue;
        if (field.number == GRAPH_NODE)
            status = take_node(reader, field.span);
        else if (field.number == GRAPH_TENSOR)
            status = tleg_onnx_tensor(reader, field.span);
        else if (field.number == GRAPH_INPUT)
            status = take_input(reader, field.span);
        else if (field.number == GRAPH_OUTPUT)
            status = take_output(reader, field.span);
        else if (field.number == GRAPH_SPARSE)
            status = tleg_fail(reader->wire.context, TLEG_ERROR_UNSUPPORTED, "%s: an ONNX graph with sparse tensors",
                               reader->file->label);
    }
    return status;
}

/* An OperatorSetIdProto {1: domain, 2: version}: the version of ONNX's own operators. */
static tleg_status take_opset(struct tleg_onnx_reader *reader, struct tleg_span left) {
    tleg_status status = TLEG_OK;
    bool own = true;
    int64_t version = 0;
    while (left.at < left.end && status == TLEG_OK) {
        struct tleg_field field;
        status = tleg_wire_next(&reader->wire, &left, &field);
        if (status == TLEG_OK && field.number == 1 && field.kind == TLEG_WIRE_BYTES)
            own = tleg_span_bytes(field.span) == 0;
        else if (status == TLEG_OK && field.number == 2)
            version = (int64_t)field.value;
    }
    if (own)
        reader->onnx->graph.opset = version;
    return status;
}

static tleg_status take_metadata(struct tleg_onnx_reader *reader, struct tleg_span message) {
    uint32_t pair[2];
    tleg_status status = tleg_onnx_pair(reader, message, pair);
    for (int k = 0; k < 2 && status == TLEG_OK; k++)
        status = tleg_onnx_index(reader, &reader->onnx->pairs, pair[k]);
    return status;
}

static tleg_status take_model(struct tleg_onnx_reader *reader, struct tleg_span left) {
    tleg_status status = TLEG_OK;
    bool graph = false;
    while (left.at < left.end && status == TLEG_OK) {
        struct tleg_field field;
        status = tleg_wire_next(&reader->wire, &left, &field);
        if (status != TLEG_OK || field.kind != TLEG_WIRE_BYTES)
            continue;
        if (field.number == MODEL_GRAPH && graph)
            status = tleg_fail(reader->wire.context, TLEG_ERROR_FORMAT, "%s: damaged: an ONNX file with two graphs",
                               reader->file->label);
        else if (field.number == MODEL_GRAPH)
            graph = true, status = take_graph(reader, field.span);
        else if (field.number == MODEL_OPSET)
            status = take_opset(reader, field.span);
        else if (field.number == MODEL_METADATA)
            status = take_metadata(reader, field.span);
    }
    if (status == TLEG_OK && reader->onnx->nodes.count == 0)
        status = tleg_fail(reader->wire.context, TLEG_ERROR_FORMAT, "%s: an ONNX file without a graph", reader->file->label);
    return status;
}

/* ---- names to numbers ---- */

struct name {
    const char *text;
    uint32_t *place; /* a text at first, then the value's number */
};

static size_t count_names(const struct tleg_onnx *onnx) {
    return onnx->uses.count + onnx->tensors.count + onnx->inputs.count + onnx->outputs.count;
}

static void add_name(const struct tleg_onnx_reader *reader, struct name *names, size_t *count, uint32_t *place) {
    if (*place)
        names[(*count)++] = (struct name){tleg_onnx_at(reader, *place), place};
}

static size_t list_names(const struct tleg_onnx_reader *reader, struct name *names) {
    const struct tleg_onnx *onnx = reader->onnx;
    size_t count = 0;
    for (size_t k = 0; k < onnx->uses.count; k++)
        add_name(reader, names, &count, (uint32_t *)onnx->uses.items + k);
    for (size_t k = 0; k < onnx->tensors.count; k++)
        add_name(reader, names, &count, &((struct tleg_graph_tensor *)onnx->tensors.items)[k].value);
    for (size_t k = 0; k < onnx->inputs.count; k++)
        add_name(reader, names, &count, &((struct tleg_graph_input *)onnx->inputs.items)[k].value);
    for (size_t k = 0; k < onnx->outputs.count; k++)
        add_name(reader, names, &count, (uint32_t *)onnx->outputs.items + k);
    return count;
}

/* Every name becomes its value's number; a tensor's entry keeps its name. */
static tleg_status number_names(struct tleg_onnx_reader *reader) {
    struct tleg_onnx *onnx = reader->onnx;
    struct tleg_graph_tensor *tensors = onnx->tensors.items;
    const size_t bytes = (count_names(onnx) + 1) * sizeof(struct name);
    struct name *names = tleg_alloc(&reader->file->allocator, bytes);
    if (!names)
        return no_memory(reader, bytes);
    for (size_t k = 0; k < onnx->tensors.count; k++)
        tensors[k].entry.name = tleg_onnx_at(reader, tensors[k].value);
    const size_t count = list_names(reader, names);
    tleg_sort(names, count, sizeof *names, tleg_compare_texts);
    tleg_status status = tleg_onnx_index(reader, &onnx->value_names, 0);
    for (size_t k = 0; k < count && status == TLEG_OK; k++) {
        if (k == 0 || strcmp(names[k - 1].text, names[k].text) != 0)
            status = tleg_onnx_index(reader, &onnx->value_names, *names[k].place);
        *names[k].place = (uint32_t)onnx->value_names.count - 1;
    }
    tleg_release(&reader->file->allocator, names, bytes);
    return status;
}

/* The bytes of the file, and of those beside it. */
static uint64_t bytes_of(const struct tleg_file *file) {
    uint64_t bytes = file->size;
    for (size_t k = 1; k < file->part_count; k++)
        bytes += file->parts[k]->size;
    return bytes;
}

static void hand_out(struct tleg_onnx *onnx, uint64_t file_bytes) {
    struct tleg_graph *graph = &onnx->graph;
    graph->text = onnx->text.items;
    graph->uses = onnx->uses.items;
    graph->value_names = onnx->value_names.items;
    graph->outputs = onnx->outputs.items;
    graph->integers = onnx->integers.items;
    graph->nodes = onnx->nodes.items;
    graph->attributes = onnx->attributes.items;
    graph->tensors = onnx->tensors.items;
    graph->inputs = onnx->inputs.items;
    graph->value_count = onnx->value_names.count;
    graph->output_count = onnx->outputs.count;
    graph->node_count = onnx->nodes.count;
    graph->tensor_count = onnx->tensors.count;
    graph->input_count = onnx->inputs.count;
    graph->file_bytes = file_bytes;
}

/* ---- entries and pairs ---- */

static int compare_places(const void *a, const void *b) {
    const struct tleg_entry *first = a, *second = b;
    if (first->part != second->part)
        return first->part < second->part ? -1 : 1;
    if (first->offset != second->offset)
        return first->offset < second->offset ? -1 : 1;
    return strcmp(first->name, second->name);
}

/* Initializers whose numbers lie as bytes. */
static tleg_status fill(const struct tleg_onnx_reader *reader) {
    struct tleg_file *file = reader->file;
    const struct tleg_graph_tensor *tensors = reader->onnx->tensors.items;
    const uint32_t *pairs = reader->onnx->pairs.items;
    for (size_t k = 0; k < reader->onnx->tensors.count; k++)
        file->entry_count += tensors[k].value != 0 && tensors[k].count == 0;
    file->pair_count = reader->onnx->pairs.count / 2;
    const tleg_status status = tleg_file_make_block(reader->wire.context, file, 0, NULL);
    if (status != TLEG_OK)
        return status;
    for (size_t k = 0, at = 0; k < reader->onnx->tensors.count; k++)
        if (tensors[k].value != 0 && tensors[k].count == 0)
            file->entries[at++] = tensors[k].entry;
    for (size_t k = 0; k < file->pair_count; k++) {
        file->pairs[k] = (struct tleg_pair){tleg_onnx_at(reader, pairs[2 * k]), tleg_onnx_at(reader, pairs[2 * k + 1])};
        file->by_key[k] = &file->pairs[k];
    }
    tleg_sort(file->entries, file->entry_count, sizeof *file->entries, compare_places);
    return tleg_file_index_names(reader->wire.context, file);
}

/* ---- the file ---- */

/* ModelProto begins with its version, a small number in field 1, and another of its fields follows. */
bool tleg_onnx_begins(const unsigned char *start, size_t length) {
    return length > 8 && start[0] == 0x08 && start[1] > 0 && start[1] < 128 && start[2] >= 0x12 && start[2] <= 0x72 &&
           (start[2] & 7) == TLEG_WIRE_BYTES && start[8] != '{';
}

tleg_status tleg_onnx_read(tleg_context *context, struct tleg_file *file, bool alone) {
    struct tleg_onnx_reader reader = {.wire = {.context = context, .file = file}, .file = file, .alone = alone};
    file->onnx = reader.onnx = tleg_alloc_zero(&file->allocator, sizeof *file->onnx);
    if (!reader.onnx)
        return tleg_fail_memory(context, file->label, sizeof *file->onnx);
    tleg_status status = add(&reader, &reader.onnx->text, 1) ? TLEG_OK : no_memory(&reader, 1);
    if (status == TLEG_OK) {
        *(char *)reader.onnx->text.items = '\0'; /* the empty text */
        status = take_model(&reader, (struct tleg_span){0, file->size});
    }
    if (status == TLEG_OK)
        status = tleg_onnx_open_places(&reader);
    if (status == TLEG_OK)
        status = number_names(&reader);
    if (status == TLEG_OK)
        status = fill(&reader);
    if (status == TLEG_OK) {
        file->header_bytes = reader.onnx->text.count;
        hand_out(reader.onnx, bytes_of(file));
    }
    tleg_array_free(&file->allocator, &reader.places, sizeof(uint32_t));
    return status;
}

void tleg_onnx_free(const struct tleg_allocator *allocator, struct tleg_onnx *onnx) {
    if (!onnx)
        return;
    struct tleg_array *const words[] = {&onnx->uses, &onnx->value_names, &onnx->outputs, &onnx->pairs};
    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        tleg_array_free(allocator, words[k], sizeof(uint32_t));
    tleg_array_free(allocator, &onnx->text, 1);
    tleg_array_free(allocator, &onnx->integers, sizeof(int64_t));
    tleg_array_free(allocator, &onnx->nodes, sizeof(struct tleg_graph_node));
    tleg_array_free(allocator, &onnx->attributes, sizeof(struct tleg_graph_attribute));
    tleg_array_free(allocator, &onnx->tensors, sizeof(struct tleg_graph_tensor));
    tleg_array_free(allocator, &onnx->inputs, sizeof(struct tleg_graph_input));
    tleg_release(allocator, onnx, sizeof *onnx);
}

const struct tleg_graph *tleg_onnx_graph_of(const struct tleg_onnx *onnx) {
    return onnx ? &onnx->graph : NULL;
}
