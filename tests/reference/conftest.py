"""Where the tests that compare with R find their data and values.

By default the project's own copy beside this file; with ``PLUSEVAL_REFERENCE`` another folder that holds
``data/`` and ``values/``, so that the same tests run on other draws. Data that may not be copied into the
project are read from ``PLUSEVAL_SHARED`` (default ``../shared`` beside the project) and skipped where absent.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

PROJECT = Path(__file__).resolve().parents[2]


def _reference_folder() -> Path:
    return Path(os.environ.get("PLUSEVAL_REFERENCE") or Path(__file__).resolve().parent)


@functools.cache
def _values(folder: Path, name: str) -> str:
    path = folder / "values" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"no {path.name} in the reference folder (PLUSEVAL_REFERENCE)")
    return path.read_text(encoding="utf-8")


@functools.cache
def _data(folder: Path, name: str) -> pd.DataFrame:
    path = folder / "data" / (name if name.endswith(".csv") else f"{name}.csv")
    if not path.exists():
        pytest.skip(f"no {path.name} in the reference folder (PLUSEVAL_REFERENCE)")
    return pd.read_csv(path)


@pytest.fixture(scope="session")
def reference() -> Callable[[str], dict]:
    """``reference("gee")`` gives the whole oracle as a dict; R's numbers stand under ``["results"]``."""
    return lambda name: json.loads(_values(_reference_folder(), name))


@pytest.fixture(scope="session")
def reference_data() -> Callable[[str], pd.DataFrame]:
    """``reference_data("practice_year_referrals")`` gives a fresh copy of that csv."""
    return lambda name: _data(_reference_folder(), name).copy()


@pytest.fixture(scope="session")
def shared_data() -> Callable[[], Path]:
    """``shared_data()`` gives the folder of data that are not copied here, or skips the test."""

    def find() -> Path:
        folder = Path(os.environ.get("PLUSEVAL_SHARED") or PROJECT / ".." / "shared").resolve()
        if not folder.is_dir():
            pytest.skip("the shared data are not here; set PLUSEVAL_SHARED to their folder")
        return folder

    return find
