"""Callaway and Sant'Anna's group-time effects without covariates, in closed form.

Without covariates every ATT(g, t) is a difference of two differences of means, so a table of sums per entry
cohort and period holds all of them: nothing is fitted. The influence functions carry the sampling error to
every aggregate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from pluseval.errors import DesignError

COMPARISONS = ("never_treated", "not_yet_treated")


@dataclass(frozen=True)
class Cells:
    """Which difference of differences each ATT(g, t) is; it depends only on the cohorts that are present.

    Attributes
    ----------
    group, period, base : (K,) arrays
        Entry cohort, period and base period of each cell, in the values of ``periods``.
    treated : (K, C) boolean array
        The cohort that is treated in the cell.
    control : (K, C) boolean array
        The cohorts it is compared with.
    period_at, base_at : (K,) integer arrays
        Columns of the period and of its base.
    """

    group: np.ndarray
    period: np.ndarray
    base: np.ndarray
    treated: np.ndarray
    control: np.ndarray
    period_at: np.ndarray
    base_at: np.ndarray


@dataclass(frozen=True)
class GroupTimeAtt:
    """Group-time average treatment effects on the treated.

    Attributes
    ----------
    group, period : (K,) arrays
        Entry cohort and period of each effect.
    att, se : (K,) arrays
        Effect, and its analytic standard error. It takes cohorts as large: one of few units is made to look
        too precise, one of a single unit adds no error at all; test by permutation then. (NaN for the base
        period of ``base="universal"``, which is 0 by choice).
    influence : (N, K) array
        Influence function: ``att - truth`` is about its mean over units.
    cohorts, shares : (G,) arrays
        Treated cohorts and their (weighted) share of all units.
    membership : (N, G) array
        Weight of the unit (mean 1) where it belongs to the cohort, else 0.
    units : (N,) integer array
        Rows of the input that were used.
    n_always_treated, n_incomplete, n_never_treated : int
        Units left out because treated from the first period on, units left out because of a missing period,
        and never-treated units that were used.
    pretrend_statistic, pretrend_df, pretrend_p : float, int, float
        Wald test that all effects before entry are 0 (chi-squared); NaN where there are none or they are
        collinear.
    """

    group: np.ndarray
    period: np.ndarray
    att: np.ndarray
    se: np.ndarray
    influence: np.ndarray
    cohorts: np.ndarray
    shares: np.ndarray
    membership: np.ndarray
    units: np.ndarray
    n_always_treated: int
    n_incomplete: int
    n_never_treated: int
    pretrend_statistic: float
    pretrend_df: int
    pretrend_p: float


def group_time_att(
    y: np.ndarray,
    *,
    entry: np.ndarray,
    periods: np.ndarray,
    comparison: str = "not_yet_treated",
    base: str = "varying",
    anticipation: float = 0,
    weights: np.ndarray | None = None,
    missing: str = "drop",
) -> GroupTimeAtt:
    """ATT(g, t) for every entry cohort g and period t.

    Assumption: without treatment the cohort and its comparison units would have moved in parallel between
    the base period and t, and nothing changes earlier than ``anticipation`` before entry. Treatment is not
    reversed.

    Parameters
    ----------
    y : (N, T) array
        One row per unit (practice), one column per period. NaN marks a missing unit-period.
    entry : (N,) array
        First treated period, in the values of ``periods``; 0, infinity, NaN, or later than the last period
        for those never treated within the data.
    periods : (T,) array
        Increasing.
    comparison : {"not_yet_treated", "never_treated"}
    base : {"varying", "universal"}
        Before entry, compare with the period just before (varying) or with the last period before entry
        (universal).
    anticipation : float
        Length of time before entry in which an effect is allowed.
    weights : (N,) array, optional
        Positive and fixed over time, for example list size at baseline.
    missing : {"drop", "allow"}
        Leave out units with a missing period (and count them), or use what is there, cell mean by cell mean.

    Returns
    -------
    GroupTimeAtt

    Raises
    ------
    DesignError
        Shapes that do not agree, no treated or no comparison unit, weights that are not positive.

    References
    ----------
    Callaway and Sant'Anna (2021), Journal of Econometrics 225(2), 200-230,
    doi:10.1016/j.jeconom.2020.12.001. Equals ``did::att_gt`` with ``xformla = ~1`` and ``bstrap = FALSE``.

    Examples
    --------
    >>> y = np.array([[1.0, 2, 3], [2.0, 3, 4], [1.0, 4, 5], [2.0, 5, 8]])
    >>> out = group_time_att(y, entry=np.array([0, 0, 2, 2]), periods=np.array([1, 2, 3]))
    >>> out.att.tolist()
    [2.0, 3.0]
    """
    y, start, periods, weights = _checked(y, entry, periods, weights)
    if missing not in ("drop", "allow"):
        raise DesignError(f"missing={missing!r} is unknown; use 'drop' or 'allow'")
    kept = np.arange(start.size)
    always = start <= periods[0] + anticipation
    incomplete = ~np.isfinite(y).all(axis=1) if missing == "drop" else ~np.isfinite(y).any(axis=1)
    kept = kept[~always & ~incomplete]
    y, start, weights = y[kept], start[kept], weights[kept]
    if not np.isinf(start).any():
        if comparison == "never_treated":
            raise DesignError("no unit is never treated; use comparison='not_yet_treated'")
        if start.size:  # the last cohort serves as comparison until it enters itself
            open_until = periods < start.max() - anticipation
            start = np.where(start == start.max(), np.inf, start)
            y, periods = y[:, open_until], periods[open_until]
    cohorts = np.unique(start[np.isfinite(start)])
    if cohorts.size == 0 or not np.isinf(start).any():
        raise DesignError(
            "needs treated and comparison units with a period before entry, found "
            f"{int(np.isfinite(start).sum())} and "
            f"{int(np.isinf(start).sum())} after leaving out {int(always.sum())} treated from the start and "
            f"{int((incomplete & ~always).sum())} with a missing period"
        )
    cells = att_cells(cohorts, periods=periods, comparison=comparison, base=base, anticipation=anticipation)
    onehot = start[:, None] == np.append(cohorts, np.inf)
    att, influence, estimable = _att_and_influence(y, onehot, weights, cells)
    group, period = cells.group[estimable], cells.period[estimable]
    se = influence_standard_error(influence)
    se[cells.period_at[estimable] == cells.base_at[estimable]] = np.nan
    membership = onehot[:, :-1] * (weights / weights.mean())[:, None]
    statistic, df, p = _pretrend_wald(att, influence, (period < group) & np.isfinite(se))
    return GroupTimeAtt(
        group=group,
        period=period,
        att=att,
        se=se,
        influence=influence,
        cohorts=cohorts,
        shares=membership.mean(axis=0),
        membership=membership,
        units=kept,
        n_always_treated=int(always.sum()),
        n_incomplete=int((incomplete & ~always).sum()),
        n_never_treated=int(onehot[:, -1].sum()),
        pretrend_statistic=statistic,
        pretrend_df=df,
        pretrend_p=p,
    )


def att_cells(
    cohorts: np.ndarray,
    *,
    periods: np.ndarray,
    comparison: str,
    base: str = "varying",
    anticipation: float = 0,
) -> Cells:
    """The cells (g, t), their base periods and comparison cohorts (last column: the never-treated).

    Raises
    ------
    DesignError
        An unknown comparison or base, a negative anticipation, or a cohort without a period before entry.

    Examples
    --------
    >>> cells = att_cells(np.array([2.0]), periods=np.array([1.0, 2.0, 3.0]), comparison="never_treated")
    >>> cells.base.tolist()
    [1.0, 1.0]
    """
    if comparison not in COMPARISONS:
        raise DesignError(f"unknown comparison {comparison!r}; use one of {', '.join(COMPARISONS)}")
    if base not in ("varying", "universal"):
        raise DesignError(f"unknown base {base!r}; use 'varying' or 'universal'")
    if anticipation < 0:
        raise DesignError(
            f"anticipation counts periods before entry and is not negative, found {anticipation}"
        )
    all_cohorts = np.append(cohorts, np.inf)
    rows = []
    for g, cohort in enumerate(cohorts):
        before = np.flatnonzero(periods + anticipation < cohort)
        if before.size == 0:
            raise DesignError("a cohort has no period before entry (less anticipation); leave its units out")
        for t in range(0 if base == "universal" else 1, periods.size):
            b = before[-1] if base == "universal" or periods[t] >= cohort else t - 1
            if comparison == "never_treated":
                control = np.isinf(all_cohorts)
            else:
                control = all_cohorts > periods[max(t, b)] + anticipation
                control[g] = False
            rows.append((cohort, t, b, np.arange(all_cohorts.size) == g, control))
    group, period_at, base_at, treated, control = (np.array(column) for column in zip(*rows, strict=True))
    return Cells(
        group=group,
        period=periods[period_at],
        base=periods[base_at],
        treated=treated,
        control=control,
        period_at=period_at,
        base_at=base_at,
    )


def _checked(
    y: np.ndarray, entry: np.ndarray, periods: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    y, start, periods = np.asarray(y, float), np.array(entry, float), np.asarray(periods, float)
    if y.ndim != 2 or start.shape != (y.shape[0],) or periods.shape != (y.shape[1],):
        raise DesignError(f"shapes do not agree: y {y.shape}, entry {start.shape}, periods {periods.shape}")
    if y.shape[1] < 2 or not (np.diff(periods) > 0).all():
        raise DesignError("periods must be two or more and increase")
    if np.isinf(y).any():
        raise DesignError(f"{int(np.isinf(y).sum())} values of y are infinite; mark what is missing as NaN")
    if weights is None:
        weights = np.ones(start.size)
    weights = np.asarray(weights, float)
    if weights.shape != start.shape or not (np.isfinite(weights) & (weights > 0)).all():
        bad = int((~(np.isfinite(weights) & (weights > 0))).sum())
        raise DesignError(
            f"weights must be one positive number per unit; found shape {weights.shape}, {bad} not positive"
        )
    never = ~np.isfinite(start) | (start == 0) | (start > periods[-1])
    start[never] = np.inf
    return y, start, periods, weights


def _att_and_influence(
    y: np.ndarray, onehot: np.ndarray, weights: np.ndarray, cells: Cells
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effects (K',), influence (N, K') and which cells could be estimated (K,)."""
    seen = np.isfinite(y)
    complete = bool(seen.all())
    filled = y if complete else np.where(seen, y, 0.0)
    weight_seen = weights[:, None] * seen  # (N, T)
    size = onehot.T.astype(float) @ weight_seen  # (C, T)
    total = onehot.T.astype(float) @ (weight_seen * filled)
    n_units = y.shape[0]
    ends = np.stack([cells.period_at, cells.base_at], axis=1)
    filled_cells = [
        all(size[np.ix_(side, at)].sum(axis=0).min() > 0 for side in (treated, control))
        for treated, control, at in zip(cells.treated, cells.control, ends, strict=True)
    ]
    estimable = np.array(filled_cells, bool)
    if not estimable.any():
        raise DesignError("no effect can be estimated: every cell lacks treated or comparison values")
    att = np.zeros(int(estimable.sum()))
    influence = np.zeros((n_units, att.size), order="F")
    for column, k in enumerate(np.flatnonzero(estimable)):
        t, b = ends[k]
        if t == b:
            continue
        for cohorts, sign in ((cells.treated[k], 1.0), (cells.control[k], -1.0)):
            rows = np.flatnonzero(onehot[:, cohorts].any(axis=1))
            for at, direction in ((t, sign), (b, -sign)):
                mean = total[cohorts, at].sum() / size[cohorts, at].sum()
                att[column] += direction * mean
                share = weight_seen[rows, at] / size[cohorts, at].sum()
                influence[rows, column] += direction * n_units * share * (filled[rows, at] - mean)
    return att, influence, estimable


def influence_standard_error(influence: np.ndarray) -> np.ndarray:
    """Standard errors (K,) of estimates whose errors are the means over units of ``influence`` (N, K)."""
    return np.sqrt(np.einsum("ij,ij->j", influence, influence)) / influence.shape[0]


def _pretrend_wald(att: np.ndarray, influence: np.ndarray, early: np.ndarray) -> tuple[float, int, float]:
    df = int(early.sum())
    if df == 0:
        return np.nan, 0, np.nan
    covariance = influence[:, early].T @ influence[:, early] / influence.shape[0] ** 2
    if np.linalg.matrix_rank(covariance, hermitian=True) < df:
        return np.nan, df, np.nan
    statistic = float(att[early] @ np.linalg.solve(covariance, att[early]))
    return statistic, df, float(chi2.sf(statistic, df))
