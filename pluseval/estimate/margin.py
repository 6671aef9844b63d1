"""No change, said properly: non-inferiority and equivalence against a stated margin."""

from __future__ import annotations

from dataclasses import dataclass

from pluseval.errors import DesignError
from pluseval.estimate.result import Estimate


@dataclass(frozen=True)
class Noninferiority:
    """Whether the programme is not worse by more than the margin.

    Attributes
    ----------
    passes : bool
        The bound lies on the better side of the limit.
    bound : float
        End of the two-sided interval on the worse side, a one-sided bound at half of its error.
    limit : float
        The value that the bound must not reach: the margin, in the direction of worse.
    margin, p_value, level : float
        ``p_value`` is one-sided, at the limit; ``level`` that of the two-sided interval.
    inference : str
        The procedure, that of the estimate.
    unit, label : str
        Unit of the margin, and what the source is called where it is not real (``synthetic``).
    """

    passes: bool
    bound: float
    limit: float
    margin: float
    p_value: float
    level: float
    inference: str
    unit: str = ""
    label: str = ""

    def __str__(self) -> str:
        verdict = "not worse by more than the margin" if self.passes else "not shown to be no worse"
        side = "clear of" if self.passes else "not clear of"
        return (
            f"Non-inferiority: {verdict} ({_amount(self.margin, self.unit)}): the bound "
            f"{self.bound:.4g} of the {self.level:.0%} interval is {side} the limit {self.limit:.4g}; "
            f"{_p(self.p_value)}, one-sided; {self.inference}{_mark(self.label)}"
        )


@dataclass(frozen=True)
class Equivalence:
    """Whether the programme differs by less than the margin in either direction.

    Attributes
    ----------
    passes : bool
        The interval lies between the limits.
    conf_low, conf_high : float
        The 90 % interval (two one-sided tests at 5 %).
    low_limit, high_limit : float
    margin, p_value, level : float
        ``p_value`` is the larger of the two one-sided ones.
    inference : str
    unit, label : str
        Unit of the margin, and what the source is called where it is not real (``synthetic``).
    """

    passes: bool
    conf_low: float
    conf_high: float
    low_limit: float
    high_limit: float
    margin: float
    p_value: float
    level: float
    inference: str
    unit: str = ""
    label: str = ""

    def __str__(self) -> str:
        verdict = "differs by less than the margin" if self.passes else "not shown to differ by less"
        side = "lies" if self.passes else "does not lie"
        return (
            f"Equivalence: {verdict} ({_amount(self.margin, self.unit)}): the {self.level:.0%} interval "
            f"{self.conf_low:.4g} to {self.conf_high:.4g} {side} between the limits {self.low_limit:.4g} and "
            f"{self.high_limit:.4g}; {_p(self.p_value)}, the larger of two one-sided; "
            f"{self.inference}{_mark(self.label)}"
        )


def noninferiority(estimate: Estimate, *, level: float = 0.95) -> Noninferiority:
    """Test that the programme is not worse by more than the margin of the estimate, by its own procedure.

    The direction of worse comes from the measure. The interval of the two-sided ``level`` gives a one-sided
    bound with half of its error (2.5 % at 95 %). The one-sided p-value is half of the two-sided one where the
    evidence lies on the better side of the limit: with equal tails that is the procedure's own one-sided p,
    with others it is where the procedure is symmetric. Bound and p agree always.

    Parameters
    ----------
    estimate : Estimate
        With a margin, as ``did(..., margin=0.03)``.
    level : float
        Level of the two-sided interval.

    Raises
    ------
    DesignError
        An estimate without margin, or whose procedure keeps no test at other null values.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> from pluseval.estimate.did import did
    >>> from pluseval.estimate.inference import OLS
    >>> data = pd.DataFrame({"practice": list("ABCDEF") * 2, "wave": [1] * 6 + [2] * 6,
    ...                      "entry": [2, 2, 2, 0, 0, 0] * 2,
    ...                      "eq5d": [.80, .82, .84, .81, .83, .85, .81, .82, .84, .82, .83, .85]})
    >>> utility = Measure("eq5d", "EQ-5D utility", "EQ-5D-utiliteit", "utility", "utiliteit", "points",
    ...                   "punten", "higher")
    >>> frame = AnalysisFrame.from_pandas(data, unit="practice", period="wave", y="eq5d", entry="entry",
    ...                                   measure=utility)
    >>> found = noninferiority(did(frame, inference=OLS(), margin=0.03))
    >>> found.passes
    True
    >>> str(found).split(":")[1]
    ' not worse by more than the margin (0.03 points)'
    """
    margin = _margin(estimate, "noninferiority")
    low, high = estimate.conf_int(level)
    if estimate.measure.better == "lower":
        limit = margin
        passes, bound = high < limit, high
        p_value = one_sided(estimate, limit, "less")
    else:
        limit = 1 / margin if estimate.scale == "ratio" else -margin
        passes, bound = low > limit, low
        p_value = one_sided(estimate, limit, "greater")
    words = (estimate.inference, _unit(estimate), estimate.source.label)
    return Noninferiority(bool(passes), bound, limit, margin, p_value, level, *words)


def equivalence(estimate: Estimate, *, level: float = 0.90) -> Equivalence:
    """Test that the programme differs by less than the margin in either direction, by its own procedure.

    Two one-sided tests, each at half of ``1 - level`` (5 % at 90 %): equivalent where the interval lies
    inside the margins.

    Parameters
    ----------
    estimate : Estimate
        With a margin.
    level : float

    Raises
    ------
    DesignError
        An estimate without margin, or whose procedure keeps neither another interval nor a test.

    References
    ----------
    Schuirmann (1987), doi 10.1007/BF01068419.
    """
    margin = _margin(estimate, "equivalence")
    low_limit = 1 / margin if estimate.scale == "ratio" else -margin
    low, high = estimate.conf_int(level)
    p_value = max(one_sided(estimate, low_limit, "greater"), one_sided(estimate, margin, "less"))
    passes = bool(low > low_limit and high < margin)
    words = (estimate.inference, _unit(estimate), estimate.source.label)
    return Equivalence(passes, low, high, low_limit, margin, margin, p_value, level, *words)


def one_sided(estimate: Estimate, value: float, alternative: str) -> float:
    """One-sided p-value at a null value from the two-sided test of the same procedure.

    The evidence is on the side of the interval that just leaves the value out. That is the estimate's side,
    except where a test within strata allows for what the plain difference contains.
    """
    p = estimate.p_at(value)
    above = estimate.estimate > value
    if estimate.interval is not None and 0 < p < 1:
        low, high = estimate.conf_int(1 - p)
        if abs(low - value) != abs(high - value):
            above = abs(low - value) < abs(high - value)
    return p / 2 if above == (alternative == "greater") else 1 - p / 2


def _margin(estimate: Estimate, asked_by: str) -> float:
    if estimate.scale == "level":
        raise DesignError(
            f"{asked_by}: {estimate.term} is a level, a description; give a difference or a ratio"
        )
    if estimate.margin is None:
        raise DesignError(
            f"{asked_by}: {estimate.term} has no margin, and without one 'no difference' says nothing; "
            "state it where the estimate is made, as did(..., margin=0.03)"
        )
    return estimate.margin


def _unit(estimate: Estimate) -> str:
    return "times" if estimate.scale == "ratio" else estimate.measure.difference_unit


def _amount(margin: float, unit: str) -> str:
    return f"{margin:g} {unit}".rstrip()


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.0005 else f"p = {value:.3f}"


def _mark(label: str) -> str:
    return f" [{label}]" if label else ""
