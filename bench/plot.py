"""Bars in an SVG file, without a plotting library."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, ROW, TOP, LEFT, RIGHT = 720, 24, 44, 210, 70  # pixels
OURS, THEIRS = "#c0392b", "#7f8c8d"


def bars(path: Path, title: str, figures: list[tuple[str, float]]) -> None:
    """One bar a figure, shorter is better; sottovoce's in its own colour."""
    figures = [(name, value) for name, value in figures if value == value]
    height = TOP + ROW * len(figures) + 12
    most = max((value for _, value in figures), default=1.0)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="12" y="26" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for i, (name, value) in enumerate(figures):
        y = TOP + ROW * i
        length = (WIDTH - LEFT - RIGHT) * value / most
        color = OURS if name.startswith("sottovoce") else THEIRS
        out += [
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y + 2}" width="{length:.1f}" height="{ROW - 6}" '
            f'fill="{color}"/>',
            f'<text x="{LEFT + length + 6:.1f}" y="{y + 15}">{value:.3g}</text>',
        ]
    path.write_text("\n".join([*out, "</svg>\n"]), encoding="utf-8")
