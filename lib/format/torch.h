/* PyTorch's files between torch.c, which finds the weights, and torch_tensor.c, which reads what a pickle says of a tensor. */
#ifndef TLEG_LIB_FORMAT_TORCH_H
#define TLEG_LIB_FORMAT_TORCH_H

#include "format/private.h"

#include <string.h>

enum { TLEG_TORCH_MEMBER = 512 }; /* bytes of the name of an archive's member */

struct torch {
    tleg_context *context;
    struct tleg_file *file;
    struct tleg_zip zip;
    struct tleg_pickle pickle;
    const char *folder; /* with its slash; not terminated */
    size_t folder_length;
    unsigned char *text; /* of the pickle */
    size_t length;
    bool script;   /* TorchScript */
    uint8_t finds; /* that found something, and 1 */
};

/* ---- what values are ---- */

static inline const struct tleg_pickle_value *get(const struct torch *torch, uint32_t value) {
    return tleg_pickle_get(&torch->pickle, value);
}

static inline const struct tleg_pickle_item *item_at(const struct torch *torch, uint32_t item) {
    return tleg_pickle_get_item(&torch->pickle, item);
}

static inline uint32_t element(const struct torch *torch, uint32_t value, size_t index) {
    return tleg_pickle_element(&torch->pickle, value, index);
}

static inline bool is_named(const struct torch *torch, uint32_t value, const char *module, const char *name) {
    const struct tleg_pickle_value *v = get(torch, value);
    return v->kind == TLEG_PICKLE_NAME && tleg_pickle_is_text(&torch->pickle, v->as.name.module, module) &&
           tleg_pickle_is_text(&torch->pickle, v->as.name.name, name);
}

static inline bool begins(const struct torch *torch, uint32_t text, const char *start) {
    const struct tleg_pickle_value *v = get(torch, text);
    const size_t length = strlen(start);
    return v->kind == TLEG_PICKLE_TEXT && v->as.text.length >= length &&
           memcmp(torch->pickle.text + v->as.text.at, start, length) == 0;
}

/* The first item of what has members by name: a dictionary, or an object of a class derived from it. */
static inline uint32_t members(const struct torch *torch, uint32_t value) {
    const struct tleg_pickle_value *v = get(torch, value);
    return v->kind == TLEG_PICKLE_DICT || v->kind == TLEG_PICKLE_CALL ? v->first : 0;
}

/* The value of a key; 0 when there is none. */
static inline uint32_t member(const struct torch *torch, uint32_t value, const char *key, size_t length) {
    for (uint32_t item = members(torch, value); item; item = item_at(torch, item)->next) {
        const struct tleg_pickle_value *k = get(torch, item_at(torch, item)->key);
        if (k->kind == TLEG_PICKLE_TEXT && k->as.text.length == length &&
            memcmp(torch->pickle.text + k->as.text.at, key, length) == 0)
            return item_at(torch, item)->value;
    }
    return 0;
}

/* ---- tensors (torch_tensor.c) ---- */

enum made { NO_TENSOR, PLAIN_TENSOR, OTHER_TENSOR };
struct call {
    uint32_t callable, arguments;
};
/* What a value is, and the call that makes it. */
enum made tleg_torch_find(const struct torch *torch, uint32_t value, struct call *call);

/* Numbers as the pickle gives them. */
struct layout {
    int64_t offset, strides[TLEG_MAX_RANK];
    uint64_t count; /* elements of the storage */
};
/* Reads a plain tensor; its bytes are where its storage has them. `name` is for errors. */
tleg_status tleg_torch_tensor(const struct torch *torch, const char *name, const struct call *call, struct tleg_entry *entry,
                              struct layout *layout);
tleg_status tleg_torch_fail(const struct torch *torch, tleg_status status, const char *name, const char *what);
/* The member FOLDER/ROOM/REST; NULL when there is none. */
const struct tleg_zip_member *tleg_torch_member(const struct torch *torch, const char *room, const char *rest, size_t length);

#endif
