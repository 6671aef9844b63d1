"""What must not matter to a linear mixed model, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluseval.errors import DesignError
from pluseval.numerics.mixed import mixed_model
from pluseval.numerics.mixed_inference import joint_test, kenward_roger, satterthwaite
from pluseval.numerics.mixed_profile import likelihood_ratio_test, profile_interval


def study(seed: int = 3, practices: int = 12):
    rng = np.random.default_rng(seed)
    practice = np.repeat(np.arange(practices), 18)
    patient = np.repeat(np.arange(practices * 6), 3)
    period = np.tile([0, 1, 2], practices * 6)
    keep = rng.random(practice.size) > 0.15
    practice, patient, period = practice[keep], patient[keep], period[keep]
    group = (practice < practices // 3).astype(float)
    post = (period > 0).astype(float)
    x = np.column_stack(
        [np.ones(practice.size), group, post, group * post, rng.normal(50, 10, practice.size)]
    )
    y = (
        rng.normal(0, 0.5, practices)[practice]
        + rng.normal(0, 0.4, (practices, 3))[practice, period]
        + rng.normal(0, 0.6, practices * 6)[patient]
        + rng.normal(0, 1.0, practice.size)
    )
    return y, x, {"practice": practice, "period": period, "patient": patient}


Y, X, GROUPS = study()


def figures(model) -> np.ndarray:
    kr, sw = kenward_roger(model), satterthwaite(model)
    return np.concatenate([model.coefficients, kr.std_errors, kr.df, sw.std_errors, sw.df])


@settings(max_examples=10, deadline=None)
@given(st.floats(-1e4, 1e4))
def test_a_shift_of_y_moves_only_the_intercept(shift):
    base, moved = mixed_model(Y, X, **GROUPS), mixed_model(Y + shift, X, **GROUPS)
    change = moved.coefficients - base.coefficients
    np.testing.assert_allclose(change, [shift, 0, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(kenward_roger(moved).std_errors, kenward_roger(base).std_errors, rtol=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.floats(1e-4, 1e5))
def test_the_unit_of_y_scales_everything_and_changes_no_test(unit):
    base, scaled = mixed_model(Y, X, **GROUPS), mixed_model(unit * Y, X, **GROUPS)
    for effect, variance in base.variances.items():
        assert scaled.variances[effect] == pytest.approx(unit**2 * variance, rel=1e-4, abs=1e-9 * unit**2)
    np.testing.assert_allclose(kenward_roger(scaled).df, kenward_roger(base).df, rtol=1e-4)
    np.testing.assert_allclose(
        kenward_roger(scaled).p_values, kenward_roger(base).p_values, rtol=1e-4, atol=1e-12
    )


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_does_not_matter(seed):
    order = np.random.default_rng(seed).permutation(Y.size)
    shuffled = mixed_model(Y[order], X[order], **{k: v[order] for k, v in GROUPS.items()})
    np.testing.assert_allclose(figures(shuffled), figures(mixed_model(Y, X, **GROUPS)), rtol=1e-5, atol=1e-8)


def test_the_names_of_groups_do_not_matter():
    named = {k: np.array([f"{k}-{v:04d}" for v in values]) for k, values in GROUPS.items()}
    np.testing.assert_allclose(
        figures(mixed_model(Y, X, **named)), figures(mixed_model(Y, X, **GROUPS)), rtol=1e-6
    )


def test_another_parametrisation_of_x_gives_the_same_contrast():
    turn = np.eye(5)
    turn[0, 1], turn[2, 3] = -1.0, 2.0
    base, turned = mixed_model(Y, X, **GROUPS), mixed_model(Y, X @ turn, **GROUPS)
    contrast = np.linalg.inv(turn) @ turn  # coefficient j of X is row j of turn @ (turned coefficients)
    np.testing.assert_allclose(turn @ turned.coefficients, base.coefficients, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(kenward_roger(turned, turn @ contrast).df, kenward_roger(base).df, rtol=1e-5)
    assert turned.log_likelihood == pytest.approx(base.log_likelihood, rel=1e-9)  # |turn| = 1


def test_the_callers_arrays_are_left_alone():
    y, x, groups = study(seed=4)
    before = [y.copy(), x.copy(), *(v.copy() for v in groups.values())]
    for array in (y, x, *groups.values()):
        array.flags.writeable = False
    model = mixed_model(y, x, **groups)
    satterthwaite(model), kenward_roger(model), model.blups(), profile_interval(model, coefficient=3)
    for old, new in zip(before, (y, x, *groups.values()), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_values_are_refused(value):
    y, x = Y.copy(), X.copy()
    y[3] = value
    with pytest.raises(DesignError, match="1 values of y"):
        mixed_model(y, X, **GROUPS)
    x[7, 2] = value
    with pytest.raises(DesignError, match="1 values of X"):
        mixed_model(Y, x, **GROUPS)


def test_collinear_columns_are_refused_by_name():
    names = ("constant", "group", "post", "did", "age", "again")
    with pytest.raises(DesignError, match="again"):
        mixed_model(Y, np.column_stack([X, X[:, 1] + X[:, 2]]), names=names, **GROUPS)
    with pytest.raises(DesignError, match="zero on every row"):
        mixed_model(Y, np.column_stack([X, np.zeros(Y.size)]), **GROUPS)


def test_an_outcome_that_does_not_vary_is_refused():
    with pytest.raises(DesignError, match="does not vary"):
        mixed_model(np.full(Y.size, 7.0), X, **GROUPS)


def test_a_patient_who_changes_practice_is_refused_or_split():
    moved = GROUPS | {"practice": GROUPS["practice"].copy()}
    first = np.flatnonzero(GROUPS["patient"] == 0)[:1]
    moved["practice"][first] = 5
    with pytest.raises(DesignError, match="1 patients are seen in more than one practice"):
        mixed_model(Y, X, **moved)
    split = mixed_model(Y, X, **moved, patient_within_practice=True)
    by_hand = moved | {"patient": moved["practice"] * 1000 + moved["patient"]}
    np.testing.assert_allclose(figures(split), figures(mixed_model(Y, X, **by_hand)), rtol=1e-7)
    assert split.n_groups["patient"] == mixed_model(Y, X, **GROUPS).n_groups["patient"] + 1


def test_effects_that_cannot_be_told_apart_are_refused():
    rows = np.arange(Y.size)
    with pytest.raises(DesignError, match="every patient has one row"):
        mixed_model(Y, X, practice=GROUPS["practice"], patient=rows)
    with pytest.raises(DesignError, match="every practice has one period"):
        mixed_model(Y, X, practice=GROUPS["practice"], period=GROUPS["practice"])
    with pytest.raises(DesignError, match="every practice has one patient"):
        mixed_model(Y, X, practice=GROUPS["practice"], patient=GROUPS["practice"])
    with pytest.raises(DesignError, match="at least 2 practices"):
        mixed_model(Y, X, practice=np.zeros(Y.size, dtype=int))


def test_shapes_and_labels_are_checked():
    with pytest.raises(DesignError, match="one label per row"):
        mixed_model(Y, X, practice=GROUPS["practice"][:-1])
    with pytest.raises(DesignError, match="labels of period are missing"):
        mixed_model(Y, X, practice=GROUPS["practice"], period=np.where(GROUPS["period"] == 1, np.nan, 1.0))
    with pytest.raises(DesignError, match="rows cannot identify"):
        mixed_model(Y[:4], X[:4], practice=np.array([0, 0, 1, 1]))


def test_tests_refuse_what_they_cannot_answer():
    model = mixed_model(Y, X, **GROUPS)
    with pytest.raises(DesignError, match="5 columns"):
        satterthwaite(model, np.ones((1, 3)))
    with pytest.raises(DesignError, match="depend on each other"):
        joint_test(model, np.ones((2, 5)), method="kenward_roger")
    with pytest.raises(DesignError, match="unknown"):
        joint_test(model, np.eye(5)[:2], method="wald")
    with pytest.raises(DesignError, match="REML"):
        likelihood_ratio_test(model, mixed_model(Y, X[:, :-1], **GROUPS))
    with pytest.raises(DesignError, match="name one of"):
        profile_interval(model)
