"""Staggered effects under thousands of reassigned entry dates, without fitting anything again.

Given who enters when, a Callaway-Sant'Anna or imputation average is a linear map of the outcomes whose
coefficients depend on the number of units per cohort only. A permutation test keeps those numbers, so that
per draw nothing is left but to add up each cohort's rows: estimates and standard errors of all draws are a
few matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.imputation import first_stage
from pluseval.numerics.staggered import att_cells
from pluseval.numerics.staggered_average import aggregation_weights

_VALUES_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class ReassignedAtt:
    """The overall effect and its standard error under each assignment of entries.

    Attributes
    ----------
    estimate, se : (D,) arrays
        In the units of ``y``; the analytic standard error, each cohort's squares times n / (n - 1) if asked
        for.
    statistic : (D,) array
        ``estimate / se``.
    """

    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray


def reassigned_entries(
    entry: np.ndarray, *, draws: int, seed: int, strata: np.ndarray | None = None
) -> np.ndarray:
    """Entry dates dealt out anew, with their counts fixed (within strata), (draws, N).

    The sharp null under which these are exchangeable: no unit's outcomes depend on its entry. Nobody was
    randomised; that units (of one stratum) could have changed places is an assumption.

    Parameters
    ----------
    entry : (N,) array
    draws, seed : int
    strata : (N,) array, optional
        Entries change places within a stratum only.

    Raises
    ------
    DesignError
        No draws, or strata that leave every entry where it is.

    Examples
    --------
    >>> out = reassigned_entries(np.array([0, 0, 5, 7]), draws=3, seed=1)
    >>> np.sort(out, axis=1).tolist()
    [[0, 0, 5, 7], [0, 0, 5, 7], [0, 0, 5, 7]]
    """
    entry = np.asarray(entry)
    if draws < 1:
        raise DesignError(f"needs one or more draws, found {draws}")
    groups = (
        np.zeros(entry.size, int) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    )
    if groups.shape != entry.shape:
        raise DesignError(f"one stratum per unit is needed, found {groups.size} for {entry.size} units")
    members = [np.flatnonzero(groups == g) for g in range(groups.max() + 1)]
    if all(np.unique(entry[rows]).size == 1 for rows in members):
        raise DesignError(
            "no stratum holds units with different entries, so nothing can be reassigned; use coarser strata"
        )
    rng = np.random.default_rng(seed)
    out = np.empty((draws, entry.size), entry.dtype)
    for rows in members:
        out[:, rows] = rng.permuted(np.broadcast_to(entry[rows], (draws, rows.size)), axis=1)
    return out


def reassigned_att(
    y: np.ndarray,
    *,
    entries: np.ndarray,
    periods: np.ndarray,
    comparison: str = "not_yet_treated",
    anticipation: float = 0,
    kind: str = "simple",
    small_sample: bool = True,
) -> ReassignedAtt:
    """The overall Callaway-Sant'Anna effect under every row of ``entries``.

    Parameters
    ----------
    y : (N, T) array
        Complete: one row per unit, one column per period.
    entries : (D, N) array
        Assignments with the same number of units per entry date in every row; 0, infinity or NaN for never
        treated.
    periods : (T,) array
    comparison, anticipation : as in :func:`pluseval.numerics.staggered.group_time_att`
    kind : {"simple", "dynamic", "group", "calendar"}
        Which overall figure.
    small_sample : bool
        Multiply each cohort's sum of squared influences by n / (n - 1): with one cohort and a before-after
        comparison the statistic is Welch's. Without it the standard error is that of ``did::aggte``.

    Returns
    -------
    ReassignedAtt

    Raises
    ------
    DesignError
        Missing values, counts that differ between rows, no never-treated unit, or units treated from the
        start.

    Examples
    --------
    >>> y = np.array([[1.0, 2, 3], [2.0, 3, 5], [1.0, 4, 5], [2.0, 5, 8]])
    >>> entries = np.array([[0, 0, 2, 2], [2, 2, 0, 0]])
    >>> reassigned_att(y, entries=entries, periods=np.array([1, 2, 3])).estimate.tolist()
    [2.25, -2.25]
    """
    y, entries, periods, cohorts, counts = _checked(y, entries, periods)
    plan = _did_plan(
        cohorts[:-1], counts, periods=periods, comparison=comparison, anticipation=anticipation, kind=kind
    )
    return _evaluate(y, entries, cohorts, counts, plan, small_sample=small_sample)


def reassigned_imputation(
    y: np.ndarray, *, entries: np.ndarray, periods: np.ndarray, small_sample: bool = True
) -> ReassignedAtt:
    """The overall imputation effect (Borusyak, Jaravel and Spiess) under every row of ``entries``.

    Arguments, result and errors as :func:`reassigned_att`; without ``small_sample`` the standard error is
    that of :func:`pluseval.numerics.imputation.imputation_att`.

    Examples
    --------
    >>> y = np.array([[1.0, 2, 3], [2.0, 3, 5], [1.0, 4, 5], [2.0, 5, 8]])
    >>> entries = np.array([[0, 0, 2, 2], [2, 2, 0, 0]])
    >>> reassigned_imputation(y, entries=entries, periods=np.array([1, 2, 3])).estimate.round(6).tolist()
    [2.25, -2.25]
    """
    y, entries, periods, cohorts, counts = _checked(y, entries, periods)
    plan = _imputation_plan(cohorts, counts, periods=periods)
    return _evaluate(y, entries, cohorts, counts, plan, small_sample=small_sample)


def _checked(
    y: np.ndarray, entries: np.ndarray, periods: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    y, periods, entries = np.asarray(y, float), np.asarray(periods, float), np.array(entries, float)
    if y.ndim != 2 or entries.ndim != 2 or entries.shape[1] != y.shape[0] or periods.shape != (y.shape[1],):
        raise DesignError(
            f"shapes do not agree: y {y.shape}, entries {entries.shape}, periods {periods.shape}"
        )
    if not np.isfinite(y).all():
        raise DesignError(f"{int((~np.isfinite(y)).sum())} unit-periods are missing; keep complete units")
    entries[~np.isfinite(entries) | (entries == 0) | (entries > periods[-1])] = np.inf
    cohorts, counts = np.unique(entries[0], return_counts=True)
    if not np.array_equal(np.sort(entries, axis=1), np.broadcast_to(np.sort(entries[0]), entries.shape)):
        raise DesignError("every assignment must have the same number of units per entry date")
    if not np.isinf(cohorts[-1]) or cohorts.size < 2:
        raise DesignError("needs never-treated and treated units in every assignment")
    return y, entries, periods, cohorts, counts


def _evaluate(
    y: np.ndarray,
    entries: np.ndarray,
    cohorts: np.ndarray,
    counts: np.ndarray,
    plan: _LinearPlan,
    *,
    small_sample: bool,
) -> ReassignedAtt:
    size, own = cohorts.size, np.arange(cohorts.size)
    projected = y @ plan.rows.T  # (N, C): the unit's part in the effect if it belonged to cohort c
    columns = np.hstack([projected, projected**2, y])
    inflate = np.where(counts > 1, counts / np.maximum(counts - 1, 1), 1.0) if small_sample else np.ones(size)
    estimate, variance = np.empty(entries.shape[0]), np.empty(entries.shape[0])
    at_once = max(1, _VALUES_AT_ONCE // (y.shape[0] * size))
    for begin in range(0, entries.shape[0], at_once):
        part = slice(begin, begin + at_once)
        onehot = (entries[part, None, :] == cohorts[:, None]).astype(float)  # (d, C, N)
        sums = (onehot.reshape(-1, y.shape[0]) @ columns).reshape(onehot.shape[0], size, -1)
        linear, square = sums[:, own, own], sums[:, own, size + own]
        by_cohort = sums[:, :, 2 * size :].reshape(onehot.shape[0], -1)
        centre = by_cohort @ plan.centre  # (d, C): what is taken from every unit of the cohort
        estimate[part] = linear.sum(axis=1)
        variance[part] = (square - 2 * centre * linear + counts * centre**2) @ inflate
    scale = np.abs(y).max() ** 2 * np.finfo(float).eps  # below it a variance is rounding, not spread
    se = np.sqrt(np.where(variance > scale, variance, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0, estimate / se, np.where(estimate == 0, 0.0, np.sign(estimate) * np.inf))
    return ReassignedAtt(estimate=estimate, se=se, statistic=statistic)


@dataclass(frozen=True)
class _LinearPlan:
    """An effect as a linear map of the outcomes, given the number of units per cohort.

    ``rows`` (C, T) holds the coefficients of a unit's outcomes, ``centre`` (C T, C) what each cohort's sums
    take from every unit's part before it is squared.
    """

    rows: np.ndarray
    centre: np.ndarray


def _did_plan(
    treated_cohorts: np.ndarray,
    counts: np.ndarray,
    *,
    periods: np.ndarray,
    comparison: str,
    anticipation: float,
    kind: str,
) -> _LinearPlan:
    cells = att_cells(treated_cohorts, periods=periods, comparison=comparison, anticipation=anticipation)
    units = counts.sum()
    shares = counts[:-1] / units
    _, _, _, (theta, gradient) = aggregation_weights(
        cells.group, cells.period, cohorts=treated_cohorts, shares=shares, kind=kind
    )
    n_cells, size = theta.size, counts.size
    change = np.zeros((n_cells, periods.size))
    change[np.arange(n_cells), cells.period_at] += 1
    change[np.arange(n_cells), cells.base_at] -= 1
    per_treated = (
        cells.treated / (cells.treated @ counts)[:, None]
    ).T  # (C, K): one over the units of that side
    per_control = (cells.control / (cells.control @ counts)[:, None]).T
    treated_share, control_share = per_treated * theta, per_control * theta
    own = np.vstack([gradient.T, np.zeros(n_cells)])  # the never-treated have no share among the treated

    def side_mean(per_unit: np.ndarray) -> np.ndarray:
        return np.einsum("ck,kt->ctk", per_unit, change).reshape(size * periods.size, n_cells)

    treated_mean, control_mean = side_mean(per_treated), side_mean(per_control)  # (C T, K)
    share_move = (own - gradient @ shares) / units
    centre = treated_mean @ treated_share.T - control_mean @ control_share.T
    return _LinearPlan(
        rows=(treated_share - control_share) @ change,
        centre=centre - (treated_mean - control_mean) @ share_move.T,
    )


def _imputation_plan(cohorts: np.ndarray, counts: np.ndarray, *, periods: np.ndarray) -> _LinearPlan:
    """One row per cohort stands for its units: fitted on cohort means, the effects are the same."""
    after = periods >= cohorts[:, None]  # (C, T)
    if after.all(axis=1).any():
        raise DesignError("a cohort has no period before entry; leave its units out")
    size, length = after.shape
    blank = first_stage(np.zeros(after.shape), ~after, counts.astype(float))
    weight = np.where(after, counts[:, None], 0.0) / (after.sum(axis=1) @ counts)
    per_unit = (weight + blank.cell_weights(weight)) / counts[:, None]
    # a unit's part is squared about what its cohort's mean course (treated) and the fitted effects
    # (untreated) would give;
    # its own unit effect drops out because its coefficients sum to 0
    centre = np.empty((size * length, size))
    for position in range(size * length):
        means = np.zeros(after.shape)
        means.flat[position] = 1 / counts[position // length]
        expected = np.where(after, means, first_stage(means, ~after, counts.astype(float)).prediction)
        centre[position] = (per_unit * expected).sum(axis=1)
    return _LinearPlan(rows=per_unit, centre=centre)
