"""The bundle that may leave: the whole run, unchanged, and not revealing by its difference with the last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pluseval.errors import DisclosureError, NotFoundError, StaleError
from pluseval.pipeline.book import with_committed
from pluseval.pipeline.bundle import make_bundle
from pluseval.pipeline.run import Run, run
from pluseval.report.read import Results
from pluseval.report.write import intact

STALE, DISCLOSURE, NOT_FOUND = 10, 9, 3


@pytest.fixture
def own_run(grade_run: Run, tmp_path: Path) -> Path:
    """A run of our own to change."""
    return shutil.copytree(grade_run.folder, tmp_path / "runs" / grade_run.folder.name)


def test_release_makes_a_bundle_of_the_whole_run(
    grade_run: Run, tmp_path: Path, cli, contents: Callable[[Path], dict[str, bytes]]
):
    told = cli("release", grade_run.folder, "--to", tmp_path / "bundle")
    assert told.code == 0 and "may leave" in told.out and "held back" in told.out
    ran, left = contents(grade_run.folder), contents(tmp_path / "bundle")
    assert set(left) == {*ran, "README.txt"}
    assert {name for name in ran if ran[name] != left[name]} == {"manifest.json"}
    assert {"results.json", "findings.json", "suppressed.csv"} < set(left)
    assert intact(tmp_path / "bundle")


def test_the_readme_says_what_it_is_and_warns_of_synthetic_data(grade_run: Run, tmp_path: Path):
    make_bundle(grade_run.folder, tmp_path / "bundle")
    text = (tmp_path / "bundle" / "README.txt").read_text(encoding="utf-8")
    assert grade_run.folder.name in text and "synthetic" in text
    named = {line.split()[0] for line in text.splitlines() if line[:1].islower() and "   " in line}
    assert named and all((tmp_path / "bundle" / name).exists() for name in named)


def test_a_bundle_holds_no_data_place_or_person(grade_run: Run, planted_study: Path, tmp_path: Path):
    bundle = make_bundle(grade_run.folder, tmp_path / "bundle").folder
    assert {f.suffix for f in bundle.rglob("*") if f.is_file()} <= {
        ".csv",
        ".html",
        ".md",
        ".svg",
        ".json",
        ".txt",
    }
    practices = set(pd.read_parquet(planted_study / "practices.parquet")["practice_id"].astype(str))
    texts = [f.read_text(encoding="utf-8") for f in bundle.rglob("*") if f.is_file()]
    assert not [p for p in (*practices, str(tmp_path), str(planted_study)) for t in texts if p in t]


def test_the_folder_of_runs_stands_for_its_latest(grade_run: Run, tmp_path: Path):
    bundle = make_bundle(grade_run.folder.parent, tmp_path / "bundle")
    assert Results.open(bundle.folder).manifest["run"] == grade_run.folder.name


def test_an_earlier_bundle_is_replaced_whole(grade_run: Run, tmp_path: Path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "left.txt").write_text("over")
    make_bundle(grade_run.folder, tmp_path / "bundle")
    assert not (tmp_path / "bundle" / "left.txt").exists()
    assert [f.name for f in tmp_path.iterdir()] == ["bundle"]


def test_a_bundle_can_be_released_again(grade_run: Run, tmp_path: Path):
    first = make_bundle(grade_run.folder, tmp_path / "first").folder
    assert intact(make_bundle(first, tmp_path / "second").folder)


def tampered_table(run: Path) -> None:
    file = next((run / "tables").glob("*.csv"))
    file.write_bytes(file.read_bytes().replace(b"0", b"1", 1))


def removed_figure(run: Path) -> None:
    next((run / "figures").glob("*.svg")).unlink()


def added_file(run: Path) -> None:
    (run / "rows.csv").write_text("person_id\n1\n")


@pytest.mark.parametrize("tamper", [tampered_table, removed_figure, added_file])
def test_a_run_that_was_changed_afterwards_does_not_leave(
    own_run: Path, tmp_path: Path, cli, tamper: Callable[[Path], None]
):
    tamper(own_run)
    told = cli("release", own_run, "--to", tmp_path / "bundle")
    assert told.code == STALE and "changed after it was written" in told.error
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_that_was_changed_makes_no_book(grade_run: Run, tmp_path: Path):
    bundle = make_bundle(grade_run.folder, tmp_path / "bundle").folder
    assert bundle in with_committed([bundle])
    results = json.loads((bundle / "results.json").read_text(encoding="utf-8"))
    results["sets"][0]["estimates"][0]["estimate"] += 1
    (bundle / "results.json").write_text(json.dumps(results), encoding="utf-8")
    with pytest.raises(StaleError):
        with_committed([bundle])


def test_what_is_no_run_is_not_released(tmp_path: Path, cli):
    (tmp_path / "nothing").mkdir()
    told = cli("release", tmp_path / "nothing", "--to", tmp_path / "bundle")
    assert told.code == NOT_FOUND
    with pytest.raises(NotFoundError):
        make_bundle(tmp_path / "absent", tmp_path / "bundle")


def without_practices(count: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Programme practices that return no questionnaire."""

    def how(surveys: pd.DataFrame) -> pd.DataFrame:
        names = sorted(p for p in surveys["practice_id"].astype(str).unique() if p.startswith("OZL-P"))
        return surveys[~surveys["practice_id"].isin(names[:count])]

    return how


