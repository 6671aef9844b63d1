"""Two-way fixed effects, event studies and Sun-Abraham equal R's fixest under each of its conventions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.event_study import event_study
from pluseval.numerics.fixed_effects import FixedEffectsFit, fixed_effects_fit
from pluseval.numerics.linear import classical_cov, fit, hc_cov, t_test
from pluseval.numerics.sun_abraham import sun_abraham

ESTIMATE, ERROR, P_VALUE = 1e-8, 1e-6, 1e-6


def prepared(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(
        pct=100 * data.referrals / data.list_size,
        on=((data.cohort > 0) & (data.year >= data.cohort)).astype(float),
        since=np.where(data.cohort > 0, data.year - data.cohort, np.nan),
    )


@pytest.fixture
def balanced(reference_data) -> pd.DataFrame:
    return prepared(reference_data("practice_year_referrals"))


@pytest.fixture
def unbalanced(reference_data) -> pd.DataFrame:
    return prepared(reference_data("practice_year_referrals_unbalanced"))


@pytest.fixture
def r(reference) -> dict:
    return reference("fixest_twfe_eventstudy_sunab")["results"]


def arrays(data: pd.DataFrame) -> dict[str, np.ndarray]:
    return {"y": data.pct.to_numpy(), "unit": data.practice_id.to_numpy(), "period": data.year.to_numpy()}


def table(result: dict | list) -> pd.DataFrame:
    return pd.DataFrame(result["coeftable"] if isinstance(result, dict) else result)


def assert_equals(own: FixedEffectsFit, result: dict | list) -> None:
    expected = table(result)
    assert own.coef == pytest.approx(expected["Estimate"].to_numpy(), abs=ESTIMATE)
    assert own.se == pytest.approx(expected["Std. Error"].to_numpy(), rel=ERROR)
    assert own.p_values() == pytest.approx(expected["Pr(>|t|)"].to_numpy(), abs=P_VALUE)
    assert own.coef / own.se == pytest.approx(expected["t value"].to_numpy(), rel=ERROR, abs=ERROR)
    if isinstance(result, dict):
        assert own.df == result["df_t"]
        assert (own.fitted.nobs, own.fitted.rank) == (result["nobs"], result["nparams"])
        assert_limits_equal(own.conf_int(), result)


def assert_limits_equal(limits: np.ndarray, result: dict) -> None:
    expected = pd.DataFrame(result["confint"])[["2.5 %", "97.5 %"]].to_numpy()
    width = expected[:, 1] - expected[:, 0]
    assert (np.abs(limits - expected) <= ERROR * width[:, None]).all()


@pytest.mark.parametrize(
    ("ssc", "name"),
    [
        ("nonnested", "twfe_cluster_default"),
        ("none", "twfe_cluster_ssc_none"),
        ("clusters", "twfe_cluster_ssc_G_only"),
        ("clusters", "twfe_cluster_ssc_Kfixef_none"),  # the same where one coefficient is named
        ("full", "twfe_cluster_ssc_Kfixef_full"),
    ],
)
def test_twfe_equals_fixest_under_each_convention(ssc, name, balanced, r):
    assert_equals(fixed_effects_fit(x=balanced.on.to_numpy(), ssc=ssc, **arrays(balanced)), r[name])


def test_twfe_clustered_two_ways_equals_fixest(balanced, r):
    own = fixed_effects_fit(
        x=balanced.on.to_numpy(), second_cluster=balanced.year.to_numpy(), **arrays(balanced)
    )
    assert_equals(own, r["twfe_twoway_practice_year"])


def test_twfe_with_independent_errors_equals_fixest(balanced, r):
    fitted = fixed_effects_fit(x=balanced.on.to_numpy(), **arrays(balanced)).fitted
    for cov, name in ((classical_cov(fitted), "twfe_iid"), (hc_cov(fitted, kind="HC1"), "twfe_hetero")):
        expected = table(r[name]).iloc[0]
        own = t_test(fitted.coef[0], np.sqrt(cov[0, 0]), fitted.df_resid)
        assert own.estimate == pytest.approx(expected["Estimate"], abs=ESTIMATE)
        assert own.std_error == pytest.approx(expected["Std. Error"], rel=ERROR)
        assert own.p_value == pytest.approx(expected["Pr(>|t|)"], abs=P_VALUE)


def test_weighted_twfe_equals_fixest(balanced, r):
    own = fixed_effects_fit(
        x=balanced.on.to_numpy(), weights=balanced.list_size.to_numpy(), **arrays(balanced)
    )
    assert_equals(own, r["twfe_weighted_list_size"])


def test_unbalanced_twfe_equals_fixest(unbalanced, r):
    assert_equals(fixed_effects_fit(x=unbalanced.on.to_numpy(), **arrays(unbalanced)), r["twfe_unbalanced"])


def test_region_by_year_differs_from_fixest_by_the_coefficients_it_counts_twice(balanced, r):
    """A deliberate difference: fixest counts levels that overlap (once per region), we count the rank."""
    given = arrays(balanced)
    given["period"] = (balanced.region + balanced.year.astype(str)).to_numpy()
    own = fixed_effects_fit(x=balanced.on.to_numpy(), **given)
    expected = table(r["twfe_region_by_year"])
    n = own.fitted.nobs
    n_levels = own.fitted.n_absorbed
    twice = r["twfe_region_by_year"]["nparams"] - own.fitted.rank
    assert twice == balanced.region.nunique() - 1
    counted = own.fitted.rank - (n_levels - 1)
    size = np.sqrt((n - counted - twice) / (n - counted))
    assert own.coef == pytest.approx(expected["Estimate"].to_numpy(), abs=ESTIMATE)
    assert own.se == pytest.approx(expected["Std. Error"].to_numpy() * size, rel=ERROR)


def test_2x2_with_absorbed_effects_equals_fixest(balanced, r):
    data = balanced[balanced.year.isin([2015, 2018])]
    own = fixed_effects_fit(x=(data.treated * (data.year == 2018)).to_numpy(float), **arrays(data))
    assert_equals(own, r["did2x2_feols_fe"])


def test_2x2_of_four_printed_columns_equals_fixest(balanced, r):
    data = balanced[balanced.year.isin([2015, 2018])]
    post = (data.year == 2018).to_numpy(float)
    x = np.column_stack([np.ones(len(data)), data.treated, post, data.treated * post])
    fitted, result = fit(data.pct, x), r["did2x2_feols"]
    cov = cluster_cov(fitted, data.practice_id, kind="CR1S")
    own = [t_test(fitted.coef[i], cov.std_error(i), result["df_t"]) for i in range(4)]
    expected = table(result)
    assert (fitted.nobs, fitted.rank) == (result["nobs"], result["nparams"])
    assert [test.estimate for test in own] == pytest.approx(expected["Estimate"].tolist(), abs=ESTIMATE)
    assert [test.std_error for test in own] == pytest.approx(expected["Std. Error"].tolist(), rel=ERROR)
    assert [test.p_value for test in own] == pytest.approx(expected["Pr(>|t|)"].tolist(), abs=P_VALUE)
    assert_limits_equal(np.array([[test.conf_low, test.conf_high] for test in own]), result)


def test_event_study_equals_fixest(balanced, r):
    own = event_study(event_time=balanced.since.to_numpy(), **arrays(balanced))
    assert [f"rel::{key:.0f}" for key in own.key] == table(r["event_study_twfe"])["term"].tolist()
    assert_equals(own.fit, r["event_study_twfe"])
    scale = np.sqrt(np.diag(own.cov))
    expected = np.array(r["event_study_twfe_vcov"]["V"], float)
    assert own.cov / np.outer(scale, scale) == pytest.approx(expected / np.outer(scale, scale), abs=ERROR)
    wald = r["event_study_pretrend_wald"]
    assert own.pretrend.statistic == pytest.approx(wald["stat"], rel=ERROR)
    assert own.pretrend.p_value == pytest.approx(wald["p"], abs=P_VALUE)
    assert (own.pretrend.df1, own.pretrend.df2) == (wald["df1"], wald["df2"])


def test_event_study_by_calendar_year_equals_fixest(balanced, r):
    year = np.where(balanced.treated == 1, balanced.year, np.nan)
    own = event_study(event_time=year, reference=(2015,), **arrays(balanced))
    assert_equals(own.fit, r["event_study_treated_by_year_base2015"])


def assert_average_equals(own, kind: str, result: dict | list) -> None:
    expected = table(result)
    _, estimate, cov = own.average(kind)
    tests = [t_test(b, np.sqrt(v), own.fit.df) for b, v in zip(estimate, np.diag(cov), strict=True)]
    assert estimate == pytest.approx(expected["Estimate"].to_numpy(), abs=ESTIMATE)
    assert np.sqrt(np.diag(cov)) == pytest.approx(expected["Std. Error"].to_numpy(), rel=ERROR)
    assert [test.p_value for test in tests] == pytest.approx(expected["Pr(>|t|)"].tolist(), abs=P_VALUE)
    if isinstance(result, dict):
        assert own.fit.df == result["df_t"]
        assert (own.fit.fitted.nobs, own.fit.fitted.rank) == (result["nobs"], result["nparams"])
        assert_limits_equal(np.array([[test.conf_low, test.conf_high] for test in tests]), result)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("dynamic", "sunab_dynamic"),
        ("att", "sunab_att"),
        ("cohort", "sunab_cohort"),
        ("cells", "sunab_disaggregated"),
    ],
)
def test_sun_abraham_equals_fixest(kind, name, balanced, r):
    assert_average_equals(sun_abraham(entry=balanced.cohort.to_numpy(), **arrays(balanced)), kind, r[name])


@pytest.mark.parametrize(
    ("kind", "name"), [("dynamic", "sunab_unbalanced_dynamic"), ("att", "sunab_unbalanced_att")]
)
def test_unbalanced_sun_abraham_equals_fixest(kind, name, unbalanced, r):
    assert_average_equals(
        sun_abraham(entry=unbalanced.cohort.to_numpy(), **arrays(unbalanced)), kind, r[name]
    )


def test_weighted_sun_abraham_equals_fixest(balanced, r):
    own = sun_abraham(
        entry=balanced.cohort.to_numpy(), weights=balanced.list_size.to_numpy(), **arrays(balanced)
    )
    assert_average_equals(own, "att", r["sunab_weighted_att"])
