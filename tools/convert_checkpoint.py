#!/usr/bin/python3
"""From a PyTorch checkpoint (.pth) of TLEG, DeiT or timm to the safetensors file that tleg reads.

    convert_checkpoint.py checkpoint.pth -o learngene.safetensors [--heads 6] [--labels names.txt] [--ema]

Needs Python 3.8 alone; NumPy for tensors that do not lie in rows, and PyTorch 2.10 or later for files written before
PyTorch 1.6, which are not zip archives.

A checkpoint is a pickle, which can call any function while it is read. So this program unpickles it itself: weights are
rebuilt here, a few classes that hold settings are dropped unread, and any other name is refused before it is called. For the
old form it relies on PyTorch, whose "weights only" had holes through which code ran up to 2.5 (CVE-2025-32434) and memory
was damaged up to 2.9 (CVE-2026-24747). The oldest form of all, a tar archive, is not read.

Memory follows the file, which holds its numbers as they are: one that is compressed, a tensor of more numbers than its
storage, or weights of more than 16 times the file are refused before a byte is written.
"""
import argparse
import collections
import json
import math
import os
import pickle
import re
import signal
import stat
import struct
import sys
import tarfile
import zipfile

PREFIXES = ("module.", "_orig_mod.", "model.")
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8}
SAFE_TORCH = (2, 10)  # whose weights_only has no hole that is known
MOST_COPIES = 16  # bytes of weights for each of the file: tied weights are written more than once
STORAGES = {"FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16", "DoubleStorage": "F64"}


def shown(text):
    """Without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def refuse(why):
    sys.exit("convert_checkpoint: " + shown(why))


class Tensor:
    """A floating-point tensor that is read when it is written. dtype None: another kind, which is left out."""

    def __init__(self, dtype, shape, read=None, check=lambda: None):
        self.dtype, self.shape, self.read, self.check = dtype, tuple(shape), read, check
        self.bytes = 0 if dtype is None else math.prod(self.shape) * SIZES[dtype]


class Storage:
    """The numbers behind tensors: an entry of the archive."""

    def __init__(self, archive, name, dtype, count):
        self.archive, self.name, self.dtype, self.count, self.start = archive, name, dtype, count, None

    def check(self):
        """The entry has the length that it must have; nothing of it is read."""
        size = entry(self.archive, self.name).file_size
        if size != self.count * SIZES[self.dtype]:
            refuse(f"{self.name}: {size} bytes; expected {self.count * SIZES[self.dtype]}")

    def find(self):
        """Where its bytes begin in the file, once their checksum is known to be right."""
        with self.archive.open(self.name) as whole:
            while whole.read(1 << 20):
                pass
        at = self.archive.getinfo(self.name).header_offset
        self.archive.fp.seek(at)
        lengths = struct.unpack("<HH", self.archive.fp.read(30)[26:])
        self.start = at + 30 + sum(lengths)

    def read(self, offset, shape, stride):
        if self.start is None:
            self.find()
        size = SIZES[self.dtype]
        if all(n == 1 or step == math.prod(shape[i + 1:]) for i, (n, step) in enumerate(zip(shape, stride))):
            return self.bytes(offset * size, math.prod(shape) * size)
        try:
            import numpy
        except ImportError:
            refuse(f"{self.name}: a tensor that does not lie in rows: needs NumPy (Debian: apt install python3-numpy)")
        last = sum((n - 1) * step for n, step in zip(shape, stride))
        numbers = numpy.frombuffer(self.bytes(offset * size, (last + 1) * size), f"<u{size}")
        return numpy.lib.stride_tricks.as_strided(numbers, shape, [step * size for step in stride], writeable=False).tobytes()

    def bytes(self, at, count):
        self.archive.fp.seek(self.start + at)
        data = self.archive.fp.read(count)
        if len(data) != count:
            refuse(f"{self.name}: the file ends before its numbers do")
        return data


def entry(archive, name):
    """An entry that lies in the archive as it is, as PyTorch writes them all: what is read is no longer than the file."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        refuse(f"{name}: is not in the archive")
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        refuse(f"{name}: is compressed or encrypted; PyTorch writes no such entries")
    return info


def rebuild_tensor(storage, offset, shape, stride, *_):
    """torch._utils._rebuild_tensor_v2, on Storage."""
    numbers = [offset, *shape, *stride]
    if not isinstance(storage, Storage) or len(shape) != len(stride) or not all(type(n) is int and n >= 0 for n in numbers):
        refuse("a tensor of the checkpoint is described wrongly")
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride))
    if 0 not in shape and last >= storage.count:
        refuse(f"a tensor of shape {list(shape)} reaches beyond its storage of {storage.count} numbers")
    if math.prod(shape) > storage.count:
        refuse(f"a tensor of shape {list(shape)} repeats the {storage.count} numbers of its storage")
    if storage.dtype is None:
        return Tensor(None, shape)
    return Tensor(storage.dtype, shape, lambda: b"" if 0 in shape else storage.read(offset, shape, stride), storage.check)


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
    ("torch._utils", "_rebuild_parameter_with_state"): lambda data, *_: data,
    ("torch._utils", "_rebuild_tensor_v3"): lambda *_: Tensor(None, ()),  # of types that no weights have, such as uint16
    ("torch._utils", "_rebuild_sparse_tensor"): lambda *_: Tensor(None, ()),
}
DROPPED = {
    ("argparse", "Namespace"), ("pathlib", "PosixPath"), ("pathlib", "WindowsPath"), ("_codecs", "encode"),
    ("numpy", "dtype"), ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
    ("torch", "device"), ("torch", "strided"), ("torch", "sparse_coo"), ("torch.serialization", "_get_layout"),
}
TYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool")
DROPPED.update(("torch", name) for name in TYPES)


