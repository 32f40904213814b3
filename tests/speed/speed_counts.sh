#!/bin/sh
# Instructions of small fixed pieces of work (tests/speed/counted.c) under callgrind, against tests/speed/counts.txt within 2 %: a
# kernel that takes more of them is slower, however busy the machine is. Valgrind knows instructions up to AVX2.
#     speed_counts.sh PROGRAM BUILD-TREE COMPILER...            compares
#     speed_counts.sh --renew PROGRAM BUILD-TREE COMPILER...    writes the file anew
# COMPILER names what was compiled with and how: numbers hold for that, the processor and the C library alone.
renew=
[ "$1" != --renew ] || {
    renew=1
    shift
}
program=$1 tree=$2
shift 2
numbers=tests/speed/counts.txt
here="$(uname -m), $(getconf GNU_LIBC_VERSION 2>/dev/null), $*"
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

skip() {
    echo "SKIP speed_counts: $*"
    exit 77
}
command -v valgrind >/dev/null || skip "valgrind is not installed"
there=$(sed -n "s/^# for //p" $numbers 2>/dev/null)
[ -n "$renew" ] || [ "$here" = "$there" ] || skip "the numbers are for $there; this is $here"

# count LEVEL WORKLOAD: prints how many; 77 where the level is missing.
count() {
    rm -f "$scratch/profile"
    valgrind --tool=callgrind --toggle-collect=counted_call --callgrind-out-file="$scratch/profile" "$program" "$1" "$2" \
        2>"$scratch/log"
    code=$?
    [ $code -ne 0 ] || sed -n 's/^totals: //p' "$scratch/profile"
    return $code
}

{
    echo "# Instructions under callgrind, as tests/speed/speed_counts.sh counts them. Written by it:"
    echo "#     cmake --build BUILD-TREE --target renew_counts"
    echo "# for $here"
} >"$scratch/numbers"
failed=0
workloads="forward forward-bf16 elastic elastic-4 elastic-4-bf16 step expansion expansion-4 expansion-bf16 norm norm-back gelu gelu-back
attention attention-back"
for level in portable avx2; do
    for workload in $workloads; do
        found=$(count $level $workload)
        case $? in
        0) ;;
        77)
            echo "SKIP speed_counts at $level: this machine lacks the level"
            [ -z "$renew" ] || exit 1
            break
            ;;
        *)
            cat "$scratch/log"
            exit 1
            ;;
        esac
        echo "$level $workload $found" >>"$scratch/numbers"
        expected=$(sed -n "s/^$level $workload //p" $numbers 2>/dev/null)
        echo "$level $workload ${expected:-0} $found" | awk '{
            change = $3 ? 100 * ($4 / $3 - 1) : 100
            bad = change > 2 || change < -2
            printf "%-7s %-8s %-14s %11d instructions, %11d expected (%+.2f %%)\n", bad ? "DIFFERS" : "ok", $1, $2, $4, $3, change
            exit bad }' || {
            failed=1
            # where they are, for whoever looks for those that came new
            [ -n "$renew" ] || callgrind_annotate "$scratch/profile" 2>/dev/null | grep '([ 0-9.]*%)' | sed -n '2,13s/^/        /p'
        }
    done
done
if [ -n "$renew" ]; then
    cp "$scratch/numbers" $numbers
elif [ $failed -ne 0 ]; then
    echo "More instructions than before: a kernel became slower, or does more. When that is meant, and when there are fewer, renew:"
    echo "    cmake --build $tree --target renew_counts"
    exit 1
fi
