/* A host in another country: decimal commas, another decimal sign altogether, letters that change case otherwise. The locales
 * are made here, in a scratch directory, where the C library's sources for them are installed. */
#define _GNU_SOURCE /* newlocale, uselocale */
#include "contract/guest.h"

#include <locale.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct backend backends[MAX_BACKENDS];
static int32_t backend_count;

struct place {
    const char *source, *name, *decimal;
    bool made;
};
static struct place places[] = {
    {"de_DE", "de_DE.UTF-8", ",", false},
    {"ps_AF", "ps_AF.UTF-8", "\xD9\xAB", false}, /* ARABIC DECIMAL SEPARATOR */
    {"tr_TR", "tr_TR.UTF-8", ",", false},        /* a large i has a dot */
};
enum { PLACES = sizeof(places) / sizeof(places[0]) };

static char directory[256];

/* glibc's newlocale leaks its copy of LOCPATH. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:argz_add_sep\n";
}

/* Makes what can be made; localedef is the C library's own tool. */
static void make_places(void) {
    char command[768];
    snprintf(directory, sizeof(directory), "/tmp/tleg-locale-XXXXXX");
    assert_non_null(mkdtemp(directory));
    setenv("LOCPATH", directory, 1);
    for (int i = 0; i < PLACES; i++) {
        snprintf(command, sizeof(command), "localedef -i %s -f UTF-8 %s/%s >/dev/null 2>&1", places[i].source, directory,
                 places[i].name);
        (void)!system(command); /* warnings count as failures there: what matters is whether the locale can be had */
        places[i].made = setlocale(LC_ALL, places[i].name) && strcmp(localeconv()->decimal_point, places[i].decimal) == 0;
        setlocale(LC_ALL, "C");
    }
}

/* What a walk gives where `enter` has been. */
static uint64_t digest_here(const char *decimal) {
    char text[32];
    snprintf(text, sizeof(text), "%.1f", 0.5);
    assert_memory_equal(text + 1, decimal, strlen(decimal)); /* the locale is in force */
    return guest_digest(&backends[0], 3);
}

static void the_walk_is_the_same_in_every_locale(void **state) {
    (void)state;
    const uint64_t plain = digest_here(".");
    int seen = 0;
    for (int i = 0; i < PLACES; i++) {
        if (!places[i].made) {
            SKIP_PART("%s is not installed and could not be made with localedef", places[i].name);
            continue;
        }
        char before[256];
        assert_non_null(setlocale(LC_ALL, places[i].name));
        snprintf(before, sizeof(before), "%s", setlocale(LC_ALL, NULL));
        const uint64_t here = digest_here(places[i].decimal);
        assert_string_equal(setlocale(LC_ALL, NULL), before);
        assert_non_null(setlocale(LC_ALL, "C"));
        if (here != plain)
            fail_msg("%s: results or files differ from those in C", places[i].name);
        seen++;
    }
    if (seen == 0)
        SKIP("no other locale is installed");
}

/* A server gives each thread the locale of its client. */
static void the_walk_is_the_same_in_a_threads_own_locale(void **state) {
    (void)state;
    const uint64_t plain = digest_here(".");
    if (!places[0].made)
        SKIP("the German locale is not installed and could not be made with localedef");
    locale_t german = newlocale(LC_ALL_MASK, places[0].name, (locale_t)0);
    assert_true(german != (locale_t)0);
    const locale_t former = uselocale(german);
    const uint64_t here = digest_here(",");
    assert_true(uselocale(former) == german); /* still in force after the walk */
    freelocale(german);
    assert_true(here == plain);
}

static const char *open_text(tleg_context *context, const char *path) {
    tleg_learngene *gene = NULL;
    assert_int_not_equal(tleg_learngene_open(context, path, NULL, &gene), TLEG_OK);
    return tleg_context_get_error(context);
}

/* Numbers in metadata are what they are, and a comma is no decimal point, wherever the host is. */
static void numbers_in_files_have_points(void **state) {
    (void)state;
    static const char *const kept[] = {"tleg.heads",   "3",        "tleg.crop",  "0.875", "tleg.mean",
                                       "0.1,0.25,0.5", "tleg.std", "0.3,0.2,0.7"};
    static const char *const refused[] = {"tleg.heads", "3", "tleg.crop", "0,875"};
    char texts[2][512];
    tleg_context *context = NULL;
    tleg_file *file = NULL;
    assert_int_equal(tleg_context_create(NULL, &context), TLEG_OK);
    OK(context, tleg_file_open(context, support_path("mean", ".gene.safetensors"), NULL, &file));
    enum { MOST = 64 };
    const char *names[MOST];
    tleg_tensor *tensors[MOST];
    const int64_t count = tleg_file_get_tensor_count(file);
    assert_in_range(count, 1, MOST);
    for (int64_t i = 0; i < count; i++) {
        names[i] = tleg_file_get_tensor_name(file, i);
        OK(context, tleg_file_read_tensor(context, file, names[i], &tensors[i]));
    }
    for (int round = 0; round < 2; round++) {
        tleg_learngene *gene = NULL;
        tleg_config config = {.struct_size = sizeof(config)};
        const char *good = support_scratch("good.safetensors"), *bad = support_scratch("bad.safetensors");
        if (round == 1 && (!places[0].made || !setlocale(LC_ALL, places[0].name)))
            continue;
        OK(context, tleg_file_save(context, good, count, names, (const tleg_tensor *const *)tensors, SAVE_WITH(4, kept)));
        OK(context, tleg_file_save(context, bad, count, names, (const tleg_tensor *const *)tensors, SAVE_WITH(2, refused)));
        OK(context, tleg_learngene_open(context, good, NULL, &gene));
        OK(context, tleg_learngene_get_info(context, gene, &config));
        assert_true(config.crop == 0.875 && config.mean[1] == 0.25 && config.std[0] == 0.3);
        tleg_learngene_free(gene);
        snprintf(texts[round], sizeof(texts[round]), "%s", open_text(context, bad));
        if (round == 1)
            assert_string_equal(texts[0], texts[1]);
    }
    setlocale(LC_ALL, "C");
    for (int64_t i = 0; i < count; i++)
        tleg_tensor_free(tensors[i]);
    tleg_file_free(file);
    tleg_context_free(context);
}

static int prepare(void **state) {
    (void)state;
    backend_count = support_backends(backends);
    make_places();
    return backend_count > 0 ? 0 : 1;
}

static int clean(void **state) {
    char command[512];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    support_clean(NULL);
    return system(command);
}

int main(int argc, char **argv) {
    support_filter(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_walk_is_the_same_in_every_locale),
        cmocka_unit_test(the_walk_is_the_same_in_a_threads_own_locale),
        cmocka_unit_test(numbers_in_files_have_points),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
