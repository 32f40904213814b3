/* What the tensors of a block are, guessed from the first layer's shapes and the words in their names. */
#include "names/guess.h"

#include <stdio.h>
#include <string.h>

enum part { NORM1, NORM2, LS1, LS2, QKV, Q, K, V, PROJ, FC1, FC2, PARTS };

struct block {
    const struct tleg_guess *guess;
    const struct tleg_entry *part[PARTS];
};

/* ---- words ---- */

/* The last word before ".weight" that is not a number, in small letters: "q_proj" of "attn.q_proj.0.weight". */
static void last_word(const char *name, char word[64]) {
    const char *end = name + strlen(name) - (tleg_guess_ends(name, ".weight") ? strlen(".weight") : 0), *begin = end;
    for (;;) {
        while (begin > name && begin[-1] != '.')
            begin--;
        if (begin == name || strspn(begin, "0123456789") < (size_t)(end - begin))
            break;
        end = --begin;
    }
    size_t length = 0;
    for (; begin < end && length < 63; begin++)
        word[length++] = *begin >= 'A' && *begin <= 'Z' ? (char)(*begin - 'A' + 'a') : *begin;
    word[length] = '\0';
}

/* Whether one of the words between underscores is `letter`, alone or after a w: "q", "wq", "w_q", "fc_q", "q_linear". */
static bool has_letter(const char *word, char letter) {
    for (const char *at = word; *at; at += strcspn(at, "_"), at += *at == '_') {
        const size_t length = strcspn(at, "_");
        if ((length == 1 && *at == letter) || (length == 2 && (*at == 'w' || at[1] == 's') && (at[*at == 'w'] == letter)))
            return true;
    }
    return false;
}

/* Q, K, V or PARTS. */
static enum part letter_of(const char *name) {
    char word[64];
    last_word(name, word);
    return strstr(word, "quer") || has_letter(word, 'q')  ? Q
           : strstr(word, "key") || has_letter(word, 'k') ? K
           : strstr(word, "val") || has_letter(word, 'v') ? V
                                                          : PARTS;
}

/* Whether a name begins as `of` does without its last two words: "attn.out.weight" as "attn.query.weight". */
static bool same_module(const char *of, const char *name) {
    const char *end = strrchr(of, '.');
    while (end && end > of && end[-1] != '.')
        end--;
    return end && end > of && strncmp(of, name, (size_t)(end - of)) == 0;
}

static bool is_out(const struct block *block, const char *name) {
    static const char *const words[] = {"out", "proj", "unify", NULL};
    const struct tleg_entry *query = block->part[QKV] ? block->part[QKV] : block->part[Q];
    char word[64];
    last_word(name, word);
    return !block->part[PROJ] &&
           (tleg_guess_holds(word, words) || has_letter(word, 'o') || (query && same_module(query->name, name)));
}

/* ---- shapes ---- */

/* Numbers of all heads together. */
static int64_t attention_of(const struct block *block) {
    const struct tleg_entry *qkv = block->part[QKV], *query = block->part[Q];
    return qkv ? qkv->shape[0] / 3 : query ? query->shape[0] : block->guess->dim;
}

static enum part matrix_of(const struct block *block, const struct tleg_entry *entry) {
    static const char *const attention[] = {"qkv", "att", "in_proj", "msa", "mha", NULL};
    const int64_t dim = block->guess->dim, rows = entry->shape[0], columns = entry->shape[1];
    const enum part letter = letter_of(entry->name);
    if (rows >= dim && columns == dim && letter != PARTS)
        return letter;
    if (letter != PARTS && rows < dim) /* of one head */
        return PARTS;
    if (rows > dim && rows % 3 == 0 && columns == dim && !block->part[QKV] &&
        tleg_guess_holds(tleg_guess_rest(block->guess, entry->name), attention))
        return QKV;
    if (rows == dim && columns == attention_of(block) && is_out(block, entry->name))
        return PROJ;
    if (columns == dim && !block->part[FC1])
        return FC1;
    return rows == dim ? FC2 : PARTS;
}

