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

    Persons are a lower bound of the distinct ones: in a window of several years the largest year, because who
    was there in two years is counted once. Shares are upper bounds: the largest person of each year is taken
    to be the same one.

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
    cells = frame.cells
    cells = cells[cells["cluster"].isin(list(clusters))]
    persons_known = bool((frame.rows["persons"] > 0).any())
    amounts = _person_amounts(frame)
    found = []
    for window in windows:
        inside = cells[cells["period"].between(window.first, window.last)]
        for group, treated in GROUPS:
            part = inside[inside["entry"].notna() == treated]
            if part.empty:
                continue
            names = set(part["cluster"])
            people = amounts[
                amounts["cluster"].isin(names) & amounts["period"].between(window.first, window.last)
            ]
            found.append(_cell(frame, group, str(window), part, people, persons_known))
    level = "practice"
    return Counts(cells=tuple(found), df_resid=df_resid, level=level, names_practices=names_practices)


def _cell(
    frame: AnalysisFrame,
    group: str,
    period: str,
    part: pd.DataFrame,
    people: pd.DataFrame,
    persons_known: bool,
) -> Cell:
    persons = int(part.groupby("period")["persons"].sum().max()) if persons_known else None
    practices = int(part["cluster"].nunique())
    if not frame.measure.additive:
        return Cell(group=group, period=period, persons=persons, practices=practices)
    total = float(part["numerator"].sum())
    sums = np.sort(part.groupby("cluster")["numerator"].sum().to_numpy())[::-1]
    tops = [np.sort(year.to_numpy())[::-1] for _, year in people.groupby("period")["amount"]]
    return Cell(
        group=group,
        period=period,
        persons=persons,
        practices=practices,
        practice_share=_share(sums[:1].sum(), total),
        two_practices_share=_share(sums[:2].sum(), total),
        person_share=_share(sum(top[:1].sum() for top in tops), total) if tops else math.nan,
        two_persons_share=_share(sum(top[:2].sum() for top in tops), total) if tops else math.nan,
    )


def _person_amounts(frame: AnalysisFrame) -> pd.DataFrame:
    """The amounts of single persons that could be the largest of a cell: ``cluster period amount``."""
    empty = pd.DataFrame({"cluster": [], "period": [], "amount": []})
    if not frame.measure.additive:
        return empty
    if frame.unit == "person":
        return frame.rows[["cluster", "period", "numerator"]].rename(columns={"numerator": "amount"})
    given = [c for c in ("largest", "second") if c in frame.rows.columns]
    if not given:
        return empty
    parts = [frame.rows[["cluster", "period", c]].rename(columns={c: "amount"}) for c in given]
    return pd.concat(parts, ignore_index=True).dropna()


def _share(part: float, total: float) -> float:
    """A share between 0 and 1; 1 where corrections outweigh the sum, NaN where it is zero."""
    if total == 0:
        return math.nan
    return 1.0 if total < 0 else float(min(max(part / total, 0.0), 1.0))
