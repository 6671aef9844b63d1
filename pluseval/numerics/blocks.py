"""Random partitions of a map into contiguous blocks of similar size.

One treated region is compared with what would have been found elsewhere. Elsewhere must be like it: places
that touch one another share hospitals and shocks, so the placebo is a block of touching places as large as
the region, not a single place and not a scattered set. A partition's blocks do not overlap; many partitions
are drawn, because where the borders between the blocks fall is arbitrary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pluseval.errors import DesignError


@dataclass(frozen=True)
class Partitions:
    """Random partitions of units into blocks.

    Attributes
    ----------
    blocks : tuple over partitions of tuples of (k,) int arrays
        Row numbers of each block's units, ascending. Units in no block are left out: islands, places larger
        than a block, leftovers.
    target, tolerance : float
        Sizes lie within ``target * (1 - tolerance)`` and ``target * (1 + tolerance)``.
    n_units : int
    """

    blocks: tuple[tuple[np.ndarray, ...], ...]
    target: float
    tolerance: float
    n_units: int

    def __len__(self) -> int:
        return len(self.blocks)

    @property
    def counts(self) -> np.ndarray:
        """(P,) number of blocks of each partition."""
        return np.array([len(partition) for partition in self.blocks])

    @property
    def partition_of(self) -> np.ndarray:
        """(sum of counts,) the partition of each block, in the order of :meth:`membership`."""
        return np.repeat(np.arange(len(self.blocks)), self.counts)

    def membership(self) -> np.ndarray:
        """(sum of counts, n_units) 0/1 matrix: which units make up each block of all partitions."""
        matrix = np.zeros((int(self.counts.sum()), self.n_units))
        for k, block in enumerate(b for partition in self.blocks for b in partition):
            matrix[k, block] = 1.0
        return matrix


def random_partitions(
    neighbours: Sequence[Sequence[int]],
    size: np.ndarray,
    *,
    target: float,
    tolerance: float = 0.2,
    partitions: int,
    seed: int,
) -> Partitions:
    """Partitions of a map into contiguous, non-overlapping blocks whose sizes lie within ``tolerance`` of
    ``target``.

    A block grows from a random place by touching places, the more likely the more of the block they touch,
    until it is large enough. Places that could not grow into a block join a touching one that stays within
    the limits.

    Parameters
    ----------
    neighbours : (n,) sequence of sequences of int
        The places that touch each place; symmetric.
    size : (n,) array
        Positive, in the unit of ``target`` (insured-years).
    target, tolerance : float
    partitions : int
        How many.
    seed : int
        The k-th partition depends on ``seed`` and k alone.

    Returns
    -------
    Partitions
        Partitions without any block are not kept.

    Raises
    ------
    DesignError
        Shapes that do not agree, sizes that are not positive, neighbours one way only, or no block in any
        partition.

    Examples
    --------
    >>> line = [(1,), (0, 2), (1, 3), (2,)]
    >>> drawn = random_partitions(line, np.ones(4), target=2, partitions=3, seed=7)
    >>> all(len(block) == 2 for partition in drawn.blocks for block in partition)
    True
    """
    size = np.asarray(size, float)
    _check(neighbours, size, target=target, tolerance=tolerance, partitions=partitions)
    low, high = target * (1 - tolerance), target * (1 + tolerance)
    touching = [tuple(int(j) for j in others) for others in neighbours]
    drawn = []
    for k in range(partitions):
        blocks = _one_partition(touching, size.tolist(), low, high, np.random.default_rng((seed, k)))
        if blocks:
            drawn.append(tuple(np.array(sorted(block)) for block in blocks))
    if not drawn:
        raise DesignError(
            f"no block of touching places has a size between {low:,.0f} and {high:,.0f}; widen the tolerance"
        )
    return Partitions(blocks=tuple(drawn), target=float(target), tolerance=tolerance, n_units=size.size)


def random_sets(
    size: np.ndarray, *, target: float, tolerance: float = 0.2, sets: int, seed: int
) -> Partitions:
    """Random sets of places from anywhere, each of about ``target``: what blocks are to be compared with.

    The sets overlap and are counted as if each were new evidence: one partition with ``sets`` groups. Places
    in a set share no shock, so that their mean varies less than a region's: such a test rejects too often.

    Raises
    ------
    DesignError
        Sizes that are not positive, or no set of that size.

    Examples
    --------
    >>> drawn = random_sets(np.ones(30), target=6, sets=5, seed=7)
    >>> [len(group) for group in drawn.blocks[0]]
    [5, 5, 5, 5, 5]
    """
    size = np.asarray(size, float)
    _check([()] * size.size, size, target=target, tolerance=tolerance, partitions=sets)
    low, high = target * (1 - tolerance), target * (1 + tolerance)
    groups = []
    for k in range(sets):
        chosen, total = [], 0.0
        for place in np.random.default_rng((seed, k)).permutation(size.size).tolist():
            if total >= low:
                break
            if total + size[place] <= high:
                chosen.append(place)
                total += size[place]
        if total >= low:
            groups.append(np.array(sorted(chosen)))
    if not groups:
        raise DesignError(
            f"no set of places has a size between {low:,.0f} and {high:,.0f}; widen the tolerance"
        )
    return Partitions(blocks=(tuple(groups),), target=float(target), tolerance=tolerance, n_units=size.size)


def _check(
    neighbours: Sequence[Sequence[int]], size: np.ndarray, *, target: float, tolerance: float, partitions: int
) -> None:
    if size.ndim != 1 or len(neighbours) != size.size:
        raise DesignError(
            f"{len(neighbours)} places have neighbours and {size.size} have a size; give both for each"
        )
    if not (np.isfinite(size).all() and (size > 0).all() and target > 0):
        raise DesignError("sizes and the target size of a block must be positive numbers")
    if not 0 < tolerance < 1 or partitions < 1:
        raise DesignError(
            f"tolerance {tolerance} must lie between 0 and 1, partitions {partitions} be 1 or more"
        )
    sets = [set(others) for others in neighbours]
    one_way = sum(i == j or not 0 <= j < size.size or i not in sets[j] for i, s in enumerate(sets) for j in s)
    if one_way:
        raise DesignError(f"{one_way} neighbours are not neighbours both ways, or not in the list")


def _one_partition(
    touching: list[tuple[int, ...]], size: list[float], low: float, high: float, rng: np.random.Generator
) -> list[list[int]]:
    owner = [-1] * len(size)
    blocks: list[list[int]] = []
    for start in rng.permutation(len(size)).tolist():
        if owner[start] >= 0:
            continue
        block = _grow(start, touching, size, owner, low, high, rng)
        if block:
            for place in block:
                owner[place] = len(blocks)
            blocks.append(block)
    _absorb(blocks, touching, size, owner, high, rng)
    return blocks


def _grow(
    start: int,
    touching: list[tuple[int, ...]],
    size: list[float],
    owner: list[int],
    low: float,
    high: float,
    rng: np.random.Generator,
) -> list[int]:
    """A block from ``start`` that is large enough, or nothing."""
    block, total = [start], size[start]
    if total > high:
        return []
    borders: dict[int, int] = {}  # free places beside the block, with the number of its places they touch
    inside, latest = {start}, start
    while total < low:
        for place in touching[latest]:
            if owner[place] < 0 and place not in inside:
                borders[place] = borders.get(place, 0) + 1
        fitting = [place for place in borders if total + size[place] <= high]
        if not fitting:
            return []
        draw = rng.random() * sum(borders[place] for place in fitting)
        for latest in fitting:
            draw -= borders[latest]
            if draw <= 0:
                break
        del borders[latest]
        inside.add(latest)
        block.append(latest)
        total += size[latest]
    return block


def _absorb(
    blocks: list[list[int]],
    touching: list[tuple[int, ...]],
    size: list[float],
    owner: list[int],
    high: float,
    rng: np.random.Generator,
) -> None:
    totals = [sum(size[place] for place in block) for block in blocks]
    moved = True
    while moved:
        moved = False
        for place in rng.permutation(len(size)).tolist():
            if owner[place] >= 0:
                continue
            beside = {owner[j] for j in touching[place] if owner[j] >= 0}
            fitting = sorted(b for b in beside if totals[b] + size[place] <= high)
            if fitting:
                chosen = fitting[int(rng.integers(len(fitting)))]
                blocks[chosen].append(place)
                totals[chosen] += size[place]
                owner[place] = chosen
                moved = True
