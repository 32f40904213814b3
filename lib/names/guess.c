/* A first guess of rules for a layout that nobody knows, from shapes and the words in names. Each line is logged after "rule:
 * ", and together they are a rules text; what neither shapes nor names say stands in it as a question mark, which is refused
 * until somebody answers it. */
#include "names/guess.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tleg_guess_say(const struct tleg_guess *guess, const char *format, ...) {
    char line[4 * TLEG_GUESS_TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    tleg_log(guess->context, "%s: rule: %s", tleg_file_label(guess->file), line);
}

/* ---- names ---- */

static char small(char letter) {
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static bool is_letter(char letter) {
    return small(letter) >= 'a' && small(letter) <= 'z';
}

/* Whether a word is new at `at`: no letter stands before it, or it has a capital after a small one. */
static bool is_new(const char *name, const char *at) {
    return at == name || !is_letter(at[-1]) || (small(*at) != *at && small(at[-1]) == at[-1]);
}

/* Whether the word up to `end` stands at `at`; see guess.h for its marks. */
static bool stands(const char *name, const char *at, const char *word, const char *end) {
    const bool alone = *word == '=', begins = alone || *word == '<';
    if (begins && !is_new(name, at))
        return false;
    for (word += begins; word < end && small(*at) == *word; word++)
        at++;
    return word == end && (!alone || !is_letter(*at));
}

bool tleg_guess_holds(const char *name, const char *words) {
    for (const char *end; *words; words = end + strspn(end, " ")) {
        end = words + strcspn(words, " ");
        for (const char *at = name; *at; at++)
            if (stands(name, at, words, end))
                return true;
    }
    return false;
}

bool tleg_guess_is_of_queries(const char *name) {
    return tleg_guess_holds(name, "q_norm k_norm norm_q norm_k qnorm knorm q_ln k_ln");
}

const struct tleg_entry *tleg_guess_bias_of(const struct tleg_guess *guess, const struct tleg_entry *entry) {
    return tleg_names_fellow(guess->file, entry->name, "weight", "bias");
}

bool tleg_guess_is_bias(const struct tleg_guess *guess, const struct tleg_entry *entry) {
    return tleg_names_fellow(guess->file, entry->name, "bias", "weight") != NULL;
}

/* ---- layers ---- */

static bool is_in_layers(const struct tleg_guess *guess, const char *name) {
    const size_t length = strlen(guess->layer);
    return strncmp(name, guess->layer, length) == 0 && name[length] >= '0' && name[length] <= '9';
}

const char *tleg_guess_rest(const struct tleg_guess *guess, const char *name) {
    const size_t length = strlen(guess->layer);
    return strncmp(name, guess->layer, length) == 0 && strncmp(name + length, "0.", 2) == 0 ? name + length + 2 : NULL;
}

/* Whether a rule may hold the name; longer ones are not looked at. */
static bool is_short(const char *name) {
    return strlen(name) < TLEG_NAMES_TEXT;
}

/* Whether the 0 at `at` of a short name counts something: the same name with a 1 is there. */
static bool counts(const struct tleg_guess *guess, const char *name, const char *at) {
    char other[TLEG_NAMES_TEXT];
    if (at[0] != '0' || at[1] != '.' || (at > name && at[-1] >= '0' && at[-1] <= '9'))
        return false;
    strcpy(other, name);
    other[at - name] = '1';
    return tleg_file_find(guess->file, other) != NULL;
}

static int64_t count_layer(const struct tleg_guess *guess, const char *prefix, size_t length) {
    int64_t found = 0;
    for (int64_t k = 0; k < guess->count; k++)
        found += strncmp(guess->entries[k].name, prefix, length) == 0 && is_short(guess->entries[k].name) &&
                 counts(guess, guess->entries[k].name, guess->entries[k].name + length);
    return found;
}

/* The prefix of layers: the one by which most tensors are counted. */
static bool find_layers(struct tleg_guess *guess) {
    enum { TRIED = 64 }; /* prefixes, so that no file takes long */
    int64_t most = 0;
    const char *last = "";
    size_t last_length = 0;
    for (int64_t k = 0, tried = 0; k < guess->count && tried < TRIED; k++) {
        const char *name = guess->entries[k].name;
        for (const char *at = is_short(name) ? strchr(name, '0') : NULL; at && tried < TRIED; at = strchr(at + 1, '0')) {
            const size_t length = (size_t)(at - name);
            if (!counts(guess, name, at) || (tried > 0 && length == last_length && strncmp(name, last, length) == 0))
                continue;
            tried++;
            last = name;
            last_length = length;
            const int64_t found = count_layer(guess, name, length);
            if (found <= most)
                continue;
            most = found;
            guess->first = k;
            memcpy(guess->layer, name, length);
            guess->layer[length] = '\0';
        }
    }
    return most > 0;
}

/* A norm of the first layer is as wide as the model. */
static bool find_dim(struct tleg_guess *guess) {
    for (int64_t k = 0; k < guess->count && guess->dim == 0; k++) {
        const struct tleg_entry *entry = &guess->entries[k];
        if (entry->rank == 1 && tleg_guess_rest(guess, entry->name) && tleg_names_ends(entry->name, ".weight") &&
            !tleg_guess_is_of_queries(entry->name))
            guess->dim = entry->shape[0];
    }
    return guess->dim > 0;
}

/* ---- what stands outside the blocks ---- */

enum outer { CLS, DIST, REG, POS, PATCH, NORM_PRE, NORM, HEAD, OUTERS };

struct outside {
    const struct tleg_guess *guess;
    const struct tleg_entry *part[OUTERS];
    bool convolution;                /* patches are embedded by one */
    const struct tleg_entry *second; /* where the head is two layers: the other one, which reads what the first gives */
    int heads;                       /* matrices that may be one */
    int norms;                       /* that may be the last */
};

/* Whether all its axes but the last are 1. */
static bool is_row(const struct tleg_entry *entry) {
    int32_t k = 0;
    while (k + 1 < entry->rank && entry->shape[k] == 1)
        k++;
    return k + 1 == entry->rank;
}

/* Whether a matrix may embed patches: it is named so, or stands before the layers and is not named as a head. */
static bool embeds(const struct tleg_guess *guess, const struct tleg_entry *entry) {
    int32_t channels;
    int64_t side;
    return entry->shape[0] == guess->dim && tleg_names_patch(entry->shape[1], &channels, &side) &&
           (tleg_guess_holds(entry->name, "patch embed input pixel mapper") ||
            (entry - guess->entries < guess->first && !tleg_guess_holds(entry->name, "head class fc")));
}

static enum outer matrix_of(const struct outside *outside, const struct tleg_entry *entry) {
    return !outside->convolution && !outside->part[PATCH] && embeds(outside->guess, entry) ? PATCH : HEAD;
}

/* What PyTorch's tutorial calls its positions. */
static bool is_pe(const char *name) {
    return strcmp(name, "pe") == 0 || tleg_names_ends(name, ".pe");
}

static enum outer outer_of(const struct outside *outside, const struct tleg_entry *entry) {
    const int64_t dim = outside->guess->dim, last = entry->rank > 0 ? entry->shape[entry->rank - 1] : 0;
    const char *name = entry->name;
    const bool weight = tleg_names_ends(name, "weight");
    if (entry->rank == 4)
        return entry->shape[0] == dim ? PATCH : OUTERS;
    if (last == dim && entry->rank > 1 && (tleg_guess_holds(name, "pos") || is_pe(name)))
        return POS;
    if (last == dim && is_row(entry) && !weight)
        return tleg_guess_holds(name, "dist") ? DIST : tleg_guess_holds(name, "cls class") ? CLS : OUTERS;
    if (last == dim && entry->rank > 1 && !weight && tleg_guess_holds(name, "reg storage"))
        return REG;
    if (last == dim && entry->rank == 1)
        return tleg_guess_holds(name, "norm_pre ln_pre pre_norm emb patch") ? NORM_PRE : NORM;
    return entry->rank == 2 ? matrix_of(outside, entry) : OUTERS;
}

/* Whether it is a part of one more layer that is not counted: models keep the one that their layers were copied from. A name of
 * one word after it, "norm.weight", may be the last norm's. */
static bool is_of_copy(const struct tleg_guess *guess, const struct tleg_entry *entry) {
    enum { TRIED = 4 }; /* dots, so that no file takes long */
    const size_t layer = strlen(guess->layer);
    char other[TLEG_NAMES_TEXT];
    const char *at = strchr(entry->name, '.');
    for (int k = 0; at && k < TRIED && strchr(at + 1, '.'); at = strchr(at + 1, '.'), k++) {
        if (layer + 1 + strlen(at) >= sizeof other)
            continue;
        memcpy(other, guess->layer, layer);
        other[layer] = '0';
        strcpy(other + layer + 1, at);
        const struct tleg_entry *known = tleg_file_find(guess->file, other);
        if (known && known->rank == entry->rank && memcmp(known->shape, entry->shape, sizeof known->shape) == 0)
            return true;
    }
    return false;
}

static bool is_outside(const struct tleg_guess *guess, const struct tleg_entry *entry) {
    return !is_in_layers(guess, entry->name) && !tleg_guess_is_bias(guess, entry) && tleg_dtype_is_real(entry->dtype) &&
           !is_of_copy(guess, entry);
}

/* Whether two matrices are the layers of one head, the first of which reads a token. */
static bool follows(const struct tleg_entry *first, const struct tleg_entry *second, int64_t dim) {
    return first->shape[1] == dim && second->shape[1] == first->shape[0];
}

static void find_outside(struct outside *outside) {
    const struct tleg_guess *guess = outside->guess;
    for (int64_t k = 0; k < guess->count; k++)
        outside->convolution =
            outside->convolution || (guess->entries[k].rank == 4 && guess->entries[k].shape[0] == guess->dim);
    for (int64_t k = 0; k < guess->count; k++) {
        const struct tleg_entry *entry = &guess->entries[k];
        const enum outer part = is_outside(guess, entry) ? outer_of(outside, entry) : OUTERS;
        outside->heads += part == HEAD;
        outside->norms += part == NORM;
        if (part == HEAD && outside->heads == 2 && follows(outside->part[HEAD], entry, guess->dim))
            outside->second = entry;
        if (part != OUTERS && !outside->part[part])
            outside->part[part] = entry;
    }
}

/* A line for a weight and one for its bias, where the library calls them otherwise. */
static void say_pair(const struct tleg_guess *guess, const struct tleg_entry *entry, const char *mark, const char *target) {
    const struct tleg_entry *bias = tleg_guess_bias_of(guess, entry);
    char weight[TLEG_NAMES_TEXT];
    snprintf(weight, sizeof weight, "%s.weight", target);
    if (*mark || strcmp(entry->name, weight) != 0)
        tleg_guess_say(guess, "%s%s -> %s", entry->name, mark, weight);
    if (bias && strcmp(entry->name, weight) != 0)
        tleg_guess_say(guess, "%s -> %s.bias", bias->name, target);
}

/* Some parts may have no bias, which is said. */
static void say_bias(const struct tleg_guess *guess, const struct tleg_entry *entry, const char *part) {
    if (!tleg_guess_bias_of(guess, entry))
        tleg_guess_say(guess, "tleg.%s_bias = no", part);
}

static void say_patches(const struct tleg_guess *guess, const struct tleg_entry *entry) {
    const bool asks = entry->rank == 2 && entry->shape[1] % 3 == 0;
    if (asks)
        tleg_guess_say(guess, "# ^P in place of ^? if a patch's numbers have their channels last (p1 p2 c), nothing if first");
    say_pair(guess, entry, asks ? "^?" : "", "patch_embed.proj");
    say_bias(guess, entry, "patch");
}

/* A line for a weight and one for its bias that ask what they are. */
static void ask_pair(const struct tleg_guess *guess, const struct tleg_entry *entry) {
    const struct tleg_entry *bias = tleg_guess_bias_of(guess, entry);
    tleg_guess_say(guess, "%s -> ?", entry->name);
    if (bias)
        tleg_guess_say(guess, "%s -> ?", bias->name);
}

/* Alone in a head with a matrix ("mlp_head.0", "mlp_head.1") a norm stands after what the head reads was pooled. */
static bool is_after_mean(const struct outside *outside) {
    const struct tleg_entry *norm = outside->part[NORM], *head = outside->part[HEAD];
    const char *end = head && !outside->part[CLS] ? strrchr(head->name, '.') : NULL;
    while (end && end > head->name && end[-1] != '.')
        end--;
    return end && end > head->name && *end >= '0' && *end <= '9' &&
           strncmp(norm->name, head->name, (size_t)(end - head->name)) == 0;
}

/* A table has a row for each token, or for each patch alone; or more of them, of which a model takes the first. */
static void say_places(const struct outside *outside) {
    const struct tleg_entry *places = outside->part[POS];
    int64_t rows = 1, side;
    for (int32_t k = 0; k + 1 < places->rank; k++)
        rows *= places->shape[k];
    const int64_t prefix = (outside->part[CLS] ? 1 : 0) + (outside->part[DIST] ? 1 : 0);
    if (tleg_size_is_square(rows - prefix, &side) || tleg_size_is_square(rows, &side)) {
        if (strcmp(places->name, "pos_embed") != 0)
            tleg_guess_say(outside->guess, "%s -> pos_embed", places->name);
        return;
    }
    tleg_guess_say(outside->guess, "# how many rows a picture needs, one for each token; all of them: without [:?]");
    tleg_guess_say(outside->guess, "%s[:?] -> pos_embed", places->name);
}

static bool is_two_layers(const struct outside *outside) {
    return outside->heads == 2 && outside->second;
}

static void say_two_layers(const struct outside *outside) {
    tleg_guess_say(outside->guess, "# pre_logits.weight, and .bias, if tanh alone stands between the two layers of the head;");
    tleg_guess_say(outside->guess, "# no other function is computed there");
    ask_pair(outside->guess, outside->part[HEAD]);
    say_pair(outside->guess, outside->second, "", "head");
}

/* Of several nothing tells which stands where, nor of one that is called the first. */
static void say_norms(const struct outside *outside) {
    const struct tleg_guess *guess = outside->guess;
    tleg_guess_say(guess,
                   "# norm.* for the one after the last block (fc_norm.* after a mean), norm_pre.* for one before the first");
    tleg_guess_say(guess, "# that the positions were added to, patch_embed.norm.* before they were");
    for (int64_t k = 0; k < guess->count; k++) {
        const struct tleg_entry *entry = &guess->entries[k];
        if (is_outside(guess, entry) && outer_of(outside, entry) == NORM)
            ask_pair(guess, entry);
    }
}

/* The mean of what a norm gives is not the norm of a mean; where a token is read there is no mean. */
static void say_last_norm(const struct outside *outside) {
    const bool after = is_after_mean(outside);
    if (!after)
        tleg_guess_say(outside->guess,
                       "# fc_norm.* if it is a norm of the patches' mean, norm.* if the mean is of what it gives");
    if (after || outside->part[CLS])
        say_pair(outside->guess, outside->part[NORM], "", after ? "fc_norm" : "norm");
    else
        ask_pair(outside->guess, outside->part[NORM]);
}

static void say_outside(const struct outside *outside) {
    static const char tokens[][11] = {[CLS] = "cls_token", [DIST] = "dist_token", [REG] = "reg_token"};
    const struct tleg_entry *const *part = outside->part;
    for (size_t k = 0; k < sizeof tokens / sizeof *tokens; k++)
        if (part[k] && strcmp(part[k]->name, tokens[k]) != 0)
            tleg_guess_say(outside->guess, "%s -> %s", part[k]->name, tokens[k]);
    if (part[POS])
        say_places(outside);
    if (part[PATCH])
        say_patches(outside->guess, part[PATCH]);
    if (part[NORM_PRE]) {
        tleg_guess_say(outside->guess, "# norm_pre.weight after the positions were added, patch_embed.norm.weight before");
        ask_pair(outside->guess, part[NORM_PRE]);
    }
    if (outside->norms > 1 || (part[NORM] && tleg_guess_holds(part[NORM]->name, "<pre <input <first norm0 ln0")))
        say_norms(outside);
    else if (part[NORM])
        say_last_norm(outside);
    else
        tleg_guess_say(outside->guess, "tleg.norm = none");
    if (outside->heads == 1)
        say_pair(outside->guess, part[HEAD], "", "head");
    else if (is_two_layers(outside))
        say_two_layers(outside);
    if (outside->heads == 1 || is_two_layers(outside))
        say_bias(outside->guess, outside->second ? outside->second : part[HEAD], "head");
}

static bool is_placed(const struct outside *outside, const struct tleg_entry *entry) {
    size_t k = 0;
    while (k < OUTERS && outside->part[k] != entry)
        k++;
    if (outside->norms > 1 && outer_of(outside, entry) == NORM)
        return true;
    if (k == HEAD || entry == outside->second)
        return outside->heads == 1 || is_two_layers(outside);
    return k < OUTERS;
}

/* What stands outside the blocks and has no place, and what is missing there. */
static void say_rest(const struct outside *outside) {
    const struct tleg_guess *guess = outside->guess;
    int said = 0;
    for (int64_t k = 0; k < guess->count && said < TLEG_GUESS_OTHERS; k++) {
        const struct tleg_entry *entry = &guess->entries[k];
        if (!is_outside(guess, entry) || is_placed(outside, entry))
            continue;
        said++;
        if (outer_of(outside, entry) == HEAD)
            tleg_guess_say(guess, "# %s: one of several matrices; a head of such layers is not computed", entry->name);
        else
            tleg_guess_say(guess, "# %s: no part is like it, and the result may depend on it; -> nothing leaves it out",
                           entry->name);
    }
    if (!outside->part[PATCH])
        tleg_guess_say(guess, "# no patch embedding was found: patch_embed.proj.weight is needed");
    if (!outside->part[POS])
        tleg_guess_say(guess,
                       "# no positions were found: those that a model computes have to be saved as a tensor, for pos_embed");
}

/* Whether a norm has no bias: one within the first layer, before the layers or after them. */
static bool lacks_bias(const struct outside *outside) {
    const struct tleg_guess *guess = outside->guess;
    bool lacks = false;
    for (int64_t k = 0; k < guess->count && !lacks; k++) {
        const struct tleg_entry *entry = &guess->entries[k];
        const bool may_be =
            entry->rank == 1 && tleg_names_ends(entry->name, ".weight") &&
            (tleg_guess_rest(guess, entry->name) || (is_outside(guess, entry) && entry->shape[0] == guess->dim));
        lacks = may_be && !tleg_guess_bias_of(guess, entry);
    }
    return lacks;
}

/* Lines that each end with a newline. */
static void say_lines(const struct tleg_guess *guess, const char *lines) {
    for (; *lines; lines = strchr(lines, '\n') + 1)
        tleg_guess_say(guess, "%.*s", (int)strcspn(lines, "\n"), lines);
}

/* `settings`: where the norms stand and the activation are settings of the layers. A pool without a class token may be any. */
static void say_keys(const struct outside *outside, bool settings) {
    const struct tleg_guess *guess = outside->guess;
    say_lines(guess, "# how many heads the model was made with (num_heads, nhead)\n"
                     "tleg.heads = ?\n");
    say_lines(guess, settings
                         ? "# before if the layers were made with norm_first=True, else sum\n"
                           "tleg.branch_norm = ?\n"
                           "# relu if the layers were not told their activation\n"
                         : "# before: x + attention(norm1(x)); sum: norm1(x + attention(x)); after: x + norm1(attention(x))\n"
                           "tleg.branch_norm = ?\n"
                           "# gelu, relu, silu, gelu_tanh or quick_gelu\n");
    say_lines(guess, "tleg.activation = ?\n"
                     "# what the head reads: cls (the first token), mean (of the patches), mean_all (of all tokens), "
                     "cls_mean, max, mean_max\n");
    tleg_guess_say(guess, "tleg.pool = %s", outside->part[CLS] ? "cls" : "?");
    if (lacks_bias(outside))
        say_lines(guess, "# norms without biases: yes, they are RMSNorms; no, LayerNorms made with bias=False\n"
                         "tleg.rms = ?\n");
    say_lines(guess,
              "# nn.LayerNorm's own; nn.RMSNorm's is 1.1920929e-7\n"
              "tleg.eps = 1e-5\n"
              "# Taken for granted: the class token comes first; qkv's rows are q, k, v; attention is divided by the root "
              "of a head's width;\n"
              "# attention and MLP have a sum each; nothing scales what is embedded; patches do not overlap; pictures are "
              "square\n"
              "# What no line can say an ONNX file may: torch.onnx.export(model.eval(), images, \"model.onnx\")\n");
}

void tleg_names_guess(tleg_context *context, const tleg_file *file) {
    struct tleg_guess guess = {.context = context, .file = file};
    guess.count = tleg_file_entries(file, &guess.entries);
    const bool layers = find_layers(&guess);
    if (!layers || !find_dim(&guess)) {
        tleg_log(context,
                 "%s: the names are of no layout that is known, and %s: rules for names (names) may name each layer's "
                 "tensors; of a model that PyTorch writes as ONNX no name matters",
                 tleg_file_label(file),
                 layers ? "no layer has a norm whose factors are called weight" : "count no layers 0, 1, 2, ...");
        return;
    }
    struct outside outside = {.guess = &guess};
    find_outside(&outside);
    tleg_log(context,
             "%s: the names are of no layout that is known. A first guess of rules for them (names) follows, a line in each "
             "note; every question mark in it is to be replaced",
             tleg_file_label(file));
    say_outside(&outside);
    const bool settings = tleg_guess_block(&guess);
    say_rest(&outside);
    say_keys(&outside, settings);
}
