"""One design, many studies: the tests of thousands of simulated outcomes at once.

Who is treated, the covariates and the strata are the same in every study, so that leverages, degrees of
freedom and reassignments are shared: a permutation test of D studies is a few products of draws x G with
G x D matrices. Each function gives what the procedure for one study gives, study by study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from pluseval.errors import DesignError
from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.invert import TIE, Resampling
from pluseval.numerics.linear import fit
from pluseval.numerics.permute import NOTHING_LEFT

TOGETHER = 512  # draws multiplied at a time: the products of one slice with 500 studies stay in the cache


@dataclass(frozen=True)
class TTests:
    """t tests of one effect in each of D studies.

    Attributes
    ----------
    estimates, std_errors : (D,) arrays
    df : float or (D,) array
        Infinite for the normal distribution.
    """

    estimates: np.ndarray
    std_errors: np.ndarray
    df: float | np.ndarray

    def p_values(self, effect: float = 0.0) -> np.ndarray:
        """Two-sided p-values of no effect, had a constant ``effect`` been added to every treated unit."""
        return 2 * stats.t.sf(np.abs(self.estimates + effect) / self.std_errors, self.df)

    def widths(self, level: float = 0.95) -> np.ndarray:
        """Widths of the intervals."""
        return 2 * stats.t.ppf((1 + level) / 2, self.df) * self.std_errors


@dataclass(frozen=True)
class _Residualised:
    """Outcomes and treatment with the constant and the covariates taken out."""

    base: np.ndarray  # (G, q) orthonormal
    treatment: np.ndarray  # (G,)
    leverage: np.ndarray  # (G,) of the base alone

    @classmethod
    def of(cls, treated: np.ndarray, covariates: np.ndarray | None) -> _Residualised:
        group = np.asarray(treated, dtype=float)
        columns = [np.ones(group.size)] if covariates is None else [np.ones(group.size), covariates]
        base = np.linalg.qr(np.column_stack(columns))[0]
        return cls(base, group - base @ (base.T @ group), np.sum(base**2, axis=1))

    def out(self, y: np.ndarray) -> np.ndarray:
        """Outcomes (D, G) without what the base explains, as (G, D)."""
        return y.T - self.base @ (self.base.T @ y.T)


def pooled_t(y: np.ndarray, treated: np.ndarray, covariates: np.ndarray | None = None) -> TTests:
    """Least squares of the changes ``y`` (D, G) on treatment, with one pooled variance.

    Examples
    --------
    >>> found = pooled_t(np.array([[3.0, 5.0, 1.0, 2.0, 0.0]]), np.array([1, 1, 0, 0, 0]))
    >>> found.estimates.round(6).tolist(), found.df
    ([3.0], 3)
    """
    made = _Residualised.of(treated, covariates)
    left = made.out(y)
    size = made.treatment @ made.treatment
    slope = made.treatment @ left / size
    rss = np.sum(left**2, axis=0) - slope**2 * size
    df = y.shape[1] - made.base.shape[1] - 1
    return TTests(slope, np.sqrt(rss / df / size), df)


def welch_t(y: np.ndarray, treated: np.ndarray) -> TTests:
    """Welch's t of the changes ``y`` (D, G), each study with its own degrees of freedom."""
    on = np.asarray(treated, dtype=bool)
    one, other = y[:, on], y[:, ~on]
    a, b = one.var(axis=1, ddof=1) / one.shape[1], other.var(axis=1, ddof=1) / other.shape[1]
    df = (a + b) ** 2 / (a**2 / (one.shape[1] - 1) + b**2 / (other.shape[1] - 1))
    return TTests(one.mean(axis=1) - other.mean(axis=1), np.sqrt(a + b), df)


def robust_t(
    y: np.ndarray,
    treated: np.ndarray,
    covariates: np.ndarray | None = None,
    *,
    kind: str = "CR2",
    df: str = "bell-mccaffrey",
) -> TTests:
    """CR1, CR2 or CR3 of the changes ``y`` (D, G), one per cluster.

    Parameters
    ----------
    kind : {"CR1", "CR2", "CR3"}
    df : {"bell-mccaffrey", "clusters"}
        Those of :meth:`pluseval.numerics.cluster.ClusterCov.df`, which rest on the design alone, or G - 1.

    Raises
    ------
    DesignError
        Another kind.
    """
    if kind not in ("CR1", "CR2", "CR3"):
        raise DesignError(f"robust_t knows CR1, CR2 and CR3, not {kind!r}")
    made = _Residualised.of(treated, covariates)
    left = made.out(y)
    t, G = made.treatment, y.shape[1]
    size = t @ t
    slope = t @ left / size
    errors = left - t[:, None] * slope
    free = 1 - made.leverage - t**2 / size
    factor = {"CR1": np.full(G, G / (G - 1)), "CR2": 1 / free, "CR3": 1 / free**2}[kind]
    std_errors = np.sqrt((t**2 * factor) @ errors**2) / size
    if df == "clusters":
        return TTests(slope, std_errors, G - 1)
    columns = [np.ones(G)] if covariates is None else [np.ones(G), covariates]
    design = np.column_stack([*columns, np.asarray(treated, dtype=float)])
    cov = cluster_cov(fit(y[0], design), np.arange(G), kind=kind)
    return TTests(slope, std_errors, cov.df(design.shape[1] - 1))


