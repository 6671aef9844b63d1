"""Placebo regions: groups of donors that stand in for one treated region.

One region was treated, so no sampling of regions says how sure one may be. The question asked instead: how
often does a region of the same size, where nothing happened, show a change as large? Contiguous blocks share
hospitals and shocks within, as the treated region does. Scattered sets and single donors do not; they are
offered only to show what they would have said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.numerics.blocks import Partitions, random_partitions, random_sets

Kind = Literal["blocks", "scattered", "single"]
WORDS = {
    "blocks": "contiguous placebo blocks of the region's size",
    "scattered": "random sets of single donors of the region's size (too optimistic: no shared shocks)",
    "single": "single-donor placebos (places, not regions; neighbours counted as independent)",
}


@dataclass(frozen=True)
class Placebos:
    """Groups of donors that stand in for the treated region: the inference of ``region_did``.

    Attributes
    ----------
    names : tuple of str
        The donors (clusters of the frame); ``partitions`` holds positions in it.
    partitions : Partitions
    kind : {"blocks", "scattered", "single"}
    seed : int or None
    """

    names: tuple[str, ...]
    partitions: Partitions
    kind: Kind
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in WORDS:
            raise DesignError(f"Placebos.kind is {self.kind!r}; use one of {', '.join(WORDS)}")
        if len(self.names) != self.partitions.n_units:
            raise DesignError(
                f"{len(self.names)} donors have names, the partitions know {self.partitions.n_units}"
            )

    def first(self, partitions: int) -> Placebos:
        """The same with the first partitions only, for methods that take longer."""
        return replace(self, partitions=replace(self.partitions, blocks=self.partitions.blocks[:partitions]))


@dataclass(frozen=True)
class PlaceboDistribution:
    """Effects found where nothing happened.

    Attributes
    ----------
    effects : (K,) array
        One per placebo group, all partitions one after another.
    partition : (K,) int array
        The partition of each group.
    """

    effects: np.ndarray
    partition: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """(P,) groups per partition."""
        return np.unique(self.partition, return_counts=True)[1]

    @property
    def scale(self) -> float:
        """Root mean square of the placebo effects."""
        return float(np.sqrt(np.mean(self.effects**2)))

    def p_values(self, effect: float) -> np.ndarray:
        """(P,) rank of the effect among each partition's placebos: (1 + number as large) / (1 + number of
        groups).

        "As large" is in absolute value, ties counted. Exact within one partition if the region's effect and
        the placebo effects are exchangeable.
        """
        as_large = np.abs(self.effects) >= abs(effect) * (1 - 1e-12)
        _, position = np.unique(self.partition, return_inverse=True)
        return (1 + np.bincount(position, weights=as_large)) / (1 + self.counts)

    def p_value(self, effect: float) -> float:
        """Mean of :meth:`p_values` over partitions: the arbitrary borders of the blocks are averaged out.

        Pooling the groups of all partitions would count each place hundreds of times; the number of
        independent placebos stays that of one partition, and so does the smallest p-value, 1 / (1 + groups).
        """
        return float(self.p_values(effect).mean())

    def half_width(self, level: float) -> float:
        """Largest shift of the effect that the test does not reject; infinite with too few groups."""
        if not 0 < level < 1:
            raise DesignError(f"level is {level}; it lies between 0 and 1, as 0.95")
        _, position, counts = np.unique(self.partition, return_inverse=True, return_counts=True)
        floor = float((1 / (1 + counts)).mean())
        alpha = 1 - level
        if floor > alpha:
            return math.inf
        size = np.abs(self.effects)
        order = np.argsort(-size, kind="stable")
        weight = (1 / ((1 + counts) * counts.size))[position]
        p = floor + np.cumsum(weight[order])
        reached = np.flatnonzero(p > alpha + 1e-12)
        return float(size[order][reached[0]]) if reached.size else 0.0


def contiguous_blocks(
    frame: AnalysisFrame,
    *,
    neighbours: Callable[[Sequence[str]], Sequence[Sequence[int]]],
    size_period: int,
    partitions: int,
    seed: int,
    tolerance: float = 0.2,
) -> Placebos:
    """Random partitions of the donors into touching blocks of about the treated region's exposure.

    Parameters
    ----------
    frame : AnalysisFrame
        The treated region's clusters have an entry, the donors none.
    neighbours : callable
        Donors' names to the positions of each one's neighbours (``Geography.among``).
    size_period : int
        The period whose exposure is the size.
    partitions, seed, tolerance
        As :func:`pluseval.numerics.blocks.random_partitions`.

    Raises
    ------
    DesignError
        No treated cluster, or no block of that size.
    """
    names, size, target = donor_sizes(frame, size_period)
    drawn = random_partitions(
        neighbours(names), size, target=target, tolerance=tolerance, partitions=partitions, seed=seed
    )
    return Placebos(names=names, partitions=drawn, kind="blocks", seed=seed)


def scattered_sets(
    frame: AnalysisFrame, *, size_period: int, sets: int, seed: int, tolerance: float = 0.2
) -> Placebos:
    """Random sets of single donors of about the region's exposure: too optimistic, for comparison."""
    names, size, target = donor_sizes(frame, size_period)
    drawn = random_sets(size, target=target, tolerance=tolerance, sets=sets, seed=seed)
    return Placebos(names=names, partitions=drawn, kind="scattered", seed=seed)


def single_donors(frame: AnalysisFrame, *, size_period: int, min_exposure: float = 0.0) -> Placebos:
    """Every donor of at least ``min_exposure`` as a placebo by itself, for comparison."""
    names, size, target = donor_sizes(frame, size_period)
    groups = tuple(np.array([k]) for k in np.flatnonzero(size >= min_exposure))
    if not groups:
        raise DesignError(f"no donor has an exposure of {min_exposure:,.0f} or more in {size_period}")
    partitions = Partitions(blocks=(groups,), target=target, tolerance=math.nan, n_units=size.size)
    return Placebos(names=names, partitions=partitions, kind="single")


def donor_sizes(frame: AnalysisFrame, period: int) -> tuple[tuple[str, ...], np.ndarray, float]:
    """The donors' names and exposures in one period, and the treated region's exposure."""
    cells = frame.cells
    exposure = cells[cells["period"] == period].set_index("cluster")["exposure"]
    treated = frame.treated
    if exposure.empty or not treated.any() or treated.all():
        raise DesignError(
            f"placebos need a treated region, donors, and the size period {period} in the frame"
        )
    donors = exposure[~treated.reindex(exposure.index)].sort_index()
    return tuple(donors.index), donors.to_numpy(float), float(exposure[treated.reindex(exposure.index)].sum())
