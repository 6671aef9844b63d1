"""Costs of persons within a practice: skewed, lasting, in whole euros.

A person-year's total is a log-normal ``L`` (cut off far out) with lasting and passing parts; a share ``s`` of
it is MSZ, none of it where the person has no MSZ cost that year. MSZ = level x L s / E(L s); other care =
level x L (1 - s) / E(L (1 - s)), so that total >= MSZ always.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from pluseval.data.synthetic.parameters import Costs


@dataclass(frozen=True)
class CostMoments:
    """Means of the MSZ part and the other part of a person-year (levels 1), and their CVs."""

    msz: float
    other: float
    msz_cv: float
    other_cv: float


def cost_moments(costs: Costs) -> CostMoments:
    """Means and CVs of the two parts by quadrature over the latent scales."""
    z = np.linspace(-8, 8, 4_001)
    density = np.exp(-(z**2) / 2)
    density /= density.sum()
    size = np.exp(costs.sigma * np.minimum(z, costs.largest_z))
    share = _logistic(costs.msz_share_logit + costs.msz_share_sd * z)
    s1, s2 = (density * share).sum(), (density * share**2).sum()
    without = ndtr(
        (ndtri(costs.zero_msz) - costs.zero_correlation * z) / np.sqrt(1 - costs.zero_correlation**2)
    )
    with_ = 1 - without
    msz = (density * size * with_).sum() * s1
    msz_square = (density * size**2 * with_).sum() * s2
    other = (density * size * (1 - with_ * s1)).sum()
    other_square = (density * size**2 * (without + with_ * (1 - 2 * s1 + s2))).sum()
    return CostMoments(
        msz=float(msz),
        other=float(other),
        msz_cv=float(np.sqrt(msz_square / msz**2 - 1)),
        other_cv=float(np.sqrt(other_square / other**2 - 1)),
    )


def person_costs(
    *,
    lasting: np.ndarray,
    lasting_msz: np.ndarray,
    part_of_year: np.ndarray,
    msz_level: np.ndarray,
    total_level: np.ndarray,
    exact: bool,
    costs: Costs,
    moments: CostMoments,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """MSZ and total cost of the persons of one practice in whole euros, shape (n, Y), int32.

    Parameters
    ----------
    lasting, lasting_msz : ndarray (n, Y)
        Lasting standard normal scales of the person on each place: size of costs, having MSZ cost.
    part_of_year : ndarray (n, Y)
        Insured days over days in the year; 0 where the place is vacant.
    msz_level, total_level : ndarray (Y,)
        Euros per insured-year of the practice.
    exact : bool
        Whether the practice's mean is scaled to the level, or scatters around it as persons do.
    """
    r = costs.person_correlation
    z = np.sqrt(r) * lasting + np.sqrt(1 - r) * rng.standard_normal(lasting.shape)
    w = np.sqrt(r) * lasting_msz + np.sqrt(1 - r) * rng.standard_normal(lasting.shape)
    rho = costs.zero_correlation
    any_msz = rho * z + np.sqrt(1 - rho**2) * w >= ndtri(costs.zero_msz)
    share = _logistic(costs.msz_share_logit + costs.msz_share_sd * rng.standard_normal(lasting.shape))
    size = np.exp(costs.sigma * np.minimum(z, costs.largest_z)) * part_of_year
    msz = size * share * any_msz
    other = size - msz
    if exact:
        insured = part_of_year.sum(axis=0)
        msz *= msz_level * insured / msz.sum(axis=0)
        other *= (total_level - msz_level) * insured / other.sum(axis=0)
    else:
        msz *= msz_level / moments.msz
        other *= (total_level - msz_level) / moments.other
    # A person with MSZ cost has at least one euro of it, so that rounding makes no further zeros.
    whole = np.where(msz > 0, np.maximum(np.rint(msz), 1), 0).astype(np.int32)
    return whole, whole + np.rint(other).astype(np.int32)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
