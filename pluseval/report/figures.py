"""Figures that a GP reads at a glance, the same bytes in every run."""

from __future__ import annotations

import base64
import io
import math
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from pluseval.errors import DesignError
from pluseval.report.captions import alt_text, caption, figure_html, group_word, label_of, title_of
from pluseval.report.numbers import check_language, decimals_of, format_number, unit_of
from pluseval.report.tables import data_csv, plain_html

# Blue and orange of seaborn's colour-blind palette; grey for what is only context.
PROGRAMME, COMPARISON, CONTEXT, WARNING = "#0173b2", "#de8f05", "#767676", "#a3341a"
WIDTH = 7.2
_TEXT = {
    "en": {
        "start": "start",
        "transition": "start-up",
        "covid": "COVID",
        "before": "before the start",
        "none": "no difference",
        "margin": "margin",
        "lower": "lower is better",
        "higher": "higher is better",
    },
    "nl": {
        "start": "start",
        "transition": "opstart",
        "covid": "COVID",
        "before": "voor de start",
        "none": "geen verschil",
        "margin": "marge",
        "lower": "lager is beter",
        "higher": "hoger is beter",
    },
}


@dataclass(frozen=True)
class Marks:
    """What figures mark in time.

    Parameters
    ----------
    starts : tuple of date
        Days on which practices started.
    transition : tuple of int
        Years of partial exposure, shaded.
    covid : int or None
        The COVID year, shaded; None for none.
    """

    starts: tuple[date, ...] = ()
    transition: tuple[int, ...] = ()
    covid: int | None = 2020

    @classmethod
    def ozl(cls) -> Marks:
        """Oostelijk Zuid-Limburg: starts of June and July 2016 and January 2017, 2016 as transition year."""
        return cls((date(2016, 6, 1), date(2016, 7, 1), date(2017, 1, 1)), (2016,), 2020)

    @property
    def first_treated(self) -> float | None:
        """The first (calendar) year with treatment, None where no start is known."""
        return float(min(d.year for d in self.starts)) if self.starts else None


@dataclass(frozen=True)
class Picture:
    """One figure in its written forms, with alternative text and caption."""

    svg: str
    csv: str
    html: str
    alt: str
    caption: str


@contextmanager
def _style() -> Iterator[None]:
    """Our own settings for one figure; the user's are as before when it is done."""
    with mpl.rc_context():
        mpl.rcParams.update({k: v for k, v in mpl.rcParamsDefault.items() if k not in _NOT_STYLE})
        mpl.rcParams.update(sns.axes_style("ticks"))
        mpl.rcParams.update(
            {
                "svg.hashsalt": "pluseval",
                "svg.fonttype": "path",
                "font.family": "DejaVu Sans",
                "font.size": 10,
                "axes.titlesize": 11,
                "axes.titlelocation": "left",
                "axes.titleweight": "bold",
                "axes.spines.top": False,
                "axes.spines.right": False,
            }
        )
        yield


_NOT_STYLE = {
    "backend",
    "backend_fallback",
    "interactive",
    "toolbar",
    "timezone",
    "webagg.port",
    "webagg.address",
}


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
    with _style():
        figure = draw(one, lang, marks or Marks())
        _label(figure, one, lang)
    return figure


def emit_figure(one: Any, *, lang: str = "en", marks: Marks | None = None) -> Picture:
    """A set as svg, its data as csv, and a ``<figure>`` with alternative text, caption and data table."""
    one = _as_set(one)
    figure = plot(one, lang=lang, marks=marks)
    stream = io.StringIO()
    with _style():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
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


def _label(figure: Figure, one: Any, lang: str) -> None:
    """The warning that synthetic data carry stands in the picture itself, so that no copy loses it."""
    label = label_of(one, lang=lang)
    if label:
        figure.text(0.01, 0.005, "\n".join(textwrap.wrap(label, 96)), fontsize=8, color=WARNING, va="bottom")


def _canvas(rows: float, panels: int = 1, heights: list[float] | None = None) -> tuple[Figure, list[Axes]]:
    # The foot stays free for the warning that synthetic data carry.
    engine = ConstrainedLayoutEngine(rect=(0, 0.07, 1, 0.93), h_pad=0.06, w_pad=0.06)
    figure = Figure(figsize=(WIDTH, rows), layout=engine)
    axes = figure.subplots(panels, 1, squeeze=False, gridspec_kw={"height_ratios": heights or [1] * panels})
    return figure, list(axes[:, 0])


