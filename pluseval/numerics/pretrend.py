"""Power of a pre-trend test: how large a violation of parallel trends it would have missed.

A test that finds nothing says little when it could hardly have found anything. And estimates that are
reported only after such a test was passed are more biased than without it, where trends do differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import chi2, ncx2, norm

from pluseval.errors import DesignError

_POINTS = 2**14  # of the lattice on which rectangles are integrated; error below 1e-4
TESTS = ("any", "joint")


@dataclass(frozen=True)
class PretrendPower:
    """What a pre-trend test does under a hypothesised trend difference.

    Attributes
    ----------
    power : float
        Probability that the test rejects.
    bayes_factor : float
        Probability of passing under the trend relative to passing under parallel trends: 1 means that
        passing is no evidence.
    mean_after_passing : (K,) array or None
        Expected coefficients (all that were given) among studies that pass, for ``test="any"``: what is
        there beyond the trend itself is bias from the test.
    test : str
    """

    power: float
    bayes_factor: float
    mean_after_passing: np.ndarray | None
    test: str


def pretrend_power(
    cov: np.ndarray, *, n_pre: int, trend: np.ndarray, test: str = "any", level: float = 0.95
) -> PretrendPower:
    """Probability that a pre-trend test finds ``trend``.

    Assumption: coefficients are normal with known covariance.

    Parameters
    ----------
    cov : (K, K) array
        Covariance of event-study coefficients, the first ``n_pre`` of which precede the start.
    n_pre : int
    trend : (K,) array
        Hypothesised difference in trends at each coefficient, relative to the reference period.
    test : {"any", "joint"}
        Rejects when any earlier coefficient is significant by itself (what readers of a plot do), or by the
        joint Wald test.
    level : float

    Returns
    -------
    PretrendPower

    Raises
    ------
    DesignError
        Shapes that do not agree, no earlier coefficient, or a covariance that is not positive definite.

    References
    ----------
    Roth (2022), American Economic Review: Insights 4(3), 305-322, doi:10.1257/aeri.20210236. Equals
    ``pretrends::pretrends`` for ``test="any"``.

    Examples
    --------
    >>> out = pretrend_power(np.eye(3), n_pre=2, trend=np.zeros(3))
    >>> round(out.power, 4), round(1 - 0.95**2, 4)
    (0.0975, 0.0975)
    """
    cov, trend = _checked(cov, n_pre, trend, level)
    if test not in TESTS:
        raise DesignError(f"unknown test {test!r}; use 'any' or 'joint'")
    pre, shift = cov[:n_pre, :n_pre], trend[:n_pre]
    if test == "joint":
        critical = chi2.ppf(level, n_pre)
        passing = float(ncx2.cdf(critical, n_pre, shift @ np.linalg.solve(pre, shift)))
        return PretrendPower(
            power=1 - passing, bayes_factor=passing / level, mean_after_passing=None, test=test
        )
    limit = ndtri((1 + level) / 2) * np.sqrt(np.diag(pre))
    passing, mean = _rectangle(-limit - shift, limit - shift, pre)
    flat, _ = _rectangle(-limit, limit, pre)
    after = trend + cov[:, :n_pre] @ np.linalg.solve(pre, mean)
    return PretrendPower(power=1 - passing, bayes_factor=passing / flat, mean_after_passing=after, test=test)


def slope_with_power(
    cov: np.ndarray,
    *,
    n_pre: int,
    event_time: np.ndarray,
    power: float = 0.8,
    test: str = "any",
    level: float = 0.95,
    reference: float = -1.0,
) -> float:
    """Linear difference in trends, per period, that the pre-trend test would find with probability ``power``.

    Set beside an estimate it says what the test leaves possible: over h periods such a trend moves the
    estimate by h times the slope.

    Parameters
    ----------
    cov, n_pre, test, level : as in :func:`pretrend_power`
    event_time : (K,) array
        Event time of each coefficient.
    power : float
        Above the size of the test.
    reference : float
        Event time of the reference.

    Raises
    ------
    DesignError
        As :func:`pretrend_power`, or a power that the test exceeds without any trend.

    References
    ----------
    Equals ``pretrends::slope_for_power``.

    Examples
    --------
    >>> slope = slope_with_power(np.eye(2), n_pre=1, event_time=np.array([-2, 0]), power=0.5)
    >>> round(slope, 2)
    1.96
    """
    distance = np.asarray(event_time, float) - reference
    cov, distance = _checked(cov, n_pre, distance, level)
    size = pretrend_power(cov, n_pre=n_pre, trend=np.zeros(distance.size), test=test, level=level).power
    if not size < power < 1:
        raise DesignError(f"power must lie between the size of the test, {size:.3f}, and 1, found {power}")
    if not distance[:n_pre].any():
        raise DesignError("earlier coefficients must lie at other event times than the reference")

    def short(slope: float) -> float:
        trend = slope * distance
        return pretrend_power(cov, n_pre=n_pre, trend=trend, test=test, level=level).power - power

    high = float((np.sqrt(np.diag(cov)[:n_pre]) / np.maximum(np.abs(distance[:n_pre]), 1e-12)).min())
    while short(high) < 0:
        high *= 2
    return float(brentq(short, 0.0, high, xtol=1e-9 * high))


def _rectangle(low: np.ndarray, high: np.ndarray, cov: np.ndarray) -> tuple[float, np.ndarray]:
    """Probability of a rectangle under N(0, cov), and the mean within it (Genz, on a fixed lattice)."""
    size = low.size
    root = np.linalg.cholesky(cov)
    if size == 1:
        a, b = low[0] / root[0, 0], high[0] / root[0, 0]
        probability = float(ndtr(b) - ndtr(a))
        return probability, np.array([root[0, 0] * (norm.pdf(a) - norm.pdf(b)) / max(probability, 1e-300)])
    primes = np.array([2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71], float)
    if size > primes.size:
        raise DesignError(
            f"needs {primes.size} or fewer earlier coefficients, found {size}; use test='joint'"
        )
    step = np.outer(np.arange(1, _POINTS + 1), np.sqrt(primes[:size]))
    uniform = np.abs(2 * (step - np.floor(step)) - 1)  # folded, so that the integrand is periodic
    draws, weight = np.zeros((_POINTS, size)), np.ones(_POINTS)
    for j in range(size):
        given = draws[:, :j] @ root[j, :j]
        below, above = ndtr((low[j] - given) / root[j, j]), ndtr((high[j] - given) / root[j, j])
        share = np.clip(below + uniform[:, j] * (above - below), 1e-300, 1 - 1e-16)
        draws[:, j] = ndtri(share)
        weight *= above - below
    total = max(float(weight.sum()), 1e-300)
    return float(weight.mean()), weight @ (draws @ root.T) / total


def _checked(cov: np.ndarray, n_pre: int, trend: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    cov, trend = np.asarray(cov, float), np.asarray(trend, float)
    if trend.ndim != 1 or cov.shape != (trend.size, trend.size):
        raise DesignError(f"shapes do not agree: covariance {cov.shape}, trend {trend.shape}")
    if not 0 < n_pre <= trend.size:
        raise DesignError(f"needs one or more coefficients before the start, found {n_pre} of {trend.size}")
    if not (np.isfinite(cov).all() and np.isfinite(trend).all()):
        raise DesignError("covariance and trend must be finite")
    if np.linalg.eigvalsh((cov + cov.T) / 2)[:1].min() <= 0:
        raise DesignError(
            "the covariance is not positive definite; are there fewer clusters than coefficients?"
        )
    if not 0 < level < 1:
        raise DesignError(f"level must lie between 0 and 1, found {level}")
    return (cov + cov.T) / 2, trend
