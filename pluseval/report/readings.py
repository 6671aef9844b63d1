"""One published contrast under every reading, as a table that says what each of them changes."""

from __future__ import annotations

import html
import re
from typing import Any

from pluseval.report.numbers import decimals_of, format_number, format_p, unit_of
from pluseval.report.readback import Html

HEADS = ("Change", "Interval", "p", "What changes", "Procedure")
NOTHING = "nothing: this is the published reading"


def readings_table(results: Any, name: str) -> Html:
    """Estimate, interval and p of every reading of a set, its first being the published one.

    Parameters
    ----------
    results : Results
    name : str
        The set; where no bundle has it the page says so.
    """
    if name not in results:
        return results.show(name)
    numbers = tuple(results[name])
    published = numbers[0]
    head = "".join(f'<th scope="col">{h}</th>' for h in ("Reading", *HEADS))
    rows = []
    for number in numbers:
        cells = (*_told(number), what_changes(number, published) or NOTHING, number.inference)
        body = "".join(
            f'<td data-head="{h}">{html.escape(c)}</td>' for h, c in zip(HEADS, cells, strict=True)
        )
        rows.append(f'<tr><th scope="row">{html.escape(number.term)}</th>{body}</tr>')
    return Html(
        f'<table class="pluseval-table pluseval-stacked" id="{anchor(name)}">'
        f"<caption>{html.escape(_caption(numbers))}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody></table>\n"
    )


def anchor(name: str) -> str:
    """The id of the table of a set, for links to it."""
    return "readings-" + name.replace(".", "-")


def what_changes(number: Any, published: Any) -> str:
    """In what a reading differs from the published one: contrast, weight, covariates or procedure.

    Read from the estimand sheets and the conventions, so that it cannot say other than what was done; empty
    for the published reading itself.
    """
    sheet, first = number.estimand, published.estimand
    changed = []
    if sheet.contrast != first.contrast:
        changed.append(f"the contrast ({sheet.contrast.split(',')[0]})")
    elif sheet.weight != first.weight:  # a window of several years also says how they are averaged
        changed.append(f"the weight ({sheet.weight})")
    if _given(sheet) != _given(first):
        changed.append(f"the covariates ({_given(sheet) or 'none'})")
    if _procedure(number) != _procedure(published):
        changed.append("the procedure")
    return " and ".join(changed)


def _given(sheet: Any) -> str:
    """The covariates, as the assumption names them."""
    return sheet.assumption.partition(", given ")[2]


def _procedure(number: Any) -> str:
    """The convention without covariates and degrees of freedom, which follow from the design."""
    return re.sub(r" adjusted for [\w(), ]+?(?=,|$)|\([\d.]+\)", "", number.inference)


def _told(number: Any) -> tuple[str, str, str]:
    digits = decimals_of(number)
    value, low, high = (
        format_number(v, digits) for v in (number.estimate, number.conf_low, number.conf_high)
    )
    return value, f"{low} to {high}", format_p(number.p_value).removeprefix("p ").removeprefix("= ")


def _caption(numbers: tuple) -> str:
    first, total = numbers[0], len(numbers)
    alpha, label = round(1 - first.level, 9), first.measure.label
    interval = f"{format_number(100 * first.level, 0)}% interval"
    found = sum(n.p_value <= alpha for n in numbers)
    return (
        f"{label[:1].upper()}{label[1:]}, {unit_of(first)} with {interval}: of {total} readings {found} "
        f"reach p <= {alpha:g} and {total - found} do not; the one that counts is the plan's primary"
    )
