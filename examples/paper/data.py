"""Unpacks the data sets into folders of class folders, train/ and val/, as tleg reads them."""
import shutil
import struct
import tarfile
import zlib
from pathlib import Path

ARCHIVES = {"cifar10": "cifar10/train.tar.gz", "cifar100": "cifar100/cifar100.tar.gz",
            "tinyimagenet32": "tinyimagenet32/tiny.tar.xz", "fashion": "fashion/train.tar.xz"}
SMALL = 20000   # pictures of the data sets that are learned in part
FASHION = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def prepare_one(archives, data, name):
    """What is there stays; a data set appears whole or not at all."""
    make(data / name, lambda out: unpack(archives / ARCHIVES[name], out))


def prepare(archives, data):
    for name in ARCHIVES:
        prepare_one(archives, data, name)
    make(data / "cifar10-small", lambda out: part_of_cifar10(data.resolve() / "cifar10" / "train", out))


def make(out, fill):
    if out.exists():
        return
    partial = out.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    fill(partial)
    partial.rename(out)
    print(f"{out}: made", flush=True)


def unpack(archive, out):
    with tarfile.open(archive) as file:
        file.extractall(out, filter="data") if hasattr(tarfile, "data_filter") else file.extractall(out)
    if (out / "train-images-idx3-ubyte").exists():
        pictures_of(out, out)


def part_of_cifar10(train, out):
    """The first pictures of each class that CIFAR-10 does not validate with, and those that it does, as links."""
    for folder in sorted(train.iterdir()):
        pictures = sorted(folder.iterdir())
        learned = [picture for index, picture in enumerate(pictures) if index % 10][: SMALL // 10]
        link(learned, out / "train" / folder.name)
        link(pictures[::10], out / "val" / folder.name)


def link(pictures, folder):
    folder.mkdir(parents=True)
    for picture in pictures:
        (folder / picture.name).symlink_to(picture)


def pictures_of(source, out):
    """Fashion-MNIST's IDX files as PNG: the first SMALL to learn from, the last 5,000 to validate with."""
    images = (source / "train-images-idx3-ubyte").read_bytes()
    labels = (source / "train-labels-idx1-ubyte").read_bytes()[8:]
    count, height, width = struct.unpack(">3I", images[4:16])
    for index in [*range(SMALL), *range(count - 5000, count)]:
        begin = 16 + index * height * width
        folder = out / ("train" if index < SMALL else "val") / f"{labels[index]}-{FASHION[labels[index]].replace(' ', '-')}"
        folder.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"{index:05d}.png", width, height, images[begin:begin + height * width])


def write_png(path, width, height, pixels, channels=1):
    """Grey (1) or RGB (3) pixels, row by row."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    stride = width * channels
    rows = b"".join(b"\0" + pixels[row * stride:(row + 1) * stride] for row in range(height))
    head = struct.pack(">2I5B", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
