"""ARCHITECTURE.md is true, imports point down, and the metadata agree with each other."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_imports_point_down():
    command = Path(sys.executable).parent / "lint-imports"
    found = command if command.is_file() else shutil.which("lint-imports")
    if found is None:
        pytest.skip("import-linter is not installed (extra dev)")
    done = subprocess.run([str(found), "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_room_that_the_architecture_names_is_there():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:pluseval|analyses|book|synthetic_data|tests|benchmarks)/[\w./-]*)`", text))
    floors = set(re.findall(r"`((?:data|outcomes|estimate|report|pipeline)/[\w./-]*)`", text))
    places = [ROOT / n for n in named] + [ROOT / "pluseval" / n for n in floors]
    assert len(places) > 15
    assert [str(p.relative_to(ROOT)) for p in places if not p.exists()] == []


def test_every_floor_is_in_the_architecture():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    floors = [p.name for p in (ROOT / "pluseval").iterdir() if (p / "__init__.py").is_file()]
    assert [f for f in floors if f"pluseval/{f}/" not in text] == []


def test_the_look_here_first_files_exist():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for floor, files in re.findall(r"\| `pluseval/(\w+)/` \|[^|]*\| ([^|]*) \|", text):
        for file in re.findall(r"`([\w.]+)`", files):
            assert (ROOT / "pluseval" / floor / file).is_file(), f"{floor}/{file}"


def test_one_version_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    import pluseval

    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert pluseval.__version__ == project["version"]
    assert f"version: {project['version']}" in citation


def test_the_citation_is_valid():
    cffconvert = pytest.importorskip("cffconvert", reason="cffconvert is not installed (extra dev)")
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    cffconvert.Citation(text).validate()


def test_the_lock_has_hashes_and_no_addresses():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    packages = re.findall(r"^[A-Za-z0-9][\w.-]*==", lock, flags=re.M)
    assert len(packages) > 50
    assert "://" not in lock and "--index" not in lock and "--find-links" not in lock
    blocks = re.split(r"\n(?=[A-Za-z0-9][\w.-]*==)", lock)
    assert [b.split("==")[0] for b in blocks if "==" in b and "--hash=sha256:" not in b] == []


def test_no_file_names_a_machine_path():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git clone")
    offending = []
    for name in filter(None, listed.stdout.split("\0")):
        file = ROOT / name
        if file.suffix in {".py", ".md", ".toml", ".yml", ".json", ".cff", ".lock"} and file.is_file():
            if re.search(r"(?<![\w.])/(?:home|root|work)/\w", file.read_text(encoding="utf-8")):
                offending.append(name)
    assert offending == []
