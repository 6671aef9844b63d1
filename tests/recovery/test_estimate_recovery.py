"""Estimators find a known effect, on average over draws, and hold their level where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.estimate.dose import dose_did
from pluseval.estimate.gee_model import gee_did
from pluseval.estimate.heterogeneity import effect_heterogeneity
from pluseval.estimate.imputation import imputation_did
from pluseval.estimate.inference import OLS
from pluseval.estimate.inference_resampling import Permutation
from pluseval.estimate.mixed_model import mixed_did
from pluseval.estimate.serial import serial_did
from pluseval.estimate.sun_abraham import sun_abraham
from pluseval.estimate.synthetic import synthetic_did

EFFECT, STUDIES, Z = -2.0, 40, 4.0
FEW = 20  # studies, where each takes longer
PRACTICES = {
    "imputation": lambda f: imputation_did(f).overall,
    "Sun-Abraham": lambda f: sun_abraham(f).overall,
    "serial": lambda f: serial_did(f, windows=((2013, 2015), (2017, 2019))),
    "synthetic": lambda f: synthetic_did(
        f, inference=Permutation(draws=19, seed=1), interval=False, level=0.9
    ),
}


def mean_and_error(estimates: list[float]) -> tuple[float, float]:
    values = np.array(estimates)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


@pytest.mark.parametrize("name", PRACTICES)
def test_a_staggered_effect_is_found(drawn, name):
    found = [
        PRACTICES[name](drawn.framed(drawn.practice_rows(seed, effect=EFFECT))).estimate
        for seed in range(STUDIES)
    ]
    mean, error = mean_and_error(found)
    assert abs(mean - EFFECT) < Z * error and error < 0.3


def test_the_effect_of_a_full_year_is_found_from_partial_years(drawn):
    found = []
    for seed in range(STUDIES):
        data = drawn.practice_rows(seed)
        dose = np.where(
            data.entry == 0, 0.0, np.clip(data.year - data.entry + 7 / 12 * (data.entry == 2016), 0, 1)
        )
        dose = np.where((data.entry == 2017) & (data.year >= 2017), 1.0, dose)
        frame = drawn.framed(data.assign(pct=data.pct + EFFECT * dose))
        found.append(dose_did(frame, inference=OLS(), windows=((2013, 2015), (2016, 2019))).estimate)
    mean, error = mean_and_error(found)
    assert abs(mean - EFFECT) < Z * error


@pytest.mark.parametrize("estimator", [mixed_did, gee_did])
def test_models_of_persons_find_the_effect_and_cover_it(drawn, estimator):
    found = [estimator(drawn.framed_persons(drawn.person_rows(seed, effect=0.5))) for seed in range(STUDIES)]
    mean, error = mean_and_error([e.estimate for e in found])
    assert abs(mean - 0.5) < Z * error
    missed = sum(not e.conf_low <= 0.5 <= e.conf_high for e in found)
    assert missed <= 5  # of 20 at 5 %: more than 5 happens three times in 10,000


def test_the_spread_of_effects_is_found(drawn):
    found = []
    for seed in range(FEW):
        data = drawn.practice_rows(seed, n=80, early=30, late=0, sd=1.0)
        own = np.random.default_rng(1000 + seed).normal(EFFECT, 3.0, 80)
        on = (data.entry > 0) & (data.year >= data.entry)
        frame = drawn.framed(data.assign(pct=data.pct + own[data.practice] * on))
        found.append(effect_heterogeneity(frame, windows=((2013, 2015), (2017, 2019))).estimates[1])
    mean, error = mean_and_error([e.estimate**2 for e in found])
    assert abs(mean - 9.0) < Z * error
    assert sum(not e.conf_low <= 3.0 <= e.conf_high for e in found) <= 5
