/* What the suites about configurations from files share: a file made in memory, read, and what it is refused with. */
#ifndef TLEG_TESTS_CONFIG_READING_H
#define TLEG_TESTS_CONFIG_READING_H

#include "support/support.h"
#include "support/vit_file.h"
#include "vit/read/read.h"

static tleg_context *context;

static inline int setup(void **state) {
    (void)state;
    return tleg_context_create(NULL, &context);
}

static inline int teardown(void **state) {
    (void)state;
    tleg_context_free(context);
    return 0;
}

static inline tleg_status read_with(tleg_context *with, const struct vit_file *made, int32_t heads, bool gene,
                                    struct tleg_vit_config *config) {
    size_t size;
    unsigned char *bytes = vit_bytes(made, &size);
    tleg_file *file = NULL, *bare = NULL;
    memset(config, 0, sizeof *config);
    tleg_status status = tleg_file_parse(with, bytes, size, &file);
    if (status == TLEG_OK)
        status = tleg_config_unwrap(with, file, &bare);
    if (status == TLEG_OK)
        status = tleg_config_read(with, bare, &(tleg_open_options){.heads = heads}, gene, config);
    tleg_file_free(bare);
    tleg_file_free(file);
    free(bytes);
    return status;
}

static inline void read_good(const struct vit_file *made, int32_t heads, bool gene, struct tleg_vit_config *config) {
    OK(context, read_with(context, made, heads, gene, config));
}

static inline void must_say(const char *text, const char *const says[3]) {
    for (int k = 0; k < 3; k++)
        if (says[k] && !strstr(text, says[k])) {
            print_error("expected \"%s\" in: %s\n", says[k], text);
            fail();
        }
}

/* A file with one fault gives its status and words, and leaves the configuration empty. */
static inline void must_refuse(const struct vit_file *made, const struct vit_fault *fault, int32_t heads, bool gene) {
    static const struct tleg_vit_config empty;
    struct tleg_vit_config config;
    const tleg_status status = read_with(context, made, heads, gene, &config);
    const tleg_status expected = fault->status ? fault->status : TLEG_ERROR_FORMAT;
    if (status != expected) {
        print_error("%c %s %s: status %d, %s\n", fault->edit, fault->a, fault->b ? fault->b : "", status,
                    tleg_context_get_error(context));
        fail();
    }
    must_say(tleg_context_get_error(context), fault->says);
    assert_non_null(strstr(tleg_context_get_error(context), "(memory)")); /* the file */
    assert_memory_equal(&config, &empty, sizeof config);
}

#endif
