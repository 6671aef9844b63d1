"""One design, many studies: the tests of thousands of simulated outcomes at once.

Who is treated, the covariates and the strata are the same in every study, so that leverages, degrees of
freedom and reassignments are shared: a permutation test of D studies is a few products of draws x G with
G x D matrices. Each function gives what the procedure for one study gives, study by study.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from pluseval.errors import DesignError
from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.invert import TIE
from pluseval.numerics.linear import fit
from pluseval.numerics.permute import NOTHING_LEFT
from pluseval.numerics.reassignment import StaggeredMap

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


def panel_t(y: np.ndarray, treated: np.ndarray, after: np.ndarray, *, errors: str) -> TTests:
    """The uncollapsed panel ``y`` (D, G, T): practice and period effects, treatment in periods ``after``.

    A warning, not a choice: with ``errors="independent"`` every practice-period counts as evidence of its
    own; ``"CR1"`` clusters by practice with t(G - 1).
    """
    on = np.outer(np.asarray(treated, dtype=float), np.asarray(after, dtype=float))
    d = on - on.mean(axis=1, keepdims=True) - on.mean(axis=0) + on.mean()
    left = y - y.mean(axis=2, keepdims=True)
    left -= left.mean(axis=1, keepdims=True)
    size = np.sum(d**2)
    slope = np.einsum("dgt,gt->d", left, d) / size
    residuals = left - slope[:, None, None] * d
    G, T = d.shape
    if errors == "independent":
        df = G * T - G - T
        return TTests(slope, np.sqrt(np.einsum("dgt,dgt->d", residuals, residuals) / df / size), df)
    if errors != "CR1":
        raise DesignError(f"errors are 'independent' or 'CR1', found {errors!r}")
    scores = np.einsum("dgt,gt->dg", residuals, d)
    return TTests(slope, np.sqrt(np.sum(scores**2, axis=1) * G / (G - 1)) / size, G - 1)


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
        return self.both(y)[0]

    def both(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two-sided p-values of two kinds, (D,) each: by the statistic's size, and twice the smaller tail.

        The second is the test whose interval has ``tails="equal"``: where the draws are not symmetric about
        0 it asks each tail by itself.
        """
        left = self.design.out(np.asarray(y, dtype=float))
        scale = np.sqrt(np.mean(left**2, axis=0))
        left = left / scale  # so that sums of squares of all studies have one order of magnitude
        square = left**2
        slope, variance = self._parts(self.design.treatment[None], left, square)
        observed = slope**2 * (1 - TIE) ** 2
        high, low = np.zeros((2, y.shape[0]))  # draws as far out as observed, by the sign of the draw
        up = slope[0] >= 0
        for start in range(0, self.drawn.shape[0], TOGETHER):
            top, spread = self._parts(self.drawn[start : start + TOGETHER], left, square)
            far = top * top * variance >= spread * observed
            positive = top >= 0
            high += np.count_nonzero(far & positive, axis=0)
            low += np.count_nonzero(far & ~positive, axis=0)
        beyond = np.where(up, high, low)
        total = self.drawn.shape[0] + self.added
        tail = (beyond + self.added) / total
        return (high + low + self.added) / total, np.minimum(1.0, 2 * np.minimum(tail, 1 - tail + 1 / total))

    def _parts(
        self, a: np.ndarray, left: np.ndarray, square: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | float]:
        """Effects (b, D) and their variances (1 where the coefficient itself is permuted)."""
        own = a * a
        size = own.sum(axis=1)
        fixed = size <= NOTHING_LEFT * (self.design.treatment @ self.design.treatment)
        size[fixed] = 1.0
        slope = (a / size[:, None]) @ left
        if self.coefficient:
            return slope, 1.0
        free = np.maximum(1 - self.design.leverage - own / size[:, None], 1e-12)
        weight = own / free / (size**2)[:, None]
        linear = weight * a
        curve = np.einsum("bi,bi->b", linear, a)
        spread = linear @ left
        spread *= -2
        spread += slope * curve[:, None]
        spread *= slope
        spread += weight @ square
        np.maximum(spread, 0.0, out=spread)
        slope[fixed], spread[fixed] = 0.0, 0.0  # its treatment is a covariate: never makes p smaller
        return slope, spread


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


@dataclass(frozen=True)
class Reassignments:
    """Reassigned entries of one staggered design, ready for any number of studies.

    Attributes
    ----------
    effect : StaggeredMap
    observed : (N,) integer array
        Position of each unit's cohort in ``effect.cohorts``.
    codes : (B, N) integer array
    added : bool
        Count the observed assignment besides (sampled reassignments).
    """

    effect: StaggeredMap
    observed: np.ndarray = field(repr=False)
    codes: np.ndarray = field(repr=False)
    added: bool = True

    def analytic(self, y: np.ndarray) -> TTests:
        """Callaway and Sant'Anna's analytic standard errors with the normal distribution; ``y`` (D, N, T)."""
        parts, centres, scale = self._columns(y)
        estimates, variances = self._parts(self.observed[None], parts, centres, small_sample=False)
        return TTests(scale * estimates[0], scale * np.sqrt(variances[0]), np.inf)

    def p_values(self, y: np.ndarray) -> np.ndarray:
        """Two-sided p-values of the studentised effect; equals ``staggered_permutation_test``."""
        parts, centres, _ = self._columns(y)
        top, variance = (part[0] for part in self._parts(self.observed[None], parts, centres))
        observed = top**2 * (1 - TIE) ** 2
        counts = np.zeros(y.shape[0])
        for start in range(0, self.codes.shape[0], TOGETHER):
            drawn, spread = self._parts(self.codes[start : start + TOGETHER], parts, centres)
            counts += np.count_nonzero(drawn**2 * variance >= spread * observed, axis=0)
        return (counts + self.added) / (self.codes.shape[0] + self.added)

    def _columns(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each unit's part by cohort (C, N, D), its share in the centres (C, C, N, D), the scale (D,)."""
        y = y - y.mean(axis=1, keepdims=True)
        y = y - y.mean(axis=2, keepdims=True)
        scale = np.sqrt(np.mean(y**2, axis=(1, 2)))
        y = y / scale[:, None, None]
        rows = self.effect.rows
        centre = self.effect.centre.reshape(*rows.shape, rows.shape[0])  # (C, T, C)
        parts = np.einsum("dnt,ct->cnd", y, rows, optimize=True)
        return parts, np.einsum("dnt,ctk->cknd", y, centre, optimize=True), scale

    def _parts(
        self, codes: np.ndarray, parts: np.ndarray, centres: np.ndarray, *, small_sample: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Effects and variances (b, D), in units of each study's spread."""
        size = parts.shape[0]
        inside = [(codes == c).astype(float) for c in range(size)]
        estimate, variance = np.zeros((2, codes.shape[0], parts.shape[2]))
        for c, n in enumerate(self.effect.counts.astype(float)):
            linear = inside[c] @ parts[c]
            taken = sum(inside[other] @ centres[other, c] for other in range(size))
            about = inside[c] @ parts[c] ** 2 - 2 * taken * linear + n * taken**2
            variance += about * (n / max(n - 1, 1) if small_sample else 1.0)
            estimate += linear
        return estimate, np.maximum(variance, 0.0)
