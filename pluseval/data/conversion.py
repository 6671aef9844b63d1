"""From the type a column came with to the type the contract declares, counting what does not convert."""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from pluseval.data.declaration import Column

# Thousands marks only where they stand between groups of three: `1.5` in a file with decimal commas is an
# error to report, not fifteen.
_NUMBER = {
    ",": r"^[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]*)?$",
    ".": r"^[+-]?(([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$",
}
_WHOLE = {
    ",": r"^[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,0*)?$",
    ".": r"^[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.0*)?$",
}
_LARGEST = 1.7e308
_TRUE = ("true", "t", "1", "1.0", "yes", "y", "ja", "j", "waar")
_FALSE = ("false", "f", "0", "0.0", "no", "n", "nee", "onwaar")


@dataclass(frozen=True)
class Converted:
    """A column in its declared type.

    ``empty`` is true where it came without a value; ``problems`` holds rule, the expression that is true for
    the rows that break it, and words.
    """

    value: ir.Value
    empty: ir.Value
    problems: tuple[tuple[str, ir.Value, str], ...] = ()


def convert(
    source: ir.Column, column: Column, *, free_text: bool = False, decimal: str = ".", safe: bool = True
) -> Converted:
    """A column in its declared type, with what does not convert.

    Parameters
    ----------
    source : ibis column
        The column as it came.
    column : Column
        Its declaration.
    free_text : bool
        Whether text may stand for a number (CSV, Excel). In a typed source a number column of text type is a
        wrong type.
    decimal : {",", "."}
        The decimal mark of such text.
    safe : bool
        Whether the engine can try a cast without raising, and knows NaN (DuckDB and Spark; not SQLite).
    """
    found = source.type()
    if found.is_floating() and safe:  # SQLite holds no NaN
        source = source.isnan().ifelse(ibis.null(found), source)
    if found.is_string():
        source = source.strip().nullif("")
        found = dt.string
    empty = source.isnull()
    if found.is_null():
        return Converted(ibis.null(column.engine_type), empty)
    number = found.is_integer() or found.is_floating() or found.is_decimal()
    text = found.is_string()
    if column.type in ("int", "money", "float") and (number or (text and free_text)):
        value = _number_text(source, column, decimal, safe) if text else _number(source, column, safe)
    elif column.type == "text" and (text or number):
        value = source if text else _as_text(source, safe)
    elif column.type == "bool" and (found.is_boolean() or number or (text and free_text)):
        value = source if found.is_boolean() else _truth(source)
    elif column.type == "date" and (found.is_date() or found.is_timestamp() or text):
        value = source if found.is_date() else _day(source, safe)
    else:
        kind = "text" if text else str(found)
        words = f"found {kind} where {column.type} is needed"
        return Converted(ibis.null(column.engine_type), empty, (("type", source.notnull(), words),))
    same = (found.is_integer() and column.type == "int") or (found.is_boolean() and column.type == "bool")
    if same or column.type == "text" or (found.is_date() and column.type == "date"):
        return Converted(value, empty)
    words = {
        "int": "not a whole number",
        "money": "not an amount",
        "float": "not a number",
        "bool": "not true or false (1 or 0, ja or nee)",
        "date": "not a date (YYYY-MM-DD or DD-MM-YYYY)",
    }[column.type]
    return Converted(value, empty, (("not_convertible", source.notnull() & value.isnull(), words),))


def _cast(value: ir.Value, to: str, safe: bool) -> ir.Value:
    return value.try_cast(to) if safe else value.cast(to)


def _number(source: ir.Value, column: Column, safe: bool) -> ir.Value:
    found = source.type()
    if column.type == "int":
        if found.is_integer():
            return source.cast("int64")
        whole = (source == source.round(0)) & (source.abs() < 2**53)
        return _cast(whole.ifelse(source, ibis.null(found)), "int64", safe)
    if column.type == "money" and safe:
        return source.try_cast(column.engine_type)
    value = source.cast("float64")
    return (value.abs() <= _LARGEST).ifelse(value, ibis.null("float64")) if found.is_floating() else value


def _number_text(source: ir.Value, column: Column, decimal: str, safe: bool) -> ir.Value:
    pattern = (_WHOLE if column.type == "int" else _NUMBER)[decimal]
    thousands = "." if decimal == "," else ","
    plain = source.replace(thousands, "").replace(decimal, ".")
    if column.type == "int":
        plain = plain.re_replace(r"\.0*$", "")
    marked = source.re_search(pattern).ifelse(plain, ibis.null("string"))
    # Nearly all cells are bare digits: looking for those first halves the time of a large file.
    return _cast(source.re_search("^[0-9]+$").ifelse(source, marked), column.engine_type, safe)


def _as_text(source: ir.Value, safe: bool) -> ir.Value:
    """A code that came as a number: 1001 and 1001.0 are the practice "1001"."""
    if source.type().is_integer():
        return source.cast("string")
    whole = (source == source.round(0)) & (source.abs() < 2**53)
    return whole.ifelse(
        _cast(whole.ifelse(source, ibis.null(source.type())), "int64", safe).cast("string"),
        source.cast("string"),
    )


def _truth(source: ir.Value) -> ir.Value:
    if source.type().is_string():
        lower = source.lower()
        return ibis.cases((lower.isin(_TRUE), True), (lower.isin(_FALSE), False), else_=ibis.null("boolean"))
    return ibis.cases((source == 1, True), (source == 0, False), else_=ibis.null("boolean"))


def _day(source: ir.Value, safe: bool) -> ir.Value:
    if source.type().is_timestamp():
        return source.date()
    if not safe:
        return source.cast("date")
    iso = source.re_replace(r"^([0-9]{1,2})[-/]([0-9]{1,2})[-/]([0-9]{4})$", r"\3-\2-\1")
    iso = iso.re_replace(r"[ T]00:00:00(\.0+)?$", "")
    return (
        iso.re_search(r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}$").ifelse(iso, ibis.null("string")).try_cast("date")
    )
