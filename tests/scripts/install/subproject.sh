#!/bin/sh
# libtleg as a part of another project, by add_subdirectory and by FetchContent: C and C++17 programs of both libraries run, names do
# not collide, nothing of libtleg is installed.   subproject.sh C-COMPILER GENERATOR
cc=$1 generator=$2
here=$(pwd)/tests
command -v c++ >/dev/null || {
    echo "SKIP subproject: no C++ compiler"
    exit 77
}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
# quietly LOG COMMAND...: what it prints matters when it fails.
quietly() {
    log=$scratch/$1.log
    shift
    "$@" >"$log" 2>&1 || {
        cat "$log"
        exit 1
    }
}
for fetch in OFF ON; do
    build=$scratch/$fetch
    quietly configure cmake -G "$generator" -S "$here/consumers/subproject" -B "$build" -DTLEG_SOURCE="$(pwd)" -DFETCH=$fetch \
        -DCMAKE_C_COMPILER="$cc" "-DCMAKE_C_FLAGS=-O0" -DFETCHCONTENT_FULLY_DISCONNECTED=ON
    grep -i 'left out' "$scratch/configure.log" && exit 1 # what nobody asked for is not missed either
    [ $fetch = OFF ] || continue # the same files again
    quietly build cmake --build "$build" -j "$(nproc)"
    for program in c_shared c_static cpp_shared cpp_static; do
        "$build/$program" "$here/golden/mean.gene.safetensors" "$here/golden/images-16.safetensors" \
            "$here/golden/mean-4.out.safetensors" || exit 1
    done
    DESTDIR='' quietly install cmake --install "$build" --prefix "$scratch/prefix"
    installed=$(cd "$scratch/prefix" && find . -type f)
    [ "$installed" = ./bin/c_static ] || {
        echo "installed unasked: $installed"
        exit 1
    }
done
