#!/bin/sh
# What the command does with models that have other families' parts, and with those that have no head.
# usage: families.sh TLEG [SCRATCH_DIR]      prints what fails; exit 1 if anything did
here=$(cd "$(dirname "$0")" && pwd) || exit 2
tleg=$1 scratch=$2
[ -x "$tleg" ] || { echo "usage: families.sh TLEG [SCRATCH_DIR]" >&2; exit 2; }
. "$here/checks.sh"
models=${here%/scripts/*}/fixtures/families

# ---- what it has ----
try 0 info "$models/dinov2.safetensors"
says out "LayerScale, 2 registers, 2 token(s) without a place"
says out "head          none: features of the class token"
try 0 info "$models/relu.safetensors" --json
says out '"activation":"relu"'
says out '"channels":1'
says out '"layer_scale":true'

# ---- without a head ----
try 0 run "$models/dinov2.safetensors" --input "$models/dinov2.out.safetensors" -o features.st
must grep -qaF '"features"' features.st
must test "$(grep -ac '"logits"' features.st)" -eq 0
: >picture.png
try 1 classify "$models/dinov2.safetensors" picture.png
says err "has no head: it gives features"
mkdir -p data/a data/b
try 1 eval "$models/dinov2.safetensors" --data data
says err "has no head: it gives features"
try 0 bench "$models/dinov2.safetensors" --runs 1

# ---- a learngene of such blocks ----
try 2 new --like "$models/dinov2.safetensors" -o like.st
says err "--classes for a model without a head"
try 2 new --like "$models/silu.safetensors" --dim 24 -o like.st
says err "--like gives the width"
try 0 new --like "$models/dinov2.safetensors" --classes 4 --count 3 --curve cosine -o like.st
try 0 info like.st
says out "LayerScale, 2 registers, 2 token(s) without a place"
says out '"ls2":[[12,"cosine",3]]'
try 0 new --like "$models/dinov2.safetensors" --classes 4 --registers 8 -o more.st
try 0 info more.st
says out "8 registers, 8 token(s) without a place"
try 0 new --like "$models/dinov2.safetensors" --classes 4 --registers 1 -o fewer.st
try 0 info fewer.st
says out "1 registers, 1 token(s) without a place"
try 0 expand like.st --depth 4 -o deep.st
try 0 info deep.st
says out "model of depth 4"
try 0 linearize "$models/deit3.safetensors" --count 3 --curve cosine -o line.st --plot line.svg
says out "ls2        0.0000"
try 0 linearize "$models/tanh.safetensors" -o line.st
must test "$(grep -c '^ls' out)" -eq 0

# ---- another head, and the rest as it was: all that a family has comes through ----
mkdir -p cifar
{ cifar 0 1; cifar 1 2; cifar 2 3; cifar 0 4; cifar 1 5; cifar 2 6; } >cifar/data_batch_1.bin
# features_of MODEL [OPTION...]: of the pictures, to the file MODEL.features, which says whose they are no more.
features_of() {
    try 0 features "$@" -o all.st cifar
    LC_ALL=C sed 's/"model":"[0-9a-f]*"//' all.st >"$(basename "$1").features"
}
# a step so short that no weight moves
still="--data cifar --lr 1e-30 --lr-absolute --augment none --epochs 1 --batch 2"
try 0 convert "$models/../layouts/timm-pixels-left-over" --heads 2 -o left_over.safetensors
for out in "$models"/*.out.safetensors left_over.out.safetensors; do
    model=${out%.out.safetensors}.safetensors
    try 0 tune "$model" $still -o tuned.st
    features_of "$model"
    features_of tuned.st
    same "$(basename "$model").features" tuned.st.features
    try 0 new --like "$model" --classes 3 -o like.st
    try 0 distill --from like.st $still --depths 2-3 -o learned.st
    features_of like.st --depth 3
    features_of learned.st --depth 3
    same like.st.features learned.st.features
done

# ---- what a file does not say ----
cp "$models/../layouts/timm-vit_pe_core_tiny_patch16_384/model.safetensors" alone.safetensors
try 0 info alone.safetensors --heads 3
says err "rotary positions counted in the grid of its own pictures"
try 2 info "$models/clip.safetensors" --activation softplus
says err "--activation"
try 1 info "$models/clip.safetensors" --activation silu
says err 'expected "quick_gelu" as the file says'
try 1 info "$models/clip.safetensors" --eps 1e-6
says err "as tleg.eps says"

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of families failed"
    exit 1
fi
echo "families: $checks checks"