def _title(axis: Axes, one: Any, lang: str) -> None:
    text = title_of(one, lang=lang)
    axis.set_title("\n".join(textwrap.wrap(text[:1].upper() + text[1:], 72)), pad=16)


def _colour(group: str) -> str:
    return {"programme": PROGRAMME, "comparison": COMPARISON}.get(group, CONTEXT)


def _years(axis: Axes, one: Any, lang: str, marks: Marks) -> list[float]:
    years = sorted({e.at for e in one if e.at is not None})
    if not years:
        raise DesignError(f"{one.name}: a {one.display} needs estimates with `at` (their year)")
    words = _TEXT[lang]
    axis.set_xticks(years, [f"{y:g}" for y in years])
    axis.set_xlim(years[0] - 0.6, years[-1] + 0.6)
    top = axis.get_xaxis_transform()
    shaded = [(y, words["transition"]) for y in marks.transition]
    if marks.covid is not None:
        shaded.append((marks.covid, words["covid"]))
    for year, word in shaded:
        if years[0] <= year <= years[-1]:
            axis.axvspan(year - 0.5, year + 0.5, color="#ececec", zorder=0, lw=0)
            axis.text(year, 0.99, word, transform=top, ha="center", va="top", fontsize=8, color=CONTEXT)
    return years


def _starts(axis: Axes, years: list[float], marks: Marks, lang: str) -> None:
    """Start days as ticks at the foot: a year's value stands at its middle, 1 January half a year before."""
    top = axis.get_xaxis_transform()
    inside = [s for s in marks.starts if years[0] - 0.5 <= _at(s) <= years[-1] + 0.5]
    for start in inside:
        axis.plot([_at(start)] * 2, [0, 0.045], transform=top, color=PROGRAMME, lw=1.6, clip_on=False)
    if inside:
        axis.text(
            _at(max(inside)) + 0.08,
            0.02,
            _TEXT[lang]["start"],
            transform=top,
            fontsize=8,
            color=PROGRAMME,
            va="center",
        )


def _at(day: date) -> float:
    return day.year + (day.timetuple().tm_yday - 1) / 365 - 0.5


def _finite(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise


def _few_ticks(axis: Axes, which: Literal["x", "y"], number: Any, lang: str) -> None:
    axis.locator_params(axis=which, nbins=5)
    digits = decimals_of(number)

    def show(value: float, _position: int) -> str:
        text = format_number(value, digits, lang=lang)
        mark = "," if lang == "nl" else "."
        return text.rstrip("0").rstrip(mark) if mark in text else text

    getattr(axis, f"{which}axis").set_major_formatter(show)


def _trajectory(one: Any, lang: str, marks: Marks) -> Figure:
    figure, (axis,) = _canvas(4.0)
    years = _years(axis, one, lang, marks)
    ends = []
    for group in dict.fromkeys(e.group for e in one):
        line = sorted((e for e in one if e.group == group and e.at is not None), key=lambda e: e.at)
        x, y = [e.at for e in line], [e.estimate for e in line]
        colour = _colour(group)
        low = [_finite(e.conf_low, e.estimate) for e in line]
        high = [_finite(e.conf_high, e.estimate) for e in line]
        axis.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        style = "-" if group == "programme" else "--"
        axis.plot(x, y, style, color=colour, lw=2, marker="o" if group == "programme" else "s", ms=5)
        ends.append((x[-1], y[-1], group, colour, line[-1]))
    _direct_labels(axis, ends, lang)
    first = one.estimates[0]
    axis.set_ylabel(unit_of(first, lang=lang))
    _few_ticks(axis, "y", first, lang)
    _starts(axis, years, marks, lang)
    _title(axis, one, lang)
    return figure


def _direct_labels(axis: Axes, ends: list[tuple], lang: str) -> None:
    """Names at the ends of the lines instead of a legend, pushed apart where the lines meet."""
    bottom, top = axis.get_ylim()
    apart = 0.11 * (top - bottom)
    placed: list[float] = []
    for x, y, group, colour, number in sorted(ends, key=lambda end: end[1]):
        height = max(y, placed[-1] + apart) if placed else y
        placed.append(height)
        text = f"{group_word(group, lang=lang)}\n{format_number(y, decimals_of(number), lang=lang)}"
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
    figure, (axis,) = _canvas(4.0)
    years = _years(axis, one, lang, marks)
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
            _TEXT[lang]["before"],
            transform=axis.get_xaxis_transform(),
            ha="right",
            fontsize=8,
            color=CONTEXT,
        )
    axis.axhline(first.null, color=CONTEXT, lw=1)
    for e in one:
        if e.at is None:
            continue
        low, high = _finite(e.conf_low, e.estimate), _finite(e.conf_high, e.estimate)
        early = before is not None and e.at < before
        axis.plot([e.at, e.at], [low, high], color=PROGRAMME, lw=2)
        axis.plot([e.at], [e.estimate], "o", color=PROGRAMME, mfc="white" if early else PROGRAMME, ms=7)
    axis.set_ylabel(unit_of(first, lang=lang))
    _few_ticks(axis, "y", first, lang)
    _title(axis, one, lang)
    return figure


