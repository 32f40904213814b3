#!/bin/sh
# Training with the command tleg: the same bits at any number of threads, and after kill -9 at random instants; signals, full disks,
# bad data; teachers; kinds of data.
# usage: train.sh TLEG [KILLS]        prints what fails; exit 1 if anything did
tleg=$1 kills=${2:-20}
[ -x "$tleg" ] || { echo "usage: train.sh TLEG [KILLS]" >&2; exit 2; }
. "$(dirname "$0")/checks.sh"

# ---- data ----
mkdir cifar
for i in $(seq 0 35); do cifar $((i % 3)) "$i"; done >cifar/data_batch_1.bin
for i in $(seq 36 41); do cifar $((i % 3)) "$i"; done >cifar/test_batch.bin
printf 'red\ngreen\nblue\n' >cifar/batches.meta.txt
shape="--dim 16 --heads 2 --image 32 --patch 8"
small="distill --data cifar --val cifar $shape --depths 2-3 --batch 10 --lr 1e-3 --warmup 1 --ema 0.9 --checkpoint-every 1"

# ---- a run, said aloud ----
try 0 $small --epochs 6 --log whole.json --log-every 3 -o whole.st
says out "36 images of 3 classes to learn from, 6 to validate with"
says out "learning rate: 0.001, whatever the batch (--lr-absolute); from 1e-06 over 1 epoch"
says out "steps: 3 an epoch of 10 images (6 images are left over, others each time), 18 in 6 epochs"
says out "step 18/18"
says out "epoch 6/6: validation top-1"
must test "$(grep -c '"step"' whole.json)" -eq 6
must test "$(grep -c '"val_top1"' whole.json)" -eq 6
must grep -q '"lr_given":0.001,"lr_peak":0.001,"warmup_epochs":1' whole.json
if has_python "train: its logs read as JSON"; then
    must python3 -c 'import json; [json.loads(l) for l in open("whole.json")]'
    # an epoch's loss is the mean of its steps', and so is its accuracy
    must python3 -c '
import json
lines = [json.loads(l) for l in open("whole.json")]
steps, epochs = [l for l in lines if "step" in l], [l for l in lines if "train_loss" in l]
assert [l["epoch"] for l in epochs] == [1, 2, 3, 4, 5, 6]
for step, epoch in zip(steps, epochs):  # three steps an epoch, and an interval
    assert abs(step["loss"] - epoch["train_loss"]) < 1e-12 and step["accuracy"] == epoch["train_top1"]'
fi
try 0 info whole.st
says out blue

# ---- the learning rate ----
# rates FILE: those of a log's intervals, on one line
rates() {
    sed -n 's/.*"step":.*"lr":\([^,]*\),.*/\1/p' "$1" | awk '{ printf "%.6g ", $1 }'
}
steps="distill --data cifar $shape --depth 2 --batch 12 --lr 1 --lr-absolute --log-every 1 --augment none --clip 0.001"
try 0 $steps --epochs 4 --warmup-steps 2 --decay-epochs 2 --lr-end 0.25 --log rate.json -o rate.st
says out "learning rate: 1, whatever the batch (--lr-absolute); from 1e-06 over 2 steps of warm-up; then constant, and in the last 2 epochs straight to 0.25"
must test "$(rates rate.json)" = "1e-06 0.5 1 1 1 1 1 0.875 0.75 0.625 0.5 0.375 "
try 0 $steps --epochs 2 --warmup 0 --decay-epochs 0 --log rate.json -o rate.st
says out "; then constant"
must test "$(rates rate.json)" = "1 1 1 1 1 1 "
try 0 $steps --epochs 2 --warmup 0 --lr-end 0.5 --log rate.json -o rate.st
must test "$(rates rate.json)" = "1 1 1 1 1 1 " # the recipe's: epochs 0 and 1 have the first one's
try 0 $steps --epochs 2 --warmup-steps 0 --lr-end 0.5 --log rate.json -o rate.st
says out "; then a cosine to 0.5, a new rate each step"
must test "$(rates rate.json | cut -c 1-17)" = "1 0.966506 0.875 "
try 0 $steps --epochs 3 --recipe deit --log rate.json -o rate.st # no room for a warm-up and the peak after it
must test "$(rates rate.json | cut -c 1-4)" = "1 1 "
try 0 $steps --epochs 3 --warmup 2 --limit-steps 1 -o rate.st
says err "--warmup 2: the rate comes to its peak after 3 epochs; the run has 3 (--warmup-steps counts steps)"
try 0 $steps --epochs 4 --recipe deit --log rate.json -o rate.st # the verb's 5 epochs of warm-up are more than there are
says out "over 1 epoch of warm-up"
must test "$(rates rate.json | awk '{ print $6, ($7 > 0.7) }')" = "1e-06 1"
try 2 $steps --epochs 2 --warmup 3 -o x.st
says err "3 epochs of warm-up and 0 of --decay-epochs: the run has 2 epochs"
try 2 $steps --epochs 2 --warmup 1 --decay-epochs 2 -o x.st
says err "1 epochs of warm-up and 2 of --decay-epochs: the run has 2 epochs"
try 2 $steps --epochs 2 --warmup-steps 7 -o x.st
says err "--warmup-steps 7: the run has 6 steps"
try 2 $steps --epochs 2 --warmup 1 --warmup-steps 7 -o x.st
says err "--warmup and --warmup-steps mean the same"
try 2 $steps --epochs 2 --warmup 0 --lr-end 2 -o x.st
says err "--lr-end 2 is above the learning rate of the steps, 1"

