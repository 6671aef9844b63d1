"""Effects where practices joined at different times: Callaway and Sant'Anna's group-time effects."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from diff_diff import CallawaySantAnna

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Collapsed, Window, collapse, covariates, require_variation
from pluseval.estimate.conclude import (
    TREATED_AS,
    Subject,
    conclude,
    population_of,
    require_inference,
    require_level,
)
from pluseval.estimate.counting import cohort_parts
from pluseval.estimate.inference import Inference, from_t
from pluseval.estimate.problem import Staggered, require_groups
from pluseval.estimate.result import Estimand, EstimateSet

Comparison = Literal["never", "not_yet_treated"]
Method = Literal["dr", "reg"]
_CONTROL = {"never": "never_treated", "not_yet_treated": "not_yet_treated"}


def staggered_did(
    frame: AnalysisFrame,
    *,
    inference: Inference | None = None,
    comparison: Comparison = "never",
    adjust: Sequence[str] = (),
    method: Method | None = None,
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The effect by time since joining, and overall, without the bias of two-way fixed effects.

    Estimand: the mean effect on the practices that joined, over their periods since joining (``overall``), by
    periods since joining (``event 0``, ``event 1``, ...) and by year of joining (``cohort 2016``), if each
    cohort would have changed as its comparison practices from the period before it joined. Before joining the
    estimates check that.

    Parameters
    ----------
    frame : AnalysisFrame
    inference : Permutation, optional
        For ``overall``: entry dates are reassigned with their counts fixed. Events, cohorts, and everything
        without an inference carry the analytic standard error with a normal distribution, which rejects too
        often with few programme practices (13.6 % instead of 5 % with five): never a primary result.
    comparison : {"never", "not_yet_treated"}
        Practices that never join, or also those that have not joined yet.
    adjust : sequence of str
        Practice columns to adjust the changes for, as in :func:`did`.
    method : {"dr", "reg"}, optional
        How ``adjust`` enters: doubly robust, or by outcome regression on the comparison practices. By
        default doubly robust, and with an inference by outcome regression, for which every assignment is
        regressed anew.
    level : float
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        ``["overall"]``, events (``at`` is the period since joining) and cohorts. Practices without every
        period, and those that joined in or before the first, are dropped and counted.

    Raises
    ------
    DesignError
        An inference that cannot reassign entries (none can with ``method="dr"``), fewer than two practices in
        a group, no period before the first start, or no practice that never joins.

    References
    ----------
    Callaway and Sant'Anna (2021), doi 10.1016/j.jeconom.2020.12.001. Equals R's ``did::att_gt`` (``entry`` is
    ``gname``, ``method`` ``est_method``) with ``aggte(type = "simple" | "dynamic" | "group")`` and analytic
    standard errors; doubly robust given covariates but for one divisor: the comparison practices' weights are
    divided by the number of practices that joined, in R by their own sum.
    """
    require_level(level, "staggered_did")
    if inference is not None:
        require_inference(inference, "staggered_did")
        if len(adjust) and method == "dr":
            raise DesignError(
                "staggered_did: a propensity score cannot be fitted under every assignment of entries; with "
                'an inference use method="reg", or strata in the place of adjust'
            )
    if comparison not in _CONTROL:
        raise DesignError(f"staggered_did: comparison is {comparison!r}; use 'never' or 'not_yet_treated'")
    if method not in (None, "dr", "reg"):
        raise DesignError(f"staggered_did: method is {method!r}; use 'dr' or 'reg'")
    adjust = (adjust,) if isinstance(adjust, str) else tuple(adjust)
    method = method or ("dr" if inference is None else "reg")
    collapsed, entry, names, Z = _panel(frame, adjust)
    fitted, notes = _fit(collapsed, entry, Z, comparison, method, level)
    words = "Callaway-Sant'Anna, analytic standard error, normal"
    if names:
        how = "doubly robust" if method == "dr" else "outcome regression"
        words = f"Callaway-Sant'Anna, {how} given {', '.join(names)}, analytic standard error, normal"
    rows = _rows(fitted, collapsed, entry)
    estimates = [
        conclude(
            _subject(frame, collapsed, entry, names, comparison, notes, row),
            from_t(row["att"], row["se"], math.inf, level=level, convention=words),
            level=level,
        )
        for row in rows
    ]
    if inference is not None:
        problem = Staggered(
            y=collapsed.values,
            entry=entry,
            periods=np.array([w.first for w in collapsed.windows]),
            comparison=_CONTROL[comparison],
            columns=collapsed.columns,
            covariates=Z,
            adjusted=names,
        )
        inferred = inference.infer(problem, level)
        estimates[0] = conclude(
            _subject(frame, collapsed, entry, names, comparison, notes, rows[0]), inferred, level=level
        )
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.staggered",
        title=f"{label}: effect by time since joining",
        title_nl=f"{label_nl}: effect naar tijd sinds de start",
        estimates=tuple(estimates),
        display="event_study",
    )


