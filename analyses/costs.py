"""Costs: did medical-specialist and total costs develop differently?"""

from __future__ import annotations

from pluseval.data.study import Study
from pluseval.pipeline.analyse import Analysis, analyse_question
from pluseval.pipeline.plan import Plan


def analyse(study: Study, plan: Plan) -> Analysis:
    """Every planned estimate of this question."""
    return analyse_question(study, plan, "costs")
