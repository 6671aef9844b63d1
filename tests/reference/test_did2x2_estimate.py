"""The estimators against R: what a researcher types gives what lm, clubSandwich, fixest and did give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.estimate.did import did
from pluseval.estimate.event_study import event_study
from pluseval.estimate.inference import OLS, ClusterRobust, Welch
from pluseval.estimate.inference_resampling import Permutation, WildBootstrap
from pluseval.estimate.margin import equivalence
from pluseval.estimate.ratio import rate_ratio_did
from pluseval.estimate.single_arm import single_arm
from pluseval.estimate.staggered import staggered_did

ESTIMATE = 1e-8
DF = 1e-6
PCT = Measure("pct", "percentage", "percentage", "per 100", "per 100", "points", "punten", "lower", per=100)
COST = Measure("cost", "cost", "kosten", "EUR", "euro", "EUR", "euro", "lower")
SMALL = [f"P{i:03d}" for i in (*range(1, 5), *range(15, 23))]


def referrals(reference_data, keep=None) -> AnalysisFrame:
    data = reference_data("practice_year_referrals")
    if keep is not None:
        data = data[data["practice_id"].isin(keep)]
    data["pct"] = 100 * data["referrals"] / data["list_size"]
    first = data.sort_values("year").groupby("practice_id")["list_size"].transform("first")
    data["list_2013"] = first
    return AnalysisFrame.from_pandas(
        data, unit="practice_id", period="year", y="pct", entry="cohort", measure=PCT, exposure="list_size",
        covariates=("list_2013", "region"),
    )  # fmt: skip


def costs(reference_data) -> AnalysisFrame:
    data = reference_data("practice_year_costs")
    data["cost"] = data["cost_msz"] / data["insured_years"]
    data["entry"] = np.where(data["treated"] == 1, 2017, 0)
    return AnalysisFrame.from_pandas(
        data,
        unit="practice_id",
        period="year",
        y="cost",
        entry="entry",
        measure=COST,
        exposure="insured_years",
    )


CASES = {
    "pct_2x2_2015_2018": (referrals, {}, {}),
    "pct_2x2_2015_2018_weighted_list_size": (referrals, {}, {"weights": "exposure"}),
    "pct_2x2_smallG12": (referrals, {"keep": SMALL}, {}),
    "cost_2x2_weighted_insured_years": (costs, {}, {"weights": "exposure"}),
}


@pytest.mark.parametrize("name", CASES)
def test_did_equals_lm_with_clubsandwichs_cr2(reference, reference_data, name):
    oracle = reference("did2x2_cluster_inference")["results"][name]
    build, keep, choices = CASES[name]
    result = did(
        build(reference_data, **keep), inference=ClusterRobust("CR2"), periods=(2015, 2018), **choices
    )
    cr2 = oracle["clubSandwich_CR2"]
    assert (result.estimate, result.std_error) == pytest.approx((oracle["estimate"], cr2["se"]), rel=ESTIMATE)
    assert (result.df, result.p_value) == pytest.approx((cr2["df_Satt"], cr2["p_Satt"]), rel=DF)
    assert result.conf_int() == pytest.approx(tuple(cr2["ci95_Satt"]), rel=DF, abs=DF * cr2["se"])


@pytest.mark.parametrize("kind", ["CR0", "CR1S", "CR3"])
def test_other_conventions_of_weighted_rows_equal_clubsandwich(reference, reference_data, kind):
    oracle = reference("did2x2_cluster_inference")["results"]["pct_2x2_2015_2018_weighted_list_size"]
    inference = ClusterRobust(kind, df="clusters")
    result = did(referrals(reference_data), inference=inference, periods=(2015, 2018), weights="exposure")
    expected = oracle[f"clubSandwich_{kind}"]
    assert result.std_error == pytest.approx(expected["se"], rel=ESTIMATE)
    assert result.p_value == pytest.approx(expected["p_naive_t_Gm1"], rel=DF)


@pytest.mark.parametrize(("inference", "name"), [(Welch(), "welch"), (OLS(), "student")])
def test_changes_equal_t_tests(reference, reference_data, inference, name):
    oracle = reference("change_score_permutation")["results"][name]
    result = did(referrals(reference_data), inference=inference, periods=(2018, 2019))
    estimate = oracle["estimate"]["mean of x"] - oracle["estimate"]["mean of y"]
    assert (result.estimate, result.statistic) == pytest.approx((estimate, oracle["statistic"]), rel=ESTIMATE)
    assert (result.df, result.p_value) == pytest.approx((oracle["parameter"], oracle["p"]), rel=ESTIMATE)
    assert result.conf_int() == pytest.approx(tuple(oracle["ci"]), rel=ESTIMATE)


def test_the_adjusted_change_equals_ancova(reference, reference_data):
    oracle = {
        row["term"]: row for row in reference("change_score_permutation")["results"]["ancova_change"]["coef"]
    }
    frame = referrals(reference_data)
    size = frame.rows[frame.rows["period"] == 2018].set_index("cluster")["exposure"]
    frame = frame.with_practices({"list_2018": size})
    result = did(frame, inference=OLS(), periods=(2018, 2019), adjust=("baseline", "list_2018"))
    expected = oracle["treated"]
    assert result.estimate == pytest.approx(expected["Estimate"], rel=ESTIMATE)
    assert result.std_error == pytest.approx(expected["Std. Error"], rel=ESTIMATE)
    assert result.p_value == pytest.approx(expected["Pr(>|t|)"], rel=ESTIMATE)


def test_the_single_arm_equals_a_paired_t_test(reference, reference_data):
    oracle = reference("change_score_permutation")["results"]["paired_t_treated"]
    result = single_arm(referrals(reference_data), inference=OLS(), periods=(2018, 2019))
    assert (result.statistic, result.df, result.p_value) == pytest.approx(
        (oracle["statistic"], oracle["parameter"], oracle["p"]), rel=ESTIMATE
    )
    assert result.conf_int() == pytest.approx(tuple(oracle["ci"]), rel=ESTIMATE)


@pytest.mark.parametrize(
    ("inference", "name"),
    [(Welch(), "tost_welch_pm3"), (OLS(), "tost_student_pm3"), (OLS(), "tost_student_pm5")],
)
def test_equivalence_equals_two_one_sided_t_tests(reference, reference_data, inference, name):
    oracle = reference("change_score_permutation")["results"][name]
    result = did(referrals(reference_data), inference=inference, periods=(2018, 2019), margin=oracle["high"])
    found = equivalence(result)
    assert found.p_value == pytest.approx(oracle["p_tost"], rel=DF)
    assert (found.conf_low, found.conf_high) == pytest.approx(tuple(oracle["ci90"]), rel=ESTIMATE)


def test_the_permutation_of_few_practices_counts_as_r_does(reference, reference_data):
    oracle = reference("change_score_permutation")["results"]["permutation_small_5of14"][
        "studentised_welch_t"
    ]
    data = reference_data("permutation_small")
    result = did(frame_of_change(data), inference=Permutation(draws=oracle["n_perm"], seed=1))
    assert result.p_value == oracle["n_two_sided"] / oracle["n_perm"]
    assert result.statistic == pytest.approx(oracle["observed"], rel=ESTIMATE)


def frame_of_change(data: pd.DataFrame) -> AnalysisFrame:
    names = [f"P{i:02d}" for i in range(len(data))]
    long = pd.DataFrame(
        {
            "practice": names * 2,
            "year": np.repeat([2018, 2019], len(names)),
            "pct": np.concatenate([np.zeros(len(names)), data["change"]]),
            "entry": np.tile(np.where(np.arange(len(names)) < 5, 2016, 0), 2),
        }
    )
    return AnalysisFrame.from_pandas(
        long, unit="practice", period="year", y="pct", entry="entry", measure=PCT
    )


def test_the_wild_bootstrap_of_twelve_practices_counts_as_r_does(reference, reference_data):
    oracle = reference("did2x2_wild_bootstrap")["results"]["smallG12_bruteforce_WCR"]
    frame = referrals(reference_data, keep=SMALL)
    result = did(frame, inference=WildBootstrap(draws=oracle["n_draws"], seed=1), periods=(2015, 2018))
    assert result.p_value == pytest.approx(oracle["n_strict"] / oracle["n_draws"], abs=1e-12)


def test_event_study_estimates_equal_fixest(reference, reference_data):
    oracle = reference("fixest_twfe_eventstudy_sunab")["results"]["event_study_treated_by_year_base2015"]
    found = event_study(referrals(reference_data), inference=ClusterRobust("CR2"), reference=2015)
    rows = {row["term"]: row["Estimate"] for row in oracle["coeftable"]}
    matched = 0
    for estimate in found:
        terms = [t for t in rows if estimate.term in t]
        assert len(terms) == 1
        assert estimate.estimate == pytest.approx(rows[terms[0]], rel=1e-7)
        matched += 1
    assert matched == len(rows)


def test_the_rate_ratio_equals_poisson_with_cr2(reference, reference_data):
    results = reference("ppml_counts")["results"]
    oracle = results["glm_poisson_2x2_sandwich"]
    result = rate_ratio_did(referrals(reference_data), inference=ClusterRobust("CR2"), periods=(2015, 2018))
    assert np.log(result.estimate) == pytest.approx(
        oracle["estimate"], rel=1e-6, abs=1e-6 * oracle["se_CL_HC0"]
    )
    # R's glm keeps the weights of the step before the last
    assert result.std_error == pytest.approx(oracle["se_clubSandwich_CR2"], rel=2e-5)
    assert (result.df, result.p_value) == pytest.approx(
        (oracle["cs"]["df_Satt"], oracle["cs"]["p_Satt"]), rel=1e-4
    )


@pytest.mark.parametrize(
    ("name", "comparison", "adjust", "method"),
    [
        ("referrals_dr_nevertreated_none", "never", (), "dr"),
        ("referrals_dr_notyettreated_none", "not_yet_treated", (), "dr"),
        ("referrals_reg_nevertreated_lls", "never", ("log(list_2013)",), "reg"),
        ("referrals_reg_notyettreated_lls", "not_yet_treated", ("log(list_2013)",), "reg"),
    ],
)
def test_staggered_did_equals_att_gt(reference, reference_data, name, comparison, adjust, method):
    """Doubly robust given covariates: see test_staggered_adjusted.py."""
    oracle = reference("did_att_gt_referrals")["results"][name]
    found = staggered_did(referrals(reference_data), comparison=comparison, adjust=adjust, method=method)
    simple, dynamic, groups = oracle["simple"], oracle["dynamic"], oracle["group_agg"]
    expected = {"overall": (simple["overall.att"], simple["overall.se"])}
    for label, part in (("event", dynamic), ("cohort", groups)):
        for key, att, se in zip(part["egt"], part["att.egt"], part["se.egt"], strict=True):
            expected[f"{label} {key}"] = (att, se)
    assert set(expected) == {estimate.term for estimate in found}
    for term, (att, se) in expected.items():
        assert found[term].estimate == pytest.approx(att, abs=1e-6)
        assert found[term].std_error == pytest.approx(se, rel=1e-5)
