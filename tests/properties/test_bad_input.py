"""Every estimator on every kind of bad input: help in words, or an answer that says what it lacks.

A cell of the matrix passes where the estimator refuses with an error of pluseval that says what to do and
shows nobody's value, or where its answer is finite but for what its procedure never has (the degrees of
freedom of a permutation) and what its own words announce. By default the cheap estimators meet every input
and the others the worst; ``PLUSEVAL_EVERY_CELL=1`` runs the whole matrix (about a minute).
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pluseval as pe
from pluseval.errors import PlusevalError

COST = pe.Measure(
    "cost", "cost per insured-year", "kosten", "EUR", "EUR", "EUR", "EUR", "lower", additive=True
)
YEARS = np.arange(2013, 2019)
PROGRAMME, COMPARISON = 4, 6
NAMES = [f"Zonnestraal{i:02d}" for i in range(PROGRAMME + COMPARISON)]
OUTLIER = 987654.321
FIELDS = ("estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high")
ANNOUNCED = ("one practice, no interval", "open end", "no value is compatible", "no interval was asked for")
ADVICE = re.compile(
    r"\b(use|give|add|check|compare|choose|leave|drop|keep|name|pool|needs?|describe|join|see|rename|must|state"
    r"|lies? between|ask|fewer|as|at least)\b"
)
WINDOWS: dict[str, Any] = {"windows": ((2013, 2015), (2017, 2018)), "level": 0.8}
YEAR_PAIR: dict[str, Any] = {"periods": (2015, 2017), "level": 0.8}
LEVEL: dict[str, Any] = {"level": 0.8}
EXACT, FEW = pe.Permutation(draws=19, seed=1), {"draws": 19, "seed": 1}
INFERENCES: dict[str, Any] = {
    "OLS": pe.OLS(),
    "Welch": pe.Welch(),
    **{kind: pe.ClusterRobust(kind) for kind in ("CR0", "CR1", "CR1S", "CR1P", "CR2", "CR3")},
    "CR1, t(G - 1)": pe.ClusterRobust("CR1", df="clusters"),
    "permutation": EXACT,
    "permutation, equal tails": pe.Permutation(**FEW, tails="equal"),
    "permutation of the coefficient": pe.Permutation(**FEW, statistic="coefficient"),
    "permutation within strata": pe.Permutation(**FEW, strata="size"),
    "wild, Rademacher": pe.WildBootstrap(**FEW),
    "wild, Webb": pe.WildBootstrap(**FEW, weights="webb"),
    "wild, Mammen, unrestricted": pe.WildBootstrap(**FEW, weights="mammen", restricted=False),
}
Ask = Callable[[pe.AnalysisFrame], Any]
OF_PRACTICES: dict[str, Ask] = {
    **{
        f"did, {name}": (lambda f, i=i: pe.did(f, inference=i, margin=2.0, **WINDOWS))
        for name, i in INFERENCES.items()
    },
    "did, adjusted": lambda f: pe.did(f, inference=pe.ClusterRobust(), adjust=["log(size)"], **WINDOWS),
    "did, permuted, adjusted": lambda f: pe.did(f, inference=EXACT, adjust=["log(size)"], **WINDOWS),
    "did, exposure": lambda f: pe.did(f, inference=pe.ClusterRobust(), weights="exposure", **WINDOWS),
    "did, mean of ratios": lambda f: pe.did(f, inference=pe.OLS(), average="mean_of_ratios", **WINDOWS),
    "single_arm, SignFlip": lambda f: pe.single_arm(f, inference=pe.SignFlip(draws=64), **WINDOWS),
    "single_arm, OLS": lambda f: pe.single_arm(f, inference=pe.OLS(), **WINDOWS),
    "waves": lambda f: pe.waves(f, inference=pe.SignFlip(draws=64), **LEVEL),
    "event_study": lambda f: pe.event_study(f, inference=pe.Welch(), **LEVEL),
    "adjacent_changes": lambda f: pe.adjacent_changes(f, inference=pe.OLS(), joint=pe.MaxT(**FEW), **LEVEL),
    "staggered_did": lambda f: pe.staggered_did(f, comparison="not_yet_treated", **LEVEL),
    "staggered_did, adjusted": lambda f: pe.staggered_did(f, adjust=["log(size)"], **LEVEL),
    "staggered_did, permuted": lambda f: pe.staggered_did(f, inference=EXACT, **LEVEL),
    "imputation_did": lambda f: pe.imputation_did(f, **LEVEL),
    "imputation_did, permuted": lambda f: pe.imputation_did(f, inference=EXACT, **LEVEL),
    "sun_abraham": lambda f: pe.sun_abraham(f, **LEVEL),
    "synthetic_did": lambda f: pe.synthetic_did(
        f, inference=pe.Permutation(**FEW, statistic="coefficient"), interval=False, **LEVEL
    ),
    "goodman_bacon": pe.goodman_bacon,
    "dose_did": lambda f: pe.dose_did(
        f, inference=pe.ClusterRobust(), start="start", windows=((2013, 2015), (2016, 2018)), **LEVEL
    ),
    "rate_ratio_did": lambda f: pe.rate_ratio_did(f, inference=pe.ClusterRobust(), **WINDOWS),
    "rate_ratio_did, permuted": lambda f: pe.rate_ratio_did(f, inference=EXACT, **WINDOWS),
    "serial_did": lambda f: pe.serial_did(f, **WINDOWS),
    "robustness": lambda f: pe.robustness(f, seed=1, draws=19, size="size", **YEAR_PAIR),
    "specification_curve": lambda f: pe.specification_curve(
        f, windows=[WINDOWS["windows"]], inferences={"pooled": pe.OLS()},
        estimators=("did", "imputation", "gee"), **LEVEL,
    ),
    "honest_did": lambda f: pe.honest_did(f, seed=1, relative=[1.0], **LEVEL),
    "pretrend_check": lambda f: pe.pretrend_check(f, inference=pe.Welch(), power=(0.8,), **LEVEL),
    "placebo_periods": lambda f: pe.placebo_periods(f, inference=pe.Welch(), **LEVEL),
    "placebo_outcomes": lambda f: pe.placebo_outcomes({"a": f}, inference=pe.OLS(), **WINDOWS),
    "baseline_check": lambda f: pe.baseline_check(f, inference=pe.Welch(), after=(2017, 2018), **LEVEL),
    "leave_one_out": lambda f: pe.leave_one_out(f, inference=pe.Welch(), **YEAR_PAIR),
    "effect_heterogeneity": lambda f: pe.effect_heterogeneity(f, **WINDOWS),
    "effect_modifier": lambda f: pe.effect_modifier(f, "size", inference=pe.ClusterRobust(), **WINDOWS),
    "minimal_detectable_effect": lambda f: pe.minimal_detectable_effect(
        f, inference=pe.Welch(), draws=100, seed=1, match="size", periods=(2014, 2015)
    ),
    "noninferiority": lambda f: pe.noninferiority(_with_margin(f, pe.Welch())),
    "equivalence": lambda f: pe.equivalence(_with_margin(f, EXACT), level=0.8),
    "conjunction": lambda f: pe.conjunction([_with_margin(f, pe.Welch())], [_with_margin(f, pe.OLS())]),
    "at_least_one": lambda f: pe.at_least_one(
        {"a": f, "b": f}, inference=pe.MaxT(**FEW), windows=WINDOWS["windows"]
    ),
    "adjust_many": lambda f: pe.adjust_many(pe.adjacent_changes(f, inference=pe.Welch())),
    "group_means": lambda f: pe.group_means(f, by=((2013, 2015), (2017, 2018)), **LEVEL),
}  # fmt: skip
OF_PERSONS: dict[str, Ask] = {
    **{
        f"mixed_did, {method}": (lambda f, m=method: pe.mixed_did(f, method=m, **YEAR_PAIR))
        for method in ("kenward_roger", "satterthwaite", "profile", "cr2")
    },
    "gee_did": lambda f: pe.gee_did(f, **YEAR_PAIR),
    "gee_did, poisson": lambda f: pe.gee_did(f, family="poisson", **YEAR_PAIR),
}


def _with_margin(frame: pe.AnalysisFrame, inference: Any) -> pe.Estimate:
    return pe.did(frame, inference=inference, margin=2.0, **WINDOWS)


@cache
def study() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n, years = len(NAMES), YEARS.size
    entry = np.where(np.arange(n) < PROGRAMME, np.where(np.arange(n) < PROGRAMME // 2, 2016, 2017), 0)
    size = rng.integers(2000, 7000, n)
    return pd.DataFrame(
        {
            "practice": np.repeat(NAMES, years),
            "year": np.tile(YEARS, n),
            "entry": np.repeat(entry, years).astype(float),
            "y": (rng.normal(40, 3, (n, 1)) + rng.normal(0, 2, (n, years))).ravel(),
            "exposure": np.repeat(size, years) + rng.integers(1, 90, n * years).astype(float),
            "size": np.repeat(size, years).astype(float),
            "region": np.repeat(np.where(np.arange(n) % 2, "Noord", "Zuid"), years),
            "spread": 1.0,
            "start": np.repeat([f"{e}-06-01" if e else None for e in entry], years),
        }
    )


def of_practices(data: pd.DataFrame) -> pe.AnalysisFrame:
    return pe.AnalysisFrame.from_pandas(
        data, unit="practice", period="year", y="y", entry="entry", measure=COST, exposure="exposure",
        covariates=("size", "region", "start"),
    )  # fmt: skip


def of_persons(data: pd.DataFrame) -> pe.AnalysisFrame:
    """Three persons a practice in every year; ``spread`` is how much they differ."""
    rows = data.loc[data.index.repeat(3)].reset_index(drop=True)
    rows["person"] = rows["practice"].astype(str) + "/" + (np.arange(len(rows)) % 3).astype(str)
    rows["y"] += np.random.default_rng(8).normal(0, 1, len(rows)) * rows["spread"]
    return pe.AnalysisFrame.from_pandas(
        rows, unit="person", cluster="practice", period="year", y="y", entry="entry", measure=COST,
        covariates=("size", "region", "start"),
    )  # fmt: skip


def _only(programme: int, comparison: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    kept = [*NAMES[:programme], *NAMES[PROGRAMME : PROGRAMME + comparison]]
    return lambda d: d[d["practice"].isin(kept)]


def _entry(when: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda d: d.assign(entry=np.where(d["entry"] > 0, when, 0))


def _first(d: pd.DataFrame) -> pd.Series:
    return d.groupby("practice")["y"].transform("first")


def _at(column: str, value: Any, *, practice: int = 0, year: int | None = None) -> Callable:
    def changed(d: pd.DataFrame) -> pd.DataFrame:
        here = (d["practice"] == NAMES[practice]) & ((d["year"] == year) | (year is None))
        return d.assign(**{column: d[column].where(~here, value)})

    return changed


BAD: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "a practice with one period": lambda d: d[(d["practice"] != NAMES[0]) | (d["year"] == 2015)],
    "no practice with every period": lambda d: d[(np.arange(len(d)) % 6) != (np.arange(len(d)) // 6 % 6)],
    "zero variance": lambda d: d.assign(y=7.25, spread=0.0),
    "no practice ever changes": lambda d: d.assign(y=_first(d), spread=0.0),
    "equal changes within groups": lambda d: d.assign(
        y=1.1 + 0.1 * (d["year"] - 2013) * np.where(d["entry"] > 0, 3, 1), spread=0.0
    ),
    "a constant programme": lambda d: d.assign(y=d["y"].where(d["entry"] == 0, 7.25), spread=0.0),
    "a constant comparison": lambda d: d.assign(y=d["y"].where(d["entry"] > 0, 7.25), spread=0.0),
    "changes lost in rounding": lambda d: d.assign(y=1e17 + d["y"]),
    "all-zero counts": lambda d: d.assign(y=0.0, spread=0.0),
    "zero counts of the programme": lambda d: d.assign(y=d["y"].where(d["entry"] == 0, 0.0), spread=0.0),
    "zero counts before": lambda d: d.assign(y=d["y"].where(d["year"] > 2015, 0.0), spread=0.0),
    "a practice of zeros": _at("y", 0.0, practice=PROGRAMME),
    "negative counts": _at("y", -3.0),
    "zeros and ones": lambda d: d.assign(y=(d["y"] > 40).astype(float), spread=0.0),
    "an outlier": _at("y", OUTLIER, year=2017),
    "a tiny exposure": _at("exposure", 1e-9),
    "G = 2": _only(1, 1),
    "G = 3": _only(2, 1),
    "G = 4": _only(2, 2),
    "one treated unit": _only(1, COMPARISON),
    "two treated units": _only(2, COMPARISON),
    "one comparison practice": _only(PROGRAMME, 1),
    "no comparison practice": _only(PROGRAMME, 0),
    "no treated unit": _only(0, COMPARISON),
    "a single practice": _only(1, 0),
    "treated before the first period": _entry(2010),
    "treated from the first period": _entry(2013),
    "some treated from the start": lambda d: d.assign(entry=d["entry"].where(d["entry"] != 2016, 2012)),
    "treated in the second period": _entry(2014),
    "treated in the last period": _entry(2018),
    "treated after the last period": _entry(2030),
    "a cohort of one": _at("entry", 2018),
    "one period": lambda d: d[d["year"] == 2015],
    "two periods": lambda d: d[d["year"].isin([2015, 2017])],
    "no period before the reference": lambda d: d[d["year"] >= 2015],
    "a year that is absent": lambda d: d[d["year"] != 2016],
    "numbers as names": lambda d: d.assign(practice=d["practice"].str[-2:].astype(int) + 70001),
    "a covariate missing in one": _at("size", np.nan),
    "a covariate missing in all": lambda d: d.assign(size=np.nan),
    "a covariate of zeros": lambda d: d.assign(size=0.0),
    "a covariate that does not vary": lambda d: d.assign(size=4000.0),
    "an infinite covariate": _at("size", np.inf),
    "a covariate as text": lambda d: d.assign(size="Zonnestraal" + d["size"].astype(str)),
    "a covariate that is the group": lambda d: d.assign(size=np.where(d["entry"] > 0, 2.0, 1.0)),
    "days that are none": lambda d: d.assign(start="Zonnestraal"),
}  # fmt: skip
WORST = (
    "a practice with one period",
    "zero variance",
    "all-zero counts",
    "G = 2",
    "one treated unit",
    "an outlier",
)
CHEAP = ("did, OLS", "did, Welch", "did, CR2", "did, permutation", "did, adjusted", "rate_ratio_did")
CHOICES: dict[str, Ask] = {
    **{
        f"draws={n!r}": (lambda f, n=n: pe.Permutation(draws=n, seed=1))
        for n in (0, -1, 9.5, "9", None, 10**12)
    },
    **{f"seed={s!r}": (lambda f, s=s: pe.WildBootstrap(draws=9, seed=s)) for s in (None, -1, 0.5, "a")},
    "one flip": lambda f: pe.single_arm(f, inference=pe.SignFlip(draws=1), **WINDOWS),
    "one draw": lambda f: pe.did(f, inference=pe.Permutation(draws=1, seed=1), **WINDOWS),
    "one wild draw": lambda f: pe.did(f, inference=pe.WildBootstrap(draws=1, seed=1), **WINDOWS),
    "draws of a joint test": lambda f: pe.MaxT(draws=0, seed=1),
    "no seed of a joint test": lambda f: pe.MaxT(draws=9, seed=None),
    "draws of a robustness": lambda f: pe.robustness(f, seed=1, draws=0, **YEAR_PAIR),
    "a seed of a robustness": lambda f: pe.robustness(f, seed="a", **YEAR_PAIR),
    "no seed of honest bounds": lambda f: pe.honest_did(f, seed=None),
    "a negative bound": lambda f: pe.honest_did(f, seed=1, relative=[-1.0]),
    "a bound as text": lambda f: pe.honest_did(f, seed=1, relative=["big"]),
    "no seed of a detectable effect": lambda f: pe.minimal_detectable_effect(
        f, inference=pe.OLS(), draws=100, seed=None
    ),
    "few draws of a detectable effect": lambda f: pe.minimal_detectable_effect(
        f, inference=pe.OLS(), draws=10, seed=1
    ),
    "power below alpha": lambda f: pe.minimal_detectable_effect(
        f, inference=pe.OLS(), draws=100, seed=1, power=0.01
    ),
    "one group of strata": lambda f: pe.Permutation(draws=9, seed=1, strata="size", groups=1),
    "strata that are absent": lambda f: pe.did(
        f, inference=pe.Permutation(draws=99, seed=1, strata="list_size"), **WINDOWS
    ),
    "a statistic misspelt": lambda f: pe.Permutation(draws=9, seed=1, statistic="studentized"),
    "tails misspelt": lambda f: pe.Permutation(draws=9, seed=1, tails="both"),
    "weights misspelt": lambda f: pe.WildBootstrap(draws=9, seed=1, weights="web"),
    "a kind misspelt": lambda f: pe.ClusterRobust("HC2"),
    "no inference": lambda f: pe.did(f, inference=None, **WINDOWS),
    "a class for an inference": lambda f: pe.did(f, inference=pe.OLS, **WINDOWS),
    "a name for an inference": lambda f: pe.did(f, inference="OLS", **WINDOWS),
    **{
        f"level={v!r}": (lambda f, v=v: pe.did(f, inference=pe.OLS(), periods=(2015, 2017), level=v))
        for v in (0, 1, 95, -0.5, math.nan, "0.95", None)
    },
    **{
        f"margin={v!r}": (lambda f, v=v: pe.did(f, inference=pe.OLS(), periods=(2015, 2017), margin=v))
        for v in (0, -1.0, math.nan, math.inf, "0.03")
    },
    "a margin of a ratio below 1": lambda f: pe.rate_ratio_did(
        f, inference=pe.ClusterRobust(), margin=0.95, **WINDOWS
    ),
    "no margin": lambda f: pe.noninferiority(pe.did(f, inference=pe.OLS(), **WINDOWS)),
    "no margin of an equivalence": lambda f: pe.equivalence(pe.did(f, inference=pe.OLS(), **WINDOWS)),
    "another level": lambda f: pe.did(f, inference=pe.OLS(), **WINDOWS).conf_int(1.5),
    "an empty conjunction": lambda f: pe.conjunction([]),
    "no frame": lambda f: pe.placebo_outcomes({}, inference=pe.OLS()),
    **{
        f"periods={v!r}": (lambda f, v=v: pe.did(f, inference=pe.OLS(), periods=v))
        for v in (2017, (2015,), "2015", (2017, 2015), (2015, 2015), (2015, 2099), ("a", "b"), (2015, 2016.5))
    },
    **{
        f"windows={v!r}": (lambda f, v=v: pe.did(f, inference=pe.OLS(), windows=v))
        for v in (
            2017, (2015, 2017), ((2013, 2015),), ((2013, 2016), (2015, 2018)), ((1990, 1991), (2017, 2018)),
        )
    },
    "windows of a curve": lambda f: pe.specification_curve(
        f, windows=((2013, 2015), (2017, 2018)), inferences={"a": pe.OLS()}
    ),
    "baselines": lambda f: pe.baseline_check(f, inference=pe.OLS(), baselines=(2014, 2015)),
    "a target": lambda f: pe.honest_did(f, seed=1, target=2017),
    "exclude as a number": lambda f: pe.imputation_did(f, exclude=2016),
    "exclude as text": lambda f: pe.event_study(f, inference=pe.OLS(), exclude="2016"),
    "a reference that is absent": lambda f: pe.event_study(f, inference=pe.OLS(), reference=2012),
    "a reference after the start": lambda f: pe.event_study(f, inference=pe.OLS(), reference=2017),
    "no adjustment": lambda f: pe.did(f, inference=pe.OLS(), adjust=None, **WINDOWS),
    "a covariate that is absent": lambda f: pe.did(f, inference=pe.OLS(), adjust=["list"], **WINDOWS),
    "a logarithm of text": lambda f: pe.did(f, inference=pe.OLS(), adjust=["log(region)"], **WINDOWS),
    "collinear covariates": lambda f: pe.did(f, inference=pe.OLS(), adjust=["size", "size"], **WINDOWS),
    "a modifier of text": lambda f: pe.effect_modifier(f, "region", inference=pe.OLS(), **WINDOWS),
    "an effect of one period": lambda f: pe.did(f.between(2015, 2015), inference=pe.OLS()),
    "four periods for did": lambda f: pe.did(f, inference=pe.OLS()),
    "no period left": lambda f: f.between(1990, 1991),
    "practices of another study": lambda f: f.keep_clusters(["Breda"]),
    "no data frame": lambda f: pe.AnalysisFrame.from_pandas(
        {"y": [1]}, unit="u", period="p", y="y", entry="e", measure=COST
    ),
}  # fmt: skip
REFUSED: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "an empty frame": (lambda d: d[:0], "no row"),
    "a NaN outcome": (_at("y", np.nan, year=2015), "y is missing or infinite in 1 of 60 rows"),
    "an infinite outcome": (_at("y", np.inf, year=2015), "y is missing or infinite in 1 of 60 rows"),
    "an outcome as text": (lambda d: d.assign(y="Zonnestraal07"), "y holds no number in 60 of 60 rows"),
    "an outcome without scale": (lambda d: d.assign(y=d["y"] * 1e200), "lies beyond"),
    "NaN weights": (_at("exposure", np.nan), "exposure is missing or infinite in 6 of 60 rows; it must"),
    "infinite weights": (_at("exposure", np.inf), "exposure is missing or infinite in 6"),
    "zero exposure": (_at("exposure", 0.0, year=2015), "exposure must be positive, and is not in 1 of 60"),
    "negative exposure": (_at("exposure", -OUTLIER, year=2015), "exposure must be positive"),
    "a duplicated practice-year": (lambda d: pd.concat([d, d[:2]]), "2 duplicated unit x period rows"),
    "a treatment that switches off": (_at("entry", 0.0, year=2018), "switches on twice or off"),
    "a treatment that moves": (_at("entry", 2017.0, year=2018), "switches on twice or off"),
    "an entry within a year": (_at("entry", 2016.4), "whole numbers, the first treated period"),
    "an entry as text": (lambda d: d.assign(entry="Zonnestraal07"), "entry holds no number in 60"),
    "periods with decimals": (lambda d: d.assign(year=d["year"] + 0.5), "period must be whole numbers"),
    "periods as dates": (lambda d: d.assign(year=pd.Timestamp("2016-06-01")), "year holds dates"),
    "a missing period": (lambda d: d.assign(year=d["year"].where(d.index > 0)), "period must be whole"),
    "a missing practice": (lambda d: d.assign(practice=d["practice"].where(d.index > 0)), "not be missing"),
    "names of two kinds": (
        lambda d: d.assign(practice=d["practice"].where(d.index > 5, 70001)), "mixes text and numbers"
    ),
    "a covariate that varies": (lambda d: d.assign(size=np.arange(len(d))), "size vary within a practice"),
    "a column that is absent": (lambda d: d.drop(columns="y"), "no column y"),
    "two columns of one name": (lambda d: pd.concat([d, d[["y"]]], axis=1), "two columns are called y"),
}  # fmt: skip


def told(ask: Callable[[], Any]) -> tuple[Any, str]:
    """What an estimator answers, or the words with which it refuses; a warning is neither."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return ask(), ""
        except PlusevalError as refusal:
            return None, str(refusal)


