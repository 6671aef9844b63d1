"""Honest difference in differences equals R's HonestDiD."""

from __future__ import annotations

import numpy as np
import pytest

from pluseval.numerics.honest import relative_magnitudes
from pluseval.numerics.honest_smoothness import smoothness_interval

GRID_STEPS = 2
R_DRAWS = 1_000  # of HonestDiD's first-stage critical value, under one fixed seed
R_GRID = 1_000  # points on plus and minus 20 standard errors
FIXED_LENGTH = 1e-3  # of the interval's length
R_QUANTILE_DRAWS = 10**6  # HonestDiD simulates the folded normal's quantile


@pytest.fixture
def r(reference) -> dict:
    return reference("honestdid")["results"]


@pytest.fixture
def inputs(r, reference) -> dict[str, dict]:
    es = reference("fixest_twfe_eventstudy_sunab")["results"]
    bc = r["BC_input"]
    return {
        "BC": {"coef": np.array(bc["betahat"]), "cov": np.array(bc["sigma"]), "n_pre": bc["numPre"]},
        "referrals": {
            "coef": np.array(r["referrals_input"]["betahat"]),
            "cov": np.array(es["event_study_twfe_vcov"]["V"]),
            "n_pre": sum("-" in name for name in r["referrals_input"]["names"]),
        },
    }


def target(name: str, n_post: int) -> np.ndarray:
    if name.endswith("avg_post"):
        return np.full(n_post, 1 / n_post)
    return np.eye(n_post)[1 if name.endswith("post2") else 0]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("BC", "BC_RM_CLF"),
        ("referrals", "referrals_RM_post1"),
        ("referrals", "referrals_RM_post2"),
        ("referrals", "referrals_RM_avg_post"),
    ],
)
def test_relative_magnitudes_equal_r(data, name, inputs, r):
    """Within two grid steps, or four Monte Carlo errors of R's own critical value where those are wider."""
    given = inputs[data]
    post = given["cov"][given["n_pre"] :, given["n_pre"] :]
    weights = target(name, post.shape[0])
    step = 40 * np.sqrt(weights @ post @ weights) / R_GRID
    for row in r[name]:
        settings = {"mbar": row["Mbar"], "weights": weights, **given}
        own = relative_magnitudes(seed=1, **settings)
        for end, expected in (("low", row["lb"]), ("high", row["ub"])):
            if expected is None or not np.isfinite(expected):  # R found no value that is not rejected
                assert not np.isfinite(getattr(own, end)) or own.high - own.low < GRID_STEPS * step
            elif abs(abs(expected) - 500 * step) < step:  # R's grid ends there: the true end lies further out
                assert abs(getattr(own, end)) > abs(expected) - step
            elif abs(getattr(own, end) - expected) > GRID_STEPS * step:
                noisy = [relative_magnitudes(seed=seed, draws=R_DRAWS, **settings) for seed in range(20)]
                spread = np.std([getattr(run, end) for run in noisy], ddof=1)
                assert abs(getattr(own, end) - expected) <= 4 * spread


@pytest.mark.parametrize(("data", "name"), [("BC", "BC_SD_FLCI"), ("referrals", "referrals_SD_FLCI_post1")])
def test_smoothness_equals_r(data, name, inputs, r):
    """Within 0.1 % of the length, or what R's simulated quantile leaves open (four of its errors)."""
    for row in r[name]:
        own = smoothness_interval(m=row["M"], **inputs[data])
        length = own.high - own.low
        density = 0.103  # of |N(b, 1)| at its 95 % quantile, for b above 1; at 0 it is larger
        quantile_error = np.sqrt(0.05 * 0.95 / R_QUANTILE_DRAWS) / density
        tolerance = max(FIXED_LENGTH * length, 4 * quantile_error * own.std_error)
        assert own.low == pytest.approx(row["lb"], abs=tolerance)
        assert own.high == pytest.approx(row["ub"], abs=tolerance)


def test_no_violation_after_the_start_is_nearly_the_usual_interval(inputs, r):
    given = inputs["BC"]
    original = r["BC_original"][0]
    own = relative_magnitudes(mbar=0.0, seed=1, **given)
    low, high = np.ravel(original["lb"])[0], np.ravel(original["ub"])[0]
    assert own.low == pytest.approx(low, abs=0.05 * (high - low))
    assert own.high == pytest.approx(high, abs=0.05 * (high - low))
