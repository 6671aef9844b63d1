"""Adjusted effects under reassigned entries: every assignment regressed cell by cell, the long way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.staggered import COMPARISONS, GroupTimeAtt
from pluseval.numerics.staggered_average import aggregate_att
from pluseval.numerics.staggered_permutation import staggered_permutation_test

PERIODS = np.arange(1, 5)
ENTRY = np.array([3, 3, 4, 0, 0, 0, 0, 0, 0])
N = ENTRY.size
ON = (ENTRY > 0)[:, None] & (PERIODS >= ENTRY[:, None])
ROUNDING = 1e-8


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(8)
    Z = rng.normal(size=N)
    return rng.normal(30, 1, (N, 4)) + np.outer(Z, PERIODS) / 2 + 1.5 * ON, Z


def regressed(y, entry, Z, comparison):
    """The simple average and its error, from a regression for every cohort and period."""
    X = np.column_stack([np.ones(N), Z])
    cohorts = np.unique(entry[entry > 0])
    group, period, att, influence = [], [], [], []
    for g, t in itertools.product(cohorts, PERIODS[1:]):
        base = g - 1 if t >= g else t - 1
        control = entry == 0
        if comparison == "not_yet_treated":
            control = (control | (entry > max(t, base))) & (entry != g)
        treated, change = entry == g, y[:, t - 1] - y[:, base - 1]
        slopes = np.linalg.lstsq(X[control], change[control], rcond=None)[0]
        left = change - X @ slopes
        effect = left[treated].mean()
        inverse = np.linalg.inv(X[control].T @ X[control])
        part = treated * (left - effect) / treated.sum()
        part = part - control * left * (X @ inverse @ X[treated].mean(axis=0))
        group.append(g), period.append(t), att.append(effect), influence.append(N * part)
    membership = (entry[:, None] == cohorts).astype(float)
    made = GroupTimeAtt(
        group=np.array(group), period=np.array(period), att=np.array(att), se=np.ones(len(att)),
        influence=np.stack(influence, axis=1), cohorts=cohorts, shares=membership.mean(axis=0),
        membership=membership, units=np.arange(N), n_always_treated=0, n_incomplete=0, n_never_treated=0,
        pretrend_statistic=np.nan, pretrend_df=0, pretrend_p=np.nan,
    )  # fmt: skip
    average = aggregate_att(made)
    size = np.array([np.sum(entry == e) for e in entry])
    inflate = np.where(size > 1, size / np.maximum(size - 1, 1), 1.0)
    return average.overall, np.sqrt(np.sum(inflate * average.overall_influence**2)) / N


def every_assignment():
    for first in itertools.combinations(range(N), 2):
        for second in set(range(N)) - set(first):
            entry = np.zeros(N, int)
            entry[list(first)], entry[second] = 3, 4
            yield entry


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("null", [0.0, 2.5])
def test_every_assignment_is_regressed_anew(drawn, comparison, null):
    y, Z = drawn
    made = staggered_permutation_test(
        y, entry=ENTRY, periods=PERIODS, covariates=Z, comparison=comparison, draws=999, seed=1
    )
    shifted = y - null * ON
    pairs = np.array([regressed(shifted, entry, Z, comparison) for entry in every_assignment()])
    t, own = pairs[:, 0] / pairs[:, 1], regressed(shifted, ENTRY, Z, comparison)
    assert made.exact and made.n_possible == len(pairs)
    assert np.sort(made.resampling.statistics(null)) == pytest.approx(np.sort(t), rel=ROUNDING)
    assert (made.estimate - null, made.std_error) == pytest.approx(own, rel=ROUNDING)
    assert made.p_value(null) == np.mean(np.abs(t) >= abs(own[0] / own[1]) * (1 - ROUNDING))


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_a_constant_covariate_changes_nothing(drawn, comparison):
    y, _ = drawn
    asked = {"entry": ENTRY, "periods": PERIODS, "comparison": comparison, "draws": 999, "seed": 1}
    plain = staggered_permutation_test(y, **asked)
    same = staggered_permutation_test(y, covariates=np.full(N, 4.0), **asked)
    assert (same.estimate, same.std_error) == pytest.approx((plain.estimate, plain.std_error), rel=ROUNDING)
    assert same.p_value() == plain.p_value()
    assert same.conf_int().low == pytest.approx(plain.conf_int().low, rel=ROUNDING)


def test_the_scale_of_a_covariate_and_its_course_in_the_outcome_change_nothing(drawn):
    y, Z = drawn
    asked = {"entry": ENTRY, "periods": PERIODS, "draws": 999, "seed": 1}
    one = staggered_permutation_test(y, covariates=Z, **asked)
    other = staggered_permutation_test(y + np.outer(Z, PERIODS**2), covariates=50 - 9 * Z, **asked)
    assert (other.estimate, other.std_error) == pytest.approx((one.estimate, one.std_error), rel=ROUNDING)
    assert other.p_value() == one.p_value()


def test_a_trend_by_size_no_longer_rejects_once_size_is_taken_out():
    """Size under the null where trends depend on a covariate on which the groups differ."""
    rng, studies = np.random.default_rng(4), 150
    entry, rejected = np.repeat([3, 4, 0], [5, 3, 16]), np.zeros(2)
    for seed in range(studies):
        Z = rng.normal(size=24) + (entry > 0)
        y = rng.normal(size=(24, 4)) + np.outer(Z, PERIODS)
        asked = {"entry": entry, "periods": PERIODS, "draws": 99, "seed": seed}
        for i, given in enumerate((None, Z)):
            p = staggered_permutation_test(y, covariates=given, **asked).p_value()
            rejected[i] += p <= 0.05
    unadjusted, adjusted = rejected / studies
    assert unadjusted > 0.3 and abs(adjusted - 0.05) < 4 * np.sqrt(0.05 * 0.95 / studies)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"covariates": np.full(N, np.nan)}, "covariates are not finite"),
        ({"covariates": np.ones(3)}, "covariates must be"),
        ({"covariates": np.tile(np.arange(N), (2, 1)).T}, "collinear"),
        ({"covariates": np.eye(N)[:, :6]}, "cannot carry"),
        ({"estimator": "imputation", "covariates": np.arange(N)}, "imputation takes no covariates"),
        ({"kind": "dynamic", "key": 9, "covariates": np.arange(N)}, "has no key"),
    ],
)
def test_what_cannot_be_adjusted_is_refused(drawn, change, match):
    asked = {"entry": ENTRY, "periods": PERIODS, "draws": 999, "seed": 1, **change}
    with pytest.raises(DesignError, match=match):
        staggered_permutation_test(drawn[0], **asked)
