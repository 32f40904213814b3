/* Prepares a folder's pictures batch by batch, one batch ahead in a thread of its own. What comes out, and in which order,
 * does not depend on that thread. */
#ifndef TLEG_TOOLS_LOADER_H
#define TLEG_TOOLS_LOADER_H

#include "base/tool.h"
#include "data/folder.h"

struct batch {
    size_t first, count; /* pictures first .. first + count - 1 of the folder */
    float *inputs;       /* (count, 3, image_size, image_size); zero where a picture cannot be used */
    char **errors;       /* (count): NULL, or why a picture cannot be used, naming it */
};

struct loader;

/* The folder and the configuration must outlive the loader. NULL after saying why. */
struct loader *loader_start(const struct invocation *call, const struct folder *folder, const tleg_config *config, bool exif,
                            size_t batch);
/* The next batch, good until the call after; NULL behind the last. */
const struct batch *loader_next(struct loader *loader);
void loader_stop(struct loader *loader); /* NULL is allowed */

#endif
