#!/bin/sh
# tleg on checkpoints as PyTorch writes them: verbs take them as they are, tleg convert writes them as safetensors, and no code in
# one runs. Needs Python alone: the checkpoints are made here, byte for byte as torch.save lays them out.
# usage: convert.sh TLEG [SCRATCH_DIR]      from the top of the source tree; exit 77: no Python
tleg=$1 scratch=$2
[ -x "$tleg" ] || { echo "usage: convert.sh TLEG [SCRATCH_DIR]" >&2; exit 2; }
command -v python3 >/dev/null || { echo "SKIP convert: no python3"; exit 77; }
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
open("old.pth", "wb").write(pickle.dumps(0x1950a86a20f9469cfc6c, 2) + pickle.dumps(1001, 2))
zipfile.ZipFile("other.zip", "w").writestr("readme.txt", "no checkpoint")
with tarfile.open("tar.pth", "w") as tar: tar.addfile(tarfile.TarInfo("tensors"))
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
    rm -f out.st
    "$tleg" convert "$@" -o out.st >said 2>&1 || fail "converting $1"
}
said() {
    grep -qF -e "$1" said || fail "no \"$1\" $2"
}
# refuse FILE TEXT [OPTION...]: tleg convert and tleg info say TEXT, and nothing is left.
refuse() {
    file=$1 text=$2
    shift 2
    rm -f out.st
    "$tleg" convert "$file" "$@" -o out.st >said 2>&1 && fail "$file was accepted"
    said "$text" "about $file"
    "$tleg" info "$file" "$@" >said 2>&1 && fail "tleg info accepted $file"
    said "$text" "of tleg info about $file"
    [ ! -e out.st ] || fail "$file left a file behind"
    for part in .tleg-*; do [ ! -e "$part" ] || fail "$file left $part behind"; done
}

# As they are: the answers of a checkpoint are those of the file that was put into it.
python3 - <<'END'
import json, struct
numbers = struct.pack("<1536f", *((i * 7919 % 1000) / 500 - 1 for i in range(1536)))
text = json.dumps({"images": {"dtype": "F32", "shape": [2, 3, 16, 16], "data_offsets": [0, len(numbers)]}})
open("in.st", "wb").write(struct.pack("<Q", len(text)) + text.encode() + numbers)
END
"$tleg" run model.st --input in.st -o right.st >said 2>&1 || fail "the model does not run"
"$tleg" run bare.pth --heads 3 --input in.st -o out.st >said 2>&1 || fail "bare.pth does not run"
cmp -s out.st right.st || fail "bare.pth gives other answers than its model"
"$tleg" run gene.st --depth 2 --input in.st -o right.st >said 2>&1 || fail "the gene does not run"
"$tleg" run args.pth --heads 3 --depth 2 --input in.st -o out.st >said 2>&1 || fail "args.pth does not run"
cmp -s out.st right.st || fail "args.pth gives other answers than its gene"
"$tleg" expand plain.pth --heads 3 --depth 3 --norm after-pool -o out.st >said 2>&1 || fail "plain.pth does not expand"
same out.st model.st
"$tleg" run ema.pth --heads 3 --key model_ema --depth 2 --input in.st -o out.st >said 2>&1 || fail "--key of tleg run"
"$tleg" run other.st --depth 2 --input in.st -o right.st >said 2>&1
cmp -s out.st right.st || fail "--key model_ema gives other answers than its gene"
"$tleg" eval plain.pth --heads 3 --depth 2 --data . --write-scores >said 2>&1 && fail "scores were written into a checkpoint"
said "tleg convert" "about scores"

# As safetensors.
for file in plain args attribute ema; do
    convert $file.pth --heads 3
    same out.st gene.st
done
said "others are under \"model_ema\"" "about the moving average"
convert ema.pth --heads 3 --key model_ema
same out.st other.st
printf 'cat\nαβ "x"\nфото\n' >labels.txt
convert bare.pth --heads 3 --labels labels.txt --mean 0.5,0.5,0.5 --std 0.25,0.25,0.25 --crop 0.9
same out.st model.st
"$tleg" info out.st --json >said 2>&1
for text in '"kind":"vit"' '"depth":3' '"eps":1e-6' '"labels":["cat","αβ \"x\"","фото"]' '"std":[0.25,0.25,0.25]' '"crop":0.9'; do
    said "$text" "of the model"
done
mv out.st said.st
convert said.st --dtype bf16
"$tleg" info out.st --json >said 2>&1
for text in '"dtype":"bf16"' '"labels":["cat"' '"std":[0.25,0.25,0.25]'; do said "$text" "after another conversion"; done
for dtype in bf16 f16; do
    "$tleg" store gene.st --dtype $dtype -o small.st >said 2>&1 || fail "tleg store"
    convert small.st --labels labels.txt
    said ", $dtype, " "of a learngene of $dtype"
    same out.st small.st
done
convert plain.pth --heads 3 --depths 16,3-11,12
same out.st gene.st
"$tleg" info out.st >said 2>&1
said "learned at    3-12,16" "of the depths"
"$tleg" new --dim 24 --heads 3 --image 16 --patch 4 --classes 3 --schedule '{"fc1":[[2,true],[2,false]]}' -o part.st >/dev/null || exit 1
python3 - <<'END'
exec(open("make.py").read().split("c = Checkpoint(); c.save(\"plain")[0])
c = Checkpoint(); c.save("part.pth", c.weights("part.st"))
END
convert part.pth --heads 3 --schedule '{"fc1":[[2,true],[2,false]]}'
same out.st part.st
"$tleg" info part.pth --heads 3 >said 2>&1 && fail "a gene of segments opens without its schedule"
for wrong in 0 4-3 1025 3- 3.0 x; do
    "$tleg" convert plain.pth --heads 3 -o out.st --depths "$wrong" >said 2>&1 && fail "--depths $wrong was accepted"
    said "such as 3-12" "about --depths $wrong"
done
"$tleg" convert plain.pth --heads 3 -o out.st --mean 1,2 >said 2>&1 && fail "two means were accepted"
said "--mean takes three numbers" "about two means"

# Nothing runs, and what is wrong is said.
convert call.pth --heads 3
same out.st gene.st
[ ! -e was-run ] || fail "the call in call.pth was run"
refuse beyond.pth "the pickle says 9 elements"
refuse none.pth 'it holds "epoch"'
refuse other.zip "it has no data.pkl"
refuse text.pth "is a text"
refuse cut.pth "no directory at its end"
refuse missing.pth "missing.pth: cannot be opened"
refuse plain.pth 'no set of weights under "x"' --key x
refuse gene.st 'the key "x" chooses among' --key x
refuse tar.pth "a tar archive"
refuse old.pth "torch.save(torch.load("
# shellcheck disable=SC3045 # where there is no such limit, only less is tested
# A sanitizer takes terabytes of address space.
nm -D "$tleg" 2>/dev/null | grep -qE '__(asan|tsan)_init' || ulimit -v 2000000 2>/dev/null
refuse short.pth "archive/data/3"
refuse gone.pth "its storage is not in the archive"
refuse repeat.pth "the pickle says 9 elements"
refuse copies.pth "they repeat each other"
refuse bomb.pth "is compressed or encrypted"
refuse order.pth "big-endian"
refuse half.pth "not UTF-8"

[ $failures -eq 0 ] || exit 1
echo "checkpoints: verbs take them, tleg convert writes them anew, and none runs code"
