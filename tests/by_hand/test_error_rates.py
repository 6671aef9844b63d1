"""The table of error rates as a page shows it, from a table of a few rows drawn by hand."""

import csv
import json
import math

import pytest

from analyses.calibration_table import Criteria
from pluseval.errors import NotFoundError
from pluseval.report.error_rates import ErrorRates, bounds_of
from pluseval.report.rate_words import (
    alternatives,
    effect_names,
    effects_found,
    hardest,
    rule,
    sizes,
    summary,
)

HEAD = (
    "cell,treated,comparison,constant_effect,unit,procedure,studies,size,size_mcse,coverage,effect,power,"
    "larger_effect,larger_power,median_width,median_width_mcse\n"
)
ROWS = (
    "normal.14,14,56,true,per 100,pooled_t,10000,0.043,0.002,0.957,-2.4,0.56,-3.3,0.8,4.4,0.01\n"
    "normal.14,14,56,true,per 100,permutation_t,10000,0.051,0.002,0.949,-2.4,0.51,-3.3,0.7,4.8,0.1\n"
    "size_trend.14,14,56,true,per 100,pooled_t,10000,0.124,0.003,,-2.4,0.66,-3.3,0.9,4.6,0.01\n"
    "size_trend.14,14,56,true,per 100,permutation_t,10000,0.047,0.003,,-2.4,0.41,-3.3,0.6,4.9,0.1\n"
    "varying.14,14,56,false,per 100,permutation_t,10000,0.066,0.002,0.934,-2.4,0.3,-3.3,0.5,,\n"
    "normal.5,5,56,true,per 100,permutation_t,10000,0.035,0.002,0.965,-2.4,0.2,-3.3,0.3,8.0,0.1\n"
    "normal.14,14,56,true,per 100,sdid_new,2000,0.095,0.002,0.905,-2.4,0.5,-3.3,0.7,,\n"
    "eq5d.14,14,56,true,utility,sign_flips,10000,0.045,0.002,0.955,-0.015,0.3,-0.03,0.8,0.1,0.01\n"
    "eq5d.5,5,56,true,utility,sign_flips,0,,,,-0.015,,-0.03,,,\n"
)
MANIFEST = {
    "alpha": 0.05,
    "primary": "permutation_t",
    "candidates": [{"procedure": "pooled_t", "mean_power": 0.61, "fails": {"size_trend.14": 0.124}}],
    "cells": {
        "size_trend.14": {"title": "trend that depends on list size"},
        "eq5d.5": {"design": "5 + 56", "refused": {"sign_flips": "32 assignments"}},
    },
    "procedures": {
        "permutation_t": {"family": "changes", "plan": {"inference": {"procedure": "permutation"}}},
        "sdid_new": {"title": "synthetic DiD, new", "family": "staggered"},
        "sign_flips": {"family": "single_arm", "plan": {"inference": {"procedure": "sign_flip"}}},
    },
}


@pytest.fixture
def rates(tmp_path):
    (tmp_path / "table.csv").write_text(HEAD + ROWS, encoding="utf-8")
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
    return ErrorRates.open(tmp_path)


def test_a_size_far_from_nominal_is_marked_and_carries_its_error(rates):
    shown = rates.table("size", treated=14, procedures=("pooled_t",)).content
    assert "<td>4.3 (0.2)</td>" in shown
    assert '<td data-rate="high">12.4 (0.3)</td>' in shown


def test_kinds_of_study_without_the_share_are_left_out(rates):
    shown = rates.table("coverage", treated=14, procedures=("pooled_t",)).content
    assert "normal" in shown and "trend" not in shown


def test_a_width_is_in_the_unit_of_its_outcome(rates):
    shown = rates.table("median_width", treated=14, procedures=("permutation_t", "sign_flips")).content
    assert "normal, referrals per 100 enlisted</th><td>4.8 (0.10)</td>" in shown
    assert "eq5d, EQ-5D utility</th><td></td><td>0.100 (0.0100)</td>" in shown


def test_a_column_that_the_table_lacks_gives_nothing(rates):
    assert rates.table("opposite_power", treated=14, procedures=("pooled_t",)).content == ""


def test_kinds_of_study_and_unknown_procedures_have_the_titles_of_the_manifest(rates):
    assert rates.kind("size_trend.14") == "trend that depends on list size"
    assert rates.kind("normal.14") == "normal"
    assert rates.name("sdid_new") == "synthetic DiD, new"


def test_every_procedure_of_the_table_is_shown_somewhere(rates):
    shown = [*rates.main(), *(name for names in rates.others().values() for name in names)]
    assert sorted(shown) == sorted({row["procedure"] for row in rates.rows})
    assert rates.main()[0] == "permutation_t"
    assert rates.others()["staggered starts"] == ("sdid_new",)


def test_the_choice_names_where_a_candidate_misses(rates):
    told = "pooled t: mean power 61.0 %; misses in trend that depends on list size, 14 practices (12.4 %)"
    assert told in rates.primary().content


def test_what_was_refused_is_said_with_its_reason(rates):
    assert "Refused: sign flips with 5 + 56 practices (32 assignments)." in rates.studies().content


@pytest.mark.parametrize("treated", [30, 14, 13, 5])
def test_the_bounds_are_those_of_the_rule_that_chooses(treated):
    rule = Criteria.of(treated)
    row = {"treated": treated, "constant_effect": "true"}
    assert bounds_of(row) == (rule.least, rule.most)
    assert bounds_of(row | {"constant_effect": "false"}) == (0.0, rule.most_varying)


