"""Permutation of staggered starts and of ratios: the same as doing it the long way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.errors import DesignError
from pluseval.estimate.did import did
from pluseval.estimate.inference import OLS, ClusterRobust, Welch
from pluseval.estimate.inference_resampling import Permutation, SignFlip, WildBootstrap
from pluseval.estimate.ratio import rate_ratio_did
from pluseval.estimate.staggered import staggered_did
from pluseval.numerics.staggered_permutation import staggered_permutation_test

COST = Measure("cost", "cost", "kosten", "EUR", "euro", "EUR", "euro", "lower", additive=True)
PERIODS = np.arange(2013, 2020)
ENTRY = np.repeat([2016, 2017, 0], [4, 4, 14])


def outcomes(seed: int, effect: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    on = (ENTRY > 0)[:, None] & (PERIODS >= ENTRY[:, None])
    return 100 + rng.normal(0, 3, (22, 1)) + rng.normal(0, 2, (22, 7)) + effect * on


def framed(y: np.ndarray) -> AnalysisFrame:
    data = pd.DataFrame(
        {
            "practice": np.repeat([f"P{i:02d}" for i in range(len(y))], y.shape[1]),
            "year": np.tile(PERIODS, len(y)),
            "entry": np.repeat(ENTRY, y.shape[1]),
            "cost": y.ravel(),
            "years": np.repeat(np.arange(len(y)) + 10, y.shape[1]),
            "region": np.repeat(np.where(np.arange(len(y)) % 2, "Noord", "Zuid"), y.shape[1]),
        }
    )
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="cost", entry="entry", measure=COST, exposure="years",
        covariates=("region",),
    )  # fmt: skip


@pytest.mark.parametrize("comparison", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("null", [-1.5, 0.0, 2.0])
def test_a_shifted_null_equals_taking_the_effect_off_and_permuting(comparison, null):
    y = outcomes(1, effect=1.0)
    test = staggered_permutation_test(
        y, entry=ENTRY, periods=PERIODS, comparison=comparison, draws=499, seed=4
    )
    on = (ENTRY > 0)[:, None] & (PERIODS >= ENTRY[:, None])
    shifted = staggered_permutation_test(
        y - null * on, entry=ENTRY, periods=PERIODS, comparison=comparison, draws=499, seed=4
    )
    assert test.p_value(null) == shifted.p_value()


def test_the_overall_effect_is_that_of_the_analytic_estimator():
    frame = framed(outcomes(2, effect=-2.0))
    plain = staggered_did(frame, comparison="not_yet_treated")
    exact = staggered_did(frame, comparison="not_yet_treated", inference=Permutation(draws=999, seed=1))
    assert exact.overall.estimate == pytest.approx(plain.overall.estimate, rel=1e-9)
    assert exact["event 1"].p_value == plain["event 1"].p_value
    assert "entries reassigned" in exact.overall.inference
    for end in (exact.overall.conf_low, exact.overall.conf_high):
        assert exact.overall.p_at(end) == pytest.approx(0.05, abs=1.1 / 1000)


@pytest.mark.parametrize("comparison", ["never", "not_yet_treated"])
def test_an_adjusted_overall_effect_is_that_of_outcome_regression(comparison):
    frame = framed(outcomes(2, effect=-2.0))
    asked = {"comparison": comparison, "adjust": ["region"]}
    plain = staggered_did(frame, method="reg", **asked)
    drawn = staggered_did(frame, inference=Permutation(draws=499, seed=1), **asked)
    assert drawn.overall.estimate == pytest.approx(plain.overall.estimate, rel=1e-9)
    assert drawn["event 1"].estimate == plain["event 1"].estimate
    assert "adjusted for region, entries reassigned" in drawn.overall.inference
    for end in (drawn.overall.conf_low, drawn.overall.conf_high):
        assert drawn.overall.p_at(end) == pytest.approx(0.05, abs=1.1 / 500)


def test_a_common_start_and_two_periods_give_the_permutation_of_changes():
    y = outcomes(3)[:, [2, 5]]
    entry = np.where(ENTRY > 0, 2, 0)
    test = staggered_permutation_test(y, entry=entry, periods=np.array([1, 2]), draws=1999, seed=6)
    change = y[:, 1] - y[:, 0]
    a, b = change[entry > 0], change[entry == 0]
    welch = (a.mean() - b.mean()) / np.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size)
    assert test.statistic == pytest.approx(welch)


def test_false_positives_of_reassigned_entries_are_nominal():
    studies = 300
    p = [
        staggered_permutation_test(
            outcomes(seed), entry=ENTRY, periods=PERIODS, draws=99, seed=seed
        ).p_value()
        for seed in range(studies)
    ]
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / studies)


@pytest.mark.parametrize("inference", [OLS(), Welch(), ClusterRobust(), WildBootstrap(draws=99, seed=1)])
def test_an_inference_that_cannot_reassign_entries_is_refused(inference):
    with pytest.raises(DesignError, match="takes Permutation"):
        staggered_did(framed(outcomes(1)), inference=inference)


def test_what_a_permutation_of_entries_cannot_do_is_refused():
    frame = framed(outcomes(1))
    with pytest.raises(DesignError, match="single arm"):
        staggered_did(frame, inference=SignFlip(draws=99))
    with pytest.raises(DesignError, match="propensity score cannot be fitted"):
        staggered_did(frame, inference=Permutation(draws=99, seed=1), adjust=["region"], method="dr")
    with pytest.raises(DesignError, match="method is 'ipw'"):
        staggered_did(frame, adjust=["region"], method="ipw")
    with pytest.raises(DesignError, match="use 'studentised'"):
        staggered_did(frame, inference=Permutation(draws=99, seed=1, statistic="coefficient"))
    with pytest.raises(DesignError, match="no data could be significant"):
        staggered_did(frame, inference=Permutation(draws=9, seed=1))
    with pytest.raises(DesignError, match="comparison is 'none'"):
        staggered_did(frame, comparison="none")


def test_a_permuted_ratio_is_the_poisson_ratio_with_its_own_interval():
    frame = framed(outcomes(5))
    windows = ((2013, 2015), (2017, 2019))
    robust = rate_ratio_did(frame, inference=ClusterRobust("CR2"), windows=windows)
    drawn = rate_ratio_did(frame, inference=Permutation(draws=1999, seed=2, strata="region"), windows=windows)
    assert (drawn.estimate, drawn.std_error) == pytest.approx((robust.estimate, robust.std_error), rel=1e-6)
    assert "within levels of region" in drawn.inference
    for end in (drawn.conf_low, drawn.conf_high):
        assert drawn.p_at(end) == pytest.approx(0.05, abs=1.1 / 2000)


def test_a_permuted_ratio_given_covariates_carries_the_error_of_cr2_and_its_own_interval():
    frame = framed(outcomes(5))
    asked = {"windows": ((2013, 2015), (2017, 2019)), "adjust": ["region"]}
    robust = rate_ratio_did(frame, inference=ClusterRobust("CR2"), **asked)
    drawn = rate_ratio_did(frame, inference=Permutation(draws=499, seed=2), **asked)
    assert (drawn.estimate, drawn.std_error) == pytest.approx((robust.estimate, robust.std_error), rel=1e-6)
    assert "adjusted for region" in drawn.inference
    for end in (drawn.conf_low, drawn.conf_high):
        assert drawn.p_at(end) == pytest.approx(0.05, abs=1.1 / 500)


@pytest.mark.parametrize("adjust", [(), ("region",)])
def test_permuted_weighted_values_carry_the_error_of_cr2_and_their_own_interval(adjust):
    asked = {"periods": (2015, 2018), "weights": "exposure", "adjust": adjust}
    drawn = did(framed(outcomes(1)), inference=Permutation(draws=999, seed=1), **asked)
    robust = did(framed(outcomes(1)), inference=ClusterRobust("CR2"), **asked)
    assert (drawn.estimate, drawn.std_error) == pytest.approx((robust.estimate, robust.std_error), rel=1e-9)
    assert "values weighted by exposure" in drawn.inference
    for end in (drawn.conf_low, drawn.conf_high):
        assert drawn.p_at(end) == pytest.approx(0.05, abs=1.1 / 1000)
    plain = did(
        framed(outcomes(1)), inference=Permutation(draws=999, seed=1, statistic="coefficient"), **asked
    )
    assert plain.estimate == drawn.estimate and "the coefficient" in plain.inference


def test_strata_must_be_a_column_with_values():
    frame = framed(outcomes(1))
    with pytest.raises(DesignError, match="no such practice column"):
        did(frame, inference=Permutation(draws=99, seed=1, strata="size"), periods=(2015, 2018))
    gaps = frame.with_practices({"size": pd.Series(np.nan, index=frame.practices.index)})
    with pytest.raises(DesignError, match="not finite"):
        did(gaps, inference=Permutation(draws=99, seed=1, strata="size"), periods=(2015, 2018))


def test_equal_tails_reject_exactly_what_their_interval_leaves_out():
    """The p at each end of the equal-tailed interval is alpha within one draw, and p and interval agree."""
    frame = framed(np.exp(outcomes(4) / 20))
    years = {"periods": (2015, 2018)}
    found = did(frame, inference=Permutation(draws=999, seed=3, tails="equal"), **years)
    assert "equal tails" in found.inference
    for end in (found.conf_low, found.conf_high):
        assert found.p_at(end) == pytest.approx(0.05, abs=2.5 / 1_000)
    assert (found.p_value <= 0.05) == (not found.conf_low <= 0 <= found.conf_high)
    symmetric = did(frame, inference=Permutation(draws=999, seed=3), **years)
    assert found.estimate == symmetric.estimate and found.conf_low != symmetric.conf_low
