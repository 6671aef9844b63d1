"""Cost levels of practices drawn so that they show what was published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pluseval.data.synthetic.costs import cost_moments
from pluseval.data.synthetic.effects import Effects
from pluseval.data.synthetic.parameters import Parameters
from pluseval.data.synthetic.practices import Roster
from pluseval.data.synthetic.published import PUBLISHED, attempts
from pluseval.data.synthetic.shocks import CostLevels, cost_levels
from pluseval.data.synthetic.simulate import pooled_t
from pluseval.data.synthetic.streams import stream


def conditioned_costs(
    roster: Roster, parameters: Parameters, effects: Effects, own: Mapping[str, np.ndarray], *, seed: int
) -> tuple[CostLevels, dict[str, Any]]:
    """Cost levels, sampling noise included, that show what was published; persons are scaled to them."""
    for attempt in attempts("costs"):
        levels = _with_sampling(
            cost_levels(roster, parameters, effects, own, seed=seed, attempt=attempt),
            roster,
            parameters,
            stream(seed, "cost levels", attempt, 1),
        )
        if levels is not None and all(_costs_fit(level, roster) for level in (levels.msz, levels.total)):
            return levels, {
                "attempt": attempt,
                "how": (
                    "practice-year levels with the sampling noise of lists of their size, scaled by one "
                    "factor to the regional level of 2018; redrawn until in MSZ and in total cost the "
                    "programme is lower in every year and rises less in euros (per practice and per "
                    "insured-year; 2013 to 2019, to the last year, between the windows) and no group x time "
                    "difference is significant (pooled t on window changes in euros and in logarithms and on "
                    "adjacent-year changes); persons' costs are scaled to the accepted levels"
                ),
            }
    raise AssertionError


def _with_sampling(
    levels: CostLevels, roster: Roster, parameters: Parameters, rng: np.random.Generator
) -> CostLevels | None:
    """The levels as means over lists of their size would scatter around them."""
    c, shape = parameters.costs, roster.list_size.shape
    moments = cost_moments(c)
    # Correlation of one person's costs in two years, from that of their logarithms.
    over_years = np.expm1(c.person_correlation * c.sigma**2) / np.expm1(c.sigma**2)

    def noise() -> np.ndarray:
        return np.sqrt(over_years) * rng.standard_normal((shape[0], 1)) + np.sqrt(
            1 - over_years
        ) * rng.standard_normal(shape)

    shared, root = noise(), np.sqrt(roster.list_size)
    msz = levels.msz * (1 + moments.msz_cv / root * shared)
    mixed = 0.7 * shared + np.sqrt(1 - 0.7**2) * noise()
    other = (levels.total - levels.msz) * (1 + moments.other_cv / root * mixed)
    if min(msz.min(), other.min()) <= 0:
        return None
    anchor, weight = roster.years.index(parameters.anchor_year), roster.list_size
    regional = [np.average(v[:, anchor], weights=weight[:, anchor]) for v in (msz, other)]
    msz = msz * c.msz_2018 / regional[0]
    other = other * (c.total_2018 - c.msz_2018) / regional[1]
    return CostLevels(msz=msz, total=msz + other, exact=True)


def _costs_fit(level: np.ndarray, roster: Roster) -> bool:
    treated, years, lists = roster.treated, np.array(roster.years), roster.list_size
    (a0, a1), (b0, b1) = PUBLISHED.windows
    before, after = (years >= a0) & (years <= a1), (years >= b0) & (years <= b1)
    sums = level * lists
    for group_levels in (
        [level[g].mean(axis=0) for g in (treated, ~treated)],
        [sums[g].sum(axis=0) / lists[g].sum(axis=0) for g in (treated, ~treated)],
    ):
        gap = group_levels[0] - group_levels[1]
        first = gap[years == a0][0]
        rises = [gap[after].mean() - gap[before].mean(), gap[years == b1][0] - first, gap[-1] - first]
        if (gap >= 0).any() or max(rises) >= 0:
            return False
    window = level[:, after].mean(axis=1) - level[:, before].mean(axis=1)
    ratio = [sums[:, span].sum(axis=1) / lists[:, span].sum(axis=1) for span in (after, before)]
    weighted = ratio[0] - ratio[1]
    logs = np.log(level[:, after].mean(axis=1)) - np.log(level[:, before].mean(axis=1))
    changes = np.vstack([window, weighted, logs, np.diff(level, axis=1).T])
    return bool((pooled_t(changes, treated).p_value > PUBLISHED.not_significant).all())
