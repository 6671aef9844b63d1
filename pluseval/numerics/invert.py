"""Intervals by inversion of a resampling test, the same draws at every trial value.

Assumption: the effect is one constant, added to every treated unit (to its logarithm, for a ratio), so that
taking a trial effect off the treated restores what the null hypothesis is about. Under it every statistic
used here is, draw by draw, a ratio of a line to the root of a parabola in the trial effect. A draw is
therefore five numbers, the p-value at any trial effect costs one pass over them, and outcomes are never
resampled again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pluseval.errors import DesignError

TIE = 1e-9  # relative difference below which two statistics are the same number
FLAT = 1e-12  # share of the largest curvature that is rounding
SCAN_DRAWS = 10_000  # draws used to find where an end may lie; the end itself uses all
NEAR = 1e-3  # width in standard errors below which only the draws that still change are looked at
ALTERNATIVES = ("two-sided", "less", "greater")
TAILS = ("symmetric", "equal", "lower", "upper")
_STEPS = np.concatenate([np.arange(1, 41) / 5, 8 * 4.0 ** np.arange(1, 11)])  # in standard errors


@dataclass(frozen=True)
class Interval:
    """A confidence set found by inversion, as its hull.

    Attributes
    ----------
    low, high : float
        Ends of the hull; infinite where the test rejects no value however far.
    level : float
    tails : str
    bounded : bool
        Whether every end that was asked for is finite.
    connected : bool
        Whether no value inside the hull was rejected (on a grid of a fifth of a standard error).
    p_low, p_high : float
        The p-value at the ends (one of its draws above 1 - level); nan at an end that is infinite.
    """

    low: float
    high: float
    level: float
    tails: str
    bounded: bool
    connected: bool
    p_low: float
    p_high: float


@dataclass(frozen=True)
class Resampling:
    """Resampled statistics as functions of the constant effect that is tested.

    At trial effect x the observed statistic is ``(estimate - x) / sqrt(variance)`` and that of draw b is
    ``(n0 + x n1) / sqrt(d0 + 2 x d1 + x^2 d2)``.

    Attributes
    ----------
    estimate, variance : float
        Of the observed data; the variance does not depend on the trial effect.
    n0, n1, d0, d1, d2 : ndarray (draws,)
    added : bool
        Whether the observed data count as one more draw (sampled reassignments), or stand among the draws
        already (enumeration), or are not counted (a bootstrap).
    strict : bool
        Count only what is more extreme than observed, ties not.
    """

    estimate: float
    variance: float
    n0: np.ndarray = field(repr=False)
    n1: np.ndarray = field(repr=False)
    d0: np.ndarray = field(repr=False)
    d1: np.ndarray = field(repr=False)
    d2: np.ndarray = field(repr=False)
    added: bool = True
    strict: bool = False

    def __post_init__(self) -> None:
        parts = {
            name: np.asarray(getattr(self, name), dtype=float) for name in ("n0", "n1", "d0", "d1", "d2")
        }
        sizes = {part.shape for part in parts.values()}
        if len(sizes) != 1 or parts["n0"].ndim != 1 or parts["n0"].size == 0:
            raise DesignError(f"the five parts of the draws must be (draws,) each, found {sorted(sizes)}")
        if not (np.isfinite(self.variance) and self.variance > 0 and np.isfinite(self.estimate)):
            raise DesignError(
                "the observed statistic needs a finite estimate and a positive variance, found "
                f"{self.variance}"
            )
        bad = sum(int(np.sum(~np.isfinite(part))) for part in parts.values())
        if bad:
            raise DesignError(f"{bad} parts of resampled statistics are not finite")
        flat = parts["d2"] <= FLAT * max(float(parts["d2"].max()), 0.0)
        if flat.any() and (np.any(parts["d2"][flat] != 0) or np.any(parts["d1"][flat] != 0)):
            parts["d1"] = np.where(flat, 0.0, parts["d1"])
            parts["d2"] = np.where(flat, 0.0, parts["d2"])
        for name, part in parts.items():
            object.__setattr__(self, name, part)

    @property
    def n_draws(self) -> int:
        """Number of draws, the observed data not counted beside them."""
        return self.n0.size

    @property
    def std_error(self) -> float:
        """Standard error of the observed statistic."""
        return float(np.sqrt(self.variance))

    def statistic(self, null: float = 0.0) -> float:
        """Observed statistic at a trial effect."""
        return (self.estimate - null) / self.std_error

    def statistics(self, null: float = 0.0) -> np.ndarray:
        """Resampled statistics at a trial effect, ``(draws,)``; infinite where a draw has no variance."""
        top = self.n0 + null * self.n1
        variance = np.maximum(self.d0 + null * (2 * self.d1 + null * self.d2), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(variance > 0, top / np.sqrt(variance), np.copysign(np.inf, top))

    def count(self, null: float = 0.0, *, alternative: str = "two-sided", strict: bool | None = None) -> int:
        """Number of draws at least as extreme as observed (more extreme, where ties are not counted)."""
        strict = self.strict if strict is None else strict
        return int(np.count_nonzero(self._extreme(null, alternative, strict)))

    def p_value(self, null: float = 0.0, *, alternative: str = "two-sided") -> float:
        """The p-value of the hypothesis that the effect is ``null``."""
        if alternative not in ALTERNATIVES:
            raise DesignError(f"an alternative is one of {', '.join(ALTERNATIVES)}, found {alternative!r}")
        return self._share(self.count(null, alternative=alternative))

    def interval(self, level: float = 0.95, *, tails: str = "symmetric") -> Interval:
        """The effects that the test does not reject.

        Parameters
        ----------
        level : float
        tails : {"symmetric", "equal", "lower", "upper"}
            ``symmetric`` inverts the two-sided test; ``equal`` two one-sided tests at half of 1 - level each,
            as equivalence needs them; ``lower`` and ``upper`` one one-sided test, a bound on one side.
        """
        if not 0 < level < 1:
            raise DesignError(f"a confidence level lies between 0 and 1, found {level}")
        if tails not in TAILS:
            raise DesignError(f"tails is one of {', '.join(TAILS)}, found {tails!r}")
        alpha = (1 - level) / (2 if tails == "equal" else 1)
        down, up = ("two-sided", "two-sided") if tails == "symmetric" else ("greater", "less")
        low, p_low, whole_low = (-np.inf, np.nan, True)
        high, p_high, whole_high = (np.inf, np.nan, True)
        if tails != "upper":
            low, p_low, whole_low = self._end(-1, alpha, down)
        if tails != "lower":
            high, p_high, whole_high = self._end(1, alpha, up)
        asked = [end for end, out in ((low, tails == "upper"), (high, tails == "lower")) if not out]
        return Interval(
            low=low,
            high=high,
            level=level,
            tails=tails,
            bounded=bool(np.all(np.isfinite(asked))),
            connected=whole_low and whole_high,
            p_low=p_low,
            p_high=p_high,
        )

    def _share(self, count: int) -> float:
        return (count + self.added) / (self.n_draws + self.added)

    def _extreme(
        self, null: float, alternative: str, strict: bool, among: np.ndarray | slice | None = None
    ) -> np.ndarray:
        """Which draws are at least as extreme; without division, so that a variance of 0 is allowed."""
        n0, n1, d0, d1, d2 = (
            part if among is None else part[among] for part in (self.n0, self.n1, self.d0, self.d1, self.d2)
        )
        top = n0 + null * n1
        variance = d2 * null
        variance += 2 * d1
        variance *= null
        variance += d0
        gap = self.estimate - null
        slack = 1 + TIE if strict else 1 - TIE
        if alternative == "two-sided":
            top *= top
            top *= self.variance
            np.maximum(variance, 0.0, out=variance)
            variance *= gap * gap * slack * slack
            return top > variance if strict else top >= variance
        observed = gap * np.sqrt(np.maximum(variance, 0.0))
        drawn = top * self.std_error
        if alternative == "less":
            observed, drawn = -observed, -drawn
        room = TIE * np.abs(observed)
        return drawn > observed + room if strict else drawn >= observed - room

    def _end(self, side: int, alpha: float, alternative: str) -> tuple[float, float, bool]:
        """The outermost end on one side, its p, and whether everything up to it was accepted on the grid."""
        strict, unit = self.strict, self.std_error
        thin = None if self.n_draws <= 2 * SCAN_DRAWS else slice(None, None, self.n_draws // SCAN_DRAWS)
        drawn = self.n_draws if thin is None else self.n0[thin].size

        def scan(x: float) -> bool:
            count = np.count_nonzero(self._extreme(x, alternative, strict, thin))
            return bool((count + self.added) / (drawn + self.added) > alpha)

        def accepted(x: float) -> bool:
            return self._share(self.count(x, alternative=alternative)) > alpha

        trial = self.estimate + side * unit * _STEPS
        inside = np.array([scan(x) for x in trial])
        if accepted(trial[-1]):
            return side * np.inf, np.nan, bool(inside.all())
        last = int(np.flatnonzero(inside)[-1]) if inside.any() else -1
        connected = bool(inside[: last + 1].all())
        near, far = self._bracket(accepted, trial, last, side)
        while abs(far - near) > NEAR * unit:
            middle = (near + far) / 2
            near, far = (middle, far) if accepted(middle) else (near, middle)
        near, far = self._narrow(near, far, alpha, alternative)
        return float(near), self._share(self.count(near, alternative=alternative)), connected

    def _bracket(
        self, accepted: Callable[[float], bool], trial: np.ndarray, last: int, side: int
    ) -> tuple[float, float]:
        """Neighbouring trial values, the inner accepted and the outer not, by all draws."""
        points = np.concatenate([[self.estimate], trial])
        at = last + 1
        while at >= 0 and not accepted(points[at]):
            at -= 1
        if at < 0:  # a one-sided test may reject the estimate itself: the end lies on its other side
            outer = self.estimate
            for step in _STEPS:
                inner = self.estimate - side * self.std_error * step
                if accepted(inner):
                    return inner, outer
                outer = inner
            raise DesignError("the test rejects every value; more draws or larger groups are needed")
        while accepted(points[at + 1]):
            at += 1
        return points[at], points[at + 1]

    def _narrow(self, near: float, far: float, alpha: float, alternative: str) -> tuple[float, float]:
        """Bisect to rounding with the draws that change between the ends; the others count as they are."""
        strict = self.strict
        at_near = self._extreme(near, alternative, strict)
        at_far = self._extreme(far, alternative, strict)
        moving = np.flatnonzero(at_near != at_far)
        fixed = int(np.count_nonzero(at_near & at_far))
        inner, outer = near, far
        width = 1e-12 * max(abs(near), abs(far), self.std_error)
        while abs(outer - inner) > width:
            middle = (inner + outer) / 2
            count = fixed + int(np.count_nonzero(self._extreme(middle, alternative, strict, moving)))
            inner, outer = (middle, outer) if self._share(count) > alpha else (inner, middle)
        return inner, outer
