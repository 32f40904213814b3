#!/bin/sh
# A machine without the packages of the command and the tests: configuring says what is left out and which packages bring it; what
# was asked for and cannot be built is an error that names them too.   missing_packages.sh C-COMPILER GENERATOR
cc=$1 generator=$2
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0
# configure OPTION...: where pkg-config knows nothing.
configure() {
    rm -rf "$scratch/build"
    PKG_CONFIG_LIBDIR=$scratch/none PKG_CONFIG_PATH='' cmake -G "$generator" -S . -B "$scratch/build" -DCMAKE_C_COMPILER="$cc" "$@" \
        >"$scratch/log" 2>&1
}
# says TEXT: what configuring printed, its lines joined.
says() {
    tr -s ' \n' '  ' <"$scratch/log" | grep -q "$1" || {
        echo "expected \"$1\" in:"
        cat "$scratch/log"
        failed=1
    }
}
configure || failed=1
says 'left out: the command tleg.*libjansson-dev libjpeg-dev libpng-dev libutf8proc-dev'
says 'left out: the tests.*libcmocka-dev'
cmake --build "$scratch/build" --target help >"$scratch/targets"
grep -q 'tleg_shared' "$scratch/targets" || failed=1
grep -qE '(^|[^_])test_core' "$scratch/targets" && failed=1

configure -DTLEG_TOOLS=ON && failed=1
says 'TLEG_TOOLS is ON.*libjansson-dev libjpeg-dev libpng-dev libutf8proc-dev'
configure -DTLEG_TESTS=ON && failed=1
says 'TLEG_TESTS is ON.*libcmocka-dev'
configure -DTLEG_BLAS=openblas && failed=1
says 'libopenblas-dev'

# The one header that the library itself needs.
configure -DCMAKE_C_FLAGS=-nostdinc && failed=1
says 'libjsmn-dev'
exit $failed
