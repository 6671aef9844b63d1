"""What a procedure says of a block of simulated studies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analyses.calibration_cells import Cell
from pluseval.numerics.assign import Assignments
from pluseval.numerics.invert import Interval
from pluseval.numerics.studies import TTests

DRAWS = 1_999
ALPHA = 0.05


@dataclass(frozen=True)
class Found:
    """P-values (4, D) at the effects of ``Cell.tested``, and the widths of some intervals.

    As every procedure here moves with a constant effect, the p-value of the studies as drawn is at the same
    time that of the truth (of the mean effect, where effects vary), so that coverage is one minus the size.
    """

    p: np.ndarray
    widths: np.ndarray


def of_t(tests: TTests, cell: Cell, intervals: int) -> Found:
    """What t tests say, with the widths of the first ``intervals``."""
    p = np.stack([tests.p_values(effect) for effect in cell.tested])
    return Found(p, np.atleast_1d(tests.widths())[:intervals])


def widths(ends: list[Interval]) -> np.ndarray:
    """Widths of intervals, infinite where one has no end."""
    return np.array([end.high - end.low for end in ends])


def listed(made: Assignments) -> np.ndarray:
    """All assignments, (B, G)."""
    return np.concatenate(list(made.blocks()))
