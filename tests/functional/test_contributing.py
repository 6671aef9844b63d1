"""The outcome in 30 lines of CONTRIBUTING.md runs as it stands."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_outcome_in_30_lines_runs_through_an_estimator(tmp_path):
    import pluseval as pe

    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, flags=re.S).group(1)
    module_file = tmp_path / "my_outcome.py"
    module_file.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("my_outcome", module_file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    study = pe.load_study(ROOT / "synthetic_data")
    frame = module.msz_users(study)
    found = pe.did(frame, windows=((2013, 2015), (2017, 2019)), inference=pe.ClusterRobust("CR2"))
    assert frame.cells["y"].between(0, 100).all()
    assert abs(found.estimate) < 100 and 0 <= found.p_value <= 1
