#!/bin/sh
# Each public header compiles alone, twice in a row, in C99 and C17, in C++11 and C++20, also where a host hides its own symbols and
# does without exceptions, without a warning; its structs have no implicit padding (DLPack's, which others laid out, do), here and on
# machines with 32-bit pointers, where a hole would hold what a host's stack held before.
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
# No machine of these kinds is needed, nor its C library: clang alone knows how each lays out a struct.
if command -v clang >/dev/null; then
    for target in armv7-linux-gnueabihf wasm32 riscv32 mipsel-linux-gnu; do
        echo 'int main(void) { return 0; }' >"$scratch/unit.c"
        clang --target=$target -ffreestanding -fsyntax-only "$scratch/unit.c" 2>/dev/null || {
            echo "SKIP headers_$target: this clang does not know the target"
            continue
        }
        for header in include/tleg/*.h; do
            [ "$header" != include/tleg/dlpack.h ] || continue
            {
                printf '#include <tleg/%s>\nint tleg_headers_unit;\n' "$(basename "$header")"
                sed -n 's/^typedef struct \(tleg_[a-z_]*\) {$/extern char \1_bytes[sizeof(\1)];/p' "$header" # lays it out
            } >"$scratch/unit.c"
            clang --target=$target -std=c99 -ffreestanding -Wpadded -Wall -Wextra -pedantic -Werror -Iinclude -c "$scratch/unit.c" \
                -o "$scratch/unit.o" || failed=1
        done
    done
else
    echo "SKIP headers_32bit: no clang"
fi
[ -n "$cxx" ] || {
    echo "SKIP headers: no C++ compiler (C99 was tried)"
    [ $failed = 0 ] && exit 77
}
exit $failed
