"""Event study and its pre-trend test, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.errors import DesignError
from pluseval.estimate.did import did
from pluseval.estimate.event_study import event_study
from pluseval.estimate.inference import OLS, ClusterRobust, Welch
from pluseval.estimate.inference_resampling import WildBootstrap

COST = Measure("cost", "cost", "kosten", "EUR", "euro", "EUR", "euro", "lower", decimals=0)
YEARS = (2013, 2014, 2015, 2016, 2017)


def framed(seed: int = 1, effect: float = 0.0, treated: int = 5, n: int = 14) -> AnalysisFrame:
    rng = np.random.default_rng(seed)
    y = rng.normal(0, 1, (n, 1)) + rng.normal(0, 1, (n, len(YEARS)))
    y[:treated, 3:] += effect
    data = pd.DataFrame(
        {
            "practice": np.repeat([f"P{i:02d}" for i in range(n)], len(YEARS)),
            "year": np.tile(YEARS, n),
            "entry": np.repeat(np.where(np.arange(n) < treated, 2016, 0), len(YEARS)),
            "cost": y.ravel(),
        }
    )
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="cost", entry="entry", measure=COST
    )


def test_every_estimate_is_the_difference_in_differences_with_the_reference():
    frame = framed()
    found = event_study(frame, inference=Welch(), reference=2015)
    assert [e.at for e in found] == [2013, 2014, 2016, 2017]
    later = did(frame, inference=Welch(), periods=(2015, 2017))
    assert (found["2017"].estimate, found["2017"].std_error) == (later.estimate, later.std_error)
    earlier = did(frame, inference=Welch(), periods=(2013, 2015))
    assert found["2013"].estimate == pytest.approx(-earlier.estimate)
    assert found.display == "event_study"


def test_excluded_periods_are_left_out():
    found = event_study(framed(), inference=OLS(), reference=2015, exclude=(2016,))
    assert [e.term for e in found] == ["2013", "2014", "2017"]


def test_the_pretrend_test_is_hotellings_on_the_changes_before():
    frame = framed()
    wide = frame.cells.pivot(index="cluster", columns="period", values="y").to_numpy()
    changes = wide[:, :2] - wide[:, [2]]
    a, b = changes[:5], changes[5:]
    gap = a.mean(0) - b.mean(0)
    pooled = (4 * np.cov(a.T) + 8 * np.cov(b.T)) / 12
    t2 = gap @ np.linalg.inv(pooled * (1 / 5 + 1 / 9)) @ gap
    test = event_study(frame, inference=OLS()).joint[0]
    assert test.name == "pre-trend before 2016"
    assert test.p_value == pytest.approx(stats.f.sf(t2 * 11 / (12 * 2), 2, 11))


def test_the_pretrend_test_of_one_earlier_year_is_its_own_p_value():
    frame = framed().between(2014, 2017)
    for inference in (OLS(), Welch(), ClusterRobust("CR2")):
        found = event_study(frame, inference=inference, reference=2015)
        assert found.joint[0].p_value == pytest.approx(found["2014"].p_value)


def test_no_earlier_year_no_pretrend_test():
    assert event_study(framed().between(2015, 2017), inference=OLS()).joint == ()


@pytest.mark.parametrize(
    ("frame", "reference", "message"),
    [
        (framed(), 2016, "not before the first start"),
        (framed(), 2012, "is not among the periods"),
        (framed(treated=0), 2015, "no practice of the frame ever joined"),
        (framed(treated=1), 2015, "1 programme practice"),
        (framed().between(2015, 2015), 2015, "needs 2 periods"),
    ],
)
def test_an_event_study_that_cannot_answer_is_refused(frame, reference, message):
    with pytest.raises(DesignError, match=message):
        event_study(frame, inference=OLS(), reference=reference)


@pytest.mark.parametrize("weights", ["rademacher", "webb"])
def test_a_wild_bootstrap_tests_the_pre_trend_of_all_years_at_once(weights):
    inference = WildBootstrap(draws=499, seed=3, weights=weights)
    found = event_study(framed(), inference=inference)
    assert found.joint[0].df == 2 and "Wald" in found.joint[0].inference
    one = event_study(framed().between(2014, 2017), inference=inference)
    assert one.joint[0].p_value == one["2014"].p_value
    assert one.joint[0].statistic == pytest.approx(one["2014"].statistic ** 2)
