/* What the files about places share. */
#ifndef TLEG_TOOLS_BASE_PRIVATE_H
#define TLEG_TOOLS_BASE_PRIVATE_H

#include "place.h"
#include <stddef.h>
#include <sys/stat.h>

enum { MOST_NAMES = 1000, PART_NAME = 48 };

/* Where the last part of a path begins. */
size_t place_name_at(const char *path);
/* Where the path leads after symbolic links, or the first of them that is an open descriptor, for the caller to free; NULL with
 * errno. */
char *place_resolve(const char *path);
/* The folder that a resolved path lies in, as a path, for the caller to free; NULL if memory ran out. */
char *place_folder(const char *resolved);
/* Removes parts of files and locks in the folder that this user's crashed runs left. */
void place_clean(const struct invocation *call, const char *folder);

#endif
