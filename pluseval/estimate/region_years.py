"""One treated region year by year against a reference year, with a joint test of the years before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.placebo_blocks import PlaceboDistribution, Placebos
from pluseval.estimate.region import region_did, region_placebos
from pluseval.estimate.result import Estimate, EstimateSet, JointTest


def region_event_study(
    frame: AnalysisFrame, *, inference: Placebos, reference: int, level: float = 0.95
) -> EstimateSet:
    """The region's difference from its donors in every year, minus that of the reference year.

    Assumption: as of :func:`pluseval.estimate.region.region_did`. The years before the start are a check of
    it: the joint test ranks the region's largest standardised difference in those years among the placebos'.

    Parameters
    ----------
    frame : AnalysisFrame
        The region's clusters have an entry, the donors none.
    inference : Placebos
    reference : int
        A year before the start.
    level : float

    Returns
    -------
    EstimateSet
        One estimate a year (``at``), without the reference year; ``display`` is ``event_study``.

    Raises
    ------
    DesignError
        If the reference year is not in the frame, or not before the start.
    """
    start = frame.rows["entry"].min()
    if reference not in frame.periods or not reference < start:
        raise DesignError(f"reference {reference} must be a year of the frame before the start ({start:.0f})")
    estimates, earlier = [], []
    for year in frame.periods:
        if year == reference:
            continue
        first, second = sorted((year, reference))
        windows = ((first, first), (second, second))
        found = region_did(frame, windows=windows, inference=inference, level=level, term=str(year))
        found = _turned(found) if year < reference else found
        estimates.append(replace(found, at=float(year)))
        if year < start:
            earlier.append((found, region_placebos(frame, windows=windows, inference=inference)))
    return EstimateSet(
        name="region_event_study",
        title=f"{frame.measure.label}: region minus donors, difference from {reference}",
        estimates=tuple(estimates),
        joint=(_joint(earlier, inference),) if earlier else (),
        display="event_study",
    )


def _turned(e: Estimate) -> Estimate:
    """The same change read backwards: the earlier year minus the reference."""
    interval, test = e.interval, e.test

    def ends(level: float) -> tuple[float, float]:
        low, high = e.conf_int(level)
        return -high, -low

    sheet = replace(
        e.estimand, contrast=f"{e.estimand.contrast}; read backwards, from the later to the earlier year"
    )
    return replace(
        e,
        estimate=-e.estimate,
        statistic=-e.statistic,
        conf_low=-e.conf_high,
        conf_high=-e.conf_low,
        estimand=sheet,
        interval=None if interval is None else ends,
        test=None if test is None else lambda value: test(-value),
    )


def _joint(earlier: list[tuple[Estimate, PlaceboDistribution]], inference: Placebos) -> JointTest:
    largest = max(abs(e.estimate) / placebo.scale for e, placebo in earlier)
    others = np.max([np.abs(placebo.effects) / placebo.scale for _, placebo in earlier], axis=0)
    ranked = PlaceboDistribution(effects=others, partition=inference.partitions.partition_of)
    years = ", ".join(e.term for e, _ in earlier)
    return JointTest(
        name=f"years before the start ({years})",
        statistic=largest,
        df=float("nan"),
        p_value=ranked.p_value(largest),
        inference="largest standardised difference, ranked among those of the placebo regions",
    )
