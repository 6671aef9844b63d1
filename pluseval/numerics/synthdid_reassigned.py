"""Synthetic difference in differences under many assignments of entries at once.

The same estimates as :func:`pluseval.numerics.synthdid.staggered_synthetic_did` gives one by one. Cohort
sizes are those of the observed entries in every assignment, so that the panels of all assignments, sorted by
cohort, are one array.
"""

from __future__ import annotations

import numpy as np

from pluseval.numerics.simplex_many import simplex_least_squares_many

CELLS = 400_000


def reassigned_synthetic_did(
    y: np.ndarray,
    *,
    codes: np.ndarray,
    cohorts: np.ndarray,
    periods: np.ndarray,
    method: str = "sdid",
    jackknife: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The effect over all cohorts under every assignment, and its jackknife error.

    Parameters
    ----------
    y : (N, T) array
    codes : (D, N) integer array
        Cohort of each unit, as a position in ``cohorts``; the same number of units per cohort in every row.
    cohorts : (C,) array
        Entries, increasing, the never-treated (infinite) last.
    periods : (T,) array
    method : {"sdid", "sc", "did"}
    jackknife : bool
        Whether the error is wanted: weights held and rescaled, a control left out of every cohort's
        comparison; NaN without.

    Returns
    -------
    effects, errors : (D,) arrays

    Examples
    --------
    >>> y = np.array([[1.0, 2, 3, 4], [2, 3, 4, 5], [5, 6, 8, 9], [5, 6, 7, 10]])
    >>> codes = np.array([[2, 2, 0, 1]])
    >>> how = {"cohorts": np.array([2, 3, np.inf]), "periods": np.arange(4), "method": "did"}
    >>> reassigned_synthetic_did(y, codes=codes, **how)[0].round(6)
    array([1.333333])
    """
    block = max(CELLS // y.size, 1)
    parts = [
        _block(y, codes[start : start + block], cohorts, periods, method, jackknife)
        for start in range(0, codes.shape[0], block)
    ]
    effects, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
    return effects, errors


def _block(
    y: np.ndarray, codes: np.ndarray, cohorts: np.ndarray, periods: np.ndarray, method: str, jackknife: bool
) -> tuple[np.ndarray, np.ndarray]:
    ends = np.cumsum(np.bincount(codes[0], minlength=cohorts.size))
    starts = np.concatenate([[0], ends[:-1]])
    order = np.argsort(codes, axis=1, kind="stable")
    panel = np.take(y.T, order, axis=1).swapaxes(0, 1)  # (D, T, N), units by cohort, their axis contiguous
    never = panel[:, :, starts[-1] :]
    later = np.array([(periods >= cohort).sum() for cohort in cohorts[:-1]])
    weights = (ends - starts)[:-1] * later
    weights = weights / weights.sum()
    effect = np.zeros(codes.shape[0])
    without_control = np.zeros((codes.shape[0], never.shape[2]))
    without_treated = []
    for c, share in enumerate(weights):
        own = panel[:, :, starts[c] : ends[c]]
        n_pre = periods.size - later[c]
        omega, lambda_ = _weights(never, own, n_pre, method)
        control, treated = (
            rows[:, n_pre:].mean(axis=1) - (lambda_[:, None, :] @ rows[:, :n_pre])[:, 0]
            for rows in (never, own)
        )
        weighed = omega * control
        together, mean = weighed.sum(axis=1), treated.mean(axis=1)
        part = mean - together
        effect += share * part
        if jackknife:
            with np.errstate(divide="ignore", invalid="ignore"):
                left = mean[:, None] - (together[:, None] - weighed) / (1 - omega)
                rest = (treated.sum(axis=1, keepdims=True) - treated) / (treated.shape[1] - 1)
            without_control += share * np.where(omega < 1, left, np.nan)
            without_treated.append(share * (rest - together[:, None] - part[:, None]))
    if not jackknife:
        return effect, np.full(effect.size, np.nan)
    moved = [effect[:, None] + each for each in without_treated]
    everyone = np.concatenate([without_control, *moved], axis=1)
    known = np.isfinite(everyone).sum(axis=1)
    return effect, np.sqrt((known - 1) ** 2 / known * np.nanvar(everyone, axis=1, ddof=1))


def _weights(never: np.ndarray, own: np.ndarray, n_pre: int, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights of controls (D, N0) and earlier periods (D, T0); each assignment has its own noise level."""
    draws, length, n_control = never.shape
    before = never[:, :n_pre]
    if method == "did":
        return np.full((draws, n_control), 1 / n_control), np.full((draws, n_pre), 1 / n_pre)
    changes = np.diff(before, axis=1).reshape(draws, -1)
    noise = changes.std(axis=1, ddof=1) if changes.shape[1] > 1 else np.zeros(draws)
    lambda_ = np.zeros((draws, n_pre))
    columns, target = before, own[:, :n_pre].mean(axis=2)
    zeta = 1e-6 * noise
    if method == "sdid":
        after = never[:, n_pre:].mean(axis=1)
        lambda_ = simplex_least_squares_many(
            (before - before.mean(axis=2, keepdims=True)).swapaxes(1, 2),
            after - after.mean(axis=1, keepdims=True),
            ridge=n_control * zeta**2,
        )
        columns = columns - columns.mean(axis=1, keepdims=True)
        target = target - target.mean(axis=1, keepdims=True)
        zeta = (own.shape[2] * (length - n_pre)) ** 0.25 * noise
    return simplex_least_squares_many(columns, target, ridge=n_pre * zeta**2), lambda_
