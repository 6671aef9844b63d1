"""One table of the contract out of its sources: put under one another, joined, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir

from pluseval.data import mapping as maps
from pluseval.data.contract import Flag, Prepared, line_of, prepare
from pluseval.data.declaration import Table
from pluseval.data.engine import Raw, fresh
from pluseval.data.findings import RULES, Outcome
from pluseval.data.mapping_keys import JoinMapping
from pluseval.errors import UnreadableError

Sources = list[tuple[str, Raw]]
"""File name and content of each source of a table."""


def assembled(main: Sources, beside: Sources, spec: Table, plan: maps.TableMapping) -> Prepared:
    """One table from its source or sources, and from those joined to it."""
    if plan.join is None or not beside:
        return _stacked(main, spec, plan)
    return _joined(main, beside, spec, plan, plan.join)


def named(engine: Any, rows: ir.Table, table: str, *, stored: bool) -> ir.Table:
    """The rows under a name of our own engine: stored, so that text files are parsed once, or as a view.

    Expressions on a name compile several times faster than on everything that made it.
    """
    name = fresh(table)
    try:
        engine.con.execute(f"CREATE {'TABLE' if stored else 'VIEW'} {name} AS {engine.compile(rows)}")
        return engine.table(name)
    except duckdb.Error as error:
        line = line_of(error)
        raise UnreadableError(
            f"{table}: cannot be read to its end{line}: the file is truncated or damaged, or a row has more "
            "or fewer cells than the first line; export it again"
        ) from None


def _stacked(sources: Sources, spec: Table, plan: maps.SourceMapping) -> Prepared:
    parts = [prepare(maps.apply(raw, spec, plan, file=file), spec) for file, raw in sources]
    if len(parts) == 1:
        return parts[0]
    flags = {f.name: f for p in parts for f in p.flags}
    tables = [_with_flags(p.table, flags).select(*spec.column_names, *flags) for p in parts]
    failures = tuple(dict.fromkeys(f for p in parts for f in p.failures))
    counted = tuple(c for p in parts for c in p.counted)
    return Prepared(spec, ibis.union(*tables), tuple(flags.values()), failures, counted)


def _with_flags(table: ir.Table, flags: Mapping[str, Flag]) -> ir.Table:
    absent = {name: ibis.literal(False) for name in flags if name not in table.columns}
    return table.mutate(**absent) if absent else table


def _joined(
    main: Sources, beside: Sources, spec: Table, plan: maps.TableMapping, join: JoinMapping
) -> Prepared:
    """The main source with the columns that only the second one has; rows without a partner get none."""
    mains = [maps.apply(raw, spec, plan, file=file) for file, raw in main]
    own = {c for raw in mains for c in raw.table.columns} | set(join.on)
    given = {c for file, raw in beside for c in maps.apply(raw, spec, join, file=file).table.columns}
    added = [c for c in spec.columns if c.name in given and c.name not in own]
    keys = [spec[c] for c in join.on]
    optional = [replace(c, nullable=True) for c in added]
    right_spec = Table(spec.name, spec.description, tuple(keys + optional), year=spec.year)
    left_spec = replace(spec, columns=tuple(c for c in spec.columns if c not in added), key=(), rules=())
    left = _stacked(main, left_spec, plan)
    right = _stacked(beside, right_spec, join)
    flags = {f.name: f for f in right.flags if f.column not in join.on}
    names = [*join.on, *(c.name for c in added), *flags]
    both = left.table.left_join(right.table.select(*names).mutate(_matched=ibis.literal(True)), list(join.on))
    alone = both["_matched"].isnull()
    columns: dict[str, Any] = {c: both[c] for c in spec.column_names}
    columns |= {f.name: both[f.name].fill_null(False) for f in (*left.flags, *flags.values())}
    more = [Flag("_no_partner", ", ".join(join.on), "no_partner", "drop", RULES["no_partner"])]
    columns["_no_partner"] = alone
    for column in added:
        if not column.nullable:
            severity: Outcome = "drop" if column.on_null == "drop" else "error"
            more.append(Flag(f"_null_{column.name}", column.name, "null", severity, RULES["null"]))
            columns[more[-1].name] = both[column.name].isnull() & ~alone
    return Prepared(
        spec,
        both.select(**columns),
        (*left.flags, *flags.values(), *more),
        (*left.failures, *right.failures),
        (*left.counted, *right.counted),
    )
