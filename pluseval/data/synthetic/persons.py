"""Who is enlisted where on 1 July of each year: births, deaths, moves.

A practice of n enlisted is n places. A place keeps its person until the person dies (a newborn follows),
leaves the region (a newcomer of the same age follows) or changes practice (movers exchange places).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from pluseval.data.synthetic.parameters import Parameters
from pluseval.data.synthetic.practices import Roster
from pluseval.data.synthetic.streams import stream

OLDEST = 105
FIRST_OF_JULY = 181
VACANT = -1


@dataclass(frozen=True)
class Persons:
    """Everyone who was ever enlisted, and where.

    ``place`` has shape (S, Y): the person (0-based) on each place in each year, -1 where the place is vacant;
    ``days`` (S, Y) the insured days of that person-year; ``offset`` (G + 1,) the first place of a practice.
    ``birth_year``, ``woman``, ``cost``, ``msz``, ``frailty`` have one entry per person: the last three are
    lasting standard normal scales (cost, having MSZ cost, tendency to be referred).
    """

    place: np.ndarray
    days: np.ndarray
    offset: np.ndarray
    birth_year: np.ndarray
    woman: np.ndarray
    cost: np.ndarray
    msz: np.ndarray
    frailty: np.ndarray

    def rows_of(self, cluster: int) -> slice:
        """The places of one practice."""
        return slice(int(self.offset[cluster]), int(self.offset[cluster + 1]))


def hazards(parameters: Parameters) -> np.ndarray:
    """Yearly probability of death, shape (2, 106): men and women, by age."""
    p, age = parameters.population, np.arange(OLDEST + 1)
    modes = np.array([[p.modal_death_men], [p.modal_death_women]])
    hazard = p.gompertz * np.exp(p.gompertz * (age - modes))
    probability = 1 - np.exp(-hazard)
    probability[:, -1] = 1.0
    return probability


def age_distribution(parameters: Parameters) -> np.ndarray:
    """Share of each sex and age among the enlisted, shape (2, 106): the stationary one of the life table."""
    alive = np.cumprod(np.column_stack([np.ones(2), 1 - hazards(parameters)[:, :-1]]), axis=1)
    return alive / alive.sum()


def age_scores(parameters: Parameters) -> np.ndarray:
    """Standard normal score of each age, shape (106,), so that age can explain a share of a normal scale."""
    share = age_distribution(parameters).sum(axis=0)
    middle = np.cumsum(share) - share / 2
    score = ndtri(np.clip(middle, 1e-6, 1 - 1e-6))
    score -= (share * score).sum()
    return score / np.sqrt((share * score**2).sum())


def enlist(roster: Roster, parameters: Parameters, *, seed: int) -> Persons:
    """Everyone enlisted in every year, with insured days and lasting traits."""
    rng = stream(seed, "persons")
    years = roster.years
    places = roster.list_size.max(axis=1)
    offset = np.concatenate([[0], np.cumsum(places)])
    practice = np.repeat(np.arange(len(places)), places)
    number = np.arange(offset[-1]) - offset[practice]
    active = number[:, None] < roster.list_size[practice]
    region = np.unique(np.array(roster.region), return_inverse=True)[1][practice]

    book = _Book(parameters, rng)
    place = np.full(active.shape, VACANT, dtype=np.int32)
    days = np.zeros(active.shape, dtype=np.int16)
    filled = np.flatnonzero(active[:, 0])
    place[filled, 0] = book.newcomers(len(filled), years[0])
    days[filled, 0] = days_in_year(years[0])
    for j in range(len(years)):
        here = np.flatnonzero(active[:, j])
        died_late, died = _deaths(here, place[here, j], book, years[j], rng)
        days[died_late, j] = FIRST_OF_JULY + 1 + rng.integers(0, days_in_year(years[j]) - 182, len(died_late))
        if j + 1 == len(years):
            break
        _next_year(j, place, days, active, died, region, book, years, rng)
    count = book.count
    return Persons(
        place=place,
        days=days,
        offset=offset,
        birth_year=book.column("birth"),
        woman=book.column("woman"),
        cost=rng.standard_normal(count, dtype=np.float32),
        msz=rng.standard_normal(count, dtype=np.float32),
        frailty=rng.standard_normal(count, dtype=np.float32),
    )


class _Book:
    """Grows with every newcomer: year of birth and sex of each person."""

    def __init__(self, parameters: Parameters, rng: np.random.Generator) -> None:
        self._rng = rng
        self._cumulative = np.cumsum(age_distribution(parameters).ravel())
        self.hazard = hazards(parameters)
        self.population = parameters.population
        self._birth: list[np.ndarray] = []
        self._woman: list[np.ndarray] = []
        self.count = 0

    def add(self, birth: np.ndarray, woman: np.ndarray) -> np.ndarray:
        numbers = np.arange(self.count, self.count + len(birth), dtype=np.int32)
        self._birth.append(birth.astype(np.int16))
        self._woman.append(woman.astype(bool))
        self.count += len(birth)
        return numbers

    def newcomers(self, n: int, year: int) -> np.ndarray:
        drawn = np.searchsorted(self._cumulative, self._rng.random(n) * self._cumulative[-1], side="right")
        woman, age = np.divmod(np.minimum(drawn, 2 * (OLDEST + 1) - 1), OLDEST + 1)
        return self.add(year - age, woman)

    def column(self, name: str) -> np.ndarray:
        parts = self._birth if name == "birth" else self._woman
        if len(parts) > 1:
            parts[:] = [np.concatenate(parts)]
        return parts[0]


def _deaths(
    here: np.ndarray, persons: np.ndarray, book: _Book, year: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Places whose person dies before the next 1 July: in this calendar year, and in all."""
    age = np.minimum(year - book.column("birth")[persons].astype(np.int64), OLDEST)
    probability = book.hazard[book.column("woman")[persons].astype(np.int64), age]
    died = here[rng.random(len(here)) < probability]
    late = died[rng.random(len(died)) < 0.5]
    return late, died


