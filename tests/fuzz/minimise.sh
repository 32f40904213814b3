#!/bin/sh
# Renews the corpus of a target from itself, the seeds and what run.sh has found.   sh tests/fuzz/minimise.sh TARGET
# Few inputs stay that together reach what all do (libFuzzer's set_cover_merge). Run run.sh with libfuzzer first: it builds the program.
set -eu
target=${1:?"usage: minimise.sh TARGET"}
cd "$(dirname "$0")/../.."
build=${TLEG_BUILD_DIR:-$(pwd)/build}
work=$build/fuzz/$target
corpus=tests/fuzz/corpus/$target
least=$work/least
rm -rf "$least"
mkdir -p "$least"
found=
[ ! -d "$work/afl/default/queue" ] || found=$work/afl/default/queue
"$build/libfuzzer/tests/fuzz/$target" -set_cover_merge=1 -use_counters=0 "$least" "$corpus" "$work/seeds" "$work/libfuzzer" $found \
    2>"$work/merge.log"
rm -r "$corpus"
mkdir "$corpus"
for input in "$least"/*; do
    cp "$input" "$corpus/$(sha1sum <"$input" | cut -c1-12)"
done
du -sb "$corpus"
