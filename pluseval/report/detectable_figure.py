"""Figure of the smallest effect that a design finds, outcome by outcome, beside the margin of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pluseval.report import svg
from pluseval.report.captions import figure_html
from pluseval.report.detectable import DetectableEffects
from pluseval.report.detectable_words import WORDS
from pluseval.report.numbers import check_language, format_number
from pluseval.report.page import table
from pluseval.report.readback import Html

GRID = "#dddddd"
WIDTH, LEFT, RIGHT, ROW, TOP = 720.0, 210.0, 690.0, 34.0, 74.0


def margin_figure(effects: DetectableEffects, *, lang: str = "en") -> Html:
    """Every outcome with a margin: its smallest effect as a multiple of that margin, with its error.

    Parameters
    ----------
    effects : DetectableEffects
        The table; outcomes without a margin are left out.
    lang : {"en", "nl"}

    Returns
    -------
    Html
        A ``<figure>`` with alternative text, caption and data table; empty where no outcome has a margin.
    """
    words = WORDS[check_language(lang)]
    rows = [row for key in effects.outcomes if (row := effects.row(key)) is not None and row["margin"]]
    if not rows:
        return Html("")
    power = format_number(100 * rows[0]["power"], 0, lang=lang)
    title = words["figure"].format(power=power)
    told = []
    values = []
    for row in rows:
        label = row["label_nl"] if lang == "nl" else row["label"]
        place = words["against"][effects.against_margin(row["outcome"]) or "about"]
        ratio, error = _ratio(row)
        told.append(f"{label}: {format_number(ratio, 2, lang=lang)} ({place})")
        values.append([label, *(format_number(v, 2, lang=lang) for v in (ratio, error)), place])
    counts = {k: format_number(rows[0][k], 0, lang=lang) for k in ("programme", "studies")}
    source = words["source"].format(source=words["planted"])
    return Html(
        figure_html(
            name=f"detectable.margin.{lang}",
            image=svg.address(_drawing(rows, title, lang)),
            alt=f"{words['chart']}: {title} [{words['planted']}]. {'; '.join(told)}.",
            text=f"{title}. {words['unit']} {words['bars']} {words['n'].format(**counts)} {source}",
            table=table(["", words["axis"], "Monte Carlo", ""], values, caption=title).content,
        )
    )


def _ratio(row: Mapping[str, Any]) -> tuple[float, float]:
    return row["effect"] / row["margin"], row["mcse"] / row["margin"]


def _drawing(rows: list[Mapping[str, Any]], title: str, lang: str) -> str:
    words = WORDS[lang]
    ends = [ratio + 2 * error for ratio, error in map(_ratio, rows)]
    top = max(1.25, 1.08 * max(ends))
    foot = TOP + ROW * len(rows)

    def x(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * value / top

    parts = [
        svg.text(8, 22, title, size=14, bold=True),
        svg.line(x(1), TOP - 14, x(1), foot, colour=svg.WARNING, width=1.6, dashed=True),
        svg.text(x(1), TOP - 20, words["equal"], size=11, anchor="middle", colour=svg.WARNING),
        svg.text(8, 42, words["right"], size=11, colour=svg.CONTEXT),
    ]
    for value in svg.ticks(0, top, 6):
        parts += [
            svg.line(x(value), foot, x(value), foot + 5, colour=svg.CONTEXT),
            svg.text(
                x(value), foot + 20, f"{value:g}".replace(".", "," if lang == "nl" else "."), anchor="middle"
            ),
        ]
    for number, row in enumerate(rows):
        y = TOP + ROW * (number + 0.5)
        ratio, error = _ratio(row)
        label = row["label_nl"] if lang == "nl" else row["label"]
        parts += [
            svg.line(LEFT, y, RIGHT, y, colour=GRID),
            svg.text(LEFT - 12, y + 4, label[:1].upper() + label[1:], anchor="end"),
            svg.line(x(ratio - 2 * error), y, x(ratio + 2 * error), y, colour=svg.PROGRAMME, width=2.4),
            svg.dot(x(ratio), y, 5, colour=svg.PROGRAMME),
            svg.text(x(ratio), y - 9, format_number(ratio, 2, lang=lang), size=11, anchor="middle"),
        ]
    parts += [
        svg.line(LEFT, foot, RIGHT, foot, colour=svg.CONTEXT),
        svg.text((LEFT + RIGHT) / 2, foot + 40, words["axis"], anchor="middle"),
        svg.text(8, foot + 62, words["planted"], size=10, colour=svg.WARNING),
    ]
    return svg.picture(WIDTH, foot + 72, parts)
