"""Choices that are numbers, refused in words where they are none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pluseval.errors import DesignError

MOST_DRAWS = 10_000_000  # more would not fit in memory, and change no digit that is shown


def is_number(value: object) -> bool:
    """Whether the value is a number; True and False are none here."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def require_draws(draws: object, asked_by: str) -> None:
    """Refuse a number of draws that is none, or that no machine holds."""
    if not isinstance(draws, int | np.integer) or isinstance(draws, bool) or not 1 <= draws <= MOST_DRAWS:
        raise DesignError(
            f"{asked_by}.draws is {draws!r}; a whole number from 1 to {MOST_DRAWS:,}, as draws=9_999"
        )


def require_seed(seed: object, asked_by: str) -> None:
    """Refuse a missing seed: draws that nobody can repeat are no result."""
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
        raise DesignError(f"{asked_by}: seed is {seed!r}; a whole number of 0 or more, as seed=7")


def require_groups_of(groups: object, asked_by: str) -> None:
    """Refuse a number of quantile groups that divides nothing."""
    if not isinstance(groups, int | np.integer) or isinstance(groups, bool) or groups < 2:
        raise DesignError(f"{asked_by}.groups is {groups!r}; 2 or more, as groups=3 for tertiles")


def as_pair(value: object, name: str) -> tuple[int, int]:
    """Two whole numbers, as (2018, 2019).

    Raises
    ------
    DesignError
        Anything else, with the name of the choice.

    Examples
    --------
    >>> as_pair([2018, 2019.0], "periods")
    (2018, 2019)
    """
    listed = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    parts = list(value) if listed else []  # type: ignore[call-overload]
    if len(parts) != 2 or not all(is_number(p) and math.isfinite(p) and p == int(p) for p in parts):
        raise DesignError(f"{name} is {value!r}; give two whole numbers, as (2018, 2019)")
    return int(parts[0]), int(parts[1])


def as_pairs(value: object, name: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two pairs of whole numbers, as ((2013, 2015), (2017, 2019)).

    Raises
    ------
    DesignError
        Anything else, with the name of the choice.
    """
    listed = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    parts = list(value) if listed else []  # type: ignore[call-overload]
    if len(parts) != 2:
        raise DesignError(f"{name} are two pairs, as ((2013, 2015), (2017, 2019)); found {value!r}")
    return as_pair(parts[0], name), as_pair(parts[1], name)


def without(periods: Sequence[int], exclude: object, asked_by: str) -> list[int]:
    """The periods that are not excluded.

    Raises
    ------
    DesignError
        ``exclude`` is no sequence of numbers.
    """
    listed = isinstance(exclude, Sequence | set | np.ndarray) and not isinstance(exclude, str)
    if not listed or not all(is_number(p) for p in exclude):  # type: ignore[attr-defined]
        raise DesignError(f"{asked_by}: exclude is {exclude!r}; give periods, as exclude=(2016,)")
    return [p for p in periods if p not in set(exclude)]  # type: ignore[call-overload]
