#!/bin/sh
# What people ask of a training: class weights, frozen parts, rates by layer, SGD, patience.
# usage: tuning.sh TLEG        prints what fails; exit 1 if anything did
tleg=$1
[ -x "$tleg" ] || { echo "usage: tuning.sh TLEG" >&2; exit 2; }
. "$(dirname "$0")/checks.sh"
has_python tuning || exit 77

# ---- data: 12 pictures of a class, 4 of each other ----
cat >pictures.py <<'P'
import os, struct, zlib
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
for name, count, pixel in (("ant", 12, (200, 20, 20)), ("cat", 4, (20, 200, 20)), ("red bee", 4, (20, 20, 200))):
    os.makedirs("own/" + name)
    for i in range(count):
        rows = b''.join(b'\0' + bytes((v + (i * 31 + x * 7 + y * 13) % 40) % 256 for x in range(8) for v in pixel) for y in range(8))
        open(f"own/{name}/{i}.png", 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 8, 8, 8, 2, 0, 0, 0)) +
                                                chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
P
python3 pictures.py
try 0 new --dim 16 --heads 2 --image 8 --patch 4 --classes 3 -o gene.st
try 0 expand gene.st --depth 3 -o model.st
tune="tune model.st --data own --val own --batch 4 --augment none --smoothing 0 --epochs 2"
try 0 $tune -o plain.st

# ---- class weights ----
try 0 $tune --class-weights balanced --log balanced.json -o balanced.st
says out "class weights: ant 0.556, cat 1.67, red bee 1.67"
must python3 -c 'import json; assert json.loads(open("balanced.json").readline())["class_weights"] == [5/9, 5/3, 5/3]'
must test "$(cmp plain.st balanced.st >/dev/null; echo $?)" -eq 1
printf '# none\n' >weights
try 1 $tune --class-weights weights -o x.st
says err "weights: expected lines of a class' name and a number, found \"# none\""
printf '\357\273\277cat 3\r\n\nred bee\t3.0 \nant  1\n' >weights
try 0 $tune --class-weights weights -o file.st
try 0 $tune --class-weights 1,3,3 -o list.st
same file.st list.st
try 0 $tune --class-weights 1,3,3 --limit-steps 3 -o part.st
try 1 $tune --class-weights 1,3,2 --resume -o part.st
says err '--class-weights is "ant 1, cat 3, red bee 3" there, "ant 1, cat 3, red bee 2" here'
try 0 $tune --class-weights 1,3,3 --resume -o part.st
same list.st part.st
printf 'cat 3\nant 1\n' >weights
try 1 $tune --class-weights weights -o x.st
says err 'weights: has no weight for the class "red bee"'
printf 'cat 3\nant 1\nred bee 3\ncat 4\n' >weights
try 1 $tune --class-weights weights -o x.st
says err 'weights: has two weights for the class "cat"'
printf 'cat 3\nant 1\000\nred bee 3\n' >weights
try 1 $tune --class-weights weights -o x.st
says err "weights: line 2 holds a NUL byte"
printf 'cat 3\nant 1\nbee 1\n' >weights
try 1 $tune --class-weights weights -o x.st
says err 'weights: the data have no class "bee"'
try 1 $tune --class-weights nowhere -o x.st
says err "--class-weights takes balanced, a number for each class with commas, or a file; nowhere: "
try 2 $tune --class-weights 1,2 -o x.st
says err "--class-weights: 2 numbers for 3 classes"
try 1 $tune --class-weights 0,0,0 -o x.st
says err "all 3 are 0"
try 2 $tune --class-weights balanced --teacher model.st --alpha 1 -o x.st
says err "--class-weights weighs the labels' loss, which --alpha 1 leaves out"

# ---- frozen parts, rates by layer ----
# only FILE WORD...: the tensors that differ from the model's have one of the words in their names, and each word does
only() {
    checks=$((checks + 1))
    python3 - model.st "$@" <<'P' || fail "not only $*"
import json, struct, sys
def read(path):
    data = open(path, 'rb').read()
    n = struct.unpack('<Q', data[:8])[0]
    return {k: data[8 + n:][slice(*v['data_offsets'])] for k, v in json.loads(data[8:8 + n]).items() if k != '__metadata__'}
before, after, words = read(sys.argv[1]), read(sys.argv[2]), sys.argv[3:]
moved = {k for k in before if before[k] != after[k]}
assert moved and all(any(w in k for w in words) for k in moved) and all(any(w in k for k in moved) for w in words), moved
P
}
try 0 tune model.st --data own --epochs 1 --batch 4 --augment none --limit-steps 1 --lr-absolute --lr 1e-9 -o named.st
cp named.st model.st # its classes are now those of the data: the head does not start fresh
labelled="tune model.st --data own --val own --batch 4 --augment none --epochs 1 --weight-decay 0.5"
try 0 $labelled --freeze backbone -o head.st
says out "optimiser: AdamW; frozen: backbone"
only head.st head.
try 0 $labelled --freeze head,norm,embedding --optimiser muon --clip 1 -o blocks.st
only blocks.st blocks.
try 0 $labelled --freeze backbone --optimiser sgd --ema 0.5 -o head.st
only head.st head.
try 0 $labelled --freeze-layers 2 -o upper.st
only upper.st blocks.2. norm. head.
try 0 $labelled --freeze blocks --resume --checkpoint none.ck --limit-steps 2 -o part.st
try 1 $labelled --resume --checkpoint none.ck -o part.st
says err '--freeze is "blocks" there, "nothing" here'
try 0 $labelled --layer-decay 0.5 -o decay.st
says out "each block at 0.5 times the rate of the next"
try 2 $labelled --freeze-layers 4 -o x.st
says err "--freeze-layers 4: the model has 3"
try 2 $labelled --freeze ls1,modulation -o x.st
says err "--freeze ls1,modulation: model.st has no such part"
try 2 $labelled --freeze everything -o x.st
says err "--freeze takes backbone, embedding, blocks"
try 2 $labelled --freeze backbone,head -o x.st
says err "leaves nothing to learn"
try 2 $labelled --layer-decay 2 -o x.st
says err "--layer-decay takes a number of at most 1"
for words in "--layer-decay 0.5" "--freeze-layers 1"; do
    try 2 distill --data own $words --dim 16 --heads 2 --image 8 --patch 4 --depth 3 --batch 4 --epochs 1 -o x.st
    says err "all layers of a learngene share its tensors"
