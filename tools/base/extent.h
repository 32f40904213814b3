/* Heights and widths of pictures and patches, which need not be square. */
#ifndef TLEG_TOOLS_EXTENT_H
#define TLEG_TOOLS_EXTENT_H

#include <tleg/config.h>

/* Pixels down and across. As an option's value a width of 0: as wide as high; both 0: not given. */
struct extent {
    int32_t height, width;
};

/* Of a model's pictures and patches: no width is 0 here. */
static inline struct extent extent_of_image(const tleg_config *config) {
    return (struct extent){config->image_size, config->image_width ? config->image_width : config->image_size};
}
static inline struct extent extent_of_patch(const tleg_config *config) {
    return (struct extent){config->patch_size, config->patch_width ? config->patch_width : config->patch_size};
}
/* The pixels that patches fill: those that are left over belong to none. */
static inline struct extent extent_of_patches(const tleg_config *config) {
    const struct extent image = extent_of_image(config), patch = extent_of_patch(config);
    return (struct extent){image.height - image.height % patch.height, image.width - image.width % patch.width};
}

static inline void extent_set(tleg_config *config, struct extent image, struct extent patch) {
    config->image_size = image.height;
    config->image_width = image.width;
    config->patch_size = patch.height;
    config->patch_width = patch.width;
}

#endif
