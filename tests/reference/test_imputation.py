"""The imputation estimator equals R's didimputation, did2s and the fit done by hand in R."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.event_study import untreated_leads
from pluseval.numerics.imputation import imputation_att, two_stage_event_study

ESTIMATE, ERROR = 1e-8, 1e-6


@pytest.fixture
def rows(reference_data):
    data = reference_data("practice_year_referrals")
    return data.assign(pct=100 * data.referrals / data.list_size)


@pytest.fixture
def panel(rows) -> dict[str, np.ndarray]:
    table = rows.pivot(index="practice_id", columns="year", values="pct")
    return {
        "y": table.to_numpy(),
        "entry": rows.groupby("practice_id").cohort.first().to_numpy(),
        "periods": table.columns.to_numpy(),
    }


@pytest.fixture
def r(reference) -> dict:
    return reference("did_imputation_bacon")["results"]


def column(table: list[dict], name: str) -> np.ndarray:
    return np.array([row[name] for row in table], float)


def assert_limits_equal(estimate: np.ndarray, error: np.ndarray, table: list[dict]) -> None:
    """didimputation's interval: 1.96 errors to either side."""
    for name, side in (("conf.low", -1.96), ("conf.high", 1.96)):
        limit = column(table, name)
        assert (np.abs(estimate + side * error - limit) <= ERROR * np.asarray(error)).all()


def test_overall_effect_equals_did_imputation(panel, r):
    own = imputation_att(**panel)
    assert own.att == pytest.approx(column(r["did_imputation_static"], "estimate"), abs=ESTIMATE)
    assert own.se == pytest.approx(column(r["did_imputation_static"], "std.error"), rel=ERROR)
    assert_limits_equal(own.att, own.se, r["did_imputation_static"])
    assert own.att[0] == pytest.approx(r["imputation_manual"]["att_all"], abs=ESTIMATE)


def test_effects_by_event_time_equal_did_imputation(panel, r):
    own = imputation_att(**panel, by="event_time")
    after = [row for row in r["did_imputation_horizon"] if float(row["term"]) >= 0]
    assert own.key == pytest.approx(column(after, "term"))
    assert own.att == pytest.approx(column(after, "estimate"), abs=ESTIMATE)
    assert own.se == pytest.approx(column(after, "std.error"), rel=ERROR)
    assert_limits_equal(own.att, own.se, after)
    by_hand = r["imputation_manual"]["by_event_time"]
    assert own.att == pytest.approx(column(by_hand, "x"), abs=ESTIMATE)


def test_leads_equal_did_imputation(rows, r):
    since = np.where(rows.cohort > 0, rows.year - rows.cohort, np.nan)
    before = [row for row in r["did_imputation_horizon"] if float(row["term"]) < 0]
    own = untreated_leads(
        rows.pct.to_numpy(),
        event_time=since,
        unit=rows.practice_id.to_numpy(),
        period=rows.year.to_numpy(),
        leads=tuple(column(before, "term")),
    )
    assert own.coef == pytest.approx(column(before, "estimate"), abs=ESTIMATE)
    assert own.se == pytest.approx(column(before, "std.error"), rel=ERROR)
    assert_limits_equal(own.coef, own.se, before)


def test_effects_by_cohort_equal_the_fit_by_hand(panel, r):
    by_hand = r["imputation_manual"]["by_cohort"]
    own = imputation_att(**panel, by="cohort")
    assert own.key == pytest.approx(column(by_hand, "cohort"))
    assert own.att == pytest.approx(column(by_hand, "x"), abs=ESTIMATE)


def test_overall_effect_equals_did2s(panel, r):
    own = imputation_att(**panel, centre="target")
    assert own.att == pytest.approx(column(r["did2s_static"]["coef"], "Estimate"), abs=ESTIMATE)
    assert own.se == pytest.approx(column(r["did2s_static"]["coef"], "Std. Error"), rel=ERROR)


def test_event_study_equals_did2s(panel, r):
    table = r["did2s_dynamic"]["coef"]
    own = two_stage_event_study(**panel)
    assert [f"rel::{key:.0f}" for key in own.key] == [row["term"] for row in table]
    assert own.att == pytest.approx(column(table, "Estimate"), abs=ESTIMATE)
    assert own.se == pytest.approx(column(table, "Std. Error"), rel=ERROR)
