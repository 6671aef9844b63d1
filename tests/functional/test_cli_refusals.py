"""Data that cannot be used are refused: one paragraph, an exit code of its own kind, nothing written."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pluseval import errors
from pluseval.data.dummy import dummy
from pluseval.data.synthetic import Parameters, synthesize
from pluseval.data.vektis_file import ITEMS

NOT_FOUND, UNREADABLE, CONTRACT, DESIGN = 3, 4, 5, 7
TABLES = ("practices", "practice_years", "insured_years", "referrals", "surveys")
STUDY = 'name = "dummy"\nkind = "real"\nfirst_year = 2013\nlast_year = 2020\ncomplete_through = 2020\n'
# A value that stands nowhere else: nothing that a command says may hold it.
SENTINEL = 987_654_321


def study(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in TABLES:
        dummy(name, rows=48, seed=5).to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return folder


def frame(table: str, how: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / f"{table}.parquet"
        how(pd.read_parquet(file)).to_parquet(file, index=False)

    return change


def cell(table: str, column: str, value: object) -> Callable[[Path], None]:
    def put(rows: pd.DataFrame) -> pd.DataFrame:
        rows[column] = rows[column].astype(object)
        rows.loc[3, column] = value
        return rows

    return frame(table, put)


def absent(table: str) -> Callable[[Path], None]:
    return lambda folder: (folder / f"{table}.parquet").unlink()


def empty(folder: Path) -> None:
    (folder / "surveys.parquet").write_bytes(b"")


def truncated(folder: Path) -> None:
    file = folder / "insured_years.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 2 // 3])


def text_among_numbers(folder: Path) -> None:
    rows = pd.read_parquet(folder / "insured_years.parquet").astype(str)
    (folder / "insured_years.parquet").unlink()
    rows.loc[2, "cost_total_eur"] = f"about {SENTINEL}"
    rows.to_csv(folder / "insured_years.csv", index=False)


def without_start(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(start_date=None)


REFUSED = {
    "missing table": (absent("practices"), NOT_FOUND, ["practices"]),
    "missing column": (
        frame("practices", lambda f: f.drop(columns="treated")),
        CONTRACT,
        ["practices", "treated", "missing_column"],
    ),
    "wrong type": (
        frame("practice_years", lambda f: f.assign(list_size=f["list_size"].astype(str))),
        CONTRACT,
        ["practice_years", "list_size", "type"],
    ),
    "text in a number column": (
        text_among_numbers,
        CONTRACT,
        ["insured_years", "cost_total_eur", "not_convertible"],
    ),
    "negative insured days": (
        cell("insured_years", "insured_days", -SENTINEL),
        CONTRACT,
        ["insured_days", "range"],
    ),
    "more than 366 insured days": (
        cell("insured_years", "insured_days", SENTINEL),
        CONTRACT,
        ["insured_days", "range"],
    ),
    "duplicate key": (
        frame("insured_years", lambda f: pd.concat([f, f.iloc[:2]])),
        CONTRACT,
        ["insured_years", "unique_key"],
    ),
    "orphan practice": (
        cell("insured_years", "practice_id", f"P{SENTINEL}"),
        CONTRACT,
        ["insured_years", "orphan"],
    ),
    "treated practice without start": (
        frame("practices", without_start),
        CONTRACT,
        ["practices", "start_missing"],
    ),
    "EQ-5D level 6": (cell("surveys", "eq_pain", 6), CONTRACT, ["surveys", "eq_pain", "range"]),
    "NPS 11": (cell("surveys", "nps", 11), CONTRACT, ["surveys", "nps", "range"]),
    "year outside the window": (
        cell("insured_years", "year", SENTINEL),
        CONTRACT,
        ["insured_years", "year", "year_in_window"],
    ),
    "MSZ above total": (cell("insured_years", "cost_msz_eur", float(SENTINEL)), CONTRACT, ["msz_le_total"]),
    "an empty file": (empty, UNREADABLE, ["surveys", "empty"]),
    "a truncated Parquet file": (truncated, UNREADABLE, ["insured_years"]),
}


def one_paragraph(message: str) -> bool:
    return bool(message.strip()) and "\n\n" not in message.strip() and "Traceback" not in message


def test_the_study_that_is_broken_below_is_valid(tmp_path: Path, cli):
    assert cli("validate", study(tmp_path / "study")).code == 0


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_nothing_written(tmp_path: Path, cli, case: str):
    break_it, code, words = REFUSED[case]
    folder = study(tmp_path / "study")
    break_it(folder)
    ran = cli("run", "--data", folder, "--out", tmp_path / "out")
    checked = cli("validate", folder)
    assert (ran.code, checked.code) == (code, code)
    assert all(word in ran.error for word in words)
    assert all(word in checked.out for word in words)
    for told in (ran, checked):
        assert one_paragraph(told.error)
        assert str(SENTINEL) not in told.out + told.err
    assert ran.out == ""
    assert not (tmp_path / "out").exists()


def test_results_that_cannot_be_written_are_refused_before_anything_is_estimated(tmp_path: Path, cli):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    for out in (tmp_path / "file", tmp_path / "file" / "results"):
        told = cli("run", "--data", study(tmp_path / f"study-{out.name}"), "--out", out)
        assert told.code == NOT_FOUND and "cannot be written" in told.error
        assert "estimating" not in told.err


def test_a_folder_that_is_not_there(tmp_path: Path, cli):
    for told in (
        cli("run", "--data", tmp_path / "nowhere", "--out", tmp_path / "out"),
        cli("validate", tmp_path / "nowhere"),
    ):
        assert told.code == NOT_FOUND and "nowhere" in told.error and one_paragraph(told.error)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_study(tmp_path: Path, cli):
    (tmp_path / "empty").mkdir()
    told = cli("run", "--data", tmp_path / "empty", "--out", tmp_path / "out")
    assert told.code == CONTRACT and one_paragraph(told.error)
    assert "practices" in told.error and "study.toml" in told.error
    assert not (tmp_path / "out").exists()


def test_validate_lists_every_failure_of_every_table(tmp_path: Path, cli):
    folder = study(tmp_path / "study")
    broken = ("negative insured days", "duplicate key", "EQ-5D level 6", "NPS 11", "missing column")
    for case in broken:
        REFUSED[case][0](folder)
    told = cli("validate", folder)
    assert told.code == CONTRACT
    assert all(word in told.out for case in broken for word in REFUSED[case][2])
    assert str(SENTINEL) not in told.out + told.err


def test_validate_says_every_failure_once_and_sums_up_in_one_line(tmp_path: Path, cli):
    folder = study(tmp_path / "study")
    REFUSED["NPS 11"][0](folder)
    told = cli("validate", folder)
    assert told.out.count("surveys.nps") == 1
    assert told.error.count("\n") == 1 and "(1 failure): surveys.nps range" in told.error
    REFUSED["EQ-5D level 6"][0](folder)
    assert "(2 failures)" in cli("validate", folder).error


def test_a_rule_is_told_as_what_should_hold(tmp_path: Path, cli):
    folder = study(tmp_path / "study")
    REFUSED["orphan practice"][0](folder)
    assert "orphan in 1 row: should hold: the code is a practice of" in cli("validate", folder).out


def test_files_that_no_table_is_read_from_are_named(tmp_path: Path, cli):
    folder = study(tmp_path / "study")
    (folder / "practices.parquet").rename(folder / "praktijken.parquet")
    told = cli("validate", folder)
    assert told.code == NOT_FOUND
    assert "Not recognised: praktijken.parquet" in told.out and "mapping.toml" in told.out
    assert "surveys.parquet" not in told.out


def test_the_help_tells_every_exit_code(cli):
    told = cli("--help")
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)}
    assert len(codes) > 9
    for code in codes | {0, 2}:
        assert re.search(rf"^ +{code}  \w", told.out, flags=re.M), code


def test_the_help_imports_nothing_heavy():
    code = "import sys, pluseval.cli; print({'pandas', 'ibis', 'duckdb', 'numpy'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout.strip() == "set()"


def test_validate_tells_what_a_folder_of_vektis_downloads_holds(tmp_path: Path, cli):
    cells = {"geslacht": "M", "leeftijdsklasse": " 0 t/m  4 jaar", "gemeentenaam": "HEERLEN"}
    cells |= {"aantal_bsn": 10, "aantal_verzekerdejaren": "9.50"}
    items = [item for item, (first, last) in ITEMS.items() if first <= 2011 and last != 2010]
    header = [*cells, *items]
    line = [*map(str, cells.values()), *("1.00" for _ in items)]
    file = tmp_path / "vektis_2011_gemeente.csv"
    file.write_text(";".join(header) + "\n" + ";".join(line) + "\n", encoding="utf-8")
    told = cli("validate", tmp_path)
    assert told.code == 0 and told.error == ""
    assert "years: 1 (2011 to 2011); municipalities on one set of borders: 1" in told.out
    assert "HEERLEN" not in told.out


def test_msz_above_total_is_allowed_where_it_is_waived_with_a_reason(tmp_path: Path, cli):
    folder = study(tmp_path / "study")
    REFUSED["MSZ above total"][0](folder)
    reason = "negative corrections of the insurer"
    waiver = f'[waive]\n"insured_years.msz_le_total" = "{reason}"\n'
    (folder / "mapping.toml").write_text(waiver, encoding="utf-8")
    told = cli("validate", folder)
    assert told.code == 0 and reason in told.out


def test_a_single_programme_practice_is_refused_by_the_estimator(tmp_path: Path, cli):
    parameters = Parameters.sized(treated=1, comparators=12, patients=4_000)
    folder = synthesize(tmp_path / "study", seed=5, parameters=parameters)
    assert cli("validate", folder).code == 0
    told = cli("run", "--data", folder, "--out", tmp_path / "out")
    assert told.code == DESIGN and one_paragraph(told.error)
    assert "practice" in told.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("case", ["NPS 11", "a truncated Parquet file"])
def test_the_script_refuses_as_the_functions_do(tmp_path: Path, case: str):
    break_it, code, words = REFUSED[case]
    folder = study(tmp_path / "study")
    break_it(folder)
    command = [sys.executable, "-m", "pluseval", "validate", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == code
    assert all(word in ended.stdout for word in words) and "Traceback" not in ended.stderr
    assert ended.stderr.startswith("pluseval: ")
