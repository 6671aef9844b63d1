"""Every benchmark script loads, explains itself, and is listed in the overview."""

import re
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_benchmark_answers_help(script, monkeypatch, capsys):
    # In this process: a fresh one would load the same libraries again for each script.
    monkeypatch.setattr("sys.argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {script.name}")


def test_the_overview_lists_every_benchmark():
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+\.py)`", table, flags=re.M)
    assert sorted(re.findall(r"^\| `(\w+\.py)`", table, flags=re.M)) == [script.name for script in SCRIPTS]
