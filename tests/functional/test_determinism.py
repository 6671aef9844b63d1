"""The same bytes from the same content: whatever the threads, the order of rows or the file format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pluseval.pipeline.run import Run, run

TABLES = ("practices", "practice_links", "practice_years", "insured_years", "referrals", "surveys")


def shuffled(study: Path, folder: Path, *, seed: int, suffix: str) -> Path:
    """The same study with its rows (and columns) in another order."""
    shutil.copytree(study, folder)
    rng = np.random.default_rng(seed)
    for table in TABLES:
        file = folder / f"{table}.parquet"
        rows = pd.read_parquet(file)
        rows = rows.iloc[rng.permutation(len(rows)), rng.permutation(rows.shape[1])]
        if suffix == ".csv":
            file.unlink()
            rows.to_csv(folder / f"{table}.csv", index=False)
        else:
            rows.to_parquet(file, index=False)
    return folder


@pytest.fixture(scope="session")
def one_thread(planted_study: Path, short_plan: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUSEVAL_THREADS", "1")
        return run(planted_study, plan=short_plan, out=tmp_path_factory.mktemp("one") / "results")


@pytest.mark.parametrize(("threads", "suffix"), [(2, ".parquet"), (8, ".csv")])
def test_threads_and_order_of_rows_change_no_byte(
    planted_study: Path,
    short_plan: Path,
    one_thread: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    contents: Callable[[Path], dict[str, bytes]],
    threads: int,
    suffix: str,
):
    monkeypatch.setenv("PLUSEVAL_THREADS", str(threads))
    study = shuffled(planted_study, tmp_path / "study", seed=threads, suffix=suffix)
    again = run(study, plan=short_plan, out=tmp_path / "results")
    assert again.folder.name == one_thread.folder.name
    before, after = contents(one_thread.folder), contents(again.folder)
    assert len(before) > 40
    assert {name for name in before | after if before.get(name) != after.get(name)} == set()


def test_no_path_user_host_or_time_is_written(one_thread: Run, planted_study: Path, tmp_path_factory):
    places = {
        str(planted_study),
        str(one_thread.folder),
        str(Path.home()),
        str(tmp_path_factory.getbasetemp()),
    }
    texts = [f.read_text(encoding="utf-8") for f in one_thread.folder.rglob("*") if f.is_file()]
    assert not [place for place in places for text in texts if place in text]
