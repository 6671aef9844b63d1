"""Perceived health of the region against the nation, the 355 municipalities and regions of its size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from pluseval.data.frame import Measure
from pluseval.data.geography import MERGERS, OZL
from pluseval.data.rivm import RivmPanel
from pluseval.data.vektis import VektisPanel
from pluseval.estimate.placebo_blocks import Placebos
from pluseval.estimate.result import Cell, Counts, Estimate, EstimateSet

from .municipal_levels import level

HEALTH = Measure(
    key="perceived_health_good_pct",
    label="adults who call their health good or very good",
    label_nl="volwassenen die hun gezondheid goed of zeer goed noemen",
    unit="% of adults",
    unit_nl="% van de volwassenen",
    difference_unit="percentage points",
    difference_unit_nl="procentpunten",
    better="higher",
    decimals=1,
)
RANK = Measure(
    key="perceived_health_rank",
    label="rank by perceived health, 1 is the lowest",
    label_nl="rang naar ervaren gezondheid, 1 is de laagste",
    unit="from the lowest",
    unit_nl="van onderen",
    difference_unit="ranks",
    difference_unit_nl="rangen",
    better="higher",
    decimals=0,
)
MODELLED = "model-smoothed small-area estimates without standard errors (RIVM, GGD'en, CBS)"


def perceived_health(panel: VektisPanel, rivm: RivmPanel, blocks: Placebos | None) -> list[EstimateSet]:
    """Gaps to the nation and ranks, then levels and each municipality's rank.

    A region is pooled by insured-years of the nearest Vektis year on the borders of 2020, those of the RIVM
    table.
    """
    gaps, ranks, levels, places = [], [], [], []
    for year in rivm.years:
        values = rivm.table[rivm.table["year"] == year].set_index("municipality")["healthy_pct"]
        weights = _weights(panel, values.index, year)
        if weights is None or not set(OZL) <= set(values.index):
            continue
        own = values.index.isin(OZL)
        region = float(np.average(values[own], weights=weights[own]))
        published = year in rivm.national.index
        nation = float(rivm.national[year]) if published else float(np.average(values, weights=weights))
        whence = "published national figure" if published else "municipalities pooled by insured-years"
        counts = Counts(
            (
                Cell("programme", str(year), int(weights[own].sum()), int(own.sum())),
                Cell("comparison", str(year), int(weights[~own].sum()), int((~own).sum())),
            ),
            of="municipalities",
        )
        shared = {"source": rivm.source, "counts": counts, "notes": (MODELLED,)}
        gaps.append(
            _gap(
                level(
                    f"OZL minus the Netherlands {year}",
                    region - nation,
                    measure=HEALTH,
                    at=year,
                    contrast=f"OZL pooled by insured-years minus the {whence}",
                    **shared,
                )
            )
        )
        lower = int((values[~own] < region).sum())
        ranks.append(
            level(
                f"rank {year}",
                lower + 1,
                measure=RANK,
                at=year,
                contrast=f"OZL as one place among the other {int((~own).sum())} municipalities",
                **shared,
            )
        )
        if blocks is not None:
            ranks.append(_block_rank(values, weights, region, blocks, year, shared))
        levels += [
            level(
                f"OZL {year}", region, measure=HEALTH, group="programme", at=year, contrast="pooled", **shared
            ),
            level(
                f"the Netherlands {year}",
                nation,
                measure=HEALTH,
                group="comparison",
                at=year,
                contrast=whence,
                **shared,
            ),
        ]
        order = values.rank(method="min")
        places += [
            level(
                f"{place.title()} {year}",
                float(order[place]),
                measure=RANK,
                group=place.title(),
                at=year,
                contrast=f"among all {len(values)} municipalities, ties share the lower rank",
                **shared,
            )
            for place in OZL
        ]
    if not gaps:
        return []
    title = "Perceived health"
    return [
        EstimateSet(
            "municipal.health",
            f"{title}: OZL against the nation and its rank from the lowest",
            (*gaps, *ranks),
            display="table",
            title_nl="Ervaren gezondheid: OZL tegenover Nederland en de rang van onderen",
        ),
        EstimateSet(
            "municipal.health.levels",
            f"{title}: adults who call their health good or very good",
            tuple(levels),
            display="trajectory",
            title_nl="Ervaren gezondheid: volwassenen die hun gezondheid goed of zeer goed noemen",
        ),
        EstimateSet(
            "municipal.health.rank",
            f"{title}: rank of each OZL municipality from the lowest",
            tuple(places),
            display="table",
            title_nl="Ervaren gezondheid: rang van elke gemeente van OZL van onderen",
        ),
    ]


def _gap(number: Estimate) -> Estimate:
    """A level difference as a difference, so that it is printed in percentage points."""
    return replace(number, scale="difference", estimand=replace(number.estimand, scale="difference"))


def _weights(panel: VektisPanel, names: pd.Index, year: int) -> np.ndarray | None:
    """Insured-years of the nearest Vektis year with all these municipalities; None if there is none."""
    for near in sorted(panel.years, key=lambda y: (abs(y - year), y)):
        of_year = panel.published[panel.published["year"] == near]
        weights = of_year.set_index("municipality")["insured_years"].reindex(names)
        if weights.notna().all():
            return weights.to_numpy(float)
    return None


def _block_rank(
    values: pd.Series, weights: np.ndarray, region: float, blocks: Placebos, year: int, shared: dict
) -> Estimate:
    """Rank among contiguous regions of OZL's size, averaged over the random partitions."""
    merged = values.index.map(lambda name: MERGERS.get(name, name))
    sums = pd.DataFrame({"top": values.to_numpy() * weights, "base": weights}).groupby(merged).sum()
    sums = sums.reindex(list(blocks.names))
    groups = blocks.partitions.membership()
    pooled = (groups @ sums["top"].to_numpy()) / (groups @ sums["base"].to_numpy())
    lower = np.bincount(blocks.partitions.partition_of, weights=pooled < region)
    others = blocks.partitions.counts
    return level(
        f"rank among blocks {year}",
        float(lower.mean()) + 1,
        measure=RANK,
        at=year,
        contrast=(
            f"OZL among about {others.mean():.0f} contiguous regions of its size, mean over {len(others)} "
            "random partitions"
        ),
        **shared,
    )
