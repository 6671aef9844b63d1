"""Columns of a caller's table as numbers: what is none is counted, and never shown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pluseval.errors import DesignError


def numbers(data: pd.DataFrame, column: str) -> pd.Series:
    """The column as floats, NaN where a value is missing.

    Raises
    ------
    DesignError
        Dates, or values that are neither missing nor numbers.

    Examples
    --------
    >>> numbers(pd.DataFrame({"cost": ["12", None]}), "cost").tolist()
    [12.0, nan]
    """
    values = data[column]
    if values.dtype.kind in "mM":
        raise DesignError(f"from_pandas: {column} holds dates; give numbers (of a date its year)")
    found = pd.to_numeric(values, errors="coerce").astype(float)
    odd = int((found.isna() & values.notna()).sum())
    if odd:
        raise DesignError(f"from_pandas: {column} holds no number in {odd} of {len(data)} rows; give numbers")
    return found


def known_numbers(data: pd.DataFrame, column: str, advice: str) -> pd.Series:
    """The column as floats, all of them finite.

    Raises
    ------
    DesignError
        As :func:`numbers`, or values that are missing or infinite, with the advice.
    """
    found = numbers(data, column)
    unknown = int((~np.isfinite(found)).sum())
    if unknown:
        raise DesignError(
            f"from_pandas: {column} is missing or infinite in {unknown} of {len(data)} rows; {advice}"
        )
    return found


def as_period(data: pd.DataFrame, column: str) -> pd.Series:
    """Periods as integers.

    Raises
    ------
    DesignError
        As :func:`numbers`, or periods that are missing or not whole.
    """
    found = numbers(data, column)
    if not np.isfinite(found).all() or (found != found.round()).any():
        raise DesignError(
            f"from_pandas: period must be whole numbers without missing values (a year, a wave), "
            f"and {column} is not; give the year"
        )
    return found.astype("int64")


def as_entry(data: pd.DataFrame, column: str) -> pd.Series:
    """First treated periods, NaN for never treated (NaN, 0 or infinity in the data).

    Raises
    ------
    DesignError
        As :func:`numbers`, or periods that are not whole.

    Examples
    --------
    >>> as_entry(pd.DataFrame({"joined": [2016, 0, float("inf")]}), "joined").tolist()
    [2016.0, nan, nan]
    """
    found = numbers(data, column)
    found = found.where(np.isfinite(found) & (found != 0))
    if (found.notna() & (found != found.round())).any():
        raise DesignError(
            f"from_pandas: {column} must be whole numbers, the first treated period; of a start within a "
            "year give that year, and its part to dose_did"
        )
    return found
