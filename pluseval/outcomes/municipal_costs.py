"""Costs per insured-year of municipalities: a treated region and its donors, from the public Vektis panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame, Loss, Measure
from pluseval.data.geography import NO_DONORS, OZL
from pluseval.data.vektis import VektisPanel
from pluseval.errors import DesignError

MEASURES: dict[str, Measure] = {
    kind: Measure(
        key=f"municipal_cost_{kind}_eur",
        label=f"{label} per insured-year",
        label_nl=f"{label_nl} per verzekerdenjaar",
        unit="EUR per insured-year",
        unit_nl="euro per verzekerdenjaar",
        difference_unit="EUR per insured-year",
        difference_unit_nl="euro per verzekerdenjaar",
        better="lower",
        decimals=0,
    )
    for kind, label, label_nl in (
        ("msz", "MSZ cost", "MSZ-kosten"),
        ("basket", "comparable Zvw cost (without items that changed law)", "vergelijkbare Zvw-kosten"),
        ("total", "total Zvw cost", "totale Zvw-kosten"),
    )
}


def municipal_cost(
    panel: VektisPanel,
    *,
    kind: Literal["msz", "basket", "total"],
    entry: int,
    region: Sequence[str] = OZL,
    no_donors: Sequence[str] = NO_DONORS,
) -> AnalysisFrame:
    """Cost per insured-year, one row per municipality and year: ``region`` treated from ``entry``, the rest
    donors.

    A cluster is a municipality; ``persons`` is the number of insured-years rounded down (fewer than the
    persons).

    Parameters
    ----------
    panel : VektisPanel
    kind : {"msz", "basket", "total"}
    entry : int
        First treated year of the region.
    region, no_donors : sequence of str
        The treated municipalities; those that are neither treated nor donors (South Limburg, its neighbour,
        and the places of a split).

    Raises
    ------
    DesignError
        An unknown kind, or a municipality of the region that is not in every year of the panel.
    """
    if kind not in MEASURES:
        raise DesignError(f"municipal_cost: kind is {kind!r}; use one of {', '.join(MEASURES)}")
    sums = panel.municipal
    absent = sorted(set(region) - set(sums["municipality"]))
    if absent:
        raise DesignError(f"the panel has no complete series for {', '.join(absent)} of the treated region")
    treated = sums["municipality"].isin(list(region))
    keep = treated | ~sums["municipality"].isin(list(no_donors))
    rows = sums[keep]
    frame = pd.DataFrame(
        {
            "unit": rows["municipality"],
            "cluster": rows["municipality"],
            "period": rows["year"],
            "entry": np.where(treated[keep], float(entry), np.nan),
            "numerator": rows[f"cost_{kind}_eur"],
            "exposure": rows["insured_years"],
            "persons": np.floor(rows["insured_years"]).astype("int64"),
        }
    ).reset_index(drop=True)
    left_out = int(sums.loc[~keep, "municipality"].nunique())
    return AnalysisFrame(
        rows=frame,
        measure=MEASURES[kind],
        source=panel.source,
        practices=pd.DataFrame(index=pd.Index(sorted(frame["cluster"].unique()), name="cluster")),
        losses=(Loss("municipalities that are neither treated nor donors", left_out),) if left_out else (),
        population="insured persons of Dutch municipalities by their residence",
        attribution="municipality of residence, borders of 2023",
    )
