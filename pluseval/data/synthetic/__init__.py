"""The synthetic study: calibrated, with its truth, in two kinds that cannot be confused."""

from pluseval.data.synthetic.effects import EFFECTS, Effect, Effects, effects_of
from pluseval.data.synthetic.generate import synthesize
from pluseval.data.synthetic.parameters import Costs, Parameters, Population, Referrals, Surveys
from pluseval.data.synthetic.programmes import PROGRAMMES, Programme
from pluseval.data.synthetic.published import PUBLISHED, Published
from pluseval.data.synthetic.simulate import (
    PooledT,
    p_value_distribution,
    pooled_t,
    practice_level_changes,
)
from pluseval.data.synthetic.truth import read_truth

__all__ = [
    "EFFECTS",
    "PROGRAMMES",
    "PUBLISHED",
    "Costs",
    "Effect",
    "Effects",
    "Parameters",
    "PooledT",
    "Population",
    "Programme",
    "Published",
    "Referrals",
    "Surveys",
    "effects_of",
    "p_value_distribution",
    "pooled_t",
    "practice_level_changes",
    "read_truth",
    "synthesize",
]
