"""Least squares with weights on the simplex for many small problems at once.

The same minimum as :func:`pluseval.numerics.simplex.simplex_least_squares`, of a whole stack of problems:
one pass of numpy serves all that are not finished. Two roads, as there: Newton on the dual where the ridge
is real, and where it is not an active set on the inner products, which needs more rows than columns. A
problem that settles on neither is solved by itself.
"""

from __future__ import annotations

import numpy as np

from pluseval.numerics.simplex import simplex_least_squares

SMALL_RIDGE = 1e-4  # relative to the mean squared column; below it the dual is ill-conditioned
_MAX_NEWTON = 60
_OPTIMAL = 1e-11  # slope, in shares of the mean squared column, below which a weight stays at 0


def simplex_least_squares_many(a: np.ndarray, b: np.ndarray, *, ridge: np.ndarray) -> np.ndarray:
    """Weights on the simplex that minimise ``|a w - b|^2 + ridge |w|^2``, for every problem of a stack.

    Parameters
    ----------
    a : (B, m, n) array
    b : (B, m) array
    ridge : (B,) array
        Not negative.

    Returns
    -------
    (B, n) array
        Not negative, sum 1 in every row.

    Examples
    --------
    >>> simplex_least_squares_many(np.eye(2)[None], np.array([[0.75, 0.25]]), ridge=np.zeros(1)).round(3)
    array([[0.75, 0.25]])
    """
    problems, rows, n = a.shape
    if n == 1:
        return np.ones((problems, 1))
    distance = a - b[:, :, None]  # on the simplex a w - b = (a - b 1') w
    size = np.einsum("bij,bij->b", distance, distance) / n
    weights = np.full((problems, n), np.nan)
    real = ridge > SMALL_RIDGE * size
    if real.any():
        weights[real] = _dual_newton(distance[real], ridge[real])
    plain = ~real & (size > 0)
    if plain.any() and rows > n:
        weights[plain] = _active_set(distance[plain], ridge[plain])
    for one in np.flatnonzero(np.isnan(weights[:, 0])):
        weights[one] = simplex_least_squares(a[one], b[one], ridge=float(ridge[one]))
    return weights


