"""The outcomes by name, so that a plan can name one: its own, or any function as ``module:function``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType

from pluseval.data.frame import AnalysisFrame
from pluseval.errors import DesignError
from pluseval.outcomes.costs import cost_per_insured_year
from pluseval.outcomes.eq5d import eq5d_utility, eq_vas
from pluseval.outcomes.experience import net_promoter_score, report_grade
from pluseval.outcomes.referrals import referral_count, referral_percentage
from pluseval.outcomes.survey import survey_response

OUTCOMES: Mapping[str, Callable[..., AnalysisFrame]] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            cost_per_insured_year,
            eq5d_utility,
            eq_vas,
            net_promoter_score,
            referral_count,
            referral_percentage,
            report_grade,
            survey_response,
        )
    }
)


def outcome(name: str) -> Callable[..., AnalysisFrame]:
    """The function that makes an outcome: ``study`` and keyword choices to an ``AnalysisFrame``.

    Parameters
    ----------
    name : str
        A name of ``OUTCOMES``, or ``module:function`` of a module that can be imported.

    Raises
    ------
    DesignError
        No such outcome, module or function.

    Examples
    --------
    >>> outcome("eq5d_utility").__name__
    'eq5d_utility'
    """
    if name in OUTCOMES:
        return OUTCOMES[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise DesignError(
            f"no outcome is called {name!r}; there are {', '.join(OUTCOMES)}, or module:function"
        )
    try:
        found = getattr(_module(module), attribute)
    except (ImportError, AttributeError) as problem:
        raise DesignError(f"outcome {name!r} cannot be imported: {problem}") from problem
    if not callable(found):
        raise DesignError(f"outcome {name!r} is not a function of a study")
    return found


def _module(name: str) -> ModuleType:
    """A module by name, also one that lies in the current folder."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(here)
