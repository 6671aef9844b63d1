"""Experienced quality: did the report grade or the Net Promoter Score change?"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from pluseval.data.frame import AnalysisFrame
from pluseval.data.study import Study
from pluseval.estimate.describe import group_means
from pluseval.outcomes.survey import survey_response
from pluseval.pipeline.analyse import Analysis, analyse_question
from pluseval.pipeline.plan import Plan

NAME = "experience.response.levels"


def analyse(study: Study, plan: Plan) -> Analysis:
    """Every planned estimate of this question, and how many returned the questionnaire."""
    found = analyse_question(study, plan, "experienced_quality")
    if not study.has("surveys"):
        return found
    return found + response(survey_response(study), plan)


def response(frame: AnalysisFrame, plan: Plan) -> Analysis:
    """Of all questionnaires sent to a group in a wave, how many came back: sums over practices.

    Where fewer persons than the minimum returned theirs, or did not, the percentage would tell how many.
    """
    levels = group_means(frame, weights="exposure", level=1 - plan.alpha)
    cells = frame.cells.assign(programme=frame.cells["entry"].notna())
    sums = cells.groupby(["programme", "period"])[["numerator", "exposure"]].sum()
    few = pd.concat([sums["numerator"], sums["exposure"] - sums["numerator"]], axis=1).min(axis=1)
    least = plan.disclosure.min_persons
    shown = tuple(e for e in levels if e.at is not None and few[(e.group == "programme", int(e.at))] >= least)
    if not shown:
        return Analysis(skipped=((NAME, "nearly all or nearly none returned the questionnaire"),))
    titles = {
        "title": "Questionnaires returned, % of those sent",
        "title_nl": "Teruggestuurde vragenlijsten, % van de verzonden",
    }
    return Analysis((replace(levels, estimates=shown, name=NAME, **titles),))
