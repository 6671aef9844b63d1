"""Levels of both groups over time: a description, no effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from pluseval.data.frame import AnalysisFrame, total_losses
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Window, collapse
from pluseval.estimate.conclude import TREATED_AS, population_of, require_level
from pluseval.estimate.counting import GROUPS, count_cells
from pluseval.estimate.result import Estimand, Estimate, EstimateSet
from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.linear import fit, t_test


def group_means(
    frame: AnalysisFrame,
    *,
    by: Literal["year"] | Sequence[Sequence[int]] = "year",
    weights: Literal["practice", "exposure"] = "practice",
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The level of each group in every period, with an interval over practices.

    Parameters
    ----------
    frame : AnalysisFrame
    by : "year" or windows
        Every period, or windows as ((2013, 2015), (2017, 2019)).
    weights : {"practice", "exposure"}
        Mean of practice values, or a ratio of sums.
    level : float
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        ``display="trajectory"``; scale ``level``; ``group`` is ``programme`` or ``comparison`` and ``at`` the
        (first) period. A single practice has no interval (NaN); practices take part in the periods they have.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> data = pd.DataFrame({"practice": list("ABCD"), "year": 2018, "entry": [2016, 2016, 0, 0],
    ...                      "grade": [8.5, 8.7, 8.0, 8.4]})
    >>> grade = Measure("grade", "report grade", "rapportcijfer", "points", "punten", "points", "punten",
    ...                 "higher", decimals=1)
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="grade", entry="entry",
    ...                                   measure=grade)
    >>> [round(e.estimate, 2) for e in group_means(frame)]
    [8.6, 8.2]
    """
    require_level(level, "group_means")
    if weights not in ("practice", "exposure"):
        raise DesignError(f"group_means: weights is {weights!r}; use 'practice' or 'exposure'")
    windows = (
        [Window(p, p) for p in frame.periods] if by == "year" else [Window(int(a), int(b)) for a, b in by]
    )
    treated = frame.treated
    estimates = []
    for group, is_treated in GROUPS:
        members = treated.index[treated == is_treated]
        if members.empty:
            continue
        part = frame.keep_clusters(list(members))
        for window in windows:
            if any(p in window for p in part.periods):
                estimates.append(_level_of(part, group, window, weights, level))
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.trajectory",
        title=f"{label}: level of both groups",
        title_nl=f"{label_nl}: niveau van beide groepen",
        estimates=tuple(estimates),
        display="trajectory",
    )


def _level_of(frame: AnalysisFrame, group: str, window: Window, weights: str, level: float) -> Estimate:
    collapsed = collapse(frame, [window], allow_zero=True)
    values, G = collapsed.values[:, 0], collapsed.clusters.size
    exposure = collapsed.exposures[:, 0] if weights == "exposure" else np.ones(G)
    mean = float(np.average(values, weights=exposure))
    se = df = low = high = math.nan
    if G > 1:
        if np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
            se, df, low, high = 0.0, float(G - 1), mean, mean
        else:
            cov = cluster_cov(
                fit(values, np.ones((G, 1)), weights=exposure if weights == "exposure" else None),
                np.arange(G),
            )
            found = t_test(mean, cov.std_error(0), cov.df(0), level=level)
            se, df, low, high = found.std_error, found.df, found.conf_low, found.conf_high
    of = "mean over practices" if weights == "practice" else "ratio of sums, CR2 over practices"
    words = f"{of}, t({df:.{0 if weights == 'practice' else 1}f})" if G > 1 else "one practice, no interval"
    estimand = Estimand(
        population=population_of(frame),
        unit="practice",
        weight="every practice counts equally"
        if weights == "practice"
        else "practices count by their exposure",
        contrast=f"level in {window}, {group} practices",
        scale=frame.measure.unit,
        assumption="none: a description",
        treated_as=TREATED_AS,
    )
    return Estimate(
        term=f"{group} {window}",
        estimate=mean,
        std_error=se,
        statistic=math.nan,
        df=df,
        p_value=math.nan,
        conf_low=low,
        conf_high=high,
        measure=frame.measure,
        estimand=estimand,
        counts=count_cells(frame, collapsed.clusters, (window,), df_resid=df if G > 1 else None),
        source=frame.source,
        method="group level",
        inference=words,
        nobs=G,
        n_clusters=G,
        scale="level",
        level=level,
        group=group,
        at=float(window.first),
        notes=collapsed.notes,
        losses=total_losses(frame.losses, [window]),
    )
