"""PyTorch, eager, as its users write a ViT; scaled_dot_product_attention where this PyTorch has it. Needs the package torch.
Debian's sends products to OpenBLAS, whose threads the environment sets (OPENBLAS_NUM_THREADS, OMP_NUM_THREADS): one thread count a process."""
import os

from common import CLASSES, DEPTH, EPS, IMAGE, PATCH, SIZES, TOKENS, arguments, measure, say, skip

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError as error:
    skip("torch", error)


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, EPS), nn.LayerNorm(dim, EPS)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        b, n, dim = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        if hasattr(F, "scaled_dot_product_attention"):
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q * (dim // self.heads) ** -0.5 @ k.transpose(-2, -1)).softmax(-1) @ v
        x = x + self.proj(mixed.transpose(1, 2).reshape(b, n, dim))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Model(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, PATCH, PATCH)
        self.pos = nn.Parameter(torch.randn(1, TOKENS, dim) * 0.02)
        self.blocks = nn.Sequential(*[Block(dim, heads) for _ in range(DEPTH)])
        self.norm, self.head = nn.LayerNorm(dim, EPS), nn.Linear(dim, CLASSES)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.patch(x).flatten(2).transpose(1, 2) + self.pos).mean(1)))


options = arguments(["f32", "bf16"])
version = torch.__version__
modern = int(version.split(".")[0]) >= 2
if not modern and not any(name in os.environ for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")):
    skip("torch " + version, "set OPENBLAS_NUM_THREADS and OMP_NUM_THREADS")
torch.manual_seed(0)
for model in options.model:
    for dtype in options.dtype:
        kind = torch.bfloat16 if dtype == "bf16" else torch.float32
        network = Model(*SIZES[model]).eval().to(kind)
        for threads in options.threads:
            torch.set_num_threads(threads)
            for batch in options.batch:
                images = torch.randn(batch, 3, IMAGE, IMAGE).to(kind)
                with torch.inference_mode():
                    say("torch" if modern else "torch-1", version, model, dtype, batch, threads, measure(lambda: network(images), options.seconds))
