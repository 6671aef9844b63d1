"""Models of persons and panels, where the answer is known by hand or the design cannot answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.bacon import goodman_bacon
from pluseval.estimate.did import did
from pluseval.estimate.dose import dose_did
from pluseval.estimate.gee_model import gee_did
from pluseval.estimate.imputation import imputation_did
from pluseval.estimate.inference import OLS, ClusterRobust
from pluseval.estimate.inference_resampling import Permutation
from pluseval.estimate.mixed_model import mixed_did
from pluseval.estimate.serial import serial_did
from pluseval.estimate.sun_abraham import sun_abraham
from pluseval.estimate.synthetic import synthetic_did
from pluseval.report.disclosure import RESIDUAL_DF, DisclosureRules, release


@pytest.fixture(scope="module")
def persons(drawn):
    return drawn.framed_persons(drawn.person_rows(3))


def balanced(drawn, seed: int = 1, n: int = 12, each: int = 6) -> pd.DataFrame:
    """Everyone answers twice, so that the mixed model is the t test on practice changes."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {"person": np.tile(np.arange(n * each), 2), "wave": np.repeat([2016, 2018], n * each)}
    )
    data["practice"] = data.person // each
    shock = rng.normal(0, 1.0, (n, 2))[data.practice, (data.wave == 2018).astype(int)]
    data["grade"] = 8 + shock + rng.normal(0, 1, n * each)[data.person] + rng.normal(0, 0.5, len(data))
    return data.assign(entry=np.where(data.practice < 5, 2017, 0), list_size=1000 + data.practice)


@pytest.mark.parametrize("method", ["kenward_roger", "satterthwaite"])
def test_on_balanced_data_the_mixed_model_is_the_t_test_on_practice_changes(drawn, method):
    frame = drawn.framed_persons(balanced(drawn))
    found, plain = mixed_did(frame, method=method), did(frame, inference=OLS())
    assert found.estimate == pytest.approx(plain.estimate)
    assert (found.std_error, found.df) == pytest.approx((plain.std_error, plain.df), rel=1e-6)
    assert found.conf_int(0.9) == pytest.approx(plain.conf_int(0.9), rel=1e-6)


def test_cr2_on_top_of_the_mixed_model_is_cr2_on_practice_changes(drawn):
    frame = drawn.framed_persons(balanced(drawn))
    found, plain = mixed_did(frame, method="cr2"), did(frame, inference=ClusterRobust("CR2"))
    assert (found.std_error, found.df) == pytest.approx((plain.std_error, plain.df), rel=1e-6)


def test_the_profile_interval_ends_where_its_test_says_so(persons):
    found = mixed_did(persons, method="profile")
    for end in found.conf_int(0.95):
        assert found.p_at(end) == pytest.approx(0.05, abs=1e-4)
    assert found.p_at(found.estimate) == pytest.approx(1, abs=1e-3)


def test_practice_x_period_belongs_in_the_model(persons):
    found = mixed_did(persons)
    assert "practice x period" in found.inference and any("intraclass" in n for n in found.notes)


def test_residual_degrees_of_freedom_are_for_the_gate(drawn):
    frame = drawn.framed_persons(drawn.person_rows(1))
    found = mixed_did(frame)
    assert found.counts.level == "person" and found.counts.df_resid == len(frame.rows) - 4
    few = replace(found, counts=replace(found.counts, df_resid=9.0))
    rules = DisclosureRules()
    assert rules.broken_by(found) is None and rules.broken_by(few) == RESIDUAL_DF
    assert len(release([found], rules)) == 1


def test_a_patient_who_changes_practice_gets_an_intercept_in_each_or_is_refused(drawn):
    data = drawn.person_rows(1)
    moved = data.assign(practice=data.practice.where((data.person != 2) | (data.wave == 2016), 15))
    moved["entry"] = np.where(moved.practice < 9, 2017, 0)
    moved["list_size"] = 1000.0 + moved.practice
    frame = drawn.framed_persons(moved)
    assert any("patient-within-practice" in n for n in mixed_did(frame).notes)
    assert not any("patient-within-practice" in n for n in mixed_did(drawn.framed_persons(data)).notes)
    with pytest.raises(DesignError, match="practice"):
        mixed_did(frame, movers="refuse")