done
try 0 distill --data own --from gene.st --freeze qkv,embedding --depth 3 --batch 4 --epochs 1 -o x.st

# ---- names that are long, or not UTF-8, in checkpoints and logs ----
mkdir spelt && cp -r own/ant spelt/三毛猫の子猫 && cp -r own/cat spelt/犬
try 0 tune model.st --data spelt --batch 4 --augment none --epochs 1 --class-weights balanced -o spelt.st
says out "class weights: 三毛猫の子 0.667, 犬 2"
says out "spelt.st: the model after 4 steps"
raw="m$(printf '\377').st" far="d$(printf '三%.0s' $(seq 80))/$(printf '三%.0s' $(seq 60)).st"
mkdir "${far%/*}"
for path in "$raw" "$far"; do
    cp model.st "$path"
    for words in "--limit-steps 2" --resume; do
        try 0 tune "$path" --data own --batch 4 --augment none --epochs 1 --teacher "$path" $words -o odd.st
    done
    says out "resumed: odd.st.checkpoint, step 2 of 5"
    rm odd.st*
done
for _ in first second; do # the second takes the log of the same output
    try 0 $labelled --limit-steps 1 --seed 18446744073709551615 --log odd.json -o "new$raw"
    says out 'newm\xFF.st: '
done
must test "$(grep -c '"seed":"18446744073709551615"' odd.json)" -eq 1

# ---- SGD ----
try 0 $tune --optimiser sgd --lr-absolute --lr 0.01 -o sgd.st
says out "optimiser: SGD with momentum 0.9"
try 0 $tune --optimiser sgd --lr-absolute --lr 0.01 --nesterov --momentum 0.8 --limit-steps 3 -o nesterov.st
says out "optimiser: SGD with momentum 0.8, Nesterov's"
try 1 $tune --optimiser sgd --lr-absolute --lr 0.01 --momentum 0.8 --resume -o nesterov.st
says err '--nesterov is "yes" there, "no" here'
try 0 $tune --optimiser sgd --lr-absolute --lr 0.01 --nesterov --momentum 0.8 --resume -o nesterov.st
try 0 $tune --optimiser sgd --lr-absolute --lr 0.01 --nesterov --momentum 0.8 -o whole.st
same whole.st nesterov.st
try 2 $tune --nesterov -o x.st
says err "--nesterov is of --optimiser sgd"
try 0 $tune --optimiser sgd --lr-absolute --lr 0.01 --weight-decay 5e-4 -o told.st
same sgd.st told.st

# ---- what would be without effect ----
try 2 $tune --tau 2 -o x.st
says err "--tau and --teacher-mean are of a teacher, and there is none"
try 2 $tune --teacher-mean images -o x.st
says err "are of a teacher"
try 2 $labelled --teacher plain.st --smoothing 0.1 -o x.st
says err "--smoothing is of the labels, which --alpha 1 leaves out"
try 0 $labelled --teacher plain.st --alpha 0.5 --smoothing 0.1 -o x.st
try 2 $tune --ema-fixed -o x.st
says err "--ema-fixed is of an average: give --ema too"
try 2 $tune --ema 0 --ema-fixed -o x.st
says err "give --ema too"
try 2 $tune --other-teacher -o x.st
says err "--other-teacher is for --resume"
try 0 $tune -o bare.st
try 0 $tune --ema 0 -o none.st
same bare.st none.st

# ---- patience: at so low a rate no epoch is better than the first ----
still="tune model.st --data own --val own --batch 4 --augment none --lr-absolute --lr 1e-12 --epochs 9"
try 0 $still --patience 2 -o patient.st
says out "stopped after epoch 3 of 9: no better validation for 2 epochs (--patience)"
try 0 $still --patience 2 --resume -o patient.st
says out "stopped after epoch 3 of 9"
try 0 $still --patience 3 --resume --json -o patient.st
says out '"out_of_patience":true'
must test "$(grep -c '"train_loss"' out)" -eq 1
try 0 $still --epochs 3 --patience 2 --json -o x.st
says out '"out_of_patience":false'
# What was never validated was not waited for.
unseen="tune model.st --data own --batch 4 --augment none --lr-absolute --lr 1e-12"
try 0 $unseen --epochs 4 -o unseen.st
try 0 $unseen --epochs 9 --val own --patience 2 --resume -o unseen.st
says out "stopped after epoch 7 of 9: no better validation for 2 epochs (--patience)"
try 2 tune model.st --data own --batch 4 --epochs 9 --val-depths 3 -o x.st
says err "--val-depths is for a learngene; tune makes a model of one depth"
try 2 tune model.st --data own --batch 4 --epochs 9 --patience 2 -o x.st
says err "--patience needs --val or --val-every"

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of tuning failed"
    exit 1
fi
echo "tuning: $checks checks"
