"""The lines of README that a researcher would type do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pluseval as pe

ROOT = Path(__file__).resolve().parents[2]


def test_the_library_example_runs_and_only_released_results_are_written(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "synthetic_data").symlink_to(pe.embedded_study())
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    written = pe.Results.open(tmp_path / "results" / "mine")
    assert written.n_estimates == 3 + len(names["panel"])
    assert {e.inference for e in names["panel"]} >= {names["effect"].inference}
