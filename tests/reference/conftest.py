"""Where the tests that compare with R find their data and values.

By default the project's own copy beside this file; with ``PLUSEVAL_REFERENCE`` another folder that holds
``data/`` and ``values/``, so that the same tests run on other draws. Data that may not be copied into the
project are read from ``PLUSEVAL_SHARED`` (default ``../shared`` beside the project) and skipped where absent.
"""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

PROJECT = Path(__file__).resolve().parents[2]


def _reference_folder() -> Path:
    return Path(os.environ.get("PLUSEVAL_REFERENCE") or Path(__file__).resolve().parent)


_R_NUMBERS = {"NA": None, "NaN": None, "Inf": math.inf, "-Inf": -math.inf}  # as jsonlite may write them


class Answers(dict):
    """R's answers by name; to ask for one that R could not give (its error is stored) skips the test."""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if isinstance(value, dict) and list(value) == ["error"]:
            pytest.skip(f"R gave no {key}: {next(iter(value.values()))}")
        return value


def answers(text: str) -> Any:
    """The numbers of an oracle, however R wrote what is missing or infinite."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return Answers({name: plain(item) for name, item in value.items()})
        if isinstance(value, list):
            return [plain(item) for item in value]
        return _R_NUMBERS.get(value, value) if isinstance(value, str) else value

    return plain(json.loads(text))


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
    return lambda name: answers(_values(_reference_folder(), name))


@pytest.fixture(scope="session")
def reference_data() -> Callable[[str], pd.DataFrame]:
    """``reference_data("practice_year_referrals")`` gives a fresh copy of that csv."""
    return lambda name: _data(_reference_folder(), name).copy()


@pytest.fixture(scope="session")
def shared_values(shared_data) -> Callable[[str], dict]:
    """``shared_values("sleepstudy")``: an oracle of public data, from the reference folder if it is there."""

    def find(name: str) -> dict:
        for folder in (_reference_folder(), shared_data() / "reference"):
            path = folder / "values" / f"{name}.json"
            if path.exists():
                return answers(path.read_text(encoding="utf-8"))
        pytest.skip(f"no {name}.json in the reference folder or among the shared data")

    return find


@pytest.fixture(scope="session")
def shared_data() -> Callable[[], Path]:
    """``shared_data()`` gives the folder of data that are not copied here, or skips the test."""

    def find() -> Path:
        folder = Path(os.environ.get("PLUSEVAL_SHARED") or PROJECT / ".." / "shared").resolve()
        if not folder.is_dir():
            pytest.skip("the shared data are not here; set PLUSEVAL_SHARED to their folder")
        return folder

    return find
