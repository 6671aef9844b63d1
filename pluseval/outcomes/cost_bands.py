"""How costs are spread over persons: shares of persons and of costs by band, counted in the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import ibis
import pandas as pd

from pluseval.data.study import Study
from pluseval.errors import DesignError

EDGES = (0, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000)


def cost_bands(
    study: Study, *, kind: Literal["msz", "total"] = "msz", year: int, edges: Sequence[int] = EDGES
) -> pd.DataFrame:
    """Persons and their costs by band of yearly cost and group.

    Parameters
    ----------
    study : Study
        With the table ``insured_years``.
    kind : {"msz", "total"}
        Which cost.
    year : int
        The calendar year.
    edges : sequence of int
        Lower ends of the bands in euros, ascending from 0; a band of exactly no cost comes first.

    Returns
    -------
    DataFrame
        One row per band and group: ``band group persons practices share_persons share_cost
        largest_practice``; shares are percentages of the group's persons and of its costs,
        ``largest_practice`` the largest practice's part of the band's persons.

    Raises
    ------
    DesignError
        If the study has no insured years, or none in the year.
    """
    if kind not in ("msz", "total"):
        raise DesignError(f"cost_bands: kind is {kind!r}; use 'msz' or 'total'")
    t = study.table("insured_years")
    t = t.filter(t.year == year)
    cost = t[f"cost_{kind}_eur"]
    number = ibis.literal(0)
    for lower in edges:
        number = number + (cost > lower).cast("int64")
    cells = (
        t.mutate(number=number, amount=cost.cast("decimal(14, 2)"))
        .group_by(["practice_id", "number"])
        .aggregate(persons=ibis._.count(), amount=ibis._.amount.sum().cast("float64"))
        .to_pandas()
    )
    if cells.empty:
        raise DesignError(f"cost_bands: the study has no insured year in {year}")
    treated = study.practices["treated"].reindex(cells["practice_id"]).to_numpy(bool)
    cells["group"] = ["programme" if one else "comparison" for one in treated]
    grouped = cells.sort_values(["group", "number", "practice_id"]).groupby(["group", "number"])
    bands = grouped.agg(
        persons=("persons", "sum"),
        practices=("practice_id", "nunique"),
        amount=("amount", "sum"),
        largest=("persons", "max"),
    ).reset_index()
    of_group = bands.groupby("group")
    bands["share_persons"] = 100 * bands["persons"] / of_group["persons"].transform("sum")
    bands["share_cost"] = 100 * bands["amount"] / of_group["amount"].transform("sum")
    bands["largest_practice"] = bands["largest"] / bands["persons"]
    bands["band"] = bands["number"].map(lambda n: _band(int(n), edges))
    return bands[["band", "group", "persons", "practices", "share_persons", "share_cost", "largest_practice"]]


def _band(number: int, edges: Sequence[int]) -> str:
    if number == 0:
        return "none"
    low = f"{edges[number - 1]:,}"
    return f"over {low}" if number == len(edges) else f"{low}-{edges[number]:,}"
