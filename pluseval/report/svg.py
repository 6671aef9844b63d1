"""Plain SVG: shapes as strings, for pages that must not wait for a plotting library.

The figures of a run come from :mod:`pluseval.report.figures`, with matplotlib; those of the committed table
are made while their page runs, where an import of matplotlib alone would cost more than all the rest.
"""

from __future__ import annotations

import base64
import html
import math

# As in pluseval.report.canvas, whose import loads a plotting library; a test keeps them equal.
PROGRAMME, COMPARISON, CONTEXT, WARNING = "#0173b2", "#de8f05", "#767676", "#a3341a"
INK = "#222222"
FONT = "DejaVu Sans, Verdana, Arial, sans-serif"
LETTER = 0.62  # width of a letter of these fonts over its height, on the wide side


def picture(width: float, height: float, parts: list[str]) -> str:
    """A drawing on white; the same parts give the same bytes."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'width="{_n(width)}" height="{_n(height)}" font-family="{FONT}">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>'
    )


def address(svg: str) -> str:
    """The drawing as a ``data:`` address, so that nothing is fetched."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float = 12,
    anchor: str = "start",
    bold: bool = False,
    colour: str = INK,
) -> str:
    """One line of text; ``y`` is its base line."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" text-anchor="{anchor}" fill="{colour}"'
        f"{weight}>{html.escape(words, quote=False)}</text>"
    )


def line(
    x1: float, y1: float, x2: float, y2: float, *, colour: str = INK, width: float = 1, dashed: bool = False
) -> str:
    """A straight line."""
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="{colour}" '
        f'stroke-width="{_n(width)}"{dash}/>'
    )


def box(
    x: float, y: float, width: float, height: float, *, fill: str = "none", edge: str = "", thick: float = 1
) -> str:
    """A rectangle, filled, drawn or both."""
    stroke = f' stroke="{edge}" stroke-width="{_n(thick)}"' if edge else ""
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" fill="{fill}"{stroke}/>'


def dot(x: float, y: float, radius: float, *, colour: str, hollow: bool = False) -> str:
    """A round mark; a hollow one is white inside."""
    fill = "#ffffff" if hollow else colour
    return (
        f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{fill}" stroke="{colour}" '
        'stroke-width="1.6"/>'
    )


def length(words: str, size: float = 12) -> float:
    """About how wide a line of text is, rather too much than too little."""
    return LETTER * size * len(words)


def between(share: float, low: str, high: str) -> str:
    """A colour on the way from one to another.

    Examples
    --------
    >>> between(0.5, "#ffffff", "#000000")
    '#808080'
    """
    ends = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in (low, high)]
    mixed = [math.floor(a + share * (b - a) + 0.5) for a, b in zip(*ends, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round numbers that lie between two others, at most so many.

    Examples
    --------
    >>> ticks(4.2, 16.9, 7)
    [6, 8, 10, 12, 14, 16]
    """
    raw = (high - low) / most
    power = 10 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
