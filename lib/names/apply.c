/* Rules applied to a file: a derived one, whose tensors have the new names. */
#include "names/making.h"

#include <stdio.h>
#include <string.h>

/* Keys and values, which take less than the rules that they are of. */
struct arena {
    char *texts;
    size_t bytes, length;
};

struct work {
    struct tleg_making making;
    struct arena arenas[2]; /* of the rules, and of the config's */
    struct tleg_fold fold;
};

/* ---- all rules ---- */

static const char *keep(struct arena *arena, struct tleg_rule_text text) {
    char *copy = memcpy(arena->texts + arena->length, text.text, text.length);
    copy[text.length] = '\0';
    arena->length += text.length + 1;
    return copy;
}

/* Among the first `count` pairs. */
static struct tleg_pair *find_key(const struct tleg_making *making, size_t count, const char *key) {
    struct tleg_pair *pairs = making->pairs.items;
    for (size_t k = 0; k < count; k++)
        if (strcmp(pairs[k].key, key) == 0)
            return &pairs[k];
    return NULL;
}

/* A key that is there already keeps its value, unless `replace`; one of the host's rules, applied before, always. */
static tleg_status apply_key(struct work *work, const struct tleg_rule *rule, struct arena *arena, bool replace) {
    const struct tleg_pair found = {keep(arena, rule->target), keep(arena, rule->value)};
    struct tleg_pair *same = find_key(&work->making, work->making.pairs.count, found.key);
    if (work->making.naming->after && tleg_file_get_metadata(work->making.naming->file, found.key))
        return TLEG_OK;
    if (!same)
        return tleg_making_say(&work->making, found);
    *same = replace ? found : *same;
    return TLEG_OK;
}

/* Makes a tensor of each that the pattern names; how many those are. */
static tleg_status make_all(struct tleg_making *making, const struct tleg_rule *rule, struct tleg_rule_text pattern,
                            struct tleg_rule_text prefix, size_t *found) {
    tleg_status status = TLEG_OK;
    for (size_t k = 0; k < making->entry_count && status == TLEG_OK; k++) {
        struct tleg_capture capture;
        const char *name = tleg_prefix_strip(making->entries[k].name, prefix);
        if (!name || making->used[k] == TLEG_LEFT_OUT || !tleg_pattern_match(pattern, name, &capture))
            continue;
        if (tleg_rule_is_whole(rule) && making->entries[k].bytes == 0) { /* such as a class token that a model goes without */
            making->used[k] = 1;
            continue;
        }
        status = tleg_making_add(making, rule, &capture);
        ++*found;
    }
    return status;
}

static void leave_out(const struct tleg_making *making, struct tleg_rule_text pattern, struct tleg_rule_text prefix,
                      size_t *found) {
    for (size_t k = 0; k < making->entry_count; k++) {
        const char *name = tleg_prefix_strip(making->entries[k].name, prefix);
        if (!name || !tleg_pattern_covers(pattern, name))
            continue;
        making->used[k] = TLEG_LEFT_OUT;
        ++*found;
    }
}

static tleg_status apply_rule(struct work *work, const struct tleg_rule *rule) {
    const struct tleg_naming *naming = work->making.naming;
    tleg_status status = TLEG_OK;
    if (rule->piece_count == 0)
        return apply_key(work, rule, &work->arenas[0], true);
    struct tleg_rule_text pattern = rule->pieces[0].name;
    const struct tleg_rule_text prefix = tleg_making_prefix(&work->making, &pattern);
    size_t found = 0;
    if (rule->nothing)
        leave_out(&work->making, pattern, prefix, &found);
    else
        status = make_all(&work->making, rule, pattern, prefix, &found);
    if (status == TLEG_OK && found == 0 && !naming->family)
        return tleg_fail(naming->context, TLEG_ERROR_FORMAT, "%s: names: line %lld: no tensor '%.*s'",
                         tleg_file_label(naming->file), (long long)rule->line, (int)pattern.length, pattern.text);
    return status;
}

