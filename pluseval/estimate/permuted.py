"""How each kind of problem is permuted, and what an inference says of draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from pluseval.errors import DesignError
from pluseval.estimate.inference import Inferred, adjusted_for
from pluseval.estimate.problem import Contrast, RateContrast, Staggered, WeightedContrast
from pluseval.numerics.invert import Interval
from pluseval.numerics.permute import PermutationTest, permutation_test
from pluseval.numerics.rate_permutation import RatePermutation, rate_ratio_permutation
from pluseval.numerics.rate_permutation_adjusted import AdjustedRatePermutation, adjusted_rate_permutation
from pluseval.numerics.staggered_permutation import staggered_permutation_test
from pluseval.numerics.weighted_permutation import weighted_permutation_test
from pluseval.numerics.wild import WildBootstrap


def permuted_changes(
    problem: Contrast, level: float, statistic: str, *, strata: np.ndarray | None, draws: int, seed: int
) -> tuple[PermutationTest, str]:
    """The permutation test of one change per practice, or of weighted values, and its statistic in words."""
    if isinstance(problem, WeightedContrast):
        return _permuted_values(problem, level, statistic, strata=strata, draws=draws, seed=seed)
    if problem.y.size != problem.n_clusters or not np.all(problem.by_treatment == 1):
        raise DesignError(
            "Permutation needs one change per practice, or both windows' values with their exposures; use "
            'ClusterRobust("CR2") or WildBootstrap(...)'
        )
    Z = problem.fixed[:, 1:]
    kind = "coefficient" if statistic == "coefficient" else ("cr2" if Z.shape[1] else "welch")
    found = permutation_test(
        problem.y,
        problem.treated[problem.cluster].astype(float),
        statistic=kind,
        covariates=Z if Z.shape[1] else None,
        weights=problem.weights,
        strata=strata,
        draws=draws,
        seed=seed,
        alpha=1 - level,
    )
    named = {"welch": "Welch's t", "cr2": "the CR2 t", "coefficient": "the coefficient"}[kind]
    return found, named + adjusted_for(problem)


def _permuted_values(
    problem: WeightedContrast,
    level: float,
    statistic: str,
    *,
    strata: np.ndarray | None,
    draws: int,
    seed: int,
) -> tuple[PermutationTest, str]:
    """The permutation test of values that count by exposure; the exposures stay with their practices."""
    plain = statistic == "coefficient"
    found = weighted_permutation_test(
        problem.values,
        problem.exposures,
        problem.treated.astype(float),
        covariates=problem.covariates,
        statistic="coefficient" if plain else "cr2",
        strata=strata,
        draws=draws,
        seed=seed,
        alpha=1 - level,
    )
    named = "the coefficient" if plain else "the CR2 t"
    return found, f"{named} of values weighted by exposure{adjusted_for(problem)}"


def permuted_ratio(
    problem: RateContrast, level: float, *, strata: np.ndarray | None, draws: int, seed: int
) -> LogRatio:
    """The permutation test of a ratio of rates, on the log scale; given covariates by Poisson regression."""
    of = (problem.counts, problem.exposures, problem.treated.astype(int))
    how: dict[str, Any] = {"strata": strata, "draws": draws, "seed": seed, "alpha": 1 - level}
    found: RatePermutation | AdjustedRatePermutation
    if problem.adjusted:
        found = adjusted_rate_permutation(*of, problem.covariates, **how)
    else:
        found = rate_ratio_permutation(*of, **how)
    return LogRatio(found, found.n_possible if found.exact else draws)


def permuted_entries(
    problem: Staggered, level: float, *, strata: np.ndarray | None, draws: int, seed: int
) -> PermutationTest:
    """The permutation test of an overall staggered effect, by outcome regression where it is adjusted."""
    return staggered_permutation_test(
        problem.y,
        entry=problem.entry,
        periods=problem.periods,
        comparison=problem.comparison,
        covariates=problem.covariates if problem.adjusted else None,
        strata=strata,
        draws=draws,
        seed=seed,
        alpha=1 - level,
    )


@dataclass(frozen=True)
class LogRatio:
    """A permutation test of a ratio that answers in logarithms until the result is concluded."""

    found: RatePermutation | AdjustedRatePermutation
    n_draws: int

    @property
    def estimate(self) -> float:
        """The log ratio."""
        return math.log(self.found.ratio)

    @property
    def std_error(self) -> float:
        """Its CR2 standard error."""
        return self.found.log_std_error

    @property
    def statistic(self) -> float:
        """The studentised log ratio."""
        return self.estimate / self.std_error

    def p_value(self, null: float = 0.0, *, alternative: str = "two-sided") -> float:
        """P-value of a log ratio."""
        return self.found.p_value(math.exp(null), alternative=alternative)

    def conf_int(self, level: float = 0.95, *, tails: str = "symmetric") -> Interval:
        """Log ratios that are not rejected."""
        found = self.found.conf_int(level, tails=tails)
        with np.errstate(divide="ignore"):
            low, high = float(np.log(found.low)), float(np.log(found.high))
        return Interval(low, high, level, tails, found.bounded, found.connected, found.p_low, found.p_high)


Found = PermutationTest | LogRatio | WildBootstrap
Tails = Literal["symmetric", "equal"]


def from_permutation(found: Found, level: float, words: str, *, tails: Tails = "symmetric") -> Inferred:
    """What draws say of an effect: p and interval from the same ones.

    With equal tails the p-value is twice the smaller one-sided one, and the interval leaves out half of the
    error on each side: where the draws are not symmetric about zero, neither side carries all of it.
    """
    reached = found.conf_int(level, tails=tails)
    kept = Kept(found, tails)
    assumed = () if isinstance(found, WildBootstrap) else ("the interval assumes one constant effect",)
    return Inferred(
        estimate=found.estimate,
        std_error=found.std_error,
        statistic=found.statistic,
        df=math.nan,
        p_value=kept.test(0.0),
        conf_low=reached.low,
        conf_high=reached.high,
        convention=words,
        interval=kept.interval,
        test=kept.test,
        notes=(*assumed, *interval_notes(reached)),
    )


class Inverted(Protocol):
    """A test by draws whose interval is its own inversion."""

    def p_value(self, null: float = ..., *, alternative: str = ...) -> float:
        """The p-value at a null value."""
        ...

    def conf_int(self, level: float = ..., *, tails: str = ...) -> Interval:
        """The values that are not rejected."""
        ...


@dataclass(frozen=True)
class Kept:
    """A test with its draws, which answers at any level and any null value by the same procedure."""

    found: Inverted
    tails: Tails = "symmetric"

    def interval(self, level: float) -> tuple[float, float]:
        """Both ends of the interval."""
        reached = self.found.conf_int(level, tails=self.tails)
        return reached.low, reached.high

    def test(self, value: float) -> float:
        """The two-sided p-value; with equal tails twice the smaller one-sided one."""
        if self.tails == "symmetric":
            return self.found.p_value(value)
        sides = (self.found.p_value(value, alternative=side) for side in ("less", "greater"))
        return min(1.0, 2 * min(sides))


def interval_notes(interval: Interval) -> tuple[str, ...]:
    """What a reader must know of an interval found by inversion."""
    notes = []
    if not interval.bounded:
        notes.append("the interval has an open end: the test rejects no value, however far")
    if not interval.connected:
        notes.append("the interval is the hull of a confidence set with gaps")
    return tuple(notes)


def how_many(found: Found, seed: int | None, of: str = "assignments") -> str:
    """The number of draws in words: all of them, or how many with which seed."""
    if isinstance(found, PermutationTest):
        exact, count = found.exact, found.resampling.n_draws
    elif isinstance(found, LogRatio):
        exact, count = found.found.exact, found.n_draws
    else:
        exact, count = False, found.n_draws
    return f"all {count:,} {of}" if exact else f"{count:,} {of} drawn (seed {seed})"
