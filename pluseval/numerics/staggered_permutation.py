"""Permutation test of a staggered effect: entry dates are dealt out anew, with their counts fixed.

The sharp null hypothesis: no unit's outcomes would have been different had it entered at another unit's
date (of its stratum), apart from the constant effect that is tested. Nobody was randomised: that units
could have changed places is an assumption, and strata (list-size tertiles, region) make it weaker.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.assign import assignments, require_attainable
from pluseval.numerics.invert import Resampling
from pluseval.numerics.permute import PermutationTest
from pluseval.numerics.reassignment import (
    StaggeredMap,
    callaway_santanna_map,
    cohort_starts,
    imputation_map,
)
from pluseval.numerics.reassignment_adjusted import AdjustedMap, adjusted_callaway_santanna_map

ESTIMATORS = ("callaway_santanna", "imputation")
STATISTICS = ("studentised", "coefficient")


def staggered_permutation_test(
    y: np.ndarray,
    *,
    entry: np.ndarray,
    periods: np.ndarray,
    seed: int,
    estimator: str = "callaway_santanna",
    comparison: str = "not_yet_treated",
    anticipation: float = 0,
    kind: str = "simple",
    key: float | None = None,
    transition: float = 0,
    dose: np.ndarray | None = None,
    covariates: np.ndarray | None = None,
    statistic: str = "studentised",
    strata: np.ndarray | None = None,
    draws: int = 9_999,
    alpha: float = 0.05,
) -> PermutationTest:
    """Test the overall staggered effect by reassigning entry dates; its interval inverts the same test.

    Parameters
    ----------
    y : (N, T) array
        Complete panel, one row per unit (practice).
    entry : (N,) array
        First treated period; 0, infinity, NaN or later than the last for never treated. Units treated from
        the first period on are left out beforehand.
    periods : (T,) array
    seed : int
    estimator : {"callaway_santanna", "imputation"}
    comparison, anticipation, kind, key : as for Callaway and Sant'Anna; see
        :func:`pluseval.numerics.reassignment.callaway_santanna_map`
    transition : float
        Length of time from entry that is left out of the average (a first year treated in part).
    dose : (N, T) array, optional
        Share of the constant effect present in each unit-period, for the interval; by default 1 from entry
        on. Only left-out periods may have other shares, such as a half in a transition year.
    covariates : (N,) or (N, q) array, optional
        Taken out of the changes by outcome regression on the comparison units, in every draw anew
        (``callaway_santanna``); see :mod:`pluseval.numerics.reassignment_adjusted`.
    statistic : {"studentised", "coefficient"}
        Over its standard error (each cohort's variance by itself), or the bare effect, which is sensitive
        to variances that differ; for comparison only.
    strata : (N,) array, optional
        Entries change places only within a stratum.
    draws : int
        All assignments are used where there are at most ``draws``; otherwise as many are sampled and the
        observed one is counted besides.
    alpha : float
        The test is refused where no data could give a p-value as small as this.

    Returns
    -------
    PermutationTest

    Raises
    ------
    DesignError
        Missing values, no never-treated unit, too few assignments, no variation, a dose other than 1 in a
        period that counts, or covariates with imputation.

    References
    ----------
    Roth and Sant'Anna (2023), Journal of Political Economy Microeconomics 1(4), 669-709,
    doi:10.1086/726581; Chung and Romano (2013), doi:10.1214/13-AOS1090.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> entry = np.repeat([0, 3, 4], [12, 4, 4])
    >>> y = rng.normal(size=(20, 5)) + 5 * ((entry > 0)[:, None] & (np.arange(1, 6) >= entry[:, None]))
    >>> made = staggered_permutation_test(y, entry=entry, periods=np.arange(1, 6), draws=999, seed=1)
    >>> made.p_value() <= 0.002, 4 < made.conf_int().low < 5 < made.conf_int().high < 7
    (True, True)
    """
    if estimator not in ESTIMATORS or statistic not in STATISTICS:
        raise DesignError(
            f"estimator={estimator!r}, statistic={statistic!r}: use one of {ESTIMATORS} and of {STATISTICS}"
        )
    y = np.asarray(y, float)
    start, periods = cohort_starts(entry, periods)
    if y.shape != (start.size, periods.size):
        raise DesignError(f"shapes do not agree: y {y.shape}, entry {start.shape}, periods {periods.shape}")
    if not np.isfinite(y).all():
        raise DesignError(f"{int((~np.isfinite(y)).sum())} unit-periods are missing; keep complete units")
    effect: StaggeredMap | AdjustedMap
    if estimator == "imputation":
        if covariates is not None:
            raise DesignError("imputation takes no covariates; use strata, or estimator='callaway_santanna'")
        if kind != "simple" or key is not None or anticipation != 0:
            raise DesignError(
                "kind, key and anticipation belong to estimator='callaway_santanna'; leave them out"
            )
        effect = imputation_map(start, periods=periods, transition=transition)
    else:
        how: dict[str, Any] = {
            "periods": periods, "comparison": comparison, "anticipation": anticipation, "kind": kind,
            "key": key, "transition": transition,
        }  # fmt: skip
        if covariates is None:
            effect = callaway_santanna_map(start, **how)
        else:
            effect = adjusted_callaway_santanna_map(start, covariates=covariates, **how)
    if kind == "dynamic" and key is not None and key < transition:
        raise DesignError(f"event time {key} is before any effect that counts; test leads by untreated_leads")
    exposed = (periods >= start[:, None]).astype(float) if dose is None else np.asarray(dose, float)
    if exposed.shape != y.shape or not np.isfinite(exposed).all():
        raise DesignError(f"dose must be {y.shape} finite shares, found {exposed.shape}")
    made = assignments(start, strata=strata, draws=draws, seed=seed)
    require_attainable(made, alpha)
    centred = y - y.mean(axis=0)
    centred -= centred.mean(
        axis=1, keepdims=True
    )  # neither moves the effect; sums of squares keep their digits
    (estimate, unit), observed = effect.forms(made.observed[None], (centred, exposed))
    if abs(unit[0] - 1) > 1e-8 or observed[1, 1][0] > 1e-8:
        raise DesignError(
            "dose must be 1 in every treated period that counts and 0 in every untreated "
            "one; leave other periods out by "
            "transition"
        )
    variance = float(observed[0, 0][0])
    if variance <= 1e-20 * max(float((centred**2).max()), 1e-300):
        raise DesignError("changes do not vary within the cohorts, so that there is nothing to test with")
    plain = statistic == "coefficient"
    parts = []
    for codes in made.blocks():
        (n0, n1), forms = effect.forms(codes, (centred, exposed))
        parts.append((n0, -n1, np.maximum(forms[0, 0], 0.0), -forms[0, 1], np.maximum(forms[1, 1], 0.0)))
    n0, n1, d0, d1, d2 = (np.concatenate(part) for part in zip(*parts, strict=True))
    resampling = Resampling(
        estimate=float(estimate[0]),
        variance=1.0 if plain else variance,
        n0=n0,
        n1=n1,
        d0=np.ones_like(d0) if plain else d0,
        d1=np.zeros_like(d1) if plain else d1,
        d2=np.zeros_like(d2) if plain else d2,
        added=not made.exact,
    )
    never = int(effect.counts[-1])
    return PermutationTest(
        estimate=float(estimate[0]),
        std_error=float(np.sqrt(variance)),
        statistic_name=statistic,
        n_treated=int(start.size - never),
        n_comparison=never,
        n_possible=made.n_possible,
        exact=made.exact,
        resampling=resampling,
    )
