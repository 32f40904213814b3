/* Contexts, errors, option structs, sizes, memory, processor levels and random numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/core.h"
#include "core/os.h"
#include "support/counter.h"
#include "support/sgemm.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- version and names ---- */

static void the_running_version_is_that_of_the_headers(void **state) {
    (void)state;
    assert_int_equal(tleg_version(), TLEG_VERSION);
}

static void every_status_has_its_name_and_others_are_unknown(void **state) {
    (void)state;
    assert_string_equal(tleg_status_name(TLEG_OK), "OK");
    assert_string_equal(tleg_status_name(TLEG_ERROR_ARGUMENT), "ARGUMENT");
    assert_string_equal(tleg_status_name(TLEG_ERROR_MEMORY), "MEMORY");
    assert_string_equal(tleg_status_name(TLEG_ERROR_IO), "IO");
    assert_string_equal(tleg_status_name(TLEG_ERROR_FORMAT), "FORMAT");
    assert_string_equal(tleg_status_name(TLEG_ERROR_UNSUPPORTED), "UNSUPPORTED");
    assert_string_equal(tleg_status_name(TLEG_ERROR_CANCELLED), "CANCELLED");
    assert_string_equal(tleg_status_name(TLEG_ERROR_NUMERIC), "NUMERIC");
    assert_string_equal(tleg_status_name(TLEG_ERROR_STATE), "STATE");
    assert_string_equal(tleg_status_name(TLEG_ERROR_NOT_FOUND), "NOT_FOUND");
    assert_string_equal(tleg_status_name(10), "UNKNOWN");
    assert_string_equal(tleg_status_name(-1), "UNKNOWN");
    assert_string_equal(tleg_status_name(INT32_MAX), "UNKNOWN");
}

/* ---- context ---- */

static tleg_status create(const tleg_context_options *options) {
    tleg_context *context = (tleg_context *)(uintptr_t)1;
    const tleg_status status = tleg_context_create(options, &context);
    assert_true((status == TLEG_OK) == (context != NULL));
    tleg_context_free(context);
    return status;
}

static tleg_context_options defaults(void) {
    return (tleg_context_options){.struct_size = sizeof(tleg_context_options)};
}

static void defaults_make_a_context_without_options(void **state) {
    (void)state;
    tleg_context *context;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    assert_string_equal(tleg_context_get_error(context), "");
    tleg_context_free(context);
    tleg_context_free(NULL);
}

static void null_pointers_are_refused_not_followed(void **state) {
    (void)state;
    assert_int_equal(tleg_context_create(NULL, NULL), TLEG_ERROR_ARGUMENT);
    assert_true(strlen(tleg_context_get_error(NULL)) > 0);
    const char *name = "";
    assert_int_equal(tleg_context_get_level(NULL, &name), 0);
    assert_null(name);
}

static void options_out_of_range_are_refused(void **state) {
    (void)state;
    tleg_context_options options = defaults();
    options.workers = -1;
    assert_int_equal(create(&options), TLEG_ERROR_ARGUMENT);
    options.workers = 257;
    assert_int_equal(create(&options), TLEG_ERROR_ARGUMENT);
    struct counter counter = {0};
    options = support_counted(&counter);
    options.release = NULL;
    assert_int_equal(create(&options), TLEG_ERROR_ARGUMENT);
    options = support_counted(&counter);
    options.alloc = NULL;
    assert_int_equal(create(&options), TLEG_ERROR_ARGUMENT);
    options = defaults();
    options.level = 99;
    assert_int_equal(create(&options), TLEG_ERROR_UNSUPPORTED);
    options.level = -1;
    assert_int_equal(create(&options), TLEG_ERROR_UNSUPPORTED);
    options = defaults();
    options.gemm = 3;
    assert_int_equal(create(&options), TLEG_ERROR_UNSUPPORTED);
    options.gemm = -1;
    assert_int_equal(create(&options), TLEG_ERROR_UNSUPPORTED);
}

static void a_struct_size_that_is_no_size_is_refused(void **state) {
    (void)state;
    tleg_context_options options = defaults();
    options.struct_size = 0;
    assert_int_equal(create(&options), TLEG_ERROR_ARGUMENT);
    options.struct_size = sizeof(options) - 1;
    assert_int_equal(create(&options), TLEG_ERROR_ARGUMENT);
    options.struct_size = UINT32_MAX; /* an uninitialised variable */
    assert_int_equal(create(&options), TLEG_ERROR_ARGUMENT);
}

