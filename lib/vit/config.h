/* The configuration of a Vision Transformer: checked, inferred from a file, written as metadata; and the names and shapes
 * that follow from it. */
#ifndef TLEG_LIB_VIT_CONFIG_H
#define TLEG_LIB_VIT_CONFIG_H

#include "format/format.h"
#include <tleg/config.h>

/* The parts of a block that are expanded, in the order of the schedule's documentation. */
enum tleg_site { TLEG_NO_SITE = -1, TLEG_NORM1 = 0, TLEG_NORM2, TLEG_QKV, TLEG_PROJ, TLEG_FC1, TLEG_FC2, TLEG_SITES };
const char *tleg_site_key(enum tleg_site site);  /* in a schedule: "norm1", "qkv", ... */
const char *tleg_site_name(enum tleg_site site); /* in tensor names: "norm1", "attn.qkv", "mlp.fc1", ... */

/* A configuration with its texts (labels, schedule, ignored names), which `c` points at. */
struct tleg_vit_config {
    struct tleg_allocator allocator;
    tleg_config c; /* every default filled in; labels NULL when there are none, schedule "" when plain */
    void *texts;
    size_t text_bytes;
};

/* Checks a host's configuration and fills in the defaults. ARGUMENT names the member, what was expected and found. */
tleg_status tleg_config_check(tleg_context *context, const tleg_config *host, struct tleg_vit_config *config);
/* From a file's metadata, names and shapes, whichever it holds; heads 0: as the file says. FORMAT names the key or tensor.
 * A learngene where `gene` is false, or a model where it is true, is FORMAT too, with what it is. Fills everything, ignored
 * names included, and checks that every tensor that belongs to the configuration is there with its shape. */
tleg_status tleg_config_read(tleg_context *context, tleg_file *file, int32_t heads, bool gene, struct tleg_vit_config *config);
tleg_status tleg_config_copy(tleg_context *context, const struct tleg_vit_config *from, struct tleg_vit_config *to);
void tleg_config_free(struct tleg_vit_config *config); /* zeroed is allowed */

/* The metadata of a learngene's (gene) or model's file, into memory of the context's allocator, in an order that never
 * changes: every key explicit. */
struct tleg_pairs {
    struct tleg_allocator allocator;
    struct tleg_pair *pairs;
    int64_t count;
    void *memory;
    size_t bytes;
};
tleg_status tleg_config_pairs(tleg_context *context, const tleg_config *config, bool gene, struct tleg_pairs *pairs);
void tleg_pairs_free(struct tleg_pairs *pairs);

/* ---- names and shapes (spec.c) ---- */
enum { TLEG_NAME_TEXT = 96 };
struct tleg_spec {
    char name[TLEG_NAME_TEXT];
    int32_t rank;
    int64_t shape[4];
};
/* Tensors outside the blocks, in file order; a slot that the configuration lacks has an empty name. */
enum tleg_outer_slot {
    TLEG_NO_SLOT = -1,
    TLEG_CLS_TOKEN = 0,
    TLEG_DIST_TOKEN,
    TLEG_POS_EMBED,
    TLEG_PATCH_WEIGHT,
    TLEG_PATCH_BIAS,
    TLEG_NORM_WEIGHT, /* norm.*, or fc_norm.* when a mean comes before it */
    TLEG_NORM_BIAS,
    TLEG_HEAD_WEIGHT,
    TLEG_HEAD_BIAS,
    TLEG_HEAD_DIST_WEIGHT,
    TLEG_HEAD_DIST_BIAS,
    TLEG_OUTER
};
void tleg_outer_spec(const tleg_config *config, enum tleg_outer_slot slot, struct tleg_spec *spec);
/* A block's tensor, without the prefix: "attn.qkv.weight" (3D, D) and so on; empty name: no qkv bias. */
void tleg_site_spec(const tleg_config *config, enum tleg_site site, bool bias, struct tleg_spec *spec);
/* The number of elements of a spec; 0 for an empty one. Checked configurations do not overflow. */
size_t tleg_spec_count(const struct tleg_spec *spec);
int64_t tleg_config_tokens(const tleg_config *config); /* prefix + (image/patch)^2 */
int tleg_config_readouts(const tleg_config *config);   /* heads that read features: 2 with a distillation token, else 1 */
/* "blocks.LAYER." + the site's name + ".weight" or ".bias" */
void tleg_layer_name(int32_t layer, enum tleg_site site, bool bias, char name[TLEG_NAME_TEXT]);
/* "blocks.block.SITE.instances.SEGMENT.weight" + "", "_base" or "_ilayer" (part 0, 1, 2), or the bias likewise */
void tleg_segment_name(enum tleg_site site, int32_t segment, bool bias, int part, char name[TLEG_NAME_TEXT]);

#endif
