"""Uncollapsed rows of two windows as the columns of a model: what mixed models and GEE start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from pluseval.data.frame import OPTIONAL, REQUIRED, AnalysisFrame, Loss, total_losses
from pluseval.errors import DesignError
from pluseval.estimate.collapse import ROUNDING, Collapsed, Window, collapse, covariates, two_windows
from pluseval.estimate.conclude import Subject, conclude
from pluseval.estimate.inference import Inferred
from pluseval.estimate.problem import require_groups
from pluseval.estimate.result import Estimate

Time = Literal["period", "window"]


@dataclass(frozen=True)
class ModelRows:
    """The n rows of both windows with a design of k columns, the last of which carries the effect.

    Attributes
    ----------
    frame : AnalysisFrame
        The rows that are used, and no others.
    y, exposure : arrays (n,)
        Outcome in its own unit; exposure of the row.
    X : array (n, k)
        Constant, group, periods, covariates, group x after.
    practice, period, unit : arrays (n,)
        Labels of the row.
    before, after : Window
    clusters : Index
        Practices with a row in either window.
    adjusted : tuple of str
    losses : tuple of Loss
    notes : tuple of str
    """

    frame: AnalysisFrame
    y: np.ndarray = field(repr=False)
    exposure: np.ndarray = field(repr=False)
    X: np.ndarray = field(repr=False)
    practice: np.ndarray = field(repr=False)
    period: np.ndarray = field(repr=False)
    unit: np.ndarray = field(repr=False)
    before: Window
    after: Window
    clusters: pd.Index = field(repr=False)
    adjusted: tuple[str, ...]
    losses: tuple[Loss, ...]
    notes: tuple[str, ...]

    @property
    def n_periods(self) -> int:
        """Periods with a row in either window."""
        return int(np.unique(self.period).size)

    @property
    def df_resid(self) -> float:
        """Rows minus columns."""
        return float(self.y.size - self.X.shape[1])


def model_rows(
    frame: AnalysisFrame,
    *,
    periods: Sequence[int] | None,
    windows: Sequence[Sequence[int]] | None,
    adjust: Sequence[str] = (),
    time: Time = "period",
    ratio: bool = False,
    asked_by: str,
) -> ModelRows:
    """The rows of both windows with constant, group, time, covariates and group x after.

    Parameters
    ----------
    frame : AnalysisFrame
    periods, windows
        As for :func:`pluseval.estimate.did.did`.
    adjust : sequence of str
        Columns of ``frame.practices`` (and ``log(column)``), which may change the level and its change, or
        further columns of ``frame.rows``, which may change the level.
    time : {"period", "window"}
        An effect of every period, or of the later window only.
    ratio : bool
        Whether the model is one of ratios, so that equal changes are those by one factor.
    asked_by : str
        Name of the estimator, for messages.

    Raises
    ------
    DesignError
        Windows without data, a group with fewer than two practices in both windows, an unknown covariate.
    """
    if time not in ("period", "window"):
        raise DesignError(f"{asked_by}: time is {time!r}; use 'period' or 'window'")
    before, after = two_windows(frame, periods, windows, asked_by=asked_by)
    inside = frame.rows["period"].map(lambda p: p in before or p in after)
    used = replace(frame, rows=frame.rows[inside].reset_index(drop=True))
    adjust = (adjust,) if isinstance(adjust, str) else tuple(adjust)
    of_rows = [name for name in adjust if name in used.rows.columns and name not in (*REQUIRED, *OPTIONAL)]
    of_practices = [name for name in adjust if name not in of_rows]
    used, losses = _known(used, of_rows, of_practices, asked_by)
    both = collapse(used, (before, after))
    require_groups(both.treated)

    rows = used.rows.sort_values(["cluster", "period", "unit"], kind="stable").reset_index(drop=True)
    clusters = pd.Index(np.sort(rows["cluster"].unique()))
    code = clusters.get_indexer(rows["cluster"])
    post = (rows["period"] >= after.first).to_numpy(float)
    treated = rows["entry"].notna().to_numpy(float)
    columns = [np.ones(len(rows)), treated]
    if time == "window":
        columns.append(post)
    else:
        columns += [(rows["period"] == p).to_numpy(float) for p in np.unique(rows["period"])[1:]]
    Z = _practice_columns(used, clusters, of_practices, before)[code]
    columns += [*Z.T, *(Z * post[:, None]).T]
    columns += [rows[name].to_numpy(float) for name in of_rows]
    columns.append(treated * post)
    X = np.column_stack(columns)
    scaled = X / np.maximum(np.abs(X).max(axis=0), 1e-300)
    if adjust and np.linalg.matrix_rank(scaled) < X.shape[1]:
        raise DesignError(
            f"{asked_by}: adjust={', '.join(adjust)} is collinear with the group, the periods or each other; "
            "leave a covariate out"
        )
    y = used.measure.per * (rows["numerator"] / rows["exposure"]).to_numpy(float)
    if not ratio or np.all(y > 0):
        changing = np.log(y) if ratio else y
        _require_variation(changing, code, rows["period"].to_numpy(), treated > 0, asked_by)
    alone = int(clusters.size - both.clusters.size)
    notes = (f"{alone} practices have rows in one window only; they inform levels",) if alone else ()
    return ModelRows(
        frame=used,
        y=y,
        exposure=rows["exposure"].to_numpy(float),
        X=X,
        practice=code,
        period=rows["period"].to_numpy(),
        unit=pd.factorize(rows["unit"])[0],
        before=before,
        after=after,
        clusters=clusters,
        adjusted=adjust,
        losses=(*total_losses(frame.losses, (before, after)), *losses),
        notes=notes,
    )


def conclude_rows(subject: Subject, inferred: Inferred, rows: ModelRows, *, level: float) -> Estimate:
    """An estimate of a model on rows; on persons' rows the gate checks the residual degrees of freedom."""
    estimate = conclude(subject, inferred, level=level)
    if rows.frame.unit != "person":
        return estimate
    return replace(estimate, counts=replace(estimate.counts, level="person", df_resid=rows.df_resid))