static enum part vector_of(const struct block *block, const struct tleg_entry *entry) {
    static const char *const others[] = {"q_norm", "k_norm", "norm_q", "norm_k", "qnorm", "knorm", NULL};
    if (entry->shape[0] != block->guess->dim || tleg_guess_holds(entry->name, others))
        return PARTS;
    if (tleg_guess_ends(entry->name, ".weight"))
        return block->part[NORM1] ? NORM2 : NORM1;
    return block->part[LS1] ? LS2 : LS1;
}

static enum part part_of(const struct block *block, const struct tleg_entry *entry) {
    return entry->rank == 1 ? vector_of(block, entry) : entry->rank == 2 ? matrix_of(block, entry) : PARTS;
}

/* Modules are listed as they were made, which may not be as they run: names that tell both norms apart have their way. */
static void order_norms(struct block *block) {
    static const char *const first[] = {"1", "att", "before", NULL}, *const second[] = {"2", "ff", "mlp", "after", NULL};
    const struct tleg_guess *guess = block->guess;
    const struct tleg_entry *one = block->part[NORM1], *two = block->part[NORM2];
    if (!two || !tleg_guess_holds(tleg_guess_rest(guess, one->name), second) ||
        !tleg_guess_holds(tleg_guess_rest(guess, two->name), first))
        return;
    block->part[NORM1] = two;
    block->part[NORM2] = one;
}

static bool is_placed(const struct block *block, const struct tleg_entry *entry) {
    size_t k = 0;
    while (k < PARTS && block->part[k] != entry)
        k++;
    return k < PARTS || tleg_guess_is_bias(block->guess, entry);
}

static void find_parts(struct block *block) {
    const struct tleg_guess *guess = block->guess;
    for (int64_t k = 0; k < guess->count; k++) {
        const struct tleg_entry *entry = &guess->entries[k];
        if (!tleg_guess_rest(guess, entry->name) || tleg_guess_is_bias(guess, entry))
            continue;
        const enum part part = part_of(block, entry);
        if (part != PARTS && !block->part[part])
            block->part[part] = entry;
    }
    order_norms(block);
}

/* ---- lines ---- */

/* The name with {} for the layer, and without the `drop` bytes at its end. */
static const char *pattern(const struct block *block, const struct tleg_entry *entry, size_t drop, char out[TLEG_GUESS_TEXT]) {
    const char *rest = tleg_guess_rest(block->guess, entry->name);
    snprintf(out, TLEG_GUESS_TEXT, "%s{}.%.*s", block->guess->layer, (int)(strlen(rest) - drop), rest);
    return out;
}

static void say_part(const struct block *block, const struct tleg_entry *entry, const char *target, const char *last) {
    char name[TLEG_GUESS_TEXT];
    const struct tleg_entry *bias = tleg_guess_bias_of(block->guess, entry);
    if (strcmp(last, "weight") == 0 && tleg_guess_ends(entry->name, ".weight")) {
        pattern(block, entry, strlen("weight"), name);
        if (strncmp(name, "blocks.{}.", 10) != 0 || strlen(name + 10) != strlen(target) + 1 ||
            strncmp(name + 10, target, strlen(target)) != 0) /* not one of the library's names already */
            tleg_guess_say(block->guess, "%s* -> blocks.{}.%s.*", name, target);
        return;
    }
    tleg_guess_say(block->guess, "%s -> blocks.{}.%s.%s", pattern(block, entry, 0, name), target, last);
    if (bias)
        tleg_guess_say(block->guess, "%s -> blocks.{}.%s.bias", pattern(block, bias, 0, name), target);
}

