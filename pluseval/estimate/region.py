"""One treated region against donors: its change minus theirs, with placebo regions as the inference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.placebo_blocks import WORDS, PlaceboDistribution, Placebos, donor_sizes
from pluseval.estimate.result import Cell, Counts, Estimand, Estimate
from pluseval.numerics.blocks import Partitions
from pluseval.numerics.synthdid import synthetic_did

_METHODS = {"did": "difference in differences", "sdid": "synthetic difference in differences"}


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
        From :func:`pluseval.estimate.placebo_blocks.contiguous_blocks`; others are for comparison.
    method : {"did", "sdid"}
    scale : {"difference", "ratio"}
        ``ratio``: on log rates, so that a factor common to region and donors cancels (but for the penalty of
        ``sdid``, which follows the spread of the raw changes, as in R).
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
    """Sums of the pooled region (T,) and of each donor (N, T); ``n_pre`` columns are the years before."""

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


def _large(
    frame: AnalysisFrame, names: tuple[str, ...], period: int | None, min_exposure: float
) -> np.ndarray:
    if min_exposure <= 0:
        return np.ones(len(names), bool)
    if period is None:
        raise DesignError("min_exposure needs size_period, the year whose exposure is meant")
    donors, size, _ = donor_sizes(frame, period)
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
    words = WORDS[inference.kind]
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
        counts=Counts(cells=_cells(frame, panel, windows), of="municipalities"),
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
