"""The permutation test of a rate ratio: on paper, every assignment counted, size, refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.counts import count_model
from pluseval.numerics.rate_permutation import rate_ratio_permutation

COUNTS = np.array(
    [[30, 20], [60, 40], [20, 24], [45, 50], [36, 30], [50, 52], [41, 40], [28, 33]], dtype=float
)
EXPOSURES = np.array(
    [[100, 100], [200, 250], [100, 110], [150, 140], [120, 130], [160, 160], [140, 135], [90, 95]],
    dtype=float,
)
TREATED = np.array([1, 1, 1, 0, 0, 0, 0, 0])


def saturated(counts: np.ndarray, treated: np.ndarray):
    y, exposure = counts.T.ravel(), EXPOSURES.T.ravel()
    group, post = np.tile(treated, 2), np.repeat([0, 1], treated.size)
    x = np.column_stack([np.ones(y.size), group, post, group * post]).astype(float)
    return count_model(y, x, cluster=np.tile(np.arange(treated.size), 2), exposure=exposure)


def statistic(counts: np.ndarray, treated: np.ndarray) -> float:
    return saturated(counts, treated).test(np.eye(4)[3]).statistic


def test_estimate_and_error_are_those_of_the_poisson_model_with_cr2():
    test = rate_ratio_permutation(COUNTS, EXPOSURES, TREATED, draws=999, seed=1, alpha=0.05)
    model = saturated(COUNTS, TREATED)
    assert np.log(test.ratio) == pytest.approx(model.coefficients[3], rel=1e-9)
    assert test.log_std_error == pytest.approx(np.sqrt(model.covariance("CR2")[3, 3]), rel=1e-8)


@pytest.mark.parametrize("null", [1.0, 0.8])
def test_p_is_the_share_of_all_assignments_that_are_as_extreme(null):
    test = rate_ratio_permutation(COUNTS, EXPOSURES, TREATED, draws=999, seed=1)
    counts = COUNTS.copy()
    counts[TREATED == 1, 1] /= null
    observed = abs(statistic(counts, TREATED))
    every = [np.isin(np.arange(8), chosen).astype(int) for chosen in itertools.combinations(range(8), 3)]
    extreme = sum(abs(statistic(counts, d)) >= observed * (1 - 1e-9) for d in every)
    assert test.exact and test.n_possible == 56
    assert test.p_value(null) == pytest.approx(extreme / 56, abs=1e-12)


def study(seed: int, *, ratio: float = 1.0, practices: int = 30, treated: int = 10):
    rng = np.random.default_rng(seed)
    exposures = rng.integers(2_000, 7_000, practices)[:, None] * np.ones(2)
    group = (np.arange(practices) < treated).astype(int)
    change = rng.normal(0, 0.15, practices)
    rate = np.exp(rng.normal(-1.5, 0.2, practices)[:, None] + np.column_stack([0 * change, change]))
    rate[:, 1] *= np.where(group == 1, ratio, 1.0)
    return rng.poisson(rate * exposures).astype(float), exposures, group


def test_each_end_of_the_interval_is_where_p_equals_alpha_within_one_draw():
    counts, exposures, group = study(2)
    test = rate_ratio_permutation(counts, exposures, group, draws=499, seed=3)
    interval = test.conf_int(0.95)
    assert interval.low < test.ratio < interval.high
    assert interval.bounded
    for end, p in ((interval.low, interval.p_low), (interval.high, interval.p_high)):
        assert 0.05 < p <= 0.05 + 1.5 / 500
        assert test.p_value(end) == pytest.approx(p, abs=1.01 / 500)
    bound = test.conf_int(0.975, tails="lower")
    assert bound.high == np.inf
    assert test.p_value(bound.low, alternative="greater") == pytest.approx(0.025, abs=2.01 / 500)


def test_the_unit_of_counts_and_the_order_of_practices_do_not_matter():
    counts, exposures, group = study(4)
    base = rate_ratio_permutation(counts, exposures, group, draws=199, seed=5)
    other = rate_ratio_permutation(100 * counts, exposures / 12, group, draws=199, seed=5)
    assert other.ratio == pytest.approx(base.ratio, rel=1e-12)
    assert other.p_value() == base.p_value()
    small = rate_ratio_permutation(COUNTS, EXPOSURES, TREATED, draws=999, seed=1)
    order = np.random.default_rng(6).permutation(8)
    turned = rate_ratio_permutation(COUNTS[order], EXPOSURES[order], TREATED[order], draws=999, seed=2)
    assert turned.p_value() == small.p_value()


def test_a_known_ratio_comes_back():
    counts, exposures, group = study(7, ratio=0.7, practices=400, treated=150)
    test = rate_ratio_permutation(counts, exposures, group, draws=199, seed=8)
    assert abs(np.log(test.ratio / 0.7)) < 4 * test.log_std_error
    assert test.p_value() == pytest.approx(1 / 200)


@pytest.mark.slow
def test_the_size_is_nominal_where_practices_are_exchangeable():
    studies = 300
    p = np.array(
        [rate_ratio_permutation(*study(1_000 + i), draws=199, seed=i).p_value() for i in range(studies)]
    )
    assert abs(np.mean(p <= 0.05) - 0.05) < 3.5 * np.sqrt(0.05 * 0.95 / studies)


def test_what_cannot_be_tested_is_refused_and_arrays_are_left_alone():
    counts, exposures, group = COUNTS.copy(), EXPOSURES.copy(), TREATED.copy()
    rate_ratio_permutation(counts, exposures, group, draws=99, seed=1, alpha=0.05).conf_int(0.9)
    np.testing.assert_array_equal(counts, COUNTS)
    np.testing.assert_array_equal(exposures, EXPOSURES)
    zero = COUNTS * [[1.0, 0.0]] * TREATED[:, None] + COUNTS * (1 - TREATED[:, None])
    sparse = np.where(np.arange(8)[:, None] == 0, COUNTS, 0.0) + np.where(
        np.arange(8)[:, None] == 5, COUNTS, 0.0
    )
    for message, choices in (
        ("below 0", (-COUNTS, EXPOSURES, TREATED)),
        ("not above 0", (COUNTS, 0 * EXPOSURES, TREATED)),
        ("0 or 1", (COUNTS, EXPOSURES, TREATED + 1)),
        ("without a variance", (COUNTS, EXPOSURES, (np.arange(8) == 0).astype(int))),
        ("zero or infinite", (zero, EXPOSURES, TREATED)),
        ("without counts", (sparse, EXPOSURES, TREATED)),
        ("one factor", (EXPOSURES, EXPOSURES, TREATED)),
        ("must be", (COUNTS[:, 0], EXPOSURES, TREATED)),
    ):
        with pytest.raises(DesignError, match=message):
            rate_ratio_permutation(*choices, draws=99, seed=1)
    with pytest.raises(DesignError):
        rate_ratio_permutation(COUNTS[:4], EXPOSURES[:4], TREATED[[0, 1, 4, 5]], draws=99, seed=1, alpha=0.05)


def test_an_interval_with_equal_tails_may_lie_wholly_beside_the_estimate():
    """Larger practices take part and fall by themselves; within strata of them those that took part rose."""
    rng = np.random.default_rng(5)
    treated = np.repeat([1, 0, 1, 0], [8, 8, 1, 23])
    strata = np.repeat([1, 0], [16, 24])
    change = 0.12 * treated - 0.6 * strata + rng.normal(0, 0.03, 40)
    counts = np.column_stack([np.full(40, 300.0), 300 * np.exp(change)])
    test = rate_ratio_permutation(counts, np.full((40, 2), 1000.0), treated, strata=strata, draws=199, seed=2)
    found = test.conf_int(0.95, tails="equal")
    assert test.ratio < 1 < found.low < np.exp(0.12) < found.high
    assert found.bounded and found.connected
    for end, side in ((found.low, "greater"), (found.high, "less")):
        assert test.p_value(end, alternative=side) == pytest.approx(0.03)
