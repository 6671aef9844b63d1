"""What follows from released numbers: years of a window, practices that lack one, parts, bands, losses."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pluseval.data.frame import AnalysisFrame, Loss, Measure
from pluseval.data.source import Source
from pluseval.estimate.bacon import goodman_bacon
from pluseval.estimate.credibility import baseline_check
from pluseval.estimate.describe import group_means
from pluseval.estimate.did import did
from pluseval.estimate.distribution import described_share, distribution
from pluseval.estimate.dose import dose_did
from pluseval.estimate.event_study import event_study
from pluseval.estimate.imputation import imputation_did
from pluseval.estimate.inference import OLS, ClusterRobust
from pluseval.estimate.inference_resampling import SignFlip
from pluseval.estimate.modifier import effect_modifier
from pluseval.estimate.result import Cell, EstimateSet, Year
from pluseval.estimate.single_arm import single_arm
from pluseval.estimate.staggered import staggered_did
from pluseval.estimate.sun_abraham import sun_abraham
from pluseval.pipeline.run import _without_small_counts as without_small_counts
from pluseval.report import disclosure as gate
from pluseval.report.differencing import PERSONS, PRACTICES, leaves_few_alone, presences, revealed
from pluseval.report.disclosure import DisclosureRules, release
from pluseval.report.record import set_record

RULES = DisclosureRules.default()
YEARS = range(2014, 2019)
WINDOWS = ((2014, 2015), (2017, 2018))
GRADE = Measure("grade", "grade", "cijfer", "points", "punten", "points", "punten", "higher")
STAGGERED = ("staggered", "imputation", "sun_abraham", "goodman_bacon")


def panel(cohorts: tuple[int, int] = (8, 4), *, without: tuple[int, int] | None = None) -> pd.DataFrame:
    """Programme practices that joined in 2016 and 2017, ten others, values by hand; one row may be absent."""
    entry = [2016] * cohorts[0] + [2017] * cohorts[1] + [0] * 10
    rng = np.random.default_rng(20160601)
    data = pd.DataFrame(
        [
            {"practice": i, "year": year, "entry": start, "y": value, "persons": 400 + 20 * (year - 2014)}
            for i, start in enumerate(entry)
            for year, value in zip(YEARS, rng.normal(7, 1, len(YEARS)), strict=True)
        ]
    )
    data["start"] = data["entry"].map({2016: "2016-07-01", 2017: "2017-01-01", 0: None})
    return data if without is None else data[(data["practice"] != without[0]) | (data["year"] != without[1])]


def frame_of(data: pd.DataFrame) -> AnalysisFrame:
    return AnalysisFrame.from_pandas(
        data,
        unit="practice",
        period="year",
        y="y",
        entry="entry",
        persons="persons",
        covariates=["start"],
        measure=GRADE,
    )


def linear(frame: AnalysisFrame) -> list[EstimateSet]:
    """Numbers that are linear in the practices' yearly values, in the order of a run."""
    ask = {"inference": OLS(), "average": "mean_of_ratios"}
    primary = did(frame, windows=WINDOWS, **ask)
    other = did(frame, windows=((2014, 2014), (2017, 2018)), **ask)
    return [
        EstimateSet("primary", "primary", (primary,)),
        EstimateSet("levels", "levels", group_means(frame).estimates),
        EstimateSet("other", "other", (other,)),
        EstimateSet("events", "events", event_study(frame, inference=OLS(), reference=2015).estimates),
    ]


def staggered(frame: AnalysisFrame) -> list[EstimateSet]:
    made = (staggered_did(frame), imputation_did(frame), sun_abraham(frame), goodman_bacon(frame))
    # The shares of the decomposition hold no outcome: sizes and years of the cohorts only.
    told = [tuple(e for e in s if not e.term.startswith("share")) for s in made]
    return [EstimateSet(name, name, kept) for name, kept in zip(STAGGERED, told, strict=True)]


def isolated(matrix: np.ndarray, practices: np.ndarray, size: int) -> set[tuple[int, ...]]:
    """The groups of ``size`` practices alone in some combination of the numbers (columns: practice-years)."""
    _, s, rows = np.linalg.svd(matrix, full_matrices=False)
    rows = rows[s > 1e-9 * s[0]]
    found = set()
    for group in itertools.combinations(np.unique(practices), size):
        inside = rows[:, np.isin(practices, group)]
        if np.linalg.norm(inside, 2) > 1 - 1e-9:  # a row of length one that lies within the group entirely
            found.add(group)
    return found


