"""Correlated periods on paper, and what ``panel_gls`` refuses and ignores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pluseval.errors import DesignError
from pluseval.numerics.covariance import panel_gls
from pluseval.numerics.score_sandwich import robust_test, score_sandwich

UNITS, PERIODS = 14, 4


def panel(seed: int = 3, rho: float = 0.6, units: int = UNITS, periods: int = PERIODS):
    rng = np.random.default_rng(seed)
    chain = rho ** np.abs(np.subtract.outer(np.arange(periods), np.arange(periods)))
    y = (rng.normal(size=(units, periods)) @ np.linalg.cholesky(chain).T).ravel() + 20.0
    unit, period = np.repeat(np.arange(units), periods), np.tile(np.arange(periods), units)
    group, post = (unit < units // 3).astype(float), (period >= periods // 2).astype(float)
    return y, np.column_stack([np.ones(y.size), group, post, group * post]), unit, period


def test_two_periods_unstructured_are_the_t_test_of_changes():
    y, x, unit, period = panel(periods=2)
    fit = panel_gls(y, x, unit=unit, period=period, structure="unstructured")
    change = y[1::2] - y[::2]
    expected = stats.ttest_ind(change[:4], change[4:])
    test = fit.satterthwaite(np.eye(4)[3])
    assert test.estimates[0] == pytest.approx(change[:4].mean() - change[4:].mean(), rel=1e-8)
    assert test.df[0] == pytest.approx(UNITS - 2, rel=1e-5)
    assert test.p_values[0] == pytest.approx(expected.pvalue, rel=1e-5)


@pytest.mark.parametrize("reml", [True, False])
def test_the_likelihood_is_the_normal_density_and_no_other_rho_is_better(reml):
    y, x, unit, period = panel()
    keep = np.random.default_rng(1).random(y.size) > 0.2
    y, x, unit, period = y[keep], x[keep], unit[keep], period[keep]
    fit = panel_gls(y, x, unit=unit, period=period, reml=reml)

    def log_density(variance: float, rho: float) -> float:
        v = variance * np.where(
            unit[:, None] == unit[None, :], rho ** np.abs(np.subtract.outer(period, period)), 0.0
        )
        inverse = np.linalg.inv(v)
        beta = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ y)
        value = stats.multivariate_normal(x @ beta, v).logpdf(y)
        if reml:
            value += 2 * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(x.T @ inverse @ x)[1]
        return float(value)

    variance = fit.period_covariance[0, 0]
    best = log_density(variance, fit.rho)
    assert fit.log_likelihood == pytest.approx(best, abs=1e-8)
    for factor, shift in ((1.02, 0.0), (0.98, 0.0), (1.0, 0.02), (1.0, -0.02)):
        assert log_density(factor * variance, fit.rho + shift) < best


def test_clusters_give_cr2_on_top_of_the_working_covariance():
    """With the score sandwich of the whitened rows written out for the plain version."""
    y, x, unit, period = panel()
    fit = panel_gls(y, x, unit=unit, period=period)
    inverse = np.linalg.inv(fit.period_covariance)
    meat = np.zeros((4, 4))
    for g in range(UNITS):
        score = x[unit == g].T @ inverse @ (y - x @ fit.coefficients)[unit == g]
        meat += np.outer(score, score)
    np.testing.assert_allclose(
        score_sandwich(fit.clusters, kind="CR0"), fit.covariance @ meat @ fit.covariance
    )
    test = robust_test(fit.coefficients[3], fit.clusters, np.eye(4)[3], kind="CR2")
    assert test.std_error > np.sqrt(score_sandwich(fit.clusters, kind="CR0")[3, 3])
    assert 1 < test.df < UNITS


def test_shift_scale_and_order_do_not_matter_and_arrays_are_left_alone():
    y, x, unit, period = panel()
    copies = [a.copy() for a in (y, x, unit, period)]
    base = panel_gls(y, x, unit=unit, period=period)
    order = np.random.default_rng(2).permutation(y.size)
    other = panel_gls(5 + 100 * y[order], x[order], unit=unit[order], period=period[order])
    np.testing.assert_allclose(other.coefficients[1:], 100 * base.coefficients[1:], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(other.std_errors, 100 * base.std_errors, rtol=1e-6)
    np.testing.assert_allclose(other.satterthwaite().df, base.satterthwaite().df, rtol=1e-4)
    assert other.rho == pytest.approx(base.rho, abs=1e-7)
    for old, new in zip(copies, (y, x, unit, period), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_known_correlation_comes_back():
    y, x, unit, period = panel(seed=4, rho=-0.4, units=2_000)
    assert panel_gls(y, x, unit=unit, period=period).rho == pytest.approx(-0.4, abs=0.04)
    y, x, unit, period = panel(seed=5, units=2_000)
    free = panel_gls(y, x, unit=unit, period=period, structure="unstructured").period_covariance
    expected = 0.6 ** np.abs(np.subtract.outer(np.arange(PERIODS), np.arange(PERIODS)))
    np.testing.assert_allclose(free, expected, atol=0.15)


def test_panels_that_cannot_answer_are_refused():
    y, x, unit, period = panel()
    many = panel(periods=15)
    for message, work in (
        ("two rows in one period", lambda: panel_gls(y, x, unit=unit, period=period // 2)),
        ("no unit is seen in two", lambda: panel_gls(y, x, unit=np.arange(y.size), period=period)),
        ("at least 2 units", lambda: panel_gls(y, x, unit=0 * unit, period=np.arange(y.size))),
        ("does not vary", lambda: panel_gls(x @ np.ones(4), x, unit=unit, period=period)),
        (
            "too many",
            lambda: panel_gls(many[0], many[1], unit=many[2], period=many[3], structure="unstructured"),
        ),
        (
            "too few",
            lambda: panel_gls(
                y[:16], x[:16, [0, 2]], unit=unit[:16], period=period[:16], structure="unstructured"
            ),
        ),
        ("structure", lambda: panel_gls(y, x, unit=unit, period=period, structure="toeplitz")),
        ("numbers", lambda: panel_gls(y, x, unit=unit, period=period.astype(str))),
        ("missing", lambda: panel_gls(np.where(unit == 3, np.nan, y), x, unit=unit, period=period)),
        ("combination", lambda: panel_gls(y, np.column_stack([x, x[:, 2]]), unit=unit, period=period)),
    ):
        with pytest.raises(DesignError, match=message):
            work()
