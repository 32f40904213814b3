"""What a descendant starts from: each way to initialise, as a function that writes a model file of a depth.

A way is called with the maker, which runs tleg, the run and the file to write; it returns the numbers that must be stored."""
import json
import os

import tensors

SITES = ("norm1", "norm2", "qkv", "proj", "fc1", "fc2")
OF_GENERATOR = ("modulation", "qkv", "proj", "fc1", "fc2")
GENES = {  # what `tleg new` makes for each kind of gene
    "gene1": ["--count", "1"],
    "gene2": ["--count", "2", "--curve", "power"],
    "gene3": ["--count", "3", "--curve", "chebyshev"],
    "gene4": ["--count", "4", "--curve", "chebyshev"],
    "stages": ["--schedule", json.dumps({site: [[1, False]] * 2 for site in SITES})],
}
TITLES = {
    "random": "scratch (random)",
    "mimetic": "mimetic",
    "embedding": "trained model: all but its layers",
    "first2": "trained model: first 2 layers",
    "even2": "trained model: 2 layers evenly spaced",
    "linear2": "trained model: least-squares gene, K = 2",
    "linear4": "trained model: least-squares gene, K = 4",
    "cut": "trained model, cut: its first layers",
    "copied": "trained model: layers evenly spaced",
    "gene1": "one shared layer, K = 1",
    "stages": "two stages of a shared layer",
    "gene2": "gene, K = 2 (TLEG)",
    "gene3": "gene, K = 3 (Chebyshev)",
    "gene4": "gene, K = 4 (Chebyshev)",
}
FROM_MODEL = ("embedding", "first2", "even2", "linear2", "linear4", "cut", "copied")


def fresh_gene(maker, run, out):
    maker.tleg("new", *maker.shape(run), *GENES[run.start], "--seed", str(run.seed), "-o", out)


def random_model(maker, run, out):
    """Layers that share nothing: a gene in which each layer is a segment of its own, expanded."""
    gene = f"{out}.gene"
    sites = OF_GENERATOR if maker.settings["model"].get("kind") == "dit" else SITES
    schedule = json.dumps({site: [[1, False]] * run.depth for site in sites})
    maker.tleg("new", *maker.shape(run), "--schedule", schedule, "--seed", str(run.seed), "-o", gene)
    maker.tleg("expand", gene, "--depth", str(run.depth), "-o", out)
    os.remove(gene)
    return 0


def expanded(maker, run, out):
    gene = maker.model(run.needs[0])
    maker.tleg("expand", gene, "--depth", str(run.depth), "-o", out)
    return tensors.count(tensors.read(gene)[1])


def linear(maker, run, out):
    """The gene that comes closest to a trained model's layers, in the sense of least squares."""
    gene, count = f"{out}.gene", run.start[-1]
    curve = [] if count == "2" else ["--curve", "chebyshev", "--count", count]
    maker.tleg("linearize", maker.model(run.needs[0]), *curve, "-o", gene)
    maker.tleg("expand", gene, "--depth", str(run.depth), "-o", out)
    stored = tensors.count(tensors.read(gene)[1])
    os.remove(gene)
    return stored


def chosen(run, layers):
    """The trained model's layer for each of the run's: None where the layer stays random."""
    depth = run.depth
    if run.start == "embedding":
        return [None] * depth
    if run.start == "first2":
        return [0, 1] + [None] * (depth - 2)
    if run.start == "even2":  # at a quarter and three quarters, each for half of the depth
        pair = (layers // 4, 3 * layers // 4)
        return [pair[2 * layer // depth] for layer in range(depth)]
    if run.start == "cut":
        return list(range(depth))
    return [(2 * layer + 1) * layers // (2 * depth) for layer in range(depth)]


def from_model(maker, run, out):
    """Layers of a trained model, and all that it has outside its layers."""
    random_model(maker, run, out)
    said, trained = tensors.read(maker.model(run.needs[0]))
    metadata, made = tensors.read(out)
    layers = 1 + max(tensors.layer_of(name) for name in trained if tensors.layer_of(name) is not None)
    choice, used = chosen(run, layers), set()
    for name in made:
        layer = tensors.layer_of(name)
        source = name if layer is None else choice[layer] is not None and tensors.with_layer(name, choice[layer])
        if source:
            made[name] = trained[source]
            used.add(source)
    labels = {key: said[key] for key in said if key == "tleg.labels"}
    tensors.write(out, {**metadata, **labels}, made)
    return tensors.count(trained, used)


def mimetic(maker, run, out):
    """Attention as trained Transformers have it (Trockman and Kolter, arXiv 2305.09828); every network's positions are sines."""
    import numpy as np

    random_model(maker, run, out)
    metadata, made = tensors.read(out)
    draw = np.random.default_rng(run.seed)
    heads, dim = maker.settings["model"]["heads"], maker.settings["model"]["dim"]

    def set_to(name, value):
        dtype, shape, _ = made[name]
        made[name] = (dtype, shape, value.astype("<f4").reshape(shape).tobytes())

    for layer in range(run.depth):
        qkv, projection = mimetic_attention(np, draw, dim, heads)
        set_to(f"blocks.{layer}.attn.qkv.weight", qkv)
        set_to(f"blocks.{layer}.attn.proj.weight", projection)
    tensors.write(out, metadata, made)
    return 0


def mimetic_attention(np, draw, dim, heads):
    """qkv (3D, D) and projection (D, D), as (out, in): W_Q W_K^T = 0.7 Z + 0.7 I for each head, W_V W_proj = 0.4 Z - 0.4 I."""
    def noise():
        return draw.normal(0, dim**-0.5, (dim, dim))

    def halves(product, rank):  # product (D, D) close to left (D, rank) right (rank, D)
        u, s, v = np.linalg.svd(product)
        return u[:, :rank] * s[:rank] ** 0.5, s[:rank, None] ** 0.5 * v[:rank]

    pairs = [halves(0.7 * noise() + 0.7 * np.eye(dim), dim // heads) for _ in range(heads)]
    value, projection = halves(0.4 * noise() - 0.4 * np.eye(dim), dim)
    query, key = (np.concatenate(rows) for rows in ([q.T for q, _ in pairs], [k for _, k in pairs]))
    return np.concatenate([query, key, value.T]), projection.T


def make(maker, run, out):
    """Writes the model that `run` starts from; returns the numbers stored for it."""
    if run.start in GENES:
        return expanded(maker, run, out)
    if run.start.startswith("linear"):
        return linear(maker, run, out)
    if run.start in FROM_MODEL:
        return from_model(maker, run, out)
    return {"random": random_model, "mimetic": mimetic}[run.start](maker, run, out)
