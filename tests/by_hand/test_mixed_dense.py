"""The sums give what the textbook's n x n matrices give, on data small enough to write them out."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.mixed import mixed_model
from pluseval.numerics.mixed_inference import kenward_roger, satterthwaite
from pluseval.numerics.mixed_likelihood import criterion, pieces


@pytest.fixture(scope="module")
def rows():
    """An unbalanced study in which patients have 1-6 rows, some of them twice in one period."""
    rng = np.random.default_rng(20_190_701)
    practice, patient, period = [], [], []
    for p in range(9):
        for i in range(int(rng.integers(5, 9))):
            for _ in range(int(rng.integers(1, 7))):
                practice.append(p)
                patient.append(10 * p + i)
                period.append(int(rng.integers(0, 3)))
    practice, patient, period = map(np.array, (practice, patient, period))
    group = (practice < 3).astype(float)
    x = np.column_stack([np.ones(practice.size), group, period > 0, group * (period > 0)]).astype(float)
    y = (
        rng.normal(0, 1, 9)[practice]
        + rng.normal(0, 0.7, (9, 3))[practice, period]
        + rng.normal(0, 0.8, 90)[patient]
        + rng.normal(0, 1, practice.size)
        + 5.0
    )
    return y, x, practice, period, patient


def indicator(labels: np.ndarray) -> np.ndarray:
    return (labels[:, None] == np.unique(labels)[None, :]).astype(float)


def dense(rows):
    """Covariance directions G_i in the order residual, patient, practice_period, practice."""
    y, x, practice, period, patient = rows
    z = [indicator(patient), indicator(10 * practice + period), indicator(practice)]
    return y, x, [np.eye(y.size), *(a @ a.T for a in z)]


def restricted_criterion(y, x, g, variances) -> float:
    v = sum(s * m for s, m in zip(variances, g, strict=True))
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    residual = y - x @ np.linalg.solve(information, x.T @ inverse @ y)
    return (
        np.linalg.slogdet(v)[1]
        + np.linalg.slogdet(information)[1]
        + residual @ inverse @ residual
        + (y.size - x.shape[1]) * np.log(2 * np.pi)
    )


def test_criterion_is_the_textbook_formula(rows):
    y, x, practice, period, patient = rows
    model = mixed_model(y, x, practice=practice, period=period, patient=patient)
    variances = [model.variances[e] for e in ("residual", "patient", "practice_period", "practice")]
    assert model.criterion == pytest.approx(restricted_criterion(*dense(rows), variances), rel=1e-11)


def test_no_other_variances_fit_better(rows):
    y, x, practice, period, patient = rows
    model = mixed_model(y, x, practice=practice, period=period, patient=patient)
    best = np.array([model.variances[e] for e in ("residual", "patient", "practice_period", "practice")])
    for place in range(4):
        for change in (-0.02, 0.02):
            other = best.copy()
            other[place] = max(other[place] + change, 1e-9)
            assert restricted_criterion(*dense(rows), other) > model.criterion


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("ratios", [(0.6, 0.4, 0.9), (0.0, 0.4, 0.0), (0.7, 0.0, 0.0)])
def test_derivatives_are_those_of_the_criterion(rows, ratios, reml):
    """Against finite differences in the variances, the residual variance being the unit."""
    y, x, practice, period, patient = rows
    sums = mixed_model(y, x, practice=practice, period=period, patient=patient).sums
    effects = ("patient", "practice_period", "practice")
    at = criterion(pieces(sums, np.array(ratios), effects=effects), n_rows=y.size, reml=reml)

    def value(change):
        variances = at.sigma2 * (np.append(1.0, ratios) + change)
        found = pieces(sums, variances[1:] / variances[0], effects=effects, derivatives=False)
        return criterion(found, n_rows=y.size, reml=reml, sigma2=variances[0]).value

    h = 1e-3
    for i in range(4):
        e_i = h * np.eye(4)[i]
        first = (value(e_i) - value(-e_i)) / (2 * h)
        assert first == pytest.approx(at.gradient[i], rel=5e-4, abs=5e-4)
        for j in range(4):
            e_j = h * np.eye(4)[j]
            second = (value(e_i + e_j) - value(e_i - e_j) - value(e_j - e_i) + value(-e_i - e_j)) / (
                4 * h * h
            )
            assert second == pytest.approx(at.observed[i, j], rel=1e-3, abs=1e-3)


def test_kenward_roger_is_the_formula_of_1997_written_out(rows):
    y, x, practice, period, patient = rows
    model = mixed_model(y, x, practice=practice, period=period, patient=patient)
    _, _, g = dense(rows)
    variances = [model.variances[e] for e in ("residual", "patient", "practice_period", "practice")]
    inverse = np.linalg.inv(sum(s * m for s, m in zip(variances, g, strict=True)))
    phi = np.linalg.inv(x.T @ inverse @ x)
    p = [-x.T @ inverse @ a @ inverse @ x for a in g]
    q = [[x.T @ inverse @ a @ inverse @ b @ inverse @ x for b in g] for a in g]
    information = np.array(
        [
            [
                np.trace(inverse @ g[i] @ inverse @ g[j])
                - 2 * np.trace(phi @ q[i][j])
                + np.trace(phi @ p[i] @ phi @ p[j])
                for j in range(4)
            ]
            for i in range(4)
        ]
    )
    w = 2 * np.linalg.inv(information)
    bend = sum(w[i, j] * (q[i][j] - p[i] @ phi @ p[j]) for i in range(4) for j in range(4))
    adjusted = phi + 2 * phi @ bend @ phi
    tests = kenward_roger(model)
    np.testing.assert_allclose(tests.std_errors, np.sqrt(np.diag(adjusted)), rtol=1e-9)
    for k in range(4):
        theta = np.zeros((4, 4))
        theta[k, k] = 1 / phi[k, k]
        u = [theta @ phi @ a @ phi for a in p]
        a1 = sum(w[i, j] * np.trace(u[i]) * np.trace(u[j]) for i in range(4) for j in range(4))
        a2 = sum(w[i, j] * np.trace(u[i] @ u[j]) for i in range(4) for j in range(4))
        assert a1 == pytest.approx(a2, rel=1e-9)  # one contrast: the traces coincide
        b = 7 * a2 / 2
        c1, c2, c3 = -1 / 7, 2 / 7, 4 / 7  # g = -1 for one contrast
        spread = 2 * (1 + c1 * b) / ((1 - c2 * b) ** 2 * (1 - c3 * b))
        rho = spread * (1 - a2) ** 2 / 2
        assert tests.df[k] == pytest.approx(4 + 3 / (rho - 1), rel=1e-8)


def test_satterthwaite_needs_the_curvature_and_the_slope_of_the_variance(rows):
    """df = 2 Var^2 / Var(Var), with the slope of Var by finite differences on n x n matrices."""
    y, x, practice, period, patient = rows
    model = mixed_model(y, x, practice=practice, period=period, patient=patient)
    _, _, g = dense(rows)
    best = np.array([model.variances[e] for e in ("residual", "patient", "practice_period", "practice")])
    assert not model.boundary  # the finite differences below step to both sides

    def variance(v):
        inverse = np.linalg.inv(sum(s * m for s, m in zip(v, g, strict=True)))
        return np.diag(np.linalg.inv(x.T @ inverse @ x))

    h = 1e-4
    slope = np.array([(variance(best + h * e) - variance(best - h * e)) / (2 * h) for e in np.eye(4)])
    curvature = np.empty((4, 4))
    h = 1e-3
    for i in range(4):
        for j in range(4):
            a, b = h * np.eye(4)[i], h * np.eye(4)[j]
            curvature[i, j] = (
                restricted_criterion(y, x, g, best + a + b)
                - restricted_criterion(y, x, g, best + a - b)
                - restricted_criterion(y, x, g, best - a + b)
                + restricted_criterion(y, x, g, best - a - b)
            ) / (4 * h * h)
    spread = 2 * np.linalg.inv(curvature)
    df = 2 * variance(best) ** 2 / np.einsum("ik,ij,jk->k", slope, spread, slope)
    np.testing.assert_allclose(satterthwaite(model).df, df, rtol=1e-3)


def test_predictions_are_the_conditional_means(rows):
    y, x, practice, period, patient = rows
    model = mixed_model(y, x, practice=practice, period=period, patient=patient)
    _, _, g = dense(rows)
    variances = [model.variances[e] for e in ("residual", "patient", "practice_period", "practice")]
    inverse = np.linalg.inv(sum(s * m for s, m in zip(variances, g, strict=True)))
    pull = inverse @ (y - x @ model.coefficients)
    blups = model.blups()
    np.testing.assert_allclose(
        blups["practice"], variances[3] * indicator(practice).T @ pull, rtol=1e-8, atol=1e-10
    )
    np.testing.assert_allclose(
        blups["patient"], variances[1] * indicator(patient).T @ pull, rtol=1e-8, atol=1e-10
    )
    own = blups["practice_period"][np.unique(practice)[:, None], np.arange(3)]
    seen = ~np.isnan(own)
    np.testing.assert_allclose(
        own[seen], variances[2] * indicator(10 * practice + period).T @ pull, rtol=1e-8, atol=1e-10
    )
