#!/bin/sh
# A host that loads the library at run time.   guest_load.sh GUEST_LOAD SHARED
program=$1 shared=$2
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cp "$shared" "$scratch/one.so" && cp "$shared" "$scratch/two.so" || exit 1
golden=tests/golden
"$program" "$scratch/one.so" "$scratch/two.so" $golden/mean.gene.safetensors $golden/images-16.safetensors $golden/mean-4.out.safetensors
