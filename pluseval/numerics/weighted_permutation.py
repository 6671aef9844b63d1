"""Permutation test of a change between two windows in which practices count by their size.

Each practice has a value and a weight (exposure) per window, so that a group's value is a ratio of sums. The
weights belong to the practice: who took part is permuted, the weights stay where they are. The statistic is
the weighted difference in differences over its CR2 standard error with the practice as cluster. Sharp null
hypothesis: within a stratum the practices' values would have been the same whichever of them had taken part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pluseval.errors import DesignError
from pluseval.numerics.assign import assignments, require_attainable
from pluseval.numerics.invert import Resampling
from pluseval.numerics.permute import NOTHING_LEFT, PermutationTest
from pluseval.numerics.products import tall_product

STATISTICS = ("cr2", "coefficient")


def weighted_permutation_test(
    values: ArrayLike,
    weights: ArrayLike,
    treated: ArrayLike,
    *,
    covariates: ArrayLike | None = None,
    statistic: str = "cr2",
    strata: ArrayLike | None = None,
    draws: int = 9_999,
    seed: int,
    alpha: float = 0.05,
) -> PermutationTest:
    """Compare weighted changes of treated and comparison practices by permuting who was treated.

    The effect is that of weighted least squares on practice-windows with group, window, group x window, and
    covariates with a coefficient per window. The interval takes a constant effect off the treated practices'
    later values.

    Parameters
    ----------
    values, weights : (G, 2) arrays
        Per practice, before and after: a value, and its positive weight. Only the ratios of a window's
        weights matter.
    treated : (G,) array of 0 / 1
    covariates : (G,) or (G, q) array, optional
    statistic : {"cr2", "coefficient"}
        Studentised, or the bare effect, which is sensitive to unequal variances; for comparison only.
    strata : (G,) array, optional
        Practices change places only within a stratum.
    draws, seed : int
        All assignments are used where there are at most ``draws``; otherwise ``draws`` are sampled and the
        observed one is counted besides.
    alpha : float
        The test is refused where no data could give a p-value as small as this.

    Raises
    ------
    DesignError
        Shapes that do not agree, values that are missing, weights that are not positive, fewer than two
        practices in a group, covariates that are collinear or fix who is treated, values that do not vary,
        or too few assignments.

    References
    ----------
    Janssen (1997), doi:10.1016/S0167-7152(97)00043-6; DiCiccio and Romano (2017),
    doi:10.1080/01621459.2016.1202117. Estimate and standard error equal R's ``lm(y ~ treated * post, weights
    = exposure)`` with ``clubSandwich::vcovCR(cluster = practice, type = "CR2")``.

    Examples
    --------
    >>> values = [[30, 29], [32, 30], [31, 32], [33, 35], [35, 35], [30, 31], [29, 31.0]]
    >>> weights = [[20, 22], [40, 41], [15, 14], [30, 30], [25, 24], [33, 31], [28, 29]]
    >>> made = weighted_permutation_test(values, weights, [1, 1, 0, 0, 0, 0, 0], draws=99, seed=1)
    >>> made.exact, made.n_possible, round(made.estimate, 3), round(made.p_value(), 3)
    (True, 21, -2.937, 0.048)
    """
    y, w, group, Z = _checked(values, weights, treated, covariates)
    if statistic not in STATISTICS:
        raise DesignError(f"a statistic is one of {', '.join(STATISTICS)}, found {statistic!r}")
    n1, n0 = int(group.sum()), int(group.size - group.sum())
    if min(n1, n0) < 2:
        raise DesignError(
            f"{n1} treated and {n0} comparison practices leave a group without a variance; use placebo blocks"
        )
    made = assignments(group.astype(int), strata=strata, draws=draws, seed=seed)
    require_attainable(made, alpha)
    windows = [_Window(y[:, k], w[:, k], group, Z) for k in (0, 1)]
    n0_, n1_, d0, d1, d2 = _parts(windows, group[None])
    estimate, variance = float(n0_[0]), float(d0[0])
    if not variance > 1e-26 * max(float(np.max((y - y.mean()) ** 2)), 1e-300):
        raise DesignError("the values do not vary within the groups, so there is nothing to test with")
    parts = [_parts(windows, (block == 1).astype(float)) for block in made.blocks()]
    n0_, n1_, d0, d1, d2 = (np.concatenate(part) for part in zip(*parts, strict=True))
    plain = statistic == "coefficient"
    return PermutationTest(
        estimate=estimate,
        std_error=float(np.sqrt(variance)),
        statistic_name=statistic,
        n_treated=n1,
        n_comparison=n0,
        n_possible=made.n_possible,
        exact=made.exact,
        resampling=Resampling(
            estimate=estimate,
            variance=1.0 if plain else variance,
            n0=n0_,
            n1=n1_,
            d0=np.ones_like(d0) if plain else d0,
            d1=np.zeros_like(d1) if plain else d1,
            d2=np.zeros_like(d2) if plain else d2,
            added=not made.exact,
        ),
    )


class _Window:
    """Weighted least squares of one window's values on covariates and any treatment.

    Rows are scaled by the root of their weight, and covariates taken out, so that a draw needs products with
    a handful of columns only.
    """

    def __init__(self, y: np.ndarray, w: np.ndarray, group: np.ndarray, Z: np.ndarray) -> None:
        w = w / w.mean()
        self.w, self.root = w, np.sqrt(w)
        base = np.column_stack([np.ones_like(y), Z]) * self.root[:, None]
        self.q, r = np.linalg.qr(base)
        lost = np.flatnonzero(np.abs(np.diag(r)) <= 1e-9 * np.linalg.norm(base, axis=0))
        if lost.size:
            raise DesignError(f"covariates {(lost - 1).tolist()} (counted from 0) are constant or collinear")
        self.y, self.t = self._left((y - y.mean()) * self.root), self._left(group * self.root)
        self.room = NOTHING_LEFT * np.sum(group * w)
        if self.t @ self.t <= self.room:
            raise DesignError("the covariates fix who is treated, so its effect cannot be told from theirs")
        self.outcomes = np.column_stack([self.y, self.t])
        crossed = self.q.T @ (self.q * w[:, None])
        self.own = 1 - 2 * np.sum(self.q**2, axis=1) + np.sum((self.q @ crossed) * self.q, axis=1) / w

    def _left(self, column: np.ndarray) -> np.ndarray:
        return column - self.q @ (self.q.T @ column)

    def effect(self, drawn: np.ndarray) -> tuple[np.ndarray, ...]:
        """Slopes of value and observed treatment (B,), their CR2 scores (B, G), and which draws have none."""
        a = drawn * self.root
        a -= tall_product(tall_product(a, self.q), self.q.T)
        size = np.einsum("bi,bi->b", a, a)
        fixed = size <= self.room
        size[fixed] = 1.0
        slope_y, slope_t = (tall_product(a, self.outcomes) / size[:, None]).T
        a /= np.sqrt(size)[:, None]  # its column of the orthonormal basis
        square = a * a
        crossed = tall_product(tall_product(a, self.q * self.w[:, None]), self.q.T)
        # the practice's block of (I - H)(I - H)', of which CR2 takes the inverse root; H is not symmetric
        free = self.own - 2 * square
        free += (2 * a * crossed + square * tall_product(square, self.w[:, None])) / self.w
        lever = a / np.sqrt(np.maximum(free, 1e-12) * size[:, None])
        a *= np.sqrt(size)[:, None]
        return (
            slope_y,
            slope_t,
            lever * (self.y - slope_y[:, None] * a),
            lever * (self.t - slope_t[:, None] * a),
            fixed,
        )


def _parts(windows: list[_Window], drawn: np.ndarray) -> tuple[np.ndarray, ...]:
    """The five numbers of each draw of which the statistic at every trial effect is made."""
    (before, _, score_before, _, fixed), (after, slope_t, score_after, moved, never) = (
        window.effect(drawn) for window in windows
    )
    score = score_after - score_before
    parts = (
        after - before,
        -slope_t,
        np.einsum("bi,bi->b", score, score),
        -np.einsum("bi,bi->b", score, moved),
        np.einsum("bi,bi->b", moved, moved),
    )
    for part in parts:  # a draw without a statistic counts as extreme at every trial effect
        part[fixed | never] = 0.0
    return parts


def _checked(
    values: ArrayLike, weights: ArrayLike, treated: ArrayLike, covariates: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    y, w = np.asarray(values, dtype=float), np.asarray(weights, dtype=float)
    group = np.asarray(treated, dtype=float)
    if y.ndim != 2 or y.shape[1] != 2 or w.shape != y.shape or group.shape != y.shape[:1]:
        raise DesignError(
            "values and weights must be (G, 2) each and treated (G,), "
            f"found {y.shape}, {w.shape}, {group.shape}"
        )
    Z = np.empty((y.shape[0], 0)) if covariates is None else np.asarray(covariates, dtype=float)
    Z = Z[:, None] if Z.ndim == 1 else Z
    if Z.ndim != 2 or Z.shape[0] != y.shape[0]:
        raise DesignError(f"covariates must be ({y.shape[0]}, q), found {Z.shape}")
    for found, what in ((y, "values"), (Z, "covariates")):
        if bad := int(np.sum(~np.isfinite(found))):
            raise DesignError(f"{bad} {what} are not finite; leave those practices out, counted")
    if bad := int(np.sum(~(np.isfinite(w) & (w > 0)))):
        raise DesignError(f"{bad} weights are missing or not above 0; leave those practices out, counted")
    if not np.all((group == 0) | (group == 1)):
        raise DesignError("treated must be 0 or 1 for every practice")
    if y.shape[0] <= Z.shape[1] + 2:
        raise DesignError(f"{y.shape[0]} practices cannot carry {Z.shape[1]} covariates and an effect")
    return y, w, group, Z
