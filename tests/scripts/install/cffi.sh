#!/bin/sh
# Any foreign-function interface can call all of the library: Python's cffi reads the public headers, preprocessed and not edited, and
# finds every function.   cffi.sh SHARED-LIBRARY C-COMPILER
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
{
    echo '#include <tleg/tleg.h>'
    for header in augment generate linearize onnx train; do echo "#include <tleg/$header.h>"; done
} >"$scratch/all.h"
# What stands before the first own line is the C library's, which cffi has itself.
"$2" -E -Iinclude -DTLEG_STATIC "$scratch/all.h" | awk '/^# / { own = $3 ~ /include\/tleg\// ; next } own' >"$scratch/headers"
for python in python3 /usr/bin/python3; do
    "$python" -c 'import cffi' 2>/dev/null &&
        exec "$python" -B tests/consumers/consumer_cffi.py "$1" "$scratch/headers" lib/symbols.txt tests/golden
done
echo "SKIP cffi: no Python with cffi (Debian: python3-cffi)"
exit 77
