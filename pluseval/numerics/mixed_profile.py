"""Likelihood comparisons of linear mixed models: likelihood-ratio tests, profile intervals.

Both refit the model with something held: the interval is the set of values that a likelihood-ratio test at
the same level does not reject. They use maximum likelihood (chi-square with one degree of freedom), which
is too narrow with few practices; Kenward-Roger is the small-sample procedure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from pluseval.errors import DesignError
from pluseval.numerics.mixed import LinearMixedModel, fit_ratios
from pluseval.numerics.mixed_likelihood import criterion, pieces


@dataclass(frozen=True)
class LikelihoodRatioTest:
    """``statistic`` is the fall in -2 log L; ``mixture`` says that p is half of the tail (a variance)."""

    statistic: float
    df: int
    mixture: bool
    p_value: float


def likelihood_ratio_test(full: LinearMixedModel, reduced: LinearMixedModel) -> LikelihoodRatioTest:
    """Compare nested models of the same rows.

    For coefficients both fits are by maximum likelihood and p is the tail of chi-square. For one random
    intercept (same coefficients; ML or REML) the null value lies on the boundary, and p is half of that
    tail.

    Raises
    ------
    DesignError
        Models of other rows, not nested, or that differ in more than one random intercept or in both parts.

    References
    ----------
    Self and Liang (1987), doi:10.2307/2289471, for the boundary. Coefficients: equals ``anova(m1, m0)`` of
    lme4.
    """
    if full.n_rows != reduced.n_rows or full.reml != reduced.reml:
        raise DesignError(
            "both models must use the same rows and the same method (ML or REML); refit one of them"
        )
    df = full.n_parameters - reduced.n_parameters
    lost = set(full.effects) - set(reduced.effects)
    same_effects = full.effects == reduced.effects
    same_columns = full.coefficients.size == reduced.coefficients.size
    if df <= 0 or set(reduced.effects) - set(full.effects) or same_effects == same_columns or len(lost) > 1:
        raise DesignError(
            "a likelihood-ratio test needs a reduced model that leaves out columns of X, "
            "or one random intercept, "
            "and nothing else; compare in two steps"
        )
    if same_effects and full.reml:
        raise DesignError(
            "REML criteria of models with other columns cannot be compared; fit both with reml=False"
        )
    statistic = max(reduced.criterion - full.criterion, 0.0)
    tail = float(stats.chi2.sf(statistic, df))
    return LikelihoodRatioTest(statistic, df, not same_effects, tail if same_effects else tail / 2.0)


def profile_interval(
    model: LinearMixedModel, *, coefficient: int | None = None, effect: str | None = None, level: float = 0.95
) -> tuple[float, float]:
    """Profile likelihood interval of one coefficient, or of one effect's standard deviation.

    Parameters
    ----------
    coefficient : int, optional
        Column of X.
    effect : str, optional
        One of the model's effects, or ``"residual"``; the interval is of its standard deviation, in units
        of y, and its lower end is 0 where zero is not rejected. Give this or ``coefficient``.
    level : float
        Confidence level.

    Returns
    -------
    (float, float)
        Ends by maximum likelihood, also for a model fitted by REML (as lme4 does).

    References
    ----------
    Equals ``lme4::confint(method = "profile")`` up to that function's interpolation.
    """
    if (coefficient is None) == (effect is None):
        raise DesignError("name one of coefficient (a column of X) and effect")
    if not 0.0 < level < 1.0:
        raise DesignError(f"level must lie between 0 and 1, found {level}")
    ratios, best = fit_ratios(model.sums, effects=model.effects, reml=False)
    cut = best.value + stats.chi2.ppf(level, 1)
    if coefficient is not None:
        if not 0 <= coefficient < model.coefficients.size:
            raise DesignError(f"coefficient {coefficient} is not one of {model.coefficients.size} columns")
        back = np.linalg.inv(model.sums.basis)
        centre = float(model.sums.ols[coefficient] + back[coefficient] @ best.coefficients)
        width = float(np.sqrt(best.sigma2 * back[coefficient] @ best.unscaled @ back[coefficient]))
        held = _held_coefficient(model, coefficient)
        return (
            _cross(held, centre, centre - 2.0 * width, cut),
            _cross(held, centre, centre + 2.0 * width, cut),
        )
    names = ("residual", *model.effects)
    if effect not in names:
        raise DesignError(f"effect {effect!r} is not in the model; it has {', '.join(names)}")
    variances = best.sigma2 * np.append(1.0, ratios)
    place = names.index(effect)
    held = _held_deviation(model, place, variances)
    centre = float(np.sqrt(variances[place]))
    step = 0.5 * (centre if centre > 0.0 else float(np.sqrt(best.sigma2)))
    if place > 0 and (centre == 0.0 or held(0.0) <= cut):
        low = 0.0
    else:
        low = _cross(held, centre, centre - step, cut, floor=0.0)
    return low, _cross(held, centre, centre + step, cut)


def _cross(
    held: Callable[[float], float], centre: float, first: float, cut: float, *, floor: float = -np.inf
) -> float:
    """Where the profile rises through ``cut``, looking outwards from ``centre``."""
    inner, outer = centre, first
    for _ in range(60):
        if held(outer) > cut:
            return float(
                optimize.brentq(lambda v: held(v) - cut, inner, outer, xtol=1e-9 * abs(first - centre))
            )
        inner, outer = outer, outer + (outer - centre)
        if outer <= floor:
            outer = (inner + floor) / 2.0
    raise DesignError("the profile likelihood does not fall; the parameter is not identified by these data")


def _held_coefficient(model: LinearMixedModel, place: int) -> Callable[[float], float]:
    """-2 log L with one coefficient held, the rest at their best."""
    sums = model.sums
    others = np.delete(sums.basis, place, axis=1)
    basis = np.linalg.qr(others)[0] if others.size else others
    k = sums.n_columns

    def held(value: float) -> float:
        columns = np.zeros((k + 1, k))
        columns[:k, :-1] = basis
        columns[:k, -1] = sums.basis[:, place] * (sums.ols[place] - value)
        columns[k, -1] = 1.0
        return fit_ratios(sums.combine(columns), effects=model.effects, reml=False)[1].value

    return held


def _held_deviation(model: LinearMixedModel, place: int, start: np.ndarray) -> Callable[[float], float]:
    """-2 log L with one standard deviation held, the other variances and the coefficients at their best."""
    unit = start[0]
    free = np.arange(start.size) != place

    def held(value: float) -> float:
        def at(moved: np.ndarray) -> tuple[float, np.ndarray]:
            variances = np.empty(start.size)
            variances[free], variances[place] = moved * unit, value**2
            found = criterion(
                pieces(model.sums, variances[1:] / variances[0], effects=model.effects),
                n_rows=model.n_rows,
                reml=False,
                sigma2=variances[0],
            )
            return found.value, found.gradient[free] * unit / variances[0]

        low = np.where(np.flatnonzero(free) == 0, 1e-6, 0.0)
        first = np.maximum(start[free] / unit, np.maximum(low, 0.01))
        return float(
            optimize.minimize(
                at,
                first,
                jac=True,
                method="L-BFGS-B",
                bounds=[(b, None) for b in low],
                options={"ftol": 1e-14, "gtol": 1e-8},
            ).fun
        )

    return held
