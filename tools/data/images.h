/* The input of `tleg run`: prepared images out of a safetensors file. */
#ifndef TLEG_TOOLS_IMAGES_H
#define TLEG_TOOLS_IMAGES_H

#include <stdbool.h>
#include <tleg/tleg.h>

enum { IMAGES_ERROR = 4096 + 512 }; /* room for any path and the reason */

/* Reads "images", f32 [B,C,I,I] with the configuration's channels and image size, into *images; *info tells of it, data
 * included. False with the reason, which names the file, in `error`; *images is NULL then. */
bool images_read(tleg_context *context, const char *path, const tleg_config *config, tleg_tensor **images,
                 tleg_tensor_info *info, char error[IMAGES_ERROR]);

#endif
