#include "draft.h"

#include <stdlib.h>

bool draft_make(const tleg_file *file, struct draft *draft) {
    const size_t tensors = (size_t)tleg_file_get_tensor_count(file) + DRAFT_MORE;
    size_t keys = 0;
    while (tleg_file_get_metadata_key(file, (int64_t)keys))
        keys++;
    *draft = (struct draft){.names = calloc(tensors, sizeof *draft->names),
                            .keys_and_values = calloc(2 * (keys + DRAFT_MORE), sizeof *draft->keys_and_values),
                            .tensors = calloc(tensors, sizeof *draft->tensors)};
    return draft->names && draft->keys_and_values && draft->tensors;
}

void draft_free(struct draft *draft) {
    for (int64_t i = 0; i < draft->count; i++)
        tleg_tensor_free(draft->tensors[i]);
    free(draft->names);
    free(draft->keys_and_values);
    free(draft->tensors);
}

void draft_put_pair(struct draft *draft, const char *key, const char *value) {
    draft->keys_and_values[2 * draft->pairs] = key;
    draft->keys_and_values[2 * draft->pairs++ + 1] = value;
}

tleg_status draft_put_tensor(tleg_context *context, struct draft *draft, const tleg_file *file, const char *name) {
    const tleg_status status = tleg_file_read_tensor(context, file, name, &draft->tensors[draft->count]);
    if (status == TLEG_OK)
        draft->names[draft->count++] = name;
    return status;
}

tleg_save_options draft_options(const struct draft *draft) {
    return (tleg_save_options){
        .struct_size = sizeof(tleg_save_options), .pairs = draft->pairs, .keys_and_values = draft->keys_and_values};
}
