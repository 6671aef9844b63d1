"""Permutation test of synthetic difference in differences: entry dates are dealt out anew.

The sharp null hypothesis is that of :mod:`pluseval.numerics.staggered_permutation`. The weights are part of
the procedure, so every assignment seeks its own; a trial value other than 0 is taken off the treated first,
and all assignments are estimated again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.assign import Assignments, assignments, require_attainable
from pluseval.numerics.invert import TIE, Interval
from pluseval.numerics.synthdid import METHODS, StaggeredSyntheticDid, staggered_synthetic_did
from pluseval.numerics.synthdid_resampling import leave_one_out_effects

STATISTICS = ("coefficient", "studentised")
_STEPS = 24  # trial values looked at on each side, a third of a spread apart
_HALVINGS = 8


@dataclass(frozen=True)
class SyntheticDidPermutation:
    """A permutation test of synthetic difference in differences.

    Attributes
    ----------
    estimate : float
    effects : (D,) array
        The estimate under each assignment, without any effect taken off.
    n_possible : int
        Number of different assignments; ``exact`` says whether all were used.
    exact : bool
    statistic_name, method : str
    """

    estimate: float
    effects: np.ndarray
    n_possible: int
    exact: bool
    statistic_name: str
    method: str
    _y: np.ndarray = field(repr=False)
    _periods: np.ndarray = field(repr=False)
    _made: Assignments = field(repr=False)

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided p of a constant additive effect ``null``; the observed assignment counts."""
        observed, drawn = self._statistics(null)
        extreme = int((np.abs(drawn) >= abs(observed) * (1 - TIE)).sum())
        added = not self.exact
        return (extreme + added) / (drawn.size + added)

    def conf_int(self, level: float = 0.95) -> Interval:
        """Constant additive effects that the same test with the same draws does not reject, as their hull.

        Every trial value estimates all assignments again: with 999 of 70 practices about a second each,
        some forty of them.
        """
        if not 0 < level < 1:
            raise DesignError(f"a confidence level lies between 0 and 1, found {level}")
        spread = float(self.effects.std()) or 1.0
        low, p_low, whole_low = self._end(-spread / 3, 1 - level)
        high, p_high, whole_high = self._end(spread / 3, 1 - level)
        return Interval(
            low=low,
            high=high,
            level=level,
            tails="symmetric",
            bounded=bool(np.isfinite([low, high]).all()),
            connected=whole_low and whole_high,
            p_low=p_low,
            p_high=p_high,
        )

    def _end(self, step: float, alpha: float) -> tuple[float, float, bool]:
        """The outermost value that is not rejected, its p, and whether none within was."""
        within, p_within, without, rejected_before = self.estimate, 1.0, np.nan, 0
        whole = True
        for k in range(1, _STEPS + 1):
            value = self.estimate + k * step
            p = self.p_value(value)
            if p > alpha * (1 + TIE):
                whole = whole and rejected_before == 0
                within, p_within, without, rejected_before = value, p, np.nan, 0
            else:
                without = value if rejected_before == 0 else without
                rejected_before += 1
                if rejected_before == 3:
                    break
        if rejected_before == 0:
            return float(np.sign(step) * np.inf), np.nan, whole
        for _ in range(_HALVINGS):
            middle = (within + without) / 2
            p = self.p_value(middle)
            if p > alpha * (1 + TIE):
                within, p_within = middle, p
            else:
                without = middle
        return float(within), p_within, whole

    def _statistics(self, null: float) -> tuple[float, np.ndarray]:
        start = self._made.levels[self._made.observed]
        outcomes = self._y - null * (self._periods >= start[:, None])
        observed = self._statistic(outcomes, start)
        if null == 0.0 and self.statistic_name == "coefficient":
            return observed, self.effects
        return observed, np.array(
            [
                self._statistic(outcomes, self._made.levels[codes])
                for block in self._made.blocks()
                for codes in block
            ]
        )

    def _statistic(self, outcomes: np.ndarray, start: np.ndarray) -> float:
        made = staggered_synthetic_did(outcomes, entry=start, periods=self._periods, method=self.method)
        if self.statistic_name == "coefficient":
            return made.estimate
        error = _jackknife(outcomes, start, made)
        return made.estimate / error if error > 0 else float(np.copysign(np.inf, made.estimate))


