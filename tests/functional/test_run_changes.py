"""One changed cell, line of the plan, line of code or version: another name; `compare` says which it was."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pluseval.pipeline import run as run_module
from pluseval.pipeline.run import Run, run
from pluseval.report.compare import compare
from pluseval.report.read import Results


def primary(folder: Path) -> float:
    return Results.open(folder).number("experience.grade.primary")


def test_the_same_again_is_the_same_run(
    grade_run: Run, planted_study: Path, grade_plan: Path, tmp_path: Path, contents: Callable
):
    again = run(planted_study, plan=grade_plan, out=tmp_path / "out")
    assert contents(again.folder) == contents(grade_run.folder)
    told = compare(grade_run.folder, again.folder)
    assert told.same_numbers and told.causes == ()


def test_unchanged_inputs_reuse_a_run_and_a_tampered_run_is_made_again(
    planted_study: Path, grade_plan: Path, tmp_path: Path
):
    first = run(planted_study, plan=grade_plan, out=tmp_path / "out", reuse=True)
    second = run(planted_study, plan=grade_plan, out=tmp_path / "out", reuse=True)
    assert (first.reused, second.reused) == (False, True)
    assert "nothing changed" in second.summary()
    table = next((first.folder / "tables").glob("*.csv"))
    whole = table.read_bytes()
    table.write_bytes(whole + b"1")
    third = run(planted_study, plan=grade_plan, out=tmp_path / "out", reuse=True)
    assert not third.reused and table.read_bytes() == whole


def test_one_changed_cell(
    grade_run: Run, grade_plan: Path, tmp_path: Path, cli, changed: Callable, another_grade: Callable
):
    study = changed("surveys", another_grade)
    new = run(study, plan=grade_plan, out=tmp_path / "out")
    assert new.folder.name != grade_run.folder.name
    assert primary(new.folder) != primary(grade_run.folder)
    told = compare(grade_run.folder, new.folder)
    assert told.causes == ("data",)
    assert ("experience.grade.primary", "estimate") in {(c.set, c.field) for c in told.changed}
    shown = cli("compare", grade_run.folder, new.folder)
    assert "data changed: study" in shown.out and "experience.grade.primary" in shown.out
    assert not re.search(r"- (plan|code|environment|seeds) changed", shown.out)


@pytest.mark.parametrize(
    ("old", "new", "field", "causes"),
    [
        ("margin = 0.2", "margin = 0.25", "margin", ("plan",)),
        ("alpha = 0.05", "alpha = 0.1", "conf_low", ("plan",)),
        ("periods = [2016, 2019]", "periods = [2016, 2018]", "estimate", ("plan",)),
        ("draws = 16384, seed = 2016", "draws = 8191, seed = 2017", "p_value", ("plan", "seeds")),
    ],
)
def test_one_changed_line_of_the_plan(
    grade_run: Run,
    grade_plan: Path,
    planted_study: Path,
    tmp_path: Path,
    old: str,
    new: str,
    field: str,
    causes: tuple[str, ...],
):
    text = grade_plan.read_text(encoding="utf-8")
    assert text.count(old) == 1
    (tmp_path / "plan.toml").write_text(text.replace(old, new), encoding="utf-8")
    other = run(planted_study, plan=tmp_path / "plan.toml", out=tmp_path / "out")
    assert other.folder.name != grade_run.folder.name
    told = compare(grade_run.folder, other.folder)
    assert told.causes == causes
    assert ("experience.grade.primary", field) in {(c.set, c.field) for c in told.changed}


def test_one_changed_line_of_code(
    grade_run: Run, grade_plan: Path, planted_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = run_module.hash_code

    def edited(folders: dict[str, Path]) -> dict[str, str]:
        return {**real(folders), "analyses/costs.py": "0" * 64}

    monkeypatch.setattr(run_module, "hash_code", edited)
    other = run(planted_study, plan=grade_plan, out=tmp_path / "out")
    assert other.folder.name != grade_run.folder.name
    told = compare(grade_run.folder, other.folder)
    assert told.causes == ("code",) and told.details["code"] == ("analyses/costs.py",)
    assert told.same_numbers


def test_every_module_that_can_change_a_number_is_named_in_the_manifest(grade_run: Run):
    code = json.loads((grade_run.folder / "manifest.json").read_text(encoding="utf-8"))["code"]
    assert {"analyses/costs.py", "pluseval/pipeline/run.py", "pluseval/numerics/linear.py"} <= set(code)


def test_another_version_of_a_library(grade_run: Run, tmp_path: Path, cli):
    other = shutil.copytree(grade_run.folder, tmp_path / "other")
    manifest = json.loads((other / "manifest.json").read_text(encoding="utf-8"))
    manifest["environment"]["packages"]["numpy"] = "0.1"
    (other / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    told = compare(grade_run.folder, other)
    assert told.causes == ("environment",) and told.details["environment"] == ("numpy",)
    shown = cli("compare", grade_run.folder, other)
    assert "environment changed: numpy" in shown.out and "No number changed" in shown.out


def test_a_number_that_changed_without_a_cause_is_a_fault(grade_run: Run, tmp_path: Path):
    other = shutil.copytree(grade_run.folder, tmp_path / "other")
    results = json.loads((other / "results.json").read_text(encoding="utf-8"))
    results["sets"][0]["estimates"][0]["estimate"] += 0.01
    (other / "results.json").write_text(json.dumps(results), encoding="utf-8")
    told = compare(grade_run.folder, other)
    assert told.unexplained and "this is a fault" in told.to_markdown()


def test_results_of_two_studies_are_not_compared(grade_run: Run, tmp_path: Path, cli):
    other = shutil.copytree(grade_run.folder, tmp_path / "other")
    manifest = json.loads((other / "manifest.json").read_text(encoding="utf-8"))
    manifest["study"] = "another study"
    (other / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert cli("compare", grade_run.folder, other).code == 11
