"""From the plan to estimates: what every question's module asks of the library, in the plan's own terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pluseval.data.frame import AnalysisFrame
from pluseval.data.study import Study
from pluseval.errors import DesignError, PlanError
from pluseval.estimate.describe import group_means
from pluseval.estimate.event_study import adjacent_changes, event_study
from pluseval.estimate.inference import OLS, ClusterRobust, Inference
from pluseval.estimate.inference_max_t import MaxT
from pluseval.estimate.ratio import rate_ratio_did
from pluseval.estimate.result import Estimate, EstimateSet
from pluseval.estimate.robustness import robustness
from pluseval.estimate.specification import specification_curve
from pluseval.estimate.staggered import staggered_did
from pluseval.pipeline.contrast import estimate_of, frame_of, inference_of, maker_of, windows_of
from pluseval.pipeline.credibility import credibility_sets
from pluseval.pipeline.detect import detectable_sets
from pluseval.pipeline.plan import Outcome, Plan, Question, Variation


@dataclass(frozen=True)
class Analysis:
    """What the module of one question found.

    Parameters
    ----------
    sets : tuple of EstimateSet
        The estimates, not yet released.
    skipped : tuple of (str, str)
        Planned sensitivity analyses that these data cannot carry, each with its reason.
    facts : dict
        Further facts for the pages, free of any person's or practice's value.
    """

    sets: tuple[EstimateSet, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def __add__(self, other: Analysis) -> Analysis:
        """Both findings together."""
        return Analysis(self.sets + other.sets, self.skipped + other.skipped, {**self.facts, **other.facts})


def analyse_question(study: Study, plan: Plan, question: Question) -> Analysis:
    """Every planned estimate of one question for which the study has the table."""
    found = Analysis()
    for outcome in plan.of_question(question):
        if study.has(outcome.table):
            found += planned(study, outcome, plan)
    return found


def require_known(plan: Plan) -> None:
    """Stop before any data are read where the plan names what the library does not have.

    Raises
    ------
    PlanError
        If there is no such outcome function, procedure or choice of them; all are named at once.
    """
    faults = []
    for outcome in plan.outcomes:
        readings = [v for v in (outcome.published, *outcome.sensitivity) if v is not None]
        choices = [outcome.inference, *(v.inference for v in readings if v.inference is not None)]
        if outcome.adjacent is not None:
            choices.append(outcome.adjacent.inference)
        further = outcome.credibility.placebo_outcomes if outcome.credibility is not None else ()
        options = [outcome.options, *(v.options for v in readings if v.options is not None)]
        asked: list[Callable[[], object]] = [partial(inference_of, choice) for choice in choices]
        asked += [partial(maker_of, outcome.function, chosen) for chosen in options]
        asked += [partial(maker_of, one.function, one.options) for one in further]
        for ask in asked:
            try:
                ask()
            except PlanError as fault:
                faults.append(f"  {outcome.key}: {str(fault).removeprefix('the plan: ')}")
    if faults:
        raise PlanError("the plan names what there is not:\n" + "\n".join(dict.fromkeys(faults)))


def planned(study: Study, outcome: Outcome, plan: Plan) -> Analysis:
    """Everything that the plan asks of one outcome, primary first.

    A sensitivity analysis that the data cannot carry (no comparator survey, say) is skipped with its reason;
    the primary one never is.
    """
    frame = frame_of(study, outcome, plan)
    label, label_nl = frame.measure.label, frame.measure.label_nl
    try:
        primary = estimate_of(frame, outcome, plan)
    except DesignError as reason:
        raise type(reason)(f"{outcome.key}, the primary result: {reason}") from None
    sets = [
        EstimateSet(
            f"{outcome.key}.primary", f"{label}: primary", (primary,), title_nl=f"{label_nl}: primair"
        ),
        replace(
            group_means(frame, level=1 - plan.alpha),
            name=f"{outcome.key}.levels",
            title=f"{label} by year",
            title_nl=f"{label_nl} per jaar",
        ),
    ]
    if outcome.published is not None:
        published = estimate_of(frame, outcome, plan, outcome.published)
        sets.append(
            EstimateSet(
                f"{outcome.key}.published",
                f"{label}: the published reading",
                (published,),
                title_nl=f"{label_nl}: de gepubliceerde analyse",
            )
        )
    estimates, skipped = [primary], []
    for variation in outcome.sensitivity:
        try:
            estimates.append(_varied(study, frame, outcome, plan, variation))
        except DesignError as reason:
            skipped.append((f"{outcome.key}: {variation.name}", str(reason)))
    if len(estimates) > 1:
        sets.append(
            EstimateSet(
                f"{outcome.key}.sensitivity",
                f"{label}: sensitivity of the primary result",
                tuple(estimates),
                title_nl=f"{label_nl}: gevoeligheid van het primaire resultaat",
            )
        )
    sets += _further(frame, outcome, plan)
    try:
        sets += detectable_sets(frame, outcome, plan)
    except DesignError as reason:  # a conditioned study, or no practice without an effect
        skipped.append((f"{outcome.key}: minimal detectable effect", str(reason)))
    checks, left_out = credibility_sets(frame, study, outcome, plan)
    return Analysis((*sets, *checks), (*skipped, *left_out))


def _varied(
    study: Study, frame: AnalysisFrame, outcome: Outcome, plan: Plan, variation: Variation
) -> Estimate:
    if variation.options is not None or variation.attribution is not None:
        frame = frame_of(study, outcome, plan, variation)
    return estimate_of(frame, outcome, plan, variation)


def _further(frame: AnalysisFrame, outcome: Outcome, plan: Plan) -> list[EstimateSet]:
    inference = inference_of(outcome.inference)
    label, label_nl = frame.measure.label, frame.measure.label_nl
    sets = []
    if outcome.ratio:
        ratio = rate_ratio_did(
            frame,
            inference=inference,
            windows=(plan.windows.before, plan.windows.after),
            level=1 - plan.alpha,
        )
        sets.append(
            EstimateSet(
                f"{outcome.key}.ratio",
                f"{label}: change on the ratio scale",
                (replace(ratio, term="ratio"),),
                title_nl=f"{label_nl}: verandering als verhouding",
            )
        )
    if outcome.event_study:
        study_set = event_study(
            frame, inference=inference, reference=plan.windows.reference, level=1 - plan.alpha
        )
        sets.append(
            replace(
                study_set,
                name=f"{outcome.key}.event_study",
                title=f"{label}: difference from {plan.windows.reference}, year by year",
                title_nl=f"{label_nl}: verschil met {plan.windows.reference}, jaar voor jaar",
            )
        )
    if outcome.adjacent is not None:
        chosen = outcome.adjacent
        over_all = MaxT(draws=chosen.draws, seed=chosen.seed, statistic=chosen.statistic)
        each = inference_of(chosen.inference)
        until = frame.between(frame.periods[0], plan.windows.after[1])  # no change into the COVID year
        adjacent = adjacent_changes(until, inference=each, joint=over_all, level=1 - plan.alpha)
        sets.append(
            replace(
                adjacent,
                name=f"{outcome.key}.adjacent",
                title=f"{label}: every change between adjacent years",
                title_nl=f"{label_nl}: elke verandering tussen opeenvolgende jaren",
            )
        )
    if outcome.robustness is not None:
        sets += _side_by_side(frame, outcome, plan)
    if outcome.staggered:
        sets.append(
            replace(
                staggered_did(frame.between(frame.periods[0], plan.windows.after[1])),
                name=f"{outcome.key}.staggered",
                title=f"{label}: staggered start (Callaway and Sant'Anna)",
                title_nl=f"{label_nl}: gespreide start (Callaway en Sant'Anna)",
            )
        )
    return sets


def _side_by_side(frame: AnalysisFrame, outcome: Outcome, plan: Plan) -> list[EstimateSet]:
    """The primary contrast under several procedures, and under other windows, weights and covariates."""
    chosen = outcome.robustness
    assert chosen is not None
    primary = inference_of(outcome.inference)
    label, label_nl = frame.measure.label, frame.measure.label_nl
    windows = windows_of(outcome, plan)
    panel = robustness(
        frame,
        seed=chosen.seed,
        windows=windows,
        primary=primary,
        adjust=outcome.adjust,
        draws=chosen.draws,
        level=1 - plan.alpha,
    )
    (first, last), (start, end) = windows
    covid = max(plan.windows.covid, default=end)
    others = [windows, ((first, last - 1), (start, end)), ((first, last), (start, max(end, covid)))]
    others_than: dict[str, Inference] = {"CR2": ClusterRobust("CR2"), "pooled t": OLS()}
    covariates = [outcome.adjust, *(c for c in ((), ("log(list_size)",)) if c != outcome.adjust)]
    curve = specification_curve(
        frame,
        windows=[w for n, w in enumerate(others) if w not in others[:n]],
        inferences={"primary": primary, **{k: v for k, v in others_than.items() if v != primary}},
        covariates=covariates,
        weights=(plan.estimand.weight, "exposure" if plan.estimand.weight == "practice" else "practice"),
        level=1 - plan.alpha,
    )
    return [
        replace(
            panel,
            name=f"{outcome.key}.robustness",
            title=f"{label}: one effect under several procedures",
            title_nl=f"{label_nl}: een effect onder verschillende procedures",
        ),
        replace(
            curve,
            name=f"{outcome.key}.specification",
            title=f"{label}: specification curve",
            title_nl=f"{label_nl}: specificatiecurve",
        ),
    ]
