"""Problems: what an estimator hands to an inference, as values without a frame.

An estimator decides what is compared (:class:`Contrast`, :class:`OneSample`, ...); an inference decides how
sure one may be. Any inference that takes one of these types serves every estimator that makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pluseval.errors import DesignError

#: What to use where a group is too small for any variance between its practices.
ONE_TREATED = (
    "the variance between programme practices cannot be estimated; use synthetic difference in differences "
    "with placebo units"
)


@dataclass(frozen=True)
class Contrast:
    """A linear model in which one coefficient is the effect of being a programme practice.

    The design is ``fixed`` beside ``by_treatment`` times the treatment of the row's practice, so that an
    inference can put another assignment in the place of the observed one. The effect is the coefficient of
    the last column.

    Parameters
    ----------
    y : array (n,)
        One change per practice, or one value per practice and window.
    fixed : array (n, a)
        Columns that do not depend on who is treated (constant, window, covariates).
    by_treatment : array (n, b)
        Columns that are multiplied by the treatment; the last one carries the effect.
    cluster : array (n,)
        Code 0..G-1 of the row's practice.
    treated : bool array (G,)
        Treatment of each practice.
    weights : array (n,), optional
        Weights of the rows.
    columns : mapping
        Practice-level columns (G,), for strata.
    adjusted : tuple of str
        Covariates in ``fixed``, in words.
    of : str
        What ``y`` is, for the convention: "changes", "practice values", "log rates".
    """

    y: np.ndarray
    fixed: np.ndarray
    by_treatment: np.ndarray
    cluster: np.ndarray
    treated: np.ndarray
    weights: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    adjusted: tuple[str, ...] = ()
    of: str = "changes"

    def __post_init__(self) -> None:
        n = self.y.size
        if self.fixed.shape[0] != n or self.by_treatment.shape[0] != n or self.cluster.shape != (n,):
            raise DesignError("Contrast: y, fixed, by_treatment and cluster must have the same rows")
        require_groups(self.treated)

    @property
    def X(self) -> np.ndarray:
        """The design under the observed treatment (n, a + b)."""
        return self.design(self.treated)

    def design(self, treated: np.ndarray) -> np.ndarray:
        """The design (n, a + b) had ``treated`` (G,) been the programme practices."""
        on = np.asarray(treated, dtype=float)[self.cluster]
        return np.concatenate([self.fixed, on[:, None] * self.by_treatment], axis=1)

    @property
    def collapsed(self) -> bool:
        """Whether there is one unweighted row for each practice."""
        return self.weights is None and self.y.size == self.treated.size

    @property
    def two_means(self) -> bool:
        """Whether the effect is a plain difference between two means of one row per practice."""
        plain = self.fixed.shape[1] == 1 and self.by_treatment.shape[1] == 1
        return self.collapsed and plain and bool(np.all(self.fixed == 1) and np.all(self.by_treatment == 1))

    @property
    def n_clusters(self) -> int:
        """Number of practices."""
        return self.treated.size


@dataclass(frozen=True)
class RateContrast(Contrast):
    """A Poisson change of rates, linearised at its solution, with the sums it was made from.

    Parameters
    ----------
    counts, exposures : arrays (G, 2)
        Per practice before and after.
    covariates : array (G, q)
        Each with a coefficient per window. The rest as in :class:`Contrast`; the effect is a log ratio.
    """

    counts: np.ndarray = field(default_factory=lambda: np.empty((0, 2)), repr=False)
    exposures: np.ndarray = field(default_factory=lambda: np.empty((0, 2)), repr=False)
    covariates: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False)


@dataclass(frozen=True)
class WeightedContrast(Contrast):
    """Values of both windows weighted by exposure, with the practice-level arrays they were stacked from.

    Parameters
    ----------
    values, exposures : arrays (G, 2)
        Per practice before and after.
    covariates : array (G, q)
        Each with a coefficient per window. The rest as in :class:`Contrast`.
    """

    values: np.ndarray = field(default_factory=lambda: np.empty((0, 2)), repr=False)
    exposures: np.ndarray = field(default_factory=lambda: np.empty((0, 2)), repr=False)
    covariates: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False)


@dataclass(frozen=True)
class Staggered:
    """Practices that joined at different times; the effect is the overall one of Callaway and Sant'Anna.

    Parameters
    ----------
    y : array (G, T)
        Complete: a value for each practice and period.
    entry : array (G,)
        First treated period, 0 for practices that never joined.
    periods : array (T,)
    comparison : {"never_treated", "not_yet_treated"}
    columns : mapping
        Practice-level columns (G,), for strata.
    covariates : array (G, q), optional
        Taken out of the changes by outcome regression.
    adjusted : tuple of str
        Those covariates in words.
    """

    y: np.ndarray
    entry: np.ndarray
    periods: np.ndarray
    comparison: str
    columns: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    covariates: np.ndarray | None = field(default=None, repr=False)
    adjusted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.y.shape != (self.entry.size, self.periods.size) or not np.isfinite(self.y).all():
            raise DesignError("Staggered: y must be (practices, periods) without missing values")
        require_groups(self.entry > 0)

    @property
    def n_clusters(self) -> int:
        """Number of practices."""
        return self.entry.size


@dataclass(frozen=True)
class OneSample:
    """One change per practice of a single group; the effect is their mean.

    Parameters
    ----------
    y : array (G,)
    columns : mapping
        Practice-level columns (G,).
    """

    y: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.y.size < 2:
            raise DesignError(
                f"{self.y.size} practice has both periods: the variance between practices cannot be "
                "estimated; a single-arm change needs at least two practices"
            )

    @property
    def n_clusters(self) -> int:
        """Number of practices."""
        return self.y.size


@dataclass(frozen=True)
class Changes:
    """Several changes of the same practices, for a statement about all of them at once.

    Parameters
    ----------
    y : array (G, K)
        Changes of each practice.
    treated : bool array (G,), optional
        Programme practices; None where there is a single group.
    fixed : array (G, a)
        Constant and covariates.
    terms : tuple of str
        Names of the K changes.
    columns : mapping
        Practice-level columns (G,), for strata.
    """

    y: np.ndarray
    treated: np.ndarray | None
    fixed: np.ndarray
    terms: tuple[str, ...]
    columns: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.y.ndim != 2 or self.y.shape[1] != len(self.terms) or self.y.shape[1] == 0:
            raise DesignError("Changes: y must be (practices, terms) with at least one term")
        if self.treated is not None:
            require_groups(self.treated)
        elif self.y.shape[0] < 2:
            raise DesignError("a joint test needs at least two practices with every period")

    @property
    def X(self) -> np.ndarray:
        """The design (G, a + 1) whose last column is the treatment, or (G, 1) ones for a single group."""
        if self.treated is None:
            return np.ones((self.y.shape[0], 1))
        return np.concatenate([self.fixed, self.treated.astype(float)[:, None]], axis=1)


def require_groups(treated: np.ndarray) -> None:
    """Refuse groups in which no variance between practices can be estimated.

    Raises
    ------
    DesignError
        No programme or comparison practice, or one alone in its group; the message says what to use.
    """
    programme = int(np.sum(treated))
    comparison = int(treated.size - programme)
    if programme == 0:
        raise DesignError("no programme practice has the periods asked for; see the losses by reason")
    if comparison == 0:
        raise DesignError(
            "no comparison practice has the periods asked for; use single_arm for the change of programme "
            "practices"
        )
    if programme == 1:
        raise DesignError(f"1 programme practice against {comparison}: {ONE_TREATED}")
    if comparison == 1:
        raise DesignError(
            f"{programme} programme practices against 1 comparison practice: the variance between comparison "
            "practices cannot be estimated; add comparison practices, or use single_arm for the programme "
            "alone"
        )
