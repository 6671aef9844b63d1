"""Experienced quality: did the report grade or the Net Promoter Score change?"""

from __future__ import annotations

from dataclasses import replace

from pluseval.data.study import Study
from pluseval.estimate.describe import group_means
from pluseval.outcomes.survey import survey_response
from pluseval.pipeline.analyse import Analysis, analyse_question
from pluseval.pipeline.plan import Plan


def analyse(study: Study, plan: Plan) -> Analysis:
    """Every planned estimate of this question, and how many returned the questionnaire."""
    found = analyse_question(study, plan, "experienced_quality")
    if not study.has("surveys"):
        return found
    # Sums over practices: of all questionnaires sent to a group, how many came back.
    response = replace(
        group_means(survey_response(study), weights="exposure", level=1 - plan.alpha),
        name="experience.response.levels",
        title="Questionnaires returned, % of those sent",
        title_nl="Teruggestuurde vragenlijsten, % van de verzonden",
    )
    return found + Analysis((response,))
