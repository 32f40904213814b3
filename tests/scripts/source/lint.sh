#!/bin/sh
# What shellcheck finds in the scripts, and what clang-tidy (.clang-tidy) finds in C files: in all of them, which takes minutes, or in
# those that differ from the last commit but one.      lint.sh BUILD-TREE all|changed
tree=$1 which=$2
failed=0 ran=0

if command -v shellcheck >/dev/null; then
    find . -name '*.sh' -not -path './build/*' | sort | xargs shellcheck || failed=1
    ran=1
else
    echo "SKIP lint of scripts: shellcheck is not installed"
fi

files() {
    if [ "$which" = all ]; then
        sed -n 's/^ *"file": "\(.*\.c\)".*/\1/p' "$tree/compile_commands.json"
    else
        git diff --name-only --diff-filter=d HEAD~1 -- '*.c' | sed "s|^|$PWD/|"
    fi | sort -u | grep -v "^$tree/"
}
if ! command -v clang-tidy >/dev/null; then
    echo "SKIP lint of C: clang-tidy is not installed"
elif [ ! -e "$tree/compile_commands.json" ]; then
    echo "SKIP lint of C: $tree has no compile_commands.json"
elif [ "$which" != all ] && ! git rev-parse -q --verify HEAD~1 >/dev/null 2>&1; then
    echo "SKIP lint of C: which files changed is not known without git"
else
    files | xargs -r -n 8 -P "$(nproc 2>/dev/null || echo 1)" clang-tidy -p "$tree" --quiet --warnings-as-errors='*' 2>/dev/null ||
        failed=1
    ran=1
fi
[ $failed -ne 0 ] || [ $ran -ne 0 ] || exit 77
exit $failed
