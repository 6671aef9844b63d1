"""How much effects differ between practices, and what to expect in a further one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import collapse, two_windows
from pluseval.estimate.conclude import Subject, conclude, require_level, weight_words
from pluseval.estimate.did import did, did_estimand
from pluseval.estimate.inference import Inferred, Welch
from pluseval.estimate.problem import require_groups
from pluseval.estimate.result import Estimate, EstimateSet


def effect_heterogeneity(
    frame: AnalysisFrame,
    *,
    periods: Sequence[int] | None = None,
    windows: Sequence[Sequence[int]] | None = None,
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The mean effect, the standard deviation of effects between practices, and a prediction interval.

    Estimand: the spread of the effects themselves, if without the programme the changes of programme
    practices would have varied as much as those of comparison practices do (smaller practices vary more by
    chance: where programme practices are larger, the spread is understated). What programme practices vary
    more than comparison practices is then the variance of effects. The prediction interval is for the effect
    in one further practice of the kind that joined: what works in practice A need not work in B.

    Parameters
    ----------
    frame : AnalysisFrame
    periods, windows
        As for :func:`pluseval.estimate.did.did`.
    level : float
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        ``mean effect`` (Welch), ``standard deviation of effects`` (interval by MOVER from the chi-squared
        intervals of both variances, cut at zero) and ``effect in a further practice`` (the prediction
        interval in the place of a confidence interval; normal effects assumed).

    Raises
    ------
    DesignError
        Fewer than two practices in a group, or changes that do not vary.

    References
    ----------
    Zou and Donner (2008), doi:10.1002/sim.3095, for the interval of a difference of variances; Higgins,
    Thompson and Spiegelhalter (2009), doi:10.1111/j.1467-985X.2008.00552.x, for the prediction interval.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> data = pd.DataFrame({"practice": list("ABCDEFGH") * 2, "year": [2018] * 8 + [2019] * 8,
    ...                      "entry": [2016] * 4 + [0] * 4 + [2016] * 4 + [0] * 4,
    ...                      "pct": [30.0] * 8 + [24, 27, 31, 34, 29, 30, 30, 31.0]})
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct)
    >>> round(effect_heterogeneity(frame)["standard deviation of effects"].estimate, 3)
    4.32
    """
    require_level(level, "effect_heterogeneity")
    span = two_windows(frame, periods, windows, asked_by="effect_heterogeneity")
    collapsed = collapse(frame, span)
    require_groups(collapsed.treated)
    change = collapsed.values[:, 1] - collapsed.values[:, 0]
    spread = _Spread.of(change[collapsed.treated], change[~collapsed.treated])
    mean = replace(
        did(frame, inference=Welch(), windows=[(w.first, w.last) for w in span], level=level),
        term="mean effect",
    )
    sheet = did_estimand(frame, *span, weight_words("practice", "ratio_of_sums", True), ())
    assumed = (
        f"{sheet.assumption}; without the programme changes would have varied equally between the practices "
        "of both groups"
    )

    def told(term: str, contrast: str, inferred: Inferred, scale: str) -> Estimate:
        subject = Subject(
            frame=frame,
            term=term,
            estimand=replace(sheet, contrast=contrast, assumption=assumed),
            method="method of moments: variance of changes, programme minus comparison",
            clusters=collapsed.clusters,
            windows=span,
            nobs=change.size,
            scale=scale,
            notes=collapsed.notes,
            losses=collapsed.losses,
        )
        return conclude(subject, inferred, level=level)

    deviation = told(
        "standard deviation of effects",
        f"spread between programme practices of the effect on the change {span[0]} -> {span[1]}",
        spread.deviation(level),
        "level",
    )
    shown = replace(
        frame.measure, unit=frame.measure.difference_unit, unit_nl=frame.measure.difference_unit_nl
    )
    further = told(
        "effect in a further practice",
        f"change {span[0]} -> {span[1]} of one further programme practice, minus comparison",
        spread.further(mean.estimate, mean.std_error, level),
        "difference",
    )
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.heterogeneity",
        title=f"{label}: how effects differ between practices",
        title_nl=f"{label_nl}: hoe effecten tussen praktijken verschillen",
        estimates=(mean, replace(deviation, measure=shown), further),
        display="table",
    )


@dataclass(frozen=True)
class _Spread:
    """Variances of the changes of both groups, and what lies between them."""

    programme: float
    comparison: float
    df_programme: int
    df_comparison: int

    @classmethod
    def of(cls, programme: np.ndarray, comparison: np.ndarray) -> _Spread:
        made = cls(
            float(programme.var(ddof=1)),
            float(comparison.var(ddof=1)),
            programme.size - 1,
            comparison.size - 1,
        )
        size = float(np.abs(np.concatenate([programme, comparison])).max())
        if not max(made.programme, made.comparison) > 1e-24 * max(1.0, size**2):
            raise DesignError(
                "effect_heterogeneity: changes do not vary between practices; check the outcome"
            )
        return made

    @property
    def variance(self) -> float:
        """Of effects; zero where programme practices vary no more than the others."""
        return max(self.programme - self.comparison, 0.0)

    def interval(self, level: float) -> tuple[float, float]:
        """Interval of the standard deviation (MOVER)."""
        tail = (1 - level) / 2

        def limits(variance: float, df: int) -> tuple[float, float]:
            return tuple(variance * df / stats.chi2.ppf([1 - tail, tail], df))

        (l1, u1), (l0, u0) = (
            limits(self.programme, self.df_programme),
            limits(self.comparison, self.df_comparison),
        )
        gap = self.programme - self.comparison
        low = gap - math.hypot(self.programme - l1, u0 - self.comparison)
        high = gap + math.hypot(u1 - self.programme, self.comparison - l0)
        return math.sqrt(max(low, 0.0)), math.sqrt(max(high, 0.0))

    def deviation(self, level: float) -> Inferred:
        low, high = self.interval(level)
        none = self.variance == 0
        return Inferred(
            math.sqrt(self.variance), math.nan, math.nan, math.nan, math.nan, low, high,
            "method of moments, MOVER interval of chi-squared limits", self.interval, _no_test,
            ("programme practices vary no more than comparison practices",) if none else (),
        )  # fmt: skip

    def further(self, mean: float, std_error: float, level: float) -> Inferred:
        reach = _Further(mean, math.sqrt(std_error**2 + self.variance), float(self.df_programme))
        low, high = reach.interval(level)
        return Inferred(
            mean, reach.deviation, math.nan, reach.df, math.nan, low, high,
            f"prediction interval, t({self.df_programme})", reach.interval, _no_test,
            ("the interval is for a single practice, wider than that of the mean",),
        )  # fmt: skip


@dataclass(frozen=True)
class _Further:
    mean: float
    deviation: float
    df: float

    def interval(self, level: float) -> tuple[float, float]:
        reach = float(stats.t.ppf((1 + level) / 2, self.df)) * self.deviation
        return self.mean - reach, self.mean + reach


def _no_test(_: float) -> float:
    raise DesignError("a spread and a prediction interval come without a p-value")
