#!/bin/sh
# The public structs have no implicit padding, and the offsets that users' programs were compiled with.   layout.sh PROGRAM
# Headers that call themselves experimental may still move members.
scratch=$(mktemp) || exit 1
trap 'rm -f "$scratch"' EXIT
"$1" >"$scratch" || exit 1
for name in $(grep -L EXPERIMENTAL include/tleg/*.h | xargs sed -n 's/^typedef struct \(tleg_[a-z_]*\) {.*/\1/p'); do
    grep -q "^$name " "$scratch" || {
        echo "tests/abi/layout.c does not know $name"
        exit 1
    }
done
case $(uname -m) in
x86_64 | aarch64) diff tests/abi/layout.txt "$scratch" ;;
*)
    echo "SKIP layout: the committed table is for machines with 64-bit pointers (padding was checked)"
    exit 77
    ;;
esac
