"""What is concluded: a number with its interval, its estimand and the evidence for the disclosure gate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from pluseval.data.frame import Loss, Measure
from pluseval.data.source import Source
from pluseval.errors import DesignError
from pluseval.estimate.require import is_number

COLUMNS = ("term", "estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high")


@dataclass(frozen=True)
class Estimand:
    """The estimand sheet: what the number is about, in words fit for a caption."""

    population: str
    unit: str
    weight: str
    contrast: str
    scale: str
    assumption: str
    treated_as: str = "as assigned"


@dataclass(frozen=True)
class Year:
    """Who of a cell is seen in a single year of its period.

    ``members`` are the practices, for the gate to compare with other cells; they are never written or shown.
    """

    period: int
    practices: int
    persons: int | None
    members: frozenset = field(default=frozenset(), repr=False, compare=False)


@dataclass(frozen=True)
class Cell:
    """The evidence behind one group in one period.

    ``persons`` is a lower bound of the distinct persons (None: unknown). The shares are the largest
    contributors' parts of the cell's sum, between 0 and 1; NaN where the measure is not a sum of amounts.

    ``part`` names a part of the group whose values follow from the number together with others (a cohort of
    an effect by year of joining, a band of a distribution): every rule looks at it as at a whole group.
    Parts of one group with different names are disjoint. ``years`` holds the evidence year by year where
    ``period`` spans several; ``members`` the practices of any year.
    """

    group: str
    period: str
    persons: int | None
    practices: int
    practice_share: float = math.nan
    two_practices_share: float = math.nan
    person_share: float = math.nan
    two_persons_share: float = math.nan
    part: str = ""
    years: tuple[Year, ...] = ()
    members: frozenset = field(default=frozenset(), repr=False, compare=False)


@dataclass(frozen=True)
class Counts:
    """The evidence for the gate: every cell that a number rests on."""

    cells: tuple[Cell, ...] = ()
    df_resid: float | None = None
    level: Literal["practice", "person"] = "practice"
    names_practices: bool = False
    of: Literal["practices", "municipalities"] = "practices"

    def practices(self, group: str) -> int:
        """The largest number of practices of a group over its cells (0 where the group is absent)."""
        return max((c.practices for c in self.cells if c.group == group), default=0)


@dataclass(frozen=True)
class Estimate:
    """A number, its uncertainty and what it is a number of.

    ``scale`` is ``difference`` (null value 0) or ``ratio`` (null value 1, interval on the ratio scale) or
    ``level`` (a description, no null). ``inference`` names procedure and convention in words. The p-value
    and the interval come from that one procedure; ``conf_int`` asks the same procedure for another level.
    """

    term: str
    estimate: float
    std_error: float
    statistic: float
    df: float
    p_value: float
    conf_low: float
    conf_high: float
    measure: Measure
    estimand: Estimand
    counts: Counts
    source: Source
    method: str
    inference: str
    nobs: int
    n_clusters: int
    scale: Literal["difference", "ratio", "level"] = "difference"
    level: float = 0.95
    group: str = ""
    at: float | None = None
    margin: float | None = None
    notes: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()
    interval: Callable[[float], tuple[float, float]] | None = field(default=None, repr=False, compare=False)
    test: Callable[[float], float] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not math.isfinite(self.estimate):
            raise DesignError(
                f"{self.term}: the estimate is not a finite number; the design does not identify it: check "
                "which groups and periods have data"
            )
        if self.scale not in ("difference", "ratio", "level"):
            raise DesignError(f"Estimate.scale is {self.scale!r}; use difference, ratio or level")

    @property
    def null(self) -> float:
        """The value of no effect: 0 for a difference, 1 for a ratio."""
        return 1.0 if self.scale == "ratio" else 0.0

    def conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """The interval at another level, from the same procedure.

        Raises
        ------
        DesignError
            If the procedure kept nothing to make another interval from.
        """
        if not (is_number(level) and 0 < level < 1):
            raise DesignError(f"conf_int: level is {level!r}; it lies between 0 and 1, as 0.95")
        if math.isclose(level, self.level):
            return self.conf_low, self.conf_high
        if self.interval is None:
            raise DesignError(
                f"{self.term}: its {self.level:.0%} interval was made without keeping the draws; "
                f"ask the estimator again with level={level}"
            )
        return self.interval(level)

    def p_at(self, value: float) -> float:
        """The two-sided p-value of the same procedure at another null value.

        Raises
        ------
        DesignError
            If the procedure cannot be run at another null value.
        """
        if self.test is None:
            raise DesignError(f"{self.term}: {self.inference} keeps no test at other null values")
        return self.test(value)

    def to_frame(self) -> pd.DataFrame:
        """One row with the columns that broom's users know."""
        return pd.DataFrame([{name: getattr(self, name) for name in COLUMNS}], columns=list(COLUMNS))

    def summary(self) -> str:
        """The number in one paragraph with its estimand sheet."""
        sheet = self.estimand
        lines = [
            str(self),
            f"  population   {sheet.population}",
            f"  contrast     {sheet.contrast}; scale {sheet.scale}",
            f"  unit, weight {sheet.unit}; {sheet.weight}",
            f"  treated      {sheet.treated_as}",
            f"  assumes      {sheet.assumption}",
        ]
        lines += [f"  lost         {loss.count} {loss.reason}" for loss in self.losses]
        lines += [f"  note         {note}" for note in self.notes]
        return "\n".join(lines)

    def __str__(self) -> str:
        digits = self.measure.decimals
        unit = "times" if self.scale == "ratio" else self.measure.difference_unit
        unit = self.measure.unit if self.scale == "level" else unit
        digits = 3 if self.scale == "ratio" else digits
        p = "" if math.isnan(self.p_value) else f"; p = {self.p_value:.3f}"
        if not math.isnan(self.p_value) and self.p_value < 0.0005:
            p = "; p < 0.001"
        arms = (self.counts.practices("programme"), self.counts.practices("comparison"))
        size = " + ".join(str(n) for n in arms if n) or str(self.n_clusters)
        mark = f" [{self.source.label}]" if self.source.label else ""
        reach = f"{self.level:.0%} CI {self.conf_low:.{digits}f} to {self.conf_high:.{digits}f}{p}; "
        if math.isnan(self.conf_low):
            reach = f"{p.removeprefix('; ')}; ".removeprefix("; ")
        number = f"{self.estimate:.{digits}f} {unit}"
        return f"{self.term}: {number} ({reach}{size} practices; {self.inference}){mark}"


