"""A real extract under its own names, codes and marks, through mapping.toml."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from pluseval.data.dummy import dummy
from pluseval.data.load import load_study, validate
from pluseval.data.mapping import read_mapping
from pluseval.errors import ContractError, NotFoundError, UnreadableError

STUDY = '[study]\nkind = "real"\nfirst_year = 2013\nlast_year = 2020\ncomplete_through = 2019\n'


def folder_with(folder: Path, mapping: str = "", **frames: pd.DataFrame) -> Path:
    folder.mkdir()
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False, sep=";", decimal=",")
    (folder / "mapping.toml").write_text(STUDY + mapping, encoding="utf-8")
    return folder


def practices() -> pd.DataFrame:
    return dummy("practices", rows=6, seed=1)


def surveys() -> pd.DataFrame:
    return dummy("surveys", rows=48, seed=1)


def test_columns_codes_labels_and_constants(tmp_path: Path):
    extract = surveys().rename(columns={"wave": "METING", "grade": "Rapportcijfer"})
    extract["responded"] = extract["responded"].map({True: "ingevuld", False: "leeg"})
    extract.loc[:2, "Rapportcijfer"] = 99
    extract.loc[3:4, "Rapportcijfer"] = 98
    mapping = """
[tables.surveys]
file = "enquete.csv"
[tables.surveys.columns]
wave = "METING"
grade = "Rapportcijfer"
[tables.surveys.missing]
grade = { 99 = "no answer", 98 = "not applicable" }
[tables.surveys.labels.responded]
ingevuld = true
leeg = false
[tables.practices.constants]
region = "Parkstad"
"""
    given = practices().drop(columns="region")
    study = load_study(folder_with(tmp_path / "study", mapping, practices=given, enquete=extract))
    counted = {c.detail: c.count for c in study.report.counted}
    assert counted == {"no answer": 3, "not applicable": 2}
    answers = study.tables["surveys"]
    assert answers.grade.isnull().sum().execute() == 5
    assert answers.responded.sum().execute() == surveys()["responded"].sum()
    assert set(study.practices["region"]) == {"Parkstad"}


def test_the_study_keys_of_the_mapping_are_enough(tmp_path: Path):
    study = load_study(folder_with(tmp_path / "study", practices=practices(), surveys=surveys()))
    assert study.meta.kind == "real" and study.meta.complete_through == 2019 and study.meta.name == "study"


def test_a_source_column_that_is_absent_is_named(tmp_path: Path):
    mapping = '[tables.surveys.columns]\nnps = "Aanbeveling"\n'
    report = validate(folder_with(tmp_path / "study", mapping, practices=practices(), surveys=surveys()))
    (failure,) = report.failures
    assert (failure.column, failure.rule) == ("nps", "missing_column") and "Aanbeveling" in failure.detail


def test_a_file_that_the_mapping_names_and_the_folder_lacks(tmp_path: Path):
    mapping = '[tables.surveys]\nfile = "enquete.sav"\n'
    folder = folder_with(tmp_path / "study", mapping, practices=practices())
    with pytest.raises(NotFoundError, match=r"enquete\.sav"):
        load_study(folder)


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        ('[tables.survey]\nfile = "x.csv"\n', "tables.survey"),
        ('[tables.surveys]\nfiel = "x.csv"\n', "tables.surveys.fiel"),
        ('[tables.surveys.columns]\ngrad = "x"\n', "grad"),
        ('[tables.surveys.csv]\nseparator = ";"\n', "separator"),
        ('[tables.surveys.csv]\ndecimal = ";"\n', "decimal"),
        ('[waive]\nmsz_le_totaal = "x"\n', "msz_le_totaal"),
        ('[drop]\n"surveys.msz_le_total" = "x"\n', "surveys.msz_le_total"),
        ('[waive]\nend_without_link = ""\n', "reason"),
        ("[plan]\na = 1\n", "plan"),
    ],
)
def test_a_key_that_does_not_exist_is_named(tmp_path: Path, mapping: str, named: str):
    folder = folder_with(tmp_path / "study", mapping, practices=practices(), surveys=surveys())
    with pytest.raises(ContractError, match=named):
        validate(folder)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tabels": {}}, "tabels: no such key (did you mean tables?); use preset, study, tables"),
        ({"tables": {"surveys": {"fiel": "x"}}}, "tables.surveys.fiel: no such key (did you mean file?)"),
        ({"tables": {"surveys": {"join": {"onn": []}}}}, "tables.surveys.join.onn: no such key"),
        ({"tables": {"surveys": 3}}, "tables.surveys: must be a table of keys"),
        ({"tables": 3}, "tables: must be tables of keys"),
        ({"tables": {"surveys": {"missing": {"nps": 99}}}}, "tables.surveys.missing: must be a table"),
        ({"tables": {"surveys": {"sums": {"nps": {"x": ["a"]}}}}}, "tables.surveys.sums: must be"),
        (
            {"tables": {"surveys": {"csv": {"decimals": ","}}}},
            "decimals: no such key (did you mean decimal?)",
        ),
        ({"tables": {"survey": {}}}, "tables.survey: no such table (did you mean surveys?)"),
        ({"waive": "all"}, "waive: must be a table"),
    ],
)
def test_a_wrong_mapping_is_told_in_its_own_words(given: dict, said: str):
    with pytest.raises(ContractError) as caught:
        read_mapping(given)
    assert said in str(caught.value)
    assert not re.search("input|pydantic|valid (string|dict)|Extra", str(caught.value))


def test_every_problem_of_a_mapping_comes_at_once(tmp_path: Path):
    mapping = '[tables.surveys.columns]\ngrad = "x"\nnsp = "y"\n[waive]\norphan = "x"\n'
    with pytest.raises(ContractError) as caught:
        validate(folder_with(tmp_path / "study", mapping, practices=practices(), surveys=surveys()))
    assert all(word in str(caught.value) for word in ("grad", "nsp", "orphan"))


def test_a_mapping_that_is_no_toml_or_not_there(tmp_path: Path):
    folder = folder_with(tmp_path / "study", practices=practices(), surveys=surveys())
    with pytest.raises(NotFoundError, match=r"other\.toml"):
        validate(folder, mapping=tmp_path / "other.toml")
    (folder / "mapping.toml").write_text("[study\n", encoding="utf-8")
    with pytest.raises(UnreadableError, match="TOML"):
        validate(folder)
    with pytest.raises(ContractError, match="preset"):
        validate(folder, mapping={"preset": "cbs"})


def test_text_ids_of_a_typed_file_convert_where_the_mapping_says_so(tmp_path: Path):
    given = surveys()
    given["person_id"] = [f"{i:09d}" for i in given["person_id"]]
    folder = folder_with(tmp_path / "study", practices=practices())
    given.to_parquet(folder / "surveys.parquet", index=False)
    assert {(f.column, f.rule) for f in validate(folder).failures} == {("person_id", "type")}
    (folder / "mapping.toml").write_text(
        STUDY + '[tables.surveys]\nconvert = ["person_id"]\n', encoding="utf-8"
    )
    assert validate(folder).ok


# --- CBS ------------------------------------------------------------------------------------------------

PRESET = tomllib.loads(
    resources.files("pluseval.data").joinpath("presets", "cbs_zvwzorgkostentab.toml").read_text("utf-8")
)
LISTS = PRESET["tables"]["insured_years"]["sums"]["cost_total_eur"]
CBS = """
[tables.insured_years.join]
file = "inschrijving.csv"
columns = { person_id = "RINPERSOON", year = "jaar", practice_id = "praktijk", insured_days = "dagen" }
"""


def cbs_year(year: int, persons: int = 4) -> pd.DataFrame:
    """One yearly file: every item of that year costs 10, MSZ 100, and one outside the total 7."""
    frame = pd.DataFrame({"RINPERSOONS": "R", "RINPERSOON": [f"{i:09d}" for i in range(1, persons + 1)]})
    for item in LISTS[str(year)]:
        frame[item] = 100.0 if item == "ZVWKZIEKENHUIS" else 10.0
    frame["NOPZVWKHUISARTSINSCHRIJF"] = 7.0
    return frame


def enlistment(years: tuple[int, ...], persons: int = 3) -> pd.DataFrame:
    rows = [(f"{i:09d}", y, f"P00{i}", 365) for i in range(1, persons + 1) for y in years]
    return pd.DataFrame(rows, columns=["RINPERSOON", "jaar", "praktijk", "dagen"])


def cbs_folder(folder: Path, years: tuple[int, ...], mapping: str = CBS) -> Path:
    given = {"practices": practices(), "inschrijving": enlistment(years)}
    folder_with(folder, mapping, **given)
    (folder / "mapping.toml").write_text(
        'preset = "cbs_zvwzorgkostentab"\n' + STUDY + mapping, encoding="utf-8"
    )
    for year in years:
        pyreadstat.write_sav(cbs_year(year), str(folder / f"ZVWZORGKOSTEN{year}TABV2.sav"))
    return folder


def test_the_cbs_preset_sums_the_items_of_each_year(tmp_path: Path):
    years = (2013, 2015, 2018)
    study = load_study(cbs_folder(tmp_path / "study", years))
    table = study.tables["insured_years"]
    by_year = table.group_by("year").aggregate(
        n=table.count(), msz=table.cost_msz_eur.max(), total=table.cost_total_eur.max()
    )
    found = {
        r["year"]: (r["n"], float(r["msz"]), float(r["total"])) for r in by_year.to_pyarrow().to_pylist()
    }
    assert found == {y: (3, 100.0, 100.0 + 10.0 * (len(LISTS[str(y)]) - 1)) for y in years}


def test_persons_without_an_enlistment_are_dropped_and_counted(tmp_path: Path):
    study = load_study(cbs_folder(tmp_path / "study", (2015, 2016)))
    dropped = {(d.table, d.column, d.rule): d.count for d in study.report.dropped}
    assert dropped == {("insured_years", "person_id, year", "no_partner"): 2}
    assert study.tables["insured_years"].count().execute() == 6


def test_an_item_that_a_yearly_file_lacks_is_named(tmp_path: Path):
    folder = cbs_folder(tmp_path / "study", (2015,))
    path = folder / "ZVWZORGKOSTEN2015TABV2.sav"
    pyreadstat.write_sav(cbs_year(2015).drop(columns="ZVWKMULTIDISC"), str(path))
    report = validate(folder)
    assert any(f.column == "cost_total_eur" and "ZVWKMULTIDISC" in f.detail for f in report.failures)


def test_the_callers_list_replaces_that_of_the_preset(tmp_path: Path):
    own = '[tables.insured_years.sums.cost_total_eur]\n2015 = ["ZVWKHUISARTS", "ZVWKZIEKENHUIS"]\n'
    study = load_study(cbs_folder(tmp_path / "study", (2015,), CBS + own))
    assert float(study.tables["insured_years"].cost_total_eur.max().to_pyarrow().as_py()) == 110.0


def test_a_year_without_a_list_is_refused(tmp_path: Path):
    folder = cbs_folder(tmp_path / "study", (2015,))
    (folder / "ZVWZORGKOSTEN2015TABV2.sav").rename(folder / "ZVWZORGKOSTEN2009TABV2.sav")
    assert any("list for 2009" in f.detail for f in validate(folder).failures)


def test_years_in_a_column_pick_their_list(tmp_path: Path):
    both = pd.concat([cbs_year(2013).assign(jaar=2013), cbs_year(2015).assign(jaar=2015)]).fillna(0.0)
    folder = folder_with(
        tmp_path / "study", "", practices=practices(), inschrijving=enlistment((2013, 2015)), kosten=both
    )
    table = {
        "files": ["kosten.csv"],
        "year_from_file": None,
        "columns": {"person_id": "RINPERSOON", "cost_msz_eur": "ZVWKZIEKENHUIS", "year": "jaar"},
        "join": tomllib.loads(CBS)["tables"]["insured_years"]["join"],
    }
    study_keys = tomllib.loads(STUDY)["study"]
    given = {"preset": "cbs_zvwzorgkostentab", "study": study_keys, "tables": {"insured_years": table}}
    study = load_study(folder, mapping=given)
    rows = study.tables["insured_years"]
    totals = rows.group_by("year").aggregate(total=rows.cost_total_eur.max()).to_pyarrow().to_pylist()
    assert {r["year"]: float(r["total"]) for r in totals} == {
        y: 100.0 + 10.0 * (len(LISTS[str(y)]) - 1) for y in (2013, 2015)
    }


def test_the_preset_lists_hold_msz_and_no_part_of_another_item():
    for year, items in LISTS.items():
        assert "ZVWKZIEKENHUIS" in items and len(set(items)) == len(items), year
        assert not any(item.startswith("NOP") for item in items), year
    assert ("ZVWKMULTIDISC" in LISTS["2015"]) and ("ZVWKMULTIDISC" not in LISTS["2014"])
    assert ("ZVWKEERSTELIJNSVERBLIJF" in LISTS["2018"]) and ("ZVWKEERSTELIJNSVERBLIJF" not in LISTS["2017"])
