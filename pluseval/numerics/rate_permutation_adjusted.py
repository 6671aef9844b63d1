"""Permutation test of a change in rates given covariates, under exchangeability of the practices.

The test of :mod:`pluseval.numerics.rate_permutation` where the rate, and its change, may depend on
covariates: Poisson pseudo-likelihood with group, window, group x window, and each covariate with a
coefficient per window. The windows are then separate regressions, and the earlier one does not depend on the
ratio that is tested. All reassignments are fitted together by Newton's method.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from pluseval.errors import DesignError
from pluseval.numerics.assign import BLOCK, assignments, require_attainable
from pluseval.numerics.invert import ALTERNATIVES, TIE, Interval
from pluseval.numerics.products import tall_product

STEPS = np.concatenate([np.arange(1, 17) / 2.0, [16.0, 32.0]])  # in standard errors
ENOUGH = 1e-10  # width, in standard errors, at which the search for an end stops
SCAN_DRAWS = 1_000  # draws used to find where an end may lie; the end itself uses all
HALVINGS = 3  # with all draws; from there on with those that differ between the ends
_MAX_NEWTON = 60
_LONGEST = 2.0  # step of Newton's method, in logarithms
_SETTLED = 1e-10


@dataclass(frozen=True)
class _Window:
    """One window's counts and what its regressions share."""

    offset: np.ndarray  # (G,) log exposure
    X: np.ndarray  # (G, k) constant and covariates
    products: np.ndarray  # (G, k k)

    def fit(
        self, count: np.ndarray, drawn: np.ndarray, start: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients (B, k + 1), treatment last, CR2 scores of it (B, G), and which draws settled (B,)."""
        k = self.X.shape[1]
        if start is None:
            start = np.zeros((drawn.shape[0], k + 1))
            start[:, 0] = np.log(count.sum() / np.exp(self.offset).sum()) / self.X[0, 0]
        beta, on_x, on_t = start.copy(), self.X.T @ count, drawn @ count
        moving = np.arange(drawn.shape[0])
        for _ in range(_MAX_NEWTON):
            T, at = drawn[moving], beta[moving]
            mu = np.exp(self.offset + tall_product(at[:, :k], self.X.T) + at[:, k:] * T)
            gram, score = self._sums(mu, T)
            score[:, :k] = on_x - score[:, :k]
            score[:, k] = on_t[moving] - score[:, k]
            step = np.linalg.solve(gram, score[:, :, None])[:, :, 0]
            longest = np.abs(step).max(axis=1)
            beta[moving] = at + step * np.minimum(1.0, _LONGEST / np.maximum(longest, _LONGEST))[:, None]
            moving = moving[longest > _SETTLED]
            if moving.size == 0:
                break
        settled = np.ones(drawn.shape[0], bool)
        settled[moving] = False
        return beta, self._scores(count, drawn, beta), settled

    def _sums(self, mu: np.ndarray, T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Information (B, k + 1, k + 1), and the design's sums of ``mu`` (B, k + 1)."""
        k = self.X.shape[1]
        gram = np.empty((mu.shape[0], k + 1, k + 1))
        gram[:, :k, :k] = tall_product(mu, self.products).reshape(-1, k, k)
        treated = mu * T
        gram[:, k, :k] = gram[:, :k, k] = tall_product(treated, self.X)
        gram[:, k, k] = treated.sum(axis=1)
        return gram, np.concatenate([tall_product(mu, self.X), gram[:, k, k:]], axis=1)

    def _scores(self, count: np.ndarray, drawn: np.ndarray, beta: np.ndarray) -> np.ndarray:
        k = self.X.shape[1]
        mu = np.exp(self.offset + tall_product(beta[:, :k], self.X.T) + beta[:, k:] * drawn)
        gram, _ = self._sums(mu, drawn)
        inverse = np.linalg.inv(gram[:, :k, :k])
        slopes = (inverse @ gram[:, :k, k:])[:, :, 0]
        size = gram[:, k, k] - np.einsum("bi,bi->b", gram[:, k, :k], slopes)
        left = drawn - tall_product(slopes, self.X.T)
        leverage = tall_product(inverse.reshape(-1, k * k), self.products.T) + left**2 / size[:, None]
        return left * (count - mu) / np.sqrt(np.maximum(1 - mu * leverage, 1e-12)) / size[:, None]


@dataclass(frozen=True)
class AdjustedRatePermutation:
    """A permutation test of a ratio of rate ratios given covariates.

    Attributes
    ----------
    ratio : float
        The estimate; ``log_std_error`` is the CR2 standard error of its log.
    n_treated, n_comparison : int
    n_possible : int
        Number of different assignments; ``exact`` says whether all were used.
    exact : bool
    n_unfitted : int
        Draws in which the regression has no solution at no effect; they count as extreme.
    """

    ratio: float
    log_std_error: float
    n_treated: int
    n_comparison: int
    n_possible: int
    exact: bool
    n_unfitted: int
    _after: _Window = field(repr=False)
    _kept: np.ndarray = field(repr=False)  # (G,) later counts of those not treated
    _moved: np.ndarray = field(repr=False)  # and of the treated
    _drawn: np.ndarray = field(repr=False)  # (D + 1, G), the observed assignment first
    _effect: np.ndarray = field(repr=False)  # (D + 1,) of the earlier window
    _scores: np.ndarray = field(repr=False)  # (D + 1, G)
    _start: np.ndarray = field(repr=False)  # (D + 1, k + 1) later coefficients at no effect
    _failed: np.ndarray = field(repr=False)  # (D + 1,) earlier window without a solution

    def p_value(self, null: float = 1.0, *, alternative: str = "two-sided") -> float:
        """The p-value of a constant ratio ``null``; never zero, the observed assignment counts."""
        if alternative not in ALTERNATIVES:
            raise DesignError(f"an alternative is one of {', '.join(ALTERNATIVES)}, found {alternative!r}")
        if not null > 0.0:
            raise DesignError(f"a ratio is above 0, found {null}")
        return self._share(self._extreme(float(np.log(null)), alternative))

    def conf_int(self, level: float = 0.95, *, tails: str = "symmetric") -> Interval:
        """The ratios that the test does not reject, as a hull; 0 or infinite where none is rejected.

        ``tails``: ``symmetric`` (two-sided test) or ``equal`` (two one-sided tests).
        """
        if not 0.0 < level < 1.0:
            raise DesignError(f"a confidence level lies between 0 and 1, found {level}")
        if tails not in ("symmetric", "equal"):
            raise DesignError(f"tails is one of symmetric, equal, found {tails!r}")
        alpha = (1.0 - level) / (2.0 if tails == "equal" else 1.0)
        down, up = ("two-sided", "two-sided") if tails == "symmetric" else ("greater", "less")
        low, p_low, whole_low = self._end(-1, alpha, down)
        high, p_high, whole_high = self._end(1, alpha, up)
        return Interval(
            low=float(np.exp(low)),
            high=float(np.exp(high)),
            level=level,
            tails=tails,
            bounded=bool(np.isfinite([low, high]).all()),
            connected=whole_low and whole_high,
            p_low=p_low,
            p_high=p_high,
        )

    def _share(self, extreme: np.ndarray) -> float:
        added = not self.exact
        return float((np.count_nonzero(extreme) + added) / (extreme.size + added))

    def _extreme(self, log_null: float, alternative: str, among: np.ndarray | None = None) -> np.ndarray:
        """Which draws (all, or those ``among``) are at least as extreme as observed."""
        rows = np.arange(self._effect.size) if among is None else np.concatenate([[0], among + 1])
        count = self._kept + np.exp(-log_null) * self._moved
        statistic = np.concatenate(
            [
                self._studentised(count, rows[start : start + BLOCK], log_null)
                for start in range(0, rows.size, BLOCK)
            ]
        )
        observed, drawn = float(statistic[0]), statistic[1:]
        room = TIE * (1.0 + abs(observed))
        if alternative == "two-sided":
            return ~(np.abs(drawn) < abs(observed) - room)
        sign = 1.0 if alternative == "greater" else -1.0
        return ~(sign * drawn < sign * observed - room)

    def _studentised(self, count: np.ndarray, rows: np.ndarray, log_null: float) -> np.ndarray:
        drawn, start = self._drawn[rows].astype(float), self._start[rows].copy()
        start[:, -1] -= (
            log_null * (drawn @ self._moved) / np.maximum(drawn @ (self._kept + self._moved), 1e-300)
        )
        beta, scores, settled = self._after.fit(count, drawn, start)
        variance = np.sum((scores - self._scores[rows]) ** 2, axis=1)
        effect = beta[:, -1] - self._effect[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(variance > 0.0, effect / np.sqrt(variance), np.copysign(np.inf, effect))
        return np.where(settled & ~self._failed[rows], found, np.nan)  # without a solution: extreme

    def _end(self, side: int, alpha: float, alternative: str) -> tuple[float, float, bool]:
        """The outermost end on one side in logs, its p, and whether all up to it was accepted on the grid."""
        centre, unit, draws = float(np.log(self.ratio)), self.log_std_error, self._effect.size - 1
        grid = centre + side * unit * np.concatenate([[0.0], STEPS])
        thin = np.arange(draws)[:: max(draws // SCAN_DRAWS, 1)]
        inside = [self._share(self._extreme(x, alternative, thin)) > alpha for x in grid]
        at = int(np.flatnonzero(inside)[-1]) if any(inside) else 0
        within = self._extreme(grid[at], alternative)  # where an end may lie, now by all draws
        while at and not self._share(within) > alpha:
            at -= 1
            within = self._extreme(grid[at], alternative)
        if not self._share(within) > alpha:
            raise DesignError("the test rejects every ratio on this side; more draws or practices are needed")
        while True:
            if at + 1 == grid.size:
                return side * np.inf, np.nan, all(inside)
            without = self._extreme(grid[at + 1], alternative)
            if not self._share(without) > alpha:
                break
            at, within = at + 1, without
        near, far = grid[at], grid[at + 1]
        for _ in range(HALVINGS):
            middle = (near + far) / 2.0
            extreme = self._extreme(middle, alternative)
            if self._share(extreme) > alpha:
                near, within = middle, extreme
            else:
                far, without = middle, extreme
        moving = np.flatnonzero(within != without)
        inner, outer, state = near, far, within.copy()
        while abs(outer - inner) > ENOUGH * unit:
            middle = (inner + outer) / 2.0
            state[moving] = self._extreme(middle, alternative, moving)
            inner, outer = (middle, outer) if self._share(state) > alpha else (inner, middle)
        p = self._share(self._extreme(inner, alternative))
        if not p > alpha:  # a draw that moved twice: the nearer value holds
            inner, p = near, self._share(within)
        return float(inner), p, all(inside[:at])


def adjusted_rate_permutation(
    counts: ArrayLike,
    exposures: ArrayLike,
    treated: ArrayLike,
    covariates: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    draws: int = 9_999,
    seed: int,
    alpha: float = 0.05,
) -> AdjustedRatePermutation:
    """Test whether treated practices' rates changed by another factor than others' with equal covariates.

    Parameters
    ----------
    counts, exposures : (G, 2) arrays
        Per practice, before and after: counts (or euros) of at least 0, and persons or person-years above 0.
    treated : (G,) array of 0 / 1
    covariates : (G,) or (G, q) array
        Each with a coefficient per window; they stay with their practices.
    strata, draws, seed, alpha
        As in :func:`pluseval.numerics.rate_permutation.rate_ratio_permutation`.

    Raises
    ------
    DesignError
        Shapes that do not fit, counts below 0, exposures that are not positive, fewer than two practices in
        a group, covariates that are constant, collinear or fix who is treated, a group without counts in the
        data or in a reassignment, or too few assignments.

    References
    ----------
    Janssen (1997), doi:10.1016/S0167-7152(97)00043-6; Santos Silva and Tenreyro (2006),
    doi:10.1162/rest.88.4.641. The estimate is ``fixest::fepois(count ~ (treated + z) * post, offset =
    log(exposure))``, the standard error ``clubSandwich::vcovCR(glm, type = "CR2")``.

    Examples
    --------
    >>> counts = [[30, 20], [60, 40], [20, 24], [45, 50], [36, 30], [50, 52], [41, 40]]
    >>> exposures = [[100, 100], [200, 250], [100, 110], [150, 140], [120, 130], [160, 160], [140, 135]]
    >>> size = [1.0, 2.0, 1.1, 1.4, 1.2, 1.6, 1.3]
    >>> test = adjusted_rate_permutation(counts, exposures, [1, 1, 0, 0, 0, 0, 0], size, draws=99, seed=1)
    >>> test.exact, test.n_possible, round(test.ratio, 3)
    (True, 21, 0.561)
    """
    y, exposed, group, X = _checked(counts, exposures, treated, covariates)
    n_treated = int(group.sum())
    if min(n_treated, group.size - n_treated) < 2:
        raise DesignError(
            f"{n_treated} treated and {group.size - n_treated} other practices leave a group without a "
            "variance; use placebo blocks"
        )
    made = assignments(group.astype(int), strata=strata, draws=draws, seed=seed)
    require_attainable(made, alpha)
    drawn = np.concatenate([group[None], *(block == 1 for block in made.blocks())])
    members = drawn.astype(float)
    empty = int(np.sum((members @ y == 0).any(axis=1) | ((1.0 - members) @ y == 0).any(axis=1)))
    if empty:
        raise DesignError(
            f"{empty} assignments leave a group without counts in a window, so that its ratio is zero or "
            "infinite; pool years"
        )
    products = (X[:, :, None] * X[:, None, :]).reshape(group.size, -1)
    before, after = (_Window(np.log(exposed[:, t]), X, products) for t in (0, 1))
    blocks = [members[start : start + BLOCK] for start in range(0, len(members), BLOCK)]
    earlier, later = (
        [np.concatenate(part) for part in zip(*(w.fit(y[:, t], b, None) for b in blocks), strict=True)]
        for t, w in enumerate((before, after))
    )
    estimate = float(later[0][0, -1] - earlier[0][0, -1])
    variance = float(np.sum((later[1][0] - earlier[1][0]) ** 2))
    failed = ~(earlier[2] & later[2])
    if failed[0] or not np.isfinite([estimate, variance]).all():
        raise DesignError(
            "the regression of rates on these covariates has no solution; leave some of them out"
        )
    if not variance > 1e-20:
        raise DesignError("the practices of each group changed by one factor; no variance to studentise with")
    return AdjustedRatePermutation(
        ratio=float(np.exp(estimate)),
        log_std_error=float(np.sqrt(variance)),
        n_treated=n_treated,
        n_comparison=int(group.size - n_treated),
        n_possible=made.n_possible,
        exact=made.exact,
        n_unfitted=int(failed[1:].sum()),
        _after=after,
        _kept=np.where(group, 0.0, y[:, 1]),
        _moved=np.where(group, y[:, 1], 0.0),
        _drawn=drawn,
        _effect=earlier[0][:, -1],
        _scores=earlier[1],
        _start=np.where(later[2][:, None], later[0], 0.0),
        _failed=~earlier[2],
    )


def _checked(
    counts: ArrayLike, exposures: ArrayLike, treated: ArrayLike, covariates: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    y, exposed = np.asarray(counts, dtype=float), np.asarray(exposures, dtype=float)
    group, Z = np.asarray(treated), np.asarray(covariates, dtype=float)
    Z = Z[:, None] if Z.ndim == 1 else Z
    G = group.size
    if y.shape != (G, 2) or exposed.shape != y.shape or group.ndim != 1 or Z.ndim != 2 or Z.shape[0] != G:
        raise DesignError(
            "counts and exposures must be (G, 2), treated (G,) and covariates (G, q), found "
            f"{y.shape}, {exposed.shape}, {group.shape}, {Z.shape}"
        )
    if not np.all(np.isin(group, (0, 1))):
        raise DesignError("treated must hold 0 or 1 per practice")
    if bad := int(np.sum(~np.isfinite(y) | (y < 0.0))):
        raise DesignError(f"{bad} counts are missing or below 0; a ratio needs counts of at least 0")
    if bad := int(np.sum(~np.isfinite(exposed) | ~(exposed > 0.0))):
        raise DesignError(f"{bad} exposures are missing or not above 0; drop these practices")
    if bad := int(np.sum(~np.isfinite(Z))):
        raise DesignError(f"{bad} covariates are not finite; leave those practices out, counted")
    if G <= Z.shape[1] + 2:
        raise DesignError(f"{G} practices cannot carry {Z.shape[1]} covariates and an effect")
    spread = Z.std(axis=0)
    if not np.all(spread > 1e-12 * np.abs(Z).max(axis=0, initial=0.0)):
        raise DesignError("a covariate is constant; leave it out")
    q, r = np.linalg.qr(np.column_stack([np.ones(G), (Z - Z.mean(axis=0)) / spread, group]))
    short = np.abs(np.diag(r)) <= 1e-9 * np.sqrt(G)
    if short.any():
        what = (
            "fix who is treated, so its effect cannot be told from theirs" if short[-1] else "are collinear"
        )
        raise DesignError(f"the covariates {what}")
    X = q[:, :-1] * np.sqrt(G) * np.sign(q[0, 0])
    return y, exposed, group.astype(bool), X
