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
mean=0.4914,0.4822,0.4465 std=0.2470,0.2435,0.2616
pictures="--data $data/train --val-every 10 --batch 128 --augment light"
shape="--dim 128 --heads 4 --hidden 256 --image 32 --patch 4 --classes 10 --count 8 --curve chebyshev"
steps="--optimiser muon --lr-absolute --lr 1e-3 --weight-decay 0.05 --clip 1 --smoothing 0 --dtype bf16"
taught="--alpha 0.9 --tau 2 --data-seed 0"

# ---- the teacher: OUT/teacher.pt, its log ----
# teach NAME [OPTION...]: OUT/NAME.pt
teach() {
    name=$1
    shift
    "$python" "$teachers/train_cnn.py" --data "$data/train" --val-every 10 --threads "$threads" "$@" -o "$out/$name.pt" >>"$out/$name.jsonl"
    tail -n 1 "$out/$name.jsonl"
}
teach first --epochs 18 --cutmix 0
teach teacher --start "$out/first.pt" --epochs 26 --rate 0.9

# ---- what it says of mixed pictures, and of pictures as they are: OUT/mixed.rec, OUT/plain.rec ----
# record NAME EPOCHS CUTMIX
record() {
    [ ! -s "$out/$1.rec" ] || return 0
    serve="exec '$python' '$teachers/serve.py' --module '$teachers/train_cnn.py:load' --checkpoint '$out/teacher.pt' --bf16"
    "$tleg" record --teacher-command "$serve" $pictures --image 32 --mean $mean --std $std --epochs "$2" --cutmix "$3" --seed 0 \
        --threads "$threads" --resume -o "$out/$1.rec"
}
record mixed 16 1
record plain 5 0

# ---- the gene: OUT/gene.safetensors, the logs of its four parts ----
# learn FROM NAME [OPTION...]: OUT/NAME.safetensors
learn() {
    from=$1 name=$2
    shift 2
    "$tleg" distill --from "$out/$from.safetensors" $pictures $steps $taught "$@" --threads "$threads" --log "$out/$name.jsonl" \
        --resume -o "$out/$name.safetensors"
}
[ -s "$out/fresh.safetensors" ] || "$tleg" new $shape --mean $mean --std $std --seed 1 -o "$out/fresh.safetensors"
mixed="--recorded $out/mixed.rec --views 16 --cutmix 1 --val-depths 2,4,8,12"
learn fresh shallow $mixed --depths 2-8 --epochs 10 --warmup-steps 200 --decay-epochs 0 --seed 1
learn shallow deep $mixed --depths 4-12 --epochs 41 --warmup-steps 50 --decay-epochs 0 --ema 0.998 --seed 2
learn deep settled $mixed --depths 3-12 --epochs 6 --warmup-steps 20 --decay-epochs 5 --lr-end 3e-4 --ema 0.998 --seed 6
learn settled learned --recorded "$out/plain.rec" --views 5 --cutmix 0 --val-depths 3,4,8,12 --depths 3-12 --epochs 5 --lr 3e-4 \
    --warmup-steps 20 --decay-epochs 4 --ema 0.998 --seed 7
"$tleg" store "$out/learned.safetensors" --dtype bf16 -o "$out/gene.safetensors"
"$tleg" eval "$out/gene.safetensors" --depth 2-12 --data "$data/train" --val-every 10 --threads "$threads" --write-scores
