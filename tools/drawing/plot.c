/* Charts written as SVG text: scales, ticks, marks, a legend. */
#include "plot.h"

#include "base/write_file.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A screen of 360 pixels shows a drawing 720 wide at half its size: letters of 20 become 10. */
enum { WIDTH = 720, LETTER = 20, TITLE = 24, MARGIN = 16, LINE = 30 };
enum { SPACE_LEFT = 96, SPACE_RIGHT = 20, SPACE_TOP = 44, SPACE_BOTTOM = 68 }; /* of a chart, around its frame */
enum { HEIGHT_ALONE = 480, HEIGHT_BESIDE = 320 };
enum { MARK_WIDTH = 36 }; /* of a legend's sample */

/* Okabe and Ito's palette without its yellow, which a light ground swallows. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"};
enum { COLOURS = sizeof colours / sizeof *colours };

static const char *colour_of(const struct plot_series *series) {
    return colours[(series->colour % COLOURS + COLOURS) % COLOURS];
}

/* ---- text ---- */

static void put_text(FILE *out, const char *text) {
    for (; *text; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        default:
            fputc(*text, out);
        }
}

/* The width of a text in letters of LETTER, about: half a letter's height a character. */
static double text_width(const char *text) {
    int characters = 0;
    for (; *text; text++)
        characters += ((unsigned char)*text & 0xC0) != 0x80;
    return characters * LETTER * 0.55;
}

/* ---- a chart's scales ---- */

struct scale {
    double least, most; /* what the axis shows */
    double step;        /* from tick to tick: 1, 2 or 5 times a power of ten */
    double from, to;    /* where that lies in the drawing */
};

static double place(const struct scale *scale, double value) {
    return scale->from + (value - scale->least) / (scale->most - scale->least) * (scale->to - scale->from);
}

static double nice_step(double range, int ticks) {
    const double rough = range / ticks, power = pow(10, floor(log10(rough)));
    return power * (rough < 1.5 * power ? 1 : rough < 3.5 * power ? 2 : rough < 7.5 * power ? 5 : 10);
}

static bool find_range(const struct plot_chart *chart, bool x, double *least, double *most) {
    *least = INFINITY;
    *most = -INFINITY;
    for (int s = 0; s < chart->series_count; s++)
        for (int64_t i = 0; i < chart->series[s].count; i++) {
            const double value = x ? chart->series[s].x[i] : chart->series[s].y[i];
            if (isfinite(value)) {
                *least = fmin(*least, value);
                *most = fmax(*most, value);
            }
        }
    return *least <= *most;
}

static struct scale make_scale(const struct plot_chart *chart, bool x, int ticks, double from, double to) {
    struct scale scale = {.from = from, .to = to};
    if (!find_range(chart, x, &scale.least, &scale.most)) {
        scale.least = 0;
        scale.most = 1;
    }
    /* enough to be seen, and to be counted through in double, where all values are nearly one */
    const double size = fmax(fabs(scale.least), fabs(scale.most));
    double room = fmax((scale.most - scale.least) * (x ? 0.03 : 0.08), size * 1e-6);
    if (room == 0)
        room = 1;
    scale.least -= room;
    scale.most += room;
    scale.step = nice_step(scale.most - scale.least, ticks);
    if (x && scale.step < 1)
        scale.step = 1;
    return scale;
}

static void tick_text(const struct scale *scale, double value, char text[32]) {
    const int decimals = (int)-floor(log10(scale->step) + 1e-9);
    if (fabs(value) < scale->step / 2) /* never "-0.0" */
        value = 0;
    if (decimals > 4 || fmax(fabs(scale->least), fabs(scale->most)) >= 1e6)
        snprintf(text, 32, "%.3g", value);
    else
        snprintf(text, 32, "%.*f", decimals > 0 ? decimals : 0, value);
}

/* ---- a chart ---- */

struct frame {
    double left, top, right, bottom;
};

