#!/usr/bin/env python3
"""Draws a roofline as an SVG: what each kernel reaches against this core's FMA units and memory.

    bench/bench_roofline [level] >roofline.jsonl;  roofline.py roofline.jsonl -o roofline.svg       Needs Python alone."""
import argparse
import json
import math

COLOURS = {192: "#1b6ca8", 768: "#c8553d"}
LEFT, TOP, WIDTH, HEIGHT = 70, 50, 560, 380
LOW_X, HIGH_X, LOW_Y, HIGH_Y = 0.1, 200, 5, 500


def x(intensity):
    return LEFT + WIDTH * math.log(intensity / LOW_X) / math.log(HIGH_X / LOW_X)


def y(gflops):
    return TOP + HEIGHT * (1 - math.log(gflops / LOW_Y) / math.log(HIGH_Y / LOW_Y))


def axes(peak, copy, level):
    title = f"{level}, one core: {peak:.0f} GFLOP/s, {copy:.0f} GB/s copied"
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 500" font-family="sans-serif" font-size="13" role="img" '
           f'aria-label="roofline: {title}"><rect width="900" height="500" fill="#fff"/><text x="{LEFT}" y="28" font-size="15">{title}</text>']
    for tick in (5, 10, 20, 50, 100, 200, 500):
        out.append(f'<path d="M{LEFT} {y(tick):.1f} H{LEFT + WIDTH}" stroke="#e4e4e4"/>'
                   f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
    for tick in (0.1, 1, 10, 100):
        out.append(f'<text x="{x(tick):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{tick:g}</text>')
    out.append(f'<text x="{LEFT + WIDTH / 2}" y="{TOP + HEIGHT + 40}" text-anchor="middle">operations per byte that must move</text>'
               f'<text transform="translate(22 {TOP + HEIGHT / 2}) rotate(-90)" text-anchor="middle">GFLOP/s</text>')
    start = max(LOW_X, LOW_Y / copy)
    out.append(f'<path d="M{x(start):.1f} {y(start * copy):.1f} L{x(peak / copy):.1f} {y(peak):.1f} H{LEFT + WIDTH}" '
               f'fill="none" stroke="#333" stroke-width="2"/>')
    return out


def draw(rows):
    head, kernels = rows[0], rows[1:]
    names = list(dict.fromkeys(row["kernel"] for row in kernels))
    out = axes(head["fma_gflops"], head["copy_gbytes_per_s"], head["level"])
    for row in kernels:
        at = f'{x(row["operations_per_byte"]):.1f}', f'{y(row["gflops"]):.1f}'
        out.append(f'<circle cx="{at[0]}" cy="{at[1]}" r="9" fill="{COLOURS[row["dim"]]}" fill-opacity="0.85"/>'
                   f'<text x="{at[0]}" y="{float(at[1]) + 4:.1f}" font-size="10" fill="#fff" text-anchor="middle">'
                   f'{names.index(row["kernel"]) + 1}</text>')
    right = LEFT + WIDTH + 24
    for i, dim in enumerate(COLOURS):
        out.append(f'<circle cx="{right + 6}" cy="{TOP + 6 + 22 * i}" r="7" fill="{COLOURS[dim]}"/>'
                   f'<text x="{right + 20}" y="{TOP + 11 + 22 * i}">dim {dim}</text>')
    for i, name in enumerate(names):
        out.append(f'<text x="{right}" y="{TOP + 75 + 22 * i}">{i + 1}  {name}</text>')
    return "\n".join(out + ["</svg>\n"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("measured")
    parser.add_argument("-o", required=True)
    options = parser.parse_args()
    with open(options.measured, encoding="utf-8") as lines:
        drawing = draw([json.loads(line) for line in lines])
    with open(options.o, "w", encoding="utf-8") as out:
        out.write(drawing)
