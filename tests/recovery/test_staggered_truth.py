"""Staggered estimators find what was planted, and their tests hold their size."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.fixed_effects import fixed_effects_fit
from pluseval.numerics.imputation import imputation_att
from pluseval.numerics.multiplier import multiplier_bootstrap
from pluseval.numerics.staggered import group_time_att
from pluseval.numerics.staggered_average import aggregate_att
from pluseval.numerics.staggered_permutation import staggered_permutation_test
from pluseval.numerics.sun_abraham import sun_abraham

PERIODS = np.arange(2013.0, 2021.0)


def planted(entry: np.ndarray) -> np.ndarray:
    """Effects (N, T) that grow with time since entry and are larger in the earlier cohort."""
    since = PERIODS - np.where(entry == 0, np.inf, entry)[:, None]
    return np.where(since >= 0, (1.0 + since) * np.where(entry == 2016, 2.0, 1.0)[:, None], 0.0)


def without_noise(entry: np.ndarray) -> np.ndarray:
    return planted(entry) + np.arange(entry.size)[:, None] * 3 + 10 * np.cos(PERIODS)


@pytest.fixture
def entry() -> np.ndarray:
    return np.repeat([0, 2016, 2018], [12, 6, 4])


def test_effects_that_differ_by_cohort_and_time_are_found_exactly(entry):
    y, truth = without_noise(entry), planted(entry)
    treated = truth > 0
    out = group_time_att(y, entry=entry, periods=PERIODS)
    after = out.period >= out.group
    expected = [
        truth[entry == g, int(t - 2013)].mean()
        for g, t in zip(out.group[after], out.period[after], strict=True)
    ]
    assert out.att[after] == pytest.approx(expected)
    assert out.att[~after] == pytest.approx(0, abs=1e-9)
    assert aggregate_att(out).overall == pytest.approx(truth[treated].mean())
    imputed = imputation_att(y, entry=entry, periods=PERIODS)
    assert imputed.att == pytest.approx([truth[treated].mean()])
    assert imputed.effects[treated] == pytest.approx(truth[treated])


def test_sun_abraham_finds_the_cells_and_two_way_fixed_effects_do_not(entry):
    y, truth = without_noise(entry), planted(entry)
    table = {
        "unit": np.repeat(np.arange(entry.size), PERIODS.size),
        "period": np.tile(PERIODS, entry.size),
    }
    out = sun_abraham(y.ravel(), entry=np.repeat(entry, PERIODS.size), **table)
    assert out.average("att")[1] == pytest.approx([truth[truth > 0].mean()])
    plain = fixed_effects_fit(y.ravel(), (truth > 0).ravel().astype(float), **table)
    assert abs(plain.coef[0] - truth[truth > 0].mean()) > 0.1


def test_unbalanced_panels_are_imputed_exactly_where_effects_are_constant(entry):
    truth = np.where(planted(entry) > 0, 5.0, 0.0)
    y = truth + np.arange(entry.size)[:, None] + PERIODS
    y[np.random.default_rng(1).random(y.shape) < 0.15] = np.nan
    out = imputation_att(y, entry=entry, periods=PERIODS)
    assert out.att == pytest.approx([5.0])
    assert out.n_cells[0] + out.n_not_imputed == int((np.isfinite(y) & (truth > 0)).sum())


def test_analytic_and_bootstrap_errors_equal_the_spread_with_many_units():
    rng = np.random.default_rng(7)
    entry = np.repeat([0, 2016, 2018], [300, 150, 150])
    estimates, errors = [], []
    for _ in range(300):
        y = rng.normal(size=(entry.size, PERIODS.size)).cumsum(axis=1)
        average = aggregate_att(group_time_att(y, entry=entry, periods=PERIODS))
        estimates.append(average.overall)
        errors.append(average.overall_se)
    spread = np.std(estimates)
    assert np.mean(errors) == pytest.approx(spread, rel=4 / np.sqrt(2 * 300))
    boot = multiplier_bootstrap(average.overall_influence, draws=4_000, seed=1)
    assert boot.se[0] == pytest.approx(average.overall_se, rel=0.08)


@pytest.mark.parametrize("estimator", ["callaway_santanna", "imputation"])
def test_reassigning_entries_keeps_its_size_under_the_sharp_null(estimator):
    rng = np.random.default_rng(21)
    entry = np.repeat([0, 2016, 2018], [20, 5, 4])
    studies, alpha = 300, 0.05
    rejected = 0
    for study in range(studies):
        y = rng.standard_t(3, size=(entry.size, PERIODS.size)).cumsum(axis=1)
        made = staggered_permutation_test(
            y, entry=entry, periods=PERIODS, estimator=estimator, draws=199, seed=study
        )
        rejected += made.p_value() <= alpha
    assert abs(rejected / studies - alpha) <= 4 * np.sqrt(alpha * (1 - alpha) / studies)


@pytest.mark.parametrize("estimator", ["callaway_santanna", "imputation"])
def test_the_permutation_interval_finds_a_large_effect(estimator):
    rng = np.random.default_rng(5)
    entry = np.repeat([0, 2016, 2018], [16, 6, 4])
    on = (entry[:, None] > 0) & (PERIODS >= entry[:, None])
    y = 4.0 * on + 0.8 * rng.normal(size=on.shape) + np.arange(entry.size)[:, None]
    made = staggered_permutation_test(y, entry=entry, periods=PERIODS, estimator=estimator, draws=999, seed=1)
    assert made.p_value() <= 0.002
    assert made.conf_int().low < 4.0 < made.conf_int().high
    assert made.conf_int().low > 2.0
