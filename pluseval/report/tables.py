"""Released results as tables: great_tables for the screen, csv for machines, Markdown for text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
from great_tables import GT

from pluseval.errors import DesignError
from pluseval.report.captions import group_word, sample, source_line, title_of, units_of
from pluseval.report.numbers import check_language, decimals_of, format_number, format_p, unit_of
from pluseval.report.record import plain

_HEADS = {
    "en": ("Result", "Group", "Estimate", "Interval", "p", "Unit", "Practices", "Procedure"),
    "nl": ("Resultaat", "Groep", "Schatting", "Interval", "p", "Eenheid", "Praktijken", "Methode"),
}
_PLACES = {"en": "Municipalities", "nl": "Gemeenten"}
CSV_COLUMNS = (
    "set",
    "term",
    "group",
    "at",
    "estimate",
    "std_error",
    "statistic",
    "df",
    "p_value",
    "conf_low",
    "conf_high",
    "level",
    "scale",
    "unit",
    "margin",
    "nobs",
    "n_clusters",
    "method",
    "inference",
    "source",
    "label",
)


@dataclass(frozen=True)
class WrittenTable:
    """One table in its three forms."""

    html: str
    md: str
    csv: str


def table(items: Any, *, lang: str = "en", name: str = "results", title: str = "") -> GT:
    """One or more results as a great_tables table, with title, n, unit and source.

    Parameters
    ----------
    items : Estimate, EstimateSet, Released, or a sequence of them
        What to show, one row per estimate.
    lang : {"en", "nl"}
        Language of heads and numbers.
    name : str
        Makes the id of the table, which is the same in every run; a set brings its own.
    title : str
        Title; the sets' own by default.

    Raises
    ------
    DesignError
        If there is nothing to show, or something is not a result.
    """
    check_language(lang)
    shown = _Shown.of(items, name=name, title=title)
    rows = pd.DataFrame(_rows(shown, lang), columns=list(_heads(shown, lang)))
    keep = [c for c in rows.columns if c == rows.columns[0] or rows[c].astype(bool).any()]
    heads = _heads(shown, lang)
    made = GT(rows[keep], id="table-" + shown.name.replace(".", "-"), rowname_col=heads[0])
    made = made.tab_stubhead(heads[0]).tab_header(
        title_of(shown, lang=lang), f"{', '.join(units_of(shown, lang=lang))}; n: {sample(shown, lang=lang)}"
    )
    numeric = [h for h in heads[2:5] if h in keep]
    made = made.cols_align("right", columns=numeric) if numeric else made
    made = made.tab_source_note(source_line(shown, lang=lang))
    for joint in shown.joint:
        made = made.tab_source_note(f"{joint.name}: {format_p(joint.p_value, lang=lang)} ({joint.inference})")
    return made


def emit_table(one: Any, *, lang: str = "en") -> WrittenTable:
    """A set as HTML, Markdown and csv; identical results give identical text."""
    return WrittenTable(
        html=table(one, lang=lang).as_raw_html() + "\n",
        md=markdown(one, lang=lang),
        csv=data_csv(one),
    )


def data_csv(one: Any) -> str:
    """Every number of a set, unrounded (twelve digits), one row per estimate, with unit and source."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(CSV_COLUMNS)
    for e in one:
        fields = {
            "set": one.name,
            "unit": unit_of(e),
            "source": e.source.name,
            "label": e.source.label,
        }
        values = [plain(fields[c] if c in fields else getattr(e, c)) for c in CSV_COLUMNS]
        rows.writerow(["" if v is None else v for v in values])
    return text.getvalue()


def markdown(one: Any, *, lang: str = "en") -> str:
    """A set as a pipe table with title and source."""
    shown = _Shown.of(one)
    lines = [f"**{_cell(title_of(shown, lang=lang))}**", ""]
    heads = _heads(shown, lang)
    lines.append("| " + " | ".join(heads) + " |")
    lines.append("| " + " | ".join("--:" if i in (2, 3, 4) else "---" for i in range(len(heads))) + " |")
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in _rows(shown, lang)]
    lines += ["", f"n: {sample(shown, lang=lang)}. {_cell(source_line(shown, lang=lang))}"]
    lines += [
        f"{_cell(j.name)}: {format_p(j.p_value, lang=lang)} ({_cell(j.inference)})" for j in shown.joint
    ]
    return "\n".join(lines) + "\n"


def plain_html(one: Any, *, lang: str = "en") -> str:
    """A small HTML table with scoped heads, for the data behind a figure."""
    from_text = _escape
    heads = _heads(_Shown.of(one), lang)[:6]
    head = "".join(f'<th scope="col">{from_text(h)}</th>' for h in heads)
    body = ""
    for row in _rows(_Shown.of(one), lang):
        cells = "".join(f"<td>{from_text(c)}</td>" for c in row[1 : len(heads)])
        body += f'<tr><th scope="row">{from_text(row[0])}</th>{cells}</tr>\n'
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>\n"


@dataclass(frozen=True)
class _Shown:
    """Estimates of one or more sets as one, for a table."""

    name: str
    title: str
    title_nl: str
    estimates: tuple
    joint: tuple

    def __iter__(self) -> Iterator[Any]:
        return iter(self.estimates)

    @classmethod
    def of(cls, items: Any, *, name: str = "results", title: str = "") -> _Shown:
        if isinstance(items, _Shown):
            return items
        if hasattr(items, "estimates"):
            return cls(items.name, title or items.title, items.title_nl, tuple(items), tuple(items.joint))
        if hasattr(items, "estimate"):
            return cls(name, title or items.term, "", (items,), ())
        if not isinstance(items, Iterable) or isinstance(items, (str, bytes)):
            raise DesignError(f"table takes results, found {type(items).__name__}")
        parts = [cls.of(item, name=name) for item in items]
        if not parts:
            raise DesignError("table has nothing to show")
        return cls(
            name,
            title or "; ".join(dict.fromkeys(p.title for p in parts)),
            "",
            tuple(e for p in parts for e in p.estimates),
            tuple(j for p in parts for j in p.joint),
        )


def _heads(shown: Any, lang: str) -> tuple[str, ...]:
    """The column heads; municipal results count municipalities."""
    heads = _HEADS[lang]
    if all(e.counts.of == "municipalities" for e in shown):
        return (*heads[:6], _PLACES[lang], *heads[7:])
    return heads


def _rows(shown: Any, lang: str) -> list[list[str]]:
    return [_row(e, lang) for e in shown]


def _row(e: Any, lang: str) -> list[str]:
    digits = decimals_of(e)
    low, high = (format_number(v, digits, lang=lang) for v in (e.conf_low, e.conf_high))
    between = "tot" if lang == "nl" else "to"
    arms = [e.counts.practices(g) for g in ("programme", "comparison")]
    practices = " + ".join(str(n) for n in arms if n) or str(e.n_clusters)
    level = format_number(100 * e.level, 0, lang=lang)
    return [
        e.term,
        group_word(e, lang=lang),
        format_number(e.estimate, digits, lang=lang),
        f"{low} {between} {high} ({level}%)" if low or high else "",
        ""
        if math.isnan(e.p_value)
        else format_p(e.p_value, lang=lang).removeprefix("p = ").removeprefix("p "),
        unit_of(e, lang=lang),
        practices,
        e.inference,
    ]


def _cell(text: str) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _escape(text: str) -> str:
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