def mean_t(y: np.ndarray) -> TTests:
    """Student's t of the mean of each row of ``y`` (D, G): one group of changes."""
    G = y.shape[1]
    return TTests(y.mean(axis=1), np.sqrt(y.var(axis=1, ddof=1) / G), G - 1)


@dataclass(frozen=True)
class Permutations:
    """Reassignments of one design, ready for any number of studies.

    Made by :meth:`of`; equals :func:`pluseval.numerics.permute.permutation_test` with the same draws.
    """

    design: _Residualised
    drawn: np.ndarray = field(repr=False)  # (B, G) residualised assignments
    coefficient: bool
    added: bool

    @classmethod
    def of(
        cls,
        treated: np.ndarray,
        drawn: np.ndarray,
        *,
        covariates: np.ndarray | None = None,
        coefficient: bool = False,
        added: bool = True,
    ) -> Permutations:
        """Permutations of the studentised effect (Welch's t; CR2 with covariates) or of the coefficient.

        Parameters
        ----------
        treated : (G,) of 0 / 1
        drawn : (B, G) of 0 / 1
            Reassignments.
        covariates : (G,) or (G, q) array, optional
        coefficient : bool
        added : bool
            Count the observed assignment besides (sampled reassignments).
        """
        design = _Residualised.of(treated, covariates)
        a = np.asarray(drawn, dtype=float)
        return cls(design, a - (a @ design.base) @ design.base.T, coefficient, added)

    def p_values(self, y: np.ndarray) -> np.ndarray:
        """Two-sided p-values of the changes ``y`` (D, G): the statistic's size, whatever its sign."""
        return self.both(y)[0][0]

    def both(self, y: np.ndarray, effects: Sequence[float] = (0.0,)) -> tuple[np.ndarray, np.ndarray]:
        """Two-sided p-values of two kinds, (E, D) each, with constant ``effects`` added to the treated.

        The first by the statistic's size, the second twice the smaller tail: the test whose interval has
        ``tails="equal"``. Where the draws are not symmetric about 0 it asks each tail by itself.
        """
        left = self.design.out(np.asarray(y, dtype=float))
        scale = np.sqrt(np.mean(left**2, axis=0))
        left = left / scale  # so that sums of squares of all studies have one order of magnitude
        added = np.asarray(effects, dtype=float)[:, None] / scale  # (E, D)
        observed = self._parts(self.design.treatment[None], left)
        high, low = np.zeros((2, *added.shape))  # draws as far out as observed, by the sign of the draw
        variance = observed.d0[0]
        slopes = observed.n0[0] + added
        limit = slopes**2 * (1 - TIE) ** 2
        for start in range(0, self.drawn.shape[0], TOGETHER):
            parts = self._parts(self.drawn[start : start + TOGETHER], left)
            for e, x in enumerate(added):
                top, spread = parts.at(x)
                far = top * top * variance >= spread * limit[e]
                positive = top >= 0
                high[e] += np.count_nonzero(far & positive, axis=0)
                low[e] += np.count_nonzero(far & ~positive, axis=0)
        beyond = np.where(slopes >= 0, high, low)
        total = self.drawn.shape[0] + self.added
        tail = (beyond + self.added) / total
        return (high + low + self.added) / total, np.minimum(1.0, 2 * np.minimum(tail, 1 - tail + 1 / total))

    def resamplings(self, y: np.ndarray) -> list[Resampling]:
        """The test of each row of ``y`` (D, G) at every trial effect, for intervals."""
        left = self.design.out(np.asarray(y, dtype=float))
        observed, parts = self._parts(self.design.treatment[None], left), self._parts(self.drawn, left)
        none = np.zeros(self.drawn.shape[0])
        return [
            Resampling(
                estimate=float(observed.n0[0, d]),
                variance=float(observed.d0[0, d]),
                n0=parts.n0[:, d],
                n1=-parts.n1[:, 0],
                d0=parts.d0[:, d],
                d1=none if parts.d1 is None else -parts.d1[:, d],
                d2=none if parts.d2 is None else parts.d2[:, 0],
                added=self.added,
            )
            for d in range(left.shape[1])
        ]

    def _parts(self, a: np.ndarray, left: np.ndarray) -> _EffectParts:
        """What the statistics of assignments ``a`` (b, G) are made of (variance 1 for the coefficient)."""
        treatment = self.design.treatment
        own = a * a
        size = own.sum(axis=1)
        fixed = size <= NOTHING_LEFT * (treatment @ treatment)
        size[fixed] = 1.0
        unit = a / size[:, None]
        n0, n1 = unit @ left, (unit @ treatment)[:, None]
        if self.coefficient:
            return _EffectParts(n0, n1, np.ones_like(n0), None, None)
        free = np.maximum(1 - self.design.leverage - own / size[:, None], 1e-12)
        weight = own / free / (size**2)[:, None]
        linear = weight * a
        curve = np.einsum("bi,bi->b", linear, a)[:, None]
        along, across = linear @ left, (linear @ treatment)[:, None]
        d0 = n0 * curve
        d0 -= 2 * along
        d0 *= n0
        d0 += weight @ left**2
        d1 = n0 * (n1 * curve - across)
        d1 -= n1 * along
        d1 += weight @ (left * treatment[:, None])
        d2 = weight @ treatment[:, None] ** 2 - 2 * n1 * across + n1**2 * curve
        for part in (n0, n1, d0, d1, d2):  # its treatment is a covariate: never makes p smaller
            part[fixed] = 0.0
        return _EffectParts(n0, n1, np.maximum(d0, 0.0), d1, np.maximum(d2, 0.0))


