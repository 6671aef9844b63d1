"""What may leave: the only gate between an estimate and anything that is written or shown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import InitVar, dataclass, field, replace

from pluseval.errors import DesignError, DisclosureError
from pluseval.estimate.result import Cell, Estimate, EstimateSet
from pluseval.report.differencing import PRACTICES as BETWEEN_PRACTICES
from pluseval.report.differencing import Key, Presence, leaves_few_alone, nested, presences, revealed
from pluseval.report.small_counts import with_blurred_ends, without_small_counts

_GATE = object()  # held by release alone: without it a Released cannot be made
_NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")

NAMED = "names practices and the plan gives no consent"
NO_EVIDENCE = "no counts to check"
PERSONS = "minimum persons"
PRACTICES = "minimum practices"
LARGEST_PRACTICE = "dominance: largest practice"
TWO_PRACTICES = "dominance: two largest practices"
LARGEST_PERSON = "dominance: largest person"
TWO_PERSONS = "dominance: two largest persons"
RESIDUAL_DF = "residual degrees of freedom"
DIFFERENCE_PRACTICES = "differencing: fewer practices than the minimum lie between two released numbers"
DIFFERENCE_PERSONS = "differencing: fewer persons than the minimum lie between two released numbers"
JOINT = "joint test over a suppressed estimate"
COMPLEMENT = "complementary: with the others it would reveal a suppressed share of the same whole"
UNKNOWN = " (unknown)"


@dataclass(frozen=True)
class DisclosureRules:
    """The thresholds of output checking, as a value.

    Parameters
    ----------
    min_persons : int
        Fewest distinct persons behind any cell; 0 switches the rule off.
    min_practices : int
        Fewest practices behind any cell, a rule of its own; 0 switches it off.
    max_share_largest, max_share_two : float
        Largest part of a cell's sum that one contributor, or the two largest together, may hold (persons and
        practices alike; only sums of amounts); 1 switches the rule off.
    min_df_resid : int
        Fewest residual degrees of freedom of a model on person records; 0 switches it off. Statistics on
        practices fall under ``min_practices``.

    Notes
    -----
    Evidence that a rule needs and that is unknown (``None`` persons, a share that is not a number where the
    measure is a sum of amounts) is treated as failing: what cannot be checked does not leave.

    Examples
    --------
    >>> DisclosureRules().min_practices
    6
    >>> DisclosureRules.public_aggregates().min_persons
    0
    """

    min_persons: int = 10
    min_practices: int = 6
    max_share_largest: float = 0.5
    max_share_two: float = 0.9
    min_df_resid: int = 10

    def __post_init__(self) -> None:
        for name in ("min_persons", "min_practices", "min_df_resid"):
            if getattr(self, name) < 0:
                raise DesignError(f"DisclosureRules.{name} is {getattr(self, name)}; it is 0 or more")
        for name in ("max_share_largest", "max_share_two"):
            if not 0 < getattr(self, name) <= 1:
                raise DesignError(f"DisclosureRules.{name} is {getattr(self, name)}; it lies in (0, 1]")

    @classmethod
    def default(cls) -> DisclosureRules:
        """10 persons and 6 practices a cell, 50 % / 90 % dominance, 10 residual degrees of freedom."""
        return cls()

    @classmethod
    def strict_microdata(cls) -> DisclosureRules:
        """For research environments that ask more: 30 persons and 8 practices a cell, 40 % / 75 %, 30 df."""
        return cls(
            min_persons=30, min_practices=8, max_share_largest=0.4, max_share_two=0.75, min_df_resid=30
        )

    @classmethod
    def public_aggregates(cls) -> DisclosureRules:
        """For aggregates that are public already (municipal open data): nothing is left to protect."""
        return cls(min_persons=0, min_practices=0, max_share_largest=1.0, max_share_two=1.0, min_df_resid=0)

    def broken_by(self, estimate: Estimate, *, consented: bool = False) -> str | None:
        """The first rule that an estimate breaks on its own, or None.

        With consent a practice-named estimate is excused from the rules on practices, not from those on
        persons.
        """
        counts = estimate.counts
        if counts.names_practices and not consented:
            return NAMED
        if not counts.cells and (self.min_persons or self.min_practices):
            return NO_EVIDENCE
        for cell in counts.cells:
            broken = self._broken_by_cell(
                cell, named=counts.names_practices, additive=estimate.measure.additive
            )
            if broken:
                return broken
        if counts.level == "person" and self.min_df_resid:
            if counts.df_resid is None or math.isnan(counts.df_resid):
                return RESIDUAL_DF + UNKNOWN
            if counts.df_resid < self.min_df_resid:
                return RESIDUAL_DF
        return None

    def _broken_by_cell(self, cell: Cell, *, named: bool, additive: bool) -> str | None:
        if self.min_persons:
            if cell.persons is None:
                return PERSONS + UNKNOWN
            if cell.persons < self.min_persons:
                return PERSONS
        if self.min_practices and not named and cell.practices < self.min_practices:
            return PRACTICES
        shares = [
            (LARGEST_PERSON, cell.person_share, self.max_share_largest),
            (TWO_PERSONS, cell.two_persons_share, self.max_share_two),
        ]
        if not named:
            shares += [
                (LARGEST_PRACTICE, cell.practice_share, self.max_share_largest),
                (TWO_PRACTICES, cell.two_practices_share, self.max_share_two),
            ]
        for rule, share, limit in shares:
            if limit >= 1:
                continue
            if math.isnan(share):
                if additive:
                    return rule + UNKNOWN
            elif share > limit:
                return rule
        return None


@dataclass(frozen=True)
class Suppressed:
    """What was held back: its name, its term and the rule, never its value."""

    name: str
    term: str
    rule: str


@dataclass(frozen=True)
class Released:
    """Results that passed the gate; only :func:`release` makes one.

    Parameters
    ----------
    sets : tuple of EstimateSet
        What may leave. The functions that an estimate kept for other levels and null values are still there
        for the words; they are never written.
    suppressed : tuple of Suppressed
        What may not, and by which rule.
    rules : DisclosureRules
        The thresholds applied.

    Raises
    ------
    DisclosureError
        If made by anything but :func:`release`.
    """

    sets: tuple[EstimateSet, ...]
    suppressed: tuple[Suppressed, ...]
    rules: DisclosureRules
    gate: InitVar[object] = None

    def __post_init__(self, gate: object) -> None:
        if gate is not _GATE:
            raise DisclosureError("a Released is made by release(items, rules) only, after its checks")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sets that may leave."""
        return tuple(s.name for s in self.sets)

    def __iter__(self) -> Iterator[EstimateSet]:
        return iter(self.sets)

    def __len__(self) -> int:
        return len(self.sets)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> EstimateSet:
        for one in self.sets:
            if one.name == name:
                return one
        rules = sorted({s.rule for s in self.suppressed if s.name == name})
        if rules:
            raise DisclosureError(f"{name} was suppressed: {'; '.join(rules)}")
        raise KeyError(name)


