#!/bin/sh
# Builds that people make: compilers, from gcc and clang of the oldest version here to the newest, musl, optimisation from none to
# the whole program's, instructions of this processor everywhere. Each without a warning, each with the bits of the first, and none
# that takes what is not a number for one.   flags.sh
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0 ran=0 skipped=0
sources=$(ls lib/*/*.c lib/*/*/*.c tests/contract/every_call*.c tests/scripts/install/flags_digest.c)
mkdir "$scratch/jsmn" "$scratch/files"
cp "${TLEG_JSMN_INCLUDE_DIR:-/usr/include}/jsmn.h" "$scratch/jsmn/" || exit 1 # alone: musl has headers of its own

warnings='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes'

# build NAME COMPILER FLAG...: the program $scratch/NAME, its objects made side by side.
build() {
    name=$1 cc=$2
    shift 2
    mkdir "$scratch/objects" || return 1
    export cc scratch warnings flags="$*"
    # shellcheck disable=SC2016 # the inner shell's
    echo "$sources" | xargs -P "$(nproc)" -n 6 sh -c 'for source; do
        $cc -std=c17 $flags -ffp-contract=off $warnings -Werror -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Iinclude -Ilib -Itests \
            -isystem "$scratch/jsmn" -DTLEG_GOLDEN="\"$PWD/tests/golden\"" -c "$source" \
            -o "$scratch/objects/$(echo "$source" | tr / _).o" || exit 255
    done' - && $cc $flags -Werror "$scratch"/objects/*.o -o "$scratch/$name" -lpthread -lm
    good=$?
    rm -rf "$scratch/objects"
    return $good
}

# try NAME COMPILER FLAG...: builds it and holds its lines to the first build's.
try() {
    name=$1 tried=$2
    command -v "${tried%% *}" >/dev/null || {
        echo "SKIP flags $name: $tried is not installed"
        skipped=$((skipped + 1))
        return
    }
    if ! build "$@" >"$scratch/log" 2>&1; then
        echo "FAIL $*: does not build, or not without a warning"
        tail -n 30 "$scratch/log"
        failed=1
    elif ! "$scratch/$name" "$scratch/files" >"$scratch/$name.lines"; then
        echo "FAIL $*: $(cat "$scratch/$name.lines")"
        failed=1
    else
        ran=$((ran + 1))
        [ -e "$scratch/first" ] || cp "$scratch/$name.lines" "$scratch/first"
        if cmp -s "$scratch/$name.lines" "$scratch/first"; then
            echo "ok $*: the same bits"
        else
            echo "FAIL $*: other bits"
            diff "$scratch/first" "$scratch/$name.lines"
            failed=1
        fi
    fi
}

try gcc gcc -O2
try gcc-none gcc -O0
try gcc-size gcc -Os -D_GNU_SOURCE
try gcc-most gcc -O3 -march=native -flto=auto
try clang clang -O2
try clang-most clang -O3 -march=native
try musl musl-gcc -O2 -static
# Whatever versions there are.
for cc in $(for name in gcc clang; do ls /usr/bin/$name-[0-9] /usr/bin/$name-[0-9][0-9] /usr/local/bin/$name-[0-9][0-9] 2>/dev/null; done); do
    [ "$(readlink -f "$cc")" = "$(readlink -f "$(command -v gcc)")" ] || [ "$(readlink -f "$cc")" = "$(readlink -f "$(command -v clang)")" ] ||
        try "$(basename "$cc")" "$cc" -O1
done
echo "$ran builds, $skipped skipped"
exit $failed
