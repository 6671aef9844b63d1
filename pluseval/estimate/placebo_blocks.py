"""One treated region against donors, with placebo regions as the inference.

One region was treated, so no sampling of regions says how sure one may be. The question asked instead: how
often does a region of the same size, where nothing happened, show a change as large? The placebo regions are
groups of donors. Contiguous blocks share hospitals and shocks within, as the treated region does; scattered
sets and single donors do not, and are offered only to show what they would have said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.result import Cell, Counts, Estimand, Estimate
from pluseval.numerics.blocks import Partitions, random_partitions
from pluseval.numerics.synthdid import synthetic_did

Kind = Literal["blocks", "scattered", "single"]
_WORDS = {
    "blocks": "contiguous placebo blocks of the region's size",
    "scattered": "scattered sets of donors of the region's size (too optimistic: no shared shocks within)",
    "single": "single-donor placebos (not of the region's kind)",
}
_METHODS = {"did": "difference in differences", "sdid": "synthetic difference in differences"}
_SCATTER = 0x5CA77E2  # keeps the draws of scattered sets apart from those of blocks under one seed


@dataclass(frozen=True)
class Placebos:
    """Groups of donors that stand in for the treated region: the inference of :func:`region_did`.

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
        if self.kind not in _WORDS:
            raise DesignError(f"Placebos.kind is {self.kind!r}; use one of {', '.join(_WORDS)}")
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
    names, size, target = _sizes(frame, size_period)
    drawn = random_partitions(
        neighbours(names), size, target=target, tolerance=tolerance, partitions=partitions, seed=seed
    )
    return Placebos(names=names, partitions=drawn, kind="blocks", seed=seed)


def scattered_sets(
    frame: AnalysisFrame, *, size_period: int, partitions: int, seed: int, tolerance: float = 0.2
) -> Placebos:
    """Random sets of donors from anywhere, of about the treated region's exposure: too optimistic, for comparison."""
    names, size, target = _sizes(frame, size_period)
    everywhere = range(size.size)
    anywhere = [tuple(j for j in everywhere if j != i) for i in everywhere]
    drawn = random_partitions(
        anywhere, size, target=target, tolerance=tolerance, partitions=partitions, seed=seed ^ _SCATTER
    )
    return Placebos(names=names, partitions=drawn, kind="scattered", seed=seed)


def single_donors(frame: AnalysisFrame, *, size_period: int, min_exposure: float = 0.0) -> Placebos:
    """Every donor of at least ``min_exposure`` as a placebo by itself, for comparison."""
    names, size, target = _sizes(frame, size_period)
    groups = tuple(np.array([k]) for k in np.flatnonzero(size >= min_exposure))
    if not groups:
        raise DesignError(f"no donor has an exposure of {min_exposure:,.0f} or more in {size_period}")
    partitions = Partitions(blocks=(groups,), target=target, tolerance=math.nan, n_units=size.size)
    return Placebos(names=names, partitions=partitions, kind="single")


def region_did(
    frame: AnalysisFrame,
    *,
    windows: tuple[tuple[int, int], tuple[int, int]],
    inference: Placebos,
    method: Literal["did", "sdid"] = "did",
    scale: Literal["difference", "ratio"] = "difference",
    size_period: int | None = None,
    min_exposure: float = 0.0,
    level: float = 0.95,
    term: str | None = None,
) -> Estimate:
    """The change of one treated region minus that of its donors, with placebo regions as the inference.

    Assumption: without treatment the region would have changed as the donors did (``did``: all donors pooled;
    ``sdid``: the weighted donors, from the weighted earlier years). The p-value and the interval assume that
    the region's change and the placebos' are exchangeable; the interval inverts the same test under a
    constant additive effect (multiplicative for ``ratio``).

    Parameters
    ----------
    frame : AnalysisFrame
        The region's clusters have an entry, the donors none; every cluster has every period of the windows.
    windows : ((first, last), (first, last))
        Years before and after; years between are left out. Every year weighs the same.
    inference : Placebos
        From :func:`contiguous_blocks`; others are for comparison.
    method : {"did", "sdid"}
    scale : {"difference", "ratio"}
        ``ratio``: on log rates, which is the ratio to the nation, as a common factor cancels.
    size_period, min_exposure
        For ``sdid``: donors have at least ``min_exposure`` in ``size_period``.
    level : float
    term : str, optional

    Returns
    -------
    Estimate
        ``std_error`` is the root mean square of the placebo effects (log scale for a ratio), ``statistic``
        the effect divided by it, ``n_clusters`` the mean number of placebo groups in a partition.

    Raises
    ------
    DesignError
        No treated cluster or donor, a missing cluster-period, or rates that are not positive on the ratio
        scale.

    References
    ----------
    Arkhangelsky et al. (2021), American Economic Review 111(12), doi:10.1257/aer.20190159 (``synthdid``);
    placebo inference as Abadie, Diamond and Hainmueller (2010), doi:10.1198/jasa.2009.ap08746, with blocks
    for single donors.
    """
    if method not in _METHODS or scale not in ("difference", "ratio"):
        raise DesignError(
            f"region_did: method {method!r} and scale {scale!r}; use did or sdid, difference or ratio"
        )
    panel = _Panel.of(frame, windows, names=inference.names)
    logs = scale == "ratio"
    if method == "did":
        effect, placebo = panel.did(inference.partitions, logs=logs)
    else:
        donors = _large(frame, panel.names, size_period, min_exposure)
        effect, placebo = panel.sdid(inference.partitions, donors=donors, logs=logs)
    distribution = PlaceboDistribution(effects=placebo, partition=inference.partitions.partition_of)
    return _conclude(
        frame,
        panel,
        effect,
        distribution,
        inference,
        windows=windows,
        method=method,
        logs=logs,
        level=level,
        term=term,
    )


