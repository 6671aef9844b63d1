"""Every change between adjacent periods, each adjusted for having looked at all of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Window, collapse, covariates
from pluseval.estimate.conclude import Subject, conclude, require_level, weight_words
from pluseval.estimate.did import did_estimand
from pluseval.estimate.inference_max_t import MaxT
from pluseval.estimate.problem import Changes
from pluseval.estimate.result import EstimateSet


def adjacent_adjusted(
    frame: AnalysisFrame,
    *,
    inference: MaxT,
    adjust: Sequence[str] = (),
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The changes of :func:`adjacent_changes`, with p-values and intervals for whoever picked one of them.

    A change that was chosen because it looked large has a p-value of its own that is too small. Here each
    has its single-step adjusted p, the chance that *some* adjacent change is as large if there was no effect
    in any, and an interval of the band that holds all of them at once.

    Parameters
    ----------
    frame : AnalysisFrame
    inference : MaxT
    adjust : sequence of str
        Practice columns, as in :func:`did`.
    level : float
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        One estimate per pair of adjacent periods (``at`` is the later one), of practices with every period.

    Raises
    ------
    DesignError
        Fewer than three periods, an inference that is no ``MaxT``, or what :func:`did` refuses.

    References
    ----------
    Westfall and Young (1993), Resampling-based multiple testing.
    """
    if not isinstance(inference, MaxT):
        raise DesignError("adjacent_adjusted: inference is a MaxT, as MaxT(draws=9_999, seed=7)")
    require_level(level, "adjacent_adjusted")
    if len(frame.periods) < 3:
        raise DesignError(f"adjacent_adjusted needs 3 periods or more, found {len(frame.periods)}; use did")
    windows = [Window(p, p) for p in frame.periods]
    collapsed, Z, names = covariates(collapse(frame, windows), adjust)
    pairs = list(itertools.pairwise(windows))
    terms = tuple(f"{a} -> {b}" for a, b in pairs)
    fixed = np.concatenate([np.ones((collapsed.clusters.size, 1)), Z], axis=1)
    problem = Changes(np.diff(collapsed.values, axis=1), collapsed.treated, fixed, terms, collapsed.columns)
    weight = weight_words("practice", "ratio_of_sums", False)
    estimates = [
        conclude(
            Subject(
                frame=frame,
                term=term,
                estimand=did_estimand(frame, *pair, weight, names),
                method="difference in differences of practice values",
                clusters=collapsed.clusters,
                windows=pair,
                nobs=collapsed.clusters.size,
                at=float(pair[1].last),
                notes=collapsed.notes,
                losses=collapsed.losses,
            ),
            inferred,
            level=level,
        )
        for term, pair, inferred in zip(terms, pairs, inference.adjusted(problem, level), strict=True)
    ]
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.adjacent_adjusted",
        title=f"{label}: every change between adjacent periods, adjusted for looking at all",
        title_nl=f"{label_nl}: elke verandering tussen opeenvolgende perioden, gecorrigeerd voor alle samen",
        estimates=tuple(estimates),
    )
