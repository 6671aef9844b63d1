"""The effect without each practice in turn: whether one of them makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import collapse, covariates, two_windows
from pluseval.estimate.conclude import Subject, conclude, require_inference, require_level, weight_words
from pluseval.estimate.did import change_contrast, did_estimand
from pluseval.estimate.inference import Inference
from pluseval.estimate.result import EstimateSet


def leave_one_out(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    periods: Sequence[int] | None = None,
    windows: Sequence[Sequence[int]] | None = None,
    adjust: Sequence[str] = (),
    which: Literal["programme", "comparison", "all"] = "programme",
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The difference in differences without each practice in turn, and the smallest and largest of them.

    A practice's own change follows from the estimates with and without it, and the ends of the range are two
    such estimates: every number here is practice-named and leaves with the practices' consent only.

    Parameters
    ----------
    frame : AnalysisFrame
    inference, periods, windows, adjust, level
        As for :func:`pluseval.estimate.did.did`.
    which : {"programme", "comparison", "all"}
        The practices that are left out in turn.
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        ``smallest``, ``largest``, then ``without <practice>`` in the order of the practices.

    Raises
    ------
    DesignError
        An unknown group, or fewer than two practices left in a group.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> from pluseval.estimate.inference import OLS
    >>> data = pd.DataFrame({"practice": list("ABCDEF") * 2, "year": [2018] * 6 + [2019] * 6,
    ...                      "entry": [2016, 2016, 2016, 0, 0, 0] * 2,
    ...                      "pct": [30.0, 32, 31, 33, 35, 34, 29, 30, 22, 35, 35, 34.5]})
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct)
    >>> [round(e.estimate, 2) for e in leave_one_out(frame, inference=OLS())]
    [-6.33, -2.33, -6.33, -5.83, -2.33]
    """
    require_inference(inference, "leave_one_out")
    require_level(level, "leave_one_out")
    if which not in ("programme", "comparison", "all"):
        raise DesignError(f"leave_one_out: which is {which!r}; use 'programme', 'comparison' or 'all'")
    span = two_windows(frame, periods, windows, asked_by="leave_one_out")
    collapsed, _, _ = covariates(collapse(frame, span), adjust)
    wanted = {"programme": collapsed.treated, "comparison": ~collapsed.treated}.get(
        which, np.ones(collapsed.treated.size, dtype=bool)
    )
    if not wanted.any():
        raise DesignError(f"leave_one_out: there is no {which} practice with both periods; choose others")
    sheet = did_estimand(frame, *span, weight_words("practice", "ratio_of_sums", True), tuple(adjust))
    estimates = []
    for place in np.flatnonzero(wanted):
        others = np.arange(collapsed.treated.size) != place
        left, Z, names = covariates(collapsed.keep(others, "practices left out in turn"), adjust)
        problem = change_contrast(left, Z, names)
        subject = Subject(
            frame=frame,
            term=f"without {collapsed.clusters[place]}",
            estimand=sheet,
            method="difference in differences of practice values, one practice left out",
            clusters=left.clusters,
            windows=span,
            nobs=problem.y.size,
            notes=left.notes,
            losses=collapsed.losses,
        )
        made = conclude(subject, inference.infer(problem, level), level=level)
        estimates.append(replace(made, counts=replace(made.counts, names_practices=True)))
    ends = (min(estimates, key=lambda e: e.estimate), max(estimates, key=lambda e: e.estimate))
    range_ = [replace(e, term=word) for e, word in zip(ends, ("smallest", "largest"), strict=True)]
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.leave_one_out",
        title=f"{label}: the effect without each practice in turn",
        title_nl=f"{label_nl}: het effect zonder telkens één praktijk",
        estimates=(*range_, *estimates),
    )
