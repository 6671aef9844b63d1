"""Descriptions by class: shares of a whole, without a test."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pluseval.data.frame import Measure
from pluseval.data.source import Source
from pluseval.errors import DesignError
from pluseval.estimate.result import Cell, Counts, Estimand, Estimate, EstimateSet


def described_share(
    band: str,
    share: float,
    *,
    at: float,
    group: str = "",
    measure: Measure,
    source: Source,
    cells: Sequence[Cell],
    population: str,
    contrast: str,
) -> Estimate:
    """One share of a distribution, as a description: no interval and no p-value.

    ``at`` is the place of the band in the order of bands.

    Raises
    ------
    DesignError
        If the share is not between 0 and 100.
    """
    if not 0 <= share <= 100:
        raise DesignError(f"described_share: {share} is no percentage")
    practices = sum(c.practices for c in cells)
    return Estimate(
        term=f"{group} {band}" if group else band,
        estimate=share,
        std_error=math.nan,
        statistic=math.nan,
        df=math.nan,
        p_value=math.nan,
        conf_low=math.nan,
        conf_high=math.nan,
        measure=measure,
        estimand=Estimand(
            population=population,
            unit="person",
            weight="every person",
            contrast=contrast,
            scale="level",
            assumption="none: a description",
        ),
        counts=Counts(tuple(cells)),
        source=source,
        method="description",
        inference="none: a description",
        nobs=sum(c.persons or 0 for c in cells),
        n_clusters=practices,
        scale="level",
        group=group,
        at=at,
    )


def distribution(name: str, title: str, shares: Sequence[Estimate], *, title_nl: str = "") -> EstimateSet:
    """Shares that make a distribution together."""
    return EstimateSet(name, title, tuple(shares), display="distribution", title_nl=title_nl)
