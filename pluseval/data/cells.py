"""Single cells of files and frames, as the contract reads them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pandas as pd


def is_empty(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, NaT or an empty text."""
    return value is None or value is pd.NaT or value is pd.NA or value == "" or (value != value)  # NaN


def as_text(value: Any) -> str:
    """A cell as text that the contract reads back: ISO dates, decimal points, no ``.0``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == datetime.min.time() else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def as_date(value: Any) -> date | None:
    """A cell as a day."""
    if is_empty(value):
        return None
    return value.date() if isinstance(value, datetime) else value