static void a_newer_host_may_leave_unknown_options_zero_and_no_more(void **state) {
    (void)state;
    struct {
        tleg_context_options known;
        uint64_t unknown;
    } newer = {.known = {.struct_size = sizeof(newer)}};
    assert_int_equal(create(&newer.known), TLEG_OK);
    newer.unknown = UINT64_C(1) << 63;
    assert_int_equal(create(&newer.known), TLEG_ERROR_UNSUPPORTED);
}

static void every_listed_level_makes_a_context_that_says_so(void **state) {
    (void)state;
    const char *name, *found;
    int32_t level, last = 0;
    assert_int_equal(tleg_cpu_level(0, &name), TLEG_LEVEL_PORTABLE);
    assert_string_equal(name, "portable");
    for (int32_t i = 0; (level = tleg_cpu_level(i, &name)) != 0; i++) {
        assert_true(level > last);
        last = level;
        tleg_context_options options = defaults();
        options.level = level;
        tleg_context *context;
        assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
        assert_int_equal(tleg_context_get_level(context, &found), level);
        assert_string_equal(found, name);
        tleg_context_free(context);
    }
    assert_null(name);
    assert_int_equal(tleg_cpu_level(-1, &name), 0);
    assert_null(name);
    tleg_context *best;
    assert_int_equal(tleg_context_create(NULL, &best), TLEG_OK);
    assert_int_equal(tleg_context_get_level(best, NULL), last);
    tleg_context_free(best);
}

static void levels_that_are_not_listed_are_unsupported(void **state) {
    (void)state;
    for (int32_t level = TLEG_LEVEL_PORTABLE; level <= TLEG_LEVEL_NEON; level++) {
        bool listed = false;
        for (int32_t i = 0, other; (other = tleg_cpu_level(i, NULL)) != 0; i++)
            listed = listed || other == level;
        tleg_context_options options = defaults();
        options.level = level;
        assert_int_equal(create(&options), listed ? TLEG_OK : TLEG_ERROR_UNSUPPORTED);
    }
}

static void all_memory_comes_from_the_host_and_goes_back(void **state) {
    (void)state;
    struct counter counter = {0};
    tleg_context_options options = support_counted(&counter);
    options.workers = 3;
    tleg_context *context;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    assert_true(counter.live > 0);
    tleg_context_free(context);
    assert_int_equal(counter.live, 0);
    assert_int_equal(counter.wrong, 0);
}

static void each_allocation_of_a_context_may_fail(void **state) {
    (void)state;
    for (int64_t k = 1;; k++) {
        struct counter counter = {.fail_at = k};
        tleg_context_options options = support_counted(&counter);
        options.workers = 2;
        const tleg_status status = create(&options);
        assert_int_equal(counter.live, 0);
        if (status == TLEG_OK) {
            assert_true(k > 1);
            return;
        }
        assert_int_equal(status, TLEG_ERROR_MEMORY);
    }
}

/* ---- error texts and the log ---- */

static void an_error_is_kept_with_its_context(void **state) {
    (void)state;
    tleg_context *context;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    assert_int_equal(tleg_fail(context, TLEG_ERROR_FORMAT, "%s: expected %d", "a.tleg", 7), TLEG_ERROR_FORMAT);
    assert_string_equal(tleg_context_get_error(context), "a.tleg: expected 7");
    assert_int_equal(tleg_fail(context, TLEG_ERROR_IO, "open: %s", tleg_context_get_error(context)), TLEG_ERROR_IO);
    assert_string_equal(tleg_context_get_error(context), "open: a.tleg: expected 7");
    assert_int_equal(tleg_fail_memory(context, "weights", 4096), TLEG_ERROR_MEMORY);
    assert_string_equal(tleg_context_get_error(context), "weights: out of memory (4096 bytes)");
    assert_int_equal(tleg_fail(NULL, TLEG_ERROR_IO, "nobody listens"), TLEG_ERROR_IO);
    tleg_context_free(context);
}