FOUR = DisclosureRules(min_practices=4)  # fewer practices, so that all their combinations are quick to try


@pytest.fixture(scope="module")
def moves() -> tuple[np.ndarray, np.ndarray]:
    """How each number moves with each programme practice's value of each year, and the practices.

    The last number is the overall effect of a staggered start, which is linear too.
    """
    data = panel((5, 3))

    def numbers(given: pd.DataFrame) -> np.ndarray:
        frame = frame_of(given)
        return np.array(
            [*(e.estimate for s in linear(frame) for e in s), imputation_did(frame).overall.estimate]
        )

    base = numbers(data)
    rows = data.index[data["entry"] > 0]
    columns = []
    for row in rows:
        moved = data.copy()
        moved.loc[row, "y"] += 1.0
        columns.append(numbers(moved) - base)
    return np.column_stack(columns), data.loc[rows, "practice"].to_numpy()


def test_no_combination_of_released_numbers_isolates_fewer_practices_than_the_minimum(moves):
    frame = frame_of(panel((5, 3)))
    released = release([*linear(frame), *staggered(frame)], FOUR)
    assert set(released.names) == {"primary", "levels", "other", "events"}
    assert {s.rule for s in released.suppressed} == {gate.PRACTICES}
    matrix, practices = moves
    assert not isolated(matrix[:-1], practices, FOUR.min_practices - 1)


def checks(frame: AnalysisFrame) -> list[EstimateSet]:
    """The contrast by exposure, given list size, by both, and from two baselines."""
    ask = {"inference": ClusterRobust("CR2"), "windows": WINDOWS}
    ways = ({}, {"weights": "exposure"}, {"adjust": ["log(size)"]})
    every = enumerate((*ways, {**ways[1], **ways[2]}))
    made = [replace(did(frame, **ask, **way), term=str(n)) for n, way in every]
    first, second = WINDOWS
    baselines = ((first[0], first[0]), (first[1], first[1]))
    more = baseline_check(frame, inference=OLS(), baselines=baselines, after=second)
    return [EstimateSet("ways", "ways", tuple(made)), EstimateSet("baselines", "two", more.estimates)]


def test_nor_with_weights_covariates_and_baselines_beside_the_levels():
    """Every programme practice has a list of its own size, which grows: no two weightings are alike."""
    data = panel((5, 3))
    data["size"] = 1_000 + 150 * data["practice"] ** 1.5
    data["exposure"] = data["size"] * (1 + (data["year"] - 2014) * (0.01 + 0.002 * data["practice"]))

    def told(given: pd.DataFrame) -> list[EstimateSet]:
        columns = {"unit": "practice", "period": "year", "y": "y", "entry": "entry", "persons": "persons"}
        return checks(AnalysisFrame.from_pandas(given, **columns, exposure="exposure", covariates=["size"],
                                                measure=GRADE))  # fmt: skip

    def numbers(given: pd.DataFrame) -> np.ndarray:
        return np.array([e.estimate for s in told(given) for e in s])

    assert not release(told(data), FOUR).suppressed
    base, columns = numbers(data), []
    rows = data.index[(data["entry"] > 0) & (data["year"] != 2016)]
    for row in rows:
        columns.append(numbers(data.assign(y=data["y"].where(data.index != row, data["y"] + 1.0))) - base)
    years = data.loc[rows, "year"].to_numpy()
    levels = (years == np.unique(years)[:, None]) / 8
    matrix = np.vstack([levels, np.column_stack(columns)])
    practices = data.loc[rows, "practice"].to_numpy()
    assert np.linalg.matrix_rank(matrix) > len(levels) + 4
    assert not isolated(matrix, practices, FOUR.min_practices - 1)
    one_less = np.where(practices == 2, 0, matrix[-1])  # a practice left out: its own change follows
    assert isolated(np.vstack([matrix, one_less]), practices, FOUR.min_practices - 1)


def test_the_overall_of_a_staggered_start_would_isolate_the_small_cohort(moves):
    matrix, practices = moves
    assert isolated(matrix, practices, 3) == {(5, 6, 7)}


@pytest.mark.parametrize(("cohorts", "leave"), [((8, 4), False), ((7, 7), True), ((12, 2), False)])
def test_a_staggered_start_leaves_whole_or_not_at_all(cohorts: tuple[int, int], leave: bool):
    frame = frame_of(panel(cohorts))
    released = release([*linear(frame), *staggered(frame)], RULES)
    assert set(released.names) == {"primary", "levels", "other", "events", *(STAGGERED if leave else ())}
    assert bool(released.suppressed) is not leave


