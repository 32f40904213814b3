#!/bin/sh
# Models as teachers (--teacher FILE) that differ from the student in more than their numbers.   model_teachers.sh TLEG
tleg=$1
[ -x "$tleg" ] || { echo "usage: model_teachers.sh TLEG" >&2; exit 2; }
sums=$PWD/tests/scripts/command/model_teachers.py
. "$(dirname "$0")/checks.sh"
has_python model_teachers || exit 77

python3 "$sums" data || exit 1
python3 "$sums" resized 48 || exit 1
colours="--mean 0.25,0.5,0.75 --std 0.5,0.25,0.125"
shape="--dim 16 --heads 2 --image 32 --patch 8 --depth 2"
run="distill --data cifar --batch 12 --lr 1e-3 --epochs 2 --warmup 0 --augment none"
# near NUMBER NUMBER: they differ by less than 1e-5 of the second.
near() {
    must python3 -c 'import sys; a, b = map(float, sys.argv[1:]); assert abs(a - b) < 1e-5 * abs(b), (a, b)' "$1" "$2"
}
# logged FILE LINE KEY
logged() {
    python3 -c 'import json, sys; print([json.loads(line) for line in open(sys.argv[1])][int(sys.argv[2])][sys.argv[3]])' "$@"
}

# ---- pictures of another size ----
# It sees the student's, resized: the loss of the first step is that of its answers to them.
try 0 new --dim 24 --heads 2 --image 48 --patch 8 --classes 3 --cls $colours --seed 3 -o teacher.st
try 0 new --dim 16 --heads 2 --image 32 --patch 8 --classes 3 $colours --seed 4 -o student.st
try 0 run teacher.st --depth 3 --input big.st -o answer.st
try 0 run student.st --depth 2 --input images.st -o before.st
taught="--teacher teacher.st --teacher-depth 3"
try 0 $run --from student.st --depth 2 --batch 36 --limit-steps 1 $taught --log size.json -o size.st
near "$(logged size.json 1 teacher)" "$(python3 "$sums" divergence answer.st before.st)"
# With its own mean and std.
try 0 convert teacher.st --mean 0,0,0 --std 1,1,1 -o plain.st
try 0 $run --from student.st --depth 2 --batch 36 --limit-steps 1 --teacher plain.st --teacher-depth 3 --log own.json -o own.st
must test "$(logged size.json 1 teacher)" != "$(logged own.json 1 teacher)"
# A teacher of colours of grey pictures; the reverse has no answer.
try 0 new --dim 16 --heads 2 --image 32 --patch 8 --classes 3 --channels 1 -o grey.st
try 0 $run --from grey.st --depth 2 $taught -o x.st
try 1 $run --from student.st --depth 2 --teacher grey.st --teacher-depth 2 -o y.st
says err "grey.st: a teacher for images of 1 channels; the student's have 3"
must test ! -e y.st

# ---- features ----
# What the validation says is the share of the whitened features that the head tells.
try 0 $run $shape $colours --val-every 4 $taught --teacher-features --log-every 1 --log told.json -o told.st
says out "data: cifar: 27 images to learn from, 9 to validate with"
says out "teacher: teacher.st at depth 3, its features"
says out "validation told "
try 0 run told.st --depth 2 --input images.st -o out.st
try 0 run teacher.st --depth 3 --input big.st -o answer.st
near "$(logged told.json -1 val_told)" "$(python3 "$sums" told answer.st out.st 4)"
must test "$(logged told.json 0 features)" = 24
must test "$(logged told.json 1 labels)" = 0.0
try 0 info told.st
says out "head          24 features of a teacher"
says out "told on a teacher's features, 9 images"
LC_ALL=C sed 's/"tleg.depths"/"tleg_depths"/; s/"tleg.scores"/"tleg_scores"/' told.st >unscored.st
try 0 plan unscored.st
says err "does not say at which depths it was learned"
must test "$(grep -c "tleg eval" err)" -eq 0 # which is for classes
try 0 expand told.st --depth 3 -o told_model.st
try 0 linearize told_model.st --count 1 -o told_line.st
says out " --teacher-features --depth 3 "
try 0 plan told.st
says out "scores: told on a teacher's features, 9 images"
says out "best: depth "
must test "$(grep -c "standard error" out)" -eq 0
# In-place too, and a model; a gene that had classes gets a head for features.
try 0 distill --data cifar --batch 12 --epochs 1 --from student.st --depths 1-3 --sandwich --in-place 0.5 $taught --teacher-features -o deep.st
says err "the head starts fresh, and learns to tell the teacher's 24 features"
try 0 tune told.st --depth 2 --data cifar --batch 12 --epochs 1 $taught --teacher-features -o model.st
# Pictures without classes, in the folder itself; mixed ones.
mkdir flat
python3 -c 'import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
for i in range(8):
    rows = b"".join(b"\0" + bytes((i * 31 + 3 * y * x + k) % 256 for x in range(40) for k in range(3)) for y in range(40))
    open(f"flat/{i}.png", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 40, 8, 2, 0, 0, 0)) +
                                      chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))'
