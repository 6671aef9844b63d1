"""Levels of municipal costs: by year, standardised for age and sex, and euros above expected."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pluseval.data.frame import Measure
from pluseval.data.geography import OZL
from pluseval.data.source import Source
from pluseval.data.vektis import VektisPanel
from pluseval.estimate.result import Cell, Counts, Estimand, Estimate, EstimateSet
from pluseval.numerics.standardise import indirectly_standardise
from pluseval.outcomes.municipal_costs import MEASURES

SHORT = {
    "msz": ("MSZ cost", "MSZ-kosten"),
    "basket": ("comparable basket", "vergelijkbaar pakket"),
    "total": ("total Zvw cost", "totale Zvw-kosten"),
}


def level(
    term: str,
    value: float,
    *,
    measure: Measure,
    source: Source,
    counts: Counts,
    contrast: str,
    group: str = "",
    at: float | None = None,
    notes: tuple[str, ...] = (),
) -> Estimate:
    """A description of a whole population: no sampling error, so no interval and no p-value."""
    nan = math.nan
    return Estimate(
        term=term,
        estimate=value,
        std_error=nan,
        statistic=nan,
        df=nan,
        p_value=nan,
        conf_low=nan,
        conf_high=nan,
        measure=measure,
        estimand=Estimand(
            population="residents of Dutch municipalities",
            unit="region and year",
            weight="every insured-year",
            contrast=contrast,
            scale="level",
            assumption="none: a description",
        ),
        counts=counts,
        source=source,
        method="description",
        inference="none: a description of the whole population",
        nobs=sum(cell.practices for cell in counts.cells),
        n_clusters=sum(cell.practices for cell in counts.cells),
        scale="level",
        group=group,
        at=at,
        notes=notes,
    )


def millions_of(measure: Measure) -> Measure:
    """The measure of the same euros for a whole region, in millions."""
    return replace(
        measure,
        key=f"{measure.key}_million",
        label=measure.label.replace(" per insured-year", " of the region"),
        label_nl=measure.label_nl.replace(" per verzekerdenjaar", " van de regio"),
        unit="EUR million",
        unit_nl="miljoen euro",
        difference_unit="EUR million",
        difference_unit_nl="miljoen euro",
        decimals=1,
    )


def described(panel: VektisPanel, kind: str) -> list[EstimateSet]:
    """Levels, age-sex standardised ratios and euros above expected, by year."""
    levels, ratios, region, excess = [], [], [], []
    column, measure, source = f"cost_{kind}_eur", MEASURES[kind], panel.source
    ratio_measure = Measure(
        key=f"municipal_ratio_{kind}",
        label=f"{SHORT[kind][0]}, observed / expected by age and sex",
        label_nl=f"{SHORT[kind][1]}, waargenomen / verwacht naar leeftijd en geslacht",
        unit="times expected",
        unit_nl="maal verwacht",
        difference_unit="",
        difference_unit_nl="",
        better="lower",
        decimals=3,
    )
    for year in panel.years:
        table = panel.table[panel.table["year"] == year]
        top, base = (
            table.pivot_table(
                index="municipality", columns=["sex", "age_from"], values=v, aggfunc="sum", fill_value=0.0
            )
            for v in (column, "insured_years")
        )
        inside = top.index.isin(OZL)
        sizes = base.sum(axis=1)
        counts = Counts(
            (
                Cell("programme", str(year), int(sizes[inside].sum()), int(inside.sum())),
                Cell("comparison", str(year), int(sizes[~inside].sum()), int((~inside).sum())),
            ),
            of="municipalities",
        )
        for group, rows in (("programme", inside), ("comparison", ~inside)):
            levels.append(
                level(
                    f"{'OZL' if group == 'programme' else 'rest of the Netherlands'} {year}",
                    float(top[rows].to_numpy().sum() / sizes[rows].sum()),
                    measure=measure,
                    source=source,
                    counts=counts,
                    group=group,
                    at=year,
                    contrast="crude mean; the REST row (unknown residence) is left out",
                )
            )
        found = indirectly_standardise(top.to_numpy(), base.to_numpy())
        expected = "expected at the national rates of sex and 5-year age class, REST row left out"
        own = np.flatnonzero(inside)
        alone = Counts(counts.cells[:1], of="municipalities")
        told = [(top.index[k].title(), found.ratio[k], alone) for k in own]
        pooled = found.observed[own].sum() / found.expected[own].sum()
        shared = {"source": source, "at": year, "contrast": expected}
        ratios += [
            level(f"{place} {year}", float(value), measure=ratio_measure, counts=c, group=place, **shared)
            for place, value, c in told
        ]
        region.append(
            level(str(year), float(pooled), measure=ratio_measure, counts=counts, group="programme", **shared)
        )
        excess.append(
            level(
                str(year),
                float(found.excess[own].sum() / 1e6),
                measure=millions_of(measure),
                counts=counts,
                group="programme",
                **shared,
            )
        )
    label, label_nl = SHORT[kind]
    return [
        EstimateSet(
            f"municipal.levels.{kind}",
            f"{label} per insured-year, OZL and the rest of the Netherlands",
            tuple(levels),
            display="trajectory",
            title_nl=f"{label_nl} per verzekerdenjaar, OZL en de rest van Nederland",
        ),
        EstimateSet(
            f"municipal.standardised.{kind}",
            f"{label}: observed / expected by age and sex, OZL municipalities",
            tuple(ratios),
            display="table",
            title_nl=f"{label_nl}: waargenomen / verwacht, gemeenten van OZL",
        ),
        EstimateSet(
            f"municipal.standardised.{kind}.region",
            f"{label}: observed / expected by age and sex, OZL as a whole",
            tuple(region),
            display="trajectory",
            title_nl=f"{label_nl}: waargenomen / verwacht, OZL als geheel",
        ),
        EstimateSet(
            f"municipal.expected.{kind}",
            f"{label} of OZL above what its age and sex lead one to expect",
            tuple(reversed(excess)),  # the latest year first: it is the one that is quoted
            display="trajectory",
            title_nl=f"{label_nl} van OZL boven verwachting naar leeftijd en geslacht",
        ),
    ]