static void a_long_error_is_cut_at_a_whole_character(void **state) {
    (void)state;
    static const char *const characters[] = {"x", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x8C\xB1"};
    for (size_t c = 0; c < 4; c++)
        for (size_t shift = 0; shift < 4; shift++) {
            const size_t size = strlen(characters[c]);
            char text[1600] = "";
            memset(text, '.', shift);
            for (size_t at = shift; at + size < sizeof(text); at += size)
                memcpy(text + at, characters[c], size + 1);
            struct tleg_error error;
            tleg_error_set(&error, TLEG_ERROR_IO, "%s", text);
            const size_t length = strlen(error.text);
            assert_true(length > sizeof(error.text) - 1 - size && length < sizeof(error.text));
            assert_int_equal((length - shift) % size, 0);
            assert_int_equal(memcmp(error.text, text, length), 0);
        }
}

static void a_long_error_of_broken_utf8_is_cut_all_the_same(void **state) {
    (void)state;
    char text[1600];
    memset(text, 0x80, sizeof(text) - 1); /* nothing but continuation bytes: a file name may be anything */
    text[sizeof(text) - 1] = '\0';
    struct tleg_error error;
    tleg_error_set(&error, TLEG_ERROR_IO, "%s", text);
    assert_in_range(strlen(error.text), 1, sizeof(error.text) - 1);
}

static void TLEG_CALL keep_note(void *host, const char *text) {
    snprintf(host, 64, "%s", text);
}

static tleg_status TLEG_CALL pool_of_nobody(void *host, int32_t tasks, tleg_task_fn fn, void *arg) {
    (void)host, (void)tasks, (void)fn, (void)arg;
    return TLEG_OK;
}

static void TLEG_CALL release_of_nobody(void *host, void *memory, size_t size, size_t align) {
    (void)host, (void)memory, (void)size, (void)align;
}

static void notes_reach_the_hosts_log(void **state) {
    (void)state;
    char note[64] = "";
    tleg_context_options options = defaults();
    options.log = keep_note;
    options.log_host = note;
    tleg_context *context;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    tleg_log(context, "ignored: %s", "x");
    assert_string_equal(note, "ignored: x");
    assert_string_equal(tleg_context_get_error(context), "");
    tleg_context_free(context);
    tleg_log(NULL, "nobody listens");
}

/* ---- making contexts ---- */

static void a_context_that_cannot_be_made_says_why(void **state) {
    (void)state;
    char text[200];
    const struct {
        tleg_context_options options;
        tleg_status status;
        const char *says;
    } wrong[] = {
        {{.workers = 1000}, TLEG_ERROR_ARGUMENT, "workers: expected 0 to 256, found 1000"},
        {{.level = 99}, TLEG_ERROR_UNSUPPORTED, "level: 99 (unknown)"},
        {{.gemm = 99}, TLEG_ERROR_UNSUPPORTED, "gemm"},
        {{.sgemm = support_sgemm, .sgemm64 = support_sgemm64}, TLEG_ERROR_ARGUMENT, "sgemm and sgemm64 are both given"},
        {{.parallel = pool_of_nobody}, TLEG_ERROR_ARGUMENT, "a pool needs workers"},
        {{.release = release_of_nobody}, TLEG_ERROR_ARGUMENT, "alloc and release"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        tleg_context_options options = wrong[i].options;
        tleg_context *context = (tleg_context *)text;
        options.struct_size = sizeof(options);
        options.error_text = text;
        options.error_text_bytes = sizeof(text);
        assert_int_equal(tleg_context_create(&options, &context), wrong[i].status);
        assert_null(context);
        if (!strstr(text, wrong[i].says))
            fail_msg("\"%s\" does not say \"%s\"", text, wrong[i].says);
        options.error_text_bytes = 9; /* cut, with its end */
        memset(text, 'x', sizeof(text));
        assert_int_equal(tleg_context_create(&options, &context), wrong[i].status);
        assert_int_equal(strlen(text), 8);
        assert_int_equal(text[9], 'x');
    }
    tleg_context_options options = defaults();
    options.error_text = text;
    tleg_context *context;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_ERROR_ARGUMENT); /* no room is given */
    options.error_text_bytes = sizeof(text);
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    assert_string_equal(text, "");
    tleg_context_free(context);
}

/* The same choices and the same threads, and an error of its own; it outlives what it was cloned from. */
static void a_clone_shares_all_but_the_error(void **state) {
    (void)state;
    char note[64] = "";
    tleg_context_options options = defaults();
    options.workers = 3;
    options.level = TLEG_LEVEL_PORTABLE;
    options.log = keep_note;
    options.log_host = note;
    tleg_context *context, *clone;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    tleg_fail(context, TLEG_ERROR_STATE, "the first one's");
    assert_int_equal(tleg_context_clone(context, &clone), TLEG_OK);
    assert_string_equal(tleg_context_get_error(clone), "");
    assert_ptr_equal(clone->team, context->team);
    tleg_fail(clone, TLEG_ERROR_STATE, "the clone's");
    assert_string_equal(tleg_context_get_error(context), "the first one's");
    tleg_context_free(context);
    assert_int_equal(tleg_context_get_level(clone, NULL), TLEG_LEVEL_PORTABLE);
    assert_int_equal(tleg_team_lanes(clone->team), TLEG_THREADS ? 3 : 1);
    tleg_log(clone, "still heard");
    assert_string_equal(note, "still heard");
    assert_string_equal(tleg_context_get_error(clone), "the clone's");
    tleg_context_free(clone);
}

static void the_systems_number_comes_with_its_failures(void **state) {
    (void)state;
    tleg_context_options options = defaults();
    tleg_context *context;
    assert_int_equal(tleg_context_create(&options, &context), TLEG_OK);
    assert_int_equal(tleg_context_get_os_error(context), 0);
    assert_int_equal(tleg_fail_system(context, ENOENT, "no such thing"), TLEG_ERROR_NOT_FOUND);
    assert_int_equal(tleg_context_get_os_error(context), ENOENT);
    assert_int_equal(tleg_fail_system(context, ENOSPC, "full"), TLEG_ERROR_IO);
    assert_int_equal(tleg_context_get_os_error(context), ENOSPC);
    assert_int_equal(tleg_fail(context, TLEG_ERROR_FORMAT, "not the system's"), TLEG_ERROR_FORMAT);
    assert_int_equal(tleg_context_get_os_error(context), 0);
    tleg_context_free(context);
}

static void the_build_names_its_levels(void **state) {
    (void)state;
    const char *name;
    assert_non_null(strstr(tleg_build_info(), "libtleg 0."));
    for (int32_t i = 0; tleg_cpu_level(i, &name) != 0; i++)
        assert_non_null(strstr(tleg_build_info(), name));
}

/* ---- structs that grow ---- */

struct info_now {
    uint32_t struct_size;
    int32_t a, b, c, d, e;
};

static void an_info_is_filled_up_to_the_hosts_size(void **state) {
    (void)state;
    const struct info_now own = {.struct_size = 99, .a = 1, .b = 2, .c = 3};
    struct info_now older = {.struct_size = 16, .d = -1};
    assert_int_equal(tleg_info_write(NULL, "info", &own, sizeof(own), &older, 8), TLEG_OK);
    assert_int_equal(older.struct_size, 16);
    assert_int_equal(older.b, 2);
    assert_int_equal(older.d, -1);
    struct {
        struct info_now now;
        int64_t later;
    } newer = {.now = {.struct_size = sizeof(newer)}, .later = -1};
    assert_int_equal(tleg_info_write(NULL, "info", &own, sizeof(own), &newer, 8), TLEG_OK);
    assert_int_equal(newer.now.c, 3);
    assert_int_equal(newer.later, 0); /* unknown here, so the default */
    older.struct_size = 12;           /* ends inside a member, or between two that came together */
    assert_int_equal(tleg_info_write(NULL, "info", &own, sizeof(own), &older, 8), TLEG_ERROR_ARGUMENT);
    older.struct_size = 4;
    assert_int_equal(tleg_info_write(NULL, "info", &own, sizeof(own), &older, 8), TLEG_ERROR_ARGUMENT);
    older.struct_size = UINT32_MAX;
    assert_int_equal(tleg_info_write(NULL, "info", &own, sizeof(own), &older, 8), TLEG_ERROR_ARGUMENT);
    assert_int_equal(tleg_info_write(NULL, "info", &own, sizeof(own), NULL, 8), TLEG_ERROR_ARGUMENT);
}

static void an_older_hosts_options_are_read_with_defaults_behind(void **state) {
    (void)state;
    tleg_context *context;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    const struct info_now host = {.struct_size = 8, .a = 5, .b = 6};
    struct info_now own = {.c = 7};
    assert_int_equal(tleg_options_read(context, "options", &host, &own, sizeof(own), 8), TLEG_OK);
    assert_int_equal(own.a, 5);
    assert_int_equal(own.b, 0);
    assert_int_equal(own.c, 0);
    assert_int_equal(tleg_options_read(context, "tleg_some_options", NULL, &own, sizeof(own), 8), TLEG_ERROR_ARGUMENT);
    assert_non_null(strstr(tleg_context_get_error(context), "tleg_some_options"));
    tleg_context_free(context);
}

/* ---- sizes and memory ---- */

static void sizes_that_wrap_around_are_refused(void **state) {
    (void)state;
    size_t size;
    assert_true(tleg_size_mul(SIZE_MAX, 1, &size) && size == SIZE_MAX);
    assert_true(tleg_size_mul(SIZE_MAX, 0, &size) && size == 0);
    assert_false(tleg_size_mul(SIZE_MAX / 2 + 1, 2, &size));
    assert_true(tleg_size_add(SIZE_MAX - 1, 1, &size) && size == SIZE_MAX);
    assert_false(tleg_size_add(SIZE_MAX, 1, &size));
    assert_int_equal(tleg_size_align(0), 0);
    assert_int_equal(tleg_size_align(1), 64);
    assert_int_equal(tleg_size_align(64), 64);
    assert_true(tleg_size_align(SIZE_MAX - 62) == SIZE_MAX);
    assert_true(tleg_size_align(SIZE_MAX) == SIZE_MAX);
}

static void shapes_multiply_to_a_count(void **state) {
    (void)state;
    size_t count;
    assert_true(tleg_size_product(NULL, 0, &count) && count == 1);
    assert_true(tleg_size_product((int64_t[]){2, 3, 5}, 3, &count) && count == 30);
    assert_false(tleg_size_product((int64_t[]){2, -3}, 2, &count));
    assert_false(tleg_size_product((int64_t[]){INT64_MAX, 3}, 2, &count));
    assert_true(tleg_size_product((int64_t[]){INT64_MAX, 3, 0}, 3, &count) && count == 0);
    assert_true(tleg_size_product((int64_t[]){0, INT64_MAX, 3}, 3, &count) && count == 0);
    assert_false(tleg_size_product((int64_t[]){0, -1}, 2, &count));
    assert_true(tleg_size_countable(NULL, 0) && tleg_size_countable((int64_t[]){1 << 20, 0, 1 << 20}, 3));
    assert_false(tleg_size_countable((int64_t[]){1 << 20, 0, (1 << 20) + 1}, 3));
    assert_false(tleg_size_countable((int64_t[]){0, INT64_MAX}, 2));
    assert_false(tleg_size_countable((int64_t[]){INT64_MAX, 0}, 2));
    assert_false(tleg_size_countable((int64_t[]){0, -1}, 2));
}

static void memory_is_aligned_and_a_size_of_0_is_some(void **state) {
    (void)state;
    const size_t sizes[] = {0, 1, 63, 64, 65, 4097};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *memory = tleg_alloc_zero(&tleg_default_allocator, sizes[i]);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % TLEG_ALIGN, 0);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(memory[j], 0);
        tleg_release(&tleg_default_allocator, memory, sizes[i]);
    }
    assert_null(tleg_alloc(&tleg_default_allocator, SIZE_MAX));
    tleg_release(&tleg_default_allocator, NULL, 5);
}

