"""Permutation tests and their intervals on cases that can be counted on paper."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.assign import assignments, quantile_strata
from pluseval.numerics.invert import Resampling
from pluseval.numerics.linear import fit, hc_cov, welch
from pluseval.numerics.permute import permutation_test, sign_flip_test

CHANGE = np.array([4.0, 3.0, 1.0, 0.0, -1.0, -2.0])
TREATED = np.array([1, 1, 0, 0, 0, 0])


def test_the_most_extreme_of_fifteen_pairs():
    """The two largest changes are treated; the two smallest lie less far from the rest: 1 of 15."""
    made = permutation_test(CHANGE, TREATED, statistic="coefficient", draws=100, seed=1, alpha=0.1)
    assert made.n_possible == 15 and made.exact
    assert made.estimate == pytest.approx(3.5 - (-0.5))
    assert made.p_value() == pytest.approx(1 / 15)
    assert made.p_value(alternative="greater") == pytest.approx(1 / 15)
    assert made.p_value(alternative="less") == pytest.approx(1.0)


def test_the_interval_of_a_coefficient_on_paper():
    """At trial effect x the treated changes are 4 - x and 3 - x: every assignment counted anew on a grid."""
    made = permutation_test(CHANGE, TREATED, statistic="coefficient", draws=100, seed=1, alpha=0.1)
    found = made.conf_int(0.9)  # what at least 2 of the 15 assignments reach
    by_count = [x for x in np.arange(-3, 12, 0.01) if _count_coefficient(CHANGE - x * TREATED) >= 2]
    assert found.low == pytest.approx(min(by_count), abs=0.011)
    assert found.high == pytest.approx(max(by_count), abs=0.011)


def _count_coefficient(y):
    def difference(pair):
        rest = [i for i in range(6) if i not in pair]
        return abs(y[list(pair)].mean() - y[rest].mean())

    observed = difference((0, 1))
    return sum(difference(pair) >= observed - 1e-9 for pair in itertools.combinations(range(6), 2))


@pytest.mark.parametrize("null", [0.0, 1.7, -2.2])
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_welch_is_welch_in_every_assignment(null, alternative):
    rng = np.random.default_rng(2)
    y, treated = rng.normal(size=9), np.array([1, 1, 1, 1, 0, 0, 0, 0, 0])
    made = permutation_test(y, treated, draws=1_000, seed=1)
    shifted = y - null * treated
    drawn = []
    for block in assignments(treated, draws=1_000, seed=1).blocks():
        drawn += [welch(shifted[row == 1], shifted[row == 0]).statistic for row in block]
    drawn, seen = np.array(drawn), welch(shifted[:4], shifted[4:]).statistic
    assert made.resampling.statistics(null) == pytest.approx(drawn)
    extreme = {
        "two-sided": np.abs(drawn) >= abs(seen) - 1e-9,
        "less": drawn <= seen + 1e-9,
        "greater": drawn >= seen - 1e-9,
    }
    assert made.p_value(null, alternative=alternative) == pytest.approx(extreme[alternative].mean())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("null", [0.0, -1.3])
def test_cr2_is_the_regression_in_every_assignment(null, weighted):
    rng = np.random.default_rng(4)
    n = 12
    y, z = rng.normal(size=n), rng.normal(size=(n, 2))
    w = rng.uniform(0.5, 2, n) if weighted else None
    treated, strata = np.array([1, 1, 0, 0, 1, 0] * 2), np.repeat([0, 1], 6)
    made = permutation_test(
        y, treated, statistic="cr2", covariates=z, weights=w, strata=strata, draws=1_000, seed=1
    )
    assert made.n_possible == 400
    drawn = []
    for block in assignments(treated, strata=strata, draws=1_000, seed=1).blocks():
        for row in block:
            fitted = fit(y - null * treated, np.column_stack([np.ones(n), row, z]), weights=w)
            drawn.append(fitted.coef[1] / np.sqrt(hc_cov(fitted, kind="HC2")[1, 1]))
    assert made.resampling.statistics(null) == pytest.approx(np.array(drawn))
    fitted = fit(y, np.column_stack([np.ones(n), treated, z]), weights=w)
    assert made.estimate == pytest.approx(fitted.coef[1])
    assert made.std_error == pytest.approx(np.sqrt(hc_cov(fitted)[1, 1]))


def test_cr2_without_covariates_is_welch():
    one = permutation_test(CHANGE, TREATED, draws=100, seed=1, alpha=0.1)
    other = permutation_test(CHANGE, TREATED, statistic="cr2", draws=100, seed=1, alpha=0.1)
    assert other.resampling.statistics(0.4) == pytest.approx(one.resampling.statistics(0.4))
    assert other.p_value(0.4) == one.p_value(0.4)


def test_four_signs_on_paper():
    """Mean 2.5 of 1, 2, 3, 4: only all up and all down reach it, 2 of 16."""
    made = sign_flip_test([1.0, 2.0, 3.0, 4.0], draws=16, seed=1, alpha=0.2)
    assert made.p_value() == pytest.approx(2 / 16)
    assert made.p_value(alternative="greater") == pytest.approx(1 / 16)
    assert made.statistic == pytest.approx(2.5 / (np.sqrt(5 / 3) / 2))


def test_signs_at_another_null_are_signs_of_the_rest():
    changes = np.array([0.3, -1.0, 2.2, 1.4, 0.8, 3.0, -0.2])
    signs = np.array(list(itertools.product([-1, 1], repeat=7)))
    made = sign_flip_test(changes, draws=128, seed=1)
    for null in (0.0, 0.5, -1.0, 2.0):
        rest = changes - null
        means = np.abs(signs @ rest)
        assert made.p_value(null) == pytest.approx(np.mean(means >= abs(rest.sum()) - 1e-9))


def test_entry_dates_keep_their_counts_within_strata():
    entry = np.array([2016, 2016, 2017, 0, 0, 0, 2017, 0])
    strata = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    made = assignments(entry, strata=strata, draws=1_000, seed=1)
    rows = np.concatenate(list(made.blocks()))
    assert made.n_possible == 12 * 4 == len(np.unique(rows, axis=0))
    for group in (0, 1):
        counts = np.sort(made.levels[rows][:, strata == group], axis=1)
        assert np.all(counts == np.sort(entry[strata == group]))
    assert np.any(np.all(made.levels[rows] == entry, axis=1))


def test_drawn_assignments_keep_their_counts_and_their_seed():
    treated = np.arange(40) < 14
    made = assignments(treated, strata=np.arange(40) % 3, draws=5_000, seed=9)
    rows = np.concatenate(list(made.blocks()))
    assert not made.exact and rows.shape == (5_000, 40)
    for group in range(3):
        inside = np.arange(40) % 3 == group
        assert np.all(rows[:, inside].sum(axis=1) == treated[inside].sum())
    again = np.concatenate(list(assignments(treated, strata=np.arange(40) % 3, draws=5_000, seed=9).blocks()))
    other = np.concatenate(list(assignments(treated, strata=np.arange(40) % 3, draws=5_000, seed=8).blocks()))
    assert np.array_equal(rows, again) and not np.array_equal(rows, other)


def test_every_unit_is_drawn_about_equally_often():
    rows = np.concatenate(list(assignments(np.arange(30) < 6, draws=20_000, seed=3).blocks()))
    assert rows.mean(axis=0) == pytest.approx(np.full(30, 0.2), abs=5 * np.sqrt(0.2 * 0.8 / 20_000))


def test_tertiles():
    assert np.bincount(quantile_strata(np.arange(70.0))).tolist() == [23, 23, 24] or np.bincount(
        quantile_strata(np.arange(70.0))
    ).tolist() == [24, 23, 23]


def test_a_disconnected_set_is_reported_as_its_hull():
    """One draw that is extreme only between 3 and 4 standard errors, and one that always is."""
    made = Resampling(
        estimate=0.0,
        variance=1.0,
        n0=np.array([0.0, 0.0]),
        n1=np.array([1.0, 1.0]),
        d0=np.array([12.251, 1.0]),
        d1=np.array([-3.5, 0.0]),
        d2=np.array([1.0, 0.0]),
        added=False,
    )
    inside = made.p_value(3.5)
    assert inside == 1.0 and made.p_value(1.0) == 0.5 and made.p_value(9.0) == 0.5
    found = made.interval(0.4)
    assert not found.connected and found.bounded is True
    assert 3.5 < found.high < 5


def test_an_unbounded_set_is_reported():
    """Three assignments in all: p is never below 1/3, so that no value is rejected at 5 %."""
    made = permutation_test([1.0, 2.0, 4.0], [0, 0, 1], statistic="coefficient", draws=10, seed=1, alpha=0.5)
    found = made.conf_int(0.95)
    assert (found.low, found.high, found.bounded) == (-np.inf, np.inf, False)
    assert np.isnan(found.p_low) and np.isnan(found.p_high)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(treated=[1, 0, 0, 0, 0, 0]), "one treated unit"),
        (dict(treated=[1, 1, 1, 1, 1, 1]), "sign_flip_test"),
        (dict(treated=[1, 2, 0, 0, 0, 0]), "0 or 1"),
        (dict(change=[np.nan, 1, 2, 3, 4, 5]), "1 changes"),
        (dict(change=np.ones(6)), "do not vary"),
        (dict(change=[2, 2, 0, 0, 0, 0]), "do not vary"),
        (dict(change=[0.7, 0.7, 0.1, 0.1, 0.1, 0.1], statistic="cr2"), "do not vary"),
        (dict(strata=[0, 1, 1, 1, 2, 2], alpha=0.05), r"above 0\.05"),
        (dict(strata=[0, 0, 1, 1, 1, 1]), "no unit can change"),
        (dict(alpha=0.01), r"above 0\.01"),
        (dict(draws=0), "at least one draw"),
        (dict(statistic="median"), "welch, cr2, coefficient"),
        (dict(covariates=np.arange(6.0)), "cr2"),
        (dict(statistic="cr2", covariates=np.ones(6)), r"covariates \[0\]"),
        (dict(statistic="cr2", covariates=np.array(TREATED, float)), "fix who is treated"),
        (dict(statistic="cr2", covariates=[np.nan] * 6), "6 covariates"),
        (dict(statistic="cr2", weights=[np.nan] + [1.0] * 5), "weights"),
        (dict(strata=[0, 1]), r"strata must be \(6,\)"),
    ],
)
def test_a_test_that_cannot_be_is_refused(change, message):
    given = dict(change=CHANGE, treated=TREATED, draws=100, seed=1, alpha=0.1) | change
    with pytest.raises(DesignError, match=message):
        permutation_test(given.pop("change"), given.pop("treated"), **given)


def test_equal_groups_need_twice_as_many_assignments():
    """Swapping the groups gives the same |t|: of 20 assignments p is at least 2/20."""
    y = np.array([5.0, 6.0, 7.5, 1.0, 0.0, 2.2])
    with pytest.raises(DesignError, match=r"no smaller than 0\.1"):
        permutation_test(y, [1, 1, 1, 0, 0, 0], draws=100, seed=1, alpha=0.05)


def test_one_treated_unit_is_ranked_among_the_others():
    y = np.arange(40.0)
    made = permutation_test(y, np.arange(40) == 39, statistic="coefficient", draws=100, seed=1)
    assert made.p_value(alternative="greater") == pytest.approx(1 / 40)
    assert made.p_value() == pytest.approx(2 / 40)


def test_too_few_units_for_signs_are_refused():
    for bad, message in (([1.0, 2.0, 3.0], r"0\.25"), ([1.0], "two units"), ([2.0] * 8, "do not vary")):
        with pytest.raises(DesignError, match=message):
            sign_flip_test(bad, draws=1_000, seed=1)
