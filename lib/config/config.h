/* The configuration of a Vision Transformer, checked, with the texts that it carries. */
#ifndef TLEG_LIB_CONFIG_CONFIG_H
#define TLEG_LIB_CONFIG_CONFIG_H

#include "config/limits.h"
#include "config/spec.h"
#include "format/format.h"

/* A configuration with its texts (labels, schedule, ignored names) and tables, which `c` points at. */
struct tleg_vit_config {
    struct tleg_allocator allocator;
    tleg_config c;                 /* every default filled in; labels NULL when there are none, schedule "" when plain */
    const struct tleg_pair *pairs; /* what its file said beside the keys of the format itself: "license", "author" */
    int64_t pair_count;
    void *texts;
    size_t text_bytes;
};

/* Checks a host's configuration and fills in the defaults. ARGUMENT names the member, what was expected and found. */
tleg_status tleg_config_check(tleg_context *context, const tleg_config *host, struct tleg_vit_config *config);
/* What a host asks of another size of pictures, a `width` of 0 being as high, both 0 as it is; ARGUMENT begins with `what`. */
tleg_status tleg_config_resize(tleg_context *context, const char *what, int32_t height, int32_t width, tleg_config *config);
tleg_status tleg_config_copy(tleg_context *context, const struct tleg_vit_config *from, struct tleg_vit_config *to);
/* What that allocates: less than the source's text_bytes where of its scores one was kept. */
size_t tleg_config_copy_bytes(const struct tleg_vit_config *config);
void tleg_config_free(struct tleg_vit_config *config); /* zeroed is allowed */

/* ---- the texts of a configuration, copied into memory of its own (texts.c) ---- */
struct tleg_config_texts {
    const char *const *labels; /* label_count of them, or NULL */
    const char *const *ignored;
    const char *schedule;
    int32_t label_count;
    int64_t ignored_count;
    const struct tleg_pair *pairs; /* of these, those that a host is free to choose are kept */
    int64_t pair_count;
    const int32_t *depths; /* depth_count of them, or NULL */
    int32_t depth_count;
    const tleg_scores *scores; /* NULL, or of count 0: none */
};
/* A class name, or NULL. */
const char *tleg_config_label(const tleg_config *config, int32_t index);
/* The value of a key that was kept; NULL when there is none. */
const char *tleg_config_pair(const struct tleg_vit_config *config, const char *key);
/* Copies the texts and points config at the copies; config->allocator is set, and config->texts is NULL. */
tleg_status tleg_config_set_texts(tleg_context *context, struct tleg_vit_config *config, const struct tleg_config_texts *texts);
/* Leaves the score of one depth alone, or none; its memory stays as large as it is. */
void tleg_config_keep_score(struct tleg_vit_config *config, int32_t depth);

#endif
