"""Permutation test of a change in rates on the ratio scale, under exchangeability of the practices.

The statistic is the log of (after / before, treated) over (after / before, others), each a sum of counts
over a sum of exposures: the Poisson pseudo-likelihood estimate. It is studentised by its CR2 standard
error, in closed form: the leverage of a practice in a cell is its share of the cell's exposure. Sharp null
hypothesis: within a stratum the practices' counts would have been the same whichever of them had taken
part. The interval holds the ratios that the same test does not reject when the treated practices' counts
after the start are divided by the ratio (one constant multiplicative effect), with the same reassignments
at every trial value.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import ArrayLike

from pluseval.errors import DesignError
from pluseval.numerics.assign import Assignments, assignments, require_attainable
from pluseval.numerics.invert import ALTERNATIVES, TIE, Interval

STEPS = np.concatenate([np.arange(1, 17) / 2.0, 8.0 * 2.0 ** np.arange(1, 8)])  # in standard errors
ENOUGH = 1e-10  # width, in standard errors, at which the search for an end stops
FARTHEST = 300.0  # of a log ratio: beyond it nothing changes, and its square would be no number


@dataclass(frozen=True)
class _Parts:
    """Sums per group (treated, others) and draw, from which the statistic at every trial ratio follows.

    At a trial ratio the observed treated practices' counts after are multiplied by ``v = 1 / ratio``: in
    each group they sum to ``kept + v moved``, and the variance is a quadratic in v over the square of that
    sum. Arrays (2, B).
    """

    constant: np.ndarray
    kept: np.ndarray
    moved: np.ndarray
    kept_squares: np.ndarray
    moved_squares: np.ndarray
    kept_cross: np.ndarray
    moved_cross: np.ndarray
    rest: np.ndarray

    def log_ratio(self, log_null: float) -> tuple[np.ndarray, np.ndarray]:
        """Log ratio of rate ratios after the trial ratio is taken off, and its CR2 variance; (B,) each."""
        v = np.exp(-np.clip(log_null, -FARTHEST, FARTHEST))
        total = self.kept + v * self.moved
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.log(total) + self.constant
            variance = (self.kept_squares + v * v * self.moved_squares) / total**2 + self.rest
            variance = variance - 2.0 * (self.kept_cross + v * self.moved_cross) / total
        return change[0] - change[1], np.maximum(variance, 0.0).sum(axis=0)

    def studentised(self, log_null: float) -> np.ndarray:
        """The statistic of every draw, (B,)."""
        estimate, variance = self.log_ratio(log_null)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(variance > 0.0, estimate / np.sqrt(variance), np.copysign(np.inf, estimate))


@dataclass(frozen=True)
class RatePermutation:
    """A permutation test of a ratio of rate ratios.

    Attributes
    ----------
    ratio : float
        The estimate; ``log_std_error`` is the CR2 standard error of its log.
    n_treated, n_comparison : int
    n_possible : int
        Number of different assignments; ``exact`` says whether all were used.
    exact : bool
    """

    ratio: float
    log_std_error: float
    n_treated: int
    n_comparison: int
    n_possible: int
    exact: bool
    _observed: _Parts = field(repr=False)
    _drawn: _Parts = field(repr=False)

    def p_value(self, null: float = 1.0, *, alternative: str = "two-sided") -> float:
        """The p-value of a constant ratio ``null``; never zero, the observed assignment counts."""
        if alternative not in ALTERNATIVES:
            raise DesignError(f"an alternative is one of {', '.join(ALTERNATIVES)}, found {alternative!r}")
        if not null > 0.0:
            raise DesignError(f"a ratio is above 0, found {null}")
        return self._p(float(np.log(null)), alternative)

    def conf_int(self, level: float = 0.95, *, tails: str = "symmetric") -> Interval:
        """The ratios that the test does not reject, as a hull; 0 or infinite where none is rejected.

        ``tails``: ``symmetric`` (two-sided test), ``equal`` (two one-sided tests), ``lower`` or ``upper``
        (a bound).
        """
        if not 0.0 < level < 1.0:
            raise DesignError(f"a confidence level lies between 0 and 1, found {level}")
        if tails not in ("symmetric", "equal", "lower", "upper"):
            raise DesignError(f"tails is one of symmetric, equal, lower, upper, found {tails!r}")
        alpha = (1.0 - level) / (2.0 if tails == "equal" else 1.0)
        both = tails == "symmetric"
        none = (np.inf, np.nan, True)
        low = none if tails == "upper" else self._end(-1, alpha, "two-sided" if both else "greater")
        high = none if tails == "lower" else self._end(1, alpha, "two-sided" if both else "less")
        asked = [end[0] for end, out in ((low, tails == "upper"), (high, tails == "lower")) if not out]
        return Interval(
            low=float(np.exp(-np.abs(low[0]))) if np.isinf(low[0]) else float(np.exp(low[0])),
            high=float(np.exp(high[0])),
            level=level,
            tails=tails,
            bounded=bool(np.all(np.isfinite(asked))),
            connected=low[2] and high[2],
            p_low=low[1],
            p_high=high[1],
        )

    def _p(self, log_null: float, alternative: str) -> float:
        observed = float(self._observed.studentised(log_null)[0])
        drawn = self._drawn.studentised(log_null)
        room = TIE * (1.0 + abs(observed))
        if alternative == "two-sided":
            extreme = np.abs(drawn) >= abs(observed) - room
        else:
            sign = 1.0 if alternative == "greater" else -1.0
            extreme = sign * drawn >= sign * observed - room
        added = not self.exact
        return float((np.count_nonzero(extreme) + added) / (drawn.size + added))

    def _end(self, side: int, alpha: float, alternative: str) -> tuple[float, float, bool]:
        """The outermost end on one side in logs, its p, and whether all up to it was accepted on the grid."""
        centre, unit = float(np.log(self.ratio)), self.log_std_error
        grid = np.concatenate([[0.0], STEPS])
        if not self._p(centre, alternative) > alpha:
            # a one-sided test may reject the estimate itself: the end then lies on its other side
            grid = np.concatenate([-STEPS[::-1], grid])
        accepted = [self._p(centre + side * unit * step, alternative) > alpha for step in grid]
        if accepted[-1]:
            return side * np.inf, np.nan, all(accepted)
        if not any(accepted):
            raise DesignError("the test rejects every ratio on this side; more draws or practices are needed")
        first, last = np.flatnonzero(accepted)[[0, -1]]
        near, far = grid[last], grid[last + 1]
        while far - near > ENOUGH * max(abs(far), 1.0):
            middle = (near + far) / 2.0
            inside = self._p(centre + side * unit * middle, alternative) > alpha
            near, far = (middle, far) if inside else (near, middle)
        end = centre + side * unit * near
        return end, self._p(end, alternative), all(accepted[first : last + 1])


def rate_ratio_permutation(
    counts: ArrayLike,
    exposures: ArrayLike,
    treated: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    draws: int = 9_999,
    seed: int,
    alpha: float = 0.05,
) -> RatePermutation:
    """Test whether the rate of the treated practices changed by another factor than that of the others.

    Parameters
    ----------
    counts, exposures : (G, 2) arrays
        Per practice, before and after: counts (or euros) of at least 0, and persons or person-years above 0.
    treated : (G,) array of 0 / 1
    strata : (G,) array, optional
        Practices change places only within a stratum.
    draws : int
        Reassignments; all of them are used where there are no more than this.
    seed : int
    alpha : float
        The test is refused when no data could give a p-value at or below it.

    Raises
    ------
    DesignError
        Shapes that do not fit, counts below 0, exposures that are not positive, a group with fewer than two
        practices or whose counts are nearly all in one practice so that a reassignment has an empty cell,
        or too few assignments.

    References
    ----------
    Janssen (1997), doi:10.1016/S0167-7152(97)00043-6; Santos Silva and Tenreyro (2006),
    doi:10.1162/rest.88.4.641. The estimate is ``fixest::fepois(count ~ treated * post, offset =
    log(exposure))``, the standard error ``clubSandwich::vcovCR(glm, type = "CR2")``.

    Examples
    --------
    >>> counts = [[30, 20], [60, 40], [20, 24], [45, 50], [36, 30], [50, 52], [41, 40]]
    >>> exposures = [[100, 100], [200, 250], [100, 110], [150, 140], [120, 130], [160, 160], [140, 135]]
    >>> test = rate_ratio_permutation(counts, exposures, [1, 1, 0, 0, 0, 0, 0], draws=999, seed=1)
    >>> test.exact, test.n_possible, round(test.ratio, 4)
    (True, 21, 0.5639)
    """
    counts, exposures = np.asarray(counts, dtype=float), np.asarray(exposures, dtype=float)
    group = np.asarray(treated)
    if counts.ndim != 2 or counts.shape[1] != 2 or exposures.shape != counts.shape:
        raise DesignError(f"counts and exposures must be (G, 2), found {counts.shape} and {exposures.shape}")
    if group.shape != (counts.shape[0],) or not np.all(np.isin(group, (0, 1))):
        raise DesignError("treated must hold 0 or 1 per practice")
    bad = int(np.sum(~np.isfinite(counts) | (counts < 0.0)))
    if bad:
        raise DesignError(f"{bad} counts are missing or below 0; a ratio needs counts of at least 0")
    bad = int(np.sum(~np.isfinite(exposures) | ~(exposures > 0.0)))
    if bad:
        raise DesignError(f"{bad} exposures are missing or not above 0; drop these practices")
    group = group.astype(bool)
    n_treated, n_others = int(group.sum()), int((~group).sum())
    if min(n_treated, n_others) < 2:
        raise DesignError(
            f"{n_treated} treated and {n_others} other practices leave a group without a "
            "variance; use placebo blocks "
            "or did on the scale of the outcome"
        )
    made: Assignments = assignments(group.astype(int), strata=strata, draws=draws, seed=seed)
    require_attainable(made, alpha)
    observed = _parts(counts, exposures, group, group[None, :].astype(float))
    estimate, variance = observed.log_ratio(0.0)
    if not np.isfinite(estimate[0]):
        raise DesignError(
            "a group has no counts before or after, so its ratio is zero or infinite; pool years"
        )
    if not variance[0] > 1e-20:
        raise DesignError("the practices of each group changed by one factor; no variance to studentise with")
    drawn = _joined([_parts(counts, exposures, group, (block == 1).astype(float)) for block in made.blocks()])
    empty = int(np.sum(~np.isfinite(drawn.log_ratio(0.0)[0])))
    if empty:
        raise DesignError(
            f"{empty} reassignments leave a group without counts, because few practices have any; pool years"
        )
    return RatePermutation(
        ratio=float(np.exp(estimate[0])),
        log_std_error=float(np.sqrt(variance[0])),
        n_treated=n_treated,
        n_comparison=n_others,
        n_possible=made.n_possible,
        exact=made.exact,
        _observed=observed,
        _drawn=drawn,
    )


def _parts(counts: np.ndarray, exposures: np.ndarray, treated: np.ndarray, drawn: np.ndarray) -> _Parts:
    """The sums of each row of 0 / 1 in ``drawn`` (B, G)."""
    kept, moved = np.where(treated, 0.0, counts[:, 1]), np.where(treated, counts[:, 1], 0.0)
    columns = []
    for member in (drawn, 1.0 - drawn):
        exposed, before = member @ exposures, member @ counts[:, 0]
        inside = member > 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            share0, share1 = (exposures[:, t] / exposed[:, [t]] for t in (0, 1))
            # practices outside the group can be larger than the group; they do not count
            scale0, scale1 = (1.0 / np.sqrt(np.where(inside, 1.0 - s, 1.0)) for s in (share0, share1))
            offset = (counts[:, 0] / before[:, None] - share0) * scale0 + share1 * scale1
            constant = np.log(exposed[:, 0]) - np.log(exposed[:, 1]) - np.log(before)
        offset, scale1 = np.where(inside, offset, 0.0), np.where(inside, scale1, 0.0)
        columns.append(
            (
                constant,
                member @ kept,
                member @ moved,
                scale1**2 @ kept**2,
                scale1**2 @ moved**2,
                (scale1 * offset) @ kept,
                (scale1 * offset) @ moved,
                np.sum(offset**2, axis=1),
            )
        )
    return _Parts(*(np.stack(pair) for pair in zip(*columns, strict=True)))


def _joined(parts: list[_Parts]) -> _Parts:
    return _Parts(*(np.concatenate([getattr(p, f.name) for p in parts], axis=1) for f in fields(_Parts)))
