"""Generalised least squares for a panel whose periods are correlated within units: AR(1) or unstructured.

A practice x period intercept makes the patients of one practice-year alike; it does not make the years of
one practice alike beyond a constant. With more than two periods either use one change per practice, or put
the serial correlation in the model, as here, on one row per practice and period (or per patient and wave:
MMRM). The covariance is a guess that few practices cannot check: ``clusters`` takes the fit to CR2 with
Bell-McCaffrey degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from pluseval.errors import DesignError
from pluseval.numerics.mixed_inference import ContrastTests
from pluseval.numerics.mixed_sums import checked_columns, codes
from pluseval.numerics.score_sandwich import ClusterScores

STRUCTURES = ("ar1", "unstructured")
MAX_PERIODS = 12  # an unstructured covariance has T (T + 1) / 2 parameters


@dataclass(frozen=True)
class PanelFit:
    """Generalised least squares at the estimated covariance.

    Attributes
    ----------
    names : tuple of str
    coefficients : (k,) array
    covariance : (k, k) array
        Model-based.
    structure : {"ar1", "unstructured"}
    period_covariance : (T, T) array
        Within a unit, in the order of ``periods``.
    periods : (T,) array
    rho : float or None
        AR(1): correlation at a distance of one period.
    reml : bool
    log_likelihood : float
        Restricted for REML.
    n_rows, n_units : int
    satterthwaite_slopes : (m, k, k) array
        Slope of ``covariance`` in each covariance parameter.
    parameter_covariance : (m, m) array
        Of these parameters, from the observed curvature.
    clusters : ClusterScores
        Information and score per unit, for ``score_sandwich`` (CR2 on top of the working covariance).
    """

    names: tuple[str, ...]
    coefficients: np.ndarray
    covariance: np.ndarray
    structure: str
    period_covariance: np.ndarray
    periods: np.ndarray
    rho: float | None
    reml: bool
    log_likelihood: float
    n_rows: int
    n_units: int
    satterthwaite_slopes: np.ndarray
    parameter_covariance: np.ndarray
    clusters: ClusterScores

    @property
    def std_errors(self) -> np.ndarray:
        """Model-based standard errors."""
        return np.sqrt(np.diag(self.covariance))

    def satterthwaite(self, contrasts: np.ndarray | None = None) -> ContrastTests:
        """t tests with Satterthwaite's degrees of freedom; ``contrasts`` (r, k), default each coefficient."""
        rows = np.eye(self.coefficients.size) if contrasts is None else np.atleast_2d(contrasts).astype(float)
        if rows.shape[1] != self.coefficients.size:
            raise DesignError(f"contrasts must have {self.coefficients.size} columns, found {rows.shape[1]}")
        variance = np.einsum("ra,ab,rb->r", rows, self.covariance, rows)
        slope = np.einsum("ra,mab,rb->rm", rows, self.satterthwaite_slopes, rows)
        df = 2.0 * variance**2 / np.einsum("rm,mn,rn->r", slope, self.parameter_covariance, slope)
        return ContrastTests("satterthwaite", rows @ self.coefficients, np.sqrt(variance), df)


@dataclass(frozen=True)
class _Pattern:
    """Units seen in the same periods: (N, T_o, k + 1) columns of X and y, and the places of these periods."""

    places: np.ndarray
    units: np.ndarray
    values: np.ndarray


