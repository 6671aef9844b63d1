"""The rank test on cases that can be counted on paper."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.ranks import mann_whitney


def test_complete_separation_of_three_and_four():
    """12 of 12 pairs; 2 of the 35 ways to choose three ranks are as extreme."""
    made = mann_whitney([5.0, 6.0, 8.0], [1.0, 2.0, 3.5, 4.0])
    assert made.statistic == 12
    assert made.p_value == pytest.approx(2 / 35)


def test_the_shift_is_the_middle_of_all_differences():
    x, y = np.array([5.0, 6.0, 8.0]), np.array([1.0, 2.0, 3.5, 4.0])
    made = mann_whitney(x, y, level=0.9)
    differences = np.sort([a - b for a in x for b in y])
    assert made.shift == np.median(differences)
    # P(U <= 1) = 2/35 is the first to pass 5 %: the differences next to the ends bound the shift
    assert (made.conf_low, made.conf_high) == (differences[0], differences[-1])


def test_shifts_outside_the_interval_are_rejected_and_inside_not():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=14), rng.normal(size=56)
    made = mann_whitney(x, y)
    for end, side in ((made.conf_low, -1), (made.conf_high, 1)):
        assert mann_whitney(x - (end + side * 1e-9), y).p_value <= 0.05
        assert mann_whitney(x - (end - side * 1e-9), y).p_value > 0.05


def test_what_cannot_be_ranked_is_refused():
    with pytest.raises(DesignError, match="two groups"):
        mann_whitney([], [1.0])
    with pytest.raises(DesignError, match="not finite"):
        mann_whitney([np.nan], [1.0])
    with pytest.raises(DesignError, match="equal values"):
        mann_whitney([1.0, 2.0], [1.0, 3.0])
    with pytest.raises(DesignError, match="exact or normal"):
        mann_whitney([1.0], [2.0], method="other")
    assert 0 < mann_whitney([1.0, 2.0], [1.0, 3.0], method="normal").p_value <= 1