/* ---- processor levels ---- */

/* A machine with everything; the bits are those of Intel's manual, vol. 2, CPUID, and vol. 1, 13.3. */
static const struct tleg_cpu_words whole = {
    .leaf1_ecx = 1u << 12 | 1u << 27 | 1u << 28 | 1u << 29,
    .leaf7_ebx = 1u << 5 | 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31,
    .leaf7_edx = 1u << 22 | 1u << 24,
    .leaf7_1_eax = 1u << 5,
    .xcr0 = 0x600E7,
};

static int32_t highest(const struct tleg_cpu_words *words) {
    int32_t level = TLEG_LEVEL_AMX;
    while (!tleg_cpu_words_have(words, level))
        level--;
    return level;
}

static void a_level_needs_the_processor_and_the_system(void **state) {
    (void)state;
    assert_int_equal(highest(&whole), TLEG_LEVEL_AMX);
    struct tleg_cpu_words words = whole;
    words.xcr0 = 0xE7; /* tiles not saved by the system */
    assert_int_equal(highest(&words), TLEG_LEVEL_AVX512BF16);
    words.xcr0 = 0x7; /* AVX-512 announced, but not enabled by the system */
    assert_int_equal(highest(&words), TLEG_LEVEL_AVX2);
    words.xcr0 = 0x67; /* the upper 16 registers are missing */
    assert_int_equal(highest(&words), TLEG_LEVEL_AVX2);
    words.xcr0 = 0x3; /* AVX announced, but not enabled */
    assert_int_equal(highest(&words), TLEG_LEVEL_PORTABLE);
    words = whole;
    words.leaf1_ecx &= ~(1u << 27); /* XCR0 cannot be read */
    assert_int_equal(highest(&words), TLEG_LEVEL_PORTABLE);
    words = whole;
    words.leaf1_ecx &= ~(1u << 12); /* AVX2 without FMA */
    assert_int_equal(highest(&words), TLEG_LEVEL_PORTABLE);
    words = whole;
    words.leaf1_ecx &= ~(1u << 29); /* without F16C */
    assert_int_equal(highest(&words), TLEG_LEVEL_PORTABLE);
    words = whole;
    words.leaf7_ebx &= ~(1u << 31); /* without AVX512VL, as Knights Landing */
    assert_int_equal(highest(&words), TLEG_LEVEL_AVX2);
    words = whole;
    words.leaf7_1_eax = 0;
    assert_int_equal(highest(&words), TLEG_LEVEL_AVX512);
    words = (struct tleg_cpu_words){0};
    assert_int_equal(highest(&words), TLEG_LEVEL_PORTABLE);
    assert_false(tleg_cpu_words_have(&whole, 0));
    assert_false(tleg_cpu_words_have(&whole, 99));
}

