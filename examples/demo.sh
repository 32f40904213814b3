#!/bin/sh
# From one learngene to models of many depths: installs what is missing, builds, expands, classifies real images at
# each depth and prints what each depth costs and scores.
#
#     sh examples/demo.sh [DIR]     DIR holds CLASS/image folders (examples/cifar10/val)
set -eu
cd "$(dirname "$0")/.."
data=${1:-examples/cifar10/val}
gene=examples/cifar10/learngene-seed.safetensors
build=${TLEG_BUILD_DIR:-build}/demo
out=$build/models
. tools/packages.sh

mkdir -p "$out"
install_missing build
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DTLEG_TESTS=OFF -DTLEG_BENCH=OFF >"$build.log" 2>&1 ||
    { cat "$build.log" >&2; exit 1; }
cmake --build "$build" >>"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
tleg=$build/tools/tleg

# number KEY: the value of the first such key in one line of JSON
number() { grep -o "\"$1\":[-0-9.eE+]*" | head -n 1 | cut -d: -f2; }

"$tleg" info "$gene"
echo
printf '%5s  %10s  %10s  %12s  %12s  %6s\n' depth parameters 'file bytes' 'expansion ms' 'ms per image' top-1
for depth in 2 3 4 6 8 12; do
    model=$out/depth-$depth.safetensors
    expanded=$("$tleg" expand "$gene" --depth "$depth" --json -o "$model")
    timed=$("$tleg" bench "$model" --json)
    scored=$("$tleg" eval "$model" --data "$data" --json)
    printf '%5d  %10d  %10d  %12.2f  %12.3f  %5.1f%%\n' "$depth" "$(echo "$expanded" | number parameters)" \
        "$(echo "$expanded" | number bytes)" "$(echo "$expanded" | number ms)" "$(echo "$timed" | number ms)" \
        "$(echo "$scored" | number top1 | awk '{print 100 * $1}')"
done
echo
echo "one learngene of $(wc -c <"$gene") bytes gave all of these; $(echo "$scored" | number images) images each, one thread."
echo "models: $out"
