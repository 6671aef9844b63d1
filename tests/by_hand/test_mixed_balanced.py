"""Balanced data, where REML is the analysis of variance and every figure can be had on paper."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pluseval.errors import DesignError
from pluseval.numerics.intraclass import anova_icc
from pluseval.numerics.mixed import mixed_model
from pluseval.numerics.mixed_inference import joint_test, kenward_roger, satterthwaite
from pluseval.numerics.mixed_profile import likelihood_ratio_test, profile_interval

# three practices of two patients: means 1.5, 4.5, 7.5; within squares 0.5 + 0.5 + 4.5
Y = np.array([1.0, 2.0, 4.0, 5.0, 6.0, 9.0])
PRACTICE = np.array([1, 1, 2, 2, 3, 3])
ONE = np.ones((6, 1))


def test_variances_are_the_mean_squares():
    model = mixed_model(Y, ONE, practice=PRACTICE)
    within = 5.5 / 3
    between = 2 * (9 + 0 + 9) / 2
    assert model.variances["residual"] == pytest.approx(within, rel=1e-6)
    assert model.variances["practice"] == pytest.approx((between - within) / 2, rel=1e-6)
    assert model.icc["practice"] == pytest.approx((between - within) / (between + within), rel=1e-6)
    assert model.coefficients[0] == pytest.approx(4.5, abs=1e-12)


def test_the_analysis_of_variance_gives_the_same_correlation_and_says_when_it_is_negative():
    assert anova_icc(Y, PRACTICE).icc == pytest.approx(
        mixed_model(Y, ONE, practice=PRACTICE).icc["practice"], rel=1e-6
    )
    alike = anova_icc([1.0, 3.0, 1.1, 2.9], [1, 1, 2, 2])
    assert alike.icc == pytest.approx(-1.0, abs=0.02)  # two rows per cluster: the lowest value is -1
    for y, cluster in (
        ([1.0, 2.0], [1, 2]),
        ([1.0, 2.0], [1, 1]),
        ([1.0, np.nan, 2.0], [1, 1, 2]),
        ([3.0] * 4, [1, 1, 2, 2]),
    ):
        with pytest.raises(DesignError):
            anova_icc(y, cluster)


def test_the_mean_of_three_practices_has_two_degrees_of_freedom():
    model = mixed_model(Y, ONE, practice=PRACTICE)
    for tests in (satterthwaite(model), kenward_roger(model)):
        assert tests.df[0] == pytest.approx(2.0, rel=1e-6)
        assert tests.std_errors[0] == pytest.approx(np.sqrt(18 / 6), rel=1e-6)  # sqrt(between / n)
        assert tests.p_values[0] == pytest.approx(2 * stats.t.sf(4.5 / np.sqrt(3.0), 2), rel=1e-6)


def test_interval_and_p_value_are_of_one_procedure():
    tests = kenward_roger(mixed_model(Y, ONE, practice=PRACTICE))
    low, high = tests.conf_int(1 - tests.p_values[0])[0]
    assert min(abs(low), abs(high)) == pytest.approx(0.0, abs=1e-9)


def test_practices_that_agree_give_a_variance_of_zero_and_say_so():
    y = np.array([1.0, 3.0, 1.1, 2.9, 0.9, 3.1])
    model = mixed_model(y, ONE, practice=PRACTICE)
    assert model.boundary == ("practice",)
    assert model.variances["practice"] == 0.0
    assert model.std_errors[0] == pytest.approx(np.std(y, ddof=1) / np.sqrt(6), rel=1e-9)
    assert satterthwaite(model).df[0] == pytest.approx(5.0, rel=1e-9)


def test_did_of_practice_period_cells_is_the_paired_analysis():
    """Two periods, one cell mean each: the group x period effect is the two-sample t test of changes."""
    change = {1: 2.0, 2: 3.0, 3: 4.5, 4: 0.5, 5: 1.0, 6: 1.0, 7: 0.0}
    practice = np.repeat(list(change), 4)
    period = np.tile([0, 0, 1, 1], 7)
    level = np.array([0.0, 1.0, 0.3, -0.8, 0.5, -0.6, 0.9])[practice - 1]
    y = 5 + level + np.array(list(change.values()))[practice - 1] * period + np.tile([-0.2, 0.2], 14)
    group = (practice <= 3).astype(float)
    x = np.column_stack([np.ones(28), group, period, group * period])
    tests = satterthwaite(mixed_model(y, x, practice=practice, period=period))
    kr = kenward_roger(mixed_model(y, x, practice=practice, period=period))
    changes = np.array(list(change.values()))
    expected = stats.ttest_ind(changes[:3], changes[3:])
    for found in (tests, kr):
        assert found.estimates[3] == pytest.approx(changes[:3].mean() - changes[3:].mean(), rel=1e-9)
        assert found.df[3] == pytest.approx(5.0, rel=1e-5)
        assert found.p_values[3] == pytest.approx(expected.pvalue, rel=1e-5)


def test_joint_test_of_one_row_is_the_square_of_t():
    model = mixed_model(Y, ONE, practice=PRACTICE)
    for method, single in (("kenward_roger", kenward_roger(model)), ("satterthwaite", satterthwaite(model))):
        joint = joint_test(model, ONE[:1], method=method)
        assert joint.statistic == pytest.approx(single.statistics[0] ** 2, rel=1e-9)
        assert joint.p_value == pytest.approx(single.p_values[0], rel=1e-9)


def test_profile_ends_are_where_the_likelihood_ratio_equals_its_critical_value():
    model = mixed_model(Y, ONE, practice=PRACTICE, reml=False)
    low, high = profile_interval(model, coefficient=0, level=0.9)
    assert low + high == pytest.approx(9.0, abs=1e-6)  # symmetric about 4.5
    none = np.column_stack([np.ones(6), Y > 5])  # a second column, to compare the nested fits at the end
    full = mixed_model(Y - low * 1.0, none, practice=PRACTICE, reml=False)
    reduced = mixed_model(Y - low * 1.0, none[:, 1:], practice=PRACTICE, reml=False)
    ends = profile_interval(full, coefficient=0, level=1 - likelihood_ratio_test(full, reduced).p_value)
    assert min(abs(e) for e in ends) == pytest.approx(0.0, abs=1e-6)


def test_testing_a_variance_halves_the_tail():
    y = np.array([1.0, 1.2, 3.0, 3.3, 2.0, 2.1, 5.0, 5.2])
    practice, patient = np.repeat([1, 2], 4), np.repeat([1, 2, 3, 4], 2)
    full = mixed_model(y, np.ones((8, 1)), practice=practice, patient=patient)
    reduced = mixed_model(y, np.ones((8, 1)), practice=practice)
    test = likelihood_ratio_test(full, reduced)
    assert test.mixture
    assert test.p_value == pytest.approx(stats.chi2.sf(reduced.criterion - full.criterion, 1) / 2, rel=1e-9)
