"""Effects by time since joining as a share-weighted mean of cohort effects: Sun and Abraham's event study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.conclude import conclude, require_level
from pluseval.estimate.inference import from_t
from pluseval.estimate.panel import complete_panel, event_windows, panel_subject
from pluseval.estimate.problem import require_groups
from pluseval.estimate.result import EstimateSet
from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.sun_abraham import SunAbraham
from pluseval.numerics.sun_abraham import sun_abraham as fit_sun_abraham

ASSUMES = "without the programme each cohort would have changed equally to the practices that never joined"


def sun_abraham(
    frame: AnalysisFrame,
    *,
    errors: Literal["CR2", "CR1"] = "CR2",
    exclude: Sequence[int] = (),
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The effect overall and by time since joining, without the mixing of plain two-way fixed effects.

    Estimand: the mean effect on the practices that joined, over their periods since joining, if each cohort
    would have changed as the practices that never joined since the period before it did. Effects may differ
    between cohorts, which are weighted by their size.

    Parameters
    ----------
    frame : AnalysisFrame
    errors : {"CR2", "CR1"}
        Bell and McCaffrey's with their degrees of freedom, or the default of other software, which rejects
        too often with few programme practices.
    exclude : sequence of int
        Periods left out for all; the period before each cohort joined must stay.
    level, name
        As for :func:`pluseval.estimate.imputation.imputation_did`.

    Returns
    -------
    EstimateSet
        ``["overall"]`` and events (``at`` is the period since joining; event -1 is the reference).

    Raises
    ------
    DesignError
        A cohort of one practice with ``errors="CR2"``, fewer than two practices in a group, a cohort that is
        not seen in the period before it joined, or changes that do not vary.

    References
    ----------
    Sun and Abraham (2021), doi:10.1016/j.jeconom.2020.09.006. Equals R's ``fixest::feols(y ~ sunab(entry,
    period) | practice + period)``; with ``errors="CR1"`` its default standard errors too.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> data = pd.DataFrame({"practice": list("ABCDEFG") * 3, "year": [1] * 7 + [2] * 7 + [3] * 7,
    ...                      "entry": [2, 2, 3, 3, 0, 0, 0] * 3,
    ...                      "pct": [30, 31, 32, 33, 33, 34, 35, 29, 31, 32, 33, 33, 34, 36, 29, 31, 30, 32,
    ...                              33, 35, 36.0]})
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct)
    >>> [e.term for e in sun_abraham(frame)]
    ['overall', 'event -2', 'event 0', 'event 1']
    """
    require_level(level, "sun_abraham")
    if errors not in ("CR2", "CR1"):
        raise DesignError(f"sun_abraham: errors is {errors!r}; use 'CR2' or 'CR1'")
    panel = complete_panel(frame, exclude=exclude, asked_by="sun_abraham")
    require_groups(panel.entry > 0)
    G, T = panel.y.shape
    made = fit_sun_abraham(
        panel.y.ravel(),
        entry=np.repeat(panel.entry, T),
        unit=np.repeat(np.arange(G), T),
        period=np.tile(panel.periods, G),
    )
    robust = cluster_cov(made.fit.fitted, made.fit.cluster, kind="CR2") if errors == "CR2" else None
    estimates = []
    for kind in ("att", "dynamic"):
        keys, values, cov = made.average(kind)
        for i, key in enumerate(keys):
            term = "overall" if kind == "att" else f"event {key:g}"
            if robust is not None:
                contrast = _contrast(made, kind, key, robust.coef.size)
                se, df = robust.std_error(contrast), robust.df(contrast)
                words = f"Sun-Abraham, CR2, Bell-McCaffrey t({df:.1f})"
            else:
                se, df = math.sqrt(cov[i, i]), float(made.fit.df)
                words = f"Sun-Abraham, CR1 (n-1)/(n-K) nonnested, t({df:.0f})"
            if not se > 1e-12 * max(1.0, float(np.abs(panel.y).max())):
                raise DesignError("sun_abraham: changes do not vary within the cohorts; check the outcome")
            at = None if kind == "att" else float(key)
            windows, cohorts = (None, None) if at is None else event_windows(panel, at)
            subject = panel_subject(
                panel,
                term=term,
                method="interaction-weighted event study (Sun and Abraham)",
                assumption=f"{ASSUMES} in {frame.measure.difference_unit}",
                contrast=f"{term}: change since the period before joining, against those that never joined",
                weight="cohorts count by their practices",
                cohorts=cohorts,
                windows=windows,
                at=at,
            )
            inferred = from_t(float(values[i]), se, df, level=level, convention=words)
            estimates.append(conclude(subject, inferred, level=level))
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.sun_abraham",
        title=f"{label}: effect by time since joining (Sun and Abraham)",
        title_nl=f"{label_nl}: effect naar tijd sinds de start (Sun en Abraham)",
        estimates=tuple(estimates),
        display="event_study",
    )


def _contrast(made: SunAbraham, kind: str, key: float, size: int) -> np.ndarray:
    """The weights of the cells in one average, as a contrast of the fit's coefficients."""
    chosen = made.event_time >= 0 if kind == "att" else made.event_time == key
    weight = np.where(chosen, made.share, 0.0)
    contrast = np.zeros(size)
    contrast[-weight.size :] = weight / weight.sum()
    return contrast
