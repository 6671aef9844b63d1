"""Health status: EQ-5D utility and EQ visual analogue scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.data.schema import EQ5D_COLUMNS
from pluseval.data.study import Study
from pluseval.errors import DesignError
from pluseval.outcomes.survey import survey_frame
from pluseval.outcomes.value_sets import value_set as find_value_set

UTILITY = Measure(
    key="eq5d_utility",
    label="EQ-5D utility",
    label_nl="EQ-5D-utiliteit",
    unit="utility",
    unit_nl="utiliteit",
    difference_unit="points",
    difference_unit_nl="punten",
    better="higher",
    decimals=3,
)
VAS = Measure(
    key="eq_vas",
    label="EQ visual analogue scale",
    label_nl="EQ visueel-analoge schaal",
    unit="points (0-100)",
    unit_nl="punten (0-100)",
    difference_unit="points",
    difference_unit_nl="punten",
    better="higher",
    decimals=1,
)


def eq5d_index(levels: ArrayLike, *, value_set: str = "NL-2016") -> np.ndarray:
    """The utility of EQ-5D answers; a missing item makes the index missing (no item is imputed).

    Parameters
    ----------
    levels : array (n, 5)
        Mobility, self-care, usual activities, pain or discomfort, anxiety or depression: 1 (none) to 3 or 5;
        NaN where missing.
    value_set : str
        ``NL-2016`` (5L, the default), ``NL-3L-2006`` or ``NL-3L-2026``.

    Returns
    -------
    ndarray (n,)
        1 is full health, 0 dead, below 0 worse than dead.

    Raises
    ------
    DesignError
        An unknown value set, or levels outside its range.

    References
    ----------
    Versteegh et al. (2016), doi 10.1016/j.jval.2016.01.003. Equals R's ``eq5d::eq5d(version = "5L", type =
    "VT", country = "Netherlands")``.

    Examples
    --------
    >>> eq5d_index([[1, 1, 1, 1, 1], [2, 1, 1, 1, 1], [5, 5, 5, 5, 5]]).tolist()
    [1.0, 0.918, -0.446]
    """
    chosen = find_value_set(value_set)
    states = np.asarray(levels, dtype=float)
    if states.ndim != 2 or states.shape[1] != len(chosen.decrements):
        raise DesignError(f"EQ-5D levels are (n, {len(chosen.decrements)}), found {states.shape}")
    known = ~np.isnan(states).any(axis=1)
    asked = states[known]
    wrong = int(np.sum((asked < 1) | (asked > chosen.levels) | (asked != np.round(asked))))
    if wrong:
        raise DesignError(
            f"{wrong} EQ-5D levels are not whole numbers from 1 to {chosen.levels}, as {chosen.name} needs"
        )
    codes = asked.astype(int)
    loss = np.zeros(codes.shape[0], dtype=np.int64)
    for dimension, decrements in enumerate(chosen.decrements):
        loss += np.asarray(decrements)[codes[:, dimension] - 1]
    loss += np.where((codes > 1).any(axis=1), chosen.any_problem, 0)
    loss += np.where((codes == chosen.levels).any(axis=1), chosen.any_worst, 0)
    out = np.full(states.shape[0], np.nan)
    out[known] = (1000 - loss) / 1000
    return out


def eq5d_utility(study: Study, *, value_set: str = "NL-2016") -> AnalysisFrame:
    """EQ-5D utility of the questionnaires, one row per person and wave.

    Answers with a missing item are a loss, counted: the index is missing and nothing is imputed.

    Parameters
    ----------
    study : Study
        With the table ``surveys``.
    value_set : str
        As in :func:`eq5d_index`.

    Returns
    -------
    AnalysisFrame

    Raises
    ------
    DesignError
        No surveys, nobody with all five items, or levels that the value set does not have.
    """
    find_value_set(value_set)
    return survey_frame(
        study,
        items=EQ5D_COLUMNS,
        score=lambda items: eq5d_index(items, value_set=value_set),
        measure=UTILITY,
        incomplete="returned without all five EQ-5D items",
    )


def eq_vas(study: Study) -> AnalysisFrame:
    """Self-rated health of the questionnaires (0-100), one row per person and wave."""
    return survey_frame(
        study,
        items=("eq_vas",),
        score=lambda items: items[:, 0],
        measure=VAS,
        incomplete="returned without an EQ VAS",
    )
