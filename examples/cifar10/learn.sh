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

# shellcheck source=examples/cifar10/recipe.sh
. "$(dirname "$0")/recipe.sh"

# ---- four teachers: OUT/one.pt ..., their logs ----
# teach NAME [OPTION...]: OUT/NAME.pt
teach() {
    name=$1
    shift
    "$python" "$teachers/train_cnn.py" --data "$data/train" --val-every 10 --threads "$threads" "$@" -o "$out/$name.pt" >>"$out/$name.jsonl"
    tail -n 1 "$out/$name.jsonl"
}
teach plain --epochs 18 --cutmix 0
teach one --start "$out/plain.pt" --epochs 26 --rate 0.9
# the shipped gene's had half of the batches mixed for seven epochs, then a quarter
teach two --epochs 16 --batch 1000 --muon 0.2 --smoothing 0.1 --cutmix 0.25
large="--batch 1000 --smoothing 0.1 --widths 96,256,384 --convolutions 3 --shift 4"
teach three $large --epochs 40 --muon 0.2
teach four $large --start "$out/three.pt" --epochs 18 --muon 0.15 --cutmix 0.75 --seed 1

# ---- what they say of mixed pictures, and of pictures as they are: OUT/one-mixed.rec, OUT/one-plain.rec ... ----
# record NAME EPOCHS CUTMIX TEACHER...: of several teachers the mean
record() {
    [ ! -s "$out/$1.rec" ] || return 0
    name=$1 epochs=$2 cutmix=$3
    shift 3
    serve="exec '$python' '$teachers/serve.py' --module '$teachers/train_cnn.py:load' --bf16 --channels-last"
    for teacher; do
        serve="$serve --checkpoint '$out/$teacher.pt'"
    done
    "$tleg" record --teacher-command "$serve" $pictures --image 32 --mean $mean --std $std --epochs "$epochs" --cutmix "$cutmix" --seed 0 \
        --threads "$threads" --resume -o "$out/$name.rec"
}
for teacher in one two; do
    record $teacher-mixed 16 1 $teacher
    record $teacher-plain 5 0 $teacher
done
record both-mixed 8 1 three four
record both-plain 4 0 three four

# ---- the gene: OUT/gene.safetensors, the logs of its parts ----
# learn FROM NAME [OPTION...]: OUT/NAME.safetensors
learn() {
    from=$1 name=$2
    shift 2
    "$tleg" distill --from "$out/$from.safetensors" --data "$data/train" $steps "$@" --threads "$threads" --log "$out/$name.jsonl" \
        --resume -o "$out/$name.safetensors"
}
[ -s "$out/fresh.safetensors" ] || "$tleg" new $eight $input --seed 1 -o "$out/fresh.safetensors"
# first from teacher one and labels
mixed="--recorded $out/one-mixed.rec --alpha 0.9 --views 16 --val-depths 2,4,8,12"
learn fresh shallow $mixed --depths 2-8 --epochs 10 --lr 1e-3 --warmup-steps 200 --decay-epochs 0 --seed 1
learn shallow deep $mixed --depths 4-12 --epochs 41 --lr 1e-3 --warmup-steps 50 --decay-epochs 0 --ema 0.998 --seed 2
learn deep settled $mixed --depths 3-12 --epochs 6 --lr 1e-3 --warmup-steps 20 --decay-epochs 5 --lr-end 3e-4 --ema 0.998 --seed 6
learn settled learned --recorded "$out/one-plain.rec" --alpha 0.9 --val-depths 3,4,8,12 --depths 3-12 --epochs 5 --lr 3e-4 --warmup-steps 20 \
    --decay-epochs 4 --ema 0.998 --seed 7
# then from teacher two alone
[ -s "$out/half.safetensors" ] || "$tleg" store "$out/learned.safetensors" --dtype bf16 -o "$out/half.safetensors"
mixed="--recorded $out/two-mixed.rec $alone --views 16"
learn half deep2 $mixed --val-depths 2,4,8,12 --depths 4-12 --epochs 10 --lr 1e-3 --warmup-steps 50 --decay-epochs 0 --seed 11
learn deep2 settled2 $mixed --val-depths 3,4,8,12 --depths 3-12 --epochs 27 --lr 1e-3 --warmup-steps 20 --decay-epochs 26 --lr-end 2e-4 --seed 12
learn settled2 learned2 --recorded "$out/two-plain.rec" $alone --val-depths 3,4,8,12 --depths 3-12 --epochs 5 --lr 2e-4 \
    --warmup-steps 20 --decay-epochs 4 --seed 13
# and from the mean of the large ones
mixed="--recorded $out/both-mixed.rec $alone --views 8"
learn learned2 settled3 $mixed --val-depths 3,4,8,12 --depths 3-12 --epochs 34 --lr 1e-3 --warmup-steps 50 --decay-epochs 33 --lr-end 2e-4 --seed 14
learn settled3 learned3 --recorded "$out/both-plain.rec" $alone --val-depths 3,4,8,12 --depths 3-12 --epochs 4 --lr 2e-4 \
    --warmup-steps 20 --decay-epochs 3 --seed 15
"$tleg" store "$out/learned3.safetensors" --dtype bf16 -o "$out/gene.safetensors"
"$tleg" eval "$out/gene.safetensors" --depth 2-12 --data "$data/train" --val-every 10 --threads "$threads" --write-scores
