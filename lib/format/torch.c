/* PyTorch's zip files (.pth, .pt, .bin): FOLDER/data.pkl is a pickle of dictionaries in which tensors refer to the storages
 * FOLDER/data/KEY. The tensors of one dictionary, the weights of a model, become the entries of the file; everything else in
 * the pickle, whatever it would call, is passed over. */
#include "format/torch.h"

enum {
    DEPTH = 64,       /* of dictionaries within each other */
    NAME = 1024,      /* bytes of a tensor's name with its NUL */
    LEVELS = 4,       /* of wrappers around the weights */
    MOST_COPIES = 16, /* bytes of tensors for each of the file: storages may be shared */
    KEYS = 256        /* bytes of a list of keys in a text */
};

/* ---- walking through dictionaries ---- */

struct walk {
    struct torch *torch;
    /* Takes each tensor, under `name`. NULL: the walk ends at the first plain one. */
    tleg_status (*visit)(struct walk *walk, enum made made, const struct call *call);
    uint8_t number; /* of a walk with a visit, from 1 on */
    bool pass_over; /* what is not a model, on the outermost level */
    bool found;
    size_t depth;
    struct {
        uint32_t item; /* the next */
        size_t name;   /* the length of the name that it goes on from */
    } frames[DEPTH];
    char name[NAME]; /* "blocks.0.attn.qkv.weight" */

    size_t count, texts, strides; /* what the visits counted: tensors, bytes of names, strides */
    uint64_t bytes;
    char *text; /* where they put the next */
    int64_t *stride;
};

