"""Every adjacent change, judged as one of all that were looked at."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.errors import DesignError
from pluseval.estimate.adjacent_adjusted import adjacent_adjusted
from pluseval.estimate.event_study import adjacent_changes
from pluseval.estimate.inference import OLS, Welch
from pluseval.estimate.inference_max_t import MaxT

PCT = Measure(
    "pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points", "punten", "lower"
)
YEARS = (2016, 2017, 2018, 2019)


def framed(seed: int = 4, treated: int = 3, n: int = 8, years=YEARS, turn: float = 0.0) -> AnalysisFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "practice": np.repeat([f"P{i:02d}" for i in range(n)], len(years)),
            "year": np.tile(years, n),
            "entry": np.repeat(np.where(np.arange(n) < treated, 2016, 0), len(years)),
            "pct": rng.normal(30, 2, n * len(years)),
        }
    )
    data.loc[data["entry"].gt(0) & data["year"].eq(years[-1]), "pct"] += turn
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="pct", entry="entry", measure=PCT
    )


@pytest.mark.parametrize(("statistic", "equal"), [("pooled", True), ("studentised", False)])
def test_each_adjusted_p_is_the_share_of_assignments_whose_largest_t_is_as_large(statistic, equal):
    frame = framed(turn=-3.0)
    values = frame.cells.pivot(index="cluster", columns="period", values="y").to_numpy()
    changes = np.diff(values, axis=1)

    def t_of(chosen):
        on = np.isin(np.arange(8), chosen)
        return np.abs(stats.ttest_ind(changes[on], changes[~on], equal_var=equal).statistic)

    largest = np.array([t_of(c).max() for c in itertools.combinations(range(8), 3)])
    found = adjacent_adjusted(frame, inference=MaxT(draws=99, seed=1, statistic=statistic))
    own = t_of([0, 1, 2])
    assert [e.p_value for e in found] == pytest.approx([np.mean(largest >= t - 1e-9) for t in own])
    assert [abs(e.statistic) for e in found] == pytest.approx(own)
    assert [e.estimate / e.std_error for e in found] == pytest.approx([e.statistic for e in found])
    assert "all 56" in found.estimates[0].inference


def test_the_smallest_adjusted_p_is_the_joint_one_and_none_is_below_its_own():
    frame = framed(treated=5, n=16, turn=-3.0)
    over_all = MaxT(draws=999, seed=5)
    plain = adjacent_changes(frame, inference=Welch(), joint=over_all)
    found = adjacent_adjusted(frame, inference=over_all)
    assert min(e.p_value for e in found) == plain.joint[0].p_value
    for one, adjusted in zip(plain, found, strict=True):
        assert (adjusted.term, adjusted.at) == (one.term, one.at)
        assert adjusted.estimate == pytest.approx(one.estimate)


@pytest.mark.parametrize("turn", [-6.0, 0.0])
def test_the_band_excludes_no_effect_where_the_adjusted_p_is_small(turn):
    frame = framed(treated=7, n=30, turn=turn)
    alone = adjacent_changes(frame, inference=OLS())
    found = adjacent_adjusted(frame, inference=MaxT(draws=1_999, seed=2, statistic="pooled"))
    for one, adjusted in zip(alone, found, strict=True):
        assert (adjusted.conf_low > 0 or adjusted.conf_high < 0) == (adjusted.p_value <= 0.05)
        assert adjusted.conf_high - adjusted.conf_low > one.conf_high - one.conf_low
        low, high = adjusted.conf_int(0.8)
        assert adjusted.conf_low < low < high < adjusted.conf_high
        assert adjusted.p_at(adjusted.conf_high + 0.1) < 0.05 < adjusted.p_at(adjusted.conf_high - 0.1)
    assert any(e.p_value <= 0.05 for e in found) == (turn < 0)


def test_too_few_assignments_leave_the_band_open():
    found = adjacent_adjusted(framed(treated=2, n=5), inference=MaxT(draws=99, seed=1))
    assert all(np.isinf(e.conf_low) and np.isinf(e.conf_high) for e in found)


def test_the_callers_frame_is_left_alone_and_two_years_are_refused():
    frame = framed()
    before = frame.cells.copy()
    adjacent_adjusted(frame, inference=MaxT(draws=99, seed=1))
    pd.testing.assert_frame_equal(frame.cells, before)
    with pytest.raises(DesignError, match="use did"):
        adjacent_adjusted(framed(years=(2018, 2019)), inference=MaxT(draws=99, seed=1))
    with pytest.raises(DesignError, match="MaxT"):
        adjacent_adjusted(frame, inference=OLS())  # type: ignore[arg-type]
