#!/bin/sh
# One optimiser step of ours against PyTorch's, in turn, five times each: medians of the milliseconds, and their ratio.
#     sh bench/train.sh BUILD [THREADS]        BUILD: a build tree with bench/bench_train
# PyTorch is that of the interpreter PYTHON (/usr/bin/python3; Debian: python3-torch). Without it, our steps alone are timed.
set -eu
if [ $# -lt 1 ] || [ ! -x "$1/bench/bench_train" ]; then
    sed -n 's/^#  *sh /usage: /p' "$0" >&2
    exit 2
fi
build=$1 threads=${2:-1}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
ours='' theirs=''
ms() { sed -n 's/.*"ms": *\([0-9.]*\).*/\1/p'; }
# The two variables name a processor to OpenBLAS, which halves PyTorch where they are set; its own threads must be ours.
torch() { env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS="$threads" OMP_NUM_THREADS="$threads" "$python" "$here/train_torch.py" "$threads"; }
for _ in 1 2 3 4 5; do
    line=$("$build/bench/bench_train" "$threads")
    echo "$line"
    ours="$ours $(echo "$line" | ms)"
    [ -n "$python" ] || continue
    code=0
    line=$(torch) || code=$?
    echo "$line"
    case $code in
    0) theirs="$theirs $(echo "$line" | ms)" ;;
    77) python='' ;; # it said why: PyTorch is not there
    *) exit 1 ;;
    esac
done
median() { tr ' ' '\n' | grep . | sort -n | sed -n 3p; }
a=$(echo "$ours" | median)
if [ -n "$theirs" ]; then
    b=$(echo "$theirs" | median)
    echo "tleg $a ms, torch $b ms, ratio $(awk "BEGIN { printf \"%.3f\", $a / $b }")"
else
    echo "tleg $a ms; torch: skipped"
fi
