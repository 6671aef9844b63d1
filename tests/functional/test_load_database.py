"""Tables of a database the user is connected to: read only, validated there, the same study."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import date
from pathlib import Path

import duckdb
import ibis
import pandas as pd
import pytest

from pluseval.data.dummy import dummy
from pluseval.data.load import load_study, validate
from pluseval.data.schema import TABLES as SCHEMA
from pluseval.errors import ContractError, DesignError

TABLES = ("practices", "practice_years", "insured_years", "referrals", "surveys")
WINDOW = {
    "study": {"name": "db", "kind": "real", "first_year": 2013, "last_year": 2020, "complete_through": 2020}
}


def frames() -> dict[str, pd.DataFrame]:
    return {name: dummy(name, rows=48, seed=4) for name in TABLES}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "extract.duckdb"
    with duckdb.connect(str(path)) as con:
        for name, frame in frames().items():
            con.register("frame", frame)
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
            con.unregister("frame")
    return path


def tables_of(connection: object) -> dict[str, object]:
    return {name: connection.table(name) for name in TABLES}


def test_a_read_only_database_is_the_same_study(database: Path):
    before = database.read_bytes()
    connection = ibis.duckdb.from_connection(duckdb.connect(str(database), read_only=True))
    study = load_study(tables_of(connection), mapping=WINDOW)
    assert study.content_hash == load_study(frames(), mapping=WINDOW).content_hash
    table = study.table("insured_years")
    assert table.get_backend() is connection  # it is aggregated where it is
    assert table.count().execute() == 48
    assert sorted(connection.list_tables()) == sorted(TABLES)
    connection.disconnect()
    assert database.read_bytes() == before


def test_failures_in_a_database_are_counted_there(database: Path):
    with duckdb.connect(str(database)) as con:
        con.execute("UPDATE surveys SET nps = 11 WHERE person_id = 1")
        con.execute("UPDATE insured_years SET practice_id = 'nobody' WHERE person_id = 2")
    connection = ibis.duckdb.from_connection(duckdb.connect(str(database), read_only=True))
    report = validate(tables_of(connection), mapping=WINDOW)
    assert {(f.table, f.rule, f.count) for f in report.failures} == {
        ("surveys", "range", 8),
        ("insured_years", "orphan", 8),
    }


def test_frames_and_tables_of_a_database_mix(database: Path):
    connection = ibis.duckdb.from_connection(duckdb.connect(str(database), read_only=True))
    given = tables_of(connection) | {"practices": frames()["practices"], "surveys": frames()["surveys"]}
    study = load_study(given, mapping=WINDOW)
    assert study.content_hash == load_study(frames(), mapping=WINDOW).content_hash


SQLITE_TYPES = {
    "text": "TEXT",
    "int": "BIGINT",
    "bool": "BOOLEAN",
    "date": "DATE",
    "money": "DOUBLE",
    "float": "DOUBLE",
}


def sqlite_file(path: Path) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as con, con:
        for name, frame in frames().items():
            columns = ", ".join(f"{c.name} {SQLITE_TYPES[c.type]}" for c in SCHEMA[name].columns)
            con.execute(f"CREATE TABLE {name} ({columns})")
            cells = frame.astype(object).where(frame.notna(), None)
            cells = cells.map(lambda v: v.isoformat() if isinstance(v, date) else v)
            marks = ", ".join("?" * frame.shape[1])
            con.executemany(f"INSERT INTO {name} VALUES ({marks})", cells.itertuples(index=False))
    return path


def test_another_engine_than_duckdb_is_validated_there(tmp_path: Path):
    pytest.importorskip("ibis.backends.sqlite")
    path = sqlite_file(tmp_path / "extract.sqlite")
    study = load_study(tables_of(ibis.sqlite.connect(path)), mapping=WINDOW)
    assert study.content_hash == load_study(frames(), mapping=WINDOW).content_hash
    assert study.table("insured_years").count().execute() == 48
    with contextlib.closing(sqlite3.connect(path)) as con, con:
        con.execute("UPDATE insured_years SET insured_days = 400 WHERE person_id = 3")
    with pytest.raises(ContractError) as caught:
        load_study(tables_of(ibis.sqlite.connect(path)), mapping=WINDOW)
    assert [(f.table, f.column, f.rule, f.count) for f in caught.value.failures] == [
        ("insured_years", "insured_days", "range", 8)
    ]


def test_tables_of_two_databases_are_refused(database: Path, tmp_path: Path):
    one = ibis.duckdb.from_connection(duckdb.connect(str(database), read_only=True))
    two = ibis.duckdb.connect(tmp_path / "other.duckdb")
    two.raw_sql("CREATE TABLE practices (practice_id VARCHAR, treated BOOLEAN, start_date DATE)")
    with pytest.raises(DesignError, match="several databases"):
        load_study(tables_of(one) | {"practices": two.table("practices")}, mapping=WINDOW)


def test_an_unknown_table_is_named():
    with pytest.raises(ContractError, match="patients"):
        load_study({"patients": pd.DataFrame({"a": [1]})}, mapping=WINDOW)


def test_something_that_is_no_table_is_refused():
    with pytest.raises(DesignError, match="DataFrame"):
        load_study({"practices": [1, 2, 3]}, mapping=WINDOW)  # type: ignore[dict-item]
