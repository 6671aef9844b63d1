"""EQ-5D utilities that can be added up by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.outcomes.eq5d import eq5d_index
from pluseval.outcomes.value_sets import VALUE_SETS, ValueSet, value_set


@pytest.mark.parametrize(
    ("state", "utility"),
    [("11111", 1.0), ("21111", 0.918), ("22222", 0.705), ("33333", 0.511), ("55555", -0.446)],
)
def test_the_dutch_5l_value_set(state, utility):
    assert eq5d_index([[int(c) for c in state]])[0] == utility


@pytest.mark.parametrize(
    ("name", "worst"), [("NL-3L-2006", -0.329), ("NL-3L-2026", -0.723), ("NL-2016", -0.446)]
)
def test_the_worst_state_of_each_value_set(name, worst):
    levels = value_set(name).levels
    assert eq5d_index([[levels] * 5], value_set=name)[0] == worst


def test_one_level_3_adds_the_n3_term_of_the_2006_set_once():
    one, two = eq5d_index([[3, 1, 1, 1, 1], [3, 3, 1, 1, 1]], value_set="NL-3L-2006")
    assert one == pytest.approx(1 - 0.071 - 0.234 - 0.161)
    assert two == pytest.approx(1 - 0.071 - 0.234 - 0.161 - 0.152)


def test_a_missing_item_makes_the_index_missing_and_leaves_the_others():
    found = eq5d_index([[1, 1, 1, 1, 1], [1, np.nan, 1, 1, 1], [2, 1, 1, 1, 1]])
    assert np.isnan(found[1]) and found[0] == 1.0 and found[2] == 0.918


@pytest.mark.parametrize(
    ("levels", "choices", "message"),
    [
        ([[1, 1, 1, 1, 6]], {}, "1 EQ-5D levels are not whole numbers from 1 to 5"),
        ([[0, 1, 1, 1, 1]], {}, "not whole numbers"),
        ([[1, 1, 1, 1, 1.5]], {}, "not whole numbers"),
        ([[1, 1, 1, 1, 4]], {"value_set": "NL-3L-2006"}, "from 1 to 3"),
        ([[1, 1, 1, 1]], {}, "levels are"),
        ([[1, 1, 1, 1, 1]], {"value_set": "UK"}, "no EQ-5D value set is called 'UK'"),
    ],
)
def test_what_is_no_answer_is_refused(levels, choices, message):
    with pytest.raises(DesignError, match=message):
        eq5d_index(levels, **choices)


def test_every_value_set_has_a_source_and_a_whole_table():
    for name, chosen in VALUE_SETS.items():
        assert chosen.name == name and "doi 10." in chosen.source
    with pytest.raises(DesignError, match="start at 0"):
        ValueSet("x", "y", 3, ((1, 2, 3),) * 5, 0)


def test_utilities_fall_with_every_level_or_stay():
    for name, chosen in VALUE_SETS.items():
        for dimension in range(5):
            states = np.ones((chosen.levels, 5))
            states[:, dimension] = np.arange(1, chosen.levels + 1)
            assert np.all(np.diff(eq5d_index(states, value_set=name)) <= 0)
