"""What the effect of one region, and its placebos, may not depend on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.errors import DesignError
from pluseval.estimate.placebo_blocks import contiguous_blocks
from pluseval.estimate.region import region_did, region_placebos
from pluseval.estimate.region_years import region_event_study

EUROS = Measure("cost", "cost", "kosten", "EUR", "EUR", "EUR", "EUR", "lower")
WINDOWS = ((2011, 2013), (2015, 2016))
SIDE = 9
NAMES = [f"{i}{j}" for i in range(SIDE) for j in range(SIDE)]
REGION = ["00", "01", "10", "11"]


def line(names):
    return [
        tuple(k for k, b in enumerate(names) if abs(int(a[0]) - int(b[0])) + abs(int(a[1]) - int(b[1])) == 1)
        for a in names
    ]


def frame_of(data):
    return AnalysisFrame.from_pandas(
        data, unit="place", period="year", y="y", entry="entry", exposure="n", measure=EUROS
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(12)
    years = np.arange(2011, 2017)
    course = 1_000 + rng.normal(0, 30, (len(NAMES), years.size)).cumsum(axis=1)
    size = rng.uniform(20_000, 40_000, len(NAMES))
    return pd.DataFrame(
        {
            "place": np.repeat(NAMES, years.size),
            "year": np.tile(years, len(NAMES)),
            "y": course.ravel(),
            "entry": np.repeat([2014 if n in REGION else 0 for n in NAMES], years.size),
            "n": np.repeat(size, years.size),
        }
    )


def blocks_of(frame, **options):
    return contiguous_blocks(frame, neighbours=line, size_period=2013, partitions=8, seed=5, **options)


def both(data, **options):
    frame = frame_of(data)
    return region_did(frame, windows=WINDOWS, inference=blocks_of(frame), **options)


@pytest.mark.parametrize("method", ["did", "sdid"])
def test_a_course_that_all_places_share_moves_nothing(data, method):
    # sdid's penalty follows the spread of all yearly changes, as in R: a bend would move it, a slope does not
    power = 2 if method == "did" else 1
    shift = {year: 40 * k**power for k, year in enumerate(range(2011, 2017))}
    shifted = data.assign(y=data["y"] + data["year"].map(shift))
    one, other = both(data, method=method), both(shifted, method=method)
    # the synthetic weights are an iterative minimum, so that the last digits may differ
    assert other.estimate == pytest.approx(one.estimate, abs=1e-6)
    assert other.p_value == pytest.approx(one.p_value)
    assert other.conf_low == pytest.approx(one.conf_low, abs=1e-6)


def test_a_factor_that_all_places_share_moves_no_ratio(data):
    scaled = data.assign(y=data["y"] * data["year"].map(lambda year: 1 + 0.1 * (year - 2011)))
    one, other = both(data, scale="ratio"), both(scaled, scale="ratio")
    assert other.estimate == pytest.approx(one.estimate) and other.p_value == pytest.approx(one.p_value)


@pytest.mark.parametrize("method", ["did", "sdid"])
def test_an_effect_on_the_region_is_found_and_moves_no_placebo(data, method):
    after = data["place"].isin(REGION) & (data["year"] >= 2014)
    moved = data.assign(y=data["y"] + 500.0 * after)
    one, other = both(data, method=method), both(moved, method=method)
    assert other.estimate - one.estimate == pytest.approx(500, abs=1e-6)
    assert other.std_error == pytest.approx(one.std_error)
    assert other.p_at(500.0) == pytest.approx(one.p_value)
    assert other.p_value <= one.p_value


def test_the_order_of_rows_does_not_matter(data):
    shuffled = data.sample(frac=1, random_state=3)
    assert both(shuffled, method="sdid").estimate == both(data, method="sdid").estimate
    assert both(shuffled).p_value == both(data).p_value


def test_placebos_never_see_the_region(data):
    wild = data.assign(y=np.where(data["place"].isin(REGION), 1e6, data["y"]))
    for scale in ("difference", "ratio"):
        one, other = (
            region_placebos(f, windows=WINDOWS, inference=blocks_of(f), scale=scale).effects
            for f in (frame_of(data), frame_of(wild))
        )
        np.testing.assert_allclose(other, one)


def test_the_callers_frame_is_unchanged(data):
    frame = frame_of(data)
    rows = frame.rows.copy()
    region_did(frame, windows=WINDOWS, inference=blocks_of(frame), method="sdid")
    pd.testing.assert_frame_equal(frame.rows, rows)


def test_the_year_by_year_differences_add_up_to_the_change_between_two_years(data):
    frame = frame_of(data)
    blocks = blocks_of(frame)
    years = region_event_study(frame, inference=blocks, reference=2013)
    whole = region_did(frame, windows=((2011, 2011), (2016, 2016)), inference=blocks)
    assert [e.at for e in years] == [2011, 2012, 2014, 2015, 2016]
    assert years["2016"].estimate - years["2011"].estimate == pytest.approx(whole.estimate)
    for e in years:
        assert e.conf_low <= e.estimate <= e.conf_high
        assert e.p_at(e.estimate) == pytest.approx(1)
        assert e.conf_int(0.5)[0] <= e.estimate <= e.conf_int(0.5)[1]


def test_the_joint_test_sees_a_region_that_left_the_others_before_the_start(data):
    early = data["place"].isin(REGION) & (data["year"] == 2012)
    frame = frame_of(data.assign(y=data["y"] + 900.0 * early))
    before = region_event_study(frame_of(data), inference=blocks_of(frame), reference=2013).joint[0]
    after = region_event_study(frame, inference=blocks_of(frame), reference=2013).joint[0]
    assert after.p_value < before.p_value and after.statistic > before.statistic
    counts = blocks_of(frame).partitions.counts
    assert after.p_value == pytest.approx(np.mean(1 / (1 + counts)))


def test_the_reference_lies_before_the_start(data):
    frame = frame_of(data)
    for reference in (2014, 2050):
        with pytest.raises(DesignError, match="before the start"):
            region_event_study(frame, inference=blocks_of(frame), reference=reference)
