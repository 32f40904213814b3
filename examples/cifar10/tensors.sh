#!/bin/sh
# What the gene owes to its eight tensors: by one training, that gene, one of two tensors in layers of twice the width, which stores as
# much, and a model of its layers that share nothing. Scores every depth.
#
#     sh examples/cifar10/tensors.sh DATA OUT      as learn.sh, which has made OUT/both-mixed.rec
#
# After a kill, run the same line. TLEG, THREADS: as for learn.sh.
set -eu
[ $# -eq 2 ] || { echo "usage: tensors.sh DATA OUT" >&2; exit 2; }
data=$1 out=$2
tleg=${TLEG:-tleg} threads=${THREADS:-$(getconf _NPROCESSORS_ONLN)}
# shellcheck source=examples/cifar10/recipe.sh
. "$(dirname "$0")/recipe.sh"
[ -s "$out/both-mixed.rec" ] || { echo "tensors.sh: expected $out/both-mixed.rec, which learn.sh records; it is not there" >&2; exit 1; }

# ---- what begins: OUT/NAME-fresh.safetensors ----
# fresh NAME [OPTION...]
fresh() {
    name=$1
    shift
    [ -s "$out/$name-fresh.safetensors" ] || "$tleg" new "$@" $input --seed 1 -o "$out/$name-fresh.safetensors"
}
layers="[$(printf '[1,false],%.0s' 1 2 3 4 5 6 7 8 9 10 11)[1,false]]"
schedule=$(printf '"%s":'"$layers"',' norm1 norm2 qkv proj fc1 fc2)
fresh eight $eight
fresh two --dim 256 --heads 8 --hidden 512 --count 2 --curve power
fresh apart --dim 128 --heads 4 --hidden 256 --schedule "{${schedule%,}}"

# ---- 12 epochs of the teachers' mean ----
# learn NAME VERB [OPTION...]: OUT/NAME.safetensors
learn() {
    name=$1
    shift
    "$tleg" "$@" --data "$data/train" $steps $alone --recorded "$out/both-mixed.rec" --views 8 --epochs 12 --lr 1e-3 --warmup-steps 200 \
        --seed 21 --threads "$threads" --log "$out/$name.jsonl" --resume -o "$out/$name.safetensors"
}
for name in eight two; do
    learn $name distill --from "$out/$name-fresh.safetensors" --depths 3-12 --val-depths 3,4,8,12
    "$tleg" eval "$out/$name.safetensors" --depth 2-12 --data "$data/train" --val-every 10 --threads "$threads" --write-scores
done
learn apart tune "$out/apart-fresh.safetensors" --depth 12
