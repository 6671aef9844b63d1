"""Covariate-adjusted staggered effects under thousands of reassigned entry dates.

Callaway and Sant'Anna's outcome regression: in each group-time cell the change of the comparison units is
regressed on covariates, and predicted for the cohort. Cells of one cohort with the same comparison units
share one regression, of their weighted change; a draw therefore needs the normal equations of a few
regressions, which are products of its membership with N x k^2 columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.products import tall_product
from pluseval.numerics.reassignment import cohort_starts
from pluseval.numerics.staggered import att_cells
from pluseval.numerics.staggered_average import aggregation_weights

SINGULAR = 1e-10  # smallest share of a covariate's variance that comparison units of a draw must keep


@dataclass(frozen=True)
class Regression:
    """The cells of one cohort that are compared with the same cohorts.

    Attributes
    ----------
    target : int
        The cohort whose effect it is, as a position among the cohorts.
    control : (C,) boolean array
        The cohorts it is compared with.
    rows : (1 + C - 1, T) array
        Weighted changes: the first enters the effect, the others say how the average moves with the share
        of each treated cohort.
    """

    target: int
    control: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class AdjustedMap:
    """A covariate-adjusted staggered effect for the counts of units per cohort; linear in the outcomes.

    Attributes
    ----------
    cohorts, counts : (C,) arrays
        Entry of each cohort, the never-treated last, and its number of units.
    X : (N, k) array
        Constant and covariates, orthogonal with mean square 1; they stay with their units.
    regressions : tuple of Regression
    """

    cohorts: np.ndarray
    counts: np.ndarray
    X: np.ndarray = field(repr=False)
    regressions: tuple[Regression, ...] = field(repr=False)

    def forms(
        self, codes: np.ndarray, outcomes: tuple[np.ndarray, ...], *, small_sample: bool = True
    ) -> tuple[list[np.ndarray], dict[tuple[int, int], np.ndarray]]:
        """Effects on several outcomes, and the bilinear forms of which their variances are made.

        Parameters
        ----------
        codes : (D, N) integer array
            Cohort of each unit, as a position in ``cohorts``; the counts of every row are ``counts``.
        outcomes : tuple of (N, T) arrays
        small_sample : bool
            Multiply each cohort's sum of squares by n / (n - 1), as
            :meth:`pluseval.numerics.reassignment.StaggeredMap.forms`.

        Returns
        -------
        effects : list of (D,) arrays
        forms : {(i, j): (D,) array}
            For i <= j; ``forms[i, i]`` is the variance of effect i from its influence function. All are 0 in
            a draw whose comparison units do not identify a covariate.
        """
        draws, size = codes.shape[0], self.counts.size
        member = [(codes == c).astype(float) for c in range(size)]
        effects = np.zeros((len(outcomes), draws))
        moved = np.zeros((len(outcomes), draws, size))  # of the average with each cohort's share
        parts = np.zeros((len(outcomes), *codes.shape))  # influence of each unit, over N
        lost = np.zeros(draws, bool)
        for one in self.regressions:
            fitted = _Fitted(self.X, member, one, self.counts)
            lost |= fitted.lost
            for j, y in enumerate(outcomes):
                att, influence = fitted.effect(y @ one.rows.T)
                effects[j] += att[:, 0]
                moved[j, :, :-1] += att[:, 1:]
                parts[j] += influence
        n = self.counts.astype(float)
        inflate = np.where(n > 1, n / np.maximum(n - 1, 1), 1.0) if small_sample else np.ones(size)
        weight = inflate[codes]
        for j in range(len(outcomes)):
            shift = (moved[j] - (moved[j] @ n / n.sum())[:, None]) / n.sum()
            parts[j] += np.take_along_axis(shift, codes.astype(np.intp), axis=1)
        forms = {
            (i, j): np.where(lost, 0.0, np.einsum("bn,bn,bn->b", parts[i], weight, parts[j]))
            for i in range(len(outcomes))
            for j in range(i, len(outcomes))
        }
        return [np.where(lost, 0.0, effect) for effect in effects], forms


class _Fitted:
    """One regression in every draw: what it needs of the covariates, whatever the outcome."""

    def __init__(self, X: np.ndarray, member: list[np.ndarray], one: Regression, counts: np.ndarray) -> None:
        k = X.shape[1]
        self.X, self.n = X, int(counts[one.target])
        self.target = member[one.target]
        self.control = np.sum([member[c] for c in np.flatnonzero(one.control)], axis=0)
        products = (X[:, :, None] * X[:, None, :]).reshape(-1, k * k)
        gram = tall_product(self.control, products).reshape(-1, k, k) / counts[one.control].sum()
        self.lost = np.linalg.eigvalsh(gram)[:, 0] <= SINGULAR
        gram[self.lost] = np.eye(k)
        self.inverse = np.linalg.inv(gram) / counts[one.control].sum()
        self.mean = tall_product(self.target, X) / self.n
        self.lever = np.einsum("bij,bj->bi", self.inverse, self.mean)
        self.share = self.control * tall_product(self.lever, X.T)  # of each comparison unit in the prediction

    def effect(self, change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Effects on the columns of ``change`` (N, m), (D, m), and the influence on the first, (D, N)."""
        k, m = self.X.shape[1], change.shape[1]
        products = (self.X[:, :, None] * change[:, None, :]).reshape(-1, k * m)
        on_x = tall_product(self.control, products).reshape(-1, k, m)
        att = tall_product(self.target, change) / self.n - np.einsum("bi,bim->bm", self.lever, on_x)
        slopes = np.einsum("bij,bj->bi", self.inverse, on_x[:, :, 0])
        left = change[:, 0] - tall_product(slopes, self.X.T)
        return att, self.target * (left - att[:, :1]) / self.n - self.share * left


