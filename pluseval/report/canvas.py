"""What all figures share: size, colours, marks in time, the warning inside, and settings of their own."""

from __future__ import annotations

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
from pluseval.report.captions import label_of, title_of
from pluseval.report.numbers import decimals_of, format_number

# Blue and orange of seaborn's colour-blind palette; grey for what is only context.
PROGRAMME, COMPARISON, CONTEXT, WARNING = "#0173b2", "#de8f05", "#767676", "#a3341a"
KNOWN = {"programme": PROGRAMME, "comparison": COMPARISON}
OTHERS = [CONTEXT, "#029e73", "#cc78bc", "#56b4e9"]
WIDTH = 7.2
TEXT = {
    "en": {
        "start": "start",
        "transition": "start-up",
        "covid": "COVID",
        "before": "before the start",
        "none": "no difference",
        "margin": "margin",
        "reference": "reference",
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
        "reference": "referentie",
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


@contextmanager
def own_style() -> Iterator[None]:
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


def write_label(figure: Figure, one: Any, lang: str) -> None:
    """The warning that synthetic data carry stands in the picture itself, so that no copy loses it."""
    label = label_of(one, lang=lang)
    if label:
        figure.text(0.01, 0.005, "\n".join(textwrap.wrap(label, 96)), fontsize=8, color=WARNING, va="bottom")


def blank(rows: float, panels: int = 1, heights: list[float] | None = None) -> tuple[Figure, list[Axes]]:
    # The foot stays free for the warning that synthetic data carry.
    engine = ConstrainedLayoutEngine(rect=(0, 0.07, 1, 0.93), h_pad=0.06, w_pad=0.06)
    figure = Figure(figsize=(WIDTH, rows), layout=engine)
    axes = figure.subplots(panels, 1, squeeze=False, gridspec_kw={"height_ratios": heights or [1] * panels})
    return figure, list(axes[:, 0])


def write_title(axis: Axes, one: Any, lang: str, *, beside: int = 0) -> None:
    """The title over the axis; the labels left of it, ``beside`` characters wide, leave it less room."""
    text = title_of(one, lang=lang)
    axis.set_title("\n".join(textwrap.wrap(text[:1].upper() + text[1:], 72 - round(0.8 * beside))), pad=16)


def colour_of(group: str) -> str:
    return KNOWN.get(group, CONTEXT)


def year_axis(axis: Axes, one: Any, lang: str, marks: Marks) -> list[float]:
    years = sorted({e.at for e in one if e.at is not None})
    if not years:
        raise DesignError(f"{one.name}: a {one.display} needs estimates with `at` (their year)")
    words = TEXT[lang]
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


def mark_starts(axis: Axes, years: list[float], marks: Marks, lang: str) -> None:
    """Start days as ticks at the foot: a year's value stands at its middle, 1 January half a year before."""
    top = axis.get_xaxis_transform()
    inside = [s for s in marks.starts if years[0] - 0.5 <= position(s) <= years[-1] + 0.5]
    for start in inside:
        axis.plot([position(start)] * 2, [0, 0.045], transform=top, color=PROGRAMME, lw=1.6, clip_on=False)
    if inside:
        axis.text(
            position(max(inside)) + 0.08,
            0.02,
            TEXT[lang]["start"],
            transform=top,
            fontsize=8,
            color=PROGRAMME,
            va="center",
        )


def position(day: date) -> float:
    return day.year + (day.timetuple().tm_yday - 1) / 365 - 0.5


def finite_or(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise


def few_ticks(axis: Axes, which: Literal["x", "y"], number: Any, lang: str) -> None:
    axis.locator_params(axis=which, nbins=5)
    digits = decimals_of(number)

    def show(value: float, _position: int) -> str:
        text = format_number(value, digits, lang=lang)
        mark = "," if lang == "nl" else "."
        return text.rstrip("0").rstrip(mark) if mark in text else text

    getattr(axis, f"{which}axis").set_major_formatter(show)
