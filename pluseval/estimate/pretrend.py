"""Did the groups run parallel before the start, and would the test have noticed if they had not?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import numpy as np

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Window, two_windows
from pluseval.estimate.conclude import Subject, conclude, require_inference, require_level
from pluseval.estimate.did import did_estimand
from pluseval.estimate.event_coefficients import EventCoefficients, event_coefficients
from pluseval.estimate.inference import Inference, Inferred, JointInference
from pluseval.estimate.problem import Changes, Contrast
from pluseval.estimate.result import Estimate, EstimateSet, JointTest
from pluseval.numerics.pretrend import pretrend_power, slope_with_power


def pretrend_check(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    windows: Sequence[Sequence[int]] | None = None,
    exclude: Sequence[int] = (),
    power: Sequence[float] = (0.5, 0.8),
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The difference in slopes before the start, a joint test of it, and what that test could have found.

    A test that finds no difference in trends is little comfort where it had no power: the slopes are told
    that it finds with given probabilities, and what such a slope would do to the effect if it went on.

    Parameters
    ----------
    frame : AnalysisFrame
    inference : Inference
        For the difference in slopes (one slope per practice), and for the joint test where it has one.
    windows : ((first, last), (first, last)), optional
        The comparison that the slopes are translated to.
    exclude : sequence of int
        Periods left out.
    power : sequence of float
        Probabilities with which a reader finds one of the earlier differences significant.
    level : float
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        ``display="table"``: ``slope before the start`` with its interval; for each probability the slope, and
        with ``windows`` the difference that it makes, and the one that it makes on average among studies that
        find no earlier difference significant (the bias that a passed test leaves or adds). These are normal
        approximations with the estimated covariance. ``joint`` holds the pre-trend test.

    Raises
    ------
    DesignError
        Fewer than two periods before the start or none after, or fewer than two practices in a group.

    References
    ----------
    Roth (2022), doi:10.1257/aeri.20210236; the slopes equal R's ``pretrends::slope_for_power``.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> from pluseval.estimate.inference import Welch
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"practice": np.repeat(np.arange(20), 5),
    ...                      "year": np.tile(np.arange(2013, 2018), 20)})
    >>> data["entry"] = np.where(data["practice"] < 8, 2016, 0)
    >>> data["pct"] = rng.normal(30, 1, 100)
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct)
    >>> found = pretrend_check(frame, inference=Welch())
    >>> found["slope found with 50 %"].estimate < found["slope found with 80 %"].estimate
    True
    """
    require_inference(inference, "pretrend_check")
    require_level(level, "pretrend_check")
    events = event_coefficients(frame, exclude=exclude, asked_by="pretrend_check")
    per = "year" if frame.periods[0] > 1900 else "period"
    measure = replace(
        frame.measure,
        difference_unit=f"{frame.measure.difference_unit} per {per}",
        difference_unit_nl=f"{frame.measure.difference_unit_nl} per {'jaar' if per == 'year' else 'periode'}",
    )
    estimates = [_slope(frame, events, inference, measure, level)]
    span = two_windows(frame, None, windows, asked_by="pretrend_check") if windows is not None else None
    for chance in power:
        slope = slope_with_power(
            events.cov, n_pre=events.n_pre, event_time=events.periods - events.reference, power=chance,
            level=level, reference=0.0,
        )  # fmt: skip
        words = f"slope found with {100 * chance:g} %"
        estimates.append(_described(frame, events, words, slope, measure))
        if span is not None:
            reach = _middle(frame, span[1]) - _middle(frame, span[0])
            made = f"{words}: difference it makes {span[0]} -> {span[1]}"
            estimates.append(_described(frame, events, made, slope * reach, frame.measure))
            passed = f"{words}: difference it makes where the test found nothing"
            biased = _after_passing(events, slope, span, level)
            estimates.append(_described(frame, events, passed, biased, frame.measure))
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.pretrend",
        title=f"{label}: trends before the start, and what the test could have found",
        title_nl=f"{label_nl}: trends vóór de start, en wat de toets had kunnen vinden",
        estimates=tuple(estimates),
        joint=_joint(events, inference),
        display="table",
    )


