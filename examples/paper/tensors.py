"""Safetensors files, as far as this experiment moves layers about: {name: (type, shape, bytes)} and the metadata."""
import json
import os
import re
import struct


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = (entry["dtype"], entry["shape"], data[begin:end])
    return metadata, tensors


def write(path, metadata, tensors):
    """The file is whole or not there."""
    header, offset = {"__metadata__": metadata}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    partial = f"{path}.part"
    with open(partial, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)
    os.replace(partial, path)


def count(tensors, names=None):
    """Numbers stored in all tensors, or in those of `names`."""
    total = 0
    for name, (_, shape, _) in tensors.items():
        product = 1
        for size in shape:
            product *= size
        total += product if names is None or name in names else 0
    return total


def layer_of(name):
    """The layer that a model's tensor belongs to, from 0; None outside the layers."""
    found = re.match(r"blocks\.(\d+)\.", name)
    return int(found[1]) if found else None


def with_layer(name, layer):
    return re.sub(r"^blocks\.\d+\.", f"blocks.{layer}.", name)
