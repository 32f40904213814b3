#!/bin/sh
# The generator that examples/fashion ships keeps what its card says, what it draws is clothes and not noise, and the page of it is whole.
#     draw_page.sh TLEG
tleg=$1
[ -x "$tleg" ] || { echo "usage: draw_page.sh TLEG" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd) || exit 2
examples=${here%/tests/*}/examples
. "$here/checks.sh"
gene=$examples/fashion/learngene.safetensors

must test "$(wc -c <"$gene")" -le 4000000
try 0 info "$gene" --json
says out '"kind":"dit_learngene"'
scores=$(sed 's/.*"scores":{[^}]*"scores":\[\([^]]*\)\].*/\1/' out | tr , '\n')
must test "$(echo "$scores" | wc -l)" -eq 4 # of depths 4, 6, 8 and 12
must test "$(echo "$scores" | awk '$1 >= 0.95 && $1 < 1 { good++ } END { print good + 0 }')" -eq 4
must grep -q "^| noise told | $(echo "$scores" | awk '{ printf "%s%.1f", (NR > 1 ? " | " : ""), 100 * $1 }') |" "$examples/fashion/README.md"

# ---- the page ----
mkdir page
now="examples/draw/page.sh"
must sh "$examples/draw/page.sh" "$tleg" "$gene" page 1 4 >page/said
for depth in 4 6 8 12; do
    must grep -q "^depth $depth: page/draw-$depth.png, [0-9]* ms a picture" page/said
done
must test "$(grep -c '<img alt="pictures drawn with [0-9]* layers" src="data:image/png;base64,iVBOR' page/draw.html)" -eq 4

# ---- what it draws ----
try 0 generate "$gene" --depth 6 --label Trouser,Pullover --count 4 --steps 12 --seed 3 -o clothes.st
if has_python "draw_page: what it draws"; then
    # a pullover fills its picture's middle, trousers leave the sides dark, and both stand before black
    must python3 -c '
import json, struct
data = open("clothes.st", "rb").read()
size = struct.unpack("<Q", data[:8])[0]
first, last = json.loads(data[8:8 + size])["images"]["data_offsets"]
numbers = struct.unpack(f"<{(last - first) // 4}f", data[8 + size + first:8 + size + last])
mean = lambda picture, rows, columns: sum(numbers[picture * 784 + r * 28 + c] for r in rows for c in columns) / len(rows) / len(columns)
trousers, pullovers = range(4), range(4, 8)
average = lambda pictures, *place: sum(mean(p, *place) for p in pictures) / len(pictures)
all_rows, middle = range(4, 24), range(9, 19)
assert average(trousers, all_rows, range(0, 4)) < -0.8 and average(trousers, all_rows, range(24, 28)) < -0.8
assert average(pullovers, middle, middle) > -0.3
assert average(pullovers, middle, range(4, 8)) > average(trousers, middle, range(4, 8)) + 0.4'
fi

# ---- how far it is from real pictures, as docs/generation.md measures it ----
now="examples/generation/distance.sh"
try 0 generate "$gene" --depth 4 --steps 2 --count 20 --seed 5 -o real/
TLEG=$tleg EACH=2 STEPS=2 must sh "$examples/generation/distance.sh" "$gene" real real distances >distances.jsonl 2>notes
must test "$(grep -c '^{"set":"depth [0-9]*","steps":2,"distance":{"distance":[0-9]' distances.jsonl)" -eq 4
must grep -qE '^\{"set":"real","steps":2,"distance":\{"distance":(-?0\.0,|-?[0-9.]*e-)' distances.jsonl # of the same pictures

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of draw_page failed"
    exit 1
fi
echo "draw_page: $checks checks"
