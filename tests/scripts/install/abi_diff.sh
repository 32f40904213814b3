#!/bin/sh
# The shared library still has every function and struct of tests/abi/baseline.xml, as it was: what is new may only stand at the end.
#     abi_diff.sh [--renew] SHARED       (--renew writes the baseline; when a promise is changed on purpose, and before a release)
renew=
[ "$1" != --renew ] || { renew=1; shift; }
shared=$1
baseline=tests/abi/baseline.xml suppressed=tests/abi/abidiff.suppr
command -v abidiff >/dev/null || { echo "SKIP abi_diff: abigail-tools are not installed"; exit 77; }
[ "$(uname -m)" = x86_64 ] || { echo "SKIP abi_diff: the baseline is of x86-64"; exit 77; }
readelf -SW "$shared" | grep -q '\.debug_info' || { echo "SKIP abi_diff: this build has no debug information"; exit 77; }
if [ $renew ]; then
    # the fewest words that say it, and nothing about where it was built
    abidw --suppr $suppressed --exported-interfaces-only --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed \
        --no-write-default-sizes --no-parameter-names "$shared" | sed "s|path='[^']*/lib/|path='lib/|; /version='TLEG_EXPERIMENTAL'/d" >$baseline
    exit
fi
abidiff --suppressions $suppressed --exported-interfaces-only --no-added-syms $baseline "$shared"
