"""The page "Your own data": its example loads as it stands there, and it names what the readers accept."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from pluseval.data.conversion import _FALSE, _TRUE
from pluseval.data.dummy import dummy
from pluseval.data.load import load_study
from pluseval.data.mapping import read_mapping
from pluseval.data.mapping_keys import CSV_KEYS, JoinMapping, MappingFile, TableMapping, mapping_markdown
from pluseval.data.schema import STUDY_KEYS, SUFFIXES, TABLES
from pluseval.errors import ContractError, NotFoundError, UnreadableError

PAGE = (Path(__file__).resolve().parents[2] / "book" / "reference" / "own_data.md").read_text("utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.S)
EXAMPLE = next(b for b in BLOCKS if "[waive]" in b)


def extract(folder: Path) -> Path:
    """The files that the example speaks of: four persons, two years, three practices."""
    folder.mkdir()
    practices = pd.DataFrame(
        {"agb": ["01", "02"], "deelname": ["wel", "niet"], "startdatum": ["01-07-2015", ""]}
    )
    practices.to_csv(folder / "praktijken.csv", sep=";", index=False)
    for year in (2015, 2016):
        rows = pd.DataFrame(
            {"pseudoniem": [1, 2, 3, 4], "ziekenhuis": ["1.000,50", "-20,00", "50,00", "0,00"]}
        )
        rows["huisarts"] = ["100,00", "-10,00", "40,00", "30,00"]
        rows["wijkverpleging"] = ["5,00"] * 4
        rows.to_csv(folder / f"kosten_{year}.csv", sep=";", index=False)
    enlisted = [(p, y, agb, 365) for p, agb in ((1, "01"), (2, "02"), (3, "09")) for y in (2015, 2016)]
    columns = ["pseudoniem", "jaar", "agb", "dagen"]
    pd.DataFrame(enlisted, columns=columns).to_csv(folder / "inschrijving.csv", sep=";", index=False)
    answers = dummy("surveys", rows=4, seed=1)[[c for c in TABLES["surveys"].column_names if c[:2] == "eq"]]
    answers = answers.assign(pseudoniem=["0001", "0002", "0003", "0004"], meting=2016, agb=["01", "02"] * 2)
    answers = answers.assign(ingevuld="ja", rapportcijfer=[8, 99, 98, 7.5], nps=[9, 99, 99, 8])
    with pd.ExcelWriter(folder / "enquete.xlsx") as book:
        pd.DataFrame({"toelichting": ["leeg"]}).to_excel(book, sheet_name="uitleg", index=False)
        answers.to_excel(book, sheet_name="antwoorden", index=False)
    (folder / "mapping.toml").write_text(EXAMPLE, encoding="utf-8")
    return folder


def test_the_example_of_the_page_loads_as_it_stands(tmp_path: Path):
    study = load_study(extract(tmp_path / "extract"))
    assert study.meta.name == "Extract of my region"
    assert study.practices["treated"].to_dict() == {"01": True, "02": False}
    rows = study.tables["insured_years"].order_by(["person_id", "year"]).to_pandas()
    assert rows[["person_id", "year"]].to_numpy().tolist() == [[1, 2015], [1, 2016], [2, 2015], [2, 2016]]
    assert [float(v) for v in rows["cost_total_eur"]] == [1100.5, 1105.5, -30.0, -25.0]
    (waived,) = study.report.waived  # person 2: other care below zero in both years
    assert (waived.rule, waived.count) == ("msz_le_total", 2)
    assert waived.detail == "negative corrections of other care"
    dropped = {(d.table, d.rule): (d.count, d.detail) for d in study.report.dropped}
    assert dropped[("insured_years", "orphan")] == (2, "enlisted with a practice outside the region")
    assert dropped[("insured_years", "no_partner")][0] == 2
    counted = {(c.column, c.detail): c.count for c in study.report.counted if c.table == "surveys"}
    assert counted == {("grade", "no answer"): 1, ("grade", "not applicable"): 1, ("nps", "code 99"): 2}


def test_the_example_has_every_key_and_the_page_says_what_each_is():
    given = tomllib.loads(EXAMPLE)
    tables = given["tables"].values()
    used = {*given, *(k for t in tables for k in t), *(k for t in tables for k in t.get("join", {}))}
    used |= {k for t in tables for k in t.get("csv", {})}
    keys = {*MappingFile.model_fields, *TableMapping.model_fields, *JoinMapping.model_fields}
    assert used == (keys | set(CSV_KEYS)) - {"preset"}
    reference = mapping_markdown()
    assert all(f"| `{key}` | " in reference for key in keys)
    assert "None" not in reference


def test_every_block_of_the_page_is_valid():
    for block in BLOCKS:
        given = tomllib.loads(block)
        if set(given) <= {k.name for k in STUDY_KEYS}:
            given = {"study": given}
        read_mapping(given)


def test_the_rules_of_the_reference_can_be_waived_or_dropped_and_no_others():
    listed = dict(re.findall(r"\| `(\w+\.\w+)` \| ([a-z ]+) \|", mapping_markdown()))
    for table in TABLES.values():
        for rule in table.rules:
            for verb, word in (("waive", "waived"), ("drop", "dropped")):
                name = f"{table.name}.{rule.key}"
                if word in listed.get(name, ""):
                    read_mapping({verb: {name: "a reason"}})
                elif not any(k.endswith(f".{rule.key}") and word in v for k, v in listed.items()):
                    with pytest.raises(ContractError, match=rule.key):
                        read_mapping({verb: {name: "a reason"}})


def test_the_page_names_what_the_readers_accept():
    for suffix in SUFFIXES:
        assert f"`{suffix}`" in PAGE
    assert f"`{' '.join(_TRUE)}`" in PAGE and f"`{' '.join(_FALSE)}`" in PAGE
    for error in (NotFoundError, UnreadableError, ContractError):
        assert f"| {error.exit_code} | " in PAGE
