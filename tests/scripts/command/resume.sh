#!/bin/sh
# What a run of the command tleg takes over from others, and must not take for something else: classes in another order, a best epoch,
# a teacher, scores.        resume.sh TLEG
tleg=$1
[ -x "$tleg" ] || { echo "usage: resume.sh TLEG" >&2; exit 2; }
pictures=$PWD/examples/cifar10/val
. "$(dirname "$0")/checks.sh"

mkdir cifar
for i in $(seq 0 35); do cifar $((i % 3)) "$i"; done >cifar/data_batch_1.bin
cp cifar/data_batch_1.bin cifar/test_batch.bin
printf 'red\ngreen\nblue\n' >cifar/batches.meta.txt
printf 'blue\nred\ngreen\n' >turned.txt
shape="--dim 16 --heads 2 --image 32 --patch 8"
plain="--data cifar --augment none --batch 12 --lr 1e-2 --lr-absolute --warmup 0"
fresh="distill $plain $shape --depth 2"

# ---- classes in another order than the gene's ----
try 0 new $shape --classes 3 --labels turned.txt --seed 1 -o turned.st
try 0 distill $plain --from turned.st --depth 2 --epochs 15 --val cifar -o knows.st
says out "epoch 15/15: validation top-1 100.00 %"
# Without names the numbers are those of the data's own order; data that have numbers alone are validated by them.
mkdir numbers
cp cifar/*.bin numbers/
try 0 distill $plain --from turned.st --depth 2 --epochs 15 --val numbers -o knows.st
says out "epoch 15/15: validation top-1 100.00 %"
numbered=$(printf '%s' "$plain" | sed 's/cifar/numbers/')
try 0 distill $numbered $shape --depth 2 --epochs 15 --val cifar -o knows.st
says out "epoch 15/15: validation top-1 100.00 %"
printf 'red\ngreen\nviolet\n' >other.txt
cp -r cifar others && cp other.txt others/batches.meta.txt
try 1 distill $plain --from turned.st --depth 2 --epochs 1 --val others -o x.st
says err "others: its 3 labels have other names than the 3 that are learned"
if has_python "resume: stored logits of classes in another order"; then
    # Stored logits have the data's own order.
    python3 -c '
import json, struct
rows = [[20.0 * (i % 3 == c) for c in range(3)] for i in range(36)]
names = json.dumps([f"data_batch_1.bin:{i}" for i in range(36)])
data = b"".join(struct.pack("<3f", *row) for row in rows)
head = json.dumps({"__metadata__": {"names": names}, "logits": {"dtype": "F32", "shape": [36, 3], "data_offsets": [0, len(data)]}}).encode()
open("logits.st", "wb").write(struct.pack("<Q", len(head)) + head + data)'
    try 0 distill $plain --from turned.st --depth 2 --epochs 15 --val cifar --teacher-logits logits.st -o knows.st
    says out "epoch 15/15: validation top-1 100.00 %"
fi

# ---- the best epoch ----
# Its file counts as long as it is the one that was written.
run="$fresh --val cifar --epochs 4 --seed 3"
try 0 $run --limit-steps 9 --keep both -o both.st
must test -s both.best.st
cp turned.st both.st
try 0 $run --limit-steps 12 --keep best --resume -o both.st
says err "both.st: the best epoch's file is not the one that the checkpoint knows: which is the best is found anew"
try 0 $run --limit-steps 9 --keep both -o kept.st
try 0 $run --keep both --resume -o kept.st
must test "$(grep -c "checkpoint knows" err)" -eq 0
try 0 $run --keep both -o once.st
same once.st kept.st
same once.best.st kept.best.st
# Also where the last step ends no epoch, and was in a checkpoint before it was validated.
try 0 $run --limit-steps 8 --checkpoint-every 1 --keep both -o often.st
try 0 $run --keep both --resume -o often.st
must test "$(grep -c "checkpoint knows" err)" -eq 0
same once.best.st often.best.st
# It is not put in the place of what is learned on from.
cp once.best.st kept_start.st
try 2 distill $plain --from once.best.st --depth 2 --val cifar --epochs 1 -o once.st
says err "the best epoch's names once.best.st, which is read: give another name"
same once.best.st kept_start.st
try 0 distill $plain --from once.best.st --depth 2 --val cifar --epochs 1 --keep last -o onward.st
try 0 $run --limit-steps 9 --keep last -o last.st
cp once.best.st last.best.st
try 0 $run --limit-steps 12 --keep both --resume -o last.st
says err "last.best.st: the best epoch's file is not the one that the checkpoint knows"
# Means over other depths are not compared.
ranged="distill $plain $shape --depths 1-3 --val cifar --epochs 4 --seed 3 --keep best"
try 0 $ranged --limit-steps 9 --val-depths 2-3 -o depths.st
try 0 $ranged --limit-steps 12 --val-depths 1 --resume -o depths.st
says err "was validated with other pictures or depths: which epoch is the best is found anew"

# ---- a validation that fails ----
# Depths that the schedule cannot give are found before the first step.
segments='{"qkv":[[1,false],[1,false],[1,false]]}'
try 0 new $shape --classes 3 --schedule "$segments" -o segments.st
try 2 distill $plain --from segments.st --depths 4-6 --val-depths 2-6 --val cifar --epochs 1 -o x.st
says err "--val-depths: depth is 2, expected 3 or more: the schedule has so many segments"
must test ! -e x.st.checkpoint
# What an epoch has learned is kept, whatever is wrong with the pictures that validate.
# few FOLDER FIRST: six pictures each of two classes
few() {
    for class in cat dog; do
        mkdir -p "$1/$class"
        for number in 0 1 2 3 4 5; do
            cp "$pictures/$class/0$(($2 + number))0.jpg" "$1/$class/"
        done
    done
}
few pictures 10
few val 16
seen="distill --data pictures --val val --cache 0 --augment none --batch 6 $shape --depth 2 --epochs 2 --seed 2"
try 0 $seen -o whole.st
cp val/dog/0180.jpg good.jpg
head -c 300 good.jpg >val/dog/0180.jpg
try 1 $seen -o torn.st
says err "val/dog/0180.jpg"
says err "(--skip-bad continues without such files); torn.st.checkpoint holds step 2"
must test "$(grep -c 'torn.st.checkpoint holds' err)" -eq 1
cp good.jpg val/dog/0180.jpg
try 0 $seen --resume -o torn.st
same whole.st torn.st

# ---- teachers ----
# A recording that goes on is of one teacher.
try 0 new $shape --classes 3 --seed 8 -o a.st
try 0 new $shape --classes 3 --seed 9 -o b.st
cp a.st teacher.st
asked="$fresh --epochs 3 --teacher teacher.st --teacher-depth 2"
try 0 $asked --record rec --limit-steps 4 -o part.st
rm part.st.checkpoint
cp b.st teacher.st
try 1 $asked --record rec --resume -o part.st
says err "rec: recorded of another teacher than teacher.st is now: to record this one, begin anew"
cp a.st teacher.st
try 0 $asked --record rec --resume -o part.st
try 0 $asked -o straight.st
try 0 $fresh --epochs 3 --recorded rec --limit-steps 4 -o batch.st
try 1 $fresh --batch 6 --epochs 3 --recorded rec --resume -o batch.st
says err '--batch is "12" there, "6" here'
# The student's activation and eps are not the teacher's.
try 0 expand a.st --depth 2 -o model.st
recorded="record --data cifar --augment none --batch 12 --image 32 --epochs 1"
try 0 $recorded --teacher model.st -o gelu.rec
try 0 $fresh --epochs 1 --activation relu --eps 0.1 --teacher model.st --record relu.rec -o relu.st
try 0 info relu.st --json
says out '"activation":"relu"'
try 0 distill $plain --from relu.st --depth 2 --epochs 1 --recorded gelu.rec -o x.st

# Where one is recorded nobody else computes: there they are the teacher's, whose bare file says neither.
if has_python "resume: a recorded teacher whose file is bare"; then
    python3 -c '
import json, struct
data = open("model.st", "rb").read()
length, = struct.unpack_from("<Q", data)
head = json.loads(data[8:8 + length])
head["__metadata__"] = {"tleg.heads": "2"}
text = json.dumps(head).encode()
open("bare.st", "wb").write(struct.pack("<Q", len(text)) + text + data[8 + length:])'
    try 0 $recorded --teacher bare.st -o plain.rec
    try 0 $recorded --teacher bare.st --activation relu -o relued.rec
    must test "$(tail -c 600 plain.rec | cksum)" != "$(tail -c 600 relued.rec | cksum)"
fi

# ---- scores ----
# Those of other pictures are not put into one table, whatever the folders are called.
mkdir one two
few one/val 10
few two/val 16
try 0 new $shape --classes 2 -o scored.st
try 0 eval scored.st --depth 2 --data one/val --write-scores
try 0 eval scored.st --depth 4 --data one/val --write-scores
must test ! -s err
try 0 info scored.st --json
says out '"depths":[2,4]'
try 0 eval scored.st --depth 3 --data two/val --write-scores
says err "the former scores of scored.st, on other images, are replaced"
try 0 info scored.st --json
says out '"depths":[3]'
# Scores that a file does not say the pictures of stay so beside others: nobody vouches for the table.
try 0 store scored.st --dtype f32 -o told.st
try 0 eval told.st --depth 2 --data two/val --write-scores
says err "are taken to be of the same"
must test "$(grep -ac '\\"data\\":' told.st)" = 0
try 0 eval told.st --depth 2-3 --data two/val --write-scores
must grep -aq '\\"data\\":' told.st
# A schedule of more segments than depths that are looked at by themselves.
layers='[1,false]'
for i in 2 3 4 5 6 7 8 9 10 11 12 13 14; do layers="$layers,[1,false]"; done
try 0 new $shape --classes 2 --schedule "{\"qkv\":[$layers]}" -o deep.st
try 0 plan deep.st --data one/val --bytes 100M
says out "best that fits: depth "

# ---- what a run reads is not what it writes ----
mkdir own
cp "$scratch/a.st" own/a.st
try 2 distill --data own/a.st --from a.st --depth 2 --epochs 1 -o own/a.st
says err "--data and -o name the same file, own/a.st"
same a.st own/a.st

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of resume failed"
    exit 1
fi
echo "resume: $checks checks"
