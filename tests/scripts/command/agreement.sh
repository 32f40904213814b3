#!/bin/sh
# Does bf16 say of pictures what f32 says? The 300 pictures of examples/cifar10 at two depths: the first class is the same for at
# least 99 of 100, and the cosine of each picture's logits is at least 0.999. Probabilities give logits less their mean.
#     agreement.sh TLEG
tleg=$1
command -v python3 >/dev/null 2>&1 || { echo "SKIP agreement: no python3"; exit 77; }
directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT
gene=tests/fixtures/seed/learngene.safetensors
for depth in 3 12; do
    for type in f32 bf16; do
        "$tleg" classify "$gene" --depth $depth --dtype $type --top 10 --json examples/cifar10/val/*/* \
            >"$directory/$type" || exit 1
    done
    python3 - "$directory/f32" "$directory/bf16" $depth <<'END' || exit 1
import json, math, sys

def read(path):
    answers = {}
    for line in open(path):
        answer = json.loads(line)
        logits = {entry["index"]: math.log(max(entry["p"], 1e-12)) for entry in answer["top"]}
        mean = sum(logits.values()) / len(logits)
        answers[answer["file"]] = (answer["top"][0]["index"], [logits[i] - mean for i in sorted(logits)])
    return answers

def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))

wide, narrow = read(sys.argv[1]), read(sys.argv[2])
assert len(wide) == len(narrow) == 300, f"{len(wide)} and {len(narrow)} pictures, expected 300"
same = sum(wide[file][0] == narrow[file][0] for file in wide) / len(wide)
least = min(cosine(wide[file][1], narrow[file][1]) for file in wide)
moved = any(wide[file][1] != narrow[file][1] for file in wide)
print(f"depth {sys.argv[3]}: the same class for {same:.4f}, least cosine {least:.6f}")
assert same >= 0.99 and least >= 0.999 and moved
END
done
