"""Honest difference in differences: bounds when the difference in trends is nearly a straight line.

From one period to the next its slope may change by at most ``m``; the interval has the shortest fixed
length that covers the effect under every such course.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from pluseval.errors import DesignError
from pluseval.numerics.honest import checked_coefficients


@dataclass(frozen=True)
class FixedLengthInterval:
    """The shortest interval of fixed length around an affine estimator.

    ``estimate`` is ``pre_weights`` (P,) times the coefficients before the start plus the target's weights
    times those after; ``half_length`` covers its noise (``std_error``) and its largest bias (``max_bias``)
    under slope changes up to ``bound``.
    """

    bound: float
    low: float
    high: float
    estimate: float
    half_length: float
    std_error: float
    max_bias: float
    pre_weights: np.ndarray
    level: float


def smoothness_interval(
    coef: np.ndarray,
    cov: np.ndarray,
    *,
    n_pre: int,
    m: float,
    weights: np.ndarray | None = None,
    level: float = 0.95,
) -> FixedLengthInterval:
    """Fixed-length interval when the slope of the trend difference changes by at most ``m`` per period.

    With ``m`` 0 this is a linear extrapolation of the trend before the start. Assumption: normal
    coefficients with known ``cov``.

    Parameters
    ----------
    coef, cov, n_pre, weights, level : as in :func:`pluseval.numerics.honest.relative_magnitudes`
        Coefficients one period apart.
    m : float
        In the units of ``coef`` per period per period; not negative.

    Returns
    -------
    FixedLengthInterval

    Raises
    ------
    DesignError
        As :func:`pluseval.numerics.honest.relative_magnitudes`.

    References
    ----------
    Rambachan and Roth (2023), section 4.1; Armstrong and Kolesar (2018), Econometrica 86(2), 655-683,
    doi:10.3982/ECTA14434. Equals ``HonestDiD::createSensitivityResults(method = "FLCI")``.

    Examples
    --------
    >>> out = smoothness_interval(np.array([-2.0, -1.0, 3.0]), 0.01 * np.eye(3), n_pre=2, m=0.0)
    >>> round(out.estimate, 2)
    2.0
    """
    coef, cov, weights = checked_coefficients(coef, cov, n_pre, weights, level)
    if not np.isfinite(m) or m < 0:
        raise DesignError(f"m must be a number of 0 or more, found {m}")
    n_post = weights.size
    # Pre-period weights in terms of c, the loading on each change of slope before the start. A loading on
    # the slope itself
    # would leave unbounded bias: the nearest period's weight takes it away.
    distance = np.arange(n_pre, 0, -1.0)  # of each coefficient from the reference
    bends = np.arange(n_pre - 1, 0, -1.0)
    loading = np.maximum(distance[:-1] - bends[:, None], 0.0)  # c = loading @ w[:-1]
    to_far = np.linalg.inv(loading) if n_pre > 1 else np.zeros((0, 0))
    offset = np.zeros(n_pre)
    offset[-1] = weights @ np.arange(1, n_post + 1)
    to_pre = np.vstack([to_far, -distance[:-1] @ to_far])
    steps = np.maximum(np.arange(1, n_post + 1) - np.arange(n_post)[:, None], 0.0)
    fixed_bias = np.abs(steps @ weights).sum()
    alpha = 1 - level

    def full(c: np.ndarray) -> np.ndarray:
        return np.concatenate([offset + to_pre @ c, weights])

    jacobian = np.vstack([to_pre, np.zeros((n_post, n_pre - 1))])
    unit = np.sqrt(weights @ cov[n_pre:, n_pre:] @ weights)

    def length(parts: np.ndarray) -> tuple[float, np.ndarray]:
        c = parts[: n_pre - 1] - parts[n_pre - 1 :]
        v = full(c)
        spread = np.sqrt(v @ cov @ v)
        ratio = m * (fixed_bias + parts.sum()) / spread
        critical, slope = _folded_normal_quantile(ratio, alpha)
        gradient = (critical - ratio * slope) * (jacobian.T @ (cov @ v)) / spread
        return spread * critical / unit, (np.concatenate([gradient, -gradient]) + m * slope) / unit

    best = np.zeros(2 * (n_pre - 1))
    if n_pre > 1:
        quadratic, linear = jacobian.T @ cov @ jacobian, jacobian.T @ cov @ full(np.zeros(n_pre - 1))
        least_spread = -np.linalg.solve(quadratic, linear)
        start = np.concatenate([np.maximum(least_spread, 0), np.maximum(-least_spread, 0)])
        if m == 0:
            best = start
        else:
            scale = np.maximum(np.abs(least_spread).max(), 1e-8)
            runs = [
                minimize(
                    lambda z: (lambda out: (out[0], out[1] * scale))(length(z * scale)),
                    begin / scale,
                    jac=True,
                    method="L-BFGS-B",
                    bounds=[(0, None)] * start.size,
                    options={"maxiter": 5_000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-10},
                )
                for begin in (start, np.zeros(start.size))
            ]
            best = min(runs, key=lambda run: run.fun).x * scale
    v = full(best[: n_pre - 1] - best[n_pre - 1 :])
    spread = float(np.sqrt(v @ cov @ v))
    bias = float(m * (fixed_bias + np.abs(best[: n_pre - 1] - best[n_pre - 1 :]).sum()))
    half = spread * _folded_normal_quantile(bias / spread, alpha)[0]
    estimate = float(v @ coef)
    return FixedLengthInterval(
        bound=m,
        low=estimate - half,
        high=estimate + half,
        estimate=estimate,
        half_length=half,
        std_error=spread,
        max_bias=bias,
        pre_weights=v[:n_pre],
        level=level,
    )


def _folded_normal_quantile(bias: float, alpha: float) -> tuple[float, float]:
    """The 1 - alpha quantile of |N(bias, 1)| and its derivative with respect to ``bias``."""
    low, high = ndtri(1 - alpha / 2) - 1e-9, bias + ndtri(1 - alpha / 2)
    x = max(low, bias + ndtri(1 - alpha))
    for _ in range(60):
        gap = ndtr(x - bias) - ndtr(-x - bias) - (1 - alpha)
        slope = norm.pdf(x - bias) + norm.pdf(x + bias)
        if gap > 0:
            high = x
        else:
            low = x
        step = x - gap / slope
        new = step if low <= step <= high else (low + high) / 2
        if abs(new - x) <= 1e-14 * (1 + x):
            x = new
            break
        x = new
    up, down = norm.pdf(x - bias), norm.pdf(x + bias)
    return float(x), float((up - down) / (up + down))