@pytest.mark.parametrize(("count", "leaves"), [(1, False), (5, False), (6, True)])
def test_a_release_may_not_differ_from_the_last_by_a_few_practices(
    grade_run: Run,
    grade_plan: Path,
    tmp_path: Path,
    changed: Callable,
    cli,
    contents: Callable,
    count: int,
    leaves: bool,
):
    before = make_bundle(grade_run.folder, tmp_path / "before").folder
    study = changed("surveys", without_practices(count))
    new = run(study, plan=grade_plan, out=tmp_path / "out").folder
    released = shutil.copytree(before, tmp_path / "bundle")
    left = contents(released)
    told = cli("release", new, "--to", released, "--before", before)
    assert told.code == (0 if leaves else DISCLOSURE)
    assert (contents(released) == left) is not leaves
    if not leaves:
        assert "experience.grade" in told.error and "fewer practices or persons" in told.error


def test_a_few_persons_are_not_revealed_by_the_difference_either(
    grade_run: Run, grade_plan: Path, tmp_path: Path, changed: Callable
):
    def two_fewer(surveys: pd.DataFrame) -> pd.DataFrame:
        last = surveys["wave"] == surveys["wave"].max()
        own = surveys["practice_id"].astype(str).str.startswith("OZL-P") & surveys["grade"].notna()
        return surveys.drop(index=surveys.index[last & own][:2])

    before = make_bundle(grade_run.folder, tmp_path / "before").folder
    new = run(changed("surveys", two_fewer), plan=grade_plan, out=tmp_path / "out").folder
    with pytest.raises(DisclosureError, match="fewer practices or persons"):
        make_bundle(new, tmp_path / "bundle", released_before=before)


def test_what_stands_at_the_place_is_always_compared_with(
    grade_run: Run, grade_plan: Path, tmp_path: Path, cli, changed: Callable, contents: Callable
):
    bundle = make_bundle(grade_run.folder, tmp_path / "bundle").folder
    left = contents(bundle)
    new = run(changed("surveys", without_practices(1)), plan=grade_plan, out=tmp_path / "out").folder
    told = cli("release", new, "--to", bundle)
    assert told.code == DISCLOSURE and "earlier release" in told.error
    assert contents(bundle) == left


def test_another_name_in_the_plan_hides_no_difference_from_any_earlier_bundle(
    grade_run: Run, grade_plan: Path, tmp_path: Path, cli, changed: Callable
):
    make_bundle(grade_run.folder, tmp_path / "first")
    renamed = tmp_path / "renamed.toml"
    text = grade_plan.read_text(encoding="utf-8")
    renamed.write_text(text.replace('key = "experience.grade"', 'key = "experience.mark"'), encoding="utf-8")
    six = run(changed("surveys", without_practices(6), "six"), plan=grade_plan, out=tmp_path / "out").folder
    make_bundle(six, tmp_path / "second")
    one = run(changed("surveys", without_practices(1)), plan=renamed, out=tmp_path / "out").folder
    assert "experience.mark.primary" in Results.open(one)
    both = ("--before", tmp_path / "second", "--before", tmp_path / "first")
    told = cli("release", one, "--to", tmp_path / "third", *both)
    assert told.code == DISCLOSURE and "experience.mark" in told.error
    assert not (tmp_path / "third").exists()
