#!/bin/sh
# Learns a generator of clothes, from Fashion-MNIST's pictures to the learngene beside this file, but for its scores, which a validation
# (--val) with 5,000 other pictures gave afterwards.
#
#     sh examples/fashion/learn.sh DATA OUT        DATA/CLASS/*.png, or Fashion-MNIST's IDX files; all that is made lies in OUT
#
# A run that was stopped goes on by the same line. Needs the command tleg (TLEG=path, or on PATH). THREADS: all cores.
set -eu
[ $# -eq 2 ] || { echo "usage: learn.sh DATA OUT" >&2; exit 2; }
data=$1 out=$2
tleg=${TLEG:-tleg} threads=${THREADS:-$(getconf _NPROCESSORS_ONLN)}
mkdir -p "$out"
[ -s "$out/fresh.safetensors" ] || "$tleg" new --kind dit --dim 192 --heads 3 --image 28 --patch 4 --channels 1 --classes 10 --seed 1 \
    -o "$out/fresh.safetensors"
"$tleg" distill --from "$out/fresh.safetensors" --data "$data" --val-every 40 --depths 4-12 --val-depths 4,6,8,12 --epochs 14 --batch 64 \
    --threads "$threads" --dtype bf16 --optimiser muon --lr-absolute --lr 3e-3 --warmup-steps 100 --decay-epochs 4 --clip 1 --ema 0.9995 \
    --resume --log "$out/learned.jsonl" -o "$out/learned.safetensors"
printf '%s\n' T-shirt Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag 'Ankle boot' >"$out/labels.txt"
"$tleg" convert "$out/learned.safetensors" --dtype bf16 --labels "$out/labels.txt" -o "$out/learngene.safetensors"