#if defined(__x86_64__)
/* What BEST comes to, where a virtual machine, a boot option or an emulator announces more than is enabled. */
static void the_best_level_is_one_that_the_system_enables(void **state) {
    (void)state;
    static const struct {
        uint64_t xcr0;
        int32_t best;
    } systems[] = {
        {0x600E7, TLEG_LEVEL_AMX},        {0x200E7, TLEG_LEVEL_AVX512BF16},
        {0x400E7, TLEG_LEVEL_AVX512BF16},                          /* one of AMX's two states missing */
        {0xE7, TLEG_LEVEL_AVX512BF16},    {0x67, TLEG_LEVEL_AVX2}, /* any one of AVX-512's three missing */
        {0xA7, TLEG_LEVEL_AVX2},          {0xC7, TLEG_LEVEL_AVX2},
        {0x7, TLEG_LEVEL_AVX2},           {0xE3, TLEG_LEVEL_PORTABLE}, /* AVX-512's without AVX's */
        {0x3, TLEG_LEVEL_PORTABLE},       {0x1, TLEG_LEVEL_PORTABLE},
        {0, TLEG_LEVEL_PORTABLE},
    };
    for (size_t i = 0; i < sizeof(systems) / sizeof(systems[0]); i++) {
        struct tleg_cpu_words words = whole;
        words.xcr0 = systems[i].xcr0;
        assert_int_equal(tleg_level_best_of(&words), systems[i].best);
        words.leaf1_ecx &= ~(1u << 27); /* and where XCR0 cannot be read, whatever its value would be */
        assert_int_equal(tleg_level_best_of(&words), TLEG_LEVEL_PORTABLE);
    }
    struct tleg_cpu_words words;
    tleg_cpu_read(&words);
    int32_t best = tleg_level_best_of(&words);
    if (best == TLEG_LEVEL_AMX && !tleg_level_usable(best)) /* not granted to this process */
        best = TLEG_LEVEL_AVX512BF16;
    assert_int_equal(best, tleg_level_best());
}