# ---- the recipe ----
plain="distill --data cifar $shape --depth 2"
mkdir lost
cp cifar/*.bin lost
ln -s nowhere lost/data_batch_9.bin # a part of the data that is not there is no other data
try 1 distill --data lost $shape --depth 2 --epochs 1 -o x.st
says err "lost/data_batch_9.bin: cannot open: No such file or directory"
try 0 $plain --epochs 2 -o recipe.st
says out "recipe: 36 pictures, 2 epochs, 2 steps of 32 pictures: the recipe for short runs"
says out "flip 0.5, RandAugment 0, jitter 0, erasing 0, mixup 0, cutmix 0, smoothing 0.1"
must test "$(grep -c "each picture" out)" -eq 0
says out "learning rate: 0.001, whatever the batch (--lr-absolute); then a cosine to 1e-05, a new rate each step"
for words in "--mixup 1e300" "--mixup 1e-300" "--cutmix 1e7"; do # before any picture is read
    try 2 $plain --epochs 2 $words -o x.st
    says err "${words%% *} takes 0, or a number from 1e-6 to 1e6"
done
try 0 $plain --epochs 1000 --recipe short --limit-steps 1 -o recipe.st
says out "1000 steps of 32 pictures: the recipe for short runs"
says out "over 100 steps of warm-up"
try 0 $plain --epochs 40000 --batch 18 --limit-steps 1 -o recipe.st # pictures count, neither epochs nor the steps of this batch
says out "80000 steps of 18 pictures: DeiT's recipe, for long runs"
says out "RandAugment 9"
try 0 $plain --epochs 30000 --batch 18 --limit-steps 1 -o recipe.st
says out "60000 steps of 18 pictures: the recipe for short runs"
try 0 $plain --epochs 2 --recipe deit --batch 18 -o recipe.st
says out "DeiT's recipe"
says out "learning rate: 0.0005 given, times 18/512"
try 0 $plain --epochs 2 --batch 9 --lr 2e-3 --augment none --warmup 1 -o recipe.st # what is said holds
says out "8 steps of 9 pictures: the recipe for short runs"
says out "learning rate: 0.002, whatever the batch (--lr-absolute)"
says out "from 1e-06 over 1 epoch of warm-up; then a cosine to 1e-05"
says out "no crop"
try 0 $plain --epochs 2 --limit-steps 1 --batch 9 -o recipe.st
try 0 $plain --epochs 6000 --limit-steps 2 --batch 9 --resume -o recipe.st # long now; the recipe is that of the run as it began
says out "the recipe for short runs"
try 0 $plain --epochs 2 --ema 0.999 --ema-fixed -o recipe.st
says err "--ema 0.999 with --ema-fixed: after 2 steps 99.8 % of what is written is what the run began with"
says out "average: decay 0.999 from the first step on"
try 0 $plain --epochs 2 --ema 0.999 --log ema.json -o recipe.st
must test ! -s err
says out "average: decay 0.999, at most (1 + t) / (10 + t) in step t: 0.25 in the last"
must grep -q '"ema":0.999,"ema_last":0.25' ema.json

# ---- the same bits ----
for words in "--threads 2" "--loaders 2" "--threads 2 --loaders 3"; do
    try 0 $small --epochs 6 $words -o other.st
    same whole.st other.st
done
try 0 $small --epochs 6 --seed 1 -o other.st
must test "$(cmp whole.st other.st >/dev/null; echo $?)" -eq 1

# ---- stopped and resumed ----
try 0 $small --epochs 6 --limit-steps 7 -o part.st
try 0 $small --epochs 6 --log part.json --resume -o part.st
says out "resumed: part.st.checkpoint, step 7 of 18"
same whole.st part.st
same whole.best.st part.best.st
if has_python "train: the epochs of a log that goes on"; then # also the epoch that it was stopped within
    must python3 -c '
import json
def epochs(name):
    return [json.loads(l) | {"seconds": 0} for l in open(name) if "train_loss" in l]
assert epochs("part.json") == epochs("whole.json")[-4:]'
fi
try 0 $small --epochs 6 --resume -o part.st
try 0 $small --epochs 6 --resume --json -o part.st # no step is left that would have a loss
says out '"loss":null'
same whole.st part.st
for words in "--seed 5:--seed is" "--batch 12:--batch is" "--lr 0.1:the peak learning rate (--lr) is" "--augment none:(--augment and what changes it) is" "--clip 2:--clip is"; do
    try 1 $small --epochs 6 --resume ${words%:*} -o part.st
    says err "part.st.checkpoint"
    says err "${words#*:}"
    same whole.st part.st
done
try 1 distill --data cifar $shape --depths 2-4 --batch 10 --epochs 6 --resume --checkpoint part.st.checkpoint -o x.st

# ---- Muon ----
muon="$small --epochs 6 --optimiser muon"
try 0 $muon --log muon.json -o muon.st
says out "optimiser: Muon for the blocks' matrices, AdamW for the rest"
says muon.json '"optimiser":"muon"'
must test "$(cmp whole.st muon.st >/dev/null; echo $?)" -eq 1
try 0 $muon --limit-steps 7 -o part.muon.st
try 1 $small --epochs 6 --optimiser muon --resume --optimiser adamw -o part.muon.st
says err '--optimiser is "muon" there, "adamw" here'
for words in "--momentum 0.9:--momentum is" "--momentum 0:--momentum is"; do
    try 1 $small --epochs 6 --optimiser muon --resume ${words%:*} -o part.muon.st
    says err "${words#*:}"
done
try 0 $muon --resume -o part.muon.st
same muon.st part.muon.st
try 2 $small --epochs 6 --momentum 0.9 -o x.st
says err "--momentum is of --optimiser muon and sgd"
try 2 $muon --momentum 1 -o x.st
says err "--momentum takes a number below 1"

# ---- the best epoch ----
try 0 $small --epochs 6 --keep last -o last.st
must test ! -e last.best.st
same whole.st last.st
best="$small --epochs 6 --keep best --lr 0.02 --clip 1 --seed 3" # at so high a rate epochs differ
try 0 $best --limit-steps 8 -o best.st
try 0 $best --resume --log best.json -o best.st
says out "best.st: the best learngene, of step"
must test ! -e best.best.st
try 0 $best --keep both -o both.st
same best.st both.best.st
says out "both.st: the learngene after 18 steps"
says out "both.best.st: the best learngene, of step"
try 0 $best --keep both --json -o both.st
must python3 -c '
import json
lines = [json.loads(l) for l in open("out")]
end, epochs = lines[-1], [l for l in lines if "best" in l]
most = max(l["val_top1"] for l in epochs)
assert end["best_file"] == "both.best.st" and end["best_val_top1"] == most
assert end["best_step"] == 3 * max(l["epoch"] for l in epochs if l["val_top1"] == most)'
rm best.st # nothing to compare with any more: the next is the best
try 0 $best --epochs 7 --resume -o best.st
must test -s best.st

# ---- more epochs than before ----
constant="distill --data cifar --val cifar $shape --depths 2-3 --batch 10 --lr 1e-3 --warmup-steps 2 --ema 0.9 --log-every 3"
try 0 $constant --decay-epochs 1 --epochs 5 --log straight.json -o straight.st
try 0 $constant --decay-epochs 0 --epochs 2 --log longer.json -o longer.st
try 0 $constant --decay-epochs 0 --epochs 4 --resume --log longer.json -o longer.st
says err "a run of 2 epochs goes on to 4; its rate has not fallen: with the same recipe, batch and warm-up it is as if never stopped"
try 0 $constant --decay-epochs 0 --epochs 1 --limit-steps 1 -o warming.st # the rate still rises
try 0 $constant --decay-epochs 0 --epochs 4 --resume -o warming.st
says err "its rate has not fallen"
try 0 $constant --decay-epochs 0 --epochs 4 -o four.st
same four.st longer.st
same four.st warming.st
try 0 $constant --decay-epochs 1 --epochs 5 --resume --log longer.json -o longer.st
same straight.st longer.st
must test "$(rates longer.json)" = "$(rates straight.json)"
try 0 $constant --decay-epochs 1 --epochs 6 --resume -o longer.st # from the end of a fall
says err "a run of 5 epochs goes on to 6; from here on the rate is that of 6 epochs"
try 0 $constant --decay-epochs 3 --epochs 6 --limit-steps 9 -o shorter.st # three epochs of six, and then an end at once
try 1 $constant --decay-epochs 2 --epochs 4 --resume -o shorter.st
says err "shorter.st.checkpoint: holds 3 epochs: --epochs 4 leaves too few for --decay-epochs 2"
try 0 $constant --decay-epochs 1 --epochs 4 --resume -o shorter.st
says err "a run of 6 epochs goes on to 4"
try 0 $small --epochs 3 --warmup 1 -o longer.st --checkpoint cosine.checkpoint
try 1 $small --epochs 2 --resume -o longer.st --checkpoint cosine.checkpoint
says err "cosine.checkpoint: a run of 3 epochs: --resume takes as many or more, found --epochs 2"
try 1 $small --epochs 6 --resume --decay-epochs 1 -o longer.st --checkpoint cosine.checkpoint
says err 'the course of the learning rate (--decay-epochs, --lr-end) is "cosine to 1.0000000000000001e-05, by epoch" there, "constant to'
try 0 $small --epochs 6 --resume -o longer.st --checkpoint cosine.checkpoint
says err "goes on to 6; from here on the rate is that of 6 epochs, 0.0007525 after 0.0007525"
says out "step 18/18"

# A longer run, so that signals find it at work.
long="$small --epochs 30 --log-every 15"
begin=$(date +%s%N)
try 0 $long --log never.json -o never.st
span=$((($(date +%s%N) - begin) / 1000000))
steps=$(grep -c '"step"' never.json)
for i in $(seq 1 "$kills"); do
    rm -f killed.*
    wait=$(awk -v s="$span" -v i="$i" -v r="$(od -An -N2 -tu2 /dev/urandom)" 'BEGIN { print s / 1000 * r / 65536 }')
    now="kill -9 after $wait s"
    every=$((i % 2 * 4 + 1)) # after each step, or more seldom than the epoch's end
    "$tleg" $long --checkpoint-every $every --log killed.json -o killed.st >out 2>err &
    pid=$!
    sleep "$wait"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    try 0 $long --resume --log killed.json -o killed.st
    now="kill -9 after $wait s, then --resume"
    same never.st killed.st
    same never.best.st killed.best.st
    must test "$(grep -c '"step"' killed.json)" -eq "$steps"
done

# ---- stopped by a signal; signals.sh has them all ----
rm -f killed.*
now="SIGTERM"
"$tleg" $long --epochs 4000 --log killed.json -o killed.st >out 2>err &
pid=$!
until_so grep -q '"step"' killed.json
kill -TERM $pid
wait $pid
must test $? -eq 143
says err "killed.st.checkpoint holds it, --resume continues"
try 1 $long --epochs 4000 -o killed.st
says err "holds a run that was stopped at step"
says err "--resume continues it"

# ---- no disk left ----
if [ -w /dev/full ]; then
    try 1 $small --epochs 1 --log /dev/full -o full.st
    says err "/dev/full"
fi
# ---- what cannot be written, before the first step ----
mkdir -p folder/there
for words in "-o folder/there" "-o folder/there/" "-o x.st --checkpoint folder/there" "-o x.st --log folder/there"; do
    try 1 $small --epochs 1 $words
    says err "folder/there"
    says err "a folder; expected the name of a file"
    must test ! -s out
done
for words in "-o missing/x.st" "-o x.st --checkpoint missing/x" "-o x.st --log missing/x"; do
    try 1 $small --epochs 1 $words
    says err "there is no folder missing/"
    must test ! -s out
done
try 1 $small --epochs 1 -o whole.st/x.st
says err "whole.st/x.st: Not a directory"
try 1 $small --epochs 1 -o "$(printf '%0300d' 7).st"
says err "File name too long"
try 2 $small --epochs 1 --log x.st -o x.st
says err "-o and --log name the same file, x.st"
if [ "$(id -u)" -ne 0 ]; then
    chmod 500 folder
    try 1 $small --epochs 1 -o folder/x.st
    says err "folder/x.st: no file can be made there: Permission denied"
    chmod 700 folder
fi
cp whole.st kept.st
try 1 $small --epochs 1 --log missing/x -o kept.st
same whole.st kept.st
must test -z "$(find . -name '.tleg*')"
now="no disk left mid-epoch"
rm -f limited.*
try 0 $small --epochs 2 --limit-steps 3 -o limited.st
cp limited.st.checkpoint former.checkpoint
(
    ulimit -f 8 # blocks of 512 bytes
    "$tleg" $small --epochs 2 --resume -o limited.st >out 2>err
)
must test $? -eq 1
says err "limited.st"
same limited.st.checkpoint former.checkpoint

# ---- teachers ----
try 0 expand whole.st --depth 2 -o teacher.st
try 0 distill --data cifar $shape --depth 2 --batch 10 --epochs 2 --recipe deit --teacher teacher.st --log taught.json --log-every 1 -o taught.st
must test "$(grep -c '"teacher":0\.[0-9]*[1-9]' taught.json)" -eq 6
try 0 distill --data cifar $shape --depth 2 --batch 10 --epochs 1 --teacher whole.st --teacher-depth 3 --alpha 0.5 -o taught.st
try 2 distill --data cifar $shape --depth 2 --batch 10 --epochs 1 --teacher whole.st -o x.st
says err "--teacher-depth"
try 0 new --dim 16 --heads 2 --image 32 --patch 8 --classes 4 -o four.st
try 1 distill --data cifar $shape --depth 2 --batch 10 --epochs 1 --teacher four.st --teacher-depth 1 -o x.st
says err "four.st: a teacher of 4 classes; cifar has 3"
try 2 distill --data cifar $shape --depth 2 --epochs 1 --alpha 0.5 -o x.st
says err "--alpha above 0 needs --teacher"

# logits FILE NUMBER-OF-NAMES PREFIX: stored logits, all 0, for so many images of the binary file.
logits() {
    names=$(seq 0 $(($2 - 1)) | awk -v p="$3" '{ printf "%s\\\"%s:%d\\\"", (NR > 1 ? "," : ""), p, $1 }')
    header="{\"__metadata__\":{\"names\":\"[$names]\"},\"logits\":{\"dtype\":\"F32\",\"shape\":[$2,3],\"data_offsets\":[0,$(($2 * 12))]}}"
    length=$(((${#header} + 7) / 8 * 8))
    {
        printf "\\$(printf %03o $((length % 256)))\\$(printf %03o $((length / 256)))\\0\\0\\0\\0\\0\\0"
        printf "%-${length}s" "$header"
        head -c $(($2 * 12)) /dev/zero
    } >"$1"
}
stored="distill --data cifar $shape --depth 2 --batch 10 --epochs 1"
logits stored.st 36 data_batch_1.bin
try 0 $stored --teacher-logits stored.st --augment none --flip 0.5 -o taught.st
try 2 $stored --teacher-logits stored.st -o x.st
says err "--augment none"
try 2 $stored --teacher-logits stored.st --augment none --mixup 0.8 -o x.st
logits short.st 30 data_batch_1.bin
try 1 $stored --teacher-logits short.st --augment none -o x.st
says err 'short.st: 30 rows, but none for 6 of the 36 images to learn from, such as "data_batch_1.bin:30"'
logits others.st 36 data_batch_2.bin
try 1 $stored --teacher-logits others.st --augment none -o x.st
says err "none for 36 of the 36 images"

# ---- numbers that are no numbers ----
{
    head -c $(($(wc -c <stored.st) - 432)) stored.st
    head -c 432 /dev/zero | tr '\000' '\377'
} >nan-logits.st
try 1 $stored --teacher-logits nan-logits.st --augment none -o x.st
says err "step 1: the loss against the teacher is not finite"
says err "no checkpoint was written yet"
try 1 distill --data cifar $shape --depth 2 --batch 10 --epochs 40 --lr 1e30 --lr-absolute --warmup 0 --augment none \
    --checkpoint-every 1 -o nan.st
says err "step 1: at depth 2 the learngene no longer answers with finite numbers: nothing is written"
must test ! -e nan.st
must test ! -e nan.st.checkpoint
# weights that blow up in the last step: a former file stays, whether anything is validated, in gene and model, averaged or not
blown="--data cifar --batch 36 --augment none --epochs 1 --lr-absolute --lr 1e30"
try 0 expand whole.st --depth 2 -o model.st
for words in "" "--val cifar" "--ema 0.5" "--ema 0.5 --val cifar" "--keep last" "--val cifar --keep best" "--limit-steps 1"; do
    for what in "distill --from whole.st --depths 2-3 --warmup 0" "tune model.st"; do
        cp teacher.st blown.st
        try 1 $what $blown $words -o blown.st
        says err "step 1: "
        says err "finite"
        says err "nothing is written"
        same teacher.st blown.st
        must test ! -e blown.st.checkpoint
        must test ! -e blown.best.st
    done
done

# ---- gradients ----
# Two images of zeros, with labels and teacher_logits of zeros behind them.
header='{"images":{"dtype":"F32","shape":[2,3,32,32],"data_offsets":[0,24576]},"labels":{"dtype":"I64","shape":[2],"data_offsets":[24576,24592]},"teacher_logits":{"dtype":"F32","shape":[2,3],"data_offsets":[24592,24616]}}'
{
    printf '\000\001\000\000\000\000\000\000%-256s' "$header"
    head -c 24616 /dev/zero
} >in.st
try 0 grad whole.st --depth 3 --alpha 0.5 --smoothing 0.1 --input in.st -o gradient.st
says out "gradient.st: loss "
must grep -q '"loss":{"dtype":"F32","shape":\[1\]' gradient.st
must grep -q '"blocks.block.mlp.fc1.instances.0.weight_ilayer"' gradient.st
try 0 grad whole.st --depth 3 --alpha 0.5 --smoothing 0.1 --input in.st --threads 2 -o again.st
same gradient.st again.st
try 0 grad teacher.st --input in.st --json -o gradient.st
says out '"loss":'
must grep -q '"blocks.1.mlp.fc1.weight"' gradient.st
try 2 grad whole.st --input in.st -o x.st
try 1 grad whole.st --depth 3 --image 16 --input in.st -o x.st
says err '"images": expected f32 [1,3,16,16] (the first size may be larger), found f32 [2,3,32,32]'
logits missing.st 2 a
try 1 grad whole.st --depth 3 --input missing.st -o x.st
says err "no tensor 'images'"

# ---- tuning ----
try 0 tune whole.st --depth 3 --data cifar --batch 10 --epochs 2 -o tuned.st
try 0 info tuned.st --json
says out '"depth":3'
says out '"red","green","blue"'
try 0 tune four.st --depth 2 --data cifar --batch 10 --epochs 1 -o other.st
says err "the head starts fresh: four.st has 4 classes, the data 3"
cp -r cifar twins && printf 'red\nred\nblue\n' >twins/batches.meta.txt # which of them is which, nobody can say
try 1 tune whole.st --depth 2 --data twins --batch 10 --epochs 1 -o x.st
says err 'twins: "red" is the name of class 0 and of class 1: expected a name of its own for each'
printf 'red\nblack\nblue\n' >twins/batches.meta.txt
try 0 tune whole.st --depth 2 --data twins --batch 10 --epochs 1 -o other.st
says err "the head starts fresh: the data's 3 classes have other names"
try 0 tune tuned.st --data cifar --batch 10 --epochs 1 --recompute -o other.st
try 0 tune tuned.st --data cifar --batch 10 --epochs 1 -o again.st
same other.st again.st
try 0 tune tuned.st --data cifar --batch 10 --epochs 1 --dtype bf16 --log mixed.json -o other.st
computed=$(sed -n 's/^computed: \([^ ]*\) .*/\1/p' out) # bf16 where the processor multiplies it
must grep -q "\"dtype\":\"$computed\"" mixed.json
[ "$computed" = bf16 ] || says err "does not multiply bf16"
try 1 tune tuned.st --data cifar --batch 10 --epochs 1 --resume --checkpoint other.st.checkpoint -o other.st
must grep -qi "bf16" err # as computed, or where none is, as asked for
try 2 tune tuned.st --data cifar --batch 10 --epochs 1 --dtype f16 -o x.st
# A backbone: no head, and names of a wrapper's before it or not. What it is called elsewhere (a decoder) is named.
must python3 -c '
import json, struct
def strip(path, out, front=""):
    data = open(path, "rb").read(); size = struct.unpack("<Q", data[:8])[0]
    header, kept, bytes_ = json.loads(data[8:8 + size]), {}, b""
    kept["__metadata__"] = header.pop("__metadata__")
    for name, entry in header.items():
        if name.startswith("head."): continue
        part = data[8 + size:][slice(*entry["data_offsets"])]
        kept[front + name] = {**entry, "data_offsets": [len(bytes_), len(bytes_) + len(part)]}
        bytes_ += part
    kept[front + "decoder.weight"] = {"dtype": "BOOL", "shape": [1], "data_offsets": [len(bytes_), len(bytes_) + 1]}
    text = json.dumps(kept).encode(); open(out, "wb").write(struct.pack("<Q", len(text)) + text + bytes_ + b"1")
