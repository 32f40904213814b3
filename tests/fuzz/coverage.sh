#!/bin/sh
# Says how much of the code that reads strangers' bytes the corpora reach.   sh tests/fuzz/coverage.sh [all]
# all: with what run.sh has found under TLEG_BUILD_DIR as well. Needs clang and llvm (llvm-profdata, llvm-cov).
set -eu
cd "$(dirname "$0")/../.."
build=${TLEG_BUILD_DIR:-$(pwd)/build}
where=$build/fuzz-coverage
targets=$(find tests/fuzz -name 'fuzz_*.c' | sed 's|.*/||; s|\.c$||' | sort)
programs=$(for target in $targets; do echo "replay_$target"; done)

cmake -S . -B "$where" -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=None -DTLEG_BLAS=none -DTLEG_BENCH=OFF \
    "-DCMAKE_C_FLAGS=-O1 -g -fprofile-instr-generate -fcoverage-mapping" >/dev/null
cmake --build "$where" --target $programs >/dev/null

objects=
for target in $targets; do
    inputs=tests/fuzz/corpus/$target
    if [ "${1:-}" = all ]; then
        for more in seeds libfuzzer afl/default/queue; do
            [ ! -d "$build/fuzz/$target/$more" ] || inputs="$inputs $build/fuzz/$target/$more"
        done
    fi
    LLVM_PROFILE_FILE=$where/$target.profraw "$where/tests/fuzz/replay_$target" $inputs
    objects="$objects${objects:+ -object }$where/tests/fuzz/replay_$target"
done
llvm-profdata merge -o "$where/all.profdata" "$where"/*.profraw

# What reads files and pictures, and what stands behind it as far as a file decides what it does.
report() {
    echo
    echo "$1"
    shift
    llvm-cov report $objects -instr-profile="$where/all.profdata" -show-region-summary=false -show-branch-summary=false "$@" |
        awk '/\.c |^TOTAL/ { n = split($1, path, "/"); printf "%-24s functions %s of %d, lines %s of %d\n", path[n], $4, $2, $7, $5 }'
}
report "lib/format: reading" lib/format/file.c lib/format/file_read.c lib/format/header_read.c lib/format/json*.c lib/format/nearest.c \
    lib/format/shards.c lib/format/sniff.c lib/format/stored_type.c lib/format/text.c
report "lib/vit: reading configurations and weights" lib/config/*.c lib/vit/read/*.c lib/vit/handle/model*.c \
    lib/vit/weights/pack.c
report "lib/learngene" lib/learngene/*.c
report "lib/image" lib/image/*.c
report "lib/train: stored states" lib/train/state.c
report "tools" tools/pictures/*.c tools/data/*.c
