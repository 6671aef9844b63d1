"""The 2x2 against linearmodels: one estimate, one pooled error, and what its clustered error counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from linearmodels.panel import PanelOLS

import pluseval as pe

PRACTICES, PROGRAMME = 30, 9
PERCENT = pe.Measure("y", "referral percentage", "verwijspercentage", "%", "%", "points", "punten", "lower")


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    practice = np.repeat(np.arange(PRACTICES), 2)
    made = pd.DataFrame({"practice": practice, "year": np.tile([2018, 2019], PRACTICES)})
    made["entry"] = np.where(practice < PROGRAMME, 2019.0, np.nan)
    made["on"] = ((practice < PROGRAMME) & (made["year"] == 2019)).astype(float)
    made["y"] = np.random.default_rng(3).normal(30, 3, 2 * PRACTICES)
    return made


@pytest.fixture(scope="module")
def peer(panel):
    index = panel.set_index(["practice", "year"])
    return PanelOLS(index["y"], index[["on"]], entity_effects=True, time_effects=True)


@pytest.fixture(scope="module")
def frame(panel):
    columns = {"unit": "practice", "period": "year", "y": "y", "entry": "entry"}
    return pe.AnalysisFrame.from_pandas(panel.drop(columns="on"), **columns, measure=PERCENT)


def test_estimate_pooled_error_and_degrees_of_freedom_are_one(peer, frame):
    ours, theirs = pe.did(frame, inference=pe.OLS()), peer.fit(cov_type="unadjusted")
    assert ours.estimate == pytest.approx(theirs.params["on"], rel=1e-9)
    assert ours.std_error == pytest.approx(theirs.std_errors["on"], rel=1e-9)
    assert (ours.df, ours.p_value) == pytest.approx((theirs.df_resid, theirs.pvalues["on"]), rel=1e-9)


def test_its_clustered_error_is_cr1_that_also_counts_every_practice_as_a_parameter(peer, frame):
    """``group_debias``: G / (G - 1) (N - 1) / (N - K), where K counts the practices (the clusters)."""
    ours = pe.did(frame, inference=pe.ClusterRobust("CR1"))
    theirs = peer.fit(cov_type="clustered", cluster_entity=True, group_debias=True)
    rows = 2 * PRACTICES
    counted = (rows - 1) / (rows - (PRACTICES + 2))
    assert theirs.std_errors["on"] == pytest.approx(np.sqrt(counted) * ours.std_error, rel=1e-9)
