"""Permutation tests of a change, under exchangeability of the units.

The sharp null hypothesis: within a stratum the units' changes would have been the same whichever of them
had taken part, so that who took part is exchangeable. Nobody was randomised; where the changes depend on
something that differs between the groups (list size), permute within strata of it and give it as a covariate.

Statistics: ``welch`` (difference of means over its standard error with separate variances), ``cr2``
(regression on covariates or with weights, over its CR2 = HC2 standard error; without either it is Welch's),
``coefficient`` (not studentised: sensitive to unequal variances and to effects that vary; for comparison
only).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from pluseval.errors import DesignError
from pluseval.numerics.assign import BLOCK, Assignments, assignments, require_attainable
from pluseval.numerics.invert import Interval, Resampling
from pluseval.numerics.products import tall_product

STATISTICS = ("welch", "cr2", "coefficient")
NOTHING_LEFT = 1e-10  # share of a treatment vector that is left once covariates are taken out


@dataclass(frozen=True)
class PermutationTest:
    """A permutation test and all that its interval needs.

    Attributes
    ----------
    estimate, std_error : float
        The effect and the standard error that studentises it.
    statistic_name : str
    n_treated, n_comparison : int
        ``n_comparison`` is 0 for sign flips of one group.
    n_possible : int
        Number of different assignments; ``exact`` says whether all were used.
    exact : bool
    resampling : Resampling
    """

    estimate: float
    std_error: float
    statistic_name: str
    n_treated: int
    n_comparison: int
    n_possible: int
    exact: bool
    resampling: Resampling = field(repr=False)

    @property
    def statistic(self) -> float:
        """The observed statistic at no effect (the coefficient itself where it is not studentised)."""
        return self.resampling.statistic()

    def p_value(self, null: float = 0.0, *, alternative: str = "two-sided") -> float:
        """The p-value of a constant additive effect ``null``; never zero, the observed assignment counts."""
        return self.resampling.p_value(null, alternative=alternative)

    def conf_int(self, level: float = 0.95, *, tails: str = "symmetric") -> Interval:
        """The constant additive effects that the same test with the same draws does not reject."""
        return self.resampling.interval(level, tails=tails)


def permutation_test(
    change: ArrayLike,
    treated: ArrayLike,
    *,
    statistic: str = "welch",
    covariates: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    draws: int = 9_999,
    seed: int,
    alpha: float = 0.05,
) -> PermutationTest:
    """Compare the changes of treated and comparison units by permuting who was treated.

    Parameters
    ----------
    change : array (n,)
        One change per unit.
    treated : array (n,) of 0 / 1
    statistic : {"welch", "cr2", "coefficient"}
    covariates : array (n,) or (n, q), optional
        Taken out of the change and, in every draw, of the treatment (``cr2`` and ``coefficient``).
    weights : array (n,), optional
        Positive weights of the units (``cr2`` and ``coefficient``).
    strata : array (n,), optional
    draws, seed : int
        All assignments are used where there are at most ``draws``; otherwise ``draws`` are sampled and the
        observed one is counted besides.
    alpha : float
        The test is refused where no data could give a p-value as small as this.

    Returns
    -------
    PermutationTest

    Raises
    ------
    DesignError
        Too few assignments for ``alpha``, one unit in a group with a studentised statistic, changes that do
        not vary, covariates that are collinear or that fix the treatment, values that are not finite.

    References
    ----------
    Janssen (1997), doi 10.1016/S0167-7152(97)00043-6; Chung and Romano (2013), doi 10.1214/13-AOS1090;
    DiCiccio and Romano (2017), doi 10.1080/01621459.2016.1202117.

    Examples
    --------
    >>> change, treated = [3.0, 4.0, 6.0, 1.0, 2.0, 2.5, 0.5], [1, 1, 1, 0, 0, 0, 0]
    >>> made = permutation_test(change, treated, draws=999, seed=1)
    >>> made.exact, made.n_possible, round(made.p_value(), 6)
    (True, 35, 0.057143)
    """
    y, group = _checked(change, treated)
    Z, w = _checked_adjustment(covariates, weights, y.size)
    if statistic not in STATISTICS:
        raise DesignError(f"a statistic is one of {', '.join(STATISTICS)}, found {statistic!r}")
    if statistic == "welch" and (Z.shape[1] or w is not None):
        raise DesignError('Welch\'s statistic takes no covariates and no weights; use statistic="cr2"')
    n1, n0 = int(group.sum()), int(y.size - group.sum())
    if min(n1, n0) < (1 if statistic == "coefficient" else 2):
        raise DesignError(
            f"{n1} treated and {n0} comparison units leave a group without a variance to studentise with; "
            "for "
            'one treated unit use statistic="coefficient", which ranks it among the comparison units'
        )
    made = assignments(group, strata=strata, draws=draws, seed=seed)
    twins = n1 == n0 and all(2 * group[rows].sum() == rows.size for rows in made.strata)
    require_attainable(made, alpha, twins=twins)
    measure = _Welch(y, group) if statistic == "welch" else _Regression(y, group, Z, w)
    estimate, variance = measure.observed()
    parts = [measure.parts((block == 1).astype(float)) for block in made.blocks()]
    n0_, n1_, d0, d1, d2 = (np.concatenate(part) for part in zip(*parts, strict=True))
    plain = statistic == "coefficient"
    resampling = Resampling(
        estimate=estimate,
        variance=1.0 if plain else variance,
        n0=n0_,
        n1=n1_,
        d0=np.ones_like(d0) if plain else d0,
        d1=np.zeros_like(d1) if plain else d1,
        d2=np.zeros_like(d2) if plain else d2,
        added=not made.exact,
    )
    return PermutationTest(
        estimate=estimate,
        std_error=float(np.sqrt(variance)),
        statistic_name=statistic,
        n_treated=n1,
        n_comparison=n0,
        n_possible=made.n_possible,
        exact=made.exact,
        resampling=resampling,
    )


def sign_flip_test(
    change: ArrayLike, *, draws: int = 16_384, seed: int, alpha: float = 0.05
) -> PermutationTest:
    """Test the mean change of one group by flipping signs.

    Assumption: without an effect a unit's change is as likely to be up as down, independently between units.
    All 2^G flips are used where there are at most ``draws``.

    Raises
    ------
    DesignError
        Fewer than two units, too few flips for ``alpha``, or changes that do not vary.

    Examples
    --------
    >>> made = sign_flip_test([1.0, 2.0, 0.5, 1.5, 3.0, -0.2], draws=64, seed=1)
    >>> made.exact, made.p_value()
    (True, 0.0625)
    """
    y = np.asarray(change, dtype=float)
    if y.ndim != 1 or y.size < 2:
        raise DesignError(f"sign flips need the changes of at least two units, found {y.shape}")
    _require_finite(y, "changes")
    if draws < 1:
        raise DesignError(f"a permutation test needs at least one draw, found {draws}")
    G = y.size
    variance = float(y.var(ddof=1) / G)
    _require_variance(variance, y)
    exact = 2**G <= draws
    made = Assignments(
        levels=np.array([-1, 1]),
        observed=np.ones(G, dtype=np.int16),
        n_possible=2**G,
        exact=exact,
        n_draws=2**G if exact else draws,
        strata=(),
        seed=seed,
    )
    require_attainable(made, alpha, twins=True)
    signs = np.concatenate(list(_signs(G, made)))
    mean = tall_product(signs, y[:, None])[:, 0] / G
    # Flips leave the sum of squares alone, so that t orders them as the mean does: the mean keeps ties exact.
    resampling = Resampling(
        estimate=float(y.mean()),
        variance=variance,
        n0=mean,
        n1=-signs.mean(axis=1),
        d0=np.full(mean.size, variance),
        d1=np.zeros(mean.size),
        d2=np.zeros(mean.size),
        added=not exact,
    )
    return PermutationTest(
        estimate=float(y.mean()),
        std_error=float(np.sqrt(variance)),
        statistic_name="sign flips",
        n_treated=G,
        n_comparison=0,
        n_possible=2**G,
        exact=exact,
        resampling=resampling,
    )


class _Welch:
    """Difference of means with separate variances, from four sums per draw."""

    def __init__(self, y: np.ndarray, group: np.ndarray) -> None:
        y = y - y.mean()
        self.sums = np.column_stack([y, y**2, group, group * y])
        self.total = self.sums.sum(axis=0)
        self.group = group
        self.n1, self.n0 = group.sum(), group.size - group.sum()

    def observed(self) -> tuple[float, float]:
        y = self.sums[:, 0]
        one, other = y[self.group == 1], y[self.group == 0]
        variance = sum(float(part.var(ddof=min(1, part.size - 1))) / part.size for part in (one, other))
        _require_variance(variance, y)
        return float(one.mean() - other.mean()), variance

    def parts(self, drawn: np.ndarray) -> tuple[np.ndarray, ...]:
        inside = tall_product(drawn, self.sums)
        mean, slope, d0, d1, d2 = np.zeros((5, drawn.shape[0]))
        for sign, n, sums in ((1, self.n1, inside), (-1, self.n0, self.total - inside)):
            s, q, m, x = sums.T
            m = np.rint(m)
            scale = n * max(n - 1, 1)
            mean = mean + sign * s / n
            slope = slope - sign * m / n
            d0 = d0 + np.maximum(q - s**2 / n, 0.0) / scale
            d1 = d1 - (x - s * m / n) / scale
            d2 = d2 + m * (n - m) / n / scale
        return mean, slope, d0, np.where(d2 > 0, d1, 0.0), d2


class _Regression:
    """Coefficient of treatment beside covariates, with its HC2 variance (CR2 with one row per unit)."""

    def __init__(self, y: np.ndarray, group: np.ndarray, Z: np.ndarray, w: np.ndarray | None) -> None:
        self.root = np.ones_like(y) if w is None else np.sqrt(w)
        base = np.column_stack([np.ones_like(y), Z]) * self.root[:, None]
        lengths = np.linalg.norm(base, axis=0)
        self.q, r = np.linalg.qr(base)
        lost = np.flatnonzero(np.abs(np.diag(r)) <= 1e-9 * lengths)
        if lost.size:
            raise DesignError(f"covariates {(lost - 1).tolist()} (counted from 0) are constant or collinear")
        if y.size <= base.shape[1] + 1:
            raise DesignError(
                f"{y.size} units cannot carry {base.shape[1] - 1} covariates and a treatment effect"
            )
        self.raw = y
        self.group = group
        self.y, self.t = self._left(y * self.root), self._left(group * self.root)
        if self.t @ self.t <= NOTHING_LEFT * np.sum(group * self.root**2):
            raise DesignError("the covariates fix who is treated, so its effect cannot be told from theirs")
        self.outcomes = np.column_stack([self.y, self.t])
        self.products = np.column_stack([self.y**2, self.y * self.t, self.t**2])
        self.leverage = np.sum(self.q**2, axis=1)

    def _left(self, column: np.ndarray) -> np.ndarray:
        return column - self.q @ (self.q.T @ column)

    def observed(self) -> tuple[float, float]:
        size = float(self.t @ self.t)
        slope = float(self.t @ self.y) / size
        free = np.maximum(1 - self.leverage - self.t**2 / size, 1e-12)
        variance = float(np.sum((self.t * (self.y - slope * self.t)) ** 2 / free)) / size**2
        _require_variance(variance, self.raw)
        return slope, variance

    def parts(self, drawn: np.ndarray) -> tuple[np.ndarray, ...]:
        a = drawn * self.root
        a -= tall_product(tall_product(a, self.q), self.q.T)
        square = a * a
        size = square.sum(axis=1)
        fixed = size <= NOTHING_LEFT * np.max(
            self.t @ self.t
        )  # this draw's treatment is a covariate: no statistic
        size[fixed] = 1.0
        slope_y, slope_t = (tall_product(a, self.outcomes) / size[:, None]).T
        free = np.maximum(1 - self.leverage - square / size[:, None], 1e-12)
        weight = square / free
        weight /= (size**2)[:, None]
        linear = weight * a
        curve = np.einsum("bi,bi->b", linear, a)
        ly, lt = tall_product(linear, self.outcomes).T
        yy, yt, tt = tall_product(weight, self.products).T
        d0 = yy - 2 * slope_y * ly + slope_y**2 * curve
        d1 = -(yt - slope_y * lt - slope_t * ly + slope_y * slope_t * curve)
        d2 = tt - 2 * slope_t * lt + slope_t**2 * curve
        n0, n1 = slope_y, -slope_t
        for part in (n0, n1, d0, d1, d2):  # counted as extreme at every trial effect: never makes p smaller
            part[fixed] = 0.0
        return n0, n1, np.maximum(d0, 0.0), d1, np.maximum(d2, 0.0)


def _signs(G: int, made: Assignments) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(made.seed)
    bits = np.arange(G, dtype=np.int64)
    for start in range(0, made.n_draws, BLOCK):
        size = min(BLOCK, made.n_draws - start)
        if made.exact:
            up = (np.arange(start, start + size, dtype=np.int64)[:, None] >> bits) & 1
        else:
            up = rng.integers(0, 2, size=(size, G), dtype=np.int8)
        yield (2 * up - 1).astype(float)


def _checked(change: ArrayLike, treated: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    y, group = np.asarray(change, dtype=float), np.asarray(treated, dtype=float)
    if y.ndim != 1 or group.shape != y.shape:
        raise DesignError(f"change and treated must be (n,) each, found {y.shape} and {group.shape}")
    _require_finite(y, "changes")
    if not np.all((group == 0) | (group == 1)):
        raise DesignError("treated must be 0 or 1 for every unit")
    if group.sum() in (0, group.size):
        raise DesignError(f"all {group.size} units are in one group; use sign_flip_test for one group")
    return y, group


def _checked_adjustment(
    covariates: ArrayLike | None, weights: ArrayLike | None, n: int
) -> tuple[np.ndarray, np.ndarray | None]:
    Z = np.empty((n, 0)) if covariates is None else np.asarray(covariates, dtype=float)
    Z = Z[:, None] if Z.ndim == 1 else Z
    if Z.shape[0] != n or Z.ndim != 2:
        raise DesignError(f"covariates must be ({n}, q), found {Z.shape}")
    _require_finite(Z, "covariates")
    if weights is None:
        return Z, None
    w = np.asarray(weights, dtype=float)
    if w.shape != (n,) or not np.all(np.isfinite(w) & (w > 0)):
        raise DesignError(f"weights must be ({n},), positive and finite")
    return Z, w


def _require_finite(values: np.ndarray, name: str) -> None:
    bad = int(np.sum(~np.isfinite(values)))
    if bad:
        raise DesignError(f"{bad} {name} are not finite; leave those units out, counted")


def _require_variance(variance: float, y: np.ndarray) -> None:
    if not variance > 1e-26 * max(float(np.max(y**2)), 1e-300):
        raise DesignError("the changes do not vary within the groups, so there is nothing to test with")
