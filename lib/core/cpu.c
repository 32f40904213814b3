/* Processor levels. cpuid is asked by hand: the compilers' own checks let environment variables answer. */
#include "core/core.h"
#include "core/os.h"

#if TLEG_X86
#include <cpuid.h>
#endif

#define BIT(n) (UINT32_C(1) << (n))

/* The levels by their number; what each needs beyond what the level before it in `after` needs. */
static const struct level {
    const char *name;
    bool built; /* whether this build has kernels for it */
    int32_t after;
    struct tleg_cpu_words needs;
} levels[] = {
#define LEVEL(NAME, name, AFTER, ...) [TLEG_LEVEL_##NAME] = {#name, TLEG_BUILD_##NAME, TLEG_LEVEL_##AFTER, {__VA_ARGS__}},
#include "core/levels.def"
#undef LEVEL
};
enum { LEVELS = sizeof levels / sizeof *levels };

/* A level's row, or NULL. */
static const struct level *level_of(int32_t level) {
    return level > 0 && level < LEVELS ? &levels[level] : NULL;
}

static bool built(int32_t level) {
    const struct level *row = level_of(level);
    return row && row->built;
}

#if TLEG_X86
static uint64_t read_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

void tleg_cpu_read(struct tleg_cpu_words *words) {
    uint32_t a, b, c, d;
    *words = (struct tleg_cpu_words){0};
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return;
    words->leaf1_ecx = c;
    if (c & BIT(27))
        words->xcr0 = read_xcr0();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return;
    words->leaf7_ebx = b;
    words->leaf7_edx = d;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
        words->leaf7_1_eax = a;
}
#else
void tleg_cpu_read(struct tleg_cpu_words *words) {
    *words = (struct tleg_cpu_words){0};
}
#endif

static bool meets(const struct tleg_cpu_words *words, const struct tleg_cpu_words *need) {
    return (words->leaf1_ecx & need->leaf1_ecx) == need->leaf1_ecx && (words->leaf7_ebx & need->leaf7_ebx) == need->leaf7_ebx &&
           (words->leaf7_edx & need->leaf7_edx) == need->leaf7_edx &&
           (words->leaf7_1_eax & need->leaf7_1_eax) == need->leaf7_1_eax && (words->xcr0 & need->xcr0) == need->xcr0;
}

bool tleg_cpu_words_have(const struct tleg_cpu_words *words, int32_t level) {
    const struct level *row = level_of(level);
    if (!row || (level == TLEG_LEVEL_NEON && !row->built)) /* what has no words is there where it is built */
        return false;
    for (; row; row = level_of(row->after))
        if (!meets(words, &row->needs))
            return false;
    return true;
}

bool tleg_level_includes(int32_t level, int32_t other) {
    while (level_of(level) && level != other)
        level = levels[level].after;
    return level_of(level) != NULL;
}

bool tleg_cpu_has(int32_t level) {
    struct tleg_cpu_words words;
    tleg_cpu_read(&words);
    return tleg_cpu_words_have(&words, level);
}

/* The AMX tiles alone are a thing that the system grants. */
static bool granted(int32_t level) {
    return level != TLEG_LEVEL_AMX || tleg_os_grant_tiles();
}

bool tleg_level_usable(int32_t level) {
    return built(level) && tleg_cpu_has(level) && granted(level);
}

int32_t tleg_level_best_of(const struct tleg_cpu_words *words) {
    int32_t best = LEVELS - 1;
    while (best > TLEG_LEVEL_PORTABLE && !(built(best) && tleg_cpu_words_have(words, best)))
        best--;
    return best;
}

int32_t tleg_level_best(void) {
    struct tleg_cpu_words words;
    tleg_cpu_read(&words);
    int32_t best = tleg_level_best_of(&words);
    while (!built(best) || !granted(best))
        best = levels[best].after;
    return best;
}

const char *TLEG_CALL tleg_level_name(tleg_level level) {
    const struct level *row = level_of(level);
    return row ? row->name : NULL;
}

int32_t TLEG_CALL tleg_cpu_level(int32_t index, const char **name) {
    struct tleg_cpu_words words;
    tleg_cpu_read(&words);
    int32_t level = index < 0 ? LEVELS : TLEG_LEVEL_PORTABLE;
    for (; level < LEVELS; level++)
        if (built(level) && tleg_cpu_words_have(&words, level) && index-- == 0)
            break;
    if (level == LEVELS)
        level = 0;
    if (name)
        *name = tleg_level_name(level);
    return level;
}
