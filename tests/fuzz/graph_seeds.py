"""Writes the fixtures' ONNX graphs as the lists that fuzz_onnx takes (graph_listing.h), with short names and few of the numbers, and
some of them as they are. Needs onnx.

    python3 tests/fuzz/graph_seeds.py tests/fixtures/onnx tests/fuzz/corpus/fuzz_onnx
"""
import os
import shutil
import sys

import onnx
from onnx import numpy_helper

fixtures, out = sys.argv[1:]
SMALL = 16  # numbers of a tensor that are written out
AS_THEY_ARE = 'timm-attention', 'timm-f16-listed', 'timm-beside', 'refused-convolutions'


def number(value):
    return f'{value:g}' if isinstance(value, float) else str(int(value))


def listing(model):
    names, lines = {}, []

    def name(text):
        return names.setdefault(text, f'v{len(names)}') if text else '-'

    def tensor(label, made):
        values = numpy_helper.to_array(made) if not made.external_data else None
        few = values is not None and values.size <= SMALL
        numbers = ','.join(number(v) for v in values.ravel().tolist()) if few else ''
        return f'# {label} {made.data_type} {",".join(map(str, made.dims)) or "."} {numbers or "."}'

    def attribute(made):
        value = onnx.helper.get_attribute_value(made)
        if isinstance(value, onnx.TensorProto):
            return f'{made.name}=#'
        if isinstance(value, bytes):
            return f'{made.name}="{value.decode()}"'
        if isinstance(value, float):
            return f'{made.name}={value:g}f'
        return f'{made.name}={",".join(map(str, value))},' if not isinstance(value, int) else f'{made.name}={value}'

    for value in model.graph.input:
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        lines.append(f'@ {name(value.name)} {",".join(map(str, sizes))}')
    lines += [tensor(name(made.name), made) for made in model.graph.initializer]
    for node in model.graph.node:
        for made in node.attribute:
            if made.type == onnx.AttributeProto.TENSOR:
                lines.append(tensor('.', made.t))
        parts = [f'{node.domain}.{node.op_type}' if node.domain else node.op_type, ','.join(map(name, node.output)) or '.', ','.join(map(name, node.input)) or '.']
        lines.append(' '.join(parts + [attribute(made) for made in node.attribute if made.type != onnx.AttributeProto.GRAPH]))
    lines += [f'! {name(value.name)} .' for value in model.graph.output]
    return '\n'.join(lines) + '\n'


os.makedirs(out, exist_ok=True)
for file in sorted(os.listdir(fixtures)):
    stem, ending = os.path.splitext(file)
    if ending == '.onnx':
        with open(f'{out}/{stem}', 'w') as written:
            written.write(listing(onnx.load(f'{fixtures}/{file}', load_external_data=False)))
        if stem in AS_THEY_ARE:
            shutil.copy(f'{fixtures}/{file}', f'{out}/{stem}.bytes')
