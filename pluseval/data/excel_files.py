"""Excel workbooks, read row by row into the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pyarrow as pa
from ibis.backends.duckdb import Backend

from pluseval.data.cells import as_text, is_empty
from pluseval.data.engine import Raw, store
from pluseval.errors import NotFoundError, UnreadableError

CHUNK_ROWS = 10_000


def read_excel(engine: Backend, path: Path, sheet: str | None) -> Raw:
    """A sheet as text columns; the contract converts them, so that what does not convert is counted."""
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception:  # zipfile, XML and key errors alike mean that this is no whole workbook
        raise UnreadableError(f"{path.name}: not a whole Excel workbook (.xlsx); save it again") from None
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise NotFoundError(
                f"{path.name}: there is no sheet {sheet!r}; found {', '.join(book.sheetnames)}"
            )
        rows = (book[sheet] if sheet else book.worksheets[0]).iter_rows(values_only=True)
        header = ["" if c is None else str(c).strip() for c in next(rows, ())]
        while header and not header[-1]:
            header.pop()
        seen = {c.lower() for c in header}
        if not header or "" in seen or len(seen) != len(header):
            raise UnreadableError(f"{path.name}: the first row must hold column names that differ")
        schema = pa.schema([(name, pa.string()) for name in header])
        table = store(engine, _excel_chunks(rows, schema), schema)
    finally:
        book.close()
    return Raw(table, untyped=frozenset(header))


def _excel_chunks(rows: Iterator[tuple], schema: pa.Schema) -> Iterator[pa.Table]:
    width = len(schema)
    batch: list[list[str | None]] = []
    for row in rows:
        cells = [None if is_empty(v) else as_text(v) for v in row[:width]]
        if any(c is not None for c in cells):
            batch.append(cells + [None] * (width - len(cells)))
        if len(batch) == CHUNK_ROWS:
            yield _columns(batch, schema)
            batch = []
    if batch:
        yield _columns(batch, schema)


def _columns(batch: list[list[str | None]], schema: pa.Schema) -> pa.Table:
    return pa.table([pa.array(c, pa.string()) for c in zip(*batch, strict=True)], schema=schema)
