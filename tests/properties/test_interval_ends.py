"""Every interval that is found by inversion ends where its own p crosses alpha, to one draw.

One row of the table per estimator and inference that has such an interval. An end is the last value that
the same test with the same draws does not reject: there p is alpha to one draw (two where draws come in
pairs, as signs and their opposites do, or where each tail has half of the error); just outside it is no more.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.estimate.did import did
from pluseval.estimate.dose import dose_did
from pluseval.estimate.event_study import adjacent_changes, event_study
from pluseval.estimate.imputation import imputation_did
from pluseval.estimate.inference_resampling import Permutation, SignFlip, WildBootstrap
from pluseval.estimate.modifier import effect_modifier
from pluseval.estimate.ratio import rate_ratio_did
from pluseval.estimate.result import Estimate
from pluseval.estimate.single_arm import single_arm, waves
from pluseval.estimate.staggered import staggered_did
from pluseval.estimate.synthetic import synthetic_did

ALPHA = 0.05
COUNT = Measure("rate", "rate", "tempo", "a head", "per hoofd", "a head", "per hoofd", "lower", additive=True)
DRAWS = 199
ONE = 1 / DRAWS
WINDOWS = {"windows": ((2013, 2015), (2017, 2019))}
SIZE = ["log(list_size)"]
PERMUTED = Permutation(draws=DRAWS, seed=11)
STRATA = Permutation(draws=DRAWS, seed=11, strata="list_size")
EQUAL = Permutation(draws=DRAWS, seed=11, strata="list_size", tails="equal")
COEFFICIENT = Permutation(draws=DRAWS, seed=11, statistic="coefficient")
EXACT = Permutation(draws=2_000, seed=11)
FLIPS = SignFlip(draws=4_096)
DRAWN_FLIPS = SignFlip(draws=DRAWS, seed=11)
WCR = WildBootstrap(draws=DRAWS, seed=11, weights="webb")
WCU = WildBootstrap(draws=DRAWS, seed=11, weights="webb", restricted=False)
SIGNS = WildBootstrap(draws=DRAWS, seed=11, weights="rademacher")
MAMMEN = WildBootstrap(draws=DRAWS, seed=11, weights="mammen")
ALL_SIGNS = WildBootstrap(draws=1_024, seed=11)

Made = Callable[..., Estimate]
CASES: dict[str, tuple[Made, float]] = {
    # estimates from (frame, few, exposed): 30 practices, 10 of them, and the 30 with counts per list size
    "did, permutation": (lambda f, few, c: did(f, inference=PERMUTED, **WINDOWS), ONE),
    "did, within tertiles": (lambda f, few, c: did(f, inference=STRATA, **WINDOWS), ONE),
    "did, equal tails": (lambda f, few, c: did(f, inference=EQUAL, **WINDOWS), 2 * ONE),
    "did, coefficient": (lambda f, few, c: did(f, inference=COEFFICIENT, **WINDOWS), ONE),
    "did, all assignments": (lambda f, few, c: did(few, inference=EXACT, **WINDOWS), 1 / 210),
    "did, given list size": (lambda f, few, c: did(f, inference=STRATA, adjust=SIZE, **WINDOWS), ONE),
    "did, weighted": (lambda f, few, c: did(c, inference=STRATA, weights="exposure", **WINDOWS), ONE),
    "did, restricted Webb": (lambda f, few, c: did(f, inference=WCR, **WINDOWS), ONE),
    "did, unrestricted Webb": (lambda f, few, c: did(f, inference=WCU, **WINDOWS), ONE),
    "did, Rademacher": (lambda f, few, c: did(f, inference=SIGNS, **WINDOWS), ONE),
    "did, Mammen": (lambda f, few, c: did(f, inference=MAMMEN, **WINDOWS), ONE),
    "did, all signs": (lambda f, few, c: did(few, inference=ALL_SIGNS, **WINDOWS), 2 / 1_024),
    "did, Webb given list size": (lambda f, few, c: did(f, inference=WCR, adjust=SIZE, **WINDOWS), ONE),
    "did, Webb weighted": (lambda f, few, c: did(c, inference=WCR, weights="exposure", **WINDOWS), ONE),
    "event study, permutation": (lambda f, few, c: event_study(f, inference=STRATA)["2018"], ONE),
    "event study, Webb": (lambda f, few, c: event_study(f, inference=WCR)["2018"], ONE),
    "adjacent years": (lambda f, few, c: adjacent_changes(f, inference=STRATA)["2017 -> 2018"], ONE),
    "dose": (lambda f, few, c: dose_did(f, inference=WCR, **WINDOWS), ONE),
    "single arm, all flips": (lambda f, few, c: single_arm(f, inference=FLIPS, **WINDOWS), 2 / 4_096),
    "single arm, drawn flips": (lambda f, few, c: single_arm(f, inference=DRAWN_FLIPS, **WINDOWS), ONE),
    "single arm, Webb": (lambda f, few, c: single_arm(f, inference=WCR, **WINDOWS), ONE),
    "waves": (lambda f, few, c: list(waves(f, inference=DRAWN_FLIPS))[-1], ONE),
    "modifier, Webb": (lambda f, few, c: effect_modifier(f, "list_size", inference=WCR, **WINDOWS), ONE),
    "staggered, never": (lambda f, few, c: staggered_did(f, inference=PERMUTED).overall, ONE),
    "staggered, not yet, tertiles": (
        lambda f, few, c: staggered_did(f, inference=STRATA, comparison="not_yet_treated").overall,
        ONE,
    ),
    "staggered, given list size": (
        lambda f, few, c: staggered_did(f, inference=PERMUTED, adjust=SIZE).overall,
        ONE,
    ),
    "imputation": (lambda f, few, c: imputation_did(f, inference=STRATA).overall, ONE),
    "synthetic DiD": (lambda f, few, c: synthetic_did(few, inference=PERMUTED), ONE),
    "ratio": (lambda f, few, c: rate_ratio_did(c, inference=STRATA, **WINDOWS), ONE),
    "ratio given list size": (
        lambda f, few, c: rate_ratio_did(c, inference=PERMUTED, adjust=SIZE, **WINDOWS),
        ONE,
    ),
}


@pytest.fixture(scope="module")
def frames(drawn):
    rows = drawn.practice_rows(3, n=30, effect=-2.0)
    few = rows[rows.practice.isin([0, 1, 8, 9, 12, 13, 14, 15, 16, 17])]
    counted = rows.assign(cost=(rows.pct * rows.list_size / 100).round() + 1)
    exposed = AnalysisFrame.from_pandas(
        counted.assign(rate=counted.cost / counted.list_size), unit="practice", period="year", y="rate",
        entry="entry", exposure="list_size", covariates=["list_size"],
        measure=COUNT,
    )  # fmt: skip
    return drawn.framed(rows), drawn.framed(few), exposed


@pytest.mark.parametrize("case", CASES)
def test_p_at_each_end_is_alpha_to_one_draw(case, frames):
    make, draw = CASES[case]
    found = make(*frames)
    assert found.conf_low < found.estimate < found.conf_high
    draw += 1e-9
    reach = min(end for end in (found.conf_high - found.estimate, found.estimate - found.conf_low))
    ends = [(found.conf_low, -1.0), (found.conf_high, 1.0)]
    assert any(math.isfinite(end) for end, _ in ends)
    for end, outwards in ends:
        if math.isfinite(end):
            assert ALPHA - draw <= found.p_at(end) <= ALPHA + draw
            assert found.p_at(end + outwards * 1e-6 * reach) <= ALPHA
