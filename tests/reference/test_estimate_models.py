"""Mixed models and GEE through frames give what lme4, lmerTest, pbkrtest and the GEE formulas give in R."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.estimate.gee_model import gee_did
from pluseval.estimate.mixed_model import mixed_did

SCORE = Measure("score", "score", "score", "points", "punten", "points", "punten", "higher")
WAVES = {"windows": ((1, 1), (2, 3))}
ESTIMATE, STD_ERROR, DF = 1e-5, 1e-5, 1e-3  # of the README; a formula with the correlation found anew: 1e-4


def framed(s: pd.DataFrame, y: str) -> AnalysisFrame:
    data = s.assign(entry=np.where(s.treated == 1, 2, 0))
    made = AnalysisFrame.from_pandas(
        data, unit="patient_id", period="wave", y=y, entry="entry", cluster="practice_id", measure=SCORE
    )
    return replace(made, rows=made.rows.assign(age_c=(data.age - 56).to_numpy()))


@pytest.mark.parametrize(("key", "few"), [("practice_period_patient", False), ("five_treated", True)])
@pytest.mark.parametrize("method", ["satterthwaite", "kenward_roger"])
def test_mixed_did_equals_lmer(reference_data, reference, key, few, method):
    s = reference_data("survey_scores")
    if few:
        s = s[~s.practice_id.isin([f"P{i:03d}" for i in range(6, 15)])]
    expected = reference("mixed_practice_period")["results"][key]
    row = next(r for r in expected[method] if r["term"] == "did")
    found = mixed_did(framed(s, "score"), **WAVES, method=method, adjust=["age_c"], serial="independent")
    assert abs(found.estimate - row["Estimate"]) <= ESTIMATE * max(abs(row["Estimate"]), row["Std. Error"])
    assert found.std_error == pytest.approx(row["Std. Error"], rel=STD_ERROR)
    assert found.df == pytest.approx(row["df"], rel=DF)
    assert any("boundary" in n for n in found.notes) == expected.get("singular", False)


@pytest.mark.parametrize("correction", ["mancl_derouen", "kauermann_carroll"])
def test_gee_did_equals_the_formulas(reference_data, reference, correction):
    s = reference_data("survey")
    expected = reference("gee")["results"]["formula_based_gaussian_exch"]
    found = gee_did(
        framed(s[s.grade.notna()], "grade"), **WAVES, correction=correction, time="window", df="residual"
    )
    assert found.std_error == pytest.approx(list(expected[f"se_{correction}"].values())[-1], rel=1e-4)
    assert found.df == s.practice_id.nunique() - 4


def test_poisson_gee_did_is_near_geepack(reference_data, reference):
    """geepack finds the working correlation with another divisor; the coefficient hardly moves."""
    a = reference_data("practice_year_referrals")
    data = a.assign(entry=np.where(a.treated == 1, 2016, 0), rate=a.referrals / a.list_size)
    frame = AnalysisFrame.from_pandas(
        data, unit="practice_id", period="year", y="rate", entry="entry", measure=SCORE, exposure="list_size"
    )
    table = reference("gee")["results"]["poisson_referrals_exch"]["coef"]
    found = gee_did(frame, periods=(2015, 2018), family="poisson")
    assert abs(np.log(found.estimate) - table[-1]["Estimate"]) < 0.01 * table[-1]["Std.err"]
    assert found.std_error > table[-1]["Std.err"]  # corrected for leverage
