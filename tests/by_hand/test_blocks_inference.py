"""One treated region and its placebo regions, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.errors import DesignError
from pluseval.estimate.placebo_blocks import (
    PlaceboDistribution,
    contiguous_blocks,
    scattered_sets,
    single_donors,
)
from pluseval.estimate.region import region_did, region_placebos
from pluseval.numerics.blocks import Partitions
from pluseval.numerics.synthdid import synthetic_did

EUROS = Measure("cost", "cost", "kosten", "EUR", "EUR", "EUR", "EUR", "lower")
WINDOWS = ((1, 2), (3, 3))
# Places a and b are the region; c - d - e - f lie in a row. Rates by year; exposures differ.
RATES = {
    "a": (10, 12, 30),
    "b": (20, 22, 40),
    "c": (10, 10, 12),
    "d": (30, 30, 33),
    "e": (20, 20, 21),
    "f": (5, 5, 9),
}
EXPOSURE = {"a": 100, "b": 100, "c": 100, "d": 100, "e": 100, "f": 100}


@pytest.fixture
def frame():
    rows = [
        {"place": p, "year": t + 1, "y": r[t], "entry": 3 if p in "ab" else 0, "n": EXPOSURE[p]}
        for p, r in RATES.items()
        for t in range(3)
    ]
    return AnalysisFrame.from_pandas(
        pd.DataFrame(rows), unit="place", period="year", y="y", entry="entry", exposure="n", measure=EUROS
    )


def line(names):
    order = "cdef"
    return [
        tuple(j for j, other in enumerate(names) if abs(order.index(name) - order.index(other)) == 1)
        for name in names
    ]


@pytest.fixture
def blocks(frame):
    return contiguous_blocks(frame, neighbours=line, size_period=2, partitions=4, seed=11)


def test_the_region_is_pooled_and_every_year_weighs_the_same(frame, blocks):
    # region 15, 17 | 35: change 35 - 16 = 19; donors pooled 16.25, 16.25 | 18.75: change 2.5
    assert region_did(frame, windows=WINDOWS, inference=blocks).estimate == pytest.approx(19 - 2.5)


def test_pooling_weighs_by_exposure(frame, blocks):
    rows = frame.rows.copy()
    heavy = rows["cluster"] == "a"
    rows.loc[heavy, ["numerator", "exposure"]] *= 3.0
    heavier = AnalysisFrame(rows, frame.measure, frame.source, frame.practices)
    weights = np.array([3, 1]) / 4
    change = weights @ [30 - 11, 40 - 21]
    assert region_did(heavier, windows=WINDOWS, inference=blocks).estimate == pytest.approx(change - 2.5)


def test_a_block_is_compared_with_the_donors_outside_it(frame, blocks):
    # cd: pooled change 2.5; ef: pooled change 2.5; de: 2.0, cf: not touching, so it cannot be
    found = region_placebos(frame, windows=WINDOWS, inference=blocks).effects
    changes = {"c": 2.0, "d": 3.0, "e": 1.0, "f": 4.0}
    names = blocks.names
    for effect, block in zip(found, (b for p in blocks.partitions.blocks for b in p), strict=True):
        inside = [changes[names[k]] for k in block]
        outside = [v for n, v in changes.items() if n not in {names[k] for k in block}]
        assert effect == pytest.approx(np.mean(inside) - np.mean(outside))


def test_scattered_sets_need_not_touch(frame):
    drawn = scattered_sets(frame, size_period=2, sets=40, seed=3)
    pairs = {"".join(drawn.names[k] for k in b) for p in drawn.partitions.blocks for b in p}
    assert "cf" in pairs or "ce" in pairs


def test_rank_p_value_by_hand():
    # partition 0: |2|, |-5|, |9|; partition 1: |1|, |4|
    placebo = PlaceboDistribution(np.array([2.0, -5, 9, 1, 4]), np.array([0, 0, 0, 1, 1]))
    np.testing.assert_allclose(placebo.p_values(-5.0), [3 / 4, 1 / 3])
    assert placebo.p_value(-5.0) == pytest.approx((3 / 4 + 1 / 3) / 2)
    assert placebo.p_value(100.0) == pytest.approx((1 / 4 + 1 / 3) / 2)
    assert placebo.scale == pytest.approx(math.sqrt((4 + 25 + 81 + 1 + 16) / 5))


def test_the_interval_holds_exactly_the_values_that_the_test_does_not_reject():
    rng = np.random.default_rng(5)
    partition = np.repeat(np.arange(6), 30)
    placebo = PlaceboDistribution(rng.normal(size=partition.size), partition)
    half = placebo.half_width(0.9)
    assert placebo.p_value(half) > 0.1
    assert placebo.p_value(half * (1 + 1e-6)) <= 0.1


def test_too_few_groups_give_an_unbounded_interval(frame, blocks):
    found = region_did(frame, windows=WINDOWS, inference=blocks)
    assert (found.conf_low, found.conf_high) == (-math.inf, math.inf)
    ratio = region_did(frame, windows=WINDOWS, inference=blocks, scale="ratio")
    assert (ratio.conf_low, ratio.conf_high) == (0, math.inf)
    assert found.p_value >= 1 / 3


def test_interval_and_test_of_an_estimate_come_from_the_same_procedure(frame):
    found = region_did(frame, windows=WINDOWS, inference=single_donors(frame, size_period=2), level=0.5)
    low, high = found.conf_int(0.5)
    assert found.p_at(low) > 0.5 and found.p_at(high) > 0.5
    assert found.p_at(high + 1e-6) <= 0.5 or math.isinf(high)
    assert found.p_at(found.estimate) == pytest.approx(1)


def test_ratio_is_the_change_of_logs(frame, blocks):
    found = region_did(frame, windows=WINDOWS, inference=blocks, scale="ratio").estimate
    donors = np.array([16.25, 16.25, 18.75])
    gap = np.log(np.array([15, 17, 35]) / donors)
    assert found == pytest.approx(math.exp(gap[2] - gap[:2].mean()))


def test_synthetic_uses_large_donors_one_by_one_and_the_region_pooled(frame, blocks):
    found = region_did(
        frame, windows=WINDOWS, inference=blocks, method="sdid", size_period=2, min_exposure=50
    )
    stacked = np.array([*(RATES[p] for p in "cdef"), (15, 17, 35)], float)
    assert found.estimate == pytest.approx(synthetic_did(stacked, n_control=4, n_pre=2).estimate)


def test_the_first_partitions_are_the_same_ones(blocks):
    few = blocks.first(2)
    assert len(few.partitions) == 2
    assert all(
        (a == b).all() for a, b in zip(few.partitions.blocks[1], blocks.partitions.blocks[1], strict=True)
    )


def test_bad_designs_are_refused_with_the_reason(frame, blocks):
    with pytest.raises(DesignError, match="use did or sdid"):
        region_did(frame, windows=WINDOWS, inference=blocks, method="ols")
    with pytest.raises(DesignError, match="not overlapping"):
        region_did(frame, windows=((1, 3), (3, 3)), inference=blocks)
    with pytest.raises(DesignError, match="the windows need the years"):
        region_did(frame, windows=((1, 2), (3, 5)), inference=blocks)
    with pytest.raises(DesignError, match="needs size_period"):
        region_did(frame, windows=WINDOWS, inference=blocks, method="sdid", min_exposure=5)
    with pytest.raises(DesignError, match="2 are needed"):
        region_did(frame, windows=WINDOWS, inference=blocks, method="sdid", size_period=2, min_exposure=1e9)
    with pytest.raises(DesignError, match="treated region"):
        contiguous_blocks(frame.keep_clusters("cdef"), neighbours=line, size_period=2, partitions=1, seed=1)
    with pytest.raises(DesignError, match="cluster-years are missing"):
        gone = frame.rows[~((frame.rows["cluster"] == "d") & (frame.rows["period"] == 1))]
        region_did(
            AnalysisFrame(gone, frame.measure, frame.source, frame.practices),
            windows=WINDOWS,
            inference=blocks,
        )
    with pytest.raises(DesignError, match="positive rates"):
        rows = frame.rows.assign(numerator=-1.0)
        negative = AnalysisFrame(rows, frame.measure, frame.source, frame.practices)
        region_did(negative, windows=WINDOWS, inference=blocks, scale="ratio")
    with pytest.raises(DesignError, match="no donor has an exposure"):
        single_donors(frame, size_period=2, min_exposure=1e9)


def test_counts_tell_places_and_insured_years(frame, blocks):
    found = region_did(frame, windows=WINDOWS, inference=blocks)
    assert {(c.group, c.period, c.practices) for c in found.counts.cells} == {
        ("programme", "1-2", 2),
        ("programme", "3-3", 2),
        ("comparison", "1-2", 4),
        ("comparison", "3-3", 4),
    }


def test_membership_rows_are_the_blocks():
    two = Partitions(
        blocks=((np.array([0, 1]),), (np.array([1]), np.array([2]))), target=1.0, tolerance=0.2, n_units=3
    )
    np.testing.assert_array_equal(two.membership(), [[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(two.partition_of, [0, 1, 1])
