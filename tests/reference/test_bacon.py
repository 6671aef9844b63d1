"""The Goodman-Bacon decomposition equals R's bacondecomp, pair by pair."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pluseval.numerics.bacon import BaconDecomposition, bacon_decomposition

EXACT = 1e-8
R_NEVER = 99_999
R_KINDS = {
    "Treated vs Untreated": "treated_v_never",
    "Earlier vs Later Treated": "earlier_v_later",
    "Later vs Earlier Treated": "later_v_earlier",
    "Later vs Always Treated": "later_v_always",
}


def wide(frame: pd.DataFrame, *, unit: str, y: str) -> dict[str, np.ndarray]:
    table = frame.pivot(index=unit, columns="year", values=y)
    return {
        "y": table.to_numpy(),
        "entry": frame.groupby(unit).entry.first().to_numpy(),
        "periods": table.columns.to_numpy(),
    }


def assert_equals(own: BaconDecomposition, r: dict) -> None:
    untreated = np.where(np.isposinf(own.comparison), R_NEVER, own.comparison)
    pairs = {
        (treated, other): (kind, estimate, weight)
        for treated, other, kind, estimate, weight in zip(
            own.treated, untreated, own.kind, own.estimate, own.weight, strict=True
        )
    }
    assert len(pairs) == len(r["decomp"])
    for row in r["decomp"]:
        kind, estimate, weight = pairs[(row["treated"], row["untreated"])]
        assert kind == R_KINDS[row["type"]]
        assert estimate == pytest.approx(row["estimate"], abs=EXACT)
        assert weight == pytest.approx(row["weight"], abs=EXACT)
    assert own.total == pytest.approx(r["weighted_sum"], abs=EXACT)


def test_referrals_equal_r_and_add_up_to_twfe(reference_data, reference):
    data = reference_data("practice_year_referrals")
    data = data.assign(pct=100 * data.referrals / data.list_size, entry=data.cohort)
    r = reference("did_imputation_bacon")["results"]["bacon_referrals"]
    own = bacon_decomposition(**wide(data, unit="practice_id", y="pct"))
    assert_equals(own, r)
    assert own.total == pytest.approx(r["twfe"], abs=EXACT)


def test_castle_equals_r(shared_data, reference):
    folder = os.environ.get("PLUSEVAL_REFERENCE")
    path = Path(folder) / "data" / "castle_subset.csv" if folder else None
    if path is None or not path.exists():
        path = shared_data() / "reference" / "data" / "castle_subset.csv"
    if not path.exists():
        pytest.skip("castle_subset.csv is not in the shared data")
    data = pd.read_csv(path)
    first = data[data.post > 0].groupby("state").year.min()
    data = data.assign(entry=data.state.map(first).fillna(0))
    own = bacon_decomposition(**wide(data, unit="state", y="l_homicide"))
    assert_equals(own, reference("did_imputation_bacon")["results"]["bacon_castle"])
