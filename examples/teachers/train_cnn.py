#!/usr/bin/env python3
r"""Train a small convolutional teacher for 32-pixel pictures, on a processor without a GPU.

    python3 train_cnn.py --data cifar10/train --val-every 10 -o teacher.pt
    tleg distill ... --teacher-command 'exec python3 serve.py --module train_cnn.py:load --checkpoint teacher.pt \
                                        --mean 0.4914,0.4822,0.4465 --std 0.2470,0.2435,0.2616'

The network and its schedule follow what K. Jordan describes in "94% on CIFAR-10 in 3.29 seconds" (arXiv 2404.00498): a fixed
first layer that whitens patches of 2 x 2 pixels, three groups of convolutions, a triangular learning rate, alternating flips,
averaged weights; and boxes of other pictures are pasted into half of the batches (CutMix). With --muon the filters are moved by Muon
instead: `--muon 0.2 --batch 1000 --epochs 16`. --convolutions 3, with a way around two of them, and --shift 4 are of that paper's
larger network; the best so far, in two hours of two cores: `--muon 0.2 --batch 1000 --smoothing 0.1 --widths 96,256,384
--convolutions 3 --shift 4 --epochs 40`. It computes in bf16 where the processor does. Needs torch, numpy and Pillow, and serve.py
beside it. Every epoch ends with a checkpoint; the same command goes on from there.

DATA is a folder for each class. Of each class's sorted list every N-th picture, from the first on, is kept for validation, as
`tleg distill --val-every N` does.
"""
import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from PIL import Image

from serve import multiplies_bf16

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)
WIDTHS = (64, 256, 256)


class Whiten(nn.Conv2d):
    """2 x 2 patches projected on their principal components, scaled to unit variance, and the same with the sign turned."""

    def __init__(self):
        super().__init__(3, 24, 2)

    @torch.no_grad()
    def measure(self, images, epsilon=5e-4):
        patches = F.unfold(images, 2).permute(0, 2, 1).reshape(-1, 12).double()
        patches = patches - patches.mean(0)
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / (values + epsilon).sqrt()).T.reshape(12, 3, 2, 2).float()
        self.weight.copy_(torch.cat((filters, -filters)))
        self.bias.zero_()


