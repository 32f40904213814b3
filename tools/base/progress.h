/* A progress bar on standard error where that is a terminal; nothing elsewhere. */
#ifndef TLEG_TOOLS_PROGRESS_H
#define TLEG_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what;
    int64_t total;
    double started, drawn; /* milliseconds */
    bool shown;
};

void progress_start(struct progress *progress, const char *what, int64_t total);
void progress_step(struct progress *progress, int64_t done, const char *extra); /* extra: a few words, may be "" */
void progress_clear(struct progress *progress); /* before a message, and at the end: the line is empty again */

#endif
