"""Questionnaires of the panel: who is asked in each wave, who answers, and what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from pluseval.data.synthetic.effects import Effects
from pluseval.data.synthetic.latent import answers, shift_for
from pluseval.data.synthetic.parameters import Parameters, Surveys
from pluseval.data.synthetic.persons import Persons
from pluseval.data.synthetic.practices import Roster
from pluseval.data.synthetic.shocks import SurveyLevels, in_force
from pluseval.data.synthetic.streams import stream

MISSING = -1


@dataclass(frozen=True)
class Panel:
    """Whom questionnaires are sent to, one entry per person and wave, each of shape (n,).

    ``place`` and ``cluster`` index places and practices, ``wave`` the waves (0-based); ``person`` is 0-based.
    """

    place: np.ndarray
    cluster: np.ndarray
    wave: np.ndarray
    person: np.ndarray


def survey_rows(
    roster: Roster,
    parameters: Parameters,
    effects: Effects,
    own: Mapping[str, np.ndarray],
    asked: Panel,
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
    cluster, wave, person = asked.cluster, asked.wave, asked.person
    year = np.array([roster.years.index(w) for w in s.waves])[wave]
    unique, index = np.unique(person, return_inverse=True)
    rows: dict[str, np.ndarray] = {
        "person": person,
        "place": asked.place,
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


def panel(roster: Roster, parameters: Parameters, persons: Persons, *, seed: int) -> Panel:
    """Who is asked in each wave: the adults on the same places, refilled where one is there no longer."""
    s = parameters.surveys
    rng = stream(seed, "panel")
    parts: list[tuple[np.ndarray, int, int]] = []
    for cluster, asked in _asked(roster, parameters, rng):
        block = persons.rows_of(cluster)
        places = np.empty(0, dtype=np.int64)
        for w, wave in enumerate(s.waves):
            occupant = persons.place[block, roster.years.index(wave)]
            adult = (occupant >= 0) & (persons.birth_year[occupant] <= wave - s.adult_age)
            places = places[adult[places]]
            others = np.setdiff1d(np.flatnonzero(adult), places, assume_unique=True)
            more = min(asked - len(places), len(others))
            places = np.concatenate([places, rng.choice(others, size=more, replace=False)])
            parts.append((places + block.start, cluster, w))
    sizes = [len(places) for places, _, _ in parts]
    place = np.concatenate([places for places, _, _ in parts])
    clusters = np.repeat([c for _, c, _ in parts], sizes)
    waves = np.repeat([w for _, _, w in parts], sizes)
    year = np.array([roster.years.index(w) for w in s.waves])[waves]
    return Panel(place, clusters, waves, persons.place[place, year])


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


def _health(
    s: Surveys,
    practice: np.ndarray,
    lasting: np.ndarray,
    passing: np.ndarray,
    effect: Callable[[str], np.ndarray],
) -> dict[str, np.ndarray]:
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


def _experience(
    s: Surveys,
    practice: np.ndarray,
    lasting: np.ndarray,
    passing: np.ndarray,
    effect: Callable[[str], np.ndarray],
) -> dict[str, np.ndarray]:
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
