/* What the tensors of a block are, guessed from the first layer's shapes and the words in their names. */
#include "names/guess.h"

#include <stdio.h>
#include <string.h>

/* UP: of a gated MLP the matrix that stands beside the gate's. */
enum part { NORM1, NORM2, LS1, LS2, QKV, Q, K, V, PROJ, FC1, UP, FC2, PARTS };

/* How two parts of one shape are told apart; of more nothing tells which are those. */
enum order { ALONE, BY_NAMES, BY_FILE, UNTOLD };

/* What is looked for: queries, keys and values tell what reads attention, and that what is left to the MLP. */
enum stage { QUERIES, OUT, REST };

struct block {
    const struct tleg_guess *guess;
    enum stage stage;
    bool has_out; /* before the rest was looked for */
    const struct tleg_entry *part[PARTS];
    int alike[PARTS];        /* how many there are like it */
    enum order order[PARTS]; /* BY_NAMES and BY_FILE: of the first of two alike */
};

/* ---- words ---- */

/* The last word before ".weight" that is not a number, in small letters: "q_proj" of "attn.q_proj.0.weight". */
static void last_word(const char *name, char word[64]) {
    const char *end = name + strlen(name) - (tleg_names_ends(name, ".weight") ? strlen(".weight") : 0), *begin = end;
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

/* ---- which of two ---- */

/* Words that tell parts apart. */
static const char attention_words[] = "att msa mha qkv <sa", mlp_words[] = "mlp ff feed =m", gate_words[] = "gate =g",
                  early_words[] = "<pre <before <first <in <one <up <expand",
                  late_words[] = "<post <after <second <final <last <mid <out <two <down <proj <contract";

static bool is_in_attention(const char *name) {
    return tleg_guess_holds(name, attention_words);
}

static bool is_in_mlp(const char *name) {
    return tleg_guess_holds(name, mlp_words);
}

/* Whether a matrix is named as one that reads attention. */
static bool is_out(const char *name) {
    char word[64];
    last_word(name, word);
    return tleg_guess_holds(word, "out proj unify") || has_letter(word, 'o');
}

/* 1: `one` alone has one of the words; -1: `two` alone; 0: they tell nothing. */
static int only(const char *words, const char *one, const char *two) {
    return (int)tleg_guess_holds(one, words) - (int)tleg_guess_holds(two, words);
}

/* The number in which names differ that are alike before it. */
static int by_number(const char *one, const char *two) {
    while (*one && *one == *two)
        one++, two++;
    return *one >= '0' && *one <= '9' && *two >= '0' && *two <= '9' ? (*one < *two ? 1 : -1) : 0;
}

/* 1: the first of a block's two alike, by the words of their names, is `one`; -1: it is `two`; 0: they do not tell. A part that
 * is named after what it follows, as "post_attention_norm" beside "input_norm", is the second. */
static int first_by_names(const char *one, const char *two) {
    const int attention = only(attention_words, one, two), mlp = only(mlp_words, one, two);
    const int early = only(early_words, one, two), late = only(late_words, one, two);
    if (attention != 0 && attention == -mlp)
        return attention;
    if (early != 0 || late != 0)
        return early == late ? 0 : early != 0 ? early : -late;
    if (attention != 0 || mlp != 0)
        return attention == mlp ? 0 : attention != 0 ? attention : -mlp;
    return by_number(one, two);
}

/* Whether tensors stand as they run: attention before the MLP, and a weight before its bias, where whoever sorts names has the
 * bias first. */
static bool keeps_order(const struct block *block) {
    const struct tleg_guess *guess = block->guess;
    const struct tleg_entry *attention = block->part[QKV] ? block->part[QKV] : block->part[Q], *bias = NULL;
    int64_t k = 0;
    for (; k < guess->count && !bias; k++)
        if (tleg_guess_rest(guess, guess->entries[k].name))
            bias = tleg_guess_bias_of(guess, &guess->entries[k]);
    return bias && bias >= guess->entries + k && attention && block->part[FC1] && attention < block->part[FC1];
}

static void put_in_order(struct block *block, enum part first, enum part second, int (*tell)(const char *, const char *)) {
    const struct tleg_guess *guess = block->guess;
    const struct tleg_entry *one = block->part[first], *two = block->part[second];
    if (!one || !two)
        return;
    const int told = tell(tleg_guess_rest(guess, one->name), tleg_guess_rest(guess, two->name));
    block->part[first] = told < 0 ? two : one;
    block->part[second] = told < 0 ? one : two;
    block->order[first] = told != 0 ? BY_NAMES : keeps_order(block) ? BY_FILE : UNTOLD;
    if (block->alike[first] + block->alike[second] > 2)
        block->order[first] = UNTOLD;
    if (block->order[first] == UNTOLD)
        block->order[second] = UNTOLD;
}

/* ---- shapes ---- */

/* Numbers of all heads together. */
static int64_t attention_of(const struct block *block) {
    const struct tleg_entry *qkv = block->part[QKV], *query = block->part[Q];
    return qkv ? qkv->shape[0] / 3 : query ? query->shape[0] : block->guess->dim;
}

/* Whether a matrix stands with the queries: in the module that they are in, "attn.out.weight" as "attn.query.weight". */
static bool is_inside(const struct block *block, const char *name) {
    const struct tleg_entry *query = block->part[QKV] ? block->part[QKV] : block->part[Q];
    const char *begin = query ? tleg_guess_rest(block->guess, query->name) : NULL, *end = begin ? strrchr(begin, '.') : NULL;
    while (end && end > begin && end[-1] != '.')
        end--;
    return is_in_attention(name) || (end && end > begin && strncmp(begin, name, (size_t)(end - begin)) == 0);
}

/* Whether a matrix may be read by attention's branch last: it reads what attention gives. */
static bool may_be_out(const struct block *block, const struct tleg_entry *entry) {
    return entry->shape[0] == block->guess->dim && entry->shape[1] == attention_of(block) &&
           !is_in_mlp(tleg_guess_rest(block->guess, entry->name));
}

/* Whether a matrix gives what fc1 gives beside its own, as a gate and what it opens for do. */
static bool is_beside_fc1(const struct block *block, const struct tleg_entry *entry) {
    const struct tleg_entry *fc1 = block->part[FC1];
    return fc1 && fc1->shape[0] != block->guess->dim && entry->shape[0] == fc1->shape[0] &&
           entry->shape[1] == block->guess->dim;
}

static enum part matrix_of(const struct block *block, const struct tleg_entry *entry) {
    const char *name = tleg_guess_rest(block->guess, entry->name);
    const int64_t dim = block->guess->dim, rows = entry->shape[0], columns = entry->shape[1];
    const bool mlp = is_in_mlp(name);
    const enum part letter = mlp ? PARTS : letter_of(entry->name);
    if (rows >= dim && columns == dim && letter != PARTS)
        return letter;
    if (letter != PARTS && rows < dim) /* of one head */
        return PARTS;
    if (rows > dim && rows % 3 == 0 && columns == dim && (!block->part[QKV] || block->part[QKV] == entry) &&
        tleg_guess_holds(name, "qkv att in_proj msa mha") && !mlp)
        return QKV;
    if (!mlp && is_inside(block, name))
        return may_be_out(block, entry) && block->stage == OUT ? PROJ : PARTS;
    if (may_be_out(block, entry) && block->stage == REST && !block->has_out && is_out(name))
        return PROJ;
    if (columns == dim && !block->part[FC1])
        return FC1;
    return is_beside_fc1(block, entry) ? UP : rows == dim ? FC2 : PARTS;
}

/* A norm's factors, a branch's, or neither. */
static enum part vector_of(const struct block *block, const struct tleg_entry *entry) {
    if (entry->shape[0] != block->guess->dim || tleg_guess_is_of_queries(entry->name) ||
        tleg_guess_holds(entry->name, "running bias"))
        return PARTS;
    return tleg_names_ends(entry->name, ".weight") ? NORM1 : LS1;
}

static enum part part_of(const struct block *block, const struct tleg_entry *entry) {
    return entry->rank == 1 ? vector_of(block, entry) : entry->rank == 2 ? matrix_of(block, entry) : PARTS;
}

/* Whether an entry may be a part: of the first layer, and no bias of another. */
static bool may_be(const struct block *block, const struct tleg_entry *entry) {
    return tleg_guess_rest(block->guess, entry->name) && !tleg_guess_is_bias(block->guess, entry);
}

/* Of which parts an entry is that nothing tells apart: NORM1, LS1, FC1 for matrices of one shape, or PARTS. */
static enum part untold(const struct block *block, const struct tleg_entry *entry) {
    const struct tleg_entry *const *part = block->part;
    const enum part kind = entry->rank == 1 ? vector_of(block, entry) : PARTS;
    if (!may_be(block, entry) || (entry->rank == 1 && (kind == PARTS || block->order[kind] != UNTOLD)))
        return PARTS;
    if (entry->rank != 2)
        return kind;
    const bool alike = entry->shape[0] == block->guess->dim &&
                       (entry->shape[1] == block->guess->dim || entry->shape[1] == attention_of(block)) && entry != part[Q] &&
                       entry != part[K] && entry != part[V];
    const bool asked = block->order[PROJ] == UNTOLD || (block->order[FC1] == UNTOLD && !part[UP] && entry != part[PROJ]);
    return alike && asked ? FC1 : PARTS;
}

static bool is_placed(const struct block *block, const struct tleg_entry *entry) {
    size_t k = 0;
    while (k < PARTS && block->part[k] != entry)
        k++;
    return k < PARTS || tleg_guess_is_bias(block->guess, entry) || untold(block, entry) != PARTS;
}

static int gate_first(const char *one, const char *two) {
    const int gate = only(gate_words, one, two);
    return gate != 0 ? gate : by_number(one, two);
}

static void find_some(struct block *block, enum stage stage) {
    const struct tleg_guess *guess = block->guess;
    block->stage = stage;
    block->has_out = block->part[PROJ] != NULL;
    for (int64_t k = 0; k < guess->count; k++) {
        const struct tleg_entry *entry = &guess->entries[k];
        enum part part = may_be(block, entry) ? part_of(block, entry) : PARTS;
        if (part == PARTS || (stage == QUERIES) != (part >= QKV && part <= V) || (stage == OUT && part != PROJ))
            continue;
        block->alike[part]++;
        if ((part == NORM1 || part == LS1) && block->part[part])
            part++;
        if (!block->part[part])
            block->part[part] = entry;
    }
}

static void find_parts(struct block *block) {
    const struct tleg_guess *guess = block->guess;
    for (enum stage stage = QUERIES; stage <= REST; stage++)
        find_some(block, stage);
    put_in_order(block, NORM1, NORM2, first_by_names);
    put_in_order(block, LS1, LS2, first_by_names);
    if (block->part[UP])
        put_in_order(block, FC1, UP, gate_first);
    else if (block->part[FC1] && block->part[FC1]->shape[0] == guess->dim)
        put_in_order(block, FC1, FC2, first_by_names);
    if (block->alike[PROJ] > 1)
        block->order[PROJ] = UNTOLD;
    for (enum part k = FC1; k <= FC2 && block->order[PROJ] == UNTOLD; k++)
        if (block->part[k] && block->part[k]->shape[0] == block->part[k]->shape[1])
            block->order[k] = UNTOLD;
}

/* ---- lines ---- */

/* The name with {} for the layer, and without the `drop` bytes at its end. */
static const char *pattern(const struct block *block, const struct tleg_entry *entry, size_t drop, char out[TLEG_GUESS_TEXT]) {
    const char *rest = tleg_guess_rest(block->guess, entry->name);
    snprintf(out, TLEG_GUESS_TEXT, "%s{}.%.*s", block->guess->layer, (int)(strlen(rest) - drop), rest);
    return out;
}

/* Whether a matrix is nn.Linear's, (outputs, inputs); a parameter of one's own may lie the other way. */
static bool is_linear(const struct tleg_entry *entry) {
    return tleg_names_ends(entry->name, ".weight") || tleg_names_ends(entry->name, "_proj_weight");
}

static void say_part(const struct block *block, const struct tleg_entry *entry, const char *target, const char *last) {
    char name[TLEG_GUESS_TEXT];
    const struct tleg_entry *bias = tleg_guess_bias_of(block->guess, entry);
    if (strcmp(last, "weight") == 0 && tleg_names_ends(entry->name, ".weight")) {
        pattern(block, entry, strlen("weight"), name);
        if (strncmp(name, "blocks.{}.", 10) != 0 || strlen(name + 10) != strlen(target) + 1 ||
            strncmp(name + 10, target, strlen(target)) != 0) /* not one of the library's names already */
            tleg_guess_say(block->guess, "%s* -> blocks.{}.%s.*", name, target);
        return;
    }
    const bool asks = entry->rank == 2 && !is_linear(entry);
    tleg_guess_say(block->guess, "%s%s -> blocks.{}.%s.%s", pattern(block, entry, 0, name), asks ? "^?" : "", target, last);
    if (bias)
        tleg_guess_say(block->guess, "%s -> blocks.{}.%s.bias", pattern(block, bias, 0, name), target);
}

static void say_joined(const struct block *block) {
    const struct tleg_entry *const *part = block->part;
    const struct tleg_entry *q = tleg_guess_bias_of(block->guess, part[Q]), *k = tleg_guess_bias_of(block->guess, part[K]),
                            *v = tleg_guess_bias_of(block->guess, part[V]);
    const bool linear = is_linear(part[Q]) && is_linear(part[K]) && is_linear(part[V]);
    char names[3][TLEG_GUESS_TEXT];
    tleg_guess_say(block->guess, "%s + %s + %s -> %sblocks.{}.attn.qkv.weight", pattern(block, part[Q], 0, names[0]),
                   pattern(block, part[K], 0, names[1]), pattern(block, part[V], 0, names[2]), linear ? "" : "?");
    if (q && v)
        tleg_guess_say(block->guess, "%s + %s%s + %s -> blocks.{}.attn.qkv.bias", pattern(block, q, 0, names[0]), k ? "" : "0 ",
                       pattern(block, k ? k : q, 0, names[1]), pattern(block, v, 0, names[2]));
}

/* The gate and what stands beside it are fc1's rows. */
static void say_gate(const struct block *block) {
    const struct tleg_entry *gate = block->part[FC1], *up = block->part[UP];
    const struct tleg_entry *one = tleg_guess_bias_of(block->guess, gate), *two = tleg_guess_bias_of(block->guess, up);
    const char *asks = block->order[FC1] == BY_NAMES ? "" : "?";
    char names[2][TLEG_GUESS_TEXT];
    tleg_guess_say(block->guess, "# the activation is of the first's:");
    tleg_guess_say(block->guess, "%s + %s -> %sblocks.{}.mlp.fc1.weight", pattern(block, gate, 0, names[0]),
                   pattern(block, up, 0, names[1]), asks);
    if (one && two)
        tleg_guess_say(block->guess, "%s + %s -> %sblocks.{}.mlp.fc1.bias", pattern(block, one, 0, names[0]),
                       pattern(block, two, 0, names[1]), asks);
}

/* Lines for each part of a kind, as nothing tells which it is. */
static void ask(const struct block *block, enum part kind) {
    const struct tleg_guess *guess = block->guess;
    char name[TLEG_GUESS_TEXT];
    tleg_guess_say(guess, "# which is blocks.{}.%s",
                   kind == NORM1 ? "norm1 of attention, which norm2 of the MLP"
                   : kind == LS1 ? "ls1.gamma of attention, which ls2.gamma of the MLP"
                                 : "attn.proj, mlp.fc1, mlp.fc2");
    for (int64_t k = 0, said = 0; k < guess->count && said < TLEG_GUESS_OTHERS; k++) {
        const struct tleg_entry *entry = &guess->entries[k], *bias = tleg_guess_bias_of(guess, entry);
        if (untold(block, entry) != kind)
            continue;
        said++;
        tleg_guess_say(guess, "%s -> ?", pattern(block, entry, 0, name));
        if (bias)
            tleg_guess_say(guess, "%s -> ?", pattern(block, bias, 0, name));
    }
}

/* What is asked, or takes two matrices, has no line as the others have. */
static bool say_apart(const struct block *block, enum part part) {
    const bool gated = block->part[UP] != NULL, asked = block->order[part] == UNTOLD;
    if (gated && part == FC1)
        say_gate(block);
    else if (asked && (part == NORM1 || part == LS1))
        ask(block, part);
    else if (asked && (part == PROJ || (part == FC1 && block->order[PROJ] != UNTOLD)))
        ask(block, FC1);
    return asked || (gated && part == FC1);
}

static void say_parts(const struct block *block) {
    static const char targets[PARTS][10] = {[NORM1] = "norm1",  [NORM2] = "norm2",    [LS1] = "ls1",     [LS2] = "ls2",
                                            [QKV] = "attn.qkv", [PROJ] = "attn.proj", [FC1] = "mlp.fc1", [FC2] = "mlp.fc2"};
    for (enum part k = 0; k < PARTS; k++) {
        if (!block->part[k] || say_apart(block, k))
            continue;
        if (block->order[k] == BY_FILE)
            tleg_guess_say(block->guess, "# in the order of the file:");
        if (*targets[k])
            say_part(block, block->part[k], targets[k], k == LS1 || k == LS2 ? "gamma" : "weight");
        if (k == V && block->part[Q] && block->part[K])
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

/* fc1 and fc2 have biases, or both have none. A norm has as many factors as fc2 has biases. */
static void say_zeros(const struct block *block) {
    const struct tleg_entry *fc1 = block->part[FC1], *fc2 = block->part[FC2], *norm = block->part[NORM1];
    char name[TLEG_GUESS_TEXT];
    if (fc1 && fc2 && norm && tleg_guess_bias_of(block->guess, fc1) && !tleg_guess_bias_of(block->guess, fc2))
        tleg_guess_say(block->guess, "0 %s -> blocks.{}.mlp.fc2.bias", pattern(block, norm, 0, name));
}

bool tleg_guess_block(const struct tleg_guess *guess) {
    struct block block = {.guess = guess};
    find_parts(&block);
    say_parts(&block);
    say_others(&block);
    say_zeros(&block);
    const struct tleg_entry *qkv = block.part[QKV], *fc1 = block.part[FC1], *fc2 = block.part[FC2];
    if (fc1 && fc2 && fc1->shape[0] == 2 * fc2->shape[1])
        tleg_guess_say(guess,
                       "# mlp.fc1 has its gate first: of one that has it last, NAME[1/2:] + NAME[:1/2], for weight and bias");
    return qkv && fc1 && strcmp(tleg_guess_rest(guess, qkv->name), "self_attn.in_proj_weight") == 0 &&
           strcmp(tleg_guess_rest(guess, fc1->name), "linear1.weight") == 0;
}
