"""The outcome in 30 lines of CONTRIBUTING.md runs as it stands, and through the plan."""

import re
from pathlib import Path

from pluseval.data.synthetic import Parameters, synthesize
from pluseval.pipeline.run import run
from pluseval.report.read import Results

ROOT = Path(__file__).resolve().parents[2]


def test_the_outcome_in_30_lines_runs_through_the_plan(tmp_path, monkeypatch):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, flags=re.S).group(1)
    entry = re.search(r"```toml\n(.*?)```", text, flags=re.S).group(1)
    assert len(code.splitlines()) < 45
    (tmp_path / "my_outcome.py").write_text(code, encoding="utf-8")
    plan = (ROOT / "analyses" / "plan.toml").read_text(encoding="utf-8")
    head, municipal = plan.split("[[outcomes]]", 1)[0], plan[plan.index("[municipal]") :]
    (tmp_path / "my_plan.toml").write_text(f"{head}\n{entry}\n{municipal}", encoding="utf-8")
    study = synthesize(tmp_path / "study", seed=3, parameters=Parameters.sized(patients=20_000))
    monkeypatch.chdir(tmp_path)
    done = run(study, plan=tmp_path / "my_plan.toml", out=tmp_path / "results")
    found = Results.open(done.folder)
    levels = [n.estimate for n in found["costs.msz_users.levels"]]
    assert len(levels) == 16 and all(0 < level < 100 for level in levels)
    assert 0 <= found["costs.msz_users.primary"]["primary"].p_value <= 1
