/* Reading a configuration from a file, between the files of this room. */
#ifndef TLEG_LIB_VIT_READ_PRIVATE_H
#define TLEG_LIB_VIT_READ_PRIVATE_H

#include "config/learned.h"
#include "config/schedule.h"
#include "vit/read/read.h"

/* The configuration under way. Each step reads what it needs of those before it. */
struct tleg_config_reader {
    tleg_context *context;
    const tleg_file *file;
    const char *label;              /* the file, for errors */
    bool gene;                      /* what the file must be */
    const tleg_open_options *asked; /* the caller's: what the file does not say */
    struct tleg_schedule schedule;  /* of a learngene */
    bool computed;                  /* a model's positions, which the file does not hold */
    tleg_config *c;
};

/* ---- keys (keys.c) ---- */
/* "FILE: KEY" as the start of an error, cut where an error would be. */
enum { TLEG_WHAT_TEXT = 1020 };
void tleg_read_what(const struct tleg_config_reader *reader, const char *key, char text[TLEG_WHAT_TEXT]);
/* Notes those among them that this version does not know: mistyped, or of a later one. */
void tleg_read_note_keys(const struct tleg_config_reader *reader);
/* What the words of tleg.needs say, in the order in which they are written. */
enum tleg_need {
    TLEG_NEED_ACTIVATION,  /* tleg.activation is not GELU, of a generator GELU with tanh */
    TLEG_NEED_BRANCH_NORM, /* tleg.branch_norm is not "before" */
    TLEG_NEED_ROTARY,      /* there is tleg.rotary */
    TLEG_NEED_POOL_HEADS,  /* attention pooling has other heads than the blocks */
    TLEG_NEED_PIXEL_NORM,  /* there is tleg.pixel_norm */
    TLEG_NEEDS
};
extern const char *const tleg_need_words[TLEG_NEEDS];
/* UNSUPPORTED names a word of tleg.needs that this version does not know. */
tleg_status tleg_read_needs(struct tleg_config_reader *reader);
/* *value stays as it is, and *found is false, when the key is absent. FORMAT names the key. */
tleg_status tleg_read_integer(const struct tleg_config_reader *reader, const char *key, int32_t most, bool *found,
                              int32_t *value);
/* Likewise a height and a width of pixels with an x between them, or one number for both. */
tleg_status tleg_read_extent(const struct tleg_config_reader *reader, const char *key, bool *found, struct tleg_extent *value);
/* Whether the key's value is "?", by which rules for names leave it to whoever opens the file. */
bool tleg_read_asks(const struct tleg_config_reader *reader, const char *key);
/* 1, 2, ...: which of `words`, which NULL ends, is the key's value; 0 when it is absent. UNSUPPORTED names another. */
tleg_status tleg_read_word(const struct tleg_config_reader *reader, const char *key, const char *const *words, int32_t *value);
/* tleg.eps, tleg.mean, tleg.std, tleg.crop, tleg.interpolation and tleg.fit, or their defaults. */
tleg_status tleg_read_numbers(const struct tleg_config_reader *reader);
/* tleg.labels into one memory: the pointers, then the texts; NULL when the key is absent. */
tleg_status tleg_read_labels(const struct tleg_config_reader *reader, void **memory, size_t *bytes);

/* tleg.depths and tleg.scores, or none. */
tleg_status tleg_read_learned(const struct tleg_config_reader *reader, struct tleg_learned *learned);

/* ---- pictures and patches (grid.c) ---- */
/* How large pictures are, which tokens have no place, and whether positions are computed. */
tleg_status tleg_read_image(struct tleg_config_reader *reader);
/* What the host says of pictures; zeros where it says nothing, or what makes no sense, which is refused later. */
struct tleg_preparation_options tleg_read_asked_pictures(const struct tleg_config_reader *reader);

/* ---- layers (layers.c) ---- */
/* A model's depth, or a learngene's schedule. */
tleg_status tleg_read_layers(struct tleg_config_reader *reader);

/* ---- what only generators have (drawing.c) ---- */
/* y_embedder's labels, and how many numbers final_layer gives for a patch. */
tleg_status tleg_read_drawing(struct tleg_config_reader *reader);

/* ---- tensors (tensors.c) ---- */
/* The tensor `name` of floating type and rank `rank`, no size being 0. FORMAT or UNSUPPORTED names it, what was expected and
 * what was found, and for a missing one the likeliest that is there. */
tleg_status tleg_read_need(const struct tleg_config_reader *reader, const char *name, int32_t rank,
                           const struct tleg_entry **entry);
/* UNSUPPORTED names a tensor of another architecture, which would change what the model computes. */
tleg_status tleg_read_plain(struct tleg_config_reader *reader);
/* Whether `name`, after "blocks.N", is ".SITE.weight", ".SITE.bias" or ".SITE.gamma". */
bool tleg_read_is_of_site(const char *name);
/* Whether the file has a tensor. */
bool tleg_read_has(const struct tleg_config_reader *reader, const char *name);
/* tleg.rotary, or NULL where there is none or it says so. */
const char *tleg_read_rotary(const struct tleg_config_reader *reader);
/* Whether a name begins with `prefix` and, if `part` is not NULL, holds `part` after it; *name is one that does. */
bool tleg_read_any(const struct tleg_config_reader *reader, const char *prefix, const char *part, const char **name);
/* Checks that every tensor of the configuration is there with its shape; counts parameters, sets dtype, and lists the other
 * tensors: *ignored holds c->ignored_count names (NULL for none), *bytes of memory. */
tleg_status tleg_read_tensors(const struct tleg_config_reader *reader, const char ***ignored, size_t *bytes);

/* ---- what is not read (leftover.c) ---- */
/* Of `count` entries those that are not `used`. UNSUPPORTED when the answers may depend on one. Else notes it: *ignored holds
 * the names (NULL for none), *bytes of memory, and c->ignored_count how many. */
tleg_status tleg_read_leftover(const struct tleg_config_reader *reader, const struct tleg_entry *entries,
                               const unsigned char *used, int64_t count, const char ***ignored, size_t *bytes);

#endif
