/* Prepared images out of a safetensors file. */
#include "images.h"

#include "base/extent.h"
#include "base/tool.h"

#include <stdio.h>

/* Channels come first. */
static bool check_images(const char *path, const tleg_tensor_info *info, const tleg_config *config, char *error) {
    const struct extent image = extent_of_image(config);
    char found[240];
    if (info->dtype == TLEG_F32 && info->rank == 4 && info->shape[0] >= 1 && info->shape[1] == config->channels &&
        info->shape[2] == image.height && info->shape[3] == image.width)
        return true;
    tool_shape(info, found, sizeof found);
    snprintf(error, IMAGES_ERROR, "%s: \"images\": expected shape f32 [B,%d,%d,%d] with B at least 1, found %s", path,
             (int)config->channels, (int)image.height, (int)image.width, found);
    return false;
}

static bool read_tensor(tleg_context *context, const tleg_file *file, tleg_tensor **images, tleg_tensor_info *info) {
    return tleg_file_read_tensor(context, file, "images", images) == TLEG_OK &&
           tleg_tensor_get_info(context, *images, info) == TLEG_OK;
}

bool images_read(tleg_context *context, const char *path, const tleg_config *config, tleg_tensor **images,
                 tleg_tensor_info *info, char error[IMAGES_ERROR]) {
    tleg_file *file = NULL;
    *images = NULL;
    *info = (tleg_tensor_info){.struct_size = sizeof *info};
    bool found = tleg_file_open(context, path, NULL, &file) == TLEG_OK &&
                 tleg_file_get_tensor_info(context, file, "images", info) == TLEG_OK;
    bool fits = found && check_images(path, info, config, error);
    bool done = fits && read_tensor(context, file, images, info);
    if (!done && (!found || fits))
        snprintf(error, IMAGES_ERROR, "%s", tleg_context_get_error(context));
    tleg_file_free(file);
    return done;
}
