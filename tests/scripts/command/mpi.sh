#!/bin/sh
# Data-parallel training: two ranks with half a batch each learn what one rank learns with the whole; a rank that dies ends the run,
# and the last checkpoint is whole. Skipped where the command was built without MPI, or there is no mpirun.   mpi.sh TLEG ON|OFF
tleg=$1 built=$2
[ -x "$tleg" ] || { echo "usage: mpi.sh TLEG ON|OFF" >&2; exit 2; }
[ "$built" = ON ] || { echo "SKIP mpi: the command is built without TLEG_MPI"; exit 77; }
command -v mpirun >/dev/null || { echo "SKIP mpi: no mpirun here"; exit 77; }
case $tleg in /*) ;; *) tleg=$PWD/$tleg ;; esac
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 2
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 TMPDIR="$scratch"
failures=0

must() {
    "$@" && return
    failures=$((failures + 1))
    echo "FAIL not so: $*"
    tail -n 5 out err
}
ranks() {
    count=$1
    shift
    mpirun --oversubscribe -n "$count" "$tleg" "$@" >out 2>err
}

# IDX files: 80 images of 8 x 8 pixels in two classes.
bytes() {
    printf "$(awk '{ printf "\\%03o", $1 }')"
}
mkdir idx
{
    printf '\000\000\010\003\000\000\000\120\000\000\000\010\000\000\000\010'
    for i in $(seq 1 80); do seq 1 64 | awk -v i="$i" '{ print ($1 * i) % 251 }'; done | bytes
} >idx/train-images-idx3-ubyte
{
    printf '\000\000\010\001\000\000\000\120'
    seq 1 80 | awk '{ print $1 % 2 }' | bytes
} >idx/train-labels-idx1-ubyte

model="distill --data idx --dim 16 --heads 2 --image 8 --patch 4 --depths 2-4 --batch 16 --augment light --log-every 1"
"$tleg" $model --epochs 4 --warmup 0 --lr 1e-3 --log one.json -o one.st >out 2>err
must test $? -eq 0
ranks 2 $model --epochs 4 --warmup 0 --lr 1e-3 --log two.json -o two.st
must test $? -eq 0
# alike A B: the losses of two logs, 20 steps each, differ by at most 1e-5.
alike() {
    for run in "$1" "$2"; do
        sed -n 's/.*"step":\([0-9]*\),.*"loss":\([0-9.e-]*\),.*/\1 \2/p' "$run.json" >"$run.curve"
        must test "$(wc -l <"$run.curve")" -eq 20
    done
    must awk 'NR == FNR { loss[$1] = $2; next }
        { far = loss[$1] - $2; if (far < 0) far = -far; if (far > 1e-5) bad = 1 }
        END { exit bad }' "$1.curve" "$2.curve"
}
alike one two

# With mixup, what one rank computes in two parts is what two ranks compute in one: the same batches are mixed.
mixed="distill --data idx --dim 16 --heads 2 --image 8 --patch 4 --depth 2 --epochs 4 --log-every 1 --recipe deit"
"$tleg" $mixed --batch 8 --accumulate 2 --log parts.json -o parts.st >out 2>err
must test $? -eq 0
ranks 2 $mixed --batch 16 --log shares.json -o shares.st
must test $? -eq 0
alike parts shares
# So they are where a recording says what the teacher said of them.
"$tleg" record --data idx --image 8 --batch 8 --epochs 4 --recipe deit --teacher one.st --teacher-depth 3 -o recording >out 2>err
must test $? -eq 0
"$tleg" $mixed --batch 8 --accumulate 2 --recorded recording --log taught.json -o taught.st >out 2>err
must test $? -eq 0
ranks 2 $mixed --batch 16 --recorded recording --log together.json -o together.st
must test $? -eq 0
alike taught together
ranks 2 $mixed --recorded recording --log unsaid.json -o unsaid.st # batches are as recorded, one for each rank
must test $? -eq 0
must cmp -s together.st unsaid.st
ranks 2 $mixed --batch 8 --recorded recording -o x.st
must test $? -ne 0
must grep -q "recording: recorded with batch 8; here it is 4, in which pictures are mixed" err
ranks 2 $mixed --batch 16 --teacher one.st --teacher-depth 3 --record x -o x.st
must test $? -ne 0
must grep -q "a recording is made by one process" err
ranks 2 distill --data idx --dim 16 --heads 2 --image 8 --patch 4 --depth 2 --batch 15 --epochs 1 -o x.st
must test $? -ne 0
must grep -q "2 ranks share each batch, and must divide it" err

# A rank that dies.
mpirun --oversubscribe -n 2 "$tleg" $model --epochs 100000 --checkpoint-every 1 -o long.st >out 2>err &
launcher=$!
tries=0
while [ ! -s long.st.checkpoint ] && [ $tries -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
sleep 0.3
kill -9 "$(pgrep -P $launcher | tail -n 1)"
wait $launcher
must test $? -ne 0
must test -s err
ranks 2 $model --epochs 100000 --checkpoint-every 1 --resume --limit-steps 1 -o long.st
must test $? -eq 0
must grep -q "resumed: long.st.checkpoint, step" out

if [ $failures -gt 0 ]; then
    echo "$failures checks of data-parallel training failed"
    exit 1
fi
echo "data-parallel training agrees"
