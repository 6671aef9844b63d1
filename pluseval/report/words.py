"""What a result says in plain words: its verdict, and sentences in English and Dutch.

Light on purpose (no pandas): book pages make their words from a released bundle with the same functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from pluseval.errors import DesignError, PlanError
from pluseval.report.catalogue import QUESTIONS
from pluseval.report.numbers import (
    check_language,
    decimals_of,
    format_number,
    format_p,
    with_unit,
)
from pluseval.report.phrases import PHRASES

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
class Question:
    """What is asked of one released number, as the plan fixed it.

    Parameters
    ----------
    key : str
        Short name ("health", "msz"): the key of the verdict.
    set_name : str
        The set that answers it ("health.eq5d.primary").
    hypothesis : {"superiority", "noninferiority", "description"}
        What is tested.
    term : str, optional
        The estimate in the set; its first by default.
    margin : float, optional
        The largest unfavourable difference that still counts as not worse; required for non-inferiority.
    alpha : float
        Two-sided error rate; non-inferiority uses half of it on one side, equivalence all of it on each.
    """

    key: str
    set_name: str
    hypothesis: Hypothesis
    term: str | None = None
    margin: float | None = None
    alpha: float = 0.05

    def __post_init__(self) -> None:
        _check(self.hypothesis, self.margin, self.alpha)


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


def verdict(
    number: Any | None,
    *,
    hypothesis: Hypothesis,
    margin: float | None = None,
    alpha: float = 0.05,
    set_name: str = "",
) -> Verdict:
    """What a released number says about a hypothesis, with its sentences in both languages.

    Superiority: two-sided p at most alpha, else *no difference shown*. Non-inferiority: an improvement
    (``lower`` or ``higher``, whichever is better) where the interval of level 1 - alpha lies on the better
    side; ``worse`` where it lies on the other side and reaches the margin; ``not_worse`` where it
    stays within the margin; ``equivalent`` where the interval of level 1 - 2 alpha lies within the margin on
    both sides too; else ``inconclusive``. "No change" is never said; equivalence needs a margin.

    Parameters
    ----------
    number : Estimate or Number or None
        A released estimate, or one read back from a bundle; None gives ``not_testable``.
    hypothesis : {"superiority", "noninferiority", "description"}
        What the plan says is tested.
    margin : float, optional
        In the unit of the number (for a ratio: as a part, 0.05 for 5 %); the estimate's own by default.
    alpha : float
        Two-sided error rate.
    set_name : str
        Where the number stands, for the record.

    Raises
    ------
    PlanError
        If non-inferiority comes without a positive margin.
    DesignError
        If the hypothesis is not known, alpha is not between 0 and 0.5, or no interval at 1 - alpha was kept.

    References
    ----------
    Piaggio et al. (2012), CONSORT for non-inferiority and equivalence trials, doi 10.1001/jama.2012.87802.
    """
    if margin is None and number is not None:
        margin = number.margin
    if hypothesis != "noninferiority" or number is not None:
        _check(hypothesis, margin, alpha)
    if number is None or (
        number.scale != "level" and math.isnan(number.conf_low) and math.isnan(number.p_value)
    ):
        return _not_testable(hypothesis, margin, alpha, set_name, "" if number is None else number.term)
    low, high = number.conf_int(1 - alpha) if number.scale != "level" else (number.conf_low, number.conf_high)
    tost_low, tost_high = _equivalence_interval(number, margin, alpha)
    key = _key(number, hypothesis, margin, alpha, (low, high), (tost_low, tost_high))
    facts: dict[str, Any] = dict(
        key=key,
        hypothesis=hypothesis,
        alpha=alpha,
        estimate=number.estimate,
        conf_low=low,
        conf_high=high,
        p_value=number.p_value,
        margin=margin,
        equivalence_low=tost_low,
        equivalence_high=tost_high,
        favourable=_favourable(number),
        set_name=set_name,
        term=number.term,
        source_kind=number.source.kind,
        source_label=number.source.label,
        source_label_nl=number.source.label_nl,
    )
    plain = Verdict(**facts)
    for lang in ("en", "nl"):
        facts[f"told_{lang}"] = _value(number, lang) + _interval(plain, number, lang)
        facts[f"sentence_{lang}"] = _sentence(plain, number, lang)
        facts[f"how_sure_{lang}"] = _how_sure(plain, number, lang)
    return Verdict(**facts)


def planned_questions(outcomes: Iterable[Mapping[str, Any]], *, alpha: float = 0.05) -> tuple[Question, ...]:
    """The questions that a plan's outcomes ask, under the short names of the catalogue.

    Parameters
    ----------
    outcomes : iterable of mapping
        Outcomes of a plan with ``key``, ``hypothesis``, ``margin`` and, where a published reading is re-run,
        ``published``; that reading is asked as ``<key>_published``.
    alpha : float
        Error rate of the plan.
    """
    short = {name: key for key, name in QUESTIONS.items()}
    made = []
    for outcome in outcomes:
        name = f"{outcome['key']}.primary"
        made.append(
            Question(
                key=short.get(name, outcome["key"]),
                set_name=name,
                hypothesis=outcome["hypothesis"],
                margin=outcome.get("margin"),
                alpha=alpha,
            )
        )
        if outcome.get("published"):
            reading = f"{outcome['key']}.published"
            made.append(replace(made[-1], key=f"{made[-1].key}_published", set_name=reading))
    return tuple(made)


def find(results: Any, questions: tuple[Question, ...] | list[Question]) -> dict[str, Verdict]:
    """The verdict on every question, from what was released; what is absent is ``not_testable``.

    Parameters
    ----------
    results : Released or Results
        Anything that says ``name in results`` and ``results[name]``.
    questions : sequence of Question
        In the order in which they are told.
    """
    found = {}
    for question in questions:
        number = None
        if question.set_name in results:
            estimates = tuple(results[question.set_name])
            matching = [e for e in estimates if question.term in (None, e.term)]
            number = matching[0] if matching else None
        found[question.key] = verdict(
            number,
            hypothesis=question.hypothesis,
            margin=question.margin,
            alpha=question.alpha,
            set_name=question.set_name,
        )
    return found


def _check(hypothesis: str, margin: float | None, alpha: float) -> None:
    if hypothesis not in HYPOTHESES:
        raise DesignError(f"hypothesis is {hypothesis!r}; one of {', '.join(HYPOTHESES)}")
    if not 0 < alpha < 0.5:
        raise DesignError(f"alpha is {alpha}; it lies between 0 and 0.5, as 0.05")
    if margin is not None and not margin > 0:
        raise PlanError(f"margin is {margin}; it is a positive number in the unit of the outcome")
    if hypothesis == "noninferiority" and margin is None:
        raise PlanError("non-inferiority needs a margin, fixed in the plan before the data are seen")


def _bounds(number: Any, margin: float) -> tuple[float, float]:
    """The margin on both sides of no effect; on the ratio scale symmetric in logarithms."""
    if number.scale == "ratio":
        return 1 / (1 + margin), 1 + margin
    return number.null - margin, number.null + margin


def _favourable(number: Any) -> bool | None:
    if number.scale == "level" or number.estimate == number.null:
        return None
    return (number.estimate < number.null) == (number.measure.better == "lower")


def _equivalence_interval(number: Any, margin: float | None, alpha: float) -> tuple[float, float]:
    if margin is None or number.scale == "level":
        return math.nan, math.nan
    try:
        return number.conf_int(1 - 2 * alpha)
    except DesignError:
        return math.nan, math.nan  # the procedure kept nothing: equivalence is then not claimed


def _key(
    number: Any,
    hypothesis: str,
    margin: float | None,
    alpha: float,
    interval: tuple[float, float],
    tost: tuple[float, float],
) -> str:
    if number.scale == "level":
        return "described"
    low, high = interval
    null, lower_better = number.null, number.measure.better == "lower"
    direction = "lower" if number.estimate < null else "higher"
    if hypothesis in ("superiority", "description") or margin is None:
        excluded = low > null or high < null
        shown = excluded if math.isnan(number.p_value) else number.p_value <= alpha
        return direction if shown and number.estimate != null else "no_difference_shown"
    below, above = _bounds(number, margin)
    within = high < above if lower_better else low > below
    if (high < null) if lower_better else (low > null):
        return direction
    if within:
        return "equivalent" if tost[0] > below and tost[1] < above else "not_worse"
    if (low > null) if lower_better else (high < null):
        return "worse"
    return "inconclusive"


def _not_testable(hypothesis: str, margin: float | None, alpha: float, set_name: str, term: str) -> Verdict:
    return Verdict(
        key="not_testable",
        hypothesis=hypothesis,
        alpha=alpha,
        margin=margin,
        set_name=set_name,
        term=term,
        sentence_en=PHRASES["en"]["not_testable"],
        sentence_nl=PHRASES["nl"]["not_testable"],
    )


def _label(number: Any, lang: str) -> str:
    label = number.measure.label_nl if lang == "nl" else number.measure.label
    return label[:1].upper() + label[1:]


def _compared_with(number: Any, lang: str) -> str:
    """What a difference is a difference with: the other practices' change, or the own start."""
    words = PHRASES[lang]
    if number.counts.of == "municipalities":
        return words["than_places"]
    if number.counts.practices("comparison"):
        return words["than_others"]
    if number.counts.practices("programme"):
        return words["than_start"].format(first=number.counts.cells[0].period)
    return words["than_reference"]


