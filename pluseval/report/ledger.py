"""The published claims beside the re-run numbers, with a status word that is decided, never typed."""

from __future__ import annotations

import html
import math
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pluseval.errors import DesignError
from pluseval.report.catalogue import SETS
from pluseval.report.numbers import decimals_of, format_number, format_p, with_unit
from pluseval.report.readback import Html

BY_CONSTRUCTION = "by construction"
AGREES = "agrees"
DIFFERS = "differs"
SAME_SIGN = "same sign only"
NOT_TESTABLE = "not testable on these data"
CONTRADICT = "sources contradict"
EXPECTATION = "expectation, untested"
STATUSES = (BY_CONSTRUCTION, AGREES, DIFFERS, SAME_SIGN, NOT_TESTABLE, CONTRADICT, EXPECTATION)

ALPHA = 0.05


@dataclass(frozen=True)
class Claim:
    """One published claim, restated, and how a re-run number is held against it.

    Parameters
    ----------
    id, text, published, source : str
        Number, restated claim, what was printed, and by whom.
    rule : str
        Which comparison decides (a key of ``RULES``).
    set : str
        The set whose number is re-run; empty where there is none.
    also : tuple of str
        Sets shown beside it.
    reading : str
        The named reading under which the two are compared.
    constructed : bool
        Whether conditioned synthetic data are drawn to show it.
    value, tolerance, low, high, p_value, p_tolerance : float
        Published numbers and the rounding allowed, where the rule needs them.
    practices, others, mean : number
        The figures of an internal contradiction.
    against : tuple of str
        Claims that contradict this one.
    """

    id: str
    text: str
    published: str
    source: str
    rule: str
    reading: str
    set: str = ""
    also: tuple[str, ...] = ()
    constructed: bool = False
    value: float = math.nan
    tolerance: float = 0.0
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    p_tolerance: float = 0.0
    practices: int = 0
    others: float = math.nan
    mean: float = math.nan
    against: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise DesignError(f"{self.id}: no rule {self.rule!r}; one of {', '.join(RULES)}")
        unknown = [name for name in (self.set, *self.also) if name and name not in SETS]
        if unknown:
            raise DesignError(f"{self.id}: {', '.join(unknown)} is not in the catalogue of sets")


@dataclass(frozen=True)
class ClaimStatus:
    """A claim beside its re-run number (``rerun``, in words), one of ``STATUSES``, and why (``note``)."""

    claim: Claim
    status: str
    rerun: str = ""
    note: str = ""
    source_label: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise DesignError(f"{self.claim.id}: no status {self.status!r}; one of {', '.join(STATUSES)}")


@dataclass(frozen=True)
class Ledger:
    """All claims with their status; notebooks show it as a table."""

    entries: tuple[ClaimStatus, ...] = field(default_factory=tuple)

    def __iter__(self) -> Iterator[ClaimStatus]:
        return iter(self.entries)

    def __getitem__(self, identity: str) -> ClaimStatus:
        for entry in self.entries:
            if entry.claim.id == identity:
                return entry
        raise KeyError(identity)

    def _repr_html_(self) -> str:
        heads = ("Claim", "Restated", "Published", "Re-run here", "Status", "Reading and note")
        head = "".join(f'<th scope="col">{h}</th>' for h in heads)
        rows = []
        for e in self.entries:
            rerun = e.rerun + (f" [{e.source_label}]" if e.rerun and e.source_label else "")
            note = ". ".join(t.rstrip(".") for t in (e.claim.reading, e.note) if t)
            cells = (f"{e.claim.text} ({e.claim.source})", e.claim.published, rerun, e.status, note)
            body = "".join(f"<td>{html.escape(c)}</td>" for c in cells)
            rows.append(f'<tr id="claim-{e.claim.id}"><th scope="row">{e.claim.id}</th>{body}</tr>')
        return (
            '<table class="pluseval-claims"><caption>The published claims and what a re-run gives</caption>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody></table>\n"
        )


@cache
def claims() -> tuple[Claim, ...]:
    """The claims C1-C19 as declared in ``claims.toml``."""
    content = tomllib.loads(Path(__file__).with_name("claims.toml").read_text(encoding="utf-8"))
    lists = ("also", "against")
    made: list[Claim] = []
    for entry in content["claim"]:
        fields: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in entry.items()}
        made.append(Claim(**fields))
    return tuple(made)


def claim_sets() -> dict[str, tuple[str, ...]]:
    """Which sets each claim asks for, the deciding one first.

    Examples
    --------
    >>> claim_sets()["C8"]
    ('referrals.pluspunt.effect',)
    """
    return {c.id: tuple(n for n in (c.set, *c.also) if n) for c in claims()}


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


