/* Places for files that are written late, tried before the work that fills them. */
#ifndef TLEG_TOOLS_PLACE_H
#define TLEG_TOOLS_PLACE_H

#include "tool.h"

/* Whether a file can be written at `path`: its folder takes new files, and it is not a folder itself. Nothing is changed.
 * `what` names it in the message, such as "-o". Returns an exit code. */
int place_try(const struct invocation *call, const char *what, const char *path);

/* The path with `.word` before its extension, or at its end, for the caller to free; NULL if memory ran out: "a/gene.best.st"
 */
char *place_beside(const char *path, const char *word);

#endif
