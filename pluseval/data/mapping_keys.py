"""The keys of ``mapping.toml``: what each holds, what is wrong with a given one, and their reference."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import fields
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pluseval.data.csv_files import CsvOptions
from pluseval.data.schema import SUFFIXES, TABLES

PRESETS = ("cbs_zvwzorgkostentab",)
CSV_KEYS = tuple(f.name for f in fields(CsvOptions))
Value = bool | int | float | date | str
Code = int | float | str


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceMapping(_Strict):
    """Where a table comes from, and what its columns and codes mean.

    The title of a field says what its value looks like, the description what it means: messages and
    `mapping_markdown` are made from them.
    """

    file: str | None = Field(
        default=None,
        title="a file name or pattern",
        description=f"File of the folder; `<table>` with {', '.join(f'`{s}`' for s in SUFFIXES)} by default.",
    )
    files: list[str] = Field(
        default_factory=list,
        title="a list of file names or patterns",
        description="Several files, put under one another (`kosten_*.csv`).",
    )
    sheet: str | None = Field(
        default=None, title="a sheet name", description="Sheet of an Excel file; the first by default."
    )
    year_from_file: str | None = Field(
        default=None,
        title="a regular expression with one group",
        description="Finds the year in the name of each file, where no column holds it.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        title='a table: contract column = "column of the file"',
        description="Renames. A column that has the name of the contract, in any case, needs none.",
    )
    missing: dict[str, list[Code] | dict[str, str]] = Field(
        default_factory=dict,
        title='a table: contract column = [codes] or { code = "reason" }',
        description="Codes that mean missing: emptied, and counted by reason.",
    )
    labels: dict[str, dict[str, Value]] = Field(
        default_factory=dict,
        title="a table per contract column: value of the file = value of the contract",
        description="Translates values; those that are not named pass unchanged.",
    )
    constants: dict[str, Value] = Field(
        default_factory=dict,
        title="a table: contract column = value",
        description="The one value of every row, for a column that the file lacks.",
    )
    sums: dict[str, dict[int, list[str]]] = Field(
        default_factory=dict,
        title="a table per contract column: year = [columns of the file]",
        description="The column is the sum of these in that year; a year without a list is an error.",
    )
    convert: list[str] = Field(
        default_factory=list,
        title="a list of contract columns",
        description="Columns that Parquet, SPSS or Stata holds as text and that stand for numbers.",
    )
    csv: dict[str, str] = Field(
        default_factory=dict,
        title="a table with delimiter, decimal or encoding, each a text",
        description="How a CSV file is written, where what is seen from the file is not right: `decimal` is "
        "`,` or `.`, `encoding` is `utf-8`, `latin-1` or `cp1252`.",
    )

    @property
    def patterns(self) -> tuple[str, ...]:
        """File names or patterns asked for; empty where the default name is meant."""
        return tuple([self.file] if self.file else []) + tuple(self.files)

    @property
    def named(self) -> tuple[str, ...]:
        """Contract columns that it speaks of."""
        spoken = (self.columns, self.missing, self.labels, self.constants, self.sums, self.convert)
        return tuple(dict.fromkeys(c for part in spoken for c in part))

    @property
    def options(self) -> CsvOptions:
        """How a CSV file is written."""
        return CsvOptions(**self.csv)


class JoinMapping(SourceMapping):
    """A second source whose columns are joined on ``on`` (enlistment beside claims)."""

    on: list[str] = Field(
        default_factory=lambda: ["person_id", "year"],
        title="a list of contract columns",
        description='Key of the join; `["person_id", "year"]` by default.',
    )


class TableMapping(SourceMapping):
    """One table of the contract, with a second source joined to it where the extract keeps them apart."""

    join: JoinMapping | None = Field(
        default=None,
        title="a table with the keys of a source, and on",
        description="A second source that brings columns which the first lacks; rows without a partner are "
        "dropped and counted.",
    )


class MappingFile(_Strict):
    """The whole file."""

    preset: str | None = Field(
        default=None,
        title=f'"{PRESETS[0]}"',
        description="A mapping that comes with the package; what the file says itself goes before it.",
    )
    study: dict[str, Any] = Field(
        default_factory=dict,
        title="a table of study keys",
        description="The keys of `study.toml`, instead of that file or on top of it.",
    )
    tables: dict[str, TableMapping] = Field(
        default_factory=dict,
        title="tables of keys, as [tables.surveys]",
        description="Where each table comes from; a table that needs nothing is not named.",
    )
    waive: dict[str, str] = Field(
        default_factory=dict,
        title='a table: rule = "reason" or "table.rule" = "reason"',
        description="The rule is not applied: its rows are kept and counted, the reason is printed.",
    )
    drop: dict[str, str] = Field(
        default_factory=dict,
        title='a table: rule = "reason" or "table.rule" = "reason"',
        description="Rows that break the rule are removed and counted, the reason is printed.",
    )


def near(name: str, options: Iterable[str]) -> str:
    """The option that a misspelt name is closest to, as a question; empty where none is close.

    Examples
    --------
    >>> near("tabels", ["study", "tables"])
    ' (did you mean tables?)'
    """
    close = difflib.get_close_matches(name, list(options), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def no_such(place: str, what: str, name: str, options: Iterable[str]) -> str:
    """A name that does not exist, with the close one and all that do."""
    choices = list(options)
    return f"{place}: no such {what}{near(name, choices)}; use {', '.join(choices)}"


def explain(error: ValidationError) -> list[str]:
    """What is wrong with a mapping, in its own words: key by key, never with a value."""
    lines = []
    for one in error.errors():
        path = [str(part) for part in one["loc"]]
        if one["type"] == "extra_forbidden":
            lines.append(no_such(".".join(path), "key", path[-1], _model(path[:-1]).model_fields))
            continue
        at = next(i for i in range(len(path), 0, -1) if path[i - 1] in _model(path[: i - 1]).model_fields)
        if path[0] == "tables" and at == 1 and len(path) > 1:
            lines.append(f"{'.'.join(path[:2])}: must be a table of keys")
            continue
        shape = _model(path[: at - 1]).model_fields[path[at - 1]].title
        lines.append(f"{'.'.join(path[:at])}: must be {shape}")
    return list(dict.fromkeys(lines))


def _model(path: list[str]) -> type[BaseModel]:
    """The keys that may stand at a place of the file."""
    if path[:1] != ["tables"]:
        return MappingFile if not path else _Strict
    if len(path) == 2:
        return TableMapping
    return JoinMapping if len(path) == 3 and path[2] == "join" else _Strict


def mapping_markdown() -> str:
    """The keys of ``mapping.toml`` and the rules that it may waive or drop, in Markdown.

    Examples
    --------
    >>> "| `year_from_file` |" in mapping_markdown()
    True
    """
    lines = []
    parts: tuple[tuple[str, type[BaseModel], tuple[str, ...]], ...] = (
        ("The file", MappingFile, ()),
        ("`[tables.<table>]`", TableMapping, ()),
        (
            "`[tables.<table>.join]`: the keys above without `join`, and",
            JoinMapping,
            tuple(SourceMapping.model_fields),
        ),
    )
    for title, model, without in parts:
        lines += [f"**{title}**", "", "| key | holds | meaning |", "|---|---|---|"]
        for name, field in model.model_fields.items():
            if name not in without:
                lines.append(f"| `{name}` | {field.title} | {field.description} |")
        lines.append("")
    lines += ["**Rules for `[waive]` and `[drop]`**", "", "| rule | may be | what holds |", "|---|---|---|"]
    for table in TABLES.values():
        for rule in table.rules:
            verbs = ["waived"] if rule.severity == "waivable" else []
            verbs += ["dropped"] if rule.droppable else []
            if verbs:
                lines.append(f"| `{table.name}.{rule.key}` | {' or '.join(verbs)} | {rule.description} |")
    return "\n".join(lines) + "\n"