def faults_of_words(words: str, shown: Iterable[str]) -> list[str]:
    faults = [] if len(words) > 20 and ADVICE.search(words) else [f"says not what to do: {words}"]
    return faults + [f"shows {one}: {words}" for one in shown if one in words]


def numbers_of(found: Any) -> dict[tuple[str, str], tuple[float, str]]:
    """Every number of an answer with the words beside it, by the kind of its procedure."""
    made: dict[tuple[str, str], tuple[float, str]] = {}
    estimates = [found] if isinstance(found, pe.Estimate) else getattr(found, "estimates", ())
    for e in estimates:
        words = f"{e.term}: {e.inference}; {'; '.join(e.notes)}"
        for name in FIELDS:
            made[(f"{e.term}: {e.inference}", name)] = (getattr(e, name), words)
    if not estimates:
        for name, value in vars(found).items():
            if isinstance(value, float):
                made[(str(found), name)] = (value, str(found))
    for joint in getattr(found, "joint", ()):
        made[(joint.name, "p")], made[(joint.name, "t")] = (joint.p_value, ""), (joint.statistic, "")
    return made


def kind(procedure: str) -> str:
    """The procedure without its numbers: what has no degrees of freedom here has none there."""
    words = "none" if procedure.endswith("none: a decomposition") else procedure.split(": ", 1)[-1]
    return re.sub(r"(all )?[-\d.,]+|drawn|of \d+|\(seed.*", "", words.split(" given ")[0]).strip()[:36]


