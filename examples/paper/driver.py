"""What the drivers of experiments share: their settings, the choice of runs, the verbs `plan` and `run`, and how they end.

An experiment is a plan ({name: Run}, plan.py), a maker of runs (runner.py) and its tables."""
import argparse
import fnmatch
import json
import math
import os
import sys
from pathlib import Path

import alike
import plan
import runner


def read_settings(path):
    """A settings file; with "like": FILE, that one beside it with what this one says otherwise."""
    said = json.loads(Path(path).read_text(encoding="utf-8"))
    return {**read_settings(Path(path).parent / said.pop("like")), **said} if "like" in said else said


def measured_rate(results):
    """Layer passes a second, the median of the trainings that were made; None before the first."""
    rates = []
    for path in sorted(Path(results).glob("*.json")):
        try:
            result = alike.read(path)
        except alike.Failed:
            continue
        if result.get("seconds"):
            rates.append(result["layer_passes"] / result["seconds"])
    return sorted(rates)[len(rates) // 2] if rates else None


def chosen(runs, pattern):
    """The runs whose names match, and what they need."""
    names = {name for name in runs if fnmatch.fnmatch(name, pattern)}
    if not names:
        raise runner.Failed(f"--only {pattern}: expected names of `plan`, found none that matches")
    waiting = list(names)
    while waiting:
        needed = set(runs[waiting.pop()].needs) - names
        names |= needed
        waiting += needed
    return {name: run for name, run in runs.items() if name in names}


def show_plan(runs, settings, options):
    runs = chosen(runs, options.only)
    measured = None if options.images_per_second else measured_rate(options.results)
    rate = measured or 12 * (options.images_per_second or settings["images_per_second"])
    source = "measured by the results that are there" if measured else "as given" if options.images_per_second else "assumed"
    print(f"{rate:.0f} layer passes a second ({rate / 12:.0f} images a second at depth 12), {source}\n")
    print(f"{'minutes':>8} {'hours so far':>13}  done  run")
    total = left = 0.0
    for run in runs.values():
        seconds = plan.seconds(run, settings, rate)
        done = (Path(options.results) / f"{run.name}.json").exists()
        total, left = total + seconds, left + (0 if done else seconds)
        print(f"{seconds / 60:8.1f} {total / 3600:13.2f}  {'yes ' if done else '    '}  {run.name}")
    print(f"\n{len(runs)} runs, {total / 3600:.1f} hours; {left / 3600:.1f} hours are left")


def make_runs(maker, runs):
    """The exit code: 0 also where --minutes ended it, or another driver is making the rest; 130 after a signal."""
    try:
        failed, others = maker.run_all(runs)
    except runner.Stopped as stopped:
        left = sum(not maker.result(name).exists() for name in runs)
        print(f"stopped ({stopped}): all is saved, {left} of {len(runs)} runs are left; the same command goes on")
        return 0 if str(stopped) == "time" else 130
    print(f"{len(runs) - len(failed) - len(others)} of {len(runs)} runs are made")
    print("".join([*(f"failed: {name}\n" for name in failed), *(f"left to another driver: {name}\n" for name in others)]), end="")
    return 1 if failed else 0


def above_zero(text):
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
    return value


def arguments(text, verbs, here, page):
    """The options of every driver; here: its folder, page: the file of docs/ that its tables stand in."""
    work, top = f"build/{here.name}", here.parent.parent
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=verbs)
    parser.add_argument("--settings", default=here / "settings.json", help="a file in place of settings.json")
    parser.add_argument("--data", default="data", help="folder of the data sets (data)")
    parser.add_argument("--archives", help="prepare: folder of the archives that are unpacked into --data")
    parser.add_argument("--work", default=work, help=f"models, checkpoints and logs of the runs ({work})")
    parser.add_argument("--results", default=here / "results", help=f"one JSON file a run (examples/{here.name}/results)")
    parser.add_argument("--docs", default=top / "docs", help=f"tables: the folder of {page} (docs)")
    parser.add_argument("--tleg", default="tleg", help="the command (tleg)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for tleg (all cores)")
    parser.add_argument("--minutes", type=above_zero, help="run: end after so long, with everything saved")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="runs of these names of `plan`, and what they need")
    parser.add_argument("--extra", default="", help="run: further arguments for every training, in one word")
    parser.add_argument("--images-per-second", type=above_zero, help="plan: at depth 12, forward and backward")
    parser.set_defaults(recorded=None)
    return parser


def archives(options):
    if not options.archives:
        raise runner.Failed("prepare: expected --archives DIR, the folder of the archives to unpack")
    return Path(options.archives)


def end(main):
    """Runs a driver's main, and ends the program by what became of it."""
    name = Path(sys.argv[0]).name
    try:
        sys.exit(main())
    except runner.Failed as failure:
        sys.exit(f"{name}: {failure}")
    except runner.Stopped as reason:
        print(f"{name}: stopped ({reason}); the same command goes on", file=sys.stderr)
        sys.exit(130)