def _next_year(
    j: int,
    place: np.ndarray,
    days: np.ndarray,
    active: np.ndarray,
    died: np.ndarray,
    region: np.ndarray,
    book: _Book,
    years: tuple[int, ...],
    rng: np.random.Generator,
) -> None:
    """Fill the places of year ``j + 1`` from those of year ``j``."""
    year, population = years[j + 1], book.population
    now = place[:, j].copy()
    length = np.full(len(now), days_in_year(year), dtype=np.int16)

    births = died[active[died, j + 1]]
    this_year = rng.random(len(births)) < 0.5
    born = np.where(this_year, year, year - 1)
    now[births] = book.add(born, rng.random(len(births)) < 0.4875)
    length[births[this_year]] = days_in_year(year) - rng.integers(0, FIRST_OF_JULY, int(this_year.sum()))

    staying = np.setdiff1d(np.flatnonzero(active[:, j] & active[:, j + 1]), births, assume_unique=True)
    moving = staying[rng.random(len(staying)) < population.movers]
    within = rng.random(len(moving)) < population.movers_within
    leavers = moving[~within]
    births_of_leavers = book.column("birth")[now[leavers]]
    now[leavers] = book.add(births_of_leavers, rng.random(len(leavers)) < 0.5)
    movers = moving[within]
    for area in np.unique(region[movers]):
        group = movers[region[movers] == area]
        now[group] = now[rng.permutation(group)]

    opened = np.flatnonzero(active[:, j + 1] & ~active[:, j])
    now[opened] = book.newcomers(len(opened), year)
    now[~active[:, j + 1]] = VACANT
    length[~active[:, j + 1]] = 0
    place[:, j + 1], days[:, j + 1] = now, length


def days_in_year(year: int) -> int:
    """365 or 366."""
    return 366 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 365
