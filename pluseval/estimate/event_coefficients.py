"""Differences of every period from a reference with their joint covariance, from practice-level changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.estimate.collapse import Collapsed, Window, collapse, require_variation
from pluseval.estimate.problem import require_groups
from pluseval.estimate.require import without


@dataclass(frozen=True)
class EventCoefficients:
    """K differences, those before the start first.

    Attributes
    ----------
    coef : array (K,)
        Mean change since the reference, programme minus comparison.
    cov : array (K, K)
        Each group with a covariance of its own, practices independent.
    periods : array (K,)
    n_pre : int
        How many lie before the reference.
    reference : int
        The last period before the start.
    collapsed : Collapsed
        Values (G, K + 1), the reference first.
    """

    coef: np.ndarray
    cov: np.ndarray
    periods: np.ndarray
    n_pre: int
    reference: int
    collapsed: Collapsed

    @property
    def changes(self) -> np.ndarray:
        """Changes of every practice since the reference (G, K)."""
        return self.collapsed.values[:, 1:] - self.collapsed.values[:, :1]

    @property
    def windows(self) -> tuple[Window, ...]:
        """Every period, as the cells that these numbers rest on."""
        return self.collapsed.windows


def event_coefficients(
    frame: AnalysisFrame, *, exclude: Sequence[int] = (), asked_by: str
) -> EventCoefficients:
    """The differences of every period from the last one before the start, of practices with every period.

    Raises
    ------
    DesignError
        Nobody who joined, fewer than two periods before the start or none after, fewer than two practices in
        a group, or changes that do not vary.
    """
    entry = frame.cells["entry"].min()
    if np.isnan(entry):
        raise DesignError(
            f"{asked_by}: no practice of the frame ever joined (entry is missing for all); check entry"
        )
    periods = without(frame.periods, exclude, asked_by)
    before, after = [p for p in periods if p < entry], [p for p in periods if p >= entry]
    if len(before) < 2 or not after:
        raise DesignError(
            f"{asked_by} needs 2 periods before the first start ({entry:g}) and 1 after, found {len(before)} "
            f"and {len(after)}"
        )
    order = [before[-1], *before[:-1], *after]
    collapsed = collapse(frame, [Window(p, p) for p in order])
    require_groups(collapsed.treated)
    require_variation(collapsed, asked_by)
    changes = collapsed.values[:, 1:] - collapsed.values[:, :1]
    parts = [changes[collapsed.treated == group] for group in (True, False)]
    cov = sum(np.atleast_2d(np.cov(part, rowvar=False)) / part.shape[0] for part in parts)
    if not np.all(np.diag(cov) > 1e-24 * max(1.0, float(np.abs(changes).max()) ** 2)):
        raise DesignError(
            f"{asked_by}: changes do not vary between practices in some period; check the outcome"
        )
    return EventCoefficients(
        coef=parts[0].mean(axis=0) - parts[1].mean(axis=0),
        cov=cov,
        periods=np.array(order[1:], dtype=float),
        n_pre=len(before) - 1,
        reference=before[-1],
        collapsed=collapsed,
    )
