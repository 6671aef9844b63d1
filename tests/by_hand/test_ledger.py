"""The claims ledger: each status word from a result drawn by hand."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest

from pluseval.errors import DesignError
from pluseval.report import claim_rules as book
from pluseval.report.catalogue import SETS
from pluseval.report.claim import RULE_NAMES, Claim, claim_sets, claims
from pluseval.report.claim_rules import outlier_needed
from pluseval.report.disclosure import DisclosureRules, release
from pluseval.report.ledger import ClaimStatus, claims_table, ledger, lung_arithmetic, ruled_out_by_claim
from pluseval.report.read import Results
from pluseval.report.readings import anchor, readings_table
from pluseval.report.words import verdict
from pluseval.report.write import write


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
    assert "3.9 times" in lung_arithmetic().content
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


def test_the_table_says_scope_and_the_warning_of_synthetic_data_once(made):
    eq5d = made.named("health.eq5d.primary", made.estimate(0.0, 0.01, margin=0.03, source=made.CONDITIONED))
    sets = [c6(made, source=made.CONDITIONED), eq5d]
    released = release(sets, DisclosureRules.default())
    page, table = ledger(released)._repr_html_(), claims_table(released).content
    assert all('scope="' in h for h in re.findall(r"<th[ >][^>]*", page))
    assert page.count(made.CONDITIONED.label) == 1
    assert made.CONDITIONED.label not in table
    assert table.count("<tr id=") == 19
    rows = {i: re.search(rf'<tr id="claim-{i}">.*?</tr>', table, re.DOTALL).group() for i in ("C1", "C6")}
    assert book.BY_CONSTRUCTION in rows["C6"] and "no evidence" in rows["C6"]
    assert book.NOT_TESTABLE in rows["C1"] and "say nothing" in rows["C1"]


def test_the_row_of_c6_leads_to_every_reading_where_there_are_some(made):
    name = "referrals.percentage.published_procedures"
    both = [c6(made), made.named(name, made.estimate(term="published reading"))]
    for sets, linked in ((both, True), (both[:1], False)):
        released = release(sets, DisclosureRules.default())
        link = f'href="#{anchor(name)}"'
        assert (link in claims_table(released).content) == linked
    written = readings_table(release(both, DisclosureRules.default()), name).content
    assert f'id="{anchor(name)}"' in written


def test_real_data_carry_no_warning(made):
    page = ledger(release([c6(made)], DisclosureRules.default()))._repr_html_()
    assert "synthetic" not in page and "banner" not in page


# -- what is ruled out ---------------------------------------------------------------------------------------


def told(made, identity, *sets):
    released = release(sets, DisclosureRules.public_aggregates())
    return ledger(released)[identity].ruled_out


@pytest.mark.parametrize(
    ("value", "se", "said"),
    [
        (0.0, 0.026, "inconclusive"),
        (0.0, 0.012, "smaller than the margin of 0.030 points"),
        (0.02, 0.012, "not worse by the margin of 0.030 points"),
    ],
)
def test_c1_says_what_is_ruled_out_against_the_margin(made, value, se, said):
    one = made.estimate(value, se, measure=replace(made.GRADE, decimals=3), margin=0.03)
    (line,) = told(made, "C1", made.named("health.eq5d.primary", one))
    assert said in line
    assert f"rules out a fall of more than {1.96 * se - value:.3f} points" in line
    # The same words as the verdict on the front page: no second wording.
    assert line == verdict(one, hypothesis="noninferiority", margin=0.03).sentence()


@pytest.mark.parametrize(("identity", "key"), [("C2", "experience.grade"), ("C3", "experience.nps")])
def test_c2_and_c3_tell_levels_and_change(made, identity, key):
    change = made.estimate(0.1, 0.05, measure=made.GRADE, margin=0.3)
    levels, line = told(
        made, identity, made.trajectory(f"{key}.levels", (8.6, 8.7)), made.named(f"{key}.primary", change)
    )
    assert "8.60 to 8.70 over 2016-2017" in levels
    assert "rules out any fall and a rise of more than 0.20 points" in line


def test_c4_describes_both_scales_and_rules_nothing_out(made):
    sets = [
        made.trajectory(f"costs.{k}.levels", (100, 110), (200, 220), measure=made.COST)
        for k in ("msz", "total")
    ]
    ratio = made.estimate(1.0, 0.01, scale="ratio", measure=made.COST)
    lines = told(made, "C4", *sets, made.named("costs.msz.ratio", ratio))
    # From 100 to 110 and from 200 to 220: half the rise in euros, the same in percent.
    assert "rose 10 against 20 EUR from 2016 to 2017, that is 10.0 % against 10.0 %" in lines[0]
    assert "1.000 times" in lines[1] and "equal growth in percent" in lines[1]
    assert "never an effect" in lines[-1]
    assert not any("p = " in line or "interval" in line for line in lines)


def test_c5_rules_out_in_euros_and_in_percent(made):
    euros = made.estimate(-10, 20.0, measure=made.COST)
    ratio = made.estimate(0.99, 0.01, scale="ratio", measure=made.COST)
    lines = told(
        made,
        "C5",
        made.named("costs.msz.primary", euros),
        made.named("costs.msz.ratio", ratio),
        made.named("costs.total.primary", euros),
    )
    assert ["EUR 49" in line for line in lines] == [True, False, True]
    assert lines[1].startswith("In percent") and "a fall of more than 3.0 %" in lines[1]


def test_what_was_not_released_is_not_ruled_out(made):
    assert told(made, "C1") == told(made, "C4") == ()
    assert "Not testable" in ruled_out_by_claim({}).content


def test_what_synthetic_intervals_rule_out_is_said_to_mean_nothing(made):
    def page(source):
        one = made.estimate(0.0, 0.01, measure=made.GRADE, margin=0.03, source=source)
        released = release([made.named("health.eq5d.primary", one)], DisclosureRules.default())
        return ruled_out_by_claim(released).content

    assert "say nothing about PlusPraktijken" in page(made.CONDITIONED)
    assert "say nothing" not in page(made.REAL)
    assert 'id="ruled-out-C1"' in page(made.REAL)


def test_the_numbers_of_a_bundle_rule_out_what_the_released_ones_do(made, tmp_path):
    one = made.estimate(0.0, 0.01, measure=made.GRADE, margin=0.03)
    released = release([made.named("health.eq5d.primary", one)], DisclosureRules.default())
    again = ledger(Results.open(write(released, tmp_path)))["C1"]
    assert (again.ruled_out, again.status) == (ledger(released)["C1"].ruled_out, book.AGREES)


def test_every_rule_has_a_name_that_a_claim_may_use():
    assert tuple(book.RULES) == RULE_NAMES


def test_a_claim_with_an_unknown_rule_or_set_is_refused():
    sheet = dict(id="X", text="t", published="p", source="s", reading="r")
    with pytest.raises(DesignError, match="rule"):
        Claim(**sheet, rule="guess")
    with pytest.raises(DesignError, match="catalogue"):
        Claim(**sheet, rule="value", set="nowhere.at_all")
