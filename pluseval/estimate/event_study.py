"""Changes between programme and comparison practices over all periods: event study, adjacent years."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Window, collapse, covariates
from pluseval.estimate.conclude import Subject, conclude, require_inference, require_level, weight_words
from pluseval.estimate.did import change_contrast, did_estimand
from pluseval.estimate.inference import Inference, JointInference
from pluseval.estimate.problem import Changes
from pluseval.estimate.require import without
from pluseval.estimate.result import Estimate, EstimateSet, JointTest


def event_study(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    reference: int = 2015,
    exclude: Sequence[int] = (),
    adjust: Sequence[str] = (),
    joint: JointInference | None = None,
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The difference in differences of every period against a reference period, with a pre-trend test.

    Each estimate is :func:`did` between ``reference`` and that period: after the start the effect, before it
    a check of parallel trends, which can only fail to reject them. Without covariates on a balanced panel the
    estimates equal the coefficients of group x period indicators with practice and period effects.

    Parameters
    ----------
    frame : AnalysisFrame
    inference : Inference
    reference : int
        The period all others are compared with, the last one before the start.
    exclude : sequence of int
        Periods to leave out (a transition year, a COVID year).
    adjust : sequence of str
        Practice columns, as in :func:`did`.
    joint : inference with ``joint``, optional
        For the pre-trend test; the inference's own by default (Hotelling's T-squared, the largest t of a
        permutation, Wald's statistic of a wild bootstrap), none where it has none. Practices with every
        period before the start take part.
    level : float
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        One estimate per period (``at`` is the period); ``joint`` holds the pre-trend test where there are
        earlier periods than the reference.

    Raises
    ------
    DesignError
        A reference period that is absent or after the first start, or what :func:`did` refuses.

    References
    ----------
    Estimates equal R's ``fixest::feols(y ~ i(year, treated, ref) | practice + year)`` on balanced panels.
    """
    require_inference(inference, "event_study")
    require_level(level, "event_study")
    periods = without(frame.periods, exclude, "event_study")
    if reference not in periods:
        raise DesignError(
            f"event_study: reference={reference} is not among the periods {', '.join(map(str, periods))}; "
            "choose one of them"
        )
    first_entry = _first_entry(frame)
    if reference >= first_entry:
        raise DesignError(
            f"event_study: reference={reference} is not before the first start ({first_entry:g}); "
            "compare any two periods with did"
        )
    others = [p for p in periods if p != reference]
    if not others:
        raise DesignError("event_study needs 2 periods, found 1; nothing to compare the reference with")
    estimates = [
        _contrast(frame, reference, p, inference, adjust, level=level, term=str(p), at=p) for p in others
    ]
    before = [p for p in others if p < first_entry]
    tests = _joint(frame, before, reference, adjust, joint or inference, f"pre-trend before {first_entry:g}")
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.event_study",
        title=f"{label}: change since {reference}, programme minus comparison",
        title_nl=f"{label_nl}: verandering sinds {reference}, PlusPraktijken min overige",
        estimates=tuple(estimates),
        joint=tests,
        display="event_study",
    )


def adjacent_changes(
    frame: AnalysisFrame,
    *,
    inference: Inference,
    joint: JointInference | None = None,
    adjust: Sequence[str] = (),
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The difference in differences of every pair of adjacent periods, with one test over all of them.

    A change that was picked because it looked large is judged beside the others: the chance that *some*
    adjacent change reaches its size is the joint p-value, by default of the inference itself. ``MaxT(draws,
    seed)`` takes the largest statistic over a common permutation of practices.

    Parameters
    ----------
    frame : AnalysisFrame
    inference : Inference
    joint : inference with ``joint``, optional
        ``MaxT(draws=9_999, seed=...)``. Practices with every period take part.
    adjust, level, name
        As in :func:`event_study`.

    Returns
    -------
    EstimateSet
        One estimate per pair (``at`` is the later period) and the joint test.

    Raises
    ------
    DesignError
        Fewer than two periods, or what :func:`did` refuses.
    """
    require_inference(inference, "adjacent_changes")
    require_level(level, "adjacent_changes")
    periods = frame.periods
    if len(periods) < 2:
        raise DesignError(f"adjacent_changes needs 2 periods or more, found 1 ({periods[0]})")
    pairs = list(itertools.pairwise(periods))
    estimates = [
        _contrast(frame, a, b, inference, adjust, level=level, term=f"{a} -> {b}", at=b) for a, b in pairs
    ]
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.adjacent",
        title=f"{label}: every change between adjacent periods, programme minus comparison",
        title_nl=f"{label_nl}: elke verandering tussen opeenvolgende perioden, PlusPraktijken min overige",
        estimates=tuple(estimates),
        joint=_joint(frame, list(periods), None, adjust, joint or inference, "any adjacent change"),
    )


def _first_entry(frame: AnalysisFrame) -> float:
    entry = frame.cells["entry"].min()
    if np.isnan(entry):
        raise DesignError(
            "no practice of the frame ever joined the programme (entry is missing for all); check entry"
        )
    return float(entry)


def _contrast(
    frame: AnalysisFrame,
    a: int,
    b: int,
    inference: Inference,
    adjust: Sequence[str],
    *,
    level: float,
    term: str,
    at: int,
) -> Estimate:
    base, other = Window(a, a), Window(b, b)
    collapsed, Z, names = covariates(collapse(frame, (base, other)), adjust)
    problem = change_contrast(collapsed, Z, names)
    subject = Subject(
        frame=frame,
        term=term,
        estimand=did_estimand(frame, base, other, weight_words("practice", "ratio_of_sums", False), names),
        method="difference in differences of practice values",
        clusters=collapsed.clusters,
        windows=(base, other),
        nobs=problem.y.size,
        at=float(at),
        notes=collapsed.notes,
        losses=collapsed.losses,
    )
    return conclude(subject, inference.infer(problem, level), level=level)


def _joint(
    frame: AnalysisFrame,
    periods: list[int],
    reference: int | None,
    adjust: Sequence[str],
    joint: object,
    name: str,
) -> tuple[JointTest, ...]:
    """One test over changes since the reference, or over adjacent changes where there is none."""
    if not isinstance(joint, JointInference) or len(periods) < (1 if reference is not None else 3):
        return ()
    wanted = [reference, *periods] if reference is not None else periods
    collapsed, Z, _ = covariates(collapse(frame, [Window(p, p) for p in wanted]), adjust)
    if reference is not None:
        y, terms = collapsed.values[:, 1:] - collapsed.values[:, :1], tuple(map(str, periods))
    else:
        y = np.diff(collapsed.values, axis=1)
        terms = tuple(f"{a} -> {b}" for a, b in itertools.pairwise(periods))
    fixed = np.concatenate([np.ones((collapsed.clusters.size, 1)), Z], axis=1)
    return (joint.joint(Changes(y, collapsed.treated, fixed, terms, collapsed.columns), name),)
