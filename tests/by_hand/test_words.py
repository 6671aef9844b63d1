"""What a result says: every verdict from a case drawn by hand, in both languages."""

from __future__ import annotations

import math
import re

import pytest

from pluseval.errors import DesignError, PlanError
from pluseval.report.answer import answer, conjunction
from pluseval.report.disclosure import DisclosureRules, release
from pluseval.report.numbers import format_number, format_p, with_unit
from pluseval.report.phrases import PHRASES
from pluseval.report.words import Question, find, planned_questions, verdict

#  margin 0.2, higher is better, null 0:   -0.2 ......... 0 ......... 0.2
#  each interval is value +- 1.96 se
NONINFERIORITY = {
    "improved": (0.30, 0.10, "higher"),
    "within on both sides": (0.00, 0.05, "equivalent"),
    "within below only": (0.10, 0.10, "not_worse"),
    "reaches beyond": (-0.10, 0.10, "inconclusive"),
    "wholly below zero, across the margin": (-0.25, 0.10, "worse"),
    "wholly below the margin": (-0.60, 0.10, "worse"),
    "below zero, within the margin": (-0.10, 0.03, "equivalent"),
}


@pytest.mark.parametrize("case", NONINFERIORITY)
def test_noninferiority_where_higher_is_better(made, case):
    value, se, key = NONINFERIORITY[case]
    found = verdict(made.estimate(value, se, measure=made.GRADE), hypothesis="noninferiority", margin=0.2)
    assert found.key == key


@pytest.mark.parametrize("case", NONINFERIORITY)
def test_noninferiority_where_lower_is_better_is_the_mirror_image(made, case):
    value, se, key = NONINFERIORITY[case]
    found = verdict(made.estimate(-value, se, measure=made.COST), hypothesis="noninferiority", margin=0.2)
    assert found.key == {"higher": "lower"}.get(key, key)


def test_a_small_sure_loss_within_the_margin_is_told(made):
    found = verdict(made.estimate(-0.10, 0.03, measure=made.GRADE), hypothesis="noninferiority", margin=0.2)
    assert PHRASES["en"]["small_loss"] in found.sentence()
    assert PHRASES["nl"]["small_loss"] in found.sentence("nl")


def test_worse_beyond_the_margin_is_told_apart(made):
    say = {
        value: verdict(
            made.estimate(value, 0.1, measure=made.GRADE), hypothesis="noninferiority", margin=0.2
        ).sentence()
        for value in (-0.25, -0.6)
    }
    assert "not ruled out" in say[-0.25]
    assert "by more than the margin" in say[-0.6]


def test_noninferiority_on_the_ratio_scale_has_a_margin_in_parts(made):
    def key(value, se):
        one = made.estimate(value, se, measure=made.COST, scale="ratio")
        return verdict(one, hypothesis="noninferiority", margin=0.05).key

    assert key(1.0, 0.01) == "equivalent"
    assert key(1.04, 0.03) == "inconclusive"
    assert key(0.90, 0.01) == "lower"
    assert key(1.20, 0.02) == "worse"


@pytest.mark.parametrize(("value", "key"), [(-2.4, "lower"), (2.4, "higher"), (-1.0, "no_difference_shown")])
def test_superiority(made, value, key):
    assert verdict(made.estimate(value, 1.0), hypothesis="superiority").key == key


def test_superiority_follows_the_procedures_own_p_value(made):
    # A permutation p may lie on the other side of alpha than the hull of an inverted interval.
    assert (
        verdict(made.estimate(-2.4, 1.0, p_value=0.06), hypothesis="superiority").key == "no_difference_shown"
    )
    assert verdict(made.estimate(-2.4, 1.0, p_value=math.nan), hypothesis="superiority").key == "lower"


def test_no_change_is_never_said_without_a_margin(made):
    found = verdict(made.estimate(0.0, 1.0), hypothesis="superiority")
    assert "no difference shown" in found.sentence()
    assert (
        "rules out a fall of more than 1.96 percentage points and a rise of more than 1.96"
        in found.sentence()
    )
    assert "geen verschil aangetoond" in found.sentence("nl")
    for lang in ("en", "nl"):
        every = " ".join(str(v) for v in PHRASES[lang].values())
        assert not re.search(r"no change|unchanged|geen verandering|onveranderd", every)


def test_noninferiority_without_a_margin_is_refused(made):
    with pytest.raises(PlanError, match="margin"):
        verdict(made.estimate(), hypothesis="noninferiority")
    with pytest.raises(PlanError, match="margin"):
        Question("health", "health.eq5d.primary", "noninferiority")
    with pytest.raises(PlanError, match="positive"):
        verdict(made.estimate(), hypothesis="noninferiority", margin=-0.2)


