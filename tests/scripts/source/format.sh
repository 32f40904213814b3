#!/bin/sh
# Every C file is as clang-format 14 (Debian 12's) leaves it.
command -v clang-format >/dev/null || {
    echo "SKIP format: clang-format is not installed"
    exit 77
}
case $(clang-format --version) in
*"version 14."*) ;;
*)
    echo "SKIP format: $(clang-format --version | head -n 1) lays code out otherwise than version 14"
    exit 77
    ;;
esac
find include lib tools examples bench tests \( -name '*.[ch]' -o -name '*.cpp' \) -exec clang-format --dry-run -Werror {} +
