"""Every defensible combination of choices, as a curve: what hangs on them and what does not."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.choices import PRIMARY, term_of
from pluseval.estimate.conclude import require_inference, require_level
from pluseval.estimate.did import did
from pluseval.estimate.gee_model import gee_did
from pluseval.estimate.imputation import imputation_did
from pluseval.estimate.inference import Inference
from pluseval.estimate.inference_resampling import Permutation
from pluseval.estimate.mixed_model import mixed_did
from pluseval.estimate.require import as_pairs
from pluseval.estimate.result import Estimate, EstimateSet
from pluseval.estimate.staggered import staggered_did
from pluseval.estimate.sun_abraham import sun_abraham

Windows = tuple[tuple[int, int], tuple[int, int]]
DIMENSIONS = ("estimator", "window", "covariates", "weight", "inference")
ESTIMATORS = {
    "did": "difference in differences",
    "mixed": "mixed model",
    "gee": "GEE",
    "callaway_santanna": "Callaway-Sant'Anna",
    "imputation": "imputation",
    "sun_abraham": "Sun-Abraham",
}


@dataclass(frozen=True)
class _Specification:
    """One combination of choices in words, and how to ask for it."""

    choices: tuple[str, ...]
    ask: Callable[[], Estimate]

    @property
    def term(self) -> str:
        """The choices as "estimator: imputation; window: ...", which the figure reads back."""
        return term_of(dict(zip(DIMENSIONS, self.choices, strict=True)))


def specification_curve(
    frame: AnalysisFrame,
    *,
    windows: Sequence[Sequence[Sequence[int]]],
    inferences: Mapping[str, Inference],
    covariates: Sequence[Sequence[str]] = ((),),
    weights: Sequence[str] = ("practice", "exposure"),
    estimators: Sequence[str] = ("did",),
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The effect under every combination of the choices given; the first of each makes the primary one.

    A single specification can be picked for its result; the curve shows all of them, sorted by the figure.
    It is a picture of the choices, no test: the specifications share their data. Combinations that a
    procedure does not hold for are counted with their reason in the notes of the first estimate.

    Parameters
    ----------
    frame : AnalysisFrame
    windows : sequence of ((first, last), (first, last))
        For ``did``, ``mixed`` and ``gee``.
    inferences : mapping of str to Inference
        For ``did``, by the name that the curve shows. The staggered estimators take a permutation among them
        and otherwise come with their own errors.
    covariates : sequence of sequences of str
        For ``did``, ``mixed`` and ``gee``; an empty one is none.
    weights : sequence of {"practice", "exposure"}
        For ``did``.
    estimators : sequence of str
        From ``did``, ``mixed`` and ``gee`` (on persons' rows), ``callaway_santanna``, ``imputation`` and
        ``sun_abraham`` (on all periods within the outermost years of the windows).
    level : float
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        ``display="specification"``. Each term records its choices as ``estimator: GEE; window: 2015 v 2018;
        covariates: none; weight: row; inference: Mancl-DeRouen``; the primary one comes first and ends in
        "(primary)".

    Raises
    ------
    DesignError
        An unknown or empty choice, or if the primary specification is refused.

    References
    ----------
    Simonsohn, Simmons and Nelson (2020), doi:10.1038/s41562-020-0912-z.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> from pluseval.estimate.inference import OLS, ClusterRobust
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"practice": np.tile(np.arange(12), 3),
    ...                      "year": np.repeat([2017, 2018, 2019], 12)})
    >>> data["entry"] = np.where(data["practice"] < 5, 2018, 0)
    >>> data["pct"] = rng.normal(30, 2, 36)
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct)
    >>> spans = [((2017, 2017), (2018, 2019)), ((2017, 2017), (2018, 2018))]
    >>> curve = specification_curve(frame, windows=spans,
    ...                             inferences={"pooled t": OLS(), "CR2": ClusterRobust()})
    >>> len(curve), curve.estimates[0].term[-19:]
    (6, ' pooled t (primary)')
    """
    require_level(level, "specification_curve")
    spans = [as_pairs(span, "specification_curve: each of windows") for span in windows]
    given = [((one,) if isinstance(one, str) else tuple(one)) for one in covariates]
    for what, values in (
        ("windows", spans), ("inferences", inferences), ("covariates", given), ("weights", weights),
        ("estimators", estimators),
    ):  # fmt: skip
        if not len(values):
            raise DesignError(f"specification_curve: {what} is empty; give at least the primary choice")
    unknown = [e for e in estimators if e not in ESTIMATORS]
    if unknown:
        raise DesignError(
            f"specification_curve: estimator {unknown[0]!r} is unknown; use {', '.join(ESTIMATORS)}"
        )
    for inference in inferences.values():
        require_inference(inference, "specification_curve")
    asked = {"windows": spans, "inferences": inferences, "covariates": given, "weights": list(weights)}
    specifications = [s for e in estimators for s in _specifications(frame, e, asked, level)]
    found: list[Estimate] = []
    refused: Counter[str] = Counter()
    for place, one in enumerate(specifications):
        try:
            estimate = one.ask()
        except DesignError as reason:
            if place == 0:
                raise
            refused[str(reason)] += 1
            continue
        found.append(replace(estimate, term=one.term + (PRIMARY if place == 0 else ""), at=None))
    found[0] = replace(found[0], notes=(*found[0].notes, *_summary(found, refused)))
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.specification",
        title=f"{label}: one effect under {len(found)} specifications",
        title_nl=f"{label_nl}: één effect volgens {len(found)} specificaties",
        estimates=tuple(found),
        display="specification",
    )


