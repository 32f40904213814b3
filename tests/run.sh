#!/bin/sh
# Builds and tests everything, on a fresh Debian 12 machine too:   sh tests/run.sh
# Installs what is missing through apt, builds with gcc and clang, under AddressSanitizer and UBSan, ThreadSanitizer, valgrind and
# without a BLAS, and ends with a summary. Build trees lie under TLEG_BUILD_DIR (./build when unset). Exit 0: all passed.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${TLEG_BUILD_DIR:-$(pwd)/build}
mkdir -p "$build/logs" || exit 1
build=$(cd "$build" && pwd)
passed=0 failed=0 skipped=0
skips=$build/logs/skips
: >"$skips"
jobs=$(nproc 2>/dev/null || echo 2)

# ---- what is needed ----
. scripts/packages.sh
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    install_missing test || echo "apt could not install all that is missing"
    [ "$(uname -m)" = aarch64 ] || install_missing cross || echo "apt could not install a compiler and an emulator for aarch64"
else
    echo "no apt here: what is missing is not installed"
fi

# ---- stages ----
# stage NAME COMMAND...: runs it into a log; a failure is counted and shown, and the rest goes on.
stage() {
    name=$1
    shift
    begin=$(date +%s)
    if "$@" >"$build/logs/$name.log" 2>&1; then
        echo "ok      $name ($(($(date +%s) - begin)) s)"
    else
        echo "FAILED  $name: $*"
        tail -n 60 "$build/logs/$name.log"
        failed=$((failed + 1))
        return 1
    fi
}

# tree NAME TARGET CMAKE-OPTIONS...: configures and builds build/NAME.
tree() {
    where=$1 target=$2
    shift 2
    stage "$where-configure" cmake -S . -B "$build/$where" -G Ninja -DTLEG_WERROR=ON "$@" &&
        stage "$where-build" cmake --build "$build/$where" -j "$jobs" --target $target
}

