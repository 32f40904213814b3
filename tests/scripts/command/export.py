"""tleg export against PyTorch's answers: the file is read by a protobuf reader of this script's own and computed with NumPy; where
onnx and onnxruntime are installed, they check and run it too.      export.py TLEG"""
import math
import os
import subprocess
import sys
import tempfile
import types

try:
    import numpy as np
except ImportError:
    print('SKIP onnx: no NumPy')
    sys.exit(0)
try:
    import onnx
    import onnxruntime
except ImportError:
    onnx = onnxruntime = None
if onnxruntime:
    onnxruntime.set_default_logger_severity(3)  # not what its optimiser leaves as it is

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, '..', '..', 'fixtures', 'families')
FAMILIES = ('dinov2', 'deit3', 'clip', 'tanh', 'silu', 'relu', 'rms', 'aimv2', 'radio', 'siglip', 'map', 'latent', 'so150m', 'dinov3', 'eva02',
            'rope', 'pe', 'lang', 'qknorm', 'sapiens', 'intern', 'max', 'avgmax', 'maxafter', 'clsmean', 'fcnorm', 'meanall', 'meanall_after')
DTYPES = {1: np.float32, 7: np.int64, 10: np.float16}


def load_file(path):
    import json
    import struct
    with open(path, 'rb') as file:
        raw = file.read()
    size = struct.unpack('<Q', raw[:8])[0]
    header, tensors = json.loads(raw[8:8 + size]), {}
    for name, entry in header.items():
        if name != '__metadata__':
            a, b = entry['data_offsets']
            tensors[name] = np.frombuffer(raw[8 + size + a:8 + size + b], {'F32': '<f4', 'I64': '<i8'}[entry['dtype']]).reshape(entry['shape'])
    return tensors


# ---- protobuf ----
def varint(raw, at):
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def message(raw):
    """{field: [values]}; every length must end within the message."""
    fields, at = {}, 0
    while at < len(raw):
        key, at = varint(raw, at)
        if key & 7 == 0:
            value, at = varint(raw, at)
            value = value - (1 << 64) if value >> 63 else value
        elif key & 7 == 5:
            value, at = np.frombuffer(raw[at:at + 4], '<f4')[0], at + 4
        else:
            assert key & 7 == 2, key
            length, at = varint(raw, at)
            assert at + length <= len(raw), 'a length goes past its message'
            value, at = raw[at:at + length], at + length
        fields.setdefault(key >> 3, []).append(value)
    return fields


def field(number, value):
    """A field of a message: a whole number, or bytes."""
    def digits(n):
        return bytes([n & 127 | 128]) + digits(n >> 7) if n > 127 else bytes([n])
    body = value if isinstance(value, bytes) else None
    return digits(number << 3) + digits(value) if body is None else digits(number << 3 | 2) + digits(len(body)) + body


def with_places(raw, nodes, tensors):
    """The model with its tensor `places` made by nodes, first of all, from tensors: {name: (ONNX type, shape, bytes)}."""
    model = message(raw)
    graph = message(model[7][0])
    graph[1] = nodes + graph[1]
    graph[5] = [one for one in graph[5] if message(one)[8] != [b'places']]
    graph[5] += [b''.join(field(1, size) for size in shape) + field(2, kind) + field(8, name.encode()) + field(9, data)
                 for name, (kind, shape, data) in tensors.items()]
    model[7] = [b''.join(field(number, value) for number, values in graph.items() for value in values)]
    return b''.join(field(number, value) for number, values in model.items() for value in values)


def node(kind, inputs, output, **attributes):
    said = b''.join(field(5, field(1, name.encode()) + field(3, value) + field(20, 2)) for name, value in attributes.items())
    return b''.join(field(1, name.encode()) for name in inputs) + field(2, output.encode()) + field(4, kind.encode()) + said


def text(values):
    return [value.decode() for value in values]


