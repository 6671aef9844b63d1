"""What pages say of the smallest effect found, from a table drawn by hand."""

from __future__ import annotations

import math

import pytest

from pluseval.errors import DesignError, NotFoundError
from pluseval.report.detectable import DetectableEffects
from pluseval.report.detectable_figure import margin_figure
from pluseval.report.readback import Number, Record

HEAD = (
    "outcome,reading,procedure,label,label_nl,unit,unit_nl,decimals,contrast,inference,power,alpha,effect,mcse,"
    "mean_level,relative,margin,size,programme,comparison,studies,draws\n"
)
WHAT = '2016 -> 2019,"sign flips of practice changes, all 16,384 flips",0.8,0.05'


def _row(key, effect, mcse, margin, *, procedure="plan"):
    return (
        f"{key},primary,{procedure},report grade,rapportcijfer,points,punten,2,{WHAT},{effect},{mcse},"
        f"8.7,0.03,{margin},0.05,14,0,40,100\n"
    )


@pytest.fixture
def effects(tmp_path):
    rows = [
        _row("a.beyond", 0.30, 0.01, 0.2),
        _row("a.about", 0.21, 0.01, 0.2),
        _row("a.within", 0.10, 0.01, 0.2),
        _row("a.near", 0.191, 0.001, 0.2),
        _row("a.beyond", 0.31, 0.01, 0.2, procedure="cr2_bm"),
        'c.cost,primary,plan,MSZ cost,MSZ-kosten,EUR,EUR,0,2013-2015 -> 2017-2019,"permutation, 999 '
        'assignments drawn (seed 1)",0.8,0.05,1102.4,30,1700,0.065,,0.05,14,56,40,100\n',
    ]
    (tmp_path / "detectable.csv").write_text(HEAD + "".join(rows), encoding="utf-8")
    return DetectableEffects.open(tmp_path)


def test_the_margin_is_judged_by_two_monte_carlo_errors_or_a_twentieth_of_it(effects):
    found = {key: effects.against_margin(key) for key in effects.outcomes}
    assert found == {
        "a.beyond": "beyond",
        "a.about": "about",
        "a.within": "within",
        "a.near": "about",
        "c.cost": None,
    }


def test_a_margin_out_of_reach_is_said_plainly(effects):
    told = effects.sentence("a.beyond")
    assert told.startswith(
        "Report grade: such a study finds, with 80 % power, a change of 0.30 points or more."
    )
    assert "beyond the margin of 0.20 points" in told and "fewer than 80 %" in told
    assert "more than 80 %" in effects.sentence("a.within")
    assert "minder dan 80 %" in effects.sentence("a.beyond", "nl")
    shown = effects.margins().content
    assert shown.index("cannot reliably show non-inferiority") < shown.index("Within its margin")


def test_without_a_margin_the_share_of_the_mean_is_told(effects):
    assert effects.sentence("c.cost") == (
        "MSZ cost: such a study finds, with 80 % power, a change of EUR 1,102 or more (6.5 % of the mean)."
    )
    assert "EUR 1.102 of meer (6,5 %" in effects.sentence("c.cost", "nl")


def test_the_table_shows_effect_error_and_cr2_but_no_number_of_draws(effects):
    shown = effects.table().content
    assert "<td>0.30 points (0.010)</td>" in shown and "<td>0.31</td>" in shown
    assert "<td>0.20: beyond it</td>" in shown and "no margin" in shown
    assert "999" not in shown and "16,384" not in shown
    assert "on these data" not in shown


def test_a_runs_own_value_stands_beside_the_table(effects, own_run):
    beside = DetectableEffects(effects.rows, effects.manifest, own_run)
    assert beside.sentence("a.within").endswith(" On these data the same calculation gives 0.15 points.")
    assert "on these data" in beside.table().content
    assert beside.sentence("b.other").startswith("Grade: on these data a change of 0.15 points")


@pytest.fixture
def own_run():
    """What a bundle gives back of a run's own effect."""
    measure = Record(
        {"label": "grade", "label_nl": "cijfer", "difference_unit": "points", "difference_unit_nl": "punten",
         "decimals": 2}
    )  # fmt: skip
    number = Number(Record({"estimate": 0.149, "conf_low": math.nan, "measure": measure}))
    return {"a.within": number, "b.other": number}


def test_the_figure_tells_every_margin_in_words_and_in_its_table(effects):
    shown = margin_figure(effects).content
    assert 'alt="Dot plot: ' in shown and "1.50 (beyond the margin)" in shown
    assert "synthetic" in shown.split('alt="')[1].split('"')[0]
    assert shown.count("<tr>") == 5  # the head and four outcomes with a margin
    assert "1,50 (meer dan de marge)" in margin_figure(effects, lang="nl").content


def test_without_margins_there_is_no_figure(effects):
    costs = DetectableEffects(tuple(row for row in effects.rows if row["outcome"] == "c.cost"))
    assert margin_figure(costs).content == ""


def test_an_unknown_outcome_a_language_or_a_folder_without_table_is_refused(effects, tmp_path):
    with pytest.raises(NotFoundError, match=r"a\.beyond"):
        effects.sentence("nothing.here")
    with pytest.raises(DesignError):
        effects.sentence("c.cost", "fr")
    with pytest.raises(NotFoundError, match="make calibrate"):
        DetectableEffects.open(tmp_path / "empty")
