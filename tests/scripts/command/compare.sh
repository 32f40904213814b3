#!/bin/sh
# The driver of examples/generation on a few synthetic pictures: its plan, a run killed in the middle that ends as one that never
# stopped, its table.   compare.sh TLEG
tleg=$1
[ -x "$tleg" ] || { echo "usage: compare.sh TLEG" >&2; exit 2; }
source=$PWD
example=$source/examples/generation
. "$(dirname "$0")/checks.sh"
has_python compare || exit 77

python3 -B - "$example" <<'END_OF_DATA' || exit 1
import json, random, sys
from pathlib import Path
sys.path.insert(0, f"{sys.argv[1]}/../paper")
import data

draw = random.Random(1)
for part, count in (("train", 20), ("val", 4)):
    for label in range(2):
        folder = Path("data", "fashion", part, f"class{label}")
        folder.mkdir(parents=True)
        for i in range(count):
            data.write_png(folder / f"{i:02}.png", 8, 8, bytes(90 * label + draw.randrange(60) for _ in range(64)))
settings = json.load(open(f"{sys.argv[1]}/settings.json"))
settings |= {"model": {"kind": "dit", "dim": 16, "heads": 2, "image": 8, "patch": 4, "channels": 1}, "depth": 3, "depths": [3, 5],
             "gene_depths": "2-5", "seeds": [0], "epochs": 6, "source_epochs": 12, "steps": [5, 10, 30],
             "pictures": ["--batch", "8"], "train": ["--lr-absolute", "--lr", "1e-3", "--warmup", "0"]}
settings["datasets"]["fashion"] |= {"images": 40, "classes": 2}
json.dump(settings, open("settings.json", "w"))
END_OF_DATA

driver() {
    exec python3 "$example/compare.py" "$@" --settings settings.json --data data --tleg "$tleg" --threads 1
}

ends 0 plan --results whole
says out "7 runs, "
says out "fashion-tune-copied-d3-e6-s0"
ends 0 run --work w1 --results whole
says out "7 of 7 runs are made"

learning() {
    grep -q '"val_told"' w2/*/log.jsonl
}
driver run --work w2 --results pieces >killed 2>&1 &
pid=$!
until_so learning
kill -9 $pid
wait $pid 2>/dev/null
ends 0 run --work w2 --results pieces
must python3 - <<'END_OF_CHECK'
import json, pathlib
names = sorted(path.name for path in pathlib.Path("whole").glob("*.json"))
assert len(names) == 7, names
for name in names:
    one, other = (json.loads(pathlib.Path(folder, name).read_text()) for folder in ("whole", "pieces"))
    for key in one.keys() - {"seconds", "finished"}:
        assert one[key] == other[key], (name, key, one[key], other[key])
copied = json.loads(pathlib.Path("whole/fashion-tune-copied-d3-e6-s0.json").read_text())
assert len(copied["told_by_epoch"]) == 6 and copied["steps"] == 30 and copied["numbers_stored"] > 0, copied
END_OF_CHECK

mkdir docs && cp "$source/docs/generation.md" docs/
ends 0 tables --results whole --docs docs
says out "7 of 7 runs are in the table"
must grep -q '^| gene, K = 2 (TLEG) | [0-9 ]* | 0\.[0-9]* | 0\.[0-9]* | 0\.[0-9]* | 0\.[0-9]* |$' docs/generation.md
must grep -q '^| scratch (random) | 0 |  | [01]\.[0-9]* | ' docs/generation.md
ends 0 tables --results nowhere --docs docs
must grep -q "^not run yet" docs/generation.md

[ $failures -eq 0 ] || { echo "$failures of $checks checks of examples/generation failed"; exit 1; }
echo "examples/generation: $checks checks"