def _effects(one: Any, lang: str, marks: Marks) -> Figure:
    groups: dict[tuple[str, str], list[Any]] = {}
    for e in one:
        groups.setdefault((unit_of(e, lang=lang), e.scale), []).append(e)
    heights = [len(g) + 1.2 for g in groups.values()]
    figure, axes = _canvas(1.1 + 0.42 * sum(heights), len(groups), heights)
    for axis, ((unit, _scale), numbers) in zip(axes, groups.items(), strict=True):
        _forest(axis, numbers, unit, lang, lead=one.estimates[0])
    _title(axes[0], one, lang)
    return figure


def _forest(axis: Axes, numbers: list[Any], unit: str, lang: str, lead: Any) -> None:
    words, first = _TEXT[lang], numbers[0]
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
        low, high = _finite(e.conf_low, left), _finite(e.conf_high, right)
        strong = e is lead
        colour = PROGRAMME if strong or len(numbers) == 1 else CONTEXT
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
        labels.append("\n".join(textwrap.wrap(e.term, 34)))
    axis.set_yticks(range(len(numbers)), labels)
    axis.set_ylim(len(numbers) - 0.3, -0.75)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    better = f" ({words[first.measure.better]})" if first.scale != "level" else ""
    axis.set_xlabel(unit + better)
    _few_ticks(axis, "x", first, lang)


def _margins(e: Any) -> tuple[float, float]:
    if e.scale == "ratio":
        return 1 / (1 + e.margin), 1 + e.margin
    return -e.margin, e.margin


def _distribution(one: Any, lang: str, marks: Marks) -> Figure:
    """Bars side by side for the classes of a distribution, in the order of the set."""
    groups = list(dict.fromkeys(e.group for e in one))
    classes = list(dict.fromkeys(e.at if e.at is not None else e.term for e in one))
    figure, (axis,) = _canvas(1.4 + 0.5 * len(classes))
    height = 0.8 / len(groups)
    for g, group in enumerate(groups):
        for e in one:
            if e.group != group:
                continue
            row = classes.index(e.at if e.at is not None else e.term) + (g - (len(groups) - 1) / 2) * height
            axis.barh(row, e.estimate, height=0.92 * height, color=_colour(group))
            text = format_number(e.estimate, decimals_of(e), lang=lang)
            axis.annotate(
                text, (e.estimate, row), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8
            )
    names = {e.at if e.at is not None else e.term: _class_name(e) for e in one}
    axis.set_yticks(range(len(classes)), ["\n".join(textwrap.wrap(names[c], 30)) for c in classes])
    axis.invert_yaxis()
    axis.tick_params(axis="y", length=0)
    for g, group in enumerate(g for g in groups if g):
        axis.text(
            0.99,
            0.02 + 0.06 * (len(groups) - 1 - g),
            group_word(group, lang=lang),
            transform=axis.transAxes,
            ha="right",
            color=_colour(group),
            fontweight="bold",
            fontsize=9,
        )
    first = one.estimates[0]
    axis.set_xlabel(unit_of(first, lang=lang))
    axis.margins(x=0.1)
    _few_ticks(axis, "x", first, lang)
    _title(axis, one, lang)
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
}
