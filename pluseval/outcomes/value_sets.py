"""EQ-5D value sets: versioned data, each with its source.

Decrements are kept in thousandths, as published, so that an index is exact to three decimals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pluseval.errors import DesignError

DIMENSIONS = ("mobility", "self_care", "usual_activities", "pain", "anxiety")


@dataclass(frozen=True)
class ValueSet:
    """An additive value set.

    Parameters
    ----------
    name, source : str
    levels : int
        3 (EQ-5D-3L) or 5 (EQ-5D-5L).
    decrements : tuple of 5 tuples
        Thousandths per dimension for the levels 1 to ``levels`` (the first is 0).
    any_problem : int
        Thousandths where any level is above 1.
    any_worst : int
        Thousandths where any level is the worst (the N3 term of 3L sets).
    """

    name: str
    source: str
    levels: int
    decrements: tuple[tuple[int, ...], ...]
    any_problem: int
    any_worst: int = 0

    def __post_init__(self) -> None:
        shape = [len(d) for d in self.decrements]
        if shape != [self.levels] * len(DIMENSIONS) or any(d[0] != 0 for d in self.decrements):
            raise DesignError(f"value set {self.name}: 5 dimensions of {self.levels} levels that start at 0")


_SETS = (
    ValueSet(
        name="NL-2016",
        source="EQ-5D-5L, the Netherlands: Versteegh et al. (2016), doi 10.1016/j.jval.2016.01.003",
        levels=5,
        decrements=(
            (0, 35, 57, 166, 203),
            (0, 38, 61, 168, 168),
            (0, 39, 87, 192, 192),
            (0, 66, 92, 360, 415),
            (0, 70, 145, 356, 421),
        ),
        any_problem=47,
    ),
    ValueSet(
        name="NL-3L-2006",
        source="EQ-5D-3L, the Netherlands: Lamers et al. (2006), doi 10.1002/hec.1124",
        levels=3,
        decrements=((0, 36, 161), (0, 82, 152), (0, 32, 57), (0, 86, 329), (0, 124, 325)),
        any_problem=71,
        any_worst=234,
    ),
    ValueSet(
        name="NL-3L-2026",
        source="EQ-5D-3L, the Netherlands: new tariff (2026), doi 10.1007/s10198-025-01892-2",
        levels=3,
        decrements=((0, 45, 424), (0, 59, 144), (0, 11, 132), (0, 114, 509), (0, 96, 360)),
        any_problem=154,
    ),
)

VALUE_SETS: Mapping[str, ValueSet] = MappingProxyType({s.name: s for s in _SETS})


def value_set(name: str) -> ValueSet:
    """A value set by its name.

    Raises
    ------
    DesignError
        No set of that name.

    Examples
    --------
    >>> value_set("NL-2016").levels
    5
    """
    if name not in VALUE_SETS:
        raise DesignError(f"no EQ-5D value set is called {name!r}; there are {', '.join(VALUE_SETS)}")
    return VALUE_SETS[name]
