#!/usr/bin/env python3
"""Measures the claims of the learngene paper with libtleg.

    python3 examples/paper/paper.py plan                         the runs and the hours that they take
    python3 examples/paper/paper.py prepare --archives DIR       unpacks the data sets
    python3 examples/paper/paper.py record --teacher COMMAND     what a teacher says, for `run --recorded`
    python3 examples/paper/paper.py run --minutes 600            makes what is missing, most telling first
    python3 examples/paper/paper.py tables                       tables and charts from the results
    python3 examples/paper/paper.py smallest                     repeats the three smallest rows, and compares

README.md beside this file says more. Needs Python alone, and numpy for the mimetic start."""
import importlib.util
import os
import shutil
import sys
from pathlib import Path

sys.dont_write_bytecode = True
import alike  # noqa: E402
import data  # noqa: E402
import driver  # noqa: E402
import plan  # noqa: E402
import runner  # noqa: E402
import tables  # noqa: E402

HERE = Path(__file__).resolve().parent


def check_numpy(maker, runs):
    """Before hours are spent on what comes first."""
    needing = [name for name, run in runs.items() if run.start == "mimetic" and not maker.result(name).exists()]
    if needing and not importlib.util.find_spec("numpy"):
        raise runner.Failed(f"{needing[0]}: the mimetic start needs numpy, which {sys.executable} does not have: "
                            "install it (Debian: python3-numpy), or leave the run out by --only")


def make_runs(settings, options):
    runs = plan.smallest(settings) if options.smallest else driver.chosen(plan.make(settings), options.only)
    maker = runner.Maker(settings, options, plan.make(settings))
    check_numpy(maker, runs)
    return driver.make_runs(maker, runs)


def top1(result):
    """In words; where a run was not made, that."""
    return f"{100 * alike.read(result)['top1']:.2f} %" if result.exists() else "not run yet"


def repeat_smallest(settings, options):
    """Makes the smallest rows anew, beside the results, and compares. A repetition that is whole makes room for the next."""
    kept, options.smallest = Path(options.results), True
    options.work = os.path.join(options.work, "smallest")
    options.results = os.path.join(options.work, "results")
    found = {name: Path(options.results) / f"{name}.json" for name in plan.smallest(settings)}
    if all(result.exists() for result in found.values()):
        shutil.rmtree(options.work)
    code = make_runs(settings, options)
    for name, run in plan.smallest(settings).items():
        if run.kind != "learn":
            print(f"{name}: {top1(found[name])}, in the tables {top1(kept / f'{name}.json')}")
    return code


def arguments():
    parser = driver.arguments(__doc__, ["plan", "prepare", "record", "run", "tables", "smallest"], HERE, "experiments.md")
    parser.add_argument("--teacher", help="record: a command that answers pictures with logits, as docs/teachers.md describes")
    parser.add_argument("--smallest", action="store_true", help="run: the smallest rows alone")
    parser.add_argument("--recorded", metavar="FILE",
                        help="record, run: the teacher's logits for CIFAR-10's runs; labels alone teach without it")
    return parser.parse_args()


def main():
    options = arguments()
    settings = driver.read_settings(options.settings)
    if options.verb == "plan":
        return driver.show_plan(plan.make(settings), settings, options)
    if options.verb == "prepare":
        return data.prepare(driver.archives(options), Path(options.data))
    if options.verb == "tables":
        return tables.write(settings, Path(options.results), Path(options.docs))
    if options.verb == "record":
        if not options.teacher or not options.recorded:
            raise runner.Failed("record: expected --teacher COMMAND and --recorded FILE")
        return runner.Maker(settings, options, plan.make(settings)).record(options.teacher, options.recorded)
    return (repeat_smallest if options.verb == "smallest" else make_runs)(settings, options)


if __name__ == "__main__":
    driver.end(main)