def test_more_than_two_periods_are_refused_with_advice(drawn):
    data = drawn.person_rows(1)
    three = pd.concat([data, data[data.wave == 2018].assign(wave=2019)])
    frame = drawn.framed_persons(three)
    windows = ((2016, 2016), (2018, 2019))
    with pytest.raises(DesignError, match="cr2"):
        mixed_did(frame, windows=windows)
    assert "CR2" in mixed_did(frame, windows=windows, method="cr2").inference
    assert any("independent" in n for n in mixed_did(frame, windows=windows, serial="independent").notes)


def test_a_boundary_fit_is_told_not_failed(drawn):
    data = balanced(drawn)
    mean = data.groupby(["practice", "wave"]).grade.transform("mean")
    frame = drawn.framed_persons(data.assign(grade=data.grade - mean + 8))
    assert any("boundary fit" in n for n in mixed_did(frame).notes)


def test_everyone_seen_once_leaves_the_patient_out(drawn):
    data = drawn.person_rows(1)
    frame = drawn.framed_persons(data.assign(person=np.arange(len(data))))
    found = mixed_did(frame)
    assert "patient" not in found.inference.replace("practice x period", "")
    assert any("no patient has two rows" in n for n in found.notes)


def test_a_practice_with_one_wave_informs_levels(drawn):
    data = drawn.person_rows(1)
    frame = drawn.framed_persons(data[(data.practice != 20) | (data.wave == 2016)])
    assert any("one window only" in n for n in mixed_did(frame).notes)
    assert mixed_did(frame).n_clusters == 24


def test_covariates_of_persons_and_of_practices(persons):
    aged = replace(persons, rows=persons.rows.assign(age=np.arange(len(persons.rows)) % 37))
    found = mixed_did(aged, adjust=["age", "log(list_size)"])
    assert found.counts.df_resid == len(aged.rows) - 7
    blank = aged.rows.assign(age=aged.rows.age.where(aged.rows.index > 4))
    lost = mixed_did(replace(aged, rows=blank), adjust=["age"])
    assert lost.nobs == len(aged.rows) - 5 and any("age" in loss.reason for loss in lost.losses)


@pytest.mark.parametrize("estimator", [mixed_did, gee_did])
def test_models_of_persons_refuse_what_they_cannot_answer(drawn, estimator):
    data = drawn.person_rows(1)
    cases = {
        "1 programme practice": data[(data.practice == 0) | (data.entry == 0)],
        "no programme practice": data[data.entry == 0],
        "2 periods": data[data.wave == 2016],
        "nothing to model": data.assign(grade=8.0),
    }
    for match, rows in cases.items():
        with pytest.raises(DesignError, match=match):
            estimator(drawn.framed_persons(rows))
    collinear = drawn.framed_persons(data.assign(list_size=np.where(data.entry > 0, 5000, 3000)))
    with pytest.raises(DesignError, match="collinear"):
        estimator(collinear, adjust=["list_size"])


def test_a_mixed_model_of_practices_is_refused(drawn):
    with pytest.raises(DesignError, match="one row per person"):
        mixed_did(drawn.framed(drawn.practice_rows(1)), windows=drawn.WINDOWS)


def test_gee_of_one_row_per_practice_and_wave_is_welch_with_a_jackknife(drawn):
    """Mancl-DeRouen divides each practice's residual by one minus its leverage, here 1 / n of its group."""
    frame = drawn.framed(drawn.practice_rows(1)).between(2015, 2017)
    frame = replace(frame, rows=frame.rows[frame.rows.period != 2016].reset_index(drop=True))
    found = gee_did(frame, correlation="independence")
    cells = frame.cells.pivot(index="cluster", columns="period", values="y")
    change, on = (cells[2017] - cells[2015]).to_numpy(), frame.treated.to_numpy()
    se = np.sqrt(sum(np.var(c, ddof=1) / (c.size - 1) for c in (change[on], change[~on])))
    assert found.estimate == pytest.approx(change[on].mean() - change[~on].mean())
    assert found.std_error == pytest.approx(se)
    kauermann = gee_did(frame, correlation="independence", correction="kauermann_carroll")
    assert kauermann.p_value == pytest.approx(
        stats.ttest_ind(change[on], change[~on], equal_var=False).pvalue, rel=0.05
    )


