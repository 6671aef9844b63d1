"""Two-way fixed-effects event study: the difference from the comparison units at each time from entry.

Assumption: besides parallel trends, effects that are the same in every cohort; otherwise a coefficient of
one event time mixes in others (use Sun-Abraham, Callaway-Sant'Anna or imputation).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.fixed_effects import FixedEffectsFit, WaldTest, fixed_effects_fit, wald_test


@dataclass(frozen=True)
class EventStudy:
    """Coefficients per event time.

    Attributes
    ----------
    key : (k,) array
        Event times, increasing; the reference is left out.
    coef, se : (k,) arrays
    cov : (k, k) array
        Clustered, under the convention ``fit.ssc``.
    n_rows : (k,) integer array
        Rows at each event time.
    pretrend : WaldTest or None
        Joint test of the coefficients before 0, None where there are none.
    fit : FixedEffectsFit
    """

    key: np.ndarray
    coef: np.ndarray
    se: np.ndarray
    cov: np.ndarray
    n_rows: np.ndarray
    pretrend: WaldTest | None
    fit: FixedEffectsFit = field(repr=False)


def event_study(
    y: np.ndarray,
    *,
    event_time: np.ndarray,
    unit: np.ndarray,
    period: np.ndarray,
    reference: tuple[float, ...] = (-1.0,),
    weights: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
    ssc: str = "nonnested",
) -> EventStudy:
    """Event-study coefficients with absorbed unit and period effects.

    Parameters
    ----------
    y : (n,) array
        One row per unit and period; unbalanced panels are welcome.
    event_time : (n,) array
        Periods since entry; NaN or infinite for the never-treated. With one common start the calendar
        period itself serves (then give that period before the start as ``reference``).
    unit, period : (n,) label arrays
        Absorbed effects; ``period`` may be finer than time.
    reference : tuple of float
        Event times that are 0 by choice. Without never-treated units two are needed.
    weights, cluster, ssc : as in :func:`pluseval.numerics.fixed_effects.fixed_effects_fit`

    Returns
    -------
    EventStudy

    Raises
    ------
    DesignError
        A reference that does not occur, no treated unit, or too few references.

    References
    ----------
    Equals ``fixest::feols(y ~ i(rel, ref = -1) | unit + period)``.

    Examples
    --------
    >>> unit, period = np.repeat([1, 2, 3], 3), np.tile([1, 2, 3], 3)
    >>> since = np.where(unit == 3, period - 3.0, np.nan)
    >>> out = event_study(np.array([1, 2, 3, 2, 4, 4, 3, 5, 9.0]), event_time=since, unit=unit, period=period)
    >>> out.key.tolist(), out.coef.round(6).tolist()
    ([-2.0, 0.0], [-0.5, 3.5])
    """
    since = np.asarray(event_time, float)
    never = ~np.isfinite(since)
    if never.all():
        raise DesignError("no row has an event time, so there is no treated unit; check the entries")
    values = np.unique(since[~never])
    absent = [r for r in reference if r not in values]
    if absent or not reference:
        raise DesignError(
            f"reference event times {absent or '()'} do not occur; choose from {values.tolist()}"
        )
    if not never.any() and len(reference) < 2:
        raise DesignError(
            "without never-treated units event times, units and periods are collinear: "
            "give two reference event times"
        )
    key = values[~np.isin(values, reference)]
    if key.size == 0:
        raise DesignError("no event time is left besides the reference")
    columns = (since[:, None] == key).astype(float)
    made = fixed_effects_fit(y, columns, unit=unit, period=period, weights=weights, cluster=cluster, ssc=ssc)
    before = key < (
        0.0 if max(reference) < 0 else max(reference)
    )  # calendar periods: before the last reference
    pretrend = None
    if before.any() and before.sum() < made.n_clusters:
        pretrend = wald_test(made.coef[before], made.cov[np.ix_(before, before)], df=made.df)
    return EventStudy(
        key=key,
        coef=made.coef,
        se=made.se,
        cov=made.cov,
        n_rows=columns.sum(axis=0).astype(int),
        pretrend=pretrend,
        fit=made,
    )


def untreated_leads(
    y: np.ndarray,
    *,
    event_time: np.ndarray,
    unit: np.ndarray,
    period: np.ndarray,
    leads: tuple[float, ...],
    cluster: np.ndarray | None = None,
    ssc: str = "nonnested",
) -> EventStudy:
    """Test of parallel trends for the imputation estimator: leads fitted on untreated rows alone.

    Earlier periods and the never-treated are the reference. Since treated rows are not used, the test does
    not depend on the effects, and it is independent of the imputed effects under homoskedasticity.

    Parameters
    ----------
    y, event_time, unit, period, cluster, ssc : as in :func:`event_study`
        ``event_time`` NaN or infinite for the never-treated.
    leads : tuple of float
        Negative event times.

    Raises
    ------
    DesignError
        A lead that is not negative or does not occur, or leads that leave no reference.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), doi:10.1093/restud/rdae007, section 4.3. Equals the ``pretrends`` of
    ``didimputation::did_imputation``.

    Examples
    --------
    >>> unit, period = np.repeat([1, 2, 3], 3), np.tile([1, 2, 3], 3)
    >>> since = np.where(unit == 3, period - 3.0, np.nan)
    >>> y = np.array([1, 2, 3, 2, 4, 4, 3, 5, 9.0])
    >>> untreated_leads(y, event_time=since, unit=unit, period=period, leads=(-1,)).coef.round(6).tolist()
    [0.5]
    """
    since = np.asarray(event_time, float)
    key = np.array(sorted(leads), float)
    present = np.unique(since[np.isfinite(since)])
    if key.size == 0 or (key >= 0).any() or not np.isin(key, present).all():
        raise DesignError(f"leads must be negative event times that occur, found {list(leads)}")
    rows = ~np.isfinite(since) | (since < 0)
    since = since[rows]
    columns = (since[:, None] == key).astype(float)
    made = fixed_effects_fit(
        np.asarray(y, float)[rows],
        columns,
        unit=np.asarray(unit)[rows],
        period=np.asarray(period)[rows],
        cluster=None if cluster is None else np.asarray(cluster)[rows],
        ssc=ssc,
    )
    return EventStudy(
        key=key,
        coef=made.coef,
        se=made.se,
        cov=made.cov,
        n_rows=columns.sum(axis=0).astype(int),
        pretrend=wald_test(made.coef, made.cov, df=made.df),
        fit=made,
    )
