# Reads one line of JSON into JSON[]: {"a":[{"b":1}]} becomes JSON["a.0.b"] = 1 and JSON["a.length"] = 1.

function json(text) {
    split("", JSON)
    json_rest = text
    json_value("")
}

function json_token(    token) {
    match(json_rest, /^[ \t]*("([^"\\]|\\.)*"|[][{}:,]|[^][{}:," \t]+)/)
    token = substr(json_rest, 1, RLENGTH)
    json_rest = substr(json_rest, RLENGTH + 1)
    sub(/^[ \t]+/, "", token)
    return token
}

function json_value(path,    token, key, count, prefix) {
    prefix = path == "" ? "" : path "."
    token = json_token()
    if (token == "{") {
        for (token = json_token(); token ~ /^[",]/; token = json_token()) {
            if (token == ",")
                continue
            key = json_text(token)
            json_token() # the colon
            json_value(prefix key)
        }
    } else if (token == "[") {
        for (count = 0; json_rest !~ /^[ \t]*\]/ && json_rest != ""; count++) {
            json_value(prefix count)
            if (json_rest ~ /^[ \t]*,/)
                json_token()
        }
        json_token()
        JSON[prefix "length"] = count
    } else {
        JSON[path] = token ~ /^-?[0-9]/ ? token + 0 : json_text(token)
    }
}

# A string without its quotes and escapes; other values as they are, null as "".
function json_text(token,    text, at, next_one) {
    if (token == "null")
        return ""
    if (token !~ /^"/)
        return token
    token = substr(token, 2, length(token) - 2)
    while ((at = index(token, "\\")) > 0) {
        next_one = substr(token, at + 1, 1)
        text = text substr(token, 1, at - 1) (next_one == "n" ? "\n" : next_one == "t" ? "\t" : next_one)
        token = substr(token, at + 2)
    }
    return text token
}