/* The rules that leave tensors out, or the others. */
static tleg_status apply_some(struct work *work, bool nothing) {
    const struct tleg_naming *naming = work->making.naming;
    struct tleg_rule_cursor at = {0};
    struct tleg_rule rule;
    tleg_status status = tleg_rules_next(naming->context, naming->rules, &at, &rule);
    while (status == TLEG_OK && rule.line > 0) {
        if (rule.nothing == nothing)
            status = apply_rule(work, &rule);
        if (status == TLEG_OK)
            status = tleg_rules_next(naming->context, naming->rules, &at, &rule);
    }
    return status;
}

/* What is left out is out, in whatever order the rules stand. */
static tleg_status apply_rules(struct work *work) {
    const tleg_status status = apply_some(work, true);
    return status == TLEG_OK ? apply_some(work, false) : status;
}

/* ---- what is computed ---- */

static tleg_status fold(struct work *work) {
    const struct tleg_naming *naming = work->making.naming;
    struct tleg_fold *f = &work->fold;
    if (!naming->family || !naming->family->folds)
        return TLEG_OK;
    tleg_status status = tleg_names_fold(naming->context, naming->file, naming->prefix, f);
    if (status != TLEG_OK)
        return status;
    for (size_t k = 0; k < sizeof f->entries / sizeof *f->entries; k++)
        work->making.used[f->entries[k] - work->making.entries] = 1;
    status = tleg_making_compute(&work->making, "patch_embed.proj.weight", f->matrix, 4,
                                 (const int64_t[]){f->dim, f->channels, f->side, f->side});
    return status == TLEG_OK
               ? tleg_making_compute(&work->making, "patch_embed.proj.bias", f->bias, 1, (const int64_t[4]){f->dim})
               : status;
}

/* The entries that are left over keep their names, or lose the prefix. */
static tleg_status add_rest(struct tleg_making *making) {
    const struct tleg_naming *naming = making->naming;
    tleg_status status = TLEG_OK;
    for (size_t k = 0; k < making->entry_count && status == TLEG_OK; k++) {
        const struct tleg_entry *entry = &making->entries[k];
        const char *rest = naming->family && naming->family->rest ? tleg_prefix_strip(entry->name, naming->prefix) : NULL;
        if (!making->used[k])
            status = tleg_making_keep(making, entry, rest ? rest : entry->name);
    }
    return status;
}

/* The file's own metadata, but what the rules say otherwise, and the texts that were read. */
static tleg_status add_pairs(struct tleg_making *making) {
    const struct tleg_pair *pairs;
    const int64_t count = tleg_file_pairs(making->naming->file, &pairs);
    const size_t said = making->pairs.count; /* the file has each key once: its own are not looked through */
    tleg_status status = TLEG_OK;
    for (int64_t k = 0; k < count && status == TLEG_OK; k++)
        if (!find_key(making, said, pairs[k].key) && (making->naming->first || !tleg_names_is_config(pairs[k].key)))
            status = tleg_making_say(making, pairs[k]);
    return status;
}

/* ---- what stands beside the weights ---- */

static const char patches[] = "patch_embed.proj.weight";

/* What stands before the library's names, which is taken off later: before those of patches, if they are there once. */
static struct tleg_rule_text find_prefix(const struct tleg_making *making) {
    const struct tleg_tensor_made *made = making->made.items;
    struct tleg_rule_text prefix = {0};
    size_t found = 0;
    for (size_t k = 0; k < making->made.count; k++) {
        const char *name = tleg_made_name(&made[k]);
        if (!tleg_names_ends(name, patches))
            continue;
        prefix = (struct tleg_rule_text){name, strlen(name) - strlen(patches)};
        found++;
    }
    return found == 1 && prefix.length > 0 && prefix.text[prefix.length - 1] == '.' ? prefix : (struct tleg_rule_text){0};
}