def _dual_newton(distance: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    """Newton on the dual, one unknown per row; NaN where it does not settle."""
    problems, rows, n = distance.shape
    solved = np.full((problems, n), np.nan)
    at = np.arange(problems)
    weights = np.full((problems, n), 1 / n)
    y = -distance.mean(axis=2)
    value, weights = _dual(distance, ridge, y)
    for _ in range(_MAX_NEWTON):
        D, r = distance[at], ridge[at]
        gradient = y + _times(D, weights)
        active = weights > 0
        columns = D * active[:, None, :]
        count = active.sum(axis=1)[:, None, None]
        mean = columns.sum(axis=2, keepdims=True) / count
        spread = columns @ columns.swapaxes(1, 2) - count * (mean @ mean.swapaxes(1, 2))
        step = -np.linalg.solve(np.eye(rows) + spread / r[:, None, None], gradient[:, :, None])[:, :, 0]
        slope = np.einsum("bi,bi->b", gradient, step)
        flat = -slope <= 1e-24 * (1 + np.abs(value))
        length, new_y, new_value, new_weights, stuck = _searched(D, r, y, step, slope, value)
        # a full step within one piece of a piecewise quadratic ends at its minimum
        settled = flat | ((length == 1.0) & np.all((new_weights > 0) == active, axis=1))
        solved[at[settled]] = np.where(flat[settled, None], weights[settled], new_weights[settled])
        left = ~settled & ~stuck
        if not left.any():
            break
        at, y, value, weights = at[left], new_y[left], new_value[left], new_weights[left]
    return solved


def _searched(
    D: np.ndarray, r: np.ndarray, y: np.ndarray, step: np.ndarray, slope: np.ndarray, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Halve each problem's step until the dual falls enough; ``stuck`` where it never does."""
    length = np.ones(value.size)
    new_y = y + step
    new_value, new_weights = _dual(D, r, new_y)
    while True:
        enough = value + 1e-4 * length * slope + 1e-14 * (1 + np.abs(value))
        short = np.flatnonzero((new_value > enough) & (length >= 1e-8))
        if short.size == 0:
            return length, new_y, new_value, new_weights, new_value > enough
        length[short] /= 2
        new_y[short] = y[short] + length[short, None] * step[short]
        new_value[short], new_weights[short] = _dual(D[short], r[short], new_y[short])


def _dual(distance: np.ndarray, ridge: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The dual at ``y`` (B,), and the weights that attain it."""
    weights = _projected(_times(distance.swapaxes(1, 2), y) / ridge[:, None])
    inner = np.einsum("bi,bi->b", y, _times(distance, weights))
    size = np.einsum("bi,bi->b", weights, weights)
    return 0.5 * np.einsum("bi,bi->b", y, y) + inner - 0.5 * ridge * size, weights


def _projected(v: np.ndarray) -> np.ndarray:
    """The points of the simplex nearest to the rows of ``v``."""
    ordered = -np.sort(-v, axis=1)
    excess = np.cumsum(ordered, axis=1) - 1
    inside = ordered * np.arange(1, v.shape[1] + 1) > excess
    count = v.shape[1] - np.argmax(inside[:, ::-1], axis=1)
    threshold = np.take_along_axis(excess, count[:, None] - 1, axis=1) / count[:, None]
    return np.maximum(v - threshold, 0)


def _active_set(distance: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    """Lawson and Hanson's search on the inner products; NaN where it does not settle."""
    problems, _, n = distance.shape
    gram = distance.swapaxes(1, 2) @ distance
    scale = np.trace(gram, axis1=1, axis2=2) / n
    gram = gram / scale[:, None, None] + (ridge / scale)[:, None, None] * np.eye(n)
    solved = np.full((problems, n), np.nan)
    at = np.arange(problems)
    first = np.argmin(np.diagonal(gram, axis1=1, axis2=2), axis=1)
    weights = np.zeros((problems, n))
    weights[at, first] = 1.0
    passive = weights > 0
    for _ in range(5 * n + 10):
        Q = gram[at]
        try:
            aim = _on_face(Q, passive)
        except np.linalg.LinAlgError:  # columns that repeat each other: solved one by one
            break
        negative = passive & ~(aim > 0)
        inside = np.asarray(~negative.any(axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(negative, weights / (weights - aim), np.inf).min(axis=1)
        moved = weights + np.where(inside, 1.0, np.minimum(reach, 1.0))[:, None] * (aim - weights)
        moved = np.where(negative & (moved <= 1e-14), 0.0, moved)
        passive = passive & ((moved > 0) | inside[:, None])
        weights = np.where(passive, moved, 0.0)
        slope = _times(Q, weights)
        level = np.einsum("bi,bi->b", slope, weights)  # of every weight above 0, at the minimum of a face
        gain = np.where(passive, np.inf, slope - level[:, None])
        best = np.argmin(gain, axis=1)
        optimal = inside & (gain[np.arange(at.size), best] >= -_OPTIMAL)
        solved[at[optimal]] = weights[optimal] / weights[optimal].sum(axis=1, keepdims=True)
        more = np.flatnonzero(inside & ~optimal)
        passive[more, best[more]] = True
        left = ~optimal
        if not left.any():
            break
        at, weights, passive = at[left], weights[left], passive[left]
    return solved


def _on_face(Q: np.ndarray, passive: np.ndarray) -> np.ndarray:
    """The minimum with sum 1 of the weights in ``passive``, their sign left free."""
    problems, n = passive.shape
    on = passive.astype(float)
    system = np.zeros((problems, n + 1, n + 1))
    system[:, :n, :n] = Q * on[:, :, None] * on[:, None, :]
    system[:, np.arange(n), np.arange(n)] += 1 - on
    system[:, :n, n] = system[:, n, :n] = on
    target = np.zeros((problems, n + 1, 1))
    target[:, n] = 1.0
    return np.linalg.solve(system, target)[:, :n, 0]


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return (matrices @ vectors[:, :, None])[:, :, 0]
