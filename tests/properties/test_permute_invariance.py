"""What may not move a permutation test, and what its interval must be: the same test turned round."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.assign import assignments, quantile_strata
from pluseval.numerics.permute import permutation_test, sign_flip_test

CHOICES = {
    "welch": dict(statistic="welch"),
    "coefficient": dict(statistic="coefficient"),
    "cr2": dict(statistic="cr2", adjust=True),
    "weighted cr2": dict(statistic="cr2", adjust=True, weighted=True),
}


def _data(n=30, treated=9, seed=6):
    rng = np.random.default_rng(seed)
    size = rng.lognormal(8, 0.4, n)
    group = (np.arange(n) < treated).astype(float)
    return rng.normal(size=n) - 0.8 * group + 0.3 * np.log(size), group, np.log(size)


def _run(y, group, size, *, statistic, adjust=False, weighted=False, draws=999, stratify=True):
    return permutation_test(
        y,
        group,
        statistic=statistic,
        covariates=size if adjust else None,
        weights=np.exp(size) if weighted else None,
        strata=quantile_strata(size) if stratify else None,
        draws=draws,
        seed=3,
    )


@pytest.mark.parametrize("name", CHOICES)
def test_units_of_the_outcome_do_not_matter(name):
    y, group, size = _data()
    plain, scaled = _run(y, group, size, **CHOICES[name]), _run(40 * y + 7, group, size, **CHOICES[name])
    assert scaled.p_value() == plain.p_value()
    assert scaled.estimate == pytest.approx(40 * plain.estimate)
    assert scaled.std_error == pytest.approx(40 * plain.std_error)
    one, other = plain.conf_int(), scaled.conf_int()
    assert [other.low, other.high] == pytest.approx([40 * one.low, 40 * one.high], rel=1e-6)


@pytest.mark.parametrize("name", CHOICES)
def test_turning_the_sign_turns_the_interval(name):
    y, group, size = _data()
    one, other = _run(y, group, size, **CHOICES[name]), _run(-y, group, size, **CHOICES[name])
    assert one.p_value() == other.p_value()
    assert one.p_value(alternative="less") == other.p_value(alternative="greater")
    up, down = one.conf_int(tails="lower"), other.conf_int(tails="upper")
    assert up.low == pytest.approx(-down.high, rel=1e-6) and up.high == np.inf


@pytest.mark.parametrize("name", CHOICES)
def test_an_added_effect_moves_the_interval_by_itself(name):
    y, group, size = _data()
    one, other = _run(y, group, size, **CHOICES[name]), _run(y + 5 * group, group, size, **CHOICES[name])
    assert other.p_value(5) == one.p_value()
    a, b = one.conf_int(), other.conf_int()
    assert [b.low - 5, b.high - 5] == pytest.approx([a.low, a.high], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", CHOICES)
def test_order_of_units_does_not_matter_where_all_assignments_are_counted(name):
    y, group, size = _data(n=11, treated=4)
    order = np.random.default_rng(2).permutation(11)
    one = _run(y, group, size, draws=999, stratify=False, **CHOICES[name])
    other = _run(y[order], group[order], size[order], draws=999, stratify=False, **CHOICES[name])
    assert one.exact and other.exact
    assert one.resampling.count() == other.resampling.count()
    a, b = one.conf_int(0.9), other.conf_int(0.9)
    assert [b.low, b.high] == pytest.approx([a.low, a.high], rel=1e-6)


@pytest.mark.parametrize("tails", ["symmetric", "equal", "lower", "upper"])
@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("name", CHOICES)
def test_p_at_the_ends_is_alpha_within_one_draw(name, level, tails):
    made = _run(*_data(), **CHOICES[name])
    found = made.conf_int(level, tails=tails)
    alpha = (1 - level) / (2 if tails == "equal" else 1)
    one_draw = 1 / (made.resampling.n_draws + 1)
    sides = [("greater", found.low, found.p_low, -1), ("less", found.high, found.p_high, 1)]
    assert found.bounded
    for one_sided, end, p, side in sides:
        if not np.isfinite(end):
            continue
        alternative = "two-sided" if tails == "symmetric" else one_sided
        assert made.p_value(end, alternative=alternative) == p
        assert alpha < p <= alpha + one_draw * (1 + 1e-9)
        outside = end + side * 1e-6 * made.std_error
        assert made.p_value(outside, alternative=alternative) <= alpha


@pytest.mark.parametrize("name", ["welch", "cr2"])
def test_the_ends_are_roots_of_the_quartics_of_the_draws(name):
    """Draw by draw (n0 + x n1)^2 V = (b - x)^2 (d0 + 2 x d1 + x^2 d2): solved, sorted and counted."""
    draws = _run(*_data(), draws=199, **CHOICES[name]).resampling
    b, V = draws.estimate, draws.variance
    edges = []
    for n0, n1, d0, d1, d2 in zip(draws.n0, draws.n1, draws.d0, draws.d1, draws.d2, strict=True):
        gap = np.polymul([1, -b], [1, -b])
        quartic = np.polysub(V * np.polymul([n1, n0], [n1, n0]), np.polymul(gap, [d2, 2 * d1, d0]))
        roots = np.roots(quartic)
        edges += list(roots[np.abs(roots.imag) < 1e-9].real)
    edges = np.sort(edges)
    between = np.concatenate([[edges[0] - 1], (edges[1:] + edges[:-1]) / 2, [edges[-1] + 1]])
    accepted = np.flatnonzero([draws.p_value(x) > 0.05 for x in between])
    found = draws.interval(0.95)
    assert found.low == pytest.approx(edges[accepted[0] - 1], abs=1e-7)
    assert found.high == pytest.approx(edges[accepted[-1]], abs=1e-7)


def test_sign_flips_move_with_the_mean():
    y = np.random.default_rng(3).normal(1, 2, 14)
    one, other = sign_flip_test(y, draws=16_384, seed=1), sign_flip_test(3 * y + 6, draws=16_384, seed=1)
    assert one.exact and one.n_possible == 2**14
    assert other.p_value(6) == one.p_value()
    a, b = one.conf_int(), other.conf_int()
    assert [b.low, b.high] == pytest.approx([3 * a.low + 6, 3 * a.high + 6])
    assert a.low < y.mean() < a.high
    assert a.p_low == pytest.approx(0.05, abs=2 / 2**14 + 1e-12)  # flips come in pairs of equal |mean|


def test_more_strata_than_one_change_the_draws_not_the_statistic():
    y, group, size = _data()
    one, other = (
        _run(y, group, size, statistic="welch"),
        _run(y, group, size, statistic="welch", stratify=False),
    )
    assert one.statistic == other.statistic and one.n_possible < other.n_possible


def test_the_callers_arrays_stay_as_they_are():
    y, group, size = _data()
    kept = [array.copy() for array in (y, group, size)]
    for array in (y, group, size):
        array.setflags(write=False)
    for choice in CHOICES.values():
        _run(y, group, size, **choice).conf_int()
    sign_flip_test(y, draws=99, seed=1).conf_int()
    list(assignments(group, draws=99, seed=1).blocks())
    for array, was in zip((y, group, size), kept, strict=True):
        assert np.array_equal(array, was)


def test_a_seed_is_needed():
    y, group, _ = _data()
    with pytest.raises(TypeError, match="seed"):
        permutation_test(y, group)
