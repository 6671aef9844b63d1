"""Can the comparison be trusted? The plan's checks of one outcome, each as a set of estimates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from pluseval.data.frame import AnalysisFrame
from pluseval.data.study import Study
from pluseval.errors import DesignError
from pluseval.estimate.credibility import baseline_check, placebo_outcomes
from pluseval.estimate.heterogeneity import effect_heterogeneity
from pluseval.estimate.honest import honest_did
from pluseval.estimate.inference import Inference
from pluseval.estimate.inference_resampling import Permutation
from pluseval.estimate.leave_one_out import leave_one_out
from pluseval.estimate.pretrend import pretrend_check
from pluseval.estimate.result import Estimate, EstimateSet
from pluseval.estimate.strata import strata_of
from pluseval.estimate.synthetic import synthetic_did
from pluseval.pipeline.contrast import estimate_of, inference_of, maker_of, windows_of
from pluseval.pipeline.plan import Credibility, CredibilityDesign, Outcome, Plan, Variation, Years

Skipped = list[tuple[str, str]]
Made = tuple[list[EstimateSet], Skipped]

_BISECTIONS = 8  # of the breakdown value: to a hundredth where it lies below 2
_LARGEST_BOUND = 64.0


def credibility_sets(frame: AnalysisFrame, study: Study, outcome: Outcome, plan: Plan) -> Made:
    """Everything that speaks for or against the primary contrast of an outcome, as the plan asks for it.

    Parameters
    ----------
    frame : AnalysisFrame
        The planned outcome of the study.
    study : Study
        For placebo outcomes.
    outcome : Outcome
        Its entry in the plan; nothing is made where it asks for no checks.
    plan : Plan

    Returns
    -------
    sets : list of EstimateSet
        ``<key>.pretrend``, ``.honest``, ``.breakdown``, ``.placebo``, ``.placebo_outcomes``, ``.baseline``,
        ``.comparators``, ``.synthetic``, ``.heterogeneity``, ``.leave_one_out``, as far as the data and the
        consent of the practices carry them.
    skipped : list of (str, str)
        What was not made, with the reason.

    Notes
    -----
    No check sets batches of joiners apart: with two of them known, the smallest would follow from the whole.
    """
    if outcome.credibility is None or plan.credibility is None:
        return [], []
    asked = _Asked(frame, study, outcome, plan, plan.credibility, outcome.credibility)
    sets: list[EstimateSet] = []
    skipped: Skipped = []
    for what, make in _CHECKS.items():
        try:
            made, left_out = make(asked)
        except DesignError as reason:
            made, left_out = [], [(what, str(reason))]
        sets += made
        skipped += [(f"{outcome.key}: {name}", reason) for name, reason in left_out]
    return [_as_planned(one, plan) for one in sets], skipped


@dataclass(frozen=True)
class _Asked:
    """What the plan asks, and of which data."""

    frame: AnalysisFrame
    study: Study
    outcome: Outcome
    plan: Plan
    design: CredibilityDesign
    chosen: Credibility

    @property
    def inference(self) -> Inference:
        return inference_of(self.outcome.inference)

    @property
    def level(self) -> float:
        return 1 - self.plan.alpha

    @property
    def windows(self) -> tuple[Years, Years]:
        if self.outcome.periods:
            first, second = self.outcome.periods
            return (first, first), (second, second)
        return windows_of(self.outcome, self.plan)

    @property
    def span(self) -> AnalysisFrame:
        """From the first year before to the last year after: without later years, such as those of COVID."""
        (first, _), (_, last) = self.windows
        return self.frame.between(first, last)

    @property
    def contrast(self) -> dict[str, Any]:
        """The primary contrast by its procedure, for the checks that take one."""
        return {"inference": self.inference, "adjust": self.outcome.adjust, "level": self.level}

    def primary(self, term: str) -> Estimate:
        return estimate_of(self.frame, self.outcome, self.plan, Variation(name=term))

    def named(self, one: EstimateSet, name: str, title: str, title_nl: str) -> EstimateSet:
        """The set under the name and titles of the run."""
        measure = self.frame.measure
        return replace(
            one,
            name=f"{self.outcome.key}.{name}",
            title=f"{measure.label}: {title}",
            title_nl=f"{measure.label_nl}: {title_nl}",
        )

    def shown(self, one: Estimate) -> Estimate:
        """Without its intervals at other levels, which take as long again and nothing asks of a check."""
        return replace(one, interval=None)

    def of(self, estimates: list[Estimate], name: str, title: str, title_nl: str) -> EstimateSet:
        """Estimates as a set of the run."""
        return self.named(EstimateSet("set", "set", tuple(estimates)), name, title, title_nl)


def _pretrend(asked: _Asked) -> Made:
    found = pretrend_check(
        asked.span,
        inference=asked.inference,
        windows=asked.windows,
        exclude=asked.plan.windows.transition,
        power=asked.design.power,
        level=asked.level,
    )
    words = ("trends before the start, and what the test could have found",
             "trends vóór de start, en wat de toets had kunnen vinden")  # fmt: skip
    return [asked.named(found, "pretrend", *words)], []


def _honest(asked: _Asked) -> Made:
    def bounds(relative: tuple[float, ...], smooth: tuple[float, ...]) -> EstimateSet:
        return honest_did(
            asked.span,
            seed=asked.chosen.seed,
            target=asked.windows[1],
            relative=relative,
            smooth=smooth,
            level=asked.level,
        )

    found = bounds(asked.design.relative, asked.chosen.smooth)
    words = ("the effect if trends would not have been parallel", "het effect als trends niet parallel waren")
    told = replace(found, estimates=tuple(map(asked.shown, found)))
    sets = [asked.named(told, "honest", *words)]
    if _without_zero(found.estimates[0]):
        sets.append(_breakdown(asked, found, lambda bound: bounds((bound,), ()).estimates[0]))
    return sets, []


def _breakdown(asked: _Asked, found: EstimateSet, at: Callable[[float], Estimate]) -> EstimateSet:
    """The largest violation, in multiples of the largest one before, at which the interval excludes zero."""
    low = high = 0.0
    for bound, one in zip(asked.design.relative, found, strict=False):
        if not _without_zero(one):
            high = bound
            break
        low = bound
    while high <= low < _LARGEST_BOUND:
        step = 2 * low or 1.0
        low, high = (step, 0.0) if _without_zero(at(step)) else (low, step)
    for _ in range(_BISECTIONS if high > low else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if _without_zero(at(middle)) else (low, middle)
    nan, first = math.nan, found.estimates[0]
    times = ("times the largest violation before the start", "maal de grootste afwijking vóór de start")
    measure = replace(first.measure, unit=times[0], unit_nl=times[1], decimals=2)
    value = replace(
        first,
        term="breakdown value",
        estimate=low,
        std_error=nan,
        conf_low=nan,
        conf_high=nan,
        scale="level",
        measure=measure,
        inference="largest bound whose honest interval excludes zero",
        interval=None,
        test=None,
    )
    words = ("how far trends may fail before the conclusion does", "tot waar de conclusie standhoudt")
    return replace(asked.of([value], "breakdown", *words), display="table")


def _without_zero(one: Estimate) -> bool:
    return one.conf_low > 0 or one.conf_high < 0


def _placebo_periods(asked: _Asked) -> Made:
    estimates: list[Estimate] = []
    skipped: Skipped = []
    for windows in asked.design.placebo_periods:
        term = " v ".join(str(a) if a == b else f"{a}-{b}" for a, b in windows)
        try:
            made = estimate_of(asked.frame, asked.outcome, asked.plan, Variation(name=term, windows=windows))
        except DesignError as reason:
            skipped.append((f"placebo years {term}", str(reason)))
            continue
        sheet = replace(made.estimand, assumption="both groups ran parallel before the start: it is zero")
        estimates.append(replace(made, estimand=sheet, margin=None))
    words = ("years in which nothing had begun", "jaren waarin nog niets was begonnen")
    return [asked.of(estimates, "placebo", *words)] if estimates else [], skipped


def _placebo_outcomes(asked: _Asked) -> Made:
    if not asked.chosen.placebo_outcomes:
        reason = "the plan names no outcome in these data that the programme cannot have changed"
        return [], [("placebo outcomes", reason)]
    frames: dict[str, AnalysisFrame] = {}
    skipped: Skipped = []
    for one in asked.chosen.placebo_outcomes:
        try:
            frames[one.name] = maker_of(one.function, one.options)(asked.study)
        except DesignError as reason:
            skipped.append((f"placebo outcome {one.name}", str(reason)))
    if not frames:
        return [], skipped
    found = placebo_outcomes(frames, windows=asked.windows, **asked.contrast)
    words = ("outcomes that the programme cannot have changed",
             "uitkomsten die het programma niet kan hebben veranderd")  # fmt: skip
    return [asked.named(found, "placebo_outcomes", *words)], skipped


def _baseline(asked: _Asked) -> Made:
    found = baseline_check(
        asked.frame, baselines=asked.design.baselines, after=asked.windows[1], **asked.contrast
    )
    words = ("the effect from two baselines", "het effect vanaf twee beginperioden")
    return [asked.named(found, "baseline", *words)], []


def _comparators(asked: _Asked) -> Made:
    """The primary contrast against parts of the comparison practices; the programme stays whole.

    Leaving out programme practices as well would give away those that are left out.
    """
    estimates = [asked.primary("primary: all comparison practices")]
    skipped: Skipped = []
    for name in asked.design.comparators:
        term, choose = COMPARATORS[name]
        try:
            kept = _kept(asked.frame, choose)
            frame = asked.frame.keep_clusters(kept)
            estimates.append(estimate_of(frame, asked.outcome, asked.plan, Variation(name=term)))
        except DesignError as reason:
            skipped.append((f"comparison practices {term}", str(reason)))
    words = ("against other sets of comparison practices", "tegen andere groepen vergelijkingspraktijken")
    return [asked.of(estimates, "comparators", *words)] if len(estimates) > 1 else [], skipped


def _kept(frame: AnalysisFrame, choose: Callable[[pd.DataFrame, pd.Series], pd.Series]) -> list:
    """All programme practices and the comparison practices that are chosen."""
    treated = frame.treated
    practices = frame.practices.reindex(treated.index)
    own = choose(practices, treated) & ~treated
    if not own.any():
        raise DesignError("no comparison practice is among them")
    if own.sum() == (~treated).sum():
        raise DesignError("all comparison practices are among them, so that this is the primary result")
    return list(treated.index[own | treated])


def _column(practices: pd.DataFrame, name: str) -> pd.Series:
    if name not in practices.columns:
        raise DesignError(f"the practices have no {name} in these data")
    return practices[name]


def _in_range(practices: pd.DataFrame, treated: pd.Series) -> pd.Series:
    size = _column(practices, "list_size").astype(float)
    return size.between(size[treated].min(), size[treated].max())


def _largest(practices: pd.DataFrame, treated: pd.Series) -> pd.Series:
    size = _column(practices, "list_size").astype(float)
    thirds = strata_of({"list_size": size.to_numpy()}, "list_size")
    return pd.Series(thirds == 2, index=practices.index)


def _same_region(practices: pd.DataFrame, treated: pd.Series) -> pd.Series:
    region = _column(practices, "region")
    return region.isin(region[treated].dropna().unique())


COMPARATORS: Mapping[str, tuple[str, Callable[[pd.DataFrame, pd.Series], pd.Series]]] = {
    "list_size_overlap": ("within the programme's range of list sizes", _in_range),
    "largest_third": ("in the largest third by list size", _largest),
    "same_region": ("of the programme's own regions", _same_region),
}


def _synthetic(asked: _Asked) -> Made:
    """All programme practices as one block from the first full year: batches are not told apart."""
    start = float(asked.windows[1][0])
    rows = asked.span.rows
    block = replace(asked.span, rows=rows.assign(entry=rows["entry"].where(rows["entry"].isna(), start)))
    chosen, primary = asked.chosen, asked.inference
    drawn = primary if isinstance(primary, Permutation) else Permutation(draws=chosen.draws, seed=chosen.seed)
    found = synthetic_did(
        block,
        inference=replace(drawn, draws=chosen.draws, seed=chosen.seed),
        exclude=asked.plan.windows.transition,
        level=asked.level,
    )
    estimates = [
        asked.primary("primary: difference in differences"),
        replace(asked.shown(found), term="synthetic difference in differences"),
    ]
    words = ("against a weighting of comparison practices that ran parallel before",
             "tegen een weging van vergelijkingspraktijken die daarvoor gelijk opliep")  # fmt: skip
    return [replace(asked.of(estimates, "synthetic", *words), display="table")], []


def _heterogeneity(asked: _Asked) -> Made:
    found = effect_heterogeneity(asked.frame, windows=asked.windows, level=asked.level)
    words = ("how effects differ between practices", "hoe effecten tussen praktijken verschillen")
    return [asked.named(found, "heterogeneity", *words)], []


def _without_each(asked: _Asked) -> Made:
    if not asked.plan.disclosure.practices_consented:
        reason = (
            "not made: a practice's own value follows from the results with and without it, and the "
            "practices have not consented to that (disclosure.practices_consented)"
        )
        return [], [("leave one practice out", reason)]
    found = leave_one_out(asked.frame, windows=asked.windows, **asked.contrast)
    words = ("the effect without each practice in turn", "het effect zonder telkens één praktijk")
    return [asked.named(found, "leave_one_out", *words)], []


_CHECKS: Mapping[str, Callable[[_Asked], Made]] = {
    "trends before the start": _pretrend,
    "bounds if trends are not parallel": _honest,
    "placebo years": _placebo_periods,
    "placebo outcomes": _placebo_outcomes,
    "two baselines": _baseline,
    "other sets of comparison practices": _comparators,
    "synthetic difference in differences": _synthetic,
    "differences between practices": _heterogeneity,
    "leave one practice out": _without_each,
}


def _as_planned(one: EstimateSet, plan: Plan) -> EstimateSet:
    """The sheets say who counts as treated in the plan's own words."""

    def told(estimate: Estimate) -> Estimate:
        sheet = replace(estimate.estimand, treated_as=plan.estimand.treated_as)
        return replace(estimate, estimand=sheet)

    return replace(one, estimates=tuple(told(e) for e in one))
