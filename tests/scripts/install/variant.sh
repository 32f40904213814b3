#!/bin/sh
# A build that leaves something out: configured, built, and held to what is left.
#     variant.sh plain|one_thread|inference|one_level C-COMPILER GENERATOR
variant=$1 cc=$2 generator=$3
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
fail() {
    echo "$*"
    exit 1
}
# quietly COMMAND...: what it prints matters when it fails.
quietly() {
    "$@" >"$scratch/log" 2>&1 || {
        cat "$scratch/log"
        exit 1
    }
}
# build TARGETS OPTION...
build() {
    targets=$1
    shift
    quietly cmake -G "$generator" -S . -B "$scratch/build" -DCMAKE_C_COMPILER="$cc" -DTLEG_WERROR=ON -DTLEG_BLAS=none \
        -DTLEG_TOOLS=OFF -DTLEG_BENCH=OFF -DTLEG_EXAMPLES=OFF "$@"
    # shellcheck disable=SC2086
    quietly cmake --build "$scratch/build" -j "$(nproc)" --target tleg_static tleg_shared $targets
}
# suites NAME[:PATTERN]...: of those that were built.
suites() {
    for suite in "$@"; do
        pattern=${suite#*:}
        [ "$pattern" != "$suite" ] || pattern=
        quietly "$scratch/build/tests/${suite%%:*}" ${pattern:+"$pattern"}
    done
}
names() { for suite in "$@"; do echo "${suite%%:*}"; done; }
library=$scratch/build/lib/libtleg.so
imports() { nm -D --undefined-only "$library" | awk '{ print $NF }' | sed 's/@.*//' | LC_ALL=C sort -u; }

# An inference library: what it exports, that it answers right from C, and its size.
inference() {
    build "" -DCMAKE_BUILD_TYPE=Release -DTLEG_TRAIN=OFF -DTLEG_TESTS=OFF "$@"
    nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | LC_ALL=C sort >"$scratch/exported"
    sed '/^# Of builds with training/,$d' lib/symbols.txt | grep '^tleg_' | LC_ALL=C sort >"$scratch/promised"
    diff "$scratch/promised" "$scratch/exported" || fail "it exports other functions than lib/symbols.txt says"
    quietly "$cc" -Iinclude tests/consumers/consumer.c "$library" -Wl,-rpath,"$scratch/build/lib" -o "$scratch/consumer"
    quietly "$scratch/consumer" tests/golden/mean.gene.safetensors tests/golden/images-16.safetensors \
        tests/golden/mean-4.out.safetensors
}

case $variant in
plain) # nothing beyond ISO C
    set -- test_os test_core test_json test_number test_ops test_block test_expand
    build "$(names "$@")" -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS=-O1 -DTLEG_THREADS=OFF -DTLEG_FILES=OFF -DTLEG_MAPPINGS=OFF
    suites "$@"
    iso='aligned_alloc|cos|erff?|expf?|floorf?|fmaf?|fmaxf?|fminf?|free|log|mem[a-z]*|pow|str[a-z]*|v?snprintf|sqrtf?|timespec_get'
    imports | grep -vE "^(($iso)|__.*|_ITM_.*)\$" && fail "calls that ISO C does not have"
    ;;
one_thread) # files, but neither threads nor mappings
    set -- test_os test_contracts test_memory test_null test_format_write test_block test_trainer_depth 'test_golden:logits*'
    build "$(names "$@")" -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS=-O1 -DTLEG_THREADS=OFF -DTLEG_MAPPINGS=OFF
    suites "$@"
    imports | grep -E '^(pthread_|sched_|sigfillset|mmap|munmap|madvise)' && fail "calls of threads or mappings"
    ;;
inference) # no training
    inference
    sh tests/scripts/install/size.sh "$library" Release 400000 || exit 1
    ;;
one_level) # no training, and of the processor's levels a single one
    level=avx2
    [ "$(uname -m)" != aarch64 ] || level=neon
    inference -DTLEG_LEVELS=$level
    cat >"$scratch/levels.c" <<'LEVELS'
#include <stdio.h>
#include <tleg/tleg.h>
int main(void) {
    const char *name;
    for (int32_t i = 0; tleg_cpu_level(i, &name) != 0; i++)
        puts(name);
    return 0;
}
LEVELS
    quietly "$cc" -Iinclude "$scratch/levels.c" "$library" -Wl,-rpath,"$scratch/build/lib" -o "$scratch/levels"
    "$scratch/levels" | grep -vxE "portable|$level" && fail "levels that were left out"
    sh tests/scripts/install/size.sh "$library" Release 260000 || exit 1
    ;;
*) fail "variant.sh: '$variant'" ;;
esac
exit 0
