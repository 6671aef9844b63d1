"""The hash of a study's content: a changed cell changes it, the order of rows and the format do not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import duckdb
import ibis
import ibis.expr.types as ir

from pluseval.data.contract import Prepared
from pluseval.data.declaration import Table
from pluseval.data.engine import open_engine
from pluseval.errors import UnreadableError

BATCH_ROWS = 500_000
# Written where a cell is empty and between cells: control characters that no code or label holds.
_EMPTY, _BETWEEN = "\x1e", "\x1f"


# A double has several texts; six decimals have one.
_CANONICAL = {"float": "decimal(18, 6)"}


@ibis.udf.scalar.builtin(name="md5_number_lower", signature=(("string",), "uint64"))
def _digest(text: str) -> int:  # type: ignore[empty-body]
    ...


def content_hash(tables: Mapping[str, Prepared], meta: Mapping[str, object]) -> str:
    """SHA-256 over the tables' rows as a multiset and the study's keys.

    Every row is written as one canonical text of the declared columns; the digests of the rows are added up,
    which does not depend on their order, and exact integers do not depend on threads.

    Parameters
    ----------
    tables : mapping of str to Prepared
        The tables, with the types of the contract.
    meta : mapping
        The keys of the study and the policy; anything that JSON can write.
    """
    sums = {name: _table_sum(prepared) for name, prepared in sorted(tables.items())}
    text = json.dumps({"tables": sums, "meta": meta}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _table_sum(prepared: Prepared) -> tuple[int, str]:
    rows = prepared.table.select(*prepared.spec.column_names)
    backends, _ = rows._find_backends()
    if all(b.name == "duckdb" for b in backends):
        return _add(rows, prepared.spec)
    # Another database has no such digest: its rows pass through this process in batches, and none is kept.
    engine = open_engine(threads=1)
    count, total = 0, 0
    for batch in rows.to_pyarrow_batches(chunk_size=BATCH_ROWS):
        if batch.num_rows:
            engine.con.register("batch", batch)
            n, part = _add(engine.table("batch"), prepared.spec)
            count, total = count + n, total + int(part)
            engine.con.unregister("batch")
    return count, str(total)


def _add(rows: ir.Table, spec: Table) -> tuple[int, str]:
    digest = _digest(_row(rows, spec))
    try:
        found = rows.aggregate(n=rows.count(), total=digest.cast("decimal(38, 0)").sum()).to_pyarrow()
    except (duckdb.Error, OSError):  # its own message may quote a row
        raise UnreadableError(f"{spec.name}: cannot be read to its end; validate the study") from None
    n, total = found["n"][0].as_py(), found["total"][0].as_py()
    return int(n), str(int(total or 0))


def _row(rows: ir.Table, spec: Table) -> ir.Value:
    cells = []
    for column in sorted(spec.columns, key=lambda c: c.name):
        value = rows[column.name]
        if column.type == "bool":
            value = value.cast("boolean").ifelse("true", "false")
        else:
            value = value.cast(_CANONICAL.get(column.type, column.engine_type))
        cells.append(value.cast("string").fill_null(_EMPTY))
    return ibis.literal(_BETWEEN).join(cells)
