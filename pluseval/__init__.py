"""Triple Aim evaluation of GP practices of the future, with inference that holds with few practices.

    >>> import pluseval as pe
    >>> pe.DisclosureRules().min_practices
    6

Names are loaded when they are first used, so that importing pluseval costs nothing and changes nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_DOOR = {
    "AnalysisFrame": "data.frame",
    "ClusterRobust": "estimate.inference",
    "DisclosureRules": "report.disclosure",
    "Estimate": "estimate.result",
    "EstimateSet": "estimate.result",
    "MaxT": "estimate.inference_max_t",
    "Measure": "data.frame",
    "OLS": "estimate.inference",
    "Permutation": "estimate.inference_resampling",
    "PlusevalError": "errors",
    "Results": "report.read",
    "SignFlip": "estimate.inference_resampling",
    "Source": "data.source",
    "Welch": "estimate.inference",
    "WildBootstrap": "estimate.inference_resampling",
    "adjacent_changes": "estimate.event_study",
    "adjust_many": "estimate.adjust_many",
    "at_least_one": "estimate.at_least_one",
    "baseline_check": "estimate.credibility",
    "compare": "report.compare",
    "conjunction": "estimate.conjunction",
    "cost_bands": "outcomes.cost_bands",
    "cost_per_insured_year": "outcomes.costs",
    "did": "estimate.did",
    "dose_did": "estimate.dose",
    "effect_heterogeneity": "estimate.heterogeneity",
    "effect_modifier": "estimate.modifier",
    "embedded_study": "pipeline.inputs",
    "eq5d_index": "outcomes.eq5d",
    "eq5d_utility": "outcomes.eq5d",
    "eq_vas": "outcomes.eq5d",
    "equivalence": "estimate.margin",
    "event_study": "estimate.event_study",
    "gee_did": "estimate.gee_model",
    "goodman_bacon": "estimate.bacon",
    "group_means": "estimate.describe",
    "honest_did": "estimate.honest",
    "imputation_did": "estimate.imputation",
    "leave_one_out": "estimate.leave_one_out",
    "load_study": "data.load",
    "load_vektis": "data.vektis",
    "minimal_detectable_effect": "estimate.power",
    "mixed_did": "estimate.mixed_model",
    "net_promoter_score": "outcomes.experience",
    "noninferiority": "estimate.margin",
    "placebo_outcomes": "estimate.credibility",
    "placebo_periods": "estimate.credibility",
    "plot": "report.figures",
    "pretrend_check": "estimate.pretrend",
    "rate_ratio_did": "estimate.ratio",
    "read_plan": "pipeline.plan",
    "referral_count": "outcomes.referrals",
    "referral_percentage": "outcomes.referrals",
    "release": "report.disclosure",
    "report_grade": "outcomes.experience",
    "robustness": "estimate.robustness",
    "run": "pipeline.run",
    "serial_did": "estimate.serial",
    "single_arm": "estimate.single_arm",
    "specification_curve": "estimate.specification",
    "staggered_did": "estimate.staggered",
    "sun_abraham": "estimate.sun_abraham",
    "synthesize": "data.synthetic",
    "synthetic_did": "estimate.synthetic",
    "table": "report.tables",
    "validate": "data.load",
    "waves": "estimate.single_arm",
    "write": "report.write",
}

__all__ = sorted(_DOOR)


def __getattr__(name: str) -> Any:
    if name not in _DOOR:
        raise AttributeError(f"module 'pluseval' has no attribute {name!r}")
    value = getattr(import_module(f"pluseval.{_DOOR[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
