"""Permutation of weighted values: every assignment fitted the long way, and what cannot change it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.linear import fit
from pluseval.numerics.permute import permutation_test
from pluseval.numerics.weighted_permutation import weighted_permutation_test

G, TREATED = 9, 3
GROUP = np.repeat([1, 0], [TREATED, G - TREATED])
ROUNDING = 1e-9


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(5)
    return rng.normal(30, 3, (G, 2)), rng.lognormal(3, 0.6, (G, 2)), rng.normal(size=(G, 1))


def by_least_squares(values, weights, treated, Z):
    """Effect and CR2 error of weighted least squares on both windows of every practice."""
    one, t = np.ones((G, 1)), np.asarray(treated, float)[:, None]
    before = np.hstack([one, 0 * one, Z, 0 * Z, t, 0 * t])
    after = np.hstack([one, one, Z, Z, t, t])
    made = fit(values.T.ravel(), np.vstack([before, after]), weights=weights.T.ravel())
    return made.coef[-1], cluster_cov(made, np.tile(np.arange(G), 2)).std_error(made.n_coef - 1)


@pytest.mark.parametrize("covariate", [False, True])
@pytest.mark.parametrize("null", [0.0, -2.0])
def test_every_assignment_has_the_t_of_weighted_least_squares(drawn, covariate, null):
    values, weights, Z = drawn
    Z = Z if covariate else Z[:, :0]
    made = weighted_permutation_test(values, weights, GROUP, covariates=Z, draws=999, seed=1, alpha=0.05)
    shifted = values - null * np.outer(GROUP, [0, 1])
    pairs = []
    for chosen in itertools.combinations(range(G), TREATED):
        pairs.append(by_least_squares(shifted, weights, np.isin(np.arange(G), chosen), Z))
    t = np.array([effect / error for effect, error in pairs])
    assert made.exact and made.n_possible == t.size
    assert np.sort(made.resampling.statistics(null)) == pytest.approx(np.sort(t), rel=ROUNDING)
    observed = (pairs[0][0] + null, pairs[0][1])  # combinations come in order: the first is the observed one
    assert (made.estimate, made.std_error) == pytest.approx(observed, rel=ROUNDING)
    assert made.p_value(null) == np.mean(np.abs(t) >= abs(t[0]) * (1 - ROUNDING))
    bare = weighted_permutation_test(
        values, weights, GROUP, covariates=Z, statistic="coefficient", draws=999, seed=1
    )
    effects = np.array([effect for effect, _ in pairs])
    assert bare.p_value(null) == np.mean(np.abs(effects) >= abs(effects[0]) * (1 - ROUNDING))


@pytest.mark.parametrize("covariate", [False, True])
def test_equal_weights_give_the_permutation_of_changes(drawn, covariate):
    values, _, Z = drawn
    change, how = values[:, 1] - values[:, 0], {"statistic": "cr2", "covariates": Z} if covariate else {}
    plain = permutation_test(change, GROUP, draws=999, seed=1, **how)
    same = weighted_permutation_test(
        values, np.full((G, 2), 7.0), GROUP, covariates=Z if covariate else None, draws=999, seed=1
    )
    assert (same.estimate, same.std_error) == pytest.approx((plain.estimate, plain.std_error), rel=ROUNDING)
    ends = (plain.conf_int().low, plain.conf_int().high)
    assert (same.conf_int().low, same.conf_int().high) == pytest.approx(ends, rel=ROUNDING)


def test_only_the_ratios_of_weights_within_a_window_matter(drawn):
    values, weights, Z = drawn
    one, other = (
        weighted_permutation_test(values, w, GROUP, covariates=Z, draws=999, seed=1)
        for w in (weights, weights * [1e-3, 1e4])
    )
    assert other.estimate == pytest.approx(one.estimate, rel=ROUNDING)
    assert other.p_value() == one.p_value()
    assert other.conf_int().low == pytest.approx(one.conf_int().low, rel=ROUNDING)


def test_the_p_at_each_end_of_the_interval_is_alpha_within_one_draw():
    rng = np.random.default_rng(2)
    values, weights = rng.normal(30, 3, (40, 2)), rng.lognormal(3, 0.5, (40, 2))
    group = np.repeat([1, 0], [10, 30])
    made = weighted_permutation_test(values, weights, group, draws=1_999, seed=3)
    found = made.conf_int(0.9)
    assert found.bounded and found.low < made.estimate < found.high
    for end in (found.low, found.high):
        assert made.p_value(end) == pytest.approx(0.1, abs=1.1 / 2_000)
    assert made.p_value(found.high + 1e-6) < made.p_value(found.high)


def test_sizes_of_weighted_tests_are_nominal():
    """Weights that vary, and variances that fall with them: the studentised test keeps its level."""
    rng, studies, p = np.random.default_rng(11), 300, []
    weights = rng.lognormal(3, 0.4, (24, 2))
    for seed in range(studies):
        values = rng.normal(0, 1, (24, 2)) / np.sqrt(weights)
        made = weighted_permutation_test(values, weights, np.arange(24) < 7, draws=99, seed=seed)
        p.append(made.p_value())
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / studies)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"weights": np.zeros((G, 2))}, "weights are missing or not above 0"),
        ({"values": np.full((G, 2), np.nan)}, "values are not finite"),
        ({"values": np.ones((G, 2))}, "do not vary"),
        ({"treated": np.arange(G) == 0}, "without a variance"),
        ({"treated": np.full(G, 2)}, "0 or 1"),
        ({"values": np.ones((G, 3))}, r"must be \(G, 2\)"),
        ({"covariates": np.ones(G)}, "constant or collinear"),
        ({"covariates": GROUP}, "fix who is treated"),
        ({"covariates": np.ones(3)}, "covariates must be"),
        ({"covariates": np.ones((G, G))}, "cannot carry"),
        ({"statistic": "welch"}, "a statistic is one of"),
        ({"draws": 9}, "no data could be significant"),
    ],
)
def test_what_cannot_be_tested_is_refused(drawn, change, match):
    values, weights, _ = drawn
    asked = {"values": values, "weights": weights, "treated": GROUP, "draws": 999, "seed": 1, **change}
    with pytest.raises(DesignError, match=match):
        weighted_permutation_test(**asked)
