# The charts of what was measured; svg.awk has the pieces.

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