@dataclass(frozen=True)
class _EffectParts:
    """Statistics of b draws and D studies as functions of an effect x that is added to the treated.

    The effect is ``n0 + x n1`` and its variance ``d0 + 2 x d1 + x^2 d2``; n1 and d2 are (b, 1), the others
    (b, D); d1 and d2 are None where the variance does not depend on x.
    """

    n0: np.ndarray
    n1: np.ndarray
    d0: np.ndarray
    d1: np.ndarray | None
    d2: np.ndarray | None

    def at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Effects and variances (b, D) at the effect ``x`` (D,)."""
        if not np.any(x):
            return self.n0, self.d0
        top = self.n1 * x
        top += self.n0
        if self.d1 is None or self.d2 is None:
            return top, self.d0
        spread = self.d2 * x
        spread += 2 * self.d1
        spread *= x
        spread += self.d0
        return top, np.maximum(spread, 0.0, out=spread)


@dataclass(frozen=True)
class WildDraws:
    """Restricted wild bootstrap draws of one design, ready for any number of studies.

    Equals :func:`pluseval.numerics.wild.wild_bootstrap` on one change per cluster with the same numbers;
    ties are not counted, nor is the observed statistic.
    """

    basis: np.ndarray  # (G, k) orthonormal, treatment last
    numbers: np.ndarray = field(repr=False)  # (B, G)

    @classmethod
    def of(
        cls, treated: np.ndarray, numbers: np.ndarray, *, covariates: np.ndarray | None = None
    ) -> WildDraws:
        """Draws for the coefficient of ``treated`` beside a constant and covariates."""
        made = _Residualised.of(treated, covariates)
        last = made.treatment / np.linalg.norm(made.treatment)
        return cls(np.column_stack([made.base, last]), np.asarray(numbers, dtype=float))

    def p_values(self, y: np.ndarray) -> np.ndarray:
        """Two-sided p-values of the changes ``y`` (D, G)."""
        Q, q = self.basis, self.basis[:, -1]
        null = y.T - Q[:, :-1] @ (Q[:, :-1].T @ y.T)  # (G, D)
        null = null / np.sqrt(np.mean(null**2, axis=0))
        top = q @ null
        variance = q**2 @ (null - q[:, None] * top) ** 2
        observed = top**2 * (1 + TIE) ** 2
        inner = np.einsum("g,gi,gj->ij", q**2, Q, Q)
        signs_only = bool(np.all(np.abs(self.numbers) == 1))
        counts = np.zeros(y.shape[0])
        for start in range(0, self.numbers.shape[0], TOGETHER):
            v = self.numbers[start : start + TOGETHER]
            scores = [v @ (Q[:, [j]] * null) for j in range(Q.shape[1])]
            spread = (np.ones_like(v[:1]) if signs_only else v**2) @ (q[:, None] * null) ** 2
            for j, score in enumerate(scores):
                half = sum(inner[j, i] * other for i, other in enumerate(scores))
                half -= 2 * (v @ ((q**2 * Q[:, j])[:, None] * null))
                spread = spread + score * half
            counts += np.count_nonzero(scores[-1] ** 2 * variance > np.maximum(spread, 0) * observed, axis=0)
        return counts / self.numbers.shape[0]


def sign_flip_p_values(y: np.ndarray, signs: np.ndarray, *, added: bool) -> np.ndarray:
    """Two-sided p-values of the mean of each row of ``y`` (D, G) under sign vectors (B, G).

    Examples
    --------
    >>> signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    >>> sign_flip_p_values(np.array([[1.0, 2.0]]), signs, added=False).tolist()
    [0.5]
    """
    observed = np.abs(y.sum(axis=1)) * (1 - TIE)
    counts = np.zeros(y.shape[0])
    for start in range(0, signs.shape[0], TOGETHER):
        sums = signs[start : start + TOGETHER].astype(float) @ y.T
        counts += np.count_nonzero(np.abs(sums) >= observed, axis=0)
    return (counts + added) / (signs.shape[0] + added)
