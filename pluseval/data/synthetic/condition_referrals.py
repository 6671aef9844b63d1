"""Referral counts of practices drawn so that the named reading returns the published difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pluseval.data.synthetic.effects import Effects
from pluseval.data.synthetic.parameters import Parameters
from pluseval.data.synthetic.practices import Roster
from pluseval.data.synthetic.published import PUBLISHED, attempts
from pluseval.data.synthetic.shocks import ReferralLevels, group_mean, referral_levels
from pluseval.data.synthetic.simulate import critical_t, pooled_t


def conditioned_referrals(
    roster: Roster, parameters: Parameters, effects: Effects, own: Mapping[str, np.ndarray], *, seed: int
) -> tuple[ReferralLevels, dict[str, Any]]:
    """Referral counts that give the published difference and p, and what was accepted."""
    for attempt in attempts("referral counts"):
        drawn = referral_levels(roster, parameters, effects, own, seed=seed, attempt=attempt, centred=True)
        made = _scaled_counts(drawn, roster, parameters)
        if made is None:
            continue
        counts, scale = made
        if _referrals_fit(counts, drawn.pluspunt, roster):
            levels = ReferralLevels(rate=drawn.rate, hospital=counts, pluspunt=drawn.pluspunt)
            return levels, {
                "attempt": attempt,
                "how": (
                    "levels of 2018 and changes 2018 -> 2019 recentred by group; changes within groups "
                    "scaled by `scale` (accepted from 0.3 to 1.18); redrawn until programme practices "
                    "refer less in every year to 2018, no earlier adjacent-year change is significant, and "
                    "PlusPunt use (level, change, interaction) is not significant beside the group; the "
                    "counts are then allotted to persons"
                ),
                "scale": round(scale, 6),
            }
    raise AssertionError  # attempts ends with an error


def _scaled_counts(
    drawn: ReferralLevels, roster: Roster, parameters: Parameters
) -> tuple[np.ndarray, float] | None:
    """Counts whose change 2018 -> 2019 has the published difference and p; None where they are too far."""
    r, treated = parameters.referrals, roster.treated
    a, b = (roster.years.index(y) for y in PUBLISHED.referral_years)
    rate = 100 * drawn.hospital / roster.list_size
    level = np.where(treated, r.level_programme, r.level_comparison)
    before = rate[:, a] - group_mean(rate[:, a], treated) + level
    change = rate[:, b] - rate[:, a]
    deviation = change - group_mean(change, treated)
    df = len(treated) - 2
    wanted = abs(PUBLISHED.referral_difference) / critical_t(PUBLISHED.referral_p, df)
    scale = float(wanted / pooled_t(change, treated).std_error)
    # Small lists have more Poisson noise than the published p leaves room for: their changes are shrunk.
    if not 0.3 <= scale <= 1.18:
        return None
    own = PUBLISHED.referral_change_programme
    target = np.where(treated, own, own - PUBLISHED.referral_difference)
    counts = drawn.hospital.copy()
    counts[:, a] = np.rint(before * roster.list_size[:, a] / 100)
    start = 100 * counts[:, a] / roster.list_size[:, a]
    counts[:, b] = np.rint((start + target + scale * deviation) * roster.list_size[:, b] / 100)
    if (counts < 0).any():
        return None
    _nudge(counts, roster, a, b, target)
    fit = pooled_t(_changes(counts, roster, a, b), treated)
    near = abs(fit.estimate - PUBLISHED.referral_difference) < 0.004
    return (counts, scale) if near and abs(fit.p_value - PUBLISHED.referral_p) < 0.0004 else None


def _nudge(counts: np.ndarray, roster: Roster, a: int, b: int, target: np.ndarray) -> None:
    """Take rounding back, one referral at a time, where it moved a group's mean change."""
    for group in (roster.treated, ~roster.treated):
        members = np.flatnonzero(group)
        members = members[np.argsort(-roster.list_size[members, b])]
        step = 100 / roster.list_size[members, b] / len(members)
        for k, member in enumerate(members):
            gap = (_changes(counts, roster, a, b)[group] - target[group]).mean()
            if abs(gap) > step[k] / 2:
                counts[member, b] -= int(np.sign(gap))


def _changes(counts: np.ndarray, roster: Roster, a: int, b: int) -> np.ndarray:
    rate = 100 * counts / roster.list_size
    return rate[:, b] - rate[:, a]


def _referrals_fit(counts: np.ndarray, pluspunt: np.ndarray, roster: Roster) -> bool:
    treated, years = roster.treated, np.array(roster.years)
    rate = 100 * counts / roster.list_size
    to = rate[:, years <= 2018]
    pooled = [counts[g][:, years <= 2018].sum(0) / roster.list_size[g][:, years <= 2018].sum(0)
              for g in (treated, ~treated)]  # fmt: skip
    lower = (to[treated].mean(0) < to[~treated].mean(0)).all() and (pooled[0] < pooled[1]).all()
    quiet = (pooled_t(np.diff(to, axis=1).T, treated).p_value > PUBLISHED.not_significant).all()
    a, b = (roster.years.index(y) for y in PUBLISHED.referral_years)
    use = 100 * pluspunt / roster.list_size
    change = rate[:, b] - rate[:, a]
    covariates = (use[:, a], use[:, b], use[:, b] - use[:, a], (use[:, a] + use[:, b]) / 2)
    unrelated = all(_unrelated(change, treated, x) for x in covariates)
    return bool(lower and quiet and unrelated)


def _unrelated(change: np.ndarray, treated: np.ndarray, use: np.ndarray) -> bool:
    """Whether PlusPunt use is not significant beside the group, alone and in interaction with it."""
    centred = use - group_mean(use, treated)
    ones = np.ones(len(change))
    for design in (
        np.column_stack([ones, treated, use]),
        np.column_stack([ones, treated, centred, centred * treated]),
    ):
        coefficient, *_ = np.linalg.lstsq(design, change, rcond=None)
        residual = change - design @ coefficient
        df = len(change) - design.shape[1]
        variance = np.diag(np.linalg.inv(design.T @ design)) * (residual @ residual) / df
        t = np.abs(coefficient / np.sqrt(variance))[2:]
        if (t >= critical_t(PUBLISHED.not_significant, df)).any():
            return False
    return True
