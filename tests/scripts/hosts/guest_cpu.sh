#!/bin/sh
# Processors and systems that have less than this one, emulated: the level that is chosen, and that nothing asks for more.
#     guest_cpu.sh TLEG-LEVELS TEST-GOLDEN
levels=$1 golden=$2
[ "$(uname -m)" = x86_64 ] || { echo "SKIP guest_cpu: the processors that it emulates are x86-64"; exit 77; }
emulator=$(command -v qemu-x86_64-static || command -v qemu-x86_64) || { echo "SKIP guest_cpu: no qemu-x86_64 here"; exit 77; }
failed=0
# try PROCESSOR LEVEL...: those levels and no other can be used there, and golden logits come out of them.
try() {
    processor=$1
    shift
    found=$("$emulator" -cpu "$processor" "$levels" 2>/dev/null | sed -n 's/^levels run: //p' | sed 's/ blas$//')
    [ "$found" = "$*" ] || { echo "$processor: levels \"$found\", expected \"$*\""; failed=1; }
    TLEG_TEST_LEVELS=$(echo "$*" | tr ' ' ,) "$emulator" -cpu "$processor" "$golden" 'logits*' >log 2>&1 || {
        echo "$processor: golden logits differ, or it crashed"
        tail -n 5 log
        failed=1
    }
}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
try core2duo portable
try Nehalem portable
try SandyBridge portable # AVX without FMA
try Haswell portable avx2
try Haswell,-f16c portable # one of what a level needs is missing
try max,-xsave portable # the processor has AVX2; the system does not save its registers
exit $failed
