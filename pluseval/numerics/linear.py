"""Least squares, weighted or with absorbed effects, under independent errors.

The assumption of every covariance here is that rows are independent; where rows share a practice use
:mod:`pluseval.numerics.cluster` on the same fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg, stats

from pluseval.errors import DesignError
from pluseval.numerics.products import tall_product, triangle

COLLINEAR = 1e-9  # share of a column's length that must be left once the columns before it are taken out
PERFECT_FIT = 1e-26  # share of the outcome's sum of squares below which residuals are rounding
LEVERAGE_ONE = 1e-9


@dataclass(frozen=True)
class LinearFit:
    """A least-squares fit.

    Attributes
    ----------
    coef : ndarray (k,)
        Coefficients of the columns of ``X`` as given.
    cov_unscaled : ndarray (k, k)
        Their block of the inverse of X'WX.
    residuals : ndarray (n,)
        Unweighted residuals, absorbed effects taken out.
    df_resid, rank : int
        Residual degrees of freedom, and the rank of the whole design with absorbed effects.
    sigma2 : float
        Weighted residual sum of squares over ``df_resid``.
    design : ndarray (n, m + k)
        Nuisance columns, then the given ones, within-transformed where effects were absorbed.
    to_orthonormal : ndarray (m + k, m + k)
        ``design @ to_orthonormal`` is orthonormal in the weights.
    weights : ndarray (n,) or None
    absorbed : ndarray (n,) of int or None
        Codes of the effect that was swept out.
    n_absorbed : int
        Its number of levels.
    total_ss : float
        Weighted sum of squares of the outcome about its mean, or about the absorbed means.
    """

    coef: np.ndarray
    cov_unscaled: np.ndarray
    residuals: np.ndarray = field(repr=False)
    df_resid: int
    rank: int
    sigma2: float
    design: np.ndarray = field(repr=False)
    to_orthonormal: np.ndarray = field(repr=False)
    weights: np.ndarray | None = field(repr=False)
    absorbed: np.ndarray | None = field(repr=False)
    n_absorbed: int
    total_ss: float

    @property
    def nobs(self) -> int:
        """Number of rows."""
        return self.residuals.size

    @property
    def n_coef(self) -> int:
        """Number of coefficients, nuisance columns and absorbed effects not counted."""
        return self.coef.size

    @property
    def r_squared(self) -> float:
        """Share of ``total_ss`` that is explained (within, where effects were absorbed)."""
        return 1.0 - self.sigma2 * self.df_resid / self.total_ss


@dataclass(frozen=True)
class TTest:
    """A two-sided t test with its interval, both from the same t distribution."""

    estimate: float
    std_error: float
    statistic: float
    df: float
    p_value: float
    conf_low: float
    conf_high: float
    null: float = 0.0
    level: float = 0.95


def fit(
    y: ArrayLike,
    X: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    absorb: ArrayLike | Sequence[ArrayLike] | None = None,
) -> LinearFit:
    """Ordinary or weighted least squares; effects that are too many to print are absorbed.

    Parameters
    ----------
    y : array (n,)
    X : array (n, k)
        Regressors; give the constant as a column, unless effects are absorbed.
    weights : array (n,), optional
        Positive analytic weights.
    absorb : labels (n,) or a tuple of labels, optional
        Effects to absorb. The first (the practice) is swept out by the within transformation, the others
        (the year) enter as indicator columns whose coefficients are not reported.

    Returns
    -------
    LinearFit

    Raises
    ------
    DesignError
        Shapes that do not match, values that are not finite, weights that are not positive, fewer rows than
        coefficients, or columns of ``X`` that are combinations of others (named by index).

    Notes
    -----
    Equals R's ``lm``; with ``absorb``, ``lm`` with one factor per absorbed effect.

    Examples
    --------
    >>> import numpy as np
    >>> made = fit([1.0, 2.0, 4.0, 7.0], np.column_stack([np.ones(4), [0, 0, 1, 1]]))
    >>> made.coef.round(6).tolist(), made.df_resid
    ([1.5, 4.0], 2)
    """
    y, X = _checked(y, X)
    n, k = X.shape
    w = _checked_weights(weights, n)
    lengths = _lengths(X, w)
    effects = _effects(absorb, n)
    codes, levels = (None, 0) if not effects else effects[0]
    nuisance = _indicator_columns(effects[1:], n)
    if codes is not None:
        y, X = _within(y[:, None], codes, levels, w)[:, 0], _within(X, codes, levels, w)
        nuisance = _independent(_within(nuisance, codes, levels, w), w)
    m = nuisance.shape[1]
    design = np.concatenate([nuisance, X], axis=1)
    root = None if w is None else np.sqrt(w)
    rows = design if root is None else design * root[:, None]
    rank = m + k + levels
    if n <= rank:
        raise DesignError(f"{n} rows cannot carry {rank} coefficients; use fewer regressors or more rows")
    scaled_y = y if root is None else y * root
    corner = triangle(np.column_stack([rows, scaled_y]))
    r, projected = corner[:-1, :-1], corner[:-1, -1]
    lost = np.flatnonzero(np.abs(np.diag(r))[m:] <= COLLINEAR * lengths)
    if lost.size:
        raise DesignError(
            f"columns {lost.tolist()} of X (counted from 0) are combinations of the columns before them, of "
            "the absorbed effects, or zero; leave them out"
        )
    to_orthonormal = np.linalg.inv(r)  # LU of a triangle is the triangle: back substitution, on one thread
    beta = to_orthonormal @ projected
    residuals = y - tall_product(design, beta[:, None])[:, 0]
    rss = float(np.sum(residuals**2 if w is None else w * residuals**2))
    centred = scaled_y if codes is not None else (y - np.average(y, weights=w)) * (1.0 if w is None else root)
    named = to_orthonormal[m:]
    scale = float(np.sum(scaled_y**2))
    return LinearFit(
        coef=beta[m:],
        cov_unscaled=named @ named.T,
        residuals=residuals,
        df_resid=n - rank,
        rank=rank,
        sigma2=0.0 if rss <= PERFECT_FIT * scale * n else rss / (n - rank),
        design=design,
        to_orthonormal=to_orthonormal,
        weights=w,
        absorbed=codes,
        n_absorbed=levels,
        total_ss=float(np.sum(centred**2)),
    )


def classical_cov(fitted: LinearFit) -> np.ndarray:
    """Covariance of the coefficients under one error variance; go with ``fitted.df_resid``.

    Raises
    ------
    DesignError
        The residuals are all zero, so that there is no variance to estimate.
    """
    require_noise(fitted)
    return fitted.sigma2 * fitted.cov_unscaled


def hc_cov(fitted: LinearFit, *, kind: str = "HC2") -> np.ndarray:
    """Heteroskedasticity-robust covariance for independent rows: HC0, HC1, HC2 or HC3.

    A row that is alone in its absorbed effect has no information and adds nothing.

    Raises
    ------
    DesignError
        An unknown kind, no residual variance, or (HC2, HC3) a row that alone fixes a coefficient, as one
        treated unit does: its residual is zero and its variance unknown.

    References
    ----------
    MacKinnon and White (1985), doi 10.1016/0304-4076(85)90158-7. Equals R's ``sandwich::vcovHC``.
    """
    require_noise(fitted)
    if kind not in {"HC0", "HC1", "HC2", "HC3"}:
        raise DesignError(f"no covariance is called {kind!r}; use HC0, HC1, HC2 or HC3")
    rows = tall_product(fitted.design, fitted.to_orthonormal)
    w = np.ones(fitted.nobs) if fitted.weights is None else fitted.weights
    own = w * np.sum(rows**2, axis=1)
    score = w * fitted.residuals
    if kind == "HC1":
        score = score * np.sqrt(fitted.nobs / fitted.df_resid)
    elif kind in {"HC2", "HC3"}:
        if np.any(own >= 1 - LEVERAGE_ONE):
            raise DesignError(
                f"{int(np.sum(own >= 1 - LEVERAGE_ONE))} rows alone fix a coefficient (leverage 1), so "
                f"{kind} does not exist; a single treated unit needs a placebo comparison"
            )
        leverage = own + _absorbed_leverage(fitted, w)
        free = leverage < 1 - LEVERAGE_ONE
        shrink = np.where(free, 1 - leverage, 1.0)
        score = np.where(free, score / (np.sqrt(shrink) if kind == "HC2" else shrink), 0.0)
    scores = rows * score[:, None]
    named = fitted.to_orthonormal[-fitted.n_coef :]
    return named @ (scores.T @ scores) @ named.T


def welch(treated: ArrayLike, comparison: ArrayLike, *, null: float = 0.0, level: float = 0.95) -> TTest:
    """Difference of two means with separate variances and Satterthwaite's degrees of freedom.

    Raises
    ------
    DesignError
        Fewer than two values in a group, values that are not finite, or no variance in either group.

    References
    ----------
    Welch (1947), doi 10.1093/biomet/34.1-2.28. Equals R's ``t.test(x, y)``.

    Examples
    --------
    >>> round(welch([1.0, 2.0, 4.0], [0.0, 1.0, 1.0, 2.0]).df, 4)
    2.8614
    """
    x, y = _group(treated, "treated"), _group(comparison, "comparison")
    parts = x.var(ddof=1) / x.size, y.var(ddof=1) / y.size
    variance = sum(parts)
    if variance <= PERFECT_FIT * max(np.max(x**2), np.max(y**2)):
        raise DesignError("neither group varies, so the difference has no standard error")
    df = variance**2 / (parts[0] ** 2 / (x.size - 1) + parts[1] ** 2 / (y.size - 1))
    return t_test(x.mean() - y.mean(), np.sqrt(variance), df, null=null, level=level)


def one_sample(change: ArrayLike, *, null: float = 0.0, level: float = 0.95) -> TTest:
    """Mean of one group of changes with Student's t; equals R's paired ``t.test``."""
    x = _group(change, "only")
    variance = x.var(ddof=1) / x.size
    if variance <= PERFECT_FIT * np.max(x**2):
        raise DesignError("the changes do not vary, so their mean has no standard error")
    return t_test(x.mean(), np.sqrt(variance), x.size - 1, null=null, level=level)


def t_test(estimate: float, std_error: float, df: float, *, null: float = 0.0, level: float = 0.95) -> TTest:
    """Two-sided t test and interval from an estimate, its standard error and degrees of freedom."""
    if not (np.isfinite(std_error) and std_error > 0):
        raise DesignError(f"a standard error must be positive and finite, found {std_error}")
    if not 0 < level < 1:
        raise DesignError(f"a confidence level lies between 0 and 1, found {level}")
    statistic = (estimate - null) / std_error
    reach = stats.t.ppf((1 + level) / 2, df) * std_error
    return TTest(
        estimate=float(estimate),
        std_error=float(std_error),
        statistic=float(statistic),
        df=float(df),
        p_value=float(2 * stats.t.sf(abs(statistic), df)),
        conf_low=float(estimate - reach),
        conf_high=float(estimate + reach),
        null=float(null),
        level=float(level),
    )


def require_noise(fitted: LinearFit) -> None:
    """Refuse a perfect fit: residuals that are zero hold no standard error."""
    if fitted.sigma2 <= 0:
        raise DesignError(
            "the residuals are all zero (the outcome does not vary, or is fitted exactly), so there is no "
            "standard error; check the outcome"
        )


def _checked(y: ArrayLike, X: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    y, X = np.asarray(y, dtype=float), np.asarray(X, dtype=float)
    if y.ndim != 1 or X.ndim != 2 or X.shape[0] != y.size or X.shape[1] == 0:
        raise DesignError(f"y must be (n,) and X (n, k) with k > 0, found {y.shape} and {X.shape}")
    for name, values in (("y", y), ("X", X)):
        bad = int(np.sum(~np.isfinite(values)))
        if bad:
            raise DesignError(f"{name} holds {bad} values that are not finite; leave those rows out, counted")
    return y, X


def _checked_weights(weights: ArrayLike | None, n: int) -> np.ndarray | None:
    if weights is None:
        return None
    w = np.array(weights, dtype=float)
    if w.shape != (n,):
        raise DesignError(f"weights must be ({n},), found {w.shape}")
    bad = int(np.sum(~(np.isfinite(w) & (w > 0))))
    if bad:
        raise DesignError(
            f"{bad} weights are missing, infinite or not positive; leave those rows out, counted"
        )
    return w


def _effects(absorb: ArrayLike | Sequence[ArrayLike] | None, n: int) -> list[tuple[np.ndarray, int]]:
    if absorb is None:
        return []
    several = isinstance(absorb, (tuple, list)) and len(absorb) > 0 and np.ndim(absorb[0]) == 1
    found = []
    for given in list(absorb) if several else [absorb]:  # type: ignore[arg-type]
        labels = np.asarray(given)
        if labels.shape != (n,):
            raise DesignError(f"labels of an absorbed effect must be ({n},), found {labels.shape}")
        levels, codes = np.unique(labels, return_inverse=True)
        found.append((codes, levels.size))
    return found


def _indicator_columns(effects: list[tuple[np.ndarray, int]], n: int) -> np.ndarray:
    blocks = [(codes[:, None] == np.arange(1, levels)).astype(float) for codes, levels in effects]
    return np.concatenate([np.empty((n, 0)), *blocks], axis=1)


def _within(values: np.ndarray, codes: np.ndarray, levels: int, w: np.ndarray | None) -> np.ndarray:
    total = np.bincount(codes, weights=w, minlength=levels)
    out = np.empty_like(values)
    for j in range(values.shape[1]):
        column = values[:, j]
        sums = np.bincount(codes, weights=column if w is None else column * w, minlength=levels)
        np.subtract(column, (sums / total)[codes], out=out[:, j])
    return out


def _independent(columns: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """Columns that span the same space: a year that the practice effects already hold adds none."""
    if columns.shape[1] == 0:
        return columns
    rows = columns if w is None else columns * np.sqrt(w)[:, None]
    r, order = linalg.qr(triangle(rows), mode="r", pivoting=True, check_finite=False)
    size = np.abs(np.diag(r))
    return columns[:, np.sort(order[: int(np.sum(size > COLLINEAR * max(size[0], 1e-300)))])]


def _lengths(X: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """Length of each column before effects are swept out, the yardstick of collinearity."""
    squares = np.einsum("ij,ij->j", X, X) if w is None else np.einsum("i,ij,ij->j", w, X, X)
    lengths = np.sqrt(squares)
    return np.where(lengths > 0, lengths, 1.0)


def _absorbed_leverage(fitted: LinearFit, w: np.ndarray) -> np.ndarray | float:
    if fitted.absorbed is None:
        return 0.0
    return w / np.bincount(fitted.absorbed, weights=w)[fitted.absorbed]


def _group(values: ArrayLike, name: str) -> np.ndarray:
    x = np.asarray(values, dtype=float)
    if x.ndim != 1 or x.size < 2:
        raise DesignError(f"the {name} group needs at least two units for a variance, found {x.size}")
    if not np.all(np.isfinite(x)):
        raise DesignError(f"the {name} group holds {int(np.sum(~np.isfinite(x)))} values that are not finite")
    return x
