#!/bin/sh
# Builds and tests, on a fresh Debian 12 machine too:            sh tests/run.sh
# with what looks at sources and at other people's compilers:   sh tests/run.sh all
# some of its stages:                                           sh tests/run.sh release lint
# and says which there are:                                     sh tests/run.sh --list
# Installs what is missing through apt, builds each stage's tree with its preset (CMakePresets.json) and ends with a summary, in which
# all that was skipped is counted and named. Build trees lie under TLEG_BUILD_DIR (./build when unset). Exit 0: all passed.
set -u
cd "$(dirname "$0")/.." || exit 1

stages="release speed asan tsan plain mpi aarch64" on_request="variants lint flags"
list() {
    cat <<'END'
release     what is installed: every suite, script and the command
speed       what keeps kernels fast: instructions counted, and times beside plain loops
asan        clang's AddressSanitizer and UBSan: suites, fuzz corpora, the command, each fuzz target under libFuzzer for a moment
tsan        ThreadSanitizer: the suites of threads
plain       the library with debug information: suites under valgrind, symbols, the ABI beside the baseline
mpi         training on several ranks
aarch64     another processor, in an emulator
variants    builds that leave something out: threads, files, training, levels; on request
lint        shellcheck over all scripts, clang-tidy over all C files; on request
flags       the library by every gcc and clang here and musl's, from -O0 to the whole program's optimisation: the same bits; on request
END
}
case ${1-} in
--list)
    list
    exit
    ;;
-*)
    echo "usage: sh tests/run.sh [--list | all | STAGE...]" >&2
    exit 2
    ;;
all) set -- $stages $on_request ;;
'') set -- $stages ;;
esac
for name in "$@"; do
    case " $stages $on_request " in
    *" $name "*) ;;
    *)
        echo "tests/run.sh: there is no stage \"$name\"; --list says which there are" >&2
        exit 2
        ;;
    esac
done

build=${TLEG_BUILD_DIR:-$(pwd)/build}
mkdir -p "$build/logs" || exit 1
build=$(cd "$build" && pwd)
passed=0 failed=0 skipped=0
skips=$build/logs/skips
: >"$skips"
jobs=$(nproc 2>/dev/null || echo 2)
# A machine with other work takes longer.
patience=$(awk -v cores="$jobs" '{ others = int($1 / cores); print 1 + (others < 5 ? others : 5) }' /proc/loadavg 2>/dev/null || echo 1)

# An allocation that is too large gives NULL, as it does outside: the suites ask for some.
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=second_deadlock_stack=1:allocator_may_return_null=1

# ---- what a stage is made of ----
# step NAME COMMAND...: runs it into a log; a failure is counted and shown, and the rest goes on.
step() {
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

# tree PRESET TARGETS [CMAKE-OPTION...]: configures and builds build/PRESET, unless an earlier stage did.
trees=
tree() {
    where=$1 targets=$2
    shift 2
    case " $trees " in *" $where "*) return 0 ;; esac
    step "$where-configure" cmake -S . --preset "$where" -B "$build/$where" "-DTLEG_TEST_PATIENCE=$patience" "$@" &&
        step "$where-build" cmake --build "$build/$where" -j "$jobs" --target $targets && trees="$trees $where"
}

figure() { sed -n "s/^.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$2" | head -n 1; }

