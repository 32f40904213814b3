/* A file under the library's names: by the host's rules, or by those of the family that it is of. */
#include "graph/graph.h"
#include "names/private.h"

#include <string.h>

/* Of a file without keys, which the texts beside it or a host's rules may say but a part of. */
static const char of_a_part[] = TLEG_RULES_OF_A_PART " = yes\n";

/* The library's own files say everything themselves. */
static bool is_own(const tleg_file *file) {
    return tleg_file_get_metadata(file, "tleg.kind") != NULL;
}

static bool has_config(const tleg_file *file) {
    const char *key;
    for (int64_t k = 0; (key = tleg_file_get_metadata_key(file, k)) != NULL; k++)
        if (tleg_names_is_config(key))
            return true;
    return false;
}

bool tleg_names_ends(const char *name, const char *end) {
    const size_t length = strlen(name), part = strlen(end);
    return length >= part && strcmp(name + (length - part), end) == 0;
}

const struct tleg_entry *tleg_names_fellow(const tleg_file *file, const char *name, const char *end, const char *other) {
    char whole[TLEG_NAMES_TEXT];
    const size_t length = strlen(name) - strlen(end);
    if (!tleg_names_ends(name, end) || length + strlen(other) >= sizeof whole)
        return NULL;
    memcpy(whole, name, length);
    strcpy(whole + length, other);
    return tleg_file_find(file, whole);
}

/* 3*P*P or P*P, never both. */
bool tleg_names_patch(int64_t numbers, int32_t *channels, int64_t *side) {
    *channels = numbers % 3 == 0 && tleg_size_is_square(numbers / 3, side) ? 3 : tleg_size_is_square(numbers, side) ? 1 : 0;
    return *channels != 0 && numbers != 0;
}

bool tleg_names_are_ours(const tleg_file *file) {
    const char *name, *at;
    bool patches = false, attention = false;
    for (int64_t k = 0; (name = tleg_file_get_tensor_name(file, k)) != NULL; k++) {
        patches = patches || strstr(name, "patch_embed.proj.") || strstr(name, "x_embedder.proj.");
        attention = attention || ((at = strstr(name, "blocks.")) != NULL && strstr(at, ".attn.qkv."));
    }
    return patches && attention;
}

static void note_family(tleg_context *context, const tleg_file *file, const struct tleg_family *family) {
    const bool told = has_config(file);
    const char *assumed = told ? NULL : family->assumed;
    tleg_log(context, "%s: read as %s%s%s%s", tleg_file_label(file), family->name, told ? ", with what stands beside it" : "",
             assumed ? "; assumed, as its tensors do not say: " : "", assumed ? assumed : "");
}

static void take_rules(struct tleg_naming *naming) {
    size_t count = 0;
    memcpy(naming->rules, naming->family->rules, sizeof naming->rules);
    while (count < TLEG_RULE_TEXTS && naming->rules[count])
        count++;
    if (count < TLEG_RULE_TEXTS && naming->rules[0] != tleg_family_projection &&
        tleg_names_has(naming->file, naming->prefix, "../trunk.patch_embed.proj.weight") &&
        tleg_names_has(naming->file, naming->prefix, "../head.proj.weight"))
        naming->rules[count] = tleg_family_projection;
}

/* What is to be added to a model's matrices lies beside them, or without them. */
static tleg_status check_adapters(tleg_context *context, const tleg_file *file) {
    const char *name;
    for (int64_t k = 0; (name = tleg_file_get_tensor_name(file, k)) != NULL; k++)
        if (strstr(name, ".lora_") || strstr(name, ".base_layer."))
            return tleg_fail(
                context, TLEG_ERROR_UNSUPPORTED,
                "%s: expected a model, found adapters of LoRA (tensor \"%s\"): PEFT's merge_and_unload() takes them "
                "into the model, whose file is read",
                tleg_file_label(file), name);
    return TLEG_OK;
}

/* `whole` has the names as they are in the file, for a host's rules to speak of. */
static tleg_status by_family(tleg_context *context, const tleg_file *file, const tleg_file *whole, tleg_file **named) {
    struct tleg_naming naming = {.context = context, .file = file};
    tleg_status status = check_adapters(context, file);
    if (status == TLEG_OK && !is_own(file))
        status = tleg_names_recognise(context, file, &naming.family, &naming.prefix);
    if (status != TLEG_OK)
        return status;
    if (!naming.family && !tleg_names_are_ours(file))
        tleg_names_guess(context, whole);
    if (!naming.family && !has_config(file))
        return tleg_file_view(context, file, "", named);
    if (naming.family) {
        take_rules(&naming);
        note_family(context, file, naming.family);
    } else if (!tleg_names_has_keys(file)) {
        naming.rules[0] = of_a_part;
    }
    return tleg_names_apply(&naming, named);
}