/* A size of the tensor of that name, which begins with the prefix, and rank; 0: there is none. */
static int64_t side_of(const struct tleg_making *making, const char *wanted, int32_t rank, int32_t axis) {
    const struct tleg_tensor_made *made = making->made.items;
    for (size_t k = 0; k < making->made.count; k++) {
        const char *name = tleg_prefix_strip(tleg_made_name(&made[k]), making->prefix);
        if (made[k].rank == rank && name && strcmp(name, wanted) == 0)
            return made[k].shape[axis];
    }
    return 0;
}

/* One more than the last N of "blocks.N.". */
static int64_t count_layers(const struct tleg_making *making) {
    const struct tleg_tensor_made *made = making->made.items;
    int64_t depth = 0;
    for (size_t k = 0; k < making->made.count; k++) {
        const char *name = tleg_prefix_strip(tleg_made_name(&made[k]), making->prefix);
        int64_t layer = 0;
        if (!name || strncmp(name, "blocks.", 7) != 0)
            continue;
        for (name += 7; *name >= '0' && *name <= '9' && layer < 100000; name++)
            layer = layer * 10 + (*name - '0');
        if (*name == '.' && layer >= depth)
            depth = layer + 1;
    }
    return depth;
}

static struct tleg_names_facts facts_of(struct tleg_making *making) {
    making->prefix = find_prefix(making);
    struct tleg_names_facts facts = {.dim = side_of(making, patches, 4, 0),
                                     .depth = count_layers(making),
                                     .attention = side_of(making, "blocks.0.attn.proj.weight", 2, 1),
                                     .hidden = side_of(making, "blocks.0.mlp.fc2.weight", 2, 1),
                                     .patch = side_of(making, patches, 4, 2),
                                     .patch_width = side_of(making, patches, 4, 3),
                                     .rows = side_of(making, "pos_embed", 3, 1),
                                     .registers = side_of(making, "reg_token", 3, 1),
                                     .channels = side_of(making, patches, 4, 1),
                                     .classes = side_of(making, "head.weight", 2, 0),
                                     .family = making->naming->family ? making->naming->family->name : NULL};
    int64_t side;
    facts.prefix = side_of(making, "cls_token", 3, 1) + side_of(making, "dist_token", 3, 1) + facts.registers;
    facts.placeless = facts.rows == 0;
    facts.gated = side_of(making, "blocks.0.mlp.fc1.weight", 2, 0) != facts.hidden;
    if (facts.patch == facts.patch_width && facts.rows > facts.prefix && tleg_size_is_square(facts.rows - facts.prefix, &side))
        facts.image = side * facts.patch;
    return facts;
}

/* The keys that config.json and its like give, which know more than a family's rules, and less than a host's. */
static tleg_status apply_config(struct work *work) {
    const struct tleg_naming *naming = work->making.naming;
    const struct tleg_names_facts facts = facts_of(&work->making);
    struct arena *arena = &work->arenas[1];
    char *rules;
    size_t bytes;
    tleg_status status = tleg_names_config(naming->context, naming->file, &facts, &rules, &bytes);
    arena->texts = bytes > 0 ? tleg_alloc(&naming->context->allocator, bytes) : NULL;
    arena->bytes = arena->texts ? bytes : 0;
    if (status == TLEG_OK && !arena->texts)
        status = tleg_making_fail_memory(&work->making, bytes);
    const char *text = rules;
    int64_t line = 0;
    struct tleg_rule rule = {.line = 1};
    while (status == TLEG_OK && rule.line > 0) {
        status = tleg_rule_next(naming->context, &text, &line, &rule);
        if (status == TLEG_OK && rule.line > 0)
            status = apply_key(work, &rule, arena, naming->family != NULL);
    }
    tleg_release(&naming->context->allocator, rules, bytes);
    return status;
}

/* ---- norms without biases ---- */

/* Whether a tensor is a norm's factors, and the file has no bias beside what it is made of. */
static bool lacks_bias(const struct tleg_making *making, const struct tleg_tensor_made *made) {
    const struct tleg_entry *source = tleg_made_source(making, made);
    const char *name = tleg_made_name(made);
    return made->rank == 1 && source && strstr(name, "norm") && tleg_names_ends(name, ".weight") &&
           tleg_names_ends(source->name, "weight") && !tleg_names_fellow(making->naming->file, source->name, "weight", "bias");
}

