#!/bin/sh
# libtleg and its peers at the same work, in turn, and what came of it against the goals of version 0.2:
#     sh bench/compare.sh BUILD [--models tiny,small,base] [--batches 1,8] [--threads 1,2] [--dtypes f32,bf16] [--parts cells,elastic,start,train]
#                         [--rounds 3] [--seconds 1] [--out FILE] [--quiet]
# BUILD: a release build tree with the command tleg. FILE (BUILD/compare.jsonl): one JSON object a measurement; lines that are there
# already count too, so that a long comparison can be made in pieces. --quiet: no tables yet. The Python interpreters that have the peers
# are named in PYTHONS ("python3" when unset); a peer that is not installed is skipped by name. See bench/peers/README.md.
set -eu
usage() { sed -n 's/^#  *sh /usage: /p; s/^#   *\[--r/       [--r/p' "$0" >&2; exit 2; }
if [ $# -lt 1 ] || [ ! -d "$1" ]; then usage; fi
build=$(cd "$1" && pwd) here=$(cd "$(dirname "$0")" && pwd)
shift
models=tiny,small,base batches=1,8 threads=1,2 dtypes=f32,bf16 parts=cells,elastic,start,train rounds=3 seconds=1 out=$build/compare.jsonl tables=1
while [ $# -gt 0 ]; do
    case $1 in --quiet) tables=; shift; continue ;; esac
    [ $# -ge 2 ] || usage
    case $1 in
    --models) models=$2 ;; --batches) batches=$2 ;; --threads) threads=$2 ;; --dtypes) dtypes=$2 ;; --parts) parts=$2 ;;
    --rounds) rounds=$2 ;; --seconds) seconds=$2 ;; --out) out=$2 ;; *) usage ;;
    esac
    shift 2
done
# These name another processor to OpenBLAS and halve it.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
tleg=$build/tools/tleg files=$build/compare pythons=${PYTHONS:-python3}
mkdir -p "$files"
list() { echo "$1" | tr ',' ' '; }
wanted() { case ",$parts," in *",$1,"*) ;; *) return 1 ;; esac }
for part in start train; do # these need a program of the build beside the command
    if wanted $part && [ ! -x "$build/bench/bench_$part" ]; then
        echo "skipped $part: $build/bench/bench_$part is not there (configure with -DTLEG_BENCH=ON)" >&2
        parts=$(list "$parts" | tr ' ' '\n' | grep -vx $part | paste -sd, -)
    fi
done

for model in $(list "$models"); do
    [ -f "$files/$model.gene" ] || "$tleg" new --arch "$model" --image 224 --patch 16 --classes 1000 -o "$files/$model.gene" >/dev/null
    for dtype in $(list "$dtypes"); do
        [ -f "$files/$model.$dtype" ] ||
            "$tleg" expand "$files/$model.gene" --depth 12 --timm --dtype "$dtype" -o "$files/$model.$dtype" >/dev/null
    done
done

# named PEER MODEL COMMAND...: runs it and keeps its line under these names.
named() {
    peer=$1 model=$2
    shift 2
    line=$("$@")
    echo "$line" | sed "s/^{/{\"peer\": \"$peer\", \"model\": \"$model\", /" >>"$out"
}
# peer PROGRAM OPTIONS...: with every interpreter; a program that lacks its package ends with 77 and is not asked again.
peer() {
    program=$1
    shift
    for python in $pythons; do
        case "$lacking" in *"|$python $program|"*) continue ;; esac
        code=0
        OPENBLAS_NUM_THREADS=$count OMP_NUM_THREADS=$count "$python" "$here/$program.py" "$@" >>"$out" || code=$?
        case $code in
        0) ;;
        77) lacking="$lacking|$python $program|" ;;
        *) exit 1 ;;
        esac
    done
}

lacking=
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    for model in $(list "$models"); do
        for count in $(list "$threads"); do
            if wanted cells; then
                for batch in $(list "$batches"); do
                    for dtype in $(list "$dtypes"); do
                        named tleg "$model" "$tleg" bench "$files/$model.$dtype" --batch "$batch" --threads "$count" --json
                        for program in ort vino pytorch; do
                            peer peers/$program --cache "$files" --model "$model" --batch "$batch" --threads "$count" --dtype "$dtype" --seconds "$seconds"
                        done
                    done
                done
            fi
            if wanted elastic; then
                named tleg-elastic "$model" "$tleg" bench "$files/$model.gene" --depth 12 --timm --threads "$count" --json
                named tleg-stored "$model" "$tleg" bench "$files/$model.f32" --threads "$count" --json
            fi
            if wanted start; then
                named tleg-start "$model" "$build/bench/bench_start" "$files/$model.gene" "$count"
                peer peers/ort --cache "$files" --start --model "$model" --batch 1 --threads "$count"
            fi
        done
    done
    if wanted train; then
        for count in $(list "$threads"); do
            "$build/bench/bench_train" "$count" >>"$out"
            peer train_torch "$count"
        done
    fi
done
[ -z "$tables" ] || exec ${pythons%% *} "$here/peers/tables.py" "$out"
