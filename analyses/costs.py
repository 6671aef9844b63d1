"""Costs: did medical-specialist and total costs develop differently?"""

from __future__ import annotations

from pluseval.data.frame import Measure
from pluseval.data.study import Study
from pluseval.estimate.distribution import described_share, distribution
from pluseval.estimate.result import Cell, EstimateSet
from pluseval.outcomes.cost_bands import cost_bands
from pluseval.pipeline.analyse import Analysis, analyse_question
from pluseval.pipeline.plan import Plan

SHARE = Measure(
    key="share_of_persons",
    label="Share of insured persons",
    label_nl="Aandeel van de verzekerden",
    unit="% of insured persons",
    unit_nl="% van de verzekerden",
    difference_unit="percentage points",
    difference_unit_nl="procentpunten",
    better="lower",
    decimals=1,
)


def analyse(study: Study, plan: Plan) -> Analysis:
    """Every planned estimate of this question, and how MSZ costs are spread over persons."""
    found = analyse_question(study, plan, "costs")
    if not study.has("insured_years"):
        return found
    return found + Analysis((spread(study, plan.windows.reference),))


def spread(study: Study, year: int) -> EstimateSet:
    """Shares of persons by band of MSZ cost in the last year before the start, both groups."""
    bands = cost_bands(study, kind="msz", year=year)
    order = {band: float(i) for i, band in enumerate(bands["band"].drop_duplicates())}
    shares = [
        described_share(
            f"EUR {row.band}" if row.band != "none" else "no MSZ cost",
            row.share_persons,
            at=order[row.band],
            group=row.group,
            measure=SHARE,
            source=study.source,
            cells=[
                Cell(
                    row.group,
                    str(year),
                    int(row.persons),
                    int(row.practices),
                    row.largest_practice,
                    part=row.band,  # bands of one group lie beside each other: none is subtracted
                )
            ],
            population=f"persons insured in {year}",
            contrast=f"share of persons by MSZ cost in {year}",
        )
        for row in bands.itertuples()
    ]
    return distribution(
        "costs.msz.distribution",
        f"MSZ cost per person in {year}",
        shares,
        title_nl=f"MSZ-kosten per persoon in {year}",
    )
