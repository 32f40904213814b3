# Of the elastic session in which each picture goes as deep as it needs: for each depth how many pictures stopped there, how many of
# them were right, and how many layers each had computed.      awk -v data=DIR -v stops=3,6,12 -f json.awk -f classes.awk -f stops.awk
# RESULTS RESULTS
$1 == "sure" {
    json($3)
    pictures[JSON["depth"]]++
    right[JSON["depth"]] += JSON["top.0.index"] == index_of[class_of(JSON["file"])]
}

END {
    count = split(stops, stop, ",")
    for (i = 1; i <= count; i++)
        printf "stop\t%d\t%d\t%d\t%d\n", stop[i], pictures[stop[i]], right[stop[i]], (layers += stop[i])
}
