"""Difference in differences on the population mean by generalised estimating equations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.conclude import Subject, require_level, require_margin
from pluseval.estimate.did import already_treated, did_estimand
from pluseval.estimate.inference import from_t
from pluseval.estimate.model_rows import ModelRows, Time, conclude_rows, model_rows
from pluseval.estimate.result import Estimand, Estimate
from pluseval.numerics.gee import gee

CORRECTIONS = {"mancl_derouen": "Mancl-DeRouen", "kauermann_carroll": "Kauermann-Carroll"}
REFERENCES = {"satterthwaite": "Bell-McCaffrey ", "residual": "", "clusters": ""}
_SCALES = {
    "gaussian": ("", "equally"),
    "binomial": ("odds ratio", "by the same factor in their odds"),
    "poisson": ("rate ratio", "by the same percentage"),
}


def gee_did(
    frame: AnalysisFrame,
    *,
    periods: Sequence[int] | None = None,
    windows: Sequence[Sequence[int]] | None = None,
    family: Literal["gaussian", "binomial", "poisson"] = "gaussian",
    correlation: Literal["exchangeable", "independence"] = "exchangeable",
    correction: Literal["mancl_derouen", "kauermann_carroll"] = "mancl_derouen",
    df: Literal["satterthwaite", "residual", "clusters"] = "satterthwaite",
    adjust: Sequence[str] = (),
    time: Time = "period",
    margin: float | None = None,
    level: float = 0.95,
) -> Estimate:
    """How much more programme than comparison practices changed, on the mean over all rows.

    Estimand: the effect on the population mean of the programme practices, if without it both groups would
    have changed equally on the scale of ``family``. The working correlation within practices need not be
    right. With few practices the plain sandwich is too small: it is corrected for leverage, and t with
    small-sample degrees of freedom takes the place of the normal.

    Parameters
    ----------
    frame : AnalysisFrame
        Rows of persons or of practices; the practice is the cluster.
    periods, windows
        As for :func:`pluseval.estimate.did.did`.
    family : {"gaussian", "binomial", "poisson"}
        A difference; an odds ratio (numerator 0 to 1 of an exposure of 1); a rate ratio with the exposure as
        offset.
    correlation : {"exchangeable", "independence"}
    correction : {"mancl_derouen", "kauermann_carroll"}
    df : {"satterthwaite", "residual", "clusters"}
        Bell and McCaffrey's degrees of freedom, practices minus coefficients, or practices minus one.
    adjust, time, margin, level
        As for :func:`pluseval.estimate.mixed_model.mixed_did`; the margin of a ratio is above 1.

    Raises
    ------
    DesignError
        What the numerical :func:`pluseval.numerics.gee.gee` refuses, or a group with fewer than two
        practices in both windows.

    References
    ----------
    Mancl and DeRouen (2001), doi:10.1111/j.0006-341X.2001.00126.x; Kauermann and Carroll (2001),
    doi:10.1198/016214501753382309. Coefficients equal R's ``gee::gee(y ~ treated * after, id = practice,
    corstr = "exchangeable")``.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> data = pd.DataFrame({"practice": list("ABCDEF") * 2, "year": [1] * 6 + [2] * 6,
    ...                      "entry": [2, 2, 2, 0, 0, 0] * 2,
    ...                      "pct": [30, 32, 33, 31, 33, 36, 29, 30, 32, 32, 35, 35.0]})
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct)
    >>> round(gee_did(frame).estimate, 3)
    -2.0
    """
    require_level(level, "gee_did")
    if family not in _SCALES:
        raise DesignError(f"gee_did: family is {family!r}; use gaussian, binomial or poisson")
    if correction not in CORRECTIONS or df not in REFERENCES:
        raise DesignError(
            f"gee_did: correction={correction!r}, df={df!r}; use one of {', '.join(CORRECTIONS)}, and one of "
            f"{', '.join(REFERENCES)}"
        )
    scale = "difference" if family == "gaussian" else "ratio"
    require_margin(margin, scale, "gee_did")
    asked = {"periods": periods, "windows": windows, "adjust": adjust, "time": time}
    rows = model_rows(frame, **asked, ratio=scale == "ratio", asked_by="gee_did")  # type: ignore[arg-type]
    fitted = gee(
        _outcome(rows, family),
        rows.X,
        cluster=rows.practice,
        family=family,
        correlation=correlation,
        offset=np.log(rows.exposure) if family == "poisson" else None,
    )
    found = fitted.test(np.eye(rows.X.shape[1])[-1], correction=correction, df=df)
    given = f", given {', '.join(rows.adjusted)}" if rows.adjusted else ""
    words = (
        f"GEE, {family}, {correlation} within practices{given}, {CORRECTIONS[correction]}, "
        f"{REFERENCES[df]}t({found.df:.1f})"
    )
    many = rows.X.shape[1] > fitted.n_clusters / 3
    subject = Subject(
        frame=rows.frame,
        term=f"{frame.measure.label} {rows.before} -> {rows.after}" + (", ratio" if scale == "ratio" else ""),
        estimand=_estimand(rows, family),
        method="generalised estimating equations",
        clusters=rows.clusters,
        windows=(rows.before, rows.after),
        nobs=rows.y.size,
        scale=scale,
        margin=margin,
        notes=(
            *rows.notes,
            *already_treated(rows.frame, rows.before),
            f"working correlation within practices {fitted.alpha:.3f}",
            *(("many coefficients for the number of practices",) if many else ()),
        ),
        losses=rows.losses,
    )
    inferred = from_t(found.estimate, found.std_error, found.df, level=level, convention=words)
    return conclude_rows(subject, inferred, rows, level=level)


def _outcome(rows: ModelRows, family: str) -> np.ndarray:
    """The outcome of the family: own unit, a share of the exposure, or a count beside its exposure."""
    if family == "gaussian":
        return rows.y
    share = rows.y / rows.frame.measure.per
    return share if family == "binomial" else share * rows.exposure


def _estimand(rows: ModelRows, family: str) -> Estimand:
    sheet = did_estimand(rows.frame, rows.before, rows.after, "every row counts equally", rows.adjusted)
    sheet = replace(sheet, unit=rows.frame.unit)
    if family == "gaussian":
        return sheet
    name, how = _SCALES[family]
    given = f", given {', '.join(rows.adjusted)}" if rows.adjusted else ""
    return replace(
        sheet,
        scale=name,
        contrast=f"relative change {rows.before} -> {rows.after}, programme divided by comparison",
        assumption=f"without the programme both groups would have changed {how}{given}",
    )