try 0 distill --data flat --val flat --batch 4 --epochs 2 $shape $taught --teacher-features --augment light --cutmix 1 -o flat.st
try 0 features flat.st --depth 2 flat/0.png -o f.st
try 1 classify told.st --depth 2 flat/0.png
says err "told.st has a head of 24 features of a teacher, not of classes"
# Recorded: the same bits without the teacher, stopped or not.
light="distill --data cifar --batch 12 --lr 1e-3 --epochs 2 --warmup 0 --augment light --cutmix 1 $shape $colours --teacher-features"
try 0 $light $taught --record kept -o first.st
try 0 $light --recorded kept -o second.st
same first.st second.st
try 0 $light --recorded kept --limit-steps 3 -o third.st
try 0 $light --recorded kept --resume -o third.st
same first.st third.st
try 0 record --data cifar --image 32 $colours --batch 12 --epochs 2 --augment light --cutmix 1 $taught --teacher-features -o again
says out "images, 24 features"
must cmp -s kept again
# What was left out of a recording nobody can say the features of.
try 0 record --data cifar --val-every 4 --image 32 $colours --batch 9 --epochs 2 --augment light $taught --teacher-features -o part
try 0 distill --data cifar --epochs 2 $shape $colours --teacher-features --recorded part -o third.st
says out "27 images to learn from, 0 to validate with"
# A head says what it tells, in all that is made of it; and then learns classes, as many as there were features too.
try 0 expand first.st --depth 3 -o model3.st
try 0 store first.st --dtype bf16 -o small.st
for file in first.st model3.st small.st; do
    try 0 info $file
    says out "head          24 features of a teacher"
done
try 1 classify model3.st flat/0.png
says err "'tleg tune model3.st --data DIR' learns a head for your classes"
try 1 classify small.st --depth 2 flat/0.png
says err "'tleg learn --from small.st --data DIR' learns a head for your classes"
try 0 distill --data cifar --batch 12 --epochs 1 --from first.st --depths 1-3 -o classes.st
says err "the head starts fresh: that of first.st tells a teacher's features, the data have 3 classes"
try 0 info classes.st
says out "head          3 classes"
try 0 new --dim 3 --heads 1 --image 32 --patch 8 --classes 3 -o three.st
try 0 distill --data cifar --batch 12 --epochs 1 --from student.st --depth 2 --teacher three.st --teacher-depth 1 --teacher-features -o told3.st
try 0 expand first.st --depth 2 --classes 5 -o five.st
try 0 info five.st --json
says out '"head_tells":"classes"'
try 0 distill --data cifar --batch 12 --epochs 1 --from told3.st --depth 2 -o classes.st
says err "the head starts fresh: that of told3.st tells a teacher's features, the data have 3 classes"

# ---- wrong use ----
try 2 $run $shape --teacher-features -o x2.st
says err "--teacher-features are those of --teacher MODEL, or --recorded"
try 2 $run $shape $taught --teacher-features --alpha 0.5 -o x2.st
says err "and --teacher-features has none"
try 2 $light --recorded kept --val-every 4 -o x2.st
says err "it has none of the pictures that validate"
try 0 record --data cifar --image 32 $colours --batch 12 --epochs 2 --augment light --cutmix 1 $taught -o logits
try 1 $light --recorded logits -o x2.st
says err 'logits: recorded with features (absent); here it is true'
try 1 distill --data cifar --batch 12 --epochs 2 --augment light --cutmix 1 $shape $colours --recorded kept -o x2.st
says err "kept: recorded with 24 classes; here there are 3"
try 1 $run --from student.st --depth 2 $taught --teacher-features --resume --checkpoint size.st.checkpoint -o x2.st
says err "size.st.checkpoint"
try 0 new --kind dit --dim 16 --heads 2 --image 32 --patch 8 --classes 3 -o draws.st
try 1 $run $shape --teacher draws.st --teacher-depth 2 --teacher-features -o x2.st
says err "draws.st: expected a Vision Transformer"
try 2 $run --from draws.st --depth 2 $taught --teacher-features -o x2.st
says err "--teacher-features: draws.st is a generator, which learns to tell noise"
must test ! -e x2.st

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of models as teachers failed"
    exit 1
fi
echo "model_teachers: $checks checks"
