"""The mapping: how the columns, codes and labels of a real extract become those of the contract."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
from pydantic import ValidationError

from pluseval.data.conversion import convert
from pluseval.data.declaration import Column, Table
from pluseval.data.engine import CodeFlag, Raw
from pluseval.data.findings import Policy
from pluseval.data.mapping_keys import (
    CSV_KEYS,
    PRESETS,
    Code,
    MappingFile,
    SourceMapping,
    TableMapping,
    Value,
    explain,
    near,
    no_such,
)
from pluseval.data.schema import STUDY_KEYS, TABLES
from pluseval.errors import ContractError, DesignError, NotFoundError, UnreadableError

FILE = "mapping.toml"


@dataclass(frozen=True)
class Mapping:
    """A checked mapping: study keys, one `TableMapping` per table, and the rules waived or dropped."""

    study: MappingType[str, Any]
    tables: MappingType[str, TableMapping]
    policy: Policy

    def table(self, name: str) -> TableMapping:
        """The mapping of a table; an empty one where the caller gave none."""
        return self.tables.get(name, TableMapping())


def read_mapping(source: str | Path | MappingType[str, Any] | None, folder: Path | None = None) -> Mapping:
    """A mapping from a file, from a dictionary of the same shape, or from the folder's ``mapping.toml``.

    Parameters
    ----------
    source : path or mapping, optional
        By default ``mapping.toml`` of the folder, where there is one.
    folder : Path, optional
        The folder of the study.

    Raises
    ------
    NotFoundError, UnreadableError
        If the file named is absent or is no TOML.
    ContractError
        If it names keys, tables, columns or rules that do not exist; the message lists all of them.
    """
    if source is None:
        path = folder / FILE if folder else None
        given = _toml(path) if path and path.exists() else {}
        where = FILE
    elif isinstance(source, MappingType):
        given, where = dict(source), "mapping"
    else:
        given, where = _toml(Path(source)), Path(source).name
    if given.get("preset") is not None:
        given = _merged(_preset(str(given["preset"])), given)
    try:
        parsed = MappingFile.model_validate(given)
    except ValidationError as error:
        raise ContractError(f"{where} is not valid:\n  " + "\n  ".join(explain(error))) from None
    problems = _problems(parsed)
    if problems:
        raise ContractError(f"{where} is not valid:\n  " + "\n  ".join(problems))
    return Mapping(parsed.study, parsed.tables, Policy(parsed.waive, parsed.drop))


def _toml(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise NotFoundError(f"{path.name}: there is no such mapping file")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path.name} is not valid TOML: {error}") from None


def _preset(name: str) -> dict[str, Any]:
    if name not in PRESETS:
        raise ContractError(f"preset {name!r} does not exist; use one of {', '.join(PRESETS)}")
    text = resources.files("pluseval.data").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in over.items():
        both[key] = (
            _merged(both[key], value)
            if isinstance(both.get(key), dict) and isinstance(value, dict)
            else value
        )
    return both


def _problems(parsed: MappingFile) -> list[str]:
    keys = {k.name for k in STUDY_KEYS}
    found = [no_such(f"study.{k}", "key", k, sorted(keys)) for k in parsed.study if k not in keys]
    for name, table in parsed.tables.items():
        if name not in TABLES:
            found.append(no_such(f"tables.{name}", "table", name, TABLES))
            continue
        own = TABLES[name].column_names
        parts: list[tuple[str, SourceMapping]] = [(f"tables.{name}", table)]
        if table.join is not None:
            parts.append((f"tables.{name}.join", table.join))
            found += [f"tables.{name}.join.on: no column {c}" for c in table.join.on if c not in own]
            if not table.join.patterns:
                found.append(f"tables.{name}.join: say which file")
        for where, part in parts:
            found += [
                f"{where}: no column {c}{near(c, own)}; use {', '.join(own)}"
                for c in part.named
                if c not in own
            ]
            found += _csv_problems(where, part)
    rules = {(t.name, r.key): r for t in TABLES.values() for r in t.rules}
    for verb, given in (("waive", parsed.waive), ("drop", parsed.drop)):
        can = sorted(
            {
                k
                for (_, k), r in rules.items()
                if (r.droppable if verb == "drop" else r.severity == "waivable")
            }
        )
        for name, reason in given.items():
            if name.split(".")[-1] not in can or (
                name.count(".") == 1 and tuple(name.split(".")) not in rules
            ):
                found.append(
                    f"{verb}.{name}: no rule that can be {verb}{'d' if verb == 'waive' else 'ped'}; "
                    f"use {', '.join(can)}, or table.rule"
                )
            elif not reason.strip():
                found.append(f"{verb}.{name}: give the reason; the book prints it")
    return found


def _csv_problems(where: str, part: SourceMapping) -> list[str]:
    unknown = [k for k in part.csv if k not in CSV_KEYS]
    if unknown:
        return [no_such(f"{where}.csv.{k}", "key", k, CSV_KEYS) for k in unknown]
    try:
        _ = part.options
    except DesignError as error:
        return [f"{where}.csv: {error}"]
    return []


def apply(raw: Raw, spec: Table, mapping: SourceMapping, *, file: str = "") -> Raw:
    """A source with the names, values and gaps of the contract; types come after (``contract.prepare``).

    Parameters
    ----------
    raw : Raw
        One source.
    spec : Table
        The table that it is to become.
    mapping : SourceMapping
        What its columns mean; without one, columns are found by their own names, in upper or lower case.
    file : str
        The source's file name, for ``year_from_file``.
    """
    exact = {c: c for c in raw.table.columns}
    folded = {c.strip().lower(): c for c in raw.table.columns}
    find = lambda name: exact.get(name) or folded.get(name.strip().lower())  # noqa: E731
    columns: dict[str, ir.Value] = {}
    untyped: set[str] = set(mapping.convert)
    absent: dict[str, str] = {}
    flags: list[CodeFlag] = []
    constants = dict(mapping.constants) | _year_of(mapping, spec, file)
    for column in spec.columns:
        name = column.name
        if name in constants:
            columns[name] = ibis.literal(constants[name])
            continue
        if name in mapping.sums:
            continue
        source = find(mapping.columns.get(name, name))
        if source is None:
            if name in mapping.columns:
                absent[name] = f"the mapping takes it from {mapping.columns[name]!r}, which the source lacks"
            continue
        value = raw.table[source]
        if source in raw.untyped:
            untyped.add(name)
        for code, reason in _codes(mapping.missing.get(name)):
            hit = _is_code(value, code).fill_null(False)
            flags.append(CodeFlag(f"_code_{len(flags)}_{name}", name, reason))
            columns[flags[-1].name] = hit
            value = hit.ifelse(ibis.null(value.type()), value)
        if name in mapping.labels:
            value = _labelled(value, mapping.labels[name])
            untyped.add(name)
        columns[name] = value
    for name, lists in mapping.sums.items():
        total, lacking = _sum_by_year(
            raw, spec[name], lists, columns, constants, find, frozenset(untyped), spec
        )
        if lacking:
            absent[name] = (
                f"its sum needs {', '.join(lacking)}, which the source lacks; list the columns per year"
            )
        else:
            columns[name] = total
    codes = tuple((_canonical(c, mapping, spec), why, n) for c, why, n in raw.codes)
    codes = tuple((c, why, n) for c, why, n in codes if c in spec.column_names)
    return replace(
        raw,
        table=raw.table.select(**columns) if columns else raw.table.select(_none=ibis.literal(1)),
        untyped=frozenset(untyped),
        codes=codes,
        code_flags=tuple(flags),
        absent=absent,
    )


def _year_of(mapping: SourceMapping, spec: Table, file: str) -> dict[str, int]:
    if mapping.year_from_file is None:
        return {}
    found = re.search(mapping.year_from_file, file)
    if found is None or not spec.year:
        raise ContractError(f"{file}: year_from_file finds no year in the name; correct the pattern")
    return {spec.year: int(found[1])}


def _canonical(source: str, mapping: SourceMapping, spec: Table) -> str:
    back = {v.lower(): k for k, v in mapping.columns.items()}
    return back.get(source.lower(), next((c for c in spec.column_names if c == source.lower()), source))


def _codes(given: list[Code] | dict[str, str] | None) -> list[tuple[str, str]]:
    if given is None:
        return []
    pairs = given.items() if isinstance(given, dict) else ((str(c), f"code {c}") for c in given)
    return [(str(c), str(why)) for c, why in pairs]


def _is_code(value: ir.Value, code: str) -> ir.Value:
    if value.type().is_string():
        return value.strip().re_replace(r"[.,]0+$", "") == code
    try:
        return value == float(code)
    except ValueError:
        return ibis.literal(False)


def _labelled(value: ir.Value, labels: MappingType[str, Value]) -> ir.Value:
    plain = (
        convert(value, Column("value", "text", "")).value
        if not value.type().is_boolean()
        else value.cast("string").lower()
    )
    as_text = lambda v: str(v).lower() if isinstance(v, bool) else str(v)  # noqa: E731
    return ibis.cases(*((plain == old, as_text(new)) for old, new in labels.items()), else_=plain)


def _sum_by_year(
    raw: Raw,
    column: Column,
    lists: MappingType[int, list[str]],
    columns: MappingType[str, ir.Value],
    constants: MappingType[str, Value],
    find: Any,
    untyped: frozenset[str],
    spec: Table,
) -> tuple[ir.Value, list[str]]:
    def total(names: list[str]) -> ir.Value:
        parts = []
        for name in names:
            source = find(name)
            if source is None:
                return ibis.null(column.engine_type)
            free = source in raw.untyped
            parts.append(
                convert(
                    raw.table[source], column, free_text=free, decimal=raw.decimal, safe=raw.safe_casts
                ).value
            )
        return sum(parts[1:], parts[0])

    if spec.year in constants:
        names = lists.get(int(str(constants[spec.year])), [])
        if not names:
            return ibis.null(column.engine_type), [f"a list for {constants[spec.year]}"]
        lacking = [n for n in names if find(n) is None]
        return total(names), lacking
    if spec.year not in columns:
        return ibis.null(column.engine_type), [spec.year]
    free = spec.year in untyped
    year = convert(
        columns[spec.year], spec[spec.year], free_text=free, decimal=raw.decimal, safe=raw.safe_casts
    ).value
    cases = [(year == y, total(names)) for y, names in lists.items()]
    return ibis.cases(*cases, else_=ibis.null(column.engine_type)), []
