"""Answers of a patient questionnaire as a frame: one row per person and wave."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame, Loss, Measure
from pluseval.data.study import Study
from pluseval.errors import DesignError
from pluseval.outcomes.baseline import practice_columns, with_entry

POPULATION = "enlisted patients who returned the questionnaire of a wave"
ATTRIBUTION = "practice that sent the questionnaire"


def survey_frame(
    study: Study,
    *,
    items: Sequence[str],
    score: Callable[[np.ndarray], np.ndarray],
    measure: Measure,
    incomplete: str,
) -> AnalysisFrame:
    """A frame of scores from the items of the table ``surveys``; an answer with a missing item is a loss.

    Parameters
    ----------
    study : Study
    items : sequence of str
        Columns of ``surveys``.
    score : callable
        Items (n, k) without missing values to scores (n,).
    measure : Measure
    incomplete : str
        Reason of the loss where an item is missing.

    Raises
    ------
    DesignError
        No table ``surveys``, or nobody with every item.
    """
    if not study.has("surveys"):
        raise DesignError(f"{measure.label} needs the table surveys, which this study does not have")
    t = study.table("surveys")
    sent = int(t.count().execute())
    answers = t.filter(t.responded).select("person_id", "practice_id", "wave", *items)
    rows = answers.order_by(["practice_id", "wave", "person_id"]).to_pandas()
    known = rows[list(items)].notna().all(axis=1).to_numpy()
    losses = (Loss("questionnaires not returned", sent - len(rows)), Loss(incomplete, int(np.sum(~known))))
    kept = rows[known]
    if kept.empty:
        raise DesignError(f"{measure.label}: no questionnaire was returned with {', '.join(items)}")
    made = pd.DataFrame(
        {
            "unit": kept["person_id"].astype("int64"),
            "cluster": kept["practice_id"].astype(str),
            "period": kept["wave"].astype("int64"),
            "numerator": score(kept[list(items)].to_numpy(float)),
            "exposure": 1.0,
            "persons": 1,
        }
    ).reset_index(drop=True)
    return AnalysisFrame(
        rows=with_entry(made, study),
        measure=measure,
        source=study.source,
        practices=practice_columns(study),
        losses=tuple(loss for loss in losses if loss.count),
        population=POPULATION,
        attribution=ATTRIBUTION,
        unit="person",
    )
