#!/bin/sh
# Every public function that lib/symbols.txt lists is called by the walk of tests/contract/every_call*.c, which the suites of guests send
# through odd hosts, and is handed NULL by tests/contract/test_null.c. Their object files know what they call.
#     every_call.sh EVERY_CALL-ARCHIVE TEST_NULL-OBJECT
walk=$1 null=$2
symbols=lib/symbols.txt
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0
grep '^tleg_' $symbols | LC_ALL=C sort >"$scratch/public"
[ -s "$scratch/public" ] || { echo "$symbols lists no function"; exit 1; }

# called_in OBJECT: the library's functions that it calls, each once.
called_in() {
    nm -u "$1" | awk '$1 == "U" && $2 ~ /^tleg_/ { print $2 }' | LC_ALL=C sort -u
}
# missing FILES WHAT: what stands in scratch/missing is not called there.
missing() {
    [ -s "$scratch/missing" ] || return 0
    echo "$1: no call of"
    sed 's/^/    /' "$scratch/missing"
    echo "$2"
    failed=1
}

called_in "$walk" | LC_ALL=C comm -23 "$scratch/public" - >"$scratch/missing"
missing 'tests/contract/every_call*.c' "Add each to the part of the walk that it belongs to, with its results in the digest."

# tleg_version takes no pointer
{ called_in "$null"; echo tleg_version; } | LC_ALL=C sort | LC_ALL=C comm -23 "$scratch/public" - >"$scratch/missing"
missing tests/contract/test_null.c "Add each, with NULL for every pointer that its contract does not let be NULL."
exit $failed
