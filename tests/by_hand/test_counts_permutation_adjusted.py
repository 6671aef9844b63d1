"""The permutation test of a rate ratio given covariates: every assignment fitted alone, size, refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.counts import count_model
from pluseval.numerics.rate_permutation_adjusted import adjusted_rate_permutation

COUNTS = np.array(
    [[30, 20], [60, 40], [20, 24], [45, 50], [36, 30], [50, 52], [41, 40], [28, 33]], dtype=float
)
EXPOSURES = np.array(
    [[100, 100], [200, 250], [100, 110], [150, 140], [120, 130], [160, 160], [140, 135], [90, 95]],
    dtype=float,
)
TREATED = np.array([1, 1, 1, 0, 0, 0, 0, 0])
Z = np.array([0.2, -1.0, 0.7, 0.1, 1.4, -0.3, -0.8, 0.5])


def statistic(counts: np.ndarray, treated: np.ndarray) -> tuple[float, float]:
    """Log ratio and CR2 error of one Poisson regression on practice-windows."""
    group, post, z = np.tile(treated, 2), np.repeat([0, 1], treated.size), np.tile(Z, 2)
    x = np.column_stack([np.ones(post.size), z, post, z * post, group, group * post]).astype(float)
    made = count_model(
        counts.T.ravel(), x, cluster=np.tile(np.arange(treated.size), 2), exposure=EXPOSURES.T.ravel()
    )
    return made.coefficients[5], np.sqrt(made.covariance("CR2")[5, 5])


@pytest.mark.parametrize("null", [1.0, 0.8])
def test_p_is_the_share_of_all_assignments_that_are_as_extreme(null):
    test = adjusted_rate_permutation(COUNTS, EXPOSURES, TREATED, Z, draws=999, seed=1)
    effect, error = statistic(COUNTS, TREATED)
    assert (np.log(test.ratio), test.log_std_error) == pytest.approx((effect, error), rel=1e-7)
    counts = COUNTS.copy()
    counts[TREATED == 1, 1] /= null
    every = [np.isin(np.arange(8), chosen).astype(int) for chosen in itertools.combinations(range(8), 3)]
    t = np.array([effect / error for effect, error in (statistic(counts, d) for d in every)])
    assert test.exact and test.n_possible == 56 and test.n_unfitted == 0
    assert test.p_value(null) == pytest.approx(np.mean(np.abs(t) >= abs(t[0]) * (1 - 1e-8)), abs=1e-12)
    assert test.p_value(null, alternative="less") == pytest.approx(np.mean(t <= t[0] + 1e-8), abs=1e-12)


def test_units_of_exposure_and_scale_of_a_covariate_change_nothing():
    one, other = (
        adjusted_rate_permutation(COUNTS, EXPOSURES * scale, TREATED, z, draws=999, seed=1)
        for scale, z in ((1.0, Z), (1000.0, 7 - 3 * Z))
    )
    assert (other.ratio, other.log_std_error) == pytest.approx((one.ratio, one.log_std_error), rel=1e-8)
    assert other.p_value() == one.p_value()


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(3)
    exposures = rng.integers(2_000, 7_000, 26)[:, None] * np.ones(2)
    size, group = np.log(exposures[:, 0]), np.arange(26) < 8
    rate = 0.2 * np.exp(rng.normal(0, 0.1, (26, 2)) + np.outer(size - size.mean(), [0, 0.2]))
    return rng.poisson(rate * exposures * np.where(group, 0.9, 1.0)[:, None]), exposures, group, size


@pytest.mark.parametrize("tails", ["symmetric", "equal"])
def test_the_p_at_each_end_of_the_interval_is_alpha_within_one_draw(drawn, tails):
    test = adjusted_rate_permutation(*drawn, draws=499, seed=2)
    found = test.conf_int(tails=tails)
    alpha, sides = (0.05, ["two-sided"] * 2) if tails == "symmetric" else (0.025, ["greater", "less"])
    assert found.bounded and found.low < test.ratio < found.high
    for end, side in zip((found.low, found.high), sides, strict=True):
        assert test.p_value(end, alternative=side) == pytest.approx(alpha, abs=1.1 / 500)


def test_a_known_ratio_times_the_counts_moves_the_interval_along(drawn):
    counts, exposures, group, size = drawn
    more = counts * np.where(group[:, None] & (np.arange(2) == 1), 1.25, 1.0)
    one = adjusted_rate_permutation(counts, exposures, group, size, draws=199, seed=2)
    other = adjusted_rate_permutation(more, exposures, group, size, draws=199, seed=2)
    assert other.p_value(1.25) == one.p_value()
    assert other.conf_int().high == pytest.approx(1.25 * one.conf_int().high, rel=1e-6)


def test_a_trend_by_size_no_longer_rejects_once_size_is_taken_out():
    """Size under the null where trends depend on a covariate on which the groups differ."""
    rng, studies, p = np.random.default_rng(6), 150, []
    for seed in range(studies):
        size = rng.normal(size=24) + (np.arange(24) < 7)
        noise = rng.normal(0, 0.1, (24, 2)) + np.outer(size, [0, 0.3])
        counts, exposures = rng.poisson(800 * np.exp(noise)), np.full((24, 2), 4000.0)
        test = adjusted_rate_permutation(counts, exposures, np.arange(24) < 7, size, draws=99, seed=seed)
        p.append(test.p_value())
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / studies)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"counts": -COUNTS}, "missing or below 0"),
        ({"exposures": 0 * EXPOSURES}, "not above 0"),
        ({"counts": COUNTS[:, :1]}, r"must be \(G, 2\)"),
        ({"treated": 2 * TREATED}, "0 or 1"),
        ({"treated": np.arange(8) == 0}, "without a variance"),
        ({"counts": COUNTS * (np.arange(8) < 2)[:, None]}, "group without counts"),
        ({"covariates": np.ones(8)}, "constant"),
        ({"covariates": np.column_stack([Z, 2 * Z])}, "collinear"),
        ({"covariates": TREATED}, "fix who is treated"),
        ({"covariates": Z * np.nan}, "covariates are not finite"),
        ({"covariates": np.eye(8)[:, :6]}, "cannot carry"),
        ({"counts": EXPOSURES}, "changed by one factor"),
        ({"draws": 9}, "no data could be significant"),
    ],
)
def test_what_cannot_be_tested_is_refused(change, match):
    asked = {"counts": COUNTS, "exposures": EXPOSURES, "treated": TREATED, "covariates": Z, **change}
    with pytest.raises(DesignError, match=match):
        adjusted_rate_permutation(**{"draws": 999, "seed": 1, **asked})


def test_questions_that_have_no_answer_are_refused(drawn):
    test = adjusted_rate_permutation(*drawn, draws=99, seed=2)
    for ask, match in (
        (lambda: test.p_value(0.0), "above 0"),
        (lambda: test.p_value(alternative="up"), "alternative"),
        (lambda: test.conf_int(1.5), "level"),
        (lambda: test.conf_int(tails="lower"), "tails"),
    ):
        with pytest.raises(DesignError, match=match):
            ask()
