#!/bin/sh
# The C samples of README.md and docs/ compile as C99 and as C++17, without a warning.   samples.sh C-COMPILER
cc=$1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
awk -v directory="$scratch" '
    /^```c$/ { inside = 1; file = directory "/sample" ++count ".c"; next }
    /^```$/ { inside = 0 }
    inside { print > file }' README.md docs/*.md
failed=0
for sample in "$scratch"/sample*.c; do
    [ -f "$sample" ] || { echo "README.md and docs/ have no C sample"; exit 1; }
    "$cc" -std=c99 -pedantic -Wall -Wextra -Werror -Iinclude -c "$sample" -o "$scratch/unit.o" || failed=1
    for cxx in g++ clang++; do
        command -v $cxx >/dev/null || continue
        $cxx -x c++ -std=c++17 -pedantic -Wall -Wextra -Werror -Iinclude -c "$sample" -o "$scratch/unit.o" || failed=1
    done
done
exit $failed
