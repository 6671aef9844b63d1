"""All adjacent changes, and the chance that some of them is large."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.errors import DesignError
from pluseval.estimate.did import did
from pluseval.estimate.event_study import adjacent_changes
from pluseval.estimate.inference import OLS, Welch
from pluseval.estimate.inference_max_t import MaxT
from pluseval.estimate.inference_resampling import Permutation, SignFlip
from pluseval.estimate.single_arm import waves

PCT = Measure(
    "pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points", "punten", "lower"
)


def framed(seed: int = 4, treated: int = 3, n: int = 8, years=(2016, 2017, 2018, 2019)) -> AnalysisFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "practice": np.repeat([f"P{i:02d}" for i in range(n)], len(years)),
            "year": np.tile(years, n),
            "entry": np.repeat(np.where(np.arange(n) < treated, 2016, 0), len(years)),
            "pct": rng.normal(30, 2, n * len(years)),
        }
    )
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="pct", entry="entry", measure=PCT
    )


def changes_of(frame: AnalysisFrame) -> np.ndarray:
    return np.diff(frame.cells.pivot(index="cluster", columns="period", values="y").to_numpy(), axis=1)


def test_every_adjacent_pair_is_its_own_difference_in_differences():
    frame = framed()
    found = adjacent_changes(frame, inference=OLS())
    assert [e.term for e in found] == ["2016 -> 2017", "2017 -> 2018", "2018 -> 2019"]
    one = did(frame, inference=OLS(), periods=(2018, 2019))
    assert (found["2018 -> 2019"].estimate, found["2018 -> 2019"].p_value) == (one.estimate, one.p_value)


@pytest.mark.parametrize(("statistic", "equal"), [("pooled", True), ("studentised", False)])
def test_max_t_equals_the_enumeration_of_all_assignments(statistic, equal):
    frame = framed()
    changes = changes_of(frame)

    def largest(chosen):
        on = np.isin(np.arange(8), chosen)
        return np.abs(stats.ttest_ind(changes[on], changes[~on], equal_var=equal).statistic).max()

    drawn = np.array([largest(c) for c in itertools.combinations(range(8), 3)])
    expected = np.mean(drawn >= largest([0, 1, 2]) - 1e-9)
    test = adjacent_changes(frame, inference=OLS(), joint=MaxT(draws=99, seed=1, statistic=statistic)).joint[
        0
    ]
    assert test.p_value == pytest.approx(expected)
    assert test.statistic == pytest.approx(largest([0, 1, 2]))
    assert "all 56" in test.inference


def test_a_permutation_brings_its_own_max_t():
    frame = framed(treated=4, n=12)
    joint = adjacent_changes(frame, inference=Permutation(draws=999, seed=5)).joint[0]
    same = adjacent_changes(frame, inference=Welch(), joint=MaxT(draws=999, seed=5)).joint[0]
    assert joint.p_value == same.p_value
    assert joint.p_value >= min(
        e.p_value for e in adjacent_changes(frame, inference=Permutation(draws=999, seed=5))
    )


def test_max_t_of_one_change_is_that_change_permuted():
    frame = framed(treated=4, n=12, years=(2018, 2019, 2020))
    inference = Permutation(draws=999, seed=5)
    tests = adjacent_changes(frame, inference=inference).joint[0]
    both = [e.p_value for e in adjacent_changes(frame, inference=inference)]
    assert (
        max(min(both), 0) <= tests.p_value <= sum(both) + 1e-12
    )  # between the smallest and Bonferroni's bound


def test_max_t_of_a_single_arm_flips_all_waves_of_a_practice_together():
    frame = framed(treated=7, n=7)
    found = waves(frame, inference=SignFlip(draws=128))
    values = frame.cells.pivot(index="cluster", columns="period", values="y").to_numpy()
    changes = values[:, 1:] - values[:, :1]
    scale = changes.std(axis=0, ddof=1) / np.sqrt(7)
    signs = np.array(list(itertools.product([-1, 1], repeat=7)))
    drawn = np.abs(signs @ changes / 7 / scale).max(axis=1)
    seen = np.abs(changes.mean(axis=0) / scale).max()
    assert found.joint[0].p_value == pytest.approx(np.mean(drawn >= seen - 1e-9))


def test_adjacent_changes_need_two_periods():
    with pytest.raises(DesignError, match="needs 2 periods or more, found 1"):
        adjacent_changes(framed(years=(2018,)), inference=OLS())


def test_two_periods_have_no_joint_test():
    assert adjacent_changes(framed(years=(2018, 2019)), inference=OLS()).joint == ()
