"""The evidence behind a number: how many persons and practices, and whether one of them dominates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame
from pluseval.estimate.collapse import Window
from pluseval.estimate.result import Cell, Counts, Year

GROUPS = (("programme", True), ("comparison", False))


def count_cells(
    frame: AnalysisFrame,
    clusters: Sequence,
    windows: Sequence[Window],
    *,
    df_resid: float | None = None,
    names_practices: bool = False,
    parts: Mapping[Any, str] | None = None,
) -> Counts:
    """The cells that a number rests on: each group in each window, over the practices that were used.

    Persons are a lower bound of the distinct ones: in a window of several years the largest year, because
    who was there in two years is counted once. Shares are upper bounds: the largest person of each year is
    taken to be the same one.

    Parameters
    ----------
    frame : AnalysisFrame
    clusters : sequence
        The practices used.
    windows : sequence of Window
    df_resid : float, optional
        Residual degrees of freedom of the model.
    names_practices : bool
        Whether the number is that of a single practice.
    parts : mapping of practice to str, optional
        Parts of the programme group (cohorts) that the number and its set weigh apart, so that their values
        follow from it beside the means of the whole group. Each part is a cell of its own, whether or not
        this number uses it.
    """
    evidence = _Evidence(frame, set(clusters) | set(parts or ()))
    named = sorted(set(parts.values())) if parts else []
    found = []
    for window in windows:
        for group, treated in GROUPS:
            found += evidence.cell(group, treated, window, set(clusters))
        for part in named:
            members = {practice for practice, of in (parts or {}).items() if of == part}
            found += evidence.cell("programme", True, window, members, part=part)
    return Counts(cells=tuple(found), df_resid=df_resid, level="practice", names_practices=names_practices)


def cohort_parts(clusters: Iterable, entry: Iterable[float]) -> dict[Any, str]:
    """The cohort of every practice that joined (``entry`` above 0), for ``count_cells(parts=...)``.

    Examples
    --------
    >>> cohort_parts(["a", "b", "c"], [2016.0, 2017.0, 0.0])
    {'a': 'joined 2016', 'b': 'joined 2017'}
    """
    return {
        practice: "joined at the start" if math.isinf(start) else f"joined {start:g}"
        for practice, start in zip(clusters, entry, strict=True)
        if start != 0 and start != math.inf
    }


class _Evidence:
    """The rows of a frame that can be behind a number, ready to be counted."""

    def __init__(self, frame: AnalysisFrame, used: set) -> None:
        cells = frame.cells
        cells = cells[cells["cluster"].isin(used)]
        self.amounts = _person_amounts(frame, cells, used)
        self.additive = frame.measure.additive
        self.cluster = cells["cluster"].to_numpy()
        self.code, self.index = pd.factorize(cells["cluster"])
        self.treated = cells["entry"].notna().to_numpy()
        self.period = cells["period"].to_numpy()
        self.persons, self.numerator = cells["persons"].to_numpy(), cells["numerator"].to_numpy()
        self.persons_known = bool((frame.rows["persons"] > 0).any())

    def cell(self, group: str, treated: bool, window: Window, members: set, *, part: str = "") -> list[Cell]:
        """The cell of some practices in a window; none where they have no row in it."""
        own = np.isin(self.code, self.index.get_indexer(list(members)))
        at = own & (self.period >= window.first) & (self.period <= window.last) & (self.treated == treated)
        if not at.any():
            return []
        years = tuple(
            self._year(at & (self.period == year), int(year)) for year in np.unique(self.period[at])
        )
        codes, names = pd.factorize(self.cluster[at])
        sums = np.bincount(codes, weights=self.numerator[at].astype(float))
        shares: tuple[float, float, float, float] = (math.nan,) * 4
        if self.additive:
            shares = _shares(sums, float(self.numerator[at].sum()), self._tops(window, treated, members))
        people = max(y.persons or 0 for y in years) if self.persons_known else None
        seen = frozenset(names)
        return [Cell(group, str(window), people, sums.size, *shares, part, years, seen)]

    def _year(self, at: np.ndarray, year: int) -> Year:
        members = frozenset(self.cluster[at])
        people = int(self.persons[at].sum()) if self.persons_known else None
        return Year(year, len(members), people, members)

    def _tops(self, window: Window, treated: bool, members: set) -> tuple[float, float] | None:
        """The largest person's amount and the two largest together, each year's own added up."""
        if self.amounts is None:
            return None
        known = self.amounts
        period = known["period"].to_numpy()
        at = (period >= window.first) & (period <= window.last)
        at &= (known["treated"] == treated).to_numpy() & known["cluster"].isin(members).to_numpy()
        first = both = 0.0
        for year in np.unique(period[at]):
            tops = np.sort(known["amount"].to_numpy()[at & (period == year)])[::-1]
            first, both = first + tops[0], both + tops[:2].sum()
        return first, both


def _shares(
    practices: np.ndarray, total: float, tops: tuple[float, float] | None
) -> tuple[float, float, float, float]:
    """Shares of the largest and the two largest practices and persons in a cell's sum."""
    sums = np.sort(practices)[::-1]
    one, two = _share(sums[:1].sum(), total), _share(sums[:2].sum(), total)
    if tops is None:
        return one, two, math.nan, math.nan
    return one, two, _share(tops[0], total), _share(tops[1], total)


def _person_amounts(frame: AnalysisFrame, cells: pd.DataFrame, used: set) -> pd.DataFrame | None:
    """The amounts of single persons that could be the largest: ``cluster period treated amount``."""
    if not frame.measure.additive:
        return None
    if frame.unit == "person":
        source, columns = frame.rows[frame.rows["cluster"].isin(used)], ["numerator"]
    else:
        source, columns = cells, [c for c in ("largest", "second") if c in cells.columns]
    if not columns:
        return None
    parts = [
        pd.DataFrame(
            {
                "cluster": source["cluster"],
                "period": source["period"],
                "treated": source["entry"].notna(),
                "amount": source[column],
            }
        )
        for column in columns
    ]
    return pd.concat(parts, ignore_index=True).dropna()


def _share(part: float, total: float) -> float:
    """A share between 0 and 1; 1 where corrections outweigh the sum, NaN where it is zero."""
    if total == 0:
        return math.nan
    return 1.0 if total < 0 else float(min(max(part / total, 0.0), 1.0))
