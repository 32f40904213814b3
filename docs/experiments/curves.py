#!/usr/bin/env python3
"""Draws a training log as an SVG: validation top-1 at each depth over the epochs.    curves.py LOG.jsonl -o CURVES.svg [--title TEXT]

The log is what `tleg distill --log` or `tleg tune --log` writes. Needs Python alone."""
import argparse
import json

COLOURS = ["#1b6ca8", "#c8553d", "#3a7d44", "#7d4e9e", "#b8860b", "#555555"]
LEFT, TOP, WIDTH, HEIGHT = 60, 40, 640, 320


def read(path):
    """{depth: [(epoch, top1), ...]}"""
    curves = {}
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        if "val_top1" in row:
            for depth, top1 in row.get("val_top1_by_depth", {"": row["val_top1"]}).items():
                curves.setdefault(depth, []).append((row["epoch"], 100 * top1))
    return curves


def draw(curves, title):
    last = max(epoch for points in curves.values() for epoch, _ in points)
    low = 10 * int(min(y for points in curves.values() for _, y in points) // 10)
    high = 10 * (int(max(y for points in curves.values() for _, y in points) // 10) + 1)
    x = lambda epoch: LEFT + WIDTH * epoch / last
    y = lambda top1: TOP + HEIGHT * (high - top1) / (high - low)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 420" font-family="sans-serif" font-size="13" role="img" '
           f'aria-label="{title}"><rect width="800" height="420" fill="#fff"/><text x="{LEFT}" y="22" font-size="15">{title}</text>']
    for tick in range(low, high + 1, 10):
        out.append(f'<path d="M{LEFT} {y(tick):.1f} H{LEFT + WIDTH}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick} %</text>')
    for epoch in range(0, last + 1, max(1, last // 8)):
        out.append(f'<text x="{x(epoch):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{epoch}</text>')
    out.append(f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 40}" text-anchor="middle">epoch</text>')
    for i, (depth, points) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " L".join(f"{x(epoch):.1f} {y(top1):.1f}" for epoch, top1 in points)
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
                   f'<text x="{LEFT + WIDTH + 8}" y="{TOP + 20 + 20 * i}" fill="{colour}">'
                   f'{"depth " + depth if depth else "top-1"}</text>')
    return "\n".join(out + ["</svg>\n"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("log")
    parser.add_argument("-o", required=True)
    parser.add_argument("--title", default="validation top-1")
    options = parser.parse_args()
    open(options.o, "w", encoding="utf-8").write(draw(read(options.log), options.title))