static bool is_passed_over(const struct torch *torch, uint32_t key) {
    static const char *const starts[] = {"optim",       "lr_scheduler", "scheduler", "callbacks", "loops", "scaler",
                                         "grad_scaler", "loss_scaler",  "amp",       "rng",       "random"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (begins(torch, key, starts[i]))
            return true;
    return false;
}

static tleg_status enter_items(struct walk *walk, uint32_t item, size_t name) {
    if (!item)
        return TLEG_OK;
    if (walk->depth == DEPTH)
        return walk->visit
                   ? tleg_torch_fail(walk->torch, TLEG_ERROR_UNSUPPORTED, walk->name, "lies deeper than 64 dictionaries")
                   : TLEG_OK;
    walk->frames[walk->depth].item = item;
    walk->frames[walk->depth++].name = name;
    return TLEG_OK;
}

static bool holds(struct torch *torch, uint32_t value);

/* Whether a container is to be gone into: each is once, so that no way of pointing at one often makes a walk long. */
static tleg_status check_seen(struct walk *walk, uint32_t value, bool *go_on) {
    struct torch *torch = walk->torch;
    struct tleg_pickle_value *v = (struct tleg_pickle_value *)torch->pickle.values.items + value;
    uint8_t *mark = walk->visit ? &v->seen : &v->sought;
    const uint8_t number = walk->visit ? walk->number : torch->finds;
    *go_on = *mark != number || value == 0;
    if (!*go_on && walk->visit && holds(torch, value))
        return tleg_torch_fail(torch, TLEG_ERROR_UNSUPPORTED, walk->name,
                               "what is under this name is under another as well: save a state_dict() of the model instead");
    *mark = number;
    return TLEG_OK;
}

/* A module that was saved whole: its tensors and the modules in it. Those of TorchScript are plain attributes. */
static tleg_status enter_object(struct walk *walk, uint32_t value, size_t name) {
    static const char *const parts[] = {"_modules", "_buffers", "_parameters"};
    const struct torch *torch = walk->torch;
    const uint32_t state = get(torch, value)->state;
    const struct tleg_pickle_value *class = get(torch, get(torch, value)->as.call.callable);
    bool go_on;
    tleg_status status = check_seen(walk, state, &go_on);
    if (status != TLEG_OK || !go_on)
        return status;
    if (class->kind == TLEG_PICKLE_NAME && begins(torch, class->as.name.module, "__torch__"))
        return enter_items(walk, members(torch, state), name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == TLEG_OK; i++)
        status = enter_items(walk, members(torch, member(torch, state, parts[i], strlen(parts[i]))), name);
    return status;
}

static tleg_status enter(struct walk *walk, uint32_t value, size_t name) {
    const struct tleg_pickle_value *v = get(walk->torch, value);
    bool go_on;
    if (v->kind != TLEG_PICKLE_DICT && v->kind != TLEG_PICKLE_CALL)
        return TLEG_OK;
    const tleg_status status = check_seen(walk, value, &go_on);
    if (status != TLEG_OK || !go_on)
        return status;
    return v->first ? enter_items(walk, v->first, name) : enter_object(walk, value, name);
}

/* The name of an item, after the name of what holds it. */
static tleg_status extend_name(struct walk *walk, uint32_t key, size_t before, size_t *length) {
    const struct tleg_pickle_value *k = get(walk->torch, key);
    const char *text = walk->torch->pickle.text + k->as.text.at;
    const size_t at = before + (before > 0);
    if (at + k->as.text.length >= NAME)
        return tleg_torch_fail(walk->torch, TLEG_ERROR_UNSUPPORTED, walk->name,
                               "a name that goes on from this one is too long");
    if (before > 0)
        walk->name[before] = '.';
    memcpy(walk->name + at, text, k->as.text.length);
    *length = at + k->as.text.length;
    walk->name[*length] = '\0';
    if (memchr(text, 0, k->as.text.length) || !tleg_utf8_valid(walk->name + at))
        return tleg_torch_fail(walk->torch, TLEG_ERROR_FORMAT, walk->name, "the name is not UTF-8, or holds a NUL character");
    return TLEG_OK;
}

static tleg_status visit_item(struct walk *walk, const struct tleg_pickle_item *item, size_t before) {
    const struct torch *torch = walk->torch;
    const int kind = get(torch, item->value)->kind;
    struct call call;
    size_t length = 0;
    if (get(torch, item->key)->kind != TLEG_PICKLE_TEXT || (kind != TLEG_PICKLE_DICT && kind != TLEG_PICKLE_CALL))
        return TLEG_OK;
    const enum made made = tleg_torch_find(torch, item->value, &call);
    if (made == NO_TENSOR && before == 0 && walk->pass_over && is_passed_over(torch, item->key))
        return TLEG_OK;
    if (!walk->visit) {
        walk->found |= made == PLAIN_TENSOR;
        return made == NO_TENSOR ? enter(walk, item->value, 0) : TLEG_OK;
    }
    const tleg_status status = extend_name(walk, item->key, before, &length);
    if (status != TLEG_OK)
        return status;
    return made == NO_TENSOR ? enter(walk, item->value, length) : walk->visit(walk, made, &call);
}

/* Visits the tensors below `root`. */
static tleg_status go(struct walk *walk, uint32_t root) {
    walk->depth = 0;
    walk->found = false;
    walk->name[0] = '\0';
    tleg_status status = enter(walk, root, 0);
    while (status == TLEG_OK && walk->depth > 0 && !walk->found) {
        const size_t top = walk->depth - 1, name = walk->frames[top].name;
        const struct tleg_pickle_item *item = item_at(walk->torch, walk->frames[top].item);
        walk->name[name] = '\0';
        walk->frames[top].item = item->next;
        walk->depth -= item->next == 0;
        status = visit_item(walk, item, name);
    }
    return status;
}

/* Whether there is a tensor below `value`. What a search in vain has seen, the next ones need not look at. */
static bool holds(struct torch *torch, uint32_t value) {
    struct walk walk = {.torch = torch};
    go(&walk, value); /* without a visit nothing fails */
    torch->finds += walk.found;
    return walk.found;
}

/* ---- which dictionary is the model's ---- */

/* What others call it, the likeliest first. */
static const char *const wrappers[] = {"model",   "state_dict",     "model_state_dict", "module",  "model_state", "net",
                                       "network", "teacher",        "target_encoder",   "student", "encoder",     "model_ema",
                                       "ema",     "state_dict_ema", "ema_state_dict"};

static bool has_own_tensors(const struct torch *torch, uint32_t value) {
    struct call call;
    for (uint32_t item = members(torch, value); item; item = item_at(torch, item)->next)
        if (get(torch, item_at(torch, item)->key)->kind == TLEG_PICKLE_TEXT &&
            tleg_torch_find(torch, item_at(torch, item)->value, &call) == PLAIN_TENSOR)
            return true;
    return false;
}

/* Adds `, "key"` to a list; nothing where there is no room. */
static void list_key(const struct torch *torch, uint32_t key, char list[KEYS], size_t *length) {
    const struct tleg_pickle_value *k = get(torch, key);
    if (k->as.text.length + 5 > KEYS - *length)
        return;
    if (*length > 0) {
        memcpy(list + *length, ", ", 2);
        *length += 2;
    }
    list[(*length)++] = '"';
    memcpy(list + *length, torch->pickle.text + k->as.text.at, k->as.text.length);
    *length += k->as.text.length;
    list[(*length)++] = '"';
    list[*length] = '\0';
}

enum { LISTED = 8 }; /* sets of weights that a text names */

/* The members of `value` that hold weights, but for `chosen`, beside which tensors count too; *only is the last of them.
 * Returns how many, at most LISTED. */
static int list_sets(struct torch *torch, uint32_t value, uint32_t chosen, char list[KEYS], uint32_t *only) {
    int count = 0;
    size_t length = 0;
    list[0] = '\0';
    for (uint32_t item = members(torch, value); item && count < LISTED; item = item_at(torch, item)->next) {
        const struct tleg_pickle_item *i = item_at(torch, item);
        struct call call;
        const enum made made = tleg_torch_find(torch, i->value, &call);
        if (get(torch, i->key)->kind != TLEG_PICKLE_TEXT || i->value == chosen || is_passed_over(torch, i->key) ||
            (made == NO_TENSOR ? !holds(torch, i->value) : made != PLAIN_TENSOR || !chosen))
            continue;
        list_key(torch, i->key, list, &length);
        *only = i->value;
        count++;
    }
    return count;
}

/* The dictionary in `value` that is the model's, and its key; 0 when `value` itself is. */
static uint32_t unwrap(struct torch *torch, uint32_t value, const char **key) {
    char list[KEYS];
    uint32_t inner = 0;
    *key = NULL;
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        struct call call;
        inner = member(torch, value, wrappers[i], strlen(wrappers[i]));
        if (inner && tleg_torch_find(torch, inner, &call) == NO_TENSOR && holds(torch, inner)) {
            *key = wrappers[i];
            return inner;
        }
    }
    if (has_own_tensors(torch, value))
        return 0;
    return list_sets(torch, value, 0, list, &inner) == 1 ? inner : 0;
}