def _panel(
    frame: AnalysisFrame, adjust: Sequence[str]
) -> tuple[Collapsed, np.ndarray, tuple[str, ...], np.ndarray]:
    """Complete practices, their entry (0 never), and covariates."""
    periods = frame.periods
    if len(periods) < 2:
        raise DesignError(f"staggered_did needs 2 periods or more, found 1 ({periods[0]})")
    collapsed = collapse(frame, [Window(p, p) for p in periods])
    entries = frame.cells.groupby("cluster")["entry"].first()
    from_the_start = entries.loc[collapsed.clusters].to_numpy() <= periods[0]
    collapsed = collapsed.keep(~from_the_start, f"practices that joined in {periods[0]} or before")
    collapsed, Z, names = covariates(collapsed, adjust)
    entry = np.nan_to_num(entries.loc[collapsed.clusters].to_numpy(float), nan=0.0)
    entry[entry > periods[-1]] = 0.0
    require_groups(entry > 0)
    require_variation(collapsed, "staggered_did")
    return collapsed, entry, names, Z


def _fit(
    collapsed: Collapsed,
    entry: np.ndarray,
    Z: np.ndarray,
    comparison: Comparison,
    method: Method,
    level: float,
) -> tuple[Any, tuple[str, ...]]:
    G, T = collapsed.values.shape
    periods = np.array([w.first for w in collapsed.windows])
    data = pd.DataFrame(
        {
            "code": np.repeat(np.arange(G), T),
            "period": np.tile(periods, G),
            "y": collapsed.values.ravel(),
            "entry": np.repeat(entry.astype(int), T),
        }
    )
    given = [f"z{i}" for i in range(Z.shape[1])]
    for i, column in enumerate(given):
        data[column] = np.repeat(Z[:, i], T)
    model = CallawaySantAnna(control_group=_CONTROL[comparison], estimation_method=method, alpha=1 - level)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitted = model.fit(
                data, outcome="y", unit="code", time="period", first_treat="entry", covariates=given or None
            )
        except (ValueError, np.linalg.LinAlgError) as problem:
            raise DesignError(f"staggered_did: the estimator refuses this design: {problem}") from problem
    few = any("Events Per Variable" in str(w.message) for w in caught)
    notes = ("few programme practices for the covariates of the propensity score",) if few else ()
    if not math.isfinite(fitted.overall_se) or fitted.overall_se <= 0:
        raise DesignError("staggered_did: no variance between practices; check the outcome")
    return fitted, notes


def _rows(fitted: Any, collapsed: Collapsed, entry: np.ndarray) -> list[dict]:
    """Term, estimate, standard error, and whom and which periods it rests on."""
    first, last = collapsed.windows[0].first, collapsed.windows[-1].last
    cohorts = np.unique(entry[entry > 0]).astype(int)
    before = Window(first, int(cohorts[0]) - 1)
    rows = [
        {
            "term": "overall", "att": fitted.overall_att, "se": fitted.overall_se, "at": None,
            "cohorts": cohorts, "windows": (before, Window(int(cohorts[0]), last)),
        }
    ]  # fmt: skip
    events = fitted.aggregate("event_study")
    for e, att, se in zip(events.event_time, events.att, events.se, strict=True):
        back = 1 if e < 0 else 0  # before joining, a period is compared with the one before it
        seen = cohorts[(cohorts + e - back >= first) & (cohorts + e <= last)]
        if not math.isfinite(se) or se <= 0 or seen.size == 0:
            continue
        window = Window(int(seen.min() + e), int(seen.max() + e))
        windows = (before, window) if window != before else (window,)
        rows.append(
            {"term": f"event {e}", "att": att, "se": se, "at": float(e), "cohorts": seen, "windows": windows}
        )
    groups = fitted.aggregate("group")
    for g, att, se in zip(groups.label, groups.att, groups.se, strict=True):
        if math.isfinite(se) and se > 0:
            own = Window(int(g), last)
            rows.append(
                {"term": f"cohort {g}", "att": att, "se": se, "at": None,
                 "cohorts": np.array([g]), "windows": (Window(first, int(g) - 1), own)}
            )  # fmt: skip
    return rows


def _subject(
    frame: AnalysisFrame,
    collapsed: Collapsed,
    entry: np.ndarray,
    names: tuple[str, ...],
    comparison: Comparison,
    notes: tuple[str, ...],
    row: dict,
) -> Subject:
    used = (entry == 0) | np.isin(entry, row["cohorts"])
    if comparison == "not_yet_treated":
        others = "practices that had not joined yet"
    else:
        others = "practices that never joined"
    given = f", given {', '.join(names)}" if names else ""
    estimand = Estimand(
        population=population_of(frame),
        unit="practice",
        weight="every practice counts equally",
        contrast=f"{row['term']}: change since the period before joining, against {others}",
        scale=f"difference in {frame.measure.difference_unit}",
        assumption=(
            "without the programme each cohort would have changed equally to its comparison practices in "
            f"{frame.measure.difference_unit}{given}"
        ),
        treated_as=TREATED_AS,
    )
    return Subject(
        frame=frame,
        term=row["term"],
        estimand=estimand,
        method="Callaway-Sant'Anna group-time effects",
        clusters=collapsed.clusters[used],
        windows=row["windows"],
        nobs=int(used.sum()) * len(collapsed.windows),
        at=row["at"],
        notes=(*collapsed.notes, *notes),
        losses=collapsed.losses,
        parts=cohort_parts(collapsed.clusters, entry),
    )
