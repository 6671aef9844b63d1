"""What an outcome knows of the practices themselves: who joined when, and their size before."""

from __future__ import annotations

import pandas as pd

from pluseval.data.study import Study

BASELINE_YEAR = 2015
_FIXED = ("start_date", "region", "batch", "learning_group", "programme")


def practice_columns(study: Study) -> pd.DataFrame:
    """Practice-level columns fixed at baseline, index ``cluster``.

    ``list_size`` is the number enlisted on 1 July 2015, or in the first year with a list; where the study has
    no ``practice_years``, the insured persons enlisted there. Practices that merged count together. Columns
    without any value are left out.
    """
    practices = study.practices
    known = [c for c in _FIXED if c in practices.columns and practices[c].notna().any()]
    columns = practices[known].copy()
    columns.index.name = "cluster"
    sizes = list_sizes(study)
    if sizes is None:
        sizes = _insured_persons(study)
    if sizes is not None:
        years = sizes["year"].unique()
        year = BASELINE_YEAR if BASELINE_YEAR in years else int(years.min())
        at_baseline = sizes[sizes["year"] == year].set_index("cluster")["list_size"]
        columns["list_size"] = at_baseline.reindex(columns.index).astype(float)
    return columns


def list_sizes(study: Study) -> pd.DataFrame | None:
    """Persons enlisted per practice and year: ``cluster year list_size``; None without ``practice_years``."""
    if not study.has("practice_years"):
        return None
    t = study.table("practice_years")
    sums = t.group_by(cluster=t.practice_id, year=t.year).aggregate(list_size=t.list_size.sum())
    out = sums.order_by(["cluster", "year"]).to_pandas()
    return out.astype({"year": "int64", "list_size": "int64"})


def _insured_persons(study: Study) -> pd.DataFrame | None:
    """Insured persons per practice and year in the shape of :func:`list_sizes`; None without claims."""
    if not study.has("insured_years"):
        return None
    t = study.table("insured_years")
    counts = t.group_by(cluster=t.practice_id, year=t.year).aggregate(list_size=t.count())
    out = counts.order_by(["cluster", "year"]).to_pandas()
    return out.astype({"year": "int64", "list_size": "int64"})


def with_entry(rows: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Rows with the ``entry`` of their cluster (NaN for comparison practices)."""
    entry = study.practices["entry"].astype(float)
    return rows.assign(entry=rows["cluster"].map(entry).astype(float))