class Muon(torch.optim.Optimizer):
    """Every filter bank (out, in, 3, 3), as a matrix with a row for each filter, moves by its momentum's nearest orthogonal matrix,
    and its filters have a mean square norm of 1 before each step (K. Jordan, "Muon", 2024: the norm after it scales them anyway)."""

    def __init__(self, filters, lr, momentum):
        super().__init__(filters, {'lr': lr, 'momentum': momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for filters in group['params']:
                momentum = self.state[filters].setdefault('momentum', torch.zeros_like(filters))
                momentum.mul_(group['momentum']).add_(filters.grad)
                ahead = filters.grad + group['momentum'] * momentum
                filters.mul_(len(filters) ** 0.5 / filters.norm())
                filters.sub_(orthogonal(ahead.flatten(1)).view_as(filters), alpha=group['lr'])


def orthogonal(x, steps=5):
    """About U V' of x = U S V': a polynomial that draws all singular values near 1, applied `steps` times. x: rows <= columns."""
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x


class Group(nn.Module):
    """Halves the side. Of three convolutions the last two have a way around them."""

    def __init__(self, inside, outside, convolutions):
        super().__init__()
        self.convolutions = convolutions
        for i in range(1, convolutions + 1):
            conv = nn.Conv2d(inside if i == 1 else outside, outside, 3, padding=1, bias=False)
            nn.init.dirac_(conv.weight[: conv.in_channels])  # the first filters pass their input on
            norm = nn.BatchNorm2d(outside, momentum=0.3)
            norm.weight.requires_grad_(False)
            setattr(self, f'conv{i}', conv)
            setattr(self, f'norm{i}', norm)

    def forward(self, x):
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        y = self.norm2(self.conv2(x))
        if self.convolutions == 3:
            y = x + self.norm3(self.conv3(F.gelu(y)))
        return F.gelu(y)


class Teacher(nn.Module):
    """Prepared images (B, 3, 32, 32) to logits (B, classes)."""

    def __init__(self, classes, widths=WIDTHS, convolutions=2):
        super().__init__()
        self.shape = {'classes': classes, 'widths': widths, 'convolutions': convolutions}
        self.whiten = Whiten()
        self.groups = nn.Sequential(*(Group(i, o, convolutions) for i, o in zip((24, *widths), widths)))
        self.head = nn.Linear(widths[-1], classes, bias=False)

    def forward(self, x):
        x = self.groups(F.gelu(self.whiten(x)))
        return self.head(x.amax((2, 3))) / 9


def load(path):
    """A trained teacher from the file that this program wrote."""
    saved = torch.load(path, map_location='cpu')
    teacher = Teacher(**{name: saved[name] for name in ('classes', 'widths', 'convolutions') if name in saved})
    teacher.load_state_dict(saved['average'])
    return teacher.eval()


def read(folder, every, cache):
    """The prepared pictures that teach and those that validate, with their labels; kept in the file `cache`, which says whose it is."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    pictures = [(label, i % every == 0, path) for label, each in enumerate(classes) for i, path in enumerate(sorted(each.iterdir()))]
    names = np.array([f'{kept:d} {path.absolute()}' for _, kept, path in pictures])
    if not cache.exists() or not np.array_equal(np.load(cache).get('names', ()), names):
        sets = {'train': ([], []), 'val': ([], [])}
        for label, kept, path in pictures:
            images, labels = sets['val' if kept else 'train']
            images.append(np.asarray(Image.open(path).convert('RGB')))
            labels.append(label)
        partial = cache.with_suffix('.part.npz')
        np.savez(partial, names=names, **{f'{k}_{n}': np.stack(v) for k, s in sets.items() for n, v in zip(('images', 'labels'), s)})
        partial.replace(cache)
    stored = np.load(cache)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))

    def part(kind):
        images = torch.from_numpy(stored[f'{kind}_images']).permute(0, 3, 1, 2)
        return ((images / 255 - mean) / std), torch.from_numpy(stored[f'{kind}_labels'])

    return part('train'), part('val')


def crops(images, shift):
    """Each image moved by up to `shift` pixels, what comes in mirrored."""
    padded = F.pad(images, (shift,) * 4, 'reflect')
    views = padded.unfold(2, 32, 1).unfold(3, 32, 1)  # (B, 3, 2s+1, 2s+1, 32, 32)
    row, column = torch.randint(2 * shift + 1, (2, len(images)))
    return views[torch.arange(len(images)), :, row, column]


def cutmix(images):
    """A box of each image is taken from another (arXiv 1905.04899). Returns the mixed images, which others they were mixed with,
    and the share of the area that is their own."""
    side = images.shape[-1]
    half = np.sqrt(np.random.uniform()) * side / 2  # the area is uniform, as Beta(1, 1) draws it
    (top, bottom), (left, right) = [(max(round(c - half), 0), min(round(c + half), side)) for c in np.random.randint(side, size=2)]
    order = torch.randperm(len(images))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[order, :, top:bottom, left:right]
    return mixed, order, 1 - (bottom - top) * (right - left) / side ** 2


def accuracy(model, images, labels, bf16):
    model.eval()
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16, enabled=bf16):
        right = [(model(x.contiguous(memory_format=torch.channels_last)).argmax(1) == y).sum()
                 for x, y in zip(images.split(500), labels.split(500))]
    return 100 * sum(right).item() / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--val-every', type=int, default=10)
    parser.add_argument('--epochs', type=int, default=18)
    parser.add_argument('--batch', type=int, default=512)
    parser.add_argument('--rate', type=float, default=1.5, help='peak, for a batch of 1024')
    parser.add_argument('--muon', type=float, metavar='RATE', help='move the filters by Muon, at this peak rate')
    parser.add_argument('--decay', type=float, default=1.3e-3)
    parser.add_argument('--smoothing', type=float, default=0.0)
    parser.add_argument('--widths', type=lambda text: tuple(map(int, text.split(','))), default=WIDTHS, metavar='A,B,C',
                        help='filters of the three groups (64,256,256)')
    parser.add_argument('--convolutions', type=int, choices=(2, 3), default=2, help='of each group')
    parser.add_argument('--shift', type=int, default=2, help='pixels that a picture is moved by, at most')
    parser.add_argument('--cutmix', type=float, default=0.5, help='share of the batches that are mixed')
    parser.add_argument('--start', type=Path, help='begin with the weights of this teacher')
    parser.add_argument('--threads', type=int, default=os.cpu_count())
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('-o', dest='output', type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    bf16 = multiplies_bf16()
    (images, labels), validation = read(args.data, args.val_every, args.output.with_suffix('.npz'))
    torch.manual_seed(args.seed)
    model = Teacher(int(labels.max()) + 1, args.widths, args.convolutions).to(memory_format=torch.channels_last)
    model.whiten.measure(images[:5000])
    model.whiten.weight.requires_grad_(False)
    if args.start:
        model.load_state_dict(torch.load(args.start)['average'])
    average = {k: v.clone() for k, v in model.state_dict().items()}

    rate = args.rate * args.batch / 1024
    biases = [p for n, p in model.named_parameters() if p.requires_grad and 'norm' in n]
    others = [p for n, p in model.named_parameters() if p.requires_grad and 'norm' not in n]
    filters = [p for p in others if args.muon and p.ndim == 4]
    others = [p for p in others if not args.muon or p.ndim != 4]
    optimiser = torch.optim.SGD(
        [{'params': biases, 'scale': 32.0, 'weight_decay': args.decay / 32}, {'params': others, 'scale': 1.0}],
        lr=rate, momentum=0.85, nesterov=True, weight_decay=args.decay)
    optimisers = [optimiser]
    if filters:
        optimisers.append(Muon([{'params': filters, 'scale': args.muon / rate}], lr=args.muon, momentum=0.6))
    steps = len(images) // args.batch
    total = steps * args.epochs
    first = 0
    if args.output.exists():
        saved = torch.load(args.output)
        model.load_state_dict(saved['model'])
        for optimiser, state in zip(optimisers, saved['optimisers']):
            optimiser.load_state_dict(state)
        average, first = saved['average'], saved['epoch']

    started = time.time()
    for epoch in range(first, args.epochs):
        torch.manual_seed(args.seed * 1000 + epoch)
        np.random.seed(args.seed * 1000 + epoch)
        order = torch.randperm(len(images))
        parity = (torch.arange(len(images)) * 2654435761 >> 7) + epoch  # each image is flipped in every second epoch
        model.train()
        losses = []
        for step in range(steps):
            done = (epoch * steps + step) / total
            now = rate * (0.2 + 0.8 * done / 0.23 if done < 0.23 else (1 - done) / 0.77 * 0.93 + 0.07)
            for optimiser in optimisers:
                for group in optimiser.param_groups:
                    group['lr'] = now * group['scale']
            chosen = order[step * args.batch:(step + 1) * args.batch]
            batch = crops(images[chosen], args.shift)
            flipped = (parity[chosen] % 2 == 1).view(-1, 1, 1, 1)
            batch, targets = torch.where(flipped, batch.flip(3), batch), F.one_hot(labels[chosen], model.head.out_features).float()
            if np.random.uniform() < args.cutmix:
                batch, other, share = cutmix(batch)
                targets = share * targets + (1 - share) * targets[other]
            batch = batch.contiguous(memory_format=torch.channels_last)
            with torch.autocast('cpu', torch.bfloat16, enabled=bf16):
                logits = model(batch)
            loss = F.cross_entropy(logits.float(), targets, label_smoothing=args.smoothing)
            model.zero_grad(set_to_none=True)
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
            losses.append(loss.item())
            if step % 5 == 4 or step == steps - 1:
                decay = 0.95 ** 5 * done ** 3  # of the averaged weights, which follow more slowly as the rate falls
                for name, value in model.state_dict().items():
                    if value.is_floating_point():
                        average[name].lerp_(value, 1 - decay)
                        value.copy_(average[name])
                    else:
                        average[name].copy_(value)
        score = accuracy(model, *validation, bf16)
        partial = args.output.with_suffix('.part')
        torch.save({'model': model.state_dict(), 'average': average,
                    'optimisers': [optimiser.state_dict() for optimiser in optimisers], 'epoch': epoch + 1, 'accuracy': score,
                    **model.shape}, partial)
        partial.replace(args.output)
        print(json.dumps({'epoch': epoch + 1, 'loss': round(float(np.mean(losses)), 4), 'accuracy': score,
                          'seconds': round(time.time() - started, 1)}), flush=True)


if __name__ == '__main__':
    main()
