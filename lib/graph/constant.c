/* Constant numbers of a graph: those of the file are read when they are needed, and seen through strides until then. */
#include "graph/private.h"

#include <string.h>

/* ---- memory ---- */

void *tleg_walk_keep(struct walk *walk, size_t bytes) {
    size_t all;
    struct block_memory *block = NULL;
    _Alignas(TLEG_ALIGN) static const char head[TLEG_ALIGN];
    if (walk->status == TLEG_OK && tleg_size_add(bytes, sizeof head, &all))
        block = tleg_alloc_zero(&walk->allocator, all);
    if (!block) {
        if (walk->status == TLEG_OK)
            walk->status = tleg_fail_memory(walk->context, tleg_file_label(walk->file), bytes);
        return NULL;
    }
    *block = (struct block_memory){walk->memory, all};
    walk->memory = block;
    return (char *)block + sizeof head;
}

uint32_t tleg_constant_add(struct walk *walk, const struct constant *constant) {
    if (walk->constant_count == walk->constant_room) {
        const size_t room = walk->constant_room ? 2 * walk->constant_room : 64;
        struct constant *grown = tleg_walk_keep(walk, room * sizeof *grown);
        if (!grown)
            return 0;
        if (walk->constant_count)
            memcpy(grown, walk->constants, walk->constant_count * sizeof *grown);
        walk->constants = grown;
        walk->constant_room = room;
        walk->constant_count += walk->constant_count == 0; /* 0 is none */
    }
    walk->constants[walk->constant_count] = *constant;
    return (uint32_t)walk->constant_count++;
}

const struct constant *tleg_constant_get(const struct walk *walk, uint32_t constant) {
    return &walk->constants[constant];
}

/* ---- making ---- */

int64_t tleg_constant_count(const struct constant *constant) {
    int64_t count = 1;
    for (int32_t k = 0; k < constant->rank; k++)
        count *= constant->shape[k];
    return count;
}

static void lie_in_rows(struct constant *constant) {
    int64_t step = 1;
    for (int32_t k = constant->rank; k-- > 0; step *= constant->shape[k])
        constant->strides[k] = step;
    constant->offset = 0;
}

static bool is_whole(int32_t type) { /* TensorProto.DataType */
    return (type >= 2 && type <= 7) || type == 9 || type == 12 || type == 13;
}

void tleg_constant_of(const struct tleg_graph_tensor *tensor, struct constant *out) {
    *out = (struct constant){.tensor = tensor, .whole = is_whole(tensor->type), .rank = tensor->entry.rank};
    memcpy(out->shape, tensor->entry.shape, sizeof out->shape);
    lie_in_rows(out);
}

double *tleg_constant_make(struct walk *walk, bool whole, int32_t rank, const int64_t *shape, struct constant *out) {
    struct constant own = {.whole = whole, .rank = rank};
    size_t count;
    if (walk->status != TLEG_OK)
        return NULL;
    if (!tleg_size_countable(shape, rank) || !tleg_size_product(shape, rank, &count) || count > walk->numbers_left) {
        walk->status =
            tleg_fail(walk->context, TLEG_ERROR_UNSUPPORTED,
                      "%s: the graph makes more constant numbers than its file justifies", tleg_file_label(walk->file));
        return NULL;
    }
    walk->numbers_left -= count;
    for (int32_t k = 0; k < rank; k++)
        own.shape[k] = shape[k];
    lie_in_rows(&own);
    double *numbers = tleg_walk_keep(walk, (count + 1) * sizeof *numbers);
    own.numbers = numbers;
    *out = own;
    return numbers;
}

/* ---- reading ---- */

static double integer_from(const unsigned char *bytes, size_t width, bool is_signed) {
    uint64_t value = is_signed && bytes[width - 1] > 127 ? ~(uint64_t)0 : 0;
    for (size_t k = width; k-- > 0;)
        value = value << 8 | bytes[k];
    return is_signed ? (double)(int64_t)value : (double)value;
}

static bool read_whole(struct walk *walk, const struct tleg_entry *entry, size_t count, double *out) {
    unsigned char bytes[512];
    const size_t width = count ? (size_t)(entry->bytes / count) : 1;
    const bool is_signed = entry->type_name[0] == 'I';
    for (size_t at = 0; at < count && walk->status == TLEG_OK;) {
        const size_t part = count - at < sizeof bytes / width ? count - at : sizeof bytes / width;
        walk->status = tleg_file_read_bytes(walk->context, walk->file, entry, at * width, part * width, bytes);
        for (size_t k = 0; k < part && walk->status == TLEG_OK; k++)
            out[at + k] = integer_from(bytes + k * width, width, is_signed);
        at += part;
    }
    return walk->status == TLEG_OK;
}

