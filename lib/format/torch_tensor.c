/* What a pickle of PyTorch's says of a tensor: the call that makes it, its element type, its storage in the archive, its shape
 * and strides. */
#include "format/torch.h"

enum { WRAPPED = 8 }; /* calls around the one that makes a tensor */

/* The call that makes a value, below those that only dress it up: parameters, and classes derived from Tensor. */
static bool find_call(const struct torch *torch, uint32_t value, struct call *call) {
    for (int i = 0; i < WRAPPED && get(torch, value)->kind == TLEG_PICKLE_CALL; i++) {
        *call = (struct call){get(torch, value)->as.call.callable, get(torch, value)->as.call.arguments};
        if (is_named(torch, call->callable, "torch._tensor", "_rebuild_from_type_v2"))
            *call = (struct call){element(torch, call->arguments, 0), element(torch, call->arguments, 2)};
        if (!is_named(torch, call->callable, "torch._utils", "_rebuild_parameter") &&
            !is_named(torch, call->callable, "torch._utils", "_rebuild_parameter_with_state"))
            return true;
        value = element(torch, call->arguments, 0);
    }
    return false;
}

enum made tleg_torch_find(const struct torch *torch, uint32_t value, struct call *call) {
    static const char *const plain[] = {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"};
    if (!find_call(torch, value, call))
        return NO_TENSOR;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (is_named(torch, call->callable, "torch._utils", plain[i]))
            return PLAIN_TENSOR;
    const struct tleg_pickle_value *callable = get(torch, call->callable);
    return callable->kind == TLEG_PICKLE_NAME && begins(torch, callable->as.name.module, "torch.") &&
                   begins(torch, callable->as.name.name, "_rebuild_")
               ? OTHER_TENSOR
               : NO_TENSOR;
}

/* safetensors' name of an element type: by the class of the storage, or by the name of the type itself. */
static const char *type_of(const struct torch *torch, uint32_t named) {
    static const char *const types[][3] = {
        {"FloatStorage", "float32", "F32"},
        {"HalfStorage", "float16", "F16"},
        {"BFloat16Storage", "bfloat16", "BF16"},
        {"DoubleStorage", "float64", "F64"},
        {"LongStorage", "int64", "I64"},
        {"IntStorage", "int32", "I32"},
        {"ShortStorage", "int16", "I16"},
        {"CharStorage", "int8", "I8"},
        {"ByteStorage", "uint8", "U8"},
        {"BoolStorage", "bool", "BOOL"},
        {"ComplexFloatStorage", "complex64", "C64"},
        {"UInt16Storage", "uint16", "U16"},
        {"UInt32Storage", "uint32", "U32"},
        {"UInt64Storage", "uint64", "U64"},
        {"Float8_e4m3fnStorage", "float8_e4m3fn", "F8_E4M3"},
        {"Float8_e5m2Storage", "float8_e5m2", "F8_E5M2"},
        {"Float8_e4m3fnuzStorage", "float8_e4m3fnuz", "F8_E4M3FNUZ"},
        {"Float8_e5m2fnuzStorage", "float8_e5m2fnuz", "F8_E5M2FNUZ"},
        {"Float8_e8m0fnuStorage", "float8_e8m0fnu", "F8_E8M0"},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (is_named(torch, named, "torch", types[i][0]) || is_named(torch, named, "torch.storage", types[i][0]) ||
            is_named(torch, named, "torch", types[i][1]))
            return types[i][2];
    return NULL;
}

tleg_status tleg_torch_fail(const struct torch *torch, tleg_status status, const char *name, const char *what) {
    return tleg_fail(torch->context, status, "%s: tensor '%.200s': %s", torch->file->label, name, what);
}

/* A tuple of numbers, 0 or more; *count is how many, or TLEG_MAX_RANK + 1 for more than that. */
static bool take_numbers(const struct torch *torch, uint32_t tuple, int64_t numbers[TLEG_MAX_RANK], int32_t *count) {
    *count = 0;
    if (get(torch, tuple)->kind != TLEG_PICKLE_TUPLE)
        return false;
    for (uint32_t item = get(torch, tuple)->first; item; item = item_at(torch, item)->next) {
        const struct tleg_pickle_value *number = get(torch, item_at(torch, item)->value);
        if (number->kind != TLEG_PICKLE_NUMBER || number->as.number < 0)
            return false;
        if (*count == TLEG_MAX_RANK)
            return ++*count;
        numbers[(*count)++] = number->as.number;
    }
    return true;
}

/* How many elements the tensor has, when they all lie in its storage, none of them more often than there are elements. */
static bool elements_of(const struct tleg_entry *entry, const struct layout *layout, size_t *elements) {
    uint64_t last = (uint64_t)layout->offset;
    if (last > layout->count || !tleg_size_product(entry->shape, entry->rank, elements))
        return false;
    if (*elements == 0)
        return true;
    if (last == layout->count || *elements > layout->count)
        return false;
    for (int32_t i = 0; i < entry->rank; i++) {
        const uint64_t steps = (uint64_t)entry->shape[i] - 1, stride = (uint64_t)layout->strides[i];
        if (stride > 0 && steps > (layout->count - 1 - last) / stride)
            return false;
        last += steps * stride;
    }
    return true;
}

const struct tleg_zip_member *tleg_torch_member(const struct torch *torch, const char *room, const char *rest, size_t length) {
    const size_t before = torch->folder_length + strlen(room);
    char name[TLEG_TORCH_MEMBER];
    if (before > sizeof name || length > sizeof name - before)
        return NULL;
    memcpy(name, torch->folder, torch->folder_length);
    memcpy(name + torch->folder_length, room, before - torch->folder_length);
    memcpy(name + before, rest, length);
    return tleg_zip_find(&torch->zip, name, before + length);
}

/* The member that holds a storage; NULL when there is none. */
static const struct tleg_zip_member *find_storage(const struct torch *torch, uint32_t key) {
    const struct tleg_pickle_value *k = get(torch, key);
    return k->kind == TLEG_PICKLE_TEXT
               ? tleg_torch_member(torch, "data/", torch->pickle.text + k->as.text.at, k->as.text.length)
               : NULL;
}

/* The storage that a tensor refers to: ("storage", class, key, place, count). */
static tleg_status take_storage(const struct torch *torch, const char *name, uint32_t reference, struct layout *layout,
                                struct tleg_entry *entry) {
    const struct tleg_pickle_value *v = get(torch, reference);
    const uint32_t id = v->as.call.arguments;
    if (v->kind != TLEG_PICKLE_REFERENCE || get(torch, id)->kind != TLEG_PICKLE_TUPLE ||
        !tleg_pickle_is_text(&torch->pickle, element(torch, id, 0), "storage") ||
        get(torch, element(torch, id, 4))->kind != TLEG_PICKLE_NUMBER)
        return tleg_torch_fail(torch, TLEG_ERROR_FORMAT, name, "its storage is described wrongly");
    if (!entry->type_name)
        entry->type_name = type_of(torch, element(torch, id, 1));
    if (!entry->type_name)
        return tleg_torch_fail(torch, TLEG_ERROR_UNSUPPORTED, name, "an element type that is not read");
    const struct tleg_stored_type *type = tleg_stored_type_find(entry->type_name);
    const struct tleg_zip_member *member = find_storage(torch, element(torch, id, 2));
    if (!member)
        return tleg_torch_fail(torch, TLEG_ERROR_FORMAT, name, "its storage is not in the archive");
    if (!member->plain)
        return tleg_torch_fail(
            torch, TLEG_ERROR_UNSUPPORTED, name,
            "its storage is compressed or encrypted, as PyTorch writes none: pack the archive anew, without");
    entry->dtype = type->dtype;
    entry->offset = member->at;
    layout->count = member->size / (type->bits / 8);
    const bool bytes = is_named(torch, element(torch, id, 1), "torch.storage", "UntypedStorage");
    const uint64_t claimed = (uint64_t)get(torch, element(torch, id, 4))->as.number, each = bytes ? 1 : type->bits / 8;
    if (member->size % each != 0 || claimed != member->size / each)
        return tleg_fail(torch->context, TLEG_ERROR_FORMAT,
                         "%s: tensor '%s': its storage \"%.*s\" has %llu bytes; the pickle says %llu elements of %s",
                         torch->file->label, name, (int)member->length, member->name, (unsigned long long)member->size,
                         (unsigned long long)claimed, entry->type_name);
    return TLEG_OK;
}

/* _rebuild_tensor_v2(storage, offset, shape, strides, grad, hooks, metadata); in _v3 the element type stands before the
 * metadata, which are there where the tensor is a view that PyTorch negates or conjugates when it is read. */
tleg_status tleg_torch_tensor(const struct torch *torch, const char *name, const struct call *call, struct tleg_entry *entry,
                              struct layout *layout) {
    *entry = (struct tleg_entry){0};
    int32_t strides;
    const struct tleg_pickle_value *offset = get(torch, element(torch, call->arguments, 1));
    if (!take_numbers(torch, element(torch, call->arguments, 2), entry->shape, &entry->rank) ||
        !take_numbers(torch, element(torch, call->arguments, 3), layout->strides, &strides) || strides != entry->rank ||
        offset->kind != TLEG_PICKLE_NUMBER || offset->as.number < 0)
        return tleg_torch_fail(torch, TLEG_ERROR_FORMAT, name, "its shape is described wrongly");
    if (entry->rank > TLEG_MAX_RANK)
        return tleg_fail(torch->context, TLEG_ERROR_UNSUPPORTED, "%s: tensor '%s' has more than %d dimensions",
                         torch->file->label, name, TLEG_MAX_RANK);
    layout->offset = offset->as.number;
    const bool typed = is_named(torch, call->callable, "torch._utils", "_rebuild_tensor_v3");
    if (get(torch, element(torch, call->arguments, typed ? 7 : 6))->first)
        return tleg_torch_fail(torch, TLEG_ERROR_UNSUPPORTED, name,
                               "its numbers are stored before they are negated or conjugated: save "
                               "tensor.resolve_neg().resolve_conj()");
    if (typed) {
        entry->type_name = type_of(torch, element(torch, call->arguments, 6));
        if (!entry->type_name)
            return tleg_torch_fail(torch, TLEG_ERROR_UNSUPPORTED, name, "an element type that is not read");
    }
    tleg_status status = take_storage(torch, name, element(torch, call->arguments, 0), layout, entry);
    size_t elements;
    if (status == TLEG_OK && !elements_of(entry, layout, &elements))
        status = tleg_torch_fail(torch, TLEG_ERROR_FORMAT, name, "it reaches beyond its storage, or repeats what is in it");
    if (status != TLEG_OK)
        return status;
    const uint64_t width = tleg_stored_type_find(entry->type_name)->bits / 8;
    entry->offset += (uint64_t)layout->offset * width;
    entry->bytes = elements * width;
    return TLEG_OK;
}
