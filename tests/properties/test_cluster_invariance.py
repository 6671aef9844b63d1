"""What may not move an estimate, its error or its degrees of freedom."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.linear import fit, hc_cov

KINDS = ("CR0", "CR1S", "CR2", "CR3")


@pytest.fixture
def panel():
    """18 practices, an uneven number of rows each, weights, a covariate."""
    rng = np.random.default_rng(3)
    practice = np.repeat(np.arange(18), rng.integers(3, 9, 18))
    treated = (practice < 6).astype(float)
    post = rng.integers(0, 2, practice.size).astype(float)
    covariate = rng.normal(size=practice.size)
    y = rng.normal(size=18)[practice] + covariate + rng.normal(size=practice.size)
    X = np.column_stack([np.ones(practice.size), treated, post, treated * post, covariate])
    return y, X, practice, rng.uniform(0.5, 3, practice.size)


def _both(y, X, practice, weights, kind):
    test = cluster_cov(fit(y, X, weights=weights), practice, kind=kind).test(3)
    return np.array([test.estimate, test.std_error, test.df])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_row_order_and_names_of_clusters_do_not_matter(panel, kind, weighted):
    y, X, practice, w = panel
    w = w if weighted else None
    order = np.random.default_rng(1).permutation(y.size)
    names = np.array([f"practice {97 * i % 18}" for i in practice])
    moved = _both(y[order], X[order], names[order], None if w is None else w[order], kind)
    assert moved == pytest.approx(_both(y, X, practice, w, kind), rel=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_units_of_the_outcome_scale_the_error_only(panel, kind, weighted):
    y, X, practice, w = panel
    w = w if weighted else None
    estimate, error, df = _both(y, X, practice, w, kind)
    assert _both(1_000 * y + 50, X, practice, w, kind) == pytest.approx([1_000 * estimate, 1_000 * error, df])


@pytest.mark.parametrize("kind", KINDS)
def test_units_of_the_weights_do_not_matter(panel, kind):
    y, X, practice, w = panel
    assert _both(y, X, practice, 250 * w, kind) == pytest.approx(_both(y, X, practice, w, kind), rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_weights_are_no_weights(panel, kind):
    y, X, practice, _ = panel
    equal = np.full(y.size, 2.5)
    assert _both(y, X, practice, equal, kind) == pytest.approx(_both(y, X, practice, None, kind), rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_another_coding_of_the_design_gives_the_same_contrast(panel, kind):
    y, X, practice, w = panel
    turn = np.eye(5) + 0.3 * np.triu(np.ones((5, 5)), 1)
    c = np.array([0.0, 0.0, 0.0, 1.0, 0.5])
    plain = cluster_cov(fit(y, X, weights=w), practice, kind=kind).test(c)
    coded = cluster_cov(fit(y, X @ turn, weights=w), practice, kind=kind).test(turn.T @ c)
    assert coded.std_error == pytest.approx(plain.std_error, rel=1e-10)
    assert coded.df == pytest.approx(plain.df, rel=1e-8)


def test_rotated_rows_of_a_weighted_cluster_are_exact(panel):
    """Clusters larger than the design are rotated to fewer rows; written out, A = B^(-1/2) on all rows."""
    y, X, practice, w = panel
    X = X[:, :2]
    made = fit(y, X, weights=w)
    W = np.diag(w)
    M = np.linalg.inv(X.T @ W @ X)
    rest = np.eye(y.size) - X @ M @ X.T @ W
    noise = rest @ rest.T
    sums, loads = [], []
    for g in np.unique(practice):
        rows = practice == g
        values, vectors = np.linalg.eigh(noise[np.ix_(rows, rows)])
        A = (vectors / np.sqrt(values)) @ vectors.T
        load = A @ W[np.ix_(rows, rows)] @ X[rows] @ M[:, 1]
        sums.append(load @ made.residuals[rows])
        loads.append(rest[rows].T @ load)
    P = np.array(loads) @ np.array(loads).T
    found = cluster_cov(made, practice)
    assert found.std_error(1) == pytest.approx(np.linalg.norm(sums), rel=1e-10)
    assert found.df(1) == pytest.approx(np.trace(P) ** 2 / np.sum(P**2), rel=1e-10)


def test_the_callers_arrays_stay_as_they_are(panel):
    y, X, practice, w = (array.copy() for array in panel)
    for array in (y, X, practice, w):
        array.setflags(write=False)
    before = [array.copy() for array in (y, X, practice, w)]
    made = fit(y, X, weights=w)
    cluster_cov(made, practice).test(3)
    hc_cov(made)
    for array, was in zip((y, X, practice, w), before, strict=True):
        assert np.array_equal(array, was)


def test_a_large_common_value_does_not_cost_precision(panel):
    y, X, practice, _ = panel
    near = _both(y, X, practice, None, "CR2")
    far = _both(y + 1e6, X, practice, None, "CR2")
    assert far == pytest.approx(near, rel=1e-7)
