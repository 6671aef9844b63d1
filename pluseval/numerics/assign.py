"""Ways in which labels could have fallen among units: who was treated, or when each entered.

All of them are listed where there are few enough, otherwise they are drawn. Counts of each label stay as they
are in every stratum.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from pluseval.errors import DesignError

BLOCK = 4096  # draws held at a time; fixed, so that a seed gives the same draws on every machine


@dataclass(frozen=True)
class Assignments:
    """Ways in which the labels could have fallen, counts within strata fixed.

    Attributes
    ----------
    levels : ndarray
        The labels, sorted.
    observed : ndarray (n,) of int16
        Code of the label of each unit.
    n_possible : int
        Number of different assignments.
    exact : bool
        Whether all of them are listed (the observed one among them) or draws are made.
    n_draws : int
    strata : tuple of ndarray
        The units of each stratum.
    seed : int
    """

    levels: np.ndarray
    observed: np.ndarray = field(repr=False)
    n_possible: int
    exact: bool
    n_draws: int
    strata: tuple[np.ndarray, ...] = field(repr=False)
    seed: int = field(repr=False)

    @property
    def smallest_p(self) -> float:
        """Smallest p-value that any data could give with these assignments."""
        return 1 / (self.n_possible if self.exact else self.n_draws + 1)

    def blocks(self) -> Iterator[np.ndarray]:
        """Codes of the labels, ``(at most 4096, n)`` at a time, the same ones on every call."""
        return self._all() if self.exact else self._drawn()

    def _drawn(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(self.seed)
        for start in range(0, self.n_draws, BLOCK):
            size = min(BLOCK, self.n_draws - start)
            block = np.empty((size, self.observed.size), dtype=np.int16)
            for rows in self.strata:
                block[:, rows] = rng.permuted(np.tile(self.observed[rows], (size, 1)), axis=1)
            yield block

    def _all(self) -> Iterator[np.ndarray]:
        lists = [_arrangements(self.observed[rows]) for rows in self.strata]
        shape = tuple(part.shape[0] for part in lists)
        for start in range(0, self.n_possible, BLOCK):
            at = np.unravel_index(np.arange(start, min(start + BLOCK, self.n_possible)), shape)
            block = np.empty((at[0].size, self.observed.size), dtype=np.int16)
            for rows, part, index in zip(self.strata, lists, at, strict=True):
                block[:, rows] = part[index]
            yield block


def assignments(labels: ArrayLike, *, strata: ArrayLike | None = None, draws: int, seed: int) -> Assignments:
    """Reassign labels among the units of a stratum: treatment, or entry dates with their counts fixed.

    All assignments are listed where there are at most ``draws`` of them; otherwise ``draws`` are sampled.

    Parameters
    ----------
    labels : array (n,)
        One label per unit: 0 / 1, or the period of entry (a code for never).
    strata : array (n,), optional
        Units change labels only within a stratum.
    draws : int
    seed : int

    Raises
    ------
    DesignError
        Shapes that do not match, fewer than one draw, or no other assignment than the observed one.

    Examples
    --------
    >>> made = assignments([1, 1, 0, 0, 0], draws=999, seed=1)
    >>> made.exact, made.n_possible, sum(len(block) for block in made.blocks())
    (True, 10, 10)
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.size < 2:
        raise DesignError(f"labels must be (n,) with at least two units, found {labels.shape}")
    if draws < 1:
        raise DesignError(f"a permutation test needs at least one draw, found {draws}")
    levels, codes = np.unique(labels, return_inverse=True)
    groups = _strata(strata, labels.size)
    possible = math.prod(_multinomial(codes[rows]) for rows in groups)
    if possible < 2:
        raise DesignError(
            "no unit can change its label: all labels are equal, or each stratum holds one label only; use "
            "fewer strata"
        )
    exact = possible <= draws
    return Assignments(
        levels=levels,
        observed=codes.astype(np.int16),
        n_possible=possible,
        exact=exact,
        n_draws=possible if exact else draws,
        strata=groups,
        seed=seed,
    )


def require_attainable(made: Assignments, alpha: float, *, twins: bool = False) -> None:
    """Refuse a test that could not reach ``alpha`` whatever the data.

    ``twins`` says that every assignment has a mirror image with the same two-sided statistic.
    """
    smallest = made.smallest_p * (2 if twins and made.exact else 1)
    if smallest > alpha:
        count = f"{made.n_possible} assignments" if made.exact else f"{made.n_draws} draws"
        raise DesignError(
            f"{count} give p no smaller than {smallest:.3g}, above {alpha:g}: no data could be significant; "
            "use fewer strata, more draws, or CR2 with Bell-McCaffrey degrees of freedom"
        )


def quantile_strata(values: ArrayLike, *, groups: int = 3) -> np.ndarray:
    """Strata of about equal size by a unit's value (tertiles of list size), as codes from 0.

    Examples
    --------
    >>> quantile_strata([5100, 900, 3000, 2500, 4100, 1200]).tolist()
    [2, 0, 1, 1, 2, 0]
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or groups < 1 or values.size < groups:
        raise DesignError(f"{values.size} units cannot form {groups} strata")
    if not np.all(np.isfinite(values)):
        raise DesignError(f"{int(np.sum(~np.isfinite(values)))} values that set the strata are not finite")
    cuts = np.quantile(values, np.arange(1, groups) / groups)
    return np.searchsorted(cuts, values, side="left")


def _arrangements(codes: np.ndarray) -> np.ndarray:
    """All different orders of the labels of one stratum, ``(number, n)``."""
    first, rest = codes.min(), codes[codes != codes.min()]
    n, c = codes.size, codes.size - rest.size
    if rest.size == 0:
        return np.full((1, n), first, dtype=np.int16)
    chosen = np.array(list(itertools.combinations(range(n), c)))
    free = np.ones((chosen.shape[0], n), dtype=bool)
    np.put_along_axis(free, chosen, False, axis=1)
    places = np.nonzero(free)[1].reshape(chosen.shape[0], rest.size)
    inner = _arrangements(rest)
    out = np.full((chosen.shape[0], inner.shape[0], n), first, dtype=np.int16)
    for column in range(rest.size):
        out[np.arange(chosen.shape[0])[:, None], np.arange(inner.shape[0]), places[:, [column]]] = inner[
            :, column
        ]
    return out.reshape(-1, n)


def _multinomial(codes: np.ndarray) -> int:
    counts = np.bincount(codes)
    return math.factorial(codes.size) // math.prod(math.factorial(int(count)) for count in counts)


def _strata(strata: ArrayLike | None, n: int) -> tuple[np.ndarray, ...]:
    if strata is None:
        return (np.arange(n),)
    strata = np.asarray(strata)
    if strata.shape != (n,):
        raise DesignError(f"strata must be ({n},), found {strata.shape}")
    if strata.dtype.kind == "f" and not np.all(np.isfinite(strata)):
        raise DesignError(f"{int(np.sum(~np.isfinite(strata)))} units have no stratum")
    _, codes = np.unique(strata, return_inverse=True)
    return tuple(np.flatnonzero(codes == code) for code in range(codes.max() + 1))