@cache
def never_had(name: str) -> frozenset[tuple[str, str, str]]:
    """What a procedure lacks on good data too: the degrees of freedom of a permutation, the p of a level."""
    frame, ask = asked(name)
    found, words = told(lambda: ask(frame(study())))
    assert not words, f"{name} refuses good data: {words}"
    return frozenset(
        (kind(of), field, str(value))
        for (of, field), (value, _) in numbers_of(found).items()
        if not math.isfinite(value)
    )


def asked(name: str) -> tuple[Callable, Ask]:
    if name in OF_PERSONS:
        return of_persons, OF_PERSONS[name]
    return of_practices, OF_PRACTICES[name]


def faults_of_answer(name: str, found: Any) -> list[str]:
    faults = []
    for (of, field), (value, words) in numbers_of(found).items():
        if value is None or (not math.isfinite(value) and not any(a in words for a in ANNOUNCED)):
            if (kind(of), field, str(value)) not in never_had(name):
                faults.append(f"{field} is {value} without a word ({words})")
        elif field in ("p", "p_value") and not (math.isnan(value) or 0 <= value <= 1):
            faults.append(f"{field} is {value} ({words})")
    return faults


@cache
def frame_of(bad: str, of: Callable) -> pe.AnalysisFrame:
    return of(BAD[bad](study()))


