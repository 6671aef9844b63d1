"""Inferences as values: how sure one may be of the effect that a problem asks for.

Each is a frozen dataclass with ``infer(problem, level)`` and, where it has one, ``joint(problem)``. Adding an
inference is adding one class that takes the problems of :mod:`pluseval.estimate.problem`; no estimator
changes. The p-value and the interval of a result come from the same procedure, which its ``convention``
names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from pluseval.errors import DesignError
from pluseval.estimate.problem import Changes, Contrast, OneSample, Staggered
from pluseval.estimate.result import JointTest
from pluseval.numerics.cluster import KINDS, cluster_cov
from pluseval.numerics.hotelling import hotelling, hotelling_robust, hotelling_unequal
from pluseval.numerics.linear import LinearFit, TTest, classical_cov, fit, one_sample, t_test, welch

Problem = Contrast | OneSample | Staggered


@dataclass(frozen=True)
class Inferred:
    """What an inference says about one effect.

    Attributes
    ----------
    estimate, std_error, statistic, df, p_value, conf_low, conf_high : float
        ``df`` is NaN where the procedure has none.
    convention : str
        The procedure in words, fit for a caption.
    interval : callable
        ``interval(level)`` gives both ends at another level, by the same procedure.
    test : callable
        ``test(value)`` gives the two-sided p-value at another null value, by the same procedure.
    notes : tuple of str
        What the reader must know (draws that failed, an interval with an open end).
    """

    estimate: float
    std_error: float
    statistic: float
    df: float
    p_value: float
    conf_low: float
    conf_high: float
    convention: str
    interval: Callable[[float], tuple[float, float]]
    test: Callable[[float], float]
    notes: tuple[str, ...] = ()


@runtime_checkable
class Inference(Protocol):
    """Anything that can infer an effect from a problem."""

    def infer(self, problem: Problem, level: float) -> Inferred:
        """The effect with its interval, p-value and convention."""
        ...


@runtime_checkable
class JointInference(Protocol):
    """Anything that can test several effects at once."""

    def joint(self, problem: Changes, name: str) -> JointTest:
        """One test that every effect is zero."""
        ...


@dataclass(frozen=True)
class _StudentT:
    """A t distribution around an estimate, which answers at any level and any null value."""

    estimate: float
    std_error: float
    df: float

    def at(self, *, null: float = 0.0, level: float = 0.95) -> TTest:
        return t_test(self.estimate, self.std_error, self.df, null=null, level=level)

    def interval(self, level: float) -> tuple[float, float]:
        found = self.at(level=level)
        return found.conf_low, found.conf_high

    def test(self, value: float) -> float:
        return self.at(null=value).p_value


def from_t(estimate: float, std_error: float, df: float, *, level: float, convention: str) -> Inferred:
    """An inference whose p-value and interval come from one t distribution."""
    reference = _StudentT(float(estimate), float(std_error), float(df))
    found = reference.at(level=level)
    return Inferred(
        estimate=found.estimate,
        std_error=found.std_error,
        statistic=found.statistic,
        df=found.df,
        p_value=found.p_value,
        conf_low=found.conf_low,
        conf_high=found.conf_high,
        convention=convention,
        interval=reference.interval,
        test=reference.test,
    )


@dataclass(frozen=True)
class OLS:
    """Least squares on one change per practice, with one pooled variance.

    Assumes that changes are independent between practices and vary equally in both groups. Equals R's
    ``lm(change ~ treated)``, and ``t.test(var.equal = TRUE)`` without covariates. For a single arm: Student's
    t.

    References
    ----------
    Estimate and error of R's ``summary(lm())``.
    """

    def infer(self, problem: Problem, level: float) -> Inferred:
        """Pooled t; refuses rows that share a practice."""
        if isinstance(problem, OneSample):
            found = one_sample(problem.y, level=level)
            words = f"mean of changes, t({found.df:.0f})"
            return from_t(found.estimate, found.std_error, found.df, level=level, convention=words)
        problem = contrast_of(problem)
        require_collapsed(problem, "OLS")
        made = fit(problem.y, problem.X)
        se = float(np.sqrt(classical_cov(made)[-1, -1]))
        words = f"OLS on {problem.of}{adjusted_for(problem)}, pooled t({made.df_resid})"
        return from_t(made.coef[-1], se, made.df_resid, level=level, convention=words)

    def joint(self, problem: Changes, name: str) -> JointTest:
        """Hotelling's T-squared with a pooled covariance; exact where changes are normal."""
        found = hotelling(problem.y, problem.X)
        return JointTest(
            name, found.statistic, found.df, found.p_value,
            f"Hotelling's T-squared, pooled covariance, F({found.df:.0f}, {found.df_resid:.0f})",
        )  # fmt: skip


