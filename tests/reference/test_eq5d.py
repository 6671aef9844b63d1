"""EQ-5D utilities against R's eq5d package, every state."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pluseval.outcomes.eq5d import eq5d_index

THREE_DECIMALS = 5e-4  # the package rounds to three decimals, and so do the published decrements
ROUNDING = 1e-12


def levels(states) -> np.ndarray:
    return np.array([[int(c) for c in str(state)] for state in states], dtype=float)


def test_all_3125_states_of_the_5l_value_set(reference_data):
    table = reference_data("../values/eq5d5l_nl_all3125.csv")
    assert len(table) == 5**5
    assert np.abs(eq5d_index(levels(table["state"])) - table["NL_5L_VT"]).max() < ROUNDING


def test_the_summary_of_the_5l_value_set(reference):
    summary = reference("eq5d_nl")["results"]["NL_5L_VT_all3125_summary"]
    grid = np.array(np.meshgrid(*[range(1, 6)] * 5)).reshape(5, -1).T
    utility = eq5d_index(grid)
    assert (utility.size, int((utility < 0).sum())) == (summary["n"], summary["n_below_0"])
    assert (utility.min(), utility.max()) == pytest.approx((summary["min"], summary["max"]), abs=ROUNDING)
    assert utility.sum() == pytest.approx(summary["sum"], abs=1e-9)
    assert np.unique(utility.round(3)).size == summary["n_unique"]


def test_the_states_listed_in_the_oracle(reference):
    table = pd.DataFrame(reference("eq5d_nl")["results"]["states_5L"])
    assert np.abs(eq5d_index(levels(table["state"])) - table["NL_5L_VT"]).max() < THREE_DECIMALS


@pytest.mark.parametrize(
    ("name", "column"), [("NL-3L-2006", "NL_3L_TTO_2006"), ("NL-3L-2026", "NL_3L_TTO_2026")]
)
def test_all_243_states_of_the_3l_value_sets(reference, name, column):
    table = pd.DataFrame(reference("eq5d_nl")["results"]["states_3L_all243"])
    assert len(table) == 243
    assert np.abs(eq5d_index(levels(table["state"]), value_set=name) - table[column]).max() < ROUNDING


def test_means_of_the_survey(reference, reference_data):
    survey = reference_data("survey")
    survey["utility"] = eq5d_index(survey[["eq_mo", "eq_sc", "eq_ua", "eq_pd", "eq_ad"]])
    for oracle in reference("eq5d_nl")["results"]["survey_means"].values():
        part = survey[(survey["treated"] == oracle["treated"]) & (survey["wave"] == oracle["wave"])][
            "utility"
        ]
        assert int(part.notna().sum()) == oracle["n"]
        assert (part.mean(), part.std()) == pytest.approx((oracle["mean"], oracle["sd"]), abs=1e-9)
