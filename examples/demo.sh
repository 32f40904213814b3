#!/bin/sh
# From one learngene to models of many depths: installs what is missing, builds, expands, classifies real images at
# each depth, prints what each depth costs and scores, which is the best for three devices, and how an elastic session goes as deep
# as each picture needs, and writes a page of it that opens in any browser.
#
#     sh examples/demo.sh [DIR]     DIR holds CLASS/image folders (examples/cifar10/val)
set -eu
cd "$(dirname "$0")/.."
gene=examples/cifar10/learngene.safetensors
. scripts/command.sh

"$tleg" info "$gene"
echo
if [ $# -gt 0 ]; then
    set -- "$1" # what PyTorch scored was on our pictures, not on these
else
    set -- examples/cifar10/val "CIFAR-10's validation pictures, 30 a class, not trained on."
    [ ! -f "${gene%.safetensors}.json" ] || set -- "$@" "${gene%.safetensors}.json" # a gene without scores of its own
fi
data=$1
shift
sh examples/demo/measure.sh "$tleg" "$gene" "$data" "$build" "2 3 4 6 8 12" "$@"
