"""A study: tables that meet the contract, read-only, with what they are and the hash of their content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import ibis.expr.types as ir
import pandas as pd

from pluseval.data.findings import ValidationReport
from pluseval.data.links import resolved
from pluseval.data.schema import OUTCOME_TABLES, TABLES
from pluseval.data.source import Kind, Source
from pluseval.errors import DesignError, NotFoundError


@dataclass(frozen=True)
class StudyMeta:
    """What ``study.toml`` says: the window, the last complete year, the programme, and what the data are."""

    name: str
    kind: Kind
    first_year: int
    last_year: int
    complete_through: int | None = None
    programme: str = "OZL"
    schema_version: str = "1"
    provenance: str = ""

    def __post_init__(self) -> None:
        if self.first_year > self.last_year:
            raise DesignError(f"study: first_year {self.first_year} is after last_year {self.last_year}")


@dataclass(frozen=True)
class Study:
    """Tables that meet the data contract; only `load_study` makes one.

    Parameters
    ----------
    tables : mapping of str to ibis.Table
        The tables as they stay in the engine: declared columns and types, rows of dropped rules and of years
        after ``complete_through`` removed, practices under the code of the row.
    source : Source
        Name, kind (real, planted, conditioned) and content hash.
    meta : StudyMeta
        Window, last complete year, programme.
    report : ValidationReport
        What was dropped, waived (with reasons) and counted.
    practices : DataFrame
        One row per cluster, index ``cluster``: ``treated start_date entry batch region learning_group
        programme end_date``. Practices that ``practice_links`` joins are one cluster, treated where one of
        them is; ``entry`` is the first calendar year of treatment (float, NaN for a comparison practice).
    practice_of : mapping of str to str
        Cluster of every practice code that has another one's name.
    """

    tables: Mapping[str, ir.Table]
    source: Source
    meta: StudyMeta
    report: ValidationReport
    practices: pd.DataFrame = field(repr=False)
    practice_of: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.tables) - set(TABLES))
        if unknown:
            raise DesignError(f"Study: no table {', '.join(unknown)} in the contract")
        if not self.report.ok:
            raise DesignError("Study: the tables do not meet the contract; use load_study")
        object.__setattr__(self, "tables", MappingProxyType(dict(self.tables)))
        object.__setattr__(self, "practice_of", MappingProxyType(dict(self.practice_of)))

    @property
    def content_hash(self) -> str:
        """SHA-256 of the content, free of row order, column order, threads and file format."""
        return self.source.content_hash

    def has(self, table: str) -> bool:
        """Whether the study has a table.

        Raises
        ------
        DesignError
            If the contract knows no such table.
        """
        if table not in TABLES:
            raise DesignError(f"no table {table!r} in the contract; use one of {', '.join(TABLES)}")
        return table in self.tables

    def table(self, name: str) -> ir.Table:
        """A table with ``practice_id`` resolved through ``practice_links`` to the cluster's code.

        Two practices that later merged have two rows in ``practice_years`` for the years before: add them.

        Raises
        ------
        NotFoundError
            If the study does not have the table.
        """
        if not self.has(name):
            raise NotFoundError(
                f"{self.meta.name} has no table {name!r}; it has {', '.join(self.tables)} "
                f"(outcomes need one of {', '.join(OUTCOME_TABLES)})"
            )
        table = self.tables[name]
        if name in ("practices", "practice_links") or not self.practice_of:
            return table
        return table.mutate(practice_id=resolved(table.practice_id, self.practice_of))

    def __str__(self) -> str:
        mark = f" [{self.source.label}]" if self.source.label else ""
        treated = int(self.practices["treated"].sum())
        rows = ", ".join(f"{n} {self.report.rows.get(n, 0):,} rows" for n in self.tables)
        return (
            f"{self.meta.name} {self.meta.first_year}-{self.meta.last_year}: {treated} treated and "
            f"{len(self.practices) - treated} other practices; {rows}{mark}"
        )
