"""What must not change an answer, for models, staggered estimators, side-by-side sets and checks."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from pluseval.estimate.at_least_one import at_least_one
from pluseval.estimate.bacon import goodman_bacon
from pluseval.estimate.credibility import baseline_check, placebo_outcomes, placebo_periods
from pluseval.estimate.dose import dose_did
from pluseval.estimate.gee_model import gee_did
from pluseval.estimate.heterogeneity import effect_heterogeneity
from pluseval.estimate.honest import honest_did
from pluseval.estimate.imputation import imputation_did
from pluseval.estimate.inference import OLS, ClusterRobust, Welch
from pluseval.estimate.inference_max_t import MaxT
from pluseval.estimate.inference_resampling import Permutation
from pluseval.estimate.leave_one_out import leave_one_out
from pluseval.estimate.mixed_model import mixed_did
from pluseval.estimate.pretrend import pretrend_check
from pluseval.estimate.result import Estimate, JointTest
from pluseval.estimate.robustness import robustness
from pluseval.estimate.serial import serial_did
from pluseval.estimate.specification import specification_curve
from pluseval.estimate.sun_abraham import sun_abraham

WINDOWS = ((2013, 2015), (2017, 2019))
PRACTICES = {
    "imputation": imputation_did,
    "imputation, permuted": lambda f: imputation_did(f, inference=Permutation(draws=99, seed=1)).overall,
    "Sun-Abraham": sun_abraham,
    "Bacon": goodman_bacon,
    "dose": lambda f: dose_did(f, inference=ClusterRobust(), windows=((2013, 2015), (2016, 2019))),
    "serial": lambda f: serial_did(f, windows=WINDOWS),
    "GEE": lambda f: gee_did(f, windows=WINDOWS, time="window"),
    "robustness": lambda f: robustness(f, seed=1, windows=WINDOWS, draws=99, full=True, primary=Welch()),
    "curve": lambda f: specification_curve(
        f, windows=[WINDOWS], inferences={"t": OLS()}, weights=["practice"], estimators=["did", "imputation"]
    ),
    "placebo periods": lambda f: placebo_periods(f, inference=Welch()),
    "placebo outcome": lambda f: placebo_outcomes({"one": f}, inference=Welch(), windows=WINDOWS),
    "baselines": lambda f: baseline_check(f, inference=Welch()),
    "pre-trend": lambda f: pretrend_check(f, inference=Welch(), windows=WINDOWS),
    "honest": lambda f: honest_did(f, seed=1, relative=[1.0], smooth=[0.2]),
    "leave one out": lambda f: leave_one_out(f, inference=OLS(), windows=WINDOWS),
    "heterogeneity": lambda f: effect_heterogeneity(f, windows=WINDOWS),
    "at least one": lambda f: at_least_one(
        {"a": f, "b": f.between(2013, 2018)}, inference=MaxT(draws=99, seed=1),
        windows=((2013, 2015), (2017, 2018)),
    ),
}  # fmt: skip
PERSONS = {
    "Kenward-Roger": mixed_did,
    "mixed, CR2": lambda f: mixed_did(f, method="cr2"),
    "profile": lambda f: mixed_did(f, method="profile"),
    "GEE": gee_did,
}
CLOSE = {"rel": 1e-5, "abs": 1e-6}


def numbers(found) -> np.ndarray:
    if isinstance(found, JointTest):
        return np.array([found.statistic, found.p_value])
    return np.array(
        [[e.estimate, e.std_error, e.p_value, e.conf_low, e.conf_high] for e in estimates_of(found)],
        dtype=float,
    )


def estimates_of(found) -> list[Estimate]:
    if isinstance(found, JointTest):
        return []
    return [found] if isinstance(found, Estimate) else list(found)


@pytest.mark.parametrize("name", [*PRACTICES, *(f"persons: {name}" for name in PERSONS)])
def test_answers_survive_pickling_with_their_procedure(drawn, name):
    made = (PRACTICES.get(name) or PERSONS[name.removeprefix("persons: ")])(
        (drawn.framed if name in PRACTICES else drawn.framed_persons)(data_of(drawn, name))
    )
    back = pickle.loads(pickle.dumps(made))
    assert numbers(back) == pytest.approx(numbers(made), nan_ok=True)
    for kept, read in zip(estimates_of(made), estimates_of(back), strict=True):
        if kept.test is not None and not np.isnan(kept.p_value):
            assert read.p_at(0.1) == kept.p_at(0.1)


def answer(drawn, name, data):
    if name in PRACTICES:
        return numbers(PRACTICES[name](drawn.framed(data)))
    return numbers(PERSONS[name.removeprefix("persons: ")](drawn.framed_persons(data)))


NAMES = [*PRACTICES, *(f"persons: {name}" for name in PERSONS)]


def data_of(drawn, name) -> pd.DataFrame:
    return drawn.practice_rows(7) if name in PRACTICES else drawn.person_rows(7)


@pytest.mark.parametrize("name", NAMES)
def test_the_callers_data_are_unchanged_and_the_order_of_rows_does_not_matter(drawn, name):
    data = data_of(drawn, name)
    kept = data.copy(deep=True)
    first = answer(drawn, name, data)
    pd.testing.assert_frame_equal(data, kept)
    again = answer(drawn, name, data.sample(frac=1, random_state=3))
    assert again == pytest.approx(first, nan_ok=True, **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_a_course_common_to_all_changes_no_effect(drawn, name):
    data = data_of(drawn, name)
    time, y = ("year", "pct") if "year" in data else ("wave", "grade")
    moved = data.assign(**{y: data[y] + 3 * (data[time] - 2013) ** 2 / 10 + 5})
    shown = answer(drawn, name, data)
    assert answer(drawn, name, moved) == pytest.approx(shown, nan_ok=True, **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_practices_that_keep_their_order_do_not_matter(drawn, name):
    data = data_of(drawn, name)
    renamed = data.assign(practice=[f"GP{p:04d}" for p in data.practice])
    assert answer(drawn, name, renamed) == pytest.approx(answer(drawn, name, data), nan_ok=True, **CLOSE)
