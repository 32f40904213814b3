"""Makes the runs of a plan with the command tleg: one at a time, each resumable, each with a JSON file of what came out."""
import atexit
import ctypes
import fcntl
import functools
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import alike
import plan
import starts
import tensors
from alike import Failed

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Stopped(BaseException):
    """A signal, or the time is up; everything is saved. No Exception: those cost a run alone."""


class Stopper:
    """Passes SIGTERM, SIGINT and the end of the time on to the command that runs, which saves its state and ends."""

    def __init__(self, minutes=None):
        self.reason = None
        self.child = None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, self.stop)
        if minutes is not None:
            signal.setitimer(signal.ITIMER_REAL, 60 * minutes)
            atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)  # nobody handles it once the interpreter ends

    def stop(self, number, _frame):
        self.reason = "time" if number == signal.SIGALRM else signal.Signals(number).name
        if self.child:
            self.child.terminate()

    def check(self):
        if self.reason:
            raise Stopped(self.reason)


def try_lock(path):
    """Held by this process and the commands that it starts, so that none of a killed driver's is still at work: its number, or None."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def take_lock(folder, patience=60):
    for wait in range(patience + 1):
        lock = try_lock(folder / "lock")
        if lock is not None:
            return lock
        if wait == 0:
            say(f"{folder}: another driver, or a command that it started, is at work here; waiting {patience} s")
        time.sleep(1)
    raise Failed(f"{folder}/lock is held: expected one driver at a time, found another; wait for it or give another --work")


def as_child():
    """A group of its own, for a terminal's Ctrl-C to reach the driver alone; ends with the driver, however that ends."""
    os.setpgid(0, 0)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def write_whole(path, text):
    """The file is there whole, or as it was."""
    partial = f"{path}.{os.getpid()}.part"
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def write_json(path, value):
    write_whole(path, "{\n" + ",\n".join(f'  "{key}": {json.dumps(value[key])}' for key in value) + "\n}\n")


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return os.uname().machine