strip("tuned.st", "backbone.st"); strip("tuned.st", "wrapped.st", "model."); strip("whole.st", "bare.st")'
try 0 tune backbone.st --data cifar --batch 10 --epochs 1 -o headed.st
says err "the head starts fresh: backbone.st has none, the data have 3 classes"
try 0 info headed.st
says out "3 classes"
says out blue
try 0 tune wrapped.st --data cifar --batch 10 --epochs 1 -o again.st
same headed.st again.st
try 0 distill --data cifar --from bare.st --depth 2 --batch 10 --epochs 1 -o gene.st
says err "the head starts fresh: bare.st has none"
try 1 classify backbone.st a.png
says err "has no head: it gives features"
try 1 distill --data cifar --from tuned.st --depth 2 --batch 10 --epochs 1 -o x.st
says err "tuned.st: a model"
try 2 tune whole.st --data cifar --epochs 1 -o x.st
says err "--depth"

# What a network has that DeiT has not stays when it gets other classes.
try 0 new --dim 12 --heads 3 --image 32 --patch 8 --classes 7 --activation quick_gelu --layer-scale --registers 2 --cls -o parts.st
try 0 tune parts.st --depth 2 --data cifar --batch 10 --epochs 1 -o parted.st
try 0 info parted.st
says out "activation quick_gelu, LayerScale, 2 registers"
says out "3 classes"

