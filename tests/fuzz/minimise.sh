#!/bin/sh
# Renews the inputs found-* in the corpus of a target: few that, with those that have names, reach what all reach that run.sh has
# found (libFuzzer's set_cover_merge).   sh tests/fuzz/minimise.sh TARGET [DIRECTORY-OF-MORE...]
# Run run.sh with libfuzzer first: it builds the program.
set -eu
target=${1:?"usage: minimise.sh TARGET [DIRECTORY-OF-MORE...]"}
shift
cd "$(dirname "$0")/../.."
build=${TLEG_BUILD_DIR:-$(pwd)/build}
work=$build/fuzz/$target
corpus=tests/fuzz/corpus/$target
least=$work/least
rm -rf "$least"
mkdir -p "$least"
for input in "$corpus"/*; do
    case $input in */found-*) ;; *) cp "$input" "$least/" ;; esac
done
[ ! -d "$work/afl/default/queue" ] || set -- "$@" "$work/afl/default/queue"
# Edges tell inputs apart, but for pictures, whose decoders are not instrumented: there it is also how often each is taken.
counters=0
[ "$target" != fuzz_picture ] || counters=1
"$build/libfuzzer/tests/fuzz/$target" -set_cover_merge=1 -use_counters=$counters "$least" "$corpus" "$work/seeds" "$work/libfuzzer" "$@" \
    2>"$work/merge.log"
rm -f "$corpus"/found-*
for input in "$least"/*; do
    name=$(basename "$input")
    [ -e "$corpus/$name" ] || cp "$input" "$corpus/found-$(echo "$name" | cut -c1-12)" # libFuzzer names what it adds by its SHA-1
done
du -sb "$corpus"
