"""Size, coverage and a planted effect, at the study's own numbers of practices and list sizes."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.assign import quantile_strata
from pluseval.numerics.permute import permutation_test, sign_flip_test

SD = 3.7  # of a practice's change, percentage points


def _practices(rng, treated):
    size = np.concatenate([rng.lognormal(8.46, 0.39, treated), rng.lognormal(7.97, 0.43, 56)])
    return size, (np.arange(treated + 56) < treated).astype(float)


def _primary(y, group, size, seed, draws=199):
    """The candidate primary: studentised, within list-size tertiles, log list size as covariate."""
    return permutation_test(
        y,
        group,
        statistic="cr2",
        covariates=np.log(size),
        strata=quantile_strata(size),
        draws=draws,
        seed=seed,
    )


def test_the_planted_effect_is_recovered_with_its_interval():
    rng = np.random.default_rng(1)
    inside, estimates = 0, []
    studies = 150
    for study in range(studies):
        size, group = _practices(rng, 14)
        y = rng.normal(0, SD, size.size) - 2.4 * group
        made = _primary(y, group, size, study)
        found = made.conf_int()
        estimates.append(made.estimate)
        inside += found.low <= -2.4 <= found.high
    assert np.mean(estimates) == pytest.approx(-2.4, abs=4 * 1.25 / np.sqrt(studies))
    assert inside / studies == pytest.approx(0.95, abs=4 * np.sqrt(0.05 * 0.95 / studies))


@pytest.mark.parametrize("treated", [14, 5])
def test_the_size_holds_under_a_trend_that_depends_on_list_size(treated):
    rng = np.random.default_rng(treated)
    studies = 400
    rejected = 0
    for study in range(studies):
        size, group = _practices(rng, treated)
        y = rng.normal(0, SD, size.size) - 2 * np.log(size)
        rejected += _primary(y, group, size, study).p_value() <= 0.05
    assert rejected / studies == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / studies))


@pytest.mark.slow
def test_studentising_is_what_holds_where_effects_vary(request):
    """Effects of mean 0 that differ between practices: the coefficient rejects about twice too often."""
    rng = np.random.default_rng(7)
    studies = 6_000 if request.config.getoption("--full-size", False) else 600
    rejected = {"coefficient": 0, "welch": 0}
    for study in range(studies):
        size, group = _practices(rng, 14)
        y = rng.normal(0, SD, size.size) + group * rng.normal(0, SD, size.size)
        for statistic in rejected:
            made = permutation_test(y, group, statistic=statistic, draws=199, seed=study)
            rejected[statistic] += made.p_value() <= 0.05
    assert rejected["coefficient"] / studies > 0.07
    assert rejected["welch"] / studies < 0.055 + 4 * np.sqrt(0.05 * 0.95 / studies)


def test_signs_of_fourteen_practices_keep_their_size():
    rng = np.random.default_rng(3)
    studies = 400
    rejected = sum(
        sign_flip_test(rng.normal(0, 2, 14), draws=499, seed=study).p_value() <= 0.05
        for study in range(studies)
    )
    assert rejected / studies == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / studies))
