"""Standardised difference of two means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from pluseval.errors import DesignError


@dataclass(frozen=True)
class EffectSize:
    """Cohen's d, and Hedges' g, which takes out its small-sample bias (exactly, by gamma functions)."""

    d: float
    g: float


def standardised_difference(treated: ArrayLike, comparison: ArrayLike) -> EffectSize:
    """Difference of means in units of the pooled standard deviation.

    Raises
    ------
    DesignError
        Fewer than two values in a group, values that are not finite, or no variance.

    References
    ----------
    Hedges (1981), doi 10.3102/10769986006002107.

    Examples
    --------
    >>> round(standardised_difference([1.0, 2.0, 3.0], [0.0, 1.0, 2.0]).g, 6)
    0.797885
    """
    x, y = np.asarray(treated, dtype=float), np.asarray(comparison, dtype=float)
    if x.ndim != 1 or y.ndim != 1 or min(x.size, y.size) < 2:
        raise DesignError(f"each group needs at least two values, found {x.size} and {y.size}")
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        raise DesignError("the groups hold values that are not finite; leave those units out, counted")
    df = x.size + y.size - 2
    pooled = np.sqrt(((x.size - 1) * x.var(ddof=1) + (y.size - 1) * y.var(ddof=1)) / df)
    if not pooled > 1e-13 * max(float(np.max(np.abs(x))), float(np.max(np.abs(y)))):
        raise DesignError("neither group varies, so there is no standard deviation to divide by")
    d = float((x.mean() - y.mean()) / pooled)
    unbias = np.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / np.sqrt(df / 2)
    return EffectSize(d=d, g=float(d * unbias))