static uint32_t choose(struct torch *torch) {
    uint32_t root = torch->pickle.root;
    for (int level = 0; level < LEVELS && (level == 0 || !has_own_tensors(torch, root)); level++) {
        const char *key;
        char list[KEYS];
        uint32_t other;
        const uint32_t inner = unwrap(torch, root, &key);
        if (!inner)
            break;
        if (key && list_sets(torch, root, inner, list, &other) > 0)
            tleg_log(torch->context, "%s: the weights are those under \"%s\"; others are under %s", torch->file->label, key,
                     list);
        root = inner;
    }
    return root;
}

/* The value under a key; under "a.b" that of b under a, where there is no such key. 0: none. */
static uint32_t find_key(const struct torch *torch, const char *key) {
    uint32_t value = torch->pickle.root;
    while (value) {
        const uint32_t whole = member(torch, value, key, strlen(key));
        const char *dot = strchr(key, '.');
        if (whole || !dot)
            return whole;
        value = member(torch, value, key, (size_t)(dot - key));
        key = dot + 1;
    }
    return 0;
}

static tleg_status fail_key(struct torch *torch, const char *key) {
    char list[KEYS];
    uint32_t last;
    const int count = list_sets(torch, torch->pickle.root, 0, list, &last);
    return tleg_fail(torch->context, TLEG_ERROR_NOT_FOUND, "%s: no set of weights under \"%s\"; %s%s", torch->file->label, key,
                     count ? "there are some under " : "none of its keys has one", list);
}

