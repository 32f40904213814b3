#!/bin/sh
# The line by which docs/embedding.md builds a program without CMake, run as it stands there.
line=$(grep '^cc ' docs/embedding.md)
[ "$(echo "$line" | wc -l)" = 1 ] || {
    echo "expected one line that begins with cc in docs/embedding.md, found: $line"
    exit 1
}
command -v cc >/dev/null || {
    echo "SKIP one_line: no compiler is called cc"
    exit 77
}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
here=$(pwd)
ln -s "$here/lib" "$here/include" "$scratch" && ln -s "$here/tests/consumers/consumer.c" "$scratch/program.c" || exit 1
(cd "$scratch" && sh -c "$line") || exit 1
golden=tests/golden
"$scratch/program" $golden/mean.gene.safetensors $golden/images-16.safetensors $golden/mean-4.out.safetensors
