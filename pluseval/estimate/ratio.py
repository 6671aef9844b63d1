"""Change on the ratio scale: by how many percent more or less the programme practices changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import ROUNDING, Collapsed, Window, collapse, covariates, two_windows
from pluseval.estimate.conclude import (
    TREATED_AS,
    Subject,
    conclude,
    population_of,
    require_inference,
    require_level,
    require_margin,
)
from pluseval.estimate.did import already_treated, panel_contrast
from pluseval.estimate.inference import Inference
from pluseval.estimate.problem import RateContrast
from pluseval.estimate.result import Estimand, Estimate
from pluseval.numerics.counts import count_model


def rate_ratio_did(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    periods: Sequence[int] | None = None,
    windows: Sequence[Sequence[int]] | None = None,
    adjust: Sequence[str] = (),
    margin: float | None = None,
    level: float = 0.95,
) -> Estimate:
    """The ratio of the programme's relative change to the comparison's, between two periods.

    Estimand: the ratio by which the programme changed the rate of its practices, if without it both groups
    would have changed by the same percentage. Poisson pseudo-maximum likelihood with the exposure as offset
    on one row per practice and window: only the mean must be right, counts and euros alike. Without
    covariates it is the ratio of the groups' ratios of sums.

    Parameters
    ----------
    frame : AnalysisFrame
    inference : Inference
        ``ClusterRobust("CR2")`` (as clubSandwich's for ``glm``), ``Permutation(...)``, which fits every
        assignment anew, or ``WildBootstrap(...)`` of the linearised model.
    periods, windows, adjust, level
        As in :func:`did`; covariates may change the rate and its change.
    margin : float, optional
        As a ratio above 1 (1.05: five percent).

    Returns
    -------
    Estimate
        ``scale="ratio"``: estimate and interval are ratios, 1 is no effect; ``std_error`` is of the
        logarithm.

    Raises
    ------
    DesignError
        Negative numerators, a group without any event in a window, or what :func:`did` refuses.

    References
    ----------
    Santos Silva and Tenreyro (2006), doi 10.1162/rest.88.4.641. Estimate equals R's ``fixest::fepois(count ~
    treated * post, offset = log(exposure))``; with ``ClusterRobust("CR2")`` the error is
    ``clubSandwich::vcovCR`` of ``glm``.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> from pluseval.estimate.inference import ClusterRobust
    >>> data = pd.DataFrame({"practice": list("ABCDE") * 2, "year": [2018] * 5 + [2019] * 5,
    ...                      "entry": [2016, 2016, 0, 0, 0] * 2,
    ...                      "rate": [.30, .32, .31, .33, .35, .27, .29, .32, .32, .36]})
    >>> rate = Measure("rate", "referral rate", "verwijscijfer", "per person", "per persoon", "per person",
    ...                "per persoon", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="rate", entry="entry",
    ...                                   measure=rate)
    >>> round(rate_ratio_did(frame, inference=ClusterRobust("CR2")).estimate, 4)
    0.8942
    """
    require_inference(inference, "rate_ratio_did")
    require_level(level, "rate_ratio_did")
    require_margin(margin, "ratio", "rate_ratio_did")
    before, after = two_windows(frame, periods, windows, asked_by="rate_ratio_did")
    collapsed, Z, names = covariates(collapse(frame, (before, after)), adjust)
    problem = log_rate_contrast(collapsed, Z, names)
    several = before.first != before.last or after.first != after.last
    subject = Subject(
        frame=frame,
        term=f"{frame.measure.label} {before} -> {after}, ratio",
        estimand=_estimand(frame, before, after, names, several),
        method="Poisson pseudo-maximum likelihood on practice sums, exposure as offset",
        clusters=collapsed.clusters,
        windows=(before, after),
        nobs=problem.y.size,
        scale="ratio",
        margin=margin,
        notes=(*collapsed.notes, *already_treated(frame, before)),
        losses=collapsed.losses,
    )
    return conclude(subject, inference.infer(problem, level), level=level)


def log_rate_contrast(collapsed: Collapsed, Z: np.ndarray, names: tuple[str, ...]) -> RateContrast:
    """The Poisson model at its solution as a linear one, rows scaled so that their working variance is equal.

    Least squares on it gives back the Poisson coefficients, and a sandwich of it is the Poisson sandwich.
    """
    count = np.concatenate([collapsed.numerators[:, 0], collapsed.numerators[:, 1]])
    exposure = np.concatenate([collapsed.exposures[:, 0], collapsed.exposures[:, 1]])
    if np.any(count < 0):
        raise DesignError(
            f"rate_ratio_did: {int(np.sum(count < 0))} practice sums are negative (corrections); a ratio "
            "needs sums of zero or more: use did on the scale of the outcome"
        )
    linear = panel_contrast(collapsed, Z, names)
    for group in (True, False):
        members = np.tile(collapsed.treated == group, 2)
        for half in np.split(np.where(members, count, 0.0), 2):
            if half.sum() <= 0:
                name = "programme" if group else "comparison"
                raise DesignError(f"rate_ratio_did: no event in the {name} group in a window; use did")
    _require_variation(collapsed)
    fitted = count_model(count, linear.X, cluster=linear.cluster, exposure=exposure)
    mu = exposure * np.exp(linear.X @ fitted.coefficients)
    root = np.sqrt(mu)
    working = linear.X @ fitted.coefficients + (count - mu) / mu
    return RateContrast(
        y=root * working,
        fixed=root[:, None] * linear.fixed,
        by_treatment=root[:, None] * linear.by_treatment,
        cluster=linear.cluster,
        treated=linear.treated,
        columns=collapsed.columns,
        adjusted=names,
        of="log rates, linearised",
        counts=collapsed.numerators,
        exposures=collapsed.exposures,
        covariates=Z,
    )


def _require_variation(collapsed: Collapsed) -> None:
    """Refuse groups in which every practice kept its share of the events as it kept that of the exposure."""
    shares = []
    for group in (collapsed.treated, ~collapsed.treated):
        count, exposure = collapsed.numerators[group], collapsed.exposures[group]
        shares.append(np.diff(count / count.sum(axis=0) - exposure / exposure.sum(axis=0), axis=1))
    if not np.abs(np.concatenate(shares)).max() > ROUNDING:
        raise DesignError(
            "rate_ratio_did: the rates of all practices of a group changed by one factor: they do not "
            "vary, so there is no standard error; check the outcome"
        )


def _estimand(
    frame: AnalysisFrame, before: Window, after: Window, names: tuple[str, ...], several: bool
) -> Estimand:
    given = f", given {', '.join(names)}" if names else ""
    within = "; within a window sum over the years by sum of exposures" if several else ""
    return Estimand(
        population=population_of(frame),
        unit="practice",
        weight=f"practices count by their exposure{within}",
        contrast=f"relative change {before} -> {after}, programme divided by comparison",
        scale="ratio",
        assumption=f"without the programme both groups would have changed by the same percentage{given}",
        treated_as=TREATED_AS,
    )
