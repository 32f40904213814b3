#!/bin/sh
# A room of lib/ includes its own headers and those of rooms before it, and a room in a room likewise; a private.h is its room's alone;
# tools, examples and bench know public headers alone; only core/os_posix.c calls the system and the room of file formats opens files;
# nothing keeps state for a thread or speaks to the terminal.
rooms='core tensor kernels format config graph names image augment vit/read vit/weights vit/pass dit/pass vit/handle ops learngene dit/handle onnx train'
failed=0
fail() {
    echo "$*"
    failed=1
}

# Lines "FILE:NUMBER:#include ..." of what a room includes from lib/; x86/, arm/ and blas/ are the kernels' own.
includes() {
    grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*/[^"]*"' "$@" --include='*.c' --include='*.h' |
        grep -vE '"(x86|arm|blas)/[^"]*"'
}

before=
for room in $rooms; do
    before="$before $room"
    [ -d "lib/$room" ] || continue
    allowed=$(echo $before | tr ' ' '|')
    found=$(includes "lib/$room" | grep -vE "\"($allowed)/[^\"]*\"")
    [ -z "$found" ] || fail "$room may include $before, not:
$found"
    found=$(includes lib | grep -E "\"$room/private\.h\"" | grep -vE "^lib/$room/")
    [ -z "$found" ] || fail "$room/private.h is for lib/$room alone, not:
$found"
done
for folder in lib/*/ lib/vit/*/ lib/dit/*/; do
    room=${folder#lib/}
    room=${room%/}
    [ "$room" = vit ] || [ "$room" = dit ] || echo " $rooms " | grep -q " $room " || fail "lib/$room is not among the rooms of $0"
done
found=$(find lib/vit lib/dit -maxdepth 1 -type f)
[ -z "$found" ] || fail "lib/vit and lib/dit hold rooms alone, not: $found"

# Examples and the command show what a host can do: no header from the inside.
for place in tools examples; do
    [ -d $place ] || continue
    names=$(echo $rooms vit dit | tr ' ' '|')
    found=$(grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[\"<]($names)/" $place --include='*.c' --include='*.h')
    [ -z "$found" ] || fail "$place uses public headers alone, not:
$found"
done

# The command's sub-rooms: each includes its own headers and those of the sub-rooms before it, so that base/ includes none and
# nothing includes verbs/; a private.h belongs to one sub-room.
before=
for room in base source pictures data training drawing check verbs; do
    found=$(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*/' "tools/$room" --include='*.c' --include='*.h' |
        grep -vE "\"($(echo $before | tr ' ' '|'))/[^\"/]*\"")
    [ -z "$found" ] || fail "tools/$room may include${before:- no other sub-room}, not:
$found"
    before="$before $room"
done
found=$(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*/private\.h"' tools --include='*.c' --include='*.h')
[ -z "$found" ] || fail "a private.h is for its own sub-room, not:
$found"
for room in tools/*/; do
    case " $before " in *" $(basename "$room") "*) ;; *) fail "$room is not among the sub-rooms of this test" ;; esac
done

# Tests. What holds for every public call is tried through public headers alone; a suite of one room may look into that room's
# private.h, and only into that. Each suite lies in the directory of a room, or among the contracts, where CMake looks for it. A test
# that is left out says so by name (support/skip.h).
found=$(grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*\"($(echo $rooms | tr ' ' '|'))/" tests/contract)
[ -z "$found" ] || fail "tests/contract includes public headers alone, not:
$found"
for suites in tests/unit/*/; do
    room=$(basename "$suites")
    found=$(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*/?private\.h"' "$suites" | grep -v "\"$room/")
    [ -z "$found" ] || fail "tests/unit/$room may look into lib/$room/private.h alone, not:
$found"
done
found=$(find tests -name 'test_*.c' | grep -vE '^tests/(unit/[a-z]+|contract)/test_[a-z0-9_]+\.c$')
[ -z "$found" ] || fail "suites belong into tests/unit/ROOM or tests/contract, not:
$found"
found=$(grep -rnE '(^|[^_[:alnum:]])skip\(\)' tests --include='*.[ch]' | grep -vE '^tests/(support/skip\.h|cross/)')
[ -z "$found" ] || fail "a test that is left out says SKIP(why), not:
$found"

# The system's calls stand in core/os_posix.c (the C library's files nowhere), and what it offers of files is used by lib/format.
found=$(grep -rnE '(^|[^_[:alnum:]>.])(fopen|open|openat|mmap|clock_gettime|pthread_[a-z_]+)[[:space:]]*\(' lib --include='*.c' --include='*.h' |
    grep -vE '^lib/core/os_posix\.c:|: *(/\*|\*|//)')
[ -z "$found" ] || fail "only lib/core/os_posix.c calls the system, not:
$found"
found=$(grep -rnE 'tleg_os_(open|create|map_file)[[:space:]]*\(' lib --include='*.c' | grep -vE '^lib/(format/|core/os_)')
[ -z "$found" ] || fail "only lib/format opens files, not:
$found"

# Numbers are written by lib/core/number.c: "%g" and the like, and strerror, follow the host's locale.
found=$(grep -rnE '"[^"]*%[-+ #0-9.*]*[lL]?[gGeEfFaA][^"]*"|strerror' lib --include='*.c' --include='*.h' | grep -vE ':[0-9]+: *(/\*|\*|//)')
[ -z "$found" ] || fail "a text that follows the locale:
$found"

found=$(grep -rnE '(_Thread_local|__thread|thread_local)' lib include --include='*.c' --include='*.h')
[ -z "$found" ] || fail "thread-local storage: $found"
exit $failed
