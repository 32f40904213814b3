# Writes the page from what results.awk read. It is both HTML and XML, so that any XML parser can check it.

function table_start(caption, heads,    i, count, head) {
    printf "<details><summary>The numbers</summary>\n<table><caption>%s</caption>\n<thead><tr>", esc(caption)
    count = split(heads, head, "|")
    for (i = 1; i <= count; i++)
        printf "<th scope=\"col\">%s</th>", esc(head[i])
    print "</tr></thead>\n<tbody>"
}

function table_row(cells,    i, count, cell) {
    count = split(cells, cell, "|")
    printf "<tr><th scope=\"row\">%s</th>", esc(cell[1])
    for (i = 2; i <= count; i++)
        printf "<td>%s</td>", esc(cell[i])
    print "</tr>"
}

function table_end() {
    print "</tbody></table></details>"
}

function page_head(    row) {
    print "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>"
    print "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
    print "<meta name=\"color-scheme\" content=\"light dark\"/>"
    print "<meta name=\"description\" content=\"What one learngene gives at " depth_list() ", measured\"/>"
    print "<title>libtleg: one learngene, " count_word(depths) " depths</title>"
    print "<link rel=\"icon\" href=\"data:,\"/>\n<style>"
    while ((getline row <css) > 0)
        print row
    print "</style>\n</head>\n<body>"
}

function introduction() {
    print "<header>\n<p class=\"brand\">libtleg</p>"
    printf "<h1>One learngene, %s depth%s</h1>\n", count_word(depths), plural(depths)
    printf "<p class=\"lead\">A file of %s numbers gave Vision Transformers of %s. ", commas(gene_parameters), depth_list()
    printf "Each classified the same %s pictures and was timed on this machine: %s, %s thread%s.</p>\n", commas(images[depth[1]]), \
        esc(facts["processor"]), count_word(threads), plural(threads)
    print "<figure class=\"wide\">"
    read_schedule()
    layers_chart()
    print "<figcaption>" schedule_words() " Nothing is trained between the file and a model" \
          (straight() ? ": it is one multiplication and one addition a weight" : "") ".</figcaption>"
    print "</figure>\n</header>\n<main>"
}

function by_depth(    i, d) {
    print "<section>\n<h2>Depth by depth</h2>\n<table class=\"whole\"><caption>What each depth takes and what it scores</caption>"
    printf "<thead><tr><th scope=\"col\">layers</th><th scope=\"col\">file</th><th scope=\"col\">ms a picture</th><th scope=\"col\">right of %s</th>%s", \
        commas(images[depth[1]]), own_images ? "<th scope=\"col\">in the file, of " commas(own_images) "</th>" : ""
    print "</tr></thead>\n<tbody>"
    for (i = 1; i <= depths; i++) {
        d = depth[i]
        table_row(d "|" megabytes(bytes[d]) "|" digits3(ms[d]) "|" percent(top1[d], 1) \
                  (own_images ? "|" (d in own ? percent(own[d], 1) : "") : ""))
    }
    print "</tbody></table>\n</section>"
}

function key_start() {
    printf "<p class=\"key\"><svg width=\"12\" height=\"16\" aria-hidden=\"true\"><line class=\"whisker\" x1=\"6\" y1=\"0\" x2=\"6\" y2=\"16\"/>" \
           "<circle class=\"dot\" cx=\"6\" cy=\"8\" r=\"4.5\"/></svg> "
}

