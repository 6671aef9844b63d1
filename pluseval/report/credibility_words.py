"""Can the comparison be trusted? The checks of credibility in plain words, each bound to its result."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pluseval.report.numbers import decimals_of, format_number, format_p, with_unit
from pluseval.report.page import Page
from pluseval.report.readback import Html, Number, ReadSet

_FOUND = re.compile(r"slope found with ([\d.]+) %")
_RELATIVE = re.compile(r"violation at most ([\d.]+) x the largest before")
_STRAIGHT = "slope changes at most 0 a period"


def trusted(page: Page, key: str) -> Html:
    """Every check of one outcome: a question, the answer in a sentence or two, and what it rests on, folded.

    Parameters
    ----------
    page : Page
    key : str
        The outcome in the plan, as ``costs.msz``.
    """
    pieces = []
    for question, name, words in _CHECKS:
        one = page.results.sets.get(f"{key}.{name}")
        # Other sets of comparison practices stand each by itself; the words of other checks need all numbers.
        whole = one is not None and (name == "comparators" or not _held(page, one.name))
        answer = words(page, key, one) if one is not None and whole else [_why_not(page, key, name)]
        text = " ".join(line for line in answer if line)
        pieces.append(f"<p><strong>{html.escape(question)}</strong><br>{html.escape(text)}</p>")
        if one is not None:
            what = one.title.partition(": ")[2] or one.title
            pieces.append(page.folded(f"Numbers: {what}", *_rests_on(page, one)).content)
    return Html(f'<div class="pluseval-checks" data-outcome="{key}">{"".join(pieces)}</div>')


def _pretrend(page: Page, key: str, one: ReadSet) -> list[str]:
    lines = [
        "Before the start the difference between the groups moved by "
        f"{_value(one['slope before the start'])}."
    ]
    for joint in one.joint[:1]:
        seen = "finds a difference in trends" if joint.p_value <= page.plan["alpha"] else "finds none"
        lines.append(f"A test of all these years together {seen} ({format_p(joint.p_value)}).")
    drifts = [_Drift.of(one, m) for e in one if (m := _FOUND.fullmatch(e.term))]
    if not drifts:
        return lines
    missed = " and ".join(f"{_amount(d.slope)} in {100 - d.chance:g}" for d in drifts)
    lines.append(f"Whoever looks at each year by itself would miss a drift of {missed} of 100 such studies.")
    made = [d for d in drifts if d.made is not None]
    if made:
        both = [d.both for d in made]
        whole, passed = (" and ".join(_amount(e) for e in own) for own in zip(*both, strict=True))
        lines.append(
            f"Going on, that would make a difference of {whole} in the comparison; on average over the "
            f"studies that noticed nothing, of {passed}."
        )
    primary = page.results.sets.get(f"{key}.primary")
    if primary is not None and made:
        effect = primary.estimates[0]
        larger = abs(made[0].both[0].estimate) > abs(effect.estimate)
        missed = f"{100 - made[0].chance:g} of 100 such studies would miss"
        lines.append(
            f"The effect found is {_amount(effect)}: a drift that {missed} "
            f"{'could by itself make a larger' if larger else 'would make a smaller'} difference."
        )
    return lines


@dataclass(frozen=True)
class _Drift:
    """A difference in trends that a test finds with some chance, and what it would do to the comparison."""

    chance: float
    slope: Number
    made: Number | None
    passed: Number | None

    @classmethod
    def of(cls, one: ReadSet, found: re.Match[str]) -> _Drift:
        own = {e.term.removeprefix(f"{found[0]}: "): e for e in one if e.term.startswith(f"{found[0]}: ")}
        passed = own.pop("difference it makes where the test found nothing", None)
        return cls(float(found[1]), one[found[0]], next(iter(own.values()), None), passed)

    @property
    def both(self) -> tuple[Number, Number]:
        assert self.made is not None and self.passed is not None
        return self.made, self.passed


def _placebo(page: Page, key: str, one: ReadSet) -> list[str]:
    off = [e for e in one if not _holds_zero(e)]
    many = f"{len(one)} comparisons of years before the start"
    if not off:
        told = f"None of the {many} finds a difference, as it should be"
    else:
        verb = "finds" if len(off) == 1 else "find"
        told = f"{len(off)} of the {many} {verb} a difference where there can be none"
    widest = max(one, key=lambda e: abs(e.estimate))
    return [f"{told}; the largest is {_value(widest)}, {widest.term}."]


def _outcomes(page: Page, key: str, one: ReadSet) -> list[str]:
    off = [e.term for e in one if not _holds_zero(e)]
    named = ", ".join(f"{e.term} {_value(e)}" for e in one)
    verdict = f"a difference shows in {', '.join(off)}" if off else "none shows a difference, as it should be"
    return [f"Of outcomes that the programme cannot change {verdict}: {named}."]


def _honest(page: Page, key: str, one: ReadSet) -> list[str]:
    bounds = [(float(m[1]), e) for e in one if (m := _RELATIVE.fullmatch(e.term))]
    lines = []
    if bounds and bounds[0][0] == 0:
        base = bounds[0][1].counts.cells[0].period
        lines.append(f"Counted from {base} and with parallel trends the effect is {_value(bounds[0][1])}.")
    breakdown = page.results.sets.get(f"{key}.breakdown")
    if breakdown is not None:
        times = format_number(breakdown.estimates[0].estimate, 2)
        lines.append(
            "The interval keeps excluding zero as long as trends differ from year to year by less than "
            f"{times} times the largest such difference before the start."
        )
    elif bounds and _holds_zero(bounds[0][1]):
        lines.append("That includes zero already: there is no effect that a drift could overturn.")
    if bounds and bounds[-1][0] > 0:
        bound, e = bounds[-1]
        much = "as much as" if bound == 1 else f"up to {bound:g} times"
        lines.append(
            f"If trends had differed since by {much} the largest difference between two years before the "
            f"start, it could lie anywhere from {_ends(e)}."
        )
    if _STRAIGHT in [e.term for e in one]:
        lines.append(f"If an earlier drift had gone on in a straight line: from {_ends(one[_STRAIGHT])}.")
    return lines


def _baseline(page: Page, key: str, one: ReadSet) -> list[str]:
    early, last, between = one.estimates
    sign = (
        "no sign of an unusual last year before the start, or of a change in expectation of it"
        if between.p_value > page.plan["alpha"]
        else "the last year before the start was unusual, or practices changed in expectation of it"
    )
    return [
        f"Counted from the {early.term} the effect is {_amount(early)}, from the {last.term} "
        f"{_amount(last)}. From the one to the other the difference between the groups moved by "
        f"{_value(between)}: {sign}."
    ]


def _comparators(page: Page, key: str, one: ReadSet) -> list[str]:
    first, *others = one.estimates
    named = [
        f"{_amount(e)} against the {e.counts.practices('comparison')} comparison practices {e.term}"
        for e in others
    ]
    whole = f"{_amount(first)} against all {first.counts.practices('comparison')}"
    lines = [f"The effect is {', '.join([whole, *named])}."]
    held = _held(page, one.name)
    if held:
        were = "set was" if len(held) == 1 else "sets were"
        lines.append(
            f"{len(held)} further {were} held back: the few practices left out would follow from the "
            "difference."
        )
    weighted = page.results.sets.get(f"{key}.synthetic")
    if weighted is not None:
        e = weighted.estimates[-1]
        lines.append(
            "Against a weighting of comparison practices that moved in parallel before the start it is "
            f"{_value(e)}, {format_p(e.p_value)}."
        )
    return lines


def _heterogeneity(page: Page, key: str, one: ReadSet) -> list[str]:
    spread, further = one["standard deviation of effects"], one["effect in a further practice"]
    if spread.estimate == 0:
        told = (
            "Nothing points to effects that differ: the changes of programme practices vary no more than "
            "those of comparison practices (larger practices vary less by chance: some can stay hidden)"
        )
    else:
        told = f"The effects of single practices differ, with a standard deviation of {_value(spread)}"
    return [f"{told}. In one further practice of this kind an effect from {_ends(further)} is expected."]


def _leave_one_out(page: Page, key: str, one: ReadSet) -> list[str]:
    low, high = one["smallest"], one["largest"]
    return [f"Leaving out each practice in turn, the effect lies between {_amount(low)} and {_amount(high)}."]


_Words = Callable[[Page, str, ReadSet], list[str]]
_CHECKS: tuple[tuple[str, str, _Words], ...] = (
    ("Did the groups drift apart before the start, and would it have been noticed?", "pretrend", _pretrend),
    ("Does the method find something where nothing had happened?", "placebo", _placebo),
    ("And in what the programme cannot have changed?", "placebo_outcomes", _outcomes),
    ("What if the groups would have drifted apart?", "honest", _honest),
    ("Does it matter from which years is counted?", "baseline", _baseline),
    ("Does it matter with whom is compared?", "comparators", _comparators),
    ("Is the effect the same in every practice?", "heterogeneity", _heterogeneity),
    ("Does one practice make the result?", "leave_one_out", _leave_one_out),
)
# What the run calls a check that it did not make, by the name of its set.
_REASONS: Mapping[str, str] = {
    "pretrend": "trends before the start",
    "placebo": "placebo years",
    "placebo_outcomes": "placebo outcomes",
    "honest": "bounds if trends are not parallel",
    "baseline": "two baselines",
    "comparators": "other sets of comparison practices",
    "heterogeneity": "differences between practices",
    "leave_one_out": "leave one practice out",
}


def _why_not(page: Page, key: str, name: str) -> str:
    """Why there is no result: what the gate or the run says of it."""
    rules = sorted({s.rule for s in _held(page, f"{key}.{name}")})
    if rules:
        return f"Held back by the disclosure rules ({'; '.join(rules)})."
    for what, reason in page.results.facts.get("skipped", ()):
        if what.startswith(f"{key}: {_REASONS[name]}"):
            return f"{reason[:1].upper()}{reason[1:]}."
    return "Not made on these data."


def _rests_on(page: Page, one: ReadSet) -> list[Html]:
    figure = [] if one.display == "table" else [page.figure(one.name)]
    beside = [n for n in (f"{one.name.rpartition('.')[0]}.synthetic",) if one.name.endswith(".comparators")]
    return [*figure, page.table(one.name), *[page.table(n) for n in beside if n in page.results]]


def _held(page: Page, name: str) -> list[Any]:
    """What the gate held back of a set."""
    return [s for s in page.results.suppressed if s.name == name]


def _holds_zero(e: Number) -> bool:
    return not (e.conf_low > e.null or e.conf_high < e.null)


def _amount(e: Any) -> str:
    return with_unit(e.estimate, e)


def _ends(e: Number) -> str:
    low, high = with_unit(e.conf_low, e), with_unit(e.conf_high, e)
    if low.startswith("EUR") or not math.isfinite(e.conf_low):
        return f"{low} to {high}"
    return f"{format_number(e.conf_low, decimals_of(e))} to {high}"


def _value(e: Number) -> str:
    if math.isnan(e.conf_low):
        return _amount(e)
    low, high = (format_number(v, decimals_of(e)) for v in (e.conf_low, e.conf_high))
    return f"{_amount(e)} ({format_number(100 * e.level, 0)}% interval {low} to {high})"
