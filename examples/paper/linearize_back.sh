#!/bin/sh
# How far a trained model's closest learngene is from the model, and how many epochs of learning from it bring it back.
#     linearize_back.sh MODEL DATA OUT [OPTION...]
# MODEL: a trained model (12 layers, say). DATA: what it was trained on, a folder of class folders; every tenth picture of each class
# validates. OUT: a folder for what comes out. OPTIONs go to tleg distill, as --lr 1e-3 --batch 64 --augment light. For each of the
# tensors in $COUNTS (2 4 8), of the curve $CURVE (cosine): tleg linearize, then 5 epochs of tleg distill --from GENE --teacher MODEL.
# Prints R2 and the score after 0, 1, 2 and 5 epochs, beside the model's own. Started again it goes on where it was stopped; what it
# began of another MODEL, or with other words, is an error.
# $TLEG: the command, where it is not on PATH. Needs python3 to read JSON.
set -u
[ $# -ge 3 ] || {
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
model=$1 data=$2 out=$3
shift 3
tleg=${TLEG:-tleg} counts=${COUNTS:-2 4 8} curve=${CURVE:-cosine} epochs=5
mkdir -p "$out" || exit 1

# make FILE COMMAND...: the command's output in FILE, whole or not at all; nothing where it is there already.
make() {
    file=$1
    shift
    [ -s "$file" ] || { "$@" >"$file.part" && mv "$file.part" "$file"; } || exit 1
}

# The pictures that distill --val-every 10 validates with, for eval.
validation() {
    [ ! -d "$out/val" ] || return 0
    rm -rf "$out/val.part"
    for class in "$data"/*/; do
        to=$out/val.part/$(basename "$class")
        mkdir -p "$to" || exit 1
        find "$class" -type f | LC_ALL=C sort | awk 'NR % 10 == 1' | while read -r file; do cp "$file" "$to/" || exit 1; done || exit 1
    done
    mv "$out/val.part" "$out/val"
}

# member FILE KEY: of a JSON object.
member() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"
}

of=$(cksum <"$model" && printf '%s\n' "$data" "$curve" "$@") || exit 1
make "$out/of" printf '%s\n' "$of"
[ "$(cat "$out/of")" = "$of" ] || {
    printf '%s: %s: expected what came of the same MODEL, DATA, CURVE and OPTIONs,\n%s\nfound what came of\n%s\ngive another OUT\n' \
        "$0" "$out" "$of" "$(cat "$out/of")" >&2
    exit 1
}

validation
make "$out/model.json" "$tleg" info "$model" --json
depth=$(member "$out/model.json" depth) || exit 1
make "$out/model.eval.json" "$tleg" eval "$model" --data "$out/val" --json
for count in $counts; do
    gene=$out/$count.gene.safetensors log=$out/$count.log
    [ "$count" != 2 ] || curve_of=power
    [ "$count" = 2 ] || curve_of=$curve
    make "$out/$count.linearize.json" "$tleg" linearize "$model" --curve "$curve_of" --count "$count" -o "$gene" \
        --plot "$out/$count.svg" --json
    make "$out/$count.eval.json" "$tleg" eval "$gene" --depth "$depth" --data "$out/val" --json
    [ -e "$out/$count.done" ] || {
        "$tleg" distill --from "$gene" --teacher "$model" --data "$data" --val-every 10 --depth "$depth" --epochs $epochs --warmup 0 \
            --log "$log" --resume "$@" -o "$out/$count.learned.safetensors" || exit
        : >"$out/$count.done"
    }
done

python3 - "$out" $counts <<'EOF'
import json, pathlib, sys

out, counts = pathlib.Path(sys.argv[1]), sys.argv[2:]
read = lambda name: json.loads((out / name).read_text())
print(f"model: {100 * read('model.eval.json')['top1']:.1f} %")
print("tensors   R2 of matrices (unrelated)   after 0      1      2      5 epochs")
for count in counts:
    found, scores = read(f"{count}.linearize.json"), {0: read(f"{count}.eval.json")["top1"]}
    for line in (out / f"{count}.log").read_text().splitlines():
        said = json.loads(line)
        if "val_top1" in said:
            scores[said["epoch"]] = said["val_top1"]
    mean = lambda key: sum(found[key][site] for site in ("qkv", "proj", "fc1", "fc2")) / 4
    print(f"{count:>7}{mean('r2'):>17.3f} ({mean('unrelated'):.3f})" + 12 * " "
          + "".join(f"{100 * scores[epoch]:7.1f}" if epoch in scores else "      -" for epoch in (0, 1, 2, 5)))
EOF