def _value(number: Any, lang: str) -> str:
    return with_unit(number.estimate, number, lang=lang, signed=number.scale == "difference")


def _interval(found: Verdict, number: Any, lang: str) -> str:
    words, digits = PHRASES[lang], decimals_of(number)
    if math.isnan(found.conf_low):
        return ""
    low, high = (format_number(v, digits, lang=lang) for v in (found.conf_low, found.conf_high))
    level = number.level if number.scale == "level" else 1 - found.alpha
    text = words["interval"].format(level=format_number(100 * level, 0, lang=lang), low=low, high=high)
    p = format_p(number.p_value, lang=lang)
    return f" ({text}; {p})" if p else f" ({text})"


def _ruled_out(found: Verdict, number: Any, lang: str) -> str:
    """What the interval excludes: the sentence that a bare "not significant" leaves out."""
    words, null = PHRASES[lang], number.null
    if math.isnan(found.conf_low):
        return ""
    ratio = number.scale == "ratio"

    def size(bound: float) -> str:
        if ratio:
            return f"{format_number(100 * abs(bound - 1), 1, lang=lang)} %"
        return with_unit(abs(bound - null), number, lang=lang)

    fall, rise = math.isfinite(found.conf_low), math.isfinite(found.conf_high)
    parts = []
    if fall:
        parts.append(
            words["any_fall"] if found.conf_low >= null else words["fall"].format(size=size(found.conf_low))
        )
    if rise:
        parts.append(
            words["any_rise"] if found.conf_high <= null else words["rise"].format(size=size(found.conf_high))
        )
    if not parts:
        return words["rules_out_nothing"]
    return words["rules_out"].format(what=words["and"].join(parts))


