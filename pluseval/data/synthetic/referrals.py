"""Referrals of a practice allotted to its persons: who, which day, which specialty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pluseval.data.synthetic.parameters import Referrals


@dataclass(frozen=True)
class ReferralRows:
    """Referrals of one practice, one entry each, sorted by person and day.

    ``row`` and ``year`` index the place and the year (0-based); ``day`` is the day within the year (0-based);
    ``specialty`` indexes the joint list of `specialty_names`; ``pluspunt`` says where the person was sent.
    """

    row: np.ndarray
    year: np.ndarray
    day: np.ndarray
    specialty: np.ndarray
    pluspunt: np.ndarray


def specialty_names(referrals: Referrals) -> tuple[str, ...]:
    """Every specialty, hospital and PlusPunt, each once."""
    both = [name for name, _ in (*referrals.specialties, *referrals.pluspunt_specialties)]
    return tuple(dict.fromkeys(both))


def allot(
    *,
    hospital: np.ndarray,
    pluspunt: np.ndarray,
    weight: np.ndarray,
    insured: np.ndarray,
    starts_late: np.ndarray,
    length: np.ndarray,
    referrals: Referrals,
    rng: np.random.Generator,
) -> ReferralRows:
    """Allot counted referrals to persons with probabilities proportional to ``weight``.

    Parameters
    ----------
    hospital, pluspunt : ndarray (Y,)
        Counts of the practice.
    weight : ndarray (n, Y)
        Tendency of the person on each place to be referred; 0 where vacant.
    insured : ndarray (n, Y)
        Insured days; the day of referral lies within them.
    starts_late : ndarray (n, Y)
        Whether the insured days end the year (a birth) instead of beginning it.
    length : ndarray (Y,)
        Days in the year.
    """
    parts = []
    for counts, shares, sent in (
        (hospital, referrals.specialties, False),
        (pluspunt, referrals.pluspunt_specialties, True),
    ):
        names = specialty_names(referrals)
        codes = np.array([names.index(name) for name, _ in shares])
        cumulative = np.cumsum([share for _, share in shares])
        rows = []
        for j, count in enumerate(counts):
            total = np.cumsum(weight[:, j])
            drawn = np.searchsorted(total, rng.random(int(count)) * total[-1], side="right")
            rows.append(np.minimum(drawn, len(total) - 1))
        row = np.concatenate(rows)
        year = np.repeat(np.arange(len(counts)), counts)
        drawn = np.searchsorted(cumulative, rng.random(len(row)) * cumulative[-1], side="right")
        parts.append((row, year, codes[drawn], np.full(len(row), sent)))
    row, year, specialty, to_pluspunt = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    days = insured[row, year].astype(np.int64)
    day = np.floor(rng.random(len(row)) * days).astype(np.int64)
    day += np.where(starts_late[row, year], length[year] - days, 0)
    return ReferralRows(row=row, year=year, day=day, specialty=specialty, pluspunt=to_pluspunt)
