"""Finding what a study is made of: the files of a folder, frames, or tables of a database."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis.backends import BaseBackend
from ibis.backends.duckdb import Backend

from pluseval.data import mapping as maps
from pluseval.data.assemble import Sources
from pluseval.data.engine import Raw, open_engine, store
from pluseval.data.findings import RULES, Failure
from pluseval.data.readers import from_pandas, read_file
from pluseval.data.schema import OUTCOME_TABLES, SUFFIXES, TABLES
from pluseval.data.study import StudyMeta
from pluseval.data.study_keys import read_study_file, stated_keys, study_meta
from pluseval.errors import ContractError, DesignError, NotFoundError, UnreadableError

Tables = Mapping[str, ir.Table | pd.DataFrame]
_SAFE_ENGINES = ("duckdb", "pyspark")
# File names that a message lists.
_NAMES = 12


@dataclass(frozen=True)
class Opened:
    """A study opened but not judged: its sources, its keys and what could not be opened.

    ``ours`` tells whether the engine is this project's own, where tables may be made.
    """

    name: str
    engine: BaseBackend
    sources: Mapping[str, Sources]
    joins: Mapping[str, Sources]
    mapping: maps.Mapping
    meta: StudyMeta | None
    stated: Mapping[str, Any]
    ours: bool
    failures: tuple[Failure, ...] = field(default=())


def open_study(given: str | Path | Tables, mapping: Any, name: str | None) -> Opened:
    """The sources of a folder or of tables at hand, the mapping and the keys of the study."""
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


def _open_folder(folder: Path, mapping: maps.Mapping, name: str | None) -> Opened:
    engine = open_engine()
    failures: list[Failure] = []
    sources: dict[str, Sources] = {}
    joins: dict[str, Sources] = {}
    for table in TABLES:
        plan = mapping.table(table)
        sources[table] = _read(engine, folder, table, plan, failures)
        if plan.join is not None:
            joins[table] = _read(engine, folder, table, plan.join, failures)
    stated = read_study_file(folder)
    meta, more = study_meta(
        stated, mapping, name or folder.resolve().name, sources, (folder / "truth.json").exists()
    )
    opened = {t: s for t, s in sources.items() if s}
    absent = _absent(set(opened), failures)
    if absent:
        taken = {name for read in (*sources.values(), *joins.values()) for name, _ in read}
        first, *others = absent
        absent = (replace(first, detail=first.detail + _unrecognised(folder, taken)), *others)
    keys = stated_keys(stated, mapping)
    return Opened(folder.name, engine, opened, joins, mapping, meta, keys, True, (*absent, *failures, *more))


def _read(
    engine: Backend, folder: Path, table: str, plan: maps.SourceMapping, failures: list[Failure]
) -> Sources:
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


def _unrecognised(folder: Path, taken: set[str]) -> str:
    """The files that no table was read from, by name, and what to do with them."""
    own = ("study.toml", "truth.json", maps.FILE)
    left = sorted(
        p.name
        for p in folder.iterdir()
        if p.name not in taken
        and p.name not in own
        and not p.name.startswith(".")
        and p.stem.lower() not in TABLES
        and (p.is_file() or p.suffix.lower() == ".parquet")
    )
    if not left:
        return ""
    more = f" and {len(left) - _NAMES} more" if len(left) > _NAMES else ""
    return (
        f". Not recognised: {', '.join(left[:_NAMES])}{more}; call a file <table>.csv (or "
        f"{', '.join(s for s in SUFFIXES if s != '.csv')}), or name it as file in [tables.<table>] of "
        f"{maps.FILE} (page 'Your own data' of the book)"
    )


def _open_tables(given: Tables, mapping: maps.Mapping, name: str | None) -> Opened:
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
    sources: dict[str, Sources] = {}
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
    meta, more = study_meta({}, mapping, name or "study", sources, False)
    absent = _absent(set(sources), [])
    keys = stated_keys({}, mapping)
    return Opened(
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
