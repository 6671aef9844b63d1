"""The table of detectable effects: of the plan, remade, by a hand formula; and a run's own value."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from analyses.detectable import Job, code_hash, main, measure, parameters, run_job
from analyses.detectable_table import FOLDER, combine, require_of_plan
from pluseval.data.load import load_study
from pluseval.data.source import Source
from pluseval.data.synthetic import synthesize
from pluseval.errors import ConditionedError, DesignError, PlanError
from pluseval.estimate.inference import ClusterRobust
from pluseval.pipeline.analyse import planned
from pluseval.pipeline.assets import locate
from pluseval.pipeline.contrast import frame_of
from pluseval.pipeline.detect import detectable_effect, detectable_sets
from pluseval.pipeline.plan import Detectable, plan_from, read_plan
from pluseval.report.detectable import DetectableEffects
from pluseval.report.disclosure import DisclosureRules, release

PLAN = read_plan(locate("analyses") / "plan.toml")
GRADE = "experience.grade"


@pytest.fixture(scope="module")
def committed():
    return DetectableEffects.open(FOLDER)


# ------------------------------------------------------------------ the committed table and the plan


def test_the_committed_table_is_that_of_the_plan(committed):
    require_of_plan(committed.rows, committed.manifest, PLAN)
    assert committed.manifest["made_from"] == "planted studies"
    assert {row["studies"] for row in committed.rows} == {committed.manifest["studies"]}
    assert min(row["studies"] for row in committed.rows) >= 20
    assert all(0 < row["mcse"] < 0.1 * row["effect"] for row in committed.rows)
    assert all(row["programme"] == 14 for row in committed.rows)
    assert {row["comparison"] for row in committed.rows if row["design"] == "did"} == {56}


def test_an_outcome_that_the_table_lacks_is_named(committed):
    without = [row for row in committed.rows if row["outcome"] != "costs.msz"]
    with pytest.raises(PlanError, match=r"costs\.msz: no row of the primary reading"):
        require_of_plan(without, committed.manifest, PLAN)


def test_another_procedure_or_contrast_of_the_plan_is_named(committed):
    values = PLAN.model_dump(mode="json")
    values["outcomes"][0]["inference"] = {"procedure": "cluster_robust", "kind": "CR2"}
    values["windows"]["after"] = [2018, 2019]
    with pytest.raises(PlanError, match="cluster_robust") as found:
        require_of_plan(committed.rows, committed.manifest, plan_from(values))
    assert PLAN.outcomes[0].key in str(found.value) and "windows" in str(found.value)


# ------------------------------------------------------------------ remade, and by hand


@pytest.fixture(scope="module")
def remade(tmp_path_factory):
    """The surveys of one further planted study, measured with few placebo groups."""
    blocks = tmp_path_factory.mktemp("blocks")
    job = Job(10_001, 100, PLAN, (GRADE,), code_hash())
    rows = json.loads((blocks / run_job(job, blocks)).read_text(encoding="utf-8"))
    return {row["procedure"]: row for row in rows}


@pytest.mark.parametrize("procedure", ["plan", "cr2_bm"])
def test_a_remade_study_lies_among_the_committed_ones(committed, remade, procedure):
    """Tolerance: four standard deviations between single studies, from the table's Monte Carlo error."""
    row = committed.row(GRADE, procedure=procedure)
    between = row["mcse"] * np.sqrt(row["studies"])
    assert remade[procedure]["effect"] == pytest.approx(row["effect"], abs=4 * between)
    assert remade[procedure]["inference"] == row["inference"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The surveys of another planted study."""
    job = Job(10_002, 100, PLAN, (GRADE,), code_hash())
    place = synthesize(tmp_path_factory.mktemp("planted") / "study", seed=job.seed, parameters=parameters())
    for name in ("insured_years", "referrals"):
        (place / f"{name}.parquet").unlink()
    return place


@pytest.fixture(scope="module")
def planted(folder):
    return load_study(folder)


def _changes(frame):
    """Of the comparison practices from the first wave to the last."""
    wide = frame.cells.pivot(index="cluster", columns="period", values="y").loc[~frame.treated]
    return (wide[2019] - wide[2016]).dropna()


def test_it_is_the_hand_formula_of_the_practices_changes(planted):
    """(t_.975 + t_.8) SE with the SD of the comparison practices' changes, 14 of them.

    Tolerance: 15 % for the practices that the placebo groups are drawn from, which are not all.
    """
    outcome = PLAN.outcome(GRADE)
    frame = frame_of(planted, outcome, PLAN)
    chosen = Detectable(draws=1_000, seed=1)
    found = detectable_effect(frame, outcome, PLAN, chosen, inference=ClusterRobust("CR2"))
    se = _changes(frame).std(ddof=1) / np.sqrt(14)
    assert found.effect == pytest.approx((t.ppf(0.975, 13) + t.ppf(0.8, 13)) * se, rel=0.15)


def test_the_committed_values_are_those_of_the_hand_formula(committed, planted):
    """For every survey outcome, from one planted study. Tolerance: four SD of an SD of so many changes."""
    for outcome in PLAN.outcomes:
        if outcome.table == "surveys":
            changes = _changes(frame_of(planted, outcome, PLAN))
            by_hand = (t.ppf(0.975, 13) + t.ppf(0.8, 13)) * changes.std(ddof=1) / np.sqrt(14)
            tolerance = 4 / np.sqrt(2 * (changes.size - 1))
            assert by_hand == pytest.approx(committed.row(outcome.key)["effect"], rel=tolerance)


# ------------------------------------------------------------------ the command


def test_the_command_refuses_a_conditioned_study(folder, tmp_path, capsys):
    out, copy = tmp_path / "out", shutil.copytree(folder, tmp_path / "conditioned")
    sheet = copy / "study.toml"
    text = sheet.read_text(encoding="utf-8")
    sheet.write_text(text.replace('kind = "planted"', 'kind = "conditioned"'), encoding="utf-8")
    assert main(["--study", str(copy), "--out", str(out)]) == ConditionedError.exit_code
    assert "planted" in capsys.readouterr().err
    assert not out.exists()


def test_the_committed_table_takes_no_part_of_the_outcomes(capsys):
    assert main(["--outcomes", "costs.msz"]) == DesignError.exit_code
    assert "--out" in capsys.readouterr().err


def test_an_interrupted_measurement_goes_on_where_it_stopped(remade, tmp_path, monkeypatch):
    """Studies whose file is there are not made again."""
    given = {"studies": 2, "draws": 100, "jobs": 1, "keys": (GRADE,), "progress": False}
    code = code_hash()
    for number, effect in enumerate((0.02, 0.04)):
        job = Job(number, 100, PLAN, (GRADE,), code)
        row = {**remade["plan"], "effect": effect}
        (tmp_path / job.file).write_text(json.dumps([row]), encoding="utf-8")
    table = measure(folder=tmp_path / "out", blocks=tmp_path, **given)
    assert table[0]["effect"] == pytest.approx(0.03)
    assert table[0]["mcse"] == pytest.approx(0.01)  # SD 0.0141 by the root of 2
    assert DetectableEffects.open(tmp_path / "out").row(GRADE)["effect"] == pytest.approx(0.03)


def test_a_single_study_has_the_error_of_its_placebo_groups(remade):
    row = remade["plan"]
    assert combine([[row]])[0]["mcse"] == row["draw_mcse"]


# ------------------------------------------------------------------ a run's own


def test_a_planted_run_carries_its_own_effect_through_the_gate(planted):
    quick = Detectable(draws=100, seed=1)
    outcome = PLAN.outcome(GRADE).model_copy(update={"detectable": quick})
    frame = frame_of(planted, outcome, PLAN)
    (one,) = detectable_sets(frame, outcome, PLAN)
    (number,) = one.estimates
    assert one.name == "experience.grade.detectable" and one.display == "table"
    assert number.estimate > 0 and number.std_error > 0 and np.isnan(number.p_value)
    assert number.margin == outcome.margin
    assert {cell.group for cell in number.counts.cells} == {"comparison"}
    assert number.counts.practices("comparison") == number.n_clusters
    assert release([one], DisclosureRules.default()).names == (one.name,)
    assert release([one], DisclosureRules(min_practices=number.n_clusters + 1)).names == ()
    assert detectable_sets(frame, outcome.model_copy(update={"detectable": None}), PLAN) == []


def test_a_conditioned_study_says_why_it_has_none(planted):
    outcome = PLAN.outcome(GRADE).model_copy(update={"sensitivity": ()})
    conditioned = replace(planted, source=Source("conditioned study", "conditioned"))
    found = planned(conditioned, outcome, PLAN)
    assert "experience.grade.detectable" not in {s.name for s in found.sets}
    assert "conditioned" in dict(found.skipped)["experience.grade: minimal detectable effect"]


def test_practices_that_count_by_their_exposure_are_refused(planted):
    outcome = PLAN.outcome(GRADE)
    values = PLAN.model_dump(mode="json")
    values["estimand"]["weight"] = "exposure"
    with pytest.raises(DesignError, match="count equally"):
        detectable_sets(frame_of(planted, outcome, PLAN), outcome, plan_from(values))