def require_released(value: object, *, by: str) -> Released:
    """The value, if it passed the gate.

    Raises
    ------
    DisclosureError
        If it is anything but a :class:`Released`.
    """
    if not isinstance(value, Released):
        raise DisclosureError(
            f"{by} takes what release(...) returned, found {type(value).__name__}; "
            "call release(items, rules) first"
        )
    return value


@dataclass
class _Seen:
    """What was released so far, per measure, group and single year: what a reader can subtract."""

    released: dict[Key, set[Presence]] = field(default_factory=dict)
    sets: dict[tuple[Key, str], set[frozenset]] = field(default_factory=dict)

    def differencing(self, estimate: Estimate, rules: DisclosureRules) -> str | None:
        """The rule by which an estimate, beside what is out already, reveals a subgroup."""
        least = {"min_practices": rules.min_practices, "min_persons": rules.min_persons}
        for key, one in presences(estimate.measure.key, estimate.counts.cells):
            for other in self.released.get(key, ()):
                found = revealed(one, other, **least)
                if found is not None:
                    return DIFFERENCE_PRACTICES if found == BETWEEN_PRACTICES else DIFFERENCE_PERSONS
            if rules.min_persons and any(self._few_persons(key, one, rules.min_persons)):
                return DIFFERENCE_PERSONS
        for place, further in _sets(estimate).items():
            known = self.sets.get(place, set())
            if not further <= known and leaves_few_alone(known | further, min_practices=rules.min_practices):
                return DIFFERENCE_PRACTICES
        return None

    def _few_persons(self, key: Key, one: Presence, least: int) -> Iterator[bool]:
        """Whether few persons are counted by the one and not by the other of two nested measures."""
        for other_key, others in self.released.items():
            if other_key[1:] != key[1:] or not nested(other_key[0], key[0]):
                continue
            for other in others:
                if one.persons is not None and other.persons is not None and not (one.part or other.part):
                    yield 0 < abs(one.persons - other.persons) < least

    def add(self, estimate: Estimate) -> None:
        for key, one in presences(estimate.measure.key, estimate.counts.cells):
            self.released.setdefault(key, set()).add(one)
        for place, further in _sets(estimate).items():
            self.sets.setdefault(place, set()).update(further)


