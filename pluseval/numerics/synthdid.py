"""Synthetic difference in differences: a treated block against weighted controls and weighted periods.

Rows are units (controls first), columns are periods (before first). Difference in differences weighs every
control and every earlier period alike; synthetic control chooses controls that copy the treated level;
synthetic difference in differences chooses controls that copy the treated course up to a constant, and
earlier periods that resemble the later ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.simplex import frank_wolfe, simplex_least_squares

METHODS = ("sdid", "sc", "did")
_FIRST_SEARCH, _SECOND_SEARCH = 100, 10_000  # R's iterations before and after it drops small weights


@dataclass(frozen=True)
class SyntheticDid:
    """A synthetic difference-in-differences estimate and what it is made of.

    Attributes
    ----------
    estimate : float
        Average effect on the treated units over the later periods, in the units of ``y``.
    effects : (T - T0,) array
        The effect in each later period; their mean is ``estimate``.
    gap : (T,) array
        Treated mean minus synthetic control in every period, minus its weighted mean before the start (0
        for ``sc``).
    omega, lambda_ : (N0,), (T0,) arrays
        Weights of controls and of earlier periods (``lambda_`` is 0 for ``sc``).
    zeta_omega, zeta_lambda, noise_level : float
        Regularisation, and the standard deviation of one-period changes among controls that scales it.
    n_control, n_treated, n_pre, n_post : int
    method : str
        ``sdid``, ``sc`` or ``did``.
    """

    estimate: float
    effects: np.ndarray
    gap: np.ndarray
    omega: np.ndarray
    lambda_: np.ndarray
    zeta_omega: float
    zeta_lambda: float
    noise_level: float
    n_control: int
    n_treated: int
    n_pre: int
    n_post: int
    method: str


@dataclass(frozen=True)
class StaggeredSyntheticDid:
    """Synthetic difference in differences per entry cohort, and their mean over treated unit-periods.

    ``estimate`` weighs each cohort by its treated units times its treated periods; ``cohorts`` (C,) holds
    the entries, ``weights`` (C,) those shares and ``parts`` the estimate of each cohort against the
    never-treated.
    """

    estimate: float
    cohorts: np.ndarray
    weights: np.ndarray
    parts: tuple[SyntheticDid, ...]


def synthetic_did(
    y: np.ndarray,
    *,
    n_control: int,
    n_pre: int,
    method: str = "sdid",
    zeta_omega: float | None = None,
    zeta_lambda: float | None = None,
    solver: str = "exact",
) -> SyntheticDid:
    """Synthetic difference in differences, synthetic control or plain difference in differences of a block.

    Assumption: without treatment the weighted controls and the treated would have moved in parallel from
    the weighted earlier to the later periods (for ``sc``: would have had the same level).

    Parameters
    ----------
    y : (N, T) array
        Outcome; the first ``n_control`` rows are never treated, the first ``n_pre`` columns precede
        treatment.
    n_control, n_pre : int
        Number of control units N0 and of earlier periods T0.
    method : {"sdid", "sc", "did"}
    zeta_omega, zeta_lambda : float, optional
        Regularisation of the weights. By default as Arkhangelsky et al.: ``(N1 T1)^(1/4)`` and ``1e-6``
        times the noise level (``sc``: ``1e-6`` for omega).
    solver : {"exact", "frank_wolfe"}
        ``exact`` reaches the minimum. ``frank_wolfe`` stops where R's search stops; keep it for comparisons
        with R.

    Returns
    -------
    SyntheticDid

    Raises
    ------
    DesignError
        No control or no treated unit, no earlier or later period, fewer than two earlier periods where
        weights are sought, values that are missing, or an unknown method.

    References
    ----------
    Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021), American Economic Review 111(12), 4088-4118,
    doi:10.1257/aer.20190159. Equals ``synthdid::synthdid_estimate``, ``sc_estimate`` and ``did_estimate``
    (with ``solver="frank_wolfe"`` to rounding, with the exact minimum to about one part in a thousand).

    Examples
    --------
    >>> y = np.array([[1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0], [5.0, 6.0, 7.0, 9.0]])
    >>> round(synthetic_did(y, n_control=2, n_pre=3).estimate, 6)
    1.0
    """
    y = _checked_panel(y, n_control=n_control, n_pre=n_pre, method=method)
    if solver not in ("exact", "frank_wolfe"):
        raise DesignError(f"unknown solver {solver!r}; use 'exact', or 'frank_wolfe' to compare with R")
    noise = _noise_level(y, n_control=n_control, n_pre=n_pre)
    n_treated, n_post = y.shape[0] - n_control, y.shape[1] - n_pre
    if zeta_omega is None:
        zeta_omega = (1e-6 if method == "sc" else (n_treated * n_post) ** 0.25) * noise
    if zeta_lambda is None:
        zeta_lambda = 1e-6 * noise
    omega, lambda_ = np.full(n_control, 1 / n_control), np.full(n_pre, 1 / n_pre)
    if method != "did":
        min_decrease = 1e-5 * noise
        controls = y[:n_control]
        lambda_ = np.zeros(n_pre)
        if method == "sdid":
            lambda_ = _weights(
                controls[:, :n_pre],
                controls[:, n_pre:].mean(axis=1),
                zeta=zeta_lambda,
                intercept=True,
                solver=solver,
                min_decrease=min_decrease,
            )
        omega = _weights(
            controls[:, :n_pre].T,
            y[n_control:, :n_pre].mean(axis=0),
            zeta=zeta_omega,
            intercept=method == "sdid",
            solver=solver,
            min_decrease=min_decrease,
        )
    gap = _gap(y, omega, lambda_)
    effects = gap[n_pre:]
    return SyntheticDid(
        estimate=float(effects.mean()),
        effects=effects,
        gap=gap,
        omega=omega,
        lambda_=lambda_,
        zeta_omega=float(zeta_omega),
        zeta_lambda=float(zeta_lambda),
        noise_level=noise,
        n_control=n_control,
        n_treated=n_treated,
        n_pre=n_pre,
        n_post=n_post,
        method=method,
    )


def staggered_synthetic_did(
    y: np.ndarray, *, entry: np.ndarray, periods: np.ndarray, method: str = "sdid"
) -> StaggeredSyntheticDid:
    """Synthetic difference in differences where units enter at different times: one block per entry cohort.

    Each cohort is compared with the never-treated alone; the cohorts are weighed by treated unit-periods.
    No standard error is offered: none is validated for this design; use the permutation of entries or a
    placebo test.

    Parameters
    ----------
    y : (N, T) array
    entry : (N,) array
        First treated period in the values of ``periods``; 0, infinity or NaN for the never-treated.
    periods : (T,) array
        Increasing.
    method : {"sdid", "sc", "did"}

    Raises
    ------
    DesignError
        No never-treated unit, no treated unit, or an entry before the second period.

    References
    ----------
    Clarke, Pailanir, Athey and Imbens (2024), Stata Journal 24(4), 557-598, doi:10.1177/1536867X241297914.

    Examples
    --------
    >>> y = np.array([[1.0, 2, 3, 4], [2, 3, 4, 5], [5, 6, 8, 9], [5, 6, 7, 10]])
    >>> out = staggered_synthetic_did(y, entry=np.array([0, 0, 2, 3]), periods=np.arange(4), method="did")
    >>> round(out.estimate, 6)
    1.333333
    """
    y, periods = np.asarray(y, float), np.asarray(periods, float)
    start = np.asarray(entry, float)
    if y.ndim != 2 or start.shape != (y.shape[0],) or periods.shape != (y.shape[1],):
        raise DesignError(f"shapes do not agree: y {y.shape}, entry {start.shape}, periods {periods.shape}")
    never = ~np.isfinite(start) | (start == 0) | (start > periods.max())
    cohorts = np.unique(start[~never])
    if not never.any() or cohorts.size == 0:
        raise DesignError(
            "staggered_synthetic_did needs never-treated and treated units, found "
            f"{int(never.sum())} and {int((~never).sum())}"
        )
    if cohorts.min() <= periods.min():
        raise DesignError("a cohort has no period before its entry; leave those units out")
    parts, sizes = [], []
    for cohort in cohorts:
        rows = np.concatenate([y[never], y[start == cohort]])
        part = synthetic_did(
            rows, n_control=int(never.sum()), n_pre=int((periods < cohort).sum()), method=method
        )
        parts.append(part)
        sizes.append(part.n_treated * part.n_post)
    weights = np.array(sizes) / sum(sizes)
    estimate = float(sum(w * part.estimate for w, part in zip(weights, parts, strict=True)))
    return StaggeredSyntheticDid(estimate=estimate, cohorts=cohorts, weights=weights, parts=tuple(parts))


def _checked_panel(y: np.ndarray, *, n_control: int, n_pre: int, method: str) -> np.ndarray:
    y = np.asarray(y, float)
    if method not in METHODS:
        raise DesignError(f"unknown method {method!r}; use one of {', '.join(METHODS)}")
    if y.ndim != 2:
        raise DesignError(f"y must have units in rows and periods in columns, found {y.ndim} dimension(s)")
    if not 0 < n_control < y.shape[0]:
        raise DesignError(
            f"needs at least one control and one treated unit, found {n_control} of {y.shape[0]} as controls"
        )
    if not 0 < n_pre < y.shape[1]:
        raise DesignError(
            f"needs a period before and one after the start, found {n_pre} of {y.shape[1]} before"
        )
    if method != "did" and n_pre < 2:
        raise DesignError(
            f"{method} needs two or more periods before the start, found {n_pre}; use method='did'"
        )
    missing = int((~np.isfinite(y)).sum())
    if missing:
        raise DesignError(
            f"{missing} of {y.size} unit-periods have no finite value; keep complete units or fewer periods"
        )
    return y


def _noise_level(y: np.ndarray, *, n_control: int, n_pre: int) -> float:
    changes = np.diff(y[:n_control, :n_pre], axis=1)
    return float(changes.std(ddof=1)) if changes.size > 1 else 0.0


def _weights(
    columns: np.ndarray, target: np.ndarray, *, zeta: float, intercept: bool, solver: str, min_decrease: float
) -> np.ndarray:
    """Simplex weights of ``columns`` for ``target``; an intercept amounts to centring both over the rows."""
    if intercept:
        columns, target = columns - columns.mean(axis=0), target - target.mean()
    ridge = columns.shape[0] * zeta**2
    if solver == "exact":
        return simplex_least_squares(columns, target, ridge=ridge)
    start = np.full(columns.shape[1], 1 / columns.shape[1])
    first = frank_wolfe(
        columns, target, ridge=ridge, start=start, min_decrease=min_decrease, max_iter=_FIRST_SEARCH
    )
    kept = np.where(first <= first.max() / 4, 0.0, first)
    return frank_wolfe(
        columns,
        target,
        ridge=ridge,
        start=kept / kept.sum(),
        min_decrease=min_decrease,
        max_iter=_SECOND_SEARCH,
    )


def _gap(y: np.ndarray, omega: np.ndarray, lambda_: np.ndarray) -> np.ndarray:
    course = y[omega.size :].mean(axis=0) - omega @ y[: omega.size]
    return course - course[: lambda_.size] @ lambda_
