"""Practices and persons drawn for tests of estimators: unequal lists, joiners of 2016 and 2017."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pluseval.data.frame import AnalysisFrame, Measure

PCT = Measure(
    "pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "percentage points",
    "procentpunten", "lower",
)  # fmt: skip
GRADE = Measure("grade", "report grade", "rapportcijfer", "points", "punten", "points", "punten", "higher")
YEARS = tuple(range(2013, 2020))
WINDOWS = ((2013, 2015), (2017, 2019))


def practice_rows(
    seed: int,
    *,
    n: int = 40,
    early: int = 8,
    late: int = 4,
    effect: float = 0.0,
    sd: float = 2.0,
    years=YEARS,
) -> pd.DataFrame:
    """One row per practice and year; ``early`` joined on 1 June 2016, ``late`` on 1 January 2017."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"practice": np.repeat(np.arange(n), len(years)), "year": np.tile(years, n)})
    entry = np.where(np.arange(n) < early, 2016, np.where(np.arange(n) < early + late, 2017, 0))
    start = {2016: "2016-06-01", 2017: "2017-01-01", 0: None}
    size = np.where(entry > 0, rng.lognormal(8.5, 0.4, n), rng.lognormal(8.0, 0.45, n)).round()
    data = data.assign(
        entry=entry[data.practice],
        list_size=size[data.practice],
        start_date=[start[e] for e in entry[data.practice]],
        pct=30 + rng.normal(0, 3, n)[data.practice] + rng.normal(0, sd, len(data)),
    )
    on = (data.entry > 0) & (data.year >= data.entry)
    return data.assign(pct=data.pct + effect * on)


def framed(data: pd.DataFrame) -> AnalysisFrame:
    return AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="pct", entry="entry", measure=PCT,
        covariates=[c for c in ("list_size", "start_date") if c in data],
    )  # fmt: skip


def person_rows(
    seed: int, *, n: int = 24, treated: int = 9, each: int = 12, effect: float = 0.0
) -> pd.DataFrame:
    """Answers of persons in two waves; every other person answers twice."""
    rng = np.random.default_rng(seed)
    practice = np.repeat(np.arange(n), each)
    both = pd.concat(
        [
            pd.DataFrame({"person": np.arange(n * each), "practice": practice, "wave": w})
            for w in (2016, 2018)
        ],
        ignore_index=True,
    )
    second = both.wave == 2018
    both.loc[second & (both.person % 2 == 1), "person"] += 100_000
    shock = rng.normal(0, 0.3, (n, 2))[both.practice, second.astype(int)]
    own = rng.normal(0, 0.7, 200_000)[both.person]
    entry = np.where(both.practice < treated, 2017, 0)
    grade = 8 + shock + own + rng.normal(0, 0.8, len(both)) + effect * ((entry > 0) & second)
    size = rng.integers(2000, 7000, n)[both.practice]
    return both.assign(entry=entry, grade=grade, list_size=size)


def framed_persons(data: pd.DataFrame) -> AnalysisFrame:
    return AnalysisFrame.from_pandas(
        data, unit="person", period="wave", y="grade", entry="entry", cluster="practice", measure=GRADE,
        covariates=["list_size"],
    )  # fmt: skip
