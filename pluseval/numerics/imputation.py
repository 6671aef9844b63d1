"""Imputation of staggered effects: what untreated unit-periods predict, taken from what was seen.

Unit and period effects are fitted on untreated unit-periods alone; each treated one's effect is its outcome
minus their prediction, and averages of those are the estimates. Panels may be unbalanced.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pluseval.errors import DesignError

TARGETS = ("overall", "event_time", "cohort", "calendar")
CENTRES = ("cohort_period", "target")


@dataclass(frozen=True)
class ImputationAtt:
    """Averages of imputed effects.

    Attributes
    ----------
    by : str
    key : (M,) array
        Event time, cohort or calendar period of each average; one NaN for ``overall``.
    att, se : (M,) arrays
    covariance : (M, M) array
        Clustered by unit, or by ``cluster``; no small-sample factor.
    n_cells : (M,) integer array
        Treated unit-periods in each average.
    effects : (N, T) array
        The effect of every treated unit-period that could be imputed, else NaN.
    n_not_imputed : int
        Treated unit-periods without a prediction (unit never, or period nowhere, seen untreated); left out.
    n_clusters : int
    """

    by: str
    key: np.ndarray
    att: np.ndarray
    se: np.ndarray
    covariance: np.ndarray
    n_cells: np.ndarray
    effects: np.ndarray
    n_not_imputed: int
    n_clusters: int


def imputation_att(
    y: np.ndarray,
    *,
    entry: np.ndarray,
    periods: np.ndarray,
    by: str = "overall",
    centre: str = "cohort_period",
    cluster: np.ndarray | None = None,
    transition: float = 0,
) -> ImputationAtt:
    """Imputed effects averaged over all treated unit-periods, by event time, by cohort or by calendar period.

    Assumption: untreated outcomes are a unit effect plus a period effect plus noise, in every period before
    entry too (stronger than Callaway-Sant'Anna, and more precise if true); no anticipation.

    Parameters
    ----------
    y : (N, T) array
        NaN marks a missing unit-period.
    entry : (N,) array
        First treated period in the values of ``periods``; 0, infinity or NaN for never treated.
    periods : (T,) array
        Increasing.
    by : {"overall", "event_time", "cohort", "calendar"}
    centre : {"cohort_period", "target"}
        Whose mean the effects are measured against in the standard error: that of their cohort and period
        (Borusyak, Jaravel and Spiess), or that of the average they belong to (Gardner's two stages; larger,
        and covers effects that differ between cohorts).
    cluster : (N,) array, optional
        Cluster of each unit; by default the unit itself.
    transition : float
        Length of time from entry that is left out of every average: 1 where the first period was only partly
        treated.

    Returns
    -------
    ImputationAtt

    Raises
    ------
    DesignError
        Shapes that do not agree, or no treated unit-period that can be imputed.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), Review of Economic Studies 91(6), 3253-3285,
    doi:10.1093/restud/rdae007. Equals ``didimputation::did_imputation`` (``cohort_period``) and
    ``did2s::did2s`` (``target``).

    Examples
    --------
    >>> y = np.array([[1.0, 2, 3], [2.0, 3, 4], [1.0, 4, 5], [2.0, 5, 6]])
    >>> imputation_att(y, entry=np.array([0, 0, 2, 2]), periods=np.array([1, 2, 3])).att.round(6).tolist()
    [2.0]
    """
    if by not in TARGETS or centre not in CENTRES:
        raise DesignError(f"by={by!r}, centre={centre!r}: use one of {TARGETS} and one of {CENTRES}")
    panel = checked_staggered_panel(y, entry=entry, periods=periods, cluster=cluster)
    stage = first_stage(panel.y, panel.untreated)
    effects = np.where(panel.treated, panel.y - stage.prediction, np.nan)
    usable = np.isfinite(effects) & (panel.event_time >= transition)
    if not usable.any():
        raise DesignError(
            "no treated unit-period can be imputed: units need a period before entry, and "
            "periods untreated units"
        )
    labels = {
        "overall": np.zeros(usable.shape),
        "event_time": panel.event_time,
        "cohort": np.broadcast_to(panel.start[:, None], usable.shape),
        "calendar": np.broadcast_to(panel.periods, usable.shape),
    }[by]
    key = np.unique(labels[usable])
    att, n_cells, scores = np.empty(key.size), np.empty(key.size, int), np.empty((panel.start.size, key.size))
    for m, value in enumerate(key):
        chosen = usable & (labels == value)
        weight = chosen / chosen.sum()
        att[m], n_cells[m] = effects[chosen].mean(), chosen.sum()
        if centre == "target":
            middle = np.full(usable.shape, att[m])
        else:
            middle = _cohort_period_means(effects, weight, chosen, panel)
        own = np.where(chosen, weight * (np.where(usable, effects, 0.0) - middle), 0.0).sum(axis=1)
        scores[:, m] = own + stage.propagate(weight)
    covariance, n_clusters = _clustered(scores, panel.cluster)
    return ImputationAtt(
        by=by,
        key=np.array([np.nan]) if by == "overall" else key,
        att=att,
        se=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        n_cells=n_cells,
        effects=effects,
        n_not_imputed=int((panel.treated & ~np.isfinite(effects)).sum()),
        n_clusters=n_clusters,
    )


def two_stage_event_study(
    y: np.ndarray,
    *,
    entry: np.ndarray,
    periods: np.ndarray,
    reference: float = -1,
    cluster: np.ndarray | None = None,
) -> ImputationAtt:
    """Gardner's event study: mean imputed effects, and mean first-stage residuals before entry.

    The periods before entry helped to fit what they are compared with, so these leads are shrunk: a test of
    parallel trends is :func:`imputation_pretrends`. Arguments, result and errors as :func:`imputation_att`.

    Parameters
    ----------
    reference : float
        Event time that is left out.

    References
    ----------
    Gardner (2022), arXiv:2207.05943. Equals ``did2s::did2s`` with ``second_stage = ~i(rel, ref = c(-1,
    Inf))``.

    Examples
    --------
    >>> y = np.array([[1.0, 2, 3], [2.0, 3, 4], [1.0, 2, 5], [2.0, 3, 6]])
    >>> out = two_stage_event_study(y, entry=np.array([0, 0, 3, 3]), periods=np.array([1, 2, 3]))
    >>> out.key.tolist(), out.att.round(6).tolist()
    ([-2.0, 0.0], [0.0, 2.0])
    """
    panel = checked_staggered_panel(y, entry=entry, periods=periods, cluster=cluster)
    stage = first_stage(panel.y, panel.untreated)
    adjusted = panel.y - stage.prediction
    usable = np.isfinite(adjusted) & np.isfinite(panel.start)[:, None] & (panel.event_time != reference)
    key = np.unique(panel.event_time[usable])
    if key.size == 0:
        raise DesignError("no event time can be estimated: no unit is seen before and after its entry")
    att, n_cells, scores = np.empty(key.size), np.empty(key.size, int), np.empty((panel.start.size, key.size))
    for m, value in enumerate(key):
        chosen = usable & (panel.event_time == value)
        weight = chosen / chosen.sum()
        att[m], n_cells[m] = adjusted[chosen].mean(), chosen.sum()
        own = np.where(chosen, weight * (np.where(chosen, adjusted, 0.0) - att[m]), 0.0).sum(axis=1)
        scores[:, m] = own + stage.propagate(weight)
    covariance, n_clusters = _clustered(scores, panel.cluster)
    effects = np.where(panel.treated, adjusted, np.nan)
    return ImputationAtt(
        by="event_time",
        key=key,
        att=att,
        se=np.sqrt(np.diag(covariance)),
        covariance=covariance,
        n_cells=n_cells,
        effects=effects,
        n_not_imputed=int((panel.treated & ~np.isfinite(effects)).sum()),
        n_clusters=n_clusters,
    )


@dataclass(frozen=True)
class StaggeredPanel:
    """A checked panel: ``y`` (N, T), NaN if missing; ``start`` (N,), infinite for never; masks (N, T)."""

    y: np.ndarray
    start: np.ndarray
    periods: np.ndarray
    treated: np.ndarray
    untreated: np.ndarray
    event_time: np.ndarray
    cluster: np.ndarray


def checked_staggered_panel(
    y: np.ndarray, *, entry: np.ndarray, periods: np.ndarray, cluster: np.ndarray | None = None
) -> StaggeredPanel:
    """Shapes, values and entries checked; the never-treated start at infinity, event time minus infinity.

    Raises
    ------
    DesignError
        Shapes that do not agree, periods that do not increase, infinite values, or no treated or untreated
        unit-period.

    Examples
    --------
    >>> panel = checked_staggered_panel(np.ones((2, 2)), entry=np.array([0, 2]), periods=np.array([1, 2]))
    >>> int(panel.treated.sum())
    1
    """
    y, start, periods = np.asarray(y, float), np.array(entry, float), np.asarray(periods, float)
    if y.ndim != 2 or start.shape != (y.shape[0],) or periods.shape != (y.shape[1],):
        raise DesignError(f"shapes do not agree: y {y.shape}, entry {start.shape}, periods {periods.shape}")
    if y.shape[1] < 2 or not (np.diff(periods) > 0).all():
        raise DesignError("periods must be two or more and increase")
    if np.isinf(y).any():
        raise DesignError(f"{int(np.isinf(y).sum())} values of y are infinite; mark what is missing as NaN")
    start[~np.isfinite(start) | (start == 0)] = np.inf
    labels = (
        np.arange(start.size) if cluster is None else np.unique(np.asarray(cluster), return_inverse=True)[1]
    )
    if labels.shape != start.shape:
        raise DesignError(f"one cluster per unit is needed, found {labels.size} for {start.size} units")
    seen, after = np.isfinite(y), periods >= start[:, None]
    if not (seen & after).any() or not (seen & ~after).any():
        raise DesignError(
            f"needs treated and untreated unit-periods, found {int((seen & after).sum())} "
            f"and {int((seen & ~after).sum())}"
        )
    return StaggeredPanel(
        y=y,
        start=start,
        periods=periods,
        treated=seen & after,
        untreated=seen & ~after,
        event_time=periods - start[:, None],
        cluster=labels,
    )


@dataclass(frozen=True)
class FirstStage:
    """Unit and period effects fitted on the cells of ``mask`` (N, T).

    ``prediction`` (N, T) is NaN where either effect is not identified, ``residual`` (N, T) is 0 off the mask.
    """

    mask: np.ndarray
    multiplicity: np.ndarray
    prediction: np.ndarray
    residual: np.ndarray

    def cell_weights(self, weight: np.ndarray) -> np.ndarray:
        """Weights (N, T) on the fitted cells that an average with ``weight`` (N, T) implies."""
        a, b = _two_way(self.mask, self.multiplicity, weight.sum(axis=1), weight.sum(axis=0))
        return -np.where(self.mask, (a[:, None] + b) * self.multiplicity[:, None], 0.0)

    def propagate(self, weight: np.ndarray) -> np.ndarray:
        """Score (N,) that the fitted effects add to an average with ``weight`` (N, T)."""
        return (self.cell_weights(weight) * self.residual).sum(axis=1)


def first_stage(y: np.ndarray, mask: np.ndarray, multiplicity: np.ndarray | None = None) -> FirstStage:
    """Two-way effects on the cells of ``mask``; ``multiplicity`` (N,) counts the units a row stands for.

    Periods are predicted only as far as they are connected to the others through units that are seen in both.

    Examples
    --------
    >>> y = np.array([[1.0, 2.0], [3.0, np.nan]])
    >>> first_stage(y, np.isfinite(y)).prediction.round(6).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    count = np.ones(y.shape[0]) if multiplicity is None else multiplicity
    filled = np.where(mask, y, 0.0)
    a, b = _two_way(mask, count, count * filled.sum(axis=1), count @ filled)
    prediction = np.where(_predictable(mask), a[:, None] + b, np.nan)
    return FirstStage(
        mask=mask,
        multiplicity=count,
        prediction=prediction,
        residual=np.where(mask, filled - np.where(np.isfinite(prediction), prediction, 0.0), 0.0),
    )