class Maker:
    """Where things lie, and how tleg is called.

    planned: {name: Run}, the whole plan; measure: what a validation says, as the log's val_MEASURE"""

    measure = "top1"

    def __init__(self, settings, options, planned):
        self.settings, self.options, self.planned = settings, options, planned
        self.command = shutil.which(options.tleg)
        if not self.command:
            raise Failed(f"--tleg {options.tleg}: expected the command tleg, found none of that name")
        self.work, self.results = Path(options.work).resolve(), Path(options.results).resolve()
        for folder in (self.work, self.results / ".locks"):
            folder.mkdir(parents=True, exist_ok=True)
        self.locks = [take_lock(self.work)]
        self.stopper = Stopper(options.minutes)

    # ---- places ----

    def folder(self, name):
        path = self.work / name
        path.mkdir(exist_ok=True)
        return path

    def model(self, name):
        return str(self.work / name / "learned.safetensors")

    def result(self, name):
        return self.results / f"{name}.json"

    def data(self, name):
        """The arguments that name a data set."""
        entry, root = self.settings["datasets"][name], Path(self.options.data)
        judged = ["--val-every", str(entry["val_every"])] if "val_every" in entry else ["--val", str(root / entry["val"])]
        return ["--data", str(root / entry["train"]), *judged]

    def judged(self, name):
        """A folder of the pictures that validate; where they lie among the others, a folder of links."""
        entry, root = self.settings["datasets"][name], Path(self.options.data).resolve()
        if "val" in entry:
            return str(root / entry["val"])
        out = self.work / f"validation-{name}"
        if not out.exists():
            partial = self.work / f"validation-{name}.part"
            shutil.rmtree(partial, ignore_errors=True)
            for folder in sorted(path for path in (root / entry["train"]).iterdir() if path.is_dir()):
                (partial / folder.name).mkdir(parents=True)
                for picture in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name))[:: entry["val_every"]]:
                    (partial / folder.name / picture.name).symlink_to(picture)
            partial.rename(out)
        return str(out)

    def shape(self, run):
        """The arguments of `tleg new` that say what the networks of the experiment are like."""
        pairs = [(f"--{key}", str(value)) for key, value in plan.by_recipe(self.settings, run.recipe)["model"].items()]
        return [word for pair in pairs for word in pair] + ["--classes", str(self.settings["datasets"][run.data]["classes"])]

    def taught(self, run):
        return bool(self.options.recorded and self.settings["datasets"][run.data].get("taught"))

    def alike(self, run):
        """What must not differ between the runs of a table, as it is now."""
        return alike.settings_of(run, self.settings, self.taught(run), self.options.extra, self.recording)

    @functools.cached_property
    def recording(self):
        """The digest of --recorded; "" where it is not there, which tleg says when it is needed."""
        path = self.options.recorded
        return alike.digest(path) if path and os.path.exists(path) else ""

    def source(self, run):
        """The digest of another run's model that a run begins with."""
        return {"source_model": alike.digest(self.model(run.needs[0]))} if run.needs else {}

    def began_alike(self, run, unknown=False):
        """Whether what lies in a run's folder was begun under the settings of now; `unknown` where it does not say."""
        try:
            began = json.loads((self.work / run.name / "start.json").read_text(encoding="utf-8")).get("settings")
        except (OSError, ValueError):
            return unknown
        return unknown if began is None else not alike.difference(began, self.alike(run))

    def has_model(self, run):
        """Whether a run's model is there, and whole: while one learns, its start lies beside it."""
        start = self.work / run.name / "start.safetensors"
        return os.path.exists(self.model(run.name)) and not start.exists() and self.began_alike(run, unknown=True)

    # ---- the command ----

    def tleg(self, *words, log=None):
        """Runs a command to its end; what it prints, or nothing where it goes to `log`."""
        self.stopper.check()
        arguments = [self.command, *words, "--threads", str(self.options.threads)]
        with open(log or os.devnull, "a", encoding="utf-8") as said:
            child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=said if log else subprocess.PIPE,
                                     stderr=subprocess.STDOUT if log else subprocess.PIPE, text=True, pass_fds=self.locks,
                                     preexec_fn=as_child)
            self.stopper.child = child
            if self.stopper.reason:  # it came between the check and here
                child.terminate()
            out, errors = child.communicate()
            self.stopper.child = None
        if child.returncode:
            self.stopper.check()
            raise Failed(f"tleg {' '.join(words)}\nexit code {child.returncode}: {(errors or tail(log)).strip()}")
        return out

    def training(self, run, first, folder):
        """The arguments of `tleg tune` or `tleg distill` for a run that starts from the file `first`."""
        s = plan.by_recipe(self.settings, run.recipe)
        words = [*s["pictures"], *s["train"]]
        if self.taught(run):
            words += ["--recorded", os.path.abspath(self.options.recorded), *s["taught"]]
        which = {"tune": ["tune", first], "grow": ["distill", "--from", first, "--depth", str(run.depth)],
                 "learn": ["distill", "--from", first, "--depths" if "-" in s["gene_depths"] else "--depth", s["gene_depths"],
                           *s["learn"]]}[run.kind]
        if run.kind == "learn":
            words += ["--val-depths", ",".join(str(depth) for depth in s["depths"])]
        return [*which, *self.data(run.data), *words, *self.options.extra.split(), "--epochs", str(run.epochs),
                "--seed", str(run.seed), "--log", str(folder / "log.jsonl"), "--resume", "-o", self.model(run.name)]

    def record(self, teacher, out):
        """What a teacher, a program that `tleg --teacher-command` starts, says in as many epochs as the longest run has."""
        shape = [word for key in ("image", "mean", "std") for word in (f"--{key}", str(self.settings["model"][key]))]
        seed = self.settings["taught"][self.settings["taught"].index("--data-seed") + 1]
        taught = [run for run in self.planned.values() if self.settings["datasets"][run.data].get("taught")]
        epochs = max(run.epochs for run in taught)
        log = self.work / "record.txt"
        self.tleg("record", "--teacher-command", teacher, *self.data("cifar10"), *shape, *self.settings["pictures"],
                  "--epochs", str(epochs), "--seed", seed, "--resume", "-o", out, log=log)
        print(tail(log), end="")

    # ---- runs ----

    def score(self, path, run, depths):
        """{depth: share of the validation pictures that are right}, by `tleg eval`."""
        judged, found = self.judged(run.data), {}
        for depth in depths:
            words = ["eval", path, "--data", judged, "--json"] + (["--depth", str(depth)] if run.kind == "score" else [])
            found[str(depth)] = self.top1(words)
        return found

    def top1(self, words):
        said = self.tleg(*words)
        try:
            return json.loads(said.splitlines()[-1])["top1"]
        except (LookupError, TypeError, ValueError):
            raise Failed(f"tleg {' '.join(words)}: expected a line of JSON with top1, found {said[-80:]!r}") from None

    def start(self, run, folder):
        """The file that a run starts from, made once; numbers stored for it, and its score where it has one before the first step."""
        first, facts = folder / "start.safetensors", folder / "start.json"
        if not first.exists() or not self.began_alike(run):
            begin_anew(folder)
            if run.kind == "tune":
                stored = starts.make(self, run, str(first))
            elif run.kind == "grow":
                shutil.copy(self.model(run.needs[0]), first)
                stored = tensors.count(tensors.read(first)[1])
            else:
                starts.fresh_gene(self, run, str(first))
                stored = 0
            known = run.kind == "tune" and run.needs and run.source == run.data
            before = self.score(str(first), run, [run.depth]) if known else {}
            write_json(facts, {"numbers_stored": stored, f"{self.measure}_before": before.get(str(run.depth)), **self.source(run),
                               "settings": self.alike(run)})
        known = json.loads(facts.read_text(encoding="utf-8"))
        del known["settings"]
        return str(first), known

    def make(self, run):
        """Makes a run, or what is left of it, and writes its JSON file; beside its model where the results have one already."""
        folder = self.folder(run.name)
        result = {"name": run.name, "kind": run.kind, "data": run.data, "start": run.start, "source": run.source,
                  "depth": run.depth, "epochs": run.epochs, "seed": run.seed, "recipe": run.recipe, "gene": run.gene}
        if run.kind == "score":
            gene = self.model(run.needs[0])
            result |= size_of(gene) | self.source(run) | {f"{self.measure}_by_depth": self.score(gene, run, self.settings["score_depths"])}
        else:
            first, facts = self.start(run, folder)
            words = self.training(run, first, folder)
            self.tleg(*words, log=folder / "output.txt")
            result |= facts | size_of(self.model(run.name)) | from_log(folder / "log.jsonl", run, self.measure)
            result |= {"layer_passes": round(plan.layer_passes(run, self.settings)), "command": shown(words, self)}
        result |= {"settings": self.alike(run), "threads": self.options.threads, "processor": processor(),
                   "tleg": self.version(), "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        path = self.result(run.name)
        if path.exists():
            self.compare(run, result, alike.read(path))
            path = folder / "result.json"
        for name in (path.name, f"{run.name}.jsonl"):
            for part in path.parent.glob(f"{name}.*.part"):
                part.unlink()  # of a driver that was killed as it wrote
        if run.kind != "score" and path.parent != folder:
            keep_log(folder / "log.jsonl", path.with_suffix(".jsonl"), self)
        write_json(path, result)
        say(f"    {scores(result, self.measure)}")

    def compare(self, run, result, kept):
        now, then = (100 * made[self.measure] for made in (result, kept))
        say(f"    {run.name}.json stays as it is: {self.measure} {then:.2f} % there, {now:.2f} % now ({now - then:+.2f} points), which is "
            f"written to {self.work / run.name / 'result.json'}")

    def version(self):
        return subprocess.run([self.command, "--version"], capture_output=True, text=True, check=True).stdout.strip()

    def done(self, run):
        """Whether the run's file is there; a Failed where it was made with other settings."""
        path = self.result(run.name)
        if not path.exists():
            return False
        alike.check(path, alike.read(path), self.alike(run))
        return True

    def lacks(self, run, left):
        """Whether a run has no result, or no model though one of `left` needs it."""
        if not self.done(run):
            return True
        needed = any(run.name in other.needs and self.lacks(other, left) for other in left.values())
        return needed and not self.has_model(run)

    def missing(self, runs):
        """What is left, in order, and the names of those whose files are of no use."""
        left, failed = {}, []
        for name, run in reversed(runs.items()):
            try:
                if self.lacks(run, left):
                    left[name] = run
            except (Failed, OSError) as error:
                failed.append(say_failed(name, error))
        return dict(reversed(left.items())), failed[::-1]

    def clear(self, run):
        """Takes away what only a run in the making needs, and a model from which no other run starts."""
        names = ["start.safetensors", "learned.safetensors.checkpoint", "learned.best.safetensors"]
        if not any(run.name in other.needs for other in self.planned.values()):
            names.append("learned.safetensors")
        for name in names:
            (self.work / run.name / name).unlink(missing_ok=True)

    def make_alone(self, run, left):
        """Makes a run, unless another driver of the same results is making its result: then False."""
        lock = None
        if not self.done(run):  # else it is made for its model, which each driver has for itself
            lock = try_lock(self.results / ".locks" / run.name)
            if lock is None:
                say("    another driver is making it: skipped")
                return False
            self.locks.append(lock)
        try:
            if self.lacks(run, left):  # still: another driver may have made it by now
                self.make(run)
                self.clear(run)
        finally:
            if lock is not None:
                self.locks.remove(lock)
                os.close(lock)
        return True

    def run_all(self, runs):
        """Makes all that is not there yet, in order. What failed, and what another driver is making, costs those that need it, no others:
        the names of both."""
        left, failed = self.missing(runs)
        others = []
        for index, run in enumerate(left.values(), 1):
            if any(name in failed for name in run.needs):
                failed.append(run.name)
            elif any(name in others for name in run.needs):
                others.append(run.name)
            else:
                say(f"{index}/{len(left)} {run.name}")
                try:
                    if not self.make_alone(run, left):
                        others.append(run.name)
                except Exception as error:  # of a tool or a file, as KeyError of a log
                    failed.append(say_failed(run.name, error))
        return failed, others


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def say_failed(name, error):
    reason = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
    say(f"FAILED {name}: {reason}")
    return name


def scores(result, measure):
    found = result.get(f"{measure}_by_depth") or {result["depth"]: result[measure]}
    return ", ".join(f"depth {depth}: {100 * share:.1f} %" for depth, share in found.items())


def begin_anew(folder):
    """Takes away all that is there, a model first: a kill in between leaves none that looks whole."""
    (folder / "learned.safetensors").unlink(missing_ok=True)
    shutil.rmtree(folder)
    folder.mkdir()


def tail(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-5:])


