"""Size and coverage of the restricted wild cluster bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.linear import fit
from pluseval.numerics.wild import wild_bootstrap

STUDIES = 300


def _study(rng, effect):
    cluster = np.repeat(np.arange(30), 2)
    treated, post = (cluster < 12).astype(float), np.tile([0.0, 1.0], 30)
    y = rng.normal(0, 3, 30)[cluster] + rng.normal(size=60) + effect * treated * post
    return fit(y, np.column_stack([np.ones(60), treated, post, treated * post])), cluster


@pytest.mark.parametrize("distribution", ["rademacher", "webb"])
def test_the_size_and_the_coverage_hold(distribution):
    rng = np.random.default_rng(2)
    rejected = inside = 0
    for study in range(STUDIES):
        fitted, cluster = _study(rng, 1.0)
        made = wild_bootstrap(fitted, cluster, 3, distribution=distribution, draws=399, seed=study)
        found = made.conf_int()
        rejected += made.p_value(1.0) <= 0.05
        inside += found.low <= 1.0 <= found.high
    assert rejected / STUDIES == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / STUDIES))
    assert inside == STUDIES - rejected  # an interval and a p-value of one procedure


def test_the_planted_effect_is_recovered():
    rng = np.random.default_rng(6)
    errors = [wild_bootstrap(*_study(rng, -2.0), 3, draws=99, seed=1).estimate + 2 for _ in range(STUDIES)]
    assert np.mean(errors) == pytest.approx(0, abs=4 * np.sqrt(2 / 12 + 2 / 18) / np.sqrt(STUDIES))
