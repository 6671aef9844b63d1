"""The wheel brings the synthetic study, the analyses and the pages, and works outside the clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = "pluseval/_bundled"
NOT_OURS = (".git", ".venv", "_build", "build", "results", "__pycache__", ".hypothesis", ".*_cache")

pytest.importorskip("hatchling")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built where a book was built before: what is made there is not brought along."""
    place = tmp_path_factory.mktemp("wheel")
    tree = shutil.copytree(ROOT, place / "tree", ignore=shutil.ignore_patterns(*NOT_OURS))
    (tree / "book" / "_build" / "html").mkdir(parents=True)
    (tree / "book" / "_build" / "html" / "index.html").write_text("a built page", encoding="utf-8")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (made,) = place.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked where Python looks; the libraries are those of this environment."""
    target = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def outside(installed: Path, cwd: Path, *arguments: str) -> str:
    """What Python says in a folder that is not the clone, with the installed package."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_holds_study_plan_and_pages(names: set[str]):
    assert {f"{BUNDLED}/synthetic_data/{n}" for n in ("study.toml", "truth.json", "surveys.parquet")} <= names
    assert {f"{BUNDLED}/analyses/{n}" for n in ("__init__.py", "plan.toml", "costs.py")} <= names
    assert {f"{BUNDLED}/book/{n}" for n in ("_config.yml", "_toc.yml", "index.md")} <= names


def test_every_file_of_the_clone_that_is_needed_is_in_the_wheel(names: set[str]):
    for folder, prefix in (
        ("pluseval", ""),
        ("analyses", f"{BUNDLED}/"),
        ("synthetic_data", f"{BUNDLED}/"),
        ("book", f"{BUNDLED}/"),
    ):
        tracked = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True)
        if tracked.returncode != 0:
            pytest.skip("the files of a clone are known to git only")
        there = [name for name in tracked.stdout.splitlines() if (ROOT / name).is_file()]
        assert {f"{prefix}{name}" for name in there} - names == set()


def test_the_wheel_holds_nothing_made_and_no_tests(names: set[str]):
    unwanted = ("__pycache__", "_build", ".pyc", ".ipynb_checkpoints", ".jupyter_cache", "results/")
    assert not [name for name in names if any(word in name for word in unwanted)]
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "analyses/"))]


def test_the_wheel_is_small_enough_to_carry(wheel: Path):
    assert wheel.stat().st_size < 25e6


def test_the_installed_module_answers(installed: Path, tmp_path: Path):
    assert outside(installed, tmp_path, "-m", "pluseval", "--version").startswith("pluseval ")


def test_the_installed_package_finds_its_own_folders(installed: Path, tmp_path: Path):
    code = (
        "from pluseval.pipeline.assets import analyses_module, in_clone, locate\n"
        "assert not in_clone()\n"
        "for name in ('synthetic_data', 'analyses', 'book'):\n"
        "    print(locate(name))\n"
        "assert analyses_module('costs').analyse\n"
    )
    places = outside(installed, tmp_path, "-c", code).splitlines()
    expected = [installed / "pluseval" / "_bundled" / n for n in ("synthetic_data", "analyses", "book")]
    assert [Path(place).resolve() for place in places] == [place.resolve() for place in expected]


def test_the_installed_command_runs_the_embedded_study(installed: Path, tmp_path: Path, grade_plan: Path):
    said = outside(
        installed, tmp_path, "-m", "pluseval", "run", "--plan", str(grade_plan), "--out", "results"
    )
    assert "estimates released" in said
    run = (tmp_path / "results" / "latest").read_text(encoding="utf-8").strip()
    assert (tmp_path / "results" / run / "manifest.json").is_file()