@dataclass(frozen=True)
class Welch:
    """Difference of two mean changes, each group with its own variance (Satterthwaite's degrees of freedom).

    Assumes independent practices; equals R's ``t.test(x, y)``. With covariates use ``ClusterRobust("CR2")``.

    References
    ----------
    Welch (1947), doi 10.1093/biomet/34.1-2.28.
    """

    def infer(self, problem: Problem, level: float) -> Inferred:
        """Welch's t; refuses covariates and rows that share a practice."""
        if isinstance(problem, OneSample):
            return OLS().infer(problem, level)
        problem = contrast_of(problem)
        if not problem.two_means:
            raise DesignError(
                "Welch compares two unadjusted, unweighted means of changes; with covariates or weights use "
                'ClusterRobust("CR2"), which equals Welch\'s standard error without them'
            )
        on = problem.treated[problem.cluster]
        found = welch(problem.y[on], problem.y[~on], level=level)
        words = f"Welch on {problem.of}, t({found.df:.1f})"
        return from_t(found.estimate, found.std_error, found.df, level=level, convention=words)

    def joint(self, problem: Changes, name: str) -> JointTest:
        """Hotelling's T-squared with unequal covariances (Krishnamoorthy and Yu)."""
        if problem.treated is None:
            return OLS().joint(problem, name)
        if problem.fixed.shape[1] > 1:
            raise DesignError('a joint Welch test takes no covariates; use ClusterRobust("CR2")')
        found = hotelling_unequal(problem.y[problem.treated], problem.y[~problem.treated])
        return JointTest(
            name, found.statistic, found.df, found.p_value,
            f"Hotelling's T-squared, unequal covariances, F({found.df:.0f}, {found.df_resid:.1f})",
        )  # fmt: skip


@dataclass(frozen=True)
class ClusterRobust:
    """Cluster-robust variance between practices with small-sample degrees of freedom.

    Assumes independent practices; rows of one practice may depend on each other in any way.

    Parameters
    ----------
    kind : str
        ``CR2`` (Bell and McCaffrey, the default), or CR0, CR1, CR1S, CR1P, CR3 for comparison.
    df : {"bell-mccaffrey", "clusters"}
        Bell-McCaffrey (Satterthwaite) degrees of freedom, or the number of practices minus one, which
        over-rejects with few programme practices and is here to be shown beside them.

    References
    ----------
    Bell and McCaffrey (2002), Survey Methodology 28; Pustejovsky and Tipton (2018),
    doi 10.1080/07350015.2016.1247004. Equals R's ``clubSandwich::coef_test(lm, vcov = "CR2")``.
    """

    kind: str = "CR2"
    df: Literal["bell-mccaffrey", "clusters"] = "bell-mccaffrey"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DesignError(f"ClusterRobust.kind is {self.kind!r}; use one of {', '.join(KINDS)}")
        if self.df not in ("bell-mccaffrey", "clusters"):
            raise DesignError(f"ClusterRobust.df is {self.df!r}; use 'bell-mccaffrey' or 'clusters'")

    def infer(self, problem: Problem, level: float) -> Inferred:
        """Cluster-robust t with the degrees of freedom that ``df`` names."""
        if isinstance(problem, OneSample):
            made, cluster, adjusted = one_mean(problem), np.arange(problem.n_clusters), ""
        else:
            problem = contrast_of(problem)
            made = fit(problem.y, problem.X, weights=problem.weights)
            cluster, adjusted = problem.cluster, adjusted_for(problem)
        cov = cluster_cov(made, cluster, kind=self.kind)
        last = made.n_coef - 1
        df = cov.df(last) if self.df == "bell-mccaffrey" else cov.n_clusters - 1
        name = "Bell-McCaffrey " if self.df == "bell-mccaffrey" else ""
        words = f"{self.kind}{adjusted}, {name}t({df:.1f})"
        return from_t(made.coef[last], cov.std_error(last), df, level=level, convention=words)

    def joint(self, problem: Changes, name: str) -> JointTest:
        """Hotelling's T-squared from CR2 covariances, with the degrees of freedom of one change."""
        cov = cluster_cov(fit(_noisiest(problem.y), problem.X), np.arange(problem.y.shape[0]), kind="CR2")
        found = hotelling_robust(problem.y, problem.X, df=cov.df(problem.X.shape[1] - 1))
        return JointTest(
            name, found.statistic, found.df, found.p_value,
            f"approximate Hotelling's T-squared, CR2, F({found.df:.0f}, {found.df_resid:.1f})",
        )  # fmt: skip


def _noisiest(y: np.ndarray) -> np.ndarray:
    """The change that varies most: the degrees of freedom rest on the design alone, whichever is taken."""
    return y[:, int(np.argmax(y.std(axis=0)))]


def one_mean(problem: OneSample) -> LinearFit:
    """The mean of a single arm as a linear fit."""
    return fit(problem.y, np.ones((problem.y.size, 1)))


def adjusted_for(problem: Contrast | Staggered) -> str:
    """The covariates in words, for a convention."""
    return f" adjusted for {', '.join(problem.adjusted)}" if problem.adjusted else ""


def contrast_of(problem: Problem) -> Contrast:
    """The problem where it is a linear contrast of two groups.

    Raises
    ------
    DesignError
        A staggered effect, which only a permutation of entries, or the analytic error, can answer.
    """
    if not isinstance(problem, Contrast):
        raise DesignError(
            "a staggered effect takes Permutation(...), or no inference for the analytic standard error; for "
            "others compare windows with did"
        )
    return problem


def require_collapsed(problem: Contrast, name: str) -> None:
    """Refuse a procedure for independent rows where rows share a practice or carry weights.

    Raises
    ------
    DesignError
        With the procedures that hold.
    """
    if not problem.collapsed:
        raise DesignError(
            f"{name} needs one unweighted change per practice, and these are {problem.y.size} weighted rows "
            "of "
            f'{problem.n_clusters} practices; use ClusterRobust("CR2"), or weights="practice"'
        )
