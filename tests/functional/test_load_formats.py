"""The same study from every format, in any mix, is the same study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from pluseval.data.dummy import dummy
from pluseval.data.load import load_study, validate
from pluseval.errors import UnreadableError

TABLES = ("practices", "practice_years", "insured_years", "referrals", "surveys")
STUDY = 'name = "dummy"\nkind = "real"\nfirst_year = 2013\nlast_year = 2020\ncomplete_through = 2020\n'
FORMATS = ("parquet", "csv", "dutch", "sav", "dta", "xlsx")


def frames() -> dict[str, pd.DataFrame]:
    return {name: dummy(name, rows=48, seed=9) for name in TABLES}


def dutch(frame: pd.DataFrame, path: Path, encoding: str) -> None:
    """A CSV as Dutch software writes it: semicolons, 1.234,56, day first."""
    text = pd.DataFrame(index=frame.index)
    for name in frame.columns:
        values = frame[name]
        if name.startswith("cost") or name == "grade":
            text[name] = [f"{v:,.2f}".replace(",", "x").replace(".", ",").replace("x", ".") for v in values]
        elif "date" in name:
            text[name] = ["" if v is None else v.strftime("%d-%m-%Y") for v in values]
        elif values.dtype == bool:
            text[name] = values.map({True: "ja", False: "nee"})
        else:
            text[name] = values
    text.to_csv(path, sep=";", index=False, encoding=encoding)


def statistical(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame in the types that SPSS and Stata have: numbers, texts, dates."""
    out = pd.DataFrame(index=frame.index)
    for name in frame.columns:
        values = frame[name]
        if "date" in name:
            out[name] = pd.to_datetime(values)
        elif values.dtype == bool or str(values.dtype) in ("int64", "Int64", "float64"):
            out[name] = values.astype(float)
        else:
            out[name] = values.fillna("").astype(str)
    return out


