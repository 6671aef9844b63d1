"""Dummy rows of the contract: rows without meaning, for tests and for code written before data arrive."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from pluseval.data.declaration import Column
from pluseval.data.schema import TABLES
from pluseval.errors import DesignError


def dummy(table: str, rows: int, seed: int) -> pd.DataFrame:
    """Rows without meaning that meet the contract, for tests and for writing code before data arrive.

    Tables made with the same number of rows fit each other: practice codes are ``P001`` to ``P006`` (``P001``
    and ``P002`` treated from 2016), the window is 2013 to 2020, and every person id lies in 1 to ``rows``.

    Parameters
    ----------
    table : str
        A table of the contract.
    rows : int
        Number of rows; ``practices`` has six at most, ``practice_years`` 48, ``practice_links`` none.
    seed : int
        Seed of the random draws.

    Examples
    --------
    >>> dummy("practices", rows=6, seed=1)["treated"].sum()
    np.int64(2)
    """
    if table not in TABLES:
        raise DesignError(f"dummy: no table {table!r}; use one of {', '.join(TABLES)}")
    rng = np.random.default_rng(seed)
    spec = TABLES[table]
    most = {"practices": 6, "practice_years": 48, "practice_links": 0}.get(table, rows)
    rows = min(rows, most)
    frame = pd.DataFrame({c.name: _dummy_values(c, rows, rng) for c in spec.columns})
    practices = np.array([f"P{i:03d}" for i in range(1, 7)])
    if table == "practices":
        frame["practice_id"] = practices[:rows]
        frame["treated"] = np.arange(rows) < 2
        frame["start_date"] = [date(2016, 6, 1) if i < 2 else None for i in range(rows)]
        frame["end_date"] = None
        frame["batch"] = pd.array([1 if i < 2 else None for i in range(rows)], dtype="Int64")
    elif table == "practice_years":
        # Years vary fastest, so that fewer rows still leave each practice a history.
        frame["practice_id"] = practices[np.arange(rows) // 8]
        frame["year"] = 2013 + np.arange(rows) % 8
    elif table != "practice_links":
        frame["practice_id"] = practices[np.arange(rows) % 6]
    if spec.key == ("person_id", spec.year):
        frame["person_id"] = 1 + np.arange(rows) // 8
        frame[spec.year] = 2013 + np.arange(rows) % 8
    if table == "insured_years":
        frame["practice_id"] = practices[(frame["person_id"] - 1) % 6]
        frame["cost_msz_eur"] = np.minimum(frame["cost_msz_eur"], frame["cost_total_eur"])
    return frame


def _dummy_values(column: Column, rows: int, rng: np.random.Generator) -> Any:
    low = 0 if column.low is None else int(column.low)
    high = low + 5_000 if column.high is None else int(column.high)
    if column.name == "birth_year":
        low, high = 1930, 2000
    if column.allowed:
        return pd.Series(rng.choice(column.allowed, rows), dtype=object)
    if column.type == "int":
        return rng.integers(low, high, rows, endpoint=True)
    if column.type in ("money", "float"):
        return rng.integers(low * 100, high * 100, rows, endpoint=True) / 100
    if column.type == "bool":
        return rng.random(rows) < 0.5
    if column.type == "date":
        return [date(int(y), int(m), 1) for y, m in rng.integers((2013, 1), (2021, 13), (rows, 2))]
    return pd.Series([f"{column.name} {i % 4}" for i in range(rows)], dtype=object)
