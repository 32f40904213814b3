# Which folder is which class: the first of two readings of RESULTS takes it from the evaluations.
BEGIN { FS = "\t" }

FNR == NR {
    if ($1 == "eval") {
        json($3)
        for (c = 0; c < JSON["classes.length"]; c++)
            if (JSON["classes." c ".images"] > 0 && !(JSON["classes." c ".name"] in index_of)) {
                name[++classes] = JSON["classes." c ".name"]
                index_of[name[classes]] = JSON["classes." c ".index"]
            }
    }
    next
}

# The folder that a picture lies in, next below data.
function class_of(path,    class) {
    class = substr(path, length(data) + 1)
    sub(/^\/+/, "", class)
    sub(/\/.*/, "", class)
    return class
}
