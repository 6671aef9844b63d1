"""Answers of a patient questionnaire as a frame: one row per person and wave; and who returned it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.data.study import Study
from pluseval.errors import DesignError
from pluseval.outcomes.baseline import practice_columns, with_entry
from pluseval.outcomes.losses import losses_by_group

POPULATION = "enlisted patients who returned the questionnaire of a wave"
ATTRIBUTION = "practice that sent the questionnaire"
RESPONSE = Measure(
    key="survey_response",
    label="response",
    label_nl="respons",
    unit="% of questionnaires sent",
    unit_nl="% van de verzonden vragenlijsten",
    difference_unit="percentage points",
    difference_unit_nl="procentpunten",
    better="higher",
    per=100.0,
    decimals=1,
)


def survey_frame(
    study: Study,
    *,
    items: Sequence[str],
    score: Callable[[np.ndarray], np.ndarray],
    measure: Measure,
    incomplete: str,
) -> AnalysisFrame:
    """A frame of scores from the items of the table ``surveys``; an answer with a missing item is a loss.

    Losses are counted by group and wave, so that an estimate of some waves of one group tells its own.

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
    t = t.mutate(complete=ibis.and_(t.responded, *(_answered(t[item]) for item in items)))
    counts = _counts(t, complete=t.complete.cast("int64").sum())
    answers = t.filter(t.complete).select("person_id", "practice_id", "wave", *items)
    kept = answers.order_by(["practice_id", "wave", "person_id"]).to_pandas()
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
        losses=(
            *losses_by_group(
                study, counts.assign(lost=counts["sent"] - counts["returned"]), "questionnaires not returned"
            ),
            *losses_by_group(study, counts.assign(lost=counts["returned"] - counts["complete"]), incomplete),
        ),
        population=POPULATION,
        attribution=ATTRIBUTION,
        unit="person",
    )


def survey_response(study: Study) -> AnalysisFrame:
    """Questionnaires returned per 100 sent, one row per practice and wave; complete or not.

    A description beside the outcomes that rest on the answers: where response differs between waves or
    groups, a change may be one of who answers.

    Parameters
    ----------
    study : Study
        With the table ``surveys``.

    Returns
    -------
    AnalysisFrame
        ``numerator`` returned, ``exposure`` and ``persons`` those to whom one was sent.

    Raises
    ------
    DesignError
        No table ``surveys``.
    """
    if not study.has("surveys"):
        raise DesignError(f"{RESPONSE.label} needs the table surveys, which this study does not have")
    counts = _counts(study.table("surveys"))
    practice = counts["practice_id"].astype(str)
    made = pd.DataFrame(
        {
            "unit": practice,
            "cluster": practice,
            "period": counts["period"],
            "numerator": counts["returned"].astype(float),
            "exposure": counts["sent"].astype(float),
            "persons": counts["sent"],
        }
    )
    return AnalysisFrame(
        rows=with_entry(made, study),
        measure=RESPONSE,
        source=study.source,
        practices=practice_columns(study),
        population="enlisted patients to whom the questionnaire of a wave was sent",
        attribution=ATTRIBUTION,
    )


def _answered(item: ir.Column) -> ir.BooleanColumn:
    known = item.notnull()
    return known & ~item.isnan() if item.type().is_floating() else known


def _counts(t: ir.Table, **more: ir.IntegerScalar) -> pd.DataFrame:
    """Persons per practice and wave, in one query: ``practice_id period sent returned`` and ``more``.

    The key (person_id, wave) makes every row of a wave another person.
    """
    keys = ["practice_id", "period"]
    t = t.mutate(period=t.wave)
    sums = t.group_by(keys).aggregate(sent=t.count(), returned=t.responded.cast("int64").sum(), **more)
    found = sums.order_by(keys).to_pandas()
    return found.astype({name: "int64" for name in found.columns if name != "practice_id"})
