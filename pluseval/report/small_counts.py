"""What tells of a few persons or practices by its exact value: counts in words, ends in few digits."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pluseval.data.frame import Loss
from pluseval.estimate.result import Cell, Estimate, EstimateSet, Year
from pluseval.report.differencing import Key, presences

_COUNTED = re.compile(r"(?<![\d.,-])(\d+)(?= (?:programme |comparison )?(practice|person)s?\b)")
_OF_PRACTICES = "practices "  # how the reason of a loss of practices begins
_SIGN_FLIPS = "sign flips"
_DIGITS = 4


def without_small_counts(
    sets: Sequence[EstimateSet], *, min_persons: int, min_practices: int
) -> list[EstimateSet]:
    """Small counts become words, and counts that they could be subtracted from are rounded.

    A loss of three persons is a cell of three persons, wherever it stands. Losses of one study add up to
    its rows, so once one is small all are rounded to the minimum of persons. The persons who are left after
    a small loss give it away beside the number of all, such as of questionnaires returned: they are counted
    as if the few had stayed, or not told where it is not known which cell lost them. What the gate alone
    needed, the practices by name and the single years of a practice that lacks one, stays inside.
    """
    every = [e for s in sets for e in s.estimates]
    least = {"person": min_persons, "practice": min_practices}
    rounded = any(_is_small(x, min_persons) for e in every for x in e.losses)
    lost = _few_by_cell(every, min_persons)
    return [replace(s, estimates=tuple(_told(e, lost, least, rounded) for e in s.estimates)) for s in sets]


def _is_small(loss: Loss, least: int) -> bool:
    """Whether a loss, or a part of one that is a sum, is smaller than the minimum."""
    return 0 < (loss.least or loss.count) < least


def _few_by_cell(estimates: Sequence[Estimate], least: int) -> dict[Key, int]:
    """How many persons went in small losses, by measure, group and year, as estimates of one cell tell."""
    found: dict[Key, int] = {}
    for one in estimates:
        keys = [key for key, _ in presences(one.measure.key, one.counts.cells)]
        if len(keys) == 1 and len(one.counts.cells) == 1:
            found[keys[0]] = sum(x.count for x in _of_persons(one) if 0 < x.count < least)
    return found


def _of_persons(estimate: Estimate) -> list[Loss]:
    return [x for x in estimate.losses if not x.reason.startswith(_OF_PRACTICES)]


def _with_the_few(cell: Cell, estimate: Estimate, lost: dict[Key, int], least: int) -> Cell:
    if cell.persons is None or not any(_is_small(x, least) for x in _of_persons(estimate)):
        return cell
    keys = [key for key, _ in presences(estimate.measure.key, [cell])]
    if any(key not in lost for key in keys):
        return replace(cell, persons=None, years=tuple(replace(y, persons=None) for y in cell.years))
    if not cell.years:
        return replace(cell, persons=cell.persons + max(lost[key] for key in keys))
    years = tuple(
        replace(y, persons=None if y.persons is None else y.persons + lost[key])
        for y, key in zip(cell.years, keys, strict=True)
    )
    return replace(cell, persons=max(y.persons or 0 for y in years), years=years)


def _told(estimate: Estimate, lost: dict[Key, int], least: dict[str, int], rounded: bool) -> Estimate:
    persons = least["person"]
    few = [loss for loss in estimate.losses if 0 < loss.count < persons]
    kept: tuple[Loss, ...] = tuple(loss for loss in estimate.losses if loss not in few)
    notes = tuple(_COUNTED.sub(lambda n: _few(n, least[n[2]]), note) for note in estimate.notes)
    notes += tuple(f"fewer than {persons} lost: {loss.reason}" for loss in few)
    if rounded and kept:
        exact = kept
        kept = tuple(replace(loss, count=persons * round(loss.count / persons)) for loss in kept)
        if kept != exact:
            notes += (f"losses are rounded to multiples of {persons}, as a small one is not shown",)
    whole = [_with_the_few(cell, estimate, lost, persons) for cell in estimate.counts.cells]
    if any(w.persons and w.persons != c.persons for w, c in zip(whole, estimate.counts.cells, strict=True)):
        notes += (f"persons are counted with those of losses of fewer than {persons}",)
    cells = tuple(replace(c, members=frozenset(), years=_shown(c, least["practice"])) for c in whole)
    return replace(estimate, losses=kept, notes=notes, counts=replace(estimate.counts, cells=cells))


def _few(count: re.Match[str], least: int) -> str:
    return f"fewer than {least}" if 0 < int(count[1]) < least else count[0]


def _shown(cell: Cell, least: int) -> tuple[Year, ...]:
    if any(0 < cell.practices - year.practices < least for year in cell.years):
        return ()
    return tuple(replace(year, members=frozenset()) for year in cell.years)


def with_blurred_ends(one: EstimateSet) -> EstimateSet:
    """The ends of sign-flip intervals in four significant digits.

    Such an end is the mean change of some subset of the practices, often of three to five. Which they are
    nobody is told; but practices that know their own changes could recognise the exact value, as means of
    scores are fractions of a few answers, and subtract themselves.

    Examples
    --------
    >>> _blurred(-0.010529410618)
    -0.01053
    """
    return replace(one, estimates=tuple(map(_with_blurred_ends, one.estimates)))


def _with_blurred_ends(one: Estimate) -> Estimate:
    if not one.inference.startswith(_SIGN_FLIPS):
        return one
    interval = None if one.interval is None else _Blurred(one.interval)
    return replace(one, conf_low=_blurred(one.conf_low), conf_high=_blurred(one.conf_high), interval=interval)


@dataclass(frozen=True)
class _Blurred:
    """The interval of an estimate at any level, its ends in few digits."""

    exact: Callable[[float], tuple[float, float]]

    def __call__(self, level: float) -> tuple[float, float]:
        low, high = self.exact(level)
        return _blurred(low), _blurred(high)


def _blurred(end: float) -> float:
    return float(f"{end:.{_DIGITS}g}")
