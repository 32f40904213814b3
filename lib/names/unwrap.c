/* Names without the words that wrappers of modules leave in them, at their beginning and in the middle:
 * "blocks.0._orig_mod.attn.qkv.weight" of torch.compile is "blocks.0.attn.qkv.weight". */
#include "names/private.h"

#include <string.h>

static const char wrappers[] = "_orig_mod module _fsdp_wrapped_module _checkpoint_wrapped_module _forward_module";

/* `name` without wrappers, to `out`, which has room for all of it. */
static void unwrap(const char *name, char *out) {
    while (*name) {
        const size_t length = strcspn(name, "."), whole = length + (name[length] == '.');
        if (name[length] != '.' || !tleg_list_has(wrappers, name, length)) {
            memcpy(out, name, whole);
            out += whole;
        }
        name += whole;
    }
    *out = '\0';
}

/* Whether a wrapper stands behind the first word. */
static bool is_wrapped(const char *name) {
    bool found = false;
    for (name = strchr(name, '.'); name && !found; name = strchr(name, '.')) {
        name++;
        found = tleg_list_has(wrappers, name, strcspn(name, "."));
    }
    return found;
}

/* The bytes of all names; 0 where none is wrapped. */
static size_t count_bytes(const struct tleg_entry *entries, int64_t count) {
    size_t bytes = 0;
    bool wrapped = false;
    for (int64_t k = 0; k < count; k++) {
        bytes += strlen(entries[k].name) + 1;
        wrapped = wrapped || is_wrapped(entries[k].name);
    }
    return wrapped ? bytes : 0;
}

static tleg_status derive(tleg_context *context, const tleg_file *file, const struct tleg_entry *entries, size_t count,
                          char *texts, struct tleg_made *made, struct tleg_piece *pieces, tleg_file **unwrapped) {
    for (size_t k = 0; k < count; k++) {
        unwrap(entries[k].name, texts);
        pieces[k] = tleg_piece_whole(&entries[k]);
        made[k] = (struct tleg_made){texts, entries[k].rank, {0}, &pieces[k], 1};
        memcpy(made[k].shape, entries[k].shape, sizeof made[k].shape);
        texts += strlen(texts) + 1;
    }
    struct tleg_derivation from = {.made = made, .count = count};
    from.pair_count = (size_t)tleg_file_pairs(file, &from.pairs);
    return tleg_file_derive(context, file, &from, unwrapped);
}

tleg_status tleg_names_unwrap(tleg_context *context, const tleg_file *file, tleg_file **unwrapped) {
    const struct tleg_allocator *allocator = &context->allocator;
    const struct tleg_entry *entries;
    const int64_t entry_count = tleg_file_entries(file, &entries);
    const size_t bytes = count_bytes(entries, entry_count), count = (size_t)entry_count;
    size_t all;
    *unwrapped = NULL;
    if (bytes == 0)
        return TLEG_OK;
    if (!tleg_size_mul(count, sizeof(struct tleg_made) + sizeof(struct tleg_piece), &all) || !tleg_size_add(all, bytes, &all))
        return tleg_fail_memory(context, "names", SIZE_MAX);
    struct tleg_made *made = tleg_alloc(allocator, all);
    if (!made)
        return tleg_fail_memory(context, "names", all);
    struct tleg_piece *pieces = (struct tleg_piece *)(void *)(made + count);
    const tleg_status status = derive(context, file, entries, count, (char *)(pieces + count), made, pieces, unwrapped);
    tleg_release(allocator, made, all);
    return status;
}
