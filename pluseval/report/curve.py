"""The specification curve: sorted estimates with their intervals above, the choices behind each below."""

from __future__ import annotations

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pluseval.errors import DesignError
from pluseval.estimate.choices import PRIMARY, read_choices
from pluseval.report.canvas import CONTEXT, PROGRAMME, Marks, blank, few_ticks, finite_or, write_title
from pluseval.report.numbers import unit_of

_WORDS = {
    "en": {
        "estimator": "Estimator",
        "window": "Years",
        "covariates": "Covariates",
        "weight": "Weight",
        "inference": "Procedure",
        "primary": "primary",
    },
    "nl": {
        "estimator": "Schatter",
        "window": "Jaren",
        "covariates": "Covariaten",
        "weight": "Weging",
        "inference": "Procedure",
        "primary": "primair",
    },
}


def draw_specification(one: Any, lang: str, marks: Marks) -> Figure:
    """The curve of a set whose terms record choices; choices that never vary are left out below.

    Raises
    ------
    DesignError
        Terms that record no choices, or effects on different scales.
    """
    numbers = sorted(one, key=lambda e: (e.estimate, e.term))
    choices = [read_choices(e.term) for e in numbers]
    if not all(choices) or len({e.scale for e in numbers}) > 1:
        raise DesignError(f"{one.name}: a specification curve needs terms with choices, on one scale")
    rows = _rows(choices)
    figure, (upper, lower) = blank(3.4 + 0.2 * max(len(rows), 1), 2, [3.0, 0.2 * max(len(rows), 1)])
    _estimates(upper, numbers, lang)
    _matrix(lower, rows, choices, [e.term.endswith(PRIMARY) for e in numbers], lang)
    write_title(upper, one, lang)
    return figure


def _rows(choices: list[dict[str, str]]) -> list[tuple[str, str | None]]:
    """A heading for every dimension that varies (no choice), followed by its choices in their order."""
    rows: list[tuple[str, str | None]] = []
    for dimension in dict.fromkeys(name for one in choices for name in one):
        values = sorted({one.get(dimension, "") for one in choices})
        if len(values) > 1:
            rows.append((dimension, None))
            rows += [(dimension, value) for value in values]
    return rows


def _estimates(axis: Axes, numbers: list[Any], lang: str) -> None:
    axis.axhline(numbers[0].null, color=CONTEXT, lw=1)
    for place, e in enumerate(numbers):
        first = e.term.endswith(PRIMARY)
        colour = PROGRAMME if first else CONTEXT
        low, high = finite_or(e.conf_low, e.estimate), finite_or(e.conf_high, e.estimate)
        axis.plot(
            [place, place], [low, high], color=colour, lw=2.4 if first else 1.1, alpha=1 if first else 0.6
        )
        axis.plot([place], [e.estimate], "D" if first else "o", color=colour, ms=7 if first else 3.5)
        if first:
            axis.annotate(
                _WORDS[lang]["primary"],
                (place, high),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
                color=PROGRAMME,
                fontweight="bold",
            )
    axis.set_xticks([])
    axis.set_xlim(-0.8, len(numbers) - 0.2)
    axis.set_ylabel("\n".join(textwrap.wrap(unit_of(numbers[0], lang=lang), 28)))
    few_ticks(axis, "y", numbers[0], lang)


def _matrix(
    axis: Axes,
    rows: list[tuple[str, str | None]],
    choices: list[dict[str, str]],
    first: list[bool],
    lang: str,
) -> None:
    for row, (dimension, value) in enumerate(rows):
        if value is None:
            continue
        for place, one in enumerate(choices):
            if one.get(dimension, "") == value:
                colour = PROGRAMME if first[place] else CONTEXT
                axis.plot([place], [row], "s", color=colour, ms=6 if first[place] else 4)
    words = _WORDS[lang]
    axis.set_yticks(range(len(rows)), [words.get(d, d) if v is None else v for d, v in rows], fontsize=8)
    for label, (_, value) in zip(axis.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if value is None else "normal")
    axis.set_xticks([])
    axis.set_xlim(-0.8, len(choices) - 0.2)
    axis.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)
