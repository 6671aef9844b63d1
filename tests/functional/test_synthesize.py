"""`synthesize` writes a valid study, the same one for the same seed, and never touches other files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import pluseval as pe
from pluseval.cli import app
from pluseval.data.load import load_study
from pluseval.data.source import Source
from pluseval.data.synthetic import (
    PUBLISHED,
    Effect,
    Effects,
    Parameters,
    effects_of,
    pooled_t,
    read_truth,
    synthesize,
)
from pluseval.errors import ConditionedError, DesignError, NotFoundError, UnreadableError

SMALL = Parameters.sized(treated=4, comparators=8, patients=6_000)
TABLES = ("practices", "practice_links", "practice_years", "insured_years", "referrals", "surveys")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return synthesize(tmp_path_factory.mktemp("synthetic") / "study", seed=11, parameters=SMALL)


def rows(folder: Path, query: str) -> pd.DataFrame:
    with duckdb.connect() as engine:
        for table in TABLES:
            engine.sql(f"CREATE VIEW {table} AS SELECT * FROM '{folder}/{table}.parquet'")
        return engine.sql(query).df()


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_the_study_meets_the_contract(study):
    loaded = load_study(study)
    assert loaded.report.ok
    assert loaded.source.kind == "planted"
    assert int(loaded.practices["treated"].sum()) == 4
    # The absorbed practice and its successor are one cluster.
    assert len(loaded.practices) == 12


def test_one_seed_gives_the_same_bytes(study, tmp_path):
    again = synthesize(tmp_path / "again", seed=11, parameters=SMALL)
    assert digest(again) == digest(study)


def test_another_seed_gives_another_study(study, tmp_path):
    other = digest(synthesize(tmp_path / "other", seed=12, parameters=SMALL))
    same = [name for name, value in digest(study).items() if other[name] == value]
    assert not {f"{t}.parquet" for t in ("insured_years", "referrals", "surveys", "practice_years")} & set(
        same
    )


def test_list_sizes_are_the_enlisted_persons(study):
    unequal = rows(
        study,
        """SELECT count(*) AS n
        FROM (SELECT practice_id, year, count(*) AS persons FROM insured_years GROUP BY ALL)
        FULL JOIN practice_years USING (practice_id, year) WHERE persons IS DISTINCT FROM list_size""",
    )
    assert unequal["n"].item() == 0


def test_rows_are_sorted_by_practice_person_and_year(study):
    table = pq.read_table(study / "insured_years.parquet", columns=["practice_id", "person_id", "year"])
    frame = table.to_pandas().astype({"practice_id": str})
    first = frame["practice_id"].drop_duplicates()
    assert first.is_unique
    assert len(first) == frame["practice_id"].nunique()
    ordered = frame.groupby("practice_id", sort=False, group_keys=False)[["person_id", "year"]].apply(
        lambda part: part.sort_values(["person_id", "year"])
    )
    assert ordered.index.equals(frame.index)


def test_costs_are_whole_euros_in_byte_stream_split_pages(study):
    file = pq.ParquetFile(study / "insured_years.parquet")
    encodings = {
        column.path_in_schema: column.encodings
        for column in (file.metadata.row_group(0).column(i) for i in range(file.metadata.num_columns))
    }
    assert "BYTE_STREAM_SPLIT" in encodings["cost_msz_eur"]
    assert "BYTE_STREAM_SPLIT" in encodings["cost_total_eur"]
    broken = rows(
        study,
        """SELECT count(*) FILTER (cost_msz_eur <> round(cost_msz_eur) OR cost_msz_eur > cost_total_eur
        OR cost_msz_eur < 0) AS n FROM insured_years""",
    )
    assert broken["n"].item() == 0


def test_every_file_carries_the_word_synthetic(study):
    for table in TABLES:
        assert b"synthetic" in pq.read_metadata(study / f"{table}.parquet").metadata[b"pluseval"]
    for name in ("README.md", "study.toml"):
        assert "ynthetic" in (study / name).read_text(encoding="utf-8")


def test_one_merger_among_the_comparators_goes_through_the_links(study):
    link = rows(study, "SELECT * FROM practice_links")
    assert link["kind"].tolist() == ["merger"]
    old = link["old_practice_id"].item()
    ends = rows(study, f"SELECT treated, end_date FROM practices WHERE practice_id = '{old}'")
    assert not ends["treated"].item()
    years = rows(study, f"SELECT max(year) AS y FROM practice_years WHERE practice_id = '{old}'")["y"].item()
    assert years == ends["end_date"].item().year == link["link_date"].item().year - 1
    later = rows(
        study,
        f"SELECT count(*) AS n FROM referrals WHERE practice_id = '{old}' AND year(referral_date) > {years}",
    )
    assert later["n"].item() == 0


def test_persons_move_are_born_and_die(study):
    moved = rows(
        study,
        """SELECT avg((a.practice_id <> b.practice_id)::INT) AS share FROM insured_years a
        JOIN insured_years b ON a.person_id = b.person_id AND b.year = a.year + 1 WHERE b.year <> 2018""",
    )["share"].item()
    population = SMALL.population
    assert 0.5 < moved / (population.movers * population.movers_within) < 1.2
    partial = rows(
        study,
        """SELECT count(*) FILTER (birth_year = year AND insured_days < 365) AS born,
        count(*) FILTER (birth_year < year - 60 AND insured_days < 365) AS died FROM insured_years""",
    )
    assert partial["born"].item() > 0
    assert partial["died"].item() > 0


def test_referrals_are_of_enlisted_persons_on_insured_days(study):
    strange = rows(
        study,
        """SELECT count(*) AS n FROM referrals r LEFT JOIN insured_years i
        ON r.person_id = i.person_id AND year(r.referral_date) = i.year AND r.practice_id = i.practice_id
        WHERE i.person_id IS NULL
        OR (i.birth_year < i.year AND dayofyear(r.referral_date) > i.insured_days)""",
    )
    assert strange["n"].item() == 0
    first = rows(study, "SELECT min(year(referral_date)) AS y FROM referrals WHERE destination = 'pluspunt'")
    assert first["y"].item() == SMALL.referrals.pluspunt_from


def test_questionnaires_are_sent_missing_and_not_answered_as_asked(study):
    surveys = rows(study, "SELECT * FROM surveys")
    sent = surveys.groupby(["practice_id", "wave"]).size()
    assert set(sent[sent.index.get_level_values(0).str.contains("-P")]) == {SMALL.surveys.sent}
    assert surveys.loc[~surveys["responded"], ["grade", "nps", "eq_vas", "eq_pain"]].isna().all().all()
    answered = surveys[surveys["responded"]]
    assert 0.005 < answered["grade"].isna().mean() < 0.08
    rates = surveys.groupby("wave")["responded"].mean()
    assert rates.iloc[-1] < rates.iloc[0]


def test_the_three_programmes_have_their_practices_and_learning_groups(tmp_path):
    names = ("OZL", "WM", "MH")
    folder = synthesize(
        tmp_path / "three",
        seed=3,
        parameters=Parameters.sized(programmes=names, comparators=6, patients=20_000),
    )
    practices = rows(folder, "SELECT * FROM practices")
    treated = practices[practices["treated"]]
    assert treated.groupby("programme").size().to_dict() == {"OZL": 14, "WM": 9, "MH": 15}
    assert treated[treated["programme"] == "OZL"].groupby("batch").size().tolist() == [5, 5, 4]
    assert treated.groupby("learning_group").size().between(4, 6).all()
    assert practices.loc[~practices["treated"], "start_date"].isna().all()
    assert load_study(folder).report.ok


def test_a_run_cut_short_leaves_what_was_there(study, tmp_path):
    target = synthesize(tmp_path / "kept", seed=1, parameters=SMALL)
    before = digest(target)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(target, seed=2, parameters=SMALL, progress=stop)
    assert digest(target) == before
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(DesignError, match="holds other files"):
        synthesize(tmp_path / "mine", seed=1, parameters=SMALL)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_the_bare_command_makes_a_planted_study(tmp_path):
    sized = ["--treated", "3", "--comparators", "4", "--patients", "2000"]
    done = CliRunner().invoke(app, ["synthesize", str(tmp_path / "s"), *sized])
    assert done.exit_code == 0
    truth = read_truth(tmp_path / "s")
    assert (truth["kind"], truth["planted"]["effects"]["name"]) == ("planted", "default")


def test_progress_counts_every_practice(tmp_path):
    calls: list[tuple[int, int]] = []
    synthesize(tmp_path / "s", seed=1, parameters=SMALL, progress=lambda *call: calls.append(call))
    assert calls == [(i + 1, 12) for i in range(12)]


def test_effects_come_from_a_file(tmp_path):
    file = tmp_path / "strong.toml"
    file.write_text(
        "[referral_percentage]\nsize = -4\nfrom_year = 2018\nbetween_practice_sd = 1.0\n[grade]\nsize = 0.3\n"
    )
    folder = synthesize(tmp_path / "s", seed=1, parameters=SMALL, effects=file)
    truth = read_truth(folder)
    planted = truth["planted"]["effects"]
    assert planted["name"] == "strong"
    assert planted["referral_percentage"] == {"size": -4, "from_year": 2018, "between_practice_sd": 1.0}
    own = truth["planted"]["outcomes"]["referral_percentage"]["by_practice"]
    assert len(set(own.values())) == 4
    assert truth["conditioned_on"] is None


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("[referrals]\nsize = 1\n", DesignError),
        ("[grade]\nstrength = 1\n", DesignError),
        ('[grade]\nsize = "big"\n', DesignError),
        ("[grade\n", UnreadableError),
    ],
)
def test_a_wrong_file_of_effects_is_refused(tmp_path, content, error):
    file = tmp_path / "effects.toml"
    file.write_text(content)
    with pytest.raises(error):
        effects_of(file)


def test_an_unknown_name_of_effects_is_refused():
    with pytest.raises(NotFoundError, match="benefit"):
        effects_of("miracle")


def test_effects_beyond_the_scale_are_refused(tmp_path):
    impossible = Effects("x", eq5d_utility=Effect(0.5, from_year=2017))
    with pytest.raises(DesignError, match="scale ends"):
        synthesize(tmp_path / "s", seed=1, parameters=SMALL, effects=impossible)
    assert not (tmp_path / "s").exists()


def test_a_conditioned_study_of_another_programme_is_refused(tmp_path):
    with pytest.raises(DesignError, match="OZL programme alone"):
        synthesize(
            tmp_path / "s", seed=1, kind="conditioned", parameters=Parameters.sized(programmes=("WM",))
        )


def test_a_small_conditioned_study_returns_the_published_difference_too(tmp_path):
    folder = synthesize(
        tmp_path / "s", seed=1, kind="conditioned", parameters=Parameters.sized(patients=30_000)
    )
    frame = pe.referral_percentage(load_study(folder)).cells
    rate = frame[frame["period"].isin([2018, 2019])].pivot(index="cluster", columns="period", values="y")
    treated = frame.groupby("cluster")["entry"].first().notna()
    fit = pooled_t((rate[2019] - rate[2018]).to_numpy(), treated.to_numpy())
    assert round(float(fit.estimate), 1) == PUBLISHED.referral_difference
    assert round(float(fit.p_value), 3) == PUBLISHED.referral_p
    assert read_truth(folder)["conditioned_on"]["referrals"]["scale"] < 1


def test_a_conditioned_study_is_refused_for_error_rates():
    with pytest.raises(ConditionedError):
        Source("s", "conditioned").refuse_conditioned("power")


def test_only_synthetic_studies_have_a_truth(tmp_path):
    with pytest.raises(NotFoundError):
        read_truth(tmp_path)
