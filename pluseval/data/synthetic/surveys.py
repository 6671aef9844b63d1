"""Questionnaires of the panel: who is asked in each wave, who answers, and what."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtri

from pluseval.data.synthetic.effects import Effects
from pluseval.data.synthetic.latent import answers, shift_for
from pluseval.data.synthetic.parameters import Parameters
from pluseval.data.synthetic.persons import Persons
from pluseval.data.synthetic.practices import Roster
from pluseval.data.synthetic.shocks import SurveyLevels, in_force
from pluseval.data.synthetic.streams import stream

MISSING = -1


def survey_rows(
    roster: Roster,
    parameters: Parameters,
    effects: Effects,
    own: Mapping[str, np.ndarray],
    persons: Persons,
    levels: SurveyLevels,
    *,
    seed: int,
    attempt: int = 0,
) -> dict[str, np.ndarray]:
    """One entry per person and wave to whom a questionnaire was sent.

    Returns
    -------
    dict of ndarray (n,)
        ``person`` (0-based), ``place``, ``cluster``, ``wave`` (year), ``responded``, the five items,
        ``eq_vas``, ``grade`` and ``nps``; -1 where there is no answer.
    """
    s = parameters.surveys
    rng = stream(seed, "surveys", attempt)
    place, cluster, wave = _panel(roster, parameters, persons, rng)
    year = np.array([roster.years.index(w) for w in s.waves])[wave]
    person = persons.place[place, year]
    unique, index = np.unique(person, return_inverse=True)
    rows: dict[str, np.ndarray] = {
        "person": person,
        "place": place,
        "cluster": cluster,
        "wave": np.array(s.waves)[wave],
    }
    lasting = rng.standard_normal((len(unique), 11))[index]
    passing = rng.standard_normal((len(person), 11))

    willing = _mix(lasting[:, 0], passing[:, 0], s.response_person)
    rate = np.array([s.response_of(w) for w in s.waves])[wave]
    rows["responded"] = willing < ndtri(rate)

    def effect(outcome: str) -> np.ndarray:
        return own[outcome][cluster] * in_force(roster, effects.outcomes()[outcome].from_year)[cluster, year]

    rows |= _health(s, levels.health[cluster, wave], lasting, passing, effect)
    rows |= _experience(s, levels.experience[cluster, wave], lasting, passing, effect)
    answered = [name for name, _ in s.items] + ["eq_vas", "grade", "nps"]
    gone = rng.random((len(person), len(answered))) < s.missing
    for k, name in enumerate(answered):
        rows[name] = np.where(rows["responded"] & ~gone[:, k], rows[name], MISSING).astype(np.int8)
    return rows


def _panel(
    roster: Roster, parameters: Parameters, persons: Persons, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places asked in each wave: the same ones while an adult is on them, refilled where not."""
    s = parameters.surveys
    parts: list[tuple[np.ndarray, int, int]] = []
    for cluster, asked in _asked(roster, parameters, rng):
        block = persons.rows_of(cluster)
        panel = np.empty(0, dtype=np.int64)
        for w, wave in enumerate(s.waves):
            occupant = persons.place[block, roster.years.index(wave)]
            adult = (occupant >= 0) & (persons.birth_year[occupant] <= wave - s.adult_age)
            panel = panel[adult[panel]]
            others = np.setdiff1d(np.flatnonzero(adult), panel, assume_unique=True)
            more = min(asked - len(panel), len(others))
            panel = np.concatenate([panel, rng.choice(others, size=more, replace=False)])
            parts.append((panel + block.start, cluster, w))
    place = np.concatenate([p for p, _, _ in parts])
    cluster = np.concatenate([np.full(len(p), c) for p, c, _ in parts])
    wave = np.concatenate([np.full(len(p), w) for p, _, w in parts])
    return place, cluster, wave


def _asked(roster: Roster, parameters: Parameters, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Practices that send questionnaires, with how many: the programme's, and some of the others."""
    s = parameters.surveys
    asked = [(int(i), s.sent) for i in np.flatnonzero(roster.treated)]
    for programme in dict.fromkeys(roster.programme):
        others = np.flatnonzero(~roster.treated & (np.array(roster.programme) == programme))
        # A practice that is about to merge sends none: its two codes would share a panel.
        others = np.setdiff1d(others, [m.cluster for m in roster.mergers])
        chosen = rng.choice(others, size=min(s.comparators, len(others)), replace=False)
        asked += [(int(i), s.comparators_sent) for i in np.sort(chosen)]
    return asked


def _health(s, practice, lasting, passing, effect) -> dict[str, np.ndarray]:
    burden = practice + np.sqrt(s.health_person - s.health_practice) * lasting[:, 1]
    burden = burden + np.sqrt(1 - s.health_person) * passing[:, 1]
    shift = shift_for("eq5d_utility", effect("eq5d_utility"), s)
    rows = {}
    for k, (name, shares) in enumerate(s.items):
        specific = _mix(lasting[:, 2 + k], passing[:, 2 + k], s.health_person)
        scale = s.item_loading * burden + np.sqrt(1 - s.item_loading**2) * specific - shift
        rows[name] = answers(scale, shares) + 1
    feeling = -s.vas_loading * burden + np.sqrt(1 - s.vas_loading**2) * _mix(
        lasting[:, 7], passing[:, 7], s.vas_person
    )
    vas = s.vas_mean + s.vas_sd * feeling + effect("eq_vas")
    rows["eq_vas"] = np.clip(np.rint(vas), 0, 100)
    return rows


def _experience(s, practice, lasting, passing, effect) -> dict[str, np.ndarray]:
    common, specific = np.sqrt(s.grade_nps_correlation), np.sqrt(1 - s.grade_nps_correlation)
    rows = {}
    for k, (name, shares) in enumerate((("grade", s.grade_shares), ("nps", s.nps_shares))):
        own = common * lasting[:, 8] + specific * lasting[:, 9 + k]
        now = common * passing[:, 8] + specific * passing[:, 9 + k]
        scale = practice + np.sqrt(s.experience_person - s.experience_practice) * own
        scale = scale + np.sqrt(1 - s.experience_person) * now
        rows[name] = answers(scale + shift_for(name, effect(name), s), shares)
    return rows


def _mix(lasting: np.ndarray, passing: np.ndarray, share: float) -> np.ndarray:
    return np.sqrt(share) * lasting + np.sqrt(1 - share) * passing
