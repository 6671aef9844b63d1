"""`make calibrate`: resumes, refuses what it must, leaves a complete table from which the primary is read."""

from __future__ import annotations

import ast
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.calibration import calibrate, main, own_design
from analyses.calibration_blocks import CODE
from analyses.calibration_cells import cells
from analyses.calibration_design import design_of, planned
from analyses.calibration_procedures import procedures_of
from analyses.calibration_table import (
    FOLDER,
    LEAST,
    Criteria,
    candidates,
    plan_entry,
    primary_from,
    read_table,
    require_complete,
)
from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.data.source import Source
from pluseval.data.synthetic import Parameters, synthesize
from pluseval.errors import ConditionedError, DesignError, NotFoundError, PlanError
from pluseval.estimate.registry import inference_named
from pluseval.pipeline.plan import read_plan

ROOT = Path(__file__).resolve().parents[2]
COST = Measure("cost", "cost", "kosten", "EUR", "EUR", "EUR", "EUR", "lower")


@pytest.fixture
def frame():
    rng = np.random.default_rng(1)
    design = planned(14)
    G = design.treated.size
    data = pd.DataFrame(
        {
            "practice": np.tile(np.arange(G), 2),
            "year": np.repeat([2014, 2015], G),
            "entry": np.tile(np.where(design.treated, 2016.0, np.nan), 2),
            "cost": rng.normal(1700, 100, 2 * G),
            "list_size": np.tile(design.list_size, 2),
        }
    )
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="cost", entry="entry", measure=COST, covariates=["list_size"]
    )


# ------------------------------------------------------------------ the reader's own design


def test_a_planted_study_gives_its_design(frame):
    planted = replace(frame, source=Source("planted study", "planted"))
    made = design_of(planted)
    assert made.name == "14 + 56"
    assert made.list_size == pytest.approx(planned(14).list_size)
    assert made.treated.tolist() == planned(14).treated.tolist()


def test_a_conditioned_study_is_refused(frame):
    with pytest.raises(ConditionedError, match="conditioned"):
        design_of(replace(frame, source=Source("conditioned study", "conditioned")))


@pytest.fixture(scope="module")
def planted_folder(tmp_path_factory):
    parameters = Parameters.sized(treated=4, comparators=8, patients=6_000)
    return synthesize(tmp_path_factory.mktemp("planted") / "study", seed=11, parameters=parameters)


def test_the_command_measures_on_the_design_of_a_planted_study(planted_folder, tmp_path):
    own = own_design(planted_folder)
    assert own.name == "4 + 8"
    table = calibrate(
        studies=20, slow_studies=1, jobs=1, only=("normal",), progress=False, design=own,
        folder=tmp_path / "out", blocks=tmp_path / "blocks",
    )  # fmt: skip
    assert {(row["treated"], row["comparison"]) for row in table} == {(4, 8)}
    assert "permutation_t" in {row["procedure"] for row in table if row["studies"] == 20}


def test_the_command_refuses_a_conditioned_study(planted_folder, tmp_path, capsys):
    folder = shutil.copytree(planted_folder, tmp_path / "conditioned")
    sheet = folder / "study.toml"
    text = sheet.read_text(encoding="utf-8")
    sheet.write_text(text.replace('kind = "planted"', 'kind = "conditioned"'), encoding="utf-8")
    code = main(
        ["--study", str(folder), "--out", str(tmp_path / "out"), "--blocks", str(tmp_path / "blocks")]
    )
    assert code == ConditionedError.exit_code
    assert "planted" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_study_without_list_sizes_is_refused(frame):
    with pytest.raises(DesignError, match="list_size"):
        design_of(replace(frame, practices=frame.practices.drop(columns="list_size")))


def test_the_committed_table_takes_no_part_of_a_calibration(capsys):
    assert main(["--cells", "normal"]) == DesignError.exit_code
    assert "--out" in capsys.readouterr().err


# ------------------------------------------------------------------ running and resuming


