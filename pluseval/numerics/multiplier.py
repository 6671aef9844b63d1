"""Multiplier bootstrap: standard errors and a simultaneous band from influence functions alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from pluseval.errors import DesignError

_VALUES_AT_ONCE = 2_000_000  # multipliers held in memory at once, so that it does not grow with the draws
_ROOT = 5**0.5
_TWO_POINTS = {  # low value, high value, chance of the low one
    "rademacher": (-1.0, 1.0, 0.5),
    "mammen": ((1 - _ROOT) / 2, (1 + _ROOT) / 2, (1 + _ROOT) / (2 * _ROOT)),
}


@dataclass(frozen=True)
class MultiplierBootstrap:
    """Bootstrap standard errors and the critical value of a simultaneous band.

    Attributes
    ----------
    se : (K,) array
        Interquartile range of the draws over that of the standard normal; NaN where the influence function
        is 0.
    critical : float
        Each estimate plus or minus ``critical * se`` covers all K at once with probability ``level``.
    level : float
    draws : int
    """

    se: np.ndarray
    critical: float
    level: float
    draws: int


def multiplier_bootstrap(
    influence: np.ndarray, *, draws: int, seed: int, level: float = 0.95, multipliers: str = "rademacher"
) -> MultiplierBootstrap:
    """Perturb influence functions by random multipliers with mean 0 and variance 1.

    Assumption: many independent units. With few treated units these errors are as optimistic as the
    analytic ones; use a permutation test then.

    Parameters
    ----------
    influence : (N, K) or (N,) array
        Scaled so that an estimate's error is about the mean over units.
    draws, seed : int
    level : float
        Of the simultaneous band.
    multipliers : {"rademacher", "mammen"}
        Signs (what ``did`` draws, whatever its articles say), or Mammen's two skewed points.

    Raises
    ------
    DesignError
        No draws, unknown multipliers, a level outside (0, 1), or an influence function that is not finite.

    References
    ----------
    Callaway and Sant'Anna (2021), Algorithm 1, doi:10.1016/j.jeconom.2020.12.001. Equals ``did::mboot`` but
    for the draws.

    Examples
    --------
    >>> wave = np.sin(np.arange(400.0))
    >>> out = multiplier_bootstrap(wave, draws=2_000, seed=1)
    >>> bool(abs(out.se[0] - wave.std() / 20) < 0.003)
    True
    """
    influence = np.asarray(influence, float)
    if influence.ndim == 1:
        influence = influence[:, None]
    if draws < 2 or not 0 < level < 1:
        raise DesignError(f"needs two or more draws and a level between 0 and 1, found {draws} and {level}")
    if not np.isfinite(influence).all():
        raise DesignError(
            f"{int((~np.isfinite(influence)).sum())} values of the influence function are not finite"
        )
    if multipliers not in _TWO_POINTS:
        raise DesignError(f"unknown multipliers {multipliers!r}; use one of {', '.join(_TWO_POINTS)}")
    units = influence.shape[0]
    rng = np.random.default_rng(seed)
    low, high, chance_low = _TWO_POINTS[multipliers]
    centre = low * influence.sum(axis=0)
    results = np.empty((draws, influence.shape[1]))
    rows = max(1, _VALUES_AT_ONCE // units)
    for begin in range(0, draws, rows):
        count = min(rows, draws - begin)
        if chance_low == 0.5:  # a fair coin is one random bit
            bits = np.frombuffer(rng.bytes(count * (-(-units // 8))), np.uint8).reshape(count, -1)
            is_high = np.unpackbits(bits, axis=1, count=units).astype(bool)
        else:
            is_high = rng.random((count, units), dtype=np.float32) >= chance_low
        results[begin : begin + count] = centre + (high - low) * (is_high.astype(float) @ influence)
    results /= units
    quartiles = np.quantile(results, [0.25, 0.75], axis=0)
    se = (quartiles[1] - quartiles[0]) / (norm.ppf(0.75) - norm.ppf(0.25))
    se = np.where(np.einsum("ij,ij->j", influence, influence) > 0, se, np.nan)
    usable = se > 0
    critical = np.nan
    if usable.any():
        largest = np.abs(results[:, usable] / se[usable]).max(axis=1)
        critical = float(np.quantile(largest, level, method="inverted_cdf"))
    return MultiplierBootstrap(se=se, critical=critical, level=level, draws=draws)
