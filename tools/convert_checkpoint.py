#!/usr/bin/python3
"""From a PyTorch checkpoint (.pth) of TLEG, DeiT or timm to the safetensors file that tleg reads.

    convert_checkpoint.py checkpoint.pth -o learngene.safetensors [--heads 6] [--labels names.txt] [--ema]

Needs Python 3.8 alone; NumPy for tensors that do not lie in rows, and PyTorch 1.13 or later for files written before
PyTorch 1.6, which are not zip archives.

A checkpoint is a pickle, which can call any function while it is read. So this program unpickles it itself: weights are
rebuilt here, a few classes that hold settings are dropped unread, and any other name is refused before it is called.
"""
import argparse
import collections
import inspect
import json
import math
import os
import pickle
import struct
import sys
import zipfile

PREFIXES = ("module.", "_orig_mod.", "model.")
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8}
STORAGES = {"FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "DoubleStorage": "F64"}


def refuse(why):
    sys.exit("convert_checkpoint: " + why)


class Tensor:
    """A floating-point tensor that is read when it is written. dtype None: another kind, which is left out."""

    def __init__(self, dtype, shape, read=None):
        self.dtype, self.shape, self.read = dtype, tuple(shape), read
        self.bytes = 0 if dtype is None else math.prod(self.shape) * SIZES[dtype]


class Storage:
    """The numbers behind tensors: an entry of the archive."""

    def __init__(self, archive, name, dtype, count):
        self.archive, self.name, self.dtype, self.count = archive, name, dtype, count

    def read(self, offset, shape, stride):
        data, size = self.archive.read(self.name), SIZES[self.dtype]
        if len(data) != self.count * size:
            refuse(f"{self.name}: {len(data)} bytes; expected {self.count * size}")
        if all(n == 1 or step == math.prod(shape[i + 1:]) for i, (n, step) in enumerate(zip(shape, stride))):
            return data[offset * size:(offset + math.prod(shape)) * size]
        try:
            import numpy
        except ImportError:
            refuse(f"{self.name}: a tensor that does not lie in rows: needs NumPy (Debian: apt install python3-numpy)")
        numbers = numpy.frombuffer(data, f"<u{size}")[offset:]
        return numpy.lib.stride_tricks.as_strided(numbers, shape, [step * size for step in stride], writeable=False).tobytes()


def rebuild_tensor(storage, offset, shape, stride, *_):
    """torch._utils._rebuild_tensor_v2, on Storage."""
    numbers = [offset, *shape, *stride]
    if not isinstance(storage, Storage) or len(shape) != len(stride) or not all(type(n) is int and n >= 0 for n in numbers):
        refuse("a tensor of the checkpoint is described wrongly")
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride))
    if 0 not in shape and last >= storage.count:
        refuse(f"a tensor of shape {list(shape)} reaches beyond its storage of {storage.count} numbers")
    if storage.dtype is None:
        return Tensor(None, shape)
    return Tensor(storage.dtype, shape, lambda: b"" if 0 in shape else storage.read(offset, shape, stride))


