"""The published contrast under every reading: what is asked of the library, and what the table says of it."""

from __future__ import annotations

import html
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analyses.published_procedures import published_procedures
from pluseval.data.frame import AnalysisFrame
from pluseval.data.source import Source
from pluseval.estimate.did import did
from pluseval.estimate.event_study import adjacent_changes
from pluseval.estimate.inference import OLS
from pluseval.estimate.inference_max_t import MaxT
from pluseval.pipeline.assets import locate
from pluseval.pipeline.plan import read_plan
from pluseval.report.disclosure import DisclosureRules, release
from pluseval.report.read import Results
from pluseval.report.readings import NOTHING, readings_table, what_changes
from pluseval.report.write import write

NAME = "referrals.percentage.published_procedures"


@pytest.fixture(scope="module")
def plan():
    return read_plan(locate("analyses") / "plan.toml")


@pytest.fixture(scope="module")
def outcome(plan):
    """The planned outcome with few draws."""
    (one,) = (o for o in plan.outcomes if o.key == "referrals.percentage")
    few = {"draws": 499}
    inference = one.inference.model_copy(update=few)
    return one.model_copy(
        update={
            "inference": inference,
            "robustness": one.robustness.model_copy(update=few),
            "adjacent": one.adjacent.model_copy(update=few),
        }
    )


@pytest.fixture(scope="module")
def frame(made):
    """14 + 56 practices from 2013 to 2020 with a turn in 2019."""
    rng = np.random.default_rng(8)
    years, own = np.arange(2013, 2021), np.arange(70) < 14
    data = pd.DataFrame({"practice": np.repeat(np.arange(70), 8), "year": np.tile(years, 70)})
    data["entry"] = np.where(np.repeat(own, 8), 2016, 0)
    data["list_size"] = np.repeat(rng.integers(2_000, 6_000, 70), 8)
    data["exposure"] = data["list_size"]
    data["pct"] = rng.normal(34, 2, len(data)) - 2.5 * (data["entry"].gt(0) & data["year"].eq(2019))
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="pct", entry="entry", exposure="exposure",
        measure=made.REFERRALS, covariates=["list_size"], source=Source("made by hand", "planted", "ab" * 32),
    )  # fmt: skip


@pytest.fixture(scope="module")
def readings(frame, outcome, plan):
    found = published_procedures(frame, outcome, plan)
    assert found.skipped == ()
    return found.sets[0]


def test_the_published_reading_comes_first_and_the_primary_last(frame, readings):
    assert readings.name == NAME
    first, last = readings.estimates[0], readings.estimates[-1]
    assert first.p_value == did(frame, inference=OLS(), periods=(2018, 2019)).p_value
    assert last.term.startswith("primary")
    assert "2013-2015 -> 2017-2019" in last.estimand.contrast
    same = [e for e in readings.estimates[:-1] if "covariate" not in e.term and "weighted" not in e.term]
    assert {round(e.estimate, 12) for e in same} == {round(first.estimate, 12)}
    assert len({e.p_value for e in same}) == len(same) == 6


def test_the_max_t_row_is_the_published_change_among_all_without_the_covid_year(frame, readings, outcome):
    (row,) = (e for e in readings if e.term.startswith("max-t"))
    chosen = outcome.adjacent
    over_all = MaxT(draws=chosen.draws, seed=chosen.seed, statistic=chosen.statistic)
    every = adjacent_changes(frame.between(2013, 2019), inference=OLS(), joint=over_all)
    assert "6 adjacent-year changes" in row.term
    # The change of 2019 is the largest here: its adjusted p is the joint one.
    assert max(every, key=lambda e: abs(e.statistic)).at == 2019
    assert row.p_value == every.joint[0].p_value
    assert row.p_value > readings.estimates[0].p_value


def test_each_row_says_what_it_changes(readings):
    published = readings.estimates[0]
    said = {e.term: what_changes(e, published) for e in readings}
    assert said.pop("published reading") == ""
    assert said.pop("list size as covariate") == "the covariates (list_size)"
    assert said.pop("weighted by enlisted persons, CR2").startswith("the weight (practices count by their")
    primary = said.pop(readings.estimates[-1].term)
    assert primary == "the contrast (change 2013-2015 -> 2017-2019) and the procedure"
    assert set(said.values()) == {"the procedure"}


def test_the_table_counts_the_readings_and_stands_on_the_written_bundle(readings, tmp_path):
    bundle = Results.open(write(release([readings], DisclosureRules.public_aggregates()), tmp_path))
    table = html.unescape(readings_table(bundle, NAME).content)
    found = sum(e.p_value <= 0.05 for e in readings)
    assert f"of 9 readings {found} reach p <= 0.05 and {9 - found} do not" in table
    assert table.count("<tr>") == 10
    assert NOTHING in table and "95% interval" in table
    assert all('scope="' in head for head in re.findall(r"<th[ >][^>]*", table))
    assert bundle.figure(NAME).content.startswith("<figure")
    assert "Not testable" in readings_table(Results.combine(), NAME).content


def test_without_a_published_reading_or_draws_there_is_no_set(frame, outcome, plan):
    for without in ({"published": None}, {"robustness": None}):
        assert published_procedures(frame, outcome.model_copy(update=without), plan).sets == ()


def test_a_reading_that_the_design_refuses_is_named(frame, outcome, plan):
    one_size = replace(frame, practices=frame.practices.assign(list_size=4_000.0))
    found = published_procedures(one_size, outcome, plan.model_copy())
    assert any("list size as covariate" in name and reason for name, reason in found.skipped)