function accuracy(    i, best, d) {
    best = depth[1]
    for (i = 2; i <= depths; i++)
        best = top1[depth[i]] > top1[best] ? depth[i] : best
    print "<section class=\"pair\">\n<figure>\n<h2>Accuracy</h2>"
    printf "<p>At best %s of %s pictures right, at %d layers.</p>\n", right[best], images[best], best
    key_start()
    printf "these %s, with the 95 %% interval", commas(images[depth[1]])
    if (reference_images)
        printf "; <svg width=\"16\" height=\"16\" aria-hidden=\"true\"><rect class=\"reference\" y=\"7\" width=\"16\" height=\"2.5\"/></svg> %s, %s", \
            reference_name, commas(reference_images)
    print "</p>"
    accuracy_chart()
    printf "<figcaption>Differences inside the intervals mean little."
    if (learned_to)
        printf " The file says that it was learned at depths %d to %d.", learned_from, learned_to
    if (own_images)
        printf " The file keeps its own scores, on %s pictures (%s).", commas(own_images), esc(own_on)
    if (reference_name == "PyTorch")
        printf " PyTorch ran the same weights, on all %s pictures from which these %s were taken.", commas(reference_images), commas(images[depth[1]])
    print "</figcaption>"
    table_start("Top-1 accuracy by depth", "layers|right|top-1|95 % interval" (reference_images ? "|" reference_name : ""))
    for (i = 1; i <= depths; i++) {
        d = depth[i]
        wilson(right[d], images[d])
        table_row(sprintf("%d|%d of %d|%s|%.1f to %.1f%s", d, right[d], images[d], percent(top1[d], 1), 100 * INTERVAL["low"],
                          100 * INTERVAL["high"], reference_images ? "|" (d in reference ? percent(reference[d], 1) : "") : ""))
    }
    table_end()
    print "</figure>"
}

function latency(    i, d) {
    print "<figure>\n<h2>Latency</h2>"
    if (depths > 1)
        printf "<p>Each layer adds %s ms.</p>\n", digits2((ms[deepest] - ms[shallowest]) / (deepest - shallowest))
    print "<p class=\"key\"><svg width=\"12\" height=\"16\" aria-hidden=\"true\"><circle class=\"dot\" cx=\"6\" cy=\"8\" r=\"4.5\"/></svg> " \
          "ms for one picture, median, " count_word(threads) " thread" plural(threads) "</p>"
    latency_chart()
    printf "<figcaption>From prepared pixels to scores, one picture at a time, %s runs or more after a first that does not count. " \
           "Reading and preparing the file is not in it.</figcaption>\n", commas(fewest_runs)
    table_start("Latency by depth", "layers|median|least|runs|pictures a second")
    for (i = 1; i <= depths; i++) {
        d = depth[i]
        table_row(sprintf("%d|%s ms|%s ms|%s|%s", d, digits3(ms[d]), digits3(ms_least[d]), commas(runs[d]), commas(1000 / ms[d])))
    }
    table_end()
    print "</figure>\n</section>"
}

function storage(    i, d) {
    print "<section>\n<figure>\n<h2>Storage</h2>"
    printf "<p>Parameters to store: one learngene for every depth, or a model for each. "
    if (sum_parameters > 1.5 * gene_parameters)
        printf "That is %.0f times fewer, ", sum_parameters / gene_parameters
    printf "%s instead of %s.</p>\n", megabytes(gene_bytes), megabytes(sum_bytes)
    storage_chart()
    print "<figcaption>Under each model its layers. The learngene stays as large as it is, however many depths are wanted.</figcaption>"
    table_start("What is stored", "stored|parameters|file|expansion")
    table_row("learngene|" commas(gene_parameters) "|" megabytes(gene_bytes) "|")
    for (i = 1; i <= depths; i++) {
        d = depth[i]
        table_row(sprintf("%d layers|%s|%s|%s ms", d, commas(parameters[d]), megabytes(bytes[d]), digits2(expansion[d])))
    }
    table_row("all models|" commas(sum_parameters) "|" megabytes(sum_bytes) "|")
    table_end()
    print "</figure>\n</section>"
}

function mime(path) {
    return tolower(path) ~ /\.png$/ ? "image/png" : "image/jpeg"
}

