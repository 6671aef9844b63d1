"""Exact permutation tests against enumeration in base R."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.permute import permutation_test

EXACT = 1e-8
CASES = {
    "diff_in_means": dict(statistic="coefficient"),
    "weighted_diff_in_means": dict(statistic="coefficient", weights="list_size"),
    "studentised_welch_t": dict(statistic="welch"),
}


@pytest.fixture(scope="module")
def oracle(reference):
    return reference("change_score_permutation")["results"]


def _run(frame, *, statistic, weights=None):
    return permutation_test(
        frame.change,
        frame.treated,
        statistic=statistic,
        weights=None if weights is None else frame[weights],
        draws=9_999,
        seed=1,
    )


@pytest.mark.parametrize("name", CASES)
def test_all_reassignments_are_counted_as_in_r(oracle, reference_data, name):
    said = oracle["permutation_small_5of14"][name]
    made = _run(reference_data("permutation_small"), **CASES[name])
    assert made.exact and made.n_possible == said["n_perm"] == made.resampling.n_draws
    assert made.resampling.count() == said["n_two_sided"]
    assert made.p_value() == pytest.approx(said["p_two_sided"], rel=EXACT)
    assert made.p_value(alternative="less") == pytest.approx(said["p_less"], rel=EXACT)
    assert made.p_value(alternative="greater") == pytest.approx(said["p_greater"], rel=EXACT)


@pytest.mark.parametrize("name", CASES)
def test_the_permutation_distribution_is_that_of_r(oracle, reference_data, name):
    said = oracle["permutation_small_5of14"][name]
    made = _run(reference_data("permutation_small"), **CASES[name])
    drawn = made.resampling.statistics()
    assert made.statistic == pytest.approx(said["observed"], rel=EXACT)
    assert drawn.std() == pytest.approx(said["dist_sd_pop"], rel=EXACT)
    assert drawn.mean() == pytest.approx(said["dist_mean"], rel=EXACT, abs=EXACT * said["dist_sd_pop"])


def test_sampled_reassignments_agree_with_those_of_r(oracle, reference_data):
    said = oracle["permutation_84_montecarlo"]
    frame = reference_data("practice_year_referrals")
    frame["pct"] = 100 * frame.referrals / frame.list_size
    wide = frame.pivot(index=["practice_id", "treated"], columns="year", values="pct").reset_index()
    made = permutation_test(
        wide[2019] - wide[2018], wide.treated, statistic="coefficient", draws=said["B"], seed=2
    )
    assert not made.exact and made.n_possible > 1e9
    assert made.estimate == pytest.approx(said["observed"], rel=EXACT)
    p = said["p_two_sided_plus1"]
    assert made.p_value() == pytest.approx(p, abs=4 * np.sqrt(2 * p * (1 - p) / said["B"]))
