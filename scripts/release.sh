#!/bin/sh
# Makes a release of what is committed here:   sh scripts/release.sh 0.2.0
# Holds VERSION against the headers and CHANGELOG.md, runs every test, writes build/release-VERSION/libtleg-VERSION.tar.gz and its
# SHA-256, builds the library from that archive, and tags the commit. It sends nothing anywhere.
set -eu
cd "$(dirname "$0")/.."
fail() {
    echo "release.sh: $*" >&2
    exit 1
}
[ $# = 1 ] || fail "usage: sh scripts/release.sh VERSION"
version=$1 tag=v$1
name=libtleg-$version
out=$(pwd)/build/release-$version

header=$(sed -n 's/^#define TLEG_VERSION_[A-Z]* \([0-9]*\)$/\1/p' include/tleg/core.h | paste -sd .)
[ "$version" = "$header" ] || fail "include/tleg/core.h says version $header, not $version"
grep -qF "## [$version]" CHANGELOG.md || fail "CHANGELOG.md has no heading \"## [$version]\""
[ -z "$(git status --porcelain)" ] || fail "there are changes that are not committed"
! git rev-parse -q --verify "refs/tags/$tag" >/dev/null || fail "the tag $tag exists"

sh tests/run.sh all || fail "the tests failed"

mkdir -p "$out"
git archive --format=tar --prefix="$name/" HEAD | gzip -9n >"$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")

# The archive alone, on a machine that has nothing but what the library needs.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tar -xzf "$out/$name.tar.gz" -C "$scratch"
cmake -S "$scratch/$name" -B "$scratch/build" -DTLEG_TOOLS=OFF -DTLEG_TESTS=OFF >"$scratch/log"
cmake --build "$scratch/build" -j "$(nproc)" >>"$scratch/log" || {
    cat "$scratch/log"
    fail "the archive does not build"
}

git tag -a "$tag" -m "libtleg $version"
cat "$out/$name.tar.gz.sha256"
echo "tagged $tag. To publish: git push origin main $tag, and $out/$name.tar.gz with its .sha256"
