"""Practices that merged, split or changed code, as one cluster each."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import pandas as pd

COLUMNS = ("treated", "start_date", "entry", "batch", "region", "learning_group", "programme", "end_date")


def clusters_of(links: pd.DataFrame) -> dict[str, str]:
    """The cluster of every practice code in the links: codes joined, directly or not, are one cluster.

    A cluster bears the code of its last successor. After a split there are several successors: it then bears
    the smallest of them, since the history before the split cannot be divided. So treatment stays constant
    within a cluster and nobody changes cluster by a change of code.

    Parameters
    ----------
    links : DataFrame
        Columns ``old_practice_id`` and ``new_practice_id``.

    Examples
    --------
    >>> clusters_of(pd.DataFrame({"old_practice_id": ["A", "B"], "new_practice_id": ["B", "C"]}))
    {'A': 'C', 'B': 'C', 'C': 'C'}
    """
    pairs = list(zip(links["old_practice_id"].astype(str), links["new_practice_id"].astype(str), strict=True))
    root: dict[str, str] = {code: code for pair in pairs for code in pair}

    def find(code: str) -> str:
        while root[code] != code:
            code = root[code]
        return code

    for old, new in pairs:
        a, b = sorted((find(old), find(new)))
        root[b] = a
    olds = {old for old, _ in pairs}
    members: dict[str, list[str]] = {}
    for code in sorted(root):
        members.setdefault(find(code), []).append(code)
    names = {}
    for codes in members.values():
        last = [c for c in codes if c not in olds] or codes
        names.update(dict.fromkeys(codes, min(last)))
    return dict(sorted(names.items()))


def resolved(practice: ir.Column, practice_of: Mapping[str, str]) -> ir.Value:
    """A practice column with every code replaced by its cluster's."""
    changes = [(old, new) for old, new in practice_of.items() if old != new]
    if not changes:
        return practice
    return ibis.cases(*((practice == old, new) for old, new in changes), else_=practice)


def practice_frame(practices: pd.DataFrame, practice_of: Mapping[str, str]) -> pd.DataFrame:
    """One row per cluster with its treatment and strata.

    A cluster is treated where one of its practices is, from the earliest start among them. Other columns come
    from the practice whose code the cluster bears, where it has a row.
    """
    rows = practices.copy()
    rows["practice_id"] = rows["practice_id"].astype(str)
    rows["cluster"] = rows["practice_id"].map(lambda c: practice_of.get(c, c))
    rows["start_date"] = pd.to_datetime(rows["start_date"]).where(rows["treated"].astype(bool))
    rows["end_date"] = pd.to_datetime(rows["end_date"])
    rows["_other"] = rows["cluster"] != rows["practice_id"]
    rows = rows.sort_values(["cluster", "_other", "practice_id"], kind="stable")
    grouped = rows.groupby("cluster", sort=True)
    frame = grouped[["batch", "region", "learning_group", "programme"]].first()
    frame["treated"] = grouped["treated"].any().astype(bool)
    frame["start_date"] = grouped["start_date"].min()
    frame["end_date"] = grouped["end_date"].nth(0).set_axis(frame.index)
    frame["batch"] = frame["batch"].astype("Int64")
    frame["entry"] = frame["start_date"].dt.year.astype(float)
    return frame[list(COLUMNS)]
