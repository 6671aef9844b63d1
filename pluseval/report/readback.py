"""Numbers as they come back from a bundle: the fields of an estimate, without its data."""

from __future__ import annotations

import difflib
import html
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pluseval.errors import DesignError, NotFoundError
from pluseval.report.numbers import format_number


class Record(Mapping):
    """Plain fields of a bundle, by attribute as on the object they were written from."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_fields", dict(fields))

    def __getattr__(self, name: str) -> Any:
        try:
            return self._fields[name]
        except KeyError:
            raise AttributeError(f"no field {name!r}; there are {', '.join(self._fields)}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("what was read from a bundle does not change")

    def __getitem__(self, name: str) -> Any:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Record({self._fields!r})"


class ReadCounts(Record):
    """The evidence that left with a number: practices and persons of every cell."""

    __slots__ = ()

    def practices(self, group: str) -> int:
        """The largest number of practices of a group over its cells (0 where the group is absent)."""
        return max((c.practices for c in self.cells if c.group == group), default=0)


class Quantity(float):
    """A number that prints itself with its own decimals and unit; arithmetic and ``:.2f`` work as ever."""

    decimals: int
    unit: str

    def __new__(cls, value: float, *, decimals: int, unit: str = "") -> Quantity:
        made = super().__new__(cls, value)
        made.decimals, made.unit = decimals, unit
        return made

    def text(self, lang: str = "en") -> str:
        """The number with the marks of the language, without unit."""
        return format_number(float(self), self.decimals, lang=lang)

    def __str__(self) -> str:
        return self.text()

    def __format__(self, spec: str) -> str:
        return self.text() if not spec else format(float(self), spec)

    def _repr_html_(self) -> str:
        return f'<span class="pluseval-number">{html.escape(self.text())}</span>'


@dataclass(frozen=True)
class Html:
    """A piece of HTML that a notebook shows as it is."""

    content: str

    def _repr_html_(self) -> str:
        return self.content

    def __str__(self) -> str:
        return self.content


@dataclass(frozen=True)
class Number:
    """One released estimate, read back: the fields of an Estimate, without its data.

    ``conf_int`` and ``p_at`` answer for the levels and null values that were written.
    """

    fields: Record

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "fields":
            raise AttributeError(name)
        return getattr(self.fields, name)

    @property
    def null(self) -> float:
        """The value of no effect: 0 for a difference, 1 for a ratio."""
        return 1.0 if self.scale == "ratio" else 0.0

    def conf_int(self, level: float = 0.95) -> tuple[float, float]:
        """The interval at a level that was written.

        Raises
        ------
        DesignError
            If the bundle holds no interval at this level.
        """
        for kept in self.intervals:
            if math.isclose(kept.level, level, abs_tol=1e-9):
                return kept.low, kept.high
        levels = ", ".join(f"{100 * kept.level:g} %" for kept in self.intervals)
        raise DesignError(f"{self.term}: the bundle holds intervals at {levels}, not at {100 * level:g} %")

    def p_at(self, value: float) -> float:
        """The p-value at a null value that was written.

        Raises
        ------
        DesignError
            If the bundle holds no test there.
        """
        for kept in self.tests:
            if math.isclose(kept.value, value, rel_tol=1e-9):
                return kept.p_value
        if math.isclose(value, self.null) and self.scale != "level":
            return self.p_value
        raise DesignError(f"{self.term}: the bundle holds no test at {value:g}; run the study again for it")


@dataclass(frozen=True)
class ReadSet:
    """One released set, read back."""

    name: str
    title: str
    title_nl: str
    display: str
    estimates: tuple[Number, ...]
    joint: tuple[Record, ...]

    def __iter__(self) -> Iterator[Number]:
        return iter(self.estimates)

    def __len__(self) -> int:
        return len(self.estimates)

    def __getitem__(self, term: str) -> Number:
        for number in self.estimates:
            if number.term == term:
                return number
        raise NotFoundError(near_names(f"term of {self.name}", term, [n.term for n in self.estimates]))


def near_names(what: str, name: str, known: list[str]) -> str:
    """A message that lists the known names nearest to one that is not there."""
    near = difflib.get_close_matches(str(name), known, n=4, cutoff=0.4) or sorted(known)[:6]
    listed = ", ".join(dict.fromkeys(near)) or "none"
    return f"no {what} {name!r}; near names: {listed}"
