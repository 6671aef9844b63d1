"""Three planted studies: the answer's words change with the truth, in both languages."""

from __future__ import annotations

import html

import pytest

from pluseval.data.synthetic import synthesize
from pluseval.data.synthetic.parameters import Parameters
from pluseval.pipeline.assets import locate
from pluseval.pipeline.plan import Plan, read_plan
from pluseval.pipeline.run import run
from pluseval.report.page import VERDICT_WORDS, Page
from pluseval.report.phrases import PHRASES
from pluseval.report.read import Results

pytestmark = pytest.mark.book

PLANTED = ("benefit", "harm", "null")
FRONT = ("msz", "total", "health", "experience", "referrals")
# Verdicts that a truth without effect allows, and that no strong effect leaves standing.
UNDECIDED = {"no_difference_shown", "not_worse", "equivalent", "inconclusive"}


def quick_plan(beside: dict[str, object]) -> Plan:
    """The project's plan with its primary contrasts only."""
    plan = read_plan(locate("analyses") / "plan.toml")
    return plan.model_copy(update={"outcomes": tuple(o.model_copy(update=beside) for o in plan.outcomes)})


@pytest.fixture(scope="session")
def pages(made_once, beside):
    """The pages' results of a study that helps, one that harms and one that does neither."""

    def make(place):
        # All practices, as inference rests on their number; fewer patients, as time does on theirs.
        size = Parameters.sized(treated=14, comparators=56, patients=28_000)
        for effects in PLANTED:
            study = synthesize(place / "data" / effects, seed=5, parameters=size, effects=effects)
            run(study, plan=quick_plan(beside), out=place / "results" / effects)

    place = made_once("planted", make)
    return {effects: Page([Results.open(place / "results" / effects)]) for effects in PLANTED}


def verdicts(page):
    return {key: page.results.verdict(key) for key in FRONT}


def test_benefit_is_told_as_benefit(pages):
    found = verdicts(pages["benefit"])
    assert {key: v.key for key, v in found.items()} == {
        "msz": "lower",
        "total": "lower",
        "health": "higher",
        "experience": "higher",
        "referrals": "lower",
    }
    assert all(v.favourable for v in found.values())
    for lang in ("en", "nl"):
        assert html.escape(PHRASES[lang]["whole_shown"]) in pages["benefit"].answer(lang=lang).content


def test_harm_is_told_as_harm(pages):
    found = verdicts(pages["harm"])
    assert {key: v.key for key, v in found.items()} == {
        "msz": "higher",
        "total": "higher",
        "health": "worse",
        "experience": "worse",
        "referrals": "higher",
    }
    assert not any(v.favourable for v in found.values())
    for lang in ("en", "nl"):
        assert (
            html.escape(PHRASES[lang]["whole_contradicted"].split("{")[0])
            in pages["harm"].answer(lang=lang).content
        )


def test_nothing_is_told_as_nothing(pages):
    found = verdicts(pages["null"])
    assert {v.key for v in found.values()} <= UNDECIDED
    for key in ("msz", "total", "referrals"):
        assert found[key].key == "no_difference_shown"
    for lang in ("en", "nl"):
        assert (
            html.escape(PHRASES[lang]["whole_not_shown"].split("{")[0])
            in pages["null"].answer(lang=lang).content
        )


@pytest.mark.parametrize("lang", ["en", "nl"])
def test_the_scoreboard_and_the_sentences_say_the_verdict(pages, lang):
    shown = {}
    for effects, page in pages.items():
        found = verdicts(page)
        board = page.scoreboard(*FRONT, lang=lang).content
        answer = page.answer(lang=lang).content
        shown[effects] = board
        for verdict in found.values():
            assert f'data-verdict="{verdict.key}">{VERDICT_WORDS[lang][verdict.key]}<' in board
            assert html.escape(verdict.sentence(lang)) in answer
            # The value and the interval of the sentence stand in the scoreboard too.
            number = page.number(verdict.set_name, verdict.term, lang=lang).content
            assert number in board
    assert len(set(shown.values())) == 3


def test_words_of_harm_and_benefit_are_opposites_in_both_languages(pages):
    """The key words themselves: lower against higher, better against worse."""
    opposite = {
        "en": (" is lower", " is higher", "is worse"),
        "nl": (": lager", ": hoger", ": slechter"),
    }
    for lang, (lower, higher, worse) in opposite.items():
        benefit, harm, null = (verdicts(pages[e]) for e in ("benefit", "harm", "null"))
        for key in ("msz", "total", "referrals"):
            assert lower in benefit[key].sentence(lang)
            assert higher in harm[key].sentence(lang)
            assert lower not in null[key].sentence(lang)
            assert higher not in null[key].sentence(lang)
        for key in ("health", "experience"):
            assert higher in benefit[key].sentence(lang)
            assert worse in harm[key].sentence(lang)


@pytest.mark.parametrize(("lang", "label"), [("en", "synthetic"), ("nl", "synthetisch")])
def test_planted_studies_carry_the_short_banner(pages, lang, label):
    for page in pages.values():
        content = page.banner(lang=lang).content
        assert label in content
        assert "PlusPraktijken" not in content
