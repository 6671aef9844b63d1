"""Least squares, HC and cluster-robust inference against lm, sandwich, clubSandwich and dfadjust."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pluseval.numerics.cluster import cluster_cov, imbens_kolesar_df
from pluseval.numerics.linear import classical_cov, fit, hc_cov, t_test

ESTIMATE = 1e-8  # relative, estimate and standard error
DF = 1e-6  # relative, Satterthwaite's degrees of freedom and p
SMALL = [f"P{i:03d}" for i in (*range(1, 5), *range(15, 23))]
MODELS = [
    "pct_2x2_2015_2018",
    "pct_2x2_2015_2018_weighted_list_size",
    "pct_2x2_practiceFE",
    "lograte_2x2",
    "pct_pooled_all_years_prepost",
    "pct_twfe_dummies_all_years",
    "pct_twfe_dummies_all_years_weighted",
    "pct_twfe_dummies_unbalanced",
    "pct_2x2_smallG12",
    "cost_2x2_weighted_insured_years",
]
PRINTED = [name for name in MODELS if "practiceFE" not in name and "dummies" not in name]
KINDS = ("CR0", "CR1", "CR1S", "CR1P", "CR2", "CR3")


@pytest.fixture(scope="module")
def models(reference_data):
    """Every model of the oracle: its fit, its clusters and the index of its coefficient."""
    full = reference_data("practice_year_referrals")
    holes = reference_data("practice_year_referrals_unbalanced")
    for frame in (full, holes):
        frame["pct"] = 100 * frame.referrals / frame.list_size
        frame["lograte"] = np.log(frame.referrals / frame.list_size)
        frame["on"] = ((frame.cohort > 0) & (frame.year >= frame.cohort)).astype(float)
    costs = reference_data("practice_year_costs")
    costs["per_year"] = costs.cost_msz / costs.insured_years

    def two_by_two(frame, column, post, weights=None):
        treated, post = frame.treated.to_numpy(float), np.asarray(post, float)
        X = np.column_stack([np.ones(len(frame)), treated, post, treated * post])
        w = None if weights is None else frame[weights]
        return fit(frame[column], X, weights=w), frame.practice_id, 3

    def two_way(frame, weights=None):
        w = None if weights is None else frame[weights]
        absorb = (frame.practice_id, frame.year)
        return fit(frame.pct, frame[["on"]], weights=w, absorb=absorb), frame.practice_id, 0

    pair = full[full.year.isin([2015, 2018])]
    few = pair[pair.practice_id.isin(SMALL)]
    cost_pair = costs[costs.year.isin([2015, 2018])]
    post = (pair.year == 2018).to_numpy(float)
    within = np.column_stack([post, post * pair.treated])
    return {
        "pct_2x2_2015_2018": two_by_two(pair, "pct", post),
        "pct_2x2_2015_2018_weighted_list_size": two_by_two(pair, "pct", post, "list_size"),
        "pct_2x2_practiceFE": (fit(pair.pct, within, absorb=pair.practice_id), pair.practice_id, 1),
        "lograte_2x2": two_by_two(pair, "lograte", post),
        "pct_pooled_all_years_prepost": two_by_two(full, "pct", full.year >= 2017),
        "pct_twfe_dummies_all_years": two_way(full),
        "pct_twfe_dummies_all_years_weighted": two_way(full, "list_size"),
        "pct_twfe_dummies_unbalanced": two_way(holes),
        "pct_2x2_smallG12": two_by_two(few, "pct", few.year == 2018),
        "cost_2x2_weighted_insured_years": two_by_two(
            cost_pair, "per_year", cost_pair.year == 2018, "insured_years"
        ),
    }


@pytest.fixture(scope="module")
def oracle(reference):
    return reference("did2x2_cluster_inference")["results"]


def _error(cov, index):
    return np.sqrt(cov[index, index])


@pytest.mark.parametrize("name", MODELS)
def test_least_squares_equals_lm(models, oracle, name):
    fitted, _, index = models[name]
    said = oracle[name]
    assert (fitted.nobs, fitted.rank, fitted.df_resid) == (said["N"], said["K"], said["iid"]["df"])
    assert fitted.coef[index] == pytest.approx(said["estimate"], rel=ESTIMATE)
    assert np.sqrt(fitted.sigma2) == pytest.approx(said["sigma"], rel=ESTIMATE)
    test = t_test(fitted.coef[index], _error(classical_cov(fitted), index), fitted.df_resid)
    assert test.std_error == pytest.approx(said["iid"]["se"], rel=ESTIMATE)
    assert test.statistic == pytest.approx(said["iid"]["t"], rel=ESTIMATE)
    assert test.p_value == pytest.approx(said["iid"]["p"], rel=DF)


@pytest.mark.parametrize("name", PRINTED)
def test_every_coefficient_and_the_share_explained_equal_lm(models, oracle, name):
    fitted, said = models[name][0], oracle[name]
    expected = [said["coef"][term] for term in ("(Intercept)", "treated", "post", "did")]
    assert np.abs(fitted.coef - expected).max() <= ESTIMATE * max(abs(value) for value in expected)
    assert fitted.r_squared == pytest.approx(said["r_squared"], rel=DF)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
@pytest.mark.parametrize("name", MODELS)
def test_robust_errors_equal_sandwich(models, oracle, name, kind):
    fitted, _, index = models[name]
    assert _error(hc_cov(fitted, kind=kind), index) == pytest.approx(oracle[name][kind]["se"], rel=ESTIMATE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_cluster_errors_and_df_equal_club_sandwich(models, oracle, name, kind):
    fitted, cluster, index = models[name]
    said = oracle[name]["clubSandwich_" + kind.replace("P", "p")]
    if said == "not computable":
        pytest.skip(f"{kind} with practice dummies is not computable in clubSandwich")
    made = cluster_cov(fitted, cluster, kind=kind)
    test = made.test(index)
    assert test.std_error == pytest.approx(said["se"], rel=ESTIMATE)
    assert test.statistic == pytest.approx(said["t"], rel=ESTIMATE)
    assert test.df == pytest.approx(said["df_Satt"], rel=DF)
    assert test.p_value == pytest.approx(said["p_Satt"], rel=DF)
    assert [test.conf_low, test.conf_high] == pytest.approx(
        said["ci95_Satt"], rel=DF, abs=DF * test.std_error
    )
    naive = 2 * stats.t.sf(abs(test.statistic), made.n_clusters - 1)
    assert naive == pytest.approx(said["p_naive_t_Gm1"], rel=DF)


@pytest.mark.parametrize("name", MODELS)
def test_cluster_errors_equal_sandwich_under_its_three_conventions(models, oracle, name):
    fitted, cluster, index = models[name]
    for kind, label in (
        ("CR0", "CR0_sandwich_HC0_nocadjust"),
        ("CR1", "CR0_sandwich_HC0_cadjust_Gm1"),
        ("CR1S", "CR1_sandwich_HC1_cadjust_stata"),
    ):
        said = oracle[name][label]
        error = cluster_cov(fitted, cluster, kind=kind).std_error(index)
        test = t_test(fitted.coef[index], error, said["df"])
        assert test.df == np.unique(cluster).size - 1
        assert test.std_error == pytest.approx(said["se"], rel=ESTIMATE)
        assert test.statistic == pytest.approx(said["t"], rel=ESTIMATE)
        assert test.p_value == pytest.approx(said["p"], rel=DF)
        ends = [test.conf_low, test.conf_high]
        assert ends == pytest.approx(said["ci95"], rel=ESTIMATE, abs=ESTIMATE * error)


@pytest.mark.parametrize("name, label", [("pct_2x2_smallG12", "small"), ("pct_2x2_2015_2018", "2x2")])
def test_degrees_of_freedom_equal_dfadjust(models, oracle, name, label):
    fitted, cluster, index = models[name]
    said = oracle[f"dfadjust_{label}"]
    made = cluster_cov(fitted, cluster, kind="CR2")
    assert made.df(index) == pytest.approx(said["BM"]["df"], rel=DF)
    assert imbens_kolesar_df(fitted, cluster, index) == pytest.approx(said["IK"]["df"], rel=DF)
    assert fitted.coef[index] == pytest.approx(said["BM"]["Estimate"], rel=ESTIMATE)
    assert made.std_error(index) == pytest.approx(said["BM"]["HC2 se"], rel=ESTIMATE)
    plain = cluster_cov(fitted, cluster, kind="CR1S").std_error(index)
    assert plain == pytest.approx(said["BM"]["HC1 se"], rel=ESTIMATE)
    stretched = made.std_error(index) * stats.t.ppf(0.975, made.df(index)) / stats.norm.ppf(0.975)
    assert stretched == pytest.approx(said["BM"]["Adj. se"], rel=DF)


@pytest.mark.parametrize("weights", [None, "list_size"])
def test_absorbing_effects_equals_printing_them(reference_data, weights):
    frame = reference_data("practice_year_referrals_unbalanced")
    frame = frame[frame.practice_id.isin(np.unique(frame.practice_id)[:30])]  # printing more takes long
    y = 100 * frame.referrals / frame.list_size
    on = ((frame.cohort > 0) & (frame.year >= frame.cohort)).to_numpy(float)
    w = None if weights is None else frame[weights]
    practice = (frame.practice_id.to_numpy()[:, None] == np.unique(frame.practice_id)).astype(float)
    year = (frame.year.to_numpy()[:, None] == np.unique(frame.year)[1:]).astype(float)
    printed = fit(y, np.column_stack([practice, year, on]), weights=w)
    absorbed = fit(y, on[:, None], weights=w, absorb=(frame.practice_id, frame.year))
    for kind in ("CR1S", "CR2", "CR3"):
        one = cluster_cov(printed, frame.practice_id, kind=kind).test(-1)
        other = cluster_cov(absorbed, frame.practice_id, kind=kind).test(0)
        assert other.std_error == pytest.approx(one.std_error, rel=ESTIMATE)
        assert other.df == pytest.approx(one.df, rel=DF)


def test_fixest_counts_nested_effects_as_one(reference, reference_data):
    said = reference("fixest_twfe_eventstudy_sunab")["results"]
    frame = reference_data("practice_year_referrals")
    on = ((frame.cohort > 0) & (frame.year >= frame.cohort)).to_numpy(float)
    fitted = fit(100 * frame.referrals / frame.list_size, on[:, None], absorb=(frame.practice_id, frame.year))
    default = said["twfe_cluster_default"]["coeftable"][0]
    full = said["twfe_cluster_ssc_Kfixef_full"][0]
    plain = said["twfe_cluster_ssc_none"][0]
    for kind, count, row in (("CR1S", False, default), ("CR1S", True, full), ("CR0", True, plain)):
        made = cluster_cov(fitted, frame.practice_id, kind=kind, count_absorbed=count)
        assert fitted.coef[0] == pytest.approx(row["Estimate"], rel=ESTIMATE)
        assert made.std_error(0) == pytest.approx(row["Std. Error"], rel=1e-6)  # fixest's stated tolerance


def test_answers_within_practices_of_uneven_size_equal_club_sandwich(reference, reference_data):
    said = reference("nps")["results"]["nps_did_ols_CR2"]
    frame = reference_data("survey")
    frame = frame[frame.nps.notna()]
    score = np.where(frame.nps >= 9, 100.0, np.where(frame.nps <= 6, -100.0, 0.0))
    X = np.column_stack([np.ones(len(frame)), frame.treated, frame.post, frame.treated * frame.post])
    test = cluster_cov(fit(score, X), frame.practice_id).test(3)
    assert test.estimate == pytest.approx(said["beta"], rel=ESTIMATE)
    assert test.std_error == pytest.approx(said["SE"], rel=ESTIMATE)
    assert test.df == pytest.approx(said["df_Satt"], rel=DF)
