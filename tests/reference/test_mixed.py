"""Linear mixed models against lme4, lmerTest and pbkrtest.

R's optimiser stops within about 1e-7 of the minimum in the standard deviations, so a variance near zero,
where the criterion is flat, is compared on the scale of all variances together (FLAT).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from pluseval.errors import DesignError
from pluseval.numerics.covariance import panel_gls
from pluseval.numerics.intraclass import anova_icc
from pluseval.numerics.mixed import mixed_model
from pluseval.numerics.mixed_inference import joint_test, kenward_roger, satterthwaite
from pluseval.numerics.mixed_profile import likelihood_ratio_test, profile_interval

COEFFICIENT = 1e-5  # of the largest of estimate and standard error
STD_ERROR = 1e-5
VARIANCE = 1e-4
FLAT = 1e-6  # of the total variance
CRITERION = 1e-6  # absolute
DF = 1e-3
PROFILE = 1e-3  # of the interval's width: lme4 interpolates the profile with a spline

EFFECT_OF = {
    "patient_id": "patient",
    "pw": "practice_period",
    "practice_id": "practice",
    "Subject": "practice",
    "Residual": "residual",
}


def columns(*parts) -> np.ndarray:
    return np.column_stack([np.asarray(p, dtype=float) for p in parts])


def assert_table(tests, table: list[dict]) -> None:
    estimate = np.array([row["Estimate"] for row in table])
    std_error = np.array([row["Std. Error"] for row in table])
    df = np.array([row["df"] for row in table])
    assert np.all(np.abs(tests.estimates - estimate) <= COEFFICIENT * np.maximum(np.abs(estimate), std_error))
    np.testing.assert_allclose(tests.std_errors, std_error, rtol=STD_ERROR)
    np.testing.assert_allclose(tests.df, df, rtol=DF)
    np.testing.assert_allclose(tests.p_values, [row["Pr(>|t|)"] for row in table], atol=DF)


def assert_matches(model, expected: dict) -> None:
    for key in ("reml_criterion", "deviance_or_remlcrit"):
        if key in expected:
            assert abs(model.criterion - expected[key]) < CRITERION
    if "logLik" in expected:
        assert abs(model.log_likelihood - expected["logLik"]) < CRITERION
    for key, found in (("AIC", model.aic), ("BIC", model.bic)):
        if key in expected:
            assert abs(found - expected[key]) < 10 * CRITERION
    for key, found in (("nobs", model.n_rows), ("REML", model.reml)):
        assert found == expected.get(key, found)
    total = sum(row["vcov"] for row in expected["varcomp"])
    for row in expected["varcomp"]:
        found = model.variances[EFFECT_OF[row["grp"]]]
        assert abs(found - row["vcov"]) <= max(VARIANCE * row["vcov"], FLAT * total), row["grp"]
        assert abs(found - row["sdcor"] ** 2) <= max(VARIANCE * row["vcov"], FLAT * total), row["grp"]
    if "vcov_fixed" in expected:
        r = np.array(expected["vcov_fixed"]["V"])
        scale = np.sqrt(np.outer(np.diag(r), np.diag(r)))
        np.testing.assert_allclose(model.covariance / scale, r / scale, atol=2 * STD_ERROR)
    assert_table(satterthwaite(model), expected["satterthwaite"])
    if "wald_ci95" in expected:
        rows = expected["wald_ci95"]
        ends = np.array([[row["2.5 %"], row["97.5 %"]] for row in rows if row["2.5 %"] is not None])[
            -model.coefficients.size :
        ]
        wald = model.coefficients[:, None] + norm.ppf([0.025, 0.975]) * model.std_errors[:, None]
        assert np.all(np.abs(wald - ends) <= 2 * COEFFICIENT * np.abs(ends).max(axis=1, keepdims=True))
    if "kenward_roger" in expected:
        assert_table(kenward_roger(model), expected["kenward_roger"])


@pytest.fixture(scope="module")
def survey(reference_data) -> pd.DataFrame:
    return reference_data("survey")


@pytest.fixture(scope="module")
def values(reference) -> dict:
    return reference("mixed_models")["results"]


def did_columns(s: pd.DataFrame, *more) -> np.ndarray:
    return columns(
        np.ones(len(s)), s.treated, s.wave == 2, s.wave == 3, s.treated * s.post, s.age - 56, *more
    )


def fit_survey(survey: pd.DataFrame, outcome: str, *, reml: bool):
    s = survey[survey[outcome].notna()]
    x = did_columns(s, s.sex == "F")
    return mixed_model(
        s[outcome].to_numpy(),
        x,
        practice=s.practice_id.to_numpy(),
        patient=s.patient_id.to_numpy(),
        reml=reml,
    )


@pytest.mark.parametrize(
    ("key", "outcome", "reml"),
    [
        ("grade_reml", "grade", True),
        ("grade_ml", "grade", False),
        ("vas_reml", "eq_vas", True),
        ("vas_ml", "eq_vas", False),
    ],
)
def test_practice_and_patient_intercepts_match_lmer(survey, values, key, outcome, reml):
    model = fit_survey(survey, outcome, reml=reml)
    assert_matches(model, values[key])
    zero = [EFFECT_OF[row["grp"]] for row in values[key]["varcomp"] if row["vcov"] == 0]
    assert set(zero) <= set(model.boundary)


def test_practice_intercept_matches_lmer(survey, values):
    s = survey[survey.grade.notna()]
    x = columns(np.ones(len(s)), s.treated, s.post, s.treated * s.post)
    model = mixed_model(s.grade.to_numpy(), x, practice=s.practice_id.to_numpy())
    assert_matches(model, values["grade_reml_practice_only"])


def test_practice_year_panel_matches_lmer(reference_data, values):
    a = reference_data("practice_year_referrals")
    years = [a.year == t for t in sorted(a.year.unique())[1:]]
    on = (a.cohort > 0) & (a.year >= a.cohort)
    x = columns(np.ones(len(a)), a.treated, *years, on)
    y = (100 * a.referrals / a.list_size).to_numpy()
    assert_matches(mixed_model(y, x, practice=a.practice_id.to_numpy()), values["referrals_reml_practiceRI"])


def test_likelihood_ratio_and_profile_interval_match_anova_and_confint(survey, values):
    s = survey[survey.grade.notna()]
    x = columns(np.ones(len(s)), s.treated, s.wave == 2, s.wave == 3, s.treated * s.post)
    groups = {"practice": s.practice_id.to_numpy(), "patient": s.patient_id.to_numpy()}
    full = mixed_model(s.grade.to_numpy(), x, **groups, reml=False)
    reduced = mixed_model(s.grade.to_numpy(), x[:, :-1], **groups, reml=False)
    test = likelihood_ratio_test(full, reduced)
    expected = values["grade_LRT_did_ML"]
    assert abs(test.statistic - expected["chisq"]) < 2 * CRITERION
    assert test.df == expected["df"]
    assert test.p_value == pytest.approx(expected["p"], rel=1e-5)
    interval = profile_interval(full, coefficient=4)
    r = list(values["grade_ml_profile_ci_did"].values())
    np.testing.assert_allclose(interval, r, atol=PROFILE * (r[1] - r[0]))


# lmerTest's type III hypotheses: the group averaged over waves, the waves of the comparison, and their
# product
HYPOTHESES = {
    "treated": [[0, 1, 0, 0, 1 / 3, 1 / 3]],
    "wave_f": np.eye(6)[2:4],
    "treated:wave_f": np.eye(6)[4:],
}


@pytest.mark.parametrize("term", HYPOTHESES)
@pytest.mark.parametrize(("method", "key"), [("satterthwaite", "satterthwaite"), ("kenward_roger", "kr")])
def test_joint_tests_match_anova(survey, values, method, key, term):
    s = survey[survey.grade.notna()]
    waves = [s.wave == 2, s.wave == 3]
    x = columns(np.ones(len(s)), s.treated, *waves, *(s.treated * w for w in waves))
    model = mixed_model(
        s.grade.to_numpy(), x, practice=s.practice_id.to_numpy(), patient=s.patient_id.to_numpy()
    )
    expected = {row["term"]: row for row in values["grade_joint_wave_by_treated"][key]}[term]
    found = joint_test(model, HYPOTHESES[term], method=method)
    assert found.df_numerator == expected["NumDF"]
    assert found.df_denominator == pytest.approx(expected["DenDF"], rel=DF)
    assert found.statistic == pytest.approx(expected["F value"], rel=1e-4)
    assert found.p_value == pytest.approx(expected["Pr(>F)"], rel=1e-3)


def test_predicted_practice_effects_match_ranef(survey, values):
    s = survey[survey.grade.notna()]
    x = columns(np.ones(len(s)), s.treated, s.wave == 2, s.wave == 3, s.treated * s.post)
    model = mixed_model(
        s.grade.to_numpy(), x, practice=s.practice_id.to_numpy(), patient=s.patient_id.to_numpy()
    )
    expected = {row["term"]: row["(Intercept)"] for row in values["grade_reml_ranef_practice"]}
    found = dict(zip(model.practices, model.blups()["practice"], strict=True))
    assert set(found) == set(expected)
    scale = np.sqrt(model.variances["practice"]) + FLAT
    assert max(abs(found[k] - expected[k]) for k in found) < 1e-4 * scale


def test_intraclass_correlation_matches_lmer(survey, values):
    s = survey[survey.grade.notna() & (survey.wave == 1)]
    model = mixed_model(s.grade.to_numpy(), np.ones((len(s), 1)), practice=s.practice_id.to_numpy())
    expected = values["ICC_grade_wave1_reml"]
    assert model.icc["practice"] == pytest.approx(expected["icc"], rel=VARIANCE, abs=FLAT)
    for effect, key in (("practice", "var_practice"), ("residual", "var_resid")):
        assert model.variances[effect] == pytest.approx(expected[key], rel=VARIANCE, abs=FLAT)
    assert (model.n_rows, model.practices.size) == (expected["n"], expected["groups"])


def test_intraclass_correlation_matches_the_analysis_of_variance(survey, values):
    s = survey[survey.grade.notna() & (survey.wave == 1)]
    found, expected = anova_icc(s.grade.to_numpy(), s.practice_id.to_numpy()), values["ICC_grade_wave1_anova"]
    pairs = [
        (found.icc, expected["icc"]),
        (found.between, expected["MSB"]),
        (found.within, expected["MSW"]),
        (found.mean_size, expected["n0"]),
        (found.f_statistic, expected["F"]),
    ]
    for ours, r in pairs:
        assert ours == pytest.approx(r, rel=1e-9)


@pytest.fixture(scope="module")
def scores(reference_data) -> pd.DataFrame:
    return reference_data("survey_scores")


def fit_scores(s: pd.DataFrame, *, period: bool):
    return mixed_model(
        s.score.to_numpy(),
        did_columns(s),
        practice=s.practice_id.to_numpy(),
        period=s.wave.to_numpy() if period else None,
        patient=s.patient_id.to_numpy(),
    )


def without_nine(s: pd.DataFrame) -> pd.DataFrame:
    return s[~s.practice_id.isin([f"P{i:03d}" for i in range(6, 15)])]


@pytest.mark.parametrize(
    ("key", "period", "choose"),
    [
        ("practice_period_patient", True, lambda s: s),
        ("practice_patient_only", False, lambda s: s),
        ("five_treated", True, without_nine),
    ],
)
def test_practice_period_intercepts_match_lmer_and_pbkrtest(scores, reference, key, period, choose):
    expected = reference("mixed_practice_period")["results"][key]
    model = fit_scores(choose(scores), period=period)
    assert_matches(model, expected)
    assert bool(model.boundary) == expected.get("singular", bool(model.boundary))


def test_leaving_practice_period_out_understates_the_standard_error(scores):
    """The reason for the effect: a practice-level shock in a wave is shared by its patients."""
    right, wrong = fit_scores(scores, period=True), fit_scores(scores, period=False)
    if right.variances["practice_period"] < 0.02 * right.variances["residual"]:
        pytest.skip("hardly any practice x wave variance in this draw")
    assert wrong.std_errors[4] < right.std_errors[4]


def test_sleepstudy_matches_lmer(shared_data, shared_values):
    path = shared_data() / "data" / "validation" / "lme4_sleepstudy.csv"
    if not path.exists():
        pytest.skip("lme4_sleepstudy.csv is not among the shared data")
    expected = shared_values("sleepstudy")["results"]
    d = pd.read_csv(path)
    x = columns(np.ones(len(d)), d.Days)
    reml = mixed_model(d.Reaction.to_numpy(), x, practice=d.Subject.to_numpy())
    ml = mixed_model(d.Reaction.to_numpy(), x, practice=d.Subject.to_numpy(), reml=False)
    assert_matches(reml, expected["random_intercept_reml"])
    assert_matches(ml, expected["random_intercept_ml"])
    with pytest.raises(DesignError, match="reml=True"):
        kenward_roger(ml)


def assert_gls(fit, table: list[dict]) -> None:
    estimate = np.array([row["Value"] for row in table])
    std_error = np.array([row["Std.Error"] for row in table])
    assert np.all(
        np.abs(fit.coefficients - estimate) <= COEFFICIENT * np.maximum(np.abs(estimate), std_error)
    )
    np.testing.assert_allclose(fit.std_errors, std_error, rtol=STD_ERROR)


def test_serial_correlation_of_practice_years_matches_gls(reference_data, values):
    a = reference_data("practice_year_referrals")
    years = [a.year == t for t in sorted(a.year.unique())[1:]]
    x = columns(np.ones(len(a)), a.treated, *years, (a.cohort > 0) & (a.year >= a.cohort))
    y = (100 * a.referrals / a.list_size).to_numpy()
    fit = panel_gls(y, x, unit=a.practice_id.to_numpy(), period=a.year.to_numpy())
    expected = values["referrals_gls_ar1"]
    assert_gls(fit, expected["coef"])
    assert fit.rho == pytest.approx(expected["rho"], abs=1e-5)
    assert fit.log_likelihood == pytest.approx(expected["logLik"], abs=CRITERION)
    assert np.sqrt(fit.period_covariance[0, 0]) == pytest.approx(expected["sigma"], rel=VARIANCE)


def test_an_independent_years_model_understates_the_error_of_serially_correlated_years(reference_data):
    a = reference_data("practice_year_referrals")
    years = [a.year == t for t in sorted(a.year.unique())[1:]]
    x = columns(np.ones(len(a)), a.treated, *years, (a.cohort > 0) & (a.year >= a.cohort))
    y = (100 * a.referrals / a.list_size).to_numpy()
    serial = panel_gls(y, x, unit=a.practice_id.to_numpy(), period=a.year.to_numpy())
    if serial.rho < 0.3:
        pytest.skip("no serial correlation to speak of in this draw")
    assert mixed_model(y, x, practice=a.practice_id.to_numpy()).std_errors[-1] < serial.std_errors[-1]


def test_unstructured_waves_of_patients_match_gls(survey, values):
    s = survey[survey.grade.notna()]
    x = columns(np.ones(len(s)), s.treated, s.wave == 2, s.wave == 3, s.treated * s.post)
    fit = panel_gls(
        s.grade.to_numpy(),
        x,
        unit=s.patient_id.to_numpy(),
        period=s.wave.to_numpy(),
        structure="unstructured",
    )
    expected = values["grade_mmrm_gls_unstructured"]
    assert_gls(fit, expected["coef"])
    assert fit.log_likelihood == pytest.approx(expected["logLik"], abs=CRITERION)
    sd = np.sqrt(np.diag(fit.period_covariance))
    # varIdent names the waves it compares with the one that comes first in the rows
    ratio = {str(wave): 1.0 for wave in sorted(s.wave.unique())} | expected["varstruct"]
    np.testing.assert_allclose(sd, expected["sigma"] * np.array(list(ratio.values())), rtol=VARIANCE)
    correlation = fit.period_covariance / np.outer(sd, sd)
    np.testing.assert_allclose(correlation[[0, 0, 1], [1, 2, 2]], expected["cor"], atol=VARIANCE)
