"""Validation: the declared contract compiled to expressions that only count.

One aggregate per table, one group-by per key, one anti-join per reference. No row leaves the engine, so no
value of a person can reach a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Protocol

import duckdb
import ibis
import ibis.expr.types as ir

from pluseval.data.conversion import convert
from pluseval.data.declaration import Column, Rule, Table
from pluseval.data.engine import Raw
from pluseval.data.findings import RULES, Failure, Outcome, Policy, ValidationReport
from pluseval.data.schema import ORPHAN, TABLES
from pluseval.errors import UnreadableError


class Window(Protocol):
    """The years of a study, as the rules of ``schema`` read them."""

    @property
    def first_year(self) -> int:
        """First calendar year."""
        ...

    @property
    def last_year(self) -> int:
        """Last calendar year."""
        ...

    @property
    def complete_through(self) -> int | None:
        """Last year whose claims are complete; None where the study has none."""
        ...


@dataclass(frozen=True)
class Flag:
    """A boolean column of a prepared table, and what it means."""

    name: str
    column: str
    rule: str
    severity: Outcome
    detail: str


@dataclass(frozen=True)
class Prepared:
    """A table with the declared columns and types, and flags for what could not be converted."""

    spec: Table
    table: ir.Table
    flags: tuple[Flag, ...]
    failures: tuple[Failure, ...]
    counted: tuple[Failure, ...]

    @property
    def absent(self) -> frozenset[str]:
        """Required columns that are absent or of another type."""
        return frozenset(f.column for f in self.failures) | {f.column for f in self.flags if f.rule == "type"}


def prepare(raw: Raw, spec: Table) -> Prepared:
    """A raw table with the columns and types of the contract, plus flags for what could not be converted."""
    columns: dict[str, ir.Value] = {}
    flags: list[Flag] = []
    failures: list[Failure] = []
    for column in spec.columns:
        if column.name not in raw.table.columns:
            columns[column.name] = ibis.null(column.engine_type)
            if not column.optional:
                detail = raw.absent.get(column.name, column.description)
                failures.append(Failure(spec.name, column.name, "missing_column", 1, "error", detail))
            continue
        source = raw.table[column.name]
        free = column.name in raw.untyped
        done = convert(source, column, free_text=free, decimal=raw.decimal, safe=raw.safe_casts)
        columns[column.name] = done.value
        for rule, bad, detail in done.problems:
            words = detail + _decimal_hint(raw, column, rule)
            flags.append(Flag(f"_{rule}_{column.name}", column.name, rule, "error", words))
            columns[flags[-1].name] = bad
        if not column.nullable and not any(rule == "type" for rule, _, _ in done.problems):
            severity: Outcome = "drop" if column.on_null == "drop" else "error"
            words = "the value is empty" if severity == "drop" else RULES["null"]
            flags.append(Flag(f"_null_{column.name}", column.name, "null", severity, words))
            columns[flags[-1].name] = done.empty
    for code in raw.code_flags:
        flags.append(Flag(code.name, code.column, "missing_code", "count", code.reason))
        columns[code.name] = raw.table[code.name]
    counted = [Failure(spec.name, c, "missing_code", n, "count", why) for c, why, n in raw.codes]
    return Prepared(spec, raw.table.select(**columns), tuple(flags), tuple(failures), tuple(counted))


def _decimal_hint(raw: Raw, column: Column, rule: str) -> str:
    """How the numbers of a CSV file were read: a wrong mark fails a whole column without a visible cause."""
    if rule != "not_convertible" or raw.stored or column.type not in ("int", "money", "float"):
        return ""
    return f" (read with decimal {raw.decimal!r}; set csv.decimal in mapping.toml)"


def _code_hint(table: str, column: Column, rule: str) -> str:
    """Where codes for a missing answer, or in another language, are declared."""
    if rule == "allowed":
        return f" (other codes: translate them in [tables.{table}.labels])"
    if not column.nullable:
        return ""
    return f" (a code for a missing value, as 99: list it in [tables.{table}.missing])"


def check(tables: Mapping[str, Prepared], window: Window, policy: Policy) -> ValidationReport:
    """Every rule of every table, counted.

    Parameters
    ----------
    tables : mapping of str to Prepared
        The tables that are present.
    window : Window
        First and last year of the study, and the last complete year.
    policy : Policy
        What the caller waived or drops.

    Raises
    ------
    UnreadableError
        If a file breaks while it is read (a truncated or ragged file).
    """
    found: list[Failure] = []
    rows: dict[str, int] = {}
    for name, prepared in tables.items():
        found += [*prepared.failures, *prepared.counted]
        counts, findings = _check_table(prepared, window, policy)
        rows[name] = counts
        found += findings
        if counts:
            found += _check_key(prepared)
    found += _check_between(tables, window, policy)
    by = lambda *kinds: tuple(f for f in found if f.severity in kinds)  # noqa: E731
    return ValidationReport(by("error", "waivable"), by("drop"), by("waived"), by("count"), rows)


def dropped(
    prepared: Prepared, window: Window, policy: Policy, known: ir.Table | None
) -> list[tuple[str, Any]]:
    """The removals of a table, in order: rule key and the expression that is true for the rows removed."""
    t = prepared.table
    conditions = [(f.name, t[f.name]) for f in prepared.flags if f.severity == "drop"]
    for rule in prepared.spec.rules:
        if policy.of(prepared.spec.name, rule)[0] != "drop":
            continue
        if rule.key == ORPHAN.key and known is not None:
            conditions.append((rule.key, t[rule.column].notnull() & t[rule.column].notin(known.practice_id)))
        elif rule.bad is not None and (rule.key != "complete_through" or window.complete_through is not None):
            conditions.append((rule.key, rule.bad(t, window)))
    return conditions


def known_practices(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Every code that a row may name: those of ``practices`` and both sides of ``practice_links``."""
    known = tables["practices"].select("practice_id")
    if "practice_links" in tables:
        links = tables["practice_links"]
        known = known.union(
            links.select(practice_id=links.old_practice_id), links.select(practice_id=links.new_practice_id)
        )
    return known.filter(known.practice_id.notnull()).distinct()


