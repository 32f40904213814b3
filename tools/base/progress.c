/* A bar, a rate, and the time that is left. */
#include "progress.h"

#include "measure.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LEAST_BAR = 10, BAR = 30, USUAL_COLUMNS = 80, FIGURES = 200, LINE = 256 };

/* Of the terminal, which may become another at any time. */
static size_t columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : USUAL_COLUMNS;
}

/* How long the bar is beside so many other characters. */
static size_t bar_length(size_t room, size_t others) {
    const size_t left = room > others ? room - others : 0;
    return left < LEAST_BAR ? LEAST_BAR : left < BAR ? left : BAR;
}

/* A line that the terminal breaks cannot be drawn over: it ends before the last column. */
static void draw(const struct progress *progress, int64_t done, const char *figures) {
    const size_t most = columns() - 1, room = most < LINE ? most : LINE - 1;
    const size_t length = bar_length(room, strlen(progress->what) + strlen(" []") + strlen(figures));
    const int64_t full = progress->total > 0 ? done * (int64_t)length / progress->total : (int64_t)length;
    char bar[BAR + 1], line[LINE];
    for (size_t i = 0; i < length; i++)
        bar[i] = (int64_t)i < full ? '#' : '.';
    bar[length] = '\0';
    snprintf(line, sizeof line, "%s [%s]%s", progress->what, bar, figures);
    fprintf(stderr, "\r%.*s\x1b[K", (int)text_cut(line, room), line);
    fflush(stderr);
}

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
    char figures[FIGURES];
    double seconds = (now - progress->started) / 1e3;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    double left = rate > 0 ? (double)(progress->total - done) / rate : 0;
    snprintf(figures, sizeof figures, " %lld/%lld  %.0f/s  %.0f s left%s%s", (long long)done, (long long)progress->total, rate,
             left, *extra ? "  " : "", extra);
    draw(progress, done, figures);
}

void progress_clear(struct progress *progress) {
    if (!progress->shown)
        return;
    fputs("\r\x1b[K", stderr);
    fflush(stderr);
}