# check TREE CTEST-OPTION...: runs ctest there, one more at a time than there are cores, since some tests wait more than they compute, and
# adds its counts. A skip is a line "SKIP what: why" of the test's output.
check() {
    where=$1
    shift
    report=$build/logs/$where.xml
    rm -f "$report"
    begin=$(date +%s)
    (cd "$build/$where" && ctest -j $((jobs + 1)) --output-on-failure --no-tests=error --output-junit "$report" "$@") \
        >"$build/logs/$where-ctest.log" 2>&1
    code=$?
    seconds=$(($(date +%s) - begin))
    tests=0 bad=0 left=0
    if [ -f "$report" ]; then
        tests=$(figure tests "$report")
        bad=$(figure failures "$report")
        left=$(($(figure skipped "$report") + $(figure disabled "$report")))
    fi
    passed=$((passed + tests - bad - left)) failed=$((failed + bad))
    sed -n "s|^SKIP |$where: |p" "$build/$where/Testing/Temporary/LastTest.log" 2>/dev/null | sort -u >"$build/logs/$where.skips"
    named=$(wc -l <"$build/logs/$where.skips")
    cat "$build/logs/$where.skips" >>"$skips"
    skipped=$((skipped + named))
    if [ "$named" -lt "$left" ]; then
        echo "FAILED  $where${*:+ $*}: $left tests were skipped, and $named say why"
        failed=$((failed + 1))
    fi
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

# needs STAGE COMMAND: whether the command is there; without it the stage is skipped.
needs() {
    command -v "$2" >/dev/null || {
        skip "$1" "$2 is not installed"
        return 1
    }
}

# any_of NAME...: the pattern of ctest -R that matches these and no other.
any_of() { echo "^($(echo "$*" | tr ' ' '|'))\$"; }

# ---- stages ----
run_release() {
    tree release all && check release -LE 'speed|lint|variant'
}

run_speed() {
    tree release all && check release -L speed
}

run_variants() {
    tree release all && check release -L variant
}

run_lint() {
    tree release all || return 0
    step lint sh tests/scripts/source/lint.sh "$build/release" all && passed=$((passed + 1))
    sed -n 's|^SKIP |lint: |p' "$build/logs/lint.log" >"$build/logs/lint.skips"
    cat "$build/logs/lint.skips" >>"$skips"
    skipped=$((skipped + $(wc -l <"$build/logs/lint.skips")))
}

run_asan() {
    probe='int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size) { return data && size > 1u << 30; }'
    if ! echo "$probe" | clang -x c -fsanitize=fuzzer,address,undefined - -o "$build/logs/probe" 2>/dev/null; then
        skip asan "clang with its runtimes (libclang-rt-dev) is not installed"
        return
    fi
    tree asan "tleg_tests tleg tleg_fuzzers" || return 0
    check asan -L 'unit|replay|command' -LE figures
    for corpus in tests/fuzz/corpus/*; do
        fuzz "$(basename "$corpus")" "$corpus"
    done
}

# fuzz TARGET CORPUS: that the target still runs; tests/fuzz/run.sh is for hours. What is found goes to the logs, not into the corpus.
fuzz() {
    found=$build/logs/$1
    rm -rf "$found" && mkdir "$found"
    step "$1" "$build/asan/tests/fuzz/$1" -runs=3000 -max_len=4096 -artifact_prefix="$found-" "$found" "$2" && passed=$((passed + 1))
}

run_tsan() {
    threaded="test_threads test_guest_threads test_team test_core"
    tree tsan "$threaded" && check tsan -R "$(any_of $threaded)"
}

run_plain() {
    suites="test_contracts test_null test_format test_golden:logits* test_learngene test_memory:*leave* test_threads:*share*"
    needs plain-valgrind valgrind || suites=
    tree plain "tleg_static tleg_shared $(echo "$suites" | sed 's/:[^ ]*//g')" "-DTLEG_VALGRIND=$(echo "$suites" | tr ' ' ';')" || return 0
    [ -z "$suites" ] || check plain -L valgrind
    check plain -R "$(any_of symbols abi_diff)"
}

run_mpi() {
    needs mpi mpirun && tree mpi tleg && check mpi -R '^mpi$'
}

run_flags() {
    step flags sh tests/scripts/install/flags.sh && passed=$((passed + 1))
    sed -n 's|^SKIP ||p' "$build/logs/flags.log" >"$build/logs/flags.skips"
    cat "$build/logs/flags.skips" >>"$skips"
    skipped=$((skipped + $(wc -l <"$build/logs/flags.skips")))
}

# Another processor: its own kernels and the portable ones. Suites that take minutes in the emulator are left out.
run_aarch64() {
    if [ "$(uname -m)" = aarch64 ]; then
        return # what was built for the other stages ran
    fi
    cross=aarch64-linux-gnu-gcc emulator=qemu-aarch64-static golden=tests/golden
    needs aarch64 $cross && needs aarch64 $emulator || return 0
    suites="test_kernels test_activations test_table test_backward test_ops test_ops_chain test_own_network test_block test_core test_dtype
test_families"
    tree aarch64 "$suites test_golden tleg_levels tleg_shared" || return 0
    check aarch64 -R "$(any_of $suites)"
    for part in expanded saved logits; do
        step aarch64-$part $emulator "$build/aarch64/tests/test_golden" "$part*" && passed=$((passed + 1))
    done
    step aarch64-link $cross -std=c99 -Iinclude tests/consumers/consumer.c "$build/aarch64/lib/libtleg.a" -static -pthread -lm \
        -o "$build/aarch64/consumer" &&
        step aarch64-run $emulator "$build/aarch64/consumer" $golden/mean.gene.safetensors $golden/images-16.safetensors \
            $golden/mean-4.out.safetensors && passed=$((passed + 1))
    # For size, as who builds without CMake may: the room that gcc 12 made wrong code of.
    step aarch64-size $cross -std=c17 -Os -ffp-contract=off -D_POSIX_C_SOURCE=200809L -Iinclude -Ilib tests/consumers/consumer.c \
        lib/learngene/*.c "$build/aarch64/lib/libtleg.a" -static -pthread -lm -o "$build/aarch64/consumer-size" &&
        step aarch64-size-run $emulator "$build/aarch64/consumer-size" $golden/mean.gene.safetensors $golden/images-16.safetensors \
            $golden/mean-4.out.safetensors && passed=$((passed + 1))
}

# ---- what is needed ----
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    install_missing test || echo "apt could not install all that is missing"
    case " $* " in
    *" aarch64 "*)
        [ "$(uname -m)" = aarch64 ] || install_missing cross || echo "apt could not install a compiler and an emulator for aarch64"
        ;;
    esac
else
    echo "no apt here: what is missing is not installed"
fi

for stage in "$@"; do
    "run_$stage"
done

# ---- summary ----
echo
for where in $trees; do
    levels=$build/$where/tests/tleg_levels
    [ ! -x "$levels" ] || case $where in
    release) "$levels" ;;
    aarch64) qemu-aarch64-static "$levels" | sed -n 's/^levels run:/levels run on aarch64, emulated:/p' ;;
    esac
done
if [ -s "$skips" ]; then
    echo "skipped, and why:"
    sort -u "$skips" | sed 's/^/    /'
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
