"""Synthetic difference in differences on tables small enough to work out on paper."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pluseval.numerics.simplex import project_on_simplex, simplex_least_squares
from pluseval.numerics.synthdid import staggered_synthetic_did, synthetic_did
from pluseval.numerics.synthdid_permutation import synthetic_did_permutation
from pluseval.numerics.synthdid_resampling import block_effects, jackknife_standard_error

Y = np.array([[1.0, 2, 4, 5], [3, 3, 3, 3], [4, 5, 6, 10], [5, 6, 8, 12]])


def test_did_is_the_difference_of_mean_changes():
    out = synthetic_did(Y, n_control=2, n_pre=2, method="did")
    assert out.estimate == pytest.approx((9 - 5) - (3.75 - 2.25))
    assert out.effects == pytest.approx([(7 - 5) - (3.5 - 2.25), (11 - 5) - (4 - 2.25)])


def test_with_one_control_all_methods_but_levels_agree():
    rows = Y[[0, 2]]
    did = synthetic_did(rows, n_control=1, n_pre=2, method="did").estimate
    sc = synthetic_did(rows, n_control=1, n_pre=2, method="sc").estimate
    assert did == pytest.approx((8 - 4.5) - (4.5 - 1.5))
    assert sc == pytest.approx(8 - 4.5)


def test_a_treated_unit_halfway_between_two_controls_gets_half_of_each():
    controls = np.array([[1.0, 4, 2, 8, 3], [5, 2, 8, 1, 7]])
    y = np.vstack([controls, controls.mean(axis=0) + np.array([0, 0, 0, 0, 6])])
    out = synthetic_did(y, n_control=2, n_pre=4, method="sc")
    assert out.omega == pytest.approx([0.5, 0.5], abs=1e-6)
    assert out.estimate == pytest.approx(6.0, abs=1e-6)


def test_simplex_weights_by_hand():
    # nearest point of the segment between (1, 0) and (0, 1) to (0.9, 0.3): weights 0.8 and 0.2
    assert simplex_least_squares(np.eye(2), np.array([0.9, 0.3])) == pytest.approx([0.8, 0.2])
    # with a ridge as large as the distance itself the weights move halfway to equal ones
    assert simplex_least_squares(np.eye(2), np.array([0.9, 0.3]), ridge=1.0) == pytest.approx([0.65, 0.35])
    assert project_on_simplex(np.array([2.0, 0.0]))[0] == pytest.approx([1.0, 0.0])


def test_the_jackknife_leaves_out_each_unit_with_weights_held():
    n_control, n_pre = 2, 2
    real = synthetic_did(Y, n_control=n_control, n_pre=n_pre)
    effects = []
    for left_out in range(4):
        rows = np.delete(np.arange(4), left_out)
        omega = np.delete(real.omega, left_out) if left_out < n_control else real.omega
        omega = omega / omega.sum()
        treated = Y[rows[rows >= n_control]].mean(axis=0)
        course = treated - omega @ Y[rows[rows < n_control]]
        effects.append(course[n_pre:].mean() - course[:n_pre] @ real.lambda_)
    by_hand = np.sqrt(3 / 4 * ((effects - np.mean(effects)) ** 2).sum())
    assert jackknife_standard_error(Y, n_control=n_control, n_pre=n_pre) == pytest.approx(by_hand)


def test_a_block_takes_the_place_of_the_treated():
    out = block_effects(Y, blocks=[np.array([0, 1])], n_pre=2, method="did")
    assert out == pytest.approx([(3.75 - 2.25) - (9 - 5)])
    without = block_effects(Y, blocks=[np.array([0])], n_pre=2, method="did", exclude=np.array([2, 3]))
    assert without == pytest.approx([(4.5 - 1.5) - (3 - 3)])


def test_cohorts_are_weighed_by_treated_periods():
    y = np.array([[1.0, 1, 1, 1], [2, 2, 2, 2], [0, 0, 3, 3], [0, 0, 0, 9]])
    out = staggered_synthetic_did(y, entry=np.array([0, 0, 3, 4]), periods=np.arange(1, 5), method="did")
    assert out.weights == pytest.approx([2 / 3, 1 / 3])
    assert out.estimate == pytest.approx(2 / 3 * 3 + 1 / 3 * 9)


@pytest.mark.parametrize("statistic", ["coefficient", "studentised"])
def test_the_permutation_p_counts_every_way_in_which_entries_could_have_fallen(statistic):
    rng = np.random.default_rng(3)
    y = rng.normal(size=(8, 6)).cumsum(axis=1)
    entry, periods = np.array([0, 0, 0, 0, 0, 0, 5, 5]), np.arange(1, 7)
    made = synthetic_did_permutation(
        y, entry=entry, periods=periods, statistic=statistic, draws=99, seed=1, alpha=0.05
    )
    assert made.exact
    assert made.n_possible == 28
    values = []
    for pair in itertools.combinations(range(8), 2):
        rows = np.append(np.setdiff1d(np.arange(8), pair), pair)
        values.append(synthetic_did(y[rows], n_control=6, n_pre=4).estimate)
        if statistic == "studentised":
            values[-1] /= jackknife_standard_error(y[rows], n_control=6, n_pre=4)
    assert made.p_value() == pytest.approx((np.abs(values) >= abs(values[-1]) * (1 - 1e-9)).mean())
