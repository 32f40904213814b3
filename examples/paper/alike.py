"""What must not differ between the runs of a table, and how it is told from their files."""
import hashlib
import json

import plan


class Failed(Exception):
    """What went wrong, what was expected, what to do."""


def digest(path):
    """A file's SHA-256, as sha256sum has it."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return found.hexdigest()


def settings_of(run, settings, taught, extra, recording=""):
    """What the names of runs do not say. taught: by a recording, of this digest where it is known, where the data set is; extra: further
    arguments for every training."""
    s = plan.by_recipe(settings, run.recipe)
    taught = taught and s["datasets"][run.data].get("taught")
    said = {"model": s["model"], "pictures": s["pictures"], "train": s["train"], "learn": [s["gene_depths"], *s["learn"]],
            "data": s["datasets"][run.data], "taught": s["taught"] if taught else [], "extra": extra, "needs": list(run.needs)}
    said |= {"recording": recording} if taught and recording else {}
    return json.loads(json.dumps(said))  # as a file has it


def difference(made, now):
    """The first setting that is not as now, in words; "" where all are. Older files do not know their recording."""
    for key in now:
        if made.get(key) != now[key] and (key in made or key != "recording"):
            return f"expected {key} = {now[key]}, found {made.get(key)}"
    return ""


def read(path):
    """The result of a run."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Failed(f"{path}: expected the JSON of a run, found other text ({error}); remove the file") from None
    if not isinstance(result, dict) or not isinstance(result.get("settings"), dict):
        raise Failed(f"{path}: expected the JSON of a run, found one without its settings; remove the file")
    return result


def check(path, result, now):
    """A result that was made with other settings is an error."""
    differs = difference(result["settings"], now)
    if differs:
        raise Failed(f"{path}: made with other settings: {differs}; give another --results, or remove the file")
