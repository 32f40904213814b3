#!/usr/bin/env python3
"""Measures how well generators tell noise after equal steps, from scratch, from learngenes, and from a trained model's layers.

    python3 examples/generation/compare.py plan                  the runs and the hours that they take
    python3 examples/generation/compare.py prepare --archives DIR   unpacks the pictures
    python3 examples/generation/compare.py run --minutes 60      makes what is missing, seed by seed
    python3 examples/generation/compare.py tables                the table of docs/generation.md from the results

README.md beside this file says more. Needs Python alone."""
import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "paper"))
import data  # noqa: E402
import driver  # noqa: E402
import plan  # noqa: E402
import runner  # noqa: E402
import starts  # noqa: E402
import tables  # noqa: E402


class Drawer(runner.Maker):
    """Learns generators, which are judged by the noise that they tell."""

    measure = "told"

    def score(self, path, run, depths):
        """Nothing beforehand: what a gene tells before the first step is the last line of its own log."""
        return {}


def make_plan(settings):
    """{name: Run}: all starts of a seed, each after the gene or the model that it needs, which learn for as many epochs."""
    planner = plan.Planner(settings)
    for seed in settings["seeds"]:
        for start in settings["compared"]:
            planner.tune(settings["source"], start, settings["depth"], settings["epochs"], seed)
    return planner.runs


def error(told, seeds):
    """The mean squared error, of noise whose variance is 1: the mean of the seeds, and half of their range."""
    if not told:
        return ""
    mean = 1 - sum(told) / len(told)
    if len(told) < seeds:
        return f"{mean:.4f} \\*"
    return f"{mean:.4f}" if seeds == 1 else f"{mean:.4f} ± {(max(told) - min(told)) / 2:.4f}"


def equal_steps(results):
    s = results.settings
    batch = int(s["pictures"][s["pictures"].index("--batch") + 1])
    an_epoch = s["datasets"][s["source"]]["images"] // batch
    rows = []
    for start in s["compared"]:
        tuned = results.find(kind="tune", start=start, depth=s["depth"], epochs=s["epochs"])
        genes = results.find(kind="learn", start=start)
        told = [[result["told_by_epoch"][steps // an_epoch - 1] for result in tuned] for steps in s["steps"]]
        untuned = [result["told_by_depth"][str(s["depth"])] for result in genes]
        stored = tuned[0]["numbers_stored"] if tuned else None
        rows.append([starts.TITLES[start], tables.number(stored), *(error(values, len(s["seeds"])) for values in [untuned, *told])])
    return tables.markdown(["", "numbers stored", "0 steps", *(f"{steps:,}" for steps in s["steps"])], rows)


def write_tables(settings, options):
    results = tables.Results(settings, make_plan(settings), Path(options.results))
    path = Path(options.docs) / "generation.md"
    tables.put(path, {"equal-steps": equal_steps(results)})
    print(f"{path}: {len(results.made)} of {len(results.runs)} runs are in the table")


def main():
    options = driver.arguments(__doc__, ["plan", "prepare", "run", "tables"], HERE, "generation.md").parse_args()
    settings = driver.read_settings(options.settings)
    runs = make_plan(settings)
    if options.verb == "plan":
        return driver.show_plan(runs, settings, options)
    if options.verb == "prepare":
        return data.prepare_one(driver.archives(options), Path(options.data), settings["source"])
    if options.verb == "tables":
        return write_tables(settings, options)
    return driver.make_runs(Drawer(settings, options, runs), driver.chosen(runs, options.only))


if __name__ == "__main__":
    driver.end(main)