@cache
def secrets(bad: str) -> tuple[str, ...]:
    """What no message may show: names of practices, and values of the outcome."""
    data = BAD[bad](study())
    odd = [v for v in data["y"].unique() if len(repr(float(v))) > 8][:40]
    return ("Zonnestraal", "7000", "987654", *(form for v in odd for form in (f"{v:.3f}", f"{v:g}")))


def faults_of(name: str, spoiled: Iterable[str]) -> list[str]:
    frame, ask = asked(name)
    faults = []
    for bad in spoiled:
        found, words = told(lambda bad=bad: ask(frame_of(bad, frame)))
        some = faults_of_words(words, secrets(bad)) if found is None else faults_of_answer(name, found)
        faults += [f"{bad}: {fault}" for fault in some]
    return faults


@pytest.mark.parametrize("name", [*OF_PRACTICES, *OF_PERSONS])
def test_bad_input_gets_help_or_an_answer_that_says_what_it_lacks(name):
    every = name in CHEAP or "PLUSEVAL_EVERY_CELL" in os.environ
    faults = faults_of(name, BAD if every else WORST)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("bad", REFUSED)
@pytest.mark.parametrize("of", [of_practices, of_persons])
def test_what_cannot_become_a_frame_is_refused_with_counts_and_without_values(bad, of):
    spoil, expected = REFUSED[bad]
    if of is of_persons and ("weights" in bad or "exposure" in bad or bad == "a column that is absent"):
        pytest.skip("the persons of this test have no exposure, and are made from the outcome")
    if of is of_persons and bad in ("an outcome as text", "two columns of one name"):
        pytest.skip("the persons of this test are made by adding to the outcome")
    found, words = told(lambda: of(spoil(study())))
    assert found is None and not faults_of_words(words, ("Zonnestraal", "7000", "987654", "2016.4"))
    if of is of_practices:
        assert expected in words


