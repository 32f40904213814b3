#!/bin/sh
# Each public header compiles alone, twice in a row, in C99 and C17, in C++11 and C++20, also where a host hides its own symbols and
# does without exceptions, without a warning; its structs have no implicit padding (DLPack's, which others laid out, do).
#     headers.sh C-COMPILER
cc=$1
failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cxx=
for name in g++ clang++; do
    command -v $name >/dev/null && cxx="$cxx $name"
done
for header in include/tleg/*.h; do
    name=tleg/$(basename "$header")
    printf '#include <%s>\n#include <%s>\nint tleg_headers_unit;\n' "$name" "$name" >"$scratch/unit.c"
    cp "$scratch/unit.c" "$scratch/unit.cpp"
    padded=-Wpadded
    [ "$name" = tleg/dlpack.h ] && padded=
    for standard in c99 c17; do
        # shellcheck disable=SC2086
        "$cc" $padded -std=$standard -fvisibility=hidden -pedantic -Wall -Wextra -Wstrict-prototypes -Werror -Iinclude -c \
            "$scratch/unit.c" -o "$scratch/unit.o" || failed=1
    done
    for compiler in $cxx; do
        for standard in c++11 c++20; do
            $compiler -std=$standard -fvisibility=hidden -fno-exceptions -fno-rtti -pedantic -Wall -Wextra -Wshadow -Wold-style-cast \
                -Werror -Iinclude -c "$scratch/unit.cpp" -o "$scratch/unit.o" || failed=1
        done
    done
done
[ -n "$cxx" ] || {
    echo "SKIP headers: no C++ compiler (C99 was tried)"
    [ $failed = 0 ] && exit 77
}
exit $failed
