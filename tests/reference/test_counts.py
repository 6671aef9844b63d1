"""Poisson pseudo-likelihood and negative binomial against fixest, MASS, sandwich and clubSandwich.

R's ``glm`` keeps the working weights of the step before the last, so what R computes from them (model
standard errors, CR2, its degrees of freedom) is off by up to the size of that last step; WEIGHTS allows for
it. fixest's negative binomial stops on a change of 1e-8 in the likelihood; NEGBIN allows for that.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pluseval.numerics.counts import count_model, rate_ratio

TIGHT = 1e-6
WEIGHTS = 2e-5
NEGBIN = 5e-6
THETA = 1e-4
P_VALUE = 1e-5  # absolute


@pytest.fixture(scope="module")
def values(reference) -> dict:
    return reference("ppml_counts")["results"]


@pytest.fixture(scope="module")
def panel(reference_data) -> pd.DataFrame:
    a = reference_data("practice_year_referrals")
    a["on"] = ((a.cohort > 0) & (a.year >= a.cohort)).astype(float)
    a["rel"] = np.where(a.cohort > 0, a.year - a.cohort, -1000)
    return a


@pytest.fixture(scope="module")
def two_by_two(panel) -> pd.DataFrame:
    return panel[panel.year.isin([2015, 2018])].assign(post=lambda d: (d.year == 2018).astype(float))


def errors(covariance: np.ndarray) -> np.ndarray:
    return np.sqrt(np.diag(covariance))


def absorbed(a: pd.DataFrame, x: np.ndarray, **choices):
    choices = {"cluster": a.practice_id.to_numpy(), "exposure": a.list_size.to_numpy()} | choices
    return count_model(
        a.referrals.to_numpy(), x, absorb=(a.practice_id.to_numpy(), a.year.to_numpy()), **choices
    )


def saturated(d: pd.DataFrame, **choices):
    x = np.column_stack([np.ones(len(d)), d.treated, d.post, d.treated * d.post]).astype(float)
    return count_model(
        d.referrals.to_numpy(),
        x,
        cluster=d.practice_id.to_numpy(),
        exposure=d.list_size.to_numpy(),
        **choices,
    )


def assert_table(
    fit, covariance, table: list[dict], *, estimate: float = TIGHT, error: float = TIGHT
) -> None:
    r = np.array([row["Estimate"] for row in table])
    r_error = np.array([row["Std. Error"] for row in table])
    assert np.all(np.abs(fit.coefficients - r) <= estimate * np.maximum(np.abs(r), r_error))
    np.testing.assert_allclose(errors(covariance), r_error, rtol=error)
    column = next((name for name in ("Pr(>|z|)", "Pr(>|t|)") if name in table[0]), None)
    reach = stats.norm if column == "Pr(>|z|)" else stats.t(fit.n_rows - fit.n_parameters)
    p = 2 * reach.sf(np.abs(fit.coefficients / errors(covariance)))
    np.testing.assert_allclose(p, [row[column] for row in table], atol=P_VALUE)


def test_absorbed_poisson_matches_fepois(panel, values):
    fit = absorbed(panel, panel[["on"]].to_numpy())
    expected = values["ppml_offset_cluster"]
    assert_table(fit, fit.covariance("CR1S"), expected["coeftable"])
    assert_table(fit, fit.covariance("CR0"), values["ppml_offset_cluster_nossc"])
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=TIGHT)
    assert fit.deviance == pytest.approx(expected["deviance"], rel=TIGHT)
    assert (fit.n_rows, fit.n_parameters) == (expected["nobs"], expected["nparams"])
    ratio = rate_ratio(fit.test(np.ones(1), kind="CR1S", df=np.inf))
    assert ratio.ratio == pytest.approx(expected["rate_ratio"], rel=TIGHT)
    assert (ratio.conf_low, ratio.conf_high) == pytest.approx(tuple(expected["rr_ci"]), rel=TIGHT)
    # a deliberate difference: fixest's interval is normal, ours by default t with the clusters' degrees of
    # freedom
    ours = rate_ratio(fit.test(np.ones(1), kind="CR1S", df="clusters"))
    assert ours.conf_low < ratio.conf_low and ours.conf_high > ratio.conf_high


def test_independent_and_heteroskedastic_errors_match_fepois(panel, values):
    fit = absorbed(panel, panel[["on"]].to_numpy())
    factor = (fit.n_rows - 1) / (
        fit.n_rows - fit.n_parameters
    )  # fixest's small-sample factor of its iid errors
    assert_table(fit, factor * fit.model_covariance, values["ppml_offset_iid"])
    rows = absorbed(panel, panel[["on"]].to_numpy(), cluster=np.arange(len(panel)))
    assert_table(rows, rows.covariance("CR1S"), values["ppml_offset_hetero"])


def test_poisson_without_exposure_matches_fepois(panel, values):
    fit, expected = absorbed(panel, panel[["on"]].to_numpy(), exposure=None), values["ppml_nooffset_cluster"]
    assert_table(fit, fit.covariance("CR1S"), expected["coeftable"])
    assert (fit.n_rows, fit.n_parameters) == (expected["nobs"], expected["nparams"])


def test_event_study_matches_fepois(panel, values):
    table = values["ppml_event_study"]["coeftable"]
    steps = [int(row["term"].removeprefix("rel::")) for row in table]
    fit = absorbed(panel, np.column_stack([panel.rel == s for s in steps]).astype(float))
    assert_table(fit, fit.covariance("CR1S"), table)


def test_sun_abraham_average_matches_fepois(panel, values):
    """One column per cohort and year but the last before the start; cells weigh by their rows."""
    cells = panel[(panel.cohort > 0) & (panel.rel != -1)].groupby(["cohort", "rel"]).size()
    x = np.column_stack([(panel.cohort == c) & (panel.rel == r) for c, r in cells.index]).astype(float)
    weight = np.where(cells.index.get_level_values("rel") >= 0, cells.to_numpy(), 0)
    fit = absorbed(panel, x)
    test = fit.test(weight / weight.sum(), kind="CR1S", df="clusters")
    expected = values["ppml_sunab_att"][0]
    assert test.estimate == pytest.approx(expected["Estimate"], rel=TIGHT)
    assert test.std_error == pytest.approx(expected["Std. Error"], rel=TIGHT)


def test_two_by_two_matches_fepois_and_quasipoisson(two_by_two, values):
    fit = saturated(two_by_two)
    assert_table(fit, fit.covariance("CR1S"), values["ppml_2x2_nofe_offset"]["coeftable"])
    quasi = values["quasipoisson_2x2"]
    assert fit.dispersion == pytest.approx(quasi["dispersion"], rel=WEIGHTS)
    assert_table(fit, fit.dispersion * fit.model_covariance, quasi["coef"], error=WEIGHTS)


def test_sandwiches_of_a_poisson_glm_match_sandwich_and_clubsandwich(two_by_two, values):
    fit, expected = saturated(two_by_two), values["glm_poisson_2x2_sandwich"]
    assert fit.coefficients[3] == pytest.approx(expected["estimate"], rel=TIGHT)
    assert errors(fit.model_covariance)[3] == pytest.approx(expected["se_model"], rel=WEIGHTS)
    for kind, key in (("CR0", "se_CL_HC0_nocadjust"), ("CR1", "se_CL_HC0"), ("CR1S", "se_CL_HC1")):
        assert errors(fit.covariance(kind))[3] == pytest.approx(expected[key], rel=TIGHT), kind
    test = fit.test(np.array([0.0, 0.0, 0.0, 1.0]))
    assert test.std_error == pytest.approx(expected["se_clubSandwich_CR2"], rel=WEIGHTS)
    assert test.df == pytest.approx(expected["cs"]["df_Satt"], rel=WEIGHTS)
    assert test.p_value == pytest.approx(expected["cs"]["p_Satt"], rel=1e-4)


def test_negative_binomial_matches_glm_nb(two_by_two, values):
    fit, expected = saturated(two_by_two, family="negative_binomial"), values["glm.nb_2x2"]
    assert_table(fit, fit.model_covariance, expected["coef"], error=WEIGHTS)
    assert fit.theta == pytest.approx(expected["theta"], rel=THETA)
    assert fit.theta_se == pytest.approx(expected["SE.theta"], rel=THETA)
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=TIGHT)


def test_absorbed_negative_binomial_matches_fenegbin(panel, values):
    fit = absorbed(panel, panel[["on"]].to_numpy(), family="negative_binomial")
    expected = values["negbin_fe_cluster"]
    r = next(row for row in expected["coeftable"] if row["term"] == "on")
    assert_table(fit, fit.covariance("CR1S", information="joint"), [r], estimate=NEGBIN, error=NEGBIN)
    assert fit.theta == pytest.approx(expected["theta"], rel=THETA)
    assert fit.log_likelihood == pytest.approx(expected["loglik"], rel=TIGHT)
    assert fit.n_parameters == expected["nparams"]


def test_holding_theta_changes_the_clustered_error_little(panel):
    """A deliberate difference from fixest: the default keeps theta fixed, as sandwich does for glm.nb."""
    fit = absorbed(panel, panel[["on"]].to_numpy(), family="negative_binomial")
    held, joint = fit.covariance("CR1S"), fit.covariance("CR1S", information="joint")
    share = errors(held)[0] / errors(joint)[0] - 1
    assert 0 < abs(share) < 0.05
