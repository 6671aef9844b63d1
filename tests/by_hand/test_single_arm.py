"""The change of programme practices alone, and sign flips counted by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.errors import DesignError
from pluseval.estimate.inference import OLS, ClusterRobust, Welch
from pluseval.estimate.inference_resampling import Permutation, SignFlip, WildBootstrap
from pluseval.estimate.single_arm import single_arm, waves

GRADE = Measure("grade", "report grade", "rapportcijfer", "points", "punten", "points", "punten", "higher")


def framed(values: dict[int, list[float]], comparison: int = 0) -> AnalysisFrame:
    rows = [
        (f"P{i}", wave, v, 2016 if i >= comparison else 0)
        for wave, column in values.items()
        for i, v in enumerate(column)
        if not np.isnan(v)
    ]
    data = pd.DataFrame(rows, columns=["practice", "wave", "grade", "entry"])
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="wave", y="grade", entry="entry", measure=GRADE
    )


BEFORE = [8.0, 8.2, 8.4, 8.6, 8.8, 9.0]
AFTER = [8.3, 8.4, 8.3, 9.0, 8.9, 9.6]
CHANGES = np.subtract(AFTER, BEFORE)


def test_single_arm_is_a_paired_t_test_of_practices():
    result = single_arm(framed({2016: BEFORE, 2019: AFTER}), inference=OLS())
    paired = stats.ttest_rel(AFTER, BEFORE)
    low, high = paired.confidence_interval()
    assert result.p_value == pytest.approx(paired.pvalue)
    assert (result.conf_low, result.conf_high) == pytest.approx((low, high))
    assert result.inference == "mean of changes, t(5)"
    for same in (Welch(), ClusterRobust("CR2")):
        assert single_arm(framed({2016: BEFORE, 2019: AFTER}), inference=same).p_value == pytest.approx(
            paired.pvalue
        )


def test_a_first_wave_after_the_start_is_no_clean_baseline_and_says_so():
    note = "6 programme practices had started by 2016"
    assert any(note in n for n in single_arm(framed({2016: BEFORE, 2019: AFTER}), inference=OLS()).notes)
    assert not single_arm(framed({2015: BEFORE, 2019: AFTER}), inference=OLS()).notes


def test_comparison_practices_are_ignored():
    values = {2016: [1.0, 2.0, *BEFORE], 2019: [9.0, 1.0, *AFTER]}
    result = single_arm(framed(values, comparison=2), inference=OLS())
    assert result.estimate == pytest.approx(CHANGES.mean())
    assert {c.group for c in result.counts.cells} == {"programme"}


def test_sign_flips_equal_the_enumeration_of_all_of_them():
    result = single_arm(framed({2016: BEFORE, 2019: AFTER}), inference=SignFlip(draws=64))
    means = [np.mean(np.array(s) * CHANGES) for s in itertools.product([-1, 1], repeat=6)]
    assert result.p_value == np.mean(np.abs(means) >= abs(CHANGES.mean()) - 1e-12)
    assert result.inference == "sign flips of practice changes, all 64 flips"


def test_the_sign_flip_interval_ends_at_means_of_flipped_subsets():
    # A flip does not reject a value between the means of the flipped and of the kept practices.
    result = single_arm(framed({2016: BEFORE, 2019: AFTER}), inference=SignFlip(draws=64))
    lows, highs = [], []
    for flipped in itertools.product([False, True], repeat=6):
        f = np.array(flipped)
        ends = sorted((CHANGES[f].mean(), CHANGES[~f].mean())) if 0 < f.sum() < 6 else (-np.inf, np.inf)
        lows.append(ends[0])
        highs.append(ends[1])
    kept = int(np.floor(0.05 * 64)) + 1  # the fewest flips that make p larger than 5 %
    # statistics closer than 1e-9 count as ties, which moves an end by about as much
    assert result.conf_low == pytest.approx(np.sort(lows)[kept - 1], abs=1e-7)
    assert result.conf_high == pytest.approx(np.sort(highs)[-kept], abs=1e-7)


def test_too_few_practices_for_the_level_are_refused():
    four = {2016: BEFORE[:4], 2019: AFTER[:4]}
    with pytest.raises(DesignError, match="no data could be significant"):
        single_arm(framed(four), inference=SignFlip(draws=16))  # 2 / 16 > 5 %


def test_many_practices_need_a_seed_or_all_flips():
    rng = np.random.default_rng(1)
    frame = framed({2016: list(rng.normal(size=14)), 2019: list(rng.normal(size=14))})
    with pytest.raises(DesignError, match="a seed"):
        single_arm(frame, inference=SignFlip(draws=999))
    drawn = single_arm(frame, inference=SignFlip(draws=4_999, seed=3))
    exact = single_arm(frame, inference=SignFlip(draws=16_384))
    assert "4,999 flips drawn (seed 3)" in drawn.inference and "all 16,384" in exact.inference
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.03)
    assert drawn.p_value == single_arm(frame, inference=SignFlip(draws=4_999, seed=3)).p_value


def test_p_at_each_interval_end_is_alpha_within_one_pair_of_flips():
    rng = np.random.default_rng(2)
    frame = framed({2016: list(rng.normal(size=14)), 2019: list(rng.normal(1, 1, size=14))})
    for inference in (SignFlip(draws=16_384), WildBootstrap(draws=16_384, seed=1)):
        result = single_arm(frame, inference=inference)
        for end in (result.conf_low, result.conf_high):
            assert result.p_at(end) == pytest.approx(0.05, abs=2.1 / 16_384)


def test_waves_compare_each_with_the_first_and_with_all_at_once():
    nan = float("nan")
    values = {2016: BEFORE, 2017: [8.1, 8.1, 8.6, 8.5, 8.8, 9.3], 2019: [*AFTER[:5], nan]}
    found = waves(framed(values), inference=OLS())
    assert [e.at for e in found] == [2017, 2019]
    assert [e.n_clusters for e in found] == [6, 5]
    assert found.estimates[1].losses[0].count == 1
    test = found.joint[0]
    assert test.name == "any change since 2016" and test.df == 2
    complete = np.column_stack([np.subtract(values[w][:5], BEFORE[:5]) for w in (2017, 2019)])
    t2 = 5 * complete.mean(0) @ np.linalg.inv(np.cov(complete.T)) @ complete.mean(0)
    assert test.p_value == pytest.approx(stats.f.sf(t2 * 3 / (4 * 2), 2, 3))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({2016: [8.0], 2019: [8.5]}, "at least two practices"),
        ({2016: BEFORE}, "needs 2 periods, found 1"),
        ({2016: BEFORE, 2019: [b + 0.5 for b in BEFORE]}, "do not vary"),
    ],
)
def test_a_single_arm_that_cannot_answer_is_refused(values, message):
    with pytest.raises(DesignError, match=message):
        single_arm(framed(values), inference=OLS())


def test_without_programme_practices_there_is_no_arm():
    frame = framed({2016: BEFORE, 2019: AFTER}, comparison=6)
    with pytest.raises(DesignError, match="no practice of the frame ever joined"):
        single_arm(frame, inference=OLS())


def test_a_permutation_of_one_group_is_refused():
    with pytest.raises(DesignError, match="SignFlip"):
        single_arm(framed({2016: BEFORE, 2019: AFTER}), inference=Permutation(draws=99, seed=1))
