# The sections that choose a depth: for a device, and for each picture.

# A command, whose options are not broken at their hyphens.
function command(text) {
    text = esc(text)
    gsub(/--[a-z]+/, "<span class=\"option\">&</span>", text)
    return "<code>" text "</code>"
}

function device(n) {
    print "<article class=\"device\">"
    printf "<h3>A %s device</h3>\n", esc(budget_name[n])
    printf "<p class=\"note\">%s and %s ms a picture</p>\n", megabytes(1024 * budget_bytes[n]), digits3(budget_ms[n] + 0)
    if (best_depth[n] == "")
        print "<p class=\"chosen\">nothing fits</p>"
    else {
        printf "<p class=\"chosen\">%d layer%s</p>\n", best_depth[n], plural(best_depth[n])
        printf "<p>%s right, %s, %s ms</p>\n", percent(best_score[n], 1), megabytes(best_bytes[n]), digits3(best_ms[n])
        if (alike_depth[n] != best_depth[n])
            printf "<p class=\"note\">Within one standard error of it: %d layer%s.</p>\n", alike_depth[n], plural(alike_depth[n])
    }
    printf "<p class=\"note\">%s</p>\n</article>\n", command(budget_command[n])
}

function best_for_budgets(    n) {
    if (!budgets)
        return
    print "<section>\n<h2>The best depth for a budget</h2>"
    printf "<p>Three devices have a third, two thirds and all of the memory and the time that %d layers take here. " \
           "<code>tleg plan</code> answers for each which of the depths that fit scores best.</p>\n<div class=\"devices\">\n", deepest
    for (n = 1; n <= budgets; n++)
        device(n)
    printf "</div>\n<p class=\"note\">Scores on %s pictures (%s), %s. Bytes are what weights and session hold; milliseconds are the least of " \
           "many short runs.</p>\n</section>\n", commas(budget_images), esc(budget_on), \
        own_images ? "from the file" : "kept by <code>tleg eval --write-scores</code> in a copy of the file, which has none"
}

function stops_chart(    n, y, all, good, label) {
    for (n = 1; n <= stops; n++)
        label = label sprintf("%s%d at %d", n > 1 ? ", " : "", stop_pictures[n], stop_depth[n])
    svg_start(52 * stops, "Pictures by the depth at which they stopped: " label)
    for (n = 1; n <= stops; n++) {
        y = 52 * (n - 1)
        all = 100 * stop_pictures[n] / sure_pictures
        good = 100 * stop_right[n] / sure_pictures
        put_text("strong", "start", 0, y + 14, sprintf("%d layer%s", stop_depth[n], plural(stop_depth[n])))
        put_text("value", "end", 100, y + 14, commas(stop_pictures[n]) " picture" plural(stop_pictures[n]) \
                 (stop_pictures[n] ? ", " percent(stop_right[n] / stop_pictures[n], 0) " right" : ""))
        put_rect("separate", 0, y + 22, all, 18, " rx=\"2\"")
        put_rect("base", 0, y + 22, good, 18, " rx=\"2\"")
    }
    print "</svg>"
}

# Of the depths that were measured, the one nearest to so many layers.
function nearest_depth(layers,    n, d, best) {
    for (n = 1; n <= depths; n++) {
        d = depth[n]
        if (!best || (d - layers) ^ 2 < (best - layers) ^ 2)
            best = d
    }
    return best
}

function as_deep_as_needed(    n, mean, near) {
    if (!stops)
        return
    mean = sure_layers / sure_pictures
    near = nearest_depth(mean)
    print "<section>\n<figure>\n<h2>As deep as each picture needs</h2>"
    printf "<p>One elastic session changes its depth from picture to picture: it tries %d layers first, and more only where the likeliest " \
           "class has less than %s. %s of %s pictures right with %.1f layers a picture on average; with %d layers for all of them %s, at full depth %s with %d.</p>\n", \
        stop_depth[1], esc(facts["sure"]), commas(sure_right), commas(sure_pictures), mean, near, commas(right[near]), \
        commas(right[deepest]), deepest
    print "<p class=\"key\"><svg width=\"26\" height=\"12\" aria-hidden=\"true\"><rect class=\"base\" width=\"12\" height=\"12\"/>" \
          "<rect class=\"separate\" x=\"14\" width=\"12\" height=\"12\"/></svg> right and wrong among the pictures that stopped there</p>"
    stops_chart()
    printf "<figcaption>%s costs an unsure picture every depth that it tries, %d layers in all. The threshold was not tuned on these " \
           "pictures. %s</figcaption>\n", mean < deepest ? "That saves layers where pictures are easy, though it" : "It", \
        stop_layers[stops], command(facts["sure_command"])
    table_start("The elastic session by depth", "layers|pictures|right|computed for each")
    for (n = 1; n <= stops; n++)
        table_row(sprintf("%d|%d|%d|%d layers", stop_depth[n], stop_pictures[n], stop_right[n], stop_layers[n]))
    table_end()
    print "</figure>\n</section>"
}
