"""The published contrast under every reading, side by side, with the plan's primary beside it."""

from __future__ import annotations

from dataclasses import replace

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.adjacent_adjusted import adjacent_adjusted
from pluseval.estimate.inference_max_t import MaxT
from pluseval.estimate.result import Estimate, EstimateSet
from pluseval.estimate.robustness import WEBB_BELOW
from pluseval.pipeline.analyse import Analysis, estimate_of
from pluseval.pipeline.plan import InferenceChoice, Outcome, Plan, SideBySide, Variation

SIZE = "list_size"


def published_procedures(frame: AnalysisFrame, outcome: Outcome, plan: Plan) -> Analysis:
    """One set of readings: the published one first, the plan's primary last and called so.

    Between them the same two years by other procedures, with list size as covariate, with practices by
    their exposure, and adjusted for having looked at every adjacent-year change. Draws and seed are those of
    the plan's side-by-side panel and of its max-t. A reading that does not hold for the design is skipped
    with its reason.
    """
    reading, drawn = outcome.published, outcome.robustness
    if reading is None or not reading.periods or drawn is None:
        return Analysis()
    found: list[Estimate] = [estimate_of(frame, outcome, plan, _named(reading, "published reading"))]
    skipped = []
    for variation in _variations(frame, outcome, reading, drawn):
        try:
            found.append(estimate_of(frame, outcome, plan, variation))
        except DesignError as reason:
            skipped.append((f"{outcome.key}: {variation.name}", str(reason)))
    try:
        found += _adjusted(frame, outcome, plan, reading)
    except DesignError as reason:
        skipped.append((f"{outcome.key}: max-t over adjacent years", str(reason)))
    (first, last), (start, end) = outcome.windows or (plan.windows.before, plan.windows.after)
    primary = estimate_of(frame, outcome, plan)
    found.append(replace(primary, term=f"primary of the plan: {first}-{last} v {start}-{end}"))
    a, b = reading.periods
    label, label_nl = frame.measure.label, frame.measure.label_nl
    one = EstimateSet(
        f"{outcome.key}.published_procedures",
        f"{label}: the published contrast {a} to {b} under every reading, and the plan's primary",
        tuple(found),
        title_nl=f"{label_nl}: het gepubliceerde contrast {a} tot {b} volgens elke analyse, en het primaire",
    )
    return Analysis((one,), tuple(skipped))


def _variations(
    frame: AnalysisFrame, outcome: Outcome, reading: Variation, drawn: SideBySide
) -> list[Variation]:
    few = frame.treated.size < WEBB_BELOW
    draws = {"draws": drawn.draws, "seed": drawn.seed}

    def by(name: str, procedure: str, **choices: object) -> Variation:
        return _named(reading, name, inference=InferenceChoice(procedure=procedure, **choices))

    tertiles = by("permutation within list-size tertiles", "permutation", strata=SIZE, tails="equal", **draws)
    weighted = by("weighted by enlisted persons, CR2", "cluster_robust", kind="CR2")
    return [
        by("Welch t", "welch"),
        by("CR2, Bell-McCaffrey", "cluster_robust", kind="CR2"),
        tertiles,
        by("wild bootstrap", "wild_bootstrap", weights="webb" if few else "rademacher", **draws),
        _named(reading, "list size as covariate", adjust=(SIZE,)),
        weighted.model_copy(update={"weight": "exposure"}),
    ]


def _adjusted(frame: AnalysisFrame, outcome: Outcome, plan: Plan, reading: Variation) -> list[Estimate]:
    """The published change as one of all changes between adjacent years, where it is one."""
    chosen = outcome.adjacent
    if chosen is None or reading.periods is None:
        return []
    over_all = MaxT(draws=chosen.draws, seed=chosen.seed, statistic=chosen.statistic)
    until = frame.between(frame.periods[0], plan.windows.after[1])  # no change into the COVID year
    every = adjacent_adjusted(until, inference=over_all, level=1 - plan.alpha)
    wanted = " -> ".join(map(str, reading.periods))
    term = f"max-t: one of {len(every)} adjacent-year changes"
    return [replace(e, term=term) for e in every if e.term == wanted]


def _named(reading: Variation, name: str, **choices: object) -> Variation:
    return reading.model_copy(update={"name": name, **choices})