def counts_of(expression: ir.Table, name: str) -> dict[str, int]:
    """The single row of counts that an aggregate gives.

    Raises
    ------
    UnreadableError
        If the engine cannot read the table to its end. Its message may quote a value: it is not passed on.
    """
    try:
        result = expression.to_pyarrow()
    except (duckdb.Error, OSError) as error:
        line = line_of(error)
        raise UnreadableError(
            f"{name}: cannot be read to its end{line}: the file is truncated or damaged, or a row "
            "has more or fewer cells than the first line; export it again"
        ) from None
    return {k: int(v[0] or 0) for k, v in result.to_pydict().items()}


def line_of(error: Exception) -> str:
    text = str(error)
    at = text.find("on Line: ")
    digits = "".join(c for c in text[at + 9 : at + 24].split("\n")[0] if c.isdigit()) if at >= 0 else ""
    return f" (line {digits})" if digits else ""


def _sum(condition: ir.Value) -> ir.Value:
    # SQL's three-valued logic: unknown is not a failure.
    return condition.fill_null(False).sum()


def _check_table(prepared: Prepared, window: Window, policy: Policy) -> tuple[int, list[Failure]]:
    spec, t = prepared.spec, prepared.table
    made: dict[str, ir.Value] = {"rows": t.count()}
    meaning: dict[str, tuple[str, str, Outcome, str]] = {}

    def add(column: str, rule: str, severity: Outcome, detail: str, bad: ir.Value) -> None:
        key = f"n{len(meaning)}"
        made[key], meaning[key] = _sum(bad), (column, rule, severity, detail)

    gone: list[ir.Value] = []
    drops = dict(dropped(prepared, window, policy, None))
    for flag in prepared.flags:
        bad = t[flag.name]
        if flag.severity == "drop":
            add(flag.column, flag.rule, "drop", flag.detail, _not_yet(bad, gone))
            gone.append(bad)
        else:
            add(flag.column, flag.rule, flag.severity, flag.detail, bad)
    for column in spec.columns:
        if column.name not in prepared.absent:
            for rule, bad in _limits(t, column):
                words = column.limits + _code_hint(spec.name, column, rule)
                add(column.name, rule, "error", words, bad)
    for declared in spec.rules:
        if declared.bad is None or (declared.key == "complete_through" and window.complete_through is None):
            continue
        bad = declared.bad(t, window)
        severity, detail = policy.of(spec.name, declared)
        if declared.key in drops:
            add(declared.column, declared.key, "drop", detail, _not_yet(bad, gone))
            gone.append(bad)
        else:
            add(declared.column, declared.key, severity, detail, bad)
    counts = counts_of(t.aggregate(**made), spec.name)
    findings = [
        Failure(spec.name, column, rule, counts[key], severity, detail)
        for key, (column, rule, severity, detail) in meaning.items()
        if counts[key]
    ]
    if not counts["rows"] and spec.name != "practice_links":
        findings.append(Failure(spec.name, "", "no_rows", 1, "error", RULES["no_rows"]))
    return counts["rows"], findings


def _not_yet(bad: ir.Value, gone: list[ir.Value]) -> ir.Value:
    """Rows that no earlier removal took, so that removals add up."""
    return bad & ~reduce(or_, (g.fill_null(False) for g in gone)) if gone else bad


