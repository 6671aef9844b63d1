"""What a design could find: the minimal detectable effect, from data in which there is no effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.data.source import Source
from pluseval.errors import DesignError
from pluseval.estimate.collapse import (
    Average,
    Collapsed,
    Window,
    collapse,
    covariates,
    practice_numbers,
    two_windows,
)
from pluseval.estimate.conclude import require_inference
from pluseval.estimate.did import change_contrast
from pluseval.estimate.inference import Inference
from pluseval.estimate.problem import Contrast, OneSample
from pluseval.estimate.require import is_number, require_draws, require_seed
from pluseval.estimate.single_arm import programme_only

Using = Literal["before", "comparison"]
Design = Literal["did", "single_arm"]


@dataclass(frozen=True)
class DetectableEffect:
    """The smallest constant effect that a procedure finds with the power asked for.

    Attributes
    ----------
    effect : float
        In the difference unit of ``measure``; found with its own sign, a rise and a fall taken together.
    effect_mcse : float
        Monte Carlo error of the draws; the data themselves are one sample, which it does not count.
    mean_level : float
        Mean practice value in the first window, for the effect as a share of it.
    size : float
        Share of the placebo assignments in which the procedure finds an effect where there is none.
    power, alpha : float
    using, windows : str
        Whose data, and the change between which windows.
    programme, comparison : int
        Practices of each placebo assignment (0 comparison practices for a single arm).
    draws : int
    inference : str
        The procedure in words.
    measure, source
    """

    effect: float
    effect_mcse: float
    mean_level: float
    size: float
    power: float
    alpha: float
    using: Using
    windows: str
    programme: int
    comparison: int
    draws: int
    inference: str
    measure: Measure
    source: Source

    @property
    def relative(self) -> float:
        """The effect as a share of the mean level."""
        return self.effect / abs(self.mean_level)

    def __str__(self) -> str:
        mark = f" [{self.source.label}]" if self.source.label else ""
        return (
            f"{self.measure.label} {self.windows}: {self.effect:.{self.measure.decimals}f} "
            f"{self.measure.difference_unit} can be found with power {self.power:.0%} "
            f"({self.draws} placebo assignments; {self.inference}){mark}"
        )


def minimal_detectable_effect(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    draws: int,
    seed: int,
    using: Using = "before",
    periods: Sequence[int] | None = None,
    windows: Sequence[Sequence[int]] | None = None,
    design: Design = "did",
    adjust: Sequence[str] = (),
    average: Average = "ratio_of_sums",
    match: str | None = "list_size",
    nearest: int = 10,
    power: float = 0.8,
    alpha: float = 0.05,
) -> DetectableEffect:
    """The smallest effect that ``inference`` would find, by placebo assignments matched on size.

    Practices without an effect are called programme practices, as many as there are and of like size, and
    the procedure is run on their changes as they are. An effect that is the same in all of them only moves
    its interval, so that the intervals of the placebo assignments hold the power at every effect. The power
    is the mean of that for a rise and for a fall of the same size; the test is the two-sided one of level
    ``alpha``. The observed effect takes no part.

    Parameters
    ----------
    frame : AnalysisFrame
    inference : Inference
        The procedure of the analysis, as ``Permutation(...)`` or ``ClusterRobust("CR2")``.
    draws : int
        Placebo assignments, at least 100.
    seed : int
    using : {"before", "comparison"}
        All practices in periods before the first start; or comparison practices only, in any period.
        Without programme practices a placebo assignment has fewer comparison practices than the study,
        which makes the effect found a little too large.
    periods, windows, average, adjust
        As in :func:`~pluseval.estimate.did.did`.
    design : {"did", "single_arm"}
        For a single arm placebo changes are drawn with replacement, about the mean of those of like size.
    match : str, optional
        Practice column on which placebo practices are matched; None to match on nothing.
    nearest : int
        Each programme practice gives its place to one of so many practices nearest to it in ``match``.
    power, alpha : float

    Returns
    -------
    DetectableEffect

    Raises
    ------
    ConditionedError
        The study was drawn to return published figures.
    DesignError
        No period before the first start, too few practices without an effect, or intervals without an end at
        this ``alpha``.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.estimate.inference import OLS
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"practice": np.tile(np.arange(40), 2), "year": np.repeat([2014, 2015], 40),
    ...                      "entry": np.tile(np.where(np.arange(40) < 10, 2016.0, np.nan), 2),
    ...                      "cost": 1700 + 100 * rng.standard_normal(80)})
    >>> cost = Measure("cost", "cost", "kosten", "EUR", "EUR", "EUR", "EUR", "lower", decimals=0)
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="cost", entry="entry",
    ...                                   measure=cost)
    >>> found = minimal_detectable_effect(frame, inference=OLS(), draws=200, seed=1, match=None)
    >>> 100 < found.effect < 200, found.programme, found.comparison
    (True, 10, 30)
    """
    require_inference(inference, "minimal_detectable_effect")
    frame.source.refuse_conditioned("A minimal detectable effect")
    require_seed(seed, "minimal_detectable_effect")
    _check(draws, power, alpha, using, design, nearest)
    pool = _pool(frame, using, design)
    before, after = two_windows(pool, periods, windows, asked_by="minimal_detectable_effect")
    collapsed, Z, names = covariates(collapse(pool, (before, after), average=average), adjust)
    neighbours = _neighbours(frame, collapsed, match)
    within = nearest if match else 0
    rng = np.random.default_rng(seed)
    problems: Iterator[Contrast] | Iterator[OneSample]
    if design == "did":
        problems = _placebos(collapsed, Z, names, neighbours, within, draws, rng)
    else:
        if names:
            raise DesignError("minimal_detectable_effect: a single arm takes no adjust")
        problems = _resampled(collapsed, neighbours, within, draws, rng)
    found = [inference.infer(problem, 1 - alpha) for problem in problems]
    low, high = np.array([(each.conf_low, each.conf_high) for each in found]).T
    effect, error = _smallest(low, high, power)
    programme = len(neighbours)
    return DetectableEffect(
        effect=effect,
        effect_mcse=error,
        mean_level=float(collapsed.values[:, 0].mean()),
        size=float(np.mean((low > 0) | (high < 0))),
        power=power,
        alpha=alpha,
        using=using,
        windows=_words(before, after),
        programme=programme,
        comparison=collapsed.clusters.size - programme if design == "did" else 0,
        draws=draws,
        inference=found[0].convention,
        measure=frame.measure,
        source=frame.source,
    )


def _check(draws: int, power: float, alpha: float, using: str, design: str, nearest: int) -> None:
    require_draws(draws, "minimal_detectable_effect")
    if draws < 100:
        raise DesignError(f"minimal_detectable_effect: draws is {draws!r}; at least 100 placebo assignments")
    if not (is_number(alpha) and is_number(power) and 0 < alpha < power < 1):
        raise DesignError(f"power must lie between alpha and 1, found power {power!r} and alpha {alpha!r}")
    if nearest < 3:
        raise DesignError(f"nearest is {nearest}; at least 3 practices of like size to choose from")
    if using not in ("before", "comparison"):
        raise DesignError(f"using is {using!r}; use 'before' (the first start) or 'comparison' (practices)")
    if design not in ("did", "single_arm"):
        raise DesignError(f"design is {design!r}; use 'did' or 'single_arm'")


def _pool(frame: AnalysisFrame, using: str, design: str) -> AnalysisFrame:
    """The practices and periods in which there can be no effect."""
    treated = frame.treated
    if not treated.any():
        raise DesignError(
            "no practice of the frame ever joined, so there is no group whose size to match; check entry"
        )
    if using == "comparison":
        if treated.all():
            raise DesignError("the frame has no comparison practices; use using='before'")
        return frame.keep_clusters(list(treated.index[~treated]))
    first = float(frame.cells["entry"].min())
    early = [period for period in frame.periods if period < first]
    if len(early) < 2:
        raise DesignError(
            f"{len(early)} period lies before the first start ({first:g}) and a change needs two; use "
            "using='comparison'"
        )
    pool = frame.between(early[0], early[-1])
    return pool if design == "did" else programme_only(pool)


def _neighbours(frame: AnalysisFrame, collapsed: Collapsed, match: str | None) -> list[np.ndarray]:
    """For each programme practice the places of the pool's practices, nearest in size first."""
    treated = frame.treated
    everyone = collapsed.clusters.size
    if match is None:
        return [np.arange(everyone)] * int(treated.sum())
    if match not in frame.practices.columns:
        raise DesignError(
            f"match={match!r}: the frame has no such practice column; add it with frame.with_practices, or "
            "use match=None"
        )
    values = practice_numbers(frame.practices[match].reindex(treated.index).to_numpy(), f"match={match!r}")
    sizes = pd.Series(values, index=treated.index)
    bad = int((~(np.isfinite(sizes) & (sizes > 0))).sum())
    if bad:
        raise DesignError(f"match={match!r}: {bad} practices have no finite value above 0; use match=None")
    logs = np.log(sizes)
    pool = logs.loc[collapsed.clusters].to_numpy()
    return [np.argsort(np.abs(pool - own), kind="stable") for own in logs[treated]]