def test_gee_ratios_are_ratios_of_ratios(drawn):
    data = pd.DataFrame(
        {"practice": list("ABCDEF") * 2, "year": [1] * 6 + [2] * 6, "entry": [2, 2, 2, 0, 0, 0] * 2,
         "pct": [0.2, 0.3, 0.4, 0.3, 0.4, 0.5, 0.1, 0.2, 0.3, 0.3, 0.4, 0.5]}
    )  # fmt: skip
    frame = drawn.framed(data)
    for family, of in (("poisson", lambda p: p), ("binomial", lambda p: p / (1 - p))):
        found = gee_did(frame, family=family, correlation="independence")
        assert found.scale == "ratio" and found.estimate == pytest.approx(
            (of(0.2) / of(0.3)) / (of(0.4) / of(0.4))
        )
        assert found.conf_low < found.estimate < found.conf_high
        assert found.p_at(1.0) == pytest.approx(found.p_value)


TINY = pd.DataFrame(
    {
        "practice": np.repeat(list("ABCDEF"), 3),
        "year": np.tile([1, 2, 3], 6),
        "entry": np.repeat([2, 2, 3, 3, 0, 0], 3),
        "pct": [10, 8, 7, 12, 9, 10, 10, 11, 8, 12, 12, 9, 10, 11, 12, 14, 14, 14.0],
    }
)


def test_imputation_by_hand(drawn):
    """With C, D untreated in 2 and E, F always: effects are changes minus mean changes of the untreated."""
    found = imputation_did(drawn.framed(TINY))
    y = TINY.pivot(index="practice", columns="year", values="pct")
    rows = [
        (p, t) for p in "ABCDEF" for t in (1, 2, 3) if not ((p in "AB" and t >= 2) or (p in "CD" and t == 3))
    ]
    X = np.array([[float(p == q) for q in "ABCDEF"] + [float(t == 2), float(t == 3)] for p, t in rows])
    coef = np.linalg.lstsq(X, np.array([y.loc[p, t] for p, t in rows]), rcond=None)[0]
    level, common = dict(zip("ABCDEF", coef[:6], strict=True)), {2: coef[6], 3: coef[7]}
    effects = [
        y.loc[p, t] - level[p] - common[t]
        for p, t in [("A", 2), ("A", 3), ("B", 2), ("B", 3), ("C", 3), ("D", 3)]
    ]
    assert found.overall.estimate == pytest.approx(np.mean(effects))
    assert found["cohort 3"].estimate == pytest.approx(np.mean(effects[4:]))
    assert found["event 1"].estimate == pytest.approx(np.mean([effects[1], effects[3]]))
    left_out = imputation_did(drawn.framed(TINY), transition=1)
    assert [e.term for e in left_out] == ["overall", "event 1", "cohort 2"]


def test_a_two_way_estimate_without_a_stagger_mixes_nothing(drawn):
    data = drawn.practice_rows(1, early=6, late=0)
    found = goodman_bacon(drawn.framed(data))
    assert [e.term for e in found] == [
        "two-way fixed effects", "share: joined v never joined", "estimate: joined v never joined",
    ]  # fmt: skip
    assert found.estimates[1].estimate == pytest.approx(100)
    plain = did(drawn.framed(data), inference=OLS(), windows=((2013, 2015), (2016, 2019)))
    assert found.estimates[0].estimate == pytest.approx(plain.estimate)


