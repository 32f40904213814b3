# How layers come from the tensors of the file: its schedule in words, and as a chart.

# The tensors that a layer is a sum of and the curve of their factors, where these are the same at all sites; else mixed.
function read_schedule(    key, site, form, first, sites) {
    curve = "power"
    tensors = 2
    if (schedule == "")
        return
    json(schedule)
    for (key in JSON) {
        if (key !~ /^[^.]*\.length$/)
            continue
        site = substr(key, 1, length(key) - length(".length"))
        form = JSON[key] == 1 ? JSON[site ".0.1"] " " JSON[site ".0.2"] : "several segments"
        first = sites++ ? first : form
        mixed = mixed || form != first || form == "several segments"
    }
    mixed = mixed || (sites < 6 && first !~ /^true/) # a site that is not named is a straight line
    if (mixed || first ~ /^false/)
        tensors = 1
    else if (first !~ /^true/) {
        curve = substr(first, 1, index(first, " ") - 1)
        tensors = substr(first, index(first, " ") + 1) + 0
    }
}

function straight() {
    return tensors == 2 && curve == "power"
}

# What tensor k is multiplied by in layer i, counted from 0, of n.
function factor(k, i, n,    x) {
    x = i / n
    if (curve == "cosine")
        return cos(atan2(0, -1) * k * (i + 0.5) / n)
    return curve == "chebyshev" ? cos(k * atan2(sqrt(1 - x * x), x)) : x ^ k
}

function schedule_words(    l, terms) {
    if (mixed)
        return "How a layer follows from the tensors of the file differs from site to site: <code>" esc(schedule) "</code>."
    if (tensors == 1)
        return "All layers have the same weights."
    l = "(<i>l</i> \342\210\222 1)/<i>L</i>"
    if (straight())
        return "Layer <i>l</i> of <i>L</i> has the weights base + " l " \302\267 ilayer."
    terms = "<i>t</i><sub>0</sub> + <i>f</i><sub>1</sub> \302\267 <i>t</i><sub>1</sub>"
    if (tensors > 2)
        terms = terms (tensors > 3 ? " + \342\200\246" : "") " + <i>f</i><sub>" tensors - 1 "</sub> \302\267 <i>t</i><sub>" tensors - 1 "</sub>"
    return "Every weight is stored as " count_word(tensors) " tensors; layer <i>l</i> of <i>L</i> has the sum " terms ", where " curve_words(l) \
           ". In the chart each row is a layer and each cell a tensor, stronger where its factor is larger, orange where it is negative."
}

function curve_words(l) {
    if (curve == "cosine")
        return "<i>f<sub>k</sub></i> is cos(\317\200 <i>k</i> (<i>l</i> \342\210\222 \302\275)/<i>L</i>)"
    return "<i>f<sub>k</sub></i> is " (curve == "chebyshev" ? "the <i>k</i>-th Chebyshev polynomial at " : "the <i>k</i>-th power of ") l
}

# A layer: base's colour with that much of ilayer's over it, or a cell for each tensor.
function put_layer(i, n, x, y, width, tall,    k, f, cell) {
    if (straight() || tensors == 1) {
        put_rect("base", x, y, width, tall, " rx=\"1.5\"")
        if (tensors == 2 && i > 0)
            put_rect("ilayer", x, y, width, tall, sprintf(" rx=\"1.5\" opacity=\"%.3f\"", factor(1, i, n)))
        return
    }
    cell = width / tensors
    for (k = 0; k < tensors; k++) {
        f = factor(k, i, n)
        put_rect(f < 0 ? "ilayer" : "base", x + cell * k, y, cell * 0.9, tall, sprintf(" opacity=\"%.3f\"", f < 0 ? -f : f))
    }
}

# The file itself, at the foot of the chart's left end.
function put_gene(bottom,    k, cell) {
    put_text("strong", "start", 0, bottom - 2 * 25 - 8, "learngene")
    if (straight()) {
        put_rect("ilayer", 0, bottom - 2 * 25, 16, 23, " rx=\"3\"")
        put_text("inside dark", "middle", 8, bottom - 34, "ilayer")
        put_rect("base", 0, bottom - 25, 16, 23, " rx=\"3\"")
        put_text("inside", "middle", 8, bottom - 9, "base")
    } else {
        cell = 16 / tensors
        for (k = 0; k < tensors; k++)
            put_rect("base", cell * k, bottom - 2 * 25, cell * 0.9, 48, "")
    }
    put_line("axis", 0, bottom + 2, 16, bottom + 2)
    put_text("tick", "start", 0, bottom + 20, straight() || tensors == 1 ? "one file" : tensors " tensors")
}

function layers_chart(    i, l, x, width, slot, pitch, tall, bottom) {
    pitch = deepest > 16 ? 160 / deepest : 12
    tall = pitch > 4 ? pitch - 2 : pitch - 0.5
    bottom = 24 + pitch * (deepest < 4 ? 4 : deepest)
    slot = 74 / depths
    width = slot * 0.72
    svg_start(bottom + 44, "One learngene gives models of " depth_list() \
              (straight() ? "; the deeper a layer lies, the more of ilayer it holds beside base" : \
               tensors > 1 ? "; every layer is a sum of " count_word(tensors) " tensors" : ""))
    put_gene(bottom)
    put_line("axis", 26, bottom + 2, 100, bottom + 2)
    put_text("arrow", "middle", 21, bottom - 20, "\342\206\222")
    for (i = 1; i <= depths; i++) {
        x = 26 + slot * (i - 1) + (slot - width) / 2
        for (l = 1; l <= depth[i]; l++)
            put_layer(l - 1, depth[i], x, bottom - pitch * l, width, tall)
        put_text("value", "middle", x + width / 2, bottom + 20, depth[i])
    }
    put_text("tick", "middle", 63, bottom + 38, "layers")
    print "</svg>"
}