static void the_compiler_agrees_about_this_machine(void **state) {
    (void)state;
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    assert_int_equal(tleg_cpu_has(TLEG_LEVEL_AVX2), avx2);
    assert_int_equal(tleg_cpu_has(TLEG_LEVEL_AVX512), avx512);
}
#endif

static void levels_have_names(void **state) {
    (void)state;
    assert_string_equal(tleg_level_name(TLEG_LEVEL_AVX512BF16), "avx512bf16");
    assert_string_equal(tleg_level_name(TLEG_LEVEL_NEON), "neon");
    assert_null(tleg_level_name(0));
    assert_null(tleg_level_name(7));
    assert_null(tleg_level_name(-1));
}

static void a_level_includes_those_that_it_adds_to(void **state) {
    (void)state;
    for (int32_t level = TLEG_LEVEL_PORTABLE; tleg_level_name(level); level++) {
        assert_true(tleg_level_includes(level, level));
        assert_true(tleg_level_includes(level, TLEG_LEVEL_PORTABLE));
    }
    assert_true(tleg_level_includes(TLEG_LEVEL_AMX, TLEG_LEVEL_AVX512BF16));
    assert_true(tleg_level_includes(TLEG_LEVEL_AMX, TLEG_LEVEL_AVX2));
    assert_false(tleg_level_includes(TLEG_LEVEL_AVX512, TLEG_LEVEL_AVX512BF16));
    assert_false(tleg_level_includes(TLEG_LEVEL_NEON, TLEG_LEVEL_AVX2)); /* a chain, and not an order of numbers */
    assert_false(tleg_level_includes(0, TLEG_LEVEL_PORTABLE));
    assert_false(tleg_level_includes(1000, 1000));
}

/* ---- random numbers ---- */

static void the_generator_is_xoshiro256starstar(void **state) {
    (void)state;
    /* the first outputs of the authors' C code from the state 1, 2, 3, 4 */
    static const uint64_t expected[] = {11520,
                                        0,
                                        1509978240,
                                        UINT64_C(1215971899390074240),
                                        UINT64_C(1216172134540287360),
                                        UINT64_C(607988272756665600),
                                        UINT64_C(16172922978634559625),
                                        UINT64_C(8476171486693032832)};
    struct tleg_random random = {{1, 2, 3, 4}};
    for (int i = 0; i < 8; i++)
        assert_true(tleg_random_next(&random) == expected[i]);
}

