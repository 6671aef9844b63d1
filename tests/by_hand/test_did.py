"""Difference in differences, drawn as tiny tables."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pluseval.data.frame import AnalysisFrame, Loss, Measure
from pluseval.errors import DesignError
from pluseval.estimate.describe import group_means
from pluseval.estimate.did import did
from pluseval.estimate.event_study import adjacent_changes
from pluseval.estimate.inference import OLS, ClusterRobust, Welch
from pluseval.estimate.inference_resampling import Permutation, SignFlip, WildBootstrap
from pluseval.estimate.margin import equivalence, noninferiority
from pluseval.estimate.ratio import rate_ratio_did
from pluseval.estimate.single_arm import single_arm

PERCENTAGE = Measure(
    "pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "percentage points",
    "procentpunten", "lower", per=100, additive=True,
)  # fmt: skip
UTILITY = Measure(
    "u", "EQ-5D utility", "EQ-5D", "utility", "utiliteit", "points", "punten", "higher", decimals=3
)

# practice  entry  list 2018  referred 2018  list 2019  referred 2019
TABLE = [
    ("A", 2016, 100, 30, 100, 28),
    ("B", 2016, 200, 64, 200, 58),
    ("C", 0, 100, 31, 100, 32),
    ("D", 0, 100, 33, 100, 33),
    ("E", 0, 400, 140, 400, 152),
]  # fmt: skip


def panel(table=TABLE) -> pd.DataFrame:
    rows = []
    for practice, entry, size_a, a, size_b, b in table:
        rows += [
            (practice, entry, 2018, size_a, 100 * a / size_a),
            (practice, entry, 2019, size_b, 100 * b / size_b),
        ]
    return pd.DataFrame(rows, columns=["practice", "entry", "year", "list", "pct"])


def framed(data: pd.DataFrame, measure: Measure = PERCENTAGE, covariates=()) -> AnalysisFrame:
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="pct", entry="entry", measure=measure, exposure="list",
        persons="list", covariates=covariates,
    )  # fmt: skip


def frame_of_changes(programme, comparison, measure=PERCENTAGE) -> AnalysisFrame:
    rows = []
    for i, (change, entry) in enumerate([(c, 2016) for c in programme] + [(c, 0) for c in comparison]):
        rows += [(f"P{i:03d}", entry, 2018, 1000, 30.0), (f"P{i:03d}", entry, 2019, 1000, 30.0 + change)]
    return framed(pd.DataFrame(rows, columns=["practice", "entry", "year", "list", "pct"]), measure)


def test_did_is_the_difference_of_mean_changes():
    # programme -2, -3; comparison +1, 0, +3
    result = did(framed(panel()), inference=OLS())
    assert result.estimate == pytest.approx(-2.5 - 4 / 3)
    pooled = (0.5 + (1 / 9 + 16 / 9 + 25 / 9)) / 3
    assert result.std_error == pytest.approx(np.sqrt(pooled * (1 / 2 + 1 / 3)))
    assert (result.df, result.nobs, result.n_clusters) == (3, 5, 5)


def test_exposure_weights_compare_ratios_of_sums():
    result = did(framed(panel()), inference=ClusterRobust("CR2"), weights="exposure")
    programme = 100 * (86 / 300 - 94 / 300)
    comparison = 100 * (217 / 600 - 204 / 600)
    assert result.estimate == pytest.approx(programme - comparison)
    assert result.nobs == 10 and result.n_clusters == 5


def test_windows_average_by_ratio_of_sums_or_mean_of_ratios():
    data = pd.DataFrame(
        {
            "practice": np.repeat(list("ABCD"), 3),
            "entry": np.repeat([2017, 2017, 0, 0], 3),
            "year": [2015, 2016, 2018] * 4,
            "list": [100, 300, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100],
            "pct": [10, 20, 15, 10, 10, 12, 10, 10, 10, 10, 10, 11.0],
        }
    )
    choose = {"inference": OLS(), "windows": ((2015, 2016), (2018, 2018))}
    sums = did(framed(data), **choose)
    means = did(framed(data), average="mean_of_ratios", **choose)
    # practice A before: (10 + 60) / 400 = 17.5 % as a ratio of sums, 15 % as a mean of ratios
    assert sums.estimate == pytest.approx((-2.5 + 2) / 2 - 0.5)
    assert means.estimate == pytest.approx((0 + 2) / 2 - 0.5)
    assert sums.term == "referral percentage 2015-2016 -> 2018"
    assert "mean of the yearly values" in means.estimand.weight


def test_the_named_reading_of_the_published_referral_result_prints_as_published():
    rng = np.random.default_rng(20)

    def exactly(n, mean, sd):
        z = rng.normal(size=n)
        return mean + sd * (z - z.mean()) / z.std(ddof=1)

    sd = 2.4 / stats.t.isf(0.032 / 2, 68) / np.sqrt(1 / 14 + 1 / 56)
    frame = frame_of_changes(exactly(14, -1.0, sd), exactly(56, 1.4, sd))
    assert str(did(frame, inference=OLS(), periods=(2018, 2019))) == (
        "referral percentage 2018 -> 2019: -2.40 percentage points (95% CI -4.59 to -0.21; p = 0.032; "
        "14 + 56 practices; OLS on changes, pooled t(68))"
    )


def test_a_covariate_that_explains_the_changes_is_taken_out():
    changes = [1.0, 2.0, 3.0, 0.5, 1.5, 2.4]
    frame = frame_of_changes(changes[:3], changes[3:])
    size = pd.Series([10, 20, 30, 10, 20, 30.0], index=[f"P{i:03d}" for i in range(6)])
    frame = frame.with_practices({"size": size, "region": pd.Series(list("abcabc"), index=size.index)})
    X = np.column_stack([np.ones(6), np.log(size), [1, 1, 1, 0, 0, 0]])
    expected = np.linalg.lstsq(X, np.array(changes), rcond=None)[0][-1]
    result = did(frame, inference=OLS(), adjust=["log(size)"])
    assert result.estimate == pytest.approx(expected)
    assert "adjusted for log(size)" in result.inference and "given log(size)" in result.estimand.assumption
    assert did(frame, inference=OLS(), adjust="region").df == 2


def test_practices_without_both_periods_are_dropped_and_counted():
    data = panel()
    whole = did(framed(data), inference=OLS())
    more = pd.DataFrame(
        {"practice": ["F", "G"], "entry": [0, 0], "year": [2018, 2019], "list": 100, "pct": [9.0, 90]}
    )
    result = did(framed(pd.concat([data, more])), inference=OLS())
    assert result.estimate == whole.estimate and result.n_clusters == 5
    assert [(loss.reason, loss.count) for loss in result.losses] == [
        ("practices without a value in both periods", 2)
    ]


def test_losses_are_those_of_the_groups_and_periods_that_the_estimate_uses():
    later = panel().query("year == 2019").assign(year=2020, pct=lambda d: d["pct"] + [1.0, 3, 2, 5, 3])
    data = pd.concat([panel(), later])
    lost = (
        *(Loss("moved", 10 * (n + 1), "programme", year) for n, year in enumerate((2018, 2019, 2020))),
        *(Loss("moved", 1000 * (n + 1), "comparison", year) for n, year in enumerate((2018, 2019, 2020))),
        Loss("no list", 7),
    )
    frame = replace(framed(data), losses=lost)

    def told(found):
        return {loss.reason: loss.count for loss in found.losses}

    assert told(did(frame, inference=OLS(), periods=(2018, 2019))) == {"moved": 3030, "no list": 7}
    windows = ((2018, 2018), (2019, 2020))
    assert told(did(frame, inference=OLS(), windows=windows)) == {"moved": 6060, "no list": 7}
    ratio = rate_ratio_did(frame, inference=ClusterRobust("CR2"), periods=(2018, 2020))
    assert told(ratio) == {"moved": 4040, "no list": 7}
    assert told(single_arm(frame, inference=OLS(), periods=(2018, 2020))) == {"moved": 40, "no list": 7}
    assert [told(e)["moved"] for e in adjacent_changes(frame, inference=OLS())] == [3030, 5050]
    assert {(e.group, e.at): told(e)["moved"] for e in group_means(frame)} == {
        (loss.group, loss.period): loss.count for loss in lost if loss.group
    }
    assert {loss.period for loss in frame.between(2019, 2020).losses} == {2019, 2020, None}
    (sums, _) = did(frame, inference=OLS(), periods=(2018, 2019)).losses
    assert sums.least == 10  # what another sum could reveal


def test_losses_of_a_group_that_is_kept_in_part_say_so():
    lost = (Loss("moved", 40, "programme", 2018), Loss("moved", 50, "comparison", 2018))
    frame = replace(framed(panel()), losses=lost)
    programme = list(frame.treated.index[frame.treated])
    assert frame.keep_clusters(programme).losses == lost[:1]
    (some,) = frame.keep_clusters(programme[:1]).losses
    assert some.count == 40 and "only some of its practices" in some.reason
    assert frame.keep_clusters(programme[:1]).keep_clusters(programme[:1]).losses == (some,)


def test_counts_hold_the_evidence_of_every_cell():
    cells = {(c.group, c.period): c for c in did(framed(panel()), inference=OLS()).counts.cells}
    assert set(cells) == {(g, p) for g in ("programme", "comparison") for p in ("2018", "2019")}
    after = cells["comparison", "2019"]
    assert (after.persons, after.practices) == (600, 3)
    assert after.practice_share == pytest.approx(152 / 217)
    assert after.two_practices_share == pytest.approx(185 / 217)
    assert np.isnan(after.person_share)


def test_persons_of_a_window_are_the_largest_year_and_persons_shares_an_upper_bound():
    rows = pd.DataFrame(
        {
            "unit": np.repeat(list("ABCD"), 3), "cluster": np.repeat(list("ABCD"), 3),
            "period": [2014, 2015, 2018] * 4, "entry": np.repeat([2017.0, 2017, np.nan, np.nan], 3),
            "numerator": [10, 20, 30, 10, 20, 30, 10, 20, 28, 10, 20, 33.0], "exposure": 1.0,
            "persons": [5, 7, 7, 6, 3, 4, 5, 5, 5, 5, 5, 5],
            "largest": [6, 9, 8, 4, 5, 5, 4, 4, 4, 4, 4, 4.0],
            "second": [2, 8, 2, 3, 1, 1, 1, 1, 1, 1, 1, 1.0],
        }
    )  # fmt: skip
    practices = pd.DataFrame(index=pd.Index(list("ABCD"), name="cluster"))
    frame = AnalysisFrame(rows=rows, measure=PERCENTAGE, source=framed(panel()).source, practices=practices)
    cell = did(frame, inference=OLS(), windows=((2014, 2015), (2018, 2018))).counts.cells[0]
    assert cell.persons == 11  # 5 + 6 in 2014, 7 + 3 in 2015
    assert cell.person_share == pytest.approx((6 + 9) / 60)
    assert cell.two_persons_share == pytest.approx((6 + 4 + 9 + 8) / 60)


def test_noninferiority_reads_the_direction_of_worse_from_the_measure():
    changes = ([0.01, -0.01, 0.00, 0.02], [0.0, 0.01, -0.01, 0.01])
    better_high = did(frame_of_changes(*changes, measure=UTILITY), inference=Welch(), margin=0.03)
    better_low = did(frame_of_changes(*changes), inference=Welch(), margin=0.03)
    high, low = noninferiority(better_high), noninferiority(better_low)
    assert (high.limit, high.bound) == (-0.03, better_high.conf_low)
    assert (low.limit, low.bound) == (0.03, better_low.conf_high)
    t = (better_high.estimate + 0.03) / better_high.std_error
    assert high.p_value == pytest.approx(stats.t.sf(t, better_high.df))
    assert high.passes == (high.p_value < 0.025)


def test_equivalence_is_two_one_sided_tests_with_the_90_percent_interval():
    result = did(frame_of_changes([0.1, -0.1, 0.0], [0.1, 0.0, -0.05, 0.02]), inference=OLS(), margin=0.2)
    found = equivalence(result)
    assert (found.conf_low, found.conf_high) == result.conf_int(0.90)
    tails = [(result.estimate + 0.2) / result.std_error, (0.2 - result.estimate) / result.std_error]
    assert found.p_value == pytest.approx(max(stats.t.sf(t, result.df) for t in tails))
    assert found.passes == (found.p_value < 0.05)


@pytest.mark.parametrize(
    ("ask", "yes", "no"),
    [
        (noninferiority, "not worse by more than the margin", "not shown to be no worse"),
        (equivalence, "differs by less than the margin", "not shown to differ by less"),
    ],
)
def test_the_answer_about_a_margin_reads_as_a_sentence(ask, yes: str, no: str):
    changes = frame_of_changes([0.1, -0.1, 0.0], [0.1, 0.0, -0.05, 0.02])
    wide, narrow = (ask(did(changes, inference=OLS(), margin=m)) for m in (0.5, 0.001))
    assert yes in str(wide) and no in str(narrow)
    for found, margin in ((wide, "0.5"), (narrow, "0.001")):
        assert f"({margin} " in str(found) and found.inference in str(found)
        assert "Noninferiority(" not in str(found) and "\n" not in str(found)


@pytest.mark.parametrize("ask", [noninferiority, equivalence])
def test_a_margin_is_required(ask):
    with pytest.raises(DesignError, match="has no margin"):
        ask(did(framed(panel()), inference=OLS()))


def test_p_and_interval_come_from_one_procedure():
    rng = np.random.default_rng(3)
    frame = frame_of_changes(rng.normal(-1, 2, 7), rng.normal(0, 2, 9))
    for inference, draw in (
        (OLS(), 0), (Welch(), 0), (ClusterRobust(), 0),
        (Permutation(draws=99_999, seed=1), 1 / 11_440), (WildBootstrap(draws=65_536, seed=1), 1 / 65_536),
    ):  # fmt: skip
        result = did(frame, inference=inference)
        for level in (0.95, 0.90):
            for end in result.conf_int(level):
                assert result.p_at(end) == pytest.approx(1 - level, abs=1e-9 + 2 * draw), (inference, level)
        assert result.p_value == result.p_at(0.0)


REFUSED = {
    "one programme practice": (panel(TABLE[1:]), {}, "1 programme practice.*synthetic difference"),
    "one of each": (panel([TABLE[0], TABLE[2]]), {}, "1 programme practice"),
    "one comparison practice": (panel(TABLE[:3]), {}, "1 comparison practice"),
    "no comparison practice": (panel(TABLE[:2]), {}, "use single_arm"),
    "no programme practice": (panel(TABLE[2:]), {}, "no programme practice"),
    "one period": (panel().query("year == 2018"), {}, "needs 2 periods, found 1"),
    "a period without data": (panel(), {"periods": (2018, 2024)}, "no row of referral percentage in 2024"),
    "the wrong order": (panel(), {"periods": (2019, 2018)}, "give the earlier first"),
    "no variance": (panel().assign(pct=lambda d: 10.0 + (d.year == 2019)), {}, "no standard error"),
    "all zero": (panel().assign(pct=0.0), {}, "is zero, so there is nothing to compare"),
    "an unknown covariate": (panel(), {"adjust": ["age"]}, "no practice column 'age'"),
    "an inference class": (panel(), {"inference": OLS}, re.escape("inference=OLS(...)")),
    "an inference for a single arm": (panel(), {"inference": SignFlip(draws=8)}, "single arm"),
    "a margin of zero": (panel(), {"margin": 0.0}, "above 0"),
    "OLS with weights": (panel(), {"weights": "exposure"}, "use ClusterRobust"),
    "too few assignments": (panel(), {"inference": Permutation(draws=99, seed=1)}, "no data could be"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_design_that_cannot_answer_is_refused_with_the_reason(name):
    data, choices, message = REFUSED[name]
    with pytest.raises(DesignError, match=message):
        did(framed(data), **{"inference": OLS(), **choices})


def test_more_than_two_periods_must_be_named():
    more = pd.concat([panel(), panel().assign(year=lambda d: d.year + 2)])
    with pytest.raises(DesignError, match="did needs 2 periods, found 4"):
        did(framed(more), inference=OLS())


def test_duplicated_rows_and_switching_off_never_become_a_frame():
    with pytest.raises(DesignError, match="duplicated"):
        framed(pd.concat([panel(), panel().head(1)]))
    with pytest.raises(DesignError, match="switches on twice or off"):
        framed(panel().assign(entry=lambda d: d.entry * (d.year == 2018)))


def test_missing_or_zero_exposure_never_becomes_a_frame():
    columns = {"unit": "practice", "period": "year", "y": "pct", "entry": "entry", "exposure": "list"}
    for share, message in ((np.nan, "must be finite"), (0, "exposure must be positive")):
        data = panel()
        data["list"] = data["list"] * np.where(data["practice"] == "A", share, 1)
        with pytest.raises(DesignError, match=message):
            AnalysisFrame.from_pandas(data, measure=PERCENTAGE, **columns)


def test_an_estimate_survives_pickling_with_its_procedure():
    for inference in (OLS(), ClusterRobust(), WildBootstrap(draws=99, seed=1, weights="webb")):
        result = did(frame_of_changes([1.0, 2.0, 3.5, 0.1], [0.5, 1.5, 2.4, 0.2]), inference=inference)
        again = pickle.loads(pickle.dumps(result))
        assert again.conf_int(0.9) == result.conf_int(0.9) and again.p_at(1.0) == result.p_at(1.0)


def test_collinear_covariates_are_refused():
    frame = frame_of_changes([1.0, 2.0, 3.5], [0.5, 1.5, 2.4])
    names = [f"P{i:03d}" for i in range(6)]
    size = pd.Series([1.0, 4, 9, 2, 5, 7], index=names)
    frame = frame.with_practices({"a": size, "b": 2 * size + 1})
    with pytest.raises(DesignError, match=r"[Cc]ombinations"):
        did(frame, inference=OLS(), adjust=["a", "b"])
