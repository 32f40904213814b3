/* What no rule names: refused where the answer would be another one without it. */
#include "names/making.h"

#include <string.h>

/* Whether `name` lies in a block, as the rule's first tensor does. */
static bool is_in_block(const struct tleg_making *making, const struct tleg_rule *rule, const char *name) {
    struct tleg_rule_text pattern = rule->pieces[0].name;
    const char *rest = tleg_prefix_strip(name, tleg_making_prefix(making, &pattern));
    size_t before = 0;
    while (before < pattern.length && pattern.text[before] != '{')
        before++;
    if (!rest || before == pattern.length || strncmp(rest, pattern.text, before) != 0)
        return false;
    rest += before;
    const size_t digits = strspn(rest, "0123456789");
    return digits > 0 && rest[digits] == '.';
}

/* Whether the library's readers would take the name for a part of theirs. */
static bool is_ours(const char *name) {
    return tleg_list_has(
        "blocks head head_dist norm fc_norm norm_pre cls_token dist_token reg_token pos_embed patch_embed attn_pool "
        "pre_logits",
        name, strcspn(name, "."));
}

static tleg_status fail_stranger(const struct tleg_making *making, const struct tleg_entry *entry) {
    const struct tleg_naming *naming = making->naming;
    if (naming->family)
        return tleg_fail(naming->context, TLEG_ERROR_UNSUPPORTED,
                         "%s: tensor \"%s\" among the blocks is not a part of %s that this library computes",
                         tleg_file_label(naming->file), entry->name, naming->family->name);
    return tleg_fail(naming->context, TLEG_ERROR_FORMAT,
                     "%s: names: tensor \"%s\" among the blocks is in no rule: without it the result would be another one",
                     tleg_file_label(naming->file), entry->name);
}

/* What stands among the blocks and is in no rule would change the result, but for integers and what is the library's already.
 */
static tleg_status check_blocks(const struct tleg_making *making) {
    const struct tleg_naming *naming = making->naming;
    struct tleg_rule_cursor at = {0};
    struct tleg_rule rule;
    tleg_status status = tleg_rules_next(naming->context, naming->rules, &at, &rule);
    for (; status == TLEG_OK && rule.line > 0; status = tleg_rules_next(naming->context, naming->rules, &at, &rule))
        for (size_t k = 0; k < making->entry_count && rule.piece_count > 0 && !rule.nothing; k++) {
            const struct tleg_entry *entry = &making->entries[k];
            const bool may_stay = !naming->family && (is_ours(entry->name) || !tleg_dtype_is_real(entry->dtype));
            if (!making->used[k] && !may_stay && is_in_block(making, &rule, entry->name))
                return fail_stranger(making, entry);
        }
    return status;
}

/* Whether a rule of the host's gave a tensor its name. */
static bool is_given(const struct tleg_naming *naming, const char *name) {
    const char *text = naming->after ? naming->after : "";
    int64_t line = 0;
    struct tleg_rule rule;
    struct tleg_capture capture;
    while (tleg_rule_next(naming->context, &text, &line, &rule) == TLEG_OK && rule.line > 0)
        if (rule.piece_count > 0 && tleg_pattern_match(rule.target, name, &capture))
            return true;
    return false;
}

/* A family's files have none of the library's names that no rule names. */
static tleg_status check_ours(const struct tleg_making *making) {
    const struct tleg_naming *naming = making->naming;
    for (size_t k = 0; k < making->entry_count; k++) {
        const char *name = making->entries[k].name;
        const int word = (int)strcspn(name, ".");
        const char *parts = name[word] ? ".*" : "";
        if (!making->used[k] && is_ours(name) && !is_given(naming, name))
            return tleg_fail(
                naming->context, TLEG_ERROR_FORMAT,
                "%s: tensor \"%s\" is not a part of %s: say by rules for names that it is this model's, \"%.*s%s -> "
                "%.*s%s\", or \"%.*s -> nothing\" if the answers do not depend on it",
                tleg_file_label(naming->file), name, naming->family->name, word, name, parts, word, name, parts, word, name);
    }
    return TLEG_OK;
}

tleg_status tleg_making_check_rest(const struct tleg_making *making) {
    const tleg_status status = check_blocks(making);
    return status == TLEG_OK && making->naming->family ? check_ours(making) : status;
}
