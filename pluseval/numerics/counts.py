"""Counts per unit and period: Poisson pseudo-likelihood and negative binomial, with exposure.

    E[y] = exposure x exp(x beta + unit effect + other effects)

Poisson pseudo-maximum likelihood needs only this mean to be right: the counts need not be Poisson, and the
standard error comes from the clusters. exp(beta) is a ratio of rates; beside a unit and a period effect it
is the change in the rate of the treated relative to the change of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.count_likelihood import deviance, log_likelihood, theta_slopes
from pluseval.numerics.count_scores import cluster_scores, demean, joint_scores, nested
from pluseval.numerics.mixed_sums import checked_columns, codes
from pluseval.numerics.score_sandwich import ClusterScores, RobustTest, robust_test, score_sandwich

State = tuple[np.ndarray, np.ndarray, np.ndarray]  # means, weights, swept columns
FAMILIES = ("poisson", "negative_binomial")
MAX_STEPS = 200
CONVERGED = 1e-11  # largest change of a linear predictor
VANISHED = 1e-8  # a fitted rate below this share of the overall rate means a ratio of zero
DEPENDENT = 1e-9


@dataclass(frozen=True)
class CountFit:
    """A fitted log-linear model of rates.

    Attributes
    ----------
    names : tuple of str
    coefficients : (k,) array
        Log rate ratios of the columns of X.
    model_covariance : (k, k) array
        If the counts have the model's variance (Poisson, or negative binomial with this theta).
    family : str
    theta, theta_se : float or None
        Size parameter of the negative binomial, variance mu + mu^2 / theta.
    log_likelihood, deviance : float
    dispersion : float
        Pearson chi-square over its degrees of freedom; times ``model_covariance`` gives quasi-Poisson.
    n_rows : int
        Rows that the likelihood uses.
    n_dropped : int
        Rows of absorbed groups whose counts are all zero: they say nothing about ratios and are left out.
    n_parameters : int
        Columns and all absorbed effects.
    n_absorbed : int
        Absorbed effects that CR1S counts beside the columns: 1 for units nested in clusters, else all.
    fitted : (n_rows,) array
    clusters : ClusterScores
        Of X and the effects that are kept as columns, X first; expected information with theta held.
    joint : ClusterScores or None
        Of the negative binomial: observed information, theta the last column.
    nested : bool
        Absorbed units lie within clusters (needed for CR2 and CR3).
    """

    names: tuple[str, ...]
    coefficients: np.ndarray
    model_covariance: np.ndarray
    family: str
    theta: float | None
    theta_se: float | None
    log_likelihood: float
    deviance: float
    dispersion: float
    n_rows: int
    n_dropped: int
    n_parameters: int
    n_absorbed: int
    fitted: np.ndarray
    clusters: ClusterScores
    joint: ClusterScores | None
    nested: bool

    def covariance(self, kind: str = "CR2", *, information: str = "working") -> np.ndarray:
        """Cluster-robust covariance (k, k); see ``score_sandwich`` for the kinds. CR1S is fixest's default.

        Parameters
        ----------
        kind : {"CR0", "CR1", "CR1S", "CR2", "CR3"}
        information : {"working", "joint"}
            Expected information with theta held, as sandwich and clubSandwich do; or (negative binomial,
            not CR2 or CR3) observed information of coefficients and theta together, as ``fixest::fenegbin``
            does.
        """
        self._need_nested(kind)
        k = self.coefficients.size
        if information == "working":
            return score_sandwich(self.clusters, kind=kind, n_absorbed=self.n_absorbed)[:k, :k]
        if information != "joint" or self.joint is None or kind in ("CR2", "CR3"):
            raise DesignError(
                "information must be 'working', or 'joint' for CR0, CR1 or CR1S of a negative binomial model"
            )
        return score_sandwich(self.joint, kind=kind, n_absorbed=self.n_absorbed - 1)[:k, :k]

    def test(
        self, contrast: np.ndarray, *, kind: str = "CR2", df: str | float = "satterthwaite"
    ) -> RobustTest:
        """t test of one combination of log rate ratios; ``rate_ratio`` gives its ratio."""
        self._need_nested(kind)
        k = self.coefficients.size
        contrast = np.asarray(contrast, dtype=float)
        if contrast.shape != (k,):
            raise DesignError(f"contrast must have {k} weights, one per column; found {contrast.shape}")
        padded = np.zeros(self.clusters.scores.shape[1])
        padded[:k] = contrast
        return robust_test(
            float(contrast @ self.coefficients),
            self.clusters,
            padded,
            kind=kind,
            df=df,
            n_absorbed=self.n_absorbed,
        )

    def _need_nested(self, kind: str) -> None:
        if kind in ("CR2", "CR3") and not self.nested:
            raise DesignError(
                f"{kind} needs the absorbed units to lie within clusters; cluster on the "
                "unit or above, or use CR1S"
            )


@dataclass(frozen=True)
class RateRatio:
    """A ratio of rates with its interval, and the test of ratio 1 it comes from."""

    ratio: float
    conf_low: float
    conf_high: float
    p_value: float
    convention: str


def rate_ratio(test: RobustTest, *, level: float = 0.95) -> RateRatio:
    """Turn a test of a log rate ratio into the ratio; the interval is multiplicative around it."""
    low, high = test.conf_int(level)
    return RateRatio(
        float(np.exp(test.estimate)), float(np.exp(low)), float(np.exp(high)), test.p_value, test.convention
    )


def count_model(
    y: np.ndarray,
    x: np.ndarray,
    *,
    cluster: np.ndarray,
    family: str = "poisson",
    exposure: np.ndarray | None = None,
    absorb: Sequence[np.ndarray] = (),
    names: tuple[str, ...] | None = None,
) -> CountFit:
    """Fit a log-linear model of counts.

    You get log rate ratios. Assumes the mean above; for a change of the treated relative to the others that
    their rates would have changed by the same factor (parallel trends on the log scale).

    Parameters
    ----------
    y : (n,) array
        Counts (or any outcome of at least 0 for ``poisson``).
    x : (n, k) array
        Columns; with ``absorb`` without the constant.
    cluster : (n,) array
        Labels of clusters.
    family : {"poisson", "negative_binomial"}
    exposure : (n,) array, optional
        Persons or person-years, above 0.
    absorb : sequence of (n,) arrays
        Labels of effects, e.g. ``(practice, year)``. The first is absorbed whatever its size; the others
        become columns.
    names : tuple of str, optional

    Raises
    ------
    DesignError
        Negative, missing or all-zero counts, an exposure that is not positive, collinear columns (also with
        the absorbed effects), fewer than two clusters, a column whose ratio is zero or infinite
        (separation), or negative binomial data without overdispersion.

    References
    ----------
    Gourieroux, Monfort, Trognon (1984), doi:10.2307/1913472; Santos Silva and Tenreyro (2006),
    doi:10.1162/rest.88.4.641. Equals ``fixest::fepois``, ``stats::glm`` and ``MASS::glm.nb``.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([10, 12, 20, 18, 30, 24, 40, 44])
    >>> x = np.column_stack([np.ones(8), np.repeat([0, 1], 4)])
    >>> fit = count_model(y, x, cluster=np.arange(8), exposure=np.full(8, 100.0))
    >>> float(np.exp(fit.coefficients[1]).round(6))    # 138 per 400 over 60 per 400
    2.3
    """
    if family not in FAMILIES:
        raise DesignError(f"family {family!r} is unknown; use one of {', '.join(FAMILIES)}")
    y, x, _ = checked_columns(y, x, names=names)
    offset = _log_exposure(exposure, y)
    if y.min() < 0.0:
        raise DesignError("a count cannot be negative; use a linear model for a change")
    if not np.any(y > 0.0):
        raise DesignError(
            "every count is zero, so no rate can be compared; choose a more frequent outcome or pool years"
        )
    group = codes(cluster)[1]
    if group.shape != y.shape:
        raise DesignError(f"cluster must hold one label per row, {y.shape}; found {group.shape}")
    named = tuple(names) if names else tuple(f"x{j}" for j in range(x.shape[1]))
    effects = [codes(labels)[1] for labels in absorb]
    if any(e.shape != y.shape for e in effects):
        raise DesignError("every entry of absorb must hold one label per row")
    kept = _with_counts(y, effects)
    y, x, offset = y[kept], x[kept], offset[kept]
    group, effects = codes(group[kept])[1], [codes(e[kept])[1] for e in effects]
    if group.max(initial=0) < 1:
        raise DesignError("a cluster-robust standard error needs at least 2 clusters with counts above zero")
    unit = effects[0] if effects else None
    columns = _columns(x, unit, effects[1:], named)

    theta = None
    eta, beta, state = _fit(y, columns, offset, unit, theta=np.inf, start=None)
    if family == "negative_binomial":
        theta, eta, beta, state = _fit_theta(y, columns, offset, unit, eta)
    _refuse_separated(eta - offset, y, offset)
    mu, weight, within = state
    k = x.shape[1]
    information = (within * weight[:, None]).T @ within
    n_groups = int(unit.max()) + 1 if unit is not None else 0
    within_clusters = unit is None or nested(unit, group)
    n_parameters = columns.shape[1] + n_groups
    pearson = float(np.sum((y - mu) ** 2 / mu * (weight / mu)))
    return CountFit(
        names=named,
        coefficients=beta[:k],
        model_covariance=np.linalg.inv(information)[:k, :k],
        family=family,
        theta=theta,
        theta_se=None if theta is None else float(1.0 / np.sqrt(theta_slopes(y, mu, theta)[1])),
        log_likelihood=log_likelihood(y, mu, theta),
        deviance=deviance(y, mu, theta),
        dispersion=pearson / (y.size - n_parameters),
        n_rows=y.size,
        n_dropped=int(np.sum(~kept)),
        n_parameters=n_parameters,
        n_absorbed=0 if unit is None else 1 if within_clusters else n_groups,
        fitted=mu,
        clusters=cluster_scores(within, weight, (y - mu) * weight / mu, group),
        joint=None if theta is None else joint_scores(y, mu, theta, columns, unit, group),
        nested=within_clusters,
    )


def _log_exposure(exposure: np.ndarray | None, y: np.ndarray) -> np.ndarray:
    if exposure is None:
        return np.zeros(y.size)
    exposure = np.asarray(exposure, dtype=float)
    if exposure.shape != y.shape:
        raise DesignError(f"exposure must be one value per row, {y.shape}; found {exposure.shape}")
    bad = int(np.sum(~(exposure > 0.0) | ~np.isfinite(exposure)))
    if bad:
        raise DesignError(f"{bad} values of exposure are missing or not above 0; drop these rows")
    return np.log(exposure)


def _with_counts(y: np.ndarray, effects: list[np.ndarray]) -> np.ndarray:
    """Rows of groups with a count above zero, in every absorbed effect."""
    kept = np.ones(y.size, dtype=bool)
    for _ in range(len(effects) + 1):
        for effect in effects:
            kept &= np.bincount(effect, weights=y * kept)[effect] > 0.0
    return kept


def _columns(
    x: np.ndarray, unit: np.ndarray | None, others: list[np.ndarray], named: tuple[str, ...]
) -> np.ndarray:
    """X, then the other effects as columns, without those that the units and each other already give."""
    indicators = [
        (effect[:, None] == np.arange(1 if unit is not None or i else 0, effect.max() + 1)).astype(float)
        for i, effect in enumerate(others)
    ]
    extra = np.concatenate(indicators, axis=1) if indicators else np.empty((x.shape[0], 0))

    def within(values: np.ndarray) -> np.ndarray:
        return values if unit is None else demean(values, unit, np.ones(unit.size))

    length = np.sqrt(np.sum(extra**2, axis=0))
    left = np.abs(np.diag(np.linalg.qr(within(extra) / length, mode="r"))) if extra.size else np.empty(0)
    extra = extra[:, np.flatnonzero(left > DEPENDENT)]
    both = np.concatenate([extra, x], axis=1)
    size = np.sqrt(np.sum(both**2, axis=0))
    left = np.abs(np.diag(np.linalg.qr(within(both) / np.where(size > 0, size, 1.0), mode="r")))
    if both.shape[1] > both.shape[0] or np.any(left[extra.shape[1] :] < DEPENDENT):
        column = named[int(np.argmax(left[extra.shape[1] :] < DEPENDENT))]
        raise DesignError(
            f"{column} is a combination of the columns before it and the absorbed effects; "
            "leave it out (a constant, "
            "or a column that does not change within units, cannot stand beside absorbed units)"
        )
    return np.concatenate([x, extra], axis=1)


def _fit(
    y: np.ndarray,
    columns: np.ndarray,
    offset: np.ndarray,
    unit: np.ndarray | None,
    *,
    theta: float,
    start: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, State]:
    """Iteratively reweighted least squares, the unit effects swept out of every step."""
    eta = np.log((y + y.mean()) / 2.0) if start is None else start
    value = deviance(y, np.exp(eta), None if np.isinf(theta) else theta) if start is not None else np.inf
    for _ in range(MAX_STEPS):
        mu, weight, within = _state(eta, columns, unit, theta)
        working = eta - offset + (y - mu) / mu
        target = working if unit is None else demean(working[:, None], unit, weight)[:, 0]
        root = np.sqrt(weight)
        beta = np.linalg.lstsq(within * root[:, None], target * root, rcond=None)[0]
        fitted = columns @ beta if unit is None else working - (target - within @ beta)
        step = fitted + offset - eta
        for halving in range(30):
            trial = eta + step * 0.5**halving
            new = deviance(y, np.exp(np.minimum(trial, 700.0)), None if np.isinf(theta) else theta)
            if new <= value + 1e-9 * (abs(value) if np.isfinite(value) else 1.0):
                break
        change = float(np.max(np.abs(trial - eta)))
        eta, value = trial, new
        if change < CONVERGED:
            return eta, beta, _state(eta, columns, unit, theta)
        _refuse_separated(eta - offset, y, offset)
    raise DesignError(
        f"the fit did not converge in {MAX_STEPS} steps; look for nearly collinear columns or few counts"
    )


def _state(eta: np.ndarray, columns: np.ndarray, unit: np.ndarray | None, theta: float) -> State:
    """Means, weights, and columns with the weighted unit means taken off."""
    mu = np.exp(eta)
    weight = mu if np.isinf(theta) else mu / (1.0 + mu / theta)
    return mu, weight, columns if unit is None else demean(columns, unit, weight)


def _refuse_separated(log_rate: np.ndarray, y: np.ndarray, offset: np.ndarray) -> None:
    overall = np.log(y.sum() / np.exp(offset).sum())
    lost = int(np.sum(log_rate < overall + np.log(VANISHED)))
    if lost:
        raise DesignError(
            f"{lost} rows are fitted a rate of zero: a column marks only rows without "
            "counts, so its rate ratio is zero "
            "or infinite; leave it out or join groups"
        )


def _fit_theta(
    y: np.ndarray, columns: np.ndarray, offset: np.ndarray, unit: np.ndarray | None, eta: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, State]:
    """Alternate between the coefficients and theta until both stand still."""
    if np.sum((y - np.exp(eta)) ** 2 - y) <= 0.0:
        raise DesignError(
            "the counts vary no more than Poisson counts do, so theta is infinite; use family='poisson'"
        )
    theta = y.size / float(np.sum((y / np.exp(eta) - 1.0) ** 2))
    for _ in range(MAX_STEPS):
        eta, beta, state = _fit(y, columns, offset, unit, theta=theta, start=eta)
        before = theta
        for _ in range(50):
            slope, curvature = theta_slopes(y, state[0], theta)
            # a step in log theta stays positive; far from the maximum the curvature can have the wrong sign
            size = slope / (theta * abs(curvature))
            theta = theta * float(np.exp(np.clip(size, -1.0, 1.0)))
            if abs(size) < 1e-13:
                break
        if theta > 1e8:
            raise DesignError("theta grows without end: no overdispersion; use family='poisson'")
        if abs(theta / before - 1.0) < 1e-11:
            return theta, eta, beta, state
    raise DesignError(
        f"theta did not settle in {MAX_STEPS} steps; use family='poisson' with clustered errors"
    )
