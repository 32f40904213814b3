/* A view: an open file whose tensors go by other names. */
#include "format/private.h"

#include <string.h>

struct tleg_file *tleg_file_share(const struct tleg_file *file) {
    struct tleg_file *shared = (struct tleg_file *)(uintptr_t)file; /* the count is all that changes */
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

/* The files that hold the tensors of `file`: it alone, or those of an index. */
static tleg_status share_parts(tleg_context *context, const struct tleg_file *file, struct tleg_file *view) {
    const size_t count = file->part_count > 0 ? file->part_count : 1;
    view->part_bytes = count * sizeof *view->parts;
    view->parts = tleg_alloc(&view->allocator, view->part_bytes);
    if (!view->parts)
        return tleg_fail_memory(context, view->label, view->part_bytes);
    for (; view->part_count < count; view->part_count++)
        view->parts[view->part_count] = tleg_file_share(file->part_count > 0 ? file->parts[view->part_count] : file);
    return TLEG_OK;
}

static tleg_status copy_entries(tleg_context *context, const struct tleg_file *file, const char *prefix,
                                struct tleg_file *view) {
    const size_t length = strlen(prefix);
    view->entry_count = file->entry_count;
    view->several = file->several;
    view->pair_count = file->pair_count;
    tleg_status status = tleg_file_make_block(context, view, 0, NULL);
    if (status != TLEG_OK)
        return status;
    for (size_t i = 0; i < view->entry_count; i++) {
        view->entries[i] = file->entries[i];
        if (strncmp(view->entries[i].name, prefix, length) == 0)
            view->entries[i].name += length;
    }
    for (size_t i = 0; i < view->pair_count; i++) {
        view->pairs[i] = file->pairs[i];
        view->by_key[i] = &view->pairs[i];
    }
    return tleg_file_index_names(context, view);
}

tleg_status tleg_file_view(tleg_context *context, const tleg_file *file, const char *prefix, tleg_file **out) {
    *out = NULL;
    if (!*prefix) {
        *out = tleg_file_share(file);
        return TLEG_OK;
    }
    struct tleg_file *view;
    tleg_status status = tleg_file_make(context, file->label, &view);
    if (status != TLEG_OK)
        return status;
    status = share_parts(context, file, view);
    if (status == TLEG_OK)
        status = copy_entries(context, file, prefix, view);
    if (status == TLEG_OK)
        *out = view;
    else
        tleg_file_free(view);
    return status;
}
