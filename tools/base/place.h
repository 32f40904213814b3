/* Places for files that are written late, tried before the work that fills them. Texts of failures name the option, `what`. */
#ifndef TLEG_TOOLS_PLACE_H
#define TLEG_TOOLS_PLACE_H

#include "tool.h"

/* Whether a new file can take the place of what is at `path`, or be made there: folder, permissions, mounts. Nothing is
 * changed. Says on standard error where the owner cannot be kept. Returns an exit code. */
int place_try(const struct invocation *call, const char *what, const char *path);
/* The same of a file that is written where it is, such as a log; devices and pipes may be. */
int place_try_in_place(const struct invocation *call, const char *what, const char *path);

/* Tries the place, and keeps it until the process ends: meanwhile no other run of the command takes it. What a crashed run left
 * in its folder is removed. A file system without locks is said to have none. */
int place_take(const struct invocation *call, const char *what, const char *path);
int place_take_or_device(const struct invocation *call, const char *what, const char *path); /* a device or pipe may be too */
void place_leave_all(void);                                                                  /* at the end */

/* Files that will be written, each after the others; bytes: as far as it is known. Fails where one is beyond the limit on the
 * size of files, or the file system tells that it has no room for them beside what is there. */
struct place_need {
    const char *what, *path;
    uint64_t bytes;
    bool in_place;  /* it grows where it is, and no new one stands beside it */
    bool again;     /* it is written again and again */
    uint64_t files; /* so many of that size in the folder of `path`; 0: one */
};
int place_room(const struct invocation *call, const struct place_need *needs, int count);
/* The same of -o alone. */
int place_out_room(const struct invocation *call, const char *path, uint64_t bytes);

/* Refuses a place that is that of what is read (NULL: nothing is), and would be lost. */
int place_apart(const struct invocation *call, const char *what, const char *path, const char *read);
/* Takes the place of -o, if it is apart from the learngene or model which is read. */
int place_take_apart(const struct invocation *call, const char *out, const char *model);

/* Whether two paths name one file, there or not. */
bool place_same(const char *a, const char *b);
/* Where the path leads after symbolic links, from the root on, for the caller to free; NULL with errno. */
char *place_full(const char *path);
/* The second path as seen from the folder of the first, for the caller to free; NULL with errno: "../out/gene.st" */
char *place_from(const char *holder, const char *path);
/* The path with `.word` before its extension, or at its end, for the caller to free; NULL if memory ran out: "a/gene.best.st"
 */
char *place_beside(const char *path, const char *word);

#endif