static void seeds_and_streams_give_different_numbers(void **state) {
    (void)state;
    static const uint64_t pairs[][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 2}, {2, 1}, {UINT64_MAX, 0}, {0, UINT64_MAX}};
    uint64_t first[8];
    for (int i = 0; i < 8; i++) {
        struct tleg_random random;
        tleg_random_seed(&random, pairs[i][0], pairs[i][1]);
        first[i] = tleg_random_next(&random);
        for (int j = 0; j < i; j++)
            assert_true(first[i] != first[j]);
        tleg_random_seed(&random, pairs[i][0], pairs[i][1]);
        assert_true(tleg_random_next(&random) == first[i]);
    }
}

static void uniform_numbers_fill_the_unit_interval(void **state) {
    (void)state;
    struct tleg_random random;
    tleg_random_seed(&random, 1, 2);
    int bins[10] = {0};
    for (int i = 0; i < 100000; i++) {
        const double u = tleg_random_uniform(&random);
        assert_true(u >= 0 && u < 1);
        bins[(int)(u * 10)]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(bins[i], 9600, 10400); /* 4 standard deviations of 95 */
}

static void normal_numbers_follow_the_normal_distribution(void **state) {
    (void)state;
    const int count = 200000;
    struct tleg_random random;
    tleg_random_seed(&random, 3, 4);
    double sum = 0, squares = 0;
    int below[5] = {0}; /* -1.5, -0.5, 0.25, 1, 2 */
    static const double edges[5] = {-1.5, -0.5, 0.25, 1, 2};
    for (int i = 0; i < count; i++) {
        const double x = tleg_random_normal(&random, 40);
        sum += x;
        squares += x * x;
        for (int j = 0; j < 5; j++)
            below[j] += x < edges[j];
    }
    assert_true(fabs(sum / count) < 5 / sqrt(count));
    assert_true(fabs(squares / count - 1) < 5 * sqrt(2.0 / count));
    for (int j = 0; j < 5; j++)
        assert_true(fabs((double)below[j] / count - erfc(-edges[j] / sqrt(2)) / 2) < 5 * 0.5 / sqrt(count));
}

static void normal_numbers_are_cut_at_the_limit(void **state) {
    (void)state;
    struct tleg_random random;
    tleg_random_seed(&random, 5, 6);
    double squares = 0, largest = 0;
    for (int i = 0; i < 100000; i++) {
        const double x = tleg_random_normal(&random, 2);
        squares += x * x;
        largest = fmax(largest, fabs(x));
    }
    assert_true(largest <= 2 && largest > 1.99);
    assert_true(fabs(squares / 100000 - 0.7737) < 0.02); /* 1 - 4 phi(2) / (2 Phi(2) - 1) */
    assert_true(tleg_random_normal(&random, 0) == 0);
    assert_true(tleg_random_normal(&random, NAN) == 0);
}

/* The first numbers as Python gives them (splitmix64, xoshiro256**, math.log), then the polar method over again with libm's
 * logarithm: either may differ in the last bits. */
static void normal_numbers_agree_with_the_textbook(void **state) {
    (void)state;
    static const double python[] = {0.09460188350388975,  -1.4722466896780766, -0.7126334837381684, 0.20696661004617006,
                                    -0.40622028876892124, -1.1844725170664852, -0.6683818674316947, -1.348313166222193};
    struct tleg_random random, other;
    tleg_random_seed(&random, 7, 8);
    for (int i = 0; i < 8; i++)
        assert_true(fabs(tleg_random_normal(&random, 40) - python[i]) <= 1e-14 * fabs(python[i]));
    other = random;
    for (int i = 0; i < 20000; i++) {
        double u, v, s;
        do {
            u = 2 * tleg_random_uniform(&other) - 1;
            v = 2 * tleg_random_uniform(&other) - 1;
            s = u * u + v * v;
        } while (s >= 1 || s == 0);
        const double expected = u * sqrt(-2 * log(s) / s);
        assert_true(fabs(tleg_random_normal(&random, 40) - expected) <= 1e-14 * fabs(expected));
    }
}

static void normal_numbers_are_the_same_bits_everywhere(void **state) {
    (void)state;
    static const double expected[] = {-0x1.64947109c9997p-2, -0x1.bf9c08e4bf6fbp-2, -0x1.7a367358225ecp-2,
                                      -0x1.255a430f53043p+0};
    struct tleg_random random;
    tleg_random_seed(&random, 42, 1);
    for (int i = 0; i < 4; i++)
        assert_true(tleg_random_normal(&random, 2) == expected[i]);
}

/* ---- functions that give the same bits everywhere ---- */

static void portable_functions_are_as_close_as_libms(void **state) {
    (void)state;
    struct tleg_random random;
    tleg_random_seed(&random, 9, 1);
    for (int i = 0; i < 100000; i++) {
        const double x = (tleg_random_uniform(&random) - 0.5) * 100, e = exp(x);
        assert_true(fabs(tleg_portable_exp(x) - e) <= 4e-16 * e);
        assert_true(fabs(tleg_portable_log(e) - log(e)) <= 1e-15 * fabs(x));
        assert_true(fabs(tleg_portable_sin(x) - sin(x)) <= 3e-16);
        assert_true(fabs(tleg_portable_cos(x) - cos(x)) <= 3e-16);
    }
}

static void portable_functions_at_their_ends(void **state) {
    (void)state;
    assert_true(tleg_portable_exp(0) == 1 && tleg_portable_exp(-1e300) == 0 && tleg_portable_exp(1e300) == INFINITY);
    assert_true(fabs(tleg_portable_exp(-708) / exp(-708) - 1) < 4e-16 && fabs(tleg_portable_exp(709) / exp(709) - 1) < 4e-16);
    assert_true(tleg_portable_log(1) == 0 && fabs(tleg_portable_log(0x1p-1022) + 708.39641853226408) < 1e-12);
    assert_true(tleg_portable_sin(0) == 0 && tleg_portable_cos(0) == 1);
}

static void lists_of_words_are_searched_whole_or_by_their_beginnings(void **state) {
    (void)state;
    static const char list[] = "ab a.  abc"; /* a blank too many is no word */
    assert_true(tleg_list_has(list, "ab", 2) && tleg_list_has(list, "abc", 3) && tleg_list_has(list, "abcd", 3));
    assert_false(tleg_list_has(list, "a", 1) || tleg_list_has(list, "", 0) || tleg_list_has("", "a", 1));
    assert_true(tleg_list_begins(list, "a.b") && tleg_list_begins(list, "abx"));
    assert_false(tleg_list_begins(list, "a") || tleg_list_begins(list, "") || tleg_list_begins(list, "x") ||
                 tleg_list_begins("", "x"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_words_are_searched_whole_or_by_their_beginnings),
        cmocka_unit_test(the_running_version_is_that_of_the_headers),
        cmocka_unit_test(every_status_has_its_name_and_others_are_unknown),
        cmocka_unit_test(defaults_make_a_context_without_options),
        cmocka_unit_test(null_pointers_are_refused_not_followed),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(a_struct_size_that_is_no_size_is_refused),
        cmocka_unit_test(a_newer_host_may_leave_unknown_options_zero_and_no_more),
        cmocka_unit_test(every_listed_level_makes_a_context_that_says_so),
        cmocka_unit_test(levels_that_are_not_listed_are_unsupported),
        cmocka_unit_test(all_memory_comes_from_the_host_and_goes_back),
        cmocka_unit_test(each_allocation_of_a_context_may_fail),
        cmocka_unit_test(an_error_is_kept_with_its_context),
        cmocka_unit_test(a_long_error_is_cut_at_a_whole_character),
        cmocka_unit_test(a_long_error_of_broken_utf8_is_cut_all_the_same),
        cmocka_unit_test(notes_reach_the_hosts_log),
        cmocka_unit_test(a_context_that_cannot_be_made_says_why),
        cmocka_unit_test(a_clone_shares_all_but_the_error),
        cmocka_unit_test(the_systems_number_comes_with_its_failures),
        cmocka_unit_test(the_build_names_its_levels),
        cmocka_unit_test(an_info_is_filled_up_to_the_hosts_size),
        cmocka_unit_test(an_older_hosts_options_are_read_with_defaults_behind),
        cmocka_unit_test(sizes_that_wrap_around_are_refused),
        cmocka_unit_test(shapes_multiply_to_a_count),
        cmocka_unit_test(memory_is_aligned_and_a_size_of_0_is_some),
        cmocka_unit_test(a_level_needs_the_processor_and_the_system),
#if defined(__x86_64__)
        cmocka_unit_test(the_best_level_is_one_that_the_system_enables),
        cmocka_unit_test(the_compiler_agrees_about_this_machine),
#endif
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test(a_level_includes_those_that_it_adds_to),
        cmocka_unit_test(the_generator_is_xoshiro256starstar),
        cmocka_unit_test(seeds_and_streams_give_different_numbers),
        cmocka_unit_test(uniform_numbers_fill_the_unit_interval),
        cmocka_unit_test(normal_numbers_follow_the_normal_distribution),
        cmocka_unit_test(normal_numbers_are_cut_at_the_limit),
        cmocka_unit_test(normal_numbers_agree_with_the_textbook),
        cmocka_unit_test(normal_numbers_are_the_same_bits_everywhere),
        cmocka_unit_test(portable_functions_are_as_close_as_libms),
        cmocka_unit_test(portable_functions_at_their_ends),
    };
    return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
