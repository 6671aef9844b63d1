"""The practices of a synthetic study: lists, starts, batches, learning groups, the merger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from pluseval.data.synthetic.parameters import Parameters
from pluseval.data.synthetic.programmes import Programme, apportion
from pluseval.data.synthetic.streams import stream

MERGER_DATE = date(2018, 1, 1)
ABSORBED_SHARE = 0.4


@dataclass(frozen=True)
class Merger:
    """One practice absorbed by another: the code that ends, and how many of the list came from it."""

    cluster: int
    old_id: str
    link_date: date


@dataclass(frozen=True)
class Roster:
    """The practices as clusters (one per practice after the merger), G of them, over Y years.

    ``list_size`` and ``dose`` (part of the year in the programme) have shape (G, Y); the other arrays (G,).
    ``batch`` is 0 where there is none.
    """

    ids: tuple[str, ...]
    programme: tuple[str, ...]
    region: tuple[str, ...]
    treated: np.ndarray
    start: tuple[date | None, ...]
    batch: np.ndarray
    learning_group: tuple[str | None, ...]
    list_size: np.ndarray
    dose: np.ndarray
    years: tuple[int, ...]
    mergers: tuple[Merger, ...]


def roster(parameters: Parameters, *, seed: int) -> Roster:
    """The practices of one study: sizes are fixed quantiles, who has which size and start is drawn."""
    rng = stream(seed, "roster")
    ids: list[str] = []
    names: list[str] = []
    regions: list[str] = []
    treated: list[bool] = []
    starts: list[date | None] = []
    batches: list[int] = []
    groups: list[str | None] = []
    sizes: list[np.ndarray] = []
    mergers: list[Merger] = []
    for programme in parameters.programmes:
        first = len(ids)
        n, m = programme.treated, programme.comparators
        ids += [f"{programme.name}-P{i + 1:02d}" for i in range(n)]
        ids += [f"{programme.name}-C{i + 1:02d}" for i in range(m)]
        names += [programme.name] * (n + m)
        regions += [programme.region] * (n + m)
        treated += [True] * n + [False] * m
        days = [date.fromisoformat(day) for day, count in programme.starts for _ in range(count)]
        numbers = [b + 1 for b, (_, count) in enumerate(programme.starts) for _ in range(count)]
        starts += [*days, *[None] * m]
        batches += [*(numbers if programme.batches else [0] * n), *[0] * m]
        groups += [*_learning_groups(programme), *[None] * m]
        sizes.append(rng.permutation(_quantile_lists(n, programme.mean_list, programme.list_cv)))
        comparison = _quantile_lists(m, programme.comparator_mean_list, programme.comparator_list_cv)
        sizes.append(rng.permutation(comparison))
        last, before = parameters.last_year, parameters.first_year
        if programme.merger and before < MERGER_DATE.year <= last:
            # A practice of middling size or more: its two halves are still practices.
            large = np.flatnonzero(sizes[-1] >= np.median(sizes[-1]))
            cluster = first + n + int(rng.choice(large))
            mergers.append(Merger(cluster, f"{programme.name}-C{m + 1:02d}", MERGER_DATE))
    return Roster(
        ids=tuple(ids),
        programme=tuple(names),
        region=tuple(regions),
        treated=np.array(treated),
        start=tuple(starts),
        batch=np.array(batches),
        learning_group=tuple(groups),
        list_size=_over_years(np.concatenate(sizes), parameters, rng),
        dose=_dose(starts, parameters.years),
        years=parameters.years,
        mergers=tuple(mergers),
    )


def _quantile_lists(n: int, mean: float, cv: float) -> np.ndarray:
    """List sizes at the quantiles of a log-normal, scaled so that their mean is ``mean`` exactly."""
    sigma = np.sqrt(np.log1p(cv**2))
    return apportion(np.exp(sigma * ndtri((np.arange(n) + 0.5) / n)), round(n * mean))


def _learning_groups(programme: Programme) -> list[str | None]:
    if not programme.learning_groups:
        return [None] * programme.treated
    sizes = programme.learning_groups
    return [f"{programme.name}-{g + 1}" for g, size in enumerate(sizes) for _ in range(size)]


def _over_years(sizes: np.ndarray, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
    growth = parameters.population.list_growth_sd * rng.standard_normal(len(sizes))
    distance = np.array(parameters.years) - parameters.anchor_year
    lists = np.rint(sizes[:, None] * (1 + growth[:, None] * distance)).astype(np.int64)
    return np.maximum(lists, 20)


def _dose(starts: list[date | None], years: tuple[int, ...]) -> np.ndarray:
    return np.array([_parts_of_years(start, years) for start in starts])


@lru_cache(maxsize=256)
def _parts_of_years(start: date | None, years: tuple[int, ...]) -> tuple[float, ...]:
    """The part of each year that follows a start; a few dates serve thousands of studies."""
    if start is None:
        return (0.0,) * len(years)
    ends = [date(year + 1, 1, 1) for year in years]
    days = [(end - date(end.year - 1, 1, 1)).days for end in ends]
    return tuple(
        min(max((end - start).days / length, 0.0), 1.0) for end, length in zip(ends, days, strict=True)
    )