@dataclass(frozen=True)
class JointTest:
    """A test of several estimates at once (pre-trends, any adjacent year)."""

    name: str
    statistic: float
    df: float
    p_value: float
    inference: str


@dataclass(frozen=True)
class EstimateSet:
    """Estimates that belong together, under one name, with their joint tests.

    ``display`` says which picture they are: ``effects``, ``event_study``, ``trajectory``, ``distribution``,
    ``specification`` or ``table`` (no picture). ``name`` is dotted and unique in a run, as
    ``costs.msz.primary``.
    """

    name: str
    title: str
    estimates: tuple[Estimate, ...]
    joint: tuple[JointTest, ...] = ()
    display: Literal["effects", "event_study", "trajectory", "distribution", "specification", "table"] = (
        "effects"
    )
    title_nl: str = ""

    def __post_init__(self) -> None:
        if not self.estimates:
            raise DesignError(f"EstimateSet {self.name!r} holds no estimate")
        terms = [e.term for e in self.estimates]
        if len(set(terms)) != len(terms):
            raise DesignError(f"EstimateSet {self.name!r}: terms must differ")

    def __iter__(self) -> Iterator[Estimate]:
        return iter(self.estimates)

    def __len__(self) -> int:
        return len(self.estimates)

    def __getitem__(self, term: str) -> Estimate:
        for estimate in self.estimates:
            if estimate.term == term:
                return estimate
        raise KeyError(f"{self.name} holds {', '.join(e.term for e in self.estimates)}; no term {term!r}")

    @property
    def overall(self) -> Estimate:
        """The estimate called ``overall``, where the set has one (staggered starts)."""
        return self["overall"]

    def to_frame(self) -> pd.DataFrame:
        """One row per estimate."""
        return pd.concat([e.to_frame() for e in self.estimates], ignore_index=True)

    def __str__(self) -> str:
        lines = [self.title, *(f"  {e}" for e in self.estimates)]
        lines += [
            f"  {j.name}: statistic {j.statistic:.3f}, p = {j.p_value:.3f} ({j.inference})"
            for j in self.joint
        ]
        return "\n".join(lines)
