"""The plan's checks of credibility: all in a run, each skipped with a reason, and nothing past the gate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pluseval.data.frame import AnalysisFrame
from pluseval.data.load import load_study
from pluseval.data.study import Study
from pluseval.errors import DesignError, PlanError
from pluseval.estimate.honest import honest_did
from pluseval.estimate.result import EstimateSet
from pluseval.outcomes.survey import survey_response
from pluseval.pipeline.analyse import require_known
from pluseval.pipeline.assets import analyses_module, locate
from pluseval.pipeline.contrast import estimate_of, frame_of, maker_of
from pluseval.pipeline.credibility import credibility_sets
from pluseval.pipeline.plan import (
    Credibility,
    InferenceChoice,
    Outcome,
    PlaceboOutcome,
    Plan,
    plan_from,
    read_plan,
)
from pluseval.pipeline.run import Run, run
from pluseval.report.credibility_words import trusted
from pluseval.report.disclosure import DIFFERENCE_PRACTICES, NAMED, DisclosureRules, release
from pluseval.report.numbers import with_unit
from pluseval.report.page import Page
from pluseval.report.read import Results

KEY = "costs.msz"
OVERLAP = "within the programme's range of list sizes"
CHECKS = ("pretrend", "honest", "placebo", "baseline", "comparators", "synthetic", "heterogeneity")


def asked(outcome: Outcome, **changes: object) -> Outcome:
    """The outcome with other choices of its checks."""
    assert outcome.credibility is not None
    return outcome.model_copy(update={"credibility": outcome.credibility.model_copy(update=changes)})


@pytest.fixture(scope="module")
def plan(beside: dict[str, object]) -> Plan:
    """MSZ costs and referrals with their checks, few draws, and nothing else beside the primary contrast."""
    none = {name: value for name, value in beside.items() if name not in ("credibility", "by_specialty")}
    whole = read_plan(locate("analyses") / "plan.toml")
    outcomes = [whole.outcome(key) for key in (KEY, "referrals.percentage")]
    asking = [asked(o, draws=99).model_copy(update=none) for o in outcomes]
    return whole.model_copy(update={"outcomes": tuple(asking)})


@pytest.fixture(scope="module")
def outcome(plan: Plan) -> Outcome:
    return plan.outcome(KEY)


@pytest.fixture(scope="module")
def lean(plan: Plan) -> Plan:
    """The same with as few bounds and placebo years as can be, by Welch's t."""
    few = {"placebo_periods": (), "power": (0.5,), "relative": (0.0,)}
    welch = InferenceChoice(procedure="welch")
    outcomes = tuple(asked(o, smooth=()).model_copy(update={"inference": welch}) for o in plan.outcomes)
    design = plan.credibility.model_copy(update=few)
    return plan.model_copy(update={"credibility": design, "outcomes": outcomes})


@pytest.fixture(scope="module")
def study(planted_study: Path) -> Study:
    return load_study(planted_study)


@pytest.fixture(scope="module")
def frame(study: Study, outcome: Outcome, plan: Plan) -> AnalysisFrame:
    return frame_of(study, outcome, plan)


@pytest.fixture(scope="module")
def made(
    frame: AnalysisFrame, study: Study, outcome: Outcome, plan: Plan
) -> tuple[dict[str, EstimateSet], dict[str, str]]:
    sets, skipped = credibility_sets(frame, study, outcome, plan)
    return {one.name: one for one in sets}, dict(skipped)


