"""A run that is killed half-way leaves the results of the run before as they were."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pluseval.pipeline.run import run
from pluseval.report.write import intact

# Loads the package once, then runs and kills one child per place: real deaths for one start.
SCRIPT = """
import os, signal, sys
from pathlib import Path
import pluseval.report.write as writing
from pluseval.pipeline.run import run

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def evaluate(place):
    def progress(step, done, total):
        if step.startswith(place):
            die()
    if place == "file":
        sync, files = os.fsync, []
        def fsync(descriptor):
            sync(descriptor)
            files.append(descriptor)
            if len(files) == 12:
                die()
        writing.os.fsync = fsync
    run(Path(sys.argv[1]), plan=Path(sys.argv[2]), out=Path(sys.argv[3]), progress=progress)

for place in sys.argv[4:]:
    child = os.fork()
    if child == 0:
        evaluate(place)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (place, status)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are of POSIX")
def test_a_killed_run_leaves_the_earlier_results_whole(
    planted_study: Path,
    grade_plan: Path,
    tmp_path: Path,
    changed: Callable,
    another_grade: Callable,
    contents: Callable[[Path], dict[str, bytes]],
):
    out = tmp_path / "out"
    first = run(planted_study, plan=grade_plan, out=out)
    before = contents(first.folder)
    study = changed("surveys", another_grade)
    places = ["estimating: experienced", "file"]
    subprocess.run([sys.executable, "-c", SCRIPT, str(study), str(grade_plan), str(out), *places], check=True)
    assert (out / "latest").read_text(encoding="utf-8").strip() == first.folder.name
    assert contents(first.folder) == before and intact(first.folder)
    # What is half made hides behind a dot; no second run stands there.
    assert [f.name for f in out.iterdir() if f.is_dir() and not f.name.startswith(".")] == [first.folder.name]
    second = run(study, plan=grade_plan, out=out)
    assert (out / "latest").read_text(encoding="utf-8").strip() == second.folder.name
    assert intact(second.folder) and contents(first.folder) == before