def adjusted_callaway_santanna_map(
    entry: np.ndarray,
    *,
    periods: np.ndarray,
    covariates: np.ndarray,
    comparison: str = "not_yet_treated",
    anticipation: float = 0,
    kind: str = "simple",
    key: float | None = None,
    transition: float = 0,
) -> AdjustedMap:
    """The overall effect with outcome regression, for the counts of entries in ``entry``.

    Assumption: without treatment, units with the same covariates would have moved in parallel, linearly in
    the covariates. A covariate that does not vary changes nothing and is left out.

    Parameters
    ----------
    entry : (N,) array
        0, infinity, NaN or later than the last period for never treated.
    covariates : (N,) or (N, q) array
        Fixed over time.
    periods, comparison, anticipation, kind, key, transition
        As in :func:`pluseval.numerics.reassignment.callaway_santanna_map`.

    Raises
    ------
    DesignError
        Covariates that are missing or collinear, too few comparison units for them, a key that ``kind`` does
        not have, no never-treated or no treated unit, or units treated from the start.

    References
    ----------
    Callaway and Sant'Anna (2021), doi:10.1016/j.jeconom.2020.12.001; Sant'Anna and Zhao (2020),
    doi:10.1016/j.jeconom.2020.06.003. Equals ``did::att_gt`` with ``est_method = "reg"``.

    Examples
    --------
    >>> y = np.array([[1.0, 2], [2, 5], [3, 8], [1, 5], [2, 5]])  # without treatment: +1, +3, +5 by size
    >>> made = adjusted_callaway_santanna_map(np.array([0, 0, 0, 2, 2]), periods=np.array([1.0, 2.0]),
    ...                                       covariates=np.array([1.0, 2, 3, 1, 2]))
    >>> effects, _ = made.forms(np.array([[1, 1, 1, 0, 0]]), (y,))
    >>> float(effects[0][0].round(6))  # (4 - 1 + 3 - 3) / 2
    1.5
    """
    start, periods = cohort_starts(entry, periods)
    cohorts, counts = np.unique(start, return_counts=True)
    if not np.isinf(cohorts[-1]) or cohorts.size < 2:
        raise DesignError("reassigning entries needs never-treated and treated units")
    X = _orthogonal(covariates, start.size)
    cells = att_cells(cohorts[:-1], periods=periods, comparison=comparison, anticipation=anticipation)
    shares = counts[:-1] / counts.sum()
    keys, each, gradients, (theta, gradient) = aggregation_weights(
        cells.group, cells.period, cohorts=cohorts[:-1], shares=shares, kind=kind, transition=transition
    )
    if key is not None:
        if key not in keys:
            raise DesignError(f"kind={kind!r} has no key {key}; choose from {keys.tolist()}")
        position = int(np.flatnonzero(keys == key)[0])
        theta, gradient = each[:, position], gradients[position]
    change = np.zeros((theta.size, periods.size))
    change[np.arange(theta.size), cells.period_at] += 1
    change[np.arange(theta.size), cells.base_at] -= 1
    weights = np.column_stack([theta, gradient])  # (K, C)
    used = np.flatnonzero(np.any(weights != 0, axis=1))
    sides = np.concatenate([cells.treated, cells.control], axis=1)[used]
    pairs, of = np.unique(sides, axis=0, return_inverse=True)
    regressions = []
    for p, pair in enumerate(pairs):
        own = used[of.ravel() == p]
        treated, control = np.split(pair, 2)
        if control @ counts <= X.shape[1]:
            raise DesignError(
                f"{int(control @ counts)} comparison units cannot carry {X.shape[1] - 1} covariates"
            )
        regressions.append(Regression(int(np.argmax(treated)), control, weights[own].T @ change[own]))
    return AdjustedMap(cohorts=cohorts, counts=counts, X=X, regressions=tuple(regressions))


def _orthogonal(covariates: np.ndarray, n: int) -> np.ndarray:
    Z = np.asarray(covariates, float)
    Z = Z[:, None] if Z.ndim == 1 else Z
    if Z.ndim != 2 or Z.shape[0] != n:
        raise DesignError(f"covariates must be ({n}, q), found {Z.shape}")
    if bad := int(np.sum(~np.isfinite(Z))):
        raise DesignError(f"{bad} covariates are not finite; leave those units out, counted")
    Z = Z[:, np.ptp(Z, axis=0) > 1e-12 * np.abs(Z).max(axis=0, initial=0.0)]
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    q, r = np.linalg.qr(np.column_stack([np.ones(n), Z]))
    if np.any(np.abs(np.diag(r)) <= 1e-9 * np.sqrt(n)):
        raise DesignError("covariates are collinear; leave one of them out")
    return q * np.sqrt(n)
