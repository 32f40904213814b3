"""What the peers' programs share: the models' shapes, the command line, the clock, and the line that a measurement is.

Every program takes   --model tiny,small,base --batch 1,8 --threads 1,2 --dtype f32,bf16 --seconds S   and prints one JSON object
for each combination: {"peer", "version", "model", "dtype", "batch", "threads", "ms", "ms_least", "runs"}. One whose package is not installed
prints {"peer", "skipped"} and ends with code 77.
"""
import argparse
import json
import sys
import time

IMAGE, PATCH, DEPTH, CLASSES = 224, 16, 12, 1000
TOKENS = (IMAGE // PATCH) ** 2
SIZES = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}  # dim, heads
EPS = 1e-6
SKIPPED = 77


def skip(peer, why):
    print(json.dumps({"peer": peer, "skipped": f"{why} ({sys.executable})"}), flush=True)
    sys.exit(SKIPPED)


def arguments(dtypes):
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tiny,small,base")
    parser.add_argument("--batch", default="1,8")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--dtype", default="f32", help="of " + ", ".join(dtypes))
    parser.add_argument("--seconds", type=float, default=1.0, help="to measure for, at least 3 runs")
    parser.add_argument("--cache", default=".", help="folder that the ONNX files are kept in")
    parser.add_argument("--start", action="store_true", help="time from the file to the first logits instead")
    options = parser.parse_args()
    options.model = options.model.split(",")
    options.batch = [int(b) for b in options.batch.split(",")]
    options.threads = [int(t) for t in options.threads.split(",")]
    options.dtype = [d for d in options.dtype.split(",") if d in dtypes]
    return options


def measure(run, seconds):
    """Milliseconds: the median, the least, and how many runs; after one that does not count."""
    run()
    times = []
    while len(times) < 3 or sum(times) < 1e3 * seconds:
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    times.sort()
    return {"ms": round(times[len(times) // 2], 3), "ms_least": round(times[0], 3), "runs": len(times)}


def say(peer, version, model, dtype, batch, threads, figures):
    line = {"peer": peer, "version": version, "model": model, "dtype": dtype, "batch": batch, "threads": threads}
    print(json.dumps(line | figures), flush=True)
