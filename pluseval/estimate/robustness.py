"""One effect under several procedures side by side, the pre-specified one marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.choices import PRIMARY
from pluseval.estimate.collapse import collapse, covariates, two_windows
from pluseval.estimate.conclude import require_inference, require_level
from pluseval.estimate.content_seed import content_seed
from pluseval.estimate.did import change_contrast, did
from pluseval.estimate.gee_model import gee_did
from pluseval.estimate.inference import OLS, ClusterRobust, Inference, Welch
from pluseval.estimate.inference_resampling import Permutation, WildBootstrap
from pluseval.estimate.mixed_model import mixed_did
from pluseval.estimate.require import require_seed
from pluseval.estimate.result import Estimate, EstimateSet
from pluseval.numerics.cluster import cluster_cov
from pluseval.numerics.linear import fit

WEBB_BELOW = 12  # practices: fewer have too few different Rademacher signs


@dataclass(frozen=True)
class _Procedure:
    """A name, and how to ask for the effect; those that go by :func:`did` say with which choices."""

    term: str
    ask: Callable[[], Estimate]
    inference: Inference | None = None
    adjust: tuple[str, ...] = ()


def robustness(
    frame: AnalysisFrame,
    *,
    seed: int | None = None,
    periods: Sequence[int] | None = None,
    windows: Sequence[Sequence[int]] | None = None,
    primary: Inference | None = None,
    adjust: Sequence[str] = (),
    size: str = "list_size",
    draws: int = 9_999,
    full: bool = False,
    margin: float | None = None,
    level: float = 0.95,
    name: str | None = None,
) -> EstimateSet:
    """The difference in differences under about six procedures, or with ``full=True`` under all that hold.

    With few programme practices procedures differ, and which one is reported must not depend on what it says:
    the pre-specified one comes first and is marked, the others show what hangs on that choice. A procedure
    that does not hold for the design is named with its reason, not dropped in silence.

    Parameters
    ----------
    frame : AnalysisFrame
    seed : int, optional
        Of every procedure that draws. By default made from the values of the frame: the same data give the
        same draws, and nobody can pick a seed for its result.
    periods, windows : optional
        As for :func:`pluseval.estimate.did.did`. With neither, a frame of more than two periods compares all
        periods before the first practice joined with all from the period in which the last one joined; the
        periods of the roll-out between them are left out, and the estimand says so.
    margin, level
        As for :func:`pluseval.estimate.did.did`.
    primary : Inference, optional
        The pre-specified one, with ``adjust``. A procedure of the same kind takes its place in the list.
    adjust : sequence of str
        Covariates of every procedure that takes them (Welch's t does not).
    size : str
        Practice column with list sizes, for strata and as covariate.
    draws : int
    full : bool
        Also CR1, CR3, unrestricted bootstrap, permutations without strata and of the coefficient, weights by
        exposure, and models of persons where the rows are persons'.
    name : str, optional
        Name of the set; made from the measure by default.

    Returns
    -------
    EstimateSet
        The primary one first, its term ends in "(primary)"; each with its degrees of freedom and, in its
        notes, the effective number of practices (Carter, Schnepel and Steigerwald). The notes of the first
        estimate name what was refused, and why.

    Raises
    ------
    DesignError
        If the primary procedure, or every procedure, refuses the design, or if no periods are named and the
        frame has none before the first or from the last entry on.

    References
    ----------
    MacKinnon, Nielsen and Webb (2023), doi:10.1016/j.jeconom.2022.04.001.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"practice": np.tile(np.arange(30), 2), "year": np.repeat([2018, 2019], 30)})
    >>> data["entry"] = np.where(data["practice"] < 9, 2016, 0)
    >>> data["list_size"] = np.tile(rng.integers(2000, 7000, 30), 2)
    >>> data["pct"] = rng.normal(30, 2, 60)
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct, covariates=["list_size"])
    >>> found = robustness(frame, draws=499, primary=Welch())
    >>> found.estimates[0].term, len(found)
    ('Welch t (primary)', 6)
    """
    require_level(level, "robustness")
    chosen = None
    if periods is None and windows is None:
        chosen = windows = _around_entries(frame)
    if seed is None:
        seed = content_seed(frame)
    require_seed(seed, "robustness")
    asked = {"periods": periods, "windows": windows, "margin": margin, "level": level}
    adjust = (adjust,) if isinstance(adjust, str) else tuple(adjust)
    two_windows(frame, periods, windows, asked_by="robustness")
    procedures = _procedures(frame, asked, adjust, size, draws, seed)
    if full:
        procedures += _further(frame, asked, adjust, draws, seed)
    if primary is not None:
        require_inference(primary, "robustness")
        procedures = _marked(frame, procedures, primary, adjust, asked)
    found, refused = [], []
    for procedure in procedures:
        try:
            estimate = procedure.ask()
        except DesignError as reason:
            if procedure.term.endswith(PRIMARY):
                raise
            refused.append(f"not shown: {procedure.term}: {reason}")
            continue
        if chosen is not None:
            estimate = _said(estimate)
        note = _effective(frame, asked, procedure)
        found.append(replace(estimate, term=procedure.term, notes=(*estimate.notes, *note)))
    if not found:
        raise DesignError(f"robustness: no procedure holds for this design; {'; '.join(refused)}")
    found[0] = replace(found[0], notes=(*found[0].notes, *refused))
    label, label_nl = frame.measure.label, frame.measure.label_nl
    return EstimateSet(
        name=name or f"{frame.measure.key}.robustness",
        title=f"{label}: one effect under {len(found)} procedures",
        title_nl=f"{label_nl}: één effect volgens {len(found)} procedures",
        estimates=tuple(found),
    )


def _around_entries(frame: AnalysisFrame) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """All periods before the first entry, and all from the last one on; None where there are none."""
    entries = frame.cells["entry"].dropna()
    if len(frame.periods) <= 2 or entries.empty:
        return None
    before = [p for p in frame.periods if p < entries.min()]
    after = [p for p in frame.periods if p >= entries.max()]
    return ((before[0], before[-1]), (after[0], after[-1])) if before and after else None


def _said(estimate: Estimate) -> Estimate:
    """The estimate with the windows that nobody named in its estimand."""
    words = "all periods before the first practice joined against all from the last one's joining on"
    estimand = replace(estimate.estimand, contrast=f"{estimate.estimand.contrast}; {words}")
    return replace(estimate, estimand=estimand)


def _by_did(
    frame: AnalysisFrame,
    term: str,
    inference: Inference,
    adjust: tuple[str, ...],
    asked: dict[str, Any],
    **more: Any,
) -> _Procedure:
    return _Procedure(
        term, lambda: did(frame, inference=inference, adjust=adjust, **asked, **more), inference, adjust
    )


def _procedures(
    frame: AnalysisFrame, asked: dict[str, Any], adjust: tuple[str, ...], size: str, draws: int, seed: int
) -> list[_Procedure]:
    """Those that are always shown."""
    few = frame.treated.size < WEBB_BELOW
    tertiles = Permutation(draws=draws, seed=seed, strata=size)
    log_size = f"log({size})"
    without = tuple(one for one in adjust if one != log_size)
    wild = WildBootstrap(draws=draws, seed=seed, weights="webb" if few else "rademacher")
    listed: list[tuple[str, Inference, tuple[str, ...]]] = [
        ("pooled t", OLS(), adjust),
        ("Welch t, unadjusted" if adjust else "Welch t", Welch(), ()),
        ("CR2, Bell-McCaffrey", ClusterRobust("CR2"), adjust),
        ("permutation within list-size tertiles", tertiles, without),
        ("permutation within list-size tertiles, given log list size", tertiles, (*without, log_size)),
        (f"wild bootstrap, restricted, {'Webb' if few else 'Rademacher'}", wild, adjust),
    ]
    return [_by_did(frame, term, inference, how, asked) for term, inference, how in listed]


def _further(
    frame: AnalysisFrame, asked: dict[str, Any], adjust: tuple[str, ...], draws: int, seed: int
) -> list[_Procedure]:
    """Those that ``full`` adds."""
    listed: list[tuple[str, Inference, dict[str, Any]]] = [
        ("CR1, t(G-1)", ClusterRobust("CR1", df="clusters"), {}),
        ("CR3, Bell-McCaffrey", ClusterRobust("CR3"), {}),
        ("permutation without strata", Permutation(draws=draws, seed=seed), {}),
        ("permutation of the coefficient", Permutation(draws=draws, seed=seed, statistic="coefficient"), {}),
        ("wild bootstrap, unrestricted, Webb",
         WildBootstrap(draws=draws, seed=seed, weights="webb", restricted=False), {}),
        ("practices by exposure, CR2", ClusterRobust("CR2"), {"weights": "exposure"}),
    ]  # fmt: skip
    made = [_by_did(frame, term, inference, adjust, asked, **more) for term, inference, more in listed]
    if frame.unit == "person":
        model = {**asked, "adjust": adjust}
        made += [
            _Procedure(
                "mixed model, Kenward-Roger", lambda: mixed_did(frame, method="kenward_roger", **model)
            ),
            _Procedure(
                "mixed model, Satterthwaite", lambda: mixed_did(frame, method="satterthwaite", **model)
            ),
            _Procedure("mixed model, CR2", lambda: mixed_did(frame, method="cr2", **model)),
            _Procedure("GEE, Mancl-DeRouen", lambda: gee_did(frame, **model)),
            _Procedure(
                "GEE, Kauermann-Carroll", lambda: gee_did(frame, correction="kauermann_carroll", **model)
            ),
        ]
    return made


def _marked(
    frame: AnalysisFrame,
    procedures: list[_Procedure],
    primary: Inference,
    adjust: tuple[str, ...],
    asked: dict[str, Any],
) -> list[_Procedure]:
    """The list with the pre-specified procedure first, in the place of the one of its kind."""
    for one in procedures:
        if (
            one.inference is not None
            and sorted(one.adjust) == sorted(adjust)
            and same_kind(one.inference, primary)
        ):
            others = [p for p in procedures if p is not one]
            return [_by_did(frame, one.term + PRIMARY, primary, adjust, asked), *others]
    return [_by_did(frame, type(primary).__name__ + PRIMARY, primary, adjust, asked), *procedures]


def same_kind(one: Inference, other: Inference) -> bool:
    """Whether two inferences are the same procedure, whatever their draws and seed.

    Examples
    --------
    >>> same_kind(Permutation(draws=99, seed=1), Permutation(draws=999, seed=2))
    True
    """
    if type(one) is not type(other):
        return False
    plain = [f.name for f in fields(one) if f.name not in ("draws", "seed")]  # type: ignore[arg-type]
    return all(getattr(one, name) == getattr(other, name) for name in plain)


def _effective(frame: AnalysisFrame, asked: dict[str, Any], procedure: _Procedure) -> tuple[str, ...]:
    """The effective number of practices of the design on changes, in words."""
    windows = two_windows(frame, asked["periods"], asked["windows"])
    collapsed, Z, names = covariates(collapse(frame, windows), procedure.adjust)
    problem = change_contrast(collapsed, Z, names)
    made = fit(problem.y, problem.X)
    effective = cluster_cov(made, problem.cluster).effective_clusters(made.n_coef - 1)
    programme = int(np.sum(problem.treated))
    everyone = f"{problem.n_clusters} ({programme} in the programme)"
    return (f"effective number of practices {effective:.1f} of {everyone}",)
