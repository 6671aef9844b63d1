"""The one declaration, and what is made from it."""

from __future__ import annotations

import pytest

from pluseval.data.declaration import Column, Rule, Table
from pluseval.data.dummy import dummy
from pluseval.data.load import validate
from pluseval.data.schema import STUDY_KEYS, TABLES, reference_markdown
from pluseval.errors import DesignError

WINDOW = {"kind": "real", "first_year": 2013, "last_year": 2020, "complete_through": 2020}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_dummy_rows_meet_the_contract(seed: int):
    tables = {name: dummy(name, rows=48, seed=seed) for name in TABLES}
    report = validate(tables, mapping={"study": WINDOW})
    assert report.failures == ()
    assert report.rows["insured_years"] == 48


def test_dummy_rows_depend_on_the_seed_only():
    assert dummy("insured_years", rows=20, seed=1).equals(dummy("insured_years", rows=20, seed=1))
    assert not dummy("insured_years", rows=20, seed=1).equals(dummy("insured_years", rows=20, seed=2))


def test_the_reference_page_names_every_table_column_rule_and_key():
    page = reference_markdown()
    for table in TABLES.values():
        section = page.split(f"## `{table.name}`")[1].split("\n## ")[0]
        for word in (*table.column_names, *(r.key for r in table.rules)):
            assert f"| `{word}` |" in section
    assert all(f"| `{k.name}` |" in page for k in STUDY_KEYS)


def test_limits_are_words():
    assert TABLES["insured_years"]["insured_days"].limits == "1 to 366 days"
    assert TABLES["referrals"]["destination"].limits == "hospital or pluspunt"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Column("x", "number", ""),
        lambda: Column("x", "int", "", optional=True),
        lambda: Table("t", "", (Column("x", "int", ""), Column("x", "int", ""))),
        lambda: Table("t", "", (Column("x", "int", ""),), key=("y",)),
        lambda: Table("t", "", (Column("x", "int", ""),), rules=(Rule("r", "y", ""),)),
        lambda: dummy("patients", rows=1, seed=1),
    ],
)
def test_a_wrong_declaration_is_refused(make):
    with pytest.raises(DesignError):
        make()
