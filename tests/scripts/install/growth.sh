#!/bin/sh
# Structs may grow: the library is built once more from headers in which every public struct is 16 bytes longer, and programs that
# were compiled with today's headers run on it as on today's library.   growth.sh SHARED C-COMPILER
shared=$1 cc=$2
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
case $(uname -s) in
Linux) ;;
*)
    echo "SKIP growth: it swaps libraries by LD_LIBRARY_PATH"
    exit 77
    ;;
esac
set -e
mkdir -p "$scratch/include/tleg" "$scratch/now" "$scratch/grown" "$scratch/files"
for header in include/tleg/*.h; do
    sed 's/^} \(tleg_[a-z_]*\);$/    uint64_t grown[2];\n} \1;/' "$header" >"$scratch/include/tleg/${header##*/}"
done
structs=$(cat include/tleg/*.h | grep -c '^typedef struct tleg_[a-z_]* {')
[ "$(cat "$scratch"/include/tleg/*.h | grep -c 'grown\[2\];')" = "$structs" ] || {
    echo "$structs public structs, and not each of them has grown"
    exit 1
}

# Without optimising: it is to be built quickly, and gives the same bits.
ls lib/*/*.c lib/*/*/*.c >"$scratch/sources"
mkdir "$scratch/objects"
export scratch cc
# shellcheck disable=SC2016
xargs -P 2 -n 8 sh -c 'for source; do
    "$cc" -std=c17 -O0 -fPIC -fvisibility=hidden -ffp-contract=off -DTLEG_BUILD -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE \
        -I"$scratch/include" -Ilib -c "$source" -o "$scratch/objects/$(echo "$source" | tr / _).o" || exit 255
done' - <"$scratch/sources"
{
    echo 'TLEG_0 { global:'
    sed '/^# Experimental/,$d' lib/symbols.txt | sed -n 's/^tleg_.*/&;/p'
    echo 'local: *; };'
    echo 'TLEG_EXPERIMENTAL { global:'
    sed -n '/^# Experimental/,$p' lib/symbols.txt | sed -n 's/^tleg_.*/&;/p'
    echo '};'
} >"$scratch/map"
"$cc" -shared -Wl,-soname,libtleg.so.0 -Wl,--version-script="$scratch/map" -Wl,-z,defs "$scratch"/objects/*.o \
    -o "$scratch/grown/libtleg.so.0" -lpthread -lm
cp "$shared" "$scratch/now/libtleg.so.0"
ln -s libtleg.so.0 "$scratch/now/libtleg.so"

"$cc" -std=c17 -D_POSIX_C_SOURCE=200809L -DTLEG_GOLDEN="\"$(pwd)/tests/golden\"" -Iinclude -Itests tests/abi/old_host.c \
    tests/contract/every_call*.c -L"$scratch/now" -ltleg -lm -o "$scratch/old_host"
"$cc" -std=c99 -Iinclude tests/consumers/consumer.c -L"$scratch/now" -ltleg -lm -o "$scratch/consumer"
for library in now grown; do
    LD_LIBRARY_PATH=$scratch/$library
    export LD_LIBRARY_PATH
    "$scratch/consumer" tests/golden/mean.gene.safetensors tests/golden/images-16.safetensors \
        tests/golden/mean-4.out.safetensors >"$scratch/$library.consumer" || {
        echo "consumer.c fails with the library $library: $(cat "$scratch/$library.consumer")"
        exit 1
    }
    "$scratch/old_host" "$scratch/files" >"$scratch/$library.walk" || {
        echo "the walk through every call fails with the library $library: $(cat "$scratch/$library.walk")"
        exit 1
    }
done
cmp "$scratch/now.consumer" "$scratch/grown.consumer" && cmp "$scratch/now.walk" "$scratch/grown.walk"
