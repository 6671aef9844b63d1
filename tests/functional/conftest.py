"""A small planted study, a short plan, and the command line in this process."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from pluseval.cli import main
from pluseval.data.synthetic import Parameters, synthesize
from pluseval.pipeline.assets import locate
from pluseval.pipeline.run import Run, run

SHORT = ("experience.grade", "costs.msz", "referrals.percentage")


@dataclass(frozen=True)
class Told:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The message of the error; the lines before it tell of progress."""
        return self.err[self.err.index("pluseval: ") :] if "pluseval: " in self.err else ""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """The `pluseval` command, in this process."""

    def call(*arguments: object) -> Told:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["pluseval", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Told(int(ended.value.code or 0), said.out, said.err)

    return call


def plan_text(*keys: str, beside: Iterable[str]) -> str:
    """The project's plan with these outcomes only, each with its first sensitivity analysis at most.

    What stands ``beside`` the primary contrast is left out.
    """
    dropped = "|".join(beside)
    text = (locate("analyses") / "plan.toml").read_text(encoding="utf-8")
    head, *outcomes = text.split("[[outcomes]]\n")
    tail = outcomes[-1][outcomes[-1].index("[municipal]") :]
    kept = []
    for outcome in outcomes:
        if any(f'key = "{key}"' in outcome for key in keys):
            own = outcome.split("\n# -----")[0]
            own = re.sub(rf"(?m)^({dropped}) = .*\n", "", own)
            kept.append("[[outcomes.sensitivity]]".join(own.split("[[outcomes.sensitivity]]")[:2]) + "\n")
    assert len(kept) == len(keys)
    return head + "".join("[[outcomes]]\n" + outcome for outcome in kept) + tail


@pytest.fixture(scope="session")
def short_plan(tmp_path_factory: pytest.TempPathFactory, beside: dict[str, object]) -> Path:
    """One outcome of each table."""
    file = tmp_path_factory.mktemp("plans") / "short.toml"
    file.write_text(plan_text(*SHORT, beside=beside), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def costs_plan(tmp_path_factory: pytest.TempPathFactory, beside: dict[str, object]) -> Path:
    """MSZ costs alone, which five practices can carry: the sign flip of the surveys needs six."""
    file = tmp_path_factory.mktemp("plans") / "costs.toml"
    file.write_text(plan_text("costs.msz", beside=beside), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def grade_plan(tmp_path_factory: pytest.TempPathFactory, beside: dict[str, object]) -> Path:
    """The report grade alone: the shortest run."""
    file = tmp_path_factory.mktemp("plans") / "grade.toml"
    file.write_text(plan_text("experience.grade", beside=beside), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def planted_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A planted study of 14 + 56 small practices; not to be changed."""
    folder = tmp_path_factory.mktemp("planted") / "study"
    return synthesize(folder, seed=3, parameters=Parameters.sized(patients=20_000))


@pytest.fixture(scope="session")
def grade_run(planted_study: Path, grade_plan: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of the report grade; not to be changed."""
    return run(planted_study, plan=grade_plan, out=tmp_path_factory.mktemp("runs") / "results")


@pytest.fixture
def changed(planted_study: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the planted study with one table changed."""

    def make(table: str, how: Callable[[pd.DataFrame], object], name: str = "changed") -> Path:
        folder = shutil.copytree(planted_study, tmp_path / name)
        file = folder / f"{table}.parquet"
        frame = pd.read_parquet(file)
        given = how(frame)
        (frame if given is None else given).to_parquet(file, index=False)
        return folder

    return make


@pytest.fixture
def another_grade() -> Callable[[pd.DataFrame], None]:
    """One cell: a report grade of a programme practice in the last wave, a point from what it was."""

    def how(surveys: pd.DataFrame) -> None:
        last = surveys["wave"] == surveys["wave"].max()
        own = surveys["practice_id"].astype(str).str.startswith("OZL-P") & surveys["grade"].notna()
        row = surveys.index[last & own][0]
        was = surveys.loc[row, "grade"]
        surveys.loc[row, "grade"] = was - 1 if was > 5 else was + 1

    return how


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by relative name."""
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


@pytest.fixture(name="contents")
def _contents() -> Callable[[Path], dict[str, bytes]]:
    """Every file of a folder by relative name: two equal ones have the same bytes."""
    return contents