def _require_variation(
    y: np.ndarray, practice: np.ndarray, period: np.ndarray, treated: np.ndarray, asked_by: str
) -> None:
    """Refuse rows that are a level of each practice and a course of each group, but for rounding."""
    times, at = np.unique(period, return_inverse=True)
    low = np.full((int(practice.max()) + 1, times.size), np.nan)
    high = low.copy()
    np.fmin.at(low, (practice, at), y)
    np.fmax.at(high, (practice, at), y)
    rounding = ROUNDING * float(np.abs(y).max())
    if np.nanmax(high - low) > rounding:
        return
    complete = ~np.isnan(low).any(axis=1)
    joined = np.zeros(complete.size, dtype=bool)
    joined[practice[treated]] = True
    for group in (complete & joined, complete & ~joined):
        values = low[group]
        course = values - values.mean(axis=1, keepdims=True)
        if values.size and np.ptp(course, axis=0).max() > rounding:
            return
    raise DesignError(
        f"{asked_by}: all practices of a group changed equally from period to period, so there is nothing to "
        "model: no standard error; check the outcome, or describe it with group_means"
    )


def _known(
    frame: AnalysisFrame, of_rows: list[str], of_practices: list[str], asked_by: str
) -> tuple[AnalysisFrame, tuple[Loss, ...]]:
    """The rows with every covariate; the others are a loss."""
    known = np.ones(len(frame.rows), dtype=bool)
    for name in of_rows:
        column = frame.rows[name]
        if not pd.api.types.is_numeric_dtype(column):
            raise DesignError(f"{asked_by}: adjust={name!r} is no number; give indicators as 0 and 1")
        known &= np.isfinite(column.to_numpy(float))
    for name in of_practices:
        inner = name[4:-1] if name.startswith("log(") and name.endswith(")") else name
        if inner in frame.practices.columns:
            known &= frame.practices[inner].reindex(frame.rows["cluster"]).notna().to_numpy()
    lost = int(np.sum(~known))
    if not lost:
        return frame, ()
    if lost == known.size:
        raise DesignError(f"{asked_by}: no row has {' and '.join((*of_rows, *of_practices))}")
    loss = Loss(f"rows without {' or '.join((*of_rows, *of_practices))}", lost)
    return replace(frame, rows=frame.rows[known].reset_index(drop=True)), (loss,)


def _practice_columns(
    frame: AnalysisFrame, clusters: pd.Index, names: list[str], before: Window
) -> np.ndarray:
    """Practice-level covariates (G, p), centred so that the effect is that of an average practice."""
    if not names:
        return np.empty((clusters.size, 0))
    if "baseline" in names:
        raise DesignError(
            f"adjust='baseline' would put the outcome of {before} on both sides; the model holds it already"
        )
    practices = frame.practices.loc[clusters]
    blank = np.zeros((clusters.size, 1))
    held = Collapsed(
        clusters=clusters,
        treated=frame.treated.loc[clusters].to_numpy(bool),
        values=blank,
        exposures=blank,
        numerators=blank,
        windows=(before,),
        columns={str(name): practices[name].to_numpy() for name in practices.columns},
    )
    _, Z, _ = covariates(held, names)
    return Z - Z.mean(axis=0)
