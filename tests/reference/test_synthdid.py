"""Synthetic difference in differences equals R's synthdid."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pluseval.numerics.simplex import frank_wolfe, simplex_least_squares
from pluseval.numerics.synthdid import METHODS, synthetic_did
from pluseval.numerics.synthdid_resampling import bootstrap_effects, jackknife_standard_error, placebo_effects

ESTIMATE = 1e-3  # relative, the README's for Frank-Wolfe with R's stopping rule
EXACT = 0.02  # relative: R's search stops before the minimum; mostly 0.1 %, on 1 draw in 100 above 0.5 %
JACKKNIFE = 0.02
RESAMPLING = 0.08  # relative; wider only where 500 draws of a long-tailed spread cannot settle it
DRAWS = 1_000
R_NAMES = {"sdid": "synthdid_estimate", "sc": "sc_estimate", "did": "did_estimate"}


def wide(frame: pd.DataFrame, *, unit: str, period: str, y: str, treated: str) -> tuple[np.ndarray, int, int]:
    """Controls first, in R's order of names, and the number of controls and of earlier periods."""
    values = frame.pivot(index=unit, columns=period, values=y)
    status = frame.pivot(index=unit, columns=period, values=treated)
    order = status.max(axis=1).sort_values(kind="stable").index
    n_control = int((status.max(axis=1) == 0).sum())
    return values.loc[order].to_numpy(), n_control, int((status.max(axis=0) == 0).sum())


@pytest.fixture
def referrals(reference_data) -> tuple[np.ndarray, int, int]:
    data = reference_data("practice_year_referrals").query("cohort in (0, 2017)")
    data = data.assign(
        pct=100 * data.referrals / data.list_size, on=(data.cohort.eq(2017) & data.year.ge(2017)).astype(int)
    )
    return wide(data, unit="practice_id", period="year", y="pct", treated="on")


@pytest.fixture
def prop99(shared_data) -> tuple[np.ndarray, int, int]:
    path = shared_data() / "data" / "validation" / "california_prop99.csv"
    if not path.exists():
        pytest.skip("california_prop99.csv is not in the shared data")
    data = pd.read_csv(path, sep=";")
    return wide(data, unit="State", period="Year", y="PacksPerCapita", treated="treated")


def agrees(own: np.ndarray, r_value: float) -> bool:
    """Whether two standard deviations over draws (ours, and R's of 500) agree as far as the draws allow."""
    centred = (own - own.mean()) / own.std()
    kurtosis = (centred**4).mean()
    monte_carlo = np.sqrt((kurtosis - 1) / 4 * (1 / own.size + 1 / 500))
    return abs(own.std() / r_value - 1) <= max(RESAMPLING, 4 * monte_carlo)


