"""Thousands of panels, or of counts, at once give study by study what the procedure for one study gives."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.assign import assignments, quantile_strata
from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.counts import count_model
from pluseval.numerics.imputation import imputation_att
from pluseval.numerics.linear import classical_cov, fit
from pluseval.numerics.panel_studies import Reassignments, two_way_t
from pluseval.numerics.rate_permutation import rate_ratio_permutation
from pluseval.numerics.rate_studies import RateStudies
from pluseval.numerics.reassignment import callaway_santanna_map, imputation_map
from pluseval.numerics.staggered import group_time_att
from pluseval.numerics.staggered_average import aggregate_att
from pluseval.numerics.staggered_permutation import staggered_permutation_test
from pluseval.numerics.sun_abraham import sun_abraham

ROUNDING = 1e-9
G, TREATED, DRAWS = 24, 7, 299
PERIODS = np.arange(1, 7)


@pytest.fixture(scope="module")
def panels():
    rng = np.random.default_rng(2)
    entry = np.where(np.arange(G) < 5, 3.0, np.where(np.arange(G) < TREATED, 4.0, np.inf))
    return entry, rng.normal(size=(6, G, PERIODS.size)), quantile_strata(rng.normal(size=G), groups=2)


def _reassigned(effect, entry, strata):
    made = assignments(entry, strata=strata, draws=DRAWS, seed=9)
    return Reassignments(effect, made.observed, np.concatenate(list(made.blocks())), not made.exact)


def _never_treated(entry):
    return callaway_santanna_map(entry, periods=PERIODS, comparison="never_treated")


def test_reassigned_entries_are_those_of_single_studies(panels):
    entry, y, strata = panels
    many = _reassigned(_never_treated(entry), entry, strata)
    choices = {"entry": entry, "periods": PERIODS, "comparison": "never_treated"}
    alone = [staggered_permutation_test(p, strata=strata, draws=DRAWS, seed=9, **choices) for p in y]
    assert many.p_values(y) == pytest.approx([a.p_value() for a in alone], abs=ROUNDING)
    analytic = many.analytic(y)
    overall = [aggregate_att(group_time_att(p, **choices)) for p in y]
    assert analytic.estimates == pytest.approx([o.overall for o in overall], rel=ROUNDING)
    assert analytic.std_errors == pytest.approx([o.overall_se for o in overall], rel=ROUNDING)


def test_reassigned_imputations_are_those_of_single_studies(panels):
    entry, y, strata = panels
    many = _reassigned(imputation_map(entry, periods=PERIODS), entry, strata)
    choices = {"entry": entry, "periods": PERIODS}
    alone = [
        staggered_permutation_test(p, estimator="imputation", strata=strata, draws=DRAWS, seed=9, **choices)
        for p in y
    ]
    assert many.p_values(y) == pytest.approx([a.p_value() for a in alone], abs=ROUNDING)
    analytic, imputed = many.analytic(y), [imputation_att(p, **choices) for p in y]
    assert analytic.estimates == pytest.approx([i.att[0] for i in imputed], rel=ROUNDING)
    assert analytic.std_errors == pytest.approx([i.se[0] for i in imputed], rel=ROUNDING)
    on = PERIODS >= entry[:, None]
    for row, single in zip(y[:2], alone, strict=False):
        end, expected = many.resampling(row, on).interval(), single.conf_int()
        assert (end.low, end.high) == pytest.approx((expected.low, expected.high), rel=1e-7)


def test_sun_and_abrahams_average_is_that_of_their_regression(panels):
    entry, y, strata = panels
    found = _reassigned(_never_treated(entry), entry, strata).sun_abraham(y)
    unit, period = np.repeat(np.arange(G), PERIODS.size), np.tile(PERIODS, G)
    rows = {"entry": np.repeat(entry, PERIODS.size), "unit": unit, "period": period}
    alone = [sun_abraham(p.ravel(), **rows) for p in y]
    averages = [a.average("att") for a in alone]
    assert found.estimates == pytest.approx([values[0] for _, values, _ in averages], rel=ROUNDING)
    assert found.std_errors == pytest.approx([np.sqrt(cov[0, 0]) for _, _, cov in averages], rel=ROUNDING)
    assert found.df == alone[0].fit.df
    robust = _reassigned(_never_treated(entry), entry, strata).sun_abraham(y, errors="CR2")
    cov = cluster_cov(alone[0].fit.fitted, alone[0].fit.cluster, kind="CR2")
    contrast = np.where(alone[0].event_time >= 0, alone[0].share, 0.0)
    contrast = np.concatenate([np.zeros(cov.coef.size - contrast.size), contrast / contrast.sum()])
    assert robust.std_errors[0] == pytest.approx(cov.std_error(contrast), rel=1e-7)
    assert robust.df == pytest.approx(cov.df(contrast), rel=1e-7)


def test_a_cohort_of_one_unit_has_no_cr2(panels):
    entry, y, _ = panels
    alone = np.where(np.arange(G) == 0, 2.0, entry)
    with pytest.raises(DesignError, match="cohort of one"):
        _reassigned(_never_treated(alone), alone, None).sun_abraham(y, errors="CR2")


@pytest.mark.parametrize("errors", ["independent", "CR1"])
@pytest.mark.parametrize("staggered", [False, True])
def test_the_uncollapsed_panel_is_least_squares_with_both_effects(errors, staggered):
    rng = np.random.default_rng(4)
    n, T = 9, 5
    start = np.where(np.arange(n) < 3, 3, T) - (staggered & (np.arange(n) < 1))
    y = rng.normal(size=(4, n, T)).cumsum(axis=2)
    on = (np.arange(T) >= start[:, None]).astype(float)
    practice, year = np.repeat(np.arange(n), T), np.tile(np.arange(T), n)
    found = two_way_t(y, on, errors=errors)
    for d in range(4):
        made = fit(y[d].ravel(), on.ravel()[:, None], absorb=(practice, year))
        assert found.estimates[d] == pytest.approx(made.coef[0], rel=ROUNDING)
        if errors == "independent":
            assert found.df == made.df_resid
            assert found.std_errors[d] == pytest.approx(np.sqrt(classical_cov(made)[0, 0]), rel=ROUNDING)
        else:
            cov = cluster_cov(made, practice, kind="CR1")
            assert found.std_errors[d] == pytest.approx(cov.std_error(0), rel=ROUNDING)


# ------------------------------------------------------------------ counts with exposure


@pytest.fixture(scope="module", params=["equal", "changing"])
def counted(request):
    rng = np.random.default_rng(6)
    exposures = np.repeat(rng.integers(800, 5_000, (G, 1)), 2, axis=1).astype(float)
    if request.param == "changing":
        exposures[:, 1] *= rng.uniform(0.8, 1.3, G)
    rates = 0.3 * np.exp(0.1 * rng.standard_normal((5, G, 2)))
    return exposures, np.arange(G) < TREATED, rng.poisson(rates * exposures)


@pytest.mark.parametrize("groups", [1, 2])
def test_permuted_rates_are_those_of_single_studies(counted, groups):
    exposures, treated, counts = counted
    strata = None if groups == 1 else quantile_strata(exposures[:, 0], groups=groups)
    made = assignments(treated.astype(int), strata=strata, draws=DRAWS, seed=3)
    many = RateStudies(exposures, treated, np.concatenate(list(made.blocks())), not made.exact)
    alone = [
        rate_ratio_permutation(c, exposures, treated.astype(int), strata=strata, draws=DRAWS, seed=3)
        for c in counts
    ]
    assert many.p_values(counts) == pytest.approx([a.p_value() for a in alone], abs=ROUNDING)


@pytest.mark.parametrize(("kind", "df"), [("CR2", "satterthwaite"), ("CR1", "clusters")])
def test_rate_ratios_are_those_of_poisson_pseudo_likelihood(counted, kind, df):
    exposures, treated, counts = counted
    many = RateStudies(exposures, treated, treated[None]).tests(counts, kind=kind)
    on, after = np.repeat(treated, 2).astype(float), np.tile([0.0, 1.0], G)
    X = np.column_stack([np.ones(2 * G), on, after, on * after])
    alone = [
        count_model(c.ravel(), X, cluster=np.repeat(np.arange(G), 2), exposure=exposures.ravel()).test(
            np.eye(4)[3], kind=kind, df=df
        )
        for c in counts
    ]
    assert many.estimates == pytest.approx([a.estimate for a in alone], abs=ROUNDING)
    assert many.std_errors == pytest.approx([a.std_error for a in alone], rel=1e-7)
    assert np.broadcast_to(many.df, 5) == pytest.approx([a.df for a in alone], rel=1e-7)


def test_an_unknown_error_of_a_rate_ratio_is_refused(counted):
    exposures, treated, counts = counted
    with pytest.raises(DesignError, match="CR1 or CR2"):
        RateStudies(exposures, treated, treated[None]).tests(counts, kind="CR3")
