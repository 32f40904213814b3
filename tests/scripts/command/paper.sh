#!/bin/sh
# The driver of examples/paper on a few synthetic pictures: its plan; runs killed and stopped in the middle, which end as runs that
# were never stopped do; its tables.   paper.sh TLEG
tleg=$1
[ -x "$tleg" ] || { echo "usage: paper.sh TLEG" >&2; exit 2; }
for python in python3 /usr/bin/python3 none; do
    "$python" -c 'import numpy' 2>/dev/null && break
done
[ $python != none ] || { echo "SKIP paper: no python3 with numpy"; exit 77; }
source=$PWD
paper=$source/examples/paper
. "$(dirname "$0")/checks.sh"

# ---- data and settings ----
"$python" -B - "$paper" <<'END' || exit 1
import json, random, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import data

draw = random.Random(1)
for name, classes in (("cifar10", 3), ("cifar100", 4), ("tinyimagenet32", 5)):
    for part, count in (("train", 12), ("val", 4)):
        for label in range(classes):
            folder = Path("data", name, part, f"class{label}")
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = bytes(30 + 40 * label * (k % 3 == label % 3) + draw.randrange(60) for k in range(192))
                data.write_png(folder / f"{i:02}.png", 8, 8, pixels, 3)
settings = json.load(open(f"{sys.argv[1]}/settings.json"))
settings |= {
    "model": {"dim": 16, "heads": 2, "hidden": 32, "image": 8, "patch": 4, "mean": "0.5,0.5,0.5", "std": "0.2,0.2,0.2"},
    "depths": [2, 4], "gene_depths": "2-4", "score_depths": [2, 3, 4], "seeds": [0], "compared_seeds": [0], "epochs": 2, "few_epochs": [1],
    "compare_epochs": 1, "gene_epochs": 12, "source_epochs": 1, "targets": ["cifar100"], "rates": ["lr5e-4"],
    "recipes": {"lr5e-4": {"train": ["--lr", "5e-4"]}, "long": {"gene_epochs": 16}, "wide": {"model": {"dim": 24}}, "labels": {"taught": ["--alpha", "0"]},
                "teacher": {"gene_depths": "4", "taught": ["--teacher-mean", "images"]}},
    "reasons": [["", ""], ["labels", "labels"], ["teacher", ""]], "recipe_titles": {"": "as everywhere", "labels": "from labels", "teacher": "at depth 4"},
    "train": ["--lr-absolute", "--lr", "1e-3", "--warmup", "0"]}
settings["pictures"][settings["pictures"].index("--batch") + 1] = "12"
settings["datasets"]["cifar10"] |= {"val_every": 4, "images": 27, "classes": 3}
settings["datasets"]["cifar100"] |= {"images": 48, "classes": 4}
settings["datasets"]["tinyimagenet32"] |= {"images": 60, "classes": 5}
json.dump(settings, open("settings.json", "w"))
END

# driver VERB ARGUMENT...
driver() {
    exec "$python" "$paper/paper.py" "$@" --settings settings.json --data data --tleg "$tleg" --threads 1
}

# ---- the plan ----
ends 0 plan --results whole --images-per-second 100
says out "1200 layer passes a second (100 images a second at depth 12), as given"
says out "cifar10-tune-gene2-d4-e2-s0"
runs=$(sed -n 's/^\([0-9]*\) runs, .*/\1/p' out)
now="the plan of settings.json"
must "$python" "$paper/paper.py" plan --results whole >out 2>err
says out "cifar100-tune-gene2-of-tinyimagenet32-d8-e2-s0"

# ---- whole, and in pieces ----
ends 0 run --work w1 --results whole
says out "$runs of $runs runs are made"
must test "$(find whole -name '*.json' | wc -l)" -eq "$runs"
must grep -q '"step":' whole/cifar10-tune-random-d2-e2-s0.jsonl
must grep -q '"data":"DATA/cifar10/train"' whole/cifar10-tune-random-d2-e2-s0.jsonl

