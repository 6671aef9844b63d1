"""Figures that a GP reads at a glance, the same bytes in every run."""

from __future__ import annotations

import base64
import io
import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from pluseval.errors import DesignError
from pluseval.estimate.choices import PRIMARY
from pluseval.report.canvas import (
    CONTEXT,
    KNOWN,
    OTHERS,
    PROGRAMME,
    TEXT,
    WARNING,
    Marks,
    blank,
    colour_of,
    few_ticks,
    finite_or,
    mark_starts,
    own_style,
    write_label,
    write_title,
    year_axis,
)
from pluseval.report.captions import alt_text, caption, figure_html, group_word
from pluseval.report.curve import draw_specification
from pluseval.report.numbers import check_language, decimals_of, format_number, unit_of
from pluseval.report.tables import data_csv, plain_html


@dataclass(frozen=True)
class Picture:
    """One figure in its written forms, with alternative text and caption."""

    svg: str
    csv: str
    html: str
    alt: str
    caption: str


def plot(one: Any, *, lang: str = "en", marks: Marks | None = None) -> Figure:
    """The figure of a result, by its display.

    Parameters
    ----------
    one : Estimate or EstimateSet
        A result (a single estimate is drawn as an effect plot), released or read from a bundle.
    lang : {"en", "nl"}
        Language of the words in the figure.
    marks : Marks, optional
        What is marked in time; the COVID year by default.

    Returns
    -------
    matplotlib.figure.Figure
        Not known to pyplot, so nothing needs to be closed.

    Raises
    ------
    DesignError
        If the display of the set is ``table``, or it has not what its display needs.
    """
    check_language(lang)
    one = _as_set(one)
    draw = _DRAW.get(one.display)
    if draw is None:
        raise DesignError(f"{one.name} is a {one.display}; it has no figure, use table(...)")
    with own_style():
        figure = draw(one, lang, marks or Marks())
        write_label(figure, one, lang)
    return figure


def emit_figure(one: Any, *, lang: str = "en", marks: Marks | None = None) -> Picture:
    """A set as svg, its data as csv, and a ``<figure>`` with alternative text, caption and data table."""
    one = _as_set(one)
    figure = plot(one, lang=lang, marks=marks)
    stream = io.StringIO()
    with own_style():
        # savefig draws twice: once to lay out, which the drawing itself does as well
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    image = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    alt, text = alt_text(one, lang=lang), caption(one, lang=lang)
    page = figure_html(name=one.name, image=image, alt=alt, text=text, table=plain_html(one, lang=lang))
    return Picture(svg=svg, csv=data_csv(one), html=page, alt=alt, caption=text)


@dataclass(frozen=True)
class _Single:
    """One estimate as a set, for drawing."""

    name: str
    title: str
    title_nl: str
    display: str
    estimates: tuple
    joint: tuple = ()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.estimates)


def _as_set(one: Any) -> Any:
    if hasattr(one, "estimates"):
        return one
    if hasattr(one, "estimate"):
        return _Single("estimate", one.term, "", "effects", (one,))
    raise DesignError(f"plot takes one result, found {type(one).__name__}")


def _trajectory(one: Any, lang: str, marks: Marks) -> Figure:
    figure, (axis,) = blank(4.0)
    years = year_axis(axis, one, lang, marks)
    ends = []
    for group in dict.fromkeys(e.group for e in one):
        line = sorted((e for e in one if e.group == group and e.at is not None), key=lambda e: e.at)
        x, y = [e.at for e in line], [e.estimate for e in line]
        colour = colour_of(group)
        low = [finite_or(e.conf_low, e.estimate) for e in line]
        high = [finite_or(e.conf_high, e.estimate) for e in line]
        axis.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        style = "-" if group == "programme" else "--"
        axis.plot(x, y, style, color=colour, lw=2, marker="o" if group == "programme" else "s", ms=5)
        ends.append((x[-1], y[-1], colour, line[-1]))
    _direct_labels(axis, ends, lang)
    first = one.estimates[0]
    axis.set_ylabel(unit_of(first, lang=lang))
    few_ticks(axis, "y", first, lang)
    mark_starts(axis, years, marks, lang)
    write_title(axis, one, lang)
    return figure