static void draw_ticks(FILE *out, const struct frame *frame, const struct scale *x, const struct scale *y) {
    char text[32];
    for (double k = ceil(x->least / x->step); k * x->step <= x->most; k++) {
        const double at = place(x, k * x->step);
        tick_text(x, k * x->step, text);
        fprintf(out, "<path d='M%.1f %.1fV%.1f' class='grid'/><text x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n", at,
                frame->top, frame->bottom, at, frame->bottom + LETTER + 2, text);
    }
    for (double k = ceil(y->least / y->step); k * y->step <= y->most; k++) {
        const double at = place(y, k * y->step);
        tick_text(y, k * y->step, text);
        fprintf(out, "<path d='M%.1f %.1fH%.1f' class='grid'/><text x='%.1f' y='%.1f' text-anchor='end'>%s</text>\n",
                frame->left, at, frame->right, frame->left - 6, at + LETTER * 0.35, text);
    }
}

static void draw_points(FILE *out, const struct plot_series *series, const struct scale *x, const struct scale *y) {
    fprintf(out, "<g fill='%s'>", colour_of(series));
    for (int64_t i = 0; i < series->count; i++)
        if (isfinite(series->x[i]) && isfinite(series->y[i]))
            fprintf(out, "<circle cx='%.1f' cy='%.1f' r='5'/>", place(x, series->x[i]), place(y, series->y[i]));
    fputs("</g>\n", out);
}

static void draw_line(FILE *out, const struct plot_series *series, const struct scale *x, const struct scale *y) {
    bool down = false; /* the pen */
    fprintf(out, "<path class='line%s' stroke='%s' d='", series->mark == PLOT_DASHES ? " dashes" : "", colour_of(series));
    for (int64_t i = 0; i < series->count; i++) {
        const bool there = isfinite(series->x[i]) && isfinite(series->y[i]);
        if (there)
            fprintf(out, "%c%.1f %.1f", down ? 'L' : 'M', place(x, series->x[i]), place(y, series->y[i]));
        down = there;
    }
    fputs("'/>\n", out);
}

static void draw_labels(FILE *out, const struct plot_chart *chart, const struct frame *frame) {
    const double left = frame->left - SPACE_LEFT, right = frame->right + SPACE_RIGHT;
    const double middle = (frame->left + frame->right) / 2, height = (frame->top + frame->bottom) / 2;
    fprintf(out, "<text x='%.1f' y='%.1f' text-anchor='middle' font-weight='bold'>", (left + right) / 2, frame->top - 12);
    put_text(out, chart->title);
    fprintf(out, "</text>\n<text x='%.1f' y='%.1f' text-anchor='middle'>", middle, frame->bottom + 2 * LETTER + 10);
    put_text(out, chart->x_label);
    fprintf(out, "</text>\n<text transform='translate(%.1f %.1f)rotate(-90)' text-anchor='middle'>", left + LETTER, height);
    put_text(out, chart->y_label);
    fputs("</text>\n", out);
}

static void draw_chart(FILE *out, const struct plot_chart *chart, double left, double top, double width, double height) {
    const struct frame frame = {left + SPACE_LEFT, top + SPACE_TOP, left + width - SPACE_RIGHT, top + height - SPACE_BOTTOM};
    const bool alone = width > WIDTH * 0.75;
    const struct scale x = make_scale(chart, true, alone ? 8 : 4, frame.left, frame.right);
    const struct scale y = make_scale(chart, false, alone ? 6 : 4, frame.bottom, frame.top);
    draw_ticks(out, &frame, &x, &y);
    fprintf(out, "<path d='M%.1f %.1fV%.1fH%.1f' class='axis'/>\n", frame.left, frame.top, frame.bottom, frame.right);
    for (int s = 0; s < chart->series_count; s++)
        if (chart->series[s].mark == PLOT_POINTS)
            draw_points(out, &chart->series[s], &x, &y);
        else
            draw_line(out, &chart->series[s], &x, &y);
    draw_labels(out, chart, &frame);
}

