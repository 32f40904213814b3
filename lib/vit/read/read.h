/* A configuration from a file, and back to one. */
#ifndef TLEG_LIB_VIT_READ_H
#define TLEG_LIB_VIT_READ_H

#include "config/config.h"
#include "format/format.h"

/* The same file, in which the names are without what a wrapper such as DataParallel ("module.") put before them; noted. */
tleg_status tleg_config_unwrap(tleg_context *context, const tleg_file *file, tleg_file **bare);
/* From an unwrapped file's metadata, names and shapes, whichever it holds; of `asked`, heads, activation and eps, where the
 * file does not say. FORMAT names the key or tensor. A learngene where `gene` is false, or a model where it is true, is FORMAT
 * too, with what it is. Fills everything, ignored names included, and checks that every tensor that belongs to the
 * configuration is there with its shape. */
tleg_status tleg_config_read(tleg_context *context, const tleg_file *file, const tleg_open_options *asked, bool gene,
                             struct tleg_vit_config *config);

/* Puts what a host says of pictures (NULL: nothing) in place of what a file said, its image size, to which the position
 * embedding is to be resampled, included. */
tleg_status tleg_config_take_pictures(tleg_context *context, const struct tleg_preparation_options *host,
                                      struct tleg_vit_config *config);
/* And does it: the position embedding of a file whose pictures have `pixels`, as that of `config`, to out. */
tleg_status tleg_read_resampled(tleg_context *context, const tleg_file *file, struct tleg_extent pixels,
                                tleg_position_filter filter, const tleg_config *config, float *out);

/* The metadata of a learngene's (gene) or model's file, into memory of the context's allocator, in an order that never
 * changes: every key explicit, then what the configuration's own file said besides. */
struct tleg_metadata {
    struct tleg_allocator allocator;
    struct tleg_pair *pairs;
    int64_t count;
    void *memory;
    size_t bytes;
};
/* Of a host's options, its pairs are added, and replace what has their keys: ARGUMENT for one that begins with "tleg.". The
 * texts of both are borrowed. */
tleg_status tleg_config_metadata(tleg_context *context, const struct tleg_vit_config *config, bool gene,
                                 const tleg_save_options *options, struct tleg_metadata *metadata);
void tleg_metadata_free(struct tleg_metadata *metadata);

#endif