figure() { sed -n "s/^.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1; }

# check TREE CTEST-OPTIONS...: runs ctest there and adds its counts.
check() {
    where=$1
    shift
    report=$build/logs/$where.xml
    rm -f "$report"
    begin=$(date +%s)
    (cd "$build/$where" && ctest -j "$jobs" --output-on-failure --no-tests=error --output-junit "$report" "$@") \
        >"$build/logs/$where-ctest.log" 2>&1
    code=$?
    seconds=$(($(date +%s) - begin))
    tests=0 bad=0 left=0
    if [ -f "$report" ]; then
        tests=$(figure tests "$report")
        bad=$(figure failures "$report")
        left=$(($(figure skipped "$report") + $(figure disabled "$report")))
    fi
    passed=$((passed + tests - bad - left)) failed=$((failed + bad)) skipped=$((skipped + left))
    sed -n "s|^SKIP |$where: |p" "$build/$where/Testing/Temporary/LastTest.log" 2>/dev/null | sort -u >>"$skips"
    if [ $code -ne 0 ]; then
        echo "FAILED  $where${*:+ $*}: $bad of $tests tests ($seconds s)"
        sed 's/^/    /' "$build/logs/$where-ctest.log"
        [ "$bad" -gt 0 ] || failed=$((failed + 1))
    else
        echo "ok      $where${*:+ $*}: $((tests - left)) tests ($seconds s)"
    fi
}

# skip WHAT REASON: something that this machine cannot do.
skip() {
    echo "skipped $1: $2"
    echo "$1: $2" >>"$skips"
    skipped=$((skipped + 1))
}

# Without object-size: gcc 12 takes a choice between two tables for one that is too small. AddressSanitizer watches the same.
sanitized='-O1 -g -fno-omit-frame-pointer'
undefined='-fsanitize=address,undefined -fno-sanitize=object-size -fno-sanitize-recover=all'
# An allocation that is too large gives NULL, as it does outside: the suites ask for some.
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=second_deadlock_stack=1:allocator_may_return_null=1

tree release all -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=gcc && check release -LE speed && check release -L speed

# clang's UBSan sees what gcc's does not; it traps, since the shared library is linked without undefined symbols.
if command -v clang >/dev/null; then
    tree clang all -DCMAKE_BUILD_TYPE=None -DCMAKE_C_COMPILER=clang \
        "-DCMAKE_C_FLAGS=-O1 -g -fsanitize=undefined -fsanitize-trap=undefined" && check clang -L 'unit|replay' && check clang -R '^symbols$'
else
    skip clang "clang is not installed"
fi

tree asan "tleg_tests tleg" -DCMAKE_BUILD_TYPE=None -DTLEG_TEST_TIMEOUT=600 -DTLEG_BENCH=OFF \
    "-DCMAKE_C_FLAGS=$sanitized $undefined" &&
    check asan -L "unit|replay|command"

# libFuzzer's build of the fuzz targets, for a moment each: that they still build and run. tests/fuzz/run.sh is for hours.
probe='int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size) { return data && size > 1u << 30; }'
if echo "$probe" | clang -x c -fsanitize=fuzzer,address,undefined - -o "$build/logs/probe" 2>/dev/null; then
    stage libfuzzer-configure cmake -S . --preset libfuzzer -B "$build/libfuzzer" &&
        stage libfuzzer-build cmake --build "$build/libfuzzer" -j "$jobs" --target tleg_fuzzers &&
        for target in $(ls tests/fuzz/corpus); do
            found=$build/logs/$target # what is found goes there, not into the corpus
            rm -rf "$found" && mkdir "$found"
            stage "$target" "$build/libfuzzer/tests/fuzz/$target" -runs=3000 -max_len=4096 -artifact_prefix="$found-" "$found" \
                "tests/fuzz/corpus/$target"
        done
else
    skip libfuzzer "clang with libFuzzer (libclang-rt-dev) is not installed"
fi

threaded="test_threads test_guest_threads test_team test_core"
tree tsan "$threaded" -DCMAKE_BUILD_TYPE=None -DTLEG_TEST_TIMEOUT=600 -DTLEG_BENCH=OFF -DTLEG_BLAS=none -DTLEG_TOOLS=OFF \
    "-DCMAKE_C_FLAGS=$sanitized -fsanitize=thread" && check tsan -R "^($(echo "$threaded" | tr ' ' '|'))\$"

suites="test_contracts test_null test_format test_golden:logits* test_learngene test_memory:*leave* test_threads:*share*"
command -v valgrind >/dev/null || {
    skip valgrind "valgrind is not installed"
    suites=
}
tree plain "all" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DTLEG_BLAS=none -DTLEG_TOOLS=OFF -DTLEG_BENCH=OFF \
    "-DTLEG_VALGRIND=$(echo "$suites" | tr ' ' ';')" && check plain -L 'unit|replay|valgrind' && check plain -R '^(symbols|abi_diff)$'

if command -v mpirun >/dev/null; then
    tree mpi tleg -DCMAKE_BUILD_TYPE=Release -DTLEG_MPI=ON -DTLEG_BLAS=none -DTLEG_BENCH=OFF && check mpi -R '^mpi$'
else
    skip mpi "mpirun is not installed"
fi

# Another processor: its own kernels and the portable ones, in an emulator. Suites that take minutes there are left out.
cross=aarch64-linux-gnu
emulator=$(command -v qemu-aarch64-static || command -v qemu-aarch64)
if [ "$(uname -m)" = aarch64 ]; then
    emulator= # what was built above ran
elif ! command -v $cross-gcc >/dev/null; then
    skip aarch64 "$cross-gcc is not installed"
elif [ -z "$emulator" ]; then
    skip aarch64 "qemu-aarch64 is not installed"
else
    suites="test_kernels test_table test_backward test_backward_rows test_ops test_ops_chain test_own_network test_block test_core test_dtype"
    suites="$suites test_guest_float"
    golden=tests/golden
    tree aarch64 "$suites test_golden tleg_levels tleg_shared" -DCMAKE_BUILD_TYPE=Release -DCMAKE_SYSTEM_NAME=Linux \
        -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_C_COMPILER=$cross-gcc "-DCMAKE_C_FLAGS=-idirafter /usr/include" \
        -DCMAKE_EXE_LINKER_FLAGS=-static -DCMAKE_CROSSCOMPILING_EMULATOR="$emulator" -DTLEG_TEST_TIMEOUT=600 -DTLEG_BLAS=none \
        -DTLEG_TOOLS=OFF -DTLEG_BENCH=OFF -DTLEG_EXAMPLES=OFF && {
        check aarch64 -R "^($(echo "$suites" | tr ' ' '|'))\$"
        for part in expanded saved logits; do
            stage aarch64-$part "$emulator" "$build/aarch64/tests/test_golden" "$part*"
        done
        stage aarch64-link $cross-gcc -std=c99 -Iinclude tests/consumers/consumer.c "$build/aarch64/lib/libtleg.a" -static -pthread \
            -lm -o "$build/aarch64/consumer" &&
            stage aarch64-run "$emulator" "$build/aarch64/consumer" $golden/mean.gene.safetensors $golden/images-16.safetensors \
                $golden/mean-4.out.safetensors
    }
fi

# ---- summary ----
echo
[ -x "$build/release/tests/tleg_levels" ] && "$build/release/tests/tleg_levels"
[ -n "$emulator" ] && [ -x "$build/aarch64/tests/tleg_levels" ] &&
    "$emulator" "$build/aarch64/tests/tleg_levels" | sed -n 's/^levels run:/levels run on aarch64, emulated:/p'
if [ -s "$skips" ]; then
    echo "skipped, and why:"
    sort -u "$skips" | sed 's/^/    /'
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
