#!/usr/bin/env python3
"""Measures the claims of the learngene paper with libtleg, on two cores.

    python3 examples/paper/paper.py plan                         the runs and the hours that they take
    python3 examples/paper/paper.py prepare --archives DIR       unpacks the data sets
    python3 examples/paper/paper.py record --teacher COMMAND     what a teacher says, for `run --recorded`
    python3 examples/paper/paper.py run --minutes 600            makes what is missing, most telling first
    python3 examples/paper/paper.py tables                       tables and charts from the results
    python3 examples/paper/paper.py smallest                     repeats the two smallest rows, and compares

README.md beside this file says more. Needs Python alone, and numpy for the mimetic start."""
import argparse
import fnmatch
import json
import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True
import data  # noqa: E402
import plan  # noqa: E402
import runner  # noqa: E402
import tables  # noqa: E402

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent


def read_settings(path):
    """A settings file; with "like": FILE, that one beside it with what this one says otherwise."""
    said = json.loads(Path(path).read_text(encoding="utf-8"))
    return {**read_settings(Path(path).parent / said.pop("like")), **said} if "like" in said else said


def measured_rate(results):
    """Layer passes a second, the median of the trainings that were made; None before the first."""
    rates = []
    for path in sorted(Path(results).glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
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


def show_plan(settings, options):
    runs = chosen(plan.make(settings), options.only)
    measured = None if options.images_per_second else measured_rate(options.results)
    rate = measured or 12 * (options.images_per_second or 340)
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


def make_runs(settings, options):
    runs = plan.smallest(settings) if options.smallest else chosen(plan.make(settings), options.only)
    maker = runner.Maker(settings, options)
    try:
        failed = maker.run_all(runs)
    except runner.Stopped as stopped:
        left = sum(not maker.result(name).exists() for name in runs)
        print(f"stopped ({stopped}): all is saved, {left} of {len(runs)} runs are left; the same command goes on")
        return 0 if str(stopped) == "time" else 130
    print(f"{len(runs) - len(failed)} of {len(runs)} runs are made" + "".join(f"\nfailed: {name}" for name in failed))
    return 1 if failed else 0


def repeat_smallest(settings, options):
    """Makes the smallest rows anew, beside the results, and compares."""
    kept, options.smallest = Path(options.results), True
    options.work = os.path.join(options.work, "smallest")
    options.results = os.path.join(options.work, "results")
    code = make_runs(settings, options)
    for name in plan.smallest(settings) if code == 0 else ():
        found = json.loads((Path(options.results) / f"{name}.json").read_text(encoding="utf-8"))["top1"]
        stored = kept / f"{name}.json"
        then = f"{100 * json.loads(stored.read_text(encoding='utf-8'))['top1']:.2f} %" if stored.exists() else "not run yet"
        print(f"{name}: {100 * found:.2f} %, in the tables {then}")
    return code


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["plan", "prepare", "record", "run", "tables", "smallest"])
    parser.add_argument("--settings", default=HERE / "settings.json", help="a file in place of settings.json")
    parser.add_argument("--data", default="data", help="folder of the data sets (data)")
    parser.add_argument("--archives", help="prepare: folder of the archives that are unpacked into --data")
    parser.add_argument("--teacher", help="record: a command that answers pictures with logits, as docs/teachers.md describes")
    parser.add_argument("--work", default="build/paper", help="models, checkpoints and logs of the runs (build/paper)")
    parser.add_argument("--results", default=HERE / "results", help="one JSON file a run (examples/paper/results)")
    parser.add_argument("--docs", default=TOP / "docs", help="tables: the folder of experiments.md (docs)")
    parser.add_argument("--tleg", default="tleg", help="the command (tleg)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for tleg (all cores)")
    parser.add_argument("--minutes", type=float, help="run: end after so long, with everything saved")
    parser.add_argument("--only", default="*", metavar="PATTERN",
                        help="runs of these names, such as 'cifar10-*-d8-*', and what they need")
    parser.add_argument("--smallest", action="store_true", help="run: the smallest rows alone")
    parser.add_argument("--recorded", metavar="FILE",
                        help="record, run: the teacher's logits for CIFAR-10's runs; labels alone teach without it")
    parser.add_argument("--extra", default="", help="run: further arguments for every training, in one word")
    parser.add_argument("--images-per-second", type=float, help="plan: at depth 12, forward and backward")
    return parser.parse_args()


def main():
    options = arguments()
    settings = read_settings(options.settings)
    if options.verb == "plan":
        return show_plan(settings, options)
    if options.verb == "prepare":
        return data.prepare(Path(options.archives), Path(options.data))
    if options.verb == "tables":
        return tables.write(settings, Path(options.results), Path(options.docs))
    if options.verb == "record":
        if not options.teacher or not options.recorded:
            raise runner.Failed("record: expected --teacher COMMAND and --recorded FILE")
        return runner.Maker(settings, options).record(options.teacher, options.recorded)
    return (repeat_smallest if options.verb == "smallest" else make_runs)(settings, options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except runner.Failed as failure:
        sys.exit(f"paper.py: {failure}")
    except runner.Stopped as reason:
        print(f"paper.py: stopped ({reason}); the same command goes on", file=sys.stderr)
        sys.exit(130)
