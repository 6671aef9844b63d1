"""Outcomes of simulated studies without an effect: changes (D, G) and panels (D, G, T) of practices.

Every function takes the generator of random numbers, the design and the number of studies D; the parameters
are those of the study's calibration (referrals per 100, euros, points).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import ndtri
from scipy.stats import norm

from analyses.calibration_design import Design
from pluseval.data.synthetic.latent import utility
from pluseval.data.synthetic.parameters import Costs, Surveys

RATE = 34.0  # referrals per 100 enlisted and year
CHANGE_SD = 3.4  # of a practice's change beyond Poisson noise, points
RATE_SD = 3.0  # of a practice's level, points
YEAR_SD = 3.8  # of a practice-year whose shocks are AR(0.6): then a change varies as CHANGE_SD says
AR = 0.6
SKEW_SIGMA = 1.2
TREND = -2.0  # points per log unit of list size
PERSON_EUR = 11_000.0
PRACTICE_EUR = 60.0
FINE = 2_000  # cells of the table of the standard normal distribution, per unit


def standard(rng: np.random.Generator, shape: tuple[int, ...], *, skewed: bool = False) -> np.ndarray:
    """Draws with mean 0 and SD 1: normal, or log-normal (sigma 1.2) shifted and scaled."""
    z = rng.standard_normal(shape)
    if not skewed:
        return z
    mean = np.exp(SKEW_SIGMA**2 / 2)
    return (np.exp(SKEW_SIGMA * z) - mean) / (mean * np.sqrt(np.exp(SKEW_SIGMA**2) - 1))


def referral_change(
    rng: np.random.Generator,
    design: Design,
    studies: int,
    *,
    skewed: bool = False,
    effect_sd: float = 0.0,
    trend: float = 0.0,
) -> np.ndarray:
    """Changes of referrals per 100: practice shocks of SD 3.4 and the Poisson noise of two years.

    ``effect_sd`` is that of effects that vary between treated practices around 0, of the same shape as the
    shocks; ``trend`` points per log unit of list size.
    """
    shape = (studies, design.list_size.size)
    change = CHANGE_SD * standard(rng, shape, skewed=skewed)
    change += _poisson(rng, design, (*shape, 2)) @ np.array([-1.0, 1.0])
    change += trend * design.log_size
    if effect_sd:
        drawn = standard(rng, (studies, design.n_treated), skewed=skewed)
        change[:, design.treated] += effect_sd * drawn
    return change


def referral_counts(rng: np.random.Generator, design: Design, studies: int) -> np.ndarray:
    """Poisson counts of referrals before and after, (D, G, 2), of as many persons in both years.

    Practices differ in level (SD 3 points) and change by factors whose SD is that of a change of 3.4 points.
    """
    shape = (studies, design.list_size.size)
    rate = np.empty((*shape, 2))
    rate[:, :, 0] = _factors(rng, shape, RATE_SD / RATE) * RATE / 100
    rate[:, :, 1] = _factors(rng, shape, CHANGE_SD / RATE) * rate[:, :, 0]
    return rng.poisson(rate * design.list_size[:, None])


def cost_change(rng: np.random.Generator, design: Design, studies: int) -> np.ndarray:
    """Changes of cost: the noise of a mean of n persons (EUR 11,000) and a practice shock (EUR 60)."""
    shape = (studies, design.list_size.size)
    spread = np.sqrt(PERSON_EUR**2 / design.list_size + PRACTICE_EUR**2)
    return spread * rng.standard_normal(shape)


def referral_panel(
    rng: np.random.Generator,
    design: Design,
    studies: int,
    *,
    periods: int,
    per_year: int = 1,
    skewed: bool = False,
) -> np.ndarray:
    """Referrals per 100 and year in each period: shocks AR(0.6) a year, Poisson noise of a period."""
    shape = (studies, design.list_size.size, periods)
    shocks = standard(rng, shape, skewed=skewed)
    keep = AR ** (1 / per_year)
    for t in range(1, periods):
        shocks[:, :, t] = keep * shocks[:, :, t - 1] + np.sqrt(1 - keep**2) * shocks[:, :, t]
    return YEAR_SD * shocks + _poisson(rng, design, shape, per_year=per_year)


def skewed_cost_change(rng: np.random.Generator, design: Design, studies: int) -> np.ndarray:
    """Changes of practice means of MSZ cost between two years, person by person.

    The same persons in both years: log-normal (sigma 1.7) with 20 % zeros, logarithms of one person
    correlated 0.6, zeros 0.5; practice-year shocks with CV 2 %.
    """
    costs = Costs()
    n = np.rint(design.list_size).astype(int)
    both_zero = costs.zero_msz**2 + costs.zero_correlation * costs.zero_msz * (1 - costs.zero_msz)
    one_zero = costs.zero_msz - both_zero
    shares = [1 - both_zero - 2 * one_zero, one_zero, one_zero, both_zero]
    kinds = rng.multinomial(n, shares, (studies, n.size))
    scale = costs.msz_2018 / (1 - costs.zero_msz) / np.exp(costs.sigma**2 / 2)
    rho = costs.person_correlation
    sums = np.empty((studies, n.size, 2))
    for d in range(studies):
        pairs, first, second = kinds[d, :, 0], kinds[d, :, 1], kinds[d, :, 2]
        z = rng.standard_normal((2, pairs.sum()), dtype=np.float32)
        z[1] = rho * z[0] + np.float32(np.sqrt(1 - rho**2)) * z[1]
        alone = rng.standard_normal(first.sum() + second.sum(), dtype=np.float32)
        for year, counts, part in (
            (0, first, alone[: first.sum()]),
            (1, second, alone[first.sum() :]),
        ):
            sums[d, :, year] = _sums(_costs(z[year], costs), pairs) + _sums(_costs(part, costs), counts)
    means = scale * sums / n[:, None]
    means *= 1 + costs.practice_year_cv * rng.standard_normal(means.shape)
    return means[:, :, 1] - means[:, :, 0]


def answers(
    rng: np.random.Generator, design: Design, studies: int, *, instrument: str, number: int
) -> np.ndarray:
    """Answers of ``number`` patients of each practice in two waves, (D, G, 2, number).

    Other patients answer in the second wave. A latent normal scale with a practice part, of which a fifth is
    of the wave, is cut into the instrument's values: 100 / 0 / -100 for ``nps`` (mean 60), utilities of
    EQ-5D-5L for ``eq5d``.
    """
    surveys = Surveys()
    shared = {"nps": surveys.experience_practice, "eq5d": 0.012}[instrument]
    shape = (studies, design.list_size.size)
    practice = np.sqrt(shared * (1 - surveys.practice_wave)) * rng.standard_normal((*shape, 1))
    wave = np.sqrt(shared * surveys.practice_wave) * rng.standard_normal((*shape, 2))
    z = rng.standard_normal((*shape, 2, number), dtype=np.float32)
    z *= np.float32(np.sqrt(1 - shared))
    z += (practice + wave).astype(np.float32)[..., None]
    if instrument == "nps":
        shares = np.cumsum(surveys.nps_shares)
        low, high = ndtri(shares[6]), ndtri(shares[8])
        return np.where(z > high, np.float32(100), np.where(z <= low, np.float32(-100), np.float32(0)))
    table = _utilities()
    at = np.clip((z + 6) * FINE, 0, table.size - 1)
    return table[at.astype(np.int32)]


def survey_change(given: np.ndarray) -> np.ndarray:
    """Change of each practice's mean answer between the two waves, (D, G)."""
    means = given.mean(axis=3, dtype=np.float64)
    return means[:, :, 1] - means[:, :, 0]


