#!/bin/sh
# What the libraries look like to a linker.   symbols.sh ARCHIVE SHARED SONAME BLAS
archive=$1 shared=$2 soname=$3 blas=$4
failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
fail() {
    echo "$*"
    failed=1
}

# Exported: what lib/symbols.txt lists, all of it, each in its node.
nm -D --defined-only "$shared" | awk '$2 != "A" { print $3 }' >"$scratch/versioned"
sed 's/@.*//' "$scratch/versioned" | LC_ALL=C sort >"$scratch/exported"
grep '^tleg_' lib/symbols.txt | LC_ALL=C sort >"$scratch/promised"
diff "$scratch/promised" "$scratch/exported" || fail "exported symbols differ from lib/symbols.txt"
sed -n '/^# Experimental/,$p' lib/symbols.txt | grep '^tleg_' | LC_ALL=C sort >"$scratch/experimental"
sed -n 's/@@TLEG_EXPERIMENTAL$//p' "$scratch/versioned" | LC_ALL=C sort | diff "$scratch/experimental" - ||
    fail "the node TLEG_EXPERIMENTAL holds other symbols than lib/symbols.txt calls experimental"
grep -vE '@@TLEG_(0|EXPERIMENTAL)$' "$scratch/versioned" && fail "symbols outside both nodes"

# Experimental are the functions of the headers that tleg.h leaves out and that say so.
grep -l EXPERIMENTAL include/tleg/*.h | xargs cat | tr '\n' ' ' | grep -oE 'TLEG_CALL tleg_[a-z0-9_]+\(' | sed 's/TLEG_CALL //; s/(//' |
    LC_ALL=C sort | diff "$scratch/experimental" - || fail "the experimental headers declare other functions"
for header in include/tleg/*.h; do
    grep -q EXPERIMENTAL "$header" || continue
    grep -q "^#include <tleg/$(basename "$header")>" include/tleg/tleg.h && fail "tleg.h includes the experimental $header"
done

# Declared in the public headers: the same list.
cat include/tleg/*.h | tr '\n' ' ' | grep -oE 'TLEG_CALL tleg_[a-z0-9_]+\(' | sed 's/TLEG_CALL //; s/(//' |
    LC_ALL=C sort >"$scratch/declared"
diff "$scratch/promised" "$scratch/declared" || fail "the headers declare other functions than lib/symbols.txt"

# The archive joins a host's own names: every global one starts with tleg_.
nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -v '^tleg_' &&
    fail "global symbols of the archive that do not start with tleg_"

# Imported: a guest's calls only. Each new one is added to the list by hand, with a thought about what it does to the host.
nm -D --undefined-only "$shared" | awk '{ print $NF }' | sed 's/@.*//' | LC_ALL=C sort -u >"$scratch/imported"
grep -v '^#' tests/abi/imports.txt | LC_ALL=C sort >"$scratch/allowed"
LC_ALL=C comm -23 "$scratch/imported" "$scratch/allowed" >"$scratch/unknown"
[ -s "$scratch/unknown" ] && fail "imported symbols that tests/abi/imports.txt does not list:
$(cat "$scratch/unknown")"

# Its calls of its own functions stay inside: no other copy in the process can answer them.
readelf -rW "$shared" | grep -E ' tleg_[a-z0-9_]+(@|$| )' && fail "calls of the library's own functions that another library may take"

readelf -dW "$shared" >"$scratch/dynamic"
readelf -lW "$shared" >"$scratch/segments"
grep -q "SONAME.*\[$soname\]" "$scratch/dynamic" && [ "$soname" = libtleg.so.0 ] || fail "SONAME is not libtleg.so.0"
grep -q 'TEXTREL' "$scratch/dynamic" && fail "text relocations"
grep -E 'GNU_STACK.*RWE' "$scratch/segments" && fail "executable stack"
grep -q 'GNU_STACK' "$scratch/segments" || fail "no GNU_STACK segment: the stack would be executable"
grep -E '^ *TLS ' "$scratch/segments" && fail "thread-local storage"

# Nothing but the C library, unless the build was told to link a BLAS.
sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' "$scratch/dynamic" >"$scratch/needed"
more=
[ "$blas" != link ] || more='|openblas|blis'
grep -vE "^lib(c|m|pthread$more)\.so" "$scratch/needed" && fail "libraries needed"
exit $failed
