"""Stands in for the command where the driver of examples/paper is tested: files of the right form, at once, that hold nothing learned.

$HOLD=FILE: a training with half its model written waits for as long as FILE is there.   $SALT: another machine's arithmetic.
$BREAK=FAULT: a training goes wrong; $BREAK_AT=WORD: that alone whose model's path has WORD in it."""
import hashlib
import json
import os
import struct
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../../../examples/paper")
import tensors  # noqa: E402


def drawn(*seeds):
    """64 bytes that follow from the seeds."""
    return hashlib.sha512(repr((seeds, os.environ.get("SALT"))).encode()).digest()


def share(*seeds):
    return drawn(*seeds)[0] / 256


def write(path, dim, layers, *seeds):
    """A file of vectors, one a layer and one outside them."""
    names = ["embedding", *(f"blocks.{layer}.weight" for layer in range(layers))]
    tensors.write(path, {}, {name: ("F32", [dim], (drawn(name, *seeds) * dim)[: 4 * dim]) for name in names})


def new(said):
    layers = len(json.loads(said["--schedule"])["qkv"]) if "--schedule" in said else int(said["--count"])
    write(said["-o"], int(said["--dim"]), layers, said["--seed"], layers)


def changed(first, said, layers=None):
    """A model that follows from a file and from what is said."""
    made = tensors.read(first)[1]
    layers = layers or sum(tensors.layer_of(name) is not None for name in made)
    write(said["-o"], made["embedding"][1][0], layers, sorted(made.items()), layers, said.get("--seed"), said.get("--epochs"))


def lines(first, said, verb):
    """What a training says in its log."""
    data = Path(said["--recorded"]).read_bytes() if "--recorded" in said else b""
    out = [{"verb": verb, "images_per_step": 12, "computed": "f32 at level none"}, {"step": 2, "images_per_s": 50.0, "depth": 2}]
    for epoch in range(1, int(said["--epochs"]) + 1):
        told = [share(Path(first).read_bytes(), data, epoch, depth) for depth in (2, 4)]
        out.append({"epoch": epoch, "val_top1": told[0], "val_images": 9, "val_top1_by_depth": {"2": told[0], "4": told[1]}})
    return [json.dumps(line) for line in out]


def train(first, said, verb):
    fault = os.environ.get("BREAK") if os.environ.get("BREAK_AT", "") in said["-o"] else None
    for name in (said["-o"], f"{said['-o']}.checkpoint"):
        Path(name).write_text("half", encoding="utf-8")
    while os.path.exists(os.environ.get("HOLD", "")):
        time.sleep(0.02)
    changed(first, said)
    Path(said["-o"]).with_suffix(".best.safetensors").write_text("best", encoding="utf-8")
    log = lines(first, said, verb)
    text = {"silent": "", "torn": log[0] + "\n" + log[1][:9], "short": "\n".join(log[:2])}.get(fault, "\n".join(log))
    Path(said["--log"]).write_text(text, encoding="utf-8")
    if fault == "model":
        Path(said["-o"]).write_bytes(struct.pack("<Q", 99) + b"no header")


def main():
    verb, words = sys.argv[1], sys.argv[2:]
    said = dict(zip(words, words[1:]))
    if verb == "--version":
        print("tleg that stands in")
    elif verb == "new":
        new(said)
    elif verb == "expand":
        changed(words[0], said, int(said["--depth"]))
    elif verb == "linearize":
        changed(words[0], said, 2)
        print(json.dumps({key: dict.fromkeys(("qkv", "proj", "fc1", "fc2"), 0.5) for key in ("r2", "unrelated")}))
    elif verb == "info":
        print(json.dumps({"depth": 2}))
    elif verb == "eval":
        print(json.dumps({"top1": share(Path(words[0]).read_bytes(), said.get("--depth"))}))
    else:
        train(said.get("--from", words[0]), said, verb)


main()
