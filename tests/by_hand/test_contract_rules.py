"""Each rule of the data contract on a study drawn by hand: three practices and two persons."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from pluseval.data.load import load_study, validate
from pluseval.data.schema import OUTCOME_TABLES
from pluseval.errors import ContractError, NotFoundError

WINDOW = {"kind": "real", "first_year": 2015, "last_year": 2018, "complete_through": 2018}


def drawn() -> dict[str, pd.DataFrame]:
    """A valid study."""
    return {
        "practices": pd.DataFrame(
            [
                ("A", "OZL", True, date(2016, 6, 1), "Heerlen", None),
                ("B", "OZL", True, date(2017, 1, 1), "Kerkrade", None),
                ("C", "OZL", False, None, "Heerlen", None),
            ],
            columns=["practice_id", "programme", "treated", "start_date", "region", "end_date"],
        ),
        "practice_years": pd.DataFrame(
            [("A", 2015, 100), ("A", 2018, 110), ("B", 2018, 90), ("C", 2015, 80), ("C", 2018, 70)],
            columns=["practice_id", "year", "list_size"],
        ),
        "insured_years": pd.DataFrame(
            [
                (1, 2015, "A", 1950, "M", 365, 100.00, 250.00),
                (1, 2016, "A", 1950, "M", 366, 0.00, 90.50),
                (2, 2015, "C", 1980, "F", 365, 10.00, 10.00),
                (2, 2018, "C", 1980, "F", 31, 5.25, 80.00),
            ],
            columns=[
                "person_id", "year", "practice_id", "birth_year", "sex", "insured_days", "cost_msz_eur",
                "cost_total_eur",
            ],
        ),
        "referrals": pd.DataFrame(
            [
                (1, "A", date(2015, 3, 1), "cardiology", "hospital"),
                (2, "C", date(2018, 12, 31), None, "pluspunt"),
            ],
            columns=["person_id", "practice_id", "referral_date", "specialty", "destination"],
        ),
        "surveys": pd.DataFrame(
            [
                (1, 2016, "A", True, 1, 1, 2, 3, 5, 80, 8.5, 10),
                (2, 2016, "C", False, *[None] * 8),
            ],
            columns=[
                "person_id", "wave", "practice_id", "responded", "eq_mobility", "eq_self_care",
                "eq_usual_activities", "eq_pain", "eq_anxiety", "eq_vas", "grade", "nps",
            ],
        ),
    }  # fmt: skip


def found(tables: dict[str, pd.DataFrame], **study: object) -> set[tuple[str, str, str, int]]:
    """The failures as (table, column, rule, count)."""
    report = validate(tables, mapping={"study": {**WINDOW, **study}})
    return {(f.table, f.column, f.rule, f.count) for f in report.failures}


def put(table: str, column: str, value: object, row: int = 0) -> dict[str, pd.DataFrame]:
    """The valid study with one cell changed."""
    tables = drawn()
    frame = tables[table].astype({column: object})
    frame.loc[row, column] = value
    tables[table] = frame
    return tables


def test_the_study_as_drawn_is_valid():
    assert found(drawn()) == set()


@pytest.mark.parametrize(
    ("table", "column", "value", "rule"),
    [
        ("insured_years", "insured_days", -1, "range"),
        ("insured_years", "insured_days", 0, "range"),
        ("insured_years", "insured_days", 367, "range"),
        ("insured_years", "sex", "X", "allowed"),
        ("insured_years", "year", 2014, "year_in_window"),
        ("insured_years", "year", 2019, "year_in_window"),
        ("insured_years", "year", None, "null"),
        ("insured_years", "year", 2015.5, "not_convertible"),
        ("insured_years", "practice_id", "Z", "orphan"),
        ("insured_years", "cost_msz_eur", 250.01, "msz_le_total"),
        ("insured_years", "cost_total_eur", "many", "not_convertible"),
        ("insured_years", "cost_total_eur", float("inf"), "not_convertible"),
        ("insured_years", "cost_total_eur", float("nan"), "null"),
        ("practices", "start_date", None, "start_missing"),
        ("practices", "start_date", date(2019, 1, 1), "start_in_window"),
        ("practices", "programme", "OZ", "allowed"),
        ("practice_years", "list_size", 0, "range"),
        ("practice_years", "practice_id", "Z", "orphan"),
        ("referrals", "referral_date", date(2014, 12, 31), "year_in_window"),
        ("referrals", "destination", "elsewhere", "allowed"),
        ("referrals", "practice_id", "Z", "orphan"),
        ("surveys", "eq_pain", 6, "range"),
        ("surveys", "eq_pain", 0, "range"),
        ("surveys", "nps", 11, "range"),
        ("surveys", "grade", 10.5, "range"),
        ("surveys", "eq_vas", 101, "range"),
        ("surveys", "responded", None, "null"),
    ],
)
def test_one_bad_cell_is_one_failure(table: str, column: str, value: object, rule: str):
    tables = put(table, column, value)
    outcome = "surveys" if table == "practices" else table
    needed = {"practices", "practice_years", outcome if outcome in OUTCOME_TABLES else "surveys"}
    failures = found({name: rows for name, rows in tables.items() if name in needed})
    counts = {(t, c, r) for t, c, r, _ in failures}
    assert (table, column, rule) in counts
    assert (table, column, rule, 1) in failures
    assert len(counts) == 1


@pytest.mark.parametrize("column", ["practice_id", "treated", "start_date"])
def test_a_missing_column_is_named(column: str):
    tables = drawn()
    tables["practices"] = tables["practices"].drop(columns=column)
    assert ("practices", column, "missing_column", 1) in found(tables)


def test_optional_columns_may_be_absent():
    tables = drawn()
    tables["practices"] = tables["practices"].drop(columns=["region", "end_date"])
    tables["insured_years"] = tables["insured_years"].drop(columns=["birth_year", "sex"])
    assert found(tables) == set()


def test_a_number_column_of_text_in_a_typed_source_is_a_wrong_type():
    tables = drawn()
    tables["practice_years"]["year"] = tables["practice_years"]["year"].astype(str)
    assert found(tables) == {("practice_years", "year", "type", 5)}


def test_a_truth_column_of_other_numbers_does_not_convert():
    tables = drawn()
    tables["practices"]["treated"] = [1, 2, 0]
    assert found(tables) == {("practices", "treated", "not_convertible", 1)}


def test_rows_beyond_the_first_of_a_key_are_counted():
    tables = drawn()
    rows = tables["insured_years"]
    tables["insured_years"] = pd.concat([rows, rows.iloc[[0, 0, 1]]], ignore_index=True)
    assert found(tables) == {("insured_years", "person_id, year", "unique_key", 3)}


def test_a_missing_table_is_named():
    tables = drawn()
    del tables["practice_years"], tables["insured_years"]
    assert found(tables) == {("practice_years", "", "missing_table", 1)}
    with pytest.raises(NotFoundError, match="practice_years"):
        load_study(tables, mapping={"study": WINDOW})


def test_a_study_needs_an_outcome():
    tables = {"practices": drawn()["practices"]}
    assert {r for _, _, r, _ in found(tables)} == {"missing_table"}


def test_a_table_without_rows_is_refused():
    tables = drawn()
    tables["surveys"] = tables["surveys"].iloc[:0]
    assert ("surveys", "", "no_rows", 1) in found(tables)


def test_msz_above_total_can_be_waived_with_a_reason():
    tables = put("insured_years", "cost_msz_eur", 250.01)
    mapping = {"study": WINDOW, "waive": {"msz_le_total": "negative corrections of other care"}}
    study = load_study(tables, mapping=mapping)
    (waived,) = study.report.waived
    assert (waived.rule, waived.count, waived.detail) == (
        "msz_le_total",
        1,
        "negative corrections of other care",
    )
    assert study.tables["insured_years"].count().execute() == 4


def test_a_rule_that_is_not_waivable_cannot_be_waived():
    with pytest.raises(ContractError, match="orphan"):
        validate(drawn(), mapping={"study": WINDOW, "waive": {"orphan": "we like them"}})


def test_a_waiver_needs_a_reason():
    with pytest.raises(ContractError, match="reason"):
        validate(drawn(), mapping={"study": WINDOW, "waive": {"msz_le_total": " "}})


def test_orphans_can_be_dropped_with_a_reason_and_are_counted():
    tables = put("insured_years", "practice_id", "Z")
    mapping = {"study": WINDOW, "drop": {"insured_years.orphan": "practices outside the region"}}
    study = load_study(tables, mapping=mapping)
    (drop,) = study.report.dropped
    assert (drop.table, drop.rule, drop.count) == ("insured_years", "orphan", 1)
    assert study.tables["insured_years"].count().execute() == 3


def test_rows_without_a_practice_are_dropped_and_counted():
    study = load_study(put("insured_years", "practice_id", None), mapping={"study": WINDOW})
    (drop,) = study.report.dropped
    assert (drop.table, drop.column, drop.count) == ("insured_years", "practice_id", 1)
    assert study.tables["insured_years"].count().execute() == 3


def test_years_after_complete_through_are_excluded_and_counted_once():
    tables = put(
        "insured_years", "practice_id", None, row=3
    )  # 2018, without a practice: one removal, not two
    study = load_study(tables, mapping={"study": {**WINDOW, "complete_through": 2016}})
    counts = {(d.table, d.rule): d.count for d in study.report.dropped}
    assert counts == {("insured_years", "null"): 1, ("referrals", "complete_through"): 1}
    assert study.tables["insured_years"].year.max().execute() == 2016
    assert study.tables["referrals"].count().execute() == 1


def test_complete_through_is_required_with_claims():
    report = validate(
        drawn(), mapping={"study": {k: v for k, v in WINDOW.items() if k != "complete_through"}}
    )
    assert [(f.table, f.column, f.rule) for f in report.failures] == [
        ("study.toml", "complete_through", "missing_key")
    ]


def test_negative_costs_are_kept_and_counted():
    tables = put("insured_years", "cost_msz_eur", -20.0)
    report = load_study(tables, mapping={"study": WINDOW}).report
    assert [(c.column, c.rule, c.count) for c in report.counted] == [("cost_msz_eur", "negative_msz", 1)]


def test_a_treated_practice_that_ends_needs_a_link():
    tables = put("practices", "end_date", date(2017, 6, 30), row=1)
    assert ("practices", "end_date", "end_without_link", 1) in found(tables)
    link = [("B", "C", date(2017, 7, 1), "merger")]
    columns = ["old_practice_id", "new_practice_id", "link_date", "kind"]
    tables["practice_links"] = pd.DataFrame(link, columns=columns)
    assert found(tables) == set()


def test_a_treated_practice_whose_rows_stop_needs_a_link():
    tables = drawn()
    tables["practice_years"].loc[2, "year"] = 2016
    assert found(tables) == {("practices", "practice_id", "end_without_link", 1)}


def test_a_comparison_practice_may_end():
    tables = drawn()
    tables["practice_years"] = tables["practice_years"].iloc[:4]
    assert found(tables) == set()


def test_a_link_to_an_unknown_practice_is_refused():
    tables = drawn()
    columns = ["old_practice_id", "new_practice_id", "link_date", "kind"]
    tables["practice_links"] = pd.DataFrame([("B", "Q", date(2017, 7, 1), "new_code")], columns=columns)
    assert ("practice_links", "new_practice_id", "link_to_unknown", 1) in found(tables)


def test_rows_under_an_old_code_are_no_orphans():
    tables = put("insured_years", "practice_id", "OLD")
    columns = ["old_practice_id", "new_practice_id", "link_date", "kind"]
    tables["practice_links"] = pd.DataFrame([("OLD", "A", date(2016, 1, 1), "new_code")], columns=columns)
    study = load_study(tables, mapping={"study": WINDOW})
    resolved = study.table("insured_years")
    assert resolved.filter(resolved.practice_id == "A").count().execute() == 2


def test_every_failure_of_every_table_comes_at_once():
    tables = put("surveys", "nps", 11)
    tables["practices"].loc[0, "start_date"] = None
    tables["insured_years"].loc[0, "insured_days"] = 400
    tables["practice_years"] = tables["practice_years"].drop(columns="list_size")
    tables["referrals"].loc[1, "practice_id"] = "Z"
    with pytest.raises(ContractError) as caught:
        load_study(tables, mapping={"study": WINDOW})
    assert {(f.table, f.rule) for f in caught.value.failures} == {
        ("surveys", "range"),
        ("practices", "start_missing"),
        ("insured_years", "range"),
        ("practice_years", "missing_column"),
        ("referrals", "orphan"),
    }
    assert all(f"{f.table}.{f.column}" in str(caught.value) for f in caught.value.failures)
