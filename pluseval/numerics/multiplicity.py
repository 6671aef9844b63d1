"""Several tests at once.

Which rule belongs to which statement: ``intersection_union`` for *all* of the hypotheses (lower cost AND
not-worse health AND not-worse experience), each part at the full level; ``max_t`` for *at least one*, over
one resampling that all statistics share; ``holm`` and ``benjamini_hochberg`` where there is no common
resampling; ``equivalence`` for *no difference that matters*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pluseval.errors import DesignError
from pluseval.numerics.linear import t_test

TIE = 1e-9  # relative difference below which two statistics are the same number


@dataclass(frozen=True)
class MaxT:
    """Single-step and step-down max-t over a common resampling.

    Attributes
    ----------
    p_joint : float
        The p-value of the hypothesis that all of the nulls hold ("at least one" rejects it).
    p_single, p_step : ndarray (m,)
        Adjusted p-values of each statistic; the step-down ones are never larger.
    critical : float
        An absolute statistic above this is rejected jointly at ``alpha``: half the width of a joint band, in
        standard errors. Infinite where there are too few draws.
    """

    p_joint: float
    p_single: np.ndarray
    p_step: np.ndarray
    critical: float


def max_t(observed: ArrayLike, resampled: ArrayLike, *, added: bool = True, alpha: float = 0.05) -> MaxT:
    """Adjust several statistics for looking at all of them, by the distribution of the largest.

    Parameters
    ----------
    observed : array (m,)
        Studentised statistics.
    resampled : array (draws, m)
        The same under each draw, one draw for all of them.
    added : bool
        Whether the observed data count as one more draw (sampled) or stand among the draws (enumerated).
    alpha : float

    Raises
    ------
    DesignError
        Shapes that do not match or statistics that are not numbers.

    References
    ----------
    Westfall and Young (1993), Resampling-based multiple testing, algorithm 2.8; Romano and Wolf (2005),
    doi 10.1198/016214504000000539.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.array([[1.0, 0.0], [-2.5, 1.0], [0.5, 3.0]])
    >>> made = max_t([2.0, 1.0], draws)
    >>> made.p_joint, made.p_single.tolist(), made.p_step.tolist()
    (0.75, [0.75, 1.0], [0.75, 0.75])
    """
    seen, drawn = np.abs(np.asarray(observed, dtype=float)), np.abs(np.asarray(resampled, dtype=float))
    if seen.ndim != 1 or drawn.ndim != 2 or drawn.shape[1] != seen.size or 0 in drawn.shape:
        raise DesignError(f"max-t needs (m,) and (draws, m), found {seen.shape} and {drawn.shape}")
    bad = int(np.sum(np.isnan(seen)) + np.sum(np.isnan(drawn)))
    if bad:
        raise DesignError(f"{bad} statistics are missing; give each of them in every draw")
    order = np.argsort(-seen, kind="stable")
    tail = np.maximum.accumulate(drawn[:, order][:, ::-1], axis=1)[:, ::-1]
    step = _share(tail, seen[order], added)
    single = _share(tail[:, [0]], seen, added)
    p_step = np.empty_like(step)
    p_step[order] = np.maximum.accumulate(step)
    largest = np.sort(tail[:, 0])
    allowed = int(np.floor(alpha * (largest.size + added) + TIE)) - added
    critical = float("inf") if allowed < 0 else float(largest[::-1][min(allowed, largest.size - 1)])
    return MaxT(p_joint=float(single.min()), p_single=single, p_step=p_step, critical=critical)


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's adjusted p-values: at least one wrong rejection with probability at most alpha, any dependence.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6. Equals R's ``p.adjust(p, "holm")``.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    p, order = _sorted(p_values)
    adjusted = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return _unsorted(adjusted, order)


def benjamini_hochberg(p_values: ArrayLike) -> np.ndarray:
    """Benjamini and Hochberg's adjusted p-values: expected share of wrong rejections at most alpha.

    References
    ----------
    Benjamini and Hochberg (1995), doi 10.1111/j.2517-6161.1995.tb02031.x. Equals R's ``p.adjust(p, "BH")``.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.04, 0.04]
    """
    p, order = _sorted(p_values)
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    return _unsorted(np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0), order)


def intersection_union(p_values: ArrayLike) -> float:
    """The p-value of "every one of the alternatives holds": the largest, without adjustment.

    References
    ----------
    Berger (1982), doi 10.1080/00401706.1982.10487790.

    Examples
    --------
    >>> intersection_union([0.01, 0.04, 0.03])
    0.04
    """
    return float(_sorted(p_values)[0].max())


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests.

    Attributes
    ----------
    p_lower, p_upper : float
        Of "the effect is at most ``low``" and "the effect is at least ``high``".
    p_value : float
        The larger of the two: below alpha the effect lies between the margins.
    """

    low: float
    high: float
    p_lower: float
    p_upper: float

    @property
    def p_value(self) -> float:
        """The p-value of equivalence."""
        return max(self.p_lower, self.p_upper)


def equivalence(p_lower: float, p_upper: float, *, low: float, high: float) -> Equivalence:
    """Join two one-sided p-values, at the shifted nulls ``low`` and ``high``, of any one procedure.

    Raises
    ------
    DesignError
        Margins that are not in order.

    Examples
    --------
    >>> equivalence(0.01, 0.2, low=-0.03, high=0.03).p_value
    0.2
    """
    if not low < high:
        raise DesignError(f"the lower margin must be below the upper one, found {low} and {high}")
    for p in (p_lower, p_upper):
        _sorted([p])
    return Equivalence(low=low, high=high, p_lower=float(p_lower), p_upper=float(p_upper))


def t_equivalence(estimate: float, std_error: float, df: float, *, low: float, high: float) -> Equivalence:
    """Two one-sided t tests; equals R's ``t.test`` with ``alternative`` and ``mu`` at the margins.

    References
    ----------
    Schuirmann (1987), doi 10.1007/BF01068419.

    Examples
    --------
    >>> round(t_equivalence(0.1, 0.4, 30, low=-1, high=1).p_value, 6)
    0.01597
    """
    below = t_test(estimate, std_error, df, null=low)
    above = t_test(estimate, std_error, df, null=high)
    p_lower = below.p_value / 2 if below.statistic > 0 else 1 - below.p_value / 2
    p_upper = above.p_value / 2 if above.statistic < 0 else 1 - above.p_value / 2
    return equivalence(p_lower, p_upper, low=low, high=high)


def _share(drawn: np.ndarray, seen: np.ndarray, added: bool) -> np.ndarray:
    return (np.sum(drawn >= seen * (1 - TIE), axis=0) + added) / (drawn.shape[0] + added)


def _sorted(p_values: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1 or p.size == 0 or not np.all((p >= 0) & (p <= 1)):
        raise DesignError("p-values must be a list of numbers from 0 to 1, none missing")
    return p, np.argsort(p, kind="stable")


def _unsorted(adjusted: np.ndarray, order: np.ndarray) -> np.ndarray:
    out = np.empty_like(adjusted)
    out[order] = adjusted
    return out
