#!/bin/sh
# A generator's answer and an optimiser step, ours against PyTorch's, in turn, three times each: medians of the milliseconds, and their
# ratios; the elastic form against the stored one.
#     sh bench/draw.sh BUILD [THREADS]        BUILD: a build tree with bench/bench_draw
# PyTorch is that of the interpreter PYTHON (/usr/bin/python3; Debian: python3-torch). Without it, ours alone is timed.
set -eu
if [ $# -lt 1 ] || [ ! -x "$1/bench/bench_draw" ]; then
    sed -n 's/^#  *sh /usage: /p' "$0" >&2
    exit 2
fi
build=$1 threads=${2:-1}
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
# The two variables name a processor to OpenBLAS, which halves PyTorch where they are set; its own threads must be ours.
torch() { env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS="$threads" OMP_NUM_THREADS="$threads" "$python" "$here/draw_torch.py" "$@"; }
for _ in 1 2 3; do
    for dtype in f32 bf16; do
        for batch in 1 8; do
            "$build/bench/bench_draw" "$threads" $dtype $batch | tee -a "$lines"
            [ -z "$python" ] || torch "$threads" $dtype $batch | tee -a "$lines" || python=''
        done
    done
done
python3 - "$lines" <<'TABLE'
import json, statistics, sys
runs = {}
for line in map(json.loads, open(sys.argv[1])):
    if "ms" in line:
        runs.setdefault((line["dtype"], line["batch"]), {}).setdefault((line["peer"], line["what"]), []).append(line)
print("\n| what | dtype | batch | libtleg | share | elastic / stored | PyTorch | ours / PyTorch |\n|---|---|---|---|---|---|---|---|")
for (dtype, batch), by in runs.items():
    ms = {key: statistics.median(run["ms"] for run in those) for key, those in by.items()}
    share = {key: statistics.median(run.get("peak_share", 0) for run in those) for key, those in by.items()}
    for what in ("noise", "step"):
        ours, theirs = ms.get(("tleg", what)), ms.get(("torch", what))
        if not ours:
            continue
        elastic = ms.get(("tleg", "noise, elastic")) if what == "noise" else None
        print(f"| {what} | {dtype} | {batch} | {ours:.1f} | {share[('tleg', what)]:.2f} | {f'{elastic / ours:.2f}' if elastic else ''} "
              f"| {f'{theirs:.1f}' if theirs else ''} | {f'{ours / theirs:.2f}' if theirs else ''} |")
TABLE