static bool says_layer_norms(const struct tleg_making *making) {
    const struct tleg_pair *rms = find_key(making, making->pairs.count, "tleg.rms");
    return rms && strcmp(rms->value, "no") == 0;
}

/* Norms without biases are taken for RMSNorms, unless rules say that they are none: then their biases are zeros. */
static tleg_status add_biases(struct tleg_making *making) {
    const size_t count = says_layer_norms(making) ? making->made.count : 0;
    tleg_status status = TLEG_OK;
    for (size_t k = 0; k < count && status == TLEG_OK; k++) {
        const struct tleg_tensor_made norm = ((const struct tleg_tensor_made *)making->made.items)[k];
        const char *name = tleg_made_name(&norm);
        if (!lacks_bias(making, &norm))
            continue;
        char bias[TLEG_NAMES_TEXT];
        snprintf(bias, sizeof bias, "%.*sbias", (int)(strlen(name) - strlen("weight")), name);
        status = tleg_making_compute(making, bias, NULL, 1, norm.shape);
    }
    return status;
}

/* ---- the last norm ---- */

/* OpenCLIP's has one name before pooling and after it: its place is what is said, by its config.json or by a host. */
static void place_norm(const struct tleg_making *making) {
    const struct tleg_pair *said = find_key(making, making->pairs.count, "tleg.norm");
    const char *place = said ? said->value : tleg_file_get_metadata(making->naming->file, "tleg.norm");
    struct tleg_tensor_made *made = making->made.items;
    for (size_t k = 0; k < making->made.count && making->naming->family && place; k++) {
        const struct tleg_entry *source = tleg_made_source(making, &made[k]);
        if (source && !made[k].kept && strstr(source->name, "ln_post."))
            snprintf(made[k].name, sizeof made[k].name, "%snorm%s", strcmp(place, "after_pool") == 0 ? "fc_" : "",
                     strrchr(source->name, '.'));
    }
}

/* ---- the derived file ---- */

static tleg_status prepare(const struct tleg_naming *naming, struct work *work) {
    struct arena *arena = &work->arenas[0];
    const tleg_status status = tleg_making_begin(naming, &work->making);
    arena->bytes = 1;
    for (size_t k = 0; k < TLEG_RULE_TEXTS && naming->rules[k]; k++)
        arena->bytes += strlen(naming->rules[k]);
    arena->texts = tleg_alloc(&naming->context->allocator, arena->bytes);
    return status != TLEG_OK || arena->texts ? status : tleg_making_fail_memory(&work->making, arena->bytes);
}

static void clean(const struct work *work) {
    const struct tleg_allocator *allocator = &work->making.naming->context->allocator;
    for (int k = 0; k < 2; k++)
        tleg_release(allocator, work->arenas[k].texts, work->arenas[k].bytes);
    tleg_release(allocator, work->fold.matrix, work->fold.bytes);
    tleg_making_end(&work->making);
}

tleg_status tleg_names_apply(const struct tleg_naming *naming, tleg_file **named) {
    struct work work = {0};
    struct tleg_making *making = &work.making;
    const bool rest = naming->family && naming->family->rest;
    tleg_status status = prepare(naming, &work);
    if (status == TLEG_OK)
        status = apply_rules(&work);
    if (status == TLEG_OK)
        status = fold(&work);
    if (status == TLEG_OK && !rest)
        status = tleg_making_check_rest(making);
    if (status == TLEG_OK)
        status = add_rest(making);
    if (status == TLEG_OK)
        status = add_biases(making);
    if (status == TLEG_OK && !naming->first)
        status = apply_config(&work);
    if (status == TLEG_OK)
        status = add_pairs(making);
    if (status == TLEG_OK)
        place_norm(making);
    if (status == TLEG_OK)
        status = tleg_making_file(making, named);
    clean(&work);
    return status;
}
