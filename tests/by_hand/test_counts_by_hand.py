"""Rates on paper: a saturated model of counts reproduces the four rates."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.counts import count_model, rate_ratio

# practice: group, counts before and after, persons before and after
TABLE = np.array(
    [
        [1, 30, 20, 100, 100],
        [1, 60, 40, 200, 250],
        [0, 20, 24, 100, 110],
        [0, 45, 50, 150, 140],
        [0, 36, 30, 120, 130],
    ],
    dtype=float,
)


def rows():
    group, y0, y1, e0, e1 = TABLE.T
    y, exposure = np.concatenate([y0, y1]), np.concatenate([e0, e1])
    treated, post = np.tile(group, 2), np.repeat([0.0, 1.0], 5)
    return (
        y,
        np.column_stack([np.ones(10), treated, post, treated * post]),
        exposure,
        np.tile(np.arange(5), 2),
    )


def test_the_interaction_is_the_ratio_of_rate_ratios():
    y, x, exposure, practice = rows()
    fit = count_model(y, x, cluster=practice, exposure=exposure)
    treated = (60 / 350) / (90 / 300)
    others = (104 / 380) / (101 / 370)
    assert np.exp(fit.coefficients[3]) == pytest.approx(treated / others, rel=1e-10)
    np.testing.assert_allclose(fit.fitted[x[:, 1] == 1][:2], exposure[:2] * 90 / 300, rtol=1e-10)


def test_the_plain_sandwich_is_the_sum_of_squared_influences():
    """A practice's influence: its excess count over the total of its cell, after minus before."""
    y, x, exposure, practice = rows()
    fit = count_model(y, x, cluster=practice, exposure=exposure)
    variance = 0.0
    for g in (1.0, 0.0):
        arm = TABLE[TABLE[:, 0] == g]
        y0, y1, e0, e1 = arm[:, 1:].T
        excess0 = (y0 - e0 * y0.sum() / e0.sum()) / y0.sum()
        excess1 = (y1 - e1 * y1.sum() / e1.sum()) / y1.sum()
        variance += np.sum((excess1 - excess0) ** 2)
    assert fit.covariance("CR0")[3, 3] == pytest.approx(variance, rel=1e-9)
    assert fit.covariance("CR1")[3, 3] == pytest.approx(variance * 5 / 4, rel=1e-9)
    assert fit.covariance("CR1S")[3, 3] == pytest.approx(variance * 5 / 4 * 9 / 6, rel=1e-9)


def test_the_corrections_divide_by_what_leverage_leaves():
    """A practice's leverage in a cell is its share of the persons; the two cells of a practice do not mix."""
    y, x, exposure, practice = rows()
    fit = count_model(y, x, cluster=practice, exposure=exposure)
    for kind, power in (("CR2", 0.5), ("CR3", 1.0)):
        variance = 0.0
        for g in (1.0, 0.0):
            y0, y1, e0, e1 = TABLE[TABLE[:, 0] == g][:, 1:].T
            share0, share1 = e0 / e0.sum(), e1 / e1.sum()
            excess0 = (y0 - y0.sum() * share0) / y0.sum() / (1 - share0) ** power
            excess1 = (y1 - y1.sum() * share1) / y1.sum() / (1 - share1) ** power
            variance += np.sum((excess1 - excess0) ** 2)
        assert fit.covariance(kind)[3, 3] == pytest.approx(variance, rel=1e-9)


def test_absorbed_units_use_only_changes_within_units():
    """With two periods the unit effects leave a comparison of each unit's split of its total."""
    y, x, exposure, practice = rows()
    same = np.tile(exposure[:5], 2)
    fit = count_model(y, x[:, 3:], cluster=practice, exposure=same, absorb=(practice, x[:, 2]))
    ratio = (60 / 90) / (104 / 101)  # equal exposure: units enter through their totals
    assert np.exp(fit.coefficients[0]) == pytest.approx(ratio, rel=1e-9)
    for unit in range(5):
        assert fit.fitted[practice == unit].sum() == pytest.approx(y[practice == unit].sum(), rel=1e-10)


def test_absorbing_equals_writing_out_every_indicator():
    y, x, exposure, practice = rows()
    absorbed = count_model(y, x[:, 3:], cluster=practice, exposure=exposure, absorb=(practice, x[:, 2]))
    units = (practice[:, None] == np.arange(5)).astype(float)
    written = count_model(y, np.column_stack([x[:, 3], x[:, 2], units]), cluster=practice, exposure=exposure)
    for kind in ("CR0", "CR1", "CR2"):
        assert absorbed.covariance(kind)[0, 0] == pytest.approx(written.covariance(kind)[0, 0], rel=1e-8)
    assert absorbed.test(np.ones(1)).df == pytest.approx(written.test(np.eye(7)[0]).df, rel=1e-8)
    assert absorbed.log_likelihood == pytest.approx(written.log_likelihood, rel=1e-12)


def test_the_ratio_and_its_interval_are_the_exponent_of_the_log_scale():
    y, x, exposure, practice = rows()
    test = count_model(y, x, cluster=practice, exposure=exposure).test(np.eye(4)[3])
    found, (low, high) = rate_ratio(test), test.conf_int()
    assert (found.ratio, found.conf_low, found.conf_high) == pytest.approx(
        tuple(np.exp([test.estimate, low, high]))
    )
    assert found.conf_low * found.conf_high == pytest.approx(found.ratio**2, rel=1e-9)
    assert (found.p_value < 0.05) == (not found.conf_low < 1.0 < found.conf_high)


def test_units_without_any_count_are_left_out_and_counted():
    y, x, exposure, practice = rows()
    more = (np.append(y, [0, 0]), np.append(x[:, 3], [0, 0])[:, None])
    fit = count_model(
        *more,
        cluster=np.append(practice, [9, 9]),
        exposure=np.append(exposure, [80, 80]),
        absorb=(np.append(practice, [9, 9]), np.append(x[:, 2], [0, 1])),
    )
    alone = count_model(y, x[:, 3:], cluster=practice, exposure=exposure, absorb=(practice, x[:, 2]))
    assert fit.n_dropped == 2
    assert fit.coefficients[0] == pytest.approx(alone.coefficients[0], rel=1e-10)
    assert fit.covariance("CR2")[0, 0] == pytest.approx(alone.covariance("CR2")[0, 0], rel=1e-9)


def test_counts_of_zero_everywhere_and_in_a_whole_cell_are_refused():
    y, x, exposure, practice = rows()
    with pytest.raises(DesignError, match="every count is zero"):
        count_model(0 * y, x, cluster=practice, exposure=exposure)
    empty = np.where(x[:, 3] == 1, 0.0, y)
    with pytest.raises(DesignError, match="rate ratio is zero"):
        count_model(empty, x, cluster=practice, exposure=exposure)
    with pytest.raises(DesignError, match="rate ratio is zero"):
        count_model(empty, x[:, 3:], cluster=practice, exposure=exposure, absorb=(practice, x[:, 2]))