static tleg_status fail_empty(struct torch *torch) {
    const char *label = torch->file->label;
    const struct tleg_pickle_value *root = get(torch, torch->pickle.root);
    struct call call;
    char list[KEYS] = "";
    size_t length = 0;
    if (torch->script)
        return tleg_fail(torch->context, TLEG_ERROR_UNSUPPORTED,
                         "%s: a TorchScript archive without parameters (frozen: they are constants of its code): save the "
                         "model's state_dict() with torch.save instead",
                         label);
    if (tleg_torch_find(torch, torch->pickle.root, &call) != NO_TENSOR)
        return tleg_fail(torch->context, TLEG_ERROR_FORMAT, "%s: a single PyTorch tensor; expected a dictionary of weights",
                         label);
    for (uint32_t item = root->kind == TLEG_PICKLE_DICT ? root->first : 0; item; item = item_at(torch, item)->next)
        if (get(torch, item_at(torch, item)->key)->kind == TLEG_PICKLE_TEXT)
            list_key(torch, item_at(torch, item)->key, list, &length);
    return tleg_fail(torch->context, TLEG_ERROR_FORMAT,
                     "%s: a PyTorch file without weights: expected a dictionary of tensors%s%s", label,
                     length ? "; it holds " : "", list);
}

/* ---- the entries ---- */

static bool lies_in_rows(const struct tleg_entry *entry, const struct layout *layout) {
    int64_t step = 1;
    for (int32_t i = entry->rank; i-- > 0 && entry->bytes > 0; step *= entry->shape[i])
        if (entry->shape[i] > 1 && layout->strides[i] != step)
            return false;
    return true;
}

static tleg_status visit_tensor(struct walk *walk, enum made made, const struct call *call, struct tleg_entry *entry,
                                struct layout *layout) {
    const struct torch *torch = walk->torch;
    if (made == PLAIN_TENSOR)
        return tleg_torch_tensor(torch, walk->name, call, entry, layout);
    const struct tleg_pickle_value *name = get(torch, get(torch, call->callable)->as.name.name);
    return tleg_fail(torch->context, TLEG_ERROR_UNSUPPORTED,
                     "%s: tensor '%s' is not a plain one (torch's %.*s: sparse, quantized, nested or of a class of its own)",
                     torch->file->label, walk->name, (int)name->as.text.length, torch->pickle.text + name->as.text.at);
}

static tleg_status count_tensor(struct walk *walk, enum made made, const struct call *call) {
    struct tleg_entry entry;
    struct layout layout;
    const tleg_status status = visit_tensor(walk, made, call, &entry, &layout);
    if (status != TLEG_OK)
        return status;
    walk->count++;
    walk->texts += strlen(walk->name) + 1;
    walk->strides += lies_in_rows(&entry, &layout) ? 0 : (size_t)entry.rank;
    walk->bytes += entry.bytes;
    const uint64_t size = walk->torch->file->size;
    if (walk->bytes / MOST_COPIES > size || walk->texts / MOST_COPIES > size)
        return tleg_fail(walk->torch->context, TLEG_ERROR_FORMAT,
                         "%s: its tensors are more than %d times the file's %llu bytes, up to '%s': they repeat each other",
                         walk->torch->file->label, MOST_COPIES, (unsigned long long)size, walk->name);
    return TLEG_OK;
}

