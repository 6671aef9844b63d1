"""Honest bounds cover under the worst trend they allow; pre-trend power is how often the test rejects."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.honest import relative_magnitudes
from pluseval.numerics.honest_smoothness import smoothness_interval
from pluseval.numerics.pretrend import pretrend_power

STUDIES = 200
BELOW = 0.95 - 4 * np.sqrt(0.95 * 0.05 / STUDIES)
CORRELATED = 0.04 * (0.5 * np.eye(4) + 0.5)


def drawn(mean: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).multivariate_normal(mean, CORRELATED, size=STUDIES)


@pytest.mark.parametrize("mbar", [0.0, 1.0])
def test_relative_magnitudes_cover_under_the_worst_allowed_trend(mbar):
    effect, largest = 1.0, 0.6
    trend = np.array(
        [-largest, 0.0, mbar * largest, 2 * mbar * largest]
    )  # two periods before, then two after
    covered = 0
    for coef in drawn(trend + np.array([0, 0, effect, effect]), seed=1):
        made = relative_magnitudes(coef, CORRELATED, n_pre=2, mbar=mbar, seed=1, draws=2_000, grid_points=300)
        covered += made.low <= effect <= made.high
    assert covered / STUDIES >= BELOW


def test_relative_magnitudes_miss_when_the_trend_is_worse_than_allowed():
    trend = np.array([-0.3, 0.0, 3.0, 6.0])
    covered = 0
    for coef in drawn(trend, seed=2)[:50]:
        made = relative_magnitudes(coef, CORRELATED, n_pre=2, mbar=0.5, seed=1, draws=2_000, grid_points=300)
        covered += made.low <= 0 <= made.high
    assert covered < 25


@pytest.mark.parametrize("m", [0.0, 0.3])
def test_smoothness_covers_under_a_bent_trend_and_no_more_often_than_it_must(m):
    slope, effect = 0.4, 1.0
    straight = slope * np.array([-2.0, -1.0, 1.0, 2.0])
    bent = straight + m * np.array([-1.0, 0.0, 1.0, 3.0])
    covered = [
        interval.low <= effect <= interval.high
        for interval in (
            smoothness_interval(coef, CORRELATED, n_pre=2, m=m)
            for coef in drawn(bent + np.array([0, 0, effect, effect]), seed=3)
        )
    ]
    assert np.mean(covered) >= BELOW
    if m == 0.0:
        assert np.mean(covered) < 0.995


@pytest.mark.parametrize("test", ["any", "joint"])
def test_pretrend_power_is_how_often_the_test_rejects(test):
    trend = np.array([-0.35, -0.2, 0.1, 0.3])
    made = pretrend_power(CORRELATED, n_pre=2, trend=trend, test=test)
    draws = np.random.default_rng(4).multivariate_normal(trend, CORRELATED, size=40_000)
    early, pre = draws[:, :2], CORRELATED[:2, :2]
    if test == "any":
        rejected = (np.abs(early) / np.sqrt(np.diag(pre)) > 1.959964).any(axis=1)
        passed = draws[~rejected].mean(axis=0)
        assert made.mean_after_passing == pytest.approx(passed, abs=4 * 0.2 / np.sqrt((~rejected).sum()))
    else:
        rejected = np.einsum("ij,jk,ik->i", early, np.linalg.inv(pre), early) > 5.991465
    assert made.power == pytest.approx(rejected.mean(), abs=4 * 0.5 / np.sqrt(40_000))