/* What a graph computes is not for the texts beside it to say. */
static tleg_status check_graph(tleg_context *context, const tleg_file *read, const tleg_file *named) {
    const struct tleg_pair *pairs;
    const int64_t count = tleg_file_pairs(read, &pairs);
    for (int64_t k = 0; k < count; k++) {
        const char *text = tleg_file_get_metadata(named, pairs[k].key);
        if (strncmp(pairs[k].key, "tleg.", 5) == 0 && text && strcmp(text, pairs[k].value) != 0)
            return tleg_fail(context, TLEG_ERROR_FORMAT, "%s: %s: expected \"%s\" as the graph says, found \"%s\" beside it",
                             tleg_file_label(read), pairs[k].key, pairs[k].value, text);
    }
    return TLEG_OK;
}

/* A graph says what its weights are; what stands beside it may say more of pictures and labels. */
static tleg_status by_graph(tleg_context *context, const tleg_file *file, tleg_file **named) {
    tleg_file *read, *made = NULL;
    tleg_status status = tleg_graph_read(context, file, &read);
    if (status != TLEG_OK || !has_config(file)) {
        *named = read;
        return status;
    }
    const struct tleg_naming naming = {.context = context, .file = read};
    status = tleg_names_apply(&naming, &made);
    if (status == TLEG_OK)
        status = check_graph(context, read, made);
    tleg_file_free(read);
    if (status == TLEG_OK)
        *named = made;
    else
        tleg_file_free(made);
    return status;
}

/* Whether the rules say all there is to say: by them a file became one of the library's names. */
static bool says_all(const tleg_file *file, const tleg_file *made) {
    return tleg_names_are_ours(made) && !tleg_names_are_ours(file);
}

bool tleg_names_has_keys(const tleg_file *file) {
    const char *key;
    bool found = false;
    for (int64_t k = 0; (key = tleg_file_get_metadata_key(file, k)) != NULL; k++)
        found = found || (strncmp(key, "tleg.", 5) == 0 && strcmp(key, "tleg.scores") != 0); /* which any file may get */
    return found && (!tleg_file_get_metadata(file, TLEG_RULES_OF_A_PART) || tleg_file_get_metadata(file, "tleg.eps"));
}

/* A file whose names have wrappers in the middle, as what they wrap. */
static tleg_status unwrap(tleg_context *context, tleg_file **file) {
    tleg_file *unwrapped;
    const tleg_status status = tleg_names_unwrap(context, *file, &unwrapped);
    if (unwrapped) {
        tleg_file_free(*file);
        *file = unwrapped;
    }
    return status;
}

/* The host's rules, and where they name a part alone, such as another head, those of the family that the rest is of. */
static tleg_status by_rules(tleg_context *context, const tleg_file *file, const char *rules, tleg_file **named) {
    const struct tleg_naming own = {.context = context, .file = file, .rules = {rules}, .first = true};
    struct tleg_naming rest = {.context = context, .after = rules};
    tleg_file *made = NULL;
    tleg_status status = tleg_names_apply(&own, &made);
    if (status == TLEG_OK)
        status = unwrap(context, &made);
    if (status == TLEG_OK && !says_all(file, made))
        status = tleg_names_recognise(context, made, &rest.family, &rest.prefix);
    if (status == TLEG_OK && !rest.family && !tleg_names_are_ours(made)) /* a rule took what the family is known by */
        status = tleg_names_recognise(context, file, &rest.family, &rest.prefix);
    const bool keyless = status == TLEG_OK && !rest.family && !tleg_names_has_keys(tleg_names_are_ours(file) ? file : made);
    if (status == TLEG_OK && !rest.family && !keyless && !has_config(made)) {
        *named = made;
        return TLEG_OK;
    }
    rest.file = made;
    if (rest.family) {
        note_family(context, made, rest.family);
        take_rules(&rest);
    } else if (keyless) {
        rest.rules[0] = of_a_part;
    }
    if (status == TLEG_OK)
        status = tleg_names_apply(&rest, named);
    tleg_file_free(made);
    return status;
}

/* Of a file whose names have wrappers in the middle, what they wrap. */
static tleg_status by_unwrapped(tleg_context *context, const tleg_file *file, tleg_file **named) {
    tleg_file *unwrapped;
    tleg_status status = tleg_names_unwrap(context, file, &unwrapped);
    if (status == TLEG_OK)
        status = by_family(context, unwrapped ? unwrapped : file, file, named);
    tleg_file_free(unwrapped);
    return status;
}

tleg_status tleg_names_read(tleg_context *context, const tleg_file *file, const char *rules, tleg_file **named) {
    *named = NULL;
    const tleg_file *holder;
    if (TLEG_TRAIN && !rules && tleg_file_graph(file, &holder))
        return by_graph(context, file, named);
    if (!rules)
        return by_unwrapped(context, file, named);
    return by_rules(context, file, rules, named);
}
