# Words and numbers as the page writes them.
BEGIN { split("one two three four five six seven eight nine ten eleven twelve", WORDS, " ") }

function esc(text) {
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    gsub(/"/, "\\&quot;", text)
    return text
}

function commas(number,    text, out) {
    text = sprintf("%d", number)
    while (length(text) > 3) {
        out = "," substr(text, length(text) - 2) out
        text = substr(text, 1, length(text) - 3)
    }
    return text out
}

function percent(share, places) {
    return sprintf("%." places "f %%", 100 * share)
}

function digits3(v) {
    return v < 1 ? sprintf("%.3f", v) : v < 10 ? sprintf("%.2f", v) : sprintf("%.1f", v)
}

function digits2(v) {
    return v < 10 ? sprintf("%.2f", v) : sprintf("%.0f", v)
}

function megabytes(n) {
    return n < 1e6 ? sprintf("%.0f kB", n / 1000) : n < 9995000 ? sprintf("%.2f MB", n / 1e6) : sprintf("%.1f MB", n / 1e6)
}

function count_word(n) {
    return n in WORDS ? WORDS[n] : n
}

function plural(n) {
    return n == 1 ? "" : "s"
}

function depth_list(    i, text) {
    for (i = 1; i <= depths; i++)
        text = text (i == 1 ? "" : i == depths ? " and " : ", ") depth[i]
    return text " layer" (depths == 1 && depth[1] == 1 ? "" : "s")
}