def _sets(estimate: Estimate) -> dict[tuple[Key, str], set[frozenset]]:
    """The practices behind a number by name: of each single year, and of each window as a whole."""
    found: dict[tuple[Key, str], set[frozenset]] = {}
    for key, one in presences(estimate.measure.key, estimate.counts.cells):
        for window, members in (("", one.members), (one.period, one.whole_members)):
            if members:
                found.setdefault((key, window), set()).add(members)
    return found


def _complement(one: EstimateSet, kept: list[Estimate], rules: DisclosureRules) -> list[Estimate]:
    """The shares to hold back beside suppressed ones: the shares of a group sum to the whole.

    In a group with a suppressed share the smallest others go too, until what is missing from 100 % is at
    least two shares and the minimum of persons.
    """
    if one.display != "distribution":
        return []
    out: list[Estimate] = []
    for group in dict.fromkeys(e.group for e in one.estimates):
        held = [e for e in one.estimates if e.group == group and e not in kept]
        rest = sorted((e for e in kept if e.group == group), key=lambda e: e.nobs)
        while held and rest and (len(held) < 2 or sum(e.nobs for e in held) < rules.min_persons):
            out.append(rest.pop(0))
            held.append(out[-1])
    return out


def _as_set(item: Estimate | EstimateSet) -> EstimateSet:
    if isinstance(item, EstimateSet):
        one = item
    elif isinstance(item, Estimate):
        name = re.sub(r"[^a-z0-9]+", "_", item.term.lower()).strip("_") or "estimate"
        one = EstimateSet(name=name, title=item.term, estimates=(item,))
    else:
        raise DisclosureError(f"release takes Estimate and EstimateSet, found {type(item).__name__}")
    if not _NAME.fullmatch(one.name):
        raise DesignError(
            f"EstimateSet name {one.name!r} cannot be a file name; use lower-case words joined by dots, "
            "as 'costs.msz.primary'"
        )
    return one


def release(
    items: Iterable[Estimate | EstimateSet],
    rules: DisclosureRules,
    *,
    consented: bool = False,
) -> Released:
    """What may leave, after every rule on every estimate and on the set as a whole.

    Every cell behind an estimate is checked for persons and for practices (separate rules) and for dominance;
    models on person records for residual degrees of freedom; practice-named results (leave-one-out among
    them) pass with consent only. Then the whole: two numbers of one measure and group that share a year and
    differ by fewer practices or persons than the minimum reveal those between them, so the later one is held
    back; and where a share of a distribution is held back, the smallest others of its group are too. Put the
    results that matter most first.

    Parameters
    ----------
    items : iterable of Estimate or EstimateSet
        Results in order of importance; a bare estimate becomes a set named after its term.
    rules : DisclosureRules
        The thresholds.
    consented : bool
        Whether the plan says that the practices consented to practice-named results. These are then not used
        in the check by differences.

    Returns
    -------
    Released
        The sets that passed, the list of what did not, the rules. Counts of losses below ``min_persons`` are
        replaced by "fewer than", and the other losses are rounded then. The ends of sign-flip intervals
        have four digits. A joint test over a suppressed estimate is suppressed too.

    Raises
    ------
    DisclosureError
        If an item is no Estimate or EstimateSet, or the rules are no DisclosureRules.
    DesignError
        If two sets share a name, or a name cannot be a file name.
    """
    if not isinstance(rules, DisclosureRules):
        raise DisclosureError("release needs DisclosureRules; DisclosureRules.default() is a start")
    if isinstance(items, (Estimate, EstimateSet)) and not isinstance(items, list):
        items = [items]
    seen, out, held = _Seen(), [], []
    names: set[str] = set()
    for one in map(_as_set, items):
        if one.name in names:
            raise DesignError(f"two results are named {one.name!r}; names are unique in a run")
        names.add(one.name)
        kept = []
        for estimate in one.estimates:
            rule = rules.broken_by(estimate, consented=consented)
            if rule is None and not estimate.counts.names_practices:
                rule = seen.differencing(estimate, rules)
            if rule is not None:
                held.append(Suppressed(one.name, estimate.term, rule))
                continue
            if not estimate.counts.names_practices:
                seen.add(estimate)
            kept.append(estimate)
        for estimate in _complement(one, kept, rules):
            kept.remove(estimate)
            held.append(Suppressed(one.name, estimate.term, COMPLEMENT))
        whole = len(kept) == len(one.estimates)
        if not whole:
            held.extend(Suppressed(one.name, joint.name, JOINT) for joint in one.joint)
        if kept:
            out.append(replace(one, estimates=tuple(kept), joint=one.joint if whole else ()))
    if rules.min_practices and not consented:
        out = [with_blurred_ends(one) for one in out]
    out = without_small_counts(out, min_persons=rules.min_persons, min_practices=rules.min_practices)
    return Released(sets=tuple(out), suppressed=tuple(held), rules=rules, gate=_GATE)
