"""Least squares with weights on the simplex: the one optimisation behind synthetic controls.

    minimise  |A w - b|^2 + ridge * |w|^2      over  w >= 0, sum(w) = 1

Three ways to the same minimum. With a real ridge the dual has as many unknowns as ``A`` has rows (periods,
about ten), however many donors there are, and Newton's method ends in a handful of steps. Without one the
minimum is the point of a convex hull nearest to the origin, which non-negative least squares finds exactly.
Frank-Wolfe with R's stopping rule is kept only to compare with R, whose weights are those of an unfinished
search.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from pluseval.errors import DesignError

_MAX_NEWTON = 60
_SMALL_RIDGE = 1e-4  # relative to the mean squared column; below it the dual is ill-conditioned


def simplex_least_squares(a: np.ndarray, b: np.ndarray, *, ridge: float = 0.0) -> np.ndarray:
    """Weights on the simplex that minimise ``|a w - b|^2 + ridge |w|^2``, exactly.

    Parameters
    ----------
    a : (m, n) array
        One column per donor (or pre-period).
    b : (m,) array
        What the weighted columns should look like.
    ridge : float
        Not negative. With 0 the minimum need not be unique; one of the minima is returned.

    Returns
    -------
    (n,) array
        Not negative, sum 1.

    Raises
    ------
    DesignError
        No column, a value that is not finite, or a negative ridge.

    References
    ----------
    The nearest point by non-negative least squares: Haskell and Hanson (1981), Mathematical Programming 21,
    98-118, doi:10.1007/BF01584232.

    Examples
    --------
    >>> simplex_least_squares(np.eye(2), np.array([0.75, 0.25])).round(3)
    array([0.75, 0.25])
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.ndim != 2 or a.shape[1] == 0 or b.shape != (a.shape[0],):
        raise DesignError(
            f"simplex_least_squares needs a (m, n) matrix and a (m,) vector, found {a.shape} and {b.shape}"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all() and np.isfinite(ridge) and ridge >= 0):
        raise DesignError("simplex_least_squares needs finite values and a ridge that is not negative")
    if a.shape[1] == 1:
        return np.ones(1)
    distance = a - b[:, None]  # on the simplex a w - b = (a - b 1') w
    size = float(np.mean(np.einsum("ij,ij->j", distance, distance)))
    if size == 0 and ridge == 0:
        return np.full(a.shape[1], 1 / a.shape[1])
    if ridge > _SMALL_RIDGE * size:
        weights = _dual_newton(distance, ridge)
        if weights is not None:
            return weights
    return _nearest_point(distance, ridge, np.sqrt(size) or 1.0)


def project_on_simplex(v: np.ndarray) -> tuple[np.ndarray, float]:
    """The point of the simplex nearest to ``v``, and the threshold that was subtracted."""
    ordered = np.sort(v)[::-1]
    excess = np.cumsum(ordered) - 1
    count = np.flatnonzero(ordered * np.arange(1, v.size + 1) > excess)[-1] + 1
    threshold = excess[count - 1] / count
    return np.maximum(v - threshold, 0), float(threshold)


def frank_wolfe(
    a: np.ndarray, b: np.ndarray, *, ridge: float, start: np.ndarray, min_decrease: float, max_iter: int
) -> np.ndarray:
    """The search of ``synthdid:::sc.weight.fw`` with its stopping rule; for comparison with R only.

    It stops where one step lowers the mean squared error by less than ``min_decrease**2``, so its weights
    depend on where it starts. The minimum itself is :func:`simplex_least_squares`.
    """
    x, rows = start.astype(float), a.shape[0]
    fitted, previous = a @ x, np.inf
    for iteration in range(max_iter):
        half_gradient = (fitted - b) @ a + ridge * x
        i = int(np.argmin(half_gradient))
        direction = -x.copy()
        direction[i] += 1
        change = a[:, i] - fitted
        denominator = change @ change + ridge * (direction @ direction)
        if denominator > 0:
            step = min(1.0, max(0.0, -(half_gradient @ direction) / denominator))
            x = x + step * direction
            fitted = a @ x
        residual = fitted - b
        value = (ridge * (x @ x) + residual @ residual) / rows
        if iteration >= 1 and previous - value <= min_decrease**2:
            break
        previous = value
    return x


def _dual_newton(distance: np.ndarray, ridge: float) -> np.ndarray | None:
    """Newton on the dual, one unknown per row; None when it does not settle (then take the other road)."""
    rows, n = distance.shape
    weights = np.full(n, 1 / n)
    y = -distance @ weights
    eye = np.eye(rows)

    def dual(point: np.ndarray) -> tuple[float, np.ndarray]:
        w, _ = project_on_simplex(distance.T @ point / ridge)
        return 0.5 * point @ point + point @ (distance @ w) - 0.5 * ridge * (w @ w), w

    value, weights = dual(y)
    for _ in range(_MAX_NEWTON):
        gradient = y + distance @ weights
        active = weights > 0
        columns = distance[:, active]
        mean = columns.mean(axis=1)
        hessian = eye + (columns @ columns.T - columns.shape[1] * np.outer(mean, mean)) / ridge
        step = -np.linalg.solve(hessian, gradient)
        slope = gradient @ step
        if -slope <= 1e-24 * (1 + abs(value)):
            return weights
        length = 1.0
        while True:
            new_value, new_weights = dual(y + length * step)
            if new_value <= value + 1e-4 * length * slope + 1e-14 * (1 + abs(value)):
                break
            length /= 2
            if length < 1e-8:
                return None
        y = y + length * step
        settled = length == 1.0 and np.array_equal(new_weights > 0, active)
        value, weights = new_value, new_weights
        if settled:  # a full step within one piece of a piecewise quadratic ends at its minimum
            return weights
    return None


def _nearest_point(distance: np.ndarray, ridge: float, scale: float) -> np.ndarray:
    """The point of the columns' convex hull nearest to the origin, as scaled non-negative least squares."""
    n = distance.shape[1]
    rows = distance / scale
    if rows.shape[0] > n:  # only the inner products matter
        rows = np.asarray(np.linalg.qr(rows, mode="r"))
    parts = [rows, np.ones((1, n))]
    if ridge > 0:
        parts.insert(1, np.sqrt(ridge) / scale * np.eye(n))
    design = np.vstack(parts)
    target = np.zeros(design.shape[0])
    target[-1] = 1.0
    weights, _ = nnls(design, target, maxiter=30 * n)
    return weights / weights.sum()
