# Of each class the picture in the middle: sorted by the probability that the depths give, on average, to its class, half of the
# others are recognised more surely and half less. Nobody picks.      awk -v data=DIR -f json.awk -f classes.awk -f choose.awk RESULTS RESULTS
# Prints, in the order of the classes: class, tab, path.
$1 == "classify" {
    json($3)
    path = JSON["file"]
    class = class_of(path)
    if (!(class in index_of) || path ~ /[\n\t]/)
        next
    if (!((class, path) in sure))
        path_of[class, ++paths[class]] = path
    for (t = 0; t < JSON["top.length"]; t++)
        if (JSON["top." t ".index"] == index_of[class])
            sure[class, path] += JSON["top." t ".p"]
}

# Fewer than half are less sure, and no more than half: the lower of two in the middle; equals count in their order.
function middle(class,    i, j, below, mine, theirs) {
    for (i = 1; i <= paths[class]; i++) {
        mine = sure[class, path_of[class, i]]
        below = 0
        for (j = 1; j <= paths[class]; j++) {
            theirs = sure[class, path_of[class, j]]
            below += theirs < mine || (theirs == mine && j < i)
        }
        if (below == int((paths[class] - 1) / 2))
            return path_of[class, i]
    }
}

END {
    for (c = 1; c <= classes; c++)
        if (paths[name[c]])
            print name[c] "\t" middle(name[c])
}
