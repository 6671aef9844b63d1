"""Staggered effects under thousands of reassigned entry dates, without fitting anything again.

Given who enters when, a Callaway-Sant'Anna or imputation average is a linear map of the outcomes whose
coefficients depend on the number of units per cohort only. A permutation test keeps those numbers, so that
per draw nothing is left but to add up each cohort's rows: estimates and variances of all draws are a few
matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.imputation import first_stage
from pluseval.numerics.products import tall_product
from pluseval.numerics.staggered import att_cells
from pluseval.numerics.staggered_average import aggregation_weights


@dataclass(frozen=True)
class StaggeredMap:
    """A staggered effect as a linear map of the outcomes, given the number of units per cohort.

    Attributes
    ----------
    cohorts, counts : (C,) arrays
        Entry of each cohort, the never-treated last, and its number of units.
    rows : (C, T) array
        Coefficients of the outcomes of a unit of each cohort; the effect is the sum over units.
    centre : (C T, C) array
        What each cohort's sums take from every unit's part before it is squared for the variance.
    """

    cohorts: np.ndarray
    counts: np.ndarray
    rows: np.ndarray = field(repr=False)
    centre: np.ndarray = field(repr=False)

    def estimates(self, codes: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
        """The effect on ``outcomes`` (N, T) where ``codes`` (D, N) say each unit's cohort, (D,)."""
        return self.forms(codes, (outcomes,))[0][0]

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
            Multiply each cohort's sum of squares by n / (n - 1), which for one cohort and two periods is
            Welch's variance; a cohort of one unit adds nothing either way.

        Returns
        -------
        effects : list of (D,) arrays
        forms : {(i, j): (D,) array}
            For i <= j; ``forms[i, i]`` is the variance of effect i.
        """
        draws, size, length = codes.shape[0], self.counts.size, self.rows.shape[1]
        pairs = [(i, j) for i in range(len(outcomes)) for j in range(i, len(outcomes))]
        linear = np.zeros((len(outcomes), draws, size))
        square = np.zeros((len(pairs), draws, size))
        course = np.zeros((len(outcomes), draws, size, length))
        for c in range(size):
            parts = [y @ self.rows[c] for y in outcomes]
            columns = np.column_stack([*parts, *(parts[i] * parts[j] for i, j in pairs), *outcomes])
            sums = tall_product((codes == c).astype(float), columns)
            linear[:, :, c] = sums[:, : len(outcomes)].T
            square[:, :, c] = sums[:, len(outcomes) : len(outcomes) + len(pairs)].T
            course[:, :, c] = sums[:, len(outcomes) + len(pairs) :].reshape(draws, -1, length).swapaxes(0, 1)
        taken = [tall_product(block.reshape(draws, -1), self.centre) for block in course]
        n = self.counts.astype(float)
        inflate = np.where(n > 1, n / np.maximum(n - 1, 1), 1.0) if small_sample else np.ones(size)
        forms = {}
        for (i, j), products in zip(pairs, square, strict=True):
            about = products - taken[i] * linear[j] - taken[j] * linear[i] + n * taken[i] * taken[j]
            forms[i, j] = about @ inflate
        return [part.sum(axis=1) for part in linear], forms


@dataclass(frozen=True)
class ReassignedAtt:
    """The overall effect under each assignment of entries.

    Attributes
    ----------
    estimate, se : (D,) arrays
        In the units of ``y``.
    statistic : (D,) array
        ``estimate / se``.
    """

    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray


def callaway_santanna_map(
    entry: np.ndarray,
    *,
    periods: np.ndarray,
    comparison: str = "not_yet_treated",
    anticipation: float = 0,
    kind: str = "simple",
    key: float | None = None,
    transition: float = 0,
) -> StaggeredMap:
    """The overall Callaway-Sant'Anna effect as a linear map, for the counts of entries in ``entry``.

    Parameters
    ----------
    entry : (N,) array
        0, infinity, NaN or later than the last period for never treated.
    periods, comparison, anticipation : as in :func:`pluseval.numerics.staggered.group_time_att`
    kind, transition : as in :func:`pluseval.numerics.staggered_average.aggregate_att`
    key : float, optional
        One event time, cohort or period of ``kind`` instead of its overall figure.

    Raises
    ------
    DesignError
        A key that ``kind`` does not have, no never-treated or no treated unit, or units treated from the
        start.

    Examples
    --------
    >>> made = callaway_santanna_map(np.array([0, 0, 2]), periods=np.array([1.0, 2.0]))
    >>> made.rows.tolist()
    [[-1.0, 1.0], [0.5, -0.5]]
    """
    start, periods = cohort_starts(entry, periods)
    cohorts, counts = _cohorts(start)
    treated = cohorts[:-1]
    cells = att_cells(treated, periods=periods, comparison=comparison, anticipation=anticipation)
    shares = counts[:-1] / counts.sum()
    keys, each, gradients, (theta, gradient) = aggregation_weights(
        cells.group, cells.period, cohorts=treated, shares=shares, kind=kind, transition=transition
    )
    if key is not None:
        if key not in keys:
            raise DesignError(f"kind={kind!r} has no key {key}; choose from {keys.tolist()}")
        position = int(np.flatnonzero(keys == key)[0])
        theta, gradient = each[:, position], gradients[position]
    n_cells = theta.size
    change = np.zeros((n_cells, periods.size))
    change[np.arange(n_cells), cells.period_at] += 1
    change[np.arange(n_cells), cells.base_at] -= 1
    per_treated = (
        cells.treated / (cells.treated @ counts)[:, None]
    ).T  # (C, K): one over the units of that side
    per_control = (cells.control / np.maximum(cells.control @ counts, 1)[:, None]).T
    own = np.vstack([gradient.T, np.zeros(n_cells)])  # the never-treated have no share among the treated
    share_move = (own - gradient @ shares) / counts.sum()

    def side_mean(per_unit: np.ndarray) -> np.ndarray:
        return np.einsum("ck,kt->ctk", per_unit, change).reshape(-1, n_cells)

    treated_mean, control_mean = side_mean(per_treated), side_mean(per_control)  # (C T, K)
    centre = treated_mean @ (per_treated * theta).T - control_mean @ (per_control * theta).T
    return StaggeredMap(
        cohorts=cohorts,
        counts=counts,
        rows=((per_treated - per_control) * theta) @ change,
        centre=centre - (treated_mean - control_mean) @ share_move.T,
    )


def imputation_map(entry: np.ndarray, *, periods: np.ndarray, transition: float = 0) -> StaggeredMap:
    """The overall imputation effect as a linear map; arguments as :func:`callaway_santanna_map`.

    Examples
    --------
    >>> made = imputation_map(np.array([0, 0, 2]), periods=np.array([1.0, 2.0]))
    >>> made.rows.round(6).tolist()
    [[-1.0, 1.0], [0.5, -0.5]]
    """
    start, periods = cohort_starts(entry, periods)
    cohorts, counts = _cohorts(start)
    since = periods - cohorts[:, None]  # (C, T)
    after, counted = since >= 0, since >= transition
    if after.all(axis=1).any():
        raise DesignError("a cohort has no period before entry; leave its units out")
    if not counted.any():
        raise DesignError("no effect after entry can be estimated, so there is nothing to average")
    # fitted on cohort means, the effects are those of all units: one row per cohort stands for its units
    size, length = after.shape
    multiplicity = counts.astype(float)
    blank = first_stage(np.zeros(after.shape), ~after, multiplicity)
    weight = np.where(counted, counts[:, None], 0.0) / (counted.sum(axis=1) @ counts)
    per_unit = (weight + blank.cell_weights(weight)) / counts[:, None]
    # a unit's part is squared about what its cohort's mean course (treated) and the fitted effects
    # (untreated) would
    # give; its own unit effect drops out because its coefficients sum to 0
    centre = np.empty((size * length, size))
    for position in range(size * length):
        means = np.zeros(after.shape)
        means.flat[position] = 1 / counts[position // length]
        expected = np.where(after, means, first_stage(means, ~after, multiplicity).prediction)
        centre[position] = (per_unit * expected).sum(axis=1)
    return StaggeredMap(cohorts=cohorts, counts=counts, rows=per_unit, centre=centre)


def reassigned_att(
    y: np.ndarray, *, entries: np.ndarray, effect: StaggeredMap, small_sample: bool = True
) -> ReassignedAtt:
    """The overall effect under every row of ``entries``.

    Parameters
    ----------
    y : (N, T) array
        Complete: one row per unit, one column per period.
    entries : (D, N) array
        Assignments with the same number of units per entry date in every row, written as in ``effect``'s
        making.
    effect : StaggeredMap
        :func:`callaway_santanna_map` or :func:`imputation_map`.
    small_sample : bool
        As in :meth:`StaggeredMap.forms`; without it the standard error is that of ``did::aggte`` or
        ``didimputation``.

    Raises
    ------
    DesignError
        Missing values, shapes that do not agree, or counts that differ between rows.

    Examples
    --------
    >>> y = np.array([[1.0, 2, 3], [2.0, 3, 5], [1.0, 4, 5], [2.0, 5, 8]])
    >>> entries = np.array([[0, 0, 2, 2], [2, 2, 0, 0]])
    >>> effect = callaway_santanna_map(entries[0], periods=np.array([1, 2, 3]))
    >>> reassigned_att(y, entries=entries, effect=effect).estimate.tolist()
    [2.25, -2.25]
    """
    y, start = np.asarray(y, float), np.array(entries, float)
    if y.ndim != 2 or start.ndim != 2 or start.shape[1] != y.shape[0] or y.shape[1] != effect.rows.shape[1]:
        raise DesignError(
            f"shapes do not agree: y {y.shape}, entries {start.shape}, periods {effect.rows.shape[1:]}"
        )
    if not np.isfinite(y).all():
        raise DesignError(f"{int((~np.isfinite(y)).sum())} unit-periods are missing; keep complete units")
    start[~np.isin(start, effect.cohorts[:-1])] = np.inf
    codes = np.searchsorted(effect.cohorts, start)
    held = np.stack([(codes == c).sum(axis=1) for c in range(effect.counts.size)], axis=1)
    if (held != effect.counts).any():
        raise DesignError(
            "every assignment must have the same number of units per entry date as the effect was made for"
        )
    estimates, forms = effect.forms(codes, (y,), small_sample=small_sample)
    rounding = np.abs(y).max() ** 2 * np.finfo(float).eps  # a variance below it is not spread
    se = np.sqrt(np.where(forms[0, 0] > rounding, forms[0, 0], 0.0))
    estimate = estimates[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0, estimate / se, np.where(estimate == 0, 0.0, np.sign(estimate) * np.inf))
    return ReassignedAtt(estimate=estimate, se=se, statistic=statistic)


def cohort_starts(entry: np.ndarray, periods: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Entries with infinity for never treated, and the periods checked."""
    start, periods = np.array(entry, float), np.asarray(periods, float)
    if start.ndim != 1 or periods.ndim != 1 or periods.size < 2 or not (np.diff(periods) > 0).all():
        raise DesignError("entry must be (N,), and periods two or more that increase")
    start[~np.isfinite(start) | (start == 0) | (start > periods[-1])] = np.inf
    return start, periods


def _cohorts(start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cohorts, counts = np.unique(start, return_counts=True)
    if not np.isinf(cohorts[-1]) or cohorts.size < 2:
        raise DesignError("reassigning entries needs never-treated and treated units")
    return cohorts, counts
