"""Levels of every practice in every year, drawn before any person: planted shocks and planted effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pluseval.data.synthetic.effects import Effects
from pluseval.data.synthetic.parameters import Parameters
from pluseval.data.synthetic.practices import Roster
from pluseval.data.synthetic.streams import stream
from pluseval.errors import DesignError


@dataclass(frozen=True)
class ReferralLevels:
    """Referrals of each practice and year, shape (G, Y): expected per 100 enlisted, and counts."""

    rate: np.ndarray
    hospital: np.ndarray
    pluspunt: np.ndarray


@dataclass(frozen=True)
class CostLevels:
    """Expected euros per insured-year of each practice and year, shape (G, Y).

    ``exact`` says that persons' costs are scaled to these levels (a conditioned study); otherwise persons'
    draws scatter around them.
    """

    msz: np.ndarray
    total: np.ndarray
    exact: bool = False


@dataclass(frozen=True)
class SurveyLevels:
    """Practice components of the latent scales, shape (G, W): health and experience, variance included."""

    health: np.ndarray
    experience: np.ndarray


def practice_effects(roster: Roster, effects: Effects, *, seed: int) -> dict[str, np.ndarray]:
    """The true effect of a full year on every practice, by outcome, shape (G,); 0 where not treated."""
    rng = stream(seed, "effects")
    own = {}
    for outcome, effect in effects.outcomes().items():
        deviation = effect.between_practice_sd * rng.standard_normal(len(roster.ids))
        own[outcome] = np.where(roster.treated, effect.size + deviation, 0.0)
    return own


def in_force(roster: Roster, from_year: int | None) -> np.ndarray:
    """Part of each year in which an effect is in force, shape (G, Y)."""
    years = np.array(roster.years)
    return roster.dose * (years >= (from_year or years[0]))


def common_trend(parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Change of the referral level against the anchor year, and its COVID factor, each of shape (Y,)."""
    r, years = parameters.referrals, np.array(parameters.years)
    change = r.trend * (years - 2018.0)
    change = np.where(years >= 2019, r.change_2019 + r.trend * np.maximum(years - 2020, 0), change)
    anchor = change[years == parameters.anchor_year]
    factor = np.where(years == 2020, 1 + r.covid_2020, 1.0)
    return change - (anchor[0] if len(anchor) else 0.0), factor


def referral_levels(
    roster: Roster,
    parameters: Parameters,
    effects: Effects,
    own: Mapping[str, np.ndarray],
    *,
    seed: int,
    attempt: int = 0,
    centred: bool = False,
) -> ReferralLevels:
    """Referral counts of every practice and year.

    Parameters
    ----------
    attempt : int
        Number of the draw: a conditioned study draws until the published pattern is met.
    centred : bool
        Whether the lasting differences between practices average 0 within each group, so that the groups
        stand at their published distance.
    """
    r = parameters.referrals
    rng = stream(seed, "referral levels", attempt)
    shape = roster.list_size.shape
    lasting = r.practice_sd * rng.standard_normal(shape[:1])
    if centred:
        lasting = _centre(lasting, roster.treated)
    shocks = r.practice_year_sd * _autoregressive(rng.standard_normal(shape), r.practice_year_ar)
    if r.regression_to_mean and 2015 in roster.years:
        shocks[roster.treated, roster.years.index(2015)] -= r.regression_to_mean
    level = np.where(roster.treated, r.level_programme, r.level_comparison)[:, None]
    trend, covid = common_trend(parameters)
    effect = own["referral_percentage"][:, None] * in_force(roster, effects.referral_percentage.from_year)
    rate = np.maximum((level + trend + lasting[:, None] + shocks + effect) * covid, 0.5)
    return ReferralLevels(
        rate=rate,
        hospital=rng.poisson(roster.list_size * rate / 100),
        pluspunt=_pluspunt(roster, parameters, covid, rng),
    )


