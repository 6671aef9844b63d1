"""Intraclass correlation from the analysis of variance: how alike the patients of one practice are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from pluseval.errors import DesignError
from pluseval.numerics.mixed_sums import codes


@dataclass(frozen=True)
class AnovaIcc:
    """One-way analysis of variance of rows in clusters.

    Attributes
    ----------
    icc : float
        (between - within) / (between + (mean_size - 1) within); negative where clusters differ less than
        chance.
    between, within : float
        Mean squares.
    mean_size : float
        Rows per cluster, corrected for unequal sizes (n0).
    f_statistic, p_value : float
        Of no difference between clusters.
    """

    icc: float
    between: float
    within: float
    mean_size: float
    f_statistic: float
    p_value: float


def anova_icc(y: np.ndarray, cluster: np.ndarray) -> AnovaIcc:
    """Intraclass correlation by the analysis-of-variance estimator.

    Assumes one variance within all clusters; unlike REML it needs no normality for the estimate and can be
    negative.

    Parameters
    ----------
    y : (n,) array
    cluster : (n,) array
        Labels.

    Raises
    ------
    DesignError
        Missing values, fewer than two clusters, one row per cluster, or no variation.

    References
    ----------
    Donner (1986), doi:10.2307/1403259.

    Examples
    --------
    >>> found = anova_icc([1.0, 2.0, 4.0, 5.0, 6.0, 9.0], [1, 1, 2, 2, 3, 3])
    >>> round(found.icc, 4), found.mean_size
    (0.8151, 2.0)
    """
    y = np.asarray(y, dtype=float)
    labels, group = codes(np.asarray(cluster))
    if y.ndim != 1 or group.shape != y.shape:
        raise DesignError(f"y and cluster must be (n,), found {y.shape} and {group.shape}")
    if not np.all(np.isfinite(y)):
        raise DesignError(
            f"{int(np.sum(~np.isfinite(y)))} values of y are missing or infinite; drop these rows"
        )
    n, g = y.size, labels.size
    if g < 2 or n == g:
        raise DesignError(
            f"{n} rows in {g} clusters: the correlation needs 2 clusters and 2 rows in one of them"
        )
    sizes = np.bincount(group).astype(float)
    y = y - y.mean()
    means = np.bincount(group, weights=y) / sizes
    within = float(np.sum((y - means[group]) ** 2)) / (n - g)
    between = float(sizes @ means**2) / (g - 1)
    if not within + between > 0.0:
        raise DesignError("y is the same on every row; there is no variation to divide")
    mean_size = (n - float(sizes @ sizes) / n) / (g - 1)
    ratio = between / within if within > 0.0 else np.inf
    return AnovaIcc(
        icc=(between - within) / (between + (mean_size - 1.0) * within),
        between=between,
        within=within,
        mean_size=mean_size,
        f_statistic=ratio,
        p_value=float(stats.f.sf(ratio, g - 1, n - g)),
    )
