# The charts, as SVG whose widths are shares of the page's and whose heights are pixels: on a phone the plot gets narrower, its
# letters do not get smaller. Colours and fonts are classes of page.css.

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

# What half of a share's 95 % interval adds and takes (Wilson): low and high are left in INTERVAL.
function wilson(right, images,    z, p, middle, half) {
    z = 1.959964
    p = right / images
    middle = (p + z * z / (2 * images)) / (1 + z * z / images)
    half = z * sqrt(p * (1 - p) / images + z * z / (4 * images * images)) / (1 + z * z / images)
    INTERVAL["low"] = middle - half
    INTERVAL["high"] = middle + half
}

function accuracy_chart(    i, d, from, to, label) {
    for (i = 1; i <= depths; i++)
        label = label sprintf("%s%s at %d", i > 1 ? ", " : "", percent(top1[depth[i]], 1), depth[i])
    svg_start(PLOT_TOP + PLOT_HEIGHT + 44, "Accuracy by depth in layers: " label)
    if (learned_to) {
        from = at_depth(learned_from < shallowest ? shallowest : learned_from)
        to = at_depth(learned_to > deepest ? deepest : learned_to)
        put_rect("learned", from, PLOT_TOP, from < to ? to - from : 0, PLOT_HEIGHT, "")
        put_text("tick", "middle", from < to ? (from + to) / 2 : PLOT_LEFT + PLOT_WIDTH / 2, 12,
                 "learned at depths " learned_from " to " learned_to)
    }
    axes(100, 25, "%d %%")
    put_line("chance", PLOT_LEFT, at_value(100 / classes, 100), 100, at_value(100 / classes, 100))
    put_text("tick", "end", 100, at_value(100 / classes, 100) - 5, "guessing: " percent(1 / classes, 0))
    for (i = 1; i < depths; i++)
        put_line("curve", at_depth(depth[i]), at_value(100 * top1[depth[i]], 100), at_depth(depth[i + 1]),
             at_value(100 * top1[depth[i + 1]], 100))
    for (i = 1; i <= depths; i++) {
        d = depth[i]
        wilson(right[d], images[d])
        put_line("whisker", at_depth(d), at_value(100 * INTERVAL["low"], 100), at_depth(d), at_value(100 * INTERVAL["high"], 100))
        if (d in reference)
            put_tick("reference", at_depth(d), at_value(100 * reference[d], 100))
        put_dot("dot", at_depth(d), at_value(100 * top1[d], 100), 4.5, right[d] " of " images[d] " right at depth " d)
        put_text("value", "middle", at_depth(d), at_value(100 * INTERVAL["high"], 100) - 6, sprintf("%.0f", 100 * top1[d]))
    }
    print "</svg>"
}

function latency_chart(    i, d, most, step, top, label) {
    for (i = 1; i <= depths; i++) {
        most = ms[depth[i]] > most ? ms[depth[i]] : most
        label = label sprintf("%s%s ms at %d", i > 1 ? ", " : "", digits3(ms[depth[i]]), depth[i])
    }
    step = nice_step(most)
    for (top = step; top < most; top += step)
        ;
    svg_start(PLOT_TOP + PLOT_HEIGHT + 44, "Milliseconds for one picture by depth in layers: " label)
    axes(top, step, step < 0.1 ? "%.2f ms" : step < 1 ? "%.1f ms" : "%d ms")
    for (i = 1; i < depths; i++)
        put_line("curve", at_depth(depth[i]), at_value(ms[depth[i]], top), at_depth(depth[i + 1]), at_value(ms[depth[i + 1]], top))
    for (i = 1; i <= depths; i++) {
        d = depth[i]
        put_dot("dot", at_depth(d), at_value(ms[d], top), 4.5, digits3(ms[d]) " ms at depth " d)
        put_text("value", "end", at_depth(d) + 1, at_value(ms[d], top) - 10, digits2(ms[d]))
    }
    print "</svg>"
}

function storage_chart(    i, x, width, gap, most) {
    gap = 0.5
    most = gene_parameters > sum_parameters ? gene_parameters : sum_parameters
    svg_start(140, commas(gene_parameters) " parameters in one learngene; " commas(sum_parameters) " in separate models of " depth_list())
    put_text("strong", "start", 0, 14, "one learngene")
    width = 100 * gene_parameters / most - gap
    put_rect("base", 0, 24, width, 24, " rx=\"2\"")
    put_text("value", width < 50 ? "start" : "end", width < 50 ? width + 1.5 : 100, width < 50 ? 41 : 14, commas(gene_parameters) " parameters")
    put_text("strong", "start", 0, 80, count_word(depths) " separate model" plural(depths))
    put_text("value", "end", 100, 80, commas(sum_parameters) " parameters")
    for (i = 1; i <= depths; i++) {
        width = 100 * parameters[depth[i]] / most
        put_rect("separate", x, 90, width - (i < depths ? gap : 0), 24, " rx=\"2\"")
        put_text("tick", "middle", x + (width - gap) / 2, 132, depth[i])
        x += width
    }
    print "</svg>"
}

# Every layer as a bar, base's colour with that much of ilayer's over it.
function layers_chart(    i, l, x, width, slot, pitch, tall, bottom) {
    pitch = deepest > 16 ? 160 / deepest : 12
    tall = pitch > 4 ? pitch - 2 : pitch - 0.5
    bottom = 24 + pitch * (deepest < 4 ? 4 : deepest)
    slot = 74 / depths
    width = slot * 0.72
    svg_start(bottom + 44, "A learngene of two sets of weights, base and ilayer, gives models of " depth_list() \
              "; the deeper a layer lies, the more of ilayer it holds")
    put_text("strong", "start", 0, bottom - 2 * 25 - 8, "learngene")
    put_rect("ilayer", 0, bottom - 2 * 25, 16, 23, " rx=\"3\"")
    put_text("inside dark", "middle", 8, bottom - 34, "ilayer")
    put_rect("base", 0, bottom - 25, 16, 23, " rx=\"3\"")
    put_text("inside", "middle", 8, bottom - 9, "base")
    put_line("axis", 0, bottom + 2, 16, bottom + 2)
    put_line("axis", 26, bottom + 2, 100, bottom + 2)
    put_text("arrow", "middle", 21, bottom - 20, "\342\206\222")
    for (i = 1; i <= depths; i++) {
        x = 26 + slot * (i - 1) + (slot - width) / 2
        for (l = 1; l <= depth[i]; l++) {
            put_rect("base", x, bottom - pitch * l, width, tall, " rx=\"1.5\"")
            if (l > 1)
                put_rect("ilayer", x, bottom - pitch * l, width, tall, sprintf(" rx=\"1.5\" opacity=\"%.3f\"", (l - 1) / depth[i]))
        }
        put_text("value", "middle", x + width / 2, bottom + 20, depth[i])
    }
    put_text("tick", "middle", 63, bottom + 38, "layers")
    put_text("tick", "start", 0, bottom + 20, "one file")
    print "</svg>"
}