/* ---- the legend ---- */

static bool is_first(const struct plot_chart *charts, int chart, int series) {
    const char *name = charts[chart].series[series].name;
    for (int c = 0; c <= chart; c++)
        for (int s = 0; s < (c < chart ? charts[c].series_count : series); s++)
            if (charts[c].series[s].name && strcmp(charts[c].series[s].name, name) == 0)
                return false;
    return true;
}

static void draw_sample(FILE *out, const struct plot_series *series, double x, double y) {
    const double middle = y - LETTER * 0.35;
    if (series->mark == PLOT_POINTS)
        fprintf(out, "<circle cx='%.1f' cy='%.1f' r='5' fill='%s'/>", x + MARK_WIDTH / 2.0, middle, colour_of(series));
    else
        fprintf(out, "<path class='line%s' stroke='%s' d='M%.1f %.1fh%d'/>", series->mark == PLOT_DASHES ? " dashes" : "",
                colour_of(series), x, middle, MARK_WIDTH);
}

/* Samples and names from left to right, then on the next line. Returns where the charts begin; draws if `out` is not NULL. */
static double draw_legend(FILE *out, const struct plot_chart *charts, int count, double top) {
    double x = MARGIN, y = top;
    for (int c = 0; c < count; c++)
        for (int s = 0; s < charts[c].series_count; s++) {
            const struct plot_series *series = &charts[c].series[s];
            if (!series->name || !is_first(charts, c, s))
                continue;
            const double width = MARK_WIDTH + 8 + text_width(series->name) + 24;
            if (x > MARGIN && x + width > WIDTH) {
                x = MARGIN;
                y += LINE;
            }
            if (out) {
                draw_sample(out, series, x, y);
                fprintf(out, "<text x='%.1f' y='%.1f'>", x + MARK_WIDTH + 8, y);
                put_text(out, series->name);
                fputs("</text>\n", out);
            }
            x += width;
        }
    return y + MARGIN;
}

/* ---- the file ---- */

static void draw(FILE *out, const char *title, const struct plot_chart *charts, int count) {
    const int columns = count > 1 ? 2 : 1, rows = (count + columns - 1) / columns;
    const int chart_height = columns == 1 ? HEIGHT_ALONE : HEIGHT_BESIDE, chart_width = WIDTH / columns;
    const double legend = MARGIN + TITLE + LINE, top = draw_legend(NULL, charts, count, legend);
    const double height = top + rows * chart_height;
    fprintf(out,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %.0f' font-family='sans-serif' font-size='%d' "
            "fill='#222'>\n"
            "<style>.grid{stroke:#ddd}.axis{stroke:#444;fill:none;stroke-width:1.5}"
            ".line{fill:none;stroke-width:2.5;stroke-linejoin:round}.dashes{stroke-dasharray:9 6}</style>\n"
            "<rect width='%d' height='%.0f' fill='#fff'/>\n<text x='%d' y='%d' font-size='%d' font-weight='bold'>",
            WIDTH, height, LETTER, WIDTH, height, MARGIN, MARGIN + TITLE, TITLE);
    put_text(out, title);
    fputs("</text>\n", out);
    draw_legend(out, charts, count, legend);
    for (int c = 0; c < count; c++)
        draw_chart(out, &charts[c], c % columns * chart_width, top + c / columns * chart_height, chart_width, chart_height);
    fputs("</svg>\n", out);
}

int plot_lines(const struct invocation *call, const char *path, const char *title, const struct plot_chart *charts, int count) {
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    if (!memory)
        return tool_fail_memory(call);
    draw(memory, title, charts, count);
    const bool drawn = !ferror(memory);
    int code = EXIT_DONE;
    if (fclose(memory) != 0 || !drawn)
        code = tool_fail_memory(call);
    else if (!write_file(path, text, length))
        code = tool_fail(call, "%s: %s", path, strerror(errno));
    free(text);
    return code;
}
