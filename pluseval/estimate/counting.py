"""The evidence behind a number: how many persons and practices, and whether one of them dominates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame
from pluseval.estimate.collapse import Window
from pluseval.estimate.result import Cell, Counts

GROUPS = (("programme", True), ("comparison", False))


def count_cells(
    frame: AnalysisFrame,
    clusters: Sequence,
    windows: Sequence[Window],
    *,
    df_resid: float | None = None,
    names_practices: bool = False,
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
    """
    used = set(clusters)
    cells = frame.cells
    cells = cells[cells["cluster"].isin(used)]
    amounts = _person_amounts(frame, cells, used)
    treated = cells["entry"].notna().to_numpy()
    period = cells["period"].to_numpy()
    code = pd.factorize(cells["cluster"])[0]
    persons, numerator = cells["persons"].to_numpy(), cells["numerator"].to_numpy()
    persons_known = bool((frame.rows["persons"] > 0).any())
    found = []
    for window in windows:
        inside = (period >= window.first) & (period <= window.last)
        for group, is_treated in GROUPS:
            at = inside & (treated == is_treated)
            if not at.any():
                continue
            people = int(_sums(period[at], persons[at]).max()) if persons_known else None
            practices = _sums(code[at], numerator[at])
            shares: tuple[float, ...] = ()
            if frame.measure.additive:
                shares = _shares(practices, float(numerator[at].sum()), amounts, window, is_treated)
            found.append(Cell(group, str(window), people, practices.size, *shares))
    return Counts(cells=tuple(found), df_resid=df_resid, level="practice", names_practices=names_practices)


def _sums(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sums of values by label."""
    _, codes = np.unique(labels, return_inverse=True)
    return np.bincount(codes, weights=values.astype(float))


def _shares(
    practices: np.ndarray, total: float, amounts: pd.DataFrame | None, window: Window, treated: bool
) -> tuple[float, float, float, float]:
    """Shares of the largest and the two largest practices and persons in a cell's sum."""
    sums = np.sort(practices)[::-1]
    one, two = _share(sums[:1].sum(), total), _share(sums[:2].sum(), total)
    if amounts is None:
        return one, two, math.nan, math.nan
    period = amounts["period"].to_numpy()
    at = (period >= window.first) & (period <= window.last) & (amounts["treated"].to_numpy() == treated)
    first = both = 0.0
    for year in np.unique(period[at]):
        tops = np.sort(amounts["amount"].to_numpy()[at & (period == year)])[::-1]
        first, both = first + tops[0], both + tops[:2].sum()
    return one, two, _share(first, total), _share(both, total)


def _person_amounts(frame: AnalysisFrame, cells: pd.DataFrame, used: set) -> pd.DataFrame | None:
    """The amounts of single persons that could be the largest of a cell: ``period treated amount``."""
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
            {"period": source["period"], "treated": source["entry"].notna(), "amount": source[column]}
        )
        for column in columns
    ]
    return pd.concat(parts, ignore_index=True).dropna()


def _share(part: float, total: float) -> float:
    """A share between 0 and 1; 1 where corrections outweigh the sum, NaN where it is zero."""
    if total == 0:
        return math.nan
    return 1.0 if total < 0 else float(min(max(part / total, 0.0), 1.0))