def read(path):
    with open(path, 'rb') as file:
        model = message(file.read())
    graph = message(model[7][0])
    result = types.SimpleNamespace(metadata={}, weights={}, nodes=[], opset=message(model[8][0])[2][0])
    for pair in map(message, model[14]):
        result.metadata[pair[1][0].decode()] = pair[2][0].decode()
    for tensor in map(message, graph[5]):
        result.weights[tensor[8][0].decode()] = np.frombuffer(tensor[9][0], DTYPES[tensor[2][0]]).reshape(tensor.get(1, []))
    for node in map(message, graph[1]):
        attributes = {}
        for attribute in map(message, node.get(5, [])):
            kind = attribute[20][0]
            attributes[attribute[1][0].decode()] = attribute[8] if kind == 7 else attribute[{1: 2, 2: 3}[kind]][0]
        result.nodes.append((node[4][0].decode(), text(node[1]), text(node[2]), attributes))
    result.inputs = [message(value)[1][0].decode() for value in graph[11]]
    result.outputs = [message(value)[1][0].decode() for value in graph[12]]
    return result


# ---- ONNX's operators, as far as they are used ----
def convolve(x, w, bias=None, strides=None):
    assert list(strides) == list(w.shape[2:])
    batch, channels, side, patch = *x.shape[:3], w.shape[2]
    grid = side // patch
    rows = x.reshape(batch, channels, grid, patch, grid, patch).transpose(0, 2, 4, 1, 3, 5).reshape(batch, grid * grid, -1)
    y = rows @ w.reshape(w.shape[0], -1).T + (0 if bias is None else bias)
    return y.transpose(0, 2, 1).reshape(batch, w.shape[0], grid, grid)


def reshape(x, shape):
    return x.reshape([x.shape[k] if size == 0 else size for k, size in enumerate(shape)])


def layer_norm(x, weight, bias, axis, epsilon):
    wide = x.astype(np.float64)
    wide = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + epsilon)
    return (wide * weight + bias).astype(x.dtype)


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


OPERATORS = {
    'Add': np.add, 'Mul': np.multiply, 'MatMul': np.matmul, 'Conv': convolve, 'Reshape': reshape, 'Softmax': softmax,
    'LayerNormalization': layer_norm, 'Tanh': np.tanh,
    'Transpose': lambda x, perm: x.transpose(perm),
    'Split': lambda x, sizes, axis: np.split(x, np.cumsum(sizes)[:-1], axis),
    'Shape': lambda x, start, end: np.array(x.shape[start:end], np.int64),
    'Concat': lambda *x, axis: np.concatenate(x, axis),
    'Expand': lambda x, shape: x * np.ones(shape, x.dtype),
    'Erf': lambda x: np.vectorize(math.erf)(x).astype(x.dtype),
    'Sigmoid': lambda x: (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype),
    'Relu': lambda x: np.maximum(x, 0),
    'Sqrt': np.sqrt, 'Div': np.divide,
    'Gather': lambda x, index, axis: np.take(x, index, axis),
    'Slice': lambda x, start, end, axis: x[:, start[0]:],
    'ReduceMean': lambda x, axes, keepdims: x.mean(tuple(axes), keepdims=bool(keepdims)),
    'ReduceMax': lambda x, axes, keepdims: x.max(tuple(axes), keepdims=bool(keepdims)),
    'Gemm': lambda x, w, bias=0, transB=0: x @ w.T + bias,
    'Cast': lambda x, to: x.astype(DTYPES[to]),
}


def run(graph, images):
    assert graph.inputs == ['images']
    values = dict(graph.weights, images=images)
    for kind, inputs, outputs, attributes in graph.nodes:
        results = OPERATORS[kind](*(values[name] for name in inputs), **attributes)
        for name, result in zip(outputs, results if len(outputs) > 1 else [results]):
            assert name not in values, 'computed twice: ' + name
            values[name] = result
    used = {name for _, inputs, _, _ in graph.nodes for name in inputs}
    assert not set(graph.weights) - used, set(graph.weights) - used
    return {name: values[name] for name in graph.outputs}


