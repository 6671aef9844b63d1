"""What a plain two-way fixed-effects estimate would mix: the Goodman-Bacon decomposition."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Window
from pluseval.estimate.conclude import TREATED_AS, population_of
from pluseval.estimate.counting import cohort_parts, count_cells
from pluseval.estimate.panel import Panel, complete_panel
from pluseval.estimate.result import Counts, Estimand, Estimate, EstimateSet
from pluseval.numerics.bacon import KINDS, BaconDecomposition, bacon_decomposition

WORDS = {
    "treated_v_never": "joined v never joined",
    "earlier_v_later": "joined earlier v not yet joined",
    "later_v_earlier": "joined later v already joined",
    "later_v_always": "joined later v joined from the start",
}
SHARE = Measure(
    key="share_of_two_way_estimate",
    label="Share of the two-way fixed-effects estimate",
    label_nl="Aandeel van de schatter met twee vaste effecten",
    unit="% of the two-way estimate",
    unit_nl="% van de schatter met twee vaste effecten",
    difference_unit="percentage points",
    difference_unit_nl="procentpunten",
    better="lower",
    decimals=1,
)


def goodman_bacon(
    frame: AnalysisFrame, *, exclude: Sequence[int] = (), name: str | None = None
) -> EstimateSet:
    """The comparisons that a two-way fixed-effects estimate is a weighted mean of, by type.

    Where practices joined at different times, a plain regression with practice and period effects also
    compares practices that joined later with those that had joined already, and takes a change of the
    earlier ones' effect for a common course. The share of such comparisons says how far it can be trusted.
    Made to show this: nothing here is an estimate to report.

    Parameters
    ----------
    frame : AnalysisFrame
    exclude : sequence of int
        Periods left out for all.
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        ``display="table"``: the two-way estimate, then for every type of comparison that occurs its share
        (``share: ...``) and its mean estimate (``estimate: ...``); the gate holds the means back together
        where a cohort is small. Nothing has an interval or a p-value.

    Raises
    ------
    DesignError
        What :func:`pluseval.numerics.bacon.bacon_decomposition` refuses, or no practice with every period.

    References
    ----------
    Goodman-Bacon (2021), doi:10.1016/j.jeconom.2021.03.014. Equals R's ``bacondecomp::bacon``.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> data = pd.DataFrame({"practice": list("ABC") * 3, "year": [1] * 3 + [2] * 3 + [3] * 3,
    ...                      "entry": [2, 3, 0] * 3, "pct": [30, 31, 32, 29, 31, 33, 29, 30, 34.0]})
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct)
    >>> round(goodman_bacon(frame)["share: joined later v already joined"].estimate, 1)
    16.7
    """
    panel = complete_panel(frame, exclude=exclude, always=True, asked_by="goodman_bacon")
    found = bacon_decomposition(panel.y, entry=panel.entry, periods=panel.periods)
    window = Window(int(panel.periods[0]), int(panel.periods[-1]))
    # Cohorts weigh apart in every mean here and in the two-way estimate, so that each is a cell of its own
    # for all of them: with the shares, which hold no outcome, one held back would follow from the others.
    start = np.where(panel.entry <= panel.periods[0], -math.inf, panel.entry)
    start = np.where(panel.entry == 0, 0.0, start)
    whole = count_cells(frame, panel.clusters, (window,))
    everyone = count_cells(frame, panel.clusters, (window,), parts=cohort_parts(panel.clusters, start))
    estimates = [
        _described(panel, "two-way fixed effects", found.total, frame.measure, everyone, "difference")
    ]
    for kind in (k for k in KINDS if found.weight_of(k) > 0):
        share, mean = found.weight_of(kind), _mean(found, kind)
        estimates += [
            _described(panel, f"share: {WORDS[kind]}", 100 * share, SHARE, whole, "level"),
            _described(panel, f"estimate: {WORDS[kind]}", mean, frame.measure, everyone, "difference"),
        ]
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.goodman_bacon",
        title=f"{label}: what a two-way fixed-effects estimate mixes",
        title_nl=f"{label_nl}: wat een schatter met twee vaste effecten mengt",
        estimates=tuple(estimates),
        display="table",
    )


def _mean(found: BaconDecomposition, kind: str) -> float:
    of = found.kind == kind
    return float(np.average(found.estimate[of], weights=found.weight[of]))


def _described(
    panel: Panel, term: str, value: float, measure: Measure, counts: Counts, scale: str
) -> Estimate:
    if not math.isfinite(value):
        raise DesignError(f"goodman_bacon: {term} is not a number; check the outcome")
    estimand = Estimand(
        population=population_of(panel.frame),
        unit="practice",
        weight="sizes of the cohorts and variance of treatment between them",
        contrast=term,
        scale=measure.unit if scale == "level" else f"difference in {measure.difference_unit}",
        assumption="none: a decomposition",
        treated_as=TREATED_AS,
    )
    return Estimate(
        term=term,
        estimate=value,
        std_error=math.nan,
        statistic=math.nan,
        df=math.nan,
        p_value=math.nan,
        conf_low=math.nan,
        conf_high=math.nan,
        measure=measure,
        estimand=estimand,
        counts=counts,
        source=panel.frame.source,
        method="Goodman-Bacon decomposition",
        inference="none: a decomposition",
        nobs=int(panel.y.size),
        n_clusters=panel.clusters.size,
        scale=scale,  # type: ignore[arg-type]
        notes=panel.notes,
        losses=panel.losses,
    )