@lru_cache
def _utilities() -> np.ndarray:
    """Utility (Dutch tariff) at each point of a latent scale from -6 to 6, worst health first."""
    surveys = Surveys()
    rng = np.random.default_rng(20160601)
    latent = rng.standard_normal(200_000)
    levels = np.empty((latent.size, 5), dtype=int)
    for item, (_, shares) in enumerate(surveys.items):
        own = surveys.item_loading * latent
        own = own + np.sqrt(1 - surveys.item_loading**2) * rng.standard_normal(latent.size)
        levels[:, item] = 1 + np.searchsorted(ndtri(np.cumsum(shares)[:-1]), own)
    values = np.sort(utility(levels))
    grid = norm.cdf((np.arange(12 * FINE) + 0.5) / FINE - 6)
    return values[np.minimum((grid * values.size).astype(int), values.size - 1)].astype(np.float32)


def _poisson(
    rng: np.random.Generator, design: Design, shape: tuple[int, ...], *, per_year: int = 1
) -> np.ndarray:
    """Poisson noise of referrals per 100 and year around their expectation."""
    n = design.list_size[:, None] if len(shape) == 3 else design.list_size
    expected = np.broadcast_to(RATE / 100 * n / per_year, shape[1:])
    return (rng.poisson(expected, shape) - expected) * (100 * per_year / n)


def _factors(rng: np.random.Generator, shape: tuple[int, ...], cv: float) -> np.ndarray:
    """Log-normal factors with mean 1."""
    sigma = np.sqrt(np.log(1 + cv**2))
    return np.exp(sigma * rng.standard_normal(shape) - sigma**2 / 2)


def _costs(z: np.ndarray, costs: Costs) -> np.ndarray:
    """Cost of a person with latent ``z``, in units of the median person with costs."""
    return np.exp(np.float32(costs.sigma) * np.minimum(z, np.float32(costs.largest_z)))


def _sums(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sums of consecutive ``counts`` values; none of them is 0 in lists of 100 and more."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    out = np.zeros(counts.size)
    full = counts > 0
    out[full] = np.add.reduceat(values, starts[full], dtype=np.float64)
    return out
