"""Pre-trend power and honest bounds where the answer is known on paper."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from pluseval.numerics.honest import relative_magnitudes
from pluseval.numerics.honest_smoothness import smoothness_interval
from pluseval.numerics.power import cluster_did_power, minimal_detectable_effect
from pluseval.numerics.pretrend import pretrend_power, slope_with_power

Z = norm.ppf(0.975)


def test_one_early_coefficient_has_the_power_of_a_z_test():
    out = pretrend_power(np.diag([4.0, 1.0]), n_pre=1, trend=np.array([3.0, 0.0]))
    assert out.power == pytest.approx(norm.sf(Z - 1.5) + norm.cdf(-Z - 1.5), abs=1e-12)


def test_independent_early_coefficients_multiply():
    passing = [norm.cdf(Z - d) - norm.cdf(-Z - d) for d in (0.5, 1.0, -2.0)]
    out = pretrend_power(np.eye(4), n_pre=3, trend=np.array([0.5, 1.0, -2.0, 0.0]))
    assert out.power == pytest.approx(1 - np.prod(passing), abs=1e-4)
    assert out.bayes_factor == pytest.approx(np.prod(passing) / 0.95**3, abs=1e-4)


def test_passing_the_test_adds_no_bias_without_correlation():
    out = pretrend_power(np.eye(2), n_pre=1, trend=np.array([1.0, -1.0]))
    assert out.mean_after_passing[1] == pytest.approx(-1.0, abs=1e-12)
    assert 0 < out.mean_after_passing[0] < 1  # pulled towards 0 by what passes


def test_passing_the_test_shifts_what_is_correlated_with_it():
    cov = np.array([[1.0, 0.5], [0.5, 1.0]])
    out = pretrend_power(cov, n_pre=1, trend=np.array([1.0, -1.0]))
    pulled = out.mean_after_passing[0] - 1.0
    assert out.mean_after_passing[1] == pytest.approx(-1.0 + 0.5 * pulled, abs=1e-12)


def test_the_slope_with_half_the_power_reaches_the_critical_value():
    slope = slope_with_power(np.diag([9.0, 1.0]), n_pre=1, event_time=np.array([-4, 0]), power=0.5)
    shift = slope * 3 / 3  # three periods from the reference, standard error three
    assert norm.sf(Z - shift) + norm.cdf(-Z - shift) == pytest.approx(0.5, abs=1e-9)


def test_a_straight_trend_is_extrapolated_when_slopes_may_not_change():
    # coefficients -2 and -1 at two and one period before the reference: the trend adds 1 at the first later
    # one
    out = smoothness_interval(np.array([-2.0, -1.0, 3.0]), 1e-6 * np.eye(3), n_pre=2, m=0.0)
    assert out.estimate == pytest.approx(2.0, abs=1e-9)
    assert out.max_bias == 0


def test_one_early_coefficient_and_slope_changes_up_to_m():
    # estimator: first later coefficient plus the earlier one; its bias is the slope change at the start, at
    # most m
    out = smoothness_interval(np.array([-1.0, 3.0]), np.diag([0.25, 0.75]), n_pre=1, m=0.5)
    assert out.estimate == pytest.approx(2.0)
    assert out.std_error == pytest.approx(1.0)
    assert out.max_bias == pytest.approx(0.5)
    half = out.half_length
    assert norm.cdf(half - 0.5) - norm.cdf(-half - 0.5) == pytest.approx(0.95, abs=1e-10)


def test_without_noise_the_bounds_are_the_identified_set():
    # the largest change before the start is 0.5; afterwards the first may be at most twice that
    coef, cov = np.array([0.3, -0.2, 4.0]), 1e-10 * np.eye(3)
    out = relative_magnitudes(coef, cov, n_pre=2, mbar=2.0, seed=1)
    assert (out.low, out.high) == pytest.approx((3.0, 5.0), abs=1e-3)


def test_without_noise_later_violations_add_up():
    coef, cov = np.array([0.3, -0.2, 4.0, 6.0]), 1e-10 * np.eye(4)
    last = np.array([0.0, 1.0])
    out = relative_magnitudes(coef, cov, n_pre=2, mbar=1.0, seed=1, weights=last)
    assert (out.low, out.high) == pytest.approx((5.0, 7.0), abs=1e-3)


def test_clusters_measured_twice_with_perfect_memory_need_no_power():
    slight = cluster_did_power(
        0.1,
        sd=1.0,
        treated_clusters=10,
        comparison_clusters=10,
        size=20,
        icc=0.1,
        cluster_autocorrelation=1.0,
        individual_autocorrelation=0.99,
    )
    # what is left is the persons' own change: 2 (1 - 0.99) (1 - icc) / size per cluster
    assert slight.std_error == pytest.approx(np.sqrt(2 * 0.01 * 0.9 / 20 * 0.2), rel=1e-12)


def test_the_detectable_effect_with_known_variance_is_two_quantiles():
    out = minimal_detectable_effect(2.0, df=1e7, power=0.8)
    assert out == pytest.approx(2 * (Z + norm.ppf(0.8)), abs=1e-4)
