#!/bin/sh
# Flags that let a compiler change floats are refused: by CMake, and by the sources for builds without it, as far as compilers tell.
#     floats.sh GENERATOR
generator=$1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0
fail() {
    echo "$*"
    failed=1
}
# configure COMPILER FLAGS [OPTION...]
configure() {
    compiler=$1 flags=$2
    shift 2
    rm -rf "$scratch/build"
    cmake -G "$generator" -S . -B "$scratch/build" -DCMAKE_C_COMPILER="$compiler" -DCMAKE_C_FLAGS="$flags" -DTLEG_TOOLS=OFF \
        -DTLEG_TESTS=OFF -DTLEG_BENCH=OFF -DTLEG_BLAS=none "$@" >"$scratch/log" 2>&1
}
refused() {
    configure "$@" && fail "CMake takes $*"
    grep -q 'does not build' "$scratch/log" || {
        fail "CMake does not say why it refuses $*"
        cat "$scratch/log"
    }
}
# A source takes flags, or says why not. core/size.c stands for all: each includes core/core.h.
source_takes() {
    compiler=$1
    shift
    "$compiler" -std=c17 "$@" -Iinclude -Ilib -fsyntax-only lib/core/size.c >"$scratch/log" 2>&1
}
for compiler in gcc clang; do
    command -v $compiler >/dev/null || {
        echo "SKIP floats with $compiler: it is not installed"
        continue
    }
    source_takes $compiler -O3 -fno-math-errno -march=native || {
        fail "$compiler: flags that change nothing are refused"
        cat "$scratch/log"
    }
    told='-ffast-math -Ofast -ffinite-math-only'
    untold='-fassociative-math -funsafe-math-optimizations -freciprocal-math'
    [ $compiler = clang ] || told="$told -funsafe-math-optimizations -freciprocal-math"
    for flag in $told; do
        source_takes $compiler $flag && fail "$compiler: the sources take $flag"
        grep -q 'does not build with -ffast-math' "$scratch/log" || fail "$compiler: the sources do not say why they refuse $flag"
    done
    for flag in -ffast-math -Ofast $untold; do
        refused $compiler "$flag"
    done
done
refused "${CC:-cc}" "" -DCMAKE_BUILD_TYPE=Release "-DCMAKE_C_FLAGS_RELEASE=-O3 -ffinite-math-only"
configure "${CC:-cc}" "-O2 -fno-fast-math -fno-math-errno" || {
    fail "CMake refuses flags that change nothing"
    cat "$scratch/log"
}
# Flags of the project that libtleg is a part of.
mkdir "$scratch/parent"
cat >"$scratch/parent/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.20)
project(parent LANGUAGES C)
add_compile_options(-O2 -ffast-math)
add_subdirectory($(pwd) tleg)
END
cmake -G "$generator" -S "$scratch/parent" -B "$scratch/parent/build" >"$scratch/log" 2>&1 && fail "CMake takes a parent's -ffast-math"
grep -q 'does not build with -ffast-math' "$scratch/log" || {
    fail "CMake does not say why it refuses a parent's flags"
    cat "$scratch/log"
}
exit $failed
