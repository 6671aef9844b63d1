"""Tests of the change 2018 to 2019 in the referral percentage against base R, sandwich and lmtest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pluseval.numerics.effect_size import standardised_difference
from pluseval.numerics.linear import classical_cov, fit, hc_cov, one_sample, t_test, welch
from pluseval.numerics.multiplicity import t_equivalence
from pluseval.numerics.ranks import mann_whitney

EXACT = 1e-8


@pytest.fixture(scope="module")
def oracle(reference):
    return reference("change_score_permutation")["results"]


@pytest.fixture(scope="module")
def wide(reference_data):
    frame = reference_data("practice_year_referrals")
    frame["pct"] = 100 * frame.referrals / frame.list_size
    made = frame.pivot(index=["practice_id", "treated"], columns="year", values=["pct", "list_size"])
    made.columns = [f"{name}_{year}" for name, year in made.columns]
    made = made.reset_index()
    made["change"] = made.pct_2019 - made.pct_2018
    return made


@pytest.fixture(scope="module")
def groups(wide):
    return wide.change[wide.treated == 1].to_numpy(), wide.change[wide.treated == 0].to_numpy()


def _agrees(test, said):
    assert test.statistic == pytest.approx(said["statistic"], rel=EXACT)
    assert test.df == pytest.approx(said["parameter"], rel=EXACT)
    assert test.p_value == pytest.approx(said["p"], rel=EXACT)
    assert [test.conf_low, test.conf_high] == pytest.approx(said["ci"], rel=EXACT)


def test_welch(oracle, groups):
    _agrees(welch(*groups), oracle["welch"])


def test_student_is_least_squares_on_changes(oracle, wide):
    fitted = fit(wide.change, np.column_stack([np.ones(len(wide)), wide.treated]))
    error = np.sqrt(classical_cov(fitted)[1, 1])
    _agrees(t_test(fitted.coef[1], error, fitted.df_resid), oracle["student"])


def test_paired_t_of_the_treated(oracle, groups):
    _agrees(one_sample(groups[0]), oracle["paired_t_treated"])


def test_ancova(oracle, wide):
    said = oracle["ancova_change"]
    X = np.column_stack([np.ones(len(wide)), wide.treated, wide.pct_2018, wide.list_size_2018])
    fitted = fit(wide.change, X)
    assert fitted.r_squared == pytest.approx(said["r2"], rel=EXACT)
    for table, cov in (
        ("coef", classical_cov(fitted)),
        ("HC1", hc_cov(fitted, kind="HC1")),
        ("HC3", hc_cov(fitted, kind="HC3")),
    ):
        for i, row in enumerate(said[table]):
            test = t_test(fitted.coef[i], np.sqrt(cov[i, i]), fitted.df_resid)
            assert test.estimate == pytest.approx(row["Estimate"], rel=EXACT)
            assert test.std_error == pytest.approx(row["Std. Error"], rel=EXACT)
            assert test.p_value == pytest.approx(row["Pr(>|t|)"], rel=1e-7)
            if table == "coef":
                ends = [said["ci"][i]["2.5 %"], said["ci"][i]["97.5 %"]]
                assert [test.conf_low, test.conf_high] == pytest.approx(ends, rel=EXACT)


def test_changes_weighted_by_list_size(oracle, wide):
    said = oracle["weighted_change"]
    weights = (wide.list_size_2018 + wide.list_size_2019) / 2
    fitted = fit(wide.change, np.column_stack([np.ones(len(wide)), wide.treated]), weights=weights)
    for table, cov in (("coef", classical_cov(fitted)), ("HC2", hc_cov(fitted, kind="HC2"))):
        for i, row in enumerate(said[table]):
            assert fitted.coef[i] == pytest.approx(row["Estimate"], rel=EXACT)
            assert np.sqrt(cov[i, i]) == pytest.approx(row["Std. Error"], rel=EXACT)


def test_one_year_weighted_by_list_size(oracle, wide):
    said = oracle["weighted_ols_pct_2018"]
    X = np.column_stack([np.ones(len(wide)), wide.treated])
    fitted = fit(wide.pct_2018, X, weights=wide.list_size_2018)
    for table, cov in (("coef", classical_cov(fitted)), ("HC1", hc_cov(fitted, kind="HC1"))):
        for i, row in enumerate(said[table]):
            assert fitted.coef[i] == pytest.approx(row["Estimate"], rel=EXACT)
            assert np.sqrt(cov[i, i]) == pytest.approx(row["Std. Error"], rel=EXACT)


@pytest.mark.parametrize("name", ["tost_welch_pm3", "tost_student_pm3", "tost_student_pm5"])
def test_two_one_sided_tests(oracle, groups, wide, name):
    said = oracle[name]
    if "welch" in name:
        test = welch(*groups, level=0.9)
    else:
        fitted = fit(wide.change, np.column_stack([np.ones(len(wide)), wide.treated]))
        error = np.sqrt(classical_cov(fitted)[1, 1])
        test = t_test(fitted.coef[1], error, fitted.df_resid, level=0.9)
    made = t_equivalence(test.estimate, test.std_error, test.df, low=said["low"], high=said["high"])
    assert test.estimate == pytest.approx(said["diff"], rel=EXACT)
    assert test.df == pytest.approx(said["df"], rel=EXACT)
    for bound, key in ((said["low"], "t_lower"), (said["high"], "t_upper")):
        assert (test.estimate - bound) / test.std_error == pytest.approx(said[key], rel=EXACT)
    assert made.p_lower == pytest.approx(said["p_lower"], rel=EXACT)
    assert made.p_upper == pytest.approx(said["p_upper"], rel=EXACT)
    assert made.p_value == pytest.approx(said["p_tost"], rel=EXACT)
    assert [test.conf_low, test.conf_high] == pytest.approx(said["ci90"], rel=EXACT)


def test_rank_tests_of_scipy_agree(oracle, groups):
    """The rank tests are scipy's: this keeps the options that equal R's known."""
    x, y = groups
    for label, method, correct in (
        ("mannwhitney_normal_cc", "asymptotic", True),
        ("mannwhitney_normal_nocc", "asymptotic", False),
        ("mannwhitney_exact", "exact", False),
    ):
        made = stats.mannwhitneyu(x, y, method=method, use_continuity=correct)
        assert made.statistic == oracle[label]["statistic"]
        assert made.pvalue == pytest.approx(oracle[label]["p"], rel=EXACT)
    said = oracle["wilcoxon_signed_treated"]
    made = stats.wilcoxon(x, method="exact")
    ranks = stats.rankdata(np.abs(x))
    assert ranks[x > 0].sum() == said["statistic"]
    assert made.pvalue == pytest.approx(said["p"], rel=EXACT)


def test_ranks_of_the_small_case_agree(oracle, reference_data):
    frame = reference_data("permutation_small")
    said = oracle["permutation_small_5of14"]["wilcoxon_exact"]
    ties = frame.change.duplicated().any()  # wilcox.test then takes the normal approximation
    method = "asymptotic" if ties else "exact"
    made = stats.mannwhitneyu(frame.change[:5], frame.change[5:], method=method)
    assert made.statistic == said["statistic"]
    assert made.pvalue == pytest.approx(said["p"], rel=EXACT)


@pytest.mark.parametrize(
    "label, method, shift_tolerance",
    [
        ("mannwhitney_exact", "exact", EXACT),
        ("mannwhitney_normal_cc", "normal", 2e-4),  # R finds these ends by uniroot, to 1e-4
    ],
)
def test_hodges_lehmann_shift_and_interval(oracle, groups, label, method, shift_tolerance):
    said = oracle[label]
    made = mann_whitney(*groups, method=method)
    assert made.statistic == said["statistic"]
    assert made.p_value == pytest.approx(said["p"], rel=EXACT)
    assert [made.conf_low, made.conf_high] == pytest.approx(said["ci"], abs=shift_tolerance)
    if method == "exact":
        assert made.shift == pytest.approx(said["estimate"]["difference in location"], rel=EXACT)
    else:  # R takes the shift at which its z is 0: between the same two differences as the median
        spread = np.sort(np.subtract.outer(*groups).ravel())
        low, high = spread[np.searchsorted(spread, made.shift) + np.array([-2, 2])]
        assert low <= said["estimate"]["difference in location"] <= high


def test_standardised_difference(oracle, groups):
    said = oracle["cohen_d_hedges_g"]
    made = standardised_difference(*groups)
    assert made.d == pytest.approx(said["d"], rel=EXACT)
    assert made.g == pytest.approx(said["g_exactJ"], rel=EXACT)
    assert made.g == pytest.approx(said["g_approx"], rel=1e-4)  # 1 - 3/(4 df - 1) for the gamma functions
