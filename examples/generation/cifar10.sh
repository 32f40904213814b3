#!/bin/sh
# Learns a generator of colour pictures from CIFAR-10: what docs/generation.md shows of it.
#
#     sh examples/generation/cifar10.sh DATA OUT        DATA/CLASS/*.jpg, or CIFAR-10's binary files; all that is made lies in OUT
#
# A run that was stopped goes on by the same line. Needs the command tleg (TLEG=path, or on PATH). THREADS: all cores.
set -eu
[ $# -eq 2 ] || { echo "usage: cifar10.sh DATA OUT" >&2; exit 2; }
data=$1 out=$2
tleg=${TLEG:-tleg} threads=${THREADS:-$(getconf _NPROCESSORS_ONLN)}
mkdir -p "$out"
[ -s "$out/fresh.safetensors" ] || "$tleg" new --kind dit --dim 192 --heads 3 --image 32 --patch 4 --channels 3 --classes 10 --seed 1 \
    -o "$out/fresh.safetensors"
"$tleg" distill --from "$out/fresh.safetensors" --data "$data" --val-every 90 --depths 4-12 --val-depths 4,6,8,12 --epochs 4 --batch 64 \
    --flip 0.5 --threads "$threads" --dtype bf16 --optimiser muon --lr-absolute --lr 3e-3 --warmup-steps 100 --decay-epochs 1 --clip 1 \
    --ema 0.9995 --checkpoint-every 100 --resume --log "$out/learned.jsonl" -o "$out/learned.safetensors"
"$tleg" convert "$out/learned.safetensors" --dtype bf16 -o "$out/learngene.safetensors"
