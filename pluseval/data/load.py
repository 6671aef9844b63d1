"""Loading and validating a study, by one door for folders, frames and tables of a database."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis.backends import BaseBackend
from ibis.backends.duckdb import Backend

from pluseval.data import mapping as maps
from pluseval.data.content import content_hash
from pluseval.data.contract import (
    RULES,
    Failure,
    Flag,
    Prepared,
    ValidationReport,
    check,
    dropped,
    known_practices,
    line_of,
    prepare,
    with_failures,
)
from pluseval.data.declaration import Table
from pluseval.data.engine import Raw, fresh, open_engine, store
from pluseval.data.links import clusters_of, practice_frame
from pluseval.data.readers import from_pandas, read_file
from pluseval.data.schema import OUTCOME_TABLES, STUDY_KEYS, SUFFIXES, TABLES
from pluseval.data.source import Source
from pluseval.data.study import Study, StudyMeta
from pluseval.errors import ContractError, DesignError, NotFoundError, UnreadableError

Tables = Mapping[str, "ir.Table | pd.DataFrame"]
_SAFE_ENGINES = ("duckdb", "pyspark")


def load_study(
    path_or_tables: str | Path | Tables,
    *,
    mapping: str | Path | Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Study:
    """A valid study, or every failure of every table at once.

    Parameters
    ----------
    path_or_tables : path, or mapping of table name to ibis table or DataFrame
        A folder with ``study.toml`` and one file per table (``.parquet``, ``.csv``, ``.sav``, ``.dta``,
        ``.xlsx``, any mix), or tables at hand: ibis tables of a database stay there and are only read; data
        frames are not changed.
    mapping : path or mapping, optional
        How the extract's columns become those of the contract, and the keys of ``study.toml`` where there is
        none (``{"study": {"kind": "real", ...}}``); ``mapping.toml`` of the folder by default.
    name : str, optional
        Name for captions; by default that of ``study.toml``, or the folder's.

    Returns
    -------
    Study

    Raises
    ------
    NotFoundError
        If the folder, or nothing else but tables, is absent.
    UnreadableError
        If a file is empty, truncated or not what its name says.
    ContractError
        If the data break the contract; ``failures`` holds table, column, rule and count, never a value.

    Examples
    --------
    >>> from pluseval.data.dummy import dummy
    >>> frames = {t: dummy(t, rows=48, seed=1) for t in ("practices", "practice_years", "insured_years")}
    >>> study = load_study(frames, mapping={"study": {"name": "dummy", "kind": "real", "first_year": 2013,
    ...                                               "last_year": 2020, "complete_through": 2020}})
    >>> study.practices["treated"].sum()
    np.int64(2)
    """
    opened = _open(path_or_tables, mapping, name)
    report, prepared = _checked(opened)
    error = report.error(opened.name)
    if error is not None:
        raise error from None
    meta = opened.meta
    assert meta is not None
    tables = {n: _cleaned(p, prepared, opened) for n, p in prepared.items()}
    practice_of = {}
    if "practice_links" in tables:
        links = tables["practice_links"].select("old_practice_id", "new_practice_id")
        practice_of = clusters_of(links.to_pandas())
    practices = practice_frame(tables["practices"].to_pandas(), practice_of)
    stated = {k: v for k, v in opened.stated.items() if v is not None}
    policy = {"waive": dict(opened.mapping.policy.waive), "drop": dict(opened.mapping.policy.drop)}
    hashed = content_hash(prepared, stated | policy)
    source = Source(meta.name, meta.kind, hashed)
    return Study(tables, source, meta, report, practices, practice_of)


def validate(
    path_or_tables: str | Path | Tables, *, mapping: str | Path | Mapping[str, Any] | None = None
) -> ValidationReport:
    """Everything that the contract finds in a study, in counts; nothing is raised for data that break it.

    Parameters
    ----------
    path_or_tables, mapping
        As for `load_study`.

    Returns
    -------
    ValidationReport
        ``ok``, ``failures``, ``dropped``, ``waived``, ``counted``, ``to_frame()``, ``exit_code``.

    Raises
    ------
    NotFoundError
        If the folder or the mapping file is not there.
    UnreadableError, ContractError
        If ``study.toml`` or the mapping is not valid.

    Examples
    --------
    >>> from pluseval.data.dummy import dummy
    >>> frames = {t: dummy(t, rows=48, seed=1) for t in ("practices", "surveys")}
    >>> frames["surveys"]["nps"] = 11
    >>> window = {"study": {"kind": "real", "first_year": 2013, "last_year": 2020}}
    >>> validate(frames, mapping=window).to_frame()[["table", "column", "rule", "count"]]
         table column   rule  count
    0  surveys    nps  range     48
    """
    return _checked(_open(path_or_tables, mapping, None))[0]


@dataclass(frozen=True)
class _Opened:
    """A study opened but not judged: its sources, its keys and what could not be opened."""

    name: str
    engine: BaseBackend
    sources: Mapping[str, list[tuple[str, Raw]]]
    joins: Mapping[str, list[tuple[str, Raw]]]
    mapping: maps.Mapping
    meta: StudyMeta | None
    stated: Mapping[str, Any]
    ours: bool
    failures: tuple[Failure, ...] = field(default=())


def _open(given: str | Path | Tables, mapping: Any, name: str | None) -> _Opened:
    if isinstance(given, Mapping):
        return _open_tables(given, maps.read_mapping(mapping), name)
    folder = Path(given)
    if not folder.exists():
        raise NotFoundError(
            f"{folder.name}: there is no such folder; give the folder with the study's tables"
        )
    if not folder.is_dir():
        raise NotFoundError(f"{folder.name} is a file; give the folder that holds the study's tables")
    return _open_folder(folder, maps.read_mapping(mapping, folder), name)


def _open_folder(folder: Path, mapping: maps.Mapping, name: str | None) -> _Opened:
    engine = open_engine()
    failures: list[Failure] = []
    sources: dict[str, list[tuple[str, Raw]]] = {}
    joins: dict[str, list[tuple[str, Raw]]] = {}
    for table in TABLES:
        plan = mapping.table(table)
        sources[table] = _read(engine, folder, table, plan, failures)
        if plan.join is not None:
            joins[table] = _read(engine, folder, table, plan.join, failures)
    stated = _study_file(folder)
    meta, more = _meta(
        stated, mapping, name or folder.resolve().name, sources, (folder / "truth.json").exists()
    )
    opened = {t: s for t, s in sources.items() if s}
    absent = _absent(set(opened), failures)
    keys = _stated(stated, mapping)
    return _Opened(folder.name, engine, opened, joins, mapping, meta, keys, True, (*absent, *failures, *more))


def _read(
    engine: Backend, folder: Path, table: str, plan: maps.SourceMapping, failures: list[Failure]
) -> list[tuple[str, Raw]]:
    files = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    if plan.patterns:
        found = []
        for pattern in plan.patterns:
            hits = [p for p in files if fnmatch.fnmatch(p.name.lower(), pattern.lower())]
            if not hits:
                words = f"the mapping names the file {pattern!r}, which the folder lacks"
                failures.append(Failure(table, "", "missing_table", 1, "error", words))
            found += [p for p in hits if p not in found]
    else:
        found = [p for p in files if p.stem.lower() == table and p.suffix.lower() in SUFFIXES]
        if len(found) > 1:
            words = f"{', '.join(p.name for p in found)}: keep one, or name it in mapping.toml"
            failures.append(Failure(table, "", "ambiguous_file", len(found), "error", words))
            return []
    read = []
    for path in found:
        try:
            read.append((path.name, read_file(engine, path, options=plan.options, sheet=plan.sheet)))
        except (UnreadableError, NotFoundError) as error:
            failures.append(Failure(table, "", "unreadable", 1, "error", str(error)))
    return read


def _open_tables(given: Tables, mapping: maps.Mapping, name: str | None) -> _Opened:
    unknown = sorted(str(t) for t in given if t not in TABLES)
    if unknown:
        raise ContractError(f"no table {', '.join(unknown)} in the contract; use {', '.join(TABLES)}")
    bound = [t for t in given.values() if isinstance(t, ir.Table) and t._find_backends()[0]]
    backends = {id(b): b for t in bound for b in t._find_backends()[0]}
    if len(backends) > 1:
        raise DesignError(
            "the tables are in several databases; give tables of one, and the others as data frames"
        )
    # Tables of the caller's database stay there; frames join them as tables in memory.
    theirs = next(iter(backends.values()), None)
    engine = theirs or open_engine()
    sources: dict[str, list[tuple[str, Raw]]] = {}
    for table, rows in given.items():
        if isinstance(rows, ir.Table):
            raw = Raw(rows)
        elif isinstance(rows, pd.DataFrame):
            arrow, mixed = from_pandas(rows)
            stored = ibis.memtable(arrow) if theirs else store(engine, [arrow], arrow.schema)
            raw = Raw(stored, untyped=mixed)
        else:
            raise DesignError(f"{table}: give an ibis table or a DataFrame, not {type(rows).__name__}")
        sources[table] = [(table, replace(raw, safe_casts=engine.name in _SAFE_ENGINES))]
    if any(mapping.table(t).join for t in given):
        raise DesignError("a join of the mapping names a file: give the folder, or join the tables first")
    meta, more = _meta({}, mapping, name or "study", sources, False)
    absent = _absent(set(sources), [])
    keys = _stated({}, mapping)
    return _Opened(
        name or "the study", engine, sources, {}, mapping, meta, keys, theirs is None, (*absent, *more)
    )


def _absent(present: set[str], failures: list[Failure]) -> tuple[Failure, ...]:
    reported = {f.table for f in failures}
    needed = {"practices"} | {n for t in present | reported for n in TABLES[t].needs}
    found = [
        Failure(t, "", "missing_table", 1, "error", RULES["missing_table"])
        for t in TABLES
        if t in needed and t not in present and t not in reported
    ]
    if not (present | reported) & set(OUTCOME_TABLES):
        names = " or ".join(OUTCOME_TABLES)
        found.append(Failure(names, "", "missing_table", 1, "error", "a study needs one of them"))
    return tuple(found)


# --- the keys of study.toml ---------------------------------------------------------------------------


def _study_file(folder: Path) -> dict[str, Any]:
    path = folder / "study.toml"
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"study.toml is not valid TOML: {error}") from None


def _stated(file: Mapping[str, Any], mapping: maps.Mapping) -> dict[str, Any]:
    both = {**file, **mapping.study}
    return {k.name: both.get(k.name, k.default) for k in STUDY_KEYS}


def _meta(
    file: Mapping[str, Any], mapping: maps.Mapping, name: str, sources: Mapping[str, Any], has_truth: bool
) -> tuple[StudyMeta | None, list[Failure]]:
    values = _stated(file, mapping)
    found = []

    def fail(key: str, rule: str, detail: str) -> None:
        found.append(Failure("study.toml", key, rule, 1, "error", detail))

    unknown = sorted(set(file) - {k.name for k in STUDY_KEYS})
    for key in unknown:
        fail(key, "study_value", f"no such key; use {', '.join(k.name for k in STUDY_KEYS)}")
    run_off = bool(sources.get("insured_years") or sources.get("referrals"))
    for key in STUDY_KEYS:
        value = values[key.name]
        if value is None:
            if key.required or (key.name == "complete_through" and run_off):
                fail(key.name, "missing_key", f"{RULES['missing_key']}: {key.description}")
        elif not isinstance(value, int if key.type == "int" else str) or isinstance(value, bool):
            fail(key.name, "study_value", f"must be {'a whole number' if key.type == 'int' else 'text'}")
        elif key.allowed and value not in key.allowed:
            fail(key.name, "study_value", f"use {' or '.join(key.allowed)}")
    if file.get("kind", values["kind"]) != values["kind"] or (has_truth and values["kind"] == "real"):
        fail("kind", "study_value", "generated data cannot be declared real by the mapping")
    if not found and values["first_year"] > values["last_year"]:
        fail("first_year", "study_value", "must not be after last_year")
    if found:
        return None, found
    return StudyMeta(**{**values, "name": values["name"] or name}), []


# --- tables ---------------------------------------------------------------------------------------------


def _checked(opened: _Opened) -> tuple[ValidationReport, dict[str, Prepared]]:
    failures = list(opened.failures)
    prepared: dict[str, Prepared] = {}
    for table in opened.sources:
        try:
            prepared[table] = _prepare(opened, table)
        except UnreadableError as error:
            failures.append(Failure(table, "", "unreadable", 1, "error", str(error)))
    window = opened.meta or _NoWindow()
    report, broken = _check_readable(prepared, window, opened)
    return with_failures(report, (*failures, *broken)), prepared


@dataclass(frozen=True)
class _NoWindow:
    """A window that nothing lies outside of: the study does not say its own, which is reported already."""

    first_year: int = -10_000
    last_year: int = 10_000
    complete_through: int | None = None


def _check_readable(
    prepared: Mapping[str, Prepared], window: Any, opened: _Opened
) -> tuple[ValidationReport, tuple[Failure, ...]]:
    """The report on the tables that can be read to their end, and one failure for each that cannot."""
    readable = dict(prepared)
    broken: list[Failure] = []
    while True:
        try:
            return check(readable, window, opened.mapping.policy), tuple(broken)
        except UnreadableError as error:
            table = str(error).split(":", 1)[0]
            if table not in readable:
                raise
            del readable[table]
            broken.append(Failure(table, "", "unreadable", 1, "error", str(error)))


def _prepare(opened: _Opened, table: str) -> Prepared:
    plan, spec = opened.mapping.table(table), TABLES[table]
    if plan.join is None:
        prepared = _stacked(opened.sources[table], spec, plan)
    else:
        prepared = _joined(opened, spec, plan, plan.join)
    sources = [*opened.sources[table], *opened.joins.get(table, [])]
    if not opened.ours:
        return prepared
    parsed_once = plan.join is not None or any(not raw.stored for _, raw in sources)
    return replace(prepared, table=_named(opened.engine, prepared.table, table, stored=parsed_once))


def _named(engine: Any, rows: ir.Table, table: str, *, stored: bool) -> ir.Table:
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


def _stacked(sources: list[tuple[str, Raw]], spec: Table, plan: maps.SourceMapping) -> Prepared:
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


def _joined(opened: _Opened, spec: Table, plan: maps.TableMapping, join: maps.JoinMapping) -> Prepared:
    """The main source with the columns that only the second one has; rows without a partner get none."""
    beside = opened.joins[spec.name]
    if not beside:
        return _stacked(opened.sources[spec.name], spec, plan)
    mains = [maps.apply(raw, spec, plan, file=file) for file, raw in opened.sources[spec.name]]
    own = {c for raw in mains for c in raw.table.columns} | set(join.on)
    given = {c for file, raw in beside for c in maps.apply(raw, spec, join, file=file).table.columns}
    added = [c for c in spec.columns if c.name in given and c.name not in own]
    keys = [spec[c] for c in join.on]
    optional = [replace(c, nullable=True) for c in added]
    right_spec = Table(spec.name, spec.description, tuple(keys + optional), year=spec.year)
    left_spec = replace(spec, columns=tuple(c for c in spec.columns if c not in added), key=(), rules=())
    left = _stacked(opened.sources[spec.name], left_spec, plan)
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
            severity = "drop" if column.on_null == "drop" else "error"
            more.append(Flag(f"_null_{column.name}", column.name, "null", severity, RULES["null"]))
            columns[more[-1].name] = both[column.name].isnull() & ~alone
    return Prepared(
        spec,
        both.select(**columns),
        (*left.flags, *flags.values(), *more),
        (*left.failures, *right.failures),
        (*left.counted, *right.counted),
    )


def _cleaned(prepared: Prepared, tables: Mapping[str, Prepared], opened: _Opened) -> ir.Table:
    """The rows that stay, with the declared columns only."""
    known = known_practices({n: p.table for n, p in tables.items()})
    rows = prepared.table
    for _, gone in dropped(prepared, opened.meta, opened.mapping.policy, known):
        rows = rows.filter(~gone.fill_null(False))
    rows = rows.select(*prepared.spec.column_names)
    return _named(opened.engine, rows, prepared.spec.name, stored=False) if opened.ours else rows
