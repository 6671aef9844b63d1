"""The claims ledger: each status word from a result drawn by hand."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from pluseval.errors import DesignError
from pluseval.report import ledger as book
from pluseval.report.catalogue import SETS
from pluseval.report.disclosure import DisclosureRules, release
from pluseval.report.ledger import Claim, ClaimStatus, claim_sets, claims, ledger, outlier_needed


def status(made, identity, *sets):
    released = release(sets, DisclosureRules.public_aggregates())
    return ledger(released)[identity]


def test_nineteen_claims_in_order_and_every_set_is_known():
    assert [c.id for c in claims()] == [f"C{i}" for i in range(1, 20)]
    assert {n for names in claim_sets().values() for n in names} <= set(SETS)


def test_reproduced_is_not_a_word():
    assert not any("reproduced" in s.lower() for s in book.STATUSES)
    with pytest.raises(DesignError):
        ClaimStatus(claims()[0], "reproduced")


def test_without_results_nothing_is_testable_but_contradictions_and_expectations():
    found = {e.claim.id: e.status for e in ledger({})}
    assert found.pop("C11") == found.pop("C18") == book.CONTRADICT
    assert found.pop("C13") == book.EXPECTATION
    assert set(found.values()) == {book.NOT_TESTABLE}


def c6(made, value=-2.4, p=0.032, source=None):
    one = made.estimate(value, 1.1, p_value=p, source=source or made.REAL)
    return made.named("referrals.percentage.published", one)


@pytest.mark.parametrize(
    ("value", "p", "word"),
    [
        (-2.4, 0.032, book.AGREES),
        (-2.449, 0.0324, book.AGREES),
        (-2.4, 0.008, book.SAME_SIGN),
        (-1.0, 0.032, book.SAME_SIGN),
        (1.0, 0.032, book.DIFFERS),
    ],
)
def test_c6_on_real_data(made, value, p, word):
    assert status(made, "C6", c6(made, value, p)).status == word


def test_conditioned_data_show_c6_by_construction_unless_the_pipeline_fails(made):
    assert status(made, "C6", c6(made, source=made.CONDITIONED)).status == book.BY_CONSTRUCTION
    assert status(made, "C6", c6(made, -1.0, source=made.CONDITIONED)).status == book.DIFFERS


def test_planted_data_say_nothing_about_a_claim(made):
    found = status(made, "C6", c6(made, source=made.PLANTED))
    assert found.status == book.NOT_TESTABLE and "-2.40" in found.rerun


def test_only_c2_to_c8_can_be_by_construction():
    assert [c.id for c in claims() if c.constructed] == [f"C{i}" for i in range(2, 9)]


@pytest.mark.parametrize(
    ("value", "se", "margin", "word"),
    [
        (0.0, 0.01, 0.03, book.AGREES),
        (0.0, 0.05, 0.03, book.NOT_TESTABLE),
        (-0.2, 0.05, 0.03, book.DIFFERS),
        (0.0, 0.01, None, book.NOT_TESTABLE),
    ],
)
def test_c1_did_not_change_needs_a_margin_and_a_narrow_interval(made, value, se, margin, word):
    one = made.estimate(value, se, measure=made.GRADE, margin=margin)
    assert status(made, "C1", made.named("health.eq5d.primary", one)).status == word


def test_c1_is_not_by_construction(made):
    one = made.estimate(0.0, 0.01, measure=made.GRADE, margin=0.03, source=made.CONDITIONED)
    assert status(made, "C1", made.named("health.eq5d.primary", one)).status == book.NOT_TESTABLE


@pytest.mark.parametrize(("grades", "word"), [((8.5, 8.8, 9.04), book.AGREES), ((8.5, 8.3), book.DIFFERS)])
def test_c2_every_wave_lies_in_the_range(made, grades, word):
    assert status(made, "C2", made.trajectory("experience.grade.levels", grades)).status == word


@pytest.mark.parametrize(("scores", "word"), [((58, 64), book.AGREES), ((60, 70), book.DIFFERS)])
def test_c3_nps_is_about_sixty(made, scores, word):
    assert status(made, "C3", made.trajectory("experience.nps.levels", scores)).status == word


@pytest.mark.parametrize(
    ("programme", "comparison", "word"),
    [
        ((100, 110, 120), (110, 125, 140), book.AGREES),
        ((100, 110, 130), (110, 125, 139), book.SAME_SIGN),  # lower, but rose more
        ((100, 126, 120), (110, 125, 140), book.SAME_SIGN),  # lower in most years
        ((120, 130, 140), (110, 125, 139), book.DIFFERS),
    ],
)
def test_c4_lower_in_every_year_and_rose_less(made, programme, comparison, word):
    sets = [
        made.trajectory(f"costs.{kind}.levels", programme, comparison, measure=made.COST)
        for kind in ("msz", "total")
    ]
    assert status(made, "C4", *sets).status == word


def test_c5_needs_both_kinds_of_cost_not_significant(made):
    quiet = made.estimate(-10, 20.0, measure=made.COST)
    loud = made.estimate(-100, 20.0, measure=made.COST)
    total = made.named("costs.total.primary", quiet)
    assert status(made, "C5", made.named("costs.msz.primary", quiet), total).status == book.AGREES
    assert status(made, "C5", made.named("costs.msz.primary", loud), total).status == book.DIFFERS


def test_c7_within_rounding(made):
    def found(value):
        return status(
            made, "C7", made.named("referrals.per_practice.published", made.estimate(value, 50.0))
        ).status

    assert (found(-121.0), found(-80.0), found(20.0)) == (book.AGREES, book.SAME_SIGN, book.DIFFERS)


@pytest.mark.parametrize(("lowest", "word"), [(2019, book.AGREES), (2018, book.SAME_SIGN)])
def test_c10_the_turn_is_in_2019(made, lowest, word):
    changes = [
        made.estimate(-3.0 if y == lowest else -0.5, term=f"{y - 1} to {y}", at=float(y))
        for y in range(2014, 2020)
    ]
    assert status(made, "C10", made.named("referrals.percentage.adjacent", *changes)).status == word


def test_c11_the_outlier_that_both_halves_need():
    # 13 practices at 0.95 sum to 12.35; 14 at 1.16 to 16.24; the fourteenth is the difference.
    assert outlier_needed(practices=14, others=0.95, mean=1.16) == pytest.approx(16.24 - 12.35)
    assert "13 practices" in ledger({})["C11"].note and "3.9 times" in ledger({})["C11"].note
    assert "3.9 times" in book.lung_arithmetic().content
    with pytest.raises(DesignError):
        outlier_needed(practices=1, others=1.0, mean=1.0)


@pytest.mark.parametrize(
    ("value", "se", "word"),
    [
        (-40, 10, book.SAME_SIGN),
        (-10, 10, book.EXPECTATION),
        (10, 10, book.EXPECTATION),
        (40, 10, book.DIFFERS),
    ],
)
def test_c13_is_contradicted_only_where_no_saving_is_left_and_never_confirmed(made, value, se, word):
    public = made.estimate(value, float(se), measure=made.COST, source=replace(made.REAL, kind="public"))
    found = status(made, "C13", made.named("municipal.contract.msz", public))
    assert found.status == word and "within the pilot" in found.note


def test_c14_many_millions_more(made):
    def found(value, low):
        one = made.estimate(value, conf_low=low, conf_high=2 * value, scale="level", p_value=math.nan)
        return status(made, "C14", made.named("municipal.expected.msz", one)).status

    assert found(50e6, math.nan) == book.AGREES
    assert found(50e6, -1e6) == book.SAME_SIGN
    assert found(-5e6, math.nan) == book.DIFFERS


def test_c15_a_gap_gives_the_sign_and_a_rank_the_claim(made):
    gap = made.estimate(-8.0, 1.0, term="2020", measure=made.GRADE)
    rank = made.estimate(1.0, term="rank 2020", scale="level", p_value=math.nan)
    assert status(made, "C15", made.named("municipal.health", gap)).status == book.SAME_SIGN
    assert status(made, "C15", made.named("municipal.health", gap, rank)).status == book.AGREES
    second = replace(rank, estimate=2.0)
    assert status(made, "C15", made.named("municipal.health", gap, second)).status == book.SAME_SIGN


def test_a_suppressed_result_is_not_testable(made):
    small = made.estimate(evidence=made.counts(made.cell(practices=5)), p_value=0.032)
    released = release([made.named("referrals.percentage.published", small)], DisclosureRules.default())
    found = ledger(released)["C6"]
    assert found.status == book.NOT_TESTABLE and found.rerun == ""


def test_the_table_says_scope_and_marks_synthetic_numbers(made):
    released = release([c6(made, source=made.CONDITIONED)], DisclosureRules.default())
    page = ledger(released)._repr_html_()
    assert all('scope="' in h for h in re.findall(r"<th[ >][^>]*", page))
    assert page.count("no evidence about PlusPraktijken") == 1
    assert page.count("<tr id=") == 19


def test_a_claim_with_an_unknown_rule_or_set_is_refused():
    sheet = dict(id="X", text="t", published="p", source="s", reading="r")
    with pytest.raises(DesignError, match="rule"):
        Claim(**sheet, rule="guess")
    with pytest.raises(DesignError, match="catalogue"):
        Claim(**sheet, rule="value", set="nowhere.at_all")
