"""Validation of a folder: every refusal with its kind, no value shown, only counts asked of the engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from pluseval.data import opening
from pluseval.data.dummy import dummy
from pluseval.data.engine import open_engine
from pluseval.data.load import load_study, validate
from pluseval.errors import ContractError, NotFoundError, PlusevalError, UnreadableError

TABLES = ("practices", "practice_years", "insured_years", "referrals", "surveys")
STUDY = 'name = "dummy"\nkind = "real"\nfirst_year = 2013\nlast_year = 2020\ncomplete_through = 2020\n'
# A value that stands nowhere else: no message, report or log may hold it.
SENTINEL = 987_654_321


def write(folder: Path, *, suffix: str = ".parquet") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        frame = dummy(name, rows=48, seed=5)
        if suffix == ".parquet":
            frame.to_parquet(folder / f"{name}.parquet", index=False)
        else:
            frame.to_csv(folder / f"{name}.csv", index=False)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return folder


def change(folder: Path, table: str, how: Callable[[pd.DataFrame], object]) -> None:
    path = folder / f"{table}.parquet"
    frame = pd.read_parquet(path)
    changed = how(frame)
    (frame if changed is None else changed).to_parquet(path, index=False)


def cell(column: str, value: object) -> Callable[[pd.DataFrame], object]:
    def put(frame: pd.DataFrame) -> None:
        frame[column] = frame[column].astype(object)
        frame.loc[3, column] = value

    return put


def refusal(folder: Path) -> PlusevalError:
    with pytest.raises(PlusevalError) as caught:
        load_study(folder)
    report = validate(folder)
    assert report.exit_code == caught.value.exit_code
    return caught.value


def test_a_whole_folder_is_valid(tmp_path: Path):
    assert validate(write(tmp_path / "study")).failures == ()


@pytest.mark.parametrize(
    ("table", "how", "rule"),
    [
        ("practices", lambda f: f.drop(columns="treated"), "missing_column"),
        ("practice_years", lambda f: f.assign(list_size=f["list_size"].astype(str)), "type"),
        ("insured_years", cell("insured_days", -SENTINEL), "range"),
        ("insured_years", cell("insured_days", SENTINEL), "range"),
        ("insured_years", lambda f: pd.concat([f, f.iloc[:2]]), "unique_key"),
        ("insured_years", cell("practice_id", f"P{SENTINEL}"), "orphan"),
        ("practices", lambda f: f.assign(start_date=None), "start_missing"),
        ("surveys", cell("eq_pain", 6), "range"),
        ("surveys", cell("nps", 11), "range"),
        ("insured_years", cell("year", SENTINEL), "year_in_window"),
        ("insured_years", cell("cost_msz_eur", float(SENTINEL)), "msz_le_total"),
        ("insured_years", lambda f: f.iloc[:0], "no_rows"),
    ],
)
def test_broken_data_are_refused_without_a_value(tmp_path: Path, table: str, how: Callable, rule: str):
    folder = write(tmp_path / "study")
    change(folder, table, how)
    error = refusal(folder)
    assert isinstance(error, ContractError)
    assert (table, rule) in {(f.table, f.rule) for f in error.failures}
    assert table in str(error)
    assert str(SENTINEL) not in str(error) + validate(folder).to_frame().to_string()


def test_text_in_a_number_column_of_a_csv_is_counted(tmp_path: Path):
    folder = write(tmp_path / "study", suffix=".csv")
    path = folder / "insured_years.csv"
    rows = pd.read_csv(path, dtype=str)
    rows.loc[[1, 4], "cost_total_eur"] = f"about {SENTINEL}"
    rows.to_csv(path, index=False)
    error = refusal(folder)
    assert [(f.column, f.rule, f.count) for f in error.failures] == [("cost_total_eur", "not_convertible", 2)]
    assert str(SENTINEL) not in str(error)


def test_a_missing_table_is_of_its_own_kind(tmp_path: Path):
    folder = write(tmp_path / "study")
    (folder / "practices.parquet").unlink()
    error = refusal(folder)
    assert isinstance(error, NotFoundError) and "practices" in str(error)


def test_a_folder_that_is_not_there(tmp_path: Path):
    for task in (load_study, validate):
        with pytest.raises(NotFoundError, match="nowhere"):
            task(tmp_path / "nowhere")


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".sav", ".dta", ".xlsx"])
def test_an_empty_file_is_unreadable(tmp_path: Path, suffix: str):
    folder = write(tmp_path / "study")
    (folder / "surveys.parquet").unlink()
    (folder / f"surveys{suffix}").touch()
    error = refusal(folder)
    assert isinstance(error, UnreadableError) and "empty" in str(error)


@pytest.mark.parametrize("suffix", [".parquet", ".sav", ".dta", ".xlsx"])
def test_another_file_under_that_name_is_unreadable(tmp_path: Path, suffix: str):
    folder = write(tmp_path / "study")
    (folder / "surveys.parquet").unlink()
    (folder / f"surveys{suffix}").write_bytes(f"not such a file {SENTINEL}".encode() * 40)
    error = refusal(folder)
    assert isinstance(error, UnreadableError) and "surveys" in str(error)
    assert str(SENTINEL) not in str(error)


@pytest.mark.parametrize("part", [0.5, 0.99])
def test_a_truncated_parquet_file_is_unreadable(tmp_path: Path, part: float):
    folder = write(tmp_path / "study")
    path = folder / "insured_years.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    error = refusal(folder)
    assert isinstance(error, UnreadableError) and "insured_years" in str(error)


def test_a_parquet_file_damaged_inside_is_unreadable(tmp_path: Path):
    folder = write(tmp_path / "study")
    path = folder / "insured_years.parquet"
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 3  # pages of data; the footer stays as it was
    whole[8:middle] = bytes(middle - 8)
    path.write_bytes(bytes(whole))
    assert isinstance(refusal(folder), UnreadableError)


def test_a_csv_row_with_too_many_cells_is_unreadable_by_line(tmp_path: Path):
    folder = write(tmp_path / "study", suffix=".csv")
    path = folder / "surveys.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[5] += f",{SENTINEL},1"
    path.write_text("\n".join(lines), encoding="utf-8")
    error = refusal(folder)
    assert isinstance(error, UnreadableError)
    assert "line 6" in str(error) and str(SENTINEL) not in str(error)


def test_two_files_for_one_table_are_refused(tmp_path: Path):
    folder = write(tmp_path / "study")
    dummy("surveys", rows=48, seed=5).to_csv(folder / "surveys.csv", index=False)
    assert {f.rule for f in refusal(folder).failures} == {"ambiguous_file"}


def test_all_kinds_of_failure_come_in_one_report(tmp_path: Path):
    folder = write(tmp_path / "study")
    (folder / "practice_years.parquet").unlink()
    (folder / "referrals.parquet").write_bytes(b"PAR1")
    change(folder, "insured_years", cell("insured_days", SENTINEL))
    change(folder, "surveys", lambda f: f.drop(columns="nps"))
    (folder / "study.toml").write_text(STUDY.replace("last_year = 2020\n", ""), encoding="utf-8")
    found = {(f.table, f.column, f.rule) for f in validate(folder).failures}
    assert found == {
        ("practice_years", "", "missing_table"),
        ("referrals", "", "unreadable"),
        ("insured_years", "insured_days", "range"),
        ("surveys", "nps", "missing_column"),
        ("study.toml", "last_year", "missing_key"),
    }


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('kind = "real"\n', "", "kind"),
        ('kind = "real"', 'kind = "public"', "kind"),
        ("first_year = 2013", 'first_year = "2013"', "first_year"),
        ("first_year = 2013", "first_year = 2021", "first_year"),
        ("complete_through = 2020", "complete_through = 2012", "complete_through"),
        ('name = "dummy"', 'nmae = "dummy"', "nmae"),
        ('name = "dummy"', 'schema_version = "2"', "schema_version"),
    ],
)
def test_keys_of_the_study_are_checked(tmp_path: Path, old: str, new: str, key: str):
    folder = write(tmp_path / "study")
    (folder / "study.toml").write_text(STUDY.replace(old, new), encoding="utf-8")
    assert {f.column for f in refusal(folder).failures} == {key}


def test_generated_data_cannot_be_called_real(tmp_path: Path):
    folder = write(tmp_path / "study")
    (folder / "study.toml").write_text(STUDY.replace('"real"', '"conditioned"'), encoding="utf-8")
    assert validate(folder).ok
    report = validate(folder, mapping={"study": {"kind": "real"}})
    assert [(f.table, f.column) for f in report.failures] == [("study.toml", "kind")]
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    (folder / "truth.json").write_text("{}", encoding="utf-8")
    assert not validate(folder).ok


class _Watched:
    """A connection, or a result of one, that keeps what every fetch through it brought home."""

    def __init__(self, inner: object, fetched: list[tuple[str, object]], sql: str = "") -> None:
        self._inner, self._fetched, self._sql = inner, fetched, sql

    def __getattr__(self, name: str) -> object:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*args: object, **kwargs: object) -> object:
            result = found(*args, **kwargs)
            if name in ("sql", "query", "execute", "cursor"):
                return _Watched(result, self._fetched, str(args[0]) if args else self._sql)
            if name.startswith(("fetch", "df", "to_", "arrow", "pl")):
                self._fetched.append((self._sql, result))
            return result

        return call


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_validation_asks_for_counts_only(tmp_path: Path, monkeypatch, suffix: str, broken: bool):
    folder = write(tmp_path / "study", suffix=suffix)
    if broken:
        table = dummy("insured_years", rows=48, seed=5)
        table.loc[0, "insured_days"] = 400
        table.loc[1] = table.loc[0]
        (folder / f"insured_years{suffix}").unlink()
        table.to_parquet(folder / "insured_years.parquet", index=False)
    fetched: list[tuple[str, object]] = []

    def watched_engine(**choices: object) -> object:
        engine = open_engine(**choices)
        engine.con = _Watched(engine.con, fetched)
        return engine

    monkeypatch.setattr(opening, "open_engine", watched_engine)
    report = validate(folder)
    assert report.ok is not broken
    # The names and types of columns come by DESCRIBE.
    counts = [result for sql, result in fetched if not sql.lstrip().upper().startswith("DESCRIBE")]
    assert len(counts) > len(TABLES)  # an aggregate of each, and keys and references
    for result in counts:
        (row,) = result.to_pylist()
        assert all(isinstance(cell, int | Decimal | None) for cell in row.values())


def test_the_report_reads_as_text_and_raises_its_error(tmp_path: Path):
    folder = write(tmp_path / "study")
    assert "meets the data contract" in str(validate(folder))
    validate(folder).raise_if_failed()
    change(folder, "surveys", cell("nps", 11))
    report = validate(folder)
    assert "surveys.nps: range in 1 row: 0 to 10 points" in str(report)
    with pytest.raises(ContractError):
        report.raise_if_failed()


def test_validation_writes_nothing_into_the_folder(tmp_path: Path):
    folder = write(tmp_path / "study")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    validate(folder)
    load_study(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    shutil.rmtree(folder)
