/* Processor levels. cpuid is asked by hand: the compilers' own checks let environment variables answer. */
#include "core/core.h"
#include "core/os.h"

#if TLEG_X86
#include <cpuid.h>
#endif

/* The levels for which this build has kernels, in rising order. */
static const int32_t built[] = {
    TLEG_LEVEL_PORTABLE,
#if TLEG_BUILD_AVX2
    TLEG_LEVEL_AVX2,
#endif
#if TLEG_BUILD_AVX512
    TLEG_LEVEL_AVX512,
#endif
#if TLEG_BUILD_AVX512BF16
    TLEG_LEVEL_AVX512BF16,
#endif
#if TLEG_BUILD_AMX
    TLEG_LEVEL_AMX,
#endif
#if TLEG_BUILD_NEON
    TLEG_LEVEL_NEON,
#endif
};
enum { BUILT_COUNT = sizeof(built) / sizeof(built[0]) };

/* What each level needs, beyond what the level before it in `after` needs. */
struct requirement {
    int32_t level, after;
    uint32_t leaf1_ecx, leaf7_ebx, leaf7_edx, leaf7_1_eax;
    uint64_t xcr0;
};
#define BIT(n) (UINT32_C(1) << (n))
static const struct requirement requirements[] = {
    /* FMA, OSXSAVE (without it XCR0 cannot be read), AVX, F16C; AVX2; the system saves the SSE and AVX registers */
    {TLEG_LEVEL_AVX2, 0, BIT(12) | BIT(27) | BIT(28) | BIT(29), BIT(5), 0, 0, BIT(1) | BIT(2)},
    /* AVX512F, DQ, BW, VL; mask registers, upper halves of zmm0-15, zmm16-31 */
    {TLEG_LEVEL_AVX512, TLEG_LEVEL_AVX2, 0, BIT(16) | BIT(17) | BIT(30) | BIT(31), 0, 0, BIT(5) | BIT(6) | BIT(7)},
    {TLEG_LEVEL_AVX512BF16, TLEG_LEVEL_AVX512, 0, 0, 0, BIT(5), 0},
    /* AMX-BF16, AMX-TILE; tile configuration and tile data */
    {TLEG_LEVEL_AMX, TLEG_LEVEL_AVX512BF16, 0, 0, BIT(22) | BIT(24), 0, BIT(17) | BIT(18)},
};
enum { REQUIREMENT_COUNT = sizeof(requirements) / sizeof(requirements[0]) };

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

static bool meets(const struct tleg_cpu_words *words, const struct requirement *need) {
    return (words->leaf1_ecx & need->leaf1_ecx) == need->leaf1_ecx && (words->leaf7_ebx & need->leaf7_ebx) == need->leaf7_ebx &&
           (words->leaf7_edx & need->leaf7_edx) == need->leaf7_edx &&
           (words->leaf7_1_eax & need->leaf7_1_eax) == need->leaf7_1_eax && (words->xcr0 & need->xcr0) == need->xcr0;
}

/* The requirement of an x86 level beyond portable, or NULL. */
static const struct requirement *requirement_of(int32_t level) {
    for (int i = 0; i < REQUIREMENT_COUNT; i++)
        if (requirements[i].level == level)
            return &requirements[i];
    return NULL;
}

bool tleg_cpu_words_have(const struct tleg_cpu_words *words, int32_t level) {
    if (level == TLEG_LEVEL_PORTABLE)
        return true;
#if defined(__aarch64__)
    if (level == TLEG_LEVEL_NEON) /* part of every AArch64 */
        return true;
#endif
    const struct requirement *need = requirement_of(level);
    if (!need)
        return false;
    for (; need; need = requirement_of(need->after))
        if (!meets(words, need))
            return false;
    return true;
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
    for (int i = 0; i < BUILT_COUNT; i++)
        if (built[i] == level)
            return tleg_cpu_has(level) && granted(level);
    return false;
}

int32_t tleg_level_best_of(const struct tleg_cpu_words *words) {
    int best = BUILT_COUNT - 1;
    while (best > 0 && !tleg_cpu_words_have(words, built[best]))
        best--;
    return built[best];
}

int32_t tleg_level_best(void) {
    struct tleg_cpu_words words;
    tleg_cpu_read(&words);
    int32_t best = tleg_level_best_of(&words);
    if (granted(best))
        return best;
    words.leaf7_edx = 0; /* refused: as if there were no AMX */
    return tleg_level_best_of(&words);
}

const char *tleg_level_name(int32_t level) {
    static const char *const names[] = {NULL, "portable", "avx2", "avx512", "avx512bf16", "amx", "neon"};
    const int32_t count = sizeof(names) / sizeof(names[0]);
    return level > 0 && level < count ? names[level] : NULL;
}

int32_t TLEG_CALL tleg_cpu_level(int32_t index, const char **name) {
    struct tleg_cpu_words words;
    tleg_cpu_read(&words);
    int32_t level = 0;
    for (int i = 0; i < BUILT_COUNT && index >= 0 && level == 0; i++)
        if (tleg_cpu_words_have(&words, built[i]) && index-- == 0)
            level = built[i];
    if (name)
        *name = tleg_level_name(level);
    return level;
}