def test_the_whole_group_is_still_counted_in_captions():
    counts = staggered_did(frame_of(panel())).overall.counts
    assert counts.practices("programme") == 12 and counts.practices("comparison") == 10
    parts = {(c.part, c.practices) for c in counts.cells if c.part}
    assert parts == {("joined 2016", 8), ("joined 2017", 4)}


def test_doses_are_parts_too():
    frame = frame_of(panel())
    dose = dose_did(frame, inference=OLS(), windows=((2014, 2015), (2016, 2018)), start="start")
    assert {c.practices for c in dose.counts.cells if c.part} == {8, 4}
    assert [s.rule for s in release([dose], RULES).suppressed] == [gate.PRACTICES]
    alike = dose_did(frame, inference=OLS(), windows=WINDOWS, start="start")
    assert not release([alike], RULES).suppressed


@pytest.mark.parametrize(("values", "leaves"), [((8, 4), False), ((6, 6), True), ((1,) * 12, True)])
def test_a_modifier_of_two_values_is_two_groups(values: tuple[int, ...], leaves: bool):
    frame = frame_of(panel())
    column = np.repeat(np.arange(len(values), dtype=float), values)
    many = frame.with_practices({"kind": pd.Series(column, index=range(12))})
    effect = effect_modifier(many, "kind", inference=OLS(), windows=WINDOWS)
    assert (not release([effect], RULES).suppressed) is leaves


def test_a_practice_that_lacks_a_year_does_not_follow_from_the_years():
    frame = frame_of(panel((10, 4), without=(2, 2014)))
    ask = {"inference": OLS(), "average": "mean_of_ratios"}
    primary = did(frame, windows=WINDOWS, **ask)
    shorter = did(frame, windows=((2014, 2014), (2017, 2018)), **ask)
    assert any(note.startswith("1 practices lack a year") for note in primary.notes)
    released = release(
        [EstimateSet("primary", "primary", (primary,)), EstimateSet("shorter", "shorter", (shorter,)),
         EstimateSet("levels", "levels", group_means(frame).estimates)],
        RULES,
    )  # fmt: skip
    held = {(s.name, s.term) for s in released.suppressed}
    assert held == {("shorter", shorter.term), ("levels", "programme 2014")}
    (one,) = released["primary"]
    assert not any("1 practices" in note for note in one.notes)
    assert any(f"fewer than {RULES.min_practices} practices lack a year" in note for note in one.notes)
    assert all(year["practices"] == cell["practices"]
               for cell in set_record(released["primary"])["estimates"][0]["counts"]["cells"]
               for year in cell.get("years", ()))  # fmt: skip


def test_two_numbers_of_one_window_with_the_same_gap_both_leave():
    frame = frame_of(panel((10, 4), without=(2, 2014)))
    two = [
        did(frame, windows=WINDOWS, inference=OLS(), average=a) for a in ("mean_of_ratios", "ratio_of_sums")
    ]
    sets = [EstimateSet(name, name, (e,)) for name, e in zip("ab", two, strict=True)]
    assert not release(sets, RULES).suppressed


def test_equal_counts_of_other_practices_are_told_apart():
    frame = frame_of(panel((10, 4)))
    ask = {"inference": OLS(), "windows": WINDOWS}
    without = [did(frame.keep_clusters([c for c in range(24) if c != gone]), **ask) for gone in (0, 1)]
    sets = [EstimateSet(name, name, (e,)) for name, e in zip("ab", without, strict=True)]
    assert [s.rule for s in release(sets, RULES).suppressed] == [gate.DIFFERENCE_PRACTICES]


def test_three_sets_of_practices_do_not_give_away_the_few_in_two_of_them():
    """No two of them differ by few; the totals of two less that of all leave the practices in both."""
    frame = frame_of(panel((10, 4)))
    ask = {"inference": OLS(), "windows": WINDOWS}
    all_and_two = (range(24), range(20), [*range(14), *range(19, 24)])  # one of the others is in both
    sets = [
        EstimateSet(f"of_{len(own)}", "set", (did(frame.keep_clusters(list(own)), **ask),))
        for own in all_and_two
    ]
    assert not release(sets[1:], FOUR).suppressed
    held = release(sets, FOUR).suppressed
    assert [(s.name, s.rule) for s in held] == [("of_19", gate.DIFFERENCE_PRACTICES)]


