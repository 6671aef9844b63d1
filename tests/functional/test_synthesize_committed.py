"""The committed study is what its seed makes, and every published number returns from its rows."""

from __future__ import annotations

import tomllib
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from pluseval.data.synthetic import PUBLISHED, Parameters, read_truth, synthesize

HERE = Path(__file__).resolve().parents[2] / "synthetic_data"
TABLES = ("practices", "practice_links", "practice_years", "insured_years", "referrals", "surveys")
DAYS = "(365.0 + (year % 4 = 0)::INT)"


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        for table in TABLES:
            connection.sql(f"CREATE VIEW {table} AS SELECT * FROM '{HERE}/{table}.parquet'")
        # A practice absorbed by another is counted with it, in all years.
        connection.sql(
            """CREATE VIEW cluster AS SELECT practice_id, coalesce(new_practice_id, practice_id) AS cluster
            FROM practices LEFT JOIN practice_links ON practice_id = old_practice_id"""
        )
        yield connection


@pytest.fixture(scope="module")
def treated(engine) -> pd.Series:
    frame = engine.sql("SELECT practice_id, treated FROM practices").df().set_index("practice_id")["treated"]
    merged = engine.sql("SELECT old_practice_id FROM practice_links").df()["old_practice_id"]
    return frame.drop(merged).sort_index()


@pytest.fixture(scope="module")
def referrals(engine) -> dict[str, pd.DataFrame]:
    """Referrals per 100 enlisted by practice and year, by destination; the list sizes too."""
    lists = engine.sql(
        """SELECT cluster, year, sum(list_size)::DOUBLE AS n
        FROM practice_years JOIN cluster USING (practice_id) GROUP BY ALL"""
    ).df()
    lists = lists.pivot(index="cluster", columns="year", values="n").sort_index()
    counts = engine.sql(
        """SELECT cluster, year(referral_date) AS year, destination, count(*)::DOUBLE AS n
        FROM referrals JOIN cluster USING (practice_id) GROUP BY ALL"""
    ).df()
    made = {"lists": lists}
    for destination in ("hospital", "pluspunt"):
        chosen = counts[counts["destination"] == destination].pivot(
            index="cluster", columns="year", values="n"
        )
        made[destination] = 100 * chosen.reindex_like(lists).fillna(0) / lists
    return made


@pytest.fixture(scope="module")
def costs(engine) -> pd.DataFrame:
    return engine.sql(
        f"""SELECT cluster, year, sum(cost_msz_eur) AS msz, sum(cost_total_eur) AS total,
        sum(insured_days / {DAYS}) AS insured FROM insured_years JOIN cluster USING (practice_id) GROUP BY ALL
        ORDER BY ALL"""
    ).df()


@pytest.fixture(scope="module")
def surveys(engine, treated) -> pd.DataFrame:
    frame = engine.sql("SELECT * FROM surveys WHERE responded").df()
    nps = frame["nps"].astype(float)
    frame["score"] = np.select([nps.isna(), nps >= 9, nps <= 6], [np.nan, 100, -100], 0.0)
    return frame[frame["practice_id"].map(treated)]


def test_remade_from_its_seed_it_has_the_same_contents(tmp_path):
    truth = read_truth(HERE)
    again = synthesize(tmp_path / "again", seed=truth["seed"], kind=truth["kind"])
    for name in (*(f"{t}.parquet" for t in TABLES), "study.toml", "truth.json", "README.md"):
        if name.endswith(".parquet"):
            assert pq.read_table(again / name).equals(pq.read_table(HERE / name)), name
        elif name.endswith(".json"):
            assert read_truth(again) == truth
        else:
            assert (again / name).read_text(encoding="utf-8") == (HERE / name).read_text(encoding="utf-8")


def test_it_is_under_15_mb():
    assert sum(p.stat().st_size for p in HERE.iterdir()) < 15e6


def test_it_says_what_it_is():
    assert tomllib.loads((HERE / "study.toml").read_text(encoding="utf-8"))["kind"] == "conditioned"
    assert "no evidence about PlusPraktijken" in (HERE / "README.md").read_text(encoding="utf-8")
    truth = read_truth(HERE)
    assert truth["conditioned_on"]["published"]["referral_difference"] == PUBLISHED.referral_difference
    planted = truth["planted"]["effects"]["referral_percentage"]["size"]
    assert planted != PUBLISHED.referral_difference