# ---- class folders ----
# A PNG of 4 x 2 pixels.
png() {
    printf '\211\120\116\107\015\012\032\012\000\000\000\015\111\110\104\122\000\000\000\004\000\000\000\002\010\002\000\000\000' >"$1"
    printf '\360\312\352\064\000\000\000\043\111\104\101\124\170\332\143\140\070\041\147\263\100\256\242\102\156\113\200\034' >>"$1"
    printf '\203\334\011\271\250\005\162\323\052\344\056\005\310\001\000\154\306\010\231\371\141\063\173\000\000\000\000\111' >>"$1"
    printf '\105\116\104\256\102\140\202' >>"$1"
}
for class in a b; do
    mkdir -p tree/$class
    for i in 1 2 3 4 5 6; do png tree/$class/$i.png; done
done
folders="distill --data tree $shape --depth 2 --batch 4 --epochs 1"
try 0 $folders --val-every 3 -o tree.st
says out "8 images of 2 classes to learn from, 4 to validate with"
# What was learned and what it scored is in the file, also where training stops within an epoch, or is resumed at its end.
try 0 info tree.st
says out "learned at    2"
says out "scores        top-1 on validation, 4 images"
says out "depth 2 "
try 0 distill --data tree $shape --depths 2-5 --val-every 3 --val-depths 4,1-3 --batch 4 --epochs 2 -o range.st
try 0 info --json range.st
says out '"depths":[2,3,4,5],"scores":{"on":"validation","images":4,"depths":[1,2,3,4],"scores":['
cp range.st whole.range
try 0 distill --data tree $shape --depths 2-5 --val-every 3 --val-depths 4,1-3 --batch 4 --epochs 2 --resume -o range.st
same range.st whole.range
try 0 distill --data tree --from range.st --depth 3 --val-every 3 --batch 4 --epochs 1 --limit-steps 1 -o again.st
try 0 info --json again.st
says out '"depths":[3],"scores":{"on":"validation","images":4,"depths":[3]'
try 0 distill --data tree --from range.st --depth 3 --batch 4 --epochs 1 -o again.st
try 0 info --json again.st
says out '"depths":[3],"scores":null'
try 0 expand range.st --depth 4 -o four.st
try 0 info --json four.st
says out '"depths":[2,3,4,5],"scores":{"on":"validation","images":4,"depths":[4]'
try 0 tune four.st --data tree --val-every 3 --batch 4 --epochs 1 -o tuned.st
try 0 info --json tuned.st
says out '"depths":[4],"scores":{"on":"validation","images":4,"depths":[4]'
try 2 distill --data tree $shape --depth 2 --val-every 3 --val-depths 5-3 --epochs 1 -o x.st
says err "such as 3,6,12 or 2-12"
try 0 $folders --cache 1 --loaders 2 -o uncached.st
try 0 $folders -o cached.st
same cached.st uncached.st
: >tree/b/7.png
try 1 $folders -o x.st
says err "tree/b/7.png"
says err "--skip-bad"
try 0 $folders --skip-bad -o skipped.st
says err "skipped tree/b/7.png"
says out "12 images of 2 classes"
same cached.st skipped.st
try 1 $folders --cache 1 --epochs 5 -o late.st
says err "tree/b/7.png"
rm tree/b/7.png
mkdir -p val/a && png val/a/1.png
try 1 $folders --val val -o x.st
says err 'val: no images of the class "b", which the training data have'
mkdir val/c && png val/c/1.png
try 1 $folders --val val -o x.st
says err "val/c"
mkdir tree/empty
try 1 $folders -o x.st
says err "tree/empty: no images in this class folder"
rmdir tree/empty
try 1 $folders --batch 40 -o x.st
says err "12 images to learn from are fewer than one step takes"
try 1 distill --data nowhere $shape --depth 2 --epochs 1 -o x.st
says err nowhere

