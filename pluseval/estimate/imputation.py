"""Effects of a staggered start by imputing what practices would have shown without it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Window
from pluseval.estimate.conclude import conclude, require_level
from pluseval.estimate.inference import Inferred, from_t
from pluseval.estimate.inference_resampling import Permutation
from pluseval.estimate.panel import Panel, complete_panel, event_windows, panel_subject
from pluseval.estimate.permuted import from_permutation, how_many
from pluseval.estimate.problem import require_groups
from pluseval.estimate.result import Estimate, EstimateSet
from pluseval.estimate.strata import strata_of, within_words
from pluseval.numerics.imputation import imputation_att
from pluseval.numerics.staggered_permutation import staggered_permutation_test

METHOD = "imputation (Borusyak, Jaravel and Spiess)"
ASSUMES = "without the programme every practice would have followed its own level plus the common course"


def imputation_did(
    frame: AnalysisFrame,
    *,
    inference: Permutation | None = None,
    transition: int = 0,
    exclude: Sequence[int] = (),
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The effect overall, by time since joining and by cohort, against imputed outcomes.

    Estimand: the mean effect on the practices that joined, over their periods since joining, if without the
    programme each practice's outcome were its own level plus a course common to all, in every period before
    it joined too (stronger than parallel trends from the last period, and more precise where it holds).

    Parameters
    ----------
    frame : AnalysisFrame
    inference : Permutation, optional
        For ``overall``: entry dates are dealt out anew with their counts fixed. Everything else, and
        ``overall`` without it, carries the analytic standard error with a normal distribution, which rejects
        too often with few programme practices (8 to 12 % instead of 5 %): never a primary result.
    transition : int
        Periods from joining that are left out of every average: 1 where the first year was only partly
        treated.
    exclude : sequence of int
        Periods left out for all.
    level : float
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        ``["overall"]``, events (``at`` is the period since joining) and cohorts.

    Raises
    ------
    DesignError
        An inference that cannot reassign entries, a group with fewer than two practices, no period before
        joining, nobody who did not join, or changes that do not vary.

    References
    ----------
    Borusyak, Jaravel and Spiess (2024), doi:10.1093/restud/rdae007. Equals R's
    ``didimputation::did_imputation``.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> data = pd.DataFrame({"practice": list("ABCDEF") * 3, "year": [1] * 6 + [2] * 6 + [3] * 6,
    ...                      "entry": [2, 2, 3, 0, 0, 0] * 3,
    ...                      "pct": [30, 31, 32, 33, 34, 35, 29, 30, 32, 33, 34, 36, 29, 31, 30, 33, 35,
    ...                              36.0]})
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct)
    >>> round(imputation_did(frame).overall.estimate, 3)
    -1.45
    """
    require_level(level, "imputation_did")
    if inference is not None and not isinstance(inference, Permutation):
        raise DesignError(
            f"imputation_did: inference is {inference!r}; use Permutation(...), or none for the analytic "
            "error"
        )
    if transition < 0:
        raise DesignError(f"imputation_did: transition is {transition}; it is 0 or more")
    panel = complete_panel(frame, exclude=exclude, asked_by="imputation_did")
    require_groups(panel.entry > 0)
    arrays: dict[str, Any] = {"entry": panel.entry, "periods": panel.periods, "transition": transition}
    overall = imputation_att(panel.y, **arrays)
    first = _overall(panel, inference, transition, level) or _normal(overall.att[0], overall.se[0], level)
    estimates = [_concluded(panel, "overall", first, transition, level)]
    for by, word in (("event_time", "event"), ("cohort", "cohort")):
        found = imputation_att(panel.y, by=by, **arrays)
        estimates += [
            _concluded(panel, f"{word} {key:g}", _normal(att, se, level), transition, level)
            for key, att, se in zip(found.key, found.att, found.se, strict=True)
            if math.isfinite(se) and se > 0
        ]
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.imputation",
        title=f"{label}: effect by time since joining, imputed",
        title_nl=f"{label_nl}: effect naar tijd sinds de start, geïmputeerd",
        estimates=tuple(estimates),
        display="event_study",
    )


def _normal(att: float, se: float, level: float) -> Inferred:
    if not (math.isfinite(se) and se > 0):
        raise DesignError("imputation_did: changes do not vary within the cohorts; check the outcome")
    return from_t(
        float(att), float(se), math.inf, level=level, convention="imputation, analytic standard error, normal"
    )


def _overall(panel: Panel, inference: Permutation | None, transition: int, level: float) -> Inferred | None:
    if inference is None:
        return None
    named = inference.strata
    strata = None if named is None else strata_of(panel.columns, named, inference.groups)
    found = staggered_permutation_test(
        panel.y,
        entry=panel.entry,
        periods=panel.periods,
        estimator="imputation",
        transition=transition,
        statistic=inference.statistic,
        strata=strata,
        draws=inference.draws,
        seed=inference.seed,
        alpha=1 - level,
    )
    within = within_words(panel.columns, named, inference.groups)
    halves = ", equal tails" if inference.tails == "equal" else ""
    words = (
        f"permutation of the {inference.statistic} imputed effect, entries reassigned{within}{halves}, "
        f"{how_many(found, inference.seed)}"
    )
    return from_permutation(found, level, words, tails=inference.tails)


def _concluded(panel: Panel, term: str, inferred: Inferred, transition: int, level: float) -> Estimate:
    kind, _, key = term.partition(" ")
    cohorts, windows, at = panel.cohorts, None, None
    if kind == "event":
        at = float(key)
        windows, cohorts = event_windows(panel, at)
    elif kind == "cohort":
        cohorts = np.array([float(key)])
        own = panel.periods[panel.periods >= cohorts[0]]
        earlier = panel.periods[panel.periods < cohorts[0]]
        windows = (Window(int(earlier[0]), int(earlier[-1])), Window(int(own[0]), int(own[-1])))
    left = f"; the first {transition} period(s) from joining left out" if transition else ""
    subject = panel_subject(
        panel,
        term=term,
        method=METHOD,
        assumption=ASSUMES,
        contrast=f"{term}: outcome minus what the untreated periods predict{left}",
        weight="every practice and period since joining counts equally",
        cohorts=cohorts,
        windows=windows,
        at=at,
    )
    return conclude(subject, inferred, level=level)
