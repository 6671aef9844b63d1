"""Questionnaires drawn so that experience looks as published and nothing changes significantly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pluseval.data.synthetic.effects import Effects
from pluseval.data.synthetic.latent import nps_score, utility
from pluseval.data.synthetic.parameters import Parameters
from pluseval.data.synthetic.practices import Roster
from pluseval.data.synthetic.published import PUBLISHED, attempts
from pluseval.data.synthetic.shocks import survey_levels
from pluseval.data.synthetic.simulate import critical_t, pooled_t
from pluseval.data.synthetic.surveys import MISSING, Panel, survey_rows


def conditioned_surveys(
    roster: Roster,
    parameters: Parameters,
    effects: Effects,
    own: Mapping[str, np.ndarray],
    asked: Panel,
    *,
    seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Questionnaires with NPS about 60 and grades of 8.5 to 9 in every wave, nothing significant."""
    for attempt in attempts("surveys"):
        levels = survey_levels(roster, parameters, seed=seed, attempt=attempt, centred=True)
        rows = survey_rows(roster, parameters, effects, own, asked, levels, seed=seed, attempt=attempt)
        if _surveys_fit(rows, roster):
            return rows, {
                "attempt": attempt,
                "how": (
                    "practice components of every wave centred within groups; answers redrawn until the "
                    f"programme's NPS lies within {PUBLISHED.nps_tolerance} of 60 and its mean grade "
                    "between 8.5 and 9 in every wave, and no change from the first wave to a later one "
                    "(utility, VAS, grade, NPS) is significant, in the programme alone or against the "
                    "others, nor can that to the last wave lie beyond the margin of a decline (95 % "
                    "interval, programme alone)"
                ),
            }
    raise AssertionError


def _surveys_fit(rows: dict[str, np.ndarray], roster: Roster) -> bool:
    waves = np.unique(rows["wave"])
    programme = roster.treated[rows["cluster"]]
    for wave in waves:
        here = programme & (rows["wave"] == wave)
        nps, grade = rows["nps"][here], rows["grade"][here]
        nps, grade = nps_score(nps[nps != MISSING]), grade[grade != MISSING]
        if not len(nps) or not len(grade):
            return False
        if abs(nps.mean() - PUBLISHED.nps) > PUBLISHED.nps_tolerance:
            return False
        if not PUBLISHED.grade[0] <= grade.mean() <= PUBLISHED.grade[1]:
            return False
    return all(
        _unchanged(score, present, rows, waves, roster, margin=margin)
        for (score, present), margin in zip(_columns(rows), PUBLISHED.margins, strict=True)
    )


def _columns(rows: dict[str, np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Score and whether it is there, for each outcome of the questionnaire."""
    items = np.column_stack([v for k, v in rows.items() if k.startswith("eq_") and k != "eq_vas"])
    whole = (items != MISSING).all(axis=1)
    yield utility(np.where(whole[:, None], items, 1)), whole
    yield rows["eq_vas"].astype(float), rows["eq_vas"] != MISSING
    yield rows["grade"].astype(float), rows["grade"] != MISSING
    yield nps_score(rows["nps"]), rows["nps"] != MISSING


def _unchanged(
    score: np.ndarray,
    present: np.ndarray,
    rows: Mapping[str, np.ndarray],
    waves: np.ndarray,
    roster: Roster,
    *,
    margin: float,
) -> bool:
    """Whether practice means did not change since the first wave.

    No change is significant, alone or between groups, and the programme's own from the first wave to the last
    lies above minus the margin.
    """
    size = len(roster.ids)
    means = []
    for wave in waves:
        here = present & (rows["wave"] == wave)
        count = np.bincount(rows["cluster"][here], minlength=size)
        total = np.bincount(rows["cluster"][here], weights=score[here], minlength=size)
        means.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    for later in means[1:]:
        change = later - means[0]
        surveyed = np.isfinite(change)
        treated = roster.treated[surveyed]
        if pooled_t(change[surveyed], treated).p_value <= PUBLISHED.not_significant:
            return False
        own = change[surveyed][treated]
        error = own.std(ddof=1) / np.sqrt(len(own))
        if abs(own.mean()) >= critical_t(PUBLISHED.not_significant, len(own) - 1) * error:
            return False
        if later is means[-1] and own.mean() - critical_t(0.05, len(own) - 1) * error <= -margin:
            return False
    return True
