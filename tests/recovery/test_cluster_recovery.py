"""A planted effect is found, and the t test with few practices keeps its size."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.linear import fit

YEARS = 4


def _study(rng, *, treated, comparison, effect):
    """Practice-years with a practice level, a common year and independent practice-year shocks."""
    n = treated + comparison
    practice = np.repeat(np.arange(n), YEARS)
    year = np.tile(np.arange(YEARS), n)
    on = ((practice < treated) & (year >= YEARS // 2)).astype(float)
    y = rng.normal(0, 3, n)[practice] + 0.5 * year + effect * on + rng.normal(0, 1, practice.size)
    return fit(y, on[:, None], absorb=(practice, year)), practice


def test_the_planted_effect_is_recovered():
    rng = np.random.default_rng(8)
    errors = [_study(rng, treated=14, comparison=56, effect=-2.4)[0].coef[0] + 2.4 for _ in range(200)]
    expected = np.sqrt(1 / 14 + 1 / 56) / np.sqrt(YEARS / 4)
    assert np.mean(errors) == pytest.approx(0, abs=4 * expected / np.sqrt(200))
    assert np.std(errors) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("treated", [5, 14])
def test_cr2_with_its_degrees_of_freedom_keeps_its_size(treated):
    rng = np.random.default_rng(treated)
    studies = 600
    rejected = 0
    for _ in range(studies):
        fitted, practice = _study(rng, treated=treated, comparison=40, effect=0.0)
        rejected += cluster_cov(fitted, practice).test(0).p_value <= 0.05
    assert rejected / studies == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / studies))


@pytest.mark.slow
def test_plain_cluster_errors_reject_too_often_with_five_treated(request):
    rng = np.random.default_rng(5)
    studies = 5_000 if request.config.getoption("--full-size", False) else 800
    rejected = {"CR1": 0, "CR2": 0}
    for _ in range(studies):
        fitted, practice = _study(rng, treated=5, comparison=56, effect=0.0)
        for kind in rejected:
            made = cluster_cov(fitted, practice, kind=kind)
            from_normal = abs(made.coef[0]) / made.std_error(0) > 2.0
            rejected[kind] += from_normal if kind == "CR1" else made.test(0).p_value <= 0.05
    assert rejected["CR1"] / studies > 0.08
    assert rejected["CR2"] / studies == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / studies))
