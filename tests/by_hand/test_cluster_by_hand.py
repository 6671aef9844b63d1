"""Two practices each, small whole numbers, answers on paper."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.linear import classical_cov, fit, hc_cov, one_sample, welch

PRACTICE = np.repeat(["a", "b", "c", "d"], 2)
TREATED = np.repeat([1.0, 1.0, 0.0, 0.0], 2)
POST = np.tile([0.0, 1.0], 4)
#  change:  a +3, b +5, c +1, d -1: the treated gain 4, the others 0
Y = np.array([10.0, 13.0, 12.0, 17.0, 9.0, 10.0, 11.0, 10.0])
TWO_BY_TWO = np.column_stack([np.ones(8), TREATED, POST, TREATED * POST])


def test_two_by_two_is_the_difference_of_mean_changes():
    assert fit(Y, TWO_BY_TWO).coef == pytest.approx([10, 1, 0, 4])


def test_cluster_error_is_that_of_the_changes():
    """Squares of the changes sum to 2 in each group: CR0 is 2/4 + 2/4, CR2 the Welch variance 2/2 + 2/2."""
    made = fit(Y, TWO_BY_TWO)
    assert cluster_cov(made, PRACTICE, kind="CR0").std_error(3) == pytest.approx(1.0)
    assert cluster_cov(made, PRACTICE, kind="CR1").std_error(3) == pytest.approx(np.sqrt(4 / 3))
    assert cluster_cov(made, PRACTICE, kind="CR2").std_error(3) == pytest.approx(np.sqrt(2))
    assert cluster_cov(made, PRACTICE, kind="CR3").std_error(3) == pytest.approx(2.0)


def test_degrees_of_freedom_of_two_against_two_are_two():
    test = cluster_cov(fit(Y, TWO_BY_TWO), PRACTICE).test(3)
    assert test.df == pytest.approx(2.0)
    assert test.statistic == pytest.approx(4 / np.sqrt(2))


def test_equal_groups_are_all_effective_clusters():
    assert cluster_cov(fit(Y, TWO_BY_TWO), PRACTICE).effective_clusters(3) == pytest.approx(4.0)


def test_one_row_per_cluster_is_hc():
    change = np.array([3.0, 5.0, 1.0, -1.0])
    made = fit(change, np.column_stack([np.ones(4), [1, 1, 0, 0]]))
    for hc, cr in (("HC0", "CR0"), ("HC2", "CR2"), ("HC3", "CR3")):
        assert np.sqrt(hc_cov(made, kind=hc)[1, 1]) == pytest.approx(
            cluster_cov(made, range(4), kind=cr).std_error(1)
        )
    assert cluster_cov(made, range(4)).std_error(1) == pytest.approx(welch(change[:2], change[2:]).std_error)
    assert np.sqrt(classical_cov(made)[1, 1]) == pytest.approx(np.sqrt(2))


def test_welch_on_paper():
    """Means 2 and 0, variances 1 and 4 over 3 and 2 units: 1/3 + 2, df (7/3)^2 / (1/18 + 4)."""
    test = welch([1.0, 2.0, 3.0], [-np.sqrt(2), np.sqrt(2)])
    assert test.estimate == pytest.approx(2.0)
    assert test.std_error == pytest.approx(np.sqrt(7 / 3))
    assert test.df == pytest.approx((7 / 3) ** 2 / (1 / 18 + 4))


def test_weights_repeat_rows_in_the_estimate():
    y, x = np.array([1.0, 2.0, 5.0, 6.0]), np.array([0.0, 0.0, 1.0, 1.0])
    X = np.column_stack([np.ones(4), x])
    weighted = fit(y, X, weights=[1, 3, 1, 1])
    repeated = fit([1.0, 2.0, 2.0, 2.0, 5.0, 6.0], np.column_stack([np.ones(6), [0, 0, 0, 0, 1, 1]]))
    assert weighted.coef == pytest.approx(repeated.coef)


def test_an_absorbed_practice_with_one_period_changes_nothing():
    alone = fit(
        [*Y, 40.0],
        np.append(TREATED * POST, 0.0)[:, None],
        absorb=(np.append(PRACTICE, "z"), [0, 1] * 4 + [1]),
    )
    full = fit(Y, (TREATED * POST)[:, None], absorb=(PRACTICE, POST))
    assert alone.coef == pytest.approx(full.coef)
    assert cluster_cov(alone, np.append(PRACTICE, "z")).std_error(0) == pytest.approx(
        cluster_cov(full, PRACTICE).std_error(0)
    )


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(X=np.column_stack([TWO_BY_TWO, TREATED])), r"\[4\]"),
        (dict(weights=[np.nan] * 2 + [1.0] * 6), "2 weights"),
        (dict(weights=[0.0] + [1.0] * 7), "1 weights"),
        (dict(y=[np.inf, *Y[1:]]), "1 values"),
        (dict(X=TWO_BY_TWO[:7]), r"\(8,\) and \(7, 4\)"),
        (dict(X=TWO_BY_TWO[:4], y=Y[:4]), "4 rows"),
    ],
)
def test_a_fit_that_cannot_be_is_refused(change, message):
    given = dict(y=Y, X=TWO_BY_TWO, weights=None) | change
    with pytest.raises(DesignError, match=message):
        fit(given["y"], given["X"], weights=given["weights"])


def test_a_column_that_the_absorbed_effects_hold_is_named():
    with pytest.raises(DesignError, match=r"columns \[1\]"):
        fit(Y, np.column_stack([POST, TREATED]), absorb=PRACTICE)


def test_one_treated_practice_has_no_cluster_error():
    treated = np.repeat([1.0, 0.0, 0.0, 0.0], 2)
    made = fit(Y, np.column_stack([np.ones(8), treated, POST, treated * POST]))
    for kind in ("CR0", "CR1", "CR1S", "CR2", "CR3"):
        with pytest.raises(DesignError, match="one cluster alone"):
            cluster_cov(made, PRACTICE, kind=kind).test(3)
    change = fit(Y[1::2] - Y[::2], np.column_stack([np.ones(4), treated[::2]]))
    with pytest.raises(DesignError, match="leverage 1"):
        hc_cov(change)


def test_two_clusters_one_treated_are_refused():
    made = fit(
        Y[2:6], np.column_stack([np.ones(4), TREATED[2:6], POST[:4], (TREATED * POST)[2:6]])[:, [0, 1, 2]]
    )
    with pytest.raises(DesignError, match="one cluster alone"):
        cluster_cov(made, PRACTICE[2:6]).test(1)


def test_one_cluster_is_refused():
    with pytest.raises(DesignError, match="at least two clusters, found 1"):
        cluster_cov(fit(Y, TWO_BY_TWO), np.zeros(8))


def test_an_outcome_that_does_not_vary_is_refused():
    for y in (np.zeros(8), np.full(8, 7.3)):
        made = fit(y, TWO_BY_TWO)
        for attempt in (classical_cov, hc_cov, lambda m: cluster_cov(m, PRACTICE)):
            with pytest.raises(DesignError, match="all zero"):
                attempt(made)
    with pytest.raises(DesignError, match="varies"):
        welch([1.0, 1.0], [0.0, 0.0])
    with pytest.raises(DesignError, match="do not vary"):
        one_sample([2.0, 2.0, 2.0])


def test_absorbed_effects_that_cross_clusters_are_refused():
    made = fit(Y, (TREATED * POST)[:, None], absorb=(POST, PRACTICE))
    with pytest.raises(DesignError, match="2 absorbed effects"):
        cluster_cov(made, PRACTICE)


def test_unknown_kinds_are_refused():
    made = fit(Y, TWO_BY_TWO)
    with pytest.raises(DesignError, match="CR9"):
        cluster_cov(made, PRACTICE, kind="CR9")
    with pytest.raises(DesignError, match="HC9"):
        hc_cov(made, kind="HC9")
    with pytest.raises(DesignError, match="CR1P"):
        cluster_cov(made, PRACTICE, kind="CR1P")
