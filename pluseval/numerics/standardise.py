"""Indirect standardisation: what a place would have had at the rates of a standard population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pluseval.errors import DesignError


@dataclass(frozen=True)
class IndirectlyStandardised:
    """Observed and expected sums of each unit.

    Attributes
    ----------
    observed, expected : (U,) arrays
        In the unit of the numerator. ``expected`` applies the standard's rate of each cell to the unit's
        exposure.
    ratio : (U,) array
        observed / expected.
    excess : (U,) array
        observed - expected, in the unit of the numerator.
    rates : (C,) array
        The standard's rates.
    """

    observed: np.ndarray
    expected: np.ndarray
    ratio: np.ndarray
    excess: np.ndarray
    rates: np.ndarray


def indirectly_standardise(
    numerator: np.ndarray,
    exposure: np.ndarray,
    *,
    standard_numerator: np.ndarray | None = None,
    standard_exposure: np.ndarray | None = None,
) -> IndirectlyStandardised:
    """Observed against expected sums, the expectation from a standard's rates per cell (age class x sex).

    Ratios of different units share the rates but not the age structure: each compares a unit with the
    standard, not two units with one another.

    Parameters
    ----------
    numerator, exposure : (U, C) arrays
        Sums (euros) and denominators (insured-years) per unit and cell; a cell that a unit does not have is 0
        in both.
    standard_numerator, standard_exposure : (C,) arrays, optional
        The standard population; by default the sum of all units.

    Returns
    -------
    IndirectlyStandardised

    Raises
    ------
    DesignError
        Shapes that do not agree, values that are not finite, a negative exposure, a cell in which a unit has
        exposure and the standard none, or a unit without any expected amount.

    References
    ----------
    Breslow and Day (1987), Statistical Methods in Cancer Research II, chapter 2. Equals
    ``PHEindicatormethods::calculate_ISRatio`` (value, with ``refvalue`` 1).

    Examples
    --------
    >>> euros, years = np.array([[30.0, 10.0], [10.0, 10.0]]), np.array([[10.0, 5.0], [10.0, 5.0]])
    >>> indirectly_standardise(euros, years).ratio.round(3)
    array([1.333, 0.667])
    """
    numerator, exposure = np.asarray(numerator, float), np.asarray(exposure, float)
    if numerator.ndim != 2 or numerator.shape != exposure.shape:
        raise DesignError(
            f"numerator {numerator.shape} and exposure {exposure.shape} must be units x cells alike"
        )
    top = numerator.sum(axis=0) if standard_numerator is None else np.asarray(standard_numerator, float)
    base = exposure.sum(axis=0) if standard_exposure is None else np.asarray(standard_exposure, float)
    if top.shape != numerator.shape[1:] or base.shape != top.shape:
        raise DesignError(
            f"the standard has {top.shape} and {base.shape} cells, the units {numerator.shape[1:]}"
        )
    if not all(np.isfinite(a).all() for a in (numerator, exposure, top, base)) or (exposure < 0).any():
        raise DesignError("sums and exposures must be finite, exposures not negative")
    unknown = int(((base <= 0) & (exposure > 0).any(axis=0)).sum())
    if unknown:
        raise DesignError(
            f"{unknown} cells have exposure in a unit and none in the standard: their rate is unknown"
        )
    rates = np.divide(top, base, out=np.zeros_like(top), where=base > 0)
    observed, expected = numerator.sum(axis=1), exposure @ rates
    if (expected <= 0).any():
        raise DesignError(f"{int((expected <= 0).sum())} units have no expected amount; leave them out")
    return IndirectlyStandardised(
        observed=observed,
        expected=expected,
        ratio=observed / expected,
        excess=observed - expected,
        rates=rates,
    )
