"""Sun and Abraham's event study: each cohort its own coefficients, then averages by the cohorts' shares."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.fixed_effects import FixedEffectsFit, fixed_effects_fit

AVERAGES = ("dynamic", "att", "cohort", "cells")


@dataclass(frozen=True)
class SunAbraham:
    """Cohort by event-time effects and their averages.

    Attributes
    ----------
    cohort, event_time : (k,) arrays
        Of each cell's coefficient.
    coef : (k,) array
    cov : (k, k) array
    share : (k,) array
        Rows (or their weight) of each cell, by which averages weigh it; taken as known in the errors, as in
        fixest.
    n_always_treated : int
        Units left out because they are treated whenever seen.
    fit : FixedEffectsFit
    """

    cohort: np.ndarray
    event_time: np.ndarray
    coef: np.ndarray
    cov: np.ndarray
    share: np.ndarray
    n_always_treated: int
    fit: FixedEffectsFit = field(repr=False)

    def average(self, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Keys, estimates, covariance: ``dynamic`` (by event time), ``cohort``, ``att`` (all) or ``cells``.

        ``att`` and ``cohort`` average event times 0 and later; the key of ``att`` is one NaN, that of
        ``cells`` the rank of the cell. Degrees of freedom are ``fit.df``.

        Raises
        ------
        DesignError
            An unknown kind, or no coefficient after entry.
        """
        if kind not in AVERAGES:
            raise DesignError(f"unknown average {kind!r}; use one of {', '.join(AVERAGES)}")
        after = self.event_time >= 0
        if kind == "cells":
            return np.arange(self.coef.size), self.coef, self.cov
        if kind != "dynamic" and not after.any():
            raise DesignError("no coefficient after entry can be estimated, so there is nothing to average")
        labels = {"dynamic": self.event_time, "att": np.zeros(after.size), "cohort": self.cohort}[kind]
        usable = np.ones(after.size, bool) if kind == "dynamic" else after
        key = np.unique(labels[usable])
        weights = self.share * usable * (labels == key[:, None])
        weights = weights / weights.sum(axis=1, keepdims=True)
        key = np.array([np.nan]) if kind == "att" else key
        return key, weights @ self.coef, weights @ self.cov @ weights.T


def sun_abraham(
    y: np.ndarray,
    *,
    entry: np.ndarray,
    unit: np.ndarray,
    period: np.ndarray,
    period_effect: np.ndarray | None = None,
    reference: float = -1,
    weights: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
    ssc: str = "nonnested",
) -> SunAbraham:
    """Interaction-weighted event study against the never-treated.

    Assumption: parallel trends of every cohort with the never-treated and no anticipation; effects may
    differ between cohorts. Without never-treated units the last cohort is the comparison and its treated
    rows are left out.

    Parameters
    ----------
    y : (n,) array
        One row per unit and period; may be unbalanced.
    entry : (n,) array
        First treated period of the row's unit; 0, infinity or NaN for never treated. An entry after the
        last period counts as never.
    unit : (n,) label array
    period : (n,) array
        Numbers, in which ``entry`` is told too.
    period_effect : (n,) label array, optional
        Absorbed instead of ``period``, for example region by year.
    reference : float
        Event time that is 0 by choice.
    weights, cluster, ssc : as in :func:`pluseval.numerics.fixed_effects.fixed_effects_fit`

    Raises
    ------
    DesignError
        No treated or no comparison unit, or a cohort never seen at the reference.

    References
    ----------
    Sun and Abraham (2021), Journal of Econometrics 225(2), 175-199, doi:10.1016/j.jeconom.2020.09.006. Equals
    ``fixest::feols(y ~ sunab(entry, period) | unit + period)``.

    Examples
    --------
    >>> unit, period = np.repeat([1, 2, 3], 3), np.tile([1, 2, 3], 3)
    >>> entry = np.repeat([0, 0, 3], 3)
    >>> out = sun_abraham(np.array([1, 2, 3, 2, 4, 4, 3, 5, 9.0]), entry=entry, unit=unit, period=period)
    >>> out.average("att")[1].round(6).tolist()
    [3.5]
    """
    start, period = np.array(entry, float), np.asarray(period, float)
    unit = np.asarray(unit)
    if not start.shape == period.shape == unit.shape or start.ndim != 1:
        raise DesignError(
            f"shapes do not agree: entry {start.shape}, period {period.shape}, unit {unit.shape}"
        )
    start[~np.isfinite(start) | (start == 0) | (start > period.max())] = np.inf
    kept = np.ones(start.size, bool)
    if not np.isinf(start).any():
        kept &= period < start.max()
        start[start == start.max()] = np.inf
    treated_always = ~np.isin(unit, unit[kept & (period < start)])
    n_always = np.unique(unit[treated_always & kept]).size
    kept &= ~treated_always
    since = np.where(np.isinf(start), np.nan, period - start)
    used = kept & np.isfinite(since)
    if not used.any() or not (kept & np.isinf(start)).any():
        raise DesignError("needs treated units with a period before entry and comparison units")
    cells = np.unique(np.column_stack([since, start])[used], axis=0)
    missing = ~np.isin(np.unique(start[used]), cells[cells[:, 0] == reference, 1])
    if missing.any():
        raise DesignError(
            f"{int(missing.sum())} cohort(s) are never seen at event time {reference}; "
            "choose another reference or leave "
            "those units out"
        )
    cells = cells[cells[:, 0] != reference]
    columns = ((since[kept, None] == cells[:, 0]) & (start[kept, None] == cells[:, 1])).astype(float)
    made = fixed_effects_fit(
        np.asarray(y, float)[kept],
        columns,
        unit=unit[kept],
        period=(period if period_effect is None else np.asarray(period_effect))[kept],
        weights=None if weights is None else np.asarray(weights, float)[kept],
        cluster=None if cluster is None else np.asarray(cluster)[kept],
        ssc=ssc,
    )
    row_weight = np.ones(int(kept.sum())) if weights is None else np.asarray(weights, float)[kept]
    return SunAbraham(
        cohort=cells[:, 1],
        event_time=cells[:, 0],
        coef=made.coef,
        cov=made.cov,
        share=row_weight @ columns,
        n_always_treated=int(n_always),
        fit=made,
    )