def _two_way(
    mask: np.ndarray, count: np.ndarray, unit_sum: np.ndarray, period_sum: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve the normal equations of unit and period effects; without the unit effects they are T x T."""
    per_unit = mask.sum(axis=1)
    inverse = np.where(per_unit > 0, 1 / np.maximum(per_unit, 1), 0.0)
    reduced = np.diag(count @ mask) - (mask * (count * inverse)[:, None]).T @ mask
    target = period_sum - mask.T @ (unit_sum * inverse)
    b = np.linalg.lstsq(reduced, target, rcond=1e-11)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        a = inverse * (unit_sum / count - mask @ b)
    return a, b


def _predictable(mask: np.ndarray) -> np.ndarray:
    """Cells whose unit and period effects can be told: both in one connected part of the fitted cells."""
    length = mask.shape[1]
    part: np.ndarray = np.arange(length)
    while True:
        in_unit = np.where(mask, part, length).min(axis=1)
        lowest = np.where(mask, in_unit[:, None], length).min(axis=0)
        merged = np.minimum(part, lowest)
        if np.array_equal(merged, part):
            break
        part = merged
    known = np.outer(mask.any(axis=1), mask.any(axis=0))
    return np.where(in_unit[:, None] == part[None, :], known, False)


def _cohort_period_means(
    effects: np.ndarray, weight: np.ndarray, chosen: np.ndarray, panel: StaggeredPanel
) -> np.ndarray:
    """Mean effect per cohort and period (N, T), each unit counted by its squared weight as in the paper."""
    cohorts, index = np.unique(panel.start, return_inverse=True)
    onehot = (index[:, None] == np.arange(cohorts.size)).astype(float)
    square = weight**2
    total = onehot.T @ (square * np.where(chosen, effects, 0.0))
    size = onehot.T @ square
    return (total / np.where(size > 0, size, 1.0))[index]


def _clustered(scores: np.ndarray, cluster: np.ndarray) -> tuple[np.ndarray, int]:
    n_clusters = int(cluster.max()) + 1
    sums = np.zeros((n_clusters, scores.shape[1]))
    np.add.at(sums, cluster, scores)
    return sums.T @ sums, n_clusters