static bool read_real(struct walk *walk, const struct tleg_entry *entry, size_t count, double *out) {
    float values[256];
    for (size_t at = 0; at < count && walk->status == TLEG_OK;) {
        const size_t part = count - at < sizeof values / sizeof *values ? count - at : sizeof values / sizeof *values;
        walk->status = tleg_file_read_part(walk->context, walk->file, entry, at, part, values);
        for (size_t k = 0; k < part && walk->status == TLEG_OK; k++)
            out[at + k] = values[k];
        at += part;
    }
    return walk->status == TLEG_OK;
}

/* Numbers that were not stored as bytes: of f16 and bf16 their bits. */
static bool read_listed(const struct walk *walk, const struct tleg_graph_tensor *tensor, double *out) {
    const int64_t *values = walk->graph->integers + tensor->integers;
    for (uint32_t k = 0; k < tensor->count; k++) {
        const uint64_t bits = (uint16_t)values[k]; /* as wide as any type, the lowest byte first */
        float value = 0;
        if (is_whole(tensor->type))
            out[k] = (double)values[k];
        else if (tleg_convert_to_f32(tensor->entry.dtype, &bits, &value, 1))
            out[k] = value;
    }
    return true;
}

bool tleg_constant_load(struct walk *walk, struct constant *constant) {
    const struct tleg_graph_tensor *tensor = constant->tensor;
    struct constant loaded;
    if (constant->numbers)
        return true;
    double *numbers = tleg_constant_make(walk, constant->whole, tensor->entry.rank, tensor->entry.shape, &loaded);
    if (!numbers)
        return false;
    const size_t count = (size_t)tleg_constant_count(&loaded);
    constant->numbers = numbers;
    if (tensor->count > 0)
        return read_listed(walk, tensor, numbers);
    return constant->whole ? read_whole(walk, &tensor->entry, count, numbers) : read_real(walk, &tensor->entry, count, numbers);
}

double tleg_constant_at(const struct constant *constant, int64_t index) {
    int64_t at = constant->offset;
    for (int32_t k = constant->rank; k-- > 0; index /= constant->shape[k])
        at += index % constant->shape[k] * constant->strides[k];
    return constant->numbers[at];
}

/* ---- other dimensions ---- */

/* Without dimensions of size 1, neighbours as one where they follow each other; returns how many are left. */
static int32_t merge(const struct constant *from, int64_t sizes[TLEG_MAX_RANK], int64_t strides[TLEG_MAX_RANK]) {
    int32_t count = 0;
    for (int32_t k = 0; k < from->rank; k++) {
        if (from->shape[k] == 1)
            continue;
        if (count > 0 && strides[count - 1] == from->strides[k] * from->shape[k]) {
            sizes[count - 1] *= from->shape[k];
            strides[count - 1] = from->strides[k];
            continue;
        }
        sizes[count] = from->shape[k];
        strides[count++] = from->strides[k];
    }
    return count;
}

/* Cuts dimensions as the shape asks; false when one would have to be made of two that do not follow each other. */
static bool cut(const struct constant *from, struct constant *out) {
    int64_t sizes[TLEG_MAX_RANK], strides[TLEG_MAX_RANK];
    const int32_t count = merge(from, sizes, strides);
    int32_t at = 0;
    for (int32_t k = 0; k < out->rank; k++) {
        out->strides[k] = 0;
        if (out->shape[k] == 1)
            continue;
        if (at == count || out->shape[k] == 0 || sizes[at] % out->shape[k] != 0)
            return false;
        sizes[at] /= out->shape[k];
        out->strides[k] = strides[at] * sizes[at];
        at += sizes[at] == 1;
    }
    return at == count;
}

bool tleg_constant_reshape(struct walk *walk, const struct constant *constant, int32_t rank, const int64_t *shape,
                           struct constant *out) {
    struct constant own = *constant, copy;
    own.rank = rank;
    memset(own.shape, 0, sizeof own.shape);
    if (rank)
        memcpy(own.shape, shape, (size_t)rank * sizeof *shape);
    size_t count;
    if (!tleg_size_product(own.shape, rank, &count) || (int64_t)count != tleg_constant_count(constant))
        return false;
    if (!cut(constant, &own)) {
        struct constant loaded = *constant;
        double *numbers =
            tleg_constant_load(walk, &loaded) ? tleg_constant_make(walk, own.whole, rank, own.shape, &copy) : NULL;
        for (size_t k = 0; numbers && k < count; k++)
            numbers[k] = tleg_constant_at(&loaded, (int64_t)k);
        if (!numbers)
            return false;
        own = copy;
    }
    *out = own;
    return true;
}

