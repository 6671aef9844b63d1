"""Information and scores of clusters in models of counts, absorbed unit effects swept out."""

from __future__ import annotations

import numpy as np

from pluseval.numerics.count_likelihood import theta_slope_rows
from pluseval.numerics.mixed_sums import group_sums
from pluseval.numerics.score_sandwich import ClusterScores


def demean(values: np.ndarray, unit: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Take the weighted mean of each unit off the columns (n, q)."""
    n = int(unit.max()) + 1
    total = np.bincount(unit, weights=weight, minlength=n)
    return values - (group_sums(unit, values * weight[:, None], n) / total[:, None])[unit]


def nested(unit: np.ndarray, group: np.ndarray) -> bool:
    """Whether every unit lies in one cluster."""
    home = np.empty(int(unit.max()) + 1, dtype=group.dtype)
    home[unit] = group
    return bool(np.all(home[unit] == group))


def joint_scores(
    y: np.ndarray,
    mu: np.ndarray,
    theta: float,
    columns: np.ndarray,
    unit: np.ndarray | None,
    group: np.ndarray,
) -> ClusterScores:
    """Observed information and scores of the coefficients and theta, unit effects swept out.

    The mixed derivative of the likelihood in the linear predictor and theta is the weight times a
    pseudo-column, so theta is swept like any column, plus what its own curvature has beyond that.
    """
    weight = mu * (1.0 + y / theta) / (1.0 + mu / theta) ** 2
    slope = (y - mu) / (1.0 + mu / theta)
    mixed = -mu * (y - mu) / (theta + mu) ** 2 / weight
    theta_slope, theta_curvature = theta_slope_rows(y, mu, theta)
    every = np.concatenate([columns, mixed[:, None]], axis=1)
    within = every if unit is None else demean(every, unit, weight)
    found = cluster_scores(within, weight, slope, group)
    n = found.scores.shape[0]
    scores, information = found.scores.copy(), found.information.copy()
    scores[:, -1] += np.bincount(group, weights=theta_slope - mixed * slope, minlength=n)
    information[:, -1, -1] += np.bincount(group, weights=theta_curvature - mixed**2 * weight, minlength=n)
    return ClusterScores(information, scores, y.size)


def cluster_scores(
    within: np.ndarray, weight: np.ndarray, residual: np.ndarray, group: np.ndarray
) -> ClusterScores:
    """Sums per cluster of the weighted cross products and of columns times residual."""
    n = int(group.max()) + 1
    weighted = within * weight[:, None]
    information = np.stack(
        [group_sums(group, weighted * within[:, [j]], n) for j in range(within.shape[1])], axis=1
    )
    return ClusterScores(information, group_sums(group, within * residual[:, None], n), residual.size)
