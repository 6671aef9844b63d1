"""What holds for every result, whatever its numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluseval.report import disclosure as gate
from pluseval.report.disclosure import DisclosureRules, release
from pluseval.report.numbers import format_number
from pluseval.report.record import plain, set_record
from pluseval.report.words import verdict

numbers = st.floats(-1e6, 1e6, allow_nan=False)
errors = st.floats(1e-3, 1e5, allow_nan=False)


@given(value=numbers, decimals=st.integers(0, 6))
def test_both_languages_print_the_same_number(value, decimals):
    en, nl = format_number(value, decimals), format_number(value, decimals, lang="nl")
    assert en.translate(str.maketrans(",.", ".,")) == nl
    assert float(en.replace(",", "")) == round(value, decimals)
    assert not en.startswith("-") or float(en.replace(",", "")) < 0


@given(value=st.floats(allow_nan=True, allow_infinity=True))
def test_plain_floats_are_stable_after_one_rounding(value):
    once = plain(value)
    back = math.nan if once is None else float(once)
    assert plain(back) == once
    if math.isfinite(value):
        assert back == pytest.approx(value, rel=1e-11)


@settings(max_examples=60, deadline=None)
@given(value=numbers, se=errors, margin=st.floats(1e-3, 1e5))
def test_verdicts_agree_with_their_interval(made, value, se, margin):
    one = made.estimate(value, se, measure=made.GRADE)
    sure = verdict(one, hypothesis="superiority")
    low, high = one.conf_low, one.conf_high
    if sure.key == "no_difference_shown":
        assert low <= 1e-6 * se and high >= -1e-6 * se
    else:
        assert (sure.key == "lower") == (high < 0)
    kept = verdict(one, hypothesis="noninferiority", margin=margin)
    assert (kept.key in ("equivalent", "not_worse", "higher")) == (low > -margin or low > 0)
    if kept.key == "worse":
        assert high < 0
    assert (kept.key == "equivalent") <= (low > -margin)


@settings(max_examples=60, deadline=None)
@given(value=numbers, se=errors, smaller=st.floats(0.01, 0.99))
def test_a_wider_margin_never_turns_not_worse_into_doubt(made, value, se, smaller):
    one = made.estimate(value, se, measure=made.GRADE)
    good = ("equivalent", "not_worse", "higher")
    margin = 2.0 * se
    if verdict(one, hypothesis="noninferiority", margin=smaller * margin).key in good:
        assert verdict(one, hypothesis="noninferiority", margin=margin).key in good


sizes = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 10_000)), min_size=1, max_size=6)


@settings(max_examples=80, deadline=None)
@given(sizes=sizes)
def test_no_two_released_numbers_reveal_a_subgroup(made, sizes):
    rules = DisclosureRules.default()
    made_by_hand = [
        made.named(f"s{i}", made.estimate(evidence=made.counts(made.cell(practices=n, persons=p))))
        for i, (n, p) in enumerate(sizes)
    ]
    out = release(made_by_hand, rules)
    cells = [e.counts.cells[0] for one in out for e in one]
    for i, a in enumerate(cells):
        assert a.practices >= rules.min_practices and a.persons >= rules.min_persons
        for b in cells[:i]:
            assert not 0 < abs(a.practices - b.practices) < rules.min_practices
            assert not 0 < abs(a.persons - b.persons) < rules.min_persons
    assert len(out.sets) + len(out.suppressed) == len(sizes)


@settings(max_examples=50, deadline=None)
@given(sizes=sizes)
def test_what_passed_once_passes_again(made, sizes):
    rules = DisclosureRules.default()
    items = [
        made.named(f"s{i}", made.estimate(evidence=made.counts(made.cell(practices=n, persons=p))))
        for i, (n, p) in enumerate(sizes)
    ]
    once = release(items, rules)
    twice = release(once.sets, rules)
    assert twice.sets == once.sets and not twice.suppressed


@settings(max_examples=40, deadline=None)
@given(persons=st.integers(0, 40), practices=st.integers(0, 20))
def test_stricter_rules_release_no_more(made, persons, practices):
    one = made.named(
        "s", made.estimate(evidence=made.counts(made.cell(persons=persons, practices=practices)))
    )
    strict = release([one], DisclosureRules.strict_microdata())
    if strict.sets:
        assert release([one], DisclosureRules.default()).sets
    assert {s.rule for s in strict.suppressed} <= {gate.PERSONS, gate.PRACTICES}


def test_releasing_and_recording_change_nothing_of_the_callers(made):
    items = [made.named("s", made.estimate(margin=1.0))]
    before = repr(items)
    out = release(items, DisclosureRules.default())
    set_record(out["s"])
    assert repr(items) == before