def _limits(t: ir.Table, column: Column) -> list[tuple[str, ir.Value]]:
    value = t[column.name]
    if column.allowed:
        return [("allowed", value.notin(column.allowed))]
    sides = []
    if column.low is not None:
        sides.append(value < column.low)
    if column.high is not None:
        sides.append(value > column.high)
    return [("range", reduce(or_, sides))] if sides else []


def _check_key(prepared: Prepared) -> list[Failure]:
    spec = prepared.spec
    if not spec.key or prepared.absent & set(spec.key):
        return []
    groups = prepared.table.group_by(list(spec.key)).aggregate(n=lambda t: t.count())
    surplus = counts_of(groups.aggregate(n=(groups.n - 1).sum()), spec.name)["n"]
    key = ", ".join(spec.key)
    return [Failure(spec.name, key, "unique_key", surplus, "error", RULES["unique_key"])] if surplus else []


def _check_between(tables: Mapping[str, Prepared], window: Window, policy: Policy) -> list[Failure]:
    if "practices" not in tables or "practice_id" in tables["practices"].absent:
        return []
    plain = {name: p.table for name, p in tables.items()}
    known = known_practices(plain)
    found = []
    for name, prepared in tables.items():
        for column in prepared.spec.columns:
            if column.practice and column.name not in prepared.absent:
                rows = prepared.table.filter(prepared.table[column.name].notnull())
                groups = rows.group_by(practice_id=rows[column.name]).aggregate(n=rows.count())
                # Grouped first: the join then meets some hundreds of practices instead of every row.
                strangers = groups.anti_join(known, "practice_id")
                found += _finding(
                    name, ORPHAN, policy, counts_of(strangers.aggregate(n=strangers.n.sum()), name)["n"]
                )
    if "practice_links" in tables and not tables["practice_links"].absent:
        found += _check_links(plain, policy)
    found += _check_ends(plain, tables, window, policy)
    return found


def _finding(table: str, rule: Rule, policy: Policy, count: int, column: str | None = None) -> list[Failure]:
    severity, detail = policy.of(table, rule)
    return [Failure(table, column or rule.column, rule.key, count, severity, detail)] if count else []


def _rule(table: str, key: str) -> Rule:
    return next(r for r in TABLES[table].rules if r.key == key)


def _check_links(plain: Mapping[str, ir.Table], policy: Policy) -> list[Failure]:
    links = plain["practice_links"]
    ends = plain["practices"].select("practice_id").union(links.select(practice_id=links.old_practice_id))
    lost = links.filter(links.new_practice_id.notnull()).anti_join(
        ends, links.new_practice_id == ends.practice_id
    )
    count = counts_of(lost.aggregate(n=lost.count()), "practice_links")["n"]
    return _finding("practice_links", _rule("practice_links", "link_to_unknown"), policy, count)


def _check_ends(
    plain: Mapping[str, ir.Table], tables: Mapping[str, Prepared], window: Window, policy: Policy
) -> list[Failure]:
    """Treated practices that end, by their end date or because their rows stop, and continue nowhere."""
    rule = _rule("practices", "end_without_link")
    practices = plain["practices"]
    treated = practices.filter(practices.treated)
    if "practice_links" in plain:
        links = plain["practice_links"]
        treated = treated.anti_join(links, treated.practice_id == links.old_practice_id)
    ended = treated.filter(
        treated.end_date.notnull() & (treated.end_date < ibis.date(int(window.last_year), 12, 31))
    )
    found = _finding("practices", rule, policy, counts_of(ended.aggregate(n=ended.count()), "practices")["n"])
    evidence = next((n for n in ("practice_years", "insured_years") if n in plain), None)
    if evidence is None or tables[evidence].absent & {"practice_id", "year"}:
        return found
    rows = plain[evidence]
    rows = rows.filter((rows.year <= window.last_year) & rows.practice_id.notnull())
    if window.complete_through is not None:
        rows = rows.filter(rows.year <= window.complete_through)
    last = rows.group_by("practice_id").aggregate(last=rows.year.max())
    last = last.mutate(of_all=last["last"].max().over(ibis.window()))
    stopped = last.filter(last["last"] < last.of_all).semi_join(
        treated.filter(treated.end_date.isnull()), "practice_id"
    )
    count = counts_of(stopped.aggregate(n=stopped.count()), evidence)["n"]
    severity, detail = policy.of("practices", rule)
    if count:
        where = f"the rows of {count} treated practice{'s' if count > 1 else ''} in {evidence} stop early; "
        found.append(Failure("practices", "practice_id", rule.key, count, severity, where + detail))
    return found
