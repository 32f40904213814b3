/* What the files of the configuration share with each other: texts measured before they are written, and ranges. */
#ifndef TLEG_LIB_VIT_PARTS_H
#define TLEG_LIB_VIT_PARTS_H

#include "vit/config.h"

/* ---- texts that are measured first, then written ---- */
struct tleg_text {
    char *out; /* NULL: measure only */
    size_t length;
};
static inline void tleg_text_byte(struct tleg_text *text, char byte) {
    if (text->out)
        text->out[text->length] = byte;
    text->length++;
}
static inline void tleg_text_put(struct tleg_text *text, const char *string) {
    while (*string)
        tleg_text_byte(text, *string++);
}
void tleg_text_integer(struct tleg_text *text, int32_t value); /* value >= 0 */

/* ---- the texts of a configuration, copied into memory of its own (config_text.c) ---- */
struct tleg_config_texts {
    const char *const *labels; /* label_count of them, or NULL */
    const char *const *ignored;
    const char *schedule;
    int32_t label_count;
    int64_t ignored_count;
};
/* Copies the texts and points config->c at the copies; config->allocator is set, and config->texts is NULL. */
tleg_status tleg_config_set_texts(tleg_context *context, struct tleg_vit_config *config, const struct tleg_config_texts *texts);

/* ---- what is sane (config.c): every product of these sizes fits in 63 bits with room for the batch ---- */
enum {
    TLEG_MAX_IMAGE = 16384,
    TLEG_MAX_DIM = 65536,
    TLEG_MAX_HIDDEN = 262144,
    TLEG_MAX_CLASSES = 1048576,
    TLEG_MAX_GRID = 1024 /* patches along a side */
};
/* The defaults that do not depend on a file. */
double tleg_default_crop(int32_t image_size);
void tleg_default_colours(double mean[3], double std[3]);

#endif