static void say_joined(const struct block *block) {
    const struct tleg_entry *const *part = block->part;
    const struct tleg_entry *q = tleg_guess_bias_of(block->guess, part[Q]), *k = tleg_guess_bias_of(block->guess, part[K]),
                            *v = tleg_guess_bias_of(block->guess, part[V]);
    char names[3][TLEG_GUESS_TEXT];
    tleg_guess_say(block->guess, "%s + %s + %s -> blocks.{}.attn.qkv.weight", pattern(block, part[Q], 0, names[0]),
                   pattern(block, part[K], 0, names[1]), pattern(block, part[V], 0, names[2]));
    if (q && v)
        tleg_guess_say(block->guess, "%s + %s%s + %s -> blocks.{}.attn.qkv.bias", pattern(block, q, 0, names[0]), k ? "" : "0 ",
                       pattern(block, k ? k : q, 0, names[1]), pattern(block, v, 0, names[2]));
}

static void say_parts(const struct block *block) {
    static const char *const targets[PARTS] = {[NORM1] = "norm1",  [NORM2] = "norm2",    [LS1] = "ls1",     [LS2] = "ls2",
                                               [QKV] = "attn.qkv", [PROJ] = "attn.proj", [FC1] = "mlp.fc1", [FC2] = "mlp.fc2"};
    for (size_t k = 0; k < PARTS; k++) {
        if (block->part[k] && targets[k])
            say_part(block, block->part[k], targets[k], k == LS1 || k == LS2 ? "gamma" : "weight");
        if (k == V && block->part[Q] && block->part[K] && block->part[V])
            say_joined(block);
    }
}

/* Whether it is a matrix of one head's queries, keys or values. */
static bool is_of_head(const struct block *block, const struct tleg_entry *entry) {
    return entry->rank == 2 && entry->shape[0] < block->guess->dim && letter_of(entry->name) != PARTS;
}

/* What is in a block and has no place. */
static void say_others(const struct block *block) {
    const struct tleg_guess *guess = block->guess;
    char name[TLEG_GUESS_TEXT];
    bool heads = false;
    int said = 0;
    for (int64_t k = 0; k < guess->count && said < TLEG_GUESS_OTHERS; k++) {
        const struct tleg_entry *entry = &guess->entries[k];
        if (!tleg_guess_rest(guess, entry->name) || is_placed(block, entry) || !tleg_dtype_is_real(entry->dtype))
            continue;
        pattern(block, entry, 0, name);
        said += !is_of_head(block, entry);
        if (!is_of_head(block, entry))
            tleg_guess_say(guess, "# %s: no part of a plain block is like it", name);
        else if (!heads)
            tleg_guess_say(guess, "# %s: of one head; queries, keys and values have to be saved as a matrix of all heads",
                           name);
        heads = heads || is_of_head(block, entry);
    }
    if (!block->part[PROJ])
        tleg_guess_say(guess, "# no matrix after attention was found: blocks.{}.attn.proj.* is needed");
}

bool tleg_guess_block(const struct tleg_guess *guess) {
    struct block block = {.guess = guess};
    find_parts(&block);
    say_parts(&block);
    say_others(&block);
    const struct tleg_entry *qkv = block.part[QKV], *fc1 = block.part[FC1], *fc2 = block.part[FC2], *norm = block.part[NORM1];
    if (norm && !tleg_guess_bias_of(guess, norm)) {
        tleg_guess_say(
            guess,
            "# norms without biases are taken for RMSNorms; LayerNorms made with bias=False are given zeros, each of them:");
        tleg_guess_say(guess, "# 0 NAME.weight -> blocks.{}.norm1.bias");
    }
    if (fc1 && fc2 && fc1->shape[0] == 2 * fc2->shape[1])
        tleg_guess_say(guess,
                       "# mlp.fc1 has its gate first: of one that has it last, NAME[1/2:] + NAME[:1/2], for weight and bias");
    return qkv && fc1 && strcmp(tleg_guess_rest(guess, qkv->name), "self_attn.in_proj_weight") == 0 &&
           strcmp(tleg_guess_rest(guess, fc1->name), "linear1.weight") == 0;
}