def ledger(results: Any) -> Ledger:
    """Every claim with its status on these results.

    Parameters
    ----------
    results : Released or Results
        Anything that says ``name in results`` and ``results[name]``; real, public or synthetic.
    """
    return Ledger(tuple(status(claim, results) for claim in claims()))


def claims_table(results: Any) -> Ledger:
    """The ledger, which notebooks show as a table."""
    return ledger(results)


def lung_arithmetic() -> Html:
    """Why the two halves of C11 cannot both hold, as a sentence with its numbers."""
    (claim,) = (c for c in claims() if c.id == "C11")
    return Html(f"<p>{html.escape(claim.text)} {html.escape(_contradiction(claim))}.</p>")


def status(claim: Claim, results: Any) -> ClaimStatus:
    """The status of one claim on these results.

    Synthetic data are no evidence about PlusPraktijken: a claim they were drawn to show reads *by
    construction* if the re-run meets it (and *differs* if it does not, a fault of the pipeline); every other
    claim reads *not testable on these data*. Real and public data read by the claim's rule.
    """
    if claim.rule == "contradiction":
        return ClaimStatus(claim, CONTRADICT, note=_contradiction(claim))
    found = tuple(results[claim.set]) if claim.set and claim.set in results else ()
    if not found:
        word = EXPECTATION if claim.rule == "expected_saving" else NOT_TESTABLE
        return ClaimStatus(claim, word)
    others = {name: tuple(results[name]) for name in claim.also if name in results}
    outcome = RULES[claim.rule](claim, found, others)
    source = found[0].source
    word, note = outcome.status, outcome.note
    if source.kind in ("planted", "conditioned"):
        if source.kind == "conditioned" and claim.constructed:
            word = BY_CONSTRUCTION if word == AGREES else DIFFERS
            note = note or "a check of the pipeline, no evidence"
        else:
            word = EXPECTATION if claim.rule == "expected_saving" else NOT_TESTABLE
            note = "synthetic data say nothing about this claim"
    return ClaimStatus(claim, word, rerun=outcome.rerun, note=note, source_label=source.label)


@dataclass(frozen=True)
class _Outcome:
    status: str
    rerun: str
    note: str = ""


def _tell(number: Any) -> str:
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


def _value(claim: Claim, found: tuple, others: dict) -> _Outcome:
    """The published number within its rounding, and its p-value within its own where one was printed."""
    number = found[0]
    # A number on the edge of its rounding is inside; floats must not decide that.
    slack = 1e-9
    close = abs(number.estimate - claim.value) <= claim.tolerance + slack
    if close and not math.isnan(claim.p_value):
        close = abs(number.p_value - claim.p_value) <= claim.p_tolerance + slack
    published = 1 if claim.value > number.null else -1
    word = AGREES if close else SAME_SIGN if _sign(number) == published else DIFFERS
    return _Outcome(word, _tell(number))


def _not_significant(claim: Claim, found: tuple, others: dict) -> _Outcome:
    numbers = [found[0], *(o[0] for o in others.values())]
    word = DIFFERS if any(map(_significant, numbers)) else AGREES
    return _Outcome(
        word, "; ".join(map(_tell, numbers)), "not significant is not 'no change': see the interval"
    )


def _equivalent(claim: Claim, found: tuple, others: dict) -> _Outcome:
    """ "Did not change" holds within a margin only; without one, or with a wide interval, it is open."""
    number = found[0]
    if number.margin is None:
        return _Outcome(NOT_TESTABLE, _tell(number), "no margin was fixed")
    try:
        low, high = number.conf_int(1 - 2 * ALPHA)
    except DesignError:
        low, high = number.conf_low, number.conf_high
    below, above = -number.margin, number.margin
    if number.scale == "ratio":
        below, above = 1 / (1 + number.margin), 1 + number.margin
    if below < low and high < above:
        return _Outcome(AGREES, _tell(number), f"within the margin of {number.margin:g} on both sides")
    if _significant(number):
        return _Outcome(DIFFERS, _tell(number))
    return _Outcome(
        NOT_TESTABLE, _tell(number), f"the interval is wider than the margin of {number.margin:g}"
    )


def _levels(found: tuple, group: str) -> dict[float, Any]:
    return {n.at: n for n in found if n.group == group and n.at is not None}


def _range(claim: Claim, found: tuple, others: dict) -> _Outcome:
    levels = _levels(found, "programme")
    if not levels:
        return _Outcome(NOT_TESTABLE, "", "no level of the programme was released")
    slack = 1e-9
    inside = all(
        claim.low - claim.tolerance - slack <= n.estimate <= claim.high + claim.tolerance + slack
        for n in levels.values()
    )
    first = found[0]
    low, high = min(n.estimate for n in levels.values()), max(n.estimate for n in levels.values())
    told = f"{format_number(low, decimals_of(first))} to {format_number(high, decimals_of(first))}"
    years = f"{min(levels):g}-{max(levels):g}"
    return _Outcome(AGREES if inside else DIFFERS, f"{told} over {years}")


