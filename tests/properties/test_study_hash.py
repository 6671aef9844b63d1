"""The content hash: every cell counts; order of rows and columns, threads, chunks and formats do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluseval.data.content import content_hash
from pluseval.data.contract import prepare
from pluseval.data.dummy import dummy
from pluseval.data.engine import Raw, open_engine, store
from pluseval.data.load import load_study
from pluseval.data.readers import from_pandas
from pluseval.data.schema import TABLES

NAMES = ("practices", "practice_years", "insured_years", "referrals", "surveys")
WINDOW = {"kind": "real", "first_year": 2013, "last_year": 2020, "complete_through": 2020}


def frames(rows: int = 48) -> dict[str, pd.DataFrame]:
    return {name: dummy(name, rows=rows, seed=6) for name in NAMES}


def hashed(tables: dict[str, pd.DataFrame], *, threads: int = 2, **meta: object) -> str:
    """The hash of tables whether or not they meet the contract."""
    engine = open_engine(threads=threads)
    prepared = {}
    for name, frame in tables.items():
        arrow, mixed = from_pandas(frame)
        raw = Raw(store(engine, [arrow], arrow.schema), untyped=mixed)
        prepared[name] = prepare(raw, TABLES[name])
    return content_hash(prepared, {**WINDOW, **meta})


BASE = hashed(frames())
BASES = {name: hashed({name: frame}) for name, frame in frames().items()}


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_order_of_rows_and_columns_does_not_matter(seed: int):
    rng = np.random.default_rng(seed)
    shuffled = {
        name: frame.iloc[rng.permutation(len(frame))][list(rng.permutation(frame.columns))]
        for name, frame in frames().items()
    }
    assert hashed(shuffled) == BASE


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_changed_cell_changes_the_hash(data: st.DataObject):
    tables = frames()
    table = data.draw(st.sampled_from(NAMES))
    column = data.draw(st.sampled_from(TABLES[table].column_names))
    row = data.draw(st.integers(0, len(tables[table]) - 1))
    old = tables[table][column].iloc[row]
    kind = TABLES[table][column].type
    if pd.isna(old):
        new = {"date": pd.Timestamp("2015-05-05").date(), "int": 1}.get(kind, "something")
    elif kind == "text":
        new = f"{old}x"
    elif kind == "date":
        new = old.replace(day=2)
    elif kind == "bool":
        new = not old
    else:
        new = old + (0.01 if kind in ("money", "float") else 1)
    values = tables[table][column].astype(object)
    values.iloc[row] = new
    tables[table][column] = values.infer_objects() if kind in ("int", "bool", "money", "float") else values
    assert hashed({table: tables[table]}) != BASES[table]


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_threads_do_not_matter(threads: int):
    tables = {"insured_years": dummy("insured_years", rows=20_000, seed=6)}
    assert hashed(tables, threads=threads) == hashed(tables, threads=1)


def test_a_row_more_or_less_changes_the_hash():
    for change in (lambda f: f.iloc[1:], lambda f: pd.concat([f, f.iloc[:1]])):
        tables = frames()
        tables["referrals"] = change(tables["referrals"])
        assert hashed(tables) != BASE


def test_two_cells_exchanged_change_the_hash():
    tables = frames()
    answers = tables["surveys"]
    answers[["eq_pain", "eq_anxiety"]] = answers[["eq_anxiety", "eq_pain"]].to_numpy()
    assert hashed(tables) != BASE
    tables = frames()
    costs = tables["insured_years"]["cost_total_eur"].to_numpy().copy()
    costs[[0, 1]] = costs[[1, 0]]
    tables["insured_years"]["cost_total_eur"] = costs
    assert hashed(tables) != BASE


def test_an_empty_cell_is_not_an_empty_neighbour():
    tables = frames()
    referrals = tables["referrals"].astype({"specialty": object})
    referrals.loc[0, "specialty"] = None
    one = hashed(tables | {"referrals": referrals})
    referrals.loc[0, "specialty"] = tables["referrals"]["specialty"][0]
    referrals.loc[0, "person_id"] = None
    assert len({one, hashed(tables | {"referrals": referrals}), BASE}) == 3


def test_an_absent_optional_column_is_an_empty_one():
    tables = frames()
    without = tables["practices"].assign(region=None)
    absent = tables["practices"].drop(columns="region")
    assert hashed(tables | {"practices": without}) == hashed(tables | {"practices": absent})


def test_columns_that_the_contract_does_not_know_do_not_matter():
    tables = frames()
    tables["surveys"] = tables["surveys"].assign(remark="nice")
    assert hashed(tables) == BASE


def test_window_and_waivers_are_content_and_the_folder_is_not(tmp_path: Path):
    def written(folder: Path, year: int = 2020, mapping: dict | None = None) -> str:
        folder.mkdir()
        for name, frame in frames().items():
            frame.to_parquet(folder / f"{name}.parquet", index=False)
        keys = {**WINDOW, "complete_through": year}
        lines = [f"{k} = {v!r}".replace("'", '"') for k, v in keys.items()]
        (folder / "study.toml").write_text("\n".join(lines), encoding="utf-8")
        return load_study(folder, mapping=mapping).content_hash

    first = written(tmp_path / "one")
    assert written(tmp_path / "two") == first
    assert written(tmp_path / "three", 2019) != first
    assert written(tmp_path / "four", mapping={"waive": {"msz_le_total": "corrections"}}) != first