@pytest.mark.parametrize(
    ("sets", "alone"),
    [
        ([range(14)], False),
        ([range(14), range(8)], False),
        ([range(14), range(9)], True),  # five are left
        ([range(8), range(7, 14)], False),  # without the total of all the one in both does not follow
        ([range(14), range(8), range(6, 14)], True),  # the two in both
        ([range(18), range(6), range(6, 12), range(12, 18)], False),
        ([range(12), range(6, 18), range(12, 24), [*range(6), *range(18, 24)]], False),
        ([range(20), range(2, 8), range(8, 14), range(14, 20)], True),  # three parts less than all
    ],
)
def test_what_sums_and_differences_of_sets_leave_alone(sets: list, alone: bool):
    assert leaves_few_alone(map(frozenset, sets), min_practices=6) is alone


def test_a_part_of_a_measure_by_few_persons_is_held_back(made):
    """Referrals with and without those to another place: the few who were sent to that place alone."""
    wider = replace(made.REFERRALS, key=f"{made.REFERRALS.key}_all")
    sets = [
        EstimateSet(name, name, (made.estimate(measure=measure, evidence=made.counts(made.cell(persons=n))),))
        for name, measure, n in (("some", made.REFERRALS, 900), ("all", wider, 907), ("more", wider, 930))
    ]
    held = release(sets, RULES).suppressed
    assert [(s.name, s.rule) for s in held] == [("all", gate.DIFFERENCE_PERSONS)]


def test_the_end_of_a_sign_flip_interval_is_no_exact_mean_of_a_few_practices():
    """Each end is the mean change of some of the practices: who knows all of these but one finds the last."""
    data = panel((10, 4))
    made = single_arm(frame_of(data), inference=SignFlip(draws=16_384), windows=((2015, 2015), (2018, 2018)))
    values = data[data["entry"] > 0].pivot(index="practice", columns="year", values="y")
    change = (values[2018] - values[2015]).to_numpy()
    some = (np.arange(1, 2**14)[:, None] >> np.arange(14)) & 1
    means = some @ change / some.sum(axis=1)

    def off(end: float) -> float:
        return float(np.abs(means - end).min())

    (told,) = release([made], RULES).sets[0]
    assert (told.estimate, told.p_value) == (made.estimate, made.p_value)
    for level in (0.9, 0.95):
        exact, shown = made.conf_int(level), told.conf_int(level)
        assert max(map(off, exact)) < 1e-8 < 1e-7 < min(map(off, shown))
        assert shown == pytest.approx(exact, rel=5e-4)
    (written,) = set_record(release([made], RULES).sets[0])["estimates"]
    assert [(i["low"], i["high"]) for i in written["intervals"]] == [told.conf_int(v) for v in (0.9, 0.95)]
    plain = did(frame_of(data), inference=OLS(), windows=WINDOWS)
    assert release([plain], RULES).sets[0].estimates[0].conf_low == plain.conf_low


def test_no_practice_is_named_by_what_was_released():
    (one,) = release([did(frame_of(panel((10, 4))), inference=OLS(), windows=WINDOWS)], RULES)
    cells = one.estimates[0].counts.cells
    assert not any(c.members for c in cells) and not any(y.members for c in cells for y in c.years)


def cell(period: str, practices: int = 14, persons: int | None = 900, **more) -> Cell:
    return Cell("programme", period, persons, practices, **more)


def between(one: Cell, other: Cell) -> set[str | None]:
    a, b = (list(presences("grade", [c])) for c in (one, other))
    return {revealed(x, y, min_practices=6, min_persons=10) for k, x in a for j, y in b if k == j}


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (cell("2013-2015"), cell("2014", 13), {PRACTICES}),
        (cell("2013-2015"), cell("2014-2016", 13), {PRACTICES}),
        (cell("2013-2015"), cell("2014", 8), {None}),
        (cell("2013-2015"), cell("2014", persons=905), {None}),  # persons of one year are not known here
        (cell("2013-2015", years=(Year(2014, 14, 901),)), cell("2014", persons=905), {PERSONS}),
        (cell("2013-2015"), cell("2016", 13), set()),
        (cell("all years"), cell("all years", 13), {PRACTICES}),
        (cell("2015", part="none"), cell("2015", 13, part="0-250"), {None}),
        (cell("2015"), cell("2015", 10, part="joined 2016"), {PRACTICES}),
    ],
)
def test_periods_that_share_a_year_are_compared(one: Cell, other: Cell, found: set):
    assert between(one, other) == found and between(other, one) == found