def _lower_every_year(claim: Claim, found: tuple, others: dict) -> _Outcome:
    told, words = [], []
    for name, numbers in {
        claim.set: found,
        **{k: v for k, v in others.items() if k.endswith(".levels")},
    }.items():
        programme, comparison = _levels(numbers, "programme"), _levels(numbers, "comparison")
        years = sorted(set(programme) & set(comparison))
        if len(years) < 2:
            return _Outcome(NOT_TESTABLE, "", f"{name} has not both groups in two years")
        gaps = [programme[y].estimate - comparison[y].estimate for y in years]
        rises = [side[years[-1]].estimate - side[years[0]].estimate for side in (programme, comparison)]
        lower = sum(g < 0 for g in gaps)
        label = numbers[0].measure.label
        told.append(
            f"{label}: lower in {lower} of {len(years)} years; rose {format_number(rises[0], 0)} against "
            f"{format_number(rises[1], 0)} {numbers[0].measure.difference_unit}"
        )
        words.append((lower == len(years), rises[0] < rises[1], lower > len(years) / 2))
    if all(every and less for every, less, _ in words):
        word = AGREES
    else:
        word = SAME_SIGN if all(most for *_, most in words) else DIFFERS
    return _Outcome(word, "; ".join(told))


def _lowest_at(claim: Claim, found: tuple, others: dict) -> _Outcome:
    dated = [n for n in found if n.at is not None]
    if not dated:
        return _Outcome(NOT_TESTABLE, "", "the changes bear no year")
    lowest = min(dated, key=lambda n: n.estimate)
    told = f"lowest: {lowest.term}, {_tell(lowest)}"
    if lowest.at == claim.value:
        return _Outcome(AGREES, told, "a coincidence in time, no cause")
    there = [n for n in dated if n.at == claim.value]
    return _Outcome(SAME_SIGN if there and there[0].estimate < 0 else DIFFERS, told)


def _expected_saving(claim: Claim, found: tuple, others: dict) -> _Outcome:
    """Contradicted only where the interval excludes every saving; never confirmed from this contrast."""
    number = found[0]
    note = (
        "whether the contract saves money stays open: the interval holds savings and extra costs alike, and "
        "the baseline lies within the pilot"
    )
    if number.conf_low > number.null:
        return _Outcome(DIFFERS, _tell(number), "the baseline lies within the pilot")
    if number.conf_high < number.null:
        return _Outcome(SAME_SIGN, _tell(number), "the baseline lies within the pilot: no proof of savings")
    return _Outcome(EXPECTATION, _tell(number), note)


def _positive(claim: Claim, found: tuple, others: dict) -> _Outcome:
    """Agrees where every released number is above zero by more than its interval, as far as there is one."""
    if all(n.estimate > 0 and not n.conf_low <= 0 for n in found):
        word = AGREES
    else:
        word = SAME_SIGN if found[0].estimate > 0 else DIFFERS
    return _Outcome(word, "; ".join(f"{n.term}: {_tell(n)}" for n in found[:3]))


def _lowest_rank(claim: Claim, found: tuple, others: dict) -> _Outcome:
    """The lowest of the country only if a rank says so; a gap to the nation gives the sign."""
    ranks = [n for n in found if n.term.lower().startswith("rank")]
    gaps = [n for n in found if n not in ranks and n.scale == "difference"]
    told = "; ".join(f"{n.term}: {_tell(n)}" for n in (*gaps, *ranks))
    if ranks and all(n.estimate == 1 for n in ranks):
        return _Outcome(AGREES, told)
    if gaps and all(n.estimate < 0 for n in gaps):
        return _Outcome(SAME_SIGN, told, "lower than the nation; being the lowest of all is not shown")
    return _Outcome(DIFFERS if gaps or ranks else NOT_TESTABLE, told)


def _shown(claim: Claim, found: tuple, others: dict) -> _Outcome:
    """No published number to hold it against: the re-run is shown, the comparison is left to the reader."""
    return _Outcome(NOT_TESTABLE, _list(found), "shown without a published number to compare with")


def _list(found: Iterable[Any]) -> str:
    return "; ".join(f"{n.term}: {_tell(n)}" for n in found)


def _contradiction(claim: Claim) -> str:
    if claim.against:
        return f"contradicts {' and '.join(claim.against)}: both are shown"
    last = outlier_needed(practices=claim.practices, others=claim.others, mean=claim.mean)
    return (
        f"{claim.practices - 1} practices averaging {claim.others:g} of expected need one more at "
        f"{format_number(last, 1)} times expected to average {claim.mean:g}"
    )


RULES: dict[str, Callable[[Claim, tuple, dict], _Outcome]] = {
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
    "contradiction": lambda claim, found, others: _Outcome(CONTRADICT, ""),
}
