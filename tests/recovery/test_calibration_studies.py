"""Thousands of studies at once give, study by study, what the procedure for one study gives."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics import studies
from pluseval.numerics.assign import assignments, quantile_strata
from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.linear import classical_cov, fit, one_sample, t_test, welch
from pluseval.numerics.permute import permutation_test, sign_flip_test
from pluseval.numerics.wild import wild_bootstrap

ROUNDING = 1e-9
G, TREATED, DRAWS = 24, 7, 299


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(11)
    group = (np.arange(G) < TREATED).astype(float)
    size = rng.normal(size=G) + group
    return group, size, 5 + rng.normal(size=(12, G)) * (1 + group)


def _designs(group, size):
    one = np.ones(G)
    return ((None, np.column_stack([one, group])), (size, np.column_stack([one, size, group])))


def test_t_tests_are_those_of_single_studies(drawn):
    group, size, y = drawn
    for covariates, X in _designs(group, size):
        found = studies.pooled_t(y, group, covariates)
        fits = [fit(row, X) for row in y]
        alone = [t_test(m.coef[-1], np.sqrt(classical_cov(m)[-1, -1]), m.df_resid) for m in fits]
        assert found.p_values() == pytest.approx([a.p_value for a in alone], rel=ROUNDING)
        assert found.widths() == pytest.approx([a.conf_high - a.conf_low for a in alone], rel=ROUNDING)
        for kind in ("CR1", "CR2", "CR3"):
            robust = [cluster_cov(m, np.arange(G), kind=kind) for m in fits]
            tests = [cov.test(X.shape[1] - 1) for cov in robust]
            many = studies.robust_t(y, group, covariates, kind=kind)
            assert many.p_values() == pytest.approx([t.p_value for t in tests], rel=ROUNDING)
            simple = studies.robust_t(y, group, covariates, kind=kind, df="clusters")
            assert simple.df == G - 1
            assert simple.std_errors == pytest.approx([t.std_error for t in tests], rel=ROUNDING)


def test_welch_and_the_mean_are_those_of_single_studies(drawn):
    group, _, y = drawn
    on = group == 1
    many = studies.welch_t(y, group)
    assert many.p_values() == pytest.approx([welch(r[on], r[~on]).p_value for r in y], rel=ROUNDING)
    means = studies.mean_t(y[:, on])
    assert means.p_values() == pytest.approx([one_sample(r[on]).p_value for r in y], rel=ROUNDING)


def test_a_constant_effect_moves_a_t_test_as_it_moves_the_data(drawn):
    group, size, y = drawn
    moved = studies.robust_t(y - 1.3 * group, group, size)
    assert studies.robust_t(y, group, size).p_values(-1.3) == pytest.approx(moved.p_values(), rel=1e-7)


@pytest.mark.parametrize("coefficient", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_permutations_are_those_of_single_studies(drawn, groups, coefficient):
    group, size, y = drawn
    strata = None if groups == 1 else quantile_strata(size, groups=groups)
    made = assignments(group, strata=strata, draws=DRAWS, seed=3)
    listed = np.concatenate(list(made.blocks()))
    for covariates in (None, size):
        many = studies.Permutations.of(
            group, listed, covariates=covariates, coefficient=coefficient, added=not made.exact
        )
        alone = [
            permutation_test(
                row, group, statistic="coefficient" if coefficient else "cr2", covariates=covariates,
                strata=strata, draws=DRAWS, seed=3,
            )
            for row in y
        ]  # fmt: skip
        (by_size, moved), (by_tail, _) = many.both(y, (0.0, 0.7))
        assert by_size == pytest.approx([a.p_value() for a in alone], abs=ROUNDING)
        shifted = [
            permutation_test(
                row + 0.7 * group, group, statistic="coefficient" if coefficient else "cr2",
                covariates=covariates, strata=strata, draws=DRAWS, seed=3,
            ).p_value()
            for row in y
        ]  # fmt: skip
        assert moved == pytest.approx(shifted, abs=ROUNDING)
        ends = [test.interval() for test in many.resamplings(y[:3])]
        expected = [a.conf_int() for a in alone[:3]]
        for side in ("low", "high"):
            found = [getattr(end, side) for end in ends]
            assert found == pytest.approx([getattr(end, side) for end in expected], rel=1e-7)
        tails = [[a.p_value(alternative=side) for side in ("less", "greater")] for a in alone]
        assert by_tail == pytest.approx(np.minimum(1, 2 * np.min(tails, axis=1)), abs=ROUNDING)


def test_an_equal_tailed_p_belongs_to_the_equal_tailed_interval(drawn):
    group, _, y = drawn
    made = assignments(group, draws=DRAWS, seed=3)
    many = studies.Permutations.of(group, np.concatenate(list(made.blocks())))
    for row in y[:4]:
        end = permutation_test(row, group, draws=DRAWS, seed=3).conf_int(tails="equal")
        room = 1e-6 * (end.high - end.low)
        inside, outside = (
            many.both((row - x * group)[None])[1][0, 0] for x in (end.high - room, end.high + room)
        )
        assert outside <= 0.05 < inside


def test_wild_bootstrap_draws_are_those_of_single_studies(drawn):
    group, size, y = drawn
    kept = np.r_[0:4, TREATED : TREATED + 6]  # 2^10 signs can be listed
    signs = 2.0 * ((np.arange(2**10)[:, None] >> np.arange(10)) & 1) - 1
    for covariates, X in _designs(group, size):
        many = studies.WildDraws.of(
            group[kept], signs, covariates=None if covariates is None else covariates[kept]
        )
        alone = [
            wild_bootstrap(fit(row[kept], X[kept]), np.arange(10), X.shape[1] - 1, draws=2**10, seed=1)
            for row in y
        ]
        assert many.p_values(y[:, kept]) == pytest.approx([a.p_value() for a in alone], abs=ROUNDING)


def test_wild_draws_count_their_squares():
    """Against the definition: refit every bootstrap outcome; Webb's numbers are not all of size 1."""
    rng = np.random.default_rng(5)
    group = np.repeat([1.0, 0.0], [4, 8])
    X = np.column_stack([np.ones(12), group])
    y = rng.normal(size=12)
    numbers = rng.choice(np.sqrt([0.5, 1.0, 1.5]), (60, 12)) * rng.choice([-1.0, 1.0], (60, 12))

    def t(outcome):
        made = fit(outcome, X)
        return made.coef[1] / np.sqrt(np.sum(((group - group.mean()) * made.residuals) ** 2))

    null = y - y.mean()
    drawn = np.array([abs(t(y.mean() + null * v)) for v in numbers])
    assert studies.WildDraws.of(group, numbers).p_values(y[None])[0] == np.mean(drawn > abs(t(y)))


def test_sign_flips_are_those_of_single_studies(drawn):
    _, _, y = drawn
    few = y[:, :9] - 4.5
    signs = 2 * ((np.arange(2**9)[:, None] >> np.arange(9)) & 1) - 1
    many = studies.sign_flip_p_values(few, signs, added=False)
    assert many == pytest.approx([sign_flip_test(r, draws=512, seed=1).p_value() for r in few], abs=ROUNDING)