static tleg_status fill_tensor(struct walk *walk, enum made made, const struct call *call) {
    struct tleg_entry *entry = &walk->torch->file->entries[walk->count++];
    struct layout layout;
    const tleg_status status = visit_tensor(walk, made, call, entry, &layout);
    if (status != TLEG_OK)
        return status;
    const size_t length = strlen(walk->name) + 1;
    entry->name = memcpy(walk->text, walk->name, length);
    walk->text += length;
    if (!lies_in_rows(entry, &layout)) {
        entry->strides = memcpy(walk->stride, layout.strides, (size_t)entry->rank * sizeof *walk->stride);
        walk->stride += entry->rank;
    }
    return TLEG_OK;
}

static int compare_places(const void *a, const void *b) {
    const struct tleg_entry *first = a, *second = b;
    if (first->offset != second->offset)
        return first->offset < second->offset ? -1 : 1;
    return first->name < second->name ? -1 : first->name > second->name; /* names lie in the pickle's order */
}

/* The block's texts are the strides, from a multiple of their size on, and the names. */
static tleg_status make_room(struct walk *walk) {
    struct tleg_file *file = walk->torch->file;
    const size_t wide = sizeof *walk->stride;
    size_t room;
    char *texts;
    file->entry_count = walk->count;
    if (!tleg_size_mul(walk->strides, wide, &room) || !tleg_size_add(room, walk->texts + wide, &room))
        return tleg_fail_memory(walk->torch->context, file->label, SIZE_MAX);
    const tleg_status status = tleg_file_make_block(walk->torch->context, file, room, &texts);
    if (status != TLEG_OK)
        return status;
    texts += (wide - (uintptr_t)texts % wide) % wide;
    walk->stride = (void *)texts;
    walk->text = texts + walk->strides * wide;
    return TLEG_OK;
}

static tleg_status fill(struct torch *torch, uint32_t root) {
    struct walk walk = {.torch = torch, .visit = count_tensor, .number = 1, .pass_over = root == torch->pickle.root};
    struct tleg_file *file = torch->file;
    tleg_status status = go(&walk, root);
    if (status == TLEG_OK && walk.count == 0)
        status = fail_empty(torch);
    if (status == TLEG_OK)
        status = make_room(&walk);
    walk.visit = fill_tensor;
    walk.number = 2;
    walk.count = 0;
    if (status == TLEG_OK)
        status = go(&walk, root);
    if (status != TLEG_OK)
        return status;
    tleg_sort(file->entries, file->entry_count, sizeof *file->entries, compare_places);
    return tleg_file_index_names(torch->context, file);
}

/* ---- the archive ---- */

static bool ends(const struct tleg_zip_member *member, const char *end) {
    const size_t length = strlen(end);
    return member->length >= length && memcmp(member->name + member->length - length, end, length) == 0;
}

/* FOLDER/data.pkl, by which the folder is known; the checkpoint's is on the first level. NULL with an error when there is none.
 */
static const struct tleg_zip_member *find_pickle(struct torch *torch) {
    static const char name[] = "data.pkl";
    const struct tleg_zip_member *found = NULL;
    bool numpy = false;
    for (size_t i = 0; i < torch->zip.count; i++) {
        const struct tleg_zip_member *member = &torch->zip.members[i];
        const char *slash = memchr(member->name, '/', member->length);
        const size_t folder = slash ? (size_t)(slash + 1 - member->name) : 0;
        numpy |= ends(member, ".npy");
        if (member->length - folder != sizeof name - 1 || !ends(member, name))
            continue;
        if (found) {
            tleg_fail(torch->context, TLEG_ERROR_FORMAT, "%s: an archive of several PyTorch files: \"%.*s\" and \"%.*s\"",
                      torch->file->label, (int)found->length, found->name, (int)member->length, member->name);
            return NULL;
        }
        found = member;
        torch->folder = member->name;
        torch->folder_length = folder;
    }
    if (!found)
        tleg_fail(torch->context, TLEG_ERROR_FORMAT, "%s is a zip archive that is not a PyTorch file: %s", torch->file->label,
                  numpy ? "NumPy's arrays (.npz, as Google publishes its models)" : "it has no data.pkl");
    return found;
}

