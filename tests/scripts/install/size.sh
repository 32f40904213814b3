#!/bin/sh
# A device has room for so much: the shared library of a release, without symbols, is smaller than 860,000 bytes (LIMIT where one is
# given: variant.sh has those of smaller builds).
#     size.sh SHARED BUILD-TYPE [LIMIT]
shared=$1 type=$2 limit=${3:-860000}
[ "$type" = Release ] || {
    echo "SKIP size: a build of type '$type' is not what is shipped"
    exit 77
}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
strip -o "$scratch/stripped" "$shared" || exit 1
bytes=$(wc -c <"$scratch/stripped")
echo "$bytes bytes, $limit allowed"
[ "$bytes" -lt $limit ] || {
    echo "the largest functions:"
    nm -S --size-sort "$shared" | tail -n 30
    exit 1
}
