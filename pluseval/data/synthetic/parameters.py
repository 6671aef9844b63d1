"""Every number that the synthetic study is calibrated to, each a parameter with its default."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from pluseval.data.synthetic.programmes import OZL, PROGRAMMES, Programme, require, resized

GENERATOR_VERSION = "1"


def _share(name: str, value: float) -> None:
    require(0 <= value <= 1, f"{name} is {value}; it is a share between 0 and 1")


@dataclass(frozen=True)
class Population:
    """Who is enlisted: ages, moves, deaths and births.

    ``movers`` is the yearly share that leaves its practice; ``movers_within`` of them go to another practice
    of the region, the others leave the region and are replaced. Mortality is Gompertz with these modal ages
    of death and a growth of ``gompertz`` a year; births replace deaths, so that list sizes follow
    ``list_growth_sd`` (SD between practices of the relative growth a year) alone.
    """

    movers: float = 0.03
    movers_within: float = 0.6
    modal_death_women: float = 88.0
    modal_death_men: float = 84.0
    gompertz: float = 0.10
    list_growth_sd: float = 0.008

    def __post_init__(self) -> None:
        _share("Population.movers", self.movers)
        _share("Population.movers_within", self.movers_within)
        require(self.list_growth_sd >= 0, "Population.list_growth_sd must not be negative")


@dataclass(frozen=True)
class Referrals:
    """Referrals per 100 enlisted: levels of the anchor year, common trend, variation, specialties.

    ``change_2019`` is the change 2018 -> 2019 that both groups would have without any effect. Practice-year
    shocks have SD ``practice_year_sd`` beyond Poisson and autocorrelation ``practice_year_ar``.
    """

    level_programme: float = 34.3
    level_comparison: float = 35.5
    trend: float = 0.3
    change_2019: float = 1.4
    covid_2020: float = -0.19
    practice_sd: float = 3.0
    practice_year_sd: float = 2.4
    practice_year_ar: float = 0.0
    regression_to_mean: float = 0.0
    pluspunt_programme: float = 3.0
    pluspunt_comparison: float = 1.5
    pluspunt_from: int = 2016
    pluspunt_cv: float = 0.3
    women_to_men: float = 1.33
    person_sd: float = 0.8
    specialties: tuple[tuple[str, float], ...] = (
        ("dermatology", 10.0),
        ("ophthalmology", 9.3),
        ("ear nose throat", 8.9),
        ("orthopaedics", 8.8),
        ("surgery", 8.5),
        ("internal medicine", 7.0),
        ("cardiology", 7.0),
        ("neurology", 6.5),
        ("gynaecology", 6.0),
        ("gastroenterology", 5.0),
        ("urology", 5.0),
        ("pulmonology", 4.0),
        ("mental health", 4.0),
        ("paediatrics", 3.0),
        ("rheumatology", 3.0),
        ("plastic surgery", 2.0),
        ("geriatrics", 1.0),
        ("rehabilitation", 1.0),
    )
    pluspunt_specialties: tuple[tuple[str, float], ...] = (
        ("cardiology", 40.0),
        ("geriatrics", 25.0),
        ("dermatology", 20.0),
        ("orthopaedics", 15.0),
    )

    def __post_init__(self) -> None:
        require(min(self.level_programme, self.level_comparison) > 0, "referral levels must be positive")
        require(
            min(self.practice_sd, self.practice_year_sd, self.person_sd) >= 0,
            "SDs of referrals must not be negative",
        )
        require(abs(self.practice_year_ar) < 1, "Referrals.practice_year_ar must lie between -1 and 1")
        require(self.covid_2020 > -1, "Referrals.covid_2020 is a relative change above -1")


@dataclass(frozen=True)
class Costs:
    """Costs in nominal euros per insured-year: regional levels of the anchor year, trend, skew.

    ``discount_msz`` and ``discount_total`` are the lower levels of the programme practices before any effect
    (voluntary selection). A person's total is log-normal with SD ``sigma`` of the logarithm, cut off at
    ``largest_z`` standard deviations; logarithms of one person in two years correlate ``person_correlation``;
    ``age_share`` is the part of the lasting person variance that age explains. ``zero_msz`` of the persons
    have no MSZ cost in a year. ``practice_cv`` 0.12 is a practice ICC of about 0.001, because persons spread
    about 12,000 euros around a mean of 3,400; ``practice_year_cv`` is specified apart from it.
    """

    msz_2018: float = 1_755.0
    total_2018: float = 3_400.0
    discount_msz: float = -0.06
    discount_total: float = -0.04
    trend: float = 0.025
    practice_cv: float = 0.12
    practice_year_cv: float = 0.02
    sigma: float = 1.7
    largest_z: float = 4.5
    person_correlation: float = 0.6
    age_share: float = 0.25
    zero_msz: float = 0.20
    zero_correlation: float = 0.5
    msz_share_logit: float = 0.45
    msz_share_sd: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.msz_2018 < self.total_2018, "MSZ cost must be positive and below total cost")
        _share("Costs.person_correlation", self.person_correlation)
        _share("Costs.zero_msz", self.zero_msz)
        require(self.sigma > 0, "Costs.sigma must be positive")
        require(min(self.practice_cv, self.practice_year_cv) >= 0, "CVs of costs must not be negative")


@dataclass(frozen=True)
class Surveys:
    """Questionnaires: waves, numbers sent, response, and the latent scales behind the answers.

    Answers come from latent standard normal scales cut at the given cumulative shares, so that the Dutch
    utility has mean 0.86 and SD 0.19, the grade 8.7 (1.1) and the NPS 60. ``*_practice`` and ``*_person`` are
    variance shares of the latent scales, larger than the correlations wanted of the answers (practice 0.01
    for utility and VAS, 0.04 for grade; person between waves 0.7 and 0.5) because cutting attenuates them;
    the VAS (76, SD 17) is cut at 100. ``practice_wave`` is the part of the practice share that changes from
    wave to wave.
    """

    waves: tuple[int, ...] = (2016, 2017, 2018, 2019)
    sent: int = 120
    response: tuple[float, float] = (0.45, 0.38)
    comparators: int = 20
    comparators_sent: int = 60
    missing: float = 0.03
    adult_age: int = 18
    items: tuple[tuple[str, tuple[float, ...]], ...] = (
        ("eq_mobility", (0.745, 0.135, 0.078, 0.038, 0.004)),
        ("eq_self_care", (0.93, 0.04, 0.02, 0.007, 0.003)),
        ("eq_usual_activities", (0.745, 0.155, 0.07, 0.025, 0.005)),
        ("eq_pain", (0.50, 0.325, 0.13, 0.040, 0.005)),
        ("eq_anxiety", (0.765, 0.16, 0.06, 0.012, 0.003)),
    )
    item_loading: float = 0.8
    health_practice: float = 0.018
    health_person: float = 0.80
    vas_mean: float = 76.9
    vas_sd: float = 18.4
    vas_loading: float = 0.7
    vas_person: float = 0.6
    response_person: float = 0.5
    grade_shares: tuple[float, ...] = (
        0.0005, 0.0005, 0.001, 0.002, 0.003, 0.008, 0.02, 0.075, 0.25, 0.39, 0.25,
    )  # fmt: skip
    nps_shares: tuple[float, ...] = (
        0.001, 0.001, 0.002, 0.003, 0.006, 0.015, 0.032, 0.08, 0.20, 0.30, 0.36,
    )  # fmt: skip
    grade_nps_correlation: float = 0.7
    experience_practice: float = 0.050
    experience_person: float = 0.56
    practice_wave: float = 0.2

    def __post_init__(self) -> None:
        require(len(self.waves) >= 1 and list(self.waves) == sorted(set(self.waves)), "waves must ascend")
        for name in ("missing", "item_loading", "health_person", "practice_wave", "vas_person"):
            _share(f"Surveys.{name}", getattr(self, name))
        for rate in self.response:
            _share("Surveys.response", rate)
        rows = [shares for _, shares in self.items] + [self.grade_shares, self.nps_shares]
        require(
            all(abs(sum(r) - 1) < 1e-9 and min(r) > 0 for r in rows),
            "shares of answers must be positive and sum to 1",
        )
        require(min(self.sent, self.comparators_sent) >= 1, "at least one questionnaire must be sent")
        require(self.health_practice < self.health_person, "the person share includes the practice share")
        require(
            self.experience_practice < self.experience_person,
            "the person share includes the practice share",
        )

    def response_of(self, wave: int) -> float:
        """Share that responds in a wave: falling evenly from the first wave to the last."""
        position = self.waves.index(wave) / max(1, len(self.waves) - 1)
        return self.response[0] + position * (self.response[1] - self.response[0])


@dataclass(frozen=True)
class Parameters:
    """Everything the generator needs beside the seed, the kind and the effects.

    Parameters
    ----------
    first_year, last_year : int
        Calendar years of claims and referrals.
    anchor_year : int
        Year to which levels and list sizes refer.
    programmes : tuple of Programme
        Regions with their programme and comparison practices.
    population, referrals, costs, surveys
        The parts.

    Examples
    --------
    >>> Parameters().patients
    248710.0
    >>> Parameters.sized(programmes=("WM",), patients=50_000).programmes[0].treated
    9
    """

    first_year: int = 2013
    last_year: int = 2020
    anchor_year: int = 2018
    programmes: tuple[Programme, ...] = (OZL,)
    population: Population = field(default_factory=Population)
    referrals: Referrals = field(default_factory=Referrals)
    costs: Costs = field(default_factory=Costs)
    surveys: Surveys = field(default_factory=Surveys)

    def __post_init__(self) -> None:
        require(self.first_year < self.last_year, "first_year must lie before last_year")
        require(bool(self.programmes), "a study needs at least one programme")
        names = [p.name for p in self.programmes]
        require(len(set(names)) == len(names), f"programmes {', '.join(names)}: each can appear once")
        for programme in self.programmes:
            years = [int(start[:4]) for start, _ in programme.starts]
            require(
                all(self.first_year <= y <= self.last_year for y in years),
                f"Programme {programme.name}: a start lies outside {self.first_year}-{self.last_year}",
            )
        require(
            all(self.first_year <= w <= self.last_year for w in self.surveys.waves),
            f"survey waves must lie inside {self.first_year}-{self.last_year}",
        )

    @classmethod
    def sized(
        cls,
        *,
        programmes: Iterable[str] = ("OZL",),
        treated: int | None = None,
        comparators: int | None = None,
        patients: int | None = None,
        **parts: Any,
    ) -> Parameters:
        """Parameters with other programmes or numbers.

        Parameters
        ----------
        programmes : iterable of {"OZL", "WM", "MH"}
            Programmes to generate.
        treated, comparators : int, optional
            Practices per programme and outside it, for every programme named; the published numbers by
            default.
        patients : int, optional
            Persons enlisted in the anchor year over all practices; mean list sizes are scaled to it.
        **parts
            Other fields of `Parameters`.

        Raises
        ------
        DesignError
            If a programme is not known or a number is too small.
        """
        chosen = []
        for name in programmes:
            require(name in PROGRAMMES, f"programme {name!r} is not one of {', '.join(PROGRAMMES)}")
            chosen.append(resized(PROGRAMMES[name], treated, comparators))
        if patients is not None:
            scale = patients / sum(p.patients for p in chosen)
            chosen = [
                replace(p, mean_list=p.mean_list * scale, comparator_mean_list=p.comparator_mean_list * scale)
                for p in chosen
            ]
        return cls(programmes=tuple(chosen), **parts)

    @property
    def years(self) -> tuple[int, ...]:
        """Calendar years, ascending."""
        return tuple(range(self.first_year, self.last_year + 1))

    @property
    def patients(self) -> float:
        """Persons enlisted in the anchor year."""
        return sum(p.patients for p in self.programmes)

    def as_dict(self) -> dict[str, Any]:
        """Every parameter as plain numbers, strings, lists and dictionaries."""
        return dataclasses.asdict(self)

    @property
    def content_hash(self) -> str:
        """SHA-256 of every parameter and of the generator's version: the key of a cache."""
        text = json.dumps([GENERATOR_VERSION, self.as_dict()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
