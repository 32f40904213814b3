#!/bin/sh
# A build that leaves something out: configured, built, and held to what is left.
#     variant.sh plain|one_thread|inference|one_level|linked_blas C-COMPILER GENERATOR
variant=$1 cc=$2 generator=$3 blas=none
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
    quietly cmake -G "$generator" -S . -B "$scratch/build" -DCMAKE_C_COMPILER="$cc" -DTLEG_WERROR=ON -DTLEG_BLAS="$blas" \
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
    awk '/^#/ { training = /[Oo]f builds with training/ } /^tleg_/ && !training' lib/symbols.txt | LC_ALL=C sort >"$scratch/promised"
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
    iso='aligned_alloc|atan2|ceil|cos|erff?|expf?|fabs|floorf?|fmaf?|fmaxf?|fminf?|free|log|log10|mem[a-z]*|nearbyint|pow|sin|str[a-z]*|tanh|trunc|v?snprintf|sqrtf?|timespec_get'
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
    sh tests/scripts/install/size.sh "$library" Release 565000 || exit 1
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
    sh tests/scripts/install/size.sh "$library" Release 475000 || exit 1
    ;;
linked_blas) # for contexts that hand over none
    pkg-config --exists openblas || {
        echo "SKIP variant linked_blas: libopenblas-dev is not installed"
        exit 77
    }
    blas='link'
    build "" -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS=-O0 -DTLEG_TESTS=OFF
    readelf -d "$library" | grep NEEDED | grep -q openblas || fail "it does not need OpenBLAS"
    grep -q '^Libs.private: .*-lopenblas' "$scratch/build/tleg.pc" || fail "tleg.pc does not say that the archive needs OpenBLAS"
    cat >"$scratch/linked.c" <<'LINKED'
#include <stdio.h>
#include <string.h>
#include <tleg/tleg.h>
int main(void) {
    const tleg_context_options options = {.struct_size = sizeof options, .gemm = TLEG_GEMM_BLAS};
    const tleg_config config = {.struct_size = sizeof config, .image_size = 8, .patch_size = 4, .dim = 16, .heads = 2, .classes = 3};
    const tleg_context_options plain = {.struct_size = sizeof plain, .gemm = TLEG_GEMM_OWN};
    const tleg_context_options *const both[] = {&options, &plain};
    float image[3 * 8 * 8], logits[2][3];
    for (int i = 0; i < 3 * 8 * 8; i++)
        image[i] = (float)(i % 7) - 3;
    for (int b = 0; b < 2; b++) {
        tleg_context *context = NULL;
        tleg_learngene *gene = NULL;
        tleg_expander *expander = NULL;
        tleg_session *session = NULL;
        if (tleg_context_create(both[b], &context) || tleg_learngene_create(context, &config, 1, &gene) ||
            tleg_expander_create(context, gene, NULL, &expander) || tleg_session_create_elastic(context, expander, 2, NULL, &session) ||
            tleg_session_run(session, 1, image, 3 * 8 * 8, logits[b], 3, NULL, 0))
            return 1;
        tleg_session_free(session), tleg_expander_free(expander), tleg_learngene_free(gene), tleg_context_free(context);
    }
    for (int c = 0; c < 3; c++)
        if (logits[0][c] - logits[1][c] > 1e-4F || logits[1][c] - logits[0][c] > 1e-4F)
            return printf("class %d: %g, expected %g\n", c, logits[0][c], logits[1][c]);
    return strstr(tleg_build_info(), "blas openblas") == NULL;
}
LINKED
    quietly "$cc" -Iinclude "$scratch/linked.c" "$library" -Wl,-rpath,"$scratch/build/lib" -o "$scratch/linked"
    quietly "$scratch/linked"
    ;;
*) fail "variant.sh: '$variant'" ;;
esac
exit 0
