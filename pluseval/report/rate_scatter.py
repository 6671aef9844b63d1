"""Power against size: what a procedure that keeps its level costs, in one figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pluseval.report import svg
from pluseval.report.error_rates import ErrorRates, Row, bounds_of
from pluseval.report.labels import SIZE, place
from pluseval.report.page import table
from pluseval.report.rate_figures import ABSENT, SOURCE, WIDTH, capital, figure, foot, percent
from pluseval.report.readback import Html


@dataclass(frozen=True)
class _Point:
    """A candidate on one design."""

    procedure: str
    name: str
    worst: Row
    varying: float | None
    power: float
    error: float
    missed: int
    kinds: int


def trade_off(rates: ErrorRates, *, title: str) -> Html:
    """Power at the smaller effects against the worst size, one mark per candidate, one panel per design."""
    panels = {design: _points(rates, design[0]) for design in rates.designs}
    panels = {design: points for design, points in panels.items() if points}
    if not panels:
        return ABSENT
    parts, y, told, rows = [], 0.0, [], []
    for (treated, other), points in panels.items():
        drawn, tall = _panel(rates, treated, other, points, y)
        parts += drawn
        y += tall
        own = next((p for p in points if p.procedure == rates.chosen), None)
        good = sum(not p.missed for p in points)
        sentence = f"with {treated} + {other} practices {good} of {len(points)} candidates keep every bound"
        if own:
            size = percent(own.worst["size"])
            sentence += f"; the primary has a power of {percent(own.power)} at a worst size of {size}"
        told.append(sentence)
        rows += [
            [
                f"{treated} + {other}", p.name, f"{100 * p.worst['size']:.1f}", rates.kind(p.worst["cell"]),
                "" if p.varying is None else f"{100 * p.varying:.1f}", f"{100 * p.power:.1f}",
                f"{p.missed} of {p.kinds}",
            ]
            for p in points
        ]  # fmt: skip
    head = [
        "practices", "procedure", "worst size, constant effects (%)", "in", "worst size, varying effects (%)",
        "mean power (%)", "kinds of study outside the bounds",
    ]  # fmt: skip
    alt = f"Scatter plot: {title} [{SOURCE}]. {capital('. '.join(capital(t) for t in told))}."
    measured = [
        r
        for (t, _), ps in panels.items()
        for p in ps
        for r in rates.measured(p.procedure, "power", treated=t)
    ]
    further = f", of a mean power {100 * max(p.error for ps in panels.values() for p in ps):.2f}"
    text = (
        f"{title}. Unit: percent of studies. Across: the largest size over the kinds of study with a "
        "constant effect; up: the mean power over them, at the smaller named effect. Filled: keeps every "
        "bound (shaded), also where effects vary; hollow: misses some. The power of a test that finds too "
        f"much where there is nothing is no merit. {foot(measured, 'size', further=further)}"
    )
    values = table(head, rows, caption=title)
    return figure("trade-off", svg.picture(WIDTH, y, parts), alt, text, values)


def _points(rates: ErrorRates, treated: int) -> list[_Point]:
    made = []
    for procedure in rates.candidates(treated):
        rows = rates.measured(procedure, "power", treated=treated, constant=True)
        if not rows:
            continue
        varying = [r["size"] for r in rates.measured(procedure, "size", treated=treated, constant=False)]
        every = rates.measured(procedure, "size", treated=treated)
        errors = [r.get("power_mcse") or math.nan for r in rows]
        made.append(
            _Point(
                procedure, rates.name(procedure), max(rows, key=lambda r: r["size"]),
                max(varying, default=None), sum(r["power"] for r in rows) / len(rows),
                math.hypot(*errors) / len(rows), sum(not rates.keeps(r) for r in every), len(every),
            )
        )  # fmt: skip
    return made


def _panel(
    rates: ErrorRates, treated: int, other: int, points: Sequence[_Point], y0: float
) -> tuple[list[str], float]:
    left, top, wide, tall = 58.0, y0 + 50, WIDTH - 58 - 16, 360.0
    across = [100 * p.worst["size"] for p in points]
    up = [100 * p.power for p in points]
    low, high = (100 * b for b in bounds_of({"treated": treated, "constant_effect": "true"}))
    x_low, x_high = 0.93 * min(low, *across), 1.09 * max(high, *across)
    room = 0.12 * (max(up) - min(up)) + 1
    y_low, y_high = min(up) - room, max(up) + room

    def x_of(value: float) -> float:
        return left + math.log(value / x_low) / math.log(x_high / x_low) * wide  # errors compare as ratios

    def y_of(value: float) -> float:
        return top + tall - (value - y_low) / (y_high - y_low) * tall

    parts = [
        svg.text(left, y0 + 20, f"{treated} + {other} practices", size=14, bold=True),
        svg.box(x_of(low), top, x_of(high) - x_of(low), tall, fill="#e9f2f8"),
    ]
    for value in (low, high):
        parts.append(svg.line(x_of(value), top, x_of(value), top + tall, colour=svg.CONTEXT, dashed=True))
        parts.append(svg.text(x_of(value) + 3, top + tall - 6, f"{value:g} %", size=10, colour=svg.CONTEXT))
    for value in svg.ticks(y_low, y_high, 7):
        parts.append(svg.text(left - 8, y_of(value) + 4, f"{value:g}", size=11, anchor="end"))
        parts.append(svg.line(left - 4, y_of(value), left, y_of(value)))
    for value in (v for v in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50, 80) if x_low <= v <= x_high):
        parts.append(svg.text(x_of(value), top + tall + 17, f"{value:g}", size=11, anchor="middle"))
        parts.append(svg.line(x_of(value), top + tall, x_of(value), top + tall + 4))
    parts += [
        svg.line(left, top, left, top + tall),
        svg.line(left, top + tall, left + wide, top + tall),
        svg.text(left, top - 8, "mean power (%)", size=11, colour=svg.CONTEXT),
        svg.text(left + wide, top + tall + 34, "worst size, constant effects (%)", size=11, anchor="end",
                 colour=svg.CONTEXT),
    ]  # fmt: skip
    marks = [(x_of(a), y_of(u)) for a, u in zip(across, up, strict=True)]
    # The primary is labelled first, then those that keep the bounds.
    order = sorted(range(len(points)), key=lambda i: (points[i].procedure != rates.chosen, points[i].missed))
    names = [points[i].name + (" (primary)" if points[i].procedure == rates.chosen else "") for i in order]
    spots = place([marks[i] for i in order], names, area=(left + 4, top + 12, left + wide, top + tall - 18))
    for i, name, spot in zip(order, names, spots, strict=True):
        own, (x, y) = points[i].procedure == rates.chosen, marks[i]
        colour = svg.PROGRAMME if own else svg.INK
        if spot.led:
            parts.append(svg.line(x, y, spot.end_x, spot.middle, colour="#888888", width=0.8))
        parts.append(svg.text(spot.x, spot.middle + 4, name, size=SIZE, bold=own, colour=colour))
    for i in reversed(order):
        own, (x, y) = points[i].procedure == rates.chosen, marks[i]
        colour = svg.PROGRAMME if own else svg.INK
        parts.append(svg.dot(x, y, 7 if own else 4.5, colour=colour, hollow=points[i].missed > 0))
    return parts, 50 + tall + 52
