/* Reads the command line by a table of options. */
#include "options.h"

#include "nearest.h"
#include "read_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct choice option_dtypes[] = {{"f32", TLEG_F32}, {"bf16", TLEG_BF16}, {"f16", TLEG_F16}, {NULL, 0}};
const struct choice option_norms[] = {
    {"as-learned", 0}, {"before-pool", TLEG_NORM_BEFORE_POOL}, {"after-pool", TLEG_NORM_AFTER_POOL}, {NULL, 0}};
const struct choice option_pools[] = {{"mean", TLEG_POOL_MEAN},
                                      {"cls", TLEG_POOL_CLS},
                                      {"attention", TLEG_POOL_ATTENTION},
                                      {"patch_attention", TLEG_POOL_PATCH_ATTENTION},
                                      {"max", TLEG_POOL_MAX},
                                      {"mean_max", TLEG_POOL_MEAN_MAX},
                                      {"cls_mean", TLEG_POOL_CLS_MEAN},
                                      {"mean_all", TLEG_POOL_MEAN_ALL},
                                      {NULL, 0}};
const struct choice option_interpolations[] = {{"bicubic", TLEG_INTERPOLATION_BICUBIC},
                                               {"bilinear", TLEG_INTERPOLATION_BILINEAR},
                                               {"box", TLEG_INTERPOLATION_BOX},
                                               {NULL, 0}};
const struct choice option_activations[] = {{"gelu", TLEG_MLP_GELU},           {"quick_gelu", TLEG_MLP_QUICK_GELU},
                                            {"gelu_tanh", TLEG_MLP_GELU_TANH}, {"silu", TLEG_MLP_SILU},
                                            {"relu", TLEG_MLP_RELU},           {NULL, 0}};
const struct choice option_position_filters[] = {
    {"bicubic", TLEG_POSITION_FILTER_BICUBIC}, {"antialias", TLEG_POSITION_FILTER_ANTIALIAS}, {NULL, 0}};
const struct choice option_fits[] = {{"crop", TLEG_FIT_CROP},
                                     {"squash", TLEG_FIT_SQUASH},
                                     {"crop_floor", TLEG_FIT_CROP_FLOOR},
                                     {"squash_floor", TLEG_FIT_SQUASH_FLOOR},
                                     {NULL, 0}};

const char options_shared_help[] =
    "Options of every verb\n"
    "  --json        print one JSON object per line on standard output; errors stay on standard error\n"
    "  --threads N   threads to compute with, 1 to 256 (1); results do not depend on it\n"
    "  --level L     instructions to use: best (default), or a level of this machine, as tleg check lists them\n"
    "  --gemm G      who multiplies matrices: own, blas (OpenBLAS or BLIS, if the build found one; loaded only then), or\n"
    "                auto (default): blas where this machine has portable kernels alone, else own\n"
    "  --heads H     attention heads, if the file does not say\n"
    "  --activation A, --eps E\n"
    "                of the MLP (gelu, quick_gelu, gelu_tanh, silu, relu) and of the norms, if the file does not say;\n"
    "                where something learns, of that: its teacher's file has to say them (tleg convert)\n"
    "  --key K       which set of weights of a PyTorch file, such as model_ema or teacher, if it holds several\n"
    "  --names R     a text file of rules for names, for a model whose layout is not known (docs/checkpoints.md)\n"
    "  --help        this text\n"
    "\n"
    "Exit code: 0 success, 1 failure, 2 wrong usage.\n";

