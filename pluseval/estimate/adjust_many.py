"""Many results at once: p-values adjusted for their number, beside the results themselves."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from pluseval.errors import DesignError
from pluseval.estimate.result import EstimateSet, JointTest
from pluseval.numerics.multiplicity import benjamini_hochberg, holm

_METHODS = {
    "holm": (holm, "Holm", "at least one wrong rejection"),
    "bh": (benjamini_hochberg, "Benjamini-Hochberg", "expected share of wrong rejections"),
}


def adjust_many(found: EstimateSet, method: Literal["holm", "bh"] = "holm") -> EstimateSet:
    """The set with one adjusted p-value per estimate among its joint tests.

    The estimates keep their own p-values and intervals, which come from one procedure each. Holm bounds the
    chance of any wrong rejection under every dependence; Benjamini and Hochberg the expected share of wrong
    ones (specialties, screened in number).

    Parameters
    ----------
    found : EstimateSet
        Estimates without a p-value (levels) are left out.
    method : {"holm", "bh"}

    Raises
    ------
    DesignError
        An unknown method, or fewer than two p-values.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6; Benjamini and Hochberg (1995),
    doi:10.1111/j.2517-6161.1995.tb02031.x. Equals R's ``p.adjust``.
    """
    if method not in _METHODS:
        raise DesignError(f"adjust_many: method is {method!r}; use 'holm' or 'bh'")
    adjust, called, bounds = _METHODS[method]
    tested = [e for e in found if not math.isnan(e.p_value)]
    if len(tested) < 2:
        raise DesignError(
            f"adjust_many: {found.name} has {len(tested)} p-values; adjusting needs two or more"
        )
    values = adjust([e.p_value for e in tested])
    tests = tuple(
        JointTest(
            name=f"{e.term}, adjusted",
            statistic=e.statistic,
            df=e.df,
            p_value=float(p),
            inference=f"{called} over {len(tested)} ({bounds}), of: {e.inference}",
        )
        for e, p in zip(tested, values, strict=True)
    )
    return replace(found, joint=(*found.joint, *tests))
