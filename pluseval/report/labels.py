"""Labels beside the marks of a scatter plot, so that none covers another label or a mark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pluseval.report.svg import length

SIZE = 11.0
HEIGHT = 13.5
CLEAR = 8.0  # around a mark
_DISTANCES = (10, 16, 24, 34, 46, 60, 76, 94, 114, 136, 160, 190, 220)
_ANGLES = (0, 180, *(s * a for a in (15, 165, 30, 150, 45, 135, 60, 120, 75, 105, 90) for s in (1, -1)))

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Spot:
    """Where a label stands: its left end, the height of its middle, and whether a line leads to it.

    ``end_x`` is the end of the label that is nearer to its mark.
    """

    x: float
    middle: float
    end_x: float
    led: bool


def place(marks: Sequence[tuple[float, float]], names: Sequence[str], *, area: Box) -> list[Spot]:
    """A spot for each label, the first ones choosing first: the nearest at which it covers nothing.

    Parameters
    ----------
    marks : sequence of (x, y)
    names : sequence of str
    area : (left, top, right, bottom)
        Where labels may stand. Where it must be, a label lies on a line that leads to another; one that finds
        no free spot at all stands beside its mark.

    Examples
    --------
    >>> first, second = place([(10, 50), (12, 50)], ["one", "two"], area=(0, 0, 200, 100))
    >>> first.middle == second.middle
    False
    """
    taken: list[Box] = [(x - CLEAR, y - CLEAR, x + CLEAR, y + CLEAR) for x, y in marks]
    spots: list[Spot] = []
    labels: list[Box] = []
    leaders: list[tuple[float, float]] = []  # points along the lines that lead to labels
    for own, ((x, y), name) in enumerate(zip(marks, names, strict=True)):
        others = [box for at, box in enumerate(taken) if at != own]
        tried = [
            _at(x, y, distance, angle, length(name, SIZE)) for distance in _DISTANCES for angle in _ANGLES
        ]
        free = [
            (spot, covered)
            for spot, covered in tried
            if _inside(covered, area) and not any(_meet(covered, box) for box in others)
        ]
        clear = (
            (spot, covered)
            for spot, covered in free
            if not any(_holds(covered, point) for point in leaders)
            and not any(_holds(box, point) for box in labels for point in _points(x, y, spot))
        )
        spot, covered = next(clear, (free or tried)[0])
        taken.append(covered)
        labels.append(covered)
        leaders += _points(x, y, spot)
        spots.append(spot)
    return spots


def _at(x: float, y: float, distance: float, angle: float, wide: float) -> tuple[Spot, Box]:
    across = math.cos(math.radians(angle))
    end = x + distance * across
    middle = y - distance * math.sin(math.radians(angle))
    if abs(across) < 0.2:
        left = x - wide / 2
    else:
        left = end if across > 0 else end - wide
    spot = Spot(left, middle, x if abs(across) < 0.2 else end, distance > _DISTANCES[0])
    return spot, (left, middle - HEIGHT / 2, left + wide, middle + HEIGHT / 2)


def _points(x: float, y: float, spot: Spot) -> list[tuple[float, float]]:
    """Points along the line that leads from a mark to its label, none where there is no line."""
    if not spot.led:
        return []
    steps = [k / 16 for k in range(16)]
    return [(x + t * (spot.end_x - x), y + t * (spot.middle - y)) for t in steps]


def _holds(box: Box, point: tuple[float, float]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _inside(box: Box, area: Box) -> bool:
    return box[0] >= area[0] and box[1] >= area[1] and box[2] <= area[2] and box[3] <= area[3]


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
