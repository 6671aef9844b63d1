"""Power of planned comparisons from formulas: two samples, two proportions, and clusters before and after.

For orientation before there are data. The minimal detectable effect of an analysis of real data is
simulated from periods before the start, because these formulas take variances and correlations as known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nct, norm, t

from pluseval.errors import DesignError


@dataclass(frozen=True)
class ClusterDidPower:
    """Power of a difference in differences of cluster means.

    ``std_error`` is that of the effect, ``correlation`` that of one cluster's two means, ``power_normal``
    and ``power_t`` the power with known variance and with the noncentral t on clusters minus two degrees of
    freedom, ``df``.
    """

    std_error: float
    correlation: float
    power_normal: float
    power_t: float
    df: int


def t_test_power(effect: float, *, sd: float, n_per_arm: float, alpha: float = 0.05) -> float:
    """Power of a two-sided two-sample t test with equal arms (rejecting on the wrong side does not count).

    Parameters
    ----------
    effect, sd : float
        Difference of means, and standard deviation within the arms, in the same units.
    n_per_arm : float
        Two or more.
    alpha : float

    Raises
    ------
    DesignError
        A standard deviation that is not positive, fewer than two per arm, or an alpha outside (0, 1).

    References
    ----------
    Equals ``power.t.test(strict = FALSE)`` of R's stats.

    Examples
    --------
    >>> round(t_test_power(0.5, sd=1.0, n_per_arm=64), 3)
    0.801
    """
    _check_positive(sd=sd)
    _check_share(alpha=alpha)
    if n_per_arm < 2:
        raise DesignError(f"a two-sample t test needs two or more per arm, found {n_per_arm}")
    df = 2 * (n_per_arm - 1)
    return float(nct.sf(t.isf(alpha / 2, df), df, np.sqrt(n_per_arm / 2) * abs(effect) / sd))


def t_test_sample_size(effect: float, *, sd: float, power: float, alpha: float = 0.05) -> float:
    """Number per arm (not rounded) with which :func:`t_test_power` reaches ``power``.

    Raises
    ------
    DesignError
        An effect of 0, or a power not between alpha and 1.

    Examples
    --------
    >>> round(t_test_sample_size(0.5, sd=1.0, power=0.8), 1)
    63.8
    """
    _check_positive(sd=sd, effect=abs(effect))
    _check_share(alpha=alpha, power=power)
    if power <= alpha:
        raise DesignError(f"power must exceed alpha {alpha}, found {power}")

    def short(n: float) -> float:
        return t_test_power(effect, sd=sd, n_per_arm=n, alpha=alpha) - power

    if short(2.0) >= 0:
        return 2.0
    high = 4.0
    while short(high) < 0:
        high *= 2
    return float(brentq(short, high / 2, high, xtol=1e-10))


def proportions_power(p1: float, p2: float, *, n_per_arm: float, alpha: float = 0.05) -> float:
    """Power of a two-sided comparison of two proportions with equal arms (normal, pooled under the null).

    Raises
    ------
    DesignError
        Proportions or alpha outside (0, 1), or no one in an arm.

    References
    ----------
    Equals ``power.prop.test(strict = FALSE)`` of R's stats.

    Examples
    --------
    >>> round(proportions_power(0.23, 0.18, n_per_arm=1_000), 3)
    0.791
    """
    _check_share(p1=p1, p2=p2, alpha=alpha)
    _check_positive(n_per_arm=n_per_arm)
    under_null = norm.isf(alpha / 2) * np.sqrt((p1 + p2) * (1 - (p1 + p2) / 2))
    apart = np.sqrt(n_per_arm) * abs(p1 - p2) - under_null
    return float(norm.cdf(apart / np.sqrt(p1 * (1 - p1) + p2 * (1 - p2))))


def cluster_did_power(
    effect: float,
    *,
    sd: float,
    treated_clusters: int,
    comparison_clusters: int,
    size: float,
    icc: float,
    cluster_autocorrelation: float,
    individual_autocorrelation: float = 0.0,
    alpha: float = 0.05,
) -> ClusterDidPower:
    """Power of a difference in differences with clusters of equal size measured before and after.

    Parameters
    ----------
    effect, sd : float
        Effect, and total standard deviation of one person's outcome, in the same units.
    treated_clusters, comparison_clusters : int
    size : float
        Persons per cluster and occasion.
    icc : float
        Correlation of two persons of one cluster on one occasion.
    cluster_autocorrelation : float
        Correlation of a cluster's effect with itself on the other occasion.
    individual_autocorrelation : float
        The same for a person's own part; 0 where others are asked the second time.
    alpha : float

    Raises
    ------
    DesignError
        A correlation outside [0, 1], no cluster in an arm, fewer than three clusters, or a spread that is
        not positive.

    References
    ----------
    Hooper and Bourke (2015), BMJ 350, h2925, doi:10.1136/bmj.h2925; Feldman and McKinlay (1994), Statistics
    in Medicine 13, 61-78, doi:10.1002/sim.4780130108.

    Examples
    --------
    >>> clusters = {"treated_clusters": 14, "comparison_clusters": 56, "size": 30}
    >>> out = cluster_did_power(0.3, sd=1.0, icc=0.05, cluster_autocorrelation=0.8, **clusters)
    >>> round(out.power_t, 2)
    0.93
    """
    _check_positive(
        sd=sd, size=size, treated_clusters=treated_clusters, comparison_clusters=comparison_clusters
    )
    _check_share(alpha=alpha)
    for name, value in (
        ("icc", icc),
        ("cluster_autocorrelation", cluster_autocorrelation),
        ("individual_autocorrelation", individual_autocorrelation),
    ):
        if not 0 <= value <= 1:
            raise DesignError(f"{name} is a correlation between 0 and 1, found {value}")
    df = treated_clusters + comparison_clusters - 2
    if df < 1:
        raise DesignError(f"needs three or more clusters, found {df + 2}")
    inflation = 1 + (size - 1) * icc
    correlation = (size * icc * cluster_autocorrelation + (1 - icc) * individual_autocorrelation) / inflation
    variance = 2 * (1 - correlation) * sd**2 * inflation / size
    std_error = float(np.sqrt(variance * (1 / treated_clusters + 1 / comparison_clusters)))
    if std_error == 0:
        raise DesignError("these correlations leave no variation in changes, so that power has no meaning")
    shift = abs(effect) / std_error
    z, q = norm.isf(alpha / 2), t.isf(alpha / 2, df)
    return ClusterDidPower(
        std_error=std_error,
        correlation=float(correlation),
        power_normal=float(norm.cdf(shift - z) + norm.cdf(-shift - z)),
        power_t=float(nct.sf(q, df, shift) + nct.cdf(-q, df, shift)),
        df=df,
    )


def minimal_detectable_effect(
    std_error: float, *, df: float, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Smallest true effect that a two-sided t test with this standard error finds with ``power``.

    Raises
    ------
    DesignError
        A standard error or df that is not positive, or a power not between alpha and 1.

    Examples
    --------
    >>> round(minimal_detectable_effect(1.0, df=68), 2)
    2.84
    """
    _check_positive(std_error=std_error, df=df)
    _check_share(alpha=alpha, power=power)
    if power <= alpha:
        raise DesignError(f"power must exceed alpha {alpha}, found {power}")
    q = t.isf(alpha / 2, df)

    def short(shift: float) -> float:
        return nct.sf(q, df, shift) + nct.cdf(-q, df, shift) - power

    high = q + 1.0
    while short(high) < 0:
        high *= 2
    return float(std_error * brentq(short, 0.0, high, xtol=1e-10))


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not np.isfinite(value) or value <= 0:
            raise DesignError(f"{name} must be positive, found {value}")


def _check_share(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < 1:
            raise DesignError(f"{name} must lie between 0 and 1, found {value}")
