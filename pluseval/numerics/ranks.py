"""Rank test of two groups with the shift that it does not reject.

Assumption: both groups have one distribution but for a shift. It says nothing about means where that fails
(skewed changes with unequal spread); a sensitivity analysis beside the permutation test, never in its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from pluseval.errors import DesignError


@dataclass(frozen=True)
class RankTest:
    """Mann-Whitney test, Hodges-Lehmann shift and its interval.

    Attributes
    ----------
    statistic : float
        Pairs in which the treated unit is higher (ties half).
    shift, conf_low, conf_high : float
        Median of the pairwise differences, and the ordered differences that bound the shifts not rejected.
    """

    statistic: float
    p_value: float
    shift: float
    conf_low: float
    conf_high: float
    level: float
    method: str


def mann_whitney(
    treated: ArrayLike, comparison: ArrayLike, *, level: float = 0.95, method: str = "exact"
) -> RankTest:
    """Mann-Whitney test of treated against comparison values.

    Parameters
    ----------
    treated, comparison : arrays
    level : float
    method : {"exact", "normal"}
        The exact distribution (no ties), or the normal approximation with continuity correction.

    Raises
    ------
    DesignError
        An empty group, values that are not finite, ties with ``exact``, an unknown method.

    References
    ----------
    Hodges and Lehmann (1963), doi 10.1214/aoms/1177704172. Equals R's ``wilcox.test(conf.int = TRUE)``.

    Examples
    --------
    >>> made = mann_whitney([1.1, 2.5, 3.0, 4.2], [0.3, 0.9, 1.0, 2.0, 2.2])
    >>> made.statistic, round(made.p_value, 6), round(made.shift, 6)
    (18.0, 0.063492, 1.55)
    """
    x, y = np.asarray(treated, dtype=float), np.asarray(comparison, dtype=float)
    if x.ndim != 1 or y.ndim != 1 or min(x.size, y.size) == 0:
        raise DesignError(f"two groups of values are needed, found {x.shape} and {y.shape}")
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        raise DesignError("the groups hold values that are not finite; leave those units out, counted")
    pairs = np.sort(np.subtract.outer(x, y).ravel())
    if not 0 < level < 1:
        raise DesignError(f"level is {level!r}; it lies between 0 and 1, as 0.95")
    if method == "exact":
        if np.unique(np.concatenate([x, y])).size < x.size + y.size:
            raise DesignError('equal values have no exact rank distribution; use method="normal"')
        at = max(_exact_quantile((1 - level) / 2, x.size, y.size), 1)
        made = stats.mannwhitneyu(x, y, method="exact")
    elif method == "normal":
        n = x.size + y.size
        _, ties = np.unique(np.concatenate([x, y]), return_counts=True)
        spread = x.size * y.size / 12 * (n + 1 - np.sum(ties**3 - ties) / (n * (n - 1)))
        reach = 0.5 + stats.norm.ppf((1 + level) / 2) * np.sqrt(spread)
        at = int(np.clip(np.floor(pairs.size / 2 - reach) + 1, 1, pairs.size))
        made = stats.mannwhitneyu(x, y, method="asymptotic", use_continuity=True)
    else:
        raise DesignError(f"method is exact or normal, found {method!r}")
    return RankTest(
        statistic=float(made.statistic),
        p_value=float(made.pvalue),
        shift=float(np.median(pairs)),
        conf_low=float(pairs[at - 1]),
        conf_high=float(pairs[-at]),
        level=level,
        method=method,
    )


def _exact_quantile(p: float, m: int, n: int) -> int:
    """Smallest u with P(U <= u) >= p: subsets of m of the ranks 1..m+n, counted by their sum."""
    ways = np.zeros((m + 1, m * (m + n) + 1))
    ways[0, 0] = 1.0
    for rank in range(1, m + n + 1):
        ways[1:, rank:] += ways[:-1, :-rank].copy()
    counts = ways[m, m * (m + 1) // 2 :][: m * n + 1]
    below = np.cumsum(counts) / counts.sum()
    return int(np.searchsorted(below, p - 10 * np.finfo(float).eps))
