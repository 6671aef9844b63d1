"""One sentence on the front page where what was published and the primary procedure disagree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pluseval.report.answer import answer
from pluseval.report.phrases import PHRASES
from pluseval.report.words import find, planned_questions, verdict

MARKS = {"en": ("another verdict", "does not agree"), "nl": ("ander oordeel", "komt niet overeen")}


def told(key, hypothesis, sets, *, lang="en", margin=None, published=True):
    """The sentences of the front page that tell of a disagreement."""
    plan = {"key": key, "hypothesis": hypothesis, "margin": margin}
    if published:
        plan["published"] = {"name": "published"}
    results = {f"{key}.{reading}": [number] for reading, number in sets.items()}
    lines = answer(find(results, planned_questions([plan])))[lang]
    return [line for line in lines if any(mark in line for mark in MARKS[lang])]


def one_sentence(line):
    """Whether nothing follows the first full stop at the end of a sentence."""
    return line.endswith(".") and ". " not in line.replace("v. ", "")


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize("significant", ["published", "primary"])
@pytest.mark.parametrize("key", ["referrals.percentage", "costs.msz"])
def test_a_significant_and_a_quiet_reading_are_told_in_one_sentence(made, key, significant, lang):
    loud, quiet = made.estimate(-40, 10.0, measure=made.COST), made.estimate(-4, 10.0, measure=made.COST)
    sets = {"published": quiet, "primary": quiet, significant: loud}
    (line,) = told(key, "superiority", sets, lang=lang)
    assert one_sentence(line)
    words = PHRASES[lang]["verdicts"]
    first, last = (words["lower"], words["no_difference_shown"])[:: 1 if significant == "published" else -1]
    assert line.index(f" {first}, ") < line.index(f" {last}.")
    assert verdict(sets["published"], hypothesis="superiority").told(lang) in line


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_a_survey_with_a_published_reading_is_judged_against_its_margin(made, lang):
    worse = made.estimate(-0.5, 0.1, measure=made.GRADE)
    fine = made.estimate(0.0, 0.05, measure=made.GRADE)
    sets = {"published": fine, "primary": worse}
    (line,) = told("experience.grade", "noninferiority", sets, lang=lang, margin=0.2)
    assert one_sentence(line) and PHRASES[lang]["verdicts"]["equivalent"] in line
    same = {"published": fine, "primary": fine}
    assert told("experience.grade", "noninferiority", same, lang=lang, margin=0.2) == []


@pytest.mark.parametrize("lang", ["en", "nl"])
@pytest.mark.parametrize(
    ("key", "claim", "hypothesis"),
    [
        ("costs.msz", "C5", "superiority"),
        ("costs.total", "C5", "superiority"),
        ("health.eq5d", "C1", "noninferiority"),
        ("experience.grade", "C2", "noninferiority"),
    ],
)
def test_a_published_claim_of_no_difference_against_one_that_is_shown(made, key, claim, hypothesis, lang):
    margin = 0.2 if hypothesis == "noninferiority" else None
    for value in (-3.0, 3.0):
        sets = {"primary": made.estimate(value, 0.5, measure=made.GRADE)}
        (line,) = told(key, hypothesis, sets, lang=lang, margin=margin, published=False)
        assert one_sentence(line) and f" {claim}," in line
    quiet = {"primary": made.estimate(0.0, 0.5, measure=made.GRADE)}
    assert told(key, hypothesis, quiet, lang=lang, margin=margin, published=False) == []


@pytest.mark.parametrize("source", ["CONDITIONED", "PLANTED"])
def test_synthetic_numbers_contradict_no_published_claim(made, source):
    loud = made.estimate(-40, 10.0, measure=made.COST, source=getattr(made, source))
    assert told("costs.msz", "superiority", {"primary": loud}, published=False) == []


def test_a_claim_of_a_fall_is_not_one_of_no_difference(made):
    assert (
        told("referrals.percentage", "superiority", {"primary": made.estimate(-4.0)}, published=False) == []
    )


def test_what_was_not_released_disagrees_with_nothing(made):
    loud = made.estimate(-40, 10.0, measure=made.COST)
    assert told("referrals.percentage", "superiority", {"primary": loud}) == []
    assert told("costs.msz", "superiority", {"published": loud}) == []
    silent = replace(loud, p_value=float("nan"), conf_low=float("nan"), interval=None)
    assert told("costs.msz", "superiority", {"primary": silent}) == []
