"""What must not move a synthetic difference in differences, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluseval.errors import DesignError
from pluseval.numerics.assign import assignments
from pluseval.numerics.simplex import frank_wolfe, project_on_simplex, simplex_least_squares
from pluseval.numerics.simplex_many import simplex_least_squares_many
from pluseval.numerics.synthdid import METHODS, staggered_synthetic_did, synthetic_did
from pluseval.numerics.synthdid_permutation import synthetic_did_permutation
from pluseval.numerics.synthdid_resampling import (
    block_effects,
    bootstrap_effects,
    jackknife_standard_error,
    leave_one_out_effects,
    placebo_effects,
)

CONTROLS, TREATED, PRE, POST = 20, 3, 7, 3
DESIGN = {"n_control": CONTROLS, "n_pre": PRE}
CLOSE = {"rel": 1e-6, "abs": 1e-6}


@pytest.fixture
def y() -> np.ndarray:
    rng = np.random.default_rng(2)
    courses = rng.normal(size=(2, PRE + POST)).cumsum(axis=1)
    return rng.normal(size=(CONTROLS + TREATED, 2)) @ courses + rng.normal(
        size=(CONTROLS + TREATED, PRE + POST)
    )


@pytest.mark.parametrize("method", ["sdid", "did"])
def test_unit_levels_move_nothing(method, y):
    moved = y + np.arange(CONTROLS + TREATED)[:, None] * 5
    assert synthetic_did(moved, method=method, **DESIGN).estimate == pytest.approx(
        synthetic_did(y, method=method, **DESIGN).estimate, **CLOSE
    )


def test_a_common_course_moves_nothing_under_the_same_regularisation(y):
    """The default regularisation follows the spread of changes; a common course is part of it (in R too)."""
    out = synthetic_did(y, **DESIGN)
    zetas = {"zeta_omega": out.zeta_omega, "zeta_lambda": out.zeta_lambda}
    moved = synthetic_did(y + np.sin(np.arange(PRE + POST)) * 9, **zetas, **DESIGN)
    assert moved.estimate == pytest.approx(out.estimate, **CLOSE)


def test_a_common_course_moves_nothing_in_a_synthetic_control(y):
    moved = y + np.sin(np.arange(PRE + POST)) * 9
    assert synthetic_did(moved, method="sc", **DESIGN).estimate == pytest.approx(
        synthetic_did(y, method="sc", **DESIGN).estimate, **CLOSE
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_order_within_each_arm_and_before_the_start_moves_nothing(method, y):
    rng = np.random.default_rng(4)
    rows = np.append(rng.permutation(CONTROLS), CONTROLS + rng.permutation(TREATED))
    out, moved = synthetic_did(y, method=method, **DESIGN), synthetic_did(y[rows], method=method, **DESIGN)
    assert moved.estimate == pytest.approx(out.estimate, **CLOSE)
    assert moved.omega == pytest.approx(out.omega[rows[:CONTROLS]], abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_unit_of_measurement_only_scales(method, y):
    out = synthetic_did(y, method=method, **DESIGN)
    assert synthetic_did(1_000 * y, method=method, **DESIGN).estimate == pytest.approx(
        1_000 * out.estimate, rel=1e-6
    )
    assert synthetic_did(-y, method=method, **DESIGN).estimate == pytest.approx(-out.estimate, **CLOSE)


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_effect_is_added_to_the_estimate(method, y):
    more = y.copy()
    more[CONTROLS:, PRE:] += 4.0
    out, moved = synthetic_did(y, method=method, **DESIGN), synthetic_did(more, method=method, **DESIGN)
    assert moved.estimate == pytest.approx(out.estimate + 4.0, **CLOSE)
    assert moved.effects.mean() == pytest.approx(moved.estimate)


@pytest.mark.parametrize("method", METHODS)
def test_weights_are_shares(method, y):
    out = synthetic_did(y, method=method, **DESIGN)
    assert out.omega.sum() == pytest.approx(1)
    assert (out.omega >= 0).all()
    assert out.lambda_.sum() == pytest.approx(0 if method == "sc" else 1)


def test_a_real_block_gets_the_real_estimate(y):
    block = np.arange(CONTROLS, CONTROLS + TREATED)
    for method in METHODS:
        effect = block_effects(y, blocks=[block], n_pre=PRE, method=method)
        assert effect == pytest.approx([synthetic_did(y, method=method, **DESIGN).estimate], **CLOSE)


@given(
    st.integers(1, 12),
    st.integers(2, 30),
    st.sampled_from([0.0, 1e-8, 1e-3, 1.0, 100.0]),
    st.integers(0, 999),
)
@settings(max_examples=60, deadline=None)
def test_no_point_of_the_simplex_is_better_than_the_minimum(rows, columns, ridge, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(rows, columns)), rng.normal(size=rows)
    weights = simplex_least_squares(a, b, ridge=ridge)
    gradient = a.T @ (a @ weights - b) + ridge * weights
    # optimal if no vertex lies in a direction of descent
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    assert gradient.min() >= gradient @ weights - 1e-8 * (1 + np.abs(gradient).max())


def test_the_same_seed_gives_the_same_draws(y):
    for effects in (placebo_effects, bootstrap_effects):
        one, two = (effects(y, draws=5, seed=3, **DESIGN) for _ in range(2))
        assert np.array_equal(one, two)


def test_nothing_changes_the_callers_arrays(y):
    y.setflags(write=False)
    for solver in ("exact", "frank_wolfe"):
        synthetic_did(y, solver=solver, **DESIGN)
    placebo_effects(y, draws=2, seed=1, **DESIGN)
    bootstrap_effects(y, draws=2, seed=1, **DESIGN)
    jackknife_standard_error(y, **DESIGN)
    entry = np.repeat([0, 8, 9], [CONTROLS, 2, 1])
    entry.setflags(write=False)
    staggered_synthetic_did(y, entry=entry, periods=np.arange(1, PRE + POST + 1))


def test_constant_outcomes_give_no_effect():
    flat = np.full((5, 6), 3.0)
    for method in METHODS:
        assert synthetic_did(flat, n_control=4, n_pre=3, method=method).estimate == pytest.approx(
            0, abs=1e-12
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_control": 0}, "at least one control"),
        ({"n_control": CONTROLS + TREATED}, "at least one control"),
        ({"n_pre": 0}, "before"),
        ({"n_pre": PRE + POST}, "before"),
        ({"n_pre": 1}, "method='did'"),
        ({"method": "best"}, "sdid"),
        ({"solver": "guess"}, "exact"),
    ],
)
def test_a_design_that_cannot_answer_is_refused(change, message, y):
    with pytest.raises(DesignError, match=message):
        synthetic_did(y, **(DESIGN | change))


def test_missing_values_and_odd_shapes_are_refused(y):
    gap = y.copy()
    gap[0, :2] = np.nan
    with pytest.raises(DesignError, match="2 of 230"):
        synthetic_did(gap, **DESIGN)
    with pytest.raises(DesignError, match="rows and periods"):
        synthetic_did(y[0], **DESIGN)
    with pytest.raises(DesignError, match="ridge"):
        simplex_least_squares(np.ones((2, 2)), np.ones(2), ridge=-1.0)
    with pytest.raises(DesignError, match="matrix"):
        simplex_least_squares(np.ones((2, 2)), np.ones(3))
    with pytest.raises(DesignError, match="different rows"):
        block_effects(y, blocks=[np.array([1, 1])], n_pre=PRE)


def test_errors_that_one_treated_unit_cannot_have_are_refused(y):
    one = y[: CONTROLS + 1]
    with pytest.raises(DesignError, match="placebo_effects"):
        jackknife_standard_error(one, **DESIGN)
    with pytest.raises(DesignError, match="placebo_effects"):
        bootstrap_effects(one, draws=10, seed=1, **DESIGN)
    with pytest.raises(DesignError, match="more controls"):
        placebo_effects(y, n_control=2, n_pre=PRE, draws=10, seed=1)
    with pytest.raises(DesignError, match="two or more draws"):
        placebo_effects(one, draws=1, seed=1, **DESIGN)
    with pytest.raises(DesignError, match="never-treated"):
        staggered_synthetic_did(one, entry=np.full(CONTROLS + 1, 5), periods=np.arange(PRE + POST))
    with pytest.raises(DesignError, match="before its entry"):
        entry = np.append(np.zeros(CONTROLS), 1)
        staggered_synthetic_did(one, entry=entry, periods=np.arange(1, PRE + POST + 1))


def test_projection_and_search_stay_on_the_simplex():
    rng = np.random.default_rng(6)
    for _ in range(20):
        point = project_on_simplex(rng.normal(size=7) * 5)[0]
        assert point.sum() == pytest.approx(1)
        found = frank_wolfe(
            rng.normal(size=(4, 7)),
            rng.normal(size=4),
            ridge=0.1,
            start=point,
            min_decrease=1e-6,
            max_iter=50,
        )
        assert found.sum() == pytest.approx(1)
        assert (found >= -1e-12).all()


@pytest.mark.parametrize("statistic", ["coefficient", "studentised"])
@pytest.mark.parametrize("method", METHODS)
def test_many_assignments_at_once_equal_one_by_one(method, statistic):
    """Staggered, at a trial value other than 0 too: weights, estimate and jackknife error."""
    rng = np.random.default_rng(7)
    entry, periods = np.repeat([6, 8, 0], [3, 2, 12]), np.arange(1, 11)
    y = rng.normal(size=(17, 10)).cumsum(axis=1)
    made = synthetic_did_permutation(
        y, entry=entry, periods=periods, method=method, statistic=statistic, draws=49, seed=1
    )
    codes = np.concatenate(list(assignments(np.where(entry, entry, np.inf), draws=49, seed=1).blocks()))
    starts = np.array([6.0, 8.0, np.inf])
    for null in (0.0, 1.5):
        shifted = y - null * ((entry > 0)[:, None] & (periods >= entry[:, None]))
        drawn = [one_by_one(shifted, row, periods, method, statistic) for row in starts[codes]]
        observed = one_by_one(shifted, np.where(entry, entry, np.inf), periods, method, statistic)
        extreme = np.sum(np.abs(drawn) >= abs(observed) * (1 - 1e-9))
        assert made.p_value(null) == pytest.approx((extreme + 1) / 50)
        if null == 0.0 and statistic == "coefficient":
            assert made.effects == pytest.approx(drawn, rel=1e-8)


def one_by_one(y, start, periods, method, statistic):
    made = staggered_synthetic_did(y, entry=start, periods=periods, method=method)
    if statistic == "coefficient":
        return made.estimate
    never = y[np.isinf(start)]
    controls, treated = np.zeros(len(never)), []
    for cohort, weight, part in zip(made.cohorts, made.weights, made.parts, strict=True):
        without = leave_one_out_effects(np.concatenate([never, y[start == cohort]]), part)
        controls += weight * without[0]
        treated.append(made.estimate + weight * (without[1] - part.estimate))
    effects = np.concatenate([controls, *treated])
    effects = effects[np.isfinite(effects)]
    return made.estimate / np.sqrt((effects.size - 1) ** 2 / effects.size * effects.var(ddof=1))


@given(
    st.integers(1, 12),
    st.integers(2, 20),
    st.sampled_from([0.0, 1e-8, 1e-3, 1.0, 100.0]),
    st.booleans(),
    st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_a_stack_of_problems_reaches_the_minimum_of_each(rows, columns, ridge, repeated, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(3, rows, columns)), rng.normal(size=(3, rows))
    if repeated:
        a[1, :, 1] = a[1, :, 0]
    found = simplex_least_squares_many(a, b, ridge=np.array([ridge, ridge, 0.0]))
    for one in range(3):
        penalty = 0.0 if one == 2 else ridge
        alone = simplex_least_squares(a[one], b[one], ridge=penalty)
        assert found[one].sum() == pytest.approx(1) and (found[one] >= 0).all()
        lost = [np.sum((a[one] @ w - b[one]) ** 2) + penalty * w @ w for w in (found[one], alone)]
        assert lost[0] == pytest.approx(lost[1], rel=1e-8, abs=1e-10)


def test_p_at_each_permutation_interval_end_is_alpha_within_one_draw():
    rng = np.random.default_rng(9)
    entry = np.repeat([0, 4, 5], [14, 3, 3])
    y = rng.normal(size=(20, 6)).cumsum(axis=1)
    made = synthetic_did_permutation(y, entry=entry, periods=np.arange(1, 7), draws=99, seed=1)
    interval = made.conf_int(level=0.9)
    assert interval.bounded
    assert interval.low < made.estimate < interval.high
    for end, outwards in ((interval.low, -1), (interval.high, 1)):
        assert 0.1 < made.p_value(end) <= 0.1 + 1.1 / 100
        assert made.p_value(end + outwards * 1e-6 * made.effects.std()) <= 0.1 + 1e-12
    assert (interval.p_low, interval.p_high) == (made.p_value(interval.low), made.p_value(interval.high))


def test_a_constant_effect_taken_off_restores_the_null():
    rng = np.random.default_rng(10)
    entry, periods = np.repeat([0, 4, 5], [14, 3, 3]), np.arange(1, 7)
    y = rng.normal(size=(20, 6))
    on = (entry[:, None] > 0) & (periods >= entry[:, None])
    for statistic in ("coefficient", "studentised"):
        settings = {"entry": entry, "periods": periods, "draws": 49, "seed": 2, "statistic": statistic}
        before = synthetic_did_permutation(y, **settings)
        after = synthetic_did_permutation(y + 3.0 * on, **settings)
        assert after.p_value(3.0) == before.p_value(0.0)


def test_the_permutation_test_refuses_with_help(y):
    entry, periods = np.repeat([0, 8], [CONTROLS, TREATED]), np.arange(1, PRE + POST + 1)
    with pytest.raises(DesignError, match="one unit"):
        alone = np.append(entry[:-1], 9)
        synthetic_did_permutation(y, entry=alone, periods=periods, statistic="studentised", seed=1)
    with pytest.raises(DesignError, match="no smaller than"):
        synthetic_did_permutation(y, entry=entry, periods=periods, draws=9, seed=1)
    with pytest.raises(DesignError, match="statistic="):
        synthetic_did_permutation(y, entry=entry, periods=periods, statistic="best", seed=1)
    with pytest.raises(DesignError, match="level"):
        synthetic_did_permutation(y, entry=entry, periods=periods, draws=99, seed=1).conf_int(level=95)
