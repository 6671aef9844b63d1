"""Figures of the measured error rates: sizes and coverages as a heat map, widths of intervals."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from pluseval.report import svg
from pluseval.report.captions import figure_html
from pluseval.report.error_rates import ErrorRates, Row
from pluseval.report.numbers import format_number
from pluseval.report.page import table
from pluseval.report.readback import Html

SOURCE = "synthetic: planted studies on the design's own list sizes"
CAUTIOUS, FALSE = "#5b9bd0", "#e0783c"
WIDTH = 700.0
HEAD = 9.5  # size of the heads of columns
ABSENT = Html('<p class="pluseval-absent">Not in this table.</p>')


# -- size or coverage: kinds of study by procedures ---------------------------------------------------------


def heat_map(rates: ErrorRates, what: str, *, treated: int, procedures: Sequence[str], title: str) -> Html:
    """Kinds of study by procedures: each value in a cell whose colour says which way it errs.

    Parameters
    ----------
    rates : ErrorRates
    what : {"size", "coverage"}
        In percent; the colour of a coverage is that of its complement.
    treated : int
        Number of programme practices.
    procedures : sequence of str
        Columns; those that were not measured on this design are left out.
    title : str
        What the figure shows; the caption adds unit, number of studies, Monte Carlo error and source.

    Returns
    -------
    Html
        A ``<figure>`` with alternative text, caption and the table of the values with their errors.
    """
    shown = [p for p in procedures if rates.measured(p, what, treated=treated)]
    rows = [r for p in shown for r in rates.measured(p, what, treated=treated)]
    if not rows:
        return ABSENT
    promised = rates.alpha if what == "size" else 1 - rates.alpha
    far = max(rows, key=lambda r: abs(math.log(_errors(r, what) / rates.alpha)))
    told = [
        f"{rates.name(far['procedure'])} is farthest off: {percent(far[what])} ({rates.kind(far['cell'])})"
    ]
    own = rates.measured(rates.chosen, what, treated=treated)
    if rates.chosen in shown and own:
        low, high = (percent(end(r[what] for r in own)) for end in (min, max))
        told.insert(0, f"the primary, {rates.name(rates.chosen)}, lies between {low} and {high}")
    kinds = len({r["cell"] for r in rows})
    alt = (
        f"Heat map: {title}, {kinds} kinds of study by {len(shown)} procedures [{SOURCE}]. "
        f"{capital('; '.join(told))} (percent of studies; {percent(promised)} is promised)."
    )
    text = (
        f"{title}. Unit: percent of studies; {percent(promised)} is promised. White: as promised; orange: "
        "errs too often; blue: too rarely; in a frame: outside the bounds that the primary must keep. "
        f"{foot(rows, what)}"
    )
    values = rates.table(what, treated=treated, procedures=shown, caption=f"{title} (Monte Carlo error)")
    return figure(f"{what}-{treated}-{shown[0]}", _heat(rates, what, treated, shown), alt, text, values)


def _heat(rates: ErrorRates, what: str, treated: int, shown: Sequence[str]) -> str:
    rows = [r for p in shown for r in rates.measured(p, what, treated=treated)]
    cells = [
        (cell, varying)
        for varying in (False, True)
        for cell in rates.cells(treated, constant=not varying)
        if any(r["cell"] == cell for r in rows)
    ]
    left, height = 214.0, 27.0
    column = min(66.0, max(58.0, (WIDTH - left - 10) / len(shown)))
    heads = [textwrap.wrap(rates.name(p), 11, break_long_words=False) for p in shown]
    top = 30.0 + 12 * max(map(len, heads))
    parts, frames = [], []
    for i, (procedure, head) in enumerate(zip(shown, heads, strict=True)):
        own = procedure == rates.chosen
        if own:
            parts.append(_centred(left + (i + 0.5) * column, 12, "primary", column, colour=svg.PROGRAMME))
        for j, words in enumerate(head):
            base = top - 7 - 12 * (len(head) - 1 - j)
            parts.append(_centred(left + (i + 0.5) * column, base, words, column, bold=own))
    y = top
    for row_at, (cell, varying) in enumerate(cells):
        if varying and row_at and not cells[row_at - 1][1]:
            y += 8  # other bounds from here on
        parts += row_label(left - 8, y + height / 2, rates.kind(cell), 32)
        for i, procedure in enumerate(shown):
            row, x = rates.row(cell, procedure), left + i * column
            if row is None or row.get(what) is None:
                parts.append(svg.box(x, y, column, height, fill="#f4f4f4", edge="#ffffff"))
                continue
            parts.append(svg.box(x, y, column, height, fill=_colour(rates, row, what), edge="#ffffff"))
            outside = row.get("size") is not None and not rates.keeps(row)
            if outside:
                frames.append(svg.box(x + 2, y + 2, column - 4, height - 4, edge=svg.INK, thick=1.2))
            value = format_number(100 * row[what], 1)
            parts.append(svg.text(x + column / 2, y + 18, value, anchor="middle", bold=outside))
        y += height
    if rates.chosen in shown:
        at = left + shown.index(rates.chosen) * column
        parts.append(svg.box(at, top - 1, column, y - top + 2, edge=svg.PROGRAMME, thick=2.4))
    return svg.picture(left + column * len(shown) + 12, y + 12, parts + frames)


def _colour(rates: ErrorRates, row: Row, what: str) -> str:
    """White at the nominal level; full at half of it, and at three times."""
    doublings = math.log2(max(_errors(row, what), 1e-6) / rates.alpha)
    if doublings < 0:
        return svg.between(min(-doublings, 1.0), "#ffffff", CAUTIOUS)
    return svg.between(min(doublings / math.log2(3), 1.0), "#ffffff", FALSE)


def _errors(row: Row, what: str) -> float:
    return max(row[what] if what == "size" else 1 - row[what], 1e-6)


# -- widths of intervals ------------------------------------------------------------------------------------


def relative_widths(rates: ErrorRates, *, to: str = "pooled_t", title: str) -> Html:
    """Median widths of intervals as multiples of those of one procedure, per design a mark and its range."""
    designs = rates.designs
    found = {
        p: ratios
        for p in dict.fromkeys(p for treated, _ in designs for p in rates.candidates(treated))
        if any(ratios := [_ratios(rates, p, to, treated) for treated, _ in designs])
    }
    if not found:
        return ABSENT
    ends = [ratio for each in found.values() for pairs in each for ratio, _ in pairs]
    low, high = min(*ends, 1.0) - 0.05, max(*ends, 1.0) + 0.05
    left, top, row_height = 240.0, 44.0, 28.0
    wide = WIDTH - left - 20

    def x_of(value: float) -> float:
        return left + (value - low) / (high - low) * wide

    bottom = top + row_height * len(found)
    parts = [svg.line(x_of(1), top - 6, x_of(1), bottom, colour=svg.CONTEXT, dashed=True)]
    for value in svg.ticks(low, high, 8):
        parts.append(svg.line(x_of(value), top - 6, x_of(value), bottom, colour="#eeeeee"))
        parts.append(svg.text(x_of(value), bottom + 17, f"{value:g}", size=11, anchor="middle"))
    x = left
    colours = (svg.PROGRAMME, svg.COMPARISON)
    for at, (treated, other) in enumerate(designs[:2]):
        parts.append(svg.dot(x + 6, 16, 5, colour=colours[at], hollow=at > 0))
        parts.append(svg.text(x + 16, 20, f"{treated} + {other} practices", bold=True))
        x += 150
    rows = []
    for at, (procedure, each) in enumerate(found.items()):
        y, own = top + row_height * (at + 0.5), procedure == rates.chosen
        colour = svg.PROGRAMME if own else svg.INK
        parts += row_label(left - 10, y, rates.name(procedure), 36, bold=own, colour=colour)
        for design, pairs in enumerate(each[:2]):
            if not pairs:
                continue
            values = [ratio for ratio, _ in pairs]
            height = y + (4 if design else -4)
            parts.append(
                svg.line(
                    x_of(min(values)), height, x_of(max(values)), height, colour=colours[design], width=1.6
                )
            )
            parts.append(
                svg.dot(x_of(_middle(values)), height, 4.5, colour=colours[design], hollow=design > 0)
            )
            rows.append(
                [
                    rates.name(procedure), f"{designs[design][0]} + {designs[design][1]}",
                    f"{_middle(values):.2f}", f"{min(values):.2f} to {max(values):.2f}",
                ]
            )  # fmt: skip
    parts.append(
        svg.text(left + wide, bottom + 36, f"times the width of {rates.name(to)}", size=11, anchor="end",
                 colour=svg.CONTEXT)
    )  # fmt: skip
    error = max(e for each in found.values() for pairs in each for _, e in pairs)
    told = [
        f"{_middle([ratio for ratio, _ in pairs]):.2f} times with {treated} + {other} practices"
        for (treated, other), pairs in zip(designs, found.get(rates.chosen, []), strict=False)
        if pairs
    ]
    alt = (
        f"Dot plot: {title} [{SOURCE}]. The primary's intervals are {' and '.join(told)} as wide as those of "
        f"{rates.name(to)}, at the geometric mean over the kinds of study."
    )
    measured = [r for r in rates.rows if r["procedure"] in found and r.get("intervals")]
    counts = sorted(int(r["intervals"]) for r in measured)
    number = f"{_from_to(counts)} intervals a row" if counts else ""
    text = (
        f"{title}. Unit: multiples of the median width of {rates.name(to)} in the same kind of study. Marks: "
        "geometric mean over the kinds of study with a constant effect; lines: from smallest to largest. "
        f"n: {number}; Monte Carlo error of one multiple at most {error:.2f}. Source: {SOURCE}."
    )
    shown = table(["procedure", "practices", "geometric mean", "range"], rows, caption=title)
    return figure("widths", svg.picture(WIDTH, bottom + 48, parts), alt, text, shown)


def _ratios(rates: ErrorRates, procedure: str, to: str, treated: int) -> list[tuple[float, float]]:
    """Width over that of another procedure, with its Monte Carlo error, per kind of study."""
    made = []
    for row in rates.measured(procedure, "median_width", treated=treated, constant=True):
        other = rates.row(row["cell"], to)
        if other is not None and other.get("median_width"):
            ratio = row["median_width"] / other["median_width"]
            parts = [(r.get("median_width_mcse") or 0.0) / r["median_width"] for r in (row, other)]
            made.append((ratio, 0.0 if procedure == to else ratio * math.hypot(*parts)))
    return made


# -- shared -------------------------------------------------------------------------------------------------


def figure(name: str, drawing: str, alt: str, text: str, values: Html) -> Html:
    """A drawing as a ``<figure>`` with its words, the table of its values folded."""
    called = f"rates-{name}".replace("_", "-")
    return Html(
        figure_html(name=called, image=svg.address(drawing), alt=alt, text=text, table=values.content)
    )


def _from_to(counts: Sequence[int]) -> str:
    """The smallest and the largest of sorted counts, or the one that they are."""
    return " to ".join(format_number(n, 0) for n in dict.fromkeys((counts[0], counts[-1])))


def foot(rows: Sequence[Row], what: str, *, further: str = "") -> str:
    """The end of a caption: number of studies, Monte Carlo error, source."""
    counts = sorted({int(r["studies"]) for r in rows if r.get("studies")})
    studies = _from_to(counts) if counts else "0"
    errors = [r[f"{what}_mcse"] for r in rows if r.get(f"{what}_mcse") is not None]
    error = f"; Monte Carlo error at most {100 * max(errors):.2f} points{further}" if errors else ""
    return f"n: {studies} studies of each kind and procedure{error}. Source: {SOURCE}."


def row_label(
    x: float, middle: float, words: str, letters: int, *, bold: bool = False, colour: str = svg.INK
) -> list[str]:
    """Words that end left of a row, on two lines where one would be too long."""
    lines = textwrap.wrap(words, letters)
    base = middle + 4 - 6 * (len(lines) - 1)
    return [
        svg.text(x, base + 12 * k, one, size=11, anchor="end", bold=bold, colour=colour)
        for k, one in enumerate(lines)
    ]


def _centred(
    x: float, y: float, words: str, room: float, *, bold: bool = False, colour: str = svg.INK
) -> str:
    size = min(HEAD, HEAD * 1.1 * room / svg.length(words, HEAD))
    return svg.text(x, y, words, size=size, anchor="middle", bold=bold, colour=colour)


def _middle(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def percent(share: float) -> str:
    """A share in percent, to one decimal."""
    return format_number(100 * share, 1) + " %"


def capital(words: str) -> str:
    """A sentence from its words."""
    return words[:1].upper() + words[1:]
