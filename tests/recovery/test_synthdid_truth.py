"""Synthetic difference in differences finds a planted effect where plain comparisons are biased."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.synthdid import staggered_synthetic_did, synthetic_did
from pluseval.numerics.synthdid_resampling import (
    block_effects,
    bootstrap_effects,
    jackknife_standard_error,
    placebo_effects,
)

CONTROLS, TREATED, PRE, POST, EFFECT = 40, 6, 10, 4, 3.0


def two_trends(rng: np.random.Generator, *, noise: float) -> np.ndarray:
    """Units that follow a mixture of two courses; the treated follow mostly the second."""
    periods = np.arange(PRE + POST)
    courses = np.stack([0.2 * periods, 0.8 * periods + np.sin(periods)])
    share = np.append(rng.uniform(0, 1, CONTROLS), rng.uniform(0.6, 0.9, TREATED))
    y = np.column_stack([1 - share, share]) @ courses + rng.normal(size=(CONTROLS + TREATED, 1))
    y = y + noise * rng.normal(size=y.shape)
    y[CONTROLS:, PRE:] += EFFECT
    return y


def test_the_effect_is_found_without_noise_although_trends_differ():
    y = two_trends(np.random.default_rng(1), noise=0.0)
    settings = {"n_control": CONTROLS, "n_pre": PRE}
    assert synthetic_did(y, zeta_omega=0.0, **settings).estimate == pytest.approx(EFFECT, abs=1e-6)
    assert abs(synthetic_did(y, method="did", **settings).estimate - EFFECT) > 0.5


def test_the_effect_is_found_with_noise_within_its_errors():
    rng = np.random.default_rng(2)
    estimates, errors = [], []
    for _ in range(150):
        y = two_trends(rng, noise=0.5)
        estimates.append(synthetic_did(y, n_control=CONTROLS, n_pre=PRE).estimate)
        errors.append(jackknife_standard_error(y, n_control=CONTROLS, n_pre=PRE))
    assert abs(np.mean(estimates) - EFFECT) < 0.15  # plain differences are off by more than 0.5
    assert np.mean(errors) == pytest.approx(np.std(estimates), rel=0.35)


def test_resampled_errors_agree_where_units_vary_alike():
    rng = np.random.default_rng(3)
    y = rng.normal(size=(80, 14)) + rng.normal(size=(80, 1))
    settings = {"n_control": 60, "n_pre": 10}
    jackknife = jackknife_standard_error(y, **settings)
    assert placebo_effects(y, draws=300, seed=1, **settings).std() == pytest.approx(jackknife, rel=0.5)
    assert bootstrap_effects(y, draws=300, seed=1, **settings).std() == pytest.approx(jackknife, rel=0.5)


def test_placebo_blocks_of_exchangeable_units_rank_evenly():
    rng = np.random.default_rng(4)
    studies, units = 200, 20
    ranks = np.empty(studies)
    for s in range(studies):
        y = rng.normal(size=(units, 8)).cumsum(axis=1)
        effects = np.abs(block_effects(y, blocks=[np.array([i]) for i in range(units)], n_pre=6))
        ranks[s] = (effects >= effects[0]).mean()
    assert abs((ranks <= 0.05).mean() - 0.05) <= 4 * np.sqrt(0.05 * 0.95 / studies)
    assert abs(ranks.mean() - (units + 1) / (2 * units)) <= 4 * np.sqrt(1 / 12 / studies)


def test_staggered_effects_are_found_per_cohort():
    periods = np.arange(10)
    courses = np.stack([0.2 * periods, np.sqrt(periods)])
    share = np.append(np.linspace(0, 1, 21), [0.3, 0.5, 0.7])
    y = np.column_stack([1 - share, share]) @ courses
    entry = np.append(np.zeros(21), [5, 5, 7])
    y[21:23, 5:] += 2.0
    y[23, 7:] += 4.0
    out = staggered_synthetic_did(y, entry=entry, periods=periods)
    assert [part.estimate for part in out.parts] == pytest.approx([2.0, 4.0], abs=0.02)
    assert out.estimate == pytest.approx((2.0 * 10 + 4.0 * 3) / 13, abs=0.02)
