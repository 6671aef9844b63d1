"""Honest bounds, pre-trend power and planning formulas: order relations, symmetries and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.honest import relative_magnitudes
from pluseval.numerics.honest_smoothness import smoothness_interval
from pluseval.numerics.power import (
    cluster_did_power,
    minimal_detectable_effect,
    proportions_power,
    t_test_power,
    t_test_sample_size,
)
from pluseval.numerics.pretrend import pretrend_power, slope_with_power

N_PRE = 3


@pytest.fixture
def study() -> dict:
    rng = np.random.default_rng(8)
    root = rng.normal(size=(12, 7))
    return {"coef": rng.normal(size=7), "cov": root.T @ root / 12, "n_pre": N_PRE}


def test_weaker_assumptions_widen_the_bounds(study):
    magnitudes = [relative_magnitudes(mbar=mbar, seed=1, **study) for mbar in (0.0, 0.5, 1.0, 2.0)]
    smooth = [smoothness_interval(m=m, **study) for m in (0.0, 0.2, 0.5, 1.0)]
    for intervals in (magnitudes, smooth):
        widths = [interval.high - interval.low for interval in intervals]
        assert (np.diff(widths) > 0).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_bounds_scale_and_mirror(sign, study):
    factor = sign * 250.0
    moved = study | {"coef": factor * study["coef"], "cov": factor**2 * study["cov"]}
    before, after = (relative_magnitudes(mbar=1.0, seed=1, **s) for s in (study, moved))
    ends = sorted([factor * before.low, factor * before.high])
    # the first-stage critical value is simulated, so a mirrored problem sees other draws
    assert [after.low, after.high] == pytest.approx(ends, abs=0.02 * (ends[1] - ends[0]))
    smooth, moved_smooth = smoothness_interval(m=0.5, **study), smoothness_interval(m=0.5 * 250, **moved)
    ends = sorted([factor * smooth.low, factor * smooth.high])
    assert [moved_smooth.low, moved_smooth.high] == pytest.approx(ends, abs=1e-4 * (ends[1] - ends[0]))


def test_no_other_earlier_weights_give_a_shorter_fixed_length(study):
    best = smoothness_interval(m=0.3, **study)
    rng = np.random.default_rng(3)
    from_reference = np.arange(N_PRE, 0, -1.0)
    for _ in range(200):
        change = rng.normal(size=N_PRE) * 0.05
        change -= from_reference * (change @ from_reference) / (from_reference @ from_reference)  # no slope
        weights = np.concatenate([best.pre_weights + change, np.eye(4)[0]])
        spread = np.sqrt(weights @ study["cov"] @ weights)
        bends = (
            np.maximum(from_reference[:-1] - np.arange(N_PRE - 1, 0, -1.0)[:, None], 0) @ weights[: N_PRE - 1]
        )
        bias = 0.3 * (1 + np.abs(bends).sum())
        draws = np.abs(rng.standard_normal(4_000) * spread + bias)
        assert np.quantile(draws, 0.95) > 0.9 * best.half_length


def test_power_grows_with_the_trend_and_equals_the_level_without(study):
    cov = study["cov"]
    for test in ("any", "joint"):
        powers = [
            pretrend_power(cov, n_pre=N_PRE, trend=slope * np.arange(-4.0, 3.0), test=test).power
            for slope in (0.0, 0.3, 0.6, 1.2)
        ]
        assert (np.diff(powers) > 0).all()
    assert pretrend_power(cov, n_pre=N_PRE, trend=np.zeros(7), test="joint").power == pytest.approx(0.05)
    single = pretrend_power(cov, n_pre=1, trend=np.zeros(7)).power
    assert single == pytest.approx(0.05)


def test_the_slope_found_has_the_power_asked_for(study):
    times = np.array([-4.0, -3, -2, 0, 1, 2, 3])
    for test in ("any", "joint"):
        slope = slope_with_power(study["cov"], n_pre=N_PRE, event_time=times, power=0.8, test=test)
        out = pretrend_power(study["cov"], n_pre=N_PRE, trend=slope * (times + 1), test=test)
        assert out.power == pytest.approx(0.8, abs=1e-6)


def test_formulas_move_the_right_way():
    assert t_test_power(0.5, sd=1.0, n_per_arm=60) > t_test_power(0.5, sd=1.0, n_per_arm=40)
    assert t_test_power(-0.5, sd=1.0, n_per_arm=40) == t_test_power(0.5, sd=1.0, n_per_arm=40)
    assert proportions_power(0.2, 0.3, n_per_arm=300) > proportions_power(0.2, 0.25, n_per_arm=300)
    assert t_test_sample_size(50.0, sd=1.0, power=0.8) == 2.0
    assert minimal_detectable_effect(1.0, df=12) > minimal_detectable_effect(1.0, df=68)


def test_nothing_changes_the_callers_arrays(study):
    study["coef"].setflags(write=False)
    study["cov"].setflags(write=False)
    relative_magnitudes(mbar=1.0, seed=1, draws=500, **study)
    smoothness_interval(m=0.3, **study)
    pretrend_power(study["cov"], n_pre=N_PRE, trend=study["coef"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_pre": 0}, "before and after"),
        ({"n_pre": 7}, "before and after"),
        ({"mbar": -1.0}, "mbar"),
        ({"level": 1.0}, "level"),
        ({"cov": -np.eye(7)}, "positive definite"),
        ({"cov": np.eye(3)}, "shapes"),
        ({"coef": np.full(7, np.nan)}, "finite"),
        ({"weights": np.zeros(4)}, "weights"),
        ({"draws": 5}, "draws"),
        ({"grid_points": 2}, "grid_points"),
    ],
)
def test_bounds_refuse_with_help(change, message, study):
    with pytest.raises(DesignError, match=message):
        relative_magnitudes(**({"mbar": 1.0, "seed": 1} | study | change))


def test_power_refuses_with_help(study):
    with pytest.raises(DesignError, match="m must"):
        smoothness_interval(m=-0.1, **study)
    with pytest.raises(DesignError, match="unknown test"):
        pretrend_power(study["cov"], n_pre=2, trend=np.zeros(7), test="all")
    with pytest.raises(DesignError, match="positive definite"):
        pretrend_power(np.ones((2, 2)), n_pre=2, trend=np.zeros(2))
    with pytest.raises(DesignError, match="size of the test"):
        slope_with_power(study["cov"], n_pre=3, event_time=np.arange(-4.0, 3.0), power=0.01)
    with pytest.raises(DesignError, match="correlation"):
        cluster_did_power(
            0.1, sd=1, treated_clusters=5, comparison_clusters=5, size=9, icc=1.5, cluster_autocorrelation=0.8
        )
    with pytest.raises(DesignError, match="sd"):
        t_test_power(0.1, sd=0.0, n_per_arm=10)
    with pytest.raises(DesignError, match="power"):
        minimal_detectable_effect(1.0, df=10, power=0.01)
