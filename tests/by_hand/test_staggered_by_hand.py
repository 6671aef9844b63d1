"""Staggered estimators on tables small enough to work out on paper."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pluseval.numerics.bacon import bacon_decomposition
from pluseval.numerics.event_study import event_study
from pluseval.numerics.imputation import imputation_att, two_stage_event_study
from pluseval.numerics.reassignment import callaway_santanna_map, imputation_map, reassigned_att
from pluseval.numerics.staggered import group_time_att
from pluseval.numerics.staggered_average import aggregate_att
from pluseval.numerics.staggered_permutation import staggered_permutation_test
from pluseval.numerics.sun_abraham import sun_abraham

PERIODS = np.array([1, 2, 3])
#            never  never  enters 2  enters 3
Y = np.array([[10.0, 11, 12], [20, 21, 24], [5, 9, 12], [8, 9, 15]])
ENTRY = np.array([0, 0, 2, 3])
EXACT = {"abs": 1e-10}


def long_form(y: np.ndarray, entry: np.ndarray, periods: np.ndarray) -> dict[str, np.ndarray]:
    units, length = y.shape
    return {
        "y": y.ravel(),
        "unit": np.repeat(np.arange(units), length),
        "period": np.tile(periods, units).astype(float),
        "entry": np.repeat(entry, length),
    }


def test_group_time_effects_against_the_never_treated():
    # never-treated means: 15, 16, 18. Enters 2: 5, 9, 12. Enters 3: 8, 9, 15.
    out = group_time_att(Y, entry=ENTRY, periods=PERIODS, comparison="never_treated")
    assert list(zip(out.group, out.period, strict=True)) == [(2, 2), (2, 3), (3, 2), (3, 3)]
    assert out.att == pytest.approx([4 - 1, 7 - 3, 1 - 1, 6 - 2], **EXACT)


def test_group_time_effects_against_the_not_yet_treated():
    # at 2 the unit that enters at 3 is a comparison too: its change is 1, like the mean change of the others
    out = group_time_att(Y, entry=ENTRY, periods=PERIODS)
    assert out.att == pytest.approx([4 - (1 + 1 + 1) / 3, 7 - 3, 1 - 1, 6 - 2], **EXACT)


def test_averages_of_group_time_effects():
    out = group_time_att(Y, entry=ENTRY, periods=PERIODS, comparison="never_treated")
    assert aggregate_att(out).overall == pytest.approx((3 + 4 + 4) / 3, **EXACT)
    dynamic = aggregate_att(out, kind="dynamic")
    assert dynamic.key.tolist() == [-1, 0, 1]
    assert dynamic.att == pytest.approx([0, (3 + 4) / 2, 4], **EXACT)
    assert dynamic.overall == pytest.approx((3.5 + 4) / 2, **EXACT)
    group = aggregate_att(out, kind="group")
    assert group.att == pytest.approx([3.5, 4], **EXACT)
    assert group.overall == pytest.approx(3.75, **EXACT)
    calendar = aggregate_att(out, kind="calendar")
    assert calendar.att == pytest.approx([3, (4 + 4) / 2], **EXACT)
    assert calendar.overall == pytest.approx(3.5, **EXACT)


def test_a_balanced_dynamic_average_keeps_the_cohorts_the_same():
    out = group_time_att(Y, entry=ENTRY, periods=PERIODS, comparison="never_treated")
    balanced = aggregate_att(out, kind="dynamic", balance=1)
    assert balanced.key.tolist() == [0, 1]
    assert balanced.att == pytest.approx([3, 4], **EXACT)  # the cohort that enters at 3 is seen too short


def test_the_standard_error_of_one_cohort_is_the_unpooled_one():
    changes_treated, changes_never = np.array([3.0, 5.0, 7.0]), np.array([1.0, 2.0, 0.0, 1.0])
    y = np.column_stack([np.zeros(7), np.concatenate([changes_treated, changes_never])])
    out = group_time_att(y, entry=np.array([2, 2, 2, 0, 0, 0, 0]), periods=np.array([1, 2]))
    assert out.att == pytest.approx([5 - 1], **EXACT)
    by_hand = np.sqrt((4 + 0 + 4) / 3 / 3 + (0 + 1 + 1 + 0) / 4 / 4)  # variances divided by n, as did does
    assert out.se == pytest.approx([by_hand], **EXACT)


def test_weights_count_units_by_their_size():
    out = group_time_att(
        Y, entry=ENTRY, periods=PERIODS, comparison="never_treated", weights=np.array([3, 1, 1, 1])
    )
    # never-treated changes from 1 to 2: 1 and 1; from 1 to 3: 2 and 4, weighed 3 to 1
    assert out.att[:2] == pytest.approx([4 - 1, 7 - 2.5], **EXACT)


def test_imputation_predicts_from_untreated_periods():
    # two never-treated units and one that enters at 3: effects of periods from periods 1 and 2 of all, 3 of
    # the never
    y = np.array([[1.0, 2, 5], [3, 4, 7], [10, 11, 20]])
    out = imputation_att(y, entry=np.array([0, 0, 3]), periods=PERIODS)
    assert out.att == pytest.approx([20 - (11 + 3)], **EXACT)
    assert out.n_cells.tolist() == [1]


def test_imputation_leaves_out_what_cannot_be_predicted():
    y = np.array([[1.0, 2, 5], [3, 4, 7], [10, 11, 20], [np.nan, np.nan, 6]])
    out = imputation_att(y, entry=np.array([0, 0, 3, 3]), periods=PERIODS)
    assert out.n_not_imputed == 1
    assert out.att == pytest.approx([6], **EXACT)


def test_two_stage_leads_are_first_stage_residuals():
    y = np.array([[1.0, 2, 3], [1, 2, 3], [0, 4, 9]])
    out = two_stage_event_study(y, entry=np.array([0, 0, 3]), periods=PERIODS)
    # untreated fit: residuals of the entrant's two untreated periods cancel; the never-treated hold half of
    # the misfit
    assert out.key.tolist() == [-2, 0]
    assert out.att[0] == pytest.approx(-1.0, **EXACT)


def test_event_study_with_one_cohort_is_the_difference_of_mean_changes():
    y, entry = np.array([[1.0, 2, 3], [2, 4, 4], [3, 5, 9]]), np.array([0, 0, 3])
    table = long_form(y, entry, PERIODS)
    since = np.where(table["entry"] > 0, table["period"] - table["entry"], np.nan)
    out = event_study(table["y"], event_time=since, unit=table["unit"], period=table["period"])
    assert out.coef == pytest.approx([(3 - 5) - (1.5 - 3), (9 - 5) - (3.5 - 3)], **EXACT)


def test_sun_abraham_is_callaway_santanna_with_never_treated_and_universal_base():
    table = long_form(Y, ENTRY, PERIODS)
    out = sun_abraham(**table)
    by_cell = dict(zip(zip(out.cohort, out.event_time, strict=True), out.coef, strict=True))
    assert by_cell[(2, 0)] == pytest.approx(3, **EXACT)
    assert by_cell[(2, 1)] == pytest.approx(4, **EXACT)
    assert by_cell[(3, 0)] == pytest.approx(4, **EXACT)
    assert by_cell[(3, -2)] == pytest.approx((8 - 9) - (15 - 16), **EXACT)


def test_bacon_pairs_and_weights():
    y = np.array([[1.0, 2, 3], [1, 4, 5], [2, 3, 7]])
    out = bacon_decomposition(y, entry=np.array([0, 2, 3]), periods=PERIODS)
    pairs = {
        (a, b): (e, w)
        for a, b, e, w in zip(out.treated, out.comparison, out.estimate, out.weight, strict=True)
    }
    assert pairs[(2, np.inf)][0] == pytest.approx((4.5 - 1) - (2.5 - 1), **EXACT)
    assert pairs[(3, np.inf)][0] == pytest.approx((7 - 2.5) - (3 - 1.5), **EXACT)
    assert pairs[(2, 3)][0] == pytest.approx((4 - 1) - (3 - 2), **EXACT)
    assert pairs[(3, 2)][0] == pytest.approx((7 - 3) - (5 - 4), **EXACT)
    # shares of treated periods are 2/3 and 1/3, all cohorts equal: raw weights 2/9, 2/9, 1/9, 1/9
    assert [pairs[k][1] for k in ((2, np.inf), (3, np.inf), (2, 3), (3, 2))] == pytest.approx(
        [1 / 3, 1 / 3, 1 / 6, 1 / 6], **EXACT
    )


def test_a_reassigned_statistic_with_one_cohort_is_welchs():
    treated, never = np.array([3.0, 5.0, 7.0]), np.array([1.0, 2.0, 0.0, 1.0])
    y = np.column_stack([np.zeros(7), np.concatenate([treated, never])])
    entries = np.array([[2, 2, 2, 0, 0, 0, 0]])
    welch = (treated.mean() - never.mean()) / np.sqrt(treated.var(ddof=1) / 3 + never.var(ddof=1) / 4)
    for make in (callaway_santanna_map, imputation_map):
        effect = make(entries[0], periods=np.array([1, 2]))
        assert reassigned_att(y, entries=entries, effect=effect).statistic == pytest.approx([welch], **EXACT)


def test_the_permutation_p_counts_every_way_in_which_entries_could_have_fallen():
    rng = np.random.default_rng(3)
    y, entry, periods = rng.normal(size=(7, 4)), np.array([0, 0, 0, 0, 0, 3, 4]), np.arange(1, 5)
    made = staggered_permutation_test(
        y, entry=entry, periods=periods, statistic="coefficient", draws=999, seed=1, alpha=0.05
    )
    assert made.exact
    assert made.n_possible == 7 * 6
    effects = []
    for assigned in sorted(set(itertools.permutations(entry.tolist()))):
        out = group_time_att(y, entry=np.array(assigned), periods=periods)
        effects.append(aggregate_att(out).overall)
    observed = aggregate_att(group_time_att(y, entry=entry, periods=periods)).overall
    assert made.estimate == pytest.approx(observed)
    assert len(effects) == 42
    assert made.p_value() == (np.abs(effects) >= abs(observed) * (1 - 1e-9)).mean()
