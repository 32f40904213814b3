#!/bin/sh
# The public structs have no implicit padding, and the offsets that users' programs were compiled with.   layout.sh PROGRAM
scratch=$(mktemp) || exit 1
trap 'rm -f "$scratch"' EXIT
"$1" >"$scratch" || exit 1
case $(uname -m) in
x86_64 | aarch64) diff tests/abi/layout.txt "$scratch" ;;
*)
    echo "SKIP layout: the committed table is for machines with 64-bit pointers (padding was checked)"
    exit 77
    ;;
esac
