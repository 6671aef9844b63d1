"""Staggered starts given covariates: outcome regression equals R's did, doubly robust but for its weights.

DRDID divides the comparison units' weights, the odds of treatment, by their sum; diff-diff, which the
estimator calls, divides them by the number of treated units, which is their sum only on average, and takes
propensity scores below 0.01 for 0.01. Both are written out here: the difference is known to the last digit.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pluseval.data.frame import AnalysisFrame, Measure
from pluseval.estimate.result import EstimateSet
from pluseval.estimate.staggered import staggered_did

ESTIMATE, ERROR = 1e-6, 1e-5
ERROR_OF_OTHER_WEIGHTS = 0.02  # share by which the other weights move an analytic standard error
COMPARISONS = {"nevertreated": "never", "notyettreated": "not_yet_treated"}
SCORE = Measure("y", "score", "score", "points", "punten", "points", "punten", "higher")
FLOOR = 0.01


@pytest.fixture(scope="module")
def panels(reference_data, shared_data):
    """Frames with one covariate, by the name of their oracle."""

    def referrals() -> AnalysisFrame:
        data = reference_data("practice_year_referrals").sort_values("year")
        data["y"] = 100 * data.referrals / data.list_size
        data["z"] = np.log(data.groupby("practice_id").list_size.transform("first"))
        return framed(data, unit="practice_id", entry="cohort")

    def mpdta() -> AnalysisFrame:
        path = shared_data() / "data" / "validation" / "mpdta.csv"
        if not path.exists():
            pytest.skip("mpdta.csv is not in the shared data")
        data = pd.read_csv(path).rename(columns={"lemp": "y", "lpop": "z", "first.treat": "start"})
        return framed(data.assign(county=data.countyreal.astype(str)), unit="county", entry="start")

    return {"referrals": referrals, "mpdta": mpdta}


def framed(data: pd.DataFrame, *, unit: str, entry: str) -> AnalysisFrame:
    return AnalysisFrame.from_pandas(
        data, unit=unit, period="year", y="y", entry=entry, measure=SCORE, covariates=("z",)
    )


@pytest.fixture(scope="module")
def oracle(reference, shared_values):
    def named(panel: str, method: str, comparison: str) -> dict:
        if panel == "mpdta":
            return shared_values("did_att_gt_mpdta")["results"][f"mpdta_{method}_{comparison}_lpop"]
        return reference("did_att_gt_referrals")["results"][f"referrals_{method}_{comparison}_lls"]

    return named


def expected_terms(r: dict) -> dict[str, tuple[float, float]]:
    terms = {"overall": (r["simple"]["overall.att"], r["simple"]["overall.se"])}
    for label, part in (("event", r["dynamic"]), ("cohort", r["group_agg"])):
        for key, att, se in zip(part["egt"], part["att.egt"], part["se.egt"], strict=True):
            terms[f"{label} {key}"] = (att, se)
    return terms


@pytest.mark.parametrize("r_comparison", COMPARISONS)
@pytest.mark.parametrize("panel", ["referrals", "mpdta"])
def test_outcome_regression_equals_r(panel, r_comparison, panels, oracle):
    found = staggered_did(panels[panel](), comparison=COMPARISONS[r_comparison], adjust=["z"], method="reg")
    for term, (att, se) in expected_terms(oracle(panel, "reg", r_comparison)).items():
        assert found[term].estimate == pytest.approx(att, abs=ESTIMATE)
        assert found[term].std_error == pytest.approx(se, rel=ERROR)


def propensity(x: np.ndarray, treated: np.ndarray) -> np.ndarray:
    slope = np.zeros(x.shape[1])
    for _ in range(50):
        score = 1 / (1 + np.exp(-x @ slope))
        slope += np.linalg.solve(x.T @ (x * (score * (1 - score))[:, None]), x.T @ (treated - score))
    return 1 / (1 + np.exp(-x @ slope))


def doubly_robust(change: np.ndarray, z: np.ndarray, treated: np.ndarray, *, normalised: bool) -> float:
    x = np.column_stack([np.ones(z.size), z - z.mean()])
    other = ~treated
    predicted = x @ np.linalg.lstsq(x[other], change[other], rcond=None)[0]
    score = propensity(x, treated.astype(float))[other]
    score = np.minimum(score, 1 - 1e-6) if normalised else np.clip(score, FLOOR, 1 - FLOOR)
    odds = score / (1 - score)
    gap = change - predicted
    return gap[treated].mean() - (odds @ gap[other]) / (odds.sum() if normalised else treated.sum())


def effects(frame: AnalysisFrame, r: dict, *, comparison: str, normalised: bool) -> np.ndarray:
    """The effect of every cell of R's table."""
    cells = frame.cells.pivot(index="cluster", columns="period", values="y")
    z = frame.practices.loc[cells.index, "z"].to_numpy(float)
    entry = frame.cells.groupby("cluster").entry.first().loc[cells.index].to_numpy(float)
    entry = np.where(np.isfinite(entry) & (entry > 0), entry, np.inf)
    made = []
    for g, t in zip(r["group"], r["t"], strict=True):
        base = max(p for p in cells.columns if p < min(g, t))
        outside = entry > max(t, base) if comparison == "not_yet_treated" else np.isinf(entry)
        used = (entry == g) | (outside & (entry != g))
        change = (cells[t] - cells[base]).to_numpy()[used]
        made.append(doubly_robust(change, z[used], entry[used] == g, normalised=normalised))
    return np.array(made)


def averages(frame: AnalysisFrame, r: dict, cell: np.ndarray) -> dict[str, float]:
    size = frame.cells.groupby("cluster").entry.first().value_counts()
    group, period = np.array(r["group"]), np.array(r["t"])
    weight = size.loc[group].to_numpy(float)
    chosen = {"overall": period >= group}
    chosen |= {f"event {e}": period - group == e for e in np.unique(period - group)}
    chosen |= {f"cohort {g}": (group == g) & (period >= g) for g in np.unique(group)}
    return {term: float(np.average(cell[use], weights=weight[use])) for term, use in chosen.items()}


@pytest.mark.parametrize("r_comparison", COMPARISONS)
@pytest.mark.parametrize("panel", ["referrals", "mpdta"])
def test_doubly_robust_differs_from_r_by_the_divisor_of_its_weights(panel, r_comparison, panels, oracle):
    """A deliberate difference (of diff-diff), of exactly the size that its divisor makes."""
    frame, r, comparison = panels[panel](), oracle(panel, "dr", r_comparison), COMPARISONS[r_comparison]
    in_r = effects(frame, r, comparison=comparison, normalised=True)
    assert in_r == pytest.approx(np.array(r["att"], float), abs=ESTIMATE)
    here = averages(frame, r, effects(frame, r, comparison=comparison, normalised=False))
    found: EstimateSet = staggered_did(frame, comparison=comparison, adjust=["z"], method="dr")
    for term, (att, se) in expected_terms(r).items():
        assert averages(frame, r, in_r)[term] == pytest.approx(att, abs=ESTIMATE)
        assert found[term].estimate == pytest.approx(here[term], abs=ESTIMATE)
        assert found[term].std_error == pytest.approx(se, rel=ERROR_OF_OTHER_WEIGHTS)
