/* Charts as SVG: one self-contained file, light, with axes, ticks and a legend, in letters that a phone still shows. */
#ifndef TLEG_TOOLS_PLOT_H
#define TLEG_TOOLS_PLOT_H

#include "base/tool.h"

enum plot_mark { PLOT_LINE, PLOT_DASHES, PLOT_POINTS };

struct plot_series {
    const char *name; /* in the legend, where each name stands once; NULL: not there */
    enum plot_mark mark;
    int colour;      /* 0, 1, 2, ...: of a palette that the colour-blind tell apart */
    const double *x; /* whole numbers: layers, epochs, steps */
    const double *y; /* a number that is not finite leaves a gap */
    int64_t count;
};

struct plot_chart {
    const char *title, *x_label, *y_label;
    const struct plot_series *series;
    int series_count;
};

/* Writes charts into a file, one alone or two side by side, under a title and one legend for all. Texts are UTF-8. Says what
 * went wrong, and returns an exit code. */
int plot_lines(const struct invocation *call, const char *path, const char *title, const struct plot_chart *charts, int count);

#endif
