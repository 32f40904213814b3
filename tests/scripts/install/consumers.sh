#!/bin/sh
# A stranger's programs: installs into a scratch prefix, moves it, and builds against it with pkg-config (C, shared and static)
# and with find_package (C++, both targets).   consumers.sh BUILD-DIRECTORY C-COMPILER GENERATOR
build=$1 cc=$2 generator=$3
here=$(pwd)/tests
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
set -e
DESTDIR='' cmake --install "$build" --prefix "$scratch/first" >"$scratch/install.log" || {
    cat "$scratch/install.log"
    exit 1
}
mv "$scratch/first" "$scratch/prefix"
prefix=$scratch/prefix
gene=$here/golden/mean.gene.safetensors
images=$here/golden/images-16.safetensors
answers=$here/golden/mean-4.out.safetensors

pc=$(find "$prefix" -name tleg.pc)
lib=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
pkg-config --validate tleg
# One version everywhere: as the installed header says it, pkg-config and CMake's package do.
version=$(sed -n 's/^#define TLEG_VERSION_[MP][A-Z]* \([0-9]*\)$/\1/p' "$prefix/include/tleg/core.h" | paste -s -d .)
echo "version $version"
[ "$(pkg-config --modversion tleg)" = "$version" ]
grep -qx "set(PACKAGE_VERSION \"$version\")" "$lib/cmake/tleg/tleg-config-version.cmake"
[ -e "$lib/libtleg.so.$version" ]
for notice in LICENSE THIRD-PARTY; do
    find "$prefix/share" -name $notice | grep -q . || {
        echo "$notice is not installed"
        exit 1
    }
done

# shellcheck disable=SC2046
"$cc" -std=c99 -Wall -Wextra -Werror "$here/consumers/consumer.c" $(pkg-config --cflags --libs tleg) -o "$scratch/shared"
LD_LIBRARY_PATH=$lib "$scratch/shared" "$gene" "$images" "$answers"
ldd "$scratch/shared" | grep -q 'libtleg.so.0 => not found' # it was linked by its SONAME

# Static: the archive by name, and what it needs from pkg-config.
# shellcheck disable=SC2046
"$cc" -std=c99 -Wall -Wextra -Werror "$here/consumers/consumer.c" $(pkg-config --cflags tleg) -o "$scratch/static" \
    $(pkg-config --static --libs tleg | sed "s|-ltleg|$lib/libtleg.a|")
"$scratch/static" "$gene" "$images" "$answers"
if ldd "$scratch/static" | grep libtleg; then exit 1; fi
# No BLAS, and so nothing that starts a thread or takes address space, unless the build was told to link one.
if ! grep -q '^TLEG_BLAS:[A-Z]*=link' "$build/CMakeCache.txt"; then
    for program in shared static; do
        if LD_LIBRARY_PATH=$lib ldd "$scratch/$program" | grep -E 'blas|blis'; then exit 1; fi
    done
    if pkg-config --static --libs tleg | grep -E 'blas|blis'; then exit 1; fi
fi

command -v c++ >/dev/null || {
    echo "SKIP consumers: no C++ compiler (the C programs passed)"
    exit 77
}
cmake -G "$generator" -S "$here/consumers" -B "$scratch/build" -DCMAKE_PREFIX_PATH="$prefix" -DTLEG_VERSION="$version" \
    -DCMAKE_BUILD_TYPE=Release >"$scratch/configure.log" 2>&1 || {
    cat "$scratch/configure.log"
    exit 1
}
cmake --build "$scratch/build" >"$scratch/build.log" 2>&1 || {
    cat "$scratch/build.log"
    exit 1
}
"$scratch/build/consumer_shared" "$gene" "$images" "$answers"
"$scratch/build/consumer_static" "$gene" "$images" "$answers"
# A plugin keeps its copy to itself.
nm -D --defined-only "$(find "$scratch/build" -name '*consumer_plugin.*' -type f | head -n 1)" >"$scratch/plugin.symbols"
grep -q ' main$' "$scratch/plugin.symbols" || {
    echo "the plugin exports nothing of its own:"
    cat "$scratch/plugin.symbols"
    exit 1
}
if grep ' tleg_' "$scratch/plugin.symbols"; then
    echo "a plugin exports the archive that it holds"
    exit 1
fi

# A distribution that leaves the archive out, and one that leaves the shared library out: what there is, is found.
mkdir "$scratch/one"
cat >"$scratch/one/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.20)
project(one LANGUAGES C)
find_package(tleg REQUIRED)
foreach(target tleg::tleg tleg::tleg_static)
  if(TARGET ${target})
    message(STATUS "found ${target}")
  endif()
endforeach()
END
# only WANTED GONE...: without the files GONE, WANTED is found and nothing else.
only() {
    wanted=$1
    shift
    rm -rf "$scratch/part" "$scratch/one/build"
    cp -R "$prefix" "$scratch/part"
    for gone; do find "$scratch/part" -name "$gone" -exec rm {} +; done
    cmake -G "$generator" -S "$scratch/one" -B "$scratch/one/build" -DCMAKE_PREFIX_PATH="$scratch/part" >"$scratch/one.log" 2>&1 &&
        [ "$(sed -n 's/^-- found //p' "$scratch/one.log")" = "$wanted" ] || {
        cat "$scratch/one.log"
        exit 1
    }
}
only tleg::tleg 'libtleg.a' 'tleg-static*.cmake'
only tleg::tleg_static 'libtleg.so*' 'tleg-shared*.cmake'
