"""Referrals by specialty: the primary contrast of each, judged as one of many."""

from __future__ import annotations

from dataclasses import replace

from pluseval.data.study import Study
from pluseval.errors import DesignError
from pluseval.estimate.adjust_many import adjust_many
from pluseval.estimate.result import Estimate, EstimateSet
from pluseval.outcomes.referrals import referrals_by_specialty
from pluseval.pipeline.analyse import Analysis, estimate_of, frame_of
from pluseval.pipeline.plan import Outcome, Plan, Variation
from pluseval.report.disclosure import DisclosureRules

NAME = "referrals.specialty.effects"
ADJUSTED = {"holm": "Holm", "bh": "Benjamini-Hochberg"}


def specialty_effects(study: Study, outcome: Outcome, plan: Plan) -> Analysis:
    """The primary contrast of every specialty, with p-values adjusted for their number.

    The specialties add up to all referrals, so that one that is too small to be shown would follow from the
    others: it stays out together with the next smallest.
    """
    if not outcome.by_specialty:
        return Analysis()
    attribution = {"attribution": plan.estimand.attribution}
    choices = {k: v for k, v in {**outcome.options, **attribution}.items() if k != "specialty"}
    whole = frame_of(study, outcome, plan)
    frames = referrals_by_specialty(study, whole, **choices)
    found: dict[str, Estimate] = {}
    skipped = []
    for specialty, frame in frames.items():
        try:
            found[specialty] = estimate_of(frame, outcome, plan, Variation(name=specialty))
        except DesignError as reason:
            skipped.append((f"{NAME}: {specialty}", str(reason)))
    named = sum(float(frame.rows["numerator"].sum()) for frame in frames.values())
    rest = len(skipped) + (named < float(whole.rows["numerator"].sum()))
    rules = DisclosureRules(**plan.disclosure.model_dump(exclude={"practices_consented"}))
    shown, hidden = _without_small(found, rest, rules)
    skipped += [(f"{NAME}: {one}", reason) for one, reason in hidden.items()]
    if len(shown) < 2:
        few = "fewer than two specialties can be shown" if frames else "the referrals name no specialty"
        return Analysis(skipped=(*skipped, (NAME, few)))
    effects = EstimateSet(
        NAME,
        "Referral percentage by specialty: the primary contrast of each",
        tuple(shown),
        title_nl="Verwijspercentage per specialisme: het primaire contrast van elk",
    )
    return Analysis((_adjusted(effects),), tuple(skipped))


def _without_small(
    found: dict[str, Estimate], rest: int, rules: DisclosureRules
) -> tuple[list[Estimate], dict[str, str]]:
    """Those that may be shown, and why the others may not.

    ``rest`` is the number of parts of all referrals that are not shown anyway (referrals without a specialty,
    specialties without a result). What is not shown must hold two parts and the minimum of persons.
    """
    hidden = {name: broken for name, e in found.items() if (broken := rules.broken_by(e))}
    for name in reversed(found):  # the smallest first
        parts = len(hidden) + rest
        persons = sum(_persons(found[one]) for one in hidden)
        if parts != 1 and (not hidden or persons >= rules.min_persons):
            break
        hidden.setdefault(name, "left out beside what is not shown, which would follow from the others")
    return [e for name, e in found.items() if name not in hidden], hidden


def _persons(one: Estimate) -> int:
    return min((cell.persons or 0 for cell in one.counts.cells), default=0)


def _adjusted(effects: EstimateSet) -> EstimateSet:
    """With the p-values by Holm and by Benjamini and Hochberg, told apart by their names."""
    tests = []
    for method, called in ADJUSTED.items():
        many = adjust_many(effects, method)  # type: ignore[arg-type]
        tests += [replace(j, name=f"{e.term}, {called}") for e, j in zip(effects, many.joint, strict=True)]
    return replace(effects, joint=tuple(tests))
