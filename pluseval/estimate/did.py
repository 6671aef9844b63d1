"""Difference in differences between two periods, or two windows, of practices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import (
    Average,
    Collapsed,
    Window,
    collapse,
    covariates,
    require_variation,
    two_windows,
)
from pluseval.estimate.conclude import (
    TREATED_AS,
    Subject,
    conclude,
    population_of,
    require_inference,
    require_level,
    require_margin,
    weight_words,
)
from pluseval.estimate.inference import Inference
from pluseval.estimate.problem import Contrast, WeightedContrast, require_groups
from pluseval.estimate.result import Estimand, Estimate

Weights = Literal["practice", "exposure"]


def did(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    periods: Sequence[int] | None = None,
    windows: Sequence[Sequence[int]] | None = None,
    adjust: Sequence[str] = (),
    weights: Weights = "practice",
    average: Average = "ratio_of_sums",
    margin: float | None = None,
    level: float = 0.95,
) -> Estimate:
    """How much more the programme practices changed than the comparison practices, between two periods.

    Estimand: the mean effect of the programme on the programme practices in the later period (or the change
    of an effect that was there before), if without it both groups would have changed equally on the scale of
    the outcome. Everything is first collapsed to one value per practice and window, so that years and
    patients of one practice are not taken for independent evidence.

    Parameters
    ----------
    frame : AnalysisFrame
        One outcome of the study.
    inference : Inference
        How sure one may be: ``OLS()``, ``Welch()``, ``ClusterRobust("CR2")``, ...
    periods : (before, after), optional
        Two periods. May be left out where the frame has just two.
    windows : ((first, last), (first, last)), optional
        Two windows of years, as ((2013, 2015), (2017, 2019)).
    adjust : sequence of str
        Practice columns to adjust the change for: a column of ``frame.practices``, ``"log(list_size)"``, or
        ``"baseline"`` (the value in the first window; it invites regression to the mean).
    weights : {"practice", "exposure"}
        Each practice counts equally, or by its exposure: then each group's value is a ratio of sums. A
        permutation leaves the weights with their practices.
    average : {"ratio_of_sums", "mean_of_ratios"}
        How the years of a window are averaged within a practice.
    margin : float, optional
        Non-inferiority or equivalence margin, in the unit of the outcome (see :func:`noninferiority`).
    level : float
        Confidence level.

    Returns
    -------
    Estimate
        In the unit of a difference; practices without both windows are dropped and counted in ``losses``.

    Raises
    ------
    DesignError
        A group with fewer than two practices, windows without data, no variance, covariates that are
        collinear, or an inference that does not hold for the design.

    References
    ----------
    ``weights="practice"`` with ``ClusterRobust("CR2")`` equals R's ``lm(y ~ treated * post)`` on
    practice-periods with ``clubSandwich::vcovCR(cluster = practice, type = "CR2")``; ``weights="exposure"``
    the same with weights.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> from pluseval.estimate.inference import OLS
    >>> data = pd.DataFrame({"practice": list("ABCDE") * 2, "year": [2018] * 5 + [2019] * 5,
    ...                      "entry": [2016, 2016, 0, 0, 0] * 2,
    ...                      "pct": [30.0, 32, 31, 33, 35, 29, 30, 32, 35, 35]})
    >>> percentage = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100",
    ...                      "percentage points", "procentpunten", "lower", per=100)
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=percentage)
    >>> print(did(frame, inference=OLS()))  # doctest: +NORMALIZE_WHITESPACE
    referral percentage 2018 -> 2019: -2.50 percentage points
    (95% CI -5.15 to 0.15; p = 0.058; 2 + 3 practices; OLS on changes, pooled t(3))
    """
    require_inference(inference, "did")
    require_level(level, "did")
    require_margin(margin, "difference", "did")
    if weights not in ("practice", "exposure"):
        raise DesignError(f"did: weights is {weights!r}; use 'practice' or 'exposure'")
    before, after = two_windows(frame, periods, windows)
    collapsed, Z, names = covariates(collapse(frame, (before, after), average=average), adjust)
    problem = (
        change_contrast(collapsed, Z, names) if weights == "practice" else panel_contrast(collapsed, Z, names)
    )
    inferred = inference.infer(problem, level)
    several = before.first != before.last or after.first != after.last
    subject = Subject(
        frame=frame,
        term=f"{frame.measure.label} {before} -> {after}",
        estimand=did_estimand(frame, before, after, weight_words(weights, average, several), names),
        method="difference in differences of practice values",
        clusters=collapsed.clusters,
        windows=(before, after),
        nobs=problem.y.size,
        margin=margin,
        notes=(*collapsed.notes, *already_treated(frame, before)),
        losses=collapsed.losses,
    )
    return conclude(subject, inferred, level=level)


def change_contrast(collapsed: Collapsed, Z: np.ndarray, names: tuple[str, ...]) -> Contrast:
    """One unweighted change per practice."""
    G = collapsed.clusters.size
    require_groups(collapsed.treated)
    require_variation(collapsed, "difference in differences")
    return Contrast(
        y=collapsed.values[:, 1] - collapsed.values[:, 0],
        fixed=np.concatenate([np.ones((G, 1)), Z], axis=1),
        by_treatment=np.ones((G, 1)),
        cluster=np.arange(G),
        treated=collapsed.treated,
        columns=collapsed.columns,
        adjusted=names,
    )


def panel_contrast(collapsed: Collapsed, Z: np.ndarray, names: tuple[str, ...]) -> WeightedContrast:
    """Both values of each practice, weighted by exposure, so that a group's value is a ratio of sums."""
    G = collapsed.clusters.size
    one, zero = np.ones((G, 1)), np.zeros((G, 1))
    before = np.concatenate([one, zero, Z, 0 * Z], axis=1)
    after = np.concatenate([one, one, Z, Z], axis=1)
    return WeightedContrast(
        y=np.concatenate([collapsed.values[:, 0], collapsed.values[:, 1]]),
        fixed=np.concatenate([before, after]),
        by_treatment=np.concatenate(
            [np.concatenate([one, zero], axis=1), np.concatenate([one, one], axis=1)]
        ),
        cluster=np.tile(np.arange(G), 2),
        treated=collapsed.treated,
        weights=np.concatenate([collapsed.exposures[:, 0], collapsed.exposures[:, 1]]),
        columns=collapsed.columns,
        adjusted=names,
        of="practice values",
        values=collapsed.values,
        exposures=collapsed.exposures,
        covariates=Z,
    )


def did_estimand(
    frame: AnalysisFrame, before: Window, after: Window, weight: str, adjusted: tuple[str, ...]
) -> Estimand:
    """The estimand sheet of a change between two windows, programme against comparison."""
    given = f", given {', '.join(adjusted)}" if adjusted else ""
    return Estimand(
        population=population_of(frame),
        unit="practice",
        weight=weight,
        contrast=f"change {before} -> {after}, programme minus comparison",
        scale=f"difference in {frame.measure.difference_unit}",
        assumption=(
            "without the programme both groups would have changed equally in "
            f"{frame.measure.difference_unit}{given}"
        ),
        treated_as=TREATED_AS,
    )


def already_treated(frame: AnalysisFrame, before: Window) -> tuple[str, ...]:
    """A note where the baseline is not free of the programme."""
    entry = frame.cells.groupby("cluster")["entry"].first()
    early = int((entry <= before.last).sum())
    if not early:
        return ()
    return (
        f"{early} programme practices had started by {before}: a change of practices that take part, "
        "not the effect of joining",
    )