def _pluspunt(
    roster: Roster, parameters: Parameters, covid: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    r = parameters.referrals
    level = np.where(roster.treated, r.pluspunt_programme, r.pluspunt_comparison)
    sigma = np.sqrt(np.log1p(r.pluspunt_cv**2))
    level = level * np.exp(sigma * rng.standard_normal(len(level)) - sigma**2 / 2)
    open_ = np.array(roster.years) >= r.pluspunt_from
    return rng.poisson(roster.list_size * level[:, None] * covid * open_ / 100)


def cost_levels(
    roster: Roster,
    parameters: Parameters,
    effects: Effects,
    own: Mapping[str, np.ndarray],
    *,
    seed: int,
    attempt: int = 0,
) -> CostLevels:
    """Expected MSZ and total cost per insured-year of every practice and year.

    Raises
    ------
    DesignError
        If the effects leave a practice with a total below its MSZ cost.
    """
    c = parameters.costs
    rng = stream(seed, "cost levels", attempt)
    shape = roster.list_size.shape
    lasting = _log_normal(rng.standard_normal(shape[:1]), c.practice_cv)
    shock = _log_normal(rng.standard_normal(shape), c.practice_year_cv)
    nominal = (1 + c.trend) ** (np.array(roster.years) - parameters.anchor_year)
    levels = {}
    for outcome, regional, discount in (
        ("cost_msz", c.msz_2018, c.discount_msz),
        ("cost_total", c.total_2018, c.discount_total),
    ):
        before = _comparison_level(roster, regional, discount) * np.where(roster.treated, 1 + discount, 1.0)
        effect = own[outcome][:, None] * in_force(roster, effects.outcomes()[outcome].from_year)
        levels[outcome] = before[:, None] * nominal * lasting[:, None] * shock * (1 + effect)
    msz, total = levels["cost_msz"], levels["cost_total"]
    if (msz <= 0).any() or (total - msz <= 0.02 * total).any():
        raise DesignError(
            "the effects leave a practice with MSZ cost at or below 0, or with (almost) no other cost; "
            "choose cost_msz and cost_total effects nearer to each other"
        )
    return CostLevels(msz=msz, total=total)


def _comparison_level(roster: Roster, regional: float, discount: float) -> float:
    share = roster.list_size[roster.treated].sum() / roster.list_size.sum()
    return regional / (1 + share * discount)


def survey_levels(
    roster: Roster, parameters: Parameters, *, seed: int, attempt: int = 0, centred: bool = False
) -> SurveyLevels:
    """Practice and practice-wave components of the latent scales of health and experience."""
    s = parameters.surveys
    rng = stream(seed, "survey levels", attempt)
    waves = len(s.waves)

    def component(share: float) -> np.ndarray:
        lasting = rng.standard_normal((len(roster.ids), 1))
        passing = rng.standard_normal((len(roster.ids), waves))
        both = np.sqrt(1 - s.practice_wave) * lasting + np.sqrt(s.practice_wave) * passing
        if centred:
            both = np.apply_along_axis(_centre, 0, both, roster.treated)
        return np.sqrt(share) * both

    return SurveyLevels(health=component(s.health_practice), experience=component(s.experience_practice))


def group_mean(values: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """The mean of each value's group, shape (G,)."""
    return np.where(treated, values[treated].mean(), values[~treated].mean())


def _centre(values: np.ndarray, treated: np.ndarray) -> np.ndarray:
    return values - group_mean(values, treated)


def _log_normal(normal: np.ndarray, cv: float) -> np.ndarray:
    sigma = np.sqrt(np.log1p(cv**2))
    return np.exp(sigma * normal - sigma**2 / 2)


def _autoregressive(normal: np.ndarray, ar: float) -> np.ndarray:
    """Stationary AR(1) along the years with unit variance."""
    if not ar:
        return normal
    series = normal.copy()
    for j in range(1, series.shape[1]):
        series[:, j] = ar * series[:, j - 1] + np.sqrt(1 - ar**2) * normal[:, j]
    return series
