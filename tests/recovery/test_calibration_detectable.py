"""The minimal detectable effect: the closed form, its invariances, what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.data.source import Source
from pluseval.errors import ConditionedError, DesignError
from pluseval.estimate.inference import OLS, ClusterRobust, Welch
from pluseval.estimate.inference_resampling import Permutation, SignFlip
from pluseval.estimate.power import minimal_detectable_effect
from pluseval.numerics import power as closed_form

COST = Measure("cost", "cost", "kosten", "EUR", "EUR", "EUR", "EUR", "lower", decimals=0)
SD = 80.0


def _frame(n1=14, n0=56, *, seed=1, effect=0.0, trend=0.0, years=(2013, 2014, 2015, 2017), entry=2016.0):
    rng = np.random.default_rng(seed)
    G = n1 + n0
    treated = np.arange(G) < n1
    size = np.where(treated, 5125, 3160) * np.exp(0.4 * rng.standard_normal(G))
    level = rng.normal(1700, 100, G)
    rows = [
        pd.DataFrame(
            {
                "practice": np.arange(G),
                "year": year,
                "entry": np.where(treated, entry, np.nan),
                "list_size": size,
                "cost": level + SD / np.sqrt(2) * rng.standard_normal(G) + effect * treated * (year >= entry)
                + trend * (year - 2015) * np.log(size),
            }
        )
        for year in years
    ]  # fmt: skip
    return AnalysisFrame.from_pandas(
        pd.concat(rows), unit="practice", period="year", y="cost", entry="entry", measure=COST,
        covariates=["list_size"],
    )  # fmt: skip


def _changes(frame, before, after):
    wide = frame.cells.pivot(index="cluster", columns="period", values="y")
    return (wide[after] - wide[before]).to_numpy()


@pytest.mark.parametrize("inference", [OLS(), ClusterRobust("CR2")], ids=["ols", "cr2"])
def test_it_is_the_closed_form_where_that_holds(inference):
    """The t test with the SD of the changes. Tolerance: four Monte Carlo errors, and one percent."""
    frame = _frame()
    found = minimal_detectable_effect(
        frame, inference=inference, draws=500, seed=3, periods=(2013, 2015), match=None
    )
    std_error = _changes(frame, 2013, 2015).std(ddof=1) * np.sqrt(1 / 14 + 1 / 56)
    df = 68 if isinstance(inference, OLS) else 19
    expected = closed_form.minimal_detectable_effect(std_error, df=df)
    assert found.effect == pytest.approx(expected, abs=4 * found.effect_mcse + 0.01 * expected)
    assert found.size == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 500))


def test_the_placebo_intervals_hold_the_power():
    """Adding the effect found to placebo practices is found in the share asked for."""
    frame = _frame(seed=5)
    found = minimal_detectable_effect(
        frame, inference=OLS(), draws=400, seed=1, periods=(2013, 2015), match=None, power=0.6
    )
    change, rng, detected = _changes(frame, 2013, 2015), np.random.default_rng(9), 0
    from pluseval.numerics.studies import pooled_t

    for _ in range(400):
        group = rng.permutation(np.arange(70) < 14)
        p = [pooled_t((change + sign * found.effect * group)[None], group).p_values()[0] for sign in (-1, 1)]
        detected += np.mean(np.array(p) <= 0.05)
    assert detected / 400 == pytest.approx(0.6, abs=4 * np.sqrt(2 * 0.6 * 0.4 / 400))


def test_the_observed_effect_takes_no_part():
    choices = {"inference": Welch(), "draws": 100, "seed": 2}
    for using, periods in (("before", (2013, 2015)), ("comparison", (2015, 2017))):
        plain = minimal_detectable_effect(_frame(), using=using, periods=periods, **choices)
        moved = minimal_detectable_effect(_frame(effect=-900.0), using=using, periods=periods, **choices)
        assert moved.effect == plain.effect


def test_it_has_the_unit_of_the_outcome():
    frame = _frame()
    rows = frame.rows.assign(numerator=frame.rows["numerator"] * 10)
    choices = {"inference": OLS(), "draws": 100, "seed": 2, "periods": (2013, 2015)}
    one = minimal_detectable_effect(frame, **choices)
    ten = minimal_detectable_effect(replace(frame, rows=rows), **choices)
    assert ten.effect == pytest.approx(10 * one.effect)
    assert ten.relative == pytest.approx(one.relative)
    assert "EUR" in str(one)


def test_a_trend_with_size_costs_what_is_not_adjusted_for():
    """Matched on size, placebo practices are larger too, so that an unadjusted trend shows as error."""
    frame = _frame(trend=-60.0)
    choices = {"inference": ClusterRobust("CR2"), "draws": 200, "seed": 2, "periods": (2013, 2015)}
    unadjusted = minimal_detectable_effect(frame, **choices)
    adjusted = minimal_detectable_effect(frame, adjust=["log(list_size)"], **choices)
    assert unadjusted.size > 0.15
    assert adjusted.size < 0.15
    assert adjusted.effect < unadjusted.effect


def test_a_permutation_can_be_asked():
    found = minimal_detectable_effect(
        _frame(),
        inference=Permutation(draws=399, seed=1, strata="list_size"),
        draws=100,
        seed=4,
        using="comparison",
        periods=(2015, 2017),
    )
    assert 0.5 * SD < found.effect < 1.5 * SD
    assert found.programme == 14
    assert found.comparison == 42
    assert "tertiles" in found.inference


def test_a_single_arm_is_resampled_about_its_mean():
    frame = _frame(n1=14, n0=40)
    found = minimal_detectable_effect(
        frame, inference=SignFlip(draws=2**14), draws=100, seed=4, using="comparison", design="single_arm",
        match=None, periods=(2013, 2015),
    )  # fmt: skip
    comparison = frame.keep_clusters(list(frame.treated.index[~frame.treated]))
    sd = _changes(comparison, 2013, 2015).std(ddof=1)
    expected = closed_form.minimal_detectable_effect(sd / np.sqrt(14), df=13)
    assert found.effect == pytest.approx(expected, rel=0.2)
    assert found.comparison == 0


def test_a_conditioned_study_is_refused_and_a_planted_one_answers():
    frame = _frame()
    choices = {"inference": OLS(), "draws": 100, "seed": 1, "periods": (2013, 2015)}
    with pytest.raises(ConditionedError):
        minimal_detectable_effect(replace(frame, source=Source("c", "conditioned")), **choices)
    planted = minimal_detectable_effect(replace(frame, source=Source("p", "planted")), **choices)
    assert "synthetic" in str(planted)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"draws": 50}, "at least 100"),
        ({"power": 0.01}, "power"),
        ({"nearest": 2}, "nearest"),
        ({"using": "everyone"}, "using"),
        ({"design": "other"}, "design"),
        ({"match": "region"}, "no such practice column"),
        ({"periods": (2013, 2017)}, "2017"),
        ({"design": "single_arm", "adjust": ["log(list_size)"]}, "adjust"),
    ],
)
def test_what_cannot_be_answered_is_refused(choices, words):
    given = {"inference": OLS(), "draws": 100, "seed": 1, "periods": (2013, 2015)} | choices
    with pytest.raises(DesignError, match=words):
        minimal_detectable_effect(_frame(), **given)


def test_a_study_without_an_early_period_says_what_to_use():
    with pytest.raises(DesignError, match="using='comparison'"):
        minimal_detectable_effect(
            _frame(years=(2017, 2018)), inference=OLS(), draws=100, seed=1, periods=(2017, 2018)
        )


def test_too_few_practices_without_an_effect_are_refused():
    frame = _frame(n1=30, n0=10)
    with pytest.raises(DesignError, match="using='before'"):
        minimal_detectable_effect(
            frame, inference=OLS(), draws=100, seed=1, using="comparison", periods=(2013, 2015)
        )


def test_the_callers_frame_is_unchanged():
    frame = _frame()
    before = frame.rows.copy()
    minimal_detectable_effect(frame, inference=OLS(), draws=100, seed=1, periods=(2013, 2015))
    pd.testing.assert_frame_equal(frame.rows, before)