def _small(folder, **choices):
    given = {"studies": 20, "slow_studies": 3, "jobs": 1, "only": ("nps_30.5",), "progress": False}
    return calibrate(folder=folder / "out", blocks=folder / "blocks", **(given | choices))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with the calibration of one cell, and its table."""
    folder = tmp_path_factory.mktemp("calibration")
    return folder, _small(folder)


def test_an_interrupted_calibration_goes_on_where_it_stopped(small):
    folder, _ = small
    text = (folder / "out" / "table.csv").read_bytes()
    files = sorted((folder / "blocks").rglob("*.json"))
    before = {file: file.stat().st_mtime_ns for file in files}
    lost = next(file for file in files if file.name.startswith("mixed"))
    lost.unlink()
    _small(folder)
    assert (folder / "out" / "table.csv").read_bytes() == text
    assert [file for file in files if file.stat().st_mtime_ns != before[file]] == [lost]
    assert not list((folder / "blocks").rglob("*.part"))


def test_the_table_has_every_procedure_and_says_which_refuse(small):
    folder, table = small
    cell = next(c for c in cells() if c.name == "nps_30.5")
    assert {row["procedure"] for row in table} == {p.name for p in procedures_of(cell)}
    manifest = json.loads((folder / "out" / "manifest.json").read_text(encoding="utf-8"))
    studies = manifest["cells"]["nps_30.5"]["studies"]
    assert studies["permutation_t_tertiles"] == 20
    assert studies["mixed_kr"] == studies["gee_mancl_derouen"] == 3
    assert studies["sign_flips"] == 0
    assert "0.0625" in manifest["cells"]["nps_30.5"]["refused"]["sign_flips"]
    assert str(folder) not in json.dumps(manifest)


def test_power_is_told_for_both_directions(small):
    folder, table = small
    for row in read_table(folder / "out"):
        assert np.isnan(row["opposite_power"]) == (row["studies"] == 0)
    rejected = {row["procedure"]: row for row in table}["welch"]
    assert rejected["opposite_power"] * 20 == pytest.approx(round(rejected["opposite_power"] * 20))
    cell = next(c for c in cells() if c.name == "nps_30.5")
    assert cell.tested == (0.0, *cell.effects, -cell.effects[0])


def test_medians_of_widths_rest_on_many_intervals(small):
    for row in small[1]:
        if row["procedure"] != "sign_flips":
            assert row["intervals"] + row["unbounded"] == row["studies"], row["procedure"]


def test_a_block_is_named_by_all_code_that_it_rests_on():
    """Whatever numerical module the procedures import, and those that it imports, is in the hash."""
    waiting = [name.removesuffix(".py") for name in CODE if name.startswith("analyses/")]
    seen = set(waiting)
    while waiting:
        for node in ast.walk(ast.parse((ROOT / f"{waiting.pop()}.py").read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            for name in (node.module, *(f"{node.module}.{part.name}" for part in node.names)):
                path = name.replace(".", "/")
                ours = path.startswith(("pluseval/numerics/", "analyses/calibration_"))
                if ours and path not in seen and (ROOT / f"{path}.py").is_file():
                    seen.add(path)
                    waiting.append(path)
    assert {f"{path}.py" for path in seen} <= set(CODE)


def test_dask_is_asked_for_in_words_where_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(DesignError, match=r"dask\.distributed"):
        _small(tmp_path, backend="dask")
    with pytest.raises(DesignError, match="--backend dask"):
        _small(tmp_path, scheduler="tcp://127.0.0.1:8786")


def test_a_missing_procedure_fails(small):
    table = small[1]
    cell = [c for c in cells() if c.name == "nps_30.5"]
    refused = {"nps_30.5": {"sign_flips": "too few"}}
    least = dict.fromkeys(LEAST, 1)
    require_complete(table, cell, refused=refused, least=least)
    without = [row for row in table if row["procedure"] != "welch"]
    with pytest.raises(PlanError, match=r"nps_30\.5 x welch: 0 of 1"):
        require_complete(without, cell, refused=refused, least=least)
    with pytest.raises(PlanError, match="20 of 10000"):
        require_complete(table, cell, refused=refused)


def test_an_unknown_cell_is_refused(tmp_path):
    with pytest.raises(DesignError, match="no cell"):
        _small(tmp_path, only=("unknown",))


def test_a_table_that_is_not_there_says_how_to_make_one(tmp_path):
    with pytest.raises(NotFoundError, match="make calibrate"):
        read_table(tmp_path)


# ------------------------------------------------------------------ the rule of the primary


def _table(*rows):
    base = {"treated": 14, "constant_effect": True, "studies": 10_000}
    return [base | dict(zip(("cell", "procedure", "size", "power"), row, strict=True)) for row in rows]


def test_the_primary_is_the_most_powerful_of_those_that_hold():
    table = _table(
        ("a", "cr1", 0.07, 0.9), ("b", "cr1", 0.05, 0.9),
        ("a", "welch", 0.05, 0.5), ("b", "welch", 0.05, 0.5),
        ("a", "cr2_bm", 0.045, 0.6), ("b", "cr2_bm", 0.055, 0.6),
        ("a", "permutation_coefficient", 0.05, 0.8), ("b", "permutation_coefficient", 0.05, 0.8),
    )  # fmt: skip
    assert primary_from(table) == "cr2_bm"
    assert {c.name: dict(c.failures) for c in candidates(table)}["cr1"] == {"a": 0.07}


def test_where_none_holds_the_nearest_is_named():
    table = _table(("a", "cr1", 0.08, 0.9), ("a", "welch", 0.062, 0.5), ("a", "cr2_bm", 0.07, 0.6))
    assert primary_from(table) == "welch"


def test_the_criteria_are_those_that_were_fixed_beforehand():
    row = {"constant_effect": True, "size": 0.065}
    assert Criteria.of(14).excess(row) == pytest.approx(0.005)
    assert Criteria.of(5).excess(row) == 0
    assert Criteria.of(14).excess(row | {"constant_effect": False}) == 0
    assert Criteria.of(14).excess(row | {"size": 0.035}) == pytest.approx(0.005)


# ------------------------------------------------------------------ the committed table


def test_the_committed_table_is_complete_and_small():
    table, manifest = read_table(), _manifest()
    refused = {name: cell["refused"] for name, cell in manifest["cells"].items()}
    require_complete(table, cells(), refused=refused)
    assert {row["cell"] for row in table} == {cell.name for cell in cells()}
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 200_000


def test_the_primary_keeps_the_criteria_in_every_cell():
    best = candidates(read_table())[0]
    assert best.name == primary_from(read_table())
    assert best.failures == ()


def test_only_too_few_practices_are_refused():
    refused = {name: set(cell["refused"]) for name, cell in _manifest()["cells"].items() if cell["refused"]}
    assert {name.rsplit(".", 1)[1] for name in refused} == {"5"}
    cohort_of_one = {"sun_abraham_cr2", "sdid_permutation"}
    assert set().union(*refused.values()) - cohort_of_one == {"sign_flips"}


def test_the_manifest_lists_every_cell_and_procedure_of_the_table():
    manifest = _manifest()
    for row in read_table():
        assert manifest["cells"][row["cell"]]["studies"][row["procedure"]] == row["studies"]
        assert row["procedure"] in manifest["procedures"]
    assert manifest["primary"] == primary_from(read_table())


def test_the_plan_takes_its_primary_from_the_table():
    entry = plan_entry(primary_from(read_table()))
    for outcome in read_plan(ROOT / "analyses" / "plan.toml").outcomes:
        if outcome.design != "did":
            continue
        chosen = {"procedure": outcome.inference.procedure, **outcome.inference.parameters}
        numbers = {name: chosen.pop(name) for name in ("draws", "seed") if name in chosen}
        assert chosen == entry["inference"], outcome.key
        assert list(outcome.adjust) == entry["adjust"], outcome.key
        assert inference_named(chosen.pop("procedure"), **chosen, **numbers) is not None


def _manifest():
    return json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
