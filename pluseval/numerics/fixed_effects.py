"""Regression with absorbed unit and period effects, clustered under a named small-sample convention.

One model printed under five conventions has standard errors 7 % apart: the convention is an argument and
part of the result. With few treated units none of these errors holds; use ``fitted`` with CR2 or a
permutation test.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from pluseval.errors import DesignError
from pluseval.numerics.linear import LinearFit, fit

CONVENTIONS = ("nonnested", "full", "clusters", "none")


@dataclass(frozen=True)
class FixedEffectsFit:
    """Coefficients with a clustered covariance.

    Attributes
    ----------
    coef, se : (k,) arrays
    cov : (k, k) array
    df : int
        Clusters minus one (the fewest, with two ways): degrees of freedom of t and F.
    n_clusters : int
        Of the first way.
    factor : float
        The small-sample factor in ``cov``.
    ssc : str
        The convention of that factor.
    fitted : LinearFit
        For other covariances, such as ``cluster_cov(fitted, cluster, kind="CR2")``.
    cluster : (n,) integer array
    """

    coef: np.ndarray
    se: np.ndarray
    cov: np.ndarray
    df: int
    n_clusters: int
    factor: float
    ssc: str
    fitted: LinearFit = field(repr=False)
    cluster: np.ndarray = field(repr=False)

    def p_values(self) -> np.ndarray:
        """Two-sided p of each coefficient from t with ``df``, (k,)."""
        return 2 * t_distribution.sf(np.abs(self.coef / self.se), self.df)

    def conf_int(self, *, level: float = 0.95) -> np.ndarray:
        """Interval of each coefficient from the same t, (k, 2)."""
        half = t_distribution.ppf((1 + level) / 2, self.df) * self.se
        return np.column_stack([self.coef - half, self.coef + half])


@dataclass(frozen=True)
class WaldTest:
    """Joint test that coefficients are 0: ``statistic`` is F with ``df1`` and ``df2`` degrees of freedom."""

    statistic: float
    df1: int
    df2: int
    p_value: float


def fixed_effects_fit(
    y: np.ndarray,
    x: np.ndarray,
    *,
    unit: np.ndarray,
    period: np.ndarray,
    weights: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
    second_cluster: np.ndarray | None = None,
    ssc: str = "nonnested",
) -> FixedEffectsFit:
    """Least squares of ``y`` on ``x`` with unit and period effects absorbed.

    Assumption: rows are independent between clusters, and clusters are many. With staggered entry a single
    treatment indicator mixes comparisons of treated with treated units; see :mod:`pluseval.numerics.bacon`.

    Parameters
    ----------
    y : (n,) array
    x : (n, k) or (n,) array
    unit, period : (n,) label arrays
        Effects to absorb. ``period`` may be finer than time, for example region by year.
    weights : (n,) array, optional
        Positive analytic weights.
    cluster : (n,) label array, optional
        By default ``unit``.
    second_cluster : (n,) label array, optional
        Two-way clustering (Cameron, Gelbach and Miller).
    ssc : {"nonnested", "full", "clusters", "none"}
        Small-sample factor: (n-1)/(n-K) G/(G-1) where K counts effects nested in clusters as the one
        constant they hold (fixest's default), or in full (Stata's ``regress``, CR1S); G/(G-1) alone (CR1);
        or 1 (CR0).

    Returns
    -------
    FixedEffectsFit

    Raises
    ------
    DesignError
        Fewer than two clusters, collinear columns, missing values, or an unknown convention.

    References
    ----------
    Equals ``fixest::feols(y ~ x | unit + period, cluster = ~unit)``.

    Examples
    --------
    >>> unit, period = np.repeat([1, 2, 3], 2), np.tile([0, 1], 3)
    >>> on = np.array([0, 0, 0, 0, 0, 1.0])
    >>> out = fixed_effects_fit(np.array([1, 2, 3, 6, 2, 7.0]), on, unit=unit, period=period)
    >>> out.coef.round(6).tolist()
    [3.0]
    """
    if ssc not in CONVENTIONS:
        raise DesignError(f"unknown small-sample convention {ssc!r}; use one of {', '.join(CONVENTIONS)}")
    x = np.asarray(x, float)
    x = x[:, None] if x.ndim == 1 else x
    unit, period = np.asarray(unit), np.asarray(period)
    fitted = fit(y, x, weights=weights, absorb=(unit, period))
    ways = [unit if cluster is None else np.asarray(cluster)]
    if second_cluster is not None:
        ways.append(np.asarray(second_cluster))
    codes = [np.unique(way, return_inverse=True)[1] for way in ways]
    counts = [int(code.max()) + 1 for code in codes]
    if any(code.shape != unit.shape for code in codes) or min(counts) < 2:
        raise DesignError(
            f"a clustered error needs one label per row and two or more clusters, found {min(counts)}"
        )
    rows, counted = fitted.nobs, fitted.rank
    if ssc == "nonnested":
        effects = [np.unique(labels, return_inverse=True)[1] for labels in (unit, period)]
        counted -= sum(int(e.max()) for e in effects if any(_is_nested(e, code) for code in codes))
    factor = 1.0 if ssc == "none" else min(counts) / (min(counts) - 1)
    if ssc in ("nonnested", "full"):
        factor *= (rows - 1) / (rows - counted)
    cov = _clustered(fitted, codes[0])
    if len(codes) == 2:
        both = np.unique(codes[0] * counts[1] + codes[1], return_inverse=True)[1]
        cov = cov + _clustered(fitted, codes[1]) - _clustered(fitted, both)
    cov = cov * factor
    return FixedEffectsFit(
        coef=fitted.coef,
        se=np.sqrt(np.diag(cov)),
        cov=cov,
        df=min(counts) - 1,
        n_clusters=counts[0],
        factor=factor,
        ssc=ssc,
        fitted=fitted,
        cluster=codes[0],
    )


def wald_test(coef: np.ndarray, cov: np.ndarray, *, df: int) -> WaldTest:
    """F test that all of ``coef`` (q,) are 0, with ``df`` denominator degrees of freedom.

    Raises
    ------
    DesignError
        No coefficient, or a covariance that is singular.

    References
    ----------
    Equals ``fixest::wald``.

    Examples
    --------
    >>> wald_test(np.array([2.0]), np.array([[1.0]]), df=10).statistic
    4.0
    """
    coef, cov = np.atleast_1d(np.asarray(coef, float)), np.atleast_2d(np.asarray(cov, float))
    if coef.size == 0:
        raise DesignError("a joint test needs one or more coefficients, found none")
    scale = np.sqrt(np.diag(cov))
    if (scale <= 0).any() or np.linalg.matrix_rank(cov / np.outer(scale, scale), hermitian=True) < coef.size:
        raise DesignError(
            f"the covariance of the {coef.size} coefficients is singular; test fewer, or use more clusters"
        )
    statistic = float(coef @ np.linalg.solve(cov, coef)) / coef.size
    return WaldTest(
        statistic=statistic, df1=coef.size, df2=df, p_value=float(f_distribution.sf(statistic, coef.size, df))
    )


def _clustered(fitted: LinearFit, codes: np.ndarray) -> np.ndarray:
    """CR0 covariance of the named coefficients."""
    residuals = fitted.residuals if fitted.weights is None else fitted.residuals * fitted.weights
    scores = (fitted.design @ fitted.to_orthonormal) * residuals[:, None]
    sums = np.stack([np.bincount(codes, weights=column) for column in scores.T], axis=1)
    named = fitted.to_orthonormal[-fitted.n_coef :]
    half = sums @ named.T
    return half.T @ half


def _is_nested(absorbed: np.ndarray, cluster: np.ndarray) -> bool:
    """Whether every absorbed unit lies in one cluster."""
    return np.unique(np.column_stack([absorbed, cluster]), axis=0).shape[0] == int(absorbed.max()) + 1
