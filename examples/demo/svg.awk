# The pieces of charts, as SVG whose widths are shares of the page's and whose heights are pixels: on a phone the plot gets narrower,
# its letters do not get smaller. Colours and fonts are classes of page.css.

BEGIN {
    PLOT_LEFT = 13
    PLOT_WIDTH = 82
    PLOT_TOP = 40
    PLOT_HEIGHT = 200
}

function svg_start(height, label) {
    printf "<svg width=\"100%%\" height=\"%d\" role=\"img\" aria-label=\"%s\">\n", height, esc(label)
}

function put_line(class, x1, y1, x2, y2) {
    printf "<line class=\"%s\" x1=\"%.2f%%\" y1=\"%.1f\" x2=\"%.2f%%\" y2=\"%.1f\"/>\n", class, x1, y1, x2, y2
}

function put_text(class, anchor, x, y, words) {
    printf "<text class=\"%s\" text-anchor=\"%s\" x=\"%.2f%%\" y=\"%.1f\">%s</text>\n", class, anchor, x, y, esc(words)
}

function put_rect(class, x, y, width, height, more) {
    printf "<rect class=\"%s\" x=\"%.2f%%\" y=\"%.1f\" width=\"%.2f%%\" height=\"%.1f\"%s/>\n", class, x, y, width, height, more
}

function put_dot(class, x, y, radius, title) {
    printf "<circle class=\"%s\" cx=\"%.2f%%\" cy=\"%.1f\" r=\"%s\"><title>%s</title></circle>\n", class, x, y, radius, esc(title)
}

# A short stroke across x: its width is pixels.
function put_tick(class, x, y) {
    printf "<rect class=\"%s\" x=\"%.2f%%\" y=\"%.1f\" width=\"16\" height=\"2.5\" transform=\"translate(-8)\"/>\n", class, x, y - 1.25
}

# A place on the axes: depths between the shallowest and the deepest, values between 0 and the axis's end.
function at_depth(d) {
    return deepest > shallowest ? PLOT_LEFT + PLOT_WIDTH * (d - shallowest) / (deepest - shallowest) : PLOT_LEFT + PLOT_WIDTH / 2
}

function at_value(v, top) {
    return PLOT_TOP + PLOT_HEIGHT * (1 - v / top)
}

# Steps of 1, 2 or 5 times a power of ten, at most five of them up to most.
function nice_step(most,    power) {
    for (power = 1; power * 5 > most; power /= 10)
        ;
    for (; power * 50 <= most; power *= 10)
        ;
    return most <= 5 * power ? power : most <= 10 * power ? 2 * power : most <= 25 * power ? 5 * power : 10 * power
}

function axes(top, step, format,    v, i) {
    for (v = 0; v <= top * 1.0001; v += step) {
        put_line(v == 0 ? "axis" : "grid", 0, at_value(v, top), 100, at_value(v, top))
        put_text("tick", "start", 0, at_value(v, top) - 4, v == 0 ? "0" : sprintf(format, v))
    }
    for (i = 1; i <= depths; i++)
        put_text("tick", "middle", at_depth(depth[i]), PLOT_TOP + PLOT_HEIGHT + 18, depth[i])
    put_text("tick", "end", 100, PLOT_TOP + PLOT_HEIGHT + 37, "depth, layers")
}
