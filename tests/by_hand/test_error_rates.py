"""The table of error rates as a page shows it, from a table of two rows drawn by hand."""

import json

import pytest

from pluseval.errors import NotFoundError
from pluseval.report.error_rates import ErrorRates

HEAD = "cell,treated,comparison,procedure,studies,size,size_mcse,coverage,power,larger_power\n"
ROWS = (
    "normal.14,14,56,pooled_t,10000,0.043,0.002,0.957,0.56,\n"
    "size_trend.14,14,56,pooled_t,10000,0.124,0.003,,,\n"
)


@pytest.fixture
def rates(tmp_path):
    (tmp_path / "table.csv").write_text(HEAD + ROWS, encoding="utf-8")
    chosen = {"primary": "pooled_t", "candidates": [
        {"procedure": "pooled_t", "mean_power": 0.56, "fails": {"size_trend.14": 0.124}}
    ]}  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps(chosen), encoding="utf-8")
    return ErrorRates.open(tmp_path)


def test_a_size_far_from_nominal_is_marked_and_carries_its_error(rates):
    shown = rates.table("size", treated=14, procedures=("pooled_t",)).content
    assert "<td>4.3 (0.2)</td>" in shown
    assert '<td data-rate="high">12.4 (0.3)</td>' in shown


def test_kinds_of_study_without_the_share_are_left_out(rates):
    shown = rates.table("power", treated=14, procedures=("pooled_t",)).content
    assert "normal" in shown and "size trend" not in shown


def test_the_choice_names_where_a_candidate_misses(rates):
    assert "pooled t: misses in size trend 14 (12.4 %); mean power 56.0 %" in rates.primary().content


def test_a_folder_without_a_table_says_how_to_make_one(tmp_path):
    with pytest.raises(NotFoundError, match="make calibrate"):
        ErrorRates.open(tmp_path)
