"""Outcomes of a study small enough to count by hand."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from pluseval.data.frame import total_losses
from pluseval.data.load import load_study
from pluseval.errors import DesignError
from pluseval.estimate.describe import group_means
from pluseval.outcomes.costs import cost_per_insured_year
from pluseval.outcomes.eq5d import eq5d_utility, eq_vas
from pluseval.outcomes.experience import net_promoter_score, report_grade
from pluseval.outcomes.referrals import referral_count, referral_percentage, referrals_by_specialty
from pluseval.outcomes.registry import OUTCOMES, outcome
from pluseval.outcomes.survey import survey_response

MAPPING = {
    "study": {
        "name": "tiny",
        "kind": "real",
        "first_year": 2014,
        "last_year": 2019,
        "complete_through": 2018,
    },
    "tables": {},
}


def tables() -> dict[str, pd.DataFrame]:
    practices = pd.DataFrame(
        {
            "practice_id": ["A", "B", "C", "C2"],
            "programme": "OZL",
            "treated": [True, False, False, False],
            "start_date": pd.to_datetime(["2016-06-01", None, None, None]),
            "region": ["Kerkrade", "Heerlen", "Heerlen", "Heerlen"],
        }
    )
    links = pd.DataFrame(
        {
            "old_practice_id": ["C2"],
            "new_practice_id": ["C"],
            "link_date": pd.to_datetime(["2018-01-01"]),
            "kind": ["merger"],
        }
    )
    years = pd.DataFrame(
        [("A", 2015, 400), ("A", 2018, 410), ("B", 2015, 300), ("B", 2018, 300), ("C", 2015, 100),
         ("C", 2018, 260), ("C2", 2015, 150)],
        columns=["practice_id", "year", "list_size"],
    )  # fmt: skip
    insured = pd.DataFrame(
        [
            (1, 2015, "A", 365, 100.10, 500), (2, 2015, "A", 365, 300.30, 600),
            (3, 2015, "A", 73, 300.30, 300.30),
            (4, 2015, "B", 365, 0, 50), (5, 2015, "C", 365, -20, 10), (6, 2015, "C2", 365, 80, 90),
            (1, 2018, "A", 365, 10, 20), (2, 2018, "B", 365, 50, 70), (4, 2018, "B", 100, 5, 5),
            (7, 2018, "A", 365, 1000, 1500), (6, 2018, "C", 365, 30, 30), (1, 2019, "A", 365, 9999, 9999),
        ],
        columns=["person_id", "year", "practice_id", "insured_days", "cost_msz_eur", "cost_total_eur"],
    )  # fmt: skip
    referrals = pd.DataFrame(
        [
            (1, "A", "2015-01-01", "lung", "hospital"), (1, "A", "2015-12-31", "eye", "hospital"),
            (2, "A", "2015-05-05", "eye", "hospital"), (3, "A", "2015-05-05", "eye", "pluspunt"),
            (4, "B", "2015-02-02", "eye", "hospital"), (6, "C2", "2015-03-03", "lung", "hospital"),
            (2, "B", "2018-03-03", "lung", "hospital"), (7, "A", "2018-03-03", "lung", "hospital"),
            (None, "A", "2018-03-04", "eye", "hospital"), (1, "A", "2017-03-04", "eye", "hospital"),
        ],
        columns=["person_id", "practice_id", "referral_date", "specialty", "destination"],
    )  # fmt: skip
    referrals["person_id"] = referrals["person_id"].astype("Int64")
    referrals["referral_date"] = pd.to_datetime(referrals["referral_date"])
    full = (1, 1, 1, 1, 1)
    surveys = pd.DataFrame(
        [
            (1, 2016, "A", True, *full, 80, 9.0, 10), (2, 2016, "A", True, 2, 1, 1, 1, 1, 70, 8.0, 8),
            (3, 2016, "A", False, *([None] * 5), None, None, None),
            (4, 2016, "B", True, 1, None, 1, 1, 1, 60, None, 3), (1, 2017, "A", True, *full, None, 8.5, None),
        ],
        columns=["person_id", "wave", "practice_id", "responded", "eq_mobility", "eq_self_care",
                 "eq_usual_activities", "eq_pain", "eq_anxiety", "eq_vas", "grade", "nps"],
    )  # fmt: skip
    for name in surveys.columns[4:]:
        surveys[name] = pd.to_numeric(surveys[name])
    for name in [c for c in surveys.columns[4:] if c != "grade"]:
        surveys[name] = surveys[name].astype("Int64")
    return {
        "practices": practices, "practice_links": links, "practice_years": years, "insured_years": insured,
        "referrals": referrals, "surveys": surveys,
    }  # fmt: skip


@pytest.fixture(scope="module")
def study():
    return load_study(tables(), mapping=MAPPING)


def cell(frame, cluster, period):
    return frame.rows.set_index(["cluster", "period"]).loc[(cluster, period)]


def losses(frame):
    return {loss.reason: loss.count for loss in total_losses(frame.losses, [range(1900, 2100)])}


def by_cell(frame):
    return [(loss.reason, loss.group, loss.period, loss.count) for loss in frame.losses]


def test_msz_cost_per_insured_year(study):
    frame = cost_per_insured_year(study, kind="msz")
    a = cell(frame, "A", 2015)
    assert a["numerator"] == float(Decimal("700.70"))
    assert a["exposure"] == pytest.approx(2.2)
    assert (a["persons"], a["largest"], a["second"]) == (3, 300.30, 300.30)
    assert frame.cells.set_index(["cluster", "period"]).loc[("A", 2015), "y"] == pytest.approx(700.70 / 2.2)
    assert frame.measure.additive and frame.unit == "practice"


def test_total_cost_and_the_year_after_the_last_complete_one(study):
    frame = cost_per_insured_year(study, kind="total")
    assert cell(frame, "A", 2018)["numerator"] == 1520
    assert frame.periods == (2015, 2018)


def test_negative_corrections_are_kept_and_merged_practices_are_one(study):
    c = cell(cost_per_insured_year(study), "C", 2015)
    assert (c["numerator"], c["persons"], c["largest"], c["second"]) == (60, 2, 80, -20)


def test_a_single_person_has_no_second_largest(study):
    assert np.isnan(cell(cost_per_insured_year(study), "C", 2018)["second"])


def test_intention_to_treat_counts_persons_to_their_2015_practice(study):
    frame = cost_per_insured_year(study, attribution="practice_2015")
    a = cell(frame, "A", 2018)
    assert (a["numerator"], a["persons"]) == (60, 2)  # person 2 moved to B and counts to A
    assert cell(frame, "C", 2018)["numerator"] == 30  # person 6 was with C2, now C
    assert losses(frame) == {"insured person-years of persons who were enlisted nowhere in 2015": 1}
    assert "intention to treat" in frame.attribution


def test_entry_is_the_year_of_the_start_and_missing_for_others(study):
    frame = cost_per_insured_year(study)
    entry = frame.rows.groupby("cluster")["entry"].first()
    assert entry["A"] == 2016 and entry[["B", "C"]].isna().all()


def test_list_size_at_baseline_adds_what_later_merged(study):
    sizes = cost_per_insured_year(study).practices["list_size"]
    assert sizes.to_dict() == {"A": 400, "B": 300, "C": 250}


def test_without_lists_the_insured_persons_are_the_list():
    only = {k: t for k, t in tables().items() if k in ("practices", "practice_links", "insured_years")}
    sizes = cost_per_insured_year(load_study(only, mapping=MAPPING)).practices["list_size"]
    assert sizes.to_dict() == {"A": 3, "B": 1, "C": 2}


def test_referrals_to_hospital_per_100_enlisted(study):
    frame = referral_percentage(study)
    a = cell(frame, "A", 2015)
    assert (a["numerator"], a["exposure"], a["persons"], a["largest"], a["second"]) == (3, 400, 2, 2, 1)
    assert cell(frame, "C", 2015)["exposure"] == 250
    assert cell(frame, "C", 2018)["numerator"] == 0  # a list and no referral
    assert losses(frame) == {"referrals of practice-years without a list size": 1}


def test_specialties_by_one_pass_are_those_asked_for_one_by_one(study):
    for chosen in ({}, {"count": "persons"}, {"attribution": "practice_2015"}, {"destination": "all"}):
        whole = referral_percentage(study, **chosen)
        found = referrals_by_specialty(study, whole, **chosen)
        assert set(found) == {"lung", "eye"}
        counts = {name: frame.rows["numerator"].sum() for name, frame in found.items()}
        assert list(counts.values()) == sorted(counts.values(), reverse=True)
        for name, frame in found.items():
            own = referral_percentage(study, specialty=name, **chosen)
            assert frame.measure == own.measure
            both = [f.cells.set_index(["cluster", "period"]) for f in (frame, own)]
            shared = both[0].loc[both[1].index]  # one asked for alone begins with its first referral
            pd.testing.assert_frame_equal(shared, both[1], check_dtype=False)
    referrals = referral_percentage(study)
    parts = referrals_by_specialty(study, referrals).values()
    assert sum(f.cells["y"] for f in parts).to_list() == pytest.approx(referrals.cells["y"].to_list())


def test_destination_and_specialty_are_choices_with_their_own_names(study):
    everything = referral_percentage(study, destination="all")
    assert cell(everything, "A", 2015)["numerator"] == 4
    assert cell(referral_percentage(study, destination="pluspunt"), "A", 2015)["numerator"] == 1
    lung = referral_percentage(study, specialty="lung")
    assert cell(lung, "A", 2015)["numerator"] == 1
    keys = {f.measure.key for f in (everything, lung, referral_percentage(study))}
    assert keys == {"referral_percentage_all", "referral_percentage_lung", "referral_percentage"}


def test_persons_referred_count_once_a_year_and_nameless_referrals_are_lost(study):
    frame = referral_percentage(study, count="persons")
    assert cell(frame, "A", 2015)["numerator"] == 2
    assert losses(frame)["referrals that name no person"] == 1


def test_referrals_by_intention_to_treat_use_the_persons_of_the_list(study):
    frame = referral_percentage(study, attribution="practice_2015")
    a = cell(frame, "A", 2018)
    assert (a["numerator"], a["exposure"]) == (1, 2)  # person 2, referred by B, of persons 1 and 2
    assert losses(frame)["referrals of persons who were enlisted nowhere in 2015"] == 1


def test_referral_count_is_per_practice(study):
    frame = referral_count(study)
    assert cell(frame, "A", 2015)["numerator"] == 3 and (frame.rows["exposure"] == 1).all()


def test_survey_outcomes_and_their_losses(study):
    utility = eq5d_utility(study)
    assert utility.rows["numerator"].tolist() == [1.0, 0.918, 1.0]
    assert by_cell(utility) == [
        ("questionnaires not returned", "programme", 2016, 1),
        ("returned without all five EQ-5D items", "comparison", 2016, 1),
    ]
    vas = "returned without an EQ VAS"
    assert by_cell(eq_vas(study)) == [
        ("questionnaires not returned", "programme", 2016, 1),
        (vas, "programme", 2017, 1),
    ]
    assert eq_vas(study).rows["numerator"].tolist() == [80, 70, 60]
    grades = report_grade(study)
    assert grades.rows["numerator"].tolist() == [9.0, 8.0, 8.5] and grades.unit == "person"
    nps = net_promoter_score(study)
    assert nps.rows["numerator"].tolist() == [100, 0, -100]
    assert nps.cells.set_index(["cluster", "period"]).loc[("A", 2016), "y"] == 50


def test_response_is_what_came_back_of_what_was_sent_complete_or_not(study):
    frame = survey_response(study)
    found = frame.rows.set_index(["cluster", "period"])[["numerator", "exposure", "persons"]]
    assert found.to_dict("index") == {
        ("A", 2016): {"numerator": 2.0, "exposure": 3.0, "persons": 3},
        ("A", 2017): {"numerator": 1.0, "exposure": 1.0, "persons": 1},
        ("B", 2016): {"numerator": 1.0, "exposure": 1.0, "persons": 1},
    }
    levels = {(e.group, e.at): e.estimate for e in group_means(frame, weights="exposure")}
    assert levels["programme", 2016] == pytest.approx(200 / 3)
    assert frame.losses == ()


def test_losses_by_attribution_and_without_a_person_name_group_and_year(study):
    gone = "insured person-years of persons who were enlisted nowhere in 2015"
    assert by_cell(cost_per_insured_year(study, attribution="practice_2015")) == [
        (gone, "programme", 2018, 1)
    ]
    nameless = [x for x in by_cell(referral_percentage(study, count="persons")) if "name no person" in x[0]]
    assert nameless == [("referrals that name no person", "programme", 2018, 1)]
    assert by_cell(referral_percentage(study)) == [
        ("referrals of practice-years without a list size", "programme", 2017, 1)
    ]


def test_rows_in_any_order_and_any_number_of_threads_give_the_same_frame(study):
    whole = {name: made(study) for name, made in OUTCOMES.items()}
    shuffled = {name: t.sample(frac=1, random_state=3) for name, t in tables().items()}
    for threads in (1, 4):
        again = load_study(shuffled, mapping=MAPPING)
        engine = again.table("insured_years").get_backend()
        engine.raw_sql(f"SET threads = {threads}")
        for name, made in OUTCOMES.items():
            frame = made(again)
            pd.testing.assert_frame_equal(frame.rows, whole[name].rows)
            assert frame.losses == whole[name].losses


def test_a_plan_can_name_any_function():
    assert outcome("eq5d_utility") is eq5d_utility
    assert outcome("pluseval.outcomes.eq5d:eq_vas") is eq_vas
    for name in (
        "no_such_outcome",
        "pluseval.outcomes.eq5d:no_such",
        "no_such_module:x",
        "pluseval.outcomes.eq5d:VAS",
    ):
        with pytest.raises(DesignError, match="outcome"):
            outcome(name)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s: cost_per_insured_year(s, kind="ggz"), "use 'msz' or 'total'"),
        (lambda s: cost_per_insured_year(s, attribution="2015"), "use 'enlisted_1_july'"),
        (lambda s: cost_per_insured_year(s, attribution="practice_2016"), "no row of 2016"),
        (lambda s: referral_percentage(s, destination="home"), "destination is 'home'"),
        (lambda s: referral_percentage(s, count="letters"), "use 'referrals' or 'persons'"),
        (lambda s: referral_percentage(s, specialty="podiatry"), "none to 'podiatry'"),
        (lambda s: eq5d_utility(s, value_set="UK"), "no EQ-5D value set"),
    ],
)
def test_an_unknown_choice_is_refused(study, ask, message):
    with pytest.raises(DesignError, match=message):
        ask(study)


def test_a_study_without_the_table_says_which_one():
    only = {
        k: t
        for k, t in tables().items()
        if k in ("practices", "practice_links", "practice_years", "referrals")
    }
    study = load_study(only, mapping=MAPPING)
    for made, table in ((cost_per_insured_year, "insured_years"), (eq5d_utility, "surveys")):
        with pytest.raises(DesignError, match=table):
            made(study)
    with pytest.raises(DesignError, match="needs the table insured_years"):
        referral_percentage(study, attribution="practice_2015")


def test_referrals_without_persons_still_give_a_percentage():
    only = {
        k: t
        for k, t in tables().items()
        if k in ("practices", "practice_links", "practice_years", "referrals")
    }
    only["referrals"] = only["referrals"].drop(columns="person_id")
    frame = referral_percentage(load_study(only, mapping=MAPPING))
    assert cell(frame, "A", 2015)["numerator"] == 3 and not frame.rows["persons"].any()
