"""Fixtures that every kind of test shares."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from pluseval.pipeline.plan import Outcome

# What the plan may ask of an outcome beside its primary contrast, which tests that need no more drop.
BESIDE = {
    name: field.get_default(call_default_factory=True)
    for name, field in Outcome.model_fields.items()
    if not field.is_required() and name not in ("options", "periods", "windows", "margin", "adjust")
}


def _helper(name: str):
    """A module of ``tests/by_hand`` that holds no test."""
    file = Path(__file__).parent / "by_hand" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def made():
    """The module of results made by hand (``tests/by_hand/_estimates.py``)."""
    return _helper("_estimates")


@pytest.fixture(scope="session")
def drawn():
    """The module that draws practices and persons for estimators (``tests/by_hand/_practices.py``)."""
    return _helper("_practices")


@pytest.fixture(scope="session")
def beside() -> dict[str, object]:
    """The plan's fields for what stands beside a primary contrast, each with the value for none of it."""
    return dict(BESIDE)