def test_the_summary_says_how_often_the_primary_errs_and_what_it_finds(rates):
    said = summary(rates).content
    assert "anew, thousands of times, among practices, and counts" in said
    assert "reports a difference in 4.7 to 5.1 of every hundred" in said
    assert "the promise is 5." in said
    assert "With 5 programme practices it errs in 3.5 of a hundred." in said
    assert "up to 6.6 (with 14 practices) of a hundred" in said
    assert "wrong in 4.5 of a hundred with 14 practices and no answer with 5" in said
    assert "finds a true difference of 2.4 referrals per 100 enlisted in 41 to 51 of a hundred" in said


def test_the_summary_follows_the_table(rates):
    """Another table, other sentences: no number of them is typed."""
    other = ErrorRates(tuple({**r, "size": r["size"] and r["size"] / 2} for r in rates.rows), rates.manifest)
    assert "reports a difference in 2.4 to 2.5 of every hundred" in summary(other).content


def test_the_hardest_kind_of_study_is_that_of_the_best_candidate(rates):
    """Of the two with both candidates, the trend spoils one; where effects vary, none is near the promise."""
    rows = [*rates.rows, {**rates.row("varying.14", "permutation_t"), "procedure": "pooled_t", "size": 0.096}]
    one = ErrorRates(tuple(r for r in rows if "eq5d" not in r["cell"]), rates.manifest)
    assert "varying. There the candidates err in 6.6 to 9.6 of a hundred" in hardest(one, treated=14).content


def test_the_rule_is_told_with_its_bounds(rates):
    said = rule(rates).content
    assert "with 14 programme practices 4 to 6 % where effects are constant and at most 7 %" in said
    assert "with 5 programme practices 3 to 7 % where effects are constant and at most 10 %" in said


def test_the_rule_says_where_chance_in_the_simulation_decides(rates):
    """A pooled t beyond its bound by far is not named, one just beyond it is; so is a primary near one."""
    rows = [{**r, "size": 0.055} if r["cell"] == "varying.14" else r for r in rates.rows]
    firm = rule(ErrorRates(tuple(rows), rates.manifest)).content
    assert "sets aside" not in firm
    assert "The primary is further from its bounds than that in every kind of study." in firm
    rows = [{**r, "size": 0.062} if r["cell"] == "size_trend.14" else r for r in rows]
    near = rule(ErrorRates(tuple(rows), rates.manifest)).content
    assert "it sets aside pooled t (mean power 61.0 %): another seed could have let it in" in near
    assert "but for: trend that depends on list size with 14 practices." in near


def test_sizes_are_told_as_ranges_over_the_kinds_of_study(rates):
    shown = sizes(rates, ["permutation_t", "not_tried", "pooled_t"]).content
    assert "permutation t (primary)</th><td>4.7 to 6.6 (3)</td><td>3.5 (1)</td>" in shown
    assert "pooled t</th><td>4.3 to 12.4 (2)</td><td></td>" in shown
    assert "not tried" not in shown
    assert sizes(rates, ["not_tried"]).content == ""


def test_an_alternative_is_told_with_its_gain_and_its_price(rates):
    said = alternatives(rates).content
    assert "permutation t, the primary: finds the smaller effects in 46.0 of a hundred" in said
    assert (
        "pooled t: 61.0 of a hundred, 15.0 more; 12.4 false positives at worst (trend that depends on list "
        "size); outside the bounds in 1 of 2 kinds of study. Where it errs most it also finds more (66.0 "
    ) in said


def test_power_in_the_other_direction_is_told_where_it_was_measured(rates):
    with_it = ErrorRates(tuple({**r, "opposite_power": 0.2} for r in rates.rows), rates.manifest)
    assert "(20.0 where they have the other sign)" in alternatives(with_it).content


def test_effects_are_named_with_their_units(rates):
    assert effect_names(rates) == "2.4 referrals per 100 enlisted; 0.015 EQ-5D utility"
    shown = effects_found(rates).content
    assert '<th scope="row">2.4 referrals per 100 enlisted</th><td>41 to 51</td><td>20</td>' in shown
    assert '<th scope="row">3.3 referrals per 100 enlisted</th><td>60 to 70</td><td>30</td>' in shown


def test_a_table_without_manifest_and_with_few_columns_is_shown(tmp_path):
    (tmp_path / "table.csv").write_text(
        "cell,treated,comparison,procedure,studies,size\nplain.14,14,56,some_test,100,0.05\n",
        encoding="utf-8",
    )
    bare = ErrorRates.open(tmp_path)
    assert "some test" in bare.table("size", treated=14, procedures=bare.procedures()).content
    assert bare.others() == {"other designs": ("some_test",)}
    for said in (summary(bare), alternatives(bare), effects_found(bare), bare.primary(), bare.studies()):
        assert "nan" not in said.content


def test_the_committed_table_is_told_whole():
    """Every share of the committed primary lies in the ranges that the summary tells."""
    from pluseval.pipeline.assets import locate

    rates = ErrorRates.open(locate("analyses") / "calibration")
    with (locate("analyses") / "calibration" / "table.csv").open(encoding="utf-8") as stream:
        rows = [r for r in csv.DictReader(stream) if r["procedure"] == rates.chosen]
    constant = [
        100 * float(r["size"]) for r in rows if r["treated"] == "14" and r["constant_effect"] == "true"
    ]
    said = summary(rates).content
    low, high = (float(n) for n in said.split("reports a difference in ")[1].split(" of ")[0].split(" to "))
    assert math.isclose(low, min(constant), abs_tol=0.051)
    assert math.isclose(high, max(constant), abs_tol=0.051)


def test_a_folder_without_a_table_says_how_to_make_one(tmp_path):
    with pytest.raises(NotFoundError, match="make calibrate"):
        ErrorRates.open(tmp_path)
