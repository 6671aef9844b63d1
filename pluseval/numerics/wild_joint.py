"""Wild bootstrap of several changes at once: one test that none of them differs between the groups.

Every unit's residuals in all changes are multiplied by the same random number, so that the dependence
between the changes stays as it is. The statistic is Wald's, with a cluster-robust covariance; it does not
depend on how the changes are combined (years against the first, or adjacent years).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pluseval.errors import DesignError
from pluseval.numerics.invert import TIE
from pluseval.numerics.products import tall_product
from pluseval.numerics.wild import DISTRIBUTIONS, multipliers, require_draws_for

SINGULAR = 1e-12


@dataclass(frozen=True)
class WildJoint:
    """A bootstrap test that K effects are all zero.

    Attributes
    ----------
    effects : (K,) array
    statistic : float
        Wald's statistic over K, with the CR1S covariance: the square of t where K is 1.
    p_value : float
        Share of the draws with a larger statistic.
    n_draws : int
    enumerated : bool
        Whether all 2^G sign vectors were used.
    """

    effects: np.ndarray
    statistic: float
    p_value: float
    n_draws: int
    enumerated: bool


def wild_joint_test(
    y: ArrayLike,
    X: ArrayLike,
    *,
    distribution: str = "rademacher",
    restricted: bool = True,
    draws: int = 9_999,
    seed: int,
    alpha: float = 0.05,
) -> WildJoint:
    """Test that the last column of ``X`` has no effect on any column of ``y``.

    Parameters
    ----------
    y : (G, K) array
        K changes of each independent unit.
    X : (G, k) array
        Constant, covariates, and last the treatment (or only the constant, for the changes of one group).
    distribution, restricted, draws, seed, alpha
        As in :func:`pluseval.numerics.wild.wild_bootstrap`.

    Raises
    ------
    DesignError
        Fewer units than coefficients and changes together, changes that are combinations of each other or do
        not vary, a treatment that the covariates fix, or too few draws for ``alpha``.

    References
    ----------
    Cameron, Gelbach and Miller (2008), doi 10.1162/rest.90.3.414.

    Examples
    --------
    >>> y = np.array([[3, 1], [4.5, 2], [1, 0], [2, 2], [0.2, 1], [1.1, 0], [0.4, 3], [0, 1]])
    >>> X = np.column_stack([np.ones(8), [1, 1, 1, 0, 0, 0, 0, 0]])
    >>> made = wild_joint_test(y, X, draws=999, seed=1)
    >>> made.enumerated, made.n_draws, made.effects.round(2).tolist()
    (True, 256, [2.09, -0.4])
    """
    y, X = np.asarray(y, dtype=float), np.asarray(X, dtype=float)
    if y.ndim != 2 or X.ndim != 2 or y.shape[0] != X.shape[0]:
        raise DesignError(f"y must be (G, K) and X (G, k), found {y.shape} and {X.shape}")
    if not (np.isfinite(y).all() and np.isfinite(X).all()):
        raise DesignError("changes and covariates must be finite; leave those units out, counted")
    if distribution not in DISTRIBUTIONS:
        raise DesignError(f"a distribution is one of {', '.join(DISTRIBUTIONS)}, found {distribution!r}")
    G, K = y.shape
    if G < X.shape[1] + K + 1:
        raise DesignError(f"{G} units cannot carry {X.shape[1]} coefficients and a test of {K} changes")
    require_draws_for(distribution, G, draws, alpha)
    plan = _Plan(y, X)
    observed = plan.observed()
    residuals = plan.residuals(X[:, :-1] if restricted else X)
    enumerated = distribution == "rademacher" and 2**G <= draws
    count = 2**G if enumerated else draws
    strict, extreme = distribution != "mammen", 0
    for numbers, _ in multipliers(distribution, G, count, seed, enumerated):
        drawn = plan.drawn(numbers, residuals)
        room = 1 + (2 if strict else -2) * TIE  # of a square; ties are not counted, as in wild_bootstrap
        extreme += int(np.sum(drawn > observed * room if strict else drawn >= observed * room))
    factor = G / (G - 1) * (G - 1) / (G - X.shape[1])
    return WildJoint(
        effects=plan.effects,
        statistic=observed / (K * factor),
        p_value=extreme / count,
        n_draws=count,
        enumerated=enumerated,
    )


class _Plan:
    """Effects and their Wald statistic, of the data and of draws."""

    def __init__(self, y: np.ndarray, X: np.ndarray) -> None:
        self.y = y
        q, r = np.linalg.qr(X)
        if np.any(np.abs(np.diag(r)) <= 1e-9 * np.linalg.norm(X, axis=0)):
            raise DesignError("covariates are collinear or fix who is treated; leave one out")
        self.q, t = q, q[:, -1] / r[-1, -1]  # the treatment less the others, over its sum of squares
        self.t, self.effects = t, t @ y

    def residuals(self, X: np.ndarray) -> np.ndarray:
        q, _ = np.linalg.qr(X)
        return self.y - q @ (q.T @ self.y)

    def observed(self) -> float:
        scores = self.t[:, None] * self.residuals(self.q)
        spread = np.linalg.svd(scores / (np.abs(self.y).max() or 1.0), compute_uv=False)
        if not spread[-1] > SINGULAR * max(spread[0], np.abs(self.t).max()):
            raise DesignError(
                "the changes do not vary, or are combinations of each other; test fewer of them"
            )
        return float(self.effects @ np.linalg.solve(scores.T @ scores, self.effects))

    def drawn(self, numbers: np.ndarray, residuals: np.ndarray) -> np.ndarray:
        """Wald's statistic (b,) where each unit's residuals are multiplied by its number."""
        k, K = self.q.shape[1], residuals.shape[1]
        effects = tall_product(numbers, self.t[:, None] * residuals)
        crossed = (self.q[:, :, None] * residuals[:, None, :]).reshape(-1, k * K)
        fitted = self.q @ tall_product(numbers, crossed).reshape(-1, k, K)
        scores = self.t[:, None] * (numbers[:, :, None] * residuals - fitted)
        meat = scores.swapaxes(1, 2) @ scores
        try:
            return np.einsum("bi,bi->b", effects, np.linalg.solve(meat, effects[:, :, None])[:, :, 0])
        except np.linalg.LinAlgError:  # a draw in which the units agree: its generalised inverse
            return np.einsum("bi,bij,bj->b", effects, np.linalg.pinv(meat, hermitian=True), effects)
