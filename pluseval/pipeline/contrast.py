"""From an entry of the plan to the frame, the inference and the contrast that it names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pluseval.data.frame import AnalysisFrame
from pluseval.data.study import Study
from pluseval.errors import DesignError, PlanError
from pluseval.estimate.did import did
from pluseval.estimate.inference import Inference
from pluseval.estimate.registry import inference_named
from pluseval.estimate.result import Estimate
from pluseval.estimate.single_arm import single_arm
from pluseval.outcomes.registry import outcome as outcome_named
from pluseval.pipeline.plan import InferenceChoice, Outcome, Plan, Variation, Years


def inference_of(choice: InferenceChoice) -> Inference:
    """The inference value that the plan names.

    Raises
    ------
    PlanError
        If there is no procedure of that name, or it has no such parameter.
    """
    try:
        return inference_named(choice.procedure, **choice.parameters)
    except DesignError as error:
        raise PlanError(f"the plan: {error}") from None


def frame_of(study: Study, outcome: Outcome, plan: Plan, variation: Variation | None = None) -> AnalysisFrame:
    """The frame of a planned outcome, as the plan or one of its sensitivity analyses defines it."""
    options = outcome.options if variation is None or variation.options is None else variation.options
    attribution = plan.estimand.attribution
    if variation is not None and variation.attribution is not None:
        attribution = variation.attribution
    if _takes_attribution(outcome):
        options = {**options, "attribution": attribution}
    elif variation is not None and variation.attribution is not None:
        raise PlanError(f"the plan: {outcome.function} knows no attribution to a practice")
    return maker_of(outcome.function, options)(study)


def _takes_attribution(outcome: Outcome) -> bool:
    try:
        return "attribution" in inspect.signature(outcome_named(outcome.function)).parameters
    except DesignError as error:
        raise PlanError(f"the plan: {error}") from None


def maker_of(function: str, options: Mapping[str, Any]) -> Callable[[Study], AnalysisFrame]:
    """The function of that name with its options: what makes a frame of a study.

    Raises
    ------
    PlanError
        If there is no such function, or it has no such option.
    """
    try:
        make = outcome_named(function)
        inspect.signature(make).bind(None, **options)
    except DesignError as error:
        raise PlanError(f"the plan: {error}") from None
    except TypeError as error:
        raise PlanError(f"the plan: the options of {function}: {error}") from None
    return partial(make, **options)


def windows_of(outcome: Outcome, plan: Plan) -> tuple[Years, Years]:
    """The windows of an outcome's primary contrast where it names no two periods: its own, or the plan's."""
    return outcome.windows or (plan.windows.before, plan.windows.after)


def estimate_of(
    frame: AnalysisFrame, outcome: Outcome, plan: Plan, variation: Variation | None = None
) -> Estimate:
    """One planned contrast of one outcome: the primary one, or a variation of it."""
    v = variation or Variation(name="primary")
    chosen: dict[str, Any] = {
        "inference": inference_of(v.inference or outcome.inference),
        "margin": outcome.margin,
        "average": v.average or plan.estimand.average,
        "level": 1 - plan.alpha,
    }
    periods = v.periods if v.periods is not None else outcome.periods
    windows = v.windows or windows_of(outcome, plan)
    chosen.update({"periods": periods} if periods else {"windows": windows})
    design = v.design or outcome.design
    if design == "single_arm":
        estimate = single_arm(frame, **chosen)
    else:
        adjust = v.adjust if v.adjust is not None else outcome.adjust
        estimate = did(frame, adjust=adjust, weights=v.weight or plan.estimand.weight, **chosen)
    sheet = replace(estimate.estimand, treated_as=plan.estimand.treated_as)
    return replace(estimate, term=v.name, estimand=sheet)
