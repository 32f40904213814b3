#!/bin/sh
# The pages for newcomers are true to the tree: every path in backticks on them exists (a pattern matches something), every link
# leads somewhere, the rooms stand in the order of rooms.sh, and each kind of change says which files it touches.
#     architecture.sh      from the top of the source tree
page=docs/architecture.md
failed=0
fail() {
    echo "$*"
    failed=1
}

# paths FILE: what stands in backticks and looks like a file or directory of the project, one a line; what is in blocks of code and
# holds blanks, braces or capital placeholders is not.
paths() {
    awk '/^```/ { code = !code } !code' "$1" | grep -oE '`[^` ]+`' | tr -d '\140' |
        grep -E '^(\.github|bench|cmake|docs|examples|include|lib|scripts|tests|tools)/[a-z0-9_*./-]*$|^[A-Z]+(\.md|-PARTY)?$|^CMake[A-Za-z]+\.(txt|json)$' |
        grep -vE '^[A-Z]+$'
}
for file in $page CONTRIBUTING.md README.md; do
    [ -s "$file" ] || fail "$file is missing"
    for path in $(set -f; paths "$file" | LC_ALL=C sort -u); do
        # shellcheck disable=SC2086 # a pattern of several files is meant to become them
        ls -d $path >/dev/null 2>&1 || fail "$file names $path, which does not exist"
    done
done
for file in docs/*.md ./*.md; do
    links=$(grep -oE '\]\([^)# ]+' "$file" | cut -c3- | grep -v '^https*:')
    for link in $links; do
        [ -e "$(dirname "$file")/$link" ] || fail "$file links to $link, which does not exist"
    done
done

# The table's rooms of lib/, and those of rooms.sh.
found=$(sed -n 's/^| `lib\/\([a-z/]*\)\/` .*/\1/p' $page | paste -sd ' ')
expected=$(sed -n "s/^rooms='\(.*\)'/\1/p" tests/scripts/source/rooms.sh)
[ "$found" = "$expected" ] || fail "$page lists the rooms $found
expected, as in rooms.sh, $expected"

# Where a newcomer looks first, in the table's last column, is in that row's room.
sed -n 's/^| `\([a-z/]*\/\)` |.*| \(.*\) |$/\1 \2/p' $page | while read -r room looks; do
    for name in $(echo "$looks" | grep -oE '`[^` ]+`' | tr -d '\140'); do
        [ -e "$room$name" ] || echo "$page sends a newcomer to $room$name, which does not exist"
    done
done | grep . && failed=1

# Each kind of change, from its "- **a kind**" to the next, with at least one file.
changes=$(sed -n '/^## What a change touches/,/^## [^W]/p' $page)
for kind in 'a site' 'an activation' 'an element type' 'an instruction set' 'a public call' 'a verb' 'a file format' \
    'a model family' 'a curve'; do
    echo "$changes" | awk -v kind="- **$kind**" '
        index($0, "- **") == 1 { mine = index($0, kind) == 1 }
        mine && /`[a-z]+\/[^`]*`/ { found = 1 }
        END { exit !found }' || fail "$page names no file that $kind touches"
done
exit $failed
