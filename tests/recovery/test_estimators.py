"""Known truths found again, and false positives counted, on the study's own design."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.data.source import Source
from pluseval.estimate.did import did
from pluseval.estimate.event_study import event_study
from pluseval.estimate.inference import OLS, ClusterRobust, Welch
from pluseval.estimate.inference_max_t import MaxT
from pluseval.estimate.inference_resampling import Permutation, SignFlip
from pluseval.estimate.problem import Changes, Contrast, OneSample
from pluseval.estimate.ratio import rate_ratio_did
from pluseval.estimate.staggered import staggered_did

PCT = Measure("pct", "percentage", "percentage", "per 100", "per 100", "points", "punten", "lower", per=100)
YEARS = np.arange(2013, 2020)
G, TREATED = 70, 14


def sizes() -> np.ndarray:
    """The study's list sizes: quantiles of log-normals, means 5,125 and 3,160."""

    def quantiles(n: int, mean: float, cv: float) -> np.ndarray:
        s = np.sqrt(np.log(1 + cv**2))
        return np.exp(np.log(mean) - s**2 / 2 + s * stats.norm.ppf((np.arange(n) + 0.5) / n))

    return np.concatenate([quantiles(TREATED, 5125, 0.40), quantiles(G - TREATED, 3160, 0.45)])


def study(seed: int, *, points: float = 0.0, factor: float = 1.0, noise: float = 2.4) -> AnalysisFrame:
    """Referrals of 14 + 56 practices from 2013, an effect from entry in 2016 or 2017."""
    rng = np.random.default_rng(seed)
    size = sizes().round()
    entry = np.where(np.arange(G) < 10, 2016, np.where(np.arange(G) < TREATED, 2017, 0))
    on = (entry > 0)[:, None] & (YEARS >= entry[:, None])
    rate = 34 + rng.normal(0, 4, (G, 1)) + 0.3 * (YEARS - 2013) + rng.normal(0, noise, (G, len(YEARS)))
    rate = np.where(on, rate * factor + points, rate)
    count = rng.poisson(size[:, None] * np.clip(rate, 1, None) / 100)
    data = pd.DataFrame(
        {
            "practice": np.repeat([f"P{i:02d}" for i in range(G)], len(YEARS)),
            "year": np.tile(YEARS, G),
            "entry": np.repeat(entry, len(YEARS)),
            "size": np.repeat(size, len(YEARS)),
            "pct": (100 * count / size[:, None]).ravel(),
        }
    )
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="pct", entry="entry", measure=PCT, exposure="size",
        covariates=("size",), source=Source("planted study of the tests", kind="planted"),
    )  # fmt: skip


WINDOWS = ((2013, 2015), (2017, 2019))
STUDIES = 24


def test_a_planted_effect_is_found_on_average_and_covered():
    truth, found = -2.0, []
    for seed in range(STUDIES):
        frame = study(seed, points=truth)
        found.append(
            (
                did(frame, inference=ClusterRobust("CR2"), windows=WINDOWS),
                event_study(frame, inference=Welch(), reference=2015)["2018"],
                staggered_did(frame).overall,
            )
        )
    for column in zip(*found, strict=True):
        estimates = np.array([e.estimate for e in column])
        error = estimates.std(ddof=1) / np.sqrt(STUDIES)
        assert abs(estimates.mean() - truth) < 4 * error
        covered = np.mean([e.conf_low <= truth <= e.conf_high for e in column])
        assert covered >= 0.75  # 95 % nominal, 24 studies: 17 or fewer covered has chance 1e-4


def test_a_planted_ratio_is_found_on_average():
    truth = 0.93
    found = [
        rate_ratio_did(study(seed, factor=truth), inference=ClusterRobust("CR2"), windows=WINDOWS)
        for seed in range(STUDIES)
    ]
    logs = np.log([e.estimate for e in found])
    assert abs(logs.mean() - np.log(truth)) < 4 * logs.std(ddof=1) / np.sqrt(STUDIES)
    assert np.mean([e.conf_low <= truth <= e.conf_high for e in found]) >= 0.75


def null_problem(rng: np.random.Generator, size: np.ndarray) -> Contrast:
    """Changes of the study without effect: 3.4 points beyond Poisson noise at 34 per 100."""
    poisson = 100 * np.sqrt(2 * 0.34 / size)
    ones = np.ones((G, 1))
    return Contrast(
        y=3.4 * rng.normal(size=G) + poisson * rng.normal(size=G),
        fixed=ones,
        by_treatment=ones,
        cluster=np.arange(G),
        treated=np.arange(G) < TREATED,
        columns={"size": size},
    )


PROCEDURES = {
    "OLS": (OLS(), 800),
    "Welch": (Welch(), 800),
    "CR2": (ClusterRobust("CR2"), 800),
    "permutation within tertiles": (Permutation(draws=199, seed=1, strata="size"), 400),
}


@pytest.mark.parametrize("name", PROCEDURES)
def test_false_positives_on_the_studys_design_are_nominal(name):
    inference, studies = PROCEDURES[name]
    rng, size = np.random.default_rng(11), sizes()
    rejected = np.mean(
        [inference.infer(null_problem(rng, size), 0.95).p_value <= 0.05 for _ in range(studies)]
    )
    allowed = 4 * np.sqrt(0.05 * 0.95 / studies)  # four Monte Carlo errors
    assert abs(rejected - 0.05) < allowed + 0.01, f"{name} rejects {rejected:.3f} of {studies} studies"


def test_false_positives_of_sign_flips_are_nominal():
    rng, studies = np.random.default_rng(5), 300
    p = [SignFlip(draws=1_024).infer(OneSample(rng.normal(size=10)), 0.95).p_value for _ in range(studies)]
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / studies)


def test_false_positives_over_all_adjacent_changes_are_nominal_where_single_ones_are_not():
    rng, studies = np.random.default_rng(6), 200
    single = joint = 0
    for _ in range(studies):
        y = np.diff(rng.normal(size=(30, 7)), axis=1)
        changes = Changes(y, np.arange(30) < 8, np.ones((30, 1)), tuple("abcdef"))
        on = changes.treated
        single += min(stats.ttest_ind(y[on], y[~on]).pvalue) <= 0.05
        joint += MaxT(draws=99, seed=3, statistic="pooled").joint(changes, "any").p_value <= 0.05
    assert joint / studies < 0.05 + 4 * np.sqrt(0.05 * 0.95 / studies)
    assert single / studies > 0.15  # six looks at 5 %


def test_false_positives_of_joint_tests_are_nominal():
    rng, studies = np.random.default_rng(7), 300
    for inference in (OLS(), Welch(), ClusterRobust("CR2")):
        p = []
        for _ in range(studies):
            y = rng.normal(size=(40, 2)) * np.where(np.arange(40) < 10, 1.0, 1.5)[:, None] ** (
                0 if isinstance(inference, OLS) else 1
            )
            changes = Changes(y, np.arange(40) < 10, np.ones((40, 1)), ("a", "b"))
            p.append(inference.joint(changes, "pre-trend").p_value)
        assert abs(np.mean(np.array(p) <= 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / studies), inference
