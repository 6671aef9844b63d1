"""Answers from latent scales: cut points, and the shift of a scale that moves a mean answer by an effect."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from pluseval.data.synthetic.parameters import Surveys
from pluseval.errors import DesignError

# Dutch value set of the EQ-5D-5L (Versteegh 2016, doi 10.1016/j.jval.2016.01.003): decrements of levels 1-5
# by dimension, and of any level above 1. Here they serve calibration alone; scoring is an outcome's task.
DECREMENTS = np.array(
    [
        [0.0, 0.035, 0.057, 0.166, 0.203],
        [0.0, 0.038, 0.061, 0.168, 0.168],
        [0.0, 0.039, 0.087, 0.192, 0.192],
        [0.0, 0.066, 0.092, 0.360, 0.415],
        [0.0, 0.070, 0.145, 0.356, 0.421],
    ]
)
ANY_PROBLEM = 0.047
_SHIFTS = np.linspace(-3.0, 3.0, 601)


def cuts(shares: tuple[float, ...]) -> np.ndarray:
    """Cut points of a standard normal scale that give these shares of answers."""
    return ndtri(np.cumsum(shares)[:-1])


def answers(scale: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
    """Answer (0-based) of each value of a scale, same shape."""
    return np.searchsorted(cuts(shares), scale, side="right").astype(np.int8)


def utility(levels: np.ndarray) -> np.ndarray:
    """Dutch utility of EQ-5D-5L levels 1-5, shape (n, 5) -> (n,)."""
    loss = DECREMENTS[np.arange(5), levels.astype(np.int64) - 1].sum(axis=1)
    return 1 - loss - ANY_PROBLEM * (levels > 1).any(axis=1)


def nps_score(answer: np.ndarray) -> np.ndarray:
    """100 for a promoter (9-10), -100 for a detractor (0-6), else 0."""
    return np.where(answer >= 9, 100.0, np.where(answer <= 6, -100.0, 0.0))


def shift_for(outcome: str, effect: np.ndarray, surveys: Surveys) -> np.ndarray:
    """Shift of the latent scale that moves the mean answer by ``effect``, same shape.

    Raises
    ------
    DesignError
        If no shift moves the mean so far.
    """
    means = _means(outcome, surveys)
    gain = means - means[len(means) // 2]
    effect = np.asarray(effect, dtype=float)
    if (effect < gain[0]).any() or (effect > gain[-1]).any():
        raise DesignError(
            f"an effect on {outcome} lies outside {gain[0]:.2f} to {gain[-1]:.2f}: "
            "the scale ends before it can be reached"
        )
    return np.interp(effect, gain, _SHIFTS)


@lru_cache(maxsize=16)
def _means(outcome: str, surveys: Surveys) -> np.ndarray:
    """Mean answer at each shift; kept, because a conditioned study asks for it at every draw."""
    if outcome == "eq5d_utility":
        return _mean_utility(surveys)
    if outcome == "grade":
        return _mean_score(surveys.grade_shares, np.arange(11.0))
    return _mean_score(surveys.nps_shares, nps_score(np.arange(11)))


def _mean_score(shares: tuple[float, ...], score: np.ndarray) -> np.ndarray:
    upper = ndtr(cuts(shares)[:, None] - _SHIFTS)
    edges = np.vstack([np.zeros(len(_SHIFTS)), upper, np.ones(len(_SHIFTS))])
    return score @ np.diff(edges, axis=0)


def _mean_utility(surveys: Surveys) -> np.ndarray:
    """Mean utility at each shift towards health, by quadrature over the burden that the items share."""
    burden = np.linspace(-6, 6, 241)
    density = np.exp(-(burden**2) / 2)
    density /= density.sum()
    load = surveys.item_loading
    scale = np.sqrt(1 - load**2)
    mean = np.ones(len(_SHIFTS))
    no_problem = np.ones((len(_SHIFTS), len(burden)))
    for (_, shares), loss in zip(surveys.items, DECREMENTS, strict=True):
        edge = cuts(shares)[:, None, None] + _SHIFTS[:, None] - load * burden
        below = ndtr(edge / scale)
        steps = np.diff(np.concatenate([below, np.ones_like(below[:1])]), axis=0)
        mean -= np.einsum("k,ksb,b->s", loss[1:], steps, density)
        no_problem *= below[0]
    return mean - ANY_PROBLEM * (1 - no_problem @ density)
