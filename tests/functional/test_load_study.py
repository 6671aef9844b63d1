"""What a loaded study offers: practices as clusters, a read-only view, the names of the contract."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from pluseval.data.dummy import dummy
from pluseval.data.links import clusters_of, practice_frame
from pluseval.data.load import load_study
from pluseval.data.study import Study, StudyMeta
from pluseval.errors import ConditionedError, ContractError, DesignError, NotFoundError

WINDOW = {"kind": "real", "first_year": 2013, "last_year": 2020, "complete_through": 2020}
LINKS = ["old_practice_id", "new_practice_id", "link_date", "kind"]


def tables() -> dict[str, pd.DataFrame]:
    names = ("practices", "practice_years", "insured_years", "surveys")
    return {name: dummy(name, rows=48, seed=2) for name in names}


def study_of(given: dict[str, pd.DataFrame], **keys: object) -> Study:
    return load_study(given, mapping={"study": {**WINDOW, **keys}})


def test_practices_have_entry_as_the_first_calendar_year_of_treatment():
    study = study_of(tables())
    assert study.practices.index.name == "cluster"
    assert study.practices["treated"].tolist() == [True, True, False, False, False, False]
    assert study.practices.loc["P001", "entry"] == 2016.0
    assert study.practices["entry"].isna().sum() == 4
    assert study.practices["entry"].dtype == float


def test_the_names_of_the_contract_are_there():
    study = study_of(tables(), name="Parkstad")
    assert study.meta == StudyMeta("Parkstad", "real", 2013, 2020, 2020)
    assert study.source.name == "Parkstad" and study.source.content_hash == study.content_hash
    assert study.has("surveys") and not study.has("referrals")
    assert "2 treated and 4 other practices" in str(study)
    assert str(study.tables["insured_years"].cost_msz_eur.type()) == "decimal(14, 2)"


def test_a_table_that_the_study_lacks_is_named():
    study = study_of(tables())
    with pytest.raises(NotFoundError, match="referrals"):
        study.table("referrals")
    with pytest.raises(DesignError, match="patients"):
        study.has("patients")


def test_a_study_cannot_be_changed():
    study = study_of(tables())
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.meta = None  # type: ignore[misc]
    with pytest.raises(TypeError):
        study.tables["surveys"] = None  # type: ignore[index]


def test_merged_practices_are_one_cluster_with_both_histories():
    given = tables()
    given["practice_links"] = pd.DataFrame([("P005", "P006", date(2018, 1, 1), "merger")], columns=LINKS)
    study = study_of(given)
    assert list(study.practices.index) == ["P001", "P002", "P003", "P004", "P006"]
    years = study.table("practice_years")
    assert years.filter(years.practice_id == "P006").count().execute() == 16
    assert years.practice_id.nunique().execute() == 5
    # The tables as they came keep the code of the row.
    assert study.tables["practice_years"].practice_id.nunique().execute() == 6


def test_a_comparison_practice_that_merges_into_a_treated_one_counts_as_treated():
    given = tables()
    given["practice_links"] = pd.DataFrame([("P006", "P001", date(2018, 1, 1), "merger")], columns=LINKS)
    study = study_of(given)
    assert study.practices.loc["P001", "treated"] and "P006" not in study.practices.index
    assert study.practices.loc["P001", "start_date"] == pd.Timestamp("2016-06-01")


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("A", "B"), ("B", "C")], {"A": "C", "B": "C", "C": "C"}),  # a new code, twice
        ([("A", "C"), ("B", "C")], {"A": "C", "B": "C", "C": "C"}),  # a merger
        ([("A", "B"), ("A", "C")], {"A": "B", "B": "B", "C": "B"}),  # a split
        ([("A", "B"), ("B", "A")], {"A": "A", "B": "A"}),  # back and forth
        ([("A", "B"), ("C", "D")], {"A": "B", "B": "B", "C": "D", "D": "D"}),
    ],
)
def test_links_make_clusters_in_any_order(pairs: list[tuple[str, str]], expected: dict[str, str]):
    for rows in (pairs, pairs[::-1]):
        assert clusters_of(pd.DataFrame(rows, columns=LINKS[:2])) == expected


def test_the_frame_of_practices_does_not_depend_on_the_order_of_rows():
    rows = dummy("practices", rows=6, seed=3)
    of = {"P005": "P006", "P006": "P006"}
    one = practice_frame(rows, of)
    other = practice_frame(rows.iloc[::-1].reset_index(drop=True), of)
    pd.testing.assert_frame_equal(one, other)


def test_a_conditioned_study_says_so_and_refuses_error_rates(tmp_path: Path):
    study = study_of(tables(), kind="conditioned")
    assert "no evidence" in str(study)
    with pytest.raises(ConditionedError):
        study.source.refuse_conditioned("power")


def test_only_valid_tables_make_a_study():
    study = study_of(tables())
    given = tables()
    given["surveys"]["nps"] = 11
    with pytest.raises(ContractError) as caught:
        study_of(given)
    broken = dataclasses.replace(study.report, failures=caught.value.failures)
    with pytest.raises(DesignError, match="load_study"):
        dataclasses.replace(study, report=broken)


def test_a_window_that_ends_before_it_begins_is_refused():
    with pytest.raises(DesignError, match="first_year"):
        StudyMeta("x", "real", 2020, 2013)
