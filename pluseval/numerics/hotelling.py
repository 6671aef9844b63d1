"""Hotelling's T-squared: one test that several mean changes are all zero.

Rows are independent units (practices); columns are the several changes of each, which may depend on each
other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from pluseval.errors import DesignError

SINGULAR = 1e-12


@dataclass(frozen=True)
class HotellingTest:
    """An F test of ``df`` and ``df_resid`` degrees of freedom that every effect is zero.

    Attributes
    ----------
    t_squared, statistic, df, df_resid, p_value : float
        ``statistic`` is the F statistic.
    effects : ndarray (K,)
    cov : ndarray (K, K)
        Their covariance.
    """

    t_squared: float
    statistic: float
    df: float
    df_resid: float
    p_value: float
    effects: np.ndarray
    cov: np.ndarray


def hotelling(y: ArrayLike, X: ArrayLike) -> HotellingTest:
    """Test that the last column of ``X`` has no effect on any column of ``y``; one residual covariance.

    Exact where rows are normal with one covariance. With ``X`` a column of ones: the one-sample test.

    Parameters
    ----------
    y : array (n, K)
    X : array (n, k)

    Returns
    -------
    HotellingTest

    Raises
    ------
    DesignError
        Fewer residual degrees of freedom than effects, or effects that are combinations of each other.

    References
    ----------
    Hotelling (1931), doi 10.1214/aoms/1177732979. Equals R's ``anova(lm(y ~ ...), test =
    "Hotelling-Lawley")``.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 1.0], [3.0, 1.0], [4.0, 3.0], [2.0, 2.0]])
    >>> X = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    >>> round(hotelling(y, X).statistic, 4)
    2.8966
    """
    y, X, scale, effects, residuals = _fitted(y, X)
    nu = y.shape[0] - X.shape[1]
    cov = residuals.T @ residuals / nu * scale
    return _test(effects, cov, nu)


def hotelling_robust(y: ArrayLike, X: ArrayLike, *, df: float) -> HotellingTest:
    """The same test with a covariance that allows a variance of its own to each row (HC2), and given ``df``.

    Every column shares the design, so under equal variances the covariance is about Wishart with the degrees
    of freedom ``df`` that Bell and McCaffrey's method gives for one column.

    References
    ----------
    Pustejovsky and Tipton (2018), doi 10.1080/07350015.2016.1247004.
    """
    y, X, _, effects, residuals = _fitted(y, X)
    inverse = np.linalg.inv(X.T @ X)
    leverage = np.einsum("ij,jk,ik->i", X, inverse, X)
    if np.any(leverage > 1 - 1e-9):
        raise DesignError("one unit alone fixes an effect; its variance is unknown")
    scores = residuals / np.sqrt(1 - leverage)[:, None] * (X @ inverse[:, -1])[:, None]
    return _test(effects, scores.T @ scores, df)


def hotelling_unequal(x: ArrayLike, y: ArrayLike) -> HotellingTest:
    """Test that two groups have the same means, each group with a covariance of its own.

    Parameters
    ----------
    x, y : arrays (n, K) and (m, K)

    Raises
    ------
    DesignError
        A group of fewer than two units, values that are not finite, or changes that do not vary.

    References
    ----------
    Krishnamoorthy and Yu (2004), doi 10.1016/j.spl.2003.10.012.
    """
    groups = [np.asarray(part, dtype=float) for part in (x, y)]
    if min(part.shape[0] for part in groups) < 2 or not all(np.all(np.isfinite(part)) for part in groups):
        raise DesignError(
            "each group needs two units or more, all finite; leave out units with missing values"
        )
    effects = groups[0].mean(axis=0) - groups[1].mean(axis=0)
    parts = [np.atleast_2d(np.cov(part, rowvar=False)) / part.shape[0] for part in groups]
    cov = parts[0] + parts[1]
    K = effects.size
    inverse = _inverse(cov)
    spread = 0.0
    for part, group in zip(parts, groups, strict=True):
        share = part @ inverse
        spread += (np.trace(share @ share) + np.trace(share) ** 2) / (group.shape[0] - 1)
    return _test(effects, cov, (K + K**2) / spread)


def _fitted(y: ArrayLike, X: ArrayLike) -> tuple[np.ndarray, np.ndarray, float, np.ndarray, np.ndarray]:
    y, X = np.asarray(y, dtype=float), np.asarray(X, dtype=float)
    if y.ndim != 2 or X.ndim != 2 or y.shape[0] != X.shape[0]:
        raise DesignError(f"y must be (n, K) and X (n, k), found {y.shape} and {X.shape}")
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(X))):
        raise DesignError("y and X must be finite; leave out the units with missing values, counted")
    if np.linalg.matrix_rank(X) < X.shape[1]:
        raise DesignError("the columns of X are combinations of each other; leave some out")
    coef, *_ = np.linalg.lstsq(X, y, rcond=None)
    scale = float(np.linalg.inv(X.T @ X)[-1, -1])
    return y, X, scale, coef[-1], y - X @ coef


def _inverse(cov: np.ndarray) -> np.ndarray:
    size = np.sqrt(np.diag(cov))
    if np.any(size <= 0) or np.linalg.cond(cov / np.outer(size, size)) > 1 / SINGULAR:
        raise DesignError(
            "a joint test needs changes that vary and are not combinations of each other; leave some out"
        )
    return np.linalg.inv(cov)


def _test(effects: np.ndarray, cov: np.ndarray, nu: float) -> HotellingTest:
    K = effects.size
    if nu <= K - 1:
        raise DesignError(
            f"a joint test of {K} effects needs more than {K - 1} degrees of freedom, found {nu:.1f}; test "
            "fewer effects, or their largest statistic over a common permutation"
        )
    t_squared = float(effects @ _inverse(cov) @ effects)
    statistic = float(t_squared * (nu - K + 1) / (nu * K))
    p_value = float(stats.f.sf(statistic, K, nu - K + 1))
    return HotellingTest(t_squared, statistic, float(K), float(nu - K + 1), p_value, effects, cov)
