"""The table for the terminal, the same in Markdown, and a chart as SVG."""

from html import escape

HEAD = ("what", "measured (min–max)", "compared with", "ratio", "target", "verdict")


def text_table(rows):
    lines = [HEAD, *[_cells(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
        for line in lines
    )


def markdown(rows, intro):
    lines = [HEAD, ("---",) * len(HEAD), *[_cells(row) for row in rows]]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"# Benchmarks\n\n{intro}\n\n{table}\n"


def _cells(row):
    return (row.title, row.measured, row.compared, row.ratio, row.target, row.verdict)


def svg(rows, intro):
    """A bar per row: how far towards its target, or beyond; the line is the target."""
    shown = [row for row in rows if row.towards_target is not None]
    label, scale, height, top = 430, 170, 22, 50
    most = 2.5  # a bar that is longer is cut off and says how long it is
    width = label + int(scale * most) + 90
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{top + height * len(shown) + 20}" font-family="sans-serif" '
        'font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="20" font-weight="bold">{escape(intro)}</text>',
        f'<text x="{label + scale}" y="40" text-anchor="middle">target</text>',
    ]
    for i, row in enumerate(shown):
        y = top + i * height
        length = int(scale * min(row.towards_target, most))
        colour = "#4a8f5c" if row.towards_target >= 1 else "#c8743c"
        parts += [
            f'<text x="{label - 8}" y="{y + 15}" text-anchor="end">'
            f"{escape(row.title)}</text>",
            f'<rect x="{label}" y="{y + 4}" width="{length}" height="{height - 8}" '
            f'fill="{colour}"/>',
            f'<text x="{label + length + 6}" y="{y + 15}">'
            f"{row.towards_target:.2f} ×</text>",
        ]
    end = top + height * len(shown)
    parts += [
        f'<line x1="{label + scale}" y1="{top - 6}" x2="{label + scale}" y2="{end}" '
        'stroke="black" stroke-dasharray="4 3"/>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
