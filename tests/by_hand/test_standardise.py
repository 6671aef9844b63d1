"""Indirect standardisation, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.errors import DesignError
from pluseval.numerics.standardise import indirectly_standardise

# Two places, young and old. National rates: young (100 + 300) / 40 = 10, old (900 + 700) / 20 = 80.
EUROS = np.array([[100.0, 900.0], [300.0, 700.0]])
YEARS = np.array([[10.0, 15.0], [30.0, 5.0]])


def test_expected_is_the_national_rate_times_own_exposure():
    found = indirectly_standardise(EUROS, YEARS)
    np.testing.assert_allclose(found.rates, [10, 80])
    np.testing.assert_allclose(found.expected, [10 * 10 + 15 * 80, 30 * 10 + 5 * 80])
    np.testing.assert_allclose(found.ratio, [1000 / 1300, 1000 / 700])
    np.testing.assert_allclose(found.excess, [-300, 300])


def test_with_the_units_themselves_as_standard_the_excesses_cancel():
    assert indirectly_standardise(EUROS, YEARS).excess.sum() == pytest.approx(0)


def test_another_standard_can_be_given():
    found = indirectly_standardise(
        EUROS, YEARS, standard_numerator=np.array([5.0, 50.0]), standard_exposure=np.array([1.0, 1.0])
    )
    np.testing.assert_allclose(found.expected, [10 * 5 + 15 * 50, 30 * 5 + 5 * 50])


def test_the_age_structure_of_a_place_does_not_move_a_ratio_of_one():
    rates = np.array([10.0, 80.0])
    found = indirectly_standardise(YEARS * rates, YEARS)
    np.testing.assert_allclose(found.ratio, 1)


def test_bad_input_is_refused():
    with pytest.raises(DesignError, match="units x cells"):
        indirectly_standardise(EUROS, YEARS[:1])
    with pytest.raises(DesignError, match="1 cells have exposure in a unit and none in the standard"):
        indirectly_standardise(
            EUROS, YEARS, standard_numerator=np.array([1.0, 0.0]), standard_exposure=np.array([1.0, 0.0])
        )
    with pytest.raises(DesignError, match="1 units have no expected amount"):
        indirectly_standardise(EUROS, np.array([[10.0, 15.0], [0.0, 0.0]]))
    with pytest.raises(DesignError, match="finite"):
        indirectly_standardise(EUROS, -YEARS)
    with pytest.raises(DesignError, match="the standard has"):
        indirectly_standardise(EUROS, YEARS, standard_numerator=np.ones(3), standard_exposure=np.ones(3))


def test_the_callers_arrays_are_unchanged():
    euros, years = EUROS.copy(), YEARS.copy()
    indirectly_standardise(euros, years)
    assert (euros == EUROS).all() and (years == YEARS).all()