def main(tleg):
    failures = checks = 0

    def compare(what, got, want, limit):
        nonlocal failures, checks
        checks += 1
        off = np.linalg.norm(got.astype(np.float64) - want) / np.linalg.norm(want)
        if not off <= limit or got.dtype != np.float32:
            failures += 1
            print(f'FAIL {what}: off by {off:.1e}, {got.dtype}')

    def judge(name, path, expected, limit):
        graph = read(path)
        assert graph.opset == 17 and 'tleg.mean' in graph.metadata
        for size in (expected['images'].shape[0], 1): # the batch is dynamic
            answers = run(graph, expected['images'][:size])
            assert sorted(answers) == sorted(set(expected) & {'logits', 'features'}), answers
            for key, value in answers.items():
                compare(f'{name} {key}', value, expected[key][:size], limit)
        if onnx:
            onnx.checker.check_model(onnx.load(path), full_check=True)
            session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
            keys = [output.name for output in session.get_outputs()]
            for key, value in zip(keys, session.run(None, {'images': expected['images']})):
                compare(f'{name} {key} by ONNX Runtime', value, expected[key], limit)

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'model.onnx')
        for name in FAMILIES:
            expected = load_file(os.path.join(MODELS, name + '.out.safetensors'))
            for dtype, limit in (('f32', 2e-6), ('f16', 5e-3)):
                subprocess.run([tleg, 'export', os.path.join(MODELS, name + '.safetensors'), '--dtype', dtype, '-o', path], check=True,
                               stdout=subprocess.DEVNULL)
                judge(f'{name} {dtype}', path, expected, limit)
        # a learngene, at a depth, with both tokens and with a norm after the mean: against tleg itself
        for options in (['--dist'], ['--norm', 'after-pool'], ['--cls', '--pool', 'mean']):
            gene, out = os.path.join(folder, 'gene.st'), os.path.join(folder, 'out.st')
            subprocess.run([tleg, 'new', '--dim', '12', '--heads', '3', '--image', '12', '--patch', '4', '--classes', '5', *options, '-o', gene],
                           check=True, stdout=subprocess.DEVNULL)
            subprocess.run([tleg, 'run', gene, '--depth', '2', '--input', os.path.join(MODELS, 'deit3.out.safetensors'), '-o', out], check=True,
                           stdout=subprocess.DEVNULL)
            subprocess.run([tleg, 'export', gene, '--depth', '2', '-o', path], check=True, stdout=subprocess.DEVNULL)
            expected = dict(load_file(out), images=load_file(os.path.join(MODELS, 'deit3.out.safetensors'))['images'])
            judge(' '.join(options), path, expected, 1e-5)
        # what is computed once, from constants: as ONNX says it, or not read at all
        base = open(path, 'rb').read()
        places = next(tensor for tensor in map(message, message(message(base)[7][0])[5]) if tensor[8] == [b'places'])
        shape = places[1]

        def filled(value):
            return (1, shape, np.full(shape, value, '<f4').tobytes())

        def whole(value):
            return (7, [], np.array(value, '<i8').tobytes())

        def answer(nodes, tensors):
            with open(path, 'wb') as file:
                file.write(with_places(base, nodes, tensors))
            said = subprocess.run([tleg, 'run', path, '--input', os.path.join(MODELS, 'deit3.out.safetensors'), '-o', out],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            return load_file(out)['logits'] if said.returncode == 0 else said.stderr

        ones = answer([], {'places': filled(1)})
        truth = answer([node('Cast', ['second'], 'truth', to=9), node('Cast', ['truth'], 'factor', to=1), node('Mul', ['first', 'factor'], 'places')],
                       {'first': filled(1), 'second': whole(2)})
        compare('a cast to truth', truth, ones, 0)
        for kind, inputs, attributes in (('Max', 'abc', {}), ('Mod', 'ab', {'fmod': 1})):
            checks += 1
            refused = answer([node(kind, inputs, 'places', **attributes)], {name: filled(ord(name) - 96) for name in 'abc'})
            if not isinstance(refused, str) or 'expected two inputs' not in refused:
                failures += 1
                print(f'FAIL {kind}: {refused}')
    if not onnx:
        print('SKIP onnx: no onnxruntime, computed with NumPy alone')
    print(f'onnx: {checks - failures} of {checks} comparisons')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
