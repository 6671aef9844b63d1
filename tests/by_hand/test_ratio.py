"""Changes on the ratio scale, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.errors import DesignError
from pluseval.estimate.did import did
from pluseval.estimate.inference import OLS, ClusterRobust, Welch
from pluseval.estimate.margin import noninferiority
from pluseval.estimate.ratio import rate_ratio_did

COST = Measure("cost", "cost", "kosten", "EUR", "euro", "EUR", "euro", "lower", decimals=0, additive=True)


def framed(numerators: dict[str, tuple], exposures: dict[str, tuple], treated: str) -> AnalysisFrame:
    rows = [
        (p, 2018 + i, numerators[p][i] / exposures[p][i], exposures[p][i], 2016 if p in treated else 0)
        for p in numerators
        for i in range(2)
    ]
    data = pd.DataFrame(rows, columns=["practice", "year", "cost", "years", "entry"])
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="cost", entry="entry", measure=COST, exposure="years"
    )


COSTS = {"A": (900, 1000), "B": (1900, 2300), "C": (1100, 1200), "D": (1000, 1300), "E": (2100, 2400)}
YEARS = {"A": (10, 11), "B": (20, 20), "C": (10, 10), "D": (11, 10), "E": (20, 21)}


def test_without_covariates_it_is_the_ratio_of_ratios_of_sums():
    result = rate_ratio_did(framed(COSTS, YEARS, "AB"), inference=ClusterRobust("CR2"))
    programme = (3300 / 31) / (2800 / 30)
    comparison = (4900 / 41) / (4200 / 41)
    assert result.estimate == pytest.approx(programme / comparison, rel=1e-9)
    assert result.scale == "ratio" and result.null == 1.0
    assert result.conf_low < result.estimate < result.conf_high
    assert result.p_at(1.0) == pytest.approx(result.p_value)
    for end in (result.conf_low, result.conf_high):
        assert result.p_at(end) == pytest.approx(0.05, abs=1e-9)


def test_equal_percentage_growth_from_a_lower_base_is_a_ratio_of_one_and_fewer_euros():
    growth, years = 1.1, {p: (10, 10) for p in "ABCDEF"}
    wobble = dict(zip("ABCDEF", (1, -1, 0, 1, -1, 0), strict=True))
    base = dict(zip("ABCDEF", (800, 800, 800, 1000, 1000, 1000), strict=True))
    costs = {p: (base[p], base[p] * growth * (1 + 0.01 * wobble[p])) for p in base}
    frame = framed(costs, years, "ABC")
    ratio = rate_ratio_did(frame, inference=ClusterRobust("CR2"))
    assert ratio.estimate == pytest.approx(1.0)
    assert did(frame, inference=Welch()).estimate == pytest.approx(-2.0)  # 8 against 10 euros


def test_a_margin_on_the_ratio_scale_is_a_ratio():
    frame = framed(COSTS, YEARS, "AB")
    result = rate_ratio_did(frame, inference=ClusterRobust("CR2"), margin=1.5)
    assert noninferiority(result).limit == 1.5
    with pytest.raises(DesignError, match="above 1"):
        rate_ratio_did(frame, inference=ClusterRobust("CR2"), margin=0.05)


def test_what_a_ratio_cannot_answer_is_refused():
    negative = {**COSTS, "C": (-100, 1200)}
    with pytest.raises(DesignError, match="negative"):
        rate_ratio_did(framed(negative, YEARS, "AB"), inference=ClusterRobust("CR2"))
    silent = {**COSTS, "A": (0, 1000), "B": (0, 2300)}
    with pytest.raises(DesignError, match="no event in the programme group"):
        rate_ratio_did(framed(silent, YEARS, "AB"), inference=ClusterRobust("CR2"))
    with pytest.raises(DesignError, match="use ClusterRobust"):
        rate_ratio_did(framed(COSTS, YEARS, "AB"), inference=OLS())
    with pytest.raises(DesignError, match="positive value"):
        rate_ratio_did(framed(COSTS, YEARS, "AB"), inference=ClusterRobust("CR2")).p_at(-1.0)


def test_it_does_not_depend_on_the_unit_of_money():
    cents = {p: tuple(100 * c for c in pair) for p, pair in COSTS.items()}
    one = rate_ratio_did(framed(COSTS, YEARS, "AB"), inference=ClusterRobust("CR2"))
    two = rate_ratio_did(framed(cents, YEARS, "AB"), inference=ClusterRobust("CR2"))
    assert np.allclose(
        [one.estimate, one.std_error, one.df], [two.estimate, two.std_error, two.df], rtol=1e-8
    )
