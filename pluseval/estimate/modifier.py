"""Whether a practice's own circumstances go with a larger or smaller effect."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import collapse, practice_numbers, two_windows
from pluseval.estimate.conclude import TREATED_AS, Subject, conclude, population_of, require_inference
from pluseval.estimate.inference import Inference
from pluseval.estimate.problem import Contrast
from pluseval.estimate.result import Estimand, Estimate


def effect_modifier(
    frame: AnalysisFrame,
    modifier: str,
    *,
    inference: Inference,
    periods: Sequence[int] | None = None,
    windows: Sequence[Sequence[int]] | None = None,
    per: str = "unit",
    level: float = 0.95,
) -> Estimate:
    """How the difference in differences goes with a practice-level quantity among programme practices.

    The change of each practice is regressed on being a programme practice and on the modifier, centred,
    among programme practices. The coefficient describes an association among volunteers: what differs
    between practices besides the modifier is in it.

    Parameters
    ----------
    frame : AnalysisFrame
        One outcome of the study.
    modifier : str
        Column of ``frame.practices`` with a number for each programme practice.
    inference : Inference
        How sure one may be.
    periods, windows
        As for :func:`pluseval.estimate.did.did`.
    per : str
        One unit of the modifier, in words ("PlusPunt referral per 100 enlisted").
    level : float
        Confidence level.

    Raises
    ------
    DesignError
        If the modifier is absent, missing for a programme practice or the same in all of them.

    References
    ----------
    Equals R's ``lm(change ~ treated + I(treated * (m - mean(m[treated]))))``.
    """
    require_inference(inference, "effect_modifier")
    if modifier not in frame.practices.columns:
        raise DesignError(f"effect_modifier: the practices have no column {modifier!r}")
    before, after = two_windows(frame, periods, windows, asked_by="effect_modifier")
    collapsed = collapse(frame, (before, after))
    values = practice_numbers(collapsed.columns[modifier], f"effect_modifier: {modifier}")
    own = values[collapsed.treated]
    if not np.isfinite(own).all():
        raise DesignError(
            f"effect_modifier: {modifier} is missing or infinite for {int(np.sum(~np.isfinite(own)))} "
            "programme practices; give it, or keep those that have it"
        )
    if own.size < 3 or np.ptp(own) == 0:
        raise DesignError(
            f"effect_modifier: {modifier} does not vary among the {own.size} programme practices; it needs "
            "3 of them, and values that differ"
        )
    n = collapsed.clusters.size
    centred = np.where(collapsed.treated, values - own.mean(), 0.0)
    problem = Contrast(
        y=collapsed.values[:, 1] - collapsed.values[:, 0],
        fixed=np.ones((n, 1)),
        by_treatment=np.column_stack([np.ones(n), centred]),
        cluster=np.arange(n),
        treated=collapsed.treated,
        columns=collapsed.columns,
    )
    estimand = Estimand(
        population=population_of(frame),
        unit="practice",
        weight="every practice counts equally",
        contrast=f"change {before} -> {after} of programme practices, per {per}",
        scale=f"{frame.measure.difference_unit} per {per}",
        assumption="an association among programme practices: nothing else that differs between them matters",
        treated_as=TREATED_AS,
    )
    subject = Subject(
        frame=frame,
        term=f"{frame.measure.label} {before} -> {after} per {per}",
        estimand=estimand,
        method="effect modification on practice values",
        clusters=collapsed.clusters,
        windows=(before, after),
        nobs=n,
        losses=collapsed.losses,
        parts=_two_parts(collapsed.clusters[collapsed.treated], own),
    )
    return conclude(subject, inference.infer(problem, level), level=level)


def _two_parts(clusters: Sequence, values: np.ndarray) -> dict[Hashable, str] | None:
    """The practices by value where there are two: their means follow from the slope and the mean of all."""
    if np.unique(values).size != 2:
        return None
    return {practice: f"modifier {value:g}" for practice, value in zip(clusters, values, strict=True)}


def scaled(estimate: Estimate, factor: float, *, unit: str, unit_nl: str, term: str, note: str) -> Estimate:
    """The same estimate in another unit: every number times a known positive factor.

    Raises
    ------
    DesignError
        If the factor is not positive, or the estimate is a ratio.
    """
    if not factor > 0 or estimate.scale == "ratio":
        raise DesignError("scaled: a difference is multiplied by a positive factor")
    measure = replace(estimate.measure, difference_unit=unit, difference_unit_nl=unit_nl, decimals=0)
    interval, test = estimate.interval, estimate.test

    def ends(level: float) -> tuple[float, float]:
        low, high = estimate.conf_int(level)
        return low * factor, high * factor

    return replace(
        estimate,
        term=term,
        estimate=estimate.estimate * factor,
        std_error=estimate.std_error * factor,
        conf_low=estimate.conf_low * factor,
        conf_high=estimate.conf_high * factor,
        margin=None if estimate.margin is None else estimate.margin * factor,
        measure=measure,
        notes=(*estimate.notes, note),
        interval=None if interval is None else ends,
        test=None if test is None else lambda value: test(value / factor),
    )
