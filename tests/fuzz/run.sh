#!/bin/sh
# Fuzzes one target for some seconds, going on from where it was stopped.   sh tests/fuzz/run.sh TARGET SECONDS [libfuzzer|afl]
# Builds under TLEG_BUILD_DIR (./build when unset); what was found lies in its fuzz/TARGET, and fuzz/totals says what each run did.
# Exit 1: an input broke the target (fuzz/TARGET/broken). README.md here says what to do with it, and with the corpus.
set -eu
target=${1:?"usage: run.sh TARGET SECONDS [libfuzzer|afl]"} seconds=${2:?seconds} engine=${3:-libfuzzer}
cd "$(dirname "$0")/../.."
build=${TLEG_BUILD_DIR:-$(pwd)/build}
work=$build/fuzz/$target
mkdir -p "$work/seeds" "$work/libfuzzer" "$work/broken"

cmake -S . --preset "$engine" -B "$build/$engine" >"$build/fuzz/$engine.log"
cmake --build "$build/$engine" --target "$target" >>"$build/fuzz/$engine.log"
program=$build/$engine/tests/fuzz/$target

# ---- seeds: the corpus, and fixtures ----
cp tests/fuzz/corpus/"$target"/* "$work/seeds/"
largest=300 # MB that one allocation may take: the targets' own limits lie below
most=8192 words=tests/fuzz/safetensors.dict
case $target in
fuzz_onnx) most=24576 words=tests/fuzz/graph.dict ;;
fuzz_picture)
    most=4096 words=tests/fuzz/picture.dict
    cp tests/fixtures/image/*.jpg tests/fixtures/image/*.png "$work/seeds/"
    ;;
esac

# ---- the two fuzzers ----
with_libfuzzer() {
    "$program" -max_total_time="$seconds" -max_len=$most -timeout=20 -rss_limit_mb=1536 -malloc_limit_mb=$largest -dict=$words \
        -print_final_stats=1 -artifact_prefix="$work/broken/" "$work/libfuzzer" "$work/seeds" \
        2>"$work/libfuzzer.log" || true
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/libfuzzer.log")
}

afl_figure() { sed -n "s/^$1 *: //p" "$work/afl/default/fuzzer_stats" 2>/dev/null || true; }

with_afl() {
    before=$(afl_figure execs_done)
    export ASAN_OPTIONS=max_allocation_size_mb=$largest:abort_on_error=1:symbolize=0:detect_leaks=0
    export AFL_AUTORESUME=1 AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1
    afl-fuzz -i "$work/seeds" -o "$work/afl" -V "$seconds" -G $most -t 5000 -m none -x $words -- "$program" \
        >"$work/afl.log" 2>&1 || true
    executions=$(($(afl_figure execs_done) - ${before:-0}))
    for crash in "$work"/afl/default/crashes/id* "$work"/afl/default/hangs/id*; do
        [ ! -f "$crash" ] || cp "$crash" "$work/broken/afl-$(basename "$crash" | cut -d, -f1 | tr : -)-$(cksum <"$crash" | cut -d' ' -f1)"
    done
}

begin=$(date +%s)
with_$engine
echo "$engine $target $(($(date +%s) - begin)) s ${executions:-0} executions" | tee -a "$build/fuzz/totals"
[ -z "$(ls "$work/broken")" ] || {
    echo "broken by:" "$work"/broken/*
    exit 1
}