# ---- binary files ----
try 1 distill --data tree --val cifar $shape --depth 2 --batch 4 --epochs 1 -o x.st
mkdir odd
head -c 4000 cifar/data_batch_1.bin >odd/data_batch_1.bin
try 1 distill --data odd $shape --depth 2 --epochs 1 -o x.st
says err "odd/data_batch_1.bin: 4000 bytes; expected a multiple of 3073"
says err "a folder with *.bin in it is taken for CIFAR's binary files"
cp cifar/data_batch_1.bin odd/ && printf 'red\ngreen\n' >odd/batches.meta.txt
try 1 distill --data odd $shape --depth 2 --epochs 1 -o x.st
says err "has the label 2; there are 2 classes"
printf 'red\n\ngreen\nblue\n' >odd/batches.meta.txt
try 1 distill --data odd $shape --depth 2 --epochs 1 -o x.st
says err "odd/batches.meta.txt: line 2 is empty, with others after it"
printf 'red\ngr\000een\nblue\n' >odd/batches.meta.txt
try 1 distill --data odd $shape --depth 2 --epochs 1 -o x.st
says err "odd/batches.meta.txt: line 2 holds a NUL byte"
rm odd/batches.meta.txt && ln -s nowhere odd/batches.meta.txt
try 1 distill --data odd $shape --depth 2 --epochs 1 -o x.st
says err "odd/batches.meta.txt: "
rm odd/batches.meta.txt && printf '\357\273\277red\ngreen\nblue\n\n' >odd/batches.meta.txt
try 0 distill --data odd $shape --depth 2 --batch 4 --epochs 1 -o marked.st
try 0 info marked.st --json
says out '"labels":["red","green","blue"]'
mkdir idx
{
    printf '\000\000\010\003\000\000\000\014\000\000\000\010\000\000\000\010'
    for i in $(seq 1 12); do seq 1 64 | awk -v i="$i" '{ print ($1 * i) % 251 }'; done | bytes
} >idx/train-images-idx3-ubyte
{
    printf '\000\000\010\001\000\000\000\014'
    seq 1 12 | awk '{ print $1 % 2 }' | bytes
} >idx/train-labels-idx1-ubyte
try 0 distill --data idx --val-every 3 --dim 8 --heads 1 --image 8 --patch 4 --depth 1 --batch 4 --epochs 1 -o idx.st
says out "8 images of 2 classes to learn from, 4 to validate with"
# Published names: EMNIST's and QMNIST's test pictures are to judge by; what gunzip -k leaves beside a file is passed over; sets of other
# labels, as EMNIST's archive has them side by side, are not one.
idx="distill --dim 8 --heads 1 --image 8 --patch 4 --depth 1 --batch 4 --epochs 1 --data"
mkdir several
for part in train test; do
    cp idx/train-images-idx3-ubyte several/emnist-digits-$part-images-idx3-ubyte
    cp idx/train-labels-idx1-ubyte several/emnist-digits-$part-labels-idx1-ubyte