def _direct_labels(axis: Axes, ends: list[tuple], lang: str) -> None:
    """Names at the ends of the lines instead of a legend, pushed apart where the lines meet."""
    bottom, top = axis.get_ylim()
    apart = 0.13 * (top - bottom)
    placed: list[float] = []
    for x, y, colour, number in sorted(ends, key=lambda end: end[1]):
        height = max(y, placed[-1] + apart) if placed else y
        placed.append(height)
        text = f"{group_word(number, lang=lang)}\n{format_number(y, decimals_of(number), lang=lang)}"
        axis.annotate(
            text,
            (x, height),
            xytext=(9, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            fontsize=9,
            fontweight="bold",
            annotation_clip=False,
        )


def _event_study(one: Any, lang: str, marks: Marks) -> Figure:
    figure, (axis,) = blank(4.0)
    years = year_axis(axis, one, lang, marks)
    first = one.estimates[0]
    before = marks.first_treated
    if before is None and years[0] < 0 <= years[-1] < 100:
        before = 0.0  # years since the start
    if before is not None and before > years[0]:
        edge = min(before, years[-1] + 1) - 0.5
        axis.axvline(edge, color=PROGRAMME, lw=1, ls=":")
        axis.text(
            edge - 0.06,
            0.03,
            TEXT[lang]["before"],
            transform=axis.get_xaxis_transform(),
            ha="right",
            fontsize=8,
            color=CONTEXT,
        )
    axis.axhline(first.null, color=CONTEXT, lw=1)
    reference = _reference(years)
    if reference is not None:
        axis.plot([reference], [first.null], "D", color=CONTEXT, ms=6)
        axis.set_xticks([*years, reference], [f"{y:g}" for y in (*years, reference)])
        axis.annotate(
            TEXT[lang]["reference"],
            (reference, first.null),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=CONTEXT,
        )
    for e in one:
        if e.at is None:
            continue
        low, high = finite_or(e.conf_low, e.estimate), finite_or(e.conf_high, e.estimate)
        early = before is not None and e.at < before
        axis.plot([e.at, e.at], [low, high], color=PROGRAMME, lw=2)
        axis.plot([e.at], [e.estimate], "o", color=PROGRAMME, mfc="white" if early else PROGRAMME, ms=7)
    axis.set_ylabel(unit_of(first, lang=lang))
    few_ticks(axis, "y", first, lang)
    write_title(axis, one, lang)
    return figure


def _reference(years: list[float]) -> float | None:
    """The reference year: the one year inside an event study for which there is no effect."""
    gaps = sorted(set(map(float, range(int(years[0]), int(years[-1]) + 1))) - set(years))
    return gaps[0] if len(gaps) == 1 else None


def _effects(one: Any, lang: str, marks: Marks) -> Figure:
    groups: dict[tuple[str, str], list[Any]] = {}
    for e in one:
        groups.setdefault((unit_of(e, lang=lang), e.scale), []).append(e)
    # Only a result that is called primary stands out; adjacent years, say, are equals.
    lead = next((e for e in one if len(list(one)) == 1 or _is_primary(e.term)), None)
    heights = [len(g) + 1.2 for g in groups.values()]
    figure, axes = blank(1.1 + 0.42 * sum(heights), len(groups), heights)
    for axis, ((unit, _scale), numbers) in zip(axes, groups.items(), strict=True):
        _forest(axis, numbers, unit, lang, lead=lead)
    write_title(axes[0], one, lang, beside=max(len(line) for e in one for line in _label(e)))
    return figure


def _is_primary(term: str) -> bool:
    return term.lower().startswith("primary") or term.endswith(PRIMARY)


def _forest(axis: Axes, numbers: list[Any], unit: str, lang: str, lead: Any | None) -> None:
    words, first = TEXT[lang], numbers[0]
    ends = [v for e in numbers for v in (e.estimate, e.conf_low, e.conf_high) if math.isfinite(v)]
    margins = sorted({b for e in numbers if e.margin is not None for b in _margins(e)})
    drawn = ends + margins + ([] if first.scale == "level" else [first.null])
    room = 0.08 * (max(drawn) - min(drawn)) or 1.0
    left, right = min(drawn) - room, max(drawn) + room
    axis.set_xlim(left, right)
    top = axis.get_xaxis_transform()
    if first.scale != "level":
        axis.axvline(first.null, color=CONTEXT, lw=1)
        axis.text(
            first.null, 1.0, words["none"], transform=top, ha="center", va="bottom", fontsize=8, color=CONTEXT
        )
    for bound in margins:
        axis.axvline(bound, color=WARNING, lw=1.2, ls="--")
        axis.text(
            bound,
            0.0,
            words["margin"],
            transform=top,
            ha="center",
            va="bottom",
            fontsize=8,
            color=WARNING,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    labels = []
    for row, e in enumerate(numbers):
        low, high = finite_or(e.conf_low, left), finite_or(e.conf_high, right)
        strong = e is lead
        colour = CONTEXT if lead is not None and not strong else PROGRAMME
        axis.plot([low, high], [row, row], color=colour, lw=2.4 if strong else 1.6, solid_capstyle="butt")
        axis.plot([e.estimate], [row], "o", color=colour, ms=8 if strong else 6)
        axis.annotate(
            format_number(e.estimate, decimals_of(e), lang=lang),
            (e.estimate, row),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=colour,
        )
        labels.append("\n".join(_label(e)))
    axis.set_yticks(range(len(numbers)), labels)
    axis.set_ylim(len(numbers) - 0.3, -0.75)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    better = f" ({words[first.measure.better]})" if first.scale != "level" else ""
    axis.set_xlabel(unit + better)
    few_ticks(axis, "x", first, lang)


def _label(e: Any) -> list[str]:
    return textwrap.wrap(e.term, 34)


def _margins(e: Any) -> tuple[float, float]:
    if e.scale == "ratio":
        return 1 / (1 + e.margin), 1 + e.margin
    return -e.margin, e.margin


def _distribution(one: Any, lang: str, marks: Marks) -> Figure:
    """Bars side by side for the classes of a distribution, in the order of the set."""
    groups = list(dict.fromkeys(e.group for e in one))
    classes = list(dict.fromkeys(e.at if e.at is not None else e.term for e in one))
    figure, (axis,) = blank(1.4 + 0.5 * len(classes))
    height = 0.8 / len(groups)
    others = iter(OTHERS * len(groups))
    colours = {g: KNOWN.get(g) or next(others) for g in groups}
    named: set[str] = set()
    for g, group in enumerate(groups):
        for e in one:
            if e.group != group:
                continue
            row = classes.index(e.at if e.at is not None else e.term) + (g - (len(groups) - 1) / 2) * height
            first_of_group = group and group not in named
            named.add(group)
            text = format_number(e.estimate, decimals_of(e), lang=lang)
            axis.barh(row, e.estimate, height=0.92 * height, color=colours[group])
            axis.annotate(
                f"{text}  {group_word(e, lang=lang)}" if first_of_group else text,
                (e.estimate, row),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=colours[group] if first_of_group else "black",
                fontweight="bold" if first_of_group else "normal",
            )
    names = {e.at if e.at is not None else e.term: _class_name(e) for e in one}
    axis.set_yticks(range(len(classes)), ["\n".join(textwrap.wrap(names[c], 30)) for c in classes])
    axis.invert_yaxis()
    axis.tick_params(axis="y", length=0)
    first = one.estimates[0]
    axis.set_xlabel(unit_of(first, lang=lang))
    axis.margins(x=0.1)
    few_ticks(axis, "x", first, lang)
    write_title(axis, one, lang)
    return figure


def _class_name(e: Any) -> str:
    """The class without the group, which colour and a direct label tell."""
    name = e.term
    for mark in (f", {e.group}", f" ({e.group})", f"{e.group}: ", f"{e.group} "):
        name = name.replace(mark, "") if e.group else name
    return name


_DRAW = {
    "trajectory": _trajectory,
    "event_study": _event_study,
    "effects": _effects,
    "distribution": _distribution,
    "specification": draw_specification,
}
