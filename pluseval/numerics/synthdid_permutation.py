"""Permutation test of synthetic difference in differences: entry dates are dealt out anew.

The sharp null hypothesis is that of :mod:`pluseval.numerics.staggered_permutation`. The weights are part of
the procedure, so every assignment seeks its own; a trial value other than 0 is taken off the treated first,
and all assignments are estimated again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.assign import assignments, require_attainable
from pluseval.numerics.invert import ALTERNATIVES, TIE, Interval
from pluseval.numerics.synthdid import METHODS, staggered_synthetic_did
from pluseval.numerics.synthdid_reassigned import reassigned_synthetic_did

STATISTICS = ("coefficient", "studentised")
_STEPS = 24  # trial values looked at on each side, a third of a spread apart
_HALVINGS = 3  # with all assignments; from there on with those that differ between the ends
_EXACT = 1e-8  # width, in steps, at which the search for an end stops


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
    _levels: np.ndarray = field(repr=False)
    _codes: np.ndarray = field(repr=False)  # (D + 1, N), the observed assignment first

    def p_value(self, null: float = 0.0, *, alternative: str = "two-sided") -> float:
        """The p-value of a constant additive effect ``null``; the observed assignment counts."""
        if alternative not in ALTERNATIVES:
            raise DesignError(f"an alternative is one of {', '.join(ALTERNATIVES)}, found {alternative!r}")
        return self._share(int(self._extreme(null, alternative).sum()))

    def conf_int(self, level: float = 0.95, *, tails: str = "symmetric") -> Interval:
        """Constant additive effects that the same test with the same draws does not reject, as their hull.

        A trial value other than 0 moves the weights of every assignment that takes observed treated units
        for controls, so that no draw is linear in it: on a grid of a third of a spread all assignments are
        estimated again, and close to an end those that still change.

        Parameters
        ----------
        level : float
        tails : {"symmetric", "equal"}
            The two-sided test, or two one-sided ones at half of 1 - level each.
        """
        if not 0 < level < 1:
            raise DesignError(f"a confidence level lies between 0 and 1, found {level}")
        if tails not in ("symmetric", "equal"):
            raise DesignError(f"tails is one of symmetric, equal, found {tails!r}")
        alpha = (1 - level) / (2 if tails == "equal" else 1)
        down, up = ("two-sided", "two-sided") if tails == "symmetric" else ("greater", "less")
        spread = float(self.effects.std()) or 1.0
        low, p_low, whole_low = self._end(-spread / 3, alpha, down)
        high, p_high, whole_high = self._end(spread / 3, alpha, up)
        return Interval(
            low=low,
            high=high,
            level=level,
            tails=tails,
            bounded=bool(np.isfinite([low, high]).all()),
            connected=whole_low and whole_high,
            p_low=p_low,
            p_high=p_high,
        )

    def _share(self, extreme: int) -> float:
        added = not self.exact
        return (extreme + added) / (self.effects.size + added)

    def _extreme(self, null: float, alternative: str, among: np.ndarray | None = None) -> np.ndarray:
        """Which draws (all, or those ``among``) are at least as extreme as observed."""
        start = self._levels[self._codes[0]]
        outcomes = self._y - null * (self._periods >= start[:, None])
        codes = self._codes if among is None else self._codes[np.concatenate([[0], among + 1])]
        statistic, errors = reassigned_synthetic_did(
            outcomes,
            codes=codes,
            cohorts=self._levels,
            periods=self._periods,
            method=self.method,
            jackknife=self.statistic_name == "studentised",
        )
        if self.statistic_name == "studentised":
            with np.errstate(divide="ignore", invalid="ignore"):
                statistic = np.where(errors > 0, statistic / errors, np.copysign(np.inf, statistic))
        observed, drawn = statistic[0], statistic[1:]
        if alternative == "two-sided":
            return np.abs(drawn) >= abs(observed) * (1 - TIE)
        sign = 1.0 if alternative == "greater" else -1.0
        return sign * drawn >= sign * observed - TIE * abs(observed)

    def _end(self, step: float, alpha: float, alternative: str) -> tuple[float, float, bool]:
        """The outermost value that is not rejected, its p, and whether none within was."""
        alpha = alpha * (1 + TIE)
        within, without, rejected_before = self.estimate, np.nan, 0
        near, far = np.ones(self.effects.size, bool), np.zeros(0, bool)
        whole = True
        for k in range(1, _STEPS + 1):
            value = self.estimate + k * step
            extreme = self._extreme(value, alternative)
            if self._share(int(extreme.sum())) > alpha:
                whole = whole and rejected_before == 0
                within, near, without, rejected_before = value, extreme, np.nan, 0
            else:
                if rejected_before == 0:
                    without, far = value, extreme
                rejected_before += 1
                if rejected_before == 3:
                    break
        if rejected_before == 0:
            return float(np.sign(step) * np.inf), np.nan, whole
        for _ in range(_HALVINGS):
            middle = (within + without) / 2
            extreme = self._extreme(middle, alternative)
            if self._share(int(extreme.sum())) > alpha:
                within, near = middle, extreme
            else:
                without, far = middle, extreme
        moving, fixed = np.flatnonzero(near != far), int((near & far).sum())
        inner, outer = within, without
        while abs(outer - inner) > _EXACT * abs(step):
            middle = (inner + outer) / 2
            count = fixed + int(self._extreme(middle, alternative, moving).sum())
            inner, outer = (middle, outer) if self._share(count) > alpha else (inner, middle)
        p = self._share(int(self._extreme(inner, alternative).sum()))
        if p > alpha:
            return float(inner), p, whole
        return (
            float(within),
            self._share(int(near.sum())),
            whole,
        )  # a draw moved twice: the nearer value holds


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
    codes = np.concatenate([made.observed[None], *made.blocks()])
    effects, _ = reassigned_synthetic_did(
        y, codes=codes[1:], cohorts=made.levels, periods=periods, method=method
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
        _levels=made.levels,
        _codes=codes,
    )