@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_that_is_none_is_named_with_what_to_give(choice):
    found, words = told(lambda: CHOICES[choice](of_practices(study())))
    assert found is None, f"answered {found}"
    assert not faults_of_words(words, ("Zonnestraal", "Breda"))


def test_an_entry_of_infinity_is_never_treated_as_zero_is():
    with_zero, with_inf = (
        pe.did(of_practices(study().replace({"entry": {0.0: never}})), inference=pe.OLS(), **WINDOWS)
        for never in (0.0, np.inf)
    )
    assert with_zero.to_frame().equals(with_inf.to_frame())


def test_periods_as_whole_floats_or_digits_are_years():
    plain = pe.did(of_practices(study()), inference=pe.OLS(), **WINDOWS)
    for kind_of in (float, str):
        other = of_practices(study().assign(year=study()["year"].astype(kind_of)))
        assert pe.did(other, inference=pe.OLS(), **WINDOWS).estimate == plain.estimate


def test_a_change_that_is_the_same_everywhere_is_no_evidence_however_it_rounds():
    """A change of 0.7 in all programme and of 0.1 in all comparison practices has no standard error."""
    rates = study().assign(
        y=lambda d: _first(d) + np.where(d["year"] > 2015, np.where(d["entry"] > 0, 0.7, 0.1), 0)
    )
    frame = of_practices(rates)
    for ask in (
        lambda: pe.did(frame, inference=EXACT, **YEAR_PAIR),
        lambda: pe.single_arm(frame, inference=pe.SignFlip(draws=64), **YEAR_PAIR),
        lambda: pe.serial_did(frame, **WINDOWS),
        lambda: pe.gee_did(frame, **YEAR_PAIR),
    ):
        assert "changed equally" in told(ask)[1]