class Dropped:
    """Stands for what has nothing to do with weights: takes anything, does nothing."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


ALLOWED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
}
DROPPED = {
    ("argparse", "Namespace"), ("pathlib", "PosixPath"), ("pathlib", "WindowsPath"), ("_codecs", "encode"),
    ("numpy", "dtype"), ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
    ("torch", "device"), ("torch", "float32"), ("torch", "float16"), ("torch", "bfloat16"), ("torch", "float64"),
}


class Unpickler(pickle.Unpickler):
    """Finds what the tables allow and nothing else, so that no code in a checkpoint runs."""

    def __init__(self, archive, folder):
        super().__init__(archive.open(folder + "data.pkl"))
        self.archive, self.folder = archive, folder

    def find_class(self, module, name):
        if (module, name) in ALLOWED:
            return ALLOWED[module, name]
        if (module, name) in DROPPED:
            return Dropped
        if module in ("torch", "torch.storage") and name.endswith("Storage"):
            return name  # of its type; persistent_load gets it back
        refuse(f"the checkpoint asks to call {module}.{name}, which does not belong in a set of weights: refused, nothing was run")

    def persistent_load(self, pid):
        kind, name, key, _, count = pid
        if kind != "storage" or not isinstance(name, str) or not isinstance(key, str) or type(count) is not int:
            refuse("a storage of the checkpoint is described wrongly")
        return Storage(self.archive, f"{self.folder}data/{key}", STORAGES.get(name), count)


def load_zip(path):
    archive = zipfile.ZipFile(path)  # stays open: tensors are read from it later
    names = archive.namelist()
    folder = next((name[:-len("data.pkl")] for name in names if name.split("/")[-1] == "data.pkl"), None)
    if folder is None or folder + "constants.pkl" in names:
        refuse(f"{path}: a zip archive, but no checkpoint of weights" + (": it is TorchScript" if folder else ""))
    if folder + "byteorder" in names and archive.read(folder + "byteorder") != b"little":
        refuse(f"{path}: written on a big-endian machine; expected little-endian numbers")
    return Unpickler(archive, folder).load()


def load_old(path):
    """Before PyTorch 1.6: PyTorch itself reads it, where it can be told to read weights alone."""
    advice = "write it anew with today's torch.save"
    with open(path, "rb") as file:
        if file.read(1) != b"\x80":
            refuse(f"{path}: no PyTorch checkpoint: neither a zip archive nor a pickle")
    try:
        import torch
    except ImportError:
        refuse(f"{path}: a checkpoint from before PyTorch 1.6, which only PyTorch reads: install it, or {advice}")
    if "weights_only" not in inspect.signature(torch.load).parameters:
        refuse(f"{path}: a checkpoint from before PyTorch 1.6; PyTorch {torch.__version__} cannot read it safely: {advice}")
    dtypes = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}
    bits = {"F32": torch.int32, "F16": torch.int16, "BF16": torch.int16, "F64": torch.int64}

    def convert(thing):
        if isinstance(thing, dict):
            return {key: convert(value) for key, value in thing.items()}
        if not torch.is_tensor(thing):
            return thing
        dtype = dtypes.get(thing.dtype)
        return Tensor(dtype, thing.shape, lambda: thing.detach().contiguous().view(bits[dtype]).numpy().tobytes())

    return convert(torch.load(path, map_location="cpu", weights_only=True))


def load(path):
    try:
        return load_zip(path) if zipfile.is_zipfile(path) else load_old(path)
    except OSError as error:
        refuse(f"{path}: {error.strerror or error}")
    except Exception as error:  # whatever a damaged file makes the readers raise
        refuse(f"{path}: no checkpoint that can be read: {type(error).__name__}: {error}")


def is_weights(thing):
    return isinstance(thing, dict) and any(isinstance(value, Tensor) for value in thing.values())


def choose(checkpoint, path, ema):
    """The dictionary of weights, and which it is."""
    if not isinstance(checkpoint, dict):
        refuse(f"{path}: holds a {type(checkpoint).__name__}; expected a dictionary of weights, alone or under \"model\"")
    names = ["model_ema", "state_dict_ema"] if ema else ["model", "state_dict"]
    for name in names:
        if is_weights(checkpoint.get(name)):
            return checkpoint[name], name
    if is_weights(checkpoint) and not ema:
        return checkpoint, "top level"
    refuse(f"{path}: no weights under {' or '.join(names)}; it holds {', '.join(map(str, list(checkpoint)[:10])) or 'nothing'}")


def strip(name):
    changed = True
    while changed:
        changed = False
        for prefix in PREFIXES:
            if name.startswith(prefix):
                name, changed = name[len(prefix):], True
    return name


def collect(weights, path):
    """Names and tensors to write: those of floating point, the prefixes of training wrappers removed."""
    tensors, left_out = {}, []
    for name, value in weights.items():
        short = strip(str(name))
        if not isinstance(value, Tensor) or value.dtype is None:
            left_out.append(str(name))
            continue
        if short in tensors:
            refuse(f"{path}: \"{short}\" is there twice, under different prefixes")
        tensors[short] = value
    if not tensors:
        refuse(f"{path}: holds no floating-point tensors")
    return tensors, left_out


def triple(text):
    numbers = [float(part) for part in text.split(",")]
    if len(numbers) != 3:
        raise argparse.ArgumentTypeError("expected three numbers, such as 0.485,0.456,0.406")
    return text


def depths(text):
    """From 3-12 or 4,8,12 to tleg.depths: rising, ranges as pairs."""
    named = set()
    for part in text.split(","):
        ends = [int(end) if end.isascii() and end.isdigit() else 0 for end in part.split("-")]
        if len(ends) > 2 or not 1 <= ends[0] <= ends[-1] <= 1024:
            raise argparse.ArgumentTypeError("expected depths from 1 to 1024, such as 3-12 or 4,8,12")
        named.update(range(ends[0], ends[-1] + 1))
    runs = []
    for depth in sorted(named):
        if runs and depth == runs[-1][1] + 1:
            runs[-1][1] = depth
        else:
            runs.append([depth, depth])
    return json.dumps([run if run[0] < run[1] else run[0] for run in runs], separators=(",", ":"))


def metadata_of(options, tensors):
    gene = any(name.startswith("blocks.block.") for name in tensors)
    meta = {"tleg.kind": "learngene" if gene else "vit"}
    for key in ("heads", "image_size", "norm", "eps", "pool", "schedule", "mean", "std", "crop", "depths"):
        value = getattr(options, key)
        if value is not None:
            meta["tleg." + key] = str(value)
    if not gene:
        meta.setdefault("tleg.eps", "1e-06")  # timm's ViTs; a file that says nothing of tleg would mean the same
    if options.labels:
        try:
            with open(options.labels, encoding="utf-8-sig") as file:
                meta["tleg.labels"] = json.dumps(file.read().splitlines(), ensure_ascii=False)
        except (OSError, UnicodeDecodeError) as error:
            refuse(f"{options.labels}: {error}")
    return meta


def save(path, tensors, meta):
    """safetensors: 8 bytes of header length, the header, the data; written beside the target, flushed, renamed."""
    order = sorted(tensors.items(), key=lambda item: item[1].bytes % 64 != 0)
    header, at = {"__metadata__": meta}, 0
    for name, tensor in order:
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [at, at + tensor.bytes]}
        at += tensor.bytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(8 + len(text)) % 64)  # data begin on a multiple of 64
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for _, tensor in order:
                file.write(tensor.read())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        refuse(f"{path}: {error.strerror or error}")


def main():
    parser = argparse.ArgumentParser(description="Converts a PyTorch checkpoint to a safetensors file for tleg.")
    parser.add_argument("checkpoint")
    parser.add_argument("-o", dest="out", required=True, metavar="FILE", help="the safetensors file to write")
    parser.add_argument("--ema", action="store_true", help="take the moving average (model_ema), not the weights themselves")
    parser.add_argument("--heads", type=int, help="attention heads (dim / 64 where nothing says)")
    parser.add_argument("--image-size", dest="image_size", type=int, help="side of the input in pixels")
    parser.add_argument("--norm", choices=["before_pool", "after_pool"])
    parser.add_argument("--eps", type=float, help="of the norms")
    parser.add_argument("--pool", choices=["mean", "cls"])
    parser.add_argument("--schedule", help="segments of a learngene's sites, as JSON")
    parser.add_argument("--depths", type=depths, help="at which it was learned, such as 3-12 or 4,8,12")
    parser.add_argument("--mean", type=triple, help="of the images, R,G,B")
    parser.add_argument("--std", type=triple, help="likewise")
    parser.add_argument("--crop", type=float, help="share of the resized image that the centre crop keeps")
    parser.add_argument("--labels", metavar="FILE", help="class names, one a line")
    options = parser.parse_args()

    checkpoint = load(options.checkpoint)
    weights, where = choose(checkpoint, options.checkpoint, options.ema)
    tensors, left_out = collect(weights, options.checkpoint)
    meta = metadata_of(options, tensors)
    save(options.out, tensors, meta)
    print(f"{options.out}: a {meta['tleg.kind']} of {len(tensors)} tensors, from {where}")
    if not options.ema and any(is_weights(checkpoint.get(name)) for name in ("model_ema", "state_dict_ema")):
        print("the checkpoint also holds a moving average of the weights: --ema takes it")
    if left_out:
        print(f"left out, no floating-point tensors: {', '.join(left_out)}")


if __name__ == "__main__":
    main()
