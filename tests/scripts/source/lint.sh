#!/bin/sh
# What shellcheck finds in the scripts, and what clang-tidy (.clang-tidy) finds in C files: in all of them, which takes minutes, or in
# those that the last commit changed, and that differ from it.      lint.sh BUILD-TREE all|changed
tree=$1 which=$2
failed=0 ran=0

if command -v shellcheck >/dev/null; then
    find . -name '*.sh' -not -path './build/*' -exec shellcheck {} + || failed=1
    ran=1
else
    echo "SKIP lint of scripts: shellcheck is not installed"
fi

files() {
    if [ "$which" = all ]; then
        sed -n 's/^ *"file": "\(.*\.c\)".*/\1/p' "$tree/compile_commands.json"
    else
        { # a merge changes nothing itself
            git diff --name-only --diff-filter=d HEAD -- '*.c'
            git diff-tree --no-commit-id --name-only --diff-filter=d -r HEAD -- '*.c'
        } | sed "s|^|$PWD/|"
    fi | sort -u | grep -v "^$tree/"
}
# tidy CLANG-TIDY-OPTION...: over the files that come in, one a line.
tidy() {
    xargs -r -n 4 -P "$(nproc 2>/dev/null || echo 1)" clang-tidy -p "$tree" --quiet --warnings-as-errors='*' "$@" 2>/dev/null
}
if ! command -v clang-tidy >/dev/null; then
    echo "SKIP lint of C: clang-tidy is not installed"
elif [ ! -e "$tree/compile_commands.json" ]; then
    echo "SKIP lint of C: $tree has no compile_commands.json"
elif [ "$which" != all ] && ! git rev-parse -q --verify HEAD >/dev/null 2>&1; then
    echo "SKIP lint of C: which files changed is not known without git"
else
    # error.c defines what the model stands for, and os_*.c say what they want of the system before they include anything.
    apart="/lib/core/(error|os_[a-z]*)\\.c\$"
    files | grep "^$PWD/lib/" | grep -vE "$apart" | tidy "--extra-arg=-include$PWD/tests/scripts/source/analysed.h" || failed=1
    files | { grep -vE "^$PWD/(lib|build)/" || true; } | tidy || failed=1
    files | { grep -E "$apart" || true; } | tidy || failed=1
    ran=1
fi
[ $failed -ne 0 ] || [ $ran -ne 0 ] || exit 77
exit $failed
