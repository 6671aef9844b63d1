"""The analysis plan: read from TOML, checked whole, hashed; a plan in hand is a valid one."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pluseval.errors import NotFoundError, PlanError

Years = tuple[int, int]
Question = Literal["health_status", "experienced_quality", "costs", "referrals"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InferenceChoice(_Section):
    """Which procedure gives the interval and the p-value; parameters go to the value of that name.

    ``procedure`` is a name of :data:`pluseval.estimate.registry.INFERENCES`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    procedure: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The choices beside ``procedure``."""
        return dict(self.__pydantic_extra__ or {})


class Windows(_Section):
    """The calendar of the design."""

    before: Years
    after: Years
    transition: tuple[int, ...] = ()
    covid: tuple[int, ...] = ()
    reference: int

    @model_validator(mode="after")
    def _ordered(self) -> Windows:
        if not self.before[0] <= self.before[1] < self.after[0] <= self.after[1]:
            raise ValueError("windows.before must lie wholly before windows.after")
        return self


class EstimandChoice(_Section):
    """The fields of the estimand sheet that hold for all outcomes."""

    population: str
    attribution: Literal["enlisted_1_july", "practice_2015"] = "enlisted_1_july"
    weight: Literal["practice", "exposure"] = "practice"
    average: Literal["ratio_of_sums", "mean_of_ratios"] = "ratio_of_sums"
    treated_as: str = "as assigned"


class DisclosureChoice(_Section):
    """The rules of the gate, and whether the practices consented to be named."""

    min_persons: int = Field(ge=1)
    min_practices: int = Field(ge=1)
    max_share_largest: float = Field(gt=0, le=1)
    max_share_two: float = Field(gt=0, le=1)
    min_df_resid: int = Field(ge=0)
    practices_consented: bool = False


class Comparators(_Section):
    """Which comparators are eligible in which years."""

    programme: str
    years: Years
    rule: str


class CoIntervention(_Section):
    """A rival explanation in the same region and years."""

    name: str
    years: Years
    concerns: str


class Variation(_Section):
    """A sensitivity analysis: what differs from the primary one."""

    name: str
    design: Literal["did", "single_arm"] | None = None
    periods: tuple[int, ...] | None = None
    windows: tuple[Years, Years] | None = None
    inference: InferenceChoice | None = None
    weight: Literal["practice", "exposure"] | None = None
    average: Literal["ratio_of_sums", "mean_of_ratios"] | None = None
    attribution: Literal["enlisted_1_july", "practice_2015"] | None = None
    adjust: tuple[str, ...] | None = None
    options: dict[str, Any] | None = None


class Adjacent(_Section):
    """All adjacent-year changes: how each is tested, and the common permutation of the max-t over them."""

    inference: InferenceChoice
    statistic: Literal["studentised", "pooled"] = "studentised"
    draws: Annotated[int, Field(ge=99)]
    seed: int


class SideBySide(_Section):
    """One effect under several procedures, and the specification curve: draws and seed of what is drawn."""

    draws: Annotated[int, Field(ge=99)]
    seed: int


class Detectable(_Section):
    """The minimal detectable effect on the data of a run: placebo assignments, seed, and whose data.

    ``windows`` are needed where the plan's own do not lie before the first start.
    """

    draws: Annotated[int, Field(ge=100)]
    seed: int
    using: Literal["comparison", "before"] = "comparison"
    windows: tuple[Years, Years] | None = None


class CredibilityDesign(_Section):
    """What is tried where no effect can be, and how far its assumption may fail: alike for every outcome.

    ``placebo_periods`` and ``baselines`` are windows before the start; ``power`` the chances with which a
    reader finds a difference in trends; ``relative`` how many times the largest violation before the start
    the one after it may be.
    """

    placebo_periods: tuple[tuple[Years, Years], ...]
    baselines: tuple[Years, Years]
    power: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.8)
    relative: tuple[Annotated[float, Field(ge=0)], ...]
    comparators: tuple[Literal["list_size_overlap", "largest_third", "same_region"], ...]

    @model_validator(mode="after")
    def _ordered(self) -> CredibilityDesign:
        for (_, last), (first, _) in (*self.placebo_periods, self.baselines):
            if not last < first:
                raise ValueError("credibility: the first window of a pair lies wholly before the second")
        if not self.relative or self.relative[0] != 0 or list(self.relative) != sorted(set(self.relative)):
            raise ValueError("credibility.relative rises from 0, which takes trends to be parallel")
        return self


class PlaceboOutcome(_Section):
    """An outcome that the programme cannot have changed, as the plan claims: its function and options."""

    name: str
    function: Annotated[str, Field(pattern=r"^([\w.]+:)?\w+$")]
    options: dict[str, Any] = {}


class Credibility(_Section):
    """The checks of credibility of one outcome: seed and draws, and what depends on what is measured.

    ``smooth`` bounds by how much the difference in trends may bend a year, in the unit of a difference; 0
    lets it go on in a straight line.
    """

    seed: int
    draws: Annotated[int, Field(ge=99)] = 999
    smooth: tuple[Annotated[float, Field(ge=0)], ...] = ()
    placebo_outcomes: tuple[PlaceboOutcome, ...] = ()


class LuckChoice(_Section):
    """The planted practice-level studies whose p-values stand beside the published one."""

    studies: Annotated[int, Field(ge=100)]
    seed: int
    published_p: float = Field(gt=0, lt=0.05)


class Outcome(_Section):
    """One planned outcome: what is measured, with which design, hypothesis and inference."""

    key: Annotated[str, Field(pattern=r"^[a-z]+\.[a-z0-9_]+$")]
    question: Question
    function: Annotated[str, Field(pattern=r"^([\w.]+:)?\w+$")]
    options: dict[str, Any] = {}
    table: Literal["surveys", "insured_years", "referrals"]
    design: Literal["did", "single_arm"]
    periods: tuple[int, ...] | None = None
    windows: tuple[Years, Years] | None = None
    hypothesis: Literal["superiority", "noninferiority", "description"]
    margin: float | None = Field(default=None, gt=0)
    inference: InferenceChoice
    adjust: tuple[str, ...] = ()
    ratio: bool = False
    event_study: bool = False
    staggered: bool = False
    adjacent: Adjacent | None = None
    published: Variation | None = None
    luck: LuckChoice | None = None
    robustness: SideBySide | None = None
    detectable: Detectable | None = None
    credibility: Credibility | None = None
    by_specialty: bool = False
    sensitivity: tuple[Variation, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Outcome:
        if self.hypothesis == "noninferiority" and self.margin is None:
            raise ValueError(f"outcome {self.key}: a non-inferiority hypothesis needs a margin")
        if self.periods and self.windows:
            raise ValueError(f"outcome {self.key}: give periods or windows, not both")
        if self.periods is not None and len(self.periods) not in (0, 2):
            raise ValueError(f"outcome {self.key}: periods names two periods")
        if self.credibility is not None and self.design != "did":
            raise ValueError(
                f"outcome {self.key}: credibility checks compare two groups; design is single_arm"
            )
        if self.by_specialty and self.table != "referrals":
            raise ValueError(f"outcome {self.key}: by_specialty is for referrals")
        names = [v.name for v in self.sensitivity]
        if len(set(names)) != len(names):
            raise ValueError(f"outcome {self.key}: the names of the sensitivity analyses must differ")
        return self


class Municipal(_Section):
    """The analysis of the public municipal data."""

    partitions: int = Field(ge=1)
    seed: int
    size_tolerance: float = Field(gt=0, lt=1)
    min_donor_insured_years_2015: float = Field(ge=0)
    pilot_before: Years
    pilot_after: Years
    contract_before: Years
    contract_after: Years


class Plan(_Section):
    """A valid analysis plan; ``hash`` changes with any of its values."""

    title: str
    statement: str
    programme: str
    alpha: float = Field(default=0.05, gt=0, lt=1)
    windows: Windows
    estimand: EstimandChoice
    disclosure: DisclosureChoice
    comparators: tuple[Comparators, ...] = ()
    co_interventions: tuple[CoIntervention, ...] = ()
    credibility: CredibilityDesign | None = None
    outcomes: tuple[Outcome, ...]
    municipal: Municipal

    @model_validator(mode="after")
    def _unique(self) -> Plan:
        keys = [o.key for o in self.outcomes]
        if len(set(keys)) != len(keys):
            raise ValueError("two outcomes have one key")
        asking = [o.key for o in self.outcomes if o.credibility is not None]
        if asking and self.credibility is None:
            raise ValueError(f"{', '.join(asking)}: credibility checks need the plan's table [credibility]")
        return self

    @model_validator(mode="after")
    def _nothing_happened_yet(self) -> Plan:
        if self.credibility is not None:
            first, last = self.windows.before
            pairs = (*self.credibility.placebo_periods, self.credibility.baselines)
            if any(not first <= a <= b <= last for pair in pairs for a, b in pair):
                raise ValueError(
                    "credibility: placebo_periods and baselines lie within windows.before, when nobody had "
                    "started"
                )
        return self

    @property
    def hash(self) -> str:
        """SHA-256 of the plan's values: comments and layout do not count, every value does."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def outcome(self, key: str) -> Outcome:
        """The planned outcome of that key.

        Raises
        ------
        PlanError
            If the plan has no such outcome.
        """
        for outcome in self.outcomes:
            if outcome.key == key:
                return outcome
        raise PlanError(f"the plan has no outcome {key!r}; it has {', '.join(o.key for o in self.outcomes)}")

    def of_question(self, question: Question) -> tuple[Outcome, ...]:
        """The planned outcomes of one question, in the plan's order."""
        return tuple(o for o in self.outcomes if o.question == question)


def read_plan(path: str | Path) -> Plan:
    """Read a plan from a TOML file.

    Raises
    ------
    NotFoundError
        If the file is not there.
    PlanError
        If it is not TOML, or a value is missing, unknown or impossible; every failure is named.
    """
    path = Path(path)
    if not path.is_file():
        raise NotFoundError(f"plan {path.name} is not there; the plan of the project is analyses/plan.toml")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanError(f"plan {path.name} is not valid TOML: {error}") from None
    return plan_from(values, name=path.name)


def plan_from(values: Mapping[str, Any], *, name: str = "plan") -> Plan:
    """A plan from values at hand; see :func:`read_plan`."""
    try:
        return Plan.model_validate(dict(values))
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc'])) or 'plan'}: {e['msg']}" for e in error.errors()]
        raise PlanError(f"{name} is not a valid plan:\n" + "\n".join(lines)) from None
