"""Line charts as SVG: panels side by side with one scale of percent."""
COLOURS = ["#1b6ca8", "#c8553d", "#3a7d44"]
LEFT, TOP, WIDTH, HEIGHT, GAP = 52, 58, 210, 230, 28


def draw(panels, below, title):
    """panels: {title: {line: [(x, percent or None), ...]}}; "" where there is nothing to draw."""
    panels = {name: {line: [p for p in points if p[1] is not None] for line, points in lines.items()}
              for name, lines in panels.items()}
    every = [point for lines in panels.values() for points in lines.values() for point in points]
    if not every:
        return ""
    low, high = 10 * int(min(y for _, y in every) // 10), 10 * (int(max(y for _, y in every) // 10) + 1)
    width = LEFT + len(panels) * (WIDTH + GAP)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + HEIGHT + 56}" font-family="sans-serif" '
           f'font-size="12" role="img" aria-label="{title}"><rect width="100%" height="100%" fill="#fff"/>'
           f'<text x="{LEFT}" y="18" font-size="14">{title}</text>']
    names = list(dict.fromkeys(line for lines in panels.values() for line in lines))
    for i, name in enumerate(names):
        out.append(f'<text x="{LEFT + 110 * i}" y="38" fill="{COLOURS[i]}">{name}</text>')
    out.append(f'<text x="{LEFT + (width - LEFT - GAP) / 2:.0f}" y="{TOP + HEIGHT + 42}" text-anchor="middle">{below}</text>')
    last = max(x for x, _ in every) or 1
    for i, (name, lines) in enumerate(panels.items()):
        out += panel(LEFT + i * (WIDTH + GAP), name, {line: lines.get(line, []) for line in names}, (low, high), last, i == 0)
    return "\n".join(out + ["</svg>\n"])


def panel(left, name, lines, scale, last, first):
    low, high = scale

    def place(point):
        return f"{left + WIDTH * point[0] / last:.1f} {TOP + HEIGHT * (high - point[1]) / (high - low):.1f}"

    out = [f'<text x="{left + WIDTH - 4}" y="{TOP - 4}" text-anchor="end">{name}</text>']
    for tick in range(low, high + 1, 10):
        y = TOP + HEIGHT * (high - tick) / (high - low)
        out.append(f'<path d="M{left} {y:.1f} h{WIDTH}" stroke="#ddd"/>')
        if first:
            out.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tick} %</text>')
    for x in sorted({x for points in lines.values() for x, _ in points}):
        out.append(f'<text x="{left + WIDTH * x / last:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{x:.0f}</text>')
    for colour, points in zip(COLOURS, lines.values()):
        if points:
            path = " L".join(place(point) for point in points)
            out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for point in points:
            x, y = place(point).split()
            out.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
    return out
