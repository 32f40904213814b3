#!/bin/sh
# tools/convert_checkpoint.py: checkpoints as PyTorch writes them become files that tleg reads, and no code in one runs.
# Needs Python alone: the checkpoints are made here, byte for byte as torch.save lays them out.
# usage: convert.sh TLEG [SCRATCH_DIR]      from the top of the source tree; exit 77: no Python
tleg=$1 scratch=$2
[ -x "$tleg" ] || { echo "usage: convert.sh TLEG [SCRATCH_DIR]" >&2; exit 2; }
command -v python3 >/dev/null || { echo "SKIP convert: no python3"; exit 77; }
converter=$PWD/tools/convert_checkpoint.py
case $tleg in /*) ;; *) tleg=$PWD/$tleg ;; esac
if [ -z "$scratch" ]; then
    scratch=$(mktemp -d) || exit 2
    trap 'rm -rf "$scratch"' EXIT
fi
rm -rf "$scratch" && mkdir -p "$scratch" && cd "$scratch" || exit 2

"$tleg" new --dim 24 --heads 3 --image 16 --patch 4 --classes 3 --seed 5 -o gene.st >/dev/null || exit 1
"$tleg" new --dim 24 --heads 3 --image 16 --patch 4 --classes 3 --seed 6 -o other.st >/dev/null || exit 1
"$tleg" expand gene.st --depth 3 --norm after-pool -o model.st >/dev/null || exit 1

cat >make.py <<'END'
"""Checkpoints as torch.save writes them: a zip archive with a pickle that refers to the numbers by key."""
import argparse, collections, io, json, os, pickle, struct, sys, types, zipfile

torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules.update({"torch": torch, "torch._utils": utils})

def _rebuild_tensor_v2(*arguments):
    raise AssertionError("only named, never called")

_rebuild_tensor_v2.__module__ = "torch._utils"
utils._rebuild_tensor_v2 = _rebuild_tensor_v2
torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})

class Storage:
    def __init__(self, key, count): self.key, self.count = key, count

class Tensor:
    def __init__(self, storage, offset, shape, stride): self.arguments = (storage, offset, shape, stride, False, {})
    def __reduce__(self): return _rebuild_tensor_v2, self.arguments

class Call:
    """What an attacker writes: reading it would call a function."""
    def __reduce__(self): return os.system, ("touch was-run",)

class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        if isinstance(thing, Storage): return "storage", torch.FloatStorage, thing.key, "cpu", thing.count

def load(path):
    data = open(path, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size]); header.pop("__metadata__")
    return {name: (entry["shape"], data[8 + size:][slice(*entry["data_offsets"])]) for name, entry in header.items()}

class Checkpoint:
    def __init__(self): self.entries = []
    def weights(self, path, prefix=""):
        out = collections.OrderedDict()
        for name, (shape, data) in load(path).items():
            stride = [1] * len(shape)
            for i in range(len(shape) - 1, 0, -1): stride[i - 1] = stride[i] * shape[i]
            self.entries.append(bytes(8) + data)      # two numbers of something else before it
            out[prefix + name] = Tensor(Storage(str(len(self.entries) - 1), len(data) // 4 + 2), 2, tuple(shape), tuple(stride))
        return out
    def save(self, path, thing):
        text = io.BytesIO(); Pickler(text, 2).dump(thing)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", text.getvalue())
            for i, entry in enumerate(self.entries): archive.writestr(f"archive/data/{i}", entry)

c = Checkpoint(); c.save("plain.pth", {"model": c.weights("gene.st"), "epoch": 3})
c = Checkpoint(); c.save("ema.pth", {"model": c.weights("gene.st", "module."), "model_ema": c.weights("other.st")})
c = Checkpoint(); c.save("bare.pth", c.weights("model.st"))
c = Checkpoint(); c.save("args.pth", {"model": c.weights("gene.st"), "args": argparse.Namespace(lr=5e-4, batch=128)})
c = Checkpoint(); c.save("call.pth", {"model": c.weights("gene.st"), "x": Call()})
c = Checkpoint(); w = c.weights("gene.st"); w["norm.bias"].arguments = (Storage("0", 9), 5, (24,), (1,), False, {}); c.save("beyond.pth", {"model": w})
c = Checkpoint(); c.save("none.pth", {"epoch": 3})
zipfile.ZipFile("other.zip", "w").writestr("readme.txt", "no checkpoint")
open("text.pth", "w").write("no checkpoint\n")
open("cut.pth", "wb").write(open("plain.pth", "rb").read()[:3000])
END
python3 make.py || exit 1

failures=0
fail() {
    failures=$((failures + 1))
    echo "FAIL $1"
    sed 's/^/     /' said
}
# same FILE OTHER: the same tensors in both, whatever else the files say.
same() {
    python3 - "$1" "$2" <<'END' || fail "$1 and $2 differ"
import json, struct, sys
def load(path):
    data = open(path, "rb").read(); size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size]); header.pop("__metadata__")
    return {name: (entry["shape"], data[8 + size:][slice(*entry["data_offsets"])]) for name, entry in header.items()}
sys.exit(load(sys.argv[1]) != load(sys.argv[2]))
END
}
convert() {
    python3 "$converter" "$@" >said 2>&1 || fail "converting $1"
}
refuse() {
    file=$1 text=$2
    rm -f out.st
    python3 "$converter" "$file" -o out.st >said 2>&1 && fail "$file was accepted"
    grep -qF -e "$text" said || fail "no \"$text\" about $file"
    [ ! -e out.st ] || fail "$file left a file behind"
}

convert plain.pth -o out.st --heads 3
same out.st gene.st
"$tleg" info out.st >said 2>&1 || fail "tleg does not read what came of plain.pth"
convert args.pth -o out.st
same out.st gene.st
convert ema.pth -o out.st
same out.st gene.st
grep -qF -e "--ema" said || fail "no word about the moving average"
convert ema.pth -o out.st --ema
same out.st other.st
printf 'cat\nαβ "x"\nфото\n' >labels.txt
convert bare.pth -o out.st --heads 3 --labels labels.txt --mean 0.5,0.5,0.5 --std 0.25,0.25,0.25
same out.st model.st
"$tleg" info out.st --json >said 2>&1
for text in '"kind":"vit"' '"depth":3' '"eps":1e-6' '"labels":["cat","αβ \"x\"","фото"]' '"std":[0.25,0.25,0.25]'; do
    grep -qF -e "$text" said || fail "no $text"
done
convert plain.pth -o out.st --heads 3 --depths 16,3-11,12
same out.st gene.st
"$tleg" info out.st >said 2>&1
grep -qF -e "learned at    3-12,16" said || fail "the depths are lost"
for wrong in 0 4-3 1025 3- 3.0 x; do
    python3 "$converter" plain.pth -o out.st --depths "$wrong" >said 2>&1 && fail "--depths $wrong was accepted"
    grep -qF -e "such as 3-12" said || fail "no word about --depths $wrong"
done
refuse call.pth "posix.system"
[ ! -e was-run ] || fail "the call in call.pth was run"
refuse beyond.pth "beyond its storage"
refuse none.pth "epoch"
refuse other.zip "no checkpoint of weights"
refuse text.pth "no PyTorch checkpoint"
refuse cut.pth "cut.pth"
refuse missing.pth "missing.pth: No such file"

[ $failures -eq 0 ] || exit 1
echo "the converter: checkpoints convert, and none runs code"
