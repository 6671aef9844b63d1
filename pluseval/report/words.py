"""From a plan's questions to verdicts with their sentences, in English and Dutch.

Light on purpose (no pandas): book pages make their words from a released bundle with the same functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pluseval.report.catalogue import QUESTIONS
from pluseval.report.phrases import PHRASES
from pluseval.report.sentences import how_sure, sentence, told_interval, told_value
from pluseval.report.verdict import (
    Hypothesis,
    Verdict,
    check_hypothesis,
    equivalence_interval,
    favourable,
    own_margin,
    verdict_key,
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
        check_hypothesis(self.hypothesis, self.margin, self.alpha)


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
        In the unit of the number (for a ratio: as a part, 0.05 for 5 %); the estimate's own by default (which
        for a ratio is itself a ratio, 1.05).
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
        margin = own_margin(number)
    if hypothesis != "noninferiority" or number is not None:
        check_hypothesis(hypothesis, margin, alpha)
    if number is None or (
        number.scale != "level" and math.isnan(number.conf_low) and math.isnan(number.p_value)
    ):
        return _not_testable(hypothesis, margin, alpha, set_name, "" if number is None else number.term)
    low, high = number.conf_int(1 - alpha) if number.scale != "level" else (number.conf_low, number.conf_high)
    tost_low, tost_high = equivalence_interval(number, margin, alpha)
    key = verdict_key(number, hypothesis, margin, alpha, (low, high), (tost_low, tost_high))
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
        favourable=favourable(number, (low, high)),
        set_name=set_name,
        term=number.term,
        source_kind=number.source.kind,
        source_label=number.source.label,
        source_label_nl=number.source.label_nl,
    )
    plain = Verdict(**facts)
    for lang in ("en", "nl"):
        facts[f"told_{lang}"] = told_value(number, lang) + told_interval(plain, number, lang)
        facts[f"sentence_{lang}"] = sentence(plain, number, lang)
        facts[f"how_sure_{lang}"] = how_sure(plain, number, lang)
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
