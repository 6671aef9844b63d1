"""Known ratios come back from counts, and their tests keep their size with few clusters."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.counts import count_model
from pluseval.numerics.gee import gee

RATIO, THETA = 0.9, 30.0


def draw(rng: np.random.Generator, *, practices: int, treated: int, ratio: float):
    practice, year = np.repeat(np.arange(practices), 4), np.tile(np.arange(4), practices)
    exposure = rng.integers(2_000, 7_000, practices)[practice].astype(float)
    on = ((practice < treated) & (year >= 2)).astype(float)
    mean = exposure * np.exp(rng.normal(-1.2, 0.2, practices)[practice] + 0.03 * year + np.log(ratio) * on)
    y = rng.negative_binomial(THETA, THETA / (THETA + mean)).astype(float)
    return y, on[:, None], {"cluster": practice, "exposure": exposure, "absorb": (practice, year)}


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_the_rate_ratio_comes_back(family):
    y, x, choices = draw(np.random.default_rng(1), practices=600, treated=150, ratio=RATIO)
    fit = count_model(y, x, family=family, **choices)
    test = fit.test(np.ones(1), df="clusters")
    assert abs(fit.coefficients[0] - np.log(RATIO)) < 4 * test.std_error
    if family == "negative_binomial":
        # absorbed units take a quarter of the rows' variation: theta is biased up by about 4 / 3
        assert fit.theta * 3 / 4 == pytest.approx(THETA, rel=0.15)


def test_a_difference_of_means_comes_back_from_correlated_clusters():
    rng = np.random.default_rng(2)
    practice = np.repeat(np.arange(400), 25)
    group = (practice < 100).astype(float)
    y = 0.3 * group + rng.normal(0, 0.5, 400)[practice] + rng.normal(0, 1, practice.size)
    fit = gee(y, np.column_stack([np.ones(y.size), group]), cluster=practice)
    assert fit.alpha == pytest.approx(0.25 / 1.25, abs=0.04)
    assert abs(fit.coefficients[1] - 0.3) < 4 * np.sqrt(fit.covariance()[1, 1])


@pytest.mark.slow
def test_cr2_keeps_its_size_with_five_treated_practices_and_cr0_does_not():
    rng = np.random.default_rng(3)
    studies = 400
    p = np.empty((studies, 2))
    for i in range(studies):
        y, x, choices = draw(rng, practices=30, treated=5, ratio=1.0)
        fit = count_model(y, x, **choices)
        p[i] = fit.test(np.ones(1)).p_value, fit.test(np.ones(1), kind="CR0", df=1e6).p_value
    noise = 3.5 * np.sqrt(0.05 * 0.95 / studies)
    size = (p < 0.05).mean(axis=0)
    assert size[0] < 0.05 + noise + 0.01
    assert size[1] > size[0] + 0.02
