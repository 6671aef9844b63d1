"""What may not move a wild cluster bootstrap, and what its interval must be."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.linear import fit
from pluseval.numerics.wild import wild_bootstrap

CHOICES = [("rademacher", True), ("webb", True), ("mammen", True), ("rademacher", False), ("webb", False)]


@pytest.fixture
def panel():
    rng = np.random.default_rng(5)
    cluster = np.repeat(np.arange(24), 5)
    treated = (cluster < 8).astype(float)
    post = np.tile([0.0, 0.0, 1.0, 1.0, 1.0], 24)
    y = rng.normal(size=24)[cluster] + rng.normal(size=120) + 0.5 * treated * post
    return y, np.column_stack([np.ones(120), treated, post, treated * post]), cluster


def _run(y, X, cluster, distribution, restricted, draws=999):
    return wild_bootstrap(
        fit(y, X), cluster, 3, distribution=distribution, restricted=restricted, draws=draws, seed=2
    )


@pytest.mark.parametrize("distribution, restricted", CHOICES)
def test_units_of_the_outcome_and_order_of_rows_do_not_matter(panel, distribution, restricted):
    y, X, cluster = panel
    order = np.random.default_rng(1).permutation(y.size)
    plain = _run(y, X, cluster, distribution, restricted)
    moved = _run((30 * y - 4)[order], X[order], cluster[order], distribution, restricted)
    assert moved.p_value() == plain.p_value()
    a, b = plain.conf_int(), moved.conf_int()
    assert [b.low, b.high] == pytest.approx([30 * a.low, 30 * a.high], rel=1e-6)


@pytest.mark.parametrize("distribution, restricted", CHOICES)
def test_an_added_effect_moves_the_interval_by_itself(panel, distribution, restricted):
    y, X, cluster = panel
    one, other = (
        _run(y + add * X[:, 3], X, cluster, distribution, restricted).conf_int() for add in (0.0, 3.0)
    )
    assert [other.low - 3, other.high - 3] == pytest.approx([one.low, one.high], abs=1e-6)


@pytest.mark.parametrize("tails", ["symmetric", "equal", "lower", "upper"])
@pytest.mark.parametrize("distribution, restricted", CHOICES)
def test_p_at_the_ends_is_alpha_within_one_draw(panel, distribution, restricted, tails):
    made = _run(*panel, distribution, restricted)
    found = made.conf_int(tails=tails)
    alpha = 0.025 if tails == "equal" else 0.05
    assert found.bounded
    for end, p, one_sided in ((found.low, found.p_low, "greater"), (found.high, found.p_high, "less")):
        if np.isfinite(end):
            alternative = "two-sided" if tails == "symmetric" else one_sided
            assert made.p_value(end, alternative=alternative) == p
            assert alpha < p <= alpha + 1 / made.n_draws + 1e-12


def test_an_interval_of_many_draws_is_that_of_all_of_them(panel):
    """Above 20,000 draws a thinned set finds where to look; the end is still where p of all passes alpha."""
    made = _run(*panel, "webb", True, draws=30_000)
    found = made.conf_int()
    for end, side in ((found.low, -1), (found.high, 1)):
        assert 0.05 < made.p_value(end) <= 0.05 + 1 / made.n_draws + 1e-12
        assert made.p_value(end + side * 1e-6 * made.std_error) <= 0.05


def test_the_same_seed_gives_the_same_draws(panel):
    one, other = (_run(*panel, "webb", True, draws=5_000).resampling.n0 for _ in range(2))
    assert np.array_equal(one, other)


def test_the_callers_arrays_stay_as_they_are(panel):
    kept = [array.copy() for array in panel]
    for array in panel:
        array.setflags(write=False)
    _run(*panel, "webb", True).conf_int()
    for array, was in zip(panel, kept, strict=True):
        assert np.array_equal(array, was)