def test_c6_the_change_of_the_referral_percentage(referrals, treated):
    change = referrals["hospital"][2019] - referrals["hospital"][2018]
    fit = stats.ttest_ind(change[treated], change[~treated])
    assert (treated.sum(), (~treated).sum(), fit.df) == (14, 56, 68)
    assert round(change[treated].mean() - change[~treated].mean(), 2) == PUBLISHED.referral_difference
    assert round(fit.pvalue, 3) == PUBLISHED.referral_p
    assert change[treated].mean() < 0 < change[~treated].mean()


def test_c6_programme_practices_referred_less_before(referrals, treated):
    before = referrals["hospital"].loc[:, :2018].groupby(treated).mean()
    assert (before.loc[True] < before.loc[False]).all()
    levels = Parameters().referrals
    assert before.loc[True, 2018] == pytest.approx(levels.level_programme, abs=0.05)
    assert before.loc[False, 2018] == pytest.approx(levels.level_comparison, abs=0.05)


def test_c7_referrals_per_practice(referrals, treated):
    own = referrals["lists"].loc[treated, 2018].mean()
    assert round(-PUBLISHED.referral_difference / 100 * own) == 123


def test_c8_pluspunt_use_is_not_significant(referrals, treated):
    hospital, pluspunt = referrals["hospital"], referrals["pluspunt"]
    data = pd.DataFrame({"change": hospital[2019] - hospital[2018], "group": treated.astype(float)})
    for use in (pluspunt[2018], pluspunt[2019], pluspunt[2019] - pluspunt[2018]):
        fit = smf.ols("change ~ group + use", data=data.assign(use=use)).fit()
        assert fit.pvalues["use"] > 0.05
        centred = use - use.groupby(treated).transform("mean")
        fit = smf.ols("change ~ group * use", data=data.assign(use=centred)).fit()
        assert fit.pvalues[["use", "group:use"]].min() > 0.05


@pytest.mark.parametrize("kind", ["msz", "total"])
@pytest.mark.parametrize("by", ["practice", "insured-year"])
def test_c4_costs_are_lower_in_every_year_and_rise_less(costs, treated, kind, by):
    data = costs.assign(group=costs["cluster"].map(treated))
    if by == "practice":
        data["level"] = data[kind] / data["insured"]
        level = data.pivot_table(index="year", columns="group", values="level")
    else:
        sums = data.groupby(["year", "group"])[[kind, "insured"]].sum()
        level = (sums[kind] / sums["insured"]).unstack()
    assert (level[True] < level[False]).all()
    for last in (2019, 2020):
        rise = level.loc[last] - level.loc[2013]
        assert rise[True] < rise[False]


@pytest.mark.parametrize("kind", ["msz", "total"])
def test_c5_costs_do_not_develop_differently(costs, treated, kind):
    level = costs.assign(level=costs[kind] / costs["insured"]).pivot(
        index="cluster", columns="year", values="level"
    )
    changes = [level.loc[:, 2017:2019].mean(axis=1) - level.loc[:, 2013:2015].mean(axis=1)]
    changes += [level[y + 1] - level[y] for y in range(2013, 2020)]
    for change in changes:
        assert stats.ttest_ind(change[treated], change[~treated]).pvalue > 0.05


def test_regional_costs_of_2018(costs):
    year = costs[costs["year"] == 2018]
    levels = Parameters().costs
    assert year["msz"].sum() / year["insured"].sum() == pytest.approx(levels.msz_2018, abs=1)
    assert year["total"].sum() / year["insured"].sum() == pytest.approx(levels.total_2018, abs=1)


def test_c2_and_c3_grade_and_nps_of_every_wave(surveys):
    waves = surveys.groupby("wave")[["grade", "score"]].mean()
    assert len(waves) == 4
    assert waves["grade"].between(*PUBLISHED.grade).all()
    assert (waves["score"] - PUBLISHED.nps).abs().max() <= PUBLISHED.nps_tolerance


@pytest.mark.parametrize("column", ["grade", "score", "eq_vas"])
def test_c1_to_c3_experience_and_health_do_not_change(surveys, column):
    means = surveys.assign(y=surveys[column].astype(float)).pivot_table(
        index="practice_id", columns="wave", values="y"
    )
    for later in means.columns[1:]:
        assert stats.ttest_1samp(means[later] - means[means.columns[0]], 0).pvalue > 0.05
