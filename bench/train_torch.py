#!/usr/bin/python3
"""The step of train.c in PyTorch (Debian: python3-torch): the same model and optimiser, as a PyTorch user would write them. Prints
one JSON object.    train_torch.py [threads]"""
import json
import resource
import sys
import time

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError as error:
    print(json.dumps({"peer": "torch", "skipped": f"{error} ({sys.executable})"}))
    sys.exit(77)

IMAGE, PATCH, DIM, HEADS, DEPTH, BATCH, CLASSES, STEPS = 32, 4, 192, 3, 6, 64, 10, 7


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM, 1e-5), nn.LayerNorm(DIM, 1e-5)
        self.qkv, self.proj = nn.Linear(DIM, 3 * DIM), nn.Linear(DIM, DIM)
        self.fc1, self.fc2 = nn.Linear(DIM, 4 * DIM), nn.Linear(4 * DIM, DIM)

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        mixed = (q * (DIM // HEADS) ** -0.5 @ k.transpose(-2, -1)).softmax(-1) @ v
        x = x + self.proj(mixed.transpose(1, 2).reshape(b, n, DIM))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, DIM, PATCH, PATCH)
        self.pos = nn.Parameter(torch.randn(1, (IMAGE // PATCH) ** 2, DIM) * 0.02)
        self.blocks = nn.Sequential(*[Block() for _ in range(DEPTH)])
        self.norm, self.head = nn.LayerNorm(DIM, 1e-5), nn.Linear(DIM, CLASSES)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2) + self.pos
        return self.head(self.norm(self.blocks(x)).mean(1))


threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
torch.set_num_threads(threads)
torch.manual_seed(0)
model = Model()
optimiser = torch.optim.AdamW(model.parameters(), 1e-3)
images, labels = torch.randn(BATCH, 3, IMAGE, IMAGE), torch.arange(BATCH) % CLASSES
times = []
for _ in range(STEPS + 1):
    start = time.perf_counter()
    optimiser.zero_grad()
    F.cross_entropy(model(images), labels).backward()
    optimiser.step()
    times.append(time.perf_counter() - start)
print(json.dumps({"peer": "torch " + torch.__version__, "model": "cifar-train", "batch": BATCH, "threads": threads,
                  "ms": round(1e3 * sorted(times[1:])[STEPS // 2], 2),
                  "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