def bands(**persons: int) -> EstimateSet:
    total = sum(persons.values())
    shares = [
        described_share(
            band,
            100 * n / total,
            at=float(i),
            group="programme",
            measure=GRADE,
            source=Source("by hand"),
            cells=[Cell("programme", "2015", n, 14, part=band)],
            population="persons",
            contrast="share",
        )
        for i, (band, n) in enumerate(persons.items())
    ]
    return distribution("d", "d", shares)


@pytest.mark.parametrize(
    ("persons", "left"),
    [
        ({"a": 500, "b": 300, "c": 40, "d": 4}, ["programme a", "programme b"]),
        ({"a": 500, "b": 300, "c": 3, "d": 4}, ["programme a"]),  # 3 + 4 is fewer than ten still
        ({"a": 500, "b": 300, "c": 8, "d": 4}, ["programme a", "programme b"]),
        (
            {"a": 500, "b": 300, "c": 41, "d": 44},
            ["programme a", "programme b", "programme c", "programme d"],
        ),
    ],
)
def test_a_suppressed_share_does_not_follow_from_the_others(persons: dict[str, int], left: list[str]):
    released = release([bands(**persons)], RULES)
    assert [e.term for e in released["d"]] == left
    missing = [s for s in released.suppressed]
    assert len(missing) != 1
    assert {s.rule for s in missing} <= {gate.PERSONS, gate.COMPLEMENT}


def test_a_small_loss_does_not_follow_from_the_others(made):
    first = made.estimate(term="a", losses=(Loss("moved", 3), Loss("no answer", 1_234)))
    second = made.estimate(term="b", measure=made.GRADE, losses=(Loss("no answer", 1_234),))
    released = release([first, second], RULES)
    assert {loss.count for s in released for e in s for loss in e.losses} == {1_230}
    alone = release([made.estimate(losses=(Loss("no answer", 1_234),))], RULES)
    assert [loss.count for s in alone for e in s for loss in e.losses] == [1_234]


def test_persons_left_after_a_small_loss_are_not_told_beside_all_who_answered(made):
    """448 questionnaires came back and seven lacked an item: 441 beside 448 would tell of seven."""
    back = replace(made.GRADE, key="response")
    seven, forty = (Loss("without a grade", n) for n in (7, 40))

    def level(measure: Measure, period: str, persons: int, *losses: Loss):
        evidence = made.counts(made.cell("comparison", period, persons, 20))
        return made.estimate(term=period, measure=measure, evidence=evidence, losses=losses)

    both = made.counts(made.cell("comparison", "2018", 441, 20), made.cell("comparison", "2019", 437, 20))
    change = made.estimate(measure=made.GRADE, evidence=both, losses=(Loss("without a grade", 47, least=7),))
    levels = [level(made.GRADE, "2018", 441, seven), level(made.GRADE, "2019", 437, forty)]
    sets = [
        EstimateSet("change", "change", (change,)),
        EstimateSet("levels", "levels", tuple(levels)),
        EstimateSet("response", "response", (level(back, "2018", 448), level(back, "2019", 477))),
    ]
    persons = [[c.persons for e in s for c in e.counts.cells] for s in release(sets, RULES)]
    assert persons == [[448, 437], [448, 437], [448, 477]]
    (alone,) = release(sets[:1], RULES)["change"]  # which of both years lost the seven is not known
    assert [c.persons for c in alone.counts.cells] == [None, None]
    of_practices = replace(change, losses=(Loss("practices without a value in both periods", 2),))
    (plain,) = release([of_practices], RULES)
    assert [c.persons for c in plain.estimates[0].counts.cells] == [441, 437]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("3 persons answered in 2016", "fewer than 10 persons answered in 2016"),
        ("needs 2 periods, found 1 (2016)", "needs 2 periods, found fewer than 10 (2016)"),
        ("40 practices; EUR 2.5 in 2013-2015", "40 practices; EUR 2.5 in 2013-2015"),
    ],
)
def test_the_reason_of_a_skipped_analysis_holds_no_small_count(reason: str, told: str):
    assert without_small_counts((("health.eq5d", reason),), 10) == (("health.eq5d", told),)
