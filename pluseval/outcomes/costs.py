"""Costs per insured-year: medical-specialist care (MSZ) and all care under the Zvw."""

from __future__ import annotations

import calendar
from typing import Literal

import ibis.expr.types as ir
import pandas as pd

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.data.study import Study
from pluseval.errors import DesignError
from pluseval.outcomes.attribution import Attribution
from pluseval.outcomes.baseline import practice_columns, with_entry
from pluseval.outcomes.dominance import sums_with_largest

MONEY = "decimal(14, 2)"
_COLUMN = {"msz": "cost_msz_eur", "total": "cost_total_eur"}
MSZ_COST = Measure(
    key="cost_msz_eur",
    label="MSZ cost per insured-year",
    label_nl="MSZ-kosten per verzekerdenjaar",
    unit="EUR per insured-year",
    unit_nl="euro per verzekerdenjaar",
    difference_unit="EUR",
    difference_unit_nl="euro",
    better="lower",
    decimals=0,
    additive=True,
)
TOTAL_COST = Measure(
    key="cost_total_eur",
    label="total cost per insured-year",
    label_nl="totale kosten per verzekerdenjaar",
    unit="EUR per insured-year",
    unit_nl="euro per verzekerdenjaar",
    difference_unit="EUR",
    difference_unit_nl="euro",
    better="lower",
    decimals=0,
    additive=True,
)
_MEASURE = {"msz": MSZ_COST, "total": TOTAL_COST}


def cost_per_insured_year(
    study: Study, *, kind: Literal["msz", "total"] = "msz", attribution: str = "enlisted_1_july"
) -> AnalysisFrame:
    """Costs per insured-year, one row per practice and year; only these sums leave the engine.

    Nominal euros with the deductible; negative corrections are kept. A person insured for part of a year
    counts for that part.

    Parameters
    ----------
    study : Study
        With the table ``insured_years``.
    kind : {"msz", "total"}
    attribution : str
        ``enlisted_1_july`` (the practice of each year) or ``practice_2015`` (intention to treat: persons
        enlisted nowhere in 2015 are a loss).

    Returns
    -------
    AnalysisFrame
        ``numerator`` euros, ``exposure`` insured-years, ``largest`` and ``second`` the two most costly
        persons.

    Raises
    ------
    DesignError
        No insured years, or an unknown kind or attribution.
    """
    if kind not in _COLUMN:
        raise DesignError(f"cost_per_insured_year: kind is {kind!r}; use 'msz' or 'total'")
    chosen = Attribution(attribution)
    if not study.has("insured_years"):
        raise DesignError("costs need the table insured_years, which this study does not have")
    t, losses = chosen.apply(study, study.table("insured_years"), what="insured person-years")
    rows = _practice_years(t, _COLUMN[kind])
    return AnalysisFrame(
        rows=with_entry(rows, study),
        measure=_MEASURE[kind],
        source=study.source,
        practices=practice_columns(study),
        losses=losses,
        population=chosen.population,
        attribution=chosen.words,
    )


def _practice_years(t: ir.Table, column: str) -> pd.DataFrame:
    """Sums per practice and year; money as DECIMAL, so that the order of adding does not matter."""
    t = t.select("practice_id", "year", "insured_days", amount=t[column].cast(MONEY))
    # The key (person_id, year) makes every row of a year another person.
    cells = sums_with_largest(t, numerator=t.amount.sum(), days=t.insured_days.sum(), persons=t.count())
    found = cells.order_by(["practice_id", "year"]).to_pandas()
    year = found["year"].astype("int64")
    practice = found["practice_id"].astype(str)
    return pd.DataFrame(
        {
            "unit": practice,
            "cluster": practice,
            "period": year,
            "numerator": found["numerator"].astype(float),
            "exposure": found["days"].astype(float) / year.map(lambda y: 366 if calendar.isleap(y) else 365),
            "persons": found["persons"].astype("int64"),
            "largest": found["largest"].astype(float),
            "second": found["second"].astype(float),
        }
    )