@pytest.mark.parametrize("method", METHODS)
def test_prop99_equals_r(method, prop99, reference):
    y, n_control, n_pre = prop99
    r = reference("synthdid")["results"][R_NAMES[method]]
    own = synthetic_did(y, n_control=n_control, n_pre=n_pre, method=method, solver="frank_wolfe")
    assert own.estimate == pytest.approx(r["estimate"], rel=ESTIMATE)
    assert own.zeta_lambda == pytest.approx(r["setup"]["zeta.lambda"], rel=1e-8)
    assert own.zeta_omega == pytest.approx(r["setup"]["zeta.omega"], rel=1e-8)
    assert own.omega == pytest.approx(np.array(list(r["omega"].values()), float), abs=1e-3)
    if method != "sc":
        assert own.lambda_ == pytest.approx(np.array(list(r["lambda"].values()), float), abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_prop99_placebo_error_equals_r(method, prop99, reference):
    y, n_control, n_pre = prop99
    r = reference("synthdid")["results"][R_NAMES[method]]
    own = placebo_effects(y, n_control=n_control, n_pre=n_pre, method=method, draws=DRAWS, seed=1)
    assert agrees(own, r["placebo_se_500"])


def test_referrals_equal_r(referrals, reference):
    y, n_control, n_pre = referrals
    r = reference("synthdid")["results"]["referrals_cohort2017"]
    for method, name in (("sdid", "estimate"), ("sc", "sc"), ("did", "did")):
        own = synthetic_did(y, n_control=n_control, n_pre=n_pre, method=method, solver="frank_wolfe")
        assert abs(own.estimate - r[name]) <= ESTIMATE * max(abs(r[name]), own.noise_level)
        if method == "sdid":
            assert own.lambda_ == pytest.approx(r["lambda"], abs=1e-3)
            near = int((np.abs(own.omega - 1e-3) < 1e-4).sum())  # R counts the weights above 0.001
            assert abs(int((own.omega > 1e-3).sum()) - r["omega_nonzero_n"]) <= near


def test_the_exact_minimum_is_near_r_and_never_worse(referrals, reference):
    """A deliberate difference: R's search stops early, which moves the effect by what R's search here tells."""
    y, n_control, n_pre = referrals
    r = reference("synthdid")["results"]["referrals_cohort2017"]
    own = synthetic_did(y, n_control=n_control, n_pre=n_pre)
    unfinished = synthetic_did(y, n_control=n_control, n_pre=n_pre, solver="frank_wolfe")
    scale = max(abs(r["estimate"]), own.noise_level)
    size = unfinished.estimate - own.estimate
    assert abs(r["estimate"] - own.estimate - size) <= ESTIMATE * scale
    assert abs(size) <= EXACT * scale
    past = y[:, :n_pre] - y[:, :n_pre].mean(axis=1, keepdims=True)

    def loss(omega: np.ndarray) -> float:
        gap = past[:n_control].T @ omega - past[n_control:].mean(axis=0)
        return float((gap**2).sum() + n_pre * own.zeta_omega**2 * (omega**2).sum())

    assert loss(own.omega) <= loss(unfinished.omega) * (1 + 1e-12)


def test_synthetic_control_with_few_periods_is_where_r_stops_short(referrals):
    """With more controls than earlier periods many weights fit perfectly; ours are the smallest of those."""
    y, n_control, n_pre = referrals
    own = synthetic_did(y, n_control=n_control, n_pre=n_pre, method="sc")
    r_like = synthetic_did(y, n_control=n_control, n_pre=n_pre, method="sc", solver="frank_wolfe")
    assert np.linalg.norm(own.gap[:n_pre]) <= np.linalg.norm(r_like.gap[:n_pre]) * (1 + 1e-9) + 1e-9
    shuffled = np.random.default_rng(1).permutation(n_control)
    again = synthetic_did(
        np.concatenate([y[shuffled], y[n_control:]]), n_control=n_control, n_pre=n_pre, method="sc"
    )
    assert again.estimate == pytest.approx(own.estimate, abs=1e-7)


def test_referrals_standard_errors_equal_r(referrals, reference):
    y, n_control, n_pre = referrals
    r = reference("synthdid")["results"]["referrals_cohort2017"]
    settings = {"n_control": n_control, "n_pre": n_pre}
    assert jackknife_standard_error(y, **settings) == pytest.approx(r["jackknife_se"], rel=JACKKNIFE)
    assert agrees(placebo_effects(y, draws=DRAWS, seed=1, **settings), r["placebo_se_500"])
    assert agrees(bootstrap_effects(y, draws=DRAWS, seed=1, **settings), r["bootstrap_se_500"])


def test_frank_wolfe_run_to_the_end_approaches_the_exact_minimum(referrals):
    y, n_control, n_pre = referrals
    past = y[:n_control, :n_pre].T
    past, target = past - past.mean(axis=0), y[n_control:, :n_pre].mean(axis=0)
    target = target - target.mean()
    start, ridge = np.full(n_control, 1 / n_control), float(np.var(past)) / 2

    def loss(weights: np.ndarray) -> float:
        return float(((past @ weights - target) ** 2).sum() + ridge * (weights**2).sum())

    exact = loss(simplex_least_squares(past, target, ridge=ridge))
    short, long = (
        loss(frank_wolfe(past, target, ridge=ridge, start=start, min_decrease=0.0, max_iter=steps))
        for steps in (100, 20_000)
    )
    assert exact <= long * (1 + 1e-12)
    assert long - exact <= 0.1 * (short - exact) + 1e-12
