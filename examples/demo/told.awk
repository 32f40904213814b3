# What the terminal shows.      awk -v what=heads|row|rest -f json.awk -f words.awk -f results.awk -f told.awk RESULTS
END {
    if (what == "heads")
        tell_heads()
    else if (what == "row")
        tell_row(depth[depths])
    else {
        tell_table_end()
        tell_budgets()
        tell_stops()
    }
}

function tell_heads() {
    printf "%5s  %10s  %10s  %12s  %12s  %6s%s\n", "depth", "parameters", "file bytes", "expansion ms", "ms per image", "top-1", \
        own_images ? "  in the file" : ""
}

function tell_row(d) {
    printf "%5d  %10d  %10d  %12.2f  %12.3f  %5.1f%%", d, parameters[d], bytes[d], expansion[d], ms[d], 100 * top1[d]
    print d in own ? sprintf("  %10.1f%%", 100 * own[d]) : ""
}

function tell_table_end() {
    printf "\none learngene of %d bytes gave all of these; %d images each, one thread.\n", gene_bytes, images[depth[1]]
    if (own_images)
        printf "in the file: what the learngene itself says of that depth, on %d pictures (%s).\n", own_images, own_on
}

function tell_budgets(    n) {
    if (!budgets)
        return
    printf "\nthe best depth for three devices, which have a third, two thirds and all of what %d layers take here\n", deepest
    printf "(scores on %d pictures, %s; alike: the shallowest within one standard error of the best):\n\n", budget_images, budget_on
    printf "%6s  %11s  %8s  %10s  %6s  %8s  %6s  %5s\n", "device", "KiB at most", "ms", "best depth", "top-1", "bytes", "ms", "alike"
    for (n = 1; n <= budgets; n++) {
        printf "%6s  %11d  %8s", budget_name[n], budget_bytes[n], budget_ms[n]
        if (best_depth[n] == "")
            print "  nothing fits"
        else
            printf "  %10d  %5.1f%%  %8d  %6.3f  %5d\n", best_depth[n], 100 * best_score[n], best_bytes[n], best_ms[n], alike_depth[n]
    }
    print ""
    for (n = 1; n <= budgets; n++)
        print "  " budget_command[n]
}

function tell_stops(    n) {
    if (!stops)
        return
    printf "\none elastic session, each picture as deep as it needs (until the likeliest class has %s):\n\n", facts["sure"]
    for (n = 1; n <= stops; n++)
        printf "%5d of %d stopped at %2d layers, %5.1f%% of them right; each took %d layers\n", stop_pictures[n], sure_pictures, \
            stop_depth[n], stop_pictures[n] ? 100 * stop_right[n] / stop_pictures[n] : 0, stop_layers[n]
    printf "together %.1f%% right with %.1f layers a picture; all at %d layers: %.1f%%\n\n  %s\n", 100 * sure_right / sure_pictures, \
        sure_layers / sure_pictures, deepest, 100 * top1[deepest], facts["sure_command"]
}
