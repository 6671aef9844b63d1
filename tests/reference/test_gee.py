"""Generalised estimating equations against geepack, gee and geesmv.

geepack stops when a step changes the coefficients by less than 1e-4 of themselves, so the coefficients are
compared at the README's 1e-5; alpha at 1e-4. The formula-based corrections are compared at rounding error:
the same formulas.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pluseval.numerics.gee import gee

GIVEN_ALPHA = 1e-5
MOMENTS = 1e-4
FORMULA = 1e-6


@pytest.fixture(scope="module")
def values(reference) -> dict:
    return reference("gee")["results"]


@pytest.fixture(scope="module")
def survey(reference_data) -> pd.DataFrame:
    s = reference_data("survey")
    s = s[s.grade.notna()].copy()
    s["sat"] = (s.grade >= 8).astype(float)
    return s


def did_columns(d: pd.DataFrame) -> np.ndarray:
    return np.column_stack([np.ones(len(d)), d.treated, d.post, d.treated * d.post]).astype(float)


def fit(s: pd.DataFrame, outcome: str, family: str, correlation: str, **choices):
    return gee(
        s[outcome].to_numpy(),
        did_columns(s),
        cluster=s.practice_id.to_numpy(),
        family=family,
        correlation=correlation,
        **choices,
    )


def assert_coefficients(found, table: list[dict], *, std_error: str, correction: str) -> None:
    estimate = np.array([row["Estimate"] for row in table])
    errors = np.array([row[std_error] for row in table])
    assert np.all(np.abs(found.coefficients - estimate) <= GIVEN_ALPHA * np.maximum(np.abs(estimate), errors))
    own = np.sqrt(np.diag(found.covariance(correction)))
    np.testing.assert_allclose(own, errors, rtol=GIVEN_ALPHA)
    if "Pr(>|W|)" in table[0]:
        p = [row["Pr(>|W|)"] for row in table]
        np.testing.assert_allclose(
            stats.chi2.sf((found.coefficients / own) ** 2, 1), p, atol=10 * GIVEN_ALPHA
        )


@pytest.mark.parametrize("correlation", ["independence", "exchangeable"])
@pytest.mark.parametrize(("family", "outcome"), [("gaussian", "grade"), ("binomial", "sat")])
def test_matches_geepack(survey, values, family, outcome, correlation):
    expected = values[f"{family}_{outcome}_{correlation}"]
    given = expected["alpha"][0] if correlation == "exchangeable" else None
    found = fit(survey, outcome, family, correlation, alpha=given)
    assert_coefficients(found, expected["coef"], std_error="Std.err", correction="robust")
    own = fit(survey, outcome, family, correlation, moments="n")
    assert own.scale == pytest.approx(expected["scale"], rel=MOMENTS)
    if correlation == "exchangeable":
        assert own.alpha == pytest.approx(given, abs=MOMENTS)


def test_poisson_with_exposure_matches_geepack(reference_data, values):
    a = reference_data("practice_year_referrals")
    d = a[a.year.isin([2015, 2018])].assign(post=lambda d: (d.year == 2018).astype(float))
    expected = values["poisson_referrals_exch"]
    choices = {
        "cluster": d.practice_id.to_numpy(),
        "family": "poisson",
        "offset": np.log(d.list_size.to_numpy()),
    }
    found = gee(
        d.referrals.to_numpy(), did_columns(d), alpha=float(np.ravel(expected["alpha"])[0]), **choices
    )
    assert_coefficients(found, expected["coef"], std_error="Std.err", correction="robust")
    own = gee(d.referrals.to_numpy(), did_columns(d), moments="n", **choices)
    assert own.alpha == pytest.approx(float(np.ravel(expected["alpha"])[0]), abs=MOMENTS)
    assert own.scale == pytest.approx(expected["scale"], rel=MOMENTS)


def test_jackknife_matches_geepack(survey, values):
    expected = values["gaussian_grade_exch_jack"]
    found = fit(survey, "grade", "gaussian", "exchangeable", alpha=expected["alpha"][0])
    assert_coefficients(found, expected["coef"], std_error="Std.err", correction="jackknife")


def test_moments_and_both_covariances_match_the_gee_package(survey, values):
    expected = values["gee_pkg_gaussian_exch"]
    found = fit(survey, "grade", "gaussian", "exchangeable")
    assert found.alpha == pytest.approx(expected["alpha"], abs=1e-6)
    assert found.scale == pytest.approx(expected["scale"], rel=1e-6)
    assert_coefficients(found, expected["coef"], std_error="Robust S.E.", correction="robust")
    naive = [row["Naive S.E."] for row in expected["coef"]]
    np.testing.assert_allclose(np.sqrt(np.diag(found.naive_covariance)), naive, rtol=GIVEN_ALPHA)


@pytest.mark.parametrize("correction", ["robust", "kauermann_carroll", "mancl_derouen"])
def test_corrections_match_the_formulas(survey, values, correction):
    expected = values["formula_based_gaussian_exch"]
    found = fit(survey, "grade", "gaussian", "exchangeable", alpha=expected["alpha"])
    assert found.scale == pytest.approx(expected["phi"], rel=FORMULA)
    np.testing.assert_allclose(
        np.sqrt(np.diag(found.covariance(correction))),
        list(expected[f"se_{correction}"].values()),
        rtol=FORMULA,
    )


def test_mancl_derouen_matches_geesmv(survey, values):
    if "se" not in values["geesmv_MD_gaussian_exch"]:
        pytest.skip("geesmv gave no answer on this draw")
    found = fit(survey, "grade", "gaussian", "exchangeable")
    expected = values["geesmv_MD_gaussian_exch"]["se"]
    np.testing.assert_allclose(
        np.sqrt(np.diag(found.covariance("mancl_derouen"))), expected, rtol=GIVEN_ALPHA
    )


def test_kauermann_carroll_of_geesmv_is_another_formula(survey, values):
    """A deliberate difference: geesmv's version departs from the textbook formula that ours follows."""
    if "se" not in values["geesmv_KC_gaussian_exch"]:
        pytest.skip("geesmv gave no answer on this draw")
    found = fit(survey, "grade", "gaussian", "exchangeable")
    ours = np.sqrt(np.diag(found.covariance("kauermann_carroll")))
    theirs = np.array(values["geesmv_KC_gaussian_exch"]["se"])
    assert np.max(np.abs(theirs / ours - 1)) > 10 * GIVEN_ALPHA
