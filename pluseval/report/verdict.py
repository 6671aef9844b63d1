"""What a released number decides: its verdict on a hypothesis, as facts without words."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pluseval.errors import DesignError, PlanError
from pluseval.report.numbers import check_language

Hypothesis = Literal["superiority", "noninferiority", "description"]
HYPOTHESES = ("superiority", "noninferiority", "description")

VERDICTS = (
    "lower",
    "higher",
    "no_difference_shown",
    "not_worse",
    "worse",
    "equivalent",
    "inconclusive",
    "described",
    "not_testable",
)


@dataclass(frozen=True)
class Verdict:
    """What one released number says about one hypothesis.

    ``key`` is one of ``VERDICTS``. ``favourable`` tells whether the number lies on the better side (None:
    neither). ``equivalence_low`` and ``equivalence_high`` are the interval of the two one-sided tests (NaN
    where the procedure kept none). Sentences: :meth:`sentence`, :meth:`how_sure`.
    """

    key: str
    hypothesis: str
    alpha: float
    estimate: float = math.nan
    conf_low: float = math.nan
    conf_high: float = math.nan
    p_value: float = math.nan
    margin: float | None = None
    equivalence_low: float = math.nan
    equivalence_high: float = math.nan
    favourable: bool | None = None
    set_name: str = ""
    term: str = ""
    told_en: str = ""
    told_nl: str = ""
    sentence_en: str = ""
    sentence_nl: str = ""
    how_sure_en: str = ""
    how_sure_nl: str = ""
    source_kind: str = ""
    source_label: str = ""
    source_label_nl: str = ""

    def __post_init__(self) -> None:
        if self.key not in VERDICTS:
            raise DesignError(f"no verdict {self.key!r}; one of {', '.join(VERDICTS)}")

    def told(self, lang: str = "en") -> str:
        """The number with its unit, interval and p-value."""
        return getattr(self, f"told_{check_language(lang)}")

    def sentence(self, lang: str = "en") -> str:
        """The verdict with number, interval and what it rules out."""
        return getattr(self, f"sentence_{check_language(lang)}")

    def how_sure(self, lang: str = "en") -> str:
        """How sure: what chance alone would do, how many practices, which procedure."""
        return getattr(self, f"how_sure_{check_language(lang)}")

    def to_dict(self) -> dict[str, Any]:
        """The facts and sentences as plain values (written to findings.json)."""
        return asdict(self)


def check_hypothesis(hypothesis: str, margin: float | None, alpha: float) -> None:
    """Refuse a hypothesis, margin or error rate that cannot be."""
    if hypothesis not in HYPOTHESES:
        raise DesignError(f"hypothesis is {hypothesis!r}; one of {', '.join(HYPOTHESES)}")
    if not 0 < alpha < 0.5:
        raise DesignError(f"alpha is {alpha}; it lies between 0 and 0.5, as 0.05")
    if margin is not None and not margin > 0:
        raise PlanError(f"margin is {margin}; it is a positive number in the unit of the outcome")
    if hypothesis == "noninferiority" and margin is None:
        raise PlanError("non-inferiority needs a margin, fixed in the plan before the data are seen")


def own_margin(number: Any) -> float | None:
    """The estimate's own margin in the unit of verdicts: estimators take 1.05 for 5 % of a ratio."""
    return number.margin - 1 if number.scale == "ratio" and number.margin is not None else number.margin


def bounds(number: Any, margin: float) -> tuple[float, float]:
    """The margin on both sides of no effect; on the ratio scale symmetric in logarithms."""
    if number.scale == "ratio":
        return 1 / (1 + margin), 1 + margin
    return number.null - margin, number.null + margin


def below(number: Any, value: float, interval: tuple[float, float]) -> bool:
    """On which side of a value the evidence lies: that of the interval, where it excludes the value.

    Within strata a test allows for what the plain difference contains, so that the interval need not hold the
    difference, and can lie on the other side of the value: then the interval decides, as the test does.
    """
    low, high = interval
    return high < value if low > value or high < value else number.estimate < value


def favourable(number: Any, interval: tuple[float, float]) -> bool | None:
    """Whether the evidence lies on the better side; None where there is no side."""
    if number.scale == "level" or number.estimate == number.null:
        return None
    return below(number, number.null, interval) == (number.measure.better == "lower")


def equivalence_interval(number: Any, margin: float | None, alpha: float) -> tuple[float, float]:
    """The interval of the two one-sided tests, NaN where there is none."""
    if margin is None or number.scale == "level":
        return math.nan, math.nan
    try:
        return number.conf_int(1 - 2 * alpha)
    except DesignError:
        return math.nan, math.nan  # the procedure kept nothing: equivalence is then not claimed


def verdict_key(
    number: Any,
    hypothesis: str,
    margin: float | None,
    alpha: float,
    interval: tuple[float, float],
    tost: tuple[float, float],
) -> str:
    """Which of ``VERDICTS`` a number is, by the rules that :func:`pluseval.report.words.verdict` states."""
    if number.scale == "level":
        return "described"
    low, high = interval
    null, lower_better = number.null, number.measure.better == "lower"
    direction = "lower" if below(number, null, interval) else "higher"
    if hypothesis in ("superiority", "description") or margin is None:
        excluded = low > null or high < null
        shown = excluded if math.isnan(number.p_value) else number.p_value <= alpha
        return direction if shown and number.estimate != null else "no_difference_shown"
    least, most = bounds(number, margin)
    within = high < most if lower_better else low > least
    if (high < null) if lower_better else (low > null):
        return direction
    if within:
        return "equivalent" if tost[0] > least and tost[1] < most else "not_worse"
    if (low > null) if lower_better else (high < null):
        return "worse"
    return "inconclusive"


def beyond_margin(found: Verdict, number: Any) -> bool:
    """Whether the whole interval lies beyond the margin, on the worse side."""
    if found.margin is None:
        return False
    least, most = bounds(number, found.margin)
    return found.conf_low > most if number.measure.better == "lower" else found.conf_high < least


def small_loss(found: Verdict, number: Any) -> bool:
    """Whether the interval excludes no difference on the worse side."""
    if number.measure.better == "lower":
        return found.conf_low > number.null
    return found.conf_high < number.null


def p_at_loss(found: Verdict, number: Any) -> float | None:
    """The one-sided p of a non-inferiority test, from the two-sided one at the margin's loss."""
    if found.hypothesis != "noninferiority" or found.margin is None:
        return None
    least, most = bounds(number, found.margin)
    loss = most if number.measure.better == "lower" else least
    try:
        two_sided = number.p_at(loss)
    except DesignError:
        return None
    worse = below(number, loss, (found.conf_low, found.conf_high)) == (number.measure.better == "higher")
    return 1 - two_sided / 2 if worse else two_sided / 2
