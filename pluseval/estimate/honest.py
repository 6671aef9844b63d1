"""How far parallel trends may fail before the conclusion does: honest bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Window
from pluseval.estimate.conclude import Subject, conclude, require_level
from pluseval.estimate.did import did_estimand
from pluseval.estimate.event_coefficients import EventCoefficients, event_coefficients
from pluseval.estimate.inference import Inferred
from pluseval.estimate.require import as_pair, is_number, require_seed
from pluseval.estimate.result import Estimate, EstimateSet
from pluseval.numerics.honest import relative_magnitudes
from pluseval.numerics.honest_smoothness import smoothness_interval


def honest_did(
    frame: AnalysisFrame,
    *,
    seed: int,
    target: tuple[int, int] | None = None,
    relative: Sequence[float] = (0.0, 0.5, 1.0, 2.0),
    smooth: Sequence[float] = (),
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """Intervals for the effect that hold when the groups would not have run quite parallel.

    Estimand: the mean over the target years of the change since the last year before the start. Each interval
    holds if the difference in trends from year to year after the start is at most so many times the largest
    one before it (``relative``), or if its slope changes by at most so much per year (``smooth``; 0 takes the
    difference in trends to go on in a straight line).

    Parameters
    ----------
    frame : AnalysisFrame
        Periods one apart, two or more of them before the start.
    seed : int
        Of the simulated critical values.
    target : (first, last), optional
        Years after the start; all of them by default. Years of transition stay in, without weight.
    relative, smooth : sequences of float
        ``smooth`` in the unit of a difference, per period per period.
    level : float
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        One estimate per bound; the covariance is that of practice-level changes (each group its own, no
        strata) and taken as known, critical values are normal: with few programme practices the intervals
        are a little too narrow. No p-values: the intervals are the result.

    Raises
    ------
    DesignError
        Periods with gaps, fewer than two before the start, a target without years, or negative bounds.

    References
    ----------
    Rambachan and Roth (2023), doi:10.1093/restud/rdad018. Equals R's
    ``HonestDiD::createSensitivityResults_relativeMagnitudes`` and, for ``smooth``,
    ``createSensitivityResults(method = "FLCI")`` for these coefficients.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"practice": np.repeat(np.arange(40), 5),
    ...                      "year": np.tile(np.arange(2013, 2018), 40)})
    >>> data["entry"] = np.where(data["practice"] < 15, 2016, 0)
    >>> data["pct"] = rng.normal(30, 1, 200) - 5 * ((data["practice"] < 15) & (data["year"] >= 2016))
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct)
    >>> found = honest_did(frame, seed=1, relative=[0, 1])
    >>> [bool(e.conf_high < 0) for e in found]
    [True, True]
    """
    require_level(level, "honest_did")
    require_seed(seed, "honest_did")
    if not len(relative) + len(smooth):
        raise DesignError("honest_did: give a bound in relative or in smooth")
    if not all(is_number(b) and 0 <= b < math.inf for b in (*relative, *smooth)):
        raise DesignError("honest_did: bounds in relative and smooth are numbers of 0 or more, as (0.5, 1.0)")
    events = event_coefficients(frame, asked_by="honest_did")
    every = np.sort(np.append(events.periods, events.reference))
    if np.any(np.diff(every) != 1):
        raise DesignError(
            f"honest_did: periods must be one apart, found {', '.join(f'{p:g}' for p in every)}"
        )
    later = events.periods[events.n_pre :]
    window = Window(int(later[0]), int(later[-1]))
    if target is not None:
        window = Window(*as_pair(target, "honest_did: target"))
    chosen = (later >= window.first) & (later <= window.last)
    if not chosen.any():
        raise DesignError(f"honest_did: no period after the start in {window}")
    weights = chosen / chosen.sum()
    bounds = [_Bounds(events, weights, float(b), "relative", seed) for b in relative]
    bounds += [_Bounds(events, weights, float(b), "smooth", seed) for b in smooth]
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.honest",
        title=f"{label}: change since {events.reference}, if trends would not have been parallel",
        title_nl=f"{label_nl}: verandering sinds {events.reference}, als trends niet parallel waren",
        estimates=tuple(_estimate(frame, one, window, level) for one in bounds),
    )


@dataclass(frozen=True)
class _Bounds:
    """An interval under one bound on the violation, at any level."""

    events: EventCoefficients
    weights: np.ndarray
    bound: float
    kind: str
    seed: int

    @property
    def estimate(self) -> float:
        return float(self.weights @ self.events.coef[self.events.n_pre :])

    @property
    def std_error(self) -> float:
        later = self.events.cov[self.events.n_pre :, self.events.n_pre :]
        return float(np.sqrt(self.weights @ later @ self.weights))

    def interval(self, level: float) -> tuple[float, float]:
        shared: dict[str, Any] = {"n_pre": self.events.n_pre, "weights": self.weights, "level": level}
        if self.kind == "smooth":
            found = smoothness_interval(self.events.coef, self.events.cov, m=self.bound, **shared)
            return found.low, found.high
        reached = relative_magnitudes(
            self.events.coef, self.events.cov, mbar=self.bound, seed=self.seed, **shared
        )
        return reached.low, reached.high

    @property
    def term(self) -> str:
        if self.kind == "smooth":
            return f"slope changes at most {self.bound:g} a period"
        return f"violation at most {self.bound:g} x the largest before"

    @property
    def convention(self) -> str:
        if self.kind == "smooth":
            return f"honest interval, smoothness M = {self.bound:g}, fixed length"
        return f"honest interval, relative magnitudes Mbar = {self.bound:g}, hybrid test (C-LF)"


def _estimate(frame: AnalysisFrame, one: _Bounds, window: Window, level: float) -> Estimate:
    low, high = one.interval(level)
    empty = math.isnan(low)
    inferred = Inferred(
        estimate=one.estimate,
        std_error=one.std_error,
        statistic=math.nan,
        df=math.nan,
        p_value=math.nan,
        conf_low=low,
        conf_high=high,
        convention=one.convention,
        interval=one.interval,
        test=_no_test,
        notes=("no value is compatible with the bound: the test rejects all",) if empty else (),
    )
    reference = Window(one.events.reference, one.events.reference)
    sheet = did_estimand(frame, reference, window, "every practice counts equally; mean over the years", ())
    subject = Subject(
        frame=frame,
        term=one.term,
        estimand=replace(sheet, assumption=f"difference in trends: {one.term}"),
        method="honest difference in differences (Rambachan and Roth)",
        clusters=one.events.collapsed.clusters,
        windows=(reference, window),
        nobs=one.events.collapsed.clusters.size,
        losses=one.events.collapsed.losses,
    )
    return conclude(subject, inferred, level=level)


def _no_test(_: float) -> float:
    raise DesignError("an honest interval comes without a p-value; ask whether it holds the value")
