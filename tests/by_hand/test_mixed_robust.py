"""The sandwich over practices on top of a mixed model, against the matrices written out."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.mixed import mixed_model
from pluseval.numerics.mixed_robust import practice_scores
from pluseval.numerics.score_sandwich import robust_test, satterthwaite_df, score_sandwich


def study(practices: int = 9, seed: int = 1):
    rng = np.random.default_rng(seed)
    patients = rng.integers(4, 9, practices)
    practice = np.repeat(np.arange(practices), 3 * patients)
    patient = np.repeat(np.arange(patients.sum()), 3)
    period = np.tile([0, 1, 2], patients.sum())
    keep = rng.random(practice.size) > 0.2
    practice, patient, period = practice[keep], patient[keep], period[keep]
    group, post = (practice < 4).astype(float), (period > 0).astype(float)
    x = np.column_stack([np.ones(practice.size), group, post, group * post, rng.normal(size=practice.size)])
    y = rng.normal(0, 1, practices)[practice] + rng.normal(0, 0.7, (practices, 3))[practice, period]
    y = y + rng.normal(0, 0.8, patients.sum())[patient] + rng.normal(0, 1, practice.size)
    return y, x, {"practice": practice, "period": period, "patient": patient}


@pytest.mark.parametrize(
    "effects", [("practice",), ("practice", "period"), ("practice", "period", "patient")]
)
def test_every_correction_is_the_formula_with_the_model_covariance(effects):
    y, x, groups = study()
    used = {name: groups[name] for name in effects}
    model = mixed_model(y, x, **used)
    labels = {
        "practice": groups["practice"],
        "practice_period": 10 * groups["practice"] + groups["period"],
        "patient": groups["patient"],
    }
    v = model.variances["residual"] * np.eye(y.size)
    for effect in model.effects:
        v += model.variances[effect] * (labels[effect][:, None] == labels[effect][None, :])
    inverse = np.linalg.inv(v)
    bread = np.linalg.inv(x.T @ inverse @ x)
    residual = y - x @ model.coefficients
    clusters = practice_scores(model, y, x, practice=groups["practice"])
    for kind, power in (("CR0", 0.0), ("CR2", -0.5), ("CR3", -1.0)):
        meat = np.zeros((5, 5))
        for g in range(9):
            rows = groups["practice"] == g
            root = np.linalg.cholesky(np.linalg.inv(v[np.ix_(rows, rows)])).T  # root' root = V^-1
            white, left = root @ x[rows], root @ residual[rows]
            values, vectors = np.linalg.eigh(np.eye(rows.sum()) - white @ bread @ white.T)
            score = white.T @ (vectors * values**power) @ vectors.T @ left
            meat += np.outer(score, score)
        np.testing.assert_allclose(score_sandwich(clusters, kind=kind), bread @ meat @ bread, rtol=1e-7)


def test_degrees_of_freedom_are_the_moments_of_the_variance_estimate_under_the_model():
    """tr(Omega)^2 / tr(Omega^2), Omega the covariance of the practices' corrected contributions."""
    y, x, groups = study()
    model = mixed_model(y, x, practice=groups["practice"])
    v = model.variances["residual"] * np.eye(y.size)
    v += model.variances["practice"] * (groups["practice"][:, None] == groups["practice"][None, :])
    inverse = np.linalg.inv(v)
    bread = np.linalg.inv(x.T @ inverse @ x)
    left = v - x @ bread @ x.T  # covariance of the residuals
    rows_of = [groups["practice"] == g for g in range(9)]
    contributions = []
    for rows in rows_of:
        root = np.linalg.cholesky(np.linalg.inv(v[np.ix_(rows, rows)])).T
        white = root @ x[rows]
        values, vectors = np.linalg.eigh(np.eye(rows.sum()) - white @ bread @ white.T)
        weight = np.zeros(y.size)
        weight[rows] = root.T @ (vectors / np.sqrt(values)) @ vectors.T @ white @ bread[:, 3]
        contributions.append(weight)
    omega = np.array(contributions) @ left @ np.array(contributions).T
    expected = np.trace(omega) ** 2 / np.sum(omega**2)
    clusters = practice_scores(model, y, x, practice=groups["practice"])
    assert satterthwaite_df(clusters, np.eye(5)[3], kind="CR2") == pytest.approx(expected, rel=1e-7)


def test_p_value_and_interval_are_of_one_procedure():
    y, x, groups = study()
    model = mixed_model(y, x, **groups)
    clusters = practice_scores(model, y, x, practice=groups["practice"])
    test = robust_test(model.coefficients[3], clusters, np.eye(5)[3])
    assert min(np.abs(test.conf_int(1 - test.p_value))) == pytest.approx(0.0, abs=1e-8)
    assert test.convention == "CR2, Satterthwaite df"


def test_other_rows_than_the_models_are_refused():
    y, x, groups = study()
    model = mixed_model(y, x, **groups)
    with pytest.raises(DesignError, match="fitted to"):
        practice_scores(model, y[1:], x[1:], practice=groups["practice"][1:])
    with pytest.raises(DesignError, match="these are others"):
        practice_scores(model, y + x[:, 4] ** 2, x, practice=groups["practice"])


def test_one_practice_that_alone_fixes_a_coefficient_has_no_cr3():
    y, x, groups = study()
    alone = np.column_stack([x, groups["practice"] == 0]).astype(float)
    model = mixed_model(y, alone, practice=groups["practice"])
    clusters = practice_scores(model, y, alone, practice=groups["practice"])
    with pytest.raises(DesignError, match="use CR2"):
        score_sandwich(clusters, kind="CR3")
    assert np.all(np.isfinite(score_sandwich(clusters, kind="CR2")))
    with pytest.raises(DesignError, match="unknown"):
        score_sandwich(clusters, kind="HC3")
    with pytest.raises(DesignError, match="cannot be estimated"):
        robust_test(1.0, clusters, np.eye(6)[5], kind="CR2")
    assert robust_test(model.coefficients[3], clusters, np.eye(6)[3], kind="CR2").df > 1
