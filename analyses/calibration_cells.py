"""The cells of the calibration: one departure from the plain study at a time, each in both designs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from analyses import calibration_outcomes as outcomes
from analyses.calibration_design import Design, planned

YEARS = np.arange(2013, 2021)
BEFORE, AFTER = (2013, 2015), (2017, 2019)
MONTHS = np.arange(60)  # January 2014 to December 2018
ANNUAL = ((2016.0, 10 / 14), (2017.0, 4 / 14))
MONTHLY = ((29.0, 5 / 14), (30.0, 5 / 14), (36.0, 4 / 14))  # June 2016, July 2016, January 2017
REFERRAL_EFFECTS = (-2.4, -3.3)
EURO_EFFECTS = (-100.0, -250.0)


@dataclass(frozen=True)
class Drawn:
    """The outcomes of D studies without an effect.

    ``change`` (D, G) is what procedures for one change per practice take; ``panel`` (D, G, T), ``answers``
    (D, G, 2, n) and ``counts`` (D, G, 2) are what it was made from, where a cell has them.
    """

    change: np.ndarray
    panel: np.ndarray | None = None
    answers: np.ndarray | None = None
    counts: np.ndarray | None = None


@dataclass(frozen=True)
class Panel:
    """The calendar of a panel: its periods, who enters when, and the periods before and after."""

    periods: np.ndarray
    batches: tuple[tuple[float, float], ...]
    before: np.ndarray
    after: np.ndarray
    from_period: float  # first period that the uncollapsed model calls treated


@dataclass(frozen=True)
class Cell:
    """One kind of study.

    Parameters
    ----------
    name : str
        Unique, dotted: what, then the design.
    title : str
        In words, for a table.
    design : Design
    draw : callable
        ``draw(rng, design, studies)`` gives :class:`Drawn`.
    effects : (smaller, larger)
        Constant effects at which power is measured, in ``unit``.
    constant : bool
        Whether effects are equal in all practices; the criteria differ.
    families : tuple of str
        Which procedures apply.
    """

    name: str
    title: str
    design: Design = field(repr=False)
    draw: Callable[[np.random.Generator, Design, int], Drawn] = field(repr=False)
    effects: tuple[float, float]
    unit: str
    constant: bool = True
    families: tuple[str, ...] = ("changes",)
    panel: Panel | None = field(default=None, repr=False)

    @property
    def tested(self) -> tuple[float, float, float, float]:
        """The effects at which every procedure is asked: none, the smaller, the larger, minus the smaller."""
        return (0.0, *self.effects, -self.effects[0])


def cells(designs: tuple[Design, ...] | None = None) -> tuple[Cell, ...]:
    """Every cell, for the study's two designs or for those given (a reader's own).

    Examples
    --------
    >>> made = cells()
    >>> len({cell.name for cell in made}) == len(made)
    True
    """
    return tuple(cell for design in designs or (planned(14), planned(5)) for cell in _of(design))


def _of(design: Design) -> list[Cell]:
    one = partial(_cell, design)
    change = outcomes.referral_change
    made = [
        one("normal", "normal practice changes", _plain(change)),
        one("skewed", "skewed practice changes", _plain(change, skewed=True)),
        one("variance_1_n", "variance of a mean of n persons", _plain(outcomes.cost_change), euros=True),
        one("size_trend", "trend that depends on list size", _plain(change, trend=outcomes.TREND)),
        one("varying", "effects that vary between practices", _plain(change, effect_sd=3.4), constant=False),
        one(
            "varying_skewed", "effects that vary, all skewed", _plain(change, effect_sd=3.4, skewed=True),
            constant=False,
        ),
        one("costs_skewed", "skewed costs of persons, with zeros", _plain(outcomes.skewed_cost_change),
            euros=True),
    ]  # fmt: skip
    made.append(
        one("counts", "counts whose rates change by a factor", _counts, families=("changes", "counts"))
    )
    years = Panel(YEARS, ((2017.0, 1.0),), _in(YEARS, BEFORE), _in(YEARS, AFTER), 2017.0)
    together = ("changes", "panel", "serial", "synthetic", "synthetic_permutation")
    made.append(one("ar", "8 years AR(0.6)", _panel(years), families=together, panel=years))
    annual = Panel(YEARS, ANNUAL, _in(YEARS, BEFORE), _in(YEARS, AFTER), 2017.0)
    monthly = Panel(MONTHS, MONTHLY, MONTHS < 29, MONTHS >= 36, 36.0)
    staggered = ("changes", "staggered")
    with_synthetic = (*staggered, "synthetic_permutation")
    for name, title, families, panel, more in (
        ("staggered_annual", "staggered start in annual data, 10 / 4", with_synthetic, annual, {}),
        ("staggered_skewed", "staggered start in annual data, skewed", staggered, annual, {"skewed": True}),
        (
            "staggered_monthly",
            "staggered start in monthly data, 5 / 5 / 4",
            staggered,
            monthly,
            {"per_year": 12},
        ),
    ):
        made.append(one(name, title, _panel(panel, **more), families=families, panel=panel))
    for instrument, words, effects, unit in (
        ("nps", "NPS", (5.0, 10.0), "points"),
        ("eq5d", "EQ-5D", (-0.015, -0.03), "utility"),
    ):
        for number in (30, 100):
            draw = partial(_answers, instrument=instrument, number=number)
            families = ("changes", "single_arm", *(("mixed", "gee") if number == 30 else ()))
            made.append(
                Cell(
                    f"{instrument}_{number}.{design.n_treated}",
                    f"{words} of {number} answers per practice and wave",
                    design, draw, effects, unit, families=families,
                )
            )  # fmt: skip
    return made


def _cell(
    design: Design,
    name: str,
    title: str,
    draw: Callable[[np.random.Generator, Design, int], Drawn],
    *,
    euros: bool = False,
    constant: bool = True,
    families: tuple[str, ...] = ("changes",),
    panel: Panel | None = None,
) -> Cell:
    return Cell(
        name=f"{name}.{design.n_treated}",
        title=title,
        design=design,
        draw=draw,
        effects=EURO_EFFECTS if euros else REFERRAL_EFFECTS,
        unit="EUR" if euros else "per 100",
        constant=constant,
        families=families,
        panel=panel,
    )


def _plain(make: Callable[..., np.ndarray], **choices: object) -> Callable[..., Drawn]:
    return partial(_changes, make=make, choices=tuple(choices.items()))


def _changes(
    rng: np.random.Generator, design: Design, studies: int, *, make: Callable[..., np.ndarray], choices: tuple
) -> Drawn:
    return Drawn(make(rng, design, studies, **dict(choices)))


def _panel(calendar: Panel, **choices: object) -> Callable[..., Drawn]:
    return partial(_panels, calendar=calendar, choices=tuple(choices.items()))


def _panels(
    rng: np.random.Generator, design: Design, studies: int, *, calendar: Panel, choices: tuple
) -> Drawn:
    y = outcomes.referral_panel(rng, design, studies, periods=calendar.periods.size, **dict(choices))
    return Drawn(y[:, :, calendar.after].mean(axis=2) - y[:, :, calendar.before].mean(axis=2), panel=y)


def _counts(rng: np.random.Generator, design: Design, studies: int) -> Drawn:
    made = outcomes.referral_counts(rng, design, studies)
    rates = 100 * made / design.list_size[:, None]
    return Drawn(rates[:, :, 1] - rates[:, :, 0], counts=made)


def _answers(
    rng: np.random.Generator, design: Design, studies: int, *, instrument: str, number: int
) -> Drawn:
    given = outcomes.answers(rng, design, studies, instrument=instrument, number=number)
    return Drawn(outcomes.survey_change(given), answers=given)


def _in(years: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    return (years >= window[0]) & (years <= window[1])
