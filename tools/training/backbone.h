/* Backbones: files of a network without the head that tells classes apart. */
#ifndef TLEG_TOOLS_BACKBONE_H
#define TLEG_TOOLS_BACKBONE_H

#include "source/source.h"

/* As source_open_as; what nobody says of its pictures is said. A file without a head (timm's num_classes=0, MAE, DINO) gets one
 * that knows nothing, of another number of classes than `classes`, so that retarget replaces it; source->headless says so.
 * Returns an exit code; source_close is right after a failure too. */
int backbone_open(const struct invocation *call, tleg_context *context, const char *path, int32_t classes,
                  const struct expansion *expansion, struct source *source);

#endif
