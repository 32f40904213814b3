"""Reads what compare.sh kept and prints it as tables, with ratios to the fastest peer and the goals:   tables.py FILE"""
import json
import os
import sys
from collections import defaultdict

SIZES = ("tiny", "small", "base")
CELLS = [(m, b) for m in SIZES for b in (1, 8)]
SHARES = {"tiny": 0.78, "small": 0.84, "base": 0.88}


def median(values):
    values = sorted(values)
    return values[len(values) // 2] if len(values) % 2 else sum(values[len(values) // 2 - 1 : len(values) // 2 + 1]) / 2


def read(path):
    """Of runs, and of starts: {(peer, model, dtype, batch, threads): {figure: median over the rounds}}; then {peer: what it is},
    {peer: why it was skipped}"""
    runs, starts = (defaultdict(lambda: defaultdict(list)) for _ in range(2))
    versions, skipped = {}, {}
    with open(path, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            peer = line["peer"]
            if "skipped" in line:
                skipped[peer] = line["skipped"]
                continue
            versions[peer] = line.get("version", line.get("level", "")) or versions.get(peer, "")
            key = (peer, line["model"], line.get("dtype", "f32"), line["batch"], line["threads"])
            for figure, value in line.items():
                if isinstance(value, (int, float)):
                    (starts if "ms_open" in line else runs)[key][figure].append(value)
    medians = [{key: {figure: median(values) for figure, values in figures.items()} for key, figures in rounds.items()}
               for rounds in (runs, starts)]
    return *medians, versions, {peer: why for peer, why in skipped.items() if peer not in versions}


def table(head, rows):
    rows = [head] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for i, row in enumerate(rows):
        print("| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths)) + " |")
        if i == 0:
            print("|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|")
    print()


def number(figures, name, digits):
    return f"{figures[name]:.{digits}f}" if figures and name in figures else "-"


def verdict(ratio, goal):
    return "-" if ratio is None else f"{ratio:.2f}" + ("" if ratio <= goal else f" (goal {goal:.2f})")


def divide(a, b):
    return a["ms"] / b["ms"] if a and b else None


def fastest(data, model, dtype, batch, threads):
    """The fastest peer of a cell: its name and its figures, or None."""
    cell = [(figures["ms"], key[0], figures) for key, figures in data.items()
            if key[1:] == (model, dtype, batch, threads) and not key[0].startswith("tleg")]
    return min(cell, key=lambda c: c[0])[1:] if cell else ("-", None)


def cells(data, dtype):
    peers = sorted({key[0] for key in data if key[2] == dtype and key[1] in SIZES and not key[0].startswith("tleg")})
    rows = []
    for threads in (1, 2):
        for model, batch in CELLS:
            own = data.get(("tleg", model, dtype, batch, threads))
            others = [data.get((peer, model, dtype, batch, threads)) for peer in peers]
            if not own and not any(others):
                continue
            name, best = fastest(data, model, dtype, batch, threads)
            row = [model, batch, threads, number(own, "ms", 2), number(own, "peak_share", 3)]
            row += [number(other, "ms", 2) for other in others] + [name, verdict(divide(own, best), 1)]
            if dtype == "bf16":
                _, plain = fastest(data, model, "f32", batch, threads)
                row += [verdict(divide(own, plain), 0.5), verdict(divide(own, data.get(("tleg", model, "f32", batch, threads))), 1)]
            rows.append(row)
    if rows:
        print(f"## {dtype}: milliseconds a batch, and ours / the fastest peer\n")
        more = ["/ fastest f32 peer", "/ our f32"] if dtype == "bf16" else []
        table(["model", "batch", "threads", "tleg", "share"] + peers + ["fastest", "ratio"] + more, rows)


def shares(data):
    rows = [[model, batch, number(data[key], "peak_share", 3), SHARES[model]] for model, batch in CELLS
            if "peak_share" in data.get(key := ("tleg", model, "f32", batch, 1), {})]
    if rows:
        print("## Share of the FMA peak, f32, one thread\n")
        table(["model", "batch", "share", "goal"], rows)


def scaling(data):
    rows = []
    for peer, dtype in sorted({(key[0], key[2]) for key in data if key[3]}):
        for model, batch in CELLS:
            ratio = divide(data.get((peer, model, dtype, batch, 2)), data.get((peer, model, dtype, batch, 1)))
            if ratio and peer == "tleg":
                rows.append([model, dtype, batch, verdict(ratio, 0.55 if batch == 8 else 0.6)])
    if rows:
        print("## Two threads / one thread\n")
        table(["model", "type", "batch", "ratio"], rows)


def elastic(data):
    rows = []
    for (peer, model, dtype, batch, threads), formed in data.items():
        if peer == "tleg-elastic":
            stored = data.get(("tleg-stored", model, dtype, batch, threads))
            rows.append([model, threads, number(formed, "ms", 2), number(stored, "ms", 2), verdict(divide(formed, stored), 1.15)])
    if rows:
        print("## Elastic / materialised, batch 1\n")
        table(["model", "threads", "elastic", "materialised", "ratio"], rows)


def start(starts):
    rows = []
    for (peer, model, dtype, batch, threads), own in starts.items():
        if peer == "tleg-start":
            name, best = fastest(starts, model, dtype, batch, threads)
            rows.append([model, threads, number(own, "ms", 1), number(best, "ms", 1), name, verdict(divide(own, best), 0.25)])
    if rows:
        print("## From the file to the first logits, ms\n")
        table(["model", "threads", "tleg", "peer", "fastest", "ratio"], rows)


def train(data):
    """The training step of train.c."""
    steps = {(key[0], key[4]): figures for key, figures in data.items() if key[1] == "cifar-train"}
    rows = []
    for threads in sorted({threads for _, threads in steps}):
        own = steps.get(("tleg", threads))
        others = sorted((figures["ms"], peer, figures) for (peer, t), figures in steps.items() if t == threads and peer != "tleg")
        for _, peer, figures in others or [(None, "-", None)]:
            rows.append([threads, number(own, "ms", 1), number(own, "peak_share", 3), peer, number(figures, "ms", 1), verdict(divide(own, figures), 1)])
    if rows:
        print("## Training step, f32 (goal: a share of 0.65 at one thread)\n")
        table(["threads", "tleg", "share", "peer", "ms", "ratio"], rows)


def about(data, versions, skipped):
    """The machine, as the command measured it, and who took part."""
    own = [figures for figures in data.values() if "copy_gbytes_per_s" in figures]
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    print(f"{names[0] if names else 'processor'}, {os.cpu_count()} cores; ", end="")
    for dtype in ("f32", "bf16"):
        peaks = [figures["peak_gflops"] for key, figures in data.items() if "peak_gflops" in figures and key[2] == dtype]
        if peaks:
            print(f"one core's peak for {dtype} {median(peaks):.0f} GFLOP/s; ", end="")
    if own:
        print(f"copy {median([figures['copy_gbytes_per_s'] for figures in own]):.0f} GB/s")
    print(", ".join(f"{peer} {version}".strip() for peer, version in sorted(versions.items())))
    for peer, why in sorted(skipped.items()):
        print(f"skipped {peer}: {why}")
    print()


data, starts, versions, skipped = read(sys.argv[1])
about(data, versions, skipped)
for kind in ("f32", "bf16"):
    cells(data, kind)
for part in (shares, scaling, elastic, train):
    part(data)
start(starts)
