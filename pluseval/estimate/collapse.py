"""One value per practice and window: what every practice-level estimator starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame, Loss, total_losses
from pluseval.errors import DesignError
from pluseval.estimate.require import as_pair, as_pairs

ROUNDING = 1e-13  # of a level: smaller differences between two of its sums are rounding
Average = Literal["ratio_of_sums", "mean_of_ratios"]


@dataclass(frozen=True)
class Window:
    """A period, or several in a row (both ends included)."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise DesignError(
                f"a window runs from its first to its last period, found ({self.first}, {self.last})"
            )

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __contains__(self, period: int) -> bool:
        return self.first <= period <= self.last


@dataclass(frozen=True)
class Collapsed:
    """Values of G practices in W windows, with what was left out.

    Attributes
    ----------
    clusters : Index (G,)
        Practices in their own order, so that the order of rows does not matter.
    treated : bool array (G,)
    values, exposures, numerators : arrays (G, W)
    windows : tuple of Window
    columns : mapping
        Practice-level columns of the frame, each (G,).
    losses : tuple of Loss
        Those of the frame inside the windows, summed by reason, and practices without every window.
    notes : tuple of str
    """

    clusters: pd.Index
    treated: np.ndarray
    values: np.ndarray
    exposures: np.ndarray
    numerators: np.ndarray
    windows: tuple[Window, ...]
    columns: Mapping[str, np.ndarray] = field(repr=False)
    losses: tuple[Loss, ...] = ()
    notes: tuple[str, ...] = ()

    def keep(self, kept: np.ndarray, reason: str) -> Collapsed:
        """The practices where ``kept`` is true; the others are a loss with its reason."""
        lost = int(np.sum(~kept))
        if not lost:
            return self
        return Collapsed(
            clusters=self.clusters[kept],
            treated=self.treated[kept],
            values=self.values[kept],
            exposures=self.exposures[kept],
            numerators=self.numerators[kept],
            windows=self.windows,
            columns={name: column[kept] for name, column in self.columns.items()},
            losses=(*self.losses, Loss(reason, lost)),
            notes=self.notes,
        )


def two_windows(
    frame: AnalysisFrame,
    periods: Sequence[int] | None,
    windows: Sequence[Sequence[int]] | None,
    *,
    asked_by: str = "did",
) -> tuple[Window, Window]:
    """The two windows that a change is between.

    Raises
    ------
    DesignError
        Both or neither named where the frame does not have exactly two periods, windows that overlap or are
        in the wrong order, or a window without data.
    """
    if periods is not None and windows is not None:
        raise DesignError(f"{asked_by}: give periods=(before, after) or windows=((a, b), (c, d)), not both")
    present = frame.periods
    if len(present) < 2:
        raise DesignError(
            f"{asked_by} needs 2 periods, found 1 ({present[0]}): a change cannot be seen in a single "
            "period; group_means describes one"
        )
    if periods is None and windows is None:
        if len(present) != 2:
            found = f"{len(present)} ({', '.join(map(str, present))})"
            raise DesignError(
                f"{asked_by} needs 2 periods, found {found}; name them with "
                f"periods=({present[0]}, {present[-1]}) or "
                "windows=((first, last), (first, last)); use staggered_did or event_study for more"
            )
        periods = present
    if windows is not None:
        pairs = as_pairs(windows, f"{asked_by}: windows")
    else:
        one, other = as_pair(periods, f"{asked_by}: periods")
        pairs = (one, one), (other, other)
    before, after = (Window(*pair) for pair in pairs)
    if before.last >= after.first:
        raise DesignError(
            f"{asked_by}: {before} and {after} overlap or are in the wrong order; give the earlier first"
        )
    for window in (before, after):
        if not any(p in window for p in present):
            raise DesignError(
                f"{asked_by}: no row of {frame.measure.label} in {window}; choose among "
                f"{', '.join(map(str, present))}"
            )
    return before, after