def _slope(
    frame: AnalysisFrame, events: EventCoefficients, inference: Inference, measure: Measure, level: float
) -> Estimate:
    """The difference in slopes before the start: one least-squares slope per practice."""
    early = [0, *range(1, events.n_pre + 1)]  # the reference, then the periods before it
    times = np.array([events.reference, *events.periods[: events.n_pre]])
    centred = times - times.mean()
    G = events.collapsed.clusters.size
    problem = Contrast(
        y=events.collapsed.values[:, early] @ centred / (centred @ centred),
        fixed=np.ones((G, 1)),
        by_treatment=np.ones((G, 1)),
        cluster=np.arange(G),
        treated=events.collapsed.treated,
        columns=events.collapsed.columns,
        of="slopes",
    )
    window = Window(int(times.min()), events.reference)
    sheet = did_estimand(frame, window, window, "every practice counts equally", ())
    estimand = replace(
        sheet,
        contrast=f"slope in {window}, programme minus comparison",
        scale=f"difference in {measure.difference_unit}",
        assumption="none: a check of parallel trends, which can only fail to reject them",
    )
    subject = Subject(
        frame=frame,
        term="slope before the start",
        estimand=estimand,
        method="difference in practice slopes",
        clusters=events.collapsed.clusters,
        windows=(window,),
        nobs=G,
        losses=events.collapsed.losses,
    )
    return replace(conclude(subject, inference.infer(problem, level), level=level), measure=measure)


def _described(
    frame: AnalysisFrame, events: EventCoefficients, term: str, value: float, measure: Measure
) -> Estimate:
    """A number about the test itself: no interval and no p-value."""
    nan = math.nan
    inferred = Inferred(
        float(value), nan, nan, nan, nan, nan, nan, "none: a property of the pre-trend test", _none, _none
    )
    window = Window(int(events.periods.min()), events.reference)
    sheet = did_estimand(frame, window, window, "every practice counts equally", ())
    subject = Subject(
        frame=frame,
        term=term,
        estimand=replace(sheet, contrast=term, assumption="normal differences with the estimated covariance"),
        method="power of the pre-trend test (Roth)",
        clusters=events.collapsed.clusters,
        windows=(window,),
        nobs=events.collapsed.clusters.size,
        scale="level",
        losses=events.collapsed.losses,
    )
    shown = replace(measure, unit=measure.difference_unit, unit_nl=measure.difference_unit_nl)
    return replace(conclude(subject, inferred, level=0.95), measure=shown, interval=None, test=None)


def _none(_: float) -> NoReturn:
    raise DesignError("a property of a test has neither interval nor p-value")


def _after_passing(
    events: EventCoefficients, slope: float, span: tuple[Window, Window], level: float
) -> float:
    """Mean difference between the windows that a slope makes in studies without a significant earlier one."""
    trend = slope * (events.periods - events.reference)
    found = pretrend_power(events.cov, n_pre=events.n_pre, trend=trend, level=level)
    assert found.mean_after_passing is not None  # readers look at each difference: test="any"
    periods = np.append(events.periods, events.reference)
    means = np.append(found.mean_after_passing, 0.0)
    within = [np.array([p in window for p in periods]) for window in span]
    if not all(own.any() for own in within):
        raise DesignError(f"pretrend_check: every period of {span[0]} or {span[1]} is left out")
    return float(means[within[1]].mean() - means[within[0]].mean())


def _middle(frame: AnalysisFrame, window: Window) -> float:
    return float(np.mean([p for p in frame.periods if p in window]))


def _joint(events: EventCoefficients, inference: Inference) -> tuple[JointTest, ...]:
    if not isinstance(inference, JointInference):
        return ()
    k = events.n_pre
    G = events.collapsed.clusters.size
    problem = Changes(
        y=events.changes[:, :k],
        treated=events.collapsed.treated,
        fixed=np.ones((G, 1)),
        terms=tuple(f"{p:g}" for p in events.periods[:k]),
        columns=events.collapsed.columns,
    )
    return (inference.joint(problem, f"pre-trend up to {events.reference}"),)
