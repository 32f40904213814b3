/* A bar, a rate, and the time that is left. */
#include "progress.h"

#include "measure.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 30 };

void progress_start(struct progress *progress, const char *what, int64_t total) {
    const char *terminal = getenv("TERM");
    bool plain = terminal && strcmp(terminal, "dumb") == 0;
    *progress = (struct progress){.what = what, .total = total, .started = measure_ms(), .shown = isatty(2) && !plain};
}

void progress_step(struct progress *progress, int64_t done, const char *extra) {
    double now = measure_ms();
    if (!progress->shown || (done < progress->total && now - progress->drawn < 100))
        return;
    progress->drawn = now;
    char bar[BAR + 1];
    int64_t full = progress->total > 0 ? done * BAR / progress->total : BAR;
    for (int64_t i = 0; i < BAR; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR] = '\0';
    double seconds = (now - progress->started) / 1e3;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    double left = rate > 0 ? (double)(progress->total - done) / rate : 0;
    fprintf(stderr, "\r%s [%s] %lld/%lld  %.0f/s  %.0f s left  %s\x1b[K", progress->what, bar, (long long)done,
            (long long)progress->total, rate, left, extra);
    fflush(stderr);
}

void progress_clear(struct progress *progress) {
    if (!progress->shown)
        return;
    fputs("\r\x1b[K", stderr);
    fflush(stderr);
}