const char *option_choice_name(const struct choice *choices, int32_t value) {
    for (; choices->name; choices++)
        if (choices->value == value)
            return choices->name;
    return NULL;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Decimal digits at *text, which moves past them; false for none, or for more than 64 bits hold. */
static bool read_digits(const char **text, uint64_t *value) {
    const char *at = *text;
    *value = 0;
    for (; is_digit(*at); at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    bool any = at != *text;
    *text = at;
    return any;
}

static bool read_count(const char *text, const struct option *option) {
    uint64_t value;
    if (!read_digits(&text, &value) || *text || value > INT32_MAX)
        return false;
    if ((int32_t)value < option->least || (int32_t)value > option->most)
        return false;
    *(int32_t *)option->value = (int32_t)value;
    return true;
}

bool options_read_seed(const char *text, uint64_t *seed) {
    return read_digits(&text, seed) && !*text;
}

static bool read_size(const char *text, const struct option *option) {
    static const char suffixes[] = "KMGT";
    uint64_t value;
    if (!read_digits(&text, &value) || value < (uint64_t)option->least)
        return false;
    if (*text) {
        const char *suffix = strchr(suffixes, *text & ~0x20); /* either case */
        if (!suffix || !*suffix || text[1])
            return false;
        int shift = 10 * (int)(suffix - suffixes + 1);
        if (value > UINT64_MAX >> shift)
            return false;
        value <<= shift;
    }
    *(uint64_t *)option->value = value;
    return true;
}

/* strtod alone would take "inf", "nan", "0x1p3" and leading blanks too. */
bool options_read_number(const char **text, double *value) {
    char *end;
    if (!is_digit(**text) && **text != '.')
        return false;
    if (**text == '0' && ((*text)[1] & ~0x20) == 'X')
        return false;
    errno = 0;
    *value = strtod(*text, &end);
    if (errno || end == *text)
        return false;
    *text = end;
    return true;
}

static bool read_real(const char *text, const struct option *option) {
    double value;
    if (!options_read_number(&text, &value) || *text || (option->kind == OPTION_REAL && !(value > 0)))
        return false;
    *(double *)option->value = value;
    return true;
}

/* Three numbers, or one for all three. */
static bool read_triple(const char *text, const struct option *option) {
    double value[3];
    const char *after = text;
    if (options_read_number(&after, &value[0]) && *after == '\0') {
        value[1] = value[2] = value[0];
        memcpy(option->value, value, sizeof value);
        return true;
    }
    for (int i = 0; i < 3; i++) {
        if (!options_read_number(&text, &value[i]) || *text != (i < 2 ? ',' : '\0'))
            return false;
        text += i < 2;
    }
    memcpy(option->value, value, sizeof value);
    return true;
}

/* One side: 1 or more. */
static bool read_side(const char **text, int32_t *side) {
    uint64_t value;
    if (!read_digits(text, &value) || value < 1 || value > INT32_MAX)
        return false;
    *side = (int32_t)value;
    return true;
}

static bool read_extent(const char *text, const struct option *option) {
    struct extent extent = {0};
    if (!read_side(&text, &extent.height))
        return false;
    if (*text == 'x') {
        text++;
        if (!read_side(&text, &extent.width))
            return false;
    }
    if (*text)
        return false;
    *(struct extent *)option->value = extent;
    return true;
}

static bool read_choice(const char *text, const struct option *option) {
    for (const struct choice *choice = option->choices; choice->name; choice++)
        if (strcmp(choice->name, text) == 0) {
            *(int32_t *)option->value = choice->value;
            return true;
        }
    return false;
}

static bool read_level(const char *text, const struct option *option) {
    int32_t level = TLEG_LEVEL_BEST;
    const char *name = "best";
    while (name && strcmp(name, text) != 0)
        name = tleg_level_name(++level);
    *(int32_t *)option->value = level;
    return name != NULL;
}

static bool read_value(const char *text, const struct option *option) {
    switch (option->kind) {
    case OPTION_COUNT:
        return read_count(text, option);
    case OPTION_SEED:
        return options_read_seed(text, option->value);
    case OPTION_SIZE:
        return read_size(text, option);
    case OPTION_REAL:
    case OPTION_AMOUNT:
        return read_real(text, option);
    case OPTION_TRIPLE:
        return read_triple(text, option);
    case OPTION_EXTENT:
        return read_extent(text, option);
    case OPTION_CHOICE:
        return read_choice(text, option);
    case OPTION_LEVEL:
        return read_level(text, option);
    default:
        *(const char **)option->value = text;
        return *text != '\0';
    }
}

static void describe(const struct option *option, char *text, size_t size) {
    size_t length = 0;
    const char *name;
    switch (option->kind) {
    case OPTION_COUNT:
        if (option->most == INT32_MAX)
            snprintf(text, size, "a whole number, %d or more", (int)option->least);
        else
            snprintf(text, size, "a whole number from %d to %d", (int)option->least, (int)option->most);
        break;
    case OPTION_SEED:
        snprintf(text, size, "a whole number from 0 to 2^64-1");
        break;
    case OPTION_SIZE:
        snprintf(text, size, "a number of bytes, %d or more, such as 67108864 or 64M", (int)option->least);
        break;
    case OPTION_REAL:
        snprintf(text, size, "a number above 0");
        break;
    case OPTION_AMOUNT:
        snprintf(text, size, "a number, 0 or more");
        break;
    case OPTION_TRIPLE:
        snprintf(text, size, "three numbers, such as 0.5,0.5,0.5, or one for all three");
        break;
    case OPTION_EXTENT:
        snprintf(text, size, "a whole number, 1 or more, or height and width, such as 224x128");
        break;
    case OPTION_CHOICE:
        for (const struct choice *choice = option->choices; choice->name && length < size; choice++)
            length += (size_t)snprintf(text + length, size - length, "%s%s", length ? ", " : "one of ", choice->name);
        break;
    case OPTION_LEVEL:
        length = (size_t)snprintf(text, size, "one of best");
        for (int32_t level = 1; length < size && (name = tleg_level_name(level)) != NULL; level++)
            length += (size_t)snprintf(text + length, size - length, ", %s", name);
        break;
    default:
        snprintf(text, size, "text that is not empty");
    }
}

static int refuse_value(const struct invocation *call, const struct option *option, const char *value) {
    char wanted[160];
    describe(option, wanted, sizeof wanted);
    return tool_misuse(call, "%s takes %s; found \"%s\"", option->name, wanted, value);
}

static const struct option *find(const struct option *table, const char *name, size_t length) {
    for (; table->name; table++)
        if (strlen(table->name) == length && memcmp(table->name, name, length) == 0)
            return table;
    return NULL;
}

static void refuse_option(const struct invocation *call, const struct option *own, const struct option *shared,
                          const char *text, size_t length) {
    struct nearest best = {0};
    for (const struct option *option = own; option->name; option++)
        nearest_offer(&best, text, length, option->name);
    for (const struct option *option = shared; option->name; option++)
        nearest_offer(&best, text, length, option->name);
    if (best.word)
        tool_misuse(call, "unknown option %s; did you mean %s?", text, best.word);
    else
        tool_misuse(call, "unknown option %s", text);
}

/* One option at argv[0]. Returns how many arguments it took; 0 after saying what is wrong. */
static int take(const struct invocation *call, const struct option *own, const struct option *shared, int argc, char **argv) {
    const char *equals = argv[0][1] == '-' ? strchr(argv[0], '=') : NULL;
    size_t length = equals ? (size_t)(equals - argv[0]) : strlen(argv[0]);
    const struct option *option = find(own, argv[0], length);
    if (!option)
        option = find(shared, argv[0], length);
    if (!option) {
        refuse_option(call, own, shared, argv[0], length);
        return 0;
    }
    if (option->kind == OPTION_FLAG) {
        if (equals) {
            tool_misuse(call, "%s takes no value", option->name);
            return 0;
        }
        *(bool *)option->value = true;
        return 1;
    }
    const char *value = equals ? equals + 1 : argc > 1 && strncmp(argv[1], "--", 2) != 0 ? argv[1] : NULL;
    if (!value) {
        tool_misuse(call, "%s needs a value", option->name);
        return 0;
    }
    if (!read_value(value, option)) {
        refuse_value(call, option, value);
        return 0;
    }
    return equals ? 1 : 2;
}

static bool check_operands(const struct invocation *call, int least, int most, int *code) {
    if (call->operand_count < least)
        *code = tool_misuse(call, "%s", call->operand_count ? "an operand is missing" : "the file to work on is missing");
    else if (call->operand_count > most)
        *code = tool_misuse(call, "unexpected \"%s\"", call->operands[most]);
    else
        return true;
    return false;
}

/* Rules for names, which stay in memory as the arguments do. */
static bool read_names(struct invocation *call, const char *path, int *code) {
    enum { MOST = 65535 };
    static char text[MOST + 1];
    char reason[READ_REASON];
    size_t size;
    uint8_t *bytes = read_file(path, MOST, &size, reason);
    if (!bytes) {
        *code = tool_fail(call, "%s: %s", path, reason);
        return false;
    }
    memcpy(text, bytes, size + 1);
    free(bytes);
    call->names = text;
    if (strlen(text) == size)
        return true;
    *code = tool_fail(call, "%s: expected a text, found a NUL in it", path);
    return false;
}

static void print_help(const struct verb *verb) {
    printf("tleg %s: %s\n\nusage: %s\n\n%s", verb->name, verb->summary, verb->usage, verb->details);
    for (const char *const *text = verb->more; text && *text; text++)
        fputs(*text, stdout);
    printf("\n%s", options_shared_help);
}

bool options_parse(const struct verb *verb, int argc, char **argv, const struct option *own, int least, int most,
                   struct invocation *call, int *code) {
    static const struct choice gemms[] = {
        {"auto", TLEG_GEMM_AUTO}, {"own", TLEG_GEMM_OWN}, {"blas", TLEG_GEMM_BLAS}, {NULL, 0}};
    bool help = false, options_end = false;
    *call = (struct invocation){.verb = verb, .threads = 1, .operands = argv};
    const struct option shared[] = {
        {"--json", OPTION_FLAG, &call->json, 0, 0, NULL},
        {"--threads", OPTION_COUNT, &call->threads, 1, 256, NULL},
        {"--level", OPTION_LEVEL, &call->level, 0, 0, NULL},
        {"--gemm", OPTION_CHOICE, &call->gemm, 0, 0, gemms},
        {"--heads", OPTION_COUNT, &call->heads, 1, INT32_MAX, NULL},
        {"--activation", OPTION_CHOICE, &call->activation, 0, 0, option_activations},
        {"--eps", OPTION_REAL, &call->eps, 0, 0, NULL},
        {"--key", OPTION_TEXT, &call->key, 0, 0, NULL},
        {"--names", OPTION_TEXT, &call->names_path, 0, 0, NULL},
        {"--help", OPTION_FLAG, &help, 0, 0, NULL},
        {NULL, OPTION_FLAG, NULL, 0, 0, NULL},
    };
    for (int i = 0; i < argc;) {
        if (options_end || argv[i][0] != '-' || !argv[i][1]) {
            call->operands[call->operand_count++] = argv[i++]; /* never ahead of i: operands close up in place */
        } else if (strcmp(argv[i], "--") == 0) {
            options_end = true;
            i++;
        } else {
            int taken = take(call, own, shared, argc - i, argv + i);
            if (taken == 0) {
                *code = EXIT_MISUSE;
                return false;
            }
            i += taken;
        }
        if (help) {
            print_help(verb);
            *code = EXIT_DONE;
            return false;
        }
    }
    return check_operands(call, least, most, code) && (!call->names_path || read_names(call, call->names_path, code));
}
