"""The plan: every fault named at once and refused before anything is estimated; every value counts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pluseval.errors import NotFoundError, PlanError
from pluseval.pipeline.analyse import Analysis
from pluseval.pipeline.assets import analyses_module, locate
from pluseval.pipeline.plan import read_plan
from pluseval.pipeline.run import run

PLAN = 6


@pytest.fixture
def altered(grade_plan: Path, tmp_path: Path):
    """A plan with one line replaced."""

    def make(pattern: str, line: str) -> Path:
        text, count = re.subn(pattern, line, grade_plan.read_text(encoding="utf-8"), count=1, flags=re.M)
        assert count == 1
        file = tmp_path / "altered.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return make


def test_the_plan_of_the_project_is_valid_and_names_every_question():
    plan = read_plan(locate("analyses") / "plan.toml")
    assert {o.question for o in plan.outcomes} == {
        "health_status",
        "experienced_quality",
        "costs",
        "referrals",
    }
    assert plan.statement == "fixed before this code met a real extract; the published results were known"


@pytest.mark.parametrize(
    ("pattern", "line", "word"),
    [
        (r"^alpha = .*", "alpha = 0.05\nalfa = 0.05", "alfa"),
        (r"^reference = .*", "reference = 2015\nrefrence = 2014", "windows.refrence"),
        (r"^margin = .*", "margin = -0.2", "margin"),
        (r"^margin = .*", 'margin = "small"', "margin"),
        (r"^margin = .*", "", "needs a margin"),
        (r"^alpha = .*", "alpha = 1.5", "alpha"),
        (r"^after = .*", "after = [2014, 2019]", "before"),
        (r'^weight = "practice".*', 'weight = "person"', "weight"),
        (r'^design = "single_arm".*', 'design = "two_arms"', "design"),
        (r"^periods = \[2016, 2019\]", "periods = [2016, 2017, 2019]", "two periods"),
        (r"^(periods = .*)", r"\1\nwindows = [[2016, 2016], [2017, 2019]]", "both"),
        (r"^min_persons = .*", "min_persons = 0", "min_persons"),
        (r'^function = "report_grade"', "", "function"),
        (r"^alpha = .*", "alpha = = 0.05", "TOML"),
        # Names that only the library knows.
        (r'^function = "report_grade"', 'function = "report_grades"', "report_grades"),
        (r'procedure = "sign_flip"', 'procedure = "coin_flip"', "coin_flip"),
        (r'procedure = "sign_flip", draws', 'procedure = "sign_flip", drows', "drows"),
        (r'^function = "report_grade"', 'function = "report_grade"\noptions = { kindd = 1 }', "kindd"),
    ],
)
def test_a_faulty_plan_is_refused_and_nothing_written(
    altered, planted_study: Path, tmp_path: Path, cli, pattern: str, line: str, word: str
):
    out = tmp_path / "out"
    told = cli("run", "--data", planted_study, "--plan", altered(pattern, line), "--out", out)
    assert told.code == PLAN
    assert word in told.error and "Traceback" not in told.error
    assert not out.exists()


def test_every_fault_of_a_plan_is_named_at_once(altered, grade_plan: Path):
    text = re.sub(r"(?m)^margin = .*", "margin = -1", grade_plan.read_text(encoding="utf-8"))
    grade_plan_two = altered(r"^alpha = .*", "alpha = 7")
    both = re.sub(r"(?m)^alpha = .*", "alpha = 7\ncolour = 1", text)
    grade_plan_two.write_text(both, encoding="utf-8")
    with pytest.raises(PlanError) as refused:
        read_plan(grade_plan_two)
    assert all(word in str(refused.value) for word in ("margin", "alpha", "colour"))


def test_a_plan_that_is_not_there(tmp_path: Path, planted_study: Path, cli):
    with pytest.raises(NotFoundError, match=r"absent\.toml"):
        read_plan(tmp_path / "absent.toml")
    told = cli("run", "--data", planted_study, "--plan", tmp_path / "absent.toml", "--out", tmp_path / "out")
    assert told.code == 3


def test_two_outcomes_may_not_have_one_key(grade_plan: Path, tmp_path: Path):
    text = grade_plan.read_text(encoding="utf-8")
    block = text[text.index("[[outcomes]]\n") : text.index("[municipal]")]
    file = tmp_path / "twice.toml"
    file.write_text(text.replace(block, block + block), encoding="utf-8")
    with pytest.raises(PlanError, match="one key"):
        read_plan(file)


def test_comments_and_layout_do_not_count_but_every_value_does(grade_plan: Path, altered):
    plain = read_plan(grade_plan)
    spaced = altered(r"^alpha = .*", "alpha   =   0.050   # five per cent")
    assert read_plan(spaced).hash == plain.hash
    assert read_plan(altered(r"^alpha = .*", "alpha = 0.051")).hash != plain.hash
    assert read_plan(altered(r"^statement = .*", 'statement = "another"')).hash != plain.hash


def test_a_planned_outcome_that_is_in_the_data_and_not_reported_stops_the_run(
    planted_study: Path, grade_plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    module = analyses_module("experienced_quality")
    monkeypatch.setattr(module, "analyse", lambda study, plan: Analysis())
    with pytest.raises(PlanError, match=r"experience\.grade") as refused:
        run(planted_study, plan=grade_plan, out=tmp_path / "out")
    assert refused.value.exit_code == PLAN
    assert not (tmp_path / "out").exists()


def test_a_planned_outcome_whose_table_is_not_in_the_study_is_no_fault(
    planted_study: Path, short_plan: Path, grade_plan: Path, tmp_path: Path
):
    folder = shutil.copytree(planted_study, tmp_path / "study")
    for table in ("insured_years", "referrals"):
        (folder / f"{table}.parquet").unlink()
    both = run(folder, plan=short_plan, out=tmp_path / "out")
    names = {f.name.split(".primary")[0] for f in (both.folder / "tables").glob("*.primary.csv")}
    assert names == {"experience.grade"}
