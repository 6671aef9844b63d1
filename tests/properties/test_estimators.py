"""What must not change an estimate, for every estimator."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.estimate.describe import group_means
from pluseval.estimate.did import did
from pluseval.estimate.event_study import adjacent_changes, event_study
from pluseval.estimate.inference import OLS, ClusterRobust, Inference, JointInference, Welch
from pluseval.estimate.inference_max_t import MaxT
from pluseval.estimate.inference_resampling import Permutation, SignFlip, WildBootstrap
from pluseval.estimate.problem import Contrast, OneSample
from pluseval.estimate.ratio import rate_ratio_did
from pluseval.estimate.result import Estimate, EstimateSet
from pluseval.estimate.single_arm import single_arm, waves
from pluseval.estimate.staggered import staggered_did

COST = Measure("cost", "cost", "kosten", "EUR", "euro", "EUR", "euro", "lower", decimals=0, additive=True)
YEARS = np.arange(2013, 2020)
WINDOWS = ((2013, 2015), (2017, 2019))
CLOSE = {"rel": 1e-9, "abs": 1e-9}


def panel(seed: int = 1, n: int = 24, treated: int = 8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    entry = np.where(np.arange(n) < treated, np.where(np.arange(n) < treated // 2, 2016, 2017), 0)
    years, size = len(YEARS), rng.integers(1500, 7000, n)
    cost = 1500 + rng.normal(0, 80, (n, 1)) + rng.normal(0, 60, (n, years)) + 20 * np.arange(years)
    return pd.DataFrame(
        {
            "practice": np.repeat([f"P{i:03d}" for i in range(n)], years),
            "year": np.tile(YEARS, n),
            "entry": np.repeat(entry, years),
            "list": np.repeat(size, years) + rng.integers(0, 300, n * years),
            "cost": cost.ravel(),
            "size": np.repeat(size, years),
        }
    )


def framed(data: pd.DataFrame) -> AnalysisFrame:
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="cost", entry="entry", measure=COST, exposure="list",
        persons="list", covariates=("size",),
    )  # fmt: skip


ASKED: dict[str, Callable[[AnalysisFrame], Estimate | EstimateSet]] = {
    "did, OLS": lambda f: did(f, inference=OLS(), windows=WINDOWS),
    "did, adjusted": lambda f: did(f, inference=ClusterRobust(), windows=WINDOWS, adjust=["log(size)"]),
    "did, exposure": lambda f: did(f, inference=ClusterRobust(), windows=WINDOWS, weights="exposure"),
    "did, permutation": lambda f: did(
        f, inference=Permutation(draws=499, seed=2, strata="size"), periods=(2015, 2018)
    ),
    "did, wild": lambda f: did(
        f, inference=WildBootstrap(draws=499, seed=2, weights="webb"), windows=WINDOWS
    ),
    "event study": lambda f: event_study(f, inference=Welch(), reference=2015, exclude=(2016,)),
    "adjacent": lambda f: adjacent_changes(f, inference=OLS(), joint=MaxT(draws=199, seed=1)),
    "single arm": lambda f: single_arm(f, inference=SignFlip(draws=256), windows=WINDOWS),
    "waves": lambda f: waves(f, inference=OLS()),
    "staggered": lambda f: staggered_did(f, comparison="not_yet_treated"),
    "ratio": lambda f: rate_ratio_did(f, inference=ClusterRobust(), windows=WINDOWS),
    "levels": lambda f: group_means(f),
}
DIFFERENCES = [name for name in ASKED if name not in ("ratio", "levels")]
TWO_GROUPS = [name for name in DIFFERENCES if name not in ("single arm", "waves")]


def numbers(found: Estimate | EstimateSet) -> np.ndarray:
    estimates = [found] if isinstance(found, Estimate) else list(found)
    joint = [] if isinstance(found, Estimate) else [[j.statistic, j.p_value] + [0.0] * 4 for j in found.joint]
    rows = [[e.estimate, e.std_error, e.statistic, e.p_value, e.conf_low, e.conf_high] for e in estimates]
    return np.array(rows + joint, dtype=float)


@pytest.mark.parametrize("name", ASKED)
def test_the_callers_data_are_unchanged(name):
    data = panel()
    kept, frame = data.copy(deep=True), framed(data)
    rows, practices = frame.rows.copy(deep=True), frame.practices.copy(deep=True)
    ASKED[name](frame)
    pd.testing.assert_frame_equal(data, kept)
    pd.testing.assert_frame_equal(frame.rows, rows)
    pd.testing.assert_frame_equal(frame.practices, practices)


@pytest.mark.parametrize("name", ASKED)
def test_the_order_of_rows_changes_no_bit(name):
    data = panel()
    shuffled = data.sample(frac=1, random_state=7)
    assert numbers(ASKED[name](framed(shuffled))).tobytes() == numbers(ASKED[name](framed(data))).tobytes()


@pytest.mark.parametrize("name", TWO_GROUPS)
def test_a_change_common_to_all_practices_moves_nothing(name):
    data = panel()
    # within a window a practice's years are weighed by its own exposure, so the shock is one per window there
    steps = [0, 0, 0, 200, -130, -130, -130] if name.startswith("did") else [0, 90, -40, 200, 10, -300, 55]
    shock = data["year"].map(dict(zip(YEARS, steps, strict=True)))
    moved = numbers(ASKED[name](framed(data.assign(cost=data["cost"] + shock))))
    assert moved == pytest.approx(numbers(ASKED[name](framed(data))), rel=1e-6, abs=1e-6, nan_ok=True)


def test_the_mean_of_ratios_ignores_any_shock_of_a_year():
    data = panel()
    shock = data["year"].map(dict(zip(YEARS, [0, 90, -40, 200, 10, -300, 55], strict=True)))
    one, two = (
        did(framed(d), inference=OLS(), windows=WINDOWS, average="mean_of_ratios")
        for d in (data, data.assign(cost=data["cost"] + shock))
    )
    assert numbers(one) == pytest.approx(numbers(two), **CLOSE)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_what_is_fixed_of_a_practice_moves_nothing(name):
    if name == "did, exposure":
        pytest.skip("a ratio of sums weighs practices anew in each window, so their levels do matter")
    data = panel()
    level = data["practice"].map({p: 40.0 * i for i, p in enumerate(sorted(set(data["practice"])))})
    moved = numbers(ASKED[name](framed(data.assign(cost=data["cost"] + level))))
    assert moved == pytest.approx(numbers(ASKED[name](framed(data))), rel=1e-6, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_estimates_scale_with_the_unit_and_p_values_do_not(name):
    data = panel()
    euros, cents = (numbers(ASKED[name](framed(data.assign(cost=data["cost"] * k)))) for k in (1, 100))
    n = len(euros) if isinstance(ASKED[name](framed(data)), Estimate) else len(ASKED[name](framed(data)))
    assert cents[:n, [0, 1, 4, 5]] == pytest.approx(100 * euros[:n, [0, 1, 4, 5]], rel=1e-6)
    assert cents[:n, [2, 3]] == pytest.approx(euros[:n, [2, 3]], rel=1e-6)


ASYMPTOTIC = [n for n in TWO_GROUPS if "permutation" not in n and "wild" not in n and n != "adjacent"]


@pytest.mark.parametrize("name", ASYMPTOTIC)
def test_the_names_of_practices_do_not_matter(name):
    data = panel()
    names = sorted(set(data["practice"]))
    other = dict(
        zip(names, np.random.default_rng(5).permutation([f"Q{i}" for i in range(len(names))]), strict=True)
    )
    renamed = numbers(ASKED[name](framed(data.assign(practice=data["practice"].map(other)))))
    assert renamed == pytest.approx(numbers(ASKED[name](framed(data))), nan_ok=True, **CLOSE)


def test_practices_treated_from_the_start_move_no_staggered_estimate():
    data = panel()
    always = data[data["practice"].isin(["P000", "P001"])].assign(
        practice=lambda d: "Z" + d["practice"], entry=2013, cost=lambda d: d["cost"] * 3
    )
    found = staggered_did(framed(pd.concat([data, always])))
    assert numbers(found) == pytest.approx(numbers(staggered_did(framed(data))), **CLOSE)
    assert [(loss.reason, loss.count) for loss in found.overall.losses] == [
        ("practices that joined in 2013 or before", 2)
    ]


def test_exchanging_the_groups_turns_the_sign():
    data = panel()
    flipped = data.assign(entry=np.where(data["entry"] == 0, 2016, 0))
    for inference in (OLS(), Welch(), ClusterRobust()):
        one, two = (did(framed(d), inference=inference, windows=WINDOWS) for d in (data, flipped))
        assert (one.estimate, one.conf_low, one.conf_high) == pytest.approx(
            (-two.estimate, -two.conf_high, -two.conf_low), **CLOSE
        )
        assert one.p_value == pytest.approx(two.p_value, **CLOSE)


def test_exchanging_the_periods_turns_the_sign_of_an_adjacent_change():
    data = panel()
    mirrored = data.assign(year=2013 + 2019 - data["year"])
    one = did(framed(data), inference=Welch(), periods=(2014, 2018))
    two = did(framed(mirrored), inference=Welch(), periods=(2014, 2018))
    assert one.estimate == pytest.approx(-two.estimate, **CLOSE)


@pytest.mark.parametrize(
    "inference",
    [
        OLS(),
        Welch(),
        ClusterRobust(),
        SignFlip(draws=8),
        Permutation(draws=9, seed=1),
        WildBootstrap(draws=9, seed=1),
    ],
)
def test_every_inference_is_a_frozen_value_that_takes_a_problem(inference):
    assert isinstance(inference, Inference)
    with pytest.raises(AttributeError):
        inference.draws = 7  # type: ignore[misc]
    assert set(inspect.signature(inference.infer).parameters) == {"problem", "level"}
    if not isinstance(inference, WildBootstrap):
        assert isinstance(inference, JointInference)


def test_the_design_of_a_contrast_follows_the_assignment():
    problem = Contrast(
        y=np.arange(4.0),
        fixed=np.ones((4, 1)),
        by_treatment=np.ones((4, 1)),
        cluster=np.arange(4),
        treated=np.array([True, True, False, False]),
    )
    assert problem.X[:, 1].tolist() == [1, 1, 0, 0]
    assert problem.design(np.array([0, 1, 1, 0]))[:, 1].tolist() == [0, 1, 1, 0]
    assert problem.collapsed and problem.two_means and OneSample(np.arange(3.0)).n_clusters == 3


def test_counts_of_persons_never_exceed_those_in_the_data():
    data = panel()
    found = did(framed(data), inference=OLS(), windows=WINDOWS)
    in_a_year = data.groupby(["year", data["entry"] > 0])["list"].sum()
    for cell in found.counts.cells:
        assert cell.persons is not None
        assert cell.persons <= in_a_year.xs(cell.group == "programme", level="entry").max()
        assert 0 < cell.practice_share <= cell.two_practices_share <= 1
