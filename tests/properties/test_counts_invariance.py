"""What must not matter to models of counts and to estimating equations, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluseval.errors import DesignError
from pluseval.numerics.counts import count_model
from pluseval.numerics.gee import gee
from pluseval.numerics.score_sandwich import robust_test


def study(seed: int = 5, practices: int = 20, years: int = 4):
    rng = np.random.default_rng(seed)
    practice, year = np.repeat(np.arange(practices), years), np.tile(np.arange(years), practices)
    exposure = rng.integers(2_000, 7_000, practices)[practice].astype(float)
    on = ((practice < 6) & (year >= 2)).astype(float)
    rate = np.exp(rng.normal(-1.2, 0.3, practices)[practice] + 0.05 * year - 0.1 * on)
    y = rng.negative_binomial(20, 20 / (20 + exposure * rate)).astype(float)
    return y, on[:, None], exposure, practice, year


Y, X, E, P, T = study()


def fit(y=Y, x=X, e=E, p=P, t=T, **choices):
    return count_model(y, x, cluster=p, exposure=e, absorb=(p, t), **choices)


def figures(found) -> np.ndarray:
    test = found.test(np.eye(found.coefficients.size)[0])
    return np.array([found.coefficients[0], test.std_error, test.df, found.covariance("CR1S")[0, 0]])


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_the_order_of_rows_and_the_names_of_groups_do_not_matter(family):
    order = np.random.default_rng(1).permutation(Y.size)
    named = np.array([f"practice {p}" for p in P])
    base = figures(fit(family=family))
    shuffled = fit(Y[order], X[order], E[order], P[order], T[order], family=family)
    np.testing.assert_allclose(figures(shuffled), base, rtol=1e-6)
    np.testing.assert_allclose(figures(fit(p=named, family=family)), base, rtol=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.01, 100.0))
def test_a_change_of_the_unit_of_exposure_moves_no_ratio(unit):
    np.testing.assert_allclose(figures(fit(e=unit * E)), figures(fit()), rtol=1e-7)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.1, 50.0))
def test_poisson_pseudo_likelihood_does_not_depend_on_the_unit_of_y(unit):
    """Only the mean is used, so euros and cents give one ratio and one robust error."""
    np.testing.assert_allclose(figures(fit(y=unit * Y)), figures(fit()), rtol=1e-6)


def test_one_rate_for_a_whole_practice_moves_nothing():
    e = E * np.where(P == 3, 7.0, 1.0)
    np.testing.assert_allclose(figures(fit(e=e)), figures(fit()), rtol=1e-7)


def test_the_callers_arrays_are_left_alone():
    y, x, e, p, t = study(seed=6)
    copies = [a.copy() for a in (y, x, e, p, t)]
    for a in (y, x, e, p, t):
        a.flags.writeable = False
    figures(fit(y, x, e, p, t, family="negative_binomial"))
    gee(y, np.column_stack([np.ones(y.size), x]), cluster=p, family="poisson", offset=np.log(e)).covariance()
    for old, new in zip(copies, (y, x, e, p, t), strict=True):
        np.testing.assert_array_equal(old, new)


def test_columns_within_the_absorbed_effects_are_refused_by_name():
    group = (P < 6).astype(float)
    with pytest.raises(DesignError, match="group is a combination"):
        fit(x=np.column_stack([X, group]), names=("on", "group"))
    with pytest.raises(DesignError, match="later is a combination"):
        fit(x=np.column_stack([X, T >= 2]).astype(float), names=("on", "later"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.where(np.arange(Y.size) == 2, np.nan, Y)}, "missing or infinite"),
        ({"y": Y - Y.max()}, "cannot be negative"),
        ({"e": np.where(np.arange(Y.size) == 2, 0.0, E)}, "exposure"),
        ({"family": "gamma"}, "family"),
    ],
)
def test_bad_rows_are_refused(change, message):
    with pytest.raises(DesignError, match=message):
        fit(**change)


def test_clusters_below_the_absorbed_unit_have_no_cr2():
    found = count_model(Y, X, cluster=np.arange(Y.size), exposure=E, absorb=(P, T))
    assert found.covariance("CR1S")[0, 0] > 0
    with pytest.raises(DesignError, match="lie within clusters"):
        found.covariance("CR2")
    with pytest.raises(DesignError, match="at least 2 clusters"):
        count_model(Y, X, cluster=np.zeros(Y.size), exposure=E, absorb=(P, T))


def test_underdispersed_counts_have_no_negative_binomial():
    x = np.column_stack([np.ones(Y.size), X])
    with pytest.raises(DesignError, match="poisson"):
        count_model(np.full(Y.size, 10.0) + X[:, 0], x, cluster=P, family="negative_binomial")


def survey(seed: int = 8):
    rng = np.random.default_rng(seed)
    practice = np.repeat(np.arange(16), rng.integers(10, 30, 16))
    group = (practice < 5).astype(float)
    post = rng.integers(0, 2, practice.size).astype(float)
    y = 7 + rng.normal(0, 0.5, 16)[practice] + rng.normal(0, 1, practice.size)
    return y, np.column_stack([np.ones(y.size), group, post, group * post]), practice


@settings(max_examples=10, deadline=None)
@given(st.floats(-1e3, 1e3), st.floats(1e-2, 1e3))
def test_gee_shift_and_scale(shift, unit):
    y, x, practice = survey()
    base, moved = gee(y, x, cluster=practice), gee(shift + unit * y, x, cluster=practice)
    np.testing.assert_allclose(
        moved.coefficients, unit * base.coefficients + [shift, 0, 0, 0], rtol=1e-6, atol=1e-6 * unit
    )
    assert moved.alpha == pytest.approx(base.alpha, abs=1e-6)
    np.testing.assert_allclose(moved.covariance(), unit**2 * base.covariance(), rtol=1e-5)


def test_gee_corrections_are_ordered_and_the_order_of_rows_does_not_matter():
    y, x, practice = survey()
    found = gee(y, x, cluster=practice)
    plain, kc, md = (np.diag(found.covariance(c)) for c in ("robust", "kauermann_carroll", "mancl_derouen"))
    assert np.all(plain < kc) and np.all(kc < md)
    order = np.random.default_rng(2).permutation(y.size)
    again = gee(y[order], x[order], cluster=practice[order])
    np.testing.assert_allclose(again.covariance(), found.covariance(), rtol=1e-8)


def test_gee_without_correlation_is_least_squares_with_cr2():
    """The corrected sandwich written out with the n x n hat matrix."""
    y, x, practice = survey()
    found = gee(y, x, cluster=practice, correlation="independence")
    np.testing.assert_allclose(found.coefficients, np.linalg.lstsq(x, y, rcond=None)[0], rtol=1e-9)
    bread, residual = np.linalg.inv(x.T @ x), y - x @ found.coefficients
    for correction, power in (("robust", 0.0), ("kauermann_carroll", -0.5), ("mancl_derouen", -1.0)):
        meat = np.zeros((4, 4))
        for g in range(16):
            rows = practice == g
            values, vectors = np.linalg.eigh(np.eye(rows.sum()) - x[rows] @ bread @ x[rows].T)
            score = x[rows].T @ (vectors * values**power) @ vectors.T @ residual[rows]
            meat += np.outer(score, score)
        np.testing.assert_allclose(found.covariance(correction), bread @ meat @ bread, rtol=1e-7)


def test_gee_degrees_of_freedom_and_refusals():
    y, x, practice = survey()
    found = gee(y, x, cluster=practice)
    did = np.eye(4)[3]
    assert found.test(did).df == 12
    assert found.test(did, df="clusters").df == 15
    assert 1 < found.test(did, correction="kauermann_carroll", df="satterthwaite").df < 15
    low, high = found.test(did).conf_int(1 - found.test(did).p_value)
    assert min(abs(low), abs(high)) == pytest.approx(0.0, abs=1e-9)
    for bad in (
        lambda: gee(np.full(y.size, 3.0), x, cluster=practice),
        lambda: gee(y, np.column_stack([x, x[:, 1] + x[:, 2]]), cluster=practice),
        lambda: gee(np.where(np.arange(y.size) == 4, np.nan, y), x, cluster=practice),
        lambda: gee(y, x, cluster=np.zeros(y.size)),
        lambda: gee(y, x, cluster=np.arange(y.size)),
        lambda: gee(y, x, cluster=practice, family="binomial"),
        lambda: gee(-y, x, cluster=practice, family="poisson"),
        lambda: gee((y > 7) * (x[:, 3] == 0), x, cluster=practice, family="binomial"),
        lambda: gee(y, x, cluster=practice, correlation="ar1"),
        lambda: gee(y, x, cluster=practice, offset=np.zeros(3)),
        lambda: found.test(did, correction="jackknife"),
        lambda: found.covariance("hc9"),
        lambda: robust_test(1.0, found.clusters, did, df="many"),
    ):
        with pytest.raises(DesignError):
            bad()