def _sentence(found: Verdict, number: Any, lang: str) -> str:
    words, lang = PHRASES[lang], check_language(lang)
    fields = dict(
        label=_label(number, lang),
        value=_value(number, lang),
        interval=_interval(found, number, lang),
        than=_compared_with(number, lang),
        margin="",
    )
    if found.margin is not None:
        fields["margin"] = (
            f"{format_number(100 * found.margin, 1, lang=lang)} %"
            if number.scale == "ratio"
            else with_unit(found.margin, number, lang=lang)
        )
    key = "worse_beyond" if found.key == "worse" and _beyond_margin(found, number) else found.key
    text = words[key].format(**fields)
    if found.key not in ("described", "not_testable"):
        text += " " + _ruled_out(found, number, lang)
    if found.key in ("not_worse", "equivalent") and _excludes_null_badly(found, number):
        text += " " + words["small_loss"]
    if number.counts.of == "municipalities" and number.scale != "level":
        text += " " + words["region_caveat"]
    return text.strip()


def _beyond_margin(found: Verdict, number: Any) -> bool:
    if found.margin is None:
        return False
    below, above = _bounds(number, found.margin)
    return found.conf_low > above if number.measure.better == "lower" else found.conf_high < below


def _excludes_null_badly(found: Verdict, number: Any) -> bool:
    if number.measure.better == "lower":
        return found.conf_low > number.null
    return found.conf_high < number.null


def _p_at_loss(found: Verdict, number: Any) -> float | None:
    """The one-sided p of a non-inferiority test, from the two-sided one at the margin's loss."""
    if found.hypothesis != "noninferiority" or found.margin is None:
        return None
    below, above = _bounds(number, found.margin)
    loss = above if number.measure.better == "lower" else below
    try:
        two_sided = number.p_at(loss)
    except DesignError:
        return None
    beyond = (number.estimate > loss) == (number.measure.better == "higher")
    return two_sided / 2 if beyond else 1 - two_sided / 2


def _how_sure(found: Verdict, number: Any, lang: str) -> str:
    words = PHRASES[lang]
    parts = []
    programme, comparison = number.counts.practices("programme"), number.counts.practices("comparison")
    if number.counts.of == "municipalities":
        parts.append(words["rests_on_places"].format(programme=programme, comparison=comparison))
    elif programme and comparison:
        parts.append(words["rests_on_two"].format(programme=programme, comparison=comparison))
    elif programme:
        parts.append(words["rests_on_one"].format(programme=programme))
    else:
        parts.append(words["rests_on_units"].format(units=format_number(number.n_clusters, 0, lang=lang)))
    at_loss = _p_at_loss(found, number)
    if at_loss is not None:
        times = format_number(1000 * at_loss, 0, lang=lang)
        parts.append(words["if_loss_rare"] if at_loss < 0.0005 else words["if_loss"].format(times=times))
    elif number.scale != "level" and not math.isnan(number.p_value):
        if number.p_value < 0.0005:
            parts.append(words["chance_rare"])
        elif number.p_value < 0.01:
            times = format_number(1000 * number.p_value, 0, lang=lang)
            parts.append(words["chance_1000"].format(times=times))
        else:
            times = format_number(100 * number.p_value, 0, lang=lang)
            parts.append(words["chance_100"].format(times=times))
    parts.append(words["procedure"].format(inference=number.inference))
    return " ".join(parts)
