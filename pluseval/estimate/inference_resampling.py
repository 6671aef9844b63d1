"""Inferences from draws: permutation of who took part, sign flips, wild cluster bootstrap.

P-values and intervals come from one set of draws: the interval holds the constant effects that the same test
does not reject.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pluseval.errors import DesignError
from pluseval.estimate.inference import Inferred, Problem, adjusted_for, contrast_of, one_mean
from pluseval.estimate.inference_max_t import MaxT
from pluseval.estimate.permuted import (
    LogRatio,
    from_permutation,
    how_many,
    permuted_changes,
    permuted_entries,
    permuted_ratio,
)
from pluseval.estimate.problem import (
    Changes,
    Contrast,
    OneSample,
    RateContrast,
    Staggered,
    WeightedContrast,
)
from pluseval.estimate.require import require_draws, require_groups_of, require_seed
from pluseval.estimate.result import JointTest
from pluseval.estimate.strata import strata_of, within_words
from pluseval.numerics.linear import fit
from pluseval.numerics.permute import PermutationTest, sign_flip_test
from pluseval.numerics.wild import DISTRIBUTIONS, wild_bootstrap
from pluseval.numerics.wild_joint import wild_joint_test


@dataclass(frozen=True)
class SignFlip:
    """Sign flips of practice changes: for the change of a single arm.

    Null hypothesis: each practice's change was as likely to be up as down, independently between practices.
    All 2^G flips are used where there are at most ``draws`` (14 practices: 16,384); otherwise that many are
    drawn, which needs a ``seed``. The interval is inverted from the same flips.

    Parameters
    ----------
    draws : int
    seed : int, optional
        Needed where the flips are drawn.

    Examples
    --------
    >>> SignFlip(draws=16_384)
    SignFlip(draws=16384, seed=None)
    """

    draws: int
    seed: int | None = None

    def __post_init__(self) -> None:
        require_draws(self.draws, "SignFlip")
        if self.seed is not None:
            require_seed(self.seed, "SignFlip")

    def infer(self, problem: Problem, level: float) -> Inferred:
        """Mean change with the sign-flip p and interval; refuses too few practices for ``level``."""
        if not isinstance(problem, OneSample):
            raise DesignError(
                "SignFlip is for the change of a single arm; with comparison practices use Permutation or "
                'ClusterRobust("CR2")'
            )
        G = problem.n_clusters
        if 2**G > self.draws and self.seed is None:
            raise DesignError(
                f"{G} practices have 2^{G} = {2**G:,} sign flips, more than draws={self.draws:,}: give draws="
                f"{2**G:_} to use them all, or a seed to draw some, as SignFlip(draws=99_999, seed=1)"
            )
        found = sign_flip_test(problem.y, draws=self.draws, seed=self.seed or 0, alpha=1 - level)
        words = f"sign flips of practice changes, {how_many(found, self.seed, 'flips')}"
        return from_permutation(found, level, words)

    def joint(self, problem: Changes, name: str) -> JointTest:
        """The largest mean over common sign flips of practices."""
        return MaxT(draws=self.draws, seed=self.seed or 0).joint(problem, name)


@dataclass(frozen=True, kw_only=True)
class Permutation:
    """Permutation of who was a programme practice, under exchangeability within strata.

    Null hypothesis: within a stratum the practices' changes would have been the same whichever of them had
    taken part. Nobody was randomised, so exchangeability is an assumption; strata of list size make it a
    weaker one. The studentised statistic also holds where the groups vary unequally. All assignments are used
    where there are at most ``draws``; the interval is inverted from the same draws and assumes one constant
    effect.

    Parameters
    ----------
    draws, seed : int
    strata : str, optional
        A column of ``frame.practices``: quantile groups of a number (``groups`` of them), or the levels of a
        text.
    statistic : {"studentised", "coefficient"}
        Welch's t (CR2 with covariates or weights), or the unscaled effect, which is for comparison only.
    groups : int
        Number of quantile groups of a numeric ``strata``; 3 gives tertiles of all practices compared.
    tails : {"symmetric", "equal"}
        Whether both sides of the statistic's draws share one bound, or each side has half of the error:
        ``equal`` keeps its level better where outcomes are skewed or sizes differ.

    References
    ----------
    Chung and Romano (2013), doi 10.1214/13-AOS1090; MacKinnon and Webb (2020), doi
    10.1016/j.jeconom.2020.04.024.

    Examples
    --------
    >>> Permutation(draws=9_999, strata="list_size", seed=7).groups
    3
    """

    draws: int
    seed: int
    strata: str | None = None
    statistic: Literal["studentised", "coefficient"] = "studentised"
    groups: int = 3
    tails: Literal["symmetric", "equal"] = "symmetric"

    def __post_init__(self) -> None:
        require_draws(self.draws, "Permutation")
        require_seed(self.seed, "Permutation")
        require_groups_of(self.groups, "Permutation")
        if self.tails not in ("symmetric", "equal"):
            raise DesignError(f"Permutation.tails is {self.tails!r}; use 'symmetric' or 'equal'")
        if self.statistic not in ("studentised", "coefficient"):
            raise DesignError(
                f"Permutation.statistic is {self.statistic!r}; use 'studentised' (recommended) or "
                "'coefficient'"
            )

    def infer(self, problem: Problem, level: float) -> Inferred:
        """The effect with its permutation p and inverted interval."""
        if isinstance(problem, OneSample):
            raise DesignError("Permutation compares two groups; for a single arm use SignFlip(draws=16_384)")
        strata = None if self.strata is None else strata_of(problem.columns, self.strata, self.groups)
        within = within_words(problem.columns, self.strata, self.groups)
        of_changes = isinstance(problem, Contrast) and problem.collapsed
        if self.statistic == "coefficient" and not (of_changes or isinstance(problem, WeightedContrast)):
            raise DesignError("Permutation of the coefficient is for changes of practices; use 'studentised'")
        found: PermutationTest | LogRatio
        if isinstance(problem, RateContrast):
            found = permuted_ratio(problem, level, strata=strata, draws=self.draws, seed=self.seed)
            named = f"the CR2 t of the log ratio{adjusted_for(problem)}"
        elif isinstance(problem, Staggered):
            found = permuted_entries(problem, level, strata=strata, draws=self.draws, seed=self.seed)
            named = f"the studentised overall effect{adjusted_for(problem)}, entries reassigned"
        else:
            found, named = permuted_changes(
                problem, level, self.statistic, strata=strata, draws=self.draws, seed=self.seed
            )
        halves = ", equal tails" if self.tails == "equal" else ""
        words = f"permutation of {named}{within}{halves}, {how_many(found, self.seed)}"
        return from_permutation(found, level, words, tails=self.tails)

    def joint(self, problem: Changes, name: str) -> JointTest:
        """The largest statistic over a common permutation of practices."""
        kind: Literal["studentised", "pooled"] = (
            "studentised" if self.statistic == "studentised" else "pooled"
        )
        test = MaxT(draws=self.draws, seed=self.seed, strata=self.strata, statistic=kind, groups=self.groups)
        return test.joint(problem, name)


@dataclass(frozen=True, kw_only=True)
class WildBootstrap:
    """Wild cluster bootstrap of the t statistic: every practice's residuals times one random number.

    Assumes independent practices, and enough of them in each group; with few programme practices it may err
    either way. All 2^G Rademacher signs are used where there are at most ``draws``; with fewer than 12
    practices Webb's weights are advised. The interval is inverted from the same draws.

    Parameters
    ----------
    draws, seed : int
    weights : {"rademacher", "webb", "mammen"}
    restricted : bool
        Impose the null hypothesis on the residuals (recommended).

    References
    ----------
    Cameron, Gelbach and Miller (2008), doi 10.1162/rest.90.3.414. Equals R's ``fwildclusterboot::boottest``.

    Examples
    --------
    >>> WildBootstrap(draws=9_999, seed=7).weights
    'rademacher'
    """

    draws: int
    seed: int
    weights: Literal["rademacher", "webb", "mammen"] = "rademacher"
    restricted: bool = True

    def __post_init__(self) -> None:
        require_draws(self.draws, "WildBootstrap")
        require_seed(self.seed, "WildBootstrap")
        if self.weights not in DISTRIBUTIONS:
            raise DesignError(
                f"WildBootstrap.weights is {self.weights!r}; use one of {', '.join(DISTRIBUTIONS)}"
            )

    def infer(self, problem: Problem, level: float) -> Inferred:
        """The effect with its bootstrap p and inverted interval."""
        if isinstance(problem, OneSample):
            made, cluster, adjusted = one_mean(problem), np.arange(problem.n_clusters), ""
        else:
            problem = contrast_of(problem)
            made = fit(problem.y, problem.X, weights=problem.weights)
            cluster, adjusted = problem.cluster, adjusted_for(problem)
        found = wild_bootstrap(
            made,
            cluster,
            made.n_coef - 1,
            distribution=self.weights,
            restricted=self.restricted,
            draws=self.draws,
            seed=self.seed,
            alpha=1 - level,
        )
        kind = "restricted" if self.restricted else "unrestricted"
        count = (
            f"all {found.n_draws:,} signs"
            if found.enumerated
            else f"{found.n_draws:,} draws (seed {self.seed})"
        )
        named = self.weights.capitalize()
        words = f"wild cluster bootstrap of t{adjusted}, {kind}, {named}, {count}"
        return from_permutation(found, level, words)

    def joint(self, problem: Changes, name: str) -> JointTest:
        """Wald's statistic of all changes, each practice's residuals in all of them times one number."""
        found = wild_joint_test(
            problem.y,
            problem.X,
            distribution=self.weights,
            restricted=self.restricted,
            draws=self.draws,
            seed=self.seed,
        )
        kind = "restricted" if self.restricted else "unrestricted"
        count = (
            f"all {found.n_draws:,} signs"
            if found.enumerated
            else f"{found.n_draws:,} draws (seed {self.seed})"
        )
        words = f"wild bootstrap of Wald's statistic, {kind}, {self.weights.capitalize()}, {count}"
        return JointTest(name, found.statistic, float(found.effects.size), found.p_value, words)
