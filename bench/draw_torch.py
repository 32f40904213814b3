#!/usr/bin/python3
"""What draw.c times, in PyTorch, as its users would write it: a Diffusion Transformer's answer, and an optimiser step. Prints JSON
objects.    draw_torch.py [threads] [f32|bf16] [batch]"""
import json
import sys
import time

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError as error:
    print(json.dumps({"peer": "torch", "skipped": f"{error} ({sys.executable})"}))
    sys.exit(77)

IMAGE, PATCH, CHANNELS, DIM, HEADS, DEPTH, LABELS, TRAINED = 32, 2, 4, 384, 6, 12, 10, 16


def modulate(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(DIM, 1e-6, elementwise_affine=False)
        self.qkv, self.proj = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)
        self.fc1, self.fc2 = nn.Linear(DIM, 4 * DIM), nn.Linear(4 * DIM, DIM)
        self.modulation = nn.Linear(DIM, 6 * DIM)

    def forward(self, x, c):
        b, n, dim = x.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c).chunk(6, 1)
        q, k, v = self.qkv(modulate(self.norm(x), shift1, scale1)).reshape(b, n, 3, HEADS, dim // HEADS).permute(2, 0, 3, 1, 4)
        if hasattr(F, "scaled_dot_product_attention"):
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q * (dim // HEADS) ** -0.5 @ k.transpose(-2, -1)).softmax(-1) @ v
        x = x + gate1[:, None] * self.proj(mixed.transpose(1, 2).reshape(b, n, dim))
        return x + gate2[:, None] * self.fc2(F.gelu(self.fc1(modulate(self.norm(x), shift2, scale2)), approximate="tanh"))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(CHANNELS, DIM, PATCH, PATCH)
        self.pos = nn.Parameter(torch.randn(1, (IMAGE // PATCH) ** 2, DIM) * 0.02, requires_grad=False)
        self.time = nn.Sequential(nn.Linear(256, DIM), nn.SiLU(), nn.Linear(DIM, DIM))
        self.label = nn.Embedding(LABELS + 1, DIM)
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(DIM, 1e-6, elementwise_affine=False)
        self.modulation, self.last = nn.Linear(DIM, 2 * DIM), nn.Linear(DIM, PATCH * PATCH * CHANNELS)

    def forward(self, x, times, labels):
        turn = times[:, None] * 10000.0 ** (-torch.arange(128) / 128)
        c = F.silu(self.time(torch.cat([turn.cos(), turn.sin()], 1).to(x.dtype)) + self.label(labels))
        h = self.patch(x).flatten(2).transpose(1, 2) + self.pos
        for block in self.blocks:
            h = block(h, c)
        shift, scale = self.modulation(c).chunk(2, 1)
        side = IMAGE // PATCH
        out = self.last(modulate(self.norm(h), shift, scale)).reshape(len(x), side, side, PATCH, PATCH, CHANNELS)
        return out.permute(0, 5, 1, 3, 2, 4).reshape(x.shape)


def measure(run):
    """Milliseconds: the median of a second's runs, at least three, after one that does not count."""
    run()
    times = []
    while len(times) < 3 or sum(times) < 1e3:
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return sorted(times)[len(times) // 2]


def say(what, size, ms):
    print(json.dumps({"peer": "torch", "version": torch.__version__, "what": what, "dtype": dtype, "batch": size,
                      "threads": threads, "ms": round(ms, 2)}), flush=True)


threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
dtype = sys.argv[2] if len(sys.argv) > 2 else "f32"
batch = int(sys.argv[3]) if len(sys.argv) > 3 else 1
kind = torch.bfloat16 if dtype == "bf16" else torch.float32
torch.set_num_threads(threads)
torch.manual_seed(0)


def inputs(size):
    return torch.randn(size, CHANNELS, IMAGE, IMAGE), torch.arange(size) * 15 % 1000, torch.arange(size) % LABELS


images, times, labels = inputs(batch)
network = Model().eval().to(kind)
with torch.inference_mode():
    say("noise", batch, measure(lambda: network(images.to(kind), times, labels)))
if batch == 1:
    images, times, labels = inputs(TRAINED)
    network = Model().train()
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], 1e-4)

    def step():
        optimiser.zero_grad()
        noise = torch.randn_like(images)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            told = network(images + noise, times, labels)
        (told.float() - noise).square().mean().backward()
        optimiser.step()

    say("step", TRAINED, measure(step))
