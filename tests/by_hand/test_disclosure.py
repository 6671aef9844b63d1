"""What may leave: every rule of the gate, each with a case that passes and a case that does not."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest

from pluseval.data.frame import Loss
from pluseval.errors import DesignError, DisclosureError
from pluseval.estimate.result import Counts, JointTest
from pluseval.report import disclosure as gate
from pluseval.report.disclosure import DisclosureRules, Released, release

RULES = DisclosureRules.default()


def held(released):
    return [(s.term, s.rule) for s in released.suppressed]


def only(made, evidence, *, rules=RULES, measure=None, **choices):
    """The rule that holds back one estimate with this evidence, None if it leaves."""
    one = made.estimate(evidence=evidence, measure=measure or made.REFERRALS)
    out = release([made.named("s", one)], rules, **choices)
    return out.suppressed[0].rule if out.suppressed else None


@pytest.mark.parametrize("practices", [9, 14])
def test_nine_and_fourteen_practices_pass_as_groups(made, practices):
    assert only(made, made.counts(made.cell(practices=practices))) is None


@pytest.mark.parametrize("practices", [5, 4])
def test_batches_of_five_and_four_do_not_pass(made, practices):
    assert only(made, made.counts(made.cell(practices=practices))) == gate.PRACTICES


def test_practices_and_persons_are_separate_rules(made):
    assert only(made, made.counts(made.cell(persons=9, practices=14))) == gate.PERSONS
    assert only(made, made.counts(made.cell(persons=10, practices=14))) is None
    assert only(made, made.counts(made.cell(persons=70_000, practices=5))) == gate.PRACTICES


def test_one_small_cell_among_large_ones_is_enough(made):
    evidence = made.counts(made.cell(), made.cell("comparison", persons=3, practices=56))
    assert only(made, evidence) == gate.PERSONS


def test_what_cannot_be_checked_does_not_leave(made):
    assert only(made, made.counts(made.cell(persons=None))) == gate.PERSONS + gate.UNKNOWN
    assert only(made, Counts()) == gate.NO_EVIDENCE


@pytest.mark.parametrize(
    ("shares", "rule"),
    [
        ((0.51, 0.6, 0.01, 0.02), gate.LARGEST_PRACTICE),
        ((0.49, 0.91, 0.01, 0.02), gate.TWO_PRACTICES),
        ((0.1, 0.2, 0.51, 0.6), gate.LARGEST_PERSON),
        ((0.1, 0.2, 0.49, 0.91), gate.TWO_PERSONS),
        ((0.5, 0.9, 0.5, 0.9), None),
    ],
)
def test_dominance_of_practices_and_of_persons(made, shares, rule):
    assert only(made, made.counts(made.cell(shares=shares)), measure=made.COST) == rule


def test_unknown_shares_hold_back_a_sum_of_amounts_only(made):
    evidence = made.counts(made.cell(shares=math.nan))
    assert only(made, evidence, measure=made.COST) == gate.LARGEST_PERSON + gate.UNKNOWN
    assert only(made, evidence, measure=made.GRADE) is None


def test_residual_df_is_for_models_on_persons(made):
    few = made.counts(level="person", df_resid=9.0)
    assert only(made, few) == gate.RESIDUAL_DF
    assert only(made, replace(few, df_resid=10.0)) is None
    assert only(made, replace(few, df_resid=None)) == gate.RESIDUAL_DF + gate.UNKNOWN
    assert only(made, replace(few, level="practice")) is None


def test_practice_named_results_leave_with_consent_only(made):
    alone = made.counts(made.cell(practices=1, shares=(1.0, 1.0, 0.1, 0.1)), names_practices=True)
    assert only(made, alone) == gate.NAMED
    assert only(made, alone, consented=True) is None
    # Consent of practices is no consent of patients.
    assert (
        only(made, replace(alone, cells=(made.cell(persons=9, practices=1),)), consented=True) == gate.PERSONS
    )


def test_leave_one_out_beside_the_whole_needs_consent(made):
    whole = made.estimate(term="all")
    out = [
        made.estimate(
            term=f"without {i}",
            evidence=made.counts(
                made.cell(practices=13), made.cell("comparison", practices=56), names_practices=True
            ),
        )
        for i in (1, 2)
    ]
    assert len(release([made.named("s", whole, *out)], RULES).suppressed) == 2
    assert not release([made.named("s", whole, *out)], RULES, consented=True).suppressed


def test_leave_one_out_that_forgets_to_say_so_is_caught_by_differences(made):
    without = made.counts(made.cell(practices=13, persons=65_000), made.cell("comparison", practices=56))
    result = release([made.estimate(term="all"), made.estimate(term="without one", evidence=without)], RULES)
    assert held(result) == [("without one", gate.DIFFERENCE_PRACTICES)]


def test_two_groups_that_differ_by_a_batch_reveal_the_batch(made):
    first_two = made.counts(made.cell(practices=10, persons=51_000), made.cell("comparison", practices=56))
    result = release(
        [made.estimate(term="all"), made.estimate(term="two batches", evidence=first_two)], RULES
    )
    assert held(result) == [("two batches", gate.DIFFERENCE_PRACTICES)]


def test_the_later_of_two_is_held_back_over_different_sets(made):
    small = made.counts(made.cell(practices=10, persons=51_000))
    large = made.counts(made.cell(practices=14))
    result = release(
        [made.named("a", made.estimate(evidence=small)), made.named("b", made.estimate(evidence=large))],
        RULES,
    )
    assert [s.name for s in result.suppressed] == ["b"]


def test_a_difference_of_enough_practices_passes(made):
    eight = made.counts(made.cell(practices=8, persons=41_000))
    assert not release([made.estimate(term="a"), made.estimate(term="b", evidence=eight)], RULES).suppressed


@pytest.mark.parametrize("changed", ["group", "period", "measure"])
def test_other_groups_periods_and_measures_are_not_subtracted(made, changed):
    other = {"group": ("comparison", "2019"), "period": ("programme", "2018")}.get(
        changed, ("programme", "2019")
    )
    measure = made.GRADE if changed == "measure" else made.REFERRALS
    first = made.estimate(term="a", evidence=made.counts(made.cell()))
    second = made.estimate(
        term="b", measure=measure, evidence=made.counts(made.cell(*other, persons=70_000, practices=12))
    )
    assert not release([first, second], RULES).suppressed


def test_a_suppressed_number_is_not_subtracted_from(made):
    small = made.counts(made.cell(practices=5, persons=25_000))
    nine = made.counts(made.cell(practices=9, persons=46_000))
    result = release(
        [made.estimate(term="five", evidence=small), made.estimate(term="nine", evidence=nine)], RULES
    )
    assert [s.term for s in result.suppressed] == ["five"]


def test_few_persons_between_two_numbers_are_revealed(made):
    nearly = made.counts(made.cell(persons=69_995))
    result = release(
        [
            made.estimate(term="a", evidence=made.counts(made.cell())),
            made.estimate(term="b", evidence=nearly),
        ],
        RULES,
    )
    assert held(result) == [("b", gate.DIFFERENCE_PERSONS)]


def test_a_joint_test_over_a_suppressed_estimate_is_suppressed(made):
    joint = JointTest("pre-trends", 1.2, 3.0, 0.4, "Wald")
    bad = made.estimate(term="x", evidence=made.counts(made.cell(practices=5)))
    good = made.named("s", made.estimate(), joint=(joint,))
    assert release([good], RULES)["s"].joint == (joint,)
    result = release([replace(good, estimates=(made.estimate(), bad))], RULES)
    assert result["s"].joint == ()
    assert ("pre-trends", gate.JOINT) in held(result)


def test_small_losses_are_told_as_fewer_than(made):
    lost = (Loss("moved", 3), Loss("no answer", 40))
    (one,) = release([made.named("s", made.estimate(losses=lost))], RULES)["s"]
    assert one.losses == (Loss("no answer", 40),)
    assert one.notes == ("fewer than 10 lost: moved",)


def test_public_aggregates_need_no_evidence(made):
    assert only(made, Counts(), rules=DisclosureRules.public_aggregates()) is None


def test_the_strict_preset_holds_back_what_the_default_lets_pass(made):
    evidence = made.counts(made.cell(persons=20))
    assert only(made, evidence) is None
    assert only(made, evidence, rules=DisclosureRules.strict_microdata()) == gate.PERSONS


def test_suppressed_entries_hold_no_value(made):
    bad = made.estimate(-987.654, term="x", evidence=made.counts(made.cell(practices=5)))
    result = release([made.named("s", bad)], RULES)
    assert "987" not in repr(result)
    with pytest.raises(DisclosureError, match="minimum practices"):
        result["s"]


def test_only_release_makes_a_released(made):
    with pytest.raises(DisclosureError, match="release"):
        Released((made.named("s"),), (), RULES)
    good = release([made.named("s")], RULES)
    with pytest.raises(DisclosureError):
        replace(good, sets=(made.named("other"),))
    assert copy.copy(good).names == ("s",)


def test_bad_input_is_refused(made):
    with pytest.raises(DisclosureError, match="found float"):
        release([3.0], RULES)
    with pytest.raises(DisclosureError, match="DisclosureRules"):
        release([made.named("s")], {"min_persons": 1})
    with pytest.raises(DesignError, match="unique"):
        release([made.named("s"), made.named("s")], RULES)
    for name in ("../up", "a/b", "A b", ""):
        with pytest.raises(DesignError, match="file name"):
            release([made.named(name)], RULES)


@pytest.mark.parametrize(
    "wrong", [{"min_persons": -1}, {"max_share_two": 0.0}, {"max_share_largest": 1.1}, {"min_df_resid": -2}]
)
def test_rules_are_checked_when_made(wrong):
    with pytest.raises(DesignError):
        DisclosureRules(**wrong)


def test_a_bare_estimate_becomes_a_set_named_after_its_term(made):
    assert release(made.estimate(term="Change 2018 -> 2019"), RULES).names == ("change_2018_2019",)
