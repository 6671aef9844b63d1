"""SPSS and Stata files, read chunk by chunk into the engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyreadstat
from ibis.backends.duckdb import Backend

from pluseval.data.cells import as_date, is_empty
from pluseval.data.engine import Raw, store
from pluseval.errors import UnreadableError

CHUNK_ROWS = 100_000


def read_statistical(engine: Backend, path: Path, suffix: str) -> Raw:
    """A ``.sav`` or ``.dta`` file; user-missing codes declared in it are emptied and counted."""
    reader: Callable = pyreadstat.read_sav if suffix == ".sav" else pyreadstat.read_dta
    # User-missing codes of SPSS are read as they are, so that they can be counted by reason.
    extra: dict[str, Any] = {"user_missing": True} if suffix == ".sav" else {}
    try:
        _, meta = reader(str(path), metadataonly=True, **extra)
        chunks = pyreadstat.read_file_in_chunks(reader, str(path), chunksize=CHUNK_ROWS, **extra)
        first, _ = next(chunks, (None, None))
        if first is None:
            first, _ = reader(str(path), row_limit=1, **extra)
        schema = _statistical_schema(first, meta)
        counts: dict[tuple[str, str], int] = {}
        table = store(engine, _statistical_chunks(first, chunks, schema, meta, counts), schema)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, pa.ArrowException, OSError):
        raise UnreadableError(
            f"{path.name}: not a whole {'SPSS' if suffix == '.sav' else 'Stata'} file; export it again"
        ) from None
    texts = frozenset(f.name for f in schema if f.type == pa.string())
    return Raw(table, untyped=texts, codes=tuple((c, why, n) for (c, why), n in sorted(counts.items())))


def _statistical_schema(first: pd.DataFrame, meta: Any) -> pa.Schema:
    fields = []
    for name in meta.column_names:
        kind = str(meta.readstat_variable_types.get(name, "double"))
        dated = pd.api.types.is_datetime64_any_dtype(first[name]) or any(
            isinstance(v, date) for v in first[name].dropna().head(1)
        )
        if dated or re.search(r"date|%td", str(meta.original_variable_types.get(name, "")).lower()):
            fields.append(pa.field(name, pa.date32()))
        else:
            fields.append(pa.field(name, pa.string() if kind == "string" else pa.float64()))
    return pa.schema(fields)


def _statistical_chunks(
    first: pd.DataFrame, rest: Iterator, schema: pa.Schema, meta: Any, counts: dict[tuple[str, str], int]
) -> Iterator[pa.Table]:
    ranges = getattr(meta, "missing_ranges", {}) or {}
    labels = getattr(meta, "variable_value_labels", {}) or {}

    def table(frame: pd.DataFrame) -> pa.Table:
        arrays = []
        for column in schema:
            values = frame[column.name]
            for span in ranges.get(column.name, ()):
                values = _empty_codes(column.name, values, span, labels.get(column.name, {}), counts)
            if column.type == pa.string():
                arrays.append(pa.array([None if is_empty(v) else str(v) for v in values], pa.string()))
            elif column.type == pa.float64():
                arrays.append(
                    pa.array(pd.to_numeric(values, errors="coerce").to_numpy(float), from_pandas=True)
                )
            else:
                arrays.append(pa.array([as_date(v) for v in values], pa.date32()))
        return pa.table(arrays, schema=schema)

    yield table(first)
    for frame, _ in rest:
        yield table(frame)


def _empty_codes(
    name: str, values: pd.Series, span: dict, labels: dict, counts: dict[tuple[str, str], int]
) -> pd.Series:
    low, high = span["lo"], span["hi"]
    numbers = pd.to_numeric(values, errors="coerce")
    hit = numbers.between(low, high) if not isinstance(low, str) else values.eq(low)
    label = labels.get(low) or (f"code {low:g}" if not isinstance(low, str) and low == high else "")
    if hit.any():
        why = f"user-missing: {label or 'range declared in the file'}"
        counts[name, why] = counts.get((name, why), 0) + int(hit.sum())
        values = values.mask(hit)
    return values