done
printf '\037\213' >several/emnist-digits-train-images-idx3-ubyte.gz
try 0 $idx several --val several -o idx.st
says out "12 images of 2 classes to learn from, 12 to validate with"
printf '\037\213' >several/emnist-letters-train-images-idx3-ubyte.gz
try 1 $idx several -o x.st
says err "found emnist-digits-train-images-idx3-ubyte and emnist-letters-train-images-idx3-ubyte.gz"
rm several/emnist-digits-train-*
try 1 $idx several -o x.st
says err "several/emnist-letters-train-images-idx3-ubyte.gz: compressed by gzip; gunzip it first"
rm several/emnist-letters-train-*
try 1 $idx several -o x.st
says err "several: no train-images-idx3-ubyte"
head -c 15 idx/train-labels-idx1-ubyte >short && cp short idx/train-labels-idx1-ubyte
try 1 distill --data idx --dim 8 --heads 1 --image 8 --patch 4 --depth 1 --batch 4 --epochs 1 -o x.st
says err "idx/train-labels-idx1-ubyte"

# ---- wrong use ----
try 2 distill --data cifar --epochs 1 -o x.st
try 2 distill $shape --depth 2 --epochs 1 -o x.st
says err "needs --data"
try 2 distill --data cifar $shape --epochs 1 -o x.st
says err "needs one of --depth and --depths"
try 2 distill --data cifar $shape --depths 8-3 --epochs 1 -o x.st
try 2 distill --data cifar $shape --depth 2 --epochs 1 --augment none --erase 0.5 -o x.st
try 2 distill --data cifar $shape --depth 2 --epochs 1 --smoothing 1 -o x.st
try 2 distill --data cifar $shape --depth 2 --epochs 1 --val-every 2 --val cifar -o x.st
try 2 distill --data cifar --from whole.st $shape --depth 2 --epochs 1 -o x.st
try 0 distill --help
says out "--resume"
must test ! -e x.st

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of training failed"
    exit 1
fi
echo "training: $checks checks"
