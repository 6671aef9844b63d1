"""Fixtures that every kind of test shares."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def made():
    """The module of results made by hand (``tests/by_hand/_estimates.py``)."""
    file = Path(__file__).parent / "by_hand" / "_estimates.py"
    spec = importlib.util.spec_from_file_location("_estimates", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules["_estimates"] = module
    spec.loader.exec_module(module)
    return module
