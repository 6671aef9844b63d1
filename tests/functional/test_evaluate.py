"""The sequence that CI runs on new data: what is published, and that nothing is when a step fails.

Building the pages is replaced by a file here; ``tests/book`` builds them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pluseval.data.synthetic import Parameters, synthesize
from pluseval.errors import PlusevalError, StaleError
from pluseval.pipeline import evaluate as evaluate_module
from pluseval.pipeline.book import require_fresh, write_build_record
from pluseval.pipeline.bundle import make_bundle
from pluseval.pipeline.evaluate import Evaluation, evaluate
from pluseval.pipeline.run import Run
from pluseval.report.read import Results
from pluseval.report.write import intact

NOT_FOUND, UNREADABLE, CONTRACT, DESIGN, DISCLOSURE, STALE = 3, 4, 5, 7, 9, 10


def build(*, results: Sequence[Path], out: Path, **_: object) -> Path:
    """A book of one file that says which runs it shows."""
    html = out / "_build" / "html"
    html.mkdir(parents=True)
    runs = [Results.open(folder).manifest["run"] for folder in results]
    (html / "index.html").write_text(" ".join(runs), encoding="utf-8")
    return html / "index.html"


@pytest.fixture(autouse=True)
def quick_book(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_module, "build_book", build)


@pytest.fixture(scope="module")
def first_publication(
    planted_study: Path, grade_plan: Path, tmp_path_factory: pytest.TempPathFactory
) -> Evaluation:
    out = tmp_path_factory.mktemp("first") / "public"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_module, "build_book", build)
        return evaluate([planted_study], plan=grade_plan, out=out)


@pytest.fixture
def published(first_publication: Evaluation, tmp_path: Path) -> Path:
    """A first publication of our own."""
    return shutil.copytree(first_publication.folder, tmp_path / "site" / "public")


def test_a_first_publication_and_then_one_with_changed_data(
    published: Path, grade_plan: Path, grade_run: Run, cli, changed: Callable, another_grade: Callable
):
    assert {f.name for f in published.iterdir()} == {"bundle", "book", "changes.md"}
    bundle = published / "bundle" / "0-study"
    assert intact(bundle) and (bundle / "README.txt").is_file()
    assert (published / "book" / "index.html").read_text() == Results.open(bundle).manifest["run"]
    assert "First release" in (published / "changes.md").read_text(encoding="utf-8")

    study = changed("surveys", another_grade)
    arguments = ("--plan", grade_plan, "--released", published / "bundle", "--out", published)
    told = cli("evaluate", "--data", study, *arguments)
    assert told.code == 0 and "may be published" in told.out
    text = (published / "changes.md").read_text(encoding="utf-8")
    assert "data changed" in text and "experience.grade.primary" in text
    assert Results.open(bundle).manifest["run"] != grade_run.folder.name
    assert [f.name for f in published.parent.iterdir()] == ["public"]


def test_the_same_data_again_change_no_number(published: Path, planted_study: Path, grade_plan: Path, cli):
    arguments = ("--plan", grade_plan, "--released", published, "--out", published)
    assert cli("evaluate", "--data", planted_study, *arguments).code == 0
    assert "No number changed" in (published / "changes.md").read_text(encoding="utf-8")


def untouched(
    published: Path, cli, contents: Callable, plan: Path, study: Path, *more: object
) -> tuple[int, str]:
    before = contents(published)
    told = cli("evaluate", "--data", study, "--plan", plan, "--out", published, *more)
    assert contents(published) == before
    assert [f.name for f in published.parent.iterdir()] == [published.name]
    assert "Traceback" not in told.err and told.out == ""
    return told.code, told.error


def test_invalid_data_are_not_published(
    published: Path, grade_plan: Path, cli, contents: Callable, changed: Callable
):
    study = changed("surveys", lambda f: f.assign(nps=11))
    code, error = untouched(published, cli, contents, grade_plan, study)
    assert code == CONTRACT and "nps" in error


def test_a_truncated_file_is_not_published(
    published: Path, grade_plan: Path, planted_study: Path, tmp_path: Path, cli, contents: Callable
):
    study = shutil.copytree(planted_study, tmp_path / "truncated")
    file = study / "surveys.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    assert untouched(published, cli, contents, grade_plan, study)[0] == UNREADABLE


def test_a_disclosive_result_is_not_published(
    published: Path, costs_plan: Path, tmp_path: Path, cli, contents: Callable
):
    five = Parameters.sized(treated=5, comparators=20, patients=8_000)
    study = synthesize(tmp_path / "five", seed=4, parameters=five)
    code, error = untouched(published, cli, contents, costs_plan, study)
    assert code == DISCLOSURE
    assert "costs.msz.primary (minimum practices)" in error


def test_a_design_that_cannot_answer_is_not_published(
    published: Path, grade_plan: Path, tmp_path: Path, cli, contents: Callable
):
    five = Parameters.sized(treated=5, comparators=20, patients=8_000)
    study = synthesize(tmp_path / "five", seed=4, parameters=five)
    code, error = untouched(published, cli, contents, grade_plan, study)
    assert code == DESIGN and "experience.grade, the primary result" in error


def test_a_release_that_reveals_by_its_difference_is_not_published(
    published: Path, grade_plan: Path, cli, contents: Callable, changed: Callable
):
    study = changed("surveys", lambda f: f[f["practice_id"].astype(str) != "OZL-P01"])
    code, error = untouched(published, cli, contents, grade_plan, study, "--released", published / "bundle")
    assert code == DISCLOSURE and "difference" in error


def test_stale_results_are_not_published(
    published: Path,
    grade_plan: Path,
    planted_study: Path,
    cli,
    contents: Callable,
    monkeypatch: pytest.MonkeyPatch,
):
    real = evaluate_module.run

    def run_and_tamper(*arguments: object, **choices: object) -> Run:
        done = real(*arguments, **choices)
        table = next((done.folder / "tables").glob("*.csv"))
        table.write_bytes(table.read_bytes() + b"0")
        return done

    monkeypatch.setattr(evaluate_module, "run", run_and_tamper)
    code, error = untouched(published, cli, contents, grade_plan, planted_study)
    assert code == STALE and "changed after it was written" in error


def test_a_tampered_last_release_is_no_ground_to_compare_with(
    published: Path, grade_plan: Path, planted_study: Path, tmp_path: Path, cli, contents: Callable
):
    last = shutil.copytree(published / "bundle", tmp_path / "last")
    (last / "0-study" / "results.json").write_bytes(
        (last / "0-study" / "results.json").read_bytes().replace(b'"practices": 14', b'"practices": 24')
    )
    code, _ = untouched(published, cli, contents, grade_plan, planted_study, "--released", last)
    assert code == STALE


def test_a_last_release_that_is_not_there_is_no_first_release(
    published: Path, grade_plan: Path, planted_study: Path, tmp_path: Path, cli, contents: Callable
):
    (tmp_path / "empty").mkdir()
    more = ("--released", tmp_path / "empty")
    code, error = untouched(published, cli, contents, grade_plan, planted_study, *more)
    assert code == NOT_FOUND and "no released bundle" in error


def test_a_study_under_another_name_is_no_first_release(
    published: Path, grade_plan: Path, planted_study: Path, tmp_path: Path, cli, contents: Callable
):
    study = shutil.copytree(planted_study, tmp_path / "renamed")
    meta = (study / "study.toml").read_text(encoding="utf-8")
    named = re.sub(r'(?m)^name = ".*"$', 'name = "another study"', meta)
    assert named != meta
    (study / "study.toml").write_text(named, encoding="utf-8")
    for more in ((), ("--released", published / "bundle")):  # what stands at --out is the last publication
        code, error = untouched(published, cli, contents, grade_plan, study, *more)
        assert code == NOT_FOUND and "another study" in error and "--first" in error
    told = cli("evaluate", "--data", study, "--plan", grade_plan, "--out", published, "--first")
    assert told.code == 0
    assert "First release" in (published / "changes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "error", [StaleError("the built book does not show these results"), PlusevalError("x")]
)
def test_a_book_that_fails_is_not_published(
    published: Path,
    grade_plan: Path,
    planted_study: Path,
    cli,
    contents: Callable,
    monkeypatch: pytest.MonkeyPatch,
    error: PlusevalError,
):
    def fail(**_: object) -> Path:
        raise error

    monkeypatch.setattr(evaluate_module, "build_book", fail)
    assert untouched(published, cli, contents, grade_plan, planted_study)[0] == error.exit_code


def test_a_book_of_other_results_is_stale(grade_run: Run, tmp_path: Path):
    bundle = make_bundle(grade_run.folder, tmp_path / "bundle").folder
    with pytest.raises(StaleError):
        require_fresh(tmp_path, [bundle])  # there is no record at all
    write_build_record(tmp_path, [bundle])
    require_fresh(tmp_path, [bundle])
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("seeds", "sods", 1), encoding="utf-8")
    with pytest.raises(StaleError, match="build it again"):
        require_fresh(tmp_path, [bundle])