/* ---- few numbers ---- */

bool tleg_constant_is_number(struct walk *walk, uint32_t constant, double *value) {
    struct constant own = *tleg_constant_get(walk, constant);
    if (tleg_constant_count(&own) != 1 || !tleg_constant_load(walk, &own))
        return false;
    *value = tleg_constant_at(&own, 0);
    return true;
}

static int64_t clamp(double value) {
    static const double most = 9e18;
    return value >= most ? INT64_MAX : value > -most ? (int64_t)value : INT64_MIN; /* also of what is not a number */
}

int tleg_constant_integers(struct walk *walk, uint32_t constant, int64_t values[MOST_INTEGERS]) {
    struct constant own = *tleg_constant_get(walk, constant);
    const int64_t count = tleg_constant_count(&own);
    if (!own.whole || count > MOST_INTEGERS || !tleg_constant_load(walk, &own))
        return -1;
    for (int64_t k = 0; k < count; k++)
        values[k] = clamp(tleg_constant_at(&own, k));
    return (int)count;
}

/* ---- constants over a layout ---- */

struct digit {
    struct atom atom;
    int64_t stride; /* of the constant */
};

/* The atoms of one axis with the constant's strides, the slowest first; *same when the constant has but one number along it. */
static int32_t find_digits(const struct constant *constant, const struct layout *layout, int32_t axis,
                           struct digit digits[ATOMS], bool *same) {
    const int32_t shift = layout->rank - constant->rank;
    int32_t count = 0;
    *same = true;
    for (int32_t dim = 0; dim < layout->rank; dim++) {
        const struct atom *atoms = tleg_layout_atoms(layout, dim);
        int64_t stride = dim >= shift && constant->shape[dim - shift] > 1 ? constant->strides[dim - shift] : 0;
        for (int32_t k = layout->counts[dim]; k-- > 0; stride *= atoms[k].size) {
            if (atoms[k].axis != axis)
                continue;
            int32_t at = count++;
            for (; at > 0 && digits[at - 1].atom.stride < atoms[k].stride; at--)
                digits[at] = digits[at - 1];
            digits[at] = (struct digit){atoms[k], stride};
            *same = *same && stride == 0;
        }
    }
    return count;
}

static bool fits(const struct constant *constant, const struct layout *layout) {
    const int32_t shift = layout->rank - constant->rank;
    bool good = shift >= 0;
    for (int32_t k = 0; k < constant->rank && good; k++)
        good = constant->shape[k] == 1 || constant->shape[k] == tleg_layout_size(layout, k + shift);
    return good;
}

static bool is_listed(const int32_t *axes, int32_t axis) {
    while (*axes >= 0 && *axes != axis)
        axes++;
    return *axes == axis;
}

bool tleg_constant_align(struct walk *walk, uint32_t constant, const struct layout *layout, const int32_t *axes,
                         uint32_t *out) {
    const struct constant from = *tleg_constant_get(walk, constant);
    struct constant own = from, made;
    struct digit digits[ATOMS];
    int64_t sizes[TLEG_MAX_RANK];
    int32_t count = 0;
    bool same;
    if (!fits(&from, layout))
        return false;
    for (int32_t axis = AXIS_BATCH; axis <= AXIS_X; axis++)
        if (!is_listed(axes, axis) && (find_digits(&from, layout, axis, digits, &same), !same))
            return false;
    own.rank = 0;
    for (; axes[count] >= 0; count++) {
        const int32_t found = find_digits(&from, layout, axes[count], digits, &same);
        sizes[count] = 1;
        for (int32_t k = 0; k < found; k++) {
            if (own.rank == TLEG_MAX_RANK)
                return false;
            own.shape[own.rank] = digits[k].atom.size;
            own.strides[own.rank++] = digits[k].stride;
            sizes[count] *= digits[k].atom.size;
        }
    }
    if (!tleg_constant_reshape(walk, &own, count, sizes, &made))
        return false;
    *out = tleg_constant_add(walk, &made);
    return *out != 0;
}