def region_placebos(
    frame: AnalysisFrame,
    *,
    windows: tuple[tuple[int, int], tuple[int, int]],
    inference: Placebos,
    scale: Literal["difference", "ratio"] = "difference",
) -> PlaceboDistribution:
    """The difference-in-differences effects of the placebo regions alone (logs for a ratio)."""
    panel = _Panel.of(frame, windows, names=inference.names)
    _, placebo = panel.did(inference.partitions, logs=scale == "ratio")
    return PlaceboDistribution(effects=placebo, partition=inference.partitions.partition_of)


@dataclass(frozen=True)
class _Panel:
    """Sums of the pooled region (T,) and of each donor (N, T); the first ``n_pre`` columns are the years before."""

    region: tuple[np.ndarray, np.ndarray]
    donors: tuple[np.ndarray, np.ndarray]
    names: tuple[str, ...]
    n_region: int
    n_pre: int
    per: float

    @classmethod
    def of(cls, frame: AnalysisFrame, windows: tuple, *, names: tuple[str, ...]) -> _Panel:
        (a, b), (c, d) = windows
        if not a <= b < c <= d:
            raise DesignError(
                f"windows {windows} must be two spans of years, the earlier first, not overlapping"
            )
        cells = frame.cells
        years = [y for y in frame.periods if a <= y <= b or c <= y <= d]
        wanted = [*range(a, b + 1), *range(c, d + 1)]
        if years != wanted:
            raise DesignError(f"the windows need the years {wanted}, the frame has {years}")
        treated = frame.treated
        region = list(treated.index[treated])
        sums = [cells.pivot(index="cluster", columns="period", values=v) for v in ("numerator", "exposure")]
        if not region or not set(names) <= set(treated.index[~treated]):
            raise DesignError("region_did needs a treated region, and placebos made of this frame's donors")
        whole = [s.loc[[*region, *names], wanted] for s in sums]
        absent = int(whole[0].isna().to_numpy().sum())
        if absent:
            raise DesignError(
                f"{absent} cluster-years are missing in the windows; keep places that have every year"
            )
        n = len(region)
        top, base = (w.to_numpy(float) for w in whole)
        return cls(
            region=(top[:n].sum(axis=0), base[:n].sum(axis=0)),
            donors=(top[n:], base[n:]),
            names=tuple(names),
            n_region=n,
            n_pre=b - a + 1,
            per=frame.measure.per,
        )

    def rate(self, top: np.ndarray, base: np.ndarray, logs: bool) -> np.ndarray:
        rates = self.per * top / base
        if logs and (rates <= 0).any():
            raise DesignError("the ratio scale needs positive rates; use scale='difference'")
        return np.log(rates) if logs else rates

    def did(self, partitions: Partitions, *, logs: bool) -> tuple[float, np.ndarray]:
        top, base = self.donors
        all_top, all_base = top.sum(axis=0), base.sum(axis=0)
        groups = partitions.membership()
        group_top, group_base = groups @ top, groups @ base
        return (
            float(self._change(self.rate(*self.region, logs) - self.rate(all_top, all_base, logs))),
            self._change(
                self.rate(group_top, group_base, logs)
                - self.rate(all_top - group_top, all_base - group_base, logs)
            ),
        )

    def sdid(self, partitions: Partitions, *, donors: np.ndarray, logs: bool) -> tuple[float, np.ndarray]:
        rows = self.rate(*self.donors, logs)
        region = self.rate(*self.region, logs)
        groups, back = np.unique(partitions.membership() > 0, axis=0, return_inverse=True)
        pooled = self.rate(groups @ self.donors[0], groups @ self.donors[1], logs)
        found = np.array(
            [self._sdid(rows[donors & ~group], own) for group, own in zip(groups, pooled, strict=True)]
        )
        return self._sdid(rows[donors], region), found[back.ravel()]

    def _sdid(self, controls: np.ndarray, own: np.ndarray) -> float:
        stacked = np.vstack([controls, own])
        return synthetic_did(stacked, n_control=len(controls), n_pre=self.n_pre).estimate

    def _change(self, gap: np.ndarray) -> np.ndarray:
        return gap[..., self.n_pre :].mean(axis=-1) - gap[..., : self.n_pre].mean(axis=-1)