def test_the_estimates_own_margin_is_used(made):
    assert verdict(made.estimate(0.0, 0.01, margin=0.2), hypothesis="noninferiority").key == "equivalent"


def test_equivalence_is_not_claimed_without_its_interval(made):
    one = made.estimate(0.0, 0.01, measure=made.GRADE, interval=None)
    assert verdict(one, hypothesis="noninferiority", margin=0.2).key == "not_worse"


def test_a_level_is_described_and_nothing_is_tested(made):
    found = verdict(made.level(8.7), hypothesis="description")
    assert found.key == "described"
    assert "p =" not in found.sentence()


def test_nothing_released_is_not_testable(made):
    for found in (
        verdict(None, hypothesis="superiority"),
        verdict(
            made.estimate(p_value=math.nan, conf_low=math.nan, conf_high=math.nan), hypothesis="superiority"
        ),
    ):
        assert found.key == "not_testable"
        assert found.sentence() == "Not testable on these data."
        assert found.sentence("nl") == "Niet te toetsen met deze gegevens."


def test_sentence_holds_number_interval_p_and_comparison(made):
    found = verdict(made.estimate(-2.4, 1.0), hypothesis="superiority")
    assert found.sentence().startswith(
        "Referral percentage is lower, compared with the change in the other practices: "
        "-2.40 percentage points "
        "(95% interval -4.36 to -0.44; p = 0.016)."
    )
    assert "any rise" in found.sentence()
    assert "-2,40 procentpunten (95%-interval -4,36 tot -0,44; p = 0,016)" in found.sentence("nl")


def test_a_single_arm_is_not_told_as_a_comparison(made):
    alone = made.estimate(0.3, 0.1, measure=made.GRADE, evidence=made.counts(made.cell()))
    found = verdict(alone, hypothesis="superiority")
    assert "no comparison practices" in found.sentence()
    assert "without comparison" in found.how_sure()


def test_how_sure_speaks_in_natural_frequencies(made):
    say = {
        p: verdict(made.estimate(p_value=p), hypothesis="superiority").how_sure()
        for p in (0.032, 0.004, 1e-5)
    }
    assert "about 3 of 100" in say[0.032]
    assert "about 4 of 1,000" in say[0.004]
    assert "fewer than 1 of 1,000" in say[1e-5]
    assert all("14 programme and 56 comparison" in s for s in say.values())


def test_an_unbounded_interval_rules_out_nothing_on_that_side(made):
    one = made.estimate(-2.0, 1.0, conf_low=-math.inf, conf_high=1.0)
    say = verdict(one, hypothesis="superiority").sentence()
    assert "unbounded to 1.00" in say
    assert "a fall of more" not in say and "a rise of more than 1.00" in say


def test_bad_choices_are_refused(made):
    with pytest.raises(DesignError, match="hypothesis"):
        verdict(made.estimate(), hypothesis="superior")
    with pytest.raises(DesignError, match="alpha"):
        verdict(made.estimate(), hypothesis="superiority", alpha=5)
    with pytest.raises(DesignError, match="language"):
        verdict(made.estimate(), hypothesis="superiority").sentence("de")


def test_questions_come_from_the_outcomes_of_a_plan():
    asked = planned_questions(
        [{"key": "health.eq5d", "hypothesis": "noninferiority", "margin": 0.03}], alpha=0.1
    )
    assert asked == (Question("health", "health.eq5d.primary", "noninferiority", margin=0.03, alpha=0.1),)


# -- the front page on studies of benefit, harm and no effect ----------------------------------------------


def front(made, *, cost, health, grade):
    sets = [
        made.named("health.eq5d.primary", made.estimate(health, 0.01, measure=made.GRADE)),
        made.named("experience.grade.primary", made.estimate(grade, 0.05, measure=made.GRADE)),
        made.named("costs.msz.primary", made.estimate(cost, 10.0, measure=made.COST)),
        made.named("costs.total.primary", made.estimate(2 * cost, 15.0, measure=made.COST)),
        made.named("referrals.percentage.primary", made.estimate(cost / 20, 0.5)),
    ]
    # The same cells stand behind every measure: none can be subtracted from another.
    released = release(sets, DisclosureRules.default())
    return find(
        released,
        [
            Question("health", "health.eq5d.primary", "noninferiority", margin=0.03),
            Question("experience", "experience.grade.primary", "noninferiority", margin=0.2),
            Question("msz", "costs.msz.primary", "superiority"),
            Question("total", "costs.total.primary", "superiority"),
            Question("referrals", "referrals.percentage.primary", "superiority"),
        ],
    )