def synthetic_did_permutation(
    y: np.ndarray,
    *,
    entry: np.ndarray,
    periods: np.ndarray,
    seed: int,
    method: str = "sdid",
    statistic: str = "coefficient",
    strata: np.ndarray | None = None,
    draws: int = 999,
    alpha: float = 0.05,
) -> SyntheticDidPermutation:
    """Test a synthetic difference in differences, also staggered, by reassigning entry dates.

    Parameters
    ----------
    y : (N, T) array
        Complete panel, one row per unit.
    entry : (N,) array
        First treated period in the values of ``periods``; 0, infinity or NaN for never treated.
    periods : (T,) array
    seed : int
    method : {"sdid", "sc", "did"}
    statistic : {"coefficient", "studentised"}
        The bare effect, or over its jackknife error with the weights held (two or more units per cohort).
    strata : (N,) array, optional
        Entries change places only within a stratum.
    draws : int
        All assignments are used where there are at most ``draws``; otherwise as many are sampled and the
        observed one is counted besides.
    alpha : float
        The test is refused where no data could give a p-value as small as this.

    Returns
    -------
    SyntheticDidPermutation

    Raises
    ------
    DesignError
        As :func:`pluseval.numerics.synthdid.staggered_synthetic_did`, too few assignments, or a cohort of
        one unit with the studentised statistic.

    References
    ----------
    Arkhangelsky et al. (2021), doi:10.1257/aer.20190159; Abadie, Diamond and Hainmueller (2010),
    doi:10.1198/jasa.2009.ap08746.

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> entry = np.repeat([0, 4], [18, 3])
    >>> y = rng.normal(size=(21, 6)) + 6 * ((entry > 0)[:, None] & (np.arange(1, 7) >= entry[:, None]))
    >>> synthetic_did_permutation(y, entry=entry, periods=np.arange(1, 7), draws=99, seed=1).p_value()
    0.01
    """
    if statistic not in STATISTICS or method not in METHODS:
        raise DesignError(
            f"statistic={statistic!r}, method={method!r}: use one of {STATISTICS} and one of {METHODS}"
        )
    y, start, periods = np.array(y, float), np.array(entry, float), np.array(periods, float)
    real = staggered_synthetic_did(y, entry=start, periods=periods, method=method)
    start[~np.isfinite(start) | (start == 0) | (start > periods.max())] = np.inf
    if statistic == "studentised" and min(part.n_treated for part in real.parts) < 2:
        raise DesignError("a cohort of one unit has no error to studentise with; use statistic='coefficient'")
    made = assignments(start, strata=strata, draws=draws, seed=seed)
    require_attainable(made, alpha)
    effects = np.array(
        [
            staggered_synthetic_did(y, entry=made.levels[codes], periods=periods, method=method).estimate
            for block in made.blocks()
            for codes in block
        ]
    )
    return SyntheticDidPermutation(
        estimate=real.estimate,
        effects=effects,
        n_possible=made.n_possible,
        exact=made.exact,
        statistic_name=statistic,
        method=method,
        _y=y,
        _periods=periods,
        _made=made,
    )


def _jackknife(y: np.ndarray, start: np.ndarray, made: StaggeredSyntheticDid) -> float:
    """Jackknife error of the staggered effect: a control is left out of every cohort's comparison."""
    never = y[np.isinf(start)]
    controls, treated = np.zeros(never.shape[0]), []
    for cohort, weight, part in zip(made.cohorts, made.weights, made.parts, strict=True):
        without_control, without_treated = leave_one_out_effects(
            np.concatenate([never, y[start == cohort]]), part
        )
        controls += weight * without_control
        treated.append(made.estimate + weight * (without_treated - part.estimate))
    effects = np.concatenate([controls, *treated])
    effects = effects[np.isfinite(effects)]
    return float(np.sqrt((effects.size - 1) ** 2 / effects.size * effects.var(ddof=1)))
