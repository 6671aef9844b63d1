"""Difference in differences by dose: practices that took part for a part of the later window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Average, Collapsed, Window, collapse, covariates, two_windows
from pluseval.estimate.conclude import Subject, conclude, require_inference, require_level, require_margin
from pluseval.estimate.did import change_contrast, did_estimand
from pluseval.estimate.inference import Inference
from pluseval.estimate.result import Estimate


def dose_did(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    periods: Sequence[int] | None = None,
    windows: Sequence[Sequence[int]] | None = None,
    adjust: Sequence[str] = (),
    average: Average = "ratio_of_sums",
    start: str = "start_date",
    margin: float | None = None,
    level: float = 0.95,
) -> Estimate:
    """The effect per full year of taking part, where the year of joining counts by the months taken part.

    Estimand: the effect of a full year of taking part on programme practices, if it is in proportion to the
    part of the year and the same in every year, and if without the programme both groups would have changed
    equally. A start on 1 June 2016 gives 2016 a dose of 7/12 and later years 1. One change per practice is
    regressed on its change of dose, so that years of one practice are not taken for independent evidence. To
    leave the year of joining out instead, give :func:`pluseval.estimate.did.did` windows without it.

    Parameters
    ----------
    frame : AnalysisFrame
        Annual, with the day of joining in ``frame.practices``.
    inference : Inference
        ``ClusterRobust("CR2")``, ``OLS()`` or ``WildBootstrap(...)``; a permutation would have to deal out
        doses, see :func:`pluseval.estimate.staggered.staggered_did`.
    periods, windows, adjust, average, margin, level
        As for :func:`pluseval.estimate.did.did`; the later window may hold the year of joining.
    start : str
        Column of ``frame.practices`` with the day of joining.

    Raises
    ------
    DesignError
        No such column, a programme practice without a day of joining, doses that do not differ between the
        windows, or what :func:`pluseval.estimate.did.did` refuses.

    References
    ----------
    Equals R's ``lm(change ~ change_of_dose)``.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> from pluseval.estimate.inference import OLS
    >>> data = pd.DataFrame({"practice": list("ABCDE") * 2, "year": [2015] * 5 + [2016] * 5,
    ...                      "entry": [2016, 2016, 0, 0, 0] * 2, "start": ["2016-07-01"] * 2 + [None] * 3 +
    ...                      ["2016-07-01"] * 2 + [None] * 3,
    ...                      "pct": [30.0, 32, 31, 33, 35, 29, 31, 31, 33.1, 34.9]})
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct, covariates=["start"])
    >>> round(dose_did(frame, inference=OLS(), start="start").estimate, 3)   # -1 in half a year
    -2.0
    """
    require_inference(inference, "dose_did")
    require_level(level, "dose_did")
    require_margin(margin, "difference", "dose_did")
    before, after = two_windows(frame, periods, windows, asked_by="dose_did")
    collapsed, Z, names = covariates(collapse(frame, (before, after), average=average), adjust)
    dose = _dose(frame, collapsed, start, average)
    change = np.where(collapsed.treated, dose[:, 1] - dose[:, 0], 0.0)
    if not np.any(change[collapsed.treated] > 0):
        raise DesignError(
            f"dose_did: no practice took part for longer in {after} than in {before}; compare with did"
        )
    problem = replace(change_contrast(collapsed, Z, names), by_treatment=change[:, None])
    least, most = change[collapsed.treated].min(), change[collapsed.treated].max()
    subject = Subject(
        frame=frame,
        term=f"{frame.measure.label} {before} -> {after}, per full year of taking part",
        estimand=replace(
            did_estimand(frame, before, after, "practices count by their change of dose", names),
            contrast=f"change {before} -> {after} per full year of taking part, programme minus comparison",
            scale=f"difference in {frame.measure.difference_unit} per full year",
            assumption=(
                "the effect is in proportion to the part of the year taken part; without the programme both "
                f"groups would have changed equally in {frame.measure.difference_unit}"
            ),
        ),
        method="difference in differences by dose",
        clusters=collapsed.clusters,
        windows=(before, after),
        nobs=problem.y.size,
        margin=margin,
        notes=(
            *collapsed.notes,
            f"change of dose between {least:.2f} and {most:.2f} of a full year among programme practices",
        ),
        losses=collapsed.losses,
        # practices of one dose weigh otherwise than those of another
        parts={
            practice: f"dose {dose:.3f}"
            for practice, dose, on in zip(collapsed.clusters, change, collapsed.treated, strict=True)
            if on
        },
    )
    return conclude(subject, inference.infer(problem, level), level=level)


def part_of_year(start: pd.Timestamp, year: int) -> float:
    """The part of a calendar year since a day, in months: 1 June 2016 gives 7/12 of 2016.

    Examples
    --------
    >>> day = pd.Timestamp("2016-06-01")
    >>> round(part_of_year(day, 2016), 4), part_of_year(day, 2017)
    (0.5833, 1.0)
    """
    months = 12 * (year + 1 - start.year) - (start.month - 1) - (start.day - 1) / start.days_in_month
    return float(min(max(months / 12, 0.0), 1.0))


def _dose(frame: AnalysisFrame, collapsed: Collapsed, start: str, average: Average) -> np.ndarray:
    """Dose of every practice in both windows (G, 2), averaged over a window's years as the outcome is."""
    if start not in frame.practices.columns:
        has = ", ".join(map(str, frame.practices.columns)) or "none"
        raise DesignError(
            f"dose_did: the frame has no practice column {start!r} (it has: {has}); add the day of joining "
            "with frame.with_practices"
        )
    given = frame.practices[start].reindex(collapsed.clusters)
    days = pd.to_datetime(given, errors="coerce", format=None if given.dtype.kind == "M" else "ISO8601")
    missing = int((days.isna().to_numpy() & collapsed.treated).sum())
    if missing:
        raise DesignError(
            f"dose_did: {missing} programme practices have no {start}, or no day in it; give one to each, as "
            "2016-06-01"
        )
    cells = frame.cells
    cells = cells[cells["cluster"].isin(collapsed.clusters)]
    day = days.loc[cells["cluster"]].to_numpy()
    joined = cells["entry"].notna().to_numpy()
    part = np.array(
        [
            part_of_year(pd.Timestamp(d), int(p)) if on else 0.0
            for d, p, on in zip(day, cells["period"], joined, strict=True)
        ]
    )
    weight = cells["exposure"].to_numpy() if average == "ratio_of_sums" else np.ones(len(cells))
    code = collapsed.clusters.get_indexer(cells["cluster"])
    return np.column_stack([_mean(part, weight, code, cells["period"], w) for w in collapsed.windows])


def _mean(
    part: np.ndarray, weight: np.ndarray, code: np.ndarray, period: pd.Series, window: Window
) -> np.ndarray:
    inside = period.between(window.first, window.last).to_numpy()
    total = np.bincount(code[inside], weights=weight[inside])
    return np.bincount(code[inside], weights=(part * weight)[inside]) / total