part="--only cifar10-*-d2-*"
learning() {
    grep -q '"val_top1"' w2/*/log.jsonl
}
some() { # and this driver is at work: a signal before that ends any program
    [ -s stopped ] && [ "$(find pieces -name '*.json' | wc -l)" -ge 8 ]
}
driver run --work w2 --results pieces $part >killed 2>&1 &
pid=$!
until_so learning
kill -9 $pid
wait $pid 2>/dev/null
ends 0 run --work w2 --results pieces $part --minutes 0.005
says out "stopped (time): all is saved"
driver run --work w2 --results pieces $part >stopped 2>&1 &
pid=$!
until_so some
kill -TERM $pid
wait $pid
code=$?
now="SIGTERM"
must test $code -eq 130
cp stopped out
says out "the same command goes on"
ends 0 run --work w2 --results pieces $part
must "$python" - <<'END'
import json, pathlib
for path in pathlib.Path("pieces").glob("*.json"):
    one, other = (json.loads((folder / path.name).read_text()) for folder in (pathlib.Path("whole"), pathlib.Path("pieces")))
    for key in one.keys() - {"seconds", "finished"}:
        assert one[key] == other[key], (path.name, key, one[key], other[key])
END

# ---- what must not be mixed ----
ends 1 run --work w2 --results pieces $part --extra "--ema 0.9"
says out "made with other settings: expected extra = --ema 0.9"
ends 1 run --work w2 --results pieces --only nothing
says err "--only nothing"
ends 1 run --work w2 --results pieces --recorded absent.rec --only cifar10-tune-random-d2-e1-s0
says out "expected taught = "

# ---- a teacher ----
ends 0 record --work w4 --teacher "$python $source/examples/teachers/minimal.py" --recorded teacher.rec
ends 0 run --work w4 --results taught --recorded teacher.rec --only 'cifar10-tune-random-d2-e?-s0'
must grep -q '"taught": \["--alpha"' taught/cifar10-tune-random-d2-e2-s0.json
must grep -q '"teacher":0\.[0-9]*[1-9]' w4/cifar10-tune-random-d2-e2-s0/log.jsonl

# other recipes
ends 0 run --work w4 --results taught --recorded teacher.rec --only 'cifar10-tune-gene2-by-*'
must grep -q '"needs": \["cifar10-learn-gene2-e12-labels-s0"\]' taught/cifar10-tune-gene2-by-labels-d4-e2-labels-s0.json
must grep -q '"command": "[^"]* --alpha 0 ' taught/cifar10-tune-gene2-by-labels-d4-e2-labels-s0.json
must grep -q '"command": "[^"]* --depth 4 .*--alpha 0.9 .*--teacher-mean images ' taught/cifar10-learn-gene2-e12-teacher-s0.json
must grep -q '"command": "[^"]* --alpha 0.9 ' taught/cifar10-tune-gene2-by-teacher-d4-e2-s0.json
must grep -q '"model": {"dim": 24, "heads": 2,' whole/cifar10-tune-gene2-by-wide-d4-e1-wide-s0.json
must grep -q '"command": "[^"]* --lr 5e-4 ' whole/cifar10-tune-random-d4-e2-lr5e-4-s0.json

now="two drivers"
driver run --work w3 --results several --minutes 0.03 >first 2>&1 &
pid=$!
until_so test -e w3/lock
ends 0 run --work w3 --results several --minutes 0.01
says out "another driver"
wait $pid

# ---- tables ----
mkdir docs && cp "$source/docs/experiments.md" docs/
ends 0 tables --results whole --docs docs
says out "$runs of $runs runs are in the tables"
for row in "gene, 0 epochs" "scratch, 4 epochs" "trained model: first 2 layers" "separate models, 4 epochs" \
    "gene, K = 4 (Chebyshev)"; do
    must grep -q "^| $row | .*[0-9]" docs/experiments.md
done
must grep -q '<svg' docs/experiments/paper-half.svg
cp docs/experiments.md once.md
ends 0 tables --results whole --docs docs
same once.md docs/experiments.md
ends 0 tables --results nowhere --docs docs
must grep -q "^not run yet" docs/experiments.md

# the smallest rows: what the time left out is said, and once all are there the next time begins anew
ends 0 smallest --work f8 --results f8/results --minutes 0.0001
says out "cifar100-tune-random-d2-e1-s0: not run yet, in the tables not run yet"
ends 0 smallest --work f8 --results f8/results
must grep -q '^cifar100-tune-random-d2-e1-s0: [0-9]*\.[0-9]* %, in the tables not run yet' out
ends 0 smallest --work f8 --results f8/results
says out "4 of 4 runs are made"
says out "/4 cifar100-tune-random-d2-e1-s0"
ends 1 prepare
says err "prepare: expected --archives DIR"

# ---- with a command that stands in for tleg ----
printf '#!/bin/sh\nexec "%s" "%s/tests/scripts/command/paper_tleg.py" "$@"\n' "$python" "$source" >stand-in
chmod +x stand-in
tleg=$PWD/stand-in
# edit FILE STATEMENT: changes `it`, the JSON of a file.
edit() {
    must "$python" -c 'import json, sys; it = json.load(open(sys.argv[1])); exec(sys.argv[2]); json.dump(it, open(sys.argv[1], "w"))' "$@"
}

# tables of results that were made alike
ends 0 run --work f1 --results f1/results --only 'cifar10-tune-gene2-d?-e1-s0'
cp "$source/docs/experiments.md" docs/
cp docs/experiments.md once.md
one=f1/results/cifar10-tune-gene2-d4-e1-s0.json
cp $one one.json
edit $one 'it["settings"]["model"]["dim"] = 24'
ends 1 tables --results f1/results --docs docs
says err "d4-e1-s0.json: made with other settings: expected model = "
cp one.json $one
edit $one 'it["settings"]["extra"] = "--ema 0.9"'
ends 1 tables --results f1/results --docs docs
says err "made with other settings: expected extra = "
edit $one 'del it["settings"]'
ends 1 tables --results f1/results --docs docs
says err "d4-e1-s0.json: expected the JSON of a run"
echo '{"name": "cif' >$one
ends 1 tables --results f1/results --docs docs
says err "d4-e1-s0.json: expected the JSON of a run"
same once.md docs/experiments.md
cp one.json $one
ends 0 tables --results f1/results --docs docs
must test ! -s err
now="tables of the results that are kept"
must "$python" -B "$paper/paper.py" tables --docs docs >out 2>err

# two seeds of some rows, beside one of others; other seeds where starts are compared; numbers that follow the depth; a gene that learned for longer
"$python" -B - "$paper" <<'END' || exit 1
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import alike, plan

settings = json.load(open("settings.json")) | {"seeds": [0, 1], "compared_seeds": [0, 2]}
json.dump(settings, open("two.json", "w"))
Path("made-up").mkdir()
for name, run in plan.make(settings).items():
    if run.seed == 0 or run.start in ("gene2", "random"):
        score = (run.depth + 2 * run.seed) / 10
        result = {"seed": run.seed, "top1": score, "top1_before": None, "numbers": 50 + len(run.start),
                  "top1_by_depth": {"2": 0.5 + 0.2 * run.seed, "4": 0.6 + 0.2 * run.seed},
                  "numbers_stored": 100 * run.depth if run.start in ("cut", "copied") else 7, "seconds": 1.0,
                  "threads": 1, "layer_passes": plan.layer_passes(run, settings),
                  "settings": alike.settings_of(run, settings, False, "")}
        Path("made-up", f"{name}.json").write_text(json.dumps(result))
END
now="tables of two seeds"
must "$python" -B "$paper/paper.py" tables --settings two.json --results made-up --docs docs >out 2>err
for row in "gene, 0 epochs | 60.0 ± 10.0 | 70.0 ± 10.0" \
    "gene, 2 epochs | 40.0 ± 20.0 | 60.0 ± 20.0" \
    "gene, K = 2 (TLEG) | 7 | 70.0 ± 20.0 | 80.0 ± 20.0 | 40.0 ± 20.0 | 60.0 ± 20.0" \
    "gene, K = 2 (TLEG) | 110 | 70.0 ± 20.0 | 80.0 ± 20.0 | 40.0 ± 20.0 | 60.0 ± 20.0 | 40.0 ± 20.0 | 60.0 ± 20.0" \
    "gene, K = 2 (TLEG), wider | 110 | 70.0 ± 20.0 | 80.0 ± 20.0 |  |  | 40.0 ± 20.0 | 60.0 ± 20.0" \
    "at depth 4 | as everywhere | 60.0 | 40.0 | 40.0" \
    "gene, K = 3 (Chebyshev) | 7 | 50.0 \\* | 60.0 \\* | 20.0 \\* | 40.0 \\*" \
    "trained model: layers evenly spaced | 200 / 400 | 20.0 \\* | 40.0 \\*" \
    "gene of 16 epochs, untuned | 55 | 0 | 0.00 | 55.0 \\* | 4 / 2"; do
    must grep -qF "| $row |" docs/experiments.md
done
now="a mean over depths where a seed is missing at one of them"
must rm made-up/cifar10-tune-random-d4-e2-s0.json
must "$python" -B "$paper/paper.py" tables --settings two.json --results made-up --docs docs >out 2>err
must grep -q "^| separate models, 2 epochs .* | 50.0 .\* |" docs/experiments.md

# what a result was made from
echo said >said.rec
echo other >other.rec
two="--only cifar10-tune-gene2-d?-e1-s0"
ends 0 run --work f2 --results f2/results --recorded said.rec $two
one=f2/results/cifar10-tune-gene2-d4-e1-s0.json
must grep -q "\"recording\": \"$(sha256sum <said.rec | cut -d' ' -f1)\"" $one
must grep -q "\"source_model\": \"$(sha256sum <f2/cifar10-learn-gene2-e12-s0/learned.safetensors | cut -d' ' -f1)\"" $one
must grep -q '"computed": "f32 at level none"' $one
ends 1 run --work f2 --results f2/results --recorded other.rec $two
says out "made with other settings: expected recording = "
ends 0 tables --results f2/results --docs docs
must test ! -s err
edit $one 'it["settings"]["recording"] = "1234567890abcdef"'
ends 0 tables --results f2/results --docs docs
says err "table half: its results were taught by 2 recordings that differ: "
must test "$(grep -c 'table half' err)" -eq 1
edit $one 'del it["settings"]["recording"]' # a file of an earlier version
edit $one 'it["source_model"] = "1234567890abcdef"'
ends 0 tables --results f2/results --docs docs
says err "table half: its results began with 2 files of cifar10-learn-gene2-e12-s0 that differ: "
ends 0 run --work f2 --results f2/results --recorded said.rec $two

# a run that is made again begins again
one=f1/results/cifar10-tune-gene2-d4-e1-s0.json gene=cifar10-learn-gene2-e12-s0
cp $one one.json
rm $one
ends 0 run --work f1 --results f1/results $two
rm $one f1/$gene/learned.safetensors
ends 0 run --work f1 --results f1/results $two
edit one.json 'it["finished"] = ""'
edit $one 'it["finished"] = ""'
same one.json $one

# a start of other settings, which a run that broke off left
random="--only cifar10-tune-random-d2-e1-s0"
export BREAK=short
ends 1 run --work f1 --results f1/results $random
unset BREAK
must test -s f1/cifar10-tune-random-d2-e1-s0/start.json
cp settings.json usual.json
edit settings.json 'it["model"]["dim"] = 24'
ends 0 run --work f1 --results f1/wider $random
must grep -q '"numbers": 72,' f1/wider/cifar10-tune-random-d2-e1-s0.json
mv usual.json settings.json

# a model that a kill left half learned, beside a result that is there: that of a fresh clone
mkdir f3
cp -r f1/results f3/
rm f3/results/cifar10-tune-gene2-d4-e1-s0.json
export HOLD=$PWD/hold
: >hold
driver run --work f3 --results f3/results $two >killed 2>&1 &
pid=$!
until_so test -s f3/$gene/learned.safetensors
kill -9 $pid
wait $pid 2>/dev/null
rm hold
ends 0 run --work f3 --results f3/results $two
same f1/$gene/learned.safetensors f3/$gene/learned.safetensors

# a model that is made again, on a machine that computes otherwise, for what starts from it: its result stays as it was
rm f3/$gene/learned.safetensors f3/results/cifar10-tune-gene2-d4-e1-s0.json
cp f3/results/$gene.json kept.json
export SALT=1
ends 0 run --work f3 --results f3/results $two
unset SALT
says out "$gene.json stays as it is: top1 "
same kept.json f3/results/$gene.json
must grep -q '"top1": ' f3/$gene/result.json
must grep -q "\"source_model\": \"$(sha256sum <f3/$gene/learned.safetensors | cut -d' ' -f1)\"" f3/results/cifar10-tune-gene2-d4-e1-s0.json
must test "$(cksum <f1/$gene/learned.safetensors)" != "$(cksum <f3/$gene/learned.safetensors)"

# two drivers with the same results: what one makes the other leaves alone, with what starts from it, and goes on
: >hold
mkdir shared
echo '{' >shared/$gene.json.1.part # as a kill leaves it
driver run --work f4 --results shared $two >first 2>&1 &
pid=$!
until_so test -s f4/$gene/learned.safetensors
ends 0 run --work f5 --results shared $two
says out "another driver is making it"
says out "0 of 3 runs are made"
says out "left to another driver: cifar10-tune-gene2-d4-e1-s0"
now="the first of two drivers"
must test ! -e f5/$gene/learned.safetensors
driver run --work f5 --results shared --only 'cifar10-tune-[gr]*[2m]-d2-e1-s0' >second 2>&1 &
other=$!
until_so test -s f5/cifar10-tune-random-d2-e1-s0/learned.safetensors
rm hold
must wait $pid
must wait $other
must test "$(find shared -name '*.json' | wc -l)" -eq 4
must test -z "$(find shared -name '*.part')"
: >hold # a model that is made again for what starts from it is each driver's own
rm f4/$gene/learned.safetensors shared/cifar10-tune-gene2-d?-e1-s0.json
driver run --work f4 --results shared --only cifar10-tune-gene2-d4-e1-s0 >first 2>&1 &
pid=$!
until_so test -s f4/$gene/learned.safetensors
export HOLD=none
ends 0 run --work f5 --results shared --only cifar10-tune-gene2-d2-e1-s0
says out "2 of 2 runs are made"
rm hold
must wait $pid

# what goes wrong costs a run, and what starts from it
export BREAK_AT=gene2
for BREAK in silent torn short model; do
    export BREAK
    ends 1 run --work "f6-$BREAK" --results "f6-$BREAK/results" --only 'cifar10-tune-[gr]*[2m]-d2-e1-s0'
    says out "FAILED $gene: "
    says out "1 of 3 runs are made"
    must test -e "f6-$BREAK/results/cifar10-tune-random-d2-e1-s0.json"
done
unset BREAK BREAK_AT
ends 0 run --work f7 --results f7/results --only cifar10-tune-random-d2-e1-s0
must test ! -e f7/cifar10-tune-random-d2-e1-s0/learned.best.safetensors
edit f7/results/cifar10-tune-random-d2-e1-s0.json 'it["settings"]["model"]["dim"] = 24'
ends 1 run --work f7 --results f7/results --only 'cifar10-tune-random-d2-e[12]-s0'
says out "FAILED cifar10-tune-random-d2-e1-s0: $PWD/f7/results/cifar10-tune-random-d2-e1-s0.json: made with other settings"
says out "1 of 2 runs are made"
echo '{' >f7/results/cifar10-tune-random-d2-e1-s0.json
ends 1 run --work f7 --results f7/results $random
says out "expected the JSON of a run"
ends 0 plan --results f7/results
ends 2 run --work f7 --results f7/results --minutes 0
says err "--minutes: expected a number above 0, found 0"

# back FILE: what linearize_back.sh makes of a model.
back() {
    TLEG=$tleg COUNTS=2 "$paper/linearize_back.sh" "$1" data/cifar10/train back --lr 1e-3
}
now="linearize_back.sh"
must back f1/$gene/learned.safetensors >out 2>err
says out "model: "
must back f1/$gene/learned.safetensors >again 2>err
same out again
must test "$(back f3/$gene/learned.safetensors 2>err; echo $?)" = 1
says err "expected what came of the same MODEL"

now="the pattern that README.md has as an example"
pattern=$(sed -n "s/.*--only '\(cifar10-[^']*\)'.*/\1/p" "$paper/README.md")
must "$python" "$paper/paper.py" plan --only "$pattern" >out 2>err
says out "  cifar10-tune-gene2-d8-e5-s0"
says out "  cifar10-learn-gene2-e8-s0"
must test -z "$(grep -e small -e tiny out)"

[ $failures -eq 0 ] || { echo "$failures of $checks checks of examples/paper failed"; exit 1; }
echo "examples/paper: $checks checks"
