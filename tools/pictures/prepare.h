/* From a picture file to a model's input. */
#ifndef TLEG_TOOLS_PREPARE_H
#define TLEG_TOOLS_PREPARE_H

#include "base/tool.h"
#include "picture.h"

/* Reads `path` and prepares it as the configuration says into out (3, image_size, image_size). False with the reason, which
 * names the file, in `error`. */
bool prepare_picture(tleg_context *context, const tleg_config *config, const char *path, bool exif, float *out,
                     char error[PICTURE_ERROR]);
/* The numbers of one prepared image. */
size_t prepare_numbers(const tleg_config *config);

#endif