def _sizes(frame: AnalysisFrame, period: int) -> tuple[tuple[str, ...], np.ndarray, float]:
    cells = frame.cells
    exposure = cells[cells["period"] == period].set_index("cluster")["exposure"]
    treated = frame.treated
    if exposure.empty or not treated.any() or treated.all():
        raise DesignError(
            f"placebos need a treated region, donors, and the size period {period} in the frame"
        )
    donors = exposure[~treated.reindex(exposure.index)].sort_index()
    return tuple(donors.index), donors.to_numpy(float), float(exposure[treated.reindex(exposure.index)].sum())


def _large(
    frame: AnalysisFrame, names: tuple[str, ...], period: int | None, min_exposure: float
) -> np.ndarray:
    if min_exposure <= 0:
        return np.ones(len(names), bool)
    if period is None:
        raise DesignError("min_exposure needs size_period, the year whose exposure is meant")
    donors, size, _ = _sizes(frame, period)
    large = pd.Series(size >= min_exposure, index=donors).reindex(names).to_numpy(bool)
    if large.sum() < 2:
        raise DesignError(
            f"{large.sum()} donors have an exposure of {min_exposure:,.0f} or more; 2 are needed"
        )
    return large


def _conclude(
    frame: AnalysisFrame,
    panel: _Panel,
    effect: float,
    distribution: PlaceboDistribution,
    inference: Placebos,
    *,
    windows: tuple,
    method: str,
    logs: bool,
    level: float,
    term: str | None,
) -> Estimate:
    out = math.exp if logs else float

    def interval(at: float) -> tuple[float, float]:
        half = distribution.half_width(at)
        return (0.0 if logs and math.isinf(half) else out(effect - half)), out(effect + half)

    def test(value: float) -> float:
        if logs and value <= 0:
            raise DesignError("a ratio is tested at a positive value")
        return distribution.p_value(effect - (math.log(value) if logs else value))

    low, high = interval(level)
    p_each = distribution.p_values(effect)
    groups, partitions = float(distribution.counts.mean()), distribution.counts.size
    words = _WORDS[inference.kind]
    convention = (
        f"rank among {words}: {partitions} random partitions of about {groups:.0f}, p averaged over them"
    )
    if partitions == 1:
        convention = f"rank among {groups:.0f} {words}"
    notes = (
        f"smallest p-value possible {1 / (1 + groups):.3f}; over the partitions p runs from "
        f"{p_each.min():.3f} to {p_each.max():.3f}, median {np.median(p_each):.3f}",
        "the interval inverts the same test under a constant effect; region and placebos are taken as "
        "exchangeable",
    )
    (a, b), (c, d) = windows
    return Estimate(
        term=term or _METHODS[method],
        estimate=out(effect),
        std_error=distribution.scale,
        statistic=effect / distribution.scale if distribution.scale > 0 else math.nan,
        df=math.nan,
        p_value=distribution.p_value(effect),
        conf_low=low,
        conf_high=high,
        measure=frame.measure,
        estimand=_sheet(frame, panel, windows, method, logs),
        counts=Counts(cells=_cells(frame, panel, windows)),
        source=frame.source,
        method=_METHODS[method],
        inference=convention,
        nobs=(panel.n_region + len(panel.names)) * (b - a + d - c + 2),
        n_clusters=round(groups),
        scale="ratio" if logs else "difference",
        level=level,
        notes=notes,
        losses=frame.losses,
        interval=interval,
        test=test,
    )


def _sheet(frame: AnalysisFrame, panel: _Panel, windows: tuple, method: str, logs: bool) -> Estimand:
    (a, b), (c, d) = windows
    against = "donors pooled" if method == "did" else "weighted donors, weighted earlier years"
    return Estimand(
        population=frame.population,
        unit="region and year",
        weight="within a region every insured-year, over years every year alike",
        contrast=f"change from {a}-{b} to {c}-{d}, region of {panel.n_region} places minus {against}",
        scale="ratio" if logs else "difference",
        assumption=(
            "without treatment the region would have changed as its donors did, on "
            f"{'the ratio' if logs else 'the additive'} scale; its change and the placebos' are exchangeable"
        ),
    )


def _cells(frame: AnalysisFrame, panel: _Panel, windows: tuple) -> tuple[Cell, ...]:
    cells = []
    treated = frame.treated
    names = {"programme": list(treated.index[treated]), "comparison": list(panel.names)}
    rows = frame.cells
    for group, members in names.items():
        persons = rows[rows["cluster"].isin(members)].groupby("period")["persons"].sum()
        for first, last in windows:
            smallest = int(persons.loc[first:last].min())
            cells.append(Cell(group, f"{first}-{last}", persons=smallest, practices=len(members)))
    return tuple(cells)
