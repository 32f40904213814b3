#!/bin/sh
# The line by which docs/embedding.md builds a program without CMake, run as it stands there, with gcc and with clang.
line=$(grep '^cc ' docs/embedding.md)
[ "$(echo "$line" | wc -l)" = 1 ] || {
    echo "expected one line that begins with cc in docs/embedding.md, found: $line"
    exit 1
}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
here=$(pwd)
ln -s "$here/lib" "$here/include" "$scratch" && ln -s "$here/tests/consumers/consumer.c" "$scratch/program.c" || exit 1
tried=
for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    tried=$compiler
    mkdir "$scratch/bin" && ln -s "$(command -v $compiler)" "$scratch/bin/cc" || exit 1
    (cd "$scratch" && PATH=$scratch/bin:$PATH sh -c "$line") || exit 1
    "$scratch/program" tests/golden/mean.gene.safetensors tests/golden/images-16.safetensors tests/golden/mean-4.out.safetensors || exit 1
    rm -r "${scratch:?}/bin" "$scratch/program"
done
[ -n "$tried" ] || {
    echo "SKIP one_line: neither gcc nor clang"
    exit 77
}