def test_a_small_cohort_does_not_leave_through_the_decomposition(drawn):
    found = goodman_bacon(drawn.framed(drawn.practice_rows(1, early=10, late=4)))
    rules = DisclosureRules(min_persons=0)
    held = {s.term for s in release([found], rules).suppressed}
    # Each mean follows from the others, and the cohorts from the two-way estimate beside yearly means.
    assert held == {e.term for e in found if not e.term.startswith("share")}
    large = goodman_bacon(drawn.framed(drawn.practice_rows(1, early=10, late=8)))
    assert not release([large], rules).suppressed


def test_a_number_without_interval_is_told_without_one(drawn):
    text = str(goodman_bacon(drawn.framed(drawn.practice_rows(1))))
    assert (
        "nan" not in text and "% of the two-way estimate (12 + 28 practices; none: a decomposition)" in text
    )


def test_sun_abraham_of_one_cohort_is_the_event_study_with_welch_errors(drawn):
    data = drawn.practice_rows(1, early=8, late=0)
    found = sun_abraham(drawn.framed(data))
    plain = did(drawn.framed(data), inference=ClusterRobust("CR2"), periods=(2015, 2018))
    assert found["event 2"].estimate == pytest.approx(plain.estimate)
    assert found["event 2"].std_error == pytest.approx(plain.std_error, rel=1e-6)
    assert found["event 2"].df == pytest.approx(plain.df, rel=1e-6)


def test_synthetic_did_serves_one_programme_practice(drawn):
    data = drawn.practice_rows(1, n=30, early=1, late=0, effect=-20.0, sd=1.0)
    inference = Permutation(draws=99, seed=1, statistic="coefficient")
    found = synthetic_did(drawn.framed(data), inference=inference, interval=False)
    assert found.p_value == pytest.approx(1 / 30)
    assert np.isnan(found.conf_low) and any("no interval" in n for n in found.notes)
    with pytest.raises(DesignError, match="interval=True"):
        found.conf_int(0.9)


def test_the_interval_of_synthetic_did_ends_where_its_test_rejects(drawn):
    data = drawn.practice_rows(2, n=16, early=4, late=0, years=(2013, 2014, 2015, 2016, 2017))
    inference = Permutation(draws=99, seed=1, statistic="coefficient")
    found = synthetic_did(drawn.framed(data), inference=inference)
    assert found.conf_low < found.estimate < found.conf_high
    reach = found.conf_high - found.estimate
    for end, outwards in ((found.conf_low, -1), (found.conf_high, 1)):
        assert found.p_at(end + outwards * 1e-6 * reach) <= 0.05 < found.p_at(end) <= 0.05 + 1.1 / 100
    narrow = found.conf_int(0.8)
    assert found.conf_low < narrow[0] < narrow[1] < found.conf_high


@pytest.mark.parametrize("estimator", [synthetic_did, lambda *a, **k: imputation_did(*a, **k).overall])
def test_equal_tails_are_kept_where_entries_are_reassigned(drawn, estimator):
    frame = drawn.framed(drawn.practice_rows(2, n=16, early=4, late=0))
    symmetric, equal = (
        estimator(frame, inference=Permutation(draws=199, seed=1, tails=tails))
        for tails in ("symmetric", "equal")
    )
    assert equal.estimate == symmetric.estimate and "equal tails" in equal.inference
    assert (equal.conf_low, equal.conf_high) != (symmetric.conf_low, symmetric.conf_high)
    for end in (equal.conf_low, equal.conf_high):
        assert equal.p_at(end) == pytest.approx(0.05, abs=2.5 / 200)


def test_a_full_years_dose_is_the_plain_did_and_half_doubles_it(drawn):
    data = drawn.practice_rows(1)
    frame = drawn.framed(data)
    full = dose_did(frame, inference=OLS(), windows=((2013, 2015), (2018, 2019)))
    plain = did(frame, inference=OLS(), windows=((2013, 2015), (2018, 2019)))
    assert (full.estimate, full.p_value) == pytest.approx((plain.estimate, plain.p_value))
    half = drawn.framed(
        data[data.entry != 2017].assign(
            start_date=np.where(data[data.entry != 2017].entry > 0, "2016-07-01", None)
        )
    )
    partial = dose_did(half, inference=OLS(), periods=(2015, 2016))
    assert partial.estimate == pytest.approx(2 * did(half, inference=OLS(), periods=(2015, 2016)).estimate)


