"""Several tests at once, on paper."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.multiplicity import (
    benjamini_hochberg,
    equivalence,
    holm,
    intersection_union,
    max_t,
    t_equivalence,
)
from pluseval.numerics.permute import permutation_test

DRAWS = np.array([[1.0, -2.0], [3.0, 0.5], [-0.2, 0.1], [2.0, 2.0]])


def test_max_t_on_paper():
    """Largest of each draw: 2, 3, 0.2, 2. 2.5 is reached once, 1.5 three times; + 1 over 4 + 1."""
    made = max_t([1.5, -2.5], DRAWS)
    assert made.p_single == pytest.approx([4 / 5, 2 / 5])
    assert made.p_joint == pytest.approx(2 / 5)


def test_step_down_leaves_the_winner_out():
    """Once -2.5 is rejected only the first column counts: 1.5 is reached by 3 and 2; + 1 over 5."""
    assert max_t([1.5, -2.5], DRAWS).p_step == pytest.approx([3 / 5, 2 / 5])


def test_enumerated_draws_are_not_counted_twice():
    assert max_t([1.5, -2.5], DRAWS, added=False).p_single == pytest.approx([3 / 4, 1 / 4])


def test_the_critical_value_is_where_p_passes_alpha():
    rng = np.random.default_rng(1)
    drawn = rng.normal(size=(999, 3))
    edge = max_t([0.0, 0.0, 0.0], drawn).critical
    assert max_t([edge * 1.0001, 0, 0], drawn).p_joint <= 0.05
    assert max_t([edge, 0, 0], drawn).p_joint > 0.05
    assert max_t([1.0], drawn[:5, :1]).critical == np.inf


def test_one_statistic_needs_no_adjustment():
    made = max_t([1.5], DRAWS[:, :1])
    assert made.p_joint == made.p_single[0] == made.p_step[0] == pytest.approx(3 / 5)


def test_holm_and_benjamini_hochberg_on_paper():
    p = [0.04, 0.01, 0.03, 0.5]
    assert holm(p) == pytest.approx([0.09, 0.04, 0.09, 0.5])
    assert benjamini_hochberg(p) == pytest.approx([0.04 * 4 / 3, 0.04, 0.04 * 4 / 3, 0.5])


def test_all_parts_must_hold():
    assert intersection_union([0.01, 0.049, 0.02]) == 0.049


def test_equivalence_by_t_and_by_permutation_use_both_margins():
    assert equivalence(0.02, 0.04, low=-1, high=1).p_value == 0.04
    made = t_equivalence(0.0, 1.0, 50, low=-2.0, high=2.0)
    assert made.p_lower == pytest.approx(made.p_upper)
    rng = np.random.default_rng(4)
    y = rng.normal(size=30)
    test = permutation_test(y, np.arange(30) < 10, draws=1_999, seed=1)
    joined = equivalence(
        test.p_value(-2, alternative="greater"), test.p_value(2, alternative="less"), low=-2, high=2
    )
    found = test.conf_int(0.9, tails="equal")
    assert (joined.p_value <= 0.05) == (found.low > -2 and found.high < 2)


def test_what_is_no_p_value_is_refused():
    for bad in ([0.1, np.nan], [1.2], [-0.1], []):
        for adjust in (holm, benjamini_hochberg, intersection_union):
            with pytest.raises(DesignError, match="p-values"):
                adjust(bad)
    with pytest.raises(DesignError, match="margin"):
        equivalence(0.1, 0.1, low=1, high=-1)
    with pytest.raises(DesignError, match="max-t needs"):
        max_t([1.0], DRAWS)
    with pytest.raises(DesignError, match="1 statistics"):
        max_t([1.0, np.nan], DRAWS)
