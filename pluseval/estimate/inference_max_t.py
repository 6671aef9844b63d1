"""At least one of several changes: the largest statistic over a common resampling of practices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pluseval.errors import DesignError
from pluseval.estimate.inference import Inferred
from pluseval.estimate.problem import Changes
from pluseval.estimate.require import require_draws, require_groups_of, require_seed
from pluseval.estimate.result import JointTest
from pluseval.estimate.strata import strata_of, within_words
from pluseval.numerics.multiplicity import MaxT as Adjustment
from pluseval.numerics.multiplicity import max_t
from pluseval.numerics.permute import PermutationTest, permutation_test, sign_flip_test


@dataclass(frozen=True, kw_only=True)
class MaxT:
    """Joint test by the largest absolute statistic, all changes of a practice reassigned together.

    Null hypothesis: that of :class:`Permutation` for every change at once (of :class:`SignFlip` for a single
    arm). Every practice keeps its whole series, so that the dependence between changes is kept too.

    Parameters
    ----------
    draws, seed : int
        All assignments are used where there are at most ``draws``.
    strata : str, optional
        As for :class:`Permutation`.
    statistic : {"studentised", "pooled"}
        Welch's t (CR2 with covariates), or the pooled t, which goes with ``OLS()``.
    groups : int
        Number of quantile groups of a numeric ``strata``.

    References
    ----------
    Westfall and Young (1993), Resampling-based multiple testing.

    Examples
    --------
    >>> MaxT(draws=9_999, seed=7).statistic
    'studentised'
    """

    draws: int
    seed: int
    strata: str | None = None
    statistic: Literal["studentised", "pooled"] = "studentised"
    groups: int = 3

    def __post_init__(self) -> None:
        require_draws(self.draws, "MaxT")
        require_seed(self.seed, "MaxT")
        require_groups_of(self.groups, "MaxT")
        if self.statistic not in ("studentised", "pooled"):
            raise DesignError(f"MaxT.statistic is {self.statistic!r}; use 'studentised' or 'pooled'")

    def joint(self, problem: Changes, name: str) -> JointTest:
        """The chance, were there no effect in any, that the largest statistic is as large as observed."""
        drawn = self._draw(problem)
        return JointTest(
            name=name,
            statistic=float(np.max(np.abs(drawn.observed))),
            df=float(drawn.observed.size),
            p_value=drawn.adjusted().p_joint,
            inference=drawn.words,
        )

    def adjusted(self, problem: Changes, level: float) -> tuple[Inferred, ...]:
        """Each change as one of all that were looked at: single-step p, and its part of the joint band.

        The band (estimate plus and minus one multiple of the standard error, the same for every change) holds
        all true changes at once with probability ``level``, if each practice's change would have been the
        same but for a constant; it excludes no effect where the adjusted p is at most 1 - ``level``.
        """
        drawn = self._draw(problem)
        return tuple(_Adjusted(drawn, place).inferred(level) for place in range(drawn.observed.size))

    def _draw(self, problem: Changes) -> _Drawn:
        tests = [self._one(problem, column) for column in range(problem.y.shape[1])]
        each = [self._statistics(t, problem, i) for i, t in enumerate(tests)]
        what = "sign flips" if problem.treated is None else "permutation"
        count = tests[0].resampling.n_draws
        how = f"all {count:,}" if tests[0].exact else f"{count:,} draws (seed {self.seed})"
        within = within_words(problem.columns, self.strata, self.groups)
        return _Drawn(
            estimate=np.array([t.estimate for t in tests]),
            std_error=np.array([se for _, _, se in each]),
            observed=np.array([t for t, _, _ in each]),
            drawn=np.column_stack([t for _, t, _ in each]),
            exact=tests[0].exact,
            words=f"largest {self.statistic} t over a common {what} of practices{within}, {how}",
        )

    def _one(self, problem: Changes, column: int) -> PermutationTest:
        y = problem.y[:, column]
        if problem.treated is None:  # the level does not matter here: alpha=1 refuses nothing
            return sign_flip_test(y, draws=self.draws, seed=self.seed, alpha=1.0)
        Z = problem.fixed[:, 1:]
        if self.statistic == "pooled" and Z.shape[1]:
            raise DesignError("a pooled max-t takes no covariates; use MaxT(statistic='studentised', ...)")
        studentised = "cr2" if Z.shape[1] else "welch"
        return permutation_test(
            y,
            problem.treated.astype(float),
            statistic="coefficient" if self.statistic == "pooled" else studentised,
            covariates=Z if Z.shape[1] else None,
            strata=None if self.strata is None else strata_of(problem.columns, self.strata, self.groups),
            draws=self.draws,
            seed=self.seed,
            alpha=1.0,
        )

    def _statistics(
        self, test: PermutationTest, problem: Changes, column: int
    ) -> tuple[float, np.ndarray, float]:
        """Observed and drawn t, and the standard error of the observed one.

        Every column is drawn with the same seed, hence with the same assignments.
        """
        drawn = test.resampling.statistics(0.0)
        if self.statistic != "pooled" or problem.treated is None:
            return test.statistic, drawn, test.std_error
        y, n1 = problem.y[:, column], int(problem.treated.sum())
        size = 1 / n1 + 1 / (y.size - n1)
        total = float(np.sum((y - y.mean()) ** 2))
        both = np.append(
            drawn, test.estimate
        )  # reassigning leaves the total alone: t follows from the difference
        left = np.maximum(total - both**2 / size, 0.0) / (y.size - 2)
        with np.errstate(divide="ignore"):
            t = np.where(left > 0, both / np.sqrt(left * size), np.copysign(np.inf, both))
        return float(t[-1]), t[:-1], float(np.sqrt(left[-1] * size))


@dataclass(frozen=True)
class _Drawn:
    """Effects, standard errors and t of m changes, each (m,), and the t of every draw (draws, m)."""

    estimate: np.ndarray
    std_error: np.ndarray
    observed: np.ndarray
    drawn: np.ndarray
    exact: bool
    words: str

    @property
    def smallest_p(self) -> float:
        """The smallest p that these draws can give."""
        return 1 / (self.drawn.shape[0] + (not self.exact))

    def adjusted(self, *, observed: np.ndarray | None = None, alpha: float = 0.05) -> Adjustment:
        """Every adjusted p, of the observed statistics or of others against the same draws."""
        seen = self.observed if observed is None else observed
        return max_t(seen, self.drawn, added=not self.exact, alpha=alpha)


@dataclass(frozen=True)
class _Adjusted:
    """One of several changes, which answers at any level and any null value."""

    drawn: _Drawn
    place: int

    def interval(self, level: float) -> tuple[float, float]:
        critical, centre = self.drawn.adjusted(alpha=1 - level).critical, self.drawn.estimate[self.place]
        bounded = np.isfinite(critical) and self.drawn.smallest_p <= 1 - level
        half = critical * self.drawn.std_error[self.place] if bounded else np.inf
        return float(centre - half), float(centre + half)

    def test(self, value: float) -> float:
        if value == 0.0:
            return float(self.drawn.adjusted().p_single[self.place])
        observed = self.drawn.observed.copy()
        observed[self.place] = (self.drawn.estimate[self.place] - value) / self.drawn.std_error[self.place]
        # Away from zero the observed assignment is not among the draws; it counts all the same.
        return max(float(self.drawn.adjusted(observed=observed).p_single[self.place]), self.drawn.smallest_p)

    def inferred(self, level: float) -> Inferred:
        low, high = self.interval(level)
        drawn, changes = self.drawn, self.drawn.observed.size
        return Inferred(
            estimate=float(drawn.estimate[self.place]),
            std_error=float(drawn.std_error[self.place]),
            statistic=float(drawn.observed[self.place]),
            df=np.nan,
            p_value=self.test(0.0),
            conf_low=low,
            conf_high=high,
            convention=f"adjusted for {changes} changes looked at: {drawn.words}",
            interval=self.interval,
            test=self.test,
            notes=(f"the interval is part of a band that holds all {changes} changes at once",),
        )
