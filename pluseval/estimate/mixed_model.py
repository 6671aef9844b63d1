"""Difference in differences from the rows of single persons, by a linear mixed model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import ROUNDING
from pluseval.estimate.conclude import Subject, require_level, require_margin
from pluseval.estimate.did import already_treated, did_estimand
from pluseval.estimate.inference import Inferred, from_t
from pluseval.estimate.model_rows import ModelRows, Time, conclude_rows, model_rows
from pluseval.estimate.result import Estimate
from pluseval.numerics.mixed import LinearMixedModel, mixed_model
from pluseval.numerics.mixed_inference import kenward_roger, satterthwaite
from pluseval.numerics.mixed_profile import profile_interval
from pluseval.numerics.mixed_robust import practice_scores
from pluseval.numerics.score_sandwich import robust_test

Method = Literal["kenward_roger", "satterthwaite", "profile", "cr2"]
METHODS = ("kenward_roger", "satterthwaite", "profile", "cr2")
_NAMES = {"practice": "practice", "practice_period": "practice x period", "patient": "patient"}


def mixed_did(
    frame: AnalysisFrame,
    *,
    periods: Sequence[int] | None = None,
    windows: Sequence[Sequence[int]] | None = None,
    method: Method = "kenward_roger",
    adjust: Sequence[str] = (),
    movers: Literal["patient_within_practice", "refuse"] = "patient_within_practice",
    serial: Literal["refuse", "independent"] = "refuse",
    time: Time = "period",
    margin: float | None = None,
    level: float = 0.95,
) -> Estimate:
    """How much more programme than comparison practices changed, from the answers of single persons.

    Estimand: the mean effect on programme practices, weighted between one per practice and one per person as
    the variances say, if without it both groups would have changed equally. The model has the group, the
    periods, group x after, and random intercepts of practice, of practice x period (a shock that the
    patients of one practice share in one period; without it the standard error is about half of what it
    should be) and of patient where patients answer more than once. Effects are normal and independent.

    Parameters
    ----------
    frame : AnalysisFrame
        One row per person and period.
    periods, windows
        As for :func:`pluseval.estimate.did.did`.
    method : {"kenward_roger", "satterthwaite", "profile", "cr2"}
        t tests from REML with Kenward and Roger's or Satterthwaite's degrees of freedom; the profile
        likelihood (ML, chi-squared: for many practices); or a CR2 sandwich over practices with
        Bell-McCaffrey degrees of freedom on top, which does not need the covariance to be right.
    adjust : sequence of str
        Columns of ``frame.practices`` or further columns of ``frame.rows`` (age).
    movers : {"patient_within_practice", "refuse"}
        A patient seen in two practices breaks the nesting: an intercept in each of them, or refused.
    serial : {"refuse", "independent"}
        With more than two periods a practice's shocks are serially correlated, which the model does not
        hold: refused unless ``method="cr2"``, or taken as independent (a sensitivity analysis, named so).
    time : {"period", "window"}
        An effect of every period, or of the later window only.
    margin, level
        As for :func:`pluseval.estimate.did.did`.

    Raises
    ------
    DesignError
        A frame of practices, more than two periods without ``method="cr2"``, fewer than two practices in a
        group, one person per practice and period, an outcome that does not vary, or collinear covariates.

    References
    ----------
    Kenward and Roger (1997), doi:10.2307/2533558. Equals R's ``lmerTest::lmer(y ~ treated + period + treated:
    after + (1 | practice) + (1 | practice:period) + (1 | patient))`` with ``ddf = "Kenward-Roger"``.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"practice": np.repeat(np.arange(12), 20),
    ...                      "wave": np.tile(np.repeat([1, 2], 10), 12)})
    >>> data["person"] = data["practice"] * 10 + np.tile(np.arange(10), 24)
    >>> data["entry"] = np.where(data["practice"] < 5, 2, 0)
    >>> data["grade"] = rng.normal(8, 1, 240) + rng.normal(0, 0.3, 12)[data["practice"]]
    >>> grade = Measure("grade", "report grade", "rapportcijfer", "points", "punten", "points", "punten",
    ...                 "higher")
    >>> frame = AnalysisFrame.from_pandas(data, unit="person", period="wave", y="grade", entry="entry",
    ...                                   cluster="practice", measure=grade)
    >>> mixed_did(frame).inference[:60]
    'linear mixed model (practice, practice x period, patient), R'
    """
    require_level(level, "mixed_did")
    require_margin(margin, "difference", "mixed_did")
    if method not in METHODS:
        raise DesignError(f"mixed_did: method is {method!r}; use one of {', '.join(METHODS)}")
    if movers not in ("patient_within_practice", "refuse") or serial not in ("refuse", "independent"):
        raise DesignError(
            f"mixed_did: movers={movers!r}, serial={serial!r}; use 'patient_within_practice' or 'refuse', "
            "and 'refuse' or 'independent'"
        )
    if frame.unit != "person":
        raise DesignError("mixed_did needs one row per person, and these are practices; use did")
    rows = model_rows(frame, periods=periods, windows=windows, adjust=adjust, time=time, asked_by="mixed_did")
    if rows.n_periods > 2 and method != "cr2" and serial == "refuse":
        raise DesignError(
            f"mixed_did: {rows.n_periods} periods, and the model has no serial correlation between a "
            "practice's periods: use did with these windows (one change per practice), two periods, or "
            "method='cr2'; serial='independent' takes them as independent"
        )
    _require_residual(rows)
    fitted = _fit(rows, movers, reml=method != "profile")
    inferred = _infer(fitted, rows, method, movers, level)
    estimand = replace(
        did_estimand(rows.frame, rows.before, rows.after, "", rows.adjusted),
        unit="person",
        weight="between one per practice and one per person, by the model's variances",
    )
    subject = Subject(
        frame=rows.frame,
        term=f"{frame.measure.label} {rows.before} -> {rows.after}",
        estimand=estimand,
        method="linear mixed model of person rows",
        clusters=rows.clusters,
        windows=(rows.before, rows.after),
        nobs=rows.y.size,
        margin=margin,
        notes=(*rows.notes, *already_treated(rows.frame, rows.before), *_notes(fitted, rows, serial, method)),
        losses=rows.losses,
    )
    return conclude_rows(subject, inferred, rows, level=level)


def _require_residual(rows: ModelRows) -> None:
    """Refuse rows that are a level of each practice and period, and of each person: no variance is left."""
    cell = np.unique(rows.practice * (rows.n_periods + 1) + np.unique(rows.period, return_inverse=True)[1],
                     return_inverse=True)[1]  # fmt: skip
    person = np.unique(rows.practice * (int(rows.unit.max()) + 1) + rows.unit, return_inverse=True)[1]
    repeated = np.unique(rows.unit).size < rows.unit.size
    left = rows.y - rows.y.mean()
    least = ROUNDING * np.abs(rows.y).max()
    for _ in range(20):  # alternating means: what neither kind of mean explains
        before = np.abs(left).max()
        for code in (cell, person) if repeated else (cell,):
            left = left - (np.bincount(code, weights=left) / np.bincount(code))[code]
        if not repeated or np.abs(left).max() > 0.9 * before:
            break
    if not np.abs(left).max() > least:
        raise DesignError(
            "mixed_did: persons of one practice and period answer alike, so that no variance is left between "
            "them; use did"
        )


def _fit(
    rows: ModelRows, movers: str, *, reml: bool, y: np.ndarray | None = None, X: np.ndarray | None = None
) -> LinearMixedModel:
    repeated = np.unique(rows.unit).size < rows.unit.size
    return mixed_model(
        rows.y if y is None else y,
        rows.X if X is None else X,
        practice=rows.practice,
        period=rows.period,
        patient=rows.unit if repeated else None,
        reml=reml,
        patient_within_practice=movers == "patient_within_practice",
    )


def _infer(fitted: LinearMixedModel, rows: ModelRows, method: str, movers: str, level: float) -> Inferred:
    effects = ", ".join(_NAMES[e] for e in reversed(fitted.effects))
    given = f", given {', '.join(rows.adjusted)}" if rows.adjusted else ""
    said = f"linear mixed model ({effects}){given}"
    last = np.eye(rows.X.shape[1])[-1]
    if method == "cr2":
        scores = practice_scores(fitted, rows.y, rows.X, practice=rows.practice)
        found = robust_test(float(fitted.coefficients[-1]), scores, last, kind="CR2")
        words = f"{said}, REML, CR2 over practices, Bell-McCaffrey t({found.df:.1f})"
        return from_t(found.estimate, found.std_error, found.df, level=level, convention=words)
    if method == "profile":
        return _profile(fitted, rows, movers, level, f"{said}, ML, profile likelihood, chi-squared(1)")
    tests = (kenward_roger if method == "kenward_roger" else satterthwaite)(fitted, last[None])
    name = "Kenward-Roger" if method == "kenward_roger" else "Satterthwaite"
    df = float(tests.df[0])
    words = f"{said}, REML, {name} t({df:.1f})"
    return from_t(float(tests.estimates[0]), float(tests.std_errors[0]), df, level=level, convention=words)


@dataclass(frozen=True)
class _Profile:
    """The likelihood of the effect, which answers at any level and any null value."""

    fitted: LinearMixedModel
    rows: ModelRows
    movers: str

    def interval(self, level: float) -> tuple[float, float]:
        return profile_interval(self.fitted, coefficient=self.rows.X.shape[1] - 1, level=level)

    def statistic(self, value: float) -> float:
        """Signed root of the fall in minus twice the log-likelihood."""
        rows = self.rows
        held = _fit(rows, self.movers, reml=False, y=rows.y - value * rows.X[:, -1], X=rows.X[:, :-1])
        fall = max(held.criterion - self.fitted.criterion, 0.0)
        return math.copysign(math.sqrt(fall), float(self.fitted.coefficients[-1]) - value)

    def test(self, value: float) -> float:
        return float(2 * stats.norm.sf(abs(self.statistic(value))))


def _profile(fitted: LinearMixedModel, rows: ModelRows, movers: str, level: float, words: str) -> Inferred:
    kept = _Profile(fitted, rows, movers)
    low, high = kept.interval(level)
    return Inferred(
        estimate=float(fitted.coefficients[-1]),
        std_error=float(fitted.std_errors[-1]),
        statistic=kept.statistic(0.0),
        df=math.inf,
        p_value=kept.test(0.0),
        conf_low=low,
        conf_high=high,
        convention=words,
        interval=kept.interval,
        test=kept.test,
        notes=("the profile likelihood takes the practices to be many; with few use method='kenward_roger'",),
    )


def _notes(fitted: LinearMixedModel, rows: ModelRows, serial: str, method: str) -> tuple[str, ...]:
    """Intraclass correlations, boundary fits, movers, periods: what a reader of the model must know."""
    shared = ", ".join(f"{_NAMES[e]} {value:.3f}" for e, value in fitted.icc.items())
    notes = [f"intraclass correlation of two rows that share their {shared}"]
    notes += [f"boundary fit: the variance of {_NAMES[e]} is estimated as zero" for e in fitted.boundary]
    if "patient" not in fitted.effects:
        notes.append("no patient has two rows, so that there is no patient intercept")
    elif fitted.n_groups["patient"] > np.unique(rows.unit).size:
        notes.append("patients seen in two practices have an intercept in each (patient-within-practice)")
    if rows.n_periods > 2 and method != "cr2" and serial == "independent":
        notes.append("a practice's shocks in different periods are taken as independent; often they are not")
    return tuple(notes)