def test_doses_follow_the_day_of_joining(drawn):
    frame = drawn.framed(drawn.practice_rows(1))
    found = dose_did(frame, inference=ClusterRobust(), periods=(2015, 2016))
    cells = frame.cells.pivot(index="cluster", columns="period", values="y")
    entry = frame.cells.groupby("cluster")["entry"].first()
    dose = np.where(entry == 2016, 7 / 12, 0.0)
    assert found.estimate == pytest.approx(np.polyfit(dose, cells[2016] - cells[2015], 1)[0])
    with pytest.raises(DesignError, match="no practice took part"):
        dose_did(frame, inference=OLS(), periods=(2013, 2015))
    with pytest.raises(DesignError, match="day of joining"):
        dose_did(frame, inference=OLS(), periods=(2015, 2016), start="first_day")
    gone = replace(frame, practices=frame.practices.assign(start_date=None))
    with pytest.raises(DesignError, match="12 programme practices have no start_date"):
        dose_did(gone, inference=OLS(), periods=(2015, 2016))


@pytest.mark.parametrize(("errors", "plain"), [("satterthwaite", OLS()), ("cr2", ClusterRobust("CR2"))])
def test_of_two_years_the_free_covariance_is_the_test_on_changes(drawn, errors, plain):
    frame = drawn.framed(drawn.practice_rows(1))
    found = serial_did(frame, periods=(2015, 2018), structure="unstructured", errors=errors)
    own = did(frame, inference=plain, periods=(2015, 2018))
    assert found.estimate == pytest.approx(own.estimate)
    assert (found.std_error, found.df) == pytest.approx((own.std_error, own.df), rel=1e-4)


def test_persistent_shocks_widen_the_model_of_serial_years(drawn):
    data = drawn.practice_rows(1)
    walk = data.groupby("practice").pct.cumsum() / 5
    independent, persistent = (
        serial_did(drawn.framed(d), windows=drawn.WINDOWS, errors="satterthwaite")
        for d in (data, data.assign(pct=walk - walk.mean()))
    )
    rho = [float(e.notes[-1].rsplit(" ", 1)[1]) for e in (independent, persistent)]
    assert rho[1] > rho[0] and rho[1] > 0.7
    with pytest.raises(DesignError, match="ar1"):
        serial_did(drawn.framed(data), windows=drawn.WINDOWS, structure="free")


STAGGERED = {
    "imputation": imputation_did,
    "sun_abraham": sun_abraham,
    "synthetic": lambda f: synthetic_did(f, inference=Permutation(draws=99, seed=1), interval=False),
}


@pytest.mark.parametrize("name", STAGGERED)
def test_staggered_estimators_refuse_what_they_cannot_answer(drawn, name):
    data = drawn.practice_rows(1)
    cases = {
        "2 periods": data[data.year == 2016],
        "no practice joined": data[data.entry == 0],
        "did not|never|comparison": data[data.entry > 0],
        "vary|apart|spread": data.assign(pct=30.0 + (data.year - 2013)),
        "had joined|joined between": data[data.year >= 2017],
    }
    for match, rows in cases.items():
        with pytest.raises(DesignError, match=match):
            STAGGERED[name](drawn.framed(rows))


def test_another_inference_is_refused_where_entries_are_reassigned(drawn):
    frame = drawn.framed(drawn.practice_rows(1))
    for call in (imputation_did, synthetic_did):
        with pytest.raises(DesignError, match="Permutation"):
            call(frame, inference=OLS())


def test_frames_of_one_row_are_refused(drawn):
    data = drawn.practice_rows(1)
    frame = AnalysisFrame.from_pandas(
        data[data.practice.isin([0, 30])], unit="practice", period="year", y="pct", entry="entry",
        measure=drawn.PCT,
    )  # fmt: skip
    for call in (imputation_did, sun_abraham):
        with pytest.raises(DesignError, match="1 programme practice"):
            call(frame)