function card(n,    i, d, path, good) {
    path = shown_path[n]
    print "<article>\n<div class=\"subject\">"
    if (shown_data[n] != "")
        printf "<img src=\"data:%s;base64,%s\" alt=\"a picture of the class %s\" width=\"96\" height=\"96\"/>\n", mime(path), shown_data[n], esc(shown_class[n])
    else
        printf "<p class=\"missing\">%s, too large for this page</p>\n", megabytes(shown_bytes[n])
    printf "<h3>%s</h3>\n</div>\n<table><caption class=\"aside\">%s: answers by depth</caption>\n", esc(shown_class[n]), esc(shown_class[n])
    print "<thead class=\"aside\"><tr><th scope=\"col\">layers</th><th scope=\"col\">answer</th><th scope=\"col\">probability</th></tr></thead>\n<tbody>"
    for (i = 1; i <= depths; i++) {
        d = depth[i]
        good = answer_index[d, path] == class_index[shown_class[n]]
        printf "<tr class=\"%s\"><th scope=\"row\">%d</th><td>%s<span class=\"aside\">, %s</span></td>", good ? "right" : "wrong", d, \
            esc(answer[d, path]), good ? "right" : "wrong"
        printf "<td><span class=\"bar\"><span style=\"width:%.1f%%\"></span></span>%s</td></tr>\n", 100 * sure[d, path], percent(sure[d, path], 0)
    }
    print "</tbody></table>\n</article>"
}

function answers(    n) {
    print "<section>\n<h2>What each depth answers</h2>"
    print "<p>One picture of each class, with the answer of every depth and the probability that it gives. A filled bar is a right answer, " \
          "a hollow one a wrong answer.</p>\n<div class=\"cards\">"
    for (n = 1; n <= pictures; n++)
        card(n)
    print "</div>"
    print "<p class=\"note\">Nobody picked these: sorted by how surely the depths together recognise them, each is the middle one of its class.</p>"
}

function by_class(    c, i, d, share) {
    print "<h3 class=\"later\">Every class at every depth</h3>\n<table class=\"heat\"><caption>Pictures classified right, %, by class and layers</caption>"
    printf "<thead><tr><th scope=\"col\"><span class=\"aside\">class</span></th>"
    for (i = 1; i <= depths; i++)
        printf "<th scope=\"col\">%d</th>", depth[i]
    print "</tr></thead>\n<tbody>"
    for (c = 0; c < named; c++) {
        if (!class_images[c])
            continue
        printf "<tr><th scope=\"row\">%s</th>", esc(class_name[c])
        for (i = 1; i <= depths; i++) {
            share = class_right[c, depth[i]] / class_images[c]
            printf "<td style=\"--share:%.2f\">%.0f</td>", share, 100 * share
        }
        print "</tr>"
    }
    print "</tbody></table>\n</section>"
}

function term(name, words) {
    printf "<dt>%s</dt><dd>%s</dd>\n", esc(name), esc(words)
}

function measured() {
    print "<section>\n<h2>How this was measured</h2>\n<dl>"
    term("Processor", facts["processor"] ", " facts["cores"] " core" plural(facts["cores"]) ", " facts["system"])
    term("Computed with", count_word(threads) " thread" plural(threads) ", kernels for " level ", weights in " type)
    term("Library", facts["version"])
    term("Date", facts["date"])
    term("Learngene", gene_path ": " shape)
    term("Pictures", commas(images[depth[1]]) " in " named " classes" (facts["about"] == "" ? "" : ". " facts["about"]))
    print "</dl>\n<p class=\"note\">Made by <code>sh examples/demo.sh</code> from the command\342\200\231s own JSON: " \
          "<code>tleg info</code>, <code>expand</code>, <code>bench</code>, <code>eval</code>, <code>classify</code> and <code>plan</code>. " \
          "The method is TLEG, by Xia and others (AAAI 2024).</p>\n</section>"
}

END {
    page_head()
    introduction()
    by_depth()
    accuracy()
    latency()
    best_for_budgets()
    as_deep_as_needed()
    storage()
    answers()
    by_class()
    measured()
    print "</main>\n</body>\n</html>"
}
