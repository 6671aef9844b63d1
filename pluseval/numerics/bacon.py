"""Goodman-Bacon decomposition: which two-by-two comparisons a plain two-way fixed-effects estimate mixes.

With staggered entry that estimate is a weighted mean over pairs of cohorts. Where a later cohort is
compared with one that is already treated, a change in the earlier cohort's effect is subtracted: the share
of such pairs says how far the plain estimate can be trusted. Made to show this, not to estimate with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pluseval.errors import DesignError

KINDS = ("treated_v_never", "earlier_v_later", "later_v_earlier", "later_v_always")


@dataclass(frozen=True)
class BaconDecomposition:
    """All pairs of cohorts in a two-way fixed-effects estimate.

    Attributes
    ----------
    treated, comparison : (K,) arrays
        Entry of the cohort that changes treatment, and of the one it is compared with (infinity never,
        minus infinity treated in every period).
    kind : (K,) string array
        One of ``treated_v_never``, ``earlier_v_later``, ``later_v_earlier``, ``later_v_always``.
    estimate, weight : (K,) arrays
        Two-by-two difference in differences, and its weight; the weights sum to 1.
    total : float
        Their weighted sum, which is the two-way fixed-effects estimate.
    """

    treated: np.ndarray
    comparison: np.ndarray
    kind: np.ndarray
    estimate: np.ndarray
    weight: np.ndarray
    total: float

    def weight_of(self, kind: str) -> float:
        """Share of the estimate that comes from one kind of comparison."""
        if kind not in KINDS:
            raise DesignError(f"unknown kind {kind!r}; use one of {', '.join(KINDS)}")
        return float(self.weight[self.kind == kind].sum())


def bacon_decomposition(y: np.ndarray, *, entry: np.ndarray, periods: np.ndarray) -> BaconDecomposition:
    """Decompose the two-way fixed-effects estimate of a balanced panel.

    Parameters
    ----------
    y : (N, T) array
        Complete.
    entry : (N,) array
        First treated period in the values of ``periods``; 0, infinity, NaN or later than the last for never
        treated; at or before the first for always treated.
    periods : (T,) array
        Increasing.

    Raises
    ------
    DesignError
        Missing values, shapes that do not agree, or no unit that changes treatment while another does not.

    References
    ----------
    Goodman-Bacon (2021), Journal of Econometrics 225(2), 254-277, doi:10.1016/j.jeconom.2021.03.014. Equals
    ``bacondecomp::bacon``.

    Examples
    --------
    >>> y = np.array([[1.0, 2, 3], [1.0, 4, 5], [2.0, 3, 7]])
    >>> out = bacon_decomposition(y, entry=np.array([0, 2, 3]), periods=np.array([1, 2, 3]))
    >>> out.kind.tolist()
    ['earlier_v_later', 'treated_v_never', 'later_v_earlier', 'treated_v_never']
    >>> round(out.total, 6)
    2.5
    """
    y, start, periods = np.asarray(y, float), np.array(entry, float), np.asarray(periods, float)
    if y.ndim != 2 or start.shape != (y.shape[0],) or periods.shape != (y.shape[1],):
        raise DesignError(f"shapes do not agree: y {y.shape}, entry {start.shape}, periods {periods.shape}")
    if not (np.diff(periods) > 0).all():
        raise DesignError("periods must increase")
    missing = int((~np.isfinite(y)).sum())
    if missing:
        raise DesignError(
            f"{missing} unit-periods are missing; the decomposition needs a balanced panel: "
            "keep complete units"
        )
    start[~np.isfinite(start) | (start == 0) | (start > periods[-1])] = np.inf
    start[start <= periods[0]] = -np.inf
    cohorts, index, counts = np.unique(start, return_inverse=True, return_counts=True)
    means = np.stack([y[index == c].mean(axis=0) for c in range(cohorts.size)])
    share = counts / counts.sum()
    treated_share = (periods >= cohorts[:, None]).mean(axis=1)
    rows = []
    for k in map(int, np.flatnonzero(np.isfinite(cohorts))):
        for other in range(cohorts.size):
            # two cohorts that no period tells apart (one entered in a period left out) are never compared
            if treated_share[other] != treated_share[k]:
                rows.append(_pair(k, other, cohorts, means, share, treated_share, periods))
    if not rows:
        raise DesignError("no unit changes treatment while another does not: there is nothing to compare")
    treated, comparison, kind, estimate, weight = (np.array(column) for column in zip(*rows, strict=True))
    weight = weight / weight.sum()
    return BaconDecomposition(
        treated=treated,
        comparison=comparison,
        kind=kind,
        estimate=estimate,
        weight=weight,
        total=float(weight @ estimate),
    )


def _pair(
    k: int,
    other: int,
    cohorts: np.ndarray,
    means: np.ndarray,
    share: np.ndarray,
    treated_share: np.ndarray,
    periods: np.ndarray,
) -> tuple[float, float, str, float, float]:
    """One two-by-two: cohorts, kind, estimate, and weight up to a factor common to all pairs."""
    entered, compared = cohorts[k], cohorts[other]
    d_k, d_o = treated_share[k], treated_share[other]
    before, after = periods < entered, periods >= entered
    scale = share[k] * share[other]
    if np.isinf(compared):
        kind, weight = (
            ("treated_v_never", d_k * (1 - d_k)) if compared > 0 else ("later_v_always", d_k * (1 - d_k))
        )
    elif entered < compared:  # until the later one enters
        kind, weight = "earlier_v_later", (d_k - d_o) * (1 - d_k)
        after &= periods < compared
    else:  # once the earlier one has entered
        kind, weight = "later_v_earlier", d_k * (d_o - d_k)
        before &= periods >= compared
    change = means[:, after].mean(axis=1) - means[:, before].mean(axis=1)
    return entered, compared, kind, change[k] - change[other], scale * weight
