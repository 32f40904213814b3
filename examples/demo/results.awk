# Reads what measure.sh kept, line by line KIND, DEPTH, JSON, into the variables that table, charts and page are made from.
BEGIN { FS = "\t" }

$1 == "fact" { facts[$2] = $3 }
$1 == "picture" {
    shown_class[++pictures] = $2
    shown_path[pictures] = $3
    shown_bytes[pictures] = $4
    shown_data[pictures] = $5
}
# How many pictures stopped at a depth of the elastic session, how many of them were right, and the layers that each took.
$1 == "stop" {
    stop_depth[++stops] = $2
    stop_pictures[stops] = $3
    stop_right[stops] = $4
    stop_layers[stops] = $5
    sure_pictures += $3
    sure_right += $4
    sure_layers += $3 * $5
}
$1 == "budget" {
    json($3)
    take_budget($2, $4, $5, $6)
}
$1 ~ /^(info|reference|expand|bench|eval|classify)$/ {
    json($3)
    if ($1 == "info")
        take_info()
    else if ($1 == "reference")
        take_reference()
    else if ($1 == "expand")
        take_expansion($2)
    else if ($1 == "bench")
        take_bench($2)
    else if ($1 == "eval")
        take_score($2)
    else
        take_answer($2, JSON["file"])
}

function take_info(    i) {
    gene_path = JSON["file"]
    gene_parameters = JSON["parameters"]
    gene_bytes = JSON["bytes"]
    classes = JSON["classes"]
    side = JSON["image_size"]
    schedule = JSON["schedule"]
    learned_from = JSON["depths.0"]
    learned_to = JSON["depths." JSON["depths.length"] - 1]
    own_images = reference_images = JSON["scores.images"]
    own_on = JSON["scores.on"]
    reference_name = "the file"
    for (i = 0; i < JSON["scores.depths.length"]; i++)
        own[JSON["scores.depths." i]] = reference[JSON["scores.depths." i]] = JSON["scores.scores." i]
    shape = sprintf("%d by %d pixels, patches of %d, width %d, %d heads", side, side, JSON["patch_size"], JSON["dim"], JSON["heads"])
}

function take_reference(    key) {
    split("", reference)
    reference_name = "PyTorch"
    reference_images = JSON["images"]
    learned_from = JSON["learned_at_depths.0"]
    learned_to = JSON["learned_at_depths.1"]
    for (key in JSON)
        if (key ~ /^top1_by_depth\./)
            reference[substr(key, 15)] = JSON[key]
}

function take_expansion(d) {
    depth[++depths] = d
    shallowest = depths == 1 || d + 0 < shallowest ? d + 0 : shallowest
    deepest = d + 0 > deepest + 0 ? d + 0 : deepest
    parameters[d] = JSON["parameters"]
    bytes[d] = JSON["bytes"]
    expansion[d] = JSON["ms"]
    sum_parameters += parameters[d]
    sum_bytes += bytes[d]
}

function take_bench(d) {
    ms[d] = JSON["ms"]
    ms_least[d] = JSON["ms_least"]
    runs[d] = JSON["runs"]
    fewest_runs = fewest_runs == "" || runs[d] < fewest_runs ? runs[d] : fewest_runs
    level = JSON["level"]
    threads = JSON["threads"]
    type = JSON["dtype"]
}

function take_score(d,    c) {
    top1[d] = JSON["top1"]
    right[d] = JSON["correct"]
    images[d] = JSON["images"]
    named = JSON["classes.length"]
    for (c = 0; c < named; c++) {
        class_name[c] = JSON["classes." c ".name"]
        class_index[class_name[c]] = JSON["classes." c ".index"]
        class_images[c] = JSON["classes." c ".images"]
        class_right[c, d] = JSON["classes." c ".correct"]
    }
}

function take_answer(d, path) {
    answer[d, path] = JSON["top.0.label"] == "" ? "class " JSON["top.0.index"] : JSON["top.0.label"]
    answer_index[d, path] = JSON["top.0.index"]
    sure[d, path] = JSON["top.0.p"]
}

function take_budget(name, limit_bytes, limit_ms, asked,    i, n) {
    n = ++budgets
    budget_name[n] = name
    budget_bytes[n] = limit_bytes
    budget_ms[n] = limit_ms
    budget_command[n] = asked
    best_depth[n] = JSON["best"]
    alike_depth[n] = JSON["cheapest"]
    for (i = 0; i < JSON["depths.length"]; i++)
        if (JSON["depths." i ".depth"] == JSON["best"]) {
            best_bytes[n] = JSON["depths." i ".bytes"]
            best_ms[n] = JSON["depths." i ".ms"]
            best_score[n] = JSON["depths." i ".score"]
        }
    if (JSON["scores.images"]) {
        budget_images = JSON["scores.images"]
        budget_on = JSON["scores.on"]
    }
}
