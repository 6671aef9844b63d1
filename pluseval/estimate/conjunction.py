"""Every part of a hypothesis at once: lower cost and not-worse health and not-worse experience."""

from __future__ import annotations

from collections.abc import Sequence

from pluseval.errors import DesignError
from pluseval.estimate.margin import noninferiority, one_sided
from pluseval.estimate.result import Estimate, JointTest
from pluseval.numerics.multiplicity import intersection_union


def conjunction(
    better: Sequence[Estimate],
    not_worse: Sequence[Estimate] = (),
    *,
    level: float = 0.95,
    name: str = "every part of the hypothesis",
) -> JointTest:
    """Test that every part holds: each at its own level, none adjusted, the largest p-value decides.

    Null hypothesis: at least one part fails. Rejecting it needs every part to be shown, so that the error is
    that of a single part, whatever the dependence between them.

    Parameters
    ----------
    better : sequence of Estimate
        Parts that must be better than no effect (superiority, in the direction of the measure).
    not_worse : sequence of Estimate
        Parts that must not be worse by more than their margin (non-inferiority); each has one.
    level : float
        Level of the two-sided intervals; each part is one-sided at half of its error (2.5 % at 95 %).
    name : str

    Returns
    -------
    JointTest
        ``p_value`` and ``statistic`` are the largest of the one-sided p-values, to be set against
        ``(1 - level) / 2``; ``df`` is the number of parts. ``inference`` names the part that decides.

    Raises
    ------
    DesignError
        No part, a level where an effect is needed, a part without margin, or whose procedure keeps no test.

    References
    ----------
    Berger (1982), doi:10.1080/00401706.1982.10487790.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> from pluseval.estimate.did import did
    >>> from pluseval.estimate.inference import OLS
    >>> data = pd.DataFrame({"practice": list("ABCDEF") * 2, "year": [1] * 6 + [2] * 6,
    ...                      "entry": [2, 2, 2, 0, 0, 0] * 2,
    ...                      "y": [9, 9, 9, 9, 9, 9, 6, 6.2, 6.4, 9, 9.1, 9.2]})
    >>> cost = Measure("cost", "cost", "kosten", "EUR", "euro", "EUR", "euro", "lower")
    >>> grade = Measure("grade", "grade", "cijfer", "points", "punten", "points", "punten", "higher")
    >>> asked = {"unit": "practice", "period": "year", "y": "y", "entry": "entry"}
    >>> lower = did(AnalysisFrame.from_pandas(data, measure=cost, **asked), inference=OLS())
    >>> worse = did(AnalysisFrame.from_pandas(data, measure=grade, **asked), inference=OLS(), margin=0.5)
    >>> conjunction([lower]).p_value < 0.025, conjunction([lower], [worse]).p_value > 0.9
    (True, True)
    """
    parts = [(e, _superiority(e)) for e in better]
    parts += [(e, noninferiority(e, level=level).p_value) for e in not_worse]
    if not parts:
        raise DesignError("conjunction: give at least one estimate")
    largest = intersection_union([p for _, p in parts])
    decides = next(e for e, p in parts if p == largest)
    return JointTest(
        name=name,
        statistic=largest,
        df=float(len(parts)),
        p_value=largest,
        inference=(
            f"intersection-union of {len(better)} superiority and {len(not_worse)} non-inferiority tests, "
            f"each one-sided at {(1 - level) / 2:.1%} without adjustment; {decides.measure.label} decides "
            f"({decides.inference})"
        ),
    )


def _superiority(estimate: Estimate) -> float:
    """One-sided p-value that the effect is in the better direction."""
    if estimate.scale == "level":
        raise DesignError(
            f"conjunction: {estimate.term} is a level, a description; give a difference or a ratio"
        )
    return one_sided(estimate, estimate.null, "less" if estimate.measure.better == "lower" else "greater")
