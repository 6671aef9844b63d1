"""Difference in differences of practice-years whose errors are correlated over the years of a practice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.conclude import Subject, conclude, require_level, require_margin
from pluseval.estimate.did import already_treated, did_estimand
from pluseval.estimate.inference import from_t
from pluseval.estimate.model_rows import model_rows
from pluseval.estimate.result import Estimate
from pluseval.numerics.covariance import STRUCTURES, panel_gls
from pluseval.numerics.score_sandwich import robust_test


def serial_did(
    frame: AnalysisFrame,
    *,
    windows: Sequence[Sequence[int]] | None = None,
    periods: Sequence[int] | None = None,
    structure: Literal["ar1", "unstructured"] = "ar1",
    errors: Literal["satterthwaite", "cr2"] = "cr2",
    adjust: Sequence[str] = (),
    margin: float | None = None,
    level: float = 0.95,
) -> Estimate:
    """How much more programme than comparison practices changed, by a model of all their years.

    Estimand: as for :func:`pluseval.estimate.did.did` over these windows, years weighted by the precision
    that the covariance gives them. Years of one practice are correlated: by distance (AR(1)) or freely. With
    independent years the same model rejects 18 % instead of 5 %. A sensitivity analysis: one change per
    practice stays the safe baseline.

    Parameters
    ----------
    frame : AnalysisFrame
        Of persons or practices; one value per practice and year is made of it.
    windows, periods, adjust, margin, level
        As for :func:`pluseval.estimate.did.did`.
    structure : {"ar1", "unstructured"}
    errors : {"cr2", "satterthwaite"}
        A CR2 sandwich over practices with Bell-McCaffrey degrees of freedom, which does not need the
        structure to be right; or the model's own error with Satterthwaite's.

    Raises
    ------
    DesignError
        Too many years or too few practices for ``unstructured``, fewer than two practices in a group, values
        that do not vary, or collinear covariates.

    References
    ----------
    Pinheiro and Bates (2000), doi:10.1007/b98882. Coefficients equal R's ``nlme::gls`` with ``corAR1`` (or
    ``corSymm`` and ``varIdent``), REML.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"practice": np.repeat(np.arange(20), 4),
    ...                      "year": np.tile(np.arange(2015, 2019), 20)})
    >>> data["entry"] = np.where(data["practice"] < 8, 2017, 0)
    >>> data["pct"] = rng.normal(30, 1, 80) + rng.normal(0, 2, 20)[data["practice"]]
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="year", y="pct", entry="entry",
    ...                                   measure=pct)
    >>> serial_did(frame, windows=((2015, 2016), (2017, 2018))).inference[:38]
    'practice-years with AR(1) covariance, '
    """
    require_level(level, "serial_did")
    require_margin(margin, "difference", "serial_did")
    if structure not in STRUCTURES or errors not in ("cr2", "satterthwaite"):
        raise DesignError(
            f"serial_did: structure={structure!r}, errors={errors!r}; use one of {', '.join(STRUCTURES)}, "
            "and 'cr2' or 'satterthwaite'"
        )
    rows = model_rows(
        _practice_years(frame), periods=periods, windows=windows, adjust=adjust, asked_by="serial_did"
    )
    fitted = panel_gls(rows.y, rows.X, unit=rows.practice, period=rows.period, structure=structure)
    last = np.eye(rows.X.shape[1])[-1]
    if errors == "cr2":
        found = robust_test(float(fitted.coefficients[-1]), fitted.clusters, last, kind="CR2")
        se, df, named = found.std_error, found.df, "CR2, Bell-McCaffrey"
    else:
        tests = fitted.satterthwaite(last[None])
        se, df, named = float(tests.std_errors[0]), float(tests.df[0]), "Satterthwaite"
    called = "AR(1)" if structure == "ar1" else "unstructured"
    given = f", given {', '.join(rows.adjusted)}" if rows.adjusted else ""
    words = f"practice-years with {called} covariance, REML{given}, {named} t({df:.1f})"
    weight = "every practice; years by the precision that their covariance gives"
    correlation = () if fitted.rho is None else (f"correlation of adjacent periods {fitted.rho:.2f}",)
    subject = Subject(
        frame=frame,
        term=f"{frame.measure.label} {rows.before} -> {rows.after}",
        estimand=replace(
            did_estimand(frame, rows.before, rows.after, weight, rows.adjusted), unit="practice"
        ),
        method="generalised least squares of practice-years",
        clusters=rows.clusters,
        windows=(rows.before, rows.after),
        nobs=rows.y.size,
        margin=margin,
        notes=(*rows.notes, *already_treated(frame, rows.before), *correlation),
        losses=rows.losses,
    )
    inferred = from_t(float(fitted.coefficients[-1]), se, df, level=level, convention=words)
    return conclude(subject, inferred, level=level)


def _practice_years(frame: AnalysisFrame) -> AnalysisFrame:
    """One row per practice and period, whatever the rows of the frame are."""
    cells = frame.cells
    columns = ["cluster", "period", "entry", "numerator", "exposure", "persons"]
    return replace(frame, rows=cells[columns].assign(unit=cells["cluster"]), unit="practice")