def _placebos(
    collapsed: Collapsed,
    Z: np.ndarray,
    names: tuple[str, ...],
    neighbours: list[np.ndarray],
    nearest: int,
    draws: int,
    rng: np.random.Generator,
) -> Iterator[Contrast]:
    """Contrasts under placebo assignments: each programme practice gives its place to one of its size."""
    G = collapsed.clusters.size
    if G - len(neighbours) < 2:
        raise DesignError(
            f"{G} practices without an effect cannot hold {len(neighbours)} placebo programme practices and "
            "two others; use using='before'"
        )
    for _ in range(draws):
        treated = np.zeros(G, dtype=bool)
        for place in rng.permutation(len(neighbours)):
            order = neighbours[place]
            free = order[~treated[order]]
            treated[rng.choice(free[: nearest or free.size])] = True
        yield change_contrast(replace(collapsed, treated=treated), Z, names)


def _resampled(
    collapsed: Collapsed,
    neighbours: list[np.ndarray],
    nearest: int,
    draws: int,
    rng: np.random.Generator,
) -> Iterator[OneSample]:
    """Changes of a single arm of the programme's size, with replacement, about the mean of their size."""
    change = collapsed.values[:, 1] - collapsed.values[:, 0]
    k = min(nearest or change.size, change.size)
    if k < 3:
        raise DesignError(f"{k} practices without an effect are too few to resample; use other data")
    # without replacement a sample of most of the pool would vary too little; resampled values of k vary
    # (k - 1) / k as much as the practices do
    values = np.stack([change[order[:k]] for order in neighbours])
    values = (values - values.mean(axis=1, keepdims=True)) * np.sqrt(k / (k - 1))
    for _ in range(draws):
        yield OneSample(values[np.arange(len(neighbours)), rng.integers(0, k, len(neighbours))])


def _smallest(low: np.ndarray, high: np.ndarray, power: float) -> tuple[float, float]:
    """The effect found on its own side in a share ``power`` of the draws, up and down alike, with its error.

    With effect x an interval is (low + x, high + x), above 0 once x exceeds -low; with -x it is below 0 once
    x exceeds high.
    """
    reach = np.sort(np.concatenate([-low, high]))
    effect = reach[int(np.ceil(power * reach.size)) - 1]
    if not np.isfinite(effect):
        raise DesignError(
            f"no effect is found in {power:.0%} of the placebo assignments: intervals have no end; the "
            "procedure cannot reach this alpha here"
        )
    off = np.sqrt(power * (1 - power) / low.size)
    low_end, high_end = np.quantile(reach, [max(power - off, 0.0), min(power + off, 1.0)])
    return float(max(effect, 0.0)), float(high_end - low_end) / 2


def _words(before: Window, after: Window) -> str:
    return f"{before} -> {after}"