def collapse(
    frame: AnalysisFrame,
    windows: Sequence[Window],
    *,
    average: Average = "ratio_of_sums",
    allow_zero: bool = False,
) -> Collapsed:
    """One value per practice and window; practices without every window are dropped and counted.

    Parameters
    ----------
    frame : AnalysisFrame
    windows : sequence of Window
    average : {"ratio_of_sums", "mean_of_ratios"}
        Over the periods of a window: sum of numerators by sum of exposures, or the mean of the periods'
        ratios.
    allow_zero : bool
        Whether numerators that are all zero are an answer (a level) or no ground to compare (a change).

    Raises
    ------
    DesignError
        An unknown average, numerators that are all zero, or no practice with every window.
    """
    if average not in ("ratio_of_sums", "mean_of_ratios"):
        raise DesignError(f"average is {average!r}; use 'ratio_of_sums' or 'mean_of_ratios'")
    cells = frame.cells
    everyone = cells["cluster"].nunique()
    period = cells["period"].to_numpy()
    inside = np.full(period.size, -1)
    for at, window in reversed(list(enumerate(windows))):
        inside[(period >= window.first) & (period <= window.last)] = at
    cells, inside = cells[inside >= 0], inside[inside >= 0]
    code, clusters = pd.factorize(cells["cluster"], sort=True)
    clusters = clusters.rename("cluster")
    shape = (clusters.size, len(windows))
    place = code * shape[1] + inside

    def summed(values: np.ndarray | None) -> np.ndarray:
        return np.bincount(place, values, shape[0] * shape[1]).reshape(shape)

    years = summed(None)
    missing = np.where(years > 0, 0.0, np.nan)
    numerators = summed(cells["numerator"].to_numpy(float)) + missing
    exposures = summed(cells["exposure"].to_numpy(float)) + missing
    complete = np.all(years > 0, axis=1)
    if not complete.any():
        raise DesignError(
            f"no practice has a value in each of {', '.join(map(str, windows))}; leave out the "
            "periods that many practices lack"
        )
    if not allow_zero and not np.any(numerators[complete]):
        raise DesignError(
            f"{frame.measure.label}: every value in {', '.join(map(str, windows))} is zero, so there is "
            "nothing to compare; check the extract or the filter"
        )
    if average == "ratio_of_sums":
        values = frame.measure.per * numerators / exposures
    else:
        values = summed(cells["y"].to_numpy(float)) / np.where(years > 0, years, np.nan)
    practices = frame.practices.loc[clusters]
    years = years[complete]
    partial = int(np.sum((years < years.max(axis=0)).any(axis=1)))
    notes = (
        (f"{partial} practices lack a year of a window; their other years stand for it",) if partial else ()
    )
    lost = total_losses(frame.losses, windows)
    everything = Collapsed(
        clusters=clusters,
        treated=frame.treated.loc[clusters].to_numpy(bool),
        values=values,
        exposures=exposures,
        numerators=numerators,
        windows=tuple(windows),
        columns={str(name): practices[name].to_numpy() for name in practices.columns},
        losses=lost,
        notes=notes,
    )
    absent = everyone - clusters.size
    named = "both periods" if len(windows) == 2 else "every period"
    kept = everything.keep(complete, f"practices without a value in {named}")
    if absent:  # practices with no row in any window at all belong to the same loss
        here = int(np.sum(~complete))
        losses = (*lost, Loss(f"practices without a value in {named}", absent + here))
        kept = Collapsed(**{**kept.__dict__, "losses": losses})
    return kept


