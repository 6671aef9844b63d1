"""The change of programme practices alone, where no comparison practice was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Average, Collapsed, Window, collapse, require_variation, two_windows
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
from pluseval.estimate.did import already_treated
from pluseval.estimate.inference import Inference, JointInference
from pluseval.estimate.problem import Changes, OneSample
from pluseval.estimate.result import Estimand, Estimate, EstimateSet, JointTest


def single_arm(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    periods: Sequence[int] | None = None,
    windows: Sequence[Sequence[int]] | None = None,
    average: Average = "ratio_of_sums",
    margin: float | None = None,
    level: float = 0.95,
) -> Estimate:
    """The mean change of the programme practices between two periods; comparison practices are ignored.

    Estimand: the mean over programme practices of the change of their own values. It is the effect of the
    programme only if nothing else would have changed them: a weaker design than :func:`did`. Each practice
    counts equally.

    Parameters
    ----------
    frame : AnalysisFrame
    inference : Inference
        ``SignFlip(...)`` (few practices), or ``OLS()`` for Student's t on the practices' changes.
    periods, windows, average, margin, level
        As in :func:`did`.

    Returns
    -------
    Estimate

    Raises
    ------
    DesignError
        No programme practice, fewer than two with both periods, or an inference that cannot hold with so few.

    References
    ----------
    With ``OLS()``: R's ``t.test(after, before, paired = TRUE)`` on practice values.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> from pluseval.estimate.inference import OLS
    >>> data = pd.DataFrame({"practice": list("ABC") * 2, "wave": [2016] * 3 + [2019] * 3, "entry": 2016,
    ...                      "grade": [8.5, 8.7, 8.9, 8.6, 8.9, 9.2]})
    >>> grade = Measure("grade", "report grade", "rapportcijfer", "points", "punten", "points", "punten",
    ...                 "higher")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="wave", y="grade", entry="entry",
    ...                                   measure=grade)
    >>> single_arm(frame, inference=OLS()).estimate.__round__(3)
    0.2
    """
    require_inference(inference, "single_arm")
    require_level(level, "single_arm")
    require_margin(margin, "difference", "single_arm")
    programme = programme_only(frame)
    before, after = two_windows(programme, periods, windows, asked_by="single_arm")
    collapsed = collapse(programme, (before, after), average=average)
    return _change(programme, collapsed, 0, 1, inference, average, margin=margin, level=level)


def waves(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    joint: JointInference | None = None,
    margin: float | None = None,
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The change of programme practices from the first wave to each later one, with a joint test of any
    change.

    Parameters
    ----------
    frame : AnalysisFrame
    inference : Inference
    joint : inference with ``joint``, optional
        For the statement about all waves; the inference's own by default. Practices with every wave take
        part.
    margin, level
        As in :func:`single_arm`.
    name : str, optional
        Name of the set; made from the measure by default.

    Raises
    ------
    DesignError
        Fewer than two waves, or what :func:`single_arm` refuses.
    """
    require_inference(inference, "waves")
    require_level(level, "waves")
    require_margin(margin, "difference", "waves")
    programme = programme_only(frame)
    periods = programme.periods
    if len(periods) < 2:
        raise DesignError(f"waves needs 2 waves or more, found 1 ({periods[0]})")
    first = Window(periods[0], periods[0])
    estimates = []
    for period in periods[1:]:
        collapsed = collapse(programme, (first, Window(period, period)))
        estimates.append(
            _change(
                programme, collapsed, 0, 1, inference, "ratio_of_sums", margin=margin, level=level, at=period
            )
        )
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.waves",
        title=f"{label}: change of programme practices since {first}",
        title_nl=f"{label_nl}: verandering van PlusPraktijken sinds {first}",
        estimates=tuple(estimates),
        joint=_any_change(programme, joint or inference),
    )


def programme_only(frame: AnalysisFrame) -> AnalysisFrame:
    """The frame of the practices that ever joined.

    Raises
    ------
    DesignError
        None did.
    """
    treated = frame.treated
    if not treated.any():
        raise DesignError(
            "no practice of the frame ever joined the programme (entry is missing for all); check entry"
        )
    return frame.keep_clusters(list(treated.index[treated]))


def _change(
    frame: AnalysisFrame,
    collapsed: Collapsed,
    a: int,
    b: int,
    inference: Inference,
    average: Average,
    *,
    margin: float | None,
    level: float,
    at: float | None = None,
) -> Estimate:
    before, after = collapsed.windows[a], collapsed.windows[b]
    problem = OneSample(collapsed.values[:, b] - collapsed.values[:, a], collapsed.columns)
    require_variation(collapsed, "change of programme practices")
    several = before.first != before.last or after.first != after.last
    estimand = Estimand(
        population=population_of(frame),
        unit="practice",
        weight=weight_words("practice", average, several),
        contrast=f"change {before} -> {after}, programme practices only",
        scale=f"difference in {frame.measure.difference_unit}",
        assumption="without the programme these practices would not have changed (no comparison group)",
        treated_as=TREATED_AS,
    )
    subject = Subject(
        frame=frame,
        term=f"{frame.measure.label} {before} -> {after}",
        estimand=estimand,
        method="change of practice values, single arm",
        clusters=collapsed.clusters,
        windows=(before, after),
        nobs=problem.y.size,
        group="programme",
        at=None if at is None else float(at),
        margin=margin,
        notes=(*collapsed.notes, *already_treated(frame, before)),
        losses=collapsed.losses,
    )
    return conclude(subject, inference.infer(problem, level), level=level)


def _any_change(frame: AnalysisFrame, joint: object) -> tuple[JointTest, ...]:
    periods = frame.periods
    if len(periods) < 3 or not isinstance(joint, JointInference):
        return ()
    complete = collapse(frame, [Window(p, p) for p in periods])
    if complete.clusters.size < 2:
        return ()
    changes = Changes(
        y=complete.values[:, 1:] - complete.values[:, :1],
        treated=None,
        fixed=np.ones((complete.clusters.size, 1)),
        terms=tuple(str(p) for p in periods[1:]),
        columns=complete.columns,
    )
    return (joint.joint(changes, f"any change since {periods[0]}"),)
