#!/bin/sh
# Pictures out of one learngene: installs what is missing, builds, draws every label at four depths from the same noise, and writes a page
# of it that opens in any browser.
#
#     sh examples/draw.sh [GENE]     a generator's (examples/fashion/learngene.safetensors)
set -eu
cd "$(dirname "$0")/.."
gene=${1:-examples/fashion/learngene.safetensors}
. scripts/command.sh

"$tleg" info "$gene"
echo
sh examples/draw/page.sh "$tleg" "$gene" "$build"
