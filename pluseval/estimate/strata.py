"""Strata of practices from their columns: tertiles of a number, or the levels of a text."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pluseval.errors import DesignError
from pluseval.numerics.assign import quantile_strata


def strata_of(columns: Mapping[str, np.ndarray], name: str, groups: int = 3) -> np.ndarray:
    """Codes of the strata of practices by one of their columns.

    Parameters
    ----------
    columns : mapping
        Practice-level columns (G,).
    name : str
    groups : int
        Number of quantile groups of a number, over all practices given.

    Raises
    ------
    DesignError
        No such column, or missing values in it.

    Examples
    --------
    >>> strata_of({"region": np.array(["Zuid", "Noord", "Zuid"])}, "region").tolist()
    [1, 0, 1]
    """
    if name not in columns:
        has = ", ".join(sorted(columns)) or "none"
        raise DesignError(
            f"strata={name!r}: the frame has no such practice column (it has: {has}); add it with "
            "frame.with_practices"
        )
    values = np.asarray(columns[name])
    if _is_text(values):
        missing = int(np.sum([v is None or v != v for v in values]))
        if missing:
            raise DesignError(f"strata={name!r}: {missing} practices have no value")
        return np.unique(values.astype(str), return_inverse=True)[1]
    numbers = values.astype(float)
    unknown = int((~np.isfinite(numbers)).sum())
    if unknown:
        raise DesignError(
            f"strata={name!r}: the value of {unknown} practices is missing or not finite; give it, or take "
            "another column"
        )
    return quantile_strata(numbers, groups=groups)


def within_words(columns: Mapping[str, np.ndarray], name: str | None, groups: int) -> str:
    """The strata in words, for a convention; empty without strata."""
    if name is None:
        return ""
    if _is_text(np.asarray(columns[name])):
        return f" within levels of {name}"
    return f" within {'tertiles' if groups == 3 else f'{groups} quantile groups'} of {name}"


def _is_text(values: np.ndarray) -> bool:
    return values.dtype.kind in "OUSb"
