"""The words in which the data contract is declared: a table, its columns and its rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from pluseval.errors import DesignError

Type = Literal["text", "int", "bool", "date", "money", "float"]
Severity = Literal["error", "drop", "waivable", "count"]

# The engine's type of each declared type; money is decimal, so that sums do not depend on threads.
ENGINE_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "text": "string",
        "int": "int64",
        "bool": "boolean",
        "date": "date",
        "money": "decimal(14, 2)",
        "float": "float64",
    }
)


@dataclass(frozen=True)
class Column:
    """One column: its type, its unit, what it may hold and what it means.

    Parameters
    ----------
    name : str
        Name in the table.
    type : {"text", "int", "bool", "date", "money", "float"}
        ``money`` is held as DECIMAL(14, 2).
    description : str
        What it means, in one line of English.
    unit : str
        Unit of the values, where they have one.
    low, high : float, optional
        The values allowed lie between them, both included.
    allowed : tuple of str
        The only values allowed; empty where any value is.
    nullable : bool
        Whether a row may leave it empty.
    optional : bool
        Whether the column may be absent altogether (it is then empty in every row).
    practice : bool
        Whether it must name a practice of ``practices`` (or one that ``practice_links`` follows to it).
    on_null : {"error", "drop"}
        What happens to a row that leaves a required column empty.
    """

    name: str
    type: Type
    description: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    allowed: tuple[str, ...] = ()
    nullable: bool = False
    optional: bool = False
    practice: bool = False
    on_null: Literal["error", "drop"] = "error"

    def __post_init__(self) -> None:
        if self.type not in ENGINE_TYPES:
            raise DesignError(f"Column {self.name}: type is {self.type!r}; use one of {sorted(ENGINE_TYPES)}")
        if self.optional and not self.nullable:
            raise DesignError(f"Column {self.name}: a column that may be absent must be nullable")

    @property
    def engine_type(self) -> str:
        """The ibis type of the column in the engine."""
        return ENGINE_TYPES[self.type]

    @property
    def limits(self) -> str:
        """The range or the values allowed, in words ("1 to 366 days"); empty where there is neither."""
        if self.allowed:
            return " or ".join(self.allowed)
        unit = f" {self.unit}" if self.unit else ""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}{unit}"
        if self.low is not None:
            return f"at least {self.low:g}{unit}"
        return "" if self.high is None else f"at most {self.high:g}{unit}"


@dataclass(frozen=True)
class Rule:
    """What must hold beyond types, ranges and keys.

    Parameters
    ----------
    key : str
        Name in reports and in ``mapping.toml``.
    column : str
        The column that a failure is reported under.
    description : str
        The rule in words: what must hold.
    severity : {"error", "waivable", "drop", "count"}
        ``waivable``: an error unless ``[waive]`` of the mapping gives a reason (rows are kept). ``drop``: the
        rows are removed and counted. ``count``: the rows are kept and counted.
    bad : callable, optional
        ``(table, window) -> boolean expression`` true for the rows that break the rule; ``window`` has
        ``first_year``, ``last_year`` and ``complete_through``. Rules between tables have none: ``contract``
        compiles them.
    droppable : bool
        Whether ``[drop]`` of the mapping may turn it into a counted removal, with a reason.
    """

    key: str
    column: str
    description: str
    severity: Severity = "error"
    bad: Callable[[Any, Any], Any] | None = field(default=None, compare=False)
    droppable: bool = False


@dataclass(frozen=True)
class Table:
    """One table: columns, key, rules, and the tables it cannot do without."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    needs: tuple[str, ...] = ("practices",)
    year: str = ""

    def __post_init__(self) -> None:
        names = self.column_names
        if len(set(names)) != len(names):
            raise DesignError(f"Table {self.name}: column names must differ")
        unknown = [c for c in (*self.key, *(r.column for r in self.rules)) if c not in names]
        if unknown:
            raise DesignError(f"Table {self.name}: no column {', '.join(unknown)}")

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(c.name for c in self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True)
class StudyKey:
    """One key of ``study.toml`` (or of ``[study]`` in ``mapping.toml``)."""

    name: str
    type: Literal["text", "int"]
    description: str
    default: str | int | None = None
    required: bool = False
    allowed: tuple[str, ...] = ()