def covariates(collapsed: Collapsed, adjust: Sequence[str]) -> tuple[Collapsed, np.ndarray, tuple[str, ...]]:
    """Practice-level covariates as columns, and the practices that have them all.

    A name is a column of ``frame.practices``, ``log(column)``, or ``baseline``, the value in the first
    window. Text becomes one indicator for each level but the first.

    Returns
    -------
    collapsed, columns (G, p), names

    Raises
    ------
    DesignError
        An unknown column, the logarithm of a value that is not positive, or a covariate that does not vary.
    """
    if isinstance(adjust, str):
        adjust = (adjust,)
    if adjust is None or not all(isinstance(name, str) for name in adjust):
        raise DesignError(
            f"adjust is {adjust!r}; give practice columns by name, as adjust=('log(list_size)',)"
        )
    twice = sorted({name for name in adjust if list(adjust).count(name) > 1})
    if twice:
        raise DesignError(f"adjust names {', '.join(twice)} twice; leave one out")
    raw = {name: _covariate(collapsed, name) for name in adjust}
    known = np.ones(collapsed.clusters.size, dtype=bool)
    for column in raw.values():
        known &= ~pd.isna(column)
    kept = collapsed.keep(known, f"practices without {' or '.join(adjust)}")
    blocks = [np.empty((kept.clusters.size, 0))]
    for name, column in raw.items():
        values = column[known]
        if values.dtype.kind in "OUSb":
            levels = sorted({str(v) for v in values})
            block = np.column_stack(
                [values.astype(str) == level for level in levels[1:]] or [np.zeros(values.size)]
            )
        else:
            block = values.astype(float)[:, None]
        if values.size == 0 or np.all(block == block[0]):
            raise DesignError(f"adjust={name!r} does not vary between practices; leave it out")
        if not np.isfinite(block.astype(float)).all():
            raise DesignError(f"adjust={name!r} is infinite for some practices; give a finite value or none")
        blocks.append(block.astype(float))
    Z = np.concatenate(blocks, axis=1)
    _refuse_collinear(Z, kept.treated, tuple(adjust))
    return kept, Z, tuple(adjust)


def _refuse_collinear(Z: np.ndarray, treated: np.ndarray, names: tuple[str, ...]) -> None:
    """Refuse covariates that are combinations of each other, of the group, or as many as the practices."""
    group = treated.astype(float)[:, None] if treated.any() and not treated.all() else np.empty((len(Z), 0))
    X = np.concatenate(
        [np.ones((len(Z), 1)), group, Z / np.maximum(np.abs(Z).max(axis=0, initial=0.0), 1e-300)], axis=1
    )
    if Z.shape[1] and np.linalg.matrix_rank(X - np.r_[0, X[:, 1:].mean(axis=0)]) < X.shape[1]:
        raise DesignError(
            f"adjust={', '.join(names)}: {Z.shape[1]} columns for {len(Z)} practices are collinear, "
            "combinations of each other or of the group; leave a covariate out"
        )


def require_variation(collapsed: Collapsed, asked_by: str) -> None:
    """Refuse changes that are equal, but for rounding, in all practices of a group, in each of the groups.

    Raises
    ------
    DesignError
        Nothing then says how sure one may be of a mean change.
    """
    values, groups = collapsed.values, (collapsed.treated, ~collapsed.treated)
    changes = values[:, 1:] - values[:, :1]
    spread = max(np.ptp(changes[own], axis=0).max(initial=0.0) for own in groups if own.any())
    if not spread > ROUNDING * np.abs(values).max(initial=0.0):
        raise DesignError(
            f"{asked_by}: from {' to '.join(map(str, collapsed.windows))} all practices of a group changed "
            "equally: changes do not vary, so there is no standard error; check the outcome, or describe it "
            "with group_means"
        )


def _covariate(collapsed: Collapsed, name: str) -> np.ndarray:
    if name == "baseline":
        return collapsed.values[:, 0]
    inner = name[4:-1] if name.startswith("log(") and name.endswith(")") else name
    if inner not in collapsed.columns:
        has = ", ".join(sorted(collapsed.columns)) or "none"
        raise DesignError(
            f"adjust={name!r}: the frame has no practice column {inner!r} (it has: {has}); "
            "add one with frame.with_practices"
        )
    column = np.asarray(collapsed.columns[inner])
    if inner == name:
        if column.dtype.kind == "M":
            raise DesignError(f"adjust={name!r} is a date; give a number or a text column")
        return column
    values = practice_numbers(column, f"adjust={name!r}")
    if np.any(values <= 0):
        raise DesignError(
            f"adjust={name!r}: {int(np.sum(values <= 0))} practices have a value of zero or less; use the "
            "column itself, or leave it out"
        )
    return np.log(values)


def practice_numbers(column: np.ndarray, name: str) -> np.ndarray:
    """A practice column as floats, NaN where it is missing.

    Raises
    ------
    DesignError
        A text, without showing it.
    """
    try:
        return np.asarray(column, dtype=float)
    except (TypeError, ValueError):
        raise DesignError(f"{name} is a text; give a practice column with numbers") from None
