#!/bin/sh
# How far what a generator draws with 4, 6, 8 and 12 layers is from real pictures, and how far two sets of real pictures are apart: the
# Fréchet distances of docs/generation.md, each a line of JSON.
#
#     sh examples/generation/distance.sh GENE REAL OTHER OUT        REAL, OTHER: folders of pictures, none in both; OUT: what is drawn
#
# A run that was stopped goes on by the same line. Needs the command tleg (TLEG=path, or on PATH). THREADS: all cores. 500 pictures (EACH
# of ten labels: 50) in 20 STEPS; features at depth 12 by the learngene FEATURES: examples/cifar10's. The page's figures were made with
# `half` of examples/cifar10/learn.sh.
set -eu
[ $# -eq 4 ] || { echo "usage: distance.sh GENE REAL OTHER OUT" >&2; exit 2; }
gene=$1 real=$2 other=$3 out=$4
tleg=${TLEG:-tleg} threads=${THREADS:-$(getconf _NPROCESSORS_ONLN)} each=${EACH:-50} steps=${STEPS:-20}
features=${FEATURES:-$(dirname "$0")/../cifar10/learngene.safetensors}
count=$((10 * each))
mkdir -p "$out"
apart() { # NAME A B
    found=$("$tleg" distance "$2" "$3" --features "$features" --depth 12 --limit "$count" --threads "$threads" --json)
    printf '{"set":"%s","steps":%d,"distance":%s}\n' "$1" "$steps" "$found"
}
for depth in 4 6 8 12; do
    drawn=$out/depth-$depth.safetensors
    [ -s "$drawn" ] || "$tleg" generate "$gene" --depth "$depth" --label all --count "$each" --steps "$steps" --guidance 2 --seed 1 \
        --threads "$threads" -o "$drawn" >&2
    apart "depth $depth" "$drawn" "$real"
done
apart real "$other" "$real"
