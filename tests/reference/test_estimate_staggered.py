"""Imputation, Sun-Abraham, Goodman-Bacon and synthetic DiD through frames give what R's packages give."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.estimate.bacon import WORDS, goodman_bacon
from pluseval.estimate.imputation import imputation_did
from pluseval.estimate.inference_resampling import Permutation
from pluseval.estimate.sun_abraham import sun_abraham
from pluseval.estimate.synthetic import synthetic_did
from pluseval.numerics.bacon import bacon_decomposition

PCT = Measure("pct", "referrals", "verwijzingen", "per 100", "per 100", "points", "punten", "lower", per=100)
ESTIMATE, ERROR = 1e-8, 1e-6
EXACT_MINIMUM = 0.02  # share by which R's synthdid stops short of the minimum that is reached here


@pytest.fixture
def frame(reference_data) -> AnalysisFrame:
    data = reference_data("practice_year_referrals")
    data = data.assign(pct=100 * data.referrals / data.list_size)
    return AnalysisFrame.from_pandas(
        data, unit="practice_id", period="year", y="pct", entry="cohort", measure=PCT, exposure="list_size"
    )


def test_imputation_did_equals_didimputation(frame, reference):
    r = reference("did_imputation_bacon")["results"]
    own = imputation_did(frame)
    expected = r["did_imputation_static"][0]
    assert own.overall.estimate == pytest.approx(float(expected["estimate"]), abs=ESTIMATE)
    assert own.overall.std_error == pytest.approx(float(expected["std.error"]), rel=ERROR)
    for row in (row for row in r["did_imputation_horizon"] if float(row["term"]) >= 0):
        event = own[f"event {float(row['term']):g}"]
        assert event.estimate == pytest.approx(float(row["estimate"]), abs=ESTIMATE)
        assert event.std_error == pytest.approx(float(row["std.error"]), rel=ERROR)


def test_a_permutation_keeps_the_imputed_effect(frame):
    drawn = imputation_did(frame, inference=Permutation(draws=199, seed=1)).overall
    assert drawn.estimate == pytest.approx(imputation_did(frame).overall.estimate, abs=ESTIMATE)
    assert drawn.conf_low < drawn.estimate < drawn.conf_high


@pytest.mark.parametrize("errors", ["CR1", "CR2"])
def test_sun_abraham_equals_fixest(frame, reference, errors):
    r = reference("fixest_twfe_eventstudy_sunab")["results"]
    own = sun_abraham(frame, errors=errors)
    att = (r["sunab_att"]["coeftable"] if isinstance(r["sunab_att"], dict) else r["sunab_att"])[0]
    assert own.overall.estimate == pytest.approx(att["Estimate"], abs=ESTIMATE)
    if errors == "CR1":
        assert own.overall.std_error == pytest.approx(att["Std. Error"], rel=ERROR)
        assert own.overall.p_value == pytest.approx(att["Pr(>|t|)"], abs=ERROR)
    else:
        assert own.overall.df < frame.cells["cluster"].nunique() - 1


def test_goodman_bacon_equals_the_arrays_and_adds_up(frame, reference_data):
    data = reference_data("practice_year_referrals")
    data = data.assign(pct=100 * data.referrals / data.list_size)
    table = data.pivot(index="practice_id", columns="year", values="pct")
    entry = data.groupby("practice_id").cohort.first().to_numpy()
    found = bacon_decomposition(table.to_numpy(), entry=entry, periods=table.columns.to_numpy())
    own = goodman_bacon(frame)
    total = 0.0
    for kind in np.unique(found.kind):
        share = own[f"share: {WORDS[kind]}"].estimate
        assert share == pytest.approx(100 * found.weight_of(kind))
        total += share / 100 * own[f"estimate: {WORDS[kind]}"].estimate
    assert own["two-way fixed effects"].estimate == pytest.approx(total)


def test_synthetic_did_is_near_r(frame, reference, reference_data):
    data = reference_data("practice_year_referrals")
    some = data[data.cohort.isin([0, 2017])].practice_id.unique()
    expected = reference("synthdid")["results"]["referrals_cohort2017"]
    inference = Permutation(draws=99, seed=1)
    own = synthetic_did(frame.keep_clusters(list(some)), inference=inference, interval=False)
    size = max(abs(expected["estimate"]), own.std_error)
    assert abs(own.estimate - expected["estimate"]) <= EXACT_MINIMUM * size
    plain = synthetic_did(frame.keep_clusters(list(some)), inference=inference, interval=False, method="did")
    assert plain.estimate == pytest.approx(expected["did"], rel=ERROR)