def panel_gls(
    y: np.ndarray,
    x: np.ndarray,
    *,
    unit: np.ndarray,
    period: np.ndarray,
    structure: str = "ar1",
    reml: bool = True,
    names: tuple[str, ...] | None = None,
) -> PanelFit:
    """Fit a linear model with correlated periods within units by (restricted) maximum likelihood.

    You get coefficients and model-based standard errors. Assumes normal errors with one covariance for all
    units; rows may be missing at random. There is no unit intercept beside the covariance: AR(1) and
    unstructured contain what a unit has in common.

    Parameters
    ----------
    y : (n,) array
        One value per unit and period, e.g. a practice's mean of the year.
    x : (n, k) array
        Columns, the constant included; the group itself must be a column beside its interaction with time.
    unit : (n,) array
        Labels of units.
    period : (n,) array
        Numbers of periods; for AR(1) their distance counts, gaps included.
    structure : {"ar1", "unstructured"}
        ``ar1``: one variance, correlation rho ** distance. ``unstructured``: every variance and covariance
        free.
    reml : bool
    names : tuple of str, optional

    Raises
    ------
    DesignError
        Missing values, collinear columns, a unit with two rows in one period, fewer than two units or
        periods, too many periods or too few units for ``unstructured``, or an outcome that does not vary.

    References
    ----------
    Pinheiro and Bates (2000), doi:10.1007/b98882, chapter 5. For REML equals ``nlme::gls`` with ``corAR1``,
    or with ``corSymm`` and ``varIdent``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> unit, period = np.repeat(range(200), 4), np.tile(range(4), 200)
    >>> chain = np.linalg.cholesky(0.6 ** abs(np.subtract.outer(range(4), range(4))))
    >>> y = (rng.normal(size=(200, 4)) @ chain.T).ravel()
    >>> fit = panel_gls(y, np.ones((800, 1)), unit=unit, period=period)
    >>> 0.5 < fit.rho < 0.7
    True
    """
    if structure not in STRUCTURES:
        raise DesignError(f"structure {structure!r} is unknown; use one of {', '.join(STRUCTURES)}")
    y, x, triangle = checked_columns(y, x, names=names)
    k = x.shape[1]
    basis = x @ np.linalg.inv(triangle)
    residual = y - basis @ (basis.T @ y)
    spread = float(np.sqrt(residual @ residual / (y.size - k)))
    if spread <= 1e-10 * float(np.sqrt(np.mean(y**2))):
        raise DesignError("y does not vary once the columns of X are taken out; there is nothing to model")
    units, unit = codes(unit)
    periods, period = codes(period)
    patterns = _patterns(np.column_stack([basis, residual / spread]), unit, period, periods.size)
    _refuse_panel(units.size, periods, unit, period, structure, patterns)
    build, start = _structure(structure, periods)

    def value(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        sigma, slopes = build(parameters)
        found, score = _likelihood(patterns, sigma, k, reml=reml)[:2]
        return found, np.einsum("st,mst->m", score, slopes)

    best = optimize.minimize(value, start, jac=True, method="BFGS", options={"gtol": 1e-7, "maxiter": 2_000})
    parameters = _polish(value, best.x)
    sigma, _ = build(parameters)
    minimum, _, phi, beta = _likelihood(patterns, sigma, k, reml=reml)
    curvature, slopes = _differences(value, build, parameters, patterns, k, reml)
    back = np.linalg.inv(triangle)
    log_scale = y.size - k if reml else y.size
    deviance = minimum + 2.0 * log_scale * np.log(spread)
    deviance += 2.0 * float(np.log(np.abs(np.diag(triangle))).sum()) if reml else 0.0
    clusters = _unit_scores(patterns, sigma, beta, units.size, spread)
    return PanelFit(
        names=tuple(names) if names else tuple(f"x{j}" for j in range(k)),
        coefficients=back @ (basis.T @ y + spread * beta),
        covariance=spread**2 * back @ phi @ back.T,
        structure=structure,
        period_covariance=spread**2 * sigma,
        periods=periods,
        rho=float(np.tanh(parameters[1])) if structure == "ar1" else None,
        reml=reml,
        log_likelihood=-0.5 * deviance,
        n_rows=y.size,
        n_units=units.size,
        satterthwaite_slopes=spread**2 * back @ slopes @ back.T,
        parameter_covariance=2.0 * np.linalg.inv(curvature),
        clusters=ClusterScores(
            triangle.T @ clusters.information @ triangle, clusters.scores @ triangle, clusters.n_rows
        ),
    )


def _patterns(
    columns: np.ndarray, unit: np.ndarray, period: np.ndarray, n_periods: int
) -> tuple[_Pattern, ...]:
    order = np.lexsort((period, unit))
    unit, period, columns = unit[order], period[order], columns[order]
    if np.any((np.diff(unit) == 0) & (np.diff(period) == 0)):
        raise DesignError(
            "a unit has two rows in one period; take their mean, or use mixed_model for patients"
        )
    seen = np.zeros((int(unit.max()) + 1, n_periods), dtype=bool)
    seen[unit, period] = True
    kinds, kind = np.unique(seen, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    found = []
    for j, places in enumerate(kinds):
        rows = kind[unit] == j
        found.append(
            _Pattern(
                np.flatnonzero(places),
                np.flatnonzero(kind == j),
                columns[rows].reshape(-1, int(places.sum()), columns.shape[1]),
            )
        )
    return tuple(found)


def _refuse_panel(
    n_units: int,
    periods: np.ndarray,
    unit: np.ndarray,
    period: np.ndarray,
    structure: str,
    patterns: tuple[_Pattern, ...],
) -> None:
    if n_units < 2:
        raise DesignError("a covariance between periods needs at least 2 units, found 1")
    if all(p.places.size < 2 for p in patterns):
        raise DesignError("no unit is seen in two periods, so there is no serial correlation to estimate")
    if structure == "ar1":
        if periods.dtype.kind not in "iuf":
            raise DesignError("ar1 needs periods as numbers; their distance gives the correlation")
        return
    if periods.size > MAX_PERIODS:
        raise DesignError(
            f"{periods.size} periods are too many for an unstructured covariance; use structure='ar1'"
        )
    together = np.zeros((periods.size, periods.size))
    for p in patterns:
        together[np.ix_(p.places, p.places)] += p.units.size
    if together.min() < periods.size + 1:
        raise DesignError(
            f"two periods share only {int(together.min())} units, too few for an unstructured covariance of "
            f"{periods.size} periods; use structure='ar1'"
        )


def _structure(structure: str, periods: np.ndarray) -> tuple[Callable, np.ndarray]:
    """Covariance and its slopes in free parameters: (log variance, atanh rho), or a log-Cholesky factor."""
    if structure == "ar1":
        distance = np.abs(np.subtract.outer(periods, periods)).astype(float)

        def ar1(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            variance, rho = np.exp(parameters[0]), np.tanh(parameters[1])
            size = max(abs(rho), 1e-12)
            sign = np.where((distance % 2 == 1) & (rho < 0), -1.0, 1.0)
            sigma = variance * sign * size**distance
            slope = (
                variance
                * distance
                * sign
                * np.sign(rho if rho else 1.0)
                * size ** np.maximum(distance - 1, 0)
            )
            return sigma, np.stack([sigma, np.where(distance > 0, slope, 0.0) * (1.0 - rho**2)])

        return ar1, np.array([0.0, 0.2])
    t = periods.size
    low = np.tril_indices(t)
    diagonal = low[0] == low[1]

    def free(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        factor = np.zeros((t, t))
        factor[low] = np.where(diagonal, np.exp(np.where(diagonal, parameters, 0.0)), parameters)
        slopes = np.zeros((parameters.size, t, t))
        for m, (i, j) in enumerate(zip(*low, strict=True)):
            change = factor[i, j] if i == j else 1.0
            slopes[m, i] += change * factor[:, j]
            slopes[m, :, i] += change * factor[:, j]
        return factor @ factor.T, slopes

    return free, np.zeros(low[0].size)


def _likelihood(
    patterns: tuple[_Pattern, ...], sigma: np.ndarray, k: int, *, reml: bool
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """-2 log L, its slope in every entry of the covariance (T, T), (X' V^-1 X)^-1 and the coefficients."""
    gram, log_determinant, n_rows = np.zeros((k + 1, k + 1)), 0.0, 0
    pulled = []
    for p in patterns:
        inverse = np.linalg.inv(sigma[np.ix_(p.places, p.places)])
        u = inverse @ p.values
        gram += np.tensordot(p.values, u, axes=([0, 1], [0, 1]))
        log_determinant += p.units.size * np.linalg.slogdet(sigma[np.ix_(p.places, p.places)])[1]
        n_rows += p.values.shape[0] * p.values.shape[1]
        pulled.append((inverse, u))
    phi = np.linalg.inv(gram[:-1, :-1])
    beta = phi @ gram[:-1, -1]
    contrast = np.append(-beta, 1.0)
    value = log_determinant + contrast @ gram @ contrast
    value += (n_rows - k if reml else n_rows) * np.log(2.0 * np.pi)
    value -= np.linalg.slogdet(phi)[1] if reml else 0.0
    score = np.zeros_like(sigma)
    for p, (inverse, u) in zip(patterns, pulled, strict=True):
        residual = u @ contrast
        used = residual.T @ residual
        if reml:
            used = used + np.tensordot(u[:, :, :-1] @ phi, u[:, :, :-1], axes=([0, 2], [0, 2]))
        score[np.ix_(p.places, p.places)] += p.units.size * inverse - used
    return float(value), score, phi, beta


def _polish(value: Callable, parameters: np.ndarray) -> np.ndarray:
    """Newton steps on the slopes: BFGS stops a little before the minimum."""
    for _ in range(5):
        slope = value(parameters)[1]
        curvature = _jacobian(lambda v: value(v)[1], parameters)
        values, vectors = np.linalg.eigh((curvature + curvature.T) / 2.0)
        if values[0] <= 1e-8 * values[-1]:
            raise DesignError(
                "the covariance between periods is singular; use structure='ar1', or fewer periods"
            )
        step = vectors @ ((vectors.T @ slope) / values)
        if value(parameters - step)[0] > value(parameters)[0]:
            return parameters
        parameters = parameters - step
        if np.max(np.abs(step)) < 1e-9:
            return parameters
    return parameters


def _differences(
    value: Callable,
    build: Callable,
    parameters: np.ndarray,
    patterns: tuple[_Pattern, ...],
    k: int,
    reml: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Curvature of -2 log L and slopes of (X' V^-1 X)^-1 in the parameters, by central differences."""
    curvature = _jacobian(lambda v: value(v)[1], parameters)
    slopes = _jacobian(lambda v: _likelihood(patterns, build(v)[0], k, reml=reml)[2].ravel(), parameters)
    return (curvature + curvature.T) / 2.0, slopes.T.reshape(parameters.size, k, k)


def _jacobian(function: Callable, at: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """Columns are slopes in each parameter; two step sizes combined, so the error is of fourth order."""
    columns = []
    for unit in np.eye(at.size):
        near = (function(at + step * unit) - function(at - step * unit)) / (2 * step)
        far = (function(at + 2 * step * unit) - function(at - 2 * step * unit)) / (4 * step)
        columns.append((4.0 * near - far) / 3.0)
    return np.stack(columns, axis=-1)


def _unit_scores(
    patterns: tuple[_Pattern, ...], sigma: np.ndarray, beta: np.ndarray, n_units: int, spread: float
) -> ClusterScores:
    k = beta.size
    information, scores, n_rows = np.zeros((n_units, k, k)), np.zeros((n_units, k)), 0
    for p in patterns:
        u = np.linalg.inv(sigma[np.ix_(p.places, p.places)]) @ p.values
        information[p.units] = np.einsum("nta,ntb->nab", p.values[:, :, :k], u[:, :, :k]) / spread**2
        residual = p.values @ np.append(-beta, 1.0)
        scores[p.units] = np.einsum("nta,nt->na", u[:, :, :k], residual) / spread
        n_rows += residual.size
    return ClusterScores((information + information.swapaxes(1, 2)) / 2.0, scores, n_rows)
