"""Experienced quality: report grade and Net Promoter Score."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.data.study import Study
from pluseval.errors import DesignError
from pluseval.outcomes.survey import survey_frame

GRADE = Measure(
    key="grade",
    label="report grade",
    label_nl="rapportcijfer",
    unit="grade (0-10)",
    unit_nl="cijfer (0-10)",
    difference_unit="points",
    difference_unit_nl="punten",
    better="higher",
    decimals=2,
)
NPS = Measure(
    key="nps",
    label="Net Promoter Score",
    label_nl="Net Promoter Score",
    unit="NPS (-100 to 100)",
    unit_nl="NPS (-100 tot 100)",
    difference_unit="NPS points",
    difference_unit_nl="NPS-punten",
    better="higher",
    decimals=1,
)


def nps_score(answers: ArrayLike) -> np.ndarray:
    """Each answer's part in the Net Promoter Score: 100 promoter (9-10), 0 passive (7-8), -100 detractor
    (0-6).

    The mean of the scores is the NPS, so that practices can be compared as with any mean.

    Parameters
    ----------
    answers : array (n,)
        Whole numbers from 0 to 10; NaN stays NaN.

    Raises
    ------
    DesignError
        Answers outside 0 to 10.

    Examples
    --------
    >>> nps_score([10, 9, 8, 7, 6, 0]).tolist()
    [100.0, 100.0, 0.0, 0.0, -100.0, -100.0]
    """
    values = np.asarray(answers, dtype=float)
    known = ~np.isnan(values)
    wrong = int(
        np.sum((values[known] < 0) | (values[known] > 10) | (values[known] != np.round(values[known])))
    )
    if wrong:
        raise DesignError(f"{wrong} NPS answers are not whole numbers from 0 to 10")
    return np.select([~known, values >= 9, values <= 6], [np.nan, 100.0, -100.0], default=0.0)


def report_grade(study: Study) -> AnalysisFrame:
    """Report grade (rapportcijfer, 0-10) of the questionnaires, one row per person and wave."""
    return survey_frame(
        study,
        items=("grade",),
        score=lambda items: items[:, 0],
        measure=GRADE,
        incomplete="returned without a report grade",
    )


def net_promoter_score(study: Study) -> AnalysisFrame:
    """Net Promoter Score of the questionnaires: answers scored 100, 0, -100; one row per person and wave."""
    return survey_frame(
        study,
        items=("nps",),
        score=lambda items: nps_score(items[:, 0]),
        measure=NPS,
        incomplete="returned without an answer to the recommendation question",
    )
