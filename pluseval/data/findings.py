"""What validation finds, in counts: failures, removals, waivers, and the error they amount to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd

from pluseval.data.declaration import Rule
from pluseval.errors import ContractError, NotFoundError, PlusevalError, UnreadableError

Outcome = Literal["error", "waivable", "waived", "drop", "count"]

# What a generic rule says; rules of a table carry their own words.
RULES: Mapping[str, str] = {
    "missing_table": "the table is required and there is no such file or table",
    "unreadable": "the file cannot be read",
    "no_rows": "the table has no row",
    "missing_column": "the column is required and absent",
    "ambiguous_file": "there are several files of that name",
    "type": "the column has another type than the contract",
    "not_convertible": "the text does not stand for such a value",
    "null": "the value is required and empty",
    "range": "the value lies outside the limits",
    "allowed": "the value is not one of those allowed",
    "unique_key": "the key occurs more than once (rows beyond the first)",
    "missing_key": "the key is required in study.toml, or in [study] of the mapping",
    "study_value": "the value is not one that the contract allows",
    "no_partner": "no row of the joined source has this key",
    "missing_code": "declared missing codes, emptied",
}
_STRUCTURE = ("missing_table", "unreadable", "ambiguous_file")
# Places that the one line of an error names.
_PLACES = 4


@dataclass(frozen=True)
class Failure:
    """A rule that rows of a table break: where, which and how many; never a value.

    Parameters
    ----------
    table, column, rule : str
        Where, and the rule's key.
    count : int
        Rows (1 where the table or column as a whole fails).
    severity : {"error", "waivable", "waived", "drop", "count"}
        ``error`` and ``waivable`` stop a study; ``waived`` rows are kept, ``drop`` rows removed, ``count``
        rows kept and counted.
    detail : str
        What holds, in words; for a waiver or a drop of the mapping, its reason.
    """

    table: str
    column: str
    rule: str
    count: int
    severity: Outcome = "error"
    detail: str = ""

    @property
    def place(self) -> str:
        """The table, and the column where there is one."""
        return f"{self.table}.{self.column}" if self.column else self.table

    def __str__(self) -> str:
        words = f": {self.detail}" if self.detail else ""
        rows = (
            ""
            if self.rule in (*_STRUCTURE, "missing_column", "missing_key", "no_rows", "study_value")
            else (f" in {self.count} row{'s' if self.count != 1 else ''}")
        )
        return f"{self.place}: {self.rule}{rows}{words}"


@dataclass(frozen=True)
class ValidationReport:
    """Everything that validation found, in counts.

    Parameters
    ----------
    failures : tuple of Failure
        What stops the study; empty where it is valid.
    dropped, waived, counted : tuple of Failure
        Rows removed; rules waived with a reason; rows that were only counted (corrections, missing codes).
    rows : mapping of str to int
        Rows of each table, as given.
    """

    failures: tuple[Failure, ...] = ()
    dropped: tuple[Failure, ...] = ()
    waived: tuple[Failure, ...] = ()
    counted: tuple[Failure, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the study meets the contract."""
        return not self.failures

    def to_frame(self) -> pd.DataFrame:
        """One row per finding: ``table, column, rule, count, severity, detail``; failures first."""
        found = [*self.failures, *self.dropped, *self.waived, *self.counted]
        names = ["table", "column", "rule", "count", "severity", "detail"]
        return pd.DataFrame([[getattr(f, n) for n in names] for f in found], columns=names)

    def error(self, name: str = "the study") -> PlusevalError | None:
        """The error that these failures amount to, with its exit code; None where there is none.

        A study with an unreadable file is an `UnreadableError`; one that only lacks tables a `NotFoundError`;
        anything else a `ContractError`. The message lists every failure.
        """
        if self.ok:
            return None
        lines = [f"{name} does not meet the data contract ({self.size}):"]
        lines += [f"  {failure}" for failure in self.failures]
        if self.waivable:
            lines.append(f"  ({self.waivable})")
        return self._error("\n".join(lines))

    def _error(self, message: str) -> PlusevalError:
        rules = {f.rule for f in self.failures}
        if "unreadable" in rules:
            error: PlusevalError = UnreadableError(message)
        elif rules == {"missing_table"}:
            error = NotFoundError(message)
        else:
            return ContractError(message, self.failures)
        error.failures = self.failures  # type: ignore[attr-defined]
        return error

    def short_error(self, name: str = "the study") -> PlusevalError | None:
        """``error()`` in one line, for a caller that has printed the report: how many failures, and where."""
        if self.ok:
            return None
        places = tuple(dict.fromkeys(f"{f.place} {f.rule}" for f in self.failures))
        more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
        where = ", ".join(places[:_PLACES])
        return self._error(f"{name} does not meet the data contract ({self.size}): {where}{more}")

    @property
    def size(self) -> str:
        """The number of failures in words."""
        return f"{len(self.failures)} failure{'s' if len(self.failures) != 1 else ''}"

    @property
    def waivable(self) -> str:
        """What to do about the failures that a reason can waive; empty where there is none."""
        names = dict.fromkeys(f"{f.table}.{f.rule}" for f in self.failures if f.severity == "waivable")
        if not names:
            return ""
        return f"{', '.join(names)}: correct the data, or waive it in mapping.toml with a reason"

    def raise_if_failed(self, name: str = "the study") -> None:
        """Raise ``error()`` where there is one."""
        error = self.error(name)
        if error is not None:
            raise error

    @property
    def exit_code(self) -> int:
        """0 where valid; else the exit code of ``error()``."""
        error = self.error()
        return 0 if error is None else error.exit_code

    def __str__(self) -> str:
        rows = ", ".join(f"{table} {n:,}" for table, n in self.rows.items())
        lines = [f"{'meets' if self.ok else 'does not meet'} the data contract; rows: {rows or 'none'}"]
        parts = (
            ("failed", self.failures),
            ("dropped", self.dropped),
            ("waived", self.waived),
            ("counted", self.counted),
        )
        lines += [f"  {word:<8} {finding}" for word, found in parts for finding in found]
        lines += [f"  {'waivable':<8} {self.waivable}"] if self.waivable else []
        return "\n".join(lines)


@dataclass(frozen=True)
class Policy:
    """Which rules the caller waived or turned into counted removals, each with its reason."""

    waive: Mapping[str, str] = field(default_factory=dict)
    drop: Mapping[str, str] = field(default_factory=dict)

    def of(self, table: str, rule: Rule) -> tuple[Outcome, str]:
        """The outcome of a rule, and the reason for it or what should hold."""
        for name in (f"{table}.{rule.key}", rule.key):
            if name in self.drop and rule.droppable:
                return "drop", self.drop[name]
            if name in self.waive and rule.severity == "waivable":
                return "waived", self.waive[name]
        stops = rule.severity in ("error", "waivable")
        return rule.severity, f"should hold: {rule.description}" if stops else rule.description


def with_failures(report: ValidationReport, extra: tuple[Failure, ...]) -> ValidationReport:
    """The same report with failures found before the tables were read, put first."""
    return replace(report, failures=(*extra, *report.failures))
