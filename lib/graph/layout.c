/* Layouts: which part of which axis lies in which dimension of a value. */
#include "graph/private.h"

#include <string.h>

static int32_t first_atom(const struct layout *layout, int32_t dim) {
    int32_t at = 0;
    for (int32_t k = 0; k < dim; k++)
        at += layout->counts[k];
    return at;
}

const struct atom *tleg_layout_atoms(const struct layout *layout, int32_t dim) {
    return layout->atoms + first_atom(layout, dim);
}

int64_t tleg_layout_size(const struct layout *layout, int32_t dim) {
    const struct atom *atoms = tleg_layout_atoms(layout, dim);
    int64_t size = 1;
    for (int32_t k = 0; k < layout->counts[dim]; k++)
        size *= atoms[k].size;
    return size;
}

struct builder {
    struct layout *out;
    int32_t count; /* of atoms */
    bool full;
};

/* Adds an atom to the dimension at hand, as one with that before where they follow each other. */
static void put(struct builder *builder, const struct atom *atom) {
    struct layout *out = builder->out;
    struct atom *last = out->counts[out->rank] ? &out->atoms[builder->count - 1] : NULL;
    if (atom->size == 1)
        return;
    if (last && last->axis == atom->axis && last->stride == (int64_t)atom->size * atom->stride) {
        last->size *= atom->size;
        last->stride = atom->stride;
        return;
    }
    builder->full = builder->full || builder->count == ATOMS;
    if (builder->full)
        return;
    out->atoms[builder->count++] = *atom;
    out->counts[out->rank]++;
}

/* Takes atoms of `size` together; false when they cannot be cut so. */
static bool take(struct builder *builder, const struct layout *from, int32_t atoms, int32_t *at, struct atom *rest,
                 int64_t size) {
    while (size > 1) {
        if (rest->size == 1) {
            if (*at == atoms)
                return false;
            *rest = from->atoms[(*at)++];
        }
        if (size % rest->size == 0) {
            size /= rest->size;
            put(builder, rest);
            rest->size = 1;
        } else if (rest->size % size == 0) {
            const int32_t inner = rest->size / (int32_t)size;
            put(builder, &(struct atom){rest->axis, (int32_t)size, rest->stride * inner});
            rest->size = inner;
            size = 1;
        } else {
            return false;
        }
    }
    return true;
}

bool tleg_layout_reshape(const struct layout *layout, int32_t rank, const int64_t *shape, struct layout *out) {
    struct layout own = {0};
    struct builder builder = {.out = &own};
    const int32_t atoms = first_atom(layout, layout->rank);
    struct atom rest = {.size = 1};
    int32_t at = 0;
    for (int32_t k = 0; k < rank; k++, own.rank++)
        if (shape[k] < 1 || !take(&builder, layout, atoms, &at, &rest, shape[k]))
            return false;
    *out = own;
    return at == atoms && rest.size == 1 && !builder.full;
}

void tleg_layout_transpose(const struct layout *layout, const int32_t *order, struct layout *out) {
    struct layout own = {0};
    struct builder builder = {.out = &own};
    for (int32_t k = 0; k < layout->rank; k++, own.rank++) {
        const struct atom *atoms = tleg_layout_atoms(layout, order[k]);
        for (int32_t i = 0; i < layout->counts[order[k]]; i++)
            put(&builder, &atoms[i]);
    }
    *out = own;
}

bool tleg_layout_replace(const struct layout *layout, int32_t dim, const struct atom *atoms, int32_t count, bool drop,
                         struct layout *out) {
    struct layout own = {0};
    struct builder builder = {.out = &own};
    for (int32_t k = 0; k < layout->rank; k++) {
        const struct atom *kept = k == dim ? atoms : tleg_layout_atoms(layout, k);
        const int32_t number = k == dim ? count : layout->counts[k];
        if (k == dim && drop)
            continue;
        for (int32_t i = 0; i < number; i++)
            put(&builder, &kept[i]);
        own.rank++;
    }
    *out = own;
    return !builder.full;
}

static bool same_atoms(const struct layout *a, int32_t i, const struct layout *b, int32_t j) {
    const struct atom *first = tleg_layout_atoms(a, i), *second = tleg_layout_atoms(b, j);
    if (a->counts[i] != b->counts[j])
        return false;
    for (int32_t k = 0; k < a->counts[i]; k++)
        if (first[k].axis != second[k].axis || first[k].size != second[k].size || first[k].stride != second[k].stride)
            return false;
    return true;
}

bool tleg_layout_equal(const struct layout *a, const struct layout *b) {
    bool equal = a->rank == b->rank;
    for (int32_t k = 0; k < a->rank && equal; k++)
        equal = same_atoms(a, k, b, k);
    return equal;
}

bool tleg_layout_broadcasts(const struct layout *a, const struct layout *b) {
    const int32_t shift = a->rank - b->rank;
    bool equal = shift >= 0;
    for (int32_t k = 0; k < b->rank && equal; k++)
        equal = b->counts[k] == 0 || same_atoms(a, k + shift, b, k);
    return equal;
}

bool tleg_layout_is(const struct layout *layout, int32_t dim, enum axis axis, int64_t size) {
    const struct atom *atom = tleg_layout_atoms(layout, dim);
    if (layout->counts[dim] == 0) /* of an axis of size 1 */
        return size <= 1;
    return layout->counts[dim] == 1 && atom->axis == (int32_t)axis && atom->stride == 1 && (size == 0 || atom->size == size);
}
