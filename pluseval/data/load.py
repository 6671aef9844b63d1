"""Loading and validating a study, by one door for folders, frames and tables of a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ibis.expr.types as ir

from pluseval.data.assemble import assembled, named
from pluseval.data.content import content_hash
from pluseval.data.contract import Prepared, check, dropped, known_practices
from pluseval.data.findings import Failure, ValidationReport, with_failures
from pluseval.data.links import clusters_of, practice_frame
from pluseval.data.opening import Opened, Tables, open_study
from pluseval.data.schema import TABLES
from pluseval.data.source import Source
from pluseval.data.study import Study, StudyMeta
from pluseval.data.vektis import is_vektis, load_vektis
from pluseval.errors import DesignError, UnreadableError


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
    opened = open_study(path_or_tables, mapping, name)
    report, prepared = _checked(opened)
    error = report.error(opened.name)
    if error is not None:
        raise error from None
    meta = opened.meta
    if meta is None:  # then the report has failures
        raise DesignError("the study has no keys")
    tables = {n: _cleaned(p, prepared, opened, meta) for n, p in prepared.items()}
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
    return _checked(open_study(path_or_tables, mapping, None))[0]


def public_summary(folder: str | Path) -> str | None:
    """What a folder of public Vektis downloads holds, in counts; None where it holds none.

    Such a folder is no study and has no contract of tables; it is read here as a run reads it.

    Raises
    ------
    UnreadableError, ContractError
        As `load_vektis`, where a file is not what Vektis publishes.

    Examples
    --------
    >>> public_summary("pluseval") is None
    True
    """
    if not is_vektis(folder):
        return None
    panel = load_vektis(folder)
    places = panel.municipal["municipality"].nunique()
    lines = [
        f"public municipal data (Vektis), no persons; years: {len(panel.years)} ({panel.years[0]} to "
        f"{panel.years[-1]}); municipalities on one set of borders: {places}"
    ]
    lines += [
        f"  {year}     cells: {file.cells:,}; municipalities: {file.municipalities}; "
        f"negative items: {file.negative_items}"
        for year, file in zip(panel.files.index, panel.files.itertuples(), strict=True)
    ]
    lines += [f"  left out {loss.count:,} {loss.reason}" for loss in panel.losses]
    return "\n".join(lines)


def _checked(opened: Opened) -> tuple[ValidationReport, dict[str, Prepared]]:
    failures = list(opened.failures)
    prepared: dict[str, Prepared] = {}
    for table in opened.sources:
        try:
            prepared[table] = _prepared(opened, table)
        except UnreadableError as error:
            failures.append(Failure(table, "", "unreadable", 1, "error", str(error)))
    window = opened.meta or _NoWindow()
    report, broken = _check_readable(prepared, window, opened)
    return with_failures(report, (*failures, *broken)), prepared


@dataclass(frozen=True)
class _NoWindow:
    """A window that nothing lies outside of: the study does not say its own, which is reported already."""

    first_year: int = -9_999
    last_year: int = 9_999
    complete_through: int | None = None


def _check_readable(
    prepared: Mapping[str, Prepared], window: Any, opened: Opened
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


def _prepared(opened: Opened, table: str) -> Prepared:
    plan, spec = opened.mapping.table(table), TABLES[table]
    beside = opened.joins.get(table, [])
    prepared = assembled(opened.sources[table], beside, spec, plan)
    if not opened.ours:
        return prepared
    parsed_once = bool(beside) or any(not raw.stored for _, raw in opened.sources[table])
    return replace(prepared, table=named(opened.engine, prepared.table, table, stored=parsed_once))


def _cleaned(prepared: Prepared, tables: Mapping[str, Prepared], opened: Opened, meta: StudyMeta) -> ir.Table:
    """The rows that stay, with the declared columns only."""
    known = known_practices({n: p.table for n, p in tables.items()})
    rows = prepared.table
    for _, gone in dropped(prepared, meta, opened.mapping.policy, known):
        rows = rows.filter(~gone.fill_null(False))
    rows = rows.select(*prepared.spec.column_names)
    return named(opened.engine, rows, prepared.spec.name, stored=False) if opened.ours else rows
