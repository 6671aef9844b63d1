"""Tests of coefficients of a linear mixed model with few practices: Satterthwaite, Kenward-Roger.

Dividing a coefficient by its model-based standard error and using the normal distribution rejects too often
with few practices. Satterthwaite keeps the standard error and finds t degrees of freedom from the precision
of the variances; Kenward and Roger also enlarge the standard error for the variances being estimated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from pluseval.errors import DesignError
from pluseval.numerics.mixed import LinearMixedModel
from pluseval.numerics.mixed_likelihood import Criterion, Pieces, criterion, pieces


@dataclass(frozen=True)
class ContrastTests:
    """t tests of r linear combinations of the coefficients; every array is (r,).

    ``method`` is ``"satterthwaite"`` or ``"kenward_roger"``; the interval is from the same procedure as the
    p-value.
    """

    method: str
    estimates: np.ndarray
    std_errors: np.ndarray
    df: np.ndarray

    @property
    def statistics(self) -> np.ndarray:
        """Estimate over standard error."""
        return self.estimates / self.std_errors

    @property
    def p_values(self) -> np.ndarray:
        """Two-sided, from t(df)."""
        return 2.0 * stats.t.sf(np.abs(self.statistics), self.df)

    def conf_int(self, level: float = 0.95) -> np.ndarray:
        """Interval ends, (r, 2)."""
        width = stats.t.ppf(0.5 + level / 2.0, self.df) * self.std_errors
        return np.stack([self.estimates - width, self.estimates + width], axis=1)


@dataclass(frozen=True)
class JointTest:
    """F test of several combinations at once; ``scaling`` multiplies F under Kenward-Roger (else 1)."""

    method: str
    statistic: float
    df_numerator: int
    df_denominator: float
    scaling: float

    @property
    def p_value(self) -> float:
        """Upper tail of F."""
        return float(stats.f.sf(self.statistic, self.df_numerator, self.df_denominator))


def satterthwaite(model: LinearMixedModel, contrasts: np.ndarray | None = None) -> ContrastTests:
    """t tests with Satterthwaite's degrees of freedom.

    Assumes the model; the variances' precision comes from the observed curvature of the criterion at its
    minimum. A variance at zero is held there and adds nothing.

    Parameters
    ----------
    model : LinearMixedModel
        ML or REML.
    contrasts : (r, k) array, optional
        Rows of weights of the coefficients; default each coefficient.

    References
    ----------
    Giesbrecht and Burns (1985), doi:10.2307/2530872. Equals ``lmerTest::contest1D(ddf = "Satterthwaite")``.

    Examples
    --------
    >>> import numpy as np
    >>> from pluseval.numerics.mixed import mixed_model
    >>> y = np.array([1.0, 2.0, 4.0, 5.0, 6.0, 9.0])
    >>> model = mixed_model(y, np.ones((6, 1)), practice=np.array([1, 1, 2, 2, 3, 3]))
    >>> float(satterthwaite(model).df[0].round(6))   # three practices, balanced: 2
    2.0
    """
    rows = _contrasts(model, contrasts)
    spread, precision, turned = _satterthwaite_parts(model, rows)
    variance = np.sum(rows @ model.covariance * rows, axis=1)
    gradient = np.einsum("ra,cab,rb->rc", turned, spread, turned)
    df = 2.0 * variance**2 / np.einsum("rc,cd,rd->r", gradient, precision, gradient)
    return ContrastTests("satterthwaite", rows @ model.coefficients, np.sqrt(variance), df)


def kenward_roger(model: LinearMixedModel, contrasts: np.ndarray | None = None) -> ContrastTests:
    """t tests with Kenward and Roger's standard error and degrees of freedom.

    Assumes the model. Uses the expected information of all variances, also of one estimated as zero, as
    pbkrtest does.

    Parameters
    ----------
    model : LinearMixedModel
        Fitted by REML.
    contrasts : (r, k) array, optional
        Rows of weights of the coefficients; default each coefficient.

    Raises
    ------
    DesignError
        A model fitted by maximum likelihood.

    References
    ----------
    Kenward and Roger (1997), doi:10.2307/2533558. Equals ``pbkrtest::vcovAdj`` and ``pbkrtest::Lb_ddf``.

    Examples
    --------
    >>> import numpy as np
    >>> from pluseval.numerics.mixed import mixed_model
    >>> y = np.array([1.0, 2.0, 4.0, 5.0, 6.0, 9.0])
    >>> model = mixed_model(y, np.ones((6, 1)), practice=np.array([1, 1, 2, 2, 3, 3]))
    >>> kenward_roger(model).std_errors.round(6) == model.std_errors.round(6)   # balanced: no adjustment
    array([ True])
    """
    rows = _contrasts(model, contrasts)
    parts = _kenward_roger_parts(model)
    turned = rows @ np.linalg.inv(model.sums.basis)
    adjusted = np.einsum("ra,ab,rb->r", turned, parts.adjusted, turned)
    df = np.array([parts.df_and_scaling(row[None, :])[0] for row in turned])
    return ContrastTests("kenward_roger", rows @ model.coefficients, np.sqrt(adjusted), df)


def joint_test(model: LinearMixedModel, contrasts: np.ndarray, *, method: str) -> JointTest:
    """F test that all rows of ``contrasts`` @ coefficients are zero.

    Parameters
    ----------
    contrasts : (r, k) array
        Linearly independent rows.
    method : {"kenward_roger", "satterthwaite"}

    References
    ----------
    Equals ``lmerTest::contestMD`` with the same ``ddf``, and ``pbkrtest::KRmodcomp``.
    """
    rows = _contrasts(model, contrasts)
    if np.linalg.matrix_rank(rows) < rows.shape[0]:
        raise DesignError("the rows of contrasts depend on each other; drop the redundant ones")
    if method == "kenward_roger":
        parts = _kenward_roger_parts(model)
        turned = rows @ np.linalg.inv(model.sums.basis)
        value = rows @ model.coefficients
        wald = value @ np.linalg.solve(turned @ parts.adjusted @ turned.T, value) / rows.shape[0]
        df, scaling = parts.df_and_scaling(turned)
        return JointTest(method, float(scaling * wald), rows.shape[0], df, scaling)
    if method != "satterthwaite":
        raise DesignError(f"method {method!r} is unknown; use 'kenward_roger' or 'satterthwaite'")
    # independent directions of the combinations, each with its own degrees of freedom
    directions = np.linalg.eigh(rows @ model.covariance @ rows.T)[1]
    single = satterthwaite(model, directions.T @ rows)
    statistic = float(np.mean(single.statistics**2))
    nu = single.df
    if rows.shape[0] == 1 or np.ptp(nu) < 1e-8 * np.max(nu):
        df = float(nu.mean())
    elif np.any(nu <= 2.0):
        df = 2.0
    else:
        expected = float(np.sum(nu / (nu - 2.0)))
        df = 2.0 * expected / (expected - rows.shape[0])
    return JointTest(method, statistic, rows.shape[0], df, 1.0)


def _contrasts(model: LinearMixedModel, contrasts: np.ndarray | None) -> np.ndarray:
    k = model.coefficients.size
    rows = np.eye(k) if contrasts is None else np.atleast_2d(np.asarray(contrasts, dtype=float))
    if rows.shape[1] != k:
        raise DesignError(f"contrasts must have {k} columns, one per coefficient; found {rows.shape[1]}")
    if np.any(np.all(rows == 0, axis=1)):
        raise DesignError("a row of contrasts holds only zeros; it tests nothing")
    return rows


def _at_estimate(model: LinearMixedModel) -> tuple[Pieces, Criterion]:
    found = pieces(model.sums, model.ratios, effects=model.effects)
    return found, criterion(found, n_rows=model.n_rows, reml=model.reml)


def _satterthwaite_parts(
    model: LinearMixedModel, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found, best = _at_estimate(model)
    k = model.coefficients.size
    free = np.append(True, model.ratios > 0.0)
    precision = np.zeros((free.size, free.size))
    values, vectors = np.linalg.eigh(best.observed[np.ix_(free, free)])
    keep = values > 1e-12 * values[-1]
    precision[np.ix_(free, free)] = 2.0 * (vectors[:, keep] / values[keep]) @ vectors[:, keep].T
    spread = best.sigma2 * best.unscaled @ found.first[:, :k, :k] @ best.unscaled
    return spread, precision, rows @ np.linalg.inv(model.sums.basis)


@dataclass(frozen=True)
class _KenwardRoger:
    """Matrices of Kenward and Roger in the basis of the sums: Phi, its adjustment, P_i (positive sign), W."""

    phi: np.ndarray
    adjusted: np.ndarray
    first: np.ndarray
    weights: np.ndarray

    def df_and_scaling(self, rows: np.ndarray) -> tuple[float, float]:
        """Denominator degrees of freedom, and the factor on F, of q combinations."""
        q = rows.shape[0]
        theta = rows.T @ np.linalg.solve(rows @ self.phi @ rows.T, rows)
        u = theta @ self.phi @ self.first @ self.phi
        trace = np.trace(u, axis1=1, axis2=2)
        a1 = trace @ self.weights @ trace
        a2 = np.sum(self.weights * np.einsum("iab,jba->ij", u, u))
        if not a2 > 0.0:
            return np.inf, 1.0
        b = (a1 + 6.0 * a2) / (2.0 * q)
        g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
        c = 3 * q + 2 * (1 - g)
        v0, v1, v2 = 1 + g / c * b, 1 - (q - g) / c * b, 1 - (q + 2 - g) / c * b
        v0 = 0.0 if abs(v0) < 1e-10 else v0
        ratio = 1.0 if abs(1 - a2 / q) < 1e-14 and abs(v1) < 1e-14 else (1 - a2 / q) / v1
        rho = ratio**2 * v0 / v2 / q
        df = 4.0 + (q + 2) / (q * rho - 1.0)
        scaling = 1.0 if abs(df - 2.0) < 0.01 else df * (1 - a2 / q) / (df - 2.0)
        return float(df), float(scaling)


def _kenward_roger_parts(model: LinearMixedModel) -> _KenwardRoger:
    if not model.reml:
        raise DesignError(
            "Kenward-Roger is defined for REML; fit the model with reml=True, or use satterthwaite"
        )
    found, best = _at_estimate(model)
    k = model.coefficients.size
    phi = best.unscaled
    p, q = found.first[:, :k, :k], found.second[:, :, :k, :k]
    information = (
        found.trace_products
        - 2.0 * np.einsum("ab,ijab->ij", phi, q)
        + np.einsum("iab,jba->ij", phi @ p, phi @ p)
    )
    scale = np.sqrt(np.diag(information))
    scaled = information / np.outer(scale, scale)
    # an information matrix that is singular at the estimate is inverted on its range, as pbkrtest does
    weights = 2.0 * np.linalg.pinv(scaled, rcond=1e-12, hermitian=True) / np.outer(scale, scale)
    bend = np.einsum("ij,ijab->ab", weights, q - np.einsum("iac,cd,jdb->ijab", p, phi, p))
    adjusted = phi + phi @ (bend + bend.T) @ phi
    return _KenwardRoger(best.sigma2 * phi, best.sigma2 * adjusted, p / best.sigma2, weights)
