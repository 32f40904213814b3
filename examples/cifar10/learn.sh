#!/bin/sh
# Learns a gene for CIFAR-10 from a convolutional teacher: trains the teacher, records what it says, learns, scores every depth.
#
#     sh examples/cifar10/learn.sh DATA OUT        DATA/train/CLASS/NNNN.jpg; all that is made lies in OUT
#
# Each step goes on where it was stopped, and one that is done is not done again: after a kill, run the same line. Needs the
# command tleg (TLEG=path, or on PATH) and a python3 with torch, numpy and Pillow (PYTHON=path). THREADS: all cores.
set -eu
[ $# -eq 2 ] || { echo "usage: learn.sh DATA OUT" >&2; exit 2; }
data=$1 out=$2
tleg=${TLEG:-tleg} python=${PYTHON:-python3} threads=${THREADS:-$(getconf _NPROCESSORS_ONLN)}
teachers=$(cd "$(dirname "$0")/../teachers" && pwd)
mkdir -p "$out"

# ---- the recipe ----
teacher_epochs=18
epochs=60 # passes of the gene over the data
views=10  # epochs that are recorded; their pictures come again
mean=0.4914,0.4822,0.4465 std=0.2470,0.2435,0.2616
pictures="--data $data/train --val-every 10 --batch 128 --augment light --cutmix 1"
gene="--dim 128 --heads 2 --hidden 256 --image 32 --patch 4 --classes 10 --count 4 --curve chebyshev"
steps="--lr-absolute --lr 1e-3 --warmup-steps 1000 --weight-decay 0.05 --clip 1 --ema 0.999 --smoothing 0 --dtype bf16"
depths="--depths 2-12 --sandwich --in-place 0.5 --val-depths 2,4,6,8,10,12"
taught="--alpha 0.9 --tau 4"

# ---- the teacher: OUT/teacher.pt, its log ----
"$python" "$teachers/train_cnn.py" --data "$data/train" --val-every 10 --epochs $teacher_epochs --threads "$threads" \
    -o "$out/teacher.pt" >>"$out/teacher.jsonl"
tail -n 1 "$out/teacher.jsonl"

# ---- its recording: OUT/teacher.rec ----
if [ ! -s "$out/teacher.rec" ]; then
    serve="'$python' '$teachers/serve.py' --module '$teachers/train_cnn.py:load' --checkpoint '$out/teacher.pt' --bf16"
    "$tleg" record --teacher-command "$serve" $pictures --image 32 --mean $mean --std $std --epochs $views --seed 0 \
        --threads "$threads" --resume -o "$out/teacher.rec"
fi

# ---- the gene: OUT/gene.safetensors, its log ----
[ -s "$out/fresh.safetensors" ] || "$tleg" new $gene --mean $mean --std $std --seed 0 -o "$out/fresh.safetensors"
"$tleg" distill --from "$out/fresh.safetensors" $pictures $depths $steps $taught --recorded "$out/teacher.rec" --views $views \
    --epochs $epochs --seed 0 --data-seed 0 --threads "$threads" --log "$out/gene.jsonl" --resume -o "$out/gene.safetensors"

# ---- its scores: OUT/scores.jsonl, a line for each depth ----
if [ ! -d "$out/val" ]; then # every tenth picture of each class's sorted list, as --val-every 10 takes them
    rm -rf "$out/val.part"
    for class in "$data"/train/*/; do
        mkdir -p "$out/val.part/$(basename "$class")"
        find -L "$class" -type f | LC_ALL=C sort | awk 'NR % 10 == 1' | while read -r picture; do
            cp "$picture" "$out/val.part/$(basename "$class")/"
        done
    done
    mv "$out/val.part" "$out/val"
fi
for depth in 2 3 4 5 6 7 8 9 10 11 12; do
    "$tleg" eval "$out/gene.safetensors" --depth $depth --data "$out/val" --threads "$threads" --json
done >"$out/scores.part"
mv "$out/scores.part" "$out/scores.jsonl"
sed -n 's/.*"top1":\([0-9.]*\).*"depth":\([0-9]*\).*/depth \2: \1/p' "$out/scores.jsonl"
