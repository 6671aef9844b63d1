"""From what an inference found to an estimate: the words and the evidence that travel with a number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pluseval.data.frame import AnalysisFrame, Loss
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Average, Window
from pluseval.estimate.counting import count_cells
from pluseval.estimate.inference import Inference, Inferred
from pluseval.estimate.require import is_number
from pluseval.estimate.result import Estimand, Estimate

TREATED_AS = "as assigned: every practice that ever joined, whether or not it stayed"


def require_inference(inference: object, asked_by: str) -> None:
    """Refuse anything but an inference value.

    Raises
    ------
    DesignError
        Nothing, a class instead of a value, or something that cannot infer.
    """
    if isinstance(inference, type):
        raise DesignError(f"{asked_by}: inference is a value, as inference={inference.__name__}(...)")
    if not isinstance(inference, Inference):
        raise DesignError(
            f"{asked_by}: inference is {inference!r}; give a value such as OLS(), ClusterRobust('CR2') or "
            "SignFlip(draws=16_384)"
        )


def require_level(level: float, asked_by: str) -> None:
    """Refuse a confidence level outside 0 to 1."""
    if not (is_number(level) and 0 < level < 1):
        raise DesignError(f"{asked_by}: level is {level!r}; it lies between 0 and 1, as 0.95")


def require_margin(margin: float | None, scale: str, asked_by: str) -> None:
    """Refuse a margin that cannot be one: positive for a difference, above 1 for a ratio."""
    least = 1.0 if scale == "ratio" else 0.0
    if margin is not None and not (is_number(margin) and math.isfinite(margin) and margin > least):
        raise DesignError(
            f"{asked_by}: margin is {margin!r}; on the {scale} scale give a number above {least:g}"
        )


def population_of(frame: AnalysisFrame) -> str:
    """Who is counted and to which practice, in words."""
    words = frame.population or "all rows of the frame"
    return f"{words}; {frame.attribution}" if frame.attribution else words


def weight_words(weights: str, average: Average, several_years: bool) -> str:
    """The weight of a practice and how the years of a window are averaged, in words."""
    each = "every practice counts equally" if weights == "practice" else "practices count by their exposure"
    if not several_years:
        return each
    how = (
        "sum over the years by sum of exposures"
        if average == "ratio_of_sums"
        else "mean of the yearly values"
    )
    return f"{each}; within a window {how}"


@dataclass(frozen=True)
class Subject:
    """What an estimate is about, apart from its numbers.

    ``parts`` names the cohort of every programme practice where practices of one cohort weigh otherwise than
    those of another: the values of a cohort then follow from the estimate, and count as cells of their own.
    """

    frame: AnalysisFrame
    term: str
    estimand: Estimand
    method: str
    clusters: Sequence
    windows: tuple[Window, ...]
    nobs: int
    scale: str = "difference"
    group: str = ""
    at: float | None = None
    margin: float | None = None
    notes: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()
    parts: Mapping[Any, str] | None = None


def conclude(subject: Subject, inferred: Inferred, *, level: float) -> Estimate:
    """An estimate from its subject and what an inference found; ratios arrive on the log scale."""
    ratio = subject.scale == "ratio"
    back = _exp if ratio else float
    interval: Callable = inferred.interval
    test: Callable = inferred.test
    if ratio:
        interval, test = _Exponentiated(inferred.interval).interval, _AtLog(inferred.test).test
    notes = (*subject.notes, *inferred.notes)
    if ratio:
        notes = (*notes, "std_error and statistic are of the log ratio")
    return Estimate(
        term=subject.term,
        estimate=back(inferred.estimate),
        std_error=inferred.std_error,
        statistic=inferred.statistic,
        df=inferred.df,
        p_value=inferred.p_value,
        conf_low=back(inferred.conf_low),
        conf_high=back(inferred.conf_high),
        measure=subject.frame.measure,
        estimand=subject.estimand,
        counts=count_cells(
            subject.frame,
            subject.clusters,
            subject.windows,
            df_resid=_finite(inferred.df),
            parts=subject.parts,
        ),
        source=subject.frame.source,
        method=subject.method,
        inference=inferred.convention,
        nobs=subject.nobs,
        n_clusters=len(subject.clusters),
        scale=subject.scale,  # type: ignore[arg-type]
        level=level,
        group=subject.group,
        at=subject.at,
        margin=subject.margin,
        notes=notes,
        losses=subject.losses,
        interval=interval,
        test=test,
    )


def _exp(value: float) -> float:
    return float(np.exp(value))


def _finite(value: float) -> float | None:
    return None if not np.isfinite(value) else float(value)


@dataclass(frozen=True)
class _Exponentiated:
    of: Callable[[float], tuple[float, float]]

    def interval(self, level: float) -> tuple[float, float]:
        low, high = self.of(level)
        return _exp(low), _exp(high)


@dataclass(frozen=True)
class _AtLog:
    of: Callable[[float], float]

    def test(self, value: float) -> float:
        if value <= 0:
            raise DesignError(f"a ratio is tested at a positive value, found {value}")
        return self.of(math.log(value))
