"""RIVM files made by hand: extracts, StatLine downloads and spreadsheets give the same panel."""

from __future__ import annotations

import openpyxl
import pandas as pd
import pytest

from pluseval.data.rivm import is_rivm, load_rivm
from pluseval.errors import ContractError, NotFoundError, UnreadableError

HEADER = [
    "ID",
    "Leeftijd",
    "Marges",
    "WijkenEnBuurten",
    "Perioden",
    "Gemeentenaam_1",
    "SoortRegio_2",
    "Codering_3",
    "ErvarenGezondheidGoedZeerGoed_4",
]


def line(name, kind, value, year=2016, age="20300"):
    code = {"Land": "NL01      ", "Gemeente": "GM0917    ", "Wijk": "WK091700  "}[kind]
    return [1, age, "MW00000", code, f"{year}JJ00", f"{name:<40}", f"{kind:<10}", code, value]


ROWS = [
    line("Nederland", "Land", "    75.2"),
    line("Heerlen", "Gemeente", "    63.9"),
    line("Heerlen", "Wijk", "    60.0"),
    line("Súdwest-Fryslân", "Gemeente", "    77.0"),
]


def csv(folder, rows, name="rivm_gezondheid_2016_18plus_gemeente.csv", sep=","):
    folder.mkdir(exist_ok=True, parents=True)
    pd.DataFrame(rows, columns=HEADER).to_csv(folder / name, index=False, sep=sep)
    return folder


def xlsx(folder, rows, name="rivm_gezondheid_2016_18+.xlsx", header=HEADER):
    folder.mkdir(exist_ok=True, parents=True)
    book = openpyxl.Workbook()
    for row in [header, *rows]:
        book.active.append(row)
    book.save(folder / name)
    return folder


def test_extract_download_and_spreadsheet_give_the_same_panel(tmp_path):
    found = [
        load_rivm(csv(tmp_path / "a", ROWS)),
        load_rivm(csv(tmp_path / "b", list(reversed(ROWS)), sep=";")),
        load_rivm(xlsx(tmp_path / "c", ROWS)),
    ]
    assert len({panel.content_hash for panel in found}) == 1
    table = found[0].table.set_index("municipality")["healthy_pct"]
    assert table.to_dict() == {"HEERLEN": 63.9, "SUDWEST-FRYSLAN": 77.0}
    assert found[2].national.to_dict() == {2016: 75.2}


def test_the_spreadsheet_adds_the_nation_to_an_extract(tmp_path):
    csv(tmp_path, ROWS[1:2])
    assert load_rivm(tmp_path).national.empty
    xlsx(tmp_path, ROWS)
    panel = load_rivm(tmp_path)
    assert panel.national[2016] == 75.2 and list(panel.table.municipality) == ["HEERLEN"]


def test_other_ages_are_left_out(tmp_path):
    csv(tmp_path, [*ROWS, line("Heerlen", "Gemeente", "90.0", age="53115")])
    assert len(load_rivm(tmp_path).table) == 2


def test_files_that_disagree_or_lack_columns_are_refused(tmp_path):
    csv(tmp_path / "a", ROWS)
    csv(tmp_path / "a", [line("Heerlen", "Gemeente", "50.0")], name="again.csv")
    with pytest.raises(ContractError, match="1 municipalities have two different figures"):
        load_rivm(tmp_path / "a")
    with pytest.raises(ContractError, match="no column"):
        load_rivm(xlsx(tmp_path / "b", [], header=["ID", "Leeftijd"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="50120NED"):
        load_rivm(tmp_path / "empty")
    with pytest.raises(NotFoundError, match="no folder"):
        load_rivm(tmp_path / "nowhere")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "gezondheid.xlsx").write_bytes(b"PK no spreadsheet")
    with pytest.raises(UnreadableError, match="spreadsheet"):
        load_rivm(tmp_path / "c")
    assert is_rivm(tmp_path / "a") and not is_rivm(tmp_path / "nowhere")
