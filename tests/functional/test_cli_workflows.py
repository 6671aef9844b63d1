"""The workflows of the repository say commands that exist, with options that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from pluseval.cli import app

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COMMANDS = typer.main.get_command(app).commands


def steps(file: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def calls(text: str) -> list[str]:
    """Every call of the command in a piece of shell, continued lines joined."""
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [
        call.strip() for line in lines for call in re.findall(r"^\s*pluseval\s+(.*)$", line.split(" #")[0])
    ]


def faults(call: str) -> list[str]:
    """What in a call is no command or no option of it."""
    name, _, rest = call.partition(" ")
    if name not in COMMANDS:
        return [f"no command {name}"]
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    return [f"{name}: no {option}" for option in re.findall(r"--[a-z-]+", rest) if option not in known]


def test_both_workflows_are_there():
    assert {file.stem for file in WORKFLOWS} >= {"test", "evaluate"}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda f: f.stem)
def test_a_workflow_is_whole(file: Path):
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert content["name"] and content["jobs"] and content[True]  # `on` is true in YAML
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        assert job["runs-on"]
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert "uses" not in step or "@v" in step["uses"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda f: f.stem)
def test_every_command_of_a_workflow_exists_with_its_options(file: Path):
    said = [call for step in steps(file) for call in calls(step.get("run", ""))]
    assert not [fault for call in said for fault in faults(call)]


def test_a_wrong_call_would_be_seen():
    assert calls("  pluseval evaluate \\\n  --data x\necho pluseval") == ["evaluate --data x"]
    assert faults("evaluate --dat x") and faults("evaluation --data x")
    assert not faults("evaluate --data x --released y --out z")


def test_evaluate_calls_the_tested_sequence_and_publishes_its_output():
    file = ROOT / ".github" / "workflows" / "evaluate.yml"
    (call,) = [call for step in steps(file) for call in calls(step.get("run", ""))]
    assert call.startswith("evaluate ") and "--released released" in call and "--out public" in call
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert {"workflow_dispatch", "schedule", "push"} == set(content[True])
    (pages,) = [s for s in steps(file) if "upload-pages-artifact" in s.get("uses", "")]
    assert pages["with"]["path"] == "public/book"


@pytest.mark.skipif(sys.platform == "win32", reason="the step is for bash")
@pytest.mark.parametrize(
    ("given", "folders", "expected"),
    [
        ("", [], "evaluate --first --out public"),
        ("extracts/2024", [], "evaluate --data extracts/2024 --first --out public"),
        ("", ["data", "released/0-study"], "evaluate --data data --released released --out public"),
        ("a b", ["data"], "evaluate --data a b --first --out public"),
    ],
)
def test_the_step_calls_evaluate_with_what_there_is(
    tmp_path: Path, given: str, folders: list[str], expected: str
):
    file = ROOT / ".github" / "workflows" / "evaluate.yml"
    (script,) = [s["run"] for s in steps(file) if "pluseval evaluate" in s.get("run", "")]
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    stub = tmp_path / "bin" / "pluseval"
    stub.parent.mkdir()
    stub.write_text(
        '#!/bin/sh\necho "$@" > said\nmkdir -p public/bundle/new\necho changed > public/changes.md\n'
    )
    stub.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{stub.parent}{os.pathsep}{os.environ['PATH']}",
        "DATA": given,
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "said").read_text().strip() == expected
    assert (tmp_path / "summary").read_text() == "changed\n"
    assert [f.name for f in (tmp_path / "released").iterdir()] == ["new"]


def test_the_commands_of_the_makefile_exist():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    said = re.findall(r"^\t\$\(BIN\)/pluseval (.*)$", text, flags=re.M)
    assert said and not [fault for call in said for fault in faults(call)]


def test_tests_run_on_every_python_and_system_that_is_promised():
    file = ROOT / ".github" / "workflows" / "test.yml"
    matrix = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]["test"]["strategy"]["matrix"]
    assert set(matrix["python"]) >= {"3.11", "3.12", "3.13"}
    assert {name.split("-")[0] for name in matrix["os"]} >= {"ubuntu", "windows"}
