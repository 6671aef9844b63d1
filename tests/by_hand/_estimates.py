"""Small results made by hand, for the tests of what may leave and how it is told."""

from __future__ import annotations

import math
from dataclasses import replace

from pluseval.data.frame import Measure
from pluseval.data.source import Source
from pluseval.estimate.result import Cell, Counts, Estimand, Estimate, EstimateSet

GRADE = Measure(
    key="grade",
    label="report grade",
    label_nl="rapportcijfer",
    unit="points (0-10)",
    unit_nl="punten (0-10)",
    difference_unit="points",
    difference_unit_nl="punten",
    better="higher",
    decimals=2,
)
COST = Measure(
    key="cost_msz_eur",
    label="MSZ cost per insured-year",
    label_nl="MSZ-kosten per verzekerdejaar",
    unit="EUR per insured-year",
    unit_nl="EUR per verzekerdejaar",
    difference_unit="EUR",
    difference_unit_nl="EUR",
    better="lower",
    decimals=0,
    additive=True,
)
REFERRALS = Measure(
    key="referral_percentage",
    label="referral percentage",
    label_nl="verwijspercentage",
    unit="referrals per 100 enlisted",
    unit_nl="verwijzingen per 100 ingeschrevenen",
    difference_unit="percentage points",
    difference_unit_nl="procentpunten",
    better="lower",
    per=100.0,
    decimals=2,
)
ESTIMAND = Estimand(
    population="enlisted on 1 July",
    unit="practice",
    weight="each practice equally",
    contrast="2013-2015 v 2017-2019",
    scale="difference",
    assumption="parallel trends",
)
REAL = Source("hand-made study", "real", "ab" * 32)
CONDITIONED = Source("OZL synthetic study", "conditioned", "cd" * 32)
PLANTED = Source("OZL synthetic study", "planted", "ef" * 32)


def cell(group="programme", period="2019", persons=70_000, practices=14, shares=0.1):
    """One group in one period; ``shares`` for the four shares of largest contributors."""
    if not isinstance(shares, tuple):
        shares = (shares,) * 4
    return Cell(group, period, persons, practices, *shares)


def counts(*cells, **choices):
    """Evidence of 14 + 56 practices unless cells are given."""
    return Counts(cells or (cell(), cell("comparison", persons=170_000, practices=56)), **choices)


def normal(centre, se):
    """Interval and test of a plain normal procedure, so that other levels can be asked for."""
    quantile = {0.9: 1.6448536269514722, 0.95: 1.959963984540054, 0.8: 1.2815515655446004}

    def interval(level):
        z = quantile[round(level, 6)]
        return centre - z * se, centre + z * se

    def test(value):
        return math.erfc(abs(centre - value) / se / math.sqrt(2))

    return interval, test


def estimate(value=-2.4, se=1.0, *, term="change", measure=REFERRALS, source=REAL, evidence=None, **fields):
    """An estimate with a normal interval, its own test, and evidence that passes the default rules."""
    interval, test = normal(value, se)
    low, high = interval(0.95)
    null = 1.0 if fields.get("scale") == "ratio" else 0.0
    made = Estimate(
        term=term,
        estimate=value,
        std_error=se,
        statistic=(value - null) / se,
        df=68.0,
        p_value=test(null),
        conf_low=low,
        conf_high=high,
        measure=measure,
        estimand=ESTIMAND,
        counts=evidence or counts(),
        source=source,
        method="difference in differences",
        inference="OLS on changes, pooled t(68)",
        nobs=70,
        n_clusters=70,
        interval=interval,
        test=test,
    )
    return replace(made, **fields) if fields else made


def level(value, *, group="programme", at=2019.0, term=None, measure=GRADE, source=REAL, se=0.05, **fields):
    """A level of a group in a year, without a test."""
    practices = 14 if group == "programme" else 56
    evidence = counts(cell(group, f"{at:g}", 1_000, practices))
    return estimate(
        value,
        se,
        term=term or f"{group} {at:g}",
        measure=measure,
        source=source,
        evidence=evidence,
        scale="level",
        group=group,
        at=at,
        p_value=math.nan,
        statistic=math.nan,
        **fields,
    )


def trajectory(name, programme, comparison=None, *, years=None, measure=GRADE, source=REAL):
    """Levels by year of one or both groups."""
    years = years or range(2016, 2016 + len(programme))
    made = [
        level(v, at=float(y), measure=measure, source=source) for y, v in zip(years, programme, strict=True)
    ]
    for y, v in zip(years, comparison or (), strict=False):
        made.append(level(v, group="comparison", at=float(y), measure=measure, source=source))
    return EstimateSet(name, f"{measure.label} by year", tuple(made), display="trajectory")


def named(name, *estimates, display="effects", **fields):
    """A set of estimates."""
    return EstimateSet(name, fields.pop("title", name), estimates or (estimate(),), display=display, **fields)