def write(folder: Path, formats: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames().items():
        kind = formats[name]
        path = folder / f"{name}.{'csv' if kind == 'dutch' else kind}"
        if kind == "parquet":
            frame.to_parquet(path, index=False)
        elif kind == "csv":
            frame.to_csv(path, index=False)
        elif kind == "dutch":
            dutch(frame, path, "latin-1")
        elif kind == "sav":
            data = statistical(frame)
            dates = {c: "DATE10" for c in data if "date" in c}
            pyreadstat.write_sav(data, str(path), variable_format=dates)
        elif kind == "dta":
            statistical(frame).to_stata(path, write_index=False, convert_dates=_stata_dates(frame))
        else:
            frame.to_excel(path, index=False)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return folder


def _stata_dates(frame: pd.DataFrame) -> dict[str, str]:
    return {c: "td" for c in frame if "date" in c}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write(tmp_path_factory.mktemp("expected") / "study", dict.fromkeys(TABLES, "parquet"))
    return load_study(folder).content_hash


@pytest.mark.parametrize("kind", FORMATS[1:])
def test_every_format_gives_the_same_content(tmp_path: Path, expected: str, kind: str):
    study = load_study(write(tmp_path / "study", dict.fromkeys(TABLES, kind)))
    assert study.content_hash == expected


def test_a_mix_of_formats_gives_the_same_content(tmp_path: Path, expected: str):
    mix = dict(zip(TABLES, ("xlsx", "sav", "dutch", "parquet", "dta"), strict=True))
    study = load_study(write(tmp_path / "study", mix))
    assert study.content_hash == expected


def test_data_frames_give_the_same_content_and_are_left_alone(expected: str):
    given = frames()
    before = {name: frame.copy() for name, frame in given.items()}
    window = {
        "name": "dummy",
        "kind": "real",
        "first_year": 2013,
        "last_year": 2020,
        "complete_through": 2020,
    }
    assert load_study(given, mapping={"study": window}).content_hash == expected
    for name, frame in given.items():
        pd.testing.assert_frame_equal(frame, before[name])


def one_table(folder: Path, content: bytes, name: str = "insured_years.csv") -> Path:
    folder.mkdir(exist_ok=True)
    for table in ("practices", "surveys"):
        dummy(table, rows=48, seed=9).to_parquet(folder / f"{table}.parquet", index=False)
    (folder / name).write_bytes(content)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return folder


HEADER = "person_id;year;practice_id;insured_days;cost_msz_eur;cost_total_eur;sex\n"
ROWS = "1;2015;P001;365;1.234,56;12.345,60;M\n2;2015;P003;365;0,00;7;F\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
def test_dutch_amounts_are_read_in_every_encoding(tmp_path: Path, encoding: str):
    extra = "3;2015;P003;365;0,50;8,50;F\n"
    header = HEADER.replace("sex", "sex;opmerking")
    rows = (ROWS + extra).replace("\n", ";café €\n" if encoding != "latin-1" else ";café\n")
    study = load_study(one_table(tmp_path / "study", (header + rows).encode(encoding)))
    table = study.tables["insured_years"]
    total = table.aggregate(msz=table.cost_msz_eur.sum(), total=table.cost_total_eur.sum()).to_pyarrow()
    assert [str(total[c][0].as_py()) for c in ("msz", "total")] == ["1235.06", "12361.10"]


def test_a_decimal_point_among_decimal_commas_is_an_error_and_not_a_thousand(tmp_path: Path):
    rows = ROWS + "3;2015;P003;365;1.5;80,00;F\n"
    report = validate(one_table(tmp_path / "study", (HEADER + rows).encode()))
    assert [(f.column, f.rule, f.count) for f in report.failures] == [("cost_msz_eur", "not_convertible", 1)]
    assert "read with decimal ','; set csv.decimal in mapping.toml" in report.failures[0].detail


def test_semicolons_with_decimal_points_are_seen(tmp_path: Path):
    rows = "1;2015;P001;365;1234.56;12345.60;M\n"
    study = load_study(one_table(tmp_path / "study", (HEADER + rows).encode()))
    assert str(study.tables["insured_years"].cost_msz_eur.sum().to_pyarrow().as_py()) == "1234.56"


def test_marks_can_be_told(tmp_path: Path):
    rows = "1|2015|P001|365|1.234|5.000|M\n"  # thousands or decimals: only the caller knows
    folder = one_table(tmp_path / "study", (HEADER.replace(";", "|") + rows).encode())
    for decimal, expected in ((",", "1234.00"), (".", "1.23")):
        mapping = {"tables": {"insured_years": {"csv": {"decimal": decimal}}}}
        table = load_study(folder, mapping=mapping).tables["insured_years"]
        assert str(table.cost_msz_eur.sum().to_pyarrow().as_py()) == expected


def test_quoted_cells_may_hold_the_delimiter(tmp_path: Path):
    rows = '1;2015;"P001";365;"1.234,56";12.345,60;M\n'
    assert validate(one_table(tmp_path / "study", (HEADER + rows).encode())).ok


def test_column_names_may_be_in_capitals(tmp_path: Path):
    assert validate(one_table(tmp_path / "study", (HEADER.upper() + ROWS).encode())).ok


@pytest.mark.parametrize("header", ["person_id;;year\n", "person_id;year;YEAR\n", "\n"])
def test_a_header_without_distinct_names_is_unreadable(tmp_path: Path, header: str):
    with pytest.raises(UnreadableError, match="names"):
        load_study(one_table(tmp_path / "study", (header + "1;2;3\n").encode()))


def test_user_missing_codes_of_spss_are_emptied_and_counted_by_reason(tmp_path: Path):
    folder = write(tmp_path / "study", dict.fromkeys(TABLES, "parquet"))
    (folder / "surveys.parquet").unlink()
    data = statistical(frames()["surveys"])
    data.loc[:4, "grade"] = 99.0
    data.loc[:1, "nps"] = 98.0
    pyreadstat.write_sav(
        data,
        str(folder / "surveys.sav"),
        missing_ranges={"grade": [99.0], "nps": [{"lo": 97.0, "hi": 99.0}]},
        variable_value_labels={"grade": {99.0: "no answer"}},
    )
    study = load_study(folder)
    found = {(c.column, c.detail): c.count for c in study.report.counted}
    assert found[("grade", "user-missing: no answer")] == 5
    assert sum(n for (column, _), n in found.items() if column == "nps") == 2
    assert study.tables["surveys"].grade.isnull().sum().execute() == 5


def test_an_undeclared_99_is_out_of_range_and_a_declared_one_is_missing(tmp_path: Path):
    folder = write(tmp_path / "study", dict.fromkeys(TABLES, "parquet"))
    (folder / "surveys.parquet").unlink()
    data = statistical(frames()["surveys"])
    data.loc[:2, "grade"] = 99.0
    pyreadstat.write_sav(data, str(folder / "surveys.sav"))
    (failure,) = validate(folder).failures
    assert (failure.column, failure.rule, failure.count) == ("grade", "range", 3)
    assert "[tables.surveys.missing]" in failure.detail
    mapping = {"tables": {"surveys": {"missing": {"grade": {"99": "did not answer"}}}}}
    study = load_study(folder, mapping=mapping)
    assert [(c.column, c.count, c.detail) for c in study.report.counted] == [("grade", 3, "did not answer")]
    assert study.tables["surveys"].grade.isnull().sum().execute() == 3


def test_many_chunks_are_one_table(tmp_path: Path, monkeypatch):
    from pluseval.data import excel_files, statistical_files

    monkeypatch.setattr(statistical_files, "CHUNK_ROWS", 7)
    monkeypatch.setattr(excel_files, "CHUNK_ROWS", 5)
    kinds = dict(zip(TABLES, ("xlsx", "sav", "dta", "sav", "xlsx"), strict=True))
    study = load_study(write(tmp_path / "study", kinds))
    assert study.report.rows == {t: len(f) for t, f in frames().items()}


def test_whole_numbers_that_came_as_floats_are_whole(tmp_path: Path):
    given = frames()
    years = given["insured_years"]["birth_year"].astype(float)
    years[0] = np.nan
    given["insured_years"]["birth_year"] = years
    window = {"kind": "real", "first_year": 2013, "last_year": 2020, "complete_through": 2020}
    study = load_study(given, mapping={"study": window})
    assert str(study.tables["insured_years"].birth_year.type()) == "int64"
    assert study.tables["insured_years"].birth_year.isnull().sum().execute() == 1
