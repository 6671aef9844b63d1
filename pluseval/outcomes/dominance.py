"""Sums of practices with the two largest contributions of single persons, in the engine."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir


def sums_with_largest(t: ir.Table, **sums: ir.Value) -> ir.Table:
    """Sums per practice and year, with the two largest amounts of single persons.

    Parameters
    ----------
    t : ibis table
        One row per person, practice and year: ``practice_id year amount`` and what ``sums`` need.
    sums : ibis aggregates
        Further columns, as ``persons=t.count()``.

    Returns
    -------
    ibis table
        ``practice_id year largest second`` and the sums; ``second`` is missing where there is one person.

    Notes
    -----
    Two passes of plain aggregates instead of a ranking: nothing is sorted, and any engine can do it.
    """
    cells = t.group_by("practice_id", "year").aggregate(largest=t.amount.max(), **sums)
    tops = cells.select(top_id=cells.practice_id, top_year=cells.year, top=cells.largest)
    beside = t.inner_join(tops, [t.practice_id == tops.top_id, t.year == tops.top_year])
    runners = beside.group_by("practice_id", "year").aggregate(
        ties=(beside.amount == beside.top).sum(), below=beside.amount.max(where=beside.amount < beside.top)
    )
    both = cells.left_join(runners, ["practice_id", "year"])
    second = ibis.ifelse(both.ties > 1, both.largest, both.below)
    return both.select("practice_id", "year", "largest", *sums, second=second)
