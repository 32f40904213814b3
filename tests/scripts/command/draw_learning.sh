#!/bin/sh
# Learning generators with the command tleg: a learngene and a model, resumed bit for bit, with a teacher; what is said and logged, and
# what is refused.    draw_learning.sh TLEG        prints what fails; exit 1 if anything did
tleg=$1
[ -x "$tleg" ] || { echo "usage: draw_learning.sh TLEG" >&2; exit 2; }
. "$(dirname "$0")/checks.sh"

mkdir cifar two
for i in $(seq 0 35); do cifar $((i % 3)) "$i"; done >cifar/data_batch_1.bin
for i in $(seq 36 41); do cifar $((i % 3)) "$i"; done >cifar/test_batch.bin
printf 'red\ngreen\nblue\n' >cifar/batches.meta.txt
for i in $(seq 0 11); do cifar $((i % 2)) "$i"; done >two/data_batch_1.bin
printf 'red\ngreen\n' >two/batches.meta.txt
try 0 new --kind dit --dim 16 --heads 2 --image 32 --patch 8 --classes 3 -o fresh.st
learn="--data cifar --val cifar --batch 12 --log-every 1 --checkpoint-every 1"

refuse() { # EXIT TEXT VERB...
    code=$1 text=$2
    shift 2
    try "$code" "$@"
    says err "$text"
}

# ---- a learngene ----
try 0 distill --from fresh.st --depths 2-4 $learn --epochs 4 --log whole.json -o whole.st
says out "for generators"
says out "validation noise told"
says out "average: decay 0.999"
must sh -c '! grep -q top-1 out'
must grep -q '"val_told_by_depth":{"2":' whole.json
must test "$(grep -c '"train_loss"' whole.json)" -eq 4
must test "$(grep -c 'accuracy\|top1' whole.json)" -eq 0
try 0 info whole.st
says out "learned at    2-4"
says out blue
try 0 plan whole.st
says out "scores: noise told on validation"
says out "best: depth "
must test "$(grep -c "standard error" out)" -eq 0
try 0 plan whole.st --json
says out '"standard_error":null'
# a run that ended early goes on to the same bits, at any number of threads
try 0 distill --from fresh.st --depths 2-4 $learn --epochs 4 --limit-steps 5 --threads 2 --checkpoint part.ck -o part.st
try 0 distill --from fresh.st --depths 2-4 $learn --epochs 4 --resume --checkpoint part.ck -o part.st
must cmp -s whole.st part.st
try 1 distill --from fresh.st --depths 2-4 $learn --epochs 4 --resume --checkpoint part.ck --label-drop 0.3 -o part.st
says err '--label-drop is "0.1" there, "0.3" here'
# its average: a fixed decay is gone on with, unasked; or there is none
try 0 distill --from fresh.st --depths 2-4 $learn --epochs 1 --limit-steps 1 --ema-fixed -o fixed.st
try 0 distill --from fresh.st --depths 2-4 $learn --epochs 1 --resume -o fixed.st
says err "its average has a fixed decay, and goes on with it"
try 0 distill --from fresh.st --depths 2-4 $learn --epochs 1 --limit-steps 1 --ema 0 -o bare.st
must test "$(grep -c "^average:" out)" -eq 0
try 1 distill --from fresh.st --depths 2-4 $learn --epochs 1 --resume -o bare.st
says err '--ema is "0" there, "0.999" here'
try 0 distill --from fresh.st --depths 2-4 --sandwich --in-place 0.5 $learn --epochs 1 --optimiser muon --flip 0.5 -o other.st

# ---- a model, and teachers ----
try 0 expand whole.st --depth 3 -o model.st
try 0 tune model.st $learn --epochs 1 -o tuned.st
says out "validation noise told"
try 0 tune model.st $learn --epochs 1 --teacher whole.st --teacher-depth 4 --alpha 0.5 -o taught.st
says out "teacher: whole.st at depth 4"
must sh -c '! cmp -s tuned.st taught.st'
# one that cannot answer, or has learned in other numbers
try 0 new --kind dit --dim 16 --heads 2 --image 32 --patch 8 --classes 3 --no-null-label -o bare.st
refuse 1 "bare.st: has no null label to answer for a dropped one" tune model.st $learn --epochs 1 --teacher bare.st --teacher-depth 2 -o no.st
try 0 tune model.st $learn --epochs 1 --label-drop 0 --teacher bare.st --teacher-depth 2 -o taught.st
refuse 1 "a teacher for pictures of mean 0.5 and std 0.5; the student's have 0.25 and 0.5" \
    tune model.st $learn --epochs 1 --mean 0.25,0.5,0.5 --std 0.5,0.5,0.5 --teacher whole.st --teacher-depth 2 -o no.st

# ---- refused ----
try 0 learn --from fresh.st --data cifar --depths 2-3 --batch 12 --epochs 1 -o own.st
says out "  tleg generate own.st --depth 3 -o drawn.png    any depth from 2 to 3"
must sh -c '! grep -q classify out'
try 0 new --arch tiny --image 32 --patch 8 --classes 3 -o classifier.st
try 0 expand classifier.st --depth 2 -o judge.st
refuse 1 "a classifier cannot teach a generator" tune model.st $learn --epochs 1 --teacher judge.st -o no.st
refuse 1 "a generator cannot teach a classifier" tune judge.st $learn --epochs 1 --teacher model.st -o no.st
refuse 2 "are for classifiers" tune model.st $learn --epochs 1 --mixup 0.5 -o no.st
refuse 2 "are for classifiers" tune model.st $learn --epochs 1 --smoothing 0.1 -o no.st
refuse 2 "are for classifiers" tune model.st $learn --epochs 1 --tau 2 -o no.st
refuse 2 "norms have no weights" tune model.st $learn --epochs 1 --freeze norm1,norm -o no.st
refuse 2 "share from 0 to less than 1; found 1" tune model.st $learn --epochs 1 --label-drop 1 -o no.st
refuse 2 "is a classifier" tune judge.st $learn --epochs 1 --label-drop 0.1 -o no.st
refuse 2 "another generator's" tune model.st $learn --epochs 1 --teacher-command true -o no.st
refuse 1 "expected the same" distill --from fresh.st --depths 2-4 --data two --epochs 1 --batch 4 -o no.st
must test ! -e no.st
if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of draw_learning failed"
    exit 1
fi
echo "draw_learning: $checks checks"
