/* A text beside the weights (config.json and its like), and what is said of it as the rules "tleg.KEY = VALUE". */
#ifndef TLEG_LIB_BESIDE_H
#define TLEG_LIB_BESIDE_H

#include "config/text.h"
#include "names/private.h"

struct tleg_beside {
    tleg_context *context;
    const char *label, *name; /* of the file and of the text, for errors */
    const struct tleg_json *json;
    struct tleg_text text; /* the rules, measured first */
    const struct tleg_names_facts *facts;
    const tleg_file *file;
    size_t root; /* the object that is read, where it is not the whole text */
};
enum { TLEG_BESIDE_ROOT = 0, TLEG_BESIDE_WORD = 64 };

/* ---- beside.c: members of an object ---- */
/* FORMAT names the text. */
tleg_status tleg_beside_parse(const struct tleg_beside *reader, const char *name, const char *text, struct tleg_json *json);
/* The value of a member, or a token of kind NONE. */
size_t tleg_beside_member(const struct tleg_beside *reader, size_t object, const char *key);
bool tleg_beside_has(const struct tleg_beside *reader, size_t token); /* it is there, and not null */
bool tleg_beside_has_member(const struct tleg_beside *reader, size_t object, const char *key);
bool tleg_beside_is(const struct tleg_beside *reader, size_t object, const char *key, enum tleg_json_kind kind);
/* A number; *found is false when the member is absent. FORMAT when it is something else, as below. */
tleg_status tleg_beside_number(const struct tleg_beside *reader, size_t object, const char *key, bool *found, double *value);
/* Of 0 or more; *value stays as it is when the member is absent or a list. */
tleg_status tleg_beside_integer(const struct tleg_beside *reader, size_t object, const char *key, int64_t *value);
/* A short text, or "" when the member is absent or something else. */
const char *tleg_beside_word(const struct tleg_beside *reader, size_t object, const char *key, char out[TLEG_BESIDE_WORD]);
/* A height and a width: a list of two, or one number for both. False when it is neither. */
bool tleg_beside_pair(const struct tleg_beside *reader, size_t token, int64_t *height, int64_t *width);

/* ---- rules ---- */
void tleg_beside_put(struct tleg_beside *reader, const char *key, const char *value);
void tleg_beside_put_number(struct tleg_beside *reader, const char *key, double value);
void tleg_beside_put_integer(struct tleg_beside *reader, const char *key, int64_t value);
void tleg_beside_put_extent(struct tleg_beside *reader, const char *key, int64_t height, int64_t width); /* 224, or 224x128 */
/* Of a member, if it is there. */
tleg_status tleg_beside_pass_number(struct tleg_beside *reader, size_t object, const char *from, const char *key);
/* One of `words`, which stand in pairs, theirs and ours (NULL: nothing is put), up to {NULL, NULL}: UNSUPPORTED names another;
 * or up to ANY, by which another stays as it is: whoever reads the key refuses it, or the host says another. */
tleg_status tleg_beside_pass_word(struct tleg_beside *reader, size_t object, const char *from, const char *key,
                                  const char *const (*words)[2]);
#define TLEG_BESIDE_ANY                                                                                                        \
    { NULL, "" }
/* Mean and std, members of these names: three numbers or one, of pictures whose pixels are taken times `factor` rather than
 * / 255. */
tleg_status tleg_beside_pass_colours(struct tleg_beside *reader, size_t object, const char *mean, const char *std,
                                     double factor);

/* ---- held.c: what configurations of all kinds say of the weights ---- */
/* Hugging Face's id2label and timm's label_names: an object of numbers and names, or a list of names. Those that say nothing
 * (LABEL_0) are left out. So are, unless `all`, those of another number of classes, which nobody set. */
tleg_status tleg_beside_pass_labels(struct tleg_beside *reader, size_t object, const char *key, bool all);
/* FORMAT where a member is another number than the weights have; 0: either is not known. */
tleg_status tleg_beside_hold(const struct tleg_beside *reader, size_t object, const char *key, int64_t weights);
/* Whether a position embedding of so many rows may be that of such pictures: all tokens before the patches may have a row, or
 * all but the registers, or none. */
bool tleg_beside_fits_rows(const struct tleg_names_facts *facts, int64_t height, int64_t width);
/* Pictures of this size, where there is no position embedding or they fit it. */
void tleg_beside_put_image(struct tleg_beside *reader, int64_t height, int64_t width);
/* For tleg_beside_pass_word. */
extern const char *const tleg_beside_activations[][2], *const tleg_beside_filters[][2];

/* ---- timm.c ---- */
tleg_status tleg_beside_timm(struct tleg_beside *reader);
/* A tower of OpenCLIP that is one of timm's: what its name tells, and the pool that OpenCLIP gives it. quick_gelu is not for
 * it. */
tleg_status tleg_beside_timm_tower(struct tleg_beside *reader, size_t tower, const char *name);

/* ---- processor.c: the image processor at `root` ---- */
tleg_status tleg_beside_pictures(struct tleg_beside *reader);

#endif
