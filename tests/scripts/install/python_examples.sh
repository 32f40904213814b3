#!/bin/sh
# The programs of examples/python: a teacher in Python, and a PyTorch network as one.   python_examples.sh SHARED-LIBRARY
case $1 in /*) TLEG_LIBRARY=$1 ;; *) TLEG_LIBRARY=$PWD/$1 ;; esac
export TLEG_LIBRARY PYTHONPATH="$PWD/examples/python" PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# with MODULES: the first python3 that has them all.
with() {
    for python in python3 /usr/bin/python3; do
        "$python" -c "import $1" 2>/dev/null && return 0
    done
    return 1
}

with numpy || { echo "SKIP python_examples: no python3 with numpy"; exit 77; }
"$python" tests/consumers/teacher.py || exit 1

with 'numpy, torch, PIL' || { echo "SKIP python_examples: no python3 with torch and PIL"; exit 77; }
"$python" examples/python/distill_from_torch.py --epochs 6 --teacher-epochs 2 --dim 32 --depths 1-2 \
    --save-teacher "$scratch/teacher.pt" -o "$scratch/gene.st" >"$scratch/out" || exit 1
cat "$scratch/out"
sed -n 's/^epoch [0-9]*: loss //p' "$scratch/out" |
    awk 'NR == 1 { first = $1 } { last = $1 } END { exit !(NR == 6 && last < first * 0.9) }' ||
    { echo "the loss does not fall"; exit 1; }
[ -s "$scratch/gene.st" ] || exit 1
# The same seed and the same teacher: the same learngene.
"$python" examples/python/distill_from_torch.py --epochs 2 --dim 32 --depths 1-2 --threads 2 --teacher "$scratch/teacher.pt" \
    -o "$scratch/a.st" >/dev/null &&
    "$python" examples/python/distill_from_torch.py --epochs 2 --dim 32 --depths 1-2 --teacher "$scratch/teacher.pt" \
        -o "$scratch/b.st" >/dev/null && cmp "$scratch/a.st" "$scratch/b.st"
