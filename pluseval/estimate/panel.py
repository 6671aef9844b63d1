"""Practices with a value in every period, and when each joined: what estimators of a staggered start need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame, Loss
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Window, collapse, require_variation
from pluseval.estimate.conclude import TREATED_AS, Subject, population_of
from pluseval.estimate.counting import cohort_parts
from pluseval.estimate.require import without
from pluseval.estimate.result import Estimand


@dataclass(frozen=True)
class Panel:
    """A complete panel of G practices in T periods.

    Attributes
    ----------
    frame : AnalysisFrame
    clusters : Index (G,)
    y : array (G, T)
    entry : array (G,)
        First treated period, 0 for practices that did not join by the last period.
    periods : array (T,)
    columns : dict
        Practice-level columns, each (G,).
    losses : tuple of Loss
    notes : tuple of str
    """

    frame: AnalysisFrame
    clusters: pd.Index
    y: np.ndarray
    entry: np.ndarray
    periods: np.ndarray
    columns: dict[str, np.ndarray]
    losses: tuple[Loss, ...]
    notes: tuple[str, ...]

    @property
    def cohorts(self) -> np.ndarray:
        """Entries of those that joined, ascending."""
        return np.unique(self.entry[self.entry > 0])

    @property
    def before(self) -> Window:
        """The periods before anyone joined."""
        return Window(int(self.periods[0]), int(self.periods[self.periods < self.cohorts[0]][-1]))

    @property
    def after(self) -> Window:
        """The periods since the first joined."""
        later = self.periods[self.periods >= self.cohorts[0]]
        return Window(int(later[0]), int(later[-1]))


def complete_panel(
    frame: AnalysisFrame, *, exclude: Sequence[int] = (), always: bool = False, asked_by: str
) -> Panel:
    """Practices with a value in every period that is not excluded; the others are lost and counted.

    Parameters
    ----------
    frame : AnalysisFrame
    exclude : sequence of int
        Periods left out (a transition year, a COVID year).
    always : bool
        Whether practices that joined in the first period or before stay.
    asked_by : str
        Name of the estimator, for messages.

    Raises
    ------
    DesignError
        Fewer than two periods, nobody who joined after the first, or nobody who did not join.
    """
    periods = without(frame.periods, exclude, asked_by)
    if len(periods) < 2:
        raise DesignError(
            f"{asked_by} needs 2 periods or more, found {len(periods)}: without a period before joining "
            "nothing can be compared"
        )
    collapsed = collapse(frame, [Window(p, p) for p in periods])
    entries = frame.cells.groupby("cluster")["entry"].first()
    if not always:
        early = entries.loc[collapsed.clusters].to_numpy() <= periods[0]
        if early.all():
            raise DesignError(f"{asked_by}: every practice had joined by {periods[0]}; nothing to compare")
        collapsed = collapsed.keep(~early, f"practices that joined in {periods[0]} or before")
    entry = np.nan_to_num(entries.loc[collapsed.clusters].to_numpy(float), nan=0.0)
    entry[entry > periods[-1]] = 0.0
    joined = int(np.sum(entry > periods[0]))
    if not joined:
        raise DesignError(
            f"{asked_by}: no practice joined between {periods[0]} and {periods[-1]}; check entry, or compare "
            "windows with did"
        )
    if joined == entry.size:
        raise DesignError(
            f"{asked_by}: every practice joined by {periods[-1]}; it needs practices that did not"
        )
    if not always and 1 < joined < entry.size - 1:
        require_variation(collapsed, asked_by)
    return Panel(
        frame=frame,
        clusters=collapsed.clusters,
        y=collapsed.values,
        entry=entry,
        periods=np.array(periods, dtype=float),
        columns=dict(collapsed.columns),
        losses=collapsed.losses,
        notes=collapsed.notes,
    )


def panel_subject(
    panel: Panel,
    *,
    term: str,
    method: str,
    assumption: str,
    contrast: str,
    weight: str = "every practice counts equally",
    cohorts: np.ndarray | None = None,
    windows: tuple[Window, ...] | None = None,
    at: float | None = None,
    margin: float | None = None,
    notes: tuple[str, ...] = (),
) -> Subject:
    """What an estimate from a panel is about; it rests on the cohorts named and those that did not join."""
    used = (panel.entry == 0) | np.isin(panel.entry, panel.cohorts if cohorts is None else cohorts)
    return Subject(
        frame=panel.frame,
        term=term,
        estimand=Estimand(
            population=population_of(panel.frame),
            unit="practice",
            weight=weight,
            contrast=contrast,
            scale=f"difference in {panel.frame.measure.difference_unit}",
            assumption=assumption,
            treated_as=TREATED_AS,
        ),
        method=method,
        clusters=panel.clusters[used],
        windows=windows or (panel.before, panel.after),
        nobs=int(used.sum()) * panel.periods.size,
        at=at,
        margin=margin,
        notes=(*panel.notes, *notes),
        losses=panel.losses,
        parts=cohort_parts(panel.clusters, panel.entry),
    )


def event_windows(panel: Panel, event: float) -> tuple[tuple[Window, ...], np.ndarray]:
    """The periods behind an event time, and the cohorts that are seen at it."""
    cohorts = panel.cohorts
    seen = cohorts[np.isin(cohorts + event, panel.periods)]
    own = Window(int(seen.min() + event), int(seen.max() + event))
    return ((panel.before, own) if own != panel.before else (own,)), seen
