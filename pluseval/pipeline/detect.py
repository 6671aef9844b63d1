"""How small an effect a planned analysis would find: its own contrast and procedure on placebo groups."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import collapse, two_windows
from pluseval.estimate.conclude import population_of
from pluseval.estimate.counting import count_cells
from pluseval.estimate.inference import Inference
from pluseval.estimate.inference_resampling import Permutation
from pluseval.estimate.power import DetectableEffect, Using, minimal_detectable_effect
from pluseval.estimate.result import Estimand, Estimate, EstimateSet
from pluseval.estimate.single_arm import programme_only
from pluseval.pipeline.contrast import inference_of, windows_of
from pluseval.pipeline.plan import Detectable, Outcome, Plan, Variation

# Of a permutation inside every placebo study: a bound of 5 % from 999 instead of 9,999 assignments costs
# less than a hundredth of the effect, and a tenth of the time.
ASSIGNMENTS = 999


def detectable_effect(
    frame: AnalysisFrame,
    outcome: Outcome,
    plan: Plan,
    chosen: Detectable,
    *,
    reading: Variation | None = None,
    inference: Inference | None = None,
) -> DetectableEffect:
    """The smallest effect that the planned analysis of an outcome would find with 80 % power.

    Parameters
    ----------
    frame : AnalysisFrame
        The planned outcome of a study.
    outcome : Outcome
        Its entry in the plan: design, contrast, covariates and procedure.
    plan : Plan
    chosen : Detectable
        Placebo assignments, seed, and whose data.
    reading : Variation, optional
        Another contrast of the outcome, as the published one; the primary by default.
    inference : Inference, optional
        Another procedure; the plan's own by default. A permutation has at most 999 assignments.

    Raises
    ------
    ConditionedError
        The study was drawn to return published figures.
    DesignError
        The data have no practices or periods without an effect for this contrast, or practices count by
        their exposure.
    """
    v = reading or Variation(name="primary")
    if (v.weight or plan.estimand.weight) != "practice":
        raise DesignError(
            f"{outcome.key}: a minimal detectable effect is made for practices that count equally"
        )
    choice = v.inference or outcome.inference
    adjust = v.adjust if v.adjust is not None else outcome.adjust
    design = v.design or outcome.design
    return minimal_detectable_effect(
        frame,
        inference=_lighter(inference or inference_of(choice)),
        draws=chosen.draws,
        seed=chosen.seed,
        using=chosen.using,
        design=design,
        adjust=adjust if design == "did" else (),
        average=v.average or plan.estimand.average,
        alpha=plan.alpha,
        **_contrast(outcome, plan, chosen, v),
    )


def detectable_sets(frame: AnalysisFrame, outcome: Outcome, plan: Plan) -> list[EstimateSet]:
    """The minimal detectable effect of a planned outcome on the data of a run, as ``<key>.detectable``.

    Nothing where the plan does not ask for it. The estimate is the effect, its standard error the Monte Carlo
    error of the placebo assignments; it has neither an interval nor a p-value.

    Raises
    ------
    ConditionedError, DesignError
        As :func:`detectable_effect`.
    """
    chosen = outcome.detectable
    if chosen is None:
        return []
    found = detectable_effect(frame, outcome, plan, chosen)
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return [
        EstimateSet(
            f"{outcome.key}.detectable",
            f"{label}: the smallest change found with {found.power:.0%} power",
            (_estimate(found, frame, outcome, plan, chosen),),
            display="table",
            title_nl=f"{label_nl}: kleinste verandering die met {found.power:.0%} power gevonden wordt",
        )
    ]


def _estimate(
    found: DetectableEffect, frame: AnalysisFrame, outcome: Outcome, plan: Plan, chosen: Detectable
) -> Estimate:
    pool = _pool(frame, outcome, chosen.using)
    contrast = _contrast(outcome, plan, chosen, Variation(name="primary"))
    windows = two_windows(pool, contrast.get("periods"), contrast.get("windows"), asked_by="detectable_sets")
    clusters = collapse(pool, windows, average=plan.estimand.average).clusters
    against = f" against {found.comparison} others" if found.comparison else ""
    whose = "comparison practices" if chosen.using == "comparison" else "practices before the first start"
    notes = [
        f"std_error is the Monte Carlo error of {found.draws:,} placebo assignments",
        f"{100 * found.relative:.1f} % of the mean level of these practices in {windows[0]}",
    ]
    if chosen.using == "comparison" and found.comparison:
        notes.append("made of comparison practices alone, fewer than the study has: a little too large")
    elif chosen.using == "comparison":
        notes.append("from the changes of comparison practices, whose numbers of answers may differ")
    return Estimate(
        term=f"smallest change found with {found.power:.0%} power",
        estimate=found.effect,
        std_error=found.effect_mcse,
        statistic=math.nan,
        df=math.nan,
        p_value=math.nan,
        conf_low=math.nan,
        conf_high=math.nan,
        measure=frame.measure,
        estimand=Estimand(
            population=population_of(frame),
            unit="practice",
            weight="every practice counts equally",
            contrast=f"{found.programme} {whose} called programme practices{against}, {found.windows}",
            scale=f"difference in {frame.measure.difference_unit}, up or down",
            assumption="the practices of the programme vary as these do; one constant effect",
            treated_as="placebo assignments matched on list size; no practice of them took part",
        ),
        counts=count_cells(pool, clusters, windows),
        source=frame.source,
        method="minimal detectable effect, placebo assignments",
        inference=found.inference,
        nobs=int(clusters.size),
        n_clusters=int(clusters.size),
        level=1 - plan.alpha,
        margin=outcome.margin,
        notes=tuple(notes),
    )


def _contrast(outcome: Outcome, plan: Plan, chosen: Detectable, v: Variation) -> dict[str, Any]:
    """The two windows of the contrast: before the start the plan's own cannot be, so they are named there."""
    if chosen.windows is not None:
        return {"windows": chosen.windows}
    periods = v.periods if v.periods is not None else outcome.periods
    if periods:
        return {"periods": periods}
    return {"windows": v.windows or windows_of(outcome, plan)}


def _pool(frame: AnalysisFrame, outcome: Outcome, using: Using) -> AnalysisFrame:
    treated = frame.treated
    if using == "comparison":
        return frame.keep_clusters(list(treated.index[~treated]))
    return programme_only(frame) if outcome.design == "single_arm" else frame


def _lighter(inference: Inference) -> Inference:
    if isinstance(inference, Permutation) and inference.draws > ASSIGNMENTS:
        return replace(inference, draws=ASSIGNMENTS)
    return inference