def _specifications(
    frame: AnalysisFrame, estimator: str, asked: dict[str, Any], level: float
) -> list[_Specification]:
    """Every combination for one estimator; choices that do not concern it are not multiplied."""
    if estimator == "did":
        every = itertools.product(
            asked["windows"], asked["covariates"], asked["weights"], asked["inferences"].items()
        )
        return [
            _Specification(
                (ESTIMATORS["did"], _span(span), _given(names), weight, called),
                _ask(
                    did, frame, windows=span, adjust=names, weights=weight, inference=inference, level=level
                ),
            )
            for span, names, weight, (called, inference) in every
        ]
    if estimator in ("mixed", "gee"):
        models: dict[str, tuple[Callable, dict[str, str]]] = (
            {"Kenward-Roger": (mixed_did, {}), "mixed, CR2": (mixed_did, {"method": "cr2"})}
            if estimator == "mixed"
            else {"Mancl-DeRouen": (gee_did, {})}
        )
        weight = "variances" if estimator == "mixed" else "row"
        return [
            _Specification(
                (ESTIMATORS[estimator], _span(span), _given(names), weight, called),
                _ask(function, frame, windows=span, adjust=names, level=level, **more),
            )
            for span, names, (called, (function, more)) in itertools.product(
                asked["windows"], asked["covariates"], models.items()
            )
        ]
    return _staggered(frame, estimator, asked, level)


def _staggered(
    frame: AnalysisFrame, estimator: str, asked: dict[str, Any], level: float
) -> list[_Specification]:
    first = min(before[0] for before, _ in asked["windows"])
    last = max(after[1] for _, after in asked["windows"])
    within = frame.between(first, last)
    window = f"{first}-{last}"
    if estimator == "sun_abraham":
        ask = _ask(sun_abraham, within, level=level)
        return [
            _Specification((ESTIMATORS[estimator], window, "none", "practice", "CR2"), lambda: ask().overall)
        ]
    function = staggered_did if estimator == "callaway_santanna" else imputation_did
    own: dict[str, Inference | None] = {
        called: inference
        for called, inference in asked["inferences"].items()
        if isinstance(inference, Permutation)
    }
    return [
        _Specification(
            (ESTIMATORS[estimator], window, "none", "practice", called),
            _overall(function, within, inference, level),
        )
        for called, inference in (own or {"analytic": None}).items()
    ]


def _ask(function: Callable, frame: AnalysisFrame, **choices: Any) -> Callable:
    return lambda: function(frame, **choices)


def _overall(
    function: Callable, frame: AnalysisFrame, inference: Inference | None, level: float
) -> Callable[[], Estimate]:
    return lambda: function(frame, inference=inference, level=level).overall


def _span(span: Windows) -> str:
    sides = [f"{a}" if a == b else f"{a}-{b}" for a, b in span]
    return " v ".join(sides)


def _given(names: Sequence[str]) -> str:
    return " + ".join(names) or "none"


def _summary(found: list[Estimate], refused: Counter) -> list[str]:
    """What the curve says as a whole, and what was refused."""
    values = np.array([e.estimate for e in found])
    sign = np.sign(values[0])
    away = sum(1 for e in found if e.conf_low > e.null or e.conf_high < e.null)
    same, middle = int(np.sum(np.sign(values) == sign)), float(np.median(values))
    lines = [
        f"{same} of {values.size} specifications have the sign of the primary one; {away} have an interval "
        f"without zero; median {middle:.{found[0].measure.decimals}f}"
    ]
    return lines + [f"{count} not shown: {reason}" for reason, count in refused.items()]