@pytest.fixture(scope="module")
def checked_run(planted_study: Path, plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Run:
    costs = plan.model_copy(update={"outcomes": plan.outcomes[:1]})
    return run(planted_study, plan=costs, out=tmp_path_factory.mktemp("checked") / "results")


def test_every_planned_check_is_in_the_run_with_its_table_and_words(checked_run: Run):
    results = Results.open(checked_run.folder)
    page = Page([results])
    shown = trusted(page, KEY).content
    for name in CHECKS:
        one = results.get(f"{KEY}.{name}")
        assert one.title_nl and all(e.source.label and e.counts.practices("programme") == 14 for e in one)
        assert (checked_run.folder / "tables" / f"{one.name}.html").is_file()
        assert f'id="table-{one.name.replace(".", "-")}"' in shown
        if one.display != "table":
            assert f'id="figure-{one.name.replace(".", "-")}"' in shown and 'alt="' in shown
    text = shown[: shown.index("<details>")]
    for term in ("slope before the start", "slope found with 50 %", "slope found with 80 %"):
        number = results[f"{KEY}.pretrend"][term]
        assert with_unit(number.estimate, number) in text, term
    assert "the practices have not consented" in shown
    assert "no outcome in these data that the programme cannot have changed" in shown


def test_what_was_not_made_says_why(made):
    _, skipped = made
    assert set(skipped) == {
        f"{KEY}: placebo outcomes",
        f"{KEY}: comparison practices of the programme's own regions",  # the study has one region
        f"{KEY}: leave one practice out",
    }
    assert all(len(reason) > 30 for reason in skipped.values())


def test_an_outcome_without_checks_has_none(frame, study, outcome: Outcome, plan: Plan):
    without = outcome.model_copy(update={"credibility": None})
    assert credibility_sets(frame, study, without, plan) == ([], [])


def test_placebo_years_and_comparators_by_hand(made, frame: AnalysisFrame):
    sets, _ = made
    cells = frame.cells
    cells["value"] = cells["numerator"] / cells["exposure"]
    by_year = cells.pivot(index="cluster", columns="period", values="value")
    treated = frame.treated
    change = by_year[2014] - by_year[2013]
    by_hand = change[treated].mean() - change[~treated].mean()
    assert sets[f"{KEY}.placebo"]["2013 v 2014"].estimate == pytest.approx(by_hand)

    sums = [
        cells[cells["period"].between(*w)].groupby("cluster")[["numerator", "exposure"]].sum()
        for w in ((2013, 2015), (2017, 2019))
    ]
    change = sums[1]["numerator"] / sums[1]["exposure"] - sums[0]["numerator"] / sums[0]["exposure"]
    size = frame.practices["list_size"]
    alike = ~treated & size.between(size[treated].min(), size[treated].max())
    by_hand = change[treated].mean() - change[alike].mean()
    found = sets[f"{KEY}.comparators"][OVERLAP]
    assert found.estimate == pytest.approx(by_hand)
    assert found.counts.practices("comparison") == alike.sum() and found.counts.practices("programme") == 14


def test_no_check_tells_batches_of_joiners_apart(made, frame: AnalysisFrame):
    """Every number rests on the whole programme: the batch of four follows from none of them."""
    sets, _ = made
    own = frozenset(frame.treated.index[frame.treated])
    for one in sets.values():
        for e in one:
            assert {c.members for c in e.counts.cells if c.group == "programme"} == {own}, (one.name, e.term)
            assert len({c.part for c in e.counts.cells if c.part}) <= 1, (one.name, e.term)
    assert not release(list(sets.values()), DisclosureRules()).suppressed


def test_few_comparators_left_out_are_not_given_away(frame, study, lean: Plan):
    """Three practices outside the range of list sizes: their mean would follow from both results."""
    treated, plain = frame.treated, lean.outcome(KEY)
    size = frame.practices["list_size"].copy()
    size[~treated] = size[treated].median()
    size[size[~treated].index[:3]] = size[treated].max() + 1
    narrow = frame.with_practices({"list_size": size})
    sets, _ = credibility_sets(narrow, study, plain, lean)
    found = next(s for s in sets if s.name == f"{KEY}.comparators")
    held = release([estimate_of(narrow, plain, lean), found], DisclosureRules()).suppressed
    assert [(h.term, h.rule) for h in held][:1] == [(OVERLAP, DIFFERENCE_PRACTICES)]


def test_three_sets_of_comparators_give_away_no_few_practices_either(frame, study, lean: Plan):
    """No two results differ by few practices, but two sums less that of all leave the two in both sets."""
    treated = frame.treated
    others = treated.index[~treated]
    size, region = frame.practices["list_size"].copy(), frame.practices["region"].copy()
    size[others[:20]], size[others[20:]] = size[treated].median(), size[treated].max() + 1
    region[others[:18]] = "elsewhere"
    design = lean.credibility.model_copy(update={"comparators": ("list_size_overlap", "same_region")})
    changed = frame.with_practices({"list_size": size, "region": region})
    plan = lean.model_copy(update={"credibility": design})
    sets, skipped = credibility_sets(changed, study, lean.outcome(KEY), plan)
    found = next(s for s in sets if s.name == f"{KEY}.comparators")
    assert [e.counts.practices("comparison") for e in found] == [56, 20]
    assert "give away" in dict(skipped)[f"{KEY}: comparison practices of the programme's own regions"]
    region[others[14:18]] = region[treated].iloc[0]  # six in both
    changed = frame.with_practices({"list_size": size, "region": region})
    sets, _ = credibility_sets(changed, study, lean.outcome(KEY), plan)
    found = next(s for s in sets if s.name == f"{KEY}.comparators")
    assert [e.counts.practices("comparison") for e in found] == [56, 20, 42]


def test_no_practice_is_left_out_without_consent(frame, study, lean: Plan):
    consent = lean.disclosure.model_copy(update={"practices_consented": True})
    agreed = lean.model_copy(update={"disclosure": consent})
    for given in (lean, agreed):
        sets, skipped = credibility_sets(frame, study, lean.outcome(KEY), given)
        there = [s for s in sets if s.name == f"{KEY}.leave_one_out"]
        assert bool(there) == (given is agreed)
        assert (f"{KEY}: leave one practice out" in dict(skipped)) == (given is lean)
    assert {s.rule for s in release(there, DisclosureRules()).suppressed} == {NAMED}
    assert f"{KEY}.leave_one_out" in release(there, DisclosureRules(), consented=True)


def test_a_placebo_outcome_of_the_plan_is_judged_as_the_outcome_is(frame, study, lean: Plan):
    total = PlaceboOutcome(name="total cost", function="cost_per_insured_year", options={"kind": "total"})
    further = asked(lean.outcome(KEY), placebo_outcomes=(total,))
    sets, skipped = credibility_sets(frame, study, further, lean)
    found = next(s for s in sets if s.name == f"{KEY}.placebo_outcomes")["total cost"]
    own = estimate_of(maker_of(total.function, total.options)(study), further, lean)
    assert (found.estimate, found.p_value) == pytest.approx((own.estimate, own.p_value))
    assert f"{KEY}: placebo outcomes" not in dict(skipped)


def test_the_breakdown_value_is_where_the_honest_interval_meets_zero(frame, study, lean: Plan):
    rows = frame.rows
    on = rows["entry"].notna() & (rows["period"] >= 2017)
    moved = rows["numerator"] - 4_000.0 * rows["exposure"] * on
    strong = AnalysisFrame(rows.assign(numerator=moved), frame.measure, frame.source, frame.practices)
    sets, _ = credibility_sets(strong, study, lean.outcome(KEY), lean)
    value = next(s for s in sets if s.name == f"{KEY}.breakdown").estimates[0].estimate
    assert value > 0
    bounds = [0.98 * value, 1.02 * value + 0.01]
    seed = lean.outcome(KEY).credibility.seed
    below, above = honest_did(strong.between(2013, 2019), seed=seed, target=(2017, 2019), relative=bounds)
    assert below.conf_high < 0 <= above.conf_high


def test_specialties_are_one_of_many_and_a_small_one_does_not_follow(study, lean: Plan):
    effects = analyses_module("specialties").specialty_effects
    plan, plain = lean, lean.outcome("referrals.percentage")
    found = effects(study, plain, plan)
    (one,) = found.sets
    assert not found.skipped and len(one.joint) == 2 * len(one) > 20
    tested = sorted(e.p_value for e in one)
    holm = {j.name: j.p_value for j in one.joint}
    first = min(one, key=lambda e: e.p_value)
    assert holm[f"{first.term}, Holm"] == pytest.approx(min(1.0, len(one) * tested[0]))
    whole = estimate_of(frame_of(study, plain, plan), plain, plan)
    assert sum(e.estimate for e in one) == pytest.approx(whole.estimate)  # so that the last would follow

    persons = {e.term: min(c.persons for c in e.counts.cells) for e in one}
    least, next_least = sorted(persons.values())[:2]
    assert least < next_least
    strict = plan.disclosure.model_copy(update={"min_persons": least + 1})
    found = effects(study, plain, plan.model_copy(update={"disclosure": strict}))
    assert len(found.sets[0]) == len(one) - len(found.skipped) and len(found.skipped) >= 2
    shown = release(found.sets, DisclosureRules(min_persons=least + 1))
    assert not shown.suppressed and math.isfinite(found.sets[0].joint[0].p_value)
    assert effects(study, plain.model_copy(update={"by_specialty": False}), plan).sets == ()


def test_a_few_who_did_or_did_not_answer_are_not_counted_by_a_percentage(study, plan: Plan):
    """One wave in which all but four of the programme answered, and one in which three of the others did."""
    frame = survey_response(study)
    rows, joined = frame.rows.copy(), frame.rows["entry"].notna()
    first, *_, last = frame.periods
    for group, period, all_but in ((joined, first, 4), (~joined, last, None)):
        own = rows.index[group & (rows["period"] == period)]
        rows.loc[own, "numerator"] = rows.loc[own, "exposure"] if all_but else 0.0
        rows.loc[own[0], "numerator"] += -4.0 if all_but else 3.0
    response = analyses_module("experienced_quality").response
    told = {e.term for e in response(replace(frame, rows=rows), plan).sets[0]}
    every = {e.term for e in response(frame, plan).sets[0]}
    assert every - told == {f"programme {first}", f"comparison {last}"}
    few = rows.assign(numerator=0.0)
    nothing = response(replace(frame, rows=few), plan)
    assert not nothing.sets and len(nothing.skipped) == 1


@pytest.mark.parametrize(("zeros", "refused"), [(0, False), (8, False), (9, True), (13, True), (14, False)])
def test_practices_that_use_a_service_are_not_given_away_beside_those_that_do_not(zeros: int, refused: bool):
    """A slope on values that are zero in all but a few weighs those few alone, once the mean is taken off."""
    values = pd.Series([0.0] * zeros + [1.5 + n for n in range(14 - zeros)])
    require_spread = analyses_module("referrals").require_spread
    if refused:
        with pytest.raises(DesignError, match="all but a few"):
            require_spread(values, 6)
    else:
        require_spread(values, 6)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda v: v.pop("credibility"), r"need the plan's table \[credibility\]"),
        (lambda v: v["credibility"].update(placebo_periods=[[[2015, 2015], [2016, 2016]]]), "windows.before"),
        (lambda v: v["credibility"].update(baselines=[[2014, 2015], [2013, 2013]]), "wholly before"),
        (lambda v: v["credibility"].update(relative=[0.5, 1.0]), "rises from 0"),
        (lambda v: v["credibility"].update(comparators=["neighbours"]), "list_size_overlap"),
        (lambda v: v["outcomes"][0].update(credibility={"seed": 1}), "compare two groups"),
        (lambda v: v["outcomes"][0].update(by_specialty=True), "by_specialty is for referrals"),
    ],
)
def test_a_plan_of_checks_that_cannot_be_is_refused(change: Callable[[dict], object], word: str):
    values = read_plan(locate("analyses") / "plan.toml").model_dump(mode="json")
    change(values)
    with pytest.raises(PlanError, match=word):
        plan_from(values)


def test_a_placebo_outcome_that_the_library_does_not_know_stops_before_the_data(plan: Plan, outcome: Outcome):
    one = Credibility.model_validate(
        {"seed": 1, "placebo_outcomes": [{"name": "dental", "function": "dental_cost"}]}
    )
    further = plan.model_copy(update={"outcomes": (outcome.model_copy(update={"credibility": one}),)})
    with pytest.raises(PlanError, match="dental_cost"):
        require_known(further)
