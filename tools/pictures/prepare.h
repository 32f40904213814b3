/* From a picture file to a model's input. */
#ifndef TLEG_TOOLS_PREPARE_H
#define TLEG_TOOLS_PREPARE_H

#include "base/tool.h"
#include "picture.h"

/* What the configuration of a model says about pictures. */
tleg_status prepare_as(tleg_context *context, const tleg_config *config, tleg_preparation **preparation);
/* Reads `path` and prepares it into out (channels, height, width), `floats` long. False with the reason, which
 * names the file, in `error`. */
bool prepare_picture(tleg_context *context, const tleg_preparation *preparation, const char *path, bool exif, float *out,
                     size_t floats, char error[PICTURE_ERROR]);
/* The numbers of one prepared image. */
size_t prepare_numbers(const tleg_config *config);

#endif
