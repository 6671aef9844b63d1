"""The joint wild bootstrap: every sign vector refitted, one change as before, what cannot change it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.linear import fit
from pluseval.numerics.wild import DISTRIBUTIONS, wild_bootstrap
from pluseval.numerics.wild_joint import wild_joint_test

G, K = 9, 2
X = np.column_stack([np.ones(G), np.linspace(-1, 2, G) ** 2, np.arange(G) < 4]).astype(float)


@pytest.fixture(scope="module")
def y() -> np.ndarray:
    rng = np.random.default_rng(4)
    return rng.normal(size=(G, K)) + np.outer(X[:, 2], [0.8, 0.3])


def wald(y: np.ndarray, effect: np.ndarray) -> float:
    bread = np.linalg.inv(X.T @ X)
    coef = bread @ X.T @ y
    scores = (X @ bread)[:, [2]] * (y - X @ coef)
    gap = coef[2] - effect
    return gap @ np.linalg.inv(scores.T @ scores) @ gap


@pytest.mark.parametrize("restricted", [True, False])
def test_every_sign_vector_is_refitted(y, restricted):
    base = X[:, :2] if restricted else X
    fitted = base @ np.linalg.lstsq(base, y, rcond=None)[0]
    null = np.zeros(K) if restricted else np.linalg.lstsq(X, y, rcond=None)[0][2]
    observed = wald(y, np.zeros(K))
    drawn = [
        wald(fitted + np.array(signs)[:, None] * (y - fitted), null)
        for signs in itertools.product((-1, 1), repeat=G)
    ]
    made = wild_joint_test(y, X, restricted=restricted, draws=999, seed=1)
    assert made.enumerated and made.n_draws == 2**G
    assert made.p_value == np.mean(np.array(drawn) > observed * (1 + 1e-8))
    assert made.statistic == pytest.approx(observed / K * (G - 3) / G)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("restricted", [True, False])
def test_one_change_is_the_bootstrap_of_its_t(y, distribution, restricted):
    how = {"distribution": distribution, "restricted": restricted, "draws": 599, "seed": 2}
    one = wild_bootstrap(fit(y[:, 0], X), np.arange(G), 2, **how)
    made = wild_joint_test(y[:, :1], X, **how)
    assert made.p_value == one.p_value()
    assert made.statistic == pytest.approx(one.statistic**2)
    assert made.effects == pytest.approx([one.estimate])


def test_other_combinations_of_the_same_changes_are_the_same_test(y):
    adjacent = y @ np.array([[1.0, -1.0], [0.0, 1.0]])
    one, other = (wild_joint_test(each, X, draws=999, seed=1) for each in (y, 1_000 * adjacent))
    assert (other.statistic, other.p_value) == pytest.approx((one.statistic, one.p_value))


def test_the_level_is_kept_under_the_null():
    rng, studies, p = np.random.default_rng(9), 300, []
    design = np.column_stack([np.ones(30), np.arange(30) < 10])
    for seed in range(studies):
        changes = rng.normal(size=(30, 3)) @ rng.normal(size=(3, 3))
        p.append(wild_joint_test(changes, design, draws=199, seed=seed).p_value)
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / studies)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"y": np.ones((G, K))}, "do not vary"),
        ({"y": np.tile(np.arange(G) ** 2, (K, 1)).T}, "combinations of each other"),
        ({"y": np.full((G, K), np.nan)}, "must be finite"),
        ({"y": np.ones(G)}, r"must be \(G, K\)"),
        ({"y": np.eye(G)}, "cannot carry"),
        ({"X": X[:, [0, 2, 2]]}, "collinear or fix"),
        ({"distribution": "normal"}, "a distribution is one of"),
        ({"draws": 9}, "no smaller than"),
        ({"draws": 0}, "at least one draw"),
    ],
)
def test_what_cannot_be_tested_is_refused(y, change, match):
    with pytest.raises(DesignError, match=match):
        wild_joint_test(**{"y": y, "X": X, "draws": 999, "seed": 1, **change})
