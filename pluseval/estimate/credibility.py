"""The same estimator where no effect can be: placebo periods, placebo outcomes, other baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Window
from pluseval.estimate.conclude import require_inference
from pluseval.estimate.did import did
from pluseval.estimate.inference import Inference
from pluseval.estimate.require import as_pair, as_pairs
from pluseval.estimate.result import Estimate, EstimateSet

Pair = tuple[int, int]


def placebo_periods(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    adjust: Sequence[str] = (),
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The difference in differences at every start that could be pretended before the real one.

    Only periods before the first start are used: the years before a pretended start against those from it
    on. If the groups ran parallel, each is zero but for chance; they share their data.

    Parameters
    ----------
    frame : AnalysisFrame
    inference, adjust, level
        As for :func:`pluseval.estimate.did.did`.
    name : str, optional
        Name of the set; made from the measure by default.

    Raises
    ------
    DesignError
        Fewer than two periods before the first start, or what :func:`pluseval.estimate.did.did` refuses.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> from pluseval.estimate.inference import Welch
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"practice": np.repeat(np.arange(9), 4),
    ...                      "year": np.tile(np.arange(2013, 2017), 9)})
    >>> data["entry"] = np.where(data["practice"] < 4, 2016, 0)
    >>> data["pct"] = rng.normal(30, 1, 36)
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct)
    >>> [e.term for e in placebo_periods(frame, inference=Welch())]
    ['pretended start 2014', 'pretended start 2015']
    """
    require_inference(inference, "placebo_periods")
    entry = frame.cells["entry"].min()
    if np.isnan(entry):
        raise DesignError(
            "placebo_periods: no practice of the frame ever joined (entry is missing for all); check entry"
        )
    before = [p for p in frame.periods if p < entry]
    if len(before) < 2:
        raise DesignError(
            f"placebo_periods needs 2 periods before the first start ({entry:g}), found {len(before)}"
        )
    early = frame.between(before[0], before[-1])
    estimates = []
    for start in before[1:]:
        windows = ((before[0], before[before.index(start) - 1]), (start, before[-1]))
        found = did(early, inference=inference, windows=windows, adjust=adjust, level=level)
        estimates.append(
            _checked(
                found, f"pretended start {start}", "both groups ran parallel before the start: it is zero"
            )
        )
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.placebo_periods",
        title=f"{label}: pretended starts before the real one",
        title_nl=f"{label_nl}: voorgewende starts vóór de echte",
        estimates=tuple(estimates),
    )


def placebo_outcomes(
    frames: Mapping[str, AnalysisFrame],
    *,
    inference: Inference,
    periods: Pair | None = None,
    windows: tuple[Pair, Pair] | None = None,
    adjust: Sequence[str] = (),
    level: float = 0.95,
    name: str = "placebo_outcomes",
) -> EstimateSet:
    """The difference in differences of outcomes that the programme cannot have changed.

    Parameters
    ----------
    frames : mapping of str to AnalysisFrame
        By the name to show. Which outcomes the programme leaves alone is the user's claim.
    inference, periods, windows, adjust, level
        As for :func:`pluseval.estimate.did.did`.
    name : str

    Raises
    ------
    DesignError
        No frame, or what :func:`pluseval.estimate.did.did` refuses.
    """
    require_inference(inference, "placebo_outcomes")
    if not frames:
        raise DesignError("placebo_outcomes: give at least one frame by name, as {'dental cost': frame}")
    asked: dict[str, Any] = {
        "inference": inference,
        "periods": periods,
        "windows": windows,
        "adjust": adjust,
        "level": level,
    }
    estimates = [
        _checked(did(frame, **asked), called, "the programme cannot change this outcome: it is zero")
        for called, frame in frames.items()
    ]
    return EstimateSet(
        name=name,
        title="Outcomes that the programme cannot have changed",
        title_nl="Uitkomsten die het programma niet kan hebben veranderd",
        estimates=tuple(estimates),
    )


def baseline_check(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    baselines: tuple[Pair, Pair] = ((2013, 2014), (2015, 2015)),
    after: Pair = (2017, 2019),
    adjust: Sequence[str] = (),
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The effect from two baselines, and the change between them: regression to the mean, or anticipation.

    Practices that join after an unusual year return to their usual level by themselves, and practices that
    expect to join may change before they do. Either way the last year before the start differs from the
    years before it more in one group than in the other, and the effect depends on the baseline.

    Parameters
    ----------
    frame : AnalysisFrame
    inference, adjust, level
        As for :func:`pluseval.estimate.did.did`.
    baselines : ((first, last), (first, last))
        The years before the start, earlier and last.
    after : (first, last)
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        The effect from each baseline, and the difference in differences from the one to the other.

    Raises
    ------
    DesignError
        What :func:`pluseval.estimate.did.did` refuses.
    """
    require_inference(inference, "baseline_check")
    early, last = (Window(*pair) for pair in as_pairs(baselines, "baseline_check: baselines"))
    after = as_pair(after, "baseline_check: after")
    asked: dict[str, Any] = {"inference": inference, "adjust": adjust, "level": level}
    pairs = {w: (w.first, w.last) for w in (early, last)}
    estimates = [
        replace(did(frame, windows=(pairs[w], after), **asked), term=f"baseline {w}") for w in (early, last)
    ]
    between = did(frame, windows=(pairs[early], pairs[last]), **asked)
    claim = "no regression to the mean and no anticipation: it is zero"
    estimates.append(_checked(between, f"{early} -> {last}, before the start", claim))
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.baselines",
        title=f"{label}: the effect from two baselines",
        title_nl=f"{label_nl}: het effect vanaf twee beginperioden",
        estimates=tuple(estimates),
    )


def _checked(estimate: Estimate, term: str, assumption: str) -> Estimate:
    sheet = replace(estimate.estimand, assumption=assumption)
    return replace(estimate, term=term, estimand=sheet)