STUDIES = {
    "benefit": (dict(cost=-60.0, health=0.05, grade=0.3), "shown"),
    "harm": (dict(cost=60.0, health=-0.08, grade=-0.5), "contradicted"),
    "null": (dict(cost=0.0, health=0.0, grade=0.0), "not_shown"),
}


@pytest.mark.parametrize("study", STUDIES)
def test_the_conjunctive_hypothesis_needs_every_part(made, study):
    effects, key = STUDIES[study]
    assert conjunction(front(made, **effects)).key == key


def test_the_front_page_words_change_with_the_study_in_both_languages(made):
    told = {study: answer(front(made, **effects)) for study, (effects, _) in STUDIES.items()}
    for lang, words in {
        "en": {"benefit": "is supported", "harm": "is contradicted", "null": "is not shown"},
        "nl": {"benefit": "wordt gesteund", "harm": "wordt tegengesproken", "null": "niet aangetoond"},
    }.items():
        for study, word in words.items():
            assert word in told[study][lang][0]
            # A change in costs, health or experience also goes against a published claim of none.
            assert len(told[study][lang]) == (6 if study == "null" else 10)
    assert any("MSZ cost per insured-year is lower" in line for line in told["benefit"]["en"])
    assert any("MSZ cost per insured-year is higher" in line for line in told["harm"]["en"])
    assert "no difference shown" in told["null"]["en"][3]
    assert any("Rapportcijfer: slechter" in line for line in told["harm"]["nl"])


def test_one_absent_part_leaves_the_whole_untested(made):
    verdicts = front(made, **STUDIES["benefit"][0])
    verdicts["health"] = verdict(None, hypothesis="noninferiority", margin=0.03)
    assert conjunction(verdicts).key == "not_testable"
    assert "health status" in answer(verdicts)["en"][0]


def test_one_failed_part_is_named(made):
    verdicts = front(made, **STUDIES["benefit"][0])
    verdicts["total"] = verdict(made.estimate(0.0, 10.0, measure=made.COST), hypothesis="superiority")
    whole = conjunction(verdicts)
    assert (whole.key, whole.failed) == ("not_shown", ("total",))
    assert "total costs" in answer(verdicts)["en"][0]
    assert "totale kosten" in answer(verdicts)["nl"][0]


def test_synthetic_data_are_told_first(made):
    one = {"msz": verdict(made.estimate(source=made.CONDITIONED), hypothesis="superiority")}
    told = answer(one)
    assert "no evidence about PlusPraktijken" in told["en"][0]
    assert "geen bewijs over PlusPraktijken" in told["nl"][0]


def test_a_study_without_front_questions_says_nothing_on_the_front(made):
    assert answer({"municipal_pilot": verdict(made.estimate(), hypothesis="superiority")}) == {
        "en": [],
        "nl": [],
    }


# -- numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "decimals", "en", "nl"),
    [
        (1234567.891, 2, "1,234,567.89", "1.234.567,89"),
        (-0.004, 2, "0.00", "0,00"),
        (-1234.5, 0, "-1,234", "-1.234"),
        (math.nan, 2, "", ""),
        (math.inf, 2, "unbounded", "onbegrensd"),
    ],
)
def test_numbers_in_both_languages(value, decimals, en, nl):
    assert (format_number(value, decimals), format_number(value, decimals, lang="nl")) == (en, nl)


def test_p_values_and_units(made):
    assert format_p(0.00049) == "p < 0.001" and format_p(0.0005) == "p = 0.001"
    assert with_unit(-12.3, made.estimate(measure=made.COST)) == "EUR -12"
    assert with_unit(1500.0, made.level(1.0, measure=made.COST)) == "EUR 1,500 per insured-year"
    assert with_unit(0.93, made.estimate(scale="ratio")) == "0.930 times"


def test_a_published_reading_with_another_verdict_is_told_in_one_sentence(made):
    plan = {"key": "referrals.percentage", "hypothesis": "superiority", "published": {"name": "published"}}
    asked = planned_questions([plan])
    assert [q.key for q in asked] == ["referrals", "referrals_published"]
    unclear = made.estimate(-0.9, 0.6)
    clear = made.estimate(-2.4, 0.8)
    differing = {"referrals.percentage.primary": [unclear], "referrals.percentage.published": [clear]}
    for lang, mark in (("en", "another verdict"), ("nl", "ander oordeel")):
        assert sum(mark in line for line in answer(find(differing, asked))[lang]) == 1
    same = {"referrals.percentage.primary": [clear], "referrals.percentage.published": [clear]}
    assert not any("another verdict" in line for line in answer(find(same, asked))["en"])
