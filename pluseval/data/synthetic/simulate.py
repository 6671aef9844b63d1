"""The fast simulator: referral changes of practices over many planted seeds, without any person."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtr, stdtrit

from pluseval.data.synthetic.effects import DEFAULT, Effects, effects_of
from pluseval.data.synthetic.parameters import Parameters
from pluseval.data.synthetic.practices import roster
from pluseval.data.synthetic.shocks import practice_effects, referral_levels
from pluseval.errors import DesignError


@dataclass(frozen=True)
class PooledT:
    """Least squares of changes on a group indicator, pooled variance; each field has shape (D,)."""

    estimate: np.ndarray
    std_error: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    df: int


def pooled_t(changes: np.ndarray, treated: np.ndarray) -> PooledT:
    """The named reading of the referral claim: unweighted changes, pooled t.

    Parameters
    ----------
    changes : ndarray (..., G)
        Change of each practice.
    treated : ndarray (G,)
        Programme practices.

    Examples
    --------
    >>> import numpy as np
    >>> fit = pooled_t(np.array([1.0, 3.0, 0.0, 1.0, 2.0]), np.array([True, True, False, False, False]))
    >>> float(fit.estimate), fit.df
    (1.0, 3)
    """
    changes = np.asarray(changes, dtype=float)
    treated = np.asarray(treated, dtype=bool)
    n, m = int(treated.sum()), int((~treated).sum())
    if n < 2 or m < 2:
        raise DesignError(f"pooled_t needs two practices in each group, found {n} and {m}")
    one, two = changes[..., treated], changes[..., ~treated]
    estimate = one.mean(axis=-1) - two.mean(axis=-1)
    squares = n * one.var(axis=-1) + m * two.var(axis=-1)
    error = np.sqrt(squares / (n + m - 2) * (1 / n + 1 / m))
    statistic = estimate / error
    p_value = 2 * stdtr(n + m - 2, -np.abs(statistic))
    return PooledT(estimate, error, statistic, p_value, n + m - 2)


def critical_t(p_value: float, df: int) -> float:
    """The |t| whose two-sided p is ``p_value``."""
    return float(-stdtrit(df, p_value / 2))


def practice_level_changes(
    parameters: Parameters,
    *,
    seeds: Sequence[int],
    first: int = 2018,
    last: int = 2019,
    effects: Effects | str | Path | Mapping[str, Any] = DEFAULT,
    programme: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Changes of the referral percentage of planted studies, one study per seed.

    What `synthesize(seed=s, kind="planted")` writes has exactly the changes of row ``s``: persons are drawn
    after the counts of their practice.

    Parameters
    ----------
    seeds : sequence of int
        Seeds of the studies, D of them.
    first, last : int
        Years of the change.
    programme : str, optional
        Programme whose region is meant; the first by default.

    Returns
    -------
    changes : ndarray (D, G)
        Referrals to hospital per 100 enlisted in ``last`` minus ``first``.
    treated : ndarray (G,)
        Programme practices; the same in every draw.

    Examples
    --------
    >>> changes, treated = practice_level_changes(Parameters(), seeds=[1, 2])
    >>> changes.shape, int(treated.sum())
    ((2, 70), 14)
    """
    years = parameters.years
    for year in (first, last):
        if year not in years:
            raise DesignError(f"year {year} lies outside {years[0]}-{years[-1]}")
    a, b = years.index(first), years.index(last)
    name = programme or parameters.programmes[0].name
    if name not in {p.name for p in parameters.programmes}:
        raise DesignError(f"programme {name!r} is not in these parameters")
    chosen = effects_of(effects)
    rows, treated = [], np.empty(0, dtype=bool)
    for seed in seeds:
        practices = roster(parameters, seed=int(seed))
        own = practice_effects(practices, chosen, seed=int(seed))
        levels = referral_levels(practices, parameters, chosen, own, seed=int(seed))
        here = np.array(practices.programme) == name
        rate = 100 * levels.hospital[here] / practices.list_size[here]
        rows.append(rate[:, b] - rate[:, a])
        treated = practices.treated[here]
    if not rows:
        raise DesignError("practice_level_changes needs at least one seed")
    return np.array(rows), treated


def p_value_distribution(
    parameters: Parameters,
    *,
    seeds: int = 1_000,
    seed: int,
    effects: Effects | str | Path | Mapping[str, Any] = DEFAULT,
    first: int = 2018,
    last: int = 2019,
    cache: Path | None = None,
) -> np.ndarray:
    """The p-value of the named reading over many planted studies, shape (seeds,), in order of drawing.

    Parameters
    ----------
    seeds : int
        Number of studies.
    seed : int
        Seed from which the studies' seeds are drawn.
    cache : Path, optional
        Folder where the array is kept, under a name that hashes parameters, effects, seeds and generator.

    Examples
    --------
    >>> p = p_value_distribution(Parameters(), seeds=5, seed=1, effects="null")
    >>> p.shape, bool(((p > 0) & (p <= 1)).all())
    ((5,), True)
    """
    chosen = effects_of(effects)
    key = json.dumps([parameters.content_hash, dataclasses.asdict(chosen), seeds, seed, first, last])
    file = cache and cache / f"p-values-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    if file and file.is_file():
        return np.load(file, allow_pickle=False)
    drawn = np.random.SeedSequence(seed).generate_state(seeds, np.uint64)
    changes, treated = practice_level_changes(
        parameters, seeds=[int(s) for s in drawn], first=first, last=last, effects=chosen
    )
    p_values = pooled_t(changes, treated).p_value
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npy")
        np.save(part, p_values, allow_pickle=False)
        part.replace(file)
    return p_values
