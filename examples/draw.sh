#!/bin/sh
# Pictures out of one learngene: installs what is missing, builds, draws every label at four depths from the same noise, and writes a page
# of it that opens in any browser.
#
#     sh examples/draw.sh [GENE]     a generator's (examples/fashion/learngene.safetensors)
set -eu
cd "$(dirname "$0")/.."
gene=${1:-examples/fashion/learngene.safetensors}
build=${TLEG_BUILD_DIR:-build}/demo
. scripts/packages.sh

mkdir -p "$build"
install_missing build
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DTLEG_TESTS=OFF -DTLEG_BENCH=OFF >"$build.log" 2>&1 ||
    { cat "$build.log" >&2; exit 1; }
cmake --build "$build" >>"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
tleg=$build/tools/tleg

"$tleg" info "$gene"
echo
sh examples/draw/page.sh "$tleg" "$gene" "$build"
