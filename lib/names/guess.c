/* A first guess of rules for a layout that nobody knows, from shapes and the words in names: a start for a person. */
#include "names/private.h"

#include <stdio.h>
#include <string.h>

struct guess {
    tleg_context *context;
    const tleg_file *file;
    const struct tleg_entry *entries;
    int64_t count, dim;
    char layer[TLEG_NAMES_TEXT]; /* what stands before the number of the first layer */
};

enum { SHOWN = 100 };

static void say(const struct guess *guess, const char *name, const char *last, const char *target) {
    tleg_log(guess->context, "%s: a rule may be: %.*s%s -> %s", tleg_file_label(guess->file), SHOWN, name, last, target);
}

static bool holds(const char *name, const char *const *words) {
    for (; *words; words++)
        if (strstr(name, *words))
            return true;
    return false;
}

static bool ends(const char *name, const char *end) {
    const size_t length = strlen(name), part = strlen(end);
    return length >= part && strcmp(name + (length - part), end) == 0;
}

/* "PREFIX0.REST": the rest, when `name` is of the first layer; else NULL. */
static const char *rest_of(const struct guess *guess, const char *name) {
    const size_t length = strlen(guess->layer);
    return length > 0 && strncmp(name, guess->layer, length) == 0 && strncmp(name + length, "0.", 2) == 0 ? name + length + 2
                                                                                                          : NULL;
}

/* The prefix of layers: that of the first name with a word 0 whose fellow with 1 is there. */
static void find_layers(struct guess *guess) {
    for (int64_t k = 0; k < guess->count && !*guess->layer; k++) {
        const char *name = guess->entries[k].name;
        char other[TLEG_NAMES_TEXT];
        if (strlen(name) >= sizeof other)
            continue;
        for (const char *at = strstr(name, ".0."); at && !*guess->layer; at = strstr(at + 1, ".0.")) {
            strcpy(other, name);
            other[at + 1 - name] = '1';
            if (!tleg_file_find(guess->file, other))
                continue;
            memcpy(guess->layer, name, (size_t)(at + 1 - name));
            guess->layer[at + 1 - name] = '\0';
        }
    }
}

/* The part of a block that a tensor of the first layer is by its shape; NULL when nothing says. */
static const char *part_of(const struct guess *guess, const struct tleg_entry *entry, bool second) {
    static const char *const queries[] = {"q_proj", "query",  ".q.",   "to_q.", "k_proj", "key", ".k.",
                                          "to_k.",  "v_proj", "value", ".v.",   "to_v.",  NULL};
    const int64_t dim = guess->dim, rows = entry->shape[0];
    if (entry->rank == 1 && rows == dim && ends(entry->name, "weight"))
        return second ? "blocks.{}.norm2.*" : "blocks.{}.norm1.*";
    if (entry->rank != 2)
        return NULL;
    if (rows == 3 * dim && entry->shape[1] == dim)
        return ends(entry->name, "in_proj_weight") ? "blocks.{}.attn.qkv.weight (and in_proj_bias -> blocks.{}.attn.qkv.bias)"
                                                   : "blocks.{}.attn.qkv.*";
    if (rows == dim && entry->shape[1] == dim)
        return holds(entry->name, queries) ? "blocks.{}.attn.qkv.* (query, key and value joined with +)"
                                           : "blocks.{}.attn.proj.*";
    return entry->shape[1] == dim ? "blocks.{}.mlp.fc1.*" : rows == dim ? "blocks.{}.mlp.fc2.*" : NULL;
}

static void guess_block(const struct guess *guess) {
    int norms = 0;
    for (int64_t k = 0; k < guess->count; k++) {
        const struct tleg_entry *entry = &guess->entries[k];
        const char *rest = rest_of(guess, entry->name), *part = rest ? part_of(guess, entry, norms > 0) : NULL;
        char name[2 * TLEG_NAMES_TEXT];
        if (!part || strlen(entry->name) >= TLEG_NAMES_TEXT)
            continue;
        norms += entry->rank == 1;
        const bool star = ends(part, ".*") && ends(rest, ".weight");
        const size_t length = strlen(rest) - (star ? strlen("weight") : 0);
        snprintf(name, sizeof name, "%s{}.%.*s", guess->layer, (int)length, rest);
        say(guess, name, star ? "*" : "", part);
    }
}

static void guess_outer(const struct guess *guess) {
    static const char *const tokens[] = {"cls", "class_token", "class_embedding", NULL}, *const places[] = {"pos", NULL};
    static const char *const heads[] = {"head", "classifier", "fc", NULL}, *const norms[] = {"norm", "ln", NULL};
    for (int64_t k = 0; k < guess->count; k++) {
        const struct tleg_entry *entry = &guess->entries[k];
        const int64_t last = entry->rank > 0 ? entry->shape[entry->rank - 1] : 0;
        const char *name = entry->name;
        if (*guess->layer && strncmp(name, guess->layer, strlen(guess->layer)) == 0)
            continue;
        if (entry->rank == 4 && entry->shape[0] == guess->dim && ends(name, "weight"))
            say(guess, name, " (and its bias)", "patch_embed.proj.weight");
        else if (last == guess->dim && holds(name, tokens))
            say(guess, name, "", "cls_token");
        else if (last == guess->dim && entry->rank > 1 && holds(name, places))
            say(guess, name, "", "pos_embed");
        else if (last == guess->dim && entry->rank == 1 && holds(name, norms) && ends(name, "weight"))
            say(guess, name, " (and its bias)", "norm.weight");
        else if (last == guess->dim && entry->rank == 2 && holds(name, heads))
            say(guess, name, " (and its bias)", "head.weight");
    }
}

void tleg_names_guess(tleg_context *context, const tleg_file *file) {
    struct guess guess = {.context = context, .file = file};
    guess.count = tleg_file_entries(file, &guess.entries);
    for (int64_t k = 0; k < guess.count && guess.dim == 0; k++)
        if (guess.entries[k].rank == 4)
            guess.dim = guess.entries[k].shape[0];
    find_layers(&guess);
    if (guess.dim == 0 || !*guess.layer)
        return;
    tleg_log(context,
             "%s: the names are of no layout that is known. Rules for them (names) may begin as follows; shapes do not "
             "say whether the norms stand before attention and MLP, as they must, nor the heads or the activation",
             tleg_file_label(file));
    guess_outer(&guess);
    guess_block(&guess);
}
