"""Generalised estimating equations with few clusters.

The effect is that on the population mean. The working correlation need not be right for the estimate to be
consistent or for the robust standard error to be valid with many clusters; with few, the plain sandwich is
too small, and the corrections of Kauermann-Carroll or Mancl-DeRouen with a t reference are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.mixed_sums import checked_columns, codes, group_sums
from pluseval.numerics.score_sandwich import ClusterScores, RobustTest, robust_test, score_sandwich

FAMILIES = ("gaussian", "binomial", "poisson")
CORRELATIONS = ("independence", "exchangeable")
CORRECTIONS = {"robust": "CR0", "kauermann_carroll": "CR2", "mancl_derouen": "CR3"}
MAX_STEPS = 200
CONVERGED = 1e-12
VANISHED = 1e-8  # a fitted probability, or a rate over the overall rate, below this means zero


@dataclass(frozen=True)
class GeeFit:
    """A solution of the estimating equations.

    Attributes
    ----------
    names : tuple of str
    coefficients : (k,) array
        On the scale of the link: identity, logit or log.
    naive_covariance : (k, k) array
        If the working covariance is right.
    alpha : float
        Working correlation of two rows of a cluster (0 under independence).
    scale : float
        Mean squared Pearson residual.
    family, correlation : str
    n_rows, n_clusters : int
    clusters : ClusterScores
        Information and score per cluster, scale left out.
    """

    names: tuple[str, ...]
    coefficients: np.ndarray
    naive_covariance: np.ndarray
    alpha: float
    scale: float
    family: str
    correlation: str
    n_rows: int
    n_clusters: int
    clusters: ClusterScores

    def covariance(self, correction: str = "mancl_derouen") -> np.ndarray:
        """Cluster-robust covariance (k, k).

        Parameters
        ----------
        correction : {"robust", "kauermann_carroll", "mancl_derouen", "jackknife"}
            ``jackknife`` is geepack's approximate jackknife (``std.err = "jack"``): Mancl-DeRouen times (G
            - K) / G, where K counts the coefficients, the scale and the correlation.
        """
        if correction == "jackknife":
            nuisance = 2 if self.correlation == "exchangeable" else 1
            share = (self.n_clusters - self.coefficients.size - nuisance) / self.n_clusters
            if share <= 0:
                raise DesignError("a jackknife needs more clusters than parameters; use kauermann_carroll")
            return share * score_sandwich(self.clusters, kind="CR3")
        if correction not in CORRECTIONS:
            raise DesignError(
                f"correction {correction!r} is unknown; use one of {', '.join((*CORRECTIONS, 'jackknife'))}"
            )
        return score_sandwich(self.clusters, kind=CORRECTIONS[correction])

    def test(
        self, contrast: np.ndarray, *, correction: str = "mancl_derouen", df: str | float = "residual"
    ) -> RobustTest:
        """t test of one combination of coefficients.

        Parameters
        ----------
        contrast : (k,) array
        correction : {"robust", "kauermann_carroll", "mancl_derouen"}
        df : {"residual", "satterthwaite", "clusters"} or float
            Clusters minus coefficients (default), Bell-McCaffrey, clusters minus one, or a number.
        """
        if correction not in CORRECTIONS:
            raise DesignError(f"correction {correction!r} has no t test; use one of {', '.join(CORRECTIONS)}")
        contrast = np.asarray(contrast, dtype=float)
        left = self.n_clusters - self.coefficients.size
        if df == "residual" and left < 1:
            raise DesignError(
                f"{self.n_clusters} clusters leave no degrees of freedom for "
                f"{self.coefficients.size} coefficients; "
                "use df='satterthwaite'"
            )
        return robust_test(
            float(contrast @ self.coefficients),
            self.clusters,
            contrast,
            kind=CORRECTIONS[correction],
            df=float(left) if df == "residual" else df,
        )


def gee(
    y: np.ndarray,
    x: np.ndarray,
    *,
    cluster: np.ndarray,
    family: str = "gaussian",
    correlation: str = "exchangeable",
    offset: np.ndarray | None = None,
    alpha: float | None = None,
    moments: str = "n_minus_k",
    names: tuple[str, ...] | None = None,
) -> GeeFit:
    """Fit a marginal model by generalised estimating equations with the canonical link.

    You get the effect on the population mean: a difference (gaussian), log odds ratio (binomial) or log
    rate ratio (poisson). Assumes that the mean is right and that clusters are independent.

    Parameters
    ----------
    y : (n,) array
        Outcome; 0 to 1 for binomial, at least 0 for poisson.
    x : (n, k) array
        Columns, the constant included.
    cluster : (n,) array
        Labels of clusters.
    family : {"gaussian", "binomial", "poisson"}
    correlation : {"exchangeable", "independence"}
        Working correlation within clusters.
    offset : (n,) array, optional
        Added to the linear predictor, e.g. the log of the exposure.
    alpha : float, optional
        Hold the working correlation at this value; default: from the moments of the residuals.
    moments : {"n_minus_k", "n"}
        Divisor of the moments of scale and correlation: rows (pairs) minus coefficients, as R's gee does,
        or rows (pairs), as geepack does.
    names : tuple of str, optional

    Raises
    ------
    DesignError
        Missing values, collinear columns, fewer than two clusters, an outcome outside the family's range or
        that does not vary, separated groups (an infinite odds or rate ratio), or no convergence.

    References
    ----------
    Liang and Zeger (1986), doi:10.1093/biomet/73.1.13. Equals ``geepack::geeglm`` and ``gee::gee``; the
    corrections are in ``score_sandwich``.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 3.0, 5.0, 4.0, 7.0, 8.0, 6.0])
    >>> fit = gee(y, np.ones((8, 1)), cluster=np.repeat([1, 2, 3, 4], 2), correlation="independence")
    >>> float(fit.coefficients[0])
    4.5
    >>> float(np.sqrt(fit.covariance("robust")[0, 0]).round(6))
    1.015505
    """
    for name, value, allowed in (
        ("family", family, FAMILIES),
        ("correlation", correlation, CORRELATIONS),
        ("moments", moments, ("n", "n_minus_k")),
    ):
        if value not in allowed:
            raise DesignError(f"{name} {value!r} is unknown; use one of {', '.join(allowed)}")
    y, x, _ = checked_columns(y, x, names=names)
    labels, group = codes(cluster)
    if group.shape != y.shape:
        raise DesignError(f"cluster must hold one label per row, {y.shape}; found {group.shape}")
    if labels.size < 2:
        raise DesignError("GEE needs at least 2 clusters, found 1")
    shift = np.zeros(y.size) if offset is None else np.asarray(offset, dtype=float)
    if shift.shape != y.shape or not np.all(np.isfinite(shift)):
        raise DesignError("offset must be one finite value per row; take the log of a positive exposure")
    _refuse_outcome(y, family)
    sizes = np.bincount(group).astype(float)
    pairs = float(np.sum(sizes * (sizes - 1.0)) / 2.0)
    if correlation == "exchangeable" and pairs == 0.0:
        raise DesignError(
            "every cluster has one row, so there is no correlation to estimate; use independence"
        )

    k = x.shape[1]
    lost = k if moments == "n_minus_k" else 0
    if correlation == "exchangeable" and pairs <= lost:
        raise DesignError(
            f"{pairs:.0f} pairs of rows of one cluster cannot carry a correlation beside {k} coefficients; "
            "use independence"
        )
    held = 0.0 if correlation == "independence" else alpha
    beta, rho = _start(y, x, shift, family), held or 0.0
    for _ in range(MAX_STEPS):
        white, residual = _whitened(y, x, shift, beta, family)
        information, scores = _cluster_sums(white, residual, group, sizes, rho)
        step = np.linalg.solve(information.sum(axis=0), scores.sum(axis=0))
        beta = beta + step
        white, residual = _whitened(y, x, shift, beta, family)
        scale = float(residual @ residual) / (y.size - lost)
        before = rho
        if held is None:
            sums = np.bincount(group, weights=residual)
            products = (float(sums @ sums) - float(residual @ residual)) / 2.0
            if not scale > 0:
                raise DesignError(
                    "the rows are fitted exactly: there is neither error nor correlation; check the outcome"
                )
            rho = products / (scale * (pairs - lost))
            rho = _inside(rho, sizes)
        if np.max(np.abs(white @ step)) < CONVERGED * np.sqrt(scale) + 1e-13 and abs(rho - before) < 1e-13:
            break
    else:
        raise DesignError(
            f"the equations did not converge in {MAX_STEPS} steps; use correlation='independence'"
        )
    information, scores = _cluster_sums(white, residual, group, sizes, rho)
    return GeeFit(
        names=tuple(names) if names else tuple(f"x{j}" for j in range(k)),
        coefficients=beta,
        naive_covariance=scale * np.linalg.inv(information.sum(axis=0)),
        alpha=float(rho),
        scale=scale,
        family=family,
        correlation=correlation,
        n_rows=y.size,
        n_clusters=labels.size,
        clusters=ClusterScores(information, scores, y.size),
    )


def _refuse_outcome(y: np.ndarray, family: str) -> None:
    if family == "binomial" and (y.min() < 0.0 or y.max() > 1.0):
        raise DesignError("a binomial outcome must lie between 0 and 1; use family='gaussian' for a score")
    if family == "poisson" and y.min() < 0.0:
        raise DesignError("a count cannot be negative; use family='gaussian' for a change")
    if np.ptp(y) == 0.0:
        raise DesignError("y is the same on every row; there is nothing to model")


def _refuse_separated(log_ratio: np.ndarray, shift: np.ndarray, y: np.ndarray, family: str) -> None:
    """Stop where a column marks rows with one outcome only: its log ratio has no finite value."""
    if family == "binomial":
        gone = np.abs(log_ratio + shift) > -np.log(VANISHED)
    elif family == "poisson":
        gone = log_ratio < np.log(y.sum() / np.exp(shift).sum()) + np.log(VANISHED)
    else:
        return
    if np.any(gone):
        raise DesignError(
            f"{int(gone.sum())} rows are fitted a probability of 0 or 1, or a rate of 0: a column marks only "
            "rows with one outcome, so its log ratio is infinite; leave it out or join groups"
        )


def _mean_and_variance(eta: np.ndarray, family: str) -> tuple[np.ndarray, np.ndarray]:
    if family == "gaussian":
        return eta, np.ones_like(eta)
    if family == "poisson":
        mean = np.exp(np.minimum(eta, 700.0))
        return mean, mean
    mean = 1.0 / (1.0 + np.exp(-np.clip(eta, -700.0, 700.0)))
    return mean, mean * (1.0 - mean)


def _start(y: np.ndarray, x: np.ndarray, shift: np.ndarray, family: str) -> np.ndarray:
    """The solution under independence, which alone shows separation: a working correlation can hide it."""
    if family == "gaussian":
        return np.linalg.lstsq(x, y - shift, rcond=None)[0]
    near = y + 0.5 * max(y.mean(), 1e-3) if family == "poisson" else (0.5 * y + 0.25) / (0.75 - 0.5 * y)
    beta = np.linalg.lstsq(x, np.log(near) - shift, rcond=None)[0]
    for _ in range(MAX_STEPS):
        white, residual = _whitened(y, x, shift, beta, family)
        step = np.linalg.lstsq(white, residual, rcond=None)[0]
        beta = beta + step
        _refuse_separated(x @ beta, shift, y, family)
        if np.max(np.abs(x @ step)) < 1e-6:
            return beta
    raise DesignError(f"the equations did not converge in {MAX_STEPS} steps; join groups with few events")


def _whitened(
    y: np.ndarray, x: np.ndarray, shift: np.ndarray, beta: np.ndarray, family: str
) -> tuple[np.ndarray, np.ndarray]:
    """Columns and Pearson residuals; with the canonical link the mean's derivative is variance times X."""
    mean, variance = _mean_and_variance(x @ beta + shift, family)
    root = np.sqrt(np.maximum(variance, 1e-300))
    return x * root[:, None], (y - mean) / root


def _cluster_sums(
    white: np.ndarray, residual: np.ndarray, group: np.ndarray, sizes: np.ndarray, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    """Information and score per cluster under R^-1 = (I - rho / (1 + (m - 1) rho) J) / (1 - rho)."""
    n_clusters, k = sizes.size, white.shape[1]
    products = np.stack([group_sums(group, white * white[:, [j]], n_clusters) for j in range(k)], axis=1)
    scores = group_sums(group, white * residual[:, None], n_clusters)
    if rho != 0.0:
        shrink = rho / (1.0 + (sizes - 1.0) * rho)
        sums, total = group_sums(group, white, n_clusters), np.bincount(group, weights=residual)
        products = (products - shrink[:, None, None] * sums[:, :, None] * sums[:, None, :]) / (1.0 - rho)
        scores = (scores - (shrink * total)[:, None] * sums) / (1.0 - rho)
    return products, scores


def _inside(rho: float, sizes: np.ndarray) -> float:
    """Keep the working correlation where every cluster's matrix is positive definite."""
    low = -1.0 / (sizes.max() - 1.0) if sizes.max() > 1 else -1.0
    return float(np.clip(rho, 0.95 * low, 0.999))