def size_of(path):
    return {"numbers": tensors.count(tensors.read(path)[1]), "bytes": os.path.getsize(path)}


def read_log(path):
    """The JSON lines of a training's log, the first of which says how it learns."""
    lines = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            try:
                lines.append(json.loads(line))
            except ValueError:
                raise Failed(f"{path}: expected lines of JSON, found {line[:80]!r}; remove its folder to begin again") from None
    if not lines or "images_per_step" not in lines[0]:
        raise Failed(f"{path}: expected a first line with images_per_step, found none; remove its folder to begin again")
    return lines


def from_log(path, run, measure):
    """What computed, scores by epoch, and the seconds that the steps took, from the JSON lines of a training."""
    lines = read_log(path)
    batch, seconds, last = lines[0]["images_per_step"], 0.0, 0
    for line in lines:
        if "images_per_s" in line and line["images_per_s"] > 0:
            seconds += (line["step"] - last) * batch / line["images_per_s"]
            last = line["step"]
    epochs = {line["epoch"]: line for line in lines if f"val_{measure}" in line}
    if run.epochs not in epochs:
        raise Failed(f"{path}: expected a score after epoch {run.epochs}, found epochs {sorted(epochs)}")
    final = epochs[run.epochs]
    computed = dict.fromkeys(line["computed"] for line in lines if "computed" in line)  # each time that it went on
    result = {"computed": ", then ".join(computed), measure: final[f"val_{measure}"],
              f"{measure}_by_epoch": [epochs[epoch][f"val_{measure}"] for epoch in sorted(epochs)],
              "validated": final["val_images"], "steps": last, "seconds": round(seconds, 3)}
    return result | ({f"{measure}_by_depth": final[f"val_{measure}_by_depth"]} if run.kind == "learn" else {})


def placed(word, maker):
    """A word of a command or a log without this machine's folders."""
    places = {str(maker.work): "WORK", str(Path(maker.options.data)): "DATA"}
    if maker.options.recorded:
        places[os.path.abspath(maker.options.recorded)] = "RECORDING"
    for folder, name in places.items():
        if word == folder or word.startswith(f"{folder}/"):
            return name + word[len(folder):]
    return word


def shown(words, maker):
    return " ".join(["tleg", *(placed(word, maker) for word in words)])


def keep_log(log, path, maker):
    """A training's log beside its result."""
    lines = [{key: placed(value, maker) if isinstance(value, str) else value for key, value in line.items()} for line in read_log(log)]
    write_whole(path, "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
