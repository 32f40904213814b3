"""A plain ViT with random weights as an ONNX file: patch 16, 224 px, depth 12, mean over tokens, then the norm and the head.
Written as exporters write it ("plain"), or as ONNX Runtime likes it best ("fused"): with its own attention operator, and the products as
Gemm over (B * N, D), which takes the bias along."""
import os

import numpy as np
from common import CLASSES, DEPTH, EPS, IMAGE, PATCH, SIZES, TOKENS
from onnx import TensorProto, helper, numpy_helper, save


class Graph:
    def __init__(self, fused):
        self.fused = fused
        self.nodes, self.weights, self.random = [], [], np.random.default_rng(0)

    def add(self, kind, inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def normal(self, *shape):
        return self.constant(self.random.standard_normal(shape, dtype=np.float32) * np.float32(0.02))

    def integers(self, *values):
        return self.constant(np.array(values, dtype=np.int64))

    def norm(self, x, dim):
        ones = self.constant(np.ones(dim, dtype=np.float32))
        return self.add("LayerNormalization", [x, ones, self.normal(dim)], axis=-1, epsilon=EPS)

    def gelu(self, x):
        """The exact form, spelt out as exporters do; both peers know it again."""
        error = self.add("Erf", [self.add("Div", [x, self.constant(np.float32(2**0.5).reshape(()))])])
        doubled = self.add("Mul", [x, self.add("Add", [error, self.constant(np.float32(1).reshape(()))])])
        return self.add("Mul", [doubled, self.constant(np.float32(0.5).reshape(()))])

    def linear(self, x, columns, rows):
        """x (B, N, columns) -> (B, N, rows)"""
        if self.fused:
            flat = self.add("Reshape", [x, self.integers(-1, columns)])
            flat = self.add("Gemm", [flat, self.normal(columns, rows), self.normal(rows)])
            return self.add("Reshape", [flat, self.integers(-1, TOKENS, rows)])
        return self.add("Add", [self.add("MatMul", [x, self.normal(columns, rows)]), self.normal(rows)])


def attention_plain(graph, qkv, dim, heads):
    """qkv (B, N, 3D) -> (B, N, D)"""
    split = graph.add("Reshape", [qkv, graph.integers(0, TOKENS, 3, heads, dim // heads)])
    split = graph.add("Transpose", [split], perm=[2, 0, 3, 1, 4])  # (3, B, heads, N, D / heads)
    q, k, v = [graph.add("Gather", [split, graph.constant(np.array(i))], axis=0) for i in range(3)]
    q = graph.add("Mul", [q, graph.constant(np.float32((dim // heads) ** -0.5).reshape(()))])
    scores = graph.add("MatMul", [q, graph.add("Transpose", [k], perm=[0, 1, 3, 2])])
    mixed = graph.add("MatMul", [graph.add("Softmax", [scores], axis=-1), v])
    return graph.add("Reshape", [graph.add("Transpose", [mixed], perm=[0, 2, 1, 3]), graph.integers(0, TOKENS, dim)])


def attention_fused(graph, qkv, dim, heads):
    q, k, v = graph.add("Split", [qkv], 3, axis=-1, num_outputs=3)
    return graph.add("MultiHeadAttention", [q, k, v], domain="com.microsoft", num_heads=heads)


def build(model, form):
    dim, heads = SIZES[model]
    graph = Graph(form == "fused")
    x = graph.add("Conv", ["x", graph.normal(dim, 3, PATCH, PATCH), graph.normal(dim)], kernel_shape=[PATCH] * 2, strides=[PATCH] * 2)
    x = graph.add("Transpose", [graph.add("Reshape", [x, graph.integers(0, dim, TOKENS)])], perm=[0, 2, 1])
    x = graph.add("Add", [x, graph.normal(1, TOKENS, dim)])
    for _ in range(DEPTH):
        qkv = graph.linear(graph.norm(x, dim), dim, 3 * dim)
        mixed = (attention_fused if graph.fused else attention_plain)(graph, qkv, dim, heads)
        x = graph.add("Add", [x, graph.linear(mixed, dim, dim)])
        hidden = graph.gelu(graph.linear(graph.norm(x, dim), dim, 4 * dim))
        x = graph.add("Add", [x, graph.linear(hidden, 4 * dim, dim)])
    x = graph.norm(graph.add("ReduceMean", [x, graph.integers(1)], keepdims=0), dim)
    graph.nodes.append(helper.make_node("Gemm", [x, graph.normal(dim, CLASSES), graph.normal(CLASSES)], ["y"]))
    value = helper.make_tensor_value_info
    whole = helper.make_graph(graph.nodes, "vit", [value("x", TensorProto.FLOAT, ["b", 3, IMAGE, IMAGE])],
                              [value("y", TensorProto.FLOAT, ["b", CLASSES])], graph.weights)
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)], ir_version=10)


def path_of(model, form, cache):
    """The file, written if it is not there yet."""
    path = os.path.join(cache, f"vit-{model}-{form}.onnx")
    if not os.path.exists(path):
        save(build(model, form), path + ".new")
        os.replace(path + ".new", path)
    return path