class Unpickler(pickle._Unpickler):
    """Finds what the tables allow and nothing else, so that no code in a checkpoint runs. It is the one written in Python: that in
    C takes memory for as many remembered objects as the pickle claims."""

    def __init__(self, archive, folder):
        super().__init__(archive.open(entry(archive, folder + "data.pkl")))
        self.archive, self.folder, self.storages = archive, folder, {}

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
        made = Storage(self.archive, f"{self.folder}data/{key}", STORAGES.get(name), count)
        return self.storages.setdefault((name, key, count), made)


def load_zip(path):
    archive = zipfile.ZipFile(path)  # stays open: tensors are read from it later
    names = archive.namelist()
    folder = next((name[:-len("data.pkl")] for name in names if name.split("/")[-1] == "data.pkl"), None)
    if folder is None or folder + "constants.pkl" in names:
        refuse(f"{path}: a zip archive, but no checkpoint of weights" + (": it is TorchScript" if folder else ""))
    order = folder + "byteorder"
    if order in names and (entry(archive, order).file_size != 6 or archive.read(order) != b"little"):
        refuse(f"{path}: written on a big-endian machine; expected little-endian numbers")
    return Unpickler(archive, folder).load()


def load_old(path):
    """Before PyTorch 1.6: PyTorch itself reads it, where it can be told to read weights alone, and keeps to that."""
    advice = "write it anew with today's torch.save"
    if tarfile.is_tarfile(path):
        refuse(f"{path}: a tar archive, as PyTorch wrote before 0.4, which cannot be read safely: {advice}")
    with open(path, "rb") as file:
        if file.read(1) != b"\x80":
            refuse(f"{path}: no PyTorch checkpoint: neither a zip archive nor a pickle")
    try:
        import torch
    except ImportError:
        refuse(f"{path}: a checkpoint from before PyTorch 1.6, which only PyTorch reads: install it, or {advice}")
    version = re.match(r"(\d+)\.(\d+)", torch.__version__)
    if not version or tuple(map(int, version.groups())) < SAFE_TORCH:
        least = ".".join(map(str, SAFE_TORCH))
        refuse(f"{path}: a checkpoint from before PyTorch 1.6, which PyTorch {torch.__version__} does not read safely; "
               f"{least} or later does: install that, or {advice}")
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
    refuse(f"{path}: no weights under {' or '.join(names)}; it holds {', '.join(key for key in list(checkpoint)[:10] if isinstance(key, str)) or 'no names'}")


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
        if not isinstance(name, str):
            refuse(f"{path}: a {type(name).__name__} as the name of a weight")
        short = strip(name)
        if not isinstance(value, Tensor) or value.dtype is None:
            left_out.append(name)
            continue
        if short in tensors:
            refuse(f"{path}: {short!r} is there twice, under different prefixes")
        if short == "__metadata__" or "\0" in short or re.search("[\ud800-\udfff]", short):
            refuse(f"{path}: a weight cannot be named {short!a} in a safetensors file")
        tensors[short] = value
    if not tensors:
        refuse(f"{path}: holds no floating-point tensors")
    check_sizes(tensors, path)
    return tensors, left_out


def check_sizes(tensors, path):
    """Everything that will be written is there, before memory or room is taken for it."""
    for tensor in tensors.values():
        tensor.check()
    size, wanted = os.stat(path).st_size, sum(tensor.bytes for tensor in tensors.values())
    if wanted > MOST_COPIES * size:
        refuse(f"{path}: its tensors are {wanted} bytes, those of a file of {size} bytes")


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
    target = os.path.realpath(path)
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        mode = former_mode(target)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode & 0o600)
    except OSError as error:
        refuse(f"{path}: {error.strerror or error}")
    try:
        with open(handle, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for _, tensor in order:
                file.write(tensor.read())
            file.flush()
            if mode is not None:
                os.fchmod(handle, rights(handle, target, mode))
            os.fsync(handle)
        os.replace(temporary, target)
    except BaseException as error:  # a signal, too
        os.unlink(temporary)
        if isinstance(error, OSError):
            refuse(f"{path}: {error.strerror or error}")
        raise
    flush_folder(os.path.dirname(target))


def rights(handle, target, mode):
    """The former mode, but that nobody reads the new file who could not read the former one: where its group or its access
    list is not kept, the group gets what all get."""
    try:
        os.fchown(handle, -1, os.stat(target).st_gid)
        listed = "system.posix_acl_access" in os.listxattr(target)
    except OSError:
        listed = True
    return mode & 0o777 & ~(0o070 & ~((mode & 0o007) << 3) if listed else 0)


def former_mode(target):
    """The mode of the file that is replaced, None without one; nobody may read a private file's successor meanwhile."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        refuse(f"{target}: is not a regular file")
    return stat.S_IMODE(status.st_mode)


def flush_folder(folder):
    """So that the new name outlives a failing machine, where the file system can do that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def stop(number, _):
    sys.exit(128 + number)


def run():
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
    print(f"{shown(options.out)}: a {meta['tleg.kind']} of {len(tensors)} tensors, from {where}")
    if not options.ema and any(is_weights(checkpoint.get(name)) for name in ("model_ema", "state_dict_ema")):
        print("the checkpoint also holds a moving average of the weights: --ema takes it")
    if left_out:
        print(f"left out, no floating-point tensors: {shown(', '.join(left_out))}")


def main():
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, stop)
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except MemoryError:
        refuse("not enough memory")
    except Exception as error:  # whatever a damaged file makes of its numbers when they are read
        refuse(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