static tleg_status check_plain(const struct torch *torch, const struct tleg_zip_member *member) {
    if (member->plain)
        return TLEG_OK;
    return tleg_fail(torch->context, TLEG_ERROR_UNSUPPORTED,
                     "%s: \"%.*s\" is compressed or encrypted, as PyTorch writes none: pack the archive anew, without",
                     torch->file->label, (int)member->length, member->name);
}

/* Files from before PyTorch 2.1 do not say, and are of little-endian machines. */
static tleg_status check_order(const struct torch *torch) {
    static const char little[] = "little";
    const struct tleg_zip_member *order = tleg_torch_member(torch, "", "byteorder", strlen("byteorder"));
    char text[sizeof little - 1];
    tleg_status status = order ? check_plain(torch, order) : TLEG_OK;
    if (!order || status != TLEG_OK)
        return status;
    if (order->size == sizeof text) {
        status = tleg_zip_read(torch->context, torch->file, order->at, sizeof text, text);
        if (status != TLEG_OK || memcmp(text, little, sizeof text) == 0)
            return status;
    }
    return tleg_fail(torch->context, TLEG_ERROR_UNSUPPORTED,
                     "%s: written on a big-endian machine; expected little-endian numbers (byteorder \"little\")",
                     torch->file->label);
}

static tleg_status read_pickle(struct torch *torch, const struct tleg_zip_member *member) {
    tleg_context *context = torch->context;
    const char *label = torch->file->label;
    tleg_status status = check_plain(torch, member);
    if (status != TLEG_OK)
        return status;
    if (member->size > TLEG_PICKLE_LIMIT)
        return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "%s: \"%.*s\" is %llu bytes long, the limit is %d", label,
                         (int)member->length, member->name, (unsigned long long)member->size, TLEG_PICKLE_LIMIT);
    torch->length = (size_t)member->size;
    torch->text = tleg_alloc(&torch->file->allocator, torch->length);
    if (!torch->text)
        return tleg_fail_memory(context, label, torch->length);
    status = tleg_zip_read(context, torch->file, member->at, torch->length, torch->text);
    if (status != TLEG_OK)
        return status;
    return tleg_pickle_read(context, label, &torch->file->allocator, torch->text, torch->length, &torch->pickle);
}

static tleg_status read_archive(struct torch *torch, const char *key) {
    const struct tleg_zip_member *member = find_pickle(torch);
    if (!member)
        return TLEG_ERROR_FORMAT;
    torch->script = tleg_torch_member(torch, "", "constants.pkl", strlen("constants.pkl")) != NULL;
    tleg_status status = check_order(torch);
    if (status == TLEG_OK)
        status = read_pickle(torch, member);
    if (status != TLEG_OK)
        return status;
    torch->file->header_bytes = torch->zip.directory_bytes + torch->length;
    const uint32_t root = key ? find_key(torch, key) : choose(torch);
    if (key && (!root || !holds(torch, root)))
        return fail_key(torch, key);
    return fill(torch, root);
}

tleg_status tleg_torch_read(tleg_context *context, struct tleg_file *file, const char *key) {
    struct torch torch = {.context = context, .file = file, .finds = 1, .pickle = {.allocator = file->allocator}};
    tleg_status status = tleg_zip_open(context, file, &torch.zip);
    if (status == TLEG_OK)
        status = read_archive(&torch, key);
    tleg_pickle_free(&torch.pickle);
    tleg_release(&file->allocator, torch.text, torch.length);
    tleg_zip_close(&torch.zip);
    return status;
}
