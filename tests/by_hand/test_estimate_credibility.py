"""Checks of credibility, statements about several results: by hand, and what they refuse."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pluseval.errors import DesignError
from pluseval.estimate.adjust_many import adjust_many
from pluseval.estimate.at_least_one import at_least_one
from pluseval.estimate.conjunction import conjunction
from pluseval.estimate.credibility import baseline_check, placebo_outcomes, placebo_periods
from pluseval.estimate.did import did
from pluseval.estimate.event_study import adjacent_changes, event_study
from pluseval.estimate.heterogeneity import effect_heterogeneity
from pluseval.estimate.honest import honest_did
from pluseval.estimate.inference import OLS, ClusterRobust, Welch
from pluseval.estimate.inference_max_t import MaxT
from pluseval.estimate.inference_resampling import Permutation
from pluseval.estimate.leave_one_out import leave_one_out
from pluseval.estimate.margin import noninferiority
from pluseval.estimate.pretrend import pretrend_check
from pluseval.report.disclosure import NAMED, DisclosureRules, release


@pytest.fixture(scope="module")
def frame(drawn):
    return drawn.framed(drawn.practice_rows(4))


def test_placebo_periods_use_only_years_before_the_start(frame, drawn):
    found = placebo_periods(frame, inference=Welch())
    assert [e.term for e in found] == ["pretended start 2014", "pretended start 2015"]
    own = did(frame, inference=Welch(), windows=((2013, 2014), (2015, 2015)))
    assert found["pretended start 2015"].estimate == pytest.approx(own.estimate)
    assert {c.period for e in found for c in e.counts.cells} <= {"2013", "2013-2014", "2014-2015", "2015"}
    later = drawn.practice_rows(4)
    later.loc[later.year >= 2016, "pct"] += 99.0 * (later.entry > 0)
    again = placebo_periods(drawn.framed(later), inference=Welch())
    assert [e.estimate for e in again] == [e.estimate for e in found]
    with pytest.raises(DesignError, match="2 periods before"):
        placebo_periods(frame.between(2015, 2019), inference=Welch())


def test_placebo_outcomes_are_the_same_estimator_on_other_frames(frame, drawn):
    found = placebo_outcomes({"dental": frame, "again": frame}, inference=OLS(), windows=drawn.WINDOWS)
    own = did(frame, inference=OLS(), windows=drawn.WINDOWS)
    assert [e.estimate for e in found] == [own.estimate] * 2 and found["dental"].p_value == own.p_value
    with pytest.raises(DesignError, match="at least one frame"):
        placebo_outcomes({}, inference=OLS())


def test_the_two_baselines_differ_by_the_change_between_them(frame):
    early, last, between = baseline_check(frame, inference=ClusterRobust())
    assert early.term == "baseline 2013-2014" and between.term == "2013-2014 -> 2015, before the start"
    assert early.estimate - last.estimate == pytest.approx(between.estimate)


def test_a_dip_before_joining_shows_as_regression_to_the_mean(drawn):
    data = drawn.practice_rows(4, sd=0.5)
    data.loc[(data.year == 2015) & (data.entry > 0), "pct"] += 5
    early, last, between = baseline_check(drawn.framed(data), inference=ClusterRobust())
    assert between.p_value < 0.01 and last.estimate < early.estimate - 3


def test_the_slope_before_the_start_is_a_difference_of_practice_slopes(frame):
    found = pretrend_check(frame, inference=Welch(), windows=((2013, 2015), (2017, 2019)))
    cells = frame.cells.pivot(index="cluster", columns="period", values="y")
    slope = (cells[2015] - cells[2013]).to_numpy() / 2  # three years in a row
    on = frame.treated.to_numpy()
    first = found.estimates[0]
    assert first.estimate == pytest.approx(slope[on].mean() - slope[~on].mean())
    assert first.measure.difference_unit == "percentage points per year"
    assert found.joint[0].p_value == pytest.approx(
        event_study(frame, inference=Welch(), reference=2015).joint[0].p_value
    )
    for share in (50, 80):
        slope_found = found[f"slope found with {share} %"].estimate
        made = found[f"slope found with {share} %: difference it makes 2013-2015 -> 2017-2019"].estimate
        assert made == pytest.approx(4 * slope_found) and slope_found > 0
    assert math.isnan(found["slope found with 80 %"].p_value)


def test_the_bias_among_studies_that_pass_is_a_truncated_normal_mean(frame):
    """One earlier difference: its mean within the bounds of no significance, and what moves along with it."""
    two = frame.between(2014, 2017)
    found = pretrend_check(two, inference=Welch(), windows=((2015, 2015), (2017, 2017)), exclude=(2016,))
    cells = two.cells.pivot(index="cluster", columns="period", values="y")
    changes = (cells[[2014, 2017]].to_numpy() - cells[[2015]].to_numpy()).T
    on = two.treated.to_numpy()
    cov = sum(np.cov(changes[:, group]) / group.sum() for group in (on, ~on))
    slope, sd = found["slope found with 80 %"].estimate, math.sqrt(cov[0, 0])
    bounds = [(side * 1.959964 * sd + slope) / sd for side in (-1, 1)]
    among = stats.truncnorm.mean(*bounds, loc=-slope, scale=sd)  # a year earlier: minus the slope
    by_hand = 2 * slope + cov[1, 0] / cov[0, 0] * (among + slope)
    term = "slope found with 80 %: difference it makes where the test found nothing"
    assert found[term].estimate == pytest.approx(by_hand, rel=1e-4)


def test_less_noise_finds_smaller_slopes(drawn):
    quiet, loud = (
        pretrend_check(drawn.framed(drawn.practice_rows(4, sd=sd)), inference=Welch()) for sd in (1.0, 2.0)
    )
    term = "slope found with 80 %"
    assert loud[term].estimate == pytest.approx(2 * quiet[term].estimate, rel=1e-3)


def test_honest_bounds_widen_with_the_violation_and_start_at_the_usual_interval(frame):
    found = honest_did(frame, seed=1, target=(2017, 2019), smooth=[0.0, 0.5])
    relative, smooth = found.estimates[:4], found.estimates[4:]
    widths = [e.conf_high - e.conf_low for e in relative]
    assert widths == sorted(widths)
    assert smooth[0].conf_high - smooth[0].conf_low < smooth[1].conf_high - smooth[1].conf_low
    own = np.mean([did(frame, inference=Welch(), periods=(2015, y)).estimate for y in (2017, 2018, 2019)])
    assert all(e.estimate == pytest.approx(own) and math.isnan(e.p_value) for e in found)
    usual = 2 * 1.959964 * relative[0].std_error
    assert widths[0] == pytest.approx(usual, rel=0.1)
    low, high = relative[1].conf_int(0.9)
    assert relative[1].conf_low < low and high < relative[1].conf_high
    again = honest_did(frame, seed=1, target=(2017, 2019), smooth=[0.0, 0.5])
    assert [(e.conf_low, e.conf_high) for e in again] == [(e.conf_low, e.conf_high) for e in found]


def test_honest_bounds_refuse_gaps_and_missing_years(frame, drawn):
    data = drawn.practice_rows(4)
    with pytest.raises(DesignError, match="one apart"):
        honest_did(drawn.framed(data[data.year != 2017]), seed=1)
    with pytest.raises(DesignError, match="no period after the start"):
        honest_did(frame, seed=1, target=(2025, 2026))
    with pytest.raises(DesignError, match="2 periods before"):
        honest_did(frame.between(2015, 2019), seed=1)
    with pytest.raises(DesignError, match="not vary"):
        honest_did(drawn.framed(data.assign(pct=30.0 + (data.practice % 7))), seed=1)


def test_leaving_one_out_is_the_did_without_it_and_stays_inside_without_consent(frame, drawn):
    found = leave_one_out(frame, inference=ClusterRobust(), windows=drawn.WINDOWS)
    assert len(found) == 2 + 12
    own = did(
        frame.keep_clusters([p for p in frame.treated.index if p != 3]), inference=ClusterRobust(),
        windows=drawn.WINDOWS,
    )  # fmt: skip
    assert (found["without 3"].estimate, found["without 3"].p_value) == pytest.approx(
        (own.estimate, own.p_value)
    )
    each = [e.estimate for e in found.estimates[2:]]
    assert (found["smallest"].estimate, found["largest"].estimate) == (min(each), max(each))
    rules = DisclosureRules(min_persons=0)
    closed = release([found], rules)
    assert len(closed) == 0 and {s.rule for s in closed.suppressed} == {NAMED}
    assert len(release([found], rules, consented=True)[found.name]) == 14
    assert len(leave_one_out(frame, inference=OLS(), windows=drawn.WINDOWS, which="all")) == 2 + 40


def test_leaving_one_of_two_out_is_refused(drawn):
    frame = drawn.framed(drawn.practice_rows(1, early=2, late=0))
    with pytest.raises(DesignError, match="1 programme practice"):
        leave_one_out(frame, inference=OLS(), windows=drawn.WINDOWS)


def changes(drawn, programme, comparison):
    values = np.array([*programme, *comparison], dtype=float)
    n = values.size
    return drawn.framed(
        pd.DataFrame(
            {"practice": np.tile(np.arange(n), 2), "year": np.repeat([2018, 2019], n),
             "entry": np.tile(np.where(np.arange(n) < len(programme), 2016, 0), 2),
             "pct": np.concatenate([np.full(n, 30.0), 30 + values])}
        )
    )  # fmt: skip


def test_the_spread_of_effects_by_hand(drawn):
    frame = changes(drawn, [-6, -2, 0, 4], [-1, 0, 1])
    mean, spread, further = effect_heterogeneity(frame)
    assert mean.estimate == pytest.approx(-1)
    assert spread.estimate == pytest.approx(math.sqrt(np.var([-6, -2, 0, 4], ddof=1) - 1))
    assert spread.conf_low <= spread.estimate <= spread.conf_high and spread.scale == "level"
    assert further.conf_low < mean.conf_low and further.conf_high > mean.conf_high
    assert spread.conf_int(0.5)[0] > spread.conf_low


def test_no_more_spread_than_among_comparison_practices_is_zero(drawn):
    _, spread, further = effect_heterogeneity(changes(drawn, [-1, 0, 1], [-6, -2, 0, 4]))
    assert spread.estimate == spread.conf_low == 0 and "no more" in spread.notes[-1]
    assert math.isnan(further.p_value)
    with pytest.raises(DesignError, match="do not vary"):
        effect_heterogeneity(changes(drawn, [1, 1, 1], [0, 0, 0]))


def test_the_conjunction_takes_the_largest_of_the_parts(drawn):
    strong = did(changes(drawn, [-3, -2.5, -3.5], [0, 0.2, -0.2]), inference=OLS())
    weak = did(changes(drawn, [-3, 2, -3.5], [0, 0.2, -0.2]), inference=OLS())
    kept = did(changes(drawn, [0.1, 0, -0.1], [0, 0.2, -0.2]), inference=OLS(), margin=1.0)
    assert conjunction([strong]).p_value == pytest.approx(strong.p_value / 2)
    both = conjunction([strong, weak], [kept])
    assert both.p_value == pytest.approx(weak.p_value / 2) and both.df == 3
    assert conjunction([strong], [kept]).p_value == max(strong.p_value / 2, noninferiority(kept).p_value)
    wrong_way = replace(strong, measure=replace(strong.measure, better="higher"))
    assert conjunction([wrong_way]).p_value == pytest.approx(1 - strong.p_value / 2)
    with pytest.raises(DesignError, match="no margin"):
        conjunction([strong], [weak])
    with pytest.raises(DesignError, match="at least one"):
        conjunction([])


def test_at_least_one_outcome_keeps_what_a_practice_shares(frame, drawn):
    joint = MaxT(draws=299, seed=1)
    alone = did(frame, inference=Permutation(draws=299, seed=1), windows=drawn.WINDOWS).p_value
    twice = at_least_one({"a": frame, "b": frame}, inference=joint, windows=drawn.WINDOWS)
    assert twice.p_value == pytest.approx(alone) and twice.df == 2
    some = frame.keep_clusters([p for p in frame.treated.index if p not in (0, 39)])
    mixed = at_least_one(
        {"a": frame, "b": some},
        inference=joint,
        windows={"a": drawn.WINDOWS, "b": ((2015, 2015), (2018, 2018))},
    )
    assert 0 < mixed.p_value <= 1
    with pytest.raises(DesignError, match="two outcomes"):
        at_least_one({"a": frame}, inference=joint, windows=drawn.WINDOWS)


def test_adjusted_p_values_stand_beside_the_estimates(frame):
    found = adjacent_changes(frame, inference=OLS())
    own = np.array([e.p_value for e in found])
    for method in ("holm", "bh"):
        done = adjust_many(found, method)
        assert done.estimates == found.estimates
        adjusted = np.array([j.p_value for j in done.joint[len(found.joint) :]])
        assert np.all(adjusted >= own) and np.all(np.diff(adjusted[np.argsort(own)]) >= 0)
    holm = [j.p_value for j in adjust_many(found).joint[len(found.joint) :]]
    assert min(holm) == pytest.approx(min(1.0, 6 * min(e.p_value for e in found)))
    with pytest.raises(DesignError, match="holm"):
        adjust_many(found, "bonferroni")
    with pytest.raises(DesignError, match="1 p-values"):
        adjust_many(replace(found, estimates=found.estimates[:1]))
