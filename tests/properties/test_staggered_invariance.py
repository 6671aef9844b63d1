"""What must not move a staggered estimate, what must agree, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.bacon import bacon_decomposition
from pluseval.numerics.event_study import event_study, untreated_leads
from pluseval.numerics.fixed_effects import fixed_effects_fit, wald_test
from pluseval.numerics.imputation import imputation_att, two_stage_event_study
from pluseval.numerics.multiplier import multiplier_bootstrap
from pluseval.numerics.permute import permutation_test
from pluseval.numerics.reassignment import callaway_santanna_map, imputation_map, reassigned_att
from pluseval.numerics.staggered import COMPARISONS, group_time_att
from pluseval.numerics.staggered_average import AGGREGATIONS, aggregate_att
from pluseval.numerics.staggered_permutation import staggered_permutation_test
from pluseval.numerics.sun_abraham import sun_abraham

UNITS, PERIODS = 40, np.arange(2013.0, 2021.0)
CLOSE = {"rel": 1e-8, "abs": 1e-8}


@pytest.fixture
def panel() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    entry = np.repeat([0, 2016, 2018], [24, 9, 7])
    y = rng.normal(size=(UNITS, PERIODS.size)).cumsum(axis=1) + 10 * rng.normal(size=(UNITS, 1))
    return {"y": y, "entry": entry, "periods": PERIODS}


def long_form(panel: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    units, length = panel["y"].shape
    return {
        "y": panel["y"].ravel(),
        "unit": np.repeat(np.arange(units), length),
        "period": np.tile(panel["periods"], units),
        "entry": np.repeat(panel["entry"], length),
    }


def callaway(panel: dict[str, np.ndarray]) -> np.ndarray:
    out = aggregate_att(group_time_att(**panel))
    return np.array([out.overall, out.overall_se])


def imputed(panel: dict[str, np.ndarray]) -> np.ndarray:
    out = imputation_att(**panel)
    return np.array([out.att[0], out.se[0]])


def interacted(panel: dict[str, np.ndarray]) -> np.ndarray:
    _, estimate, cov = sun_abraham(**long_form(panel)).average("att")
    return np.array([estimate[0], np.sqrt(cov[0, 0])])


ESTIMATORS = {"callaway": callaway, "imputed": imputed, "interacted": interacted}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_common_course_and_unit_levels_move_nothing(name, panel):
    moved = panel | {"y": panel["y"] + np.sin(PERIODS) * 50 + np.arange(UNITS)[:, None] * 7}
    assert ESTIMATORS[name](moved) == pytest.approx(ESTIMATORS[name](panel), **CLOSE)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_order_of_units_moves_nothing(name, panel):
    order = np.random.default_rng(3).permutation(UNITS)
    moved = panel | {"y": panel["y"][order], "entry": panel["entry"][order]}
    assert ESTIMATORS[name](moved) == pytest.approx(ESTIMATORS[name](panel), **CLOSE)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_unit_of_measurement_only_scales(name, panel):
    scaled = ESTIMATORS[name](panel | {"y": -100 * panel["y"]})
    assert scaled == pytest.approx(ESTIMATORS[name](panel) * np.array([-100, 100]), **CLOSE)


@pytest.mark.parametrize("name", ["callaway", "interacted"])
def test_always_treated_units_move_nothing(name, panel):
    wild = np.random.default_rng(5).normal(size=(6, PERIODS.size)) * 1_000
    more = {
        "y": np.vstack([panel["y"], wild]),
        "entry": np.append(panel["entry"], np.repeat([2013, 2000], 3)),
        "periods": PERIODS,
    }
    assert ESTIMATORS[name](more) == pytest.approx(ESTIMATORS[name](panel), **CLOSE)
    assert group_time_att(**more).n_always_treated == 6


def test_always_treated_units_are_not_imputed(panel):
    more = {
        "y": np.vstack([panel["y"], np.full((1, PERIODS.size), 1e6)]),
        "entry": np.append(panel["entry"], 2013),
        "periods": PERIODS,
    }
    out = imputation_att(**more)
    assert out.n_not_imputed == PERIODS.size
    assert imputed(more) == pytest.approx(imputed(panel), **CLOSE)


def test_never_may_be_written_as_zero_nan_infinity_or_later(panel):
    expected = callaway(panel)
    for never in (np.nan, np.inf, 2050):
        entry = np.where(panel["entry"] == 0, never, panel["entry"].astype(float))
        assert callaway(panel | {"entry": entry}) == pytest.approx(expected, **CLOSE)


def test_equal_weights_are_no_weights(panel):
    plain, weighted = group_time_att(**panel), group_time_att(**panel, weights=np.full(UNITS, 3.0))
    assert weighted.att == pytest.approx(plain.att, **CLOSE)
    for kind in AGGREGATIONS:
        assert aggregate_att(weighted, kind=kind).overall_se == pytest.approx(
            aggregate_att(plain, kind=kind).overall_se, **CLOSE
        )


def test_weights_of_two_are_the_unit_twice(panel):
    weights = np.where(np.arange(UNITS) % 3 == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(UNITS), weights.astype(int))
    weighted = aggregate_att(group_time_att(**panel, weights=weights)).overall
    repeated = group_time_att(panel["y"][twice], entry=panel["entry"][twice], periods=PERIODS)
    assert weighted == pytest.approx(aggregate_att(repeated).overall, **CLOSE)


def test_the_base_period_does_not_touch_effects_after_entry(panel):
    varying, universal = group_time_att(**panel), group_time_att(**panel, base="universal")
    after = universal.period >= universal.group
    assert universal.att[after] == pytest.approx(varying.att[varying.period >= varying.group], **CLOSE)
    assert (universal.att[universal.period == universal.group - 1] == 0).all()


def test_unbalanced_ways_agree_on_a_complete_panel(panel):
    drop, allow = group_time_att(**panel), group_time_att(**panel, missing="allow")
    assert allow.att == pytest.approx(drop.att, **CLOSE)
    assert allow.influence == pytest.approx(drop.influence, **CLOSE)


def test_without_never_treated_the_last_cohort_serves_until_it_enters(panel):
    rows = panel["entry"] > 0
    alone = {"y": panel["y"][rows], "entry": panel["entry"][rows], "periods": PERIODS}
    out = group_time_att(**alone)
    assert np.unique(out.group).tolist() == [2016]
    assert out.period.max() == 2017
    with pytest.raises(DesignError, match="not_yet_treated"):
        group_time_att(**alone, comparison="never_treated")


def test_without_never_treated_sun_abraham_is_callaway_santanna_against_the_last_cohort(panel):
    rows = panel["entry"] > 0
    alone = {"y": panel["y"][rows], "entry": panel["entry"][rows], "periods": PERIODS}
    made, expected = sun_abraham(**long_form(alone)), group_time_att(**alone)
    after = expected.period >= expected.group
    assert np.unique(made.cohort).tolist() == [2016]
    assert made.coef[made.event_time >= 0] == pytest.approx(expected.att[after], **CLOSE)


def test_one_cohort_makes_all_estimators_differences_from_the_never_treated(panel):
    rows = panel["entry"] != 2018
    one = {"y": panel["y"][rows], "entry": panel["entry"][rows], "periods": PERIODS}
    treated = one["entry"] > 0
    last = 2  # column of 2015, the last period before entry
    by_hand = one["y"][treated].mean(axis=0) - one["y"][~treated].mean(axis=0)
    out = aggregate_att(group_time_att(**one), kind="dynamic")
    assert out.att[out.key >= 0] == pytest.approx((by_hand - by_hand[last])[3:], **CLOSE)
    table = long_form(one)
    since = np.where(table["entry"] > 0, table["period"] - table["entry"], np.nan)
    study = event_study(table["y"], event_time=since, unit=table["unit"], period=table["period"])
    assert study.coef == pytest.approx(np.delete(by_hand - by_hand[last], last), **CLOSE)
    imputed_effect = imputation_att(**one, by="event_time")
    assert imputed_effect.att == pytest.approx(by_hand[3:] - by_hand[:3].mean(), **CLOSE)


def test_bacon_adds_up_to_two_way_fixed_effects_with_always_treated_too(panel):
    entry = panel["entry"].copy()
    entry[:3] = 2013
    table = long_form(panel | {"entry": entry})
    on = ((table["entry"] > 0) & (table["period"] >= table["entry"])).astype(float)
    twfe = fixed_effects_fit(table["y"], on, unit=table["unit"], period=table["period"])
    out = bacon_decomposition(panel["y"], entry=entry, periods=PERIODS)
    assert out.total == pytest.approx(twfe.coef[0], **CLOSE)
    assert out.weight.sum() == pytest.approx(1)
    assert out.weight_of("later_v_always") > 0


def dealt(entry: np.ndarray, *, draws: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permuted(np.tile(entry, (draws, 1)), axis=1)


@pytest.mark.parametrize("transition", [0, 1])
@pytest.mark.parametrize("kind", AGGREGATIONS)
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_reassigned_effects_are_what_estimating_again_gives(comparison, kind, transition, panel):
    effect = callaway_santanna_map(
        panel["entry"], periods=PERIODS, comparison=comparison, kind=kind, transition=transition
    )
    entries = dealt(panel["entry"], draws=4, seed=8)
    out = reassigned_att(panel["y"], entries=entries, effect=effect, small_sample=False)
    for d, entry in enumerate(entries):
        again = group_time_att(panel["y"], entry=entry, periods=PERIODS, comparison=comparison)
        average = aggregate_att(again, kind=kind, transition=transition)
        assert out.estimate[d] == pytest.approx(average.overall, **CLOSE)
        assert out.se[d] == pytest.approx(average.overall_se, **CLOSE)


@pytest.mark.parametrize("transition", [0, 1])
def test_reassigned_imputation_is_what_imputing_again_gives(transition, panel):
    effect = imputation_map(panel["entry"], periods=PERIODS, transition=transition)
    entries = dealt(panel["entry"], draws=4, seed=9)
    out = reassigned_att(panel["y"], entries=entries, effect=effect, small_sample=False)
    for d, entry in enumerate(entries):
        again = imputation_att(panel["y"], entry=entry, periods=PERIODS, transition=transition)
        assert out.estimate[d] == pytest.approx(again.att[0], **CLOSE)
        assert out.se[d] == pytest.approx(again.se[0], **CLOSE)


TESTS = {
    "callaway_santanna": {"estimator": "callaway_santanna"},
    "never_treated": {"comparison": "never_treated", "kind": "group"},
    "imputation": {"estimator": "imputation"},
    "coefficient": {"statistic": "coefficient"},
}


def test_one_event_time_can_be_reassigned_by_itself(panel):
    average = aggregate_att(group_time_att(**panel), kind="dynamic")
    for key, att, se in zip(average.key, average.att, average.se, strict=True):
        effect = callaway_santanna_map(panel["entry"], periods=PERIODS, kind="dynamic", key=key)
        out = reassigned_att(panel["y"], entries=panel["entry"][None], effect=effect, small_sample=False)
        assert (out.estimate[0], out.se[0]) == pytest.approx((att, se), **CLOSE)
    made = staggered_permutation_test(**panel, kind="dynamic", key=1, draws=199, seed=1)
    assert made.estimate == pytest.approx(average.att[average.key == 1][0])
    with pytest.raises(DesignError, match="no key 9"):
        staggered_permutation_test(**panel, kind="dynamic", key=9, seed=1)
    with pytest.raises(DesignError, match="belong to"):
        staggered_permutation_test(**panel, estimator="imputation", kind="dynamic", seed=1)
    with pytest.raises(DesignError, match="leads"):
        staggered_permutation_test(**panel, kind="dynamic", key=-2, seed=1)


def test_a_cohort_of_one_unit_adds_no_error_and_can_be_tested_by_its_rank(panel):
    """Documented: the analytic error is that of the comparison units; the bare effect can be ranked."""
    rows = np.append(np.flatnonzero(panel["entry"] == 0), 24)
    alone = {"y": panel["y"][rows], "entry": panel["entry"][rows], "periods": PERIODS}
    out = group_time_att(**alone)
    changes = np.diff(alone["y"][:-1], axis=1)
    assert out.se[0] == pytest.approx(changes[:, 0].std() / np.sqrt(24))
    made = staggered_permutation_test(**alone, statistic="coefficient", draws=99, seed=1)
    assert made.exact
    assert made.n_possible == 25


@pytest.mark.parametrize("name", TESTS)
def test_p_at_each_interval_end_is_alpha_within_one_draw(name, panel):
    made = staggered_permutation_test(**panel, **TESTS[name], draws=999, seed=3)
    interval = made.conf_int(level=0.95)
    for end in (interval.low, interval.high):
        assert made.p_value(end) == pytest.approx(0.05, abs=1.01 / 1_000)
    assert interval.low < made.estimate < interval.high


@pytest.mark.parametrize("name", TESTS)
def test_a_constant_effect_shifts_the_interval_and_leaves_p_at_its_null(name, panel):
    """What inverting the test relies on: the statistic of draws at a trial value sees outcomes without it."""
    on = (panel["entry"][:, None] > 0) & (PERIODS >= panel["entry"][:, None])
    settings = TESTS[name] | {"draws": 499, "seed": 3}
    before = staggered_permutation_test(**panel, **settings)
    after = staggered_permutation_test(**(panel | {"y": panel["y"] + 2.5 * on}), **settings)
    assert after.estimate == pytest.approx(before.estimate + 2.5)
    assert after.p_value(2.5) == before.p_value(0.0)
    assert after.conf_int().low == pytest.approx(before.conf_int().low + 2.5, abs=0.01)


def test_one_cohort_and_two_periods_are_the_permutation_test_of_changes(panel):
    rows, columns = panel["entry"] != 2018, [2, 3]
    y, treated = panel["y"][np.ix_(rows, columns)], panel["entry"][rows] > 0
    change = permutation_test(y[:, 1] - y[:, 0], treated, draws=499, seed=5)
    for estimator in ("callaway_santanna", "imputation"):
        made = staggered_permutation_test(
            y, entry=panel["entry"][rows], periods=PERIODS[columns], estimator=estimator, draws=499, seed=5
        )
        assert made.estimate == pytest.approx(change.estimate)
        assert made.std_error == pytest.approx(change.std_error)
        assert made.p_value() == pytest.approx(change.p_value(), abs=0.06)  # other draws of the same test
    assert made.statistic == pytest.approx(change.statistic)


@pytest.mark.parametrize("estimator", ["callaway_santanna", "imputation"])
def test_a_transition_period_can_hold_anything(estimator, panel):
    wild = panel["y"].copy()
    wild[(PERIODS == panel["entry"][:, None])] += 1e3
    settings = {"estimator": estimator, "transition": 1, "draws": 99, "seed": 1}
    plain = staggered_permutation_test(**panel, **settings)
    moved = staggered_permutation_test(**(panel | {"y": wild}), **settings)
    assert moved.estimate == pytest.approx(plain.estimate)
    half = np.where(PERIODS == panel["entry"][:, None], 0.5, PERIODS > panel["entry"][:, None])
    half = np.where(panel["entry"][:, None] == 0, 0.0, half)
    shifted = staggered_permutation_test(**(panel | {"y": panel["y"] + 3 * half}), dose=half, **settings)
    with_dose = staggered_permutation_test(**panel, dose=half, **settings)
    assert shifted.p_value(3.0) == with_dose.p_value(0.0)


def test_the_permutation_test_refuses_with_help(panel):
    with pytest.raises(DesignError, match="missing"):
        gap = panel["y"].copy()
        gap[0, 0] = np.nan
        staggered_permutation_test(**(panel | {"y": gap}), seed=1)
    with pytest.raises(DesignError, match="dose must be 1"):
        staggered_permutation_test(**panel, dose=np.full(panel["y"].shape, 0.5), seed=1)
    with pytest.raises(DesignError, match="do not vary"):
        staggered_permutation_test(**(panel | {"y": np.ones_like(panel["y"])}), seed=1)
    with pytest.raises(DesignError, match="no smaller than"):
        staggered_permutation_test(
            panel["y"][22:27], entry=np.array([0, 0, 0, 0, 2016]), periods=PERIODS, seed=1
        )
    with pytest.raises(DesignError, match="strata"):
        staggered_permutation_test(**panel, strata=np.arange(UNITS), seed=1)
    with pytest.raises(DesignError, match="estimator="):
        staggered_permutation_test(**panel, estimator="twfe", seed=1)
    with pytest.raises(DesignError, match="never-treated and treated"):
        staggered_permutation_test(**(panel | {"entry": np.full(UNITS, 2016)}), seed=1)


def test_the_same_seed_gives_the_same_draws(panel):
    influence = group_time_att(**panel).influence
    one, two = (multiplier_bootstrap(influence, draws=500, seed=4) for _ in range(2))
    assert np.array_equal(one.se, two.se)
    first, second = (staggered_permutation_test(**panel, draws=99, seed=4).p_value() for _ in range(2))
    assert first == second


def test_nothing_changes_the_callers_arrays(panel):
    table = long_form(panel)
    for arrays in (panel, table):
        for array in arrays.values():
            array.setflags(write=False)
    since = np.where(table["entry"] > 0, table["period"] - table["entry"], np.nan)
    since.setflags(write=False)
    aggregate_att(group_time_att(**panel, weights=np.ones(UNITS)))
    imputation_att(**panel)
    two_stage_event_study(**panel)
    bacon_decomposition(**panel)
    sun_abraham(**table)
    settings = {"event_time": since, "unit": table["unit"], "period": table["period"]}
    event_study(table["y"], **settings)
    untreated_leads(table["y"], leads=(-2, -1), **settings)
    staggered_permutation_test(**panel, draws=99, seed=1)
    effect = imputation_map(panel["entry"], periods=PERIODS)
    reassigned_att(panel["y"], entries=panel["entry"][None], effect=effect)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entry": np.zeros(UNITS)}, "treated"),
        ({"entry": np.full(UNITS, 2013)}, "treated"),
        ({"periods": PERIODS[::-1]}, "increase"),
        ({"entry": np.zeros(3)}, "shapes"),
        ({"y": np.full((UNITS, PERIODS.size), np.inf)}, "infinite"),
        ({"comparison": "everyone"}, "never_treated"),
        ({"base": "last"}, "universal"),
        ({"anticipation": -1}, "anticipation"),
        ({"missing": "ignore"}, "drop"),
        ({"weights": np.full(UNITS, np.nan)}, "weights"),
        ({"weights": np.zeros(UNITS)}, "weights"),
        ({"y": np.full((UNITS, PERIODS.size), np.nan)}, "missing"),
    ],
)
def test_callaway_santanna_refuses_with_help(change, message, panel):
    with pytest.raises(DesignError, match=message):
        group_time_att(**(panel | change))


def test_other_estimators_refuse_with_help(panel):
    gap = panel["y"].copy()
    gap[0, 0] = np.nan
    with pytest.raises(DesignError, match="balanced"):
        bacon_decomposition(**(panel | {"y": gap}))
    with pytest.raises(DesignError, match="nothing to compare"):
        bacon_decomposition(**(panel | {"entry": np.zeros(UNITS)}))
    with pytest.raises(DesignError, match="treated and untreated"):
        imputation_att(**(panel | {"entry": np.zeros(UNITS)}))
    with pytest.raises(DesignError, match="can be imputed"):
        imputation_att(np.ones((2, 2)), entry=np.array([2, 2]), periods=np.array([1, 2]))
    with pytest.raises(DesignError, match="by="):
        imputation_att(**panel, by="week")
    effect = callaway_santanna_map(panel["entry"], periods=PERIODS)
    with pytest.raises(DesignError, match="missing"):
        reassigned_att(gap, entries=panel["entry"][None], effect=effect)
    with pytest.raises(DesignError, match="same number"):
        uneven = np.where(panel["entry"] == 2018, 2016, panel["entry"])[None]
        reassigned_att(panel["y"], entries=uneven, effect=effect)
    with pytest.raises(DesignError, match="kind"):
        aggregate_att(group_time_att(**panel), kind="simple", balance=2)
    with pytest.raises(DesignError, match="aggregation"):
        aggregate_att(group_time_att(**panel), kind="weekly")
    with pytest.raises(DesignError, match="not finite"):
        multiplier_bootstrap(np.array([1.0, np.nan]), draws=10, seed=1)


def test_event_studies_refuse_with_help(panel):
    table = long_form(panel)
    since = np.where(table["entry"] > 0, table["period"] - table["entry"], np.nan)
    settings = {"unit": table["unit"], "period": table["period"]}
    with pytest.raises(DesignError, match="no treated unit"):
        event_study(table["y"], event_time=np.full(since.size, np.nan), **settings)
    with pytest.raises(DesignError, match="do not occur"):
        event_study(table["y"], event_time=since, reference=(-9,), **settings)
    treated = np.isfinite(since)
    with pytest.raises(DesignError, match="two reference"):
        event_study(
            table["y"][treated],
            event_time=since[treated],
            unit=table["unit"][treated],
            period=table["period"][treated],
        )
    with pytest.raises(DesignError, match="negative"):
        untreated_leads(table["y"], event_time=since, leads=(0,), **settings)
    with pytest.raises(DesignError, match="reference"):
        sun_abraham(**table, reference=-7)
    with pytest.raises(DesignError, match="convention"):
        fixed_effects_fit(table["y"], treated.astype(float), ssc="usual", **settings)
    with pytest.raises(DesignError, match="combinations"):
        fixed_effects_fit(table["y"], treated.astype(float), **settings)
    with pytest.raises(DesignError, match="singular"):
        wald_test(np.ones(2), np.ones((2, 2)), df=5)
