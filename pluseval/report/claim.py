"""The published claims as they are declared: what was said, by whom, and what it is held against."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pluseval.errors import DesignError
from pluseval.report.catalogue import SETS

RULE_NAMES = (
    "value",
    "not_significant",
    "equivalent",
    "range",
    "lower_every_year",
    "lowest_at",
    "expected_saving",
    "positive",
    "lowest_rank",
    "shown",
    "contradiction",
)


@dataclass(frozen=True)
class Claim:
    """One published claim, restated, and how a re-run number is held against it.

    Parameters
    ----------
    id, text, published, source : str
        Number, restated claim, what was printed, and by whom.
    rule : str
        Which comparison decides (a key of :data:`pluseval.report.claim_rules.RULES`).
    set : str
        The set whose number is re-run; empty where there is none.
    also : tuple of str
        Sets shown beside it.
    unchanged : tuple of str
        Sets whose first number the claim says did not change: what their intervals rule out is told.
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
    unchanged: tuple[str, ...] = ()
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
        if self.rule not in RULE_NAMES:
            raise DesignError(f"{self.id}: no rule {self.rule!r}; one of {', '.join(RULE_NAMES)}")
        unknown = [name for name in (self.set, *self.also, *self.unchanged) if name and name not in SETS]
        if unknown:
            raise DesignError(f"{self.id}: {', '.join(unknown)} is not in the catalogue of sets")


@cache
def claims() -> tuple[Claim, ...]:
    """The claims C1-C19 as declared in ``claims.toml``."""
    content = tomllib.loads(Path(__file__).with_name("claims.toml").read_text(encoding="utf-8"))
    lists = ("also", "unchanged", "against")
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
    return {c.id: tuple(dict.fromkeys(n for n in (c.set, *c.also, *c.unchanged) if n)) for c in claims()}
