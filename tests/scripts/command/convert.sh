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
import argparse, collections, io, json, os, pickle, struct, sys, tarfile, types, zipfile

torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules.update({"torch": torch, "torch._utils": utils})

def _rebuild_tensor_v2(*arguments):
    raise AssertionError("only named, never called")

_rebuild_tensor_v2.__module__ = "torch._utils"
utils._rebuild_tensor_v2 = _rebuild_tensor_v2
def _rebuild_parameter_with_state(*arguments):
    raise AssertionError("only named, never called")

_rebuild_parameter_with_state.__module__ = "torch._utils"
utils._rebuild_parameter_with_state = _rebuild_parameter_with_state

class Parameter:
    """One with attributes of its own, as Megatron writes them."""
    def __init__(self, data): self.data = data
    def __reduce__(self): return _rebuild_parameter_with_state, (self.data, True, collections.OrderedDict(), {"shared": True})

class Type:
    __module__ = "torch"
    def __reduce__(self): return "int64"

torch.int64 = Type()
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
c = Checkpoint(); w = c.weights("gene.st"); w["norm.bias"] = Parameter(w["norm.bias"]); c.save("attribute.pth", {"model": w, "args": {"dtype": torch.int64}})
c = Checkpoint(); c.save("call.pth", {"model": c.weights("gene.st"), "x": Call()})
c = Checkpoint(); w = c.weights("gene.st"); w["norm.bias"].arguments = (Storage("0", 9), 5, (24,), (1,), False, {}); c.save("beyond.pth", {"model": w})
c = Checkpoint(); c.save("none.pth", {"epoch": 3})

# ---- what is damaged, or means harm ----
def made(path, change):
    c = Checkpoint(); w = c.weights("gene.st"); change(c, w); c.save(path, {"model": w})
def shorten(c, w): c.entries[3] = c.entries[3][:-4]
def repeat(c, w): w["norm.bias"].arguments = (Storage("0", 9), 0, (32768, 16384), (0, 0), False, {})
def name(text): return lambda c, w: w.__setitem__(text, w["norm.bias"])
def copies(c, w): w.update({f"copy.{i}": w["pos_embed"] for i in range(9999)})
made("short.pth", shorten); made("repeat.pth", repeat); made("meta.pth", name("__metadata__")); made("copies.pth", copies)
made("half.pth", name("a\udc80")); made("control.pth", lambda c, w: w.__setitem__("a\x1b[2J\u202e", 1))
def rezip(path, source, change):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist(): change(new, info.filename, old.read(info))
rezip("gone.pth", "plain.pth", lambda z, name, data: name.endswith("/5") or z.writestr(name, data))
rezip("bomb.pth", "plain.pth", lambda z, name, data: z.writestr(name, data, zipfile.ZIP_DEFLATED))
rezip("order.pth", "plain.pth", lambda z, name, data: z.writestr(name, data))
with zipfile.ZipFile("order.pth", "a") as z: z.writestr("archive/byteorder", b"l" * (1 << 20))
with zipfile.ZipFile("memo.pth", "w") as z: z.writestr("archive/data.pkl", b"\x80\x02}r\xff\xff\xff\x3f.")
data = bytearray(open("plain.pth", "rb").read()); data[data.index(b"archive/data/9") + 40] ^= 1; open("spoilt.pth", "wb").write(data)
with tarfile.open("tar.pth", "w") as tar:
    link = tarfile.TarInfo("\u0080x"); link.type = tarfile.SYMTYPE; link.linkname = "/etc/hostname"; tar.addfile(link)
open("old.pth", "wb").write(pickle.dumps(0x1950a86a20f9469cfc6c, 2) + pickle.dumps(1001, 2))
os.makedirs("fake/torch"); open("fake/torch/__init__.py", "w").write("__version__ = '2.9.1+cpu'\ndef load(*_, weights_only=None): open('was-run', 'w')\n")
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
    for part in *.tmp; do [ ! -e "$part" ] || fail "$file left $part behind"; done
}

convert plain.pth -o out.st --heads 3
same out.st gene.st
"$tleg" info out.st >said 2>&1 || fail "tleg does not read what came of plain.pth"
convert args.pth -o out.st
same out.st gene.st
convert attribute.pth -o out.st
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

# What is wrong is found before memory is taken or a byte is written.
# shellcheck disable=SC3045 # where there is no such limit, only less is tested
ulimit -v 2000000 2>/dev/null
refuse short.pth "archive/data/3: "
refuse gone.pth "archive/data/5: is not in the archive"
refuse repeat.pth "repeats the 9 numbers of its storage"
refuse copies.pth "those of a file of"
refuse bomb.pth "is compressed or encrypted"
refuse order.pth "big-endian"
refuse memo.pth "it holds no names"
refuse meta.pth "a weight cannot be named '__metadata__'"
refuse half.pth "a weight cannot be named"
refuse spoilt.pth "Bad CRC-32"
refuse tar.pth "a tar archive"
PYTHONPATH=fake refuse old.pth "PyTorch 2.9.1+cpu does not read safely; 2.10 or later does"
[ ! -e was-run ] || fail "a PyTorch with a hole read old.pth"
convert control.pth -o out.st
grep -qF 'left out, no floating-point tensors: a?[2J?' said || fail "controls in a name reach the terminal"

# The file that is written takes the place of the former one as a whole, with its mode, where a link points; a file of another's
# with the name of ours is left alone.
printf x >private.st && chmod 600 private.st && ln -s private.st link.st
convert plain.pth -o link.st
[ -L link.st ] && [ "$(stat -c %a private.st)" = 600 ] || fail "mode or link of the former file is lost"
same link.st gene.st
# shellcheck disable=SC2016 # the pid is that shell's, which becomes the converter
sh -c 'echo mine >own.st.$$.tmp; exec python3 "$1" plain.pth -o own.st' sh "$converter" >said 2>&1 && fail "another's file was taken"
[ "$(cat own.st.*.tmp)" = mine ] && [ ! -e own.st ] || fail "a file that is not the converter's was removed"
grep -qF "File exists" said || fail "no word about another's file"

[ $failures -eq 0 ] || exit 1
echo "the converter: checkpoints convert, and none runs code"
