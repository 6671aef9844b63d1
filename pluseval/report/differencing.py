"""What two released numbers reveal by their difference: who is behind the one and not the other."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_PERIOD = re.compile(r"(\d+)(?:-(\d+))?")

Key = tuple[str, str, str]
PRACTICES, PERSONS = "practices", "persons"


@dataclass(frozen=True)
class Presence:
    """Who of one cell is there in one year.

    Parameters
    ----------
    period : str
        The period of the cell, which may span more years.
    part : str
        The part of the group; parts of different names are disjoint.
    practices, persons : int
        Of the year; persons None where they are not known for the year alone.
    whole : int
        Practices of the cell in any of its years.
    members, whole_members : frozenset
        The practices by name, empty where they are not known: counts stand for them then.
    """

    period: str
    part: str
    practices: int
    persons: int | None
    whole: int
    members: frozenset = field(default=frozenset(), repr=False)
    whole_members: frozenset = field(default=frozenset(), repr=False)


def presences(measure: str, cells: Iterable[Any]) -> Iterator[tuple[Key, Presence]]:
    """The cells behind a number, year by year, under measure, group and single year.

    A cell that does not say who was there in each year is taken to hold all its practices in every year.

    Examples
    --------
    >>> from pluseval.estimate.result import Cell
    >>> [key for key, _ in presences("grade", [Cell("programme", "2013-2015", 900, 14)])]
    [('grade', 'programme', '2013'), ('grade', 'programme', '2014'), ('grade', 'programme', '2015')]
    """
    for cell in cells:
        part: str = getattr(cell, "part", "")
        members: frozenset = getattr(cell, "members", frozenset())
        common = {"period": cell.period, "part": part, "whole": cell.practices, "whole_members": members}
        known = getattr(cell, "years", ())
        if known:
            for year in known:
                own: frozenset = getattr(year, "members", frozenset())
                key = (measure, cell.group, str(year.period))
                yield key, Presence(practices=year.practices, persons=year.persons, members=own, **common)
            continue
        labels = _years(cell.period)
        persons = cell.persons if len(labels) == 1 else None
        for label in labels:
            key = (measure, cell.group, label)
            yield key, Presence(practices=cell.practices, persons=persons, members=members, **common)


def revealed(one: Presence, other: Presence, *, min_practices: float, min_persons: float) -> str | None:
    """What the difference of two numbers on one year reveals: few ``practices``, ``persons``, or None."""
    if one.part and other.part and one.part != other.part:
        return None
    pairs = [(one.practices, one.members, other.practices, other.members)]
    if one.period == other.period:
        pairs.append((one.whole, one.whole_members, other.whole, other.whole_members))
    else:
        # A practice that lacks a year stands in a window with its other years. Two numbers of one window
        # treat it alike; beside another period with the year that it lacks, its other years follow.
        pairs.append((one.whole, one.whole_members, other.practices, other.members))
        pairs.append((one.practices, one.members, other.whole, other.whole_members))
    if any(0 < _between(*pair) < min_practices for pair in pairs):
        return PRACTICES
    if one.persons is not None and other.persons is not None:
        if 0 < abs(one.persons - other.persons) < min_persons:
            return PERSONS
    return None


def nested(one: str, other: str) -> bool:
    """Whether one measure counts a part of what the other does, as their keys say.

    Examples
    --------
    >>> nested("referral_percentage", "referral_percentage_all")
    True
    >>> nested("cost_msz_eur", "cost_total_eur")
    False
    """
    return one.startswith(f"{other}_") or other.startswith(f"{one}_")


def leaves_few_alone(sets: Iterable[frozenset], *, min_practices: float) -> bool:
    """Whether sums and differences of the totals of sets of practices leave fewer than the minimum alone.

    No two of the sets need be close: two that overlap in a pair give it away beside the total of all.

    Examples
    --------
    >>> a, b = frozenset(range(20)), frozenset(range(18, 56))
    >>> leaves_few_alone([a, b], min_practices=6), leaves_few_alone([a, b, a | b], min_practices=6)
    (False, True)
    """
    known = sorted({one for one in sets if one}, key=lambda one: (len(one), sorted(map(str, one))))
    parts = Counter(tuple(unit in one for one in known) for unit in frozenset().union(*known))
    if not known or min(parts.values()) >= min_practices:
        return False  # every combination is made of these parts
    sizes = np.array(list(parts.values()))
    inside = np.array(list(parts), dtype=float).T
    rank = np.linalg.matrix_rank(inside)
    small = [n for n in range(sizes.size) if sizes[n] < min_practices]
    for count in range(1, len(small) + 1):
        found = [g for g in itertools.combinations(small, count) if sizes[list(g)].sum() < min_practices]
        if not found:
            return False
        if any(np.linalg.matrix_rank(np.delete(inside, group, axis=1)) < rank for group in found):
            return True
    return False


def _between(one: int, members: frozenset, other: int, others: frozenset) -> int:
    """Practices that are behind one number and not behind the other."""
    return len(members ^ others) if members and others else abs(one - other)


def _years(period: str) -> list[str]:
    """The years of a period such as ``2013-2015``; the period itself where it is none of years."""
    found = _PERIOD.fullmatch(period)
    if found is None:
        return [period]
    first, last = int(found[1]), int(found[2] or found[1])
    return [str(year) for year in range(first, last + 1)] if 0 <= last - first < 200 else [period]
