"""Cluster-robust covariance of estimating equations from sums per cluster, with small-sample corrections.

Every estimator whose equations add up over clusters (GEE, generalised least squares, Poisson, negative
binomial) gives per cluster an information matrix ``B_i`` (k x k, adding to B) and a score ``u_i`` (k). With
B^-1 = C C' and ``S_i = C' B_i C``, which lies between 0 and 1 and is the cluster's leverage, all
corrections are powers of I - S_i:

    covariance = C [ sum t_i t_i' ] C',    t_i = (I - S_i)^-p C' u_i

p = 0 is the plain sandwich (CR0), 1/2 Kauermann-Carroll (CR2), 1 Mancl-DeRouen (CR3). So the matrices have
as many rows as there are coefficients, however many rows a cluster has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from pluseval.errors import DesignError

POWERS = {"CR0": 0.0, "CR1": 0.0, "CR1S": 0.0, "CR2": 0.5, "CR3": 1.0}
SINGULAR = 1e-8  # 1 - leverage below which a cluster alone fixes a direction of the coefficients


@dataclass(frozen=True)
class ClusterScores:
    """What the clusters contribute at the solution.

    Attributes
    ----------
    information : (G, k, k) array
        Symmetric, adding to the derivative of the estimating equations.
    scores : (G, k) array
        Adding to zero.
    n_rows : int
        Rows of data, for CR1S.
    """

    information: np.ndarray
    scores: np.ndarray
    n_rows: int

    def __post_init__(self) -> None:
        g, k = self.scores.shape
        if self.information.shape != (g, k, k):
            raise DesignError(f"information must be {(g, k, k)}, found {self.information.shape}")
        if g < 2:
            raise DesignError(f"a cluster-robust covariance needs at least 2 clusters, found {g}")


@dataclass(frozen=True)
class RobustTest:
    """A t test of one combination of coefficients, with its interval from the same procedure."""

    estimate: float
    std_error: float
    df: float
    convention: str

    @property
    def statistic(self) -> float:
        """Estimate over standard error."""
        return self.estimate / self.std_error

    @property
    def p_value(self) -> float:
        """Two-sided, from t(df)."""
        return float(2.0 * stats.t.sf(abs(self.statistic), self.df))

    def conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """Ends of the interval at ``level``."""
        width = float(stats.t.ppf(0.5 + level / 2.0, self.df)) * self.std_error
        return self.estimate - width, self.estimate + width


def score_sandwich(clusters: ClusterScores, *, kind: str, n_absorbed: int = 0) -> np.ndarray:
    """Covariance (k, k) of the coefficients.

    Parameters
    ----------
    clusters : ClusterScores
    kind : {"CR0", "CR1", "CR1S", "CR2", "CR3"}
        CR1 multiplies CR0 by G / (G - 1), CR1S also by (N - 1) / (N - K); CR2 and CR3 correct for leverage.
    n_absorbed : int
        Absorbed effects that K counts beside the k columns (those nested in clusters are not counted, as in
        fixest).

    Raises
    ------
    DesignError
        CR3 where one cluster alone determines a coefficient.

    References
    ----------
    Kauermann and Carroll (2001), doi:10.1198/016214501753382309; Mancl and DeRouen (2001),
    doi:10.1111/j.0006-341X.2001.00126.x; Pustejovsky and Tipton (2018), doi:10.1080/07350015.2016.1247004.
    CR0 and CR3 equal ``clubSandwich::vcovCR`` where the weights are the inverse of the working covariance.
    CR2 is Kauermann and Carroll's; clubSandwich takes another root of the same matrix. The two are equal
    where working variances within a cluster are equal or its rows share no column (a saturated 2x2);
    elsewhere the standard errors differ in the fourth digit. Both make the variance estimate unbiased under
    the working covariance.
    """
    root, turned, _ = _turned(clusters, kind)
    covariance = root @ (turned.T @ turned) @ root.T
    g, k = clusters.scores.shape
    if kind in ("CR1", "CR1S"):
        covariance = covariance * g / (g - 1.0)
    if kind == "CR1S":
        covariance = covariance * (clusters.n_rows - 1.0) / (clusters.n_rows - k - n_absorbed)
    return (covariance + covariance.T) / 2.0


def satterthwaite_df(clusters: ClusterScores, contrast: np.ndarray, *, kind: str) -> float:
    """Bell and McCaffrey's degrees of freedom of the variance estimate of one combination of coefficients.

    The moments of the variance estimate are those under the working covariance.

    References
    ----------
    Bell and McCaffrey (2002), Survey Methodology 28(2); equals ``clubSandwich::coef_test(test =
    "Satterthwaite")``.
    """
    root, _, leverage = _turned(clusters, kind)
    values, vectors = leverage
    aim = np.asarray(contrast, dtype=float) @ root
    seen = np.einsum("gab,a->gb", vectors, aim)  # in each cluster's own directions
    g = seen * _power(values, POWERS[kind])
    h = np.einsum("gab,gb->ga", vectors, values * g)
    diagonal = np.einsum("gb,gb,gb->g", g, values, g)
    cross = h.T @ h
    trace = diagonal.sum() - np.trace(cross)
    squares = np.sum(diagonal**2) - 2.0 * np.sum(diagonal * np.sum(h**2, axis=1)) + np.sum(cross**2)
    return float(trace**2 / squares)


def robust_test(
    estimate: float,
    clusters: ClusterScores,
    contrast: np.ndarray,
    *,
    kind: str = "CR2",
    df: str | float = "satterthwaite",
    n_absorbed: int = 0,
) -> RobustTest:
    """t test of one combination of coefficients.

    Parameters
    ----------
    df : {"satterthwaite", "clusters"} or float
        Bell-McCaffrey (default), clusters minus one, or a number of your own.

    Raises
    ------
    DesignError
        One cluster alone fixes the combination (one treated practice): it has no variance between clusters.
    """
    contrast = np.asarray(contrast, dtype=float)
    root, _, (values, vectors) = _turned(clusters, "CR0")
    aim = contrast @ root
    load = np.abs(np.einsum("gab,a->gb", vectors, aim))[values > 1.0 - SINGULAR]
    if np.any(load > 1e-6 * np.sqrt(aim @ aim)):
        raise DesignError(
            "one cluster alone fixes this combination of coefficients, so its variance "
            "between clusters cannot "
            "be estimated; with one treated practice use placebo assignments"
        )
    variance = float(contrast @ score_sandwich(clusters, kind=kind, n_absorbed=n_absorbed) @ contrast)
    if df == "satterthwaite":
        freedom, said = satterthwaite_df(clusters, contrast, kind=kind), "Satterthwaite df"
    elif df == "clusters":
        freedom, said = clusters.scores.shape[0] - 1.0, "t(G - 1)"
    elif isinstance(df, str):
        raise DesignError(f"df {df!r} is unknown; use 'satterthwaite', 'clusters' or a number")
    else:
        freedom, said = float(df), f"t({df:g})"
    if not freedom > 0.0 or not variance > 0.0:
        raise DesignError(
            "the variance of this combination cannot be estimated; every cluster fixes it exactly"
        )
    return RobustTest(float(estimate), float(np.sqrt(variance)), freedom, f"{kind}, {said}")


def _turned(
    clusters: ClusterScores, kind: str
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """C, the corrected scores t_i, and the eigenvalues and eigenvectors of every S_i."""
    if kind not in POWERS:
        raise DesignError(f"kind {kind!r} is unknown; use one of {', '.join(POWERS)}")
    total = clusters.information.sum(axis=0)
    try:
        root = np.linalg.inv(np.linalg.cholesky(total)).T
    except np.linalg.LinAlgError:
        raise DesignError("the columns of X are collinear at the solution; leave one of them out") from None
    leverage = root.T @ clusters.information @ root
    values, vectors = np.linalg.eigh((leverage + leverage.swapaxes(1, 2)) / 2.0)
    values = np.clip(values, 0.0, 1.0)
    if kind == "CR3" and np.any(values > 1.0 - SINGULAR):
        raise DesignError(
            "one cluster alone determines a coefficient, so the leave-one-out correction "
            "does not exist; use CR2"
        )
    own = np.einsum("gab,ga->gb", vectors, clusters.scores @ root)
    turned = np.einsum("gab,gb->ga", vectors, _power(values, POWERS[kind]) * own)
    return root, turned, (values, vectors)


def _power(values: np.ndarray, power: float) -> np.ndarray:
    """(1 - leverage)^-power, and 0 in the directions that a cluster fixes alone (Moore-Penrose)."""
    if power == 0.0:
        return np.ones_like(values)
    left = 1.0 - values
    fixed = left < SINGULAR
    return np.where(fixed, 0.0, np.where(fixed, 1.0, left) ** -power)
