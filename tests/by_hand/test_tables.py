"""Tables on the screen, in Markdown and in csv."""

from __future__ import annotations

import csv
import io
import re

import pytest

from pluseval.errors import DesignError
from pluseval.estimate.result import JointTest
from pluseval.report.tables import CSV_COLUMNS, data_csv, emit_table, markdown, plain_html, table


def test_heads_and_rows_say_their_scope(made):
    written = emit_table(made.named("costs.msz.primary", made.estimate(measure=made.COST))).html
    heads = re.findall(r"<th [^>]*>", written)
    assert heads and all('scope="col"' in h or 'scope="row"' in h for h in heads)
    assert 'id="table-costs-msz-primary"' in written


def test_the_id_is_stable_so_that_two_runs_give_the_same_bytes(made):
    one = made.named("s", made.estimate())
    assert emit_table(one) == emit_table(one)


def test_unit_n_source_and_warning_stand_in_every_form(made):
    one = made.named("s", made.estimate(source=made.CONDITIONED))
    written = emit_table(one)
    for text in (written.html, written.md):
        assert "percentage points" in text
        assert "14 programme and 56 comparison practices" in text
        assert "no evidence about PlusPraktijken" in text
    assert made.CONDITIONED.label in written.csv


def test_the_csv_keeps_every_digit_that_counts(made):
    one = made.named("s", made.estimate(-2.4000000001, 1 / 3))
    (row,) = csv.DictReader(io.StringIO(data_csv(one)))
    assert tuple(row) == CSV_COLUMNS
    assert float(row["estimate"]) == -2.4000000001
    assert float(row["std_error"]) == pytest.approx(1 / 3, rel=1e-11)


def test_what_is_missing_is_empty_not_nan(made):
    one = made.named("s", made.level(8.7), display="trajectory")
    (row,) = csv.DictReader(io.StringIO(data_csv(one)))
    assert row["p_value"] == "" and row["margin"] == ""
    assert "nan" not in markdown(one).lower()


def test_dutch_heads_and_marks(made):
    text = markdown(made.named("s", made.estimate()), lang="nl")
    assert "Schatting" in text and "-2,40" in text and "procentpunten" in text


def test_joint_tests_stand_under_the_table(made):
    one = made.named("s", made.estimate(), joint=(JointTest("pre-trends", 1.0, 3.0, 0.41, "Wald"),))
    assert "pre-trends: p = 0.410 (Wald)" in markdown(one)
    assert "pre-trends: p = 0.410 (Wald)" in table(one).as_raw_html()


def test_text_of_a_result_cannot_become_markup(made):
    one = made.named("s", made.estimate(term="<script>x</script>"), title="a < b & c | d")
    for text in (emit_table(one).html, plain_html(one)):
        assert "<script>x" not in text
    assert "a < b & c \\| d" in markdown(one)


def test_several_results_make_one_table(made):
    shown = table([made.estimate(term="one"), made.named("s", made.estimate(term="two"))], title="Both")
    text = shown.as_raw_html()
    assert "one" in text and "two" in text and "Both" in text


def test_bad_input_is_refused(made):
    for wrong in (3.0, "text", []):
        with pytest.raises(DesignError):
            table(wrong)
    with pytest.raises(DesignError, match="language"):
        table(made.estimate(), lang="fr")
