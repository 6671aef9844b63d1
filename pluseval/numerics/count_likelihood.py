"""Log-likelihoods of counts: Poisson (theta None), and negative binomial with variance mu + mu^2 / theta."""

from __future__ import annotations

import numpy as np
from scipy import special


def theta_slopes(y: np.ndarray, mu: np.ndarray, theta: float) -> tuple[float, float]:
    """Slope of the log-likelihood in theta, and minus its curvature."""
    slope, curvature = theta_slope_rows(y, mu, theta)
    return float(slope.sum()), float(curvature.sum())


def theta_slope_rows(y: np.ndarray, mu: np.ndarray, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """The same for each row, (n,) and (n,)."""
    slope = special.digamma(theta + y) - special.digamma(theta) + np.log(theta / (theta + mu))
    slope = slope + 1.0 - (y + theta) / (mu + theta)
    curvature = special.polygamma(1, theta) - special.polygamma(1, theta + y)
    curvature = curvature - 1.0 / theta + 2.0 / (mu + theta) - (y + theta) / (mu + theta) ** 2
    return slope, curvature


def log_likelihood(y: np.ndarray, mu: np.ndarray, theta: float | None) -> float:
    """Log-likelihood of the rows, constants included."""
    if theta is None:
        return float(np.sum(special.xlogy(y, mu) - mu - special.gammaln(y + 1.0)))
    return float(
        np.sum(
            special.gammaln(theta + y)
            - special.gammaln(theta)
            - special.gammaln(y + 1.0)
            + theta * np.log(theta / (theta + mu))
            + special.xlogy(y, mu / (theta + mu))
        )
    )


def deviance(y: np.ndarray, mu: np.ndarray, theta: float | None) -> float:
    """Twice the distance to the log-likelihood of a perfect fit."""
    mu = np.maximum(mu, np.finfo(float).tiny)
    if theta is None:
        return float(2.0 * np.sum(special.xlogy(y, y / mu) - (y - mu)))
    return float(2.0 * np.sum(special.xlogy(y, y / mu) - (y + theta) * np.log((y + theta) / (mu + theta))))
