"""The rules by which a published claim is held against a re-run number: from numbers to a status word."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pluseval.errors import DesignError
from pluseval.report.claim import Claim
from pluseval.report.numbers import decimals_of, format_number, format_p, with_unit

BY_CONSTRUCTION = "by construction"
AGREES = "agrees"
DIFFERS = "differs"
SAME_SIGN = "same sign only"
NOT_TESTABLE = "not testable on these data"
CONTRADICT = "sources contradict"
EXPECTATION = "expectation, untested"
STATUSES = (BY_CONSTRUCTION, AGREES, DIFFERS, SAME_SIGN, NOT_TESTABLE, CONTRADICT, EXPECTATION)

ALPHA = 0.05


def outlier_needed(*, practices: int, others: float, mean: float) -> float:
    """What the last of some practices must be for a mean, when all others average ``others``.

    Examples
    --------
    >>> round(outlier_needed(practices=14, others=0.95, mean=1.16), 1)
    3.9
    """
    if practices < 2:
        raise DesignError(f"outlier_needed has {practices} practices; it needs 2 or more")
    return practices * mean - (practices - 1) * others


@dataclass(frozen=True)
class Outcome:
    """What a rule decides: a status word as for real data, the re-run number in words, and why.

    ``described`` is the fuller description of levels, where the claim is about levels.
    """

    status: str
    rerun: str
    note: str = ""
    described: str = ""


def tell(number: Any) -> str:
    """A number with its interval and p-value, for the column of re-run numbers."""
    text = with_unit(number.estimate, number)
    digits = decimals_of(number)
    low, high = (format_number(v, digits) for v in (number.conf_low, number.conf_high))
    inside = [f"{low} to {high}"] if low and high else []
    inside += [p for p in [format_p(number.p_value)] if p]
    return f"{text} ({'; '.join(inside)})" if inside else text


def _sign(number: Any) -> int:
    return (number.estimate > number.null) - (number.estimate < number.null)


def _significant(number: Any) -> bool:
    if not math.isnan(number.p_value):
        return number.p_value <= ALPHA
    return number.conf_low > number.null or number.conf_high < number.null


def _value(claim: Claim, found: tuple, others: dict) -> Outcome:
    """The published number within its rounding, and its p-value within its own where one was printed."""
    number = found[0]
    # A number on the edge of its rounding is inside; floats must not decide that.
    slack = 1e-9
    close = abs(number.estimate - claim.value) <= claim.tolerance + slack
    if close and not math.isnan(claim.p_value):
        close = abs(number.p_value - claim.p_value) <= claim.p_tolerance + slack
    published = 1 if claim.value > number.null else -1
    word = AGREES if close else SAME_SIGN if _sign(number) == published else DIFFERS
    return Outcome(word, tell(number))


def _not_significant(claim: Claim, found: tuple, others: dict) -> Outcome:
    numbers = [found[0], *(o[0] for o in others.values())]
    word = DIFFERS if any(map(_significant, numbers)) else AGREES
    return Outcome(
        word, "; ".join(map(tell, numbers)), "not significant is not 'no change': see the interval"
    )


def _equivalent(claim: Claim, found: tuple, others: dict) -> Outcome:
    """ "Did not change" holds within a margin only; without one, or with a wide interval, it is open."""
    number = found[0]
    if number.margin is None:
        return Outcome(NOT_TESTABLE, tell(number), "no margin was fixed")
    try:
        low, high = number.conf_int(1 - 2 * ALPHA)
    except DesignError:
        low, high = number.conf_low, number.conf_high
    below, above = -number.margin, number.margin
    if number.scale == "ratio":
        below, above = 1 / number.margin, number.margin
    if below < low and high < above:
        return Outcome(AGREES, tell(number), f"within the margin of {number.margin:g} on both sides")
    if _significant(number):
        return Outcome(DIFFERS, tell(number))
    return Outcome(NOT_TESTABLE, tell(number), f"the interval reaches beyond the margin of {number.margin:g}")


def _levels(found: tuple, group: str) -> dict[float, Any]:
    return {n.at: n for n in found if n.group == group and n.at is not None}


def _range(claim: Claim, found: tuple, others: dict) -> Outcome:
    levels = _levels(found, "programme")
    if not levels:
        return Outcome(NOT_TESTABLE, "", "no level of the programme was released")
    slack = 1e-9
    inside = all(
        claim.low - claim.tolerance - slack <= n.estimate <= claim.high + claim.tolerance + slack
        for n in levels.values()
    )
    first = found[0]
    low, high = min(n.estimate for n in levels.values()), max(n.estimate for n in levels.values())
    told = f"{format_number(low, decimals_of(first))} to {format_number(high, decimals_of(first))}"
    years = f"{min(levels):g}-{max(levels):g}"
    return Outcome(AGREES if inside else DIFFERS, f"{told} over {years}", described=f"{told} over {years}")


def _lower_every_year(claim: Claim, found: tuple, others: dict) -> Outcome:
    told, described, words = [], [], []
    for name, numbers in {
        claim.set: found,
        **{k: v for k, v in others.items() if k.endswith(".levels")},
    }.items():
        programme, comparison = _levels(numbers, "programme"), _levels(numbers, "comparison")
        years = sorted(set(programme) & set(comparison))
        if len(years) < 2:
            return Outcome(NOT_TESTABLE, "", f"{name} has not both groups in two years")
        gaps = [programme[y].estimate - comparison[y].estimate for y in years]
        rises = [side[years[-1]].estimate - side[years[0]].estimate for side in (programme, comparison)]
        lower = sum(g < 0 for g in gaps)
        label = numbers[0].measure.label
        told.append(
            f"{label}: lower in {lower} of {len(years)} years; rose {format_number(rises[0], 0)} against "
            f"{format_number(rises[1], 0)} {numbers[0].measure.difference_unit}"
        )
        described.append(told[-1] + _growth(programme, comparison, years))
        words.append((lower == len(years), rises[0] < rises[1], lower > len(years) / 2))
    if all(every and less for every, less, _ in words):
        word = AGREES
    else:
        word = SAME_SIGN if all(most for *_, most in words) else DIFFERS
    return Outcome(word, "; ".join(told), described="; ".join(described))


def _growth(programme: dict, comparison: dict, years: list) -> str:
    """The same rises as parts of where they began: equal growth in percent is a larger rise from more."""
    first, last = years[0], years[-1]
    if programme[first].estimate <= 0 or comparison[first].estimate <= 0:
        return ""
    own, others = (
        format_number(100 * (side[last].estimate / side[first].estimate - 1), 1)
        for side in (programme, comparison)
    )
    return f" from {first:g} to {last:g}, that is {own} % against {others} %"


def _lowest_at(claim: Claim, found: tuple, others: dict) -> Outcome:
    dated = [n for n in found if n.at is not None]
    if not dated:
        return Outcome(NOT_TESTABLE, "", "the changes bear no year")
    lowest = min(dated, key=lambda n: n.estimate)
    told = f"lowest: {lowest.term}, {tell(lowest)}"
    if lowest.at == claim.value:
        return Outcome(AGREES, told, "a coincidence in time, no cause")
    there = [n for n in dated if n.at == claim.value]
    return Outcome(SAME_SIGN if there and there[0].estimate < 0 else DIFFERS, told)


def _expected_saving(claim: Claim, found: tuple, others: dict) -> Outcome:
    """Contradicted only where the interval excludes every saving; never confirmed from this contrast."""
    number = found[0]
    note = (
        "whether the contract saves money stays open: the interval holds savings and extra costs alike, and "
        "the baseline lies within the pilot"
    )
    if number.conf_low > number.null:
        return Outcome(DIFFERS, tell(number), "the baseline lies within the pilot")
    if number.conf_high < number.null:
        return Outcome(SAME_SIGN, tell(number), "the baseline lies within the pilot: no proof of savings")
    return Outcome(EXPECTATION, tell(number), note)


def _positive(claim: Claim, found: tuple, others: dict) -> Outcome:
    """Agrees where every released number is above zero by more than its interval, as far as there is one."""
    if all(n.estimate > 0 and not n.conf_low <= 0 for n in found):
        word = AGREES
    else:
        word = SAME_SIGN if found[0].estimate > 0 else DIFFERS
    return Outcome(word, "; ".join(f"{n.term}: {tell(n)}" for n in found[:3]))


def _lowest_rank(claim: Claim, found: tuple, others: dict) -> Outcome:
    """The lowest of the country only if a rank says so; a gap to the nation gives the sign."""
    ranks = [n for n in found if n.term.lower().startswith("rank")]
    gaps = [n for n in found if n not in ranks and n.scale == "difference"]
    told = "; ".join(f"{n.term}: {tell(n)}" for n in (*gaps, *ranks))
    if ranks and all(n.estimate == 1 for n in ranks):
        return Outcome(AGREES, told)
    if gaps and all(n.estimate < 0 for n in gaps):
        return Outcome(SAME_SIGN, told, "lower than the nation; being the lowest of all is not shown")
    return Outcome(DIFFERS if gaps or ranks else NOT_TESTABLE, told)


def _shown(claim: Claim, found: tuple, others: dict) -> Outcome:
    """No published number to hold it against: the re-run is shown, the comparison is left to the reader."""
    return Outcome(NOT_TESTABLE, _list(found), "shown without a published number to compare with")


def _list(found: Iterable[Any]) -> str:
    return "; ".join(f"{n.term}: {tell(n)}" for n in found)


def contradiction(claim: Claim) -> str:
    if claim.against:
        return f"contradicts {' and '.join(claim.against)}: both are shown"
    last = outlier_needed(practices=claim.practices, others=claim.others, mean=claim.mean)
    return (
        f"{claim.practices - 1} practices averaging {claim.others:g} of expected need one more at "
        f"{format_number(last, 1)} times expected to average {claim.mean:g}"
    )


RULES: dict[str, Callable[[Claim, tuple, dict], Outcome]] = {
    "value": _value,
    "not_significant": _not_significant,
    "equivalent": _equivalent,
    "range": _range,
    "lower_every_year": _lower_every_year,
    "lowest_at": _lowest_at,
    "expected_saving": _expected_saving,
    "positive": _positive,
    "lowest_rank": _lowest_rank,
    "shown": _shown,
    "contradiction": lambda claim, found, others: Outcome(CONTRADICT, ""),
}
