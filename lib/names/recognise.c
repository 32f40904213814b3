/* Whose layout a file has, told by the names of its tensors. */
#include "names/private.h"

#include <string.h>

bool tleg_names_has(const tleg_file *file, struct tleg_rule_text prefix, const char *names) {
    static const struct tleg_capture first = {.layer = {"0", 1}};
    char whole[TLEG_NAMES_TEXT];
    for (const char *name = names; *name;) {
        struct tleg_rule_text pattern = {name, strcspn(name, "|")};
        name += pattern.length + (name[pattern.length] == '|');
        const struct tleg_rule_text before = tleg_pattern_prefix(prefix, &pattern);
        if (tleg_pattern_fill(pattern, before, &first, whole) && tleg_file_find(file, whole))
            return true;
    }
    return false;
}

/* PREFIX + name, or NULL. */
static const struct tleg_entry *find(const tleg_file *file, struct tleg_rule_text prefix, const char *name) {
    static const struct tleg_capture none;
    char whole[TLEG_NAMES_TEXT];
    const struct tleg_rule_text pattern = {name, strlen(name)};
    return tleg_pattern_fill(pattern, prefix, &none, whole) ? tleg_file_find(file, whole) : NULL;
}

/* A size of PREFIX + name, or 0. */
static int64_t size_of(const tleg_file *file, struct tleg_rule_text prefix, const char *name, int32_t axis) {
    const struct tleg_entry *entry = find(file, prefix, name);
    return entry && entry->rank > axis ? entry->shape[axis] : 0;
}

static bool is_of(const tleg_file *file, struct tleg_rule_text prefix, const struct tleg_family *family) {
    for (size_t k = 0; k < TLEG_FAMILY_SIGNS; k++)
        if (family->with[k] && !tleg_names_has(file, prefix, family->with[k]))
            return false;
    if (family->lacks && tleg_names_has(file, prefix, family->lacks))
        return false;
    if (family->gated &&
        size_of(file, prefix, "blocks.0.mlp.fc1.weight", 0) != 2 * size_of(file, prefix, "blocks.0.mlp.fc2.weight", 1))
        return false;
    if (family->flat && find(file, prefix, family->sign)->rank != 2)
        return false;
    return family->dim == 0 || size_of(file, prefix, family->sign, 0) == family->dim;
}

/* Whether `name` is `sign` after a prefix that is empty or ends with a dot. */
static bool ends_with(const char *name, const char *sign, struct tleg_rule_text *prefix) {
    const size_t length = strlen(name), part = strlen(sign);
    *prefix = (struct tleg_rule_text){name, length - part};
    return length >= part && strcmp(name + (length - part), sign) == 0 && (length == part || name[length - part - 1] == '.');
}

/* How many prefixes of the file hold the family; those of the first two are kept. */
static int count_prefixes(const tleg_file *file, const struct tleg_family *family, struct tleg_rule_text prefixes[2]) {
    const struct tleg_entry *entries;
    const int64_t count = tleg_file_entries(file, &entries);
    int found = 0;
    for (int64_t k = 0; k < count && found < 2; k++)
        if (ends_with(entries[k].name, family->sign, &prefixes[found]) && is_of(file, prefixes[found], family))
            found++;
    return found;
}

tleg_status tleg_names_recognise(tleg_context *context, const tleg_file *file, const struct tleg_family **out,
                                 struct tleg_rule_text *prefix) {
    const struct tleg_family *family;
    *out = NULL;
    for (size_t k = 0; (family = tleg_family_at(k)) != NULL; k++) {
        struct tleg_rule_text prefixes[2];
        const int found = count_prefixes(file, family, prefixes);
        if (found == 0 || (family->other && tleg_names_are_ours(file)))
            continue;
        if (family->refused)
            return tleg_fail(context, TLEG_ERROR_UNSUPPORTED, "%s: %s: %s", tleg_file_label(file), family->name,
                             family->refused);
        if (found > 1)
            return tleg_fail(context, TLEG_ERROR_FORMAT,
                             "%s: expected one model, found %s both under '%.*s' and under '%.*s': say which is meant",
                             tleg_file_label(file), family->name, (int)prefixes[0].length, prefixes[0].text,
                             (int)prefixes[1].length, prefixes[1].text);
        *prefix = prefixes[0];
        *out = family;
        return TLEG_OK;
    }
    return TLEG_OK;
}
