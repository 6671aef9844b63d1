"""At least one of several changes: the largest statistic over a common resampling of practices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pluseval.errors import DesignError
from pluseval.estimate.problem import Changes
from pluseval.estimate.result import JointTest
from pluseval.estimate.strata import strata_of, within_words
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
        if not isinstance(self.draws, int) or isinstance(self.draws, bool) or self.draws < 1:
            raise DesignError(f"MaxT.draws is {self.draws!r}; a whole number, as draws=9_999")
        if self.statistic not in ("studentised", "pooled"):
            raise DesignError(f"MaxT.statistic is {self.statistic!r}; use 'studentised' or 'pooled'")

    def joint(self, problem: Changes, name: str) -> JointTest:
        """The chance, were there no effect in any, that the largest statistic is as large as observed."""
        tests = [self._one(problem, column) for column in range(problem.y.shape[1])]
        observed, drawn = zip(*(self._statistics(t, problem, i) for i, t in enumerate(tests)), strict=True)
        found = max_t(np.array(observed), np.column_stack(drawn), added=not tests[0].exact)
        what = "sign flips" if problem.treated is None else "permutation"
        count = tests[0].resampling.n_draws
        how = f"all {count:,}" if tests[0].exact else f"{count:,} draws (seed {self.seed})"
        within = within_words(problem.columns, self.strata, self.groups)
        return JointTest(
            name=name,
            statistic=float(np.max(np.abs(observed))),
            df=float(len(tests)),
            p_value=found.p_joint,
            inference=f"largest {self.statistic} t over a common {what} of practices{within}, {how}",
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

    def _statistics(self, test: PermutationTest, problem: Changes, column: int) -> tuple[float, np.ndarray]:
        """Observed and drawn t; every column is drawn with the same seed, hence with the same assignments."""
        drawn = test.resampling.statistics(0.0)
        if self.statistic != "pooled" or problem.treated is None:
            return test.statistic, drawn
        y, n1 = problem.y[:, column], int(problem.treated.sum())
        size = 1 / n1 + 1 / (y.size - n1)
        total = float(np.sum((y - y.mean()) ** 2))
        both = np.append(
            drawn, test.estimate
        )  # reassigning leaves the total alone: t follows from the difference
        left = np.maximum(total - both**2 / size, 0.0) / (y.size - 2)
        with np.errstate(divide="ignore"):
            t = np.where(left > 0, both / np.sqrt(left * size), np.copysign(np.inf, both))
        return float(t[-1]), t[:-1]
