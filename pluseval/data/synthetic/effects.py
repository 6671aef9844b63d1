"""The planted truth: what the programme does to each outcome, from when, and how unevenly."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pluseval.errors import DesignError, NotFoundError, UnreadableError


@dataclass(frozen=True)
class Effect:
    """The effect on one outcome.

    Parameters
    ----------
    size : float
        Effect of a full year in the programme, averaged over programme practices: points (referrals per 100,
        utility, VAS, grade, NPS) or, for costs, a relative change (-0.01 is one percent lower).
    from_year : int, optional
        First year with an effect; without it, the start of each practice. A year in which a practice was in
        the programme for a part counts for that part.
    between_practice_sd : float
        SD of the practices' own effects around ``size``, same unit.
    """

    size: float = 0.0
    from_year: int | None = None
    between_practice_sd: float = 0.0

    def __post_init__(self) -> None:
        if not self.between_practice_sd >= 0:
            raise DesignError("Effect.between_practice_sd must not be negative")


@dataclass(frozen=True)
class Effects:
    """Effects on every outcome of the study, with the name of the set."""

    name: str
    referral_percentage: Effect = Effect()
    cost_msz: Effect = Effect()
    cost_total: Effect = Effect()
    eq5d_utility: Effect = Effect()
    eq_vas: Effect = Effect()
    grade: Effect = Effect()
    nps: Effect = Effect()

    def outcomes(self) -> dict[str, Effect]:
        """Effect by outcome."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "name"}

    def as_dict(self) -> dict[str, Any]:
        """The set as plain values, as `truth.json` and a TOML file hold it."""
        return dataclasses.asdict(self)


DEFAULT = Effects(
    "default",
    referral_percentage=Effect(-1.5, from_year=2019),
    cost_msz=Effect(-0.01),
    cost_total=Effect(-0.005),
)
NULL = Effects("null")
# Large enough that an evaluation of 14 practices tells them from no effect. Surveys move after the first
# wave, because a change over waves cannot show what was there before it.
BENEFIT = Effects(
    "benefit",
    referral_percentage=Effect(-8.0, from_year=2019),
    cost_msz=Effect(-0.25),
    cost_total=Effect(-0.18),
    eq5d_utility=Effect(0.06, from_year=2017),
    eq_vas=Effect(5.0, from_year=2017),
    grade=Effect(0.5, from_year=2017),
    nps=Effect(20.0, from_year=2017),
)
HARM = Effects(
    "harm",
    referral_percentage=Effect(8.0, from_year=2019),
    cost_msz=Effect(0.25),
    cost_total=Effect(0.18),
    eq5d_utility=Effect(-0.08, from_year=2017),
    eq_vas=Effect(-7.0, from_year=2017),
    grade=Effect(-0.7, from_year=2017),
    nps=Effect(-30.0, from_year=2017),
)
HETEROGENEOUS = Effects(
    "heterogeneous",
    referral_percentage=Effect(-1.5, from_year=2019, between_practice_sd=3.4),
    cost_msz=Effect(-0.01, between_practice_sd=0.03),
    cost_total=Effect(-0.005, between_practice_sd=0.015),
    eq5d_utility=Effect(0.0, from_year=2017, between_practice_sd=0.02),
    eq_vas=Effect(0.0, from_year=2017, between_practice_sd=2.0),
    grade=Effect(0.0, from_year=2017, between_practice_sd=0.15),
    nps=Effect(0.0, from_year=2017, between_practice_sd=6.0),
)
EFFECTS: Mapping[str, Effects] = MappingProxyType(
    {e.name: e for e in (DEFAULT, NULL, BENEFIT, HARM, HETEROGENEOUS)}
)


def effects_of(choice: Effects | str | Path | Mapping[str, Any]) -> Effects:
    """A set of effects from a name, a TOML file or a mapping.

    Parameters
    ----------
    choice : Effects, str, Path or mapping
        One of ``default``, ``null``, ``benefit``, ``harm``, ``heterogeneous``; or a TOML file with one table
        per outcome (``size``, ``from_year``, ``between_practice_sd``); outcomes not named have no effect.

    Raises
    ------
    NotFoundError
        If the name is not known and no such file exists.
    UnreadableError
        If the file is not TOML.
    DesignError
        If an outcome or a key is not known, or a value is not a number.

    Examples
    --------
    >>> effects_of("default").referral_percentage.size
    -1.5
    >>> effects_of({"grade": {"size": 0.2}}).grade.size
    0.2
    """
    if isinstance(choice, Effects):
        return choice
    if isinstance(choice, Mapping):
        return _from_mapping(choice, "effects")
    if str(choice) in EFFECTS:
        return EFFECTS[str(choice)]
    path = Path(choice)
    if not path.is_file():
        raise NotFoundError(
            f"effects {path.name!r} is neither one of {', '.join(EFFECTS)} nor a TOML file that is there"
        )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path.name} is not a TOML file: {error}") from error
    return _from_mapping(content, path.stem)


def _from_mapping(content: Mapping[str, Any], fallback: str) -> Effects:
    outcomes = set(NULL.outcomes())
    unknown = sorted(set(content) - outcomes - {"name"})
    if unknown:
        raise DesignError(
            f"effects on unknown outcomes: {', '.join(unknown)}; known are {', '.join(sorted(outcomes))}"
        )
    keys = {f.name for f in dataclasses.fields(Effect)}
    made = {}
    for outcome in sorted(set(content) & outcomes):
        table = content[outcome]
        if not isinstance(table, Mapping):
            raise DesignError(f"effects.{outcome} must be a table with {', '.join(sorted(keys))}")
        wrong = sorted(set(table) - keys)
        if wrong:
            raise DesignError(f"effects.{outcome} has unknown keys {', '.join(wrong)}")
        bad = [k for k, v in table.items() if isinstance(v, bool) or not isinstance(v, int | float)]
        if bad:
            raise DesignError(f"effects.{outcome}.{bad[0]} must be a number")
        made[outcome] = Effect(**table)
    return Effects(str(content.get("name", fallback)), **made)
